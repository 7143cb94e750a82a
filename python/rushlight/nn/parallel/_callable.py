"""Modules of a function's name, whose import hides the function in the package: they can be called as it can."""

import sys
import types
from collections.abc import Callable


def callable_module(name: str, function: Callable) -> None:
    """Has a call of the module call the function."""

    class CallableModule(types.ModuleType):
        __call__ = staticmethod(function)

    sys.modules[name].__class__ = CallableModule
