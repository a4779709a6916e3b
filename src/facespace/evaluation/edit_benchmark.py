"""The editing scorecard: how often an edit is seen, and what else it changes, for several methods side by side, judged by a
network that found none of the directions. Measures; scorecard_report.py draws and tells."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from facespace.core.attribute_names import check_names
from facespace.core.console import progress
from facespace.core.errors import UsageError, check_seed
from facespace.data.faces import FaceSet, evenly_spaced
from facespace.evaluation.interpolation import PIXELS, pixel_distance
from facespace.evaluation.reconstruction import Distance, usable
from facespace.evaluation.session import EvaluationSession
from facespace.latent.directions import DECORRELATED, Directions, auc, draw_pairs, find_all, find_directions
from facespace.latent.edit import move
from facespace.latent.strengths import UNITS, Strength, parse
from facespace.perception.arcface import Identity, open_identity
from facespace.perception.attributes import AttributeNet, load_net
from facespace.perception.lpips import at_hand, open_lpips
from facespace.perception.store import SCORER
from facespace.space.closed_loop import reach
from facespace.space.face_space import FaceSpace

# The twelve of the protocol: expression, accessories, hair, age, make-up; each changes pixels that the others do not.
ATTRIBUTES = (
    "Smiling",
    "Eyeglasses",
    "Male",
    "Young",
    "Wearing_Hat",
    "Bangs",
    "Blond_Hair",
    "Black_Hair",
    "No_Beard",
    "Mouth_Slightly_Open",
    "Heavy_Makeup",
    "Pale_Skin",
)
STRENGTHS = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)  # standard deviations
MARGINS = (0.0, 1.0, 3.0)  # of closed-loop edits, logits past the border
RATE, ALIKE = 0.8, 0.8  # the flip rate, and the identity, at which methods are compared
DRAWS, PAIRS, STRENGTH = 20, 10, 2.0  # of the 10 + 10 faces recipe


class Point(NamedTuple):
    """What edits of one strength do to N faces, means over them."""

    strength: float
    flip: float  # share of faces in which the scorer now sees the attribute
    identity: float  # cosine to the face's reconstruction
    distance: float  # LPIPS to the reconstruction, or a difference of pixels
    others: float  # mean absolute change of another attribute's probability, of a face
    drag: float  # mean over the others of the absolute mean change: what all faces share of it
    change: tuple[float, ...]  # mean change of each attribute's probability, (A,)


Curve = list[Point]


@dataclass
class Trial:
    """One scorecard: who is edited, and who judges. Edits are judged against reconstructions, not originals."""

    subject: EvaluationSession
    names: tuple[str, ...]
    scorer: AttributeNet
    guide: AttributeNet
    identity: Identity
    distance: Distance
    count: int
    seed: int
    found: Mapping[str, Directions]  # method -> directions, of all the set's attributes
    strengths: Sequence[Strength]  # of edits along directions, rising
    curves: dict[str, dict[str, Curve]] = field(default_factory=dict)  # method -> attribute -> points
    edited: dict[tuple[str, str], list[np.ndarray]] = field(default_factory=dict)  # latents of each point

    def __post_init__(self) -> None:
        self.columns = [self.scorer.names.index(name) for name in self.names]
        self.seen = self.scorer.predict(self.subject.reconstructions)[:, self.columns]  # (N, A)
        self.persons = self.identity(self.subject.reconstructions)

    def rows(self, name: str) -> np.ndarray:
        """At most `count` faces, evenly spread, in whose reconstructions the scorer does not see the attribute."""
        return evenly_spaced(np.flatnonzero(self.seen[:, self.names.index(name)] < 0.5), self.count)

    def locks(self, name: str) -> list[str]:
        """All the others."""
        return [other for other in self.names if other != name]

    def judge(self, name: str, rows: np.ndarray, z: np.ndarray, strength: float) -> Point:
        """What the edited latents of those faces look like."""
        own, faces = self.names.index(name), self.subject.space.decode(z)
        moved = self.scorer.predict(faces)[:, self.columns] - self.seen[rows]  # (N, A)
        others = np.delete(moved, own, axis=1)
        return Point(
            strength,
            float((moved[:, own] + self.seen[rows, own] >= 0.5).mean()),
            float((self.identity(faces) * self.persons[rows]).sum(1).mean()),
            float(np.mean(self.distance(self.subject.reconstructions[rows], faces))),
            float(np.abs(others).mean()),
            float(np.abs(others.mean(0)).mean()),
            tuple(float(value) for value in moved.mean(0)),
        )


Way = Callable[
    [Trial, str, np.ndarray], list[tuple[float, np.ndarray]]
]  # attribute, rows -> (strength, latents)


def _along(method: str, locked: bool) -> Way:
    def way(trial: Trial, name: str, rows: np.ndarray) -> list[tuple[float, np.ndarray]]:
        z, found = trial.subject.encoded.mean[rows], trial.found[method]
        locks = trial.locks(name) if locked else ()
        made = []
        for strength in trial.strengths:
            moved = move(z, found, {name: strength.deviations(found, name)}, locks)
            made.append((strength.value, moved))
        return made

    return way


def _closed_loop(trial: Trial, name: str, rows: np.ndarray) -> list[tuple[float, np.ndarray]]:
    z, space = trial.subject.encoded.mean[rows], trial.subject.space
    known, judge, locks = trial.found[DECORRELATED], space.judged(trial.guide), trial.locks(name)
    root = known.whitening.root
    return [(margin, reach(z, judge, {name: True}, locks, root, known, clearly=margin)) for margin in MARGINS]


METHODS: Mapping[str, Way] = {
    "mean difference": _along("mean", False),
    "probe": _along("probe", False),
    "decorrelated": _along(DECORRELATED, False),
    "decorrelated, locked": _along(DECORRELATED, True),
    "closed loop, locked": _closed_loop,
}
PLAIN, BEST = "mean difference", "closed loop, locked"


def scorecard(
    space: FaceSpace | Path | str | None,
    data: FaceSet | Path | str,
    *,
    split: str = "test",
    attributes: Sequence[str] = (),
    count: int = 40,
    scorer: Path | str | None = None,
    identity: Path | str | None = None,
    lpips: Path | str | None = None,
    seed: int = 0,
    strengths: Sequence[float | str] = (),
) -> tuple[Trial, dict[str, Any]]:
    """Edits held-out faces by each of METHODS, at most `count` faces an attribute, and measures what a scorer, an identity
    network and LPIPS see. Directions are found in the training faces; `scorer` is a folder of train-attributes, without one
    the second network that comes along. `strengths` rise, in standard deviations or, as "1g", in class gaps; without any they
    are STRENGTHS. Returns the trial and its figures.

    Raises UsageError for unknown attributes, a set without them, a count below 5, or strengths that do not rise."""
    check_seed(seed)
    asked = _rising(strengths or STRENGTHS)
    if count < 5:
        raise UsageError(f"--count must be at least 5 faces an attribute; got {count}.")
    subject = EvaluationSession(space, data, split, None)
    judge = load_net(scorer or SCORER, subject.space.device)
    faces, known = subject.faces, [name for name in judge.names if name in subject.faces.attribute_names]
    names = check_names(
        attributes or [name for name in ATTRIBUTES if name in known], known, "The scorer or the set lacks"
    )
    if len(names) < 2:
        raise UsageError(
            f"A scorecard needs at least 2 attributes that both the scorer and {faces.root} know; here are {len(names)}. "
            "Label the set first: facespace label"
        )
    z, signs = subject.space.means(faces, "train").astype(np.float64), faces.signs("train")
    found = {
        method: find_all(z, signs, faces.attribute_names, names, method)
        for method in ("mean", "probe", DECORRELATED)
    }
    weights, _ = usable(open_lpips(lpips) if lpips or at_hand() else None, subject.reconstructions)
    who = open_identity(subject.space.template, judge, subject.reconstructions, identity)
    guide = load_net(None, subject.space.device)
    trial = Trial(subject, names, judge, guide, who, weights or pixel_distance, count, seed, found, asked)
    _run(trial)
    return trial, {
        "protocol": describe(trial),
        "methods": {method: summary(trial, method) for method in METHODS},
        "attributes": {name: _attribute(trial, name) for name in names},
        "pairs": few_faces(trial, z, signs),
    }


def _rising(texts: Sequence[float | str]) -> list[Strength]:
    """Strengths of one unit, each above the one before."""
    found = [strength for text in texts if (strength := parse(text))]
    values = [strength.value for strength in found]
    one_unit = len({strength.unit for strength in found}) == 1
    if len(found) < len(texts) or not one_unit or values != sorted(set(values)) or values[0] <= 0:
        raise UsageError(
            f"--strengths are rising numbers above 0, all in one unit, such as 1,2,3 or 0.5g,1g,1.5g; got {', '.join(map(str, texts))}."
        )
    return found


def _run(trial: Trial) -> None:
    with progress(len(METHODS) * len(trial.names), "Editing", "attributes") as advance:
        for method, way in METHODS.items():
            trial.curves[method] = {}
            for name in trial.names:
                rows = trial.rows(name)
                made = way(trial, name, rows) if len(rows) else []
                trial.curves[method][name] = [trial.judge(name, rows, z, strength) for strength, z in made]
                trial.edited[method, name] = [z for _, z in made]
                advance(1)


def at_rate(curve: Curve, rate: float) -> dict[str, float] | None:
    """Identity, distance and side effects of edits of which that share is seen, between the points of a curve; None where
    they are seen less often at any strength. An edit of no strength changes nothing."""
    flips = np.maximum.accumulate([0.0, *(point.flip for point in curve)])
    if flips[-1] < rate:
        return None
    nothing = {"identity": 1.0, "distance": 0.0, "others": 0.0, "drag": 0.0}
    after = max(
        1, int(np.argmax(flips >= rate))
    )  # the first point that reaches it, in strengths with none before them
    share = (rate - flips[after - 1]) / max(flips[after] - flips[after - 1], 1e-9)
    found = {}
    for key, start in nothing.items():
        values = [start, *(getattr(point, key) for point in curve)]
        found[key] = float(values[after - 1] + share * (values[after] - values[after - 1]))
    return found


def at_identity(curve: Curve, alike: float) -> dict[str, float]:
    """Flip rate and side effects of edits that keep that much of the identity; where even the strongest keep more, of those."""
    kept = -np.minimum.accumulate([1.0, *(point.identity for point in curve)])  # rising
    return {
        key: float(np.interp(-alike, kept, [0.0, *(getattr(point, key) for point in curve)]))
        for key in ("flip", "others", "drag")
    }


def summary(trial: Trial, method: str) -> dict[str, Any]:
    """A method's figures over all attributes, and against plain mean differences at equal flip rates: for each attribute
    the rate of RATE, or the highest that both reach where one does not."""
    alike = [at_identity(curve, ALIKE) for curve in trial.curves[method].values() if curve]
    pairs = [matched(trial, method, name) for name in trial.names]
    pairs = [pair for pair in pairs if pair]
    reached = [at_rate(curve, RATE) is not None for curve in trial.curves[method].values() if curve]
    return {
        "flip_at_identity": float(np.mean([one["flip"] for one in alike])),
        "others_at_identity": float(np.mean([one["others"] for one in alike])),
        "drag_at_identity": float(np.mean([one["drag"] for one in alike])),
        "reach_rate": int(sum(reached)),
        "attributes": len(reached),
        "matched": _means(pairs) if pairs else None,
    }


def _means(pairs: Sequence[tuple[dict[str, float], dict[str, float]]]) -> dict[str, float]:
    """Means over attributes of a method's figures and of plain mean differences', and the ratios of what else changes."""
    own, plain = (
        {key: float(np.mean([one[side][key] for one in pairs])) for key in pairs[0][0]} for side in (0, 1)
    )
    return {
        "identity": own["identity"],
        "plain_identity": plain["identity"],
        "others": own["others"],
        "plain_others": plain["others"],
        "others_ratio": own["others"] / max(plain["others"], 1e-9),
        "drag_ratio": own["drag"] / max(plain["drag"], 1e-9),
        "attributes": len(pairs),
    }


def matched(trial: Trial, method: str, name: str) -> tuple[dict[str, float], dict[str, float]] | None:
    """A method and plain mean differences on one attribute at the same flip rate; None where one is never seen."""
    own, plain = trial.curves[method][name], trial.curves[PLAIN][name]
    rate = min([RATE, *(max((point.flip for point in curve), default=0.0) for curve in (own, plain))])
    if rate < 0.05:
        return None
    both = at_rate(own, rate), at_rate(plain, rate)
    return None if None in both else both  # type: ignore[return-value]


def _attribute(trial: Trial, name: str) -> dict[str, Any]:
    held_out = trial.scorer.card.get("held_out", {}).get("attributes", {}).get(name, {})
    return {
        "faces": len(trial.rows(name)),
        "seen_before": float((trial.seen[:, trial.names.index(name)] >= 0.5).mean()),
        "scorer": {key: held_out.get(key) for key in ("auc", "accuracy", "yes", "no")},
        "curves": {method: [point._asdict() for point in trial.curves[method][name]] for method in METHODS},
        "at_rate": {method: at_rate(trial.curves[method][name], RATE) for method in METHODS},
    }


def few_faces(trial: Trial, z: np.ndarray, signs: np.ndarray) -> dict[str, Any]:
    """Directions from 10 + 10 faces against those from all, over random draws: cosine in whitened space, AUC on the edited
    faces, flip rate at strength 2. Mean and deviation over the draws of each attribute."""
    whole, subject = trial.found["mean"], trial.subject
    truth, known = subject.faces.signs(subject.split), list(subject.faces.attribute_names)
    result: dict[str, Any] = {}
    with progress(len(trial.names), f"{PAIRS} + {PAIRS} faces", "attributes") as advance:
        for name in trial.names:
            column, rows, seen = known.index(name), trial.rows(name), {"cosine": [], "auc": [], "flip": []}
            one = signs[:, [column]]
            unit = whole.units[whole.place(name)]
            for draw in range(DRAWS if len(rows) else 0):
                chosen = draw_pairs(one[:, 0], PAIRS, trial.seed + draw)
                few = find_directions(z, one, [name], "mean", whole.whitening, chosen)
                seen["cosine"].append(float(few.units[0] @ unit))
                seen["auc"].append(auc(few, subject.encoded.mean, truth[:, [column]])[name] or np.nan)
                faces = subject.space.decode(move(subject.encoded.mean[rows], few, {name: STRENGTH}))
                seen["flip"].append(
                    float((trial.scorer.predict(faces)[:, trial.scorer.names.index(name)] >= 0.5).mean())
                )
            result[name] = {
                key: [float(np.mean(part)), float(np.std(part))] for key, part in seen.items() if part
            }
            advance(1)
    return {"draws": DRAWS, "faces": [PAIRS, PAIRS], "strength": STRENGTH, "attributes": result}


def describe(trial: Trial) -> dict[str, Any]:
    """All that somebody needs to get the same figures."""
    told = trial.scorer.card
    return {
        **trial.subject.protocol(),
        "edited": f"at most {trial.count} an attribute, evenly spread, in whose reconstruction the scorer does not see it",
        "directions": "found in the split train",
        "scorer": {
            "fingerprint": told["fingerprint"],
            "trained": f"on real faces of {told.get('data', {}).get('source')}, none of them edited here",
            "held_out": told.get("held_out", {}).get("mean"),
        },
        "guide": {"of": BEST, "fingerprint": trial.guide.fingerprint},
        "against": "the reconstruction of each face",
        "identity": trial.identity.about,
        "distance": PIXELS
        if trial.distance is pixel_distance
        else str(getattr(trial.distance, "about", "LPIPS")),
        "strengths": [strength.value for strength in trial.strengths],
        "strength_unit": UNITS[trial.strengths[0].unit],
        "margins": list(MARGINS),
        "rate": RATE,
        "alike": ALIKE,
        "seed": trial.seed,
    }
