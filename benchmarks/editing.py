"""How long it takes from a photograph to an edited face once the models are loaded, and what optimising the latent gains.

    python benchmarks/editing.py SPACE FOLDER [--turns 5]

Prints medians over the photographs of the folder in which a face is found: found, aligned, encoded, edited (strength 2 along
the space's first direction, two others locked) and decoded; the closed loop with the attribute network that comes along; and
the squared error of reconstructions before and after 30 steps of optimisation."""

import argparse
import time
from pathlib import Path

import numpy as np

import facespace
from facespace.core.errors import ImageError
from facespace.image import align
from facespace.image.detectors import open_detector
from facespace.image.photos import read_photo
from facespace.perception.attributes import load_classifier


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("space", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--turns", type=int, default=5)
    asked = parser.parse_args()
    space, find, net = facespace.load(asked.space), open_detector(), load_classifier()
    known = space.directions()
    name, locks = known.names[0], list(known.names[1:3])
    files = sorted(
        path for path in asked.folder.iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png")
    )
    seconds: dict[str, list[float]] = {}
    gains = []
    for turn in range(asked.turns + 1):  # the first one warms up
        for file in files:
            parts, began = {}, time.perf_counter()
            try:
                photo = read_photo(file)
            except ImageError:
                continue
            parts["read"] = time.perf_counter()
            found = find(photo)
            parts["found"] = time.perf_counter()
            if not found:
                continue
            face, _ = align.main_face(found, photo)
            aligned = align.align(photo, face, align.TEMPLATES["celeba"])
            parts["aligned"] = time.perf_counter()
            z = space.encode(aligned)
            parts["encoded"] = time.perf_counter()
            space.decode(space.edit(z, {name: 2.0}, locks))
            parts["edited"] = time.perf_counter()
            if turn:
                times = [began, *parts.values()]
                for part, start, end in zip(parts, times, times[1:]):
                    seconds.setdefault(part, []).append(end - start)
                seconds.setdefault("all of it", []).append(times[-1] - began)
            if turn == 1:
                began = time.perf_counter()
                space.edit(z, {"Smiling": "on"}, ["Male"], net)
                seconds.setdefault("closed loop, 40 steps", []).append(time.perf_counter() - began)
                began = time.perf_counter()
                better = space.optimize(aligned, z, 30)
                seconds.setdefault("optimised, 30 steps", []).append(time.perf_counter() - began)
                goal = space.target(space.fit(aligned))
                gains.append(
                    [((space.decode(one) / 255.0 - goal / 255.0) ** 2).mean() for one in (z, better)]
                )
    print(f"{len(gains)} photographs with a face of {len(files)}; medians, milliseconds")
    for part, values in seconds.items():
        print(
            f"{part:<24}{1000 * np.median(values):8.1f}   (95th percentile {1000 * np.percentile(values, 95):.1f})"
        )
    before, after = np.mean(gains, 0)
    print(
        f"mean squared error of reconstructions {before:.5f} -> {after:.5f} ({1 - after / before:.0%} less)"
    )


if __name__ == "__main__":
    main()
