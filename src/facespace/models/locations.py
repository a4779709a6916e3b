"""Where bundles lie: the best one of a run, the spaces that are part of the package, and those of the hub,
hf://USER/NAME@REVISION, which are fetched here. Opens no model."""

from pathlib import Path

from facespace.core.cards import CARD, WEIGHTS
from facespace.core.errors import BundleError, UsageError
from facespace.core.files import restore_interrupted
from facespace.core.hub_address import address_of, origin_of
from facespace.models import shared_parts
from facespace.report.run_files import METRICS

LOOKS = 3  # at a folder before it is said to hold no bundle: it may be replaced between two questions
BEST, LAST = "best", "last"  # the two bundles of a run
# Endings of the files of runs and bundles, and of other programs' models: never photographs or latents.
_ENDINGS = ".safetensors .json .jsonl .pt .pth .ckpt .bin .onnx .pkl .pickle .h5 .tar .zip .gz"
MODEL_ENDINGS = frozenset(_ENDINGS.split())
PACKAGED = Path(__file__).parents[1] / "weights"  # each of its folders is a space that comes along
DEFAULT_SPACE = PACKAGED / "faces128"
# What is adapted and published where no space is named: the default space with faces of half the size, in
# less than half of its time (docs/adapt.md, docs/publish.md).
SMALL_SPACE = "faces64"


def default_space() -> Path | None:
    """The folder of the default space, or None where the package was installed without it. Raises BundleError
    as `shared_parts.whole` does."""
    return shared_parts.whole(DEFAULT_SPACE) if _is_packaged(DEFAULT_SPACE) else None


def is_default(folder: Path) -> bool:
    """Whether a folder is that of the default space, which is not put together for the answer."""
    return folder.resolve() == shared_parts.place(DEFAULT_SPACE).resolve()


def require_default_space() -> Path:
    """The folder of the default space. Raises UsageError where the package was installed without it."""
    folder = default_space()
    if folder is None:
        raise UsageError(
            "No SPACE was named. Name the folder of a run or of a trained model first, for example: "
            "facespace sample runs/mine --to faces.png"
        )
    return folder


def require_small_space() -> Path:
    """The folder of SMALL_SPACE, or where the package was installed without it, of the default space. Raises
    UsageError where there is none of both."""
    return packaged_space(SMALL_SPACE) or require_default_space()


def packaged_spaces() -> list[Path]:
    """The folders of the spaces that are part of the package, the default space first."""
    return [shared_parts.whole(folder) for folder in _packaged_folders()]


def _packaged_folders() -> list[Path]:
    """Where the package holds its spaces, whole or as parts, the default space first."""
    found = [folder for folder in PACKAGED.glob("*") if _is_packaged(folder)]
    return sorted(found, key=lambda folder: (folder != DEFAULT_SPACE, folder))


def _is_packaged(folder: Path) -> bool:
    return (folder / CARD).is_file() or (folder / shared_parts.PARTS).is_file()


def packaged_space(name: str) -> Path | None:
    """The folder of a space that is part of the package, such as faces-gray; None where there is none of
    that name. Raises BundleError as `shared_parts.whole` does."""
    if Path(name).name == name and _is_packaged(PACKAGED / name):
        return shared_parts.whole(PACKAGED / name)
    return None


def check_writable(folder: Path) -> None:
    """Raises BundleError for the folder of a space of the package or of one in the hub's cache, to which
    nothing is added. Long work calls this before it starts."""
    if origin := origin_of(folder.resolve()):
        raise BundleError(
            f"{origin} lies in the cache of the hub, which stays as it is. Make a copy of your own first: "
            f"facespace pack {origin} --to FOLDER"
        )
    if _is_part_of_package(folder):
        raise BundleError(
            f"{folder.name} comes with facespace and stays as it is. Make a copy of your own first: "
            f"facespace pack {folder.name} --bits 8 --to FOLDER"
        )


def folder_of(path: Path) -> Path:
    """The folder of the bundle or the run that a file such as model.safetensors, card.json or checkpoint.pt
    belongs to; of hf://USER/NAME@REVISION, also with one slash as in a path, the folder of the cache that
    it is fetched to; of a name such as faces64, where nothing else has it, the space of the package; any
    other path as it is. Raises what `hub_download.fetch` and `shared_parts.whole` do."""
    if address := address_of(path):
        from facespace.models import hub_download  # no other SPACE needs the hub

        return hub_download.fetch(address)
    if not path.exists() and (packaged := packaged_space(str(path))) is not None:
        return packaged
    if path.suffix.lower() not in MODEL_ENDINGS or not path.is_file():
        return path
    parent = path.absolute().parent if path.parent == Path() else path.parent
    return parent if _bundle_in(parent) or (parent / METRICS).is_file() else path


def title_of(folder: Path) -> str:
    """The name of a bundle or a run for titles: of one from the hub USER/NAME@COMMIT."""
    origin = origin_of(folder)
    return origin.short if origin else folder.name


def place_of(folder: Path) -> str:
    """Where a bundle or a run lies, for protocols: of one from the hub its address, with the commit, of one
    that is part of the package its name."""
    if _is_part_of_package(folder):
        return folder.name
    return str(origin_of(folder) or folder)


def _is_part_of_package(folder: Path) -> bool:
    packaged = folder.resolve().parent == PACKAGED.resolve()
    return packaged or is_default(folder) or shared_parts.is_cached(folder)


def is_space(folder: Path) -> bool:
    """Whether a folder is a bundle or a run, finished or not."""
    if (folder / METRICS).is_file() or any((folder / name / CARD).is_file() for name in (BEST, LAST)):
        return True
    return (folder / CARD).is_file() and (folder / WEIGHTS).is_file()


def find(folder: Path) -> Path:
    """The folder of a bundle: `folder` itself, or `best`, else `last`, in the folder of a run; for a file of
    a bundle or a run the same of its folder; of hf://USER/NAME@REVISION that in the hub's cache; of a name
    such as faces64, where nothing else has it, the space of the package. Raises BundleError where there is
    none, and what `folder_of` does."""
    folder = folder_of(folder)
    for _ in range(LOOKS):
        restore_interrupted(folder)  # waits for another process that is just replacing the folder
        found = _bundle_in(folder)
        if found is not None:
            return found
    if not folder.exists():
        raise BundleError(
            f"{folder} does not exist. Name the folder of a run or of a trained model (facespace train "
            f"RECIPE --data SET --to RUN), or a space that comes along: "
            f"{', '.join(packaged_names()) or 'none is here'}."
        )
    if folder.is_file():
        raise UsageError(NO_FOLDER.format(folder))
    raise BundleError(
        f"{folder} holds no trained model (no {CARD}, no {BEST}/{CARD}). Name the folder of a run or of a "
        "trained model."
    )


NO_FOLDER = (
    "{} is a file, and a space is a folder: a run's or a bundle's, which may be named by one of its own "
    "files. Without one the default space is used."
)


def _bundle_in(folder: Path) -> Path | None:
    """The folder itself where it is a bundle, or the best or last bundle of a run."""
    if (folder / CARD).is_file():
        return folder
    for name in (BEST, LAST):
        restore_interrupted(folder / name)
        if (folder / name / CARD).is_file():
            return folder / name
    return None


def packaged_names() -> list[str]:
    """The names of the spaces that are part of the package, the default space first."""
    return [folder.name for folder in _packaged_folders()]
