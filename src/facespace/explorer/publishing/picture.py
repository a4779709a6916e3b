"""The picture of a site that links to it show: random faces of its first space."""

from pathlib import Path

from PIL import Image, ImageOps

from facespace.explorer.engine import Engine
from facespace.image import grids

SIZE = 1200, 630  # pixels, as the Open Graph protocol's readers show them
FACES, COLUMNS, SEED = 8, 4, 1
TRUNCATION = 0.7  # faces near the average have fewer faults
GROUND = "#f4f1ea"


def draw_card(engine: Engine, to: Path) -> None:
    """Draws faces of a space in two rows and saves the picture."""
    z = engine.random(FACES, SEED, TRUNCATION, engine.space.default_prior)
    sheet = grids.grid(engine.decode(z), COLUMNS, scale=4, gap=12, color=GROUND)
    grids.save_still(ImageOps.pad(sheet, SIZE, Image.Resampling.LANCZOS, color=GROUND), to)
