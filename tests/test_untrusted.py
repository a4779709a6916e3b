"""Bundles, sets and files of strangers: what cannot be used ends in a sentence, and costs neither time nor memory."""

import contextlib
import json
import os
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from fuzz import examples
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import load_file, save_file

from facespace.core.cards import CARD, DIRECTIONS, WEIGHTS, fingerprint
from facespace.core.errors import BundleError, FaceSetError, FacespaceError, ImageError
from facespace.core.reading import RefusedFile, read_bounded, read_json
from facespace.data.derive import subsample
from facespace.data.faces import FaceSet
from facespace.image.photos import read_photo
from facespace.models import bundle, card_text, export
from facespace.report.run_listing import listing
from facespace.report.runs import find_runs
from facespace.space.face_space import load
from facespace.training import checkpoint


@pytest.fixture(scope="module")
def rich(trained, drawn, tmp_path_factory):
    """The folder of a tiny bundle with directions and priors. Tests must not change it."""
    to = tmp_path_factory.mktemp("rich") / "space"
    export.pack(bundle.load(trained), to)
    space = load(to)
    space.fit_directions(drawn, ["smile"])
    space.fit_prior(drawn, "mixture", components=2)
    return to


@pytest.fixture
def space(rich, tmp_path):
    shutil.copytree(rich, tmp_path / "space")
    return tmp_path / "space"


def use(folder):
    """What the verbs read of a bundle."""
    opened = load(folder)
    with contextlib.suppress(FacespaceError):
        opened.directions().scores(opened.sample_latents(1, prior="model"))
    with contextlib.suppress(FacespaceError):
        opened.prior("mixture").sample(1)
    return opened.default_prior


