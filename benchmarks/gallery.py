"""Makes the pictures of the gallery (docs/gallery/gallery.tsv) again, in one process; or compares them with those that
are committed.

python benchmarks/gallery.py [FILE ...]            # all rows without a name
python benchmarks/gallery.py --check [FILE ...]    # exit code 1 where one differs by more than TOLERANCE"""

import contextlib
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from facespace.cli import run
from facespace.core.console import quiet

sys.path.insert(0, str(Path(__file__).parents[1] / "docs"))

from site_pages.gallery_rows import FOLDER, Row, rows

TOLERANCE = 3.0  # levels of 255, the mean absolute difference over the pixels of all frames
LARGEST = 6_000_000  # bytes of the whole gallery
WIDEST = 900  # pixels


def make(chosen: Sequence[Row], folder: Path) -> Iterator[Path]:
    """Runs the commands of the rows in an empty folder; gives the file of each, named as in the table. Raises
    RuntimeError for a command that fails."""
    done: set[str] = set()
    for row in chosen:
        for line in (*row.setup, row.command):
            if line not in done:
                _run(line, folder)
                done.add(line)
        yield _stored(folder / row.made, folder / "stored" / row.file)


def _run(line: str, folder: Path) -> None:
    with contextlib.chdir(folder), quiet(), contextlib.redirect_stdout(None):
        code = run(shlex.split(line)[1:])
    if code:
        raise RuntimeError(f"exit code {code}: {line}")


def _stored(made: Path, to: Path) -> Path:
    """A film as it was made; a still as WebP."""
    to.parent.mkdir(exist_ok=True)
    if made.suffix == to.suffix:
        shutil.copy(made, to)
        return to
    picture = Image.open(made).convert("RGB")
    picture.thumbnail((WIDEST, 4 * WIDEST), Image.Resampling.LANCZOS)
    picture.save(to, "WEBP", quality=82, method=6)
    return to


def frames(path: Path) -> list[np.ndarray]:
    """The frames of a picture or film, uint8 (H, W, 3)."""
    found = []
    with Image.open(path) as film:
        for place in range(getattr(film, "n_frames", 1)):
            film.seek(place)
            found.append(np.asarray(film.convert("RGB")))
    return found


def difference(path: Path, other: Path) -> float:
    """Mean absolute difference of two films in levels of 255; infinite where sizes or numbers of frames differ."""
    ones, others = frames(path), frames(other)
    if len(ones) != len(others) or ones[0].shape != others[0].shape:
        return float("inf")
    apart = [np.abs(a.astype(float) - b).mean() for a, b in zip(ones, others)]
    return float(np.mean(apart))


def main() -> None:
    """Makes or checks the rows that are named, or all."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # the same sums in the same order on every machine
    check, names = "--check" in sys.argv, [name for name in sys.argv[1:] if name != "--check"]
    chosen = [row for row in rows() if not names or row.file in names]
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for made in make(chosen, Path(folder)):
            committed = FOLDER / made.name
            if check:
                apart = difference(made, committed)
                worst = max(worst, apart)
                print(f"{made.name}: {apart:.2f}", flush=True)
            else:
                shutil.copy(made, committed)
                print(f"{made.name}: {made.stat().st_size / 1000:,.0f} kB", flush=True)
    total = sum((FOLDER / row.file).stat().st_size for row in rows() if (FOLDER / row.file).is_file())
    print(f"{total / 1e6:.2f} MB")
    if worst > TOLERANCE or total > LARGEST:
        sys.exit(1)


if __name__ == "__main__":
    main()
