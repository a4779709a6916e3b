"""A trained space as files that other programs open: one row of FORMATS for each format. Writes a new
folder, or replaces one that it wrote."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from facespace.core.cards import Card
from facespace.core.errors import UsageError, choose
from facespace.core.files import build_folder, check_target, holds_only
from facespace.core.locks import writing
from facespace.formats import onnx_files, pytorch
from facespace.models import bundle
from facespace.models.bundle import Bundle


class Format(NamedTuple):
    """A format of an exported space."""

    title: str
    files: tuple[str, ...]  # names of all files that a folder of this format may hold
    check: Callable[[Bundle], None]  # raises UsageError for a space that the format cannot hold
    # Writes the files with weights of a precision into an empty folder; returns what was measured.
    write: Callable[[Bundle, Path, str], Card]
    precisions: tuple[str, ...] = ("fp32",)


class HasFolder(Protocol):
    """An opened space: a FaceSpace."""

    folder: Path


FORMATS = {
    "pytorch": Format(
        "one file of plain PyTorch with its weights", pytorch.FILES, pytorch.check, pytorch.write
    ),
    "onnx": Format(
        "encoder, decoder and prior as ONNX files",
        onnx_files.FILES,
        onnx_files.check,
        onnx_files.write,
        onnx_files.PRECISIONS,
    ),
}


def export(
    space: HasFolder | Path | str | None = None,
    to: Path | str = "exported",
    format: str = "pytorch",
    force: bool = False,
    precision: str = "fp32",
) -> Card:
    """Writes a space into the folder `to` in a format of FORMATS, and returns the facts: folder, format,
    files with their bytes, and differences of ONNX files from the space.

    "pytorch" writes model.py, which imports torch, numpy and Pillow alone, weights.pt (a state dict of 32-bit
    floats for `torch.load(…, weights_only=True)`), and prior.pt where new faces come from a fitted prior: the
    parameters of a Gaussian or a mixture; of other priors latents that were drawn from it.

    "onnx" writes encoder.onnx, decoder.onnx and prior.onnx (normal noise to latents), space.json with their
    inputs and facts, and directions.safetensors. Their weights have a `precision`: "fp32", "fp16" or "int8".
    All are compared with the space before the folder is written. Needs onnx and onnxruntime.

    `space` is a
    FaceSpace, or the folder of a run or a bundle; without one the default space.

    Raises UsageError for an unknown format, a precision that the format does not have, a missing package, a
    space that the format cannot hold, and a folder that is not to be replaced; BundleError for a missing or
    damaged bundle; ExportError for ONNX files that do not compute what the space does."""
    chosen, folder = choose(FORMATS, format, "format"), Path(to)
    _check_precision(format, chosen, precision)
    with writing(folder):
        check_target(folder, "an exported space", holds_only(*chosen.files), force)
        loaded = bundle.load(space if isinstance(space, Path | str | None) else space.folder)
        chosen.check(loaded)
        with build_folder(folder) as beside:
            measured = chosen.write(loaded, beside, precision)
    sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    facts: Card = {"space": str(loaded.folder), "to": str(folder), "format": format, "bytes": sizes}
    return {**facts, **({"differences": measured} if measured else {})}


def _check_precision(name: str, chosen: Format, precision: str) -> None:
    if precision not in chosen.precisions:
        raise UsageError(
            f"--format {name} writes weights as {', '.join(chosen.precisions)}; got --precision {precision}."
        )
