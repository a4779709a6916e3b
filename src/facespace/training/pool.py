"""Latents drawn from the fitted prior of the space that a decoder learns on from: what an adversary judges beside
reconstructions. They are drawn once, at a run's start, since a flow takes longer for a batch than for its share of many."""

import torch
from torch import Tensor

from facespace.core.console import note
from facespace.core.errors import UsageError
from facespace.models import bundle
from facespace.models.priors import FittedPrior
from facespace.recipes.config import Recipe

MOST = 50_000  # latents


def check_samples(plan: Recipe) -> None:
    """Raises UsageError where faces of a fitted prior cannot be judged, since the encoder that it was fitted to learns on."""
    if plan.objective.draws_samples and plan.train.only != "decoder":
        raise UsageError(
            f"objective.adversarial_on={plan.objective.adversarial_on} judges faces of the fitted prior, which fits the encoder as "
            "it is. Add --set train.only=decoder, or set objective.adversarial_on=reconstructions."
        )


class LatentPool:
    """As many latents of the prior of `origin` as `wanted`, MOST at most, the same for the same seed."""

    def __init__(
        self, origin: bundle.Bundle, kind: str, wanted: int, seed: int, device: torch.device
    ) -> None:
        self.prior, self.shape = _open(origin, kind), origin.model.latent_shape
        self.count, self.seed, self.device = max(1, min(wanted, MOST)), seed, device
        self.latents: Tensor | None = None

    def take(self, count: int) -> Tensor:
        """So many, (count, *latent_shape), chosen by torch's generator of the moment."""
        assert self.latents is not None, "fill() comes first"
        places = torch.rand(count, device=self.device) * self.count
        return self.latents[places.long().clamp(max=self.count - 1)]

    @torch.no_grad()
    def fill(self) -> None:
        """Draws them all; random numbers of others are left alone."""
        note(f"Drawing {self.count:,} latents from {self.prior.origin}.")
        z = self.prior.sample_many(self.count, torch.Generator().manual_seed(self.seed))
        self.latents = z.reshape(-1, *self.shape).to(self.device)


def _open(origin: bundle.Bundle, kind: str) -> FittedPrior:
    """The fitted prior of that kind; without a kind the one that the space uses by default, or else any."""
    fitted = origin.card.get("priors", {})
    if not fitted or (kind and kind not in fitted):
        found = f"has these: {', '.join(fitted)}" if fitted else "has no fitted prior"
        raise UsageError(
            f"objective.adversarial_on needs a fitted prior{f' {kind!r}' if kind else ''}, and {origin.folder} {found}. "
            f"Fit one: facespace fit-prior {origin.folder} --data SET --kind {kind or 'flow'}"
        )
    usual = bundle.usual_prior(origin.card)
    default = next(iter(fitted)) if usual == bundle.OWN else usual
    return bundle.load_prior(origin, kind or default)
