"""Downloads that resume, are verified and appear whole, and archives that unpack only into their own folder.
Independent of data sets and hosts.

Not pooch: it has no HTTP range requests (an interrupted download of 3 GB starts anew), does not compare the
file's version (If-Range) and does not check the free space, which are most of this file; its checksums would
replace six lines."""

import gzip
import http.client
import json
import lzma
import re
import shutil
import stat
import tarfile
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path, PureWindowsPath
from typing import IO, Any, NamedTuple
from urllib.parse import unquote, urlsplit

from facespace.core import console, files
from facespace.core.errors import FacespaceError
from facespace.core.locks import WAIT, writing

TIMEOUT = 30.0  # seconds without a byte
TRIES = 4  # in a row without a new byte
PAUSE = 1.0  # seconds before the second try; doubles with each
MEGABYTE = 1_000_000
DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    RuntimeError,
)


class FetchError(FacespaceError):
    """A file could not be fetched or unpacked."""


class DamagedArchive(FetchError):
    """An archive that must be downloaded again."""


class _Dropped(Exception):
    """The connection ended early, or the server is busy; another try may succeed."""


class _HttpOnly(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        """Follows redirects to http and https only, and never from https to http."""
        _check_scheme(newurl)
        if urlsplit(req.full_url).scheme == "https" and urlsplit(newurl).scheme == "http":
            raise FetchError(f"{_name(req.full_url)} redirects from https to plain http; not followed.")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def fetch(url: str, to: Path, *, sha256: str | None = None, tries: int | None = None) -> Path:
    """Downloads the file at `url` to `to`. A partial download of an earlier run is resumed if the server
    still has the same file. An existing file, with the right checksum where one is given, is returned at
    once. Raises FetchError, also after so many `tries` (TRIES by default) in a row without a new
    byte."""
    _check_scheme(url)
    with writing(to, WAIT):
        if not to.is_file() or (sha256 and files.sha256(to) != sha256):
            _fetch(url, to, sha256, tries or TRIES)
    return to


def _fetch(url: str, to: Path, sha256: str | None, tries: int) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    part, tag = to.with_name(f"{to.name}.part"), to.with_name(f"{to.name}.part.tag")
    _receive_all(url, part, tag, tries)
    found = sha256 and files.sha256(part)
    if found != sha256:
        part.unlink()
        tag.unlink(missing_ok=True)
        raise FetchError(
            f"{_name(url)} has the SHA-256 {found}, not the expected {sha256}: "
            "it was damaged on the way or replaced. "
            "Nothing was kept; run again, and if it stays so, do not use the file."
        )
    files.flush(part)
    part.replace(to)
    tag.unlink(missing_ok=True)


def _receive_all(url: str, part: Path, tag: Path, tries: int) -> None:
    """Connects until `part` has its full length. Raises FetchError after `tries` connections without a new
    byte."""
    most = failures = 0
    while True:
        try:
            return _receive(url, part, tag)
        except _Dropped as dropped:
            kept, _ = _kept(url, part, tag)
            failures = 1 if kept > most else failures + 1
            most = max(most, kept)
            if failures >= tries:
                hint = "Try again later."
                if kept:
                    hint = f"Run again to continue after the {kept:,} bytes that are kept."
                raise FetchError(f"{_name(url)} could not be fetched: {dropped}. {hint}") from dropped
            time.sleep(PAUSE * 2 ** (failures - 1))


def _receive(url: str, part: Path, tag: Path) -> None:
    """One connection: completes `part`, or raises."""
    offset, validator = _kept(url, part, tag)
    response = _connect(url, part, offset, validator)
    if response is None:  # all of it was received before
        return
    with response:
        start, total = _extent(response)
        if start not in (0, offset):
            part.unlink(missing_ok=True)
            raise _Dropped(f"the server did not send the bytes from {offset:,} on")
        if not start:
            etag = response.headers.get("ETag", "")  # a weak one, W/"…", cannot vouch for single bytes
            if not etag.startswith('"'):
                etag = response.headers.get("Last-Modified", "")
            part.unlink(missing_ok=True)
            files.write_json(tag, {"url": url, "validator": etag})
        check_space(part, (total or start) - start, _name(url))
        _copy(response, part, start, total, _name(url))


def _connect(url: str, part: Path, offset: int, validator: str) -> Any:
    """The server's response with the bytes from `offset` on, or None where there are no more. Raises _Dropped
    where another try may help, else FetchError."""
    headers = {"User-Agent": "facespace", "Accept-Encoding": "identity"}
    if offset:
        headers |= {"Range": f"bytes={offset}-", "If-Range": validator}
    try:
        request = urllib.request.Request(url, headers=headers)
        return urllib.request.build_opener(_HttpOnly).open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416 and error.headers.get("Content-Range", "").endswith(f"/{offset}"):
            return None
        if error.code == 416:  # the part is longer than the file: the file has changed
            part.unlink(missing_ok=True)
        answer = f"the server answered {error.code} {error.reason}"
        if error.code in (408, 416, 425, 429) or error.code >= 500:
            raise _Dropped(answer) from error
        raise FetchError(
            f"{_name(url)} could not be fetched: {answer}. Has it moved? Open {url} to see."
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise _Dropped(str(getattr(error, "reason", error)) or type(error).__name__) from error


def _copy(response: IO[bytes], part: Path, start: int, total: int | None, name: str) -> None:
    received = 0
    left = ((total or start) - start) // MEGABYTE
    with part.open("ab") as file, console.progress(left, f"Fetching {name}", "MB") as advance:
        while block := _read(response):
            file.write(block)
            advance((received + len(block)) // MEGABYTE - received // MEGABYTE)
            received += len(block)
    if total is not None and start + received != total:
        raise _Dropped(f"the connection ended after {start + received:,} of {total:,} bytes")


def _read(response: IO[bytes]) -> bytes:
    try:
        return response.read(1 << 18)
    except (OSError, http.client.HTTPException) as error:
        raise _Dropped(str(error) or type(error).__name__) from error


def _extent(response: Any) -> tuple[int, int | None]:
    """The offset of the response's bytes in the file, and the length of the whole file."""
    length = response.headers.get("Content-Length")
    if response.status != 206:
        return 0, (int(length) if length else None)
    found = re.match(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
    if not found:
        return -1, None
    return int(found[1]), int(found[2])


def _kept(url: str, part: Path, tag: Path) -> tuple[int, str]:
    """How many bytes are kept, and the validator (ETag or Last-Modified) of the file that they belong to."""
    try:
        note = json.loads(tag.read_text(encoding="utf-8"))
        if note["url"] == url and note["validator"]:
            return part.stat().st_size, note["validator"]
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return 0, ""


def _check_scheme(url: str) -> None:
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise FetchError(f"{url} is not fetched: only http and https addresses are.")


def _name(url: str) -> str:
    parts = urlsplit(url)
    return f"{unquote(parts.path.rsplit('/', 1)[-1]) or 'the page'} from {parts.hostname}"


def check_space(path: Path, needed: int, what: str) -> None:
    """Raises FetchError where the disk of a path has fewer free bytes than `what` needs."""
    place = next(parent for parent in path.absolute().parents if parent.is_dir())
    free = shutil.disk_usage(place).free
    if needed > free:
        sizes = f"needs {needed / 1e9:,.2f} GB, but {free / 1e9:,.2f} GB are free in {place}"
        raise FetchError(f"{what} {sizes}. Free some space, or choose another disk, and run again.")


def unpack(archive: Path, to: Path) -> int:
    """Unpacks a zip or tar (also compressed) into the folder `to`, which appears whole or not at all; returns
    the number of files. An archive with a name or a link that leaves the folder is refused, and nothing of it
    is kept."""
    if to.exists() and not (to.is_dir() and not any(to.iterdir())):
        raise FetchError(
            f"{to} is not an empty folder; {archive.name} is unpacked into an empty or a new one only."
        )
    try:
        with archive.open("rb") as file:
            zipped = file.read(2) == b"PK"
        return _unpack_zip(archive, to) if zipped else _unpack_tar(archive, to)
    except DAMAGE as error:
        reason = str(error).partition(":")[0]
        raise DamagedArchive(f"{archive} is damaged or no archive ({reason}). Fetch it again.") from error


class _Member(NamedTuple):
    """An entry of an archive that is no folder."""

    name: str
    size: int  # bytes
    regular: bool  # neither a link nor a device nor a pipe
    handle: Any  # the archive's own description of it


def _unpack_zip(archive: Path, to: Path) -> int:
    with zipfile.ZipFile(archive) as opened:
        members: list[_Member] = []
        for entry in opened.infolist():
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if not entry.is_dir():
                members.append(_Member(entry.filename, entry.file_size, kind in (0, stat.S_IFREG), entry))
        return _extract(archive, to, members, opened.open)


def _unpack_tar(archive: Path, to: Path) -> int:
    with tarfile.open(archive) as opened:
        members: list[_Member] = []
        for entry in opened.getmembers():
            if not entry.isdir():
                members.append(_Member(entry.name, entry.size, entry.isreg(), entry))
        return _extract(archive, to, members, opened.extractfile)


def _extract(
    archive: Path, to: Path, members: Sequence[_Member], content_of: Callable[[Any], IO[bytes] | None]
) -> int:
    """Writes the members as plain files of this process's own making: of what an archive says of its entries,
    names and bytes alone count. The filters of tarfile are not used: those of some Pythons let links out
    (CVE-2025-4517)."""
    by_name = {member.name: member for member in members}  # of several files of one name the last one counts
    for member in by_name.values():
        _check_member(archive, member)
    check_space(to, sum(member.size for member in by_name.values()), archive.name)
    title = f"Unpacking {archive.name}"
    with files.build_folder(to) as folder, console.progress(len(by_name), title, "files") as advance:
        for member in by_name.values():
            target = folder / member.name
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("xb") as written:
                    _copy_member(content_of(member.handle), written, member.size)
            except (FileExistsError, NotADirectoryError) as error:
                raise DamagedArchive(
                    f"{archive} is damaged: {member.name!r} is a file and a folder. Fetch it again."
                ) from error
            advance(1)
    return len(by_name)


def _check_member(archive: Path, member: _Member) -> None:
    path = PureWindowsPath(member.name)  # splits at both slashes and finds drives
    if path.anchor or ".." in path.parts or not path.parts or "\0" in member.name:
        raise FetchError(
            f"{archive} is refused: its file {member.name!r} would leave the folder. Do not use it."
        )
    if not member.regular:
        raise FetchError(
            f"{archive} is refused: {member.name!r} is a link or a device, which no data set needs. "
            "Do not use it."
        )


def _copy_member(source: IO[bytes] | None, to: IO[bytes], size: int) -> None:
    """Copies at most the bytes that the archive has announced."""
    if source is None:
        raise EOFError
    with source:
        left = size
        while block := source.read(min(left, 1 << 20)):
            to.write(block)
            left -= len(block)
    if left:
        raise EOFError
