"""Figures against independent computations: torchmetrics, torch.distributions, and small cases worked out by hand."""

import contextlib
import math

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure,
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)

import facespace
from facespace.core.errors import UsageError
from facespace.data.faces import FaceSet
from facespace.evaluation import interpolation, reconstruction
from facespace.evaluation.reconstruction import hardest
from facespace.image.pixels import quality
from facespace.latent import disentanglement
from facespace.latent import health as latents
from facespace.perception import similarity
from facespace.report.results import bootstrap

RANDOM = np.random.default_rng(0)


def noisy(count, size, channels=3, noise=20):
    """Smooth pictures and the same with noise, uint8 (N, H, W, C)."""
    ramp = np.linspace(40, 200, size)[None, :, None, None] * np.linspace(0.5, 1, size)[None, None, :, None]
    x = ramp * RANDOM.uniform(0.6, 1.2, (count, 1, 1, channels))
    y = x + RANDOM.normal(0, noise, x.shape) * np.linspace(0.2, 1, count)[:, None, None, None]
    return x.clip(0, 255).astype(np.uint8), y.clip(0, 255).astype(np.uint8)


def tensor(faces):
    return torch.from_numpy(faces).permute(0, 3, 1, 2).float() / 255


def test_interval_is_that_of_the_normal_law():
    values = RANDOM.normal(3, 2, 400)
    low, high = bootstrap(values)
    half = 1.96 * values.std() / math.sqrt(len(values))
    assert low == pytest.approx(values.mean() - half, abs=0.04) and high == pytest.approx(
        values.mean() + half, abs=0.04
    )
    assert bootstrap(values) == (low, high) != bootstrap(values, seed=1)
    assert bootstrap(np.full(5, 7.0)) == (7.0, 7.0)
    assert bootstrap(values, np.median, draws=50)[1] < values.max()
    with pytest.raises(UsageError, match="at least one value"):
        bootstrap(values[:0])


@pytest.mark.parametrize("channels", [1, 3])
def test_reconstruction_is_that_of_torchmetrics(channels):
    x, y = noisy(40, 24, channels)  # more than one batch
    found = similarity.per_face(x, y)
    for index in (0, 17, 39):
        pair = tensor(y[index : index + 1]), tensor(x[index : index + 1])
        assert found["psnr"][index] == pytest.approx(
            float(peak_signal_noise_ratio(*pair, data_range=1.0)), abs=1e-3
        )
        alike = structural_similarity_index_measure(*pair, data_range=1.0, kernel_size=11, sigma=1.5)
        assert found["ssim"][index] == pytest.approx(float(alike), abs=1e-5)
    np.testing.assert_allclose(found["mse"], ((x / 255 - y / 255) ** 2).mean((1, 2, 3)), rtol=1e-5)
    total = reconstruction.measure_reconstruction(x, y)
    assert total.psnr == pytest.approx(quality(found["mse"])["psnr"]) and total.ssim == found["ssim"].mean()
    assert all(total.intervals[name][0] < getattr(total, name) < total.intervals[name][1] for name in found)
    floats = reconstruction.measure_reconstruction(x / 255, (y / 255).astype(np.float32))
    assert floats.mse == pytest.approx(total.mse, rel=1e-5)


def test_ms_ssim_is_measured_from_176_px_on():
    x, y = noisy(2, 176)
    found = reconstruction.measure_reconstruction(x, y, lambda a, b: np.zeros(len(a)))
    alike = multiscale_structural_similarity_index_measure(tensor(y), tensor(x), data_range=1.0)
    assert found.ms_ssim == pytest.approx(float(alike), abs=1e-5) and found.left_out == []
    smaller = reconstruction.measure_reconstruction(x[:, :175], y[:, :175])
    assert smaller.ms_ssim is None and "176 px" in smaller.left_out[0]
    tiny = reconstruction.measure_reconstruction(x[:, :10, :10], y[:, :10, :10])
    assert tiny.ssim is None and "11 px" in tiny.left_out[0] and set(tiny.protocol) == {"mse", "psnr"}


def test_errors_are_told_by_attribute_where_enough_faces_have_it():
    x, y = noisy(40, 24)
    hats, rare = np.arange(40) % 2 == 0, np.arange(40) < 3
    found = reconstruction.measure_reconstruction(x, y, attributes={"Hat": hats, "Rare": rare})
    assert set(found.by_attribute) == {"Hat"} and found.by_attribute["Hat"]["faces"] == 20
    errors = np.square((x / 255.0 - y / 255.0)[hats]).mean((1, 2, 3))
    assert found.by_attribute["Hat"]["mse"] == pytest.approx(errors.mean(), rel=1e-6)
    means = {"Wearing_Hat": {"mse": 2.0}, "Male": {"mse": 1.05}, "Bald": {"mse": 1.2}}
    assert hardest(1.0, means) == ["Wearing Hat (error × 2.00)", "Bald (error × 1.20)"]


