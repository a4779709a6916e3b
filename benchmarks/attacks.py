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
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from attacks_server import soak

from facespace.core.console import quiet

TINY = (
    "model.image=3,16,16",
    "model.latent_dim=5",
    "model.widths=8,12",
    "train.batch=8",
    "train.epochs=2",
    "train.prior=normal",
)
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
        "prepare": lambda number: command(
            "prepare", "synthetic", "--to", folder / f"set{number % 5}", *prepare
        ),
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


# Kills ----------------------------------------------------------------------------------------------------------

WRITES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "fsync")


@dataclass(frozen=True)
class Victim:
    """A verb that is killed: `before` makes what it needs, `work` is the verb, `whole` raises where what a kill
    has left cannot be opened, and `result` tells what the verb has made."""

    before: Callable[[Path], object]
    work: Callable[[Path], object]
    whole: Callable[[Path], object]
    result: Callable[[Path], object]


def in_child(work: Callable[[], object], root: Path | None = None, at: int = 0) -> tuple[int, str]:
    """Runs `work` in a process of its own, which kills itself at its file event number `at` below `root`. Returns
    the signal that ended it or 0, and its result or error as text; without `at` the number of events."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        seen = watch(root, at) if root else [0]
        try:
            with quiet():
                said = f"{work()}"
            said = said if root is None or at else str(seen[0])
        except BaseException as error:
            said = f"FAILED {type(error).__name__}: {error}"
        os.write(writer, said.encode()[:4000])
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    return (os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0), said


def watch(root: Path, at: int) -> list[int]:
    """Counts this process's changes of files below a folder, and kills it at one of them."""
    seen, flush = [0], os.fsync

    def hook(event: str, arguments: tuple) -> None:
        writes = event in WRITES or (event == "open" and isinstance(arguments[2], int) and arguments[2] & 3)
        if writes and str(root) in os.fsdecode(os.fspath(arguments[0])):
            seen[0] += 1
            if seen[0] == at:
                os.kill(os.getpid(), signal.SIGKILL)

    def flushed(file: int) -> None:
        hook("fsync", (root,))
        flush(file)

    os.fsync = flushed
    sys.addaudithook(lambda event, arguments: hook(event, arguments) if event in (*WRITES, "open") else None)
    return seen


def victims(drawn: Path, trained: Path) -> dict[str, Victim]:  # noqa: C901 (a table of small functions)
    """The five verbs, on a set of 60 faces and a run of a tiny model."""
    import facespace
    from facespace.models import bundle, export

    def train(to: Path) -> object:
        going_on = (to / "run" / "checkpoint.pt").is_file()
        return facespace.train("demo", drawn, to / "run", settings=TINY, trackers=["none"], resume=going_on)

    def opens(to: Path) -> None:
        for card in to.glob("**/card.json"):
            if ".facespace-" not in str(card.relative_to(to)):
                facespace.load(card.parent)

    def weights(to: Path) -> object:
        return [bundle.card_of(to / "run" / name)["fingerprint"] for name in ("best", "last")]

    def prepare(to: Path, seed: int = 0) -> object:
        options = {"size": 16, "limit": 150, "workers": 1, "force": True}
        return facespace.prepare("synthetic", to=to / "set", seed=seed, **options)

    def pack(to: Path, bits: int = 8) -> object:
        return export.pack(bundle.load(trained), to / "space", bits=bits)

    def space(to: Path) -> None:
        pack(to)
        z = np.random.default_rng(0).normal(size=(10, 5)).astype(np.float32)
        facespace.load(to / "space").add_direction("mine", z[:5], z[5:])

    def fitted(to: Path) -> object:
        opened = facespace.load(to / "space")
        priors = sorted(opened.card.get("priors", {}))
        return priors, opened.directions().names, [opened.prior(kind).origin for kind in priors]

    def kept(to: Path) -> None:
        assert "mine" in facespace.load(to / "space").directions().names

    return {
        "train": Victim(lambda to: None, train, opens, weights),
        "prepare": Victim(
            lambda to: prepare(to, 1),
            prepare,
            lambda to: facespace.FaceSet(to / "set"),
            lambda to: facespace.FaceSet(to / "set").fingerprint,
        ),
        "fit-prior": Victim(
            space, lambda to: facespace.load(to / "space").fit_prior(drawn, "normal"), kept, fitted
        ),
        "directions": Victim(
            space, lambda to: facespace.load(to / "space").fit_directions(drawn, ["smile"]), kept, fitted
        ),
        "pack": Victim(
            lambda to: pack(to, 16), pack, opens, lambda to: bundle.card_of(to / "space")["fingerprint"]
        ),
    }


