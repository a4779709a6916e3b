"""Arrays in, figures out: loss curves, the structure of latents. Draws with matplotlib's object interface, so no window
system and no global state are touched. Knows nothing of models, sets or runs."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from facespace.files import write_beside

# Okabe and Ito's colours, told apart by readers with any colour vision; the dashes help in print.
INK = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
DASHES = ("-", "--", "-.", ":")

Curve = tuple[Sequence[float], Sequence[float]]  # x, y


def curves(panels: Mapping[str, Mapping[str, Curve]], across: str, width: float = 4.2) -> Figure:
    """One panel a title, each with named (x, y) curves over a shared kind of x axis `across`."""
    figure = Figure(figsize=(width * len(panels), 3.2), layout="constrained")
    for place, (title, lines) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items()):
        for index, (name, (x, y)) in enumerate(lines.items()):
            mark = "o" if len(x) < 3 else None
            place.plot(x, y, DASHES[index % 4], color=INK[index % 6], label=name, linewidth=1.8, marker=mark)
        place.set(title=title, xlabel=across)
        place.grid(alpha=0.25)
        place.spines[["top", "right"]].set_visible(False)
        place.legend(frameon=False)
    return figure


def latents(spaces: Mapping[str, tuple[np.ndarray, np.ndarray]], threshold: float) -> Figure:
    """A column for each named space of (D,) variances and a (D, D) covariance: the variances in falling order, over a
    line at `threshold`, and below them how strongly the latents hang together, in the same order."""
    figure = Figure(figsize=(0.6 + 3.5 * len(spaces), 7.0), layout="constrained")
    places = figure.subplots(2, len(spaces), squeeze=False)
    tables = [_correlations(covariance, np.argsort(-variance)) for variance, covariance in spaces.values()]
    darkest = max(0.1, *(float(np.nanmax(table, initial=0.0)) for table in tables))
    shades = matplotlib.colormaps["Greys"].with_extremes(bad="white")
    for column, (name, (variance, _)) in enumerate(spaces.items()):
        above, below = places[:, column]
        falling = np.sort(variance)[::-1].clip(min=1e-6)  # a logarithmic axis has no zero
        above.plot(np.arange(1, len(falling) + 1), falling, color=INK[0], linewidth=1.8, marker="o", markersize=2.5)
        above.axhline(threshold, color="black", linestyle="--", linewidth=1)
        inside = above.get_yaxis_transform()  # x as a share of the panel, y in data
        above.text(0.02, threshold, f"active above {threshold:g}", transform=inside, va="bottom", size=9)
        above.set_title("\n".join(textwrap.wrap(name, 30)), parse_math=False)
        above.set(yscale="log", xlabel="latent, by variance")
        above.grid(alpha=0.25)
        above.spines[["top", "right"]].set_visible(False)
        edges = (0.5, len(falling) + 0.5, len(falling) + 0.5, 0.5)
        below.imshow(tables[column], cmap=shades, vmin=0, vmax=darkest, extent=edges, interpolation="nearest")
        below.set(xlabel="latent, by variance")
    top = max(float(variance.max()) for variance, _ in spaces.values())
    low = min(float(variance.min()) for variance, _ in spaces.values())
    for place in places[0]:
        place.set_ylim(min(max(low, 1e-6), threshold) / 2, max(top, threshold) * 2)
    places[0, 0].set_ylabel("variance of the posterior mean")
    places[1, 0].set_ylabel("latent, by variance")
    figure.colorbar(places[1, 0].images[0], ax=list(places[1]), label="|correlation| (diagonal left white)")
    return figure


def _correlations(covariance: np.ndarray, order: np.ndarray) -> np.ndarray:
    """(D, D) absolute correlations in that order; NaN on the diagonal and where a latent never varies."""
    deviation = np.sqrt(np.diag(covariance))
    product = np.outer(deviation, deviation)
    table = np.full(covariance.shape, np.nan)
    np.divide(np.abs(covariance), product, out=table, where=product > 0)
    np.fill_diagonal(table, np.nan)
    return table[np.ix_(order, order)]


def save(figure: Figure, path: Path) -> None:
    """Saves a figure by the file's ending at 144 dots an inch."""
    with write_beside(path) as beside:
        figure.savefig(beside, dpi=144)
