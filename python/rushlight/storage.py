"""TypedStorage: a tensor's bytes seen as numbers of one dtype."""

from __future__ import annotations

from . import _C
from ._C import Tensor, UntypedStorage, _scalar_types

_uint8 = _C._dtypes["uint8"]


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


# What of an UntypedStorage is made of operators over its bytes.


def _seen(storage: UntypedStorage) -> Tensor:
    return Tensor._rebuild(storage, _uint8, 0, (storage.nbytes(),), (1,))


def _method(function):
    setattr(UntypedStorage, function.__name__, function)
    return function


@_method
def untyped(self: UntypedStorage) -> UntypedStorage:
    """The storage itself."""
    return self


@_method
def to(self: UntypedStorage, *, device, non_blocking: bool = False) -> UntypedStorage:
    """The storage on a device: itself if it is there, else a copy."""
    where = _C.device(device)
    if self.device == where or (where.index is None and self.device.type == where.type):
        return self
    if where.type == "meta":
        return UntypedStorage(self.nbytes(), device=where)
    return _seen(self).to(where).untyped_storage()


@_method
def cpu(self: UntypedStorage) -> UntypedStorage:
    """The storage on the CPU: itself if it is there, else a copy."""
    return self.to(device="cpu")  # type: ignore[attr-defined]


@_method
def cuda(self: UntypedStorage, device=None, non_blocking: bool = False) -> UntypedStorage:
    """The storage on a CUDA device."""
    where = "cuda" if device is None else device if not isinstance(device, int) else f"cuda:{device}"
    return self.to(device=where)  # type: ignore[attr-defined]


@_method
def copy_(self: UntypedStorage, source, non_blocking: bool | None = None) -> UntypedStorage:
    """Takes over the bytes of a storage of the same size."""
    source = source.untyped()
    if source.nbytes() != self.nbytes():
        raise RuntimeError(
            f"copy_: size does not match, self was {self.nbytes()} bytes but src was {source.nbytes()} bytes"
        )
    _seen(self).copy_(_seen(source))
    return self


@_method
def fill_(self: UntypedStorage, value: int) -> UntypedStorage:
    """Sets every byte."""
    _seen(self).fill_(value)
    return self


@_method
def byteswap(self: UntypedStorage, dtype) -> None:
    """Reverses the bytes of each number of that dtype, in place; of complex ones those of both parts."""
    width = dtype.itemsize // (2 if dtype.is_complex else 1)
    if width > 1:
        rows = _seen(self)[: self.nbytes() // width * width].view(-1, width)
        rows.copy_(rows.flip(1))


@_method
def new(self: UntypedStorage) -> UntypedStorage:
    """An empty storage on the same device."""
    return UntypedStorage(0, device=self.device)


@_method
def get_device(self: UntypedStorage) -> int:
    """The number of the device, None on the CPU."""
    return self.device.index


@_method
def is_pinned(self: UntypedStorage, device=None) -> bool:
    """Whether the memory is page-locked; there is none."""
    return False


for _kind in ("cuda", "hpu"):
    setattr(
        UntypedStorage,
        f"is_{_kind}",
        property(
            lambda self, kind=_kind: self.device.type == kind, doc=f"Whether the memory is on a device of {_kind}."
        ),
    )
UntypedStorage.is_sparse = UntypedStorage.is_sparse_csr = False  # type: ignore[attr-defined]


def _typed_method(name: str):
    def method(self: TypedStorage, *args, **kwargs):
        made = getattr(self._untyped_storage, name)(*args, **kwargs)
        if not isinstance(made, UntypedStorage):
            return made
        return self if made is self._untyped_storage else TypedStorage(wrap_storage=made, dtype=self.dtype)

    method.__name__ = name
    method.__doc__ = getattr(UntypedStorage, name).__doc__
    return method


for _name in ("to", "cpu", "cuda", "copy_", "new"):
    setattr(TypedStorage, _name, _typed_method(_name))
for _name in ("get_device", "is_pinned"):
    setattr(TypedStorage, _name, _typed_method(_name))
TypedStorage.is_cuda = property(  # type: ignore[attr-defined]
    lambda self: self._untyped_storage.is_cuda, doc="Whether the memory is on a CUDA device."
)
