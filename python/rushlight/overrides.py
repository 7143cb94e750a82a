"""Classes and modes that answer calls of this package's functions: ``__torch_function__`` and TorchFunctionMode.

A function whose arguments hold an object with a ``__torch_function__`` gives the call to it. Functions written in C++, methods and
attributes of Tensor do so by themselves; one's own functions ask has_torch_function and call handle_torch_function.
"""

from __future__ import annotations

import functools
import keyword
import types
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import rushlight

from . import _C

__all__ = [
    "BaseTorchFunctionMode",
    "TorchFunctionMode",
    "enable_reentrant_dispatch",
    "get_default_nowrap_functions",
    "get_ignored_functions",
    "get_overridable_functions",
    "get_testing_overrides",
    "handle_torch_function",
    "has_torch_function",
    "has_torch_function_unary",
    "has_torch_function_variadic",
    "is_tensor_like",
    "is_tensor_method_or_property",
    "redispatch_function",
    "resolve_name",
    "wrap_torch_function",
]

has_torch_function = _C._has_torch_function
has_torch_function_unary = _C._has_torch_function_unary
has_torch_function_variadic = _C._has_torch_function_variadic


def handle_torch_function(public_api: Callable, relevant_args: Iterable[Any], *args: Any, **kwargs: Any) -> Any:
    """Gives the call ``public_api(*args, **kwargs)`` to the innermost mode, then to the classes of the relevant arguments.

    TypeError if all of them return NotImplemented.
    """
    return _C._handle_torch_function(public_api, tuple(relevant_args), args, kwargs)


def redispatch_function(func: Callable, types: Any, args: Any, kwargs: Any) -> Any:
    """The call that a handler was given, past the handlers: what ``func`` calls in turn is given to them as ever.

    >>> class Logged(torch.Tensor):
    ...     @classmethod
    ...     def __torch_function__(cls, func, types, args, kwargs=None):
    ...         print(func.__name__)
    ...         return torch.overrides.redispatch_function(func, types, args, kwargs)
    >>> Logged([1.0, 2.0]).add(1)
    add
    tensor([2., 3.])
    """
    return _C._redispatch(func, tuple(args), kwargs)


def wrap_torch_function(dispatcher: Callable) -> Callable:
    """A decorator for functions that may be overridden; ``dispatcher`` takes their arguments and returns the relevant ones."""

    def decorate(function: Callable) -> Callable:
        @functools.wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            relevant = dispatcher(*args, **kwargs)
            if has_torch_function(relevant):
                return handle_torch_function(called, relevant, *args, **kwargs)
            return function(*args, **kwargs)

        return called

    return decorate


def _get_overloaded_args(relevant_args: Iterable[Any], get_type_fn: Any = None) -> list[Any]:
    return _C._overriding_arguments(tuple(relevant_args))


class TorchFunctionMode:
    """Sees the calls of this thread while it is entered. Derive from it and define ``__torch_function__``.

    A mode's own calls go to the modes around it.

    >>> import rushlight as torch
    >>> class Names(TorchFunctionMode):
    ...     def __torch_function__(self, func, types, args=(), kwargs=None):
    ...         print(func.__name__)
    ...         return func(*args, **(kwargs or {}))
    >>> with Names():
    ...     x = torch.add(torch.ones(2), 1)
    ones
    add
    """

    inner: TorchFunctionMode

    def __init__(self) -> None:
        pass

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise NotImplementedError

    def __enter__(self):
        _C._push_on_torch_function_stack(self)
        return self

    def __exit__(self, exc_type: Any, exc_val: Any, exc_tb: Any) -> None:
        _C._pop_torch_function_stack()

    @classmethod
    def push(cls, *args: Any, **kwargs: Any):
        """Old name of making and entering a mode at once."""
        warnings.warn("`Mode.push()` is no longer necessary and can be replaced with just `with Mode()`", stacklevel=2)
        return cls(*args, **kwargs)


