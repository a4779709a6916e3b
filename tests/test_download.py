"""Fetching: from a stand-in server and a stand-in for kagglehub, since the real hosts may be away."""

import hashlib
import io
import json
import os
import shlex
import sys
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import facespace.cli  # noqa: F401  (registers the verb)
from facespace.core import fetch as fetching
from facespace.core.cache import cache_folder
from facespace.core.console import quiet
from facespace.core.errors import UsageError
from facespace.core.fetch import DamagedArchive, FetchError, fetch, unpack
from facespace.data.downloads import DOWNLOADS, download

CONTENT = bytes(range(256)) * 4_000  # 1 MB
KUMAR = b"# LFW attributes\n#\tperson\timagenum\tMale\nAda\t1\t-0.5\n"


class Shelf:
    """What the stand-in server holds and how it shall behave; `asked` is every request with its Range."""

    def __init__(self):
        self.files: dict[str, bytes] = {}
        self.redirects: dict[str, str] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.drops: list[int] = []  # bytes after which an answer breaks off, one answer each
        self.failures: list[int] = []  # status codes to answer first
        self.ranges, self.tags = True, True
        self.url = ""


class Handler(BaseHTTPRequestHandler):
    shelf: Shelf
    protocol_version = "HTTP/1.1"

    def log_message(self, format, *args):
        pass

    def do_GET(self):
        shelf, span = self.shelf, self.headers.get("Range")
        shelf.asked.append((self.path, span))
        content = shelf.files.get(self.path.partition("?")[0])
        if shelf.failures or content is None:
            code = shelf.failures.pop(0) if shelf.failures else 302 if self.path in shelf.redirects else 404
            return self.answer(code, b"", {"Location": shelf.redirects.get(self.path, "")})
        tag = f'"{hashlib.sha256(content).hexdigest()[:12]}"'
        headers = {"ETag": tag} if shelf.tags else {}
        start, size = 0, len(content)
        if span and shelf.ranges and self.headers.get("If-Range") in (None, tag):
            start = int(span.removeprefix("bytes=").removesuffix("-"))
            if start >= size:
                return self.answer(416, b"", {"Content-Range": f"bytes */{size}"})
            headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        self.answer(206 if "Content-Range" in headers else 200, content[start:], headers)

    def answer(self, code, body, headers):
        self.send_response(code)
        for name, value in {**headers, "Content-Length": str(len(body)), "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: self.shelf.drops.pop(0)] if body and self.shelf.drops else body)
        self.close_connection = True


@pytest.fixture
def shelf(monkeypatch, tmp_path):
    """A running stand-in server; the cache is in tmp_path, and waiting is short."""
    held = Shelf()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"shelf": held}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    held.url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(fetching, "TIMEOUT", 5.0)
    monkeypatch.setattr(fetching, "PAUSE", 0.01)
    monkeypatch.setenv("FACESPACE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FACESPACE_MIRROR", held.url)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with quiet():
        yield held
    server.shutdown()
    server.server_close()
    thread.join()


def gone(folder: Path) -> bool:
    return not folder.exists() or not any(folder.rglob("*"))


