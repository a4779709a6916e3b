"""Names of attributes: which of them change in a mirrored face, and sentences for names that are not known."""

from collections.abc import Sequence

from facespace.core.errors import UsageError, suggest

# Attributes whose sign turns in a mirror: the factors of drawn faces, and CelebAMask-HQ's pose.
TURNING = ("yaw", "roll", "gaze", "parting", "light_direction")
SIDES = (("left", "right"), ("l_", "r_"))


def mirror_attributes(names: Sequence[str]) -> tuple[list[int], list[float]]:
    """For each attribute: the column that it takes its value from in a mirrored face, and the sign it is taken with.

    Left_x and Right_x (also l_x and r_x) change places; yaw, roll and their like change sign."""
    lower = [name.lower() for name in names]
    columns, signs = [], []
    for place, name in enumerate(lower):
        partner = next((lower.index(other) for other in _across(name) if other in lower), place)
        columns.append(partner)
        signs.append(-1.0 if name in TURNING else 1.0)
    return columns, signs


def _across(name: str) -> list[str]:
    found = []
    for left, right in SIDES:
        for here, there in ((left, right), (right, left)):
            if name.startswith(here) or (len(here) > 2 and here in name):
                found.append(name.replace(here, there, 1))
    return found


def check_names(asked: Sequence[str], known: Sequence[str], whose: str) -> tuple[str, ...]:
    """The names asked for, each once; UsageError, beginning with `whose`, for one that is not known."""
    for name in asked:
        if name not in known:
            raise UsageError(f"{whose} {name!r}. {suggest(name, known)}")
    return tuple(dict.fromkeys(asked))
