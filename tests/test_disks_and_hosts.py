"""Disks, systems and hosts that differ from a Linux desktop: Windows, disks without links, mount points, no home, paths with
blanks, proxies, full disks. What one machine cannot have is simulated."""

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from starlette.testclient import TestClient

import facespace
from facespace.core import files
from facespace.core.cache import cache_folder
from facespace.core.console import quoted
from facespace.core.errors import TrainingError, UsageError, describe_os_error
from facespace.core.files import build_folder, check_target, unfinished_folder, write_atomically
from facespace.explorer import security, service
from facespace.training import checkpoint, trackers
from facespace.workers import spawning

# --- Windows


def test_files_are_flushed_through_a_handle_that_may_write(tmp_path, monkeypatch):
    """As Windows demands it: FlushFileBuffers fails for a handle that is open for reading alone."""
    import fcntl

    seen = []

    def windows_fsync(number: int) -> None:
        assert fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE in (os.O_RDWR, os.O_WRONLY)
        seen.append(number)

    monkeypatch.setattr(files.os, "fsync", windows_fsync)
    files.write_json(tmp_path / "a.json", {})
    with build_folder(tmp_path / "f") as folder:
        (folder / "b").write_text("b")
    assert len(seen) == 2


def test_scripts_of_the_page_have_a_type_of_their_own(monkeypatch):
    import mimetypes

    monkeypatch.setattr(mimetypes, "guess_type", lambda name: ("text/plain", None))  # what a registry may say
    client = TestClient(service.application(service.Spaces([]), frozenset({"testserver"}), "t" * 20))
    for name, expected in (
        ("main.js", "text/javascript"),
        ("style.css", "text/css"),
        ("mark.svg", "image/svg+xml"),
    ):
        assert client.get(f"/{name}").headers["content-type"].startswith(expected)


SCRIPT = """
import sys
import facespace
import facespace.data.prepare
sys.platform = "darwin"  # where processes are spawned
facespace.prepare("synthetic", to=sys.argv[1], size=16, limit=130, workers=2)
"""


def test_a_script_without_a_main_guard_is_worked_by_one_process(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py", tmp_path / "set"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "__main__" in done.stderr and "memory" not in done.stderr
    assert len(facespace.FaceSet(tmp_path / "set")) == 130


def test_a_guarded_script_keeps_its_workers(tmp_path, monkeypatch):
    import types

    main = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    assert not spawning.is_unguarded_script()  # an interactive session
    main.__file__ = str(tmp_path / "s.py")
    for text, unguarded in (("x = 1\n", True), ('if __name__ == "__main__":\n    x = 1\n', False)):
        (tmp_path / "s.py").write_text(text)
        assert spawning.is_unguarded_script() == unguarded


def test_a_file_that_another_program_holds_is_named():
    error = OSError(errno.EACCES, "sharing violation", "a.png")
    error.winerror = 32
    assert "a.png is open in another program" in describe_os_error(error)


# --- disks


def test_a_checkpoint_is_kept_where_a_disk_has_no_hard_links(tmp_path, monkeypatch):
    def refused(*_):
        raise OSError(errno.EPERM, "no links")

    monkeypatch.setattr(Path, "hardlink_to", refused)
    for step in (1, 2):
        checkpoint.save(tmp_path, checkpoint.Progress(step=step), {}, {"seed": 0})
    assert checkpoint._read(tmp_path / checkpoint.CHECKPOINT).progress.step == 2
    assert checkpoint._read(tmp_path / checkpoint.PREVIOUS).progress.step == 1


@pytest.fixture
def mount(tmp_path, monkeypatch):
    """A folder that is a mount point: it cannot be renamed, and nothing can be renamed from beside it into it."""
    folder = tmp_path / "volume"
    folder.mkdir()
    (folder / "lost+found").mkdir()
    replace = Path.replace

    def of_two_disks(self: Path, target: Path):
        if self == folder or Path(target) == folder:
            raise OSError(errno.EBUSY, "busy")
        if (folder in self.parents) != (folder in Path(target).parents):
            raise OSError(errno.EXDEV, "another disk")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", of_two_disks)
    return folder


@pytest.mark.parametrize("known", [True, False])
def test_a_mount_point_takes_results(mount, monkeypatch, known):
    """Also one that only shows itself when a rename fails."""
    monkeypatch.setattr(files.os.path, "ismount", lambda path: known and Path(path) == mount)
    assert (unfinished_folder(mount).parent == mount) == known
    faces = facespace.prepare("synthetic", to=mount, size=16, limit=8, workers=1)
    assert len(faces) == 8
    again = facespace.prepare("synthetic", to=mount, size=16, limit=9, workers=1, force=True)
    assert len(again) == 9
    names = {path.name for path in mount.iterdir()}
    assert names == {"lost+found", "images.npy", "table.csv", "card.json"}
    assert [path.name for path in mount.parent.iterdir()] == ["volume"]


def test_an_output_that_is_a_link_stays_one(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "set").symlink_to(tmp_path / "disk" / "set")
    facespace.prepare("synthetic", to=tmp_path / "set", size=16, limit=8, workers=1)
    assert (tmp_path / "set").is_symlink() and (tmp_path / "disk" / "set" / "card.json").is_file()
    (tmp_path / "disk" / "a.txt").write_text("old")
    (tmp_path / "a.txt").symlink_to(tmp_path / "disk" / "a.txt")
    with write_atomically(tmp_path / "a.txt") as beside:
        beside.write_text("new")
    assert (tmp_path / "a.txt").is_symlink() and (tmp_path / "disk" / "a.txt").read_text() == "new"


@pytest.mark.parametrize("name", [".DS_Store", "._x", "Thumbs.db", "desktop.ini", "lost+found"])
def test_what_systems_make_is_not_in_the_way_of_an_output(tmp_path, name):
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / name).touch()
    check_target(tmp_path / "to", "a set", lambda folder: False)
    facespace.prepare("synthetic", to=tmp_path / "to", size=16, limit=8, workers=1)
    assert (tmp_path / "to" / "card.json").is_file()


