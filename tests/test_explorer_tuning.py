"""Tuning a space to a photograph in the explorer ("Make it me"): the page's own copy, in memory alone."""

import re
import threading
import time

import numpy as np
import pytest
from explorer_browser import WAIT, Tab, address, browser, expect  # noqa: F401
from PIL import Image, ImageDraw

import facespace
from facespace.adaptation import adapter
from facespace.adaptation.plan import plan_for
from facespace.core.errors import UsageError
from facespace.core.waiting import Abandoned, while_wanted
from facespace.data.faces import FaceSet
from facespace.data.sources.landmarks import read_landmarks
from facespace.explorer import handlers, messages, tuning
from facespace.explorer.calls import Page
from facespace.explorer.engine import Engine
from facespace.explorer.photos import CELEBA
from facespace.models import bundle
from facespace.space.face_space import load

TEMPLATE = CELEBA.framed(0.11, 16, 16)
ENLARGED = 8
LANDMARKS = (ENLARGED * TEMPLATE.points).tolist()


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """A fifth of the steps."""
    monkeypatch.setattr(adapter, "plan_for", lambda faces, minutes: plan_for(faces, 0.2))


@pytest.fixture(scope="module")
def engine(trained):
    made = Engine(load(trained), "tiny")
    made.photos.template = TEMPLATE  # not looked for in samples
    yield made
    made.stop()


