"""Arrays in, figures out: loss curves, the structure of latents, maps, walks. Draws with matplotlib's object interface, so
no window system and no global state are touched. Knows nothing of models, sets or runs."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from facespace.core.files import write_beside

# Okabe and Ito's colours, told apart by readers with any colour vision; the dashes help in print.
INK = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
DASHES = ("-", "--", "-.", ":")
DOTS = 144  # an inch of a saved figure

STRONG = 0.3  # correlation from which on a table writes its number

Curve = tuple[Sequence[float], Sequence[float]]  # x, y

# How faces with, without and of unknown attribute are marked: by shape and weight as well as by colour.
MARKS = {
    "yes": {"marker": "^", "color": INK[1], "linewidths": 0, "alpha": 0.85},
    "no": {"marker": "o", "facecolors": "none", "edgecolors": INK[0], "linewidths": 0.6, "alpha": 0.6},
    "unknown": {"marker": ".", "color": "#888888", "linewidths": 0, "alpha": 0.5},
}


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
        above.plot(
            np.arange(1, len(falling) + 1), falling, color=INK[0], linewidth=1.8, marker="o", markersize=2.5
        )
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


def maps(
    places: np.ndarray,
    signs: Mapping[str, np.ndarray],
    notes: Mapping[str, str],
    title: str,
    axes: tuple[str, str],
) -> Figure:
    """Faces at (N, 2) places, one panel for each attribute's signs (N,): +1 yes, −1 no, NaN unknown, with a note under its
    name; a single panel of unmarked faces where there are no attributes. Empty `axes` stand for directions without a
    meaning, which get no numbers."""
    count = max(1, len(signs))
    columns = min(4, count)
    rows = math.ceil(count / columns)
    side = 6.4 if count == 1 else 3.4
    figure = Figure(figsize=(side * columns, (side + 0.25) * rows + 0.9), layout="constrained")
    _head(figure, title)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    size = float(np.clip(9_000 / len(places), 5, 30)) * (2 if count == 1 else 1)
    for panel, (name, sign) in zip(panels, (signs or {"": np.full(len(places), np.nan)}).items()):
        _scatter(panel, places, sign, size)
        panel.set_title(
            "\n".join(filter(None, [name.replace("_", " "), notes.get(name)])), size=10, parse_math=False
        )
        panel.set(xlabel=axes[0], ylabel=axes[1])
        panel.set_aspect("equal", "datalim")
        if not any(axes):
            panel.set(xticks=[], yticks=[])
    for panel in panels[count:]:
        panel.set_axis_off()
    if signs:
        every = np.stack(list(signs.values()))
        there = {"yes": (every > 0).any(), "no": (every < 0).any(), "unknown": (~(np.abs(every) > 0)).any()}
        shown = {name: Line2D([], [], linestyle="", **_handle(name)) for name in MARKS if there[name]}
        figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=3, frameon=False)
    return figure


def _scatter(panel: Axes, places: np.ndarray, sign: np.ndarray, size: float) -> None:
    """Unknown faces at the bottom, the kind with fewest faces on top."""
    kinds = {"yes": sign > 0, "no": sign < 0, "unknown": ~(np.abs(sign) > 0)}
    drawn = sorted(("yes", "no"), key=lambda kind: -kinds[kind].sum())
    for order, kind in enumerate(("unknown", *drawn)):
        x, y = places[kinds[kind]].T
        panel.scatter(x, y, s=size, zorder=2 + order, **MARKS[kind])


def _handle(kind: str) -> dict:
    mark = MARKS[kind]
    return {
        "marker": mark["marker"],
        "markerfacecolor": mark.get("facecolors", mark.get("color")),
        "markeredgecolor": mark.get("edgecolors", mark.get("color")),
    }


def histograms(
    z: np.ndarray, labels: Sequence[str], dead: np.ndarray, title: str, least: float = 0.0
) -> Figure:
    """A small histogram for each column of (N, D), in rows of up to 16, over one x axis for all, which reaches `least` on
    both sides, and each scaled to its own highest bar. The `dead` (D,) ones are crossed out and gray."""
    count = z.shape[1]
    columns = min(16, count, max(8, math.ceil(math.sqrt(count))))
    rows = math.ceil(count / columns)
    low, high = _reach(z, least)
    edges = np.linspace(low, high, 33)
    figure = Figure(figsize=(1.0 + 0.85 * columns, 0.9 + 0.72 * rows), layout="constrained")
    panel = figure.subplots()
    steps = np.repeat(np.linspace(0.06, 0.94, len(edges)), 2)
    shapes: dict[bool, list] = {False: [], True: []}
    for place, label in enumerate(labels):
        row, column = divmod(place, columns)
        bars = np.histogram(z[:, place], edges)[0]
        height = np.concatenate([[0], np.repeat(bars, 2), [0]]) / max(1, bars.max()) * 0.62
        shapes[bool(dead[place])].append(np.stack([column + steps, height - row], 1))
        middle = column + 0.06 + 0.88 * (0 - low) / (high - low)
        panel.plot([middle, middle], [-row, -row + 0.62], color="black", linewidth=0.4, alpha=0.5)
        name = f"{label} ×" if dead[place] else label
        panel.text(
            column + 0.5, -row + 0.66, name, size=7, ha="center", va="bottom", color="black", parse_math=False
        )
    panel.add_collection(PolyCollection(shapes[False], facecolors=INK[0], linewidths=0))
    panel.add_collection(PolyCollection(shapes[True], facecolors="#999999", linewidths=0))
    panel.hlines(-np.arange(rows), 0, columns, color="#999999", linewidth=0.5)
    panel.set(xlim=(0, columns), ylim=(-rows + 0.9, 1.0))
    panel.set_axis_off()
    scale = f"Each from {low:.3g} to {high:.3g}; the thin line is 0; × is a dead latent".replace("-", "−")
    _head(figure, f"{title}\n{scale}")
    return figure


def _head(figure: Figure, title: str) -> None:
    """A title in as many lines as the figure's width asks for."""
    lines = (textwrap.wrap(line, round(12.5 * figure.get_figwidth())) for line in title.split("\n"))
    figure.suptitle("\n".join(part for parts in lines for part in parts), size=10, parse_math=False)


