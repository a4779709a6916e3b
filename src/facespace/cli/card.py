"""The verbs that say what a trained space is and hand it on: card, pack."""

from pathlib import Path

from facespace.cli.app import Done, verb
from facespace.core.errors import UsageError

ENCODED = 256  # faces whose latents a packed space carries


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
    from facespace.core.files import write_beside
    from facespace.evaluation import space_card

    if to and to.suffix.lower() != ".md":
        raise UsageError(f"The card is written as Markdown, so its name must end in .md; got {to}.")
    opened, _ = open_space([space] if space else [])
    told = space_card.of(opened)
    if not to:
        return Done({**opened.card}, told.text())
    with write_beside(to) as beside:
        beside.write_text(told.markdown(), encoding="utf-8", errors="surrogateescape")
    return Done({**opened.card, "to": str(to)}, f"The card of {opened.folder} is in {to}.")


@verb("facespace pack SPACE --to DIR [--bits 8] [--data SET] [--figures EVALUATION] [--failing SENTENCE]")
def pack(
    space: Path,
    /,
    *,
    to: Path,
    bits: int = 16,
    data: Path | None = None,
    figures: Path | None = None,
    failing: list[str] | None = None,
) -> Done:
    """Write a small copy of a space, with its priors, directions and card.

    Example: facespace pack runs/celeba --to celeba-space --data sets/celeba --figures evaluation

    Parameters
    ----------
    space
        A run or a bundle.
    to
        The folder to make, a bundle. An older packed one is replaced.
    bits
        Of a weight of the networks: 16, half as large as trained, or 8, a quarter.
    data
        A prepared set: the latents of 256 of its training faces come along, for the explorer's map. No pictures do.
    figures
        The folder of an evaluation of this space: its figures go into the card.
    failing
        A sentence for the card's known failings, once for each.
    """
    from facespace.evaluation import space_card
    from facespace.evaluation.session import Subject
    from facespace.models import bundle
    from facespace.models.export import check
    from facespace.models.export import pack as write_small
    from facespace.space.face_space import FaceSpace

    check(to, bits)
    if not all(sentence.strip() for sentence in failing or []):
        raise UsageError("--failing takes a sentence for the card; got an empty one.")
    loaded = bundle.load(space)
    before = sum(file.stat().st_size for file in loaded.folder.iterdir())
    facts = {"figures": space_card.figures_of(figures, loaded.card["fingerprint"])} if figures else {}
    facts |= {"failings": failing} if failing else {}
    encoded = Subject(FaceSpace(loaded), data, "train", ENCODED).encoded.mean if data else None
    after = write_small(loaded, to, facts, encoded, bits)
    told = {"space": str(loaded.folder), "to": str(to), "bits": bits, "bytes": after, "bytes_before": before}
    return Done(
        told, f"{loaded.folder} in {to}: {after / 1e6:.1f} MB, of {before / 1e6:.1f} MB; {bits}-bit weights"
    )
