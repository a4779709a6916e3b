"""Sources of millions as they lie: tar shards, Parquet files, folders that `datasets` saved, numbered folders; copies."""

import io
import json
import tarfile

import numpy as np
import pytest
from PIL import Image

import facespace
from facespace.core.console import quiet
from facespace.core.errors import FaceSetError, UsageError
from facespace.data import copies, resumable
from facespace.data.copies import DISTANCE, CopyIndex, perceptual_hash
from facespace.data.faces import FaceSet
from facespace.data.sources import SourceOptions, webdataset


def prepare(source, root, to, **options) -> FaceSet:
    with quiet():
        return facespace.prepare(source, root, to=to, **({"size": 16, "workers": 1} | options))


def picture(seed: int, form: str = "PNG", size=(40, 40), **options) -> bytes:
    """A picture of smooth random shades, which differs a lot from those of other seeds."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(file, form, **options)
    return file.getvalue()


def add(
    archive: tarfile.TarFile, name: str, content: bytes | str, kind: bytes = tarfile.REGTYPE, link: str = ""
) -> None:
    data = content.encode() if isinstance(content, str) else content
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.size = kind, link, len(data)
    archive.addfile(member, io.BytesIO(data) if data else None)


def shard(
    path, first: int, count: int, fields=lambda number: {"Hat": number % 2 == 0, "age": number}
) -> None:
    """A tar file as img2dataset writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for number in range(first, first + count):
            add(archive, f"{number:09d}.jpg", picture(number))
            add(
                archive,
                f"{number:09d}.json",
                json.dumps({"key": f"{number:09d}", "width": 40} | fields(number)),
            )
            add(archive, f"{number:09d}.txt", "a face")


