"""Paths through the noise space of a fitted flow: straight lines between the noises of two latents,
transported to latents. The plan of a morph in latent/morph.py takes these paths as a function."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from facespace.core.errors import UsageError
from facespace.latent import morph
from facespace.latent.paths import lerp

if TYPE_CHECKING:
    from torch import Tensor

    from facespace.models.priors import Prior

Transport = Callable[[np.ndarray], np.ndarray]  # latents (N, D) to noises (N, D), or back
Blend = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]  # noises (T, D) twice, t (T,) -> (T, D)


def has_noise(prior: "Prior") -> bool:
    """Whether a prior transports noise to latents, deterministically and in both directions."""
    from facespace.models.priors import Flow

    return isinstance(prior, Flow)


def noise_paths(prior: "Prior", blend: Blend = lerp) -> morph.PathsBetween:
    """The paths of a flow, from arrays and to arrays: exact at both ends, where the error of the solver is
    added back. Raises UsageError for a prior without a noise space.

    The noises of two faces are nearly orthogonal, so that on the line between them (`blend`) noise is shorter
    by up to a factor √½: a truncation, under which the flow has its most typical faces. On great circles
    (`slerp`), which keep its length (White, 2016), the faces between are as atypical as the two."""
    from facespace.models.priors import Flow

    if not isinstance(prior, Flow):
        raise UsageError(
            f"--path flow leads through the noise of a fitted flow; this prior is {prior.origin}. Fit a flow "
            "with: facespace fit-prior SPACE --data SET, or take --path geodesic."
        )
    return array_noise_paths(_on_arrays(prior.encode), _on_arrays(prior.decode), blend)


def array_noise_paths(encode: Transport, decode: Transport, blend: Blend = lerp) -> morph.PathsBetween:
    """The paths of a flow that is given by its two directions."""

    def between_ends(starts: np.ndarray, ends: np.ndarray) -> morph.Between:
        stops = np.concatenate([starts, ends])
        noise = encode(stops)
        lost = stops - decode(noise)
        count = len(starts)

        def between(segment: np.ndarray, t: np.ndarray) -> np.ndarray:
            e = blend(noise[segment], noise[count + segment], t)
            z = decode(e) + lerp(lost[segment], lost[count + segment], t)
            at = t[:, None]
            return np.where(at <= 0, starts[segment], np.where(at >= 1, ends[segment], z))

        return between

    return between_ends


def _on_arrays(function: "Callable[[Tensor], Tensor]") -> Transport:
    import torch

    def transported(rows: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return function(torch.from_numpy(rows)).float().cpu().numpy()

    return transported
