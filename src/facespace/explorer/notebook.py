"""The explorer inside a notebook: the same server in a thread, shown in a frame."""

import threading
from pathlib import Path

from facespace.data.faces import FaceSet
from facespace.explorer.security import NOTEBOOKS
from facespace.explorer.service import Service, Spaces
from facespace.space.face_space import FaceSpace


class Explorer:
    """A running explorer. Shown as the last value of a cell it is the page; `address` opens it in a browser, `stop()` ends
    it."""

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
        """Ends the server; the page says so and keeps its last face."""
        self._service.should_exit = True
        self._thread.join(5)

    def _repr_html_(self) -> str:
        return f'<iframe src="{self.address}" width="100%" height="860" style="border:0" allow="camera"></iframe>'


def explore(
    *spaces: FaceSpace | Path | str, data: FaceSet | Path | str | None = None, port: int | None = None
) -> Explorer:
    """Starts the explorer of one or more spaces in the background. `data` is a prepared set for its figures and map; the
    first free port from 8420 on is taken unless one is given."""
    faces = data if isinstance(data, FaceSet) or data is None else FaceSet(data)
    given = [space if isinstance(space, FaceSpace) else Path(space) for space in spaces]
    return Explorer(Service(Spaces(given, faces), "127.0.0.1", port, None, NOTEBOOKS))
