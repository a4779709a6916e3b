"""A published site at an address of this machine, to look at it before it is uploaded. Serves files of one
folder to this machine alone."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from facespace.core import interrupts
from facespace.explorer.service import bind, media_type

HEADERS = {"cache-control": "no-cache", "x-content-type-options": "nosniff"}


def application(site: Path) -> Starlette:
    """The application that serves the files which the folder holds now."""
    files: dict[str, Path] = {}
    for path in site.rglob("*"):
        if path.is_file():
            files[path.relative_to(site).as_posix()] = path

    async def page(request: Request) -> Response:
        name = request.path_params.get("name") or "index.html"
        if name not in files:  # a table, not a folder: no path of the request reaches the disk
            return PlainTextResponse("There is no such file.", 404)
        return FileResponse(files[name], media_type=media_type(name), headers=HEADERS)

    return Starlette(routes=[Route("/", page), Route("/{name:path}", page)])


def serve(site: Path, port: int | None, ready: Callable[[str], None]) -> str:
    """Serves a folder until Ctrl-C; `ready` is called with the address, which is returned. Raises
    FacespaceError where no port is free."""
    listening = bind("127.0.0.1", port)
    address = f"http://127.0.0.1:{listening.getsockname()[1]}/"
    server = _Server(
        uvicorn.Config(application(site), log_level="critical", access_log=False, lifespan="off")
    )
    ready(address)
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listening])
    return address


class _Server(uvicorn.Server):
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Ctrl-C ends it at once."""
        interrupts.leave_soon(0, "Stopped.")
        super().handle_exit(sig, frame)
