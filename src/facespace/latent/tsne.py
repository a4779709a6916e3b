"""t-SNE of a few hundred latents by numpy alone: exact gradients, since at this number a tree saves nothing.
Maps of thousands of faces are those of maps.py."""

import numpy as np

from facespace.core import waiting
from facespace.latent.components import principal_components

PERPLEXITY = 30.0
BISECTIONS = 60  # of each face's bandwidth
SMALL = 1e-12
START = 1e-4  # standard deviation of the start's first coordinate
EXAGGERATION, EXAGGERATED = 12.0, 250  # factor of the similarities, and for how many iterations
ITERATIONS = 1_000
SLOWEST_RATE = 50.0
MOMENTA = 0.5, 0.8  # while exaggerated, and after
GAIN_UP, GAIN_DOWN, LEAST_GAIN = 0.2, 0.8, 0.01


def tsne(z: np.ndarray) -> np.ndarray:
    """Places float64 (N, 2) of latents (N, D), N ≥ 4, by t-SNE (van der Maaten & Hinton, 2008): perplexity 30
    or a third of the faces, started from the first two principal components, at the learning rate N / 4 / 12
    (Belkina et al., 2019). Deterministic."""
    similar = similarities(z, min(PERPLEXITY, (len(z) - 1) / 3)).astype(np.float32)
    exaggerated = similar * np.float32(EXAGGERATION)
    places = _start(z)
    rate = max(len(z) / EXAGGERATION / 4, SLOWEST_RATE)
    moved, gains = np.zeros_like(places), np.ones_like(places)
    for iteration in range(ITERATIONS):
        waiting.step()
        early = iteration < EXAGGERATED
        slope = gradient(exaggerated if early else similar, places)
        turned = moved * slope < 0  # the step goes on in its direction
        gains = np.where(turned, gains + GAIN_UP, gains * GAIN_DOWN).clip(LEAST_GAIN)
        moved = MOMENTA[int(not early)] * moved - rate * gains * slope
        places = places + moved
    return places


def similarities(z: np.ndarray, perplexity: float) -> np.ndarray:
    """Symmetric similarities (N, N) of latents that sum to 1: Gaussians whose bandwidth gives each face the
    same perplexity."""
    squared = _squared_distances(z.astype(np.float64))
    np.fill_diagonal(squared, np.inf)
    nearest = squared.min(1, keepdims=True)
    squared -= nearest  # the same distribution, and no exponential is 0 everywhere
    usual = max(float(np.median(squared[np.isfinite(squared)])), SMALL)
    low, high = np.full((len(z), 1), -40.0), np.full((len(z), 1), 40.0)  # log of the precision
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        shares = _shares(squared, np.exp(middle) / usual)
        entropy = -(shares * np.log(np.maximum(shares, SMALL))).sum(1, keepdims=True)
        wide = entropy > np.log(perplexity)
        low, high = np.where(wide, middle, low), np.where(wide, high, middle)
    shares = _shares(squared, np.exp((low + high) / 2) / usual)
    return np.maximum((shares + shares.T) / (2 * len(z)), SMALL)


def gradient(similar: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The gradient (N, 2) of the Kullback-Leibler divergence of the similarities of places from those of
    latents."""
    places = places - places.mean(0)
    near = _squared_distances(
        places.astype(np.float32)
    )  # (N, N), and in place from here: it is most of the time
    near += 1
    np.reciprocal(near, out=near)
    np.fill_diagonal(near, 0)
    pull = near * np.float32(-1 / near.sum(dtype=np.float64))
    pull += similar
    pull *= near
    return 4 * (pull.sum(1)[:, None] * places - pull @ places.astype(np.float32))


def _shares(squared: np.ndarray, precision: np.ndarray) -> np.ndarray:
    found = np.exp(-squared * precision)
    return found / found.sum(1, keepdims=True)


def _squared_distances(x: np.ndarray) -> np.ndarray:
    lengths = np.square(x).sum(1)
    found = -2 * x @ x.T
    found += lengths[:, None]
    found += lengths
    return np.maximum(found, 0, out=found)


def _start(z: np.ndarray) -> np.ndarray:
    fitted = principal_components(z)
    places = fitted.plane(z)
    if len(fitted.axes) < 2:  # one latent: the other coordinate needs some start too
        places[:, 1] = np.random.default_rng(0).standard_normal(len(z)) * places[:, 0].std()
    return places / max(float(places[:, 0].std()), SMALL) * START
