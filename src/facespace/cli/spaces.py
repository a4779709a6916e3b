"""Verbs for a trained space: sample, reconstruct, morph, encode, decode. SPACE is a run's folder or a bundle's."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from facespace.cli.app import Done, Flag, verb
from facespace.errors import FacespaceError, UsageError
from facespace.files import settle

if TYPE_CHECKING:
    from facespace.space import FaceSpace

Paths = tuple[Path, ...]
Count = Annotated[int, Parameter(alias="-n")]
Given = Annotated[tuple[str, ...], Parameter(negative="")]


@verb("facespace sample [SPACE] --to FILE")
def sample(
    space: Path | None = None,
    /,
    *,
    to: Path,
    count: Count = 64,
    seed: int = 0,
    temperature: float = 1.0,
    prior: str | None = None,
    given: Given = (),
) -> Done:
    """Generate new faces.

    Example: facespace sample runs/celeba -n 64 --to faces.png

    Parameters
    ----------
    space
        A run or a bundle.
    to
        The picture (.png, .jpg, .webp), or .npy for a uint8 array (N, H, W, C).
    count
        How many faces.
    seed
        The same seed gives the same faces.
    temperature
        Below 1 safer and more alike, above 1 wilder.
    prior
        A prior that facespace fit-prior left in the bundle, such as mixture; without it the space's own.
    given
        Of a space that is told attributes: ATTRIBUTE=1 or yes, ATTRIBUTE=-1 or no; may be repeated. The others are unknown.
    """
    from facespace.cli.pictures import check_still, save_faces
    from facespace.space import describe

    check_still(to)
    told = parse_given(given)
    opened, _ = open_space([space] if space else [])
    save_faces(opened.sample(count, seed, temperature, prior, told), to)
    origin = opened.prior(prior).origin
    facts = {
        "to": str(to),
        "count": count,
        "seed": seed,
        "temperature": temperature,
        "prior": origin,
        "given": told,
        **describe(opened),
    }
    return Done(facts, f"{count} faces from {origin} in {to}")


@verb("facespace reconstruct [SPACE] (IMAGE ... | --data SET) --to FILE")
def reconstruct(
    *paths: Path,
    to: Path,
    data: Path | None = None,
    split: str = "test",
    count: Count = 32,
    columns: int = 8,
    align: Flag = False,
    given: Given = (),
) -> Done:
    """Show what a space keeps of photographs: rows of originals over rows of reconstructions.

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
        How many faces of that set, evenly spread.
    columns
        Faces in a row.
    align
        Find the face in each photograph first, and cut it out as CelebA does.
    given
        Edit the faces of a space that is told attributes: encoded with nothing known, decoded with ATTRIBUTE=1 or yes,
        ATTRIBUTE=-1 or no; may be repeated. The others stay unknown.
    """
    from facespace.cli.data import spread
    from facespace.cli.pictures import check_still, is_array, read_all, save_faces
    from facespace.data.faces import FaceSet
    from facespace.image.sheets import pairs
    from facespace.space import describe

    check_still(to)
    told = parse_given(given)
    space, photos = open_space(paths)
    if bool(photos) == bool(data):
        raise UsageError("Name either photographs or --data SET to reconstruct.")
    if columns < 1:
        raise UsageError(f"--columns must be at least 1; got {columns}.")
    faces = FaceSet(data) if data else None
    originals = space.fit(faces.images[spread(faces, split, count)] if faces else read_all(photos, align))
    again, originals = space.reconstruct(originals, told), space.target(originals)
    save_faces(again if is_array(to) else pairs(originals, again, columns), to, columns=min(columns, len(again)))
    error = float(((originals / 255.0 - again / 255.0) ** 2).mean())
    facts = {"to": str(to), "count": len(again), "mse": error, "columns": columns, "given": told, **describe(space)}
    return Done(facts, f"{len(again)} originals and reconstructions in {to} (mean squared error {error:.5f} in [0, 1])")


@verb("facespace morph [SPACE] A B [C ...] --to FILE")
def morph(
    *paths: Path,
    to: Path,
    frames: int = 60,
    fps: float = 30.0,
    loop: Flag = False,
    align: Flag = False,
) -> Done:
    """Blend photographs into each other, on straight lines between their latents.

    Example: facespace morph runs/celeba a.jpg b.jpg --to morph.gif --loop

    Parameters
    ----------
    paths
        A run or a bundle, then two or more photographs.
    to
        The animation (.gif, .webp), or .npy for the frames as a uint8 array (N, H, W, C).
    frames
        Frames of the whole morph.
    fps
        Frames a second.
    loop
        Go back to the first face at the end.
    align
        Find the face in each photograph first, and cut it out as CelebA does.
    """
    from facespace.cli.pictures import ARRAY, is_array, read_all
    from facespace.image import sheets
    from facespace.space import describe

    sheets.check_ending(to, (*sheets.ANIMATIONS, ARRAY))
    if not 1 <= fps <= 100:
        raise UsageError(f"--fps must lie between 1 and 100; got {fps:g}.")
    space, photos = open_space(paths)
    film = space.morph(*read_all(photos, align), frames=frames, loop=loop)
    sheets.save_array(film, to) if is_array(to) else sheets.save_animation(film, to, fps=fps)
    facts = {
        "to": str(to),
        "frames": len(film),
        "fps": fps,
        "seconds": len(film) / fps,
        "loop": loop,
        **describe(space),
    }
    return Done(facts, f"{len(film)} frames, {len(film) / fps:.1f} s, through {len(photos)} faces in {to}")


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
    from facespace.image import sheets
    from facespace.space import describe

    sheets.check_ending(to, (ARRAY,))
    space, photos = open_space(paths)
    if not photos:
        raise UsageError("Name at least one photograph to encode.")
    z = space.encode(read_all(photos, align))
    sheets.save_array(z, to)
    return Done({"to": str(to), "count": len(z), **describe(space)}, f"{len(z)} × {z.shape[1]} numbers in {to}")


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
    from facespace.space import describe

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
            raise UsageError(f"--given takes ATTRIBUTE=NUMBER, yes or no, for example Smiling=1; got {text!r}.")
    return given


def open_space(paths: Sequence[Path]) -> tuple["FaceSpace", list[Path]]:
    """The space that the first path names, and the other paths."""
    from facespace.space import load

    if paths:
        settle(paths[0])
    if paths and paths[0].is_dir():
        return load(paths[0]), list(paths[1:])
    for path in paths:
        if not path.exists():
            raise FacespaceError(f"{path} does not exist. Name a trained space first: a run's folder, or a bundle's.")
    raise UsageError(
        "No SPACE was named. Name a run or a bundle folder first, for example: facespace sample runs/mine --to faces.png"
    )
