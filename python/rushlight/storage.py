"""TypedStorage: a tensor's bytes seen as numbers of one dtype; and the storage classes of old, torch.FloatStorage and its kin."""

from __future__ import annotations

import sys

import rushlight

from . import _C
from ._C import Tensor, UntypedStorage, _scalar_types, _storage_dtypes

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing takes 4 ms to import
    from typing import Any

_uint8 = _C._dtypes["uint8"]

# What Storage.long() and its like convert to.
_CONVERSIONS = {
    "bfloat16": "bfloat16", "bool": "bool", "byte": "uint8", "char": "int8", "complex_double": "cdouble", "complex_float": "cfloat",
    "double": "float64", "float": "float32", "half": "float16", "int": "int32", "long": "int64", "short": "int16",
    **{f: f for f in ("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz")},
}  # fmt: skip


_STORED_AS = {"qint8": "int8", "quint8": "uint8", "qint32": "int32", "quint4x2": "uint8", "quint2x4": "uint8"}


class TypedStorage:
    """A block of memory seen as numbers of one dtype; what ``Tensor.storage()`` gives.

    Args:
        data: how many elements, uninitialised, or a sequence of their values. Default: none.
        wrap_storage: an UntypedStorage, whose memory it is then.
        dtype: Default: the default dtype.
        device: where the memory is. Default: the CPU.

    >>> import rushlight as torch
    >>> storage = torch.FloatStorage([1, 2, 3])
    >>> storage[1] = 5
    >>> torch.tensor([]).set_(storage)
    tensor([1., 5., 3.])
    """

    is_sparse = False
    _legacy_dtype: Any = None  # of FloatStorage and its like

    def __init__(
        self, *data: Any, wrap_storage: Any = None, dtype: Any = None, device: Any = None, _internal: bool = False
    ) -> None:
        own = self._legacy_dtype
        if len(data) > 1 or (data and wrap_storage is not None) or (own is not None and dtype not in (None, own)):
            raise RuntimeError(
                f"{type(self).__name__}: expected one size, one sequence of numbers, or wrap_storage, with dtype and device by "
                f"name{'' if own is None else ' (the dtype is that of the class)'}, got {len(data)} arguments, "
                f"wrap_storage={wrap_storage is not None}, dtype={dtype}"
            )
        if wrap_storage is not None and not isinstance(wrap_storage, UntypedStorage):
            raise TypeError(
                f"{type(self).__name__}: expected wrap_storage to be an UntypedStorage, got {type(wrap_storage).__name__}"
            )
        if wrap_storage is not None and own is None and dtype is None:
            raise RuntimeError(f"{type(self).__name__}: argument 'dtype' must be specified with wrap_storage")
        if dtype is not None and not isinstance(dtype, _C.dtype):
            raise TypeError(f"argument 'dtype' must be of type torch.dtype, not {type(dtype)}")
        self.dtype = own or dtype or rushlight.get_default_dtype()
        if wrap_storage is None:
            wrap_storage = self._made(data[0] if data else 0, device)
        elif device is not None and rushlight.device(device) != wrap_storage.device:
            raise RuntimeError(f"{type(self).__name__}: wrap_storage is on {wrap_storage.device}, not on {device}")
        self._untyped_storage = wrap_storage

    def _made(self, data: Any, device: Any) -> UntypedStorage:
        if hasattr(data, "__index__") and not hasattr(data, "__len__"):  # numpy's integers too
            data = data.__index__()
        if isinstance(data, (Tensor, str, bytes)) or not (isinstance(data, int) or hasattr(data, "__len__")):
            raise TypeError(
                f"{type(self).__name__}: expected a size or a sequence of numbers, got {type(data).__name__}"
                + ("; use tensor.untyped_storage() with wrap_storage" if isinstance(data, Tensor) else "")
            )
        if isinstance(data, int):
            if data < 0:
                raise RuntimeError(f"{type(self).__name__}: expected a size >= 0, got {data}")
            return rushlight.empty(data, dtype=self.dtype, device=device).untyped_storage()
        return rushlight.tensor(list(data), dtype=self._stored_dtype(), device=device).untyped_storage()

    def _tensor(self) -> Tensor:
        self._needs_values()
        return Tensor._rebuild(self._untyped_storage, self._stored_dtype(), 0, (self.size(),), (1,))

    def _stored_dtype(self) -> Any:
        """What quantised numbers are stored as; of others the dtype."""
        stored = _STORED_AS.get(str(self.dtype).rpartition(".")[2])
        return self.dtype if stored is None else _C._dtypes[stored]

    def _needs_values(self) -> None:
        if self.device.type == "meta":
            raise NotImplementedError("Not available for 'meta' device: its storages hold no values")

    def _alike(self, storage: UntypedStorage) -> TypedStorage:
        return type(self)(wrap_storage=storage, dtype=self.dtype)

    @classmethod
    def from_buffer(cls, buffer: Any, byte_order: str = sys.byteorder, **_: Any) -> TypedStorage:
        """A storage with a copy of the bytes of a buffer.

        Args:
            byte_order: of the buffer's numbers: ``"little"``, ``"big"`` or ``"native"``.
        """
        if cls._legacy_dtype is None:
            raise RuntimeError("from_buffer: only defined for classes of one dtype, such as torch.FloatStorage")
        made = rushlight.frombuffer(bytearray(buffer), dtype=cls._legacy_dtype).clone() if len(buffer) else ()
        storage = cls(wrap_storage=made.untyped_storage()) if len(buffer) else cls()
        if byte_order not in (sys.byteorder, "native"):
            storage.untyped().byteswap(cls._legacy_dtype)  # type: ignore[attr-defined]
        return storage

    @classmethod
    def from_file(cls, filename: Any, shared: bool = False, size: int = 0) -> TypedStorage:
        """The numbers of a file, mapped into memory; with ``shared``, what is written to them is written to the file."""
        if cls._legacy_dtype is None:
            raise RuntimeError("from_file: only defined for classes of one dtype, such as torch.FloatStorage")
        mapped = UntypedStorage.from_file(filename, shared, size * cls._legacy_dtype.itemsize)  # type: ignore[attr-defined]
        return cls(wrap_storage=mapped)

    @classmethod
    def _new_with(cls, tensor: Tensor) -> TypedStorage:
        return TypedStorage(wrap_storage=tensor.untyped_storage(), dtype=tensor.dtype)

    def untyped(self) -> UntypedStorage:
        """The same memory as an UntypedStorage."""
        return self._untyped_storage

    @property
    def device(self):
        """Where the memory is, a torch.device."""
        return self._untyped_storage.device

    @property
    def filename(self) -> str | None:
        """The file that the memory is mapped from, or None."""
        return getattr(self._untyped_storage, "filename", None)

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

    def resizable(self) -> bool:
        """Whether the number of elements may change; not where the memory is somebody else's."""
        return self._untyped_storage.resizable()

    def _place(self, index: Any) -> int:
        if not hasattr(index, "__index__"):
            raise TypeError(f"can't index a {type(self).__name__} with {type(index).__name__}")
        self._needs_values()
        n = len(self)
        place = index.__index__()
        if not -n <= place < n:
            raise IndexError(f"index {place} out of range for storage of size {n}")
        return place % n

    def __getitem__(self, index):
        if isinstance(index, slice):
            raise RuntimeError("slices are only supported in UntypedStorage.__getitem__")
        return self._tensor()[self._place(index)].item()

    def __setitem__(self, index, value):
        self._tensor()[index if isinstance(index, slice) else self._place(index)] = value

    def __iter__(self):
        return iter(self.tolist())

    def __eq__(self, other) -> bool:
        return isinstance(other, TypedStorage) and self._cdata == other._cdata and self.dtype == other.dtype

    __hash__ = object.__hash__

    def tolist(self) -> list:
        """The elements, as Python numbers."""
        return self._tensor().tolist()

    def clone(self) -> TypedStorage:
        """A copy."""
        return self._alike(self._untyped_storage.clone())

    __copy__ = clone

    def __deepcopy__(self, memo):
        import copy

        # As deepcopy of tensors does it, so that what shares memory still does.
        return self._alike(copy.deepcopy(self._tensor(), memo).untyped_storage())

    def __reduce__(self):
        import io

        file = io.BytesIO()
        rushlight.save(self, file, _use_new_zipfile_serialization=False)
        return _load_from_bytes, (file.getvalue(),)

    def __sizeof__(self) -> int:
        return object.__sizeof__(self) + self.nbytes()

    def resize_(self, size: int) -> TypedStorage:
        """Changes the number of elements, in place; keeps the first ones."""
        self._untyped_storage.resize_(size * self.dtype.itemsize)
        return self

    def fill_(self, value) -> TypedStorage:
        """Sets every element, in place."""
        self._tensor().fill_(value)
        return self

    def type(self, dtype: Any = None, non_blocking: bool = False) -> Any:
        """The name of its class, ``"torch.FloatStorage"``; with a dtype or such a name, a storage of that kind."""
        if dtype is None:
            return "torch." + self.pickle_storage_type()
        if isinstance(dtype, str):
            name = dtype.rpartition(".")[2]
            if name not in _LEGACY:
                raise ValueError(
                    f"type: expected the name of a storage class, such as torch.FloatStorage, got {dtype!r}"
                )
            dtype = _LEGACY[name]._legacy_dtype
        return self if dtype == self.dtype else self._new_with(self._tensor().to(dtype))

    def pin_memory(self, device: Any = "cuda") -> TypedStorage:
        """A copy in page-locked memory."""
        return self._new_with(self._tensor().pin_memory())

    def _share_fd_cpu_(self) -> tuple[int, int]:
        """The memory, moved to where processes share it, as a file descriptor of the caller's and a number of elements."""
        import os

        self.share_memory_()
        return os.dup(self._untyped_storage._shared_descriptor()), self.size()

    def _share_filename_cpu_(self) -> Any:
        if self.device.type == "cpu":
            raise NotImplementedError(
                "_share_filename_cpu_: memory is shared by file descriptors: use _share_fd_cpu_()"
            )
        raise RuntimeError(f"_share_filename_cpu_: only available on CPU, the storage is on {self.device}")

    def _write_file(self, file: Any, is_real_file: bool, save_size: bool, element_size: int) -> None:
        """Writes the elements to a file, after their number, 8 bytes, if that is wanted."""
        if self.device.type == "meta":
            raise NotImplementedError("Cannot copy out of meta tensor; no data!")
        if save_size:
            file.write((self.nbytes() // element_size).to_bytes(8, sys.byteorder))
        file.write(self._untyped_storage._bytes())

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

    _pickle_storage_type = pickle_storage_type

    def __repr__(self) -> str:
        lines = "" if self.device.type == "meta" else "".join(f" {v}\n" for v in self.tolist())
        return f"{lines}[torch.storage.TypedStorage(dtype={self.dtype}, device={self.device}) of size {len(self)}]"


def _conversion(name: str, dtype: str) -> Any:
    def convert(self):
        return self.type(getattr(rushlight, dtype))

    convert.__name__, convert.__doc__ = name, f"Itself, or a copy with elements of {dtype}."
    return convert


for _name, _dtype_name in _CONVERSIONS.items():
    setattr(TypedStorage, _name, _conversion(_name, _dtype_name))


# The names under which PyTorch's own code uses them.
for _name in ("data_ptr", "element_size", "is_shared", "nbytes", "resize_", "share_memory_", "size"):
    setattr(TypedStorage, f"_{_name}", getattr(TypedStorage, _name))
TypedStorage._setitem = TypedStorage.__setitem__  # type: ignore[attr-defined]
TypedStorage._deepcopy = TypedStorage.__deepcopy__  # type: ignore[attr-defined]


def from_file(
    filename: Any,
    shared: bool | None = None,
    size: int = 0,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of one dimension over a file's bytes, which are mapped, not read.

    Args:
        shared: what is written to the tensor is written to the file, which is made, and lengthened, where it must be. Else the file stays as it is.
        size: how many numbers.
        dtype: what they are. Default: the default dtype.

    Raises RuntimeError if the file can't be opened, or is shorter (not shared).
    """
    if device is not None and rushlight.device(device).type != "cpu" or pin_memory:
        raise RuntimeError("from_file: a file is mapped into plain memory of the CPU; move it with .to(device)")
    dtype = dtype or rushlight.get_default_dtype()
    if size < 0:
        raise RuntimeError(f"from_file: expected size >= 0, got {size}")
    storage = UntypedStorage.from_file(filename, bool(shared), size * dtype.itemsize)  # type: ignore[attr-defined]
    return Tensor._rebuild(storage, dtype, 0, (size,), (1,)).requires_grad_(requires_grad)


def _load_from_bytes(data: bytes) -> Any:
    import io

    return rushlight.load(io.BytesIO(data), weights_only=False)


# ---- what of an UntypedStorage is made of operators over its bytes


def _seen(storage: UntypedStorage) -> Tensor:
    return Tensor._rebuild(storage, _uint8, 0, (storage.nbytes(),), (1,))


def _method(function):
    setattr(UntypedStorage, function.__name__, function)
    return function


def _from_buffer(cls: type, buffer: Any, byte_order: str = "native", *, dtype: Any = None, **_: Any) -> UntypedStorage:
    """A storage with a copy of the bytes of a buffer, whose numbers of `dtype` are of that byte order."""
    if byte_order not in ("native", "little", "big"):
        raise ValueError(f"invalid byte_order '{byte_order}' (expected 'big' or 'little')")
    storage = rushlight.frombuffer(bytearray(buffer), dtype=_uint8).clone().untyped_storage() if len(buffer) else cls(0)
    if byte_order not in (sys.byteorder, "native") and dtype is not None:
        storage.byteswap(dtype)
    return storage


UntypedStorage.from_buffer = classmethod(_from_buffer)  # type: ignore[attr-defined]


@_method
def _fix_weakref(self: UntypedStorage) -> None:
    """Nothing: weak references keep to the storage."""


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
    if source.device.type == "meta" and self.device.type != "meta":
        raise NotImplementedError("Cannot copy out of meta tensor; no data!")
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


@_method
def __copy__(self: UntypedStorage) -> UntypedStorage:
    return self.clone()


@_method
def __deepcopy__(self: UntypedStorage, memo: dict) -> UntypedStorage:
    import copy

    return copy.deepcopy(_seen(self), memo).untyped_storage()


for _kind in ("cuda", "hpu"):
    for _class in (UntypedStorage, TypedStorage):
        setattr(
            _class,
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


for _name in ("to", "cpu", "cuda", "copy_", "new", "get_device", "is_pinned"):
    setattr(TypedStorage, _name, _typed_method(_name))


class _LegacyMeta(type):
    """A class for each dtype, whose instances are all storages of that dtype."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        kwargs.setdefault("dtype", cls._legacy_dtype) if "wrap_storage" in kwargs else None
        made = type.__call__(cls, *args, **kwargs)
        made.__class__ = TypedStorage
        return made

    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, TypedStorage) and value.dtype is cls._legacy_dtype

    @property
    def dtype(cls) -> Any:
        return cls._legacy_dtype

    _dtype = dtype


_LEGACY: dict[str, Any] = {
    _scalar_types[d] + "Storage": _LegacyMeta(
        _scalar_types[d] + "Storage",
        (TypedStorage,),
        {"_legacy_dtype": d, "__module__": "rushlight", "__doc__": f"A storage of {d} elements; see TypedStorage."},
    )
    for d in _storage_dtypes
}
globals().update(_LEGACY)


def _dtype_to_storage_type_map() -> dict:
    """The names of the classes that checkpoints have, by dtype."""
    return {cls._legacy_dtype: name for name, cls in _LEGACY.items()}


def _storage_type_to_dtype_map() -> dict:
    return {name: cls._legacy_dtype for name, cls in _LEGACY.items()}
