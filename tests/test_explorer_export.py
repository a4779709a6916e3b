"""The files that the explorer exports, as its server writes them: sizes, aspects and easing of a morph, its progress, and
its end. No browser; tests/test_explorer_files.py has one."""

import io
import threading
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_explorer import DIM, Page, pack, page, port, service, unpack  # noqa: F401

from facespace.core.errors import UsageError
from facespace.explorer import export_handlers
from facespace.explorer.calls import Export
from facespace.explorer.export_handlers import FileSpec, picture_size
from facespace.image import animation
from facespace.space.face_space import FaceSpace

pytestmark = pytest.mark.usefixtures("few_samples")
KEYS = np.random.default_rng(0).normal(size=(2, DIM)).astype("<f4").tobytes()
MORPH = {"frames": 6, "loop_mode": "once", "fps": 20}


@pytest.mark.parametrize(
    ("size", "aspect", "expected"),
    [
        (None, "face", (256, 256)),
        (512, "face", (512, 512)),
        (256, "1:1", (256, 256)),
        (256, "4:5", (256, 320)),
        (256, "9:16", (256, 456)),
        (256, "16:9", (456, 256)),
        (None, "16:9", (456, 256)),
    ],
)
def test_a_file_has_the_size_and_aspect_that_were_asked_for(page, size, aspect, expected):
    options = {**MORPH, "aspect": aspect} | ({"size": size} if size else {})
    header, body = page.ask("export_animation", KEYS, **options)
    made: Any = Image.open(io.BytesIO(body))  # of several frames
    assert header["ok"] and not header["cancelled"]
    assert made.size == expected and made.n_frames == 6
    pixels = np.asarray(made.convert("RGB")).astype(int)
    left = pixels[:, : (expected[0] - 256) // 2 - 1] if expected[0] > 256 and aspect == "16:9" else None
    if left is not None:
        assert left.max() <= 6  # black, but for the dither
        assert pixels[:, expected[0] // 2 - 100 : expected[0] // 2 + 100].mean() > 20


def test_frames_in_a_picture_of_another_shape_are_as_large_as_they_fit_in_its_middle(tmp_path):
    frames = np.full((3, 8, 8, 3), 200, np.uint8)
    seen = []
    animation.save_animation(
        frames, tmp_path / "a.webp", size=(40, 100), on_frame=lambda: seen.append(1), fps=10
    )
    with Image.open(tmp_path / "a.webp") as made:
        pixels = np.asarray(made.convert("RGB")).astype(int)
    assert pixels.shape == (40, 100, 3) and len(seen) == 3
    assert np.abs(pixels[:, 32:68] - 200).max() < 12
    assert pixels[:, :26].max() < 16 and pixels[:, 74:].max() < 16


def test_sizes_are_even_for_every_face_and_aspect():
    for height, width in ((64, 64), (160, 176), (186, 171), (45, 45)):
        for aspect in export_handlers.ASPECTS:
            size = picture_size(height, width, FileSpec(30, "mp4", 512, aspect))
            assert min(size) == 512 and all(side % 2 == 0 for side in size)


def test_an_eased_path_slows_down_at_its_keys(page):
    def steps(easing) -> np.ndarray:
        header, body = page.ask("path", KEYS, frames=21, loop_mode="once", easing=easing)
        assert header["ok"]
        return np.linalg.norm(np.diff(np.frombuffer(body, "<f4").reshape(-1, DIM), axis=0), axis=1)

    steady, smooth = steps("linear"), steps("smooth")
    assert smooth[0] < 0.6 * steady[0] and smooth[-1] < 0.6 * steady[-1]
    assert smooth[10] > 1.2 * steady[10]
    assert np.isclose(smooth.sum(), steady.sum(), rtol=0.02)
    _, old = page.ask("path", KEYS, frames=21, loop_mode="once")
    _, new = page.ask("path", KEYS, frames=21, loop_mode="once", easing="linear")
    assert old == new


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"size": 300}, "size is one of 256, 512, 1024 px; got 300"),
        ({"size": 4096}, "size is a whole number from 256 to 1024"),
        ({"aspect": "2:1"}, "Unknown aspect '2:1'"),
        ({"easing": "bouncy"}, "Unknown easing 'bouncy'"),
        ({"command": "pause"}, "Unknown command 'pause'"),
        ({"frames": 901}, "frames is a whole number from 2 to 900"),
        (
            {"frames": 900, "size": 1024},
            "900 frames of 1024 × 1024 px are too many for one file: at most 572",
        ),
    ],
)
def test_what_a_file_cannot_be_is_a_sentence(page, fields, sentence):
    header, _ = page.ask("export_animation", KEYS, **{**MORPH, **fields})
    assert not header["ok"] and sentence in header["error"]
    after, _ = page.ask("export_animation", command="progress")
    assert (after["running"], after["share"]) == (False, 0.0)


def test_progress_is_told_while_a_file_is_written_and_cancel_ends_it(port, monkeypatch):
    begun, going = threading.Event(), threading.Event()
    decode_ahead = FaceSpace.decode_ahead

    def waiting(space, z):
        for part in decode_ahead(space, z):  # of the file
            begun.set()
            assert going.wait(20)
            yield part

    monkeypatch.setattr(FaceSpace, "decode_ahead", waiting)
    page = Page(port)
    page.socket.send(pack(KEYS, id=7, request="export_animation", **{**MORPH, "frames": 200}))
    assert begun.wait(20)
    header, _ = page.ask("export_animation", command="progress")
    assert header["running"] and 0 <= header["share"] < 1
    page.ask("export_animation", command="cancel")
    going.set()
    reply, body = unpack(page.socket.recv(timeout=30))
    assert reply["id"] == 7 and reply["ok"] and reply["cancelled"] and body == b""
    header, body = page.ask("export_animation", KEYS, **MORPH)  # the next one is not cancelled
    assert not header["cancelled"] and body[:3] == b"GIF"
    page.socket.close()


def test_the_share_grows_with_the_frames_that_are_read(lively):
    from facespace.explorer.engine import Engine, PathSpec
    from facespace.space.face_space import load

    engine, export, shares = Engine(load(lively), "x"), Export(), []
    advance = export.advance

    def follow():
        advance()
        shares.append(export.share)

    export.advance = follow
    keys = np.frombuffer(KEYS, "<f4").reshape(2, DIM)
    spec = FileSpec(20, "gif", 256)
    file = export_handlers.animation_file(engine, keys, PathSpec(10, "linear", "once"), spec, export)
    assert file[:3] == b"GIF" and shares == pytest.approx(np.arange(1, 11) / 10)
    with pytest.raises(UsageError, match="Unknown animation format"):
        export_handlers.animation_file(
            engine, keys, PathSpec(10, "linear", "once"), FileSpec(20, "exe"), export
        )
