"""The text of a comparison: its tables of figures as Markdown, and the cautions that a reader of them needs.
Measures nothing."""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

from facespace.report.comparison_results import ComparisonResults, SpaceResults
from facespace.report.runs import incomparable_losses
from facespace.report.tables import NONE, format_number, markdown, plain
from facespace.report.terms import prior_gloss

LOSSES = "Losses of the last epoch, nats per image"
NATS = (
    "Nats are a unit of information: lower is better, and values below 0 are normal. Loss = reconstruction "
    "+ KL × its weight; KL, the divergence of a face's latent distribution from N(0, I), is the "
    "information in the latent."
)

Show = Callable[[SpaceResults], str]  # the table cell of a space


class Losses(NamedTuple):
    """What the value of a loss depends on (runs.LossContext)."""

    likelihood: str | None
    image: str | None
    objective: str | None
    set_fingerprint: str | None


def comparison_table(results: ComparisonResults) -> str:
    """The side-by-side table as Markdown: a section for each group of figures with a column for each space,
    and below it the cautions."""
    notes = cautions(results)
    names = [run.name for run in results.runs]
    lines = [f"# {', '.join(names)}", "", _faces(results)]
    for heading, figures in COMPARISON.items():
        rows = [["", *names]]
        for figure, show in figures.items():
            rows.append([figure, *map(show, results.runs)])
        lines += ["", f"## {heading}", "", *markdown(rows)]
        for note in notes.get(heading, ()):
            lines += ["", note]
    return "\n".join(lines)


def cautions(results: ComparisonResults) -> dict[str, list[str]]:
    """The cautions below each section of the table, by its heading."""
    caution = incomparable_losses([_losses(run) for run in results.runs])
    return {
        LOSSES: [NATS, caution] if caution else [NATS],
        "Reconstruction": _reconstruction_remarks(results),
        "Sampling": _sampling_remarks(results),
        "Posterior means": [_latent_remark(results)],
    }


def _faces(results: ComparisonResults) -> str:
    protocol = results.protocol
    colour = "gray" if protocol.channels == 1 else "colour"
    size = "×".join(map(str, protocol.size))
    return (
        f"{protocol.count:,} faces of {plain(protocol.set)} ({protocol.source}, {size} {colour}, crop "
        f"{protocol.crop}), split {protocol.split}, {protocol.selection}; seed {protocol.seed}."
    )


def _losses(run: SpaceResults) -> Losses:
    model = run.model
    return Losses(model.likelihood, model.image, model.objective, run.trained_on.fingerprint)


def _reconstruction_remarks(results: ComparisonResults) -> list[str]:
    protocol = results.protocol
    training_faces: list[str] = []
    other_set: list[str] = []
    other_crop: list[str] = []
    conditional: list[str] = []
    for run in results.runs:
        if not run.trained_on.same_set:
            other_set.append(run.name)
        elif protocol.split in ("train", "all"):
            training_faces.append(run.name)
        if run.trained_on.crop != protocol.crop:
            other_crop.append(run.name)
        if run.model.conditions:
            conditional.append(run.name)
    cautions = [
        (training_faces, "trained on faces of this split: not a held-out figure"),
        (other_set, "trained on another set, which may contain these faces"),
        (other_crop, "trained on faces of another crop"),
        (conditional, "conditional on attributes, which are unknown here"),
    ]
    lines = [
        "Of the image decoded from the posterior mean, each space at its own size; PSNR is the mean over "
        "faces."
    ]
    for names, text in cautions:
        if names:
            lines.append(f"{', '.join(names)}: {text}.")
    return lines


def _sampling_remarks(results: ComparisonResults) -> list[str]:
    lines = [
        f"{results.protocol.count:,} samples each. Pixel values in [0, 1]; agreement in mean and deviation "
        "is necessary for realistic samples, but not sufficient."
    ]
    names_by_origin: dict[str, list[str]] = {}
    for run in results.runs:
        names_by_origin.setdefault(run.sampling.origin, []).append(run.name)
    for origin, names in names_by_origin.items():
        gloss = prior_gloss(origin)
        explained = f" ({gloss})" if gloss and "(an" not in origin else ""
        lines.append(f"{', '.join(names)}: samples from {origin}{explained}.")
    return lines


