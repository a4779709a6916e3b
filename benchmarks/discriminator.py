"""What the projected discriminator costs: images a second of one pass that teaches the model (forward, and backward to the
image) and one step of the heads, and the peak of memory. Each case in a process of its own.

    FACESPACE_EFFICIENTNET=… FACESPACE_RECOGNITION=… python benchmarks/discriminator.py [--batch 32] [--threads 2]
"""

import argparse
import multiprocessing
import resource
import time
from typing import NamedTuple

import numpy as np
import torch

from facespace.core.configs import override
from facespace.image.photos import Template
from facespace.recipes import recipe
from facespace.training.projected import ProjectedAdversary
from facespace.training.runtime import Runtime

EYES = Template(64, 64, 3, "center-148", (218, 178)).points[:2]
IMAGE = (3, 64, 64)
WARM_UP, STEPS = 1, 4


class Case(NamedTuple):
    """One row of the table."""

    features: str
    size: int  # 0 is the image's own
    precision: str


CASES = [
    Case(features, size, precision)
    for features, size in (
        ("efficientnet", 0),
        ("efficientnet", 128),
        ("recognition", 0),
        ("efficientnet,recognition", 128),
    )
    for precision in ("fp32", "bf16")
]


def measure(case: Case, batch: int, threads: int) -> tuple[float, float, float]:
    """Images a second by the clock, and by processor time on as many threads, and MiB at the peak."""
    torch.set_num_threads(threads)
    settings = [
        "objective.discriminator=projected",
        "objective.adversarial=1",
        "objective.feature_matching=0",
    ]
    settings += [
        f"objective.discriminator_features={case.features}",
        f"objective.discriminator_size={case.size}",
    ]
    plan = override(
        recipe("faces64"), [*settings, f"train.precision={case.precision}", f"train.batch={batch}"]
    )
    projected = ProjectedAdversary(plan, IMAGE, np.asarray(EYES), Runtime("cpu", plan.train))
    seen, made = torch.rand(batch, *IMAGE), torch.rand(batch, *IMAGE, requires_grad=True)
    clock, processor = 0.0, 0.0
    for step in range(WARM_UP + STEPS):
        if step == WARM_UP:
            clock, processor = time.perf_counter(), time.process_time()
        projected.generator_terms(made, seen)["adversarial"].backward()
        projected.step(made, seen)
    count = STEPS * batch
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return count / (time.perf_counter() - clock), count * threads / (time.process_time() - processor), peak


def main() -> None:
    """Prints a row for each case."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    print("features                    size  format  images/s  of free cores   memory")
    for case in CASES:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            clock, free, peak = pool.apply(measure, (case, asked.batch, asked.threads))
        print(
            f"{case.features:26} {case.size or 'own':>5}  {case.precision:6}  {clock:8.1f}  {free:13.1f}  {peak:5.0f} MiB",
            flush=True,
        )


if __name__ == "__main__":
    main()
