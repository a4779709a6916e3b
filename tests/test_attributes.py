"""The attribute network: loss and calibration against their definitions, training, labelled sets, and the shipped one."""

import json
import shutil
from importlib.resources import files

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sklearn.metrics import roc_auc_score
from torch.nn import functional as F

import facespace
from facespace.core.cards import fingerprint
from facespace.core.console import quiet
from facespace.core.errors import BundleError, FacespaceError, TrainingError, UsageError
from facespace.core.files import unfinished_folder
from facespace.data import derive
from facespace.data.faces import FaceSet
from facespace.data.sources import SourceOptions, celeba
from facespace.image.photos import Template, read_photo
from facespace.models.weight_quantization import stored
from facespace.perception.attributes import BATCH, AttributeClassifier, load_classifier
from facespace.perception.classifier import ClassifierConfig, ClassifierNetwork
from facespace.training import attribute_classifier as training
from facespace.training.attribute_card import attribute_figures, failing, measure, table
from facespace.training.attribute_classifier import train_attributes
from facespace.training.calibration import calibrate, masked_loss, mean_auc, random_gray, yes_weights
from facespace.training.labelling import label

SMALL = (
    "network.size=16",
    "network.stem=12",
    "network.widths=16,24",
    "network.blocks=1,1",
    "epochs=12",
    "batch=16",
)
QUICK = (*SMALL, "warmup=10", "ema=0.9", "affine=0.2", "jitter=0.05", "gray=0")
NAMES = ("skin_tone", "yaw", "Hat", "background_lightness")


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> FaceSet:
    """240 drawn faces of 16 px, whose attributes are the factors that they were drawn from."""
    with quiet():
        return facespace.prepare(
            "synthetic", to=tmp_path_factory.mktemp("many") / "set", size=16, limit=240, workers=1
        )


@pytest.fixture(scope="module")
def folder(many, tmp_path_factory):
    """A small network's folder. Tests must not change it."""
    to = tmp_path_factory.mktemp("nets") / "net"
    with quiet():
        train_attributes(many, to, attributes=NAMES, settings=QUICK)
    return to


@pytest.fixture(scope="module")
def net(folder) -> AttributeClassifier:
    return load_classifier(folder)


def copied(folder, to, **changes):
    """A copy of a network's folder with another card."""
    shutil.copytree(folder, to)
    card = json.loads((to / "card.json").read_text())
    (to / "card.json").write_text(json.dumps({**card, **changes}))
    return to


# Loss and calibration


def test_unknown_labels_do_not_contribute():
    logits = torch.randn(5, 3, requires_grad=True)
    attributes = torch.tensor(
        [[1, -1, torch.nan], [torch.nan, 0, 0.3], [torch.nan] * 3, [-2, 1, -1], [1, 1, 1]]
    )
    masked_loss(logits, attributes, torch.tensor([2.0, 1.0, 0.5]), smoothing=0.1).backward()
    unknown = attributes.isnan() | (attributes == 0)
    assert logits.grad is not None
    assert (logits.grad[unknown] == 0).all()
    assert (logits.grad[~unknown] != 0).all()
    nothing = masked_loss(logits, torch.full((5, 3), torch.nan))
    assert nothing == 0
    assert torch.equal(torch.autograd.grad(nothing, logits)[0], torch.zeros(5, 3))


def test_the_loss_is_the_cross_entropy_of_the_known():
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(40, 2)), draw.choice([1.0, -1.0, np.nan], (40, 2))
    p, weight, terms = 1 / (1 + np.exp(-x)), (3.0, 0.7), []
    for row, column in np.argwhere(~np.isnan(y)):
        goal = 0.9 if y[row, column] > 0 else 0.1
        terms.append(
            -weight[column] * goal * np.log(p[row, column]) - (1 - goal) * np.log(1 - p[row, column])
        )
    found = masked_loss(torch.tensor(x), torch.tensor(y), torch.tensor(weight), smoothing=0.2)
    assert float(found) == pytest.approx(np.mean(terms), rel=1e-6)


def test_rare_attributes_weigh_more():
    attributes = np.array([[1, np.nan], [-1, 1], [-1, 1], [-1, -1], [-1, np.nan]])
    assert yes_weights(attributes, 0.5).tolist() == pytest.approx([(5 / 2) ** 0.5, (2 / 3) ** 0.5])
    assert yes_weights(attributes, 0).tolist() == [1, 1]


