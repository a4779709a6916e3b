"""Addresses of files and folders that lie elsewhere, such as s3://BUCKET/FOLDER, also as paths, in which ://
has lost a slash. Speaks to no network."""

import re
from dataclasses import dataclass
from pathlib import Path

from facespace.core.errors import UsageError

# Of two letters at least, since one is a drive of Windows.
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+(.*)", re.DOTALL)
_USER = re.compile(r"^[^/@]*@")  # a name and a password before a host


@dataclass(frozen=True)
class Address:
    """A file or a folder elsewhere: the scheme, which says how it is reached, and its path there."""

    scheme: str
    path: str

    @property
    def url(self) -> str:
        """The whole address, perhaps with a password: never shown."""
        root = "/" if self.scheme == "file" else ""
        return f"{self.scheme}://{root}{self.path}"

    def __str__(self) -> str:
        """The address without a user name and a password."""
        return Address(self.scheme, _USER.sub("", self.path)).url

    def __truediv__(self, name: str) -> "Address":
        return Address(self.scheme, f"{self.path.rstrip('/')}/{name}")

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rstrip("/").rpartition("/")[2]


def address_of(path: Path | str) -> Address | None:
    """The address that a path or a text names; None for a path of this machine. Raises UsageError for an
    address that is no plain one."""
    found = _ADDRESS.fullmatch(path.as_posix() if isinstance(path, Path) else path)
    if found is None or Path(path).exists():  # a folder may be called "s3:"
        return None
    address = Address(found[1].lower(), found[2])
    if "::" in address.path or ("?" in address.path and address.scheme in ("http", "https")):
        raise UsageError(
            f"{str(address).partition('?')[0]} is no plain address. Name one like s3://BUCKET/FOLDER, "
            "without '::' and '?'."
        )
    return address


def is_address(path: Path | str) -> bool:
    """Whether a path names something that lies elsewhere."""
    return address_of(path) is not None


def check_here(to: Path) -> None:
    """Raises UsageError for an address where something would be written: results go to this machine."""
    if address := address_of(to):
        raise UsageError(
            f"--to {address} is an address, and results are written to this machine alone. Name a folder or "
            "a file; copy it there afterwards."
        )


def shown(path: Path | str) -> str:
    """A path as messages name it: of an address without a password."""
    return str(address_of(path) or path)
