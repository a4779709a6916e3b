"""What every recipe's model must keep, at tiny size and as published."""

import threading

import pytest
import torch
from conftest import TINY

from facespace.core.configs import override
from facespace.core.errors import UsageError
from facespace.models import ModelConfig, build, count_parameters
from facespace.models.autoencoder import interpolate_batch
from facespace.models.likelihoods import LIKELIHOODS
from facespace.models.refinement import longest_step
from facespace.models.uninitialized import uninitialized
from facespace.recipes import RECIPES, recipe
from facespace.training.checks import freeze

PUBLISHED = {
    "lfw-mlp": 21_630_331,
    "celeba-gray-ae": 17_834_240,
    "celeba-gray-vae": 6_454_472,
    "celebamask-conv": 2_958_659,
    "celeba-conv-128": 2_649_299,
    "yearbook-ae": 1_169_039,
}


# What a recipe needs at that size beside the usual: as many numbers as cells, and no more levels than sizes.
ALSO = {
    "vq": {"latent_dim": 64},
    "vq2": {"latent_dim": 64, "levels": 4},
    "hierarchical": {"levels": 1},
    "hierarchical-large": {"levels": 1},
    "hierarchical128": {"levels": 1},
}
TWO_LEVELS = {
    "kind": "hierarchical_vq",
    "backbone": "residual",
    "bottleneck": "vq",
    "spatial": True,
    "levels": (4,),
}
PENALTIES = {"gaussian": {"kl"}, "deterministic": set(), "vq": {"commitment"}}


def tiny(name: str, **fields):
    settings = [setting for setting in TINY if setting.startswith("model")]
    fields = {**ALSO.get(name, {}), **fields}
    return override(
        recipe(name), [*settings, *(f"model.{key}={value}" for key, value in fields.items())]
    ).model


def cases():
    yield pytest.param(tiny("yearbook-ae", image="1,19,21"), id="yearbook-ae-odd")
    for name in RECIPES:
        yield pytest.param(tiny(name), id=name)
        if name in ALSO:
            yield pytest.param(
                tiny(name, image="1,16,24", latent_dim=96, dropout=0.1), id=f"{name}-gray-wide"
            )
            continue
        other = "gaussian" if recipe(name).model.bottleneck == "deterministic" else "deterministic"
        yield pytest.param(tiny(name, bottleneck=other, latent_relu="false"), id=f"{name}-{other}")
        yield pytest.param(tiny(name, backbone="mlp", norm="false"), id=f"{name}-mlp")
        yield pytest.param(tiny(name, image="1,16,24", dropout=0.1, slope=0), id=f"{name}-gray-wide")
    for body in ("conv", "residual", "progressive"):
        yield pytest.param(tiny("demo", backbone=body, latent_dim=128, spatial="true"), id=f"spatial-{body}")
    yield pytest.param(tiny("demo", bottleneck="vq", latent_dim=8), id="codes-flat")
    yield pytest.param(tiny("faces64-style", layer_noise="true"), id="style-noise")
    for pixels in LIKELIHOODS:
        yield pytest.param(tiny("demo", likelihood=pixels), id=f"pixels-{pixels}")


@pytest.fixture(params=list(cases()))
def model(request):
    torch.manual_seed(0)
    return build(request.param)


def faces(model, count=6):
    return torch.rand(count, *model.image_shape, generator=torch.Generator().manual_seed(1))


def test_shapes_and_range(model):
    x = faces(model)
    result = model(x)
    assert result.image.shape == (6, *model.image_shape) == model.target(x).shape
    assert result.log_likelihood.shape == (6,)
    assert all(penalty.shape == (6,) for penalty in result.regularizers.values())
    assert set(result.regularizers) == PENALTIES[model.config.bottleneck]
    z = model.encode(x).mean
    assert z.shape == (6, *model.latent_shape)
    image = model.decode(20 * z)
    assert image.shape == (6, *model.image_shape) and image.min() >= 0 and image.max() <= 1


def test_every_parameter_gets_a_gradient(model):
    result = model(faces(model))
    (
        sum(penalty.mean() for penalty in result.regularizers.values()) - result.log_likelihood.mean()
    ).backward()
    assert [
        name for name, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()
    ] == []


