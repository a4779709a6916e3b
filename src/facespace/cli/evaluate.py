"""Verbs that measure trained spaces: evaluate, analyze, benchmark-edits."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from facespace.cli.app import Done, verb
from facespace.cli.options import (
    ANY_WORKERS,
    Flag,
    Force,
    Prior,
    SetFaces,
    WorkersOptions,
    check_trust,
    words,
)
from facespace.workers.where import Workers

if TYPE_CHECKING:
    from facespace.perception.interface import Features
    from facespace.space.face_space import FaceSpace


@verb("facespace evaluate [SPACE] --data SET --to DIR")
def evaluate(
    space: Path | None = None,
    /,
    *,
    faces: SetFaces,
    to: Path,
    samples: int | None = None,
    features: str = "inception",
    trust: Flag = False,
    lpips: Path | None = None,
    identity: Path | None = None,
    prior: Prior = None,
    temperature: float = 1.0,
    bound: Annotated[int, Parameter(name="--iwae-samples")] = 0,
    seed: int = 0,
    size: int | None = None,
    workers: WorkersOptions = ANY_WORKERS,
    force: Force = False,
) -> Done:
    """Say how good a space is, and why: figures with their protocol, and a page to read.

    Example: facespace evaluate runs/celeba --data sets/celeba --to evaluation

    Parameters
    ----------
    space
        The folder of a run or of one trained model (a bundle); without one the default space.
    to
        The folder to make: metrics.json and report.html, a page with all pictures in it.
    samples
        Number of new faces that are measured. [default: as many as faces]
    features
        The network whose features FID and KID compare: inception (the FID Inception, fetched once),
        inception-bf16 (twice as fast), attributes, a TorchScript file (with --trust), or none.
    trust
        Opens the TorchScript file that --features names, which is a program and runs.
    lpips
        LPIPS weights, else those that FACESPACE_LPIPS names.
    identity
        An ArcFace network in ONNX format, else that of FACESPACE_IDENTITY.
    temperature
        Scale of the latents drawn; 1 is the prior itself.
    bound
        Number of samples of the importance-weighted bound on the log-likelihood; 0 leaves it out.
    seed
        Random seed of samples, noise and intervals.
    size
        Height in which faces are compared, reduced by area, for figures beside those of a smaller space.
        [default: the space's own]
    """
    check_trust(features, trust)
    from facespace.evaluation.evaluate import LAYOUT, brief
    from facespace.evaluation.evaluate import evaluate as measure

    with _in_workers(space, features, workers.where) as (opened, network):
        metrics = measure(
            opened,
            faces.data,
            to,
            split=faces.split,
            count=faces.count,
            samples=samples,
            features=network,
            lpips=lpips,
            identity=identity,
            prior=prior,
            temperature=temperature,
            iwae_samples=bound,
            seed=seed,
            force=force,
            size=size,
        )
    where = f"The page to read is {to / str(LAYOUT.page)}; all figures are in {to / LAYOUT.json}."
    return Done(metrics, f"{brief(metrics)}\n\n{where}")


@contextmanager
def _in_workers(
    space: Path | None, features: str, where: Workers
) -> "Iterator[tuple[FaceSpace | Path | None, Features | str | Path | None]]":
    """The space and the feature network of an evaluation, in workers where these are named."""
    network = None if features == "none" else features
    if not where.named:
        yield space, network
        return
    from facespace.perception.shared_networks import shared_features
    from facespace.space.face_space import load
    from facespace.space.shared_work import on_crew
    from facespace.workers.tasks import Care, crew

    opened = load(space)
    with crew(where, Care(fresh=True)) as workers:
        yield on_crew(opened, workers), network and shared_features(network, workers)


@verb("facespace analyze [SPACE] --data SET --to DIR")
def analyze(
    space: Path | None = None,
    /,
    *,
    faces: SetFaces,
    to: Path,
    attributes: str = "",
    seed: int = 0,
    table: str = "csv",
    force: Force = False,
) -> Done:
    """Look into a space: maps, single latents, traversals, correlations, as one page.

    Example: facespace analyze runs/celeba --data sets/celeba --to inside --attributes Smiling,Male

    Parameters
    ----------
    space
        The folder of a run (its best model) or of one trained model (a bundle); without one the default
        space.
    to
        The folder to make: index.html to open in a browser, the pictures on it, latents.csv, embeddings and
        analysis.json.
    attributes
        The attributes that colour the maps: names with commas between, or all. [default: the twelve with the
        highest AUC]
    seed
        Random seed of the maps and of samples.
    table
        Format of the table of latents: csv, or parquet (needs pyarrow).
    """
    from facespace.evaluation.analyze import analyze as measure

    facts = measure(
        space,
        faces.data,
        to,
        split=faces.split,
        count=faces.limit(2_000),
        attributes=words(attributes),
        seed=seed,
        table_format=table,
        force=force,
    )
    text = facts.pop("text")
    return Done(facts, f"{text}\nOpen {facts['page']} in a browser.")


@verb("facespace benchmark-edits [SPACE] --data SET --to DIR")
def benchmark_edits(
    space: Path | None = None,
    /,
    *,
    faces: SetFaces,
    to: Path,
    attributes: str = "",
    scorer: Annotated[Path | None, Parameter(name="--classifier")] = None,
    identity: Path | None = None,
    lpips: Path | None = None,
    seed: int = 0,
    strengths: str = "",
    force: Force = False,
) -> Done:
    """Measure how often edits of attributes succeed and what else they change, for all methods side by side.

    Example: facespace benchmark-edits runs/celeba --data sets/celeba --to benchmark

    Parameters
    ----------
    space
        The folder of a run or of one trained model (a bundle); without one the default space.
    to
        The folder to make: edit_benchmark.json, report.html, table.md. Directions are fitted to the training
        faces of the set.
    attributes
        Names with commas between. [default: twelve of CelebA's, those that the set and the classifier have]
    scorer
        The attribute classifier that measures the edits: a folder of train-attributes. [default: a second
        bundled one]
    identity
        An ArcFace network in ONNX format (needs onnxruntime), else that of FACESPACE_IDENTITY.
    lpips
        LPIPS weights, else those that FACESPACE_LPIPS names.
    seed
        Random seed of all choices.
    strengths
        Of edits along directions, ascending, with commas between: in standard deviations, or in class gaps
        such as 0.5g,1g,1.5g,2g. [default: 0.5,1,1.5,2,3,4,6]
    """
    from facespace.evaluation.edit_benchmark import benchmark_edits as measure

    facts = measure(
        space,
        faces.data,
        to,
        split=faces.split,
        attributes=words(attributes),
        count=faces.limit(40),
        classifier=scorer,
        identity=identity,
        lpips=lpips,
        seed=seed,
        strengths=words(strengths),
        force=force,
    )
    text = facts.pop("text")
    return Done(facts, f"{text}\n\nThe page to read is {facts['page']}.")
