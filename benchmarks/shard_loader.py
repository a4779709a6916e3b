"""Training batches a second from a set in shards, beside the same set in memory: with warm and with cold disk
caches, and with the step of a small network between the batches.

python benchmarks/shard_loader.py [--faces 100000] [--size 64] [--batch 128] [--shards 256MiB]"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from facespace.core.console import quiet
from facespace.data.faces import FaceSet
from facespace.data.image_writer import ImageWriter, faces_per_shard
from facespace.data.set_table import make_table
from facespace.data.writing import write_facts
from facespace.image.photos import Template
from facespace.training.loaders import Loader
from facespace.training.memory import keep_freed_memory

TURNS = 6
BLOCK = 1_024  # faces written at a time


def make_set(folder: Path, count: int, size: int, shard: str) -> FaceSet:
    """A set of random faces, the same for every shard size."""
    folder.mkdir()
    template = Template(size, size, 3)
    writer = ImageWriter(folder, template, faces_per_shard(shard, count, template))
    for start in range(0, count, BLOCK):
        random = np.random.default_rng(start)
        writer.write(random.bytes(min(BLOCK, count - start) * writer.face_bytes))
    shards = writer.finish()
    names = (f"{number:07d}" for number in range(count))
    table = make_table(names, ["train"] * count, [""] * count, ("Hat",), np.ones((count, 1), np.float32))
    facts = {"source": "random", "terms": "none", "notes": []}
    write_facts(folder, template, table, np.zeros((count, 32), np.uint8), shards, (), facts)
    return FaceSet(folder)


def forget(faces: FaceSet) -> None:
    """Removes a set's files from the disk cache (Linux)."""
    for path in faces.root.glob("images*.npy"):
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def epoch(faces: FaceSet, batch: int, network: torch.nn.Module | None) -> np.ndarray:
    """Faces a second by the clock, and a second of processor time, of an epoch."""
    loader = Loader(faces, faces.rows("all"), batch)
    start, done = np.array([time.perf_counter(), time.process_time()]), 0
    for taken in loader.shuffled(0, 0):
        if network is not None:
            network(taken.image).mean().backward()
        done += len(taken.image)
    return done / (np.array([time.perf_counter(), time.process_time()]) - start)


def main() -> None:
    """Prints faces a second and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=int, default=100_000)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--shards", default="256MiB")
    options = parser.parse_args()
    torch.manual_seed(0)
    keep_freed_memory()  # as training does
    layers = torch.nn.Conv2d(3, 16, 5, 4), torch.nn.ReLU(), torch.nn.Conv2d(16, 32, 5, 4), torch.nn.Flatten()
    network = torch.nn.Sequential(*layers)
    with tempfile.TemporaryDirectory() as folder, quiet():
        mapped = make_set(Path(folder) / "one", options.faces, options.size, "one-file")
        memory = FaceSet(mapped.root)
        memory.images = np.array(memory.images)
        shards = make_set(Path(folder) / "shards", options.faces, options.size, options.shards)
        print(
            f"{options.faces:,} faces of {options.size} px, {len(shards.card['shards'])} shards, batch {options.batch}"
        )
        for name, net in (("loader alone", None), ("with a small network", network)):
            rates: dict[str, list[np.ndarray]] = {
                "in memory": [],
                "one file": [],
                "shards, cold": [],
                "shards, warm": [],
            }
            for _ in range(TURNS):
                rates["in memory"].append(epoch(memory, options.batch, net))
                rates["one file"].append(epoch(mapped, options.batch, net))
                forget(shards)
                rates["shards, cold"].append(epoch(shards, options.batch, net))
                rates["shards, warm"].append(epoch(shards, options.batch, net))
            base = np.max(rates["in memory"], axis=0)  # the best of TURNS, since other programs may run
            for kind, found in rates.items():
                clock, processor = np.max(found, axis=0)
                ratios = f"{clock / base[0]:.2f} × in memory by the clock, {processor / base[1]:.2f} × by processor time"
                print(f"{name:<22} {kind:<14} {clock:>9,.0f} faces/s  ({ratios})")


if __name__ == "__main__":
    main()
