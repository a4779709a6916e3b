"""The moving pictures of README and docs: a morph of the default space, and on the explorer's real page, in headless
Chromium, sliders that move and a drawing that grows. All faces are outputs of a decoder. Needs Playwright and Chromium (pip install 'facespace[dev]').

python benchmarks/screencast.py morph --to docs/images/morph.gif
python benchmarks/screencast.py sliders [SPACE] --to docs/images/sliders.gif
python benchmarks/screencast.py drawing [SPACE] --to docs/images/drawing.gif"""

import argparse
import io
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from explorer import SETTLED, launch, start
from PIL import Image
from playwright.sync_api import FloatRect, Locator, Page, sync_playwright

from facespace.image import animation, grids
from facespace.space.face_space import load

VIEW = {"width": 1180, "height": 620}  # CSS pixels of the page
# Parts of the page that are hidden, so that the face is large.
HIDDEN = {"sliders": "history,morph", "drawing": "history,morph,attributes,components,raw"}
CLIPS = {"sliders": 1.0, "drawing": 0.72}  # the share of the width that is shown, from the left
WIDTH = 800  # of the GIF where the whole page is shown
FRAME_MS = 100
HOLD_FRAMES = 10  # at the end, before it begins again
LARGEST = 2_000_000  # bytes
# Faces of the morph: the seed of samples, and a number among them.
MORPH_FACES = ((19, 0), (26, 0), (36, 1), (36, 0), (24, 5), (38, 2), (36, 2), (24, 1))
MORPH_SIDE = 224  # px

# The mouse pointer, which a screenshot leaves out.
POINTER = """() => {
  const dot = document.createElement('div');
  Object.assign(dot.style, {position: 'fixed', width: '18px', height: '18px', margin: '-9px 0 0 -9px', zIndex: 9999,
    borderRadius: '50%', background: '#f80a', border: '2px solid #fff', pointerEvents: 'none', left: '-50px'});
  document.body.append(dot);
  addEventListener('pointermove', event => {
    dot.style.left = event.clientX + 'px';
    dot.style.top = event.clientY + 'px';
  }, true);
}"""


class Stroke(NamedTuple):
    """A stroke of the drawing: tool, colour, width in pixels of the canvas, and its points as shares of the board's
    width and height. `gray` is the colour on a board without colours."""

    tool: str
    colour: str
    gray: str
    size: int
    points: Sequence[tuple[float, float]]


def arc(
    x: float, y: float, rx: float, ry: float, begin: float, end: float, count: int = 14
) -> list[tuple[float, float]]:
    """Points of an ellipse's arc; angles in degrees, clockwise from the right."""
    points = []
    for index in range(count):
        angle = math.radians(begin + (end - begin) * index / (count - 1))
        points.append((x + rx * math.cos(angle), y + ry * math.sin(angle)))
    return points


SKIN, HAIR, DARK, RED, WHITE = "#eac0a0", "#4a2f20", "#1d1512", "#b4473f", "#ffffff"
# On the faint mean face: skin, hair, brows, eyes, nose and mouth, then a smile.
DRAWING = (
    Stroke(
        "brush",
        SKIN,
        "#d5d5d5",
        60,
        [*arc(0.5, 0.55, 0.18, 0.27, -90, 270, 22), (0.5, 0.5), (0.45, 0.65), (0.55, 0.7)],
    ),
    Stroke("pen", HAIR, "#2b2b2b", 56, arc(0.5, 0.5, 0.35, 0.42, 155, 385, 22)),
    Stroke("pen", HAIR, "#2b2b2b", 10, arc(0.36, 0.45, 0.08, 0.04, 200, 340, 6)),
    Stroke("pen", HAIR, "#2b2b2b", 10, arc(0.64, 0.45, 0.08, 0.04, 200, 340, 6)),
    Stroke("pen", DARK, "#000000", 16, arc(0.37, 0.51, 0.03, 0.008, 0, 180, 5)),
    Stroke("pen", DARK, "#000000", 16, arc(0.63, 0.51, 0.03, 0.008, 0, 180, 5)),
    Stroke("pen", "#8a5a3a", "#808080", 7, arc(0.5, 0.66, 0.06, 0.03, 20, 160, 6)),
    Stroke("pen", RED, "#555555", 14, arc(0.5, 0.77, 0.13, 0.05, 5, 175, 8)),
    Stroke("pen", WHITE, WHITE, 16, arc(0.5, 0.765, 0.1, 0.025, 170, 10, 8)),
)
# (attribute, strengths to visit in standard deviations); names that the space lacks are left out.
MOVES = (("Smiling", (2.5,)), ("Eyeglasses", (3.5, 0.0)), ("Young", (-3.0, 1.0)), ("Male", (1.8, 0.0)))


