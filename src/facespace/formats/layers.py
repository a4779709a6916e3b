"""The layers of a model as lines of PyTorch, with the shape after each line: the text of what
models/backbones.py builds. A test compares the two for all combinations. Imports no torch."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import NamedTuple

from facespace.core.errors import UsageError
from facespace.recipes.model_config import ModelConfig
from facespace.recipes.sizes import (
    DETAIL_WIDTH,
    FULL_SIZE_WIDTH,
    GROUPS,
    cell_channels,
    halved,
    pooled_map,
    smallest_map,
)

WIDTH = 110  # characters of a line
INDENT = 8  # of the first line of an attribute

RAW_PARTS = {"normal_pixel": 2}  # raw numbers for each pixel value where they are not 1
POSTERIOR_PARTS = {"gaussian": 2}  # numbers of the bottleneck for each latent where they are not 1

Shape = tuple[int, ...]


class Line(NamedTuple):
    """Layers on one line, and the shape after them, without the batch."""

    layers: Sequence[str]
    shape: Shape


class Network(NamedTuple):
    """The text of a model's encoder, heads and decoder."""

    encoder: str
    heads: str
    decoder: str
    image: tuple[int, int, int]  # (C, H, W) of the model's image
    trim: bool = False  # the decoder's image is larger, and its top left part is meant
    blocks: str = ""  # the template of the classes that these lines need
    extra: Mapping[str, str] = MappingProxyType({})  # further texts of that template


class Parts(NamedTuple):
    """A backbone before its text is joined."""

    encoder: Sequence[Line]
    features: int  # of the encoder's output
    decoder: Sequence[Line]
    size: tuple[int, int]
    grid: tuple[int, int] | None = None  # of the encoder's last map, if it has one


def network(config: ModelConfig) -> Network:
    """The text of a model of these settings. Raises UsageError for a size that its backbone cannot have, and
    for a backbone without a text."""
    if config.backbone == "progressive":
        return _progressive(config)
    if config.backbone == "residual_upsampled":
        return _residual_upsampled(config)
    parts = BACKBONES[config.backbone](config)
    residual = config.backbone == "residual"
    return Network(
        sequential(parts.encoder),
        _heads(config, parts.features, parts.grid),
        sequential(parts.decoder),
        (config.image[0], *parts.size),
        trim=config.backbone == "conv_trim",
        blocks="residual" if residual else "",
    )


def raw_channels(config: ModelConfig) -> int:
    """Channels of the decoder's output."""
    return config.image[0] * RAW_PARTS.get(config.likelihood, 1)


def shape_text(shape: Shape) -> str:
    """(3, 64, 64) as '3×64×64'."""
    return "×".join(map(str, shape))


def sequential(lines: Sequence[Line], indent: int = INDENT, name: str = "nn.Sequential") -> str:
    """An nn.Sequential, or a class of that kind, of these lines, each with the shape after it; a long line is
    broken after its first layer."""
    rows = [f"{name}("]
    margin = " " * (indent + 4)
    for line in lines:
        text, shape = f"{margin}{', '.join(line.layers)},", f"  # {shape_text(line.shape)}"
        if len(text + shape) > WIDTH:
            rows.append(f"{margin}{line.layers[0]},")
            text = f"{margin}{', '.join(line.layers[1:])},"
        rows.append(text + shape)
    return "\n".join([*rows, " " * indent + ")"])


def _mlp(config: ModelConfig) -> Parts:
    _, height, width = config.image
    values, after_layer = math.prod(config.image), _after(config, "nn.BatchNorm1d", "nn.Dropout")
    raw = (raw_channels(config), height, width)
    encoder, decoder = [Line(["nn.Flatten()"], (values,))], []
    for before, after in pairwise([values, *config.widths]):
        encoder.append(Line([f"nn.Linear({before}, {after})", *after_layer(after)], (after,)))
    for before, after in pairwise([config.latent_dim, *reversed(config.widths)]):
        decoder.append(Line([f"nn.Linear({before}, {after})", *after_layer(after)], (after,)))
    last = [f"nn.Linear({config.widths[0]}, {math.prod(raw)})", f"nn.Unflatten(1, {raw})"]
    return Parts(encoder, config.widths[-1], [*decoder, Line(last, raw)], (height, width))