@pytest.fixture(scope="module")
def with_photo(drawn):
    """A page whose photograph is a drawn face, enlarged, where the template has it."""
    face = FaceSet(drawn).images[0]
    return lambda: Page(photo=face.repeat(ENLARGED, 0).repeat(ENLARGED, 1).repeat(3 // face.shape[-1], 2))


def ask(engine, page, name, payload=b"", /, **fields):
    return handlers.answer(engine, messages.Request(1, name, fields, memoryview(payload)), page)


def faces(reply, size=16):
    header, payload = reply
    raw = payload if isinstance(payload, bytes) else payload.tobytes()
    return np.frombuffer(raw[header.get("latent_bytes", 0) :], np.uint8).reshape(-1, size, size, 4)[..., :3]


def test_the_tuned_copy_shows_the_photo_and_the_space_stays_as_it_was(engine, with_photo, monkeypatch):
    monkeypatch.setattr(adapter, "plan_for", plan_for)  # all steps
    page, other = with_photo(), with_photo()
    aligned = faces(ask(engine, page, "align", points=LANDMARKS))[1].astype(float)
    before = faces(ask(engine, page, "random", count=4, seed=1))
    header, body = ask(engine, page, "tune", points=LANDMARKS)
    assert header["cancelled"] is False and 0 < header["change"] < 40
    z = bytes(body[: header["latent_bytes"]])
    shown = faces((header, body))[0]
    untuned, tuned = (
        faces(ask(engine, page, "decode", z))[0],
        faces(ask(engine, page, "decode", z, tuned=True))[0],
    )
    np.testing.assert_array_equal(shown, tuned)
    errors = [np.abs(face.astype(float) - aligned).mean() for face in (tuned, untuned)]
    assert errors[0] < 0.9 * errors[1]
    np.testing.assert_array_equal(faces(ask(engine, other, "random", count=4, seed=1)), before)
    with pytest.raises(UsageError, match="gone"):
        ask(engine, other, "decode", z, tuned=True)  # each page has its own
    copy = page.tuned[engine]
    assert copy.photos is engine.photos and not copy.facts["writable"]
    ask(engine, page, "untune")
    with pytest.raises(UsageError, match="gone"):
        ask(engine, page, "decode", z, tuned=True)
    assert bundle.load(engine.space.folder).card["fingerprint"] == engine.space.card["fingerprint"]


def test_the_copy_knows_the_statistics_of_its_space(engine, with_photo):
    page = with_photo()
    ask(engine, page, "tune", points=LANDMARKS)
    engine.start()
    deadline = time.monotonic() + 60
    while ask(engine, page, "statistics")[0]["stage"] < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    header, numbers = ask(engine, page, "statistics")
    tuned_header, tuned_numbers = ask(engine, page, "statistics", tuned=True)
    assert header == tuned_header and header["stage"] == 2
    np.testing.assert_array_equal(numbers, tuned_numbers)
    positions = ask(engine, page, "map", method="pca", tuned=True)[0]["count"]
    assert positions == ask(engine, page, "map", method="pca")[0]["count"]


def test_forgetting_the_photo_forgets_what_was_tuned_to_it(engine, with_photo):
    page = with_photo()
    ask(engine, page, "tune", points=LANDMARKS)
    ask(engine, page, "forget")
    assert page.photo is None and not page.tuned
    with pytest.raises(UsageError, match="No photograph"):
        ask(engine, page, "tune", points=LANDMARKS)


@pytest.fixture
def slow(monkeypatch):
    """A tuning whose steps wait to be let on; yields the event that lets them."""
    go, began = threading.Event(), threading.Event()
    step = tuning.Tuning._step

    def held(self, at):
        began.set()
        go.wait(30)
        step(self, at)

    monkeypatch.setattr(tuning.Tuning, "_step", held)
    yield go, began
    go.set()


def started(work, began):
    """What `work` gives or raises, from a thread of its own."""
    found = []

    def run():
        try:
            found.append(work())
        except BaseException as error:  # as it is looked at afterwards
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert began.wait(30)
    return thread, found


@pytest.mark.parametrize("how", ["cancel_tuning", "forget"])
def test_a_tuning_that_is_cancelled_leaves_nothing(engine, with_photo, slow, how):
    go, began = slow
    page = with_photo()
    thread, found = started(lambda: ask(engine, page, "tune", points=LANDMARKS), began)
    assert ask(engine, page, "tuning")[0]["running"]
    ask(engine, page, how)
    go.set()
    thread.join(30)
    assert found == [({"cancelled": True}, b"")] and not page.tuned and page.tuning is None
    assert ask(engine, page, "tuning") == ({"running": False}, b"")


def test_one_tuning_at_a_time_and_none_for_a_page_that_has_left(engine, with_photo, slow):
    go, began = slow
    page, other = with_photo(), with_photo()
    left = threading.Event()

    def work():
        with while_wanted(lambda: not left.is_set()):
            return ask(engine, page, "tune", points=LANDMARKS)

    thread, found = started(work, began)
    with pytest.raises(UsageError, match="runs on this computer already"):
        ask(engine, other, "tune", points=LANDMARKS)
    assert ask(engine, page, "tuning")[0]["running"]  # the refused request has not taken its place
    left.set()
    go.set()
    thread.join(30)
    assert isinstance(found[0], Abandoned) and page.tuning is None and not page.tuned
    ask(engine, other, "tune", points=LANDMARKS)  # the place is free again
    assert engine in other.tuned


def test_the_progress_rises_to_its_end_with_pictures(engine, with_photo, monkeypatch):
    monkeypatch.setattr(tuning, "PREVIEW_EVERY", 0.0)
    page, shares, counts = with_photo(), [], []
    step = tuning.Tuning._step

    def watched(self, at):
        step(self, at)
        header, _ = ask(engine, page, "tuning")
        shares.append(header["share"])
        counts.append(header["count"])

    monkeypatch.setattr(tuning.Tuning, "_step", watched)
    ask(engine, page, "tune", points=LANDMARKS)
    assert shares == sorted(shares) and shares[-1] == 1 and set(counts) == {1}


@pytest.mark.slow  # a browser
def test_make_it_me_in_the_page(browser, address, tmp_path):
    image = Image.new("RGB", (300, 260), (180, 170, 160))
    ImageDraw.Draw(image).ellipse((100, 60, 200, 200), fill=(230, 190, 160))
    image.save(tmp_path / "photo.jpg")
    tab = Tab(browser, address).ready()
    tab.page.keyboard.press("p")
    tab.page.set_input_files("#photo-file", tmp_path / "photo.jpg")
    expect(tab.at("#photo-use")).to_be_enabled(timeout=WAIT)
    first = tab.at("#random .tile canvas, #random canvas").first
    before = first.evaluate("canvas => canvas.toDataURL()")
    count = tab.moments()
    tab.page.click("#tune")
    expect(tab.at("#untune")).to_be_visible(timeout=WAIT)
    expect(tab.at("#photo .tuning .hint")).to_have_text(re.compile("Tuned in .* of 255 levels"), timeout=WAIT)
    expect(tab.at("#tuned")).to_have_text("tuned to a photo")
    expect(tab.at("#history .tile")).to_have_count(count + 1)
    changed = f"() => document.querySelector('#random canvas').toDataURL() !== {before!r}"
    deadline = time.monotonic() + 20
    while not tab.page.evaluate(changed) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert tab.page.evaluate(changed)  # faces of the prior are shown by the copy
    tab.page.click("#untune")
    expect(tab.at("#tuned")).to_have_count(0)
    tab.page.click("#tune")
    expect(tab.at("#tuned")).to_be_visible(timeout=WAIT)
    tab.page.click("#forget")
    expect(tab.at("#tuned")).to_have_count(0)
    assert not tab.errors
    tab.context.close()


@pytest.mark.slow  # a browser
def test_points_set_by_hand_are_saved_as_a_table_that_prepare_reads(browser, address, tmp_path):
    folder = tmp_path / "drawings"
    folder.mkdir()
    for name in ("one.png", "two, or so.png"):
        Image.new("RGB", (1200, 900), (180, 170, 160)).save(folder / name)
    tab = Tab(browser, address).ready()
    tab.page.keyboard.press("p")
    for number, name in enumerate(sorted(path.name for path in folder.glob("*.png")), start=1):
        tab.page.set_input_files("#photo-file", folder / name)
        expect(tab.at("#save-points")).to_be_visible(timeout=WAIT)
        expect(tab.at("#photo-use")).to_be_enabled(timeout=WAIT)
        with tab.page.expect_download() as saved:
            tab.page.click("#save-points")
        assert saved.value.suggested_filename == "points.csv"
        saved.value.save_as(folder / "points.csv")
        assert len(read_landmarks(folder / "points.csv")) == number
        tab.page.get_by_role("button", name="Another photo").click()
    points = read_landmarks(folder / "points.csv")["one.png"]
    np.testing.assert_allclose(points[0], (0.38 * 1200, 0.45 * 900), atol=2)  # pixels of the file
    assert np.isnan(points[2]).all()
    faces = facespace.prepare("folder", folder, to=tmp_path / "set", size=32, align="auto", workers=1)
    assert len(faces) == 2
    assert not tab.errors
    tab.context.close()
