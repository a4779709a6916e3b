"""An autoencoder and a VAE of the same faces, of which only the bottleneck differs: how much each latent dimension changes, how
many random latents decode to a face that YuNet finds, and a sheet of such faces, for latents from N(0, I) and from a Gaussian
with the mean and the covariance of the encoded faces. FACESPACE_YUNET names YuNet's weights.

python benchmarks/conv_pair.py SET [--spaces spaces/conv-ae spaces/conv-vae] [--count 200] [--to sheet.webp]"""

import argparse
from pathlib import Path

import numpy as np
from essays import rows_of
from PIL import Image

import facespace
from facespace.core.errors import UsageError
from facespace.data.faces import evenly_spaced
from facespace.image.detectors import YuNet, local_yunet, open_detector

FITTED = "a Gaussian of its latents"
SURE = 0.8  # a detection's score from which it counts as a face
SHOWN, SCALE = 10, 2  # faces in a row of the sheet, and their enlargement
FITTED_TO = 4_000  # faces


def changes(space: facespace.FaceSpace, latents: dict[str, np.ndarray]) -> np.ndarray:
    """How many levels of 255 a pixel changes on average when a latent dimension goes from two standard deviations
    below the mean to two above, (D,), the most first: of N(0, I) in a VAE, of the encoded faces in an autoencoder."""
    drawn = latents["N(0, I)" if space.config.bottleneck == "gaussian" else FITTED]
    mean, step = drawn.mean(0), np.diag(2 * drawn.std(0))
    low, high = (space.decode((mean + sign * step).astype(np.float32)).astype(float) for sign in (-1, 1))
    return np.sort(np.abs(high - low).mean((1, 2, 3)))[::-1]


def random_latents(space: facespace.FaceSpace, faces: facespace.FaceSet, count: int) -> dict[str, np.ndarray]:
    """Latents (count, D) from both distributions, by their names."""
    draws = np.random.default_rng(0).standard_normal((count, space.latent_dim))
    encoded = space.encode(faces.images[evenly_spaced(faces.rows("train"), FITTED_TO)]).astype(np.float64)
    factor = np.linalg.cholesky(np.cov(encoded.T) + 1e-9 * np.eye(space.latent_dim))
    fitted = encoded.mean(0) + draws @ factor.T
    return {"N(0, I)": draws.astype(np.float32), FITTED: fitted.astype(np.float32)}


def count_found(detector: YuNet, faces: np.ndarray) -> int:
    """Of decoded faces (N, H, W, 3), how many the detector is sure of."""
    return sum(detector.score(Image.fromarray(face)) >= SURE for face in faces)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("set", type=Path)
    parser.add_argument(
        "--spaces", type=Path, nargs="+", default=[Path("spaces/conv-ae"), Path("spaces/conv-vae")]
    )
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--to", type=Path)
    options = parser.parse_args()
    weights = local_yunet()
    if not weights:
        raise UsageError("The count needs YuNet: name its weights by FACESPACE_YUNET.")
    detector, faces, rows = open_detector("yunet", weights), facespace.FaceSet(options.set), {}
    assert isinstance(detector, YuNet)
    for folder in options.spaces:
        space = facespace.load(folder)
        drawn = random_latents(space, faces, options.count)
        levels = changes(space, drawn)
        print(
            f"{folder.name}: a latent changes a pixel by {levels[0]:.0f} levels at most, {np.median(levels):.1f} in the median, "
            f"{levels[-1]:.1f} at least; {(levels < 1).sum()} of {len(levels)} by less than one"
        )
        for name, latents in drawn.items():
            decoded = space.decode(latents)
            rows[f"{folder.name}, latents from {name}"] = decoded
            print(
                f"{folder.name}: a face in {count_found(detector, decoded)} of {len(decoded)} decoded latents from {name}"
            )
    if options.to:
        rows_of([(title, decoded[:SHOWN]) for title, decoded in rows.items()], SCALE).save(
            options.to, quality=88
        )


if __name__ == "__main__":
    main()
