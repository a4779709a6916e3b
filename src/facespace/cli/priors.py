"""The verb that fits a prior to a trained space: fit-prior. `sample --prior` draws from what it leaves in the bundle."""

import time
from pathlib import Path

from facespace.cli.app import Done, verb


@verb("facespace fit-prior SPACE --data SET")
def fit_prior(
    space: Path,
    /,
    *,
    data: Path,
    kind: str = "mixture",
    components: int | None = None,
    steps: int | None = None,
    width: int | None = None,
    split: str = "train",
    seed: int = 0,
) -> Done:
    """Fit a prior to the latents of faces, for facespace sample --prior.

    Example: facespace fit-prior runs/celeba --data sets/celeba --components 20

    Parameters
    ----------
    space
        A run or a bundle; of a run the best bundle keeps the prior.
    data
        A folder that facespace prepare made, best the one that the space was trained on.
    kind
        mixture (of Gaussians), flow (a small network; minutes, and the nearest to the faces) or normal (one Gaussian).
    components
        How many Gaussians a mixture has: 10 unless said, and fewer where the faces are few.
    steps
        How long a flow learns at most: 8000 unless said; it stops before where held-out latents say so.
    width
        Units in the layers of a flow: 256 unless said.
    split
        Of that set: train, validation, test or all.
    seed
        Of the fit's start.
    """
    from facespace.cli.spaces import open_space
    from facespace.data.faces import FaceSet
    from facespace.space import describe

    opened, _ = open_space([space])
    asked = {"components": components, "steps": steps, "width": width}
    options = {name: value for name, value in asked.items() if value is not None}
    start = time.monotonic()
    entry = opened.fit_prior(FaceSet(data), kind, split, seed, **options)
    seconds = time.monotonic() - start
    lines = [f"{entry['origin']}, kept in {opened.folder} ({seconds:.1f} s)"]
    for name, nats in entry["nats"].items():
        lines.append(
            f"{name:<10}  {nats['fitted']:>10,.1f} nats per latent vector; {nats['own']:,.1f} under {opened.model.prior.origin}"
        )
    if "validation" in entry["nearest"]:
        new, held = entry["nearest"]["new"], entry["nearest"]["validation"]
        lines.append(f"The nearest learned latent lies {new:.2f} from a new one, {held:.2f} from a validation face's")
    lines.append(f"Next: facespace sample {space} --prior {kind} --to faces.png")
    return Done({"kind": kind, **entry, "seconds": round(seconds, 2), **describe(opened)}, "\n".join(lines))
