"""`publish`: spaces as a folder of static files, or as one HTML file, that play in any browser. Written
beside its place and moved, so that a site is whole or not there."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from facespace.core.console import note
from facespace.core.errors import UsageError, choose
from facespace.core.extras import install_command, is_installed
from facespace.core.files import build_folder, check_apart, check_target, is_own
from facespace.core.locks import writing
from facespace.core.reading import read_json
from facespace.explorer.engine import Engine
from facespace.explorer.local_photos import yunet_of_any_size
from facespace.explorer.publishing import page
from facespace.explorer.publishing.networks import PRECISIONS
from facespace.explorer.publishing.page import SITE
from facespace.explorer.publishing.runtime import read_runtime
from facespace.explorer.publishing.site import KIND, NAMES, SiteSpec, sizes_of, write_folder, write_single
from facespace.explorer.service import Spaces
from facespace.image.detectors import local_yunet
from facespace.models import array_bundle
from facespace.space.face_space import FaceSpace

HEAD = 10_000  # bytes of a page in which its generator stands


def publish(
    spaces: Sequence[FaceSpace | Path | str],
    to: Path | str,
    runtime: Path | str | None = None,
    precision: str | None = None,
    single: bool = False,
    force: bool = False,
    address: str = "",
) -> dict[str, int]:
    """Writes spaces as a static site into the folder `to`, or with `single` as one HTML file, and returns the
    bytes of each file.

    `runtime` is a folder with onnxruntime-web; without one it is taken from the user's cache or fetched.
    `precision` of weights is fp32, fp16 or int8; without one int8 where that changes faces by at most 1 level
    of 255 on average, else fp16. `address` is the one under which the site will be, which links to it need
    for their picture. With `force` an earlier site is replaced. The face detector YuNet becomes part of the
    site where its weights are on this machine.

    Raises UsageError for an unknown precision, a missing package, a runtime of another version, a place that
    is not to be replaced, and a space that ONNX files cannot hold; BundleError for a missing or damaged
    space; FetchError where the runtime cannot be fetched."""
    if precision is not None:
        choose(dict.fromkeys(PRECISIONS), precision, "precision")
    place, address = Path(to), _checked_address(address)
    given: list[FaceSpace | Path] = []
    for space in spaces:
        given.append(space if isinstance(space, FaceSpace) else Path(space))
    if array_bundle.engine() == "torch":
        from facespace.formats.onnx_graphs import check_packages

        check_packages("facespace publish")
    opened = Spaces(given)
    check_apart(place, *(space.folder if isinstance(space, FaceSpace) else space for space in given))
    with writing(place):
        _check(place, single, force)
        spec = SiteSpec(read_runtime(Path(runtime) if runtime else None), precision, _detector(), address)
        with _all_open(opened) as engines:
            if single:
                write_single(engines, place, spec)
                return {place.name: place.stat().st_size}
            with build_folder(place) as site:
                write_folder(engines, site, spec)
    return sizes_of(place)


def _detector() -> bytes | None:
    """The face detector for the site; None without its weights, and without the package that opens its input
    to pictures of any size."""
    weights = local_yunet()
    if weights is None:
        return None
    if not is_installed("onnx"):
        note(f"The site has no face detector, which takes the package onnx: {install_command('onnx')}")
        return None
    return yunet_of_any_size(weights)


def _checked_address(address: str) -> str:
    if address and not address.startswith(("https://", "http://")):
        raise UsageError(f"--address takes the whole address of the site, with https://; got {address}.")
    return address if not address or address.endswith("/") else f"{address}/"


@contextmanager
def _all_open(spaces: Spaces) -> Iterator[list[Engine]]:
    try:
        yield [spaces.open(number) for number in range(len(spaces.names))]
    finally:
        spaces.stop()


# ---- What may be replaced


def _check(to: Path, single: bool, force: bool) -> None:
    """Raises UsageError for a place that holds something else, or an earlier site without `force`."""
    if not single:
        check_target(to, "a published site", is_site, force)
        return
    if to.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"--single writes one HTML file; name it --to NAME.html, not {to}.")
    if to.is_dir():
        raise UsageError(f"--to {to} is a folder; name a new file for --single.")
    if to.exists() and not (force and _is_single(to)):
        hint = "Add --force to replace it" if _is_single(to) else "It is no page of facespace"
        raise UsageError(f"--to {to} exists. {hint}, or name a new file.")


def is_site(folder: Path) -> bool:
    """Whether a folder holds a published site and nothing else."""
    try:
        content = read_json(folder / SITE)
    except (OSError, ValueError):
        return False
    if not isinstance(content, dict) or content.get("kind") != KIND:
        return False
    return all(path.name in NAMES or is_own(path) for path in folder.iterdir())


def _is_single(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return page.MARK.encode() in file.read(HEAD)
    except OSError:
        return False
