"""The configuration of a model: frozen data without torch, so that cards and recipes are read without it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from facespace.core.errors import UsageError

HIERARCHICAL = ("hierarchical", "hierarchical_vq")  # kinds of model with several levels of latents
FAMILIES = {"deterministic": "autoencoder", "gaussian": "VAE", "vq": "VQ autoencoder"}

# The largest numbers of a model that any memory holds; a card that says more is not from a training.
LARGEST = {
    "image": 4096,
    "latent_dim": 2**20,
    "widths": 2**16,
    "codebook_size": 2**20,
    "code_dim": 2**16,
    "levels": 2**16,
    "refinement_steps": 64,
    "decoder_blocks": 64,
}
MOST_LAYERS = 64

Rule = tuple[bool, str]  # whether a rule holds, and the error sentence where it does not


def check_rules(rules: Iterable[Rule]) -> None:
    """Raises UsageError with the sentence of the first rule that does not hold."""
    for holds, sentence in rules:
        if not holds:
            raise UsageError(sentence)


def _shown(value: object) -> str:
    text = f"{list(value)}" if isinstance(value, tuple) else f"{value}"
    return text if len(text) <= 80 else f"{text[:77]}..."


@dataclass(frozen=True)
class ModelConfig:
    """A choice of backbone × bottleneck × likelihood and their sizes."""

    kind: str = "autoencoder"  # row of MODELS
    image: tuple[int, int, int] = (3, 64, 64)  # channels, height, width
    latent_dim: int = 128  # of one face; of a hierarchical kind those of the first level
    backbone: str = "conv"  # row of BACKBONES
    # Channels (conv) or units (mlp) of each layer, from the image inwards.
    widths: tuple[int, ...] = (32, 64, 128, 256)
    norm: bool = True  # batch norm after each hidden layer; with backbone=residual group norm before it
    slope: float = 0.01  # of LeakyReLU below zero; 0 is ReLU; backbone=residual always uses SiLU
    dropout: float = 0.0
    # Row of POSTERIORS: gaussian is a VAE, deterministic an autoencoder, vq a VQ-VAE.
    bottleneck: str = "gaussian"
    spatial: bool = False  # latents of their own for each cell of the encoder's last map
    codebook_size: int = 1024  # entries, for bottleneck=vq
    code_dim: int = 4  # of one entry; a latent is model.latent_dim / model.code_dim entries
    # Of a hierarchical kind: channels of the further levels, at twice the smallest size, at four times, …
    levels: tuple[int, ...] = ()
    # Passes of the encoder: each one after the first corrects the latent by the decoder's error.
    refinement_steps: int = 1
    # Normal noise of a learned strength in each layer of the decoder while training, for backbone=style.
    layer_noise: bool = False
    decoder_blocks: int = 2  # residual blocks at each size of the decoder, for backbone=progressive
    # Noise on each decoded latent while training, in standard deviations over the batch.
    latent_noise: float = 0.0
    latent_relu: bool = False  # ReLU on the latent of an autoencoder, as in the yearbook system
    likelihood: str = "bernoulli"  # row of LIKELIHOODS
    conditions: tuple[str, ...] = ()  # attributes that encoder and decoder take as input: a conditional VAE

    def __post_init__(self) -> None:
        check_rules(self._size_rules())
        check_rules(self._combination_rules())
        check_rules(self._noise_rules())

    def _size_rules(self) -> Iterator[Rule]:
        for name, most in LARGEST.items():
            value = getattr(self, name)
            numbers = value if isinstance(value, tuple) else (value,)
            yield (
                len(numbers) <= MOST_LAYERS and all(number <= most for number in numbers),
                f"model.{name} is at most {most:,}, in at most {MOST_LAYERS} layers; got {_shown(value)}.",
            )
        yield (
            self.image[0] in (1, 3) and min(self.image) >= 1,
            f"model.image is channels, height, width with 1 or 3 channels; got {list(self.image)}.",
        )
        yield (
            self.latent_dim >= 1 and min(self.widths, default=0) >= 1,
            f"model.latent_dim and model.widths must be at least 1; "
            f"got {self.latent_dim}, {list(self.widths)}.",
        )

    def _combination_rules(self) -> Iterator[Rule]:
        yield (
            not self.latent_relu or self.bottleneck == "deterministic",
            "model.latent_relu is for model.bottleneck=deterministic; a Gaussian latent has both signs.",
        )
        yield (
            not self.levels or self.kind in HIERARCHICAL,
            f"model.levels is for model.kind={' or '.join(HIERARCHICAL)}.",
        )
        yield (
            not self.layer_noise or self.backbone == "style",
            "model.layer_noise is for model.backbone=style.",
        )
        yield (
            self.refinement_steps == 1 or (self.refinement_steps > 1 and self.refinable),
            "model.refinement_steps must be at least 1, and 1 but for a flat latent of both signs; "
            f"got {self.refinement_steps}.",
        )
        yield (
            self.decoder_blocks == 2 or (self.decoder_blocks >= 1 and self.backbone == "progressive"),
            "model.decoder_blocks must be at least 1, and is for model.backbone=progressive; "
            f"got {self.decoder_blocks}.",
        )

    def _noise_rules(self) -> Iterator[Rule]:
        yield (
            self.latent_noise == 0 or (0 < self.latent_noise < 10 and self.flat),
            f"model.latent_noise must lie in [0, 10), and is for a flat latent; got {self.latent_noise}.",
        )
        yield (
            0 <= self.dropout < 1,
            f"model.dropout must be at least 0 and below 1; got {self.dropout}.",
        )

    @property
    def flat(self) -> bool:
        """Whether the latent is one vector of model.latent_dim dimensions: no spatial layout, no codebook."""
        return self.kind not in HIERARCHICAL and not self.spatial and self.bottleneck != "vq"

    @property
    def refinable(self) -> bool:
        """Whether the encoder may take several passes (refinement_steps): the latent is flat and has both
        signs."""
        return self.flat and not self.latent_relu

    @property
    def family(self) -> str:
        """The name of this type of model."""
        if self.kind == "hierarchical":
            return f"hierarchical VAE of {1 + len(self.levels)} levels"
        if self.kind == "hierarchical_vq":
            return f"VQ autoencoder of {1 + len(self.levels)} levels"
        return FAMILIES[self.bottleneck]
