"""Pixels of image files as browsers show them: broken metadata, profiles of every mode, bit depths, orientation, very large
photographs. What cannot be read in full is a sentence, never other pixels."""

import io
import struct
import zlib

import numpy as np
import pytest
from fuzz import examples
from hypothesis import given
from hypothesis import strategies as st
from pictures import profile, saved, shown
from PIL import Image, PngImagePlugin

from facespace.core.errors import ImageError
from facespace.image import decoding
from facespace.image.colours import to_rgb
from facespace.image.decoding import has_image_ending
from facespace.image.photos import read_photo

BASE = np.asarray(
    Image.fromarray(np.random.default_rng(0).integers(40, 216, (6, 8, 3), np.uint8)).resize(
        (32, 24), Image.Resampling.BICUBIC
    )
)


def distance(data: bytes, expected: np.ndarray) -> float:
    found = np.asarray(read_photo(data), float)
    assert found.shape == expected.shape
    return float(np.abs(found - expected).max())


def exif(orientation: int = 6) -> bytes:
    tags = Image.Exif()
    tags[0x010F] = "camera"
    tags[0x0112] = orientation
    return tags.tobytes()


# --- what browsers show


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_without_its_end_is_read_in_full_or_not_at_all(progressive):
    data = saved(Image.fromarray(BASE), "JPEG", quality=95, progressive=progressive)
    whole = np.asarray(Image.open(io.BytesIO(data)), float)
    for cut in (1, 2):
        assert distance(data[:-cut], whole) == 0
    assert distance(data[:-2] + b"\0" * 40, whole) == 0
    for cut in (3, 5, 10, 60, 200):
        with pytest.raises(ImageError, match="cut short"):
            read_photo(data[:-cut])


@pytest.mark.parametrize("bare", [False, True])
def test_a_jpeg_2000_without_its_end_is_read_in_full_or_not_at_all(bare):
    data = saved(Image.fromarray(BASE), "JPEG2000", no_jp2=bare)
    whole = np.asarray(Image.open(io.BytesIO(data)), float)
    for cut in (1, 2):
        assert distance(data[:-cut], whole) == 0
    for cut in (3, 5, 10, 60, 200):
        with pytest.raises(ImageError, match="broken image data"):
            read_photo(data[:-cut])


