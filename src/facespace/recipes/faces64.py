"""A sharp colour space at 64 px."""

from facespace.recipes.config import DataConfig, ObjectiveConfig, Recipe, TrainConfig
from facespace.recipes.model_config import ModelConfig


def faces64() -> Recipe:
    """Residual VAE with a perceptual term and a late critic for CelebA at 64 px: a space to use, not a system retold.

    Ours. Blur is the mean of the faces that a latent could stand for, and squared error or cross-entropy asks for it. Here
    absolute error keeps colours and edges in place, the distance between what the attribute network sees in a face and in
    its reconstruction asks for detail (Johnson et al., 2016), and over the last two fifths a small critic of patches for
    texture (Isola et al., 2017), in faces drawn between others too (Larsen et al., 2016). The middle of the face counts more
    than hair and background, since people know each other by it. Residual blocks (He et al., 2016) do their work at 32 px and
    below, so that it can be trained on two processor cores; 256 latents, a KL that weighs little beside the rest, mirrored
    faces, an average of the weights, a rate that falls along a cosine.

    The latents keep more than N(0, I) has room for: draw from a fitted prior (`facespace fit-prior`)."""
    return Recipe(
        name="faces64",
        summary="residual VAE, perceptual and late adversarial terms, 64 px colour, 256 latents (CelebA)",
        data=DataConfig(source="celeba", crop="center-148", flip=True),
        model=ModelConfig(latent=256, body="residual", widths=(48, 96, 160, 128), pixels="l1"),
        objective=ObjectiveConfig(
            weights={"kl": 0.2},
            perceptual=0.25,
            focus=30,
            adversarial=0.02,
            adversarial_drawn=0.5,
            matching=2.0,
        ),
        train=TrainConfig(
            epochs=90,
            batch=64,
            optimizer="adamw",
            learning_rate=1e-3,
            final_rate=0.01,
            warmup=200,
            ema_half_life=10_000,
        ),
    )
