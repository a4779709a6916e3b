"""Formulas held against independent ones."""

import math

import numpy as np
import pytest
import torch
from torch import distributions as D
from torch.testing import assert_close

from facespace.core.errors import UsageError
from facespace.models import ModelConfig, build
from facespace.models.interface import ModelOutput
from facespace.models.likelihoods import LIKELIHOODS
from facespace.models.optimization import learning_rate, linear_warmup
from facespace.models.posteriors import Gaussian
from facespace.models.priors import FITTED, FittedNormal, Mixture, StandardNormal
from facespace.recipes.config import TrainConfig
from facespace.training.loss import total_loss


@pytest.fixture
def raw():
    return torch.randn(4, 6, 5, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.fixture
def x():
    return torch.rand(4, 3, 5, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_kl_equals_torch_distributions():
    q = Gaussian(torch.randn(7, 10, generator=torch.Generator().manual_seed(0)))
    expected = D.kl_divergence(D.Normal(q.mean, (0.5 * q.log_var).exp()), D.Normal(0.0, 1.0)).sum(1)
    assert_close(q.regularizers()["kl"], expected)


def test_gaussian_samples_have_the_posterior_mean_and_deviation():
    q = Gaussian(torch.tensor([[1.0, -2.0, math.log(0.25), math.log(4.0)]]).expand(40_000, 4))
    z = q.sample(torch.Generator().manual_seed(0))
    assert_close(z.mean(0), torch.tensor([1.0, -2.0]), atol=0.05, rtol=0)
    assert_close(z.std(0), torch.tensor([0.5, 2.0]), atol=0.05, rtol=0)


def by_hand(name, raw, x):
    """The log-likelihood by torch.distributions."""
    mean = raw[:, :3].sigmoid()
    if name == "bernoulli":
        return D.Bernoulli(logits=raw[:, :3], validate_args=False).log_prob(x)
    if name == "l1":
        return D.Laplace(mean, 1.0).log_prob(x)
    if name == "normal_pixel":
        return D.Normal(mean, (0.5 * raw[:, 3:]).clamp(math.log(0.25 / 255), 0).exp()).log_prob(x)
    scale = {"mse": math.sqrt(0.5), "normal": 1.0, "normal_shared": 0.1}[name]
    return D.Normal(mean, scale).log_prob(x)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_log_likelihood_equals_torch_distributions(name, raw, x):
    pixels = LIKELIHOODS[name]()
    own = raw[:, : 3 * pixels.parts]
    assert_close(
        pixels.log_prob(own, x),
        by_hand(name, raw, x).flatten(1).sum(1),
        check_dtype=False,
        rtol=1e-6,
        atol=1e-5,
    )
    assert_close(pixels.mean(own), raw[:, :3].sigmoid())


def test_mse_pixels_are_the_summed_squared_error_up_to_a_constant(raw, x):
    pixels = LIKELIHOODS["mse"]()
    error = (raw[:, :3].sigmoid() - x).square().flatten(1).sum(1)
    constant = 0.5 * math.log(math.pi) * x[0].numel()
    assert_close(-pixels.log_prob(raw[:, :3], x), error + constant, rtol=1e-6, atol=1e-5)


def test_loss_is_the_weighted_sum_and_beta_one_is_the_elbo():
    result = ModelOutput(
        torch.zeros(2, 3, 4, 4), torch.tensor([-10.0, -20.0]), {"kl": torch.tensor([2.0, 4.0])}
    )
    assert total_loss(result, {"kl": 1.0})[0] == 15 + 3
    assert total_loss(result, {})[0] == 15 + 3
    loss, terms = total_loss(result, {"kl": 4.0})
    assert loss == 15 + 12
    assert terms == {"reconstruction": torch.tensor(15.0), "kl": torch.tensor(3.0)}


def test_free_bits_and_warm_up():
    parts = torch.tensor([[0.1, 2.0], [0.3, 4.0]])  # means .2 and 3
    result = ModelOutput(torch.zeros(2, 3, 4, 4), torch.tensor([-10.0, -20.0]), {"kl": parts.sum(1)}, parts)
    assert total_loss(result, {}, free_bits=0.5)[0] == pytest.approx(15 + 0.5 + 3.0)
    assert total_loss(result, {"kl": 2.0}, warmup=0.25)[0] == pytest.approx(15 + 0.5 * 3.2)
    assert [linear_warmup(step, 4) for step in (0, 1, 3, 4, 9)] == pytest.approx([0.2, 0.4, 0.8, 1.0, 1.0])


def test_importance_weighted_bound_against_a_known_likelihood():
    """For a linear Gaussian model p(x) is known: the bound lies below it and nears it as samples grow."""
    torch.manual_seed(0)
    config = ModelConfig(
        image=(1, 2, 2), latent_dim=2, backbone="mlp", widths=(4,), norm=False, likelihood="mse"
    )
    model = build(config).eval()
    x = torch.rand(3, 1, 2, 2)
    with torch.no_grad():
        bounds = [
            model(x, iwae_samples=k, generator=torch.Generator().manual_seed(1)).iwae_bound.mean()
            for k in (2, 50, 5_000)
        ]
        z = torch.randn(100_000, 2, generator=torch.Generator().manual_seed(2))
        images = model.decode(z)
        logs = torch.stack(
            [D.Normal(images, math.sqrt(0.5)).log_prob(one).flatten(1).sum(1).logsumexp(0) for one in x]
        )
        truth = (logs - math.log(len(z))).mean()
        elbo = model(x.repeat(2_000, 1, 1, 1), generator=torch.Generator().manual_seed(3))
        elbo = (elbo.log_likelihood - elbo.regularizers["kl"]).mean()
    assert elbo < bounds[1] + 0.02
    assert_close(bounds[2], truth, atol=0.02, rtol=0)


def test_a_weight_without_a_term_names_the_terms_there_are():
    result = ModelOutput(torch.zeros(1, 3, 4, 4), torch.zeros(1), {"kl": torch.zeros(1)})
    with pytest.raises(UsageError, match=r"'kll'.*Did you mean 'kl'"):
        total_loss(result, {"kll": 1.0})
    with pytest.raises(UsageError, match="reports none"):
        total_loss(result._replace(regularizers={}), {"kl": 1.0})


def test_fitted_prior_repeats_mean_and_covariance():
    mixing = torch.tensor([[1.0, 0.0, 0.0], [0.8, 0.5, 0.0], [0.0, 0.0, 0.0]])  # the last latent is dead
    z = torch.randn(5_000, 3, generator=torch.Generator().manual_seed(0)) @ mixing.T + torch.tensor(
        [1.0, 2.0, 3.0]
    )
    prior = FittedNormal(3)
    prior.fit(z)
    drawn = prior.sample(20_000, generator=torch.Generator().manual_seed(1))
    assert_close(drawn.mean(0), z.mean(0), atol=0.03, rtol=0)
    assert_close(torch.cov(drawn.T), torch.cov(z.T), atol=0.05, rtol=0)


def test_fitted_prior_with_fewer_faces_than_latents():
    prior = FittedNormal(8)
    prior.fit(torch.randn(3, 8, generator=torch.Generator().manual_seed(0)))
    assert prior.sample(4).isfinite().all()


@pytest.fixture(scope="module")
def clouds():
    """2,000 latents (N, 4) in two clouds, a quarter of them in the wide one; the last latent tells no more than which."""
    z = torch.randn(2_000, 4, generator=torch.Generator().manual_seed(0)) * torch.tensor([0.5, 0.1, 1.0, 0.0])
    z[:500] = 3 * z[:500] @ torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0], [0.9, 0, 1, 0], [0, 0, 0, 1]]) + 6
    return z


