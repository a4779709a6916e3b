"""The notebooks are executed as Jupyter would, on synthetic faces and, where they are at hand, on real ones; their
stored outputs are those of synthetic faces, small, and hold no trace of a machine."""

import base64
import importlib
import io
import json
import re
import shutil
import sys
from pathlib import Path

import pytest
from PIL import Image

from facespace import recipe_code

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
SYSTEMS = {
    "lfw-face-generation-latent-editing": {"lfw-mlp"},
    "autoencoder-vs-vae": {"celeba-gray-ae", "celeba-gray-vae"},
    "celebamask-conv-vae": {"celebamask-conv"},
    "yearbook-autoencoder": {"yearbook-ae"},
    "celeba-conv-128": {"celeba-conv-128"},
}
PLAIN: set[str] = set()  # without outputs, and without its recipes as PyTorch
names_of = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
names_of_systems = pytest.mark.parametrize(
    "path", [FOLDER / f"{name}.ipynb" for name in SYSTEMS], ids=lambda path: path.stem
)
STEPS = (
    *("Load and preprocess", "Split", "Train", "Reconstruction diagnostics", "Random generation"),
    *("Interpolation", "PCA and t-SNE of the latents, coloured by attribute"),
    "Smile and sunglasses editing by latent arithmetic",
)
# With real faces a test takes few of them and few steps.
SHORTER = {
    r"limit = (\d+ if root else \d+|\d+|None)": "limit = 600",
    r"train[.]epochs=[0-9]+": "train.epochs=1",
    r'"--steps", "\d+"': '"--steps", "4"',
}
# The smile that the strongest edit adds to faces of the default space, found by a classifier that took no part in it.
SMILE = """
from facespace.perception.attributes import load_classifier

scorer = load_classifier("scorer")
column = scorer.names.index("Smiling")
before, after = (scorer.logits(edited[:, strengths.index(strength)])[:, column] for strength in (0, 2))
assert (after > 0).mean() >= 0.8 and (after - before > 2).all()
"""


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def code_cells(path: Path) -> list[dict]:
    return [cell for cell in read(path)["cells"] if cell["cell_type"] == "code"]


def text_of(cell: dict) -> str:
    return "".join(cell["source"])


@pytest.fixture(scope="module")
def tool():
    """benchmarks/notebooks.py, whose libraries are an extra."""
    for library in ("nbclient", "nbformat", "ipykernel"):
        pytest.importorskip(library)
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        return importlib.import_module("notebooks")
    finally:
        sys.path.pop(0)


def kinds(outputs: list[dict]) -> list[str]:
    """What each output of a cell is, notes on stderr aside: stream, or the richest form of a value."""
    found = []
    for output in outputs:
        if output.get("name") == "stderr":
            continue
        if output["output_type"] == "stream" and found[-1:] == ["stream"]:
            continue  # stdout comes in one piece or in several
        data = output.get("data", {})
        found.append(
            next(
                (kind for kind in ("image/gif", "image/png", "text/html") if kind in data),
                output["output_type"],
            )
        )
    return found


@names_of
def test_every_cell_runs_on_synthetic_faces_and_shows_what_is_stored(path, tool, tmp_path):
    notebook = tool.nbformat.read(path, 4)
    stored = [kinds(cell.outputs) for cell in notebook.cells if cell.cell_type == "code"]
    if "default-space" in {cell.id for cell in notebook.cells}:
        place = next(i for i, cell in enumerate(notebook.cells) if cell.id == "default-space")
        notebook.cells.insert(place + 1, tool.nbformat.v4.new_code_cell(SMILE))
        stored.insert(sum(cell.cell_type == "code" for cell in notebook.cells[: place + 1]), [])
    tool.execute(notebook, tmp_path)
    if path.stem in PLAIN:
        return
    assert [kinds(cell.outputs) for cell in notebook.cells if cell.cell_type == "code"] == stored


