"""Names of attributes: which of them change in a mirrored face, and errors for unknown names."""

from collections.abc import Sequence

from facespace.core.errors import UsageError, suggest

# Attributes whose sign changes in a mirrored face: factors of synthetic faces, and CelebAMask-HQ's pose.
MIRROR_SIGN_CHANGES = ("yaw", "roll", "gaze", "parting", "light_direction")
SIDES = (("left", "right"), ("l_", "r_"))


def mirror_attributes(names: Sequence[str]) -> tuple[list[int], list[float]]:
    """For each attribute of a mirrored face: the column of the unmirrored face that holds its value, and the
    value's sign.

    Left_x and Right_x (also l_x and r_x) are exchanged; yaw, roll and the others of TURNING change sign."""
    lower = list(map(str.lower, names))
    columns, signs = [], []
    for name in lower:
        partner = next(filter(lower.__contains__, _across(name)), name)
        columns.append(lower.index(partner))
        signs.append(-1.0 if name in MIRROR_SIGN_CHANGES else 1.0)
    return columns, signs


def _across(name: str) -> list[str]:
    """The names with left and right exchanged."""
    found = []
    for left, right in SIDES:
        for here, there in ((left, right), (right, left)):
            if name.startswith(here) or (len(here) > 2 and here in name):
                found.append(name.replace(here, there, 1))
    return found


def check_names(names: Sequence[str], known: Sequence[str], error_prefix: str) -> tuple[str, ...]:
    """The given names, each once. Raises UsageError, beginning with `error_prefix`, for an unknown one."""
    for name in names:
        if name not in known:
            raise UsageError(f"{error_prefix} {name!r}. {suggest(name, known)}")
    return tuple(dict.fromkeys(names))
