"""The weights of a module as 8-bit or 16-bit numbers, and back: which tensors lose bits, and how. Not vector quantisation, which
is in codes.py. Nothing here reads or writes files.

8 bits: symmetric, per output channel (Krishnamoorthi, 2018; Nagel et al., 2021). A weight w of a channel with scale s becomes

    q = round(w / s),  s = max|w| / 127,  and is read as w' = q · s,  |w − w'| ≤ s / 2,

kept as two tensors: `NAME`, int8, and `NAME.scale`, float32, of length 1 along every axis but the output channels'. No state dict has
a `NAME.scale` of its own, since a module cannot have a parameter and a child of one name.

What stays as it is: vectors (biases, norms), of which there are few, and buffers. A covariance has eigenvalues over many orders of
magnitude, and rounding to 127 levels would leave some negative; the entries of a codebook decide which of them is nearest, and with
4 numbers each their scales would take the bytes that are won; a flow's axes must stay orthonormal."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

LEVELS = 127  # on each side of zero: -128 stays unused, so that w and -w are stored alike
SCALE = ".scale"
SMALLEST = torch.finfo(torch.float32).tiny  # of a scale: a channel of zeros has this one

# Along which axis of its weight a layer's output channels lie. With several groups, transposed convolutions share the scale of
# equally numbered channels.
OUTPUT_AXIS: tuple[tuple[type[nn.Module], int], ...] = (
    (nn.Linear, 0),
    (nn.Conv1d, 0),
    (nn.Conv2d, 0),
    (nn.Conv3d, 0),
    (nn.ConvTranspose1d, 1),
    (nn.ConvTranspose2d, 1),
    (nn.ConvTranspose3d, 1),
    (nn.Embedding, 0),  # a row for each entry
)

Stored = dict[str, Tensor]


def stored(module: nn.Module, bits: int) -> Stored:
    """The state dict of a module (on the CPU) with its matrices and kernels as numbers of 16 or 8 bits. Of 8 bits are the weights of
    layers in OUTPUT_AXIS; other parameters with two axes or more take 16. What does not fit stays float32."""
    return WAYS[bits](module)


def restored(module: nn.Module, tensors: Stored) -> Stored:
    """The tensors for `module.load_state_dict`: 8-bit weights multiplied by their scales (float32), the rest untouched. Raises
    ValueError, with what is wrong, for 8-bit numbers without a scale that fits the module."""
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
    """A finite weight as int8 numbers of its shape, in [-127, 127], and the scales of the channels along `axis`, float32 with
    length 1 along the other axes. What was read from 8 bits becomes the same 8 bits again: a channel's largest number is 127,
    and 127 · s / 127, rounded twice, is s for every s that is itself such a quotient."""
    others = [other for other in range(weight.dim()) if other != axis]
    largest = weight.float().abs().amax(others, keepdim=True)
    scale = (largest / LEVELS).clamp(min=SMALLEST)
    numbers = (
        weight.double() / scale.double()
    ).round()  # in float64, where no quotient is rounded onto a half
    return numbers.to(torch.int8), scale


def stored_kernels(tensors: Stored, bits: int) -> Stored:
    """Tensors without their module, such as those of a discriminator's heads, whose kernels (4 axes, output channels first) take 16
    or 8 bits."""
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
    """Such tensors as float32 again. Raises ValueError for 8-bit numbers without a scale that fits them."""
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
    """As 16-bit numbers, where they fit."""
    numbers = tensor.half()
    return numbers if numbers.isfinite().all() else tensor


def _halved(module: nn.Module) -> Stored:
    matrices = {name for name, weight in module.named_parameters() if weight.dim() > 1}
    return {name: half(tensor) if name in matrices else tensor for name, tensor in _state(module).items()}


def _quantized(module: nn.Module) -> Stored:
    axes, found = _axes(module), _halved(module)
    for name, tensor in _state(module).items():
        if name not in axes:
            continue
        numbers, scale = quantize(tensor, axes[name])
        if (numbers * scale).isfinite().all():
            found[name], found[name + SCALE] = numbers, scale
    return found


WAYS: dict[int, Callable[[nn.Module], Stored]] = {16: _halved, 8: _quantized}


def _state(module: nn.Module) -> Stored:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}


def _axes(module: nn.Module) -> dict[str, int]:
    """The names of all weights that take 8 bits, and the axis of their output channels."""
    found = {}
    for prefix, part in module.named_modules(remove_duplicate=False):
        for kind, axis in OUTPUT_AXIS:
            if isinstance(part, kind) and isinstance(part.weight, nn.Parameter):
                found[f"{prefix}.weight".removeprefix(".")] = axis
    return found


def _check(name: str, numbers: Tensor, scale: Tensor | None, axis: int) -> None:
    """Raises ValueError where a scale is not one of these numbers."""
    if scale is None:
        raise ValueError(f"{name} has 8-bit numbers without {name}{SCALE}")
    wanted = [1] * numbers.dim()
    if axis >= len(wanted):
        raise ValueError(f"{name} has the shape {list(numbers.shape)}")
    wanted[axis] = numbers.shape[axis]
    if scale.dtype != torch.float32 or list(scale.shape) != wanted:
        raise ValueError(f"{name}{SCALE} is {scale.dtype} {list(scale.shape)}, not torch.float32 {wanted}")
    if not (scale.isfinite() & (scale > 0)).all():
        raise ValueError(f"{name}{SCALE} holds numbers that are not finite and above 0")
