"""Old names that are still accepted: one table for fields of cards and `--set`, for verbs and for command-line options, and
the functions that replace them by the current ones. Validates nothing: an unknown name passes through unchanged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from facespace.core import console


@dataclass(frozen=True)
class Alias:
    """The current name of a field, option or verb, and the current names of values that were renamed too."""

    name: str
    values: Mapping[str, str] = field(default_factory=dict)  # old value -> current value

    def current_value(self, value: Any) -> Any:
        """The value under its current name. The items of a list and the keys of a table count as values."""
        if not self.values:
            return value
        if isinstance(value, Mapping):
            return {self.values.get(key, key): item for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.current_value(item) for item in value]
        if isinstance(value, str):
            return self.values.get(value, value)
        return value


VERB = "verb"
_SOURCE = Alias("source", {"procedural": "synthetic"})

# kind -> old name -> alias. A kind is the name of a config's dataclass, the "kind" of a card, VERB, or "facespace VERB" for
# the options of one verb. A field that keeps its name while one of its values is renamed has a row as well.
ALIASES: dict[str, dict[str, Alias]] = {
    "DataConfig": {"source": _SOURCE},
    "faceset": {"source": _SOURCE},
    "facespace prepare": {},
    VERB: {},
}

_reported: set[str] = set()  # notes of this process; each is shown once


def rename_old_keys(
    kind: str, values: Mapping[str, Any], where: str = "", report: bool = False
) -> dict[str, Any]:
    """A copy of one level of `values` with current names. Where both names are present, the current one is kept.

    `report` shows a note for each old name, once a process; `where` is the prefix of the names in it, such as 'train.'."""
    aliases = ALIASES.get(kind, {})
    renamed: dict[str, Any] = {}
    for name, value in values.items():
        alias = aliases.get(name)
        if alias is None:
            renamed[name] = value
            continue
        if alias.name != name and alias.name in values:
            continue
        renamed[alias.name] = alias.current_value(value)
        if report:
            _report(where, name, value, alias)
    return renamed


def rename_arguments(tokens: Sequence[str]) -> list[str]:
    """The words of a command line with the current verb, options and values of options; each old one is noted."""
    if not tokens:
        return []
    verb = next(iter(rename_old_keys(VERB, {tokens[0]: None}, report=True)))
    options = ALIASES.get(f"facespace {verb}", {})
    renamed = [verb]
    previous: Alias | None = None  # of an option whose value is the next word
    for token in tokens[1:]:
        name, equals, value = token.partition("=")
        alias = options.get(name)
        if alias is None:
            renamed.append(previous.current_value(token) if previous else token)
            previous = None
            continue
        _report("", name, value, alias)
        renamed.append(alias.name + equals + alias.current_value(value))
        previous = None if equals else alias
    return renamed


def _report(where: str, name: str, value: Any, alias: Alias) -> None:
    current = alias.current_value(value)
    if alias.name == name and current == value:
        return
    old, new = f"{where}{name}", f"{where}{alias.name}"
    if current != value and isinstance(value, str):
        old, new = f"{old}={value}", f"{new}={current}"
    if old not in _reported:
        _reported.add(old)
        console.note(f"{old} is now {new}.")
