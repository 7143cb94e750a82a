"""Operators of two tensors, whose masks must be the same."""

from __future__ import annotations

from typing import Any

from ..._ops import ops

BINARY_NAMES = (
    "add atan2 arctan2 bitwise_and bitwise_or bitwise_xor bitwise_left_shift bitwise_right_shift div divide floor_divide fmod logaddexp "
    "logaddexp2 mul multiply nextafter remainder sub subtract true_divide eq ne le ge greater greater_equal gt less_equal lt less maximum "
    "minimum fmax fmin not_equal"
).split()
INPLACE_BINARY_NAMES = [n + "_" for n in BINARY_NAMES if hasattr(ops.aten, n + "_")]
NATIVE_BINARY_FNS = [getattr(ops.aten, n) for n in BINARY_NAMES]
NATIVE_INPLACE_BINARY_FNS = [getattr(ops.aten, n) for n in INPLACE_BINARY_NAMES]


def _is_native_binary(fn: Any) -> bool:
    return fn in NATIVE_BINARY_FNS or fn in NATIVE_INPLACE_BINARY_FNS


def _apply_native_binary(fn: Any, *args: Any, **kwargs: Any) -> Any:
    return fn(*args, **kwargs)
