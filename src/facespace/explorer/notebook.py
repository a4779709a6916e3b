"""The explorer inside a notebook: the same server in a thread, shown in a frame."""

import threading
from pathlib import Path

from facespace.data.faces import FaceSet
from facespace.explorer.security import NOTEBOOKS, Access
from facespace.explorer.service import Service, Spaces
from facespace.space.face_space import FaceSpace


class Explorer:
    """A running explorer. As the last value of a cell it shows the page; `address` opens it in a browser,
    `stop()` ends it."""

    def __init__(self, service: Service) -> None:
        self._service, self.address = service, service.address
        ready = threading.Event()
        self._thread = threading.Thread(
            target=service.serve_until_stopped,
            args=(lambda _: ready.set(),),
            daemon=True,
            name="facespace explorer",
        )
        self._thread.start()
        ready.wait(10)

    def stop(self) -> None:
        """Ends the server; the page reports it and keeps its last face."""
        self._service.should_exit = True
        self._thread.join(5)

    def _repr_html_(self) -> str:
        size = 'width="100%" height="860" style="border:0"'
        return f'<iframe src="{self.address}" {size} allow="camera"></iframe>'


def explore(
    *spaces: FaceSpace | Path | str, data: FaceSet | Path | str | None = None, port: int | None = None
) -> Explorer:
    """Starts the explorer of one or more spaces in the background. Its statistics and map are those of
    `data`, a prepared set; without a `port` it uses the first free one from 8420 on."""
    if data is not None and not isinstance(data, FaceSet):
        data = FaceSet(data)
    opened: list[FaceSpace | Path] = []
    for space in spaces:
        opened.append(space if isinstance(space, FaceSpace) else Path(space))
    return Explorer(Service(Spaces(opened, data), "127.0.0.1", port, None, Access(NOTEBOOKS)))
