"""Long work on the face of a page, which `cancel_edit` or later work of the page ends at its next step."""

from collections.abc import Callable
from typing import TypeVar

from facespace.core.waiting import Abandoned, while_wanted
from facespace.explorer.calls import Call, Edit

Result = TypeVar("Result")


def cancel(call: Call) -> None:
    """Ends the page's work at its next step."""
    if call.page.edit is not None:
        call.page.edit.cancelled = True


def unless_cancelled(call: Call, work: Callable[[], Result]) -> Result | None:
    """What the work gives, in place of earlier work of the page; None where it was cancelled."""
    page, edit = call.page, Edit()
    cancel(call)
    page.edit = edit

    def wanted() -> bool:
        call.engine.touch()  # background work waits
        return not edit.cancelled

    try:
        with while_wanted(wanted):
            return work()
    except Abandoned:
        if edit.cancelled:
            return None
        raise
    finally:
        if page.edit is edit:
            page.edit = None
