"""save and load: checkpoints that PyTorch reads, and PyTorch's read here.

The plain kinds of values (tensors, numbers, strings and their containers) are written and read by one pickler in C++ that executes nothing.
Anything else goes through Python's pickle: written without asking, read only with ``weights_only=False``.
"""

from __future__ import annotations

import io as _io
import os
import pickle
import zipfile
from typing import Any

from . import _C

_REBUILD = ("torch._utils", "_rebuild_tensor_v2")


class _Named:
    """Stands for a global of PyTorch's that has no object of that name here."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def __call__(self, *args: Any) -> Any:
        raise TypeError(f"{self.module}.{self.name} is only a name")


class _Pickler(pickle._Pickler):  # the Python one: names of classes can be changed there
    def __init__(self, file: _io.BytesIO) -> None:
        super().__init__(file, protocol=2)
        self.storages: list = []
        self.keys: dict[int, int] = {}

    def persistent_id(self, obj: Any):
        if not isinstance(obj, _Stored):
            return None
        address = obj.storage._cdata
        if address not in self.keys:
            self.keys[address] = len(self.storages)
            self.storages.append(obj.storage)
        count = obj.storage.nbytes() // obj.dtype.itemsize
        return ("storage", _Named("torch", _storage_class(obj.dtype)), str(self.keys[address]), "cpu", count)

    def reducer_override(self, obj: Any):
        if isinstance(obj, _C.Tensor) and type(obj).__reduce_ex__ is _C.Tensor.__reduce_ex__:
            from .nn.parameter import Parameter

            stored = _Stored(obj.untyped_storage(), obj.dtype)
            state = (stored, obj.storage_offset(), tuple(obj.size()), obj.stride(), obj.requires_grad, {})
            if isinstance(obj, Parameter):
                return _Named("torch._utils", "_rebuild_parameter"), (obj.data, obj.requires_grad, {})
            return _Named(*_REBUILD), state
        if isinstance(obj, _C.dtype):
            return str(obj)
        return NotImplemented

    def save(self, obj: Any, *args: Any, **kwargs: Any) -> None:
        if isinstance(obj, _Named):
            self.write(f"c{obj.module}\n{obj.name}\n".encode())
        elif isinstance(obj, _C.dtype):
            self.write(f"ctorch\n{str(obj).removeprefix('torch.')}\n".encode())
        elif isinstance(obj, (_C.Tensor, _Stored)) and self.memo.get(id(obj)) is None and not isinstance(obj, _Stored):
            reduced = self.reducer_override(obj)
            if reduced is NotImplemented:
                super().save(obj, *args, **kwargs)
            else:
                self.save_reduce(*reduced, obj=obj)
        else:
            super().save(obj, *args, **kwargs)

    def save_global(self, obj: Any, name: str | None = None) -> None:
        module = getattr(obj, "__module__", None) or ""
        if module == "rushlight" or module.startswith("rushlight."):
            self.write(f"ctorch{module.removeprefix('rushlight')}\n{obj.__qualname__}\n".encode())
            self.memoize(obj)
        else:
            super().save_global(obj, name)

    dispatch = dict(pickle._Pickler.dispatch)
    dispatch[type] = save_global
    dispatch[type(lambda: 0)] = save_global


class _Stored:
    """A storage with the dtype under which a tensor sees it."""

    def __init__(self, storage, dtype) -> None:
        self.storage, self.dtype = storage, dtype


_CLASSES = {
    "uint8": "Byte", "int8": "Char", "int16": "Short", "int32": "Int", "int64": "Long", "float16": "Half", "float32": "Float",
    "float64": "Double", "complex64": "ComplexFloat", "complex128": "ComplexDouble", "bool": "Bool", "bfloat16": "BFloat16",
}  # fmt: skip


def _storage_class(dtype) -> str:
    return _CLASSES[str(dtype).removeprefix("torch.")] + "Storage"


def save(
    obj: Any, f, pickle_module=pickle, pickle_protocol: int = 2, _use_new_zipfile_serialization: bool = True
) -> None:
    """Writes an object to a path or a file object, as ``torch.save`` does; PyTorch reads it.

    A path is written atomically: a temporary file, then a rename; an interrupted save leaves the old file whole.
    Errors: OSError naming the path; pickle.PicklingError for what can't be pickled.

    >>> import rushlight as torch, io
    >>> buffer = io.BytesIO()
    >>> torch.save({"x": torch.arange(3)}, buffer)
    >>> _ = buffer.seek(0)
    >>> torch.load(buffer)
    {'x': tensor([0, 1, 2])}
    """
    destination = os.fspath(f) if isinstance(f, (str, os.PathLike)) else f
    if not isinstance(destination, str) and not hasattr(destination, "write"):
        raise AttributeError(f"save: expected a path or an object with 'write', got {type(f).__name__}")
    if _C._save(obj, destination):
        return
    buffer = _io.BytesIO()
    pickler = _Pickler(buffer)
    pickler.dump(obj)
    _C._save_pickle(buffer.getvalue(), pickler.storages, destination)


def load(
    f,
    map_location=None,
    pickle_module=None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args,
) -> Any:
    """Reads what ``save`` or ``torch.save`` wrote (PyTorch 0.4 and later).

    With ``weights_only`` (the default) nothing is executed: a file that names other classes or functions than tensors need is refused with
    pickle.UnpicklingError naming them. ``weights_only=False`` runs Python's pickle: only for files you trust.
    ``mmap=True`` leaves the tensors of a path's file on disk until they are touched.
    Errors: OSError for a path that can't be read, RuntimeError for a damaged file.
    """
    source = os.fspath(f) if isinstance(f, (str, os.PathLike)) else f
    if not isinstance(source, str):
        source = source.read()
    if weights_only is False:
        return _load_with_pickle(source, pickle_module or pickle)
    return _C._load(source, bool(mmap))


def _load_with_pickle(source, pickle_module) -> Any:
    file = open(source, "rb") if isinstance(source, str) else _io.BytesIO(source)
    with file:
        if not zipfile.is_zipfile(file):
            return _C._load(source, False)  # the old format holds plain values or is refused
        with zipfile.ZipFile(file) as archive:
            name = next(n for n in archive.namelist() if n.endswith("data.pkl"))
            root = name.removesuffix("data.pkl")
            storages: dict[str, Any] = {}

            class Unpickler(pickle_module.Unpickler):
                def find_class(self, module: str, name: str) -> Any:
                    if module == "torch" and name.endswith("Storage"):
                        return name
                    if (module, name) == _REBUILD:
                        return _rebuild_tensor
                    if (module, name) == ("torch._utils", "_rebuild_parameter"):
                        from .nn.parameter import Parameter

                        return lambda data, requires_grad, hooks: Parameter(data, requires_grad)
                    if module == "torch" or module.startswith("torch."):
                        module = "rushlight" + module.removeprefix("torch")
                    return super().find_class(module, name)

                def persistent_load(self, saved: tuple) -> Any:
                    kind, key = saved[1], saved[2]
                    if key not in storages:
                        storages[key] = _C.UntypedStorage(archive.read(f"{root}data/{key}"))
                    dtype = next(d for d, c in _CLASSES.items() if c + "Storage" == kind)
                    return _Stored(storages[key], getattr(__import__("rushlight"), dtype))

            return Unpickler(_io.BytesIO(archive.read(name))).load()


def _rebuild_tensor(
    stored: _Stored, offset: int, size: tuple, stride: tuple, requires_grad: bool, hooks: Any, *rest: Any
):
    tensor = _C.Tensor._rebuild(stored.storage, stored.dtype, offset, tuple(size), tuple(stride))
    return tensor.requires_grad_(True) if requires_grad else tensor
