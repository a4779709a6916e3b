"""Animations: frames into GIF, WebP and MP4 files, many animations in a grid, and the step sizes between
frames. Input and output are uint8 arrays (N, H, W, C); independent of models and sets."""

import contextlib
import functools
import itertools
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor
from PIL.ExifTags import Base

from facespace.core.errors import FacespaceError, UsageError
from facespace.core.extras import install_command
from facespace.core.files import write_atomically
from facespace.image.grids import check_ending, to_image

ANIMATIONS = (".gif", ".webp", ".mp4")
ENCODER = "libx264"  # of MP4 files
SHORTER_SIDE = 256  # px: smaller animations are upscaled by an integer to about this size
MOST_BYTES = 2**31  # of the frames of one animation
# The provenance tag of every file.
PROVENANCE_TAG = "AI-generated faces, drawn by facespace (IPTC digital source type: trainedAlgorithmicMedia)"

Distance = Callable[[np.ndarray, np.ndarray], np.ndarray]  # uint8 (N, H, W, C) twice -> (N,)


def save_animation(frames: np.ndarray, path: Path, *, fps: float = 30, scale: int | None = None) -> None:
    """Saves (N, H, W, C) frames as a looping GIF or WebP, or as an MP4 (H.264), upscaled smoothly to about
    256 px, with a provenance tag in the file. Raises FacespaceError for an MP4 without ffmpeg."""
    check_ending(path, ANIMATIONS)
    scale = scale or max(1, round(SHORTER_SIDE / min(frames.shape[1:3])))
    pictures = (to_image(frame, scale, smooth=True) for frame in frames)
    if path.suffix.lower() == ".mp4":
        return _save_video(pictures, path, fps)
    pictures = list(pictures)
    options: dict = {"save_all": True, "loop": 0}
    if path.suffix.lower() == ".gif":
        pictures = _one_palette(pictures)
        options |= {"duration": delays(len(frames), fps, 10), "comment": PROVENANCE_TAG}
        options |= {"disposal": 1, "optimize": False}
    else:
        options |= {
            "duration": delays(len(frames), fps, 1),
            "quality": 92,
            "method": 4,
            "exif": _exif(PROVENANCE_TAG),
        }
    with write_atomically(path) as beside:
        pictures[0].save(beside, append_images=pictures[1:], **options)


def delays(count: int, fps: float, unit: int) -> list[int]:
    """Milliseconds for each frame, in multiples of `unit`: 10 in a GIF, 1 in a WebP. They alternate so that
    the mean is the given rate."""
    durations = []
    start = 0
    for index in range(count):
        end = round(1000 / unit * (index + 1) / fps)
        durations.append(unit * max(1, end - start))
        start = end
    return durations


def find_ffmpeg() -> str:
    """The ffmpeg that writes MP4 files: the one of the extra `video`, else the system's. Raises
    FacespaceError where there is none, and for a system's ffmpeg without the encoder libx264."""
    with contextlib.suppress(ImportError, RuntimeError):
        import imageio_ffmpeg  # an extra, and a large one

        return imageio_ffmpeg.get_ffmpeg_exe()
    found, needs = (
        shutil.which("ffmpeg"),
        f"Run: {install_command('video')}. A .gif or a .webp needs nothing.",
    )
    if found is None:
        raise FacespaceError(f"An MP4 is written by ffmpeg, which is not installed. {needs}")
    if ENCODER not in _encoders(found):
        raise FacespaceError(
            f"{found} has no {ENCODER}, the H.264 encoder that an MP4 is written with. {needs}"
        )
    return found