def test_lpips_is_measured_where_it_is_given_and_takes_the_size():
    def distance(a, b):
        if a.shape[1] < 20:
            raise UsageError("too small")
        return np.abs(a.astype(float) - b).mean((1, 2, 3))

    x, y = noisy(40, 24)
    found = reconstruction.measure_reconstruction(x, y, distance)
    assert (
        found.lpips == pytest.approx(np.abs(x.astype(float) - y).mean())
        and "LPIPS" in found.protocol["lpips"]
    )
    small = reconstruction.measure_reconstruction(x[:, :16], y[:, :16], distance)
    assert small.lpips is None and small.left_out[-1] == "LPIPS is left out: too small"
    assert "no network" in reconstruction.measure_reconstruction(x, y).left_out[-1]
    with pytest.raises(UsageError, match="one size"):
        reconstruction.measure_reconstruction(x, y[:, :16])


def test_equal_faces_are_exact():
    x, _ = noisy(3, 16)
    found = reconstruction.measure_reconstruction(x, x)
    assert found.mse == 0 and found.psnr == pytest.approx(100) and found.ssim == pytest.approx(1)


def test_kl_is_that_of_torch_distributions():
    means, variances = RANDOM.normal(size=(7, 3)), RANDOM.uniform(0.1, 2, (7, 3))
    posterior = Normal(torch.from_numpy(means), torch.from_numpy(variances).sqrt())
    truth = kl_divergence(posterior, Normal(torch.zeros(1).double(), torch.ones(1).double())).numpy()
    np.testing.assert_allclose(latents.gaussian_kl(means, variances), truth, atol=1e-12)
    health = latents.latent_health(means, variances, RANDOM.normal(size=(7, 3)))
    np.testing.assert_allclose(health.per_dimension["kl"], truth.mean(0))
    assert health.kl == pytest.approx(truth.sum(1).mean()) and health.classifier_auc is None
    given = latents.latent_health(means, variances, RANDOM.normal(size=(7, 3)), truth * 2)
    assert given.kl == pytest.approx(2 * health.kl)


def test_mutual_information_is_that_of_a_gaussian_channel():
    """x ~ N(0, s²) and z = x + N(0, v) share ½·log(1 + s²/v) nats."""
    means = RANDOM.normal(0, 1, (1500, 2)) * [2.0, 0.5]
    variances = np.full_like(means, 0.5)
    truth = 0.5 * np.log(1 + np.array([4.0, 0.25]) / 0.5).sum()
    z = means + RANDOM.normal(0, math.sqrt(0.5), means.shape)
    found = latents.information(z, means, variances, np.random.default_rng(0))
    assert found.mutual_information == pytest.approx(truth, abs=0.08)
    # Far apart, each face is known from its latent, and no more than log N can be said.
    found = latents.information(1000 * means, 1000 * means, variances * 1e-6, np.random.default_rng(0))
    assert found.mutual_information == pytest.approx(math.log(1500)) == found.mutual_information_bound


def test_a_healthy_space_gives_no_warning():
    random = np.random.default_rng(1)  # of its own, whatever other tests have drawn
    means = random.normal(0, math.sqrt(0.6), (400, 4))
    health = latents.latent_health(means, np.full_like(means, 0.4), lambda n: random.normal(size=(n, 4)))
    assert health.active_units == 4 and health.dead_units == 0 and latents.latent_warnings(health) == []
    assert health.classifier_auc == pytest.approx(0.5, abs=0.1) and health.aggregate["gaussian_kl"] < 0.05
    assert health.aggregate["variance_low"] == pytest.approx(1, abs=0.2)  # posterior variances are counted in
    again = latents.latent_health(means, np.full_like(means, 0.4), np.zeros((50, 4)), seed=3)
    assert again.classifier_auc > 0.95 and again.norm_of_mean == health.norm_of_mean