def test_mean_is_deterministic_in_eval_and_free_of_its_neighbours(model):
    model.eval()
    x = faces(model)
    torch.testing.assert_close(model.encode(x).mean, model.encode(x).mean, rtol=0, atol=0)
    torch.testing.assert_close(model.encode(x).mean[:2], model.encode(x[:2]).mean, rtol=1e-5, atol=1e-6)


def test_same_generator_same_samples_and_prefix(model):
    model.eval()

    def draw(n, seed=3):
        return model.prior.sample(n, generator=torch.Generator().manual_seed(seed))

    torch.testing.assert_close(draw(5), draw(5), rtol=0, atol=0)
    torch.testing.assert_close(draw(5)[:3], draw(3), rtol=0, atol=0)
    assert not torch.equal(draw(5), draw(5, seed=4))


def test_temperature_zero_is_the_centre(model):
    z = model.prior.sample(3, temperature=0.0, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(z, model.prior.center.expand_as(z))


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_parameter_count(name):
    assert count_parameters(recipe(name).model) == PUBLISHED[name]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"backbone": "cnov"}, "Did you mean 'conv'"),
        ({"image": (3, 50, 50)}, "multiples of 16"),
        ({"image": (2, 64, 64)}, "1 or 3 channels"),
        ({"latent_dim": 0}, "at least 1"),
        ({"likelihood": "gauss"}, "Unknown likelihood"),
        ({"backbone": "mlp", "spatial": True}, "does not end in a map of features; take conv"),
        (
            {"latent_dim": 100, "spatial": True},
            "4×4 cells, so model.latent_dim must be a multiple of 16; got 100",
        ),
        ({"spatial": True, "conditions": ("Hat",)}, "cannot be conditioned on"),
        ({"bottleneck": "vq", "latent_dim": 10}, "a multiple of model.code_dim"),
        ({"kind": "hierarchical"}, "1 to 3 further levels"),
        ({"kind": "hierarchical", "levels": (1,)}, "A hierarchical model takes model.backbone=residual"),
        ({"spatial": True, "bottleneck": "vq", "latent_dim": 96}, "holds 6 numbers, which codes of 4 do not"),
        (
            {"kind": "hierarchical", "levels": (1,), "bottleneck": "deterministic"},
            "A hierarchical model takes model.backbone=residual, model.bottleneck=gaussian",
        ),
        ({"levels": (1,)}, "is for model.kind=hierarchical"),
        ({"kind": "hierarchical_vq"}, "takes 1 to 3 further levels"),
        ({"kind": "hierarchical_vq", "levels": (4,)}, "takes model.backbone=residual, model.bottleneck=vq"),
        (
            {**TWO_LEVELS, "latent_dim": 100},
            "4×4 cells, so model.latent_dim must be a multiple of 16; got 100",
        ),
        ({**TWO_LEVELS, "levels": (3,)}, "8×8 map holds 3 numbers, which codes of 4 do not"),
        ({"backbone": "style", "spatial": True}, "a style is one vector"),
        ({"layer_noise": True}, r"is for model\.backbone=style"),
        ({"refinement_steps": 0}, "refinement_steps must be at least 1"),
        ({"refinement_steps": 2, "spatial": True}, "1 but for a flat latent"),
        (
            {"refinement_steps": 2, "backbone": "conv_pool", "image": (3, 70, 70)},
            "has an output smaller than its input",
        ),
    ],
)
def test_impossible_configs_are_refused_with_a_sentence(fields, says):
    with pytest.raises(UsageError, match=says):
        build(ModelConfig(**fields))


def test_blends_vary_as_the_batch_does():
    z = (
        torch.randn(64, 3, generator=torch.Generator().manual_seed(0))
        @ torch.diag(torch.tensor([2.0, 1.0, 0.1]))
        + 5
    )
    torch.manual_seed(0)
    found = interpolate_batch(z, 20_000)
    assert found.shape == (20_000, 3)
    torch.testing.assert_close(found.mean(0), z.mean(0), atol=0.05, rtol=0)
    torch.testing.assert_close(torch.cov(found.T), torch.cov(z.T, correction=0), atol=0.08, rtol=0.05)


