"""The second cue beside the distance: how sure a face detector is of the face, compared with usual faces."""

import re

import pytest
from explorer_browser import Tab, browser, expect  # noqa: F401
from explorer_help import running, with_directions

from facespace.explorer.service import Spaces
from facespace.space.face_space import load

pytestmark = pytest.mark.slow
DISTANCE = re.compile("Near average|Usual distance|Far out|Beyond the model")


@pytest.fixture
def seen(browser, lively, few_samples):
    """A tab, and the score that the detector gives to every face."""
    spaces, score = Spaces([with_directions(load(lively))]), [0.95]
    spaces.open(0).photos.score = lambda face: score[0]
    with running(spaces) as service:
        made = Tab(browser, service.address).ready()
        made.page.click("#tab-raw")
        made.page.wait_for_selector("#raw .strength")  # all is measured
        yield made, score
        made.context.close()
    assert made.errors == []


def test_a_face_that_the_detector_hardly_finds_is_said_to_be_one(seen):
    tab, score = seen
    words = tab.at(".meter b")
    expect(words).to_have_text(DISTANCE)
    for found, text in ((0.93, "Hardly a face"), (0.0, "No face"), (0.96, DISTANCE)):
        score[0] = found
        tab.page.keyboard.press("r")
        expect(words).to_have_text(text)
    score[0] = 0.0
    tab.page.keyboard.press("r")
    expect(words).to_have_text("No face")
    score[0] = 0.96
    tab.page.keyboard.press("Control+z")
    expect(words).to_have_text(DISTANCE)


def test_without_the_detector_the_meter_speaks_of_the_distance(browser, lively, few_samples):
    spaces = Spaces([with_directions(load(lively))])
    spaces.open(0).photos.score = lambda face: None
    with running(spaces) as service:
        tab = Tab(browser, service.address).ready()
        tab.page.keyboard.press("r")
        tab.picture()
        expect(tab.at(".meter b")).to_have_text(DISTANCE)
        tab.context.close()
        assert tab.errors == []
