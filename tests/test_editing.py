"""Directions, edits and their benchmark: the mathematics by hand, the verbs on drawn faces."""

import json
import re
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

import facespace
from facespace.core.console import quiet
from facespace.core.errors import BundleError, UsageError
from facespace.data.faces import FaceSet
from facespace.evaluation import edit_benchmark as cards
from facespace.evaluation.edit_curves import Point, at_identity, at_rate
from facespace.image.photos import Template
from facespace.latent import directions as finding
from facespace.latent import strengths
from facespace.latent.edit import move, project_to_scores, strength_to_score
from facespace.perception.attributes import AttributeClassifier, load_classifier
from facespace.perception.classifier import ClassifierConfig, ClassifierNetwork
from facespace.space.closed_loop import LatentClassifier, closed_loop_edit
from facespace.space.latent_optimization import optimize_latents


@pytest.fixture(scope="module")
def known():
    """4,000 latents of 6 numbers, stretched and turned. Attribute a depends on x0, b on x1, and they go together; c is
    known of half the faces."""
    random = np.random.default_rng(0)
    x = random.standard_normal((4000, 6))
    x[:, 1] = 0.8 * x[:, 0] + 0.6 * x[:, 1]
    signs = np.sign(np.stack([x[:, 0], x[:, 1], x[:, 2] - 1], 1))
    signs[::2, 2] = np.nan
    stretch = random.standard_normal((6, 6)) + 2 * np.eye(6)
    return x @ stretch + 3, signs, ("a", "b", "c")


@pytest.fixture(scope="module")
def found(known):
    return finding.fit_directions(*known)


@pytest.fixture
def bundle(trained, tmp_path):
    """A copy of the tiny run that a test may change."""
    return shutil.copytree(trained, tmp_path / "run")


def test_whitened_latents_have_unit_covariance(known):
    z = known[0]
    whitening = finding.whitening_of(z)
    x = (z - whitening.center) @ whitening.inverse
    np.testing.assert_allclose(np.cov(x.T), np.eye(6), atol=1e-9)


def test_whitening_of_fewer_faces_than_latents_is_finite():
    whitening = finding.whitening_of(np.random.default_rng(0).standard_normal((4, 10)))
    assert np.isfinite(whitening.inverse).all()


@pytest.mark.parametrize("method", finding.METHODS)
def test_directions_are_unit_vectors_that_tell_faces_apart(known, method):
    z, signs, names = known
    found = finding.fit_directions(z, signs, names, method=method)
    np.testing.assert_allclose(np.linalg.norm(found.units, axis=1), 1)
    assert min(finding.auc(found, z, signs).values()) > 0.95
    assert found.facts["c"]["yes"] + found.facts["c"]["no"] == 2000 and found.facts["a"]["method"] == method


def test_one_unit_is_one_standard_deviation_of_the_projection(known, found):
    z, steps = known[0], found.steps
    for place in range(3):
        readout = found.whitening.inverse @ found.units[place]
        assert ((z - found.whitening.center) @ readout).std() == pytest.approx(1, abs=1e-3)
        assert steps[place] @ readout == pytest.approx(1)


def test_mean_difference_steps_along_the_raw_difference(known):
    z, signs, names = known
    found = finding.fit_directions(z, signs, names, method="mean")
    raw = z[signs[:, 0] > 0].mean(0) - z[signs[:, 0] < 0].mean(0)
    np.testing.assert_allclose(found.steps[0] * found.facts["a"]["difference"], raw, rtol=1e-6)


def test_decorrelated_directions_do_not_drag_each_other(known):
    z, signs, names = known
    mean = finding.fit_directions(z, signs, names, method="mean")
    apart = finding.fit_directions(z, signs, names, method="decorrelated")
    assert mean.correlation[0, 1] > 0.7 > 0.45 > abs(apart.correlation[0, 1])


