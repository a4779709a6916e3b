"""One writer at a time: processes and requests of the page that write one bundle, set or run."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from conftest import TINY
from test_explorer import pack, unpack

import facespace
from facespace.core.console import quiet
from facespace.core.files import build_folder, is_own, write_atomically, write_json
from facespace.core.locks import BusyError, writing
from facespace.data.faces import FaceSet
from facespace.explorer import handlers, messages
from facespace.explorer.service import Spaces, _reply
from facespace.models import bundle, carrying, export
from facespace.space.face_space import load
from facespace.training.checkpoint import CHECKPOINT


def in_thread(function, *args, **options):
    """The exception, or the result, of a call in another thread."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(function, *args, **options)
        return future.exception() or future.result()


def at_once(*calls):
    """Calls at the same instant in processes of their own; returns their exit codes."""
    children = []
    barrier_in, barrier_out = os.pipe()
    for call in calls:
        child = os.fork()
        if not child:
            os.close(barrier_out)
            os.read(barrier_in, 1)  # until the parent closes it
            code = 1
            try:
                with quiet():
                    call()
                code = 0
            except facespace.FacespaceError:
                code = 3
            finally:
                os._exit(code)
        children.append(child)
    os.close(barrier_in)
    os.close(barrier_out)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


@pytest.fixture
def space(trained, tmp_path):
    """The folder of a packed copy of a tiny space, which a test may change."""
    export.pack(bundle.load(trained), tmp_path / "space")
    return tmp_path / "space"


@pytest.mark.parametrize("attempt", range(2))
def test_directions_that_two_processes_keep_at_one_instant_are_all_kept(space, attempt):
    z = np.random.default_rng(attempt).normal(size=(10, 5)).astype(np.float32)

    def add(name):
        return lambda: load(space).add_direction(name, z[:5], z[5:])

    assert at_once(add("one"), add("two"), add("three")) == [0, 0, 0]
    assert set(load(space).directions().names) == {"one", "two", "three"}
    assert [path.name for path in space.parent.iterdir()] == ["space"]


def test_a_prior_and_directions_that_are_kept_at_one_instant_are_both_kept(space, drawn):
    calls = (
        lambda: load(space).fit_prior(drawn, "normal"),
        lambda: load(space).fit_directions(drawn, ["smile"]),
    )
    assert at_once(*calls) == [0, 0]
    opened = load(space)
    assert "normal" in opened.card["priors"] and opened.directions().names == ("smile",)
    assert opened.prior("normal").origin


def test_requests_of_the_page_that_change_a_bundle_come_one_after_another(space):
    spaces, page = Spaces([space]), handlers.Page()
    z = np.random.default_rng(0).normal(size=(10, 5)).astype("<f4").tobytes()
    spaces.open(0)

    def ask(name):
        message = pack(z, id=1, request="add_direction", name=name, positive=5)
        return unpack(_reply(spaces, messages.read(message), page))[0]

    with ThreadPoolExecutor(6) as pool:  # a double click on three buttons
        answers = list(pool.map(ask, ["one", "one", "two", "two", "three", "three"]))
    assert all(answer["ok"] for answer in answers), answers
    assert set(load(space).directions().names) == {"one", "two", "three"}


def test_long_work_refuses_a_target_that_another_writes(tmp_path, drawn, trained):
    works = {
        "set": lambda to: facespace.prepare("synthetic", to=to, size=16, limit=4, workers=1),
        "run": lambda to: facespace.train("demo", drawn, to, settings=TINY, trackers=["none"]),
        "packed": lambda to: export.pack(bundle.load(trained), to),
        "exported": lambda to: facespace.export(trained, to),
    }
    for name, work in works.items():
        to = tmp_path / "new" / name
        with writing(to):
            error = in_thread(work, to)
        assert isinstance(error, BusyError) and str(to) in str(error), name
    assert not list(tmp_path.iterdir())  # and nothing is left, not even the folder above


def test_of_two_prepares_into_one_folder_one_is_refused_and_the_set_is_whole(tmp_path):
    def prepare(seed):
        return lambda: facespace.prepare(
            "synthetic", to=tmp_path / "set", size=16, limit=192, seed=seed, workers=1
        )

    codes = at_once(prepare(1), prepare(2))
    assert sorted(codes) == [0, 3]
    alone = facespace.prepare(
        "synthetic", to=tmp_path / "alone", size=16, limit=192, seed=1 + codes.index(0), workers=1
    )
    assert FaceSet(tmp_path / "set").fingerprint == alone.fingerprint
    assert np.array_equal(FaceSet(tmp_path / "set").images, alone.images)