@pytest.fixture(scope="module")
def mixture(clouds):
    prior = Mixture(4, components=2)
    prior.fit(clouds, seed=3)
    return prior


def test_a_mixture_is_the_one_that_sklearn_fits(clouds, mixture):
    from sklearn.mixture import GaussianMixture

    expected = GaussianMixture(2, random_state=3, reg_covar=1e-6 * float(clouds.var(0).mean())).fit(
        clouds.double()
    )
    assert_close(sorted(mixture.weights.tolist()), sorted(expected.weights_.tolist()))
    parts = D.MultivariateNormal(mixture.means.double(), scale_tril=mixture.factors.double())
    by_torch = D.MixtureSameFamily(D.Categorical(mixture.weights.double()), parts).log_prob(clouds.double())
    assert_close(mixture.log_prob(clouds), by_torch)
    assert_close(
        mixture.log_prob(clouds), torch.from_numpy(expected.score_samples(clouds.double())), atol=1e-3, rtol=0
    )


def test_samples_of_a_mixture_have_the_moments_of_what_it_was_fitted_to(clouds, mixture):
    z = mixture.sample(20_000, generator=torch.Generator().manual_seed(1))
    assert_close(z.mean(0), clouds.mean(0), atol=0.06, rtol=0)
    assert_close(torch.cov(z.T), torch.cov(clouds.T), atol=0.2, rtol=0.02)
    assert (z[:, 3] > 3).float().mean() == pytest.approx(0.25, abs=0.02)


