"""What the listings of `prepare folder` and `prepare celeba` take, in bytes a face: kept until the set is written, and at
their peak. The files are empty, since a listing reads no pixels.

python benchmarks/listings.py [--faces 20000]"""

import argparse
import gc
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np

from facespace.data.listing import Origin, listing_of
from facespace.data.sources import SOURCES, SourceOptions

ATTRIBUTES = 40


def make_folder(root: Path, count: int) -> None:
    """Photographs of 500 people, ten a folder or more."""
    for person in range(500):
        (root / f"person_{person:05d}").mkdir(parents=True)
    for number in range(count):
        (root / f"person_{number % 500:05d}" / f"photo_{number:08d}.jpg").touch()


def make_celeba(root: Path, count: int) -> None:
    """CelebA's folder of images and its three tables."""
    (root / "img_align_celeba").mkdir(parents=True)
    signs = np.random.default_rng(0).choice([-1, 1], (count, ATTRIBUTES))
    header = " ".join(f"Attribute_{number}" for number in range(ATTRIBUTES))
    attributes, splits, people = [str(count), header], [], []
    for number in range(count):
        name = f"{number + 1:06d}.jpg"
        (root / "img_align_celeba" / name).touch()
        attributes.append(f"{name} {' '.join(map(str, signs[number]))}")
        splits.append(f"{name} {number * 3 // count}")
        people.append(f"{name} {number // 20}")
    for table, lines in (
        ("list_attr_celeba", attributes),
        ("list_eval_partition", splits),
        ("identity_CelebA", people),
    ):
        (root / f"{table}.txt").write_text("\n".join(lines) + "\n")


def measure(source: str, root: Path) -> tuple[int, float, float]:
    """Faces, and the bytes a face that are kept and that are taken at the peak."""
    gc.collect()
    tracemalloc.start()
    listing = listing_of(Origin(source, root, SOURCES[source]), SourceOptions(), None)
    gc.collect()
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    count = len(listing.faces)
    return count, kept / count, peak / count


def main() -> None:
    """Prints bytes a face of both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=int, default=20_000)
    count = parser.parse_args().faces
    with tempfile.TemporaryDirectory() as folder:
        for source, make in (("folder", make_folder), ("celeba", make_celeba)):
            root = Path(folder) / source
            make(root, count)
            listed, kept, peak = measure(source, root)
            print(f"{source:<8} {listed:,} faces: {kept:,.0f} bytes a face kept, {peak:,.0f} at the peak")


if __name__ == "__main__":
    main()
