"""Where a step runs: number formats, compilation, several processes on one machine and on two."""

import importlib
import json
import os
import shutil
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import processes
import pytest
import torch
from accelerate.state import AcceleratorState
from conftest import TINY
from torch.nn import functional as F

import facespace
from facespace.cli import main
from facespace.core.console import quiet
from facespace.core.errors import UsageError
from facespace.data.faces import FaceSet
from facespace.models import bundle, precision
from facespace.models.blocks import TransposedConv, TransposedConv2x
from facespace.recipes.config import TrainConfig
from facespace.training import runtime as machine_module
from facespace.training.distributed import RandomShard
from facespace.training.loaders import DeviceCache, Loader
from facespace.training.run_log import RunLogger
from facespace.training.runtime import Runtime

PLAIN = (*TINY, "train.precision=fp32", "train.batch=8", "train.steps=9")


def train(drawn, to, *settings, **options):
    with quiet():
        return facespace.train("demo", drawn, to, settings=[*TINY, *settings], trackers=["none"], **options)


def lines(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


# ---- number formats and kernels


def gradients(one: torch.Tensor, other: torch.Tensor, inputs: tuple) -> zip:
    """Pairs of the gradients of two outputs with respect to each input, by the same random weights."""
    weights = torch.randn_like(other)
    return zip(*(torch.autograd.grad((output * weights).sum(), inputs) for output in (one, other)))


KERNELS = pytest.mark.parametrize(("size", "kernel", "padding"), [(8, 3, 0), (9, 3, 1), (8, 4, 1), (5, 5, 2)])


@KERNELS
def test_the_fast_transposed_convolution_is_a_transposed_convolution(size, kernel, padding):
    torch.manual_seed(0)
    layer = TransposedConv(6, 5, kernel, 2, padding)
    x = torch.randn(3, 6, size, size, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        fast = layer(x)
    plain = F.conv_transpose2d(x, layer.weight, layer.bias, 2, padding)
    assert fast.dtype == torch.bfloat16 and fast.shape == plain.shape
    torch.testing.assert_close(fast.float(), plain, rtol=2e-2, atol=2e-2)
    for mine, its in gradients(fast.float(), plain, (x, layer.weight, layer.bias)):
        torch.testing.assert_close(mine, its, rtol=3e-2, atol=3e-2 * its.abs().max().item())


@KERNELS
def test_in_float32_the_fast_transposed_convolution_equals_the_plain_one(size, kernel, padding):
    torch.manual_seed(0)
    layer = TransposedConv(6, 5, kernel, 2, padding)
    x = torch.randn(3, 6, size, size, requires_grad=True)
    fast, plain = layer(x), F.conv_transpose2d(x, layer.weight, layer.bias, 2, padding)
    assert "InputGradient" in type(fast.grad_fn).__name__
    assert "InputGradient" not in type(layer.eval()(x).grad_fn).__name__
    torch.testing.assert_close(fast, plain)
    for mine, its in gradients(fast, plain, (x, layer.weight, layer.bias)):
        torch.testing.assert_close(mine, its, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_reduced_precision_learns_nearly_the_same(drawn, tmp_path, precision):
    plain = train(drawn, tmp_path / "fp32", "train.precision=fp32", "train.epochs=4")
    reduced = train(drawn, tmp_path / precision, f"train.precision={precision}", "train.epochs=4")
    assert reduced["precision"] == precision
    assert reduced["validation"]["loss"] == pytest.approx(plain["validation"]["loss"], rel=0.03)
    assert bundle.load(tmp_path / precision).model.state_dict()["heads.weight"].dtype == torch.float32


def test_fp16_keeps_its_scale_through_a_resume(drawn, tmp_path):
    train(drawn, tmp_path / "whole", "train.precision=fp16", "train.steps=8", "train.final_learning_rate=1")
    train(drawn, tmp_path / "cut", "train.precision=fp16", "train.steps=4", "train.final_learning_rate=1")
    train(
        drawn,
        tmp_path / "cut",
        "train.precision=fp16",
        "train.steps=8",
        "train.final_learning_rate=1",
        resume=True,
    )
    a, b = (torch.load(tmp_path / run / "checkpoint.pt", weights_only=True) for run in ("whole", "cut"))
    assert a["scaler"] == b["scaler"] and torch.equal(a["model"]["heads.weight"], b["model"]["heads.weight"])


def test_a_compiled_run_learns_the_same_and_one_that_cannot_compile_says_so(
    drawn, tmp_path, monkeypatch, capsys
):
    def broken(network, **_):
        def run(*_args, **_options):
            raise RuntimeError("no compiler here")

        return run

    plain = train(drawn, tmp_path / "plain", "train.precision=fp32", "train.steps=4")
    monkeypatch.setattr(torch, "compile", broken)
    settings = [*TINY, "train.precision=fp32", "train.steps=4", "train.compile=on"]
    fallen = facespace.train("demo", drawn, tmp_path / "fallen", settings=settings)
    assert fallen["validation"] == plain["validation"]
    err = " ".join(capsys.readouterr().err.split())
    assert err.count("torch.compile failed (RuntimeError); going on without it.") == 1


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a compiler on a processor")
def test_compiling_changes_no_figure(drawn, tmp_path, capsys, monkeypatch):
    # Not in workers, each of which would load torch.
    monkeypatch.setattr(importlib.import_module("torch._inductor.config"), "compile_threads", 1)
    # One width: the compiler takes its time for each layer, and a second one has no other code.
    one_layer = ("model.widths=8", "train.precision=fp32", "train.steps=4")
    train(drawn, tmp_path / "plain", *one_layer)
    settings = [*TINY, *one_layer, "train.compile=on"]
    facespace.train("demo", drawn, tmp_path / "compiled", settings=settings, trackers=["none"])
    assert "torch.compile failed" not in capsys.readouterr().err
    plain, compiled = (lines(tmp_path / run)[0]["train"] for run in ("plain", "compiled"))
    assert compiled == pytest.approx(plain, rel=1e-4)


def test_a_set_that_lies_on_the_device_gives_the_same_batches(drawn):
    faces = FaceSet(drawn)
    shelf = DeviceCache(faces, torch.device("cpu"))
    rows = faces.rows("train")
    mapped = next(Loader(faces, rows, 8).shuffled(3, 1)).image
    shelf.resident = shelf.load_all()
    assert torch.equal(mapped, next(Loader(faces, rows, 8, cache=shelf).shuffled(3, 1)).image)


# ---- several processes


def test_every_process_draws_its_share_of_the_numbers_that_one_alone_would_draw():
    torch.manual_seed(3)
    whole = torch.randn(8, 5), torch.rand(8)
    for rank in range(2):
        torch.manual_seed(3)
        with RandomShard(rank, 2):
            part = torch.randn(4, 5), torch.rand(4, device="cpu")
        assert all(torch.equal(mine, all_[rank::2]) for mine, all_ in zip(part, whole))


def test_shares_of_a_batch_are_the_batch(drawn):
    faces = FaceSet(drawn)
    rows = faces.rows("train")
    whole = next(Loader(faces, rows, 8).shuffled(0, 0)).index
    parts = [next(Loader(faces, rows, 8, rank=rank, world=2).shuffled(0, 0)).index for rank in range(2)]
    assert torch.equal(torch.stack(parts, 1).flatten(), whole)
    in_order = [
        batch.index for rank in range(2) for batch in Loader(faces, rows, 8, rank=rank, world=2).in_order()
    ]
    assert sorted(torch.cat(in_order).tolist()) == rows.tolist()


def command(drawn, to, settings, *launch):
    parts = [*(sys.executable, "-m", *launch, "facespace", "train", "demo"), "--data", drawn, "--to", to]
    parts += ["--tracker", "none", *(word for setting in settings for word in ("--set", setting))]
    return [str(part) for part in parts]


TAUGHT = ("perceptual=1", "adversarial=0.01", "feature_matching=0.3", "adversarial_start=0.4")


CODES = ("model.bottleneck=vq", "model.latent_dim=8", "model.codebook_size=6", "objective.weights={}")


def train_as_rank(rank: int, port: str, tokens: list[str]) -> None:
    """One of two processes, told so as torchrun tells it; for a process of its own."""
    os.environ.update(
        {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    )
    os.environ.update({"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port})
    # What an import of facespace and of accelerate under these variables would have set.
    AcceleratorState._reset_state(reset_partial_state=True)
    sys.argv = ["facespace", *tokens]
    with quiet() if rank else nullcontext():
        main()


def in_two_processes(tokens: list[str]) -> tuple[list[int], str, str]:
    """Exit codes of both ranks, and what both said on stdout and stderr."""
    port = str(processes.free_port())
    started = [processes.Started(train_as_rank, rank, port, tokens) for rank in range(2)]
    ends = [process.finish(180) for process in started]
    return [code for code, _, _ in ends], "".join(out for _, out, _ in ends), "".join(err for *_, err in ends)


@pytest.mark.parametrize(
    "taught",
    [(), tuple(f"objective.{setting}" for setting in TAUGHT), CODES],
    ids=["plain", "taught", "codes"],
)
def test_two_processes_learn_what_one_learns(drawn, tmp_path, taught):
    """Flips, position, posterior noise, hidden conditions, batch norm, clipping and EMA included; then with teachers; then with a codebook.

    The first of them is started by torchrun itself."""
    settings = [*PLAIN, "data.flip=true", "data.jitter=0.1", "data.affine=0.2", "model.conditions=smile"]
    settings += ["train.gradient_clip=500", "train.ema=0.5", *taught]
    with quiet():
        facespace.train("demo", drawn, tmp_path / "one", settings=settings, trackers=["none"])
    launch = (
        "torch.distributed.run",
        "--nproc-per-node",
        "2",
        "--master-port",
        str(processes.free_port()),
        "-m",
    )
    call = command(drawn, tmp_path / "two", settings, *launch)
    tokens = call[call.index("facespace") + 1 :]
    if taught:
        codes, out, err = in_two_processes([*tokens, "--json"])
    else:
        done = subprocess.run([*call, "--json"], capture_output=True, text=True, timeout=180)
        codes, out, err = [done.returncode], done.stdout, done.stderr
    assert not any(codes), err
    assert json.loads(out)["processes"] == 2  # one object: only the first process speaks
    assert err.count("Training demo") == 1
    for one, two in zip(lines(tmp_path / "one"), lines(tmp_path / "two"), strict=True):
        # Logits of both signs whose mean is near 0, once for each pixel value: 1e-5 of a logit.
        logits = [line["train"].pop("adversarial", 0.0) / (3 * 16 * 16) for line in (one, two)]
        assert logits[0] == pytest.approx(logits[1], abs=1e-5)
        assert two["train"] == pytest.approx(one["train"], rel=1e-5)
        # Biases before a batch norm have no gradient but rounding, which Adam blows up; the norm's averages lag behind.
        assert two["validation"]["loss"] == pytest.approx(one["validation"]["loss"], rel=5e-3)
    resumed = [word.replace("train.steps=9", "train.steps=12") for word in tokens]
    codes, _, err = in_two_processes([*resumed, "--resume"])
    assert not any(codes) and "Resumed at step 9 of 12" in err, err
    codes, _, err = in_two_processes(tokens)
    assert all(codes) and err.count("already holds a run") == 1


@pytest.fixture
def two_hosts():
    """Two network namespaces joined by a wire; skipped where the system does not permit them."""
    names = [f"facespace{os.getpid()}{side}" for side in "ab"]
    wires = [f"fs{os.getpid()}{side}" for side in "ab"]
    steps = [f"ip netns add {name}" for name in names] + [
        f"ip link add {wires[0]} type veth peer name {wires[1]}"
    ]
    for number, (name, wire) in enumerate(zip(names, wires), 1):
        steps += [f"ip link set {wire} netns {name}", f"ip -n {name} addr add 10.77.0.{number}/24 dev {wire}"]
        steps += [f"ip -n {name} link set {wire} up", f"ip -n {name} link set lo up"]
    try:
        if not shutil.which("ip") or any(
            subprocess.run(step.split(), capture_output=True).returncode for step in steps
        ):
            pytest.skip("network namespaces are not permitted here")
        yield list(zip(names, wires))
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True) if shutil.which("ip") else None


@pytest.mark.slow
def test_two_machines_without_a_common_disk_learn_what_one_learns(drawn, tmp_path, two_hosts):
    with quiet():
        facespace.train("demo", drawn, tmp_path / "one", settings=PLAIN, trackers=["none"])
    shutil.copytree(drawn, tmp_path / "copy")
    places, running = [(drawn, tmp_path / "a"), (tmp_path / "copy", tmp_path / "b")], []
    for rank, ((name, wire), (faces, to)) in enumerate(zip(two_hosts, places)):
        launch = ["torch.distributed.run", "--nnodes", "2", "--node-rank", str(rank), "--nproc-per-node", "1"]
        launch += ["--master-addr", "10.77.0.1", "--master-port", "29511", "-m"]
        call = ["ip", "netns", "exec", name, *command(faces, to, PLAIN, *launch)]
        running.append(
            subprocess.Popen(call, stderr=subprocess.PIPE, env={**os.environ, "GLOO_SOCKET_IFNAME": wire})
        )
    for process in running:
        _, err = process.communicate(timeout=240)
        assert process.returncode == 0, err
    assert not (tmp_path / "b").exists()
    for one, two in zip(lines(tmp_path / "one"), lines(tmp_path / "a"), strict=True):
        assert two["train"] == pytest.approx(one["train"], rel=1e-5)


def test_a_batch_that_cannot_be_shared_is_refused(monkeypatch):
    monkeypatch.setattr(machine_module.accelerate.Accelerator, "num_processes", 3)
    with pytest.raises(UsageError, match=r"train\.batch=32 cannot be shared evenly by 3 processes"):
        Runtime("cpu", TrainConfig())


def test_bfloat16_is_taken_where_the_processor_has_it_and_gains_by_it(monkeypatch):
    rows = (("fpu avx512_bf16 sse", 2.0, True), ("fpu avx512_bf16 sse", 0.6, False), ("fpu avx2", 2.0, False))
    for flags, gain, expected in rows:
        monkeypatch.setattr(Path, "read_text", lambda *_, flags=flags, **__: flags)
        monkeypatch.setattr(precision, "bf16_gain", lambda gain=gain: gain)
        assert precision.has_bf16(torch.device("cpu")) is expected
        assert Runtime("cpu", TrainConfig()).precision == ("bf16" if expected else "fp32")


def test_memory_stays_flat(drawn, tmp_path):
    """Resident memory after many epochs is what it was after a few."""
    sizes = []

    def rss(*_):
        sizes.append(int(Path("/proc/self/statm").read_text().split()[1]) * 4096)

    if not Path("/proc/self/statm").exists():
        pytest.skip("no /proc here")
    original = RunLogger.log_epoch
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunLogger, "log_epoch", lambda self, line: (original(self, line), rss())[0])
        train(drawn, tmp_path / "r", "train.epochs=24")
    assert np.mean(sizes[-4:]) < np.mean(sizes[4:8]) + 20 * 2**20


@pytest.mark.parametrize("count", [1, 3])
def test_a_doubling_is_a_transposed_convolution(count):
    torch.manual_seed(0)
    layer, x = TransposedConv2x(6, 5, 2, 2), torch.randn(count, 6, 4, 3)
    with torch.inference_mode():
        assert torch.allclose(layer(x), torch.nn.ConvTranspose2d.forward(layer, x), atol=1e-6)
    assert torch.equal(
        layer(x), torch.nn.ConvTranspose2d.forward(layer, x)
    )  # to learn, and to reproduce what was learned
