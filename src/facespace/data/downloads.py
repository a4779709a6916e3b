"""The face data sets that can be downloaded: size, terms and origin of each, the files that must exist
afterwards, and the `prepare` line that follows. Transfers are in core/fetch.py; reading a set is in
sources/."""

import contextlib
import importlib
import os
import re
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from facespace.core import console, files
from facespace.core.cache import cache_folder
from facespace.core.console import quoted
from facespace.core.errors import UsageError, choose
from facespace.core.extras import install_command
from facespace.core.fetch import DamagedArchive, FetchError, fetch, unpack
from facespace.core.locks import writing

PICTURES = {".jpg", ".png"}


@dataclass(frozen=True)
class Table:
    """A file of labels that belongs to a set."""

    names: tuple[str, ...]  # any of these is enough
    holds: str
    source: str  # where its authors publish it
    # If set, `source` is the table itself, which starts with these characters and is downloaded where the
    # archive lacks it.
    begins: str = ""


@dataclass(frozen=True)
class Download:
    """A row of DOWNLOADS. Sizes are in bytes, and about right."""

    title: str
    sizes: tuple[int, int]  # to download, and on the disk
    terms: str  # a sentence, and its origin
    folder: str  # of the images, at ROOT or one folder below
    images: int
    prepare: str  # options of the `prepare` line
    source: str  # its page at Kaggle, or the authors' archive
    tables: tuple[Table, ...] = ()


KAGGLE = "https://www.kaggle.com/datasets/"
CELEBA = "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
LFW = "http://vis-www.cs.umass.edu/lfw/"
KUMAR = "http://www.cs.columbia.edu/CAVE/databases/pubfig/download/lfw_attributes.txt"
MASKS = "https://github.com/switchablenorms/CelebAMask-HQ"
YEARBOOK = "https://people.eecs.berkeley.edu/~shiry/projects/yearbooks/yearbooks.html"

DOWNLOADS: dict[str, Download] = {
    "celeba": Download(
        "CelebA, aligned and cropped (Liu et al., 2015)",
        sizes=(1_430_000_000, 1_550_000_000),
        terms=(
            f"For non-commercial research only; the images may not be passed on, sold or published. {CELEBA}"
        ),
        folder="img_align_celeba",
        images=202_599,
        prepare="--size 64",
        source=f"{KAGGLE}jessicali9530/celeba-dataset",
        tables=(
            Table(("list_attr_celeba.csv", "list_attr_celeba.txt"), "the 40 attributes", CELEBA),
            Table(("list_eval_partition.csv", "list_eval_partition.txt"), "the official split", CELEBA),
            Table(
                ("identity_CelebA.csv", "identity_CelebA.txt"), "identities; Kaggle's copy lacks it", CELEBA
            ),
        ),
    ),
    "lfw": Download(
        "Labeled Faces in the Wild, deep-funneled (Huang et al., 2007 and 2012)",
        sizes=(118_000_000, 125_000_000),
        terms=(
            "News photographs gathered for research; no licence is known, "
            f"so the rights stay with their owners. {LFW}"
        ),
        folder="lfw-deepfunneled",
        images=13_233,
        prepare="--size 45",
        source=f"{KAGGLE}jessicali9530/lfw-dataset",
        tables=(Table(("lfw_attributes.txt",), "73 attributes by Kumar et al.", KUMAR, begins="#"),),
    ),
    "celebamask-hq": Download(
        "CelebAMask-HQ (Lee et al., 2020)",
        sizes=(2_940_000_000, 4_200_000_000),
        terms=f"For non-commercial research and education only. {MASKS}",
        folder="CelebA-HQ-img",
        images=30_000,
        prepare="--size 64",
        source=f"{KAGGLE}ipythonx/celebamaskhq",
        tables=(
            Table(("CelebAMask-HQ-attribute-anno.txt",), "the 40 attributes", MASKS),
            Table(("CelebA-HQ-to-CelebA-mapping.txt",), "which CelebA image is which", MASKS),
        ),
    ),
    "yearbook": Download(
        "A Century of Portraits: American high-school yearbooks (Ginosar et al., 2015)",
        sizes=(800_000_000, 850_000_000),
        terms=(
            "Published by its authors for research; no licence is known, "
            f"so the rights stay with their owners. {YEARBOOK}"
        ),
        folder="faces_aligned_small_mirrored_co_aligned_cropped_cleaned",
        images=37_921,
        prepare="--size 171x186 --gray",
        source=(
            "https://www.dropbox.com/s/ubjjoo0b2wz4vgz/"
            "faces_aligned_small_mirrored_co_aligned_cropped_cleaned.tar.gz?dl=1"
        ),
    ),
}


