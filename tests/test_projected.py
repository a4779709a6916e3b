"""The projected discriminator: its frozen networks, mixing, heads, augmentation, moments, and the samples that it judges."""

import json

import numpy as np
import pytest
import torch
from conftest import TINY, pressed_after
from safetensors.torch import save_file
from torch.nn import functional as F

import facespace
from facespace.core.configs import override
from facespace.core.console import quiet
from facespace.core.errors import BundleError, UsageError
from facespace.data.faces import FaceSet
from facespace.models import build, bundle
from facespace.models.export import pack
from facespace.models.fitted import DISCRIMINATOR
from facespace.perception import dlib_resnet, efficientnet
from facespace.recipes import recipe
from facespace.recipes.config import AUGMENTATIONS
from facespace.training.diffaugment import FUNCTIONS, augment
from facespace.training.discriminators import load_discriminator
from facespace.training.moments import DECAY, Moments
from facespace.training.projected import ProjectedAdversary, hinge, scored_images
from facespace.training.projection import WIDTHS, Mixing
from facespace.training.runtime import Runtime

EYES = np.array([(5.0, 6.0), (11.0, 6.0)])
IMAGE = (3, 16, 16)
ALONE = ("train.freeze=encoder", "objective.adversarial_start=0", "train.epochs=1")
JUDGED = ("objective.discriminator=projected", "objective.adversarial=0.01", "objective.discriminator_size=0")


def names_and_shapes():
    """Of the tensors in their order, as the .pth file has them."""
    found = {}

    def add(conv, norm, *shape):
        found[f"{conv}.weight"] = shape
        found.update({f"{norm}.{part}": shape[:1] for part in efficientnet.NORM[:4]})
        found[f"{norm}.num_batches_tracked"] = ()

    add("_conv_stem", "_bn0", 32, 3, 3, 3)
    before, index = 32, 0
    for group in efficientnet.GROUPS:
        for _ in range(group.blocks):
            name, wide = f"_blocks.{index}", before * group.expansion
            if group.expansion > 1:
                add(f"{name}._expand_conv", f"{name}._bn0", wide, before, 1, 1)
            add(f"{name}._depthwise_conv", f"{name}._bn1", wide, 1, group.kernel, group.kernel)
            add(f"{name}._project_conv", f"{name}._bn2", group.channels, wide, 1, 1)
            before, index = group.channels, index + 1
    return found


@pytest.fixture(scope="session")
def weights():
    """Random ones of every shape that the network has."""
    generator, made = torch.Generator().manual_seed(0), {}
    for name, shape in names_and_shapes().items():
        if name.endswith("num_batches_tracked"):
            made[name] = torch.zeros((), dtype=torch.long)
        elif len(shape) == 4:
            made[name] = torch.randn(shape, generator=generator) * (2 / np.prod(shape[1:])) ** 0.5
        else:
            low = 0.5 if name.endswith(("weight", "running_var")) else -0.2
            made[name] = low + torch.rand(shape, generator=generator) * (1.0 if low > 0 else 0.4)
    return made


@pytest.fixture(scope="session")
def weights_file(weights, tmp_path_factory):
    path = tmp_path_factory.mktemp("net") / "w.pth"
    torch.save(weights, path)
    return path


@pytest.fixture
def ready(weights_file, monkeypatch):
    """FACESPACE_EFFICIENTNET names random weights."""
    monkeypatch.setenv(efficientnet.ENVIRONMENT_VARIABLE, str(weights_file))


@pytest.fixture(scope="session")
def fitted(drawn, tmp_path_factory):
    """A tiny trained run with a fitted Gaussian prior. Tests must not change it."""
    to = tmp_path_factory.mktemp("runs") / "fitted"
    with quiet():
        facespace.train("demo", drawn, to, settings=TINY, trackers=["none"])
        facespace.load(to).fit_prior(FaceSet(drawn), "normal")
    return to


