"""Sets and sources at addresses: memory://, file:// and, where aiohttp is installed, http:// on this machine."""

import http.server
import importlib.util
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import fsspec
import numpy as np
import pytest
from conftest import TINY
from test_large_sources import picture, shard

import facespace
from facespace.core import remote, remote_cache
from facespace.core.addresses import Address, address_of, is_address
from facespace.core.console import quiet
from facespace.core.errors import FaceSetError, FacespaceError, UsageError
from facespace.core.fetch import FetchError
from facespace.core.remote import RemoteError
from facespace.data.faces import FaceSet
from facespace.data.verify import verify

FACE = 16 * 16 * 3  # bytes


@pytest.fixture(scope="module")
def sharded(tmp_path_factory) -> FaceSet:
    """150 faces in shards of 10."""
    to = tmp_path_factory.mktemp("remote") / "sharded"
    with quiet():
        return facespace.prepare("synthetic", to=to, size=16, limit=150, workers=1, shard_size=10 * FACE)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv(remote_cache.FOLDER, str(tmp_path / "cache"))
    remote_cache._version.cache_clear()
    return tmp_path / "cache"


@pytest.fixture
def memory():
    """A file system in memory."""
    files = fsspec.filesystem("memory")
    yield files
    for path in files.find("/"):
        files.rm(path)


def put(folder: Path, memory, to: str) -> str:
    """Copies a set into the memory; gives its address."""
    for path in folder.iterdir():
        memory.pipe(f"/{to}/{path.name}", path.read_bytes())
    return f"memory://{to}"


def copies(cache: Path) -> dict[str, int]:
    """Names and bytes of all files of the cache."""
    return {path.name: path.stat().st_size for path in cache.rglob("*") if path.is_file()}


# --- addresses


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("s3://bucket/sets/a", "s3://bucket/sets/a"),
        ("S3://bucket/sets/a", "s3://bucket/sets/a"),
        ("hf://datasets/ada/faces@main/set", "hf://datasets/ada/faces@main/set"),
        ("file:///data/set", "file:///data/set"),
        ("https://example.org/set", "https://example.org/set"),
    ],
)
def test_an_address_is_one_as_a_text_and_as_a_path_which_loses_a_slash(text, url):
    assert address_of(text).url == url == address_of(Path(text)).url
    assert (address_of(text) / "card.json").url == f"{url}/card.json"


@pytest.mark.parametrize(
    "path", ["sets/a", "/data/a", "C:/sets/a", "C:\\sets", "a:b", "s3:", "./s3:/x", "x y://z"]
)
def test_paths_of_this_machine_are_no_addresses(path):
    assert not is_address(path)


def test_a_folder_that_is_called_like_an_address_is_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert is_address(Path("s3://bucket"))
    Path("s3:/bucket").mkdir(parents=True)
    assert not is_address(Path("s3://bucket"))


@pytest.mark.parametrize("text", ["zip://a::s3://b/c.zip", "https://example.org/set?signature=secret"])
def test_other_addresses_are_refused_without_their_secrets(text):
    with pytest.raises(UsageError, match="no plain address") as error:
        address_of(text)
    assert "secret" not in str(error.value)


# --- sets


@pytest.mark.parametrize("place", ["memory", "file"])
def test_a_set_at_an_address_is_the_same_set(sharded, drawn, memory, place, cache):
    for faces in (sharded, FaceSet(drawn)):
        address = put(faces.root, memory, "sets/here") if place == "memory" else faces.root.as_uri()
        there = FaceSet(Path(address))
        assert there.place == address and there.root.is_relative_to(cache)
        assert there.fingerprint == faces.fingerprint and there.ids.tolist() == faces.ids.tolist()
        assert np.array_equal(there.images[5:60:7], faces.images[5:60:7])
        assert np.array_equal(np.asarray(there.images), np.asarray(faces.images))
        assert verify(address)[:3] == verify(faces.root)[:3] and verify(address).faults == ()
        if place == "memory":
            memory.rm("/sets", recursive=True)