WILD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([10**9, -1, 2**70, "\x00", "a\x00b", "\ud800", "\x1b[2J", "x" * 9000]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def places(value, at=()):
    """The paths of all values in a JSON value."""
    found = [at] if at else []
    if isinstance(value, dict):
        for key, inner in value.items():
            found += places(inner, (*at, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value[:3]):
            found += places(inner, (*at, index))
    return found


def mutated(card, draw):
    """A copy of a card with one or two values removed or replaced."""
    card = json.loads(json.dumps(card))
    for _ in range(draw(st.integers(1, 2))):
        *path, last = draw(st.sampled_from(places(card)))
        table = card
        for key in path:
            table = table[key]
        if draw(st.booleans()) and isinstance(table, dict):
            del table[last]
        else:
            table[last] = draw(WILD)
        if not places(card):
            break
    return card


@examples(40)
@given(data=st.data())
def test_a_changed_card_of_a_bundle_opens_or_is_a_sentence(rich, tmp_path, data):
    run = tmp_path / "run"
    space = run / "best"
    if not space.exists():
        shutil.copytree(rich, space)
        (run / "checkpoint.json").write_text("{}")
    card = mutated(json.loads((rich / CARD).read_text()), data.draw)
    (space / CARD).write_text(json.dumps(card))
    for read in (use, lambda folder: card_text.read(folder).markdown(), lambda _: listing(find_runs(run))):
        try:
            read(space)
        except FacespaceError as error:
            assert len(str(error)) < 2_000


@examples(40)
@given(data=st.data())
def test_a_changed_card_of_a_set_opens_or_is_a_sentence(drawn, tmp_path, data):
    to = tmp_path / "set"
    if not to.exists():
        shutil.copytree(drawn, to)
    (to / CARD).write_text(json.dumps(mutated(json.loads((drawn / CARD).read_text()), data.draw)))
    try:
        faces = FaceSet(to)
        assert faces.template and faces.fingerprint and faces.image_shape and len(faces.rows("train")) >= 0
        subsample(faces, {"train": 3}, tmp_path / "less", force=True)
    except FacespaceError as error:
        assert len(str(error)) < 2_000


BOMB = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    "text", [BOMB, '{"kind":' * 500, "null", '{"kind": "bundle"}', "", "\x00", "x" * 5_000_000]
)
def test_a_card_that_is_no_card_is_a_sentence(space, drawn, tmp_path, text):
    (space / CARD).write_text(text)
    with pytest.raises(BundleError, match=r"card\.json"):
        load(space)
    shutil.copytree(drawn, tmp_path / "set")
    (tmp_path / "set" / CARD).write_text(text)
    with pytest.raises(FaceSetError, match=r"card\.json"):
        FaceSet(tmp_path / "set")


@pytest.mark.parametrize("name", [CARD, WEIGHTS, DIRECTIONS, "prior-mixture.safetensors"])
@pytest.mark.parametrize("kind", ["zero", "pipe", "folder", "sparse"])
def test_a_file_of_a_bundle_that_is_no_regular_one_of_its_size_is_refused(space, name, kind):
    path = space / name
    path.unlink()
    if kind == "zero":
        path.symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        with path.open("wb") as file:
            file.truncate(30 * 2**30)
    with pytest.raises(FacespaceError):
        opened = load(space)
        opened.directions()
        opened.prior("mixture")


def test_a_run_s_files_that_are_pipes_or_devices_are_sentences(trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    for name in ("run.json", "metrics.jsonl", "checkpoint.pt", "checkpoint.previous.pt", "checkpoint.json"):
        (run / name).unlink(missing_ok=True)
        os.mkfifo(run / name)
    assert listing(find_runs(tmp_path))
    with pytest.raises(FacespaceError):
        checkpoint.load(run, {}, {}, lambda work: work())


def test_reading_is_bounded(tmp_path):
    (tmp_path / "x").write_bytes(bytes(11))
    assert read_bounded(tmp_path / "x", 11) == bytes(11)
    with pytest.raises(RefusedFile, match="11 bytes, more than the 10"):
        read_bounded(tmp_path / "x", 10)
    (tmp_path / "deep.json").write_text("[" * 41 + "]" * 41)
    with pytest.raises(RefusedFile, match="nested"):
        read_json(tmp_path / "deep.json")


@pytest.mark.parametrize("latent", [10**9, 2**20, 6, -1])
def test_a_card_whose_model_is_not_that_of_its_weights_costs_no_memory(space, latent):
    card = json.loads((space / CARD).read_text())
    card["model"]["latent_dim"] = latent
    (space / CARD).write_text(json.dumps(card))
    with pytest.raises(BundleError, match=r"latent_dim|does not fit"):
        load(space)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_directions_and_priors_that_are_not_finite_are_sentences(space, value):
    card = json.loads((space / CARD).read_text())
    entries = {
        WEIGHTS: card,
        DIRECTIONS: card["directions"],
        "prior-mixture.safetensors": card["priors"]["mixture"],
    }
    whole = {name: (space / name).read_bytes() for name in (*entries, CARD)}
    for name, entry in entries.items():
        tensors = load_file(space / name)
        first = next(key for key, tensor in tensors.items() if tensor.is_floating_point())
        tensors[first].view(-1)[0] = value
        save_file(tensors, space / name)
        entry["fingerprint"] = fingerprint(tensors)
        if name == WEIGHTS:
            for other in (card["directions"], card["priors"]["mixture"]):
                other["weights"] = entry["fingerprint"]
        (space / CARD).write_text(json.dumps(card))
        with pytest.raises(BundleError, match="not finite"):
            opened = load(space)
            opened.directions()
            opened.prior("mixture")
        for file, content in whole.items():
            (space / file).write_bytes(content)
        card = json.loads(whole[CARD])
        entries |= {DIRECTIONS: card["directions"], "prior-mixture.safetensors": card["priors"]["mixture"]}


def test_what_links_of_a_bundle_point_to_is_never_copied(space, drawn, trained, tmp_path):
    (tmp_path / "secret").write_text("a secret")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "key").write_text("a secret")
    for name in ("notes.txt", "discriminator.safetensors"):
        (space / name).symlink_to(tmp_path / "secret")
    (space / "folder").symlink_to(tmp_path / "secrets")
    (space / "README.md").write_text("mine")
    load(space).fit_prior(drawn, "normal")
    kept = {path.name: path for path in space.iterdir()}
    assert "notes.txt" not in kept and "folder" not in kept and kept["README.md"].read_text() == "mine"
    for path in space.rglob("*"):
        assert path.is_symlink() or b"a secret" not in path.read_bytes()
    assert load(space).prior("normal").origin


def test_a_header_of_weights_that_lies_is_refused_before_anything_is_allocated(space):
    header = json.dumps({"x": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}).encode()
    (space / WEIGHTS).write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(BundleError, match="does not fit"):
        load(space)
    (space / WEIGHTS).write_bytes(struct.pack("<Q", 2**63) + header)
    with pytest.raises(BundleError):
        load(space)


def test_a_set_s_damaged_tables_and_arrays_are_sentences(drawn, tmp_path):
    def broken(name, content):
        to = tmp_path / "set"
        shutil.rmtree(to, ignore_errors=True)
        shutil.copytree(drawn, to)
        if callable(content):
            content(to / name)
        else:
            (to / name).write_bytes(content)
        with pytest.raises(FaceSetError):
            FaceSet(to)

    table = (drawn / "table.csv").read_bytes()
    head, row = table.split(b"\r\n")[:2]
    broken("table.csv", table.replace(b"train", b"train\x00", 1).replace(row, row + b",x", 1))
    broken("table.csv", table.replace(row, b"x" * 200_000 + row, 1))
    broken("table.csv", head.replace(b"id", b"id,a" * 50_000))
    broken("table.csv", table.rsplit(b",", 1)[0] + b",word\r\n")
    broken("images.npy", b"\x93NUMPY\x01\x00\x76\x00{'descr': '|O', 'fortran_order': False, 'shape': (60,)}")
    broken("images.npy", lambda path: np.savez(path.open("wb"), a=np.zeros(3)))
    broken("images.npy", lambda path: (path.unlink(), os.mkfifo(path)))
    broken("images.npy", lambda path: np.save(path, np.zeros((60, 16, 16, 2), np.uint8)))


def test_a_sparse_photograph_of_30_gb_is_refused_and_a_deep_one_takes_little_memory(tmp_path):
    with (tmp_path / "large.jpg").open("wb") as file:
        file.truncate(30 * 2**30)
    with pytest.raises(ImageError, match="larger than 512 MB"):
        read_photo(tmp_path / "large.jpg")
    side = 2500
    deep = np.linspace(0, 65535, side * side).reshape(side, side).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    peak = _peak_of(lambda: np.asarray(read_photo(tmp_path / "deep.png")).mean())
    assert peak < 16 * side * side
    found = np.asarray(read_photo(tmp_path / "deep.png"))[..., 0]
    assert np.abs(found - deep / 257).max() <= 0.51


def _peak_of(work):
    """Bytes by which the memory of a process of its own grows."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        with contextlib.suppress(OSError):  # the peak of this process starts again at what it has now
            Path("/proc/self/clear_refs").write_text("5")
        before = _high_water()
        work()
        os.write(writer, str(_high_water() - before).encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as pipe:
        return int(pipe.read() or 2**60)


def _high_water():
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
    return int(line.split()[1]) * 1024


def test_half_a_character_is_a_sentence_and_bytes_of_a_name_are_read(tmp_path):
    path = tmp_path / "card.json"
    path.write_text('{"a": ["\\ud800"]}')
    with pytest.raises(RefusedFile, match="half a character"):
        read_json(path)
    path.write_text('{"\\udfff": 1}')
    with pytest.raises(RefusedFile, match="half a character"):
        read_json(path)
    path.write_text(
        '{"\\ud83d\\ude00": "\\udce9"}'
    )  # a pair is one character; the other is a byte of Latin-1
    assert read_json(path) == {"\U0001f600": "\udce9"}


def test_a_wrong_value_that_is_no_text_or_has_no_end_is_a_short_sentence(drawn, tmp_path):
    to = tmp_path / "set"
    shutil.copytree(drawn, to)
    card = json.loads((drawn / CARD).read_text())
    for change in (
        {"faces": "\udce9"},
        {"kind": "x" * 9000},
        {"format": ["x" * 9000]},
        {"splits": {"\udce9": "x"}},
    ):
        (to / CARD).write_text(json.dumps({**card, **change}))
        with pytest.raises(FaceSetError) as caught:
            FaceSet(to)
        assert len(str(caught.value)) < 1_000, change
