"""Weights of 8 bits: the numbers themselves, bundles and priors that are packed with them, and what is refused."""

import json
import shutil

import numpy as np
import pytest
import torch
from conftest import TINY
from safetensors.torch import load, load_file, save_file
from torch import nn

import facespace
from facespace.core import cards
from facespace.core.console import quiet
from facespace.core.errors import BundleError, UsageError
from facespace.data.faces import FaceSet
from facespace.image.photos import Template
from facespace.models import ModelConfig, build, bundle, fitted
from facespace.models.blocks import TransposedConv, TransposedConv2x
from facespace.models.export import pack
from facespace.models.weight_quantization import quantize, restored, restored_kernels, stored, stored_kernels
from facespace.report import run_files

# The most that rounding takes, in scales, and what float32 loses in dividing and multiplying.
HALF = 0.5 + 127 * 2**-23


def by_formula(weight, axis):
    """Numbers and scales (a row a channel) by numpy: max|w| / 127 and nearest whole numbers."""
    rows = np.moveaxis(weight.detach().numpy(), axis, 0)
    flat = rows.reshape(len(rows), -1)
    scale = np.abs(flat).max(1) / np.float32(127)
    return np.rint(flat.astype(float) / scale[:, None]).reshape(rows.shape), scale


LAYERS = [
    pytest.param(nn.Linear(7, 5), 0, id="Linear"),
    pytest.param(nn.Linear(6, 6), 0, id="Linear-square"),
    pytest.param(nn.Conv1d(4, 3, 5), 0, id="Conv1d"),
    pytest.param(nn.Conv2d(4, 4, 3), 0, id="Conv2d"),
    pytest.param(nn.Conv3d(2, 3, 2), 0, id="Conv3d"),
    pytest.param(nn.ConvTranspose1d(4, 4, 3), 1, id="ConvTranspose1d"),
    pytest.param(nn.ConvTranspose2d(4, 4, 3), 1, id="ConvTranspose2d-square"),
    pytest.param(nn.ConvTranspose2d(5, 3, 2), 1, id="ConvTranspose2d"),
    pytest.param(nn.ConvTranspose3d(2, 3, 2), 1, id="ConvTranspose3d"),
    pytest.param(TransposedConv(6, 4, 4, 2, 1), 1, id="TransposedConv"),
    pytest.param(TransposedConv2x(3, 3, 2, 2), 1, id="Doubling"),
    pytest.param(nn.Embedding(9, 4), 0, id="Embedding"),
]


@pytest.mark.parametrize(("layer", "axis"), LAYERS)
def test_a_layer_is_rounded_by_its_output_channels(layer, axis):
    with torch.no_grad():  # channels of very different sizes, so that a wrong axis shows
        sizes = torch.logspace(-3, 2, layer.weight.shape[axis])
        layer.weight.mul_(sizes.view([-1 if at == axis else 1 for at in range(layer.weight.dim())]))
    kept = stored(layer, 8)
    numbers, scale = by_formula(layer.weight, axis)
    assert kept["weight"].dtype == torch.int8 and kept["weight.scale"].dtype == torch.float32
    assert kept["weight.scale"].numel() == layer.weight.shape[axis] == kept["weight.scale"].shape[axis]
    np.testing.assert_array_equal(kept["weight.scale"].flatten().numpy(), scale)
    np.testing.assert_array_equal(np.moveaxis(kept["weight"].numpy(), axis, 0), numbers)
    products = np.moveaxis(numbers.astype(np.float32) * scale.reshape(-1, *[1] * (numbers.ndim - 1)), 0, axis)
    again = restored(layer, kept)
    np.testing.assert_array_equal(again["weight"].numpy(), products)
    error = np.abs(layer.weight.detach().numpy() - products)
    assert (error <= HALF * kept["weight.scale"].numpy()).all() and error.max() > 0
    if "bias" in kept:
        assert torch.equal(kept["bias"], layer.bias) and again.keys() == layer.state_dict().keys()


