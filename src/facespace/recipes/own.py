"""The recipes of this project, one function each: four colour spaces, and the small one of `facespace
demo`."""

from dataclasses import replace

from facespace.recipes.config import DataConfig, ObjectiveConfig, Recipe, TrainConfig
from facespace.recipes.model_config import ModelConfig

# Channels of the growing VAE, by image size.
GROWN = {
    32: (48, 96, 160, 128),
    64: (24, 48, 96, 160, 128),
    128: (12, 24, 48, 96, 160, 128),
}


def faces64() -> Recipe:
    """Residual VAE with perceptual, adversarial and feature-matching losses for CelebA at 64 px.

    A recipe of this project. A squared error or cross-entropy alone yields the mean of the faces that a
    latent could stand for, which is blurred. Here an absolute error fixes colours and edges, a feature
    distance in the attribute classifier adds detail (Johnson et al., 2016), and over the last two fifths of
    the steps a patch discriminator adds texture (Isola et al., 2017), on images of interpolated latents too
    (Larsen et al., 2016). The face's center has more weight than hair and background, because it carries
    identity. The residual blocks (He et al., 2016) work at 32 px and below, so that two processor cores
    suffice; 256 latents, a small KL weight, mirrored faces, a moving average of the weights, a cosine
    learning-rate schedule.

    The latents are not distributed as N(0, I): sample from a fitted prior (`facespace fit-prior`)."""
    return Recipe(
        name="faces64",
        summary="residual VAE, perceptual and late adversarial terms, 64 px colour, 256 latents (CelebA)",
        data=DataConfig(source="celeba", crop="center-148", flip=True),
        model=ModelConfig(latent_dim=256, backbone="residual", widths=(48, 96, 160, 128), likelihood="l1"),
        objective=ObjectiveConfig(
            weights={"kl": 0.2},
            perceptual=0.25,
            center_weight=30,
            adversarial=0.02,
            adversarial_generated=0.5,
            feature_matching=2.0,
        ),
        train=TrainConfig(
            epochs=90,
            min_steps=3_000,
            batch=64,
            optimizer="adamw",
            learning_rate=1e-3,
            final_learning_rate=0.01,
            warmup=200,
            ema_half_life=10_000,
        ),
    )


def faces128() -> Recipe:
    """A space such as faces64 at 128 px: `facespace train faces128 --from faces64 --data SET`, with a set of
    128 px in the same crop.

    A recipe of this project. The encoder, which sees the image at half its size, stays as it is, and so do
    latents, priors and directions; the decoder is trained further, with a detail network of twice the size
    (models/upsampled.py). Losses as in faces64."""
    base = faces64()
    return replace(
        base,
        name="faces128",
        summary="faces64 with a decoder of twice the size, 128 px colour, 256 latents (CelebA)",
        model=replace(base.model, image=(3, 128, 128), backbone="residual_upsampled"),
        objective=replace(base.objective, adversarial_start=0.1),
        train=replace(
            base.train, freeze="encoder", epochs=6, min_steps=1_500, batch=32, learning_rate=5e-4, warmup=50
        ),
    )


def vq() -> Recipe:
    """Vector-quantised autoencoder (van den Oord et al., 2017): 8×8 codes of four dimensions, 1,024 entries.

    Residual backbone and auxiliary losses as in faces64. The codebook is updated by moving averages, and
    unused entries are reset (Razavi et al., 2019; Dhariwal et al., 2020). It has no prior of its own:
    training ends with a small autoregressive one over the codes, and `facespace fit-prior` fits a larger one.
    Sampled, edited or interpolated latents are quantized to the nearest entries before decoding."""
    base = faces64()
    model = replace(base.model, bottleneck="vq", spatial=True, widths=(64, 128, 192))
    objective = replace(base.objective, weights={"commitment": 1.0})
    return replace(
        base,
        name="vq",
        summary="VQ autoencoder, 8×8 codes, 64 px colour (CelebA)",
        model=model,
        objective=objective,
    )


def vq2() -> Recipe:
    """Two-level vector quantization (VQ-VAE-2: Razavi, van den Oord & Vinyals, 2019): 8×8 and 16×16 codes.

    Each code is one of 1,024 entries of four numbers; the 16×16 codes are encoded given the 8×8 ones. The
    rest is as in vq. Sample from an autoregressive prior over both maps (`facespace fit-prior --kind
    autoregressive`)."""
    base = vq()
    model = replace(base.model, kind="hierarchical_vq", levels=(4,))
    return replace(
        base,
        name="vq2",
        summary="VQ autoencoder with two levels, 8×8 and 16×16 codes, 64 px colour (CelebA)",
        model=model,
    )


def faces64_style() -> Recipe:
    """faces64 with a style-modulated decoder (StyleGAN2: Karras et al., 2020): see models/style.py.

    A mapping network of three layers turns the latent into a style that scales the channels of every
    convolution of the decoder, which starts from a learned constant. Encoder, objective and training as in
    faces64."""
    base = faces64()
    return replace(
        base,
        name="faces64-style",
        summary="VAE with a style-modulated decoder, 64 px colour, 256 latents (CelebA)",
        model=replace(base.model, backbone="style"),
    )


