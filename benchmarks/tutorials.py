"""Follows the tutorials of docs/ word for word in an empty folder and writes what came out into the pages: the lines
that a command printed, and the pictures that it made.

A page's ```sh blocks are run, command by command, in one process, and its ```python blocks in one namespace. A block
``` { .text .output } holds what the block above it printed; a picture images/tutorials/PAGE-NAME.* shows NAME.*
of the folder. Blocks of other kinds are for the reader's hands.

python benchmarks/tutorials.py [PAGE ...]      # all of PAGES without a name"""

import contextlib
import io
import os
import re
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from facespace.cli import run
from facespace.core.console import quiet

DOCS = Path(__file__).parents[1] / "docs"
PICTURES = DOCS / "images/tutorials"
PAGES = ("teach", "research", "share", "make-art")
BLOCK = re.compile(r"^``` ?(?P<kind>sh|python|\{ \.text \.output \})\n(?P<text>.*?)^```$", re.M | re.S)
SHOWN = re.compile(r"\(images/tutorials/(?P<file>[\w.-]+)\)")
NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
UNSTABLE = re.compile(r"\d[\d,.]* (?:s|min|MB|kB)\b|\d+ (?:faces|steps|images)/s|[0-9a-f]{16}")
WIDEST = 1_024  # pixels of a picture in a page
OUTPUT = "{ .text .output }"


class Block(NamedTuple):
    """A block of a page: its kind and its text."""

    kind: str
    text: str


def blocks(page: str) -> list[Block]:
    """The blocks of a page that are followed, and what they printed."""
    return [Block(found["kind"], found["text"]) for found in BLOCK.finditer(page)]


def commands(text: str) -> Iterator[str]:
    """The commands of a block: lines, joined where they end with a backslash, without comments."""
    for line in text.replace("\\\n", " ").splitlines():
        command = line.partition("  #")[0].strip()
        if command:
            yield command


def printed(block: Block, names: dict[str, object]) -> str:
    """What a block prints on stdout in the current folder. Raises RuntimeError for a command that fails."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), quiet():
        if block.kind == "python":
            exec(compile(block.text, "tutorial", "exec"), names)
        else:
            for command in commands(block.text):
                program, *tokens = shlex.split(command)
                if program != "facespace":
                    raise RuntimeError(f"Not a command of facespace: {command}")
                if code := run([*tokens, *_runtime(tokens)]):
                    raise RuntimeError(f"Exit code {code}: {command}")
    return out.getvalue()


def _runtime(tokens: list[str]) -> list[str]:
    """The option of `publish` that names onnxruntime-web, where FACESPACE_ORT_WEB does."""
    named = os.environ.get("FACESPACE_ORT_WEB")
    return ["--runtime", named] if named and tokens[0] == "publish" else []


def follow(page: str, folder: Path) -> Iterator[tuple[str, str]]:
    """Runs the blocks of a page in a folder; gives, for each block with an output below it, what the page
    says and what was printed now."""
    names: dict[str, object] = {"__name__": "__main__"}
    now = ""
    with contextlib.chdir(folder):
        for block in blocks(page):
            if block.kind == OUTPUT:
                yield block.text, now
            else:
                now = printed(block, names)


def alike(text: str, other: str, tolerance: float = 0.25) -> bool:
    """Whether two outputs have the same words, and numbers that differ by at most that share (or by 2)."""
    text, other = (UNSTABLE.sub("#", one.strip()) for one in (text, other))
    if NUMBER.sub("#", text).split() != NUMBER.sub("#", other).split():
        return False
    for one, two in zip(NUMBER.findall(text), NUMBER.findall(other)):
        a, b = (float(number.replace(",", "")) for number in (one, two))
        if abs(a - b) > max(tolerance * max(abs(a), abs(b)), 2.0):
            return False
    return True


def with_outputs(page: str, outputs: Mapping[str, str]) -> str:
    """The page with its outputs replaced: old text -> new text."""

    def replace(found: re.Match) -> str:
        if found["kind"] != OUTPUT:
            return found[0]
        return f"``` {OUTPUT}\n{outputs[found['text']].rstrip()}\n```"

    return BLOCK.sub(replace, page)


def pictures(name: str, page: str, folder: Path) -> Iterator[tuple[Path, Path]]:
    """(file of the folder, file of docs/) of each picture that a page shows. Raises FileNotFoundError."""
    for found in SHOWN.finditer(page):
        if not found["file"].startswith(f"{name}-"):
            continue
        stem = Path(found["file"].removeprefix(f"{name}-")).stem
        made = sorted(path for path in folder.rglob(f"{stem}.*") if path.suffix in (".png", ".gif", ".webp"))
        if not made:
            raise FileNotFoundError(f"{name}.md shows {found['file']}, and its commands made no {stem}.*")
        yield made[0], PICTURES / found["file"]


def store(made: Path, to: Path) -> None:
    """An animation as it is; a still as WebP of at most WIDEST pixels."""
    to.parent.mkdir(exist_ok=True)
    if made.suffix == to.suffix:
        shutil.copy(made, to)
        return
    picture = Image.open(made).convert("RGB")
    picture.thumbnail((WIDEST, WIDEST), Image.Resampling.LANCZOS)
    picture.save(to, "WEBP", quality=82, method=6)


def main() -> None:
    """Follows the pages that are named, or all, and writes their outputs and pictures."""
    for name in sys.argv[1:] or PAGES:
        path, start = DOCS / f"{name}.md", time.perf_counter()
        page = path.read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory() as folder:
            outputs = dict(follow(page, Path(folder)))
            for made, to in pictures(name, page, Path(folder)):
                store(made, to)
        path.write_text(with_outputs(page, outputs), encoding="utf-8")
        print(f"{name}.md: {len(outputs)} outputs, {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
