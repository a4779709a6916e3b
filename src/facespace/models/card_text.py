"""The card of a space as text: what its model is, the faces and terms of its training data, how training
went, and what was fitted to it since. Reads card.json and the header of the weights, without torch; opens no
model and measures nothing."""

import html
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from facespace.core.cards import WEIGHTS, Card, parameter_count, tensor_shapes
from facespace.core.configs import from_dict
from facespace.core.console import duration
from facespace.core.errors import BundleError, UsageError
from facespace.models.bundle_card import MODEL_PRIOR, Stage, checked, likelihood_text, read_card, stages_of
from facespace.models.locations import find, require_default_space
from facespace.recipes.model_config import HIERARCHICAL, ModelConfig
from facespace.report.run_files import objective
from facespace.report.terms import prior_gloss

Rows = Iterator[tuple[str, str]]

LOSSES = {  # name -> label and number format
    "loss": ("loss", ",.1f"),
    "reconstruction": ("reconstruction", ",.1f"),
    "kl": ("KL", ",.1f"),
    "elbo": ("ELBO", ",.1f"),
    "mse": ("MSE", ".5f"),
    "loss_per_dim": ("loss per pixel value", ".4f"),
}
SPLITS = {"train": "training", "validation": "validation", "test": "test"}
WEIGHTS_KEPT = {
    "average": "the moving average (EMA) of the weights",
    "raw": "the weights themselves, not their moving average (EMA)",
}
STANDARD_NORMAL = "the prior N(0, I)"
FITTED_NORMAL = (
    "a Gaussian fitted to the latents of the training faces (an autoencoder has no prior of its own)"
)


# Section -> a sentence below it for readers who do not know its terms.
NOTES = {
    "Model": "A latent is the vector of numbers that represents one face.",
    "Losses": (
        "Of the run's last stage, in nats per image: a unit of information; lower is better. KL: the "
        "information in a latent. MSE: mean squared error of pixel values in [0, 1]."
    ),
    "Figures": (
        "PSNR, SSIM and identity are of reconstructions, and higher is better; MSE and LPIPS are too, and "
        "lower is better. FID and KID are distances between generated and real faces by the features of "
        "the network named; lower is better."
    ),
    "Priors": (
        "A prior is the distribution that latents of new faces are drawn from. Nats: mean log-density of "
        "encoded faces; higher is better. The fitted prior with the highest value on validation faces is "
        "the default."
    ),
    "Directions": (
        "A direction is a vector in latent space along which one attribute changes. AUC: how well it "
        "separates held-out faces with the attribute from others; 0.5 is chance, 1 is perfect."
    ),
}


class SpaceCard(NamedTuple):
    """A title, a sentence, and for each section its rows (name, text); the folder of the bundle and the JSON
    of its card."""

    title: str
    summary: str
    sections: dict[str, list[tuple[str, str]]]  # a row without a name continues the one above it
    folder: Path
    card: Card

    def text(self) -> str:
        """For a terminal."""
        lines = [self.title]
        if self.summary:
            lines.append(self.summary)
        for heading, rows in self.sections.items():
            width = max(len(name) for name, _ in rows)
            lines += ["", heading]
            for name, text in rows:
                lines.append(f"  {name:<{width}}  {text}".rstrip())
            if heading in NOTES:
                lines.append(f"  ({NOTES[heading]})")
        return "\n".join(lines)

    def markdown(self) -> str:
        """As a page."""
        lines = [f"# {_cell(self.title)}", ""]
        if self.summary:
            lines += [_cell(self.summary), ""]
        for heading, rows in self.sections.items():
            lines += [f"## {heading}", "", "| | |", "|---|---|"]
            for name, text in rows:
                lines.append(f"| {_cell(name)} | {_cell(text)} |")
            lines.append("")
            if heading in NOTES:
                lines += [NOTES[heading], ""]
        return "\n".join(lines)


def read(space: Path | str | None = None) -> SpaceCard:
    """The card of a run (its best bundle) or a bundle, without one of the default space. Fields that it lacks
    are left out. Raises BundleError where the card is missing or damaged."""
    folder = find(require_default_space() if space is None else Path(space))
    card: Card = {**checked(read_card(folder))}
    recipe = card.get("recipe") or {}
    parts = {
        "Model": _model(card, folder),
        "Faces": _faces(card),
        "Training": _training(card),
        "Losses": _losses(card),
        "Figures": _figures(card),
        "Likeness": _likeness(card),
        "Known limitations": _failings(card),
        "Priors": _priors(card),
        "Directions": _directions(card),
    }
    sections = {}
    for name, rows in parts.items():
        found = [row for row in rows if row[1]]
        if found:
            sections[name] = found
    return SpaceCard(recipe.get("name") or folder.name, recipe.get("summary") or "", sections, folder, card)


