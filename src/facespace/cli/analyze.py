"""The verb that looks into a trained space: analyze."""

from pathlib import Path

from facespace.cli.app import Done, Flag, verb


@verb("facespace analyze [SPACE] --data SET --to DIR")
def analyze(
    space: Path | None = None,
    /,
    *,
    data: Path,
    to: Path,
    split: str = "test",
    count: int = 2_000,
    attributes: str = "",
    seed: int = 0,
    table: str = "csv",
    force: Flag = False,
) -> Done:
    """Look into a space: maps, single latents, walks, correlations, as one page.

    Example: facespace analyze runs/celeba --data sets/celeba --to inside --attributes Smiling,Male

    Parameters
    ----------
    space
        A run (its best bundle) or a bundle.
    data
        A folder that facespace prepare made, with the crop that the space learned.
    to
        The folder to make: index.html to open in a browser, the pictures on it, latents.csv, embeddings and analysis.json.
    split
        Of that set: train, validation, test or all.
    count
        At most this many faces, evenly spread.
    attributes
        Which attributes colour the maps: names with commas between, or all; the twelve that are best told apart unless said.
    seed
        Of the maps and of samples.
    table
        How the latents of all faces are written: csv, or parquet (needs pyarrow).
    force
        Replace an older analysis.
    """
    from facespace.evaluation.analyze import analyze as look

    names = [name.strip() for name in attributes.split(",") if name.strip()]
    facts = look(
        space, data, to, split=split, count=count, attributes=names, seed=seed, table=table, force=force
    )
    text = facts.pop("text")
    return Done(facts, f"{text}\nOpen {facts['page']} in a browser.")
