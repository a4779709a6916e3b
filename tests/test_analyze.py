"""Looking into a space: each figure against numpy, scipy or scikit-learn called another way, and the folder as a whole."""

import copy
import csv
import dataclasses
import json
import sys
from html.parser import HTMLParser
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from conftest import TINY
from PIL import Image
from scipy.stats import chi

import facespace
from facespace.core.console import quiet
from facespace.core.errors import UsageError
from facespace.data.faces import FaceSet
from facespace.evaluation import analysis_charts, analysis_sections
from facespace.evaluation.analysis import Analysis
from facespace.evaluation.analyze import analyze, gather
from facespace.evaluation.session import EvaluationSession
from facespace.latent import disentanglement, maps, structure
from facespace.latent.components import principal_components
from facespace.latent.structure import ACTIVE, components_for
from facespace.report import latent_charts
from facespace.report.page import Picture, Section, png, render_page
from facespace.report.results import as_document
from facespace.report.table_export import LatentTable
from facespace.space.face_space import FaceSpace
from facespace.space.traversal import decode_traversal, influence, traverse

FLAT = (
    "model.bottleneck=deterministic",
    "model.image=1,24,20",
    "model.likelihood=mse",
    "model.latent_dim=2",
    "objective.weights={}",
)
RANDOM = np.random.default_rng(0)


@pytest.fixture(scope="module")
def alive(trained) -> FaceSpace:
    """The tiny VAE, whose latents are all dead after so short a training, with livelier ones."""
    space = facespace.load(trained)
    with torch.no_grad():
        space.model.heads.weight[:5] *= 40  # type: ignore[index]
    return space


@pytest.fixture(scope="module")
def looked(alive, drawn, tmp_path_factory):
    """An analysis of it: folder and facts."""
    to = tmp_path_factory.mktemp("inside") / "to"
    with quiet():
        return to, analyze(alive, drawn, to, split="all", count=50, attributes=["Hat", "smile"], seed=3)


@pytest.fixture(scope="module")
def flat(tmp_path_factory) -> tuple[Path, Path]:
    """A tiny autoencoder of gray faces, 24×20, with two latents, and its set, which knows no attributes."""
    root = tmp_path_factory.mktemp("flat")
    with quiet():
        facespace.prepare("synthetic", to=root / "set", size=(24, 20), gray=True, limit=30, workers=1, seed=1)
        table, card = root / "set" / "table.csv", root / "set" / "card.json"
        table.write_text(
            "".join(",".join(line.split(",")[:3]) + "\n" for line in table.read_text().splitlines())
        )
        card.write_text(json.dumps({**json.loads(card.read_text()), "source": "folder", "attributes": []}))
        facespace.train("demo", root / "set", root / "ae", settings=(*TINY, *FLAT), trackers=["none"])
    return root / "ae", root / "set"