def test_a_few_pairs_are_drawn_by_seed_and_near_the_whole(known):
    z, signs, names = known
    whole = finding.fit_directions(z, signs, names, ["a"], "mean")
    few = [finding.fit_directions(z, signs, names, ["a"], "mean", shots=10, seed=seed) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(few[0].units, few[1].units)
    assert (few[0].units != few[2].units).any()
    assert all(float(one.units[0] @ whole.units[0]) > 0.5 and one.facts["a"]["yes"] == 10 for one in few)


def test_components_fall_in_variance(known):
    found = finding.components(known[0], 4)
    shares = [found.facts[name]["variance"] for name in found.names]
    assert found.names == ("PC1", "PC2", "PC3", "PC4") and shares == sorted(shares, reverse=True)
    np.testing.assert_allclose(found.units @ found.units.T, np.eye(4), atol=1e-9)


def test_merged_directions_move_and_score_as_before(known, found):
    z = known[0]
    other = finding.custom_direction("own", z[:30] + 1, z[30:60], finding.whitening_of(2 * z[:500] + 1))
    both = finding.merged(found, other)
    assert both.names == ("own", "a", "b", "c")
    np.testing.assert_allclose(both.steps[1:], found.steps, atol=1e-9)
    inside = both.scores(z)[:, 1:] - found.scores(z)
    np.testing.assert_allclose(inside - inside[0], 0, atol=1e-9)  # but for where zero is


def test_an_own_direction_is_judged_by_faces_left_out():
    random = np.random.default_rng(1)
    chance = random.standard_normal((40, 30))
    whitening = finding.whitening_of(random.standard_normal((500, 30)))
    found = finding.custom_direction("nothing", chance[:20], chance[20:], whitening)
    assert 0.2 < found.facts["nothing"]["auc"] < 0.8  # by the faces that it was found in it would be 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (dict(names=["d"]), "Did you mean|Known: a, b, c"),
        (dict(method="magic"), "Unknown method 'magic'"),
        (dict(shots=4000), "--shots must lie between 5 and"),
        (dict(shots=2, names=["a"]), "--shots must lie between 5 and"),
    ],
)
def test_impossible_directions_are_refused(known, change, words):
    z, signs, known_names = known
    with pytest.raises(UsageError, match=words):
        finding.fit_directions(z, signs, known_names, **{"names": ["a"], **change})


def test_too_few_faces_are_refused(known):
    z, _signs, _ = known
    with pytest.raises(UsageError, match="at least 5 faces that have x"):
        finding.fit_direction_table(z[:20], np.ones((20, 1)), ["x"])
    with pytest.raises(UsageError, match="No attribute of this set"):
        finding.fit_directions(z[:20], np.full((20, 1), np.nan), ["x"])


def test_moves_add_strengths_and_locks_hold_scores(known, found):
    z = known[0][:50]
    free = move(z, found, {"a": 2.0})
    np.testing.assert_allclose(free, z + 2 * found.steps[0], rtol=1e-5)
    locked = move(z, found, {"a": 2.0}, ["b", "c"])
    change = found.scores(locked) - found.scores(z)
    np.testing.assert_allclose(change[:, 1:], 0, atol=1e-4)
    assert (change[:, 0] > 0.5).all()
    length = np.linalg.norm((locked - z) @ found.whitening.inverse, axis=1)
    np.testing.assert_allclose(length, 2, atol=1e-4)  # as long as the move that was asked for


@pytest.mark.parametrize("method", finding.METHODS)
def test_one_gap_takes_the_mean_without_to_the_score_of_the_mean_with(known, method):
    z, signs, names = known
    found = finding.fit_directions(z, signs, names, method=method)
    for place, name in enumerate(names):
        with_it, without = (z[signs[:, place] * kind > 0].mean(0) for kind in (1, -1))
        strength = strengths.deviations(found, name, "1g")
        assert strength == pytest.approx(found.facts[name]["gap"])
        moved = found.scores(move(without, found, {name: strength}))[0, place]
        assert moved == pytest.approx(found.scores(with_it)[0, place], abs=1e-4)
        bare = {
            key: value for key, value in found.facts[name].items() if key != "gap"
        }  # as older versions kept them
        older = finding.Directions(found.names, found.units, found.probes, found.whitening, {name: bare})
        assert strengths.gap(older, name) == pytest.approx(strength)


