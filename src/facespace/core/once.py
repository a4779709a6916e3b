"""Notes that a user sees once rather than at every command. An empty file in the cache folder remembers each;
where none can be written, a note is shown once a process."""

import time
from pathlib import Path

from facespace.core import console
from facespace.core.cache import cache_folder

_remembered: set[Path] = set()  # by this process


def note_once(name: str, text: str) -> None:
    """Shows a note unless it was shown before under that name, and remembers it."""
    if console.is_quiet() or shown_since(name):
        return
    console.note(text)
    remember(name)


def shown_since(name: str, seconds: float = float("inf")) -> bool:
    """Whether a name was remembered by this process, or less than so many seconds ago by another."""
    marker = _marker(name)
    if marker in _remembered:
        return True
    try:
        return time.time() - marker.stat().st_mtime < seconds
    except OSError:
        return False


def remember(name: str) -> None:
    """Remembers a name as of now."""
    marker = _marker(name)
    _remembered.add(marker)
    try:
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
    except OSError:  # a read-only home: this process remembers it
        pass


def _marker(name: str) -> Path:
    return cache_folder() / "notes" / name
