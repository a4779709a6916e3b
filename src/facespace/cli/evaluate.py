"""The verb that says how good a space is: evaluate."""

from pathlib import Path

from facespace.cli.app import Done, Flag, verb


@verb("facespace evaluate [SPACE] --data SET --to DIR")
def evaluate(
    space: Path | None = None,
    /,
    *,
    data: Path,
    to: Path,
    split: str = "test",
    count: int | None = None,
    samples: int | None = None,
    features: str = "inception",
    lpips: Path | None = None,
    identity: Path | None = None,
    prior: str | None = None,
    temperature: float = 1.0,
    bound: int = 0,
    seed: int = 0,
    force: Flag = False,
) -> Done:
    """Say how good a space is, and why: figures with their protocol, and a page to read.

    Example: facespace evaluate runs/celeba --data sets/celeba --to evaluation

    Parameters
    ----------
    space
        A run or a bundle; without one the space that comes along.
    data
        A folder that facespace prepare made, cut like the faces that the space learned.
    to
        The folder to make: metrics.json and report.html, a page with all pictures in it.
    split
        Of that set: train, validation, test or all.
    count
        At most this many faces, evenly spread. [default: all]
    samples
        New faces to judge. [default: as many as faces]
    features
        What judges new faces: inception (the FID Inception, fetched once), inception-bf16 (twice as fast), attributes, a TorchScript file, or none.
    lpips
        LPIPS weights, where they are at hand.
    identity
        An ArcFace network in ONNX format, where one is at hand.
    prior
        Draw from a prior that facespace fit-prior left (mixture, flow, normal) or from own, the space's own; unset, the one that
        knows unseen faces best.
    temperature
        Scales the latents drawn; 1 is the prior itself.
    bound
        The k of the importance-weighted bound on the likelihood; 0 leaves it out.
    seed
        Of samples, noise and intervals.
    force
        Replace an older evaluation.
    """
    from facespace.evaluation.evaluate import LAYOUT, brief
    from facespace.evaluation.evaluate import evaluate as measure

    judge = None if features == "none" else features
    metrics = measure(
        space,
        data,
        to,
        split=split,
        count=count,
        samples=samples,
        features=judge,
        lpips=lpips,
        identity=identity,
        prior=prior,
        temperature=temperature,
        bound=bound,
        seed=seed,
        force=force,
    )
    return Done(
        metrics,
        f"{brief(metrics)}\n\nThe page to read is {to / str(LAYOUT.page)}; all figures are in {to / LAYOUT.json}.",
    )
