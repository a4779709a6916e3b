"""The verb that fits a prior to a trained space: fit-prior. `sample --prior` samples from it."""

import time
from dataclasses import asdict, dataclass
from pathlib import Path

from cyclopts import Parameter

from facespace.cli.app import Done, verb
from facespace.cli.options import Flag, Split, optional_words


@Parameter(name="*")
@dataclass(frozen=True)
class FitOptions:
    """Sizes of a prior.

    Parameters
    ----------
    components
        Number of Gaussians of a mixture. [default: 10, and fewer for few faces]
    steps
        Training steps of a flow at most; held-out latents stop it earlier. [default: 6000]
    width
        Units in the layers of a flow. [default: 512, and 4 for each latent where that is less]
    blocks
        Residual blocks of a flow. [default: 4]
    """

    components: int | None = None
    steps: int | None = None
    width: int | None = None
    blocks: int | None = None

    def given(self) -> dict[str, int]:
        """The options that are given."""
        return {name: value for name, value in asdict(self).items() if value is not None}


DEFAULTS = FitOptions()


@verb("facespace fit-prior SPACE --data SET")
def fit_prior(
    space: Path,
    /,
    *,
    data: Path,
    kind: str | None = None,
    mirror: Flag = False,
    conditions: str | None = None,
    sizes: FitOptions = DEFAULTS,
    split: Split = "train",
    seed: int = 0,
) -> Done:
    """Fit a prior to the latents of faces, for facespace sample --prior.

    Example: facespace fit-prior runs/celeba --data sets/celeba --mirror

    Parameters
    ----------
    space
        The folder of a run or of one trained model (a bundle); of a run the best bundle keeps the prior.
    data
        A folder that facespace prepare made, best the one that the space was trained on.
    kind
        flow (a network; the highest likelihood, and it can be conditioned on attributes), mixture (of
        Gaussians; seconds) or normal (one Gaussian). [default: flow; mixture where --components is given]
    mirror
        Fit to the mirror images of the faces too.
    conditions
        Attributes of that set to condition on (facespace sample --condition), with commas between, or none.
        [default: of a flow, all with enough faces with and without]
    seed
        Random seed of the fit's start.
    """
    from facespace.cli.faces import open_one
    from facespace.data.faces import FaceSet
    from facespace.space.face_space import space_facts

    opened = open_one(space)
    names = [] if conditions == "none" else optional_words(conditions)
    start = time.monotonic()
    entry = opened.fit_prior(FaceSet(data), kind, split, seed, mirror, names, **sizes.given())
    seconds = time.monotonic() - start
    lines = [f"{entry['origin']}, kept in {opened.folder} ({seconds:.1f} s)"]
    for name, nats in entry["nats"].items():
        fitted, own = f"{nats['fitted']:,.1f} nats per latent vector", f"{nats['model']:,.1f}"
        lines.append(f"{name}: {fitted}; {own} under {opened.model.prior.origin}")
    nearest = entry["nearest"]
    if "validation" in nearest:
        lines.append(
            f"Distance to the nearest training latent: {nearest['new']:.2f} of new latents, "
            f"{nearest['validation']:.2f} of validation faces"
        )
    lines.append(f"Next: facespace sample {space} --prior {entry['kind']} --to faces.png")
    return Done({**entry, "seconds": round(seconds, 2), **space_facts(opened)}, "\n".join(lines))
