"""The single file of a recipe is the recipe: the same parameters, the same loss of the same batch, and it trains by itself.
What `facespace export` writes gives the space's own latents and faces."""

import json
import math
import os
import runpy
import shutil
import subprocess
import sys
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import processes
import pytest
import torch
from conftest import TINY
from PIL import Image

import facespace
from facespace.core.configs import override, to_dict
from facespace.core.errors import UsageError
from facespace.formats.layers import KNOWN
from facespace.formats.pictures import template_of
from facespace.models import build, bundle
from facespace.models.backbones import BACKBONES
from facespace.models.likelihoods import LIKELIHOODS
from facespace.models.optimization import learning_rate
from facespace.models.priors import FittedNormal
from facespace.recipes import RECIPES, recipe
from facespace.training.loss import total_loss

PUBLISHED = (
    "lfw-mlp",
    "celeba-gray-ae",
    "celeba-gray-vae",
    "celebamask-conv",
    "celeba-conv-128",
    "yearbook-ae",
)
SMALL = [setting for setting in TINY if setting.startswith("model")]
IMPORTS = {"argparse", "math", "sys", "collections", "itertools", "pathlib", "numpy", "torch", "PIL"}


def opened(code: str) -> types.ModuleType:
    module = types.ModuleType("printed")
    exec(compile(code, "printed.py", "exec"), module.__dict__)
    return module


def network(code: str) -> torch.nn.Module:
    classes = [part for part in vars(opened(code)).values() if isinstance(part, type)]
    return next(part for part in classes if part.__name__ in ("VAE", "Autoencoder", "VQAutoencoder"))()


def both(plan, code: str) -> tuple[torch.nn.Module, torch.nn.Module]:
    """facespace's model with random weights and statistics, and the file's with the same."""
    torch.manual_seed(1)
    model, file = build(plan.model), network(code)
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            tensor.add_(0.05 * torch.rand(tensor.shape))
    assert {name: tensor.shape for name, tensor in model.state_dict().items()} == {
        name: tensor.shape for name, tensor in file.state_dict().items()
    }
    assert set(dict(model.named_parameters())) == set(dict(file.named_parameters()))
    file.load_state_dict(model.state_dict(), strict=True)
    return model, file


