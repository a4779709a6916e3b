"""The evaluation as one page: first what is good, what is not and what to change; then the figures with their protocol,
and the pictures that they stand for. Measures nothing."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from facespace.data.faces import evenly_spaced
from facespace.evaluation.advice import GOOD, POOR, Finding
from facespace.image import grids
from facespace.report.page import Section, page, words

if TYPE_CHECKING:
    from facespace.evaluation.evaluate import Evaluation

METRICS, REPORT = "metrics.json", "report.html"  # what an evaluation leaves
SHOWN, NEIGHBOURS = (
    48,
    16,
)  # samples on the page, and samples with their nearest training face's reconstruction


def html(job: "Evaluation", metrics: Mapping[str, Any], findings: Sequence[Finding]) -> str:
    """The page. Pictures of faces on it are the space's own output; originals stand beside their reconstructions."""
    name = metrics["protocol"]["space"]["recipe"] or job.subject.space.folder.name
    sections = [verdict(metrics, findings), *(make(job, metrics) for make in SECTIONS), protocol(metrics)]
    return page(f"How good is {name}?", [section for section in sections if section])


def verdict(metrics: Mapping[str, Any], findings: Sequence[Finding]) -> Section:
    """The first screen."""
    good = [finding.text for finding in findings if finding.kind == GOOD]
    poor = [finding for finding in findings if finding.kind == POOR]
    other = [finding.text for finding in findings if finding.kind not in (GOOD, POOR)]
    rows = [["What is good", " ".join(good) or "Nothing stands out."]]
    rows += [["What is not", " ".join(finding.text for finding in poor) or "Nothing stands out."]]
    rows += [["What to change", " ".join(finding.change for finding in poor if finding.change) or "Nothing."]]
    rows += [["Worth knowing", " ".join(other)]] if other else []
    told = metrics["protocol"]
    text = (
        f"{told['faces']:,} faces of the split {told['split']} ({told['set']['source']}, crop {told['set']['crop']}), "
        f"{told['samples']:,} samples from {told['prior']}."
    )
    return Section("In short", text, table=[["", ""], *rows])


def reconstruction(job: "Evaluation", metrics: Mapping[str, Any]) -> Section:
    """Figures with their intervals, and faces beside what the space keeps of them."""
    found = metrics["reconstruction"]
    rows = [["figure", "value", "95 % interval", "better"]]
    for name, (label, form, better) in RECONSTRUCTION.items():
        if name in found:
            low, high = found["intervals"].get(name, (None, None))
            span = f"{low:{form}} to {high:{form}}" if low is not None else ""
            rows.append([label, f"{found[name]:{form}}", span, better])
    subject = job.subject
    at = np.linspace(0, len(subject.rows) - 1, 16).astype(int)
    sheet = grids.grid(grids.pairs(subject.originals[at], subject.reconstructions[at]), 8)
    text = "How much of an unseen face survives. Each face is encoded, and its posterior mean decoded again."
    worst = hardest(found)
    text += f" Hardest are faces with {', '.join(worst)}." if worst else ""
    return Section(
        "Reconstruction",
        text,
        [("Rows of unseen faces, and below each what the space keeps of it.", sheet)],
        rows,
    )


def hardest(found: Mapping[str, Any], most: int = 5) -> list[str]:
    """The attributes whose faces are reconstructed worst, where their mean squared error is above that of all by a tenth."""
    share = {
        name: figures["mse"] / found["mse"] for name, figures in (found.get("by_attribute") or {}).items()
    }
    names = sorted((name for name in share if share[name] > 1.1), key=lambda name: -share[name])[:most]
    return [f"{name.replace('_', ' ')} (error × {share[name]:.2f})" for name in names]


RECONSTRUCTION = {
    "psnr": ("PSNR, dB", ".2f", "higher"),
    "mse": ("MSE in [0, 1]", ".5f", "lower"),
    "ssim": ("SSIM", ".3f", "higher"),
    "ms_ssim": ("MS-SSIM", ".3f", "higher"),
    "lpips": ("LPIPS (AlexNet)", ".3f", "lower"),
    "identity": ("identity (ArcFace), cosine", ".3f", "higher"),
    "fid": ("FID of reconstructions", ".1f", "lower"),
    "kid": ("KID of reconstructions", ".4f", "lower"),
}


def generation(job: "Evaluation", metrics: Mapping[str, Any]) -> Section:
    """Figures beside those of other real faces, and samples."""
    found = metrics.get("generation")
    sheet = grids.grid(job.drawn[:SHOWN], 12)
    pictures = [(f"New faces from {metrics['protocol']['prior']}, temperature {job.temperature:g}.", sheet)]
    if not found:
        return Section("New faces", "No judge was at hand, so only the faces themselves are shown.", pictures)
    floor = found["floor"]
    rows = [["figure", "new faces", "other real faces", "better"]]
    rows.append(["FID", f"{found['fid']:.1f}", f"{floor['fid']:.1f}", "lower"])
    rows.append(["KID", f"{found['kid']:.4f} ± {found['kid_sd']:.4f}", f"{floor['kid']:.4f}", "lower"])
    rows.append(["precision (how many look real)", f"{found['precision']:.3f}", "", "higher"])
    rows.append(["recall (how much of the real variety)", f"{found['recall']:.3f}", "", "higher"])
    text = (
        f"Distances between {metrics['protocol']['samples']:,} new faces and as many real ones, in the eyes of "
        f"{metrics['protocol']['features']}. The figure for other real faces ({floor['of']}) is the best that could be reached."
    )
    return Section("New faces", text, pictures, rows)


