"""The verb that encodes and decodes photographs: reconstruct. SPACE is a run's folder or a bundle's."""

from pathlib import Path
from typing import TYPE_CHECKING

from facespace.cli.app import Done, Facts, verb
from facespace.cli.options import ANY_PHOTOS, Conditions, Flag, Photos, parse_conditions, parse_grid
from facespace.cli.outputs import Scale, faces_text, output_file
from facespace.core.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from facespace.space.face_space import FaceSpace


@verb("facespace reconstruct [SPACE] (IMAGE ... | FOLDER | --data SET) [--to FILE]")
def reconstruct(
    *paths: Path,
    to: Path | None = None,
    source: Photos = ANY_PHOTOS,
    columns: int | None = None,
    grid: str | None = None,
    diagnostics: Flag = False,
    given: Conditions = (),
    scale: Scale = None,
) -> Done:
    """Encode and decode photographs: originals beside or over their reconstructions, or the best and the
    worst.

    Example: facespace reconstruct runs/celeba me.jpg you.jpg --to grid.png

    Parameters
    ----------
    paths
        The folder of a run or of one trained model (a bundle), then photographs, or folders of them.
    to
        The picture (.png, .jpg, .webp), or .npy for the reconstructions as a uint8 array (N, H, W, C).
        [default: reconstructed.png in the current folder, or reconstructed-2.png … where that exists]
    columns
        Faces in a row, originals over reconstructions. [default: up to 6 faces have a row each; of more, 8 in
        a row]
    grid
        ROWSxCOLUMNS of the picture in place of --count and --columns; rows of originals and of
        reconstructions alternate, so that 16x16 shows 128 faces of the set.
    diagnostics
        Of all the faces show the best, the median and the worst, with maps of the error, SSIM and PSNR under
        each, and the standard deviation of each pixel where the space predicts one. With --json the figures
        of every face.
    given
        Edit the faces of a space with conditions: encoded with unknown attributes, decoded with ATTRIBUTE=1
        or yes, ATTRIBUTE=-1 or no; may be repeated. The others stay unknown.
    """
    from facespace.cli.faces import check_still, is_array, save_faces
    from facespace.cli.keyframes import open_space_of_faces
    from facespace.image import grids
    from facespace.image.sheets import FEW, check_fits, check_scale
    from facespace.space.edit_grids import reconstruct_rows
    from facespace.space.face_space import space_facts

    grids.check_ending(to, grids.STILLS) if diagnostics and to else check_still(to)
    check_scale(scale)
    conditions = parse_conditions(given)
    count, across = _layout(grid, columns, source, diagnostics)
    space, files = open_space_of_faces(paths)
    images, names = _originals(space, files, source, count, exact=bool(grid))
    facts = {"count": len(images), "columns": across or COLUMNS, "conditions": conditions}
    facts |= space_facts(space)
    if diagnostics:
        return _diagnose(space, images, names, to, across or COLUMNS, conditions, facts)
    across_sheet = across or (COLUMNS if len(images) > FEW else 2)
    check_fits(to, (2 * len(images), *space.image_shape[1:]), across_sheet, scale=scale)
    found = reconstruct_rows(space, images, conditions)
    shown = [Path(name).name for name in names] if files else []
    with output_file(to, DEFAULT) as file:
        if is_array(file):
            save_faces(found.reconstructions, file)
        else:
            grids.save_still(found.sheet(across, shown, scale), file)
    text = f"{len(images)} originals and reconstructions in {file} "
    text += f"(mean squared error {found.mse:.5f} of pixels in [0, 1])"
    return Done({"to": str(file), **facts, "mse": found.mse}, text)


DEFAULT = "reconstructed.png"
COLUMNS = 8  # of many faces


def _layout(
    grid: str | None, columns: int | None, source: Photos, diagnostics: bool
) -> tuple[int, int | None]:
    """How many faces, and how many in a row; rows of originals and of reconstructions alternate in a grid."""
    if columns is not None and columns < 1:
        raise UsageError(f"--columns must be at least 1; got {columns}.")
    if not grid:
        return 32 if source.count is None else source.count, columns
    if diagnostics:
        raise UsageError("--grid shows all faces and --diagnostics a choice of them; name one of the two.")
    rows, across = parse_grid(grid, source.count)
    if not source.data:
        raise UsageError("--grid is filled with the faces of --data SET; for photographs use --columns.")
    if rows % 2:
        raise UsageError(
            f"--grid {grid} has an odd number of rows; rows of originals and of reconstructions alternate, "
            "so name an even one."
        )
    return rows // 2 * across, across


def _originals(
    space: "FaceSpace", files: list[Path], source: Photos, count: int, exact: bool
) -> tuple["np.ndarray", list[str]]:
    """Photographs or the faces of the set as the space takes them, uint8 (N, H, W, C), and their names."""
    from facespace.data.aligned_photos import read_photos

    if bool(files) == bool(source.data):
        raise UsageError("Name either photographs or --data SET to reconstruct.")
    if files:
        return space.fit(read_photos(files, source.align, space.template)), [str(file) for file in files]
    assert source.data
    faces = space.faces_of(source.data, source.split, count)
    if exact and len(faces) != count:
        raise UsageError(
            f"--grid shows {count} faces, and {source.data} has {len(faces)} in the split {source.split!r}."
        )
    return faces.pixels, [str(name) for name in faces.set.ids[faces.rows]]


def _diagnose(
    space: "FaceSpace",
    faces: "np.ndarray",
    names: list[str],
    to: Path | None,
    columns: int,
    conditions: dict[str, float],
    facts: Facts,
) -> Done:
    """The picture and the figures of reconstruct --diagnostics."""
    from facespace.report import charts
    from facespace.space import diagnostics

    found = diagnostics.diagnose(space, faces, names, conditions)
    deviation = diagnostics.pixel_deviation(space, found.latents, conditions)
    with output_file(to, DEFAULT) as file:
        charts.save(diagnostics.picture(found, deviation, columns), file)
    means = {name: float(values.mean()) for name, values in found.figures.items()}
    figures = ", ".join(FIGURES[name].format(value) for name, value in means.items())
    shown = list(diagnostics.cases(found.order, columns).values())
    which = f"the best, the median and the worst {len(shown[0])}" if len(shown) > 1 else "all of them"
    text = f"{faces_text(len(faces))}: {figures} (means); {which} in {file}"
    return Done({"to": str(file), **facts, **means, "faces": found.records()}, text)


FIGURES = {"mse": "MSE {:.5f}", "psnr": "PSNR {:.2f} dB", "ssim": "SSIM {:.3f}", "ms_ssim": "MS-SSIM {:.3f}"}
