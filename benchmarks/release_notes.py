"""The newest section of the changelog, for the notes of a release: `python benchmarks/release_notes.py ADDRESS > notes.md`
with the address of the repository, which links to its pages get."""

import re
import sys
from pathlib import Path

from facespace.core.version import __version__

ROOT = Path(__file__).parents[1]


def release_notes(changelog: str, repository: str, version: str) -> str:
    """The section of a version, without its heading. Raises ValueError where the newest section is that of another
    version."""
    heading, _, text = changelog.partition("\n## ")[2].partition("\n")
    if heading.split()[0] != version:
        raise ValueError(f"The newest section of CHANGELOG.md is {heading!r}, and the version is {version}.")
    section = text.partition("\n## ")[0].strip()
    return re.sub(r"\]\((?!https?:|#)([^)]+)\)", rf"]({repository}/blob/v{version}/\1)", section) + "\n"


if __name__ == "__main__":
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    sys.stdout.write(release_notes(changelog, sys.argv[1].rstrip("/"), __version__))
