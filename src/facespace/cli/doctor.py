"""What is installed, which device would be used, what is missing. Reads, and changes nothing."""

import importlib.metadata
import os
import platform
import re
import shutil
import sys
from pathlib import Path

from facespace.cli.app import Facts
from facespace.cli.terminal import table
from facespace.core.version import __version__

EXTRAS = {
    "align": "opencv-python-headless",
    "kaggle": "kagglehub",
    "tensorboard": "tensorboard",
    "wandb": "wandb",
    "umap": "umap-learn",
    "parquet": "pyarrow",
}


def examine() -> Facts:
    """The facts, and `text` for the terminal. `missing` names required packages that are not installed."""
    from facespace.image.detectors import local_yunet

    versions = _required()
    missing = [name for name, version in versions.items() if version is None]
    yunet = local_yunet()
    facts = {
        "facespace": __version__,
        "python": platform.python_version(),
        "executable": sys.executable,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": _cores(),
        "free_disk_gib": round(shutil.disk_usage(Path.cwd()).free / 2**30, 1),
        "packages": versions,
        "extras": {extra: _version(package) for extra, package in EXTRAS.items()},
        "yunet": yunet and str(yunet),
        "missing": missing,
        **_devices(missing),
    }
    return {**facts, "text": _text(facts)}


def _required() -> dict[str, str | None]:
    """The packages that facespace requires, and their versions here."""
    versions = {}
    for line in importlib.metadata.requires("facespace") or []:
        requirement, _, condition = line.partition(";")
        if "extra ==" not in condition:
            name = re.split(r"[\[<>=!~ ]", requirement)[0]
            versions[name] = _version(name)
    return versions


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cores() -> int | None:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def _devices(missing: list[str]) -> Facts:
    if {"torch", "accelerate"} & set(missing):
        return {"device": None, "devices": []}
    import torch

    from facespace.models.precision import has_bf16

    best, devices = "cpu", ["cpu"]
    if torch.backends.mps.is_available():
        best = "mps"
        devices.append("mps")
    if torch.cuda.is_available():
        best = "cuda"
        devices += [f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())]
    native = has_bf16(torch.device(best))
    return {"device": best, "devices": devices, "threads": torch.get_num_threads(), "bf16": native}


def _text(facts: Facts) -> str:
    precision = "bf16" if facts.get("bf16") else "fp32, since bf16 is not native or not faster"
    devices = ", ".join(facts["devices"]) or "none"
    required, extras = [], []
    for name, version in facts["packages"].items():
        required.append([name, version or "MISSING"])
    for extra, version in facts["extras"].items():
        extras.append([EXTRAS[extra], version or f"not installed; for it: pip install facespace[{extra}]"])
    yunet = facts["yunet"] or "not here; --align fetches them once"
    summary = "Nothing is missing."
    if facts["missing"]:
        summary = f"Missing: {', '.join(facts['missing'])}. Install again with: pip install facespace"
    lines = (
        f"facespace {facts['facespace']} on Python {facts['python']}, {facts['system']}",
        f"device: --device auto uses {facts['device']} (here: {devices})",
        f"precision of training there: {precision}",
        f"cores: {facts['cores']}; free disk here: {facts['free_disk_gib']} GiB",
        table(required, indent=2),
        table(extras, indent=2),
        f"weights of the face detector YuNet: {yunet}",
        summary,
    )
    return "\n".join(lines)
