"""Which recipes can be one file of plain PyTorch, and what such a file leaves out of a recipe. Imports no
torch."""

from collections.abc import Iterator, Mapping

from facespace.core.errors import UsageError
from facespace.formats.layers import KNOWN
from facespace.recipes.config import Recipe
from facespace.recipes.model_config import ModelConfig, Rule, check_rules

LIKELIHOODS = ("bernoulli", "mse", "normal", "normal_shared", "normal_pixel", "l1")
TERMS: Mapping[str, str | None] = {"gaussian": "kl", "deterministic": None, "vq": "commitment"}

# Fields of the objective that compare images beyond the likelihood, and their names.
AUXILIARY = {
    "perceptual": "perceptual loss",
    "identity": "identity loss",
    "center_weight": "center weighting",
    "adversarial": "adversarial loss",
    "feature_matching": "feature matching",
    "moments": "moment matching",
}


def check_model(config: ModelConfig) -> None:
    """Raises UsageError for a model that has no text, with what has one."""
    check_rules(_model_rules(config))


def check_recipe(recipe: Recipe) -> None:
    """Raises UsageError for a recipe that cannot be one file, with what can."""
    check_model(recipe.model)
    check_rules(_training_rules(recipe))
    _check_weights(recipe)


def left_out(recipe: Recipe) -> list[str]:
    """The auxiliary losses of a recipe with their weights, which its file does not have."""
    found = []
    for field, name in AUXILIARY.items():
        weight = getattr(recipe.objective, field)
        if weight:
            found.append(f"{name} ({weight:g})")
    return found


def _model_rules(config: ModelConfig) -> Iterator[Rule]:
    yield (
        config.kind == "autoencoder",
        f"A model of kind {config.kind!r} has no single file: its levels depend on one another, and it would "
        "not be one page. Those of model.kind=autoencoder have one: facespace recipes lists them.",
    )
    for field, value, known in (
        ("backbone", config.backbone, KNOWN),
        ("likelihood", config.likelihood, LIKELIHOODS),
        ("bottleneck", config.bottleneck, TERMS),
    ):
        yield (
            value in known,
            f"There is no single file for model.{field}={value!r}. There is one for: {', '.join(known)}.",
        )
    yield (
        not config.conditions,
        "There is no single file for a model with model.conditions, which needs the attributes of each face. "
        "Leave them out with --set model.conditions=[].",
    )
    codes = config.code_dim >= 1 and config.codebook_size >= 2 and config.latent_dim % config.code_dim == 0
    yield (
        config.bottleneck != "vq" or codes,
        "model.codebook_size must be at least 2, and model.latent_dim a multiple of model.code_dim; "
        f"got {config.codebook_size}, {config.latent_dim} and {config.code_dim}.",
    )


def _training_rules(recipe: Recipe) -> Iterator[Rule]:
    data, goal, train = recipe.data, recipe.objective, recipe.train
    no_file = "The single file of a recipe does not have"
    yield (
        not data.jitter and not data.affine,
        f"{no_file} data.jitter and data.affine; set both to 0. It mirrors faces where data.flip is true.",
    )
    yield not data.balance, f"{no_file} data.balance, which needs the attributes of each face; leave it out."
    yield (
        goal.iwae_samples == 1,
        f"{no_file} the importance-weighted bound; set objective.iwae_samples=1. Got {goal.iwae_samples}.",
    )
    yield (
        train.freeze == "none",
        f"{no_file} train.freeze={train.freeze}, which starts from a trained space; set train.freeze=none.",
    )
    yield (
        train.patience is None,
        f"{no_file} early stopping; set train.patience=null. Got {train.patience}.",
    )
    yield (
        train.batch >= 2 or not (recipe.model.norm and recipe.model.backbone == "mlp"),
        "Batch norm over single faces is undefined: train.batch must be at least 2 for this model.",
    )


def _check_weights(recipe: Recipe) -> None:
    term = TERMS[recipe.model.bottleneck]
    for name in recipe.objective.weights:
        if name != term:
            known = f"Known: {term}." if term else "It reports none: an autoencoder has no KL."
            raise UsageError(f"objective.weights names {name!r}, which this model does not report. {known}")
