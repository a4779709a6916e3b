"""The page of the demo: written before the first part and again after each. Holds its text and its files'
names; makes no picture."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from facespace.cli.terminal import program
from facespace.core.files import write_atomically
from facespace.report.page import Picture, Section, render_page

PAGE, STATE, FACES_SET, RUN = "index.html", "demo.json", "faces", "run"
PROGRESS = "progress.js"  # tells a page that is open in a browser which state the newest page shows
TITLE, TEMPLATE = "facespace demo", "demo.html"
RELOAD = 5  # seconds after which a browser looks whether there is more
DEFAULT_SPACE_PARTS = ("samples", "edits", "morph")
OWN_PHOTOS = """{0} prepare folder MY-PHOTOS --to sets/mine
{0} train --from faces64 --data sets/mine --to runs/mine
{0} sample runs/mine --to faces.png"""


class MadePart(NamedTuple):
    """A finished part: its duration, the captions of its pictures by file, and its figures as text."""

    seconds: float
    captions: Mapping[str, str]
    figures: str = ""


def is_demo(folder: Path) -> bool:
    """Whether a folder holds a demo, of this version or an earlier one, which wrote the page last."""
    if (folder / STATE).is_file():
        return True
    page = folder / PAGE
    return page.is_file() and f"<title>{TITLE}</title>" in page.read_text(encoding="utf-8", errors="replace")


def commands() -> list[str]:
    """What to try after the demo; each works as it stands."""
    name = program()
    return [
        f"{name} explore --open",
        f"{name} sample --condition Eyeglasses=yes --to glasses.png",
        f"{name} edit --random 6 --set Smiling=2 --to smiling.png",
    ]


@dataclass(frozen=True)
class DemoPage:
    """The page of the finished parts. `missing` are the usual durations of the others, in seconds, by title;
    `stopped` says that nobody makes them at the moment."""

    to: Path
    made: Mapping[str, MadePart]
    missing: Mapping[str, float]
    stopped: bool = False

    def write(self) -> None:
        """Replaces index.html, then the script that makes an open page load it again."""
        refresh = RELOAD if self.missing and not self.stopped else 0
        state = f"{len(self.made)} parts{', stopped' if self.stopped else ''}"
        values = {"refresh": refresh, "state": state, "progress": PROGRESS}
        with write_atomically(self.to / PAGE) as beside:
            beside.write_text(render_page(TITLE, self._sections(), TEMPLATE, **values), encoding="utf-8")
        with write_atomically(self.to / PROGRESS) as beside:
            beside.write_text(f'facespaceDemo("{state}");\n', encoding="utf-8")

    def _sections(self) -> list[Section]:
        bundled = [part for name, part in self.made.items() if name in DEFAULT_SPACE_PARTS]
        trained = [part for name, part in self.made.items() if name not in DEFAULT_SPACE_PARTS]
        sections = []
        if self.missing:
            sections.append(self._status())
        if bundled:
            sections.append(Section("The default space", "", _pictures(bundled)))
        if trained:
            figures = " ".join(part.figures for part in trained).strip()
            sections.append(Section("A space of synthetic faces", figures, _pictures(trained)))
        if not self.missing:
            sections += self._ending()
        return sections

    def _status(self) -> Section:
        """What is still missing."""
        lines = [f"{title} (about {seconds:.0f} s)" for title, seconds in self.missing.items()]
        resume = f"{program()} demo --to {self.to} --resume"
        if self.stopped:
            return Section("The demo was stopped", f"Missing: {'; '.join(lines)}. To go on:", code=resume)
        reloads = "This page shows each part as soon as it is there."
        stopped = f"If the command was stopped, go on with: {resume}"
        return Section("Being made", f"{'; '.join(lines)}.\n\n{reloads} {stopped}")

    def _ending(self) -> list[Section]:
        seconds = sum(part.seconds for part in self.made.values())
        mine = OWN_PHOTOS.format(program())
        return [
            Section("What to try next", f"This demo took {seconds:,.0f} s.", code="\n".join(commands())),
            Section("Now with photographs of your own", "", code=mine),
        ]


def _pictures(parts: list[MadePart]) -> list[Picture]:
    pictures = []
    for part in parts:
        pictures += [Picture(caption, file, caption) for file, caption in part.captions.items()]
    return pictures
