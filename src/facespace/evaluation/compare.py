"""Trained spaces side by side on the same faces: reconstruction, sampling and the structure of their latents, as a table,
as JSON and as pictures. Measures what is there; trains nothing and ranks nothing."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from facespace.core.console import progress
from facespace.core.errors import UsageError, check_seed
from facespace.core.files import build_folder, check_target, holds_only, write_json
from facespace.core.version import __version__
from facespace.data.faces import FaceSet, batches, evenly_spaced
from facespace.evaluation.comparison import comparison
from facespace.evaluation.figures import Tally, quality
from facespace.evaluation.runs import METRICS, objective, read_epochs, shape
from facespace.evaluation.session import chosen
from facespace.image import grids
from facespace.image.pixels import to_float, to_uint8
from facespace.latent.structure import ACTIVE, latent_structure
from facespace.models import bundle
from facespace.models.bundle import OWN
from facespace.models.priors import FittedNormal, StandardNormal
from facespace.report import charts
from facespace.report.tables import plain
from facespace.space.face_space import FaceSpace, load

TABLE, FIGURES, RECONSTRUCTIONS, SAMPLES, LATENTS = OURS = (
    *("table.md", "compare.json", "reconstructions.png", "samples.png", "latents.png"),
)
SHOWN, DRAWN, ACROSS = (
    10,
    32,
    8,
)  # faces reconstructed on the picture, samples of a run on it, samples in a row
COMMON = (bundle.BEST, bundle.LAST, "run")  # say nothing alone
PRIORS = {StandardNormal: "N(0, I)", FittedNormal: "fitted Gaussian"}


class Measured(NamedTuple):
    """A space's figures, and the arrays that the pictures are made of."""

    facts: dict[str, Any]
    again: np.ndarray  # (SHOWN, H, W, C) reconstructions
    samples: np.ndarray  # (DRAWN, H, W, C)
    covariance: np.ndarray  # (D, D) of the posterior means


def compare(
    runs: Sequence[Path | str],
    data: FaceSet | Path | str,
    to: Path | str,
    *,
    split: str = "test",
    count: int = 1_000,
    seed: int = 0,
    force: bool = False,
) -> dict[str, Any]:
    """Measures two or more runs or bundles on at most `count` faces of a split and writes the folder `to`: table.md,
    compare.json, reconstructions.png, samples.png, latents.png. Returns what compare.json holds, and the table as `text`.

    Raises UsageError for fewer than two, the same one twice or a folder with other files, BundleError for a run without
    a model, FaceSetError."""
    paths, to = [Path(run) for run in runs], Path(to)
    check_target(to, "a comparison", holds_only(*OURS), force)
    check_seed(seed)
    spaces = open_all(paths)
    faces = data if isinstance(data, FaceSet) else FaceSet(data)
    rows = chosen(faces, split, count)
    with progress(len(rows) * len(spaces), "Comparing", "faces") as advance:
        pairs = zip(names(paths), paths, spaces)
        measured = [measure(name, path, space, faces, rows, seed, advance) for name, path, space in pairs]
    facts = {"protocol": describe(faces, split, len(rows), seed), "runs": [one.facts for one in measured]}
    text = comparison(facts)
    with build_folder(to) as beside:
        (beside / TABLE).write_text(text + "\n", encoding="utf-8", errors="replace")
        write_json(beside / FIGURES, facts)
        draw(beside, measured, faces.images[evenly_spaced(rows, SHOWN)])
    return {**facts, "to": str(to), "text": text}


def open_all(paths: Sequence[Path]) -> list[FaceSpace]:
    """The spaces of runs or bundles, each another."""
    if len(paths) < 2:
        raise UsageError(f"Name at least two runs to compare; got {len(paths)}.")
    folders: dict[Path, Path] = {}
    for path in paths:
        folder = bundle.find(path).resolve()
        if folder in folders:
            raise UsageError(f"{path} is the same model as {folders[folder]}; name two different runs.")
        folders[folder] = path
    return [load(folder).as_prepared() for folder in folders]


def names(paths: Sequence[Path]) -> list[str]:
    """The shortest ends of the paths that tell them apart; a name that many share with its folder."""
    parts = [path.resolve().parts for path in paths]
    depths = [2 if part[-1] in COMMON else 1 for part in parts]
    for _ in range(max(map(len, parts))):
        ends = [part[-depth:] for part, depth in zip(parts, depths)]
        depths = [depth + (ends.count(end) > 1) for end, depth in zip(ends, depths)]
    return [plain("/".join(part[-depth:])) for part, depth in zip(parts, depths)]


