"""Files of a release are valid: citation, issue forms, workflows. They name what exists, and the version that the
package has."""

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from facespace.core.version import __version__

ROOT = Path(__file__).parent.parent
FORMS = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", ROOT / "CHANGELOG.md"]


def read(path: Path) -> dict:
    """A YAML file; the key `on` of a workflow, which YAML 1.1 reads as true, under its own name."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    if True in content:
        content["on"] = content.pop(True)
    return content


def test_the_citation_names_this_package_in_its_version():
    citation = read(ROOT / "CITATION.cff")
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["version"] == __version__
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert citation["license"] == project["license"]
    assert [author["name"] for author in citation["authors"]] == [
        author["name"] for author in project["authors"]
    ]


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_issue_forms_have_what_the_code_host_requires(path):
    form = read(path)
    if path.name == "config.yml":
        assert isinstance(form["blank_issues_enabled"], bool)
        return
    assert form["name"] and form["description"]
    identifiers = [field["id"] for field in form["body"] if field["type"] != "markdown"]
    assert len(identifiers) == len(set(identifiers)) > 0
    for field in form["body"]:
        assert field["type"] in ("markdown", "textarea", "input", "dropdown", "checkboxes")
        assert field["attributes"]["value" if field["type"] == "markdown" else "label"]
        assert field["type"] != "dropdown" or len(set(field["attributes"]["options"])) > 1


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_are_complete_and_write_nothing_by_default(path):
    workflow = read(path)
    assert workflow["on"] and workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert job["runs-on"]
        assert set(job.get("needs", "").split()) <= set(workflow["jobs"])
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step)
            assert "uses" not in step or re.fullmatch(r"[\w-]+/[\w-]+@[\w/.]+", step["uses"])


def test_workflows_run_on_three_systems_and_name_targets_and_extras_that_exist():
    matrix = read(ROOT / ".github/workflows/tests.yml")["jobs"]["check"]["strategy"]["matrix"]
    assert {name.partition("-")[0] for name in matrix["os"]} == {"ubuntu", "macos", "windows"}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lowest = project["requires-python"].removeprefix(">=")
    assert lowest in matrix["python"]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for path in WORKFLOWS:
        text = path.read_text(encoding="utf-8")
        for targets in re.findall(r"run: make ([a-z ]+?)(?:  #.*)?$", text, re.M):
            for target in targets.split():
                assert re.search(rf"^{target}:", makefile, re.M), target
        for extras in re.findall(r"\"\.\[([\w,]+)\]\"", text):
            assert set(extras.split(",")) <= set(project["optional-dependencies"])


def test_publishing_uses_no_stored_password():
    publish = read(ROOT / ".github/workflows/publish.yml")["jobs"]["publish"]
    assert publish["permissions"] == {"id-token": "write"} and publish["environment"]
    assert all("secrets" not in path.read_text(encoding="utf-8") for path in WORKFLOWS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_of_pages_beside_the_code_exist(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        if path.startswith("http"):
            continue
        assert (ROOT / path).exists(), target
        if anchor and path.endswith(".md"):
            titles = re.findall(r"^#+ (.+)$", (ROOT / path).read_text(encoding="utf-8"), re.M)
            assert anchor in {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}, (
                target
            )


def test_the_notes_of_a_release_are_the_newest_section_with_whole_links():
    path = ROOT / "benchmarks/release_notes.py"
    spec = importlib.util.spec_from_file_location("release_notes", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    changelog = (
        "# Changelog\n\n## 2.0 (today)\n\n* A [page](docs/a.md), [web](https://x.org).\n\n## 1.0\n\n* Old.\n"
    )
    notes = module.release_notes(changelog, "https://host/me/it", "2.0")
    assert notes == "* A [page](https://host/me/it/blob/v2.0/docs/a.md), [web](https://x.org).\n"
    with pytest.raises(ValueError, match="newest section"):
        module.release_notes(changelog, "https://host/me/it", "2.1")
    own = module.release_notes(
        (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), "https://host/me/it", __version__
    )
    assert own.startswith("### Highlights") and "](docs/" not in own
