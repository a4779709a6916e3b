"""Verbs for learning: recipes, train, runs, demo, doctor."""

import json
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from facespace.cli.app import Done, Facts, verb
from facespace.cli.options import Flag, Settings
from facespace.cli.terminal import table
from facespace.core.addresses import shown
from facespace.core.console import note, quoted
from facespace.core.errors import UsageError

TERMS = {"reconstruction": "reconstruction", "kl": "KL", "elbo": "ELBO"}  # shown, and their names
SPLITS = {"train": "training, in the epoch"}


@verb("facespace recipes [NAME] [--code [--to FILE.py]] [--set FIELD=VALUE]")
def recipes(
    name: str | None = None, /, *, code: Flag = False, to: Path | None = None, set: Settings = ()
) -> Done:
    """List the recipes, print one whole, or print its model as one file of PyTorch.

    Example: facespace recipes celebamask-conv --code --to model.py

    Parameters
    ----------
    name
        The recipe to print.
    code
        Print one Python file that is the recipe: network, loss and training loop, with torch, numpy and
        Pillow alone. Run it: python FILE.py SET/images.npy
    to
        A new file for that code, in place of printing it.
    set
        Change one field of the recipe before it is printed, FIELD=VALUE; may be repeated.
    """
    if to and not code:
        raise UsageError("--to is for --code: facespace recipes NAME --code --to FILE.py")
    if name is not None:
        return _code(name, set, to) if code else _one_recipe(name, set)
    if code or set:
        raise UsageError("Name the recipe that is to be printed: facespace recipes NAME --code")
    from facespace.recipes import RECIPES
    from facespace.recipes.parameter_counts import PARAMETERS

    rows, facts = [], {}
    for key, make in RECIPES.items():
        summary = make().summary
        rows.append([key, f"{PARAMETERS[key]:,}", "parameters ", summary])
        facts[key] = {"summary": summary, "parameters": PARAMETERS[key]}
    text = table(rows, right=(1,))
    after = "The whole of one: facespace recipes NAME. As one file of PyTorch: facespace recipes NAME --code"
    return Done({"recipes": facts}, f"{text}\n\n{after}")


def _code(name: str, settings: Settings, to: Path | None) -> Done:
    from facespace.core.configs import override
    from facespace.core.files import write_atomically
    from facespace.formats.checks import left_out
    from facespace.formats.single_file import code_of
    from facespace.recipes import recipe

    plan = override(recipe(name), settings)
    text = code_of(plan, settings)
    if missing := left_out(plan):
        note(
            f"The file has no training loop: {', '.join(missing)} need networks of their own. It holds "
            "network, likelihood and regularizer."
        )
    facts = {"name": name, "settings": [*settings], "to": to and str(to), "code": text}
    if to is None:
        return Done(facts, text.rstrip("\n"))
    if to.exists():
        raise UsageError(f"--to {to} exists; name a new file, so that nothing of yours is replaced.")
    with write_atomically(to) as beside:
        beside.write_text(text, encoding="utf-8")
    return Done(facts, f"{name} in {to}: {text.count(chr(10))} lines. Run it: python {to} SET/images.npy")


