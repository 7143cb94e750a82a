"""What browsers show and play: PNG (https://www.w3.org/TR/png-3), moving GIF (https://www.w3.org/Graphics/GIF/spec-gif89a.txt), WAV."""

from __future__ import annotations

import struct
import zlib
from typing import Any

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


def encode_wav(samples: bytes, sample_rate: int, channels: int) -> bytes:
    """`samples`: 16-bit little-endian, the channels of a moment together."""
    width = 2 * channels
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, sample_rate, sample_rate * width, width, 16)
    data = struct.pack("<4sI", b"data", len(samples)) + samples
    return struct.pack("<4sI4s", b"RIFF", 4 + len(form) + len(data), b"WAVE") + form + data


# 6 x 7 x 6 levels of red, green and blue; the eye sees green best.
_LEVELS = (6, 7, 6)


def _palette() -> bytes:
    r, g, b = _LEVELS
    colors = [
        (i * 255 // (r - 1), j * 255 // (g - 1), k * 255 // (b - 1))
        for i in range(r)
        for j in range(g)
        for k in range(b)
    ]
    return b"".join(bytes(c) for c in colors).ljust(768, b"\0")


def _uncompressed_lzw(pixels: bytes) -> bytes:
    """Codes of 9 bits, the table cleared before it asks for a tenth."""
    clear, end = 256, 257
    codes = []
    for start in range(0, len(pixels), 250):
        codes += [clear, *pixels[start : start + 250]]
    bits, packed, count = 0, bytearray(), 0
    for code in [*codes, end]:
        bits |= code << count
        count += 9
        while count >= 8:
            packed.append(bits & 255)
            bits >>= 8
            count -= 8
    if count:
        packed.append(bits & 255)
    blocks = (bytes(packed[i : i + 255]) for i in range(0, len(packed), 255))
    return b"\x08" + b"".join(bytes([len(b)]) + b for b in blocks) + b"\0"


def encode_gif(frames: Any, fps: float) -> bytes:
    """A film that repeats, of uint8 frames (T, H, W, 3) in 252 colours."""
    import numpy as np

    count, height, width, _ = frames.shape
    r, g, b = ((frames[..., i].astype(np.int32) * (n - 1) + 127) // 255 for i, n in enumerate(_LEVELS))
    indices = ((r * _LEVELS[1] + g) * _LEVELS[2] + b).astype(np.uint8)
    out = b"GIF89a" + struct.pack("<HHBBB", width, height, 0xF7, 0, 0) + _palette()
    out += b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00"
    delay = max(1, round(100 / fps))
    for t in range(count):
        out += b"\x21\xf9\x04" + struct.pack("<BHBB", 0, delay, 0, 0)
        out += b"\x2c" + struct.pack("<HHHHB", 0, 0, width, height, 0) + _uncompressed_lzw(indices[t].tobytes())
    return out + b";"
