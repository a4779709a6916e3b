"""Drawings of two ideas: what an autoencoder is, and where a variational one differs. The points and clouds
are drawn, not measured."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Ellipse, FancyBboxPatch, Polygon

from facespace.diagrams.page import DECODER, ENCODER, INK, LATENT, PALE, WIDTH, arrow, page, write

KINDS = (("#0072B2", "o", "one kind of face"), ("#D55E00", "^", "another"), ("#444444", "s", "a third"))
CENTRES = np.array([(-1.35, 0.75), (1.3, 0.95), (0.15, -1.35)])
LATENT_VALUES = ("0.7", "−1.2", "0.1", "⋮", "0.4")
SPACE = 108.0  # pixels of one unit of the drawn latent spaces


def autoencoder(face: np.ndarray, reconstruction: np.ndarray) -> Figure:
    """From a face uint8 (H, W, 3) through a handful of numbers to its `reconstruction`, of the same shape."""
    sheet = page(300)
    middle, side = 140, 176
    for x, picture, name in ((140, face, "a face x"), (WIDTH - 140, reconstruction, "its reconstruction x̂")):
        edges = (x - side / 2, x + side / 2, middle + side / 2, middle - side / 2)
        sheet.imshow(picture, extent=edges, interpolation="bicubic", aspect="auto")
        numbers = " × ".join(str(length) for length in (3, *face.shape[:2]))
        write(sheet, x, middle + side / 2 + 10, f"{name}\n{numbers} = {face.size:,} numbers", size=7.5)
    sheet.set(xlim=(0, WIDTH), ylim=(300, 0))
    for left, right, fill, name in ((296, 510, ENCODER, "encoder"), (690, 904, DECODER, "decoder")):
        wide, narrow = (88, 40) if fill == ENCODER else (40, 88)
        corners = [
            (left, middle - wide),
            (right, middle - narrow),
            (right, middle + narrow),
            (left, middle + wide),
        ]
        sheet.add_patch(Polygon(corners, facecolor=fill, edgecolor=INK, linewidth=0.8))
        write(sheet, (left + right) / 2, middle, name, size=10, va="center", weight="bold")
    _draw_latent(sheet, middle - 70)
    write(sheet, 600, middle + side / 2 + 10, "its latent z\n128 numbers", size=7.5)
    for start, end in ((234, 290), (516, 562), (638, 684), (910, 966)):
        arrow(sheet, (start, middle), (end, middle), linewidth=1.4, mutation_scale=11)
    write(sheet, WIDTH / 2, 12, "Both are trained together, on nothing but “x̂ shall look like x”", size=9)
    return sheet.figure  # type: ignore[return-value]


def _draw_latent(sheet: Axes, top: float) -> None:
    """A column of boxes with the values of a latent, from `top` downwards."""
    for value in LATENT_VALUES:
        box = FancyBboxPatch(
            (568, top),
            64,
            24,
            boxstyle="round,pad=0,rounding_size=4",
            facecolor=LATENT,
            edgecolor=INK,
            linewidth=0.8,
        )
        sheet.add_patch(box)
        write(sheet, 600, top + 12, value, size=8, va="center")
        top += 28


def ae_vs_vae() -> Figure:
    """Two drawn latent spaces of two dimensions: points with holes between them, and clouds that fill the
    prior."""
    sheet = page(620)
    left, right, middle = (305.0, 310.0), (895.0, 310.0), 600
    sheet.plot([middle, middle], [70, 570], color=PALE, linewidth=0.6)
    heads = (
        (left, "Autoencoder: a face is a point", "training asks only that each point gives its face back"),
        (right, "VAE: a face is a cloud", "and the KL keeps all clouds together, around the origin"),
    )
    for (x, _), title, below in heads:
        write(sheet, x, 12, title, size=10.5, weight="bold")
        write(sheet, x, 42, below, color=PALE, size=8)
    _prior_circles(sheet, right)
    write(sheet, WIDTH - 14, 580, "dashed: the prior N(0, I)", ha="right", size=8)
    random = np.random.default_rng(4)
    for (ink, mark, name), centre in zip(KINDS, CENTRES):
        points = 1.4 * centre + random.normal(0, 0.27, (22, 2))
        sheet.plot(*_spots(points, left), mark, color=ink, markersize=3.6, label=name, markeredgewidth=0)
        for point in 0.62 * centre + random.normal(0, 0.55, (26, 2)).clip(-0.95, 0.95):
            _cloud(sheet, point, right, ink, mark, SPACE * random.uniform(0.5, 0.8, 2))
    hole = "a latent drawn here lies in a hole:\nthe decoder never saw its like"
    known = "a latent drawn from the prior lies in\nmany clouds: the decoder knows it"
    _draw(sheet, left, (0.0, 0.05), hole, (150, 420))
    _draw(sheet, right, (0.25, -0.95), known, (895, 544))
    sheet.legend(
        loc="lower left", bbox_to_anchor=(0.0, 0.0), frameon=False, fontsize=8, ncols=3, handletextpad=0.1
    )
    sheet.set(xlim=(0, WIDTH), ylim=(620, 0))
    return sheet.figure  # type: ignore[return-value]


def _prior_circles(sheet: Axes, centre: tuple[float, float]) -> None:
    """Circles of one and of two standard deviations of the prior."""
    for radius, words in ((1, "1 σ"), (2, "2 σ")):
        sheet.add_patch(
            Circle(centre, radius * SPACE, fill=False, edgecolor=INK, linestyle="--", linewidth=0.9, zorder=4)
        )
        write(
            sheet,
            centre[0] + 0.73 * radius * SPACE,
            centre[1] - 0.74 * radius * SPACE,
            words,
            ha="left",
            va="bottom",
            size=8,
            zorder=5,
        )


def _cloud(
    sheet: Axes, point: np.ndarray, origin: tuple[float, float], ink: str, mark: str, size: np.ndarray
) -> None:
    """A face's posterior: its mean with an ellipse of `size` (2,) pixels around it."""
    (x,), (y,) = _spots(point[None], origin)
    sheet.add_patch(Ellipse((x, y), *size, facecolor=(ink, 0.10), edgecolor=(ink, 0.5), linewidth=0.5))
    sheet.plot([x], [y], mark, color=ink, markersize=2.6, markeredgewidth=0)


def _draw(
    sheet: Axes, origin: tuple[float, float], at: tuple[float, float], words: str, where: tuple[float, float]
) -> None:
    """A cross at a drawn latent, with words that point to it."""
    (x,), (y,) = _spots(np.array([at]), origin)
    sheet.plot([x], [y], "X", color=INK, markersize=9, markeredgecolor="white", markeredgewidth=0.8, zorder=5)
    write(sheet, *where, words, size=8, zorder=6)
    arrow(sheet, (where[0], where[1] - 6), (x, y + 12))


def _spots(points: np.ndarray, origin: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Points (N, 2) of a latent space as x and y on the page."""
    return origin[0] + SPACE * points[:, 0], origin[1] - SPACE * points[:, 1]
