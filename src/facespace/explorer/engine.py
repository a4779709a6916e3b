"""What the page can ask of one space, as arrays in and arrays out. Keeps the space's figures, which a thread works out
after the start, and nothing of what a person does."""

import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from facespace.core.console import quiet
from facespace.core.errors import FacespaceError, UsageError, choose
from facespace.data.faces import FaceSet, evenly_spaced
from facespace.explorer import statistics
from facespace.explorer.photos import Photos
from facespace.image import animation, grids
from facespace.latent.directions import Directions
from facespace.models.bundle import OWN
from facespace.space.face_space import FaceSpace

THUMB = 40  # pixels of the longer side of a face on the map
MOST_FRAMES = 300
REST = 0.25  # seconds without a request before the work in the background goes on


class _Leaving(Exception):
    """The explorer is being closed."""


class Engine:
    """One space. `faces` is a prepared set that its figures and map are taken from; without it see statistics.py."""

    def __init__(self, space: FaceSpace, name: str, faces: FaceSet | None = None) -> None:
        self.space, self.name, self.faces = space, name, faces
        self.photos = Photos(space)
        self.known: statistics.Known | None = None
        self.found: statistics.Statistics | None = None
        self.influence: statistics.Influence | None = None
        self.failed = ""
        self._worker: threading.Thread | None = None
        self._leaving = threading.Event()
        self._touched = -REST

    @property
    def variational(self) -> bool:
        """Whether the space is a VAE."""
        return self.space.model.config.bottleneck == "gaussian"

    def start(self) -> None:
        """Begins to work out the figures, once."""
        if self._worker is None:
            self._worker = threading.Thread(target=self._measure, name=f"figures of {self.name}", daemon=True)
            self._worker.start()

    def stop(self) -> None:
        """Ends that work: a thread inside the network when the process leaves would take it down with a crash."""
        self._leaving.set()
        if self._worker is not None:
            self._worker.join()

    def touch(self) -> None:
        """A person is waiting for an answer: the work in the background rests for a moment."""
        self._touched = time.monotonic()

    def _check(self) -> None:
        while not self._leaving.is_set() and (left := self._touched + REST - time.monotonic()) > 0:
            self._leaving.wait(left)
        if self._leaving.is_set():
            raise _Leaving

    def _measure(self) -> None:
        try:
            self.known = statistics.known_latents(self.space, self.faces, self._check)
            self.found = statistics.measure(self.known, self.variational)
            with quiet():
                self.influence = statistics.measure_influence(self.space, self.known, self.found, self._check)
            self.photos.look_ahead(self._check)  # of the first photograph
        except _Leaving:
            pass
        except FacespaceError as error:
            self.failed = str(error)

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What the page says of the space and needs before anything else."""
        card, space = self.space.card, self.space
        data, recipe = card.get("data", {}), card.get("recipe", {})
        channels, height, width = space.image_shape
        priors = {OWN: space.model.prior.origin} | {
            k: str(e["origin"]) for k, e in card.get("priors", {}).items()
        }
        return {
            "name": self.name,
            "fingerprint": card["fingerprint"][:16],
            "latents": space.latent_dim,
            "picture": {"width": width, "height": height, "channels": channels},
            "input": {"width": space.template.width, "height": space.template.height},
            "model": self.space.model.config.family,
            "recipe": recipe.get("name", ""),
            "summary": recipe.get("summary", ""),
            "data": data.get("source", ""),
            "faces": data.get("splits", {}).get("train", data.get("faces", 0)),
            "terms": str(data.get("terms") or ""),
            "priors": priors,
            "prior": space.usual_prior,
            "formats": _forms(),
            "parameters": sum(part.numel() for part in space.model.parameters()),
        }

    def decode(self, z: np.ndarray) -> np.ndarray:
        """Latents (N, D) to faces uint8 (N, H, W, C)."""
        return self.space.decode(z)

    def mean_latent(self) -> np.ndarray:
        """The middle of the space, (1, D): of its figures, or of its prior until they are there."""
        if self.found is not None:
            return self.found.mean[None]
        return self.space.sample_latents(1, temperature=0.0)

    def random(self, count: int, seed: int, temperature: float, prior: str) -> np.ndarray:
        """New latents (count, D)."""
        return self.space.sample_latents(count, seed, temperature, prior)

    def encode(self, picture: np.ndarray, trust: float = 1.0) -> np.ndarray:
        """A picture of the encoder's size, uint8 (H, W, 3), to a latent (1, D), moved towards the middle of the space
        as far as it is not trusted."""
        fit = self.space.template
        if picture.shape[:2] != (fit.height, fit.width):
            raise UsageError(
                f"This space encodes {fit.width}×{fit.height} pixels; got {picture.shape[1]}×{picture.shape[0]}."
            )
        image = Image.fromarray(picture)
        z = self.space.encode(np.asarray(image.convert("L"))[..., None] if fit.channels == 1 else picture)
        middle = self.mean_latent() if trust < 1 else z
        return (middle + trust * (z - middle)).astype(np.float32)

    @cached_property
    def directions(self) -> Directions:
        """The space's attribute directions, read once. Raises BundleError where it has none."""
        return self.space.directions()

    def scores(self, z: np.ndarray) -> np.ndarray:
        """Attribute scores (N, A) in standard deviations."""
        return np.asarray(self.directions.scores(z), np.float32)

    def edit(self, z: np.ndarray, changes: Mapping[str, float], lock: Sequence[str]) -> np.ndarray:
        """Latents (N, D) after the changes, in standard deviations, with the locked attributes held."""
        return self.space.edit(z, dict(changes), lock=list(lock))

    def add_direction(self, name: str, having: np.ndarray, lacking: np.ndarray) -> None:
        """Keeps a direction of one's own in the bundle, from latents with and without the property."""
        self.space.add_direction(name, having, lacking)
        self.__dict__.pop("directions", None)

    def path(self, keys: np.ndarray, frames: int, along: str, turn: str) -> np.ndarray:
        """Latents (frames, D) through the keys (K, D); `turn` says what comes after the last one: nothing ("once"), the
        way to the first ("loop"), or the way back ("back")."""
        ways = {"once": {}, "loop": {"loop": True}, "back": {"pingpong": True}}
        way = choose(ways, turn, "turn")
        return self.space.morph_latents(keys, frames=frames, path=along, **way)

    def film(self, keys: np.ndarray, frames: int, along: str, turn: str, fps: float, form: str) -> bytes:
        """A morph as a file of that form."""
        choose(dict.fromkeys(_forms()), form, "form of a film")
        faces = self.decode(self.path(keys, frames, along, turn))
        with tempfile.TemporaryDirectory(prefix="facespace-") as folder:
            file = Path(folder) / f"morph.{form}"
            animation.save_animation(faces, file, fps=fps)
            return file.read_bytes()

    def map(self, method: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Places (N, 2) in [0, 1], latents (N, D) and thumbnails (N, h, w, C), all drawn by the space."""
        z = self.on_map.z
        if method not in ("pca", "tsne"):
            raise UsageError(f"A map is pca or tsne; got {method!r}.")
        return statistics.lay_out(z, method), z, self.thumbnails

    @property
    def on_map(self) -> statistics.Known:
        """What the map shows: encoded faces that came with the space, or some of those that its figures are from. Raises
        FacespaceError until they are known."""
        encoded = self.space.encoded if self.faces is None else None
        known = (
            self.known
            if encoded is None
            else statistics.Known(encoded, None, "encoded faces of its training")
        )
        if known is None:
            raise FacespaceError(self.failed or "The space is still being measured. Try again in a moment.")
        some = evenly_spaced(np.arange(len(known.z)), statistics.affordable(self.space, statistics.MAPPED))
        return statistics.Known(known.z[some], None if known.rows is None else known.rows[some], known.origin)

    def labels(self) -> dict[str, list[float]]:
        """Of the faces on the map: the set's attributes, −1, 0 for unknown or 1; empty where no set was named."""
        if self.faces is None or self.on_map.rows is None:
            return {}
        signs = np.nan_to_num(np.sign(self.faces.attributes[self.on_map.rows]))
        return {name: signs[:, place].tolist() for place, name in enumerate(self.faces.attribute_names)}

    @cached_property
    def thumbnails(self) -> np.ndarray:
        """The faces on the map, small: uint8 (N, h, w, C)."""
        faces = self.decode(self.on_map.z)
        share = THUMB / max(faces.shape[1:3])
        size = round(faces.shape[2] * share), round(faces.shape[1] * share)
        small = [np.asarray(grids.to_image(face).resize(size, Image.Resampling.LANCZOS)) for face in faces]
        return np.stack(small)


def _forms() -> list[str]:
    """The kinds of file that a film can be saved as here; MP4 needs ffmpeg."""
    try:
        animation.find_ffmpeg()
        return [ending.lstrip(".") for ending in animation.ANIMATIONS]
    except FacespaceError:
        return [ending.lstrip(".") for ending in animation.ANIMATIONS if ending != ".mp4"]
