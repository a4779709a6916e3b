"""The frame that every verb stands in: one JSON object or one text on stdout, all else on stderr; exit code 0
done, 1 failed, 2 wrong usage, 130 Ctrl-C."""

import atexit
import functools
import inspect
import itertools
import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NoReturn, get_args

from cyclopts import App, CycloptsError, MissingArgumentError, Parameter, Token, convert

from facespace.cli.options import complete_align
from facespace.cli.overwriting import check_keeps_inputs
from facespace.core import interrupts
from facespace.core.aliases import current_verb, rename_arguments
from facespace.core.console import is_main_process, visible
from facespace.core.errors import FacespaceError, describe_os_error
from facespace.core.version import __version__

FRACTION = re.compile(r"[+-]?\d*\.\d*[1-9]\d*")


class VerbApp(App):
    """An App that accepts an --align without a value, which cyclopts itself requires."""

    def parse_args(self, tokens: str | Iterable[str] | None = None, **options: Any) -> Any:
        """The verb and its arguments, of the words of a command line."""
        words = shlex.split(tokens) if isinstance(tokens, str) else tokens
        return super().parse_args(None if words is None else complete_align(list(words)), **options)


def convert_exactly(kind: Any, tokens: Sequence[Token]) -> Any:
    """As cyclopts converts, but for 2.7 where a whole number belongs, which it rounds: ValueError."""
    kinds = (kind, *get_args(kind))
    for token in tokens if int in kinds and float not in kinds else ():
        if FRACTION.fullmatch(token.value):
            raise ValueError(f"it takes a whole number; got {token.value}.")
    return convert(kind, tokens)


app = VerbApp(
    name="facespace",
    help="Learn a latent space of faces from photographs; generate, reconstruct and morph with it.\n\n"
    "Start with: facespace demo",
    help_format="plaintext",
    version=__version__,
    version_flags=["--version"],
    exit_on_error=False,
    print_error=False,
    result_action="return_value",
    suppress_keyboard_interrupt=False,
    default_parameter=Parameter(converter=convert_exactly),
)
app.register_install_completion_command()

# File of cli/ -> verb -> its first sentence, in the order of definition.
VERBS: dict[str, dict[str, str]] = {}
HEADINGS = {
    "data": "Faces in",
    "sets": "Faces in",
    "attributes": "Faces in",
    "learn": "Learning",
    "adapt": "Learning",
    "priors": "Learning",
    "evaluate": "Understanding a space",
    "compare": "Understanding a space",
    "card": "Understanding a space",
    "spaces": "Using a space",
    "reconstruct": "Using a space",
    "morphs": "Using a space",
    "mixes": "Using a space",
    "directions": "Using a space",
    "edits": "Using a space",
    "explore": "Using a space",
    "publish": "Using a space",
    "hub": "Using a space",
}

Json = Annotated[
    bool, Parameter(name="--json", negative="", help="Print one JSON object on stdout and nothing else.")
]


Facts = dict[str, Any]  # the JSON object that a verb prints


@dataclass(frozen=True)
class Done:
    """What a verb did: facts for --json, and a text for people."""

    facts: Facts
    text: str


def verb(usage: str) -> Callable[[Callable[..., Done]], Callable[..., Done]]:
    """Registers a function as the verb of its name (fit_prior is fit-prior), with its usage line and
    --json."""

    def register(function: Callable[..., Done]) -> Callable[..., Done]:
        @functools.wraps(function)
        def run_verb(*args: Any, json: bool = False, **kwargs: Any) -> Done:
            check_keeps_inputs(signature.bind(*args, **kwargs).arguments)
            return function(*args, **kwargs)

        signature = inspect.signature(function)
        as_json = inspect.Parameter("json", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Json)
        parameters = [*signature.parameters.values(), as_json]
        run_verb.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        run_verb.__annotations__ = {**function.__annotations__, "json": Json}
        name = function.__name__.replace("_", "-")
        app.command(run_verb, name=name, usage=f"Usage: {usage}")
        summary = (function.__doc__ or "").partition("\n")[0]
        VERBS.setdefault(function.__module__.rpartition(".")[2], {})[name] = summary
        return function

    return register


