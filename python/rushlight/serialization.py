"""save and load: checkpoints that PyTorch reads, and PyTorch's read here.

The plain kinds of values (tensors, numbers, strings and their containers) are written and read by one pickler in C++ that executes nothing.
Anything else goes through Python's pickle: written without asking, read only with ``weights_only=False``.
"""

from __future__ import annotations

import io as _io
import os
import pickle
from collections import Counter
from typing import Any

import rushlight

from . import _C

_safe: dict[str, Any] = {}  # what the user added


def _path(f) -> str | None:
    return os.fspath(f) if isinstance(f, (str, os.PathLike)) else None


def save(
    obj: Any, f, pickle_module=pickle, pickle_protocol: int = 2, _use_new_zipfile_serialization: bool = True
) -> None:
    """Writes an object to a path or a file object, as ``torch.save`` does; PyTorch reads it.

    A path is written atomically: a temporary file, then a rename; an interrupted save leaves the old file whole.
    Errors: RuntimeError if the folder does not exist; OSError naming the path; pickle.PicklingError for what can't be pickled.

    >>> import rushlight as torch, io
    >>> buffer = io.BytesIO()
    >>> torch.save({"x": torch.arange(3)}, buffer)
    >>> _ = buffer.seek(0)
    >>> torch.load(buffer)
    {'x': tensor([0, 1, 2])}
    """
    path = _path(f)
    if path is None and not hasattr(f, "write"):
        raise AttributeError(f"save: expected a path or an object with 'write', got {type(f).__name__}")
    if path is not None and not os.path.isdir(os.path.dirname(path) or "."):
        raise RuntimeError(f"Parent directory {os.path.dirname(path)} does not exist.")
    destination = f if path is None else path
    if _C._save(obj, destination):
        return
    from . import _pickling

    buffer = _io.BytesIO()
    pickler = _pickling.Pickler(buffer)
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

    Args:
        f: a path, or a file object with ``read``.
        map_location: where tensors go: a device or its name, a dict from names to names, or a function of a storage and the name
            of where it was, which returns a storage that is where this one shall be. By default they go where they were; what
            was on CUDA goes to the CPU. ``"meta"`` gives shapes without values.
        weights_only: if True (the default) nothing is executed: a file that names other classes or functions than tensors
            need is refused with pickle.UnpicklingError naming them; ``serialization.add_safe_globals`` allows more.
            If False, Python's pickle runs: only for files you trust.
        mmap: True leaves the tensors of a path's file on disk until they are touched.
    Errors: OSError for a path that can't be read, RuntimeError for a damaged file.
    """
    if weights_only is None:
        weights_only = pickle_module is None
    if weights_only and pickle_module is not None:
        raise RuntimeError("Can not safely load weights when explicit pickle_module is specified")
    place = _place(map_location)
    path = _path(f)
    if path is None:
        if not hasattr(f, "read"):
            raise AttributeError(f"load: expected a path or an object with 'read', got {type(f).__name__}")
        if mmap:
            raise ValueError("f must be a file path in order to use the mmap argument")
    else:
        # The exceptions programs expect: FileNotFoundError, PermissionError, IsADirectoryError.
        open(path, "rb").close()
    if not weights_only:
        from . import _pickling

        with open(path, "rb") if path is not None else _io.BytesIO(f.read()) as file:
            return _pickling.load(file, pickle_module or pickle, place, **pickle_load_args)
    try:
        return _C._load(f.read() if path is None else path, bool(mmap), place, _allowed())
    except pickle.UnpicklingError as e:
        if "GLOBAL __torch__." not in str(e):
            raise
        raise RuntimeError("load: this is a TorchScript archive; read it with torch.jit.load") from None


def _place(map_location):
    """A function of where a storage was, as text, that gives the device where it goes."""
    if isinstance(map_location, dict):
        return lambda was: _usable(map_location.get(was, was))
    if callable(map_location):

        def asked(was: str):
            put = map_location(rushlight.UntypedStorage(0), was)
            return _usable(was) if put is None else put.device

        return asked
    if map_location is not None:
        device = _usable(map_location, named=True)
        return lambda was: device
    return _usable


def _usable(where, named: bool = False):
    try:
        device = rushlight.device(where)
    except RuntimeError:
        if named:
            raise
        device = None
    if device is not None and (device.type in ("cpu", "meta") or _C._device_count(device)):
        return device
    kind = str(where) if device is None else device.type
    if not named and kind == "cuda":
        return rushlight.device("cpu")
    if kind in ("cuda", "xpu"):
        raise RuntimeError(
            f"Attempting to deserialize object on a {kind.upper()} device but torch.{kind}.is_available() is False. "
            "Use torch.load with map_location=torch.device('cpu') to map your storages to the CPU."
        )
    raise RuntimeError(
        f"don't know how to restore data location of a storage (tagged with {where}): no library for that device is loaded. Load it, "
        "or use torch.load with map_location=torch.device('cpu') to map your storages to the CPU."
    )


# ---- what weights_only may name


def _bytearray(value=b"", *args):
    if isinstance(value, int):
        raise pickle.UnpicklingError("bytearray of a number")  # a few bytes of file must not ask for gigabytes
    return bytearray(value, *args)


def _allowed() -> dict[str, Any]:
    from ._pickling import set_attributes

    always = {
        "collections.Counter": Counter,
        "builtins.bytearray": _bytearray,
        "__builtin__.bytearray": _bytearray,
        "torch.serialization._get_layout": _get_layout,
        "": set_attributes,  # for tensors that carry attributes
    }
    return {**always, **_safe}


def _get_layout(name: str):
    return getattr(rushlight, name.removeprefix("torch."))


def _full_name(entry) -> tuple[str, Any]:
    if isinstance(entry, tuple):
        if len(entry) != 2 or not isinstance(entry[1], str):
            raise ValueError(f"Expected tuple of (global, str of callable full path), but got {entry!r}")
        return entry[1], entry[0]
    module = entry.__module__
    if module == "rushlight" or module.startswith("rushlight."):
        module = "torch" + module.removeprefix("rushlight")
    return f"{module}.{entry.__qualname__}", entry


def add_safe_globals(safe_globals: list) -> None:
    """Lets ``load(weights_only=True)`` use these classes and functions: calling them must be safe whatever the arguments."""
    _safe.update(map(_full_name, safe_globals))


def get_safe_globals() -> list:
    return list(_safe.values())


def clear_safe_globals() -> None:
    _safe.clear()


class safe_globals:
    """``with safe_globals([Class]): load(...)``"""

    def __init__(self, safe_globals: list) -> None:
        self._added = dict(map(_full_name, safe_globals))

    def __enter__(self) -> None:
        self._before = dict(_safe)
        _safe.update(self._added)

    def __exit__(self, *exception) -> None:
        clear_safe_globals()
        _safe.update(self._before)


DEFAULT_PROTOCOL = 2  # of pickles, for programs that ask
