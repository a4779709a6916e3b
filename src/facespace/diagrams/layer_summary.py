"""What a model is made of, layer by layer, seen by sending a face through it; and the diagrams of models and
ideas by their names. Draws nothing itself: diagrams/ does."""

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
from facespace.models import ModelConfig, build, bundle, locations
from facespace.models.blocks import Residual, SideBranch, Trim
from facespace.models.style import Modulated, StyledConvolution, ToRGB
from facespace.recipes import RECIPES, recipe

# Layers that begin a block; all others are folded into the one before them.
LAYERS: dict[type[nn.Module], Callable[..., str]] = {
    nn.Linear: lambda layer: "linear",
    nn.Conv2d: lambda layer: f"conv {_window(layer)}",
    nn.ConvTranspose2d: lambda layer: f"transposed conv {_window(layer)}",
    StyledConvolution: lambda layer: layer.label,
}
FOLDED: dict[type[nn.Module], Callable[..., str]] = {
    nn.modules.batchnorm._BatchNorm: lambda layer: "BatchNorm",
    nn.ReLU: lambda layer: "ReLU",
    nn.LeakyReLU: lambda layer: f"LeakyReLU {layer.negative_slope:g}",
    nn.GroupNorm: lambda layer: "GroupNorm",
    nn.SiLU: lambda layer: "SiLU",
    nn.PixelShuffle: lambda layer: f"pixel shuffle ×{layer.upscale_factor}",
    Residual: lambda layer: "residual block",
    SideBranch: lambda layer: layer.label,
    ToRGB: lambda layer: layer.label,
    nn.modules.dropout._DropoutNd: lambda layer: f"Dropout {layer.p:g}",
    nn.MaxPool2d: lambda layer: f"max-pool {layer.kernel_size}×{layer.kernel_size}",
    nn.Flatten: lambda layer: "flatten",
    nn.Unflatten: lambda layer: "reshape",
    Trim: lambda layer: f"trim to {layer.height}×{layer.width}",
}
# The likelihoods whose decoder does more than a sigmoid of the mean.
PIXEL_NOTES = {
    "normal_pixel": ("sigmoid of one half", "log σ² of each pixel is the other"),
    "normal_shared": ("sigmoid", "one σ for all pixels"),
}
COMPOSITE = (Residual, SideBranch, Modulated)  # modules that are drawn as one layer
FACE = {
    "skin_tone": -0.4,
    "smile": 0.8,
    "hair_length": 0.3,
    "hair_shade": -0.3,
    "eye_size": 0.3,
    "curl": -0.6,
}


Step = tuple[nn.Module, tuple[int, ...]]  # a layer, and the shape of its output for one face


class LayerSummary(NamedTuple):
    """A model's blocks in the order of the forward pass: from the picture to the parameters of the posterior,
    and from the latent to the picture."""

    encoder: list[Block]
    decoder: list[Block]

    @property
    def parameters(self) -> int:
        """Trainable parameters of all blocks."""
        return sum(block.parameters for block in (*self.encoder, *self.decoder))


def summarize_layers(config: ModelConfig) -> LayerSummary:
    """The blocks of the model of a config, from one forward pass on the meta device, which allocates no
    memory. Every trainable parameter is in one of them."""
    with torch.device("meta"):
        model = build(config).eval()
        steps = _trace(model, torch.zeros(1, *config.image))
    encoder = _fold([Block("face x", ("in [0, 1]",), config.image, 0)], _within(steps, "encoder."))
    encoder.append(_head(config, model.latent_shape, [part for part, _ in _within(steps, "heads")]))
    decoder = _fold([_latent(config, model.latent_shape)], _within(steps, "decoder."))
    notes = PIXEL_NOTES.get(config.likelihood, ("sigmoid",))
    parameters = _count(model.pixels)  # type: ignore[arg-type]
    decoder.append(Block("mean face", notes, model.image_shape, parameters))
    return LayerSummary(encoder, decoder)


def _trace(model: nn.Module, face: torch.Tensor) -> dict[str, Step]:
    """The layers of encoder, heads and decoder by name, in the order of their last call in a forward pass."""
    steps: dict[str, Step] = {}
    blocks: list[str] = []
    for name, part in model.named_modules():
        if isinstance(part, COMPOSITE):
            blocks.append(f"{name}.")
    for name, part in model.named_modules():
        is_leaf = not list(part.children()) and not name.startswith(tuple(blocks))
        if (is_leaf or f"{name}." in blocks) and name.startswith(("encoder.", "heads", "decoder.")):
            part.register_forward_hook(_recorder(steps, name))
    model(face)
    return steps


def _recorder(steps: dict[str, Step], name: str) -> Callable[..., None]:
    """A forward hook that moves a layer with its output shape to the end of the steps."""

    def record(part: nn.Module, _: object, output: torch.Tensor) -> None:
        steps.pop(name, None)
        steps[name] = part, tuple(output.shape[1:])

    return record


