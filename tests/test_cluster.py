"""Work on a Dask cluster: real schedulers and workers on this machine, in folders of their own, which share no
file that has a relative name."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from multiprocessing.context import SpawnProcess
from pathlib import Path

import fsspec
import numpy as np
import pytest
import worker_functions
from PIL import Image
from test_interrupts import _group_runs, _start
from test_large_sources import shard
from test_workers import CHUNKS, SINGLES

import facespace
from facespace.core.errors import WorkersError
from facespace.core.files import unfinished_folder
from facespace.data.resumable import LOG
from facespace.space.set_latents import encode_set
from facespace.training.labelling import label
from facespace.workers import dask_team
from facespace.workers.tasks import Care, map_in_order
from facespace.workers.where import Workers

pytest.importorskip("distributed")
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes of POSIX")

LOCAL = Workers(cluster="local:2")
OTHER_VERSION = "import facespace.workers.dask_team as e; e.__version__ = '0.0.1'\n"
NO_FACESPACE = """
import sys

class Absent:
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] == "facespace":
            raise ModuleNotFoundError(f"No module named {name!r}")

sys.meta_path.insert(0, Absent)
"""


class Cluster:
    """A scheduler and its workers, each in a folder of its own."""

    def __init__(self, root: Path) -> None:
        self.root, self.processes = root, []
        file = root / "scheduler.json"
        self.scheduler = self._run("scheduler", "--scheduler-file", file, "--port", 0)
        waited = time.monotonic()
        while not file.is_file() or not file.read_text():
            assert time.monotonic() - waited < 60
            time.sleep(0.1)
        self.address = json.loads(file.read_text())["address"]
        self.where = Workers(cluster=self.address)

    def add_worker(self, preload: str = "") -> None:
        words = [self.address, "--nthreads", 1, "--no-dashboard"]
        if preload:
            (self.root / "preload.py").write_text(preload)
            words += ["--preload", self.root / "preload.py"]
        self._run("worker", *words)

    def _run(self, kind, *words):
        folder = self.root / f"{kind}{len(self.processes)}"
        folder.mkdir()
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", *map(str, words)]
        command += ["--host", "127.0.0.1"]
        log = (self.root / "log.txt").open("a")
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, start_new_session=True)
        self.processes.append(process)
        return process

    def end(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def cluster(tmp_path):
    (tmp_path / "cluster").mkdir()
    made = Cluster(tmp_path / "cluster")
    yield made
    made.end()


@pytest.fixture
def client(tmp_path, monkeypatch):
    """The working folder of the commands, with photographs of noise."""
    (tmp_path / "client" / "photos").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "client")
    for number in range(200):
        pixels = np.random.default_rng(number).integers(0, 256, (20, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(f"photos/{number:03}.png")
    Path("photos/damaged.png").write_bytes(b"no picture at all")
    return tmp_path / "client"


def _bytes(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir() if path.suffix != ".json"}


def _prepare(to, workers):
    return facespace.prepare("folder", "photos", to=to, size=16, workers=workers)


def test_a_local_cluster_gives_the_results_in_order_and_replaces_workers(tmp_path):
    found = map_in_order(partial(worker_functions.dies_once, tmp_path), range(20), LOCAL)
    assert list(found) == list(range(20))
    assert (tmp_path / "died").exists()


def kill_starting_workers(monkeypatch, count: int) -> list[int]:
    """Kills each of the next `count` workers of local clusters as soon as its process has started."""
    start, killed = SpawnProcess.start, []

    def start_and_kill(process) -> None:
        start(process)
        if len(killed) < count:
            killed.append(process.pid)
            process.kill()

    monkeypatch.setattr(SpawnProcess, "start", start_and_kill)
    return killed


@pytest.mark.slow
def test_a_worker_that_dies_while_a_local_cluster_starts_is_replaced(monkeypatch):
    killed = kill_starting_workers(monkeypatch, 1)
    assert list(map_in_order(abs, [-1, -2], LOCAL)) == [1, 2]
    assert len(killed) == 1


@pytest.mark.slow
def test_workers_that_never_start_are_a_sentence(monkeypatch):
    killed = kill_starting_workers(monkeypatch, 100)
    with pytest.raises(WorkersError, match=r"ended twice before they were ready.*--cluster local:1"):
        list(map_in_order(abs, [-1, -2], LOCAL))
    assert len(killed) >= 2
    assert not set(multiprocessing.active_children())


def test_what_ends_the_workers_of_a_cluster_is_left_out_and_nothing_else(tmp_path):
    found = map_in_order(partial(worker_functions.deadly, tmp_path), CHUNKS, LOCAL, SINGLES)
    expected = [-13 if number == 13 else number for number in range(40)]
    assert [number for part in found for number in part] == expected


def test_workers_without_a_shared_disk_get_what_they_read(cluster, client, trained, capfd):
    cluster.add_worker()
    there, here = _prepare("there", cluster.where), _prepare("here", 1)
    assert "their bytes are sent along" in capfd.readouterr().err
    assert _bytes("there") == _bytes("here")
    assert there.fingerprint == here.fingerprint
    Path("run").mkdir()
    for name in ("card.json", "model.safetensors"):
        Path("run", name).write_bytes((trained / "best" / name).read_bytes())
    space = facespace.load("run")
    encode_set(space, here, "there.npy", workers=cluster.where)
    encode_set(space, here, "here.npy", workers=Workers(1))
    assert Path("there.npy").read_bytes() == Path("here.npy").read_bytes()
    labelled = label(here, "labelled", workers=cluster.where)
    assert _bytes("labelled") == _bytes(label(here, "labelled-here", workers=Workers(1)).root)
    assert len(labelled) == 200


def test_pictures_in_archives_go_to_workers_that_do_not_see_the_archive(cluster, client):
    shard(Path("archives/00000.tar"), 0, 70)
    cluster.add_worker()

    def made(to, workers):
        return facespace.prepare("webdataset", "archives", to=to, size=16, workers=workers)

    assert len(made("here", 1)) == len(made("there", cluster.where)) == 70
    assert _bytes("there") == _bytes("here")


def test_workers_need_not_reach_the_address_of_a_set_or_of_a_source(cluster, client, trained, monkeypatch):
    """What lies in the memory of the command's process is seen by no other one."""
    memory = fsspec.filesystem("memory")
    monkeypatch.setenv("FACESPACE_REMOTE_CACHE", str(client / "cache"))
    shard(Path("archives/00000.tar"), 0, 70)
    for folder in ("archives", "photos"):
        memory.put(f"{client / folder}/", f"/{folder}", recursive=True)
    cluster.add_worker()
    for source, folder in (("webdataset", "archives"), ("folder", "photos")):
        here = facespace.prepare(source, folder, to=f"{source}-here", size=16, workers=1)
        there = facespace.prepare(
            source, f"memory://{folder}", to=f"{source}-there", size=16, workers=cluster.where
        )
        assert there.fingerprint == here.fingerprint
    memory.put(f"{here.root.resolve()}/", "/set", recursive=True)
    Path("run").mkdir()
    for name in ("card.json", "model.safetensors"):
        Path("run", name).write_bytes((trained / "best" / name).read_bytes())
    space = facespace.load("run")
    encode_set(space, here, "here.npy", workers=Workers(1))
    encode_set(space, "memory://set", "there.npy", workers=cluster.where)
    assert Path("there.npy").read_bytes() == Path("here.npy").read_bytes()
    labelled = label("memory://set", "labelled", workers=cluster.where)
    assert len(labelled) == 200
    for path in ("/archives", "/photos", "/set"):
        memory.rm(path, recursive=True)


