"""Random faces of the explorer that are asked for attributes, by the protocol and on the page."""

import contextlib
import time

import numpy as np
import pytest
from explorer_browser import WAIT, Tab, browser, expect, same  # noqa: F401
from explorer_help import running

from facespace.core.errors import UsageError
from facespace.explorer import handlers
from facespace.explorer.calls import Page
from facespace.explorer.messages import Request
from facespace.explorer.publishing.replies import static_facts
from facespace.explorer.service import Spaces
from facespace.space.face_space import load

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def engine(flowing):
    return Spaces([load(flowing)]).open(0)


def ask(engine, **fields) -> bytes:
    """The payload of the answer: latents, then pixels."""
    return bytes(handlers.answer(engine, Request(0, "random", fields, memoryview(b"")), Page())[1])


def test_the_facts_name_attributes_and_settings(engine):
    assert engine.facts["conditions"] == {"flow": ["smile", "Hat"], "normal": []}
    assert engine.facts["prior"] == "flow"
    assert engine.facts["sampling"] == {"temperature": 0.5, "guidance": 4.0}
    assert static_facts(engine, ["model"])["conditions"] == {}


def test_faces_are_drawn_under_attributes():
    engine = Spaces([load("faces64")]).open(0)
    asked = {"count": 2, "seed": 5, "truncation": 0.6, "prior": "flow"}
    wanted = engine.space.sample_latents(2, 5, 0.6, "flow", {"Smiling": -1.0}, 3.0)
    answers = ask(engine, **asked, conditions={"Smiling": -1}, guidance=3), ask(engine, **asked)
    found, plain = (np.frombuffer(raw[: wanted.nbytes], "<f4").reshape(wanted.shape) for raw in answers)
    np.testing.assert_array_equal(found, wanted)
    assert np.abs(found - plain).max() > 0.5


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"conditions": {"smile": 2}}, "each with 1 or -1"),
        ({"conditions": {"smile": "yes"}}, "each with 1 or -1"),
        ({"conditions": ["smile"]}, "each with 1 or -1"),
        ({"conditions": {"smiel": 1}}, "Unknown condition 'smiel'"),
        ({"conditions": {"smile": 1}, "guidance": 99}, "guidance is a number from 0 to 20"),
        ({"conditions": {"smile": 1}, "prior": "normal"}, "has no conditions"),
    ],
)
def test_what_cannot_be_asked_is_a_sentence(engine, fields, words):
    with pytest.raises(UsageError, match=words):
        ask(engine, **{"prior": "flow", **fields})


@pytest.fixture
def open_tab(browser, few_samples):
    """A function that opens the page of some spaces."""
    opened = []
    with contextlib.ExitStack() as stack:

        def show(*spaces) -> Tab:
            service = stack.enter_context(running(Spaces(list(spaces))))
            opened.append(Tab(browser, service.address).ready())
            return opened[-1]

        yield show
        for tab in opened:
            tab.context.close()
    assert not any(tab.errors for tab in opened)


@pytest.fixture
def tab(open_tab, flowing, lively):
    return open_tab(flowing, lively)


def tiles(tab) -> np.ndarray:
    """The nine faces of the panel."""
    expect(tab.at("#random .tile")).to_have_count(9)
    return np.stack([tab.picture(f"#random .tile:nth-child({place}) canvas") for place in range(1, 10)])


def changed(tab, before: np.ndarray) -> np.ndarray:
    """The nine faces, once they are others than before."""
    deadline = time.monotonic() + WAIT / 1000
    while time.monotonic() < deadline:
        faces = tiles(tab)
        if not same(faces, before):
            return faces
    raise AssertionError("the faces stayed as they were")


def test_the_panel_asks_for_attributes(open_tab):
    tab = open_tab(load("faces64"))
    page, chips = tab.page, tab.at(".condition")
    expect(page.get_by_label("Guidance")).to_be_hidden()
    before = tiles(tab)
    page.select_option("#ask", "Wearing_Hat")
    expect(chips).to_have_text(["with Wearing Hat"])
    expect(page.get_by_label("Guidance")).to_be_visible()
    expect(page.get_by_label("Guidance")).to_have_value("3")
    worn = changed(tab, before)
    page.get_by_role("button", name="with Wearing Hat").click()
    expect(chips).to_have_text(["without Wearing Hat"])
    bare = changed(tab, worn)
    page.select_option("#ask", "Smiling")
    expect(chips).to_have_text(["without Wearing Hat", "with Smiling"])
    assert "Wearing Hat" not in tab.at("#ask").inner_text()
    changed(tab, bare)
    page.reload()
    expect(chips).to_have_text(["without Wearing Hat", "with Smiling"])
    page.get_by_role("button", name="Stop asking for Smiling").click()
    page.get_by_role("button", name="Stop asking for Wearing Hat").click()
    expect(chips).to_have_count(0)
    expect(page.get_by_label("Guidance")).to_be_hidden()
    assert "Wearing Hat" in tab.at("#ask").inner_text()


def test_the_panel_offers_nothing_where_a_prior_knows_nothing(tab):
    tab.page.select_option("#ask", "Hat")
    expect(tab.at(".condition")).to_have_text(["with Hat"])
    tab.page.select_option("#prior", "normal")
    expect(tab.at(".conditions")).to_be_hidden()
    tab.page.select_option("#prior", "flow")
    expect(tab.at(".condition")).to_have_text(["with Hat"])
    tab.page.select_option("#space-select", "1")
    expect(tab.at(".conditions")).to_be_hidden()
    assert len(tiles(tab)) == 9


def test_settings_are_the_space_s_own_until_they_are_changed(tab):
    expect(tab.at("#variety")).to_have_value("0.5")
    tab.page.select_option("#ask", "Hat")
    expect(tab.page.get_by_label("Guidance")).to_have_value("4")
    tab.page.select_option("#space-select", "1")
    expect(tab.at("#variety")).to_have_value("0.8")
    tab.at("#variety").fill("1.1")
    tab.page.select_option("#space-select", "0")
    expect(tab.page.get_by_label("Guidance")).to_have_value("4")
    expect(tab.at("#variety")).to_have_value("1.1")
