"""How morph draws: what it is told over its presets, films, grids of films and stills, and how evenly they go."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facespace.cli.app import Done
from facespace.core.errors import UsageError, choose

if TYPE_CHECKING:
    import numpy as np

    from facespace.image.animation import Distance
    from facespace.space.face_space import FaceSpace

PRESETS: dict[str, dict[str, Any]] = {
    "facespace": dict(path="linear", pace="even", easing="linear", frames=60, fps=30.0),
    "celebamask-conv": dict(
        path="linear", pace="uniform", easing="linear", frames=150, fps=30.0
    ),  # as its authors do it
}
STRIP = 10  # steps of a still morph unless it is said


def parse_way(preset: str, still: bool, seconds: float | None, **said: Any) -> dict[str, Any]:
    """What is said, over the preset: path, pace, easing, frames, fps. Raises UsageError for unknown names and times."""
    from facespace.latent.morph import Way

    way = dict(choose(PRESETS, preset, "preset"))
    way |= {"frames": STRIP} if still and preset == "facespace" else {}
    way |= {name: value for name, value in said.items() if value is not None}
    Way(way["path"], way["pace"], way["easing"])
    if not 1 <= way["fps"] <= 100:
        raise UsageError(f"--fps must lie between 1 and 100; got {way['fps']:g}.")
    if seconds is not None:
        if said["frames"] is not None or not 0 < seconds <= 3600:
            raise UsageError(f"--seconds {seconds:g} must lie between 0 and 3600, and replaces --frames.")
        way["frames"] = round(seconds * way["fps"])
    return way


@dataclass(frozen=True)
class Job:
    """How a morph is drawn and where it goes."""

    to: Path
    way: dict[str, Any]  # what space.morph takes
    fps: float
    still: bool
    padding: int
    color: str

    def film(self, space: "FaceSpace", keys: "np.ndarray") -> Done:
        """A morph through all the keys (N, D): a film, or a row of its frames."""
        apart, facts = perceptual(space)
        z = space.morph_latents(keys, distance=apart, **self.way)
        faces = space.decode(z)
        other = "even" if self.way["pace"] == "uniform" else "uniform"
        ratios = {self.way["pace"]: self._ratio(faces, apart)}
        ratios[other] = self._ratio(space.morph(keys, distance=apart, **{**self.way, "pace": other}), apart)
        facts |= {"keys": len(keys), "step_ratio": ratios[self.way["pace"]], "step_ratios": ratios}
        text = f"through {len(keys)} faces in {self.to}"
        if self.way["path"] == "dense":
            facts |= {"log_density": (nats := self._densities(space, keys, z))}
            text += "; mean log-density {dense:,.1f} nats, {spherical:,.1f} on circles, {linear:,.1f} on lines".format(
                **nats
            )
        self._save(faces, len(faces))
        return self._done(space, facts, text)

    def grid(self, space: "FaceSpace", keys: "np.ndarray", rows: int, columns: int) -> Done:
        """Morphs between each two of the keys: a row of steps each, or a film of them all."""
        import numpy as np

        from facespace.core.console import progress
        from facespace.image import animation

        apart, facts = perceptual(space)
        way = {**self.way, "frames": columns} if self.still else self.way
        ratios: list[float] = []

        def films() -> "Iterator[np.ndarray]":
            with progress(len(keys) // 2, "Morphing", "pairs") as advance:
                for pair in keys.reshape(-1, 2, keys.shape[1]):
                    faces = space.morph(pair, distance=apart, **way)
                    ratios.append(self._ratio(faces, apart))
                    yield faces
                    advance(1)

        page = (
            np.concatenate(list(films()))
            if self.still
            else animation.mosaic(films(), rows, columns, self.padding, self.color)
        )
        self._save(page, columns)
        facts |= {"grid": [rows, columns], "step_ratio": float(np.mean(ratios))}
        return self._done(
            space, {**facts, "frames": way["frames"]}, f"of each of {len(ratios)} pairs in {self.to}"
        )

    def corners(self, space: "FaceSpace", keys: "np.ndarray", rows: int, columns: int) -> Done:
        """The blends of four faces on a sheet."""
        from facespace.latent.paths import bilinear
        from facespace.space.face_space import describe

        if len(keys) != 4 or not self.still or self.way["path"] != "linear":
            raise UsageError(
                f"With --grid, four faces named are blended on straight lines in a still (.png, .jpg); got {len(keys)} for "
                f"{self.to} and --path {self.way['path']}. For a pair in each cell name no faces."
            )
        self._save(space.decode(bilinear(keys, rows, columns)), columns)
        facts = {"to": str(self.to), "keys": 4, "grid": [rows, columns], **describe(space)}
        return Done(facts, f"{rows} × {columns} blends of four faces in {self.to}")

    def _densities(self, space: "FaceSpace", keys: "np.ndarray", dense: "np.ndarray") -> dict[str, float]:
        """The mean log-density of the dense path's latents, and of the other paths', nats."""
        import torch

        prior, found = space.prior(self.way["prior"]), {}
        for path in ("dense", "spherical", "linear"):
            z = dense if path == "dense" else space.morph_latents(keys, **{**self.way, "path": path})
            found[path] = float(prior.log_prob(torch.from_numpy(z).to(prior.mean.device)).mean())
        return found

    def _ratio(self, faces: "np.ndarray", apart: "Distance") -> float:
        from facespace.image.animation import step_ratio

        return step_ratio(faces, apart, self.way["loop"] or self.way["pingpong"])

    def _save(self, faces: "np.ndarray", columns: int) -> None:
        from facespace.cli.pictures import is_array
        from facespace.image import animation, grids

        if is_array(self.to):
            grids.save_array(faces, self.to)
        elif self.still:
            grids.save_still(grids.grid(faces, columns, gap=self.padding, color=self.color), self.to)
        else:
            animation.save_animation(faces, self.to, fps=self.fps)

    def _done(self, space: "FaceSpace", facts: dict[str, Any], text: str) -> Done:
        from facespace.space.face_space import describe

        told = {"to": str(self.to), **self.way, **facts, "fps": self.fps}
        told["seconds"] = told["frames"] / self.fps
        lasting = "" if self.still else f", {told['seconds']:.1f} s"
        end = f"largest step {told['step_ratio']:.2f} × the mean ({told['distance']})"
        return Done({**told, **describe(space)}, f"{told['frames']} frames{lasting}, {text}; {end}")


def perceptual(space: "FaceSpace") -> tuple["Distance", dict[str, str]]:
    """How far faces of this space look from each other, as a length that adds up along a path, and what it is."""
    import numpy as np

    from facespace.evaluation.reconstruction import usable
    from facespace.image.animation import blurred_distance
    from facespace.perception import lpips

    if lpips.at_hand():
        found, _ = usable(lpips.open_lpips(), space.decode(np.zeros(space.latent_dim)))
        if found:  # LPIPS sums squared differences, so its root is the length
            return lambda a, b: np.sqrt(np.maximum(found(a, b), 0)), {"distance": "root of LPIPS"}
    return blurred_distance, {"distance": "difference of blurred pixels"}
