"""What the page saves: a morph in the size that was chosen, with its progress, and pictures of an edit beside its original.
Also the morph's pace, and a frame that becomes the face."""

import io
from typing import Any

import numpy as np
import pytest
from explorer_browser import Tab, address, browser, expect, same, tab  # noqa: F401
from PIL import Image
from test_explorer_lessons import set_value, value
from test_explorer_mix import z_of

pytestmark = pytest.mark.slow


def with_keyframes(tab, count: int):
    tab.page.click("#tab-morph")
    for number in range(count):
        tab.page.click("#keyframe-add")
        expect(tab.at(".keyframe")).to_have_count(number + 1)
        tab.at("#stage").focus()
        tab.page.keyboard.press("r")
        tab.page.wait_for_timeout(300)
    return tab


def saved_file(tab, selector: str) -> Any:
    """The picture of the file that a button saves, of one frame or several."""
    with tab.page.expect_download() as got:
        tab.page.click(selector)
    return Image.open(got.value.path())


def test_seconds_count_for_each_keyframe_and_the_whole_is_said(tab):
    page = with_keyframes(tab, 3).page
    total = tab.at(".animation .total")
    expect(total).to_have_text("· 6.0 s")
    page.get_by_label("Seconds per keyframe").fill("0.5")
    page.keyboard.press("Enter")
    expect(total).to_have_text("· 1.5 s")
    page.get_by_label("Loop mode").select_option("once")
    expect(total).to_have_text("· 1.0 s")
    page.get_by_label("Loop mode").select_option("pingpong")
    expect(total).to_have_text("· 2.0 s")
    expect(tab.at(".scrub")).to_have_attribute("max", "59")
    for _ in range(4):
        page.get_by_label("Seconds per keyframe").fill("10")
        page.keyboard.press("Enter")
    expect(total).to_have_text("· 30.0 s at most")


def test_easing_changes_the_path_and_a_frame_becomes_the_face(tab):
    page = with_keyframes(tab, 2).page
    page.get_by_label("Loop mode").select_option("once")
    expect(tab.at(".scrub")).to_have_attribute("max", "59")
    tab.page.wait_for_timeout(500)
    places = []
    for easing in ("linear", "smooth"):
        page.get_by_label("Easing").select_option(easing)
        page.wait_for_timeout(600)
        tab.at(".scrub").fill("6")
        page.click("#frame-use")
        expect(tab.at("#morph .total")).to_be_visible()
        page.wait_for_timeout(300)
        places.append(z_of(tab))
    first = np.array(page.evaluate("import('./state.js').then(({ state }) => [...state.keyframes[0].z])"))
    assert 0 < np.linalg.norm(places[1] - first) < 0.6 * np.linalg.norm(places[0] - first)
    expect(tab.at(".frame .caption")).to_be_hidden()  # the face is shown, no preview
    page.click("#tab-history")
    label = tab.at("#history .tile").last.get_attribute("aria-label")
    assert label.startswith("Morph, frame 7 of 60")
    page.reload()
    page.click("#tab-morph")
    expect(page.get_by_label("Easing")).to_have_value("smooth")


def test_a_morph_is_saved_in_the_chosen_size_with_progress_and_can_be_cancelled(tab):
    page = with_keyframes(tab, 2).page
    page.get_by_label("Seconds per keyframe").fill("1")
    page.keyboard.press("Enter")
    page.click("#animation-save")
    box = page.get_by_role("dialog", name="Save the morph")
    expect(box).to_contain_text("60 frames, 2.0 seconds. The decoder makes 16 × 16 pixels")
    expect(box.locator("#morph-size option")).to_have_text(
        ["256 px, enlarged", "512 px, enlarged", "1,024 px, enlarged"]
    )
    box.locator("#morph-size").select_option("1024")
    box.locator("#morph-aspect").select_option("4:5")
    page.click("#morph-save")
    expect(box.get_by_role("progressbar")).to_be_visible()
    expect(box.get_by_role("status")).to_contain_text("%")
    page.click("#morph-cancel")
    expect(page.locator("#morph-save")).to_be_visible()
    box.locator("#morph-size").select_option("256")
    box.locator("#morph-format").select_option("webp")
    made = saved_file(tab, "#morph-save")
    assert made.size == (256, 320) and made.n_frames == 60 and made.format == "WEBP"
    expect(box).to_be_hidden()
    page.click("#animation-save")  # settings stay
    expect(box.locator("#morph-aspect")).to_have_value("4:5")
    expect(box.locator("#morph-format")).to_have_value("webp")


def edited(tab) -> tuple[np.ndarray, np.ndarray]:
    """The original and the edited face, as both are painted."""
    before = tab.picture()
    set_value(tab, "Smiling", value(tab, "Smiling") + 4)
    tab.page.wait_for_timeout(300)
    tab.at("#stage").focus()
    return before, tab.picture()


