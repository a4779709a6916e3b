"""A space as one file of plain PyTorch: model.py with the network, weights.pt with its state dict, prior.pt
with what new faces come from."""

import math
from pathlib import Path

import torch

from facespace.core.cards import Card
from facespace.core.configs import from_dict
from facespace.core.version import __version__
from facespace.formats.checks import TERMS, check_model
from facespace.formats.docstrings import KINDS, plain_text, rows_of_text
from facespace.formats.layers import network, shape_text
from facespace.formats.pictures import picture_fields
from facespace.formats.single_file import PriorFields, model_code
from facespace.image.photos import Template
from facespace.models import fitted
from facespace.models.bundle import Bundle, Tensors, tensors_of
from facespace.models.bundle_card import MODEL_PRIOR, BundleCard, default_prior
from facespace.models.priors import FittedNormal, Mixture, Prior
from facespace.recipes.config import Recipe

CODE, WEIGHTS, PRIOR = "model.py", "weights.pt", "prior.pt"
# The pictures are those that model.py writes.
FILES = (CODE, WEIGHTS, PRIOR, "samples.png", "reconstructions.png", "__pycache__")
DRAWN = 4096  # latents of a prior without a short formula


def check(loaded: Bundle) -> None:
    """Raises UsageError for a space whose model has no file."""
    check_model(loaded.model.config)
    network(loaded.model.config)


def write(loaded: Bundle, folder: Path, precision: str = "fp32") -> Card:
    """Writes the three files, prior.pt only where the prior is not the model's own. Measures nothing."""
    fields, tensors = _prior(loaded)
    source = str(loaded.card.get("data", {}).get("source", "the training set"))
    pictures = picture_fields(loaded.template, source)
    recipe = _recipe(loaded)
    term = TERMS[loaded.model.config.bottleneck] or ""
    fields["weight"] = recipe.objective.weights.get(term, 1.0) if recipe else 1.0
    text = model_code(loaded.model.config, _docstring(loaded, recipe, fields["prior_doc"]), pictures, fields)
    (folder / CODE).write_text(text, encoding="utf-8")
    torch.save(tensors_of(loaded.model), folder / WEIGHTS)
    if tensors:
        torch.save(tensors, folder / PRIOR)
    return {}


def _recipe(loaded: Bundle) -> Recipe | None:
    """The recipe of the card; None for a bundle that was not written by training."""
    values = loaded.card.get("recipe")
    return from_dict(Recipe, values) if values else None


def _prior(loaded: Bundle) -> tuple[PriorFields, Tensors]:
    """The variables of export.jinja for the space's default prior, and the tensors of prior.pt."""
    name = default_prior(loaded.card)
    if name == MODEL_PRIOR:
        return {"prior_kind": "own", "prior_doc": plain_text(loaded.model.prior.origin)}, {}
    prior: Prior = fitted.load_prior(loaded, name)
    if isinstance(prior, FittedNormal):
        values, vectors = torch.linalg.eigh(prior.covariance.double())
        root = (vectors * values.clamp(min=0).sqrt()).float()
        tensors = {"weights": torch.ones(1), "means": prior.center[None], "factors": root[None]}
    elif isinstance(prior, Mixture):
        tensors = tensors_of(prior)
    else:
        tensors = {"latents": prior.sample_many(DRAWN, torch.Generator().manual_seed(0)).float().contiguous()}
        doc = f"at most {DRAWN:,}, drawn from {plain_text(prior.origin)}"
        return {"prior_kind": "latents", "prior_doc": doc}, tensors
    return {"prior_kind": "mixture", "prior_doc": f"from {plain_text(prior.origin)}"}, tensors


def _docstring(loaded: Bundle, recipe: Recipe | None, prior: str) -> str:
    config, card = loaded.model.config, loaded.card
    parameters = sum(math.prod(weight.shape) for weight in loaded.model.parameters())
    rows = {
        "Model": f"{shape_text(config.image)} pixels, {config.latent_dim} latents, {parameters:,} "
        f"parameters; {config.backbone} backbone",
        "Weights": _weights_line(card, recipe),
        "Pixels": "uint8 divided by 255, so floats in [0, 1]; no other normalisation. "
        + _crop(loaded.template),
        "New faces": prior,
        "Data": _data_line(card),
    }
    name = recipe.name if recipe else loaded.folder.name
    commands = (
        "    python model.py                # samples.png: 64 new faces",
        "    python model.py A.jpg B.jpg    # reconstructions.png: photographs above their reconstructions",
    )
    title = f"{plain_text(name)}: a {KINDS[config.bottleneck]} of faces, exported by facespace {__version__}."
    return "\n".join([title, "", *rows_of_text(rows), "", *commands, ""])


def _weights_line(card: BundleCard, recipe: Recipe | None) -> str:
    parts = [f"{WEIGHTS}, a state dict of 32-bit floats"]
    kept = (card.get("metrics") or {}).get("weights")
    if recipe and recipe.train.decay and kept != "raw":
        parts.append(f"the moving average of decay {recipe.train.decay:.6g}")
    if "step" in card:
        parts.append(f"after {card['step']:,} steps")
    if "packed" in card:
        parts.append(f"from {card['packed']['bits']}-bit weights")
    return f"{', '.join(parts)}; fingerprint {card['fingerprint'][:16]}"


def _crop(template: Template) -> str:
    size = f"resized to {template.height}×{template.width} (Lanczos)"
    if not template.source:
        return f"Faces are {size}."
    height, width = template.source
    return f"Crop {template.crop} of pictures of {height}×{width}, {size}."


def _data_line(card: BundleCard) -> str:
    data = card.get("data", {})
    if not data:
        return "unknown"
    return f"{data.get('source')}, {data.get('faces', 0):,} faces; terms: {data.get('terms', 'unknown')}"