@dataclass(frozen=True)
class Downloaded:
    """The result of `download`."""

    name: str
    to: str
    files: int
    bytes: int
    missing: list[str]  # sentences
    prepare: str  # the next command
    seconds: float
    sha256: str | None = None  # of the archive; None where none was fetched as one file


def download(
    name: str, to: Path, *, accept_terms: bool, sha256: str | None = None, client: Any = None
) -> Downloaded:
    """Downloads the data set `name` into the folder `to`; returns what it holds, what is missing and the next
    command.

    Existing files stay; an interrupted download continues. An archive whose SHA-256 is not the given one is
    not unpacked; the authors publish none, so the digest of an earlier download serves (it is in the result).
    `client` replaces kagglehub in tests. Raises UsageError, FetchError."""
    start = time.monotonic()
    chosen = choose(DOWNLOADS, name, "data set to download")
    sha256 = _checked_digest(chosen, sha256)
    if not accept_terms:
        raise UsageError(offer(name, to))
    if to.exists() and not to.is_dir():
        raise UsageError(f"--to {to} is a file. Name a folder.")
    console.note(f"{chosen.title}. Terms: {chosen.terms}")
    with writing(to):
        return _download(name, chosen, to, sha256, client, start)


def _checked_digest(chosen: Download, sha256: str | None) -> str | None:
    """The digest in lower case. Raises UsageError for another text, and for a set that has none."""
    if sha256 is None:
        return None
    if not re.fullmatch("[0-9a-fA-F]{64}", sha256):
        raise UsageError(f"--sha256 takes 64 hexadecimal digits; got {sha256!r:.90}.")
    if _has_client(chosen):
        raise UsageError(
            "--sha256 is of an archive that is fetched as one file; Kaggle's client fetches and checks this "
            "set itself. Leave it out."
        )
    return sha256.lower()


def _has_client(chosen: Download) -> bool:
    """Whether Kaggle's client fetches a set, and not an archive at an address."""
    return chosen.source.startswith(KAGGLE) and not os.environ.get("FACESPACE_MIRROR")


def _download(
    name: str, chosen: Download, to: Path, sha256: str | None, client: Any, start: float
) -> Downloaded:
    root, digest = to.resolve(), None
    stage = root.with_name(f".{root.name}.download")
    if not stage.is_dir() and not _count(root, chosen):
        digest = _bring(name, chosen, stage, sha256, _by_hand(chosen, to), client)
    if stage.is_dir():
        if not _count(stage, chosen) + _count(root, chosen):
            shutil.rmtree(stage)
            raise FetchError(
                f"{chosen.source} gave no images in a folder {chosen.folder}. {_by_hand(chosen, to)}"
            )
        _merge(stage, root)
    missing = _missing_images(chosen, root, to)
    for table in chosen.tables:
        missing += _complete(name, table, root)
    sizes = [path.lstat().st_size for path in _files(root)]
    prepare = f"facespace prepare {name} {quoted(to)} --to sets/{name} {chosen.prepare}"
    seconds = round(time.monotonic() - start, 2)
    return Downloaded(name, str(to), len(sizes), sum(sizes), missing, prepare, seconds, digest)


def _missing_images(chosen: Download, root: Path, to: Path) -> list[str]:
    count = _count(root, chosen)
    if count >= chosen.images:
        return []
    hint = f"To download them anew, remove {to}; if images are still missing, see {chosen.source}"
    return [f"{count:,} of {chosen.images:,} images are there. {hint}"]


def _files(root: Path) -> list[Path]:
    """All files below a folder."""
    found: list[Path] = []
    for folder, _, names in os.walk(root):
        found += [Path(folder, name) for name in names]
    return found


def offer(name: str, to: Path) -> str:
    """The size, origin and terms of a data set, and the command that accepts them."""
    chosen = DOWNLOADS[name]
    packed, unpacked = chosen.sizes
    return (
        f"{chosen.title}: {chosen.images:,} images, "
        f"about {packed / 1e9:.2f} GB to download and {unpacked / 1e9:.2f} GB on the disk.\n"
        f"From: {chosen.source}\nTerms: {chosen.terms}\n"
        f"If you accept them: facespace download {name} --to {quoted(to)} --accept-terms"
    )


