"""Paint on the face of the page: the latent that latent/painting.py finds with encoder and decoder alone,
then where the engine has gradients a few steps along them (paint_gradients.py)."""

from typing import NamedTuple

import numpy as np
from PIL import Image

from facespace.core.errors import UsageError
from facespace.explorer import messages, statistics
from facespace.explorer.calls import Answer, Call, Handler, with_faces
from facespace.explorer.cancelling import unless_cancelled
from facespace.explorer.engine import Engine
from facespace.latent.painting import Paint, paint_goal, painted_latent

RGBA = 4


class Stroke(NamedTuple):
    """What is painted: colours uint8 (H, W, 3) and how much of each pixel is covered, uint8 (H, W)."""

    colours: np.ndarray
    cover: np.ndarray


def paint_face(engine: Engine, z: np.ndarray, stroke: Stroke) -> np.ndarray:
    """The nearest latent (1, D) to z (1, D) whose face takes on what is painted. Raises UsageError for a
    stroke of another size than the face's or without any paint, Abandoned where nobody waits any more."""
    paint = _paint(engine, stroke)
    space, (whitening, inverse) = engine.space, engine.whitening

    def encode(picture: np.ndarray) -> np.ndarray:
        face = np.rint(255 * picture).astype(np.uint8)[None]
        return statistics.encode_samples(space, face)[0].astype(np.float64)

    def decode(latent: np.ndarray) -> np.ndarray:
        return engine.decode(latent[None].astype(np.float32))[0] / 255

    found = painted_latent(z[0], paint, encode, decode, whitening, inverse)
    if space.has_gradients and not space.has_codes:  # codes are rounded to their nearest
        from facespace.explorer.paint_gradients import refined

        goal = paint_goal(paint, decode(z[0]))
        found = refined(space, z[0], found, goal, engine.whitening)
    return found[None].astype(np.float32)


def _paint(engine: Engine, stroke: Stroke) -> Paint:
    channels, *size = engine.space.image_shape
    if list(stroke.cover.shape) != size:
        height, width = stroke.cover.shape
        raise UsageError(
            f"A face of this space has {size[1]}×{size[0]} pixels; the paint has {width}×{height}."
        )
    if not stroke.cover.any():
        raise UsageError("There is no paint on this face.")
    colours = stroke.colours
    if channels == 1:
        colours = np.asarray(Image.fromarray(colours).convert("L"))[..., None]
    return Paint(colours / 255, stroke.cover[..., None] / 255)


def _paint_face(call: Call) -> Answer:
    """The payload: a latent, then the paint as RGBA of the face's size. Nothing where `cancel_edit` or a
    later edit of the page cancelled it."""
    z, stroke = _read(call)
    painted = unless_cancelled(call, lambda: paint_face(call.engine, z, stroke))
    if painted is None:
        return {"cancelled": True}, b""
    return with_faces(call.engine, painted, {"cancelled": False})


def _read(call: Call) -> tuple[np.ndarray, Stroke]:
    payload, size = call.request.payload, 4 * call.engine.space.latent_dim
    z = messages.latents(payload[:size], call.engine.space.latent_dim, 1)
    rgba = messages.rgba_picture(call.request._replace(payload=payload[size:]))
    return z, Stroke(rgba[..., :3], rgba[..., 3])


HANDLERS: dict[str, Handler] = {"paint": _paint_face}
