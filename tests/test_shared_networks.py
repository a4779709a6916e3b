"""Networks in workers: the latents, faces, labels and figures of one process, to the bit for any number."""

import json

import numpy as np
import pytest

import facespace
from facespace.core.console import quiet
from facespace.core.dask_team import _work_remotely
from facespace.core.errors import UsageError, WorkersError
from facespace.core.files import unfinished_folder
from facespace.core.finished_rows import FinishedRows
from facespace.core.networks import network_files, opened
from facespace.core.tasks import Care, crew
from facespace.core.version import __version__
from facespace.core.worker_files import (
    FilesMissing,
    as_worker,
    digest_of,
    exact_file,
    require,
    require_here,
    source,
)
from facespace.core.workers import Workers
from facespace.perception.inception import open_features
from facespace.perception.shared_networks import shared_features
from facespace.space.film import Decoded
from facespace.space.set_latents import encode_set
from facespace.space.shared_work import shared
from facespace.training.labelling import label

MANY = 300  # faces: more than one task has


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    with quiet():
        return facespace.prepare("synthetic", to=tmp_path_factory.mktemp("many") / "set", size=16, limit=MANY)


def test_latents_of_a_set_are_those_of_the_library_for_any_number_of_workers(many, trained, tmp_path):
    space = facespace.load(trained)
    for name, workers in (("none", Workers()), ("one", Workers(1)), ("two", Workers(2))):
        assert encode_set(space, many, tmp_path / f"{name}.npy", workers=workers) == MANY
    assert (tmp_path / "one.npy").read_bytes() == (tmp_path / "two.npy").read_bytes()
    found = np.load(tmp_path / "none.npy")
    assert found.dtype == np.float32 and found.shape == (MANY, space.latent_dim)
    assert (found == space.posterior_means(many, "all")).all()
    assert np.abs(found - np.load(tmp_path / "two.npy")).max() < 1e-5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["none.npy", "one.npy", "two.npy"]


def test_the_verb_encodes_a_split_and_says_where_it_continues(many, trained, tmp_path, cli):
    to = tmp_path / "z.npy"
    words = ("encode", trained, "--data", many.root, "--to", to)
    code, out, _ = cli(*words, "--split", "validation", "--json")
    assert code == 0
    assert json.loads(out)["count"] == len(np.load(to)) == len(many.rows("validation"))
    assert cli("encode", trained, "--data", many.root)[0] == 2
    assert cli(*words, tmp_path / "me.jpg")[0] == 2
    assert cli("encode", trained, "me.jpg", "--workers", 2)[0] == 2
    with pytest.raises(UsageError, match=r"one \.npy file"):
        encode_set(facespace.load(trained), many, tmp_path / "z.png")


def test_an_interrupted_encoding_continues_to_the_same_bytes(many, trained, tmp_path, monkeypatch, capfd):
    space, to, add = facespace.load(trained), tmp_path / "z.npy", FinishedRows.add
    encode_set(space, many, tmp_path / "whole.npy")

    def once(rows, part):
        add(rows, part)
        raise KeyboardInterrupt

    monkeypatch.setattr(FinishedRows, "add", once)
    with pytest.raises(KeyboardInterrupt):
        encode_set(space, many, to)
    monkeypatch.undo()
    left = unfinished_folder(to) / "rows.npy"
    with left.open("ab") as file:
        file.write(b"a part that is not whole")
    assert not to.exists()
    encode_set(space, many, to)
    assert "Continuing after 256 of 300 faces" in capfd.readouterr().err
    assert to.read_bytes() == (tmp_path / "whole.npy").read_bytes()
    assert not left.parent.exists()


def test_labels_are_the_same_for_any_number_of_workers(many, tmp_path):
    found = {}
    for name, workers in (("none", Workers()), ("one", Workers(1)), ("two", Workers(2))):
        labelled = label(many, tmp_path / name, workers=workers)
        found[name] = (tmp_path / name / "table.csv").read_bytes()
        assert len(labelled) == MANY
    assert found["one"] == found["two"]
    whole = facespace.FaceSet(tmp_path / "none").attributes
    assert np.nanmax(np.abs(whole - facespace.FaceSet(tmp_path / "two").attributes)) < 1e-4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["none", "one", "two"]


def test_samples_and_films_come_from_workers(trained):
    space = facespace.load(trained)
    faces = {}
    for count in (1, 2):
        with shared(space, Workers(count)) as many_hands:
            faces[count] = many_hands.sample(MANY, seed=3)
            film = Decoded(many_hands, space.sample_latents(MANY, seed=3))
            parts = [film[start : start + 64] for start in range(0, MANY, 64)]
            again = film[10:20]
            assert (np.concatenate(parts) == faces[count]).all()
            assert np.abs(again.astype(int) - faces[count][10:20]).max() <= 1
    assert (faces[1] == faces[2]).all()
    assert np.abs(faces[1].astype(int) - space.sample(MANY, seed=3)).max() <= 1


def test_features_come_from_workers(many):
    here = open_features("attributes")(many.images[:100])
    with crew(Workers(2), Care(fresh=True)) as workers:
        there = shared_features("attributes", workers)(many.images[:100])
    assert np.abs(here - there).max() < 1e-4
    with crew(Workers(), Care(fresh=True)) as nobody:
        assert shared_features("attributes", nobody) == "attributes"


def test_an_evaluation_has_the_same_figures_for_any_number_of_workers(many, trained, tmp_path, cli):
    figures = []
    for count in (1, 2):
        words = ("evaluate", trained, "--data", many.root, "--split", "train", "--features", "attributes")
        code, out, _ = cli(*words, "--to", tmp_path / str(count), "--workers", count, "--json")
        assert code == 0
        found = json.loads(out)
        del found["seconds"]
        figures.append(found)
    assert figures[0] == figures[1]


def test_a_worker_opens_the_network_whose_files_it_was_sent(trained, tmp_path):
    weights = tmp_path / "w.bin"
    weights.write_bytes(b"one")
    network = network_files(Opener.read, tmp_path, ("w.bin",))
    assert opened(network) == b"one"
    weights.write_bytes(b"two, which is longer")
    assert opened(network) == b"one"  # by its checksum
    assert opened(network_files(Opener.read, tmp_path, ("w.bin",))) == b"two, which is longer"
    with pytest.raises(FilesMissing, match=r"do not see .*w\.bin"):
        exact_file(weights, "0" * 64)
    assert exact_file(weights, digest_of(weights)) == weights


class Opener:
    @staticmethod
    def read(path):
        return path.read_bytes()


def test_a_worker_that_cannot_do_its_part_says_so_and_keeps_what_is_finished(tmp_path):
    with pytest.raises(WorkersError, match=r"A worker of the cluster cannot do its part\. Not here\."):
        _work_remotely(__version__, _refused, None, {})
    with as_worker({}), pytest.raises(WorkersError, match=r"do not see .*yunet\.onnx"):
        require_here(tmp_path / "yunet.onnx")
    require_here(tmp_path / "yunet.onnx")


def _refused(_):
    raise UsageError("Not here.")


def test_only_workers_of_a_cluster_ask_for_files(tmp_path):
    there, gone = tmp_path / "there", tmp_path / "gone"
    there.touch()
    require([there, gone])
    with as_worker({}), pytest.raises(FilesMissing) as error:
        require([there, gone])
    assert error.value.paths == (str(gone),)
    with as_worker({str(gone): b"sent"}):
        require([there, gone])
        assert source(gone) == b"sent" and source(there) == there
    assert source(gone) == gone
