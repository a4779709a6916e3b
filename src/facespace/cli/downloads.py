"""The verb for faces that lie elsewhere: download."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from facespace.cli.app import Done, verb


@verb("facespace download NAME --to ROOT --accept-terms")
def download(
    name: str,
    /,
    *,
    to: Path,
    accept_terms: Annotated[bool, Parameter(negative="", show_default=True)] = False,
) -> Done:
    """Fetch a set of face photographs, with its attributes, for facespace prepare.

    Without --accept-terms it only says how large the set is and on which terms.

    Example: facespace download yearbook --to faces/yearbook --accept-terms

    Parameters
    ----------
    name
        celeba, lfw or celebamask-hq (from Kaggle, with pip install 'facespace[kaggle]'), or yearbook.
    to
        The folder to bring it to. Files that are already in it stay.
    accept_terms
        You have read the terms and accept them.
    """
    from facespace.data.downloads import download as bring

    done = bring(name, to, accept_terms=accept_terms)
    lines = [f"{name}: {done.files:,} files, {done.bytes / 1e9:,.2f} GB, in {to}"]
    lines += [f"Missing: {sentence}" for sentence in done.missing]
    return Done(asdict(done), "\n".join([*lines, f"Next: {done.prepare}"]))
