"""Scenes of the explorer's Photo panel (see scenes.py). The camera, what a detector finds and a tuning are stood in for."""

from page_scenes import MODULE, open_tab
from playwright.sync_api import Page

# Two faces that a detector might find in the picture PICTURE, and nothing else is asked of the server.
FACES = (
    MODULE
    + """('engine.js').then(({ engine }) => {
  const at = (x, y) => [[x, y], [x + 60, y], [x + 30, y + 30], [x + 5, y + 60], [x + 55, y + 60]];
  const face = (x, y) => ({ box: [x - 30, y - 60, 120, 160], points: at(x, y), small: true, eye_distance: 60 });
  engine.detectFaces = async () => ({ faces: [face(80, 120), face(280, 120)] });
  engine.alignFace = async (image) => {
    const mean = await engine.mean();
    return { aligned: mean.picture, face: mean };
  };
})"""
)
PICTURE = """() => {
  const canvas = Object.assign(document.createElement('canvas'), { width: 440, height: 300 });
  const context = canvas.getContext('2d');
  context.fillStyle = '#b98';
  context.fillRect(0, 0, 440, 300);
  return canvas.toDataURL('image/png').split(',')[1];
}"""
OPEN = (
    """async (content) => {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const { openPhoto } = await """
    + MODULE
    + """('panels/photo.js');
  await openPhoto(new File([bytes], 'two.png', { type: 'image/png' }));
}"""
)
CAMERA = """() => {
  const canvas = Object.assign(document.createElement('canvas'), { width: 640, height: 480 });
  const context = canvas.getContext('2d');
  const paint = () => { context.fillStyle = '#876'; context.fillRect(0, 0, 640, 480); };
  paint();
  setInterval(paint, 100);
  navigator.mediaDevices.getUserMedia = async () => canvas.captureStream(10);
}"""
TUNING = (
    MODULE
    + """('engine.js').then(({ engine }) => {
  engine.tune = () => new Promise(() => {});
  engine.tuningProgress = async () => ({ share: 0.4, secondsLeft: 40, picture: (await engine.mean()).picture });
})"""
)


def open_photo(page: Page) -> None:
    """Photo, before there is one."""
    open_tab(page, "photo")
    if page.locator("#photo-file").count() == 0:
        page.click("#forget")


def camera(page: Page) -> None:
    """The camera's picture, before the mirror runs."""
    page.evaluate(CAMERA)
    open_photo(page)
    page.get_by_role("button", name="Camera", exact=True).click()
    page.locator("video").wait_for()


def mirror(page: Page) -> None:
    """The mirror while it runs."""
    page.evaluate(FACES)
    camera(page)
    page.evaluate(MODULE + "('engine.js').then(({ engine }) => { engine.keepPhoto = async () => {}; })")
    page.click("#mirror")
    page.locator("#mirror-use").wait_for()


def pick(page: Page) -> None:
    """A photograph with two faces."""
    page.evaluate(FACES)
    open_photo(page)
    content = page.evaluate(f"({PICTURE})()")
    page.evaluate(OPEN, content)
    page.locator(".face-box").first.wait_for()


def points(page: Page) -> None:
    """The landmarks of a face, its alignment and its reconstruction."""
    pick(page)
    page.locator(".face-box").first.click()
    page.locator("#photo-use:enabled").wait_for()


def tuning(page: Page) -> None:
    """A copy of the space that learns a photograph."""
    page.evaluate(TUNING)
    points(page)
    page.click("#tune")
    page.locator(".ring").scroll_into_view_if_needed()