@pytest.mark.parametrize("quality", range(70, 78))  # pixels of odd and of even lengths
def test_a_webp_whose_metadata_are_cut_off_has_its_pixels(quality):
    plain = saved(Image.fromarray(BASE), "WEBP", quality=quality)
    tags = Image.Exif()
    tags[0x0112] = 6
    tags[0x010E] = "a description " * 20
    data = saved(Image.fromarray(BASE), "WEBP", quality=quality, exif=tags.tobytes())
    whole = np.asarray(Image.open(io.BytesIO(plain)), float)
    for cut in (1, 2, 9, 100, 270):
        assert distance(data[:-cut], np.rot90(whole, -1)) == 0
    with pytest.raises(ImageError, match="cut short"):  # whether it is turned is not known
        read_photo(data[:-300])
    with pytest.raises(ImageError, match="cut short"):
        read_photo(data[: data.index(b"EXIF")])
    pixels = struct.unpack_from("<I", plain, 16)[0]
    for length in (20 + pixels - 1, 20 + pixels // 2, 21, 12):
        with pytest.raises(ImageError, match="cut short"):
            read_photo(plain[:length])
    assert distance(plain[: 20 + pixels], whole) == 0  # without the byte that makes an odd length even


@pytest.mark.parametrize(
    "bad", [(2, 9_999_999, 0x7FFFFFFF), (5, 1, 0xFFFFFFF0), (77, 3, 5), (7, 4, 0x1000000), (12, 2, 8)]
)
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_malformed_tag_does_not_matter_to_the_orientation(bad, form):
    tags = bytearray(exif())
    order = ">" if tags[6:8] == b"MM" else "<"
    struct.pack_into(f"{order}HHII", tags, tags.find(struct.pack(f"{order}H", 0x010F), 10), 0x010F, *bad)
    options = {"JPEG": {"quality": 95}, "PNG": {}, "WEBP": {"lossless": True}}[form]
    data = saved(Image.fromarray(BASE), form, exif=bytes(tags), **options)
    turned = np.asarray(
        Image.open(io.BytesIO(data)).convert("RGB").transpose(Image.Transpose.ROTATE_270), float
    )
    assert distance(data, turned) == 0


def chunk(name: bytes, content: bytes, whole: bool = True) -> bytes:
    checksum = zlib.crc32(name + content) ^ (0 if whole else 1)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


@pytest.mark.parametrize(
    "name", [b"tEXt", b"gAMA", b"iCCP", b"eXIf", b"tIME", b"pHYs", b"zTXt", b"iTXt", b"sBIT", b"tRNS"]
)
@pytest.mark.parametrize("place", ["before", "after"])
def test_wrong_checksums_of_ancillary_chunks_of_a_png(name, place):
    data = saved(Image.fromarray(BASE), "PNG")
    at = 33 if place == "before" else len(data) - 12
    assert distance(data[:at] + chunk(name, b"abcd", whole=False) + data[at:], BASE) == 0
    if name not in (b"tRNS", b"sBIT"):
        assert distance(data[:at] + chunk(name, b"abcd") + data[at:], BASE) == 0
    with pytest.raises(ImageError):  # of a critical one the pixels are in doubt
        read_photo(data[:33] + chunk(b"PLTX"[:4], b"abcd", whole=False)[:8] + data[41:])


def test_long_texts_and_profiles_of_a_png():
    for add in ("add_text", "add_itxt"):
        info = PngImagePlugin.PngInfo()
        getattr(info, add)("XML:com.adobe.xmp", "x" * 3_000_000, zip=True)
        assert distance(saved(Image.fromarray(BASE), "PNG", pnginfo=info), BASE) == 0
    long = profile("RGB ", 1.4) + np.random.default_rng(0).bytes(1_500_000)
    data = saved(Image.fromarray(BASE), "PNG", icc_profile=long)
    assert distance(data, shown(BASE, "RGB ", 1.4)) < 2
    bomb = chunk(b"iCCP", b"x\0\0" + zlib.compress(b"\0" * 17_000_000))
    data = saved(Image.fromarray(BASE), "PNG")
    assert distance(data[:33] + bomb + data[33:], BASE) == 0


# --- profiles


@pytest.mark.parametrize("name", ["wide", "sRGB IEC61966-2.1"])
@pytest.mark.parametrize(
    "mode", ["RGB", "RGBA", "P", "P transparent", "L", "L with RGB", "LA", "I;16", "JPEG L", "WEBP", "TIFF"]
)
def test_profiles_of_all_modes_count_by_their_content(mode, name):
    wide, gray = profile("RGB ", 1.4, name), profile("GRAY", 1.0, name)
    image = Image.fromarray(BASE)
    levels = np.asarray(image.convert("L"))[..., None]
    alpha = Image.new("L", image.size, 102)
    colour, light = shown(BASE, "RGB ", 1.4), shown(levels, "GRAY", 1.0)
    if mode == "RGB":
        data, expected = saved(image, "PNG", icc_profile=wide), colour
    elif mode in ("RGBA", "WEBP"):
        image.putalpha(alpha)
        options = {"lossless": True, "exact": True} if mode == "WEBP" else {}
        data, expected = (
            saved(image, mode if mode == "WEBP" else "PNG", icc_profile=wide, **options),
            0.4 * colour + 153,
        )
    elif mode.startswith("P"):
        image = image.quantize(100)
        expected = shown(np.asarray(image.convert("RGB")), "RGB ", 1.4)
        if mode == "P":
            data = saved(image, "PNG", icc_profile=wide)
        else:
            data = saved(image, "PNG", icc_profile=wide, transparency=3)
            expected = np.where(np.asarray(image)[..., None] == 3, 255, expected)
    elif mode in ("L", "JPEG L", "L with RGB"):
        form = "JPEG" if mode == "JPEG L" else "PNG"
        chosen = wide if mode == "L with RGB" else gray
        options = {"quality": 100} if form == "JPEG" else {}
        data = saved(image.convert("L"), form, icc_profile=chosen, **options)
        expected = shown(np.repeat(levels, 3, 2), "RGB ", 1.4) if mode == "L with RGB" else light
    elif mode == "LA":
        image = image.convert("L")
        image.putalpha(alpha)
        data, expected = saved(image, "PNG", icc_profile=gray), 0.4 * light + 153
    elif mode == "I;16":
        data, expected = (
            saved(Image.fromarray(levels[..., 0].astype(np.uint16) * 257), "PNG", icc_profile=gray),
            light,
        )
    else:
        data, expected = saved(image, "TIFF", icc_profile=wide), colour
    assert np.abs(expected - (BASE if expected.ndim == 3 and mode == "RGB" else 0)).mean() > 20  # it matters
    assert distance(data, expected) < 2.5


def test_profiles_that_are_broken_or_of_another_space_are_ignored():
    for wrong in (b"no profile", profile("RGB ", 1.4)[:200], profile("GRAY", 1.0)):
        assert distance(saved(Image.fromarray(BASE), "PNG", icc_profile=wrong), BASE) == 0


# --- bit depths

RAMP = np.linspace(0, 1, 24 * 32).reshape(24, 32)


def png16(values: np.ndarray, bits: int | None = None) -> bytes:
    """A PNG of 16 bits a sample, gray (H, W) or colour (H, W, C), with the chunk sBIT."""
    channels = 1 if values.ndim == 2 else values.shape[2]
    height, width = values.shape[:2]
    head = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 3: 2, 4: 6}[channels], 0, 0, 0)
    raw = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values.reshape(height, -1))
    stated = chunk(b"sBIT", bytes([bits] * channels)) if bits else b""
    return (
        decoding.PNG
        + chunk(b"IHDR", head)
        + stated
        + chunk(b"IDAT", zlib.compress(raw))
        + chunk(b"IEND", b"")
    )