def test_collapse_dead_latents_and_holes_are_told():
    prior = RANDOM.normal(size=(300, 10))
    nothing = RANDOM.normal(0, 0.01, (300, 10))
    collapsed = latents.latent_warnings(latents.latent_health(nothing, np.ones_like(nothing), prior))
    assert [one.what for one in collapsed] == ["Posterior collapse"] and "free_bits" in collapsed[0].change
    half = np.concatenate([RANDOM.normal(size=(300, 5)), nothing[:, :5]], 1)
    variances = np.repeat([0.05, 1.0], 5) * np.ones((300, 1))
    health = latents.latent_health(half, variances, prior)
    assert health.dead_units == 5 and "model.latent_dim=5" in latents.latent_warnings(health)[0].change
    clusters = RANDOM.choice([-3.0, 3.0], (300, 10)) + RANDOM.normal(
        0, 0.1, (300, 10)
    )  # an autoencoder's, with a hole
    health = latents.latent_health(clusters, None, RANDOM.normal(0, 3, (300, 10)))
    assert health.kl is None and health.classifier_auc > 0.8
    (holes,) = latents.latent_warnings(health)
    assert "fit-prior" in holes.change and "KL" not in holes.change and "AUC" in holes.why


def test_a_prior_fitted_to_means_is_held_against_means():
    means = RANDOM.normal(0, 0.5, (300, 8))
    drawn, variances = RANDOM.normal(0, 0.5, (300, 8)), np.full_like(means, 0.75)
    assert latents.latent_health(means, variances, drawn).classifier_auc > 0.9  # samples are twice as wide
    health = latents.latent_health(means, variances, drawn, fitted=True)
    assert health.classifier_auc == pytest.approx(0.5, abs=0.1) and latents.latent_warnings(health) == []
    far = latents.latent_warnings(latents.latent_health(means, variances, drawn + 2, fitted=True))
    assert "--components" in far[0].change


def test_correlated_latents_are_told_from_independent_ones():
    """Each latent alone is N(0, 1), so only what sees correlations can tell."""
    x = RANDOM.normal(size=(600, 1))
    z = 0.98 * x + math.sqrt(1 - 0.98**2) * RANDOM.normal(size=(600, 6))
    assert latents.two_sample_test(z, RANDOM.normal(size=(600, 6)), 0).classifier_auc > 0.95
    dead = np.zeros((600, 1))  # a direction in which nothing varies but the last bits
    narrow = latents.two_sample_test(
        np.concatenate([RANDOM.normal(size=(600, 3)), 1e-7 * x], 1),
        np.concatenate([RANDOM.normal(size=(600, 3)), dead], 1),
        0,
    )
    assert narrow.classifiers["logistic regression"]["auc"] < 0.6


def test_latents_that_do_not_fit():
    with pytest.raises(UsageError, match="Draws from the prior"):
        latents.latent_health(np.zeros((4, 3)), None, np.zeros((4, 2)))
    with pytest.raises(UsageError, match="2 or more faces"):
        latents.latent_health(np.zeros((1, 3)), None, np.zeros((4, 3)))


def factorial(repeats):
    """Two binary factors in all combinations."""
    return np.tile(np.array([[0, 0], [0, 1], [1, 0], [1, 1]], float), (repeats, 1))


def test_disentanglement_by_hand():
    truth = factorial(25)
    np.testing.assert_allclose(disentanglement.mig(truth, truth), 1)
    # Latent 0 is the factor and so is latent 1: the gap is nothing. The second factor is told by none.
    np.testing.assert_allclose(disentanglement.mig(truth[:, [0, 0]], truth), 0, atol=1e-12)
    # Code 0 leaves a coin toss between the factor's two values, codes 1 and 2 leave nothing open.
    code = np.array([0.0, 0, 1, 2] * 10)
    factor = np.array([0.0, 1, 1, 1] * 10)
    own = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))  # H(factor)
    shared = own - 0.5 * math.log(2)  # H(factor) − H(factor | code)
    assert disentanglement.mig(code[:, None], factor[:, None])[0] == pytest.approx(shared / own)
    overall, complete = disentanglement.dci(np.array([[1.0, 0, 0], [0, 0.5, 0], [0, 0.5, 0], [0, 0, 1.0]]))
    assert overall == pytest.approx(1)  # each latent serves one factor …
    np.testing.assert_allclose(complete, [1, 0.5, 1])  # … and the second needs two of four: 1 − log 2 / log 4
    assert disentanglement.dci(np.ones((3, 3)))[0] == pytest.approx(0)
    np.testing.assert_allclose(disentanglement.sap(truth, truth), 1)