def calibration_error(p: np.ndarray, truth: np.ndarray) -> float:
    """By its definition: the bins' distances between share and mean probability, weighted by their faces."""
    bins = np.minimum((p * 15).astype(int), 14)
    return sum(abs(truth[bins == b].mean() - p[bins == b].mean()) * (bins == b).mean() for b in set(bins))


def test_calibration_mends_logits_that_are_too_sure():
    draw = np.random.default_rng(1)
    true = draw.normal(-1, 1.5, (8000, 1))
    yes = draw.random((8000, 1)) < 1 / (1 + np.exp(-true))
    logits, labels = (3 * true + 1).astype(np.float32), np.where(yes, 1, -1).astype(np.float32)
    labels[::9] = np.nan
    slope, offset = calibrate(logits, labels)
    assert slope[0] == pytest.approx(1 / 3, rel=0.1)
    assert offset[0] == pytest.approx(-1 / 3, abs=0.1)
    before, after = (1 / (1 + np.exp(-x[:, 0])) for x in (logits, logits * slope + offset))
    assert calibration_error(before, yes[:, 0]) > 0.1
    assert calibration_error(after, yes[:, 0]) < 0.02
    assert attribute_figures(before, np.where(yes[:, 0], 1, -1), False).calibration_error == pytest.approx(
        calibration_error(before, yes[:, 0]), abs=1e-3
    )


def test_calibration_stays_finite_and_never_turns_an_answer():
    labels = np.array([1, 1, 1, -1, -1, -1, -1], np.float32)[:, None]
    apart = np.array([5, 6, 7, -5, -6, -7, -8], np.float32)[:, None]
    slope, offset = calibrate(apart, labels)
    assert 0 < slope[0] < 10
    p = 1 / (1 + np.exp(-(slope * apart + offset)[:, 0]))
    assert p[:3].mean() == pytest.approx(4 / 5, abs=0.02)  # Platt's targets, since three faces prove little
    slope, offset = calibrate(-apart, labels)
    assert slope[0] == 0
    assert 1 / (1 + np.exp(-offset[0])) == pytest.approx(4 / 9)
    only_yes = calibrate(apart[:3], labels[:3])
    assert np.isfinite(only_yes).all()


def test_mean_auc_leaves_out_what_has_one_kind():
    scores, labels = np.array([[1, 0], [2, 1], [3, 2.0]]), np.array([[-1, 1], [1, 1], [np.nan, 1]])
    assert mean_auc(scores, labels) == 1
    assert mean_auc(scores, np.full((3, 2), np.nan)) == 0.5


def test_some_gray_is_pillows_gray():
    image = torch.rand(64, 3, 4, 4)
    gray = random_gray(image, 1.0)
    assert torch.allclose(gray[:, 0], 0.299 * image[:, 0] + 0.587 * image[:, 1] + 0.114 * image[:, 2])
    assert torch.equal(gray[:, 0], gray[:, 2])
    assert torch.equal(random_gray(image, 0.0), image)


# Training


def test_a_known_factor_is_learned(folder, net, many):
    rows = many.rows("test")
    truth = many.attributes[rows][:, [many.attribute_names.index(name) for name in NAMES]]
    p = net.probabilities(many.images[rows])
    column = NAMES.index("background_lightness")
    assert roc_auc_score(truth[:, column] > 0, p[:, column]) > 0.85
    row = net.card["held_out"]["attributes"]["background_lightness"]
    assert row["auc"] == pytest.approx(roc_auc_score(truth[:, column] > 0, p[:, column]), abs=1e-4)
    assert row["accuracy"] == pytest.approx(((p[:, column] > 0.5) == (truth[:, column] > 0)).mean(), abs=1e-4)
    assert (row["yes"], row["no"]) == ((truth[:, column] > 0).sum(), (truth[:, column] < 0).sum())
    assert {path.name for path in folder.iterdir()} == {"model.safetensors", "card.json"}
    assert not unfinished_folder(folder).exists()


def test_the_card_tells_what_it_is(net, many):
    card = net.card
    assert tuple(card["attributes"]) == net.names == NAMES
    assert card["data"]["fingerprint"] == many.fingerprint
    assert card["terms"] == many.card["terms"]
    assert card["parameters"] == sum(
        p.numel() for p in ClassifierNetwork(ClassifierConfig(16, 12, (16, 24), (1, 1)), 4).parameters()
    )
    assert card["held_out"]["identities_seen_in_training"] == 0
    assert set(card["limitations_by_attribute"]) == set(NAMES)
    assert "Hat" in table(card["held_out"])


