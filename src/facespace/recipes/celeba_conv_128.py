"""System 4: colour faces at 128 px."""

from facespace.recipes.config import DataConfig, ObjectiveConfig, Recipe, TrainConfig
from facespace.recipes.model_config import ModelConfig


def celeba_conv_128() -> Recipe:
    """Convolutional VAE with dropout for CelebA at 128 px (its central 128×128 pixels).

    As published: four strided 3×3 convolutions of 32, 64, 64, 64 channels with batch norm, LeakyReLU .001 and
    Dropout2d .2, 200 latents, transposed convolutions 8 → 17 → 33 → 65 → 129 trimmed to 128; Adam 1e-3, batch 32,
    50 epochs; 2,649,299 parameters. `--set model.pixels=l1` is its other loss.

    What it did wrong, and what this does instead: its text names other sizes than its code has; its output had no
    range, here a sigmoid gives it one; samples were drawn with dropout on, here in eval mode."""
    return Recipe(
        name="celeba-conv-128",
        summary="conv VAE with dropout, 128 px colour, 200 latents (CelebA; system 4)",
        data=DataConfig(source="celeba", crop="center-128"),
        model=ModelConfig(
            image=(3, 128, 128),
            latent=200,
            body="conv_trim",
            widths=(32, 64, 64, 64),
            slope=0.001,
            dropout=0.2,
        ),
        objective=ObjectiveConfig(weights={"kl": 1.0}),
        train=TrainConfig(epochs=50, batch=32, learning_rate=1e-3),
    )
