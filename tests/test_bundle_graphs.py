"""The ONNX graphs of packed bundles: what they compute, where their weights lie, and which graphs of strangers are
refused."""

import importlib.util
import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from test_model_contract import tiny
from test_onnx import saved

from facespace.core import cards
from facespace.core.errors import BundleError
from facespace.core.onnx_reading import inlined
from facespace.core.reading import RefusedFile
from facespace.core.tensor_files import fingerprint, read_arrays, stored_tensors
from facespace.formats import bundle_graphs
from facespace.hub import bundle_content
from facespace.models import bundle, fitted, graphs, hub_download
from facespace.models.bundle_card import read_card
from facespace.models.export import pack
from facespace.models.locations import require_default_space
from facespace.models.priors import fitted_prior
from facespace.recipes import RECIPES
from facespace.space.face_space import FaceSpace

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("onnx") is None or importlib.util.find_spec("onnxruntime") is None,
    reason="onnx and onnxruntime are not installed",
)


def packed(space: Path, to: Path, bits: int = 8) -> bundle.Bundle:
    pack(bundle.load(space), to, bits=bits)
    bundle_graphs.add_graphs(bundle.load(to))
    return bundle.load(to)


def run(loaded: bundle.Bundle, name: str, **inputs: np.ndarray) -> np.ndarray:
    stored = graphs.read_graph_tensors(loaded.folder, loaded.card, name)
    return graphs.open_graph(loaded.folder, name, stored).run(None, inputs)[0]


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_has_graphs_that_compute_what_torch_does(name, bits, tmp_path, capsys):
    loaded = packed(saved(tiny(name), tmp_path / "space"), tmp_path / "packed", bits)
    assert {"encoder.onnx", "decoder.onnx"} <= set(graphs.graphs_of(loaded.card)), capsys.readouterr().err
    z = np.random.default_rng(0).standard_normal((5, fitted.latent_size(loaded))).astype(np.float32)
    with torch.inference_mode():
        expected = loaded.model.decode(torch.from_numpy(z).reshape(-1, *loaded.model.latent_shape)).numpy()
    np.testing.assert_allclose(run(loaded, "decoder.onnx", latents=z), expected, atol=1 / 255)


def test_other_programs_open_a_graph_by_its_path(lively, tmp_path):
    import onnxruntime

    loaded = packed(lively, tmp_path / "packed")
    z = np.zeros((2, fitted.latent_size(loaded)), np.float32)
    session = onnxruntime.InferenceSession(
        str(tmp_path / "packed/decoder.onnx"), providers=["CPUExecutionProvider"]
    )
    np.testing.assert_array_equal(
        session.run(None, {"latents": z})[0], run(loaded, "decoder.onnx", latents=z)
    )


def test_the_default_spaces_graphs_hold_no_weights():
    folder = require_default_space()
    card = read_card(folder)
    names = graphs.graphs_of(card)
    assert names == ["encoder.onnx", "decoder.onnx", "prior-flow.onnx"]
    sizes = [(folder / name).stat().st_size for name in names]
    assert sum(sizes) < 500_000 < (folder / "model.safetensors").stat().st_size
    for name in names:
        graphs.open_graph(folder, name, graphs.read_graph_tensors(folder, card, name))


def test_a_flows_velocity_under_attributes(tmp_path):
    folder = saved(tiny("demo"), tmp_path / "space")
    loaded = bundle.load(folder)
    torch.manual_seed(1)
    dim = fitted.latent_size(loaded)
    options = {"width": 16, "blocks": 2, "conditions": ["Hat", "smile"], "seen": dim - 1}
    prior = fitted_prior("flow", dim, options)
    for parameter in prior.parameters():
        parameter.data.normal_(0, 0.3)
    fitted.save_prior(loaded, "flow", prior, {})
    loaded = packed(folder, tmp_path / "packed")
    velocity = fitted.load_prior(loaded, "flow").velocity
    points, angle = torch.randn(3, dim - 1), torch.full((3, 1), 0.4)
    for signs in ((1.0, torch.nan), (torch.nan, torch.nan)):
        y = torch.tensor(signs).expand(3, -1)
        expected = velocity(points, angle[:, 0], y if any(sign == 1 for sign in signs) else None)
        found = run(
            loaded, "prior-flow.onnx", points=points.numpy(), angle=angle.numpy(), attributes=y.numpy()
        )
        np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


