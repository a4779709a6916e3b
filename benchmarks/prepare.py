"""Images a second of `prepare` beside a plain loop that reads, crops and resizes each file with Pillow, in one process
and in one run; whether the bytes agree; and the peak memory, also for the same folder ten times over.

python benchmarks/prepare.py CELEBA [IMAGES]     CELEBA holds img_align_celeba and its tables"""

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

import facespace
from facespace.core.console import quiet

TURNS = 3
# VmHWM, since a child's ru_maxrss starts from its parent's.
PEAK = """
import sys, facespace
from facespace.console import quiet
with quiet():
    facespace.prepare("celeba", sys.argv[1], to=sys.argv[2], workers=int(sys.argv[3]))
print(next(int(line.split()[1]) / 1024 for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def plain_loop(files: list[Path], to: Path) -> np.ndarray:
    """What a script would do: the centre 148 px, Lanczos to 64, one array."""
    faces = []
    for path in files:
        with Image.open(path) as image:
            rgb = image.convert("RGB")
            left, top = (rgb.width - 148) / 2, (rgb.height - 148) / 2
            box = (left, top, left + 148, top + 148)
            faces.append(np.asarray(rgb.resize((64, 64), Image.Resampling.LANCZOS, box=box)))
    stack = np.stack(faces)
    np.save(to, stack)
    return stack


def repeated(root: Path, times: int, to: Path) -> Path:
    """The same CelebA folder, `times` over under new names, by hard or symbolic links."""
    (to / "img_align_celeba").mkdir(parents=True)
    lines = (root / "list_attr_celeba.txt").read_text().splitlines()
    rows = []
    for turn in range(times):
        for row in lines[2:]:
            name, _, rest = row.partition(" ")
            (to / "img_align_celeba" / f"{turn}{name}").symlink_to(root / "img_align_celeba" / name)
            rows.append(f"{turn}{name} {rest}")
    (to / "list_attr_celeba.txt").write_text("\n".join([str(len(rows)), lines[1], *rows]) + "\n")
    return to


def peak(root: Path, to: Path, workers: int) -> float:
    """Peak memory of the preparing process in MiB (its workers are small and alike)."""
    command = [sys.executable, "-c", PEAK, str(root), str(to), str(workers)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Prints speeds, ratios and peaks."""
    root = Path(sys.argv[1]).resolve()
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 13_700
    files = sorted((root / "img_align_celeba").iterdir())
    chosen = [files[index * len(files) // count] for index in range(count)]
    rates: dict[str, list[float]] = {
        "plain Pillow loop": [],
        "prepare, 1 worker": [],
        "prepare, 2 workers": [],
    }
    same = True
    with tempfile.TemporaryDirectory() as folder, quiet():
        for turn in range(TURNS + 1):  # the first turn warms the disk cache and is not counted
            start = time.perf_counter()
            reference = plain_loop(chosen, Path(folder) / "plain.npy")
            taken = [time.perf_counter() - start]
            for workers in (1, 2):
                start = time.perf_counter()
                faces = facespace.prepare(
                    "celeba", root, to=Path(folder) / "s", limit=count, workers=workers, force=True
                )
                taken.append(time.perf_counter() - start)
                same &= bool((faces.images == reference).all())
            for name, seconds in zip(rates, taken):
                rates[name] += [count / seconds] if turn else []
        base = statistics.median(rates["plain Pillow loop"])
        for name, found in rates.items():
            median = statistics.median(found)
            print(
                f"{name:<20} {median:>7,.0f} images/s  ({median / base:.2f} × the plain loop; median of {TURNS})"
            )
        print(f"identical pixels: {'yes' if same else 'NO'}")
        once = peak(root, Path(folder) / "once", 2)
        tenfold = repeated(root, 10, Path(folder) / "ten")
        ten = peak(tenfold, Path(folder) / "ten-set", 2)
        print(
            f"peak memory: {once:,.0f} MiB for {len(files):,} images, {ten:,.0f} MiB for {10 * len(files):,}"
        )
        shutil.rmtree(tenfold)


if __name__ == "__main__":
    main()
