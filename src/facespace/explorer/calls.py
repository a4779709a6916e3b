"""What every handler is given, the request of a page about a space, and what it gives back: a header and a
payload."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from facespace.core.errors import UsageError
from facespace.explorer import messages
from facespace.explorer.engine import Engine
from facespace.explorer.messages import Header, Request
from facespace.explorer.tuning import Tuning

MOST_FACES = 64  # latents of one request
NOT_TUNED = "The tuned face is gone: it lived in the memory of the server. Open the photograph again."

Answer = tuple[Header, bytes | np.ndarray]


class Edit:
    """A closed-loop edit that runs, which another move of the page cancels."""

    cancelled = False


@dataclass
class Export:
    """An animation that is being written, which the page may cancel."""

    done: int = 0  # frames
    total: int = 0
    cancelled: bool = False

    def advance(self) -> None:
        """One more frame is read."""
        self.done += 1

    @property
    def share(self) -> float:
        """Of the work that is done, in [0, 1]."""
        return min(1.0, self.done / self.total) if self.total else 0.0


@dataclass
class Page:
    """One connected page. Its photograph, uint8 (H, W, 3), is kept until the page opens another one, forgets
    it or leaves; the spaces that were tuned to it until it forgets or leaves."""

    photo: np.ndarray | None = None
    tuning: Tuning | None = None  # the one that runs
    edit: Edit | None = None  # the one that runs
    export: Export | None = None  # the one that runs
    tuned: dict[Engine, Engine] = field(default_factory=dict)  # by the engine of the untuned space
    left: bool = False  # it has disconnected
    exporting: threading.Lock = field(default_factory=threading.Lock)  # one animation at a time

    def engine_for(self, engine: Engine, request: Request) -> Engine:
        """The engine that a request is about: the tuned copy where its field `tuned` says so."""
        if request.fields.get("tuned") is not True:
            return engine
        if engine not in self.tuned:
            raise UsageError(NOT_TUNED)
        return self.tuned[engine]


class Call(NamedTuple):
    """A request with what it refers to."""

    engine: Engine
    request: Request
    page: Page

    @property
    def fields(self) -> messages.Fields:
        """The fields of the request."""
        return self.request.fields

    def latents(self, most: int = MOST_FACES) -> np.ndarray:
        """The payload as latents, float32 (N, D), 1 ≤ N ≤ most."""
        return messages.latents(self.request.payload, self.engine.space.latent_dim, most)


Handler = Callable[[Call], Answer]


def faces(pixels: np.ndarray) -> tuple[Header, np.ndarray]:
    """Faces uint8 (N, H, W, C) as header and payload."""
    count, height, width, _ = pixels.shape
    return {"count": count, "width": width, "height": height}, messages.rgba(pixels)


def with_faces(engine: Engine, z: np.ndarray, facts: Header | None = None) -> Answer:
    """Latents (N, D) and their faces in one reply."""
    header, pixels = faces(engine.decode(z))
    header |= facts or {}
    return {**header, "latent_bytes": z.nbytes}, z.astype("<f4").tobytes() + pixels.tobytes()
