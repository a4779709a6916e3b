"""A colour space that grows: 32, 64, 128 px."""

from dataclasses import replace

from facespace.recipes.config import Recipe
from facespace.recipes.faces64 import faces64

GROWN = {
    32: (48, 96, 160, 128),
    64: (24, 48, 96, 160, 128),
    128: (12, 24, 48, 96, 160, 128),
}  # channels by the image's size


def grow32() -> Recipe:
    """The first stage of progressive growing 32 → 64 → 128 px (Karras et al., 2018): see models/pyramid.py.

    Each next stage begins as the one before, enlarged: `facespace train grow64 --from RUN32 …`, on a set prepared at the
    next size with the same crop."""
    return _grown(32)


def grow64() -> Recipe:
    """The second stage of progressive growing, and alone a VAE like faces64 whose body adds up drawings of all sizes.

    With `--from` and a run of grow32 it begins as that space, enlarged: the looks and drawings that 64 px add are zero at first
    (skip connections as in Karras et al., 2020). Its widths are those of grow32 behind a narrow first one."""
    return _grown(64)


def grow128() -> Recipe:
    """The third stage of progressive growing, 128 px; with `--from` and a run of grow64 it begins as that space, enlarged.

    Sums over pixels are four times those at 64 px, and the KL's weight with them. On two cores a step of 64 faces takes some
    four times one at 64 px: this is the stage for a GPU, or for a night."""
    return _grown(128)


def _grown(size: int) -> Recipe:
    base = faces64()
    model = replace(base.model, image=(3, size, size), body="pyramid", widths=GROWN[size])
    # Sums over four times as many pixels weigh four times more beside a KL that stays as large.
    objective = replace(base.objective, weights={"kl": base.objective.weights["kl"] * (size / 64) ** 2})
    train = replace(base.train, epochs={32: 20, 64: 60, 128: 30}[size])
    summary = f"VAE that grows, {size} px colour, 256 latents (CelebA)"
    return replace(base, name=f"grow{size}", summary=summary, model=model, objective=objective, train=train)
