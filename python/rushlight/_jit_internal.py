"""What libraries mark functions of scripted modules with: torch.jit's, by the name of the module where PyTorch keeps them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from . import _missing
from .jit import Future, export, ignore, is_scripting, is_tracing, unused
from .jit.annotations import BroadcastingList1, BroadcastingList2, BroadcastingList3

__all__ = [
    "BroadcastingList1", "BroadcastingList2", "BroadcastingList3", "Final", "Future", "boolean_dispatch", "export", "ignore",
    "is_scripting", "is_tracing", "unused",
]  # fmt: skip


def _mark(fn: Callable) -> Callable:
    """The function, as it is."""
    return fn


_copy_to_script_wrapper = _overload = _overload_method = _mark


def boolean_dispatch(
    arg_name: str,
    arg_index: int,
    default: bool,
    if_true: Callable,
    if_false: Callable,
    module_name: Any = None,
    func_name: Any = None,
) -> Callable:
    """A function that calls one of two, as a flag among its arguments says."""

    def fn(*args: Any, **kwargs: Any) -> Any:
        flag = kwargs[arg_name] if arg_name in kwargs else args[arg_index] if arg_index < len(args) else default
        return (if_true if flag else if_false)(*args, **kwargs)

    fn.__doc__ = if_true.__doc__ or if_false.__doc__
    fn.__name__ = func_name or fn.__name__
    return fn


__getattr__ = _missing.getattr_of(__name__)