def zipped(files: dict[str, bytes]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return held.getvalue()


def tarred(files: dict[str, bytes], *extra: tarfile.TarInfo, packed: bool = True) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz" if packed else "w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for member in extra:
            archive.addfile(member)
    return held.getvalue()


def test_a_dropped_connection_is_resumed_to_the_right_bytes(shelf, tmp_path):
    shelf.files["/a.bin"] = CONTENT
    shelf.drops = [300_000, 200_000]
    got = fetch(f"{shelf.url}/a.bin", tmp_path / "to" / "a.bin", sha256=hashlib.sha256(CONTENT).hexdigest())
    assert got.read_bytes() == CONTENT
    assert [span for _, span in shelf.asked] == [None, "bytes=300000-", "bytes=500000-"]
    assert [path.name for path in got.parent.iterdir()] == ["a.bin"]


def test_a_later_run_goes_on_from_what_was_kept(shelf, tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "TRIES", 1)
    shelf.files["/a.bin"], shelf.drops = CONTENT, [300_000]
    with pytest.raises(FetchError, match=r"a\.bin from 127\.0\.0\.1 .*300,000 of 1,024,000 bytes.*Run again"):
        fetch(f"{shelf.url}/a.bin", tmp_path / "a.bin")
    assert not (tmp_path / "a.bin").exists()
    assert fetch(f"{shelf.url}/a.bin", tmp_path / "a.bin").read_bytes() == CONTENT
    assert shelf.asked[-1][1] == "bytes=300000-"


def test_a_file_that_changed_meanwhile_is_not_spliced(shelf, tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "TRIES", 1)
    shelf.files["/a.bin"], shelf.drops = CONTENT, [300_000]
    with pytest.raises(FetchError):
        fetch(f"{shelf.url}/a.bin", tmp_path / "a.bin")
    shelf.files["/a.bin"] = CONTENT[::-1]
    assert fetch(f"{shelf.url}/a.bin", tmp_path / "a.bin").read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize(("ranges", "tags"), [(False, True), (True, False), (False, False)])
def test_a_server_without_ranges_or_tags_is_asked_from_the_start(shelf, tmp_path, ranges, tags):
    shelf.ranges, shelf.tags = ranges, tags
    shelf.files["/a.bin"], shelf.drops = CONTENT, [300_000]
    assert fetch(f"{shelf.url}/a.bin", tmp_path / "a.bin").read_bytes() == CONTENT


def test_a_part_that_was_whole_already_needs_no_byte_more(shelf, tmp_path):
    shelf.files["/a.bin"] = CONTENT
    tag = f'"{hashlib.sha256(CONTENT).hexdigest()[:12]}"'
    (tmp_path / "a.bin.part").write_bytes(CONTENT)
    (tmp_path / "a.bin.part.tag").write_text(json.dumps({"url": f"{shelf.url}/a.bin", "validator": tag}))
    assert fetch(f"{shelf.url}/a.bin", tmp_path / "a.bin").read_bytes() == CONTENT
    assert len(shelf.asked) == 1
    (tmp_path / "a.bin").rename(tmp_path / "a.bin.part")
    (tmp_path / "a.bin.part").write_bytes(CONTENT + b"more")  # longer than the file: it must start anew
    (tmp_path / "a.bin.part.tag").write_text(json.dumps({"url": f"{shelf.url}/a.bin", "validator": tag}))
    assert fetch(f"{shelf.url}/a.bin", tmp_path / "a.bin").read_bytes() == CONTENT


def test_a_wrong_checksum_leaves_nothing(shelf, tmp_path):
    shelf.files["/a.bin"] = CONTENT
    with pytest.raises(FetchError, match="not the expected 0000"):
        fetch(f"{shelf.url}/a.bin", tmp_path / "to" / "a.bin", sha256="0" * 64)
    assert gone(tmp_path / "to")


def test_a_file_that_is_there_is_not_asked_for(shelf, tmp_path):
    (tmp_path / "a.bin").write_bytes(CONTENT)
    fetch(f"{shelf.url}/a.bin", tmp_path / "a.bin")
    fetch(f"{shelf.url}/a.bin", tmp_path / "a.bin", sha256=hashlib.sha256(CONTENT).hexdigest())
    assert shelf.asked == []
    shelf.files["/a.bin"] = b"new"
    fetch(f"{shelf.url}/a.bin", tmp_path / "a.bin", sha256=hashlib.sha256(b"new").hexdigest())
    assert (tmp_path / "a.bin").read_bytes() == b"new"


def test_a_busy_server_is_asked_again_and_a_missing_file_is_not(shelf, tmp_path):
    shelf.files["/empty"], shelf.failures = b"", [503, 429]
    assert fetch(f"{shelf.url}/empty", tmp_path / "empty").read_bytes() == b""
    shelf.asked.clear()
    with pytest.raises(FetchError, match=r"gone from 127\.0\.0\.1 .*404"):
        fetch(f"{shelf.url}/gone", tmp_path / "gone")
    assert len(shelf.asked) == 1


def test_a_server_that_always_breaks_off_ends_in_a_sentence(shelf, tmp_path):
    shelf.tags = False  # so that each try starts anew, and none gets further
    shelf.files["/a.bin"], shelf.drops = CONTENT, [1_000] * 50
    with pytest.raises(FetchError, match="Try again later"):
        fetch(f"{shelf.url}/a.bin", tmp_path / "a.bin")
    assert len(shelf.asked) == fetching.TRIES


def test_only_http_is_followed(shelf, tmp_path):
    with pytest.raises(FetchError, match="only http and https"):
        fetch((tmp_path / "x").as_uri(), tmp_path / "a.bin")
    shelf.redirects |= {
        "/file": "file:///etc/hostname",
        "/ftp": "ftp://127.0.0.1/x",
        "/on": f"{shelf.url}/a.bin",
    }
    for path in ("/file", "/ftp"):
        with pytest.raises(FetchError, match=r"only http and https|not allowed"):
            fetch(shelf.url + path, tmp_path / "a.bin")
    shelf.files["/a.bin"] = CONTENT
    assert fetch(f"{shelf.url}/on", tmp_path / "b.bin").read_bytes() == CONTENT


def test_nobody_there_is_a_sentence(shelf, tmp_path):
    with pytest.raises(FetchError, match=r"x\.bin from 127\.0\.0\.1 could not be fetched"):
        fetch("http://127.0.0.1:9/x.bin", tmp_path / "x.bin")


def test_a_file_larger_than_the_disk_is_refused_before_it_comes(shelf, tmp_path, monkeypatch):
    shelf.files["/a.bin"] = CONTENT
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1_000}))
    with pytest.raises(FetchError, match="Free some space"):
        fetch(f"{shelf.url}/a.bin", tmp_path / "a.bin")


