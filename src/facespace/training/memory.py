"""How the C library keeps the memory of freed tensors. Imports no torch."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # options of mallopt, from malloc.h


def keep_freed_memory() -> None:
    """Makes glibc keep large freed blocks in place of returning them to the system, which zeroes them at each
    use.

    Returning them took a third to a half of a training step at 128 px. Linux with glibc only; elsewhere no
    change."""
    if sys.platform != "linux":
        return
    library = ctypes.CDLL(None)
    if hasattr(library, "gnu_get_libc_version"):
        library.mallopt(M_MMAP_MAX, 0)
        library.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def peak_process_memory() -> float | None:
    """The largest resident memory of this process so far, MB; None on Windows, which does not report it."""
    if sys.platform == "win32":
        return None
    import resource  # not on Windows

    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in bytes there, in kibibytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
