"""`publish`: spaces as a folder of static files, or as one HTML file, that play in any browser. Written beside its
place and moved, so that a site is whole or not there."""

import gzip
import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from facespace.core.errors import UsageError, choose
from facespace.core.files import build_folder, check_apart, check_target, is_own, write_atomically, write_json
from facespace.core.locks import writing
from facespace.core.reading import RefusedFile, read_bounded, read_json
from facespace.explorer.engine import Engine
from facespace.explorer.publishing import page
from facespace.explorer.publishing.page import CARD, README, SITE, WORKER, About, Policy
from facespace.explorer.publishing.picture import draw_card
from facespace.explorer.publishing.runtime import MODULE, WASM, Runtime, read_runtime
from facespace.explorer.publishing.single import single_file
from facespace.explorer.publishing.spaces import MEAN, PRECISIONS, SiteSpace, folder_names, write_space
from facespace.explorer.service import Spaces, page_files
from facespace.space.face_space import FaceSpace

KIND = "facespace site"
NAMES = ("index.html", README, CARD, SITE, WORKER, ".nojekyll", "page", "runtime", "spaces")
LARGEST_SINGLE = 2**31  # bytes of a page in one file that may be replaced
PACKED_WASM = f"runtime/{WASM}.gz"
# Files of the explorer that are part of others in a site.
LEFT_OUT = ("index.html", "icons.svg", "local/service_worker.js", "local/single_file.js")


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
    for their picture. With `force` an earlier site is replaced.

    Raises UsageError for an unknown precision, a runtime of another version, a place that is not to be
    replaced, and a space that ONNX files cannot hold; BundleError for a missing or damaged space; FetchError
    where the runtime cannot be fetched."""
    if precision is not None:
        choose(dict.fromkeys(PRECISIONS), precision, "precision")
    place, address = Path(to), _checked_address(address)
    given = [space if isinstance(space, FaceSpace) else Path(space) for space in spaces]
    opened = Spaces(given)
    check_apart(place, *(space.folder if isinstance(space, FaceSpace) else space for space in given))
    with writing(place):
        _check(place, single, force)
        found = read_runtime(Path(runtime) if runtime else None)
        with _all_open(opened) as engines:
            if single:
                return _write_single(engines, place, found, precision)
            with build_folder(place) as site:
                _write_site(engines, site, found, precision, address)
    return _sizes(place)


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


# ---- A folder


def _write_site(
    engines: Sequence[Engine], site: Path, runtime: Runtime, precision: str | None, address: str
) -> None:
    """Writes a site into an empty folder."""
    web = page_files()
    written = _write_spaces(engines, site, precision)
    (site / "runtime").mkdir()
    (site / "runtime" / MODULE).write_bytes(runtime.module)
    (site / PACKED_WASM).write_bytes(gzip.compress(runtime.wasm, mtime=0))
    shell = ["./", SITE, f"runtime/{MODULE}", f"{written[0].folder}/{MEAN}"]
    for name, content in web.items():
        if name not in LEFT_OUT:
            path = site / "page" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            shell.append(f"page/{name}")
    draw_card(engines[0], site / CARD)
    version = _version(site, web)
    _write_list(site, written, version)
    about = _about(engines, written, version, f"{written[0].folder}/{MEAN}", address)
    (site / "index.html").write_text(page.index(web, about, Policy()), encoding="utf-8")
    (site / WORKER).write_text(page.service_worker(web, version, shell), encoding="utf-8")
    (site / ".nojekyll").touch()  # GitHub Pages then takes all files as they are
    (site / README).write_text(page.readme(about, _size_table(site)), encoding="utf-8")


def _write_spaces(engines: Sequence[Engine], site: Path, precision: str | None) -> list[SiteSpace]:
    folders = folder_names([engine.name for engine in engines])
    return [write_space(engine, site, folder, precision) for engine, folder in zip(engines, folders)]


def _write_list(site: Path, written: Sequence[SiteSpace], version: str) -> None:
    spaces = [asdict(space) for space in written]
    paths = [PACKED_WASM]
    for space in written:
        paths += space.files
    sizes = {path: (site / path).stat().st_size for path in paths}
    content = {"kind": KIND, "format": 1, "facespace": page.__version__, "version": version}
    write_json(site / SITE, {**content, "spaces": spaces, "bytes": sizes})


def _version(site: Path, web: dict[str, bytes]) -> str:
    """What tells the content of this site from any other."""
    digest = hashlib.sha256()
    for path in sorted(site.rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(site).as_posix()}\0".encode())
            digest.update(path.read_bytes())
    for name in LEFT_OUT:
        digest.update(web[name])
    return digest.hexdigest()[:16]


def _about(
    engines: Sequence[Engine], written: Sequence[SiteSpace], version: str, mean: str, address: str = ""
) -> About:
    terms = [str(engine.facts["terms"]) for engine in engines]
    return About([space.name for space in written], terms, version, mean, address)


def _sizes(site: Path) -> dict[str, int]:
    """The bytes of each file of a site, by path."""
    found: dict[str, int] = {}
    for path in sorted(site.rglob("*")):
        if path.is_file() and not is_own(path):
            found[path.relative_to(site).as_posix()] = path.stat().st_size
    return found


def folder_sizes(sizes: dict[str, int]) -> dict[str, int]:
    """The bytes of the folders of a site: the page, the runtime and each space."""
    found: dict[str, int] = {}
    for path, size in sizes.items():
        parts = path.split("/")
        folder = "/".join(parts[:2]) if parts[0] == "spaces" else parts[0]
        if len(parts) == 1:
            folder = "page"
        found[folder] = found.get(folder, 0) + size
    return found


def _size_table(site: Path) -> str:
    rows = [f"| {name} | {size / 1e6:.2f} MB |" for name, size in folder_sizes(_sizes(site)).items()]
    return "\n".join(["| folder | size |", "|---|---|", *rows])


# ---- One file


def _write_single(
    engines: Sequence[Engine], to: Path, runtime: Runtime, precision: str | None
) -> dict[str, int]:
    web = page_files()
    with tempfile.TemporaryDirectory(prefix="facespace-") as temporary:
        site = Path(temporary)
        written = _write_spaces(engines, site, precision)
        (site / "runtime").mkdir()
        (site / PACKED_WASM).write_bytes(gzip.compress(runtime.wasm, mtime=0))
        version = _version(site, web)
        _write_list(site, written, version)
        paths = [SITE, PACKED_WASM]
        for space in written:
            paths += space.files
        files = {path: (site / path).read_bytes() for path in paths}
        mean = page.data_address((site / written[0].folder / MEAN).read_bytes())
    about = _about(engines, written, version, mean)
    with write_atomically(to) as beside:
        beside.write_text(single_file(web, about, runtime, files), encoding="utf-8")
    return {to.name: to.stat().st_size}


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
        return page.MARK.encode() in read_bounded(path, LARGEST_SINGLE)[:10_000]
    except (OSError, RefusedFile):
        return False


__all__ = ["folder_sizes", "is_site", "publish"]
