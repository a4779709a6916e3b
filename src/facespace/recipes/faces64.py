"""A sharp colour space at 64 px."""

from facespace.models.config import ModelConfig
from facespace.recipe import DataConfig, ObjectiveConfig, Recipe, TrainConfig


def faces64() -> Recipe:
    """Residual VAE for CelebA at 64 px."""
    return Recipe(
        name="faces64",
        summary="residual VAE with a perceptual loss, 64 px colour, 256 latents (CelebA)",
        data=DataConfig(source="celeba", crop="center-148", flip=True),
        model=ModelConfig(latent=256, body="residual", widths=(48, 96, 160, 128), pixels="l1"),
        objective=ObjectiveConfig(weights={"kl": 0.5}),
        train=TrainConfig(epochs=110, batch=64, optimizer="adamw", learning_rate=1e-3, final_rate=0.01, warmup=200),
    )
