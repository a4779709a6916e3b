"""The verb that fits a prior to a trained space: fit-prior. `sample --prior` samples from it."""

import time
from dataclasses import asdict, dataclass
from pathlib import Path

from cyclopts import Parameter

from facespace.cli.app import Done, verb
from facespace.cli.options import Flag, Split, optional_words
from facespace.core.console import quoted


@Parameter(name="*")
@dataclass(frozen=True)
class FitOptions:
    """Sizes of a prior.

    Parameters
    ----------
    components
        Number of Gaussians of a mixture. [default: 10, and fewer for few faces]
    steps
        Training steps at most; held-out latents stop it earlier. [default: 6000; autoregressive 1500]
    width
        Units in the layers of its network. [default: 512, and 4 for each latent where that is less;
        autoregressive 192]
    blocks
        Residual blocks of its network. [default: 4]
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
        flow (a network; the highest likelihood, and it can be conditioned on attributes), diffusion, mixture
        (of Gaussians; seconds), normal (one Gaussian) or autoregressive (of a space of codes; a transformer
        over the codes). [default: flow, of a space of codes autoregressive; mixture where --components is
        given]
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
    from facespace.models.bundle_card import likelihood_text
    from facespace.space.face_space import space_facts

    opened = open_one(space)
    names = [] if conditions == "none" else optional_words(conditions)
    start = time.monotonic()
    entry = opened.fit_prior(FaceSet(data), kind, split, seed, mirror, names, **sizes.given())
    seconds = time.monotonic() - start
    lines = [f"{entry['origin']}, kept in {opened.folder} ({seconds:.1f} s)"]
    for name, nats in entry["nats"].items():
        compared = f"{nats.get('model', 0):,.1f} under {opened.model.prior.origin}"
        if entry.get("discrete"):
            compared = likelihood_text(nats)
        lines.append(f"{name}: {nats['fitted']:,.1f} nats per latent vector; {compared}")
    nearest = entry["nearest"]
    if "validation" in nearest:
        lines.append(
            f"Distance to the nearest training latent: {nearest['new']:.2f} of new latents, "
            f"{nearest['validation']:.2f} of validation faces"
        )
    lines.append(f"Next: facespace sample {quoted(space)} --prior {entry['kind']} --to faces.png")
    return Done({**entry, "seconds": round(seconds, 2), **space_facts(opened)}, "\n".join(lines))
