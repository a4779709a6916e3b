"""Reads files at addresses (`addresses.py`) through fsspec: sizes, small files, blocks of large ones, what a
folder holds. Credentials are the business of the package behind a scheme; what goes wrong becomes one
sentence without them. fsspec is imported when an address is read."""

import contextlib
import hashlib
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from facespace.core import hub
from facespace.core.addresses import Address
from facespace.core.errors import FacespaceError, suggest
from facespace.core.extras import install_command

BLOCK = 2**22  # bytes that are read at a time
HUB = "hf"
# Parts of messages of others that may let someone in: queries and user names of addresses, tokens.
_SECRETS = re.compile(
    r"(?<=\w)\?[^\s'\"]+|(?<=://)[^\s/@]+@|hf_\w{6,}|(?<=Bearer )[^\s'\"]+|(?<=[Kk]ey[=:])\S+"
)


class RemoteError(FacespaceError):
    """What lies at an address cannot be read."""


class RemoteUnreachable(RemoteError):
    """An address that cannot be read now; what is in the cache can still be used."""


class RemoteFile(NamedTuple):
    """A file below a folder, by its name in it, and its bytes."""

    name: str
    size: int


def size_of(address: Address) -> int | None:
    """The bytes of a file; None where there is none. Raises RemoteError."""
    return _facts(address)[0]


def version_of(address: Address) -> tuple[int, str]:
    """The bytes of a file, and a text that changes with it as far as its place says. Raises RemoteError also
    where there is no file."""
    size, version = _facts(address)
    if size is None:
        raise RemoteError(f"{address} is not there. Check the address.")
    return size, version


def _facts(address: Address) -> tuple[int | None, str]:
    with _speaking(address):
        files, path = _open(address)
        try:
            facts = files.info(path)
        except FileNotFoundError:
            return None, ""
    known = {name: facts[name] for name in ("size", "ETag", "etag", "mtime", "LastModified") if name in facts}
    if facts.get("type") == "directory" or not isinstance(facts.get("size"), int):
        raise RemoteError(
            f"{address} is a folder, or a file of unknown size, and cannot be read as one file."
        )
    return facts["size"], hashlib.sha256(repr(sorted(known.items())).encode()).hexdigest()


def read_small(address: Address, most: int) -> bytes | None:
    """The bytes of a file of at most `most`; None where there is none. Raises RemoteError."""
    with _speaking(address):
        files, path = _open(address)
        with contextlib.suppress(NotImplementedError):
            files.invalidate_cache()
        try:
            with files.open(path, "rb") as file:
                content = file.read(most + 1)
        except (FileNotFoundError, IsADirectoryError):
            return None
    if len(content) > most:
        raise RemoteError(f"{address} has more than the {most:,} bytes that are read.")
    return content


def blocks(address: Address) -> Iterator[bytes]:
    """The bytes of a file in parts. Raises RemoteError."""
    with _speaking(address):
        files, path = _open(address)
        opened = files.open(path, "rb")
    with opened:
        while True:
            with _speaking(address):
                block = opened.read(BLOCK)
            if not block:
                return
            yield block


def files_below(address: Address) -> list[RemoteFile]:
    """All files below a folder in the order of their names. Raises RemoteError also where there are none."""
    with _speaking(address):
        files, path = _open(address)
        found = files.find(path, detail=True)
    root = path.strip("/") + "/"
    listed = []
    for name, facts in found.items():
        inside = name.strip("/")
        if inside.startswith(root):
            listed.append(RemoteFile(inside.removeprefix(root), int(facts.get("size") or 0)))
    if not listed:
        raise RemoteError(f"{address} holds no files. Check the address.")
    return sorted(listed, key=lambda file: file.name.split("/"))


def _open(address: Address) -> tuple[Any, str]:
    """The file system of an address, and the path in it. Raises RemoteError where a package is missing."""
    try:
        import fsspec
        from fsspec.core import url_to_fs
        from fsspec.registry import known_implementations
    except ImportError as error:
        raise RemoteError(
            f"Addresses such as {address} need fsspec. Run: {install_command('remote')}"
        ) from error
    if address.scheme not in fsspec.available_protocols():
        raise RemoteError(
            f"{address.scheme}:// is no scheme that fsspec knows. "
            f"{suggest(address.scheme, ('s3', 'gs', 'hf', 'az', 'http', 'https', 'sftp', 'file'))}"
        )
    try:
        return url_to_fs(address.url)
    except ImportError as error:
        package = _package(known_implementations.get(address.scheme, {}))
        raise RemoteError(
            f"{address.scheme}:// addresses need a package that is not installed. Run: pip install {package}"
        ) from error


def _package(known: dict[str, str]) -> str:
    """The distribution that reads a scheme, from fsspec's table of file systems."""
    module = known.get("class", "").partition(".")[0]
    if module and module not in ("fsspec", *sys.stdlib_module_names):
        return module
    quoted = re.findall(r'"([\w-]+)"', known.get("err", ""))
    return " ".join(quoted) or re.sub(r"\W+", "", known.get("err", "fsspec").split(" ")[-1])


@contextmanager
def _speaking(address: Address) -> Iterator[None]:
    """What the packages behind schemes raise inside the block becomes a RemoteError of one sentence; that no
    file is there stays a FileNotFoundError where the caller handles it."""
    try:
        with hub.speaking(str(address)) if address.scheme == HUB else contextlib.nullcontext():
            try:
                yield
            except FileNotFoundError as error:  # which the hub's client raises without a number
                raise RemoteError(f"{address} is not there. Check the address.") from error
    except FacespaceError:
        raise
    except PermissionError as error:
        raise RemoteError(
            f"{address} may not be read ({_reason(error)}). Log in as the package behind {address.scheme}:// "
            "asks."
        ) from error
    except Exception as error:  # of many packages, each with its own
        raise RemoteUnreachable(
            f"{address} could not be read ({_reason(error)}). Check the address, the network and your login, "
            "and run again."
        ) from error


def _reason(error: BaseException) -> str:
    """The first line of a message of others, without what may let someone in."""
    lines = _SECRETS.sub("…", str(error)).strip().splitlines()
    return lines[0][:200].rstrip(".") if lines else type(error).__name__
