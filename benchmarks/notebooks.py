"""Executes the notebooks on synthetic faces and stores their outputs; the cells that `facespace recipes NAME --code`
prints are printed again first. Needs nbclient, nbformat and ipykernel (the extra `notebooks`).

python benchmarks/notebooks.py [NAME ...]      # all without a name; about a minute each on one core"""

import base64
import io
import os
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

import facespace

FOLDER = Path(__file__).parent.parent / "notebooks"
LARGEST = 50_000  # bytes of a picture of an output; larger ones get a palette
PALETTES, ENOUGH = (
    (96, 32),
    400_000,
)  # colours; the smaller palette where a picture takes more bytes with the larger
LIMIT = 2_000_000  # bytes of a notebook
SECONDS = 1_200  # of a cell


def recipe_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """The cells whose metadata name the recipe that they are the code of."""
    return [cell for cell in notebook.cells if "recipe" in cell.metadata]


def code_of(cell: nbformat.NotebookNode) -> str:
    """What `facespace recipes NAME --code --set …` prints for a cell of recipe_cells."""
    recipe = cell.metadata.recipe
    return facespace.recipe_code(recipe.name, recipe.settings).strip()


def execute(notebook: nbformat.NotebookNode, folder: Path, data: str | None = None) -> None:
    """Runs all cells in a kernel of its own in a folder; `data` is the kernel's FACESPACE_DATA. Raises
    CellExecutionError for the first cell that fails."""
    env = {name: value for name, value in os.environ.items() if name != "FACESPACE_DATA"}
    if data:
        env["FACESPACE_DATA"] = data
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=SECONDS, resources=resources).execute(env=env)


def tidy(notebook: nbformat.NotebookNode) -> None:
    """Leaves of the outputs what a reader sees: no progress, no times of execution, pictures of moderate size."""
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type != "code":
            continue
        cell.outputs = joined([output for output in cell.outputs if output.get("name") != "stderr"])
        for output in cell.outputs:
            data = output.get("data", {})
            if "image/png" in data:
                data["image/png"] = packed(data["image/png"])
            if "image/png" in data or "image/gif" in data:
                data.pop("image/jpeg", None)
                data["text/plain"] = data["text/plain"].partition(" at 0x")[0][:80]
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )


def joined(outputs: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """Outputs with neighbouring pieces of stdout as one: how often a kernel sends it depends on the machine's load."""
    found: list[nbformat.NotebookNode] = []
    for output in outputs:
        if found and output.output_type == found[-1].output_type == "stream":
            found[-1].text += output.text
        else:
            found.append(output)
    return found


def packed(content: str) -> str:
    """A picture in base64 as it is, or, where it is large, with a palette and at most 760 pixels wide."""
    binary = base64.b64decode(content)
    if len(binary) <= LARGEST:
        return content.strip()
    picture = Image.open(io.BytesIO(binary)).convert("RGB")
    picture.thumbnail((760, 1_200), Image.Resampling.LANCZOS)
    for colors in PALETTES:
        file = io.BytesIO()
        picture.quantize(colors, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
        if file.tell() <= ENOUGH:
            break
    return base64.b64encode(file.getvalue()).decode("ascii")


def main() -> None:
    """Executes the notebooks that are named, or all."""
    names = sys.argv[1:] or sorted(path.stem for path in FOLDER.glob("*.ipynb"))
    for name in names:
        path = FOLDER / f"{name}.ipynb"
        notebook = nbformat.read(path, 4)
        for cell in recipe_cells(notebook):
            cell.source = code_of(cell)
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            execute(notebook, Path(folder))
        tidy(notebook)
        text = nbformat.writes(notebook, indent=1)
        path.write_text(f"{text.rstrip()}\n", encoding="utf-8")
        if len(text) > LIMIT:
            print(f"{path.name} has more than {LIMIT:,} bytes: fewer or smaller pictures.", file=sys.stderr)
        print(f"{path.name}: {len(text) / 1000:,.0f} kB, {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
