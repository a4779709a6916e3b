"""Reading, cropping and writing pictures."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from facespace.core.errors import ImageError, UsageError
from facespace.image import grids
from facespace.image.photos import CROPS, Template, read_photo
from facespace.image.pixels import to_float, to_uint8


def picture(height=60, width=40):
    """A picture whose corners can be told apart: red top left, green top right, blue below."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2, 0] = 250
    pixels[: height // 2, width // 2 :, 1] = 250
    pixels[height // 2 :, :, 2] = 250
    return Image.fromarray(pixels)


def encoded(image, form="PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def close(image, expected, within=12):
    return np.abs(np.asarray(image).astype(int) - np.asarray(expected).astype(int)).mean() < within


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_undone(orientation):
    stored = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    image = picture() if stored is None else picture().transpose(stored)
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert close(read_photo(encoded(image, "JPEG", quality=98, exif=exif)), picture())


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "1", "LA", "RGBA", "HSV", "YCbCr"])
def test_modes_become_rgb(mode):
    image = picture().convert(mode)
    form = {"CMYK": "TIFF", "YCbCr": "JPEG", "HSV": "PNG"}.get(mode, "PNG")
    data = encoded(image.convert("RGB") if mode == "HSV" else image, form)
    result = read_photo(data)
    assert result.mode == "RGB"
    assert close(result, image.convert("RGB"), within=30 if mode == "P" else 12)


def test_16_bit_gray_keeps_its_range():
    deep = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    result = np.asarray(read_photo(encoded(Image.fromarray(deep))))
    assert close(result[..., 0], deep / 257, within=1) and result.max() == 255 and result.min() == 0


def test_transparency_lies_on_white():
    image = Image.new("RGBA", (10, 10), (255, 0, 0, 0))
    assert np.asarray(read_photo(encoded(image))).min() == 255


def test_wide_gamut_profile_is_converted():
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    with_profile = encoded(picture(), "PNG", icc_profile=profile)
    assert read_photo(with_profile).mode == "RGB"  # a profile that does not fit must not stop the picture


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"hello, not a picture", "not an image that can be read"),
        (encoded(picture(), "JPEG")[:-200], "cut short"),
        (encoded(picture(200, 200), "PNG")[:150], "cut short"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "not an image that can be read"),
    ],
)
def test_unusable_files_have_a_reason(data, reason):
    with pytest.raises(ImageError, match=reason):
        read_photo(data)


def test_a_decompression_bomb_is_refused_before_it_is_decoded():
    bomb = encoded(Image.new("1", (11_000, 11_000)), "PNG")
    with pytest.raises(ImageError, match="million pixels"):
        read_photo(bomb)


def test_a_folder_is_no_photo(tmp_path):
    with pytest.raises(ImageError, match="not a regular file"):
        read_photo(tmp_path)
    with pytest.raises(ImageError, match="no such file"):
        read_photo(tmp_path / "none.png")


@pytest.mark.parametrize(
    ("crop", "box"),
    [
        ("center-148", (15, 35, 163, 183)),
        ("center-140", (19, 39, 159, 179)),
        ("center-128", (25, 45, 153, 173)),
        ("center-108", (35, 55, 143, 163)),
        ("box-148", (15, 40, 163, 188)),
        ("around-128", (25, 57, 153, 185)),
        ("fit", (0, 0, 178, 218)),
    ],
)
def test_crops_of_a_celeba_image(crop, box):
    assert CROPS[crop](178, 218) == box


def test_a_crop_at_its_own_size_takes_the_very_pixels():
    pixels = np.random.default_rng(0).integers(0, 256, (218, 178, 3), np.uint8)
    made = Template(148, 148, 3, "center-148").prepare(Image.fromarray(pixels))
    assert np.array_equal(made, pixels[35:183, 15:163])


def test_another_aspect_trims_and_never_distorts():
    disc = Image.new("L", (218, 178), 0)
    yy, xx = np.mgrid[:178, :218]
    disc = Image.fromarray(((xx - 109) ** 2 + (yy - 89) ** 2 < 40**2).astype(np.uint8) * 255).convert("RGB")
    made = Template(64, 32, 1, "fit").prepare(disc)[..., 0] > 127
    assert abs(np.ptp(np.flatnonzero(made.any(0))) - np.ptp(np.flatnonzero(made.any(1)))) <= 1


def test_new_photos_are_fitted_as_the_training_photos_were():
    template = Template(64, 64, 3, "center-148", (218, 178))
    photo = picture(218, 178)
    again = template.fit(photo.resize((356, 436), Image.Resampling.LANCZOS))
    assert close(again, template.prepare(photo), within=4)
    face = template.prepare(photo)
    assert np.array_equal(template.fit(Image.fromarray(face)), face)  # a prepared face stays whole
    assert template.fit(picture(50, 300)).shape == (64, 64, 3)  # any other picture: its largest centred part


def test_impossible_templates_are_refused():
    for side in (0, -3, 7, 5_000):
        with pytest.raises(UsageError, match="cannot be prepared"):
            Template(side, side)
    with pytest.raises(UsageError, match="Did you mean 'center-148'"):
        Template(crop="centre-148")
    with pytest.raises(ImageError, match="smaller than the crop"):
        Template(crop="center-148").prepare(picture(100, 100))


def test_pixels_round_trip_and_round():
    stored = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 3), np.uint8)
    assert np.array_equal(to_uint8(to_float(stored)), stored)
    assert to_uint8(torch.full((1, 1, 1, 1), 0.999)).item() == 255  # rounded, not truncated


def test_grid_places_faces_row_by_row():
    faces = np.stack([np.full((64, 64, 3), value, np.uint8) for value in (10, 20, 30, 40, 50)])
    sheet = np.asarray(grids.grid(faces, columns=3, gap=2))
    assert sheet.shape == (2 * 66 + 2, 3 * 66 + 2, 3)
    assert [sheet[34, 34, 0], sheet[34, 100, 0], sheet[34, 166, 0], sheet[100, 34, 0]] == [10, 20, 30, 40]


def test_pairs_alternate_rows():
    a = np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1)
    rows = grids.pairs(a, a + 100, columns=4).ravel().tolist()
    assert rows == [
        0,
        1,
        2,
        3,
        100,
        101,
        102,
        103,
        4,
        5,
        6,
        7,
        104,
        105,
        106,
        107,
        8,
        9,
        255,
        255,
        108,
        109,
        255,
        255,
    ]
    assert grids.pairs(a[:2], a[:2] + 100, columns=8).ravel().tolist() == [0, 1, 100, 101]


def test_a_failed_save_leaves_nothing(tmp_path):
    with pytest.raises(UsageError, match=r"must end in \.png"):
        grids.save_still(picture(), tmp_path / "a.txt")
    assert list(tmp_path.iterdir()) == []
