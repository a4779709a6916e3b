"""A codec with its template and its folder: pictures of any size to latents, latents to faces, and new
latents. The operations of a space that are made of these are in face_space.py."""

import sys
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self, cast

import numpy as np
from PIL import Image

from facespace.core.errors import UsageError, check_seed
from facespace.core.extras import install_command
from facespace.data.aligned_photos import read_photos
from facespace.data.faces import BATCH_SIZE, FaceSet
from facespace.image.photos import Template, to_rgb
from facespace.image.shown import Faces
from facespace.models import bundle, fitted
from facespace.models.bundle_card import MODEL_PRIOR, BundleCard, sampling_settings
from facespace.recipes.model_config import ModelConfig
from facespace.space.codec import Codec
from facespace.space.inputs import (
    Given,
    Images,
    attribute_values,
    check_guidance,
    check_latents,
    is_latents,
    pictures,
)
from facespace.space.set_faces import SetFaces
from facespace.space.shown import space_html

if TYPE_CHECKING:
    import torch

    from facespace.models import LatentModel
    from facespace.models.priors import Prior
    from facespace.space.torch_engine import TorchEngine


ENGINE_MODULE = "facespace.space.torch_engine"
TORCH_HINT = "Leave FACESPACE_ENGINE unset where it is installed, else install it:"


