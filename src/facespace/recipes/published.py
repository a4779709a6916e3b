"""The published systems that facespace reproduces, one function each. A docstring states the architecture and
the settings as published, the faults of the original and their correction."""

from dataclasses import replace

from facespace.recipes.config import DataConfig, ObjectiveConfig, Recipe, TrainConfig
from facespace.recipes.model_config import ModelConfig

GRAY_CELEBA = DataConfig(source="celeba", crop="box-148")


def lfw_mlp() -> Recipe:
    """MLP VAE with Bernoulli pixels for Labeled Faces in the Wild at 45 px, for smile and sunglasses editing.

    Architecture of the published project: 6,075 pixels, hidden layers of 1,500 and 1,000 with batch norm
    and ReLU, 128 latents, β = 1; 21,630,331 parameters. It names no optimiser, batch or length: here Adam
    1e-3 at batch 64 for 60 epochs along a cosine, at least 2,800 steps, with mirrored faces, which is what
    kept a network of this size from learning 3,000 photographs by heart.

    Faults of the original, and the correction: its split let one person stand on both sides, this splits
    by person; a 0 in the binary attribute table was read as "no", here it is unknown unless asked for."""
    return Recipe(
        name="lfw-mlp",
        summary="MLP VAE, 45 px colour, 128 latents (LFW; system 1)",
        data=DataConfig(source="lfw", crop="center-90", flip=True),
        model=ModelConfig(image=(3, 45, 45), latent_dim=128, backbone="mlp", widths=(1500, 1000), slope=0.0),
        objective=ObjectiveConfig(weights={"kl": 1.0}),
        train=TrainConfig(epochs=60, min_steps=2_800, batch=64, learning_rate=1e-3, final_learning_rate=0.02),
    )


def celeba_gray_ae() -> Recipe:
    """MLP autoencoder with squared error for gray CelebA at 64 px (crop box 15, 40, 163, 188).

    As published: 4,096 → 2,048 → 256 → 2,048 → 4,096 with ReLU, Adam 1e-3, batch 64, 3 epochs, mixed
    precision; 17,834,240 parameters. It printed a validation MSE of .004980 on the full data, 162,770 faces,
    of which 3 epochs are 7,629 steps. Three epochs of 4,000 faces are 186 steps, of which nothing comes out
    but the mean face: a smaller set gets as many epochs as 7,600 steps take (train.min_steps). Half of the
    faces are mirrored, which was not published: without it 4,000 faces give ghosts (docs/measured.md).

    Faults of the original, and the correction: it gave no way to sample, here a Gaussian is fitted to
    the training latents and named as such; parameter counts in its text were wrong, here they are counted."""
    return Recipe(
        name="celeba-gray-ae",
        summary="MLP autoencoder, 64 px gray, 256 latents (CelebA; system 2)",
        data=replace(GRAY_CELEBA, flip=True),
        model=ModelConfig(
            image=(1, 64, 64),
            latent_dim=256,
            backbone="mlp",
            widths=(2048,),
            norm=False,
            slope=0.0,
            bottleneck="deterministic",
            likelihood="mse",
        ),
        objective=ObjectiveConfig(),
        train=TrainConfig(epochs=3, min_steps=7_600, batch=64, learning_rate=1e-3),
    )


def celeba_gray_vae() -> Recipe:
    """MLP VAE with Gaussian pixels of learned variance for gray CelebA at 64 px (crop box 15, 40, 163, 188).

    As published: 4,096 → 512 → 100 latents → 512 → mean and log-variance of each pixel, AdamW 2e-4 with
    weight decay 1e-4, batch 64, 3 epochs, an EMA of the weights of .999, mixed precision; 6,454,472
    parameters. It printed a negative ELBO of −4,415.16 nats per image on validation; lower is better (its
    text says the opposite). Three epochs of its 162,770 faces are 7,629 steps; a smaller set gets as many
    epochs as 7,600 steps take (train.min_steps). The decay of the EMA rises to .999 from the first step on,
    and the better of average and weights is kept.

    Faults of the original, and the correction: a KL with the wrong sign in its print-out, exp(log σ) in
    one place and a log-variance in another, and a Gaussian without ½·log 2π in some figures. Here every
    term is held against torch.distributions, and the constant (3,764 nats an image) is always counted."""
    return Recipe(
        name="celeba-gray-vae",
        summary="MLP VAE with learned pixel variance, 64 px gray, 100 latents (CelebA; system 2)",
        data=GRAY_CELEBA,
        model=ModelConfig(
            image=(1, 64, 64),
            latent_dim=100,
            backbone="mlp",
            widths=(512,),
            norm=False,
            slope=0.0,
            likelihood="normal_pixel",
        ),
        objective=ObjectiveConfig(weights={"kl": 1.0}),
        train=TrainConfig(
            epochs=3,
            min_steps=7_600,
            batch=64,
            optimizer="adamw",
            learning_rate=2e-4,
            weight_decay=1e-4,
            ema=0.999,
        ),
    )


