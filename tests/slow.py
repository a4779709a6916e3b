"""Writes slow.txt: the test functions that `make check` leaves out, so that the others take SECONDS of one core.

pytest -n 2 --durations=0 --durations-min=0.05 > LOG; python tests/slow.py LOG"""

import re
import sys
from collections import defaultdict
from pathlib import Path

SECONDS = 80  # of the tests that are left; a function with its fixtures counts as a whole
LINE = re.compile(r"([0-9.]+)s (?:call|setup|teardown) +([^\s\[]+::[^\s\[]+)")


def main() -> None:
    """Reads the durations of a whole run and writes the list."""
    seconds: dict[str, float] = defaultdict(float)
    for duration, name in LINE.findall(Path(sys.argv[1]).read_text(encoding="utf-8")):
        seconds[name] += float(duration)
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
