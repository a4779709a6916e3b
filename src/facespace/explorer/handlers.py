"""The handler of every request of the page: checked fields to one call of the engine, and its result to a
header and a payload. No handler opens a file or a path. A photograph, and what was tuned to it, stay in
memory while their page is connected; nothing else is kept."""

from collections.abc import Mapping

import numpy as np

from facespace.core.errors import BundleError, UsageError, choose
from facespace.explorer import edit_handlers, export_handlers, messages, paint_handlers, photo_handlers
from facespace.explorer.calls import MOST_FACES, Answer, Call, Handler, Page, faces, with_faces
from facespace.explorer.engine import Engine
from facespace.explorer.messages import Request
from facespace.latent.directions import Directions
from facespace.latent.strengths import gap_or_none
from facespace.models.prior_facts import GUIDANCE_LIMIT

MOST_EXAMPLES = 2_000  # of a new direction
FEWEST_EXAMPLES = 5  # with and without the property
SEEDS = 2**32 - 1
# The numbers of a direction that the page shows: the key in the bundle, and the key in the reply.
DIRECTION_FACTS = {
    "auc": "auc",
    "yes": "positives",
    "no": "negatives",
    "on": "positive_mean",
    "off": "negative_mean",
}


def answer(engine: Engine, request: Request, page: Page) -> Answer:
    """The reply to a request. Raises FacespaceError with a sentence for the user."""
    handler = choose(HANDLERS, request.name, "request")
    if handler not in (_facts, _statistics):
        engine.touch()
    return handler(Call(page.engine_for(engine, request), request, page))


def _facts(call: Call) -> Answer:
    call.engine.start()
    return call.engine.facts, b""


def _decode(call: Call) -> Answer:
    return faces(call.engine.decode(call.latents()))


def _mean(call: Call) -> Answer:
    return with_faces(call.engine, call.engine.mean_latent())


def _random(call: Call) -> Answer:
    z = call.engine.random(
        messages.whole(call.fields, "count", 1, MOST_FACES, 1),
        messages.whole(call.fields, "seed", 0, SEEDS, 0),
        messages.number(call.fields, "truncation", 0, 3, 1.0),
        messages.word(call.fields, "prior", "model"),
        messages.signs(call.fields, "conditions"),
        messages.number(call.fields, "guidance", 0, GUIDANCE_LIMIT, 1.0),
    )
    return with_faces(call.engine, z)


def _encode(call: Call) -> Answer:
    mean_blend = messages.number(call.fields, "mean_blend", 0, 1, 0.0)
    return with_faces(call.engine, call.engine.encode(messages.picture(call.request), mean_blend))


def _statistics(call: Call) -> Answer:
    """Stage 0: nothing yet, 1: the distribution of faces, 2: and the influence of each latent. The payload
    are float32 rows."""
    found, influence = call.engine.found, call.engine.influence
    if found is None:
        return {"stage": 0, "failed": call.engine.failed}, b""
    parts = [found.mean, found.std, found.active, found.component_std, found.explained, found.distances]
    parts += [found.components]
    if influence:
        parts += [influence.latents, influence.components]
    header = {
        "stage": 2 if influence else 1,
        "origin": found.origin,
        "latents": len(found.mean),
        "components": len(found.component_std),
        "usual_score": call.engine.usual_score,
        "failed": call.engine.failed,
    }
    return header, np.concatenate([np.asarray(part, "<f4").ravel() for part in parts])


def _face_score(call: Call) -> Answer:
    """How sure a face detector is of a latent's face; null without the detector."""
    return {"score": call.engine.face_score(call.latents(1))}, b""


def _directions(call: Call) -> Answer:
    try:
        directions = call.engine.directions
    except BundleError as error:
        return {"names": [], "reason": str(error)}, b""
    facts: dict[str, dict[str, float]] = {}
    for name in directions.names:
        facts[name] = _direction_facts(directions.facts.get(name, {}), gap_or_none(directions, name))
    return {"names": list(directions.names), "facts": facts, "reason": ""}, _direction_rows(directions)


def _direction_rows(directions: Directions) -> np.ndarray:
    """What the page moves and reads attributes with, float32 (A, 1 + 3 D): of each direction the score of the
    latent 0; the score's change with each latent; the latent's move for one standard deviation; and the
    shortest move that changes the score, in whitened space."""
    center, root = directions.whitening.center, directions.whitening.root
    offsets = directions.scores(np.zeros_like(center))[0]
    parts = (offsets[:, None], directions.probe_map.T, directions.steps, directions.probes @ root)
    return np.concatenate(parts, 1).astype("<f4")


def _direction_facts(facts: Mapping[str, object], gap: float | None) -> dict[str, float]:
    """Those of a direction's facts that are finite numbers, which JSON can represent."""
    numbers: dict[str, object] = {"gap": gap}
    for key, shown in DIRECTION_FACTS.items():
        numbers[shown] = facts.get(key)
    finite: dict[str, float] = {}
    for key, value in numbers.items():
        if isinstance(value, int | float) and np.isfinite(value):
            finite[key] = float(value)
    return finite


def _add_direction(call: Call) -> Answer:
    """Stores a user's direction in the bundle."""
    call.engine.add_direction(*_examples(call))
    return {}, b""


def _fit_direction(call: Call) -> Answer:
    """A user's direction, which the page keeps. The payload is as that of `directions`."""
    found = call.engine.fit_direction(*_examples(call))
    name = found.names[0]
    facts = _direction_facts(found.facts[name], gap_or_none(found, name))
    return {"facts": facts}, _direction_rows(found)


def _examples(call: Call) -> tuple[str, np.ndarray, np.ndarray]:
    """A direction's name, and latents of faces with and without its property."""
    z = call.latents(MOST_EXAMPLES)
    positive = messages.whole(call.fields, "positive", FEWEST_EXAMPLES, len(z))
    negative = len(z) - positive
    if negative < FEWEST_EXAMPLES:
        raise UsageError(
            f"A direction needs {FEWEST_EXAMPLES} faces or more with and without; got {positive} with and "
            f"{negative} without."
        )
    name = messages.word(call.fields, "name", most=40)
    return name, z[:positive], z[positive:]


def _map(call: Call) -> Answer:
    """The payload: positions, latents, scores (float32), then thumbnails (RGBA)."""
    engine = call.engine
    positions, z, thumbnails = engine.map(messages.word(call.fields, "method", "pca"))
    try:
        names, scores = list(engine.directions.names), engine.scores(z)
    except BundleError:
        names, scores = [], np.empty((len(z), 0), np.float32)
    header, pixels = faces(thumbnails)
    header |= {
        "origin": engine.on_map.origin,
        "names": names,
        "labels": engine.labels(),
        "encoded": engine.faces is not None or engine.space.stored_latents is not None,
    }
    numbers = b"".join(part.astype("<f4").tobytes() for part in (positions, z, scores))
    return header, numbers + pixels.tobytes()


HANDLERS: dict[str, Handler] = {
    **photo_handlers.HANDLERS,
    **edit_handlers.HANDLERS,
    **export_handlers.HANDLERS,
    **paint_handlers.HANDLERS,
    "facts": _facts,
    "decode": _decode,
    "mean": _mean,
    "random": _random,
    "encode": _encode,
    "statistics": _statistics,
    "face_score": _face_score,
    "directions": _directions,
    "add_direction": _add_direction,
    "fit_direction": _fit_direction,
    "map": _map,
}
