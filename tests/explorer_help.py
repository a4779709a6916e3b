"""Helpers of the explorer's tests: a space with directions that are made up, and a running server, in a thread or as a
process of its own."""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from facespace.explorer.service import Service, Spaces
from facespace.latent.directions import Directions, Whitening, custom_direction, merged
from facespace.space.face_space import FaceSpace


def with_directions(space: FaceSpace, names=("Smiling", "Eyeglasses", "Male"), unit=2.0) -> FaceSpace:
    """The space, as if it had learned directions with those names: at right angles and of length `unit`, with exact
    projections as scores. One's own are remembered in memory."""
    units = np.linalg.qr(np.random.default_rng(0).normal(size=(space.latent_dim, len(names))))[0].T
    facts = {
        name: {"method": "mean", "auc": 0.95 - 0.12 * i, "yes": 900 - i, "no": 2000, "note": "text"}
        for i, name in enumerate(names)
    }
    facts[names[0]] |= {"off": -0.5, "on": 1.5, "gap": 2.0}  # the others say nothing of class means
    whitening = Whitening(np.zeros(space.latent_dim), unit * np.eye(space.latent_dim))
    known = [Directions(tuple(names), units, units, whitening, facts)]

    def add_direction(name, having, lacking):
        known[0] = merged(known[0], custom_direction(name, having, lacking, whitening))

    space.directions, space.whitening, space.add_direction = (
        lambda: known[0],
        lambda: whitening,
        add_direction,
    )  # type: ignore[method-assign]
    return space


class Judge:
    """A classifier of brightness above and below the middle of the picture, as if these were attributes."""

    def __init__(self, on_look=lambda: None, names=("Smiling", "Eyeglasses")) -> None:
        self.on_look, self.names, self.looks = on_look, names, 0

    def differentiable_logits(self, image: torch.Tensor) -> torch.Tensor:
        self.looks += 1
        self.on_look()
        middle = image.shape[2] // 2
        halves = (image[:, :, middle:].mean((1, 2, 3)), image[:, :, :middle].mean((1, 2, 3)))
        return 60.0 * (torch.stack(halves, 1) - 0.5)


@contextmanager
def running(
    spaces: Spaces, token: str | None = None, port: int = 0, new_token: bool = False
) -> Iterator[Service]:
    """A server in a thread, which must have ended 10 seconds after the block."""
    service = Service(spaces, "127.0.0.1", port, token, new_token=new_token)
    ready = threading.Event()
    thread = threading.Thread(target=service.serve_until_stopped, args=(lambda _: ready.set(),), daemon=True)
    thread.start()
    assert ready.wait(20)
    try:
        yield service
    finally:
        service.should_exit = True
        thread.join(10)
    assert not thread.is_alive()


@contextmanager
def serving(*arguments):
    """`facespace explore` as a process of its own: yields (process, address), and stops it as Ctrl-C does."""
    port = () if "--port" in arguments else ("--port", "0")
    command = [sys.executable, "-m", "facespace", "explore", *map(str, (*arguments, *port))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr
        line = process.stderr.readline()
        found = re.search(r"http://\S+", line)
        assert found, line + process.stderr.read()
        yield process, found[0]
    finally:
        process.kill()
        process.wait()
