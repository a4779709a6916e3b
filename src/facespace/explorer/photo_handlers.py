"""The handlers of a page's photograph: detection, alignment, and the tuning of the space to it."""

import numpy as np

from facespace.core.errors import UsageError
from facespace.explorer import messages
from facespace.explorer.calls import Answer, Call, Handler, faces, with_faces
from facespace.explorer.tuning import Tuning, only_tuning

NO_PHOTO = "No photograph is open on this page. Open it again."


def _detect(call: Call) -> Answer:
    """Detects the faces in a photograph, which is kept for `align` and `tune`; with the field `find` false it
    is kept alone."""
    photo = messages.picture(call.request)
    call.page.photo = photo.copy()  # not the whole message
    if call.fields.get("find") is False:
        return {"faces": [], "detector": None, "detector_error": None}, b""
    return call.engine.photos.detect(photo), b""


def _aligned(call: Call) -> np.ndarray:
    """The photograph's face with the landmarks of the request, uint8 (H, W, C)."""
    photo, points = call.page.photo, messages.points(call.fields, "points")
    if photo is None:
        raise UsageError(NO_PHOTO)
    return call.engine.photos.align(photo, points)


def _align(call: Call) -> Answer:
    """Aligns and encodes the photograph's face. The payload: its latent, its reconstruction, and the aligned
    face."""
    aligned = _aligned(call)[None]
    header, pixels = faces(aligned)
    face_header, face = with_faces(call.engine, call.engine.space.encode(aligned), {"aligned": header})
    return face_header, bytes(face) + pixels.tobytes()


def _tune(call: Call) -> Answer:
    """Tunes a copy of the space to the photograph's face, which the page then has for its requests with the
    field `tuned`. Replies when it is done: the face's latent and picture; nothing where it was cancelled."""
    page, face = call.page, _aligned(call)
    photo = page.photo
    with only_tuning():
        page.tuning = Tuning(call.engine)
        try:
            tuned = page.tuning.run(face)
        finally:
            page.tuning = None
    if tuned is None or page.photo is not photo:  # cancelled, or forgotten meanwhile
        return {"cancelled": True}, b""
    page.tuned[call.engine] = tuned.engine
    return with_faces(tuned.engine, tuned.z, {"cancelled": False, "change": round(tuned.change, 2)})


def _tuning(call: Call) -> Answer:
    """How far the tuning is: the share that is done, the seconds that are left (null at the start), and the
    face as it is shown now, once there is a picture."""
    tuning = call.page.tuning
    if tuning is None:
        return {"running": False}, b""
    facts = {"running": True, "share": round(tuning.share, 3), "seconds_left": tuning.seconds_left}
    if tuning.preview is None:
        return {**facts, "count": 0}, b""
    header, pixels = faces(tuning.preview)
    return {**facts, **header}, pixels


def _cancel_tuning(call: Call) -> Answer:
    """Ends the tuning at its next step; nothing of it is kept."""
    if call.page.tuning is not None:
        call.page.tuning.cancelled = True
    return {}, b""


def _untune(call: Call) -> Answer:
    """Deletes the tuned copy of the space."""
    call.page.tuned.pop(call.engine, None)
    return {}, b""


def _forget(call: Call) -> Answer:
    """Deletes the photograph, and all that was tuned to it, from memory."""
    call.page.photo = None
    call.page.tuned.clear()
    return _cancel_tuning(call)


HANDLERS: dict[str, Handler] = {
    "detect": _detect,
    "align": _align,
    "tune": _tune,
    "tuning": _tuning,
    "cancel_tuning": _cancel_tuning,
    "untune": _untune,
    "forget": _forget,
}
