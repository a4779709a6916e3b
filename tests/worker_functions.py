"""What the tests of worker processes let them do: functions that a new process can import."""

import os
import signal
import time
from pathlib import Path

from facespace.core.process_team import working_on


def late(number):
    """Finishes in another order than it started."""
    time.sleep(0.02 * (number * 7 % 5))
    return number * number


def threads(_):
    """The number of threads that the libraries of this process may use."""
    return os.environ.get("OMP_NUM_THREADS"), os.getpid()


def dies_once(folder, number):
    """Ends its process at number 5, the first time alone."""
    mark = Path(folder, "died")
    if number == 5 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def deadly(folder, numbers):
    """Ends its process at each number 13, and writes down who died."""
    for place, number in enumerate(numbers):
        working_on(place)
        time.sleep(0.002)
        if number == 13:
            Path(folder, f"victim-{os.getpid()}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
    return list(numbers)


def refuses(_number):
    raise ValueError("not this one")
