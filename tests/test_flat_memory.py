"""Memory that does not grow with a set: listings as columns, features and their distances in parts and in files."""

import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from facespace.core import large_arrays
from facespace.core.console import quiet
from facespace.data.listing import Origin, listing_of
from facespace.data.sources import SOURCES, SourceOptions
from facespace.data.stored import ListedFiles
from facespace.perception import feature_distances
from facespace.perception.feature_cache import cached_features
from facespace.perception.feature_distances import fid, kid
from facespace.perception.interface import Features, FeaturesError

COUNT, ATTRIBUTES = 3_000, 40


def photographs(root) -> None:
    """Of 60 people."""
    for number in range(COUNT):
        folder = root / f"person {number % 60:03d}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"photo_{number:08d}.jpg").touch()


def celeba(root) -> None:
    (root / "img_align_celeba").mkdir(parents=True)
    names = [f"{number + 1:06d}.jpg" for number in range(COUNT)]
    for name in names:
        (root / "img_align_celeba" / name).touch()
    header = " ".join(f"Attribute_{number}" for number in range(ATTRIBUTES))
    signs = " ".join(["1", "-1"] * (ATTRIBUTES // 2))
    tables = {"list_attr_celeba": signs, "list_eval_partition": "2", "identity_CelebA": "8714"}
    for table, value in tables.items():
        first = [str(COUNT), header] if table == "list_attr_celeba" else []
        (root / f"{table}.txt").write_text("\n".join([*first, *(f"{name} {value}" for name in names)]))


def bytes_kept(source: str, root: Path) -> int:
    """Bytes that a listing keeps, in a process of its own: tracemalloc counts what every thread of a process makes,
    servers and browsers of other tests included."""
    code = f"""
import gc, tracemalloc
from pathlib import Path
from facespace.data.listing import Origin, listing_of
from facespace.data.sources import SOURCES, SourceOptions

origin = Origin({source!r}, Path({str(root)!r}), SOURCES[{source!r}])
listing_of(origin, SourceOptions(), None)  # what Python keeps of a first time
kept = []
for _ in range(2):  # Python's own table of names grows now and then, and then for both
    gc.collect()
    tracemalloc.start()
    listing = listing_of(origin, SourceOptions(), None)
    gc.collect()
    kept.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
print(min(kept))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1])


@pytest.mark.parametrize(("source", "make"), [("folder", photographs), ("celeba", celeba)])
def test_a_listed_face_takes_less_than_200_bytes(tmp_path, source, make):
    make(tmp_path / source)
    assert 0 < bytes_kept(source, tmp_path / source) / COUNT < 200
    listing = listing_of(Origin(source, tmp_path / source, SOURCES[source]), SourceOptions(), None)
    assert isinstance(listing.faces, ListedFiles) and len(listing.faces) == COUNT
    face = listing.faces[7]
    if source == "celeba":
        assert (face.id, face.identity, face.split) == ("000008.jpg", "8714", "test")
        assert listing.values[7, :4].tolist() == [1, -1, 1, -1]
    else:
        assert face.identity == "person 000" and face.id == f"person 000/{face.image.name}"
    assert face.image.is_file()


def test_large_arrays_lie_in_files(monkeypatch, tmp_path):
    monkeypatch.setattr(large_arrays, "IN_MEMORY", 1_000)
    monkeypatch.setenv("FACESPACE_CACHE", str(tmp_path))
    small, large = large_arrays.empty((10, 10), np.float64), large_arrays.empty((10, 20), np.float64)
    assert isinstance(large.base, np.memmap) and small.base is None
    parts = [np.full((4, 30), number, np.float64) for number in range(3)]
    assert np.array_equal(large_arrays.joined(iter(parts), 12), np.concatenate(parts))
    assert not list(tmp_path.iterdir())  # they have no names


def test_distances_of_many_features_are_those_of_all_at_once(monkeypatch):
    random = np.random.default_rng(0)
    mixing = random.normal(size=(12, 12))
    a = (random.normal(5, 1, (700, 12)) @ mixing).astype(np.float32)
    b = (random.normal(5.2, 1.1, (650, 12)) @ mixing).astype(np.float32)
    at_once = fid(a, b), *kid(a, b, size=100)
    monkeypatch.setattr(feature_distances, "AT_ONCE", 100)
    monkeypatch.setattr(feature_distances, "PART", 64)
    monkeypatch.setattr(feature_distances, "WHOLE", 100)
    assert np.allclose((fid(a, b), *kid(a, b, size=100)), at_once, rtol=1e-9)
    assert abs(fid(a, a)) < 1e-6 * np.square(a).sum(1).mean()


def peak_of_distances(network: Features, faces: np.ndarray) -> int:
    """Bytes that features and FID of faces take at the peak."""
    tracemalloc.start()
    fid(network(faces), network(faces[::-1]))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def test_features_of_many_faces_and_fid_take_a_fixed_amount_of_memory(monkeypatch, tmp_path):
    monkeypatch.setattr(large_arrays, "IN_MEMORY", 1_000)
    monkeypatch.setenv("FACESPACE_CACHE", str(tmp_path))
    monkeypatch.setattr(feature_distances, "AT_ONCE", 100)
    monkeypatch.setattr(feature_distances, "PART", 64)
    weights = np.random.default_rng(0).normal(size=(48, 100)).astype(np.float32)
    network = Features("random", "random", 100, "0", lambda faces: faces.reshape(len(faces), -1) @ weights)
    faces = np.random.default_rng(1).integers(0, 256, (8_000, 4, 4, 3), dtype=np.uint8)
    with quiet():
        few, many = peak_of_distances(network, faces[:1_000]), peak_of_distances(network, faces)
    assert many < few + 300_000  # 7,000 faces more have 2.8 MB of features a side
    with quiet():
        again = cached_features(network, faces), cached_features(network, faces)
    assert np.array_equal(*again) and np.array_equal(again[0], network(faces))


def test_features_that_are_not_finite_are_refused():
    network = Features("random", "random", 2, "0", lambda faces: np.full((len(faces), 2), np.nan, np.float32))
    with quiet(), pytest.raises(FeaturesError, match="not finite"):
        network(np.zeros((40, 4, 4, 3), np.uint8))
