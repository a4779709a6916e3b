"""Autoencoder and VAE in one: a body, a bottleneck and a pixel likelihood put together as the config says."""

from torch import Generator, Tensor, nn

from facespace.errors import choose
from facespace.models.bodies import BODIES
from facespace.models.config import ModelConfig
from facespace.models.interface import LatentModel, Pass, Posterior
from facespace.models.likelihoods import LIKELIHOODS
from facespace.models.posteriors import POSTERIORS
from facespace.models.priors import PRIORS


class Autoencoder(LatentModel):
    """body × bottleneck × pixels. With a Gaussian bottleneck it is a VAE (Kingma & Welling, 2014)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.image_shape = config.image
        self.latent_shape = (config.latent,)
        self.posterior = choose(POSTERIORS, config.bottleneck, "bottleneck")
        self.pixels = choose(LIKELIHOODS, config.pixels, "pixels")()
        self.prior = choose(PRIORS, config.bottleneck, "bottleneck")(config.latent)
        body = choose(BODIES, config.body, "body")
        self.encoder, features, self.decoder = body(config, config.image[0] * self.pixels.parts)
        self.heads = nn.Linear(features, config.latent * self.posterior.PARTS)

    def encode(self, x: Tensor, y: Tensor | None = None) -> Posterior:
        """(B, C, H, W) in [0, 1] -> q(z | x)."""
        return self.posterior(self.heads(self.encoder(x)).float())

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """(B, D) -> mean image (B, C, H, W) in [0, 1]."""
        return self.pixels.mean(self.decoder(z).float())

    def forward(self, x: Tensor, y: Tensor | None = None, generator: Generator | None = None) -> Pass:
        """One sample of z for each image, and what it says of x."""
        q = self.encode(x)
        raw = self.decoder(q.sample(generator)).float()  # (B, parts·C, H, W); under autocast the layers alone are bf16
        return Pass(self.pixels.mean(raw), self.pixels.log_prob(raw, x), q.penalties())
