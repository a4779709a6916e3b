"""The page of recipes: what each one is, from facespace.recipes, beside the figures that docs/measured.md has.
A recipe without a measured figure gets a dash."""

import inspect
import re
from collections.abc import Iterator

from facespace.recipes import RECIPES
from facespace.recipes.config import Recipe
from facespace.recipes.model_config import FAMILIES, HIERARCHICAL
from facespace.recipes.parameter_counts import PARAMETERS
from site_pages.repository import ROOT

LOSSES, DEFAULTS = "Losses", "Recipes at their defaults"  # sections of docs/measured.md
# Columns of these sections that the page shows: title here -> (section, place in the row).
FIGURES = {
    "test, nats": (LOSSES, 5),
    "test MSE": (LOSSES, 6),
    "FID at defaults": (DEFAULTS, 9),
}
DASH = "–"

INTRODUCTION = """# Recipes

Generated from `facespace.recipes` and [Measured results](measured.md), which says how each figure was measured: losses on up to
11,000 faces, FID of 600 samples after a training at the recipe's defaults, on as many faces as stand in brackets. Lower is better. A
dash means that the figure was not measured. `facespace recipes NAME` prints all fields of one; `facespace recipes NAME --code` its
model as one file of plain PyTorch. [Training](training.md) explains the settings.
"""


def measured(section: str) -> dict[str, list[list[str]]]:
    """Recipe -> the rows of its name in the first table of a section of docs/measured.md, as texts of cells."""
    text = (ROOT / "docs/measured.md").read_text(encoding="utf-8")
    found = re.search(rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    if found is None:
        raise ValueError(
            f"docs/measured.md has no section {section!r}, of which the page of recipes takes figures."
        )
    rows: dict[str, list[list[str]]] = {}
    for line in found[1].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        name = cells[0].strip("`")
        if line.startswith("| `") and name in RECIPES:
            rows.setdefault(name, []).append(cells)
    return rows


def figures(name: str) -> dict[str, str]:
    """Title of a column -> the measured figure of a recipe, or a dash."""
    shown = {}
    for title, (section, place) in FIGURES.items():
        values = []
        for row in measured(section).get(name, []):
            if row[place]:
                suffix = f" ({row[1]})" if section == DEFAULTS else ""
                values.append(f"{row[place]}{suffix}")
        shown[title] = ", ".join(values) or DASH
    return shown


def page() -> str:
    """The whole page: a table of all recipes, then each one."""
    titles = ["recipe", "model", "pixels", "latents", "parameters", *FIGURES]
    lines = [INTRODUCTION, f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for name, make in RECIPES.items():
        recipe = make()
        cells = [
            f"[`{name}`](#{name})",
            family(recipe),
            pixels(recipe),
            latents(recipe),
            f"{PARAMETERS[name]:,}",
            *figures(name).values(),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    for name, make in RECIPES.items():
        lines += ["", f"## {name}", "", *_description(name, make())]
    return "\n".join(lines) + "\n"


def family(recipe: Recipe) -> str:
    """'VAE, residual', 'hierarchical VAE' …"""
    model = recipe.model
    if model.kind in HIERARCHICAL:
        return "hierarchical VQ autoencoder" if model.kind == "hierarchical_vq" else "hierarchical VAE"
    return f"{FAMILIES[model.bottleneck]}, {model.backbone}"


def pixels(recipe: Recipe) -> str:
    """'64×64, colour'."""
    channels, height, width = recipe.model.image
    return f"{height}×{width}, {'gray' if channels == 1 else 'colour'}"


def latents(recipe: Recipe) -> str:
    """The number of latents, as the recipe's summary states it, or of codes."""
    stated = re.search(r"([\d,]+) latents|(\S+(?: and \S+)?) codes", recipe.summary)
    if stated:
        return stated[1] or f"{stated[2]} codes"
    levels = re.search(r"(\S+ and \S+) codes", recipe.summary)
    return levels[1] if levels else f"{recipe.model.latent_dim:,}"


def _description(name: str, recipe: Recipe) -> Iterator[str]:
    yield inspect.cleandoc(RECIPES[name].__doc__ or "")
    yield ""
    yield "| setting | value |\n|---|---|"
    for title, value in settings(recipe).items():
        yield f"| {title} | {value} |"
    for title, figure in figures(name).items():
        yield f"| {title} | {figure} |"
    yield ""
    yield f"```sh\n{recipe.data.prepare_line(recipe.model.image)}\nfacespace train {name} --data SET --to RUN\n```"


def settings(recipe: Recipe) -> dict[str, str]:
    """What distinguishes recipes, by title: widths, likelihood, loss, length of the training."""
    model, train = recipe.model, recipe.train
    weights = [f"{term} {weight:g}" for term, weight in recipe.objective.weights.items()]
    for term in ("perceptual", "identity", "adversarial", "feature_matching", "moments"):
        weight = getattr(recipe.objective, term)
        if weight:
            weights.append(f"{term.replace('_', ' ')} {weight:g}")
    length = f"{train.steps:,} steps" if train.steps else f"{train.epochs} epochs"
    if train.min_steps:
        length += f", at least {train.min_steps:,} steps"
    return {
        "widths": " → ".join(f"{width:,}" for width in model.widths),
        "likelihood": f"`{model.likelihood}`",
        "weights of the loss": ", ".join(weights) or DASH,
        "length": f"{length}, batches of {train.batch}",
        "optimiser": f"{train.optimizer}, learning rate {train.learning_rate:g}",
    }
