"""Weight quantization: the weights of a module as 8-bit or 16-bit numbers, and back. Vector quantization of
latents is in quantizer.py. Reads and writes no files.

8 bits: symmetric, per output channel (Krishnamoorthi, 2018; Nagel et al., 2021). A weight w of a channel with
scale s becomes

    q = round(w / s),  s = max|w| / 127,  and loads as w' = q · s,  |w − w'| ≤ s / 2,

stored as two tensors: `NAME`, int8, and `NAME.scale`, float32, with length 1 along every axis but the output
channels'. No state dict has a `NAME.scale` of its own, since a module cannot have a parameter and a child of
one name.

Vectors (biases, norms), which are few, and buffers stay float32. A covariance has eigenvalues over many
orders of magnitude, of which 127 levels would make some negative; rounded entries of a codebook would have
other nearest neighbours, and with 4 numbers each their scales would take the bytes that are saved; a flow's
axes must stay orthonormal."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

LEVELS = 127  # on each side of zero; -128 is unused, so that the range is symmetric
SCALE = ".scale"
SMALLEST = torch.finfo(torch.float32).tiny  # scale of a channel of zeros

# The axis of the output channels in a layer's weight. In transposed convolutions with several groups,
# channels of the same index share a scale.
OUTPUT_AXIS: tuple[tuple[type[nn.Module], int], ...] = (
    (nn.Linear, 0),
    (nn.Conv1d, 0),
    (nn.Conv2d, 0),
    (nn.Conv3d, 0),
    (nn.ConvTranspose1d, 1),
    (nn.ConvTranspose2d, 1),
    (nn.ConvTranspose3d, 1),
    (nn.Embedding, 0),  # one scale for each entry
)

Stored = dict[str, Tensor]


def stored(module: nn.Module, bits: int) -> Stored:
    """The state dict of a module, on the CPU, with `bits` 16 or 8 for matrices and kernels. With 8, these are
    the weights of layers in OUTPUT_AXIS; other parameters with two or more axes take 16. Tensors with too
    large values stay float32."""
    return _STORED[bits](module)


def restored(module: nn.Module, tensors: Stored) -> Stored:
    """The tensors for `module.load_state_dict`: 8-bit weights multiplied by their scales (float32), the
    others as they are. Raises ValueError for 8-bit tensors that do not belong to such a weight, or whose
    scale is missing or does not fit."""
    axes, found = _axes(module), dict(tensors)
    for name, tensor in tensors.items():
        if tensor.dtype != torch.int8:
            continue
        if name not in axes:
            raise ValueError(f"{name} is no weight that is kept as 8-bit numbers")
        scale = found.pop(name + SCALE, None)
        _check(name, tensor, scale, axes[name])
        assert scale is not None
        found[name] = tensor.float() * scale
    return found


def quantize(weight: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """A finite weight as int8 numbers of its shape, in [-127, 127], and the scales of the channels along
    `axis`, float32 with length 1 along the other axes. Quantizing a restored weight gives the same 8 bits: a
    channel's largest number is 127, and 127 · s / 127, rounded twice, is s for every s that is itself such a
    quotient."""
    others = [other for other in range(weight.dim()) if other != axis]
    largest = weight.float().abs().amax(others, keepdim=True)
    scale = (largest / LEVELS).clamp(min=SMALLEST)
    # In float64, where rounding makes no quotient an exact half.
    numbers = (weight.double() / scale.double()).round()
    return numbers.to(torch.int8), scale


def stored_kernels(tensors: Stored, bits: int) -> Stored:
    """Tensors without their module, such as a discriminator's heads, with `bits` 16 or 8 for convolution
    kernels (4 axes, output channels first)."""
    found = dict(tensors)
    for name, tensor in tensors.items():
        if tensor.dim() != 4:
            continue
        if bits == 8:
            found[name], found[name + SCALE] = quantize(tensor, 0)
        else:
            found[name] = half(tensor)
    return found


def restored_kernels(tensors: Stored) -> Stored:
    """Such tensors as float32. Raises ValueError for 8-bit tensors whose scale is missing or does not fit."""
    found = dict(tensors)
    for name, tensor in tensors.items():
        if tensor.dtype == torch.int8:
            scale = found.pop(name + SCALE, None)
            _check(name, tensor, scale, 0)
            assert scale is not None
            found[name] = tensor.float() * scale
        elif tensor.dtype == torch.float16:
            found[name] = tensor.float()
    return found


def half(tensor: Tensor) -> Tensor:
    """As float16, or unchanged where that would overflow."""
    numbers = tensor.half()
    if not numbers.isfinite().all():
        return tensor
    return numbers


def _halved(module: nn.Module) -> Stored:
    found = _state(module)
    for name, weight in module.named_parameters():
        if weight.dim() > 1:
            found[name] = half(found[name])
    return found


def _quantized(module: nn.Module) -> Stored:
    axes, found = _axes(module), _halved(module)
    for name, tensor in _state(module).items():
        if name not in axes:
            continue
        numbers, scale = quantize(tensor, axes[name])
        if (numbers * scale).isfinite().all():
            found[name], found[name + SCALE] = numbers, scale
    return found


_STORED: dict[int, Callable[[nn.Module], Stored]] = {16: _halved, 8: _quantized}


def _state(module: nn.Module) -> Stored:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}


def _axes(module: nn.Module) -> dict[str, int]:
    """The names of all weights that can take 8 bits, and the axes of their output channels."""
    found = {}
    for prefix, part in module.named_modules(remove_duplicate=False):
        for kind, axis in OUTPUT_AXIS:
            if isinstance(part, kind) and isinstance(part.weight, nn.Parameter):
                found[f"{prefix}.weight".removeprefix(".")] = axis
    return found


def _check(name: str, numbers: Tensor, scale: Tensor | None, axis: int) -> None:
    """Raises ValueError for a scale that does not belong to these 8-bit numbers."""
    if scale is None:
        raise ValueError(f"{name} has 8-bit numbers without {name}{SCALE}")
    expected = [1] * numbers.dim()
    if axis >= len(expected):
        raise ValueError(f"{name} has the shape {list(numbers.shape)}")
    expected[axis] = numbers.shape[axis]
    if scale.dtype != torch.float32 or list(scale.shape) != expected:
        raise ValueError(f"{name}{SCALE} is {scale.dtype} {list(scale.shape)}, not torch.float32 {expected}")
    if not (scale.isfinite() & (scale > 0)).all():
        raise ValueError(f"{name}{SCALE} holds numbers that are not finite and above 0")