def _conv(config: ModelConfig) -> Parts:
    return _strided(config, 4, [1] * len(config.widths))


def _conv_trim(config: ModelConfig) -> Parts:
    return _strided(config, 3, [0] + [1] * (len(config.widths) - 1))


def _strided(config: ModelConfig, kernel: int, paddings: Sequence[int]) -> Parts:
    channels, height, width = config.image
    small, after_layer = smallest_map(config, config.widths[-1]), _after(config)
    encoder = []
    for level, (before, after) in enumerate(pairwise([channels, *config.widths]), 1):
        layer = f"nn.Conv2d({before}, {after}, {kernel}, 2, 1)"
        shape = (after, height // 2**level, width // 2**level)
        encoder.append(Line([layer, *after_layer(after)], shape))
    encoder.append(Line(["nn.Flatten()"], (math.prod(small),)))
    decoder, size = [Line(_projection(config, small), small)], small[1:]
    outwards = [*reversed(config.widths), raw_channels(config)]
    for (before, after), padding in zip(pairwise(outwards), paddings):
        size = tuple(2 * side - 2 - 2 * padding + kernel for side in size)
        layer = f"nn.ConvTranspose2d({before}, {after}, {kernel}, 2, {padding})"
        decoder.append(Line([layer, *after_layer(after)], (after, *size)))
    decoder[-1] = Line(
        decoder[-1].layers[:1], decoder[-1].shape
    )  # the output has neither norm nor activation
    return Parts(encoder, math.prod(small), decoder, (height, width), small[1:])


def _conv_pool(config: ModelConfig) -> Parts:
    channels, height, width = config.image
    small, after_layer = pooled_map(config), _after(config)
    narrowest, factor = small[0], 2 ** len(config.widths)
    encoder = []
    for level, (before, after) in enumerate(pairwise([channels, *config.widths]), 1):
        layers = [f"nn.Conv2d({before}, {after}, 3, 1, 1)", *after_layer(after), "nn.MaxPool2d(2)"]
        encoder.append(Line(layers, (after, height // 2**level, width // 2**level)))
    last = f"nn.Conv2d({config.widths[-1]}, {narrowest}, 3, 1, 1)"
    encoder.append(Line([last, "nn.ReLU()", "nn.Flatten()"], (math.prod(small),)))
    first = [f"nn.Linear({config.latent_dim}, {math.prod(small)})", "nn.ReLU()", f"nn.Unflatten(1, {small})"]
    decoder = [Line(first, small)]
    for level, (before, after) in enumerate(pairwise([narrowest, *reversed(config.widths)]), 1):
        layers = [f"nn.Conv2d({before}, {after}, 3, 1, 1)", *after_layer(after)]
        layers.append(f"nn.ConvTranspose2d({after}, {after}, 2, 2)")
        decoder.append(Line(layers, (after, small[1] * 2**level, small[2] * 2**level)))
    size, raw = (small[1] * factor, small[2] * factor), raw_channels(config)
    decoder.append(Line([f"nn.Conv2d({config.widths[0]}, {raw}, 3, 1, 1)"], (raw, *size)))
    return Parts(encoder, math.prod(small), decoder, size)


def _residual(config: ModelConfig) -> Parts:
    channels, height, width = config.image
    small, raw = smallest_map(config, config.widths[-1]), raw_channels(config)
    encoder = []
    for level, (before, after) in enumerate(pairwise([channels, *config.widths]), 1):
        kernel = 4 if level == 1 else 3
        layers = [f"nn.Conv2d({before}, {after}, {kernel}, 2, 1)", f"Residual({after})"]
        encoder.append(Line(layers, (after, height // 2**level, width // 2**level)))
    encoder.append(Line([f"*norm_activation({small[0]})", "nn.Flatten()"], (math.prod(small),)))
    decoder = [Line(_projection(config, small), small)]
    outwards = [*reversed(config.widths), FULL_SIZE_WIDTH]
    for level, (before, after) in enumerate(pairwise(outwards), 1):
        layers, shape = [f"Residual({before})"] * 2, (after, small[1] * 2**level, small[2] * 2**level)
        if level == len(config.widths):
            layers += [f"*norm_activation({before})", f"*upsample({before}, {after}, 3)"]
        else:
            layers.append(f"*upsample({before}, {after}, 1)")
        decoder.append(Line(layers, shape))
    last = [f"*norm_activation({FULL_SIZE_WIDTH})", f"nn.Conv2d({FULL_SIZE_WIDTH}, {raw}, 3, 1, 1)"]
    decoder.append(Line(last, (raw, height, width)))
    return Parts(encoder, math.prod(small), decoder, (height, width), small[1:])


def _residual_upsampled(config: ModelConfig) -> Network:
    parts = _residual(halved(config))
    extra = {
        "full_size_width": str(FULL_SIZE_WIDTH),
        "detail_width": str(DETAIL_WIDTH),
        "raw_channels": str(raw_channels(config)),
    }
    return Network(
        sequential(parts.encoder, name="Halved"),
        _heads(config, parts.features, parts.grid),
        sequential(parts.decoder, name="Upsampled"),
        config.image,
        blocks="residual_upsampled",
        extra=extra,
    )


def _progressive(config: ModelConfig) -> Network:
    small = smallest_map(config, config.widths[-1], len(config.widths) - 1)
    extra = {
        "widths": str(config.widths),
        "start": f"nn.Sequential({', '.join(_projection(config, small))})",
        "start_shape": shape_text(small),
        "decoder_blocks": str(config.decoder_blocks),
        "raw_channels": str(raw_channels(config)),
    }
    heads = _heads(config, math.prod(small), small[1:])
    return Network("Encoder()", heads, "Decoder()", config.image, blocks="progressive", extra=extra)


def _after(
    config: ModelConfig, norm: str = "nn.BatchNorm2d", dropout: str = "nn.Dropout2d"
) -> Callable[[int], list[str]]:
    """What follows a layer of so many channels: norm, activation and dropout, each if the config has it."""
    activation = f"nn.LeakyReLU({config.slope})" if config.slope else "nn.ReLU()"

    def layers(width: int) -> list[str]:
        found = [f"{norm}({width})"] if config.norm else []
        found.append(activation)
        if config.dropout:
            found.append(f"{dropout}({config.dropout})")
        return found

    return layers


def norm_activation(config: ModelConfig) -> str:
    """The tuple of a residual block's norm and activation, for a variable `width`."""
    if not config.norm:
        return "(nn.SiLU(),)"
    return f"nn.GroupNorm(math.gcd({GROUPS}, width), width), nn.SiLU()"


def _projection(config: ModelConfig, small: tuple[int, int, int]) -> list[str]:
    """From the latent to the decoder's smallest map."""
    latents = config.latent_dim
    if not config.spatial:
        return [f"nn.Linear({latents}, {math.prod(small)})", f"nn.Unflatten(1, {small})"]
    channels = cell_channels(config, latents, small[1:])
    return [
        f"nn.Unflatten(1, {(channels, *small[1:])})",
        f"nn.Conv2d({channels}, {small[0]}, 3, 1, 1)",
    ]


def _heads(config: ModelConfig, features: int, grid: tuple[int, int] | None) -> str:
    parts = POSTERIOR_PARTS.get(config.bottleneck, 1)
    if not config.spatial:
        return f"nn.Linear({features}, {config.latent_dim * parts})"
    if grid is None:
        raise UsageError(
            f"model.spatial: the {config.backbone} backbone does not end in a map of features; take conv, "
            "residual or progressive."
        )
    channels, each = features // math.prod(grid), cell_channels(config, config.latent_dim, grid)
    convolution = f"nn.Conv2d({channels}, {each * parts}, 1)"
    return f"nn.Sequential(nn.Unflatten(1, {(channels, *grid)}), {convolution}, nn.Flatten())"


BACKBONES: dict[str, Callable[[ModelConfig], Parts]] = {
    "mlp": _mlp,
    "conv": _conv,
    "conv_trim": _conv_trim,
    "conv_pool": _conv_pool,
    "residual": _residual,
}
KNOWN = (*BACKBONES, "residual_upsampled", "progressive")  # backbones with a text
