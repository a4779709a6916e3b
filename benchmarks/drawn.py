"""How many faces a second are drawn, at 1 and 2 worker processes: medians of several turns.

python benchmarks/drawn.py [FACES]"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import facespace
from facespace.core.console import quiet


def main() -> None:
    """Prints a row for each size and number of workers."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    for size in (64, 128):
        for workers in (1, 2):
            rates = []
            for _ in range(3):
                with tempfile.TemporaryDirectory() as folder, quiet():
                    start = time.perf_counter()
                    facespace.prepare(
                        "synthetic", to=Path(folder) / "s", size=size, limit=count, workers=workers
                    )
                    rates.append(count / (time.perf_counter() - start))
            print(
                f"{size} px, {workers} workers: {statistics.median(rates):,.0f} faces a second (whole prepare, {count:,} faces)"
            )


if __name__ == "__main__":
    main()
