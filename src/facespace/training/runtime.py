"""Where a step runs and what makes it fast: devices, processes, number formats, compilation. The only file that imports
accelerate; the loop asks it and never asks torch. What it cannot do it says in a sentence."""

import atexit
import ctypes
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar, cast

import accelerate
import torch
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast_object_list, gather_object
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.overrides import TorchFunctionMode

from facespace.core.console import note
from facespace.core.errors import FacespaceError, UsageError
from facespace.models.precision import has_bf16
from facespace.recipes.config import TrainConfig

DTYPES = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
AGREE_EVERY = 16  # steps between two questions whether any process wants to stop
Result = TypeVar("Result")


class Machine:
    """This process's device, and its place among the processes that torchrun or accelerate started."""

    def __init__(self, device: str, train: TrainConfig) -> None:
        here = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
        if device != "auto" and not here.get(device):
            known = ", ".join(["auto", *(name for name, there in here.items() if there)])
            raise UsageError(f"--device {device} cannot be used here. Usable: {known}.")
        on_cpu = device == "cpu" or not (here["cuda"] or here["mps"])
        if "RANK" not in os.environ:
            # Accelerate keeps one state a process; a second run in it may want another device.
            AcceleratorState._reset_state(reset_partial_state=True)
        self.accelerator = accelerate.Accelerator(cpu=on_cpu)
        self.device: torch.device = self.accelerator.device
        self.rank, self.world = self.accelerator.process_index, self.accelerator.num_processes
        if self.world > 1:
            atexit.register(_leave)
        if train.batch % self.world:
            raise UsageError(
                f"train.batch={train.batch} cannot be shared evenly by {self.world} processes; take a multiple of {self.world}."
            )
        self.precision = self._precision(train.precision)
        self.compiles = train.compile == "on" or (train.compile == "auto" and self.device.type == "cuda")
        # Small fp16 gradients would vanish: the loss is scaled up, and its gradients down again. Ours are sums over pixels
        # and large, so the scale begins at 1 and finds its height.
        fp16 = self.precision == "fp16"
        self.scaler = torch.amp.GradScaler(
            self.device.type, init_scale=1.0, growth_interval=200, enabled=fp16
        )
        if self.device.type == "cpu":
            keep_memory()

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes and speaks."""
        return self.rank == 0

    @property
    def look_every(self) -> int:
        """Steps between two looks at the losses: each one on a processor, where looking is free; on an accelerator a
        look waits for the device."""
        return 1 if self.device.type == "cpu" else 25

    @property
    def peak_memory(self) -> float | None:
        """The most memory that this process has held, MB: of the device on CUDA, else of the process; None where that cannot be
        told (Windows)."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device) / 1e6
        if sys.platform == "win32":
            return None
        import resource  # not on Windows

        unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kibibytes elsewhere
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6

    def prepare(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> nn.Module:
        """The network that the loop calls: on the device, compiled where that pays, its gradients averaged over processes.
        The parameters stay those of `model`, with which the optimiser was made."""
        network = _Compiled(model) if self.compiles else model
        if self.world > 1:
            network = self.accelerator.prepare(network)
        return network

    def place(self, model: nn.Module) -> nn.Module:
        """A model on the device, laid out as its convolutions are fastest; its batch norm sees every process's faces."""
        if self.world > 1:
            shared = (
                nn.SyncBatchNorm.convert_sync_batchnorm if self.device.type == "cuda" else share_batch_norm
            )
            model = shared(model)
        layout = torch.preserve_format if self.device.type == "mps" else torch.channels_last
        return cast(nn.Module, model.to(self.device, memory_format=layout))  # type: ignore[call-overload]

    def autocast(self) -> AbstractContextManager[Any]:
        """The forward pass in the chosen number format."""
        dtype = DTYPES[self.precision]
        return torch.autocast(self.device.type, dtype) if dtype else nullcontext()

    def randomness(self) -> AbstractContextManager[Any]:
        """Random numbers for this process's faces: its share of those that one process alone would draw."""
        return _Share(self.rank, self.world) if self.world > 1 else nullcontext()

    def any(self, wish: bool, step: int) -> bool:
        """Whether any process wishes it; with several, asked every AGREE_EVERY steps."""
        if self.world == 1:
            return wish
        if step % AGREE_EVERY:
            return False
        asked = torch.tensor([float(wish)], device=self.device)
        return bool(self.accelerator.reduce(asked, "sum").item())  # type: ignore[union-attr]

    def add_up(self, values: Mapping[str, float]) -> dict[str, float]:
        """Sums over processes, by name; one that has nothing to add may lack a name."""
        if self.world == 1:
            return dict(values)
        parts = gather_object([values])
        return {
            name: sum(part.get(name, 0.0) for part in parts)
            for name in dict.fromkeys(n for p in parts for n in p)
        }

    def mean(self, part: Tensor) -> Tensor:
        """The mean of this process's tensor and the others', without gradient."""
        if self.world == 1:
            return part.detach()
        return cast(Tensor, self.accelerator.reduce(part.detach(), "mean"))

    def first(self, work: Callable[[], Result]) -> Result:
        """The result of what the leading process does, for all. Where it fails, it says so and all leave."""
        if self.world == 1:
            return work()
        outcome: list[Any] = [None, None]
        error: FacespaceError | OSError | None = None
        if self.leads:
            try:
                outcome[0] = work()
            except (FacespaceError, OSError) as failure:
                error, outcome[1] = failure, getattr(failure, "exit_code", 1)
        broadcast_object_list(outcome)
        if error is not None:
            raise error
        if outcome[1] is not None:
            raise SystemExit(outcome[1])
        return outcome[0]

    def wait(self) -> None:
        """Until all processes are here."""
        self.accelerator.wait_for_everyone()

    def _precision(self, asked: str) -> str:
        if asked == "auto":
            return "bf16" if self.first(lambda: has_bf16(self.device)) else "fp32"
        if asked != "fp32" and self.device.type == "mps" and asked == "bf16":
            raise UsageError("train.precision=bf16 is not for mps; take fp16 or fp32.")
        return asked


def _leave() -> None:
    """Connections are closed before the process ends; torch complains of those that are left open."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def keep_memory() -> None:
    """Large blocks are kept by the C library rather than handed back and cleared anew at each step: a third to a half of a
    training step at 128 px went into that. Linux with glibc only; elsewhere nothing changes."""
    if sys.platform == "linux":
        library = ctypes.CDLL(None)
        if hasattr(library, "gnu_get_libc_version"):
            most_mmaps, trim_above = -4, -1  # M_MMAP_MAX, M_TRIM_THRESHOLD of malloc.h
            library.mallopt(most_mmaps, 0)
            library.mallopt(trim_above, 2**31 - 1)


class _Compiled(nn.Module):
    """A network compiled at its first call; where that fails, one line says so and the network itself runs."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        # Random numbers as without compilation, so that it changes no figure.
        self.run: Callable[..., Any] = torch.compile(
            network, dynamic=False, options={"fallback_random": True}
        )

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """As the network's own."""
        try:
            return self.run(*inputs, **options)
        except Exception as error:  # whatever a compiler can raise
            if self.run is self.network:
                raise
            note(
                f"torch.compile failed ({type(error).__name__}); going on without it. train.compile=off leaves it out."
            )
            self.run = self.network
            return self.run(*inputs, **options)


class _Share(TorchFunctionMode):
    """Draws the random numbers of all processes' faces and keeps this one's. Faces lie in the first dimension of every
    draw, and process r of W has faces r, r + W, …"""

    def __init__(self, rank: int, world: int) -> None:
        super().__init__()
        self.rank, self.world = rank, world

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func not in (torch.rand, torch.randn) or not args:
            return func(*args, **(kwargs or {}))
        shape = torch.Size(args[0]) if isinstance(args[0], tuple | list | torch.Size) else torch.Size(args)
        return func((shape[0] * self.world, *shape[1:]), **(kwargs or {}))[self.rank :: self.world]


class _Sum(torch.autograd.Function):
    """The sum of a tensor over all processes. Each one's loss depends on each one's part, so gradients are summed too."""

    @staticmethod
    def forward(ctx: Any, part: Tensor) -> Tensor:
        torch.distributed.all_reduce(total := part.clone())
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        torch.distributed.all_reduce(total := grads[0].clone())
        return total


class SharedBatchNorm(_BatchNorm):
    """Batch norm over the faces of all processes, which torch has for accelerators only. The state's names are the same."""

    def _check_input_dim(self, input: Tensor) -> None:
        pass

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, ...) to the same, with the statistics of every process's batch while training."""
        if not self.training:
            return super().forward(input)
        world = torch.distributed.get_world_size()
        flat = input.float().transpose(0, 1).flatten(1)  # (C, B·…)
        mean = _Sum.apply(flat.mean(1)) / world
        variance = _Sum.apply((flat - mean[:, None]).square().mean(1)) / world
        with torch.no_grad():
            count = flat.shape[1] * world
            self.num_batches_tracked.add_(1)  # type: ignore[union-attr]
            self.running_mean.lerp_(mean, self.momentum)  # type: ignore[union-attr, arg-type]
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)  # type: ignore[union-attr, arg-type]
        scale = self.weight * (variance + self.eps).rsqrt()
        shape = (1, -1, *[1] * (input.dim() - 2))
        shift = self.bias - mean * scale
        return (input * scale.reshape(shape) + shift.reshape(shape)).to(input.dtype)


def share_batch_norm(model: nn.Module) -> nn.Module:
    """Replaces every batch norm of a model, in place, with its shared form; weights and statistics go along."""
    for name, part in model.named_children():
        if isinstance(part, _BatchNorm):
            shared = SharedBatchNorm(part.num_features, part.eps, part.momentum)
            shared.load_state_dict(part.state_dict())
            setattr(model, name, shared)
        else:
            share_batch_norm(part)
    return model
