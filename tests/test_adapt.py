"""Spaces adapted to photographs: inversion, tuning, priors, checks, resuming, and the verb."""

import shutil
import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch

import facespace
from facespace.adaptation import adapt as adapting
from facespace.adaptation import adapter as adapter_module
from facespace.adaptation import figures, tuning
from facespace.adaptation.adapter import Adapter, personalize
from facespace.adaptation.inversion import encode
from facespace.adaptation.photos import ALIKE, Faces, read_faces
from facespace.adaptation.photos import _usable as usable
from facespace.adaptation.plan import AdaptPlan, plan_for
from facespace.core.console import quiet
from facespace.core.errors import BundleError, FacespaceError, TrainingError, UsageError
from facespace.data.aligned_photos import PhotoReader
from facespace.data.faces import FaceSet
from facespace.image.pixels import to_float
from facespace.models import ModelConfig, build
from facespace.models.bundle import Bundle
from facespace.models.noise_normal import NoiseNormal, shrunk_normal
from facespace.models.noise_pairs import NoisePairs, mixed_pairs
from facespace.models.priors import Flow
from facespace.space.face_space import FaceSpace

QUICK = AdaptPlan(
    inversion_steps=3, tuning_steps=12, batch=4, prior_batch=2, prior_faces=8, decoder_rate=3e-3
)


@pytest.fixture(scope="module")
def base(lively):
    return facespace.load(lively)


@pytest.fixture(scope="module")
def faces(drawn):
    return np.array(FaceSet(drawn).images[:24])


@pytest.fixture
def quick(monkeypatch):
    """Plans of few steps, for a few faces and for a set."""

    def plan(count, minutes=5.0):
        long = plan_for(count, minutes)
        return replace(QUICK, tune_encoder=long.tune_encoder, held_out=long.held_out, batch=min(4, count))

    for module in (adapting, adapter_module):
        monkeypatch.setattr(module, "plan_for", plan)


def distance(adapter, space, z):
    """What adaptation minimises, of the faces that a space shows at latents."""
    shown, faces = to_float(space.decode(z)), to_float(np.array(adapter.faces))
    return float(adapter.loss(shown, faces).mean())


def test_a_few_faces_are_learned_and_the_prior_stays(base, faces):
    plan = replace(QUICK, inversion_steps=10, tuning_steps=60)
    adapter = Adapter(base, faces[:3], plan)
    adapter.invert()
    start = adapter.pivots.numpy()
    adapter.tune()
    space, z = adapter.result()
    inverted = distance(adapter, base, start)
    assert inverted < distance(adapter, base, base.encode(faces[:3]))
    assert distance(adapter, space, z) < 0.85 * inverted
    samples = base.sample_latents(16, seed=9)
    moved = np.abs(space.decode(samples) / 255.0 - base.decode(samples) / 255.0).mean()
    free = Adapter(base, faces[:3], replace(plan, locality=0.0))
    free.invert()
    free.tune()
    unheld = np.abs(free.result().space.decode(samples) / 255.0 - base.decode(samples) / 255.0).mean()
    assert moved < 0.6 * unheld


def test_the_base_does_not_change_and_nothing_is_written_to_its_folder(base, faces, drawn, quick):
    weights = {name: tensor.clone() for name, tensor in base.model.state_dict().items()}
    tuned = personalize(base, faces[:2])
    assert all(torch.equal(tensor, base.model.state_dict()[name]) for name, tensor in weights.items())
    with pytest.raises(BundleError, match="in memory alone"):
        tuned.space.fit_components(drawn, 2)


@pytest.mark.parametrize(
    "fields",
    (
        {"latent_dim": 128, "spatial": True},
        {"bottleneck": "deterministic", "latent_relu": True},
        {"kind": "hierarchical", "backbone": "residual", "levels": (2,)},
    ),
    ids=("spatial", "relu", "hierarchical"),
)
def test_bases_whose_latents_cannot_be_refined_are_adapted(base, faces, fields):
    config = ModelConfig(**{"image": (3, 16, 16), "latent_dim": 5, "widths": (8, 12), **fields})
    card = {name: value for name, value in base.card.items() if name not in ("priors", "directions")}
    model = build(config).eval().requires_grad_(False)
    plain = FaceSpace(Bundle(model, base.template, card, base.folder))
    tuned = Adapter(plain, faces[:2], QUICK)
    tuned.invert()
    tuned.tune()
    space, z = tuned.result()
    assert space.model.config.refinement_steps == 1
    assert np.allclose(encode(plain.model, to_float(faces[:2])), plain.encode(faces[:2]), atol=1e-5)
    assert distance(tuned, space, z) < distance(tuned, plain, plain.encode(faces[:2]))


