"""A recipe as one file of plain PyTorch: network, loss and training loop, from the templates of this folder
and the lines of layers.py. The model has the parameter names of facespace's, so weights fit both. Imports
no torch."""

import re
import textwrap
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NotRequired, TypedDict

import jinja2

from facespace.core.configs import override
from facespace.formats.checks import TERMS, check_model, check_recipe, left_out
from facespace.formats.docstrings import CLASSES, OPTIMIZERS, length, recipe_docstring
from facespace.formats.layers import Network, network, norm_activation, shape_text
from facespace.formats.pictures import PictureFields, picture_fields, template_of
from facespace.recipes import recipe as named_recipe
from facespace.recipes.config import Recipe, TrainConfig
from facespace.recipes.model_config import ModelConfig

TEMPLATES = Path(__file__).parent / "templates"
# Lines of the file's head, each where the file uses the name before the dot.
IMPORTS = {
    "argparse.": "import argparse",
    "math.": "import math",
    "sys.": "import sys",
    "Counter(": "from collections import Counter",
    "pairwise(": "from itertools import pairwise",
    "Path": "from pathlib import Path",
}
LIBRARIES = {
    "np.": "import numpy as np",
    "torch.": "import torch",
    "Image.": "from PIL import Image, ImageOps",
    "nn.": "from torch import nn",
    "F.": "from torch.nn import functional as F",
    "LambdaLR(": "from torch.optim.lr_scheduler import LambdaLR",
    "AveragedModel(": "from torch.optim.swa_utils import AveragedModel",
}
DEVICE = {"DEVICE": '"cuda" if torch.cuda.is_available() else "cpu"'}

Fields = dict[str, object]  # the variables of a template


class PriorFields(TypedDict):
    """The variables of export.jinja."""

    prior_kind: str
    prior_doc: str  # one sentence
    weight: NotRequired[float]  # of the regularizer


def recipe_code(recipe: Recipe | str, settings: Sequence[str] = ()) -> str:
    """The text of one Python file that is a recipe: network, loss and training loop in plain PyTorch, at most
    150 lines for the recipes of published systems. It imports torch, numpy and Pillow, and not facespace.

    `settings` are overrides such as "model.latent_dim=32". The parameters have the names and shapes of
    those of the model that `facespace.train` trains. Auxiliary losses, which need networks of their own,
    are named in the file's docstring and left out. Raises UsageError for an unknown recipe or setting, and
    for a recipe without a file, such as a hierarchical or a conditional one."""
    plan = override(named_recipe(recipe) if isinstance(recipe, str) else recipe, settings)
    return code_of(plan, settings)


def code_of(plan: Recipe, settings: Sequence[str] = ()) -> str:
    """The same for a recipe in which the settings are made; here they are only named in the file's title."""
    check_recipe(plan)
    net = network(plan.model)
    pictures = picture_fields(template_of(plan), plan.data.source)
    fields = {**_model_fields(plan.model, net), **pictures, **_training_fields(plan)}
    body = _render("network_only.jinja" if left_out(plan) else "train.jinja", fields)
    return _file(recipe_docstring(plan, settings), body, {} if left_out(plan) else DEVICE, plan.model)


def model_code(config: ModelConfig, docstring: str, pictures: PictureFields, prior: PriorFields) -> str:
    """The text of one Python file that opens exported weights of a model. `pictures` are the variables of
    pictures.jinja, `prior` those of export.jinja. Raises UsageError for a model without a file."""
    check_model(config)
    fields = _model_fields(config, network(config)) | {"warmup": 0, "free_bits": 0.0, "weight": 1.0}
    doc = "\n    ".join(textwrap.wrap(prior["prior_doc"], 100))
    body = _render("export.jinja", {**fields, **pictures, **prior, "prior_doc": doc})
    return _file(docstring, body, {"HERE": "Path(__file__).parent", **DEVICE}, config)


def _file(docstring: str, body: str, constants: Mapping[str, str], config: ModelConfig) -> str:
    """Docstring, imports, constants and the rest."""
    lines = [f"{name} = {value}" for name, value in constants.items()]
    if config.backbone == "progressive":
        lines.insert(0, f"WIDTHS = {config.widths[::-1]}  # channels at each size, the smallest first")
    whole = "\n".join([*lines, body])
    head = [f'"""{docstring}"""', "", *_imports(IMPORTS, whole), "", *_imports(LIBRARIES, whole), "", *lines]
    return "\n".join([*head, "", "", body.strip("\n"), ""])


def _imports(table: Mapping[str, str], text: str) -> list[str]:
    """The lines of a table whose name the text uses."""
    return [line for name, line in table.items() if re.search(rf"\b{re.escape(name)}", text)]


