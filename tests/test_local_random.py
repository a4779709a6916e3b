"""Random numbers and latents of the static page, against the algorithms written once more here."""

import math

import numpy as np
import pytest
import torch
from browser_modules import browser, modules, received, sent  # noqa: F401 (fixtures)
from scipy import stats

from facespace.explorer.engine import Engine
from facespace.explorer.local_arrays import local_arrays
from facespace.formats.onnx_modules import sampler_of
from facespace.models.priors import Mixture
from facespace.space.face_space import load

WORD = 0xFFFFFFFF
NORMAL = "const next = m.normalNumbers(a.seed); return textOf(Float64Array.from({ length: a.count }, next));"
NOISE = "return textOf(joined(m.priorNoise(a.count, a.size, a.seed, a.truncation, a.mixture)));"
OWN = """
const gaussian = a.center && { center: arrayOf(a.center), root: arrayOf(a.root) };
return textOf(joined(m.modelPriorLatents(a.count, a.size, a.seed, a.truncation, gaussian)));
"""


def mixed(value):
    value = ((value ^ value >> 16) * 0x85EBCA6B) & WORD
    value = ((value ^ value >> 13) * 0xC2B2AE35) & WORD
    return value ^ value >> 16


def rotated(value, by):
    return (value << by | value >> 32 - by) & WORD


def xoshiro(seed):
    """xoshiro128** as its authors' C code has it."""
    s = [mixed(seed + 0x9E3779B9 * place & WORD) for place in (1, 2, 3, 4)]
    while True:
        yield rotated(s[1] * 5 & WORD, 7) * 9 & WORD
        t = s[1] << 9 & WORD
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = rotated(s[3], 11)


def polar(seed, count):
    whole, found = xoshiro(seed), []
    while len(found) < count:
        x, y = ((next(whole) + 0.5) / 2**31 - 1 for _ in range(2))
        if (square := x * x + y * y) < 1:
            factor = math.sqrt(-2 * math.log(square) / square)
            found += [x * factor, y * factor]
    return np.array(found[:count])


def normal(modules, seed, count):  # noqa: F811
    return received(modules.run("random.js", NORMAL, {"seed": seed, "count": count}))


@pytest.mark.parametrize("seed", [0, 1, 2**31, 2**32 - 1])
def test_numbers_are_those_of_the_documented_algorithm(modules, seed):  # noqa: F811
    np.testing.assert_allclose(normal(modules, seed, 2_001), polar(seed, 2_001), rtol=1e-12)


def test_numbers_are_standard_normal_and_repeat(modules):  # noqa: F811
    numbers = normal(modules, 7, 100_000)
    assert (numbers == normal(modules, 7, 100_000)).all()
    assert abs(numbers.mean()) < 0.015
    assert abs(numbers.var() - 1) < 0.02
    assert stats.kstest(numbers, "norm").pvalue > 0.01
    assert abs(np.corrcoef(numbers[:-1], numbers[1:])[0, 1]) < 0.015
    assert abs(np.corrcoef(numbers, normal(modules, 8, 100_000))[0, 1]) < 0.015


def test_the_logarithm_is_exact_to_the_last_bits(modules):  # noqa: F811
    values = np.concatenate([np.random.default_rng(0).uniform(0, 1, 2_000), 10.0 ** np.arange(-300, 300, 7)])
    got = received(modules.run("random.js", "return textOf(arrayOf(a).map(m.naturalLog));", sent(values)))
    np.testing.assert_allclose(got, np.log(values), rtol=4e-16, atol=1e-16)


def test_noise_is_scaled_and_its_first_rows_do_not_depend_on_the_count(modules):  # noqa: F811
    def noise(count, truncation, mixture=False):
        fields = {"count": count, "size": 5, "seed": 3, "truncation": truncation, "mixture": mixture}
        return received(modules.run("random.js", NOISE, fields)).reshape(count, 5)

    rows = noise(6, 1)
    assert (rows.ravel() == polar(3, 30).astype(np.float32)).all()
    assert (noise(2, 1) == rows[:2]).all()
    np.testing.assert_allclose(noise(6, 0.5), 0.5 * rows, rtol=1e-6)
    assert (noise(6, 0) == 0).all()
    mixture = noise(6, 0.5, mixture=True)
    assert (mixture[:, 0] == rows[:, 0]).all()
    np.testing.assert_allclose(mixture[:, 1:], 0.5 * rows[:, 1:], rtol=1e-6)


def test_a_truncated_mixture_is_that_of_its_prior(modules):  # noqa: F811
    """With a truncation of 0 the noise picks components as their weights say, and their means come out."""
    torch.manual_seed(0)
    prior = Mixture(2, 3)
    prior.weights.copy_(torch.tensor([0.2, 0.3, 0.5]))
    prior.means.copy_(torch.tensor([[0.0, 0], [4, 0], [0, 4]]))
    from_noise = sampler_of(_Plain(), prior)
    fields = {"count": 64, "size": from_noise.noise, "seed": 1, "truncation": 0, "mixture": True}
    noise = received(modules.run("random.js", NOISE, fields)).reshape(64, -1)
    latents = from_noise.forward(torch.from_numpy(noise)).numpy()
    found = [int((np.abs(latents - mean).max(1) < 1e-6).sum()) for mean in prior.means.numpy()]
    assert sum(found) == 64
    assert found[0] < found[2]


class _Plain(torch.nn.Module):
    latent_shape = (2,)

    def quantize(self, z):
        return z


def test_the_models_own_prior(modules, lively):  # noqa: F811
    space = load(lively)
    arrays = local_arrays(space)
    fields = {"count": 6, "size": space.latent_dim, "seed": 4, "truncation": 0.7}
    noise = torch.from_numpy(polar(4, 6 * space.latent_dim).astype(np.float32).reshape(6, -1))
    plain = received(modules.run("random.js", OWN, fields)).reshape(6, -1)
    np.testing.assert_allclose(plain, 0.7 * noise, rtol=1e-6)
    gaussian = {"center": sent(arrays["model_prior_center"]), "root": sent(arrays["model_prior_root"])}
    got = received(modules.run("random.js", OWN, {**fields, **gaussian})).reshape(6, -1)
    expected = sampler_of(space.model, space.prior("model")).forward(0.7 * noise)
    np.testing.assert_allclose(got, expected.numpy(), atol=1e-4)


@pytest.mark.parametrize("share", [0, 0.3, 1])
def test_blend_towards_the_mean(modules, lively, share):  # noqa: F811
    engine = Engine(load(lively), "lively")
    height, width = engine.space.template.height, engine.space.template.width
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    body = "return textOf(m.blendedWithMean(arrayOf(a.z), arrayOf(a.mean), a.share));"
    fields = {"z": sent(engine.encode(picture)[0]), "mean": sent(engine.mean_latent()[0]), "share": share}
    got = received(modules.run("random.js", body, fields))
    np.testing.assert_allclose(got, engine.encode(picture, share)[0], atol=1e-5)


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("count", 65, "count is a whole number from 1 to 64; got 65"),
        ("seed", -1, "seed is a whole number from 0 to 4294967295; got -1"),
        ("truncation", 3.5, "truncation is a number from 0 to 3; got 3.5"),
    ],
)
def test_impossible_draws_get_a_sentence(modules, field, value, sentence):  # noqa: F811
    fields = {"count": 1, "size": 4, "seed": 0, "truncation": 1, field: value}
    assert sentence in modules.error("random.js", NOISE, fields)
