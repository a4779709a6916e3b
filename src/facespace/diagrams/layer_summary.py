"""What a model is made of, layer by layer, seen by sending a face through it; and the diagrams of models and ideas by
their names. Draws nothing itself: diagrams/ does."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import nn

from facespace.core.errors import UsageError, suggest
from facespace.data.synthetic.factors import render
from facespace.diagrams import concepts
from facespace.diagrams.network import Block, network
from facespace.models import ModelConfig, build, bundle
from facespace.models.blocks import Residual, Side, Trim
from facespace.recipes import RECIPES, recipe

# Layers that begin a block; all others are folded into the one before them.
LAYERS: dict[type[nn.Module], Callable[..., str]] = {
    nn.Linear: lambda layer: "linear",
    nn.Conv2d: lambda layer: f"conv {_window(layer)}",
    nn.ConvTranspose2d: lambda layer: f"transposed conv {_window(layer)}",
}
FOLDED: dict[type[nn.Module], Callable[..., str]] = {
    nn.modules.batchnorm._BatchNorm: lambda layer: "BatchNorm",
    nn.ReLU: lambda layer: "ReLU",
    nn.LeakyReLU: lambda layer: f"LeakyReLU {layer.negative_slope:g}",
    nn.GroupNorm: lambda layer: "GroupNorm",
    nn.SiLU: lambda layer: "SiLU",
    nn.PixelShuffle: lambda layer: f"pixel shuffle ×{layer.upscale_factor}",
    Residual: lambda layer: "residual block",
    Side: lambda layer: layer.says,
    nn.modules.dropout._DropoutNd: lambda layer: f"Dropout {layer.p:g}",
    nn.MaxPool2d: lambda layer: f"max-pool {layer.kernel_size}×{layer.kernel_size}",
    nn.Flatten: lambda layer: "flatten",
    nn.Unflatten: lambda layer: "reshape",
    Trim: lambda layer: f"trim to {layer.height}×{layer.width}",
}
FACE = {
    "skin_tone": -0.4,
    "smile": 0.8,
    "hair_length": 0.3,
    "hair_shade": -0.3,
    "eye_size": 0.3,
    "curl": -0.6,
}


Step = tuple[nn.Module, tuple[int, ...]]  # a layer, and the shape of what it puts out for one face


class Anatomy(NamedTuple):
    """A model's blocks in the order of a face's way: from the picture to what the latent is made of, and from the latent
    to the picture."""

    encoder: list[Block]
    decoder: list[Block]

    @property
    def parameters(self) -> int:
        """Of all blocks."""
        return sum(block.parameters for block in (*self.encoder, *self.decoder))


def dissect(config: ModelConfig) -> Anatomy:
    """The blocks of the model that a config describes, from one pass of a face without numbers (no memory is spent on it).
    Every trainable parameter is in one of them."""
    with torch.device("meta"):
        model = build(config).eval()
        seen: dict[str, Step] = {}  # each part where a face last came through it
        blocks = tuple(
            f"{name}." for name, part in model.named_modules() if isinstance(part, Residual | Side)
        )

        def saw(name: str, part: nn.Module, shape: tuple[int, ...]) -> None:
            seen.pop(name, None)
            seen[name] = part, shape

        for name, part in model.named_modules():
            whole = f"{name}." in blocks or not (list(part.children()) or name.startswith(blocks))
            if whole and name.startswith(("encoder.", "heads", "decoder.")):
                part.register_forward_hook(
                    lambda _, __, out, name=name, part=part: saw(name, part, (*out.shape[1:],))
                )
        model(torch.zeros(1, *config.image))
    variational, told = config.bottleneck == "gaussian", len(config.conditions)
    encoder = _fold([Block("face x", ("in [0, 1]",), config.image, 0)], _within(seen, "encoder."))
    heads = [part for part, _ in _within(seen, "heads")]
    notes = {"gaussian": ("μ and log σ²",), "codes": (f"each the nearest of {config.codebook:,} codes",)}.get(
        config.bottleneck, ("ReLU",) if config.latent_relu else ()
    )
    (size,) = model.latent_shape
    name = "linear" if isinstance(heads[0], nn.Linear) else f"heads of {1 + len(config.levels)} levels"
    name = "conv 1×1" if config.spatial else name
    encoder.append(Block(name, notes, (2, size) if variational else (size,), sum(map(_count, heads))))
    latent = Block(
        "latent z", (f"and {told} attributes, each with whether it is known",) if told else (), (size,), 0
    )
    decoder = _fold([latent], _within(seen, "decoder."))
    spread = {
        "normal_pixel": ("sigmoid of one half", "log σ² of each pixel is the other"),
        "normal_shared": ("sigmoid", "one σ for all pixels"),
    }
    notes = spread.get(config.pixels, ("sigmoid",))
    decoder.append(Block("mean face", notes, model.image_shape, _count(model.pixels)))  # type: ignore[arg-type]
    return Anatomy(encoder, decoder)


def diagram(what: str) -> tuple[Figure, dict[str, object]]:
    """The drawing of a recipe, a trained space or one of IDEAS, and its facts: title, parameters and blocks of a model.

    Raises UsageError for a name that is none of them, BundleError for a space that is damaged."""
    if what in IDEAS:
        return IDEAS[what](), {"drawn": what}
    if what in RECIPES:
        config = recipe(what).model
    elif Path(what).is_dir():
        config = bundle.load(what).model.config
    else:
        raise UsageError(
            f"{what!r} is no recipe, no idea and no folder of a space. {suggest(what, [*RECIPES, *IDEAS])}"
        )
    parts = dissect(config)
    size = math.prod(parts.decoder[0].shape)
    variational = config.bottleneck == "gaussian"
    name = what if what in RECIPES else Path(what).resolve().name
    title = f"{name}: {config.family}, {size:,} latents, {parts.parameters:,} parameters"
    turn = "z = μ + σ·ε,  ε drawn from N(0, I)" if variational else "no noise: a face is one point"
    blocks = {side: [block._asdict() for block in getattr(parts, side)] for side in Anatomy._fields}
    return network(title, *parts, turn), {"drawn": name, "parameters": parts.parameters, **blocks}


def draw_autoencoder() -> Figure:
    """A face, few numbers, a face."""
    face = render(FACE, 128, 128)
    coarse = (
        Image.fromarray(face)
        .resize((20, 20), Image.Resampling.BOX)
        .resize((128, 128), Image.Resampling.BICUBIC)
    )
    return concepts.autoencoder(face, np.asarray(coarse))


# Ideas that have a drawing.
IDEAS: dict[str, Callable[[], Figure]] = {"autoencoder": draw_autoencoder, "ae-vs-vae": concepts.ae_vs_vae}


def _within(seen: dict[str, Step], start: str) -> list[Step]:
    return [step for name, step in seen.items() if name.startswith(start)]


def _fold(blocks: list[Block], steps: list[Step]) -> list[Block]:
    """Each layer as a block after those given, with what follows it up to the next one folded in."""
    for part, shape in steps:
        side = isinstance(part, Side)
        name = _named(LAYERS, part) or (
            part.says if side and len(blocks) == 1 else None
        )  # the first is on the way itself
        if name:
            blocks.append(Block(name, (), shape, _count(part)))
            continue
        last = blocks[-1]
        note = _named(FOLDED, part) or type(part).__name__
        if isinstance(part, nn.Flatten):  # the box keeps the picture's form
            note, shape = f"flatten to {shape[0]:,}" if len(last.shape) > 1 else "", last.shape
        shape = last.shape if side else shape
        blocks[-1] = Block(
            last.name, (*last.notes, *filter(None, [note])), shape, last.parameters + _count(part)
        )
    return blocks


def _named(table: dict[type[nn.Module], Callable[..., str]], part: nn.Module) -> str | None:
    return next((say(part) for kind, say in table.items() if isinstance(part, kind)), None)


def _window(layer: nn.Conv2d | nn.ConvTranspose2d) -> str:
    high, wide = layer.kernel_size
    return f"{high}×{wide}" + (f", stride {layer.stride[0]}" if layer.stride[0] > 1 else "")


def _count(part: nn.Module) -> int:
    return sum(p.numel() for p in part.parameters() if p.requires_grad)
