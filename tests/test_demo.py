"""The demo, made small: its page grows, an interrupted one goes on to the same result, and nothing else is replaced."""

import json
import re
from pathlib import Path

import processes
import pytest
from conftest import TINY
from PIL import Image

from facespace.cli import demo as demo_module
from facespace.cli import demo_parts
from facespace.cli import run as facespace
from facespace.cli.demo_page import commands
from facespace.core.configs import override
from facespace.core.console import quiet
from facespace.core.errors import UsageError
from facespace.recipes import recipe
from facespace.training import plan as training_plan

DEFAULT = ["space-samples.png", "space-edits.png", "space-morph.gif"]
SYNTHETIC = ["faces.png", "curves.png", "samples.png", "reconstructions.png", "edits.png", "morph.gif"]
SMALL = [*TINY[1:], "model.image=3,64,64"]


def make_small_demo(folder: Path) -> None:
    """In a process that can be killed: the small demo without the default space."""
    plan = override(recipe("demo"), SMALL)
    training_plan.named_recipe = lambda name: plan
    demo_module.FACES, demo_module.STEPS, demo_module.DEFAULT_PARTS, demo_parts.FRAMES = 120, 26, (), 20
    demo_module.demo(folder, resume=True)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """A demo of few faces and steps."""
    monkeypatch.setattr(demo_module, "FACES", 120)
    monkeypatch.setattr(demo_module, "STEPS", 26)
    monkeypatch.setattr(demo_parts, "FRAMES", 20)
    plan = override(recipe("demo"), SMALL)
    monkeypatch.setattr("facespace.training.plan.named_recipe", lambda name: plan)


def page_of(folder) -> tuple[str, list[str]]:
    """The page, all of whose pictures exist, and their names."""
    page = (folder / "index.html").read_text(encoding="utf-8")
    names = re.findall(r'src="([^"]+)"', page)
    for name in names:
        Image.open(folder / name).load()
    return page, names


def result_of(folder) -> dict:
    """What must not depend on interruptions."""
    files = {name: (folder / name).read_bytes() for name in SYNTHETIC}
    card = json.loads((folder / "run/best/card.json").read_text(encoding="utf-8"))
    return {**files, "fingerprint": card["fingerprint"]}


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> dict:
    """The result of a demo without interruption."""
    folder = tmp_path_factory.mktemp("whole") / "demo"
    assert processes.Started(make_small_demo, folder).finish(600)[0] == 0
    return result_of(folder)


def test_the_page_is_there_at_once_and_grows_with_each_part(tmp_path, monkeypatch):
    folder, stages = tmp_path / "demo", []
    make = demo_module.Demo._make

    def watched(self, part, number):
        stages.append(page_of(folder))
        make(self, part, number)

    monkeypatch.setattr(demo_module.Demo, "_make", watched)
    with quiet():
        facts = demo_module.demo(folder)
    stages.append(page_of(folder))
    assert [names for _, names in stages] == [
        [],
        DEFAULT[:1],
        DEFAULT[:2],
        DEFAULT,
        [*DEFAULT, "faces.png"],
        [*DEFAULT, "faces.png", "curves.png"],
        [*DEFAULT, *SYNTHETIC[:4]],
        [*DEFAULT, *SYNTHETIC[:5]],
        [*DEFAULT, *SYNTHETIC],
    ]
    for page, _ in stages[:-1]:
        assert "progress.js" in page and "Being made" in page and "--resume" in page
    last = stages[-1][0]
    assert "progress.js" not in last and "Being made" not in last and "nats per image" in last
    assert "http" not in last
    for name in stages[-1][1]:
        assert Image.open(folder / name).width >= 256
    assert facts["text"].splitlines()[-3:] == [f"  {line}" for line in commands()]
    assert set(facts["parts"]) == {
        part.name for part in (*demo_module.DEFAULT_PARTS, *demo_module.SYNTHETIC_PARTS)
    }


def test_a_finished_demo_is_made_again_or_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(demo_module, "DEFAULT_PARTS", ())
    folder = tmp_path / "demo"
    with quiet():
        first = demo_module.demo(folder)
        (folder / "mine.txt").write_text("kept")
        left = demo_module.demo(folder, resume=True)
        assert left["parts"] == first["parts"] and left["training"] == first["training"]
        before = (folder / "samples.png").stat().st_mtime_ns
        assert demo_module.demo(folder, seed=1)["training"] != first["training"]
    assert (folder / "samples.png").stat().st_mtime_ns > before
    assert (folder / "mine.txt").read_text() == "kept"


def test_an_unfinished_demo_is_a_sentence_and_other_files_are_not_replaced(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "demo"

    def stop(demo):
        raise KeyboardInterrupt

    parts = [part if part.name != "edits" else part._replace(make=stop) for part in demo_module.DEFAULT_PARTS]
    monkeypatch.setattr(demo_module, "DEFAULT_PARTS", tuple(parts))
    assert facespace(["demo", "--to", str(folder)]) == 130
    assert f"facespace demo --to {folder} --resume" in capsys.readouterr().err
    page, names = page_of(folder)
    assert names == DEFAULT[:1] and "progress.js" not in page and "was stopped" in page
    assert facespace(["demo", "--to", str(folder)]) == 2
    assert "unfinished demo (1 of 8 parts). Add --resume" in capsys.readouterr().err
    assert facespace(["demo", "--to", str(folder), "--resume", "--seed", "3"]) == 2
    assert "started with seed 0, not 3" in capsys.readouterr().err
    other = tmp_path / "other"
    (other / "faces").mkdir(parents=True)
    with pytest.raises(UsageError, match="holds other files"):
        demo_module.demo(other)
    with pytest.raises(UsageError, match="holds other files"):
        demo_module.demo(other, resume=True)


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["faces", "training", "pictures"])
def test_a_killed_demo_goes_on_to_the_same_result(tmp_path, whole, moment):
    """Killed while faces are rendered, while the space is trained, and between two parts after that."""
    folder = tmp_path / "demo"
    signs = {
        "faces": folder / ".faces.facespace-partial/images.npy",
        "training": folder / "run/metrics.jsonl",
        "pictures": folder / "reconstructions.png",
    }
    process = processes.Started(make_small_demo, folder)
    try:
        process.wait_until(lambda: signs[moment].exists() and signs[moment].stat().st_size, 300)
    finally:
        process.kill_all()
    page, names = page_of(folder)
    assert "Being made" in page and set(names) < set(SYNTHETIC)
    assert processes.Started(make_small_demo, folder).finish(600)[0] == 0
    assert result_of(folder) == whole


def test_the_budget_is_three_minutes_of_two_cores():
    """The times that the command prints at its start."""
    seconds = {part.name: part.seconds for part in demo_module.SYNTHETIC_PARTS}
    assert seconds["synthetic faces"] + seconds["training"] <= 180
    assert sum(part.seconds for part in demo_module.DEFAULT_PARTS) < 60