def _reach(z: np.ndarray, least: float) -> tuple[float, float]:
    """A range that holds nearly all numbers, 0, and `least` on both sides."""
    low, high = (float(value) for value in np.percentile(z, (0.1, 99.9)))
    low, high = min(low, -least), max(high, least)
    return (low, high) if high > low else (-1.0, 1.0)


def strips(faces: np.ndarray, rows: Sequence[str], columns: Sequence[str], title: str) -> Figure:
    """Faces uint8 (R, K, H, W, C) as R labelled rows of K labelled columns, each pixel whole."""
    count, across, height, width, channels = faces.shape
    scale = max(1, math.ceil(80 / min(height, width)))
    high, wide, gap = height * scale, width * scale, 4
    sheet = np.full((count * (high + gap), across * (wide + gap), channels), 255, np.uint8)
    for row, strip in enumerate(faces):
        for column, face in enumerate(strip):
            top, left = row * (high + gap), column * (wide + gap)
            sheet[top : top + high, left : left + wide] = face.repeat(scale, 0).repeat(scale, 1)
    words, above = 0.09 * max(len(line) for label in rows for line in label.split("\n")), 0.75  # inches
    inner = (sheet.shape[1] / DOTS, sheet.shape[0] / DOTS)
    figure = Figure(figsize=(words + inner[0] + 0.1, above + inner[1] + 0.1))
    size = figure.get_size_inches()
    panel = figure.add_axes((words / size[0], 0.1 / size[1], inner[0] / size[0], inner[1] / size[1]))
    picture = sheet[..., 0] if channels == 1 else sheet
    panel.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest", aspect="auto")
    panel.xaxis.tick_top()
    panel.set_xticks([(wide - 1) / 2 + place * (wide + gap) for place in range(across)], columns, size=9)
    panel.set_yticks(
        [(high - 1) / 2 + place * (high + gap) for place in range(count)], rows, size=9, parse_math=False
    )
    panel.tick_params(length=0)
    panel.spines[:].set_visible(False)
    head = "\n".join(textwrap.wrap(title, round(11 * size[0])))
    figure.text(0.1 / size[0], 1 - 0.1 / size[1], head, va="top", size=10, parse_math=False)
    return figure


def tables(
    panels: Sequence[tuple[str, np.ndarray, Sequence[str]]],
    columns: Sequence[str],
    what: str = "correlation",
    strong: float = STRONG,
) -> Figure:
    """Numbers in [−1, 1] below each other over the same Q `columns`: (title, (P, Q), P row names) each. Blue is negative,
    red positive, gray is NaN; those from ±`strong` on have their number in the cell, for readers without the colours."""
    heights = [table.shape[0] for _, table, _ in panels]
    longest = max(len(name) for _, _, names in panels for name in (*names, *columns))
    width = max(4.5, 0.26 * len(columns)) + 0.085 * longest + 1.4
    figure = Figure(
        figsize=(width, 0.26 * sum(heights) + 0.085 * longest + 0.7 * len(panels)), layout="constrained"
    )
    places = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
    shades = matplotlib.colormaps["RdBu_r"].with_extremes(bad="#dddddd")
    for panel, (title, table, rows) in zip(places, panels):
        panel.imshow(table, cmap=shades, vmin=-1, vmax=1, aspect="auto")
        panel.set_yticks(range(len(rows)), rows, size=8, parse_math=False)
        panel.set_xticks(range(len(columns)), ["" for _ in columns])
        panel.set_title("\n".join(textwrap.wrap(title, 14 + 8 * int(width))), size=10, parse_math=False)
        for row, column in np.argwhere(np.abs(np.nan_to_num(table)) >= strong):
            value = table[row, column]
            ink = "white" if abs(value) > 0.6 else "black"
            panel.text(
                column,
                row,
                f"{100 * value:.0f}".replace("-", "−"),
                size=6.5,
                ha="center",
                va="center",
                color=ink,
            )
    places[-1].set_xticks(range(len(columns)), columns, rotation=90, size=8, parse_math=False)
    bar = figure.colorbar(places[0].images[0], ax=list(places), shrink=0.5, aspect=30)
    bar.set_label(f"{what}; in the cells in hundredths, from ±{strong:g}")
    return figure