def _one_recipe(name: str, settings: Settings) -> Done:
    import inspect

    from facespace.core.configs import override, to_dict
    from facespace.recipes import RECIPES, recipe
    from facespace.recipes.parameter_counts import PARAMETERS

    named = recipe(name)
    plan = override(named, settings)
    whole, about = to_dict(plan), inspect.getdoc(RECIPES[named.name]) or ""
    parameters = PARAMETERS[named.name] if plan.model == named.model else None
    count = f"parameters  {parameters:,}\n" if parameters else ""
    options = "".join(f" --set {shlex.quote(setting)}" for setting in settings)
    text = (
        f"{about}\n\n{count}{json.dumps(whole, indent=2)}\n\n"
        f"Prepare its data with:\n  {plan.data.prepare_line(plan.model.image)}\n"
        f"Train it with:\n  facespace train {name} --data SET --to RUN{options}"
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
        A folder that facespace prepare made, or the address of one such as s3://BUCKET/SET.
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
        Pause after this many minutes, with a checkpoint and the current model in last/; --resume continues.
        For a machine that is rented by the hour, or the time limit of a cluster.
    """
    from facespace.adaptation.photos import MOST
    from facespace.data.faces import is_face_set, read_set_card
    from facespace.training.loop import train as run_training

    # Training says what is wrong with a set that cannot be read.
    if start is not None and not resume and is_face_set(data) and read_set_card(data)["faces"] <= MOST:
        note(
            f"The easier way for up to {MOST:,} faces: facespace adapt {shown(data)} --to DIR --from {start}"
        )
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
    text = (
        f"{_speed(result)}\n{_losses(result)}\n{_prior(result)}The run is in {to}. "
        f"Next: facespace sample {quoted(to)} --to faces.png"
    )
    return Done(result, text)


def _speed(result: Facts) -> str:
    memory = f", {result['peak_memory_mb'] / 1000:.1f} GB at most" if result["peak_memory_mb"] else ""
    total = f"{result['steps']:,} steps in {result['seconds']:,.0f} s"
    total += f", {result['images_per_second']:,.0f} images/s"
    first = f"first step after {result['seconds_to_first_step']:.1f} s"
    return f"{total} on {result['device']} in {result['precision']}{memory}; {first}."


def _losses(result: Facts) -> str:
    """A row for each bundle and split."""
    rows = []
    for bundle in ("best", "last"):
        for split, losses in result[bundle].items():
            terms = []
            for name, title in TERMS.items():
                if name in losses:
                    terms.append(f"{title} {losses[name]:,.1f}")
            text = f"nats per image ({', '.join(terms)}), {losses['loss_per_dim']:.4f} per pixel value"
            mse = f", MSE {losses['mse']:.5f}" if "mse" in losses else ""
            rows.append([bundle, SPLITS.get(split, split), f"{losses['loss']:,.1f}", text + mse])
    legend = (
        "best, last: the model at the lowest validation loss, and at the last step. training: means over the "
        "epoch. KL: information in a latent."
    )
    return f"{table(rows, right=(2,))}\n{legend}"


def _prior(result: Facts) -> str:
    """A line on the prior that was fitted at the end; empty without one."""
    lines = []
    for bundle, found in result["prior"].items():
        densities = [f"{kind} {value:,.1f}" for kind, value in found["nats"].items()]
        text = f"{bundle}: samples come from {found['origin']} ({found['seconds']:.0f} s). "
        text += f"Mean log-density of {found['split']} latents in nats, by prior: {', '.join(densities)}"
        if found["kl_to_standard_normal"] is not None:
            text += f". The latents are {found['kl_to_standard_normal']:,.1f} nats from N(0, I)"
        lines.append(f"{text}.\n")
    return "".join(lines)


@verb("facespace runs DIR")
def runs(folder: Path, /) -> Done:
    """List the runs below a folder with their figures, finished or not.

    Example: facespace runs runs

    Parameters
    ----------
    folder
        Any folder with runs in it, at any depth.
    """
    from facespace.report.run_listing import listing
    from facespace.report.runs import find_runs, incomparable_losses

    rows = find_runs(folder)
    facts = {"folder": str(folder), "runs": [asdict(row) for row in rows], "note": incomparable_losses(rows)}
    if not rows:
        command = f"facespace train RECIPE --data SET --to {quoted(folder / 'NAME')}"
        return Done(facts, f"No runs below {folder}. Train one: {command}")
    return Done(facts, listing(rows))


@verb("facespace demo [--to DIR] [--resume]")
def demo(*, to: Path = Path("demo"), seed: int = 0, resume: Flag = False, force: Flag = False) -> Done:
    """Show samples, edits and a morph of the default space, then train a space on synthetic faces: one page,
    which grows.

    Example: facespace demo --to demo

    Parameters
    ----------
    to
        The folder to make; open index.html in it. A finished demo in it is made again.
    seed
        Random seed of all faces and of the training.
    resume
        Go on with an interrupted demo; a finished one stays as it is. Starts a demo where there is none.
    force
        Start again where an unfinished demo is.
    """
    from facespace.cli.demo import demo as run_demo

    facts = run_demo(to, seed, resume, force)
    return Done(facts, facts["text"])


@verb("facespace doctor")
def doctor() -> Done:
    """Say what is installed, which device is used and what is missing.

    Example: facespace doctor
    """
    from facespace.cli.doctor import examine

    facts = examine()
    return Done(facts, facts["text"])
