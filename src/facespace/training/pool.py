"""Latents sampled from the fitted prior of the space whose decoder is trained further: their images are
scored by the discriminator. They are sampled once, at the start of a run, since a flow is faster for many
latents than for a batch."""

import torch
from torch import Tensor

from facespace.core.console import note, quoted
from facespace.core.errors import UsageError
from facespace.models import bundle, bundle_card, fitted
from facespace.models.priors import FittedPrior
from facespace.recipes.config import Recipe

MOST = 50_000  # latents


def check_samples(plan: Recipe) -> None:
    """Raises UsageError where samples of a fitted prior are scored while the encoder that it was fitted to is
    trained."""
    if plan.objective.scores_samples and plan.train.freeze != "encoder":
        raise UsageError(
            f"objective.adversarial_on={plan.objective.adversarial_on} scores samples of the fitted prior, "
            "which fits the encoder as it is. Add --set train.freeze=encoder, or set "
            "objective.adversarial_on=reconstructions."
        )


class LatentPool:
    """`most` latents of the prior of `origin`, but MOST at most, a function of the seed."""

    def __init__(self, origin: bundle.Bundle, kind: str, most: int, seed: int, device: torch.device) -> None:
        self.prior, self.shape = _open(origin, kind), origin.model.latent_shape
        self.count, self.seed, self.device = max(1, min(most, MOST)), seed, device
        self.latents: Tensor | None = None

    def take(self, count: int) -> Tensor:
        """Latents (count, *latent_shape), chosen with replacement by torch's global generator."""
        assert self.latents is not None, "fill() comes first"
        places = torch.rand(count, device=self.device) * self.count
        return self.latents[places.long().clamp(max=self.count - 1)]

    @torch.no_grad()
    def fill(self) -> None:
        """Samples all latents, with a generator of its own."""
        note(f"Drawing {self.count:,} latents from {self.prior.origin}.")
        z = self.prior.sample_many(self.count, torch.Generator().manual_seed(self.seed))
        self.latents = z.reshape(-1, *self.shape).to(self.device)


def _open(origin: bundle.Bundle, kind: str) -> FittedPrior:
    """The fitted prior of that kind; without a kind the space's default if that is a fitted one, or the
    first."""
    priors = origin.card.get("priors", {})
    if not priors or (kind and kind not in priors):
        found = f"has these: {', '.join(priors)}" if priors else "has no fitted prior"
        name = f" {kind!r}" if kind else ""
        raise UsageError(
            f"objective.adversarial_on needs a fitted prior{name}, and {origin.folder} {found}. "
            f"Fit one: facespace fit-prior {quoted(origin.folder)} --data SET --kind {kind or 'flow'}"
        )
    if kind:
        return fitted.load_prior(origin, kind)
    default = bundle_card.default_prior(origin.card)
    return fitted.load_prior(origin, next(iter(priors)) if default == bundle_card.MODEL_PRIOR else default)
