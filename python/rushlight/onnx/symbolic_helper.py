"""What functions for register_custom_op_symbolic are written with."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NoReturn

from .. import _missing
from ._symbolic import Value

__all__ = ["parse_args", "quantized_args"]

_KINDS = {"i": int, "f": float, "b": bool, "s": str, "is": list, "fs": list, "none": None, "v": None, "t": None}


def _constant(value: Any, kind: str, name: str) -> Any:
    if kind == "v" or not isinstance(value, Value):
        return value
    if not value._constant:
        raise RuntimeError(
            f"Expected a constant for the argument {name!r} of the symbolic function, got a value that depends on the inputs"
        )
    given = value._example
    if given is None or kind == "t":
        return given
    if kind in ("i", "f", "b", "s"):
        return _KINDS[kind](given)  # type: ignore[misc]
    return list(given) if kind in ("is", "fs") else given


def parse_args(*arg_descriptors: str) -> Callable:
    """A decorator that says what a symbolic function's arguments are: "v" a value; "i", "f", "b", "s", "is", "fs", "t" constants; "none" None."""
    for d in arg_descriptors:
        if d not in _KINDS:
            raise ValueError(f"parse_args: {d!r} is none of {', '.join(_KINDS)}")

    def decorate(fn: Callable) -> Callable:
        fn._arg_descriptors = arg_descriptors  # type: ignore[attr-defined]

        @functools.wraps(fn)
        def wrapper(g: Any, *args: Any, **kwargs: Any) -> Any:
            if len(arg_descriptors) < len(args):
                raise ValueError(
                    f"parse_args: {fn.__name__} is told of {len(arg_descriptors)} arguments, and gets {len(args)}"
                )
            parsed = [_constant(a, d, f"{i}") for i, (a, d) in enumerate(zip(args, arg_descriptors, strict=False))]
            return fn(g, *parsed, **kwargs)

        return wrapper

    return decorate


def quantized_args(*arg_q_descriptors: bool, **_: object) -> Callable:
    """A decorator that says which arguments may be quantised; no value is, so the function stays as it is."""
    return lambda fn: fn


def _is_none(x: Any) -> bool:
    return x is None or (isinstance(x, Value) and x._constant and x._example is None)


def _is_value(x: Any) -> bool:
    return isinstance(x, Value)


def _is_constant(x: Any) -> bool:
    return not isinstance(x, Value) or x._constant


def _maybe_get_const(value: Any, descriptor: str) -> Any:
    return _constant(value, descriptor, "value") if _is_constant(value) else value


def _get_const(value: Any, desc: str, arg_name: str) -> Any:
    return _constant(value, desc, arg_name)


def _unpack_list(value: Any) -> list[Any]:
    return list(value._example) if isinstance(value, Value) else list(value)


def _get_tensor_rank(x: Value) -> int | None:
    return x.dim()


def _get_tensor_sizes(x: Value, allow_nonstatic: bool = True) -> list[int] | None:
    return x.sizes()


def _get_tensor_dim_size(x: Value, dim: int) -> int | None:
    sizes = x.sizes()
    return sizes[dim] if sizes is not None else None


def _unimplemented(op: str, msg: str, value: Any = None) -> NoReturn:
    raise NotImplementedError(f"onnx.export: {op}: {msg}")


def _onnx_unsupported(op_name: str, value: Any = None) -> NoReturn:
    raise NotImplementedError(f"onnx.export: ONNX has nothing for {op_name}")


__getattr__ = _missing.getattr_of(__name__)