def test_a_lock_ends_with_its_process(tmp_path):
    child = os.fork()
    if not child:
        with writing(tmp_path / "x"):
            os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
    with writing(tmp_path / "x"):
        pass
    assert not list(tmp_path.iterdir())


def test_a_target_by_two_names_has_one_lock_and_locks_nest(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with writing(tmp_path / "real"), writing(tmp_path / "link"):
        assert isinstance(in_thread(lambda: writing(tmp_path / "link").__enter__()), BusyError)


def test_files_and_folders_that_threads_write_at_once_are_whole(tmp_path):
    def write(number):
        write_json(tmp_path / "file.json", [number] * 2000)
        with build_folder(tmp_path / "folder") as beside:
            for name in "abc":
                (beside / name).write_text(f"{number}" * 500)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(24)))
    assert len({(tmp_path / "folder" / name).read_text() for name in "abc"}) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.json", "folder"]


def test_partials_of_processes_that_were_killed_are_removed_and_those_of_others_stay(tmp_path):
    child = os.fork()
    if not child:
        with write_atomically(tmp_path / "a.png") as beside, build_folder(tmp_path / "b") as folder:
            beside.touch()
            (folder / "x").touch()
            os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
    assert len(list(filter(is_own, tmp_path.iterdir()))) == 3  # and the lock
    (tmp_path / ".a.12345678.partial.png").touch()  # of an older version
    with write_atomically(tmp_path / "a.png") as beside, build_folder(tmp_path / "b"):
        beside.touch()
        in_thread(write_json, tmp_path / "a.json", 1)
        assert beside.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "a.png", "b"]


# Kills at the wrong moment


def test_a_kill_during_the_first_checkpoint_locks_no_folder(tmp_path, drawn, monkeypatch):
    run = tmp_path / "run"

    def train():
        facespace.train("demo", drawn, run, settings=TINY, trackers=["none"])

    def killed():
        monkeypatch.setattr("facespace.core.files.flush", lambda path: os.kill(os.getpid(), 9))
        train()

    assert at_once(killed) == [-9]
    assert any(CHECKPOINT.partition(".")[0] in path.name for path in run.iterdir())
    with quiet():
        train()
    assert not list(filter(is_own, run.iterdir())) and (run / "run.json").is_file()


def test_what_was_fitted_to_the_best_bundle_stays_while_its_weights_stay_and_is_named_else(
    trained, drawn, tmp_path, capsys
):
    loaded = bundle.load(trained / "best")
    folder = tmp_path / "best"
    config, facts = loaded.model.config, {"step": 1, "recipe": {}, "data": {}, "metrics": {}}
    bundle.save(folder, loaded.model, config, loaded.template, facts)
    space = load(folder)
    space.fit_prior(drawn, "normal")
    space.fit_directions(drawn, ["smile"])
    carrying.save_over(folder, loaded.model, config, loaded.template, {**facts, "step": 2})
    again = load(folder)
    assert again.card["step"] == 2 and again.directions().names == ("smile",)
    assert again.prior("normal").log_prob is not None and not capsys.readouterr().err
    changed = bundle.load(trained / "best").model
    changed.state_dict()[next(iter(changed.state_dict()))].add_(1)
    carrying.save_over(folder, changed, config, loaded.template, facts, keeps=True)
    assert load(folder).directions().names == ("smile",)
    changed.state_dict()[next(iter(changed.state_dict()))].add_(1)
    carrying.save_over(folder, changed, config, loaded.template, facts)
    said = capsys.readouterr().err
    assert "the prior 'normal' and the directions" in said and "other weights" in said
    assert "directions" not in load(folder).card


def test_a_bundle_that_is_replaced_while_it_is_read_is_read_whole(space):
    z = np.random.default_rng(0).normal(size=(10, 5)).astype(np.float32)
    load(space).add_direction("first", z[:5], z[5:])
    done = threading.Event()

    def write():
        for number in range(12):
            load(space).add_direction("second", z[:5] + number, z[5:])
        done.set()

    with ThreadPoolExecutor(1) as pool:
        writing_it, reads = pool.submit(write), 0
        while not done.is_set() and not writing_it.done():
            assert "first" in load(space).directions().names
            reads += 1
    assert writing_it.result() is None and reads


def test_a_lock_that_is_removed_at_its_end_excludes_those_who_wait_for_it(tmp_path):
    counter = tmp_path / "counter"
    counter.write_text("0")

    def count():
        for _ in range(25):
            with writing(counter, 30):
                counter.write_text(str(int(counter.read_text()) + 1))

    assert at_once(count, count, count) == [0, 0, 0]
    assert counter.read_text() == "75" and [path.name for path in tmp_path.iterdir()] == ["counter"]
