"""One adaptation in memory: inversion, then tuning, each of which reports its progress and can be stopped,
then a space that shares nothing with the base but its files. Writes nothing."""

import time
from dataclasses import dataclass, replace
from typing import NamedTuple, TypedDict

import numpy as np
import torch
from torch import Tensor

from facespace.adaptation.inversion import PASSES, can_refine, encode, invert
from facespace.adaptation.plan import MINUTES, AdaptPlan, plan_for
from facespace.adaptation.progress import OnStep, Stop, ignore, never
from facespace.adaptation.tuning import Tuner, TunerState
from facespace.core.errors import UsageError, check_seed
from facespace.image.pixels import to_float
from facespace.models import LatentModel
from facespace.models.bundle import Bundle
from facespace.models.bundle_card import BundleCard
from facespace.space.face_loss import FaceLoss
from facespace.space.face_space import FaceSpace
from facespace.space.inputs import Images


class Tuned(NamedTuple):
    """A tuned space in memory and the latents (N, D) at which it shows the photographs, float32."""

    space: FaceSpace
    latents: np.ndarray


class AdapterState(TypedDict):
    """What another process needs to go on."""

    seconds: dict[str, float]
    pivots: Tensor | None
    tuner: TunerState | None


@dataclass
class Adapter:
    """Adapts a space to faces uint8 (N, H, W, C) of the size that it takes (`FaceSpace.fit`). Call `invert`,
    then `tune`, then `result`; between two steps `state` holds all that another process needs to go on."""

    base: FaceSpace
    faces: np.ndarray
    plan: AdaptPlan
    seed: int = 0

    def __post_init__(self) -> None:
        check_seed(self.seed)
        check_base(self.base)
        self.loss = FaceLoss(self.base, self.plan.perceptual, self.plan.center)
        self.seconds = {"inversion": 0.0, "tuning": 0.0}
        self.pivots: Tensor | None = None  # (N, D), once inversion is done
        self._tuner: Tuner | None = None
        self._restored: TunerState | None = None
        count = len(self.faces)
        held_out = round(self.plan.held_out * count)
        # Evenly spaced, from the middle of each part.
        places = ((np.arange(held_out) + 0.5) * count / max(held_out, 1)).astype(int)
        self.held_out = np.isin(np.arange(count), places)  # (N,) bool

    def invert(self, on_step: OnStep = ignore, stop: Stop = never) -> None:
        """Finds the latents of all faces, unless a restored state has them."""
        if self.pivots is not None:
            return
        start = time.monotonic()
        x = to_float(self.faces, self.base.device)
        first = encode(self.base.model, x)
        root = self.base.whitening().root
        goals = self.base.target(self.faces)
        found = invert(self.base, goals, first, root, self.loss, self.plan, on_step, stop)
        self.seconds["inversion"] += time.monotonic() - start
        self.pivots = found

    def tune(self, on_step: OnStep = ignore, stop: Stop = never) -> None:
        """Tunes a copy of the base's model to the faces that are not held out, to the end or until `stop`."""
        start = time.monotonic()
        self.tuner.run(on_step, stop)
        self.seconds["tuning"] += time.monotonic() - start

    @property
    def tuner(self) -> Tuner:
        """The tuning, which starts or goes on with `tune`. Call `invert` first."""
        if self._tuner is None:
            if self.pivots is None:
                raise UsageError(
                    "Call Adapter.invert before Adapter.tune: tuning needs the latents it finds."
                )
            kept = torch.from_numpy(~self.held_out)
            faces, held_out = self.faces[~self.held_out], self.faces[self.held_out]
            pivots = self.pivots[kept]
            self._tuner = Tuner(self.base, faces, pivots, self.loss, self.plan, self.seed, held_out)
            if self._restored:
                self._tuner.restore(self._restored)
        return self._tuner

    def result(self) -> Tuned:
        """The tuned space and the photographs' latents in it: pivots of those that were tuned, encodings of
        those that were held out."""
        model = self.tuner.model
        space = in_memory(self.base, model)
        assert self.pivots is not None
        latents = self.pivots.cpu().numpy().copy()
        if self.held_out.any():
            latents[self.held_out] = space.encode(self.faces[self.held_out])
        return Tuned(space, latents)

    def state(self) -> AdapterState:
        """Tensors and numbers to go on from, for `restore`."""
        tuner = None if self._tuner is None else self._tuner.state()
        return {"seconds": self.seconds, "pivots": self.pivots, "tuner": tuner}

    def restore(self, state: AdapterState) -> None:
        """Goes on from the state of another adapter with the same faces, plan, base and seed."""
        self.seconds, self.pivots = dict(state["seconds"]), state["pivots"]
        self._restored = state["tuner"]


def personalize(
    space: FaceSpace,
    photos: Images,
    *,
    seed: int = 0,
    minutes: float = MINUTES,
    on_step: OnStep = ignore,
    stop: Stop = never,
) -> Tuned:
    """A copy of a space, in memory alone, that is tuned to a few photographs, and their latents in it,
    float32 (N, D). `photos` are pictures or arrays as `FaceSpace.encode` takes them. `on_step` is called
    after each step; once `stop()` is True, the result is the best so far. Priors and directions of the space
    stay valid. Raises UsageError for no photographs and for a space that cannot be tuned."""
    faces = space.fit(photos)
    if not len(faces):
        raise UsageError("A space is tuned to at least one photograph.")
    adapter = Adapter(space, faces, plan_for(len(faces), minutes), seed)
    adapter.invert(on_step, stop)
    adapter.tune(on_step, stop)
    return adapter.result()


def check_base(space: FaceSpace) -> None:
    """Raises UsageError for a space whose latents are codes, which have no gradients to follow."""
    if space.model.code_grids:
        raise UsageError(
            f"{space.folder} has latents of codes (model.bottleneck=vq), which cannot be optimised. Adapt a "
            "space with continuous latents, such as the default one, or train on: facespace train "
            "--from SPACE"
        )


def in_memory(base: FaceSpace, model: LatentModel) -> FaceSpace:
    """A space of another model with the template, card, priors and directions of the base, which stay where
    they are; nothing can be written to it. Several passes encode its photographs, if the model can."""
    if can_refine(model):
        model.config = replace(model.config, refinement_steps=PASSES)
    card: BundleCard = {**base.card, "in_memory": True}
    return FaceSpace(Bundle(model.eval(), base.template, card, base.folder))
