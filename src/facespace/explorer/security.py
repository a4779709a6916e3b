"""Access control of the page's server: only a page that the server itself sent, with an allowed host name and
the token of the printed address. Checks and headers alone; serves nothing.

A page of another site cannot send the right Origin, a name rebound to 127.0.0.1 is not an allowed Host, and
another program on the machine has no token."""

import contextlib
import hmac
import os
import re
import secrets
import socket
import stat
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facespace.core.cache import cache_folder
from facespace.core.errors import UsageError

TOKEN = r"[A-Za-z0-9_-]{16,128}"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "[::1]")  # as a Host header has them
PROTOCOL = "facespace.v1"  # the WebSocket subprotocol; the token is sent beside it
FEWEST_CHARACTERS = 8  # different ones in a token
FEWEST_OTHERS = 12  # characters of a token beside common words
WORDS = (
    "facespace",
    "password",
    "passwort",
    "secret",
    "token",
    "admin",
    "letmein",
    "changeme",
    "welcome",
    "test",
)
ROWS = {
    f"{row[place]}{row[place + 1]}"
    for row in ("qwertyuiop", "asdfghjkl", "zxcvbnm")
    for place in range(len(row) - 1)
}
NOTEBOOKS = "http://localhost:* http://127.0.0.1:*"


def check_token(host: str, token: str | None) -> str:
    """The token of this server: the given one, or a random one. UsageError if one must be given, or is too
    weak."""
    if token is None and host not in LOOPBACK:
        raise UsageError(
            f"--host {host} lets other machines in, so it needs a token of your own: --token with 16 "
            "letters or more."
        )
    if token is not None and not re.fullmatch(TOKEN, token):
        raise UsageError("--token takes 16 to 128 of the characters A-Z a-z 0-9 _ and -.")
    if token is not None and host not in LOOPBACK and is_weak(token):
        raise UsageError(
            f"--host {host} lets other machines in, and this token is easy to guess. Take a random one: "
            f"--token {secrets.token_urlsafe(24)}"
        )
    return token or secrets.token_urlsafe(24)