def _latent_remark(results: ComparisonResults) -> str:
    protocol = results.protocol
    # E|r| of two independent normal variables over N faces, for large N.
    chance = math.sqrt(2 / (math.pi * protocol.count))
    return (
        "Posterior mean: the latent that the encoder gives for a face. Active: variance above "
        f"{protocol.active_threshold:g}. Independent latents would show a mean absolute correlation of "
        f"about {chance:.3f} over {protocol.count:,} faces. In a VAE the posterior of each latent has a "
        "variance of its own, so the means alone have a variance below 1 if the aggregate posterior (the "
        "latents of all faces together) is N(0, I)."
    )


def _trained_on(run: SpaceResults) -> str:
    trained_on = run.trained_on
    return f"{trained_on.source or NONE}, {format_number(trained_on.faces, ',')} faces"


def _widths(run: SpaceResults) -> str:
    return f"{run.model.backbone} {', '.join(map(str, run.model.widths))}"


def _active(run: SpaceResults) -> str:
    return f"{run.latents.active_units} of {run.model.latents}"


def _variance(run: SpaceResults) -> str:
    low, high = run.latents.variance_range
    return f"{low:.3g} to {high:.3g}"


def _pixel_mean(run: SpaceResults) -> str:
    return f"{run.sampling.pixel_mean:.3f} ({run.sampling.real_pixel_mean:.3f})"


def _pixel_deviation(run: SpaceResults) -> str:
    return f"{run.sampling.pixel_deviation:.3f} ({run.sampling.real_pixel_deviation:.3f})"


def _train_loss(term: str) -> Show:
    return lambda run: format_number((run.training.train or {}).get(term), ",.1f")


def _validation_loss(term: str) -> Show:
    return lambda run: format_number((run.training.validation or {}).get(term), ",.1f")


COMPARISON: Mapping[str, Mapping[str, Show]] = {
    "Models": {
        "recipe": lambda run: run.recipe or NONE,
        "model, its step": lambda run: f"{run.bundle}, step {format_number(run.step, ',')}",
        "trained on": _trained_on,
        "crop": lambda run: run.trained_on.crop,
        "image": lambda run: run.model.image or NONE,
        "parameters": lambda run: f"{run.model.parameters:,}",
        "latents": lambda run: f"{run.model.latents:,}",
        "hidden widths": _widths,
        "bottleneck": lambda run: run.model.bottleneck,
        "likelihood": lambda run: run.model.likelihood,
        "objective": lambda run: run.model.objective,
    },
    LOSSES: {
        "epoch": lambda run: format_number(run.training.epoch, ","),
        "training loss": _train_loss("loss"),
        "validation loss": _validation_loss("loss"),
        "validation reconstruction": _validation_loss("reconstruction"),
        "validation KL": _validation_loss("kl"),
    },
    "Reconstruction": {
        "these faces": lambda run: run.reconstruction.faces,
        "MSE in [0, 1]": lambda run: f"{run.reconstruction.mse:.5f}",
        "PSNR, dB": lambda run: f"{run.reconstruction.psnr:.2f}",
    },
    "Sampling": {
        "latents drawn from": lambda run: run.sampling.prior,
        "mean pixel (real faces)": _pixel_mean,
        "deviation of pixels (real)": _pixel_deviation,
    },
    "Posterior means": {
        "norm of their mean": lambda run: f"{run.latents.norm_of_mean:.3g}",
        "mean variance of a latent": lambda run: f"{run.latents.variance_mean:.3g}",
        "lowest and highest": _variance,
        "mean absolute correlation": lambda run: format_number(run.latents.mean_absolute_correlation, ".3f"),
        "distance of covariance to I": lambda run: f"{run.latents.covariance_distance:.3g}",
        "active units": _active,
        "KL to N(0, I), nats per image": lambda run: format_number(run.latents.kl, ",.1f"),
    },
}
