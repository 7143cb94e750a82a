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


def _is_tensor(x: Any) -> bool:
    return isinstance(x, Value) and x.dtype() is not None


def _is_fp(x: Any) -> bool:
    dtype = x.dtype() if isinstance(x, Value) else None
    return bool(dtype is not None and dtype.is_floating_point)


def _is_bool(x: Any) -> bool:
    return isinstance(x, Value) and x.scalarType() == "Bool"


def _scalar(x: Any) -> Any:
    return x._example.item() if isinstance(x, Value) and x._constant and hasattr(x._example, "item") else None


def _as_list(value: Any) -> Any:
    given = _constant(value, "is", "axes") if isinstance(value, Value) else value
    return [given] if isinstance(given, int) else list(given)


def _unsqueeze_helper(g: Any, input: Any, axes_i: Any) -> Value:
    axes = _as_list(axes_i)
    return g.op("Unsqueeze", input, axes) if g.opset >= 13 else g.op("Unsqueeze", input, axes_i=axes)


def _squeeze_helper(g: Any, input: Any, axes_i: Any) -> Value:
    axes = _as_list(axes_i)
    if not axes:
        return g.op("Squeeze", input)
    return g.op("Squeeze", input, axes) if g.opset >= 13 else g.op("Squeeze", input, axes_i=axes)


def _reduce(g: Any, node: str, input: Any, axes: Any, keep: Any, as_input_from: int) -> Value:
    kept = 0 if _is_none(keep) else int(_constant(keep, "b", "keepdim"))
    if _is_none(axes) or not _as_list(axes):
        return g.op(node, input, keepdims_i=kept)
    if g.opset >= as_input_from:
        return g.op(node, input, _as_list(axes), keepdims_i=kept)
    return g.op(node, input, axes_i=_as_list(axes), keepdims_i=kept)


def _reducesum_helper(
    g: Any, input: Any, axes_i: Any = None, keepdims_i: int = 1, noop_with_empty_axes_i: int = 0
) -> Value:
    return _reduce(g, "ReduceSum", input, axes_i, bool(keepdims_i), 13)


def _reshape_helper(g: Any, input: Any, shape: Any, allowzero: int = 0) -> Value:
    to = shape if isinstance(shape, Value) and not shape._constant else _as_list(shape)
    return g.op("Reshape", input, to, allowzero_i=1) if allowzero else g.op("Reshape", input, to)


def _slice_helper(g: Any, input: Any, axes: Any, starts: Any, ends: Any, steps: Any = None) -> Value:
    if g.opset < 10:
        return g.op("Slice", input, axes_i=_as_list(axes), starts_i=_as_list(starts), ends_i=_as_list(ends))
    return g.op("Slice", input, *(_as_list(v) for v in (starts, ends, axes, *([] if steps is None else [steps]))))


def _unimplemented(op: str, msg: str, value: Any = None) -> NoReturn:
    raise NotImplementedError(f"onnx.export: {op}: {msg}")


def _onnx_unsupported(op_name: str, value: Any = None) -> NoReturn:
    raise NotImplementedError(f"onnx.export: ONNX has nothing for {op_name}")


cast_pytorch_to_onnx = {
    "Byte": 2, "Char": 3, "Short": 5, "Int": 6, "Long": 7, "Bool": 9, "Half": 10, "Float": 1, "Double": 11, "BFloat16": 16,
}  # fmt: skip


def _try_get_scalar_type(*args: Any) -> str | None:
    names = [a.scalarType() for a in args if isinstance(a, Value)]
    return next((n for n in names if n), None)


__getattr__ = _missing.getattr_of(__name__)
