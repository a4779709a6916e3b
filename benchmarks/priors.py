"""What a fitted prior gains: the same decoder, fed from each prior that a space has.

    python benchmarks/priors.py SPACE SET [--count 1200] [--features inception] [--only KIND,KIND]

Prints FID, KID, precision and recall of as many new faces as test faces (temperature 1) for the space's own prior and each one
that `facespace fit-prior` left, beside those of reconstructions and of other real faces, and KID ÷ the first row's."""

import argparse
import time
from pathlib import Path

from facespace.evaluation.generation import measure_generation
from facespace.evaluation.session import EvaluationSession, draw_samples
from facespace.models.bundle_card import MODEL_PRIOR as OWN
from facespace.perception.inception import open_features
from facespace.report.metrics import network_label


def main() -> None:
    """Prints a row a prior."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("space", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--count", type=int, default=1200)
    parser.add_argument("--features", default="inception")
    parser.add_argument("--only", default="")
    asked = parser.parse_args()
    subject, features = (
        EvaluationSession(asked.space, asked.data, "test", asked.count),
        open_features(asked.features),
    )
    others = EvaluationSession(asked.space, asked.data, "validation", asked.count)
    real = subject.originals
    print(f"{len(real):,} faces a side, {features.about}")
    kinds, own = (OWN, *subject.space.card.get("priors", {}), "reconstructions"), 0.0
    for kind in asked.only.split(",") if asked.only else kinds:
        began = time.perf_counter()
        drawn = kind != "reconstructions"
        faces = draw_samples(subject.space, len(real), prior=kind) if drawn else subject.reconstructions
        seconds = time.perf_counter() - began
        found = measure_generation(faces, real, others.originals, features)
        own, network = own or found.kid, network_label(features.about)
        print(
            f"{kind:<16} FID ({network}) {found.fid:6.1f}  KID {found.kid:.4f} ± {found.kid_sd:.4f} ({found.kid / own:.2f} of the first)  "
            f"precision {found.precision:.3f}  recall {found.recall:.3f}  {seconds:5.1f} s to draw",
            flush=True,
        )
    floor = found.real_reference
    print(
        f"{'real faces':<16} FID ({network_label(features.about)}) {floor.fid:6.1f}  KID {floor.kid:.4f}  ({floor.compared})"
    )


if __name__ == "__main__":
    main()
