"""A bundle of the Hugging Face hub, as a folder of huggingface_hub's cache: listed before anything is
fetched, files that a bundle has and no others, each of a bounded size. Opens no model."""

import contextlib
import re
import time
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from facespace.core import hub
from facespace.core.cards import (
    CARD,
    DIRECTIONS,
    DISCRIMINATOR,
    ENCODED,
    LARGEST_WEIGHTS,
    WEIGHTS,
    Card,
    prior_file,
)
from facespace.core.console import note
from facespace.core.errors import BundleError
from facespace.core.fetch import check_space
from facespace.core.hub_address import MAIN, Address, is_commit
from facespace.core.onnx_reading import LARGEST_GRAPH
from facespace.core.reading import LARGEST_JSON
from facespace.models.bundle_card import checked, read_card
from facespace.models.graphs import ENDING, NAMES, graphs_of

_TENSORS = r"(model|directions|discriminator|encoded|prior-[a-z-]+)\.safetensors"
KNOWN = re.compile(rf"card\.json|{_TENSORS}|{NAMES}")
# Endings of files that can run a program when they are opened.
_PICKLED = ".pkl .pickle .pt .pth .ckpt .bin .joblib .dill .h5 .hdf5 .keras .pb"
PICKLED = frozenset(_PICKLED.split())
BESIDE = ("README.md", ".gitattributes", "LICENSE", "LICENSE.md", "samples.png")  # as `push` writes them
FRESH = 60.0  # seconds in which the hub is not asked twice what a branch points to
_found: dict[Address, tuple[float, Path]] = {}


class Listing(NamedTuple):
    """The files of a repository at a commit, and the bytes of each."""

    commit: str
    sizes: Mapping[str, int]

    @property
    def known(self) -> list[str]:
        """The files of a bundle, the card last: in the cache it then means that the others are there."""
        names = [name for name in self.sizes if KNOWN.fullmatch(name)]
        return sorted(names, key=lambda name: (name == CARD, name))


def fetch(address: Address) -> Path:
    """The folder with the bundle at an address, in the cache of huggingface_hub.

    A commit that is in the cache needs no network. Of a branch or a tag the hub is asked which commit it is;
    where the hub cannot be reached, the one in the cache is taken, with a note.

    Raises HubError for what the hub refuses or has not, and where neither hub nor cache has it; BundleError
    for a repository that holds no bundle, a pickle, or a file beyond the sizes that are read; UsageError
    for a wrong HF_ENDPOINT."""
    asked, folder = _found.get(address, (0.0, Path()))
    if folder.name and time.monotonic() - asked < FRESH and is_complete(folder):
        return folder
    folder = _fetch(address)
    _found[address] = (time.monotonic(), folder)
    return folder


def _fetch(address: Address) -> Path:
    hub.endpoint()
    kept = cached(address)
    if kept is not None and address.is_commit:
        return kept
    try:
        found = listing(address)
        check(address, found)
        return _download(address, found)
    except hub.HubUnreachable as error:
        if kept is None:
            raise hub.HubUnreachable(
                f"{error} The cache of this machine does not hold {address} either."
            ) from error
        note(f"{error} {address} is taken from the cache: commit {kept.name[:12]}.")
        return kept


def listing(address: Address, kind: str = "model") -> Listing:
    """What a repository holds. Raises HubError."""
    with hub.speaking(str(address)):
        info = hub.api().repo_info(
            address.repository,
            revision=address.revision,
            repo_type=kind,
            files_metadata=True,
            timeout=hub.TIMEOUT,
        )
        files = hub.files_of(info)
        sizes = {name: LARGEST_WEIGHTS + 1 if size is None else size for name, size in files.items()}
        commit = str(info.sha)
    if not is_commit(commit):
        raise hub.HubError(f"{address}: the hub named no commit. Is HF_ENDPOINT right?")
    return Listing(commit, sizes)


