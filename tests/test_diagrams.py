"""Diagrams show the model that is there: every parameter in a box, shapes as they run, words that stay inside."""

from pathlib import Path

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from facespace.core.configs import override
from facespace.diagrams.layer_summary import IDEAS, diagram, summarize_layers
from facespace.models import build, count_parameters
from facespace.recipes import RECIPES, recipe
from facespace.space.face_space import load


@pytest.mark.parametrize("name", RECIPES)
def test_every_parameter_of_a_recipe_is_in_a_box(name):
    config = recipe(name).model
    parts = summarize_layers(config)
    assert parts.parameters == count_parameters(config)
    assert parts.encoder[0].shape == config.image
    assert parts.decoder[-1].shape == build(config).image_shape


def test_a_conditional_model_is_counted_whole():
    config = override(recipe("celebamask-conv"), ["model.conditions=Smiling,Male"]).model
    assert summarize_layers(config).parameters == count_parameters(config)


def test_layers_fold_in_what_follows_them():
    parts = summarize_layers(recipe("celeba-conv-128").model)
    assert [block.shape for block in parts.encoder[1:]] == [
        (32, 64, 64),
        (64, 32, 32),
        (64, 16, 16),
        (64, 8, 8),
        (2, 200),
    ]
    first = parts.encoder[1]
    assert first.name == "conv 3×3, stride 2"
    assert first.notes == ("BatchNorm", "LeakyReLU 0.001", "Dropout 0.2")
    assert first.parameters == 3 * 32 * 9 + 32 + 2 * 32
    sides = [block.shape[1] for block in parts.decoder[1:]]
    assert sides == [8, 17, 33, 65, 128, 128]  # the last but one trimmed from 129
    assert "trim to 128×128" in parts.decoder[-2].notes


def test_the_yearbook_model_goes_in_larger_than_it_comes_out():
    parts = summarize_layers(recipe("yearbook-ae").model)
    assert parts.encoder[-1].shape == (80,) and parts.encoder[-1].notes == ("ReLU",)
    assert (parts.encoder[0].shape, parts.decoder[-1].shape) == ((1, 171, 186), (1, 160, 176))


@pytest.mark.parametrize("what", [*RECIPES, *IDEAS])
def test_words_stay_on_the_page_and_apart(what):
    figure, _ = diagram(what)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    width, height = canvas.get_width_height()
    places = [text.get_window_extent() for text in figure.axes[0].texts if text.get_text()]
    assert len(places) > 5
    for place in places:
        assert place.x0 >= 0 and place.y0 >= 0 and place.x1 <= width and place.y1 <= height
    for index, one in enumerate(places):
        for other in places[index + 1 :]:
            across = min(one.x1, other.x1) - max(one.x0, other.x0)
            down = min(one.y1, other.y1) - max(one.y0, other.y0)
            assert across <= 0 or down <= 4  # lines of one text may touch


def test_the_verb_draws_a_space_and_a_recipe(cli, trained, tmp_path):
    to = tmp_path / "space.png"
    code, out, _ = cli("diagram", trained, "--to", to)
    assert code == 0 and f"{sum(p.numel() for p in load(trained).model.parameters()):,} parameters" in out
    with Image.open(to) as picture:
        assert picture.width == 1200 and len(picture.convert("L").getcolors()) > 10
    code, out, _ = cli("diagram", "demo", "--to", tmp_path / "a.svg", "--json")
    assert code == 0 and '"parameters"' in out
    cli("diagram", "demo", "--to", tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_what_cannot_be_drawn_is_refused_before_the_work(cli, tmp_path):
    code, _, err = cli("diagram", "celebmask-conv", "--to", tmp_path / "a.png")
    assert code == 2 and "Did you mean 'celebamask-conv'?" in err
    code, _, err = cli("diagram", "demo", "--to", tmp_path / "a.txt")
    assert code == 2 and ".svg" in err
    code, _, err = cli("diagram", tmp_path, "--to", tmp_path / "a.png")
    assert code == 1 and str(tmp_path) in err
    assert not list(Path(tmp_path).iterdir())
