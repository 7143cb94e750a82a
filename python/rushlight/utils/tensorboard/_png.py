"""PNG files of 8-bit grey, RGB or RGBA pixels. Specification: https://www.w3.org/TR/png-3."""

from __future__ import annotations

import struct
import zlib

_COLOR_TYPE = {1: 0, 3: 2, 4: 6}


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def encode_png(pixels: bytes, height: int, width: int, channels: int) -> bytes:
    """`pixels` holds the rows from the top, the channels of a pixel together."""
    if channels not in _COLOR_TYPE:
        raise ValueError(f"add_image: expected 1, 3 or 4 channels, got {channels}")
    stride = width * channels
    if len(pixels) != height * stride:
        raise ValueError(f"add_image: expected {height * stride} bytes of pixels, got {len(pixels)}")
    # Each row starts with its filter: 0, none.
    rows = b"".join(b"\0" + pixels[y * stride : (y + 1) * stride] for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOR_TYPE[channels], 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows, 6)) + _chunk(b"IEND", b"")
    )
