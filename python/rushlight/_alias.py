"""Lets unmodified PyTorch programs run: `import torch` and its submodules become rushlight's for this process."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.metadata
import importlib.util
import sys

import rushlight
from rushlight import version

_NAME = "torch"


class _SameModule(importlib.abc.Loader):
    """Loads torch.x as the very module object of rushlight.x."""

    def __init__(self, target: str):
        self.target = target

    def create_module(self, spec):
        module = importlib.import_module(self.target)
        self.own = module.__spec__, module.__loader__
        return module

    def exec_module(self, module) -> None:
        # The import system has written torch's names over the module's own.
        module.__spec__, module.__loader__ = self.own
        module.__name__ = self.target


class _Distribution(importlib.metadata.Distribution):
    """What packages find that ask which version of torch is installed."""

    def read_text(self, filename):
        return (
            f"Metadata-Version: 2.1\nName: {_NAME}\nVersion: {version.torch_version}\n"
            if filename == "METADATA"
            else None
        )

    def locate_file(self, path):
        raise FileNotFoundError(path)


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name != _NAME and not name.startswith(_NAME + "."):
            return None
        real = "rushlight" + name[len(_NAME) :]
        try:
            found = importlib.util.find_spec(real)
        except ModuleNotFoundError:
            found = None
        if found is None:
            return None
        spec = importlib.machinery.ModuleSpec(
            name, _SameModule(real), is_package=found.submodule_search_locations is not None
        )
        spec.submodule_search_locations = found.submodule_search_locations
        return spec

    def find_distributions(self, context=None):
        if context is None or context.name in (None, _NAME):
            yield _Distribution()


def install() -> None:
    """`import torch` gives rushlight from here on. REQUIRES: torch has not been imported."""
    if sys.modules.get(_NAME) is rushlight:
        return
    if _NAME in sys.modules:
        raise RuntimeError("torch has been imported already in this process")
    sys.meta_path.insert(0, _Finder())
    sys.modules[_NAME] = rushlight
    rushlight.__version__ = f"{version.torch_version}+rushlight{version.__version__}"
