"""PyTorchFileReader and PyTorchFileWriter: the records of a checkpoint, one by one."""

from __future__ import annotations

import os
import zipfile
from typing import Any

from . import _C

__all__ = ["PyTorchFileReader", "PyTorchFileWriter"]


class PyTorchFileReader:
    """Opens a zip checkpoint, a path or a file object. RuntimeError if it is none."""

    __module__ = "rushlight"

    def __init__(self, name_or_buffer: Any) -> None:
        try:
            self._archive = zipfile.ZipFile(
                os.fspath(name_or_buffer) if isinstance(name_or_buffer, (str, os.PathLike)) else name_or_buffer
            )
        except zipfile.BadZipFile as error:
            raise RuntimeError(f"PyTorchFileReader: expected a zip checkpoint: {error}") from None
        names = self._archive.namelist()
        if not names:
            raise RuntimeError("PyTorchFileReader: the archive has no records")
        self._root = names[0].partition("/")[0] + "/"

    def archive_name(self) -> str:
        """The folder that all records are in."""
        return self._root[:-1]

    def get_all_records(self) -> list[str]:
        """The names of the records."""
        return [name.removeprefix(self._root) for name in self._archive.namelist()]

    def has_record(self, name: str) -> bool:
        """Whether there is a record of that name."""
        return self._root + name in self._archive.namelist()

    def get_record(self, name: str) -> bytes:
        """The bytes of a record. RuntimeError if there is none."""
        try:
            return self._archive.read(self._root + name)
        except KeyError:
            raise RuntimeError(f"PytorchStreamReader failed locating file {name}: file not found") from None

    def get_storage_from_record(self, name: str, numel: int, dtype: Any) -> Any:
        """The first `numel` numbers of a record, as a tensor."""
        storage = _C.UntypedStorage(self.get_record(name))
        if numel * dtype.itemsize > storage.nbytes():
            raise RuntimeError(
                f"PyTorchFileReader: record {name} has {storage.nbytes()} bytes, too few for {numel} of {dtype}"
            )
        return _C.Tensor._rebuild(storage, dtype, 0, (numel,), (1,))

    def version(self) -> int:
        """The version of the archive's format."""
        return int(self.get_record("version")) if self.has_record("version") else 1

    def serialization_id(self) -> str:
        """What tells the file from others."""
        return self.get_record(".data/serialization_id").decode() if self.has_record(".data/serialization_id") else ""


class PyTorchFileWriter:
    """Writes a zip checkpoint, to a path or a file object: each record's bytes stand in the file as they are, from a multiple of 64.

    >>> import io
    >>> file = io.BytesIO()
    >>> writer = PyTorchFileWriter(file)
    >>> writer.write_record("numbers", b"1234", 4)
    >>> writer.write_end_of_file()
    >>> PyTorchFileReader(file).get_record("numbers")
    b'1234'
    """

    __module__ = "rushlight"

    def __init__(self, name_or_buffer: Any, compute_crc32: bool = True, storage_alignment: int = 64) -> None:
        is_path = isinstance(name_or_buffer, (str, os.PathLike))
        if not is_path and not hasattr(name_or_buffer, "write"):
            raise TypeError(f"PyTorchFileWriter: expected a path or a file object, got {type(name_or_buffer).__name__}")
        if storage_alignment < 1:
            raise RuntimeError(f"PyTorchFileWriter: expected storage_alignment > 0, got {storage_alignment}")
        self._archive: zipfile.ZipFile | None = zipfile.ZipFile(
            os.fspath(name_or_buffer) if is_path else name_or_buffer, "w", zipfile.ZIP_STORED
        )
        name = os.path.basename(os.fspath(name_or_buffer)) if is_path else "archive"
        self._root = os.path.splitext(name)[0] or "archive"
        self._alignment, self._version, self._names = storage_alignment, 3, []  # type: ignore[var-annotated]

    def archive_name(self) -> str:
        """The folder that all records are in."""
        return self._root

    def set_min_version(self, version: int) -> None:
        """The version that the file will say, if it is not higher."""
        self._version = max(self._version, version)

    def get_all_written_records(self) -> set[str]:
        """The names written so far."""
        return set(self._names)

    def write_record(self, name: str, data: Any, size: int) -> None:
        """The first `size` bytes of a string, of bytes or of a storage. RuntimeError if the name was written, or data is shorter."""
        if self._archive is None:
            raise RuntimeError(f"PyTorchFileWriter: the file is closed; write {name} before write_end_of_file()")
        if name in self._names:
            raise RuntimeError(f"PyTorchFileWriter: record {name} was written already")
        if isinstance(data, str):
            data = data.encode()
        elif not isinstance(data, (bytes, bytearray, memoryview)):
            data = bytes(data.untyped() if hasattr(data, "untyped") else data)
        if not 0 <= size <= len(data):
            raise RuntimeError(f"PyTorchFileWriter: record {name} has {len(data)} bytes, expected at least {size}")
        info = zipfile.ZipInfo(f"{self._root}/{name}")
        # A field that readers pass over fills the header up to where the data has to start.
        at = self._archive.fp.tell() + 30 + len(info.filename.encode()) + 4  # type: ignore[union-attr]
        gap = -at % self._alignment
        info.extra = b"FB" + gap.to_bytes(2, "little") + b"Z" * gap
        self._archive.writestr(info, bytes(memoryview(data)[:size]))
        self._names.append(name)

    def write_end_of_file(self) -> None:
        """The version, and the list of records; nothing can be written after it."""
        if self._archive is None:
            raise RuntimeError("PyTorchFileWriter: write_end_of_file() was called already")
        if "version" not in self._names:
            self.write_record("version", f"{self._version}\n", len(f"{self._version}\n"))
        self._archive.close()
        self._archive = None
