"""Archives, pickles and programs of others, names that a terminal or a spreadsheet obeys, and full disks."""

import errno
import io
import os
import pickle
import shutil
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path

import joblib
import numpy as np
import pytest
from conftest import TINY  # noqa: F401
from PIL import Image

import facespace
from facespace.cli.options import check_trust
from facespace.core import console
from facespace.core.cells import as_text, from_text
from facespace.core.errors import FaceSetError, UsageError, describe_os_error
from facespace.core.fetch import FetchError, unpack
from facespace.core.files import write_atomically
from facespace.data.faces import FaceSet
from facespace.models import bundle, card_text, export
from facespace.perception.inception import FeaturesError, open_features

RAN = "ran"


def tar_of(path, *members):
    with tarfile.open(path, "w") as archive:
        for name, kind, target in members:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, target
            content = b"content" if kind == tarfile.REGTYPE else b""
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


ESCAPES = {
    "symlink": [("a", tarfile.SYMTYPE, "/etc"), ("a/x", tarfile.REGTYPE, "")],
    "symlink inside": [("a", tarfile.REGTYPE, ""), ("b", tarfile.SYMTYPE, "a")],
    "hard link": [("a", tarfile.LNKTYPE, "../outside")],
    "device": [("a", tarfile.CHRTYPE, "")],
    "pipe": [("a", tarfile.FIFOTYPE, "")],
    "absolute": [("/a", tarfile.REGTYPE, "")],
    "climbing": [("a/../../b", tarfile.REGTYPE, "")],
    "drive": [("C:\\a", tarfile.REGTYPE, "")],
    # CVE-2025-4517: a path that realpath cuts short, so that the filter of tarfile takes a link for one inside.
    "long links": [
        *(("d" * 247 + f"/{n}" * n, tarfile.DIRTYPE, "") for n in range(3)),
        ("deep", tarfile.SYMTYPE, "d/" * 2000 + ".." + "/.." * 8),
        ("deep/escaped", tarfile.REGTYPE, ""),
    ],
}


@pytest.mark.parametrize("kind", ESCAPES)
@pytest.mark.parametrize("filters", [True, False])
def test_an_archive_with_links_devices_or_climbing_names_is_refused_whatever_the_python(
    tmp_path, kind, filters, monkeypatch
):
    if not filters:
        monkeypatch.delattr(tarfile, "data_filter")
    with pytest.raises(FetchError, match=r"refused.*Do not use it"):
        unpack(tar_of(tmp_path / "x.tar", *ESCAPES[kind]), tmp_path / "to")
    assert [path.name for path in tmp_path.iterdir()] == ["x.tar"]


def test_a_zip_with_a_link_is_refused_and_plain_archives_are_unpacked(tmp_path):
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a/b.jpg", b"picture")
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(FetchError, match="link or a device"):
        unpack(tmp_path / "x.zip", tmp_path / "to")
    with zipfile.ZipFile(tmp_path / "y.zip", "w") as archive:
        archive.writestr("a/b.jpg", b"picture")
    assert unpack(tmp_path / "y.zip", tmp_path / "zip") == 1
    assert (tmp_path / "zip" / "a" / "b.jpg").read_bytes() == b"picture"
    plain = tar_of(tmp_path / "y.tar", ("a", tarfile.DIRTYPE, ""), ("a/b.jpg", tarfile.REGTYPE, ""))
    assert unpack(plain, tmp_path / "tar") == 1
    assert (tmp_path / "tar" / "a" / "b.jpg").read_bytes() == b"content"
    both = tar_of(tmp_path / "z.tar", ("a", tarfile.REGTYPE, ""), ("a/b", tarfile.REGTYPE, ""))
    with pytest.raises(FetchError, match="a file and a folder"):
        unpack(both, tmp_path / "both")


class Bomb:
    def __reduce__(self):
        return Path.touch, (Path(RAN),)


def test_a_pickle_in_the_cache_of_scikit_learn_runs_no_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    objects = np.empty((10, 64 * 64), object)
    objects[0, 0] = Bomb()
    for content in (objects, Bomb(), {"x": objects}):
        kept = io.BytesIO()
        joblib.dump(content, kept)
        (tmp_path / "olivetti_py3.pkz").write_bytes(zlib.compress(kept.getvalue()))
        with pytest.raises(FaceSetError, match=r"not opened|cannot be read"):
            facespace.prepare("olivetti", tmp_path, to=tmp_path / "set", workers=1)
        assert not (tmp_path / RAN).exists()
    faces = np.random.default_rng(0).random((20, 64 * 64)).astype(np.float32)
    kept = io.BytesIO()
    joblib.dump(faces, kept)
    (tmp_path / "olivetti_py3.pkz").write_bytes(zlib.compress(kept.getvalue()))
    assert len(facespace.prepare("olivetti", tmp_path, to=tmp_path / "set", workers=1)) == 20
    (tmp_path / "olivetti_py3.pkz").write_bytes(zlib.compress(pickle.dumps(Bomb())))
    with pytest.raises(FaceSetError):
        facespace.prepare("olivetti", tmp_path, to=tmp_path / "other", workers=1)
    assert not (tmp_path / RAN).exists()