def brightness(data: bytes | Image.Image) -> np.ndarray:
    image = read_photo(data) if isinstance(data, bytes) else to_rgb(data)
    return np.asarray(image, float)[..., 0]


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_samples_of_fewer_bits_in_sixteen_have_their_white(bits):
    values = np.round(RAMP * (2**bits - 1)).astype(np.uint16)
    opaque = np.dstack([values] * 3 + [np.full_like(values, 65535)])
    scaled = np.round(RAMP * 65535).astype(np.uint16)
    for name, data in {
        "png": png16(values),
        "png stated": png16(values, bits),
        "png stated and scaled": png16(scaled, bits),
        "png colour": png16(np.dstack([values] * 3)),
        "png with alpha": png16(opaque),
        "tiff": saved(Image.fromarray(values), "TIFF"),
        "tiff stated": saved(Image.fromarray(values), "TIFF", tiffinfo={281: 2**bits - 1}),
        "pgm": b"P5 32 24 %d\n" % (2**bits - 1) + values.astype(">u2").tobytes(),
        "Pillow": Image.fromarray(values),
    }.items():
        assert np.abs(brightness(data) - 255 * RAMP).max() <= 1, name


def test_a_dark_picture_of_sixteen_bits_stays_dark():
    dark = np.round(RAMP * 255).astype(np.uint16)
    for data in (
        png16(dark),
        png16(np.dstack([dark] * 3)),
        saved(Image.fromarray(dark), "TIFF"),
        Image.fromarray(dark),
    ):
        assert brightness(data).max() <= 1
    assert brightness(b"P5 32 24 65535\n" + dark.astype(">u2").tobytes()).max() <= 1
    assert brightness(png16(np.round(RAMP * 4000).astype(np.uint16), 16)).max() == pytest.approx(
        255 * 4000 / 65535, abs=1
    )


@pytest.mark.parametrize("top", [1.0, 255.0, 65535.0, 1e6])
def test_floats_and_wide_integers(top):
    values = (RAMP * top).astype(np.float32)
    values[0, :2] = np.nan, np.inf
    assert np.abs(brightness(Image.fromarray(values)) - 255 * RAMP)[1:].max() <= 1
    if top > 1:
        whole = (RAMP * min(top, 65535.0)).astype(np.int32)
        assert np.abs(brightness(Image.fromarray(whole)) - 255 * RAMP).max() <= 1


# --- HEIC and very large files