def test_the_gap_of_gaussian_classes_is_the_distance_of_their_means():
    """Two classes of unit variance whose means lie 3 apart: the whitened axis is longer by the spread of the means."""
    random = np.random.default_rng(0)
    kinds = np.sign(random.standard_normal(20_000))
    z = random.standard_normal((20_000, 4)) + 1.5 * kinds[:, None] * [1, 0, 0, 0]
    found = finding.fit_directions(z, kinds[:, None], ["x"], method="mean")
    assert strengths.gap(found, "x") == pytest.approx(3 / np.sqrt(1 + 1.5**2), rel=0.02)
    assert strengths.gap(found, "x") == pytest.approx(found.facts["x"]["difference"])
    np.testing.assert_allclose(found.steps[0] * strengths.gap(found, "x"), [3, 0, 0, 0], atol=0.05)


def test_gaps_and_levels_stay_when_directions_are_merged(known, found):
    z = known[0]
    other = finding.custom_direction("own", z[:30] + 1, z[30:60], finding.whitening_of(2 * z[:500] + 1))
    both = finding.merged(found, other)
    facts = {name: {key: value for key, value in both.facts[name].items() if key != "gap"} for name in "abc"}
    older = finding.Directions(both.names, both.units, both.probes, both.whitening, facts)
    for place, name in enumerate("abc"):
        assert strengths.gap(older, name) == pytest.approx(strengths.gap(found, name))
        with_it = z[known[1][:, place] > 0].mean(0)
        assert both.facts[name]["on"] == pytest.approx(both.scores(with_it)[0, both.index(name)])


def test_strengths_are_read_and_refused(found):
    assert (
        strengths.parse("2") == (2.0, "")
        and strengths.parse(" -1.5G ") == (-1.5, "g")
        and strengths.parse(3) == (3, "")
    )
    assert (
        strengths.parse("0.5d") == (0.5, "d")
        and strengths.parse("1e1") == (10, "")
        and strengths.parse(".5g")[0] == 0.5
    )
    assert all(
        strengths.parse(text) is None for text in ("", "g", "on", "1gg", "1 2", "1x", True, None, "--1")
    )
    for text in ("nan", "inf", "1e99g"):
        with pytest.raises(UsageError, match="finite number"):
            strengths.parse(text)
    with pytest.raises(UsageError, match="got 'much' for a"):
        strengths.deviations(found, "a", "much")
    with pytest.raises(UsageError, match="Unknown direction 'q'"):
        strengths.deviations(found, "q", "1g")
    axes = finding.merged(found, finding.components(np.random.default_rng(0).standard_normal((50, 6)), 2))
    for text in ("1g", "1d"):
        with pytest.raises(UsageError, match="PC1 has no class means"):
            strengths.deviations(axes, "PC1", text)
    assert (
        strengths.gap_of(np.array([1.0, 0]), np.array([0.0, 1]), 1, 0) is None
    )  # what is read does not change
    assert strengths.deviations(found, "a", "0.5d") == pytest.approx(found.facts["a"]["difference"] / 2)


def test_contradictory_locks_are_refused(found):
    z = np.zeros((1, 6))
    with pytest.raises(UsageError, match="a is both edited and locked"):
        move(z, found, {"a": 1.0}, ["a"])
    with pytest.raises(UsageError, match="Unknown direction 'q'"):
        move(z, found, {"a": 1.0}, ["q"])
    twin = finding.Directions(("a", "b"), found.units[[0, 0]], found.units[[0, 0]], found.whitening, {})
    with pytest.raises(UsageError, match="leaves nothing of this edit"):
        move(z, twin, {"a": 1.0}, ["b"])


def test_levels_are_reached_and_scores_kept(known, found):
    z = known[0][:20]
    strengths = strength_to_score(z, found, "a", 1.5, ["c"])
    reached = found.scores(move(z, found, {"a": strengths}, ["c"]))
    np.testing.assert_allclose(reached[:, 0], 1.5, atol=1e-4)
    kept = found.scores(project_to_scores(z, found, ["a", "b"], z[0]))
    np.testing.assert_allclose(kept[:, :2], np.tile(found.scores(z[0])[:, :2], (20, 1)), atol=1e-4)


