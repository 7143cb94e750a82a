"""Schemas from the type hints of Python functions."""

from __future__ import annotations

import collections.abc
import functools
import inspect
import operator
import types
import typing
from collections.abc import Callable, Iterable
from typing import Any

from .. import _C

_BASES = {
    _C.Tensor: "Tensor",
    int: "SymInt",
    float: "float",
    bool: "bool",
    str: "str",
    int | float | bool: "Scalar",
    _C.dtype: "ScalarType",
    _C.device: "Device",
}
_LISTS = (list, collections.abc.Sequence)
_LISTED = ("Tensor", "SymInt", "float", "bool", "Scalar", "str")  # of which PyTorch has lists


def _name_of(hint: Any) -> str | None:
    """The schema's name of a type; None if it has none."""
    number = typing.get_origin(hint) in (typing.Union, types.UnionType) and set(typing.get_args(hint)) == {
        int,
        float,
        bool,
    }
    if number:
        return "Scalar"
    try:
        if hint in _BASES:
            return _BASES[hint]
    except TypeError:  # what can't be hashed is no type
        return None
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType) and type(None) in args and len(args) > 1:
        rest = tuple(a for a in args if a is not type(None))
        inner = _name_of(rest[0] if len(rest) == 1 else functools.reduce(operator.or_, rest))
        return inner and (inner if inner.endswith("?") else f"{inner}?")
    if origin in _LISTS and len(args) == 1:
        inner = _name_of(args[0])
        if inner in _LISTED or inner == "Tensor?":
            return f"{inner}[]"
    return None


def infer_schema(
    prototype_function: Callable,
    /,
    *,
    mutates_args: str | Iterable[str],
    op_name: str | None = None,
    tags: Any = (),
) -> str:
    """The schema that a function's type hints say.

    Args:
        mutates_args: names of the arguments that are written to, or "unknown" for all tensors.
        op_name: put before the schema.

    >>> def scaled(x: torch.Tensor, by: float = 2.0) -> torch.Tensor: ...
    >>> torch.library.infer_schema(scaled, mutates_args=(), op_name="scaled")
    'scaled(Tensor x, float by=2.0) -> Tensor'
    """
    sig = inspect.signature(prototype_function)

    def fail(what: str) -> typing.NoReturn:
        raise ValueError(f"infer_schema(func): {what} Got func with signature {sig})")

    def real_type(hint: Any) -> Any:
        if not isinstance(hint, str):
            return hint
        names = {**_HINT_NAMES, **getattr(prototype_function, "__globals__", {})}
        try:
            return eval(hint, names)
        except Exception as e:
            fail(f"Unsupported type annotation {hint}. It is not a type. ({type(e).__name__}: {e})")

    if not isinstance(mutates_args, str):
        mutates_args = tuple(mutates_args)
    elif mutates_args != "unknown":
        raise ValueError(
            "mutates_args must either be a sequence of the names of the arguments that are mutated or the string "
            "'unknown'."
        )
    parts: list[str] = []
    starred = False
    for i, (name, p) in enumerate(sig.parameters.items()):
        if p.kind not in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY):
            fail("We do not support positional-only args, varargs, or varkwargs.")
        if p.kind is p.KEYWORD_ONLY and not starred:
            parts.append("*")
            starred = True
        if p.annotation is p.empty:
            fail(f"Parameter {name} must have a type annotation.")
        schema_type = _name_of(real_type(p.annotation))
        if schema_type is None:
            hint = " Use a list instead of the tuple." if typing.get_origin(real_type(p.annotation)) is tuple else ""
            fail(
                f"Parameter {name} has unsupported type {p.annotation}.{hint} The valid types are: Tensor, int, float, "
                "bool, str, torch.types.Number, torch.dtype, torch.device, Optional of these, and lists of them."
            )
        if name in mutates_args if isinstance(mutates_args, tuple) else schema_type.startswith("Tensor"):
            if not schema_type.startswith("Tensor"):
                fail(f"Parameter {name} is in mutable_args but only Tensors or collections of Tensors can be mutated")
            schema_type = f"Tensor(a{i}!){schema_type.removeprefix('Tensor')}"
        text = f"{schema_type} {name}"
        if p.default is not p.empty:
            text += "=" + _default_text(name, p.default, fail)
        parts.append(text)
    if isinstance(mutates_args, tuple) and (unknown := set(mutates_args) - set(sig.parameters)):
        fail(
            f"{unknown} in mutates_args were not found in the custom op's signature. mutates_args should contain the names "
            "of all args that the custom op mutates, or just the string 'unknown' if you don't know."
        )
    if sig.return_annotation is inspect.Signature.empty:
        fail("No return type annotation was provided. Please add one.")
    return f"{op_name or ''}({', '.join(parts)}) -> {_returns(real_type(sig.return_annotation), fail)}"


_HINT_NAMES = {
    "Tensor": _C.Tensor,
    "dtype": _C.dtype,
    "device": _C.device,
    "Optional": typing.Optional,
    "List": typing.List,  # noqa: UP006
    "Sequence": collections.abc.Sequence,
    "Union": typing.Union,
}


def _default_text(name: str, value: Any, fail: Callable[[str], Any]) -> str:
    if value is None or isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, (str, _C.device)):
        return f'"{value}"'
    if isinstance(value, _C.dtype):
        return str(value).removeprefix("torch.")
    fail(f"Parameter {name} has an unsupported default value type {type(value)}.")
    raise AssertionError


SUPPORTED_RETURN_TYPES = {
    _C.Tensor: "Tensor", list[_C.Tensor]: "Tensor[]", int: "SymInt", float: "float", bool: "bool", int | float | bool: "Scalar"
}  # fmt: skip


def _returns(hint: Any, fail: Callable[[str], Any]) -> str:
    allowed = SUPPORTED_RETURN_TYPES

    def one(h: Any) -> str:
        if typing.get_origin(h) in _LISTS and typing.get_args(h) == (_C.Tensor,):
            h = list[_C.Tensor]
        if h not in allowed:
            fail(
                f"Return has unsupported type {h}. The valid types are: Tensor, List[Tensor], int, float, bool, Number, "
                "and tuples of them."
            )
        return allowed[h]

    if hint is None or hint is type(None):
        return "()"
    if typing.get_origin(hint) is tuple:
        args = typing.get_args(hint)
        return "(" + ", ".join(one(a) for a in args) + ")" if len(args) != 1 else one(args[0])
    return one(hint)
