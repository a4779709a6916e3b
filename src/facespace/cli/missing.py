"""Sentences about paths that do not exist: whether a photograph, latents or a space was meant, and what in
that folder has a similar name. Reads names of files only."""

import difflib
from collections.abc import Sequence
from pathlib import Path

from facespace.core.console import quoted
from facespace.core.errors import FacespaceError, UsageError
from facespace.image.photos import has_image_ending
from facespace.models.locations import NO_FOLDER, packaged_names

ARRAY = ".npy"
WILDCARDS = "*?["


def missing(path: Path, may_be_space: bool = False) -> FacespaceError:
    """The error for a path that should be a photograph or latents, or else a space, and does not exist."""
    if any(sign in str(path) for sign in WILDCARDS):
        return FacespaceError(f"No file matches {path}. {_contents(path.parent)}")
    if path.suffix.lower() == ARRAY:
        return FacespaceError(
            f"{path} does not exist.{near(path)} "
            f"Make it with: facespace encode SPACE IMAGE --to {quoted(path)}"
        )
    if has_image_ending(path):
        return FacespaceError(f"The photograph {path} does not exist.{near(path)}")
    if not may_be_space:
        return FacespaceError(
            f"{path} does not exist.{near(path)} Name a photograph, or a .npy file of latents."
        )
    return FacespaceError(
        f"{path} does not exist.{near(path, packaged_names())} Name a trained space first, a run's folder or "
        f"a bundle's, or one that comes along ({', '.join(packaged_names())}), or photographs alone for the "
        "default space."
    )


def no_space(path: Path) -> FacespaceError:
    """The error for a path that can only be a space and is no folder."""
    if path.exists():
        return UsageError(NO_FOLDER.format(path))
    return FacespaceError(
        f"{path} does not exist.{near(path, packaged_names())} Name a trained space, a run's folder or a "
        f"bundle's, or one that comes along ({', '.join(packaged_names())}); without one the default space "
        "is used."
    )


def near(path: Path, others: Sequence[str] = ()) -> str:
    """' Did you mean …?' where the folder of a missing path holds a similar name, or one of the `others`,
    which lie elsewhere, is similar to a path of one part; ' There is no folder … either.' where there is no
    such folder; else an empty text."""
    folder = path.parent
    if not folder.is_dir():
        return f" There is no folder {folder} either."
    image = has_image_ending(path)
    names = {}
    for name in _names(folder):
        if not image:
            names[name.lower()] = name
        elif has_image_ending(Path(name)):
            names[Path(name).stem.lower()] = name
    asked, elsewhere = path.stem if image else path.name, others if path.name == str(path) else ()
    found = difflib.get_close_matches(asked.lower(), [*elsewhere, *names], n=1, cutoff=0.6)
    if not found:
        return ""
    return f" Did you mean {found[0] if found[0] in elsewhere else folder / names[found[0]]}?"


def _contents(folder: Path) -> str:
    """What a folder holds, in which a pattern matched nothing."""
    if not folder.is_dir():
        return f"There is no folder {folder}."
    photographs = [name for name in _names(folder) if has_image_ending(Path(name))]
    if not photographs:
        return f"The folder {folder.resolve()} holds no photographs."
    return f"Photographs in the folder {folder.resolve()}: {len(photographs)}, such as {photographs[0]}."


def _names(folder: Path) -> list[str]:
    """Names of the entries of a folder that are not hidden, in order; none where it cannot be read."""
    try:
        return sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError:
        return []
