"""Where faces come from: one file a source, one row here. A source lists faces in a fixed order and reads no pixels."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from facespace.data.faces import Listing


@dataclass(frozen=True)
class SourceOptions:
    """What a user may ask of a source. `limit` and `seed` are for all, the others for those that name them."""

    limit: int | None = None  # at most this many faces; how many a source that draws them draws
    seed: int = 0
    table: Path | None = None  # CSV of attributes (folder), or the attribute table to use (lfw)
    zeros: str = "unknown"  # what 0 means in a 0/1 table: unknown, or no
    keep: tuple[str, ...] = ()  # face parts that are not background; all where empty
    celeba: Path | None = None  # folder of CelebA's own tables, for identity and split


@dataclass(frozen=True)
class Source:
    """A row of SOURCES."""

    read: Callable[[Path, SourceOptions], Listing]
    summary: str
    holds: str  # what its folder must hold, for messages
    terms: str
    crop: str = "fit"
    size: tuple[int, int] = (64, 64)  # height, width unless told
    original: tuple[int, int] | None = None  # height, width of its photographs, where all have the same
    gray: bool = False
    needs_root: bool = True
    has_masks: bool = False
    takes: tuple[str, ...] = ()  # options beyond limit and seed
    people: str | None = None  # whose names its identities are, where another source shares them


from facespace.data.sources import celeba, celebamask_hq, folder, lfw, olivetti, synthetic, yearbook  # noqa: E402  (they need the classes above)

SOURCES: dict[str, Source] = {
    "celeba": celeba.SOURCE,
    "celebamask-hq": celebamask_hq.SOURCE,
    "lfw": lfw.SOURCE,
    "yearbook": yearbook.SOURCE,
    "olivetti": olivetti.SOURCE,
    "folder": folder.SOURCE,
    "procedural": synthetic.SOURCE,
}
