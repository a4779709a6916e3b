"""How long short commands take beside the bare imports of what they need, run in turn: medians and ratios.
Processor time beside wall time, since other work on the machine adds to the latter.

python benchmarks/startup.py [RUNS]"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

CYCLOPTS, TORCH = "import cyclopts", "import torch"
# An installed package has its bytecode on the disk; a checkout gets it where Python may write it.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


class Timing(NamedTuple):
    """Seconds of one process."""

    wall: float
    processor: float


def commands(folder: Path) -> dict[str, tuple[list[str], str]]:
    """Name -> command and the name of the import that it is compared with."""
    verb = [sys.executable, "-m", "facespace"]
    sample = ["sample", "-n", "4", "--to", str(folder / "x.png")]
    return {
        CYCLOPTS: ([sys.executable, "-c", CYCLOPTS], CYCLOPTS),
        TORCH: ([sys.executable, "-c", TORCH], TORCH),
        "import facespace": ([sys.executable, "-c", "import facespace"], CYCLOPTS),
        "facespace --help": ([*verb, "--help"], CYCLOPTS),
        "facespace recipes": ([*verb, "recipes"], CYCLOPTS),
        "facespace card": ([*verb, "card"], CYCLOPTS),
        "facespace runs": ([*verb, "runs", str(folder)], CYCLOPTS),
        "facespace sample": ([*verb, *sample], TORCH),
    }


def measure(command: list[str]) -> Timing:
    """Wall and processor time of one process."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=ENVIRONMENT)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Timing(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def main() -> None:
    """Prints a row a command."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    with tempfile.TemporaryDirectory() as folder:
        rows = commands(Path(folder))
        times: dict[str, list[Timing]] = {name: [] for name in rows}
        for turn in range(runs + 1):  # the first turn warms the disk cache and is not counted
            for name, (command, _) in rows.items():
                taken = measure(command)
                if turn:
                    times[name].append(taken)
    processor = {
        name: statistics.median(timing.processor for timing in found) for name, found in times.items()
    }
    print(f"{'command':<20}{'wall':>10}{'processor':>12}  ratio of processor time, {runs} runs")
    for name, (_, base) in rows.items():
        wall = statistics.median(timing.wall for timing in times[name])
        ratio = f"{processor[name] / processor[base]:.2f} × {base}"
        print(f"{name:<20}{1000 * wall:7.0f} ms{1000 * processor[name]:9.0f} ms  {ratio}")


if __name__ == "__main__":
    main()
