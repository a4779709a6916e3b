"""Objects show themselves in notebooks: small pictures, escaped texts, and arrays stay arrays."""

import base64
import io
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import facespace
from facespace.core import html
from facespace.core.console import note
from facespace.image import shown
from facespace.report.metric_table import Cell, Column, MetricTable, Row
from facespace.report.report import Finding, Layout, Report, Results


def embedded(text: str) -> list[Image.Image]:
    """The pictures in a piece of HTML."""
    found = re.findall(r'src="data:image/png;base64,([^"]+)"', text)
    return [Image.open(io.BytesIO(base64.b64decode(one))) for one in found]


def test_faces_are_an_array_with_a_picture():
    array = np.random.default_rng(0).integers(0, 255, (5, 16, 20, 3), np.uint8)
    faces = facespace.Faces(array)
    content, about = faces._repr_png_()
    picture = Image.open(io.BytesIO(content))
    assert picture.size == (5 * (20 * 4 + 2) + 2, 16 * 4 + 4)
    assert about == {"alt": "5 faces of 20×16 pixels"}
    assert np.asarray(picture)[2, 2].tolist() == array[0, 0, 0].tolist()
    assert np.shares_memory(faces, array)
    assert faces[1]._repr_png_()[1] == {"alt": "1 face of 20×16 pixels"}
    assert np.array_equal(pickle.loads(pickle.dumps(faces)), array)


def test_what_is_calculated_from_faces_is_a_plain_array():
    faces = facespace.Faces(np.full((2, 4, 4, 1), 7, np.uint8))
    assert type(faces + 1) is np.ndarray and type(faces.astype(float) / 255) is np.ndarray
    assert f"{faces.mean():.1f}" == "7.0" and isinstance(faces.max(), np.integer)
    assert type(faces.mean(0)) is np.ndarray
    assert faces.astype(float)._repr_png_() is None and faces[0, 0]._repr_png_() is None
    assert faces[:0]._repr_png_() is None


@pytest.mark.parametrize("count", [1, 64, 500])
def test_a_picture_is_small_whatever_it_shows(count):
    noise = np.random.default_rng(0).integers(0, 255, (count, 128, 128, 3), np.uint8)
    content, about = facespace.Faces(noise)._repr_png_()
    assert len(content) <= shown.LARGEST and max(Image.open(io.BytesIO(content)).size) <= shown.WIDEST
    assert ("of which the first 64" in about["alt"]) == (count == 500)


def test_a_space_shows_its_facts_and_its_samples(trained):
    space = facespace.load(trained)
    text = space._repr_html_()
    (picture,) = embedded(text)
    expected, _ = shown.drawn_grid(space.sample(8, seed=0, temperature=0.8))
    assert np.array_equal(np.asarray(picture), np.asarray(expected))
    assert "FaceSpace demo" in text and "16×16 pixels, colour" in text and "<td" in text
    assert isinstance(space.sample(2), facespace.Faces) and isinstance(
        space.morph(*space.sample(2), frames=3), facespace.Faces
    )


def test_a_set_shows_evenly_spaced_faces(drawn):
    faces = facespace.FaceSet(drawn)
    text = faces._repr_html_()
    assert len(embedded(text)) == 1 and "16 faces of 16×16 pixels" in text and "crop fit" in text
    some = faces.faces("train", 4)
    assert some.shape == (4, 16, 16, 3) and isinstance(some, facespace.Faces)
    assert np.array_equal(some[0], faces.images[faces.rows("train")[0]])
    assert len(faces.faces()) == len(faces)


def test_texts_are_escaped_and_cut():
    text = html.facts("<b>", [("a<script>", "x" * 1_000), ("empty", ""), ("surrogate", "\udcff")])
    assert "<script>" not in text and "&lt;b&gt;" in text and "empty" not in text
    assert "x" * 299 + "…" in text and "x" * 300 not in text
    assert (
        "<i>" not in html.table(["<i>"], [["<i>", "<i>"]])
        and '"><' not in html.picture(b"", "png", '"><i>').split("alt=")[1][:8]
    )


def test_tables_reports_and_results_show_themselves(tmp_path):
    columns = [Column("mse", "MSE <i>", "lower", ".2f", 0.1)]
    rows = [Row("<one>", {"mse": Cell(0.1)}, {}), Row("two", {"mse": Cell(0.2)}, {})]
    text = MetricTable(columns, rows, ["12 faces"], {}, {})._repr_html_()
    assert "&lt;one&gt;" in text and "0.10 ★" in text and "0.20</td>" in text and "12 faces" in text
    report = Report(Layout("a test", "test"), "A & B", {}, {"x": 1}, [Finding("good", "All <is> well.")])
    assert "A &amp; B" in report._repr_html_() and "All &lt;is&gt; well." in report._repr_html_()
    results = report.written(tmp_path / "report")
    assert isinstance(results, Results) and results["x"] == 1 and results["to"] == str(tmp_path / "report")
    assert "A &amp; B" in results._repr_html_() and "index.html" in results._repr_html_()


def test_a_set_and_faces_are_shown_without_torch(drawn):
    code = (
        "import sys, facespace; s = facespace.FaceSet(sys.argv[1]); assert 'base64' in s._repr_html_();"
        "assert s.faces()._repr_png_(); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(drawn)], check=True)


def test_a_note_in_a_notebook_is_a_line_of_a_log(monkeypatch, capsys):
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    note("12 faces")
    assert capsys.readouterr().err == "12 faces\n"