class BaseTorchFunctionMode(TorchFunctionMode):
    """Changes nothing."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


def _get_current_function_mode() -> Any:
    """The innermost mode that is entered, or None."""
    entered = _get_current_function_mode_stack()
    return entered[-1] if entered else None


def _get_current_function_mode_stack() -> list[Any]:
    """The modes that are entered, innermost last."""
    return list(_C._torch_function_stack())


def is_tensor_like(inp: Any) -> bool:
    """Whether it is a Tensor or an object of a class with a ``__torch_function__``."""
    return type(inp) is rushlight.Tensor or hasattr(inp, "__torch_function__")


def enable_reentrant_dispatch():
    """A scope in which handlers of ``__torch_dispatch__`` may call functions that go to other handlers; they always may here."""
    import contextlib

    return contextlib.nullcontext()


# ---- lists of functions ----


def _namespaces() -> dict[str, Any]:
    from . import fft, linalg, special
    from .nn import functional, init

    return {
        "torch": rushlight,
        "torch.nn.functional": functional,
        "torch.nn.init": init,
        "torch.Tensor": rushlight.Tensor,
        "torch.linalg": linalg,
        "torch.fft": fft,
        "torch.special": special,
    }


_OPERATORS = (type(_C._ops.add), type(rushlight.Tensor.add), _C._OverridableType)


@functools.cache
def get_ignored_functions() -> set[Callable]:
    """Public functions that no ``__torch_function__`` is asked for: they take no tensor, or are about overriding itself."""
    ignored = {rushlight.Tensor.__torch_function__}
    for module in (rushlight, rushlight.nn.functional, rushlight.nn.init):
        for name, f in list(vars(module).items()):
            if not name.startswith("_") and callable(f) and not isinstance(f, (type, *_OPERATORS)):
                ignored.add(f)
    for name in ("as_subclass", "_make_subclass", "_make_wrapper_subclass", "__hash__", "__new__", "__init__"):
        if hasattr(rushlight.Tensor, name):
            ignored.add(getattr(rushlight.Tensor, name))
    return ignored


@functools.cache
def get_default_nowrap_functions() -> set[Callable]:
    """Functions whose results the default ``Tensor.__torch_function__`` leaves in their class: they show another tensor."""
    return {rushlight.Tensor._base.__get__, rushlight.Tensor.grad.__get__, rushlight.Tensor._grad.__get__}


@functools.cache
def _overridable() -> tuple[dict[Any, list[Callable]], dict[Callable, str]]:
    functions: dict[Any, list[Callable]] = {}
    names: dict[Callable, str] = {}
    method_types = (types.MethodDescriptorType, types.WrapperDescriptorType)
    slots = {
        "__getitem__", "__setitem__", "__len__", "__bool__", "__int__", "__float__", "__index__", "__repr__", "__iter__",
        "__eq__", "__ne__", "__rsub__", "__rtruediv__", "__floordiv__", "__rfloordiv__", "__rmod__", "__rpow__", "__rmatmul__",
        "__and__", "__or__", "__xor__", "__invert__", "__iand__", "__ior__", "__ixor__", "__lshift__", "__rshift__",
        "__rlshift__", "__rrshift__", "__ilshift__", "__irshift__",
    }  # fmt: skip
    for prefix, space in _namespaces().items():
        found = functions.setdefault(space, [])
        for name in dir(space):
            value = getattr(space, name)
            if space is rushlight.Tensor:
                if isinstance(value, types.GetSetDescriptorType):
                    if name in ("__dict__", "__weakref__"):
                        continue
                    found.append(value.__get__)
                    names[value.__get__] = f"{prefix}.{name}.__get__"
                    names[value.__set__] = f"{prefix}.{name}.__set__"
                    continue
                if name.startswith("__") and name not in slots and not isinstance(value, _OPERATORS):
                    continue
                if not isinstance(value, (*_OPERATORS, *method_types)) or value in get_ignored_functions():
                    continue
            elif name.startswith("_") or not isinstance(value, _OPERATORS):
                continue
            found.append(value)
            names.setdefault(value, f"{prefix}.{name}")
    return functions, names


def get_overridable_functions() -> dict[Any, list[Callable]]:
    """The functions that ``__torch_function__`` may answer, by the module or class they stand in."""
    return {space: list(found) for space, found in _overridable()[0].items()}


def resolve_name(f: Callable) -> str | None:
    """``torch.add`` for torch.add; None for what is no overridable function."""
    try:
        return _overridable()[1].get(f)
    except TypeError:  # unhashable
        return None


def is_tensor_method_or_property(func: Callable) -> bool:
    """Whether func is a method of Tensor or what reads or writes an attribute of it."""
    return func in _tensor_functions() or getattr(func, "__name__", "") in ("__get__", "__set__")


@functools.cache
def _tensor_functions() -> set[Callable]:
    return set(_overridable()[0][rushlight.Tensor])


@functools.cache
def _testing_overrides() -> dict[Callable, Callable]:
    return {f: _dummy(f) for found in _overridable()[0].values() for f in found if f not in get_ignored_functions()}


def get_testing_overrides() -> dict[Callable, Callable]:
    """For each overridable function one that takes the same arguments and returns -1."""
    return dict(_testing_overrides())


def _dummy(f: Callable) -> Callable:
    """``lambda self, other, *, alpha=1: -1``, from the operator's schemas or the signature of a Python function."""
    import inspect

    if isinstance(f, _C._OverridableType):
        parameters = list(inspect.signature(f).parameters.values())
    elif isinstance(f, _OPERATORS):
        schema = f._schemas[0]  # type: ignore[attr-defined]
        inside, depth, items, start = schema[schema.index("(") + 1 : schema.rindex(") ->")], 0, [], 0
        for i, c in enumerate(inside):
            depth += (c in "([") - (c in ")]")
            if c == "," and depth == 0:
                items.append(inside[start:i].strip())
                start = i + 1
        items.append(inside[start:].strip())
        parameters, kind = [], inspect.Parameter.POSITIONAL_OR_KEYWORD
        for item in items:
            if item == "*":
                kind = inspect.Parameter.KEYWORD_ONLY
            elif item:
                head, _, default = item.partition("=")
                name = head.split(" ")[-1]
                name = name + "_" if keyword.iskeyword(name) else name
                name = "input" if name == "self" and not is_tensor_method_or_property(f) else name
                parameters.append(inspect.Parameter(name, kind, default=None if default else inspect.Parameter.empty))
    elif getattr(f, "__name__", "") == "__get__":
        parameters = [inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
    else:
        parameters = [inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
        parameters += [inspect.Parameter("args", inspect.Parameter.VAR_POSITIONAL)]
        parameters += [inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD)]

    def dummy(*args: Any, **kwargs: Any) -> int:
        dummy.__signature__.bind(*args, **kwargs)  # type: ignore[attr-defined]
        return -1

    try:
        dummy.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    except ValueError:  # a default before an argument without one
        dummy.__signature__ = inspect.Signature([p.replace(default=None) for p in parameters])  # type: ignore[attr-defined]
    return dummy