def _by_hand(chosen: Download, to: Path) -> str:
    return f"By hand: download {chosen.source} in a browser, unpack it into {to}, and run this again."


def _bring(
    name: str, chosen: Download, stage: Path, sha256: str | None, by_hand: str, client: Any
) -> str | None:
    """Creates the complete folder `stage` from Kaggle, a mirror or the authors' archive. Returns the SHA-256
    of the archive; None of a set that Kaggle's client fetched."""
    at_kaggle = chosen.source.startswith(KAGGLE)
    if client is not None or _has_client(chosen):
        _link_tree(_from_kaggle(chosen.source.removeprefix(KAGGLE), by_hand, client), stage)
        return None
    url = f"{chosen.source}.zip" if at_kaggle else chosen.source  # .zip: as Kaggle names it
    try:
        archive = _fetch(name, url, sha256)
        digest = sha256 or files.sha256(archive)
        try:
            unpack(archive, stage)
        except DamagedArchive:
            archive.unlink()
            raise
    except FetchError as error:
        raise FetchError(f"{error} {by_hand}") from error
    archive.unlink()
    return digest


def _fetch(name: str, url: str, sha256: str | None = None) -> Path:
    """The file at `url`, or of that name at $FACESPACE_MIRROR/<name>/, in the cache."""
    file = urlsplit(url).path.rsplit("/", 1)[-1]
    mirror = os.environ.get("FACESPACE_MIRROR")
    if mirror:
        url = f"{mirror.rstrip('/')}/{name}/{file}"
    return fetch(url, cache_folder() / "downloads" / name / file, sha256=sha256)


def _from_kaggle(handle: str, by_hand: str, client: Any) -> Path:
    try:
        client = client or importlib.import_module("kagglehub")
        with contextlib.redirect_stdout(sys.stderr):  # stdout is for results
            return Path(client.dataset_download(handle, path=None, force_download=False))
    except ImportError as error:
        hint = f"Kaggle's downloads need kagglehub: {install_command('kaggle')}."
        raise FetchError(f"{hint} {by_hand}") from error
    except Exception as error:  # whatever kagglehub and the network below it may raise
        reason = " ".join(str(error).split()) or type(error).__name__
        hint = "It may need an account: https://www.kaggle.com/settings. Received data is kept; run again."
        raise FetchError(f"Kaggle did not give {handle}: {reason}. {hint} {by_hand}") from error


def _link_tree(source: Path, stage: Path) -> None:
    """The files of `source` under `stage`: hard links where the disk allows them, copies elsewhere."""
    paths = _files(source)
    with files.build_folder(stage) as folder, console.progress(len(paths), "Placing", "files") as advance:
        for path in paths:
            target = folder / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(path, target)
            except OSError:
                shutil.copyfile(path, target)
            advance(1)


def _merge(source: Path, target: Path) -> None:
    """Moves `source` to `target`. Files that are already there stay, and so does everything else."""
    if not target.exists():
        source.replace(target)
    elif source.is_dir() and target.is_dir():
        for child in sorted(source.iterdir()):
            _merge(child, target / child.name)
        source.rmdir()
    else:
        source.unlink()


def _find(root: Path, name: str) -> Path | None:
    """The file or folder of that name at `root` or one folder below."""
    for pattern in (name, f"*/{name}"):
        for path in sorted(root.glob(pattern)):
            return path
    return None


def _count(root: Path, chosen: Download) -> int:
    """The number of images."""
    folder = _find(root, chosen.folder)
    if folder is None:
        return 0
    return sum(path.suffix in PICTURES for path in _files(folder))


def _complete(name: str, table: Table, root: Path) -> list[str]:
    """Downloads the table where it is missing and can be had; else a sentence on what is missing and where to
    put it."""
    if any(_find(root, file) for file in table.names):
        return []
    folder = _find(root, DOWNLOADS[name].folder) or root / "-"
    target, problem = folder.parent / table.names[-1], ""  # beside the folder of images
    if table.begins:
        try:
            received = _fetch(name, table.source)
            content = received.read_bytes()
            received.unlink()
            if content.startswith(table.begins.encode()):
                with files.write_atomically(target) as beside:
                    beside.write_bytes(content)
                return []
            problem = " Another file was found where it should be."
        except FetchError as error:
            problem = f" {error}"
    return [
        f"{table.names[-1]} ({table.holds}) is missing.{problem} "
        f"Get it from {table.source} and put it at {target}"
    ]