def test_stopping_keeps_the_best_so_far(base, faces):
    asked = iter([False] * 2 + [True] * 100)
    adapter = Adapter(base, faces[:3], QUICK)
    adapter.invert(stop=lambda: next(asked))
    adapter.tune(stop=lambda: next(asked))
    assert adapter.tuner.step == 1 and adapter.result().latents.shape == (3, 5)


def test_a_set_gets_a_prior_of_its_own_and_a_page(base, faces, tmp_path, quick):
    to = tmp_path / "mine"
    with quiet():
        space = facespace.adapt(faces, to, base=base, seed=3)
    assert (to / "index.html").is_file() and not (to / "checkpoint.pt").exists()
    assert space.sample(3, prior="normal").shape == (3, 16, 16, 3)
    assert space.card["priors"]["normal"]["nats"]["held-out"].keys() == {"fitted", "model"}
    card = facespace.load(to).card
    assert card["data"]["splits"] == {"train": 22, "validation": 2}
    assert card["started_from"] == base.card["fingerprint"] and "likeness" in card["adapted"]
    with quiet():
        again = facespace.adapt(faces, base=base, seed=3)
    for one, other in zip(space.model.parameters(), again.model.parameters()):
        assert torch.equal(one, other)
    with pytest.raises(UsageError, match="already holds an adapted space"):
        facespace.adapt(faces, to, base=base)


@pytest.mark.parametrize("far", [0.0, 1.0])
def test_the_encoder_learns_along_where_the_base_does_not_know_such_faces(base, faces, monkeypatch, far):
    monkeypatch.setattr(tuning, "FAR", far)
    adapter = Adapter(base, faces, replace(QUICK, tune_encoder=True, tuning_steps=4))
    adapter.invert()
    adapter.tune()
    before, after = base.model.encoder.state_dict(), adapter.result().space.model.encoder.state_dict()
    learned = any(not torch.equal(before[name], after[name]) for name in before)
    assert learned == adapter.tuner.encodes == (far == 0)


def test_where_the_base_has_a_flow_a_set_draws_mixes_of_pairs(lively, drawn, faces, tmp_path, quick):
    shutil.copytree(lively, tmp_path / "base")
    with quiet():
        facespace.load(tmp_path / "base").fit_prior(drawn, "flow", steps=30, width=24)
        space = facespace.adapt(faces, tmp_path / "mine", base=facespace.load(tmp_path / "base"))
    priors = space.card["priors"]
    assert set(priors) == {"flow", "noise-normal", "noise-pairs"} and space.default_prior == "noise-pairs"
    assert facespace.load(tmp_path / "mine").default_prior == "noise-pairs"
    assert len(space.prior("noise-pairs").pairs) == 24 * 23 // 2
    densities = [entry["nats"]["held-out"]["fitted"] for entry in priors.values()]
    assert np.isfinite(densities).all() and len(set(densities)) == 3
    np.testing.assert_array_equal(space.sample(3, seed=1), space.sample(3, seed=1, prior="noise-pairs"))
    with quiet():
        person = facespace.adapt(faces[:3], base=space)
    assert person.default_prior == "noise-pairs" and "noise-normal" in person.card["priors"]


def test_a_resumed_adaptation_equals_an_uninterrupted_one(base, faces, tmp_path, quick):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    with quiet():
        expected = facespace.adapt(faces[:3], whole, base=base)
        stopped = []
        facespace.adapt(
            faces[:3],
            parts,
            base=base,
            on_step=lambda at: stopped.append(at.stage == "tuning" and at.step >= 5),
            stop=lambda: stopped[-1],
        )
    assert facespace.load(parts).card["step"] == 5
    with quiet(), pytest.raises(TrainingError, match="another photographs"):
        facespace.adapt(faces[:2], parts, base=base, resume=True)
    with quiet():
        resumed = facespace.adapt(faces[:3], parts, base=base, resume=True)
    for one, other in zip(expected.model.parameters(), resumed.model.parameters()):
        assert torch.equal(one, other)
    with quiet(), pytest.raises(TrainingError, match="is finished"):
        facespace.adapt(faces[:3], parts, base=base, resume=True)