def test_the_cache_follows_its_variables(monkeypatch, tmp_path):
    monkeypatch.setenv("FACESPACE_CACHE", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "own"
    monkeypatch.delenv("FACESPACE_CACHE")
    assert cache_folder() == tmp_path / "xdg" / "facespace"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder().name == "facespace" and cache_folder().is_absolute()


FILES = {"F/1905_a.png": b"one", "M/1906_b.png": b"two", "readme.txt": b"three"}


@pytest.mark.parametrize(
    "pack", [zipped, tarred, lambda files: tarred(files, packed=False)], ids=["zip", "tar.gz", "tar"]
)
def test_unpack_gives_every_file(tmp_path, pack):
    (tmp_path / "archive").write_bytes(pack(FILES))
    with quiet():
        assert unpack(tmp_path / "archive", tmp_path / "to") == 3
    assert {
        path.relative_to(tmp_path / "to").as_posix(): path.read_bytes()
        for path in (tmp_path / "to").rglob("*.*")
    } == FILES


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


HOSTILE = {
    "zip up": zipped({"ok.png": b"", "../out.png": b""}),
    "zip deep up": zipped({"a/../../out.png": b""}),
    "zip root": zipped({"/tmp/out.png": b""}),
    "zip backslash": zipped({"..\\out.png": b""}),
    "zip drive": zipped({"C:\\out.png": b""}),
    "tar up": tarred({"ok.png": b"", "../out.png": b""}),
    "tar root": tarred({"/tmp/out.png": b""}),
    "tar link": tarred({"ok.png": b""}, link("away", "../../out")),
    "tar absolute link": tarred({}, link("away", "/etc")),
    "tar hard link": tarred({}, link("away", "../out", tarfile.LNKTYPE)),
    "tar device": tarred({}, link("null", "", tarfile.CHRTYPE)),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_archives_that_leave_their_folder_are_refused(tmp_path, content):
    home = tmp_path / "home"
    home.mkdir()
    (home / "archive").write_bytes(content)
    with quiet(), pytest.raises(FetchError, match="is refused"):
        unpack(home / "archive", home / "to")
    assert [path.name for path in tmp_path.rglob("*")] == ["home", "archive"]


@pytest.mark.parametrize("content", [b"", b"<html>moved</html>", zipped(FILES)[:-40], tarred(FILES)[:-30]])
def test_a_damaged_archive_is_a_sentence_and_leaves_nothing(tmp_path, content):
    (tmp_path / "archive").write_bytes(content)
    with quiet(), pytest.raises(DamagedArchive, match="damaged or no archive"):
        unpack(tmp_path / "archive", tmp_path / "to")
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]


def test_unpack_keeps_what_is_there_and_minds_the_disk(tmp_path, monkeypatch):
    (tmp_path / "a.zip").write_bytes(zipped(FILES))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "photo.png").touch()
    with pytest.raises(FetchError, match="not an empty folder"):
        unpack(tmp_path / "a.zip", tmp_path / "mine")
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 3}))
    with pytest.raises(FetchError, match="Free some space"):
        unpack(tmp_path / "a.zip", tmp_path / "to")