@pytest.mark.parametrize(
    "row",
    [[0, 0, 0], [1e-45, 0, -3e-45], [1e-38, -4e-39, 2e-38], [3e38, -1e38, 1], [127, 63.5, -0.5], [1, -1, 1]],
    ids=str,
)
def test_the_extremes_of_a_channel(row):
    weight = torch.tensor([row, [0.3, -0.2, 0.1]])
    numbers, scale = quantize(weight, 0)
    again = numbers.float() * scale
    assert scale.isfinite().all() and (scale > 0).all() and again.isfinite().all()
    assert ((weight.double() - again.double()).abs() <= HALF * scale.double()).all()
    assert numbers.min() >= -127 and torch.equal(numbers[1], torch.tensor([127, -85, 42], dtype=torch.int8))
    if not any(row):
        assert (again[0] == 0).all()


def test_what_was_read_from_8_bits_becomes_the_same_8_bits():
    generator = torch.Generator().manual_seed(0)
    spread = torch.rand(40_000, 1, generator=generator).mul(60).sub(30).exp2()
    weight = torch.randn(40_000, 8, generator=generator) * spread
    weight[::2, 0] = torch.arange(20_000) * 2.0**-16 + 254 - 2.0**-4  # where quotients pass a power of two
    weight[::2, 1:] = 0.3
    numbers, scale = quantize(weight, 0)
    again, same = quantize(numbers.float() * scale, 0)
    assert torch.equal(again, numbers) and torch.equal(same, scale)


class Odd(nn.Module):
    """Parts that no model here has: a matrix of its own, one layer under two names, numbers that are not finite."""

    def __init__(self):
        super().__init__()
        self.matrix, self.first = nn.Parameter(torch.randn(3, 4)), nn.Linear(4, 4)
        self.second, self.broken = self.first, nn.Linear(2, 2)
        self.register_buffer("covariance", torch.eye(4) + 0.1)
        self.register_buffer("count", torch.tensor(3))
        self.huge = nn.Linear(2, 2)
        nn.init.constant_(self.broken.weight, torch.inf)
        nn.init.constant_(self.huge.weight, torch.finfo(torch.float32).max)  # 127 · (max / 127) is more


def test_other_parts_of_a_module_stay_as_exact_as_they_were():
    module = Odd()
    kept, before = stored(module, 8), module.state_dict()
    assert kept["matrix"].dtype == torch.float16
    for name in ("covariance", "count", "broken.weight", "huge.weight", "broken.bias", "first.bias"):
        assert torch.equal(kept[name], before[name]) and kept[name].dtype == before[name].dtype
    assert kept["first.weight"].dtype == kept["second.weight"].dtype == torch.int8
    again = Odd()
    again.load_state_dict(restored(again, kept))
    assert torch.equal(again.first.weight, restored(module, kept)["second.weight"])


# ---- bundles


def tiny(**fields):
    return ModelConfig(**{"image": (3, 16, 16), "latent_dim": 5, "widths": (8, 12), **fields})


MODELS = {
    "batch-norm": tiny(),
    "mlp": tiny(backbone="mlp", conditions=("Hat",)),
    "fitted-gaussian": tiny(bottleneck="deterministic", backbone="conv_trim"),
    "codes": tiny(bottleneck="vq", latent_dim=64, codebook_size=32, backbone="residual"),
    "spatial": tiny(latent_dim=128, spatial=True),
    "hierarchical": tiny(kind="hierarchical", backbone="residual", levels=(2,)),
    "progressive": tiny(backbone="progressive", likelihood="normal_shared"),
    "doubling": tiny(backbone="conv_pool"),
}


