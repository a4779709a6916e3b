"""From a model's output to one number: weights of its terms. Sums over pixels and latents are taken by the
model; the mean over the batch is taken here, so that a KL weight of 1 gives the evidence lower bound at every
image size."""

from collections.abc import Mapping

from torch import Tensor

from facespace.core.errors import UsageError, suggest
from facespace.models.interface import ModelOutput

Loss = tuple[Tensor, dict[str, Tensor]]  # the loss in nats per image, and its terms by name, unweighted


def total_loss(
    result: ModelOutput, weights: Mapping[str, float], warmup: float = 1.0, free_bits: float = 0.0
) -> Loss:
    """−mean(log-likelihood) + Σ weight · mean(regularizer), and the terms by name, in nats per image,
    unweighted.

    A regularizer without a weight has weight 1; all weights are multiplied by `warmup`. With `free_bits`,
    each latent's KL, averaged over the batch, is clamped from below at that many nats. Where the output has
    an importance-weighted bound, the loss is its negative mean. Raises UsageError for the weight of a term
    that the model does not report."""
    _check_weights(weights, result.regularizers)
    terms = {"reconstruction": -result.log_likelihood.mean()}
    for name, penalty in result.regularizers.items():
        terms[name] = penalty.mean()
    if result.iwae_bound is not None:
        return -result.iwae_bound.mean(), terms
    weighed = dict(terms)
    if free_bits and result.kl_per_latent is not None:
        weighed["kl"] = result.kl_per_latent.mean(0).clamp(min=free_bits).sum()
    regularization = sum(warmup * weights.get(name, 1.0) * weighed[name] for name in result.regularizers)
    return terms["reconstruction"] + regularization, terms


def _check_weights(weights: Mapping[str, float], reported: Mapping[str, Tensor]) -> None:
    unknown = sorted(set(weights) - set(reported))
    if not unknown:
        return
    known = "It reports none: an autoencoder has no KL."
    if reported:
        known = suggest(unknown[0], reported)
    raise UsageError(f"objective.weights names {unknown[0]!r}, which this model does not report. {known}")
