"""FaceSpace: the only way to a trained model, for the command line, the page and notebooks alike. Pictures
in, pictures out; the mathematics is in latent/ and models/, the pixels in image/."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facespace.core.cards import Card
from facespace.core.errors import BundleError, UsageError, check_seed, suggest
from facespace.core.locks import WAIT, writing
from facespace.data.faces import BATCH_SIZE, FaceSet
from facespace.image.pixels import to_float
from facespace.latent import directions as finding
from facespace.latent import edit as editing
from facespace.latent import morph as morphing
from facespace.latent import paths, strengths
from facespace.latent.directions import DECORRELATED, Directions, Whitening
from facespace.models import array_bundle, bundle, fitted, locations
from facespace.models.bundle_card import MODEL_PRIOR as OWN
from facespace.space import direction_fitting, rejection
from facespace.space.base import BaseSpace
from facespace.space.inputs import Given, Images, check_latents, number
from facespace.space.noise_paths import array_noise_paths, has_noise, noise_paths
from facespace.space.onnx_codec import OnnxCodec
from facespace.space.rejection import check_keep
from facespace.space.set_faces import check_crop

if TYPE_CHECKING:
    import torch

    from facespace.image.animation import Distance
    from facespace.space import closed_loop

ON, OFF = "on", "off"  # edits to a target rather than by a strength
SAMPLES = 2_000  # samples from which the covariance of latents is estimated without encoded faces


class FaceSpace(BaseSpace):
    """A trained face space. Pictures are Pillow images or uint8 arrays (N, H, W, C) of any size and mode,
    fitted by the space's template; results are uint8 (N, H, W, C) and float32 latents (N, D)."""

    # The directions, and the time at which the card that names them was written.
    _read: tuple[bundle.Written | None, Directions] | None = None

    def fit_prior(
        self,
        faces: FaceSet | Path | str,
        kind: str | None = None,
        split: str = "train",
        seed: int = 0,
        mirror: bool = False,
        conditions: Sequence[str] | None = None,
        **options: Any,
    ) -> Card:
        """Fits a prior to the posterior means of a set's faces and keeps it in the bundle, for
        `sample(prior=kind)`: a flow unless another kind is named, or a mixture where `components` are. With
        `mirror` also to those of their mirror images. A flow can draw faces with `conditions`, attributes of
        the set: all that enough faces have and lack unless some are named, none for (). `options` are the
        kind's own, such as components=10 of a mixture.

        Returns its card entry, with the figures of `models.prior_fit`: `nats` are mean log-densities per
        latent vector, of this prior and of the model's own, on the split and on the validation faces; small
        `nearest` distances of new latents show copies. Raises UsageError for a set of another crop, fewer
        than 2 faces, and unknown names."""
        from facespace.space import prior_fitting

        check_seed(seed)
        locations.check_writable(self.folder)
        opened = self._open_set(faces)
        prior, facts = prior_fitting.fit(self, opened, kind, split, seed, mirror, conditions, options)
        entry = fitted.save_prior(self._loaded, facts["kind"], prior, facts)
        self.card["priors"] = bundle.card_of(self.folder).get("priors", {})
        return {**entry}

    def sample(
        self,
        n: int = 64,
        seed: int = 0,
        temperature: float = 1.0,
        prior: str | None = None,
        conditions: Given = None,
        guidance: float = 1.0,
        keep: float = 1.0,
        score: rejection.Score | None = None,
    ) -> np.ndarray:
        """n new faces, uint8 (n, H, W, C), from the prior that `space.prior(prior).origin` describes.
        Attributes that are `given` condition the prior where it has them, and the decoder where the space was
        trained with conditions.

        With `keep` below 1, n / keep faces are decoded, and those with the highest `score` are kept, in their
        order: images (N, C, H, W) in [0, 1] to (N,), such as that of `load_discriminator(folder)`. Such faces
        are not samples of the prior: rare ones are fewer."""
        to_prior, to_decoder = self._split_given(conditions or {}, prior)
        count = rejection.candidates(n, keep, score)
        faces = self.decode(
            self.sample_latents(count, seed, temperature, prior, to_prior, guidance), to_decoder
        )
        if score is None or count == n:
            return faces
        return rejection.keep_best(faces, n, score, self.device)

    def _split_given(
        self, given: Mapping[str, float], prior: str | None
    ) -> tuple[dict[str, float], dict[str, float]]:
        """Given attributes for the prior and for the decoder. Raises UsageError for those of neither."""
        to_prior: dict[str, float] = {}
        to_decoder: dict[str, float] = {}
        known = self._codec.prior_conditions(prior) if given else ()
        if given and prior and not known and not self.conditions and self._codec.prior_conditions(None):
            raise UsageError(
                f"The prior {prior!r} was fitted without attributes, so none can be given. The default prior "
                "of this space takes them: leave out --prior."
            )
        for name, value in given.items():
            if name in known:
                to_prior[name] = value
            elif known and name not in self.conditions:
                raise UsageError(f"Unknown condition {name!r}. {suggest(name, [*known, *self.conditions])}")
            if name in self.conditions or not known:
                to_decoder[name] = value  # a decoder without this condition refuses it
        return to_prior, to_decoder

    def truncate(self, z: np.ndarray, strength: float, prior: str | None = None) -> np.ndarray:
        """Truncation: latents (N, D) moved by a `strength` in [0, 1] towards likely ones under a prior,
        float32 (N, D). 0 returns them as they are, 1 moves them to the centre: a Gaussian's mean; of a
        mixture the mean of the component that a latent comes from; of a flow the latent without noise,
        reached by scaling the noise of each latent. Raises UsageError for a strength outside [0, 1]."""
        if not 0 <= strength <= 1:
            raise UsageError(f"The truncation strength must lie in [0, 1]; got {strength}.")
        return self._codec.truncate(check_latents(z, self.latent_dim), strength, prior)

    def reconstruct(self, images: Images, conditions: Given = None) -> np.ndarray:
        """Reconstructions uint8 (N, H, W, C): encoded without attributes and decoded with those given, so
        that setting an attribute edits the face."""
        return self.decode(self.encode(images), conditions)

    def morph(self, *keys: Images, **options: Any) -> np.ndarray:
        """Frames uint8 (frames, H, W, C): the decoded latents of `morph_latents`, with the same arguments."""
        return self.decode(self.morph_latents(*keys, **options))

    def morph_latents(
        self,
        *keys: Images,
        frames: int = 60,
        prior: str | None = None,
        distance: "Distance | None" = None,
        adjust: morphing.Projection | None = None,
        **way: Any,
    ) -> np.ndarray:
        """The latents of a morph through two or more key faces, pictures or latents: float32 (frames, D). The
        first is the first key; the last is the last key, or the one before the first key where the path is
        closed.

        `way` are the fields of `latent.morph.Way`: path ("linear", "spherical" about the prior's mean,
        "geodesic" bent towards where the prior is denser, "flow" lines in the noise of a fitted flow),
        pace, easing, loop, pingpong. `prior` is a fitted one's kind. An even pace divides the sum of
        `distance` over neighbouring faces equally, by default the difference of blurred pixels; it must add
        up along a path, as a difference does and its square does not. `adjust` changes the latents (N, D)
        of the path, keys included. Raises UsageError for unknown options and impossible numbers."""
        plan, latents = morphing.PathSpec.of(**way), self.latents(*keys)
        segments = plan.segments(len(latents))
        center = self._codec.prior_mean(prior)
        geometry = morphing.PathGeometry(center, self._geodesic(prior), self._flow_paths(prior))
        walk = plan.path_function(latents, geometry, adjust)

        def steps(where: np.ndarray) -> np.ndarray:
            faces = self.decode(walk(where))
            return (distance or _blurred_distance())(faces[:-1], faces[1:])

        return check_latents(walk(morphing.frame_positions(frames, segments, plan, steps)), self.latent_dim)

    def _geodesic(self, prior: str | None) -> morphing.PathsBetween:
        """Density-aware paths under a prior, which the torch engine alone finds."""

        def between(starts: np.ndarray, ends: np.ndarray) -> morphing.Between:
            density = self.density_prior(prior)
            from facespace.space.geodesic import density_guide, geodesic

            return geodesic(density_guide(density))(starts, ends)

        return between

    def _flow_paths(self, prior: str | None) -> morphing.PathsBetween:
        """Paths through the noise of a fitted flow."""

        def between(starts: np.ndarray, ends: np.ndarray) -> morphing.Between:
            if isinstance(self._codec, OnnxCodec):
                found = self._codec.prior(prior)
                return array_noise_paths(found.encode, found.decode)(starts, ends)
            return noise_paths(self.prior(prior))(starts, ends)

        return between

    def default_path(self, prior: str | None = None) -> str:
        """The path of a morph for which none is named: "flow" where the prior is a fitted flow, else "linear"
        (docs/morphing.md has the measurements)."""
        if isinstance(self._codec, OnnxCodec):
            return "flow" if self._codec.prior(prior).has_noise else "linear"
        return "flow" if has_noise(self.prior(prior)) else "linear"

    def mix(self, terms: Sequence[tuple[Images, float]], prior: str | None = None) -> np.ndarray:
        """The sum of faces by weights, float32 (D,), counted from the prior's mean. A term is pictures or
        latents, of which the mean is taken, and their weight. Raises UsageError for no terms, an empty one,
        or a weight that is not finite."""
        groups = [self.latents(group) for group, _ in terms]
        weights = [float(weight) for _, weight in terms]
        if not groups or not all(map(len, groups)) or not all(map(math.isfinite, weights)):
            raise UsageError("A mix needs at least one face, faces in every group, and finite weights.")
        means = np.stack([group.mean(0) for group in groups])
        return paths.mix(means, weights, self._codec.prior_mean(prior))

    def directions(self) -> Directions:
        """The directions that `fit_directions` and `add_direction` left in the bundle. Raises BundleError
        without any."""
        written = bundle.written_at(self._loaded.folder)
        if self._read is None or self._read[0] != written:
            self._read = written, fitted.load_directions(self._loaded)
        return self._read[1]

    def fit_directions(
        self,
        faces: FaceSet | Path | str,
        attributes: Sequence[str] = (),
        method: str = DECORRELATED,
        shots: int | None = None,
        split: str = "train",
        seed: int = 0,
    ) -> Directions:
        """Finds a direction for each of a set's attributes, all or the named ones, from the posterior means
        of a split, and keeps them in the bundle beside older ones of other names. With `shots` each is found
        from so many faces that have the attribute and so many that lack it, drawn at random. METHODS in
        latent/directions.py has the methods.

        Their facts have the AUC on validation faces, else on test ones. Raises UsageError for an unknown
        attribute or method, too few faces, or a set of another crop."""
        check_seed(seed)
        locations.check_writable(self.folder)
        opened = self._open_set(faces)
        return self._keep(
            direction_fitting.from_attributes(self, opened, attributes, method, shots, split, seed)
        )

    def fit_kinds(
        self,
        faces: FaceSet | Path | str,
        attribute: str,
        count: int = 2,
        method: str = DECORRELATED,
        split: str = "train",
        seed: int = 0,
    ) -> Directions:
        """Clusters the faces with an attribute into kinds and keeps a direction for each against all faces
        without it: ATTRIBUTE-1, the largest kind, ATTRIBUTE-2 …; of glasses Eyeglasses-clear and
        Sunglasses. Raises UsageError for an unknown attribute or method, fewer than 2 kinds, too few
        faces, or a set of another crop."""
        check_seed(seed)
        locations.check_writable(self.folder)
        opened = self._open_set(faces)
        return self._keep(direction_fitting.from_kinds(self, opened, attribute, count, method, split, seed))

    def fit_paired(
        self, faces: FaceSet | Path | str, name: str, split: str = "train", seed: int = 0
    ) -> Directions:
        """Keeps a direction from faces of a set without an attribute and the same faces with it drawn on;
        `image.overlays` has the attributes. Raises UsageError for another one, too few faces, or a set of
        another crop."""
        check_seed(seed)
        locations.check_writable(self.folder)
        opened = self._open_set(faces)
        return self._keep(direction_fitting.from_overlays(self, opened, name, self.whitening(), split, seed))

    def fit_components(
        self, faces: FaceSet | Path | str, count: int = 16, split: str = "train"
    ) -> Directions:
        """The first principal components of the posterior means of a split, kept in the bundle as PC1, PC2 …
        Raises UsageError for a set of another crop."""
        return self._keep(finding.components(self.posterior_means(faces, split), count))

    def add_direction(self, name: str, positive: np.ndarray, negative: np.ndarray) -> Directions:
        """A custom direction, from latents (N, D) of at least 5 faces with something and of 5 without it,
        kept in the bundle. Raises UsageError for fewer, or a name that is not a word."""
        if not name.strip() or set(name) & set("=,:"):
            raise UsageError(f"A direction's name is a word without = , and :, such as squint; got {name!r}.")
        with writing(self.folder, WAIT):
            return self._keep(finding.custom_direction(name, positive, negative, self.whitening()))

    def edit(
        self,
        z: np.ndarray,
        edits: Mapping[str, float | str],
        lock: Sequence[str] | str = (),
        classifier: "closed_loop.ImageClassifier | None" = None,
    ) -> np.ndarray:
        """Latents (N, D) with attributes changed, float32 (N, D): by a strength in standard deviations, or as
        text in class gaps ("1g": from the mean of the faces without it to the mean of those with it), or to
        "on" or "off". The scores of locked attributes ("all": of all others) stay, and with a `classifier`,
        an attribute classifier of images, its logits of them.

        "on" is the mean score of faces that have the attribute; with a classifier, the nearest latent in
        whose face it finds the attribute. Raises UsageError for unknown names, an attribute that is both
        edited and locked, and locks that leave nothing; BundleError for a space without directions."""
        z = np.atleast_2d(np.asarray(z, np.float32))
        goals = {name: value == ON for name, value in edits.items() if value in (ON, OFF)}
        along = {name: value for name, value in edits.items() if name not in goals}
        lock = self.locked_names(lock, edits)
        if classifier is None:
            return self._move(z, along, goals, lock)
        if along:
            z = self._move(z, along, {}, lock)
        if goals:
            from facespace.space import closed_loop

            known = self._known()
            root = (known.whitening if known else self.whitening()).root
            z = closed_loop.closed_loop_edit(z, self.latent_classifier(classifier), goals, lock, root, known)
        return z

    def _move(
        self,
        z: np.ndarray,
        along: Mapping[str, float | str],
        goals: Mapping[str, bool],
        lock: Sequence[str],
    ) -> np.ndarray:
        """Latents (N, D) moved along directions by strengths, and to the class means of goals."""
        known = self.directions()
        moves: dict[str, float | np.ndarray] = {}
        for name, value in along.items():
            moves[name] = _strength(known, name, value)
        editing.check_locks(known, (*along, *goals), lock)
        moves |= editing.strengths_to_class_means(z, known, goals, lock)
        return editing.move(z, known, moves, lock)

    def locked_names(self, lock: Sequence[str] | str, edited: Iterable[str]) -> list[str]:
        """The attributes of `lock` as `edit` takes it: names, one name, or "all" that are not edited. Raises
        BundleError for "all" in a space without directions."""
        known = self.directions().names if lock == editing.ALL else ()
        return editing.locked_names(lock, known, edited)

    def locked_scores(self, lock: Sequence[str], like: np.ndarray) -> morphing.Projection:
        """What `morph(adjust=…)` takes so that the scores of the locked attributes stay those of a latent
        `like` (D,)."""
        known = self.directions()
        editing.check_locks(known, (), lock)
        return lambda z: editing.project_to_scores(z, known, lock, like)

    def optimize(self, images: Images, z: np.ndarray, steps: int = 50) -> np.ndarray:
        """Latents (N, D) of pictures, optimised from `z` so that the decoded faces come nearer to the
        pictures, by their pixels and by the features of the attribute classifier (FaceLoss), and that the
        latents stay near `z`, where directions and priors hold. The sum of both rises for no face. Raises
        UsageError for fewer than one step."""
        if steps < 1:
            raise UsageError(f"Latents are optimised in at least 1 step; got {steps}.")
        engine = self.torch_engine
        from facespace.space import latent_optimization
        from facespace.space.face_loss import FaceLoss

        goals = to_float(self.target(self.fit(images)), self.device)
        root = self.whitening().root
        return latent_optimization.optimize_latents(z, goals, engine.image, FaceLoss(self), root, steps)

    def whitening(self) -> Whitening:
        """Mean and covariance root of encoded faces: of those that directions were found in, else of samples
        from the model's own prior."""
        known = self._known()
        return known.whitening if known else finding.whitening_of(self.sample_latents(SAMPLES, prior=OWN))

    def latent_classifier(self, classifier: "closed_loop.ImageClassifier") -> "closed_loop.LatentClassifier":
        """A classifier of images as one of this space's latents."""
        from facespace.space import closed_loop

        return closed_loop.classify_latents(classifier, self.torch_engine.image)

    def _open_set(self, faces: FaceSet | Path | str) -> FaceSet:
        """The set, whose crop must be this space's."""
        opened = faces if isinstance(faces, FaceSet) else FaceSet(faces)
        check_crop(self, opened)
        return opened

    def _keep(self, found: Directions) -> Directions:
        with writing(self.folder, WAIT):  # with those that another process has added meanwhile
            self._read = None
            merged = finding.merged(self._known(), found)
            fitted.save_directions(self._loaded, merged)
            self._read = None
        return merged

    def _known(self) -> Directions | None:
        try:
            return self.directions()
        except BundleError:
            return None