class Kaggle:
    """Stands in for kagglehub: a folder for each handle."""

    def __init__(self, cache: Path, files: dict[str, bytes]):
        self.cache, self.files, self.asked = cache, files, []

    def dataset_download(self, handle, path=None, *, force_download=False):
        assert path is None and not force_download
        self.asked.append(handle)
        print("a word on stdout")
        for name, content in self.files.items():
            (self.cache / name).parent.mkdir(parents=True, exist_ok=True)
            (self.cache / name).write_bytes(content)
        return str(self.cache)


CELEBA = {f"img_align_celeba/img_align_celeba/00000{n}.jpg": b"jpeg" for n in (1, 2)}
CELEBA |= {"list_attr_celeba.csv": b"image_id,Male\n", "list_eval_partition.csv": b"image_id,partition\n"}
LFW = {"lfw-deepfunneled/lfw-deepfunneled/Ada/Ada_0001.jpg": b"jpeg", "people.csv": b"name,images\n"}
TOP = DOWNLOADS["yearbook"].folder
YEARBOOK = {f"{TOP}/{name}": content for name, content in FILES.items()}
ARCHIVE = f"/yearbook/{TOP}.tar.gz"


@pytest.mark.parametrize("name", DOWNLOADS)
def test_without_acceptance_it_shows_size_and_terms(cli, shelf, tmp_path, name):
    code, out, err = cli("download", name, "--to", tmp_path / "faces")
    what = DOWNLOADS[name]
    assert code == 2 and out == "" and shelf.asked == [] and not (tmp_path / "faces").exists()
    for part in (what.terms, what.source, f"{what.sizes[0] / 1e9:.2f} GB", f"{what.images:,} images"):
        assert part in err
    assert f"facespace download {name} --to {tmp_path / 'faces'} --accept-terms" in err
    with pytest.raises(UsageError):
        download(name, tmp_path / "faces", accept_terms=False)


def test_yearbook_from_the_server_to_one_json_object(cli, shelf, tmp_path):
    shelf.files[ARCHIVE], shelf.drops = tarred(YEARBOOK), [60]
    to = tmp_path / "faces" / "yearbook"
    code, out, _ = cli("download", "yearbook", "--to", to, "--accept-terms", "--json")
    facts = json.loads(out)
    assert code == 0
    assert set(facts) == {"name", "to", "files", "bytes", "missing", "prepare", "seconds", "sha256"}
    assert facts["sha256"] == hashlib.sha256(shelf.files[ARCHIVE]).hexdigest()
    assert (facts["name"], facts["to"], facts["files"], facts["bytes"]) == ("yearbook", str(to), 3, 11)
    assert facts["prepare"] == f"facespace prepare yearbook {to} --to sets/yearbook --size 171x186 --gray"
    assert (to / TOP / "F" / "1905_a.png").read_bytes() == b"one"
    assert ["2 of 37,921 images are there" in sentence for sentence in facts["missing"]] == [True]
    assert sorted(path.name for path in to.parent.iterdir()) == ["yearbook"]
    assert not any(path.is_file() for path in (tmp_path / "cache").rglob("*"))
    asked = len(shelf.asked)
    code, out, _ = cli("download", "yearbook", "--to", to, "--accept-terms")
    assert code == 0 and len(shelf.asked) == asked and f"Next: {facts['prepare']}" in out


def test_a_damaged_download_is_fetched_anew(shelf, tmp_path):
    shelf.files[ARCHIVE] = b"<html>Sorry</html>"
    with pytest.raises(FetchError, match=r"damaged.*By hand: .*dropbox.*unpack it into"):
        download("yearbook", tmp_path / "faces", accept_terms=True)
    assert not (tmp_path / "faces").exists()
    shelf.files[ARCHIVE] = tarred(YEARBOOK)
    assert download("yearbook", tmp_path / "faces", accept_terms=True).files == 3


def test_an_archive_with_another_sha256_is_not_unpacked(cli, shelf, tmp_path):
    shelf.files[ARCHIVE] = tarred(YEARBOOK)
    digest = hashlib.sha256(shelf.files[ARCHIVE]).hexdigest()
    line = ("download", "yearbook", "--to", tmp_path / "faces", "--accept-terms", "--sha256")
    code, _, err = cli(*line, "0" * 64)
    assert code == 1 and digest in err and "0" * 64 in err and not (tmp_path / "faces").exists()
    code, _, _ = cli(*line, digest.upper())
    assert code == 0 and (tmp_path / "faces" / TOP).is_dir()


