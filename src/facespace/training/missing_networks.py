"""Auxiliary losses of a space's own recipe whose networks are not on this machine: `train --from SPACE`
leaves them out, with one note that names them. What the user sets stays as it is."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from facespace.core.errors import UsageError
from facespace.perception import dlib_resnet, efficientnet, vgg
from facespace.perception.store import BUNDLED
from facespace.recipes.config import ObjectiveConfig, Recipe

# The networks of the projected discriminator, and the variables that name their weights.
DISCRIMINATOR_NETWORKS = {
    "efficientnet": efficientnet.ENVIRONMENT_VARIABLE,
    "recognition": dlib_resnet.ENVIRONMENT_VARIABLE,
}


Part = tuple[ObjectiveConfig, str]  # the objective without what is missing, and a phrase on that


def without_missing_networks(plan: Recipe, settings: Sequence[str]) -> tuple[Recipe, str]:
    """The recipe without the auxiliary losses whose networks are not here, and a sentence on these, empty
    where all are here. Losses that one of the settings (FIELD=VALUE) changes are kept."""
    given = {setting.partition("=")[0] for setting in settings}
    goal, said = plan.objective, []
    for part, names in PARTS.items():
        kept, text = part(goal)
        if text and not given.intersection(f"objective.{name}" for name in names):
            goal = kept
            said.append(text)
    if not said:
        return plan, ""
    return replace(plan, objective=goal), (
        "Training works without some optional networks that this space was trained with: "
        f"{'; '.join(said)}. To use them too, set the variables named (docs/objectives.md)."
    )


def check_discriminator_networks(names: Sequence[str]) -> None:
    """Raises UsageError where weights of networks of a discriminator are missing, naming all of them."""
    if missing := _missing(names):
        variables = ", ".join(DISCRIMINATOR_NETWORKS[name] for name in missing)
        raise UsageError(
            "The discriminator needs the weights of other networks. Not set, or no file: "
            f"{variables} (docs/objectives.md says where to find them)."
        )


def _missing(names: Sequence[str]) -> list[str]:
    """Those of a discriminator's networks whose weights are not here."""
    return [name for name in names if not _here(DISCRIMINATOR_NETWORKS[name])]


def _here(variable: str) -> bool:
    """Whether a variable names a file of weights."""
    return Path(os.environ.get(variable, "")).is_file()


def _perceptual(goal: ObjectiveConfig) -> Part:
    if not goal.perceptual or goal.features == BUNDLED:
        return goal, ""
    if goal.features == vgg.NAME:
        if _here(vgg.ENVIRONMENT_VARIABLE):
            return goal, ""
        network = f"VGG-16 ({vgg.ENVIRONMENT_VARIABLE})"
    elif Path(goal.features).exists():
        return goal, ""
    else:
        network = f"the attribute classifier {goal.features}"
    text = f"perceptual, on {network}, here on the attribute classifier that comes along instead"
    return replace(goal, features=BUNDLED), text


def _identity(goal: ObjectiveConfig) -> Part:
    if not goal.identity or _here(dlib_resnet.ENVIRONMENT_VARIABLE):
        return goal, ""
    return replace(goal, identity=0.0), f"identity, left out ({dlib_resnet.ENVIRONMENT_VARIABLE})"


def _discriminator(goal: ObjectiveConfig) -> Part:
    projected = goal.discriminator == "projected" and goal.adversarial
    if not projected and not goal.moments:
        return goal, ""
    names = goal.discriminator_features
    missing = _missing(names)
    if not missing:
        return goal, ""
    words = ", ".join(f"{name} ({DISCRIMINATOR_NETWORKS[name]})" for name in missing)
    rest = tuple(name for name in names if name not in missing)
    if rest:
        return replace(goal, discriminator_features=rest), f"adversarial, here without {words}"
    adversarial = 0.0 if projected else goal.adversarial
    kept = replace(goal, moments=0.0, adversarial=adversarial)
    return kept, f"adversarial, left out without {words}"


# Each group of losses, and the fields of the objective by which a user asks for it.
PARTS = {
    _perceptual: ("perceptual", "features"),
    _identity: ("identity",),
    _discriminator: ("adversarial", "moments", "discriminator", "discriminator_features"),
}