def kills(options: argparse.Namespace) -> Failures:
    """Each verb is killed at random file events; what it replaces can be opened, and the same command goes on to
    the same result, and leaves nothing behind."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    import facespace

    failures, choice = [], random.Random(options.seed)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary).resolve()
        drawn, trained = folder / "drawn", folder / "trained"
        in_child(lambda: facespace.prepare("synthetic", to=drawn, size=16, limit=60, workers=1))
        in_child(lambda: facespace.train("demo", drawn, trained, settings=TINY, trackers=["none"]))
        known = victims(drawn, trained)
        chosen = {name: known[name] for name in options.verbs.split(",")} if options.verbs else known
        for name, victim in chosen.items():
            failures += kill_verb(name, victim, folder / name, -(-options.attempts // len(chosen)), choice)
    return failures


def kill_verb(name: str, victim: Victim, folder: Path, attempts: int, choice: random.Random) -> Failures:
    """The attempts on one verb."""
    made = in_child(lambda: victim.before(folder / "before"))[1]
    assert not made.startswith("FAILED"), made
    (folder / "before").mkdir(parents=True, exist_ok=True)
    shutil.copytree(folder / "before", folder / "whole")
    events = int(in_child(lambda: victim.work(folder / "whole"), folder / "whole")[1])
    expected = in_child(lambda: victim.result(folder / "whole"))[1]
    listed = listing(folder / "whole")
    failures: Failures = []
    for number in range(attempts):
        to, at = folder / f"attempt{number}", choice.randint(1, events)
        shutil.copytree(folder / "before", to)
        killed, _ = in_child(lambda to=to: victim.work(to), to, at)
        left = {"": listing(to)}
        steps = {"opens": victim.whole, "goes on": victim.work, "makes the same": victim.result}
        said = {what: in_child(lambda step=step, to=to: step(to))[1] for what, step in steps.items()}
        problems = [f"{what}: {text}" for what, text in said.items() if text.startswith("FAILED")]
        if said["makes the same"] != expected:
            problems.append(f"made {said['makes the same']}, not {expected}")
        if listing(to) != listed:
            problems.append(f"left {sorted(set(listing(to)) ^ set(listed))}")
        if killed != signal.SIGKILL:
            problems.append("was not killed")
        failures += [f"{name} at {at} of {events} ({left['']}): {problem}" for problem in problems]
        shutil.rmtree(to)
    print(f"{name}: {attempts} kills at {events} file events, {len(failures)} failures", flush=True)
    return failures


def listing(folder: Path) -> list[str]:
    """All files below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


# Writers --------------------------------------------------------------------------------------------------------


def writers(options: argparse.Namespace) -> Failures:
    """Two commands that keep directions in one bundle at the same instant, and two that prepare one set."""
    failures: Failures = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        run("prepare", "synthetic", "--to", folder / "drawn", "--size", 16, "--limit", 60, "--workers", 1)
        settings = [word for setting in TINY for word in ("--set", setting)]
        run(
            "train",
            "demo",
            "--data",
            folder / "drawn",
            "--to",
            folder / "run",
            "--tracker",
            "none",
            *settings,
        )
        for number in range(options.attempts):
            space = shutil.copytree(folder / "run" / "best", folder / f"space{number}")
            directions = ("directions", space, "--data", folder / "drawn", "--attributes")
            said = both((*directions, "smile"), (*directions, "skin_tone"))
            names = json.loads((space / "card.json").read_text()).get("directions", {}).get("names", {})
            if {code for code, _ in said} != {0} or set(names) != {"smile", "skin_tone"}:
                failures.append(f"directions, attempt {number}: {said}, {sorted(names)}")
            to = folder / f"set{number}"
            prepare = (
                "prepare",
                "synthetic",
                "--to",
                to,
                "--size",
                16,
                "--limit",
                500,
                "--workers",
                1,
                "--seed",
            )
            said = both((*prepare, 1), (*prepare, 2))
            whole = run("show", to, "--to", folder / "sheet.png")
            if sorted(code for code, _ in said)[0] != 0 or whole.returncode:
                failures.append(f"prepare, attempt {number}: {said}, {whole.stderr[-200:]}")
    print(f"writers: {2 * options.attempts} attempts")
    return failures


def both(*commands: tuple) -> list[tuple[int, str]]:
    """The exit codes and the last words of commands that run at the same time."""
    running = [
        subprocess.Popen(command(*words), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for words in commands
    ]
    said = [process.communicate()[1][-200:] for process in running]
    return [(process.returncode, text) for process, text in zip(running, said)]


VERBS: dict[str, Callable[[argparse.Namespace], Failures]] = {
    "interrupts": interrupts,
    "kills": kills,
    "writers": writers,
    "soak": soak,
}


def main() -> None:
    """Runs an attack."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("attack", choices=VERBS)
    parser.add_argument("--attempts", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--latest", type=float, default=4.0, help="seconds after which signals come at the latest"
    )
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--verbs", default="", help="of kills: these alone, with commas between them")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    failures = VERBS[options.attack](options)
    for failure in failures:
        print("FAILED", failure[:400])
    print(f"{options.attack}: {len(failures)} failures")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
