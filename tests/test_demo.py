"""The demo, made small."""

import re

import pytest
from conftest import TINY
from PIL import Image

from facespace.cli import demo as demo_module
from facespace.core.configs import override
from facespace.core.console import quiet
from facespace.recipes import recipe


@pytest.mark.parametrize("times", [2])
def test_the_demo_makes_its_page_and_can_be_run_again(tmp_path, monkeypatch, times):
    monkeypatch.setattr(demo_module, "FACES", 200)
    plan = override(recipe("demo"), [*TINY[1:], "model.image=3,64,64", "train.epochs=1"])
    monkeypatch.setattr("facespace.training.loop.named_recipe", lambda name: plan)
    for _ in range(times):
        with quiet():
            facts = demo_module.demo(tmp_path / "demo")
    page = (tmp_path / "demo/index.html").read_text()
    names = re.findall(r'src="([^"]+)"', page)
    assert set(names) == {"faces.png", "samples.png", "reconstructions.png", "morph.gif", "curves.png"} | {
        "space-samples.png",  # of the space that comes along
        "space-edits.png",
        "space-morph.gif",
    }
    for name in names:
        assert Image.open(tmp_path / "demo" / name).width >= 256
    assert "http" not in page.replace("http-equiv", "") and "nats per image" in page
    assert "facespace prepare folder" in facts["text"]
