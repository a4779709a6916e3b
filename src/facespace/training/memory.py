"""How the C library keeps the memory of freed tensors. Imports no torch."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8  # options of mallopt, from malloc.h


def keep_freed_memory(arenas: int | None = None) -> None:
    """Makes glibc keep large freed blocks in place of returning them to the system, which zeroes them at each
    use. Returning them took a third to a half of a training step at 128 px.

    Threads have up to so many `arenas` of memory among them, where a number is given: a server with a thread
    for each request otherwise keeps the largest blocks of all of them. Linux with glibc only; elsewhere no
    change."""
    if sys.platform != "linux":
        return
    library = ctypes.CDLL(None)
    if hasattr(library, "gnu_get_libc_version"):
        library.mallopt(M_MMAP_MAX, 0)
        library.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        if arenas is not None:
            library.mallopt(M_ARENA_MAX, arenas)


def peak_process_memory() -> float | None:
    """The largest resident memory of this process so far, MB; None on Windows, which does not report it."""
    if sys.platform == "win32":
        return None
    import resource  # not on Windows

    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in bytes there, in kibibytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
