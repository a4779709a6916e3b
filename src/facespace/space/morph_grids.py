"""Morphs as arrays: animations with the evenness of their steps, grids of animations, strips of frames,
blends of four faces, and mixes. Which latents lie on a path is FaceSpace.morph_latents; nothing here writes
files."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from facespace.core.console import progress
from facespace.core.errors import UsageError
from facespace.image import animation
from facespace.image.animation import Distance, blurred_distance
from facespace.latent import morph as morphing
from facespace.latent.paths import bilinear
from facespace.space.film import Film

if TYPE_CHECKING:
    from facespace.space.face_space import FaceSpace
    from facespace.space.inputs import Images

PATHS = ("geodesic", "spherical", "linear")  # whose densities are compared


@dataclass(frozen=True)
class Animation:
    """A morph: frames uint8 (F, H, W, C), latents float32 (F, D), and by pace the largest step between
    neighbouring frames over the mean step: measured for the pace of these frames, predicted for a uniform
    one."""

    frames: np.ndarray
    latents: np.ndarray
    step_ratio: float
    step_ratios: dict[str, float]


class AnimationGrid(NamedTuple):
    """Frames of all cells side by side, uint8 (F, H, W, 3), or the frames of each strip, uint8 (P · F, H, W,
    C); and the mean step ratio of the morphs."""

    frames: np.ndarray
    step_ratio: float


@dataclass
class _Recorded:
    """A distance that keeps what it measures: one array (M,) a call, which is one segment of an even-paced
    path."""

    distance: Distance
    lengths: list[np.ndarray] = field(default_factory=list)

    def __call__(self, faces: np.ndarray, others: np.ndarray) -> np.ndarray:
        measured = self.distance(faces, others)
        self.lengths.append(np.asarray(measured, np.float64))
        return measured


def perceptual_distance(space: "FaceSpace") -> tuple[Distance, str]:
    """A perceptual distance of faces (N, H, W, C) that adds up along a path, and its name: the root of LPIPS
    where FACESPACE_LPIPS names its weights and it takes faces of this size, else the difference of blurred
    pixels."""
    if not space.has_gradients:  # LPIPS runs in torch
        return blurred_distance, BLURRED
    from facespace.perception import lpips

    if not lpips.is_available():
        return blurred_distance, BLURRED
    network, face = lpips.open_lpips(), space.decode(np.zeros(space.latent_dim))
    try:
        network(face, face)
    except UsageError:  # the faces are too small
        return blurred_distance, BLURRED
    # LPIPS sums squared differences, so its root is the length.
    return lambda a, b: np.sqrt(np.maximum(network(a, b), 0)), "root of LPIPS"


BLURRED = "difference of blurred pixels"


def film(
    space: "FaceSpace",
    *keys: "Images",
    distance: Distance = blurred_distance,
    frames: int = 60,
    **options: Any,
) -> Film:
    """The morph of FaceSpace.morph_latents, which has the `options`, decoded where it is read.

    An even pace measures the path before it places the frames; from these lengths follows, without another
    decoded face, the step ratio that a uniform pace would have."""
    recorded = _Recorded(distance)
    z = space.morph_latents(*keys, frames=frames, distance=recorded, **options)
    closed = bool(options.get("loop") or options.get("pingpong"))
    ratios = {}
    if recorded.lengths:
        ratios["uniform"] = _uniform_ratio(np.stack(recorded.lengths), frames, options)
    return Film(space, z, distance, closed, ratios)


def animate(
    space: "FaceSpace",
    *keys: "Images",
    distance: Distance = blurred_distance,
    frames: int = 60,
    **options: Any,
) -> Animation:
    """The morph of `film` with all its frames and its step ratio by `distance`."""
    made = film(space, *keys, distance=distance, frames=frames, **options)
    faces = made.frames
    return Animation(faces, made.latents, made.step_ratio, made.step_ratios(options.get("pace", "even")))


def _uniform_ratio(lengths: np.ndarray, frames: int, options: dict[str, Any]) -> float:
    """The step ratio of a uniform pace on a path whose S segments were measured at M equal steps each:
    `lengths` (S, M)."""
    segments, steps = lengths.shape
    names = ("path", "easing", "loop", "pingpong")
    way = morphing.PathSpec(pace="uniform", **{name: options[name] for name in names if name in options})
    where = morphing.frame_positions(frames, segments, way)
    if way.closed:
        where = np.append(where, segments)
    measured_at = np.arange(segments * steps + 1) / steps
    travelled = np.append(0, lengths.ravel().cumsum())
    moved = np.diff(np.interp(where, measured_at, travelled))
    return float(moved.max() / moved.mean()) if moved.mean() > 0 else 1.0


def animation_grid(
    space: "FaceSpace",
    keys: "Images",
    rows: int,
    columns: int,
    *,
    padding: int = 2,
    color: str = "white",
    **options: Any,
) -> AnimationGrid:
    """An animation of rows × columns morphs, each between two of the keys, pictures or latents: 2 · rows ·
    columns of them. `options` are those of `animate`; `padding` pixels of a `color` lie between the cells."""
    latents = _pairs(space, keys, rows * columns)
    ratios: list[float] = []
    animations = _frames(space, latents, ratios, options)
    page = animation.video_grid(animations, rows, columns, padding, color)
    return AnimationGrid(page, float(np.mean(ratios)))


def morph_strips(space: "FaceSpace", keys: "Images", **options: Any) -> AnimationGrid:
    """The frames of a morph between each two of the keys, pictures or latents, one pair after the other:
    uint8 (P · frames, H, W, C). `options` are those of `animate`."""
    latents = space.latents(keys)
    ratios: list[float] = []
    strips = list(_frames(space, _pairs(space, latents, len(latents) // 2), ratios, options))
    return AnimationGrid(np.concatenate(strips), float(np.mean(ratios)))


def _pairs(space: "FaceSpace", keys: "Images", count: int) -> np.ndarray:
    """Keys as pairs of latents float32 (count, 2, D)."""
    latents = space.latents(keys)
    if not count or len(latents) != 2 * count:
        raise UsageError(
            f"Each morph of a grid has two key faces: {max(count, 1)} take {2 * count}; got {len(latents)}."
        )
    return latents.reshape(count, 2, -1)


def _frames(
    space: "FaceSpace", pairs: np.ndarray, ratios: list[float], options: dict[str, Any]
) -> Iterator[np.ndarray]:
    """The frames of each pair's morph, one after the other, so that one is in memory at a time; appends the
    step ratios."""
    with progress(len(pairs), "Morphing", "pairs") as advance:
        for pair in pairs:
            morph = animate(space, pair, **options)
            ratios.append(morph.step_ratio)
            yield morph.frames
            advance(1)


def corner_blends(space: "FaceSpace", keys: "Images", rows: int, columns: int) -> np.ndarray:
    """Bilinear blends of four faces, pictures or latents, one in each corner: uint8 (rows · columns, H, W,
    C)."""
    latents = space.latents(keys)
    if len(latents) != 4:
        raise UsageError(f"Blends lie between four faces, one in each corner; got {len(latents)}.")
    return space.decode(bilinear(latents, rows, columns))


def path_log_densities(
    space: "FaceSpace",
    keys: "Images",
    prior: str | None = None,
    dense: np.ndarray | None = None,
    **options: Any,
) -> dict[str, float]:
    """The mean log-density, in nats under a prior, of the frames' latents on each of PATHS. `options` are
    those of FaceSpace.morph_latents but for its path; `dense` are the latents (F, D) of that path where they
    are known."""
    import torch

    density, found = space.density_prior(prior), {}
    for path in PATHS:
        known = dense if path == "geodesic" else None
        z = space.morph_latents(keys, path=path, prior=prior, **options) if known is None else known
        found[path] = float(density.log_prob(torch.from_numpy(z).to(density.mean.device)).mean())
    return found


class Mix(NamedTuple):
    """The latent of a mix, float32 (1, D), and faces uint8 (T + 1, H, W, C): the mean of each term, then the
    mix."""

    latent: np.ndarray
    faces: np.ndarray


def mix_strip(space: "FaceSpace", terms: Sequence[tuple["Images", float]], prior: str | None = None) -> Mix:
    """The sum of FaceSpace.mix, with the face of each term's mean latent."""
    groups = [space.latents(group) for group, _ in terms]
    weights = [weight for _, weight in terms]
    z = space.mix(list(zip(groups, weights)), prior)[None]
    means = [group.mean(0, keepdims=True) for group in groups]
    return Mix(z, space.decode(np.concatenate([*means, z])))
