"""A space of several levels at 64 px."""

from dataclasses import replace

from facespace.recipes.config import Recipe
from facespace.recipes.faces64 import faces64


def ladder() -> Recipe:
    """Hierarchical VAE of three levels (Sønderby et al., 2016; Vahdat & Kautz, 2020): 128 flat numbers, then noise of 2
    channels at 8×8 and of 1 at 16×16: 512 in all, one N(0, I) tensor.

    Residual blocks and teachers as in faces64."""
    base = faces64()
    model = replace(base.model, kind="ladder", latent=128, levels=(2, 1))
    return replace(
        base,
        name="ladder",
        summary="ladder VAE of three levels, 64 px colour, 512 latents (CelebA)",
        model=model,
    )