def test_only_what_is_read_is_fetched(sharded, memory, cache):
    faces = FaceSet(put(sharded.root, memory, "set"))
    assert set(copies(cache)) == {"card.json", "table.csv", "images-00000.npy"}
    assert np.array_equal(faces.images[57], sharded.images[57])
    assert set(copies(cache)) == {"card.json", "table.csv", "images-00000.npy", "images-00005.npy"}
    memory.rm("/set/images-00005.npy")
    assert np.array_equal(FaceSet("memory://set").images[50:60], sharded.images[50:60])


def test_verbs_read_addresses(sharded, memory, trained, cli, tmp_path):
    address = put(sharded.root, memory, "set")
    for name, data in (("there", address), ("here", sharded.root)):
        to = tmp_path / name
        verbs = [
            ("show", data, "--to", to / "sheet.png"),
            ("verify", data),
            ("encode", trained, "--data", data, "--to", to / "latents.npy"),
            ("label", data, "--to", to / "labelled"),
            ("subsample", data, "--to", to / "fewer", "--train", 20),
            (
                "train",
                "demo",
                "--data",
                data,
                "--to",
                to / "run",
                *(word for text in TINY for word in ("--set", text)),
            ),
            ("evaluate", trained, "--data", data, "--count", 8, "--samples", 8, "--to", to / "report"),
        ]
        for words in verbs:
            if name == "here" and words[0] in ("show", "verify", "evaluate"):
                continue
            code, said, err = cli(*words)
            assert code == 0, (words, err)
            assert name == "here" or "memory:/set" not in said + err  # as it was named
    there, here = tmp_path / "there", tmp_path / "here"
    for file in ("latents.npy", "labelled/images-00000.npy", "labelled/table.csv", "fewer/table.csv"):
        assert (there / file).read_bytes() == (here / file).read_bytes(), file
    assert (there / "run/last/model.safetensors").read_bytes() == (
        here / "run/last/model.safetensors"
    ).read_bytes()
    protocol = json.loads((there / "report/metrics.json").read_text())["protocol"]
    assert protocol["set"]["folder"] == "memory://set"


def test_results_are_not_written_to_addresses(sharded, memory, cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    address = put(sharded.root, memory, "set")
    for words in (
        ("prepare", "synthetic", "--to", "s3://bucket/set", "--limit", 4),
        ("show", address, "--to", "s3://bucket/sheet.png"),
        ("train", "demo", "--data", address, "--to", "s3://bucket/run"),
    ):
        code, _, err = cli(*words)
        assert code == 2 and "written to this machine" in err and "s3://bucket/" in err
    code, _, err = cli("label", address)
    assert code == 2 and "with --to" in err
    assert {path.name for path in tmp_path.iterdir()} <= {"cache"}


# --- the cache


def test_the_cache_stays_within_its_size_and_what_was_not_used_leaves(sharded, memory, cache, monkeypatch):
    shard_bytes = sharded.card["shards"][0]["bytes"]
    most = 9 * shard_bytes + 20_000
    monkeypatch.setenv(remote_cache.SIZE, str(most))
    faces = FaceSet(put(sharded.root, memory, "set"))
    seen = []
    for start in range(0, 150, 10):
        assert np.array_equal(faces.images[start : start + 10], sharded.images[start : start + 10])
        assert sum(copies(cache).values()) <= most
        seen.append(sorted(copies(cache)))
    assert "images-00000.npy" in seen[5] and "images-00000.npy" not in seen[-1]
    assert "images-00014.npy" in seen[-1]
    random = np.random.default_rng(0).permutation(150)  # and from all shards, of which eight stay open
    assert np.array_equal(faces.images[random], sharded.images[random])
    assert len(faces.images.parts._open) == 8


def test_too_small_a_cache_a_wrong_size_and_a_full_disk_are_sentences(sharded, memory, monkeypatch, drawn):
    address = put(sharded.root, memory, "set")
    monkeypatch.setenv(remote_cache.SIZE, "60kB")
    with pytest.raises(RemoteError, match=r"needs 0\.06 MiB of cache at a time.*allows 0\.06 MiB\. Raise it"):
        FaceSet(address)
    monkeypatch.setenv(remote_cache.SIZE, "40kB")
    with pytest.raises(RemoteError, match=r"memory://one/images\.npy needs .* of cache"):
        FaceSet(put(drawn, memory, "one"))
    monkeypatch.setenv(remote_cache.SIZE, "much")
    with pytest.raises(UsageError, match=f"{remote_cache.SIZE} is .much."):
        FaceSet(address)
    monkeypatch.delenv(remote_cache.SIZE)
    disk = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: disk._replace(free=7_000))
    with pytest.raises(FetchError, match=r"but 0\.00 GB are free"):
        FaceSet(address).images[:]


