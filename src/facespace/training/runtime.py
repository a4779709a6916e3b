"""The device, the processes, the number format and the compilation of a training step. Only this file and
trackers.py import accelerate; the loop calls no device function of torch."""

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar, cast

import accelerate
import torch
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast_object_list, gather_object
from torch import Tensor, nn

from facespace.core.console import note
from facespace.core.errors import FacespaceError, UsageError
from facespace.models.precision import has_bf16
from facespace.recipes.config import TrainConfig
from facespace.training.distributed import RandomShard, close_at_exit, share_batch_norm
from facespace.training.memory import keep_freed_memory, peak_process_memory

DTYPES = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
AGREE_EVERY = 16  # steps between two exchanges on whether any process stops
Result = TypeVar("Result")


class Runtime:
    """This process's device, and its rank among the processes that torchrun or accelerate started."""

    def __init__(self, device: str, train: TrainConfig) -> None:
        on_cpu = _runs_on_cpu(device)
        if "RANK" not in os.environ:
            # Accelerate keeps one state a process; a second run in it may use another device.
            AcceleratorState._reset_state(reset_partial_state=True)
        self.accelerator = accelerate.Accelerator(cpu=on_cpu)
        self.device: torch.device = self.accelerator.device
        self.rank, self.world = self.accelerator.process_index, self.accelerator.num_processes
        if self.world > 1:
            close_at_exit()
        if train.batch % self.world:
            raise UsageError(
                f"train.batch={train.batch} cannot be shared evenly by {self.world} processes; "
                f"take a multiple of {self.world}."
            )
        self.precision = self._precision(train.precision)
        self.compiles = train.compile == "on" or (train.compile == "auto" and self.device.type == "cuda")
        # Small fp16 gradients would vanish, so the loss is scaled up, and its gradients down. Gradients of
        # sums over pixels are large, so the scale starts at 1 and adapts.
        fp16 = self.precision == "fp16"
        self.scaler = torch.amp.GradScaler(
            self.device.type, init_scale=1.0, growth_interval=200, enabled=fp16
        )
        if self.device.type == "cpu":
            keep_freed_memory()

    @property
    def is_main_process(self) -> bool:
        """Whether this is the main process, which writes files and prints."""
        return self.rank == 0

    @property
    def read_every(self) -> int:
        """Steps between two reads of the losses: one on a CPU; more on an accelerator, where a read
        synchronises."""
        return 1 if self.device.type == "cpu" else 25

    @property
    def peak_memory(self) -> float | None:
        """The largest memory so far, MB: of the device on CUDA, else of the process; None where it is not
        reported."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device) / 1e6
        return peak_process_memory()

    def prepare(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> nn.Module:
        """The network that the loop calls: compiled where that pays, its gradients averaged over processes.

        The parameters stay those of `model`, for which the optimizer was made."""
        network = _Compiled(model) if self.compiles else model
        if self.world > 1:
            network = self.accelerator.prepare(network)
        return network

    def to_device(self, model: nn.Module) -> nn.Module:
        """A model on the device, in the fastest memory layout, with batch norm over all processes."""
        if self.world > 1:
            on_cuda = self.device.type == "cuda"
            convert = nn.SyncBatchNorm.convert_sync_batchnorm if on_cuda else share_batch_norm
            model = convert(model)
        layout = torch.preserve_format if self.device.type == "mps" else torch.channels_last
        return cast(nn.Module, model.to(self.device, memory_format=layout))  # type: ignore[call-overload]

    def autocast(self) -> AbstractContextManager[Any]:
        """The context of a forward pass in the chosen number format."""
        dtype = DTYPES[self.precision]
        return torch.autocast(self.device.type, dtype) if dtype else nullcontext()

    def sharded_randomness(self) -> AbstractContextManager[Any]:
        """The context in which a draw for this process's faces is its share of the draw for the whole
        batch."""
        return RandomShard(self.rank, self.world) if self.world > 1 else nullcontext()

    def any_process(self, wish: bool, step: int) -> bool:
        """Whether `wish` is true in any process; several processes exchange it every AGREE_EVERY steps."""
        if self.world == 1:
            return wish
        if step % AGREE_EVERY:
            return False
        own = torch.tensor([float(wish)], device=self.device)
        return bool(self.accelerator.reduce(own, "sum").item())  # type: ignore[union-attr]

    def all_reduce_sum(self, values: Mapping[str, float]) -> dict[str, float]:
        """Sums over processes, by name; a process without a name adds nothing to it."""
        if self.world == 1:
            return dict(values)
        sums: dict[str, float] = {}
        for part in gather_object([dict(values)]):
            for name, value in part.items():
                sums[name] = sums.get(name, 0.0) + value
        return sums

    def all_reduce_mean(self, part: Tensor) -> Tensor:
        """The mean of a tensor over processes, without gradient."""
        if self.world == 1:
            return part.detach()
        return cast(Tensor, self.accelerator.reduce(part.detach(), "mean"))

    def on_main_process(self, work: Callable[[], Result]) -> Result:
        """Runs `work` in the main process alone and returns its result in all.

        Where it fails, all processes end."""
        if self.world == 1:
            return work()
        outcome: list[Any] = [None, None]  # result, exit code
        error: FacespaceError | OSError | None = None
        if self.is_main_process:
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

    def _precision(self, setting: str) -> str:
        if setting == "bf16" and self.device.type == "mps":
            raise UsageError("train.precision=bf16 is not for mps; take fp16 or fp32.")
        if setting != "auto":
            return setting
        return "bf16" if self.on_main_process(lambda: has_bf16(self.device)) else "fp32"


def _runs_on_cpu(device: str) -> bool:
    """Whether --device selects the CPU. Raises UsageError for a device that is not available."""
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device != "auto" and not available.get(device):
        known = ", ".join(["auto", *(name for name, usable in available.items() if usable)])
        raise UsageError(f"--device {device} cannot be used here. Usable: {known}.")
    return device == "cpu" or not (available["cuda"] or available["mps"])


class _Compiled(nn.Module):
    """A network that is compiled at its first call; where that fails, one note is printed and it runs as it
    is."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        # Random numbers as without compilation, so that no figure changes.
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
                f"torch.compile failed ({type(error).__name__}); going on without it. "
                "train.compile=off leaves it out."
            )
            self.run = self.network
            return self.run(*inputs, **options)
