"""The docs say what the program does: every command in them parses, every verb and recipe is in them, links hold."""

import re
import shlex
from pathlib import Path

import pytest

from facespace.cli import app
from facespace.data.sources import SOURCES
from facespace.image.photos import CROPS
from facespace.recipes import RECIPES

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXT = {page.name: page.read_text(encoding="utf-8") for page in PAGES}


def joined(block: str) -> list[str]:
    return block.replace("\\\n", " ").splitlines()


def commands() -> list:
    blocks = [
        (name, block)
        for name, text in TEXT.items()
        for block in re.findall(r"```(?:sh)?\n(.*?)```", text, re.S)
    ]
    lines = [
        (name, line) for name, block in blocks for line in joined(block) if line.startswith("facespace ")
    ]
    return [pytest.param(line, id=f"{name}: {line}") for name, line in lines]


@pytest.mark.parametrize("line", commands())
def test_every_command_in_the_docs_parses(line):
    tokens = shlex.split(line.split("  #")[0])[1:]
    app.parse_args(tokens, exit_on_error=False, print_error=False)


@pytest.mark.parametrize("verb", [name for name in app if not name.startswith("-")])
def test_every_verb_is_in_the_docs(verb):
    assert any(f"facespace {verb}" in text for text in TEXT.values())


def test_every_recipe_source_and_crop_is_in_the_docs():
    for name in RECIPES:
        assert f"| `{name}` |" in TEXT["training.md"]
        assert RECIPES[name].__doc__ and len(RECIPES[name].__doc__) > 200
    for name in SOURCES:
        assert f"| `{name}` |" in TEXT["data.md"]
    for name in CROPS:
        assert f"`{name}`" in TEXT["data.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_exist(page):
    for target in re.findall(r"\]\(([^)]+?)\)|src=\"([^\"]+)\"", page.read_text(encoding="utf-8")):
        path, _, anchor = (target[0] or target[1]).partition("#")
        if path.startswith("http"):
            continue
        assert (page.parent / path).exists(), path
        if anchor:
            text = (page.parent / path if path else page).read_text(encoding="utf-8")
            titles = re.findall(r"^#+ (.+)$", text, re.M)
            assert anchor in {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}, (
                target
            )


def test_python_examples_name_what_exists():
    import facespace
    from facespace.space.face_space import FaceSpace

    for text in TEXT.values():
        for block in re.findall(r"```python\n(.*?)```", text, re.S):
            compile(block, "docs", "exec")
            for name in re.findall(r"facespace\.(\w+)", block):
                assert hasattr(facespace, name)
            for name in re.findall(r"(?<!/)space\.(\w+)", block):
                assert hasattr(FaceSpace, name) or name in ("card", "model") or hasattr(facespace, name)


def test_slow_tests_are_tests():
    """Names of slow.txt that no file has any more would be read as if they were left out."""
    for name in (ROOT / "tests" / "slow.txt").read_text(encoding="utf-8").split():
        file, _, function = name.partition("::")
        text, name = (ROOT / file).read_text(encoding="utf-8"), function.rpartition("::")[2]
        assert f"def {name}(" in text or f"    {name},\n" in text, (
            f"{file}: {name}"
        )  # its own, or an imported one


def test_the_readme_is_short_and_begins_with_a_picture_a_sentence_and_two_commands():
    text = TEXT["README.md"]
    assert len(text.splitlines()) <= 120
    _, picture, sentence, commands, *_ = text.split("\n\n")
    assert picture.startswith("![") and sentence.count(".") == 1
    assert len(commands.splitlines()) == 4