def _render(name: str, fields: Fields) -> str:
    return _environment().get_template(name).render(fields)


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )


def _model_fields(config: ModelConfig, net: Network) -> Fields:
    """The variables of network.jinja."""
    channels, height, width = net.image
    dropout = f"nn.Dropout2d({config.dropout}), " if config.dropout else ""
    fields: Fields = {
        "cls": CLASSES[config.bottleneck],
        "class_doc": (
            f"{shape_text(config.image)} values, {config.latent_dim} latents, {shape_text(net.image)} values."
        ),
        "encoder": net.encoder,
        "heads": net.heads,
        "decoder": net.decoder,
        "blocks": net.blocks,
        "channels": config.image[0],
        "dropout": dropout,
        "norm_activation": norm_activation(config),
        "input": ", ".join(map(str, config.image)),
        "output": f"{channels}, {height}, {width}",
        "latents": config.latent_dim,
        "bottleneck": config.bottleneck,
        "codebook": config.bottleneck == "vq",
        "codebook_size": config.codebook_size,
        "code_dim": config.code_dim,
        "likelihood": config.likelihood,
        "refinements": config.refinement_steps - 1,
        "latent_relu": config.latent_relu,
        "latent_noise": config.latent_noise,
        "crop": net.image != config.image,
        "codebook_rate": 0.02,
        "codebook_restart": 0.05,
    }
    return {**fields, **net.extra, **_expressions(config, net), **_bottleneck_fields(config)}


def _expressions(config: ModelConfig, net: Network) -> Fields:
    """Expressions of the file that depend on the model's sizes."""
    _, height, width = net.image
    trimmed = mean = ""
    if net.trim:
        trimmed = f"[..., :{height}, :{width}]"
    if config.bottleneck == "gaussian":
        mean = "[0]"
    target = "x"
    if net.image != config.image:  # its centre, as in LatentModel.target
        top, left = (config.image[1] - height) // 2, (config.image[2] - width) // 2
        target = f"x[..., {top}:{top + height}, {left}:{left + width}]"

    def raw(z: str) -> str:
        return f"self.decoder({z}){trimmed}"

    def encoded(x: str, model: str = "model") -> str:
        return f"{model}.encode({x}){mean}"

    return {"raw": raw, "encoded": encoded, "target": target}


def _bottleneck_fields(config: ModelConfig) -> dict[str, str]:
    """Notes that depend on the bottleneck."""
    heads = {
        "gaussian": "mean and log-variance of each latent",
        "deterministic": "the latents",
        "vq": "the latents before they are quantized",
    }
    reasons = {
        "gaussian": "",
        "deterministic": "an autoencoder has no prior",
        "vq": "codes have no prior of their own",
    }
    return {"heads_note": heads[config.bottleneck], "prior_reason": reasons[config.bottleneck]}


def _training_fields(plan: Recipe) -> Fields:
    """The variables of train.jinja."""
    goal, train, term = plan.objective, plan.train, TERMS[plan.model.bottleneck]
    decay = f", weight_decay={train.weight_decay}" if train.weight_decay else ""
    arguments = f"model.parameters(), lr={train.learning_rate}{decay}"
    return {
        "name": re.sub(r"[^\w.-]", "-", plan.name),
        "weight": goal.weights.get(term or "", 1.0),
        "warmup": goal.warmup if term else 0,
        "free_bits": goal.free_bits,
        "flip": plan.data.flip,
        "decay": train.decay,
        "schedule": _schedule(train),
        "length": length(train),
        "epochs": train.epochs,
        "min_steps": train.min_steps,
        "steps": train.steps,
        "batch": train.batch,
        "optimizer": f"torch.optim.{OPTIMIZERS[train.optimizer]}({arguments})",
        "clip": train.gradient_clip,
        "shown": "average.module" if train.decay else "model",
        "drawn": _drawn(plan.model),
    }


def _drawn(config: ModelConfig) -> str:
    """Latents of new faces, as an expression of the training loop."""
    if config.bottleneck == "gaussian":
        return f"torch.randn(64, {config.latent_dim}, device=DEVICE)"
    return "drawn"


def _schedule(train: TrainConfig) -> str:
    """The factor of the learning rate as an expression of `step` and `total`; empty where it is constant."""
    factors = []
    if train.warmup:
        factors.append(f"min(1, (step + 1) / {train.warmup + 1})")
    if train.final_learning_rate < 1:
        final, half = train.final_learning_rate, round(0.5 * (1 - train.final_learning_rate), 12)
        cosine = f"{half} * (1 + math.cos(math.pi * step / total))"
        factors.append(f"{final} + {cosine}" if final else cosine)
        if train.warmup and final:
            factors[-1] = f"({factors[-1]})"
    return " * ".join(factors)