def test_the_closed_loop_moves_as_little_as_it_needs():
    """A judge that sees x0 and x1 of the latent: goals are reached, locks hold, and what is there stays as it is."""
    judge = LatentClassifier(("first", "second"), lambda z: z, lambda image: 3 * image[:, :2])
    z = np.array([[-1.0, 0.5, 2.0], [2.0, 0.5, 2.0]], np.float32)
    found = closed_loop_edit(z, judge, {"first": True}, ["second"], np.eye(3))
    assert found[0, 0] > 0 and abs(found[0, 1] - 0.5) < 0.05 and abs(found[0, 2] - 2) < 0.05
    np.testing.assert_allclose(found[1], z[1], atol=1e-5)
    gone = closed_loop_edit(z, judge, {"first": False}, [], np.eye(3))
    assert (gone[:, 0] < 0).all()
    for goals, lock in (({"third": True}, []), ({"first": True}, ["thrid"])):
        with pytest.raises(UsageError, match="attribute of the classifier"):
            closed_loop_edit(z, judge, goals, lock, np.eye(3))
    with pytest.raises(UsageError, match="both edited and locked"):
        closed_loop_edit(z, judge, {"first": True}, ["first"], np.eye(3))


def test_optimised_latents_gain_never_lose_and_stay_near_their_start():
    weights = torch.randn(4, 12, generator=torch.Generator().manual_seed(0))
    goal = (torch.ones(2, 4) @ weights).reshape(2, 3, 2, 2)

    def decode(z):
        return (z @ weights).reshape(-1, 3, 2, 2)

    start = np.array([[0.0, 0, 0, 0], [1, 1, 1, 1]], np.float32)  # the second is there already

    def distance(image, target):
        return (image - target).square().flatten(1).sum(1)

    found = optimize_latents(start, goal, decode, distance, np.eye(4), 50)
    assert np.linalg.norm(found[0] - 1) < 0.5 * np.linalg.norm(start[0] - 1)
    np.testing.assert_array_equal(found[1], start[1])
    near = optimize_latents(start, goal, decode, lambda a, b: 1e-3 * distance(a, b), np.eye(4), 200)
    assert 0.01 < np.linalg.norm(near[0] - start[0]) < np.linalg.norm(found[0] - start[0])


def test_a_space_keeps_its_directions(bundle, drawn):
    space, faces = facespace.load(bundle), FaceSet(drawn)
    z = space.encode(faces.images[:4])
    with pytest.raises(BundleError, match="has no directions"):
        space.edit(z, {"smile": 1.0})
    with quiet():
        found = space.fit_directions(faces, ["smile", "yaw"], "mean", split="all")
    again = facespace.load(bundle)
    np.testing.assert_allclose(again.directions().units, found.units, atol=1e-6)
    np.testing.assert_allclose(again.edit(z, {"smile": 2.0}), z + 2 * found.steps[0], atol=1e-4)
    one = strengths.gap(found, "smile")
    np.testing.assert_allclose(
        again.edit(z, {"smile": "2g"}), z + 2 * one * found.steps[0], rtol=1e-3, atol=1e-3
    )
    with pytest.raises(UsageError, match="'much' for smile"):
        again.edit(z, {"smile": "much"})
    scores = again.directions().scores(again.edit(z, {"smile": "on"}, ["yaw"])) - again.directions().scores(z)
    np.testing.assert_allclose(scores[:, 1], 0, atol=1e-3)
    assert (scores[:, 0] > -1e-3).all()  # "on" never takes away
    with pytest.raises(UsageError, match="Did you mean 'smile'"):
        again.edit(z, {"smlie": 1.0})
    own = again.add_direction("squint", z, z + 1) if len(z) >= 5 else None
    assert own is None
    with pytest.raises(UsageError, match="at least 5 faces that have squint"):
        again.add_direction("squint", z, z + 1)


def test_directions_of_other_weights_or_damaged_ones_are_refused(bundle, drawn):
    space = facespace.load(bundle)
    with quiet():
        space.fit_directions(FaceSet(drawn), ["smile"], "mean", split="all")
    card = json.loads((space.folder / "card.json").read_text())
    (space.folder / "card.json").write_text(
        json.dumps({**card, "directions": {**card["directions"], "weights": "other"}})
    )
    with pytest.raises(BundleError, match="model with other weights"):
        facespace.load(bundle).directions()
    (space.folder / "card.json").write_text(json.dumps(card))
    (space.folder / "directions.safetensors").write_bytes(b"cut")
    with pytest.raises(BundleError, match="cut short or damaged"):
        facespace.load(bundle).directions()


