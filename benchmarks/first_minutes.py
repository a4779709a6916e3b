"""A newcomer's first minutes: an environment with nothing in it, an installation from this clone, and README's lines one after the
other in an empty folder.

    python benchmarks/first_minutes.py PHOTOS CELEBA [--to DIR]

PHOTOS is a folder of portraits, of which the first two are edited and morphed and all make a space; CELEBA is the official folder,
of which 600 faces make a set for a table. Prints what was seen first, when, and how long its command took. The pictures stay in
DIR/work, to be looked at."""

import argparse
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PICTURES = {".jpg", ".jpeg", ".png", ".webp"}


def steps(photos: Path, celeba: Path) -> list[tuple[str, str, list[list[str]]]]:
    """What is seen first, the file that shows it, and the words of its commands."""
    first, second = sorted(path for path in photos.rglob("*") if path.suffix.lower() in PICTURES)[:2]
    compare = ["compare", "faces64", "faces128", "mine", "--data", "sets/celeba", "--count", "50"]
    return [
        ("face", "samples.png", [["sample"]]),
        ("edit", "edited.png", [["edit", str(first), "--set", "Smiling=2"]]),
        ("film", "morph.gif", [["morph", str(first), str(second)]]),
        ("own space", "mine", [["adapt", str(photos), "--to", "mine"]]),
        (
            "table",
            "table",
            [
                ["prepare", "celeba", str(celeba), "--to", "sets/celeba", "--limit", "600", "--size", "64"],
                [*compare, "--metrics", "mse,ssim", "--to", "table"],
            ],
        ),
    ]


def run(words: list[str], folder: Path) -> None:
    """Runs a command; what it says goes to the terminal."""
    done = subprocess.run(words, cwd=folder, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(words)} ended with {done.returncode}.")


def main() -> None:
    """Installs, plays and prints the times."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=Path)
    parser.add_argument("celeba", type=Path)
    parser.add_argument("--to", type=Path, help="a new folder [default: a temporary one, which stays]")
    options = parser.parse_args()
    folder = options.to or Path(tempfile.mkdtemp(prefix="facespace-first-"))
    work = folder / "work"
    work.mkdir(parents=True)
    began = time.perf_counter()
    venv.create(folder / "env", with_pip=True)
    programs = (folder / "env" / "bin").resolve()
    install = [str(programs / "python"), "-m", "pip", "install", "--quiet", f"{ROOT}[all]"]
    run(install, work)
    lines = [f"| installation | {time.perf_counter() - began:.0f} s | |"]
    began = time.perf_counter()
    for name, file, commands in steps(options.photos.resolve(), options.celeba.resolve()):
        start = time.perf_counter()
        for words in commands:
            run([str(programs / "facespace"), *words], work)
        now = time.perf_counter()
        if not (work / file).exists():
            sys.exit(f"{work / file} is missing.")
        lines.append(f"| first {name} | {now - start:.0f} s | {now - began:.0f} s |")
    print("\n| what | its commands | after the installation |\n|---|---|---|")
    print("\n".join(lines))
    print(f"\nPictures: {work}")


if __name__ == "__main__":
    main()
