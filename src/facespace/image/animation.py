"""Animations: frames into GIF, WebP and MP4 files, many animations in a grid, and the step sizes between
frames. Input and output are uint8 arrays (N, H, W, C); independent of models and sets."""

import contextlib
import functools
import itertools
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from PIL import Image, ImageColor

from facespace.core.errors import FacespaceError, UsageError
from facespace.core.extras import install_command
from facespace.core.files import write_atomically
from facespace.core.waiting import step
from facespace.image import gif
from facespace.image.grids import check_ending, check_size
from facespace.image.provenance import PROVENANCE_TAG, exif
from facespace.image.sheets import enlarged

ANIMATIONS = (".gif", ".webp", ".mp4")
ENCODER = "libx264"  # of MP4 files
SHORTER_SIDE = 256  # px: smaller frames are enlarged to this size
BATCH = 64  # frames in memory at once
PALETTE_FRAMES = 16  # of which the palette of a GIF is made
GIF_BYTES_PER_PIXEL = 0.45  # of a morph of faces
MOST_BYTES = 2**31  # of the frames of one animation
SHORTEST = 20  # milliseconds of a frame: browsers show shorter ones of a GIF or WebP for 100

Distance = Callable[[np.ndarray, np.ndarray], np.ndarray]  # uint8 (N, H, W, C) twice -> (N,)


class Frames(Protocol):
    """Frames uint8 (N, H, W, C) that are read in parts: an array, or faces that are decoded where they are
    read."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, H, W, C)."""
        ...

    def __getitem__(self, places: slice, /) -> np.ndarray:
        """The frames of a slice."""
        ...


class Timing(NamedTuple):
    """The frames of an animation that are shown, by number, the milliseconds of each, and the true duration
    in seconds."""

    shown: list[int]
    delays: list[int]
    seconds: float


def timing(count: int, fps: float, ending: str) -> Timing:
    """When the frames of a file of that ending are shown. A GIF counts in hundredths of a second, a WebP in
    thousandths, and browsers show a frame of less than two hundredths for ten: of more than 50 frames a
    second some are left out, evenly, so that the duration stays."""
    if ending == ".mp4":
        return Timing(list(range(count)), [], count / fps)
    total = 1000 * count / fps
    kept = count if 1000 / fps >= SHORTEST else max(1, int(total // SHORTEST))
    shown = [place * count // kept for place in range(kept)]
    unit = 10 if ending == ".gif" else 1
    times = [max(SHORTEST, delay) for delay in delays(kept, 1000 * kept / total, unit)]
    return Timing(shown, times, sum(times) / 1000)


def save_animation(
    frames: Frames,
    path: Path,
    *,
    fps: float = 30,
    scale: int | None = None,
    size: tuple[int, int] | None = None,
    on_frame: Callable[[], None] = lambda: None,
) -> Timing:
    """Saves (N, H, W, C) frames as a looping GIF or WebP, or as an MP4 (H.264), enlarged by Lanczos
    resampling to 256 px, by a `scale`, or into pictures of a `size` (height, width), in which they are as
    large as they fit, on black. A provenance tag is in the file. Frames are read in parts of 64, once, and
    up to 16 of them before for the palette of a GIF: memory does not grow with their number. `on_frame` is
    called at each frame that is read for the file. Returns which frames are shown, and for how long. Raises
    FacespaceError for an MP4 without ffmpeg, UsageError for more pixels than the format has."""
    check_animation(frames.shape, path, scale, size)
    shown_as, ending = _Shown.of(frames.shape, scale, size), path.suffix.lower()
    pictures = _pictures(frames, shown_as, on_frame)
    timed = timing(frames.shape[0], fps, ending)
    if ending == ".mp4":
        _save_video(pictures, path, fps)
        return timed
    shown = set(timed.shown)
    pictures = (picture for place, picture in enumerate(pictures) if place in shown)
    with write_atomically(path) as beside:
        if ending == ".gif":
            palette = gif.palette_of(_spread(frames, shown_as))
            with beside.open("wb") as file:
                gif.write_gif(file, pictures, palette, timed.delays, PROVENANCE_TAG)
        else:
            options = {"duration": timed.delays, "exif": exif(sheet=True)}
            _Reel(pictures, len(shown)).save(beside, save_all=True, loop=0, quality=92, method=4, **options)
    return timed


def check_animation(
    shape: tuple[int, ...], path: Path, scale: int | None = None, size: tuple[int, int] | None = None
) -> None:
    """Raises UsageError for an ending that is no animation's, and for frames (N, H, W, C) of more pixels than
    its format has; done before the work."""
    check_ending(path, ANIMATIONS)
    height, width = size or shown_size(shape[1], shape[2], scale)
    check_size(path, width, height)


def shown_size(height: int, width: int, scale: int | None = None) -> tuple[int, int]:
    """(height, width) of the pictures of an animation: a shorter side of 256 px, unless the frames are larger
    or there is a `scale`."""
    factor = scale or max(1.0, SHORTER_SIDE / min(height, width))
    return round(height * factor), round(width * factor)


def gif_megabytes(frames: int, height: int, width: int, scale: int | None = None) -> float:
    """About how large the GIF of a morph will be."""
    shown = shown_size(height, width, scale)
    return frames * shown[0] * shown[1] * GIF_BYTES_PER_PIXEL / 1e6


class _Shown(NamedTuple):
    """How frames become pictures: (height, width) of the picture, and of the face in its middle."""

    picture: tuple[int, int]
    face: tuple[int, int]

    @classmethod
    def of(cls, shape: tuple[int, ...], scale: int | None, size: tuple[int, int] | None) -> "_Shown":
        """For frames (N, H, W, C)."""
        _, height, width, _ = shape
        if size is None:
            face = shown_size(height, width, scale)
            return cls(face, face)
        factor = min(size[0] / height, size[1] / width)
        return cls(size, (round(height * factor), round(width * factor)))

    def picture_of(self, frame: np.ndarray) -> Image.Image:
        """A frame (H, W, C) as a picture."""
        face = enlarged(frame, self.face)
        if self.face == self.picture:
            return face
        height, width = self.picture
        picture = Image.new(face.mode, (width, height))
        picture.paste(face, ((width - face.width) // 2, (height - face.height) // 2))
        return picture


def _pictures(frames: Frames, shown_as: _Shown, on_frame: Callable[[], None]) -> Iterator[Image.Image]:
    for start in range(0, frames.shape[0], BATCH):
        for frame in frames[start : start + BATCH]:
            step()
            on_frame()
            yield shown_as.picture_of(frame)


def _spread(frames: Frames, shown_as: _Shown) -> list[Image.Image]:
    """At most 16 pictures over the whole animation."""
    count = frames.shape[0]
    places = np.linspace(0, count - 1, min(count, PALETTE_FRAMES)).astype(int).tolist()
    return [shown_as.picture_of(frames[place : place + 1][0]) for place in places]


class _Reel(Image.Image):
    """Pictures as one of several frames, which Pillow saves one after the other without holding all."""

    def __init__(self, pictures: Iterator[Image.Image], count: int) -> None:
        first = next(pictures)
        super().__init__()
        self.im, self._mode, self._size = first.im, first.mode, first.size
        self.n_frames, self._at, self._pictures = count, 0, pictures

    def seek(self, frame: int) -> None:
        """Goes on to the next frame; there is no way back."""
        if frame == self._at + 1:
            self._at = frame
            self.im = next(self._pictures).im


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
