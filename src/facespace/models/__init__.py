"""Networks and distributions. Nothing here reads or writes files."""

from facespace.core.errors import choose
from facespace.models.autoencoder import Autoencoder
from facespace.models.hierarchical import Ladder
from facespace.models.interface import LatentModel, Pass, Posterior
from facespace.recipes.model_config import ModelConfig

MODELS = {"autoencoder": Autoencoder, "ladder": Ladder}

__all__ = ["MODELS", "LatentModel", "ModelConfig", "Pass", "Posterior", "build", "count_parameters"]


def build(config: ModelConfig) -> LatentModel:
    """A new model with random weights; UsageError for a name or size that does not exist."""
    return choose(MODELS, config.kind, "model kind")(config)


def count_parameters(config: ModelConfig) -> int:
    """Trainable parameters of the model that a config describes, without spending memory on it."""
    import torch

    with torch.device("meta"):
        return sum(p.numel() for p in build(config).parameters() if p.requires_grad)
