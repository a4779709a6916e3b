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


def ask(engine, page, what, z=None, /, **fields):
    payload = b"" if z is None else np.asarray(z, "<f4").tobytes()
    return handlers.answer(engine, messages.Request(1, what, fields, memoryview(payload)), page)


def logits(engine, z) -> np.ndarray:
    image = engine.space.torch_engine.image(torch.from_numpy(np.asarray(z, np.float32)))
    return Judge().differentiable_logits(image).detach().numpy()[0]


def latent_of(reply) -> np.ndarray:
    header, payload = reply
    return np.frombuffer(bytes(payload)[: header["latent_bytes"]], "<f4")[None].copy()


def dark(engine) -> np.ndarray:
    """A latent in whose face the classifier does not find its first attribute."""
    for seed in range(20):
        z = engine.space.sample_latents(1, seed=seed)
        if -6 < logits(engine, z)[0] < -1:
            return z
    raise AssertionError("all faces have it")


# ---- The handler


def test_an_edit_reaches_its_goal_and_holds_the_other_attributes(engine):
    engine.classifier = Judge(names=("Bright", "Eyeglasses"))  # no direction leads to the first
    z = dark(engine)
    reply = ask(engine, Page(), "edit", z, name="Bright", on=True)
    facts = {name: reply[0][name] for name in ("cancelled", "already", "reached", "held")}
    assert facts == {"cancelled": False, "already": False, "reached": True, "held": ["Eyeglasses"]}
    edited = latent_of(reply)
    before, after = logits(engine, z), logits(engine, edited)
    free = logits(engine, engine.space.edit(z, {"Bright": "on"}, [], engine.classifier))
    assert after[0] > 0 and abs(after[1] - before[1]) < abs(free[1] - before[1])
    expected = engine.space.edit(z, {"Bright": "on"}, ["Eyeglasses"], engine.classifier)
    np.testing.assert_allclose(edited, expected, atol=1e-5)


def test_a_face_that_shows_the_goal_is_not_moved(engine):
    z = dark(engine)
    header, _ = reply = ask(engine, Page(), "edit", z, name="Smiling", on=False)
    assert header["already"] and header["reached"]
    np.testing.assert_array_equal(latent_of(reply), z)


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
    z = dark(engine)
    slow = Judge(lambda: time.sleep(0.05))
    engine.classifier = slow
    page = Page()
    thread, found = in_thread(lambda: ask(engine, page, "edit", z, name="Smiling", on=True))
    looked(slow)
    engine.classifier = Judge()
    fields = {"name": "Eyeglasses", "on": True} if by == "edit" else {}
    ask(engine, page, by, z, **fields)
    thread.join(30)
    assert found == [({"cancelled": True}, b"")] and slow.looks < 30
    assert page.edit is None


def test_an_edit_of_a_page_that_has_left_stops(engine):
    z = dark(engine)
    slow = Judge(lambda: time.sleep(0.05))
    engine.classifier = slow
    left = threading.Event()

    def work():
        with while_wanted(lambda: not left.is_set()):
            return ask(engine, Page(), "edit", z, name="Smiling", on=True)

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
