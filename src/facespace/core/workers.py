"""Where work runs, as a user says it: how many processes, or which cluster. Starts nothing; tasks.py does."""

import contextlib
import os
from dataclasses import dataclass
from urllib.parse import urlsplit

from facespace.core.errors import UsageError

MOST_WORKERS = 64  # more are refused, unless the machine has so many cores
LOCAL = "local"  # the cluster that a command starts by itself
SCHEMES = ("tcp", "tls")  # of the addresses of running ones


@dataclass(frozen=True)
class Workers:
    """Where work runs: in `count` processes of this machine, or in the workers of a Dask `cluster`: "local"
    or "local:N" for one that is started on this machine, "tcp://HOST:PORT" for the scheduler of a running
    one. Neither: as the caller of `map_in_order` decides, mostly in this process.

    Raises UsageError for impossible values."""

    count: int | None = None
    cluster: str | None = None

    def __post_init__(self) -> None:
        if self.count is not None:
            check_count(self.count, "--workers")
        if self.cluster is None:
            return
        if self.count is not None:
            raise UsageError("Work runs in --workers of this machine or on a --cluster; name one of the two.")
        _check_address(self.cluster)

    @property
    def named(self) -> bool:
        """Whether a number or a cluster was asked for."""
        return self.count is not None or self.cluster is not None


HERE = Workers()


def check_count(count: int, option: str) -> None:
    """Raises UsageError for an impossible number of workers."""
    cores = os.cpu_count() or 1
    most = max(MOST_WORKERS, 4 * cores)
    if not 1 <= count <= most:
        raise UsageError(f"{option} must be from 1 to {most}; got {count}. This machine has {cores} cores.")


def _check_address(address: str) -> None:
    """Raises UsageError for a --cluster that is neither local, local:N nor an address."""
    kind, _, rest = address.partition(":")
    if kind == LOCAL and (rest.isdecimal() or address == LOCAL):
        if rest:
            check_count(int(rest), f"The number of workers of --cluster {address}")
        return
    with contextlib.suppress(ValueError):
        parts = urlsplit(address)
        if parts.scheme in SCHEMES and parts.hostname and parts.port:
            return
    raise UsageError(
        "--cluster takes local, local:N, or the address of a Dask scheduler such as tcp://10.0.0.1:8786; got "
        f"{address!r}."
    )


def is_local(address: str | None) -> bool:
    """Whether a cluster is started on this machine, in processes that import anew."""
    return address is not None and address.partition(":")[0] == LOCAL
