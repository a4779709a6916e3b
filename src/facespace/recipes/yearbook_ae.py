"""System 5: the autoencoder behind the yearbook face explorer."""

from facespace.recipes.config import DataConfig, ObjectiveConfig, Recipe, TrainConfig
from facespace.recipes.model_config import ModelConfig


def yearbook_ae() -> Recipe:
    """Convolutional autoencoder with squared error for gray yearbook portraits of 171×186 px.

    As published: 3×3 convolutions of 32 to 256 channels with max-pooling down to 2×10×11, 80 latents behind a ReLU,
    transposed convolutions up to 160×176, compared with the input's middle; Adam 1e-3 (its library's default), batch 4,
    3 epochs; 1,169,039 parameters. Olivetti or gray CelebA at this size can stand in for the portraits.

    What it did wrong, and what this does instead: it saved weights that only its own script could load, and looked for
    dead latents by eye (28 of 80); here the bundle is safetensors, and a Gaussian of the training latents gives random
    faces. Batch 4 is kept; a larger one (`--set train.batch=32`) is faster."""
    return Recipe(
        name="yearbook-ae",
        summary="conv autoencoder, 171×186 gray, 80 latents (yearbook portraits; system 5)",
        data=DataConfig(source="yearbook"),
        model=ModelConfig(
            image=(1, 171, 186),
            latent=80,
            body="conv_pool",
            widths=(32, 64, 128, 256),
            norm=False,
            slope=0.0,
            bottleneck="point",
            latent_relu=True,
            pixels="mse",
        ),
        objective=ObjectiveConfig(),
        train=TrainConfig(epochs=3, batch=4, learning_rate=1e-3),
    )
