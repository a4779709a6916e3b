"""The autoregressive prior over codes: its network, its statistics, its file."""

import pytest
import torch

from facespace.core.console import quiet
from facespace.core.errors import UsageError
from facespace.models.autoregressive import Autoregressive
from facespace.models.code_transformer import CodeTransformer, Layout
from facespace.models.codes import CodeGrid, join, nearest, split
from facespace.models.priors import default_kinds, fitted_prior
from facespace.models.weight_quantization import restored, stored

LAYOUTS = [Layout(1, 2, 3, 5), Layout(2, 4, 6, 7)]  # 6 and 48 codes


@pytest.fixture
def network():
    """A network whose output depends on all its weights."""
    torch.manual_seed(0)
    net = CodeTransformer(LAYOUTS, 32, 2)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return net.eval()


def random_codes(count, generator=None):
    parts = []
    for layout in LAYOUTS:
        parts.append(torch.randint(layout.entries, (count, layout.size), generator=generator))
    return torch.cat(parts, 1)


@torch.no_grad()
def test_a_later_code_does_not_change_earlier_logits_and_an_earlier_one_changes_later_ones(network):
    codes = random_codes(1, torch.Generator().manual_seed(1))
    before = network(codes)
    for place in range(codes.shape[1]):
        changed = codes.clone()
        changed[0, place] = (changed[0, place] + 1) % 5
        moved = []
        for old, new in zip(before, network(changed)):
            moved.append((old - new).abs().amax(2)[0])
        moved = torch.cat(moved)
        assert moved[: place + 1].max() == 0, f"code {place} changes itself or a code before it"
        assert place + 1 == len(moved) or moved[place + 1 :].min() > 0, "all later codes depend on it"


@torch.no_grad()
def test_logits_one_by_one_equal_those_of_the_whole_sequence(network):
    codes = random_codes(3, torch.Generator().manual_seed(2))
    whole, caches = network(codes), network.caches(3)
    first = 0
    for layout, logits in zip(LAYOUTS, whole):
        for place in range(layout.size):
            known = codes.clone()
            known[:, first + place :] = 0  # what comes later is not read
            torch.testing.assert_close(
                network.next_logits(known, first + place, caches), logits[:, place], rtol=1e-4, atol=1e-4
            )
        first += layout.size


def test_neighbours_are_the_cells_around_and_the_parent():
    context = CodeTransformer(LAYOUTS, 32, 1).context
    fine = 1 + 6 + 24 + 2 * 6 + 4  # depth 1, row 2, column 4 of the second map, counted from 1
    assert context[fine - 1].tolist() == [fine - 1, fine - 7, fine - 6, fine - 5, fine - 24, 1 + 3 + 2]
    assert context[0].tolist() == [0] * 6, "the first code has none"


def test_codes_to_numbers_and_back():
    generator = torch.Generator().manual_seed(0)
    entries = torch.randn(9, 3, generator=generator)
    codes = torch.randint(9, (4, 8), generator=generator)
    z = join(entries[codes])
    assert z.shape == (4, 24) and torch.equal(z[:, 8 + 5], entries[codes[:, 5], 1])
    assert torch.equal(nearest(split(z, 3), entries), codes)


def toy(count, seed=0):
    """Two maps: the coarse code is 0 (30 %) or 1; each of four fine codes repeats it (80 %) or is 2."""
    generator = torch.Generator().manual_seed(seed)
    coarse = (torch.rand(count, 1, generator=generator) > 0.3).long()
    other = torch.rand(count, 4, generator=generator) > 0.8
    return torch.cat([coarse, torch.where(other, 2, coarse)], 1)


def toy_prior(**options):
    entries = torch.tensor([[0.0, 1.0], [2.0, -1.0]]), torch.tensor([[1.0], [2.0], [5.0]])
    grids = CodeGrid(1, 1, 1, entries[0]), CodeGrid(1, 2, 2, entries[1])
    return fitted_prior("autoregressive", 6, {"width": 32, "blocks": 1, **options}, grids)


@pytest.fixture(scope="module")
def fitted_toy():
    prior = toy_prior(steps=200)
    with quiet():
        prior.fit(prior.latents(toy(1500)))
    return prior


def test_samples_of_a_fitted_prior_have_the_statistics_of_the_codes(fitted_toy, large_batches):
    drawn = fitted_toy.codes(fitted_toy.sample(3000, generator=torch.Generator().manual_seed(1)))
    coarse, fine = drawn[:, :1], drawn[:, 1:]
    assert abs(float(coarse.double().mean()) - 0.7) < 0.05
    assert abs(float((fine == 2).double().mean()) - 0.2) < 0.03
    wrong = (fine != 2) & (fine != coarse)
    assert float(wrong.double().mean()) < 0.03, "a fine code repeats the coarse one"


