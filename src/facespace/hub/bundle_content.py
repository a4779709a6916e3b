"""What `push` sends of a space: the files of its bundle, checked by opening them, samples that its decoder
makes, its card and its licence. Sends nothing."""

import io
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from facespace.core.cards import CARD, RESTORE_HINT, Card
from facespace.core.errors import BundleError
from facespace.hub.model_card import LICENSE, licence_text, model_card
from facespace.image import provenance
from facespace.image.sheets import sheet
from facespace.models import bundle, fitted, graphs, hub_download
from facespace.models.additions import BUNDLE_FILES
from facespace.models.bundle_card import checked, read_card
from facespace.space.face_space import FaceSpace

SAMPLES, SEED, TEMPERATURE = 16, 0, 0.8  # of the picture on the page
PICTURE, README = "samples.png", "README.md"


@dataclass(frozen=True)
class Content:
    """What becomes of a repository in one commit: files of this machine and texts by their names there,
    whether it shows people whose likeness it is, and of a bundle its folder and when it was written."""

    files: dict[str, Path]
    texts: dict[str, bytes]
    likeness: bool = False
    checked: tuple[Path, bundle.Written | None] | None = None

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes by name."""
        found = {name: path.stat().st_size for name, path in self.files.items()}
        return {**found, **{name: len(text) for name, text in self.texts.items()}}


def of_space(space: FaceSpace, repository: str, page: str) -> Content:
    """The content of a space for a repository USER/NAME whose address is `page`. Raises BundleError for a
    space in memory alone, one that is damaged in any part, and one that is too large."""
    if space.card.get("in_memory"):
        raise BundleError(
            "This tuned space is in memory alone, and the hub takes the files of a bundle. Save it first: "
            "facespace adapt PHOTOS --to SPACE"
        )
    folder = space.folder
    written = bundle.written_at(folder)
    card: Card = {**checked(read_card(folder))}
    names = [name for name in hub_download.files_of(card) if name in BUNDLE_FILES]
    _open_all(space, card)
    files = {name: folder / name for name in names}
    hub_download.check_sizes(str(folder), Content(files, {}).sizes)
    likeness, texts = "adapted" in card, {}
    if not likeness:  # whose samples show people who exist
        texts[PICTURE] = _samples(space)
    texts[README] = model_card(folder, repository, page, [*texts]).encode()
    if terms := licence_text(card):
        texts[LICENSE] = terms.encode()
    return Content(files, texts, likeness, (folder, written))


@contextmanager
def held(content: Content) -> Iterator[dict[str, Path]]:
    """The files of a content under names of their own, by which they stay what was checked: a run that
    goes on replaces its bundle. Raises BundleError where that has happened already."""
    with tempfile.TemporaryDirectory(prefix="facespace-") as folder:
        found = {}
        for number, (name, path) in enumerate(content.files.items()):
            found[name] = Path(folder, f"{number}{path.suffix}")
            try:
                found[name].hardlink_to(path.resolve())
            except OSError:  # another disk, or one without links
                shutil.copyfile(path, found[name])
        if content.checked and bundle.written_at(content.checked[0]) != content.checked[1]:
            raise BundleError(f"{content.checked[0]} was replaced meanwhile. Run the command again.")
        yield found


def _open_all(space: FaceSpace, card: Card) -> None:
    """Opens what was fitted to the model too, so that nothing damaged is sent. Raises BundleError."""
    loaded = space.torch_engine.bundle
    if damaged := card.get("damaged"):
        raise BundleError(
            f"{loaded.folder / CARD} does not describe its {damaged[0]} rightly. {RESTORE_HINT}"
        )
    if card["fingerprint"] != space.card["fingerprint"]:
        raise BundleError(f"{loaded.folder} holds another model than the one that was opened. Open it again.")
    for kind in card.get("priors") or {}:
        fitted.load_prior(loaded, kind)
    if "directions" in card:
        fitted.load_directions(loaded)
    if "discriminator" in card:
        fitted.load_discriminator(loaded)
    if "encoded" in card and fitted.load_encoded(loaded) is None:
        raise BundleError(f"{loaded.folder} has encoded faces of other weights. {RESTORE_HINT}")
    for name in graphs.graphs_of(card):
        graphs.checked_graph(loaded.folder, name, graphs.read_graph_tensors(loaded.folder, loaded.card, name))


def _samples(space: FaceSpace) -> bytes:
    """New faces of the default prior as a PNG: no photograph of anyone."""
    written = io.BytesIO()
    tag = provenance.exif(provenance.PROVENANCE_TAG, sheet=True)
    sheet(space.sample(SAMPLES, SEED, TEMPERATURE)).save(written, "PNG", exif=tag)
    return written.getvalue()
