"""The notebooks run from the first cell to the last, on drawn faces, but for fewer epochs; and are committed without outputs."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

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

# Runs each cell as Jupyter would; what a cell ends with is shown: pictures are saved, all else is printed.
RUNNER = """
import ast, json, re, sys
import matplotlib
matplotlib.use("Agg")
from PIL import Image
cells, names, shown = json.load(open(sys.argv[1], encoding="utf-8"))["cells"], {"__name__": "__main__"}, 0
for number, cell in enumerate(cells):
    if cell["cell_type"] != "code":
        continue
    source = re.sub(r"train[.]epochs=[0-9]+", "train.epochs=4", "".join(cell["source"]))
    tree = ast.parse(source, f"cell {number}")
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, f"cell {number}", "exec"), names)
    value = eval(compile(ast.Expression(last.value), f"cell {number}", "eval"), names) if last else None
    if isinstance(value, Image.Image):
        shown += 1
        value.convert("RGB").save(f"shown-{shown:02d}.png")
    elif value is not None:
        print(value)
"""


def cells(path: Path, kind: str) -> list[str]:
    return ["".join(cell["source"]) for cell in read(path)["cells"] if cell["cell_type"] == kind]


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_runs_on_drawn_faces(path, tmp_path):
    environment = {key: value for key, value in os.environ.items() if key != "FACESPACE_DATA"}
    done = subprocess.run(
        [sys.executable, "-c", RUNNER, path],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert all(words in done.stdout for words in SAID[path.stem]), done.stdout
    assert len(list(tmp_path.glob("shown-*.png"))) == SHOWN[path.stem]


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
    headings = re.findall(
        r"^## \d\. (.+)$", "\n".join(cells(FOLDER / f"{next(iter(SHOWN))}.ipynb", "markdown")), re.M
    )
    assert headings == list(STEPS)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_smile_in_the_default_space_can_be_seen(path, tmp_path):
    """The cell that edits faces of the default space: the scorer finds the smile that the strongest edit adds."""
    import facespace
    from facespace import charts
    from facespace.perception.attributes import load_classifier

    saved = {}
    names = {
        "facespace": facespace,
        "np": np,
        "charts": charts,
        "strengths": (-1, 0, 0.5, 1, 2),
        "show": lambda figure, name: saved.update({name: figure}),
    }
    (source,) = [text for text in cells(path, "code") if "smile-default.png" in text]
    exec(compile(source, path.stem, "exec"), names)
    assert list(saved) == ["smile-default.png"]
    scorer = load_classifier("scorer")
    column = scorer.names.index("Smiling")
    logits = np.stack([scorer.logits(names["edited"][:, place])[:, column] for place in (1, 4)])
    assert (logits[1] > 0).mean() >= 0.8 and (logits[1] - logits[0] > 2).all()