class Film:
    """Frames of the page."""

    def __init__(self, page: Page, share: float) -> None:
        self.page, self.frames = page, []
        self.clip = FloatRect(x=0, y=0, width=share * VIEW["width"], height=VIEW["height"])
        self.width = round(share * WIDTH)

    def take(self, settle: int = 60) -> None:
        """One frame, after the picture of the last change has been painted."""
        self.page.wait_for_timeout(settle)
        self.page.wait_for_selector("#faces[aria-busy=false]", timeout=SETTLED)
        image = Image.open(io.BytesIO(self.page.screenshot(animations="disabled", clip=self.clip))).convert(
            "RGB"
        )
        height = round(image.height * self.width / image.width)
        self.frames.append(image.resize((self.width, height), Image.Resampling.LANCZOS))

    def hold(self, count: int) -> None:
        """Repeats the last frame."""
        self.frames += [self.frames[-1]] * count

    def save(self, to: Path, colours: int) -> None:
        """Writes a looping GIF in one palette, without dithering, which would change every pixel of every frame."""
        chosen = self.frames[:: max(1, len(self.frames) // 12)]
        column = Image.new("RGB", (self.width, sum(frame.height for frame in chosen)))
        for index, frame in enumerate(chosen):
            column.paste(frame, (0, index * frame.height))
        palette = column.quantize(colours, method=Image.Quantize.MEDIANCUT)
        indexed = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in self.frames]
        to.parent.mkdir(parents=True, exist_ok=True)
        options = {"save_all": True, "loop": 0, "duration": FRAME_MS, "optimize": True}
        indexed[0].save(to, append_images=indexed[1:], **options)
        check_size(to)


def sliders(page: Page, film: Film) -> None:
    """Drags the sliders of a few attributes."""
    page.wait_for_selector(".meter b", timeout=SETTLED)  # the unit of the sliders is known
    page.click("#tab-attributes")
    page.wait_for_timeout(1500)
    film.take()
    film.hold(5)
    for name, strengths in MOVES:
        slider = page.locator(f"#attributes .row[aria-label='{name}'] input[type=range]")
        if slider.count():
            drag(page, slider, strengths, film)
    film.hold(HOLD_FRAMES)


def drag(page: Page, slider: Locator, strengths: Sequence[float], film: Film) -> None:
    """Moves one slider from where it stands to each strength."""
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    assert box
    limit = float(slider.get_attribute("max"))
    middle = box["y"] + box["height"] / 2

    def place(value: float) -> float:
        thumb = 16  # CSS pixels; its centre stays inside the track
        return box["x"] + thumb / 2 + (box["width"] - thumb) * (value + limit) / (2 * limit)

    value = float(slider.input_value())
    page.mouse.move(place(value), middle)
    page.mouse.down()
    for target in strengths:
        steps = max(4, round(abs(target - value) / 0.35))
        begin = value
        for step in range(1, steps + 1):
            value = begin + (target - begin) * step / steps
            page.mouse.move(place(value), middle)
            film.take()
        film.hold(3)
    page.mouse.up()
    film.take()


def drawing(page: Page, film: Film) -> None:
    """Draws a face stroke by stroke beside its reconstruction."""
    page.click("#tab-draw")
    board = page.locator(".board")
    board.wait_for()
    page.wait_for_timeout(1500)
    film.take()
    film.hold(4)
    for stroke in DRAWING:
        page.click(f"#draw [data-tool={stroke.tool}]")
        swatch = page.locator(f"#draw [data-colour='{stroke.colour}']")
        if not swatch.count():
            swatch = page.locator(f"#draw [data-colour='{stroke.gray}']")
        swatch.click()
        page.evaluate(
            """size => { const input = document.querySelector('#draw-size'); input.value = size;
            input.dispatchEvent(new Event('input')); }""",
            stroke.size,
        )
        box = board.bounding_box()
        assert box
        points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke.points]
        page.mouse.move(*points[0])
        page.mouse.down()
        for index, point in enumerate(points[1:]):
            page.mouse.move(*point, steps=3)
            if index % 2 == 0:
                film.take()
        page.mouse.up()
        film.take(150)
        film.hold(1)
    film.take(2_000)  # the reconstruction of the whole drawing
    film.hold(HOLD_FRAMES)


def save_morph(to: Path) -> None:
    """A morph through faces of the default space: MORPH_FACES, each a seed and a number."""
    space = load()
    z = np.stack([space.sample_latents(number + 1, seed)[number] for seed, number in MORPH_FACES])
    frames = space.morph(z, frames=7 * len(z), loop=True, path="flow")
    animation.save_animation(grids.resized(frames, MORPH_SIDE, MORPH_SIDE), to, fps=12)
    check_size(to)


def check_size(to: Path) -> None:
    """Exits where a file is too large for a page."""
    size = to.stat().st_size
    print(f"{to}: {size:,} bytes")
    if size > LARGEST:
        raise SystemExit(f"{to} is larger than {LARGEST:,} bytes: take fewer --colours.")


SCENES: dict[str, Callable[[Page, Film], None]] = {"sliders": sliders, "drawing": drawing}


def main() -> None:
    """Records a scene."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scene", choices=["morph", *SCENES])
    parser.add_argument(
        "space",
        nargs="?",
        default="faces128",
        help="a run or a bundle; the morph is always of the default space",
    )
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0, help="of the nine random faces")
    parser.add_argument("--face", type=int, default=0, help="which of the nine, from 0")
    parser.add_argument("--colours", type=int, default=200)
    asked = parser.parse_args()
    if asked.scene == "morph":
        save_morph(asked.to)
        return
    server, address, _ = start(asked.space)
    try:
        with sync_playwright() as playwright:
            browser = launch(playwright)
            page = browser.new_page(viewport=VIEW, color_scheme="light")
            page.add_init_script("localStorage.setItem('facespace:tour', 'seen')")
            page.set_default_timeout(SETTLED)
            host, key = address.split("#")
            page.goto(f"{host}?hide={HIDDEN[asked.scene]}#{key}")
            page.wait_for_selector("#random .image-grid button", timeout=SETTLED)
            page.fill("#seed", str(asked.seed))
            page.press("#seed", "Enter")
            page.wait_for_timeout(4000)
            page.locator("#random .image-grid button").nth(asked.face).click()
            page.wait_for_timeout(600)
            page.evaluate(POINTER)
            film = Film(page, CLIPS[asked.scene])
            SCENES[asked.scene](page, film)
            film.save(asked.to, asked.colours)
            browser.close()
    finally:
        server.terminate()
        server.wait(10)


if __name__ == "__main__":
    main()
