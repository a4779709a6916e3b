"""A user's machine in tests of the hub: verbs that speak to the stand-in, and a space to send."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hub_server import TOKEN, Hub, serving
from huggingface_hub import constants, file_download, hf_api

import facespace
from facespace.cli import run as run_cli
from facespace.core.console import quiet
from facespace.models import hub_download
from facespace.models.additions import BUNDLE_FILES

NO_HUB = "http://127.0.0.1:9"  # nothing listens there


class Result(NamedTuple):
    """What a verb left behind."""

    code: int
    out: str
    err: str


class Desk:
    """A user's machine: a home of its own, a token or none, and the hub. Verbs run in this process, with what
    huggingface_hub read of the environment when it was imported set anew."""

    def __init__(self, hub: Hub, home: Path, capsys, token: str | None = TOKEN) -> None:
        self.hub, self.home, self.capsys, self.token = hub, home, capsys, token
        home.mkdir(exist_ok=True)

    def other(self, token: str | None) -> "Desk":
        """The machine of somebody else."""
        return Desk(self.hub, self.home / "other", self.capsys, token)

    @property
    def snapshots(self) -> Path:
        return self.home / "hub/models--ada--faces/snapshots"

    def settings(self, endpoint: str) -> dict[str, object]:
        return {
            "ENDPOINT": endpoint,
            "HUGGINGFACE_CO_URL_TEMPLATE": endpoint + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_HUB_CACHE": str(self.home / "hub"),
            "HF_TOKEN_PATH": str(self.home / "token"),
            "HF_HUB_DISABLE_XET": True,
        }

    def __call__(self, *words: object, endpoint: str | None = None, offline: bool = False) -> Result:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.home)
            patch.setenv("HF_TOKEN", self.token or "")
            patch.setenv("HF_ENDPOINT", endpoint or self.hub.url)
            for name, value in self.settings(endpoint or self.hub.url).items():
                for module in (constants, file_download, hf_api):  # older versions keep copies
                    if hasattr(module, name):
                        patch.setattr(module, name, value)
            patch.setattr(constants, "HF_HUB_OFFLINE", offline)
            hub_download._found.clear()
            self.capsys.readouterr()
            code = run_cli([str(word) for word in words])
            found = Result(code, *self.capsys.readouterr())
        assert TOKEN not in found.out + found.err and not self.hub.leaks
        return found

    def works(self, *words: object, **more) -> Result:
        done = self(*words, **more)
        assert done.code == 0, done.err
        return done

    def refused(self, *words: object, code: int = 1, **more) -> str:
        """The sentence with which a verb ends."""
        done = self(*words, **more)
        assert done.code == code, done.err
        last = done.err.strip().splitlines()[-1]
        assert last.startswith("facespace: ") and len(last) < 500
        return last


@pytest.fixture
def hub() -> Iterator[Hub]:
    """The stand-in."""
    with serving() as started:
        yield started


@pytest.fixture
def desk(hub, tmp_path, capsys) -> Desk:
    return Desk(hub, tmp_path / "home", capsys)


@pytest.fixture(scope="module")
def bundle(trained, drawn, tmp_path_factory) -> Path:
    """A bundle with a prior, beside files that are none of its."""
    to = tmp_path_factory.mktemp("space") / "mine"
    with quiet():
        assert run_cli(["pack", str(trained), "--to", str(to), "--data", str(drawn)]) == 0
        facespace.load(to).fit_prior(drawn, "normal")
    (to / "diary.txt").write_text("private")
    (to / "photo.png").write_bytes(b"private")
    return to


def files_of(folder: Path) -> dict[str, bytes]:
    """The files of a bundle as a repository's."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name in BUNDLE_FILES}
