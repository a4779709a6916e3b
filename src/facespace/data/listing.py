"""Which faces of a source are prepared: the source by its name, its listing, and the part of it that the
options choose. Reads no picture."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from facespace.core.addresses import is_address, shown
from facespace.core.console import quoted
from facespace.core.errors import FaceSetError, UsageError, choose, suggest
from facespace.data.faces import SourceListing, evenly_spaced
from facespace.data.other_files import without_other_files
from facespace.data.sources import SOURCES, Source, SourceOptions
from facespace.data.stored import take


class Origin(NamedTuple):
    """The source as it was named, its folder, and its row of SOURCES."""

    name: str
    root: Path | str | None
    source: Source


def source_of(name: str, to: Path | str) -> Source:
    """The row of SOURCES of that name. Raises UsageError for another name, with the command for a folder."""
    if name not in SOURCES and Path(name).is_dir():
        raise UsageError(
            f"{name} is a folder, not a source. "
            f"For photographs of your own: facespace prepare folder {quoted(name)} --to {quoted(to)}"
        )
    return choose(SOURCES, name, "source")


def listing_of(origin: Origin, options: SourceOptions, attributes: Sequence[str] | None) -> SourceListing:
    """The faces of a source that are prepared, and their attributes."""
    listed = without_other_files(_list(origin, options))
    return _select(_subsample(listed, options.limit), attributes)


def _list(origin: Origin, options: SourceOptions) -> SourceListing:
    name, root, source = origin
    if source.needs_root:
        if root is None:
            raise UsageError(
                f"The source {name} needs the folder it lies in: facespace prepare {name} ROOT --to SET"
            )
        if is_address(root):
            _check_remote(name, source, root)
        elif not Path(root).is_dir():
            raise FaceSetError(f"{root} is not a folder. Name the folder that holds {source.holds}.")
        return source.read(Path(root), options)
    if root is not None:
        raise UsageError(f"The source {name} is drawn and needs no folder; leave out {root}.")
    return source.read(Path(), options)


def _check_remote(name: str, source: Source, root: Path | str) -> None:
    if not source.remote:
        able = ", ".join(key for key, row in SOURCES.items() if row.remote)
        raise UsageError(
            f"The source {name} reads a folder of this machine, and {shown(root)} is an address: copy it "
            f"here. Sources that read addresses: {able}."
        )


def _subsample(listing: SourceListing, limit: int | None) -> SourceListing:
    """At most `limit` faces, evenly spaced, so that every split and label stays represented."""
    count = len(listing.faces)
    if limit is None or count <= limit:
        return listing
    kept = evenly_spaced(np.arange(count), limit)
    note = f"{limit:,} of {count:,} listed faces taken, evenly spread (--limit)"
    return replace(
        listing, faces=take(listing, kept), values=listing.values[kept], notes=(*listing.notes, note)
    )


def _select(listing: SourceListing, attributes: Sequence[str] | None) -> SourceListing:
    """Only the named attributes, in the order named."""
    if attributes is None:
        return listing
    attributes = list(dict.fromkeys(attributes))
    for name in attributes:
        if name not in listing.attributes:
            raise UsageError(f"Unknown attribute {name!r}. {suggest(name, listing.attributes)}")
    columns = [listing.attributes.index(name) for name in attributes]
    return replace(listing, attributes=tuple(attributes), values=listing.values[:, columns])
