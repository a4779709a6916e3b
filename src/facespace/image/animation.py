"""Moving pictures: frames into GIF, WebP and MP4 files, many films side by side, and how much a film changes from frame
to frame. Takes and gives uint8 arrays (N, H, W, C); knows nothing of models or sets."""

import contextlib
import itertools
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor
from PIL.ExifTags import Base

from facespace.core.errors import FacespaceError, UsageError
from facespace.core.files import write_beside
from facespace.image.grids import check_ending, to_image

ANIMATIONS = (".gif", ".webp", ".mp4")
SEEN = 256  # px: smaller films are enlarged in whole steps until their shorter side has about as many
MOST_BYTES = 2**31  # of the frames of one film
MARK = "AI-generated faces, drawn by facespace (IPTC digital source type: trainedAlgorithmicMedia)"  # in every film's file

Distance = Callable[[np.ndarray, np.ndarray], np.ndarray]  # uint8 (N, H, W, C) twice -> (N,)


def save_animation(frames: np.ndarray, path: Path, *, fps: float = 30, scale: int | None = None) -> None:
    """Saves (N, H, W, C) frames as an endless GIF or WebP, or as an MP4 (H.264), enlarged smoothly until a side has about
    256 px, with a mark in the file that says what made it. Raises FacespaceError for an MP4 without ffmpeg."""
    check_ending(path, ANIMATIONS)
    scale = scale or max(1, round(SEEN / min(frames.shape[1:3])))
    pictures = (to_image(frame, scale, smooth=True) for frame in frames)
    if path.suffix.lower() == ".mp4":
        return _save_video(pictures, path, fps)
    pictures = list(pictures)
    options: dict = {"save_all": True, "loop": 0}
    if path.suffix.lower() == ".gif":
        pictures = _one_palette(pictures)
        options |= {
            "duration": delays(len(frames), fps, 10),
            "disposal": 1,
            "optimize": False,
            "comment": MARK,
        }
    else:
        options |= {"duration": delays(len(frames), fps, 1), "quality": 92, "method": 4, "exif": _exif(MARK)}
    with write_beside(path) as beside:
        pictures[0].save(beside, append_images=pictures[1:], **options)


def delays(count: int, fps: float, unit: int) -> list[int]:
    """Milliseconds for each frame, in whole units of as many: 10 in a GIF, 1 in a WebP. They alternate to keep the true
    rate on average."""
    ends = [round(1000 / unit * (index + 1) / fps) for index in range(count)]
    return [unit * max(1, end - start) for start, end in zip([0, *ends], ends)]


def find_ffmpeg() -> str:
    """The ffmpeg that writes MP4 files. Raises FacespaceError where there is none."""
    try:
        import imageio_ffmpeg  # an extra, and a large one

        return imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:
        raise FacespaceError(
            f"An MP4 is written by ffmpeg, which is missing ({error}): pip install 'facespace[video]'. "
            "A .gif or a .webp needs nothing."
        ) from error


def mosaic(
    films: Iterable[np.ndarray], rows: int, columns: int, padding: int = 2, color: str = "white"
) -> np.ndarray:
    """Films (N, H, W, C) of equal length side by side, row by row, as one: (N, rows · (H + padding) + padding, …, 3).
    `color` is a name or #rrggbb. Raises UsageError for an unknown colour, and for more than 2 GiB."""
    paper = parse_color(color)
    page = np.empty(0, np.uint8)
    for index, film in enumerate(films):
        count, height, width, _ = film.shape
        if index == 0:
            shape = (count, rows * (height + padding) + padding, columns * (width + padding) + padding, 3)
            if np.prod(shape, dtype=np.int64) > MOST_BYTES:
                raise UsageError(
                    f"{rows}×{columns} films of {count} frames of {height}×{width} px take more than 2 GiB. Ask for fewer."
                )
            page = np.empty(shape, np.uint8)
            page[:] = paper
        row, column = divmod(index, columns)
        top, left = padding + row * (height + padding), padding + column * (width + padding)
        page[:, top : top + height, left : left + width] = film
    return page


