"""FaceSpace: the only door to a trained model, for the command line, the page and notebooks alike. Pictures in,
pictures out; the mathematics is in latent/ and models/, the pixels in image/."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from facespace.core.attribute_names import mirror_attributes
from facespace.core.errors import BundleError, UsageError, check_seed, choose, suggest
from facespace.data.faces import BATCH, FaceSet
from facespace.image import animation
from facespace.image.pixels import to_float
from facespace.latent import directions as finding
from facespace.latent import edit as editing
from facespace.latent import paths, strengths
from facespace.latent.directions import DECORRELATED, Directions, Whitening
from facespace.models import bundle, prior_fit
from facespace.models.bundle import OWN
from facespace.models.priors import CONDITIONAL, fitted_prior
from facespace.space import direction_fitting
from facespace.space import morph as morphing
from facespace.space.codec import Codec, Given, Images, number

ON, OFF = "on", "off"  # edits to a target rather than by a strength
LEAST_KEPT = 0.01  # share of the faces drawn
SAMPLES = 2_000  # draws from which the spread of latents is told where no faces say it


class FaceSpace(Codec):
    """A trained face space. Pictures are Pillow images or uint8 arrays (N, H, W, C) of any size and mode, fitted as the
    space's template says; results are uint8 (N, H, W, C) and float32 latents (N, D)."""

    _read: tuple[int, Directions] | None = (
        None  # the directions, and when the card that names them was written
    )

    def fit_prior(
        self,
        faces: FaceSet,
        kind: str | None = None,
        split: str = "train",
        seed: int = 0,
        mirror: bool = False,
        conditions: Sequence[str] | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """Fits a prior to the posterior means of a set's faces and keeps it in the bundle, for `sample(prior=kind)`: a flow unless
        another kind is named, or a mixture where `components` are. With `mirror`
        to those of their mirror images too. A flow can draw faces with `conditions`, attributes of the set: all that enough faces
        have and lack unless some are named, none for (). `options` are the kind's own, such as components=10 of a mixture.

        Returns what the card says of it, with the figures of `latent.judging`: `nats` are mean log-densities per latent vector,
        of this prior and of the model's own, on the split and on the validation faces; `nearest` tells copies."""
        check_seed(seed)
        bundle.check_own(self.folder)
        kind = kind or ("mixture" if "components" in options else "flow")
        count = len(faces.rows(split))
        names = self._conditions(faces, split, kind, conditions)
        prior = fitted_prior(kind, self.latent_dim, options | ({"conditions": names} if names else {}))
        if count < 2:
            raise UsageError(
                f"A prior is fitted to at least 2 faces; {faces.root} has {count} in the split {split!r}."
            )
        splits = [split] if split in ("validation", "all") else [split, "validation"]
        z = {name: self.means(faces, name) for name in splits if len(faces.rows(name))}
        views = [z[split], self.means(faces, split, mirrored=True)] if mirror else [z[split]]
        learned = torch.stack(views, 1)  # (N, V, D)
        prior.fit(learned, seed, _signs(faces, split, names, mirror) if names else None)
        facts = {
            "kind": kind,
            "data": faces.fingerprint,
            "split": split,
            "faces": count,
            "mirror": mirror,
            "seed": seed,
        }
        facts |= prior_fit.judge(prior, self.model.prior, learned.flatten(0, 1), z, split, self.model.snap)
        entry = bundle.save_prior(self._loaded, kind, prior, facts)
        self.card["priors"] = {**self.card.get("priors", {}), kind: entry}
        return {**entry}

    def _conditions(self, faces: FaceSet, split: str, kind: str, asked: Sequence[str] | None) -> list[str]:
        """The attributes that a prior of this kind is to be conditioned on."""
        known = faces.attribute_names
        if asked is not None:
            for name in asked:
                choose(dict.fromkeys(known), name, "attribute")
            return list(dict.fromkeys(asked))
        if kind not in CONDITIONAL:
            return []
        signs = faces.signs(split)
        fewest = np.minimum((signs > 0).sum(0), (signs < 0).sum(0))
        return [name for name, count in zip(known, fewest) if count >= finding.FEWEST]

    def sample(
        self,
        n: int = 64,
        seed: int = 0,
        temperature: float = 1.0,
        prior: str | None = None,
        given: Given = None,
        guidance: float = 1.0,
        keep: float = 1.0,
        score: Callable[[Tensor], Tensor] | None = None,
    ) -> np.ndarray:
        """n new faces, uint8 (n, H, W, C), from the prior that `space.prior(prior).origin` tells of. Attributes that are `given`
        condition the draw where the prior knows them, and the decoder where the space was trained with conditions.

        With `keep` below 1, n / keep faces are drawn, and those with the highest `score` are kept, in the order drawn: images
        (N, C, H, W) in [0, 1] to (N,), such as that of `load_discriminator(folder)` (rejection: Azadi et al., 2019, in its
        simplest form). Such faces are fewer of the rare ones: a choice, not draws from the prior."""
        to_prior, to_decoder = self._split_given(given or {}, prior)
        count = _candidates(n, keep, score)
        faces = self.decode(
            self.sample_latents(count, seed, temperature, prior, to_prior, guidance), to_decoder
        )
        if score is None or count == n:
            return faces
        with torch.inference_mode():
            parts = [
                score(to_float(part, self.device)) for part in np.array_split(faces, math.ceil(count / BATCH))
            ]
        best = torch.cat(parts).float().argsort(descending=True, stable=True)[:n]
        return faces[best.sort().values.cpu().numpy()]

    def _split_given(
        self, given: Mapping[str, float], prior: str | None
    ) -> tuple[dict[str, float], dict[str, float]]:
        """What is given, for the prior and for the decoder. Raises UsageError for what neither knows."""
        known = self.prior(prior).conditions if given else ()
        to_prior = {name: value for name, value in given.items() if name in known}
        to_decoder = {name: value for name, value in given.items() if name in self.conditions}
        for name in given:
            if name in to_prior or name in to_decoder:
                continue
            if known:
                raise UsageError(f"Unknown condition {name!r}. {suggest(name, [*known, *self.conditions])}")
            to_decoder[name] = given[name]  # the decoder says why it cannot be
        return to_prior, to_decoder

    def pull(self, z: np.ndarray, share: float, prior: str | None = None) -> np.ndarray:
        """Latents (N, D) taken a `share` of the way towards likely ones under a prior, float32 (N, D): 0 leaves them as they
        are, 1 takes them to the middle of where such latents lie. A Gaussian's middle is its mean; a mixture's the mean of
        the component that a latent comes from; a flow's is where it carries no noise at all, and it takes each latent there
        by shrinking the noise that it comes from. Raises UsageError for a share outside [0, 1]."""
        if not 0 <= share <= 1:
            raise UsageError(f"Latents are pulled by a share from 0 to 1; got {share}.")
        return self.prior(prior).pull(self._latents(z).to(self.device), share).float().cpu().numpy()

    def reconstruct(self, images: Images, given: Given = None) -> np.ndarray:
        """What the space keeps of each picture: uint8 (N, H, W, C). Encoded with nothing known and decoded with what is
        given, so that setting an attribute edits the face."""
        return self.decode(self.encode(images), given)

    def morph(self, *keys: Images, **options: Any) -> np.ndarray:
        """Frames uint8 (frames, H, W, C): the faces of `morph_latents`, which takes the same."""
        return self.decode(self.morph_latents(*keys, **options))

    def morph_latents(
        self,
        *keys: Images,
        frames: int = 60,
        prior: str | None = None,
        distance: animation.Distance = animation.blurred_distance,
        adjust: morphing.Adjust | None = None,
        **way: Any,
    ) -> np.ndarray:
        """The latents of a morph through 2 to 12 key faces, pictures or latents: float32 (frames, D). The first is the
        first key; the last is the last key, or the one before the first again where the way goes back.

        `way` are the fields of `latent.morphs.Way`: path ("linear", "spherical" about the prior's mean, "dense" bent towards
        where the prior is denser), pace, easing, loop, pingpong. `prior` is a fitted one's kind. An even pace divides the sum
        of `distance` over neighbouring faces equally; it must add up along a path, as a difference does and its square does
        not. `adjust` changes the latents (N, D) of the path, keys and all. Raises UsageError for what cannot be."""
        plan, own = morphing.Way.of(**way), torch.from_numpy(self.latents(*keys))
        segments = plan.segments(len(own))
        walk = plan.walk(own, self.prior(prior), adjust)

        def steps(where: Tensor) -> Tensor:
            faces = self.decode(walk(where))
            return torch.from_numpy(distance(faces[:-1], faces[1:]))

        return self._latents(walk(morphing.places(frames, segments, plan, steps))).numpy()

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
        written = self._written()
        if self._read is None or self._read[0] != written:
            self._read = written, bundle.load_directions(self._loaded)
        return self._read[1]

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
        bundle.check_own(self.folder)
        return self._keep(
            direction_fitting.from_attributes(self, faces, attributes, method, pairs, split, seed)
        )

    def fit_kinds(
        self,
        faces: FaceSet,
        attribute: str,
        count: int = 2,
        method: str = DECORRELATED,
        split: str = "train",
        seed: int = 0,
    ) -> Directions:
        """Clusters the faces with an attribute into kinds and keeps a direction for each against all faces without it:
        ATTRIBUTE-1, the largest kind, ATTRIBUTE-2 …; of glasses Eyeglasses-clear and Eyeglasses-dark. Raises UsageError for an
        unknown attribute or method, fewer than 2 kinds, or too few faces."""
        check_seed(seed)
        bundle.check_own(self.folder)
        return self._keep(direction_fitting.from_kinds(self, faces, attribute, count, method, split, seed))

    def fit_paired(self, faces: FaceSet, name: str, split: str = "train", seed: int = 0) -> Directions:
        """Keeps a direction from faces of a set without an attribute and the same faces with it drawn on: `image.overlays` has
        what can be drawn. Raises UsageError for what cannot, or too few faces."""
        check_seed(seed)
        bundle.check_own(self.folder)
        return self._keep(direction_fitting.from_pairs(self, faces, name, self.whitening(), split, seed))

    def fit_components(self, faces: FaceSet, count: int = 16, split: str = "train") -> Directions:
        """The first principal components of the posterior means of a split, kept in the bundle as PC1, PC2 …"""
        return self._keep(finding.components(self.means(faces, split).numpy(), count))

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
        """Latents (N, D) with attributes changed, float32 (N, D): by a strength in standard deviations, or as text in class
        gaps ("1g": from the mean of the faces without it to the mean of those with it), or to "on" or "off". Locked attributes stay as they are: their scores along the way, and with a `judge`, what it sees of them.

        "on" is the mean score of faces that have the attribute; with a judge, such as an attribute network, it is the
        nearest face in which the judge sees the attribute. Raises UsageError for unknown names, an attribute that is
        both edited and locked, locks that leave nothing; BundleError for a space without directions."""
        z = np.atleast_2d(np.asarray(z, np.float32))
        goals = {name: value == ON for name, value in edits.items() if value in (ON, OFF)}
        strong = [name for name in edits if name not in goals]
        moves: dict[str, float | np.ndarray] = {}
        if strong or not judge:
            known = self.directions()
            for name in strong:
                moves[name] = self._strength(known, name, edits[name])
            editing.check_locks(known, edits if not judge else moves, lock)
            if not judge:
                for name, on in goals.items():
                    level = float(known.facts[name].get(ON if on else OFF, 0.0))
                    strength = editing.to_level(z, known, name, level, lock)
                    # A face beyond the level stays as it is.
                    moves[name] = strength.clip(0, None) if on else strength.clip(None, 0)
            z = editing.move(z, known, moves, lock)
        if goals and judge:
            known = self._known()
            root = known.whitening.root if known else self.whitening().root
            z = editing.reach(z, self.judged(judge), goals, lock, root, known)
        return z

    @staticmethod
    def _strength(known: Directions, name: str, value: float | str) -> float:
        """A strength of `edit` in standard deviations."""
        return strengths.deviations(known, name, value) if isinstance(value, str) else number(name, value)

    def keeping(self, lock: Sequence[str], like: np.ndarray) -> Callable[[Tensor], Tensor]:
        """What `morph` takes as `adjust` so that the scores of the locked attributes stay those of a latent `like` (D,)."""
        known = self.directions()
        editing.check_locks(known, (), lock)
        return lambda z: torch.from_numpy(editing.keep_scores(z.numpy(), known, lock, like)).to(z)

    def refine(self, images: Images, z: np.ndarray, steps: int = 50) -> np.ndarray:
        """Latents (N, D), those of pictures, moved so that the decoded faces come nearer to these in squared error: what
        the encoder missed in its one look. No face gets worse. Raises UsageError for fewer than one step."""
        if steps < 1:
            raise UsageError(f"Latents are refined in at least 1 step; got {steps}.")
        goal = to_float(self.target(self.fit(images)), self.device)
        return editing.refine(z, goal, self.image, self.whitening().root, steps)

    def whitening(self) -> Whitening:
        """How far encoded faces spread in each direction: from the faces that directions were found in, else from draws of
        the space's own prior."""
        known = self._known()
        return known.whitening if known else finding.whitening_of(self.sample_latents(SAMPLES, prior=OWN))

    def _keep(self, found: Directions) -> Directions:
        bundle.save_directions(self._loaded, merged := finding.merged(self._known(), found))
        return merged

    def _known(self) -> Directions | None:
        try:
            return self.directions()
        except BundleError:
            return None

    def judged(self, judge: editing.ImageJudge) -> editing.Judge:
        """What sees attributes in images, as what sees them in this space's latents."""
        return editing.Judge(judge.names, self.image, judge.see)


def load(space: Path | str | None = None, device: torch.device | str = "cpu") -> FaceSpace:
    """Opens a run's folder (its best bundle) or a bundle's; without one the space that comes along. Raises BundleError where
    it is missing or damaged, UsageError where none is named and none comes along."""
    return FaceSpace(bundle.load(space, device))


def check_keep(keep: float) -> None:
    """Raises UsageError for a share of faces that cannot be kept; said before a discriminator is opened, too."""
    if not LEAST_KEPT <= keep <= 1:
        raise UsageError(f"--keep is a share from {LEAST_KEPT} to 1 of the faces that are drawn; got {keep}.")


def _candidates(n: int, keep: float, score: Callable[[Tensor], Tensor] | None) -> int:
    """How many faces are drawn for n that are kept. Raises UsageError for a share that cannot be, or without a score."""
    check_keep(keep)
    if keep < 1 and score is None:
        raise UsageError(
            "To keep a share of the faces takes a score, such as that of facespace.load_discriminator(SPACE)."
        )
    return max(n, math.ceil(n / keep - 1e-9))


def _signs(faces: FaceSet, split: str, names: Sequence[str], mirror: bool) -> Tensor:
    """The signs of attributes of a split, (N, V, A), in the picture and, with `mirror`, in its mirror image."""
    signs = torch.from_numpy(faces.signs(split)).float()
    views = [signs]
    if mirror:
        columns, turns = mirror_attributes(faces.attribute_names)
        views.append(signs[:, columns] * torch.tensor(turns))
    places = [faces.attribute_names.index(name) for name in names]
    return torch.stack(views, 1)[:, :, places]


def describe(space: FaceSpace) -> dict[str, Any]:
    """The facts of a space that every verb reports."""
    return {
        "space": str(space.folder),
        "fingerprint": space.card["fingerprint"][:16],
        "latent_dim": space.latent_dim,
    }


__all__ = ["BATCH", "FaceSpace", "Given", "Images", "describe", "load"]
