"""The priors of an adapted space: of a set mixes of pairs of its faces and a Gaussian that is shrunk towards
the base's prior, both in the noise of the base's flow, or the Gaussian alone where the base has none; of a
few faces their neighbourhood, beside the base's prior."""

from typing import NamedTuple, NotRequired, TypedDict

import numpy as np
import torch
from torch import Tensor

from facespace.adaptation.plan import SET
from facespace.models.bundle_card import MODEL_PRIOR, LogLikelihoods
from facespace.models.noise_normal import FOLDS, NoiseNormal, shrunk_normal
from facespace.models.noise_pairs import NoisePairs, mixed_pairs, pairs_density
from facespace.models.prior import standard_density
from facespace.models.prior_fit import mean_density
from facespace.models.priors import NOISE_NORMAL, NOISE_PAIRS, FittedNormal, FittedPrior, Flow
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
    preferred: NotRequired[bool]


class SetPrior(NamedTuple):
    """A prior and what its card entry says."""

    kind: str
    prior: FittedPrior
    facts: SetPriorFacts
    base_nats: float | None = None  # mean log-density of the faces under the base's flow


def fit_set_priors(space: FaceSpace, latents: np.ndarray) -> list[SetPrior]:
    """The priors of the latents (N, D) of faces, the default one last. With 20 and more there is a Gaussian,
    the likeliest of its shrinkages on latents that a fit did not see; where the base has a flow also mixes
    of pairs, which are preferred because fewer of their faces are broken. `facts["nats"]` has the mean
    log-density of such latents under the prior and under the model's own. Of fewer faces it is a
    neighbourhood, which never is the default; nothing where the base has no flow. Deterministic."""
    z = torch.from_numpy(latents)
    flow = space.prior()
    if len(z) < SET:
        return [_neighborhood(flow, z)] if isinstance(flow, Flow) else []
    own = mean_density(space.prior(MODEL_PRIOR), z)
    if isinstance(flow, Flow):
        return [_in_noise(flow, z, own), _pairs(flow, z, own)]
    return [_in_latents(space, z, own)]


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
    facts = _facts(NOISE_NORMAL, len(z), before - standard + density, own)
    return SetPrior(NOISE_NORMAL, prior, {**facts, "shrinkage": share}, before)


def _pairs(flow: Flow, z: Tensor, own: float) -> SetPrior:
    with torch.no_grad():
        e = Flow.encode(flow, z).double().cpu()
        plain = float((Flow.log_prob(flow, z) - standard_density(e)).mean())  # the Jacobian's part
    held_out = 0.0
    for start in range(FOLDS):
        seen = torch.arange(len(e)) % FOLDS != start
        held_out += float(pairs_density(e[~seen], mixed_pairs(e[seen])).sum())
    origin = f"mixes of pairs of {len(z):,} faces in the noise of {flow.origin}"
    facts = _facts(NOISE_PAIRS, len(z), plain + held_out / len(e), own)
    return SetPrior(
        NOISE_PAIRS, NoisePairs.around(flow, mixed_pairs(e), origin), {**facts, "preferred": True}
    )


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
    facts = _facts("normal", len(z), density - volume, own)
    return SetPrior("normal", prior, {**facts, "shrinkage": share})


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


def _facts(kind: str, faces: int, fitted: float, own: float) -> SetPriorFacts:
    nats: LogLikelihoods = {"fitted": fitted, "model": own}
    return {"kind": kind, "faces": faces, "nats": {"held-out": nats}}
