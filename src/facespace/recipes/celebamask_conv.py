"""System 3: generation and morphing of faces at 64 px."""

from facespace.recipes.config import DataConfig, ObjectiveConfig, Recipe, TrainConfig
from facespace.recipes.model_config import ModelConfig


def celebamask_conv() -> Recipe:
    """Convolutional VAE with Bernoulli pixels for CelebAMask-HQ with the background removed, or plain CelebA, at 64 px.

    Architecture and settings are those of the published student project: four strided convolutions of 32 to 256
    channels with batch norm and LeakyReLU, 128 latents, β = 1, Adam 1e-3, batch 32, 20 epochs; 2,958,659 parameters.

    What it did wrong, and what this does instead: it watched the training loss, this validates on other people's
    faces; it drew samples in train mode, so that batch-norm statistics drifted, this samples in eval mode; it could not
    resume; it truncated pixel values, this rounds them; it loaded weights by unpickling, this loads safetensors."""
    return Recipe(
        name="celebamask-conv",
        summary="conv VAE, 64 px colour, 128 latents (CelebAMask-HQ or CelebA; system 3)",
        data=DataConfig(source="celeba", crop="center-148"),
        model=ModelConfig(image=(3, 64, 64), latent=128, body="conv", widths=(32, 64, 128, 256), slope=0.01),
        objective=ObjectiveConfig(weights={"kl": 1.0}),
        train=TrainConfig(epochs=20, batch=32, optimizer="adam", learning_rate=1e-3),
    )
