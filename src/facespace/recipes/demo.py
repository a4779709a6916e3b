"""The recipe of `facespace demo`: small enough for two processor cores and a few minutes."""

from facespace.models.config import ModelConfig
from facespace.recipe import DataConfig, ObjectiveConfig, Recipe, TrainConfig


def demo() -> Recipe:
    """Convolutional VAE for the procedural faces: the body of `celebamask-conv` with fewer channels and latents.

    Ours. One learned pixel deviation (σ-VAE: Rybkin et al., 2021) in place of Bernoulli pixels, which balances
    reconstruction against KL by itself and draws sharper pictures; the learning rate falls along a cosine."""
    return Recipe(
        name="demo",
        summary="small conv VAE, 64 px colour, 64 latents, for the drawn faces of the demo",
        data=DataConfig(source="procedural"),
        model=ModelConfig(latent=64, widths=(32, 64, 96, 128), pixels="normal_shared"),
        objective=ObjectiveConfig(weights={"kl": 1.0}),
        train=TrainConfig(epochs=20, batch=32, learning_rate=2e-3, final_rate=0.02),
    )