@pytest.fixture(params=MODELS)
def whole(request, tmp_path):
    """A bundle of full weights with every statistic away from where it began."""
    torch.manual_seed(0)
    model = build(MODELS[request.param])
    for name, tensor in model.state_dict().items():
        if tensor.dim() and not name.endswith("weight"):
            tensor.add_(torch.rand(tensor.shape))
    if hasattr(model.prior, "fit"):
        model.prior.fit(torch.randn(50, model.latent_shape[0]))
    bundle.save(tmp_path / "whole", model, model.config, Template(16, 16, 3), {"step": 3})
    return bundle.load(tmp_path / "whole")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_bundle_of_8_bits(whole, tmp_path):
    pack(whole, tmp_path / "p", bits=8)
    small, kept = bundle.load(tmp_path / "p"), load_file(tmp_path / "p" / cards.WEIGHTS)
    before, after = whole.model.state_dict(), small.model.state_dict()
    rounded = {name for name, tensor in kept.items() if tensor.dtype == torch.int8}
    assert rounded == {name for name, weight in whole.model.named_parameters() if weight.dim() > 1}
    assert kept.keys() == before.keys() | {f"{name}.scale" for name in rounded}
    for name, tensor in before.items():
        assert after[name].dtype == tensor.dtype
        if name in rounded:
            gap = (after[name].double() - tensor.double()).abs()
            assert (gap <= HALF * kept[f"{name}.scale"].double()).all()
        else:
            assert torch.equal(after[name], tensor), "vectors and statistics stay exact"
    assert (
        small.card["packed"] == {"from": whole.card["fingerprint"], "bits": 8} and small.card["format"] == 2
    )
    weights = sum(weight.numel() for weight in small.model.parameters())
    assert run_files.count_parameters(tmp_path / "p" / cards.WEIGHTS) == weights


def test_packing_again_changes_nothing_and_other_bits_go_both_ways(whole, tmp_path, capsys):
    pack(whole, tmp_path / "8", bits=8)
    eight = bundle.load(tmp_path / "8")
    pack(eight, tmp_path / "again", bits=8)
    assert contents(tmp_path / "again") == contents(tmp_path / "8")
    assert not capsys.readouterr().err
    pack(eight, tmp_path / "16")
    assert "have 8 bits; 16 bits make the files larger" in capsys.readouterr().err
    sixteen = bundle.load(tmp_path / "16")
    assert sixteen.card["format"] == 1 and sixteen.card["packed"]["bits"] == 16
    for a, b in zip(eight.model.parameters(), sixteen.model.parameters()):
        torch.testing.assert_close(a, b, rtol=2**-11, atol=2**-24)
    pack(whole, tmp_path / "half")
    pack(bundle.load(tmp_path / "half"), tmp_path / "back", bits=8)
    for a, b in zip(whole.model.parameters(), bundle.load(tmp_path / "back").model.parameters()):
        assert (a - b).abs().max() <= (0.51 / 127 + 2**-11) * a.abs().max()
    pack(bundle.load(tmp_path / "half"), tmp_path / "half-again")
    assert contents(tmp_path / "half-again") == contents(tmp_path / "half")


def test_a_bundle_of_the_first_format_opens_as_before(trained, tmp_path):
    loaded = bundle.load(trained)
    assert loaded.card["format"] == 1
    halves = load_file(pack_to(loaded, tmp_path / "p", 16) / cards.WEIGHTS)
    assert not any(name.endswith(".scale") for name in halves)
    assert all(
        torch.equal(tensor, halves[name].to(tensor))
        for name, tensor in bundle.load(tmp_path / "p").model.state_dict().items()
    )


def pack_to(loaded, folder, bits):
    pack(loaded, folder, bits=bits)
    return folder


# ---- priors, directions, verbs


@pytest.fixture(scope="module")
def rich(lively, drawn, tmp_path_factory):
    """A copy of the tiny autoencoder with priors and directions. Tests must not change it."""
    run = shutil.copytree(lively, tmp_path_factory.mktemp("rich") / "run")
    with quiet():
        space, faces = facespace.load(run), FaceSet(drawn)
        space.fit_prior(faces, components=2)
        space.fit_prior(faces, "flow", steps=60, width=32)
        space.fit_components(faces, 3)
    return run


@pytest.fixture(scope="module")
def eight(rich, drawn, tmp_path_factory):
    to = tmp_path_factory.mktemp("eight") / "space"
    with quiet():
        z = facespace.load(rich).encode(FaceSet(drawn).images[:20])
    pack(bundle.load(rich), to, encoded=z, bits=8)
    return to


