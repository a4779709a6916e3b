"""What a large set costs: synthetic faces drawn cheaply into tar shards, `prepare webdataset` from these, `verify`, opening
the set, one epoch of `train` of a small network under a memory limit, `encode` and `label`, each in a process of its own:
faces a second, peak memory, bytes on the disk, bytes of memory a face.

python benchmarks/millions.py [--faces 100000] [--cluster local:2] [--shard-size 256MiB] [--near-copies ignore]
    [--limit 3GiB] [--kills] [--no-label] [--folder DIR]

A million faces are `--faces 1000000`; they take about 19 GB below the folder. `--kills` prepares the set a second time,
kills a worker twice and the whole command once on the way, and compares the files. The memory limit of `train` is one of a
control group (Linux, root); without such groups it trains without a limit, and says so."""

import argparse
import contextlib
import io
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from facespace.core.files import sha256
from facespace.data.image_writer import parse_bytes

SIDE = 64  # px
PER_TAR = 10_000  # img2dataset's default
# A convolutional network that is small enough for the loader to matter.
NETWORK = ["celebamask-conv"]
for setting in (
    "model.widths=4,8,16,16",
    "model.latent_dim=16",
    "train.epochs=1",
    "train.min_steps=0",
    "train.batch=128",
    "train.prior=none",
):
    NETWORK += ["--set", setting]
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
    unfinished = path.with_suffix(".part")
    with tarfile.open(unfinished, "w") as archive:
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
    unfinished.replace(path)


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


class Cost(NamedTuple):
    """What a command took: seconds, the peak memory of its process and of its largest worker in MB, its output."""

    seconds: float
    main: float
    worker: float
    output: str

    def line(self, name: str, faces: int) -> str:
        return (
            f"{name + ':':9} {faces / self.seconds:,.0f} faces/s ({self.seconds:,.0f} s), peak memory {self.main:,.0f} MB, "
            f"of a worker {self.worker:,.0f} MB"
        )


def cost(*command: object, group: Path | None = None) -> Cost:
    """Runs Python with arguments, in a control group where one is given. Raises SystemExit where it fails."""
    start = time.perf_counter()
    process = begin(*command, group=group)
    peaks = {"main": 0.0, "worker": 0.0}
    while process.poll() is None:
        for pid, kind in [(process.pid, "main"), *((child, "worker") for child in children(process.pid))]:
            peaks[kind] = max(peaks[kind], peak(pid))
        time.sleep(0.2)
    seconds = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"failed with {process.returncode}: {' '.join(map(str, command))}")
    assert process.stdout is not None
    return Cost(seconds, peaks["main"], peaks["worker"], process.stdout.read())


