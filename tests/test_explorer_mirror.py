"""The explorer's mirror: the camera's picture as one or two spaces see it, live, until the camera is out of sight."""

import numpy as np
import pytest
from explorer_browser import Tab, browser, expect, same  # noqa: F401
from explorer_help import running, with_directions
from test_explorer_panels import pixels

from facespace.explorer.service import Spaces
from facespace.image.align import FoundFace
from facespace.space.face_space import load

pytestmark = pytest.mark.slow
POINTS = np.array([[124.0, 90], [196, 90], [160, 130], [132, 165], [188, 165]])
CAMERA = """window.tracks = []; navigator.mediaDevices.getUserMedia = async () => {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [640, 480];
  const context = canvas.getContext('2d');
  let hue = 0;
  const draw = () => {
    hue += 7;
    context.fillStyle = `hsl(${hue} 60% 50%)`;
    context.fillRect(0, 0, 640, 480);
  };
  draw();
  setInterval(draw, 50);
  const stream = canvas.captureStream(20);
  window.tracks.push(...stream.getTracks());
  return stream;
}; 0"""


class Detector:
    """Finds one face in the middle of the picture, unless it is away."""

    name = "stub"

    def __init__(self) -> None:
        self.looks, self.away = 0, False

    def __call__(self, image, upright=False) -> list[FoundFace]:
        self.looks += 1
        return [] if self.away else [FoundFace((100, 50, 120, 160), POINTS, 1.0)]


@pytest.fixture(scope="module")
def server(lively, trained, few_samples):
    spaces, detector = Spaces([with_directions(load(lively)), load(trained)]), Detector()
    for index in (0, 1):
        spaces.open(index).photos.__dict__["_detector"] = detector
    with running(spaces) as service:
        yield service.address, detector


@pytest.fixture
def camera(browser, server):
    """A tab whose camera is on, the names of its requests, and the detector."""
    address, detector = server
    detector.away = False
    tab, sent = Tab(browser, address, permissions=["camera"]).ready(), []

    def note(frame) -> None:
        data = bytes(frame)
        head = data[4 : 4 + int.from_bytes(data[:4], "little")].decode()
        sent.append(head)

    tab.page.on("websocket", lambda socket: socket.on("framesent", note))
    tab.page.reload()
    tab.page.evaluate(CAMERA)
    tab.ready()
    tab.page.click("#tab-photo")
    tab.page.get_by_role("button", name="Camera").click()
    expect(tab.at("#photo video")).to_be_visible()
    yield tab, sent, detector
    tab.context.close()
    assert tab.errors == []


def count(sent, name: str) -> int:
    return sum(f'"request":"{name}"' in head for head in sent)


def test_the_mirror_follows_the_camera_and_detects_once_a_second(camera):
    tab, sent, detector = camera
    looks = detector.looks
    tab.page.click("#mirror")
    expect(tab.at("#mirror")).to_have_attribute("aria-pressed", "true")
    expect(tab.at(".mirror figure")).to_have_count(3)
    expect(tab.at(".mirror figure").nth(1)).to_be_visible()
    expect(tab.at(".frame .caption")).to_have_text("Mirror, live")
    seen = []
    for _ in range(5):
        seen.append(pixels(tab, ".mirror figure:first-child canvas"))
        tab.page.wait_for_timeout(500)
    assert sum(not same(picture, seen[0]) for picture in seen) >= 3
    expect(tab.at(".mirror-section [role=status]")).to_contain_text("pictures a second")
    aligned, detected = count(sent, "align"), detector.looks - looks
    assert 2 <= detected <= 6 and aligned > 2 * detected
    assert tab.moments() == 2  # nothing of it is in the history


def test_a_second_space_is_shown_beside_it(camera):
    tab, _sent, _ = camera
    tab.page.select_option("#mirror-space", "1")
    tab.page.click("#mirror")
    second = tab.at(".mirror figure").nth(2)
    expect(second).to_be_visible()
    expect(second.locator("figcaption")).to_have_text("tiny")
    tab.page.wait_for_timeout(500)
    both = [pixels(tab, f".mirror figure:nth-child({place}) canvas") for place in (2, 3)]
    assert both[0].shape == both[1].shape and not same(*both)


def test_a_mirrored_face_is_used_with_the_camera_s_picture_as_its_original(camera):
    tab, sent, _ = camera
    tab.page.click("#mirror")
    tab.page.click("#mirror-use")
    expect(tab.at("#history .tile")).to_have_count(3)
    expect(tab.at("#mirror")).to_have_attribute("aria-pressed", "false")
    expect(tab.at(".frame .caption")).to_be_hidden()
    assert tab.page.evaluate("import('./state.js').then(({ state }) => state.original.picture !== null)")
    tab.page.wait_for_timeout(500)
    assert count(sent, "forget") >= 1
    frames = len(sent)
    tab.page.wait_for_timeout(700)
    assert count(sent[frames:], "align") == 0


def test_the_mirror_ends_and_forgets_when_the_panel_is_left_or_another_face_is_set(camera):
    tab, sent, _ = camera
    live = "window.tracks.filter(track => track.readyState === 'live').length"
    tab.page.click("#mirror")
    expect(tab.at(".mirror")).to_be_visible()
    tab.at("#stage").focus()
    tab.page.keyboard.press("r")
    expect(tab.at("#history .tile")).to_have_count(3)
    expect(tab.at("#mirror")).to_have_attribute("aria-pressed", "false")
    assert tab.page.evaluate(live) == 1  # the camera's own picture is in sight still
    tab.page.click("#mirror")
    expect(tab.at("#mirror")).to_have_attribute("aria-pressed", "true")
    tab.page.wait_for_timeout(300)
    tab.page.click("#tab-map")
    expect(tab.at("#photo video")).to_have_count(0)
    assert tab.page.evaluate(live) == 0
    tab.page.wait_for_timeout(600)
    frames = len(sent)
    assert count(sent, "forget") >= 2
    tab.page.wait_for_timeout(600)
    assert count(sent[frames:], "align") == count(sent[frames:], "detect") == 0
    expect(tab.at(".frame .caption")).to_be_hidden()


def test_no_face_in_sight_is_said(camera):
    tab, _, detector = camera
    detector.away = True
    tab.page.click("#mirror")
    expect(tab.at(".mirror-section [role=status]")).to_have_text("No face is in sight.")
    detector.away = False
    expect(tab.at(".mirror-section [role=status]")).to_contain_text("pictures a second")