@pytest.mark.parametrize("name", [".git", ".env", "notes.txt"])
def test_what_is_the_users_is_in_the_way(tmp_path, name):
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / name).touch()
    with pytest.raises(UsageError, match="holds other files"):
        check_target(tmp_path / "to", "a set", lambda folder: False, force=True)


def test_without_home_and_user_there_is_a_cache(monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    for name in ("FACESPACE_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert cache_folder().is_absolute()


def test_printed_commands_have_quotes(cli, tmp_path, monkeypatch):
    code, out, err = cli("prepare", "synthetic", "--to", tmp_path / "my set", "--limit", 8, "--size", 16)
    assert code == 0, err
    assert f"facespace show '{tmp_path}/my set' --to" in out
    monkeypatch.setattr(sys, "platform", "win32")
    assert quoted("C:\\my set") == '"C:\\my set"' and quoted("C:\\set") == "C:\\set"


def test_a_damaged_checkpoint_is_one_error_without_a_tail(tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(b"damaged")
    with pytest.raises(TrainingError, match="is damaged") as caught:
        checkpoint._read(tmp_path / "checkpoint.pt")
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


def test_a_trackers_thread_says_one_sentence_on_a_full_disk(monkeypatch, capsys):
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    trackers._quiet_threads()

    class Writer(threading.Thread):
        def run(self):
            raise OSError(errno.ENOSPC, "No space left on device", "events")

    Writer.__module__ = "tensorboard.summary.writer"
    thread = Writer()
    thread.start()
    thread.join()
    err = capsys.readouterr().err
    assert "tensorboard has stopped: The disk is full" in err and "Traceback" not in err


# --- hosts

TOKEN = "t" * 20
OWN = frozenset({"127.0.0.1:8420", "localhost:8420", "[::1]:8420"})


def page(
    host: str,
    origin: str | None = None,
    allowed: tuple[str, ...] = (),
    root_path: str = "",
    path: str = "/main.js",
):
    app = service.application(
        service.Spaces([]), OWN, TOKEN, security.Access("", allowed, root_path).checked()
    )
    headers = {"host": host} | ({"origin": origin} if origin else {})
    return TestClient(app).get(path, headers=headers)


def talks(
    host: str,
    origin: str,
    allowed: tuple[str, ...] = (),
    token: str = TOKEN,
    path: str = "/ws",
    root_path: str = "",
) -> bool:
    from starlette.websockets import WebSocketDisconnect

    app = service.application(
        service.Spaces([]), OWN, TOKEN, security.Access("", allowed, root_path).checked()
    )
    try:
        with TestClient(app).websocket_connect(
            path, headers={"host": host, "origin": origin}, subprotocols=[security.PROTOCOL, token]
        ):
            return True
    except WebSocketDisconnect:
        return False


@pytest.mark.parametrize(
    "host", ["localhost:9999", "127.0.0.1:32768", "localhost", "[::1]:7", "LOCALHOST:9999"]
)
def test_a_tunnel_to_this_machine_needs_the_token_alone(host):
    assert page(host).status_code == 200
    assert talks(host, f"http://{host}")
    assert not talks(host, f"http://{host}", token="x" * 20)
    for origin in ("http://localhost:1", "http://evil.example", "null", f"http://evil.example:{host}", ""):
        assert not talks(host, origin)


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example:8420", "127.0.0.1.evil.example", "hub.example.org", ""]
)
def test_other_hosts_are_refused_with_the_way_on(host):
    found = page(host)
    assert found.status_code == 403 and not talks(host, f"http://{host}")
    assert "--allow-host" in found.text and (host or "NAME") in found.text


def test_an_allowed_host_gets_in():
    allowed = ("hub.example.org", "other.example:8443")
    for host, origin in (
        ("hub.example.org", "https://hub.example.org"),
        ("hub.example.org:8000", "http://hub.example.org:8000"),
        ("localhost:8420", "https://hub.example.org"),  # of a proxy that writes its own Host
        ("other.example:8443", "https://other.example:8443"),
    ):
        assert page(host, origin, allowed).status_code == 200 and talks(host, origin, allowed)
    assert page("other.example", None, allowed).status_code == 403
    assert not talks("hub.example.org", "https://evil.example", allowed)
    assert not talks("hub.example.org", "https://hub.example.org", allowed, token="x" * 20)


@pytest.mark.parametrize("path", ["/user/me/proxy/8420/ws", "/ws"])
def test_a_proxy_may_leave_its_path_in_requests(path):
    assert talks("localhost:8420", "http://localhost:8420", path=path, root_path="/user/me/proxy/8420")
    prefix = path.removesuffix("/ws")
    assert (
        page("localhost:8420", root_path="/user/me/proxy/8420", path=f"{prefix}/main.js").status_code == 200
    )
    assert page("localhost:8420", root_path="/user/me/proxy/8420", path=f"{prefix}/").status_code == 200
    assert page("localhost:8420", path="/user/me/proxy/8420/main.js").status_code == 404


def test_wrong_names_and_paths_are_refused():
    for name in ("http://hub.example.org", "hub/path", "", "a b", "*"):
        with pytest.raises(UsageError, match="--allow-host takes NAME"):
            security.check_hosts([name])
    for path in ("user/me", "/a b", "//x", "/<script>"):
        with pytest.raises(UsageError, match="--root-path takes a path"):
            security.check_root_path(path)
    assert security.check_root_path("/user/me/") == "/user/me"
