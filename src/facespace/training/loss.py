"""From a Pass to one number: weights on its terms. Sums over pixels and latents were taken by the model; the mean over
the batch is taken here, so that a weight of 1 on the KL is the evidence lower bound at every image size."""

from collections.abc import Mapping

from torch import Tensor

from facespace.core.errors import UsageError, suggest
from facespace.models.interface import Pass


def total_loss(
    result: Pass, weights: Mapping[str, float], rise: float = 1.0, free_bits: float = 0.0
) -> tuple[Tensor, dict[str, Tensor]]:
    """−mean(log-likelihood) + Σ weight · mean(penalty), and the terms by name, each in nats per image, unweighted.

    A penalty without a weight counts once; all weights are multiplied by `rise`. With `free_bits`, each latent's KL,
    averaged over the batch, counts from that many nats on. Where the pass has an importance-weighted bound, the loss is
    its negative mean instead. A weight for a term that the model does not report raises UsageError."""
    unknown = sorted(set(weights) - set(result.penalties))
    if unknown:
        known = (
            suggest(unknown[0], result.penalties)
            if result.penalties
            else "It reports none: an autoencoder has no KL."
        )
        raise UsageError(f"objective.weights names {unknown[0]!r}, which this model does not report. {known}")
    terms = {"reconstruction": -result.log_likelihood.mean()}
    terms |= {name: penalty.mean() for name, penalty in result.penalties.items()}
    if result.bound is not None:
        return -result.bound.mean(), terms
    counted = dict(terms)
    if free_bits and result.kl_per_latent is not None:
        counted["kl"] = result.kl_per_latent.mean(0).clamp(min=free_bits).sum()
    loss = terms["reconstruction"] + sum(
        rise * weights.get(name, 1.0) * counted[name] for name in result.penalties
    )
    return loss, terms