def test_a_set_that_is_larger_than_the_cache_is_named(sharded, memory, monkeypatch, capfd):
    monkeypatch.setenv(remote_cache.SIZE, str(9 * sharded.card["shards"][0]["bytes"] + 20_000))
    FaceSet(put(sharded.root, memory, "set"))
    assert "each pass over the set fetches them again" in capfd.readouterr().err


@pytest.mark.parametrize("damage", ["short", "long", "changed"])
def test_a_file_that_is_not_whole_is_never_taken(sharded, memory, damage, cache):
    address = put(sharded.root, memory, "set")
    content = (sharded.root / "images-00003.npy").read_bytes()
    worse = {"short": content[:-1], "long": content + b"0", "changed": content[:-1] + b"!"}[damage]
    memory.pipe("/set/images-00003.npy", worse)
    faces = FaceSet(address)
    with pytest.raises(RemoteError, match=r"memory://set/images-00003\.npy .*Nothing was kept"):
        faces.images[35]
    assert "images-00003.npy" not in copies(cache)
    (fault,) = verify(address).faults
    assert fault.startswith("memory://set/images-00003.npy ")
    memory.pipe("/set/images-00003.npy", content)
    assert np.array_equal(faces.images[35], sharded.images[35])


def test_a_connection_that_ends_leaves_nothing(sharded, memory, monkeypatch, cache):
    address = put(sharded.root, memory, "set")
    faces, whole = FaceSet(address), remote.blocks

    def ends(place):
        yield next(whole(place))[:100]
        raise RemoteError("gone")

    monkeypatch.setattr(remote, "blocks", ends)
    with pytest.raises(RemoteError, match="gone"):
        faces.images[35]
    assert {"card.json", "table.csv", "images-00000.npy"} == set(copies(cache))


def test_another_set_at_the_same_address_is_noticed(sharded, drawn, memory):
    assert len(FaceSet(put(sharded.root, memory, "set"))) == 150
    memory.rm("/set", recursive=True)
    assert np.array_equal(FaceSet(put(drawn, memory, "set")).images[:], FaceSet(drawn).images[:])


def test_what_is_in_the_cache_is_read_without_a_network(sharded, memory, monkeypatch, capfd):
    address = put(sharded.root, memory, "set")
    FaceSet(address).images[:]

    def fails(*words, **options):
        raise OSError("no route to host")

    monkeypatch.setattr(type(memory), "open", fails)
    monkeypatch.setattr(type(memory), "info", fails)
    assert np.array_equal(FaceSet(address).images[:], sharded.images[:])
    assert "could not be read (no route to host)" in capfd.readouterr().err
    with pytest.raises(RemoteError, match="could not be read"):
        FaceSet("memory://other")


