"""The flow prior, by what must hold of any density, and what `pull` does to latents under each prior."""

import math

import pytest
import torch
from torch.testing import assert_close

from facespace.console import quiet
from facespace.models import flow_training
from facespace.models.priors import FITTED, FittedNormal, Flow, StandardNormal

GENERATOR = torch.Generator


def ring(n: int, seed: int) -> torch.Tensor:
    """(n, 2) latents on a ring about (1, −2) of radius 2, which no Gaussian fits."""
    generator = GENERATOR().manual_seed(seed)
    angle = torch.rand(n, generator=generator) * 2 * math.pi
    radius = 2 + 0.25 * torch.randn(n, generator=generator)
    return torch.stack([angle.cos(), angle.sin()], 1) * radius[:, None] + torch.tensor([1.0, -2.0])


def fitted(kind: str, z: torch.Tensor, seed: int = 0, **options) -> torch.nn.Module:
    prior = FITTED[kind](z.shape[1], **options)
    with quiet():
        prior.fit(z, seed)
    return prior


@pytest.fixture(scope="module")
def on_ring():
    return fitted("flow", ring(2_000, 0), steps=600, width=32)


def test_an_untrained_flow_is_the_gaussian_of_the_latents():
    z = torch.randn(300, 3, generator=GENERATOR().manual_seed(0)) * torch.tensor([1.0, 3.0, 0.5])
    z[:, 2] += z[:, 0]
    flow, normal = fitted("flow", z, steps=0, width=8), fitted("normal", z)
    assert_close(flow.log_prob(z), normal.log_prob(z), atol=1e-3, rtol=0)
    drawn = flow.sample(2_000, generator=GENERATOR().manual_seed(2))
    assert_close(torch.cov(drawn.T), torch.cov(z.T), atol=0.1, rtol=0.1)


def test_a_flow_learns_a_ring(on_ring):
    z, drawn = ring(1_000, 1), on_ring.sample(1_000, generator=GENERATOR().manual_seed(0))
    radius = (drawn - torch.tensor([1.0, -2.0])).norm(dim=1)
    assert radius.mean() == pytest.approx(2, abs=0.1) and (radius < 1).float().mean() < 0.05
    assert on_ring.log_prob(z).mean() > fitted("normal", ring(2_000, 0)).log_prob(z).mean() + 0.4
    assert on_ring.mean.tolist() == pytest.approx([1, -2], abs=0.15)


def test_the_density_of_a_flow_sums_to_one(on_ring):
    side = torch.linspace(-5, 5, 81)
    grid = torch.cartesian_prod(side + 1, side - 2)
    cell = float(side[1] - side[0]) ** 2
    assert float(on_ring.log_prob(grid).exp().sum()) * cell == pytest.approx(1, abs=0.03)


def test_the_density_of_a_flow_is_that_of_its_map(on_ring):
    """log p(z) against log N(e) + log |det de/dz| by automatic differentiation of the whole map."""
    for z in ring(4, 3):
        jacobian = torch.autograd.functional.jacobian(lambda y: on_ring.encode(y[None])[0], z)
        e = on_ring.encode(z[None])[0]
        expected = -0.5 * (e.square() + math.log(2 * math.pi)).sum() + jacobian.det().abs().log()
        assert_close(on_ring.log_prob(z[None])[0].float(), expected.float(), atol=0.03, rtol=0)


def test_a_few_probes_estimate_the_divergence_of_many_components(monkeypatch):
    torch.manual_seed(0)
    flow = Flow(40, width=32)
    for layer in (flow.velocity.shift, flow.velocity.scale):
        torch.nn.init.normal_(layer.weight, std=0.1)
    z = torch.randn(50, 40)
    estimate = flow.log_prob(z)
    monkeypatch.setattr("facespace.models.flow.PROBES", 40)
    exact = flow.log_prob(z)
    assert not torch.equal(estimate, exact)
    assert_close(estimate.mean(), exact.mean(), atol=0.15 * float(exact.std()), rtol=0)


