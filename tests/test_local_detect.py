"""Face detection of the static page: the JavaScript finds in real photographs what the Python finds with OpenCV. The
network is run by Python's onnxruntime, and, where FACESPACE_ORT_WEB names a folder with the package onnxruntime-web, by
that. Needs the folder of real faces."""

import os
from pathlib import Path

import numpy as np
import pytest
from browser_modules import HOST, Modules, browser, received, sent  # noqa: F401 (fixtures)
from PIL import Image
from test_local_photo import ALIGN, CELEBA, layout_of

from facespace.explorer.local_photos import yunet_of_any_size
from facespace.explorer.messages import rgba
from facespace.explorer.photos import Photos
from facespace.image import detectors
from facespace.image.align import FoundFace, align
from facespace.image.photos import Template

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")
pytest.importorskip("cv2")

LARGEST = 512  # pixels a side of a photograph of the page
DETECT = """
const photo = { pixels: new Uint8ClampedArray(arrayOf(a.data).buffer), width: a.width, height: a.height };
return m.detect(photo, runModel);
"""
# Levels are whole numbers, which cross as bytes.
FROM_PYTHON = """() => {
  globalThis.runModel = async ({ data, dims }) => {
    const outputs = await runInPython(textOf(Uint8Array.from(data)), dims);
    return Object.fromEntries(Object.entries(outputs).map(([name, text]) => [name, arrayOf(text)]));
  };
}"""
FROM_THE_WEB = """async (host) => {
  const ort = await import(`${host}/ort/ort.wasm.bundle.min.mjs`);
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = `${host}/ort/`;
  const session = await ort.InferenceSession.create(`${host}/site/yunet.onnx`);
  globalThis.runModel = async ({ data, dims }) => {
    const outputs = await session.run({ input: new ort.Tensor('float32', data, dims) });
    return Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name, data]));
  };
}"""


@pytest.fixture(scope="module")
def weights(real) -> Path:
    found = real.parent / "models" / "face_detection_yunet_2023mar.onnx"
    if not found.is_file():
        pytest.skip(f"YuNet's weights are not at {found}")
    return found


@pytest.fixture(scope="module")
def photos(weights) -> Photos:
    """The explorer's answers; it never asks for the space."""
    answers = Photos(None)
    answers.__dict__["_detector"] = detectors.YuNet(weights)
    return answers


