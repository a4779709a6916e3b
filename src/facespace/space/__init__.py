"""FaceSpace, the only door to a trained model, and what its verbs are made of."""

from facespace.space.face_space import FaceSpace, load

__all__ = ["FaceSpace", "load"]
