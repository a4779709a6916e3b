"""What a large set costs: synthetic faces drawn cheaply into tar shards, `prepare webdataset` from these, `verify`, and
opening the set, each in a process of its own: faces a second, peak memory, bytes on the disk, bytes of memory a face.

python benchmarks/millions.py [--faces 100000] [--workers 2] [--shard-size 256MiB] [--near-copies ignore] [--folder DIR]

A million faces are `--faces 1000000`; they take about 19 GB below the folder."""

import argparse
import io
import json
import multiprocessing
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 64  # px
PER_TAR = 10_000  # img2dataset's default
PREPARE = """
import sys, facespace
if __name__ == "__main__":
    options = dict(size=64, workers=int(sys.argv[3]), shard_size=sys.argv[4], near_copies=sys.argv[5], align=False)
    facespace.prepare("webdataset", sys.argv[1], to=sys.argv[2], **options)
"""
VERIFY = """
import sys
from facespace.data.verify import verify
found = verify(sys.argv[1])
assert not found.faults, found.faults
"""
OPEN = """
import sys
import facespace
from facespace.data.faces import FaceSet
def memory():
    fields = dict(line.split(":") for line in open("/proc/self/status"))
    return 1024 * int(fields["RssAnon"].split()[0])  # without the mapped files
before = memory()
faces = FaceSet(sys.argv[1])
train = faces.rows("train")
print((memory() - before) / len(faces))
"""


def draw(first: int, count: int, path: Path) -> None:
    """A tar shard as img2dataset writes it: JPEGs, and JSON with attributes, an identity and a width."""
    random = np.random.default_rng(first)
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    with tarfile.open(path, "w") as archive:
        for number in range(first, first + count):
            wide, high, shift, shade, back = random.random(5)
            inside = (x - 0.2 * (shift - 0.5)) ** 2 / (0.4 + 0.2 * wide) + y**2 / (0.6 + 0.3 * high) < 1
            eyes = (np.abs(np.abs(x) - 0.3) < 0.1) & (np.abs(y + 0.2) < 0.06)
            face = np.where(inside, 120 + 120 * shade, 100 * back) * (1 - 0.7 * eyes)
            noise = random.normal(0, 4, (SIDE, SIDE))
            pixels = (face[..., None] * (1, 0.85, 0.7) + noise[..., None]).clip(0, 255).astype(np.uint8)
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, "JPEG", quality=90)
            fields = {
                "key": f"{number:09d}",
                "Pale": bool(shade > 0.5),
                "width_of_face": wide,
                "identity": f"p{number // 5}",
            }
            for ending, data in (("jpg", file.getvalue()), ("json", json.dumps(fields).encode())):
                member = tarfile.TarInfo(f"{number:09d}.{ending}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))


def draw_all(folder: Path, count: int, workers: int) -> None:
    """All shards that are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    jobs = []
    for first in range(0, count, PER_TAR):
        path = folder / f"{first // PER_TAR:05d}.tar"
        if not path.exists():
            jobs.append((first, min(PER_TAR, count - first), path))
    with multiprocessing.get_context("fork").Pool(workers) as pool:
        pool.starmap(draw, jobs, chunksize=1)


def run(code: str, *arguments: object) -> tuple[float, dict[str, float], str]:
    """Seconds, peak resident memory in MB of the process and of its largest worker, and the output."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    peaks: dict[str, float] = {}
    while process.poll() is None:
        for pid, kind in [(process.pid, "main"), *((child, "worker") for child in children(process.pid))]:
            peaks[kind] = max(peaks.get(kind, 0.0), peak(pid))
        time.sleep(0.2)
    seconds = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"failed: {' '.join(map(str, arguments))}")
    assert process.stdout is not None
    return seconds, peaks, process.stdout.read()


def children(pid: int) -> list[int]:
    try:
        return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
    except OSError:
        return []


def peak(pid: int) -> float:
    """The largest anonymous memory so far, as often as it is looked at, in MB: mapped files do not count."""
    try:
        fields = dict(line.split(":") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        return int(fields["RssAnon"].split()[0]) / 1024
    except (OSError, KeyError, ValueError):
        return 0.0


def size(folder: Path) -> float:
    """Bytes of the files of a folder, in GB."""
    return sum(path.stat().st_size for path in folder.iterdir()) / 1e9


def main() -> None:
    """Prints what each step costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--shard-size", default="256MiB")
    parser.add_argument("--near-copies", default="ignore")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        tars, to, count = folder / f"tars-{options.faces}", folder / f"set-{options.faces}", options.faces
        start = time.perf_counter()
        draw_all(tars, count, options.workers)
        seconds = time.perf_counter() - start
        print(
            f"drawn:    {count:,} faces in {seconds:,.0f} s, {size(tars):.2f} GB in {len(list(tars.iterdir()))} tars",
            flush=True,
        )
        seconds, peaks, _ = run(PREPARE, tars, to, options.workers, options.shard_size, options.near_copies)
        print(
            f"prepare:  {count / seconds:,.0f} faces/s ({seconds:,.0f} s, {options.workers} workers), peak memory "
            f"{peaks['main']:,.0f} MB, of a worker {peaks.get('worker', 0):,.0f} MB; {size(to):.2f} GB in "
            f"{len(list(to.iterdir()))} files",
            flush=True,
        )
        seconds, peaks, _ = run(VERIFY, to)
        print(
            f"verify:   {seconds:,.1f} s, {size(to) / seconds:.2f} GB/s, peak memory {peaks['main']:,.0f} MB",
            flush=True,
        )
        seconds, peaks, output = run(OPEN, to)
        print(f"open:     {seconds:,.1f} s, {float(output):,.0f} bytes a face")
        print(f"load of this machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