@pytest.fixture
def images():
    return torch.rand(2, 4, *IMAGE, generator=torch.Generator().manual_seed(0))


def projected(*settings):
    plan = override(recipe("demo"), [*TINY, *JUDGED, "train.precision=fp32", *settings])
    torch.manual_seed(0)
    return ProjectedAdversary(plan, IMAGE, EYES, Runtime("cpu", plan.train))


def train(data, to, settings, **options):
    with quiet():
        return facespace.train(None, data, to, settings=(*ALONE, *settings), trackers=["none"], **options)


def journal(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def same(x, kernel, stride, groups):
    """A convolution with TensorFlow's padding, as its documentation has it: all of it in front and behind."""
    side = kernel.shape[2]
    total = [
        max(side - stride, 0) if size % stride == 0 else max(side - size % stride, 0) for size in x.shape[2:]
    ]
    high, wide = total
    x = F.pad(x, (wide // 2, wide - wide // 2, high // 2, high - high // 2))
    return F.conv2d(x, kernel, None, stride, 0, 1, groups)


@pytest.mark.parametrize("size", [(16, 16), (33, 46)])
def test_efficientnet_is_its_layers_one_by_one(weights, size):
    """Against convolutions and batch norms that are not merged, in double precision."""
    tensors = iter([t.double() for name, t in weights.items() if not name.endswith("num_batches_tracked")])
    image = torch.rand(2, 3, *size)

    def layer(x, stride=1, depthwise=False):
        kernel, gain, bias, mean, variance = (next(tensors) for _ in range(5))
        x = same(x, kernel, stride, x.shape[1] if depthwise else 1)
        return F.batch_norm(x, mean, variance, gain, bias, eps=1e-3)

    x, expected = layer((image.double() * 255 - 127) / 128, 2).clamp(0, 6), []
    for group in efficientnet.GROUPS:
        for index in range(group.blocks):
            stride, start = group.stride if index == 0 else 1, x
            h = layer(x).clamp(0, 6) if group.expansion > 1 else x
            x = layer(layer(h, stride, depthwise=True).clamp(0, 6))
            x = x + start if index else x
        if group.is_stage:
            expected.append(x)
    found = efficientnet.EfficientNet(weights).stages(image)
    assert len(found) == 4
    for part, wanted, channels in zip(found, expected, efficientnet.CHANNELS, strict=True):
        assert part.shape[1] == channels
        torch.testing.assert_close(part.double(), wanted, rtol=1e-3, atol=1e-3 * float(wanted.abs().max()))


def test_efficientnet_reads_both_formats_and_takes_gray(weights, weights_file, images, tmp_path, monkeypatch):
    save_file(weights, tmp_path / "w.safetensors")
    found = []
    for path in (weights_file, tmp_path / "w.safetensors"):
        monkeypatch.setenv(efficientnet.ENVIRONMENT_VARIABLE, str(path))
        found.append(efficientnet.open_efficientnet().stages(images[0])[3])
    assert torch.equal(*found)
    net = efficientnet.open_efficientnet()
    gray = images[0][:, :1]
    assert torch.equal(net.stages(gray)[0], net.stages(gray.expand(-1, 3, -1, -1))[0])
    assert not any(p.requires_grad for p in net.parameters())


def test_all_missing_networks_of_a_discriminator_are_named_at_once(monkeypatch, tmp_path):
    monkeypatch.setenv("FACESPACE_EFFICIENTNET", str(tmp_path / "none.pth"))
    monkeypatch.delenv("FACESPACE_RECOGNITION", raising=False)
    with pytest.raises(UsageError, match="FACESPACE_EFFICIENTNET, FACESPACE_RECOGNITION"):
        facespace.load_discriminator("faces128")


def test_efficientnet_without_weights_says_what_it_needs(weights, tmp_path, monkeypatch):
    short = dict(list(weights.items())[:40])
    torch.save(short, tmp_path / "short.pth")
    torch.save({**short, "_bn0.bias": torch.zeros(3)}, tmp_path / "other.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    (tmp_path / "torn.pth").write_bytes(b"PK torn")
    for value, says in (
        ("", "FACESPACE_EFFICIENTNET names; it is not set.*lite0"),
        (str(tmp_path / "none.pth"), "which is no file"),
        (str(tmp_path / "short.pth"), "does not fit: a tensor of .* is missing"),
        (str(tmp_path / "other.pth"), r"does not fit: a tensor is \(3,\), not \(32,\)"),
        (str(tmp_path / "list.pth"), "holds no dict of tensors"),
        (str(tmp_path / "torn.pth"), "does not fit"),
    ):
        monkeypatch.setenv(efficientnet.ENVIRONMENT_VARIABLE, value)
        with pytest.raises(UsageError, match=says):
            efficientnet.open_efficientnet()


def test_mixing_is_fixed_linear_and_leaves_random_numbers_alone():
    shapes = [(24, 8, 8), (40, 4, 4), (112, 2, 2), (320, 1, 1)]
    torch.manual_seed(3)
    before = torch.get_rng_state()
    mixing, again, other = Mixing("a", shapes), Mixing("a", shapes), Mixing("b", shapes)
    assert torch.equal(before, torch.get_rng_state())
    maps = [torch.randn(2, *shape) for shape in shapes]
    mixed = mixing(maps)
    assert [part.shape for part in mixed] == [(2, width, *shape[1:]) for width, shape in zip(WIDTHS, shapes)]
    assert all(torch.equal(a, b) for a, b in zip(mixed, again(maps)))
    assert not torch.equal(mixed[0], other(maps)[0])
    assert not list(mixing.parameters()) and not mixing.state_dict()
    # The coarsest scale is a 1×1 convolution alone, a matrix; the next has it, 3×3, enlarged and added.
    matrix, kernel = mixing.get_buffer("channels3")[:, :, 0, 0], mixing.get_buffer("scales2")
    torch.testing.assert_close(mixed[3][:, :, 0, 0], maps[3][:, :, 0, 0] @ matrix.T, rtol=1e-4, atol=1e-5)
    added = mixed[3][:, :, 0, 0] @ kernel[:, :, 1, 1].T  # at one place only the middle of the kernel meets it
    own = torch.einsum("oi,bihw->bohw", mixing.get_buffer("channels2")[:, :, 0, 0], maps[2])
    torch.testing.assert_close(mixed[2], own + added[:, :, None, None], rtol=1e-4, atol=1e-4)
    assert abs(float(matrix.std()) - 320**-0.5) < 0.002


def test_heads_have_spectral_norm_one_and_learn_by_the_hinge_loss(ready, images):
    part = projected("objective.augmentation=[]")
    made, seen = images[0].clone().requires_grad_(), images[1] ** 2
    term = part.generator_terms(made, seen)["adversarial"]
    term.backward()
    assert made.grad is not None and made.grad.abs().sum() > 0
    assert part.heads is not None and all(p.grad is None for p in part.heads.parameters())
    assert all(p.grad is None for p in part.projection.parameters())
    with torch.no_grad():
        logits = part.heads(part.projection.mix(part.projection.features(made)))
        assert len(logits) == 4
        by_hand = np.mean([np.mean(each.numpy()) for each in logits])
    assert float(term.detach()) == pytest.approx(-by_hand * 3 * 16 * 16, rel=1e-4)
    losses = []
    for _ in range(40):
        part.generator_terms(made, seen)
        losses.append(float(part.step(made, seen)["discriminator"]))
    assert losses[-1] < 0.5 < losses[0]
    with torch.no_grad():
        maps = part.projection.mix(part.projection.features(seen))
        for _ in range(30):  # the power method, which gives the norm, is one step behind the weights
            part.heads(maps)
    kernels = [layer.weight for layer in part.heads.modules() if isinstance(layer, torch.nn.Conv2d)]
    assert len(kernels) == 8
    for kernel in kernels:
        singular = np.linalg.svd(kernel.detach().flatten(1).numpy(), compute_uv=False)
        assert singular[0] == pytest.approx(1, abs=0.05)


def test_the_hinge_loss_is_its_formula():
    rng = np.random.default_rng(0)
    real, made = ([rng.normal(size=(5, s, s)).astype(np.float32) for s in (4, 2)] for _ in range(2))
    parts = [(np.maximum(0, 1 - a).mean() + np.maximum(0, 1 + b).mean()) / 2 for a, b in zip(real, made)]
    found = hinge([torch.from_numpy(a) for a in real], [torch.from_numpy(b) for b in made])
    assert float(found.detach()) == pytest.approx(float(np.mean(parts)), rel=1e-5)


def test_augmentation_is_differentiable_and_the_same_for_equal_randomness(images):
    image = images[0].clone().requires_grad_()
    found = []
    for _ in range(2):
        torch.manual_seed(5)
        found.append(augment(image, AUGMENTATIONS))
    assert torch.equal(*found) and found[0].shape == image.shape
    found[0].square().sum().backward()
    assert image.grad is not None and image.grad.isfinite().all() and image.grad.abs().sum() > 0
    assert augment(image, ()) is image
    assert set(FUNCTIONS) == set(AUGMENTATIONS)


def test_each_variation_is_what_it_says(images):
    flat = images.flatten(0, 1)
    torch.manual_seed(0)
    turned = FUNCTIONS["flip"](flat)
    assert (
        all(torch.equal(a, b) or torch.equal(a, b.flip(2)) for a, b in zip(turned, flat))
        and (turned != flat).any()
    )
    moved, places = FUNCTIONS["translation"](flat), set()
    for before, after in zip(flat, moved):
        padded = F.pad(before, (2, 2, 2, 2), value=0.5)
        fits = [
            (y, x)
            for y in range(5)
            for x in range(5)
            if torch.allclose(padded[:, y : y + 16, x : x + 16], after, atol=1e-4)
        ]
        assert len(fits) == 1
        places.update(fits)
    assert len(places) > 3
    cut = FUNCTIONS["cutout"](flat)
    gone = (cut != flat).any(1)
    assert (
        (cut[(cut != flat)] == 0.5).all()
        and gone.flatten(1).sum(1).max() == 64
        and gone.flatten(1).any(1).all()
    )
    torch.manual_seed(0)
    draw = torch.rand(len(flat), 3).numpy()
    torch.manual_seed(0)
    colored = FUNCTIONS["color"](flat).numpy()
    for image, after, (bright, rich, hard) in zip(flat.numpy(), colored, draw):
        image = image + (bright - 0.5) / 2
        gray = image.mean(0, keepdims=True)
        image = gray + (image - gray) * 2 * rich
        np.testing.assert_allclose(after, image.mean() + (image - image.mean()) * (hard + 0.5), atol=1e-5)


@pytest.mark.parametrize("variance", [True, False])
def test_moments_are_those_of_all_faces_and_their_gradient_is_the_batch_s(variance):
    rng = np.random.default_rng(0)
    real = [
        rng.normal(2, 3, (50, 4, 5, 5)).astype(np.float32),
        rng.normal(-1, 0.5, (50, 2, 3, 3)).astype(np.float32),
    ]
    moments = Moments(6, variance)
    moments.measure([torch.from_numpy(part[at : at + 10]) for part in real] for at in range(0, 50, 10))
    pooled = np.concatenate([part.mean((2, 3)) for part in real], 1)
    np.testing.assert_allclose(moments.center.numpy(), pooled.mean(0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(moments.spread.numpy(), pooled.std(0), rtol=1e-4)
    mean, square, apart, x, leaves, found = (
        np.zeros(6),
        np.zeros(6),
        np.zeros(6),
        np.zeros((8, 6)),
        [],
        torch.zeros(()),
    )
    for step in range(150):
        made = [
            rng.normal(1, 2, (8, 4, 5, 5)).astype(np.float32),
            rng.normal(0, 1, (8, 2, 3, 3)).astype(np.float32),
        ]
        leaves = [torch.from_numpy(part).requires_grad_() for part in made]
        found = moments(leaves)
        x = (np.concatenate([part.mean((2, 3)) for part in made], 1) - pooled.mean(0)) / pooled.std(0)
        share = max(1 / (step + 1), 1 - DECAY)
        mean, square = mean + share * (x.mean(0) - mean), square + share * ((x**2).mean(0) - square)
        apart = square - mean**2 - 1
        assert float(found.detach()) == pytest.approx(float((mean**2 + variance * apart**2).mean()), rel=2e-3)
    found.backward()
    # d/dx of mean² + (square − mean² − 1)² with mean and square as they run, and each face a share of the batch alone
    slope = (2 * mean + variance * 2 * apart * (2 * x - 2 * mean)) / (6 * 8) / pooled.std(0)
    grads = [leaf.grad for leaf in leaves]
    assert grads[0] is not None and grads[1] is not None
    np.testing.assert_allclose(grads[0][..., 0, 0].numpy() * 25, slope[:, :4], rtol=5e-3, atol=1e-5)
    np.testing.assert_allclose(grads[1][..., 0, 0].numpy() * 9, slope[:, 4:], rtol=5e-3, atol=1e-5)


def test_the_models_forward_decodes_given_latents(images):
    model, z = build(override(recipe("demo"), TINY).model).eval(), torch.randn(3, 5)
    result = model(images[0], latents=z)
    assert result.generated is not None
    torch.testing.assert_close(result.generated, model.decode(z))
    assert model(images[0]).generated is None


def test_a_recipe_says_what_is_judged(images):
    a, b = images
    goals = {
        on: override(recipe("demo"), [f"objective.adversarial_on={on}"]).objective
        for on in ("reconstructions", "samples", "both")
    }
    assert scored_images(goals["reconstructions"], a, None) == [a]
    assert scored_images(goals["samples"], a, b) == [b]
    assert [id(part) for part in scored_images(goals["both"], a, b)] == [id(a), id(b)]


TAUGHT = (
    *JUDGED,
    "objective.adversarial_on=both",
    "objective.moments=0.01",
    "train.steps=6",
    "train.precision=fp32",
)


def test_an_interrupted_run_resumes_to_the_very_same_weights(drawn, fitted, ready, tmp_path, monkeypatch):
    """Heads, their optimiser and running moments included; and the heads come back from the bundle."""
    train(drawn, tmp_path / "whole", TAUGHT, start=fitted)
    with pressed_after(3, monkeypatch):
        train(drawn, tmp_path / "cut", TAUGHT, start=fitted)
    assert 0 < torch.load(tmp_path / "cut/checkpoint.pt", weights_only=True)["progress"]["step"] < 6
    train(drawn, tmp_path / "cut", TAUGHT, start=fitted, resume=True)
    whole, cut = (torch.load(tmp_path / run / "checkpoint.pt", weights_only=True) for run in ("whole", "cut"))
    for part in ("model", "discriminator", "moments"):
        assert all(torch.equal(tensor, cut[part][name]) for name, tensor in whole[part].items())
    told = journal(tmp_path / "whole")[-1]["train"]
    assert (
        told["moments"] > 0
        and 0 < told["discriminator"] < 3
        and "adversarial" in told
        and "feature_matching" not in told
    )
    before, after = bundle.load(fitted).model.state_dict(), bundle.load(tmp_path / "whole").model.state_dict()
    changed = {name.split(".")[0] for name, tensor in before.items() if not torch.equal(tensor, after[name])}
    assert changed == {"decoder"}
    discriminator, image = load_discriminator(tmp_path / "whole"), torch.rand(3, *IMAGE)
    scores = discriminator.score(image)
    heads = discriminator.heads.state_dict()
    assert scores.shape == (3,) and scores.isfinite().all()
    assert all(torch.equal(tensor, heads[name]) for name, tensor in whole["discriminator"].items())
    with torch.no_grad():
        maps = discriminator.projection.mix(discriminator.projection.features(image))
        by_hand = np.mean([logits.numpy().mean((1, 2)) for logits in discriminator.heads(maps)], 0)
    np.testing.assert_allclose(scores.numpy(), by_hand, rtol=1e-5)
    for bits, away in (
        (16, 1e-3),
        (8, 2e-2),
    ):  # kernels are packed with fewer bits, and scores move by little
        pack(bundle.load(tmp_path / "whole"), tmp_path / f"small{bits}", bits=bits)
        again = load_discriminator(tmp_path / f"small{bits}").score(image)
        torch.testing.assert_close(again, scores, atol=away, rtol=0)


def test_moments_alone_teach_without_a_discriminator(drawn, ready, tmp_path):
    settings = [
        *TINY,
        "objective.moments=0.1",
        "objective.adversarial_start=0",
        "objective.discriminator_size=0",
        "train.steps=2",
    ]
    with quiet():
        facespace.train("demo", drawn, tmp_path / "r", settings=settings, trackers=["none"])
    told = journal(tmp_path / "r")[-1]["train"]
    assert told["moments"] > 0 and not {"discriminator", "adversarial"} & set(told)
    with pytest.raises(BundleError, match="has no discriminator"):
        load_discriminator(tmp_path / "r")


def test_the_patch_discriminator_judges_samples_too(drawn, fitted, tmp_path):
    settings = [
        "objective.adversarial=0.01",
        "objective.feature_matching=0.1",
        "objective.adversarial_on=samples",
        "train.steps=2",
    ]
    train(drawn, tmp_path / "r", settings, start=fitted)
    assert {"discriminator", "adversarial", "feature_matching"} <= set(journal(tmp_path / "r")[-1]["train"])
    assert not (tmp_path / "r/last" / DISCRIMINATOR).exists()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (["objective.feature_matching=1"], "compares layers of the patch discriminator"),
        (["objective.discriminator=patched"], "one of patch, projected"),
        (["objective.discriminator_features=vgg16"], "takes each of efficientnet, recognition"),
        (["objective.discriminator_features=[]"], "needs at least one of"),
        (["objective.augmentation=flip,flip"], "at most once"),
        (["objective.discriminator_size=-1"], "at or above 0"),
        (["objective.moments=-1"], "objective.moments must be at or above 0"),
        (["objective.adversarial_on=samples"], "has no fitted prior.*facespace fit-prior"),
        (["objective.adversarial_on=samples", "train.freeze=none"], "Add --set train.freeze=encoder"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    drawn, trained, ready, tmp_path, settings, says
):
    with pytest.raises(UsageError, match=says):
        train(drawn, tmp_path / "r", [*JUDGED, *settings], start=trained)
    assert not (tmp_path / "r").exists()


def test_a_prior_that_was_not_fitted_is_named(drawn, fitted, ready, tmp_path):
    settings = [*JUDGED, "objective.adversarial_on=samples", "objective.prior=flow"]
    with pytest.raises(UsageError, match=r"a fitted prior 'flow'.*has these: normal"):
        train(drawn, tmp_path / "r", settings, start=fitted)


def test_the_recognition_network_without_weights_names_the_setting(ready, monkeypatch):
    monkeypatch.setenv(dlib_resnet.ENVIRONMENT_VARIABLE, "")
    with pytest.raises(UsageError, match="discriminator_features=recognition needs weights"):
        projected("objective.discriminator_features=efficientnet,recognition")
