"""The checkpoint of a run: weights, optimizer, position and sums of figures, in one file that is replaced
atomically. No random state is stored, since the random numbers of a step are a function of (seed, step)."""

import io
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import msgspec
import torch

from facespace.core.aliases import rename_old_keys
from facespace.core.configs import flat, from_dict, to_dict
from facespace.core.console import note
from facespace.core.errors import TrainingError, UsageError
from facespace.core.files import write_atomically, write_json
from facespace.core.reading import MEGABYTE, check_regular
from facespace.models.optimization import EarlyStopping
from facespace.recipes.config import Recipe
from facespace.report.run_files import POSITION

CHECKPOINT, PREVIOUS = "checkpoint.pt", "checkpoint.previous.pt"
LARGEST = 64 * 1024 * MEGABYTE  # bytes of a checkpoint that is read


class Stateful(Protocol):
    """A part of a checkpoint: a module, an optimizer or a gradient scaler."""

    def state_dict(self) -> Mapping[str, object]: ...

    def load_state_dict(self, state_dict: Any) -> Any: ...


Parts = dict[str, Stateful]  # the state of a training, by name
# What a resumed training must have in common with the interrupted one, by name: recipe, data, seed. Compared
# only.
Identity = Mapping[str, object]


@dataclass
class Progress(EarlyStopping):
    """The position of a run; `best` is the validation loss of the best bundle, `since_best` counts epochs."""

    step: int = 0
    training_seconds: float = 0.0
    images: int = 0
    sums: dict[str, float] = field(default_factory=dict)  # of the terms over the unfinished epoch's steps
    counts: dict[str, int] = field(default_factory=dict)  # of those steps, by term
    rate: float = 1.0  # factor of the learning rate; lowered after a loss that is not finite
    done: bool = False


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds: the identity and the position of its training, and the state of each part by
    name."""

    identity: Identity
    progress: Progress
    parts: Mapping[str, object]


def save(
    run: Path,
    progress: Progress,
    parts: Mapping[str, Stateful],
    identity: Identity,
    steps: int | None = None,
) -> None:
    """Writes the checkpoint, and keeps the previous one; `steps` is the length of a run whose position
    is listed."""
    state: dict[str, object] = {"identity": dict(identity), "progress": asdict(progress)}
    for name, part in parts.items():
        state[name] = part.state_dict()
    path = run / CHECKPOINT
    with write_atomically(path) as beside:
        write_state(beside, state)
        if path.exists():  # a link and a rename: at no moment is there no complete checkpoint
            spare = run / f".{PREVIOUS}"
            spare.unlink(missing_ok=True)
            try:
                spare.hardlink_to(path)
            except (OSError, NotImplementedError):  # exFAT and network drives have no links
                shutil.copyfile(path, spare)
            spare.replace(run / PREVIOUS)
    if steps is not None:
        write_json(run / POSITION, {"step": progress.step, "steps": steps})


def load(
    run: Path,
    parts: Mapping[str, Stateful],
    identity: Identity,
    on_main_process: Callable[[Callable[[], Any]], Any],
) -> Progress:
    """Restores the state of every part and returns the position; a damaged checkpoint is replaced by the
    previous one.

    `on_main_process` reads there and hands the result to all. Raises TrainingError where there is no
    checkpoint, both are damaged, or the identity differs."""
    found = on_main_process(lambda: _read_valid(run, identity))
    for name, part in parts.items():
        part.load_state_dict(found.parts[name])
    return found.progress


def _read_valid(run: Path, identity: Identity) -> Checkpoint:
    """The checkpoint, or the previous one, of a training with that identity."""
    if not (run / CHECKPOINT).is_file() and not (run / PREVIOUS).is_file():
        raise TrainingError(
            f"{run} has no {CHECKPOINT} to resume from. Leave out --resume to start a new run."
        )
    try:
        found = _read(run / CHECKPOINT)
    except TrainingError as error:
        note(f"{error} The previous one is used.")
        found = _read(run / PREVIOUS)
    for name, value in identity.items():
        if not _equal(name, found.identity.get(name), value):
            what = _difference(name, found.identity.get(name), value)
            raise TrainingError(
                f"{run} was trained with {what}. Resume with the same command as before, "
                f"or start a new run with another --to."
            )
    return found


def _difference(name: str, old: object, new: object) -> str:
    """What differs between two identities: of recipes the fields, with both values."""
    if name != "recipe" or not isinstance(old, str) or not isinstance(new, str):
        return f"another {name}"
    try:
        before, after = (flat(to_dict(from_dict(Recipe, json.loads(text)))) for text in (old, new))
    except (ValueError, UsageError):
        return f"another {name}"
    changed = []
    for key in dict.fromkeys([*before, *after]):
        was, now = before.get(key), after.get(key)
        if was != now and key != "summary":
            changed.append(f"{key}={_shown(was)}, not {_shown(now)}")
    more = f", and {len(changed) - SHOWN} more fields differ" if len(changed) > SHOWN else ""
    if not changed:
        return f"another {name}"
    return f"another {name}: {'; '.join(changed[:SHOWN])}{more}"


SHOWN = 4  # fields of a recipe in a sentence


def _shown(value: object) -> str:
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return "unset" if value is None else str(value)


def _equal(name: str, old: object, new: object) -> bool:
    """Whether two values of an identity are equal. Of recipes, fields that an older one lacks have their
    defaults, old names count as the current ones, and the summary, which describes only, is not compared."""
    if old == new or name != "recipe" or not isinstance(old, str) or not isinstance(new, str):
        return old == new
    try:
        recipes = [from_dict(Recipe, json.loads(text)) for text in (old, new)]
        return replace(recipes[0], summary="") == replace(recipes[1], summary="")
    except (ValueError, UsageError):
        return False


def _read(path: Path) -> Checkpoint:
    state = read_state(path, "Start a new run with --force.")
    try:
        identity = msgspec.convert(state.pop("identity"), dict[str, object])
        progress = msgspec.convert(state.pop("progress"), Progress)
    except (KeyError, ValueError) as error:
        raise TrainingError(f"{path} is damaged ({error}). Start a new run with --force.") from None
    progress.sums = rename_old_keys("terms", progress.sums)
    progress.counts = rename_old_keys("terms", progress.counts)
    return Checkpoint(identity, progress, state)


def write_state(path: Path, state: Mapping[str, object]) -> None:
    """Writes tensors, numbers and text by name. In one piece, so that a full disk is the error of a plain
    write."""
    content = io.BytesIO()
    torch.save(dict(state), content)
    path.write_bytes(content.getbuffer())


def read_state(path: Path, repair: str) -> dict[str, object]:
    """What `write_state` wrote. Raises TrainingError for a damaged file, which ends with the sentence
    `repair`."""
    try:
        check_regular(path, LARGEST)
        return {**torch.load(path, map_location="cpu", weights_only=True)}
    except Exception as error:  # a damaged archive or pickle stream can raise almost anything
        reason = str(error).splitlines()[0]
        raise TrainingError(f"{path} is damaged ({reason}). {repair}") from None
