"""Measurements in a smaller size than the space's."""

import json

import numpy as np
import pytest
from PIL import Image

import facespace
from facespace.core.errors import UsageError
from facespace.evaluation.card_figures import figures_of
from facespace.evaluation.evaluate import evaluate
from facespace.evaluation.session import EvaluationSession
from facespace.space.reduced import ReducedSpace, reduced


def test_each_pixel_is_the_rounded_mean_of_its_square():
    faces = np.random.default_rng(0).integers(0, 256, (3, 8, 12, 3), np.uint8)
    small = reduced(faces, 4)
    assert small.shape == (3, 2, 3, 3) and small.dtype == np.uint8
    assert np.array_equal(small[1, 1, 2], np.rint(faces[1, 4:8, 8:12].mean((0, 1))))
    by_area = Image.fromarray(faces[0]).resize((3, 2), Image.Resampling.BOX)
    assert np.abs(small[0].astype(int) - np.asarray(by_area)).max() <= 1
    assert np.array_equal(reduced(faces, 1), faces)


def test_faces_and_originals_are_compared_in_the_asked_size(trained, drawn):
    whole, half = (EvaluationSession(trained, drawn, "all", 8, size=size) for size in (None, 8))
    assert half.originals.shape == half.reconstructions.shape == (8, 8, 8, 3)
    assert np.array_equal(half.originals, reduced(whole.originals, 2))
    assert np.array_equal(half.reconstructions, reduced(whole.reconstructions, 2))
    assert np.array_equal(half.encoded.mean, whole.encoded.mean)
    assert np.array_equal(half.space.sample(3, seed=1), reduced(whole.space.sample(3, seed=1), 2))
    assert half.space.morph(half.originals[0], half.originals[1], frames=4).shape == (4, 8, 8, 3)


def test_the_template_of_reduced_faces_has_its_points_where_they_are(trained, drawn):
    whole, half = (EvaluationSession(trained, drawn, "all", 8, size=size) for size in (None, 8))
    assert (half.template.height, half.template.width) == (8, 8)
    assert np.allclose(half.template.points * 2, whole.template.points)


def test_an_evaluation_names_the_size_of_its_faces(trained, drawn, tmp_path, cli):
    options = ("--count", 16, "--split", "all", "--features", "none")
    code, out, _ = cli(
        "evaluate", trained, "--data", drawn, "--to", tmp_path / "e", "--size", 8, "--json", *options
    )
    assert code == 0 and json.loads(out)["protocol"]["compared"] == [8, 8]
    assert json.loads((tmp_path / "e/metrics.json").read_text())["protocol"]["space"]["image"] == [3, 16, 16]
    fingerprint = json.loads(out)["protocol"]["space"]["fingerprint"]
    assert figures_of(tmp_path / "e", fingerprint)["measured on"].endswith("all reduced to 8×8")
    whole = evaluate(trained, drawn, tmp_path / "whole", split="all", count=16, features=None)
    assert "reduced" not in figures_of(tmp_path / "whole", fingerprint)["measured on"]
    half = json.loads(out)
    assert whole["protocol"]["compared"] == [16, 16]
    assert half["reconstruction"]["mse"] < whole["reconstruction"]["mse"]  # means have smaller errors
    assert half["likelihood"] == whole["likelihood"]


@pytest.mark.parametrize("size", [0, -8, 5, 12, 32])
def test_a_size_that_is_no_whole_part_is_refused(trained, size):
    with pytest.raises(UsageError, match=f"--size {size} is no whole part of the space's faces, .* 16×16"):
        ReducedSpace(facespace.load(trained), size)