def test_temperature_scales_the_deviation_from_a_components_own_mean(mixture):
    hot, warm, cold = (mixture.sample(50, t, torch.Generator().manual_seed(2)) for t in (2.0, 1.0, 0.0))
    assert_close(hot - cold, 2 * (warm - cold))
    assert {tuple(z.tolist()) for z in cold} == {tuple(mean.tolist()) for mean in mixture.means}


CONTINUOUS = [kind for kind, prior in FITTED.items() if not prior.discrete]  # not over codes
QUICK = {
    kind: {"steps": 5, "width": 16} for kind in ("flow", "diffusion")
}  # what a prior takes longer without


@pytest.mark.parametrize("kind", CONTINUOUS)
def test_the_first_samples_of_a_seed_do_not_depend_on_how_many_are_asked_for(kind):
    prior = FITTED[kind](100, **QUICK.get(kind, {}))
    prior.fit(torch.randn(500, 100, generator=torch.Generator().manual_seed(0)))
    many = prior.sample(300, generator=torch.Generator().manual_seed(5))
    for count in (1, 2, 7, 64):
        assert torch.equal(prior.sample(count, generator=torch.Generator().manual_seed(5)), many[:count])


@pytest.mark.parametrize("kind", CONTINUOUS)
@pytest.mark.parametrize(("faces", "dim"), [(2, 8), (6, 30), (200, 30), (50, 1)])
@pytest.mark.parametrize("scale", [0.0, 1e-3, 1e3])
def test_a_prior_of_few_or_equal_or_dead_latents_stays_finite(kind, faces, dim, scale):
    z = scale * torch.randn(faces, dim, generator=torch.Generator().manual_seed(0))
    z[:, dim // 2] = 7.0
    prior = FITTED[kind](dim, **QUICK.get(kind, {}))
    prior.fit(z)
    drawn = prior.sample(20, generator=torch.Generator().manual_seed(0))
    assert drawn.isfinite().all() and prior.log_prob(z).isfinite().all()
    assert_close(drawn[:, dim // 2], torch.full((20,), 7.0), atol=0.02 + 0.02 * scale, rtol=0)
    again = FITTED[kind](dim, **prior.options)
    again.load_state_dict(prior.state_dict())
    assert torch.equal(
        again.sample(5, generator=torch.Generator().manual_seed(1)),
        prior.sample(5, generator=torch.Generator().manual_seed(1)),
    )


def test_few_faces_get_fewer_components_and_a_note(capsys):
    prior = Mixture(5)
    prior.fit(torch.randn(47, 5, generator=torch.Generator().manual_seed(0)))
    assert (
        prior.options == {"components": 4} and "4 Gaussians fitted to the latents of 47 faces" in prior.origin
    )
    assert "47 faces are few for 10 Gaussians of 5 latents; fitting 4." in capsys.readouterr().err


def test_log_densities_of_normal_priors_equal_torch_distributions(clouds):
    z = clouds[:, :3]
    assert_close(StandardNormal(3).log_prob(z), D.Normal(0.0, 1.0).log_prob(z).sum(1), check_dtype=False)
    prior = FittedNormal(3)
    prior.fit(z)
    expected = D.MultivariateNormal(z.double().mean(0), torch.cov(z.double().T)).log_prob(z.double())
    assert_close(prior.log_prob(z), expected, atol=1e-3, rtol=0)
    np.testing.assert_allclose(Mixture(3).log_prob(z), StandardNormal(3).log_prob(z))  # not fitted yet


def test_learning_rate_constant_and_cosine():
    constant = TrainConfig(learning_rate=1e-3)
    assert [learning_rate(constant, step, 100) for step in (0, 50, 99)] == [1e-3] * 3
    cosine = TrainConfig(learning_rate=1e-3, final_learning_rate=0.1)
    assert learning_rate(cosine, 0, 100) == pytest.approx(1e-3)
    assert learning_rate(cosine, 50, 100) == pytest.approx(0.55e-3)
    assert learning_rate(cosine, 100, 100) == pytest.approx(1e-4)