def assert_same_loss(plan, code: str, faces: int = 4) -> None:
    model, file = both(plan, code)
    x = torch.rand(faces, *plan.model.image, generator=torch.Generator().manual_seed(2))
    for training in (False, True):
        torch.manual_seed(3)
        output = model.train(training)(x)
        loss, terms = total_loss(
            output, plan.objective.weights, free_bits=plan.objective.free_bits if training else 0.0
        )
        torch.manual_seed(3)
        own, own_terms = file.train(training)(x)
        torch.testing.assert_close(own, loss, rtol=2e-5, atol=1e-3)
        for name, value in terms.items():
            torch.testing.assert_close(own_terms[{"kl": "KL"}.get(name, name)], value, rtol=2e-5, atol=1e-3)
        loss.backward(), own.backward()
    weights = dict(model.named_parameters())
    largest = max(weight.grad.abs().max().item() for weight in weights.values())
    for name, mine in file.named_parameters():  # a bias before a norm has a gradient of rounding errors
        torch.testing.assert_close(mine.grad, weights[name].grad, rtol=1e-3, atol=1e-5 * largest)
    averages = dict(model.named_buffers())
    for name, mine in file.named_buffers():
        torch.testing.assert_close(mine, averages[name], rtol=1e-4, atol=1e-4)
    # The last bits of these averages move pixels of a network of random weights.
    file.load_state_dict(model.state_dict())
    with torch.inference_mode():
        z = model.eval().encode(x).mean
        encoded = file.eval().encode(x)
        mine = encoded[0] if isinstance(encoded, tuple) else encoded
        torch.testing.assert_close(mine, z, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(file.decode(z), model.decode(z), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_file_of_a_published_system_is_that_system(name):
    code = facespace.recipe_code(name)
    assert_same_loss(recipe(name), code, 2)
    assert len(code.splitlines()) <= 150 and max(map(len, code.splitlines())) <= 110
    assert f"{sum(p.numel() for p in network(code).parameters()):,} parameters" in code
    imported = {
        line.split()[1].split(".")[0] for line in code.splitlines() if line.startswith(("import ", "from "))
    }
    assert imported <= IMPORTS


@pytest.mark.parametrize("name", [name for name in RECIPES if name not in PUBLISHED])
def test_every_other_recipe_has_the_same_network_or_none(name):
    config = recipe(name).model
    if config.kind != "autoencoder" or config.backbone not in KNOWN:
        with pytest.raises(UsageError, match="no single file"):
            facespace.recipe_code(name)
        return
    whole = ["train.freeze=none"] if name == "faces128" else []  # its own starts from a trained space
    code = facespace.recipe_code(name, whole)
    assert len(code.splitlines()) <= 150 and max(map(len, code.splitlines())) <= 110
    both(recipe(name), code)
    small = [*SMALL, *whole, "model.latent_dim=64" if name == "vq" else "model.latent_dim=5"]
    assert_same_loss(override(recipe(name), small), facespace.recipe_code(name, small))
    if recipe(name).objective.perceptual:
        assert "perceptual loss (0.25)" in " ".join(code.split()) and "argparse" not in code


# Every pair of choices once: a file is written from its backbone, its likelihood and its bottleneck apart, and two of them
# meet in a place of the code, but never all three.
PAIRS = [
    (backbone, likelihood, ("gaussian", "deterministic")[(i + j) % 2])
    for i, backbone in enumerate(KNOWN)
    for j, likelihood in enumerate(LIKELIHOODS)
]


def test_the_pairs_are_all_pairs():
    for first, second in ((0, 1), (0, 2), (1, 2)):
        choices = [{row[place] for row in PAIRS} for place in (first, second)]
        assert len({(row[first], row[second]) for row in PAIRS}) == len(choices[0]) * len(choices[1])


@pytest.mark.parametrize(("backbone", "likelihood", "bottleneck"), PAIRS)
def test_all_pairs_of_choices_have_the_same_loss(backbone, likelihood, bottleneck):
    settings = [*SMALL, f"model.backbone={backbone}", f"model.likelihood={likelihood}"]
    settings += [f"model.bottleneck={bottleneck}"]
    if bottleneck == "deterministic":
        settings.append("objective.weights={}")
    assert_same_loss(override(recipe("demo"), settings), facespace.recipe_code("demo", settings))


MORE = {
    "norm": ["model.norm=false", "model.backbone=residual"],
    "progressive without norms": ["model.norm=false", "model.backbone=progressive", "model.decoder_blocks=1"],
    "dropout": ["model.dropout=0.3", "model.backbone=mlp", "model.slope=0"],
    "residual dropout": ["model.dropout=0.3", "model.backbone=residual"],
    "gray, wide": ["model.image=1,16,24", "model.slope=0.123456789"],
    "three widths": ["model.widths=6,8,10", "model.backbone=conv_trim"],
    "one width": ["model.widths=6", "model.backbone=residual"],
    "odd": ["model.image=1,19,21", "model.backbone=conv_pool"],
    "refined": ["model.refinement_steps=3"],
    "refined autoencoder": [
        "model.refinement_steps=2",
        "model.bottleneck=deterministic",
        "objective.weights={}",
    ],
    "noise": ["model.latent_noise=0.2"],
    "relu": ["model.latent_relu=true", "model.bottleneck=deterministic", "objective.weights={}"],
    "beta, free bits": ["objective.weights.kl=0.37", "objective.free_bits=0.05"],
    "spatial": ["model.spatial=true", "model.latent_dim=32"],
    "spatial progressive": ["model.spatial=true", "model.latent_dim=128", "model.backbone=progressive"],
    "codes": ["model.bottleneck=vq", "model.latent_dim=8", 'objective.weights={"commitment": 0.5}'],
    "conv codes": [
        *("model.bottleneck=vq", "model.latent_dim=64", "model.spatial=true"),
        *('objective.weights={"commitment": 1}', "model.codebook_size=16"),
    ],
}


@pytest.mark.parametrize("settings", MORE.values(), ids=MORE)
def test_settings_of_the_model_and_the_objective(settings):
    settings = [*SMALL, *settings]
    assert_same_loss(override(recipe("demo"), settings), facespace.recipe_code("demo", settings))


def test_the_backbones_that_have_a_file_exist():
    assert set(KNOWN) <= set(BACKBONES)


REFUSED = {
    "hierarchical": ([], "no single file"),
    "demo": (["model.conditions=Smiling"], "model.conditions"),
    "vq": (["model.code_dim=3"], "multiple of model.code_dim"),
    "celebamask-conv": (["model.image=3,60,60"], "multiples of 16; this one is 60×60"),
    "yearbook-ae": (["model.image=1,8,8"], "too small"),
    "lfw-mlp": (["model.spatial=true"], "does not end in a map"),
    "celeba-conv-128": (["objective.iwae_samples=3"], "importance-weighted"),
    "celeba-gray-ae": (["objective.weights.kl=1"], "no KL"),
    "celeba-gray-vae": (["train.patience=3"], "early stopping"),
    "faces64": (["train.freeze=encoder"], "train.freeze"),
    "grow32": (["data.jitter=0.2"], "data.jitter"),
    "grow64": (["data.balance.Male=0.5"], "data.balance"),
    "grow128": (["model.backbone=elastic"], "model.backbone='elastic'"),
}


@pytest.mark.parametrize(("name", "case"), REFUSED.items(), ids=REFUSED)
def test_what_has_no_file_is_refused_with_a_sentence(name, case):
    settings, sentence = case
    with pytest.raises(UsageError, match=sentence):
        facespace.recipe_code(name, settings)


def test_schedule_average_and_optimizer_are_the_recipe_s():
    settings = ["train.warmup=5", "train.final_learning_rate=0.1", "train.gradient_clip=2", "data.flip=true"]
    settings += ["objective.warmup=9", "train.steps=40", "train.ema=0.9"]
    plan = override(recipe("celeba-gray-vae"), settings)
    code = facespace.recipe_code("celeba-gray-vae", settings)
    assert "torch.optim.AdamW(model.parameters(), lr=0.0002, weight_decay=0.0001)" in code
    assert "clip_grad_norm_(model.parameters(), 2.0)" in code and "x.flip(3)" in code
    assert "model.train()(x, min(1, step / 10))" in code and "default=40" in code
    factor = code.partition("lambda step: ")[2].splitlines()[0]
    factor = factor if code.count("LambdaLR(optimizer") == 0 else factor[:-1]
    for step in (0, 3, 5, 21, 39):
        expected = learning_rate(plan.train, step, 40) / plan.train.learning_rate
        found = eval(factor, {"math": math, "step": step, "total": 40})
        assert found == pytest.approx(expected, rel=1e-9)
    assert "min(0.9, float(n / (n + 9)))" in code


def without_facespace(tmp_path: Path, *tokens: object) -> subprocess.CompletedProcess:
    """A new interpreter in which facespace cannot be imported."""
    blocked = tmp_path / "blocked/facespace"
    blocked.mkdir(parents=True, exist_ok=True)
    (blocked / "__init__.py").write_text("raise ImportError('facespace is not here')")
    environment = {"PATH": "", "PYTHONPATH": str(blocked.parent), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *map(str, tokens)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        timeout=300,
    )


def run_file(folder: Path, tokens: list[str]) -> None:
    """In a process of its own: runs a file as a script, without facespace."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "facespace"]:
        del sys.modules[name]
    sys.modules["facespace"] = None  # type: ignore[assignment]  # an import raises ImportError
    os.chdir(folder)
    sys.argv = tokens
    runpy.run_path(tokens[0], run_name="__main__")


def without_facespace_here(tmp_path: Path, *tokens: object) -> subprocess.CompletedProcess:
    """The same in a copy of this process, which need not load torch."""
    words = [str(token) for token in tokens]
    return subprocess.CompletedProcess(words, *processes.Started(run_file, tmp_path, words).finish(300))


def test_a_file_that_needs_facespace_fails_without_it(tmp_path):
    for number, line in enumerate(("import facespace", "from facespace.models import build")):
        (tmp_path / f"{number}.py").write_text(line)
        done = without_facespace_here(tmp_path, f"{number}.py")
        assert done.returncode == 1 and "ModuleNotFoundError" in done.stderr


TRAINED = {
    "celebamask-conv": [],
    "celeba-gray-ae": [],
    "celeba-gray-vae": ["train.final_learning_rate=0.1", "objective.warmup=3", "data.flip=true"],
    "yearbook-ae": ["model.image=1,19,21"],
    "vq": [
        f"objective.{name}=0" for name in ("perceptual", "center_weight", "adversarial", "feature_matching")
    ],
}


@pytest.mark.parametrize(("name", "more"), TRAINED.items(), ids=TRAINED)
def test_the_printed_file_trains_without_facespace(name, more, tmp_path):
    settings = [*SMALL, *more]
    if name == "vq":
        settings.append("model.latent_dim=64")
    if name != "yearbook-ae":
        settings.append(f"model.image={recipe(name).model.image[0]},16,16")
    plan = override(recipe(name), settings)
    channels, height, width = plan.model.image
    (tmp_path / "printed.py").write_text(facespace.recipe_code(name, settings), encoding="utf-8")
    faces = np.random.default_rng(0).integers(0, 256, (40, height, width, channels), np.uint8)
    np.save(tmp_path / "images.npy", faces)
    run = without_facespace if name == "celebamask-conv" else without_facespace_here
    done = run(tmp_path, "printed.py", "images.npy", "--steps", 6, "--to", "run")
    assert done.returncode == 0, done.stderr
    assert "step 6, validation:" in done.stdout and "MSE" in done.stdout
    weights = torch.load(tmp_path / "run/weights.pt", weights_only=True)
    build(plan.model).load_state_dict(weights, strict=True)
    out_height, out_width = build(plan.model).image_shape[1:]
    with Image.open(tmp_path / "run/samples.png") as sheet:
        assert sheet.size == (8 * out_width, 8 * out_height)
    if name == "celebamask-conv":
        again = without_facespace_here(tmp_path, "printed.py", "images.npy", "--steps", 6, "--to", "run")
        assert again.returncode == 2 and "run exists; --to names a new folder." in again.stderr
        (tmp_path / "empty").mkdir()
        none = without_facespace_here(tmp_path, "printed.py", "empty", "--to", "new")
        assert none.returncode == 2 and "empty has float64 (0,), not 10 or more" in none.stderr
        np.save(tmp_path / "other.npy", faces[:, :9])
        wrong = without_facespace_here(tmp_path, "printed.py", "other.npy", "--to", "new")
        assert wrong.returncode == 2 and f"({height}, {width}, {channels})" in wrong.stderr
        assert not (tmp_path / "new").exists()


def test_a_folder_of_pictures_is_cropped_as_the_recipe_says(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (218, 178, 3), np.uint8)
    for name in ("celebamask-conv", "celeba-gray-vae", "celeba-conv-128", "yearbook-ae"):
        image = Image.fromarray(pixels)
        image.save(tmp_path / "face.png")
        found = opened(facespace.recipe_code(name)).read(tmp_path / "face.png")
        expected = template_of(recipe(name)).prepare(image)
        assert found.shape == expected.shape and np.abs(found.astype(int) - expected).max() <= 1


def test_recipes_prints_the_code(cli, tmp_path):
    to = tmp_path / "model.py"
    assert cli("recipes", "demo", "--code", "--to", to)[0] == 0
    assert to.read_text(encoding="utf-8") == facespace.recipe_code("demo")
    code, _, err = cli("recipes", "demo", "--code", "--to", to)
    assert code == 2 and "nothing of yours" in err
    code, _, err = cli("recipes", "demo", "--to", tmp_path / "new.py")
    assert code == 2 and "--code" in err
    code, out, err = cli("recipes", "demo", "--code", "--set", "model.latent_dim=16")
    assert (code, err) == (0, "") and out == facespace.recipe_code("demo", ["model.latent_dim=16"])
    code, out, _ = cli("recipes", "demo", "--code", "--json")
    assert json.loads(out)["code"] == facespace.recipe_code("demo")
    code, out, _ = cli("recipes", "demo", "--set", "model.latent_dim=16", "--json")
    assert json.loads(out)["recipe"]["model"]["latent_dim"] == 16
    code, out, err = cli("recipes", "faces64", "--code")
    assert code == 0 and out == facespace.recipe_code("faces64") and "no training loop: perceptual" in err
    for tokens, sentence in (
        (["recipes", "--code"], "Name the recipe"),
        (["recipes", "--set", "model.latent_dim=16"], "Name the recipe"),
        (["recipes", "hierarchical", "--code"], "no single file"),
    ):
        code, _, err = cli(*tokens)
        assert code == 2 and sentence in err


def exported(space: Path, to: Path, **options) -> types.ModuleType:
    facespace.export(space, to, **options)
    code = (to / "model.py").read_text(encoding="utf-8")
    module = types.ModuleType("model")
    module.__file__ = str(to / "model.py")
    exec(compile(code, str(to / "model.py"), "exec"), module.__dict__)
    return module


def assert_same_space(folder: Path, module: types.ModuleType) -> None:
    """Latents and faces of a few pictures are those of the space, to a gray level."""
    space = facespace.load(folder)
    faces = np.random.default_rng(0).integers(
        0, 256, (2, *space.template.shape[1:], space.template.channels), np.uint8
    )
    model = module.load()
    with torch.inference_mode():
        encoded = model.encode(module.to_tensor(faces).cpu())
        z = encoded[0] if isinstance(encoded, tuple) else encoded
        image = (model.decode(z) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    expected = space.encode(faces)
    np.testing.assert_allclose(z.numpy(), expected, rtol=1e-3, atol=1e-4)
    assert np.abs(image.astype(int) - space.decode(expected)).max() <= 1


@pytest.mark.parametrize("fixture", ["trained", "lively"])
def test_an_exported_space_is_the_space(fixture, request, tmp_path):
    run = request.getfixturevalue(fixture)
    assert_same_space(run, exported(run, tmp_path / "space"))
    code = (tmp_path / "space/model.py").read_text(encoding="utf-8")
    assert "divided by 255" in code and "facespace train" not in code.partition('"""\n\nimport')[2]
    run_script = without_facespace if fixture == "trained" else without_facespace_here
    done = run_script(tmp_path, "space/model.py")
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "space/samples.png") as sheet:
        assert sheet.size == (128, 128) and len(set(sheet.convert("L").tobytes())) > 10
    Image.new("RGB", (40, 30), "gray").save(tmp_path / "face.png")
    done = without_facespace_here(tmp_path, "space/model.py", "face.png", "face.png")
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "space/reconstructions.png") as sheet:
        assert sheet.size == (32, 32)