def copies(job: "Evaluation", metrics: Mapping[str, Any]) -> Section | None:
    """Samples beside the training faces that they are nearest to, as the space draws those."""
    found = metrics.get("memorisation")
    if not found:
        return None
    faces, space = job.subject.faces, job.subject.space
    pictures, shares = [], []
    for what, near in (
        ("light and dark at 16×16 pixels", found),
        ("what the attribute network sees", found["by_attributes"]),
    ):
        nearest = evenly_spaced(faces.rows("train"), near["held_against"])[near["nearest"][:NEIGHBOURS]]
        beside = space.reconstruct(faces.images[np.sort(nearest)])[np.argsort(np.argsort(nearest))]
        caption = f"New faces, and below each the nearest training face (as the space draws it), by {what}."
        pictures.append(
            (caption, grids.grid(grids.pairs(job.drawn[:NEIGHBOURS], beside, NEIGHBOURS), NEIGHBOURS))
        )
        shares.append(f"{near['share']:.1%} by {what}")
    text = f"New faces that lie nearer to a training face than {found['expected']:.0%} of unseen real faces do: {', '.join(shares)}."
    return Section("Copies of training faces", text, pictures)


def latents(job: "Evaluation", metrics: Mapping[str, Any]) -> Section:
    """The state of the latent space."""
    found = metrics["latents"]
    rows = [["figure", "value"], ["latents in use", f"{found['active_units']} of {found['dimensions']}"]]
    rows += [
        [label, f"{found[name]:{form}}"]
        for name, (label, form) in LATENTS.items()
        if found.get(name) is not None
    ]
    text = "Whether encoded faces lie where the prior draws from. A classifier that cannot tell them apart has an AUC of 0.5."
    return Section("The latent space", text, table=rows)


LATENTS = {
    "kl": ("KL, nats per image", ",.1f"),
    "mutual_information": ("mutual information of face and latent, nats (estimate)", ",.1f"),
    "norm_of_mean": ("length of the mean of all posterior means", ".3f"),
    "variance_mean": ("mean variance of a latent's posterior means", ".3f"),
    "mean_absolute_correlation": ("mean absolute correlation of two latents", ".3f"),
    "classifier_auc": ("AUC of a classifier, encoded against drawn latents", ".3f"),
}


def likelihood(job: "Evaluation", metrics: Mapping[str, Any]) -> Section | None:
    """Nats."""
    found = metrics.get("likelihood")
    if not found:
        return None
    whole = "negative evidence lower bound" if "kl" in found else "all terms, each counted once"
    names = {
        "loss": whole,
        "reconstruction": "of it reconstruction",
        "kl": "of it KL",
        "commitment": "of it commitment",
    }
    names |= {"bound": "negative importance-weighted bound", "loss_per_dim": "per dimension (pixel value)"}
    rows = [["nats per image", "value"]]
    rows += [
        [label, f"{found[name]:,.4g}" if name == "loss_per_dim" else f"{found[name]:,.1f}"]
        for name, label in names.items()
        if name in found
    ]
    rows += [["the same on training faces", f"{found['train_loss']:,.1f}"]] if "train_loss" in found else []
    text = (
        f"How well the model predicts unseen faces; pixels are {found['pixels']}. Figures of different pixel "
        "likelihoods (probabilities of gray levels, densities) cannot be compared with each other."
    )
    return Section("Likelihood", text, table=rows)


def paths(job: "Evaluation", metrics: Mapping[str, Any]) -> Section:
    """Morphs."""
    found = metrics["interpolation"]
    subject = job.subject
    keys = subject.pixels(subject.rows[np.linspace(0, len(subject.rows) - 1, 6).astype(int)])
    strips = np.concatenate(
        [
            subject.space.morph(keys[i : i + 1], keys[i + 1 : i + 2], frames=10, pace="uniform")
            for i in (0, 2, 4)
        ]
    )
    text = f"On straight lines between faces the largest step is {found['step_ratio']:.2f} times the mean ({found['distance']})."
    if halfway := found.get("midpoints"):
        text += (
            f" {halfway['count']:,} faces half-way between two unseen ones have a FID of {halfway['fid']:.1f} and a KID of "
            f"{halfway['kid']:.4f}; where that is near the figures of reconstructions, morphs stay among faces."
        )
    return Section("Morphs", text, [("Three morphs between unseen faces.", grids.grid(strips, 10))])


def factors(job: "Evaluation", metrics: Mapping[str, Any]) -> Section | None:
    """Disentanglement, where the factors of the faces are known."""
    found = metrics.get("disentanglement")
    if not found:
        return None
    rows = [
        ["figure", "value"],
        *([name, f"{value:.3f}"] for name, value in found.items() if isinstance(value, float)),
    ]
    text = "Whether single latents stand for single factors of the drawn faces, which are known. 1 is best, 0 none at all."
    return Section("Disentanglement", text, table=rows)


def protocol(metrics: Mapping[str, Any]) -> Section:
    """How all of it was measured, and what was left out."""
    rows = [["", ""], *([name, words(value)] for name, value in metrics["protocol"].items())]
    rows += [["seconds", words(metrics["seconds"])]]
    return Section(
        "How this was measured", " ".join(metrics["left_out"]) or "Nothing was left out.", table=rows
    )


SECTIONS: Sequence[Callable[["Evaluation", Mapping[str, Any]], Section | None]] = (
    reconstruction,
    generation,
    copies,
    latents,
    paths,
    likelihood,
    factors,
)
