"""The handlers of morphs: the latents of a path, and the file of an animation with its progress. One export
runs for each page, which may cancel it."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facespace.core.errors import UsageError, choose
from facespace.core.waiting import Abandoned, while_wanted
from facespace.explorer import messages
from facespace.explorer.calls import Answer, Call, Export, Handler
from facespace.explorer.engine import Engine, PathSpec, animation_formats
from facespace.image import animation
from facespace.space.film import Decoded

MOST_FRAMES = 900  # half a minute at 30 frames a second
MOST_KEYFRAMES = 12
MOST_PIXELS = 600_000_000  # of all frames of an export: 320 frames of 1,024 × 1,820
SIZES = (256, 512, 1024)  # px of the shorter side
# The width of a picture over its height; None is that of the face.
ASPECTS = {"face": None, "1:1": 1.0, "4:5": 4 / 5, "9:16": 9 / 16, "16:9": 16 / 9}


@dataclass(frozen=True)
class FileSpec:
    """The file of an animation. Without a `size`, faces are enlarged to at least 256 px."""

    fps: float
    format: str
    size: int | None = None  # px of the shorter side
    aspect: str = "face"  # a key of ASPECTS; what is not the face is black


def picture_size(height: int, width: int, spec: FileSpec) -> tuple[int, int]:
    """(height, width) of the pictures of a file with faces of that height and width, even numbers, as MP4
    files need them."""
    aspect = choose(ASPECTS, spec.aspect, "aspect") or width / height
    shorter = spec.size or animation.SHORTER_SIDE
    if aspect >= 1:
        return shorter, 2 * round(shorter * aspect / 2)
    return 2 * round(shorter / aspect / 2), shorter


def animation_file(
    engine: Engine, keyframes: np.ndarray, path: PathSpec, spec: FileSpec, export: Export
) -> bytes:
    """The animation of a path through keyframes (K, D) as the bytes of a file; `export` follows it. Raises
    UsageError for unknown names and for too many pixels."""
    choose(dict.fromkeys(animation_formats()), spec.format, "animation format")
    faces = Decoded(engine.space, engine.path(keyframes, path))
    count, height, width, _ = faces.shape
    size = None
    if spec.size is not None or spec.aspect != "face":
        size = picture_size(height, width, spec)
        _check_pixels(count, size)
    export.total = count
    with tempfile.TemporaryDirectory(prefix="facespace-") as folder:
        file = Path(folder) / f"morph.{spec.format}"
        animation.save_animation(faces, file, fps=spec.fps, size=size, on_frame=export.advance)
        return file.read_bytes()


def _check_pixels(count: int, size: tuple[int, int]) -> None:
    height, width = size
    if count * height * width > MOST_PIXELS:
        most = MOST_PIXELS // (height * width)
        raise UsageError(
            f"{count} frames of {width} × {height} px are too many for one file: at most {most} at this "
            "size. Choose a smaller size or fewer seconds."
        )


def _path_spec(call: Call) -> PathSpec:
    return PathSpec(
        messages.whole(call.fields, "frames", 2, MOST_FRAMES),
        messages.word(call.fields, "interpolation", "linear"),
        messages.word(call.fields, "loop_mode", "once"),
        messages.word(call.fields, "easing", "linear"),
    )


def _path(call: Call) -> Answer:
    z = call.engine.path(call.latents(MOST_KEYFRAMES), _path_spec(call))
    return {"count": len(z)}, z


def _file_spec(call: Call) -> FileSpec:
    fields = call.fields
    size = messages.whole(fields, "size", min(SIZES), max(SIZES)) if "size" in fields else None
    spec = FileSpec(
        messages.number(fields, "fps", 1, 60, 30),
        messages.word(fields, "format", "gif"),
        size,
        messages.word(fields, "aspect", "face"),
    )
    choose(ASPECTS, spec.aspect, "aspect")
    if size is not None and size not in SIZES:
        raise UsageError(f"size is one of {', '.join(map(str, SIZES))} px; got {size}.")
    return spec


def _start(call: Call) -> Answer:
    """The file. Nothing where the page cancelled it."""
    keyframes, path, spec = call.latents(MOST_KEYFRAMES), _path_spec(call), _file_spec(call)
    page, export = call.page, Export()
    if not page.exporting.acquire(blocking=False):
        raise UsageError("An animation of this page is being created already. Wait until it is there.")
    page.export = export
    try:
        with while_wanted(lambda: not export.cancelled):
            file = animation_file(call.engine, keyframes, path, spec, export)
        return {"format": spec.format, "cancelled": False}, file
    except Abandoned:
        if export.cancelled:
            return {"format": spec.format, "cancelled": True}, b""
        raise
    finally:
        page.export = None
        page.exporting.release()


def _progress(call: Call) -> Answer:
    """The share of the page's export that is done; `running` is false where there is none."""
    export = call.page.export
    return {"running": export is not None, "share": export.share if export else 0.0}, b""


def _cancel(call: Call) -> Answer:
    """Ends the page's export at its next frame."""
    if call.page.export is not None:
        call.page.export.cancelled = True
    return {}, b""


COMMANDS: dict[str, Handler] = {"start": _start, "progress": _progress, "cancel": _cancel}


def _export_animation(call: Call) -> Answer:
    """By the field `command`: the file of a morph ("start", the default), its progress, or its end."""
    return choose(COMMANDS, messages.word(call.fields, "command", "start"), "command")(call)


HANDLERS: dict[str, Handler] = {"path": _path, "export_animation": _export_animation}
