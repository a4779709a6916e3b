"""Scenes of the explorer's page: panels, dialogs and states that a person comes to see, each a function that brings an open
page there. `screens.py` makes pictures of them; tests/test_explorer_access.py has axe look at them."""

import page_scenes as page_of
import photo_scenes as photo_of
from playwright.sync_api import Page

STATUS = page_of.MODULE + "('engine.js').then(({ engine }) => engine.connection.onstatus('%s'))"
SETTINGS = (
    page_of.MODULE
    + "('state.js').then(({ setView }) => setView({ wall: true, split: false, drawOn: 'board' }))"
)


SCENES: dict[str, page_of.Scene] = {
    "random": page_of.tab("random"),
    "draw": page_of.tab("draw"),
    "on-the-face": page_of.on_the_face,
    "paint": page_of.paint,
    "photo": page_of.tab("photo"),
    "map": page_of.tab("map"),
    "mix": page_of.mix,
    "choose": page_of.choose,
    "saved": page_of.saved,
    "attributes": page_of.tab("attributes"),
    "edited": page_of.edited,
    "split": page_of.split,
    "heat": page_of.heat,
    "sheet": page_of.sheet,
    "direction": page_of.direction,
    "components": page_of.tab("components"),
    "menu": page_of.menu,
    "raw": page_of.tab("raw"),
    "rows": page_of.rows,
    "pad": page_of.tab("pad"),
    "history": page_of.tab("history"),
    "morph": page_of.morph,
    "save-morph": page_of.save_morph,
    "saving": page_of.saving,
    "lesson": page_of.lesson,
    "lessons": lambda page: page.click("#lessons"),
    "help": lambda page: page.keyboard.press("?"),
    "tour": page_of.tour,
    "facts": page_of.facts,
    "export": page_of.export,
    "toasts": page_of.toasts,
    "lost": lambda page: page.evaluate(STATUS % "disconnected"),
    "refused": lambda page: page.evaluate(STATUS % "refused"),
    "camera": photo_of.camera,
    "mirror": photo_of.mirror,
    "pick": photo_of.pick,
    "points": photo_of.points,
    "tuning": photo_of.tuning,
}


def leave(page: Page) -> None:
    """Closes dialogs and the lesson, so that the next scene has a page without them."""
    page.keyboard.up("h")
    page.keyboard.press("Escape")
    if page.locator("#paint-layer").is_visible():
        page.mouse.up()
        page.keyboard.press("Control+z")
    if page.locator("#lesson-close").is_visible():
        page.click("#lesson-close")
    if page.locator("#disconnected").count():
        page.evaluate(STATUS % "ready")
    page.evaluate(SETTINGS)
    page.evaluate("document.querySelectorAll('.toast').forEach(toast => toast.remove())")
    page.evaluate("document.activeElement?.blur()")
    page.mouse.move(1, 1)
