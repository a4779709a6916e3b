"""The folder of an adaptation: its files, the checkpoint from which a later process goes on, and a picture of
the progress."""

import hashlib
import json
import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import cast

from facespace.adaptation.adapter import Adapter, AdapterState
from facespace.adaptation.progress import INVERSION, TUNING, AdaptProgress, OnStep
from facespace.core.cards import CARD
from facespace.core.errors import TrainingError, UsageError
from facespace.core.files import write_atomically, write_json
from facespace.image.sheets import comparison
from facespace.models.locations import BEST
from facespace.report.report import Layout
from facespace.training.checkpoint import CHECKPOINT, read_state, write_state

NAME = "adapt"
PICTURE = "progress.png"
LAYOUT = Layout("an adapted space", NAME, others=(PICTURE, CHECKPOINT, BEST))
EVERY = 30.0  # seconds between two pictures and checkpoints


def check_folder(to: Path, resume: bool, force: bool) -> None:
    """Raises UsageError unless the folder is new or empty, is to be replaced, or can be resumed, and
    TrainingError where there is nothing to resume."""
    unfinished = (to / CHECKPOINT).is_file()
    if resume and not unfinished:
        what = "is finished" if (to / BEST / CARD).is_file() else "has no adaptation to resume"
        raise TrainingError(f"{to} {what}. Leave out --resume, and name a new folder or add --force.")
    try:
        LAYOUT.check(to, force or resume)
    except UsageError as error:
        hint = " It is unfinished: --resume goes on." if unfinished and not force else ""
        raise UsageError(f"{error}{hint}") from None


def clear(to: Path) -> None:
    """Removes an older adaptation."""
    for name in (LAYOUT.json, LAYOUT.page, PICTURE, CHECKPOINT):
        (to / str(name)).unlink(missing_ok=True)
    shutil.rmtree(to / BEST, ignore_errors=True)


class Keeper:
    """Keeps what a later process needs, and a picture of the progress, every half minute."""

    def __init__(self, to: Path, adapter: Adapter) -> None:
        self.to, self.adapter = to, adapter
        self.identity = _identity(adapter)
        self.last = time.monotonic()

    def begin(self) -> None:
        """Marks the folder as that of an unfinished adaptation."""
        self.to.mkdir(parents=True, exist_ok=True)
        write_json(self.to / LAYOUT.json, {"state": "unfinished", "resume": "the same command with --resume"})

    def restore(self) -> None:
        """Gives the adapter the state of the checkpoint. Raises TrainingError for one that is damaged, or of
        another adaptation."""
        path = self.to / CHECKPOINT
        state = read_state(path, "Start again with --force.")
        found, adapter = state.get("identity"), state.get("adapter")
        if not isinstance(found, dict) or not isinstance(adapter, dict):
            raise TrainingError(f"{path} is damaged (entries are missing). Start again with --force.")
        for name, value in self.identity.items():
            if found.get(name) != value:
                raise TrainingError(
                    f"{self.to} was started with another {name}. Resume with the same command as before, or "
                    "start again with --force."
                )
        self.adapter.restore(cast(AdapterState, adapter))

    def around(self, on_step: OnStep) -> OnStep:
        """The caller's function, and every half minute a checkpoint and a picture."""

        def step(at: AdaptProgress) -> None:
            on_step(at)
            if time.monotonic() - self.last >= EVERY:
                self.picture(at)
                if at.stage == TUNING:
                    self.checkpoint()
                self.last = time.monotonic()

        return step

    def picture(self, at: AdaptProgress) -> None:
        """Photographs over the faces that the space shows now."""
        now = at.faces()
        kept = self.adapter.faces if at.stage == INVERSION else self.adapter.faces[~self.adapter.held_out]
        originals = self.adapter.base.target(kept[: len(now)])
        with write_atomically(self.to / PICTURE) as path:
            comparison([("original", originals), (f"{at.stage}, step {at.step}", now)], scale=2).save(path)

    def checkpoint(self) -> None:
        """Writes the state of the adapter."""
        with write_atomically(self.to / CHECKPOINT) as path:
            write_state(path, {"identity": self.identity, "adapter": self.adapter.state()})

    def end(self, finished: bool) -> None:
        """Removes the picture, and the checkpoint of a finished adaptation."""
        (self.to / PICTURE).unlink(missing_ok=True)
        if finished:
            (self.to / CHECKPOINT).unlink(missing_ok=True)


def _identity(adapter: Adapter) -> dict[str, str]:
    """What must be equal for a checkpoint to be resumed, as plain text."""
    return {
        "photographs": hashlib.sha256(adapter.faces.tobytes()).hexdigest(),
        "base": adapter.base.card["fingerprint"],
        "seed": str(adapter.seed),
        "plan": json.dumps(asdict(adapter.plan), sort_keys=True),
    }
