"""Paint on a face: the latent is that of an independent formula where the decoder is linear, and the JavaScript of the static
page finds what the Python finds."""

import numpy as np
import pytest
from browser_modules import browser, modules, received, sent  # noqa: F401 (fixtures)

from facespace.latent.directions import Whitening
from facespace.latent.painting import DISTANCE_WEIGHT, OUTSIDE_WEIGHT, USUAL_SIZE, Paint, painted_latent

SHAPE = (6, 5, 3)
FOUND = """
const [root, inverse, into, from] = [a.root, a.inverse, a.into, a.from].map(arrayOf);
const z = arrayOf(a.z);
const size = z.length;
const times = (row, matrix, columns) => {
  const sum = new Float64Array(columns);
  row.forEach((value, i) => sum.forEach((_, j) => { sum[j] += value * matrix[i * columns + j]; }));
  return sum;
};
const values = into.length / size;
const bent = (x) => a.linear ? x : 1 / (1 + Math.exp(-x));
const found = await m.paintedLatent(z, { colours: arrayOf(a.colours), cover: arrayOf(a.cover) }, {
  decode: async (at) => times(at, into, values).map(bent),
  encode: async (picture) => times(picture, from, size),
  whitening: { root, inverse },
});
return textOf(found);
"""


def networks(dims: int, linear: bool):
    """A made-up decoder, linear or bent, an encoder that is roughly its inverse, and a whitening."""
    random = np.random.default_rng(dims)
    values = int(np.prod(SHAPE))
    into = random.normal(size=(dims, values)) / np.sqrt(dims)
    exact = np.linalg.pinv(into) * (1.0 if linear else 4.0)
    backward = exact + 0.2 * exact.std() * random.normal(size=(values, dims))
    root = np.eye(dims) + 0.2 * random.normal(size=(dims, dims)) / np.sqrt(dims)
    root = (root + root.T) / 2
    return into, backward, root


def paint() -> Paint:
    """Some colour in a corner, half of it thin."""
    cover = np.zeros((*SHAPE[:2], 1))
    cover[1:3, 1:4] = 1
    cover[3, 1:4] = 0.4
    return Paint(np.broadcast_to([0.9, 0.1, 0.2], SHAPE).copy(), cover)


def found_by_python(z, into, backward, root, linear):
    def decode(at):
        picture = (at @ into).reshape(SHAPE)
        return picture if linear else 1 / (1 + np.exp(-picture))

    def encode(picture):
        return picture.ravel() @ backward

    whitening = Whitening(np.zeros(len(z)), root)
    return painted_latent(z, paint(), encode, decode, whitening, whitening.inverse), decode


def test_a_linear_decoder_gives_the_ridge_solution():
    into, backward, root = networks(4, linear=True)
    z = np.random.default_rng(1).normal(size=4)
    found, decode = found_by_python(z, into, backward, root, True)
    colours, cover = paint()
    start = decode(z)
    inside = np.broadcast_to(cover, SHAPE).ravel()
    rows = (root @ into).T  # what one standard deviation of each whitened axis changes
    weight = (inside + OUTSIDE_WEIGHT * (1 - inside)) * USUAL_SIZE / inside.size
    lacking = inside * (colours - start).ravel() * USUAL_SIZE / inside.size  # the outside is to stay
    system = rows.T @ (weight[:, None] * rows) + DISTANCE_WEIGHT * np.eye(4)
    expected = z + np.linalg.solve(system, rows.T @ lacking) @ root
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_the_painted_place_comes_nearer_and_the_face_without_paint_stays():
    into, backward, root = networks(60, linear=False)
    z = np.random.default_rng(2).normal(size=60)
    found, decode = found_by_python(z, into, backward, root, False)
    colours, cover = paint()
    before, after = (np.sqrt((cover * (decode(at) - colours) ** 2).sum()) for at in (z, found))
    assert after < 0.8 * before
    still = Paint(colours, np.zeros_like(cover))
    whitening = Whitening(np.zeros(60), root)
    kept = painted_latent(
        z, still, lambda picture: picture.ravel() @ backward, decode, whitening, whitening.inverse
    )
    np.testing.assert_array_equal(kept, z)


@pytest.mark.parametrize("linear", [True, False])
def test_the_page_finds_the_latent_of_the_python(modules, linear):  # noqa: F811
    into, backward, root = networks(10, linear)
    z = np.random.default_rng(3).normal(size=10).astype(np.float32)
    expected, _ = found_by_python(z, into, backward, root, linear)
    colours, cover = paint()
    argument = {
        "linear": linear,
        "z": sent(z),
        "root": sent(root),
        "inverse": sent(np.linalg.inv(root)),
        "into": sent(into),
        "from": sent(backward),
        "colours": sent(colours),
        "cover": sent(np.broadcast_to(cover, SHAPE).copy()),
    }
    found = received(modules.run("painting.js", FOUND, argument))
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert np.abs(found - z).max() > 0.05
