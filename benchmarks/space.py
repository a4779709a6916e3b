"""How light a space is: its size on the disk, the time until it is open, and the time of a decoded face and of 64.

    python benchmarks/space.py [SPACE] [--turns 30]

Without SPACE the one that comes along. Prints medians, after a warm-up; the time to open is that of a process of its own, imports
apart."""

import argparse
import statistics
import subprocess
import sys
import time

import torch

import facespace

OPEN = """
import sys, time
import facespace, facespace.space, facespace.models
began = time.perf_counter()
facespace.load(*sys.argv[1:])
print(time.perf_counter() - began)
"""


def main() -> None:
    """Prints three rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("space", nargs="?")
    parser.add_argument("--turns", type=int, default=30)
    asked = parser.parse_args()
    named = [asked.space] if asked.space else []
    space = facespace.load(*named)
    size = sum(file.stat().st_size for file in space.folder.iterdir() if file.is_file())
    opened = [
        float(
            subprocess.run(
                [sys.executable, "-c", OPEN, *named], capture_output=True, text=True, check=True
            ).stdout
        )
        for _ in range(3)
    ]
    print(
        f"{space.folder.name}: {size / 1e6:.2f} MB, open in {statistics.median(opened):.2f} s, {torch.get_num_threads()} threads"
    )
    for count in (1, 64):
        z = space.sample_latents(count)
        times = []
        for _ in range(asked.turns + 3):
            began = time.perf_counter()
            space.decode(z)
            times.append(1000 * (time.perf_counter() - began))
        print(f"{count:>3} faces decoded in {statistics.median(times[3:]):6.1f} ms")


if __name__ == "__main__":
    main()
