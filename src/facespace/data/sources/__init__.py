"""Where faces come from: one file a source, one row here. A source lists faces in a fixed order and reads no pixels."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from facespace.data.faces import Listing


@dataclass(frozen=True)
class SourceOptions:
    """What a user may ask of a source."""

    limit: int | None = None  # how many faces a source that draws them shall draw
    seed: int = 0
    table: Path | None = None  # CSV of attributes, for a plain folder


@dataclass(frozen=True)
class Source:
    """A row of SOURCES."""

    read: Callable[[Path, SourceOptions], Listing]
    summary: str
    holds: str  # what its folder must hold, for messages
    terms: str
    crop: str = "fit"
    needs_root: bool = True
    takes_table: bool = False


from facespace.data.sources import celeba, folder, procedural  # noqa: E402  (they need the classes above)

SOURCES: dict[str, Source] = {
    "celeba": celeba.SOURCE,
    "folder": folder.SOURCE,
    "procedural": procedural.SOURCE,
}
