"""Attacks on what facespace keeps: Ctrl-C at random moments, kills at random file events, several writers, a soak of
the page's server. Each prints its attempts and its failures, and exits with 1 where there was one.

    python benchmarks/attacks.py interrupts --attempts 50      # of each verb with workers
    python benchmarks/attacks.py kills --attempts 200          # shared out over five verbs
    python benchmarks/attacks.py writers --attempts 20
    python benchmarks/attacks.py soak --minutes 30
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

TINY = ("model.image=3,16,16", "model.latent_dim=5", "model.widths=8,12", "train.batch=8", "train.epochs=2")
GONE = 3.0  # seconds after the first signal in which all processes have ended
Failures = list[str]


def command(*words: object) -> list[str]:
    """A command line of facespace."""
    return [sys.executable, "-m", "facespace", *map(str, words)]


def run(*words: object) -> subprocess.CompletedProcess[str]:
    """A command of facespace until its end."""
    return subprocess.run(command(*words), capture_output=True, text=True, timeout=600)


# Ctrl-C ---------------------------------------------------------------------------------------------------------


def interrupted_verbs(folder: Path) -> dict[str, Callable[[int], list[str]]]:
    """Verbs with worker processes, as command lines of an attempt."""
    prepare = ("--workers", 2, "--limit", 3000, "--size", 64)
    return {
        "prepare": lambda number: command("prepare", "synthetic", "--to", folder / f"set{number % 5}", *prepare),
        "demo": lambda number: command("demo", "--to", folder / f"demo{number}"),
    }


def members(group: int) -> list[int]:
    """The processes of a process group that run."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[2]) == group and fields[0] != "Z":
                    found.append(int(entry.name))
    return found


def interrupt(words: list[str], choice: random.Random, latest: float) -> tuple[str, str]:
    """Starts a command, sends signals at a random moment, and returns the moment and what went wrong."""
    after = choice.uniform(0.15, latest)
    count, group = choice.choice((1, 2, 2, 5)), choice.random() < 0.5
    gaps = [choice.uniform(0.002, 0.6) for _ in range(count - 1)]
    what = f"{after:.2f} s, {count} to {'the group' if group else 'the process'}, gaps {[round(g, 3) for g in gaps]}"
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(words, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(after)
            return what, ""  # it had ended
        first = time.monotonic()
        for gap in (0.0, *gaps):
            time.sleep(gap)
            with contextlib.suppress(ProcessLookupError):
                (os.killpg if group else os.kill)(process.pid, signal.SIGINT)
        while members(process.pid) and time.monotonic() - first < GONE + 3:
            process.poll()
            time.sleep(0.01)
        taken, left = time.monotonic() - first, members(process.pid)
        for number in left:
            os.kill(number, signal.SIGKILL)
        code = process.wait()
        output.seek(0)
        said = output.read()
    problems = []
    if left or taken > GONE:
        problems.append(f"{len(left)} left after {taken:.1f} s")
    if code != 130:
        problems.append(f"exit code {code}")
    if "Traceback" in said or said.count("facespace: Interrupted.") != 1:
        problems.append(f"said {said[-600:]!r}")
    return what, "; ".join(problems)


def interrupts(options: argparse.Namespace) -> Failures:
    """Signals at random moments; then the same command goes on to its end."""
    failures, choice = [], random.Random(options.seed)
    with tempfile.TemporaryDirectory() as temporary:
        for name, words_of in interrupted_verbs(Path(temporary)).items():
            for number in range(options.attempts):
                what, problem = interrupt(words_of(number), choice, options.latest)
                if problem:
                    failures.append(f"{name} at {what}: {problem}")
                if options.verbose:
                    print(name, what, problem or "good", flush=True)
            if name == "prepare":
                for number in range(5):
                    done = subprocess.run(words_of(number), capture_output=True, text=True)
                    if done.returncode:
                        failures.append(f"{name} does not go on: {done.stderr[-300:]}")
            print(f"{name}: {options.attempts} attempts, {len(failures)} failures so far", flush=True)
    return failures


VERBS: dict[str, Callable[[argparse.Namespace], Failures]] = {"interrupts": interrupts}


def main() -> None:
    """Runs an attack."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("attack", choices=VERBS)
    parser.add_argument("--attempts", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--latest", type=float, default=4.0, help="seconds after which signals come at the latest")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    failures = VERBS[options.attack](options)
    for failure in failures:
        print("FAILED", failure)
    print(f"{options.attack}: {len(failures)} failures")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
