"""Neural networks: modules, functions, initialisation."""

import importlib
import sys
from typing import TYPE_CHECKING, Any

from . import functional, init, modules, parameter, utils
from .modules import *  # noqa: F403
from .parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter


def factory_kwargs(kwargs: dict[str, Any] | None) -> dict[str, Any]:
    """The keyword arguments of a module that go on to factories: ``device``, ``dtype``, ``memory_format``.

    ``kwargs["factory_kwargs"]`` may hold some, for modules that have an argument of such a name themselves.
    """
    if kwargs is None:
        return {}
    known = {"device", "dtype", "memory_format"}
    if unexpected := kwargs.keys() - {*known, "factory_kwargs"}:
        raise TypeError(f"unexpected kwargs {unexpected}")
    given = dict(kwargs.get("factory_kwargs", {}))
    for name in ("device", "dtype", "memory_format"):
        if name in kwargs:
            if name in given:
                raise TypeError(f"{name} specified twice, in **kwargs and in factory_kwargs")
            given[name] = kwargs[name]
    return given


if not TYPE_CHECKING:  # see modules/__init__.py
    __all__ = [
        *modules.__all__,
        "Buffer",
        "DataParallel",  # noqa: F405  (imported when it is first named)
        "Parameter",
        "UninitializedBuffer",
        "UninitializedParameter",
        "factory_kwargs",
        "functional",
        "init",
        "modules",
        "parameter",
        "utils",
    ]


def __getattr__(name: str):
    if name in ("attention", "grad", "parallel", "quantized"):
        return importlib.import_module(f"{__name__}.{name}")
    if name == "DataParallel":
        return importlib.import_module(f"{__name__}.parallel").DataParallel
    from .._missing import getattr_of

    return getattr_of(__name__)(name)
