"""The documentation site says what the program does: commands, library, recipes and links. No test but the last
needs mkdocs."""

import io
import re
from pathlib import Path

import pytest
import yaml
from rich.console import Console

import facespace
from facespace.cli import app
from facespace.recipes import RECIPES
from site_pages import commands, gallery, gallery_rows, library, notebooks, play, recipes, repository

ROOT = Path(__file__).parent.parent
VERBS = [name for name in app if not name.startswith("-")]
GUIDES = {page.name: page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("*.md")}
COMMANDS = commands.pages(GUIDES)


def help_of(verb: str) -> str:
    """What `facespace VERB --help` prints, on a terminal wide enough for whole lines."""
    printed = io.StringIO()
    app.help_print([verb], console=Console(file=printed, width=2000))
    return printed.getvalue()


def test_every_verb_has_its_page():
    assert set(COMMANDS) == {"commands/index.md"} | {f"commands/{verb}.md" for verb in VERBS}
    for verb in VERBS:
        assert f"[`{verb}`]({verb}.md)" in COMMANDS["commands/index.md"]


@pytest.mark.parametrize("verb", VERBS)
def test_the_page_of_a_verb_names_every_option_of_its_help(verb):
    page = COMMANDS[f"commands/{verb}.md"]
    terms = "\n".join(line for line in page.splitlines() if 'class="option-type"' in line)
    entries = re.findall(r"^│ (?:\* )? *((?:--?[a-zA-Z][\w-]*,? ?)+)", help_of(verb), re.M)
    options = {name for entry in entries for name in re.findall(r"--?[a-zA-Z][\w-]*", entry)}
    assert "--json" in options
    assert options == set(re.findall(r"`(--?[\w-]+)`", terms))


@pytest.mark.parametrize("command", list(commands.commands()), ids=lambda command: command.name)
def test_a_page_has_an_example_that_parses_and_a_meaning_for_each_option(command):
    assert command.examples and command.summary.endswith(".")
    for example in command.examples:
        assert example.startswith(f"facespace {command.name}")
        app.parse_args(example.removeprefix("facespace "), exit_on_error=False, print_error=False)
    for option in command.options:
        assert option.meaning, option.names
        assert not (option.required and option.default), option.names


def test_defaults_and_types_are_those_of_the_program():
    by_name = {command.name: {o.names[0]: o for o in command.options} for command in commands.commands()}
    assert by_name["train"]["--seed"].default == "0"
    assert by_name["train"]["--seed"].kind == "whole number"
    assert by_name["train"]["--data"].required and not by_name["train"]["--data"].default
    assert by_name["train"]["--resume"].kind == "flag" and by_name["train"]["--resume"].default == "off"
    assert by_name["mix"]["--align"].kind == "auto, yes or no" and by_name["mix"]["--align"].default == "auto"
    assert by_name["mix"]["--plus"].kind == "text, may be repeated" and not by_name["mix"]["--plus"].default
    assert by_name["mix"]["--to"].default.startswith("mixed.png in the current folder")
    assert "[default" not in by_name["mix"]["--to"].meaning
    assert by_name["prepare"]["SOURCE"].positional


def test_texts_of_the_program_keep_their_signs():
    assert commands.markdown("a*b*, --to FILE_NAME|x <y>") == r"a\*b\*, `--to` FILE\_NAME\|x \<y\>"


def test_a_page_leads_to_the_guides_that_show_its_verb():
    assert "](../editing.md)" in COMMANDS["commands/edit.md"]
    assert "](../morphing.md)" not in COMMANDS["commands/doctor.md"]


def test_every_public_name_is_in_the_library_and_has_a_docstring():
    named = set(re.findall(r"^::: facespace\.(\w+)$", "\n".join(library.pages().values()), re.M))
    assert named == set(facespace.__all__) - {"__version__"}
    assert library.undocumented() == []


def test_a_missing_docstring_is_found(monkeypatch):
    monkeypatch.setattr(facespace.FaceSpace.sample, "__doc__", None)
    monkeypatch.setattr(facespace.FaceSpace.encode, "__doc__", None)  # inherited
    monkeypatch.setattr(facespace.grids.pairs, "__doc__", "")
    names = ("facespace.FaceSpace.sample", "facespace.FaceSpace.encode", "facespace.grids.pairs")
    assert sorted(library.undocumented()) == sorted(names)


def test_every_recipe_is_on_its_page_with_the_figures_that_were_measured():
    page = recipes.page()
    for name in RECIPES:
        assert f"[`{name}`](#{name})" in page and f"\n## {name}\n" in page
    assert recipes.figures("celebamask-conv")["test MSE"] == ".00788"
    assert recipes.figures("celebamask-conv")["test, nats"] == "6,430.6"
    assert recipes.figures("lfw-mlp")["FID at defaults"].startswith("112.4 (4,000)")
    assert set(recipes.figures("grow128").values()) == {recipes.DASH}


