"""What is measured: a space and the faces that it is shown, opened, checked and encoded once."""

from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from facespace.core.console import progress
from facespace.core.errors import UsageError
from facespace.core.version import __version__
from facespace.data.faces import FaceSet, batches, evenly_spaced
from facespace.image.pixels import to_float
from facespace.models.posteriors import Gaussian
from facespace.space.face_space import FaceSpace, load


class Encoded(NamedTuple):
    """Posteriors of N faces; an autoencoder has neither variances nor a KL."""

    mean: np.ndarray  # (N, D)
    variance: np.ndarray | None  # (N, D)
    kl: np.ndarray | None  # (N, D) nats


class EvaluationSession:
    """A space before at most `count` faces of a split, evenly spread. A space that can be told attributes is told none.

    Raises UsageError where the set was cut otherwise than the faces that the space learned: its figures would be of the
    crop, not of the space."""

    def __init__(
        self, space: FaceSpace | Path | str | None, faces: FaceSet | Path | str, split: str, count: int | None
    ) -> None:
        self.space = (space if isinstance(space, FaceSpace) else load(space)).as_prepared()
        self.faces = faces if isinstance(faces, FaceSet) else FaceSet(faces)
        self.split, self.rows = split, chosen(self.faces, split, count)
        learned, found = self.space.template.crop, self.faces.card["crop"]
        if learned != found:
            raise UsageError(
                f"{self.space.folder} learned faces of the crop {learned} and {self.faces.root} holds {found}: the figures "
                f"would tell of the crop. Prepare the set with --crop {learned}."
            )

    def pixels(self, rows: np.ndarray) -> np.ndarray:
        """Those faces as the space sees them, uint8 (N, H, W, C)."""
        return self.space.fit(self.faces.images[rows])

    def protocol(self) -> dict[str, Any]:
        """What everybody needs to know who wants the same figures: the space, the set, and which faces."""
        space, card = self.space, self.faces.card
        return {
            "facespace": __version__,
            "space": {
                "folder": str(space.folder),
                "recipe": (space.card.get("recipe") or {}).get("name"),
                "fingerprint": space.card["fingerprint"],
                "image": list(space.image_shape),
                "latents": space.latent_dim,
            },
            "set": {key: card[key] for key in ("source", "size", "channels", "crop", "fingerprint")}
            | {"folder": str(self.faces.root)},
            "split": self.split,
            "faces": len(self.rows),
            "chosen": "evenly spread",
        }

    @cached_property
    def originals(self) -> np.ndarray:
        """The chosen faces as the space draws them, uint8 (N, H, W, C)."""
        parts = [self.space.target(self.pixels(part)) for part in batches(self.rows)]
        return np.concatenate(parts)

    @cached_property
    @torch.inference_mode()
    def encoded(self) -> Encoded:
        """Their posteriors."""
        model, mean, variance, kl = self.space.model.eval(), [], [], []
        with progress(len(self.rows), "Encoding", "faces") as advance:
            for part in batches(self.rows):
                posterior = model.encode(to_float(self.pixels(part), self.space.device))
                mean.append(posterior.mean.flatten(1).float().cpu().numpy())
                if isinstance(posterior, Gaussian):
                    variance.append(posterior.log_var.exp().flatten(1).float().cpu().numpy())
                    kl.append(posterior.kl_per_latent().flatten(1).float().cpu().numpy())
                advance(len(part))
        parts = [np.concatenate(part) if part else None for part in (mean, variance, kl)]
        return Encoded(*parts)  # type: ignore[arg-type]

    @cached_property
    def reconstructions(self) -> np.ndarray:
        """What the space decodes from the posterior means, uint8 (N, H, W, C)."""
        return self.space.decode(self.encoded.mean)


def chosen(faces: FaceSet, split: str, count: int | None) -> np.ndarray:
    """At most `count` row numbers of a split, evenly spread."""
    if count is not None and count < 2:
        raise UsageError(f"--count must be at least 2, since variances are measured; got {count}.")
    rows = faces.rows(split)
    if len(rows) < 2:
        raise UsageError(
            f"{faces.root} has {len(rows)} faces in the split {split!r}: {faces.card['splits']}."
        )
    return evenly_spaced(rows, count or len(rows))
