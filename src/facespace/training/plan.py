"""The recipe that a run trains: named, given, or that of the space it starts from, with the user's
settings."""

from collections.abc import Sequence
from dataclasses import replace

from facespace.core.configs import from_dict, override
from facespace.core.console import note
from facespace.core.errors import UsageError
from facespace.models.bundle import Bundle
from facespace.models.locations import place_of
from facespace.recipes import recipe as named_recipe
from facespace.recipes.config import Recipe
from facespace.training.missing_networks import without_missing_networks

# What is trained alone by the recipe of a space that was trained further, by the part that it keeps.
ALONE = {
    "encoder": "The recipe of this space trains the decoder alone, so that latents, priors and directions "
    "stay valid. --set train.freeze=none trains the encoder too.",
    "decoder": "The recipe of this space trains the encoder alone, so that samples and edits stay as they "
    "are. --set train.freeze=none trains the decoder too.",
}


def plan_of(recipe: Recipe | str | None, origin: Bundle | None, settings: Sequence[str]) -> Recipe:
    """The recipe, or without one that of the origin, with the settings. Where these name a number of epochs,
    the recipe's least number of steps no longer holds. Losses of the origin's recipe on networks that are not
    here are left out, with a note."""
    plan = override(_recipe(recipe, origin), settings)
    if recipe is None:
        plan, missing = without_missing_networks(plan, settings)
        if missing:
            note(missing)
        if plan.train.freeze != "none" and not any(text.startswith("train.freeze") for text in settings):
            note(ALONE[plan.train.freeze])
    names = {setting.partition("=")[0] for setting in settings}
    if origin is not None and "model.refinement_steps" not in names:
        _note_fewer_passes(plan, origin)
    if "train.epochs" in names and "train.min_steps" not in names:
        return replace(plan, train=replace(plan.train, min_steps=0))
    return plan


def _note_fewer_passes(plan: Recipe, origin: Bundle) -> None:
    """Says that the encoder loses passes, if the recipe has fewer than the space it starts from."""
    passes = origin.model.config.refinement_steps
    if plan.model.refinement_steps < passes:
        note(
            f"{place_of(origin.folder)} encodes in {passes} passes, this recipe in "
            f"{plan.model.refinement_steps}. --set model.refinement_steps={passes} keeps them."
        )


def _recipe(recipe: Recipe | str | None, origin: Bundle | None) -> Recipe:
    """The recipe itself, the one of that name, or without one that of the origin."""
    if isinstance(recipe, Recipe):
        return recipe
    if recipe is not None:
        return named_recipe(recipe)
    if origin is None:
        raise UsageError("Name a recipe, or a space to start from. The recipes: facespace recipes")
    plan, passes = from_dict(Recipe, origin.card["recipe"]), origin.model.config.refinement_steps
    # The space may encode in more passes than it was trained with, and was trained on another machine.
    model = replace(plan.model, refinement_steps=passes)
    return replace(plan, model=model, train=replace(plan.train, precision="auto"))
