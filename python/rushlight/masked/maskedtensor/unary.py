"""Operators of one tensor, which leave the mask as it is."""

from __future__ import annotations

from typing import Any

from ..._ops import ops

UNARY_NAMES = (
    "abs absolute acos arccos acosh arccosh angle asin arcsin asinh arcsinh atan arctan atanh arctanh bitwise_not ceil clamp clip "
    "conj_physical cos cosh deg2rad digamma erf erfc erfinv exp exp2 expm1 fix floor frac lgamma log log10 log1p log2 logit i0 isnan "
    "nan_to_num neg negative positive pow rad2deg reciprocal round rsqrt sigmoid sign sgn signbit sin sinc sinh sqrt square tan tanh trunc"
).split()
INPLACE_UNARY_NAMES = [n + "_" for n in UNARY_NAMES if hasattr(ops.aten, n + "_")]
NATIVE_UNARY_FNS = [getattr(ops.aten, n) for n in UNARY_NAMES]
NATIVE_INPLACE_UNARY_FNS = [getattr(ops.aten, n) for n in INPLACE_UNARY_NAMES]


def _is_native_unary(fn: Any) -> bool:
    return fn in NATIVE_UNARY_FNS or fn in NATIVE_INPLACE_UNARY_FNS


def _apply_native_unary(fn: Any, *args: Any, **kwargs: Any) -> Any:
    return fn(*args, **kwargs)