@pytest.mark.parametrize(("name", "digest"), [("yearbook", "abc"), ("celeba", "0" * 64)])
def test_a_digest_that_cannot_be_checked_is_refused_before_the_download(
    cli, shelf, tmp_path, monkeypatch, name, digest
):
    if name == "celeba":
        monkeypatch.delenv("FACESPACE_MIRROR")
    code, _, err = cli("download", name, "--to", tmp_path / "faces", "--accept-terms", "--sha256", digest)
    assert code == 2 and "--sha256" in err and shelf.asked == []


def test_another_archive_than_expected_is_refused(shelf, tmp_path):
    shelf.files[ARCHIVE] = tarred({"cats/1.png": b"cat"})
    with pytest.raises(FetchError, match="gave no images in a folder"):
        download("yearbook", tmp_path / "faces", accept_terms=True)
    assert not any(tmp_path.glob("*faces*")) and not any(tmp_path.glob(".*faces*"))


def test_celeba_from_kaggle_says_what_its_copy_lacks(shelf, tmp_path, capsys):
    kaggle = Kaggle(tmp_path / "hub", CELEBA)
    facts = download("celeba", tmp_path / "faces", accept_terms=True, client=kaggle)
    assert kaggle.asked == ["jessicali9530/celeba-dataset"] and facts.files == 4
    assert "2 of 202,599" in facts.missing[0]
    (identity,) = facts.missing[1:]
    assert "identity_CelebA.txt" in identity and "mmlab.ie.cuhk.edu.hk" in identity
    assert str(tmp_path / "faces" / "identity_CelebA.txt") in identity
    assert facts.prepare.startswith(f"facespace prepare celeba {tmp_path / 'faces'} --to ")
    assert capsys.readouterr().out == ""
    (tmp_path / "faces" / "identity_CelebA.txt").write_text("000001.jpg 7\n")
    again = download("celeba", tmp_path / "faces", accept_terms=True, client=kaggle)
    assert len(kaggle.asked) == 1 and len(again.missing) == 1


def picture(ending: str, side: int = 200) -> bytes:
    held = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (side + 18, side, 3), dtype=np.uint8)
    Image.fromarray(noise).save(held, ending)
    return held.getvalue()


LAYOUTS = {
    "celeba": {f"img_align_celeba/img_align_celeba/00000{n}.jpg": "JPEG" for n in (1, 2, 3)},
    "lfw": {f"lfw-deepfunneled/lfw-deepfunneled/{who}/{who}_0001.jpg": "JPEG" for who in ("Ada_L", "Alan_T")},
    "celebamask-hq": {
        "CelebAMask-HQ/CelebA-HQ-img/0.jpg": "JPEG",
        "CelebAMask-HQ/CelebAMask-HQ-mask-anno/0/00000_skin.png": "PNG",
    },
    "yearbook": {f"{TOP}/{sex}/1905_Ohio_Cleveland_Central_0-{sex}.png": "PNG" for sex in "FM"},
}


