"""The prior of an adapted space: of a set a Gaussian that is shrunk towards the base's prior, in the noise of
the base's flow where it has one; of a few faces their neighbourhood, beside the base's prior."""

from typing import NamedTuple, NotRequired, TypedDict

import numpy as np
import torch
from torch import Tensor

from facespace.adaptation.plan import SET
from facespace.models.bundle_card import MODEL_PRIOR, LogLikelihoods
from facespace.models.noise_normal import NoiseNormal, shrunk_normal
from facespace.models.prior import standard_density
from facespace.models.prior_fit import mean_density
from facespace.models.priors import NOISE_NORMAL, FittedNormal, FittedPrior, Flow
from facespace.space.face_space import FaceSpace

# Standard deviations of the noise around the mean of a few faces: of what they vary in, against theirs, and
# of everything else, against 1 of the base's prior. Larger ones extrapolate beyond the faces and break them.
OWN, OTHER = 0.35, 0.35
NEIGHBORS = "the neighbourhood of {} in the noise of the base's flow"


class SetPriorFacts(TypedDict):
    """What the card entry of the prior says of its fit."""

    kind: str
    faces: int
    shrinkage: NotRequired[float]  # share of the base's prior
    nats: NotRequired[dict[str, LogLikelihoods]]  # of held-out faces


class SetPrior(NamedTuple):
    """A prior and what its card entry says."""

    kind: str
    prior: FittedPrior
    facts: SetPriorFacts
    base_nats: float | None = None  # mean log-density of the faces under the base's flow


def fit_set_prior(space: FaceSpace, latents: np.ndarray) -> SetPrior | None:
    """The prior of the latents (N, D) of faces. With 20 and more it is the likeliest of its shrinkages on
    latents that a fit did not see, and `facts["nats"]` has their mean log-density under it and under the
    model's own prior, so that it becomes the default. Of fewer it is a neighbourhood, which never is the
    default; None where the base has no flow. Deterministic."""
    z = torch.from_numpy(latents)
    flow = space.prior()
    if len(z) < SET:
        return _neighborhood(flow, z) if isinstance(flow, Flow) else None
    own = mean_density(space.prior(MODEL_PRIOR), z)
    if isinstance(flow, Flow):
        return _in_noise(flow, z, own)
    return _in_latents(space, z, own)


def _in_noise(flow: Flow, z: Tensor, own: float) -> SetPrior:
    with torch.no_grad():
        e = _base_noise(flow, z)
        center, covariance, share, density = shrunk_normal(e)
        before = mean_density(flow, z)  # of faces that the flow was not fitted to
    standard = float(standard_density(e).mean())
    origin = (
        f"a Gaussian in the noise of {flow.origin}, fitted to {len(z):,} faces and shrunk by {share:g} "
        "towards it"
    )
    prior = NoiseNormal.around(flow, center, covariance, origin)
    # The flow's Jacobian is common to both, so the densities of noise tell the difference of the latents'.
    facts = _facts(NOISE_NORMAL, len(z), share, before - standard + density, own)
    return SetPrior(NOISE_NORMAL, prior, facts, before)


def _in_latents(space: FaceSpace, z: Tensor, own: float) -> SetPrior:
    whitening = space.whitening()
    base, root = torch.from_numpy(whitening.center).double(), torch.from_numpy(whitening.root).double()
    white = torch.linalg.solve(root, (z.double() - base).T).T
    center, covariance, share, density = shrunk_normal(white)
    prior = FittedNormal(z.shape[1])
    prior.center.copy_(base + center @ root)
    prior.covariance.copy_(root @ covariance @ root)
    prior.origin = f"a Gaussian fitted to {len(z):,} faces and shrunk by {share:g} towards the base's latents"
    volume = float(torch.linalg.slogdet(root).logabsdet)
    return SetPrior("normal", prior, _facts("normal", len(z), share, density - volume, own))


def _neighborhood(flow: Flow, z: Tensor) -> SetPrior:
    with torch.no_grad():
        e = _base_noise(flow, z)
    spread = (e - e.mean(0)).T @ (e - e.mean(0)) / len(e)
    covariance = OWN**2 * spread + OTHER**2 * torch.eye(e.shape[1], dtype=e.dtype)
    origin = NEIGHBORS.format(f"{len(z)} face{'s' * (len(z) > 1)}")
    prior = NoiseNormal.around(flow, e.mean(0), covariance, origin)
    return SetPrior(NOISE_NORMAL, prior, {"kind": NOISE_NORMAL, "faces": len(z)})


def _base_noise(flow: Flow, z: Tensor) -> Tensor:
    """The noises (N, D) of latents in the base's flow, float64; of a space that was adapted before in the
    noise of its prior."""
    return flow.encode(z).double().cpu()


def _facts(kind: str, faces: int, share: float, fitted: float, own: float) -> SetPriorFacts:
    return {
        "kind": kind,
        "faces": faces,
        "shrinkage": share,
        "nats": {"held-out": {"fitted": fitted, "model": own}},
    }
