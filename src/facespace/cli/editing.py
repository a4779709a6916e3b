"""How edit works and draws: which faces, what is changed by how much, and the pictures that come of it."""

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facespace.cli.app import Done
from facespace.cli.faces import Keys
from facespace.cli.pictures import is_array, read_all, save_faces
from facespace.core.errors import UsageError
from facespace.image.pixels import squared_error
from facespace.latent import strengths

if TYPE_CHECKING:
    from facespace.latent.directions import Directions
    from facespace.perception.attributes import AttributeNet
    from facespace.space.face_space import FaceSpace

MOST = 25  # steps of a strip
IN_WORDS = {
    strengths.SD: "standard deviations",
    strengths.GAP: "class gaps",
    strengths.DIFFERENCE: "differences of class means",
}


@dataclass
class Job:
    """The faces to edit, and how."""

    space: "FaceSpace"
    keys: Keys
    to: Path
    lock: str
    judge: Path | None
    keep_detail: bool
    refine: int
    prior: str | None
    gain: dict[str, Any] | None = None  # of refining, once it was done

    @cached_property
    def faces(self) -> np.ndarray | None:
        """The photographs as faces of the space, uint8 (N, H, W, C); None for latents that come from no picture."""
        if self.keys.data:
            return self.keys.pixels(self.space)
        photos = [file for file in self.keys.files if not is_array(file)]
        if not photos:
            return None
        if len(photos) < len(self.keys.files):
            raise UsageError("Name photographs or .npy files of latents, not both at once.")
        return self.space.fit(read_all(photos, self.keys.align))

    @cached_property
    def latents(self) -> np.ndarray:
        """Their latents (N, D), refined where that was asked for."""
        if self.faces is None and (self.keep_detail or self.refine):
            raise UsageError(
                "--keep-detail and --refine need photographs; latents and new faces have no original."
            )
        z = self.keys.latents(self.space, self.prior) if self.faces is None else self.space.encode(self.faces)
        if not self.refine or self.faces is None:
            return z
        before = time.perf_counter()
        better = self.space.refine(self.faces, z, self.refine)
        goal = self.space.target(self.faces)
        self.gain = {
            "steps": self.refine,
            "seconds": round(time.perf_counter() - before, 2),
            **{
                name: float(squared_error(self.space.decode(one), goal).mean())
                for name, one in (("mse_before", z), ("mse_after", better))
            },
        }
        return better

    @cached_property
    def kept(self) -> np.ndarray:
        """What the space keeps of them, uint8 (N, H, W, C)."""
        return self.space.decode(self.latents)

    @cached_property
    def directions(self) -> "Directions":
        return self.space.directions()

    @cached_property
    def network(self) -> "AttributeNet":
        from facespace.perception.attributes import load_net

        return load_net(self.judge, self.space.device)

    def locks(self, edited: Sequence[str]) -> list[str]:
        """The names to hold; `all` is all other directions."""
        if self.lock == "all":
            return [name for name in self.directions.names if name not in edited]
        return [name.strip() for name in self.lock.split(",") if name.strip()]

    def parse(self, texts: Sequence[str]) -> dict[str, float | str]:
        """'Smiling=2', 'Smiling=1g', 'Smiling=0.5d' and 'Smiling=on' as an edit for the space: standard deviations, on or off."""
        found: dict[str, float | str] = {}
        for text in texts:
            name, _, value = text.rpartition("=")
            strength = strengths.parse(value)
            if not name or (strength is None and value not in ("on", "off")):
                raise UsageError(f"--set takes {strengths.FORM}; got {text!r}.")
            found[name] = value if strength is None else self.deviations(name, strength)
        return found

    def deviations(self, name: str, strength: strengths.Strength) -> float:
        """A strength in standard deviations; the directions are only asked where a unit needs them."""
        return strength.value if strength.unit == strengths.SD else strength.deviations(self.directions, name)

    def edited(self, z: np.ndarray, edits: dict[str, float | str]) -> np.ndarray:
        """Latents after the edit; a network is only loaded where one has to judge."""
        judge = self.network if any(isinstance(value, str) for value in edits.values()) else None
        return self.space.edit(z, edits, self.locks(list(edits)), judge)

    def edits(self, texts: Sequence[str]) -> Done:
        """Originals, what the space keeps of them, and the edits, in rows."""
        edits = self.parse(texts)
        began = time.perf_counter()
        z = self.edited(self.latents, edits)
        after = self._finish(self.space.decode(z))
        seconds = time.perf_counter() - began
        rows = ([] if self.faces is None else [self.space.target(self.faces)]) + [self.kept, after]
        if is_array(self.to):
            save_faces(z, self.to)
        else:
            count = len(after)
            columns = min(count, 8)
            blank = np.full((-count % columns, *after.shape[1:]), 255, np.uint8)
            stacks = [np.concatenate([row, blank]).reshape(-1, columns, *after.shape[1:]) for row in rows]
            save_faces(np.stack(stacks, 1).reshape(-1, *after.shape[1:]), self.to, columns=columns)
        said = ", ".join(
            f"{name} {value if isinstance(value, str) else f'{value:+.2g} sd'}"
            for name, value in edits.items()
        )
        return self._done(f"{len(after)} face{'s' * (len(after) > 1)} with {said}", edits, seconds, z)

    def strips(self, texts: Sequence[str], strip: str) -> Done:
        """A row for each face over the first attribute, the others as they are set."""
        edits, asked = self.parse(texts), parse_strip(strip)
        if not edits or isinstance(next(iter(edits.values())), str):
            raise UsageError(
                "--strip runs over the first attribute of --set, by strength: --set Smiling=0 --strip -3:3:7."
            )
        first = next(iter(edits))
        rows = [self.edited(self.latents, {**edits, first: self.deviations(first, step)}) for step in asked]
        faces = [self._finish(self.space.decode(z)) for z in rows]
        self._sheet(np.stack(faces, 1), [""] * len(self.latents), asked, first)
        return self._done(
            f"{first} from {asked[0].value:+g} to {asked[-1]}, {len(self.latents)} faces",
            edits,
            None,
            np.stack(rows, 1),
        )

    def square(self, texts: Sequence[str], grid: str, strip: str) -> Done:
        """The first face over two attributes."""
        edits, asked = self.parse(texts), parse_strip(strip)
        names = [name.strip() for name in grid.split(",")]
        if len(names) != 2 or names[0] == names[1] or set(names) & set(edits):
            raise UsageError(
                f"--grid takes two attributes that --set does not, such as Smiling,Eyeglasses; got {grid!r}."
            )
        if len(self.latents) != 1:
            raise UsageError(f"--grid shows one face over two attributes; got {len(self.latents)} faces.")
        down, across = names
        rows = []
        for one, other in itertools.product(asked, asked):
            steps: dict[str, float | str] = {
                down: self.deviations(down, one),
                across: self.deviations(across, other),
            }
            rows.append(self.edited(self.latents, {**edits, **steps})[0])
        count, z = len(asked), np.array(rows)  # (S · S, D)
        faces = self._finish(self.space.decode(z)).reshape(count, count, *self.kept.shape[1:])
        self._sheet(faces, [f"{down}\n{_signed(step.value)}" for step in asked], asked, across)
        done = f"{down} by {across}, {count} × {count} faces"
        return self._done(done, edits, None, z.reshape(count, count, -1))

    def _finish(self, edited: np.ndarray) -> np.ndarray:
        """The edited faces, with the detail that the space lost of the photographs where it was asked for."""
        if not self.keep_detail or self.faces is None:
            return edited
        lost = self.space.target(self.faces).astype(np.int16) - self.kept
        lost = np.repeat(lost, len(edited) // len(lost), 0)
        return (edited + lost).clip(0, 255).astype(np.uint8)

    def _sheet(
        self, faces: np.ndarray, rows: Sequence[str], asked: Sequence[strengths.Strength], what: str
    ) -> None:
        from facespace.report import charts

        if is_array(self.to):
            save_faces(faces.reshape(-1, *faces.shape[2:]), self.to)
            return
        heads = [_signed(step.value) for step in asked]
        charts.save(charts.strips(faces, rows, heads, f"{what}, {IN_WORDS[asked[0].unit]}"), self.to)

    def _done(self, text: str, edits: dict[str, float | str], seconds: float | None, z: np.ndarray) -> Done:
        from facespace.space.face_space import describe

        locks, gain = self.locks(list(edits)), self.gain
        text += (
            f", {', '.join(locks) if len(locks) < 9 else f'{len(locks)} attributes'} locked" if locks else ""
        )
        text += " with the photographs' own detail added" if self.keep_detail else ""
        text += f" in {self.to}"
        if gain:
            better = 1 - gain["mse_after"] / gain["mse_before"]
            text += (
                f"\nRefined in {gain['steps']} steps, {gain['seconds']:.1f} s: mean squared error {gain['mse_before']:.5f} -> "
                f"{gain['mse_after']:.5f} ({better:.0%} less)."
            )
        facts: dict[str, Any] = {
            "to": str(self.to),
            "edits": edits,
            "lock": locks,
            "keep_detail": self.keep_detail,
        }
        facts |= {"refine": gain, "seconds": seconds, "count": len(self.latents), **describe(self.space)}
        return Done(facts, text)


def parse_strip(text: str) -> list[strengths.Strength]:
    """'-3:3:7' as seven strengths from −3 to 3 standard deviations, '0g:1.5g:7' from none to one and a half gaps."""
    parts = text.split(":")
    ends = [found for part in parts[:2] if (found := strengths.parse(part))]
    steps = int(parts[2]) if len(parts) == 3 and parts[2].isdecimal() else 0
    units = {end.unit for end in ends if end != strengths.NONE}  # 0:1.5g:4 begins at 0 gaps
    values = [end.value for end in ends]
    if len(set(values)) < 2 or len(units) > 1 or max(map(abs, values)) > 100 or not 2 <= steps <= MOST:
        raise UsageError(
            f"--strip takes FROM:TO:STEPS with 2 to {MOST} steps, such as -3:3:7 or, in class gaps, 0g:1.5g:7; got {text!r}."
        )
    return [
        strengths.Strength(float(step), *units) for step in np.linspace(values[0], values[-1], steps).round(6)
    ]


def _signed(step: float) -> str:
    return f"{step:+g}".replace("-", "−") if step else "0"
