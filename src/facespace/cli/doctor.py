"""What is installed, which device would be used, what is missing. Reads, and changes nothing."""

import importlib.metadata
import os
import platform
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from facespace.cli.app import Facts
from facespace.cli.terminal import table
from facespace.core.extras import EXTRAS, clone_folder, install_command, is_installed
from facespace.core.version import __version__
from facespace.image.detectors import YUNET_URL, YUNET_VARIABLE, local_yunet


def examine() -> Facts:
    """The facts, and `text` for the terminal. `missing` names required packages that are not installed,
    `optional` the optional parts that are not, each with the command that installs it."""
    versions = _required()
    missing = [name for name, version in versions.items() if version is None]
    yunet = local_yunet()
    extras = {}
    for extra, row in EXTRAS.items():
        if row.package not in versions:  # which is required anyway
            extras[extra] = _version(row.package)
    ffmpeg = shutil.which("ffmpeg")
    facts = {
        "facespace": __version__,
        "python": platform.python_version(),
        "executable": sys.executable,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": _cores(),
        "free_disk_gib": round(shutil.disk_usage(Path.cwd()).free / 2**30, 1),
        "packages": versions,
        "extras": extras,
        "ffmpeg": ffmpeg,
        "yunet": yunet and str(yunet),
        "missing": missing,
        "optional": _not_here(extras, ffmpeg),
        **_devices(),
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


def _not_here(extras: Mapping[str, str | None], ffmpeg: str | None) -> dict[str, str]:
    """The optional parts that are not installed, and the command that installs each. A system's ffmpeg stands
    in for the package."""
    absent = {}
    for extra, version in extras.items():
        if version is None and not (extra == "video" and ffmpeg):
            absent[extra] = install_command(extra)
    return absent


def _cores() -> int | None:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def _devices() -> Facts:
    if not is_installed("torch") or not is_installed("accelerate"):
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
    required = []
    for name, version in facts["packages"].items():
        required.append([name, version or "MISSING"])
    lines = (
        f"facespace {facts['facespace']} on Python {facts['python']}, {facts['system']}",
        *_device_lines(facts),
        f"cores: {facts['cores']}; free disk here: {facts['free_disk_gib']} GiB",
        "required packages:",
        table(required, indent=2),
        "optional parts:",
        table([*_optional(facts), ["YuNet", _yunet(facts)]], indent=2),
        _summary(facts),
    )
    return "\n".join(lines)


def _device_lines(facts: Facts) -> list[str]:
    if facts["device"] is None:
        needs = install_command("train")
        return [
            f"device: spaces play on the processor; to train, adapt and measure them takes PyTorch: {needs}"
        ]
    precision = "bf16" if facts["bf16"] else "fp32, since bf16 is not native or not faster"
    return [
        f"device: --device auto uses {facts['device']} (here: {', '.join(facts['devices'])})",
        f"precision of training there: {precision}",
    ]


def _optional(facts: Facts) -> list[list[str]]:
    """A row for each optional part: its package, and its version or what it is for and how to install it."""
    rows = []
    for extra, version in facts["extras"].items():
        row, state = EXTRAS[extra], version
        if version is None and extra in facts["optional"]:
            state = f"not installed; it {row.purpose}: {facts['optional'][extra]}"
        elif version is None:
            state = f"not installed; {facts['ffmpeg']} is used"
        rows.append([row.package, state])
    return rows


def _yunet(facts: Facts) -> str:
    if facts["yunet"]:
        return facts["yunet"]
    if "align" in facts["optional"]:
        return "weights of the face detector; not here: they are fetched (227 kB) once OpenCV is installed"
    return (
        "weights of the face detector; not here: the first photograph fetches them (227 kB). "
        f"Without a network, fetch {YUNET_URL} elsewhere and let {YUNET_VARIABLE} name the file"
    )


def _summary(facts: Facts) -> str:
    """What is missing, as the last line: required packages before optional parts."""
    if facts["missing"]:
        again = "pip install ." if clone_folder() else "pip install facespace"
        return f"Missing: {', '.join(facts['missing'])}. Install again with: {again}"
    absent = list(facts["optional"])
    if not facts["yunet"]:
        absent.append("YuNet")
    if not absent:
        return "Everything is installed, the optional parts too."
    return f"All required packages are installed. Optional parts that are not here: {', '.join(absent)}."
