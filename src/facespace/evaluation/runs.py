"""The runs below a folder as they lie on disk: finished, stopped or damaged. Reads JSON alone, so that a listing takes
no longer than its files; loads no model and judges none."""

import json
import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

from facespace.core.errors import FacespaceError

# The names that journal.py and bundle.py write under; importing those would load torch and matplotlib.
METRICS, RESULT, CARD, WEIGHTS, BUNDLES = (
    "metrics.jsonl",
    "run.json",
    "card.json",
    "model.safetensors",
    ("last", "best"),
)
# Tensors of a bundle that are not learned by gradient; all others are parameters.
BUFFERS = ("running_mean", "running_var", "num_batches_tracked", "prior.center", "prior.covariance")
BUFFERS += ("posterior.codes", "posterior.uses", "posterior.sums")
# What must be alike before two losses can be compared, and the fact of a run that says so.
ALIKE = {"pixel likelihood": "pixels", "image size": "image", "data": "set", "objective": "objective"}

PENALTY = {"gaussian": {"kl": 1.0}, "codes": {"commitment": 1.0}}  # what a model reports, by its bottleneck

Facts = dict[str, Any]


def find_runs(folder: Path | str) -> list[Facts]:
    """The facts of every run below a folder (or of the folder itself, if it is one), by recipe, then best loss. What is
    not known is None; `damage` says what cannot be read. Losses in nats per image. Raises FacespaceError."""
    folder = Path(folder)
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise FacespaceError(
            f"{folder} {what}. Name a folder of runs: facespace train RECIPE --data SET --to RUN"
        )
    rows = [
        read_run(run, run.relative_to(folder).as_posix())
        for run in _folders(folder)
        if (run / METRICS).is_file()
    ]
    for row in rows:
        row["name"] = folder.resolve().name if row["name"] == "." else row["name"]
    return sorted(
        rows, key=lambda row: (row["recipe"] or "\uffff", _last_if_none(row["best_loss"]), row["name"])
    )


def read_run(run: Path, name: str) -> Facts:
    """The facts of one run, whatever state it is in."""
    damage: list[str] = []
    lines = read_epochs(run, damage)
    result = _object(run / RESULT, damage)
    bundle = next((run / name for name in BUNDLES if (run / name / CARD).is_file()), None)
    card = _object(bundle / CARD, damage) if bundle else {}
    last = lines[-1] if lines else {}
    step = _number(last.get("step"))
    judged = [line for line in lines if _number(_at(line, "validation", "loss")) is not None]
    best = min(judged, key=lambda line: line["validation"]["loss"], default={})
    finished = bool(result) and (step or 0) <= (
        _number(result.get("steps")) or 0
    )  # a resumed run keeps its old result
    if finished and not lines:
        damage.append(f"{METRICS} has no lines")
    return {
        "name": name,
        "recipe": _text(result.get("recipe")) or _text(_at(card, "recipe", "name")),
        "data": _text(_at(card, "data", "source")),
        "train_faces": _number(_at(card, "data", "splits", "train"))
        or _number(_at(result, "faces", "train")),
        "parameters": _number(result.get("parameters")) or (_count(bundle / WEIGHTS) if bundle else None),
        "steps": step,
        "best_loss": _number(_at(best, "validation", "loss")),
        "best_step": _number(best.get("step")),
        "mse": _number(_at(best, "validation", "mse")),
        "last_loss": _number(_at(last, "validation", "loss")),
        "seconds": _number(last.get("training_seconds")),
        "images_per_second": _number(last.get("images_per_second")),
        "state": "damaged" if damage else "finished" if finished else "stopped",
        "damage": "; ".join(damage) or None,
        "pixels": _text(_at(card, "model", "pixels")),
        "image": shape(_at(card, "model", "image")),
        "objective": objective(card) if card else None,
        "set": _text(_at(card, "data", "fingerprint")),
    }


def read_epochs(run: Path, damage: list[str]) -> list[Facts]:
    """The lines of a run's metrics.jsonl up to the first that is damaged, which is told to `damage`. Half a line at the
    end is what a kill leaves, and no damage."""
    try:
        text = (run / METRICS).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        damage.append(f"{METRICS} cannot be read ({error.strerror})")
        return []
    lines: list[Facts] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            found = {}
            if number == text.count("\n") + 1:  # no line feed after it
                break
        if not _is_epoch(found):
            damage.append(f"line {number} of {METRICS} is not an epoch's")
            break
        lines.append(found)
    return lines


