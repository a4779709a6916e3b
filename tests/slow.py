"""Writes slow.txt: the test functions that `make check` leaves out, so that the others take SECONDS of one core.

FACESPACE_TEST_TIMES=FILE pytest -n 2; python tests/slow.py FILE [--files]   # --files: prints seconds per file, no list"""

import sys
from collections import defaultdict
from pathlib import Path

SECONDS = 50  # of processor time for the tests that are left; a function with its fixtures counts as a whole


def read(path: Path) -> dict[str, float]:
    """Seconds of processor time per test function; of a file that several runs wrote, the last run of each test."""
    tests = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        duration, name = line.split(" ", 1)
        tests[name] = float(duration)
    seconds: dict[str, float] = defaultdict(float)
    for name, duration in tests.items():
        seconds[name.split("[")[0]] += duration
    return seconds


def main() -> None:
    """Reads the processor times of a whole run and writes the list."""
    seconds = read(Path(sys.argv[1]))
    if "--files" in sys.argv:
        files: dict[str, float] = defaultdict(float)
        for name, duration in seconds.items():
            files[name.split("::")[0]] += duration
        for name in sorted(files, key=files.__getitem__, reverse=True):
            print(f"{files[name]:7.1f}  {name}")
        print(f"{sum(files.values()):7.1f}  all")
        return
    left, slow = sum(seconds.values()), []
    for name in sorted(seconds, key=seconds.__getitem__, reverse=True):
        if left < SECONDS:
            break
        left -= seconds[name]
        slow.append(name)
    Path(__file__).with_name("slow.txt").write_text("\n".join(sorted(slow)) + "\n", encoding="utf-8")
    print(f"{len(slow)} functions are left out; the others take {left:.0f} s.")


if __name__ == "__main__":
    main()