def test_a_scheduler_that_is_not_there_is_a_sentence(client, monkeypatch):
    monkeypatch.setattr(dask_team, "CONNECT", 1.0)
    with pytest.raises(WorkersError, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:9\."):
        _prepare("set", Workers(cluster="tcp://127.0.0.1:9"))
    assert not Path("set").exists()


def test_a_scheduler_without_workers_is_a_sentence(cluster, client, monkeypatch):
    monkeypatch.setattr(dask_team, "WORKERS", 1.0)
    with pytest.raises(WorkersError, match=f"has no workers.*dask worker {cluster.address}"):
        _prepare("set", cluster.where)


@pytest.mark.parametrize(
    ("preload", "sentence"),
    [
        (OTHER_VERSION, r"The worker tcp://.* has facespace 0\.0\.1"),
        (NO_FACESPACE, r"has no facespace .* \(No module named 'facespace'"),
    ],
    ids=["another", "none"],
)
def test_workers_with_another_facespace_are_refused(cluster, client, preload, sentence):
    cluster.add_worker(preload)
    with pytest.raises(WorkersError, match=sentence):
        _prepare("set", cluster.where)
    assert not Path("set").exists()


def test_what_is_finished_stays_where_the_scheduler_goes_away(cluster, client, capfd):
    cluster.add_worker()
    log = unfinished_folder(Path("set")) / LOG

    def end_it() -> None:
        while not log.is_file() or log.read_text().count("\n") < 2:
            time.sleep(0.01)
        cluster.scheduler.kill()

    for number in range(200, 600):
        Path(f"photos/{number:03}.png").hardlink_to(f"photos/{number - 200:03}.png")
    threading.Thread(target=end_it, daemon=True).start()
    with pytest.raises(WorkersError, match=r"went away\. What is finished stays"):
        _prepare("set", cluster.where)
    assert log.is_file() and not Path("set").exists()
    resumed = _prepare("set", 2)
    assert "which an interrupted run has finished" in capfd.readouterr().err
    assert resumed.fingerprint == _prepare("here", 1).fingerprint


def test_a_file_that_nobody_has_is_a_reason_and_no_error(cluster, client):
    cluster.add_worker()
    Path("photos/gone.png").symlink_to("nowhere.png")
    assert len(_prepare("set", cluster.where)) == 200
    assert _bytes("set") == _bytes(_prepare("here", 1).root)


@pytest.mark.parametrize("kill", [os.killpg, os.kill])
def test_signals_end_a_local_cluster(tmp_path, kill):
    words = ("prepare", "synthetic", "--to", tmp_path / "set", "--limit", 20_000, "--size", 64)
    process = _start(*words, "--cluster", "local:2")
    log, waited = tmp_path / ".set.facespace-partial" / "made.jsonl", time.monotonic()
    while not log.is_file() and time.monotonic() - waited < 60:
        time.sleep(0.02)
    time.sleep(2)
    first = time.monotonic()
    for gap in (0.0, 0.1, 0.01):
        time.sleep(gap)
        kill(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=20)
    assert time.monotonic() - first < 15  # three seconds, unless the machine is busy
    assert process.returncode == 130
    assert "Traceback" not in said and said.count("facespace: Interrupted.") == 1
    while _group_runs(process.pid) and time.monotonic() - first < 20:
        time.sleep(0.05)
    assert not _group_runs(process.pid)


def test_networks_compute_on_one_thread_in_a_local_cluster():
    found = list(map_in_order(worker_functions.threads, range(4), LOCAL, Care(fresh=True)))
    assert {threads for threads, _ in found} == {"1"}
