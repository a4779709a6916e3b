"""What a source of faces is: a function that lists its faces in a fixed order, and the facts that `prepare`
needs about them. The table of sources is in `__init__.py`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from facespace.data.faces import SourceListing


@dataclass(frozen=True)
class SourceOptions:
    """Options of sources. `limit` and `seed` are for all, the others for those that name them in
    `Source.takes`."""

    limit: int | None = None  # maximum number of faces; of the synthetic source the number that is rendered
    seed: int = 0
    table: Path | None = None  # CSV of attributes (folder), or the attribute table to use (lfw)
    zeros: str = "unknown"  # meaning of 0 in a 0/1 table: unknown, or no
    keep: tuple[str, ...] = ()  # face parts that are not background; all where empty
    celeba: Path | None = None  # folder of CelebA's own tables, for identity and split


@dataclass(frozen=True)
class Source:
    """A row of SOURCES."""

    read: Callable[[Path, SourceOptions], SourceListing]
    summary: str
    holds: str  # required content of its folder, for messages
    terms: str
    crop: str = "fit"
    size: tuple[int, int] = (64, 64)  # default height, width
    original: tuple[int, int] | None = None  # height, width of its photographs, where all have the same
    gray: bool = False
    needs_root: bool = True
    has_masks: bool = False
    takes: tuple[str, ...] = ()  # options beyond limit and seed
    unaligned: bool = False  # its photographs may be anybody's, with faces anywhere
    drops_copies: bool = False  # leaves out exact copies unless told otherwise
    remote: bool = False  # its folder may lie at an address such as s3://BUCKET/FOLDER
    people: str | None = None  # source that its identities are named after, where they are shared
