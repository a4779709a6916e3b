"""The server of the page: its files, and one WebSocket for its requests. Requests are answered in
handlers.py; access is controlled in security.py."""

import asyncio
import contextlib
import errno
import socket
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from importlib import resources
from pathlib import Path
from types import FrameType

import anyio.to_thread
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket, WebSocketDisconnect

from facespace.core import interrupts
from facespace.core.errors import FacespaceError, UsageError
from facespace.core.waiting import Abandoned, while_wanted
from facespace.data.faces import FaceSet
from facespace.explorer import handlers, messages, security
from facespace.explorer.connections import BoundedProtocol
from facespace.explorer.engine import Engine, short_fingerprint
from facespace.explorer.security import Access
from facespace.models import locations
from facespace.models.bundle_card import read_card
from facespace.space.face_space import FaceSpace, load

PORT, TRIED = 8420, 20  # the default port, and how many ports from it on are tried
LAST_PORT = 65_535
QUEUED = 64  # requests of one page that are read before one of them is answered
AT_ONCE = 4  # requests of one page that are handled at the same time
PAGES = 16  # open pages
NO_PROXY = Access()  # the page is shown at the server's own address alone


class Spaces:
    """The spaces that can be selected on the page; each is opened at its first request."""

    def __init__(self, spaces: Sequence[FaceSpace | Path], faces: FaceSet | None = None) -> None:
        self._given, self._faces = list(spaces), faces
        self._engines: dict[int, Engine] = {}
        self.stopped = False  # all work ends at its next step
        folders = [_folder(space) for space in spaces]
        self.names = [_name(folder) for folder in folders]
        self._folders = folders

    def open(self, index: int) -> Engine:
        """The engine of a space by its number."""
        if index not in self._engines:
            given = self._given[index]
            space = given if isinstance(given, FaceSpace) else load(given)
            engine = Engine(space, self.names[index], self._faces, lambda: self.fingerprints)
            self._engines.setdefault(index, engine)
        return self._engines[index]

    @cached_property
    def fingerprints(self) -> list[str]:
        """What tells the spaces apart in links; empty for a space whose card cannot be read."""
        found: list[str] = []
        for folder in self._folders:
            try:
                found.append(short_fingerprint(read_card(folder)))
            except FacespaceError:
                found.append("")
        return found

    def stop(self) -> None:
        """Ends all work, of requests and in the background."""
        self.stopped = True
        for engine in self._engines.values():
            engine.stop()


def _folder(space: FaceSpace | Path) -> Path:
    return space.folder if isinstance(space, FaceSpace) else locations.find(space)


def _name(folder: Path) -> str:
    """The name of the run, without the bundle's and never a whole path."""
    path = folder.resolve()
    if locations.origin_of(path):
        return locations.title_of(path)
    if folder.name in (locations.BEST, locations.LAST):
        return path.parent.name
    return path.name or "space"


# Written here: the types of `mimetypes` are those of the system, and a Windows registry may say that a script
# is plain text, which no browser runs.
TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".json": "application/json",
}


def media_type(name: str) -> str:
    """The type of a file of the page, by its ending."""
    return TYPES.get(Path(name).suffix.lower(), "application/octet-stream")


def application(spaces: Spaces, hosts: frozenset[str], token: str, access: Access = NO_PROXY) -> ASGIApp:
    """The application: the page's files and its WebSocket, behind the guard."""
    files = page_files()

    async def page(request: HttpRequest) -> Response:
        name = request.path_params.get("name") or "index.html"
        if name not in files:  # a table, not a folder: no path of the request reaches the disk
            return PlainTextResponse("There is no such file.", 404)
        return Response(files[name], media_type=media_type(name))

    async def connect(socket: WebSocket) -> None:
        if len(open_pages) >= PAGES:
            await socket.close(1013)
            return
        open_pages.add(socket)
        try:
            await _serve(socket, spaces)
        finally:
            open_pages.discard(socket)

    open_pages: set[WebSocket] = set()
    routes = [WebSocketRoute("/ws", connect), Route("/", page), Route("/{name:path}", page)]
    return security.Guard(Starlette(routes=routes), hosts, token, access)


def page_files() -> dict[str, bytes]:
    """The files of the page by their address."""
    root = resources.files("facespace.explorer") / "web"
    files: dict[str, bytes] = {}
    folders = "panels", "lessons", "local"
    for prefix, folder in (("", root), *((f"{name}/", root / name) for name in folders)):
        for entry in folder.iterdir():
            if entry.is_file():
                files[prefix + entry.name] = entry.read_bytes()
    return files