def test_drawn_images_are_those_of_latents_in_between(model):
    x = faces(model)
    result = model(x, generated=3)
    assert (
        result.generated.shape == (3, *model.image_shape)
        and 0 <= result.generated.min() <= result.generated.max() <= 1
    )
    assert model(x).generated is None


@pytest.mark.parametrize("bottleneck", ["gaussian", "deterministic"])
def test_further_passes_correct_the_latent_by_the_error_once_training_is_over(bottleneck):
    torch.manual_seed(0)
    plain = build(tiny("demo", bottleneck=bottleneck)).eval()
    thrice = build(tiny("demo", bottleneck=bottleneck, refinement_steps=3))
    thrice.load_state_dict(plain.state_dict())
    x = faces(plain)
    z = first = plain.encode(x).mean
    for _ in range(2):
        step = first - plain.encode(plain.decode(z)).mean
        z = z + longest_step(x, plain.decode(z), plain.decode(z + step)) * step
    assert (z - first).abs().max() > 1e-3
    torch.testing.assert_close(thrice.eval().encode(x).mean, z)
    torch.testing.assert_close(thrice.train().encode(x).mean, plain.train().encode(x).mean)


@pytest.mark.parametrize(("overshoot", "share"), [(0.5, 1), (1, 1), (2, 1), (4, 0.5), (20, 0.1), (-1, 0)])
def test_a_step_is_shortened_to_where_the_squared_error_is_that_of_before(overshoot, share):
    """The step goes `overshoot` times as far as the image that it aims at: up to twice, the error falls."""
    x, before = torch.rand(2, 3, 3, 8, 8)
    after = before + overshoot * (x - before)
    torch.testing.assert_close(longest_step(x, before, after), torch.full((3, 1), float(share)))
    assert (longest_step(x, before, before) == 0).all()  # a decoder that answers nothing


def test_a_face_takes_its_own_step():
    x = torch.rand(2, 3, 8, 8)
    after = torch.stack([x[0], 4 * x[1]])
    assert longest_step(x, torch.zeros_like(x), after).flatten().tolist() == pytest.approx([1, 0.5])


def test_latents_of_a_frozen_encoder_have_no_gradient_in_further_passes_either():
    model = build(tiny("demo", refinement_steps=2))
    freeze(model, "encoder")
    assert not model.encode(faces(model)).mean.requires_grad
    freeze(model, "none")
    model.requires_grad_(True)
    freeze(model, "decoder")
    model.encode(faces(model)).mean.sum().backward()
    assert any(weight.grad is not None for weight in model.encoder.parameters())
    assert all(weight.grad is None for weight in model.decoder.parameters())


@pytest.mark.parametrize("config", cases())
def test_a_model_that_is_made_to_be_loaded_is_the_same_once_it_is(config):
    model = build(config).eval()
    empty = uninitialized(lambda: build(config)).eval()
    empty.load_state_dict(model.state_dict())
    buffers = dict(empty.named_buffers())
    for name, buffer in model.named_buffers():  # those that no file holds, too
        torch.testing.assert_close(buffers[name], buffer, rtol=0, atol=0)
    z = torch.randn(2, *model.latent_shape)
    torch.testing.assert_close(empty.decode(z), model.decode(z), rtol=0, atol=0)


def test_only_the_thread_that_loads_leaves_the_initialization_out():
    made = {}

    def other_thread():
        thread = threading.Thread(target=lambda: made.update(other=torch.nn.Linear(64, 64)))
        thread.start()
        thread.join()
        return torch.nn.Linear(64, 64)

    state = torch.get_rng_state()
    torch.nn.Linear(64, 64)
    after_one = torch.get_rng_state()
    torch.set_rng_state(state)
    uninitialized(other_thread)
    assert torch.equal(torch.get_rng_state(), after_one)  # one layer has drawn its numbers, not two
    assert 0.05 < made["other"].weight.abs().max() <= 1 / 8
