"""The operations that the page needs of one space, with arrays as arguments and results. Keeps the statistics
of the space, which a background thread computes, and nothing of what a user does."""

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image

from facespace.core.cards import Card
from facespace.core.console import quiet
from facespace.core.errors import FacespaceError, UsageError, choose
from facespace.core.extras import install_command
from facespace.data.faces import FaceSet, evenly_spaced
from facespace.explorer import statistics
from facespace.explorer.messages import Header
from facespace.explorer.photos import Photos
from facespace.image import animation, grids
from facespace.latent.directions import Directions, Whitening, custom_direction
from facespace.models import locations
from facespace.models.bundle_card import MODEL_PRIOR as OWN
from facespace.models.bundle_card import BundleCard, condition_names, own_settings
from facespace.space.face_space import FaceSpace
from facespace.space.inputs import Given

if TYPE_CHECKING:
    from facespace.perception.attributes import AttributeClassifier

THUMBNAIL = 64  # pixels of the longer side of a face on the map, which can be zoomed
SCORED = 40  # faces by which the usual score of the face detector is measured
UNUSUAL = 5  # percent of faces, whose score is below it
IDLE = 0.25  # seconds without a request after which the background work continues
LOOP_MODES = {"once": {}, "loop": {"loop": True}, "pingpong": {"pingpong": True}}
INTERPOLATIONS = ("linear", "spherical", "geodesic")  # paths of a morph


def short_fingerprint(card: Card | BundleCard) -> str:
    """What the page knows a space by."""
    return str(card["fingerprint"])[:16]


def without_torch() -> dict[str, str]:
    """What the page of a server without torch cannot do, and why."""
    lacks = f"PyTorch, which this server runs without ({install_command('train')})"
    return {
        "edit": f"Keep the person needs a second network and gradients, and so {lacks}.",
        "tune": f"Make it me is a training, and needs {lacks}.",
        "geodesic": f"Geodesic morphs need gradients, and so {lacks}.",
    }


class _Leaving(Exception):
    """The explorer is being closed."""


@dataclass
class _Measured:
    """What is known of the distribution of faces."""

    started: bool = False
    known: statistics.FaceLatents | None = None
    found: statistics.Statistics | None = None
    influence: statistics.Influence | None = None
    usual_score: float | None = None  # of the face detector
    failed: str = ""


class PathSpec(NamedTuple):
    """A path through keyframes. The loop mode says what follows the last keyframe: nothing ("once"), the path
    to the first one ("loop"), or the reversed path ("pingpong")."""

    frames: int
    interpolation: str  # of INTERPOLATIONS
    loop_mode: str  # a key of LOOP_MODES
    easing: str = "linear"  # of each segment, a row of latent.morph.EASINGS


