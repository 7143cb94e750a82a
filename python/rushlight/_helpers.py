"""torchvision, torchaudio and torchtext, where they aren't installed: those names import rushlight's own helpers.

The file imports nothing of rushlight's, so that child processes can load it by its path (``_alias.py``).
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import sys

# The name, what it is here, and the version whose API that is.
HELPERS = {
    "torchvision": ("vision", "0.28.0"),
    "torchaudio": ("audio", "2.13.0"),
    "torchtext": ("text", "0.18.0"),
}
_HERE = os.path.dirname(os.path.abspath(__file__))


def _real_name(name: str) -> str:
    root, dot, rest = name.partition(".")
    return f"rushlight.{HELPERS[root][0]}{dot}{rest}"


class SameModule:
    """Loads torchvision.x as the very module object of rushlight.vision.x; torch.x as that of rushlight.x (``_alias.py``)."""

    def __init__(self, target: str):
        self.target = target

    def create_module(self, spec):
        if importlib.util.find_spec("rushlight") is None:
            sys.path.append(os.path.dirname(_HERE))
        module = importlib.import_module(self.target)
        self.own = module.__spec__, module.__loader__, module.__package__
        return module

    def exec_module(self, module) -> None:
        # The import system has written the other names over the module's own.
        module.__spec__, module.__loader__, module.__package__ = self.own
        module.__name__ = self.target
        package, _, name = self.target.rpartition(".")
        parent = sys.modules.get(package)
        if parent is not None and vars(parent).get(name, module) is not module:
            _keep(parent, name, module)


def _keep(parent, name: str, module) -> None:
    """What the parent calls by a module's name, as torch.autograd.gradcheck, stays: the import system is about to write over it."""
    cls = type(parent)

    class Keeping(cls):
        def __setattr__(self, key, value):
            if key == name and value is module:
                self.__class__ = cls
            else:
                super().__setattr__(key, value)

    parent.__class__ = Keeping


class Helpers:
    """Stands last among the finders, so that an installed package is what its name means."""

    def find_spec(self, name, path=None, target=None):
        root = name.partition(".")[0]
        if root not in HELPERS or not self._mine(root, name):
            return None
        real = _real_name(name)
        if name == root:
            # Not asked of the import system, which would import rushlight to tell.
            if not os.path.isdir(os.path.join(_HERE, HELPERS[root][0])):
                return None
            places = [os.path.join(_HERE, HELPERS[root][0])]
            # Modules below are looked for in the package's folder by others: those must not make second ones of them.
            if sys.meta_path[0] is not self and self in sys.meta_path:
                sys.meta_path.remove(self)
                sys.meta_path.insert(0, self)
        else:
            try:
                found = importlib.util.find_spec(real)
            except ModuleNotFoundError:
                found = None
            if found is None:
                return None
            places = found.submodule_search_locations
        spec = importlib.machinery.ModuleSpec(name, SameModule(real), is_package=places is not None)
        spec.submodule_search_locations = places
        return spec

    def _mine(self, root: str, name: str) -> bool:
        if name != root:
            return getattr(sys.modules.get(root), "__name__", "") == _real_name(root)
        torch = sys.modules.get("torch")
        if torch is not None and torch is not sys.modules.get("rushlight"):
            return False  # beside PyTorch itself only the packages that were made for it make sense
        others = (f for f in sys.meta_path if f is not self and hasattr(f, "find_spec"))
        return all(f.find_spec(root, None) is None for f in others)

    def find_distributions(self, context=None):
        name = getattr(context, "name", None)
        if name in HELPERS and importlib.util.find_spec(name) is not None and self._mine(name, name):
            yield _distribution(name)

    def invalidate_caches(self) -> None:
        pass


def _distribution(name: str):
    from importlib.metadata import Distribution

    class Helper(Distribution):
        """What packages find that ask which version is installed."""

        def read_text(self, filename):
            if filename in ("METADATA", "PKG-INFO"):
                return f"Metadata-Version: 2.1\nName: {name}\nVersion: {HELPERS[name][1]}\n"
            return None

        def locate_file(self, path):
            return os.path.join(_HERE, path)

    return Helper()


def install() -> None:
    if not any(type(f).__name__ == "Helpers" and hasattr(f, "find_distributions") for f in sys.meta_path):
        sys.meta_path.append(Helpers())