def _head(config: ModelConfig, latent_shape: tuple[int, ...], heads: list[nn.Module]) -> Block:
    """The block that gives the parameters of the posterior."""
    (size,) = latent_shape
    name = f"heads of {1 + len(config.levels)} levels"
    if config.spatial:
        name = "conv 1×1"
    elif isinstance(heads[0], nn.Linear):
        name = "linear"
    parameters = sum(map(_count, heads))
    if config.bottleneck == "gaussian":
        return Block(name, ("μ and log σ²",), (2, size), parameters)
    notes = ("ReLU",) if config.latent_relu else ()
    if config.bottleneck == "vq":
        notes = (f"each the nearest of {config.codebook_size:,} codes",)
    return Block(name, notes, (size,), parameters)


def _latent(config: ModelConfig, latent_shape: tuple[int, ...]) -> Block:
    """The block of the decoder's input."""
    notes = ()
    if config.conditions:
        notes = (f"and {len(config.conditions)} attributes, each with whether it is known",)
    return Block("latent z", notes, latent_shape, 0)


def diagram(what: str) -> tuple[Figure, dict[str, object]]:
    """The drawing of a recipe, a trained space or one of IDEAS, and its facts: title, parameters and blocks
    of a model.

    Raises UsageError for a name that is none of them, BundleError for a space that is damaged."""
    if what in IDEAS:
        return IDEAS[what](), {"drawn": what}
    name, config = _config(what)
    parts = summarize_layers(config)
    size = math.prod(parts.decoder[0].shape)
    title = f"{name}: {config.family}, {size:,} latents, {parts.parameters:,} parameters"
    turn = "no noise: a face is one point"
    if config.bottleneck == "gaussian":
        turn = "z = μ + σ·ε,  ε drawn from N(0, I)"
    facts: dict[str, object] = {"drawn": name, "parameters": parts.parameters}
    for side, blocks in parts._asdict().items():
        facts[side] = [block._asdict() for block in blocks]
    return network(title, *parts, turn), facts


def _config(what: str) -> tuple[str, ModelConfig]:
    """Name and config of the model of a recipe or of a space's folder."""
    if what in RECIPES:
        return what, recipe(what).model
    folder = locations.folder_of(Path(what))
    if folder.is_dir():
        return locations.title_of(folder.resolve()), bundle.load(folder).model.config
    raise UsageError(
        f"{what!r} is no recipe, no idea and no folder of a space. {suggest(what, [*RECIPES, *IDEAS])}"
    )


def draw_autoencoder() -> Figure:
    """A face, its latent, and a blurred face as its reconstruction."""
    face = render(FACE, 128, 128)
    coarse = Image.fromarray(face).resize((20, 20), Image.Resampling.BOX)
    return concepts.autoencoder(face, np.asarray(coarse.resize((128, 128), Image.Resampling.BICUBIC)))


# Ideas that have a drawing.
IDEAS: dict[str, Callable[[], Figure]] = {"autoencoder": draw_autoencoder, "ae-vs-vae": concepts.ae_vs_vae}


def _within(steps: dict[str, Step], start: str) -> list[Step]:
    return [step for name, step in steps.items() if name.startswith(start)]


def _fold(blocks: list[Block], steps: list[Step]) -> list[Block]:
    """Each layer as a block after those given; what follows it up to the next layer is folded into it."""
    for part, shape in steps:
        name = _named(LAYERS, part)
        if not name and isinstance(part, SideBranch) and len(blocks) == 1:
            name = part.label  # the first one is on the main path itself
        if name:
            blocks.append(Block(name, (), shape, _count(part)))
        else:
            blocks[-1] = _folded(blocks[-1], part, shape)
    return blocks


def _folded(last: Block, part: nn.Module, shape: tuple[int, ...]) -> Block:
    """A block with one more layer folded into it."""
    note = _named(FOLDED, part) or type(part).__name__
    if isinstance(part, nn.Flatten):  # the box keeps the shape of the picture
        note = f"flatten to {shape[0]:,}" if len(last.shape) > 1 else ""
    if isinstance(part, nn.Flatten | SideBranch | ToRGB):
        shape = last.shape
    notes = (*last.notes, note) if note else last.notes
    return Block(last.name, notes, shape, last.parameters + _count(part))


def _named(table: dict[type[nn.Module], Callable[..., str]], part: nn.Module) -> str | None:
    for kind, describe in table.items():
        if isinstance(part, kind):
            return describe(part)
    return None


def _window(layer: nn.Conv2d | nn.ConvTranspose2d) -> str:
    high, wide = layer.kernel_size
    stride = layer.stride[0]
    return f"{high}×{wide}, stride {stride}" if stride > 1 else f"{high}×{wide}"


def _count(part: nn.Module) -> int:
    return sum(p.numel() for p in part.parameters() if p.requires_grad)