async def _serve(socket: WebSocket, spaces: Spaces) -> None:
    """Answers one page until it disconnects. A malformed message closes the connection; a request that fails
    is answered with an error sentence."""
    await socket.accept(subprotocol=security.PROTOCOL)
    page = handlers.Page()
    gate, queue, tasks = asyncio.Semaphore(AT_ONCE), asyncio.Semaphore(QUEUED), set()

    async def work(request: messages.Request) -> None:
        try:
            async with gate:
                reply = await anyio.to_thread.run_sync(_reply, spaces, request, page)
            if reply is not None:
                # The page may have disconnected meanwhile.
                with contextlib.suppress(RuntimeError, WebSocketDisconnect, OSError):
                    await socket.send_bytes(reply)
        finally:
            queue.release()

    try:
        while True:
            message = await socket.receive()
            if message["type"] != "websocket.receive":
                return
            await queue.acquire()
            try:
                request = messages.read(message.get("bytes") or b"")
            except UsageError:
                await socket.close(1003)
                return
            task = asyncio.create_task(work(request))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
    finally:
        page.left = True  # what it has asked for stops at its next step
        for task in tasks:
            task.cancel()


def _reply(spaces: Spaces, request: messages.Request, page: handlers.Page) -> bytes | None:
    """The reply to one request as a message; an exception becomes an error sentence. None where nobody waits
    for it any more."""
    start = time.perf_counter()
    try:
        index = messages.whole(request.fields, "space", 0, len(spaces.names) - 1, 0)
        with while_wanted(lambda: not (page.left or spaces.stopped)):
            header, payload = handlers.answer(spaces.open(index), request, page)
        taken = round(1000 * (time.perf_counter() - start), 2)
        return messages.write(
            {**header, "spaces": spaces.names, "milliseconds": taken, "id": request.id, "ok": True}, payload
        )
    except Abandoned:
        return None
    except FacespaceError as error:
        sentence = str(error)
    except Exception as error:  # a programming error must not close the connection
        sentence = f"That did not work ({type(error).__name__}). Please report it with what you did."
    return messages.write({"id": request.id, "ok": False, "error": sentence})


def _ports(port: int | None) -> Sequence[int]:
    return range(PORT, PORT + TRIED) if port is None else [port]


def bind(host: str, port: int | None) -> socket.socket:
    """A listening socket on the port; without one, on the first free port from PORT on. Raises UsageError for
    a port that cannot be and a host that is not this machine, FacespaceError if none is free."""
    if port is not None and not 0 <= port <= LAST_PORT:
        raise UsageError(f"--port is a number from 0 (any free one) to {LAST_PORT}; got {port}.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for number in _ports(port):
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, number))
            listening.listen(128)
            return listening
        except (OSError, TypeError, ValueError) as error:  # the latter two: of a name that no host has
            listening.close()
            if getattr(error, "errno", None) not in (errno.EADDRINUSE, errno.EACCES):
                said = getattr(error, "strerror", None) or error
                raise UsageError(f"--host {host} is not an address of this machine ({said}).") from error
    which = f"The ports {PORT} to {PORT + TRIED - 1} are" if port is None else f"Port {port} is"
    raise FacespaceError(f"{which} in use or not allowed. Name a free one with --port, or --port 0 for any.")


class Service(uvicorn.Server):
    """A server that is ready to start; `address` contains the token."""

    def __init__(
        self,
        spaces: Spaces,
        host: str,
        port: int | None,
        token: str | None,
        access: Access = NO_PROXY,
        new_token: bool = False,
    ) -> None:
        access = access.checked()
        self._spaces, key = spaces, security.check_token(host, token)
        self.listening = bind(host, port)
        number = self.listening.getsockname()[1]
        if token is None and port != 0:  # a page finds no server again on a port that is any free one
            key = security.kept_token(number, key, new_token)
        hosts = security.allowed_hosts(host, number)
        app = application(spaces, hosts, key, access)
        shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
        self.address = f"http://{security.authority(shown)}:{number}/#token={key}"
        super().__init__(
            uvicorn.Config(
                app,
                http=BoundedProtocol,
                ws_max_size=messages.LARGEST,
                ws_per_message_deflate=False,  # raw pixels on loopback: packing costs more than sending
                log_config=None,
                log_level="critical",
                access_log=False,
                lifespan="off",
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=1,
            )
        )
        self._ready: Callable[[str], None] = lambda address: None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Ctrl-C: work in progress stops, and a deadline ends what does not."""
        self._spaces.stopped = True
        interrupts.leave_soon(0, "Stopped.")
        super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts, and calls `ready`."""
        await super().startup(sockets)
        self._ready(self.address)

    def serve_until_stopped(self, ready: Callable[[str], None]) -> None:
        """Serves; `ready` is called with the address. Returns at Ctrl-C or when `should_exit` is set."""
        self._ready = ready
        try:
            self.run(sockets=[self.listening])
        except KeyboardInterrupt:
            pass
        finally:
            self._spaces.stop()
