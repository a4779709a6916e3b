"""What several processes need to train as one would: random numbers by share of the batch, and batch norm
over all processes. Uses torch.distributed alone; runtime.py starts the processes."""

import atexit
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.overrides import TorchFunctionMode


def close_at_exit() -> None:
    """Closes the connections before the process ends; torch warns of those that stay open."""
    atexit.register(_destroy_process_group)


def _destroy_process_group() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


class RandomShard(TorchFunctionMode):
    """Draws the random numbers of the whole batch and keeps those of this process.

    The first dimension of every draw is the batch, and process r of W has its rows r, r + W, …"""

    def __init__(self, rank: int, world: int) -> None:
        super().__init__()
        self.rank, self.world = rank, world

    def __torch_function__(self, func, types, args=(), kwargs=None):
        options = kwargs or {}
        if func not in (torch.rand, torch.randn) or not args:
            return func(*args, **options)
        given = args[0] if isinstance(args[0], tuple | list | torch.Size) else args
        shape = torch.Size(given)
        return func((shape[0] * self.world, *shape[1:]), **options)[self.rank :: self.world]


class _AllReduceSum(torch.autograd.Function):
    """The sum of a tensor over all processes.

    Each loss depends on each summand, so gradients are summed too."""

    @staticmethod
    def forward(ctx: Any, part: Tensor) -> Tensor:
        torch.distributed.all_reduce(total := part.clone())
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        torch.distributed.all_reduce(total := grads[0].clone())
        return total


class SharedBatchNorm(_BatchNorm):
    """Batch norm over the batches of all processes; torch's SyncBatchNorm needs an accelerator.

    Same state_dict."""

    def _check_input_dim(self, input: Tensor) -> None:
        pass

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, ...) to the same shape; in training mode with the statistics of every process's batch."""
        if not self.training:
            return super().forward(input)
        world = torch.distributed.get_world_size()
        flat = input.float().transpose(0, 1).flatten(1)  # (C, B·…)
        mean = _AllReduceSum.apply(flat.mean(1)) / world
        variance = _AllReduceSum.apply((flat - mean[:, None]).square().mean(1)) / world
        with torch.no_grad():
            count = flat.shape[1] * world
            unbiased = variance * count / (count - 1)
            self.num_batches_tracked.add_(1)  # type: ignore[union-attr]
            self.running_mean.lerp_(mean, self.momentum)  # type: ignore[union-attr, arg-type]
            self.running_var.lerp_(unbiased, self.momentum)  # type: ignore[union-attr, arg-type]
        scale = self.weight * (variance + self.eps).rsqrt()
        shape = (1, -1, *[1] * (input.dim() - 2))
        shift = self.bias - mean * scale
        return (input * scale.reshape(shape) + shift.reshape(shape)).to(input.dtype)


def share_batch_norm(model: nn.Module) -> nn.Module:
    """Replaces every batch norm of a model by a SharedBatchNorm with its weights and statistics, in place."""
    for name, part in model.named_children():
        if isinstance(part, _BatchNorm):
            shared = SharedBatchNorm(part.num_features, part.eps, part.momentum)
            shared.load_state_dict(part.state_dict())
            setattr(model, name, shared)
        else:
            share_batch_norm(part)
    return model
