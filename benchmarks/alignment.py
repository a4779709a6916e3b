"""How often each detector finds a face, and how exactly the aligned face lies where CelebA's own alignment puts it.

python benchmarks/alignment.py DATA [--weights FILE] [-n 300]

DATA holds photos-unaligned/ and celeba/img_align_celeba/. A CelebA file is warped by a known turn (±20°), scale (±20 %)
and shift (±10 %), aligned again, and the eyes that the detector saw in the untouched file are followed through both."""

import argparse
import time
from pathlib import Path

import numpy as np
from PIL import Image

from facespace.core.errors import FacespaceError
from facespace.image.align import TEMPLATES, apply, similarity, warp
from facespace.image.detectors import Detector, open_detector

CELEBA = TEMPLATES["celeba"]


def random_warp(random: np.random.Generator) -> np.ndarray:
    """(2, 3): a turn, a scale and a shift about the centre of a CelebA picture."""
    size = np.array((CELEBA.width, CELEBA.height))
    angle, scale = np.radians(random.uniform(-20, 20)), random.uniform(0.8, 1.2)
    turn = scale * np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    return np.column_stack((turn, size / 2 + random.uniform(-0.1, 0.1, 2) * size - turn @ (size / 2)))


def photos(detector: Detector, files: list[Path]) -> str:
    """The share of photos with a face, and the time of each."""
    pictures = [Image.open(file).convert("RGB") for file in files]
    start = time.perf_counter()
    found = sum(bool(detector(picture)) for picture in pictures)
    taken = (time.perf_counter() - start) / max(len(files), 1)
    return f"a face in {found} of {len(files)} photos ({found / max(len(files), 1):.1%}), {1000 * taken:.0f} ms a photo"


def realigned(detector: Detector, files: list[Path]) -> str:
    """How far the eyes of warped and aligned CelebA faces lie from where they lay at first."""
    random = np.random.default_rng(0)
    whole, seen, errors = 0, 0, []
    for file in files:
        image, moved = Image.open(file).convert("RGB"), random_warp(random)
        before = detector(image)
        after = detector(warp(image, moved, CELEBA.width, CELEBA.height))
        whole, seen = whole + bool(before), seen + bool(after)
        if before and after:
            eyes = before[0].points[:2]
            back = similarity(after[0].points, CELEBA.points)
            errors.append(np.linalg.norm(apply(back, apply(moved, eyes)) - eyes, axis=1).mean())
    median, high = np.percentile(errors, (50, 95)) if errors else (np.nan, np.nan)
    count = len(files)
    return f"found in {whole}/{count} CelebA files, {seen}/{count} warped; eyes off by {median:.2f} px, 95 %: {high:.2f}"


def main() -> None:
    """Prints two rows a detector."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", type=Path, help="YuNet's ONNX file; otherwise cached or fetched")
    parser.add_argument("-n", type=int, default=300, help="CelebA images")
    given = parser.parse_args()
    unaligned = sorted((given.data / "photos-unaligned").glob("*.jpg"))
    celeba = sorted((given.data / "celeba" / "img_align_celeba").glob("*.jpg"))
    chosen = celeba[:: max(1, len(celeba) // max(given.n, 1))][: given.n]
    for name in ("yunet", "haar"):
        try:
            detector = open_detector(name, given.weights if name == "yunet" else None)
        except FacespaceError as error:
            print(f"{name}: {error}")
            continue
        print(f"{name:6} {photos(detector, unaligned)}")
        print(f"{name:6} {realigned(detector, chosen)}", flush=True)


if __name__ == "__main__":
    main()