def test_figures_of_recipes_are_those_of_the_columns_that_they_are_named_for():
    """The columns of docs/measured.md, which the page reads by their place."""
    text = GUIDES["measured.md"]
    for title, (section, place) in recipes.FIGURES.items():
        table = text.partition(f"## {section}\n")[2]
        header = next(line for line in table.splitlines() if line.startswith("| recipe |"))
        cells = [cell.strip() for cell in header.strip("|").split("|")]
        assert (
            cells[place] == {"test, nats": "test, nats", "test MSE": "MSE", "FID at defaults": "FID"}[title]
        )
        assert title != "test MSE" or cells[place - 1] == "test, nats"


@pytest.mark.parametrize(
    ("name", "pixels", "latents"),
    [
        ("faces64", "64×64, colour", "256"),
        ("yearbook-ae", "171×186, gray", "80"),
        ("vq", "64×64, colour", "8×8 codes"),
    ],
)
def test_facts_of_recipes(name, pixels, latents):
    assert recipes.pixels(RECIPES[name]()) == pixels
    assert recipes.latents(RECIPES[name]()) == latents


def test_every_picture_of_the_documentation_is_in_the_gallery():
    shown = {picture.file for picture in gallery.pictures()}
    shown |= {f"gallery/{row.file}" for row in gallery_rows.rows()}
    files = {
        path.relative_to(ROOT / "docs").as_posix()
        for path in (ROOT / "docs").rglob("*")
        if path.suffix in (".png", ".jpg", ".gif", ".webp")
    }
    assert shown == files
    assert all(picture.caption for picture in gallery.pictures())


def test_links_between_files_of_the_repository_become_links_between_pages():
    text = "[a](../README.md#install) [b](data.md) [c](../src/facespace/py.typed) [d](https://a.b/c) [e](gone.md) [f](#x)"
    assert repository.site_links(text, "docs/x.md", "x.md") == (
        "[a](index.md#install) [b](data.md) c [d](https://a.b/c) [e](gone.md) [f](#x)"
    )
    assert repository.site_links("[c](Makefile)", "README.md", "index.md", "https://a.b/c/") == (
        "[c](https://a.b/c/blob/HEAD/Makefile)"
    )
    assert repository.site_links("![p](docs/images/x.png)", "README.md", "index.md") == "![p](images/x.png)"
    fenced = "```python\nx[1](docs)\n```"
    assert repository.site_links(fenced, "README.md", "index.md") == fenced


def test_the_front_page_has_its_picture_as_a_figure_to_play_with(monkeypatch, tmp_path):
    page = play.front_page(repository.moved_pages()["index.md"])
    assert page.count("<figure") == 1 and 'href="play/index.html"' in page and play.PICTURE in page
    assert f"![{play.CAPTION}]" not in page
    with pytest.raises(ValueError, match="The front page has no"):
        play.front_page("# facespace")
    monkeypatch.setenv("PLAY", "no")
    assert not play.ready()
    monkeypatch.setenv("PLAY", "yes")
    monkeypatch.setenv("RUNTIME", str(tmp_path))  # holds no runtime
    assert not play.ready()


def test_notebooks_are_pages_with_their_code():
    pages = notebooks.pages()
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        page = pages[f"tutorials/{path.stem}.md"]
        assert page.startswith("# ") and "```python\nimport" in page
        assert f"({path.stem}.md)" in pages["tutorials/index.md"]


def entries(nav: list) -> list[str]:
    """The paths of a navigation."""
    found = []
    for entry in nav:
        if isinstance(entry, dict):
            for value in entry.values():
                found += [value] if isinstance(value, str) else entries(value)
        else:
            found.append(entry)
    return found


def test_every_page_is_in_the_navigation():
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert config["strict"] is True
    made = {
        *COMMANDS,
        *library.pages(),
        *notebooks.pages(),
        *repository.moved_pages(),
        "recipes.md",
        "gallery.md",
    }
    named = entries(config["nav"])
    assert len(named) == len(set(named))
    folders = {name.removesuffix("*") for name in named if name.endswith("/*")}
    listed = {page for page in made if any(page.startswith(folder) for folder in folders)}
    assert {name for name in named if not name.endswith("/*")} | listed == made | set(GUIDES)


def test_the_build_counts_warnings():
    """mkdocs does not count what --quiet hides, and then a dead link passes."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    line = next(line for line in makefile.splitlines() if "mkdocs build" in line)
    assert not {"--quiet", "-q"} & set(line.partition("#")[0].split())


@pytest.mark.slow
def test_the_site_builds_and_names_no_other_host(tmp_path):
    build = pytest.importorskip("mkdocs.commands.build")
    from mkdocs.config import load_config

    pytest.importorskip("material")
    pytest.importorskip("mkdocstrings")
    config = load_config(str(ROOT / "mkdocs.yml"), site_dir=str(tmp_path))
    build.build(config)
    if config.extra["play"]:
        assert {"index.html", "spaces", "runtime"} <= {
            path.name for path in (tmp_path / play.FOLDER).iterdir()
        }
    for page in tmp_path.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.search(r'(?:src|<link[^>]+href)="(?:https?:)?//', text), page
        assert 'href="/' not in text or page.name == "404.html", page
    library_page = (tmp_path / "library/training-and-using-a-space.html").read_text(encoding="utf-8")
    for name in ("FaceSpace.sample", "FaceSpace.encode", "FaceSpace.decode", "train", "load"):
        assert f'id="facespace.{name}"' in library_page
