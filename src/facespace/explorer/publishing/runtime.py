"""onnxruntime-web, which plays a static site in the browser: its two files from a folder, from the user's
cache, or from a public network of copies of npm packages, always of one version and with known checksums. It
is never part of this repository."""

import json
from pathlib import Path
from typing import NamedTuple

from facespace.core.cache import cache_folder
from facespace.core.errors import FacespaceError
from facespace.core.fetch import fetch
from facespace.core.files import sha256

VERSION = "1.30.0"
MODULE, WASM = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"
CHECKSUMS = {
    MODULE: "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    WASM: "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
ADDRESS = f"https://cdn.jsdelivr.net/npm/onnxruntime-web@{VERSION}/dist/"
PLACES = ("dist", ".", "node_modules/onnxruntime-web/dist", "package/dist")  # in a folder that a user names
INSTALL = f"npm install onnxruntime-web@{VERSION}"


class Runtime(NamedTuple):
    """The content of the two files."""

    module: bytes
    wasm: bytes


def read_runtime(folder: Path | None = None) -> Runtime:
    """The files of `folder`, an unpacked npm package or one with node_modules in it; without one those of the
    user's cache, which are fetched once. Raises FacespaceError for a folder with other files, FetchError
    where they cannot be fetched."""
    paths = _found(folder) if folder else _cached()
    return Runtime(paths[MODULE].read_bytes(), paths[WASM].read_bytes())


def _found(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise FacespaceError(f"--runtime {folder} is no folder. Make one: {INSTALL}")
    for place in PLACES:
        paths = {name: folder / place / name for name in CHECKSUMS}
        if all(path.is_file() for path in paths.values()):
            _check(folder, paths)
            return paths
    raise FacespaceError(
        f"--runtime {folder} holds no {MODULE} and {WASM} of onnxruntime-web. Make them: {INSTALL}, and name "
        "node_modules/onnxruntime-web"
    )


def _check(folder: Path, paths: dict[str, Path]) -> None:
    """Raises FacespaceError for files of another version, and for changed ones."""
    for name, path in paths.items():
        if sha256(path) != CHECKSUMS[name]:
            version = _version(path.parents[1])
            if version not in ("", VERSION):
                raise FacespaceError(
                    f"--runtime {folder} is onnxruntime-web {version}; a site is made with {VERSION}: "
                    f"{INSTALL}"
                )
            raise FacespaceError(
                f"{path} is not that of onnxruntime-web {VERSION}: its SHA-256 is another one. "
                f"Install it again: {INSTALL}"
            )


def _version(package: Path) -> str:
    """The version of an unpacked npm package; empty where it says none."""
    try:
        return str(json.loads((package / "package.json").read_text(encoding="utf-8"))["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _cached() -> dict[str, Path]:
    folder = cache_folder() / f"onnxruntime-web-{VERSION}"
    paths: dict[str, Path] = {}
    for name, checksum in CHECKSUMS.items():
        try:
            paths[name] = fetch(ADDRESS + name, folder / name, sha256=checksum)
        except FacespaceError as error:
            raise type(error)(
                f"{error} Without this network, install it by {INSTALL}, and add "
                "--runtime node_modules/onnxruntime-web"
            ) from error
    return paths