class Reader(HTMLParser):
    """What a page holds."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open, self.pictures, self.names, self.links, self.words = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        facts = dict(attrs)
        self.names.append(tag)
        if tag not in ("img", "meta"):
            self.open.append(tag)
        if tag == "img":
            self.pictures.append(facts)
        self.links += [facts["href"]] if "href" in facts else []

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"{tag} closes another tag"

    def handle_data(self, data):
        self.words.append(data)


# Arrays


def test_components_agree_with_the_eigenvectors_of_the_covariance():
    z = (RANDOM.standard_normal((200, 6)) @ RANDOM.standard_normal((6, 6)) + 3).astype(np.float32)
    fitted, (values, vectors) = principal_components(z), np.linalg.eigh(np.cov(z.T.astype(np.float64)))
    np.testing.assert_allclose(fitted.variances, values[::-1], rtol=1e-6)
    places, axes = maps.pca(z, seed=0)
    expected = (z - z.mean(0, dtype=np.float64)) @ vectors[:, :-3:-1]
    np.testing.assert_allclose(np.abs(places), np.abs(expected), rtol=1e-4, atol=1e-5)
    assert f"({100 * values[-1] / values.sum():.0f} %" in axes[0]


def test_needed_counts_shares():
    assert [components_for(np.array([0.5, 0.3, 0.2]), share) for share in (0.5, 0.51, 0.8, 1.0)] == [
        1,
        2,
        2,
        3,
    ]
    assert components_for(np.zeros(3), 0.5) is None


def test_correlations_leave_out_what_is_unknown():
    a, b = RANDOM.standard_normal((80, 3)), np.sign(RANDOM.standard_normal((80, 4)))
    a[:, 2] = 1e6 + 1e-3 * a[:, 2]  # a large offset must not drown the variation
    b[::3, 1], b[:, 2] = np.nan, 1.0
    r, n = structure.correlate(a, b)
    for i in range(3):
        for j in (0, 1, 3):
            known = np.isfinite(b[:, j])
            assert r[i, j] == pytest.approx(np.corrcoef(a[known, i], b[known, j])[0, 1], abs=1e-6)
            assert n[i, j] == known.sum()
    assert np.isnan(r[:, 2]).all()  # it never varies


def test_chance_is_exceeded_by_one_study_in_twenty():
    random, bound = np.random.default_rng(1), structure.chance_correlation(100, 30)
    strongest = []
    for _ in range(400):
        r, _ = structure.correlate(random.standard_normal((100, 5)), random.standard_normal((100, 6)))
        strongest.append(np.abs(r).max())
    assert 0.02 < np.mean(np.array(strongest) > bound) < 0.08


def test_separable_attributes():
    random = np.random.default_rng(2)
    z, alone = random.standard_normal((300, 8)).astype(np.float32), np.arange(300)
    signs = np.stack([np.sign(z[:, 0] + z[:, 1]), np.sign(random.standard_normal(300)), np.ones(300)], 1)
    signs[:9, 2], signs[:50, 0] = -1, np.nan
    clear, unrelated, rare = structure.separability(z, signs, alone)
    assert clear.auc > 0.98 and abs(unrelated.auc - 0.5) < 0.1 and rare.auc is None
    assert (clear.yes + clear.no, clear.unknown, rare.no) == (250, 50, 9)
    names = ("clear", "unrelated", "rare")
    assert structure.best_separated(names, [clear, unrelated, rare], 12) == ["clear", "unrelated", "rare"]
    assert structure.best_separated(names, [clear, unrelated, rare], 1) == ["clear"]


def test_a_person_is_never_on_both_sides():
    random = np.random.default_rng(3)
    people = np.repeat(np.arange(30), 10)
    z = random.standard_normal((30, 40))[people] + 0.01 * random.standard_normal((300, 40))
    sign = np.where(random.permutation(30) < 15, 1.0, -1.0)[people][
        :, None
    ]  # of the person, and of nothing in z
    (grouped,), (leaking,) = (
        structure.separability(z, sign, people),
        structure.separability(z, sign, np.arange(300)),
    )
    assert leaking.auc > 0.95 and grouped.auc < 0.75


def test_rows_of_latents():
    z = RANDOM.standard_normal((100, 3)).astype(np.float32)
    z[:, 1] = 0.25
    signs = np.stack([np.sign(z[:, 0]), np.full(100, np.nan)], 1)
    rows = structure.latent_table(z, np.abs(z), np.array([0.1, 0.0, 0.3]), ("first", "blank"), signs, ACTIVE)
    assert [row.latent for row in rows] == [2, 0, 1]
    assert [row.active for row in rows] == [True, True, False]
    first, dead = rows[1], rows[2]
    assert (first.attribute, first.faces) == ("first", 100)
    assert first.correlation == pytest.approx(np.corrcoef(z[:, 0], signs[:, 0])[0, 1], abs=1e-6)
    assert first.total_activation == pytest.approx(np.abs(z[:, 0]).sum(), rel=1e-6)
    assert first.deviation == pytest.approx(z[:, 0].std(ddof=1), rel=1e-5)
    assert first.kl == pytest.approx(np.abs(z[:, 0]).mean(), rel=1e-5)
    assert (dead.minimum, dead.maximum, dead.deviation, dead.attribute) == (0.25, 0.25, 0.0, None)


def test_what_is_active_depends_on_the_scale_of_an_autoencoder_only():
    z = RANDOM.standard_normal((100, 4)) * 0.01
    assert structure.active_above(z, variational=True) == ACTIVE
    assert structure.active_above(z, variational=False) == pytest.approx(ACTIVE * z.var(0, ddof=1).mean())


def test_whitening_gives_the_distance_of_mahalanobis():
    mix = RANDOM.standard_normal((4, 4))
    center, covariance = RANDOM.standard_normal(4), mix @ mix.T
    z = RANDOM.standard_normal((50, 4))
    white = structure.whiten(z, center, covariance)
    away = z - center
    expected = np.einsum("nd,de,ne->n", away, np.linalg.inv(covariance), away)
    np.testing.assert_allclose((white**2).sum(1), expected, rtol=1e-6)
    covariance[:, 3] = covariance[3] = 0  # a dead latent has no deviation to measure in
    assert structure.whiten(z, center, covariance).shape == (50, 3)


def test_a_map_of_faces_has_the_nearest_in_each_cell():
    places = np.random.default_rng(4).standard_normal((500, 2))
    grid = maps.choose_grid(places, 6, 8, margin=0)
    low, high = places.min(0), places.max(0)
    spot = (places - low) / (high - low) * (8, 6)
    for row in range(6):
        for column in range(8):
            middle = np.array([column + 0.5, 6 - 1 - row + 0.5])
            away = np.abs(spot - middle)
            inside = np.flatnonzero((away <= 0.5).all(1))
            assert (grid[row, column] == -1) == (len(inside) == 0)
            if len(inside):
                assert grid[row, column] == inside[np.argmin((away[inside] ** 2).sum(1))]
    picked = grid[grid >= 0]
    assert len(set(picked)) == len(picked)
    faces = np.arange(len(picked), dtype=np.uint8)[:, None, None, None] * np.ones((1, 3, 2, 1), np.uint8)
    sheet = maps.draw_grid(grid, faces)
    assert sheet.shape == (18, 16, 1)
    order = np.full(grid.shape, 255)
    order[grid >= 0] = np.arange(len(picked))
    np.testing.assert_array_equal(sheet[..., 0], order.repeat(3, 0).repeat(2, 1))


def test_faces_all_in_one_place_still_have_a_map():
    assert (maps.choose_grid(np.zeros((5, 2)), 4, 4) >= 0).sum() == 1
    made, missing = maps.draw_maps(np.zeros((20, 3), np.float32), 0)
    assert [one.name for one in made] == ["pca"] and any("same latents" in text for text in missing)


def test_umap_is_used_where_it_is_installed(monkeypatch):
    asked = {}

    class UMAP:
        def __init__(self, **options):
            asked.update(options)

        def fit_transform(self, z):
            return z[:, :2]

    module = ModuleType("umap")
    module.__spec__, module.UMAP = ModuleSpec("umap", None), UMAP  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "umap", module)
    made, missing = maps.draw_maps(RANDOM.standard_normal((12, 3)).astype(np.float32), 5)
    assert [one.name for one in made] == ["pca", "tsne", "umap"] and missing == []
    assert (asked["random_state"], asked["n_neighbors"]) == (5, 11)


def test_the_line_of_lengths_is_the_density_of_chi():
    for freedom in (1, 2, 128):
        norms = (np.sqrt(freedom) * np.ones(5), freedom)
        curve = latent_charts.against_prior({}, norms, (np.zeros(2), np.ones(2)), "").axes
        x, y = (
            next(place for place in curve if place.lines and "freedom" in place.get_title())
            .lines[0]
            .get_data()
        )
        np.testing.assert_allclose(y, chi.pdf(np.asarray(x), freedom), rtol=1e-8)


def test_dead_latents_are_crossed_out():
    z = RANDOM.standard_normal((50, 5))
    figure = latent_charts.histograms(z, [f"z {place}" for place in range(5)], np.arange(5) == 3, "")
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["z 0", "z 1", "z 2", "z 3 ×", "z 4"]
    assert [len(shapes.get_paths()) for shapes in figure.axes[0].collections[:2]] == [4, 1]


def test_maps_tell_kinds_by_shape():
    places, sign = RANDOM.standard_normal((30, 2)), np.array([1.0] * 5 + [-1.0] * 15 + [np.nan] * 10)
    figure = latent_charts.maps(places, {"Smiling": sign}, {"Smiling": "5 yes"}, "", ("", ""))
    unknown, no, yes = figure.axes[0].collections  # the fewest on top
    assert [len(kind.get_offsets()) for kind in (unknown, no, yes)] == [10, 15, 5]
    assert len({tuple(kind.get_paths()[0].vertices.ravel()) for kind in (unknown, no, yes)}) == 3
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["yes", "no", "unknown"]


# Spaces


def test_influence_is_the_mean_change_of_a_pixel(trained, drawn):
    space, faces = facespace.load(trained), FaceSet(drawn)
    z, deviation = space.encode(faces.images[:3]), np.array([0.5, 1.0, 2.0, 0.0, 1.0])
    found = influence(space, z, np.diag(deviation))
    with torch.inference_mode():
        still = space.model.decode(torch.from_numpy(z))
        for latent in range(5):
            moved = z.copy()
            moved[:, latent] += deviation[latent]
            change = (space.model.decode(torch.from_numpy(moved)) - still).abs().mean()
            assert found[latent] == pytest.approx(float(change), rel=1e-4, abs=1e-7)
    assert found[3] < 1e-8 < found[[0, 1, 2, 4]].min()


def test_a_walk_leaves_the_middle_on_straight_lines(trained):
    space, axes = facespace.load(trained), np.diag([1.0, 2.0, 3.0, 4.0, 5.0])[1:3]
    latents = traverse(np.full(5, 0.5), axes, (-2.0, 0.0, 1.0))
    np.testing.assert_allclose(latents[0], [[0.5, -3.5, 0.5, 0.5, 0.5], [0.5] * 5, [0.5, 2.5, 0.5, 0.5, 0.5]])
    faces = decode_traversal(space, latents)
    np.testing.assert_array_equal(faces[1, 2], space.decode(latents[1, 2])[0])
    assert faces.shape == (2, 3, 16, 16, 3)


def test_the_folder_is_whole(looked):
    to, facts = looked
    made = {path.name for path in to.iterdir()}
    shown = {*analysis_charts.FILES} - {"map-umap.png", "faces-umap.png"}
    assert shown | {"index.html", "analysis.json", "latents.csv", "embeddings.csv"} <= made
    kept = json.loads((to / "analysis.json").read_text(), parse_constant=pytest.fail)
    assert kept == {name: value for name, value in json.loads(json.dumps(facts)).items() if name in kept}
    assert set(facts) - set(kept) == {"to", "page", "text"}
    with (to / "latents.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["latent"]) for row in rows] == [row["latent"] for row in kept["latents"]["rows"]]
    assert sorted(int(row["latent"]) for row in rows) == list(range(5))
    influences = [float(row["influence"]) for row in rows]
    assert influences == sorted(influences, reverse=True)


def test_the_figures_are_those_of_the_encoder(looked, alive, drawn):
    to, facts = looked
    space, faces = alive, FaceSet(drawn)
    rows = np.arange(50) * 60 // 50
    z = space.encode(faces.images[rows])
    with (to / "embeddings.csv").open() as file:
        table = list(csv.DictReader(file))
    found = np.array([[row[f"z_{place}"] for place in range(5)] for row in table], np.float32)
    np.testing.assert_allclose(found, z, rtol=1e-5, atol=1e-6)
    assert [row["id"] for row in table] == faces.ids[rows].tolist()
    known = np.array([[row[name] for name in faces.attribute_names] for row in table], np.float32)
    np.testing.assert_array_equal(known, faces.attributes[rows])
    with torch.inference_mode():
        posterior = space.model.encode(torch.from_numpy(faces.images[rows]).permute(0, 3, 1, 2) / 255)
    kl = posterior.regularizers()["kl"].mean()
    assert facts["latents"]["kl"] == pytest.approx(float(kl), rel=1e-4)
    for row in facts["latents"]["rows"]:
        assert row["deviation"] == pytest.approx(z[:, row["latent"]].std(ddof=1), rel=1e-4)
    shares = np.linalg.eigvalsh(np.cov(z.T))[::-1]
    np.testing.assert_allclose(facts["components"]["explained"], shares / shares.sum(), rtol=1e-3)
    assert facts["latents"]["dead"] == np.flatnonzero(z.var(0, ddof=1) <= ACTIVE).tolist() == []
    assert 0 <= facts["disentanglement"]["mig"] <= 1  # the factors of drawn faces are known


def test_the_verdict_is_that_of_an_evaluation(looked, alive, drawn):
    _, facts = looked
    with quiet():
        metrics = facespace.evaluate(alive, drawn, split="all", count=50, features=None, seed=3)
    assert json.loads(json.dumps(facts["health"])) == json.loads(json.dumps(metrics["latents"]))
    about = [one["text"] for one in metrics["findings"] if "latent" in one["text"] or "prior" in one["text"]]
    assert about and all(text in facts["text"] for text in about)
    assert "N(0, I)" in " ".join(about)  # the prior is named


def test_the_page_names_the_prior_of_new_faces(alive, drawn):
    results = gather(Analysis(EvaluationSession(alive, drawn, "all", 50), [], 3))
    shown = {analysis_charts.POSTERIOR: b""}
    own = analysis_sections.posterior(results, shown).text
    assert "the prior N(0, I), the model's own." in own and "New faces are sampled from it." in own
    fitted = dataclasses.replace(results.health, prior_fitted=True, prior="a flow fitted to 9 faces")
    text = analysis_sections.posterior(dataclasses.replace(results, health=fitted), shown).text
    assert "New faces are sampled from another prior, a flow fitted to 9 faces." in text


def test_a_seed_gives_the_same_analysis(looked, alive, drawn, monkeypatch):
    to, facts = looked
    monkeypatch.setattr(
        disentanglement, "measure_disentanglement", lambda *_: facts["disentanglement"]
    )  # slow, and another file's
    with quiet():
        again = Analysis(EvaluationSession(alive, drawn, "all", 50), ["Hat", "smile"], 3)
        assert as_document(gather(again)) == {
            name: facts[name] for name in facts if name not in ("seconds", "to", "page", "text")
        }
        tsne = analysis_charts.coloured(again, again.maps[0][1])
    assert png(tsne, colours=256) == (to / "map-tsne.png").read_bytes()
    assert png(analysis_charts.posterior(again)) == (to / "posterior.png").read_bytes()


def test_faces_on_maps_are_reconstructions(trained, drawn):
    with quiet():
        analysis = Analysis(EvaluationSession(trained, drawn, "all", 40), [], 0)
        one = analysis.maps[0][0]
        sheet = np.asarray(analysis_charts.thumbnails(analysis, one))
    space = facespace.load(trained)
    drawn_faces = {face.tobytes() for face in space.reconstruct(FaceSet(drawn).images[analysis.session.rows])}
    sheet = sheet[: 4 * 4 * 16 : 4, : 4 * 4 * 16 : 4]  # 40 faces have 4 × 4 cells, four times as large
    cells = sheet.reshape(4, 16, 4, 16, 3).swapaxes(1, 2).reshape(-1, 16, 16, 3)
    shown = [cell.tobytes() for cell in cells if (cell != 255).any()]
    assert 6 < len(shown) == len(set(shown)) and set(shown) <= drawn_faces


def test_the_page_stands_alone(looked):
    text = (looked[0] / "index.html").read_text(encoding="utf-8")
    seen = Reader(text)
    assert seen.open == [] and "script" not in seen.names and "link" not in seen.names
    assert len(seen.pictures) == len(list(looked[0].glob("*.png")))
    assert all(picture["src"].startswith("data:image/") and picture["alt"] for picture in seen.pictures)
    assert (
        all(link.startswith("#") for link in seen.links)
        and "http" not in text.replace("data:image", "")[:4000]
    )
    words = " ".join(seen.words)
    for heading in (
        "In short",
        "Single latents",
        "Faces against the model's own prior",
        "Disentanglement",
        "How this was measured",
    ):
        assert heading in words
    assert "umap-learn" in words or (looked[0] / "map-umap.png").exists()


def test_pages_escape_what_they_are_told():
    sheet = Image.new("RGB", (4, 6))
    made = render_page(
        "<b>",
        [
            Section(
                "a & b",
                "one\n\n<two>",
                [("<c>", sheet), Picture("d", sheet, 'say "e"')],
                [["", "<n>"], ["x", "1.5"]],
            )
        ],
    )
    seen = Reader(made)
    assert {"<b>", "a & b", "<two>", "<c>", "<n>"} <= set(seen.words)
    assert [picture["alt"] for picture in seen.pictures] == ["<c>", 'say "e"']
    assert (seen.pictures[0]["width"], seen.pictures[0]["height"]) == ("4", "6")


def test_an_autoencoder_of_two_latents_without_attributes(flat, tmp_path):
    run, faces = flat
    with quiet():
        facts = analyze(run, faces, tmp_path / "to", split="all")
    assert facts["latents"]["kl"] is None and facts["attributes"] == {} and facts["disentanglement"] is None
    assert not (tmp_path / "to" / "correlations.png").exists()
    assert "knows no attributes" in facts["text"] and facts["protocol"]["space"]["latents"] == 2
    prior = facespace.load(run).model.prior
    z = facespace.load(run).encode(FaceSet(faces).images)
    away = torch.from_numpy(z).double() - prior.center.double()
    expected = (
        torch.einsum("nd,de,ne->n", away, torch.linalg.inv(prior.covariance.double()), away).sqrt().mean()
    )
    assert facts["posterior"]["length_mean"] == pytest.approx(float(expected), rel=1e-3)
    with pytest.raises(UsageError, match="no attributes"):
        analyze(run, faces, tmp_path / "other", split="all", attributes=["Smiling"])


def test_dead_latents(alive, drawn, tmp_path):
    space = copy.deepcopy(alive)
    with torch.no_grad():
        space.model.heads.weight[1], space.model.heads.bias[1] = 0, 0.5  # type: ignore[union-attr]
    with quiet():
        facts = analyze(space, drawn, tmp_path / "to", split="all", count=19, attributes=["Hat"])
        assert facts["latents"]["dead"] == [1] and facts["latents"]["rows"][-1]["latent"] == 1
        assert (
            facts["latents"]["rows"][-1]["correlation"] is None and "1 of 5 latents are dead" in facts["text"]
        )
        assert "needs 20 faces" in facts["disentanglement"]["why_not"]
        with torch.no_grad():
            space.model.heads.weight[:5] = 0  # type: ignore[union-attr]
        collapsed = analyze(space, drawn, tmp_path / "none", split="all", count=19, attributes=["Hat"])
    assert len(collapsed["latents"]["dead"]) == 5 and "Nothing varies" in collapsed["text"]


def test_a_conditional_space_is_told_nothing(told, drawn):
    with quiet():
        analysis = Analysis(EvaluationSession(told, drawn, "test", None), [], 0)
        found = analysis.table.z
    space = facespace.load(told)
    np.testing.assert_allclose(
        found, space.encode(FaceSet(drawn).images[analysis.session.rows]), rtol=1e-5, atol=1e-6
    )


def test_table_of_latents(tmp_path):
    texts = [np.array(words) for words in (["a", "b,c", "d"], ["train"] * 3, ["", "Ann", "Ann"])]
    z = np.array([[1 / 3, 2], [3, 4], [5, 6]], np.float32)
    table = LatentTable(z, np.array([[1.0], [np.nan], [-1.0]], np.float32), ("z_0",), *texts)
    table.save(tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["id", "split", "identity", "z_0", "z_1", "attribute_z_0"]
    assert np.float32(rows[0][3]) == z[0, 0] and rows[1][:3] == ["b,c", "train", "Ann"] and rows[1][5] == ""
    np.testing.assert_array_equal(table.signs("z_0"), [1, np.nan, -1])
    first, second, third = table.groups
    assert second == third != first


def test_parquet(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    words = [np.array(["a\udcff", "b"]), np.array(["test"] * 2), np.array(["", "Ann"])]
    z = RANDOM.standard_normal((2, 1)).astype(np.float32)
    LatentTable(z, np.array([[1.0], [np.nan]], np.float32), ("Hat",), *words).save(tmp_path / "t.parquet")
    table = parquet.read_table(tmp_path / "t.parquet")
    assert table.column_names == ["id", "split", "identity", "z_0", "Hat"]
    np.testing.assert_array_equal(table["z_0"].to_numpy(), z[:, 0])
    assert table["Hat"].to_pylist() == [1.0, None] and table["id"].to_pylist() == ["a?", "b"]


# The verb


def test_the_verb_and_what_it_refuses(cli, trained, drawn, tmp_path, monkeypatch):
    to, asked = tmp_path / "to", ("analyze", trained, "--data", drawn, "--count", 8)
    to.mkdir()
    (to / "analysis.json").write_text("an older one")
    code, _, err = cli(*asked, "--to", to)
    assert code == 2 and "--force" in err and (to / "analysis.json").read_text() == "an older one"
    code, out, _ = cli(
        *asked, "--to", to, "--force", "--split", "train", "--attributes", "Hat,smile", "--json"
    )
    facts = json.loads(out)
    assert code == 0 and facts["coloured_by"] == ["Hat", "smile"] and Path(facts["page"]).is_file()
    assert json.loads((to / "analysis.json").read_text())["protocol"]["split"] == "train"
    (to / "mine.txt").write_text("mine")
    code, _, err = cli(*asked, "--to", to, "--force")
    assert code == 2 and "other files" in err and (to / "mine.txt").read_text() == "mine"
    code, _, err = cli(*asked, "--to", tmp_path / "x", "--attributes", "Hatt")
    assert code == 2 and "Did you mean 'Hat'" in err
    code, _, err = cli(*asked, "--to", tmp_path / "x", "--table", "xls")
    assert code == 2 and "Known: csv, parquet" in err
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    code, _, err = cli(*asked, "--to", tmp_path / "x", "--table", "parquet")
    assert code == 2 and "pyarrow" in err and not (tmp_path / "x").exists()


def test_a_failure_leaves_nothing(trained, drawn, tmp_path, monkeypatch):
    def fail(path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    draw = analysis_charts.draw
    monkeypatch.setattr(analysis_charts, "draw", lambda analysis: {**draw(analysis), "traversals.png": fail})
    with quiet(), pytest.raises(OSError):
        analyze(trained, drawn, tmp_path / "to", split="all", count=8)
    assert list(tmp_path.iterdir()) == []


def test_no_face_is_read_twice(trained, drawn, monkeypatch):
    calls = []
    monkeypatch.setattr(
        EvaluationSession,
        "pixels",
        lambda self, rows: calls.append(len(rows)) or self.space.fit(self.faces.images[rows]),
    )
    with quiet():
        analysis = Analysis(EvaluationSession(trained, drawn, "all", None), [], 0)
        assert analysis.table.z is analysis.table.z and analysis.samples.shape == analysis.table.z.shape
    assert sum(calls) == 60


def test_real_faces_have_attributes_that_can_be_told_apart(real, tmp_path):
    with quiet():
        facespace.prepare("celeba", real / "celeba", to=tmp_path / "set", size=32, limit=400, workers=1)
        settings = ("model.image=3,32,32", "model.latent_dim=16", "model.widths=16,32,64", "train.epochs=6")
        settings = (*settings, "train.prior=none")
        facespace.train("demo", tmp_path / "set", tmp_path / "run", settings=settings, trackers=["none"])
        facts = analyze(tmp_path / "run", tmp_path / "set", tmp_path / "to", split="all")
    assert max(one["auc"] or 0 for one in facts["attributes"].values()) > 0.7
