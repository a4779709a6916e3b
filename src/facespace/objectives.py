"""From a Pass to one number: weights on its terms. Sums over pixels and latents were taken by the model; the mean over
the batch is taken here, so that a weight of 1 on the KL is the evidence lower bound at every image size."""

from collections.abc import Mapping

from torch import Tensor

from facespace.errors import UsageError, suggest
from facespace.models.interface import Pass


def total_loss(result: Pass, weights: Mapping[str, float]) -> tuple[Tensor, dict[str, Tensor]]:
    """−mean(log-likelihood) + Σ weight · mean(penalty), and the terms by name, each in nats per image, unweighted.

    A penalty without a weight counts once. A weight for a term that the model does not report raises UsageError."""
    unknown = sorted(set(weights) - set(result.penalties))
    if unknown:
        reported = (
            suggest(unknown[0], result.penalties)
            if result.penalties
            else "It reports none, as an autoencoder has no KL."
        )
        raise UsageError(f"objective.weights names {unknown[0]!r}, which this model does not report. {reported}")
    terms = {"reconstruction": -result.log_likelihood.mean()}
    terms |= {name: penalty.mean() for name, penalty in result.penalties.items()}
    loss = terms["reconstruction"] + sum(weights.get(name, 1.0) * terms[name] for name in result.penalties)
    return loss, terms
