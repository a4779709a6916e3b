"""No verb writes over what it reads: compares the file or folder that --to names with every path among a
verb's arguments. Opens no file."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from facespace.core.errors import UsageError
from facespace.core.files import check_apart, is_same

_ENDINGS = ".png .jpg .jpeg .jpe .jfif .webp .gif .bmp .tif .tiff .npy .avif"
FACES = frozenset(_ENDINGS.split())


def check_keeps_inputs(arguments: Mapping[str, object]) -> None:
    """Raises UsageError where `to` is one of the other paths of a verb's arguments, lies among the
    photographs of a folder that it names, or is a folder that holds one of them."""
    to = arguments.get("to")
    if not isinstance(to, Path) or not to.exists():
        return
    inputs = list(_paths([value for name, value in arguments.items() if name != "to"]))
    check_apart(to, *inputs)
    for path in inputs:
        if to.suffix.lower() in FACES and path.is_dir() and is_same(path, to.parent) and _is_read(to):
            raise UsageError(
                f"--to {to} is one of the files in the folder {path}, which are read, and nothing that a "
                "command reads is replaced. Name another file."
            )


def _is_read(file: Path) -> bool:
    """Whether a file of a folder is one of its faces, rather than a sheet that facespace wrote there."""
    from facespace.image.provenance import is_own_sheet  # Pillow, which most commands do without

    return not is_own_sheet(file)


def _paths(value: Any) -> Iterator[Path]:
    """All paths in an argument; texts count where a file of that name exists, as in the terms of mix."""
    if isinstance(value, Path):
        yield value
    elif isinstance(value, str):
        for part in value.split(","):
            for name in (part, part.rpartition("=")[0]):
                if name and _exists(name):
                    yield Path(name)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _paths(item)
    elif is_dataclass(value):
        yield from _paths([getattr(value, field.name) for field in fields(value)])


def _exists(name: str) -> bool:
    try:
        return Path(name).exists()
    except (OSError, ValueError):  # too long, or with a NUL
        return False