@functools.cache
def _encoders(ffmpeg: str) -> str:
    """What an ffmpeg says about its encoders."""
    try:
        listing = subprocess.run([ffmpeg, "-hide_banner", "-encoders"], capture_output=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return listing.stdout.decode(errors="replace")


def video_grid(
    animations: Iterable[np.ndarray], rows: int, columns: int, padding: int = 2, color: str = "white"
) -> np.ndarray:
    """Animations (N, H, W, C) of equal length in a grid, row by row, as one: (N, rows · (H + padding) +
    padding, …, 3). `color` is a name or #rrggbb. Raises UsageError for an unknown colour, and for more than 2
    GiB."""
    paper = parse_color(color)
    page = np.empty(0, np.uint8)
    for index, animation_frames in enumerate(animations):
        count, height, width, _ = animation_frames.shape
        if index == 0:
            shape = (count, rows * (height + padding) + padding, columns * (width + padding) + padding, 3)
            if np.prod(shape, dtype=np.int64) > MOST_BYTES:
                raise UsageError(
                    f"{rows}×{columns} animations of {count} frames of {height}×{width} px "
                    "take more than 2 GiB. Choose fewer rows, columns or frames."
                )
            page = np.empty(shape, np.uint8)
            page[:] = paper
        row, column = divmod(index, columns)
        top, left = padding + row * (height + padding), padding + column * (width + padding)
        page[:, top : top + height, left : left + width] = animation_frames
    return page


def parse_color(color: str) -> tuple[int, ...]:
    """A colour's name or #rrggbb as (red, green, blue), 0 to 255. Raises UsageError for anything else."""
    try:
        return ImageColor.getrgb(color)[:3]
    except ValueError as error:
        raise UsageError(
            f"Unknown colour {color!r}. Name one, such as white or black, or give #rrggbb."
        ) from error


def blurred_distance(faces: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The distance of each pair of two stacks of uint8 (N, H, W, C) faces, (N,): the root mean squared
    difference of pixels in [0, 1] after a blur with a standard deviation of one pixel, which removes the
    effect of rounding."""
    difference = faces.astype(np.float32) - others.astype(
        np.float32
    )  # blurred once, since blurring is linear
    for axis in (1, 2):
        taps = []
        for by, weight in zip(range(-2, 3), (1, 4, 6, 4, 1)):
            taps.append(weight / 16 * _shifted(difference, by, axis))
        difference = np.sum(taps, axis=0)
    return np.sqrt(((difference / 255) ** 2).mean((1, 2, 3), dtype=np.float64))


def _shifted(stack: np.ndarray, by: int, axis: int) -> np.ndarray:
    """Shifted by so many pixels along an axis; the edge is repeated."""
    return stack.take(np.arange(stack.shape[axis]) + by, axis, mode="clip")


def step_ratio(frames: np.ndarray, distance: Distance = blurred_distance, closed: bool = False) -> float:
    """The largest ÷ the mean distance of consecutive frames, in a `closed` animation also of the last and the
    first: 1 where all distances are equal."""
    following = np.roll(frames, -1, 0)
    steps = np.asarray(distance(frames, following), np.float64)
    if not closed:
        steps = steps[:-1]
    return float(steps.max() / steps.mean()) if steps.mean() > 0 else 1.0


def _exif(text: str) -> Image.Exif:
    exif = Image.Exif()
    exif[Base.ImageDescription] = text
    return exif


def _save_video(pictures: Iterable[Image.Image], path: Path, fps: float) -> None:
    """H.264 with the colour space of HDTV; sides are made even, as it requires, by repeating the edge."""
    frames = map(np.asarray, pictures)
    first = next(frames)
    bottom, right = first.shape[0] % 2, first.shape[1] % 2
    size = f"{first.shape[1] + right}x{first.shape[0] + bottom}"
    with write_atomically(path) as beside:
        command = [find_ffmpeg(), *_ffmpeg_options(size, fps), str(beside.absolute())]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as ffmpeg:
            assert ffmpeg.stdin
            with contextlib.suppress(BrokenPipeError):  # it stopped, and its message is read below
                for frame in itertools.chain([first], frames):
                    padded = np.pad(frame, ((0, bottom), (0, right), (0, 0)), "edge")
                    ffmpeg.stdin.write(padded.tobytes())
            message = ffmpeg.communicate()[1].decode(errors="replace").strip()
        if ffmpeg.returncode:
            raise FacespaceError(f"ffmpeg could not write {path}: {message}")


def _ffmpeg_options(size: str, fps: float) -> list[str]:
    source = f"-y -loglevel error -f rawvideo -pix_fmt rgb24 -s {size} -r {fps} -i - -an"
    colors = (
        "-vf scale=out_color_matrix=bt709:out_range=tv:flags=accurate_rnd+full_chroma_int "
        "-colorspace bt709 -color_primaries bt709 -color_trc bt709"
    )
    codec = f"-c:v {ENCODER} -pix_fmt yuv420p -crf 18 -movflags +faststart"
    return [*f"{source} {colors} {codec}".split(), "-metadata", f"comment={PROVENANCE_TAG}"]


def _one_palette(pictures: list[Image.Image]) -> list[Image.Image]:
    """All frames in one palette of 256 colours, made from frames over the whole animation: separate palettes
    flicker."""
    chosen = [pictures[i] for i in np.linspace(0, len(pictures) - 1, min(len(pictures), 16)).astype(int)]
    column = Image.new("RGB", (chosen[0].width, chosen[0].height * len(chosen)))
    for index, picture in enumerate(chosen):
        column.paste(picture, (0, index * picture.height))
    palette = column.quantize(256, method=Image.Quantize.MEDIANCUT)
    return [picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG) for picture in pictures]
