"""Sets of millions at the size of a few: shards, verify, packed tables."""

import json
import shutil
import tracemalloc

import numpy as np
import pytest
from conftest import TINY
from fuzz import examples
from hypothesis import given
from hypothesis import strategies as st

import facespace
from facespace.core.console import quiet
from facespace.core.errors import FaceSetError, UsageError
from facespace.data import derive, resumable, set_table
from facespace.data.columns import Texts, Words
from facespace.data.faces import FaceSet
from facespace.data.image_writer import ImageWriter, faces_per_shard, parse_bytes
from facespace.data.shards import ShardedImages
from facespace.data.verify import verify
from facespace.data.writing import write_facts
from facespace.image.photos import Template
from facespace.latent import direction_set
from facespace.training.block_order import BlockSizes, block_order
from facespace.training.loaders import Loader

FACE = 16 * 16 * 3  # bytes


def synthetic(to, count=150, **options) -> FaceSet:
    with quiet():
        return facespace.prepare("synthetic", to=to, size=16, limit=count, **({"workers": 1} | options))


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> FaceSet:
    return synthetic(tmp_path_factory.mktemp("large") / "whole")


@pytest.fixture(scope="module")
def sharded(tmp_path_factory) -> FaceSet:
    """The same 150 faces in shards of 40."""
    return synthetic(tmp_path_factory.mktemp("large") / "sharded", shard_size=40 * FACE)


