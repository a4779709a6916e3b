"""The gallery holds what its commands make: forty rows, small files, each made again within a tolerance."""

import importlib
import sys
from pathlib import Path

import pytest

from facespace.cli import app
from site_pages import gallery, gallery_rows

ROOT = Path(__file__).parent.parent
ROWS = gallery_rows.rows()
QUICK = ("blend.webp", "autoencoder.webp", "there-and-back.gif")  # made again by the ordinary loop


@pytest.fixture(scope="module")
def tool():
    """benchmarks/gallery.py."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        return importlib.import_module("gallery")
    finally:
        sys.path.pop(0)


def test_forty_pictures_with_captions_and_one_file_each():
    assert len(ROWS) >= 40 and len({row.file for row in ROWS}) == len({row.made for row in ROWS}) == len(ROWS)
    assert {row.file for row in ROWS} == {path.name for path in gallery_rows.FOLDER.iterdir()} - {
        "gallery.tsv"
    }
    assert sum(path.stat().st_size for path in gallery_rows.FOLDER.iterdir()) <= 6_000_000


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.file)
def test_a_row_is_on_the_page_and_its_command_parses(row):
    page = gallery.page()
    assert f"![{row.caption}](gallery/{row.file})" in page and row.command in page
    for line in (*row.setup, row.command):
        app.parse_args(line.removeprefix("facespace "), exit_on_error=False, print_error=False)
    random = {"sample", "edit", "morph"} & {row.tokens[0]}
    assert not random or "--seed" in row.tokens or row.setup  # what is drawn has a seed


def test_some_pictures_are_made_again(tool, tmp_path):
    chosen = [row for row in ROWS if row.file in QUICK]
    for made in tool.make(chosen, tmp_path):
        assert tool.difference(made, gallery_rows.FOLDER / made.name) <= tool.TOLERANCE, made.name


def test_all_pictures_are_made_again(tool, tmp_path):
    for made in tool.make([row for row in ROWS if row.file not in QUICK], tmp_path):
        assert tool.difference(made, gallery_rows.FOLDER / made.name) <= tool.TOLERANCE, made.name


def test_other_pictures_are_found_to_differ(tool):
    """Another caption's picture, and a film with another number of frames."""
    folder = gallery_rows.FOLDER
    assert tool.difference(folder / "faces.webp", folder / "typical.webp") > tool.TOLERANCE
    assert tool.difference(folder / "morph.webp", folder / "neighbours.webp") == float("inf")
    assert tool.difference(folder / "faces.webp", folder / "faces.webp") == 0
