"""What playing without PyTorch costs: an environment with facespace and no extra, its size, the time of its
installation, and of the first commands in it.

    python benchmarks/playing.py [--folder DIR]
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUNS = 5
COMMANDS = {
    "sample": ["sample", "-n", "1"],
    "sample, 16 faces": ["sample", "-n", "16"],
    "card": ["card", "faces64"],
    "recipes": ["recipes"],
    "runs": ["runs", "."],
    "--help": ["--help"],
}


def timed(words: list[str | Path], folder: Path) -> float:
    """Seconds of a command, as one process."""
    start = time.perf_counter()
    found = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if found.returncode:
        sys.exit(f"{' '.join(map(str, words))} failed: {found.stderr[-500:]}")
    return seconds


def size(folder: Path) -> float:
    """Megabytes of the files in a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--folder", type=Path, help="where the environment is made [default: a temporary one]"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="facespace-") as temporary:
        folder = options.folder or Path(temporary)
        environment = folder / "env"
        start = time.perf_counter()
        venv.create(environment, with_pip=True)
        bare = size(environment)
        python = environment / "bin" / "python"
        install: list[str | Path] = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        timed([*install, str(ROOT)], folder)
        installed = time.perf_counter() - start
        facespace = environment / "bin" / "facespace"
        first = timed([facespace, "sample", "-n", "1", "--to", "first.png"], folder)
        print(f"environment: {size(environment):.0f} MB, {bare:.0f} MB of them pip's")
        print(
            f"installed in {installed:.0f} s; the first face after {installed + first:.0f} s ({first:.2f} s of them)"
        )
        for name, words in COMMANDS.items():
            more = ["--to", "faces.npy"] if words[0] == "sample" else []
            seconds, work = [], []
            for _ in range(RUNS):
                before = os.times()
                seconds.append(timed([facespace, *words, *more], folder))
                after = os.times()
                work.append(sum(after[2:4]) - sum(before[2:4]))
            typical, used = statistics.median(seconds), statistics.median(work)
            print(f"{name}: {typical:.2f} s, {used:.2f} s of the processor (medians of {RUNS})")


if __name__ == "__main__":
    main()