@pytest.fixture(scope="module")
def tab(browser, weights):  # noqa: F811
    session = onnxruntime.InferenceSession(yunet_of_any_size(weights), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def run(text, dims):
        outputs = session.run(names, {"input": received(text).reshape(dims).astype(np.float32)})
        return {name: sent(output) for name, output in zip(names, outputs)}

    opened = Modules(browser)
    opened.page.expose_function("runInPython", run)
    opened.page.evaluate(FROM_PYTHON)
    yield opened
    opened.context.close()


@pytest.fixture(scope="module")
def web_tab(browser, weights, tmp_path_factory):  # noqa: F811
    named = os.environ.get("FACESPACE_ORT_WEB")
    if not named:
        pytest.skip("FACESPACE_ORT_WEB names no folder with the files of onnxruntime-web (its dist)")
    site = tmp_path_factory.mktemp("site")
    (site / "yunet.onnx").write_bytes(yunet_of_any_size(weights))
    opened = Modules(browser, {"ort": Path(named), "site": site})
    opened.page.evaluate(FROM_THE_WEB, HOST)
    yield opened
    opened.context.close()


def reduced(image):
    """As the page sends a photograph."""
    image = image.convert("RGB")
    image.thumbnail((LARGEST, LARGEST))
    return image


def portraits(real, count):
    paths = sorted((real / "photos-unaligned").glob("*.jpg"))
    return [reduced(Image.open(path)) for path in paths[:: len(paths) // count][:count]]


def found_by_page(tab, image):
    pixels = np.asarray(image)
    height, width, _ = pixels.shape
    return tab.run("photo.js", DETECT, {"data": sent(rgba(pixels)), "width": width, "height": height})


def check_same(found, expected, tolerance=0.5):
    assert (found["detector"], found["detector_error"]) == ("yunet", None)
    assert len(found["faces"]) == len(expected["faces"])
    for face, other in zip(found["faces"], expected["faces"]):
        assert np.abs(np.subtract(face["points"], other["points"])).max() <= tolerance
        assert np.abs(np.subtract(face["box"], other["box"])).max() <= 2 * tolerance
        assert face["eye_distance"] == pytest.approx(other["eye_distance"], abs=tolerance)
        assert face["small"] == other["small"]


def test_photographs_have_the_faces_of_the_python(tab, photos, real):
    seen = 0
    for image in portraits(real, 8):
        expected = photos.detect(np.asarray(image))
        check_same(found_by_page(tab, image), expected)
        seen += len(expected["faces"])
    assert seen >= 8


@pytest.mark.parametrize("degrees", [90, 180, 270, 32])
def test_a_turned_photograph_has_its_face(tab, photos, real, degrees):
    image = portraits(real, 8)[3].rotate(degrees, Image.Resampling.BILINEAR, expand=True)
    expected = photos.detect(np.asarray(image))
    assert expected["faces"]
    check_same(found_by_page(tab, reduced(image)), expected)


def test_many_faces_are_all_found(tab, photos, real):
    """Several faces of several sizes in one picture, which overlap in the network's outputs only with themselves."""
    page = Image.new("RGB", (512, 512), "gray")
    for place, image in enumerate(portraits(real, 6)):
        side = (150, 170, 120)[place % 3]
        page.paste(image.resize((side, side)), (170 * (place % 3), 250 * (place // 3)))
    expected = photos.detect(np.asarray(page))
    assert len(expected["faces"]) >= 5
    check_same(found_by_page(tab, page), expected)


def test_no_face_is_no_face(tab, photos):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8))
    assert photos.detect(np.asarray(noise))["faces"] == []
    assert found_by_page(tab, noise) == {"faces": [], "detector": "yunet", "detector_error": None}


def test_the_frame_is_that_of_the_python(tab):
    frame = tab.run("face_search.js", "return m.FRAME;")
    assert (frame["width"], frame["height"]) == (detectors.YuNet.frame.width, detectors.YuNet.frame.height)
    np.testing.assert_allclose(frame["points"], detectors.YuNet.frame.points, atol=1e-9)


def test_the_aligned_face_is_that_of_the_python(tab, photos, real):
    """From the photograph to the encoder's input: detection and alignment of the one, and of the other."""
    template = Template(64, 64, 3, "center-148", (218, 178))
    for image in portraits(real, 4):
        pixels = np.asarray(image)
        points = photos.detect(pixels)["faces"][0]["points"]
        expected = template.fit(align(image, FoundFace((0, 0, 0, 0), np.array(points), 1.0), CELEBA))
        own = found_by_page(tab, image)["faces"][0]["points"]
        argument = {"data": sent(rgba(pixels)), "width": image.width, "height": image.height, "points": own}
        got = tab.run("photo.js", ALIGN, {**argument, "layout": layout_of(template)})
        shown = received(got["data"]).reshape(64, 64, 4)[..., :3]
        assert np.abs(shown - expected.astype(int)).mean() <= 2


def test_the_networks_of_browser_and_python_agree(web_tab, photos, real):
    image = portraits(real, 8)[2]
    check_same(found_by_page(web_tab, image), photos.detect(np.asarray(image)))


SCORE = """
const photo = { pixels: new Uint8ClampedArray(arrayOf(a.data).buffer), width: a.width, height: a.height };
const { rasterOf } = await import(new URL('rasters.js', a.base));
return m.faceScore(rasterOf(photo), runModel);
"""


def test_the_score_of_a_face_is_that_of_the_python(tab, real, weights):
    detector = detectors.YuNet(weights)
    scores = []
    for image in portraits(real, 4):
        small = image.resize((64, 64))
        noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
        for face in (small, Image.fromarray(np.asarray(small) // 4 + noise // 4 * 3)):
            pixels = rgba(np.asarray(face))
            argument = {"data": sent(pixels), "width": 64, "height": 64, "base": f"{HOST}/web/local/"}
            found = tab.run("face_search.js", SCORE, argument)
            assert found == pytest.approx(detector.score(face), abs=1e-4)
            scores.append(found)
    assert max(scores) > 0.8 and min(scores) == 0
