"""The docstring of a printed file: what the recipe is, its data, model, loss and training. Imports no
torch."""

import inspect
import textwrap
from collections.abc import Mapping, Sequence

from facespace.formats.checks import TERMS, left_out
from facespace.formats.layers import shape_text
from facespace.recipes import RECIPES
from facespace.recipes.config import Recipe, TrainConfig
from facespace.recipes.parameter_counts import PARAMETERS

CLASSES = {"gaussian": "VAE", "deterministic": "Autoencoder", "vq": "VQAutoencoder"}
KINDS = {"gaussian": "VAE", "deterministic": "autoencoder", "vq": "VQ autoencoder"}
OPTIMIZERS = {"adam": "Adam", "adamw": "AdamW"}
LIKELIHOODS = {
    "bernoulli": "binary cross-entropy",
    "mse": "squared error (Gaussian pixels, σ² = ½)",
    "normal": "Gaussian pixels, σ = 1",
    "normal_shared": "Gaussian pixels with one learned σ",
    "normal_pixel": "Gaussian pixels with a learned σ for each",
    "l1": "absolute error (Laplace pixels)",
}


def _schedule_doc(train: TrainConfig) -> str:
    parts = []
    if train.warmup:
        parts.append(f"a rise over {train.warmup} steps")
    if train.final_learning_rate < 1:
        parts.append(f"half a cosine down to {train.final_learning_rate:g} of the rate")
    return ", then ".join(parts)


def recipe_docstring(plan: Recipe, settings: Sequence[str]) -> str:
    """Title, then data, model, loss and training in a line or two each, then the commands."""
    rows = {
        "Data": f"the set of `{plan.data.prepare_line(plan.model.image)}`",
        "Model": _model_line(plan),
        "Loss": _loss_line(plan),
        "Train": _train_line(plan.train),
    }
    usage = "    python FILE.py SET/images.npy    # or a folder of pictures"
    if missing := left_out(plan):
        del rows["Train"]
        rows["Left out"] = (
            f"the loop of `facespace train {plan.name}`, since its further losses need networks of their "
            f"own: {', '.join(missing)}"
        )
        usage = "    from FILE import {cls}    # loss, terms = {cls}()(images)".format(
            cls=CLASSES[plan.model.bottleneck]
        )
    return "\n".join(
        [f"{plain_text(plan.name)}: {_title(plan, settings)}", "", *rows_of_text(rows), "", usage, ""]
    )


def plain_text(text: str) -> str:
    """A text that others wrote, such as the terms in a card, for a docstring or a comment: on one line, and
    without what would end a string."""
    return " ".join(text.split()).replace("\\", "/").replace('"', "'")


def rows_of_text(rows: Mapping[str, str]) -> list[str]:
    """Named texts in two columns, wrapped."""
    found = []
    for name, text in rows.items():
        found += textwrap.wrap(
            plain_text(text),
            110,
            initial_indent=f"{name:<10} ",
            subsequent_indent=" " * 11,
            break_on_hyphens=False,
        )
    return found


def _title(plan: Recipe, settings: Sequence[str]) -> str:
    """What the recipe is: the first sentence of its function, or with settings what they make of it."""
    if plan.name in RECIPES and RECIPES[plan.name]() == plan:
        about = (inspect.getdoc(RECIPES[plan.name]) or "").partition("\n\n")[0]
        return "\n".join(textwrap.wrap(f"{about}", 110 - len(plan.name) - 5))
    changed = plain_text(f", with {', '.join(settings)}") if settings else ""
    height, width = plan.model.image[1:]
    kind = f"{KINDS[plan.model.bottleneck]} ({plan.model.backbone}), {height}×{width} px"
    return f"{kind}, {plan.model.latent_dim} latents{changed}."


def _model_line(plan: Recipe) -> str:
    config = plan.model
    sizes = f"{config.backbone}, widths {', '.join(map(str, config.widths))}, {config.latent_dim} latents"
    if plan.name in RECIPES and RECIPES[plan.name]().model == config:
        sizes += f", {PARAMETERS[plan.name]:,} parameters"
    return f"{shape_text(config.image)} pixels in [0, 1]; {sizes}"


def _loss_line(plan: Recipe) -> str:
    likelihood, term = LIKELIHOODS[plan.model.likelihood], TERMS[plan.model.bottleneck]
    if not term:
        return likelihood
    name = {"kl": "KL(q(z | x) ‖ N(0, I))", "commitment": "commitment"}[term]
    return f"{likelihood} + {plan.objective.weights.get(term, 1.0):g} · {name}"


def _train_line(train: TrainConfig) -> str:
    parts = [f"{OPTIMIZERS[train.optimizer]}, learning rate {train.learning_rate:g}"]
    parts += [f"batches of {train.batch}", length(train)]
    if schedule := _schedule_doc(train):
        parts[0] += f" ({schedule})"
    if train.decay:
        parts.append(f"average of the weights with decay min({train.decay:.6g}, n / (n + 9)) at step n")
    return ", ".join(parts)


def length(train: TrainConfig) -> str:
    """The length of a training in words."""
    least = f", at least {train.min_steps:,} steps" if train.min_steps else ""
    return f"{train.steps:,} steps" if train.steps else f"{train.epochs} epochs{least}"