def test_its_likelihood_is_the_entropy_of_the_codes(fitted_toy):
    found = fitted_toy.log_prob(fitted_toy.latents(toy(3000, seed=5)))
    coarse = -(0.3 * torch.tensor(0.3).log() + 0.7 * torch.tensor(0.7).log())
    fine = -(0.2 * torch.tensor(0.2).log() + 0.8 * torch.tensor(0.8).log())
    assert abs(float(-found.mean()) - float(coarse + 4 * fine)) < 0.12
    assert found.max() <= 0 and found.shape == (3000,)
    all_latents = fitted_toy.latents(torch.cartesian_prod(*[torch.arange(k) for k in (2, 3, 3, 3, 3)]))
    assert abs(float(fitted_toy.log_prob(all_latents).exp().sum()) - 1) < 1e-5, (
        "it sums to 1 over all latents"
    )
    near = all_latents + 0.1
    assert torch.equal(fitted_toy.log_prob(near), fitted_toy.log_prob(all_latents)), (
        "that of the nearest codes"
    )


def test_temperature_and_seeds(fitted_toy):
    def draw(n, temperature=1.0, seed=3):
        return fitted_toy.sample(n, temperature, torch.Generator().manual_seed(seed))

    assert torch.equal(draw(20), draw(20)) and torch.equal(draw(20)[:3], draw(3))
    assert not torch.equal(draw(20), draw(20, seed=4))
    assert len(draw(50, temperature=0.0).unique(dim=0)) == 1
    assert fitted_toy.codes(draw(1, temperature=0.0))[0].tolist() == [1, 1, 1, 1, 1], (
        "the most probable codes"
    )
    many = fitted_toy.sample_many(20, torch.Generator().manual_seed(3))
    assert (many == draw(20)).float().mean() > 0.9
    cold = fitted_toy.codes(draw(2000, temperature=0.5))[:, 1:]
    expected = 0.2**2 / (0.2**2 + 0.8**2)
    assert abs(float((cold == 2).double().mean()) - expected) < 0.03, "probabilities to the power 1 / T"


def test_before_it_is_fitted_all_entries_are_alike():
    prior = toy_prior(steps=0)
    z = prior.latents(toy(50))
    torch.testing.assert_close(prior.log_prob(z), torch.full((50,), prior.uniform_log_prob).double())
    with quiet():
        prior.fit(z)
    assert "without training" in prior.origin
    torch.testing.assert_close(prior.mean, z.mean(0))


def test_views_of_a_face_are_counted_as_one_face():
    prior = toy_prior(steps=3)
    z = prior.latents(toy(400)).unflatten(0, (200, 2))
    with quiet():
        prior.fit(z)
    assert "codes of 200 faces and of their mirror images" in prior.origin


def test_its_state_and_its_card_are_all_of_it(fitted_toy):
    again = Autoregressive.from_card(6, fitted_toy.options)
    again.load_state_dict(fitted_toy.state_dict())
    seed = torch.Generator().manual_seed
    assert torch.equal(again.sample(5, generator=seed(0)), fitted_toy.sample(5, generator=seed(0)))
    eight = Autoregressive.from_card(6, fitted_toy.options)
    eight.load_state_dict(restored(eight, stored(fitted_toy, 8)))
    assert torch.equal(eight.entries[0], fitted_toy.entries[0])
    z = fitted_toy.latents(toy(200))
    assert abs(float((eight.log_prob(z) - fitted_toy.log_prob(z)).mean())) < 0.02


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"width": 20}, "a multiple of 32"),
        ({"blocks": 0}, "1 block or more"),
        ({"steps": -1}, "0 or more steps"),
        ({"components": 3}, "does not take"),
    ],
)
def test_impossible_options(options, says):
    with pytest.raises(UsageError, match=says):
        toy_prior(**options)


def test_a_model_without_codes_has_no_such_prior():
    with pytest.raises(UsageError, match=r"for latents of codes \(model\.bottleneck=vq\)"):
        fitted_prior("autoregressive", 6, {})
    assert default_kinds(())[0] == "flow" and default_kinds(toy_grids()) == ("autoregressive",)


def toy_grids():
    return (CodeGrid(1, 1, 1, torch.zeros(2, 2)),)
