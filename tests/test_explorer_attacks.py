"""What others can do to the explorer's server: pages that leave, idle connections, guessed tokens, odd requests."""

import contextlib
import os
import signal
import socket
import stat
import threading
import time
import webbrowser
from pathlib import Path

import numpy as np
import pytest
from explorer_help import running, serving
from test_explorer import TOKEN, Page, pack

from facespace.cli.explore import in_browser
from facespace.core.errors import UsageError
from facespace.core.waiting import Abandoned, step, while_wanted
from facespace.explorer import connections, security
from facespace.explorer.service import Spaces
from facespace.space.face_space import FaceSpace

MORPH = {"frames": 300, "interpolation": "linear", "fps": 30, "format": "gif"}


@pytest.fixture
def port(trained):
    """A running server."""
    with running(Spaces([trained]), TOKEN) as service:
        yield service.listening.getsockname()[1]


def get(port, headers="", method="GET"):
    """The status line of an answer, or an empty one where the connection was closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(f"{method} / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{headers}\r\n".encode())
        with contextlib.suppress(ConnectionError):
            return connection.recv(200).decode("latin-1").partition("\r\n")[0]
        return ""


def test_work_stops_at_its_next_step_where_nobody_waits_and_a_page_has_one_export(port, monkeypatch):
    begun, steps, ended = threading.Event(), [], threading.Event()

    def slow(space, z):
        begun.set()
        try:
            for _ in range(200):
                time.sleep(0.05)
                step()
                steps.append(1)
        except Abandoned:
            ended.set()
            raise
        return np.zeros((len(z), 16, 16, 3), np.uint8)

    monkeypatch.setattr(FaceSpace, "decode", slow)
    page, z = Page(port), np.zeros((2, 5), "<f4").tobytes()
    page.socket.send(pack(z, id=7, request="export_animation", **MORPH))
    assert begun.wait(20)
    refused, _ = page.ask("export_animation", z, **MORPH)
    assert not refused["ok"] and "already" in refused["error"]
    page.socket.close()
    assert ended.wait(20) and len(steps) < 100
    assert get(port).endswith("200 OK")


def test_what_nobody_waits_for_stops_and_without_a_question_nothing_does():
    step()
    with while_wanted(lambda: True):
        step()
    with while_wanted(lambda: False), pytest.raises(Abandoned):
        step()


def test_ctrl_c_ends_the_server_in_two_seconds_while_it_works(trained):
    with serving(trained, "--token", TOKEN) as (process, address):
        port = int(address.split(":")[2].split("/")[0])
        pages = [Page(port) for _ in range(3)]
        z = np.random.default_rng(0).normal(size=(12, 5)).astype("<f4").tobytes()
        for page in pages:
            page.socket.send(pack(z, id=1, request="export_animation", **MORPH))
        time.sleep(0.3)
        start = time.monotonic()
        process.send_signal(signal.SIGINT)
        process.wait(20)
        assert time.monotonic() - start < 15  # two seconds, unless the machine is busy
        assert process.returncode == 0 and "Traceback" not in process.stderr.read()


def test_idle_connections_keep_no_page_out_and_are_closed(port, monkeypatch):
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.4)
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(140)]
    idle[-1].sendall(b"GET / HTTP/1.1\r\nHost: x")  # half a request
    start = time.monotonic()
    assert get(port).endswith("200 OK")
    assert Page(port).ask("mean")[0]["ok"]
    assert time.monotonic() - start < 5
    for connection in idle:
        connection.settimeout(5)
        with contextlib.suppress(ConnectionError):
            assert connection.recv(1) == b""
        connection.close()
    assert not connections._idle


@pytest.mark.parametrize(
    "headers",
    ["Content-Length: abc\r\n", "Content-Length: -1\r\n", "Content-Length: 1\r\nContent-Length: 2\r\n"],
)
def test_a_length_that_is_none_is_a_bad_request_and_the_server_goes_on(port, headers, capfd):
    assert get(port, headers).split()[1] == "400"
    assert get(port).endswith("200 OK")
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(
    "token",
    [
        "a" * 16,
        "abababababababab",
        "1234567890123456",
        "abcdefghijklmnop",
        "qwertyuiopasdfgh",
        "passwordpassword",
        "facespace-secret-1",
        "facespacepassword1234",
    ],
)
def test_a_weak_token_is_refused_beyond_loopback_alone(token):
    with pytest.raises(UsageError, match="easy to guess"):
        security.check_token("0.0.0.0", token)
    assert security.check_token("127.0.0.1", token) == token


def test_random_tokens_are_strong():
    for token in (
        "Xq3-9fKd_72LmPzw",
        "d41d8cd98f00b204e9800998ecf8427e",
        *(security.check_token("::1", None),) * 3,
    ):
        assert security.check_token("0.0.0.0", token) == token


def test_the_browser_is_opened_by_a_file_of_this_user_alone(monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    with in_browser(f"http://127.0.0.1:8420/#token={TOKEN}"):
        (address,) = opened
        assert TOKEN not in address and address.startswith("file://")
        page = Path(address.removeprefix("file://"))
        assert stat.S_IMODE(page.stat().st_mode) == 0o600 and page.stat().st_uid == os.getuid()
        assert stat.S_IMODE(page.parent.stat().st_mode) == 0o700
        assert f"url=http://127.0.0.1:8420/#token={TOKEN}" in page.read_text()
    assert not page.exists()
