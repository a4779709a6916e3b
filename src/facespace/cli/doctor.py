"""What is installed, which device would be used, what is missing. Looks, and changes nothing."""

import importlib.metadata
import os
import platform
import shutil
import sys
from pathlib import Path
from typing import Any

from facespace.core.version import __version__


def examine() -> dict[str, Any]:
    """The facts, and `text` for people. `missing` names required packages that are absent or too old to import."""
    from facespace.image.detectors import yunet_here

    needed = [
        line.split(";")[0]
        for line in importlib.metadata.requires("facespace") or []
        if "extra ==" not in line
    ]
    names = [_name(line) for line in needed]
    versions = {name: _version(name) for name in names}
    missing = [name for name, version in versions.items() if version is None]
    yunet = yunet_here()
    facts = {
        "facespace": __version__,
        "python": platform.python_version(),
        "executable": sys.executable,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "free_disk_gib": round(shutil.disk_usage(Path.cwd()).free / 2**30, 1),
        "packages": versions,
        "extras": {extra: _version(package) for extra, package in EXTRAS.items()},
        "yunet": yunet and str(yunet),
        "missing": missing,
        **({"device": None, "devices": []} if {"torch", "accelerate"} & set(missing) else _devices()),
    }
    return {**facts, "text": _text(facts)}


EXTRAS = {
    "align": "opencv-python-headless",
    "kaggle": "kagglehub",
    "tensorboard": "tensorboard",
    "wandb": "wandb",
    "umap": "umap-learn",
    "parquet": "pyarrow",
}


def _devices() -> dict[str, Any]:
    import torch

    from facespace.models.precision import has_bf16

    devices = ["cpu"]
    if torch.cuda.is_available():
        devices += [f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append("mps")
    best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    native = has_bf16(torch.device(best))
    return {"device": best, "devices": devices, "threads": torch.get_num_threads(), "bf16": native}


def _text(facts: dict[str, Any]) -> str:
    rows = [
        f"facespace {facts['facespace']} on Python {facts['python']}, {facts['system']}",
        f"device: {facts['device']} would be used by --device auto (here: {', '.join(facts['devices']) or 'none'})",
        f"number format of training there: {'bf16' if facts.get('bf16') else 'fp32, since bf16 is not native or not faster'}",
        f"cores: {facts['cores']}; free disk here: {facts['free_disk_gib']} GiB",
        *(f"  {name:<14} {version or 'MISSING'}" for name, version in facts["packages"].items()),
    ]
    for extra, version in facts["extras"].items():
        rows.append(
            f"  {EXTRAS[extra]:<22} {version or f'not installed; for it: pip install facespace[{extra}]'}"
        )
    rows.append(
        f"weights of the face finder YuNet: {facts['yunet'] or 'not here; --align fetches them once'}"
    )
    if facts["missing"]:
        rows.append(f"Missing: {', '.join(facts['missing'])}. Install again with: pip install facespace")
    else:
        rows.append("Nothing is missing.")
    return "\n".join(rows)


def _name(requirement: str) -> str:
    return requirement.split("[")[0].split("<")[0].split(">")[0].split("=")[0].strip()


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
