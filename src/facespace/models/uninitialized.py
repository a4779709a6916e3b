"""Modules whose parameters are read from a file: their shapes without memory, and the modules themselves
without the random numbers that they would start from."""

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

Module = TypeVar("Module", bound=nn.Module)


def shapes_of(make: Callable[[], nn.Module]) -> dict[str, list[int]]:
    """The shapes of the tensors of a module that `make` makes, without memory for them."""
    with torch.device("meta"):
        return {name: list(tensor.shape) for name, tensor in make().state_dict().items()}


def uninitialized(make: Callable[[], Module]) -> Module:
    """The module that `make` makes, with any numbers as parameters: to draw random ones takes as long as to
    read those that replace them. The global random numbers stay as they are."""
    with _NoInitialization():
        return make()


class _NoInitialization(TorchFunctionMode):
    """Leaves out the functions of torch.nn.init, in this thread alone."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        if getattr(func, "__module__", "") == "torch.nn.init":
            return given["tensor"] if "tensor" in given else args[0]
        return func(*args, **given)
