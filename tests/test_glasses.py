"""Kinds of an attribute, faces with glasses drawn on, and the directions found from both."""

import json
import shutil

import numpy as np
import pytest

import facespace
from facespace.core.console import quiet
from facespace.core.errors import UsageError
from facespace.data.faces import FaceSet
from facespace.image import overlays
from facespace.image.photos import Template
from facespace.latent import directions as finding
from facespace.latent import strengths
from facespace.latent.kinds import find_clusters
from facespace.space import direction_fitting

TEMPLATE = Template(64, 64, 3, "center-148", (218, 178))


@pytest.fixture(scope="module")
def kinds():
    """3,000 latents of 8 numbers: 200 faces with an attribute at +4 along one axis, 100 at +4 along another, and others."""
    random = np.random.default_rng(0)
    z = random.standard_normal((3000, 8))
    truth = np.full(3000, -1)
    truth[:200], truth[200:300] = 0, 1
    z[truth == 0, 2] += 4
    z[truth == 1, 5] += 4
    return z @ (random.standard_normal((8, 8)) + 3 * np.eye(8)), truth


@pytest.fixture
def bundle(trained, tmp_path):
    """A copy of the tiny run that a test may change."""
    return shutil.copytree(trained, tmp_path / "run")


def test_kinds_are_the_clusters_the_largest_first(kinds):
    z, truth = kinds
    signs = np.where(truth >= 0, 1.0, -1.0)
    signs[-10:] = np.nan
    found = find_clusters(z, signs, 2, finding.whitening_of(z)).signs(z, signs)
    for kind in (0, 1):
        assert (found[truth == kind, kind] == 1).mean() > 0.98
        assert np.isnan(found[truth == 1 - kind, kind]).mean() > 0.98  # of the other kind nothing is said
    assert (found[truth < 0][:-10] == -1).all() and np.isnan(found[-10:]).all()
    again = find_clusters(z, signs, 2, finding.whitening_of(z)).signs(z, signs)
    np.testing.assert_array_equal(found, again)


def test_impossible_kinds_are_refused(kinds):
    z, truth = kinds
    whitening = finding.whitening_of(z)
    for count in (1, 10):
        with pytest.raises(UsageError, match="2 to 9 kinds"):
            find_clusters(z, np.ones(len(z)), count, whitening)
    few = np.where(np.arange(len(z)) < 9, 1.0, -1.0)
    with pytest.raises(UsageError, match="at least 10 faces with the attribute; this split has 9"):
        find_clusters(z, few, 2, whitening)
    lonely = np.where((truth == 0) | (np.arange(len(z)) == 250), 1.0, -1.0)
    far = z.copy()
    far[250] += 100
    with pytest.raises(UsageError, match="smallest of 2 kinds has 1"):
        find_clusters(far, lonely, 2, whitening)


@pytest.mark.parametrize("name", overlays.OVERLAYS)
def test_glasses_touch_only_the_part_around_the_eyes(name):
    make, _ = overlays.OVERLAYS[name]
    random = np.random.default_rng(3)
    face = random.integers(0, 256, (64, 64, 3), np.uint8)
    rows, columns = overlays.window((64, 64), TEMPLATE.points)
    eyes = TEMPLATE.points[:2]
    assert (
        rows.start < eyes[:, 1].min() - 4 and rows.stop < TEMPLATE.points[3:, 1].min()
    )  # the mouth stays free
    for _ in range(20):
        changed = (overlays.add_glasses(face, TEMPLATE.points, make(random)) != face).any(2)
        inside = changed[rows, columns].sum()
        assert 60 < inside == changed.sum()
        assert np.abs(np.argwhere(changed)[:, 1].mean() - eyes[:, 0].mean()) < 3  # on both sides of the nose


def test_glasses_are_the_same_for_a_seed_and_gray_faces_stay_gray():
    face = np.full((64, 64, 1), 180, np.uint8)
    first, second = (
        overlays.add_glasses(face, TEMPLATE.points, overlays.dark(np.random.default_rng(5))) for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)
    assert first.shape == (64, 64, 1) and first.min() < 100 and face.min() == 180
    colour = overlays.add_glasses(
        np.repeat(face, 3, 2), TEMPLATE.points, overlays.dark(np.random.default_rng(5))
    )
    luminance = colour @ np.array([0.299, 0.587, 0.114])
    assert np.abs(luminance - first[..., 0]).max() < 2