def check(address: Address, found: Listing) -> None:
    """Raises BundleError for a repository whose files are not opened: one without a bundle, one with a
    pickle, or one with files that are larger than facespace reads."""
    for name in (CARD, WEIGHTS):
        if name not in found.sizes:
            raise BundleError(
                f"{address} holds no trained space (no {name}). Name a repository that facespace push made."
            )
    pickled = [name for name in sorted(found.sizes) if PurePosixPath(name).suffix.lower() in PICKLED]
    if pickled:
        raise BundleError(
            f"{address} holds {_named(pickled)}, a file that can run programs when it is opened; nothing was "
            "fetched. A space consists of safetensors and JSON alone: ask its author for one without it."
        )
    check_sizes(str(address), {name: found.sizes[name] for name in found.known})


def check_sizes(subject: str, sizes: Mapping[str, int]) -> None:
    """Raises BundleError for a bundle with files, or of a size, beyond what is read."""
    for name, size in sizes.items():
        most = LARGEST_JSON if name == CARD else LARGEST_WEIGHTS
        if name.endswith(ENDING):
            most = LARGEST_GRAPH
        if size > most:
            raise BundleError(
                f"{subject} has a {name} of {_size(size)}, and facespace reads at most {_size(most)} of it; "
                "nothing was transferred."
            )
    total = sum(sizes.values())
    if total > LARGEST_WEIGHTS:
        raise BundleError(
            f"{subject} has {_size(total)}, and a space on the hub has at most {_size(LARGEST_WEIGHTS)}; "
            "nothing was transferred. facespace pack makes a smaller copy."
        )


def _size(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"


def _named(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(name[:80] for name in names[:3]) + more


def _download(address: Address, found: Listing) -> Path:
    """Fetches what the cache lacks of a listed bundle."""
    from huggingface_hub import constants

    pinned = Address(address.repository, found.commit)
    kept, names = cached(pinned), found.known
    if kept is None:
        total = sum(found.sizes[name] for name in names)
        check_space(Path(constants.HF_HUB_CACHE) / "hub", total, str(address))
        note(f"Fetching {address}: {len(names)} files, {_size(total)}, commit {found.commit[:12]}.")
        others = [name for name in sorted(found.sizes) if name not in names and name not in BESIDE]
        if others:
            note(f"{address} also holds {_named(others)}: no part of a space, and not fetched.")
    with hub.speaking(str(address)), hub.bars():
        api, folder = hub.api(), kept
        for name in names if kept is None else ():
            file = Path(api.hf_hub_download(address.repository, name, revision=found.commit))
            if file.stat().st_size != found.sizes[name] or file.parent.name != found.commit:
                raise hub.HubError(f"{address}: {name} is not the file that the hub lists. Try again later.")
            folder = file.parent
        if not address.is_commit:  # the cache notes which commit the branch is, for when there is no network
            api.hf_hub_download(address.repository, CARD, revision=address.revision)
    assert folder is not None
    return folder


def cached(address: Address) -> Path | None:
    """The folder of the cache that holds the whole bundle at an address; None where there is none."""
    from huggingface_hub import try_to_load_from_cache

    with contextlib.suppress(OSError, ValueError):
        card = try_to_load_from_cache(address.repository, CARD, revision=address.revision or MAIN)
        folder = Path(card).parent if isinstance(card, str) else None
        if folder is not None and is_complete(folder):
            return folder
    return None


def is_complete(folder: Path) -> bool:
    """Whether a folder holds all files that its card names."""
    try:
        names = files_of({**checked(read_card(folder))})
    except BundleError:
        return False
    return all((folder / name).is_file() for name in names)


def files_of(card: Card) -> list[str]:
    """The names of the files of the bundle that a card describes."""
    names = [CARD, WEIGHTS]
    names += [prior_file(kind) for kind in card.get("priors") or {}]
    for entry, name in (("directions", DIRECTIONS), ("discriminator", DISCRIMINATOR), ("encoded", ENCODED)):
        if entry in card:
            names.append(name)
    return [*names, *graphs_of(card)]
