"""The texts of edits on the command line: NAME=STRENGTH of --set and FROM:TO:STEPS of --strip. Edits
nothing."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from facespace.core.errors import UsageError

if TYPE_CHECKING:
    from facespace.latent.strengths import Strength
    from facespace.space.face_space import FaceSpace

MOST = 25  # steps of a strip
WEAK = 0.6  # class gaps, below which an edit may not show
FAR = 10.0  # standard deviations, beyond which no face of a training set lies along a direction


def parse_edits(space: "FaceSpace", texts: Sequence[str]) -> dict[str, float | str]:
    """'Smiling=2', 'Smiling=1g', 'Smiling=0.5d' and 'Smiling=on' as an edit: standard deviations, on or
    off."""
    from facespace.latent import strengths
    from facespace.space.edit_grids import deviations

    edits: dict[str, float | str] = {}
    for text in texts:
        name, _, value = text.rpartition("=")
        strength = strengths.parse(value)
        if not name or (strength is None and value not in ("on", "off")):
            raise UsageError(f"--set takes {strengths.FORM}; got {text!r}.")
        edits[name] = value if strength is None else deviations(space, name, strength)
    return edits


def unusual_edits(space: "FaceSpace", edits: dict[str, float | str]) -> list[str]:
    """A sentence for each strength that is small against its class gap, so that little of it may be seen, and
    for each beyond all faces, where the decoder draws none."""
    from facespace.latent.strengths import gap_or_none
    from facespace.space.edit_grids import amount_text

    said = []
    for name, value in edits.items():
        if isinstance(value, str):
            continue
        if abs(value) > FAR:
            said.append(
                f"{name} {amount_text(value)} is farther than any face lies; most lie between -3 and 3. What "
                "is drawn there need not be a face."
            )
        gap = gap_or_none(space.directions(), name)
        if gap and 0 < abs(value) < WEAK * gap:
            said.append(
                f"{name} {amount_text(value)} is {abs(value) / gap:.1f} class gaps (from the mean of the "
                f"faces without {name} to the mean of those with it). A whole one: "
                f"--set {name}=1g ({gap:.1f} sd)"
            )
    return said


def parse_strip(text: str) -> list["Strength"]:
    """'-3:3:7' as seven strengths from −3 to 3 standard deviations, '0g:1.5g:7' from 0 to 1.5 class gaps."""
    import numpy as np

    from facespace.latent.strengths import NONE, Strength

    ends, count = _ends(text)
    units = {end.unit for end in ends if end != NONE}  # 0:1.5g:4 starts at 0 gaps
    values = [end.value for end in ends]
    distinct = len(set(values)) == 2 and len(units) == 1
    if not distinct or max(map(abs, values)) > 100 or not 2 <= count <= MOST:
        raise UsageError(
            f"--strip takes FROM:TO:STEPS with 2 to {MOST} steps, such as -3:3:7 or, in class gaps, "
            f"0g:1.5g:7; got {text!r}."
        )
    steps = np.linspace(values[0], values[1], count).round(6)
    return [Strength(float(step), *units) for step in steps]


def _ends(text: str) -> tuple[list["Strength"], int]:
    """'-3:3:7' as its two strengths and 7; fewer strengths, or 0, where a part is no number."""
    from facespace.latent import strengths

    start, _, rest = text.partition(":")
    stop, _, count = rest.partition(":")
    ends = filter(None, map(strengths.parse, (start, stop)))
    return list(ends), int(count) if count.isdecimal() else 0