def test_an_interrupted_training_goes_on_as_if_it_had_not_been(many, tmp_path, monkeypatch):
    settings, seen = (*QUICK, "epochs=3"), []

    def stop(*arguments):
        kept(*arguments)
        seen.append(arguments)
        if len(seen) == 2:
            raise KeyboardInterrupt

    with quiet():
        whole = train_attributes(many, tmp_path / "whole", attributes=NAMES[:2], settings=settings)
        kept = training.checkpoint.save
        monkeypatch.setattr(training.checkpoint, "save", stop)
        with pytest.raises(KeyboardInterrupt):
            train_attributes(many, tmp_path / "cut", attributes=NAMES[:2], settings=settings)
        monkeypatch.undo()
        assert not (tmp_path / "cut").exists()
        with pytest.raises(TrainingError, match="another plan"):
            train_attributes(many, tmp_path / "cut", attributes=NAMES[:2], settings=QUICK, resume=True)
        again = train_attributes(many, tmp_path / "cut", attributes=NAMES[:2], settings=settings, resume=True)
    assert again["fingerprint"] == whole["fingerprint"]


# The network


def test_any_prepared_face_is_taken(net, many):
    faces = np.array(many.images[:5])
    p = net.probabilities(faces)
    assert p.shape == (5, 4)
    assert p.dtype == np.float32
    assert ((p > 0) & (p < 1)).all()
    assert net.features(faces).shape == (5, 24)
    assert net.features(faces).dtype == np.float32
    large = faces.repeat(3, 1).repeat(3, 2)
    assert np.abs(net.probabilities(large) - p).max() < 0.2  # Lanczos brings nearly the same faces back
    gray = faces[..., :1]
    assert np.array_equal(net.probabilities(gray), net.probabilities(gray.repeat(3, -1)))
    assert net.probabilities(faces[:0]).shape == (0, 4)
    assert net.probabilities(large[:, :, :20]).shape == (5, 4)


def test_batches_do_not_matter(net, many):
    faces = np.concatenate([many.images, many.images[:40]])
    assert len(faces) > BATCH
    assert np.allclose(net.probabilities(faces)[-40:], net.probabilities(faces[:40]), atol=1e-5)


def test_logits_are_linear_in_features_and_know_left_from_right(net, many):
    faces = np.array(many.images[:6])
    mirrored = np.ascontiguousarray(faces[:, :, ::-1])
    signs = np.where(np.array(NAMES) == "yaw", -1, 1)
    assert np.allclose(net.logits(mirrored), net.logits(faces) * signs, atol=1e-4)
    head = net.model.head
    ways = [
        F.linear(torch.from_numpy(net.features(x)), head.weight, head.bias).numpy() for x in (faces, mirrored)
    ]
    assert np.allclose((ways[0] + ways[1] * signs) / 2, net.logits(faces), atol=1e-4)


def test_sided_attributes_change_places_in_the_mirror():
    torch.manual_seed(0)
    names = ("left_eye_open", "Smiling", "right_eye_open")
    net = AttributeClassifier(
        ClassifierNetwork(ClassifierConfig(16, 4, (8,), (1,)), 3), names, Template(16, 16), {}
    )
    faces = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), np.uint8)
    assert np.allclose(
        net.logits(np.ascontiguousarray(faces[:, :, ::-1])), net.logits(faces)[:, [2, 1, 0]], atol=1e-5
    )


def test_the_network_has_the_size_it_should():
    count = sum(p.numel() for p in ClassifierNetwork(ClassifierConfig(), 40).parameters())
    assert count <= 1_400_000
    assert ClassifierNetwork(ClassifierConfig(), 40).features(torch.rand(2, 3, 64, 64)).shape == (2, 192)
    assert ClassifierNetwork(ClassifierConfig(size=44), 2)(torch.rand(2, 3, 44, 44)).shape == (2, 2)


def test_the_last_of_what_is_seen_on_the_way_is_what_the_logits_are_made_of():
    net, image = (
        ClassifierNetwork(ClassifierConfig(32, 4, (8, 12), (1, 2)), 3).eval(),
        torch.rand(2, 3, 32, 32),
    )
    seen = net.stages(image)
    assert [tuple(layer.shape[1:]) for layer in seen] == [(4, 16, 16), (8, 8, 8), (12, 4, 4), (12, 4, 4)]
    torch.testing.assert_close(seen[-1].mean((2, 3)), net.features(image))


# Labelled sets


