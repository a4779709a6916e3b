"""The notebooks run from the first cell to the last, on drawn faces, but for fewer epochs; and are committed without outputs."""

import ast
import json
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import draw_curves
from PIL import Image

from facespace.perception.attributes import load_classifier
from facespace.training import final_prior
from facespace.training.run_log import RunLogger

FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
SHOWN = {"lfw-face-generation-latent-editing": 12, "autoencoder-vs-vae": 8}  # cells that end with a picture
SAID = {
    "lfw-face-generation-latent-editing": ("people on two sides: 0", "ssim", "10 + 10 faces against all"),
    "autoencoder-vs-vae": (
        "## Losses",
        "the average:",
        "the raw weights:",
        "the same weights, bit for bit: True",
    ),
}
STEPS = (
    *(
        "Load and preprocess",
        "Split",
        "Train",
        "Reconstruction diagnostics",
        "Random generation",
        "Interpolation",
    ),
    *(
        "PCA and t-SNE of the latents, coloured by attribute",
        "Smile and sunglasses editing by latent arithmetic",
    ),
)

# What a test replaces in the cells: so many faces are enough for every cell to run, and one epoch for every figure; the
# weights that section 9 compares bit for bit need no prior.
SHORTER = {
    r"train[.]epochs=[0-9]+": "train.epochs=1",
    r'(render_faces\(work / "synthetic"), 600\)': r"\1, 160)",
    r"(short = \[\*quick_vae)": r'\1, "train.prior=none"',
}


def run_cells(path: Path) -> tuple[dict, list[Image.Image]]:
    """Runs each cell as Jupyter would: what a cell ends with is shown, all but pictures printed. Gives the names and
    the pictures shown."""
    names, shown = {"__name__": "__main__"}, []
    for number, source in enumerate(cells(path, "code")):
        for pattern, instead in SHORTER.items():
            source = re.sub(pattern, instead, source)
        tree = ast.parse(source, f"cell {number}")
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, f"cell {number}", "exec"), names)
        value = eval(compile(ast.Expression(last.value), f"cell {number}", "eval"), names) if last else None
        if isinstance(value, Image.Image):
            value.load()
            shown.append(value)
        elif value is not None:
            print(value)
    return names, shown


def cells(path: Path, kind: str) -> list[str]:
    return ["".join(cell["source"]) for cell in read(path)["cells"] if cell["cell_type"] == kind]


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_runs_on_drawn_faces_and_the_smile_of_the_default_space_can_be_seen(
    path, tmp_path, monkeypatch, capsys
):
    """The scorer finds the smile that the strongest edit of faces of the default space adds."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FACESPACE_DATA", raising=False)
    monkeypatch.setattr(RunLogger, "draw_curves", draw_curves)
    monkeypatch.setattr(final_prior, "SMALL_FLOW", {"steps": 40, "width": 32, "blocks": 1})
    names, shown = run_cells(path)
    said = capsys.readouterr().out
    assert all(words in said for words in SAID[path.stem]), said
    assert len(shown) == SHOWN[path.stem]
    assert list(Path().glob("*/smile-default.png"))
    scorer = load_classifier("scorer")
    column = scorer.names.index("Smiling")
    places = [names["strengths"].index(strength) for strength in (0, 2)]
    logits = np.stack([scorer.logits(names["edited"][:, place])[:, column] for place in places])
    assert (logits[1] > 0).mean() >= 0.8 and (logits[1] - logits[0] > 2).all()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_nbformat_4_5_without_outputs(path):
    notebook = read(path)
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert set(notebook) == {"cells", "metadata", "nbformat", "nbformat_minor"}
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids) and all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) for name in ids)
    for cell in notebook["cells"]:
        code = cell["cell_type"] == "code"
        assert set(cell) == {"cell_type", "id", "metadata", "source"} | (
            {"execution_count", "outputs"} if code else set()
        )
        assert isinstance(cell["metadata"], dict)
        if code:
            assert cell["outputs"] == [] and cell["execution_count"] is None
            assert not re.search(r"^\s*[%!]", "".join(cell["source"]), re.M)  # Python alone, no magics


def test_the_notebooks_hold_what_their_systems_ask_for():
    assert {path.stem for path in NOTEBOOKS} == set(SHOWN)
    code = "\n".join(text for path in NOTEBOOKS for text in cells(path, "code"))
    assert all(re.search(pattern, code) for pattern in SHORTER)
    headings = re.findall(
        r"^## \d\. (.+)$", "\n".join(cells(FOLDER / f"{next(iter(SHOWN))}.ipynb", "markdown")), re.M
    )
    assert headings == list(STEPS)
