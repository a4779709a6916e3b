"""How many near copies `prepare --near-copies` finds: CelebA's photographs compressed again or resized, against the
distances between different photographs.

python benchmarks/near_copies.py CELEBA [IMAGES]     CELEBA holds img_align_celeba"""

import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from facespace.data.copies import DISTANCE, perceptual_hash
from facespace.image.photos import Template

CHANGES = ((75, 1.0), (60, 1.0), (85, 0.8), (85, 1.5))  # quality of the JPEG, and scale
COPIES = 250


def changed(photo: Image.Image, quality: int, scale: float) -> Image.Image:
    """A photograph resized, and compressed again."""
    size = (round(photo.width * scale), round(photo.height * scale))
    resized = photo if scale == 1 else photo.resize(size, Image.Resampling.LANCZOS)
    file = io.BytesIO()
    resized.save(file, "JPEG", quality=quality)
    return Image.open(file)


def bits(photo: Image.Image, template: Template) -> np.ndarray:
    """The hash of a photograph's face, (256,) of 0 and 1; the crop scales with the photograph."""
    return np.unpackbits(np.frombuffer(perceptual_hash(template.fit(photo)), np.uint8))


def main() -> None:
    """Prints the share of copies that are found, and the smallest distances of other faces."""
    files = sorted((Path(sys.argv[1]) / "img_align_celeba").iterdir())
    files = files[: int(sys.argv[2]) if len(sys.argv) > 2 else 1_500]
    template = Template(64, 64, 3, "center-148", (218, 178))
    photos = [Image.open(file).convert("RGB") for file in files]
    hashes = np.array([bits(photo, template) for photo in photos])
    for quality, scale in CHANGES:
        copies = np.array([bits(changed(photo, quality, scale), template) for photo in photos[:COPIES]])
        distances = (copies != hashes[:COPIES]).sum(1)
        print(
            f"quality {quality}, {scale:g} times the size: {(distances <= DISTANCE).mean():.1%} of "
            f"{len(copies)} copies found, largest distance {distances.max()} bits"
        )
    signs = hashes.astype(np.float32)
    sums = signs.sum(1)
    others = sums[:, None] + sums - 2 * signs @ signs.T
    np.fill_diagonal(others, np.inf)
    nearest = others.min(1)
    print(
        f"other faces: nearest {nearest.min():.0f} bits, median of the nearest {np.median(nearest):.0f}; "
        f"{(nearest <= DISTANCE).sum()} of {len(files):,} taken for a copy"
    )


if __name__ == "__main__":
    main()
