"""Where bundles lie: the best one of a run, and the default space that is part of the package. Opens no
model."""

from pathlib import Path

from facespace.core.cards import CARD
from facespace.core.errors import BundleError, UsageError
from facespace.core.files import restore_interrupted

BEST, LAST = "best", "last"  # the two bundles of a run
DEFAULT_SPACE = Path(__file__).parents[1] / "weights" / "faces64"


def default_space() -> Path | None:
    """The folder of the default space, or None where the package was installed without it."""
    if (DEFAULT_SPACE / CARD).is_file():
        return DEFAULT_SPACE
    return None


def require_default_space() -> Path:
    """The folder of the default space. Raises UsageError where the package was installed without it."""
    folder = default_space()
    if folder is None:
        raise UsageError(
            "No SPACE was named. Name the folder of a run or of a trained model first, for example: "
            "facespace sample runs/mine --to faces.png"
        )
    return folder


def check_writable(folder: Path) -> None:
    """Raises BundleError for the folder of the default space, to which nothing is added. Long work calls this
    before it starts."""
    if folder.resolve() == DEFAULT_SPACE.resolve():
        raise BundleError(f"The default space stays as it is. Copy the folder {folder}, and name the copy.")


def find(folder: Path) -> Path:
    """The folder of a bundle: `folder` itself, or `best`, else `last`, in the folder of a run; of the name
    faces64, where nothing else has it, the default space. Raises BundleError where there is none."""
    restore_interrupted(folder)
    if not folder.exists() and folder == Path(DEFAULT_SPACE.name) and default_space() is not None:
        return DEFAULT_SPACE  # by its name
    if not folder.exists():
        raise BundleError(
            f"{folder} does not exist. Name the folder of a run or of a trained model: facespace train "
            "RECIPE --data SET --to RUN"
        )
    if (folder / CARD).is_file():
        return folder
    for name in (BEST, LAST):
        restore_interrupted(folder / name)
        if (folder / name / CARD).is_file():
            return folder / name
    raise BundleError(
        f"{folder} holds no trained model (no {CARD}, no {BEST}/{CARD}). Name the folder of a run or of a "
        "trained model."
    )