def is_weak(token: str) -> bool:
    """Whether a token is one that people think of: few different characters, a part that repeats, characters
    in a row, or common words with little else."""
    if len(set(token)) < FEWEST_CHARACTERS:
        return True
    if any(token == (token[:part] * len(token))[: len(token)] for part in range(1, len(token) // 2 + 1)):
        return True
    lower = token.lower()
    steps = [abs(ord(after) - ord(before)) for before, after in pairwise(lower)]
    rows = sum(pair in ROWS for pair in map("".join, pairwise(lower)))
    if sum(step <= 1 for step in steps) + rows > len(steps) / 2:
        return True
    for word in WORDS:
        lower = lower.replace(word, "")
    return len(lower) < FEWEST_OTHERS


def kept_token(port: int, fresh: str, new: bool = False) -> str:
    """The token of this user's earlier server on the port, so that its page reconnects after a restart; else,
    and with `new`, the fresh one, which is kept. Where no file can be written, the fresh one is used."""
    file = cache_folder() / "explorer" / f"{port}.token"
    known = None if new else _private_text(file)
    if known and re.fullmatch(TOKEN, known):
        return known
    with contextlib.suppress(OSError):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as written:
            written.write(fresh)
        beside.replace(file)
    return fresh


def _private_text(file: Path) -> str | None:
    """The text of a small file that nobody but this user can read or has made; None for any other."""
    try:
        with os.fdopen(os.open(file, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))) as opened:
            facts = os.fstat(opened.fileno())
            own = not hasattr(os, "getuid") or (facts.st_uid == os.getuid() and not facts.st_mode & 0o077)
            return opened.read(200) if own and stat.S_ISREG(facts.st_mode) else None
    except (OSError, UnicodeDecodeError):
        return None


def allowed_hosts(host: str, port: int) -> frozenset[str]:
    """The allowed values of the Host header: this machine's names with this port."""
    names = set(LOOPBACK)
    if host not in LOOPBACK:
        names |= {host, socket.gethostname(), *_own_addresses()}
    return frozenset(f"{authority(name)}:{port}".lower() for name in names)


def authority(host: str) -> str:
    """A host as part of an address: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


def _own_addresses() -> set[str]:
    addresses: set[str] = set()
    with contextlib.suppress(OSError):
        for entry in socket.getaddrinfo(socket.gethostname(), None):
            addresses.add(str(entry[4][0]))
    return addresses


def check_hosts(names: Sequence[str]) -> tuple[str, ...]:
    """The names, or NAME:PORT, under which a proxy shows the page, in lower case. Raises UsageError for what
    is no host."""
    for name in names:
        if not re.fullmatch(r"([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?", name):
            raise UsageError(
                f"--allow-host takes NAME or NAME:PORT, such as hub.example.org; got {name!r}. "
                "Leave out http:// and the path."
            )
    return tuple(name.lower() for name in names)


def check_root_path(path: str) -> str:
    """The path under which a proxy shows the page, without the slash at its end. Raises UsageError for what
    is no path."""
    if path and not re.fullmatch(r"(/[A-Za-z0-9_.~@%+=-]+)+/?", path):
        raise UsageError(f"--root-path takes a path, such as /user/me/proxy/8420; got {path!r}.")
    return path.rstrip("/")


def name_of(host: str) -> str:
    """A Host header without its port."""
    return re.sub(r":[0-9]+$", "", host)


class Access(NamedTuple):
    """From where the page may be shown, beside this server's own address."""

    frames: str = ""  # origins that may show it in a frame
    allowed: Sequence[str] = ()  # NAME or NAME:PORT of proxies
    root_path: str = ""  # which proxies have before the path of a request

    def checked(self) -> "Access":
        """With the names in lower case and no slash at the path's end. Raises UsageError for what is no host
        or path."""
        return Access(self.frames, check_hosts(self.allowed), check_root_path(self.root_path))


class Guard:
    """Middleware of the whole application: refuses a wrong Host or Origin, a WebSocket without the token, and
    every method but GET and HEAD; adds the security headers to every response.

    Hosts are this server's own, loopback names with any port, which tunnels (ssh -L, docker -p) change, and
    the allowed names of proxies, with any port unless they have one. A page of another loopback port has
    another Origin than its Host, and no name of another site is loopback, so neither gets in."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str], token: str, access: Access) -> None:
        self.app, self.hosts, self.token, self.frames = app, hosts, token, access.frames
        self.allowed, self.root_path = frozenset(access.allowed), access.root_path
        self.origins = {f"http://{host}" for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on or refuses it."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _is_allowed(self, host: str) -> bool:
        """Whether a proxy was allowed to show the page under that host."""
        return host in self.allowed or name_of(host) in self.allowed

    def _is_host(self, host: str) -> bool:
        return host in self.hosts or name_of(host) in LOOPBACK_HOSTS or self._is_allowed(host)

    def _is_origin(self, origin: str, host: str) -> bool:
        """Whether a page of that origin is this server's own, in a request to that host."""
        if origin in self.origins or origin == f"http://{host}":
            return True
        scheme, _, name = origin.partition("://")
        return scheme in ("http", "https") and self._is_allowed(name)

    def _without_root_path(self, scope: Scope) -> Scope:
        path = scope["path"]
        if self.root_path and (path == self.root_path or path.startswith(f"{self.root_path}/")):
            return {**scope, "path": path[len(self.root_path) :] or "/", "raw_path": None}
        return scope

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = _header(scope, b"host").lower()
        origins = {origin.lower() for origin in _headers(scope, b"origin")}
        if not self._is_host(host):
            await _refuse(send, 403, _unknown_host(host))
        elif not all(self._is_origin(origin, host) for origin in origins):
            await _refuse(send, 403, "This server answers its own page alone.")
        elif scope["method"] not in ("GET", "HEAD"):
            await _refuse(send, 405, "Only GET.")
        else:
            await self.app(self._without_root_path(scope), receive, self._adding(send, host))

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        host, origin = _header(scope, b"host").lower(), _header(scope, b"origin").lower()
        protocols = list(map(str.strip, _header(scope, b"sec-websocket-protocol").split(",")))
        allowed = self._is_host(host) and self._is_origin(origin, host)
        if allowed and PROTOCOL in protocols and self._has_token(protocols):
            await self.app(self._without_root_path(scope), receive, send)
        else:
            await receive()  # the connect event; a close before an accept answers 403
            await send({"type": "websocket.close", "code": 1008})

    def _has_token(self, protocols: Iterable[str]) -> bool:
        token = self.token.encode()
        return any(hmac.compare_digest(part.encode(), token) for part in protocols)

    def _adding(self, send: Send, host: str) -> Send:
        policy = (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src "
            "blob:; "
            f"connect-src 'self' ws://{host} wss://{host}; base-uri 'none'; form-action 'none'; "
            f"frame-ancestors {self.frames or repr('none')}"
        )
        extra = {**HEADERS, "content-security-policy": policy}
        pairs: list[tuple[bytes, bytes]] = []
        for name, value in extra.items():
            pairs.append((name.encode(), value.encode()))

        async def adding(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", []), *pairs]}
            await send(message)

        return adding


HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
    "cache-control": "no-store",
}


def _unknown_host(host: str) -> str:
    """The sentence for a Host that is not known, with the way on."""
    name = host if re.fullmatch(r"[a-z0-9_.:\[\]-]{1,200}", host) else "NAME"
    return (
        f"This server was not told that its page is shown as {name}. Where a proxy or a tunnel of your own "
        f"does so, start it with: facespace explore --allow-host {name}"
    )


def _headers(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def _header(scope: Scope, name: bytes) -> str:
    """The only value of a header; empty if it is missing or occurs twice."""
    found = _headers(scope, name)
    return found[0] if len(found) == 1 else ""


async def _refuse(send: Send, status: int, sentence: str) -> None:
    body = sentence.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