def test_the_network_sees_the_same_in_images_as_in_faces():
    net = load_classifier()
    faces = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
    turned = np.ascontiguousarray(faces[:, :, ::-1])
    seen = (
        sum(
            net.differentiable_logits(torch.from_numpy(one).permute(0, 3, 1, 2) / 255)
            for one in (faces, turned)
        )
        / 2
    )
    np.testing.assert_allclose(
        torch.sigmoid(seen).numpy(), net.probabilities(faces), atol=1e-5
    )  # the mean of both ways
    gray = torch.rand(2, 1, 80, 70, requires_grad=True)  # any size, gray, with gradients
    net.differentiable_logits(gray).sum().backward()
    assert (
        net.differentiable_logits(gray).shape == (2, 40)
        and gray.grad is not None
        and gray.grad.abs().sum() > 0
    )
    assert load_classifier("scorer").fingerprint != net.fingerprint


def test_rates_are_read_between_the_points():
    def point(flip, identity, others):
        return Point(1.0, flip, identity, 1 - identity, others, others, ())

    curve = [point(0.0, 0.95, 0.01), point(0.4, 0.9, 0.02), point(0.4, 0.8, 0.03), point(1.0, 0.6, 0.06)]
    half = at_rate(curve, 0.7)
    assert (
        half is not None and half.identity == pytest.approx(0.7) and half.other_change == pytest.approx(0.045)
    )
    first = at_rate(curve, 0.4)
    assert first is not None and first.identity == pytest.approx(0.9)  # where it is first reached
    assert at_rate(curve[:3], 0.7) is None
    kept = at_identity(curve, 0.7)
    assert kept.success_rate == pytest.approx(0.7) and kept.other_change == pytest.approx(0.045)
    assert at_identity(curve, 0.1).success_rate == 1.0


@pytest.fixture
def nets(monkeypatch, trained, drawn):
    """Untrained networks that see something of each name in half of the reconstructions, in place of the two that come
    along."""
    faces = facespace.load(trained).reconstruct(FaceSet(drawn).images)

    def load(which, device):
        torch.manual_seed(1 if which else 0)
        net = ClassifierNetwork(ClassifierConfig(16, 4, (8,), (1,)), 3)
        card = {"fingerprint": "f" * 64, "held_out": {"mean": {"auc": 0.5}}}
        seen = AttributeClassifier(net, ("smile", "yaw", "Bangs"), Template(16, 16), card)
        logits = torch.from_numpy(seen.logits(faces))
        net.slope.copy_(1 / logits.std(0))
        net.offset.copy_(-logits.median(0).values / logits.std(0))
        return seen

    monkeypatch.setattr(cards, "load_classifier", load)


