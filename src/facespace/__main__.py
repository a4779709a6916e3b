"""python -m facespace, and the console script. Takes over Ctrl-C before anything large is imported."""

import os
import sys
from typing import NoReturn

from facespace.core import interrupts


def main() -> NoReturn:
    """Runs the command line and ends the process."""
    interrupts.install()
    try:
        from facespace.cli import main as run
    except BaseException:
        if not interrupts.is_leaving():
            raise
        print(interrupts.SENTENCE, file=sys.stderr)
        os._exit(interrupts.EXIT_CODE)
    run()


if __name__ == "__main__":
    main()
