"""The text of a comparison: which figures stand in its table, in which words, and what must be known to read them.
Measures nothing."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from facespace.evaluation.runs import Facts, unlike
from facespace.report.tables import NONE, aligned, cell, markdown, plain

LOSSES = "Losses of the last epoch, nats per image"


def comparison(facts: Mapping[str, Any]) -> str:
    """The side-by-side table as Markdown: a section for each group of figures, a column for each run, and below it what
    must be known to read it."""
    protocol, runs, notes = facts["protocol"], facts["runs"], remarks(facts)
    gray = "gray" if protocol["channels"] == 1 else "colour"
    size = "×".join(map(str, protocol["size"]))
    lines = [
        f"# {', '.join(run['name'] for run in runs)}",
        "",
        f"{protocol['count']:,} faces of {plain(protocol['set'])} ({protocol['source']}, {size} {gray}, crop {protocol['crop']}), "
        f"split {protocol['split']}, {protocol['chosen']}; seed {protocol['seed']}.",
    ]
    for heading, figures in COMPARISON.items():
        rows = [["", *(run["name"] for run in runs)]]
        rows += [[what, *(show(run) for run in runs)] for what, show in figures.items()]
        lines += ["", f"## {heading}", "", *markdown(rows)]
        lines += [line for note in notes.get(heading, ()) for line in ("", note)]
    return "\n".join(lines)


def remarks(facts: Mapping[str, Any]) -> dict[str, list[str]]:
    """What must be known to read each section of the table, by its heading."""
    runs, count = facts["runs"], facts["protocol"]["count"]
    split = facts["protocol"]["split"]
    seen = [run["name"] for run in runs if run["trained_on"]["same_set"] and split in ("train", "all")]
    strange = [run["name"] for run in runs if not run["trained_on"]["same_set"]]
    untold = [run["name"] for run in runs if run["model"]["conditions"]]
    crops = [run["name"] for run in runs if run["trained_on"]["crop"] != facts["protocol"]["crop"]]
    origins = {run["sampling"]["origin"]: [] for run in runs}
    for run in runs:
        origins[run["sampling"]["origin"]].append(run["name"])
    alike = [{**run["model"], "set": run["trained_on"]["fingerprint"]} for run in runs]
    # E|r| of two independent normal numbers over N faces, for large N.
    chance = math.sqrt(2 / (math.pi * count))
    cautions = [
        (seen, "trained on faces of this split: theirs is no held-out figure"),
        (strange, "trained on another set: whether these faces were in it is not known here"),
        (crops, "learned faces of another crop than these"),
        (untold, "can be told attributes and was told none here"),
    ]
    return {
        LOSSES: [line for line in [unlike(alike)] if line],
        "Reconstruction": [
            "Of the image decoded from the posterior mean, each space at its own size; PSNR is the mean over faces.",
            *(f"{', '.join(who)}: {what}." for who, what in cautions if who),
        ],
        "Sampling": [
            f"{count:,} samples each. Pixel values in [0, 1]; likeness in mean and deviation is needed for "
            "likeness in looks, and far from enough.",
            *(f"{', '.join(who)}: samples from {origin}." for origin, who in origins.items()),
        ],
        "Posterior means": [
            f"Over these faces. Active: variance above {facts['protocol']['active_above']:g}. Independent latents would "
            f"show a mean absolute correlation of about {chance:.3f} over {count:,} faces. In a VAE each latent's posterior "
            "has a variance of its own, so that the means alone vary by less than 1 where they fill N(0, I).",
        ],
    }


def _active(run: Mapping[str, Any]) -> str:
    return f"{run['latents']['active_units']} of {run['model']['latents']}"


def _variance(run: Mapping[str, Any]) -> str:
    low, high = run["latents"]["variance_range"]
    return f"{low:.3g} to {high:.3g}"


def _pixels(what: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda run: f"{run['sampling'][what]:.3f} ({run['sampling'][f'real_{what}']:.3f})"


def _loss(split: str, term: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda run: cell((run["training"][split] or {}).get(term), ",.1f")


Figures = Mapping[str, Callable[[Mapping[str, Any]], str]]
COMPARISON: Mapping[str, Figures] = {
    "Models": {
        "recipe": lambda run: run["recipe"] or NONE,
        "bundle": lambda run: f"{run['bundle']}, step {cell(run['step'], ',')}",
        "trained on": lambda run: (
            f"{run['trained_on']['source'] or NONE}, {cell(run['trained_on']['faces'], ',')} faces"
        ),
        "crop": lambda run: run["trained_on"]["crop"],
        "image": lambda run: run["model"]["image"],
        "parameters": lambda run: f"{run['model']['parameters']:,}",
        "latents": lambda run: f"{run['model']['latents']:,}",
        "hidden widths": lambda run: f"{run['model']['body']} {', '.join(map(str, run['model']['widths']))}",
        "bottleneck": lambda run: run["model"]["bottleneck"],
        "pixels": lambda run: run["model"]["pixels"],
        "objective": lambda run: run["model"]["objective"],
    },
    LOSSES: {
        "epoch": lambda run: cell(run["training"]["epoch"], ","),
        "training loss": _loss("train", "loss"),
        "validation loss": _loss("validation", "loss"),
        "validation reconstruction": _loss("validation", "reconstruction"),
        "validation KL": _loss("validation", "kl"),
    },
    "Reconstruction": {
        "these faces": lambda run: run["reconstruction"]["faces"],
        "MSE in [0, 1]": lambda run: f"{run['reconstruction']['mse']:.5f}",
        "PSNR, dB": lambda run: f"{run['reconstruction']['psnr']:.2f}",
    },
    "Sampling": {
        "latents drawn from": lambda run: run["sampling"]["prior"],
        "mean pixel (real faces)": _pixels("pixel_mean"),
        "deviation of pixels (real)": _pixels("pixel_deviation"),
    },
    "Posterior means": {
        "norm of their mean": lambda run: f"{run['latents']['norm_of_mean']:.3g}",
        "mean variance of a latent": lambda run: f"{run['latents']['variance_mean']:.3g}",
        "lowest and highest": _variance,
        "mean absolute correlation": lambda run: cell(run["latents"]["mean_absolute_correlation"], ".3f"),
        "distance of covariance to I": lambda run: f"{run['latents']['covariance_distance']:.3g}",
        "active units": _active,
        "KL, nats per image": lambda run: cell(run["latents"]["kl"], ",.1f"),
    },
}


def duration(seconds: float | None) -> str:
    """Seconds as a person says them."""
    if seconds is None:
        return NONE
    return (
        f"{seconds:.0f} s"
        if seconds < 600
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.1f} h"
    )


def state(row: Facts) -> str:
    """`finished`, `stopped at step N`, or what is damaged."""
    if row["state"] == "damaged":
        return f"damaged: {row['damage']}"
    if row["state"] == "finished":
        return "finished"
    return f"stopped at step {row['steps']:,}" if row["steps"] else "stopped before an epoch's end"


# Heading, whether flush right, and what stands in the column.
LISTING: tuple[tuple[str, bool, Callable[[Facts], str]], ...] = (
    ("run", False, lambda row: plain(row["name"])),
    ("recipe", False, lambda row: row["recipe"] or NONE),
    ("data", False, lambda row: row["data"] or NONE),
    ("faces", True, lambda row: cell(row["train_faces"], ",")),
    ("parameters", True, lambda row: cell(row["parameters"], ",")),
    ("steps", True, lambda row: cell(row["steps"], ",")),
    ("best loss", True, lambda row: cell(row["best_loss"], ",.1f")),
    ("its MSE", True, lambda row: cell(row["mse"], ".5f")),
    ("last loss", True, lambda row: cell(row["last_loss"], ",.1f")),
    ("time", True, lambda row: duration(row["seconds"])),
    ("images/s", True, lambda row: cell(row["images_per_second"], ",.0f")),
    ("state", False, state),
)


def listing(rows: Sequence[Facts]) -> str:
    """The runs as a table for the terminal, with what must be known to read it below."""
    cells = [[heading for heading, _, _ in LISTING], *([show(row) for _, _, show in LISTING] for row in rows)]
    lines = aligned(cells, [right for _, right, _ in LISTING])
    lines += [
        "",
        "Losses are of validation faces, in nats per image; MSE in [0, 1]; faces are training faces.",
    ]
    return "\n".join([*lines, *filter(None, [unlike(rows)])])