def test_samples_of_an_autoencoder_have_the_covariance_of_its_latents():
    """Dead latents too, of which a Cholesky factor or eigenvectors may not be found."""
    lines = [line.strip() for line in facespace.recipe_code("celeba-gray-ae").splitlines()]
    drawing = [line for line in lines if line.startswith(("sums = torch", "drawn ="))]
    torch.manual_seed(0)
    z = torch.randn(50, 6) @ torch.randn(6, 6) * torch.tensor([1.0, 1, 1, 1, 1e-12, 0])
    names = {"torch": torch, "z": z, "DEVICE": "cpu"}
    exec("\n".join(drawing).replace("randn(64,", "randn(100_000,"), names)
    torch.testing.assert_close(names["drawn"].T.cov(), z.T.cov(), rtol=0.05, atol=0.1)
    torch.testing.assert_close(names["drawn"].mean(0), z.mean(0), rtol=0.05, atol=0.05)


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_recipe_exports_its_bundle(name, tmp_path):
    """Also the one with a moving average of the weights; with random weights and a prior that was fitted."""
    plan = recipe(name)
    torch.manual_seed(0)
    model = build(plan.model).eval()
    if isinstance(model.prior, FittedNormal):
        model.prior.fit(torch.randn(40, plan.model.latent_dim))
    card = {
        "recipe": to_dict(plan),
        "data": {"source": plan.data.source, "faces": 40, "terms": "none"},
        "step": 7,
    }
    bundle.save(tmp_path / "bundle", model, plan.model, template_of(plan), card)
    assert_same_space(tmp_path / "bundle", exported(tmp_path / "bundle", tmp_path / "space"))
    code = (tmp_path / "space/model.py").read_text(encoding="utf-8")
    assert ("moving average" in code) == bool(plan.train.ema) and "after 7 steps" in code
    assert f"rop {plan.data.crop}" in code or plan.data.crop == "fit"
    assert len(code.splitlines()) <= 150 and max(map(len, code.splitlines())) <= 110