def test_photographs_that_cannot_be_used(base, faces, tmp_path):
    black = np.zeros_like(faces[:1])
    found = read_faces(base, np.concatenate([faces[:2], faces[:1], black]))
    assert len(found) == 2 and "copy of another" in found.notes[1] and "one colour" in found.notes[0]
    with pytest.raises(FacespaceError, match="at least one photograph"):
        read_faces(base, black)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FacespaceError, match="holds no pictures"):
        read_faces(base, tmp_path / "empty")
    with pytest.raises(FacespaceError, match="does not exist"):
        read_faces(base, tmp_path / "none.jpg")
    with pytest.raises(UsageError, match="--minutes"):
        facespace.adapt(faces[:1], tmp_path / "x", base=base, minutes=0)


def test_photographs_are_not_kept_in_memory_beside_their_faces(base, photos, monkeypatch):
    read, known, alive = PhotoReader.read, [], []

    def counted(reader, path):
        alive.append(sum(photo() is not None for photo in known))
        photo = read(reader, path)
        known.append(weakref.ref(photo))
        return photo

    monkeypatch.setattr(PhotoReader, "read", counted)
    found = read_faces(base, [*photos, *photos], "no")
    assert len(alive) == 2 * len(photos) and max(alive) <= 1  # the loop's own
    assert len(found) == len(photos) and "a copy of another" in found.notes[-1]


def test_copies_are_those_that_a_comparison_of_all_pairs_finds():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 240, (40, 6, 5, 3)).astype(np.uint8)
    pixels[10:20] = pixels[:10] + rng.integers(0, 3, (10, 1, 1, 1)).astype(
        np.uint8
    )  # 1 of 255 is a copy, 2 not
    pixels[20:30] = pixels[:10, ::-1]  # of the same colours, and no copies
    kept = []
    for row, face in enumerate(pixels / 255):
        if all(np.abs(pixels[other] / 255 - face).mean() >= ALIKE for other in kept):
            kept.append(row)
    assert usable(Faces(pixels, [str(row) for row in range(40)]))[0] == kept
    assert 30 < len(kept) < 40


def test_the_verb(cli, lively, photos, tmp_path, quick, monkeypatch):
    opened, load_classifier = [], figures.load_classifier
    monkeypatch.setattr(
        figures, "load_classifier", lambda **how: opened.append(how) or load_classifier(**how)
    )
    to = tmp_path / "mine"
    code, out, _ = cli("adapt", *photos, "--to", to, "--from", lively, "--align", "no")
    assert code == 0 and "facespace explore" in out
    assert len(opened) == 1  # for the notes on photographs and the checks of directions
    assert cli("reconstruct", to, photos[0], "--to", tmp_path / "r.png", "--align", "no")[0] == 0
    assert cli("adapt", "--to", to)[0] == 2


def test_edit_tune_keeps_nothing_and_needs_photographs(cli, lively, drawn, photos, tmp_path, quick):
    space = shutil.copytree(lively / "best", tmp_path / "space")
    name = facespace.load(space).fit_directions(drawn).names[0]
    before = {path: path.read_bytes() for path in space.iterdir()}
    edit = ("--set", f"{name}=1", "--to", tmp_path / "edited.png", "--tune")
    code, _, err = cli("edit", space, photos[0], "--align", "no", *edit)
    assert code == 0 and "mean squared error" in err
    assert {path: path.read_bytes() for path in space.iterdir()} == before
    code, _, err = cli("edit", space, "--random", 2, *edit)
    assert code == 2 and "needs photographs" in err


