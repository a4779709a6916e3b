"""Two-dimensional maps of a latent space: (N, D) latents to (N, 2) places, and which faces to draw on a map
without overlap. Methods are rows of METHODS; UMAP needs the extra umap."""

import importlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from facespace.core.extras import install_command, is_installed
from facespace.latent.components import principal_components

NEIGHBOURS = 10  # of each face, in trustworthiness
FEWEST = 8  # faces below which neighbourhoods are meaningless
GRID_SIDE = 1_280  # pixels: approximate size of a map of faces
PER_CELL = 2.5  # faces per cell of a grid, so that most of the cells in its middle are filled
LARGEST_CELL = 64  # pixels of the shorter side of a face on a map


class Map(NamedTuple):
    """Places of N faces. `axes` are labels of the two axes; `trustworthiness` is None for too few faces."""

    name: str
    title: str
    places: np.ndarray  # (N, 2)
    axes: tuple[str, str]
    trustworthiness: float | None


def pca(z: np.ndarray, seed: int) -> tuple[np.ndarray, tuple[str, str]]:
    """The first two principal components: linear, and the same for every seed."""
    fitted = principal_components(z)
    shares = [*np.nan_to_num(fitted.shares[:2]), 0.0]
    return fitted.plane(z), (
        f"component 1 ({100 * shares[0]:.0f} % of variance)",
        f"component 2 ({100 * shares[1]:.0f} %)",
    )


def tsne(z: np.ndarray, seed: int) -> tuple[np.ndarray, tuple[str, str]]:
    """t-SNE (van der Maaten & Hinton, 2008), perplexity 30 or a third of the faces, started from the
    components, with a tree, for thousands of faces; tsne.py has it for hundreds."""
    from sklearn.manifold import TSNE  # here, since it takes a second to import

    start = "pca" if z.shape[1] > 1 else "random"
    perplexity = min(30.0, (len(z) - 1) / 3)
    embedding = TSNE(init=start, perplexity=perplexity, random_state=seed % 2**32)
    return embedding.fit_transform(z).astype(np.float64), ("", "")


def umap(z: np.ndarray, seed: int) -> tuple[np.ndarray, tuple[str, str]]:
    """UMAP (McInnes et al., 2018) with 15 neighbours and a least distance of 0.1."""
    umap = importlib.import_module("umap")
    start = "spectral" if len(z) > 50 else "random"  # the spectral start needs more faces than that
    neighbours = min(15, len(z) - 1)
    embedding = umap.UMAP(n_neighbors=neighbours, init=start, random_state=seed % 2**32, n_jobs=1)
    return np.asarray(embedding.fit_transform(z), np.float64), ("", "")


# (N, D) latents and a seed -> (N, 2) places and the labels of the axes.
Method = Callable[[np.ndarray, int], tuple[np.ndarray, tuple[str, str]]]

METHODS: dict[str, tuple[str, Method]] = {  # name -> title and method
    "pca": ("Principal components", pca),
    "tsne": ("t-SNE", tsne),
    "umap": ("UMAP", umap),
}


def draw_maps(z: np.ndarray, seed: int) -> tuple[list[Map], list[str]]:
    """All maps of (N, D) latents that can be made here, and a sentence for each that cannot."""
    from sklearn.manifold import trustworthiness

    made, missing = [], []
    for name, (title, method) in METHODS.items():
        reason = _why_not(name, z)
        if reason:
            missing.append(f"There is no {title} map: {reason}")
            continue
        places, axes = method(z, seed)
        trust = None
        if len(z) >= FEWEST:
            neighbours = min(NEIGHBOURS, (len(z) - 1) // 2)
            trust = float(trustworthiness(z, places, n_neighbors=neighbours))
        made.append(Map(name, title, places, axes, trust))
    return made, missing


def _why_not(name: str, z: np.ndarray) -> str:
    if name == "umap" and not is_installed("umap"):
        return f"it needs umap-learn ({install_command('umap')})."
    if name != "pca" and len(z) < FEWEST:
        return f"it needs {FEWEST} faces or more."
    if name != "pca" and not np.ptp(z, axis=0).any():
        return "all faces have the same latents."
    return ""


class GridCells(NamedTuple):
    """The cells of a map of faces: their numbers, and their size in pixels before they are enlarged by
    `scale`."""

    rows: int
    columns: int
    height: int
    width: int
    scale: int


def grid_cells(count: int, height: int, width: int) -> GridCells:
    """Cells for a map of `count` faces of that size in pixels; small ones are enlarged, large ones shrunk."""
    side = min(height, width)
    fewest = max(4, round((count / PER_CELL) ** 0.5))  # rows that can be filled
    shrink = min(1.0, LARGEST_CELL / side)
    scale = 1
    if shrink == 1:
        scale = max(1, min(4, GRID_SIDE // (fewest * side)))
    cell_width, cell_height = max(1, round(width * shrink)), max(1, round(height * shrink))
    columns = max(4, min(fewest, round(GRID_SIDE / (scale * cell_width))))
    rows = max(4, min(fewest, round(GRID_SIDE / (scale * cell_height))))
    return GridCells(rows, columns, cell_height, cell_width, scale)


def choose_grid(places: np.ndarray, rows: int, columns: int, margin: float = 0.5) -> np.ndarray:
    """Which faces to draw in each cell of a grid over (N, 2) places: int64 (rows, columns), the face nearest
    to the cell's middle of those that lie in it, −1 for an empty cell. Up on the map is up on the grid. The
    outermost `margin` percent on each side are left out, so that a few faces far off do not shrink all
    others."""
    low, high = np.percentile(places, (margin, 100 - margin), axis=0)
    extent = np.where(high > low, high - low, 1.0)
    spot = (places - low) / extent * (columns, rows)  # in cells, from the lower left
    inside = ((spot >= 0) & (spot <= (columns, rows))).all(1)
    cell = np.minimum(spot, (columns - 1, rows - 1)).astype(int)
    distance = ((spot - cell - 0.5) ** 2).sum(1)
    grid = np.full((rows, columns), -1)
    nearest_last = np.flatnonzero(inside)[np.argsort(-distance[inside], kind="stable")]
    for face in nearest_last:
        column, row = cell[face]
        grid[rows - 1 - row, column] = face
    return grid


def draw_grid(grid: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """One picture (H, W, C) of a grid of places in `faces` (M, h, w, C), numbered in the order of the cells
    that are not empty; empty cells stay white."""
    rows, columns = grid.shape
    _, height, width, channels = faces.shape
    cells = np.full((rows * columns, height, width, channels), 255, np.uint8)
    cells[grid.ravel() >= 0] = faces
    return (
        cells.reshape(rows, columns, height, width, channels)
        .swapaxes(1, 2)
        .reshape(rows * height, -1, channels)
    )
