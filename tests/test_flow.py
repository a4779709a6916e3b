"""The flow prior, by what must hold of any density, and what `pull` does to latents under each prior."""

import math

import pytest
import torch
from torch.testing import assert_close

from facespace.core.console import quiet
from facespace.models import flow_training
from facespace.models.priors import FITTED, FittedNormal, Flow, StandardNormal
from facespace.models.velocity import Velocity

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
    return fitted("flow", ring(2_000, 0), steps=450, width=32, blocks=1)


def test_an_untrained_flow_is_the_gaussian_of_the_latents(large_batches):
    z = torch.randn(300, 3, generator=GENERATOR().manual_seed(0)) * torch.tensor([1.0, 3.0, 0.5])
    z[:, 2] += z[:, 0]
    flow, normal = fitted("flow", z, steps=0, width=8), fitted("normal", z)
    assert_close(flow.log_prob(z), normal.log_prob(z), atol=1e-3, rtol=0)
    drawn = flow.sample(2_000, generator=GENERATOR().manual_seed(2))
    assert_close(torch.cov(drawn.T), torch.cov(z.T), atol=0.1, rtol=0.1)


def test_a_flow_learns_a_ring(on_ring, large_batches):
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
    assert_close(on_ring.sample_many(70, GENERATOR().manual_seed(5)), many, atol=1e-3, rtol=1e-3)


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


def test_a_flow_stops_where_held_out_latents_say_so(monkeypatch, large_batches):
    """On Gaussian latents there is nothing to learn but the latents themselves."""
    monkeypatch.setattr(flow_training, "VALIDATE_EVERY", 25)
    z, unseen = (torch.randn(n, 12, generator=GENERATOR().manual_seed(n)) for n in (200, 1_000))
    steps = []
    monkeypatch.setattr(flow_training, "progress", lambda *_: _Counting(steps))
    flow = fitted("flow", z, steps=3_000, width=64)
    assert len(steps) < 1_000
    assert flow.log_prob(unseen).mean() > fitted("normal", z).log_prob(unseen).mean() - 0.1
    # No copies either: samples lie no nearer to the faces learned than other faces do.
    near = torch.cdist(flow.sample(500, generator=GENERATOR().manual_seed(0)), z).amin(1).median()
    assert near > 0.95 * torch.cdist(unseen, z).amin(1).median()


def test_an_untrained_diffusion_prior_is_the_gaussian_of_the_latents(large_batches):
    z = torch.randn(300, 3, generator=GENERATOR().manual_seed(0)) * torch.tensor([1.0, 3.0, 0.5])
    drawn = fitted("diffusion", z, steps=0, width=8).sample(4_000, generator=GENERATOR().manual_seed(2))
    assert_close(torch.cov(drawn.T), torch.cov(z.T), atol=0.15, rtol=0.08)


def test_a_diffusion_prior_learns_a_ring_and_draws_the_same_first_latents():
    prior = fitted("diffusion", ring(2_000, 0), steps=450, width=32, blocks=1)
    drawn = prior.sample_many(1_000, GENERATOR().manual_seed(0))
    radius = (drawn - torch.tensor([1.0, -2.0])).norm(dim=1)
    assert radius.mean() == pytest.approx(2, abs=0.1) and (radius < 1).float().mean() < 0.05
    many = prior.sample(70, generator=GENERATOR().manual_seed(0))
    assert torch.equal(prior.sample(33, generator=GENERATOR().manual_seed(0)), many[:33])
    assert_close(many, drawn[:70], atol=1e-3, rtol=1e-3)
    assert prior.sample(0).shape == (0, 2)
    still = prior.sample(5, temperature=0.0, generator=GENERATOR().manual_seed(1))
    assert_close(still, still[:1].expand(5, -1))


