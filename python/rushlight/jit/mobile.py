"""Archives for PyTorch's lite interpreter: they hold the text too, from which they are run here."""

from __future__ import annotations

from typing import Any

from ._script import load

__all__ = ["LiteScriptModule"]


class LiteScriptModule:
    """A module of such an archive: called, or by ``run_method``."""

    def __init__(self, module: Any) -> None:
        self._module = module

    def __call__(self, *input: Any) -> Any:
        return self._module(*input)

    def forward(self, *input: Any) -> Any:
        return self._module(*input)

    def find_method(self, method_name: str) -> bool:
        return hasattr(self._module, method_name)

    def run_method(self, method_name: str, *input: Any) -> Any:
        return getattr(self._module, method_name)(*input)


def _load_for_lite_interpreter(f: Any, map_location: Any = None) -> LiteScriptModule:
    """Reads a .ptl file or a file object."""
    return LiteScriptModule(load(f, map_location))
