"""Every parameter that the help of a verb describes exists, and every parameter is described; docstrings name what is there."""

import ast
import dataclasses
import inspect
import re
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest
from cyclopts import Parameter

from facespace.cli import app

SOURCES = Path(__file__).parent.parent / "src"
VERBS = [name for name in app if not name.startswith("-")]
# Names of a value, of a library, of a message of the page, and of arguments of other programs.
OTHERS = {"auto", "datasets", "cancel_edit", "should_exit", "return_features"}
ENTRY = re.compile(r"^(\w+)$")  # a name on a line of its own, its description below


def documented(text: str | None) -> list[str]:
    """The names that the section "Parameters" of a docstring describes."""
    _, found, section = inspect.cleandoc(text or "").partition("\nParameters\n----------\n")
    names = [match[1] for line in section.splitlines() if (match := ENTRY.match(line))]
    assert found or not names
    return names


def is_options(hint) -> bool:
    """Whether a parameter stands for a dataclass of options, which has a docstring of its own."""
    return dataclasses.is_dataclass(hint)


def has_help(hint) -> bool:
    """Whether an annotation brings its own help along."""
    notes = typing.get_args(hint)[1:] if typing.get_origin(hint) is typing.Annotated else ()
    return any(isinstance(note, Parameter) and note.help for note in notes)


def check(where: str, text: str | None, hints: dict) -> list[str]:
    """What is wrong between a docstring and the parameters that it should describe."""
    plain = {name for name, hint in hints.items() if not is_options(hint)}
    described = documented(text)
    wrong = [f"{where}: {name} is described and does not exist" for name in described if name not in plain]
    wrong += [f"{where}: {name} is described twice" for name in set(described) if described.count(name) > 1]
    for name in sorted(plain - set(described)):
        if not has_help(hints[name]):
            wrong.append(f"{where}: {name} has no description")
    return wrong


def options_of(hint) -> dict:
    """The fields that a dataclass of options describes itself; those that it inherits are its parents'."""
    resolved = typing.get_type_hints(hint, include_extras=True)
    inherited = {
        field.name
        for parent in hint.__mro__[1:]
        if is_options(parent)
        for field in dataclasses.fields(parent)
    }
    return {
        field.name: resolved[field.name] for field in dataclasses.fields(hint) if field.name not in inherited
    }


@pytest.mark.parametrize("verb", VERBS)
def test_the_parameters_of_a_verb_are_those_it_describes(verb):
    function = inspect.unwrap(app[verb].default_command)
    names = inspect.signature(function).parameters
    resolved = typing.get_type_hints(function, include_extras=True)
    hints = {name: resolved[name] for name in names}
    wrong = check(verb, function.__doc__, hints)
    for hint in hints.values():
        for part in hint.__mro__ if is_options(hint) else ():
            if is_options(part):
                wrong += check(f"{verb}, {part.__name__}", part.__doc__, options_of(part))
    assert not wrong, "\n".join(wrong)


def test_a_stale_description_is_found():
    text = "Edit.\n\nParameters\n----------\njudge\n    A classifier."
    assert check("edit", text, {"classifier": str}) == [
        "edit: judge is described and does not exist",
        "edit: classifier has no description",
    ]


def names_in(node: ast.AST) -> Iterator[str]:
    """Every name, field, argument and text of some code."""
    for part in ast.walk(node):
        if isinstance(part, ast.FunctionDef | ast.ClassDef):
            yield part.name
        for field in ("id", "arg", "attr"):
            yield getattr(part, field, None) or ""
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value


def test_docstrings_name_what_is_there():
    """A name in a docstring is one of its module, or of something that the package defines: parameters were renamed before without it."""
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(SOURCES.rglob("*.py"))}
    defined = {
        part.name if isinstance(part, ast.FunctionDef | ast.ClassDef) else part.target.id
        for tree in trees.values()
        for part in ast.walk(tree)
        if isinstance(part, ast.FunctionDef | ast.ClassDef)
        or (isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name))
    }
    stale = []
    for path, tree in trees.items():
        for part in ast.walk(tree):
            if isinstance(part, ast.FunctionDef | ast.ClassDef):
                named = {*re.findall(r"`([a-z_]+)`", ast.get_docstring(part) or "")}
                stale += [
                    f"{path.name}, {part.name}: {name}"
                    for name in named - {*names_in(part)} - defined - OTHERS
                ]
    assert not stale, "\n".join(stale)