def test_scorecard(cli, bundle, drawn, tmp_path, nets, monkeypatch):
    monkeypatch.setattr(cards, "STRENGTHS", (1.0, 3.0))
    monkeypatch.setattr(cards, "MARGINS", (0.5,))
    monkeypatch.setattr(cards, "DRAWS", 2)
    monkeypatch.setattr(cards, "PAIRS", 5)
    to = tmp_path / "card"
    options = ("--data", drawn, "--split", "all", "--attributes", "smile,yaw", "--count", "8", "--to", to)
    code, out, err = cli("benchmark-edits", bundle, *options)
    assert code == 0, err
    facts = json.loads((to / "edit_benchmark.json").read_text())
    assert set(facts["methods"]) == set(cards.METHODS) and "closed loop, locked" in out
    assert facts["methods"]["mean difference"]["matched"]["other_change_ratio"] == pytest.approx(1)
    page = (to / "report.html").read_text()
    assert (
        "What else changes" in page
        and 'src="data:image/png' in page
        and "http" not in page.split("</style>")[1]
    )
    headings = re.findall(r"<h2[^>]*>([^<]+)</h2>", page)
    assert headings[:2] == ["Best, median and worst", "In short"]  # pictures first
    assert (to / "table.md").read_text().startswith("| attribute |")
    code, _, err = cli("benchmark-edits", bundle, *options)
    assert code == 2 and "already holds an edit benchmark" in err
    (to / "edit_benchmark.json").rename(to / "scorecard.json")  # its name in version 0.1
    cards.LAYOUT.check(to, force=True)
    code, _, err = cli(
        "benchmark-edits", bundle, "--data", drawn, "--attributes", "smile,yow", "--to", tmp_path / "no"
    )
    assert code == 2 and "Did you mean 'yaw'" in err and not (tmp_path / "no").exists()
    code, _, err = cli(
        "benchmark-edits", bundle, *options[:-1], tmp_path / "gaps", "--strengths", "0.5g,1g", "--seed", "3"
    )
    assert code == 0, err
    facts = json.loads((tmp_path / "gaps" / "edit_benchmark.json").read_text())
    assert facts["protocol"]["strengths"] == [0.5, 1] and facts["protocol"]["strength_unit"] == "gap"
    assert [point["strength"] for point in facts["attributes"]["smile"]["curves"]["mean difference"]] == [
        0.5,
        1,
    ]
    for text in ("1g,0.5g", "1,2g", "1,much", "0,1"):
        code, _, err = cli("benchmark-edits", bundle, *options[:-1], tmp_path / "no", "--strengths", text)
        assert code == 2 and "--strengths are rising numbers" in err
    code, _, err = cli("benchmark-edits", bundle, "--data", drawn, "--count", "2", "--to", tmp_path / "no")
    assert code == 2 and "at least 5 faces" in err


@pytest.fixture
def ready(cli, bundle, drawn):
    """A run with directions."""
    code, out, err = cli(
        "directions",
        bundle,
        "--data",
        drawn,
        "--attributes",
        "smile,yaw",
        "--method",
        "mean",
        "--split",
        "all",
    )
    assert code == 0 and "smile" in out and "correlates with" in out, err
    return bundle


def test_edit_draws_and_writes(cli, ready, drawn, photos, tmp_path):
    code, out, err = cli(
        "edit", ready, *photos, "--set", "smile=2", "--lock", "yaw", "--to", tmp_path / "e.png"
    )
    assert code == 0 and "3 faces with smile +2 sd, yaw locked" in out, err
    with Image.open(tmp_path / "e.png") as sheet:
        assert (
            sheet.width > 3 * 256 and sheet.height > 3 * 256
        )  # a row of original, reconstruction and edit each
    code, out, _ = cli(
        "edit", ready, "--random", "2", "--set", "smile=1d", "--to", tmp_path / "z.npy", "--json"
    )
    facts, z = json.loads(out), np.load(tmp_path / "z.npy")
    assert (
        code == 0
        and z.shape == (2, 5)
        and facts["edits"]["smile"]
        == pytest.approx(facespace.load(ready).directions().facts["smile"]["difference"])
    )
    code, *_ = cli(
        "edit", ready, tmp_path / "z.npy", "--set", "smile=0", "--strip=-2:2:5", "--to", tmp_path / "s.png"
    )
    assert code == 0 and Image.open(tmp_path / "s.png").width > 5 * 80
    options = ("--set", "smile=1g", "--strip", "0:1.5g:4")
    code, out, err = cli("edit", ready, tmp_path / "z.npy", *options, "--to", tmp_path / "g.npy")
    assert code == 0 and "smile from +0 to +1.5 gap" in out, err
    gap = strengths.gap(facespace.load(ready).directions(), "smile")
    step = facespace.load(ready).directions().steps[0] * gap * 0.5
    strip = facespace.load(ready).decode(z[:1] + step)
    assert np.abs(strip[0].astype(int) - np.load(tmp_path / "g.npy")[1]).max() <= 1
    code, *_ = cli(
        "edit", ready, photos[0], "--grid", "smile,yaw", "--keep-detail", "--to", tmp_path / "g.png"
    )
    assert code == 0
    code, out, _ = cli(
        "edit",
        ready,
        "--data",
        drawn,
        "--split",
        "all",
        "-n",
        "4",
        "--set",
        "smile=1",
        "--optimize-steps",
        "5",
        "--to",
        tmp_path / "r.png",
    )
    assert code == 0 and "Latents optimised in 5 steps" in out


