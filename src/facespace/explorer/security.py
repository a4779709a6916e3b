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
from collections.abc import Iterable
from pathlib import Path

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facespace.core.errors import UsageError
from facespace.core.fetch import cache_folder

TOKEN = r"[A-Za-z0-9_-]{16,128}"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
PROTOCOL = "facespace.v1"  # the WebSocket subprotocol; the token is sent beside it
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
    return token or secrets.token_urlsafe(24)


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


class Guard:
    """Middleware of the whole application: refuses a wrong Host or Origin, a WebSocket without the token, and
    every method but GET and HEAD; adds the security headers to every response. `frames` are origins that may
    show the page in a frame."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str], token: str, frames: str = "") -> None:
        self.app, self.hosts, self.token, self.frames = app, hosts, token, frames
        self.origins = {f"http://{host}" for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on or refuses it."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = _header(scope, b"host").lower()
        origins = {origin.lower() for origin in _headers(scope, b"origin")}
        if host not in self.hosts or not origins <= self.origins:
            await _refuse(send, 403, "This server answers its own page alone.")
        elif scope["method"] not in ("GET", "HEAD"):
            await _refuse(send, 405, "Only GET.")
        else:
            await self.app(scope, receive, self._adding(send, host))

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        host, origin = _header(scope, b"host").lower(), _header(scope, b"origin").lower()
        protocols = list(map(str.strip, _header(scope, b"sec-websocket-protocol").split(",")))
        allowed = host in self.hosts and origin in self.origins
        if allowed and PROTOCOL in protocols and self._has_token(protocols):
            await self.app(scope, receive, send)
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
            f"connect-src 'self' ws://{host}; base-uri 'none'; form-action 'none'; "
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