def against_prior(
    latents: Mapping[str, tuple[np.ndarray, np.ndarray, float, float]],
    norms: tuple[np.ndarray, int],
    deviations: tuple[np.ndarray, np.ndarray],
    title: str,
) -> Figure:
    """Where encoded faces lie against where a Gaussian prior draws: for each named latent (samples, posterior means, the
    prior's mean and its deviation); the `norms` (N,) of whitened samples against chi with so many degrees of freedom;
    each latent's mean and deviation (D,) in the prior's deviations."""
    count = math.ceil(len(latents) / 2)
    figure = Figure(figsize=(2.6 * (count + 1.5), 6.2), layout="constrained")
    _head(figure, title)
    places = figure.subplots(2, count + 1, squeeze=False, width_ratios=[*(1.0 for _ in range(count)), 1.5])
    for panel in places[:, :count].ravel():
        panel.set_axis_off()
    for panel, (name, (samples, means, center, deviation)) in zip(places[:, :count].ravel(), latents.items()):
        panel.set_axis_on()
        reach = center + deviation * np.linspace(-4, 4, 200)
        low, high = min(reach[0], float(samples.min())), max(reach[-1], float(samples.max()))
        edges = np.linspace(low, high, 41)
        panel.hist(samples, edges, density=True, color=INK[4], alpha=0.75)
        if np.ptp(means) > 0 and not np.array_equal(means, samples):
            panel.hist(
                means, edges, density=True, histtype="step", color=INK[1], linestyle="--", linewidth=1.2
            )
        bell = np.exp(-0.5 * ((reach - center) / deviation) ** 2) / (deviation * math.sqrt(2 * math.pi))
        panel.plot(reach, bell, color="black", linewidth=1.4)
        highest = float(np.histogram(samples, edges, density=True)[0].max())
        panel.set_ylim(0, min(max(1.3 * float(bell.max()), 1.1 * highest), 4 * float(bell.max())))
        panel.set_title(name, size=9, parse_math=False)
        panel.set(yticks=[])
        panel.spines[["top", "right", "left"]].set_visible(False)
    _norms(places[0, -1], *norms)
    _moments(places[1, -1], *deviations)
    return figure


def _norms(panel: Axes, norms: np.ndarray, freedom: int) -> None:
    """The lengths of latents against chi's density, whose middle is near √D."""
    typical = math.sqrt(freedom)
    x = np.linspace(max(0.01, typical - 4), max(typical + 4, float(np.percentile(norms, 99.5))), 400)
    density = np.exp(
        (freedom - 1) * np.log(x) - x**2 / 2 - (freedom / 2 - 1) * math.log(2) - math.lgamma(freedom / 2)
    )
    edges = np.linspace(min(x[0], float(norms.min())), x[-1], 41)
    panel.hist(norms, edges, density=True, color=INK[4], alpha=0.75)
    panel.plot(x, density, color="black", linewidth=1.4)
    panel.set_title(f"length, against chi with {freedom} degrees of freedom", size=9)
    panel.set(xlabel="length in the prior's deviations", yticks=[])
    panel.spines[["top", "right", "left"]].set_visible(False)


def _moments(panel: Axes, mean: np.ndarray, deviation: np.ndarray) -> None:
    """Each latent's mean and deviation; a prior that fits has them at 0 and 1."""
    order = np.argsort(-deviation)
    x = np.arange(1, len(order) + 1)
    for y, name, mark, ink in ((deviation, "deviation", "^", INK[1]), (mean, "mean", "o", INK[0])):
        face = "none" if mark == "o" else ink
        panel.scatter(
            x, y[order], s=14, marker=mark, facecolors=face, edgecolors=ink, linewidths=0.7, label=name
        )
    for level in (0, 1):
        panel.axhline(level, color="black", linewidth=0.8, linestyle="--")
    panel.set_title("each latent, in the prior's deviations", size=9)
    panel.set(xlabel="latent, by deviation")
    panel.legend(frameon=False, fontsize=8)
    panel.spines[["top", "right"]].set_visible(False)


def save(figure: Figure, path: Path) -> None:
    """Saves a figure by the file's ending at 144 dots an inch."""
    with write_beside(path) as beside:
        figure.savefig(beside, dpi=DOTS)
