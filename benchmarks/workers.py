"""How near `encode --data` and `label` come to the speed of their networks alone, in this process and in
workers: faces per second of both, interleaved, and the median of the ratios.

python benchmarks/workers.py [--space SPACE] [--faces 2048] [--rounds 5] [--workers 2]

The network's own speed is that of faces in memory, in the batches that the verbs take. A ratio with workers
counts all of their start; on N free cores it can lie above 1, where the network alone does not use them. On a
busy machine, and in this process, the ratio by processor time is the steadier one; it leaves out what workers
do."""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

import facespace
from facespace.core.console import quiet
from facespace.core.workers import HERE, Workers
from facespace.data.faces import SMALL_NETWORK_BATCH_SIZE, FaceSet
from facespace.image.photos import Template
from facespace.perception.attributes import load_classifier
from facespace.space.set_latents import encode_set
from facespace.training.labelling import label


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock, and of this process's processors."""
    start, used = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start, time.process_time() - used


def encode_alone(space: facespace.FaceSpace, pixels: np.ndarray) -> None:
    space.torch_engine.encode(pixels, space.attribute_values(None))


def label_alone(pixels: np.ndarray) -> None:
    net = load_classifier()
    for start in range(0, len(pixels), SMALL_NETWORK_BATCH_SIZE):
        net.probabilities(pixels[start : start + SMALL_NETWORK_BATCH_SIZE])


def measure(
    name: str, alone: Callable[[], object], verb: Callable[[], object], faces: int, rounds: int
) -> float:
    """Prints the speeds and their ratio, and returns it."""
    alone()  # once, so that neither pays for the first call
    own, whole = [], []
    for _ in range(rounds):
        own.append(seconds(alone))
        whole.append(seconds(verb))
    by_clock, by_processor = (
        statistics.median(before[place] / after[place] for before, after in zip(own, whole))
        for place in (0, 1)
    )
    speeds = [faces / statistics.median(clock for clock, _ in times) for times in (own, whole)]
    print(
        f"{name:24} {speeds[0]:8,.0f} faces/s alone {speeds[1]:8,.0f} faces/s by the verb, ratio {by_clock:.3f} by "
        f"the clock, {by_processor:.3f} by this process's processor time",
        flush=True,
    )
    return by_clock


def measure_all(
    space: facespace.FaceSpace, faces: FaceSet, folder: Path, rounds: int, count: int
) -> dict[str, float]:
    """The ratios of both verbs, in this process and in so many workers (0: not in workers)."""
    pixels, found = space.as_prepared().fit(faces.images[:]), {}
    for name, workers in (("this process", HERE), (f"{count} workers", Workers(count) if count else None)):
        if workers is None:
            continue
        encode = partial(encode_set, space, faces, folder / "z.npy", workers=workers)
        mark = partial(label, faces, folder / "labelled", workers=workers, force=True)
        alone = partial(encode_alone, space, pixels)
        found[f"encode, {name}"] = measure(f"encode, {name}", alone, encode, len(faces), rounds)
        alone = partial(label_alone, np.asarray(faces.images))
        found[f"label, {name}"] = measure(f"label, {name}", alone, mark, len(faces), rounds)
    return found


def rendered(folder: Path, template: Template, count: int) -> FaceSet:
    """Synthetic faces as a set of the space's size and crop."""
    (folder / "files").mkdir()
    for number in range(count):
        factors = facespace.synthetic.draw_factors(0, number)
        pixels = facespace.synthetic.render(factors, template.height, template.width)
        Image.fromarray(pixels).save(folder / "files" / f"{number:06}.png")
    size = (template.height, template.width)
    options = {"size": size, "gray": template.channels == 1, "cropped": template.crop}
    return facespace.prepare("folder", folder / "files", to=folder / "set", **options)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--space")
    parser.add_argument("--faces", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=0)
    options = parser.parse_args()
    space = facespace.load(options.space)
    with tempfile.TemporaryDirectory() as folder, quiet():
        faces = rendered(Path(folder), space.template, options.faces)
        measure_all(space, faces, Path(folder), options.rounds, options.workers)


if __name__ == "__main__":
    main()
