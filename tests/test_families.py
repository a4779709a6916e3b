"""Codebooks, hierarchical models and progressive growing: what is theirs alone. What every model must keep is in test_model_contract.py."""

import json

import numpy as np
import pytest
import torch
from conftest import TINY
from torch.nn import functional as F

import facespace
from facespace.core.configs import override
from facespace.core.console import quiet
from facespace.core.errors import UsageError
from facespace.data.derive import subsample
from facespace.data.faces import FaceSet
from facespace.models import ModelConfig, build, card_text
from facespace.models.autoencoder import Autoencoder
from facespace.models.posteriors import Gaussian
from facespace.models.priors import fitted_prior
from facespace.models.quantizer import Codebook
from facespace.models.style import EPSILON, STYLE, Modulated, normalize_latent
from facespace.recipes import recipe

PLAIN = (
    "objective.perceptual=0",
    "objective.center_weight=0",
    "objective.adversarial=0",
    "objective.feature_matching=0",
    "train.warmup=0",
    "train.ema_half_life=30",
)


def learn(name, data, to, *settings, **options):
    with quiet():
        return facespace.train(
            name, data, to, settings=[*TINY, *PLAIN, *settings], trackers=["none"], **options
        )


# ---- codes


def clouds(generator, count=64):
    """Three narrow clouds in the plane, (count, 2 · 5) as a latent of five codes."""
    centres = torch.tensor([[5.0, 0.0], [-5.0, 1.0], [0.0, 8.0]])
    which = torch.randint(3, (count, 5), generator=generator)
    points = centres[which] + 0.1 * torch.randn(count, 5, 2, generator=generator)
    return points.transpose(1, 2).flatten(1)


def test_entries_go_where_the_codes_are_and_none_stays_unused():
    torch.manual_seed(0)
    book, draw = (
        Codebook(ModelConfig(latent_dim=10, code_dim=2, codebook_size=9)),
        torch.Generator().manual_seed(1),
    )
    for _ in range(300):
        book(clouds(draw))
    unseen = clouds(draw, 500)
    apart = (book.quantize(unseen) - unseen).abs().mean()
    assert apart < 0.08, "one entry a cloud leaves 0.08"
    assert len(book.nearest(unseen).unique()) == 9


def test_an_entry_that_nothing_comes_near_begins_again():
    torch.manual_seed(0)
    book, draw = (
        Codebook(ModelConfig(latent_dim=10, code_dim=2, codebook_size=4)),
        torch.Generator().manual_seed(1),
    )
    book(clouds(draw))
    book.codes[2], book.sums[2] = 1e3, 1e3 * book.uses[2]
    for _ in range(200):
        book(clouds(draw))
    assert book.codes.abs().max() < 10


def test_codes_are_the_entries_themselves_and_let_gradients_through():
    torch.manual_seed(0)
    book = Codebook(ModelConfig(latent_dim=10, code_dim=2, codebook_size=9)).eval()
    z = torch.randn(4, 10, requires_grad=True)
    snapped = book.quantize(z)
    torch.testing.assert_close(book.quantize(snapped), snapped)
    entries = {tuple(row) for row in book.codes.tolist()}
    found = snapped.detach().unflatten(1, (2, 5)).transpose(1, 2).flatten(0, 1)
    assert all(
        min(np.abs(np.subtract(row, entry)).max() for entry in entries) < 1e-5 for row in found.tolist()
    )
    (gradient,) = torch.autograd.grad((3 * snapped).sum(), z)
    assert torch.equal(gradient, torch.full_like(z, 3))
    said = book(z)
    assert said.regularizers()["commitment"].shape == (4,) and not said.entries.requires_grad


