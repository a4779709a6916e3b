"""The table of model kinds, and how a config becomes a model."""

import torch

from facespace.core.errors import choose
from facespace.models.autoencoder import Autoencoder
from facespace.models.hierarchical import HierarchicalVAE
from facespace.models.hierarchical_vq import HierarchicalVQ
from facespace.models.interface import LatentModel
from facespace.recipes.model_config import ModelConfig

MODELS: dict[str, type[Autoencoder]] = {
    "autoencoder": Autoencoder,
    "hierarchical": HierarchicalVAE,
    "hierarchical_vq": HierarchicalVQ,
}


def build(config: ModelConfig) -> LatentModel:
    """A new model with random weights. Raises UsageError for an unknown name or an impossible size."""
    return choose(MODELS, config.kind, "model kind")(config)


def count_parameters(config: ModelConfig) -> int:
    """Trainable parameters of the model that a config describes. No memory is allocated for them."""
    with torch.device("meta"):
        parameters = build(config).parameters()
        return sum(weight.numel() for weight in parameters if weight.requires_grad)