def test_disentanglement_of_factors_themselves_of_noise_and_of_a_rotation():
    factors = np.stack(
        [RANDOM.uniform(-1, 1, 800), RANDOM.choice([-1.0, 1.0], 800), RANDOM.uniform(-1, 1, 800)], 1
    )
    same = disentanglement.measure_disentanglement(factors, factors, ["age", "hat", "smile"])
    for name in ("dci_disentanglement", "dci_completeness", "dci_informativeness", "sap"):
        assert getattr(same, name) > 0.9
    # With two faces a cell of the histogram, independent latents seem to share some nats by chance.
    assert same.mig > 0.85 and same.per_factor["hat"].best_latent == 1
    noise = disentanglement.measure_disentanglement(RANDOM.normal(size=(800, 3)), factors)
    assert noise.mig < 0.05 and noise.sap < 0.1 and noise.dci_informativeness < 0.1
    turn = np.eye(3) - 2 / 3  # a reflection that spreads each factor over all three latents
    mixed = disentanglement.measure_disentanglement(factors @ turn, factors)
    assert mixed.mig < 0.4 * same.mig and mixed.dci_disentanglement < 0.6 and mixed.sap < 0.7 * same.sap


def test_disentanglement_shows_how_far_it_is(monkeypatch):
    seen = []

    @contextlib.contextmanager
    def watched(total, doing, unit):
        seen.append(total)
        yield seen.append

    monkeypatch.setattr(disentanglement, "progress", watched)
    factors = np.random.default_rng(0).normal(size=(60, 4))
    factors[:, 1] = 3.0  # never varies
    disentanglement.measure_disentanglement(factors, factors)
    assert seen == [9, *[1] * 9]


def test_disentanglement_of_what_is_unknown_or_never_varies():
    factors = np.concatenate([factorial(20), np.ones((80, 1))], 1)
    factors[:8, 0] = np.nan
    found = disentanglement.measure_disentanglement(
        factors[:, :2][:, ::-1].copy() * [1, 0] + factorial(20), factors, ["a", "b", "c"]
    )
    assert found.faces == 72 and found.left_out == ["c is left out: it never varies."]
    assert set(found.per_factor) == {"a", "b"}
    with pytest.raises(UsageError, match="20 faces"):
        disentanglement.measure_disentanglement(factorial(4), factorial(4))
    with pytest.raises(UsageError, match="same faces"):
        disentanglement.measure_disentanglement(factorial(4), factorial(5))


class Line:
    """A space of one latent, whose faces are flat and get lighter by its square root: a path that hurries at its start."""

    def encode(self, faces):
        return ((faces[:, :1, :1, 0].reshape(-1, 1) / 255.0) ** 2).astype(np.float32)

    def decode(self, z):
        level = np.sqrt(np.asarray(z)).reshape(-1, 1, 1, 1) * 255
        return np.tile(np.round(level), (1, 4, 4, 1)).astype(np.uint8)


def test_interpolation_by_hand():
    faces = np.zeros((5, 4, 4, 1), np.uint8)
    faces[1] = 255
    faces[3] = 128
    found = interpolation.measure_interpolation(Line(), faces, 5)
    assert found.pairs == 2 and found.endpoint_error == 0 and "pixels" in found.distance
    # √0, √¼, √½, √¾, √1: the first step is ½, the mean ¼, and it is so for both pairs, up to rounding.
    assert found.step_ratio == pytest.approx(2, abs=0.02)
    assert found.path_length == pytest.approx((1 + 128 / 255) / 2, abs=1e-6)
    still = interpolation.measure_interpolation(Line(), faces, 5, pairs=np.array([[0, 2]]))
    assert still.path_length == 0 and "step_ratio" not in still.intervals
    doubled = interpolation.measure_interpolation(
        Line(), faces, 5, lambda a, b: 2 * interpolation.pixel_distance(a, b)
    )
    assert doubled.mean_step == pytest.approx(2 * found.mean_step) and doubled.distance == "LPIPS"
    with pytest.raises(UsageError, match="3 or more steps"):
        interpolation.measure_interpolation(Line(), faces, 2)


def test_interpolation_of_a_trained_space(trained, drawn):
    space, faces = facespace.load(trained), FaceSet(drawn).images[:6]
    found = interpolation.measure_interpolation(space, faces, 9)
    assert found.endpoint_error < 0.5 / 255 and 1 <= found.step_ratio < 8
    z = space.encode(faces)
    halfway = interpolation.midpoints(space, z, 4)
    assert halfway.shape == (4, 16, 16, 3) and halfway.dtype == np.uint8
    between = {tuple(space.decode((z[i] + z[j]) / 2)[0].ravel()) for i in range(6) for j in range(i)}
    assert {tuple(face.ravel()) for face in halfway} <= between
    assert len({tuple(face.ravel()) for face in interpolation.midpoints(space, z, 6)}) == 6  # each pair once
