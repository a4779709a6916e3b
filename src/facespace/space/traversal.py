"""Traversals: steps through a space along one axis at a time, and how much of the picture each latent
changes."""

import numpy as np
import torch

from facespace.core.console import progress
from facespace.space.face_space import BATCH, FaceSpace

STEPS = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)  # standard deviations


@torch.inference_mode()
def influence(space: FaceSpace, z: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """How much each of the `moves` (P, D) changes the picture, (P,) in [0, 1]: the mean absolute change of a
    pixel value when it alone is added, over the faces `z` (M, D). A space that can be told attributes is told
    none."""
    faces = torch.from_numpy(np.asarray(z, np.float32)).to(space.device)
    still = space.torch_engine.image(faces).float()  # (M, C, H, W)
    parts = []
    with progress(len(moves), "Moving each latent", "latents") as advance:
        for some in (
            torch.from_numpy(np.asarray(moves, np.float32))
            .to(space.device)
            .split(max(1, BATCH // len(faces)))
        ):
            moved = space.torch_engine.image(
                (faces + some[:, None]).flatten(0, 1)
            ).float()  # (P · M, C, H, W)
            change = (moved.unflatten(0, (len(some), len(faces))) - still).abs()
            parts.append(change.flatten(1).mean(1).double().cpu())
            advance(len(some))
    return torch.cat(parts).numpy()


def walk(center: np.ndarray, axes: np.ndarray, steps: tuple[float, ...] = STEPS) -> np.ndarray:
    """Latents float32 (R, K, D): from `center` (D,) by each step along each of the `axes` (R, D), whose
    lengths are one step's."""
    return (center + np.asarray(steps)[None, :, None] * axes[:, None]).astype(np.float32)


def draw_walk(space: FaceSpace, latents: np.ndarray) -> np.ndarray:
    """Faces uint8 (R, K, H, W, C) of latents (R, K, D)."""
    faces = space.decode(latents.reshape(-1, latents.shape[-1]))
    return faces.reshape(*latents.shape[:2], *faces.shape[1:])
