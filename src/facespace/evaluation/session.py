"""The inputs of a measurement: a space and the faces of a set, checked and encoded once; for `facespace
evaluate` also the networks and options that its parts share."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from facespace.core.console import progress
from facespace.core.errors import UsageError
from facespace.core.large_arrays import joined
from facespace.core.version import __version__
from facespace.data.faces import FaceSet, batches, evenly_spaced
from facespace.image.photos import Template
from facespace.image.pixels import to_float
from facespace.models.locations import place_of
from facespace.models.posteriors import Gaussian
from facespace.perception.arcface import IdentityNetwork
from facespace.perception.inception import Features
from facespace.perception.lpips import Distance
from facespace.space.face_space import FaceSpace, load
from facespace.space.reduced import ReducedSpace
from facespace.space.set_faces import SetFaces

FEWEST = 2  # faces of a session
SELECTION = "evenly spaced"  # how the faces of a split are selected


class Encoded(NamedTuple):
    """Posteriors of N faces; an autoencoder has neither variances nor a KL."""

    mean: np.ndarray  # (N, D)
    variance: np.ndarray | None  # (N, D)
    kl: np.ndarray | None  # (N, D) nats


@dataclass(frozen=True)
class SpaceIdentity:
    """The space of a session. The fields here and below are keys of the JSON that a measurement writes."""

    folder: str
    recipe: str | None
    fingerprint: str
    image: list[int]  # C, H, W
    latents: int


@dataclass(frozen=True)
class SetIdentity:
    """The set of a session."""

    source: str
    size: list[int]  # (height, width) in pixels
    channels: int
    crop: str
    fingerprint: str
    folder: str


@dataclass(frozen=True)
class SessionProtocol:
    """What is needed to reproduce the results: the space, the set, and the selection of faces."""

    facespace: str
    space: SpaceIdentity
    set: SetIdentity
    split: str
    faces: int
    selection: str


class EvaluationSession:
    """A space and at most `count` faces of a split, evenly spaced. A conditional space is used without a
    condition.

    Raises UsageError if the set has another crop than the faces that the space was trained on, because the
    results would measure the crop and not the space; `any_crop` permits it, for a caller who reports the
    difference. With `size` decoded faces and originals are compared in that height (ReducedSpace)."""

    def __init__(
        self,
        space: FaceSpace | Path | str | None,
        faces: FaceSet | Path | str,
        split: str,
        count: int | None,
        any_crop: bool = False,
        size: int | None = None,
    ) -> None:
        if count is not None and count < FEWEST:
            raise UsageError(f"--count must be at least {FEWEST}, since variances are measured; got {count}.")
        opened = space if isinstance(space, FaceSpace) else load(space)
        prepared = opened.as_prepared()
        self.space = prepared if size is None else ReducedSpace(prepared, size)
        selected = SetFaces(self.space, faces, split, count, any_crop)
        self.faces, self.split, self.rows = selected.set, split, selected.rows
        if len(self.rows) < FEWEST:
            raise UsageError(
                f"{self.faces.place} has {len(self.rows)} faces in the split {split!r}, and at least "
                f"{FEWEST} are needed: {self.faces.card['splits']}."
            )

    def pixels(self, rows: np.ndarray) -> np.ndarray:
        """Those faces of the set in the size and colour of the encoder's input, uint8 (N, H, W, C)."""
        return self.space.fit(self.faces.images[rows])

    def protocol(self) -> SessionProtocol:
        """What is needed to reproduce the results."""
        space, card = self.space, self.faces.card
        return SessionProtocol(
            facespace=__version__,
            space=SpaceIdentity(
                folder=place_of(space.folder),
                recipe=(space.card.get("recipe") or {}).get("name"),
                fingerprint=space.card["fingerprint"],
                image=list(space.image_shape),
                latents=space.latent_dim,
            ),
            set=SetIdentity(
                source=card["source"],
                size=card["size"],
                channels=card["channels"],
                crop=card["crop"],
                fingerprint=card["fingerprint"],
                folder=self.faces.place,
            ),
            split=self.split,
            faces=len(self.rows),
            selection=SELECTION,
        )

    @property
    def template(self) -> Template:
        """The template in the size of `originals`."""
        return self.space.target_template

    @cached_property
    def originals(self) -> np.ndarray:
        """The selected faces as they are compared: as `space.decode` makes them, uint8 (N, H, W, C)."""
        return self.targets(self.rows)

    def targets(self, rows: np.ndarray) -> np.ndarray:
        """Those faces of the set as they are compared, uint8 (N, H, W, C)."""
        if not len(rows):
            return self.space.target(self.pixels(rows))
        return joined((self.space.target(self.pixels(part)) for part in batches(rows)), len(rows))

    @cached_property
    @torch.inference_mode()
    def encoded(self) -> Encoded:
        """The posteriors of the selected faces."""
        model = self.space.model.eval()
        mean, variance, kl = [], [], []
        with progress(len(self.rows), "Encoding", "faces") as advance:
            for part in batches(self.rows):
                posterior = model.encode(to_float(self.pixels(part), self.space.device))
                mean.append(_matrix(posterior.mean))
                if isinstance(posterior, Gaussian):
                    variance.append(_matrix(posterior.log_var.exp()))
                    kl.append(_matrix(posterior.kl_per_latent()))
                advance(len(part))
        if not variance:
            return Encoded(np.concatenate(mean), None, None)
        return Encoded(np.concatenate(mean), np.concatenate(variance), np.concatenate(kl))

    @cached_property
    def reconstructions(self) -> np.ndarray:
        """The decoded posterior means, uint8 (N, H, W, C)."""
        return self.space.decode(self.encoded.mean)


