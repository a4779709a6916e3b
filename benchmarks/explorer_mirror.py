"""The rate of the explorer's mirror, in pictures a second, with one space and with two, by the server and by the browser (a
published site). Chromium's camera shows a face that the first space decodes, enlarged and moving. Needs Playwright, Chromium,
OpenCV, and for the site onnxruntime-web (npm install onnxruntime-web@1.30.0).

python benchmarks/explorer_mirror.py [RUN [RUN]] [--runtime node_modules/onnxruntime-web] [--site FOLDER] [--pages server] [--seconds N]"""

import argparse
import os
import re
import shutil
import statistics
import tempfile
from pathlib import Path

import numpy as np
from explorer import SETTLED, start
from PIL import Image
from playwright.sync_api import Page, Playwright, sync_playwright
from publish import SEEN, Line, serve

from facespace.explorer.publishing.publish import publish
from facespace.models.locations import require_default_space
from facespace.space.face_space import load

WIDTH, HEIGHT, RATE = 640, 480, 20  # of the camera
FACE = 300  # pixels of the face's height
FRAMES = 40
SEED = 3
READ_MS = 500  # between two looks at the rate


def write_video(run: Path, to: Path) -> None:
    """Writes the camera's pictures as YUV4MPEG2: a face that goes from side to side over gray."""
    space = load(run)
    face = Image.fromarray(space.decode(space.sample_latents(1, SEED, 0.7))[0].squeeze()).convert("RGB")
    face = face.resize((round(FACE * face.width / face.height), FACE), Image.Resampling.BICUBIC)
    with to.open("wb") as file:
        file.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{RATE}:1 Ip A1:1 C420jpeg\n".encode())
        for frame in range(FRAMES):
            picture = Image.new("RGB", (WIDTH, HEIGHT), (120, 120, 124))
            shift = round(40 * np.sin(2 * np.pi * frame / FRAMES))
            picture.paste(face, ((WIDTH - face.width) // 2 + shift, (HEIGHT - FACE) // 2))
            y, *colours = picture.convert("YCbCr").split()
            file.write(b"FRAME\n" + y.tobytes())
            for part in colours:
                file.write(part.resize((WIDTH // 2, HEIGHT // 2), Image.Resampling.BOX).tobytes())


def rates(page: Page, second: bool, seconds: float) -> list[float]:
    """What the panel states while the mirror runs."""
    page.click("#tab-photo")
    page.get_by_role("button", name="Camera", exact=True).click()
    page.wait_for_selector("video")
    if second:
        page.select_option("#mirror-space", index=1)
    page.click("#mirror")
    text = page.locator(".mirror-section [role=status]")
    found: list[float] = []
    page.wait_for_timeout(4000)  # until the first face is detected and networks are warm
    for _ in range(int(1000 * seconds / READ_MS)):
        page.wait_for_timeout(READ_MS)
        stated = re.match(r"[\d.]+", text.inner_text())
        if stated:
            found.append(float(stated[0]))
    page.click("#mirror")
    page.click("#tab-random")
    return found


def measure(playwright: Playwright, title: str, address: str, video: Path, asked: argparse.Namespace) -> None:
    """Prints the rates of one page."""
    root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    camera = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    browser = playwright.chromium.launch(
        executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
        args=[*root, *camera, f"--use-file-for-fake-video-capture={video}"],
    )
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(SETTLED)
    page.add_init_script(SEEN)
    page.goto(address)
    page.wait_for_selector(
        ".meter b"
    )  # the networks run as they will; what is left to measure waits for the mirror
    for second in (False, True):
        if second and len(asked.runs) < 2:
            continue
        found = rates(page, second, asked.seconds)
        median = f"{statistics.median(found):4.1f} pictures a second" if found else "no face was detected"
        print(f"  {title:<7} {'two spaces' if second else 'one space':<10}: {median}", flush=True)
    browser.close()


def measure_server(playwright: Playwright, video: Path, asked: argparse.Namespace) -> None:
    """Prints the rates of the explorer's server."""
    process, address, _ = start(*map(str, asked.runs))
    try:
        measure(playwright, "server", address, video, asked)
    finally:
        process.terminate()
        process.wait(10)


def measure_site(playwright: Playwright, site: Path, video: Path, asked: argparse.Namespace) -> None:
    """Prints the rates of a site."""
    line = Line()
    line.limited = False
    server, address = serve(site, line)
    measure(playwright, "browser", address, video, asked)
    server.shutdown()


def main() -> None:
    """Prints a row for each page and number of spaces."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="*", type=Path)
    parser.add_argument("--runtime", type=Path)
    parser.add_argument("--site", type=Path, help="a site of these spaces that is there already")
    parser.add_argument("--pages", default="server,browser")
    parser.add_argument("--seconds", type=float, default=15)
    asked = parser.parse_args()
    asked.runs = asked.runs or [require_default_space()] * 2
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        video, site = Path(folder, "camera.y4m"), Path(folder, "site")
        write_video(asked.runs[0], video)
        print(", ".join(run.name for run in asked.runs), flush=True)
        if "server" in asked.pages:
            measure_server(playwright, video, asked)
        if "browser" in asked.pages:
            if not asked.site:
                publish(asked.runs, site, asked.runtime)
            measure_site(playwright, asked.site or site, video, asked)


if __name__ == "__main__":
    main()