def mean_colours(picture: np.ndarray) -> np.ndarray:
    """Means of 8 × 8 parts."""
    side = picture.shape[0] // 8 * 8
    return picture[:side, :side, :3].reshape(8, side // 8, 8, side // 8, 3).mean((1, 3))


def test_before_and_after_side_by_side(tab):
    before, after = edited(tab)
    tab.page.keyboard.press("e")
    made = saved_file(tab, "#export-pair")
    pixels = np.asarray(made.convert("RGB")).astype(float)
    assert pixels.shape == (512 + 20 + 44, 2 * 512 + 3 * 20, 3)
    left, right = pixels[20:532, 20:532], pixels[20:532, 552:1064]
    assert np.abs(mean_colours(left) - mean_colours(before)).max() < 8
    assert np.abs(mean_colours(right) - mean_colours(after)).max() < 8
    assert np.abs(left - right).mean() > 2
    assert (pixels[534:] < 128).any()  # captions
    assert "trainedAlgorithmicMedia" in made.info["XML:com.adobe.xmp"] and "facespace" in made.info
    assert "composite" not in made.info["XML:com.adobe.xmp"]


def test_before_and_after_as_a_wipe(tab):
    before, after = edited(tab)
    tab.page.keyboard.press("e")
    made = saved_file(tab, "#export-wipe")
    assert made.format == "GIF" and made.size == (512, 512) and made.n_frames == 48 and made.info["loop"] == 0
    assert b"trainedAlgorithmicMedia" in made.info["comment"]
    frames, durations = [], []
    for place in range(made.n_frames):
        made.seek(place)
        frames.append(np.asarray(made.convert("RGB")).astype(float))
        durations.append(made.info["duration"])
    assert durations[0] == durations[24] == 900 and set(durations) == {50, 900}
    assert np.abs(mean_colours(frames[0]) - mean_colours(after)).max() < 10
    assert np.abs(mean_colours(frames[24]) - mean_colours(before)).max() < 10
    half = frames[12]  # the line is in the middle
    assert (half[:, 255:258] == 255).all()
    assert np.abs(half[:, :254] - frames[24][:, :254]).max() == 0
    assert np.abs(half[:, 258:] - frames[0][:, 258:]).max() == 0
    assert np.abs(frames[30] - frames[18]).max() == 0  # and the same way back


def test_before_and_after_needs_an_edit_and_names_a_photograph(tab):
    tab.page.keyboard.press("e")
    box = tab.page.get_by_role("dialog", name="Export this face")
    expect(box.locator("#export-pair")).to_be_disabled()
    expect(box).to_contain_text("edit the face first")
    tab.page.keyboard.press("Escape")
    tab.page.evaluate(
        "import('./state.js').then(({ state, setFace }) => setFace(state.z.slice(), 'Photo', "
        "{ pixels: new Uint8ClampedArray(4 * 256).fill(255), width: 16, height: 16 }))"
    )
    tab.page.keyboard.press("e")
    made = saved_file(tab, "#export-pair")
    assert "compositeWithTrainedAlgorithmicMedia" in made.info["XML:com.adobe.xmp"]


GIFS = """async ([width, height, colours]) => {
  const { gifFile } = await import('./gif.js');
  const { paletteOf, quantizer } = await import('./palettes.js');
  const pixels = new Uint8ClampedArray(4 * width * height);
  let seed = 7;
  for (let i = 0; i < pixels.length; i++) {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    pixels[i] = colours ? 255 * ((seed >> 16) % 2) : seed >> 16;
  }
  const palette = paletteOf([{ pixels, width, height }]);
  const indices = quantizer(palette)({ pixels, width, height });
  const turned = indices.slice().reverse();
  const file = gifFile(width, height, palette, 'x'.repeat(300));
  for (const frame of [indices, turned, turned]) file.add(frame, 10);
  return [[...file.finish()], [...indices], [...palette]];
}"""


@pytest.mark.parametrize(
    ("width", "height", "few"), [(1, 1, True), (3, 5, False), (200, 90, False), (64, 64, True)]
)
def test_a_gif_holds_its_indices_exactly_at_any_size_and_noise(tab, width, height, few):
    data, indices, palette = tab.page.evaluate(GIFS, [width, height, few])
    made: Any = Image.open(io.BytesIO(bytes(data)))
    assert made.size == (width, height) and made.n_frames == 3 and made.info["comment"] == b"x" * 300
    first = np.array(palette).reshape(-1, 3)[np.array(indices)].reshape(height, width, 3)
    for place, expected in enumerate((first, first[::-1, ::-1], first[::-1, ::-1])):
        made.seek(place)
        assert (np.asarray(made.convert("RGB")) == expected).all()
