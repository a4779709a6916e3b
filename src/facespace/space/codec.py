"""What a space needs of the engine that runs its networks. Everything here is numpy: a space works with any
engine that has these members. Gradients, fits and torch modules belong to the torch engine alone
(torch_engine.py)."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np


class Codec(Protocol):
    """An encoder, a decoder and the distributions of latents of one trained model.

    Faces are uint8 (N, H, W, C) of the size that the encoder takes, latents float32 (N, D), and `attributes`
    float32 (A,) in the order of `conditions`: above 0 yes, below 0 no, NaN unknown. Arguments are checked by
    the caller."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the decoded faces."""
        ...

    @property
    def latent_dim(self) -> int:
        """D."""
        ...

    @property
    def conditions(self) -> tuple[str, ...]:
        """The attributes that encoder and decoder are conditioned on."""
        ...

    @property
    def parameter_count(self) -> int:
        """The number of the model's parameters."""
        ...

    @property
    def default_prior(self) -> str:
        """The kind of prior that is used where none is named."""
        ...

    def encode(self, faces: np.ndarray, attributes: np.ndarray) -> np.ndarray:
        """Posterior means (N, D)."""
        ...

    def decode(self, z: np.ndarray, attributes: np.ndarray) -> np.ndarray:
        """Faces uint8 (N, H, W, C)."""
        ...

    def images(self, z: np.ndarray, attributes: np.ndarray) -> np.ndarray:
        """Mean images float32 (N, C, H, W) in [0, 1], which are not rounded as faces are."""
        ...

    def sample(
        self,
        n: int,
        seed: int,
        temperature: float,
        prior: str | None,
        given: Mapping[str, float],
        guidance: float,
    ) -> np.ndarray:
        """Latents (n, D) of a prior, whose first k are the same for every n ≥ k; `given` are attributes of
        the prior's own conditions. Raises UsageError for conditions that the prior lacks."""
        ...

    def sample_many(self, n: int, seed: int, temperature: float, prior: str | None) -> np.ndarray:
        """Latents (n, D) in large batches, equal to those of `sample` but for the last bits."""
        ...

    def prior_mean(self, prior: str | None) -> np.ndarray:
        """The mean latent of a prior, float32 (D,)."""
        ...

    def prior_conditions(self, prior: str | None) -> tuple[str, ...]:
        """The attributes that a prior can be conditioned on."""
        ...

    def prior_origin(self, prior: str | None) -> str:
        """One sentence on where a prior comes from."""
        ...

    def is_fitted(self, prior: str | None) -> bool:
        """Whether a prior was fitted to latents of faces; N(0, I) was not."""
        ...

    def truncate(self, z: np.ndarray, strength: float, prior: str | None) -> np.ndarray:
        """Latents (N, D) moved by a `strength` in [0, 1] towards the centre of a prior."""
        ...
