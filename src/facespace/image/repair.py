"""Image files that break a rule of their format although all their pixels are there: the same bytes without
what is damaged, or with the end that is missing. Decodes nothing."""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

# --- PNG: whatever is wrong in an ancillary chunk is left out, as libpng does

PNG = b"\x89PNG\r\n\x1a\n"
CRITICAL = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
WANTED = (b"tRNS", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"eXIf", b"sBIT")
MAX_TEXT = 1_000_000  # bytes of a PNG's text or profile that Pillow takes
MAX_PROFILE = 16_000_000  # bytes of an unpacked profile; those of presses have some


class Chunk(NamedTuple):
    """A chunk of a PNG."""

    name: bytes
    content: bytes
    whole: bool  # whether its checksum is right
    packed: bytes  # with length and checksum


def _chunks(data: bytes) -> Iterator[Chunk]:
    at = len(PNG)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        end = at + 12 + length
        if end > len(data):
            return
        name, content = data[at + 4 : at + 8], data[at + 8 : end - 4]
        whole = zlib.crc32(name + content) == struct.unpack_from(">I", data, end - 4)[0]
        yield Chunk(name, content, whole, data[at:end])
        at = end


def significant_bits(data: bytes) -> int:
    """The bits of a sample that the chunk sBIT of a PNG states; 0 without one."""
    for chunk in _chunks(data):
        if chunk.name == b"sBIT" and chunk.whole and chunk.content:
            return max(chunk.content)
        if chunk.name == b"IDAT":
            break
    return 0


def without_damaged_chunks(data: bytes) -> tuple[bytes, bytes]:
    """A PNG without its texts and without ancillary chunks whose checksum is wrong; and its unpacked profile,
    whose chunk is left out where it is longer than MAX_TEXT."""
    kept, profile = [PNG], b""
    for chunk in _chunks(data):
        if chunk.name == b"iCCP" and chunk.whole:
            profile = _unpacked_profile(chunk.content)
            if not 0 < len(profile) < MAX_TEXT:
                continue
        if chunk.name in CRITICAL or (chunk.whole and (chunk.name in WANTED or _states_xmp(chunk))):
            kept.append(chunk.packed)
    return b"".join(kept), profile


def _states_xmp(chunk: Chunk) -> bool:
    """Whether a chunk is a short XMP packet, which may state the orientation."""
    return (
        chunk.name == b"iTXt"
        and chunk.content[:22] == b"XML:com.adobe.xmp\0\0\0\0\0"
        and (len(chunk.content) < MAX_TEXT)
    )


def _unpacked_profile(content: bytes) -> bytes:
    """The profile of a chunk iCCP: a name, a zero, a zero for zlib, and the packed profile; empty where it is
    damaged or too long."""
    name_end = content.find(b"\0")
    unpacker = zlib.decompressobj()
    try:
        profile = unpacker.decompress(content[name_end + 2 :], MAX_PROFILE)
    except zlib.error:
        return b""
    return b"" if unpacker.unconsumed_tail else profile


# --- JPEG and JPEG 2000: metadata that Pillow stumbles over is left out, and a missing end mark is added

JPEG = b"\xff\xd8\xff"
JPEG_2000 = (b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  \r\n\x87\n")  # a bare code stream, and one in boxes
END = b"\xff\xd9"
APP_KEPT = {0xE0: b"JFIF", 0xE1: b"Exif", 0xE2: b"ICC_PROFILE", 0xEE: b"Adobe"}
# Bytes that a scan without its last blocks would decode as some: pixels that depend on them are missing.
PADDING = (b"", b"\x55\xaa" * 64, b"\xaa\x2d" * 64)


def with_end(data: bytes, padding: bytes = b"") -> bytes:
    """A JPEG or JPEG 2000 with that padding and an end mark in place of a missing or halved one."""
    whole = data[:-1] if data.endswith(b"\xff") else data
    return whole + padding + END


def without_metadata(data: bytes, kept: dict[int, bytes]) -> tuple[bytes, bytes]:
    """A JPEG with those application segments alone, and the content of the Exif segment."""
    parts, exif, at = [data[:2]], b"", 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker, (length,) = data[at + 1], struct.unpack_from(">H", data, at + 2)
        segment = data[at : at + 2 + length]
        content = segment[4:]
        if marker == 0xE1 and content.startswith(b"Exif"):
            exif = exif or content
        application = 0xE0 <= marker <= 0xEF or marker == 0xFE
        if not application or (marker in kept and content.startswith(kept[marker])):
            parts.append(segment)
        at += 2 + length
        if marker == 0xDA:  # the scan, up to the end
            break
    return b"".join([*parts, data[at:]]), exif


# --- WebP: metadata behind the pixels may be cut off

IMAGE_CHUNKS = (b"VP8 ", b"VP8L", b"ANMF")
EXIF_FLAG, XMP_FLAG = 0x08, 0x04  # of the chunk VP8X


def is_webp(data: bytes) -> bool:
    """Whether these are the bytes of a WebP."""
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def ends_early(data: bytes) -> bool:
    """Whether a WebP has fewer bytes than it states."""
    return len(data) < struct.unpack_from("<I", data, 4)[0] + 8


def with_cut_metadata(data: bytes) -> bytes | None:
    """A WebP that ends within its metadata, with zeros for what is missing. None where it does not end early,
    where pixels are cut off, and where the tags that may state the orientation are."""
    if not ends_early(data):
        return None
    chunks, at, whole = [], 12, True
    while whole and at + 8 <= len(data):
        name, (length,) = data[at : at + 4], struct.unpack_from("<I", data, at + 4)
        content = data[at + 8 : at + 8 + length]
        whole = len(content) == length
        if not whole and not _may_be_cut(name, content, length):
            return None
        chunks.append(data[at : at + 8] + content.ljust(length + length % 2, b"\0"))
        at += 8 + length + length % 2
    names = [chunk[:4] for chunk in chunks]
    if not any(name in IMAGE_CHUNKS for name in names):
        return None
    if names[0] == b"VP8X":
        flags = chunks[0][8]
        if flags & EXIF_FLAG and b"EXIF" not in names:
            return None
        if b"XMP " not in names:
            flags &= ~XMP_FLAG
        chunks[0] = chunks[0][:8] + bytes([flags]) + chunks[0][9:]
    packed = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(packed)) + packed


def _may_be_cut(name: bytes, content: bytes, length: int) -> bool:
    """Whether what is there of a chunk is enough for the picture."""
    if length > MAX_TEXT:
        return False
    return name == b"XMP " or (name == b"EXIF" and _has_first_directory(content))


def _has_first_directory(content: bytes) -> bool:
    """Whether all tags of the first directory are there, of which the orientation is one."""
    tiff = content.removeprefix(b"Exif\0\0")
    order = ">" if tiff[:2] == b"MM" else "<"
    try:
        (start,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, start)
    except struct.error:
        return False
    return start + 2 + 12 * count <= len(tiff)