def test_priors_and_directions_come_along(rich, eight, drawn):
    large, small = facespace.load(rich), facespace.load(eight)
    z = torch.from_numpy(large.encode(FaceSet(drawn).images))
    flow, mixture = (load_file(eight / fitted.prior_file(kind)) for kind in ("flow", "mixture"))
    layers = ("first", "last", "modulation")
    assert {name for name, tensor in flow.items() if tensor.dtype == torch.int8} == {
        f"velocity.{name}.weight" for name in ("start", "angle.0", "angle.2", "attributes", "shift", "scale")
    } | {f"velocity.blocks.{block}.{layer}.weight" for block in range(4) for layer in layers}
    assert all(tensor.dtype == torch.float32 for tensor in mixture.values())
    for kind in ("model", "mixture", "flow"):
        with torch.no_grad():
            gap = small.prior(kind).log_prob(z).mean() - large.prior(kind).log_prob(z).mean()
        assert abs(gap) < (0.1 if kind == "flow" else 1e-6)
        difference = small.sample(8, prior=kind).astype(int) - large.sample(8, prior=kind)
        assert np.abs(difference).max() <= 6
    np.testing.assert_array_equal(small.directions().units, large.directions().units)


def test_a_rich_bundle_is_packed_again_to_the_same_bytes(eight, tmp_path):
    pack(bundle.load(eight), tmp_path / "again", bits=8)
    assert contents(tmp_path / "again") == contents(eight)
    pack(bundle.load(tmp_path / "again"), tmp_path / "again", bits=8)  # in its own place
    assert contents(tmp_path / "again") == contents(eight)


def test_a_prior_is_fitted_to_a_bundle_of_8_bits_and_packed_with_it(eight, drawn, tmp_path):
    folder = shutil.copytree(eight, tmp_path / "p")
    with quiet():
        facespace.load(folder).fit_prior(FaceSet(drawn), "flow", steps=3, width=16)
    assert load_file(folder / "prior-flow.safetensors")["velocity.start.weight"].dtype == torch.float32
    assert facespace.load(folder).sample(2, prior="flow").shape == (2, 16, 16, 3)
    pack(bundle.load(folder), tmp_path / "q", bits=8)
    assert facespace.load(tmp_path / "q").sample(2, prior="flow").shape == (2, 16, 16, 3)


def test_training_starts_from_a_bundle_of_8_bits(eight, drawn, tmp_path):
    ways = (
        "model.bottleneck=deterministic",
        "model.likelihood=mse",
        "objective.weights={}",
        "train.learning_rate=1e-12",
    )
    with quiet():
        facespace.train(
            "demo", drawn, tmp_path / "r", settings=(*TINY, *ways), start=eight, trackers=["none"]
        )
    wanted = bundle.load(eight).model.decoder.state_dict()
    for name, tensor in bundle.load(tmp_path / "r/last").model.decoder.state_dict().items():
        if name.endswith("weight"):
            torch.testing.assert_close(tensor, wanted[name], rtol=0, atol=1e-6)


def test_the_verb_and_the_card_say_how_many_bits(cli, rich, tmp_path):
    code, out, _ = cli("pack", rich, "--to", tmp_path / "p", "--bits", "8", "--json")
    facts = json.loads(out)
    assert code == 0 and facts["bits"] == 8
    assert facts["bytes"] == sum(len(content) for content in contents(tmp_path / "p").values())
    assert "packed as 8-bit numbers" in cli("card", tmp_path / "p")[1]
    assert json.loads(cli("card", tmp_path / "p", "--json")[1])["packed"]["bits"] == 8
    for bits in ("7", "0", "-8", "32"):
        code, _, err = cli("pack", rich, "--to", tmp_path / "q", "--bits", bits)
        assert code == 2 and f"weights of 16 or 8 bits; got {bits}." in err and not (tmp_path / "q").exists()
    with pytest.raises(UsageError, match="16 or 8 bits; got 4"):
        pack(bundle.load(rich), tmp_path / "q", bits=4)


# ---- damage that a fingerprint does not show


def change(folder, file, edit):
    """Edits the tensors of a file, and gives the card the fingerprint of what came out."""
    tensors = load((folder / file).read_bytes())  # not mapped: the file is written again
    edit(tensors)
    save_file(tensors, folder / file)
    card = json.loads((folder / "card.json").read_text())
    entry = card if file == cards.WEIGHTS else card["priors"]["flow"]
    if file == cards.WEIGHTS:
        card["priors"] = {}
    entry["fingerprint"] = cards.fingerprint(tensors)
    (folder / "card.json").write_text(json.dumps(card))


