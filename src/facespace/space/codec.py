"""A trained model with its template: pictures to latents and back, and new latents. FaceSpace in space.py has the verbs that
are made of these."""

import math
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property
from typing import Any, Self, cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from facespace.core.console import progress
from facespace.core.errors import UsageError, check_seed, choose, suggest
from facespace.data.faces import BATCH, FaceSet
from facespace.image.photos import to_rgb
from facespace.image.pixels import to_float, to_uint8
from facespace.models import bundle
from facespace.models.priors import Flow, Prior

GUIDANCE_LIMIT = 20  # beyond it draws leave every face behind

Images = Image.Image | np.ndarray | Sequence[Image.Image] | Sequence[np.ndarray]
Given = (
    Mapping[str, float] | None
)  # attributes that a conditional space is told: > 0 yes, < 0 no; others are unknown


class Codec:
    """Pictures are Pillow images or uint8 arrays (N, H, W, C) of any size and mode, fitted as the template says; results are
    uint8 (N, H, W, C) and float32 latents (N, D)."""

    def __init__(self, loaded: bundle.Bundle) -> None:
        self._loaded = loaded
        self._opened: dict[
            str, tuple[int, Prior]
        ] = {}  # fitted priors by kind, with the time at which the card was written
        self.model, self.template, self.card, self.folder = loaded

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every face that the space makes."""
        return self.model.image_shape

    @property
    def latent_dim(self) -> int:
        """D: how many numbers the space keeps of a face."""
        return int(np.prod(self.model.latent_shape))

    @property
    def conditions(self) -> tuple[str, ...]:
        """The attributes that can be given; none unless the space was trained with model.conditions."""
        return self.model.config.conditions

    @property
    def device(self) -> torch.device:
        """Where the model lies."""
        return next(self.model.parameters()).device

    def fit(self, images: Images) -> np.ndarray:
        """Pictures as faces of this space: uint8 (N, H, W, C). Raises UsageError for anything but 8-bit pictures."""
        faces = [self.template.fit(to_rgb(image)) for image in _pictures(images)]
        return np.stack(faces) if faces else np.empty((0, *self._face_shape), np.uint8)

    def target(self, faces: np.ndarray) -> np.ndarray:
        """The part of fitted faces (N, H, W, C) that the space draws: all, or the middle where its images are smaller."""
        _, height, width = self.image_shape
        top, left = (faces.shape[1] - height) // 2, (faces.shape[2] - width) // 2
        return faces[:, top : top + height, left : left + width]

    @torch.inference_mode()
    def encode(self, images: Images, given: Given = None) -> np.ndarray:
        """Posterior means, float32 (N, D)."""
        faces, y = self.fit(images), self.told(given)
        parts = [
            self.model.encode(to_float(part, self.device), y.expand(len(part), -1)).mean
            for part in _batches(faces)
        ]
        z = torch.cat(parts).flatten(1) if parts else torch.empty(0, self.latent_dim)
        return z.float().cpu().numpy()

    @torch.inference_mode()
    def decode(self, z: np.ndarray | Tensor, given: Given = None) -> np.ndarray:
        """Latents (N, D), or one (D,), to faces uint8 (N, H, W, C). Raises UsageError for another shape or NaN."""
        y, latents = self.told(given), self._latents(z).to(self.device)
        parts = [to_uint8(self.image(part, y)) for part in _batches(latents)]
        return np.concatenate(parts) if parts else np.empty((0, *self._face_shape), np.uint8)

    @cached_property
    def encoded(self) -> np.ndarray | None:
        """Latents of encoded faces that came along with a packed space, float32 (N, D), or None."""
        return bundle.load_encoded(self._loaded)

    @property
    def usual_prior(self) -> str:
        """The kind of prior that is meant where none is named: of the fitted ones the one that knows unseen faces best, where
        it knows them better than the model's own; else "own"."""
        return bundle.usual_prior(self.card)

    def prior(self, kind: str | None = None) -> Prior:
        """The prior of that kind that `fit_prior` left in the bundle; "own" is the model's. Without a kind the usual one."""
        kind = kind or self.usual_prior
        if kind == bundle.OWN:
            return self.model.prior
        written = self._written()
        if self._opened.get(kind, (None,))[0] != written:
            self._opened[kind] = written, bundle.load_prior(self._loaded, kind)
        return self._opened[kind][1]

    def _written(self) -> int:
        """When the bundle was written last. Every move of a slider and every new face of the page asks for what lies in it, and files
        are read again only when this has changed."""
        card = self.folder / bundle.CARD
        return card.stat().st_mtime_ns if card.is_file() else 0

    def many_latents(self, n: int, seed: int = 0, prior: str | None = None) -> np.ndarray:
        """n latents from a prior, float32 (n, D), as `sample_latents` draws them but for the last bits, several times as fast."""
        check_seed(seed)
        z = self.prior(prior).sample_many(n, torch.Generator().manual_seed(seed))
        return self.model.snap(z).flatten(1).float().cpu().numpy()

    def sample_latents(
        self,
        n: int,
        seed: int = 0,
        temperature: float = 1.0,
        prior: str | None = None,
        given: Given = None,
        guidance: float = 1.0,
    ) -> np.ndarray:
        """n latents from a prior, float32 (n, D); the first k are the same for every n ≥ k. A prior with conditions draws them
        with the attributes `given`, by classifier-free `guidance`: 1 as often and as clearly as faces have them, above it
        more clearly."""
        if n < 1:
            raise UsageError(f"The number of faces must be at least 1; got {n}.")
        if not 0 <= temperature < 100:
            raise UsageError(
                f"The temperature must be at least 0 (1 is the prior itself); got {temperature}."
            )
        check_seed(seed)
        generator = torch.Generator().manual_seed(seed)
        fitted = self.prior(prior)
        if not given:
            z = fitted.sample(n, temperature, generator)
        else:
            y = _asked(fitted, given)
            z = cast(Flow, fitted).sample(n, temperature, generator, y, check_guidance(guidance))
        return self.model.snap(z).flatten(1).float().cpu().numpy()

    def latents(self, *keys: Images) -> np.ndarray:
        """Pictures encoded, and latents (N, D) or (D,), arrays of floats, as they are: float32 (N, D), in the order given."""
        groups = [
            self._latents(key).numpy()
            if isinstance(key, np.ndarray) and key.ndim < 3 and key.dtype.kind == "f"
            else self.encode(key)
            for key in keys
        ]
        return np.concatenate(groups) if groups else np.empty((0, self.latent_dim), np.float32)

    def image(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Latents (N, D) to mean images (N, C, H, W) in [0, 1], not rounded and with gradients, all told the same attributes
        (A,), or none."""
        y = self.told(None) if y is None else y
        return self.model.decode(z.reshape(-1, *self.model.latent_shape), y.expand(len(z), -1))

    def as_prepared(self) -> Self:
        """A copy of this space that takes prepared faces as they are: it shares the model, and the caller's space stays as it is.
        By proportions alone the template would take a prepared face of another size for a whole photograph and crop it again."""
        copied = copy(self)
        copied.template = replace(self.template, source=None)
        return copied

    def means(self, faces: FaceSet, split: str, mirrored: bool = False) -> Tensor:
        """Posterior means of a split, or of its mirror images, (N, D), in batches straight from the disk."""
        rows, parts = faces.rows(split), []
        with progress(len(rows), f"Encoding {split}{', mirrored' * mirrored}", "faces") as advance:
            for part in _batches(rows):
                pixels = faces.images[part]
                parts.append(torch.from_numpy(self.encode(pixels[:, :, ::-1] if mirrored else pixels)))
                advance(len(part))
        return torch.cat(parts)

    def _latents(self, z: np.ndarray | Tensor) -> Tensor:
        """Latents (N, D), or one (D,), as float32 (N, D). Raises UsageError for another shape or numbers that are none."""
        latents = torch.as_tensor(np.asarray(z, dtype=np.float32))
        latents = latents[None] if latents.dim() == 1 else latents
        if latents.dim() != 2 or latents.shape[1] != self.latent_dim:
            raise UsageError(
                f"These latents are {tuple(np.shape(z))}; this space takes (N, {self.latent_dim}). "
                "Were they encoded by another space?"
            )
        if not torch.isfinite(latents).all():
            raise UsageError("These latents hold numbers that are not finite, which no face has.")
        return latents

    def told(self, given: Given) -> Tensor:
        """Attributes (A,) in the order of the conditions, NaN where nothing is said."""
        if given and not self.conditions:
            raise UsageError(
                "This space was trained without attributes, so none can be given. Train one that is told them: facespace "
                f"train RECIPE --data SET --to RUN --set model.conditions={','.join(given)}"
            )
        y = torch.full((len(self.conditions),), torch.nan, device=self.device)
        for name, value in (given or {}).items():
            if name not in self.conditions:
                raise UsageError(f"This space is not told of {name!r}. {suggest(name, self.conditions)}")
            y[self.conditions.index(name)] = number(name, value)
        return y

    @property
    def _face_shape(self) -> tuple[int, int, int]:
        channels, height, width = self.image_shape
        return height, width, channels


def _pictures(images: Images) -> list[Image.Image]:
    if isinstance(images, Image.Image):
        return [images]
    if isinstance(images, np.ndarray):
        if images.dtype != np.uint8 or images.ndim not in (3, 4) or images.shape[-1] not in (1, 3):
            raise UsageError(
                f"Faces are uint8 arrays (N, H, W, C) with C 1 or 3; got {images.dtype} {images.shape}."
            )
        stack = images[None] if images.ndim == 3 else images
        return [Image.fromarray(face[..., 0] if face.shape[-1] == 1 else face) for face in stack]
    return [picture for image in images for picture in _pictures(image)]


def number(name: str, value: Any) -> float:
    """A given value, which must fit 32 bits; True and False say yes and no as signs do."""
    try:
        number = float(2 * value - 1 if isinstance(value, bool) else value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not abs(number) < torch.finfo(torch.float32).max:
        raise UsageError(
            f"{name} is given as a finite number, such as 1 for yes and -1 for no; got {value!r}."
        )
    return number


def check_guidance(guidance: float) -> float:
    """Raises UsageError for a strength of guidance that cannot be."""
    if not 0 <= guidance <= GUIDANCE_LIMIT:
        raise UsageError(
            f"The guidance must lie in [0, {GUIDANCE_LIMIT}] (1 is none beyond the condition); got {guidance}."
        )
    return guidance


def _asked(prior: Prior, given: Mapping[str, float]) -> Tensor:
    """Attributes (A,) in the order of a prior's conditions, NaN where nothing is said."""
    known = prior.conditions
    if not known:
        raise UsageError(
            f"New latents come from {prior.origin}, which knows no attributes. Fit one that does, to a set with attributes: "
            "facespace fit-prior SPACE --data SET --kind flow"
        )
    places = {name: place for place, name in enumerate(known)}
    y = torch.full((len(known),), torch.nan)
    for name, value in given.items():
        y[choose(places, name, "condition")] = math.copysign(1, number(name, value))
    return y


def _batches(items):
    return [items[start : start + BATCH] for start in range(0, len(items), BATCH)]
