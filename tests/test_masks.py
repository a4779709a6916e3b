"""Masks in every encoding that people save them in: the same background, or a sentence."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facespace import prepare
from facespace.core.errors import FaceSetError, ImageError
from facespace.data.masks import CELEBAMASK_COLOURS, read_binary, read_labels

LABELS = np.zeros((20, 30), np.uint8)
LABELS[4:16, 5:25] = 1  # skin
LABELS[2:6, 5:25] = 13  # hair
LABELS[16:, 3:27] = 18  # clothes
LABELS[8:10, 8:12] = 4
VOC = {0: (0, 0, 0), 1: (128, 0, 0), 4: (0, 0, 128), 13: (192, 0, 128), 18: (0, 192, 0)}


def coloured(table) -> Image.Image:
    return Image.fromarray(np.uint8([[table[label] for label in row] for row in LABELS]))


def paletted() -> Image.Image:
    image = Image.fromarray(LABELS, "L").convert("P")
    image.putpalette([value for colour in CELEBAMASK_COLOURS for value in colour])
    indices = Image.fromarray(LABELS, "P")
    indices.putpalette(image.getpalette())
    return indices


MAPS = {
    "gray": lambda: Image.fromarray(LABELS),
    "three channels": lambda: Image.fromarray(np.dstack([LABELS] * 3)),
    "four channels": lambda: Image.fromarray(np.dstack([LABELS] * 3 + [np.full_like(LABELS, 255)])),
    "palette": paletted,
    "colours": lambda: coloured(CELEBAMASK_COLOURS),
    "colours, red and blue exchanged": lambda: coloured([colour[::-1] for colour in CELEBAMASK_COLOURS]),
    "colours of Pascal VOC": lambda: coloured(VOC),
    "scaled to 255": lambda: Image.fromarray(np.round(LABELS * (255 / 18)).astype(np.uint8)),
    "scaled to 255, cut": lambda: Image.fromarray((LABELS * (255 / 18)).astype(np.uint8)),
    "scaled, three channels": lambda: Image.fromarray(
        np.dstack([np.round(LABELS * (255 / 18)).astype(np.uint8)] * 3)
    ),
    "times 255": lambda: Image.fromarray(LABELS.astype(np.uint16) * 255),
    "times 255 in 8 bits": lambda: Image.fromarray(LABELS * np.uint8(255)),
    "times 10": lambda: Image.fromarray(LABELS * np.uint8(10)),
    "16 bits": lambda: Image.fromarray(LABELS.astype(np.uint16)),
}


@pytest.mark.parametrize("name", MAPS)
def test_label_maps_of_all_kinds_are_the_same_labels(tmp_path, name):
    MAPS[name]().save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_labels(tmp_path / "m.png", 19), LABELS)


@pytest.mark.parametrize("top", [1, 255])
@pytest.mark.parametrize("channels", [1, 3])
def test_black_and_white_as_a_label_map_is_the_person_as_a_whole(tmp_path, top, channels):
    pixels = np.uint8(LABELS > 0) * np.uint8(top)
    Image.fromarray(pixels if channels == 1 else np.dstack([pixels] * 3)).save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_labels(tmp_path / "m.png", 19) > 0, LABELS > 0)
    if top == 255:
        with pytest.raises(ImageError, match="in black and white"):
            read_labels(tmp_path / "m.png", 19, parts=True)


@pytest.mark.parametrize("kind", ["noise", "other colours", "too many labels", "jpeg colours"])
def test_other_label_maps_are_refused(tmp_path, kind):
    random = np.random.default_rng(0)
    path = tmp_path / ("m.jpg" if kind == "jpeg colours" else "m.png")
    made = {
        "noise": lambda: Image.fromarray(random.integers(0, 256, (20, 30), np.uint8)),
        "other colours": lambda: Image.fromarray(random.integers(0, 256, (20, 30, 3), np.uint8)),
        "too many labels": lambda: Image.fromarray(LABELS + np.uint8(7)),
        "jpeg colours": lambda: coloured(CELEBAMASK_COLOURS),
    }
    made[kind]().save(path)
    with pytest.raises(ImageError, match="mask"):
        read_labels(path, 19)


PART = LABELS == 13
PARTS = {
    "0 and 255": lambda: Image.fromarray(PART.astype(np.uint8) * np.uint8(255)),
    "0 and 1": lambda: Image.fromarray(PART.astype(np.uint8)),
    "0 and 1 in three channels": lambda: Image.fromarray(np.dstack([PART.astype(np.uint8)] * 3)),
    "0 and its label": lambda: Image.fromarray(PART.astype(np.uint8) * np.uint8(13)),
    "one bit": lambda: Image.fromarray(PART),
    "16 bits": lambda: Image.fromarray(PART.astype(np.uint16) * np.uint16(65535)),
    "0 and 1 in 16 bits": lambda: Image.fromarray(PART.astype(np.uint16)),
    "red": lambda: Image.fromarray(np.dstack([PART * 255, PART * 0, PART * 0]).astype(np.uint8)),
    "alpha": lambda: Image.merge(
        "LA", [Image.new("L", (30, 20), 0), Image.fromarray(PART.astype(np.uint8) * np.uint8(255))]
    ),
}


@pytest.mark.parametrize("name", PARTS)
def test_masks_of_parts_of_all_kinds_are_the_same_pixels(tmp_path, name):
    PARTS[name]().save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_binary(tmp_path / "m.png"), PART)


def test_a_label_map_in_place_of_a_part_is_refused(tmp_path):
    Image.fromarray(LABELS).save(tmp_path / "m.png")
    with pytest.raises(ImageError, match="holds labels"):
        read_binary(tmp_path / "m.png")


def tree(root: Path, mask: np.ndarray) -> Path:
    for number in range(3):
        for folder, pixels in (("images", np.full((20, 30, 3), 90 + 40 * number, np.uint8)), ("masks", mask)):
            (root / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(root / folder / f"{number}.png")
    return root


@pytest.mark.parametrize(("level", "what"), [(0, "nothing"), (1, "everything")])
def test_a_set_of_masks_that_keep_all_or_nothing_is_refused(tmp_path, level, what):
    root = tree(tmp_path / "maps", np.full((20, 30), level, np.uint8))
    with pytest.raises(FaceSetError, match=f"The masks keep {what}"):
        prepare("celebamask-hq", root, to=tmp_path / "set", background="black", workers=1)
    assert not (tmp_path / "set").exists()
    assert len(prepare("celebamask-hq", root, to=tmp_path / "set", workers=1)) == 3  # masks are not used


def test_faces_are_not_black(tmp_path):
    for place, name in enumerate(("three channels", "times 255 in 8 bits", "colours")):
        root = tree(tmp_path / f"maps{place}", np.asarray(MAPS[name]()))
        faces = prepare(
            "celebamask-hq", root, to=tmp_path / f"set{place}", background="black", size=20, workers=1
        )
        assert faces.card["masked_share"] == pytest.approx(float((LABELS == 0).mean()), abs=1e-3)
        assert faces.images[0][10, 10].min() > 80
