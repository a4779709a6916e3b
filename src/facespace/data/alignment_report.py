"""How well faces were aligned: a table of quality, a picture of the photographs without a face, and a summary
for the card."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from facespace.core.cards import Card
from facespace.data.faces import SourceListing, StoredImage
from facespace.data.processing import Alignment
from facespace.data.results import Result, Results
from facespace.data.set_table import write_csv
from facespace.image import grids
from facespace.image.photos import read_photo

QUALITY, REJECTS = "quality.csv", "rejects.png"
MOST_REJECTS = 48  # in the picture
COLUMNS, SIDE = 8, 96  # of the picture, and pixels of each photograph in it


def report_alignment(folder: Path, alignment: Alignment, listing: SourceListing, results: Results) -> Card:
    """quality.csv with a row a face, rejects.png with the photographs without a face, and the card's
    entry."""
    qualities: list[dict[str, float]] = []
    lines: list[list[str]] = []
    rejects: list[Result] = []
    photos = set()
    for result in results:
        face, quality = result.face, result.face.quality
        if quality:
            qualities.append(quality)
            lines.append([face.id, *(f"{value:.5g}" for value in quality.values())])
        if any(face.size):
            photos.add(result.number)
            if not face.good:
                rejects.append(result)
    names = list(qualities[0])
    write_csv(folder / QUALITY, ("id", *names), lines)
    _save_rejects(folder / REJECTS, listing, rejects[:MOST_REJECTS])
    median = {}
    turned = sum(quality["turn"] != 0 for quality in qualities)
    for name in names:
        if name == "turn":
            continue
        values = [quality[name] for quality in qualities]
        median[name] = round(float(np.median(values)), 4)
    options = asdict(alignment)
    del options["weights"]
    found = len(photos) - len(rejects)
    return {**options, "photos": len(photos), "photos_with_a_face": found, "turned": turned, "median": median}


def _save_rejects(path: Path, listing: SourceListing, rejects: Sequence[Result]) -> None:
    tiles, captions = [], []
    for result in rejects:
        photo = listing.faces[result.number].image
        if isinstance(photo, Path | StoredImage):
            source = photo if isinstance(photo, Path) else photo.read()
            tiles.append(grids.letterbox(read_photo(source), SIDE))
            captions.append(f"{len(tiles)}. {result.face.id}: {result.face.detail}")
    if tiles:
        sheet = grids.labelled(grids.grid(np.stack(tiles), COLUMNS), captions)
        grids.save_still(sheet, path, "Photographs in which facespace found no face that could be used")