def test_a_prior_that_is_fitted_again_leaves_its_graph_unused(lively, tmp_path):
    folder = tmp_path / "space"
    shutil.copytree(bundle.load(lively).folder, folder)
    fitted.save_prior(bundle.load(folder), "normal", fitted_prior("normal", 5, {}), {})
    loaded = packed(folder, tmp_path / "packed")
    assert "prior-normal.onnx" in graphs.graphs_of(loaded.card)
    other = fitted_prior("normal", 5, {})
    other.fit(torch.randn(30, 5))
    fitted.save_prior(loaded, "normal", other, {})
    after = bundle.load(tmp_path / "packed")
    assert "prior-normal.onnx" not in graphs.graphs_of(after.card)
    assert {"encoder.onnx", "decoder.onnx"} <= set(graphs.graphs_of(after.card))


def test_without_the_packages_a_copy_is_packed_all_the_same(lively, tmp_path, monkeypatch, cli):
    monkeypatch.setattr(bundle_graphs, "has_packages", lambda: False)
    code, _, err = cli("pack", lively, "--to", tmp_path / "packed")
    assert code == 0 and "opens with torch alone" in err
    assert "graphs" not in read_card(tmp_path / "packed") or not read_card(tmp_path / "packed")["graphs"]


def test_the_verb_packs_them_and_replaces_them(lively, tmp_path, cli):
    for bits in (8, 16):
        code, _, err = cli("pack", lively, "--to", tmp_path / "packed", "--bits", bits)
        assert code == 0 and not err, err
        names = {path.name for path in (tmp_path / "packed").iterdir()}
        assert {"encoder.onnx", "decoder.onnx", "prior-model.onnx"} <= names
        card = read_card(tmp_path / "packed")
        assert set(graphs.graphs_of(card)) == {name for name in names if name.endswith(".onnx")}


def test_numpy_reads_tensors_and_fingerprints_as_torch_does(lively, tmp_path):
    loaded = packed(lively, tmp_path / "packed")
    path = loaded.folder / "model.safetensors"
    stored = {name: row.array for name, row in stored_tensors(path.read_bytes()).items()}
    assert fingerprint(stored) == loaded.card["fingerprint"]
    arrays = read_arrays(path, loaded.card["fingerprint"], "")
    for name, tensor in loaded.model.state_dict().items():
        np.testing.assert_array_equal(arrays[name], tensor.numpy())
    with pytest.raises(BundleError, match="not the file that its card"):
        read_arrays(path, "0" * 64, "")
    for cut in (0, 7, 100, path.stat().st_size - 1):
        (tmp_path / "cut.safetensors").write_bytes(path.read_bytes()[:cut])
        with pytest.raises(BundleError, match="cut short or damaged"):
            read_arrays(tmp_path / "cut.safetensors", loaded.card["fingerprint"], "")


# What a stranger may have put into a graph. Each takes an ONNX model and its package.


def _outside(model, onnx, location="../secret.safetensors"):
    _external(model).external_data[0].value = location


def _external(model):
    return next(row for row in model.graph.initializer if row.external_data)


def _offset(model, onnx):
    _external(model).external_data[1].value = "9"


def _shape(model, onnx):
    _external(model).dims[0] += 1


def _constant(model, onnx):
    tensor = _external(model)
    _outside(model, onnx, "/etc/passwd")
    model.graph.node.insert(0, onnx.helper.make_node("Constant", [], ["secret"], value=tensor))
    model.graph.initializer.remove(tensor)


def _loop(model, onnx):
    body = onnx.helper.make_graph([], "endless", [], [])
    model.graph.node.append(onnx.helper.make_node("Loop", ["", ""], [], body=body))


def _branch(model, onnx):
    body = onnx.helper.make_graph([], "one", [], [])
    model.graph.node.append(onnx.helper.make_node("Identity", ["latents"], ["other"], body=body))


