"""FaceSpace: the only door to a trained model, for the command line, the page and notebooks alike. Pictures in,
pictures out; the mathematics is in latent/ and models/, the pixels in image/."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from facespace import bundle
from facespace.console import progress
from facespace.data.faces import FaceSet
from facespace.errors import BundleError, UsageError, check_seed, suggest
from facespace.image import film
from facespace.image.photos import to_rgb
from facespace.image.pixels import to_float, to_uint8
from facespace.latent import directions as finding
from facespace.latent import edit as editing
from facespace.latent import morphs, paths
from facespace.latent.directions import DECORRELATED, Directions, Whitening
from facespace.models.priors import Prior, fitted_prior

BATCH = 64  # faces through the network at a time, so that memory stays flat

Images = Image.Image | np.ndarray | Sequence[Image.Image] | Sequence[np.ndarray]
ON, OFF = "on", "off"  # edits to a target rather than by a strength
SAMPLES = 2_000  # draws from which the spread of latents is told where no faces say it
Given = Mapping[str, float] | None  # attributes that a conditional space is told: > 0 yes, < 0 no; others are unknown


class FaceSpace:
    """A trained face space. Pictures are Pillow images or uint8 arrays (N, H, W, C) of any size and mode, fitted as the
    space's template says; results are uint8 (N, H, W, C) and float32 latents (N, D)."""

    def __init__(self, loaded: bundle.Bundle) -> None:
        self._loaded = loaded
        self.model, self.template, self.card, self.folder = loaded

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every face that the space makes."""
        return self.model.image_shape

    @property
    def latent_dim(self) -> int:
        """D: how many numbers the space keeps of a face."""
        return int(np.prod(self.model.latent_shape))

    @property
    def conditions(self) -> tuple[str, ...]:
        """The attributes that can be given; none unless the space was trained with model.conditions."""
        return self.model.config.conditions

    @property
    def device(self) -> torch.device:
        """Where the model lies."""
        return next(self.model.parameters()).device

    def fit(self, images: Images) -> np.ndarray:
        """Pictures as faces of this space: uint8 (N, H, W, C). Raises UsageError for anything but 8-bit pictures."""
        faces = [self.template.fit(to_rgb(image)) for image in _pictures(images)]
        return np.stack(faces) if faces else np.empty((0, *self._face_shape), np.uint8)

    def target(self, faces: np.ndarray) -> np.ndarray:
        """The part of fitted faces (N, H, W, C) that the space draws: all, or the middle where its images are smaller."""
        _, height, width = self.image_shape
        top, left = (faces.shape[1] - height) // 2, (faces.shape[2] - width) // 2
        return faces[:, top : top + height, left : left + width]

    @torch.inference_mode()
    def encode(self, images: Images, given: Given = None) -> np.ndarray:
        """Posterior means, float32 (N, D)."""
        faces, y = self.fit(images), self._told(given)
        parts = [
            self.model.encode(to_float(part, self.device), y.expand(len(part), -1)).mean for part in _batches(faces)
        ]
        z = torch.cat(parts).flatten(1) if parts else torch.empty(0, self.latent_dim)
        return z.float().cpu().numpy()

    @torch.inference_mode()
    def decode(self, z: np.ndarray | Tensor, given: Given = None) -> np.ndarray:
        """Latents (N, D), or one (D,), to faces uint8 (N, H, W, C). Raises UsageError for another shape or NaN."""
        y, latents = self._told(given), self._latents(z).to(self.device)
        parts = [self._draw(part, y) for part in _batches(latents)]
        return np.concatenate(parts) if parts else np.empty((0, *self._face_shape), np.uint8)

    def prior(self, kind: str | None = None) -> Prior:
        """The prior of that kind that `fit_prior` left in the bundle; without a kind the model's own."""
        return bundle.load_prior(self._loaded, kind) if kind else self.model.prior

    def fit_prior(
        self, faces: FaceSet, kind: str = "mixture", split: str = "train", seed: int = 0, **options: Any
    ) -> dict[str, Any]:
        """Fits a prior to the posterior means of a set's faces and keeps it in the bundle, for `sample(prior=kind)`.
        Attributes are not told. `options` are the kind's own, such as components=10 of a mixture.

        Returns what the card says of it; its `nats` are mean log-densities per latent vector, of this prior and of the
        model's own, on the split and on the validation faces."""
        check_seed(seed)
        prior = fitted_prior(kind, self.latent_dim, options)
        count = len(faces.rows(split))
        if count < 2:
            raise UsageError(f"A prior is fitted to at least 2 faces; {faces.root} has {count} in the split {split!r}.")
        splits = [split] if split in ("validation", "all") else [split, "validation"]
        z = {name: self._means(faces, name) for name in splits if len(faces.rows(name))}
        prior.fit(z[split], seed)
        own = self.model.prior
        nats = {
            name: {
                "fitted": float(prior.log_prob(part).mean()),
                "own": float(own.log_prob(part.to(self.device)).mean()),
            }
            for name, part in z.items()
        }
        facts = {"data": faces.fingerprint, "split": split, "faces": count, "seed": seed, "nats": nats}
        entry = bundle.save_prior(self._loaded, kind, prior, facts)
        self.card["priors"] = {**self.card.get("priors", {}), kind: entry}
        return entry

    def sample_latents(self, n: int, seed: int = 0, temperature: float = 1.0, prior: str | None = None) -> np.ndarray:
        """n latents from a prior, float32 (n, D); the first k are the same for every n ≥ k."""
        if n < 1:
            raise UsageError(f"The number of faces must be at least 1; got {n}.")
        if not 0 <= temperature < 100:
            raise UsageError(f"The temperature must be at least 0 (1 is the prior itself); got {temperature}.")
        check_seed(seed)
        generator = torch.Generator().manual_seed(seed)
        return self.prior(prior).sample(n, temperature, generator).flatten(1).float().cpu().numpy()

    def sample(
        self, n: int = 64, seed: int = 0, temperature: float = 1.0, prior: str | None = None, given: Given = None
    ) -> np.ndarray:
        """n new faces, uint8 (n, H, W, C), from the prior that `space.prior(prior).origin` tells of."""
        return self.decode(self.sample_latents(n, seed, temperature, prior), given)

    def reconstruct(self, images: Images, given: Given = None) -> np.ndarray:
        """What the space keeps of each picture: uint8 (N, H, W, C). Encoded with nothing known and decoded with what is
        given, so that setting an attribute edits the face."""
        return self.decode(self.encode(images), given)

    def latents(self, *keys: Images) -> np.ndarray:
        """Pictures encoded, and latents (N, D) or (D,), arrays of floats, as they are: float32 (N, D), in the order given."""
        groups = [
            self._latents(key).numpy()
            if isinstance(key, np.ndarray) and key.ndim < 3 and key.dtype.kind == "f"
            else self.encode(key)
            for key in keys
        ]
        return np.concatenate(groups) if groups else np.empty((0, self.latent_dim), np.float32)

    def morph(self, *keys: Images, **options: Any) -> np.ndarray:
        """Frames uint8 (frames, H, W, C): the faces of `morph_latents`, which takes the same."""
        return self.decode(self.morph_latents(*keys, **options))

    def morph_latents(
        self,
        *keys: Images,
        frames: int = 60,
        prior: str | None = None,
        distance: film.Distance = film.blurred_distance,
        adjust: morphs.Adjust | None = None,
        **way: Any,
    ) -> np.ndarray:
        """The latents of a morph through 2 to 12 key faces, pictures or latents: float32 (frames, D). The first is the
        first key; the last is the last key, or the one before the first again where the way goes back.

        `way` are the fields of `latent.morphs.Way`: path ("linear", "spherical" about the prior's mean, "dense" bent towards
        where the prior is denser), pace, easing, loop, pingpong. `prior` is a fitted one's kind. An even pace divides the sum
        of `distance` over neighbouring faces equally; it must add up along a path, as a difference does and its square does
        not. `adjust` changes the latents (N, D) of the path, keys and all. Raises UsageError for what cannot be."""
        plan, own = morphs.Way.of(**way), torch.from_numpy(self.latents(*keys))
        segments = plan.segments(len(own))
        walk = plan.walk(own, self.prior(prior), adjust)

        def steps(where: Tensor) -> Tensor:
            faces = self.decode(walk(where))
            return torch.from_numpy(distance(faces[:-1], faces[1:]))

        return self._latents(walk(morphs.places(frames, segments, plan, steps))).numpy()

    def mix(self, terms: Sequence[tuple[Images, float]], prior: str | None = None) -> np.ndarray:
        """The sum of faces by weights, float32 (D,), counted from the prior's mean. A term is pictures or latents, of which
        the mean is taken, and their weight. Raises UsageError for no terms, an empty one, or a weight that is not finite."""
        groups = [self.latents(group) for group, _ in terms]
        weights = [float(weight) for _, weight in terms]
        if not groups or not all(map(len, groups)) or not all(map(math.isfinite, weights)):
            raise UsageError("A mix needs at least one face, faces in every group, and finite weights.")
        means = torch.stack([torch.from_numpy(group).mean(0) for group in groups])
        center = self.prior(prior).mean.to(means)
        return paths.mix(means, weights, center).numpy()

    def directions(self) -> Directions:
        """The directions that `fit_directions` and `add_direction` left in the bundle. Raises BundleError without any."""
        return bundle.load_directions(self._loaded)

    def fit_directions(
        self,
        faces: FaceSet,
        attributes: Sequence[str] = (),
        method: str = DECORRELATED,
        pairs: int | None = None,
        split: str = "train",
        seed: int = 0,
    ) -> Directions:
        """Finds a direction for each of a set's attributes, all or the named ones, from the posterior means of a split, and
        keeps them in the bundle beside older ones of other names. With `pairs` each is found from so many faces that
        have the attribute and so many that lack it, drawn at random. METHODS in latent/directions.py has the methods.

        Their facts have the AUC on validation faces, else on test ones. Raises UsageError for an unknown attribute or method,
        or too few faces."""
        check_seed(seed)
        z = self._means(faces, split).numpy().astype(np.float64)
        others = next((name for name in ("validation", "test") if name != split and len(faces.rows(name))), None)
        held_out = self._means(faces, others).numpy() if others else None
        found = finding.find_all(z, faces.signs(split), faces.attribute_names, attributes, method, pairs, seed)
        told = {"data": faces.fingerprint, "split": split, "pairs": pairs, "seed": seed, "auc_of": others}
        aucs: Mapping[str, float | None] = {}
        if others and held_out is not None:
            columns = [faces.attribute_names.index(name) for name in found.names]
            aucs = finding.auc(found, held_out, faces.signs(others)[:, columns])
        facts = {name: {**found.facts[name], "auc": aucs.get(name), **told} for name in found.names}
        return self._keep(replace(found, facts=facts))

    def fit_components(self, faces: FaceSet, count: int = 16, split: str = "train") -> Directions:
        """The first principal components of the posterior means of a split, kept in the bundle as PC1, PC2 …"""
        return self._keep(finding.components(self._means(faces, split).numpy(), count))

    def add_direction(self, name: str, having: np.ndarray, lacking: np.ndarray) -> Directions:
        """A direction of one's own, from latents (N, D) of at least 5 faces with something and of 5 without it, kept in the
        bundle. Raises UsageError for fewer, or a name that is no word."""
        if not name.strip() or set(name) & set("=,:"):
            raise UsageError(f"A direction's name is a word without = , and :, such as squint; got {name!r}.")
        return self._keep(finding.own_direction(name, having, lacking, self.whitening()))

    def edit(
        self,
        z: np.ndarray,
        edits: Mapping[str, float | str],
        lock: Sequence[str] = (),
        judge: editing.ImageJudge | None = None,
    ) -> np.ndarray:
        """Latents (N, D) with attributes changed, float32 (N, D): by a strength in standard deviations, or to "on" or "off".
        Locked attributes stay as they are: their scores along the way, and with a `judge`, what it sees of them.

        "on" is the mean score of faces that have the attribute; with a judge, such as an attribute network, it is the
        nearest face in which the judge sees the attribute. Raises UsageError for unknown names, an attribute that is
        both edited and locked, locks that leave nothing; BundleError for a space without directions."""
        z = np.atleast_2d(np.asarray(z, np.float32))
        goals = {name: value == ON for name, value in edits.items() if value in (ON, OFF)}
        strengths: dict[str, float | np.ndarray] = {
            name: _number(name, value) for name, value in edits.items() if name not in goals
        }
        if strengths or not judge:
            known = self.directions()
            editing.check_locks(known, edits if not judge else strengths, lock)
            if not judge:
                for name, on in goals.items():
                    level = float(known.facts[name].get(ON if on else OFF, 0.0))
                    strength = editing.to_level(z, known, name, level, lock)
                    # A face beyond the level stays as it is.
                    strengths[name] = strength.clip(0, None) if on else strength.clip(None, 0)
            z = editing.move(z, known, strengths, lock)
        if goals and judge:
            z = editing.reach(z, self.judged(judge), goals, lock, self.whitening().root)
        return z

    def refine(self, images: Images, z: np.ndarray, steps: int = 50) -> np.ndarray:
        """Latents (N, D), those of pictures, moved so that the decoded faces come nearer to these in squared error: what
        the encoder missed in its one look. No face gets worse. Raises UsageError for fewer than one step."""
        if steps < 1:
            raise UsageError(f"Latents are refined in at least 1 step; got {steps}.")
        goal = to_float(self.target(self.fit(images)), self.device)
        return editing.refine(z, goal, self._image, self.whitening().root, steps)

    def whitening(self) -> Whitening:
        """How far encoded faces spread in each direction: from the faces that directions were found in, else from draws of
        the space's own prior."""
        try:
            return self.directions().whitening
        except BundleError:
            return finding.whitening_of(self.sample_latents(SAMPLES))

    def _keep(self, found: Directions) -> Directions:
        try:
            older = self.directions()
        except BundleError:
            older = None
        bundle.save_directions(self._loaded, merged := finding.merged(older, found))
        return merged

    def judged(self, judge: editing.ImageJudge) -> editing.Judge:
        """What sees attributes in images, as what sees them in this space's latents."""
        return editing.Judge(judge.names, lambda z: judge.see(self._image(z)))

    def _image(self, z: Tensor) -> Tensor:
        """Latents (N, D) to mean images (N, C, H, W) in [0, 1], with gradients; a conditional space is told nothing."""
        y = self._told(None)
        return self.model.decode(z.reshape(-1, *self.model.latent_shape), y.expand(len(z), -1))

    def _means(self, faces: FaceSet, split: str) -> Tensor:
        """Posterior means of a split, (N, D), in batches straight from the disk."""
        rows, parts = faces.rows(split), []
        with progress(len(rows), f"Encoding {split}", "faces") as advance:
            for part in _batches(rows):
                parts.append(torch.from_numpy(self.encode(faces.images[part])))
                advance(len(part))
        return torch.cat(parts)

    def _latents(self, z: np.ndarray | Tensor) -> Tensor:
        """Latents (N, D), or one (D,), as float32 (N, D). Raises UsageError for another shape or numbers that are none."""
        latents = torch.as_tensor(np.asarray(z, dtype=np.float32))
        latents = latents[None] if latents.dim() == 1 else latents
        if latents.dim() != 2 or latents.shape[1] != self.latent_dim:
            raise UsageError(
                f"These latents are {tuple(np.shape(z))}; this space takes (N, {self.latent_dim}). "
                "Were they encoded by another space?"
            )
        if not torch.isfinite(latents).all():
            raise UsageError("These latents hold numbers that are not finite, which no face has.")
        return latents

    def _draw(self, z: Tensor, y: Tensor) -> np.ndarray:
        """Latents (B, D), all told the same attributes (A,), to faces uint8 (B, H, W, C)."""
        return to_uint8(self.model.decode(z.reshape(-1, *self.model.latent_shape), y.expand(len(z), -1)))

    def _told(self, given: Given) -> Tensor:
        """Attributes (A,) in the order of the conditions, NaN where nothing is said."""
        if given and not self.conditions:
            raise UsageError(
                "This space was trained without attributes, so none can be given. Train one that is told them: facespace "
                f"train RECIPE --data SET --to RUN --set model.conditions={','.join(given)}"
            )
        y = torch.full((len(self.conditions),), torch.nan, device=self.device)
        for name, value in (given or {}).items():
            if name not in self.conditions:
                raise UsageError(f"This space is not told of {name!r}. {suggest(name, self.conditions)}")
            y[self.conditions.index(name)] = _number(name, value)
        return y

    @property
    def _face_shape(self) -> tuple[int, int, int]:
        channels, height, width = self.image_shape
        return height, width, channels


