"""The lines below a table of metrics: the protocol, what each metric is, and footnotes where rows of the
table are unequal: steps, training sets, crops, sizes, priors, weights, feature networks. Measures nothing."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

from facespace.core.cards import Card
from facespace.report.metrics import INCEPTION, METRICS, network_label
from facespace.report.run_files import at, text_at
from facespace.report.tables import format_number, plain
from facespace.report.terms import prior_gloss

if TYPE_CHECKING:
    from facespace.report.metric_table import Column

SIGNS = "abcdefghijklmnopqrstuvwxyz"
SAMPLED = ("generation", "memorisation", "latents")  # parts that draw samples from the prior
IMAGENET = {
    "vgg16": "VGG-16",
    "efficientnet": "EfficientNet",
}  # networks trained on ImageNet, as Inception is

Fact = Callable[[Card], Any]  # a fact of a space, as text or None


class Mark(NamedTuple):
    """A footnote: its sign, its text, and the names of the rows that carry the sign."""

    sign: str
    text: str
    names: Sequence[str]


def footnotes(runs: Sequence[Card], metrics: Sequence[str], protocol: Card) -> list[Mark]:
    """What a reader must know before comparing the rows, in order of importance."""
    found = [
        *_differences(runs, metrics),
        *_grouped(runs, partial(_cautions, protocol=protocol)),
        *_grouped(runs, partial(_left_out, metrics=metrics)),
    ]
    marks = []
    for sign, (text, names) in zip(SIGNS, found):
        marks.append(Mark(sign, text, names))
    return marks


def _differences(runs: Sequence[Card], metrics: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """A sentence for each fact in which the spaces differ, and the rows that differ from most others."""
    for heading, fact in _facts(metrics).items():
        values = {run["name"]: fact(run) for run in runs}
        if len(set(values.values())) < 2:
            continue
        listed = []
        for name, value in values.items():
            listed.append(f"{plain(name)} {value or 'unknown'}")
        yield f"{heading} differ: {'; '.join(listed)}.", _unusual(values)


def _unusual(values: Mapping[str, object]) -> list[str]:
    """The names whose value is not the one that most have; all names if no value has a majority."""
    (common, count), *_ = Counter(values.values()).most_common(1)
    if 2 * count <= len(values):
        return list(values)
    return list(filter(lambda name: values[name] != common, values))


def _facts(metrics: Sequence[str]) -> dict[str, Fact]:
    """The facts that must agree for a fair comparison of these metrics."""
    facts: dict[str, Fact] = {
        "Image sizes": lambda run: at(run, "model", "image"),
        "Training steps": _steps,
        "Training sets": _training_set,
        "Training crops": lambda run: text_at(run, "trained_on", "crop"),
    }
    if _sampled(metrics):
        facts["Sources of the samples"] = prior_text
    if any(METRICS[name].of_likelihood for name in metrics):
        facts["Pixel likelihoods (their nats cannot be compared)"] = lambda run: at(
            run, "model", "likelihood"
        )
    facts["Feature networks"] = lambda run: text_at(run, "generation", "protocol", "features")
    return facts


def _sampled(metrics: Iterable[str]) -> bool:
    """Whether one of the metrics is of samples."""
    return any(METRICS[name].part in SAMPLED for name in metrics)


def _steps(run: Card) -> str | None:
    step = run.get("step")
    if step is None:
        return None
    if run.get("started_from"):
        return f"{step:,} after those of the space that it started from"
    return f"{step:,}"


def _training_set(run: Card) -> str | None:
    """Source, faces and the start of the fingerprint, so that two sets of one source differ."""
    trained = run.get("trained_on") or {}
    if not trained.get("fingerprint"):
        return None
    faces = format_number(trained.get("faces"), ",")
    return f"{trained.get('source')}, {faces} faces ({trained['fingerprint'][:8]})"


def prior_text(run: Card) -> str | None:
    """Where the samples of a space come from."""
    return text_at(run, "samples_from")


def _grouped(
    runs: Sequence[Card], sentences: Callable[[Card], Iterator[str]]
) -> Iterator[tuple[str, list[str]]]:
    """Each sentence about a space once, with the names of the spaces that it is about."""
    names: dict[str, list[str]] = {}
    for run in runs:
        for text in sentences(run):
            names.setdefault(text, []).append(run["name"])
    yield from names.items()


def _cautions(run: Card, protocol: Card) -> Iterator[str]:
    """A sentence for each reason why a row may be too good or too bad."""
    trained, crop = run.get("trained_on") or {}, protocol.get("crop")
    if not trained.get("same_set"):
        yield "Trained on another set, which may contain these faces."
    elif protocol.get("split") in ("train", "all"):
        yield "Trained on faces of this split: not a held-out figure."
    if trained.get("crop") != crop:
        yield f"Trained on faces of another crop than {crop}."
    fitted = text_at(run, "reconstruction", "faces") or text_at(run, "fitted")
    if fitted and fitted != "as they are":
        yield f"The faces were fitted to the space: {fitted}."
    if at(run, "model", "conditions"):
        yield "Conditional on attributes, which are unknown here."
    yield from _shared_network(run, text_at(protocol, "features"))


def _shared_network(run: Card, features: str | None) -> Iterator[str]:
    """A sentence if a space was trained with the feature network of the table, or one trained on the same
    images."""
    if not features:
        return
    used, label = set(run.get("training_networks") or ()), network_label(features)
    if label.startswith(INCEPTION):
        names = [name for key, name in IMAGENET.items() if key in used]
        if names:
            yield (
                f"Trained with features of {' and '.join(names)}, which like Inception come from ImageNet: "
                "this lowers FID and KID by itself (Kynkäänniemi et al., 2022)."
            )
    elif "attributes" in used and "attribute" in label:
        yield f"Trained with features of the {label}, which lowers FID and KID by itself."


def _left_out(run: Card, metrics: Sequence[str]) -> Iterator[str]:
    """A sentence about the metrics of the table that could not be measured."""
    missing = list(filter(lambda name: at(run, *METRICS[name].value) is None, metrics))
    if not missing:
        return
    labels = ", ".join(METRICS[name].label for name in missing)
    text = " ".join(_matching(run.get("left_out") or (), missing))
    yield text or f"{labels}: does not exist for this model."


def _matching(sentences: Sequence[str], missing: Sequence[str]) -> Iterator[str]:
    """The sentences that name one of the missing metrics, or their part."""
    for sentence in sentences:
        for name in missing:
            word = METRICS[name].label.split(",")[0].split(" (")[0]
            if sentence.startswith(f"{word} ") or METRICS[name].part in sentence.lower():
                yield sentence
                break


def protocol_lines(runs: Sequence[Card], columns: "Sequence[Column]", protocol: Card) -> list[str]:
    """How the figures were measured, a sentence or a few in each line."""
    sampled = _sampled(column.metric for column in columns)
    lines = [_faces(protocol, sampled), *_distances(runs[0], columns, protocol)]
    for column in columns:
        lines.append(f"{column.label}: {METRICS[column.metric].about}.")
    lines += [_model(run, sampled) for run in runs]
    for origin in dict.fromkeys(map(prior_text, runs) if sampled else ()):
        gloss = prior_gloss(origin or "")
        if gloss:
            lines.append(f"{origin}: {gloss}.")
    if any(column.best is not None for column in columns):
        lines.append("Bold: the best value of a column.")
    return lines


def _distances(run: Card, columns: "Sequence[Column]", protocol: Card) -> Iterator[str]:
    """Feature network, uncertainties and reference, from one of the evaluations, which share them."""
    metrics = [column.metric for column in columns]
    needing = [METRICS[name].label for name in metrics if METRICS[name].needs == "features"]
    if needing:
        yield f"{_listed(needing)}: features of {protocol.get('features')}."
    yield from _spreads(metrics, at(run, "generation", "protocol") or {})
    compared = at(run, "generation", "real_reference", "compared")
    if compared:
        # FID rises as faces become fewer, so that halves are no bound for figures of all faces.
        bound = "the best that could be reached"
        if compared.startswith("one half"):
            bound = "which makes distances larger than of all of them; a space can lie below"
        yield f"Real faces: {compared}, {bound} (real-vs-real reference)."


def _faces(protocol: Card, sampled: bool) -> str:
    """The faces, and where metrics are of samples, how these were drawn."""
    size = "×".join(map(str, protocol.get("size") or ()))
    colour = "gray" if protocol.get("channels") == 1 else "colour"
    folder = plain(PurePath(str(protocol["set"])).name)
    count = temperature = ""
    if sampled and protocol.get("samples"):
        count = f", {protocol['samples']:,} samples of each space"
        temperature = f", temperature {protocol.get('temperature', 1):g}"
    return (
        f"{protocol['count']:,} faces of {folder} ({protocol.get('source')}, {size} "
        f"{colour}, crop {protocol.get('crop')}, fingerprint {str(protocol.get('set_fingerprint'))[:8]}), "
        f"split {protocol.get('split')}, {protocol.get('selection')}{count}; seed {protocol.get('seed')}"
        f"{temperature}; facespace {protocol.get('facespace')}."
    )


def _spreads(metrics: Sequence[str], distances: Mapping[str, object]) -> Iterator[str]:
    """What each ± is."""
    subsets, size = at(distances, "kid", "subsets"), at(distances, "kid", "size")
    if "kid" in metrics and subsets:
        yield f"KID: mean ± standard deviation over {subsets} subsets of {size:,} faces a side."
    intervals = []
    for name in metrics:
        if METRICS[name].spread[1:2] == ("intervals",):
            intervals.append(METRICS[name].label.partition(",")[0])
    if intervals:
        yield f"{_listed(intervals)}: ± half the 95 % bootstrap interval over faces."


def _listed(names: Sequence[str]) -> str:
    *first, last = names
    if not first:
        return last
    return f"{', '.join(first)} and {last}"


def _model(run: Card, sampled: bool) -> str:
    """What a row is, and where metrics are of samples, what these come from."""
    facts = [run.get("recipe") or "no recipe", f"model {run.get('bundle')}"]
    facts.append(f"{at(run, 'model', 'parameters') or 0:,} parameters")
    facts.append(f"{at(run, 'model', 'latents') or 0:,} latents")
    facts.append(f"step {format_number(run.get('step'), ',')}")
    trained = _training_set(run)
    if trained:
        facts.append(f"trained on {trained}, crop {at(run, 'trained_on', 'crop')}")
    if run.get("weights"):
        facts.append(f"{run['weights']} weights")
    if sampled and prior_text(run):
        facts.append(f"samples from {prior_text(run)}")
    return f"{plain(run['name'])}: {', '.join(facts)}."
