"""A space of codes at 64 px."""

from dataclasses import replace

from facespace.recipes.config import Recipe
from facespace.recipes.faces64 import faces64


def vq() -> Recipe:
    """Vector-quantised autoencoder (van den Oord et al., 2017): 8×8 codes of four numbers out of 1,024 entries.

    Residual body and teachers as in faces64. The codebook follows by moving averages and revives entries that nothing uses
    (Razavi et al., 2019; Dhariwal et al., 2020). It has no prior of its own: draw from a flow over the codes
    (`facespace fit-prior --kind flow`); what is drawn, moved or mixed is decoded as the entries next to it."""
    base = faces64()
    model = replace(base.model, bottleneck="codes", spatial=True, widths=(64, 128, 192))
    objective = replace(base.objective, weights={"commitment": 1.0})
    return replace(
        base,
        name="vq",
        summary="VQ autoencoder, 8×8 codes, 64 px colour (CelebA)",
        model=model,
        objective=objective,
    )
