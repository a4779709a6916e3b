"""The codec in PyTorch: a bundle's model, its own prior and the priors fitted to it. `model`, `device`,
`prior` and `image` exist in this engine alone; all other members are those of `Codec`."""

from collections.abc import Mapping
from typing import cast

import numpy as np
import torch
from torch import Generator, Tensor

from facespace.core.aliases import current_argument
from facespace.core.large_arrays import empty
from facespace.core.waiting import step
from facespace.data.faces import BATCH_SIZE
from facespace.image.pixels import to_float, to_uint8
from facespace.models import LatentModel, bundle, bundle_card, fitted
from facespace.models.priors import FittedPrior, Flow, Prior
from facespace.space import inputs


class TorchEngine:
    """A `Codec` of a loaded bundle. Networks run in batches of `BATCH` faces on the device of the model."""

    def __init__(self, loaded: bundle.Bundle) -> None:
        self.bundle = loaded
        self.model: LatentModel = loaded.model
        # Fitted priors by kind, each with the time at which the card was written when it was read.
        self._opened: dict[str, tuple[bundle.Written | None, Prior]] = {}

    @property
    def device(self) -> torch.device:
        """The device of the model."""
        return next(self.model.parameters()).device

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the decoded faces."""
        return self.model.image_shape

    @property
    def latent_dim(self) -> int:
        """D: the number of values of a latent."""
        return int(np.prod(self.model.latent_shape))

    @property
    def conditions(self) -> tuple[str, ...]:
        """The attributes of model.conditions."""
        return self.model.config.conditions

    @property
    def parameter_count(self) -> int:
        """The number of the model's parameters."""
        return sum(part.numel() for part in self.model.parameters())

    @property
    def default_prior(self) -> str:
        """The fitted prior with the highest held-out likelihood, where it exceeds the model's own; else
        "model"."""
        return bundle_card.default_prior(self.bundle.card)

    def prior(self, kind: str | None = None) -> Prior:
        """The prior of a kind; fitted ones are read again only after the bundle has been written. Raises
        UsageError for an unknown kind and BundleError for one that was not fitted."""
        name: str = current_argument("prior", kind) or self.default_prior
        if name == bundle_card.MODEL_PRIOR:
            return self.model.prior
        written = bundle.written_at(self.bundle.folder)
        known = self._opened.get(name)
        if known is None or known[0] != written:
            known = self._opened[name] = written, fitted.load_prior(self.bundle, name)
        return known[1]

    @torch.inference_mode()
    def encode(self, faces: np.ndarray, attributes: np.ndarray) -> np.ndarray:
        """Faces uint8 (N, H, W, C) to posterior means, float32 (N, D)."""
        y = torch.from_numpy(attributes).to(self.device)
        parts = [np.empty((0, self.latent_dim), np.float32)]
        for start in range(0, len(faces), BATCH_SIZE):
            step()
            part = to_float(faces[start : start + BATCH_SIZE], self.device)
            posterior = self.model.encode(part, y.expand(len(part), -1))
            parts.append(posterior.mean.flatten(1).float().cpu().numpy())
        return np.concatenate(parts)

    @torch.inference_mode()
    def decode(self, z: np.ndarray, attributes: np.ndarray) -> np.ndarray:
        """Latents (N, D) to faces uint8 (N, H, W, C)."""
        latents, y = torch.from_numpy(z).to(self.device), torch.from_numpy(attributes).to(self.device)
        channels, height, width = self.image_shape
        faces, done = empty((len(z), height, width, channels), np.uint8), 0
        for part in latents.split(BATCH_SIZE):
            step()
            if len(part):
                faces[done : done + len(part)] = to_uint8(self.image(part, y))
                done += len(part)
        return faces

    @torch.inference_mode()
    def images(self, z: np.ndarray, attributes: np.ndarray) -> np.ndarray:
        """Latents (N, D) to images float32 (N, C, H, W) in [0, 1], not rounded."""
        latents, y = torch.from_numpy(z).to(self.device), torch.from_numpy(attributes).to(self.device)
        parts = [np.empty((0, *self.image_shape), np.float32)]
        for part in latents.split(BATCH_SIZE):
            if len(part):
                parts.append(self.image(part, y).float().cpu().numpy())
        return np.concatenate(parts)

    def image(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Latents (N, D) to mean images (N, C, H, W) in [0, 1], not rounded and with gradients, under the
        same attributes y (A,) for all; None is unknown."""
        if y is None:
            y = torch.full((len(self.conditions),), torch.nan, device=self.device)
        step()
        return self.model.decode(z.reshape(-1, *self.model.latent_shape), y.expand(len(z), -1))

    def sample(
        self,
        n: int,
        seed: int,
        temperature: float,
        prior: str | None,
        given: Mapping[str, float],
        guidance: float,
    ) -> np.ndarray:
        """Latents of a prior, float32 (n, D); under attributes by classifier-free `guidance`."""
        generator, chosen = Generator().manual_seed(seed), self.prior(prior)
        if not given:
            z = chosen.sample(n, temperature, generator)
        else:
            y = condition_values(chosen, given)
            z = cast(Flow, chosen).sample(n, temperature, generator, y, guidance)
        return self.model.quantize(z).flatten(1).float().cpu().numpy()

    def sample_many(self, n: int, seed: int, temperature: float, prior: str | None) -> np.ndarray:
        """The same in larger batches, equal but for the last bits."""
        z = self.prior(prior).sample_many(n, Generator().manual_seed(seed), temperature)
        return self.model.quantize(z).flatten(1).float().cpu().numpy()

    def prior_mean(self, prior: str | None) -> np.ndarray:
        """Float32 (D,)."""
        return self.prior(prior).mean.detach().float().cpu().numpy()

    def prior_conditions(self, prior: str | None) -> tuple[str, ...]:
        """The attributes that a prior was fitted with."""
        return self.prior(prior).conditions

    def prior_origin(self, prior: str | None) -> str:
        """One sentence on where a prior comes from."""
        return self.prior(prior).origin

    def is_fitted(self, prior: str | None) -> bool:
        """Whether a prior was fitted to latents of faces."""
        return isinstance(self.prior(prior), FittedPrior)

    def truncate(self, z: np.ndarray, strength: float, prior: str | None) -> np.ndarray:
        """Latents (N, D) moved by a `strength` in [0, 1] towards the centre of a prior, float32 (N, D)."""
        moved = self.prior(prior).truncate(torch.from_numpy(z).to(self.device), strength)
        return moved.float().cpu().numpy()


def condition_values(prior: Prior, given: Mapping[str, float]) -> Tensor:
    """Attributes (A,) in the order of a prior's conditions: 1 yes, −1 no, NaN for those not given. Raises
    UsageError for other names, and for a prior without conditions."""
    return torch.from_numpy(inputs.condition_values(prior.origin, prior.conditions, given))
