"""Photographs of the static page: the JavaScript resizes, blurs, warps and aligns as Pillow and image/align.py do. Its
detector is in test_local_detect.py."""

import numpy as np
import pytest
from browser_modules import browser, modules, received, sent  # noqa: F401 (fixtures)
from PIL import Image, ImageFilter

from facespace.explorer.engine import Engine
from facespace.explorer.local_photos import photo_layout
from facespace.explorer.messages import rgba
from facespace.image import align as aligning
from facespace.image.align import TEMPLATES, FoundFace
from facespace.image.photos import Template
from facespace.space.face_space import load

CELEBA = TEMPLATES["celeba"]
RASTER = "const raster = { data: arrayOf(a.data), width: a.width, height: a.height, channels: a.channels };"
ALIGN = """
const photo = { pixels: new Uint8ClampedArray(arrayOf(a.data).buffer), width: a.width, height: a.height };
const face = m.align(photo, a.points, a.layout);
return { data: textOf(face.pixels), width: face.width, height: face.height };
"""
NEAR = ((150.2, 160.5), (251.7, 148.9), (204.0, 215.0), (166.0, 270.2), (249.1, 262.8))


def raster_of(pixels):
    height, width, channels = pixels.shape
    return {"data": sent(pixels), "width": width, "height": height, "channels": channels}


def picture(height=300, width=400, seed=0):
    """Noise of all sizes, with sharp edges and flat parts."""
    random = np.random.default_rng(seed)
    parts = [random.integers(0, 256, (height // size + 1, width // size + 1, 3)) for size in (1, 6, 30)]
    large = [part.repeat(size, 0).repeat(size, 1)[:height, :width] for part, size in zip(parts, (1, 6, 30))]
    mixed = (0.2 * large[0] + 0.3 * large[1] + 0.5 * large[2]).astype(np.uint8)
    mixed[40:90, 60:160] = (250, 3, 128)
    return mixed


SIZES = {
    "smaller": (120, 91, "LANCZOS", None),
    "larger": (500, 611, "BILINEAR", None),
    "a box": (64, 64, "LANCZOS", (20.3, 30.7, 290.1, 280.9)),
    "one side": (300, 200, "BILINEAR", None),
    "same": (300, 400, "LANCZOS", None),
}


@pytest.mark.parametrize("name", SIZES)
def test_resizing_is_pillows(modules, name):  # noqa: F811
    height, width, method, box = SIZES[name]
    pixels = picture()
    body = f"{RASTER} const box = a.box ?? undefined;"
    body += f"return textOf(m.resized(raster, a.to[0], a.to[1], m.{method}, box).data);"
    argument = {**raster_of(pixels), "to": [width, height], "box": box}
    got = received(modules.run("rasters.js", body, argument)).reshape(height, width, 3)
    expected = Image.fromarray(pixels).resize((width, height), Image.Resampling[method], box=box)
    assert (got == np.asarray(expected)).all()


def test_large_reductions_and_gray_are_pillows(modules):  # noqa: F811
    pixels = picture()
    body = f"{RASTER} return textOf(m.reduced(raster, 23, 17, m.LANCZOS, 3).data);"
    got = received(modules.run("rasters.js", body, raster_of(pixels))).reshape(17, 23, 3)
    image = Image.fromarray(pixels)
    expected = image.resize((23, 17), Image.Resampling.LANCZOS, reducing_gap=3.0)
    assert (got == np.asarray(expected)).all()
    body = f"{RASTER} return textOf(m.grayOf(raster).data);"
    gray = received(modules.run("rasters.js", body, raster_of(pixels))).reshape(300, 400)
    assert (gray == np.asarray(image.convert("L"))).all()


@pytest.mark.parametrize("radius", [0.6, 3.0, 11.87, 30.4])
def test_blur_is_pillows(modules, radius):  # noqa: F811
    pixels = picture(90, 120)
    body = f"{RASTER} return textOf(m.blurred(raster, a.radius).data);"
    got = received(modules.run("blur.js", body, {**raster_of(pixels), "radius": radius}))
    expected = np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius)))
    assert np.abs(got.reshape(expected.shape) - expected.astype(int)).max() <= 1
    assert (got.reshape(expected.shape) != expected).mean() < 0.001


def test_a_similarity_is_that_of_the_python(modules):  # noqa: F811
    for known in ((0, 1, 2, 3, 4), (0, 1), (0, 3, 4)):
        points = [list(point) if place in known else None for place, point in enumerate(NEAR)]
        array = np.array([point or (np.nan, np.nan) for point in points])
        argument = {"points": points, "target": CELEBA.points.tolist()}
        got = modules.run("transforms.js", "return m.similarity(a.points, a.target);", argument)
        expected = aligning.similarity(array, CELEBA.points)
        np.testing.assert_allclose(np.reshape(got, (2, 3)), expected, atol=1e-9)


