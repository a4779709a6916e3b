"""Numbers of bytes as texts: 1GiB, 256MB."""

import math

UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
UNITS |= {"kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}


def parse_bytes(text: str) -> int | None:
    """The number of bytes that a text such as 1GiB, 256MB or 100000 names; None for another text."""
    text = text.strip().lower()
    number = text.rstrip("bgikmt")
    unit = UNITS.get(text[len(number) :])
    try:
        size = float(number)
    except ValueError:
        return None
    if unit is None or not math.isfinite(size):
        return None
    return round(size * unit)


def shown_bytes(size: int) -> str:
    """1,234,567,890 as '1.15 GiB', and less than a GiB in MiB."""
    return f"{size / 2**30:,.2f} GiB" if size >= 2**30 else f"{size / 2**20:,.2f} MiB"
