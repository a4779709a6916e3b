"""Ctrl-C on the command line: one or several, to the process or to its group, ends it and its workers."""

import os
import signal
import subprocess
import sys
import time

import pytest

from facespace.data.faces import FaceSet

pytestmark = pytest.mark.skipif(not hasattr(os, "killpg"), reason="signals of POSIX")


def _start(*words):
    """A command in a process group of its own, with SIGINT as a terminal starts it."""
    return subprocess.Popen(
        [sys.executable, "-m", "facespace", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def _group_runs(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(("gaps", "kill"), [((0.0, 0.05), os.killpg), ((0.0, 0.3, 0.01, 0.01), os.kill)])
def test_several_signals_end_prepare_and_its_workers_and_the_same_command_goes_on(tmp_path, gaps, kill):
    words = ("prepare", "synthetic", "--to", tmp_path / "set", "--limit", 192, "--size", 64, "--workers", 2)
    process, log = _start(*words), tmp_path / ".set.facespace-partial" / "made.jsonl"
    waited = time.monotonic()
    while not log.is_file() and time.monotonic() - waited < 30:
        time.sleep(0.02)
    time.sleep(0.1)
    first = time.monotonic()
    for gap in gaps:
        time.sleep(gap)
        kill(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=20)
    assert time.monotonic() - first < 15  # three seconds, unless the machine is busy
    assert process.returncode == 130
    assert "Traceback" not in said and said.count("facespace: Interrupted.") == 1
    assert not _group_runs(process.pid)
    assert not (tmp_path / "set").exists()
    again = _start(*words[:-1], 1)
    again.communicate(timeout=60)
    assert again.returncode == 0
    assert len(FaceSet(tmp_path / "set")) == 192
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_the_deadline_holds_where_ctrl_c_is_ignored_as_in_a_background_job():
    script = (
        "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "from facespace.core import interrupts; interrupts.install()\n"
        "assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN\n"
        "interrupts.leave_soon(0, 'Stopped.'); time.sleep(60)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "Stopped.\n")
