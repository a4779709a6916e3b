"""The verb that fits a prior to a trained space: fit-prior. `sample --prior` draws from what it leaves in the bundle."""

import time
from pathlib import Path

from facespace.cli.app import Done, Flag, verb


@verb("facespace fit-prior SPACE --data SET")
def fit_prior(
    space: Path,
    /,
    *,
    data: Path,
    kind: str | None = None,
    mirror: Flag = False,
    conditions: str | None = None,
    components: int | None = None,
    steps: int | None = None,
    width: int | None = None,
    blocks: int | None = None,
    split: str = "train",
    seed: int = 0,
) -> Done:
    """Fit a prior to the latents of faces, for facespace sample --prior.

    Example: facespace fit-prior runs/celeba --data sets/celeba --mirror

    Parameters
    ----------
    space
        A run or a bundle; of a run the best bundle keeps the prior.
    data
        A folder that facespace prepare made, best the one that the space was trained on.
    kind
        flow (a network; the nearest to the faces, and it can draw faces with attributes), mixture (of Gaussians; seconds) or
        normal (one Gaussian). [default: flow; mixture where --components says how many]
    mirror
        Learn from the mirror images of the faces too.
    conditions
        Attributes of that set that faces can be drawn with (facespace sample --condition), with commas between, or none.
        [default: of a flow, all that enough faces have and lack]
    components
        How many Gaussians a mixture has: 10 unless said, and fewer where the faces are few.
    steps
        How long a flow learns at most; it stops before where held-out latents say so. [default: 6000]
    width
        Units in the layers of a flow. [default: 512, and 4 for each latent where that is less]
    blocks
        Residual blocks of a flow. [default: 4]
    split
        Of that set: train, validation, test or all.
    seed
        Of the fit's start.
    """
    from facespace.cli.data import words
    from facespace.cli.spaces import open_space
    from facespace.data.faces import FaceSet
    from facespace.space.face_space import describe

    opened, _ = open_space([space])
    asked = {"components": components, "steps": steps, "width": width, "blocks": blocks}
    options = {name: value for name, value in asked.items() if value is not None}
    start = time.monotonic()
    names = [] if conditions == "none" else words(conditions)
    entry = opened.fit_prior(FaceSet(data), kind, split, seed, mirror, names, **options)
    seconds = time.monotonic() - start
    lines = [f"{entry['origin']}, kept in {opened.folder} ({seconds:.1f} s)"]
    for name, nats in entry["nats"].items():
        lines.append(
            f"{name:<10}  {nats['fitted']:>10,.1f} nats per latent vector; {nats['own']:,.1f} under {opened.model.prior.origin}"
        )
    if "validation" in entry["nearest"]:
        new, held = entry["nearest"]["new"], entry["nearest"]["validation"]
        lines.append(
            f"The nearest learned latent lies {new:.2f} from a new one, {held:.2f} from a validation face's"
        )
    lines.append(f"Next: facespace sample {space} --prior {entry['kind']} --to faces.png")
    return Done({**entry, "seconds": round(seconds, 2), **describe(opened)}, "\n".join(lines))