def two_kinds(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(n, 2) latents, those with the first attribute to the right, and attributes (n, 2), the second one noise."""
    generator = GENERATOR().manual_seed(3)
    y = torch.randn(n, 2, generator=generator).sign()
    return torch.randn(n, 2, generator=generator) * 0.6 + torch.stack([2 * y[:, 0], torch.zeros(n)], 1), y


@pytest.fixture(scope="module")
def conditional():
    z, y = two_kinds(2_000)
    prior = FITTED["flow"](2, steps=800, width=32, blocks=2, conditions=["right", "noise"])
    with quiet():
        prior.fit(z, 0, y)
    return prior


def test_a_conditional_flow_draws_what_is_asked_and_everything_without(conditional, large_batches):
    def share(*y, guidance=1.0):
        asked = torch.tensor(y) if y else None
        z = conditional.sample(600, generator=GENERATOR().manual_seed(0), y=asked, guidance=guidance)
        return float((z[:, 0] > 0).float().mean()), float(z[:, 0].mean())

    assert share()[0] == pytest.approx(0.5, abs=0.08)
    assert share(math.nan, math.nan)[0] == pytest.approx(0.5, abs=0.08)
    assert share(1.0, math.nan)[0] > 0.97 and share(-1.0, math.nan)[0] < 0.03
    assert share(math.nan, 1.0)[0] == pytest.approx(0.5, abs=0.1)
    assert share(1.0, math.nan)[1] == pytest.approx(2, abs=0.2)
    assert share(1.0, math.nan, guidance=3.0)[1] > share(1.0, math.nan)[1] + 0.05
    assert_close(share(1.0, 1.0, guidance=0.0)[1], share(math.nan, math.nan)[1], atol=0.1, rtol=0)


def test_guidance_extrapolates_the_velocity(conditional):
    from facespace.models.flow import Condition

    x, angle, y = torch.randn(5, 2), torch.full((5,), 0.7), torch.tensor([1.0, math.nan])
    free, told = conditional.velocity(x, angle), conditional.velocity(x, angle, y.expand(5, -1))
    for strength in (0.0, 1.0, 2.5):
        assert_close(
            conditional.guided(x, angle, Condition(y, strength)), (1 - strength) * free + strength * told
        )


def test_a_conditional_flow_opens_from_what_its_card_says(conditional):
    again = FITTED["flow"].from_card(2, conditional.options)
    again.load_state_dict(conditional.state_dict())
    y = torch.tensor([-1.0, math.nan])
    one, other = (
        prior.sample(3, generator=GENERATOR().manual_seed(1), y=y) for prior in (conditional, again)
    )
    assert torch.equal(one, other) and again.conditions == ("right", "noise")


def test_an_older_card_means_the_older_network():
    older = FITTED["flow"].from_card(4, {"steps": 10, "width": 8, "seen": 3})
    names = {name for name in older.state_dict() if name.startswith("velocity.")}
    assert "velocity.angle.weight" in names and not any("modulation" in name for name in names)
    assert len(older.velocity.blocks) == 3


def test_all_views_of_a_face_stay_on_one_side(monkeypatch):
    """A mirror image that is learned while its face is held out would make copies look like knowledge."""
    seen = {}
    draw, exam = flow_training._training_batch, flow_training._validation_batch
    monkeypatch.setattr(
        flow_training, "_training_batch", lambda x, *rest: (seen.setdefault("learned", x), draw(x, *rest))[1]
    )
    monkeypatch.setattr(
        flow_training, "_validation_batch", lambda x: (seen.setdefault("held", x), exam(x))[1]
    )
    noise = torch.randn(400, generator=GENERATOR().manual_seed(0))
    faces = torch.stack([torch.arange(400.0), 100 * noise], 1)
    z = torch.stack([faces, faces + 1_000], 1)  # the second view of face n lies 1,000 from the first
    flow = fitted("flow", z, steps=1, width=8)
    ends = [flow.latents(seen[part])[:, 0].round() for part in ("learned", "held")]
    assert len(ends[0]) == 2 * (400 - len(ends[1])) and (ends[1] < 500).all()
    assert not set((ends[0] % 1_000).tolist()) & set((ends[1] % 1_000).tolist())


@pytest.mark.parametrize(("modulated", "conditions"), [(False, 0), (True, 0), (True, 3)])
def test_the_derivative_of_the_velocity_is_that_of_automatic_differentiation(modulated, conditions):
    torch.manual_seed(0)
    net = Velocity(7, 16, 0.0, 2, modulated, conditions).double()
    for weight in net.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    x, angle, ways = torch.randn(4, 7).double(), torch.rand(4).double(), torch.randn(2, 4, 7).double()
    y = torch.tensor([[1.0, -1.0, math.nan]] * 4).double() if conditions else None
    found, change = net.along((x, ways), angle, y)
    assert change is not None
    for way, moved in zip(ways, change):
        value, expected = torch.func.jvp(lambda at: net(at, angle, y), (x,), (way,))
        assert_close(found, value)
        assert_close(moved, expected)


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


@pytest.fixture(scope="module", params=[*(kind for kind in FITTED if not FITTED[kind].discrete), "model"])
def prior(request, on_ring):
    if request.param in ("model", "flow"):
        return StandardNormal(2) if request.param == "model" else on_ring
    quick = {"steps": 300, "width": 32, "blocks": 1} if request.param == "diffusion" else {}
    return fitted(request.param, ring(2_000, 0), **quick)


def test_pull_leaves_latents_or_takes_them_to_where_they_are_dense(prior):
    z = ring(40, 6) * 1.5
    assert torch.equal(prior.truncate(z, 0.0), z)
    levels = [prior.log_prob(prior.truncate(z, share)).mean() for share in (0.0, 0.25, 0.5)]
    assert levels == sorted(levels) and levels[2] > levels[0] + 0.1
    assert prior.truncate(z, 1.0).unique(dim=0).shape[0] <= len(z)


def test_a_gaussian_pulls_to_its_mean_and_a_mixture_to_that_of_the_component():
    z = torch.cat([torch.randn(300, 2, generator=GENERATOR().manual_seed(s)) + 20 * s for s in (0, 1)])
    assert_close(fitted("normal", z).truncate(z, 1.0), z.mean(0).expand_as(z), atol=1e-3, rtol=0)
    pulled = fitted("mixture", z, components=2).truncate(z, 1.0)
    assert_close(pulled[:300], z[:300].mean(0).expand(300, 2), atol=1e-2, rtol=0)
    assert_close(pulled[300:], z[300:].mean(0).expand(300, 2), atol=1e-2, rtol=0)
    assert isinstance(fitted("normal", z), FittedNormal)
