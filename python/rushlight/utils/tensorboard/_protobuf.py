"""Just enough of protobuf's wire format to write TensorBoard's messages.

Wire format: https://protobuf.dev/programming-guides/encoding. The field numbers are those of tensorboard/compat/proto:
event.proto, summary.proto, tensor.proto, tensor_shape.proto, types.proto, and plugins' plugin_data.proto.
"""

from __future__ import annotations

import struct

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

DT_FLOAT, DT_STRING = 1, 7


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1  # negative numbers are ten bytes, as int64
    out = bytearray()
    while value > 0x7F:
        out.append((value & 0x7F) | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def integer(field: int, value: int) -> bytes:
    return varint(field << 3 | _VARINT) + varint(value)


def double(field: int, value: float) -> bytes:
    return varint(field << 3 | _FIXED64) + struct.pack("<d", value)


def float32(field: int, value: float) -> bytes:
    return varint(field << 3 | _FIXED32) + struct.pack("<f", value)


def text(field: int, value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | _BYTES) + varint(len(data)) + data


message = text  # an embedded message is its bytes


def packed_doubles(field: int, values: list[float]) -> bytes:
    return message(field, struct.pack(f"<{len(values)}d", *values))


def event(wall_time: float, step: int | None = None, *, version: str = "", summary: bytes | None = None) -> bytes:
    """Event: wall_time 1, step 2, file_version 3, summary 5."""
    data = double(1, wall_time)
    if step is not None:
        data += integer(2, step)
    if version:
        data += text(3, version)
    if summary is not None:
        data += message(5, summary)
    return data


def value(tag: str, content: bytes, *, plugin: str = "", plugin_content: bytes = b"") -> bytes:
    """A Summary of one Value: tag 1, metadata 9 with plugin_data 1, and the given content."""
    data = text(1, tag)
    if plugin:
        plugin_data = text(1, plugin) + (text(2, plugin_content) if plugin_content else b"")
        data += message(9, message(1, plugin_data))
    return message(1, data + content)


def scalar(tag: str, number: float) -> bytes:
    """Value.simple_value 2."""
    return value(tag, float32(2, number))


def image(tag: str, png: bytes, height: int, width: int, channels: int) -> bytes:
    """Value.image 4: height 1, width 2, colorspace 3, encoded_image_string 4."""
    return value(tag, message(4, integer(1, height) + integer(2, width) + integer(3, channels) + text(4, png)))


def histogram(
    tag: str, low: float, high: float, count: float, total: float, squares: float, limits: list, buckets: list
) -> bytes:
    """Value.histo 5: min 1, max 2, num 3, sum 4, sum_squares 5, bucket_limit 6, bucket 7."""
    data = double(1, low) + double(2, high) + double(3, count) + double(4, total) + double(5, squares)
    return value(tag, message(5, data + packed_doubles(6, limits) + packed_doubles(7, buckets)))


def string_tensor(tag: str, strings: list[str], plugin: str) -> bytes:
    """Value.tensor 8: dtype 1, shape 2 of dims 2 of size 1, string_val 8."""
    shape = message(2, integer(1, len(strings)))
    data = integer(1, DT_STRING) + message(2, shape) + b"".join(text(8, s) for s in strings)
    return value(tag, message(8, data), plugin=plugin)