class BaseSpace:
    """Pictures are Pillow images of any size and mode, uint8 arrays (N, H, W, C), or paths of photographs,
    fitted by the template; results are uint8 (N, H, W, C) and float32 latents (N, D). Pillow images and files
    are turned as their EXIF orientation says; arrays are taken as they are."""

    template: Template
    card: BundleCard
    folder: Path

    def __init__(self, loaded: bundle.Bundle, codec: Codec | None = None) -> None:
        if codec is None:
            from facespace.space.torch_engine import TorchEngine

            codec = TorchEngine(loaded)
        self._loaded = loaded
        self._codec: Codec = codec
        _, self.template, self.card, self.folder = loaded

    def _repr_html_(self) -> str:
        return space_html(self)

    @property
    def codec(self) -> Codec:
        """The engine that runs the networks."""
        return self._codec

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every face that the space decodes."""
        return self._codec.image_shape

    @property
    def latent_dim(self) -> int:
        """D: the number of values of a latent."""
        return self._codec.latent_dim

    @property
    def conditions(self) -> tuple[str, ...]:
        """The attributes that can be given; none unless the space was trained with model.conditions."""
        return self._codec.conditions

    @property
    def config(self) -> ModelConfig:
        """The configuration of the model, which every engine knows."""
        return self._loaded.model.config

    @property
    def has_gradients(self) -> bool:
        """Whether the engine is torch's, which `torch_engine` and `model` need."""
        module = sys.modules.get(ENGINE_MODULE)  # where it was never imported, no codec is of it
        return module is not None and isinstance(self._codec, module.TorchEngine)

    def check_gradients(self) -> None:
        """Raises UsageError for an engine without torch."""
        if not self.has_gradients:
            raise UsageError(
                "This takes the model itself or its gradients, which the torch engine alone has, and this "
                f"space was opened without PyTorch. {TORCH_HINT} {install_command('train')}"
            )

    @property
    def has_codes(self) -> bool:
        """Whether latents are rounded to codes (vector quantization)."""
        return self.config.bottleneck == "vq"

    @property
    def parameter_count(self) -> int:
        """The number of the model's parameters."""
        return self._codec.parameter_count

    @property
    def torch_engine(self) -> "TorchEngine":
        """The engine with gradients and torch modules. Raises UsageError for a space on another engine."""
        self.check_gradients()
        return cast("TorchEngine", self._codec)

    @property
    def model(self) -> "LatentModel":
        """The torch engine's model."""
        return self.torch_engine.model

    @property
    def device(self) -> "torch.device":
        """The device of the torch engine's model."""
        return self.torch_engine.device

    def prior(self, kind: str | None = None) -> "Prior":
        """The torch engine's prior of that kind, left in the bundle by `fit_prior`; "model" is the model's.
        Without a kind `default_prior`."""
        return self.torch_engine.prior(kind)

    def prior_origin(self, kind: str | None = None) -> str:
        """One sentence on where the prior of that kind comes from."""
        return self._codec.prior_origin(kind)

    def prior_mean(self, kind: str | None = None) -> np.ndarray:
        """The mean latent of the prior of that kind, float32 (D,)."""
        return self._codec.prior_mean(kind)

    def is_fitted(self, kind: str | None = None) -> bool:
        """Whether the prior of that kind was fitted to latents of faces; N(0, I) was not."""
        return self._codec.is_fitted(kind)

    def images(self, z: np.ndarray) -> np.ndarray:
        """Latents (N, D) to images float32 (N, C, H, W) in [0, 1], which `decode` rounds to faces. Attributes
        of a conditional space stay unknown."""
        return self._codec.images(check_latents(z, self.latent_dim), self.attribute_values(None))

    def density_prior(self, kind: str | None = None) -> "Prior":
        """The prior whose log-density bends a geodesic path: `prior`, but the model's own where the default
        is discrete, since probabilities of codes have no gradient. Raises UsageError where a discrete one
        is named."""
        found = self.prior(kind)
        if not found.discrete:
            return found
        if kind is not None:
            raise UsageError(
                f"A geodesic path needs a density, and {found.origin} gives probabilities of codes. "
                "Leave --prior out, name another fitted prior, or choose --path spherical."
            )
        return self.prior(MODEL_PRIOR)

    @property
    def default_prior(self) -> str:
        """The kind of prior that is used where none is named: the fitted one with the highest held-out
        likelihood, where that exceeds the one of the model's own; else "model"."""
        return self._codec.default_prior

    def sampling_settings(self, prior: str | None = None) -> dict[str, float]:
        """The `temperature` and the `guidance` that a prior of this space is drawn from with by default, by
        the command and on the page; its card has them. The functions of this class draw with 1, the prior as
        it is: `space.sample(16, **space.sampling_settings())`."""
        return sampling_settings(self.card, prior or self.default_prior)

    def read_photos(self, paths: Sequence[Path | str], align: bool | str = "auto") -> list[Image.Image]:
        """Photographs from files, for `encode`, `edit` and `morph`: "auto" aligns to CelebA's template those
        whose face does not lie in the crop of this space already, "yes" all, "no" none. Pictures and arrays
        that are handed to `encode` itself are never aligned. Raises ImageError for the first file that
        cannot be used."""
        return read_photos(paths, align, self.template)

    def fit(self, images: Images) -> np.ndarray:
        """Pictures as faces of this space: uint8 (N, H, W, C). Raises UsageError for anything but 8-bit
        pictures."""
        faces = [self.template.fit(to_rgb(image)) for image in pictures(images)]
        channels, height, width = self.template.shape
        return np.stack(faces) if faces else np.empty((0, height, width, channels), np.uint8)

    def target(self, faces: np.ndarray) -> np.ndarray:
        """The part of fitted faces (N, H, W, C) that the space decodes: all, or the middle where its images
        are smaller."""
        _, height, width = self.image_shape
        top, left = (faces.shape[1] - height) // 2, (faces.shape[2] - width) // 2
        return faces[:, top : top + height, left : left + width]

    @property
    def target_template(self) -> Template:
        """The template in the size of `target`."""
        return self.template

    def encode(self, images: Images, conditions: Given = None) -> np.ndarray:
        """Posterior means, float32 (N, D), of pictures: Pillow images and paths (str, Path), both turned as
        their EXIF orientation says, or uint8 arrays, which are taken as they are. No face is aligned;
        `read_photos` does that. Raises UsageError for anything else, ImageError for a file that cannot be
        read."""
        return self._codec.encode(self.fit(images), self.attribute_values(conditions))

    def decode(self, z: np.ndarray, conditions: Given = None) -> np.ndarray:
        """Latents (N, D), or one (D,), to faces uint8 (N, H, W, C), which notebooks show as a picture. Raises
        UsageError for another shape or NaN."""
        return Faces(self._codec.decode(check_latents(z, self.latent_dim), self.attribute_values(conditions)))

    def decode_ahead(self, z: np.ndarray) -> Iterator[np.ndarray]:
        """The faces of latents (N, D) in parts of `BATCH_SIZE`, uint8 (B, H, W, C), decoded as they are asked
        for, or before where workers do it."""
        latents, attributes = check_latents(z, self.latent_dim), self.attribute_values(None)
        ahead = getattr(self._codec, "decode_ahead", None)  # of an engine whose work is shared by workers
        if ahead is not None:
            return ahead(latents, attributes)
        starts = range(0, len(latents), BATCH_SIZE)
        return (self._codec.decode(latents[start : start + BATCH_SIZE], attributes) for start in starts)

    def attribute_values(self, given: Given) -> np.ndarray:
        """Given attributes as float32 (A,) in the order of the conditions, NaN where unknown. Raises
        UsageError for other names."""
        return attribute_values(given, self.conditions)

    def latents(self, *keys: Images) -> np.ndarray:
        """Pictures encoded, and latents (N, D) or (D,), arrays of floats, as they are: float32 (N, D), in the
        order given."""
        groups = [np.empty((0, self.latent_dim), np.float32)]
        for key in keys:
            groups.append(check_latents(key, self.latent_dim) if is_latents(key) else self.encode(key))
        return np.concatenate(groups)

    @cached_property
    def stored_latents(self) -> np.ndarray | None:
        """Latents of encoded faces that a packed space holds, float32 (N, D), or None."""
        return fitted.load_encoded(self._loaded)

    def sample_latents(
        self,
        n: int,
        seed: int = 0,
        temperature: float = 1.0,
        prior: str | None = None,
        conditions: Given = None,
        guidance: float = 1.0,
    ) -> np.ndarray:
        """n latents from a prior, float32 (n, D); the first k are the same for every n ≥ k. A prior with
        conditions draws them under the attributes `given`, by classifier-free `guidance`: 1 is the
        conditional distribution, more than 1 strengthens the condition."""
        _check_draw(n, seed, temperature)
        if conditions:
            check_guidance(guidance)
        return self._codec.sample(n, seed, temperature, prior, conditions or {}, guidance)

    def sample_latents_batched(
        self, n: int, seed: int = 0, prior: str | None = None, temperature: float = 1.0
    ) -> np.ndarray:
        """n latents from a prior, float32 (n, D), equal to those of `sample_latents` but for the last bits,
        and several times as fast."""
        _check_draw(n, seed, temperature)
        return self._codec.sample_many(n, seed, temperature, prior)

    def as_prepared(self) -> Self:
        """A copy of this space for prepared faces, which it never crops; it shares the model. By
        proportions alone the template would take a prepared face of another size for a whole photograph."""
        copied = copy(self)
        copied.template = replace(self.template, source=None)
        return copied

    def on_engine(self, codec: Codec) -> Self:
        """A copy of this space on another engine of the same bundle."""
        copied = copy(self)
        copied._codec = codec
        return copied

    def faces_of(self, data: FaceSet | Path | str, split: str = "test", count: int | None = None) -> SetFaces:
        """At most `count` evenly spaced faces of a split of a prepared set, as this space takes them: `rows`
        (N,), `pixels` uint8 (N, H, W, C), `signs` (N, A) and `encode()` float32 (N, D). Raises UsageError for
        a set of another crop."""
        return SetFaces(self, data, split, count)

    def posterior_means(self, faces: FaceSet | Path | str, split: str, mirrored: bool = False) -> np.ndarray:
        """Posterior means of a split of a prepared set, or of its mirror images, float32 (N, D)."""
        return self.faces_of(faces, split).encode(mirrored)


def _check_draw(n: int, seed: int, temperature: float) -> None:
    """Raises UsageError for numbers that nothing can be drawn with."""
    if n < 1:
        raise UsageError(f"The number of faces must be at least 1; got {n}.")
    if not 0 <= temperature < 100:
        raise UsageError(f"The temperature must be at least 0 (1 is the prior itself); got {temperature}.")
    check_seed(seed)
