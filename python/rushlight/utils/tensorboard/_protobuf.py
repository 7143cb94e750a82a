"""Just enough of protobuf's wire format to write TensorBoard's messages.

Wire format: https://protobuf.dev/programming-guides/encoding. The field numbers are those of tensorboard/compat/proto:
event.proto, summary.proto, tensor.proto, tensor_shape.proto, types.proto, graph.proto, node_def.proto, attr_value.proto, and
plugins' plugin_data.proto (in _plugins.py).
"""

from __future__ import annotations

import struct

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

DT_FLOAT, DT_DOUBLE, DT_STRING = 1, 2, 7


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


def packed_floats(field: int, values: list[float]) -> bytes:
    return message(field, struct.pack(f"<{len(values)}f", *values))


def event(
    wall_time: float,
    step: int | None = None,
    *,
    version: str = "",
    summary: bytes | None = None,
    graph: bytes | None = None,
    restart: bool = False,
) -> bytes:
    """Event: wall_time 1, step 2, file_version 3, graph_def 4, summary 5, session_log 7 with status 1 (START is 1)."""
    data = double(1, wall_time)
    if step is not None:
        data += integer(2, step)
    if version:
        data += text(3, version)
    if graph is not None:
        data += message(4, graph)
    if summary is not None:
        data += message(5, summary)
    if restart:
        data += message(7, integer(1, 1))
    return data


def value(tag: str, content: bytes, *, plugin: str = "", plugin_content: bytes = b"") -> bytes:
    """A Summary of one Value: tag 1, metadata 9 with plugin_data 1, and the given content."""
    data = text(1, tag)
    if plugin:
        plugin_data = text(1, plugin) + (text(2, plugin_content) if plugin_content else b"")
        data += message(9, message(1, plugin_data))
    return message(1, data + content)


def scalar(tag: str, number: float, *, new_style: bool = False, double_precision: bool = False) -> bytes:
    """Value.simple_value 2; new style and double precision are a tensor for the plugin "scalars"."""
    if not new_style:
        return value(tag, float32(2, number))
    return value(tag, tensor([number], (), DT_DOUBLE if double_precision else DT_FLOAT), plugin="scalars")


def image(tag: str, png: bytes, height: int, width: int, channels: int) -> bytes:
    """Value.image 4: height 1, width 2, colorspace 3, encoded_image_string 4."""
    return value(tag, message(4, integer(1, height) + integer(2, width) + integer(3, channels) + text(4, png)))


def histogram(
    tag: str, low: float, high: float, count: float, total: float, squares: float, limits: list, buckets: list
) -> bytes:
    """Value.histo 5: min 1, max 2, num 3, sum 4, sum_squares 5, bucket_limit 6, bucket 7."""
    data = double(1, low) + double(2, high) + double(3, count) + double(4, total) + double(5, squares)
    return value(tag, message(5, data + packed_doubles(6, limits) + packed_doubles(7, buckets)))


def audio(tag: str, wav: bytes, sample_rate: int, channels: int, frames: int) -> bytes:
    """Value.audio 6: sample_rate 1, num_channels 2, length_frames 3, encoded_audio_string 4, content_type 5."""
    data = float32(1, sample_rate) + integer(2, channels) + integer(3, frames) + text(4, wav) + text(5, "audio/wav")
    return value(tag, message(6, data))


def shape(sizes: tuple[int, ...]) -> bytes:
    """TensorShapeProto: dims 2 of size 1."""
    return b"".join(message(2, integer(1, n)) for n in sizes)


def tensor(numbers: list[float], sizes: tuple[int, ...], dtype: int = DT_FLOAT) -> bytes:
    """Value.tensor 8: dtype 1, shape 2, float_val 5 or double_val 6."""
    values = packed_doubles(6, numbers) if dtype == DT_DOUBLE else packed_floats(5, numbers)
    return message(8, integer(1, dtype) + (message(2, shape(sizes)) if sizes else b"") + values)


def string_tensor(tag: str, strings: list[str | bytes], plugin: str, *, sizes: tuple[int, ...] | None = None) -> bytes:
    """Value.tensor 8 with string_val 8; a list of them unless told other sizes."""
    sizes = (len(strings),) if sizes is None else sizes
    data = integer(1, DT_STRING) + message(2, shape(sizes)) + b"".join(text(8, s) for s in strings)
    return value(tag, message(8, data), plugin=plugin)


def map_entry(field: int, key: str, entry: bytes) -> bytes:
    """An item of a map: key 1, value 2."""
    return message(field, text(1, key) + message(2, entry))


def node(name: str, kind: str, inputs: list[str], shapes: list[tuple[int, ...]], attributes: str) -> bytes:
    """GraphDef.node 1: name 1, op 2, input 3, attr 5 (AttrValue: list 1 of shape 7, s 2)."""
    data = text(1, name) + text(2, kind) + b"".join(text(3, i) for i in inputs)
    data += map_entry(5, "_output_shapes", message(1, b"".join(message(7, shape(s)) for s in shapes)))
    if attributes:
        data += map_entry(5, "attr", text(2, attributes))
    return message(1, data)
