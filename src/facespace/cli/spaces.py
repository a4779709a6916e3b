"""Verbs for a trained space: sample, reconstruct, encode, decode. SPACE is a run's folder or a bundle's."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from facespace.cli.app import Done, Flag, verb
from facespace.core.errors import FacespaceError, UsageError
from facespace.core.files import settle

if TYPE_CHECKING:
    import numpy as np

    from facespace.space.face_space import FaceSpace

Paths = tuple[Path, ...]
Count = Annotated[int, Parameter(alias="-n")]
Given = Annotated[
    tuple[str, ...], Parameter(name=("--condition", "--given"), negative="")
]  # --given: until 0.2


@verb("facespace sample [SPACE] --to FILE")
def sample(
    space: Path | None = None,
    /,
    *,
    to: Path,
    count: Count | None = None,
    grid: str | None = None,
    seed: int = 0,
    temperature: float = 1.0,
    prior: str | None = None,
    given: Given = (),
    guidance: float | None = None,
    keep: float = 1.0,
) -> Done:
    """Generate new faces.

    Example: facespace sample runs/celeba --grid 16x16 --to faces.png

    Parameters
    ----------
    space
        A run or a bundle.
    to
        The picture (.png, .jpg, .webp), or .npy for a uint8 array (N, H, W, C).
    count
        How many faces, on a square sheet. [default: 64]
    grid
        ROWSxCOLUMNS of the sheet, in place of a number of faces: 16x16.
    seed
        The same seed gives the same faces, and the first of many are those of a few.
    temperature
        Below 1 safer and more alike, above 1 wilder.
    prior
        A prior that facespace fit-prior left in the bundle, such as flow, or own, the space's own; unset, the one that knows
        unseen faces best.
    given
        Draw faces with an attribute: ATTRIBUTE=yes or no, for a prior that was fitted with attributes (facespace fit-prior) or
        a space that was trained with model.conditions; may be repeated. The others are unknown.
    guidance
        How clearly the faces show what --condition asks (classifier-free guidance): 1 as faces do, 2 to 4 more clearly, at the
        cost of variety. [default: 1]
    keep
        Draw more faces, and keep this share: those that the discriminator which trained the space's decoder finds most like
        photographs. Only for a space that was trained with objective.discriminator=projected.
    """
    from facespace.cli.pictures import check_still, save_faces
    from facespace.space.face_space import check_keep, describe

    check_still(to)
    check_keep(keep)
    told = parse_given(given)
    if guidance is not None and not told:
        raise UsageError(
            "--guidance strengthens a condition; name one too, for example --condition Smiling=yes."
        )
    rows, columns = parse_grid(grid, count) if grid else (0, None)
    count = rows * columns if columns else 64 if count is None else count
    opened, _ = open_space([space] if space else [])
    strength, score = 1.0 if guidance is None else guidance, None
    if keep != 1:
        from facespace.training.discriminators import load_discriminator

        score = load_discriminator(opened.folder).score
    faces = opened.sample(count, seed, temperature, prior, told, strength, keep, score)
    save_faces(faces, to, columns=columns)
    origin = opened.prior(prior).origin
    facts = {
        "to": str(to),
        "count": count,
        "grid": grid and [rows, columns],
        "seed": seed,
        "temperature": temperature,
        "prior": origin,
        "given": told,
        "guidance": strength,
        "keep": keep,
        **describe(opened),
    }
    kept = f", the best {keep:.0%} by the discriminator," if keep != 1 else ""
    return Done(facts, f"{count} faces from {origin}{kept} in {to}")


@verb("facespace reconstruct [SPACE] (IMAGE ... | --data SET) --to FILE")
def reconstruct(
    *paths: Path,
    to: Path,
    data: Path | None = None,
    split: str = "test",
    count: Count | None = None,
    columns: int = 8,
    grid: str | None = None,
    diagnostics: Flag = False,
    align: Flag = False,
    given: Given = (),
) -> Done:
    """Show what a space keeps of photographs: rows of originals over rows of reconstructions, or where it fails.

    Example: facespace reconstruct runs/celeba me.jpg you.jpg --to grid.png

    Parameters
    ----------
    paths
        A run or a bundle, then photographs.
    to
        The picture (.png, .jpg, .webp), or .npy for the reconstructions as a uint8 array (N, H, W, C).
    data
        Take the faces from a prepared set instead of photographs.
    split
        Of that set: train, validation, test or all.
    count
        How many faces of that set, evenly spread. [default: 32]
    columns
        Faces in a row.
    grid
        ROWSxCOLUMNS of the picture in place of --count and --columns; rows of originals and of reconstructions alternate,
        so that 16x16 shows 128 faces of the set.
    diagnostics
        Of all the faces show the best, the median and the worst, with maps of the error, SSIM and PSNR under each, and the
        deviation of each pixel where the space predicts one. With --json the figures of every face.
    align
        Find the face in each photograph first, and cut it out as CelebA does.
    given
        Edit the faces of a space that is told attributes: encoded with nothing known, decoded with ATTRIBUTE=1 or yes,
        ATTRIBUTE=-1 or no; may be repeated. The others stay unknown.
    """
    from facespace.cli.data import spread
    from facespace.cli.pictures import check_still, is_array, read_all, save_faces
    from facespace.data.faces import FaceSet
    from facespace.image.grids import STILLS, check_ending, pairs
    from facespace.image.pixels import squared_error
    from facespace.space.face_space import describe

    check_ending(to, STILLS) if diagnostics else check_still(to)
    told = parse_given(given)
    if grid:
        if diagnostics:
            raise UsageError(
                "--grid shows all faces and --diagnostics a choice of them; name one of the two."
            )
        count, columns = _alternating(grid, count, data is not None)
    space, photos = open_space(paths)
    if bool(photos) == bool(data):
        raise UsageError("Name either photographs or --data SET to reconstruct.")
    if columns < 1:
        raise UsageError(f"--columns must be at least 1; got {columns}.")
    faces = FaceSet(data) if data else None
    rows = spread(faces, split, 32 if count is None else count) if faces else []
    if grid and faces and len(rows) != count:
        raise UsageError(
            f"--grid {grid} shows {count} faces, and {data} has {len(rows)} in the split {split!r}."
        )
    originals = space.fit(faces.images[rows] if faces else read_all(photos, align))
    facts = {"to": str(to), "count": len(originals), "columns": columns, "given": told, **describe(space)}
    if diagnostics:
        names = [str(name) for name in faces.ids[rows]] if faces else [str(photo) for photo in photos]
        return _diagnose(space, originals, names, to, columns, told, facts)
    again, originals = space.reconstruct(originals, told), space.target(originals)
    save_faces(
        again if is_array(to) else pairs(originals, again, columns), to, columns=min(columns, len(again))
    )
    error = float(squared_error(originals, again).mean())
    text = f"{len(again)} originals and reconstructions in {to} (mean squared error {error:.5f} in [0, 1])"
    return Done({**facts, "mse": error}, text)


@verb("facespace encode [SPACE] IMAGE ... --to FILE.npy")
def encode(*paths: Path, to: Path, align: Flag = False) -> Done:
    """Turn photographs into latents: float32 (N, D), posterior means.

    Example: facespace encode runs/celeba me.jpg --to z.npy

    Parameters
    ----------
    paths
        A run or a bundle, then photographs.
    to
        The .npy file.
    align
        Find the face in each photograph first, and cut it out as CelebA does.
    """
    from facespace.cli.pictures import ARRAY, read_all
    from facespace.image import grids
    from facespace.space.face_space import describe

    grids.check_ending(to, (ARRAY,))
    space, photos = open_space(paths)
    if not photos:
        raise UsageError("Name at least one photograph to encode.")
    z = space.encode(read_all(photos, align))
    grids.save_array(z, to)
    return Done(
        {"to": str(to), "count": len(z), **describe(space)}, f"{len(z)} × {z.shape[1]} numbers in {to}"
    )


@verb("facespace decode [SPACE] LATENTS.npy --to FILE")
def decode(*paths: Path, to: Path, given: Given = ()) -> Done:
    """Turn latents into faces.

    Example: facespace decode runs/celeba z.npy --to faces.png

    Parameters
    ----------
    paths
        A run or a bundle, then a .npy file of latents (N, D).
    to
        The picture (.png, .jpg, .webp), or .npy for a uint8 array (N, H, W, C).
    given
        Of a space that is told attributes: ATTRIBUTE=1 or yes, ATTRIBUTE=-1 or no; may be repeated. The others are unknown.
    """
    from facespace.cli.pictures import check_still, read_array, save_faces
    from facespace.space.face_space import describe

    check_still(to)
    told = parse_given(given)
    space, files = open_space(paths)
    if len(files) != 1:
        raise UsageError(f"Name one .npy file of latents to decode; got {len(files)}.")
    faces = space.decode(read_array(files[0]), told)
    if not len(faces):
        raise UsageError(f"{files[0]} holds no latents to decode.")
    save_faces(faces, to)
    facts = {"to": str(to), "count": len(faces), "given": told, **describe(space)}
    return Done(facts, f"{len(faces)} faces in {to}")


def parse_grid(grid: str, count: int | None) -> tuple[int, int]:
    """'16x8' as (rows, columns), where no number of faces is asked for besides."""
    rows, _, columns = grid.lower().replace("×", "x").partition("x")
    if not (rows.isdecimal() and columns.isdecimal() and int(rows) and int(columns)):
        raise UsageError(f"--grid takes ROWSxCOLUMNS, for example 16x16; got {grid!r}.")
    if count is not None:
        raise UsageError(f"--grid {grid} says how many faces there are; leave out --count (-n).")
    return int(rows), int(columns)


def _alternating(grid: str, count: int | None, of_set: bool) -> tuple[int, int]:
    """How many faces, and how many in a row, a grid has whose rows alternate."""
    rows, columns = parse_grid(grid, count)
    if not of_set:
        raise UsageError("--grid is filled with the faces of --data SET; for photographs use --columns.")
    if rows % 2:
        raise UsageError(
            f"--grid {grid} has an odd number of rows; rows of originals and of reconstructions alternate, so name an even one."
        )
    return rows // 2 * columns, columns


def _diagnose(
    space: "FaceSpace",
    faces: "np.ndarray",
    names: list[str],
    to: Path,
    columns: int,
    given: dict[str, float],
    facts: dict[str, Any],
) -> Done:
    """The picture and the figures of reconstruct --diagnostics."""
    from facespace.evaluation import diagnostics
    from facespace.report import charts

    found = diagnostics.diagnose(space, faces, names, given)
    charts.save(
        diagnostics.picture(found, diagnostics.pixel_deviation(space, found.latents, given), columns), to
    )
    means = {name: float(values.mean()) for name, values in found.figures.items()}
    said = [SAID[name].format(value) for name, value in means.items()]
    shown = [len(rows) for rows in diagnostics.cases(found.order, columns).values()]
    which = f"the best, the median and the worst {shown[0]}" if len(shown) > 1 else "all of them"
    text = f"{len(faces)} face{'s' * (len(faces) > 1)}: {', '.join(said)} (means); {which} in {to}"
    return Done({**facts, **means, "faces": found.records()}, text)


SAID = {"mse": "MSE {:.5f}", "psnr": "PSNR {:.2f} dB", "ssim": "SSIM {:.3f}", "ms_ssim": "MS-SSIM {:.3f}"}


def parse_given(texts: Sequence[str]) -> dict[str, float]:
    """'Smiling=1' and 'Male=no' as {"Smiling": 1.0, "Male": -1.0}; the space checks names and numbers."""
    given = {}
    for text in texts:
        name, _, value = text.rpartition("=")
        try:
            given[name] = {"yes": 1.0, "no": -1.0}.get(value.lower()) or float(value)
        except ValueError:
            name = ""
        if not name:
            raise UsageError(
                f"--condition takes ATTRIBUTE=NUMBER, yes or no, for example Smiling=1; got {text!r}."
            )
    return given


def open_space(paths: Sequence[Path]) -> tuple["FaceSpace", list[Path]]:
    """The space that the first path names, and the other paths; the space that comes along where it names none."""
    from facespace.space.face_space import load

    if paths:
        settle(paths[0])
    if paths and paths[0].is_dir():
        return load(paths[0]), list(paths[1:])
    for path in paths:
        if not path.exists():
            raise FacespaceError(
                f"{path} does not exist. Name a trained space first: a run's folder, or a bundle's."
            )
    return load(), list(paths)
