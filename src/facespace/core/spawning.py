"""How worker processes are started, and whether the script that runs allows it. Starts none."""

import sys
from pathlib import Path

from facespace.core.console import note

GUARD = "__main__"


def start_method(fresh: bool) -> str:
    """Fork starts fast and needs no `if __name__ == "__main__"` in a user's script; elsewhere, and where
    processes have to be `fresh`, workers import anew. A process whose networks have computed on several
    threads must not be forked: the threads are missing in the copy, which waits for them."""
    return "fork" if sys.platform == "linux" and not fresh else "spawn"


def is_unguarded_script() -> bool:
    """Whether the main module is a script without `if __name__ == "__main__"`: where processes are spawned,
    each worker would run it again from its start."""
    main = sys.modules.get("__main__")
    file = getattr(main, "__file__", None)
    if main is None or file is None or getattr(main, "__spec__", None) is not None:
        return False  # an interactive session, a notebook, or python -m
    try:
        return GUARD not in Path(file).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def note_one_process() -> None:
    """Says why one process does the work."""
    note(
        'This script has no `if __name__ == "__main__":` around its commands, which worker processes need '
        "on this system, so one process does the work. With it, all cores do."
    )