def files(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


# --- tar shards


def test_tar_shards_are_read_where_they_lie(tmp_path):
    for number in range(3):
        shard(tmp_path / f"web/{number:05d}.tar", 50 * number, 50)
    faces = prepare("webdataset", tmp_path / "web", tmp_path / "set")
    assert len(faces) == 150 and faces.ids[[0, 149]].tolist() == [
        "00000/000000000.jpg",
        "00002/000000149.jpg",
    ]
    assert faces.attribute_names == ("Hat", "age")
    assert faces.attributes[:3].tolist() == [[1, 0], [-1, 1], [1, 2]]
    assert any("150 captions" in note for note in faces.card["notes"]) and "other_files" not in faces.card
    loose = tmp_path / "loose"
    loose.mkdir()
    for number in range(150):
        (loose / f"{number:09d}.png").write_bytes(picture(number))
    np.testing.assert_array_equal(faces.images[:], prepare("folder", loose, tmp_path / "b").images[:])
    again = prepare("webdataset", tmp_path / "web", tmp_path / "two", workers=2, shard_size=20_000)
    assert again.fingerprint == faces.fingerprint and len(again.card["shards"]) == 6
    some = prepare("webdataset", tmp_path / "web", tmp_path / "some", limit=15)
    assert some.ids.tolist() == faces.ids[::10].tolist() and len(some) == 15


def test_people_and_splits_of_tar_shards(tmp_path):
    def fields(number):
        return {"identity": f"p{number // 4}"} | ({"split": "val"} if number < 3 else {})

    shard(tmp_path / "web/train/00000.tar", 0, 20, fields)
    shard(tmp_path / "web/test-00001.tar", 100, 5, lambda number: {"age": number})
    faces = prepare("webdataset", tmp_path / "web", tmp_path / "set")
    split = dict(zip(faces.ids, faces.splits))
    assert (
        split["train/00000/000000000.jpg"] == "validation" and split["train/00000/000000010.jpg"] == "train"
    )
    assert split["test-00001/000000100.jpg"] == "test"
    person = dict(zip(faces.ids, faces.identities))
    assert person["train/00000/000000010.jpg"] == "p2" and person["test-00001/000000100.jpg"] == ""
    assert np.isnan(faces.attributes[faces.identities != ""]).all() and faces.attribute_names == ("age",)


def test_hostile_members_are_left_out_with_a_reason(tmp_path):
    root = tmp_path / "web"
    root.mkdir()
    with tarfile.open(root / "0.tar", "w") as archive:
        add(archive, "good.png", picture(1))
        add(archive, "/etc/evil.png", picture(2))
        add(archive, "../../evil.png", picture(3))
        add(archive, "link.png", "", tarfile.SYMTYPE, "/etc/passwd")
        add(archive, "hard.png", "", tarfile.LNKTYPE, "good.png")
        add(archive, "device.png", "", tarfile.CHRTYPE)
        add(archive, "pipe.png", "", tarfile.FIFOTYPE)
        add(archive, "broken.png", b"\x89PNG and no more")
        add(archive, "empty.jpg", b"")
        add(archive, "folder", "", tarfile.DIRTYPE)
        add(archive, "notes.md", "no picture")
        add(archive, "deep.png", picture(4))
        add(archive, "deep.json", "[" * 100_000)
    (root / "more.tar.gz").write_bytes(b"\x1f\x8b")
    faces = prepare("webdataset", root, tmp_path / "set")
    assert faces.ids.tolist() == ["0/good.png", "0/deep.png"]
    assert faces.card["skipped"]["reasons"] == {
        webdataset.OUTSIDE: 2,
        webdataset.LINK: 2,
        webdataset.DEVICE: 2,
        webdataset.PACKED: 1,
        "not an image that can be read": 1,
        "empty file": 1,
    }
    assert faces.card["other_files"] == 1 and any(
        "fields of 1 pictures" in note for note in faces.card["notes"]
    )
    assert not list(tmp_path.rglob("evil*"))


def test_a_damaged_archive_is_named(tmp_path, cli):
    root = tmp_path / "web"
    shard(root / "00000.tar", 0, 4)
    whole = (root / "00000.tar").read_bytes()
    for content, sentence in (
        (whole[:3_000], "unexpected end of data"),
        (whole[: whole.index(b"000000002.jpg") + 300], "cut short or damaged after"),
        (b"no archive at all" * 100, "no tar archive that can be read"),
        (b"", "no tar archive that can be read"),
    ):
        (root / "00001.tar").write_bytes(content)
        code, _, err = cli("prepare", "webdataset", root, "--to", tmp_path / "set")
        assert code == 1 and "00001.tar" in err and sentence in err and "Traceback" not in err
        assert not (tmp_path / "set").exists()
    for path in root.iterdir():
        path.unlink()
    code, _, err = cli("prepare", "webdataset", root, "--to", tmp_path / "set")
    assert code == 1 and "should hold tar archives" in err


def test_an_archive_that_is_cut_after_it_was_listed_costs_its_own_faces(tmp_path):
    shard(tmp_path / "web/0.tar", 0, 4)
    listing = webdataset.read(tmp_path / "web", SourceOptions())
    path = tmp_path / "web/0.tar"
    path.write_bytes(path.read_bytes()[: listing.faces[2].image.first + 5])
    assert listing.faces[1].image.read() == picture(1)
    with pytest.raises(Exception, match="an archive that is cut short"):
        listing.faces[2].image.read()


def test_a_changed_archive_is_prepared_anew(tmp_path, monkeypatch):
    shard(tmp_path / "web/0.tar", 0, 70)
    made = []

    def stop_after_one(spec, chunk, _make=resumable.prepare_chunk):
        if made:
            raise KeyboardInterrupt
        made.append(chunk)
        return _make(spec, chunk)

    for change in (False, True):
        made.clear()
        monkeypatch.setattr(resumable, "prepare_chunk", stop_after_one)
        with pytest.raises(KeyboardInterrupt):
            prepare("webdataset", tmp_path / "web", tmp_path / "set")
        monkeypatch.undo()
        if change:
            shard(tmp_path / "web/0.tar", 100, 70)
        faces = prepare("webdataset", tmp_path / "web", tmp_path / "set")
        fresh = prepare("webdataset", tmp_path / "web", tmp_path / "fresh", force=True)
        assert files(faces.root) == files(fresh.root)
        (tmp_path / "set").rename(tmp_path / f"done-{change}")


# --- Parquet and Arrow


def table_of(count: int, first: int = 0, path=True):
    arrow = pytest.importorskip("pyarrow")
    cells = [
        {"bytes": picture(n), "path": f"{n:06d}.png" if path else None} for n in range(first, first + count)
    ]
    return arrow.table(
        {
            "image": arrow.array(cells, arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])),
            "Smiling": arrow.array([n % 2 == 0 for n in range(count)]),
            "age": arrow.array([None if n == 1 else 20 + n for n in range(count)], arrow.int32()),
            "label": arrow.array([n % 3 for n in range(count)], arrow.int64()),
            "mood": arrow.array(["glad"] * count),
            "celeb_id": arrow.array([n // 2 for n in range(count)]),
        }
    )


def described(table):
    features = {"image": {"_type": "Image"}, "label": {"names": ["cat", "dog", "owl"], "_type": "ClassLabel"}}
    return table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def check_rows(faces: FaceSet, count: int) -> None:
    assert faces.attribute_names == ("Smiling", "age", "cat", "dog", "owl")
    np.testing.assert_array_equal(
        faces.attributes[:3], np.float32([[1, 20, 1, -1, -1], [-1, np.nan, -1, 1, -1], [1, 22, -1, -1, 1]])
    )
    assert any("mood (such as 'glad')" in note for note in faces.card["notes"])
    for place in range(count):
        assert np.abs(faces.images[place] - small(place)).max() == 0


def small(seed: int) -> np.ndarray:
    image = Image.open(io.BytesIO(picture(seed)))
    return np.asarray(image.resize((16, 16), Image.Resampling.LANCZOS))


def test_parquet_files_of_hugging_face(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    root = tmp_path / "hub/data"
    root.mkdir(parents=True)
    parquet.write_table(described(table_of(100)), root / "train-00000-of-00001.parquet", row_group_size=30)
    parquet.write_table(described(table_of(10, 100)), root / "test-00000-of-00001.parquet")
    faces = prepare("parquet", tmp_path / "hub", tmp_path / "set", workers=2)
    assert faces.card["splits"] == {"train": 100, "validation": 0, "test": 10}
    order = np.argsort(faces.splits == "test", kind="stable")
    assert faces.ids[order[0]] == "data/train-00000-of-00001/000000.png" and faces.identities[order[5]] == "2"
    alone = tmp_path / "alone"
    alone.mkdir()
    (root / "train-00000-of-00001.parquet").rename(alone / "train.parquet")
    check_rows(prepare("parquet", alone, tmp_path / "b"), 100)


def test_parquet_without_other_columns_or_names(tmp_path):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    root = tmp_path / "hub"
    root.mkdir()
    cells = [picture(0), None, b"no picture", picture(3)]
    parquet.write_table(arrow.table({"img": arrow.array(cells, arrow.binary())}), root / "a.parquet")
    faces = prepare("parquet", root, tmp_path / "set")
    assert faces.ids.tolist() == ["a/000000", "a/000003"]
    assert faces.card["skipped"]["reasons"] == {
        "no picture in its row": 1,
        "not an image that can be read": 1,
    }


def test_a_folder_that_datasets_saved(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    root = tmp_path / "saved"
    (root / "train").mkdir(parents=True)
    (root / "dataset_dict.json").write_text('{"splits": ["train"]}')
    table = described(table_of(40, path=False))
    file = root / "train/data-00000-of-00001.arrow"
    with arrow.OSFile(str(file), "wb") as sink, arrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=15)
    (root / "train/state.json").write_text("{}")
    faces = prepare("parquet", root, tmp_path / "set")
    check_rows(faces, 40)
    assert faces.ids[39] == "train/data-00000-of-00001/000039" and faces.card["splits"]["train"] == 40
    (root / "train/state.json").write_text('{"_indices_files": [{"filename": "indices.arrow"}]}')
    with pytest.raises(FaceSetError, match="flatten_indices"):
        prepare("parquet", root, tmp_path / "other")


def test_parquet_without_pictures_is_refused(tmp_path, cli):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    root = tmp_path / "hub"
    root.mkdir()
    code, _, err = cli("prepare", "parquet", root, "--to", tmp_path / "set")
    assert code == 1 and "holds no Parquet files" in err
    parquet.write_table(arrow.table({"text": ["a"], "data": arrow.array([b"x"])}), root / "a.parquet")
    code, _, err = cli("prepare", "parquet", root, "--to", tmp_path / "set")
    assert code == 1 and "has no column of pictures" in err and "text (string), data (binary)" in err
    parquet.write_table(arrow.table({"image": arrow.array([b"x", b"y"])}), root / "a.parquet")
    code, _, err = cli("prepare", "parquet", root, "--to", tmp_path / "set")
    assert code == 1 and "None of the 2 files" in err and "not an image that can be read" in err
    (root / "a.parquet").write_bytes(b"PAR1 and no more")
    code, _, err = cli("prepare", "parquet", root, "--to", tmp_path / "set")
    assert code == 1 and "no Parquet file that can be read" in err and "Traceback" not in err


# --- FFHQ


def test_ffhqs_numbered_folders_are_neither_people_nor_labels(tmp_path):
    for number in range(0, 70_000, 500):
        path = tmp_path / f"ffhq/{number // 1000 * 1000:05d}/{number:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(number))
    faces = prepare("folder", tmp_path / "ffhq", tmp_path / "set")
    assert len(faces) == 140 and faces.attribute_names == () and set(faces.identities) == {""}
    assert faces.ids[-1] == "69000/69500.png"


# --- copies


def test_near_copies_are_close_and_others_are_not():
    def code(data: bytes) -> np.ndarray:
        image = Image.open(io.BytesIO(data)).convert("RGB").resize((64, 64), Image.Resampling.LANCZOS)
        return np.unpackbits(np.frombuffer(perceptual_hash(np.asarray(image)), np.uint8))

    for seed in range(20):
        original = code(picture(seed, size=(160, 160)))
        for changed in (picture(seed, "JPEG", (160, 160), quality=92), picture(seed, size=(128, 128))):
            assert (code(changed) != original).sum() <= DISTANCE
        assert (code(picture(seed + 100, size=(160, 160))) != original).sum() > 3 * DISTANCE
    gray = np.asarray(Image.open(io.BytesIO(picture(1))).convert("L"))[..., None]
    assert len(perceptual_hash(gray)) == 32


def test_the_index_finds_every_hash_within_its_distance(monkeypatch):
    monkeypatch.setattr(copies, "MERGE", 10)
    random = np.random.default_rng(0)
    index = CopyIndex(near=True)
    bits = random.integers(0, 2, (200, 256), dtype=np.uint8)
    digests = [random.bytes(32) for _ in bits]
    for place, row in enumerate(bits):
        index.add(place, digests[place], np.packbits(row).tobytes())
    for place in range(200):
        changed = bits[place].copy()
        changed[random.permutation(256)[: random.integers(0, DISTANCE + 1)]] ^= 1
        assert index.find_near(np.packbits(changed).tobytes()) == place
        assert index.find_exact(digests[place], digests.__getitem__) == place
    assert (
        index.find_near(random.bytes(32)) is None
        and index.find_exact(random.bytes(32), digests.__getitem__) is None
    )
    same_start = digests[3][:8] + random.bytes(24)
    assert index.find_exact(same_start, digests.__getitem__) is None


def with_copies(root) -> None:
    """20 pictures, 10 exact copies of the first ones, and 10 near copies of the last; copies in another folder."""
    for number in range(20):
        path = root / "train" / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(number, size=(160, 160)))
    for number in range(20):
        path = root / "val" / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        near = number >= 10
        path.write_bytes(
            picture(number, "JPEG", (160, 160), quality=92) if near else picture(number, size=(160, 160))
        )


@pytest.mark.parametrize("stop", [False, True])
def test_copies_are_dropped_counted_and_never_in_two_splits(tmp_path, monkeypatch, stop):
    with_copies(tmp_path / "p")
    monkeypatch.setattr(resumable, "CHUNK", 8)
    both = {"copies": "drop", "near_copies": "drop", "size": 64}
    if stop:
        make, made = resumable.prepare_chunk, []

        def interrupted(spec, chunk):
            made.append(chunk)
            if len(made) == 5:
                raise KeyboardInterrupt
            return make(spec, chunk)

        monkeypatch.setattr(resumable, "prepare_chunk", interrupted)
        with pytest.raises(KeyboardInterrupt):
            prepare("folder", tmp_path / "p", tmp_path / "none", **both)
        monkeypatch.setattr(resumable, "prepare_chunk", make)
    none = prepare("folder", tmp_path / "p", tmp_path / "none", **both)
    assert none.ids.tolist() == [f"train/{number:02d}.png" for number in range(20)]
    assert none.card["skipped"]["reasons"] == {copies.EXACT: 10, copies.NEAR: 10}
    # A picture of a validation set is not trained on, though its first copy lay in the training folder.
    assert none.card["splits"] == {"train": 0, "validation": 20, "test": 0}
    usual = prepare("folder", tmp_path / "p", tmp_path / "usual", size=64)
    assert len(usual) == 40 and usual.card["splits"]["train"] == 10
    kept = prepare("folder", tmp_path / "p", tmp_path / "kept", near_copies="keep", size=64)
    assert len(kept) == 40 and kept.card["splits"] == {"train": 0, "validation": 40, "test": 0}
    assert any("10 near copies of other pictures were kept" in note for note in kept.card["notes"])


def test_tar_shards_lose_their_copies_unless_told_otherwise(tmp_path):
    shard(tmp_path / "web/0.tar", 0, 10)
    shard(tmp_path / "web/1.tar", 5, 10)
    faces = prepare("webdataset", tmp_path / "web", tmp_path / "set")
    assert len(faces) == 15 and faces.card["skipped"]["reasons"] == {copies.EXACT: 5}
    assert len(prepare("webdataset", tmp_path / "web", tmp_path / "all", copies="keep")) == 20
    with pytest.raises(UsageError, match="--near-copies takes ignore"):
        prepare("webdataset", tmp_path / "web", tmp_path / "x", near_copies="perhaps")
