"""Verbs for learning: recipes, train, runs, fit-prior, demo, doctor."""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from facespace.cli.app import Done, verb
from facespace.cli.options import Flag, Settings, Split, optional_words
from facespace.cli.terminal import table


@verb("facespace recipes [NAME]")
def recipes(name: str | None = None, /) -> Done:
    """List the recipes, or print one whole.

    Example: facespace recipes celebamask-conv

    Parameters
    ----------
    name
        The recipe to print.
    """
    from facespace.recipes import RECIPES

    if name is not None:
        return _one_recipe(name)
    from facespace.recipes.parameter_counts import PARAMETERS

    rows, facts = [], {}
    for key, make in RECIPES.items():
        summary = make().summary
        rows.append([key, f"{PARAMETERS[key]:,}", "parameters ", summary])
        facts[key] = {"summary": summary, "parameters": PARAMETERS[key]}
    text = table(rows, right=(1,))
    return Done({"recipes": facts}, f"{text}\n\nThe whole of one: facespace recipes NAME")


def _one_recipe(name: str) -> Done:
    import inspect

    from facespace.core.configs import to_dict
    from facespace.recipes import RECIPES, recipe
    from facespace.recipes.parameter_counts import PARAMETERS

    plan = recipe(name)
    whole, about, parameters = to_dict(plan), inspect.getdoc(RECIPES[name]) or "", PARAMETERS[name]
    text = (
        f"{about}\n\nparameters  {parameters:,}\n{json.dumps(whole, indent=2)}\n\n"
        f"Prepare its data with:\n  {plan.data.prepare_line(plan.model.image)}\n"
        f"Train it with:\n  facespace train {name} --data SET --to RUN"
    )
    return Done({"name": name, "about": about, "parameters": parameters, "recipe": whole}, text)


@verb("facespace train RECIPE --data SET --to RUN [OPTIONS]")
def train(
    recipe: str | None = None,
    /,
    *,
    data: Path,
    to: Path,
    set: Settings = (),
    start: Annotated[Path | None, Parameter(name="--from")] = None,
    resume: Flag = False,
    force: Flag = False,
    device: str = "auto",
    seed: int = 0,
    tracker: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    minutes: float | None = None,
) -> Done:
    """Train a recipe on a prepared set.

    Example: facespace train celebamask-conv --data sets/celeba --to runs/celeba --set train.epochs=5

    Parameters
    ----------
    recipe
        A name that facespace recipes lists; with --from, by default the recipe of that space.
    data
        A folder that facespace prepare made.
    to
        The run's folder: metrics.jsonl, sheets/, curves.png, best/ and last/ (the trained models).
    set
        Change one field of the recipe, FIELD=VALUE; may be repeated.
    start
        Begin a new run with the weights of a finished run or bundle, on the same faces or others.
    resume
        Continue an interrupted run in the same folder.
    force
        Replace a run that is already there.
    device
        auto, cpu, cuda or mps.
    seed
        Random seed of the weights, the order of faces and all noise.
    tracker
        tensorboard (used where it is installed), wandb (works offline) or none; may be repeated.
    minutes
        Pause after this many minutes, with a checkpoint and the current model in last/; --resume continues. For a machine that is
        rented by the hour, or the time limit of a cluster.
    """
    from facespace.training.loop import train as run_training

    result = run_training(
        recipe,
        data,
        to,
        settings=set,
        start=start,
        resume=resume,
        device=device,
        seed=seed,
        force=force,
        trackers=tracker,
        minutes=minutes,
    )
    if result.get("paused"):
        steps = f"{result['step']:,} of {result['steps']:,} steps are done"
        return Done(result, f"{steps}; the current model is in {to}/last.")
    text = f"{_speed(result)}\n{_losses(result)}\nThe run is in {to}. Next: facespace sample {to} --to faces.png"
    return Done(result, text)


def _speed(result: dict[str, Any]) -> str:
    memory = f", {result['peak_memory_mb'] / 1000:.1f} GB at most" if result["peak_memory_mb"] else ""
    return (
        f"{result['steps']:,} steps in {result['seconds']:,.0f} s, {result['images_per_second']:,.0f} images/s on "
        f"{result['device']} in {result['precision']}{memory}; first step after "
        f"{result['seconds_to_first_step']:.1f} s."
    )


def _losses(result: dict[str, Any]) -> str:
    """A row for each bundle and split."""
    rows = []
    for bundle in ("best", "last"):
        for split, losses in result[bundle].items():
            terms = [f"{name} {losses[name]:,.1f}" for name in ("reconstruction", "kl") if name in losses]
            text = f"nats per image ({', '.join(terms)}), {losses['loss_per_dim']:.4f} per dimension, "
            rows.append([bundle, split, f"{losses['loss']:,.1f}", f"{text}MSE {losses['mse']:.5f}"])
    return table(rows, right=(2,))


