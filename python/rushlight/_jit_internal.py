"""What libraries mark functions of scripted modules with: torch.jit's, by the name of the module where PyTorch keeps them."""

from __future__ import annotations

import contextlib
import inspect
import types
import typing
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Final

from . import _C, _missing
from ._overloads import overload
from .jit import Future, export, ignore, is_scripting, is_tracing, unused
from .jit.annotations import BroadcastingList1, BroadcastingList2, BroadcastingList3

__all__ = [
    "BroadcastingList1", "BroadcastingList2", "BroadcastingList3", "Final", "Future", "boolean_dispatch", "export", "ignore",
    "is_scripting", "is_tracing", "unused",
]  # fmt: skip


def _mark(fn: Callable) -> Callable:
    """The function, as it is."""
    return fn


_copy_to_script_wrapper = _mark
_overload = _overload_method = overload


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


def get_callable_argument_names(fn: Callable) -> list[str]:
    """Names of the parameters that may be given by position and by keyword.

    >>> get_callable_argument_names(lambda x, y=1, *rest, z: x)
    ['x', 'y']
    """
    try:
        parameters = inspect.signature(fn).parameters.values()
    except (TypeError, ValueError):
        return []
    return [p.name for p in parameters if p.kind == p.POSITIONAL_OR_KEYWORD]


def is_optional(ann: Any) -> bool:
    """Whether an annotation is Optional[T], or a Union with None among its members.

    >>> is_optional(int | None), is_optional(int)
    (True, False)
    """
    return type(None) in typing.get_args(ann) and typing.get_origin(ann) in (typing.Union, types.UnionType)


@contextlib.contextmanager
def _disable_emit_hooks() -> Iterator[None]:
    """No functions are told of what is compiled, as ``torch._C._jit_set_emit_hooks`` asks for."""
    hooks = _C._jit_get_emit_hooks()
    _C._jit_set_emit_hooks(None, None)
    try:
        yield
    finally:
        _C._jit_set_emit_hooks(*hooks)


_disable_emit_hooks_decorator = _disable_emit_hooks


def check_empty_containers(obj: Any) -> None:
    """Warns of an empty container: what it would hold isn't known, so an isinstance of Python and of a script may differ."""
    if obj == [] or obj == {} or obj == ():
        warnings.warn(
            "The inner type of a container is lost when calling torch.jit.isinstance in eager mode. For example, List[int] would become "
            "list and therefore falsely return True for List[float] or List[str].",
            stacklevel=3,
        )


__getattr__ = _missing.getattr_of(__name__)