@dataclass
class Evaluation:
    """One run of `facespace evaluate`: its session, networks and options, and the results of the parts
    measured so far."""

    session: EvaluationSession
    sample_count: int
    lpips: Distance | None
    identity: IdentityNetwork | None
    prior: str
    temperature: float
    bound: int  # importance samples k of the likelihood bound; 0: none
    seed: int
    features: Features | None = None
    left_out: list[str] = field(default_factory=list)  # a sentence for each quantity that was not measured
    results: dict[str, object] = field(default_factory=dict)  # name of a part -> its result
    secondary_distances: bool = True  # whether reconstructions and midpoints get FID and KID too
    reconstruction_fid: float | None = None  # of reconstructions, for comparison with samples

    @cached_property
    def samples(self) -> np.ndarray:
        """New faces from the prior, uint8 (N, H, W, C)."""
        return draw_samples(self.session.space, self.sample_count, self.seed, self.temperature, self.prior)

    @property
    def secondary_features(self) -> Features | None:
        """The feature network for the distances of reconstructions and midpoints."""
        return self.features if self.secondary_distances else None

    @property
    def reference(self) -> np.ndarray:
        """As many of the selected faces, evenly spaced, as there are samples: uint8 (N, H, W, C)."""
        return self.session.originals[evenly_spaced(np.arange(len(self.session.rows)), self.sample_count)]

    def real(self, split: str, count: int) -> np.ndarray:
        """At most `count` faces of another split, in the size and colour of `session.originals`."""
        rows = evenly_spaced(self.session.faces.rows(split), count)
        return self.session.targets(rows)


def draw_samples(
    space: FaceSpace, n: int, seed: int = 0, temperature: float = 1.0, prior: str | None = None
) -> np.ndarray:
    """n new faces, uint8 (n, H, W, C), with the model in eval mode: batch norm in train mode normalises
    samples by each other, so that a published FID of 4.4 was in truth 25.9."""
    space.model.eval()
    return space.decode(space.sample_latents_batched(n, seed, prior, temperature))


def _matrix(x: torch.Tensor) -> np.ndarray:
    """(B, …) as float32 (B, D) on the CPU."""
    return x.flatten(1).float().cpu().numpy()
