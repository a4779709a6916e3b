"""Sizes of a space's ONNX files, and how long PyTorch and onnxruntime take for one face and for 16, with one thread.

    python benchmarks/onnx_files.py [SPACE] [--repeats 15]

Without SPACE the default space. The two run in turn; medians in ms. The table of docs/onnx.md."""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import torch

import facespace
from facespace.formats.onnx_files import PRECISIONS
from facespace.formats.onnx_modules import Decoder, Encoder
from facespace.models import bundle

BATCHES = (1, 16)


def main() -> None:
    """Prints two tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("space", type=Path, nargs="?")
    parser.add_argument("--repeats", type=int, default=15)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        print(
            "| precision | encoder | decoder | prior | PSNR of decoder, encoder, prior |\n|---|---|---|---|---|"
        )
        for precision in PRECISIONS:
            facts = facespace.export(asked.space, Path(scratch, precision), "onnx", precision=precision)
            print(size_row(precision, facts))
        print("\n| network | faces | PyTorch | onnxruntime |\n|---|---|---|---|")
        for row in time_rows(asked.space, Path(scratch, "fp32"), asked.repeats):
            print(row, flush=True)


def size_row(precision: str, facts: dict) -> str:
    """Megabytes and decibels of one export."""
    names = ("encoder", "decoder", "prior")
    sizes = [f"{facts['bytes'][f'{name}.onnx'] / 1e6:.2f} MB" for name in names]
    psnr = [f"{facts['differences'][name]['psnr']:.1f}" for name in ("decoder", "encoder", "prior")]
    return f"| {precision} | {' | '.join(sizes)} | {', '.join(psnr)} dB |"


def time_rows(space: Path | None, folder: Path, repeats: int):
    """A row for each network and batch."""
    model = bundle.load(space).model
    random = np.random.default_rng(0)
    for name, module, shape in (
        ("encoder", Encoder(model), model.config.image),
        ("decoder", Decoder(model), model.latent_shape),
    ):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(str(folder / f"{name}.onnx"), options)
        for count in BATCHES:
            values = random.random((count, *shape), dtype=np.float32)
            tensor, feeds = torch.from_numpy(values), {session.get_inputs()[0].name: values}
            ours, theirs = medians(repeats, lambda: module(tensor), lambda: session.run(None, feeds))  # noqa: B023
            yield f"| {name} | {count} | {ours:.1f} ms | {theirs:.1f} ms |"


@torch.inference_mode()
def medians(repeats: int, *works: Callable[[], object]) -> list[float]:
    """Milliseconds of each work, run in turn after two runs that are not counted."""
    seconds: list[list[float]] = [[] for _ in works]
    for turn in range(repeats + 2):
        for taken, work in zip(seconds, works):
            start = time.perf_counter()
            work()
            if turn >= 2:
                taken.append(time.perf_counter() - start)
    return [1e3 * statistics.median(taken) for taken in seconds]


if __name__ == "__main__":
    main()
