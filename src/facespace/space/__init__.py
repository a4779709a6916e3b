"""FaceSpace, the only way to a trained model, and its parts. The names below are imported when they are used,
since they need torch."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from facespace.space.face_space import FaceSpace, load

__all__ = ["FaceSpace", "load"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'facespace.space' has no attribute {name!r}")
    from facespace.space import face_space

    return getattr(face_space, name)