@pytest.fixture(scope="module")
def with_portraits(real, tmp_path_factory) -> Path:
    """The real faces, with forty more yearbook portraits: the few that can be had are fewer than a training takes, so faces
    of CelebA in gray stand for those that the table of training portraits lists first."""
    root = tmp_path_factory.mktemp("data")
    for folder in real.iterdir():
        if folder.name != "yearbook":
            (root / folder.name).symlink_to(folder)
    shutil.copytree(real / "yearbook", root / "yearbook")
    portraits = root / "yearbook/yearbook"
    listed = (portraits / "yearbook_train.txt").read_text().splitlines()[:40]
    faces = sorted((real / "celeba/img_align_celeba").glob("*.jpg"))
    for line, face in zip(listed, faces):
        to = portraits / "train" / line.split("\t")[0]
        to.parent.mkdir(parents=True, exist_ok=True)
        Image.open(face).convert("L").resize((186, 171)).save(to)
    return root


@names_of_systems
def test_every_cell_runs_on_few_real_faces(path, tool, tmp_path, with_portraits):
    notebook = tool.nbformat.read(path, 4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            for pattern, instead in SHORTER.items():
                cell.source = re.sub(pattern, instead, cell.source)
    tool.execute(notebook, tmp_path, str(with_portraits))
    assert list(tmp_path.glob("lesson-*/faces/images.npy"))


@names_of
def test_a_notebook_is_nbformat_4_5_and_small(path):
    notebook = read(path)
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert set(notebook) == {"cells", "metadata", "nbformat", "nbformat_minor"}
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids) and all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) for name in ids)
    assert path.stat().st_size < 2_000_000
    for cell in code_cells(path):
        assert set(cell) == {"cell_type", "id", "metadata", "source", "execution_count", "outputs"}
        assert not re.search(r"^\s*[%!]", text_of(cell), re.M)  # Python alone, no magics


@names_of_systems
def test_outputs_are_stored_and_name_no_machine(path):
    outputs = [output for cell in code_cells(path) for output in cell["outputs"]]
    pictures = []
    for output in outputs:
        data = output.get("data", {})
        pictures += ["".join(data[kind]) for kind in ("image/png", "image/gif") if kind in data]
        pictures += re.findall(r'src="data:image/png;base64,([^"]+)"', "".join(data.get("text/html", "")))
    assert len(pictures) >= 5
    for picture in pictures:
        assert Image.open(io.BytesIO(base64.b64decode(picture))).width >= 100
    text = json.dumps(outputs)
    assert not re.search(r"/(?:tmp|home|root|work|Users)/|Traceback|\"stderr\"", text)
    assert all(cell["execution_count"] for cell in code_cells(path))


@names_of_systems
def test_network_loss_and_sampling_are_what_recipes_prints(path):
    recipes = {}
    for cell in code_cells(path):
        if "recipe" in cell["metadata"]:
            name, settings = (cell["metadata"]["recipe"][key] for key in ("name", "settings"))
            recipes[name] = text_of(cell)
            assert text_of(cell) == recipe_code(name, settings).strip()
            assert "import facespace" not in text_of(cell) and "def forward(" in text_of(cell)
    assert set(recipes) == SYSTEMS[path.stem]


@names_of_systems
def test_public_names_alone_and_a_first_cell_that_installs(path):
    first, *cells = code_cells(path)
    assert "import facespace" in text_of(first) and '"pip", "install"' in text_of(first)
    for cell in cells:
        assert not re.search(r"^\s*(?:from facespace\.|import facespace\.)", text_of(cell), re.M)


def test_the_notebook_of_the_first_system_has_its_steps():
    cells = read(FOLDER / "lfw-face-generation-latent-editing.ipynb")["cells"]
    text = "\n".join(text_of(cell) for cell in cells if cell["cell_type"] == "markdown")
    assert tuple(re.findall(r"^## \d\. (.+)$", text, re.M)) == STEPS
    assert {path.stem for path in NOTEBOOKS} == set(SYSTEMS) | PLAIN
