"""Lets unmodified PyTorch programs run: `import torch` and its submodules become rushlight's for this process.

The file imports nothing of rushlight's until torch is imported, so that child processes which never do so start as fast as before:
they load it by its path (``_site/sitecustomize.py``).
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.metadata
import importlib.util
import os
import sys

_NAME = "torch"
_REAL = "rushlight"
# What PyTorch installs, or did.
_MODULES = {_NAME: _REAL, "functorch": "rushlight._functorch.front", "caffe2": "rushlight.caffe2"}
_PACKAGE = os.path.dirname(os.path.abspath(__file__))
VARIABLE = "RUSHLIGHT_AS_TORCH"  # unset, empty or 0: no; 1: yes; anything else: yes, and this is the version to claim
DEFAULT_VERSION = "2.13.0"  # the PyTorch whose API this is


def _helpers():
    """The module _helpers, by its path: this one may have come so too, in a process that imports no rushlight."""
    name = f"{_REAL}._helpers"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, os.path.join(_PACKAGE, "_helpers.py"))
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


class _SameModule(_helpers().SameModule, importlib.abc.Loader):
    """Loads torch.x as the very module object of rushlight.x."""

    def __init__(self, target: str, version: str):
        super().__init__(target)
        self.version = version

    def exec_module(self, module) -> None:
        super().exec_module(module)
        if self.target == _REAL:
            module._claim_version(self.version)  # and PyTorch's name
        elif _is_torchs(self.target) and isinstance(module.__loader__, importlib.machinery.SourceFileLoader):
            module.__name__ = _claimed(self.target)

    # What runpy asks for, when a module of the package is run as a program.
    def get_code(self, fullname):
        return importlib.util.find_spec(self.target).loader.get_code(self.target)


class _Distribution(importlib.metadata.Distribution):
    """What packages find that ask which version of torch is installed."""

    def __init__(self, version: str):
        self.claimed = version

    def read_text(self, filename):
        if filename in ("METADATA", "PKG-INFO"):
            return f"Metadata-Version: 2.1\nName: {_NAME}\nVersion: {self.claimed}\n"
        return None

    def locate_file(self, path):
        return os.path.join(os.path.dirname(_PACKAGE), path)


# What is no part of torch, besides the helpers.
_OWN = {"data", "safetensors", "caffe2"}


def _is_torchs(module: str) -> bool:
    """Whether a module of rushlight's is a public one that PyTorch has under its own name."""
    first, *parts = module.split(".")
    own = parts and (parts[0] in _OWN or any(parts[0] == folder for folder, _ in _helpers().HELPERS.values()))
    return first == _REAL and not own and not any(part.startswith("_") for part in parts)


def claim(name: str, module) -> None:
    """A public module of rushlight's and its classes say that they are torch's: programs choose by ``type(x).__module__``."""
    sys.modules.setdefault(_claimed(name), module)  # where pickle, inspect and typing look
    module.__name__ = _claimed(name)
    for value in list(vars(module).values()):
        home = vars(value).get("__module__") if isinstance(value, type) else None
        if isinstance(home, str) and home in sys.modules and _is_torchs(home):
            sys.modules.setdefault(_claimed(home), sys.modules[home])
            value.__module__ = _claimed(home)


def _claimed(name: str) -> str:
    return _NAME + name[len(_REAL) :]


def claim_loaded() -> None:
    for name, module in list(sys.modules.items()):
        loader = getattr(getattr(module, "__spec__", None), "loader", None)
        if isinstance(loader, importlib.machinery.SourceFileLoader) and _is_torchs(name):
            claim(name, module)


class _Claiming(importlib.machinery.SourceFileLoader):
    """Loads a module of rushlight's that is first imported when torch has been."""

    def exec_module(self, module) -> None:
        super().exec_module(module)
        claim(self.name, module)


class Finder(importlib.abc.MetaPathFinder):
    def __init__(self, version: str):
        self.version = version

    def find_spec(self, name, path=None, target=None):
        first = name.partition(".")[0]
        if first == _REAL and name != _REAL and _NAME in sys.modules and _is_torchs(name):
            spec = importlib.machinery.PathFinder.find_spec(name, path, target)
            if spec is not None and type(spec.loader) is importlib.machinery.SourceFileLoader:
                spec.loader = _Claiming(spec.loader.name, spec.loader.path)
            return spec
        if first not in _MODULES:
            return None
        real = _MODULES[first] + name[len(first) :]
        if name == _NAME:
            places = [_PACKAGE]
        else:
            try:
                found = importlib.util.find_spec(real)
            except ModuleNotFoundError:
                found = None
            if found is None:
                # An import gets the error that says what is missing; who only asks whether it is there gets None.
                if sys._getframe(2).f_code.co_name == "_find_and_load_unlocked":
                    raise importlib.import_module(f"{_REAL}._missing").missing_module(name)
                return None
            places = found.submodule_search_locations
        spec = importlib.machinery.ModuleSpec(name, _SameModule(real, self.version), is_package=places is not None)
        spec.submodule_search_locations = places
        return spec

    def find_distributions(self, context=None):
        if context is None or context.name is None or context.name.lower() == _NAME:
            yield _Distribution(self.version)

    def invalidate_caches(self) -> None:
        pass


def installed() -> Finder | None:
    return next((f for f in sys.meta_path if type(f).__name__ == "Finder" and hasattr(f, "find_distributions")
                 and type(f).__module__.endswith("_alias")), None)  # fmt: skip


def install(version: str | None = None) -> None:
    """`import torch` gives rushlight from here on.

    Raises RuntimeError if another torch has been imported already.
    """
    here = sys.modules.get(_NAME)
    if here is not None and here is not sys.modules.get(_REAL):
        raise RuntimeError(
            "rushlight.as_torch: torch has been imported already in this process, from "
            f"{getattr(here, '__file__', None)}; call it before the first `import torch`"
        )
    finder = installed()
    if finder is None:
        finder = Finder(version or DEFAULT_VERSION)
        sys.meta_path.insert(0, finder)
        _helpers().install()
    elif version is not None:
        finder.version = version
    if here is not None and version is not None:
        here._claim_version(version)


def export(version: str, environment=os.environ) -> None:
    """Has the Python programs that this one starts do the same."""
    site = os.path.join(_PACKAGE, "_site")
    paths = [p for p in environment.get("PYTHONPATH", "").split(os.pathsep) if p and p != site]
    environment["PYTHONPATH"] = os.pathsep.join([site, *paths])
    environment[VARIABLE] = version


def asked_for() -> str | None:
    """The version that the environment asks to claim, or None if it does not ask for rushlight as torch."""
    value = os.environ.get(VARIABLE, "")
    return None if value in ("", "0") else DEFAULT_VERSION if value == "1" else value