def replaced(make):
    """Replaces the first scale in a file."""

    def edit(tensors):
        name = next(name for name in sorted(tensors) if name.endswith("weight.scale"))
        tensors[name] = make(tensors[name]).contiguous()

    return edit


def without_a_scale(tensors):
    del tensors[next(name for name in sorted(tensors) if name.endswith("weight.scale"))]


def a_vector_of_8_bits(tensors):
    name = next(name for name in sorted(tensors) if name.endswith("bias"))
    tensors[name], tensors[name + ".scale"] = tensors[name].to(torch.int8), torch.ones(len(tensors[name]))


def a_scale_of_nothing(tensors):
    tensors["nothing.weight.scale"] = torch.ones(3)


def a_flat_weight(tensors):
    name = next(name for name in sorted(tensors) if tensors[name].dtype == torch.int8)
    tensors[name] = torch.tensor(3, dtype=torch.int8)


DAMAGE = [
    pytest.param(
        replaced(lambda scale: scale.flatten()[:-1]), r"weight\.scale is torch\.float32 \[", id="short"
    ),
    pytest.param(replaced(lambda scale: scale.flatten()), r"weight\.scale is torch\.float32 \[", id="flat"),
    pytest.param(
        replaced(lambda scale: scale.transpose(0, 1)), r"weight\.scale is torch\.float32 \[", id="other-axis"
    ),
    pytest.param(replaced(lambda scale: scale.half()), r"weight\.scale is torch\.float16", id="halves"),
    pytest.param(replaced(lambda scale: scale * float("nan")), "not finite and above 0", id="nan"),
    pytest.param(replaced(lambda scale: scale * 0), "not finite and above 0", id="zero"),
    pytest.param(replaced(lambda scale: -scale), "not finite and above 0", id="negative"),
    pytest.param(without_a_scale, r"8-bit numbers without .*weight\.scale", id="missing"),
    pytest.param(a_vector_of_8_bits, "bias is no weight that is kept as 8-bit numbers", id="vector"),
    pytest.param(a_flat_weight, r"has the shape \[\]|does not fit|does not describe its prior", id="shape"),
    pytest.param(a_scale_of_nothing, "does not fit the model|does not describe its prior", id="left-over"),
]


@pytest.mark.parametrize("file", ["model.safetensors", "prior-flow.safetensors"])
@pytest.mark.parametrize(("edit", "says"), DAMAGE)
def test_a_damaged_scale_is_a_sentence(eight, tmp_path, file, edit, says):
    folder = shutil.copytree(eight, tmp_path / "b")
    change(folder, file, edit)
    with pytest.raises(BundleError, match=f"(?s)({says}).*(Copy the folder again|Fit it again)"):
        facespace.load(folder).sample(2, prior="model" if file == cards.WEIGHTS else "flow")


def test_a_format_of_a_later_facespace_is_named(eight, tmp_path):
    folder = shutil.copytree(eight, tmp_path / "b")
    card = json.loads((folder / "card.json").read_text())
    for version in (3, 0, "2", None, [2]):
        (folder / "card.json").write_text(json.dumps(card | {"format": version}))
        with pytest.raises(BundleError, match=r"reads the formats 1 and 2\. Update facespace"):
            facespace.load(folder)


def test_kernels_without_their_module_take_fewer_bits_and_come_back():
    kernel, vector = torch.randn(6, 3, 4, 4), torch.randn(5)
    for bits, error in (
        (8, kernel.abs().amax((1, 2, 3), keepdim=True) / 254 * 1.001),
        (16, kernel.abs() * 2**-11),
    ):
        kept = stored_kernels({"a": kernel, "b": vector}, bits)
        again = restored_kernels(kept)
        assert (
            set(again) == {"a", "b"} and torch.equal(again["b"], vector) and again["a"].dtype == torch.float32
        )
        assert ((again["a"] - kernel).abs() <= error).all()
        once_more = stored_kernels(again, bits)
        assert all(torch.equal(once_more[name], kept[name]) for name in kept)
    with pytest.raises(ValueError, match=r"without a.scale"):
        restored_kernels({"a": torch.zeros(2, 1, 1, 1, dtype=torch.int8)})
