"""Python's own pickle over checkpoints: what ``save`` falls back to, and what ``load(weights_only=False)`` runs.

Classes and functions of this package are written under PyTorch's names, so that PyTorch finds its own when it reads the file.
"""

from __future__ import annotations

import importlib
import io
import pickle
from collections import OrderedDict
from typing import Any

import rushlight

from . import _C
from .storage import TypedStorage

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


class LocalObjectError(AttributeError, pickle.PicklingError):
    """A class or function that is not in a module can't be named in a file."""


class Pickler(pickle._Pickler):  # the Python one: names of classes can be changed there
    def __init__(self, file: io.BytesIO, protocol: int = 2, legacy: bool = False) -> None:
        super().__init__(file, protocol=protocol)
        self.legacy = legacy
        self.storages: list = []
        self.item_sizes: list[int] = []
        self.dtypes: list = []
        self.keys: dict[int, int] = {}

    def persistent_id(self, obj: Any):
        if isinstance(obj, TypedStorage):
            kind, count, storage, dtype = _Named("torch", _STORAGES[obj.dtype]), obj.size(), obj.untyped(), obj.dtype
        elif isinstance(obj, _C.UntypedStorage):
            kind, count, storage, dtype = _Named("torch.storage", "UntypedStorage"), obj.nbytes(), obj, rushlight.uint8
        else:
            return None
        address = storage._cdata
        if address not in self.keys:
            self.keys[address] = len(self.storages)
            self.storages.append(storage)
            self.item_sizes.append(dtype.itemsize)
            self.dtypes.append(dtype)
        number = self.keys[address]
        if self.dtypes[number] != dtype and storage.nbytes():
            raise RuntimeError(
                "Cannot save multiple tensors or storages that view the same data as different types: "
                f"{_name(self.dtypes[number])} and {_name(dtype)}. Save a clone() of one"
            )
        return ("storage", kind, str(number), str(storage.device), count, *((None,) if self.legacy else ()))

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
            return
        try:
            super().save_global(obj, name)
        except pickle.PicklingError as e:
            # The pickler in C, which PyTorch's is, says so by another exception.
            if "<locals>" not in getattr(obj, "__qualname__", ""):
                raise
            raise LocalObjectError(
                f"Can't pickle local object '{obj.__qualname__}'. Hint: save model.state_dict(), which names no functions, or "
                "define it at the top of a module, with def or class"
            ) from e

    dispatch = dict(pickle._Pickler.dispatch)
    dispatch[type] = save_global
    dispatch[type(lambda: 0)] = save_global


def _keeps_values_elsewhere(tensor: Any) -> bool:
    """Whether it is of a class made with _make_wrapper_subclass."""
    if type(tensor) is _C.Tensor or tensor.is_meta or tensor.layout is not rushlight.strided:
        return False
    try:
        tensor.untyped_storage()
    except RuntimeError:
        return True
    return False


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
    if _keeps_values_elsewhere(tensor):
        function = _Named("torch._utils", "_rebuild_wrapper_subclass")
        place = (tensor.storage_offset(), tensor.layout, tensor.device, tensor.requires_grad)
        arguments = (cls, tensor.dtype, sizes, strides, *place)
    elif tensor.layout is not rushlight.strided:
        from ._tensor import _sparse_parts

        function = _Named("torch._utils", "_rebuild_sparse_tensor")
        data = (*_sparse_parts(tensor), tensor.size(), *((tensor.is_coalesced(),) if tensor.is_sparse else ()))
        arguments = (tensor.layout, data)
    elif tensor.is_quantized:
        from ._tensor import _quantizer_parts

        function = _Named("torch._utils", "_rebuild_qtensor")
        stored = TypedStorage(wrap_storage=tensor.untyped_storage(), dtype=tensor.dtype)
        parts = _quantizer_parts(tensor)
        arguments = (stored, tensor.storage_offset(), sizes, strides, parts, tensor.requires_grad, OrderedDict())
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


