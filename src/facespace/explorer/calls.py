"""Every request of the page, by its name: from checked fields to one call of the engine, and back to a header and a
payload. No request opens a file, names a path or is remembered."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from facespace.core.errors import BundleError, UsageError, choose
from facespace.explorer import messages
from facespace.explorer.engine import MOST_FRAMES, Engine
from facespace.explorer.messages import Request
from facespace.latent.strengths import gap_or_none

MOST_FACES = 64  # latents of one request
Answer = tuple[dict[str, Any], bytes | np.ndarray]
Call = Callable[[Engine, Request], Answer]


def answer(engine: Engine, request: Request) -> Answer:
    """What the page is told. Raises FacespaceError with a sentence for a person."""
    call = choose(CALLS, request.what, "request")
    if call not in (_facts, _statistics):
        engine.touch()
    return call(engine, request)


def _z(engine: Engine, request: Request, most: int = MOST_FACES) -> np.ndarray:
    return messages.latents(request.payload, engine.space.latent_dim, most)


def _faces(faces: np.ndarray) -> tuple[dict[str, Any], np.ndarray]:
    count, height, width, _ = faces.shape
    return {"count": count, "width": width, "height": height}, messages.rgba(faces)


def _with_face(engine: Engine, z: np.ndarray, facts: dict[str, Any] | None = None) -> Answer:
    """A latent and its picture in one answer, so that a moved control costs one way there and back."""
    header, pixels = _faces(engine.decode(z))
    return {**header, **(facts or {}), "latent": z.nbytes}, z.astype("<f4").tobytes() + pixels.tobytes()


def _facts(engine: Engine, request: Request) -> Answer:
    engine.start()
    return engine.facts, b""


def _decode(engine: Engine, request: Request) -> Answer:
    return _faces(engine.decode(_z(engine, request)))


def _mean(engine: Engine, request: Request) -> Answer:
    return _with_face(engine, engine.mean_latent())


def _random(engine: Engine, request: Request) -> Answer:
    fields = request.fields
    z = engine.random(
        messages.whole(fields, "count", 1, MOST_FACES, 1),
        messages.whole(fields, "seed", 0, 2**32 - 1, 0),
        messages.number(fields, "temperature", 0, 3, 1.0),
        messages.word(fields, "prior", "own"),
    )
    return _with_face(engine, z)


def _encode(engine: Engine, request: Request) -> Answer:
    trust = messages.number(request.fields, "trust", 0, 1, 1.0)
    return _with_face(engine, engine.encode(messages.picture(request), trust))


def _statistics(engine: Engine, request: Request) -> Answer:
    """Stage 0: nothing yet, 1: where faces lie, 2: and what each latent moves. The payload are float32 rows."""
    found, moved = engine.found, engine.influence
    if found is None:
        return {"stage": 0, "failed": engine.failed}, b""
    parts = [found.mean, found.deviation, found.active, found.spread, found.distances, found.components]
    parts += [moved.latents, moved.components] if moved else []
    header = {
        "stage": 2 if moved else 1,
        "origin": found.origin,
        "latents": len(found.mean),
        "components": len(found.spread),
        "failed": engine.failed,
    }
    return header, np.concatenate([np.asarray(part, "<f4").ravel() for part in parts])


def _align(engine: Engine, request: Request) -> Answer:
    photo, points = messages.picture(request), messages.points(request.fields, "points")
    if points is None:
        return engine.photos.find(photo), b""
    return _faces(engine.photos.cut(photo, points)[None])


def _directions(engine: Engine, request: Request) -> Answer:
    try:
        directions = engine.directions
    except BundleError as error:
        return {"names": [], "why": str(error)}, b""
    facts = {}
    for name in directions.names:
        facts[name] = _plain({**directions.facts.get(name, {}), "gap": gap_or_none(directions, name)})
    return {"names": list(directions.names), "facts": facts, "why": ""}, b""


def _scores(engine: Engine, request: Request) -> Answer:
    return {}, engine.scores(_z(engine, request)).astype("<f4")


def _edit(engine: Engine, request: Request) -> Answer:
    z = _z(engine, request, 1)
    edited = engine.edit(
        z, messages.changes(request.fields, "changes"), messages.words(request.fields, "lock")
    )
    return _with_face(engine, edited, {"scores": engine.scores(edited)[0].tolist()})


def _add_direction(engine: Engine, request: Request) -> Answer:
    z = _z(engine, request, 2 * 1_000)
    having = messages.whole(request.fields, "with", 5, len(z))
    if len(z) - having < 5:
        raise UsageError(
            f"A direction needs 5 faces or more with and without; got {having} with and {len(z) - having} without."
        )
    engine.add_direction(messages.word(request.fields, "name", most=40), z[:having], z[having:])
    return {}, b""


def _morph(engine: Engine, request: Request) -> tuple[np.ndarray, int, str, str]:
    fields = request.fields
    return (
        _z(engine, request, 12),
        messages.whole(fields, "frames", 2, MOST_FRAMES),
        messages.word(fields, "along", "linear"),
        messages.word(fields, "turn", "once"),
    )


def _path(engine: Engine, request: Request) -> Answer:
    z = engine.path(*_morph(engine, request))
    return {"count": len(z)}, z


def _export(engine: Engine, request: Request) -> Answer:
    fps, form = (
        messages.number(request.fields, "fps", 1, 60, 30),
        messages.word(request.fields, "form", "gif"),
    )
    return {"form": form}, engine.film(*_morph(engine, request), fps, form)


def _map(engine: Engine, request: Request) -> Answer:
    """The payload: places, latents, scores (float32), then thumbnails (RGBA)."""
    places, z, faces = engine.map(messages.word(request.fields, "method", "pca"))
    try:
        names, scores = list(engine.directions.names), engine.scores(z)
    except BundleError:
        names, scores = [], np.empty((len(z), 0), np.float32)
    header, pixels = _faces(faces)
    real = engine.faces is not None or engine.space.encoded is not None
    facts = {"origin": engine.on_map.origin, "names": names, "labels": engine.labels(), "real": real}
    numbers = b"".join(part.astype("<f4").tobytes() for part in (places, z, scores))
    return {**header, **facts}, numbers + pixels.tobytes()


def _plain(facts: Mapping[str, Any]) -> dict[str, float]:
    """Of a direction's facts those that are finite numbers, which JSON can say."""
    numbers = {key: value for key, value in facts.items() if isinstance(value, int | float | np.number)}
    return {key: float(value) for key, value in numbers.items() if np.isfinite(value)}


CALLS: dict[str, Call] = {
    "facts": _facts,
    "decode": _decode,
    "mean": _mean,
    "random": _random,
    "encode": _encode,
    "statistics": _statistics,
    "align": _align,
    "directions": _directions,
    "scores": _scores,
    "edit": _edit,
    "add_direction": _add_direction,
    "path": _path,
    "export": _export,
    "map": _map,
}