def test_a_labelled_set_holds_what_the_network_sees(net, folder, many, tmp_path):
    with quiet():
        made = label(many, tmp_path / "new", folder, ["Hat", "yaw"], margin=0.3)
    assert made.attribute_names == ("Hat", "yaw")
    assert np.array_equal(made.images, many.images)
    assert (made.ids == many.ids).all()
    assert (made.splits == many.splits).all()
    score = 2 * net.probabilities(many.images)[:, [2, 1]] - 1
    sure = np.abs(score) >= 0.3
    assert 0 < sure.mean() < 1
    assert np.array_equal(np.isnan(made.attributes), ~sure)
    assert np.allclose(made.attributes[sure], score[sure], atol=1e-6)
    told = made.card["labelled"]
    assert told["network"] == net.fingerprint
    assert (told["attributes"], told["unknown_within"], told["known_kept"]) == (["Hat", "yaw"], 0.3, False)
    assert net.card["terms"] in made.card["terms"]
    assert derive.split(made, tmp_path / "split").card["labelled"] == told


def test_known_attributes_are_kept_beside(folder, net, many, tmp_path):
    known = np.array(
        many.attributes[:, [many.attribute_names.index("smile"), many.attribute_names.index("Hat")]]
    )
    known[::2, 1] = np.nan
    with quiet():
        half = derive.relabel(
            many, ["smile", "hat"], known, tmp_path / "half", "half of the hats forgotten", {}
        )
        made = label(half, tmp_path / "new", net, keep_known=True)
    assert made.attribute_names == ("smile", "hat", "skin_tone", "yaw", "background_lightness")
    assert np.allclose(made.attributes[:, 0], known[:, 0])
    assert np.allclose(made.attributes[1::2, 1], known[1::2, 1])
    assert np.allclose(made.attributes[::2, 1], 2 * net.probabilities(many.images[::2])[:, 2] - 1, atol=1e-6)
    assert "half of the hats forgotten" in made.card["notes"]


def test_both_verbs(cli, many, tmp_path):
    to = tmp_path / "net"
    settings = [token for setting in (*QUICK, "epochs=1") for token in ("--set", setting)]
    code, out, _ = cli(
        "train-attributes", "--data", many.root, "--to", to, "--attributes", "Hat,yaw", *settings, "--json"
    )
    assert code == 0
    assert set(json.loads(out)["held_out"]["attributes"]) == {"Hat", "yaw"}
    code, out, _ = cli(
        "label", many.root, "--classifier", to, "--to", tmp_path / "new", "--attributes", "Hat", "--json"
    )
    assert code == 0
    assert json.loads(out)["labelled"]["attributes"] == ["Hat"]
    assert FaceSet(tmp_path / "new").attribute_names == ("Hat",)
    code, out, _ = cli(
        "label", many.root, "--classifier", to, "--to", tmp_path / "new", "--force", "--keep-known"
    )
    assert code == 0
    assert "of all values are unknown" in out
    code, _, err = cli("label", many.root, "--classifier", to, "--to", tmp_path / "new")
    assert (code, "--force" in err) == (2, True)


# What goes wrong


def test_wrong_wishes_are_sentences(folder, many, tmp_path):
    bare = derive.relabel(
        many, [], np.empty((len(many), 0), np.float32), tmp_path / "bare", "nothing known", {}
    )
    always = derive.relabel(
        many, ["Hat"], np.ones((len(many), 1), np.float32), tmp_path / "always", "all hats", {}
    )
    sided = derive.relabel(
        many, ["left_x", "right_x"], np.array(many.attributes[:, :2]), tmp_path / "sided", "sides", {}
    )
    to = tmp_path / "net"
    (other := tmp_path / "other").mkdir()
    (other / "mine.txt").write_text("mine")
    wrong = [
        (dict(data=bare), "no attributes to learn"),
        (dict(data=always), "both yes and no"),
        (dict(data=sided, attributes=["left_x"]), "change places in a mirror"),
        (dict(attributes=["Hatt"]), "Did you mean 'Hat'"),
        (dict(to=other), "holds other files"),
        (dict(to=folder), "--force"),
        (dict(settings=["epoch=3"]), "Did you mean 'epochs'"),
        (dict(settings=["network.widths=16"]), "as long as each other"),
        (dict(settings=["network.size=8"]), "too small"),
        (dict(settings=["smoothing=1"]), "smoothing"),
    ]
    with quiet():
        for wish, sentence in wrong:
            with pytest.raises(UsageError, match=sentence):
                train_attributes(**{"data": many, "to": to, **wish})
        with pytest.raises(UsageError, match="Did you mean 'Hat'"):
            label(many, to, folder, ["hat"])
        with pytest.raises(UsageError, match="margin"):
            label(many, to, folder, margin=1)
        with pytest.raises(TrainingError, match="resume"):
            train_attributes(many, to, resume=True)
    assert not to.exists()
    assert (other / "mine.txt").read_text() == "mine"


