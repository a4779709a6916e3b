"""Random numbers without torch are those of torch."""

import numpy as np
import pytest
import torch

from facespace.space.normal_numbers import NormalNumbers


@pytest.mark.parametrize("seed", [0, 1, 12345, 2**32 - 1, 2**32 + 5, 2**63 - 1])
@pytest.mark.parametrize("shape", [(1,), (2,), (5,), (15,), (16,), (17,), (31,), (64,), (257,), (16, 5)])
def test_the_same_seed_gives_torchs_numbers(seed, shape):
    generator = torch.Generator().manual_seed(seed)
    expected = torch.stack([torch.randn(shape, generator=generator) for _ in range(7)]).numpy()
    np.testing.assert_allclose(NormalNumbers(seed).rows(7, *shape), expected, rtol=2e-5, atol=2e-6)


def test_the_first_rows_do_not_depend_on_the_count():
    np.testing.assert_array_equal(NormalNumbers(3).rows(9, 20)[:4], NormalNumbers(3).rows(4, 20))
    assert NormalNumbers(3).rows(0, 20).shape == (0, 20)
