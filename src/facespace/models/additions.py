"""What is added to a bundle that is there: tensors, files and entries of its card, all or none of them."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from facespace.core.cards import (
    CARD,
    DIRECTIONS,
    DISCRIMINATOR,
    ENCODED,
    WEIGHTS,
    Card,
    fingerprint,
    prior_file,
)
from facespace.core.console import note
from facespace.core.errors import BundleError
from facespace.core.files import build_folder, is_own
from facespace.core.locks import WAIT, writing
from facespace.models.bundle import Bundle, Tensors, read_card, write_files
from facespace.models.bundle_card import MODEL_PRIOR, Entry, Fields
from facespace.models.graphs import DECODER, ENCODER, QUANTIZER, prior_graph
from facespace.models.locations import check_writable
from facespace.models.prior_facts import STORED_KINDS

# All files of a bundle that facespace writes.
BUNDLE_FILES = frozenset(
    (
        *(CARD, WEIGHTS, DIRECTIONS, DISCRIMINATOR, ENCODED, *map(prior_file, STORED_KINDS)),
        *(ENCODER, DECODER, QUANTIZER, *map(prior_graph, (MODEL_PRIOR, *STORED_KINDS))),
    )
)


def add_tensors(loaded: Bundle, file: str, tensors: Tensors, about: Fields, place: tuple[str, ...]) -> Entry:
    """Writes a file of tensors into a bundle, and an entry with the fields `about` into its card under the
    keys `place`, one or two; returns the entry. Raises BundleError where the folder holds another model by
    now."""
    folder = loaded.folder
    if loaded.card.get("in_memory"):
        raise BundleError(
            "This tuned space is in memory alone, and nothing can be kept with it. Save one: facespace adapt "
            "PHOTOS --to SPACE"
        )
    check_writable(folder)
    with writing(folder, WAIT):  # the card is read inside: another process may have added an entry
        card = read_card(folder)
        _check_same(loaded, card)
        entry = {**about, "weights": card["fingerprint"], "fingerprint": fingerprint(tensors)}
        table = card if len(place) == 1 else card.setdefault(place[0], {})
        table[place[-1]] = entry
        # The card and the file change together or not at all, so the folder is replaced whole.
        with changed_folder(folder) as beside:
            write_files(beside, card, {file: tensors})
    return cast(Entry, entry)


def add_facts(loaded: Bundle, key: str, facts: Fields) -> None:
    """Writes an entry without tensors into the card of a bundle, in place of an older one."""
    with writing(loaded.folder, WAIT):
        card = read_card(loaded.folder)
        with changed_folder(loaded.folder) as beside:
            write_files(beside, {**card, key: facts}, {})


def add_files(loaded: Bundle, files: Mapping[str, bytes], key: str, facts: Fields) -> None:
    """Writes files and an entry without tensors into a bundle, in place of older ones. Raises BundleError
    where the folder holds another model by now."""
    with writing(loaded.folder, WAIT):
        card = read_card(loaded.folder)
        _check_same(loaded, card)
        with changed_folder(loaded.folder) as beside:
            for name, content in files.items():
                (beside / name).unlink(missing_ok=True)
                (beside / name).write_bytes(content)
            write_files(beside, {**card, key: facts}, {})


def _check_same(loaded: Bundle, card: Card) -> None:
    if card.get("fingerprint") != loaded.card["fingerprint"]:
        raise BundleError(
            f"{loaded.folder} holds another model than the one that was opened. Open it and try again."
        )


@contextmanager
def changed_folder(folder: Path) -> Iterator[Path]:
    """A copy of a bundle's folder, which takes its place after the block.

    What links point to is never copied, since whoever sent the bundle chose it: links of a bundle's own files
    stay links, and others are left out, with a note."""
    with build_folder(folder) as beside:
        for path in folder.iterdir():
            if path.is_symlink():
                _copy_link(path, beside)
            elif path.is_file() and not is_own(path):
                shutil.copy2(path, beside / path.name)
            elif path.is_dir() and not is_own(path):
                shutil.copytree(path, beside / path.name, symlinks=True)
        yield beside


def _copy_link(path: Path, to: Path) -> None:
    if path.name in BUNDLE_FILES:
        (to / path.name).symlink_to(path.readlink())
    else:
        note(f"{path} is a link to {path.readlink()}, and was left out.")