def test_noise_and_latents_are_carried_to_each_other(on_ring):
    z = ring(50, 4)
    assert_close(on_ring.decode(on_ring.encode(z)), z, atol=0.02, rtol=0)


def test_samples_of_a_trained_flow_do_not_depend_on_how_many_are_asked_for(on_ring):
    many = on_ring.sample(70, generator=GENERATOR().manual_seed(5))
    for count in (1, 2, 31, 33):
        assert torch.equal(on_ring.sample(count, generator=GENERATOR().manual_seed(5)), many[:count])
    assert on_ring.sample(0).shape == (0, 2)


def test_the_same_seed_learns_the_same_flow_and_leaves_other_randomness_alone():
    z = ring(300, 0)
    torch.manual_seed(9)
    first = fitted("flow", z, seed=4, steps=20, width=8).state_dict()
    after = torch.rand(3)
    torch.manual_seed(9)
    assert torch.equal(after, torch.rand(3))
    again, other = (fitted("flow", z, seed=seed, steps=20, width=8).state_dict() for seed in (4, 5))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_a_flow_stops_where_held_out_latents_say_so(monkeypatch):
    """On Gaussian latents there is nothing to learn but the latents themselves."""
    monkeypatch.setattr(flow_training, "LOOK", 25)
    z, unseen = (torch.randn(n, 12, generator=GENERATOR().manual_seed(n)) for n in (200, 1_000))
    steps = []
    monkeypatch.setattr(flow_training, "progress", lambda *_: _Counting(steps))
    flow = fitted("flow", z, steps=3_000, width=64)
    assert len(steps) < 1_000
    assert flow.log_prob(unseen).mean() > fitted("normal", z).log_prob(unseen).mean() - 0.1
    # No copies either: samples lie no nearer to the faces learned than other faces do.
    near = torch.cdist(flow.sample(500, generator=GENERATOR().manual_seed(0)), z).amin(1).median()
    assert near > 0.95 * torch.cdist(unseen, z).amin(1).median()


class _Counting:
    def __init__(self, steps: list) -> None:
        self.steps = steps

    def __enter__(self):
        return self.steps.append

    def __exit__(self, *_) -> None:
        pass


def test_few_latents_leave_a_flow_a_gaussian_and_say_so(capsys):
    flow = Flow(3)
    flow.fit(torch.randn(20, 3))
    assert "a Gaussian, fitted to the latents of 20 faces" in flow.origin
    assert "20 faces are too few for a flow" in capsys.readouterr().err


@pytest.fixture(scope="module", params=[*FITTED, "own"])
def prior(request, on_ring):
    if request.param in ("own", "flow"):
        return StandardNormal(2) if request.param == "own" else on_ring
    return fitted(request.param, ring(2_000, 0))


def test_pull_leaves_latents_or_takes_them_to_where_they_are_dense(prior):
    z = ring(40, 6) * 1.5
    assert torch.equal(prior.pull(z, 0.0), z)
    levels = [prior.log_prob(prior.pull(z, share)).mean() for share in (0.0, 0.25, 0.5)]
    assert levels == sorted(levels) and levels[2] > levels[0] + 0.1
    assert prior.pull(z, 1.0).unique(dim=0).shape[0] <= len(z)


def test_a_gaussian_pulls_to_its_mean_and_a_mixture_to_that_of_the_component():
    z = torch.cat([torch.randn(300, 2, generator=GENERATOR().manual_seed(s)) + 20 * s for s in (0, 1)])
    assert_close(fitted("normal", z).pull(z, 1.0), z.mean(0).expand_as(z), atol=1e-3, rtol=0)
    pulled = fitted("mixture", z, components=2).pull(z, 1.0)
    assert_close(pulled[:300], z[:300].mean(0).expand(300, 2), atol=1e-2, rtol=0)
    assert_close(pulled[300:], z[300:].mean(0).expand(300, 2), atol=1e-2, rtol=0)
    assert isinstance(fitted("normal", z), FittedNormal)