def around(center, scale, degrees=0.0):
    """Landmarks of CELEBA's layout around a centre, so many times as large, rotated."""
    turn = scale * np.exp(1j * np.radians(degrees))
    places = (CELEBA.points - CELEBA.points.mean(0)) @ (1, 1j) * turn
    return (np.stack([places.real, places.imag], 1) + center).tolist()


FACES = {
    "usual": around((200, 150), 0.9),
    "small": around((200, 150), 0.4, 20),
    "upside down": around((210, 140), 1.0, 175),
    "large": around((200, 150), 2.6, -8),
    "very large": around((200, 150), 9.0),
    "beyond the edge": around((30, 270), 1.3, 12),
    "eyes only": [*around((200, 150), 0.9)[:2], None, None, None],
}
TEMPLATE_SIZES = {
    "color": Template(64, 64, 3, "center-148", (218, 178)),
    "gray": Template(32, 32, 1, "center-148", (218, 178)),
    "wide": Template(48, 64, 3, "fit", (218, 178)),
}


def layout_of(template, layout=CELEBA):
    points = {"width": layout.width, "height": layout.height, "points": layout.points.tolist()}
    box = template.fit_box(layout.width, layout.height)
    size = {"width": template.width, "height": template.height, "channels": template.channels}
    return {"template": points, "box": box, "input": size}


@pytest.mark.parametrize("kind", TEMPLATE_SIZES)
@pytest.mark.parametrize("name", FACES)
def test_an_aligned_face_is_that_of_the_python(modules, name, kind):  # noqa: F811
    pixels, template = picture(), TEMPLATE_SIZES[kind]
    argument = {**raster_of(rgba(pixels)), "points": FACES[name], "layout": layout_of(template)}
    got = modules.run("photo.js", ALIGN, argument)
    shown = received(got["data"]).reshape(got["height"], got["width"], 4).astype(int)
    points = np.array([point or (np.nan, np.nan) for point in FACES[name]])
    upright = aligning.align(Image.fromarray(pixels), FoundFace((0, 0, 0, 0), points, 1.0), CELEBA)
    difference = np.abs(shown[..., :3] - template.fit(upright))
    assert difference.max() <= 2
    assert difference.mean() <= 0.05
    assert (shown[..., 3] == 255).all()


def test_the_layout_of_a_space_aligns_as_its_explorer_does(modules, lively, few_samples):  # noqa: F811
    """Of a space that was not trained on CELEBA's crop, whose landmarks come from its samples."""
    engine = Engine(load(lively), "lively")
    pixels = picture()
    argument = {**raster_of(rgba(pixels)), "points": FACES["usual"], "layout": photo_layout(engine.photos)}
    got = modules.run("photo.js", ALIGN, argument)
    expected = engine.photos.align(pixels, np.array(FACES["usual"]))
    shown = received(got["data"]).reshape(got["height"], got["width"], 4)[..., :3].astype(int)
    assert np.abs(shown - expected).mean() <= 0.1


def test_a_drawing_is_encoded_as_a_picture_of_the_space(modules):  # noqa: F811
    pixels = picture(32, 32)
    body = """
    const drawing = { pixels: new Uint8ClampedArray(arrayOf(a.data).buffer), width: a.width, height: a.height };
    return textOf(m.encoderPicture(drawing, a.input).pixels);
    """
    clear = rgba(pixels)
    clear[..., 3] = 7
    argument = {**raster_of(clear), "input": {"width": 32, "height": 32, "channels": 1}}
    got = received(modules.run("photo.js", body, argument)).reshape(32, 32, 4)
    gray = np.asarray(Image.fromarray(pixels).convert("L"))
    assert (got[..., :3] == gray[..., None]).all()
    assert (got[..., 3] == 255).all()
    message = modules.error(
        "photo.js", body, {**argument, "input": {"width": 64, "height": 32, "channels": 1}}
    )
    assert message == "This space encodes 64×32 pixels; got 32×32."


@pytest.mark.parametrize(
    ("points", "sentence"),
    [
        ([None, None, None, None, None], "fewer than two distinct face points"),
        ([[9, 9], [9, 9], None, None, None], "fewer than two distinct face points"),
        ([[9, 9], [20, 9]], "points are five pairs of numbers or nulls"),
        ([[9, 9], [20], None, None, None], "points are five pairs of numbers or nulls"),
    ],
)
def test_landmarks_that_fit_no_face_get_a_sentence(modules, points, sentence):  # noqa: F811
    layout = layout_of(TEMPLATE_SIZES["color"])
    argument = {**raster_of(rgba(picture())), "points": points, "layout": layout}
    assert sentence in modules.error("photo.js", ALIGN, argument)


def test_without_a_detector_the_points_are_dragged(modules):  # noqa: F811
    body = "return m.detect({ pixels: new Uint8ClampedArray(16 * 16 * 4), width: 16, height: 16 }, null);"
    found = modules.run("photo.js", body)
    assert found["faces"] == []
    assert found["detector"] is None
    assert "Drag the points" in found["detector_error"]
