"""Directions of one's own of the static page: the JavaScript fits what Directions' custom_direction fits."""

import numpy as np
import pytest
from browser_modules import browser, modules, received, sent  # noqa: F401 (fixtures)

from facespace.core.errors import UsageError
from facespace.explorer.handlers import _direction_facts, _direction_rows
from facespace.explorer.local_arrays import local_arrays
from facespace.latent.directions import custom_direction, whitening_of
from facespace.latent.strengths import gap_or_none
from facespace.space.face_space import load

FIT = """
const size = arrayOf(a.center).length;
const whitening = m.readWhitening(arrayOf(a.center), arrayOf(a.root));
const { facts, values } = m.fitDirection(
  rowsOf(arrayOf(a.positive), size), rowsOf(arrayOf(a.negative), size), whitening);
return { facts, values: textOf(values) };
"""
# Latents of a face, faces with and without the property.
SIZES = {"few faces": (24, 6, 9), "many faces": (8, 60, 35), "one class rare": (16, 5, 200)}


def examples(size, having, lacking, shift=0.8):
    """Correlated latents, of which some are shifted."""
    random = np.random.default_rng(size)
    mixing = random.normal(size=(size, size)) / np.sqrt(size)
    faces = random.normal(size=(400, size)) @ mixing + random.normal(size=size)
    positive = random.normal(size=(having, size)) @ mixing + shift * random.normal(size=size)
    negative = random.normal(size=(lacking, size)) @ mixing
    return faces.astype(np.float32), positive.astype(np.float32), negative.astype(np.float32)


def fitted(modules, whitening, positive, negative):  # noqa: F811
    argument = {
        "center": sent(np.float32(whitening.center)),
        "root": sent(np.float32(whitening.root)),
        "positive": sent(positive),
        "negative": sent(negative),
    }
    found = modules.run("custom_direction.js", FIT, argument)
    return found["facts"], received(found["values"])


@pytest.mark.parametrize("name", SIZES)
def test_a_direction_is_that_of_the_python(modules, name):  # noqa: F811
    faces, positive, negative = examples(*SIZES[name])
    whitening = whitening_of(faces)
    expected = custom_direction("own", positive, negative, whitening)
    facts, values = fitted(modules, whitening, positive, negative)
    rows = _direction_rows(expected)[0]
    assert values.dtype == rows.dtype == np.float32
    np.testing.assert_allclose(values, rows, rtol=1e-4, atol=1e-4)
    shown = _direction_facts(expected.facts["own"], gap_or_none(expected, "own"))
    assert facts == pytest.approx(shown, rel=1e-4, abs=1e-6)
    assert 0.5 < facts["auc"] < 1 or name != "few faces"
    assert {"auc", "positives", "negatives", "positive_mean", "negative_mean", "gap"} == facts.keys()


def test_examples_that_do_not_differ_get_a_sentence(modules):  # noqa: F811
    faces, positive, _ = examples(*SIZES["few faces"])
    whitening = whitening_of(faces)
    same = "The faces with and without are the same on average"
    with pytest.raises(UsageError, match=same):
        custom_direction("own", positive, positive[::-1], whitening)
    with pytest.raises(Exception, match=same):
        fitted(modules, whitening, positive, positive[::-1])


def test_too_few_faces_get_a_sentence(modules):  # noqa: F811
    faces, positive, negative = examples(*SIZES["few faces"])
    with pytest.raises(Exception, match="5 faces or more with and without; got 4 with and 9 without"):
        fitted(modules, whitening_of(faces), positive[:4], negative)


def test_the_arrays_of_a_space_fit_its_directions(modules, lively):  # noqa: F811
    space = load(lively)
    arrays = local_arrays(space)
    size = space.latent_dim
    assert {name: array.shape for name, array in arrays.items()} == {
        "whitening_center": (size,),
        "whitening_root": (size, size),
        "prior_center": (size,),
        "model_prior_center": (size,),
        "model_prior_root": (size, size),
        "geodesic_center": (size,),
        "geodesic_scale": (size,),
        "geodesic_covariance": (size, size),
    }
    assert all(array.dtype == np.float32 for array in arrays.values())
    z = space.sample_latents(20, prior="model")
    expected = custom_direction("own", z[:8], z[8:], space.whitening())
    argument = {
        "center": sent(arrays["whitening_center"]),
        "root": sent(arrays["whitening_root"]),
        "positive": sent(z[:8]),
        "negative": sent(z[8:]),
    }
    values = received(modules.run("custom_direction.js", FIT, argument)["values"])
    np.testing.assert_allclose(values, _direction_rows(expected)[0], rtol=1e-4, atol=1e-4)


def test_the_arrays_of_a_vae_leave_out_its_own_prior(trained):
    plain = {"whitening_center", "whitening_root", "prior_center", "geodesic_center", "geodesic_scale"}
    assert local_arrays(load(trained)).keys() == plain