def load(space: Path | str | None = None, device: "torch.device | str" = "cpu") -> FaceSpace:
    """Opens a run's folder (its best bundle), a bundle's, or the bundle at hf://USER/NAME@REVISION, which is
    fetched from the hub into its cache; without one the default space. Where torch is not installed, or the
    variable FACESPACE_ENGINE is onnxruntime, the ONNX graphs of a packed bundle are its engine: it gives the
    same faces within 1 level, and has no gradients. Raises BundleError where it is missing
    or damaged, HubError for what the hub refuses or has not, UsageError where none is named and there is no
    default space."""
    if array_bundle.engine() == "onnxruntime":
        codec = OnnxCodec(array_bundle.load(space))
        return FaceSpace(codec.bundle, codec)
    return FaceSpace(bundle.load(space, device))


def space_facts(space: FaceSpace) -> dict[str, str | int]:
    """The facts of a space that every command reports."""
    facts: dict[str, str | int] = {
        "space": str(space.folder),
        "fingerprint": space.card["fingerprint"][:16],
        "latent_dim": space.latent_dim,
    }
    if "origin" in space.card:
        facts["origin"] = space.card["origin"]
    return facts


def _strength(known: Directions, name: str, value: float | str) -> float:
    """A strength of `edit` in standard deviations."""
    return strengths.deviations(known, name, value) if isinstance(value, str) else number(name, value)


def _blurred_distance() -> "Distance":
    from facespace.image.animation import blurred_distance  # here, since it imports matplotlib

    return blurred_distance


__all__ = ["BATCH_SIZE", "FaceSpace", "Given", "Images", "check_keep", "load", "space_facts"]
