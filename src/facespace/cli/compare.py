"""The verb that measures trained spaces side by side: compare."""

from collections.abc import Sequence
from pathlib import Path

from facespace.cli.app import Done, verb
from facespace.cli.options import Flag, Force, Prior, SetFaces, check_trust, words
from facespace.core.errors import UsageError


@verb("facespace compare RUN RUN ... --data SET [--metrics fid,kid,ssim] [--to DIR]")
def compare(
    *spaces: Path,
    faces: SetFaces,
    to: Path | None = None,
    metrics: str | None = None,
    features: str = "inception",
    trust: Flag = False,
    lpips: Path | None = None,
    identity: Path | None = None,
    prior: Prior = None,
    temperature: float = 1.0,
    seed: int = 0,
    force: Force = False,
) -> Done:
    """Measure trained spaces side by side on the same faces: a table, figures and pictures, or with --metrics
    one table for a paper.

    Example: facespace compare runs/ae runs/vae --data sets/celeba --to comparison

    Example: facespace compare runs/ae runs/vae --data sets/celeba --metrics fid,kid,ssim --to tables

    Parameters
    ----------
    spaces
        Two or more folders of runs (their best models) or of trained models (bundles). Faces are resized for
        each.
    to
        The folder to make: table.md, compare.json, reconstructions.png, samples.png, latents.png; with
        --metrics table.md, table.csv, table.tex (booktabs) and compare.json. [default: print the table only]
    metrics
        Names with commas between: fid, kid, precision and recall of samples; rfid, rkid (FID and KID), mse,
        psnr, ssim, ms-ssim, lpips and identity of reconstructions; nats, nats-per-dim, kl, c2st, copies. All
        are measured as facespace evaluate measures them.
    features
        With --metrics, the network of FID, KID, precision and recall: inception (the FID Inception, fetched
        once), inception-bf16, attributes (the bundled attribute classifier), or a TorchScript file (--trust).
    trust
        Opens the TorchScript file that --features names, which is a program and runs.
    lpips
        LPIPS weights for the metric lpips, else those that FACESPACE_LPIPS names.
    identity
        An ArcFace network in ONNX format for the metric identity, else that of FACESPACE_IDENTITY.
    temperature
        With --metrics, scale of the latents drawn; 1 is the prior itself.
    seed
        Random seed of the samples.
    """
    check_trust(features, trust)
    if metrics is None:
        only_with_metrics(features, lpips, identity, temperature)
        return _comparison(spaces, faces, to, seed, prior, force)
    from facespace.evaluation.metric_tables import compare as measure

    table = measure(
        spaces,
        faces.data,
        to,
        metrics=words(metrics),
        split=faces.split,
        count=faces.limit(1_000),
        seed=seed,
        features=features,
        lpips=lpips,
        identity=identity,
        prior=prior,
        temperature=temperature,
        force=force,
    )
    where = f"\n\nThe table as Markdown, CSV and LaTeX is in {to}." if to else ""
    return Done({**table.document, "to": to}, f"{table.to_markdown()}{where}")


def _comparison(
    spaces: Sequence[Path], faces: SetFaces, to: Path | None, seed: int, prior: str | None, force: bool
) -> Done:
    from facespace.evaluation.compare import compare as measure

    count = faces.limit(1_000)
    facts = measure(
        spaces, faces.data, to, split=faces.split, count=count, seed=seed, prior=prior, force=force
    )
    text = facts.pop("text")
    where = f"\n\nTable, figures and pictures are in {to}." if to else ""
    return Done(facts, f"{text}{where}")


def only_with_metrics(features: str, lpips: Path | None, identity: Path | None, temperature: float) -> None:
    """Raises UsageError for an option of `compare` that means nothing without --metrics."""
    given = {
        "--features": features != "inception",
        "--lpips": lpips is not None,
        "--identity": identity is not None,
        "--temperature": temperature != 1.0,
    }
    for option, used in given.items():
        if used:
            raise UsageError(f"{option} is for --metrics. Add, for example, --metrics fid,kid,ssim.")