class Engine:
    """One space. Its statistics and its map are those of `faces`, a prepared set; without one see
    statistics.py. A copy that was tuned to a photograph has those of its `base`, whose latents mean the
    same."""

    def __init__(
        self,
        space: FaceSpace,
        name: str,
        faces: FaceSet | None = None,
        fingerprints: Callable[[], Sequence[str]] = tuple,
        base: "Engine | None" = None,
    ) -> None:
        self.space, self.name, self.faces, self._fingerprints = space, name, faces, fingerprints
        self.photos = base.photos if base else Photos(space)
        self._measured = base._measured if base else _Measured()
        self._worker: threading.Thread | None = None
        self._leaving = threading.Event()
        self._touched = -IDLE

    def tuned_to(self, space: FaceSpace) -> "Engine":
        """The engine of a copy of this space that was tuned to a photograph."""
        return Engine(space, self.name, self.faces, self._fingerprints, self)

    @property
    def known(self) -> statistics.FaceLatents | None:
        """Latents of faces, once they are computed."""
        return self._measured.known

    @property
    def found(self) -> statistics.Statistics | None:
        """The distribution of faces, once it is measured."""
        return self._measured.found

    @property
    def influence(self) -> statistics.Influence | None:
        """What each latent changes, once it is measured."""
        return self._measured.influence

    @property
    def usual_score(self) -> float | None:
        """The score of the face detector that 95 % of the space's faces exceed, once it is measured; None
        without the detector."""
        return self._measured.usual_score

    @property
    def failed(self) -> str:
        """Why the space cannot be measured; empty where it can."""
        return self._measured.failed

    @property
    def variational(self) -> bool:
        """Whether the space is a VAE."""
        return self.space.config.bottleneck == "gaussian"

    def start(self) -> None:
        """Starts to compute the statistics, once."""
        if not self._measured.started:
            self._measured.started = True
            self._worker = threading.Thread(
                target=self._measure, name=f"statistics of {self.name}", daemon=True
            )
            self._worker.start()

    def wait(self) -> None:
        """Computes the statistics, and returns when all are there. Raises FacespaceError where that fails."""
        self.start()
        assert self._worker is not None
        self._worker.join()
        if self.failed:
            raise FacespaceError(self.failed)

    def stop(self) -> None:
        """Ends the background work: a thread that runs the network while the process exits would crash it."""
        self._leaving.set()
        if self._worker is not None:
            self._worker.join()

    def touch(self) -> None:
        """A user waits for a reply: the background work pauses for IDLE seconds."""
        self._touched = time.monotonic()

    def _check(self) -> None:
        while not self._leaving.is_set() and (left := self._touched + IDLE - time.monotonic()) > 0:
            self._leaving.wait(left)
        if self._leaving.is_set():
            raise _Leaving

    def _measure(self) -> None:
        made = self._measured
        try:
            self._check()
            self._accelerate()
            made.known = statistics.known_latents(self.space, self.faces, self.variational, self._check)
            made.found = statistics.measure(made.known, self.variational)
            made.usual_score = self._measure_score(made.known.z)
            with quiet():
                made.influence = statistics.measure_influence(self.space, made.known, made.found, self._check)
            self.photos.detect_in_samples(self._check)  # for the first photograph
        except _Leaving:
            pass
        except FacespaceError as error:
            made.failed = str(error)

    def _accelerate(self) -> None:
        """A faster engine where torch's is in use and onnxruntime gains something."""
        if not self.space.has_gradients:
            return
        from facespace.explorer.onnx_engine import accelerated

        self.space = self.space.on_engine(accelerated(self.space.torch_engine))

    def _measure_score(self, z: np.ndarray) -> float | None:
        """A percentile of the scores of some faces, whose latents are among z (N, D)."""
        scores: list[float] = []
        for latent in z[evenly_spaced(np.arange(len(z)), SCORED)]:
            self._check()
            score = self.face_score(latent[None])
            if score is None:
                return None
            scores.append(score)
        return float(np.percentile(scores, UNUSUAL))

    def face_score(self, z: np.ndarray) -> float | None:
        """How sure a face detector is of the face of a latent (1, D); None without the detector."""
        return self.photos.score(self.decode(z)[0])

    @cached_property
    def facts(self) -> Header:
        """The description of the space, which the page shows and needs first."""
        card, space = self.space.card, self.space
        data, recipe = card.get("data", {}), card.get("recipe", {})
        channels, height, width = space.image_shape
        entries = card.get("priors", {})
        priors = {OWN: space.prior_origin(OWN)}
        priors |= {kind: str(entry["origin"]) for kind, entry in entries.items()}
        return {
            "name": self.name,
            "fingerprint": short_fingerprint(card),
            "fingerprints": list(self._fingerprints()),
            "writable": self._writable(),
            "tunable": space.has_gradients and not space.has_codes,
            "latents": space.latent_dim,
            "picture": {"width": width, "height": height, "channels": channels},
            "input": {"width": space.template.width, "height": space.template.height},
            "model": space.config.family,
            "recipe": recipe.get("name", ""),
            "summary": recipe.get("summary", ""),
            "data": source_names(data),
            "faces": data.get("splits", {}).get("train", data.get("faces", 0)),
            "terms": str(data.get("terms") or ""),
            "priors": priors,
            "prior": space.default_prior,
            "sampling": own_settings(card, space.default_prior),
            "conditions": {kind: condition_names(entry) for kind, entry in entries.items()},
            "formats": animation_formats(),
            "unavailable": {} if space.has_gradients else without_torch(),
            "parameters": space.parameter_count,
        }

    def _writable(self) -> bool:
        """Whether the bundle takes directions of one's own."""
        if self.space.card.get("in_memory"):
            return False
        try:
            locations.check_writable(self.space.folder)
        except FacespaceError:
            return False
        return os.access(self.space.folder, os.W_OK)

    def decode(self, z: np.ndarray) -> np.ndarray:
        """Latents (N, D) to faces uint8 (N, H, W, C)."""
        return self.space.decode(z)

    def mean_latent(self) -> np.ndarray:
        """The mean latent, (1, D): of the statistics, or of the prior until these are computed."""
        if self.found is not None:
            return self.found.mean[None]
        return self.space.sample_latents(1, temperature=0.0)

    def random(
        self,
        count: int,
        seed: int,
        truncation: float,
        prior: str,
        conditions: Given = None,
        guidance: float = 1.0,
    ) -> np.ndarray:
        """New latents (count, D); `truncation` is the standard deviation of the draws, relative to the
        prior's. `conditions` and `guidance` are those of `FaceSpace.sample_latents`."""
        return self.space.sample_latents(count, seed, truncation, prior, conditions, guidance)

    def encode(self, picture: np.ndarray, mean_blend: float = 0.0) -> np.ndarray:
        """A picture of the encoder's size, uint8 (H, W, 3), to a latent (1, D), blended with the mean latent
        by a share in [0, 1]."""
        fit = self.space.template
        if picture.shape[:2] != (fit.height, fit.width):
            raise UsageError(
                f"This space encodes {fit.width}×{fit.height} pixels; got "
                f"{picture.shape[1]}×{picture.shape[0]}."
            )
        if fit.channels == 1:
            picture = np.asarray(Image.fromarray(picture).convert("L"))[..., None]
        z = self.space.encode(picture)
        if mean_blend == 0:
            return z.astype(np.float32)
        mean = self.mean_latent()
        return (mean + (1 - mean_blend) * (z - mean)).astype(np.float32)

    @cached_property
    def directions(self) -> Directions:
        """The space's attribute directions, read once. Raises BundleError where it has none."""
        return self.space.directions()

    def scores(self, z: np.ndarray) -> np.ndarray:
        """Attribute scores (N, A) in standard deviations."""
        return np.asarray(self.directions.scores(z), np.float32)

    def add_direction(self, name: str, positive: np.ndarray, negative: np.ndarray) -> None:
        """Stores a user's direction in the bundle, fitted to latents of faces with and without a property."""
        self.space.add_direction(name, positive, negative)
        self.__dict__.pop("directions", None)

    @cached_property
    def classifier(self) -> "AttributeClassifier":
        """The bundled attribute classifier, read once. Raises UsageError without torch."""
        self.space.check_gradients()
        from facespace.perception.attributes import load_classifier

        return load_classifier(device=self.space.device)

    @cached_property
    def whitening(self) -> tuple[Whitening, np.ndarray]:
        """The space's whitening, and the inverse (D, D) of its root."""
        whitening = self.space.whitening()
        return whitening, whitening.inverse

    def fit_direction(self, name: str, positive: np.ndarray, negative: np.ndarray) -> Directions:
        """A user's direction, as add_direction fits it, without storing it."""
        return custom_direction(name, positive, negative, self.whitening[0])

    def path(self, keyframes: np.ndarray, spec: PathSpec) -> np.ndarray:
        """Latents (frames, D) of a path through keyframes (K, D)."""
        loop = choose(LOOP_MODES, spec.loop_mode, "loop mode")
        choose(dict.fromkeys(INTERPOLATIONS), spec.interpolation, "interpolation")
        return self.space.morph_latents(
            keyframes, frames=spec.frames, path=spec.interpolation, easing=spec.easing, **loop
        )

    def map(self, method: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Positions (N, 2) in [0, 1], latents (N, D) and thumbnails (N, h, w, C) decoded by the space."""
        z = self.on_map.z
        if method not in ("pca", "tsne"):
            raise UsageError(f"A map is pca or tsne; got {method!r}.")
        return statistics.lay_out(z, method), z, self.thumbnails

    @property
    def on_map(self) -> statistics.FaceLatents:
        """The faces of the map: encoded faces that are bundled with the space, or a part of those behind its
        statistics. Raises FacespaceError until these are computed."""
        known = self.known
        if self.faces is None and self.space.stored_latents is not None:
            known = statistics.FaceLatents(self.space.stored_latents, None, "encoded faces of its training")
        if known is None:
            raise FacespaceError(self.failed or "The space is still being measured. Try again in a moment.")
        count = statistics.count_for_size(self.space, statistics.MAPPED)
        some = evenly_spaced(np.arange(len(known.z)), count)
        rows = None if known.rows is None else known.rows[some]
        return statistics.FaceLatents(known.z[some], rows, known.origin)

    def labels(self) -> dict[str, list[float]]:
        """The set's attributes of the faces on the map: −1 no, 1 yes, 0 unknown; empty without a set."""
        if self.faces is None or self.on_map.rows is None:
            return {}
        signs = np.nan_to_num(np.sign(self.faces.attributes[self.on_map.rows]))
        return dict(zip(self.faces.attribute_names, signs.T.tolist()))

    @cached_property
    def thumbnails(self) -> np.ndarray:
        """The faces on the map, small: uint8 (N, h, w, C)."""
        faces = self.decode(self.on_map.z)
        _, height, width, _ = faces.shape
        share = THUMBNAIL / max(height, width)
        size = round(width * share), round(height * share)
        small: list[np.ndarray] = []
        for face in faces:
            small.append(np.asarray(grids.to_image(face).resize(size, Image.Resampling.LANCZOS)))
        return np.stack(small)


def animation_formats() -> list[str]:
    """The file formats that an animation can be saved in; MP4 needs ffmpeg."""
    formats = [ending.lstrip(".") for ending in animation.ANIMATIONS]
    try:
        animation.find_ffmpeg()
    except FacespaceError:
        formats.remove("mp4")
    return formats


def source_names(data: Mapping[str, Any]) -> str:
    """Where the faces of a data card come from: of a merged set, the sources of its parts, each once."""
    parts = [str(part.get("source", "")) for part in data.get("parts", [])]
    return ", ".join(dict.fromkeys(parts or [str(data.get("source", ""))]))
