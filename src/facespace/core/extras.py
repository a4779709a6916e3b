"""The optional parts of facespace: what each is for, its package, and the command that installs it here,
which differs between a clone of the repository and a package from an index."""

import importlib.metadata
import importlib.util
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname


@dataclass(frozen=True)
class Extra:
    """An optional part: the distribution that it installs, and what that is for."""

    package: str
    purpose: str
    also: tuple[str, ...] = ()  # further distributions


# What the extra train installs beside torch.
TRAINING = ("accelerate", "torchmetrics", "scikit-learn", "matplotlib", "joblib", "scipy")
# The modules of the extra train, and what they are called.
TRAINING_MODULES = {"torch": "PyTorch", "sklearn": "scikit-learn", **{name: name for name in TRAINING}}
EXTRAS = {  # the optional dependencies of pyproject.toml that a user meets
    "train": Extra("torch", "trains, adapts, fits and measures spaces", TRAINING),
    "align": Extra("opencv-python-headless", "finds faces in photographs (--align)"),
    "heic": Extra("pillow-heif", "reads the photographs of iPhones (.heic)"),
    "video": Extra("imageio-ffmpeg", "writes .mp4 films, where no ffmpeg is installed"),
    "kaggle": Extra("kagglehub", "downloads CelebA, LFW and CelebAMask-HQ (facespace download)"),
    "identity": Extra("onnxruntime", "runs a face recognition network (facespace evaluate --identity)"),
    "onnx": Extra("onnx", "writes spaces as ONNX files (facespace export --format onnx)", ("onnxruntime",)),
    "cluster": Extra("dask", "works on a cluster (--cluster)", ("distributed",)),
    "remote": Extra("fsspec", "reads sets at addresses (--data s3://…)", ("aiohttp", "requests")),
    "umap": Extra("umap-learn", "draws UMAP maps of latents (facespace analyze)"),
    "parquet": Extra("pyarrow", "reads and writes Parquet: large sets, tables of latents, prepare parquet"),
    "tensorboard": Extra("tensorboard", "shows training curves (--tracker tensorboard)"),
    "wandb": Extra("wandb", "sends training curves to Weights & Biases (--tracker wandb)"),
}


def is_installed(package: str) -> bool:
    """Whether a package can be imported."""
    try:
        return importlib.util.find_spec(package) is not None
    except ValueError:  # one that was made impossible to import, as tests do
        return False


def install_command(extra: str) -> str:
    """The pip command that adds an optional part to this installation: 'facespace[video]' of a package index,
    the clone or the wheel that it was installed from, or the packages alone where that is no longer there."""
    clone, installed_from = clone_folder(), _installed_from()
    if clone:
        place = "." if clone == _here() else str(clone)
        return f"pip install {_quote(f'{place}[{extra}]')}"
    if installed_from and installed_from.is_file():
        return f"pip install {_quote(f'{installed_from}[{extra}]')}"
    if _direct_url():  # a wheel that is gone, or a repository that may no longer hold what is installed
        return f"pip install {' '.join((EXTRAS[extra].package, *EXTRAS[extra].also))}"
    return f"pip install {_quote(f'facespace[{extra}]')}"


def clone_folder() -> Path | None:
    """The folder of the clone that facespace was installed from or runs in; None where there is none."""
    beside = Path(__file__).resolve().parents[3]  # CLONE/src/facespace/core/extras.py
    for folder in (beside, _installed_from()):
        if folder and (folder / "pyproject.toml").is_file():
            return folder
    return None


def _installed_from() -> Path | None:
    url = urlsplit(_direct_url())
    return Path(url2pathname(url.path)) if url.scheme == "file" else None


def _direct_url() -> str:
    """Where pip installed facespace from, if not from an index (PEP 610); else an empty text."""
    try:
        text = importlib.metadata.distribution("facespace").read_text("direct_url.json")
        return json.loads(text or "{}").get("url", "")
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return ""


def _here() -> Path | None:
    try:
        return Path.cwd().resolve()
    except OSError:  # the working folder was removed
        return None


def _quote(text: str) -> str:
    return f'"{text}"' if sys.platform == "win32" else f"'{text}'"