def begin(*command: object, group: Path | None = None) -> subprocess.Popen:
    """Starts Python with arguments, as the leader of a process group."""

    def join() -> None:
        if group:
            (group / "cgroup.procs").write_text(str(os.getpid()))

    return subprocess.Popen(
        [sys.executable, *map(str, command)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=join,
    )


def facespace(verb: str, *arguments: object) -> list[object]:
    return ["-m", "facespace", verb, *arguments]


@contextlib.contextmanager
def memory_group(limit: str) -> Iterator[Path | None]:
    """A control group with a memory limit for processes that are put into it; None, with a line, where there is none."""
    group = Path("/sys/fs/cgroup/memory/facespace-millions")
    file = "memory.limit_in_bytes"
    if not group.parent.exists():
        group, file = Path("/sys/fs/cgroup/facespace-millions"), "memory.max"
    try:
        group.mkdir(exist_ok=True)
        (group / file).write_text(str(parse_bytes(limit)))
    except OSError as error:
        print(f"no memory limit: {error}", flush=True)
        yield None
        return
    try:
        yield group
    finally:
        group.rmdir()


def children(pid: int) -> list[int]:
    """The processes that any thread of a process started."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    try:
        return [int(child) for path in lists for child in path.read_text().split()]
    except OSError:
        return []


def peak(pid: int) -> float:
    """The largest anonymous memory so far, as often as it is looked at, in MB: mapped files do not count."""
    try:
        fields = dict(line.split(":") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        return int(fields["RssAnon"].split()[0]) / 1024
    except (OSError, KeyError, ValueError):
        return 0.0


def workers_of(pid: int) -> list[int]:
    """The worker processes of a command: those of its descendants that multiprocessing started to do work."""
    found = []
    for child in children(pid):
        line = Path(f"/proc/{child}/cmdline").read_bytes()
        if b"spawn_main" in line or b"forkserver" in line:
            found.append(child)
        found += workers_of(child)
    return found


def prepare_with_kills(command: list[object], seconds: float) -> str:
    """Prepares a set and kills a worker after a fifth and two fifths of the usual time, and the command after
    three; then the same command again. What happened, in words."""
    process = begin(*command)
    killed = 0
    for _ in range(2):
        time.sleep(seconds / 5)
        workers = workers_of(process.pid)
        if workers:
            os.kill(workers[0], signal.SIGKILL)
            killed += 1
    time.sleep(seconds / 5)
    running = process.poll() is None
    if running:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        again = cost(*command)
        return f"{killed} workers and the command killed, ended by the same command in {again.seconds:,.0f} s"
    return f"{killed} workers killed; the command had ended with {process.returncode} before it was killed"


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of each shard and of the table of a set."""
    names = [path for path in sorted(folder.iterdir()) if path.suffix in (".npy", ".parquet", ".csv")]
    return {path.name: sha256(path) for path in names}


def size(folder: Path) -> float:
    """Bytes of the files of a folder, in GB."""
    return sum(path.stat().st_size for path in folder.iterdir()) / 1e9


def measure(options: argparse.Namespace, folder: Path) -> None:
    """Prints what each step costs."""
    count = options.faces
    tars, to, run = (folder / f"{name}-{count}" for name in ("tars", "set", "run"))
    start = time.perf_counter()
    draw_all(tars, count, os.cpu_count() or 1)
    print(
        f"drawn:    {count:,} faces in {time.perf_counter() - start:,.0f} s, {size(tars):.2f} GB in "
        f"{len(list(tars.iterdir()))} tars",
        flush=True,
    )
    cluster = ["--cluster", options.cluster]
    how = [
        "--size",
        64,
        "--align",
        "no",
        "--shard-size",
        options.shard_size,
        "--near-copies",
        options.near_copies,
    ]
    prepared = cost(*facespace("prepare", "webdataset", tars, "--to", to, *how, *cluster))
    print(
        f"{prepared.line('prepare', count)}; {size(to):.2f} GB in {len(list(to.iterdir()))} files", flush=True
    )
    verified = cost(*facespace("verify", to))
    print(f"{verified.line('verify', count)}, {size(to) / verified.seconds:.2f} GB/s", flush=True)
    opened = cost("-c", OPEN, to)
    print(f"open:     {opened.seconds:,.1f} s, {float(opened.output):,.0f} bytes a face", flush=True)
    with memory_group(options.limit) as group:
        trained = cost(*facespace("train", *NETWORK, "--data", to, "--to", run), group=group)
    print(f"{trained.line('train', count)}, limit {options.limit if group else 'none'}", flush=True)
    encoded = cost(*facespace("encode", run, "--data", to, "--to", folder / "latents.npy", *cluster))
    print(encoded.line("encode", count), flush=True)
    if not options.no_label:
        labelled = cost(*facespace("label", to, "--to", folder / f"labelled-{count}", *cluster))
        print(labelled.line("label", count), flush=True)
    if options.kills:
        other = folder / f"killed-{count}"
        told = prepare_with_kills(
            facespace("prepare", "webdataset", tars, "--to", other, *how, *cluster), prepared.seconds
        )
        print(f"kills:    {told}; same bytes: {digests(to) == digests(other)}", flush=True)
    print(f"load of this machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=int, default=100_000)
    parser.add_argument("--cluster", default="local:2")
    parser.add_argument("--shard-size", default="256MiB")
    parser.add_argument("--near-copies", default="ignore")
    parser.add_argument("--limit", default="3GiB")
    parser.add_argument("--kills", action="store_true")
    parser.add_argument("--no-label", action="store_true", help="leave out label, which takes longest")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        measure(options, options.folder or Path(temporary))


if __name__ == "__main__":
    main()
