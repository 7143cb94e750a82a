"""TypedStorage: a tensor's bytes seen as numbers of one dtype."""

from __future__ import annotations

from ._C import Tensor, UntypedStorage, _scalar_types


class TypedStorage:
    """A block of memory seen as numbers of one dtype; what ``Tensor.storage()`` gives."""

    def __init__(self, *, wrap_storage: UntypedStorage, dtype):
        self._untyped_storage = wrap_storage
        self.dtype = dtype

    def _tensor(self) -> Tensor:
        return Tensor._rebuild(self._untyped_storage, self.dtype, 0, (self.size(),), (1,))

    def untyped(self) -> UntypedStorage:
        """The same memory as an UntypedStorage."""
        return self._untyped_storage

    @property
    def device(self):
        """Where the memory is, a torch.device."""
        return self._untyped_storage.device

    @property
    def _cdata(self) -> int:
        return self._untyped_storage._cdata

    def data_ptr(self) -> int:
        """The address of the first byte."""
        return self._untyped_storage.data_ptr()

    def nbytes(self) -> int:
        """The number of bytes."""
        return self._untyped_storage.nbytes()

    def element_size(self) -> int:
        """The bytes of one element."""
        return self.dtype.itemsize

    def size(self) -> int:
        """The number of elements."""
        return self.nbytes() // self.dtype.itemsize

    __len__ = size

    def __getitem__(self, index):
        out = self._tensor()[index]
        return out.tolist() if isinstance(index, slice) else out.item()

    def __setitem__(self, index, value):
        self._tensor()[index] = value

    def __iter__(self):
        return iter(self.tolist())

    def tolist(self) -> list:
        """The elements, as Python numbers."""
        return self._tensor().tolist()

    def clone(self) -> TypedStorage:
        """A copy."""
        return TypedStorage(wrap_storage=self._untyped_storage.clone(), dtype=self.dtype)

    def resize_(self, size: int) -> None:
        """Changes the number of elements, in place; keeps the first ones."""
        self._untyped_storage.resize_(size * self.dtype.itemsize)

    def fill_(self, value) -> TypedStorage:
        """Sets every element, in place."""
        self._tensor().fill_(value)
        return self

    def is_shared(self) -> bool:
        """Whether processes that are given the storage share its memory (share_memory_)."""
        return self._untyped_storage.is_shared()

    def share_memory_(self) -> TypedStorage:
        """Moves the memory, in place, to where processes that are given the storage share it."""
        self._untyped_storage.share_memory_()
        return self

    def pickle_storage_type(self) -> str:
        """The name of the storage in checkpoints, such as "FloatStorage"."""
        return _scalar_types[self.dtype] + "Storage"

    def __repr__(self) -> str:
        lines = "".join(f" {v}\n" for v in self.tolist())
        return f"{lines}[torch.storage.TypedStorage(dtype={self.dtype}, device={self.device}) of size {len(self)}]"


def _untyped(self: UntypedStorage) -> UntypedStorage:
    """The storage itself."""
    return self


UntypedStorage.untyped = _untyped  # type: ignore[attr-defined]