def test_dark_lenses_are_dark_and_two_kinds_are_called_so():
    face = np.full((64, 64, 3), 180, np.uint8)
    random = np.random.default_rng(0)
    worn = {
        name: [overlays.add_glasses(face, TEMPLATE.points, make(random)) for _ in range(20)]
        for name, make in (("dark", overlays.dark), ("clear", overlays.clear))
    }
    light = {
        name: [overlays.lens_brightness(one, TEMPLATE.points) for one in some] for name, some in worn.items()
    }
    assert overlays.lens_brightness(face, TEMPLATE.points) == pytest.approx(1)
    assert max(light["dark"]) < 0.6 < 0.7 < min(light["clear"]) and max(light["clear"]) < 1.1
    both = np.stack([worn["dark"][0], worn["clear"][0]])
    assert direction_fitting.name_kinds("Eyeglasses", both, TEMPLATE.points) == [
        "Sunglasses",
        "Eyeglasses-clear",
    ]
    assert direction_fitting.name_kinds("Hat", both, TEMPLATE.points) == ["Hat-1", "Hat-2"]
    three = np.concatenate([both, both[:1]])
    assert direction_fitting.name_kinds("Eyeglasses", three, TEMPLATE.points)[2] == "Eyeglasses-3"


def test_a_paired_direction_is_the_mean_difference_of_the_same_faces():
    random = np.random.default_rng(0)
    lacking = 3 * random.standard_normal((400, 6)) + 1
    step = np.array([0.5, 0, 0, -0.2, 0, 0])
    having = lacking + step + 0.1 * random.standard_normal((400, 6))
    found = direction_fitting.paired("worn", having, lacking, finding.whitening_of(lacking))
    raw = (having - lacking).mean(0)
    np.testing.assert_allclose(found.steps[0] * strengths.gap(found, "worn"), raw, atol=1e-6)
    assert found.facts["worn"]["method"] == "paired"


def test_a_space_keeps_a_paired_direction(bundle, drawn):
    space, faces = facespace.load(bundle), FaceSet(drawn)
    with quiet():
        known = space.fit_paired(faces, "Eyeglasses-dark", split="all")
    bare = faces.images[faces.attribute_signs("all")[:, faces.attribute_names.index("Eyeglasses")] < 0]
    random = np.random.default_rng(0)
    worn = np.stack(
        [overlays.add_glasses(face, faces.template.points, overlays.dark(random)) for face in bare]
    )
    expected = (space.encode(worn) - space.encode(bare)).mean(0)
    place = known.index("Eyeglasses-dark")
    found = known.steps[place] * known.facts["Eyeglasses-dark"]["gap"]
    np.testing.assert_allclose(found, expected, atol=1e-4)
    z = space.encode(bare[:2])
    np.testing.assert_allclose(space.edit(z, {"Eyeglasses-dark": "1g"}), z + expected, atol=1e-3)
    with pytest.raises(UsageError, match="Unknown attribute that can be drawn 'Wearing_Hat'"):
        space.fit_paired(faces, "Wearing_Hat")


def test_directions_of_kinds_and_pairs_from_the_command_line(cli, bundle, drawn):
    options = ("--data", drawn, "--split", "all")
    code, out, err = cli("directions", bundle, *options, "--kinds", "smile=2", "--method", "mean", "--json")
    facts = json.loads(out)["directions"]
    assert code == 0 and list(facts) == ["smile-1", "smile-2"], err
    space, faces = facespace.load(bundle), FaceSet(drawn)
    signs = faces.attribute_signs("all")[:, faces.attribute_names.index("smile")]
    assert facts["smile-1"]["yes"] >= facts["smile-2"]["yes"] and facts["smile-1"]["cluster_of"] == "smile"
    assert (
        facts["smile-1"]["yes"] + facts["smile-2"]["yes"] == (signs > 0).sum()
        and facts["smile-1"]["no"] == (signs < 0).sum()
    )
    z = space.encode(faces.images)
    own = find_clusters(z.astype(np.float64), signs, 2, finding.whitening_of(z)).signs(z, signs)
    raw = z[own[:, 1] > 0].mean(0) - z[signs < 0].mean(0)
    step = space.directions().steps[space.directions().index("smile-2")] * facts["smile-2"]["difference"]
    np.testing.assert_allclose(step, raw, atol=1e-3)
    code, out, err = cli("directions", bundle, *options, "--paired", "Eyeglasses")
    assert code == 0 and "paired" in out and "smile-1" not in out, err
    assert set(facespace.load(bundle).directions().names) == {"smile-1", "smile-2", "Eyeglasses"}


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        (("--kinds", "smile"), "--kinds takes ATTRIBUTE=COUNT"),
        (("--kinds", "smile=two"), "--kinds takes ATTRIBUTE=COUNT"),
        (("--kinds", "smlie=2"), "Did you mean 'smile'"),
        (("--kinds", "smile=2", "--attributes", "yaw"), "leave out --attributes"),
        (("--paired", "Bald"), "Unknown attribute that can be drawn 'Bald'"),
    ],
)
def test_impossible_kinds_and_pairs_are_sentences(cli, bundle, drawn, tokens, words):
    code, _, err = cli("directions", bundle, "--data", drawn, *tokens)
    assert code == 2 and words in err


def test_kinds_and_pairs_need_a_set(cli, bundle):
    code, _, err = cli("directions", bundle, "--kinds", "smile=2")
    assert code == 2 and "--data SET" in err
