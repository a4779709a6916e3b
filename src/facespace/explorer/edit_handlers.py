"""The handlers of closed-loop edits ("Keep the person"): a face is moved until an attribute classifier finds
an attribute in it, while all others stay (space/closed_loop.py). One runs for each page; a later move of the
page cancels it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from facespace.core.errors import BundleError, UsageError
from facespace.explorer import messages
from facespace.explorer.calls import Answer, Call, Handler, with_faces
from facespace.explorer.cancelling import cancel, unless_cancelled
from facespace.explorer.engine import Engine
from facespace.space.face_space import OFF, ON

if TYPE_CHECKING:
    from facespace.space.closed_loop import LatentClassifier


class Edited(NamedTuple):
    """The latent (1, D) of a closed-loop edit."""

    z: np.ndarray
    already: bool  # the classifier found the goal in the face before, which is not moved
    reached: bool  # the classifier finds the goal in the face more likely than not
    held: list[str]  # attributes whose logits stay


def closed_loop_edit(engine: Engine, z: np.ndarray, name: str, on: bool) -> Edited:
    """A latent (1, D) moved until the attribute classifier finds an attribute in its face (with `on` False:
    does not), while its logits of all other attributes with a direction stay. Raises UsageError for a name
    that the classifier does not know and without torch, Abandoned where nobody waits any more."""
    classifier = engine.classifier
    from facespace.space import closed_loop

    if name not in classifier.names:
        raise UsageError(
            f"The attribute classifier does not know {name}: the person cannot be kept while it changes. The "
            "slider alone has moved the face."
        )
    held = _held(engine, name)
    latents = engine.space.latent_classifier(classifier)
    goal = {name: on}
    if _reached(z, latents, goal, closed_loop.MARGIN):
        return Edited(z, already=True, reached=True, held=held)
    edited = engine.space.edit(z, {name: ON if on else OFF}, held, classifier)
    return Edited(edited, already=False, reached=_reached(edited, latents, goal, 0.0), held=held)


def _held(engine: Engine, name: str) -> list[str]:
    """The attributes with a direction, other than the edited one, that the classifier knows."""
    try:
        directed = engine.directions.names
    except BundleError:  # only a direction of the browser is there
        return []
    return [other for other in directed if other in engine.classifier.names and other != name]


def _reached(z: np.ndarray, latents: "LatentClassifier", goal: Mapping[str, bool], margin: float) -> bool:
    from facespace.space import closed_loop

    return all(found[0] for found in closed_loop.goals_reached(z, latents, goal, margin).values())


def _edit(call: Call) -> Answer:
    """A closed-loop edit: its latent and picture. Nothing where `cancel_edit` or a later edit of the page
    cancelled it."""
    name, on = messages.word(call.fields, "name", most=40), messages.flag(call.fields, "on")
    z = call.latents(1)
    edited = unless_cancelled(call, lambda: closed_loop_edit(call.engine, z, name, on))
    if edited is None:
        return {"cancelled": True}, b""
    facts: messages.Header = {
        "cancelled": False,
        "already": edited.already,
        "reached": edited.reached,
        "held": edited.held,
    }
    return with_faces(call.engine, edited.z, facts)


def _cancel_edit(call: Call) -> Answer:
    """Ends the page's closed-loop edit at its next step."""
    cancel(call)
    return {}, b""


HANDLERS: dict[str, Handler] = {"edit": _edit, "cancel_edit": _cancel_edit}
