"""Pictures that the tests make: colour profiles, whose effect is known by a formula, and photographs' metadata."""

import io
import struct

import numpy as np
from PIL import Image

D50 = np.array([0.9642, 1.0, 0.8249])
# Columns: the XYZ (D50) of red, green and blue; Adobe RGB (1998) with its primaries' places exchanged, so that it differs a lot.
SWAPPED = np.array([[0.20528, 0.60974, 0.14919], [0.62567, 0.31111, 0.06322], [0.06087, 0.01947, 0.74457]])
TO_SRGB = np.linalg.inv(
    np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])
)  # from XYZ (D50)


def profile(space: str, gamma: float, name: str = "test") -> bytes:
    """An ICC profile, version 2: 'RGB ' with the primaries SWAPPED, or 'GRAY', and a power curve."""
    curve = b"curv" + struct.pack(">IIH", 0, 1, round(gamma * 256)) + b"\0\0"
    text = name.encode()
    about = b"desc" + struct.pack(">II", 0, len(text) + 1) + text + b"\0" + b"\0" * 78
    tags = {b"desc": about, b"wtpt": _xyz(D50), b"cprt": b"text\0\0\0\0" + text + b"\0"}
    if space == "RGB ":
        for number, colour in enumerate(b"rgb"):
            tags[bytes([colour]) + b"XYZ"] = _xyz(SWAPPED[:, number])
            tags[bytes([colour]) + b"TRC"] = curve
    else:
        tags[b"kTRC"] = curve
    table, data = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for key, content in tags.items():
        content += b"\0" * (-len(content) % 4)
        table += key + struct.pack(">II", start + len(data), len(content))
        data += content
    size = start + len(data)
    head = struct.pack(">I4sI4s4s4s", size, b"test", 0x02100000, b"mntr", space.encode(), b"XYZ ")
    head += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp") + b"\0" * 28
    head += b"".join(struct.pack(">i", round(value * 65536)) for value in D50) + b"\0" * 48
    return head + table + data


def _xyz(values: np.ndarray) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def shown(pixels: np.ndarray, space: str, gamma: float) -> np.ndarray:
    """What uint8 pixels (H, W, C) of `profile(space, gamma)` look like in sRGB, float (H, W, 3), by the formula."""
    linear = (pixels / 255.0) ** gamma
    if space == "RGB ":
        linear = linear @ SWAPPED.T @ TO_SRGB.T
    linear = linear.clip(0, 1)
    levels = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return 255 * np.broadcast_to(levels, (*pixels.shape[:2], 3))


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    """The bytes of a file."""
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()
