"""What a model is built from: plain frozen data, without torch, so that cards and recipes can be read at no cost."""

from dataclasses import dataclass

from facespace.core.errors import UsageError

FAMILIES = {"point": "autoencoder", "gaussian": "VAE", "codes": "VQ autoencoder"}


@dataclass(frozen=True)
class ModelConfig:
    """A choice of body × bottleneck × pixels and their sizes."""

    kind: str = "autoencoder"  # row of MODELS
    image: tuple[int, int, int] = (3, 64, 64)  # channels, height, width
    latent: int = 128  # numbers between encoder and decoder; of a ladder those of its first level
    body: str = "conv"  # row of BODIES
    widths: tuple[int, ...] = (
        32,
        64,
        128,
        256,
    )  # channels (conv) or units (mlp) of each layer, from the image inwards
    norm: bool = True  # batch norm after each hidden layer; in the residual body group norm before it
    slope: float = 0.01  # of LeakyReLU below zero; 0 is ReLU; the residual body has SiLU whatever it is
    dropout: float = 0.0
    bottleneck: str = "gaussian"  # row of POSTERIORS: gaussian is a VAE, point an autoencoder, codes a VQ-VAE
    spatial: bool = False  # each cell of the encoder's last map has numbers of its own
    codebook: int = 1024  # entries, for bottleneck=codes
    code: int = 4  # numbers of one entry; a latent is model.latent / model.code of them
    levels: tuple[
        int, ...
    ] = ()  # of kind=ladder: channels of noise at twice the smallest size, at four times, …
    looks: int = (
        1  # of the encoder at a face once it has learned: each further one mends what the decoder got wrong
    )
    decoder_blocks: int = 2  # residual blocks at each size of a pyramid's decoder
    latent_noise: float = (
        0.0  # while training, in the batch's standard deviations, on each latent that is decoded
    )
    latent_relu: bool = False  # ReLU on the latent of an autoencoder, as the yearbook system has it
    pixels: str = "bernoulli"  # row of LIKELIHOODS
    conditions: tuple[str, ...] = ()  # attributes that encoder and decoder are told: a conditional VAE

    def __post_init__(self) -> None:
        if self.image[0] not in (1, 3) or min(self.image) < 1:
            raise UsageError(
                f"model.image is channels, height, width with 1 or 3 channels; got {list(self.image)}."
            )
        if self.latent < 1 or not self.widths or min(self.widths) < 1:
            raise UsageError(
                f"model.latent and model.widths must be at least 1; got {self.latent}, {list(self.widths)}."
            )
        if self.latent_relu and self.bottleneck != "point":
            raise UsageError(
                "model.latent_relu is for model.bottleneck=point; a Gaussian latent has both signs."
            )
        if self.levels and self.kind != "ladder":
            raise UsageError("model.levels is for model.kind=ladder.")
        if self.looks < 1 or (self.looks > 1 and (self.latent_relu or not self.flat)):
            raise UsageError(
                f"model.looks must be at least 1, and 1 but for a flat latent of both signs; got {self.looks}."
            )
        if self.decoder_blocks < 1 or (self.decoder_blocks != 2 and self.body != "pyramid"):
            raise UsageError(
                f"model.decoder_blocks must be at least 1, and is for model.body=pyramid; got {self.decoder_blocks}."
            )
        if not 0 <= self.latent_noise < 10 or (self.latent_noise and not self.flat):
            raise UsageError(
                f"model.latent_noise must lie in [0, 10), and is for a flat latent; got {self.latent_noise}."
            )
        if not 0 <= self.dropout < 1:
            raise UsageError(f"model.dropout must be at least 0 and below 1; got {self.dropout}.")

    @property
    def flat(self) -> bool:
        """Whether the latent is model.latent numbers that each reach the whole face, so that any other number would do."""
        return self.kind != "ladder" and not self.spatial and self.bottleneck != "codes"

    @property
    def family(self) -> str:
        """What such a model is called."""
        if self.kind == "ladder":
            return f"ladder VAE of {1 + len(self.levels)} levels"
        return FAMILIES[self.bottleneck]
