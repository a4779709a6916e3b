"""Addresses of spaces on the Hugging Face hub, hf://USER/NAME@REVISION, and the folders of its cache that
hold them. Speaks to no network and imports nothing of the hub."""

import re
from dataclasses import dataclass
from pathlib import Path

from facespace.core.errors import UsageError

SCHEME = "hf:"
MAIN = "main"  # the branch of an address without a revision
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")  # of a name or of a revision
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SNAPSHOT = re.compile(r"models--(?P<user>[\w.-]+?)--(?P<name>[\w.-]+)")  # as the hub's cache names a folder
LONGEST = 96  # characters of USER/NAME and of a revision


@dataclass(frozen=True)
class Address:
    """A repository of the hub, USER/NAME, and a branch, a tag or a commit of it."""

    repository: str
    revision: str = MAIN

    def __str__(self) -> str:
        return f"hf://{self.repository}" + ("" if self.revision == MAIN else f"@{self.revision}")

    @property
    def is_commit(self) -> bool:
        """Whether the revision is a whole commit, which never changes."""
        return is_commit(self.revision)

    @property
    def short(self) -> str:
        """A name for titles: of a commit its first eight characters."""
        return f"{self.repository}@{self.revision[:8]}" if self.is_commit else str(self)[5:]


def is_commit(revision: str) -> bool:
    """Whether a text is a whole commit in hexadecimal."""
    return _COMMIT.fullmatch(revision) is not None


def address_of(path: Path | str) -> Address | None:
    """The address that a SPACE names, also as a path, in which hf:// has lost a slash; None for any other
    path. Raises UsageError for an address that names no repository or no revision."""
    parts = Path(path).parts
    if not parts or parts[0].lower() != SCHEME:
        return None
    repository, at, revision = "/".join(parts[1:]).partition("@")
    check_repository(repository, "hf://USER/NAME or hf://USER/NAME@REVISION")
    if not at:
        return Address(repository)
    check_revision(revision)
    return Address(repository, revision)


def check_repository(name: str, form: str = "USER/NAME") -> None:
    """Raises UsageError for a name that the hub gives to no repository; `form` is what was to be named."""
    parts = name.split("/")
    fits = len(parts) == 2 and all(map(_PART.fullmatch, parts)) and len(name) <= LONGEST
    if fits and ".." not in name and "--" not in name and not name.endswith((".git", ".", "-")):
        return
    raise UsageError(
        f"{name[: 2 * LONGEST]!r} is no repository of the hub. Name it as {form}: letters, digits, '-', '_' "
        "and '.', such as ada/faces."
    )


def check_revision(revision: str) -> None:
    """Raises UsageError for a text that can be no branch, tag or commit."""
    if all(map(_PART.fullmatch, revision.split("/"))) and ".." not in revision and len(revision) <= LONGEST:
        return
    raise UsageError(
        f"{revision[: 2 * LONGEST]!r} is no revision. Name a branch, a tag or a commit, such as main or v1.0."
    )


def origin_of(folder: Path) -> Address | None:
    """The address, with its commit, of a folder in the hub's cache; None for any other folder."""
    commit, place = folder.name, folder.parent
    found = _SNAPSHOT.fullmatch(place.parent.name) if place.name == "snapshots" else None
    if found is None or not is_commit(commit):
        return None
    return Address(f"{found['user']}/{found['name']}", commit)
