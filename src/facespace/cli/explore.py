"""The verb that opens the explorer."""

import contextlib
import html
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from facespace.cli.app import Done, verb
from facespace.cli.options import Flag
from facespace.core.errors import FacespaceError

ARENAS = 2  # of memory for the server's threads: with more it grew by a half over some hundred visits


@verb("facespace explore [SPACE ...]")
def explore(
    *spaces: Path,
    data: Path | None = None,
    port: int | None = None,
    host: str = "127.0.0.1",
    token: str | None = None,
    allow_host: Annotated[tuple[str, ...], Parameter(name="--allow-host", negative="")] = (),
    root_path: str = "",
    new_token: Flag = False,
    open: Flag = False,
) -> Done:
    """Explore a space in the browser: sliders, drawing, photographs, a map, morphs.

    Example: facespace explore runs/celeba --open

    Parameters
    ----------
    spaces
        Runs or bundles, to be switched on the page. [default: the default space, and the runs under ./runs
        and ./demo, the newest first]
    data
        A prepared set whose faces the page's figures and map show.
    port
        Port of this machine. [default: 8420, or the next free one; 0 is any]
    host
        Another address to listen on lets other machines in, and requires --token.
    token
        The page's key, 16 characters or more. [default: one that is kept for this port and user, so that
        an open page reconnects after a restart]
    new_token
        Replace the kept key by another one.
    allow_host
        NAME or NAME:PORT under which a proxy of your own shows the page, such as that of JupyterHub or
        Codespaces; may be repeated. Tunnels to localhost (ssh -L, docker -p) need none.
    root_path
        The path under which a proxy shows the page that leaves it in requests, such as /user/me/proxy/8420.
    open
        Open the browser too.
    """
    from facespace.core.console import note
    from facespace.data.faces import FaceSet
    from facespace.explorer.security import Access
    from facespace.explorer.service import Service, Spaces
    from facespace.training.memory import keep_freed_memory

    keep_freed_memory(ARENAS)  # a quarter of the time of a decoded face at 160×176 px
    chosen = list(spaces) or at_hand(Path("runs"), Path("demo"))
    opened = Spaces(chosen, FaceSet(data) if data else None)
    opened.open(0)  # a missing or damaged space raises before anything listens
    access = Access(allowed=allow_host, root_path=root_path)
    service = Service(opened, host, port, token, access, new_token)

    def ready(address: str) -> None:
        note(f"Explore {', '.join(opened.names)} at {address}  (Ctrl-C stops)")
        if open:
            opened_by.enter_context(in_browser(address))

    with contextlib.ExitStack() as opened_by:
        service.serve_until_stopped(ready)
    return Done({"address": service.address, "spaces": [str(space) for space in chosen]}, "Stopped.")


@contextmanager
def in_browser(address: str) -> Iterator[None]:
    """Opens an address in the browser. Not by a command line, which every user of the machine can read and
    which would show the token, but by a file of this user alone, which is removed afterwards."""
    import webbrowser

    with tempfile.TemporaryDirectory(prefix="facespace-", ignore_cleanup_errors=True) as folder:
        page = Path(folder, "explorer.html")
        page.touch(0o600)
        link = html.escape(address)
        page.write_text(
            f'<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url={link}">'
            f'<title>facespace</title><a href="{link}">Open the explorer</a>',
            encoding="utf-8",
        )
        webbrowser.open(page.as_uri())
        yield


def at_hand(*places: Path) -> list[Path]:
    """The default space, then the runs in some folders, the newest first. Raises FacespaceError where there
    is none."""
    from facespace.models.locations import default_space

    cards = []
    for place in places:
        cards += place.glob("*/best/card.json")
    cards.sort(key=lambda card: card.stat().st_mtime, reverse=True)
    found = [card.parent.parent for card in cards]
    default = default_space()
    if default:
        found.insert(0, default)
    if not found:
        where = " or ".join(f"./{place}" for place in places)
        raise FacespaceError(
            f"No space was named and there is no run under {where}. Name one (facespace explore RUN), "
            "or make the demo's: facespace demo --to demo"
        )
    return found
