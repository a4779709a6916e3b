"""Verbs for face data: download, prepare, show, verify."""

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from facespace.cli.app import Done, verb
from facespace.cli.options import (
    ANY_WORKERS,
    AlignMode,
    Flag,
    ForceSet,
    Split,
    WorkersOptions,
    optional_words,
    parse_size,
    words,
)
from facespace.cli.outputs import resumable
from facespace.cli.set_text import describe_set
from facespace.core.addresses import shown
from facespace.core.console import quoted
from facespace.core.errors import FaceSetError, UsageError

if TYPE_CHECKING:
    from facespace.data.processing import Alignment


@Parameter(name="*")
@dataclass(frozen=True)
class AlignOptions:
    """How faces are detected and aligned.

    Parameters
    ----------
    align
        Faces that are detected and moved to their place in CelebA's template before cropping: auto, those of
        a folder of photographs whose faces lie at different places; yes, all (--align alone means yes); no,
        none.
    detector
        The face detector of --align: yunet, haar, or auto.
    weights
        YuNet's weights, in place of fetching them.
    every_face
        All faces of a photograph instead of the largest.
    smallest
        Leave out faces with fewer pixels than this between the eyes.
    """

    align: AlignMode = "auto"
    detector: str = "auto"
    weights: Path | None = None
    every_face: Annotated[bool, Parameter(name="--all-faces", negative="")] = False
    smallest: Annotated[float, Parameter(name="--min-eye-distance")] = 20.0

    def spec(self) -> "Alignment | str":
        """What `prepare` takes as `align`. An option of the detector without --align means yes."""
        from facespace.data.processing import Alignment

        if self.align == "no" or (self.align == "auto" and self == UNALIGNED):
            return self.align
        return Alignment(
            self.detector, self.weights, all_faces=self.every_face, min_eye_distance=self.smallest
        )


UNALIGNED = AlignOptions()


@verb("facespace prepare SOURCE [ROOT] --to SET [OPTIONS]")
def prepare(
    source: str,
    root: Path | None = None,
    /,
    *,
    to: Path,
    size: str | None = None,
    crop: str | None = None,
    gray: Annotated[bool | None, Parameter(negative="--colour")] = None,
    limit: int | None = None,
    workers: WorkersOptions = ANY_WORKERS,
    seed: int = 0,
    attributes: str | None = None,
    table: Path | None = None,
    zeros: str = "unknown",
    background: str = "keep",
    keep: str | None = None,
    celeba: Path | None = None,
    cropped: str | None = None,
    enlarge: Flag = False,
    split: str | None = None,
    shard_size: str | None = None,
    copies: Literal["keep", "drop"] | None = None,
    near_copies: Literal["ignore", "keep", "drop"] = "ignore",
    alignment: AlignOptions = UNALIGNED,
    force: ForceSet = False,
) -> Done:
    """Make a set of face photographs ready for training.

    Example: facespace prepare folder my-photos --to sets/mine --size 64 --align

    Parameters
    ----------
    source
        Where the faces come from: celeba, celebamask-hq, lfw, yearbook, olivetti, folder (any tree of
        images), webdataset (tar shards), parquet (Hugging Face's) or synthetic (rendered; needs no ROOT).
    root
        The folder that the source lies in; for folder, webdataset and parquet also an address such as
        s3://BUCKET/FOLDER.
    to
        The folder to make; it appears only when it is complete. The same command continues after an
        interruption.
    size
        Pixels of a face: a side, or HEIGHTxWIDTH. [default: the source's own, 64 for most]
    crop
        What part of a picture to take: fit (largest centred part), center-148, box-148, around-128, center-N.
        [default: the source's own]
    gray
        One gray channel, or three colours. [default: the source's own]
    limit
        At most this many faces, spread evenly over the source.
    seed
        Which faces the source synthetic renders.
    attributes
        Keep only these, with commas between them. [default: all]
    table
        A CSV of attributes for the source folder (a column of file names, then one column an attribute), or
        the attribute table to use for lfw.
    zeros
        What 0 means in a 0/1 table of lfw: unknown or no.
    background
        What to do with what the masks of celebamask-hq call background: keep, blur, or a colour (black,
        #8899aa).
    keep
        Face parts of celebamask-hq that are not background, with commas: skin,hair,hat,… [default: all]
    celeba
        The folder of CelebA's own tables, for the identities of celebamask-hq.
    cropped
        The crop that the pictures already are, such as center-148; each is then resized whole, down to
        --size.
    enlarge
        With --cropped, take pictures that are smaller than --size too.
    split
        Where faces go that the source gives no split: train, validation or test. [default: by a hash]
    shard_size
        Bytes of a file of images, such as 1GiB or 256MiB; one-file for a single file. [default: one file up
        to 10 GiB of pixels, else 1GiB]
    copies
        Pictures with the same pixels as an earlier one: keep, or drop. [default: drop for webdataset and
        parquet, keep for the others]
    near_copies
        Pictures that are nearly the same, such as one photograph at two sizes: ignore, keep (found, and all
        of one in one split), or drop (all but the first).
    """
    from facespace.data.prepare import prepare as make

    start = time.monotonic()
    with resumable(to):
        faces = make(
            source,
            root,
            to=to,
            size=parse_size(size) if size else None,
            crop=crop,
            gray=gray,
            background=background,
            align=alignment.spec(),
            cropped=cropped,
            enlarge=enlarge,
            split=split,
            attributes=optional_words(attributes),
            workers=workers.where,
            shard_size=shard_size,
            copies=copies,
            near_copies=near_copies,
            force=force,
            limit=limit,
            seed=seed,
            table=table,
            zeros=zeros,
            keep=tuple(words(keep or "")),
            celeba=celeba,
        )
    card, skipped = faces.card, faces.card["skipped"]
    facts = {"set": str(to), "faces": len(faces), "skipped": skipped["total"], "reasons": skipped["reasons"]}
    for key in ("splits", "notes", "other_files", "masked_share", "alignment", "fingerprint"):
        if key in card:
            facts[key] = card[key]
    facts["seconds"] = round(time.monotonic() - start, 2)
    return Done(facts, f"{describe_set(card)}\nContact sheet: facespace show {quoted(to)} --to sheet.png")