def _rebuild_quantized(stored, offset, size, stride, quantizer, requires_grad=False, hooks=None):
    from ._tensor import _rebuild_quantized as rebuild

    integers = {"qint8": rushlight.int8, "quint8": rushlight.uint8, "qint32": rushlight.int32}.get(_name(stored.dtype))
    if integers is None:
        raise pickle.UnpicklingError(f"load: a quantised tensor of dtype {stored.dtype}, which can't be read")
    parts = tuple(getattr(rushlight, p) if i == 0 and isinstance(p, str) else p for i, p in enumerate(quantizer))
    return rebuild(
        _C.Tensor._rebuild(stored.untyped(), integers, offset, tuple(size), tuple(stride)), stored.dtype, parts
    )


def _rebuild_sparse(layout, data):
    if layout is rushlight.sparse_coo:
        indices, values, size, *coalesced = data
        return rushlight.sparse_coo_tensor(indices, values, size, is_coalesced=coalesced[0] if coalesced else None)
    return rushlight.sparse_compressed_tensor(*data, layout=layout)


def _rebuild_wrapper_subclass(cls, dtype, size, stride, storage_offset, layout, device, requires_grad):
    """A tensor of a Python class that keeps its values elsewhere; they come with its attributes."""
    return _C.Tensor._make_wrapper_subclass(
        cls,
        size,
        strides=stride,
        storage_offset=storage_offset,
        layout=layout,
        device=device,
        requires_grad=requires_grad,
        dtype=dtype,
    )


def _rebuild_parameter(data, requires_grad, hooks=None, state=None):
    from .nn.parameter import Parameter

    parameter = Parameter(data, requires_grad)
    set_attributes(parameter, state)
    return parameter


def _rebuild_from_type(function, cls, arguments, state):
    if function not in _GLOBALS.values() or not (isinstance(cls, type) and issubclass(cls, _C.Tensor)):
        raise pickle.UnpicklingError(
            f"load: a tensor that {function!r} makes, of {cls!r}, which is no class of tensors"
        )
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
    ("torch._utils", "_rebuild_qtensor"): _rebuild_quantized,
    ("torch._utils", "_rebuild_wrapper_subclass"): _rebuild_wrapper_subclass,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    ("torch._utils", "_rebuild_parameter_with_state"): _rebuild_parameter,
    ("torch._tensor", "_rebuild_from_type_v2"): _rebuild_from_type,
    ("torch.storage", "UntypedStorage"): "UntypedStorage",
}


