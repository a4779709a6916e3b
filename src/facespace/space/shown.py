"""A space as HTML for notebooks: its facts, and a few of its faces."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from facespace.core import html
from facespace.core.errors import FacespaceError
from facespace.image import shown

if TYPE_CHECKING:
    from facespace.space.base import BaseSpace

SAMPLES = 8
TEMPERATURE = 0.8


def space_html(space: "BaseSpace") -> str:
    """Sizes, training faces with their terms, priors, and SAMPLES faces of the default prior."""
    card = space.card
    recipe = card.get("recipe") or {}
    data = card.get("data") or {}
    channels, height, width = space.image_shape
    rows = [
        ("faces", f"{width}×{height} pixels, {'gray' if channels == 1 else 'colour'}"),
        ("latents", f"{space.latent_dim:,}"),
        ("conditions", ", ".join(space.conditions)),
        ("trained on", _training_set(data)),
        ("terms of the photographs", data.get("terms", "")),
        ("priors", ", ".join(["model", *card.get("priors", {})])),
    ]
    title = f"FaceSpace {recipe.get('name', space.folder.name)}"
    return html.facts(title, rows, _samples(space))


def _training_set(data: Mapping[str, Any]) -> str:
    faces = data.get("splits", {}).get("train")
    if not faces:
        return ""
    return f"{faces:,} faces, source {data.get('source', 'unknown')}"


def _samples(space: "BaseSpace") -> str:
    """The picture of some samples, or a sentence where the space cannot draw any."""
    prior = space.default_prior
    try:
        z = space.sample_latents(SAMPLES, seed=0, temperature=TEMPERATURE)
        image, _ = shown.drawn_grid(space.decode(z))
    except FacespaceError as error:
        return html.lines([f"No samples: {error}"])
    caption = f"{SAMPLES} samples of the prior {prior} at temperature {TEMPERATURE}, seed 0"
    return html.picture(shown.png(image), "png", caption) + html.lines([caption])
