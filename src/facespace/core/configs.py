"""Frozen dataclasses to JSON and back, and `--set a.b=c`. Any tree of frozen dataclasses works; a field that does not
exist or a value of the wrong type fails at once, by name. Holds no config of its own."""

import dataclasses
import json
import math
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from facespace.core.errors import UsageError, suggest

Config = TypeVar("Config")


def to_dict(config: Any) -> dict[str, Any]:
    """A config as plain JSON values; tuples become lists."""
    return json.loads(json.dumps(dataclasses.asdict(config)))


def from_dict(kind: type[Config], values: Mapping[str, Any], where: str = "") -> Config:
    """A config of the given dataclass from plain values; missing fields keep their defaults.

    Raises UsageError for an unknown field, a missing one without a default, or a value of the wrong type."""
    hints = typing.get_type_hints(kind)
    known = [field.name for field in dataclasses.fields(typing.cast(Any, kind))]
    parsed = {}
    for name, value in values.items():
        if name not in known:
            raise UsageError(f"Unknown field {where + name!r}. {suggest(name, known)}")
        parsed[name] = _parse(hints[name], value, where + name)
    try:
        return kind(**parsed)
    except TypeError as error:
        raise UsageError(f"{where or kind.__name__}: {error}.") from error


def override(config: Config, settings: Iterable[str]) -> Config:
    """A copy with settings such as `train.steps=500`. Values are JSON, or a bare word. All are put in place before the
    result is checked, so their order does not matter."""
    values = to_dict(config)
    for setting in settings:
        path, equals, text = setting.partition("=")
        if not equals or not path:
            raise UsageError(f"--set takes FIELD=VALUE, for example train.steps=500; got {setting!r}.")
        _place(type(config), values, path.split("."), _value(text), "")
    return from_dict(type(config), values)


def _place(kind: Any, values: dict[str, Any], path: list[str], value: Any, where: str) -> None:
    """Puts a value at its path; a group of fields can only be replaced by a whole table."""
    name, rest = path[0], path[1:]
    hint: Any = None
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
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
        return [_value(part) for part in text.split(",")] if "," in text else text


def _parse(hint: Any, value: Any, where: str) -> Any:
    """`value` as the type hint says, or UsageError that names the field, the value and the wanted type."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(value) or (value is None and type(None) in inner):
        return value
    if dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
        return from_dict(typing.cast(type, hint), value, f"{where}.")
    if origin in (typing.Union, types.UnionType):
        return _parse(next(kind for kind in inner if kind is not type(None)), value, where)
    if origin is typing.Literal and value in inner:
        return value
    if origin is tuple and inner[-1] is Ellipsis and not isinstance(value, list | tuple):
        value = [value]  # --set model.widths=8
    if origin is tuple and isinstance(value, list | tuple):
        kinds = [inner[0]] * len(value) if inner[-1] is Ellipsis else inner
        if len(kinds) == len(value):
            return tuple(_parse(kind, item, where) for kind, item in zip(kinds, value))
    if origin in (dict, Mapping) and isinstance(value, Mapping):
        return {str(key): _parse(inner[1], item, f"{where}.{key}") for key, item in value.items()}
    if (
        hint is float
        and isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
    ):
        return float(value)
    if isinstance(hint, type) and origin is None and type(value) is hint and hint is not float:
        return value
    raise UsageError(f"{where} takes {_wanted(hint)}; got {json.dumps(value, default=str)}.")


def _wanted(hint: Any) -> str:
    if typing.get_origin(hint) is typing.Literal:
        return "one of " + ", ".join(map(str, typing.get_args(hint)))
    plain = {int: "a whole number", float: "a finite number", bool: "true or false", str: "a word"}
    return plain.get(hint, str(hint).replace("typing.", ""))