def _unpickler(pickle_module, stored):
    """An Unpickler class; ``stored(key, dtype, where it was, count, part)`` gives storages and, for a count of -1, tensors."""

    class Unpickler(pickle_module.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            if (module, name) in _GLOBALS:
                return _GLOBALS[module, name]
            if module == "torch" and name in _DTYPES:
                return name
            if module == "torch" or module.startswith("torch."):
                return _find_own(module, name)
            return super().find_class(module, name)

        def persistent_load(self, saved: Any) -> Any:
            if isinstance(saved, tuple):  # strings of Python 2, where they are read as bytes
                saved = tuple(part.decode("ascii") if isinstance(part, bytes) else part for part in saved)
            elif isinstance(saved, bytes):
                saved = saved.decode("ascii")
            if not isinstance(saved, tuple):
                return stored(str(saved), None, "cpu", -1, None)  # the tar format
            if saved[0] == "module":  # the format before 1.6: (class, file, source text)
                return saved[1]
            if saved[0] != "storage":
                return saved[0]  # the tar format's (class, file, source text)
            _, kind, key, was, count, *part = saved
            dtype = _DTYPES.get(kind)
            held = stored(key, dtype, was, count, part[0] if part else None)
            return held if dtype is None else TypedStorage(wrap_storage=held, dtype=dtype)

    return Unpickler


# Where names of older versions are now.
_MOVED = {
    ("torch.nn.modules.activation", "_LinearWithBias"): ("torch.nn.modules.linear", "NonDynamicallyQuantizableLinear"),
    ("torch.nn.modules.linear", "_LinearWithBias"): ("torch.nn.modules.linear", "NonDynamicallyQuantizableLinear"),
    ("torch.tensor", "Tensor"): ("torch", "Tensor"),
    ("torch.autograd", "Variable"): ("torch", "Tensor"),
    ("torch.autograd.variable", "Variable"): ("torch", "Tensor"),
}


def _find_own(module: str, name: str) -> Any:
    """A class or function of PyTorch's, here: in the module of that name, or where an outer package has it."""
    module, name = _MOVED.get((module, name), (module, name))
    path = ["rushlight", *module.split(".")[1:]]
    for end in range(len(path), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(path[:end]))
        except ModuleNotFoundError as e:
            if not (e.name or "").startswith("rushlight"):
                raise
            continue
        try:
            for part in name.split("."):
                found = getattr(found, part)
        except AttributeError:
            continue
        return found
    raise AttributeError(f"load: the file needs {module}.{name}, which rushlight does not have")


class _Anything(dict):
    """Stands for an object of any class while a pickle is only walked through."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def __setstate__(self, state: Any) -> None:
        pass

    def append(self, item: Any) -> None:
        pass

    def extend(self, items: Any) -> None:
        pass


def end_of_stream(data: bytes) -> int | None:
    """Where an object in the format before 1.6 ends, behind which others may stand in the file; None for other formats.

    The pickles are walked through, and nothing of what they name is imported or called.
    """
    sizes: dict[str, int] = {}  # of the storages, in bytes
    item_sizes = {name: dtype.itemsize for dtype, name in _STORAGES.items()}

    class Walker(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            return type(name, (_Anything,), {})

        def persistent_load(self, saved: Any) -> Any:
            if saved[0] == "storage":
                sizes[saved[2]] = saved[4] * item_sizes.get(saved[1].__name__, 1)
            return _Anything()

    stream = io.BytesIO(data)
    try:
        if Walker(stream).load() != 0x1950A86A20F9469CFC6C:
            return None
        for _ in range(3):  # the version, the machine, the object
            Walker(stream, encoding="latin1").load()
        stored = sum(8 + sizes[key] for key in Walker(stream).load())
        return stream.tell() + stored
    except Exception:  # a pickle that asks more of its classes: nobody knows where it ends
        return None


class _EmptyFileError(EOFError, RuntimeError):
    """A file of no bytes: pickle's error, which programs catch, and the one of other damaged files."""


class _NoCheckpointError(pickle.UnpicklingError, RuntimeError):
    """A file that is no archive and no pickle, with both errors' names."""


def damaged(source: Any, error: RuntimeError) -> RuntimeError:
    """The error to raise for one of the reader's."""
    if str(error).endswith("the file is empty"):
        return _EmptyFileError(str(error))
    if isinstance(source, str):
        with open(source, "rb") as file:
            begins = file.read(4)
    else:
        begins = bytes(source[:4])
    return error if begins.startswith(b"PK") else _NoCheckpointError(str(error))


def load(source, pickle_module, mapped, big_endian, skip_data, place, restore, **options) -> Any:
    """The object of a checkpoint, by Python's pickle, which executes what the file says."""
    options.setdefault("encoding", "utf-8")
    try:
        text, file = _C._open_checkpoint(source, mapped, big_endian, skip_data, place, restore)
    except RuntimeError as e:
        raise damaged(source, e) from None
    unpickler = _unpickler(pickle_module, lambda *id: _C._stored(file, *id))(io.BytesIO(text), **options)
    try:
        return unpickler.load()
    except OverflowError as e:  # Python's text for a frame of more than 2^63 bytes
        if "FRAME" not in str(e):
            raise
        raise pickle.UnpicklingError(f"load: {e}; the file is damaged") from None