def load(space: Path | str, device: torch.device | str = "cpu") -> FaceSpace:
    """Opens a run's folder (its best bundle) or a bundle's. Raises BundleError where it is missing or damaged."""
    return FaceSpace(bundle.load(space, device))


def describe(space: FaceSpace) -> dict[str, Any]:
    """The facts of a space that every verb reports."""
    return {"space": str(space.folder), "fingerprint": space.card["fingerprint"][:16], "latent_dim": space.latent_dim}


def _pictures(images: Images) -> list[Image.Image]:
    if isinstance(images, Image.Image):
        return [images]
    if isinstance(images, np.ndarray):
        if images.dtype != np.uint8 or images.ndim not in (3, 4) or images.shape[-1] not in (1, 3):
            raise UsageError(f"Faces are uint8 arrays (N, H, W, C) with C 1 or 3; got {images.dtype} {images.shape}.")
        stack = images[None] if images.ndim == 3 else images
        return [Image.fromarray(face[..., 0] if face.shape[-1] == 1 else face) for face in stack]
    return [picture for image in images for picture in _pictures(image)]


def _number(name: str, value: Any) -> float:
    """A given value, which must fit 32 bits; True and False say yes and no as signs do."""
    try:
        number = float(2 * value - 1 if isinstance(value, bool) else value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not abs(number) < torch.finfo(torch.float32).max:
        raise UsageError(f"{name} is given as a finite number, such as 1 for yes and -1 for no; got {value!r}.")
    return number


def _batches(items):
    return [items[start : start + BATCH] for start in range(0, len(items), BATCH)]
