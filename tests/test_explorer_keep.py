"""The explorer's switch "Keep the person": a finished edit becomes a closed-loop one, which another move cancels."""

import time

import numpy as np
import pytest
import torch
from explorer_browser import Tab, browser, expect  # noqa: F401
from explorer_help import Judge, running, with_directions

from facespace.explorer.service import Spaces
from facespace.space.face_space import load

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def judged(lively, few_samples):
    """A server with one space and the stand-in classifier: yields its address and the engine."""
    spaces = Spaces([with_directions(load(lively))])
    spaces.open(0).classifier = Judge()
    with running(spaces) as service:
        yield service.address, spaces.open(0)


@pytest.fixture
def kept(browser, judged):
    """A tab with the switch on, and the engine."""
    address, engine = judged
    engine.classifier.on_look = lambda: None
    tab = Tab(browser, address).ready()
    tab.page.get_by_label("Keep the person").check()
    yield tab, engine
    tab.context.close()
    assert tab.errors == []


def move(tab, name: str, value: float):
    row = tab.page.get_by_role("group", name=name, exact=True)
    row.locator(".typed").fill(str(value))
    tab.page.keyboard.press("Enter")
    return row


def z_of(tab) -> np.ndarray:
    return np.array(tab.page.evaluate("import('./state.js').then(({ state }) => [...state.z])"))


def move_to_goal(tab, engine):
    """Moves the first attribute by the slider, to where the classifier does not find the face to be yet."""
    image = engine.space.torch_engine.image(torch.from_numpy(z_of(tab).astype(np.float32))[None])
    by = -1.0 if float(Judge().differentiable_logits(image)[0, 0]) > 0 else 1.0
    row = tab.page.get_by_role("group", name="Smiling", exact=True)
    return move(tab, "Smiling", float(row.locator(".typed").input_value()) + by)


def test_a_kept_person_is_one_step_and_what_the_server_found(kept):
    tab, engine = kept
    engine.classifier.on_look = lambda: time.sleep(0.08)
    before = z_of(tab)
    move_to_goal(tab, engine)
    by_slider = z_of(tab)
    expect(tab.at(".row[aria-busy=true]")).to_have_count(1)
    expect(tab.at(".row[aria-busy=true]")).to_have_count(0)
    found = z_of(tab)
    assert np.abs(found - by_slider).max() > 1e-3 and np.abs(found - before).max() > 1e-3
    assert tab.moments() == 3
    tab.page.click("#undo")
    np.testing.assert_allclose(z_of(tab), before, atol=1e-6)
    tab.page.click("#redo")
    np.testing.assert_allclose(z_of(tab), found, atol=1e-6)


def test_another_move_cancels_it_and_stays(kept):
    tab, engine = kept
    judge = engine.classifier
    judge.on_look = lambda: time.sleep(0.2)
    move_to_goal(tab, engine)
    expect(tab.at(".row[aria-busy=true]")).to_have_count(1)
    tab.page.get_by_label("Keep the person").uncheck()
    move(tab, "Eyeglasses", 1.0)
    expect(tab.at(".row[aria-busy=true]")).to_have_count(0)
    after, looks = z_of(tab), judge.looks
    tab.page.wait_for_timeout(1500)
    assert judge.looks <= looks + 4  # it has stopped
    np.testing.assert_array_equal(z_of(tab), after)
    assert tab.moments() == 4


def test_what_the_classifier_does_not_know_is_moved_by_the_slider_alone(kept):
    tab, engine = kept
    judge = engine.classifier
    names, judge.names = judge.names, ("Eyeglasses",)
    try:
        row = move(tab, "Smiling", 2.0)
        expect(tab.at(".toast.error")).to_contain_text("does not know Smiling")
        expect(row.locator(".typed")).to_have_value("2.00")
        assert tab.moments() == 3
    finally:
        judge.names = names
