"""How long `facespace --help` takes beside the bare import of its command-line library, run in turn: medians and ratio.

python benchmarks/startup.py [RUNS]"""

import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c 'import cyclopts'": [sys.executable, "-c", "import cyclopts"],
    "python -c 'import facespace'": [sys.executable, "-c", "import facespace"],
    "facespace --help": [sys.executable, "-m", "facespace", "--help"],
}


def seconds(command: list[str]) -> float:
    """Wall time of one process."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    """Prints a row a command."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for turn in range(runs + 1):  # the first turn warms the disk cache and is not counted
        for name, command in COMMANDS.items():
            taken = seconds(command)
            if turn:
                times[name].append(taken)
    base = statistics.median(times["python -c 'import cyclopts'"])
    for name, taken in times.items():
        median = statistics.median(taken)
        print(
            f"{name:<30} median {1000 * median:6.0f} ms  ({median / base:.2f} × importing cyclopts, {runs} runs)"
        )


if __name__ == "__main__":
    main()
