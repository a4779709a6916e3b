"""System 1: generation and latent attribute editing on LFW."""

from facespace.recipes.config import DataConfig, ObjectiveConfig, Recipe, TrainConfig
from facespace.recipes.model_config import ModelConfig


def lfw_mlp() -> Recipe:
    """MLP VAE with Bernoulli pixels for Labeled Faces in the Wild at 45 px, for smile and sunglasses editing.

    Architecture of the published project: 6,075 pixels, hidden layers of 1,500 and 1,000 with batch norm and ReLU, 128
    latents, β = 1; 21,630,331 parameters. It names no optimiser, batch or length: here Adam 1e-3 at batch 64 for 60
    epochs along a cosine, with mirrored faces, which is what kept a network of this size from learning 3,000
    photographs by heart.

    What it left open, and what this does instead: its split let one person stand on both sides, this splits by person;
    a 0 in the binary attribute table was read as "no", here it is unknown unless asked for."""
    return Recipe(
        name="lfw-mlp",
        summary="MLP VAE, 45 px colour, 128 latents (LFW; system 1)",
        data=DataConfig(source="lfw", crop="center-90", flip=True),
        model=ModelConfig(image=(3, 45, 45), latent=128, body="mlp", widths=(1500, 1000), slope=0.0),
        objective=ObjectiveConfig(weights={"kl": 1.0}),
        train=TrainConfig(epochs=60, batch=64, learning_rate=1e-3, final_rate=0.02),
    )