@pytest.mark.parametrize("name", DOWNLOADS)
def test_the_prepare_line_that_it_names_runs(cli, shelf, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    content = {path: picture(ending) for path, ending in LAYOUTS[name].items()}
    shelf.files[ARCHIVE] = tarred(content)
    client = None if name == "yearbook" else Kaggle(tmp_path / "hub", content)
    line = download(name, Path("my faces"), accept_terms=True, client=client).prepare
    code, out, err = cli(*shlex.split(line)[1:], "--workers", 1, "--json")
    assert code == 0, err
    assert json.loads(out)["faces"] == sum("anno" not in path for path in content)


def test_kaggle_files_are_copied_where_links_are_not_possible(shelf, tmp_path, monkeypatch):
    def no_links(*_args):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", no_links)
    download("celeba", tmp_path / "faces", accept_terms=True, client=Kaggle(tmp_path / "hub", CELEBA))
    for name, content in CELEBA.items():
        assert (tmp_path / "faces" / name).read_bytes() == content


def test_files_of_the_user_stay(shelf, tmp_path):
    (tmp_path / "faces" / "img_align_celeba").mkdir(parents=True)
    (tmp_path / "faces" / "list_attr_celeba.csv").write_text("mine")
    (tmp_path / "faces" / "identity_CelebA.txt").write_text("mine too")
    download("celeba", tmp_path / "faces", accept_terms=True, client=Kaggle(tmp_path / "hub", CELEBA))
    assert (tmp_path / "faces" / "list_attr_celeba.csv").read_text() == "mine"
    assert (tmp_path / "faces" / "identity_CelebA.txt").read_text() == "mine too"
    assert (tmp_path / "faces" / "img_align_celeba" / "img_align_celeba" / "000001.jpg").is_file()


def test_a_run_killed_between_its_renames_is_gone_on_with(shelf, tmp_path):
    kaggle = Kaggle(tmp_path / "hub", CELEBA)
    kaggle.dataset_download("x")
    (tmp_path / "faces").mkdir()
    (tmp_path / "hub").rename(tmp_path / ".faces.download")
    (tmp_path / ".faces.download" / "img_align_celeba").rename(tmp_path / "faces" / "img_align_celeba")
    facts = download("celeba", tmp_path / "faces", accept_terms=True, client=kaggle)
    assert kaggle.asked == ["x"] and facts.files == 4 and not (tmp_path / ".faces.download").exists()


def test_lfw_fetches_the_attribute_table_that_kaggle_lacks(shelf, tmp_path):
    kaggle = Kaggle(tmp_path / "hub", LFW)
    shelf.files["/lfw/lfw_attributes.txt"] = b"<html>This page has moved</html>"
    for found in (shelf.files["/lfw/lfw_attributes.txt"], None):
        if found is None:
            del shelf.files["/lfw/lfw_attributes.txt"]
        _, missing = download("lfw", tmp_path / "faces", accept_terms=True, client=kaggle).missing
        assert "lfw_attributes.txt" in missing and "cs.columbia.edu" in missing
        assert f"put it at {tmp_path / 'faces' / 'lfw_attributes.txt'}" in missing
    shelf.files["/lfw/lfw_attributes.txt"] = KUMAR
    assert len(download("lfw", tmp_path / "faces", accept_terms=True, client=kaggle).missing) == 1
    assert (tmp_path / "faces" / "lfw_attributes.txt").read_bytes() == KUMAR and len(kaggle.asked) == 1


def test_a_missing_table_belongs_beside_the_images(shelf, tmp_path):
    client = Kaggle(tmp_path / "hub", {"CelebAMask-HQ/CelebA-HQ-img/0.jpg": b"jpeg"})
    _, table, _ = download("celebamask-hq", tmp_path / "faces", accept_terms=True, client=client).missing
    assert f"put it at {tmp_path / 'faces' / 'CelebAMask-HQ' / 'CelebAMask-HQ-attribute-anno.txt'}" in table


def test_a_mirror_serves_kaggles_archives_too(shelf, tmp_path):
    shelf.files["/lfw/lfw-dataset.zip"] = zipped(LFW | {"lfw_attributes.txt": KUMAR})
    facts = download("lfw", tmp_path / "faces", accept_terms=True)
    assert facts.files == 3 and len(facts.missing) == 1


def test_kaggle_away_or_not_installed_is_a_sentence(shelf, tmp_path, monkeypatch):
    class Away:
        def dataset_download(self, *_args, **_options):
            raise RuntimeError("403 Client Error")

    with pytest.raises(
        FetchError, match=r"celebamaskhq: 403 Client Error.*By hand: .*kaggle\.com/datasets/ipythonx"
    ):
        download("celebamask-hq", tmp_path / "faces", accept_terms=True, client=Away())
    monkeypatch.delenv("FACESPACE_MIRROR")
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(FetchError, match=r"pip install '.*\[kaggle\]'.*By hand: "):
        download("celebamask-hq", tmp_path / "faces", accept_terms=True)
    assert not (tmp_path / "faces").exists()


def test_wrong_requests_are_sentences(cli, shelf, tmp_path):
    assert (
        "Did you mean 'celeba'" in cli("download", "celbea", "--to", tmp_path / "faces", "--accept-terms")[2]
    )
    (tmp_path / "file").touch()
    code, _, err = cli("download", "yearbook", "--to", tmp_path / "file", "--accept-terms")
    assert code == 2 and "is a file" in err
    code, out, err = cli("download", "yearbook", "--to", tmp_path / "faces", "--accept-terms", "--json")
    assert code == 1 and "404" in json.loads(out)["error"] and "Traceback" not in err


def test_help_has_an_example(cli):
    code, out, _ = cli("download", "--help")
    assert (
        code == 0 and "Example: facespace download" in out and "--accept-terms" in out and "[default: " in out
    )