def _config(card: Card) -> ModelConfig:
    try:
        return from_dict(ModelConfig, card["model"])
    except (KeyError, UsageError) as error:
        raise BundleError(f"The card does not describe a model ({error}).") from error


def latent_count(config: ModelConfig) -> int:
    """Numbers in a latent of the model that a config describes."""
    if config.kind not in HIERARCHICAL:
        return config.latent_dim
    _, height, width = config.image
    cells = (height >> len(config.widths)) * (width >> len(config.widths))
    total = config.latent_dim
    for level, channels in enumerate(config.levels, 1):
        total += channels * cells * 4**level
    return total


def prior_origin(config: ModelConfig) -> str:
    """Which prior the model that a config describes has itself."""
    if config.kind == "hierarchical" or config.bottleneck == "gaussian":
        return STANDARD_NORMAL
    return FITTED_NORMAL


def _model(card: Card, folder: Path) -> Rows:
    config = _config(card)
    channels, height, width = config.image
    widths = ", ".join(map(str, config.widths))
    yield (
        "kind",
        f"{config.family}, {config.backbone} backbone, widths {widths}, {config.likelihood} likelihood",
    )
    colour = "colour" if channels == 3 else "gray"
    yield "faces", f"{width} × {height} pixels, {colour}"
    yield "latents", f"{latent_count(config):,} numbers for each face"
    yield "parameters", f"{parameter_count(tensor_shapes(folder / WEIGHTS)):,}"
    yield "conditions", ", ".join(config.conditions)
    packed = ""
    if "packed" in card:
        packed = f", packed as {card['packed']['bits']}-bit numbers"
    yield "origin", str(card.get("origin") or "")
    yield "fingerprint", f"{card['fingerprint'][:16]}, facespace {card.get('facespace')}{packed}"


def _faces(card: Card) -> Rows:
    data, template = card.get("data") or {}, card["template"]
    splits = []
    for name, count in (data.get("splits") or {}).items():
        splits.append(f"{count:,} {SPLITS.get(name, name)}")
    yield "source", _source(data)
    if "faces" in data:
        in_splits = f" ({', '.join(splits)})" if splits else ""
        yield "faces", f"{data['faces']:,}{in_splits}"
    yield "crop", f"{template.get('crop')}"
    yield "terms", str(data.get("terms") or "")
    for line in data.get("notes") or []:
        yield "note", str(line)


def _source(data: Card) -> str:
    """The source of the faces; of a merged set those of its parts, each once."""
    parts = data.get("parts") or []
    if not parts:
        return str(data.get("source") or "")
    counts: dict[str, list[str]] = {}
    for part in parts:
        counts.setdefault(str(part.get("source")), []).append(f"{part.get('faces', 0):,}")
    sources = []
    for source, faces in counts.items():
        sources.append(f"{source} ({' + '.join(faces)} faces)")
    return ", ".join(sources)


def _training(card: Card) -> Rows:
    """How the space was trained: in all where the card knows, and its last stage."""
    history, started = card.get("history") or [], card.get("started_from")
    for place, sentence in enumerate(history):
        yield ("" if place else "in all"), str(sentence)
    stages = [] if history else stages_of(card)
    if started and not history and len(stages) < 2:
        yield (
            "started from",
            f"the weights of another space, {started[:16]}, whose training is not counted here",
        )
    yield from _last_stage(card, started)
    yield from _stages(stages)


def _last_stage(card: Card, started: str | None) -> Rows:
    """The run that wrote the bundle."""
    metrics = card.get("metrics") or {}
    if "step" in card:
        epoch = f", epoch {metrics['epoch']}" if "epoch" in metrics else ""
        yield _stage("steps", started), f"{card['step']:,}{epoch}"
    yield from _recipe(card)
    seconds = metrics.get("training_seconds")
    if seconds:
        yield _stage("time", started), f"{seconds / 60:,.1f} minutes"
    train = (card.get("recipe") or {}).get("train") or {}
    if train.get("ema") or train.get("ema_half_life"):  # without an average there is nothing to choose from
        yield "kept", WEIGHTS_KEPT.get(metrics.get("weights") or "", "")


def _stages(stages: Sequence[Stage]) -> Rows:
    """A row for each of several trainings, and their sum."""
    if len(stages) < 2:
        return
    for place, stage in enumerate(stages, 1):
        text = f"{stage['recipe']}, {stage['steps']:,} steps, {stage['images']:,} images"
        if stage.get("faces"):
            text += f" of {stage['faces']:,} faces"
        if stage.get("trained", "all") != "all":
            text += f", the {stage['trained']} alone"
        about = f" ({stage['about']})" if "about" in stage else ""
        yield f"stage {place}", f"{text}, {duration(stage['seconds'])}{about}"
    steps, images, seconds = (sum(stage[key] for stage in stages) for key in ("steps", "images", "seconds"))
    yield "in all", f"{steps:,} steps, {images:,} images, {duration(seconds)}"


