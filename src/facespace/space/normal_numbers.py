"""Normal random numbers that are those of torch's generator on the processor, in numpy: the same seed gives
the same latents on every engine.

The generator is MT19937 (Matsumoto & Nishimura, 1998), seeded by 32 bits. Of 16 or more numbers, torch fills
blocks of 16 with uniform ones of 24 bits and turns numbers j and j + 8 of a block into two normal ones (Box &
Muller, 1958); what is left over belongs to a last block of 16 that overlaps the one before. Fewer numbers are
made one by one from uniform ones of 53 bits, of which the second of each pair is kept for the next number,
also over calls. Differences to torch are those of its vectorised logarithm and cosine, some 1e-7."""

import math

import numpy as np

WORDS, BLOCK = 624, 16
HALF = BLOCK // 2


class NormalNumbers:
    """torch.Generator().manual_seed(seed), for torch.randn of float32 alone."""

    def __init__(self, seed: int) -> None:
        state = np.zeros(WORDS, np.uint32)
        word = seed & 0xFFFFFFFF
        for place in range(WORDS):
            state[place] = word
            word = (1812433253 * (word ^ word >> 30) + place + 1) & 0xFFFFFFFF
        self._words = np.random.MT19937(0)
        self._words.state = {"bit_generator": "MT19937", "state": {"key": state, "pos": WORDS}}
        self._kept: float | None = None

    def rows(self, count: int, *shape: int) -> np.ndarray:
        """Float32 (count, *shape), each row as if by a call of its own."""
        size = math.prod(shape)
        draw = self._blocks if size >= BLOCK else self._one_by_one
        rows = [draw(size).reshape(shape) for _ in range(count)]
        return np.stack(rows) if rows else np.empty((0, *shape), np.float32)

    def _blocks(self, size: int) -> np.ndarray:
        uniform = self._uniform(size)
        whole = size - size % BLOCK
        found = np.empty(size, np.float32)
        found[:whole] = _normal(uniform[:whole])
        if whole < size:
            found[-BLOCK:] = _normal(self._uniform(BLOCK))
        return found

    def _uniform(self, size: int) -> np.ndarray:
        """Float32 in [0, 1), of 24 bits each."""
        words = self._words.random_raw(size)
        return (words & 0xFFFFFF).astype(np.float32) * np.float32(2**-24)

    def _one_by_one(self, size: int) -> np.ndarray:
        found = np.empty(size, np.float32)
        for place in range(size):
            if self._kept is None:
                first, second = self._uniform_double(), self._uniform_double()
                radius, angle = math.sqrt(-2 * math.log1p(-second)), 2 * math.pi * first
                found[place], self._kept = radius * math.cos(angle), radius * math.sin(angle)
            else:
                found[place], self._kept = self._kept, None
        return found

    def _uniform_double(self) -> float:
        high, low = self._words.random_raw(2).tolist()
        return ((high << 32 | low) & (2**53 - 1)) * 2**-53


def _normal(uniform: np.ndarray) -> np.ndarray:
    """Blocks of 16 uniform numbers as normal ones."""
    blocks = uniform.reshape(-1, 2, HALF)
    radius = np.sqrt(-2 * np.log(1 - blocks[:, 0]))
    angle = np.float32(2 * math.pi) * blocks[:, 1]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).reshape(-1)