def celebamask_conv() -> Recipe:
    """Convolutional VAE with Bernoulli pixels for CelebAMask-HQ with the background removed, or plain CelebA,
    at 64 px.

    Architecture and settings are those of the published student project: four strided convolutions of 32 to
    256 channels with batch norm and LeakyReLU, 128 latents, β = 1, Adam 1e-3, batch 32, 20 epochs;
    2,958,659 parameters. Fewer than 6,400 faces get more epochs: at least 4,000 steps.

    Faults of the original, and the correction: it watched the training loss, this validates on other
    people's faces; it drew samples in train mode, so that batch-norm statistics drifted, this samples in
    eval mode; it could not resume; it truncated pixel values, this rounds them; it loaded weights by
    unpickling, this loads safetensors."""
    return Recipe(
        name="celebamask-conv",
        summary="conv VAE, 64 px colour, 128 latents (CelebAMask-HQ or CelebA; system 3)",
        data=DataConfig(source="celeba", crop="center-148"),
        model=ModelConfig(
            image=(3, 64, 64), latent_dim=128, backbone="conv", widths=(32, 64, 128, 256), slope=0.01
        ),
        objective=ObjectiveConfig(weights={"kl": 1.0}),
        train=TrainConfig(epochs=20, min_steps=4_000, batch=32, optimizer="adam", learning_rate=1e-3),
    )


def celeba_conv_128() -> Recipe:
    """Convolutional VAE with dropout for CelebA at 128 px (its central 128×128 pixels).

    As published: four strided 3×3 convolutions of 32, 64, 64, 64 channels with batch norm, LeakyReLU .001
    and Dropout2d .2, 200 latents, transposed convolutions 8 → 17 → 33 → 65 → 129 trimmed to 128; Adam 1e-3,
    batch 32, 50 epochs; 2,649,299 parameters. Fewer than 3,840 faces get more epochs: at least 6,000 steps.
    `--set model.likelihood=l1` is its other loss.

    Faults of the original, and the correction: its text names other sizes than its code has; its output
    had no range, here a sigmoid gives it one; samples were drawn with dropout on, here in eval mode."""
    return Recipe(
        name="celeba-conv-128",
        summary="conv VAE with dropout, 128 px colour, 200 latents (CelebA; system 4)",
        data=DataConfig(source="celeba", crop="center-128"),
        model=ModelConfig(
            image=(3, 128, 128),
            latent_dim=200,
            backbone="conv_trim",
            widths=(32, 64, 64, 64),
            slope=0.001,
            dropout=0.2,
        ),
        objective=ObjectiveConfig(weights={"kl": 1.0}),
        train=TrainConfig(epochs=50, min_steps=6_000, batch=32, learning_rate=1e-3),
    )


def yearbook_ae() -> Recipe:
    """Convolutional autoencoder with squared error for gray yearbook portraits of 171×186 px.

    As published: 3×3 convolutions of 32 to 256 channels with max-pooling down to 2×10×11, 80 latents behind
    a ReLU, transposed convolutions up to 160×176, compared with the input's middle; Adam 1e-3 (its
    library's default), batch 4, 3 epochs; 1,169,039 parameters. Olivetti or gray CelebA at this size can
    stand in for the portraits. Fewer than 10,700 faces get more epochs: at least 8,000 steps.

    Faults of the original, and the correction: it saved weights that only its own script could load, and
    looked for dead latents by eye (28 of 80); here the bundle is safetensors, and a Gaussian of the
    training latents gives random faces. On gray CelebA the first steps at the full learning rate killed all
    80, and every face became the mean face; it rises over 500 steps now (`train.warmup`). Batch 4 is kept; a
    larger one (`--set train.batch=32`) is faster."""
    return Recipe(
        name="yearbook-ae",
        summary="conv autoencoder, 171×186 gray, 80 latents (yearbook portraits; system 5)",
        data=DataConfig(source="yearbook"),
        model=ModelConfig(
            image=(1, 171, 186),
            latent_dim=80,
            backbone="conv_pool",
            widths=(32, 64, 128, 256),
            norm=False,
            slope=0.0,
            bottleneck="deterministic",
            latent_relu=True,
            likelihood="mse",
        ),
        objective=ObjectiveConfig(),
        train=TrainConfig(epochs=3, min_steps=8_000, batch=4, learning_rate=1e-3, warmup=500),
    )
