"""The editing methods that a benchmark compares, and the effect of their edits on faces: which latents each
method makes, and what the scoring networks find in the decoded faces."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from facespace.core.console import progress
from facespace.data.faces import evenly_spaced
from facespace.evaluation.edit_curves import Curve, Point
from facespace.evaluation.session import EvaluationSession
from facespace.latent.directions import DECORRELATED, Directions
from facespace.latent.edit import move
from facespace.latent.strengths import Strength
from facespace.perception.arcface import IdentityNetwork
from facespace.perception.attributes import AttributeClassifier
from facespace.perception.lpips import Distance
from facespace.space.closed_loop import closed_loop_edit

DETECTED = 0.5  # probability from which an attribute counts as present

Edits = list[tuple[float, np.ndarray]]  # strength, and the edited latents (N, D), by rising strength


@dataclass
class EditBenchmark:
    """The inputs of one benchmark. Edits are compared with the reconstructions of the faces, not with the
    originals."""

    session: EvaluationSession
    names: tuple[str, ...]  # the A attributes
    scorer: AttributeClassifier  # detects attributes; no direction was fitted with it
    guide: AttributeClassifier  # the classifier of closed-loop edits
    identity: IdentityNetwork
    distance: Distance
    count: int  # faces per attribute, at most
    seed: int
    directions: Mapping[str, Directions]  # method -> directions, of all the set's attributes
    strengths: Sequence[Strength]  # of edits along directions, rising
    margins: Sequence[float]  # of closed-loop edits: logits past the decision boundary, rising

    @cached_property
    def columns(self) -> list[int]:
        """The columns of the attributes among the scorer's."""
        return [self.scorer.names.index(name) for name in self.names]

    @cached_property
    def probabilities(self) -> np.ndarray:
        """The attributes' probabilities in the reconstructions, (N, A)."""
        return self.scorer.probabilities(self.session.reconstructions)[:, self.columns]

    @cached_property
    def persons(self) -> np.ndarray:
        """The identity embeddings of the reconstructions, (N, K)."""
        return self.identity(self.session.reconstructions)

    def rows(self, name: str) -> np.ndarray:
        """At most `count` evenly spaced faces in whose reconstructions the attribute is not detected."""
        lacking = self.probabilities[:, self.names.index(name)] < DETECTED
        return evenly_spaced(np.flatnonzero(lacking), self.count)

    def locks(self, name: str) -> list[str]:
        """All other attributes."""
        return [other for other in self.names if other != name]

    def measure(self, name: str, rows: np.ndarray, z: np.ndarray, strength: float) -> Point:
        """The effect of edits of those faces to the latents (N, D)."""
        own, faces = self.names.index(name), self.session.space.decode(z)
        before = self.probabilities[rows]
        change = self.scorer.probabilities(faces)[:, self.columns] - before  # (N, A)
        others = np.delete(change, own, axis=1)
        return Point(
            strength,
            float((change[:, own] + before[:, own] >= DETECTED).mean()),
            float((self.identity(faces) * self.persons[rows]).sum(1).mean()),
            float(np.mean(self.distance(self.session.reconstructions[rows], faces))),
            float(np.abs(others).mean()),
            float(np.abs(others.mean(0)).mean()),
            tuple(change.mean(0).astype(float).tolist()),
        )


@dataclass
class EditOutcome:
    """The measured edits: a curve, and the edited latents of each of its points, for each (method,
    attribute)."""

    curves: dict[tuple[str, str], Curve]
    edited: dict[tuple[str, str], list[np.ndarray]]

    def curves_of(self, method: str, names: Sequence[str]) -> list[Curve]:
        """The curves of a method, one for each attribute; empty ones for attributes without faces to edit."""
        return [self.curves[method, name] for name in names]


Method = Callable[[EditBenchmark, str, np.ndarray], Edits]  # benchmark, attribute, rows -> edits


def _along(method: str, locked: bool) -> Method:
    def edits(benchmark: EditBenchmark, name: str, rows: np.ndarray) -> Edits:
        z, found = benchmark.session.encoded.mean[rows], benchmark.directions[method]
        locks = benchmark.locks(name) if locked else ()
        made: Edits = []
        for strength in benchmark.strengths:
            amount = {name: strength.deviations(found, name)}
            made.append((strength.value, move(z, found, amount, locks)))
        return made

    return edits


def _closed_loop(benchmark: EditBenchmark, name: str, rows: np.ndarray) -> Edits:
    z, space = benchmark.session.encoded.mean[rows], benchmark.session.space
    known, locks = benchmark.directions[DECORRELATED], benchmark.locks(name)
    classifier, root = space.latent_classifier(benchmark.guide), known.whitening.root
    made: Edits = []
    for margin in benchmark.margins:
        edited = closed_loop_edit(z, classifier, {name: True}, locks, root, known, margin=margin)
        made.append((margin, edited))
    return made


METHODS: Mapping[str, Method] = {
    "mean difference": _along("mean", False),
    "probe": _along("probe", False),
    "decorrelated": _along(DECORRELATED, False),
    "decorrelated, locked": _along(DECORRELATED, True),
    "closed loop, locked": _closed_loop,
}
PLAIN, BEST = "mean difference", "closed loop, locked"


def run(benchmark: EditBenchmark) -> EditOutcome:
    """Edits the faces of each attribute by each method, and measures the effects."""
    outcome = EditOutcome({}, {})
    with progress(len(METHODS) * len(benchmark.names), "Editing", "attributes") as advance:
        for method, edits in METHODS.items():
            for name in benchmark.names:
                rows = benchmark.rows(name)
                made = edits(benchmark, name, rows) if len(rows) else []
                curve: Curve = []
                for strength, z in made:
                    curve.append(benchmark.measure(name, rows, z, strength))
                outcome.curves[method, name] = curve
                outcome.edited[method, name] = [z for _, z in made]
                advance(1)
    return outcome