def test_without_the_extra_a_heic_says_what_it_needs(monkeypatch, tmp_path):
    monkeypatch.setattr(decoding, "_formats", lambda: decoding.FORMATS)
    for brand in (b"heic", b"heix", b"mif1"):
        with pytest.raises(ImageError, match=r"HEIC, which needs: pip install .*heic"):
            read_photo(b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1heic" + b"\0" * 40)
    assert has_image_ending(tmp_path / "IMG_1.HEIC")


def test_heic_photographs_are_read():
    pytest.importorskip("pillow_heif", reason="the extra heic is not installed").register_heif_opener()
    smooth = Image.fromarray(BASE).resize((64, 48), Image.Resampling.BICUBIC)
    data = saved(smooth, "HEIF", quality=95)
    assert np.abs(np.asarray(read_photo(data), float) - np.asarray(smooth)).mean() < 6
    turned = read_photo(saved(smooth, "HEIF", quality=95, exif=exif(6)))
    assert (
        np.abs(np.asarray(turned, float) - np.asarray(smooth.transpose(Image.Transpose.ROTATE_270))).mean()
        < 6
    )


def test_very_large_jpegs_are_read_at_half_the_size_and_bombs_refused(monkeypatch):
    monkeypatch.setattr(decoding, "MAX_PIXELS", 1000)
    monkeypatch.setattr(decoding, "MAX_JPEG_PIXELS", 3000)
    smooth = Image.fromarray(BASE).resize((48, 32), Image.Resampling.BICUBIC)
    found = read_photo(saved(smooth, "JPEG", quality=95))
    assert found.size == (24, 16)
    assert (
        np.abs(np.asarray(found, float) - np.asarray(smooth.resize((24, 16), Image.Resampling.BOX))).mean()
        < 4
    )
    for image, form in ((smooth, "PNG"), (smooth.resize((80, 60)), "JPEG")):
        with pytest.raises(ImageError, match="million pixels"):
            read_photo(saved(image, form))
    header = bytearray(saved(smooth, "JPEG"))
    at = header.find(b"\xff\xc0")
    header[at + 5 : at + 9] = struct.pack(">HH", 65_000, 65_000)
    with pytest.raises(ImageError, match="million pixels"):
        read_photo(bytes(header))


# --- everything at once

TURNED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a[::-1].swapaxes(0, 1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a[:, ::-1].swapaxes(0, 1),
}
ENDINGS = {
    "whole": lambda data: data,
    "one byte less": lambda data: data[:-1],
    "two bytes less": lambda data: data[:-2],
    "a tenth less": lambda data: data[: -len(data) // 10],
    "more": lambda data: data + b"\0\xff trailing",
    "a bit flipped": lambda data: data[:-25] + bytes([data[-25] ^ 4]) + data[-24:],
}


KINDS = (
    *((mode, "PNG") for mode in ("L", "LA", "P", "RGB", "RGBA", "I;16")),
    *((mode, "TIFF") for mode in ("L", "RGB", "RGBA", "I;16")),
    *(("RGB", "WEBP"), ("RGBA", "WEBP")),
)


def stored(mode: str, bits: int) -> tuple[Image.Image, np.ndarray, float]:
    """A picture of a mode, its colours without profile as float (H, W, 3), and its opacity."""
    image, pixels = Image.fromarray(BASE), BASE.astype(float)
    if mode in ("L", "LA", "I;16"):
        image = image.convert("L")
        pixels = np.repeat(np.asarray(image, float)[..., None], 3, 2)
    if mode == "P":
        image = image.quantize(64)
        pixels = np.asarray(image.convert("RGB"), float)
    if mode in ("LA", "RGBA"):
        image.putalpha(128)
        return image, pixels, 128 / 255
    if mode == "I;16":
        deep = np.round(np.asarray(image) / 255 * (2**bits - 1)).astype(np.uint16)
        deep[0, 0], pixels[0, 0] = 2**bits - 1, 255
        image = Image.fromarray(deep)
    return image, pixels, 1.0


@examples(60)
@given(
    kind=st.sampled_from(KINDS),
    icc=st.sampled_from([None, "RGB ", "GRAY", "broken"]),
    bits=st.sampled_from([10, 12, 14, 16]),
    orientation=st.sampled_from([0, *TURNED, 9]),
    ending=st.sampled_from(sorted(ENDINGS)),
)
def test_any_mode_profile_depth_orientation_and_ending(kind, icc, bits, orientation, ending):
    """The pixels by the formulas, or a sentence: never other pixels, never another exception."""
    mode, form = kind
    image, pixels, alpha = stored(mode, bits)
    options = {"lossless": True, "exact": True} if form == "WEBP" else {}
    if icc:
        options["icc_profile"] = (
            b"\0" * 200 if icc == "broken" else profile(icc, 1.4 if icc == "RGB " else 1.0, "sRGB")
        )
    if icc == "RGB ":
        pixels = shown(pixels, "RGB ", 1.4)
    elif icc == "GRAY" and mode in ("L", "LA", "I;16"):
        pixels = shown(pixels[..., :1], "GRAY", 1.0)
    if orientation:
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = orientation
    if ending == "a bit flipped" and form != "PNG":
        ending = "whole"  # they have no checksum, so that another bit is another picture
    expected = TURNED.get(orientation, TURNED[1])(alpha * pixels + 255 * (1 - alpha))
    try:
        found = np.asarray(read_photo(ENDINGS[ending](saved(image, form, **options))), float)
    except ImageError:
        assert ending not in ("whole", "more")
        return
    assert found.shape == expected.shape and np.abs(found - expected).max() < 3
