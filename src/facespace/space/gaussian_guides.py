"""The Gaussian under which geodesic paths of a space are bent, as arrays, and the Gaussian of its model's own
prior: what a page needs of priors that are torch modules in one engine and arrays in the other."""

from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from facespace.models.bundle_card import MODEL_PRIOR
from facespace.space.array_priors import ArrayFlow, ArrayGaussian, ArrayPrior
from facespace.space.onnx_codec import OnnxCodec
from facespace.space.onnx_sampler import root_of

if TYPE_CHECKING:
    from facespace.models.priors import FittedNormal
    from facespace.space.base import BaseSpace


class GaussianGuide(NamedTuple):
    """All that paths under a Gaussian depend on: its `center` (D,), the `scale` (D,) of its samples, and its
    `covariance` (D, D), None for the unit matrix."""

    center: np.ndarray
    scale: np.ndarray
    covariance: np.ndarray | None


class OwnGaussian(NamedTuple):
    """N(center, R Rᵀ): center (D,) and root R (D, D)."""

    center: np.ndarray
    root: np.ndarray


def guide_of(space: "BaseSpace") -> GaussianGuide | None:
    """The Gaussian whose density bends the geodesic paths of a space; None where it is none. Without torch
    the scale is the exact deviation, with torch that of 512 samples, which geodesics there use."""
    if space.has_gradients:
        from facespace.space.geodesic import gaussian_guide

        return gaussian_guide(space.density_prior())
    prior = cast("OnnxCodec", space.codec).prior()
    if type(prior) is ArrayPrior:
        return GaussianGuide(prior.mean, np.ones(space.latent_dim, np.float32), None)
    if not isinstance(prior, ArrayFlow | ArrayGaussian):
        return None
    covariance = _covariance(prior)
    deviation = np.sqrt(np.diagonal(covariance))
    return GaussianGuide(prior.center, deviation.clip(min=1e-3 * deviation.mean() + 1e-12), covariance)


def _covariance(prior: ArrayFlow | ArrayGaussian) -> np.ndarray:
    """(D, D), of a flow that of the latents it was fitted to."""
    if isinstance(prior, ArrayGaussian):
        factor = root_of(prior).T
        return factor @ factor.T
    return (prior.axes * np.square(prior.spread)) @ prior.axes.T


def own_gaussian(space: "BaseSpace") -> OwnGaussian | None:
    """The model's own prior where it is a Gaussian that was fitted to latents, else None: it is N(0, I)."""
    if not space.is_fitted(MODEL_PRIOR):
        return None
    if space.has_gradients:
        own = cast("FittedNormal", space.prior(MODEL_PRIOR))
        return OwnGaussian(own.center.cpu().numpy(), own.root.cpu().numpy())
    own = cast("OnnxCodec", space.codec).prior(MODEL_PRIOR)
    assert isinstance(own, ArrayGaussian)
    return OwnGaussian(own.center, root_of(own).T)
