"""Whether torch.jit.script and its like compile: the environment's PYTORCH_JIT=0 says no, and they give back what they get."""

from __future__ import annotations

import os
from typing import Any


class EnabledProxy:
    """The switch."""

    def __init__(self) -> None:
        self.enabled = os.environ.get("PYTORCH_JIT", "1") not in ("0", "")


_enabled = EnabledProxy()


def disable() -> None:
    """From here on script, trace and their like give back what they get."""
    _enabled.enabled = False


def enable() -> None:
    """They compile again."""
    _enabled.enabled = True


def _clear_class_state() -> None:
    """Classes of Python are compiled again where a script next names them."""
    from . import _classes

    _classes._made.clear()


def __getattr__(name: str) -> Any:
    """``_python_cu``: a CompilationUnit of the Python functions that are compiled so far, by their qualified names."""
    if name != "_python_cu":
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from ._functions import ScriptFunction
    from ._resolver import _compiled, _qualified_name
    from ._unit import CompilationUnit

    unit = CompilationUnit()
    unit._functions.update({_qualified_name(fn): ScriptFunction(made, fn) for fn, made in _compiled.items()})
    return unit
