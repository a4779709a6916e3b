"""Processes that tests start, to kill them or to let them run beside the test, and a port for one of them."""

import io
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from facespace.cli import main

# A copy of this process has torch already, which a new interpreter loads for seconds. It cannot use an accelerator that
# this process has used, and on other systems a copy is not sound.
COPIES = sys.platform == "linux" and not torch.cuda.is_available()


def free_port() -> int:
    """A port of this machine that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Started:
    """A process that calls a function of a module with arguments, in a session of its own."""

    def __init__(self, function: Callable, *args: object) -> None:
        self.outputs = [Path(tempfile.mkstemp()[1]) for _ in range(2)]
        context = multiprocessing.get_context("fork" if COPIES else "spawn")
        self.process = context.Process(target=_call, args=(function, args, *self.outputs))
        self.process.start()

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self.process.exitcode

    def wait_until(self, true: Callable[[], object], seconds: float = 120) -> None:
        """Waits for something that the process does; it must still be running then."""
        until = time.monotonic() + seconds
        while not true():
            assert self.poll() is None and time.monotonic() < until, self.outputs[1].read_text()
            time.sleep(0.01)

    def send_signal(self, how: int) -> None:
        """To the process alone."""
        os.kill(self.process.pid, how)

    def kill_all(self) -> None:
        """The process and all that it started."""
        if self.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.join()

    def finish(self, seconds: float = 120) -> tuple[int, str, str]:
        """Waits for the end: exit code, stdout and stderr."""
        self.process.join(seconds)
        code = self.process.exitcode
        if code is None:
            self.kill_all()
        texts = [path.read_text(encoding="utf-8") for path in self.outputs]
        for path in self.outputs:
            path.unlink()
        assert code is not None, texts[1]
        return code, *texts


def command(*tokens: object) -> Started:
    """`facespace TOKENS`."""
    return Started(_run_command, [str(token) for token in tokens])


def _run_command(tokens: list[str]) -> None:
    sys.argv = ["facespace", *tokens]
    main()


def _call(function: Callable, args: tuple, out: Path, err: Path) -> None:
    os.setsid()
    # What pytest or a background shell set does not hold here.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND), number)
    sys.stdout, sys.stderr = (
        io.TextIOWrapper(io.FileIO(number, "w"), encoding="utf-8", line_buffering=True) for number in (1, 2)
    )
    function(*args)