def test_kept_detail_is_what_the_space_lost(cli, ready, photos, tmp_path):
    code, out, _ = cli(
        "edit",
        ready,
        photos[0],
        "--set",
        "smile=0",
        "--keep-detail",
        "--scale",
        1,
        "--to",
        tmp_path / "e.png",
    )
    assert code == 0 and "own detail added" in out
    sheet, photo = np.asarray(Image.open(tmp_path / "e.png")), np.asarray(Image.open(photos[0]))
    windows = np.lib.stride_tricks.sliding_window_view(sheet, photo.shape)[:, :, 0]
    assert (windows == photo).all((2, 3, 4)).sum() == 2  # nothing edited: the photograph again


def test_own_direction_and_kept_attributes(cli, ready, drawn, photos, tmp_path):
    faces = FaceSet(drawn)
    for name, rows in (("with", range(5)), ("without", range(5, 11))):
        (tmp_path / name).mkdir()
        for row in rows:
            Image.fromarray(faces.images[row]).save(tmp_path / name / f"{row}.png")
    folders = ("--positive", tmp_path / "with", "--negative", tmp_path / "without")
    code, out, err = cli("directions", ready, *folders, "--name", "squint")
    assert code == 0 and "squint" in out and "own" in out, err
    assert set(facespace.load(ready).directions().names) == {"squint", "smile", "yaw"}
    code, *_ = cli(
        "morph", ready, *photos[:2], "--lock", "smile", "--frames", "4", "--to", tmp_path / "m.npy"
    )
    assert code == 0 and len(np.load(tmp_path / "m.npy")) == 4
    code, _, err = cli("directions", ready, "--positive", tmp_path / "with", "--name", "half")
    assert code == 2 and "--positive DIR, --negative DIR and --name NAME" in err


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        (("--set", "smlie=1"), "Did you mean 'smile'"),
        (("--set", "smile"), "NAME=STRENGTH"),
        (("--set", "smile=much"), "NAME=STRENGTH"),
        (("--set", "smile=nan"), "finite number"),
        (("--set", "smile=1", "--lock", "smile"), "both edited and locked"),
        (("--set", "yawn=on"), "attribute of the classifier"),
        (("--set", "smile=1", "--strip", "1:2"), "--strip takes FROM:TO:STEPS"),
        (("--set", "smile=1", "--strip", "1g:2d:3"), "--strip takes FROM:TO:STEPS"),
        (("--set", "smile=1gg"), "NAME=STRENGTH"),
        (("--set", "=1g"), "NAME=STRENGTH"),
        (("--set", "smlie=1g"), "Did you mean 'smile'"),
        (("--grid", "smile"), "--grid takes two attributes"),
        (("--grid", "smile,yaw"), "one face over two attributes"),
        ((), "Say what to change"),
    ],
)
def test_impossible_edits_are_sentences(cli, ready, photos, tmp_path, tokens, words):
    code, _, err = cli("edit", ready, *photos, *tokens, "--to", tmp_path / "e.png")
    assert code == 2 and words in err and not (tmp_path / "e.png").exists()


def test_an_edit_needs_directions_and_latents_of_its_own_space(cli, trained, ready, tmp_path):
    code, _, err = cli("edit", trained, "--random", "1", "--set", "smile=1", "--to", tmp_path / "e.png")
    assert code == 1 and "has no directions" in err and "facespace directions" in err
    np.save(tmp_path / "z.npy", np.zeros((2, 7), np.float32))
    code, _, err = cli("edit", ready, tmp_path / "z.npy", "--set", "smile=1", "--to", tmp_path / "e.png")
    assert code == 2 and "Were they encoded by another space?" in err
    code, _, err = cli(
        "edit",
        ready,
        "--random",
        "1",
        "--set",
        "smile=1",
        "--optimize-steps",
        "3",
        "--to",
        tmp_path / "e.png",
    )
    assert code == 2 and "need photographs" in err


def test_the_second_network_was_measured_on_people_it_had_not_seen():
    held_out = load_classifier("scorer").card["held_out"]
    assert held_out["mean"]["auc"] > 0.88 and held_out["identities_seen_in_training"] == 0
