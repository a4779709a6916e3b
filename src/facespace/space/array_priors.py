"""The priors of a space in numpy: arithmetic on the tensors of a bundle, and for a flow and a Gaussian an
ONNX graph that it comes with. Each gives the latents of the torch module of its name (models/priors.py), up
to rounding."""

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from facespace.core.errors import UsageError
from facespace.models.prior_facts import CHUNK, SOLVER_STEPS, SPREAD, raised_level
from facespace.space.normal_numbers import NormalNumbers

Arrays = Mapping[str, np.ndarray]
Run = Callable[..., np.ndarray]  # a graph, on float32 arrays by the names of its inputs
RIGHT_ANGLE = math.pi / 2


class Condition(NamedTuple):
    """The attributes that samples are conditioned on, float32 (A,), NaN unknown, and the strength of
    classifier-free guidance."""

    attributes: np.ndarray
    guidance: float


class ArrayPrior:
    """A distribution of latents float32 (D,); here N(0, I)."""

    has_noise = False  # whether noise is transported to latents, deterministically and in both directions

    def __init__(self, origin: str, dim: int, conditions: tuple[str, ...] = ()) -> None:
        self.origin, self.dim, self.conditions = origin, dim, conditions

    @property
    def mean(self) -> np.ndarray:
        """(D,)."""
        return np.zeros(self.dim, np.float32)

    def sample(self, n: int, seed: int, temperature: float, condition: Condition | None = None) -> np.ndarray:
        """(n, D)."""
        assert condition is None
        return np.float32(temperature) * NormalNumbers(seed).rows(n, self.dim)

    def truncate(self, z: np.ndarray, strength: float) -> np.ndarray:
        """Latents (N, D) moved by a strength in [0, 1] towards the mode."""
        return z + np.float32(strength) * (self.mean - z)

    def encode(self, z: np.ndarray) -> np.ndarray:
        """Latents (N, D) to noise. Raises UsageError for a prior without."""
        raise UsageError(
            f"--path flow leads through the noise of a fitted flow; this prior is {self.origin}. Fit a flow "
            "with: facespace fit-prior SPACE --data SET, or take --path geodesic."
        )

    decode = encode


class ArrayGaussian(ArrayPrior):
    """N(center, R Rᵀ), whose R is in the graph."""

    def __init__(self, origin: str, center: np.ndarray, deviations: Run) -> None:
        super().__init__(origin, len(center))
        self.center, self._deviations = center, deviations

    @property
    def mean(self) -> np.ndarray:
        """(D,)."""
        return self.center

    def deviations(self, noise: np.ndarray) -> np.ndarray:
        """Noise (N, D) to deviations from the mean, (N, D): R of each."""
        return in_chunks(noise, lambda part: self._deviations(noise=part))

    def sample(self, n: int, seed: int, temperature: float, condition: Condition | None = None) -> np.ndarray:
        """(n, D)."""
        moved = self.deviations(NormalNumbers(seed).rows(n, self.dim))
        return self.center + np.float32(temperature) * moved


class ArrayMixture(ArrayPrior):
    """K Gaussians: weights (K,), means (K, D) and lower triangular factors (K, D, D)."""

    def __init__(self, origin: str, arrays: Arrays) -> None:
        self.weights, self.means, self.factors = (arrays[name] for name in ("weights", "means", "factors"))
        super().__init__(origin, self.means.shape[1])

    @property
    def mean(self) -> np.ndarray:
        """(D,)."""
        return self.weights @ self.means

    def sample(self, n: int, seed: int, temperature: float, condition: Condition | None = None) -> np.ndarray:
        """(n, D)."""
        drawn = NormalNumbers(seed).rows(n, 1 + self.dim)
        chosen = np.searchsorted(self.weights.astype(np.float64).cumsum(), normal_share(drawn[:, 0]))
        chosen = chosen.clip(max=len(self.weights) - 1)
        rows = [
            self.means[k] + np.float32(temperature) * (self.factors[k] @ e)
            for k, e in zip(chosen, drawn[:, 1:])
        ]
        return np.stack(rows)

    def truncate(self, z: np.ndarray, strength: float) -> np.ndarray:
        """Towards the mean of the components under each latent's posterior over them."""
        joint = []
        for weight, mean, factor in zip(self.weights, self.means, self.factors.astype(np.float64)):
            white = np.linalg.solve(factor, (z - mean).T.astype(np.float64))  # (D, N)
            volume = np.log(np.diagonal(factor)).sum()
            joint.append(math.log(weight) - volume - 0.5 * np.square(white).sum(0))
        share = np.exp(np.stack(joint) - np.max(joint, 0))  # (K, N)
        mode = (share / share.sum(0)).T @ self.means.astype(np.float64)
        return (z + strength * (mode - z)).astype(np.float32)