@verb("facespace runs DIR")
def runs(folder: Path, /) -> Done:
    """List the runs below a folder with their figures, finished or not.

    Example: facespace runs runs

    Parameters
    ----------
    folder
        Any folder with runs in it, at any depth.
    """
    from facespace.evaluation.comparison import listing
    from facespace.evaluation.runs import find_runs, unlike

    rows = find_runs(folder)
    facts = {"folder": str(folder), "runs": rows, "note": unlike(rows)}
    if not rows:
        command = f"facespace train RECIPE --data SET --to {folder}/NAME"
        return Done(facts, f"No runs below {folder}. Train one: {command}")
    return Done(facts, listing(rows))


@Parameter(name="*")
@dataclass(frozen=True)
class FitOptions:
    """Sizes of a prior.

    Parameters
    ----------
    components
        Number of Gaussians of a mixture. [default: 10, and fewer for few faces]
    steps
        Training steps of a flow at most; held-out latents stop it earlier. [default: 6000]
    width
        Units in the layers of a flow. [default: 512, and 4 for each latent where that is less]
    blocks
        Residual blocks of a flow. [default: 4]
    """

    components: int | None = None
    steps: int | None = None
    width: int | None = None
    blocks: int | None = None

    def given(self) -> dict[str, int]:
        """The options that are given."""
        return {name: value for name, value in asdict(self).items() if value is not None}


DEFAULTS = FitOptions()


@verb("facespace fit-prior SPACE --data SET")
def fit_prior(
    space: Path,
    /,
    *,
    data: Path,
    kind: str | None = None,
    mirror: Flag = False,
    conditions: str | None = None,
    sizes: FitOptions = DEFAULTS,
    split: Split = "train",
    seed: int = 0,
) -> Done:
    """Fit a prior to the latents of faces, for facespace sample --prior.

    Example: facespace fit-prior runs/celeba --data sets/celeba --mirror

    Parameters
    ----------
    space
        A run or a bundle; of a run the best bundle keeps the prior.
    data
        A folder that facespace prepare made, best the one that the space was trained on.
    kind
        flow (a network; the highest likelihood, and it can be conditioned on attributes), mixture (of Gaussians; seconds) or
        normal (one Gaussian). [default: flow; mixture where --components is given]
    mirror
        Fit to the mirror images of the faces too.
    conditions
        Attributes of that set to condition on (facespace sample --condition), with commas between, or none.
        [default: of a flow, all with enough faces with and without]
    seed
        Random seed of the fit's start.
    """
    from facespace.cli.faces import open_one
    from facespace.data.faces import FaceSet
    from facespace.space.face_space import describe

    opened = open_one(space)
    names = [] if conditions == "none" else optional_words(conditions)
    start = time.monotonic()
    entry = opened.fit_prior(FaceSet(data), kind, split, seed, mirror, names, **sizes.given())
    seconds = time.monotonic() - start
    lines = [f"{entry['origin']}, kept in {opened.folder} ({seconds:.1f} s)"]
    for name, nats in entry["nats"].items():
        fitted, own = f"{nats['fitted']:,.1f} nats per latent vector", f"{nats['own']:,.1f}"
        lines.append(f"{name}: {fitted}; {own} under {opened.model.prior.origin}")
    nearest = entry["nearest"]
    if "validation" in nearest:
        lines.append(
            f"Distance to the nearest training latent: {nearest['new']:.2f} of new latents, "
            f"{nearest['validation']:.2f} of validation faces"
        )
    lines.append(f"Next: facespace sample {space} --prior {entry['kind']} --to faces.png")
    return Done({**entry, "seconds": round(seconds, 2), **describe(opened)}, "\n".join(lines))


@verb("facespace demo [--to DIR]")
def demo(*, to: Path = Path("demo"), seed: int = 0) -> Done:
    """Draw faces, train a space on them, and show samples, reconstructions, a morph and the loss curves on one page.

    Example: facespace demo --to demo

    Parameters
    ----------
    to
        The folder to make; open index.html in it.
    seed
        Random seed of the faces drawn and of the training.
    """
    from facespace.cli.demo import demo as run_demo

    facts = run_demo(to, seed)
    return Done(facts, facts["text"])


@verb("facespace doctor")
def doctor() -> Done:
    """Say what is installed, which device is used and what is missing.

    Example: facespace doctor
    """
    from facespace.cli.doctor import examine

    facts = examine()
    return Done(facts, facts["text"])