def _domain(model, onnx):
    model.graph.node.append(onnx.helper.make_node("Identity", ["latents"], ["other"], domain="com.stranger"))


def _function(model, onnx):
    body = [onnx.helper.make_node("Identity", ["x"], ["y"])]
    opsets = [onnx.helper.make_opsetid("", 17)]
    model.functions.append(onnx.helper.make_function("com.stranger", "Relu", ["x"], ["y"], body, opsets))


def _sparse(model, onnx):
    model.graph.sparse_initializer.add()


def _training(model, onnx):
    model.training_info.add()


HOSTILE = {
    "another folder's file": (_outside, "outside of model.safetensors"),
    "another offset": (_offset, "does not have"),
    "another shape": (_shape, "another shape"),
    "an operator's constant": (_constant, "no network of facespace"),
    "a loop": (_loop, "operator 'Loop'"),
    "a subgraph": (_branch, "no network of facespace"),
    "another domain": (_domain, "domain 'com.stranger'"),
    "a function": (_function, "no network of facespace"),
    "a sparse tensor": (_sparse, "no network of facespace"),
    "training information": (_training, "no network of facespace"),
}


@pytest.fixture(scope="module")
def space(lively, tmp_path_factory) -> Path:
    return packed(lively, tmp_path_factory.mktemp("graphs") / "packed").folder


@pytest.mark.parametrize("case", HOSTILE)
def test_a_graph_with_anything_else_is_refused(case, space, tmp_path):
    import onnx

    change, sentence = HOSTILE[case]
    folder = tmp_path / "space"
    shutil.copytree(space, folder)
    model = onnx.load(folder / "decoder.onnx", load_external_data=False)
    change(model, onnx)
    (folder / "decoder.onnx").write_bytes(model.SerializeToString())
    loaded = bundle.load(folder)
    with pytest.raises(BundleError, match=sentence):
        run(loaded, "decoder.onnx", latents=np.zeros((1, 5), np.float32))


def test_a_graph_that_is_cut_or_changed_anywhere_is_refused_or_whole(space):
    graph = (space / "decoder.onnx").read_bytes()
    stored = stored_tensors((space / "model.safetensors").read_bytes())
    dice = random.Random(0)
    refused = 0
    for _ in range(300):
        broken = bytearray(graph[: dice.randrange(len(graph))])
        if broken and dice.random() < 0.5:
            broken = bytearray(graph)
            broken[dice.randrange(len(graph))] = dice.randrange(256)
        try:
            inlined(bytes(broken), "model.safetensors", stored)
        except RefusedFile:
            refused += 1
    assert refused > 100


def test_a_card_names_no_graph_outside_of_its_folder(space):
    card = read_card(space)
    for name in ("../decoder.onnx", "/tmp/decoder.onnx", "decoder.onnx/../x.onnx", "other.onnx"):
        assert graphs.graphs_of({**card, "graphs": {name: card["fingerprint"]}}) == []
    text = json.loads((space / "card.json").read_text())
    assert set(text["graphs"].values()) == {card["fingerprint"]}
    assert cards.fingerprint(bundle.load(space).model.state_dict()) != card["fingerprint"]  # of 8-bit tensors


def test_graphs_go_to_the_hub_with_their_bundle_and_damaged_ones_do_not(space, tmp_path):
    names = graphs.graphs_of(read_card(space))
    sent = bundle_content.of_space(
        FaceSpace(bundle.load(space)), "ada/faces", "https://example.org/ada/faces"
    )
    assert set(names) <= set(sent.files) and all(hub_download.KNOWN.fullmatch(name) for name in names)
    folder = tmp_path / "space"
    shutil.copytree(space, folder)
    (folder / "encoder.onnx").write_bytes((folder / "encoder.onnx").read_bytes()[:-9])
    with pytest.raises(BundleError, match=r"encoder.onnx cannot be used"):
        bundle_content.of_space(FaceSpace(bundle.load(folder)), "ada/faces", "https://example.org/ada/faces")
