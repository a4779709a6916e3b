"""reconstruct --diagnostics and --grid, sample --grid: pictures that say what they should, reproducibly."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

import facespace
from facespace.core.console import quiet
from facespace.data.faces import FaceSet
from facespace.image.pixels import to_float
from facespace.space import diagnostics

FEW = ("model.image=3,16,16", "model.latent_dim=5", "model.widths=8,12", "train.batch=8", "train.epochs=1")


@pytest.fixture(scope="module")
def space(trained):
    return facespace.load(trained)


@pytest.fixture(scope="module")
def unsure(drawn, tmp_path_factory):
    """A tiny run whose pixels have a variance each."""
    to = tmp_path_factory.mktemp("runs") / "unsure"
    with quiet():
        facespace.train(
            "demo", drawn, to, settings=(*FEW, "model.likelihood=normal_pixel"), trackers=["none"]
        )
    return to


def test_diagnosis_measures_each_face(space, drawn):
    faces = FaceSet(drawn).images[:9]
    found = diagnostics.diagnose(space, faces, [f"face {index}" for index in range(9)])
    np.testing.assert_array_equal(found.reconstructions, space.reconstruct(faces))
    errors = ((faces / 255 - found.reconstructions / 255) ** 2).mean((1, 2, 3))
    np.testing.assert_allclose([one["mse"] for one in found.records()], errors, rtol=1e-4)
    assert [one["face"] for one in found.records()][3] == "face 3"
    assert (np.diff(found.figures["ssim"][found.order]) <= 0).all()  # from the best to the worst


def test_cases_name_no_face_twice():
    shown = diagnostics.cases(np.arange(20)[::-1], 4)
    assert {name: list(rows) for name, rows in shown.items()} == {
        "best": [19, 18, 17, 16],
        "median": [11, 10, 9, 8],
        "worst": [3, 2, 1, 0],
    }
    for count in range(3, 30):
        rows = np.concatenate(list(diagnostics.cases(np.arange(count), 8).values()))
        assert len(set(rows.tolist())) == len(rows)
    assert list(diagnostics.cases(np.arange(2), 8)) == ["all"]


def test_pixel_deviation_is_that_of_the_likelihood(unsure, space, drawn):
    own = facespace.load(unsure)
    z = own.encode(FaceSet(drawn).images[:3])
    found = diagnostics.pixel_deviation(own, z)
    assert found is not None and found.shape == (3, 16, 16) and (found > 0).all()
    # The log-density of an image at its own mean is −Σ log σ − n/2·log 2π, which says the same of the deviations.
    with torch.inference_mode():
        raw = own.model._raw(torch.from_numpy(z), None)
        nats = own.model.pixels.log_prob(raw, own.model.pixels.mean(raw))
    constant = 0.5 * 3 * 16 * 16 * np.log(2 * np.pi)
    scale = own.model.pixels.scale(raw)
    np.testing.assert_allclose(-scale.log().flatten(1).sum(1) - constant, nats, rtol=1e-4)
    np.testing.assert_allclose(found, scale.mean(1), rtol=1e-6)
    assert diagnostics.pixel_deviation(space, space.encode(FaceSet(drawn).images[:3])) is None


def test_picture_has_a_row_for_each_kind_and_a_scale_for_each_map(unsure, drawn):
    space = facespace.load(unsure)
    found = diagnostics.diagnose(space, FaceSet(drawn).images[:9])
    figure = diagnostics.picture(found, diagnostics.pixel_deviation(space, found.latents), 2)
    names = [place.get_ylabel() for place in figure.axes]
    assert names == ["original", "reconstruction", "error", "deviation"] * 3 + ["", ""]
    error = figure.axes[2].images[0]
    first = found.order[0]
    truth = np.abs(found.originals[first].astype(float) - found.reconstructions[first]).mean(-1) / 255
    np.testing.assert_allclose(error.get_array()[:, :16], truth, atol=1e-6)
    assert len({place.images[0].norm.vmax for place in figure.axes[2:12:4]}) == 1  # one scale for all bands
    words = [text.get_text() for text in figure.axes[3].get_xticklabels()]
    assert words[0].startswith(f"SSIM {found.figures['ssim'][first]:.2f}") and len(words) == 2
    bar = figure.axes[-2]
    assert bar.get_xlabel().startswith("error") and len(bar.get_xticklabels()) > 2


def test_reconstruct_diagnostics(cli, trained, drawn, tmp_path):
    to = tmp_path / "where.png"
    options = ("--split", "all", "-n", 10, "--columns", 3, "--diagnostics", "--json")
    code, out, _ = cli("reconstruct", trained, "--data", drawn, "--to", to, *options)
    facts = json.loads(out)
    assert code == 0 and facts["count"] == len(facts["faces"]) == 10 and Image.open(to).width > 400
    assert facts["ssim"] == pytest.approx(np.mean([one["ssim"] for one in facts["faces"]]))
    assert facts["faces"][0]["face"] == FaceSet(drawn).ids[0]
    code, out, _ = cli(
        "reconstruct", trained, "--data", drawn, "-n", 1, "--split", "all", "--to", to, "--diagnostics"
    )
    assert code == 0 and out.startswith("1 face: MSE") and "PSNR" in out


def test_reconstruct_grid_alternates(cli, trained, drawn, space, tmp_path):
    code, out, _ = cli(
        "reconstruct",
        trained,
        "--data",
        drawn,
        "--split",
        "all",
        "--grid",
        "4x5",
        "--scale",
        1,
        "--to",
        tmp_path / "g.png",
        "--json",
    )
    assert code == 0 and json.loads(out)["count"] == 10
    sheet = np.asarray(Image.open(tmp_path / "g.png"))
    cell = 16 + 2  # a face and a gap; the names of the rows stand to the left
    rows = FaceSet(drawn).images[np.arange(10) * 6]
    again = space.reconstruct(rows)
    for row, faces in enumerate((rows[:5], again[:5], rows[5:], again[5:])):
        for column in range(5):
            top, left = 2 + row * cell, sheet.shape[1] - (5 - column) * cell
            np.testing.assert_array_equal(sheet[top : top + 16, left : left + 16], faces[column])


def test_sample_grid_is_the_first_of_a_larger_one(cli, trained, tmp_path):
    for name, options in (("few", ("--grid", "2x3")), ("many", ("--grid", "10X7")), ("count", ("-n", 6))):
        to = tmp_path / f"{name}.npy"
        assert cli("sample", trained, *options, "--seed", 5, "--temperature", 0.7, "--to", to)[0] == 0
    few, many = np.load(tmp_path / "few.npy"), np.load(tmp_path / "many.npy")
    assert len(few) == 6 and len(many) == 70
    np.testing.assert_array_equal(few, np.load(tmp_path / "count.npy"))
    # Sums in another order for another number of rows may round one gray level otherwise, and no more.
    assert np.abs(many[:6].astype(int) - few).max() <= 1
    cli("sample", trained, "--grid", "2x3", "--to", tmp_path / "sheet.png")
    width, height = Image.open(tmp_path / "sheet.png").size
    assert (width - 2) * 2 == (height - 2) * 3


def test_samples_do_not_depend_on_the_batch_they_are_decoded_in(space):
    """Batch norm and the sums of a product of matrices are where they could."""
    z = space.sample_latents(70, seed=9)
    with torch.inference_mode():
        together = space.model.decode(torch.from_numpy(z))
        alone = torch.cat([space.model.decode(one[None]) for one in torch.from_numpy(z)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)
    assert (to_float(space.sample(70, seed=9)) - together).abs().max() < 0.51 / 255


@pytest.mark.parametrize(
    "tokens, sentence",
    [
        (["sample", "{trained}", "--grid", "4x4", "-n", "9"], "leave out --count"),
        (["sample", "{trained}", "--grid", "16"], "ROWSxCOLUMNS"),
        (["sample", "{trained}", "--grid", "0x4"], "ROWSxCOLUMNS"),
        (["reconstruct", "{trained}", "--data", "{drawn}", "--grid", "3x4"], "odd number of rows"),
        (["reconstruct", "{trained}", "--data", "{drawn}", "--grid", "4x4", "-n", "9"], "leave out --count"),
        (["reconstruct", "{trained}", "--data", "{drawn}", "--grid", "40x40"], "shows 800 faces"),
        (["reconstruct", "{trained}", "photo.png", "--grid", "4x4"], "for photographs use --columns"),
        (
            ["reconstruct", "{trained}", "--data", "{drawn}", "--grid", "4x4", "--diagnostics"],
            "name one of the two",
        ),
    ],
)
def test_refusals(cli, trained, drawn, tmp_path, tokens, sentence):
    tokens = [token.format(trained=trained, drawn=drawn) for token in tokens]
    code, _, err = cli(*tokens, "--to", tmp_path / "x.png")
    assert code == 2 and sentence in err and not (tmp_path / "x.png").exists()
    code, _, err = cli("reconstruct", trained, "--data", drawn, "--diagnostics", "--to", tmp_path / "x.npy")
    assert code == 2 and "must end in .png" in err
