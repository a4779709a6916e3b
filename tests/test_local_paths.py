"""The paths of the static page: the JavaScript gives the frames that FaceSpace.morph_latents gives."""

import numpy as np
import pytest
from browser_modules import browser, modules, received, sent  # noqa: F401 (fixtures)

from facespace.explorer.engine import Engine, PathSpec
from facespace.explorer.local_arrays import local_arrays
from facespace.explorer.messages import rgba
from facespace.image.animation import blurred_distance
from facespace.models.priors import Mixture
from facespace.space.face_space import load
from facespace.space.geodesic import density_guide, gaussian_guide, geodesic

RUN = """
const geodesic = await import('/web/local/geodesic.js');
const decode = async (rows) => {
  const { text, height, width } = await decodeInPython(textOf(joined(rows)), rows.length);
  return rowsOf(new Uint8ClampedArray(arrayOf(text).buffer), 4 * width * height).map(
    (pixels) => ({ pixels, width, height }));
};
const keyframes = rowsOf(arrayOf(a.keyframes), a.size);
"""
PATH = f"""{RUN}
const center = arrayOf(a.center);
const guide = a.guide && geodesic.readGuide(
  arrayOf(a.guide.center), arrayOf(a.guide.scale), a.guide.covariance && arrayOf(a.guide.covariance));
return textOf(joined(await m.path(keyframes, a.fields, {{ center, guide, decode }})));
"""
BETWEEN = """
const covariance = a.covariance && arrayOf(a.covariance);
const guide = m.readGuide(arrayOf(a.center), arrayOf(a.scale), covariance);
const between = m.geodesicPaths(rowsOf(arrayOf(a.keyframes), a.size), guide);
return textOf(joined(a.segments.map((segment, place) => between(segment, a.times[place]))));
"""
IMPOSSIBLE = {
    "geodesic": ({"interpolation": "geodesic"}, "of Gaussian priors and flows alone"),
    "interpolation": ({"interpolation": "toString"}, "Unknown interpolation 'toString'. Known: linear"),
    "loop mode": ({"loop_mode": "round"}, "Unknown loop mode 'round'"),
    "few frames": ({"frames": 2}, "at least 3 frames; got 2"),
    "many frames": ({"frames": 301}, "from 2 to 300; got 301"),
    "no number": ({"frames": "9"}, "from 2 to 300"),
}


@pytest.fixture(scope="module")
def engine(lively) -> Engine:
    return Engine(load(lively), "lively")


@pytest.fixture(scope="module")
def tab(modules, engine):  # noqa: F811
    def decode(text, count):
        faces = engine.decode(received(text).reshape(count, -1))
        _, height, width, _ = faces.shape
        return {"text": sent(rgba(faces)), "height": height, "width": width}

    modules.page.expose_function("decodeInPython", decode)
    return modules


def fields_of(engine, keyframes, guide=None, **fields):
    wanted = {"frames": 23, "interpolation": "linear", "loop_mode": "once", **fields}
    return {
        "keyframes": sent(keyframes),
        "size": keyframes.shape[1],
        "center": sent(engine.space._codec.prior_mean(None)),
        "fields": wanted,
        "guide": guide,
    }


def guide_of(space):
    """The arrays of a site that geodesic paths take."""
    arrays = local_arrays(space)
    names = ("center", "scale", "covariance")
    return {name: sent(arrays[f"geodesic_{name}"]) for name in names if f"geodesic_{name}" in arrays}


def keyframes_of(engine, count=3, seed=1):
    return engine.random(count, seed, 1.5, "model")


@pytest.mark.parametrize("loop_mode", ["once", "loop", "pingpong"])
@pytest.mark.parametrize("interpolation", ["linear", "spherical"])
def test_a_path_has_the_latents_of_the_python(tab, engine, interpolation, loop_mode):
    keyframes = keyframes_of(engine)
    expected = engine.path(keyframes, PathSpec(23, interpolation, loop_mode))
    fields = fields_of(engine, keyframes, interpolation=interpolation, loop_mode=loop_mode)
    got = received(tab.run("paths.js", PATH, fields)).reshape(expected.shape)
    assert np.abs(got - expected).max() <= 1e-4
    assert np.ptp(np.linalg.norm(np.diff(expected, axis=0), axis=1)) > 0.01  # an even pace has no even steps


