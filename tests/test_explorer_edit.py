"""The explorer's closed-loop edits ("Keep the person"), as the server answers them. No browser; see
test_explorer_keep.py."""

import threading
import time

import numpy as np
import pytest
import torch
from explorer_help import Judge, with_directions

from facespace.core.errors import UsageError
from facespace.core.waiting import Abandoned, step, while_wanted
from facespace.explorer import handlers, messages
from facespace.explorer.calls import Page
from facespace.explorer.engine import Engine
from facespace.space.face_space import load


@pytest.fixture
def engine(lively):
    made = Engine(with_directions(load(lively)), "lively")
    made.classifier = Judge()
    return made


def ask(engine, page, name, z=None, **fields):
    payload = b"" if z is None else np.asarray(z, "<f4").tobytes()
    return handlers.answer(engine, messages.Request(1, name, fields, memoryview(payload)), page)


def logits(engine, z) -> np.ndarray:
    image = engine.space.torch_engine.image(torch.from_numpy(np.asarray(z, np.float32)))
    return Judge().differentiable_logits(image).detach().numpy()[0]


def latent_of(reply) -> np.ndarray:
    header, payload = reply
    return np.frombuffer(bytes(payload)[: header["latent_bytes"]], "<f4")[None]


def start_of(engine) -> tuple[np.ndarray, bool]:
    """A latent, and whether its face does not have the first attribute."""
    z = engine.space.sample_latents(1, seed=3)
    return z, bool(logits(engine, z)[0] < 0)


# ---- The handler


def test_an_edit_reaches_its_goal_and_holds_the_other_attributes(engine):
    z, on = start_of(engine)
    reply = ask(engine, Page(), "edit", z, name="Smiling", on=on)
    assert reply[0]["held"] == ["Eyeglasses"] and not reply[0]["cancelled"]
    edited = latent_of(reply)
    before, after = logits(engine, z), logits(engine, edited)
    sign = 1 if on else -1
    assert sign * after[0] > sign * before[0] + 0.5
    assert abs(after[1] - before[1]) < abs(after[0] - before[0]) / 2
    expected = engine.space.edit(z, {"Smiling": "on" if on else "off"}, ["Eyeglasses"], Judge())
    np.testing.assert_allclose(edited, expected, atol=1e-5)
    assert reply[0]["reached"] is bool(sign * after[0] >= 0)


def test_a_face_that_shows_the_goal_is_not_moved(engine):
    z, on = start_of(engine)
    far = engine.space.edit(z, {"Smiling": "off" if on else "on"}, [], Judge())
    if abs(logits(engine, far)[0]) < 1:
        pytest.fail("the stand-in classifier does not find its attribute")
    header, _ = reply = ask(engine, Page(), "edit", far, name="Smiling", on=not on)
    assert header["already"] and header["reached"]
    np.testing.assert_array_equal(latent_of(reply), far)


@pytest.mark.parametrize(
    ("rows", "fields", "words"),
    [
        (1, {"name": "Male", "on": True}, "does not know Male"),
        (1, {"name": "Smiling"}, "on is true or false; got None"),
        (1, {"name": "Smiling", "on": 1}, "on is true or false; got 1"),
        (1, {"on": True}, "name is a text"),
        (1, {"name": "x" * 41, "on": True}, "1 to 40 characters"),
        (2, {"name": "Smiling", "on": True}, "1 to 1 rows"),
        (0, {"name": "Smiling", "on": True}, "1 to 1 rows"),
    ],
)
def test_fields_are_checked(engine, rows, fields, words):
    page = Page()
    with pytest.raises(UsageError, match=words):
        ask(engine, page, "edit", np.zeros((rows, engine.space.latent_dim)), **fields)
    assert page.edit is None


def in_thread(work) -> tuple[threading.Thread, list]:
    found: list = []

    def run():
        try:
            found.append(work())
        except Abandoned as error:
            found.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, found


def looked(judge, times=3) -> None:
    """Waits until the classifier has worked."""
    deadline = time.monotonic() + 60
    while judge.looks < times and time.monotonic() < deadline:
        time.sleep(0.01)
    assert judge.looks >= times


@pytest.mark.parametrize("by", ["cancel_edit", "edit"])
def test_a_later_move_cancels_an_edit_at_its_next_step(engine, by):
    z, on = start_of(engine)
    slow = Judge(lambda: time.sleep(0.05))
    engine.classifier = slow
    page = Page()
    thread, found = in_thread(lambda: ask(engine, page, "edit", z, name="Smiling", on=on))
    looked(slow)
    engine.classifier = Judge()
    fields = {"name": "Eyeglasses", "on": True} if by == "edit" else {}
    ask(engine, page, by, z, **fields)
    thread.join(30)
    assert found == [({"cancelled": True}, b"")] and slow.looks < 30
    assert page.edit is None


def test_an_edit_of_a_page_that_has_left_stops(engine):
    z, on = start_of(engine)
    slow = Judge(lambda: time.sleep(0.05))
    engine.classifier = slow
    left = threading.Event()

    def work():
        with while_wanted(lambda: not left.is_set()):
            return ask(engine, Page(), "edit", z, name="Smiling", on=on)

    thread, found = in_thread(work)
    looked(slow)
    left.set()
    thread.join(30)
    assert isinstance(found[0], Abandoned) and slow.looks < 30


def test_a_block_inside_another_asks_both():
    wanted = [True]
    with while_wanted(lambda: wanted[0]), while_wanted(lambda: True):
        step()
        wanted[0] = False
        with pytest.raises(Abandoned):
            step()
