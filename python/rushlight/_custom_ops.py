"""Operators of Python functions in their second form, of which torch.library has the third."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from ._custom_op.impl import (
    CustomOp,
    _infer,
    find_custom_op,
    get_ctx,
    parse_qualname,
    validate_namespace,
)

__all__ = ["custom_op", "get_ctx", "impl", "impl_abstract", "impl_backward", "impl_save_for_backward"]


def custom_op(qualname: str, func_or_schema: Any = None) -> Any:
    """Makes an operator, of a function's type hints or of a schema's text; ``impl`` and its kin give it kernels."""
    ns, name = parse_qualname(qualname)
    validate_namespace(ns)

    def make(func: Callable) -> Callable:
        if not inspect.isfunction(func):
            raise ValueError(f"custom_op(...)(func): Expected `func` to be a Python function, got: {type(func)}")
        if func.__name__ != name:
            raise ValueError(
                f"custom_op(qualname='{qualname}', ...)(func): expected `func` to have name '{name}' but got '{func.__name__}'. "
                "Please either change the name of `func` or the qualname that is passed to `custom_op`"
            )
        CustomOp(ns, name, _infer(func, mutates_args=()))
        return func

    if func_or_schema is None:
        return make
    if isinstance(func_or_schema, str):
        CustomOp(ns, name, func_or_schema)
        return None
    return make(func_or_schema)


def impl(qualname: str, *, device_types: Any = ("cpu", "cuda"), func: Callable | None = None) -> Any:
    """Registers a kernel for devices."""
    return _given(find_custom_op(qualname, True).impl(device_types), func)


def impl_abstract(qualname: str, *, func: Callable | None = None) -> Any:
    """Registers what says the shapes and dtypes of an operator's results."""
    from .library import register_fake

    return register_fake(qualname, func)


def impl_save_for_backward(qualname: str, *, func: Callable | None = None) -> Any:
    """Registers what gives backward its `saved`."""
    return _given(find_custom_op(qualname, True).impl_save_for_backward(), func)


def impl_backward(qualname: str, output_differentiability: Any = None, *, func: Callable | None = None) -> Any:
    """Registers the gradient, a dict by the arguments' names."""
    return _given(find_custom_op(qualname, True).impl_backward(output_differentiability), func)


def _given(register: Callable, func: Callable | None) -> Any:
    return register if func is None else register(func)


def _destroy(qualname: str) -> None:
    """Takes an operator away."""
    find_custom_op(qualname)._destroy()
