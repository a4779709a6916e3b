"""The public `evaluate` and `compare`: metrics of one or more spaces as a table with its protocol. Every
figure is measured by the parts of `facespace evaluate`; the table itself is report/metric_table.py."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facespace.core.aliases import current_argument
from facespace.core.cards import Card
from facespace.core.errors import UsageError, check_seed
from facespace.data.faces import FaceSet
from facespace.evaluation import compare as comparison
from facespace.evaluation import evaluate as evaluation_of
from facespace.evaluation.compare import LAYOUT, TABLE
from facespace.evaluation.session import Evaluation, EvaluationSession
from facespace.evaluation.space_figures import fitting, identify
from facespace.perception.arcface import ENVIRONMENT_VARIABLE as IDENTITY_VARIABLE
from facespace.perception.arcface import open_arcface
from facespace.perception.inception import Features, FeaturesError, open_features
from facespace.perception.lpips import Distance, open_lpips
from facespace.report.metric_table import MetricTable, metric_table
from facespace.report.metrics import METRICS, choose_metrics
from facespace.report.report import Report
from facespace.report.results import as_document
from facespace.report.run_files import at
from facespace.space.face_space import FaceSpace, load

CSV, LATEX = "table.csv", "table.tex"
COUNT = 1_000  # faces of a comparison
COMPARED = ("mse", "psnr", "kl")  # the metrics that a comparison without `metrics` measures

Space = FaceSpace | Path | str


@dataclass(frozen=True)
class Settings:
    """What the measurements of all spaces of a table share."""

    split: str
    count: int | None
    samples: int | None
    prior: str | None
    temperature: float
    seed: int
    identity: Path | str | None
    features: Features | None
    lpips: Distance | None


def evaluate(
    space: Space | None,
    data: FaceSet | Path | str,
    to: Path | str | None = None,
    *,
    metrics: Sequence[str] | None = None,
    split: str = "test",
    count: int | None = None,
    samples: int | None = None,
    features: str | Path | None = "inception",
    lpips: Path | str | None = None,
    identity: Path | str | None = None,
    prior: str | None = None,
    temperature: float = 1.0,
    iwae_samples: int = 0,
    seed: int = 0,
    force: bool = False,
) -> MetricTable:
    """Metrics of one space on at most `count` faces of a split (all by default), as a table of one row.

    With `metrics`, names such as fid, kid, ssim or nats, those alone are measured, and `to` gets the files of
    `compare`. Without, all parts of an evaluation are: `to` gets metrics.json and report.html, and the
    table's `document` is the content of metrics.json. `space` None is the default space. The other arguments
    are those of `facespace evaluate`; `iwae_samples` needs an evaluation of all parts.

    Raises UsageError for an unknown metric, another crop than the space's, numbers out of range or a folder
    with other files; FeaturesError for a metric whose network is missing; BundleError; FaceSetError."""
    opened = load(space) if space is None else comparison.opened(space)
    shared: dict[str, Any] = {
        **{"split": split, "count": count, "samples": samples, "features": features, "lpips": lpips},
        **{"identity": identity, "prior": prior, "temperature": temperature, "seed": seed, "force": force},
    }
    if metrics is not None:
        path = opened.folder if space is None else comparison.path_of(space)
        return _measure_table([opened], [path], data, to, metrics, any_crop=False, **shared)
    faces = _face_set(data)
    document = evaluation_of.evaluate(opened, faces, to, iwae_samples=iwae_samples, **shared)
    name = comparison.unique_names([opened.folder])[0]
    run = {**_facts(name, opened, faces), **document, **_origin(document["protocol"])}
    names = [name for name, metric in METRICS.items() if at(document, *metric.value) is not None]
    return metric_table([run], names, _protocol(document["protocol"]), document)


def compare(
    spaces: Sequence[Space],
    data: FaceSet | Path | str,
    to: Path | str | None = None,
    *,
    metrics: Sequence[str] | None = None,
    split: str = "test",
    count: int | None = COUNT,
    seed: int = 0,
    features: str | Path | None = "inception",
    lpips: Path | str | None = None,
    identity: Path | str | None = None,
    prior: str | None = None,
    temperature: float = 1.0,
    force: bool = False,
) -> MetricTable:
    """Metrics of two or more spaces on the same faces, at most `count` of a split, as a table with a row for
    each space and, for FID and KID, one for real faces.

    With `metrics`, names such as fid, kid, ssim or nats, each is measured as `evaluate` measures it, with as
    many samples as faces from the prior with the highest held-out likelihood or the one named by `prior`, and
    `to` gets table.md, table.csv, table.tex and compare.json. Without, losses, latents and pictures are
    compared (`facespace compare`), and the columns are MSE, PSNR and KL.

    Raises what `evaluate` does, and UsageError for fewer than two spaces or the same one twice. Faces of
    another crop are measured; a footnote says so."""
    if metrics is None:
        facts = comparison.compare(spaces, data, to, split=split, count=count, seed=seed, force=force)
        protocol = {**facts["protocol"], "samples": facts["protocol"]["count"]}
        return metric_table(facts["runs"], COMPARED, protocol, facts)
    return _measure_table(
        comparison.open_all(spaces),  # refuses bad spaces before the networks are opened
        list(map(comparison.path_of, spaces)),
        data,
        to,
        metrics,
        any_crop=True,
        split=split,
        count=count,
        samples=None,
        features=features,
        lpips=lpips,
        identity=identity,
        prior=prior,
        temperature=temperature,
        seed=seed,
        force=force,
    )


def _measure_table(
    spaces: Sequence[FaceSpace],
    paths: Sequence[Path],
    data: FaceSet | Path | str,
    to: Path | str | None,
    metrics: Sequence[str],
    *,
    any_crop: bool,
    force: bool,
    seed: int,
    features: str | Path | None,
    lpips: Path | str | None,
    **others: Any,
) -> MetricTable:
    """The table of some metrics of spaces, which were named by `paths`, written into the folder `to` where
    one is named."""
    chosen = choose_metrics(metrics)
    if to is not None:
        LAYOUT.check(to, force)
    check_seed(seed)
    needs = {METRICS[name].needs: name for name in reversed(chosen)}
    settings = Settings(
        seed=seed,
        features=_open_features(needs.get("features"), features),
        lpips=_open_lpips(needs.get("lpips"), lpips),
        **others,
    )
    faces, names = _face_set(data), comparison.unique_names(paths)
    sessions = [EvaluationSession(space, faces, settings.split, settings.count, any_crop) for space in spaces]
    # All checks before any work.
    evaluations = [_evaluation(session, chosen, settings) for session in sessions]
    runs, protocol = [], {}
    for name, path, evaluation in zip(names, paths, evaluations):
        measured = _measured(evaluation, chosen)
        runs.append({**_facts(name, evaluation.session.space, faces, path), **measured})
        protocol = _protocol(measured["protocol"])
    table = metric_table(runs, chosen, protocol)
    if to is not None:
        _write(table, to, force)
    return table


def _evaluation(session: EvaluationSession, metrics: Sequence[str], settings: Settings) -> Evaluation:
    """The evaluation of a space that measures these metrics alone. Raises UsageError where it cannot."""
    space, samples = session.space, settings.samples
    kind: str = current_argument("prior", settings.prior) or space.default_prior
    space.prior(kind)  # raises if it is missing
    evaluation = Evaluation(
        session,
        evaluation_of.sample_count(session, samples),
        settings.lpips,
        open_arcface(space.template, settings.identity) if "identity" in metrics else None,
        kind,
        settings.temperature,
        0,
        settings.seed,
        settings.features,
        secondary_distances=bool({"rfid", "rkid"} & set(metrics)),
    )
    if "identity" in metrics and evaluation.identity is None:
        raise UsageError(
            "The metric identity needs an ArcFace network in ONNX format, which is not part of the "
            f"package. Name one with --identity or {IDENTITY_VARIABLE}, or leave the metric out."
        )
    return evaluation


def _measured(evaluation: Evaluation, metrics: Sequence[str]) -> Card:
    """The parts of an evaluation that these metrics need, as its JSON has them."""
    parts = {METRICS[name].part for name in metrics}
    evaluation_of.measure_parts(evaluation, [name for name in evaluation_of.PARTS if name in parts])
    protocol = as_document(evaluation_of.describe(evaluation))
    found = as_document({**evaluation.results, "left_out": evaluation.left_out})
    return {"protocol": protocol, **found, **_origin(protocol)}


def _facts(name: str, space: FaceSpace, faces: FaceSet, path: Path | None = None) -> Card:
    """What a space is, as compare.json has it."""
    facts = as_document(identify(name, path or space.folder, space, faces))
    return {**facts, "fitted": fitting(space, faces)}


def _origin(protocol: Card) -> Card:
    """Where the samples of a space come from, and which weights it has."""
    return {"samples_from": protocol["prior"], "weights": protocol["space"]["weights"]}


def _protocol(evaluated: Card) -> Card:
    """The protocol of a table: what the protocols of all its evaluations share."""
    found = evaluated["set"]
    return {
        "set": found["folder"],
        "set_fingerprint": found["fingerprint"],
        "source": found["source"],
        "size": found["size"],
        "channels": found["channels"],
        "crop": found["crop"],
        "split": evaluated["split"],
        "count": evaluated["faces"],
        "selection": evaluated["selection"],
        "samples": evaluated["samples"],
        "seed": evaluated["seed"],
        "temperature": evaluated["temperature"],
        "features": evaluated["features"],
        "facespace": evaluated["facespace"],
    }


def _face_set(data: FaceSet | Path | str) -> FaceSet:
    return data if isinstance(data, FaceSet) else FaceSet(data)


def _open_features(metric: str | None, name: str | Path | None) -> Features | None:
    """The feature network, if a metric needs it. Raises FeaturesError where it is not here."""
    if metric is None:
        return None
    label = METRICS[metric].label
    if name is None:
        raise UsageError(f"{label} needs a feature network. Name one with --features, or leave {metric} out.")
    try:
        return open_features(name)
    except FeaturesError as error:
        raise FeaturesError(
            f"{label} needs a feature network. {error} Or compare the features of the bundled attribute "
            "classifier, which the table names: --features attributes"
        ) from error


def _open_lpips(metric: str | None, name: Path | str | None) -> Distance | None:
    """The LPIPS network, if a metric needs it. Raises FeaturesError where it is not here."""
    if metric is None:
        return None
    try:
        return open_lpips(name)
    except FeaturesError as error:
        raise FeaturesError(f"{error} The option is --lpips. Or leave the metric lpips out.") from error


def _write(table: MetricTable, to: Path | str, force: bool) -> None:
    """The tables and compare.json."""
    tables = {TABLE: table.to_markdown() + "\n", CSV: table.to_csv(), LATEX: table.to_latex()}
    document = dict(table.document)
    protocol = document.pop("protocol")
    Report(LAYOUT, title="", protocol=protocol, results=document, tables=tables).write(to, force)
