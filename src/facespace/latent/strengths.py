"""The strength of an edit: the texts `2`, `1g` and `0.5d` as standard deviations along a direction, and the
class gap of a direction. The one parser of strengths; it moves no latents."""

import re
from typing import Any, NamedTuple

import numpy as np

from facespace.core.errors import UsageError
from facespace.latent.direction_set import Directions, gap_of

FORM = "NAME=STRENGTH, such as Smiling=2, Smiling=1g, Smiling=0.5d or Smiling=on"
SD, GAP, DIFFERENCE = "", "g", "d"
# Each unit's suffix, and its name beside a number.
UNITS = {SD: "sd", GAP: "gap", DIFFERENCE: "of the difference of class means"}
LARGEST = float(np.finfo(np.float32).max)
_PARTS = re.compile(
    r"\s*([-+]?(?:\d+\.?\d*(?:e[-+]?\d+)?|\.\d+(?:e[-+]?\d+)?|nan|inf))([gd]?)\s*", re.IGNORECASE
)


class Strength(NamedTuple):
    """A number and its unit, one of UNITS."""

    value: float
    unit: str = SD

    def __str__(self) -> str:
        return f"{self.value:+.3g} {UNITS[self.unit]}"

    def deviations(self, directions: Directions, name: str) -> float:
        """The same in standard deviations along a direction. Raises UsageError for an unknown direction, or a
        unit that needs class means where the direction has none."""
        directions.index(name)
        if self.unit == SD:
            return self.value
        if self.unit == DIFFERENCE:
            return self.value * _difference(directions, name)
        return self.value * gap(directions, name)


NONE = Strength(0.0)


def parse(text: Any) -> Strength | None:
    """A number or a text such as `2`, `-1.5g` or `0.5d`; None where it is neither. Raises UsageError for a
    number that is not finite."""
    found = _PARTS.fullmatch(str(text))
    if not found or isinstance(text, bool):
        return None
    value = float(found[1])
    if not abs(value) < LARGEST:
        raise UsageError(f"A strength is a finite number, such as 2 or 1g; got {text!r}.")
    return Strength(value, found[2].lower())


def deviations(directions: Directions, name: str, text: Any) -> float:
    """A strength as `parse` takes it, in standard deviations along a direction. Raises UsageError for a
    text that is none."""
    strength = parse(text)
    if strength is None:
        raise UsageError(f"A strength is {FORM}; got {text!r} for {name}.")
    return strength.deviations(directions, name)


def gap(directions: Directions, name: str) -> float:
    """The class gap of a direction: the strength, in standard deviations along it, that takes a face with the
    mean score of the faces without the attribute to the mean score of those with it.

    Scores are read along the direction's probe, which a move along its unit vector changes by unit · probe
    for each standard deviation: gap = (on − off) / (unit · probe). Where the direction is the difference of
    class means, this is the length of that difference, whatever the probe. Raises UsageError for an unknown
    direction or one without class means."""
    directions.index(name)
    found = gap_or_none(directions, name)
    if found is None:
        raise UsageError(
            f"{name} has no class means, so its strength cannot be given in gaps. "
            f"Give it in standard deviations: {name}=2"
        )
    return found


def gap_or_none(directions: Directions, name: str) -> float | None:
    """The same; None for a direction without class means, or along which their scores do not rise."""
    facts = directions.facts.get(name)
    if facts is None:
        return None
    if "gap" in facts:
        return facts["gap"]
    if "on" not in facts or "off" not in facts:  # a principal component
        return None
    place = directions.index(name)  # older bundles have no gap
    return gap_of(directions.units[place], directions.probes[place], facts["on"], facts["off"])


def _difference(directions: Directions, name: str) -> float:
    facts = directions.facts.get(name)
    if facts is None or "difference" not in facts:
        raise UsageError(
            f"{name} has no class means, so its strength cannot be given as 0.5d. "
            f"Give it in standard deviations: {name}=2"
        )
    return float(facts["difference"])


__all__ = [
    "DIFFERENCE",
    "FORM",
    "GAP",
    "LARGEST",
    "NONE",
    "SD",
    "UNITS",
    "Strength",
    "deviations",
    "gap",
    "gap_of",
    "gap_or_none",
    "parse",
]