@pytest.mark.parametrize("kind", ["normal", "mixture", "flow"])
def test_new_faces_come_from_the_fitted_prior(kind, lively, trained, drawn, tmp_path, monkeypatch):
    shutil.copytree(trained, tmp_path / "run")
    space = facespace.load(tmp_path / "run")
    options = {"components": 2} if kind == "mixture" else {"steps": 20} if kind == "flow" else {}
    space.fit_prior(drawn, kind, **options)
    monkeypatch.setattr("facespace.formats.pytorch.default_prior", lambda card: kind)
    module = exported(space, tmp_path / "space")
    torch.manual_seed(0)
    z = module.sample(module.load(), 3000).cpu()
    latents = torch.from_numpy(space.sample_latents_batched(3000, prior=kind))
    spread = latents.std(0)
    assert ((z.mean(0) - latents.mean(0)).abs() < 0.15 * spread + 0.01).all()
    assert ((z.std(0) / spread - 1).abs() < 0.15).all()
    assert kind not in ("flow",) or "4,096" in (tmp_path / "space/model.py").read_text(encoding="utf-8")


def test_an_export_replaces_nothing_unasked(trained, told, cli, tmp_path):
    to = tmp_path / "space"
    code, out, _ = cli("export", trained, "--format", "pytorch", "--to", to)
    assert code == 0 and "weights.pt" in out
    code, _, err = cli("export", trained, "--to", to)
    assert code == 2 and "--force" in err
    code, out, _ = cli("export", trained, "--to", to, "--force", "--json")
    assert code == 0 and set(json.loads(out)["bytes"]) == {"model.py", "weights.pt"}
    (tmp_path / "other").mkdir()
    (tmp_path / "other/mine.txt").write_text("mine")
    code, _, err = cli("export", trained, "--to", tmp_path / "other", "--force")
    assert code == 2 and "other files" in err
    code, _, err = cli("export", trained, "--format", "onxn", "--to", tmp_path / "new")
    assert code == 2 and "Known: pytorch" in err
    code, _, err = cli("export", told, "--to", tmp_path / "new")
    assert code == 2 and "model.conditions" in err and not (tmp_path / "new").exists()


