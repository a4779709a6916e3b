"""The tutorials are followed word for word in empty folders: their commands run, print what the pages say, and make the
pictures that the pages show; the additions of the page for developers work in a copy of the project."""

import importlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facespace.cli import app

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
FILE = re.compile(r'^``` \{ \.\w+ title="(?P<path>[^"]+)" \}\n(?P<text>.*?)^```$', re.M | re.S)
DIFF = re.compile(r"^```diff\n(.*?)^```$", re.M | re.S)
COMMAND = re.compile(r"^```bash\n(.*?)^```$", re.M | re.S)
LEVELS = 8  # of 255: mean difference of a picture that was trained or drawn again


@pytest.fixture(scope="module")
def tool():
    """benchmarks/tutorials.py."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        return importlib.import_module("tutorials")
    finally:
        sys.path.pop(0)


def text_of(name: str) -> str:
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["teach", "research", "share", "make-art"])
def test_a_tutorial_says_and_shows_what_comes_out(name, tool, tmp_path):
    if name == "share":
        from published import runtime_folder

        runtime_folder()
    page = text_of(name)
    for said, printed in tool.follow(page, tmp_path):
        assert tool.alike(said, printed), f"The page says:\n{said}\nand the command printed:\n{printed}"
    shown = list(tool.pictures(name, page, tmp_path))
    assert shown
    for made, committed in shown:
        again = tmp_path / "again" / committed.name
        tool.store(made, again)
        ones, others = (np.asarray(Image.open(path).convert("RGB"), float) for path in (again, committed))
        assert ones.shape == others.shape and np.abs(ones - others).mean() < LEVELS, committed.name


def test_what_the_reader_types_by_hand_parses():
    for name in ("teach", "research", "share", "make-art"):
        for block in re.findall(r"^``` \{ \.sh \.by-hand \}\n(.*?)^```$", text_of(name), re.M | re.S):
            for line in block.splitlines():
                app.parse_args(line.removeprefix("facespace "), exit_on_error=False, print_error=False)


def test_outputs_are_alike_but_for_numbers_of_a_machine(tool):
    assert tool.alike("12 faces, FID 80.1, 3.2 s", "12 faces, FID 81.0, 9 s")
    assert not tool.alike("12 faces, FID 80.1", "12 faces, FID 130")
    assert not tool.alike("12 faces", "12 people")
    assert not tool.alike("a", "a b")


def test_a_page_gets_its_outputs(tool):
    page = "```sh\nfacespace x\n```\n\n``` { .text .output }\nold\n```\n"
    assert [block.kind for block in tool.blocks(page)] == ["sh", tool.OUTPUT]
    assert tool.with_outputs(page, {"old\n": "new"}).endswith("``` { .text .output }\nnew\n```\n")


def test_pictures_of_the_sheet_are_those_of_the_lesson():
    shown = set(re.findall(r"images/tutorials/([\w.-]+)", text_of("teach-sheet")))
    assert shown and all(
        name.startswith("teach-") and (DOCS / "images/tutorials" / name).is_file() for name in shown
    )
    assert len(re.findall(r"^\*\*\d\.\*\*", text_of("teach-sheet"), re.M)) == len(
        re.findall(r"^\d\. ", text_of("teach").partition("## Answers")[2].partition("## ")[0], re.M)
    )


def apply_changes(root: Path, *options: str) -> int:
    """Applies the changes of docs/develop.md to a copy of the project; gives their number."""
    changes = DIFF.findall(text_of("develop"))
    for change in changes:
        command = ["git", "apply", *options, "-p1", "-"]
        subprocess.run(command, cwd=root, input=change, text=True, check=True)
    return len(changes)


def test_the_changes_of_the_page_for_developers_fit():
    assert apply_changes(ROOT, "--check") >= 5


@pytest.fixture(scope="module")
def developed(tmp_path_factory) -> Path:
    """A copy of the project with the files and changes of docs/develop.md."""
    root = tmp_path_factory.mktemp("developed")
    for name in ("src", "tests", "docs", "notebooks", "benchmarks"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in (
        "pyproject.toml",
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "LICENSE",
        "Makefile",
        "mkdocs.yml",
    ):
        shutil.copy(ROOT / name, root / name)
    page = text_of("develop")
    for found in FILE.finditer(page):
        path = root / found["path"]
        assert not path.exists(), f"{found['path']} exists already"
        path.write_text(found["text"], encoding="utf-8")
    apply_changes(root)
    return root


def commands() -> list[str]:
    return [line for block in COMMAND.findall(text_of("develop")) for line in block.splitlines()]


@pytest.mark.parametrize("command", commands())
def test_the_additions_of_the_page_for_developers_work(command, developed):
    program, *words = command.split()
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(developed / "src"), os.environ.get("PYTHONPATH", "")]),
    }
    beside = Path(sys.executable).parent
    line = (
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words]
        if program == "pytest"
        else [str(beside / program), *words]
    )
    done = subprocess.run(line, cwd=developed, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    if program == "pytest":
        assert re.search(r"\d+ passed|^\.+|\[100%\]", done.stdout, re.M)