def _stage(name: str, started: str | None) -> str:
    """The name of a row about the last stage of a training of several."""
    return f"{name} of the last stage" if started else name


def _recipe(card: Card) -> Rows:
    plan = (card.get("recipe") or {}).get("train") or {}
    if plan:
        rate, batch = plan.get("learning_rate"), plan.get("batch")
        yield "optimizer", f"{plan.get('optimizer')}, learning rate {rate}, batch size {batch}"
        yield "objective", objective(card)


def _losses(card: Card) -> Rows:
    metrics = card.get("metrics") or {}
    for split in ("train", "validation"):
        values = metrics.get(split) or {}
        named = []
        for key, (name, form) in LOSSES.items():
            if isinstance(values.get(key), int | float):
                named.append(f"{name} {values[key]:{form}}")
        yield f"{SPLITS[split]} faces", ", ".join(named)


def _figures(card: Card) -> Rows:
    for name, value in (card.get("figures") or {}).items():
        text = str(value)
        if isinstance(value, int | float):
            text = f"{value:,.4g}"
        yield str(name), text


def _priors(card: Card) -> Rows:
    origin = prior_origin(_config(card))
    yield MODEL_PRIOR, _explained(origin)
    yield "aggregate posterior", _aggregate_posterior(card.get("aggregate_posterior") or {})
    for kind, entry in (card.get("priors") or {}).items():
        measured = entry.get("nats") or {}
        nats = measured.get("validation") or measured.get("held-out")
        text = _explained(str(entry["origin"]))
        if nats:
            split = "validation" if "validation" in measured else "held-out"
            found = [f"{nats['fitted']:,.1f} nats on {split} faces", likelihood_text(nats)]
            text += "; " + ", ".join(filter(None, found))
        yield kind, text + _sampling(entry.get("sampling") or {})


def _sampling(settings: Card) -> str:
    """What new faces are drawn with by default."""
    found = []
    if "temperature" in settings:
        found.append(f"temperature {settings['temperature']:g}")
    if "guidance" in settings:
        found.append(f"guidance {settings['guidance']:g} under conditions")
    return f"; drawn by default with {', '.join(found)} (--plain: the prior as it is)" if found else ""


def _aggregate_posterior(figures: Card) -> str:
    """How far the latents of training faces are from N(0, I), and how likely held-out ones are."""
    parts = []
    if "kl_to_standard_normal" in figures:
        parts.append(
            f"{figures['kl_to_standard_normal']:,.1f} nats from N(0, I) (KL of the Gaussian with its mean "
            "and covariance; 0 would be N(0, I))"
        )
    densities = [f"{kind} {value:,.1f}" for kind, value in (figures.get("nats") or {}).items()]
    if densities:
        split = figures.get("split")
        parts.append(f"mean log-density of {split} latents in nats, by prior: {', '.join(densities)}")
    return "; ".join(parts)


def _explained(origin: str) -> str:
    """A prior with a few words about its kind."""
    gloss = prior_gloss(origin)
    return f"{origin} ({gloss})" if gloss and "(" not in origin.replace("N(0, I)", "") else origin


def _directions(card: Card) -> Rows:
    for name, facts in ((card.get("directions") or {}).get("names") or {}).items():
        text, auc = str(facts.get("method") or ""), facts.get("auc")
        if auc is not None:
            text += f", AUC {auc:.3f}"
        yield name, text


def _likeness(card: Card) -> Rows:
    """Of an adapted space whose likeness it is, and what became of the base's directions."""
    adapted = card.get("adapted") or {}
    for place, sentence in enumerate(adapted.get("likeness") or []):
        yield ("whose" if not place else ""), str(sentence)
    directions = adapted.get("directions") or {}
    lost = [name for name, check in directions.items() if check.get("kept") is False]
    if directions:
        text = f"{len(directions) - len(lost)} of {len(directions)} keep their effect or cannot be judged"
        yield "directions", f"{text}; lost: {', '.join(lost)}" if lost else text


def _failings(card: Card) -> Rows:
    for place, sentence in enumerate(card.get("limitations") or [], 1):
        yield str(place), str(sentence)


def _cell(text: str) -> str:
    """A text of one line, in which nothing is HTML, a picture or a column."""
    plain = html.escape(" ".join(text.split()), quote=False)
    return plain.replace("|", "\\|").replace("![", "!\\[")
