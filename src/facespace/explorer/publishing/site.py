"""The files of a static site: those that a page's worker reads, and around them the page as a folder or as
one HTML file. Writes into empty places; what may be replaced is decided in publish.py."""

import gzip
import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from facespace.core.files import is_own, write_atomically, write_json
from facespace.core.version import __version__
from facespace.explorer.engine import Engine
from facespace.explorer.publishing import page
from facespace.explorer.publishing.page import CARD, README, SITE, WORKER, About, Policy
from facespace.explorer.publishing.picture import draw_card
from facespace.explorer.publishing.replies import MEAN
from facespace.explorer.publishing.runtime import MODULE, WASM, Runtime
from facespace.explorer.publishing.single import single_file
from facespace.explorer.publishing.spaces import SiteSpace, folder_names, write_space
from facespace.explorer.service import page_files

KIND, FORMAT = "facespace site", 1
PACKED_WASM = f"runtime/{WASM}.gz"
DETECTOR = "detector/yunet.onnx.gz"
# All that lies in the folder of a site.
NAMES = ("index.html", README, CARD, SITE, WORKER, ".nojekyll", "page", "runtime", "detector", "spaces")
# Files of the explorer that are part of others in a site.
LEFT_OUT = ("index.html", "icons.svg", "mark.svg", "local/service_worker.js", "local/single_file.js")


@dataclass(frozen=True)
class SiteSpec:
    """What a site is made of beside its spaces."""

    runtime: Runtime
    precision: str | None = None  # of weights; see publish
    detector: bytes | None = None  # YuNet as ONNX
    address: str = ""  # where the site will be


def write_folder(engines: Sequence[Engine], site: Path, spec: SiteSpec) -> None:
    """Writes a site into an empty folder."""
    web = page_files()
    spaces, version = _write_content(engines, site, spec, web)
    (site / "runtime" / MODULE).write_bytes(spec.runtime.module)
    shell = ["./", SITE, f"runtime/{MODULE}", f"{spaces[0].folder}/{MEAN}"]
    for name, content in web.items():
        if name not in LEFT_OUT:
            path = site / "page" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            shell.append(f"page/{name}")
    draw_card(engines[0], site / CARD)
    about = _about(engines, f"{spaces[0].folder}/{MEAN}", version, spec.address)
    (site / "index.html").write_text(page.index(web, about, Policy()), encoding="utf-8", newline="\n")
    (site / WORKER).write_text(page.service_worker(web, version, shell), encoding="utf-8", newline="\n")
    (site / ".nojekyll").touch()  # GitHub Pages then takes all files as they are
    (site / README).write_text(page.readme(about, _size_table(site)), encoding="utf-8", newline="\n")


def write_single(engines: Sequence[Engine], to: Path, spec: SiteSpec) -> None:
    """Writes a site as one HTML file."""
    web = page_files()
    with tempfile.TemporaryDirectory(prefix="facespace-") as temporary:
        site = Path(temporary)
        spaces, version = _write_content(engines, site, spec, web)
        carried: dict[str, bytes] = {}
        for path in (SITE, *_read_paths(spaces, spec)):
            carried[path] = (site / path).read_bytes()
        mean = page.data_address((site / spaces[0].folder / MEAN).read_bytes())
    text = single_file(web, _about(engines, mean, version), spec.runtime, carried)
    with write_atomically(to) as beside:
        beside.write_text(text, encoding="utf-8", newline="\n")


def _write_content(
    engines: Sequence[Engine], site: Path, spec: SiteSpec, web: Mapping[str, bytes]
) -> tuple[list[SiteSpace], str]:
    """Writes what the page's worker reads, and returns the spaces and the version of the whole content."""
    folders = folder_names([engine.name for engine in engines])
    spaces = [write_space(engine, site, folder, spec.precision) for engine, folder in zip(engines, folders)]
    _write_packed(site / PACKED_WASM, spec.runtime.wasm)
    if spec.detector:
        _write_packed(site / DETECTOR, spec.detector)
    around = [
        page.index(dict(web), _about(engines, "", ""), Policy()).encode(),
        spec.runtime.module,
        *web.values(),
    ]
    version = _digest(site, around)
    sizes = {path: (site / path).stat().st_size for path in _read_paths(spaces, spec)}
    content = {
        "kind": KIND,
        "format": FORMAT,
        "facespace": __version__,
        "version": version,
        "detector": DETECTOR if spec.detector else None,
        "spaces": [asdict(space) for space in spaces],
        "bytes": sizes,
    }
    write_json(site / SITE, content)
    return spaces, version


def _write_packed(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content, mtime=0))


def _read_paths(spaces: Sequence[SiteSpace], spec: SiteSpec) -> list[str]:
    """The paths of all files that the worker reads beside the list of them."""
    paths = [PACKED_WASM, DETECTOR] if spec.detector else [PACKED_WASM]
    for space in spaces:
        paths += space.files
    return paths


def _digest(site: Path, around: Sequence[bytes]) -> str:
    """What tells the content of this site from any other."""
    digest = hashlib.sha256()
    for path in sorted(site.rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(site).as_posix()}\0".encode())
            digest.update(path.read_bytes())
    for content in around:
        digest.update(content)
    return digest.hexdigest()[:16]


def _about(engines: Sequence[Engine], mean: str, version: str, address: str = "") -> About:
    names = [engine.name for engine in engines]
    return About(names, [str(engine.facts["terms"]) for engine in engines], version, mean, address)


# ---- Sizes


def sizes_of(site: Path) -> dict[str, int]:
    """The bytes of each file of a site, by path."""
    found: dict[str, int] = {}
    for path in sorted(site.rglob("*")):
        if path.is_file() and not is_own(path):
            found[path.relative_to(site).as_posix()] = path.stat().st_size
    return found


def folder_sizes(sizes: Mapping[str, int]) -> dict[str, int]:
    """The bytes of a site's folders: the page with what lies beside it, the runtime, each space."""
    found: dict[str, int] = {}
    for path, size in sizes.items():
        first, _, rest = path.partition("/")
        folder = first if rest else "page"
        if first == "spaces":
            folder = f"{first}/{rest.partition('/')[0]}"
        found[folder] = found.get(folder, 0) + size
    return found


def _size_table(site: Path) -> str:
    rows = [f"| {name} | {size / 1e6:.2f} MB |" for name, size in folder_sizes(sizes_of(site)).items()]
    return "\n".join(["| folder | size |", "|---|---|", *rows])