def _open_and_read(address: str, log: Path, started, results) -> None:
    whole = remote.blocks

    def noted(place):
        with log.open("a") as file:
            file.write(f"{place.name}\n")
        yield from whole(place)

    remote.blocks = noted
    started.wait()
    results.put(int(FaceSet(address).images[:].sum()))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes of POSIX")
def test_processes_at_once_fetch_each_file_once(sharded, tmp_path):
    context = multiprocessing.get_context("fork")
    started, results, log = context.Barrier(3), context.Queue(), tmp_path / "log"
    job = (sharded.root.as_uri(), log, started, results)
    processes = [context.Process(target=_open_and_read, args=job) for _ in range(3)]
    for process in processes:
        process.start()
    found = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert found == [int(np.asarray(sharded.images).sum())] * 3
    fetched = log.read_text().split()
    assert sorted(fetched) == sorted(["table.csv", *(entry["file"] for entry in sharded.card["shards"])])


def test_training_fetches_the_next_shards_in_the_background(sharded, memory, cache):
    faces = FaceSet(put(sharded.root, memory, "set"))
    faces.images.read_ahead(np.arange(40, 60))
    faces.images.parts._ahead.join()
    assert {"images-00004.npy", "images-00005.npy"} <= set(copies(cache))
    assert "images-00006.npy" not in copies(cache)
    faces.images.forget(np.arange(40, 60))  # of shards that are not open