def test_a_space_of_codes_learns_and_draws(drawn, tmp_path):
    learn("vq", drawn, tmp_path / "vq", "model.latent_dim=64", "model.codebook_size=32", "train.epochs=12")
    lines = [json.loads(line) for line in (tmp_path / "vq" / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["validation"]["mse"] < 0.7 * lines[0]["validation"]["mse"]
    space = facespace.load(tmp_path / "vq")
    faces = FaceSet(drawn)
    with quiet():
        space.fit_prior(faces, "flow", steps=50)
    assert len(np.unique(space.sample(4, prior="flow"), axis=0)) > 1
    drawn_codes = torch.from_numpy(space.sample_latents(4, prior="flow"))
    torch.testing.assert_close(space.model.quantize(drawn_codes), drawn_codes)
    z = space.encode(faces.images[:3])
    book = space.model.posterior
    np.testing.assert_allclose(book.quantize(torch.from_numpy(z)).numpy(), z, atol=1e-5)
    assert np.array_equal(space.decode(z + 1e-4), space.decode(z)), "what lies near an entry is that entry"


# ---- codes at two levels


@pytest.fixture
def two_levels():
    torch.manual_seed(0)
    settings = ["model.image=3,16,16", "model.latent_dim=64", "model.widths=8,12", "model.codebook_size=16"]
    return build(override(recipe("vq2"), settings).model).eval()


def test_codes_of_two_levels_are_entries_of_both_books(two_levels):
    assert two_levels.latent_shape == (64 + 4 * 8 * 8,)
    assert [(g.depth, g.height, g.width) for g in two_levels.code_grids] == [(1, 4, 4), (1, 8, 8)]
    x = torch.rand(3, 3, 16, 16)
    with torch.no_grad():
        q = two_levels.encode(x)
    torch.testing.assert_close(two_levels.quantize(q.mean), q.mean)
    prior = fitted_prior("autoregressive", 320, {}, two_levels.code_grids)
    codes = prior.codes(q.mean)
    assert codes.shape == (3, 16 + 64)
    torch.testing.assert_close(prior.latents(codes), q.mean, rtol=0, atol=1e-6)
    again = torch.randint(16, codes.shape, generator=torch.Generator().manual_seed(0))
    assert torch.equal(prior.codes(prior.latents(again)), again)
    z = prior.latents(again)
    torch.testing.assert_close(two_levels.decode(z + 1e-4), two_levels.decode(z))


@torch.no_grad()
def test_the_finer_codes_depend_on_the_coarser_ones(two_levels):
    """The same features with another coarse code give other encodings at the finer level."""
    x = torch.rand(1, 3, 16, 16)
    fine = two_levels.encode(x).raw[:, 64:]
    two_levels.books[0].codes.add_(1.0)
    assert (two_levels.encode(x).raw[:, 64:] - fine).abs().max() > 1e-3


def test_codes_of_one_level_agree_with_their_grid():
    torch.manual_seed(0)
    for settings, shape in ((["model.latent_dim=128"], (2, 4, 4)), (["model.spatial=false"], (2, 1, 1))):
        plan = override(
            recipe("vq"), ["model.image=3,16,16", "model.latent_dim=8", "model.widths=8,12", *settings]
        )
        model = build(plan.model).eval()
        (grid,) = model.code_grids
        assert grid[:3] == shape
        size = plan.model.latent_dim
        prior = fitted_prior("autoregressive", size, {}, model.code_grids)
        z = torch.randn(5, size)
        torch.testing.assert_close(prior.latents(prior.codes(z)), model.quantize(z))


def test_a_space_of_two_levels_does_all_that_spaces_do(drawn, tmp_path, cli, photos):
    """Its default prior is the one over codes; it is packed with it, and every verb takes its flat latent."""
    run, packed = tmp_path / "vq2", tmp_path / "packed"
    small = ("model.latent_dim=64", "model.codebook_size=32", "train.epochs=8")
    learn("vq2", drawn, run, *small)
    space = facespace.load(run)
    assert space.latent_dim == 320
    code, out, err = cli(
        "fit-prior", run, "--data", drawn, "--steps", "20", "--width", "32", "--blocks", "1", "--split", "all"
    )
    assert code == 0 and "autoregressive" in out and "if all codes were equally likely" in out, err
    space = facespace.load(run)
    z = space.sample_latents(3, prior="autoregressive")
    torch.testing.assert_close(space.model.quantize(torch.from_numpy(z)), torch.from_numpy(z))
    assert cli("pack", run, "--to", packed, "--bits", "8")[0] == 0
    eight = facespace.load(packed)
    entries = zip(eight.prior("autoregressive").entries, eight.model.code_grids)
    assert all(torch.equal(mine, grid.entries) for mine, grid in entries)
    assert eight.sample(2, prior="autoregressive").shape == (2, 16, 16, 3)
    commands = (
        ("sample", packed, "--prior", "autoregressive", "--temperature", "0.5", "--to", tmp_path / "s.png"),
        ("reconstruct", packed, *photos, "--to", tmp_path / "r.png"),
        ("morph", packed, *photos[:2], "--frames", "3", "--path", "geodesic", "--to", tmp_path / "m.png"),
        ("encode", packed, *photos, "--to", tmp_path / "z.npy"),
        ("decode", packed, tmp_path / "z.npy", "--to", tmp_path / "d.png"),
        ("directions", run, "--data", drawn, "--attributes", "smile"),
        ("edit", run, photos[0], "--set", "smile=2", "--to", tmp_path / "e.png"),
    )
    for command in commands:
        code, out, err = cli(*command)
        assert code == 0, (command, err)
    code, out, err = cli("card", packed)
    assert code == 0 and "VQ autoencoder of 2 levels" in out and "autoregressive" in out


def test_a_geodesic_path_takes_a_density_and_no_probabilities_of_codes(two_levels, monkeypatch, trained):
    space = facespace.load(trained)
    discrete = fitted_prior("autoregressive", 320, {}, two_levels.code_grids)
    monkeypatch.setattr(
        type(space), "prior", lambda _, kind=None: space.model.prior if kind == "model" else discrete
    )
    assert space.density_prior() is space.model.prior
    with pytest.raises(UsageError, match="A geodesic path needs a density"):
        space.density_prior("autoregressive")


# ---- a style-modulated decoder


def explicit(layer, x, w):
    """A modulated convolution as StyleGAN2's equations define it: a kernel of its own for each face."""
    faces = []
    for face, scales in zip(x, layer.affine(w)):
        kernel = layer.convolution.weight * scales[None, :, None, None]
        if layer.demodulate:
            kernel = kernel / (kernel.square().sum((1, 2, 3), keepdim=True) + EPSILON).sqrt()
        faces.append(F.conv2d(face[None], kernel, layer.bias, padding=layer.kernel // 2))
    return torch.cat(faces)


@pytest.mark.parametrize(("kernel", "demodulate"), [(3, True), (3, False), (1, False)])
def test_a_modulated_convolution_is_a_kernel_for_each_face(kernel, demodulate):
    torch.manual_seed(0)
    layer = Modulated(5, 7, kernel, demodulate)
    torch.nn.init.normal_(layer.bias)
    x, w = torch.randn(4, 5, 6, 8), torch.randn(4, STYLE)
    torch.testing.assert_close(layer(x, w), explicit(layer, x, w), rtol=1e-4, atol=1e-5)


def test_demodulated_outputs_have_unit_variance_whatever_the_style():
    torch.manual_seed(0)
    layer = Modulated(64, 32, 3, True)
    y = layer(torch.randn(8, 64, 32, 32), 30 * torch.randn(8, STYLE))[..., 1:-1, 1:-1]
    torch.testing.assert_close(y.std((2, 3)).mean(), torch.tensor(1.0), atol=0.05, rtol=0)


def test_the_length_of_a_latent_counts_in_a_style():
    torch.manual_seed(0)
    z = torch.randn(3, 8)
    assert normalize_latent(1e6 * z).square().mean(1).sub(1).abs().max() < 1e-3
    assert (normalize_latent(0.5 * z) - normalize_latent(z)).abs().max() > 0.1
    assert normalize_latent(0 * z).abs().max() == 0


def test_noise_in_the_layers_of_a_style_decoder_is_for_training_alone():
    torch.manual_seed(0)
    settings = ["model.image=3,16,16", "model.widths=8,12", "model.layer_noise=true"]
    model = build(override(recipe("faces64-style"), settings).model)
    for name, parameter in model.decoder.named_parameters():
        if name.endswith("strength"):
            torch.nn.init.ones_(parameter)
    z = torch.randn(2, 256)
    assert torch.equal(model.eval().decode(z), model.decode(z))
    assert not torch.equal(model.train().decode(z), model.decode(z))


# ---- hierarchical models


@pytest.fixture
def levelled():
    torch.manual_seed(0)
    model = build(
        override(
            recipe("hierarchical"),
            ["model.image=3,16,16", "model.latent_dim=5", "model.widths=8,12", "model.levels=2"],
        ).model
    )
    for head in model.heads:
        for part in head.modules():
            if isinstance(part, torch.nn.Linear | torch.nn.Conv2d):
                torch.nn.init.normal_(part.bias, std=0.5)
    return model.eval()


def test_the_kl_of_a_hierarchical_model_is_that_of_its_draws(levelled):
    """E over q of log q − log p, by 4,000 draws, is the mean KL along their ways."""
    x = torch.rand(1, 3, 16, 16).expand(4000, -1, -1, -1)
    with torch.no_grad():
        z, path = levelled.encode(x).sample_with_posterior(torch.Generator().manual_seed(1))
        drawn, said = -path.log_ratio(z), path.kl_per_latent().sum(1)
    assert z.shape == (4000, 5 + 2 * 8 * 8) and isinstance(path, Gaussian)
    with torch.no_grad():  # the same along ways that were given rather than drawn
        torch.testing.assert_close(levelled.encode(x).log_ratio(z), path.log_ratio(z), rtol=1e-4, atol=1e-3)
    assert abs(float(drawn.mean() - said.mean())) < 4 * float((drawn - said).std()) / 4000**0.5


def test_a_finer_level_depends_on_the_coarser_ones_and_not_the_other_way_round(levelled):
    x = torch.rand(1, 3, 16, 16)
    seen = levelled.encode(x)

    def said(first):
        def choice(level, number):
            return level.mean + (first if number == 0 else 0)

        return Gaussian(seen._infer(choice)).mean

    plain, moved = said(0.0), said(1.0)
    assert torch.equal(plain[:, :5], moved[:, :5]) and not torch.allclose(plain[:, 5:], moved[:, 5:])


def test_a_hierarchical_model_learns_and_draws_from_its_own_prior(drawn, tmp_path):
    learn("hierarchical", drawn, tmp_path / "l", "model.levels=1", "train.epochs=12")
    lines = [json.loads(line) for line in (tmp_path / "l" / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["validation"]["loss"] < lines[0]["validation"]["loss"]
    space = facespace.load(tmp_path / "l")
    assert space.latent_dim == 5 + 64 and space.sample(3, prior="model").shape == (3, 16, 16, 3)
    assert "hierarchical VAE of 2 levels" in card_text.read(tmp_path / "l").text()


# ---- growing


def stages():
    """A body for 8 px and the next one for 16 px, which has its weights; ready to be compared."""
    small = override(recipe("grow32"), ["model.image=3,8,8", "model.latent_dim=5", "model.widths=8,12"]).model
    large = override(
        recipe("grow32"), ["model.image=3,16,16", "model.latent_dim=5", "model.widths=6,8,12"]
    ).model
    torch.manual_seed(0)
    first, second = build(small).eval(), build(large).eval()
    missing, unexpected = second.load_state_dict(first.state_dict(), strict=False)
    assert missing and not unexpected
    return first, second


def test_a_grown_body_begins_as_the_smaller_one_enlarged():
    first, second = stages()
    x, z = torch.rand(2, 3, 16, 16), torch.randn(2, 5)
    with torch.no_grad():
        enlarged = F.interpolate(first.decoder(z), scale_factor=2, mode="bilinear", align_corners=False)
        torch.testing.assert_close(second.decoder(z), enlarged)
        torch.testing.assert_close(second.encode(x).mean, first.encode(F.avg_pool2d(x, 2)).mean)


def test_more_blocks_make_the_progressive_decoder_larger_and_nothing_else():
    chosen = ["model.image=3,16,16", "model.latent_dim=5", "model.widths=6,8,12"]
    sizes = {}
    for count in (2, 4):
        model = build(override(recipe("grow32"), [*chosen, f"model.decoder_blocks={count}"]).model)
        sizes[count] = [
            sum(weight.numel() for weight in part.parameters()) for part in (model.encoder, model.decoder)
        ]
    assert sizes[2][0] == sizes[4][0] and sizes[4][1] > 1.5 * sizes[2][1]
    with pytest.raises(
        UsageError, match=r"decoder_blocks must be at least 1, and is for model\.backbone=progressive"
    ):
        ModelConfig(backbone="conv", decoder_blocks=3)


def test_noise_on_latents_is_a_share_of_their_spread_and_for_training_alone():
    torch.manual_seed(0)
    net = build(ModelConfig(image=(3, 16, 16), latent_dim=6, widths=(8, 16), latent_noise=0.5))
    assert isinstance(net, Autoencoder)
    z = torch.randn(4_000, 6) * torch.tensor([1.0, 2.0, 3.0, 0.1, 1.0, 5.0])
    assert torch.equal(net.eval()._noisy(z), z)
    added = net.train()._noisy(z) - z
    torch.testing.assert_close(added.std(0), 0.5 * z.std(0), rtol=0.05, atol=0)
    with pytest.raises(UsageError, match="latent_noise"):
        ModelConfig(latent_noise=-1.0)


def test_a_stage_starts_from_the_run_before(drawn, tmp_path, capsys):
    halved = tmp_path / "halved"
    with quiet():
        facespace.prepare("synthetic", to=halved, size=8, limit=60, workers=1)
    learn("grow32", halved, tmp_path / "small", "model.image=3,8,8", "train.epochs=16")
    large = ("model.image=3,16,16", "model.widths=6,8,12", "train.steps=1", "train.learning_rate=1e-9")
    options = {"settings": [*TINY, *PLAIN, *large], "trackers": ["none"]}
    grown = facespace.train("grow64", drawn, tmp_path / "grown", start=tmp_path / "small", **options)
    err = " ".join(capsys.readouterr().err.split())
    assert "and keep their initial values: decoder." in err
    with quiet():
        fresh = facespace.train("grow64", drawn, tmp_path / "fresh", **options)
    assert grown["validation"]["mse"] < 0.8 * fresh["validation"]["mse"]
    with pytest.raises(UsageError, match="do not fit this recipe's model"):
        facespace.train(
            "grow64", drawn, tmp_path / "no", start=tmp_path / "grown", settings=options["settings"][:-3]
        )


def test_a_space_at_twice_the_size_keeps_latents_priors_and_directions(drawn, tmp_path):
    halved, options = tmp_path / "halved", ["model.latent_dim=5", "model.widths=8,12"]
    with quiet():
        facespace.prepare("synthetic", to=halved, size=8, limit=60, workers=1)
        learn("faces64", halved, tmp_path / "small", "model.image=3,8,8", *options, "train.epochs=2")
        small = facespace.load(tmp_path / "small")
        small.fit_prior(halved, "normal")
        small.fit_directions(halved, ["smile"])
        settings = [*TINY, *PLAIN, *options, "train.steps=1", "train.learning_rate=1e-9"]
        facespace.train(
            "faces128",
            drawn,
            tmp_path / "large",
            start=tmp_path / "small",
            settings=settings,
            trackers=["none"],
        )
    small, large = facespace.load(tmp_path / "small"), facespace.load(tmp_path / "large")
    assert large.image_shape == (3, 16, 16)
    assert large.directions().names == small.directions().names == ("smile",)
    z = small.sample_latents(4, seed=1)
    np.testing.assert_array_equal(large.sample_latents(4, seed=1), z)
    faces = large.decode(z)
    shrunk = faces.reshape(4, 8, 2, 8, 2, 3).mean((2, 4)).round().astype(np.uint8)
    apart = np.abs(shrunk - small.decode(z).astype(float)).mean()
    assert apart < 5  # levels: enlarged bilinearly and shrunk again, which softens
    np.testing.assert_allclose(large.encode(faces), small.encode(shrunk), atol=0.05)
    with pytest.raises(UsageError, match="cannot halve 15×16"):
        build(override(recipe("faces128"), ["model.image=3,15,16", "model.widths=8"]).model)


# ---- fewer faces


def test_a_thinned_set_keeps_the_faces_that_judge(drawn, tmp_path):
    faces = FaceSet(drawn)
    thinned = subsample(drawn, {"train": 10}, tmp_path / "thin")
    assert len(thinned.rows("train")) == 10 and set(thinned.ids) <= set(faces.ids)
    for side in ("validation", "test"):
        assert [thinned.ids[i] for i in thinned.rows(side)] == [faces.ids[i] for i in faces.rows(side)]
    at = list(faces.ids).index(thinned.ids[thinned.rows("train")[3]])
    assert np.array_equal(faces.images[at], thinned.images[thinned.rows("train")[3]])
    assert any("thinned" in note for note in thinned.card["notes"])
    with pytest.raises(UsageError, match="each at least 1; got train 0"):
        subsample(drawn, {"train": 0}, tmp_path / "none")


def test_the_codes_of_a_map_are_its_cells():
    """Numbers of a code are the channels of one cell: another cell's do not move it."""
    torch.manual_seed(0)
    book = Codebook(ModelConfig(latent_dim=64, code_dim=4, codebook_size=8))
    cells = torch.randn(1, 4, 4, 4)  # a map of 4 channels, 4×4 cells
    moved = cells.clone()
    moved[:, :, 2, 3] += 100 * torch.randn(4)
    plain, other = (book.nearest(part.flatten(1))[0] for part in (cells, moved))
    assert set(torch.nonzero(plain != other).flatten().tolist()) == {2 * 4 + 3}


def test_codes_have_no_importance_weighted_bound(drawn, tmp_path):
    with pytest.raises(UsageError, match=r"objective\.iwae_samples: an importance-weighted bound needs"):
        learn("vq", drawn, tmp_path / "vq", "model.latent_dim=64", "objective.iwae_samples=4")
    assert not (tmp_path / "vq").exists()