def test_faces_are_bytes(net):
    with pytest.raises(UsageError, match="uint8"):
        net.probabilities(np.zeros((2, 16, 16, 3), np.float32))


def test_damage_is_a_sentence(folder, trained, tmp_path):
    weights = (folder / "model.safetensors").read_bytes()
    for name, damage, sentence in [
        ("cut", weights[:-100], "cut short or damaged"),
        ("other", weights[:-1] + bytes([weights[-1] ^ 1]), "not the file that its card describes"),
    ]:
        copied(folder, tmp_path / name)
        (tmp_path / name / "model.safetensors").write_bytes(damage)
        with pytest.raises(BundleError, match=sentence):
            load_classifier(tmp_path / name)
    copied(folder, tmp_path / "none")
    (tmp_path / "none" / "model.safetensors").unlink()
    for path, sentence in [
        (tmp_path / "none", "missing"),
        (copied(folder, tmp_path / "fewer", attributes=["Hat"]), "does not fit"),
        (copied(folder, tmp_path / "layers", network={"depth": 3}), "does not describe"),
        (copied(folder, tmp_path / "future", format=99), "Update facespace"),
        (tmp_path / "nowhere", "no attribute network"),
        (trained / "best", "holds a bundle, not an attribute network"),
    ]:
        with pytest.raises(BundleError, match=sentence):
            load_classifier(path)
    (tmp_path / "fewer" / "card.json").write_text("{")
    with pytest.raises(FacespaceError, match="cannot be read"):
        load_classifier(tmp_path / "fewer")


def test_8_bit_weights_are_multiplied_by_their_scales(folder, net, many, tmp_path):
    before = net.logits(many.images[:20])
    tensors = stored(net.model, 8)
    assert sum(tensor.dtype == torch.int8 for tensor in tensors.values()) >= 4
    eight = copied(folder, tmp_path / "8", fingerprint=fingerprint(tensors))
    save_file(tensors, eight / "model.safetensors")
    change = np.abs(load_classifier(eight).logits(many.images[:20]) - before).max()
    assert 0 < change < 0.1 * np.abs(before).max()
    one = next(name for name in tensors if name.endswith(".scale"))
    without = {name: tensor for name, tensor in tensors.items() if name != one}
    for number, wrong in enumerate((without, {**tensors, one: torch.ones(1, 4_000_000)})):
        other = copied(folder, tmp_path / f"wrong-{number}", fingerprint=fingerprint(wrong))
        save_file(wrong, other / "model.safetensors")
        with pytest.raises(BundleError, match="does not fit the network"):
            load_classifier(other)


def test_failings_are_told():
    row = attribute_figures(np.linspace(0, 0.4, 50), np.where(np.arange(50) % 10, -1, 1), False)
    assert row.accuracy == row.majority_accuracy == 0.9
    text = failing(row)
    for sentence in ("Misses 100%", "no better than always", "weak", "Only 5 held-out faces have it"):
        assert sentence in text
    nothing = measure(np.full((3, 1), 0.2), np.full((3, 1), np.nan), np.full((3, 1), 1.0), ["A"])
    assert nothing.mean["auc"] is None
    assert "nothing is known" in failing(nothing.attributes["A"])


# The shipped network


def test_the_shipped_network_is_small_and_whole():
    shipped = files("facespace") / "weights"
    sizes = [len((shipped / f"attributes.{ending}").read_bytes()) for ending in ("safetensors", "json")]
    assert sum(sizes) <= 3_000_000
    net = load_classifier()
    assert len(net.names) == 40
    assert "non-commercial" in net.card["terms"]
    assert net.card["held_out"]["identities_seen_in_training"] == 0
    p = net.probabilities(np.zeros((2, 171, 186, 1), np.uint8))
    assert p.shape == (2, 40)
    assert np.isfinite(p).all()


def test_the_shipped_network_sees_smiles_in_real_faces(real):
    net, listing = load_classifier(), celeba.read(real / "celeba", SourceOptions())
    template = Template(64, 64, 3, "center-148")
    rows = [row for row, face in enumerate(listing.faces) if face.split == "test"][:300]
    faces = np.stack([template.prepare(read_photo(listing.faces[row].image)) for row in rows])  # type: ignore[arg-type]
    p = net.probabilities(faces)
    for name in ("Smiling", "Male", "Eyeglasses"):
        truth = listing.values[rows, listing.attributes.index(name)] > 0
        assert roc_auc_score(truth, p[:, net.names.index(name)]) > 0.9