@verb("facespace show SET --to FILE")
def show(
    data: Path,
    /,
    *,
    to: Path,
    count: Annotated[int, Parameter(alias="-n")] = 64,
    split: Split = "all",
) -> Done:
    """Draw a contact sheet of a prepared set, with a line of facts.

    Example: facespace show sets/celeba --to sheet.png

    Parameters
    ----------
    data
        A folder that facespace prepare made, or the address of one such as s3://BUCKET/SET.
    to
        The picture (.png, .jpg, .webp), or .npy for the faces as an array.
    count
        How many faces, spread evenly over the set.
    """
    from facespace.cli.faces import check_still, save_faces
    from facespace.data.faces import FaceSet, evenly_spaced
    from facespace.image import grids

    check_still(to)
    faces = FaceSet(data)
    rows = faces.rows(split)
    if count < 1:
        raise UsageError(f"The number of faces must be at least 1; got {count}.")
    if not len(rows):
        raise UsageError(f"{faces.place} has no faces in the split {split!r}: {faces.card['splits']}.")
    rows = evenly_spaced(rows, count)
    lines = describe_set(faces.card).splitlines()
    save_faces(faces.images[rows], to, lambda sheet: grids.labelled(sheet, lines))
    facts = {"to": str(to), "set": faces.place, "shown": len(rows), "faces": len(faces)}
    return Done(facts | {"splits": faces.card["splits"]}, f"{len(rows)} of {len(faces):,} faces in {to}")


@verb("facespace verify SET")
def verify(data: Path, /) -> Done:
    """Check the files of a prepared set: sizes, checksums, table rows and splits.

    Example: facespace verify sets/celeba

    Parameters
    ----------
    data
        A folder that facespace prepare made, as it is or copied, or the address of one such as
        s3://BUCKET/SET.
    """
    from facespace.data.verify import verify as check

    start = time.monotonic()
    found = check(data)
    if found.faults:
        raise FaceSetError("\n".join(found.faults))
    facts = {"set": shown(data), "faces": found.faces, "files": found.files, "bytes": found.bytes}
    facts["seconds"] = round(time.monotonic() - start, 2)
    size = f"{found.faces:,} faces in {found.files:,} files, {found.bytes / 1e6:,.1f} MB"
    return Done(facts, f"{shown(data)} is intact: {size}")


@verb("facespace download NAME --to ROOT --accept-terms")
def download(
    name: str,
    /,
    *,
    to: Path,
    accept_terms: Annotated[bool, Parameter(negative="", show_default=True)] = False,
    sha256: str | None = None,
) -> Done:
    """Fetch a set of face photographs, with its attributes, for facespace prepare.

    Without --accept-terms it only says how large the set is and on which terms.

    Example: facespace download yearbook --to faces/yearbook --accept-terms

    Parameters
    ----------
    name
        celeba, lfw or celebamask-hq (from Kaggle, with the extra kaggle; facespace doctor says how to install
        it), or yearbook.
    to
        The folder to bring it to. Files that are already in it stay.
    accept_terms
        You have read the terms and accept them.
    sha256
        SHA-256 of the archive, in hexadecimal: any other archive is refused. The first download prints it.
    """
    from facespace.data.downloads import download as bring

    done = bring(name, to, accept_terms=accept_terms, sha256=sha256)
    lines = [f"{name}: {done.files:,} files, {done.bytes / 1e9:,.2f} GB, in {to}"]
    if done.sha256:
        lines.append(f"SHA-256 of the archive: {done.sha256} (--sha256 refuses any other)")
    lines += [f"Missing: {sentence}" for sentence in done.missing]
    return Done(asdict(done), "\n".join([*lines, f"Next: {done.prepare}"]))
