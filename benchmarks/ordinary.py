"""What the verbs cost on an ordinary folder of 300 photographs, before and after a change: two folders of sources are
compared, each verb in processes of its own, in turns. Processor time and peak memory, of worker processes too; the
smallest of the rounds.

python benchmarks/ordinary.py BEFORE/src src CELEBA [--rounds 3] [--photographs 300]"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

VERBS = {
    "prepare": "prepare celeba {celeba} --to {to}/set --limit {count} --workers 2 --force",
    "show": "show {to}/set --to {to}/sheet.png",
    "train": "train demo --data {to}/set --to {to}/run --force --tracker none"
    " --set model.image=3,64,64 --set train.steps=20 --set train.batch=16 --set train.prior=none",
    "sample": "sample --to {to}/faces.png -n 16",
    "evaluate": "evaluate --data {to}/set --split all --count 32 --samples 16 --features attributes --to {to}/report --force",
}


def run(sources: Path, command: str) -> tuple[float, float]:
    """Seconds of processor time of a command and its workers, and the peak memory of the largest process, MB."""
    environment = {**os.environ, "PYTHONPATH": str(sources), "OMP_NUM_THREADS": "1"}
    pid = subprocess.Popen(
        [sys.executable, "-m", "facespace", *command.split()],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert pid.stderr is not None
    said = pid.stderr.read().decode()
    _, status, usage = os.wait4(pid.pid, 0)
    if status:
        raise SystemExit(f"{command} failed:\n{said}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


def main() -> None:
    """Prints a line a verb."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("celeba", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--photographs", type=int, default=300)
    parser.add_argument("--verbs", default=",".join(VERBS))
    options = parser.parse_args()
    sources = {"before": options.before.resolve(), "after": options.after.resolve()}
    with tempfile.TemporaryDirectory() as folder:
        for verb in options.verbs.split(","):
            found: dict[str, list[tuple[float, float]]] = {name: [] for name in sources}
            for _ in range(options.rounds):
                for name, place in sources.items():
                    to = Path(folder, name)
                    command = VERBS[verb].format(
                        celeba=options.celeba.resolve(), to=to, count=options.photographs
                    )
                    found[name].append(run(place, command))
            (old, old_memory), (new, new_memory) = (map(min, zip(*found[name])) for name in sources)
            print(
                f"{verb:<9} {old:6.2f} s and {old_memory:5.0f} MB before, {new:6.2f} s and {new_memory:5.0f} MB after: "
                f"{new / old:.2f} × the time, {new_memory / old_memory:.2f} × the memory",
                flush=True,
            )


if __name__ == "__main__":
    main()
