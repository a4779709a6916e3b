"""The figures of an adaptation: errors of the photographs before and after, by networks that are opened once
each. Nothing learns from these."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np

from facespace.core.cards import Card
from facespace.image.pixels import squared_error
from facespace.perception.arcface import IdentityNetwork, open_arcface
from facespace.perception.attributes import AttributeClassifier, load_classifier
from facespace.perception.lpips import SMALLEST, Distance, lpips_if_available
from facespace.space.face_space import FaceSpace


@dataclass(frozen=True)
class Errors:
    """Of the faces that a space shows in place of photographs, means over the faces."""

    mse: float  # of pixels in [0, 1]
    # By networks that the user names; None without them.
    lpips: float | None = None
    identity: float | None = None  # cosine

    def to_json(self) -> Card:
        """The figures that were measured."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class AdaptFigures:
    """Errors of the photographs that were tuned and of those that were held out, if any were."""

    before: Errors
    after: Errors
    held_out_before: Errors | None
    held_out_after: Errors | None
    prior_change: float  # mean absolute change of pixels in [0, 1] of faces of the base's prior
    seconds: Mapping[str, float]  # by stage

    def to_json(self) -> Card:
        """For the card, the report and the terminal."""
        found: Card = {"before": self.before.to_json(), "after": self.after.to_json()}
        if self.held_out_before and self.held_out_after:
            found["held_out_before"] = self.held_out_before.to_json()
            found["held_out_after"] = self.held_out_after.to_json()
        return {**found, "prior_change": self.prior_change, "seconds": dict(self.seconds)}


@dataclass(frozen=True)
class Pictures:
    """Faces uint8 (N, H, W, C): of the photographs, and of the base's prior before and after."""

    originals: np.ndarray
    before: np.ndarray
    after: np.ndarray
    held_out: np.ndarray  # bool (N,)
    prior_before: np.ndarray
    prior_after: np.ndarray


class Networks:
    """The networks that judge an adaptation, each opened when it is first needed."""

    def __init__(self, base: FaceSpace) -> None:
        self.base = base

    @cached_property
    def classifier(self) -> AttributeClassifier:
        """The bundled classifier of attributes."""
        return load_classifier(device=self.base.device)

    @cached_property
    def identity(self) -> IdentityNetwork | None:
        """The recognition network that the user names. Raises UsageError for a file that is none."""
        return open_arcface(self.base.template)

    @cached_property
    def lpips(self) -> Distance | None:
        """LPIPS, where the user names its weights."""
        return lpips_if_available(device=self.base.device)


def measure(
    pictures: Pictures, networks: Networks, change: float, seconds: Mapping[str, float]
) -> AdaptFigures:
    """The figures of an adaptation that took `seconds` and changed faces of the base's prior by `change`."""
    held_out, some = pictures.held_out, bool(pictures.held_out.any())
    return AdaptFigures(
        _errors(pictures, pictures.before, ~held_out, networks),
        _errors(pictures, pictures.after, ~held_out, networks),
        _errors(pictures, pictures.before, held_out, networks) if some else None,
        _errors(pictures, pictures.after, held_out, networks) if some else None,
        change,
        dict(seconds),
    )


def _errors(pictures: Pictures, shown: np.ndarray, rows: np.ndarray, networks: Networks) -> Errors:
    originals, faces = pictures.originals[rows], shown[rows]
    lpips, identity = None, None
    if networks.lpips and min(originals.shape[1:3]) >= SMALLEST:
        lpips = float(networks.lpips(originals, faces).mean())
    if networks.identity:
        identity = float((networks.identity(originals) * networks.identity(faces)).sum(1).mean())
    return Errors(float(squared_error(originals, faces).mean()), lpips, identity)
