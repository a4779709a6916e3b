"""What a tuned space inherits from its base, checked: how far the faces of the base's prior have moved, and
whether each direction still does in the tuned space what it does in the base."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypedDict

import numpy as np
import torch

from facespace.adaptation.inversion import images
from facespace.core.errors import BundleError
from facespace.image.pixels import to_uint8
from facespace.latent.edit import move
from facespace.perception.attributes import AttributeClassifier
from facespace.space.face_space import FaceSpace

STRENGTH = 2.0  # standard deviations of the edits that are compared
LOST = 0.5  # of the base's effect, below which a direction has lost its meaning
WEAK = 0.3  # logits of an effect in the base, below which the classifier cannot judge


class CheckFacts(TypedDict):
    """A `DirectionCheck` in the card."""

    measure: str
    base: float
    adapted: float
    kept: bool | None


@dataclass(frozen=True)
class DirectionCheck:
    """The effect of one direction in the base and after: logits of its attribute, or 1 and the correlation of
    the changes of pixels for one that the classifier does not know. `kept` is None where the base's effect is
    too small to judge."""

    name: str
    measure: str  # "logit" or "pixels"
    base: float
    adapted: float

    @property
    def kept(self) -> bool | None:
        if abs(self.base) < WEAK:
            return None
        return self.adapted / self.base >= LOST

    def to_json(self) -> CheckFacts:
        """For the card and the report."""
        return {"measure": self.measure, "base": self.base, "adapted": self.adapted, "kept": self.kept}


def check_directions(
    base: FaceSpace, adapted: FaceSpace, z: np.ndarray, classifier: AttributeClassifier
) -> list[DirectionCheck]:
    """Each direction of the base, applied to latents (N, D) in both spaces; none where the base has no
    directions."""
    try:
        known = base.directions()
    except BundleError:
        return []
    spaces = (base, adapted)
    before = [_Seen.of(space.decode(z), classifier) for space in spaces]
    found = []
    for name in known.names:
        moved = move(z, known, {name: STRENGTH})
        after = [_Seen.of(space.decode(moved), classifier) for space in spaces]
        found.append(_check(name, classifier, before, after))
    return found


class _Seen(NamedTuple):
    """Faces uint8 (N, H, W, C) and the classifier's logits (N, A)."""

    faces: np.ndarray
    logits: np.ndarray

    @classmethod
    def of(cls, faces: np.ndarray, classifier: AttributeClassifier) -> "_Seen":
        return cls(faces, classifier.logits(faces))


def _check(
    name: str, classifier: AttributeClassifier, before: Sequence[_Seen], after: Sequence[_Seen]
) -> DirectionCheck:
    """The check of one direction, whose edit turned the faces `before` of base and adapted space into
    `after`."""
    if name in classifier.names:
        column = classifier.names.index(name)
        effects = [float((new.logits - old.logits)[:, column].mean()) for old, new in zip(before, after)]
        return DirectionCheck(name, "logit", *effects)
    changes = [new.faces.astype(np.float64) - old.faces for old, new in zip(before, after)]
    return DirectionCheck(name, "pixels", 1.0, _correlation(changes[0].ravel(), changes[1].ravel()))


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    length = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / length if length else 0.0


@torch.no_grad()
def prior_change(
    base: FaceSpace, adapted: FaceSpace, count: int, seed: int
) -> tuple[float, np.ndarray, np.ndarray]:
    """The mean absolute change of pixels in [0, 1] of faces of the base's prior, and these faces in the base
    and in the adapted space, uint8 (N, H, W, C)."""
    z = torch.from_numpy(base.sample_latents_batched(count, seed)).to(base.device)
    before, after = images(base.model, z), images(adapted.model, z)
    return float((before - after).abs().mean()), to_uint8(before), to_uint8(after)
