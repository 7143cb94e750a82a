"""save and load: checkpoints that PyTorch reads, and PyTorch's read here.

The plain kinds of values (tensors, numbers, strings and their containers) are written and read by one pickler in C++ that executes nothing.
Anything else goes through Python's pickle: written without asking, read only with ``weights_only=False``.
"""

from __future__ import annotations

import io as _io
import os
import pickle
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from enum import Enum
from typing import IO, Any

import rushlight

from . import _C, _qscheme

_safe: dict[str, Any] = {}  # what the user added
_skip_data = False
_compute_crc32 = True
_mmap_default = False
_mmap_flags = 2  # mmap.MAP_PRIVATE; the import takes time
_packages: list[tuple[int, Any, Any]] = []  # registered devices: (priority, tagger, deserializer)


class LoadEndianness(Enum):
    """The byte order of files that don't say theirs."""

    NATIVE = 1
    LITTLE = 2
    BIG = 3


_load_endianness: LoadEndianness | None = None


class SourceChangeWarning(Warning):
    """Of PyTorch's; nothing raises it here."""


def _path(f) -> str | None:
    return os.fspath(f) if isinstance(f, (str, os.PathLike)) else None


def save(
    obj: Any,
    f,
    pickle_module=pickle,
    pickle_protocol: int = 2,
    _use_new_zipfile_serialization: bool = True,
    _disable_byteorder_record: bool = False,
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
    legacy = not _use_new_zipfile_serialization
    if legacy and _skip_data:
        raise RuntimeError("Cannot use skip_data=True with _use_new_zipfile_serialization=False")
    options = (legacy, _skip_data, _compute_crc32, not _disable_byteorder_record)
    if pickle_protocol != 2 or not _C._save(obj, destination, *options):
        from . import _pickling

        buffer = _io.BytesIO()
        pickler = _pickling.Pickler(buffer, pickle_protocol, legacy)
        pickler.dump(obj)
        _C._save_pickle(buffer.getvalue(), pickler.storages, pickler.item_sizes, destination, *options)
    if path is None and hasattr(f, "flush"):
        f.flush()  # a program may open the file by its name now


def _rest_of(f: Any) -> bytes | bytearray:
    """What is left of a file object. Python's own give it without a copy; others may read a piece at a time into memory given to them."""
    if isinstance(f, _io.IOBase) or not all(hasattr(f, name) for name in ("readinto", "seek", "tell")):
        return f.read()
    start = f.tell()
    f.seek(0, _io.SEEK_END)
    out = bytearray(max(f.tell() - start, 0))
    f.seek(start)
    got = 0
    with memoryview(out) as view:
        while got < len(out) and (count := f.readinto(view[got:])):
            got += count
    del out[got:]
    return out


def load(
    f,
    map_location=None,
    pickle_module=None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args,
) -> Any:
    """Reads what ``save`` or ``torch.save`` wrote, in any version: zip files, the format before 1.6, the tar files of 0.1.

    Args:
        f: a path, or a file object with ``read``.
        map_location: where tensors go: a device or its name, a dict from names to names, or a function of a storage and the name
            of where it was, which returns the storage to be used, or None. By default they go where they were; what
            was on CUDA goes to the CPU. ``"meta"`` gives shapes without values.
        weights_only: if True (the default) nothing is executed: a file that names other classes or functions than tensors
            need is refused with pickle.UnpicklingError naming them; ``serialization.add_safe_globals`` allows more.
            If False, Python's pickle runs: only for files you trust.
        mmap: True leaves the tensors of a path's file on disk until they are touched.
        encoding: of strings that Python 2 wrote; "bytes" gives them as they are. Default: utf-8.
    Errors: OSError for a path that can't be read, RuntimeError for a damaged file.
    """
    weights_only = _only_weights(weights_only, pickle_module)
    if weights_only and pickle_module is not None:
        raise RuntimeError("Can not safely load weights when explicit pickle_module is specified")
    mapped = bool(_mmap_default if mmap is None else mmap)
    path = _path(f)
    if path is None:
        if not hasattr(f, "read"):
            raise AttributeError(f"load: expected a path or an object with 'read', got {type(f).__name__}")
        if mmap:
            raise ValueError("f must be a file path in order to use the mmap argument")
        start = f.tell() if hasattr(f, "seek") and hasattr(f, "tell") else None
        source = _rest_of(f)
        if start is not None and not source.startswith(b"PK"):
            from . import _pickling

            end = _pickling.end_of_stream(source)
            if end is not None and end < len(source):  # the next object's beginning is the next load's
                f.seek(start + end)
                source = source[:end]
    else:
        # The exceptions programs expect: FileNotFoundError, PermissionError, IsADirectoryError.
        open(path, "rb").close()
        source = path
    big_endian = _load_endianness == LoadEndianness.BIG
    how = (mapped and path is not None, big_endian, _skip_data, *_places(map_location))
    if not weights_only:
        from . import _pickling

        if _is_script_archive(source):
            warnings.warn(
                "'torch.load' received a zip file that looks like a TorchScript archive dispatching to 'torch.jit.load' "
                "(call 'torch.jit.load' directly to silence this warning)",
                UserWarning,
                stacklevel=2,
            )
            device = map_location if isinstance(map_location, (str, rushlight.device)) else None
            return rushlight.jit.load(path if path is not None else _io.BytesIO(source), map_location=device)
        return _pickling.load(source, pickle_module or pickle, *how, **pickle_load_args)
    try:
        return _C._load(source, *how, _allowed(), pickle_load_args.get("encoding", "utf-8"))
    except RuntimeError as e:
        from . import _pickling

        raise _pickling.damaged(source, e) from None
    except pickle.UnpicklingError as e:
        if "GLOBAL __torch__." not in str(e):
            raise
        raise RuntimeError(
            "Cannot use ``weights_only=True`` with TorchScript archives passed to ``torch.load``: read it with torch.jit.load"
        ) from None


def _only_weights(asked: bool | None, pickle_module: Any) -> bool:
    """What load's argument and the environment say."""
    always, never = (
        os.environ.get(f"TORCH_FORCE_{name}WEIGHTS_ONLY_LOAD", "0") in ("1", "y", "yes", "true") for name in ("", "NO_")
    )
    if always and never:
        raise RuntimeError(
            "Only one of `TORCH_FORCE_WEIGHTS_ONLY_LOAD` or `TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD` should be set, but both were set."
        )
    if always:
        return True
    if asked is None and never:
        warnings.warn(
            "Environment variable TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD detected, since the `weights_only` argument was not explicitly passed "
            "to `torch.load`, forcing weights_only=False.",
            UserWarning,
            stacklevel=3,
        )
        return False
    return pickle_module is None if asked is None else bool(asked)


def _is_zipfile(f: Any) -> bool:
    """Whether a file object, which stays where it stands, begins as a zip file does."""
    at = f.tell()
    begins = f.read(4)
    f.seek(at)
    return begins == b"PK\x03\x04"


class _open_zipfile_reader:
    """``with _open_zipfile_reader(path_or_file) as archive:`` has_record, get_record, get_all_records."""

    def __init__(self, name_or_buffer: Any) -> None:
        self.file_like = rushlight.PyTorchFileReader(name_or_buffer)

    def __enter__(self) -> Any:
        return self.file_like

    def __exit__(self, *exception: Any) -> None:
        pass


class _open_zipfile_writer:
    """``with _open_zipfile_writer(path_or_file) as archive:`` write_record; the end of the file is written at the end."""

    def __init__(self, name_or_buffer: Any) -> None:
        self.name_or_buffer = name_or_buffer
        self.file_like = rushlight.PyTorchFileWriter(name_or_buffer)

    def __enter__(self) -> Any:
        return self.file_like

    def __exit__(self, *exception: Any) -> None:
        self.file_like.write_end_of_file()
        if hasattr(self.name_or_buffer, "flush"):
            self.name_or_buffer.flush()


def _is_script_archive(source) -> bool:
    file: Any = source if isinstance(source, str) else _io.BytesIO(source)
    try:
        with zipfile.ZipFile(file) as archive:
            return any(name.count("/") == 1 and name.endswith("/constants.pkl") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False  # what is wrong with it the reader says


def _places(map_location) -> tuple[Any, Any]:
    """(a function of where a storage was, as text, that gives the device where it goes; one of a storage too that gives another)"""
    if callable(map_location) and not isinstance(map_location, rushlight.device):  # which are decorators too

        def asked(held, was: str):
            put = map_location(held, was)
            put = default_restore_location(held, was) if put is None else put
            return put.untyped() if isinstance(put, rushlight.TypedStorage) else put

        return None, asked
    if isinstance(map_location, dict):
        return lambda was: _usable(map_location.get(was, was)), None
    if map_location is not None:
        device = _usable(map_location, named=True)
        return lambda was: device, None
    if _packages:
        return None, default_restore_location
    return _usable, None


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
    if kind in ("cuda", "xpu"):
        raise RuntimeError(
            f"Attempting to deserialize object on a {kind.upper()} device but torch.{kind}.is_available() is False. "
            "If you are running on a CPU-only machine, please use torch.load with map_location=torch.device('cpu') to map your "
            "storages to the CPU."
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
    from . import _pickling

    # How tensors of allowed classes are made: the functions check what they are given.
    rebuilds = ("tensor_v2", "tensor_v3", "parameter", "wrapper_subclass", "meta_tensor_no_storage", "sparse_tensor")
    always = {
        **{
            f"torch._utils._rebuild_{name}": _pickling._GLOBALS["torch._utils", f"_rebuild_{name}"] for name in rebuilds
        },
        "torch._tensor._rebuild_from_type_v2": _pickling._rebuild_from_type,
        "collections.Counter": Counter,
        "builtins.bytearray": _bytearray,
        "__builtin__.bytearray": _bytearray,
        "torch.serialization._get_layout": _get_layout,
        **{f"torch.{s}": getattr(rushlight, s) for s in _qscheme.__all__ if s != "qscheme"},
        "": _pickling.set_attributes,  # for tensors that carry attributes
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


def get_unsafe_globals_in_checkpoint(f) -> list[str]:
    """The classes and functions that a file names and that ``weights_only=True`` would refuse."""
    source = _path(f)
    if source is None:
        at = f.tell() if hasattr(f, "tell") else None
        source = f.read()
        if at is not None:
            f.seek(at)
    return sorted(name for name in _C._checkpoint_globals(source) - set(_allowed()) if not _always_read(name))


def _always_read(name: str) -> bool:
    """Whether the reader of ``weights_only`` knows a name by itself."""
    if name in (
        "collections.OrderedDict",
        "_codecs.encode",
        "torch.nn.parameter.Parameter",
        "torch.storage.UntypedStorage",
    ):
        return True
    module, _, last = name.rpartition(".")
    if module in ("builtins", "__builtin__"):
        return last in ("set", "frozenset", "complex")
    if module == "torch._utils" or name == "torch._tensor._rebuild_from_type_v2":
        return last.startswith("_rebuild")
    own = getattr(rushlight, last, None)
    return module == "torch" and (
        last in ("Size", "device", "Tensor")
        or last.endswith("Storage")
        or isinstance(own, (rushlight.dtype, rushlight.layout, rushlight.qscheme))
    )


# ---- settings


def get_default_load_endianness() -> LoadEndianness | None:
    """What ``set_default_load_endianness`` set."""
    return _load_endianness


def set_default_load_endianness(endianness: LoadEndianness | None) -> None:
    """The byte order that ``load`` takes zip files to have that don't say theirs; None: this machine's."""
    global _load_endianness
    if not isinstance(endianness, LoadEndianness) and endianness is not None:
        raise TypeError("Invalid argument type in function set_default_load_endianness")
    _load_endianness = endianness


def get_default_mmap_options() -> int:
    """What ``set_default_mmap_options`` set, ``mmap.MAP_PRIVATE`` by default."""
    return _mmap_flags


class set_default_mmap_options:
    """``mmap.MAP_PRIVATE``, the only way in which ``load(mmap=True)`` maps files here: what tensors change stays in memory.

    ``mmap.MAP_SHARED`` would change the file behind its checksums, and ``load`` would refuse it.
    """

    def __init__(self, flags: int) -> None:
        import mmap

        global _mmap_flags
        if flags not in (mmap.MAP_PRIVATE, mmap.MAP_SHARED):
            raise ValueError(
                f"Invalid argument in function set_default_mmap_options, expected mmap.MAP_PRIVATE or mmap.MAP_SHARED, but got {flags}"
            )
        if flags == mmap.MAP_SHARED:
            raise NotImplementedError(
                "set_default_mmap_options: tensors that write to the file (mmap.MAP_SHARED) are not supported, for its checksums would "
                "not hold any more; use mmap.MAP_PRIVATE, and torch.save to keep changes"
            )
        self._before, _mmap_flags = _mmap_flags, flags

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exception) -> None:
        global _mmap_flags
        _mmap_flags = self._before


def get_crc32_options() -> bool:
    """Whether ``save`` computes checksums."""
    return _compute_crc32


def set_crc32_options(compute_crc32: bool) -> None:
    """False: ``save`` writes no checksums; other programs than PyTorch and this one call such files damaged."""
    global _compute_crc32
    _compute_crc32 = compute_crc32


class skip_data:
    """Inside of the ``with``, ``save`` leaves room for the storages' bytes but writes zeros, and ``load`` doesn't read them.

    >>> import rushlight as torch, io
    >>> buffer = io.BytesIO()
    >>> with torch.serialization.skip_data():
    ...     torch.save(torch.ones(2), buffer)
    >>> _ = buffer.seek(0)
    >>> torch.load(buffer)
    tensor([0., 0.])
    """

    def __init__(self, materialize_fake_tensors: bool = False) -> None:
        self.materialize_fake_tensors = materialize_fake_tensors

    def __enter__(self) -> None:
        global _skip_data
        self._before, _skip_data = _skip_data, True

    def __exit__(self, *exception) -> None:
        global _skip_data
        _skip_data = self._before


# ---- where storages were and go


def register_package(priority: int, tagger, deserializer) -> None:
    """Says how storages of a device are named in files and brought back.

    Args:
        priority: those with lower ones are asked first.
        tagger: ``f(storage)`` gives the name, or None.
        deserializer: ``f(storage, name)`` gives the storage where it shall be, or None.
    """
    _packages.append((priority, tagger, deserializer))
    _packages.sort(key=lambda p: p[0])


def location_tag(storage) -> str:
    """What a file calls the place of a storage: "cpu", "cuda:0"."""
    for _, tagger, _ in _packages:
        name = tagger(storage)
        if name:
            return name
    return str(storage.device)


def default_restore_location(storage, location: str):
    """The storage, which is on the CPU, where the file says that it was."""
    for _, _, deserializer in _packages:
        put = deserializer(storage, location)
        if put is not None:
            return put
    return storage.to(device=_usable(location))


def validate_cuda_device(location: str):
    """Raises unless that CUDA device is there."""
    _usable("cuda")


def check_module_version_greater_or_equal(module, req_version_tuple, error_if_malformed: bool = True) -> bool:
    """Whether ``module.__version__`` is that version or a later one."""
    try:
        parts = module.__version__.split(".")
        version = tuple(type(want)(part) for want, part in zip(req_version_tuple, parts))
    except Exception as e:
        message = f"'{module.__name__}' module version string is malformed '{module.__version__}' and cannot be compared with tuple {req_version_tuple}"
        if error_if_malformed:
            raise RuntimeError(message) from e
        warnings.warn(message + ", but continuing assuming that requirement is met", stacklevel=2)
        return True
    return version >= tuple(req_version_tuple)


FILE_LIKE = str | os.PathLike | IO[bytes]
MAP_LOCATION = Callable[[Any, str], Any] | _C.device | str | dict[str, str] | None
DEFAULT_PROTOCOL = 2  # of pickles, for programs that ask


def normalize_storage_type(storage_type: Any) -> Any:
    """torch.FloatStorage for a storage type of that name."""
    import rushlight

    return getattr(rushlight, storage_type.__name__)
