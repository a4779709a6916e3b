"""The table of the gallery, docs/gallery/gallery.tsv: a picture or film a row, with the command that made it. Reads
text only; benchmarks/gallery.py runs the commands."""

import csv
import shlex
from dataclasses import dataclass

from site_pages.repository import ROOT

FOLDER = ROOT / "docs/gallery"
# What some rows read, made first.
SETUP = (
    "facespace edit --random 4 --seed 5 --set Smiling=0 --to four.npy",
    "facespace edit --random 1 --seed 23 --set Smiling=0 --to one.npy",
    "facespace edit --random 1 --seed 26 --set Smiling=0 --to other.npy",
    "facespace prepare synthetic --to drawn --limit 40 --size 96 --seed 7",
    "facespace prepare synthetic --to drawn-gray --limit 12 --size 171x186 --gray --seed 8",
)


@dataclass(frozen=True)
class Row:
    """A picture or film of the gallery."""

    file: str  # in docs/gallery
    caption: str
    command: str  # whose --to is the picture that the file was made of

    @property
    def tokens(self) -> list[str]:
        """The words of the command after `facespace`."""
        return shlex.split(self.command)[1:]

    @property
    def made(self) -> str:
        """The file that the command writes."""
        return self.tokens[self.tokens.index("--to") + 1]

    @property
    def setup(self) -> list[str]:
        """The commands of SETUP whose result this one reads."""
        needed = []
        for line in SETUP:
            words = shlex.split(line)
            if words[words.index("--to") + 1] in self.tokens:
                needed.append(line)
        return needed


def rows() -> list[Row]:
    """All rows, in the order of the table."""
    text = (FOLDER / "gallery.tsv").read_text(encoding="utf-8")
    return [Row(**row) for row in csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)]
