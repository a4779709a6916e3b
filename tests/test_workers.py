"""Work in several processes: the same results whatever their number and order, whoever dies."""

import os
import signal
from functools import partial

import pytest
import worker_functions

import facespace
from facespace.core.dask_team import check_version
from facespace.core.errors import UsageError, WorkersError
from facespace.core.tasks import Care, Divisible, map_in_order
from facespace.core.version import __version__
from facespace.core.workers import Workers
from facespace.data import processing
from facespace.data.workers import DEADLY

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes of POSIX")


def _parts(numbers):
    return [[number] for number in numbers]


def _joined(outputs):
    return [number for output in outputs for number in output]


def _lost(numbers):
    return [-numbers[0]]


SINGLES = Care(Divisible(_parts, _joined, _lost))
CHUNKS = [list(range(start, start + 5)) for start in range(0, 40, 5)]  # 13 is in the third


@pytest.mark.parametrize("care", [Care(), Care(fresh=True)], ids=["forked", "fresh"])
def test_results_come_in_order_whatever_the_number_of_workers(care):
    expected = [number * number for number in range(20)]
    for workers in (1, 2, 3):
        assert list(map_in_order(worker_functions.late, range(20), workers, care)) == expected


def test_inputs_are_read_as_they_are_needed():
    read = []

    def numbers():
        for number in range(100):
            read.append(number)
            yield number

    results = map_in_order(worker_functions.late, numbers(), 2)
    assert next(results) == 0
    assert len(read) < 20
    results.close()


def test_fresh_workers_compute_on_one_thread_each(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    for workers in (1, 2):
        found = list(map_in_order(worker_functions.threads, range(4), Workers(workers), Care(fresh=True)))
        assert {threads for threads, _ in found} == {"1"}
        assert os.getpid() not in {process for _, process in found}
    assert os.environ["OMP_NUM_THREADS"] == "3"


def test_a_worker_that_dies_costs_its_task_again(tmp_path):
    found = map_in_order(partial(worker_functions.dies_once, tmp_path), range(20), 2)
    assert list(found) == list(range(20))
    assert (tmp_path / "died").exists()


def test_what_ends_two_workers_is_left_out_and_nothing_else(tmp_path):
    found = map_in_order(partial(worker_functions.deadly, tmp_path), CHUNKS, 2, SINGLES)
    assert _joined(found) == [-13 if number == 13 else number for number in range(40)]
    assert len(list(tmp_path.iterdir())) == 2


def test_what_cannot_be_taken_apart_is_refused(tmp_path):
    with pytest.raises(WorkersError, match="2 worker processes died over the same part"):
        list(map_in_order(partial(worker_functions.deadly, tmp_path), CHUNKS, 2))


def test_what_a_function_raises_is_raised():
    with pytest.raises(ValueError, match="not this one"):
        list(map_in_order(worker_functions.refuses, range(4), 2))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (dict(count=2, cluster="local"), "name one of the two"),
        (dict(cluster="local:0"), "The number of workers of --cluster local:0 must be from 1 to"),
        (dict(cluster="locale"), "--cluster takes local, local:N, or the address"),
        (dict(cluster="tcp://somewhere"), "--cluster takes local, local:N, or the address"),
        (dict(cluster="tcp://host:99999"), "--cluster takes local, local:N, or the address"),
        (dict(cluster="http://host:8786"), "--cluster takes local, local:N, or the address"),
    ],
)
def test_impossible_places_are_refused(options, sentence):
    with pytest.raises(UsageError, match=sentence):
        Workers(**options)


def test_another_version_is_a_sentence():
    check_version(__version__, "The worker tcp://host:1")
    with pytest.raises(
        WorkersError, match=r"The worker tcp://host:1 has facespace 0\.0\.1, and this command"
    ):
        check_version("0.0.1", "The worker tcp://host:1")


@pytest.fixture
def photos(tmp_path):
    import numpy as np
    from PIL import Image

    (tmp_path / "photos").mkdir()
    for number in range(100):
        pixels = np.random.default_rng(number).integers(0, 256, (20, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{number:03}.png")
    return tmp_path / "photos"


def test_a_poisonous_file_is_skipped_after_its_second_victim_and_named(photos, tmp_path, monkeypatch):
    victims, read = tmp_path / "victims", processing.read_photo
    victims.mkdir()

    def deadly(path, own):
        if path.name == "042.png":
            (victims / str(os.getpid())).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return read(path, own)

    monkeypatch.setattr(processing, "read_photo", deadly)
    faces = facespace.prepare("folder", photos, to=tmp_path / "set", size=16, workers=2)
    assert len(faces) == 99
    assert (tmp_path / "set" / "skipped.csv").read_text().splitlines()[1:] == [f"042.png,{DEADLY}"]
    assert len(list(victims.iterdir())) == 2
    monkeypatch.undo()
    (photos / "042.png").unlink()
    without = facespace.prepare("folder", photos, to=tmp_path / "without", size=16, workers=1)
    assert (faces.images == without.images).all()
    assert list(faces.splits) == list(without.splits)
