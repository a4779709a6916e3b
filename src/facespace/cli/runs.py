"""Verbs for reading and comparing runs: runs, compare."""

from dataclasses import asdict
from pathlib import Path

from facespace.cli.app import Done, Flag, verb


@verb("facespace runs DIR")
def runs(folder: Path, /) -> Done:
    """List the runs below a folder with their figures, finished or not.

    Example: facespace runs runs

    Parameters
    ----------
    folder
        Any folder with runs in it, at any depth.
    """
    from facespace.evaluation.run_listing import listing
    from facespace.evaluation.runs import find_runs, unlike

    rows = find_runs(folder)
    facts = {"folder": str(folder), "runs": [asdict(row) for row in rows], "note": unlike(rows)}
    if not rows:
        return Done(
            facts, f"No runs below {folder}. Train one: facespace train RECIPE --data SET --to {folder}/NAME"
        )
    return Done(facts, listing(rows))


@verb("facespace compare RUN RUN ... --data SET --to DIR")
def compare(
    *spaces: Path,
    data: Path,
    to: Path,
    split: str = "test",
    count: int = 1_000,
    seed: int = 0,
    force: Flag = False,
) -> Done:
    """Measure trained spaces side by side on the same faces: a table, figures and pictures.

    Example: facespace compare runs/ae runs/vae --data sets/celeba --to comparison

    Parameters
    ----------
    spaces
        Two or more runs (their best bundles) or bundles.
    data
        A folder that facespace prepare made; its faces are fitted to each space.
    to
        The folder to make: table.md, compare.json, reconstructions.png, samples.png, latents.png.
    split
        Of that set: train, validation, test or all.
    count
        At most this many faces, evenly spread.
    seed
        Of the samples.
    force
        Replace an older comparison.
    """
    from facespace.evaluation.compare import compare as measure

    facts = measure(spaces, data, to, split=split, count=count, seed=seed, force=force)
    text = facts.pop("text")
    return Done(facts, f"{text}\n\nTable, figures and pictures are in {to}.")