@pytest.mark.parametrize(("name", "side", "lines"), [(None, 128, 190), ("faces64", 64, 150)])
def test_a_space_of_the_package_exports(name, side, lines, tmp_path, monkeypatch):
    monkeypatch.setattr("facespace.formats.pytorch.DRAWN", 128)  # latents of its flow; all 4,096 take seconds
    module = exported(name, tmp_path / "space")
    code = (tmp_path / "space/model.py").read_text(encoding="utf-8")
    assert "flow" in code and "center-148" in code and len(code.splitlines()) <= lines
    space = facespace.load(name)
    faces = np.stack([space.decode(np.zeros((1, 256), np.float32))[0]])
    model = module.load()
    with torch.inference_mode():
        z = model.encode(module.to_tensor(faces).cpu())[0]
        drawn = model.decode(module.sample(model, 4).cpu())
    np.testing.assert_allclose(z.numpy(), space.encode(faces), rtol=1e-3, atol=1e-3)
    assert drawn.shape == (4, 3, side, side) and drawn.std() > 0.1


def test_a_card_cannot_put_code_into_the_file(tmp_path):
    plan = override(recipe("demo"), SMALL)
    evil = 'x"""\nraise SystemExit("ran")\n"""\\'
    data = {"source": evil, "faces": 3, "terms": evil}
    card = {"recipe": to_dict(plan) | {"name": evil}, "data": data, "step": 7}
    template = replace(template_of(plan), crop="center-148", source=(218, 178))
    bundle.save(tmp_path / "bundle", build(plan.model), plan.model, template, card)
    module = exported(tmp_path / "bundle", tmp_path / "space")
    assert "ran" in module.__doc__ and module.load()
    opened(facespace.recipe_code(replace(recipe("lfw-mlp"), name=evil), [f"data.source={evil}"]))