def objective(card: Mapping[str, Any]) -> str:
    """What a bundle's card says of its training objective, in words: `kl × 30`."""
    goal, weights = _at(card, "recipe", "objective"), _at(card, "recipe", "objective", "weights")
    goal, weights = (found if isinstance(found, Mapping) else {} for found in (goal, weights))
    if (_number(goal.get("samples")) or 1) > 1:
        return f"importance-weighted bound of {goal['samples']} samples"
    kind = _text(_at(card, "model", "bottleneck")) or "gaussian"
    weights = {**PENALTY.get(kind, {}), **weights}  # a penalty without a weight counts once
    words = [f"{name} × {value:g}" for name, value in weights.items() if _number(value) is not None]
    words += [
        f"{name} × {goal[name]:g}"
        for name in ("perceptual", "identity", "adversarial", "matching")
        if _number(goal.get(name))
    ]
    words += [f"warm-up {goal['warmup']:,} steps"] if _number(goal.get("warmup")) else []
    words += [f"free bits {goal['free_bits']:g}"] if _number(goal.get("free_bits")) else []
    return ", ".join(words) or "no penalty"


def shape(image: Any) -> str | None:
    """[C, H, W] in words: `64×64 colour`."""
    if not isinstance(image, Sequence) or len(image) != 3:
        return None
    return f"{image[1]}×{image[2]} {'gray' if image[0] == 1 else 'colour'}"


def unlike(rows: Sequence[Facts]) -> str | None:
    """A sentence where the losses of some runs cannot be compared: they differ in likelihood, size, data, objective."""
    differing = []
    for what, key in ALIKE.items():
        values = sorted({row[key] for row in rows if row[key] is not None})
        if len(values) > 1:
            differing.append(what if key == "set" else f"{what} ({', '.join(values)})")
    if not differing:
        return None
    together = ", ".join(differing[:-1]) + (" and " if len(differing) > 1 else "") + differing[-1]
    return f"Not all of these losses can be compared with each other: the runs differ in {together}."


def _folders(folder: Path) -> Iterator[Path]:
    """A folder and all below it, each once. Links come after real folders, so that a run bears its own name, and never
    lead to a folder that holds this one, so that no loop is followed."""
    top, seen, links = folder.resolve(), set(), []
    waiting = [folder]
    while waiting or links:
        here = waiting.pop() if waiting else links.pop(0)
        real = here.resolve()
        if real in seen or (real != top and real in top.parents):
            continue
        seen.add(real)
        yield here
        try:
            inside = sorted(
                (entry for entry in os.scandir(here) if entry.is_dir()), key=lambda entry: entry.name
            )
        except OSError:  # no permission, or gone in the meantime
            continue
        inside = [
            entry for entry in inside if ".facespace-" not in entry.name
        ]  # a bundle that is being written
        links += [here / entry.name for entry in inside if entry.is_symlink()]
        waiting += [here / entry.name for entry in reversed(inside) if not entry.is_symlink()]


def _object(path: Path, damage: list[str]) -> Facts:
    """The JSON object in a file, {} where there is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8", errors="surrogateescape"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        damage.append(f"{path.name} cannot be read")
        return {}
    return found


def _count(weights: Path) -> int | None:
    """How many parameters a safetensors file holds, from its header (eight bytes of length, then JSON) alone."""
    try:
        with weights.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > weights.stat().st_size:
                return None
            tensors = json.loads(file.read(length))
        tensors = {name: tensor for name, tensor in tensors.items() if name != "__metadata__"}
        left_out = {f"{name}.scale" for name in tensors}  # of 8-bit weights
        counted = [name for name in tensors if name not in left_out and not name.endswith(BUFFERS)]
        return sum(math.prod(tensors[name]["shape"]) for name in counted)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _is_epoch(line: Any) -> TypeGuard[Facts]:
    """Whether a line has what every epoch's has."""
    if (
        not isinstance(line, dict)
        or _number(line.get("step")) is None
        or not isinstance(line.get("train"), dict)
    ):
        return False
    return line.get("validation", 0) is None or isinstance(line.get("validation"), dict)


def _at(facts: Any, *keys: str) -> Any:
    for key in keys:
        facts = facts.get(key) if isinstance(facts, Mapping) else None
    return facts


def _number(value: Any) -> Any:
    """The value if it is a number that a float can hold, else None."""
    whole = isinstance(value, int | float) and not isinstance(value, bool)
    return value if whole and -sys.float_info.max <= value <= sys.float_info.max else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _last_if_none(value: float | None) -> float:
    return math.inf if value is None else value