def hierarchical() -> Recipe:
    """Hierarchical VAE of three levels (Sønderby et al., 2016; Vahdat & Kautz, 2020), 512 latents.

    128 dimensions without a spatial layout, then 2 channels of noise at 8×8 and 1 at 16×16, together one
    N(0, I) tensor. Residual blocks and auxiliary losses as in faces64."""
    base = faces64()
    model = replace(base.model, kind="hierarchical", latent_dim=128, levels=(2, 1))
    return replace(
        base,
        name="hierarchical",
        summary="hierarchical VAE with three levels, 64 px colour, 512 latents (CelebA)",
        model=model,
    )


def hierarchical_large() -> Recipe:
    """The hierarchical VAE with wider layers and twice the channels at its finer levels, 896 latents.

    128 dimensions without a spatial layout, then 4 channels of noise at 8×8 and 2 at 16×16. The finer levels
    preserve more of each photograph; sample from a fitted prior."""
    base = hierarchical()
    return replace(
        base,
        name="hierarchical-large",
        summary="larger hierarchical VAE with three levels, 64 px colour, 896 latents (CelebA)",
        model=replace(base.model, widths=(64, 128, 192, 192), levels=(4, 2)),
    )


def hierarchical128() -> Recipe:
    """The hierarchical VAE at 128 px, with four levels, 1,536 latents.

    128 dimensions without a spatial layout, then 2 channels of noise at 8×8, 1 at 16×16 and 1 at 32×32. The
    reconstruction term is a sum over four times as many pixels, and the weight of the KL is four times that
    of 64 px."""
    base = hierarchical()
    model = replace(base.model, image=(3, 128, 128), widths=(24, 48, 96, 160, 128), levels=(2, 1, 1))
    return replace(
        base,
        name="hierarchical128",
        summary="hierarchical VAE with four levels, 128 px colour, 1,536 latents (CelebA)",
        model=model,
        objective=replace(base.objective, weights={"kl": 4 * base.objective.weights["kl"]}),
        train=replace(base.train, epochs=30, min_steps=1_800),
    )


def grow32() -> Recipe:
    """First stage of progressive growing 32 → 64 → 128 px (Karras et al., 2018): see models/progressive.py.

    Each stage starts from the weights of the one before: `facespace train grow64 --from RUN32 …`, on a set
    prepared at the next size with the same crop."""
    return _grown(32)


def grow64() -> Recipe:
    """Second stage of progressive growing; without `--from` a VAE like faces64 with outputs at all sizes.

    With `--from` and a run of grow32 it starts from that space at twice the size: the input and output
    branches of 64 px are zero at first (skip connections as in Karras et al., 2020). Its widths are those of
    grow32 after a narrow first layer."""
    return _grown(64)


def grow128() -> Recipe:
    """Third stage of progressive growing, 128 px; with `--from` and a run of grow64 it starts from that
    space.

    Sums over pixels are four times those at 64 px, and so is the weight of the KL. On two cores a step of 64
    faces takes about four times as long as at 64 px: this stage needs a GPU, or a night."""
    return _grown(128)


def _grown(size: int) -> Recipe:
    base = faces64()
    model = replace(base.model, image=(3, size, size), backbone="progressive", widths=GROWN[size])
    # The reconstruction term is a sum over pixels, and the KL does not grow with the image.
    objective = replace(base.objective, weights={"kl": base.objective.weights["kl"] * (size / 64) ** 2})
    epochs, least = {32: (20, 3_000), 64: (60, 3_000), 128: (30, 1_800)}[size]
    train = replace(base.train, epochs=epochs, min_steps=least)
    summary = f"VAE that grows, {size} px colour, 256 latents (CelebA)"
    return replace(base, name=f"grow{size}", summary=summary, model=model, objective=objective, train=train)


def demo() -> Recipe:
    """Convolutional VAE for the synthetic faces: the backbone of `celebamask-conv` with fewer channels and
    latents.

    A recipe of this project. One learned standard deviation for all pixels in place of Bernoulli pixels
    (σ-VAE: Rybkin et al., 2021) gives sharper images. Alone it leaves the latents far from N(0, I), and
    samples are smears; a KL weight of 30 (β-VAE: Higgins et al., 2017) corrects that for a mean squared error
    of .0028 instead of .0024. The learning rate follows a cosine."""
    return Recipe(
        name="demo",
        summary="small conv VAE, 64 px colour, 32 latents, for the synthetic faces of the demo",
        data=DataConfig(source="synthetic"),
        model=ModelConfig(latent_dim=32, widths=(32, 64, 96, 128), likelihood="normal_shared"),
        objective=ObjectiveConfig(weights={"kl": 30.0}),
        train=TrainConfig(epochs=18, batch=32, learning_rate=2e-3, final_learning_rate=0.02),
    )
