"""Frozen dataclasses to JSON and back, and `--set a.b=c`. Any tree of frozen dataclasses works; an unknown
field or a value of the wrong type raises UsageError with the field's name. Defines no config of its own;
values are converted by msgspec."""

import dataclasses
import json
import math
import re
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from facespace.core.aliases import rename_old_keys
from facespace.core.errors import UsageError, suggest

Config = TypeVar("Config")

NOUNS = {  # of types in error sentences: one value, several values
    int: ("a whole number", "whole numbers"),
    float: ("a finite number", "finite numbers"),
    bool: ("true or false", "values true or false"),
    str: ("a word", "words"),
}

# What people type in place of JSON's true, 0.25, 2.0 and 4.
PYTHON_WORDS = {"True": True, "False": False, "None": None}
PYTHON_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def to_dict(config: Any) -> dict[str, Any]:
    """A config as plain JSON values; tuples become lists."""
    return json.loads(json.dumps(dataclasses.asdict(config)))


def flat(values: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Nested tables as one, with dots between the names, as --set has them."""
    found: dict[str, object] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def from_dict(kind: type[Config], values: Mapping[str, Any], where: str = "") -> Config:
    """A config of the given dataclass from plain values; missing fields keep their defaults and old names are
    accepted.

    Raises UsageError for an unknown field, a missing one without a default, or a value of the wrong type."""
    hints = _fields(kind)
    converted = {}
    for name, value in rename_old_keys(kind.__name__, values).items():
        if name not in hints:
            raise UsageError(f"Unknown field {where + name!r}. {suggest(name, hints)}")
        converted[name] = _convert(hints[name], value, where + name)
    try:
        return kind(**converted)
    except TypeError as error:
        raise UsageError(f"{where or kind.__name__}: {error}.") from error


def override(config: Config, settings: Iterable[str]) -> Config:
    """A copy with settings such as `train.steps=500`. Values are JSON, numbers and True, False or None as
    Python writes them, or a bare word. All are put in place before the result is checked, so their order
    does not matter. A note names the current name of an old one."""
    values = to_dict(config)
    for setting in settings:
        path, equals, text = setting.partition("=")
        if not equals or not path:
            raise UsageError(f"--set takes FIELD=VALUE, for example train.steps=500; got {setting!r}.")
        names, value = _rename_setting(type(config), path.split("."), _value(text))
        _place(type(config), values, names, value, "")
    return from_dict(type(config), values)


def _rename_setting(kind: type, path: list[str], value: Any) -> tuple[list[str], Any]:
    """The path and value of a setting under their current names."""
    tree = value
    for name in reversed(path):
        tree = {name: tree}
    tree = _rename_tree(kind, tree, "")
    names = []
    for _ in path:
        name, tree = next(iter(tree.items()))
        names.append(name)
    return names, tree


def _rename_tree(kind: Any, values: Mapping[str, Any], where: str) -> dict[str, Any]:
    renamed = rename_old_keys(kind.__name__, values, where, report=True)
    hints = _fields(kind)
    for name, value in renamed.items():
        hint = _not_none(hints.get(name))
        if dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
            renamed[name] = _rename_tree(hint, value, f"{where}{name}.")
    return renamed


def _place(kind: Any, values: dict[str, Any], path: list[str], value: Any, where: str) -> None:
    """Puts a value at its path; a group of fields can only be replaced by a whole table."""
    name, rest = path[0], path[1:]
    hint: Any = None
    if dataclasses.is_dataclass(kind):
        hints = _fields(kind)
        if name not in hints:
            raise UsageError(f"Unknown field {where + name!r}. {suggest(name, hints)}")
        hint = hints[name]
    inside = values.get(name)  # a free table, such as objective.weights, takes names that are new
    if rest and not isinstance(inside, dict):
        raise UsageError(f"{where + name!r} is a value and has no field {rest[0]!r}.")
    if rest:
        _place(hint, typing.cast(dict, inside), rest, value, f"{where}{name}.")
    elif isinstance(inside, dict) and not isinstance(value, Mapping):
        known = ", ".join(inside) or f"{where}{name}.NAME=VALUE"
        raise UsageError(f"{where + name!r} is a group of fields; set one of them: {known}.")
    else:
        values[name] = value


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        pass
    if text in PYTHON_WORDS:
        return PYTHON_WORDS[text]
    if PYTHON_NUMBER.fullmatch(text):
        number = float(text)
        return int(number) if text.lstrip("+-").isdecimal() else number
    if "," not in text:
        return text
    return [_value(part) for part in text.split(",")]


def _fields(kind: Any) -> dict[str, object]:
    """Name -> type hint of a dataclass's fields."""
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _not_none(hint: Any) -> Any:
    """The type that an optional one allows beside None; any other type unchanged."""
    if typing.get_origin(hint) not in (typing.Union, types.UnionType):
        return hint
    return next(kind for kind in typing.get_args(hint) if kind is not types.NoneType)


def _convert(hint: Any, value: Any, where: str) -> Any:
    """`value` as its type hint demands. Raises UsageError with the field, the expected type and the value."""
    kind = _not_none(hint)
    if isinstance(value, Mapping):
        if dataclasses.is_dataclass(kind):
            return from_dict(typing.cast(type, kind), value, f"{where}.")
        if typing.get_origin(kind) in (dict, Mapping):
            inner = typing.get_args(kind)[1]
            return {str(key): _convert(inner, item, f"{where}.{key}") for key, item in value.items()}
    if _is_open_tuple(kind) and not isinstance(value, list | tuple | None):
        value = [value]  # --set model.widths=8
    try:
        converted = msgspec.convert(value, hint)
        if _is_finite(converted):
            return converted
    except ValueError:  # a ValidationError, or the encoding of a text that holds bytes
        pass
    raise UsageError(f"{where} takes {_expected(hint)}; got {json.dumps(value, default=str):.300}.")


def _is_open_tuple(kind: Any) -> bool:
    return typing.get_origin(kind) is tuple and typing.get_args(kind)[-1] is Ellipsis


def _is_finite(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def _expected(hint: Any) -> str:
    """A type hint in words."""
    kind = _not_none(hint)
    if kind is not hint:
        return f"{_expected(kind)} or null"
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return "one of " + ", ".join(map(str, inner))
    if origin is tuple and inner[0] in NOUNS:
        several = NOUNS[inner[0]][1]
        return f"a list of {several}" if inner[-1] is Ellipsis else f"{len(inner)} {several}"
    if origin in (dict, Mapping) or dataclasses.is_dataclass(kind):
        return "a table of names and values"
    if kind in NOUNS:
        return NOUNS[kind][0]
    return str(kind).replace("typing.", "")