def test_the_density_in_the_noise_of_a_flow_is_that_of_the_transported_gaussian():
    torch.manual_seed(0)
    flow = Flow(3, steps=0, width=8)
    flow.center.copy_(torch.tensor([1.0, -2.0, 0.5]))
    flow.spread.copy_(torch.tensor([2.0, 1.0, 0.3]))  # an untrained velocity: latents are center + spread · e
    center, covariance = torch.tensor([0.5, 0.0, -1.0]), torch.diag(torch.tensor([0.5, 2.0, 1.0]))
    prior = NoiseNormal.around(flow, center, covariance, "a test")
    scale = torch.diag(flow.spread)
    expected = torch.distributions.MultivariateNormal(
        flow.center + scale @ center, scale @ covariance @ scale
    )
    z = torch.randn(5, 3)
    torch.testing.assert_close(prior.log_prob(z).float(), expected.log_prob(z), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(prior.decode(prior.encode(z).float()), z, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(prior.mean, expected.mean, rtol=1e-4, atol=1e-4)
    again = NoiseNormal.from_card(3, prior.options)
    again.load_state_dict(prior.state_dict())
    drawn = [one.sample(4, generator=torch.Generator().manual_seed(1)) for one in (prior, again)]
    torch.testing.assert_close(drawn[0], drawn[1])


def test_a_gaussian_in_the_noise_of_a_gaussian_is_that_of_both():
    torch.manual_seed(0)
    flow = Flow(3, steps=0, width=8)
    mixed = torch.tensor([[2.0, 0.5, 0.0], [0.5, 1.0, 0.3], [0.0, 0.3, 0.6]])
    first = NoiseNormal.around(flow, torch.tensor([1.0, 2.0, 3.0]), mixed, "first")
    center, covariance = torch.tensor([0.5, 0.0, -1.0]), torch.diag(torch.tensor([0.5, 2.0, 1.0]))
    second = NoiseNormal.around(first, center, covariance, "second")
    # An untrained velocity changes nothing: latents of the first prior are its center + root · white noise.
    root = first.noise_root
    expected = torch.distributions.MultivariateNormal(
        first.noise_center + root @ center, root @ covariance @ root
    )
    z = torch.randn(5, 3)
    torch.testing.assert_close(second.log_prob(z).float(), expected.log_prob(z), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(second.mean, expected.mean, rtol=1e-4, atol=1e-4)


def test_pairs_in_the_noise_of_a_flow_are_a_mixture_of_gaussians():
    torch.manual_seed(0)
    flow = Flow(3, steps=0, width=8)
    flow.center.copy_(torch.tensor([1.0, -2.0, 0.5]))
    flow.spread.copy_(torch.tensor([2.0, 1.0, 0.3]))  # an untrained velocity: latents are center + spread · e
    e = torch.tensor([[3.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 3.0]])
    centers = mixed_pairs(e)
    torch.testing.assert_close(centers[0], torch.tensor([1.5, 1.5, 0.0]))
    prior = NoisePairs.around(flow, centers, "a test")
    means = flow.center + flow.spread * centers
    components = torch.distributions.MultivariateNormal(means, torch.diag((0.6 * flow.spread) ** 2))
    weights = torch.distributions.Categorical(torch.ones(3))
    expected = torch.distributions.MixtureSameFamily(weights, components)
    z = torch.randn(5, 3)
    torch.testing.assert_close(prior.log_prob(z).float(), expected.log_prob(z), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(prior.mean, expected.mean, rtol=1e-4, atol=1e-4)
    drawn = prior.sample(6_000, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(drawn.mean(0), expected.mean, rtol=0, atol=0.06)
    torch.testing.assert_close(drawn.var(0), expected.variance, rtol=0.06, atol=0)
    torch.testing.assert_close(prior.sample(2, temperature=0.0), expected.mean.expand(2, 3))
    torch.testing.assert_close(prior.truncate(z, 1.0), expected.mean.expand(5, 3), rtol=1e-4, atol=1e-4)


def test_pairs_are_stored_whole_and_can_be_the_base_of_others():
    torch.manual_seed(0)
    flow = Flow(4, steps=0, width=8)
    first = NoisePairs.around(flow, mixed_pairs(torch.randn(60, 4)), "first")
    assert len(first.pairs) == 1024  # of 1,770 pairs
    again = NoisePairs.from_card(4, first.options)
    again.load_state_dict(first.state_dict())
    drawn = [one.sample(4, generator=torch.Generator().manual_seed(1)) for one in (first, again)]
    torch.testing.assert_close(drawn[0], drawn[1])
    second = NoisePairs.around(first, mixed_pairs(torch.randn(3, 4)), "second")
    assert len(second.pairs) == 3 and second.options["pairs"] == 3


def test_few_noises_are_shrunk_more_than_many():
    torch.manual_seed(0)
    scale = torch.linspace(0.3, 2.0, 12)
    many, few = torch.randn(800, 12) * scale, torch.randn(14, 12) * scale
    assert shrunk_normal(many)[2] < 0.2 < shrunk_normal(few)[2]
    center, covariance, _, _ = shrunk_normal(many)
    assert center.abs().max() < 0.3 and torch.allclose(covariance.diagonal().sqrt(), scale.double(), atol=0.2)
