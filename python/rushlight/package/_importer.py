from __future__ import annotations

import builtins
import importlib
import importlib.util
import io
import itertools
import os
import pickle
import sys
import types
import zipfile
from collections.abc import Callable
from typing import Any

import rushlight

from .. import _C
from .._pickling import _DTYPES, _GLOBALS, _find_own
from ..storage import TypedStorage

_numbers = itertools.count()


class PackageImporter:
    """Imports modules and objects from a package that torch.package wrote.

    The modules are this importer's own, and don't appear in ``sys.modules``; what the package calls extern is imported as usual.
    **Importing runs the package's code**: read only packages whose author you trust, or see what is inside with ``rushlight inspect``.

    Args:
        file_or_buffer: a path or a file object.
        module_allowed: called with the name of each extern module; False raises ImportError.
    """

    def __init__(self, file_or_buffer: Any, module_allowed: Callable[[str], bool] = lambda name: True) -> None:
        path = file_or_buffer if isinstance(file_or_buffer, (str, os.PathLike)) else None
        self.filename = os.fspath(path) if path is not None else "<binary>"
        data = open(path, "rb").read() if path is not None else file_or_buffer.read()  # noqa: SIM115
        _C._check_zip(data, self.filename)
        self._zip = zipfile.ZipFile(io.BytesIO(data))
        names = self._zip.namelist()
        marks = [n for n in names if n.endswith(".data/extern_modules")]
        if len(marks) != 1:
            raise RuntimeError(
                f"PackageImporter '{self.filename}': this is no package: there is no entry .data/extern_modules"
            )
        self._root = marks[0].removesuffix(".data/extern_modules")
        self._entries = {n.removeprefix(self._root) for n in names}
        self._mangled = f"<torch_package_{next(_numbers)}>"
        self.extern_modules = self._read(".data/extern_modules").decode().split()
        for name in self.extern_modules:
            if not module_allowed(name):
                raise ImportError(
                    f"package '{self.filename}' needs the external module '{name}' but that module has been disallowed"
                )
        self.modules: dict[str, types.ModuleType] = {}
        self._builtins = {**vars(builtins), "__import__": self._import}

    # ---- files

    def _read(self, entry: str) -> bytes:
        try:
            return self._zip.read(self._root + entry)
        except KeyError:
            raise FileNotFoundError(f"package '{self.filename}' has no file '{entry}'") from None

    def load_binary(self, package: str, resource: str) -> bytes:
        """The bytes of a resource."""
        return self._read(f"{package.replace('.', '/')}/{resource}")

    def load_text(self, package: str, resource: str, encoding: str = "utf-8", errors: str = "strict") -> str:
        """A resource as text."""
        return self.load_binary(package, resource).decode(encoding, errors)

    def file_structure(self, *, include: Any = "**", exclude: Any = ()) -> list[str]:
        """The names of the entries."""
        return sorted(self._entries)

    def python_version(self) -> str | None:
        """Of Python, when the package was made."""
        return self._read(".data/python_version").decode().strip() if ".data/python_version" in self._entries else None

    def id(self) -> str:
        """What names of this importer's modules begin with."""
        return self._mangled

    # ---- modules

    def import_module(self, name: str, package: str | None = None) -> types.ModuleType:
        """A module of the package, or an extern one."""
        name = importlib.util.resolve_name(name, package) if name.startswith(".") else name
        if name in self.modules:
            return self.modules[name]
        if self._is_extern(name):
            if name == "torch" or name.startswith("torch."):
                return importlib.import_module("rushlight" + name.removeprefix("torch"))
            return importlib.import_module(name)
        parent, _, last = name.rpartition(".")
        if parent:
            self.import_module(parent)
            if name in self.modules:
                return self.modules[name]
        module = self._make(name)
        if parent:
            setattr(self.modules[parent], last, module)
        return module

    def _is_extern(self, name: str) -> bool:
        root = name.partition(".")[0]
        return (
            root in ("torch", *sys.builtin_module_names) or name in self.extern_modules or root in self.extern_modules
        )

    def _make(self, name: str) -> types.ModuleType:
        path = name.replace(".", "/")
        entry = next((e for e in (f"{path}/__init__.py", f"{path}.py") if e in self._entries), None)
        folder = any(e.startswith(path + "/") for e in self._entries)
        if entry is None and not folder:
            raise ModuleNotFoundError(f"No module named '{name}' in package '{self.filename}'", name=name)
        module = types.ModuleType(f"{self._mangled}.{name}")
        package = entry is None or entry.endswith("__init__.py")
        vars(module).update(
            __file__=f"{self._mangled}.{entry or path}", __builtins__=self._builtins, __torch_package__=True,
            __package__=name if package else name.rpartition(".")[0],
        )  # fmt: skip
        if package:
            module.__path__ = []
        self.modules[name] = module
        if entry is not None:
            try:
                exec(compile(self._read(entry), f"{self._mangled}.{entry}", "exec", dont_inherit=True), vars(module))
            except BaseException:
                del self.modules[name]
                raise
        return module

    def _import(self, name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
        """`import` in the package's code."""
        if level:
            package = (globals or {}).get("__package__") or ""
            name = importlib.util.resolve_name("." * level + name, package)
        module = self.import_module(name)
        if not fromlist:
            return module if level else self.import_module(name.partition(".")[0])
        for part in fromlist:
            if part != "*" and not hasattr(module, part):
                try:
                    self.import_module(f"{name}.{part}")
                except ModuleNotFoundError:
                    continue  # the import statement says what is missing
        return module

    # ---- objects

    def load_pickle(self, package: str, resource: str, map_location: Any = None) -> Any:
        """The object of a pickled resource; its classes are those of the package."""
        return _Unpickler(self, io.BytesIO(self.load_binary(package, resource)), map_location).load()

    def _storage(self, key: str, dtype: Any, map_location: Any) -> Any:
        data = bytearray(self._read(f".data/{key}.storage"))
        untyped = (
            rushlight.frombuffer(data, dtype=rushlight.uint8).untyped_storage() if data else rushlight.UntypedStorage(0)
        )
        return TypedStorage(wrap_storage=untyped, dtype=dtype)


class _Unpickler(pickle.Unpickler):
    def __init__(self, importer: PackageImporter, file: io.BytesIO, map_location: Any) -> None:
        super().__init__(file)
        self._importer, self._place = importer, map_location
        self._storages: dict[str, Any] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _GLOBALS:
            return _GLOBALS[module, name]
        if module == "torch" and name in _DTYPES:
            return name
        if module == "torch" or module.startswith("torch."):
            return _find_own(module, name)
        if module in ("builtins", "collections", "_codecs", "copyreg"):
            return super().find_class(module, name)
        found: Any = self._importer.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
        return found

    def persistent_load(self, saved: Any) -> Any:
        if saved[0] != "storage":
            raise pickle.UnpicklingError(f"a package with an object of the kind {saved[0]!r}, which can't be read")
        _, kind, key, _, _ = saved
        if key not in self._storages:
            self._storages[key] = self._importer._storage(key, _DTYPES[kind], self._place)
        return self._storages[key]