def files(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


# --- shards


def test_a_set_in_shards_reads_like_one_array(whole, sharded):
    assert [len(part) for part in sharded.images.parts] == [40, 40, 40, 30]
    assert sharded.images.shape == whole.images.shape and sharded.images.nbytes == whole.images.nbytes
    pixels = np.array(whole.images)
    for key in (
        7,
        -1,
        slice(None),
        slice(30, 95, 7),
        [149, 0, 40, 39, 40],
        np.arange(150) % 3 == 0,
        np.array([], int),
    ):
        np.testing.assert_array_equal(sharded.images[key], pixels[key])
    np.testing.assert_array_equal(sharded.images[[3, 100], 2:5, ::-1], pixels[[3, 100], 2:5, ::-1])
    np.testing.assert_array_equal(np.asarray(sharded.images), pixels)
    np.testing.assert_array_equal(np.stack(list(sharded.images)), pixels)
    with pytest.raises(IndexError):
        sharded.images[150]
    assert sharded.fingerprint == whole.fingerprint
    assert (sharded.root / "table.csv").read_bytes() == (whole.root / "table.csv").read_bytes()
    assert "shards" not in whole.card and whole.card["format"] == 1 and sharded.card["format"] == 2
    assert sharded.rows("train").tolist() == whole.rows("train").tolist()


def test_the_same_bytes_whatever_the_number_of_workers(sharded, tmp_path):
    assert files(synthetic(tmp_path / "two", shard_size="30720", workers=2).root) == files(sharded.root)


@pytest.mark.parametrize("damage", [None, "last", "first"])
def test_an_interrupted_prepare_goes_on_after_its_shards(sharded, tmp_path, monkeypatch, damage):
    def stop(_, shape, _write=ImageWriter.write, made=[]):  # noqa: B006 (counts the calls)
        made.append(1)
        if len(made) == 3:
            raise KeyboardInterrupt
        return _write(_, shape)

    monkeypatch.setattr(ImageWriter, "write", stop)
    with pytest.raises(KeyboardInterrupt):
        synthetic(tmp_path / "cut", shard_size=40 * FACE)
    monkeypatch.undo()
    partial = tmp_path / ".cut.facespace-partial"
    assert sorted(path.name for path in partial.glob("images*")) == [f"images-{n:05d}.npy" for n in range(4)]
    if damage == "last":  # 128 faces were written: 8 of them in the last shard
        (partial / "images-00003.npy").unlink()
    if damage == "first":
        (partial / "images-00000.npy").write_bytes(b"short")
    seen = []
    make = resumable.prepare_chunk
    monkeypatch.setattr(resumable, "prepare_chunk", lambda s, c: seen.append(len(c)) or make(s, c))
    assert files(synthetic(tmp_path / "cut", shard_size=40 * FACE).root) == files(sharded.root)
    assert seen == {None: [22], "last": [64, 22], "first": [64, 64, 22]}[damage]


def test_verbs_that_make_sets_keep_shards(whole, sharded, tmp_path):
    for name in ("split", "subsample", "merge"):
        made = []
        for faces in (whole, sharded):
            to = tmp_path / f"{name}-{faces.root.name}"
            if name == "split":
                made.append(derive.split(faces, to, seed=4))
            elif name == "subsample":
                made.append(derive.subsample(faces, {"train": 60}, to))
            else:
                other = synthetic(tmp_path / "other", 20, seed=9, force=True)
                made.append(derive.merge([faces, other], to))
        one, many = made
        assert many.card["shards"][0]["faces"] == 40 and "shards" not in one.card
        np.testing.assert_array_equal(np.asarray(many.images), one.images)
        assert many.splits.tolist() == one.splits.tolist() and not verify(many.root).faults
        if name != "merge":  # ids have the names of the sets
            assert many.fingerprint == one.fingerprint


@pytest.mark.parametrize(
    ("text", "count"),
    [("1GiB", 2**30), ("256 MiB", 2**28), ("1.5kB", 1500), ("768", 768), ("2gb", 2 * 10**9)],
)
def test_sizes_of_shards(text, count):
    assert parse_bytes(text) == count


def test_the_default_is_one_file_up_to_ten_gib():
    template = Template(64, 64, 3)
    assert faces_per_shard(None, 202_599, template) is None
    assert faces_per_shard(None, 1_000_000, template) == 2**30 // 12_288
    assert faces_per_shard("one-file", 1_000_000, template) is None
    for size in ("12KiB oder so", "none", "767", 0, "-1"):
        with pytest.raises(UsageError, match="--shard-size"):
            faces_per_shard(size, 10, Template(16, 16, 3))


# --- verify


def test_verify_finds_nothing_in_intact_sets(whole, sharded, cli):
    for faces, count in ((whole, 2), (sharded, 5)):
        code, out, _ = cli("verify", faces.root)
        assert code == 0 and "is intact: 150 faces" in out and f"{count} files" in out
        code, out, _ = cli("verify", faces.root, "--json")
        assert json.loads(out)["bytes"] == sum(map(len, files(faces.root).values())) - len(
            files(faces.root)["card.json"]
        )


def cut(path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flip(path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def without_last_row(path) -> None:
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))


def other_split(path) -> None:
    path.write_bytes(path.read_bytes().replace(b",validation,", b",train,", 1))


def strange_split(path) -> None:
    path.write_bytes(path.read_bytes().replace(b",validation,", b",nobody,", 1))


FAULTS = {
    "short": ("images-00001.npy", cut, "images-00001.npy is cut short: it has 30,748 bytes, the card 30,848"),
    "changed": ("images-00002.npy", flip, "images-00002.npy was changed"),
    "missing": ("images-00000.npy", lambda path: path.unlink(), "images-00000.npy is missing"),
    "long": ("images-00003.npy", lambda path: path.write_bytes(path.read_bytes() + b"x"), "is too long"),
    "rows": ("table.csv", without_last_row, "does not have one whole row for each of the 150 images"),
    "splits": ("table.csv", other_split, "has other splits than the card"),
    "unknown split": ("table.csv", strange_split, "has the split 'nobody'"),
    "table": ("table.csv", lambda path: path.unlink(), "table.csv is missing"),
    "extra": ("images-00009.npy", lambda path: path.write_bytes(b""), "is not on the card"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_verify_says_each_fault_in_a_sentence(sharded, tmp_path, cli, name):
    file, damage, sentence = FAULTS[name]
    root = tmp_path / "set"
    shutil.copytree(sharded.root, root)
    damage(root / file)
    code, _, err = cli("verify", root)
    assert code == 1 and sentence in err and "Traceback" not in err
    assert len(verify(root).faults) == 1


def test_verify_finds_changes_of_a_set_of_one_file(whole, tmp_path):
    for file, damage, sentence in (
        ("images.npy", flip, "images.npy or table.csv was changed"),
        ("images.npy", cut, "images.npy is cut short"),
        (
            "table.csv",
            lambda path: path.write_bytes(path.read_bytes().replace(b"000001", b"000009", 1)),
            "was changed",
        ),
        ("table.csv", without_last_row, "one whole row"),
    ):
        root = tmp_path / "set"
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(whole.root, root)
        damage(root / file)
        (fault,) = verify(root).faults
        assert sentence in fault


def test_a_damaged_set_in_shards_is_refused(sharded, tmp_path):
    root = tmp_path / "set"
    shutil.copytree(sharded.root, root)
    (root / "images-00002.npy").unlink()
    with pytest.raises(FaceSetError, match=r"images-00002\.npy is missing"):
        FaceSet(root)
    card = json.loads((root / "card.json").read_text())
    card["shards"][0]["file"] = "../images-00000.npy"
    (root / "card.json").write_text(json.dumps(card))
    with pytest.raises(FaceSetError, match=r"card\.json is damaged"):
        FaceSet(root)


# --- columns

ANY_TEXT = st.text(st.characters() | st.sampled_from("\udc80\udcff\0\r\n,\"'="), max_size=12)


@examples(50)
@given(st.lists(ANY_TEXT, max_size=20))
def test_packed_texts_are_the_texts(texts):
    packed = Texts(texts)
    assert list(packed) == texts == packed[:] and len(packed) == len(texts)
    assert [packed[place] for place in range(-len(texts), len(texts))] == texts + texts
    words = Words()
    for text in texts:
        words.append(text)
    assert list(words) == texts


def test_a_table_as_parquet_is_the_table(monkeypatch, tmp_path, sharded):
    pytest.importorskip("pyarrow")
    monkeypatch.setattr(set_table, "MANY", 100)
    monkeypatch.setattr(set_table, "BLOCK", 64)
    made = synthetic(tmp_path / "set", shard_size=40 * FACE)
    assert (made.root / "table.parquet").is_file() and not (made.root / "table.csv").exists()
    assert made.fingerprint == sharded.fingerprint
    assert made.attribute_names == sharded.attribute_names
    # CSV keeps seven digits.
    np.testing.assert_allclose(made.attributes, sharded.attributes, rtol=1e-6)
    for name in ("ids", "splits", "identities"):
        assert getattr(made, name).tolist() == getattr(sharded, name).tolist()
    assert not verify(made.root).faults
    flip(made.root / "table.parquet")
    assert len(verify(made.root).faults) == 1
    (made.root / "table.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(FaceSetError, match=r"table\.parquet cannot be read"):
        FaceSet(made.root)


def test_names_that_are_no_text_survive_a_parquet_table(tmp_path):
    pytest.importorskip("pyarrow")
    ids, values = ["a\udc80", "b", "=1"], np.array([[1.0], [np.nan], [-0.5]])
    table = set_table.make_table(ids, ["test", "train", "train"], [None, "p", ""], ["Hat"], values)
    set_table._write_parquet(tmp_path / set_table.PARQUET, table)
    again = set_table.read_table(tmp_path, 3)
    assert list(again.ids) == ids and list(again.identities) == ["", "p", ""]
    np.testing.assert_array_equal(again.values, values.astype(np.float32))
    assert again.counts() == {"train": 2, "validation": 0, "test": 1}
    with pytest.raises(ValueError, match="one whole row"):
        set_table.read_table(tmp_path, 4)


def test_rows_of_shards_are_checked():
    images = ShardedImages([np.zeros((2, 1, 1, 3), np.uint8), np.ones((3, 1, 1, 3), np.uint8)])
    assert images[[1, 2, -1]].max((1, 2, 3)).tolist() == [0, 1, 1]
    for wrong in ([5], [-6], np.ones(4, bool)):
        with pytest.raises(IndexError):
            images[wrong]


# --- training


def batches(faces, seed=0, epoch=0, rank=0, world=1, size=8, start=0) -> list[np.ndarray]:
    loader = Loader(faces, faces.rows("all"), size, rank=rank, world=world)
    return [batch.index.numpy() for batch in loader.shuffled(seed, epoch, start)]


def test_an_epoch_over_shards_has_every_face_once_in_an_order_of_seed_and_epoch(sharded):
    order = np.concatenate(batches(sharded))
    assert len(order) == 144 and len(set(order.tolist())) == 144
    assert np.array_equal(order, np.concatenate(batches(sharded)))
    assert not np.array_equal(order, np.concatenate(batches(sharded, epoch=1)))
    assert not np.array_equal(order, np.concatenate(batches(sharded, seed=1)))
    assert np.array_equal(np.concatenate(batches(sharded, start=7)), order[7 * 8 :])
    for batch in Loader(sharded, sharded.rows("train"), 8).shuffled(0, 0):
        pixels = sharded.images[batch.index.numpy()]
        np.testing.assert_array_equal((batch.image * 255).round().numpy(), np.moveaxis(pixels, -1, 1))


def test_a_set_of_one_file_keeps_its_order(whole):
    rows = np.random.default_rng((3, 2)).permutation(whole.rows("all"))
    assert np.array_equal(np.concatenate(batches(whole, seed=3, epoch=2)), rows[:144])


def test_each_process_reads_its_own_shards(sharded):
    parts = [np.concatenate(batches(sharded, rank=rank, world=2, epoch=4)) for rank in range(2)]
    assert [len(part) for part in parts] == [72, 72] and not set(parts[0].tolist()) & set(parts[1].tolist())
    shards = [set((part // 40).tolist()) for part in parts]
    assert len(shards[0] & shards[1]) <= 1 and max(map(len, shards)) <= 3


@examples(50)
@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=7),
    st.integers(1, 4),
    st.integers(1, 9),
    st.integers(1, 40),
)
def test_orders_by_blocks_are_permutations(lengths, world, block, window):
    ends = np.cumsum(lengths)
    rows = np.flatnonzero(np.random.default_rng(sum(lengths)).random(ends[-1]) < 0.8)
    count = len(rows) // world
    sizes = BlockSizes(block, window)
    parts = [block_order(rows, ends, sizes, 5, 6, count, rank, world) for rank in range(world)]
    together = np.concatenate(parts)
    assert [len(part) for part in parts] == [count] * world
    assert len(set(together.tolist())) == count * world and set(together.tolist()) <= set(rows.tolist())


def test_faces_of_a_window_are_near_each_other_and_mixed():
    rows, ends = np.arange(10_000), np.arange(1, 11) * 1_000
    order = block_order(rows, ends, BlockSizes(50, 500), 0, 0, 10_000)
    for start in range(0, 10_000, 500):
        window = order[start : start + 500]
        assert len(set((window // 50).tolist())) == 10 and len(set((window // 1_000).tolist())) <= 4
    assert abs(np.corrcoef(np.arange(4_000), order[:4_000])[0, 1]) < 0.9
    assert len(set((order[:64] // 50).tolist())) >= 8
    # Sorted within a batch, since the order in it is of no consequence, but not beyond.
    assert (np.diff(order[:64]) < 0).any()


def test_shards_can_be_read_ahead_and_given_back(sharded):
    pixels = sharded.images[:]
    sharded.images.read_ahead(np.arange(150))
    sharded.images.forget(np.array([3, 4, 100, 39, 40, 149]))
    sharded.images.forget(np.arange(0))
    np.testing.assert_array_equal(sharded.images[:], pixels)


def test_balanced_batches_of_shards(sharded):
    loader = Loader(sharded, sharded.rows("all"), 10)
    name = sharded.attribute_names[int(np.abs((sharded.attributes > 0).mean(0) - 0.5).argmin())]
    loader.balance({name: 0.9})
    rows = np.concatenate([batch.index.numpy() for batch in loader.shuffled(0, 0)])
    share = (sharded.attributes[rows, sharded.attribute_names.index(name)] > 0).mean()
    assert 0.85 < share < 0.95


def test_a_batch_from_shards_is_its_own(sharded, whole):
    batches = list(Loader(sharded, sharded.rows("train"), 8).shuffled(0, 0))  # all of them, after the last
    for batch in batches:
        expected = whole.images[batch.index.numpy()].transpose(0, 3, 1, 2) / np.float32(255)
        assert np.array_equal(batch.image.numpy(), expected)


def test_a_set_in_shards_trains_and_is_measured(sharded, tmp_path, cli):
    run = tmp_path / "run"
    settings = [part for setting in TINY for part in ("--set", setting)]
    code, _, err = cli("train", "celebamask-conv", "--data", sharded.root, "--to", run, *settings)
    assert code == 0, err
    assert cli("show", sharded.root, "--to", tmp_path / "sheet.png")[0] == 0
    assert cli("evaluate", run, "--data", sharded.root, "--split", "all", "--to", tmp_path / "e")[0] == 0
    code, _, err = cli(
        "train", "celebamask-conv", "--data", sharded.root, "--to", tmp_path / "again", *settings
    )
    first, second = (read_tensors(folder / "last/model.safetensors") for folder in (run, tmp_path / "again"))
    assert all(np.array_equal(first[name], second[name]) for name in first)


def read_tensors(path) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    return load_file(path)


# --- memory


def test_the_covariance_of_very_many_latents_is_that_of_all(monkeypatch):
    z = np.random.default_rng(0).normal(3, 2, (1_000, 5)).astype(np.float32)
    at_once = direction_set.whitening_of(z)
    monkeypatch.setattr(direction_set, "WHOLE", 100)
    monkeypatch.setattr(direction_set, "PART", 64)
    in_parts = direction_set.whitening_of(z)
    np.testing.assert_allclose(in_parts.root, at_once.root, rtol=1e-10)
    assert np.array_equal(in_parts.center, at_once.center)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_face_of_an_open_set_takes_at_most_200_bytes(tmp_path, monkeypatch, form):
    """With 40 attributes, ids of 20 characters and people; counted by Python's own allocator."""
    if form == "parquet":
        pytest.importorskip("pyarrow")
        monkeypatch.setattr(set_table, "MANY", 1_000)
    count, folder = 20_000, tmp_path / "set"
    folder.mkdir()
    template = Template(8, 8, 1)
    writer = ImageWriter(folder, template, 5_000)
    writer.write(bytes(64 * count))
    names = [f"attribute-{number}" for number in range(40)]
    values = np.random.default_rng(0).choice([1.0, -1.0, np.nan], (count, 40)).astype(np.float32)
    ids = [f"00000/{number:010d}.jpg" for number in range(count)]
    table = set_table.make_table(ids, ["train"] * count, map(str, np.arange(count) // 20), names, values)
    facts = {"source": "none", "terms": "none", "notes": []}
    write_facts(folder, template, table, np.zeros((count, 32), np.uint8), writer.finish(), (), facts)
    assert (folder / f"table.{form}").is_file()
    del table, values, ids
    tracemalloc.start()
    faces = FaceSet(folder)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept / len(faces) <= 200
    assert faces.ids[-1] == "00000/0000019999.jpg" and faces.identities[-1] == "999"
