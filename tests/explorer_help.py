"""Helpers of the explorer's tests: a space with directions that are made up, and a running server."""

import re
import subprocess
import sys
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np

from facespace.core.errors import UsageError
from facespace.space.face_space import FaceSpace


class FakeDirections(SimpleNamespace):
    """Directions at right angles, of length `unit`; scores are exact projections."""

    def scores(self, z):
        return (z @ self.steps.T / (self.steps**2).sum(1)).astype(np.float32)


def with_directions(space: FaceSpace, names=("Smiling", "Eyeglasses", "Male"), unit=2.0) -> FaceSpace:
    """The space, as if it had learned directions with those names. One's own are remembered in memory."""
    axes = np.linalg.qr(np.random.default_rng(0).normal(size=(space.latent_dim, len(names))))[0].T * unit
    facts = {
        name: {"auc": 0.95 - 0.12 * i, "yes": 900 - i, "no": 2000, "note": "text"}
        for i, name in enumerate(names)
    }
    facts[names[0]] |= {"off": -0.5, "on": 1.5, "gap": 2.0}  # the others say nothing of class means
    known = FakeDirections(names=tuple(names), steps=axes.astype(np.float32), facts=facts)

    def edit(z, changes, lock=()):
        out = np.array(z, np.float32)
        for name, by in changes.items():
            if name not in known.names or name in lock:
                raise UsageError(f"Unknown or locked attribute {name!r}.")
            out += by * known.steps[known.names.index(name)]
        return out

    def add_direction(name, having, lacking):
        known.names = (*known.names, name)
        known.steps = np.vstack((known.steps, having.mean(0) - lacking.mean(0)))

    space.directions, space.edit, space.add_direction = lambda: known, edit, add_direction  # type: ignore[method-assign]
    return space


@contextmanager
def serving(*arguments):
    """`facespace explore` as a process of its own: yields (process, address), and stops it as Ctrl-C does."""
    command = [sys.executable, "-m", "facespace", "explore", *map(str, arguments), "--port", "0"]
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