@pytest.mark.parametrize("verb", ["evaluate", "compare"])
def test_a_torchscript_file_is_opened_only_where_the_user_trusts_it(
    cli, verb, tmp_path, trained, drawn, capsys
):
    (tmp_path / "net.pt").write_bytes(b"a program")
    words = [verb, trained, trained, "--metrics", "fid"] if verb == "compare" else [verb, trained]
    words += ["--data", drawn, "--to", tmp_path / "to", "--features", tmp_path / "net.pt"]
    code, _, said = cli(*words)
    assert code == 2 and "is a TorchScript file: a program" in said and "--trust" in said
    check_trust(str(tmp_path / "net.pt"), True)
    for known in ("inception", "attributes", "none"):
        check_trust(known, False)
    with pytest.raises(FeaturesError):
        open_features(tmp_path / "net.pt")
    assert "a program, which runs now" in capsys.readouterr().err


def test_pack_keeps_what_is_not_its_own(trained, tmp_path):
    loaded, to = bundle.load(trained), tmp_path / "space"
    export.pack(loaded, to)
    export.pack(loaded, to, bits=8)
    (to / "README.md").write_text("mine")
    with pytest.raises(UsageError, match=r"README\.md, which would be lost"):
        export.pack(loaded, to)
    assert (to / "README.md").read_text() == "mine"


def test_one_path_that_is_too_long_is_one_skipped_file(tmp_path, drawn, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    Image.fromarray(FaceSet(drawn).images[0]).save("photos/good.png")
    here = Path.cwd()
    os.chdir("photos")
    for _ in range(20):  # 20 × 220 characters are more than a path may have
        os.mkdir("d" * 219)  # noqa: PTH102
        os.chdir("d" * 219)
    shutil.copy(here / "photos" / "good.png", "deep.png")
    os.chdir(here)
    Path("table.csv").write_text("name,Smile\ngood.png,1\n")
    for options in ({}, {"table": "table.csv"}):
        faces = facespace.prepare("folder", "photos", to="set", size=16, workers=1, force=True, **options)
        assert list(faces.ids) == ["good.png"]
        assert faces.card["skipped"]["total"] >= 1


def test_an_error_of_a_full_disk_without_a_number_is_a_sentence(tmp_path, monkeypatch):
    for free, number, words in ((0, errno.ENOSPC, "The disk is full"), (2**40, errno.EIO, "encoder error")):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: shutil._ntuple_diskusage(1, 1, free))
        with pytest.raises(OSError) as caught, write_atomically(tmp_path / "x.png"):
            raise OSError("encoder error -2 when writing image file")
        said = describe_os_error(caught.value)
        assert caught.value.errno == number and words in said and "None" not in said


def test_control_characters_of_names_and_cards_do_nothing_on_a_terminal(cli, trained, tmp_path, capsys):
    name = "\x1b]0;owned\x07\x1b[2J\u202egnp"
    console.note(name)
    code, out, err = cli("card", tmp_path / name)
    assert code == 1
    folder = shutil.copytree(trained / "best", tmp_path / name)
    code, out, more = cli("card", folder)
    assert code == 0
    for text in (out, err, more, capsys.readouterr().err):
        assert not console.CONTROLS.search(text)
    assert "\\x1b]0;owned" in err


def test_cells_that_look_like_formulas_are_texts_and_come_back(tmp_path, drawn):
    for text in ("=1+1", "+x", "-x", "@x", "'=x", "'x", "''", "", "a=b", "\tx", "'"):
        cell = as_text(text)
        assert from_text(cell) == text
        assert not cell.startswith(("=", "+", "-", "@", "\t"))
    photos = tmp_path / "photos"
    (photos / "=cmd").mkdir(parents=True)
    Image.fromarray(FaceSet(drawn).images[0]).save(photos / "=cmd" / "=1+1.png")
    (photos / "other").mkdir()
    Image.fromarray(FaceSet(drawn).images[1]).save(photos / "other" / "plain.png")
    faces = facespace.prepare("folder", photos, to=tmp_path / "set", size=16, workers=1)
    assert list(faces.ids) == ["=cmd/=1+1.png", "other/plain.png"]
    assert faces.attribute_names == ("=cmd", "other")
    for line in (tmp_path / "set" / "table.csv").read_text().splitlines():
        assert not any(cell.startswith("=") for cell in line.split(","))


def test_the_page_of_a_card_has_no_html_and_no_pictures_of_others(trained, tmp_path):
    folder = shutil.copytree(trained / "best", tmp_path / "b")
    card = (folder / "card.json").read_text()
    (folder / "card.json").write_text(
        card.replace('"terms": "', '"terms": "<script>x</script> ![p](http://h) | & ', 1)
    )
    page = card_text.read(folder).markdown()
    assert "<script" not in page and "![p]" not in page and "&lt;script&gt;" in page


@pytest.mark.parametrize("workers", [0, -1, 100_000])
def test_impossible_numbers_of_workers_are_refused(tmp_path, workers):
    with pytest.raises(UsageError, match=f"--workers must be from 1 to .*; got {workers}"):
        facespace.prepare("synthetic", to=tmp_path / "x", limit=2, workers=workers)
