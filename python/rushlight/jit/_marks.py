"""What a program says to the compiler: marks of functions, and questions whose answers differ in a script."""

from __future__ import annotations

import collections
import functools
import warnings
from typing import Any

from .. import _C


def is_scripting() -> bool:
    """False in Python; True where a compiled function asks."""
    return False


def is_tracing() -> bool:
    """True while a trace is being recorded."""
    return _C._is_tracing()


def annotate(the_type: Any, the_value: Any) -> Any:
    """the_value; to the compiler, of type the_type."""
    return the_value


def export(fn):
    """Marks a method to be compiled although forward does not call it."""
    fn._torchscript_modifier = "export"
    return fn


def ignore(drop: Any = False, **kwargs):
    """Marks a function that is not to be compiled: a script calls the Python function, and cannot be saved. With drop=True it is ``unused``.

    >>> import rushlight as torch
    >>> @torch.jit.ignore
    ... def told(x: torch.Tensor) -> int:
    ...     return len(str(x))
    """
    if callable(drop):
        drop._torchscript_modifier = "ignore"
        return drop
    if not isinstance(drop, bool):
        raise RuntimeError(f"Argument to @torch.jit.ignore must be a bool or a function but got {drop}")
    if drop or kwargs.get("drop_on_export"):
        warnings.warn(
            f"ignore({'True' if drop else 'drop_on_export=True'}) has been deprecated. TorchScript will now drop the function call on "
            "compilation. Use torch.jit.unused now.",
            category=FutureWarning,
            stacklevel=2,
        )
        return unused
    return ignore


def unused(fn):
    """Marks a function that is not to be compiled; a compiled call of it raises."""
    if isinstance(fn, property):
        for part in (fn.fget, fn.fset):
            if part is not None:
                part._torchscript_modifier = "unused"
        return fn
    fn._torchscript_modifier = "unused"
    return fn


def script_method(fn):
    """Marks a method of a ScriptModule's subclass, to be compiled once ``__init__`` has run."""
    fn._torchscript_modifier = "script_method"
    return fn


def script_if_tracing(fn):
    """Makes a trace that calls the function record what a script of it does; other calls are Python's."""

    @functools.wraps(fn)
    def called(*args: Any, **kwargs: Any) -> Any:
        from ._script import script

        return (script(fn) if is_tracing() else fn)(*args, **kwargs)

    called.__script_if_tracing_wrapper = True  # type: ignore[attr-defined]
    return called


Attribute = collections.namedtuple("Attribute", ["value", "type"])

Error = RuntimeError  # what a script raises
