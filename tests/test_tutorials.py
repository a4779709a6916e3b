"""The tutorials are followed word for word in empty folders: their commands run, print what the pages say, and make the
pictures that the pages show."""

import importlib
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facespace.cli import app

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
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


@pytest.mark.parametrize("name", ["teach"])
def test_a_tutorial_says_and_shows_what_comes_out(name, tool, tmp_path):
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
    for name in ("teach",):
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
