"""The demo: pictures of the default space within the first minute, then a space trained on synthetic faces.
Runs the parts of demo_parts.py one by one, each followed by a new page, and holds what an interrupted demo
needs to go on."""

import contextlib
import shutil
import time
from pathlib import Path
from typing import TypedDict

import msgspec

from facespace.cli.app import Facts
from facespace.cli.demo_page import FACES_SET, PAGE, RUN, STATE, DemoPage, MadePart, commands, is_demo
from facespace.cli.demo_parts import DEFAULT_PARTS, SYNTHETIC_PARTS, DemoFolder, Part
from facespace.cli.terminal import program
from facespace.core.console import note
from facespace.core.errors import UsageError
from facespace.core.files import check_target, write_json
from facespace.core.locks import writing
from facespace.core.reading import read_json
from facespace.data.faces import is_face_set
from facespace.models.locations import default_space
from facespace.report.run_files import RESULT
from facespace.training.checkpoint import CHECKPOINT

# The budget: rendering and training together take under three minutes on two idle cores.
FACES = 2_400
STEPS = 1_200


def demo(to: Path, seed: int = 0, resume: bool = False, force: bool = False) -> Facts:
    """Makes the folder `to` with pictures, faces/, run/ and index.html, which grows with each part. Returns
    the facts; `text` names the next steps.

    A finished demo is made again, and with `resume` left as it is. An unfinished one goes on with `resume`
    and starts again with `force`. Raises UsageError for an unfinished demo without either, for one of another
    seed, and for a folder of other files."""
    made = Demo(to, seed)
    with writing(to):
        made.begin(resume, force)
        made.run()
        return made.facts()


class Demo:
    """One demo: its folder, and the parts that are finished."""

    def __init__(self, to: Path, seed: int) -> None:
        self.to, self.seed = to, seed
        self.folder = DemoFolder(to, seed, FACES, STEPS)
        self.parts = [*(DEFAULT_PARTS if default_space() else ()), *SYNTHETIC_PARTS]
        self.made: dict[str, MadePart] = {}

    def begin(self, resume: bool, force: bool) -> None:
        """Reads the finished parts of an interrupted demo, or clears the folder of an older one."""
        check_target(self.to, "a demo", is_demo, force=True)
        state = _read_state(self.to)
        finished = state is not None and len(state["parts"]) == len(self.parts)
        if state is not None and resume:
            self._check_same(state)
            self.made = {name: MadePart(**part) for name, part in state["parts"].items()}
        elif state is not None and not finished and not force:
            done, all_ = len(state["parts"]), len(self.parts)
            raise UsageError(
                f"--to {self.to} holds an unfinished demo ({done} of {all_} parts). "
                "Add --resume to go on, --force to start again, or name another folder."
            )
        else:
            self._clear()
        self._save()

    def _check_same(self, state: Facts) -> None:
        for name, value in {"seed": self.seed, "faces": FACES, "steps": STEPS}.items():
            if state[name] != value:
                raise UsageError(
                    f"The demo in {self.to} was started with {name} {state[name]}, not {value}. "
                    "Add --force instead of --resume to start again."
                )

    def _clear(self) -> None:
        """Removes the files of an older demo; other files of the folder stay."""
        if not self.to.is_dir() or not is_demo(self.to):
            return
        if is_face_set(self.to / FACES_SET):
            shutil.rmtree(self.to / FACES_SET)
        if any((self.to / RUN / name).is_file() for name in (CHECKPOINT, RESULT)):
            shutil.rmtree(self.to / RUN)
        (self.to / STATE).unlink(missing_ok=True)

    def _save(self) -> None:
        """Writes the finished parts and the page."""
        parts = {name: part._asdict() for name, part in self.made.items()}
        write_json(self.to / STATE, {"seed": self.seed, "faces": FACES, "steps": STEPS, "parts": parts})
        self._write_page()

    def _write_page(self, stopped: bool = False) -> None:
        missing = {part.title: part.seconds for part in self.parts if part.name not in self.made}
        DemoPage(self.to, self.made, missing, stopped).write()

    def run(self) -> None:
        """Makes the missing parts, each followed by the page with it."""
        missing = [part for part in self.parts if part.name not in self.made]
        if not missing:
            return
        times = ", ".join(f"{part.title} {part.seconds:.0f} s" for part in missing)
        note(
            f"The page is {self.to / PAGE}. Open it in a browser now: it grows with each part.\n"
            f"Expected on two idle cores: {times}."
        )
        try:
            for number, part in enumerate(self.parts, start=1):
                if part.name not in self.made:
                    self._make(part, number)
        except BaseException as error:
            with contextlib.suppress(OSError):  # such as a full disk: the error that counts is the first
                self._write_page(stopped=True)
            if isinstance(error, KeyboardInterrupt):
                note(f"The demo is unfinished. Go on: {program()} demo --to {self.to} --resume")
            raise

    def _make(self, part: Part, number: int) -> None:
        start = time.monotonic()
        captions, figures = part.make(self.folder)
        seconds = round(time.monotonic() - start, 1)
        self.made[part.name] = MadePart(seconds, captions, figures)
        self._save()
        note(f"{number} of {len(self.parts)}  {part.title}: {seconds:,.1f} s, on the page now.")

    def facts(self) -> Facts:
        """The JSON object of the verb."""
        seconds = round(sum(part.seconds for part in self.made.values()), 1)
        result = read_json(self.to / RUN / RESULT)
        file = self.to / PAGE
        following = "\n".join(f"  {line}" for line in commands())
        text = f"Done, {seconds:,.0f} s in all. The page: {file}\nTry next:\n{following}"
        times = {name: part.seconds for name, part in self.made.items()}
        facts = {"to": str(self.to), "page": str(file), "seconds": seconds, "parts": times}
        return {**facts, "training": result, "text": text}


class _PartState(TypedDict):
    seconds: float
    captions: dict[str, str]
    figures: str


class _State(TypedDict):
    """The content of STATE."""

    seed: int
    faces: int
    steps: int
    parts: dict[str, _PartState]


def _read_state(to: Path) -> Facts | None:
    """The state of a demo; None where there is none, or it cannot be read."""
    try:
        return {**msgspec.convert(read_json(to / STATE), _State)}
    except (OSError, ValueError):
        return None
