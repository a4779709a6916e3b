"""The folder of downloads, network weights and what else can be fetched or made again. Imports no network."""

import os
import sys
import tempfile
from pathlib import Path


def cache_folder() -> Path:
    """$FACESPACE_CACHE, else facespace's own in the system's cache folder."""
    own, shared = os.environ.get("FACESPACE_CACHE"), os.environ.get("XDG_CACHE_HOME")
    if own:
        return Path(own)
    if shared:
        return Path(shared, "facespace")
    try:
        home = Path.home()
    except RuntimeError:  # neither HOME nor an entry of the user, as in some containers
        return Path(tempfile.gettempdir(), f"facespace-{os.getuid() if hasattr(os, 'getuid') else 'cache'}")
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", home / "AppData/Local"), "facespace")
    if sys.platform == "darwin":
        return home / "Library/Caches/facespace"
    return home / ".cache/facespace"
