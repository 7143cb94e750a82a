"""Python's own pickle over checkpoints: what ``save`` falls back to, and what ``load(weights_only=False)`` runs.

Classes and functions of this package are written under PyTorch's names, so that PyTorch finds its own when it reads the file.
"""

from __future__ import annotations

import importlib
import io
import pickle
import struct
import warnings
import zipfile
from collections import OrderedDict
from typing import Any

import rushlight

from . import _C
from .storage import TypedStorage

_MAGIC = 0x1950A86A20F9469CFC6C

# "FloatStorage" for those dtypes that have a storage class; tensors of others are rebuilt over untyped storages.
_STORAGES = {dtype: _C._scalar_types[dtype] + "Storage" for dtype in _C._storage_dtypes}
_DTYPES = {name: dtype for dtype, name in _STORAGES.items()}


class _Named:
    """Stands for a global of PyTorch's that has no object of that name here."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def __call__(self, *args: Any) -> Any:  # save_reduce asks for something callable
        raise TypeError(f"{self.module}.{self.name} is only a name")


def _attributes(tensor: Any) -> dict:
    return {k: v for k, v in getattr(tensor, "__dict__", {}).items() if k != "grad"}


class Pickler(pickle._Pickler):  # the Python one: names of classes can be changed there
    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, protocol=2)
        self.storages: list = []
        self.keys: dict[int, int] = {}

    def persistent_id(self, obj: Any):
        if isinstance(obj, TypedStorage):
            kind, count, storage = _Named("torch", _STORAGES[obj.dtype]), obj.size(), obj.untyped()
        elif isinstance(obj, _C.UntypedStorage):
            kind, count, storage = _Named("torch.storage", "UntypedStorage"), obj.nbytes(), obj
        else:
            return None
        address = storage._cdata
        if address not in self.keys:
            self.keys[address] = len(self.storages)
            self.storages.append(storage)
        return ("storage", kind, str(self.keys[address]), str(storage.device), count)

    def save(self, obj: Any, *args: Any, **kwargs: Any) -> None:
        if isinstance(obj, _Named):
            self.write(f"c{obj.module}\n{obj.name}\n".encode())
        elif isinstance(obj, _C.dtype):
            self.write(f"ctorch\n{_name(obj)}\n".encode())
        elif isinstance(obj, _C.layout):
            self.save_reduce(_Named("torch.serialization", "_get_layout"), (str(obj),), obj=obj)
        elif isinstance(obj, _C.Tensor) and id(obj) not in self.memo and (reduced := _reduced(obj)) is not None:
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


def _reduced(tensor: Any):
    """How PyTorch writes a tensor; None for a class that has a way of its own."""
    from .nn.parameter import Parameter, is_lazy

    cls = type(tensor)
    if is_lazy(tensor):
        return tensor.__reduce_ex__(2)
    if not cls.__reduce_ex__.__module__.startswith("rushlight"):
        return None
    if isinstance(tensor, Parameter):
        attributes = _attributes(tensor)
        arguments = (tensor.data, tensor.requires_grad, OrderedDict())
        if attributes:
            return _Named("torch._utils", "_rebuild_parameter_with_state"), (*arguments, attributes)
        return _Named("torch._utils", "_rebuild_parameter"), arguments
    sizes, strides = tuple(tensor.size()), tuple(tensor.stride())
    arguments: tuple
    if tensor.layout is not rushlight.strided:
        from ._tensor import _sparse_parts

        function = _Named("torch._utils", "_rebuild_sparse_tensor")
        data = (*_sparse_parts(tensor), tensor.size(), *((tensor.is_coalesced(),) if tensor.is_sparse else ()))
        arguments = (tensor.layout, data)
    elif tensor.is_meta:
        function = _Named("torch._utils", "_rebuild_meta_tensor_no_storage")
        arguments = (tensor.dtype, sizes, strides, tensor.requires_grad)
    else:
        layout = (tensor.storage_offset(), sizes, strides, tensor.requires_grad, OrderedDict())
        if tensor.dtype in _STORAGES:
            function = _Named("torch._utils", "_rebuild_tensor_v2")
            arguments = (TypedStorage(wrap_storage=tensor.untyped_storage(), dtype=tensor.dtype), *layout)
        else:
            function = _Named("torch._utils", "_rebuild_tensor_v3")
            arguments = (tensor.untyped_storage(), *layout, tensor.dtype)
    attributes = _attributes(tensor)
    if cls is _C.Tensor and not attributes:
        return function, arguments
    named = _Named("torch", "Tensor") if cls is _C.Tensor else cls
    return _Named("torch._tensor", "_rebuild_from_type_v2"), (function, named, arguments, attributes)


def _name(dtype) -> str:
    return str(dtype).rpartition(".")[2]


# ---- reading


def _rebuild_tensor(stored, offset, size, stride, requires_grad=False, hooks=None, metadata=None):
    tensor = _C.Tensor._rebuild(stored.untyped(), stored.dtype, offset, tuple(size), tuple(stride))
    return tensor.requires_grad_(True) if requires_grad else tensor


def _rebuild_tensor_v3(stored, offset, size, stride, requires_grad, hooks, dtype, metadata=None):
    return _rebuild_tensor(TypedStorage(wrap_storage=stored, dtype=dtype), offset, size, stride, requires_grad)


def _rebuild_meta(dtype, size, stride, requires_grad):
    return rushlight.empty_strided(size, stride, dtype=dtype, device="meta", requires_grad=requires_grad)


def _get_layout(name: str):
    return _C._layouts[name.removeprefix("torch.")]


def _rebuild_sparse(layout, data):
    if layout is rushlight.sparse_coo:
        indices, values, size, *coalesced = data
        return rushlight.sparse_coo_tensor(indices, values, size, is_coalesced=coalesced[0] if coalesced else None)
    return rushlight.sparse_compressed_tensor(*data, layout=layout)


def _rebuild_parameter(data, requires_grad, hooks=None, state=None):
    from .nn.parameter import Parameter

    parameter = Parameter(data, requires_grad)
    set_attributes(parameter, state)
    return parameter


def _rebuild_from_type(function, cls, arguments, state):
    tensor = function(*arguments)
    if type(tensor) is not cls:
        tensor = tensor.as_subclass(cls)
    set_attributes(tensor, state)
    return tensor


def set_attributes(tensor, state) -> None:
    """``state`` as PyTorch writes it: a dict, or (dict, dict of slots)."""
    for part in state if isinstance(state, tuple) else (state,):
        for key, value in (part or {}).items():
            if not isinstance(key, str) or key.startswith("__"):
                raise pickle.UnpicklingError(f"load: a tensor with an attribute {key!r}")
            setattr(tensor, key, value)


def _old_backend():  # modules of PyTorch before 1.3 carry one
    return None


_GLOBALS = {
    ("torch.nn.backends.thnn", "_get_thnn_function_backend"): _old_backend,
    ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v3"): _rebuild_tensor_v3,
    ("torch._utils", "_rebuild_meta_tensor_no_storage"): _rebuild_meta,
    ("torch._utils", "_rebuild_sparse_tensor"): _rebuild_sparse,
    ("torch.serialization", "_get_layout"): _get_layout,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    ("torch._utils", "_rebuild_parameter_with_state"): _rebuild_parameter,
    ("torch._tensor", "_rebuild_from_type_v2"): _rebuild_from_type,
    ("torch.storage", "UntypedStorage"): "UntypedStorage",
}


def _unpickler(pickle_module, storage):
    """An Unpickler class; ``storage(key, bytes, where it was)`` gives the UntypedStorage of that key."""

    class Unpickler(pickle_module.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            if (module, name) in _GLOBALS:
                return _GLOBALS[module, name]
            if module == "torch" and name in _DTYPES:
                return name
            if module == "torch" or module.startswith("torch."):
                module = "rushlight" + module.removeprefix("torch")
            return super().find_class(module, name)

        def persistent_load(self, saved: tuple) -> Any:
            if saved[0] == "module":  # the legacy format: (class, file, source text)
                return saved[1]
            _, kind, key, was, count, *view = saved
            if view and view[0] is not None:
                raise pickle.UnpicklingError(
                    "load: storages that are parts of storages (PyTorch before 0.4) need weights_only=True"
                )
            if kind == "UntypedStorage":
                return storage(key, count, was)
            dtype = _DTYPES[kind]
            return TypedStorage(wrap_storage=storage(key, count * dtype.itemsize, was), dtype=dtype)

    return Unpickler


def load(file, pickle_module, place, **options) -> Any:
    """The object of a checkpoint in an open file. Executes what the pickle says."""
    if not zipfile.is_zipfile(file):
        file.seek(0)
        return _load_legacy(file, pickle_module, place, **options)
    with zipfile.ZipFile(file) as archive:
        name = next((n for n in archive.namelist() if n.split("/", 1)[-1] == "data.pkl"), None)
        if name is None:
            raise RuntimeError("load: a zip archive without data.pkl is no checkpoint")
        root = name.removesuffix("data.pkl")
        _check_version(archive, root)
        if f"{root}constants.pkl" in archive.namelist():
            warnings.warn(
                "'torch.load' received a zip file that looks like a TorchScript archive dispatching to 'torch.jit.load' "
                "(call 'torch.jit.load' directly to silence this warning)",
                UserWarning,
                stacklevel=3,
            )
            file.seek(0)
            return importlib.import_module("rushlight.jit").load(file, map_location=place("cpu"))
        storages: dict[str, Any] = {}

        def storage(key: str, size: int, was: str):
            if key not in storages:
                device = place(was)
                meta = device.type == "meta"
                storages[key] = _C.UntypedStorage(size if meta else archive.read(f"{root}data/{key}"), device=device)
            return storages[key]

        try:
            return _unpickler(pickle_module, storage)(io.BytesIO(archive.read(name)), **options).load()
        except OverflowError as e:  # Python's text for a frame of more than 2^63 bytes
            if "FRAME" not in str(e):
                raise
            raise pickle.UnpicklingError(f"load: {e}; the file is damaged") from None


def _check_version(archive: zipfile.ZipFile, root: str) -> None:
    if f"{root}version" not in archive.namelist():
        return
    text = archive.read(f"{root}version")[:40].rstrip(b" \r\n\0")
    if not (text.isdigit() and 1 <= int(text) <= 10):
        raise RuntimeError(f"load: the file's version is {str(text)[1:]}; versions 1 to 10 can be read")


def _load_legacy(file, pickle_module, place, **options) -> Any:
    if pickle_module.load(file, **options) != _MAGIC:
        raise RuntimeError("load: a pickle without torch.save's magic number; this is no checkpoint")
    pickle_module.load(file, **options)  # protocol
    pickle_module.load(file, **options)  # sizes of C types
    storages: dict[str, Any] = {}

    def storage(key: str, size: int, was: str):
        return storages.setdefault(key, _C.UntypedStorage(size, device=place(was)))

    found = _unpickler(pickle_module, storage)(file, **options).load()
    for key in pickle_module.load(file, **options):
        held = storages[key]
        count = struct.unpack("<q", file.read(8))[0]
        data = file.read(held.nbytes())
        if len(data) < held.nbytes() or count < 0:
            raise RuntimeError(f"load: ends inside storage '{key}'; the file is cut short")
        if held.nbytes() and held.device.type != "meta":
            bytes_of = TypedStorage(wrap_storage=held, dtype=rushlight.uint8)._tensor()
            bytes_of.copy_(rushlight.frombuffer(bytearray(data), dtype=rushlight.uint8))
    return found
