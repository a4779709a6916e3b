"""The paths of the static page: the JavaScript gives the frames that FaceSpace.morph_latents gives."""

import numpy as np
import pytest
from browser_modules import browser, modules, received, sent  # noqa: F401 (fixtures)

from facespace.explorer.engine import Engine, PathSpec
from facespace.explorer.messages import rgba
from facespace.image.animation import blurred_distance
from facespace.space.face_space import load

RUN = """
const decode = async (rows) => {
  const { text, height, width } = await decodeInPython(textOf(joined(rows)), rows.length);
  return rowsOf(new Uint8ClampedArray(arrayOf(text).buffer), 4 * width * height).map(
    (pixels) => ({ pixels, width, height }));
};
const keyframes = rowsOf(arrayOf(a.keyframes), a.size);
"""
PATH = (
    RUN + "return textOf(joined(await m.path(keyframes, a.fields, { center: arrayOf(a.center), decode })));"
)
IMPOSSIBLE = {
    "geodesic": ({"interpolation": "geodesic"}, "density of the prior"),
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


def fields_of(engine, keyframes, center=None, **fields):
    wanted = {"frames": 23, "interpolation": "linear", "loop_mode": "once", **fields}
    middle = engine.space._codec.prior_mean(None) if center is None else center
    return {
        "keyframes": sent(keyframes),
        "size": keyframes.shape[1],
        "center": sent(middle),
        "fields": wanted,
    }


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