def parse_color(color: str) -> tuple[int, ...]:
    """A colour's name or #rrggbb as (red, green, blue), 0 to 255. Raises UsageError for anything else."""
    try:
        return ImageColor.getrgb(color)[:3]
    except ValueError as error:
        raise UsageError(
            f"Unknown colour {color!r}. Name one, such as white or black, or say #rrggbb."
        ) from error


def blurred_distance(faces: np.ndarray, others: np.ndarray) -> np.ndarray:
    """How far each of two stacks of uint8 (N, H, W, C) faces is from its partner, (N,): the root mean squared difference
    of pixels in [0, 1], after a blur of one pixel's deviation that takes away what the rounding of pixels adds."""
    apart = faces.astype(np.float32) - others.astype(np.float32)  # blurred as one, since blurring is linear
    for axis in (1, 2):
        parts = [weight / 16 * _shifted(apart, by, axis) for by, weight in zip(range(-2, 3), (1, 4, 6, 4, 1))]
        apart = np.sum(parts, axis=0)
    return np.sqrt(((apart / 255) ** 2).mean((1, 2, 3), dtype=np.float64))


def _shifted(stack: np.ndarray, by: int, axis: int) -> np.ndarray:
    """Moved by so many pixels along an axis; the edge is repeated."""
    return stack.take(np.arange(stack.shape[axis]) + by, axis, mode="clip")


def step_ratio(frames: np.ndarray, distance: Distance = blurred_distance, closed: bool = False) -> float:
    """The largest ÷ the mean distance of neighbouring frames, in a `closed` film also of the last and the first: 1 where
    every frame changes the face equally much, or none does."""
    after = np.roll(frames, -1, 0)
    moved = np.asarray(distance(frames, after), np.float64)[: None if closed else -1]
    return float(moved.max() / moved.mean()) if moved.mean() > 0 else 1.0


def _exif(text: str) -> Image.Exif:
    exif = Image.Exif()
    exif[Base.ImageDescription] = text
    return exif


def _save_video(pictures: Iterable[Image.Image], path: Path, fps: float) -> None:
    """H.264 with colours as HDTV has them; sides are made even, as it needs them, by repeating the edge."""
    frames = (np.asarray(picture) for picture in pictures)
    first = next(frames)
    bottom, right = (side % 2 for side in first.shape[:2])
    source = f"-f rawvideo -pix_fmt rgb24 -s {first.shape[1] + right}x{first.shape[0] + bottom} -r {fps} -i -"
    colours = "-vf scale=out_color_matrix=bt709:out_range=tv:flags=accurate_rnd+full_chroma_int -colorspace bt709 -color_primaries bt709 -color_trc bt709"
    target = f"-an {colours} -c:v libx264 -pix_fmt yuv420p -crf 18 -movflags +faststart"
    with write_beside(path) as beside:
        command = [
            find_ffmpeg(),
            "-y",
            "-loglevel",
            "error",
            *source.split(),
            *target.split(),
            "-metadata",
            f"comment={MARK}",
        ]
        command.append(str(beside.absolute()))
        with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as ffmpeg:
            assert ffmpeg.stdin
            with contextlib.suppress(BrokenPipeError):  # it gave up, and says why below
                for frame in itertools.chain([first], frames):
                    ffmpeg.stdin.write(np.pad(frame, ((0, bottom), (0, right), (0, 0)), "edge").tobytes())
            said = ffmpeg.communicate()[1].decode(errors="replace").strip()
        if ffmpeg.returncode:
            raise FacespaceError(f"ffmpeg could not write {path}: {said}")


def _one_palette(pictures: list[Image.Image]) -> list[Image.Image]:
    """All frames in one palette of 256 colours, made from frames over the whole film: separate palettes flicker."""
    chosen = [pictures[i] for i in np.linspace(0, len(pictures) - 1, min(len(pictures), 16)).astype(int)]
    film = Image.new("RGB", (chosen[0].width, chosen[0].height * len(chosen)))
    for index, picture in enumerate(chosen):
        film.paste(picture, (0, index * picture.height))
    palette = film.quantize(256, method=Image.Quantize.MEDIANCUT)
    return [picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG) for picture in pictures]
