"""TFRecord files: length, masked crc of the length, data, masked crc of the data.

Format: https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details; crc32c as in RFC 3720, B.4.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

from rushlight._C import _crc32c as crc32c


def masked_crc(data: bytes) -> int:
    """A crc that is itself stored among the data it covers is rotated and offset."""
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


class RecordWriter:
    """Appends records to a file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, data: bytes) -> None:
        header = struct.pack("<Q", len(data))
        self._file.write(header + struct.pack("<I", masked_crc(header)) + data + struct.pack("<I", masked_crc(data)))

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()