# --- what can be wrong


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("s3://bucket/set", r"s3:// addresses need a package that is not installed\. Run: pip install s3fs$"),
        ("gs://bucket/set", "pip install gcsfs$"),
        ("sftp://ada:sesame@host/set", "pip install paramiko$"),
        ("nix://bucket/set", "nix:// is no scheme that fsspec knows"),
        ("memory://nothing", r"memory://nothing holds no prepared faces \(no card\.json\)"),
    ],
)
def test_what_is_not_there_is_a_sentence(address, sentence, monkeypatch):
    for package in ("s3fs", "gcsfs", "paramiko"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(FacespaceError, match=sentence) as error:
        FaceSet(address)
    assert "sesame" not in str(error.value)


def test_what_packages_say_is_repeated_without_what_lets_someone_in(monkeypatch, memory):
    said = "GET https://ada:sesame@host/x?Signature=abc failed, Bearer 12345, hf_secretsecret, key=98765"

    def fails(*words, **options):
        raise ValueError(said)

    monkeypatch.setattr(type(memory), "open", fails)
    with pytest.raises(
        RemoteError, match=r"memory://set/card\.json could not be read \(GET https://…host/x"
    ) as error:
        FaceSet("memory://set")
    for secret in ("sesame", "abc", "12345", "secretsecret", "98765"):
        assert secret not in str(error.value)
    assert str(Address("sftp", "ada:sesame@host/set")) == "sftp://host/set"


def test_a_damaged_card_and_a_missing_table_are_sentences(sharded, memory):
    address = put(sharded.root, memory, "set")
    memory.rm("/set/table.csv")
    with pytest.raises(
        FaceSetError, match=r"The prepared set memory://set is damaged: table\.csv is missing"
    ):
        FaceSet(address)
    assert "table.csv" in verify(address).faults[0] and "memory://set" in verify(address).faults[0]
    memory.pipe("/set/card.json", b"{}")
    with pytest.raises(FaceSetError):
        FaceSet(address)
    memory.pipe("/set/card.json", b" " * 2**23)
    with pytest.raises(RemoteError, match="more than the"):
        FaceSet(address)


def test_fsspec_is_imported_when_an_address_is_read():
    code = (
        "import sys, facespace, facespace.data.faces, facespace.data.prepare; print('fsspec' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout == "False\n", done.stderr


# --- sources


def test_tar_shards_at_an_address_are_prepared(tmp_path, cache):
    for number in range(3):
        shard(tmp_path / f"tars/{number:05d}.tar", 10 * number, 10)
    made = {}
    for name, root in (("here", tmp_path / "tars"), ("there", (tmp_path / "tars").as_uri())):
        with quiet():
            made[name] = facespace.prepare("webdataset", root, to=tmp_path / name, size=16, workers=2)
    here, there = made["here"], made["there"]
    assert there.fingerprint == here.fingerprint and len(there) == 30
    assert "00002.tar" in copies(cache)


def test_an_archive_at_an_address_that_is_cut_short_is_named(tmp_path):
    shard(tmp_path / "tars/00000.tar", 0, 10)
    whole = (tmp_path / "tars/00000.tar").read_bytes()
    (tmp_path / "tars/00000.tar").write_bytes(whole[:9_000])
    with pytest.raises(FaceSetError, match=r"^file:///.*/00000\.tar is cut short"):
        facespace.prepare("webdataset", (tmp_path / "tars").as_uri(), to=tmp_path / "set", size=16, workers=1)


def test_parquet_files_at_an_address_are_prepared(tmp_path, cache):
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = [{"bytes": picture(number), "path": f"{number}.png"} for number in range(12)]
    (tmp_path / "hub").mkdir()
    parquet.write_table(arrow.table({"image": rows, "age": list(range(12))}), tmp_path / "hub/train.parquet")
    made = []
    for name, root in (("here", tmp_path / "hub"), ("there", (tmp_path / "hub").as_uri())):
        with quiet():
            made.append(facespace.prepare("parquet", root, to=tmp_path / name, size=16, workers=2))
    assert made[0].fingerprint == made[1].fingerprint and "train.parquet" in copies(cache)


def test_a_folder_of_photographs_at_an_address_is_prepared(tmp_path, memory):
    for number in range(12):
        path = tmp_path / f"photos/{('train', 'test')[number % 2]}/{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(number))
    (tmp_path / "photos/damaged.jpg").write_bytes(b"no picture")
    (tmp_path / "photos/notes.txt").write_bytes(b"a note")
    memory.put(f"{tmp_path / 'photos'}/", "/photos", recursive=True)
    made = []
    for name, root in (("here", tmp_path / "photos"), ("there", "memory://photos")):
        with quiet():
            made.append(facespace.prepare("folder", root, to=tmp_path / name, size=16, workers=1))
    here, there = made
    assert there.fingerprint == here.fingerprint and len(there) == 12
    assert there.card["skipped"] == here.card["skipped"] and there.card["other_files"] == 1
    with pytest.raises(RemoteError, match="memory://nothing holds no files"):
        facespace.prepare("folder", "memory://nothing", to=tmp_path / "none", size=16, workers=1)


def test_other_sources_refuse_addresses(tmp_path):
    with pytest.raises(
        UsageError, match=r"The source lfw reads a folder of this machine.*webdataset, parquet"
    ):
        facespace.prepare("lfw", "s3://bucket/lfw", to=tmp_path / "set")


# --- over http


@pytest.fixture
def server(tmp_path):
    """An HTTP server of a folder, and the paths that it was asked for."""
    root, asked = tmp_path / "served", []
    root.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format, *words):
            asked.append(self.path)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(root))) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield root, f"http://127.0.0.1:{served.server_port}", asked
        served.shutdown()


@pytest.mark.skipif(importlib.util.find_spec("aiohttp") is None, reason="fsspec's http needs aiohttp")
def test_a_set_behind_a_web_server(sharded, server):
    root, address, asked = server
    shutil.copytree(sharded.root, root / "set")
    faces = FaceSet(f"{address}/set")
    assert np.array_equal(faces.images[:], sharded.images[:])
    assert verify(f"{address}/set").faults == ()
    before = len(asked)
    assert np.array_equal(FaceSet(f"{address}/set").images[:], sharded.images[:])
    assert not any("npy" in path for path in asked[before:])
    with pytest.raises(FaceSetError, match="holds no prepared faces"):
        FaceSet(f"{address}/nothing")