class ArrayFlow(ArrayPrior):
    """Noise N(0, I) transported along the velocity of a graph: models/flow.py has the mathematics."""

    has_noise = True

    def __init__(
        self, origin: str, arrays: Arrays, velocity: Run, seen: int, conditions: tuple[str, ...]
    ) -> None:
        self.center, self.axes, self.spread = (arrays[name] for name in ("center", "axes", "spread"))
        super().__init__(origin, len(self.center), conditions)
        self._velocity, self.seen = velocity, seen

    @property
    def mean(self) -> np.ndarray:
        """(D,): that of the latents it was fitted to."""
        return self.center

    def sample(self, n: int, seed: int, temperature: float, condition: Condition | None = None) -> np.ndarray:
        """(n, D)."""
        start = self.scaled(self.initial_noise(n, seed), temperature)
        return in_chunks(start, lambda part: self.transport(part, condition))

    def initial_noise(self, n: int, seed: int) -> np.ndarray:
        """The noise of n samples, (n, D)."""
        return NormalNumbers(seed).rows(n, self.dim)

    def scaled(self, e: np.ndarray, factor: float) -> np.ndarray:
        """Noise with its distance from the mean of the noise scaled."""
        return np.float32(factor) * e

    def transport(self, start: np.ndarray, condition: Condition | None = None) -> np.ndarray:
        """Noise (N, D) to latents (N, D)."""
        return self.latents(self._integrate(start, 0.0, RIGHT_ANGLE, condition))

    def decode(self, e: np.ndarray) -> np.ndarray:
        """The same without a condition, for any number of rows."""
        return in_chunks(e, self._transported)

    def _transported(self, e: np.ndarray) -> np.ndarray:
        return ArrayFlow.transport(self, e)

    def encode(self, z: np.ndarray) -> np.ndarray:
        """The inverse of `decode` up to the solver's error."""
        centered = z.astype(np.float64) - self.center
        white = (centered @ self.axes.astype(np.float64) / self.spread).astype(np.float32)
        return in_chunks(white, lambda part: self._integrate(part, RIGHT_ANGLE, 0.0, None))

    def truncate(self, z: np.ndarray, strength: float) -> np.ndarray:
        """Noise is scaled: latents move along their own paths to regions of high density."""
        e = self.encode(z)
        return z + (self.decode(self.scaled(e, 1 - strength)) - self.decode(e))

    def latents(self, x: np.ndarray) -> np.ndarray:
        """White vectors (N, D) along the principal components to latents (N, D)."""
        return self.center + (x * self.spread) @ self.axes.T

    def _integrate(self, x: np.ndarray, start: float, end: float, condition: Condition | None) -> np.ndarray:
        moved, rest = x[:, : self.seen], x[:, self.seen :]
        for begin, stop in pairwise(angles(start, end)):
            moved = self.heun(moved, begin, stop, condition)
        return np.concatenate([moved, rest], 1)

    def heun(self, x: np.ndarray, start: float, end: float, condition: Condition | None) -> np.ndarray:
        """One step of Heun's method for white vectors (N, K)."""
        step = end - start
        first = self.guided(x, start, condition)
        second = self.guided(x + np.float32(step) * first, end, condition)
        return x + np.float32(step / 2) * (first + second)

    def guided(self, x: np.ndarray, angle: float, condition: Condition | None) -> np.ndarray:
        """Velocities (N, K), by classifier-free guidance (`Flow.guided`)."""
        unknown = np.full(len(self.conditions), np.nan, np.float32)
        if condition is None:
            return self._velocities(x, angle, unknown)
        conditional = self._velocities(x, angle, condition.attributes)
        if condition.guidance == 1:
            return conditional
        unconditional = self._velocities(x, angle, unknown)
        return unconditional + np.float32(condition.guidance) * (conditional - unconditional)

    def _velocities(self, x: np.ndarray, angle: float, attributes: np.ndarray) -> np.ndarray:
        inputs = {"points": np.ascontiguousarray(x), "angle": np.full((len(x), 1), angle, np.float32)}
        if len(attributes):
            inputs["attributes"] = np.tile(attributes, (len(x), 1))
        return self._velocity(**inputs)


