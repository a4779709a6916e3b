"""What a published space stores so that its page can compute, without a server, what the explorer's engine
computes: arrays of numbers. Reads a space and writes no files; local_photos.py has what photographs need."""

import numpy as np

from facespace.space.face_space import FaceSpace
from facespace.space.gaussian_guides import guide_of, own_gaussian


def local_arrays(space: FaceSpace) -> dict[str, np.ndarray]:
    """Arrays by name, all float32, which web/local/ reads.

    `whitening_center` (D,) and `whitening_root` (D, D) are for directions of one's own
    (custom_direction.js); `prior_center` (D,) is the centre of spherical paths (paths.js). Where the model's
    own prior is a Gaussian that was fitted to latents, `model_prior_center` (D,) and `model_prior_root`
    (D, D) carry normal noise to it (random.js); without them that prior is N(0, I). Latents of
    a model of codes are not rounded to codes; its decoder does that.

    Where the density that bends geodesic paths is a Gaussian's, `geodesic_center` (D,), `geodesic_scale`
    (D,) and `geodesic_covariance` (D, D) describe it (geodesic.js); the last is left out for N(0, I)."""
    whitening = space.whitening()
    arrays = {
        "whitening_center": whitening.center,
        "whitening_root": whitening.root,
        "prior_center": space.prior_mean(),
    }
    own = own_gaussian(space)
    if own is not None:
        arrays |= {"model_prior_center": own.center, "model_prior_root": own.root}
    guide = guide_of(space)
    if guide is not None:
        arrays |= {"geodesic_center": guide.center, "geodesic_scale": guide.scale}
        if guide.covariance is not None:
            arrays["geodesic_covariance"] = guide.covariance
    return {name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}
