"""A ladder of spaces and priors on one ruler: how near their new faces come to photographs, in the eyes of several networks.

    FACESPACE_INCEPTION=… FACESPACE_LPIPS=… FACESPACE_IDENTITY=… \
        python benchmarks/generation.py SET SPACE[,prior=KIND][,keep=SHARE][,labels=GUIDANCE] … [--count 1200] [--features inception-bf16] [--size 64] [--to DIR]

A row for each space: FID, KID, precision and recall by the Inception; what is not ImageNet's, the Fréchet distance in features of
the second attribute network (`scorer`) and of ArcFace; PSNR, LPIPS and identity of reconstructions; the share of new faces nearer to
a training face than 1 % of unseen ones are. `keep` draws more faces and keeps a share by the discriminator that trained the space:
its rows stand beside the plain ones. `labels` draws each face under the labels of a training face. `--features inception-bf16` is twice as fast where a processor has bf16: such figures differ from
fp32 ones by some tenths, and not among each other. The last row is of other real faces. With --to a grid of 16×16 new faces for each row."""

import argparse
import time
from pathlib import Path

import numpy as np
from coverage import under_labels

from facespace.data.faces import evenly_spaced
from facespace.evaluation.generation import measure_generation
from facespace.evaluation.memorisation import measure_memorisation
from facespace.evaluation.reconstruction import measure_reconstruction
from facespace.evaluation.session import EvaluationSession
from facespace.image import grids
from facespace.models import bundle
from facespace.perception.arcface import open_arcface
from facespace.perception.attributes import load_classifier
from facespace.perception.feature_distances import fid
from facespace.perception.inception import Features, open_features
from facespace.perception.lpips import lpips_if_available
from facespace.perception.store import SCORER
from facespace.report.metrics import network_label
from facespace.space.face_space import FaceSpace
from facespace.training.discriminators import load_discriminator

GRID, ROW = 256, 16  # new faces of a picture, and in a row of it
TRAINING = 5_000  # training faces that copies are looked for among
KEPT: dict[str, str] = {}  # the cells of reconstructions by the weights' fingerprint
HEAD = (
    "| space | FID ({network}) | KID ({network}) | precision, recall | scorer | ArcFace | copies | PSNR | LPIPS | identity |\n"
    "|---|---|---|---|---|---|---|---|---|---|"
)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("spaces", nargs="+")
    parser.add_argument("--count", type=int, default=1200)
    parser.add_argument("--features", default="inception")
    parser.add_argument("--size", type=int, help="faces are compared at this height, reduced by area")
    parser.add_argument("--to", type=Path)
    asked = parser.parse_args()
    judge, row = open_features(asked.features), None
    print(f"{asked.count:,} faces a side; {judge.about}; temperature 1, seed 0\n", flush=True)
    print(HEAD.format(network=network_label(judge.about)), flush=True)
    for text in asked.spaces:
        row = Row(text, asked.data, asked.count, judge, asked.size)
        print(row.line(asked.to), flush=True)
    if row:
        print(row.floor())


class Row:
    """One space, with the prior and the share that its new faces come from."""

    def __init__(self, text: str, data: Path, count: int, judge: Features, size: int | None = None) -> None:
        folder, *options = text.split(",")
        told = dict(option.split("=", 1) for option in options)
        self.text, self.judge = text, judge
        self.prior, self.keep, self.labels = told.get("prior"), float(told.get("keep", 1)), told.get("labels")
        self.subject = EvaluationSession(
            FaceSpace(bundle.load(folder or None)), data, "test", count, size=size
        )
        self.space, self.faces = self.subject.space, self.subject.faces
        self.scorer, self.arcface = load_classifier(SCORER), open_arcface(self.subject.template)

    def others(self, split: str, count: int) -> np.ndarray:
        """Real faces of another split as the space draws them."""
        return self.space.target(self.subject.pixels(evenly_spaced(self.faces.rows(split), count)))

    def new(self) -> np.ndarray:
        """As many new faces as real ones."""
        count = max(len(self.subject.rows), GRID)
        if self.labels:
            return under_labels(self.space, self.faces, count, float(self.labels))
        score = load_discriminator(self.space.folder).score if self.keep < 1 else None
        return self.space.sample(count, prior=self.prior, keep=self.keep, score=score)

    def line(self, to: Path | None) -> str:
        """The row of the table."""
        began, real = time.perf_counter(), self.subject.originals
        faces = self.new()
        if to:
            to.mkdir(parents=True, exist_ok=True)
            name = self.text.strip("/").replace("/", "-").replace(",", "-") or "default"
            grids.save_still(grids.grid(faces[:GRID], ROW), to / f"{name}.png")
        faces = faces[: len(real)]
        found = measure_generation(faces, real, None, self.judge)
        copies = measure_memorisation(faces, self.others("train", TRAINING), real).share
        return (
            f"| {self.text or 'the default space'} | {found.fid:.1f} | {found.kid:.4f} ± {found.kid_sd:.4f} "
            f"| {found.precision:.3f}, {found.recall:.3f} | {self.distances(faces)} | {copies:.1%} | {self.kept()} "
            f"| ({time.perf_counter() - began:.0f} s)"
        )

    def kept(self) -> str:
        """What reconstructions keep, as three cells; rows of the same weights share them."""
        weights = self.space.card["fingerprint"]
        if weights not in KEPT:
            real = self.subject.originals
            shown = measure_reconstruction(real, self.subject.reconstructions, lpips_if_available())
            KEPT[weights] = f"{shown.psnr:.2f} | {_shown(shown.lpips)} | {_shown(self.alike())}"
        return KEPT[weights]

    def distances(self, faces: np.ndarray) -> str:
        """Fréchet distances from the test faces by the scorer and ArcFace, as two cells."""
        real = self.subject.originals
        by_scorer = fid(self.scorer.features(faces), self.scorer.features(real))
        by_person = fid(self.arcface(faces), self.arcface(real)) if self.arcface else None
        return f"{by_scorer:.2f} | {_shown(by_person)}"

    def alike(self) -> float | None:
        """Mean cosine of test faces and their reconstructions by ArcFace."""
        if self.arcface is None:
            return None
        pairs = self.arcface(self.subject.originals) * self.arcface(self.subject.reconstructions)
        return float(pairs.sum(1).mean())

    def floor(self) -> str:
        """The same of other real faces."""
        real = self.subject.originals
        others = self.others("validation", len(real))
        found = measure_generation(others, real[: len(others)], None, self.judge)
        return (
            f"| {len(others):,} other real faces | {found.fid:.1f} | {found.kid:.4f} "
            f"| {found.precision:.3f}, {found.recall:.3f} | {self.distances(others)} | | | | |"
        )


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    main()
