"""Verbs for learning: recipes, train, demo, doctor."""

import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from facespace.cli.app import Done, Flag, verb


@verb("facespace recipes [NAME]")
def recipes(name: str | None = None, /) -> Done:
    """List the recipes, or print one whole.

    Example: facespace recipes celebamask-conv

    Parameters
    ----------
    name
        The recipe to print.
    """
    import inspect

    from facespace.core.configs import to_dict
    from facespace.models import count_parameters
    from facespace.recipes import RECIPES, recipe

    if name is None:
        listed = {key: make() for key, make in RECIPES.items()}
        counts = {key: count_parameters(plan.model) for key, plan in listed.items()}
        rows = [f"{key:<18} {counts[key]:>11,} parameters  {plan.summary}" for key, plan in listed.items()]
        facts = {
            "recipes": {key: {"summary": p.summary, "parameters": counts[key]} for key, p in listed.items()}
        }
        return Done(facts, "\n".join([*rows, "", "The whole of one: facespace recipes NAME"]))
    plan = recipe(name)
    whole = to_dict(plan)
    about = inspect.getdoc(RECIPES[name]) or ""
    parameters = count_parameters(plan.model)
    text = [
        about,
        "",
        f"parameters  {parameters:,}",
        json.dumps(whole, indent=2),
        "",
        "Prepare its data with:",
    ]
    text += [
        f"  {plan.data.prepare_line(plan.model.image)}",
        f"Train it with:\n  facespace train {name} --data SET --to RUN",
    ]
    return Done({"name": name, "about": about, "parameters": parameters, "recipe": whole}, "\n".join(text))


@verb("facespace train RECIPE --data SET --to RUN [OPTIONS]")
def train(
    recipe: str | None = None,
    /,
    *,
    data: Path,
    to: Path,
    set: Annotated[tuple[str, ...], Parameter(name="--set", negative="")] = (),
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
        A name that facespace recipes lists; with --from, that space's own where it is left out.
    data
        A folder that facespace prepare made.
    to
        The run's folder: metrics.jsonl, sheets/, curves.png, best/ and last/ (the trained models).
    set
        Change one field of the recipe, FIELD=VALUE; may be repeated.
    start
        Begin a new run with the weights of a finished run or bundle, on the same faces or others.
    resume
        Go on with an interrupted run in the same folder.
    force
        Replace a run that is already there.
    device
        auto, cpu, cuda or mps.
    seed
        Of the weights, the order of faces and all noise.
    tracker
        tensorboard (used where it is installed), wandb (works offline) or none; may be repeated.
    minutes
        Pause after so many minutes, with a checkpoint and the model as it is then in last/; --resume goes on. For a machine that
        is lent by the hour, or the time limit of a cluster.
    """
    from facespace.training.loop import train as learn

    result = learn(
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
        return Done(
            result,
            f"{result['step']:,} of {result['steps']:,} steps are done; the model as it is lies in {to}/last.",
        )
    memory = f", {result['peak_memory_mb'] / 1000:.1f} GB at most" if result["peak_memory_mb"] else ""
    rows = [
        f"{result['steps']:,} steps in {result['seconds']:,.0f} s, {result['images_per_second']:,.0f} images/s on "
        f"{result['device']} in {result['precision']}{memory}; first step after {result['seconds_to_first_step']:.1f} s."
    ]
    for bundle in ("best", "last"):
        for split, seen in result[bundle].items():
            parts = ", ".join(f"{key} {seen[key]:,.1f}" for key in ("reconstruction", "kl") if key in seen)
            line = f"{bundle}  {split:<10}  {seen['loss']:>10,.1f} nats per image ({parts}), {seen['loss_per_dim']:.4f} per dimension"
            rows.append(f"{line}, MSE {seen['mse']:.5f}")
    rows += [f"The run is in {to}. Next: facespace sample {to} --to faces.png"]
    return Done(result, "\n".join(rows))


@verb("facespace demo [--to DIR]")
def demo(*, to: Path = Path("demo"), seed: int = 0) -> Done:
    """Draw faces, learn them, and show samples, reconstructions, a morph and the loss curves on one page.

    Example: facespace demo --to demo

    Parameters
    ----------
    to
        The folder to make; open index.html in it.
    seed
        Of the faces drawn and of the training.
    """
    from facespace.cli.demo import demo as show_it

    facts = show_it(to, seed)
    return Done(facts, facts["text"])


@verb("facespace doctor")
def doctor() -> Done:
    """Say what is installed, which device is used and what is missing.

    Example: facespace doctor
    """
    from facespace.cli.doctor import examine

    facts = examine()
    return Done(facts, facts["text"])
