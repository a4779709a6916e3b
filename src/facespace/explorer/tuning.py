"""A space that is tuned to the photograph of one page ("Make it me"): a copy of the decoder learns to show
that face (pivotal tuning: Roich et al., 2021). In memory alone, and gone with the photograph."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from facespace.adaptation.progress import INVERSION, AdaptProgress
from facespace.core import waiting
from facespace.core.errors import UsageError
from facespace.explorer.engine import Engine

INVERSION_SHARE = 0.25  # of the time of a tuning, about
PREVIEW_EVERY = 2.0  # seconds between two pictures of the progress, each of which costs a step
COMPARED = 16  # faces of the prior by which the change of other faces is measured
_ONE_AT_A_TIME = threading.Lock()  # each takes all processors


class Tuned(NamedTuple):
    """The engine of a tuned space, the photograph's latent (1, D) in it, and by how many of 255 levels a
    pixel of another face has changed on average."""

    engine: Engine
    z: np.ndarray
    change: float


class Tuning:
    """One tuning of a copy of an engine's space: it runs in one thread, and others read its progress and may
    cancel it."""

    def __init__(self, engine: Engine) -> None:
        self.cancelled = False
        self.share = 0.0  # of the work that is done
        self.preview: np.ndarray | None = None  # the face as it is shown now, uint8 (1, H, W, C)
        self._engine = engine
        self._start = self._shown = time.monotonic()

    @property
    def seconds_left(self) -> float | None:
        """An estimate; None at the start."""
        if self.share < 0.05:
            return None
        return round((time.monotonic() - self._start) * (1 - self.share) / self.share, 1)

    def run(self, face: np.ndarray) -> Tuned | None:
        """Tunes to an aligned face, uint8 (H, W, C). None where it was cancelled. Raises UsageError for a
        space that cannot be tuned and without torch, Abandoned where nobody waits any more."""
        base = self._engine
        base.space.check_gradients()
        from facespace.adaptation.adapter import personalize  # torch, which the page can do without
        from facespace.adaptation.carried_over import prior_change

        tuned = personalize(base.space, face[None], on_step=self._step, stop=lambda: self.cancelled)
        if self.cancelled:
            return None
        copy = base.tuned_to(tuned.space)
        change, *_ = prior_change(base.space, copy.space, COMPARED, seed=0)
        return Tuned(copy, tuned.latents, 255 * change)

    def _step(self, at: AdaptProgress) -> None:
        waiting.step()
        self._engine.touch()  # background work waits
        done = at.step / at.steps
        self.share = INVERSION_SHARE * done
        if at.stage != INVERSION:
            self.share = INVERSION_SHARE + (1 - INVERSION_SHARE) * done
        if time.monotonic() - self._shown >= PREVIEW_EVERY:
            self.preview, self._shown = at.faces(), time.monotonic()


@contextmanager
def only_tuning() -> Iterator[None]:
    """Holds the place of the one tuning that may run. Raises UsageError where another one does."""
    if not _ONE_AT_A_TIME.acquire(blocking=False):
        raise UsageError("A tuning runs on this computer already. Wait until it is done, and try again.")
    try:
        yield
    finally:
        _ONE_AT_A_TIME.release()
