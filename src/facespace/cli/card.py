"""The verbs that say what a trained space is and hand it on: card, pack."""

from pathlib import Path

from facespace.cli.app import Done, verb
from facespace.errors import UsageError


@verb("facespace card [SPACE] [--to card.md]")
def card(space: Path | None = None, /, *, to: Path | None = None) -> Done:
    """Say what a space is: model, data and terms, training, priors, directions.

    Example: facespace card runs/celeba --to card.md

    Parameters
    ----------
    space
        A run or a bundle.
    to
        A Markdown file to write (.md).
    """
    from facespace.cli.spaces import open_space
    from facespace.evaluation import space_card
    from facespace.files import write_beside

    if to and to.suffix.lower() != ".md":
        raise UsageError(f"The card is written as Markdown, so its name must end in .md; got {to}.")
    opened, _ = open_space([space] if space else [])
    told = space_card.of(opened)
    if not to:
        return Done(opened.card, told.text())
    with write_beside(to) as beside:
        beside.write_text(told.markdown(), encoding="utf-8", errors="surrogateescape")
    return Done({**opened.card, "to": str(to)}, f"The card of {opened.folder} is in {to}.")


@verb("facespace pack SPACE --to DIR")
def pack(space: Path, /, *, to: Path) -> Done:
    """Write a small copy of a space, with its priors, directions and card.

    Example: facespace pack runs/celeba --to celeba-space

    Parameters
    ----------
    space
        A run or a bundle.
    to
        The folder to make, a bundle: the networks' weights as 16-bit numbers, half as large. An older packed one is replaced.
    """
    from facespace import bundle

    loaded = bundle.load(space)
    before = sum(file.stat().st_size for file in loaded.folder.iterdir())
    after = bundle.pack(loaded, to)
    facts = {"space": str(loaded.folder), "to": str(to), "bytes": after, "bytes_before": before}
    return Done(facts, f"{loaded.folder} in {to}: {after / 1e6:.1f} MB, of {before / 1e6:.1f} MB")
