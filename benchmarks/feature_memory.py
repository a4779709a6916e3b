"""What features of many faces and the distances between them take in memory beyond the faces: a random network in place
of the Inception, FID and KID. The anonymous memory of the process, which files do not count for.

python benchmarks/feature_memory.py [--faces 20000] [--features 2048]"""

import argparse
import threading
from pathlib import Path

import numpy as np

from facespace.core.console import quiet
from facespace.perception.feature_distances import fid, kid
from facespace.perception.interface import Features


def anonymous() -> float:
    """The memory of this process that is no file, in MB."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["RssAnon"].split()[0]) / 1024


class Watch:
    """The largest memory while the block runs."""

    def __enter__(self) -> "Watch":
        self.start = self.peak = anonymous()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def _look(self) -> None:
        while not self._done.wait(0.01):
            self.peak = max(self.peak, anonymous())

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()


def main() -> None:
    """Prints the peak."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=int, default=20_000)
    parser.add_argument("--features", type=int, default=2_048)
    options = parser.parse_args()
    random = np.random.default_rng(0)
    weights = random.normal(size=(8 * 8 * 3, options.features)).astype(np.float32)

    def extract(faces: np.ndarray) -> np.ndarray:
        return (faces.reshape(len(faces), -1) / np.float32(255)) @ weights

    network = Features("random", "random", options.features, "0", extract)
    faces = random.integers(0, 256, (2, options.faces, 8, 8, 3), dtype=np.uint8)
    with quiet(), Watch() as watch:
        one, other = network(faces[0]), network(faces[1])
        found = fid(one, other), *kid(one, other, subsets=3)
    print(
        f"{options.faces:,} faces a side, {options.features} features: {watch.peak - watch.start:,.0f} MB at the peak"
    )
    print("FID {:.6f}, KID {:.6f} ± {:.6f}".format(*found))


if __name__ == "__main__":
    main()
