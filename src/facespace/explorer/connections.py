"""The connections of the page's server: one that sends no whole request in time is closed, and of many such
ones the oldest, so that idle connections never keep a page out."""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_SECONDS = 5.0  # for the first line and the headers of a request
MOST_IDLE = 64  # connections without a request

_idle: dict["BoundedProtocol", asyncio.TimerHandle] = {}  # in the order of their arrival


class BoundedProtocol(H11Protocol):
    """A connection of uvicorn with a deadline for its first request. Later ones have uvicorn's own."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Starts the deadline, and closes the oldest idle connection where there are too many."""
        super().connection_made(transport)
        _idle[self] = self.loop.call_later(HEADER_SECONDS, self._give_up)
        if len(_idle) > MOST_IDLE:
            next(iter(_idle))._give_up()

    def handle_events(self) -> None:
        """A request that has arrived ends the deadline."""
        super().handle_events()
        if cast(Any, self.scope) is not None:
            self._arrived()

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side left."""
        self._arrived()
        super().connection_lost(exc)

    def _arrived(self) -> None:
        timer = _idle.pop(self, None)
        if timer is not None:
            timer.cancel()

    def _give_up(self) -> None:
        self._arrived()
        self.transport.abort()
