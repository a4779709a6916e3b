"""From figures to plain words: what is good about a space, what is not, and what to change. The limits are ours, set from
the spaces that docs/evaluation.md measures, and each finding names the figure that it rests on."""

from collections.abc import Mapping
from typing import Any, NamedTuple

GOOD, POOR, NOTE = "good", "poor", "note"


class Finding(NamedTuple):
    """One conclusion."""

    kind: str  # good, poor or note
    text: str
    change: str = ""  # what to do about it


def conclude(metrics: Mapping[str, Any]) -> list[Finding]:
    """What the figures of `metrics` say, the most important first."""
    parts = (_sharpness, _generation, _judge, _copies, _latents, _paths, _overfitting)
    return [finding for part in parts for finding in part(metrics)]


def _sharpness(metrics: Mapping[str, Any]) -> list[Finding]:
    found = metrics["reconstruction"]
    psnr, lpips = found["psnr"], found.get("lpips")
    seen = f"PSNR {psnr:.1f} dB" + (
        f", LPIPS {lpips:.3f}" if lpips is not None else f", SSIM {found.get('ssim', float('nan')):.2f}"
    )
    sharper = (
        "More latents, a deeper or residual body, and a perceptual term in the objective make faces sharper."
    )
    if lpips is not None and lpips <= 0.1:
        return [Finding(GOOD, f"Reconstructions are sharp ({seen}).")]
    if psnr >= 24 and lpips is None:
        return [Finding(GOOD, f"Reconstructions are close to the originals ({seen}).")]
    if psnr < 19 or (lpips or 0) > 0.3:
        return [
            Finding(
                POOR,
                f"Reconstructions are far from the originals ({seen}).",
                f"Train longer first. {sharper}",
            )
        ]
    return [Finding(POOR, f"Faces are recognisable and blurred ({seen}).", sharper)]


def _generation(metrics: Mapping[str, Any]) -> list[Finding]:
    found = metrics.get("generation", {})
    if "fid" not in found:
        return []
    fid, floor, again = found["fid"], found["floor"]["fid"], metrics["reconstruction"].get("fid")
    seen = f"FID {fid:.0f}, where other real faces have {floor:.0f}"
    if fid <= 2 * floor:
        return [Finding(GOOD, f"New faces are nearly as good as real ones to the judge ({seen}).")]
    if again is not None and fid > 1.15 * again + 5:
        change = "Draw from a fitted prior: facespace fit-prior --kind flow. A higher KL weight helps too."
        if (metrics.get("latents") or {}).get("prior_fitted"):
            change = "A prior is fitted already: more training faces, or a higher KL weight in training, leave it less to miss."
        return [
            Finding(
                POOR,
                f"New faces are worse than reconstructions ({seen}; reconstructions {again:.0f}).",
                change,
            )
        ]
    change = (
        "The prior is not at fault: samples are as good as reconstructions. A sharper decoder helps both."
    )
    if again is None:
        change = "Compare with reconstructions to see whether the prior or the decoder is at fault."
    return [Finding(POOR, f"New faces are easily told from real ones ({seen}).", change)]


def _judge(metrics: Mapping[str, Any]) -> list[Finding]:
    return [Finding(NOTE, text) for text in metrics.get("generation", {}).get("warnings", ())]


def _copies(metrics: Mapping[str, Any]) -> list[Finding]:
    found = metrics.get("memorisation")
    if not found:
        return []
    most = max(found["share"], found.get("by_attributes", found)["share"])
    share = f"{most:.1%} of the samples lie nearer to a training face than {found['expected']:.0%} of unseen faces do"
    if most > 3 * found["expected"] + 0.02:
        change = "Look at the nearest neighbours below. More faces, mirroring (data.flip=true) or fewer epochs help."
        return [Finding(POOR, f"Some new faces may be copies: {share}.", change)]
    return [Finding(GOOD, f"New faces are not copies of training faces: {share}.")]


def _latents(metrics: Mapping[str, Any]) -> list[Finding]:
    found = metrics["latents"]
    warnings = [Finding(POOR, f"{one['what']}: {one['why']}", one["change"]) for one in found["warnings"]]
    if warnings:
        return warnings
    text = f"The latent space is healthy: {found['active_units']} of {found['dimensions']} latents are in use"
    if "classifier_auc" in found:
        text += f", and encoded faces and the prior's draws are told apart with an AUC of {found['classifier_auc']:.2f} only"
    return [Finding(GOOD, f"{text}.")]


def _paths(metrics: Mapping[str, Any]) -> list[Finding]:
    found = metrics.get("interpolation")
    if not found:
        return []
    ratio = found["step_ratio"]
    if ratio <= 2:
        return [Finding(GOOD, f"Morphs go at an even pace (largest step {ratio:.1f} times the mean).")]
    return [Finding(NOTE, f"Morphs hurry in places: the largest step is {ratio:.1f} times the mean.")]


def _overfitting(metrics: Mapping[str, Any]) -> list[Finding]:
    found = metrics.get("likelihood", {})
    gap = found.get("train_gap")
    if gap is None or gap < 0.02:
        return []
    text = f"It has begun to learn its training faces by heart: unseen ones cost {gap:.1%} more nats."
    return [Finding(NOTE, text, "Mirroring (data.flip=true), more faces, dropout or early stopping help.")]