@torch.inference_mode()
def measure(
    name: str,
    path: Path,
    space: FaceSpace,
    faces: FaceSet,
    rows: np.ndarray,
    seed: int,
    advance: Callable[[int], None],
) -> Measured:
    """All that is said of one space. Attributes are not told, since not every set knows them."""
    model, shown = space.model.eval(), {int(row) for row in evenly_spaced(rows, SHOWN)}
    means, errors, kl, again = [], [], [], []
    real, drawn = Tally(), Tally()
    latents = space.sample_latents(max(len(rows), DRAWN), seed, prior=OWN)
    for part, z in zip(batches(rows), batches(latents)):
        fitted = space.fit(faces.images[part])
        x = to_float(fitted, space.device)
        posterior = model.encode(x)
        image = model.decode(posterior.mean)
        errors.append((image - model.target(x)).square().flatten(1).mean(1))  # (B,)
        kl.append(posterior.penalties().get("kl"))  # (B,) nats, None for an autoencoder
        means.append(posterior.mean.flatten(1))  # (B, D)
        again += [face for row, face in zip(part, to_uint8(image)) if int(row) in shown]
        real.add(space.target(fitted))
        drawn.add(space.decode(z[: len(part)]))
        advance(len(part))
    z = torch.cat(means).double().cpu().numpy()
    structure = latent_structure(z)
    nats = torch.cat([part for part in kl if part is not None]) if kl[0] is not None else None
    facts = {
        **identify(name, path, space, faces),
        "reconstruction": {
            "faces": fitting(space, faces),
            **quality(torch.cat(errors).double().cpu().numpy()),
        },
        "sampling": {
            "prior": PRIORS.get(type(model.prior), model.prior.origin),
            "origin": model.prior.origin,
            **dict(zip(("pixel_mean", "pixel_deviation"), drawn.moments())),
            **dict(zip(("real_pixel_mean", "real_pixel_deviation"), real.moments())),
        },
        "latents": {**structure, "kl": None if nats is None else float(nats.double().mean())},
    }
    return Measured(
        facts, np.stack(again), space.decode(latents[:DRAWN]), np.cov(z.T).reshape(z.shape[1], -1)
    )


def identify(name: str, path: Path, space: FaceSpace, faces: FaceSet) -> dict[str, Any]:
    """What a space is, and what its training said: the last line of a run's journal, or the card of a bare bundle."""
    card, config = space.card, space.model.config
    lines = read_epochs(path, []) if (path / METRICS).is_file() else []
    line = lines[-1] if lines else card.get("metrics", {})
    recipe, trained_on = card.get("recipe") or {}, card.get("data") or {}
    return {
        "name": name,
        "path": str(path),
        "recipe": recipe.get("name"),
        "bundle": space.folder.name,
        "step": card.get("step"),
        "fingerprint": card["fingerprint"],
        "model": {
            "image": shape(space.image_shape),
            "parameters": sum(weight.numel() for weight in space.model.parameters()),
            "latents": space.latent_dim,
            "body": config.body,
            "widths": list(config.widths),
            "bottleneck": config.family,
            "pixels": config.pixels,
            "conditions": list(config.conditions),
            "objective": objective(card),
        },
        "trained_on": {
            "source": trained_on.get("source"),
            "faces": trained_on.get("splits", {}).get("train"),
            "crop": space.template.crop,
            "fingerprint": trained_on.get("fingerprint"),
            "same_set": trained_on.get("fingerprint") == faces.fingerprint,
        },
        "training": {key: line.get(key) for key in ("epoch", "step", "train", "validation")},
    }


def fitting(space: FaceSpace, faces: FaceSet) -> str:
    """What had to be done to a set's faces for this space."""
    (channels, height, width), wanted = faces.image_shape, space.template.shape
    done = []
    if height * wanted[2] != width * wanted[1]:
        done.append("cut to its proportions")
    if (height, width) != wanted[1:]:
        done.append(f"resized to {wanted[1]}×{wanted[2]}")
    if channels != wanted[0]:
        done.append("made gray" if wanted[0] == 1 else "gray in three channels")
    if space.image_shape[1:] != wanted[1:]:
        done.append(f"middle {space.image_shape[1]}×{space.image_shape[2]}")
    return ", ".join(done) or "as they are"


def describe(faces: FaceSet, split: str, count: int, seed: int) -> dict[str, Any]:
    """The protocol: all that somebody needs to get the same figures."""
    card = faces.card
    return {
        "set": str(faces.root),
        "set_fingerprint": faces.fingerprint,
        **{key: card[key] for key in ("source", "size", "channels", "crop")},
        "split": split,
        "count": count,
        "chosen": "evenly spread",
        "seed": seed,
        "temperature": 1.0,
        "active_above": ACTIVE,
        "attributes_told": False,
        "facespace": __version__,
    }


def draw(folder: Path, measured: Sequence[Measured], originals: np.ndarray) -> None:
    """The three pictures."""
    labels = [
        f"{one.facts['name']}: {one.facts['recipe'] or 'no recipe'}, {one.facts['model']['bottleneck']}, {one.facts['model']['image']}, "
        f"{one.facts['model']['latents']:,} latents"
        for one in measured
    ]
    rows = [
        (f"{label}, MSE {one.facts['reconstruction']['mse']:.5f}", one.again)
        for label, one in zip(labels, measured)
    ]
    grids.save_still(grids.blocks([("Originals", originals), *rows], SHOWN), folder / RECONSTRUCTIONS)
    drawn = [
        (f"{label}; samples from {one.facts['sampling']['origin']}", one.samples)
        for label, one in zip(labels, measured)
    ]
    grids.save_still(grids.blocks(drawn, ACROSS), folder / SAMPLES)
    spaces = {one.facts["name"]: (np.diag(one.covariance), one.covariance) for one in measured}
    charts.save(charts.latents(spaces, ACTIVE), folder / LATENTS)
