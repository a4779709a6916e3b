"""A trained space as files that other programs open: one row of FORMATS for each format. Writes a new
folder, or replaces one that it wrote."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from facespace.core.cards import Card
from facespace.core.errors import choose
from facespace.core.files import build_folder, check_target, holds_only
from facespace.core.locks import writing
from facespace.formats import pytorch
from facespace.models import bundle
from facespace.models.bundle import Bundle


class Format(NamedTuple):
    """A format of an exported space."""

    title: str
    files: tuple[str, ...]  # names of all files that a folder of this format may hold
    check: Callable[[Bundle], None]  # raises UsageError for a space that the format cannot hold
    write: Callable[[Bundle, Path], None]  # writes the files into an empty folder


class HasFolder(Protocol):
    """An opened space: a FaceSpace."""

    folder: Path


FORMATS = {
    "pytorch": Format(
        "one file of plain PyTorch with its weights", pytorch.FILES, pytorch.check, pytorch.write
    )
}


def export(
    space: HasFolder | Path | str | None = None,
    to: Path | str = "exported",
    format: str = "pytorch",
    force: bool = False,
) -> Card:
    """Writes a space into the folder `to` in a format of FORMATS, and returns the facts: folder, format,
    files with their bytes.

    "pytorch" writes model.py, which imports torch, numpy and Pillow alone, weights.pt (a state dict of 32-bit
    floats for `torch.load(…, weights_only=True)`), and prior.pt where new faces come from a fitted prior: the
    parameters of a Gaussian or a mixture; of other priors latents that were drawn from it. `space` is a
    FaceSpace, or the folder of a run or a bundle; without one the default space.

    Raises UsageError for an unknown format, a space that the format cannot hold, and a folder that is not
    to be replaced; BundleError for a missing or damaged bundle."""
    chosen, folder = choose(FORMATS, format, "format"), Path(to)
    with writing(folder):
        check_target(folder, "an exported space", holds_only(*chosen.files), force)
        loaded = bundle.load(space if isinstance(space, Path | str | None) else space.folder)
        chosen.check(loaded)
        with build_folder(folder) as beside:
            chosen.write(loaded, beside)
    sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    return {"space": str(loaded.folder), "to": str(folder), "format": format, "bytes": sizes}