class ArrayDiffusion(ArrayFlow):
    """Noise denoised in steps, each after a little noise was added: models/diffusion.py."""

    def initial_noise(self, n: int, seed: int) -> np.ndarray:
        """The noise of n samples at the start and before each step, (n, SOLVER_STEPS, D)."""
        return NormalNumbers(seed).rows(n, SOLVER_STEPS, self.dim)

    def transport(self, start: np.ndarray, condition: Condition | None = None) -> np.ndarray:
        """Such noise (N, SOLVER_STEPS, D) to latents (N, D)."""
        moved, rest = start[:, 0, : self.seen], start[:, 0, self.seen :]
        for step, (begin, end) in enumerate(pairwise(angles(0.0, RIGHT_ANGLE))):
            if step:
                back, deviation = raised_level(begin)
                noisy = (
                    moved / np.float32(math.sin(begin)) + np.float32(deviation) * start[:, step, : self.seen]
                )
                moved, begin = np.float32(math.sin(back)) * noisy, back
            moved = self.heun(moved, begin, end, condition)
        return self.latents(np.concatenate([moved, rest], 1))


class ArrayNoiseNormal(ArrayFlow):
    """A flow whose noise is N(noise_center, noise_root²): models/noise_normal.py."""

    def __init__(
        self, origin: str, arrays: Arrays, velocity: Run, seen: int, conditions: tuple[str, ...]
    ) -> None:
        super().__init__(origin, arrays, velocity, seen, conditions)
        self.noise_center, self.noise_root = arrays["noise_center"], arrays["noise_root"]

    @property
    def mean(self) -> np.ndarray:
        """(D,): the latent that the centre of the noises is transported to."""
        return self.transport(np.zeros((1, self.dim), np.float32))[0]

    def transport(self, start: np.ndarray, condition: Condition | None = None) -> np.ndarray:
        """White noise (N, D) to latents (N, D)."""
        return super().transport(self._colored(start), condition)

    def decode(self, e: np.ndarray) -> np.ndarray:
        """The same without a condition."""
        return super().decode(self._colored(e))

    def encode(self, z: np.ndarray) -> np.ndarray:
        """Latents (N, D) to white noise (N, D)."""
        e = super().encode(z).astype(np.float64)
        return np.linalg.solve(self.noise_root.astype(np.float64), (e - self.noise_center).T).T.astype(
            np.float32
        )

    def _colored(self, e: np.ndarray) -> np.ndarray:
        return (self.noise_center + e @ self.noise_root.T).astype(np.float32)


class ArrayNoisePairs(ArrayFlow):
    """A flow whose noise is a mixture around pairs (P, D) of faces: models/noise_pairs.py."""

    def __init__(
        self, origin: str, arrays: Arrays, velocity: Run, seen: int, conditions: tuple[str, ...]
    ) -> None:
        super().__init__(origin, arrays, velocity, seen, conditions)
        self.pairs = arrays["pairs"]

    @property
    def mean(self) -> np.ndarray:
        """(D,): the latent that the mean of the noise is transported to."""
        return self.transport(self.pairs.mean(0, keepdims=True))[0]

    def initial_noise(self, n: int, seed: int) -> np.ndarray:
        """The first number of each row of noise picks a pair: (n, D)."""
        drawn = NormalNumbers(seed).rows(n, 1 + self.dim)
        chosen = (normal_share(drawn[:, 0]) * len(self.pairs)).astype(int).clip(max=len(self.pairs) - 1)
        return self.pairs[chosen] + np.float32(SPREAD) * drawn[:, 1:]

    def scaled(self, e: np.ndarray, factor: float) -> np.ndarray:
        """Noise with its distance from the mean of the pairs scaled."""
        center = self.pairs.mean(0)
        return center + np.float32(factor) * (e - center)


FLOWS: dict[str, type[ArrayFlow]] = {
    "flow": ArrayFlow,
    "diffusion": ArrayDiffusion,
    "noise-normal": ArrayNoiseNormal,
    "noise-pairs": ArrayNoisePairs,
}


def angles(start: float, end: float) -> list[float]:
    """Radians between the steps of the solver."""
    return np.linspace(start, end, SOLVER_STEPS + 1).tolist()


def in_chunks(rows: np.ndarray, transport: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Rows (N, …) to latents (N, D), in batches of exactly CHUNK, so that rounding does not depend on N."""
    parts = []
    for start in range(0, len(rows), CHUNK):
        part = rows[start : start + CHUNK]
        padded = np.zeros((CHUNK, *rows.shape[1:]), np.float32)
        padded[: len(part)] = part
        parts.append(transport(padded)[: len(part)])
    return np.concatenate(parts) if parts else np.empty((0, rows.shape[-1]), np.float32)


def normal_share(values: np.ndarray) -> np.ndarray:
    """The share of N(0, 1) below each of the values (N,), float64."""
    return np.array([0.5 * math.erfc(-float(value) / math.sqrt(2)) for value in values])
