"""The verb that adapts a space to photographs: adapt."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from facespace.cli.app import Done, verb
from facespace.cli.options import Align, Flag, Force
from facespace.core.console import Advance, note, progress, quoted
from facespace.core.errors import UsageError

if TYPE_CHECKING:
    from facespace.adaptation.progress import AdaptProgress, OnStep

STAGES = {"inversion": "Finding latents", "tuning": "Tuning"}


@verb("facespace adapt PHOTOS ... --to DIR [--from SPACE] [--minutes 5] [--resume]")
def adapt(
    *photos: Path,
    to: Path,
    start: Annotated[Path | None, Parameter(name="--from")] = None,
    minutes: float = 5.0,
    seed: int = 0,
    align: Align = "auto",
    resume: Flag = False,
    force: Force = False,
) -> Done:
    """Adapt a space to your photographs, in minutes: it shows them almost as they are, and edits keep the
    person.

    Example: facespace adapt my-photos --to spaces/mine

    Parameters
    ----------
    photos
        Photographs, a folder of them, or a prepared set: 1 to 5,000 faces.
    to
        The folder to make: the space, and index.html, which shows what it can do.
    start
        The space to adapt; faces128 takes twice as long and more. [default: faces64]
    minutes
        At most this long. Steps grow with it from 20 faces on; up to 19 take about a minute.
    seed
        Random seed; the same one gives the same space on the same processor.
    resume
        Go on with an interrupted adaptation: the same command as before, with --resume.
    """
    from facespace.adaptation.adapt import AdaptSpec, adapt_to, load_base
    from facespace.training.checks import graceful_shutdown

    if not photos:
        raise UsageError(
            "Name photographs, a folder of them, or a prepared set: facespace adapt PHOTOS --to DIR"
        )
    base = load_base(start)
    commands = _next(photos, to)
    with graceful_shutdown() as arrived, stage_bars() as on_step:
        spec = AdaptSpec(
            list(photos),
            base,
            minutes,
            seed,
            align,
            resume,
            force,
            on_step,
            stop=lambda: arrived() is not None,
            commands=commands,
        )
        made = adapt_to(to, spec)
        interrupted = arrived()
    if interrupted is not None and not made.finished:
        note(f"The best so far is in {to}. To go on: the same command with --resume")
        raise interrupted
    facts = {"to": str(to), "page": str(made.page), "ending": made.ending, "figures": made.figures.to_json()}
    facts["commands"] = commands
    lines = [f"{_sentence(made.ending)} The space is in {to}, and what it can do in {made.page}", ""]
    lines += [made.report.brief(), "", "Next:", *[f"  {command}" for command in commands]]
    return Done(facts, "\n".join(lines))


def _sentence(ending: str) -> str:
    return f"{ending[0].upper()}{ending[1:]}."


def _next(photos: tuple[Path, ...], to: Path) -> list[str]:
    """A film through all photographs, the page, and a small copy to publish."""
    files, space = " ".join(map(quoted, photos)), quoted(to)
    source = files
    if len(photos) == 1 and (photos[0] / "card.json").is_file():
        source = f"--data {files} --split train --count 8"
    film = quoted(to.with_name(f"{to.name}.gif"))
    small = quoted(to.with_name(f"{to.name}-small"))
    return [
        f"facespace morph {space} {source} --loop --to {film}",
        f"facespace explore {space} --open",
        f"facespace pack {space} --to {small}",
    ]


@contextmanager
def stage_bars() -> "Iterator[OnStep]":
    """A bar for each stage."""
    stage = ""
    advance: Advance
    with ExitStack() as bar:

        def step(at: "AdaptProgress") -> None:
            nonlocal stage, advance
            if at.stage != stage:
                bar.close()
                stage = at.stage
                advance = bar.enter_context(progress(at.steps, STAGES[stage], "steps", at.step - 1))
            advance(1)

        yield step
