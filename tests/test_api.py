"""The public interface: every name of `facespace` can be imported and is documented, and notebooks and docs use no other."""

import ast
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import facespace
from facespace.models import count_parameters
from facespace.recipes import RECIPES
from facespace.recipes.parameter_counts import PARAMETERS

ROOT = Path(__file__).parent.parent
API = (ROOT / "docs/api.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LARGE = {"torch", "sklearn", "matplotlib", "scipy"}


@pytest.mark.parametrize("name", facespace.__all__)
def test_a_public_name_is_importable_and_documented(name):
    found = getattr(facespace, name)
    assert inspect.getdoc(found) and f"| `facespace.{name}` |" in API
    if inspect.ismodule(found):
        for part, value in vars(found).items():
            own = getattr(value, "__module__", None) == found.__name__
            if own and callable(value) and not part.startswith("_"):
                assert value.__doc__, f"{name}.{part}"


def test_the_page_lists_no_other_name():
    assert set(re.findall(r"^\| `facespace\.(\w+)` \|", API, re.M)) == set(facespace.__all__)
    assert set(dir(facespace)) == set(facespace.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        facespace.nothing  # noqa: B018


def programs() -> list:
    found = []
    for page in PAGES:
        for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S):
            found.append(pytest.param(block, id=page.name))
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                found.append(pytest.param("".join(cell["source"]), id=path.stem))
    return found


@pytest.mark.parametrize("program", programs())
def test_notebooks_and_docs_import_public_names_alone(program):
    for node in ast.walk(ast.parse(program)):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names if alias.name.split(".")[0] == "facespace"]
            assert set(modules) <= {"facespace"}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "facespace":
            assert node.module == "facespace" and {alias.name for alias in node.names} <= set(
                facespace.__all__
            )
        elif (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "facespace"
        ):
            assert node.attr in facespace.__all__


def loaded(command: str) -> set[str]:
    tokens = [sys.executable, "-X", "importtime", "-c", command]
    done = subprocess.run(tokens, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-500:]
    return {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}


@pytest.mark.parametrize("tokens", [["--help"], ["card"], ["recipes"], ["recipes", "faces64"], ["runs", "."]])
def test_verbs_that_only_list_load_nothing_large(tokens, tmp_path):
    start = f"import os; os.chdir({str(tmp_path)!r}); from facespace.cli import run"
    assert not loaded(f"{start}; run({tokens!r})") & LARGE


def test_sampling_loads_no_library_that_fits_directions_or_draws_charts(trained, tmp_path):
    tokens = ["sample", str(trained), "-n", "1", "--to", str(tmp_path / "x.png")]
    assert not loaded(f"from facespace.cli import run; run({tokens!r})") & (LARGE - {"torch"})


def test_the_parameters_that_recipes_lists_are_those_of_the_models():
    assert {name: count_parameters(make().model) for name, make in RECIPES.items()} == PARAMETERS