def overview() -> str:
    """The help of `facespace` itself, in the order in which people work. Written here rather than by
    cyclopts, whose drawing of it takes as long again as the whole start."""
    lines = ["Usage: facespace VERB ...", "", str(app.help)]
    heading = ""
    names = itertools.chain.from_iterable(VERBS.values())
    width = max(map(len, names))
    for file, verbs in VERBS.items():
        if HEADINGS[file] != heading:
            heading = HEADINGS[file]
            lines += ["", f"{heading}:"]
        for name, summary in verbs.items():
            lines.append(f"  {name:<{width}}  {summary}")
    lines += ["", "facespace VERB --help says all about one. Also: --version, --install-completion."]
    return "\n".join(lines)


def main() -> NoReturn:
    """The console script."""
    interrupts.install()
    for stream in (sys.stdout, sys.stderr):  # a file's name may hold what the terminal's encoding cannot say
        getattr(stream, "reconfigure", lambda **_: None)(errors="backslashreplace")
    code = 1
    if "RANK" in os.environ:
        # One of several processes: during interpreter shutdown a thread of torch's connections can abort the
        # process ("terminate called without an active exception") after the work is done. Registered first,
        # this runs last.
        atexit.register(lambda: os._exit(code))
    code = run(sys.argv[1:])
    interrupts.finish(code)
    sys.stdout.flush()
    sys.exit(code)


def run(tokens: Sequence[str]) -> int:
    """One command; returns the exit code."""
    as_json = any(token in ("--json", "--json=true") for token in tokens)
    try:
        _run_verb(tokens, as_json)
        return 0
    except BaseException as error:
        if interrupts.is_leaving():  # whatever became of it: an import turns it into an ImportError
            return _fail("Interrupted.", interrupts.EXIT_CODE, as_json)
        return _handle(error, tokens, as_json)


def _handle(error: BaseException, tokens: Sequence[str], as_json: bool) -> int:
    """The exit code of an error, after its sentence. Raises what has none."""
    if isinstance(error, BrokenPipeError):  # the reader of the output ended, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    if isinstance(error, SystemExit):  # --help and --version leave this way
        return error.code if isinstance(error.code, int) else 0
    if isinstance(error, ModuleNotFoundError) and (missing := _missing_package(error, tokens)):
        return _fail(missing, 1, as_json)
    if isinstance(error, FacespaceError | OSError | CycloptsError | KeyboardInterrupt):
        return _fail(*_explain(error, tokens), as_json)
    raise error


def _missing_package(error: ModuleNotFoundError, tokens: Sequence[str]) -> str:
    """The sentence for a package of the extra train that is not installed; empty for any other module."""
    from facespace.core.extras import TRAINING_MODULES, install_command

    name = (error.name or "").partition(".")[0]
    if name not in TRAINING_MODULES:
        return ""
    return (
        f"facespace {_verb(tokens)}needs {TRAINING_MODULES[name]}, which is not installed here. What trains, "
        f"fits and measures is an extra: {install_command('train')}"
    )


def _fail(sentence: str, code: int, as_json: bool) -> int:
    print(f"facespace: {visible(sentence)}", file=sys.stderr)
    interrupts.said()
    if as_json:
        print(json.dumps({"error": sentence, "exit_code": code}))
    return code


def _run_verb(tokens: Sequence[str], as_json: bool) -> None:
    if not tokens or list(tokens) in (["--help"], ["-h"]):
        print(overview())
        return
    done = app(rename_arguments(tokens))
    if isinstance(done, Done) and is_main_process():
        print(json.dumps(done.facts, default=str) if as_json else visible(done.text))


def _explain(error: BaseException, tokens: Sequence[str]) -> tuple[str, int]:
    """An error as a sentence and an exit code."""
    if isinstance(error, FacespaceError):
        return str(error), error.exit_code
    if isinstance(error, OSError):
        return describe_os_error(error), 1
    if isinstance(error, MissingArgumentError) and error.argument is not None and _verb(tokens):
        usage = app[_verb(tokens).strip()].usage
        return f"{error.argument.name} is missing. {usage} Try: facespace {_verb(tokens)}--help", 2
    if isinstance(error, CycloptsError):
        return f"{' '.join(str(error).split())} Try: facespace {_verb(tokens)}--help", 2
    return "Interrupted.", interrupts.EXIT_CODE


def _verb(tokens: Sequence[str]) -> str:
    name = current_verb(tokens[0]) if tokens else ""
    return f"{name} " if name in app else ""
