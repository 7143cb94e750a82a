"""PyTorchFileReader: the records of a checkpoint, one by one."""

from __future__ import annotations

import os
import zipfile
from typing import Any

from . import _C

__all__ = ["PyTorchFileReader"]


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
