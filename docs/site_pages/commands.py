"""The command reference: one page a verb, read from the program's own parser, and an index of all verbs."""

import inspect
import re
import textwrap
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from facespace.cli import app
from facespace.cli.app import HEADINGS, VERBS

# What a reader types for a value of that type.
TYPES = {Path: "path", str: "text", int: "whole number", float: "number"}
DEFAULT = re.compile(r"\s*\[default: (.*?)\]\s*$", re.S)
SPECIAL = re.compile(r"(?<![\w-])(--[a-z][a-z-]*[a-z])|([\\`*_\[\]<>|])")


@dataclass(frozen=True)
class Option:
    """An argument or option of a verb, as texts."""

    names: tuple[str, ...]
    kind: str  # what value it takes
    default: str  # empty: none
    required: bool
    positional: bool
    meaning: str


@dataclass(frozen=True)
class Command:
    """What the program knows of a verb."""

    name: str
    heading: str
    summary: str
    usage: str
    examples: tuple[str, ...]
    notes: tuple[str, ...]  # paragraphs
    options: tuple[Option, ...]


def commands() -> Iterator[Command]:
    """All verbs, in the order of `facespace --help`."""
    for file, verbs in VERBS.items():
        for name in verbs:
            yield _command(name, HEADINGS[file])


def _command(name: str, heading: str) -> Command:
    verb = app[name]
    text = inspect.cleandoc(inspect.unwrap(verb.default_command).__doc__ or "")
    summary, *paragraphs = text.partition("\nParameters\n-")[0].strip().split("\n\n")
    examples, notes = [], []
    for paragraph in paragraphs:
        line = " ".join(paragraph.split())
        if line.startswith("Example: "):
            examples.append(line.removeprefix("Example: "))
        else:
            notes.append(line)
    arguments = verb.assemble_argument_collection(parse_docstring=True).filter_by(show=True)
    return Command(
        name=name,
        heading=heading,
        summary=" ".join(summary.split()),
        usage=str(verb.usage).removeprefix("Usage: "),
        examples=tuple(examples),
        notes=tuple(notes),
        options=tuple(map(_option, arguments)),
    )


def _option(argument: typing.Any) -> Option:
    """One argument of cyclopts. A default that its help states in words stands for the value itself."""
    meaning = " ".join((argument.parameter.help or "").split())
    stated = DEFAULT.search(meaning)
    default = stated[1] if stated else _value(argument.field_info.default)
    return Option(
        names=tuple(argument.names),
        kind=_kind(argument.hint, argument.get_choices()),
        default="" if argument.required else default,
        required=argument.required,
        positional=argument.field_info.is_positional,
        meaning=DEFAULT.sub("", meaning),
    )


def _value(default: object) -> str:
    if default in (None, (), "") or default is inspect.Parameter.empty:
        return ""
    if isinstance(default, bool):
        return "on" if default else "off"
    if isinstance(default, tuple):
        return ",".join(map(str, default))
    return str(default)


def _kind(hint: object, choices: tuple[str, ...] | None) -> str:
    """'path', 'a, b or c', 'text, may be repeated' …"""
    if choices:
        *most, last = choices
        return f"{', '.join(most)} or {last}" if most else last
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        return f"{_kind(parts[0], None)}, may be repeated"
    values = [part for part in parts if part is not type(None)]
    if values:
        return _kind(values[0], None)
    return "flag" if hint is bool else TYPES[typing.cast(type, hint)]


def markdown(text: str) -> str:
    """Plain text as Markdown: options are code, signs that mean something in Markdown are escaped."""

    def escape(match: re.Match) -> str:
        return f"`{match[1]}`" if match[1] else f"\\{match[2]}"

    return SPECIAL.sub(escape, text)


def _wrapped(line: str, joint: str) -> str:
    """A long command line in several lines; no option is broken at its hyphens."""
    return joint.join(textwrap.wrap(line, 84, break_on_hyphens=False, break_long_words=False))


def _entry(option: Option) -> str:
    names = ", ".join(f"`{name}`" for name in option.names)
    facts = [option.kind]
    if option.required:
        facts.append("**required**")
    if option.default:
        facts.append(f"default: {markdown(option.default)}")
    return f'{names} <span class="option-type">{" · ".join(facts)}</span>\n\n:   {markdown(option.meaning)}\n'


def page(command: Command, guides: dict[str, str]) -> str:
    """The page of a verb. `guides`: title -> path, relative to the page, of the pages that show it."""
    usage = _wrapped(command.usage, "\n    ")
    example = "\n".join(_wrapped(line, " \\\n    ") for line in command.examples)
    parts = [
        f"# facespace {command.name}\n\n{markdown(command.summary)}\n",
        f"``` {{ .text .wrap }}\n{usage}\n```\n",
        f"## Example\n\n``` {{ .sh .wrap }}\n{example}\n```\n",
        *[f"{markdown(note)}\n" for note in command.notes],
    ]
    for title, positional in (("Arguments", True), ("Options", False)):
        entries = [_entry(option) for option in command.options if option.positional == positional]
        if entries:
            parts += [f"## {title}\n", *entries]
    if guides:
        links = [f"* [{title}]({path})" for title, path in guides.items()]
        parts += ["## In the guides\n", *links]
    return "\n".join(parts) + "\n"


def index() -> str:
    """All verbs under the headings of `facespace --help`, each with its first sentence."""
    lines = [
        "# Commands\n",
        "Each page is generated from the program: what `facespace VERB --help` prints. SPACE is the folder of a run or of "
        "one trained model (a bundle), or a space of the hub, `hf://USER/NAME`; without it, the default space is meant. "
        "Every verb takes `--json`, which prints one JSON object on stdout and nothing else.",
    ]
    heading = ""
    for command in commands():
        if command.heading != heading:
            heading = command.heading
            lines += [f"\n## {heading}\n", "| command | what it does |", "|---|---|"]
        lines.append(f"| [`{command.name}`]({command.name}.md) | {markdown(command.summary)} |")
    lines.append("\nExit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted by Ctrl-C.")
    return "\n".join(lines) + "\n"


def pages(guides: dict[str, str]) -> dict[str, str]:
    """Path on the site -> Markdown of the whole reference. `guides`: path -> text of the hand-written pages."""
    made = {"commands/index.md": index()}
    for command in commands():
        shown = re.compile(rf"^(?:\$ )?facespace {re.escape(command.name)}(?![\w-])", re.M)
        where = {_title(text): f"../{path}" for path, text in guides.items() if shown.search(text)}
        made[f"commands/{command.name}.md"] = page(command, where)
    return made


def _title(text: str) -> str:
    return text.partition("\n")[0].removeprefix("# ").strip()