def between(modules, space, keyframes):  # noqa: F811
    """Latents on geodesic paths at 9 places a segment, of the JavaScript and of the Python."""
    segments = np.repeat(np.arange(len(keyframes) - 1), 9)
    times = np.tile(np.linspace(0, 1, 9, dtype=np.float32), len(keyframes) - 1)
    paths = geodesic(density_guide(space.density_prior()))(keyframes[:-1], keyframes[1:])
    argument = {
        **guide_of(space),
        "keyframes": sent(keyframes),
        "size": keyframes.shape[1],
        "segments": segments.tolist(),
        "times": times.tolist(),
    }
    got = received(modules.run("geodesic.js", BETWEEN, argument))
    return got.reshape(len(times), -1), paths(segments, times)


@pytest.mark.parametrize("kind", ["fitted Gaussian", "N(0, I)", "flow"])
def test_geodesic_paths_are_those_of_the_python(modules, lively, trained, kind):  # noqa: F811
    spaces = {"fitted Gaussian": lively, "N(0, I)": trained, "flow": None}
    space = load(spaces[kind])
    assert ("covariance" in guide_of(space)) == (kind != "N(0, I)")
    keyframes = space.sample_latents(4, 2)
    got, expected = between(modules, space, keyframes)
    assert np.abs(got - expected).max() <= 1e-4
    if kind != "N(0, I)":  # where every circle is as dense as it can be
        circle = PathSpec(17, "spherical", "once")
        flat = Engine(space, kind).path(keyframes[:2], circle)
        assert np.abs(flat[8] - expected[4]).max() > 0.01


@pytest.mark.parametrize("loop_mode", ["once", "pingpong"])
def test_a_geodesic_morph_has_the_latents_of_the_python(tab, engine, loop_mode):
    """Its curve is found by iterations, and where frames lie on it by faces of whole levels, which round otherwise."""
    keyframes = keyframes_of(engine)
    expected = engine.path(keyframes, PathSpec(15, "geodesic", loop_mode))
    fields = {"frames": 15, "interpolation": "geodesic", "loop_mode": loop_mode}
    argument = fields_of(engine, keyframes, guide_of(engine.space), **fields)
    got = received(tab.run("paths.js", PATH, argument)).reshape(expected.shape)
    assert np.abs(got - expected).max() <= 1e-3


def test_a_mixture_has_no_guide():
    assert gaussian_guide(Mixture(2, 3)) is None


@pytest.mark.parametrize("interpolation", ["linear", "spherical"])
def test_equal_and_opposite_keyframes_have_a_path(tab, engine, interpolation):
    first = keyframes_of(engine, 1)
    center = engine.space._codec.prior_mean(None)
    keyframes = np.concatenate([first, first, 2 * center - first]).astype(np.float32)
    expected = engine.path(keyframes, PathSpec(9, interpolation, "once"))
    got = received(
        tab.run("paths.js", PATH, fields_of(engine, keyframes, frames=9, interpolation=interpolation))
    )
    assert np.abs(got.reshape(expected.shape) - expected).max() <= 1e-4


def test_distances_of_pictures_are_those_of_the_python(tab):
    faces = np.random.default_rng(0).integers(0, 256, (2, 11, 7, 3), np.uint8)
    body = """
    const [one, other] = rowsOf(new Uint8ClampedArray(arrayOf(a).buffer), 11 * 7 * 4).map(
      (pixels) => ({ pixels, width: 7, height: 11 }));
    return m.blurredDistance(one, other);
    """
    expected = blurred_distance(faces[:1], faces[1:])[0]
    assert tab.run("paths.js", body, sent(rgba(faces))) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_impossible_paths_get_a_sentence(tab, engine, name):
    fields, sentence = IMPOSSIBLE[name]
    message = tab.error("paths.js", PATH, fields_of(engine, keyframes_of(engine), **fields))
    assert sentence in message


def test_one_keyframe_is_no_path(tab, engine):
    message = tab.error("paths.js", PATH, fields_of(engine, keyframes_of(engine, 1)))
    assert message == "A morph goes through at least two faces; got 1."
