"""make_tensor: random tensors for tests."""

from __future__ import annotations

import math
from typing import Any

import rushlight as torch

__all__ = ["make_tensor"]

_INTEGERS = (torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8, torch.uint16, torch.uint32, torch.uint64)
_SMALL_FLOATS = (torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz)


def _bounds(low: Any, high: Any, dtype: Any, lowest: float, highest: float, default: tuple[float, float]) -> tuple:
    low, high = default[0] if low is None else low, default[1] if high is None else high
    if math.isnan(low) or math.isnan(high):
        raise ValueError(f"`low` and `high` cannot be NaN, but got {low=} and {high=}")
    if low == high and not dtype.is_floating_point and not dtype.is_complex or low > high:
        raise ValueError(f"`low` must be less than `high`, but got {low} >= {high}")
    if high < lowest or low > highest:
        raise ValueError(f"make_tensor: the range [{low}, {high}] has no value of {dtype}")
    return max(low, lowest), min(high, highest)


def make_tensor(
    *shape: Any,
    dtype: Any,
    device: Any,
    low: float | None = None,
    high: float | None = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
    memory_format: Any = None,
) -> Any:
    """A tensor of random values between `low` (included) and `high`: by default -9 to 9, of uint8 0 to 9, of bool both.

    Args:
        noncontiguous: every second element of a larger tensor, where there is more than one.
        exclude_zero: zeros become the smallest positive value (1 for integers).

    >>> torch.testing.make_tensor(3, dtype=torch.int64, device="cpu", low=5, high=6)
    tensor([5, 5, 5])
    """
    sizes = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else tuple(shape)
    if noncontiguous and memory_format is not None:
        raise ValueError(
            f"The parameters `noncontiguous` and `memory_format` are mutually exclusive, but got {noncontiguous=} and {memory_format=}"
        )
    if requires_grad and not (dtype.is_floating_point or dtype.is_complex):
        raise ValueError(f"`requires_grad=True` is not supported for boolean and integral dtypes, but got {dtype=}")

    wide = noncontiguous and math.prod(sizes) > 1
    sizes = (*sizes[:-1], 2 * sizes[-1]) if wide else sizes
    if dtype is torch.bool:
        low, high = _bounds(low, high, dtype, 0, 2, (0, 2))
        out = torch.randint(int(low), int(high), sizes, device=device, dtype=dtype)
    elif dtype in _INTEGERS:
        info = torch.iinfo(dtype)
        default = (0, 10) if dtype in (torch.uint8, torch.uint16, torch.uint32, torch.uint64) else (-9, 10)
        low, high = _bounds(low, high, dtype, info.min, info.max + (dtype is not torch.int64), default)
        out = torch.randint(math.ceil(low), math.ceil(high), sizes, device=device, dtype=dtype)
    elif dtype.is_floating_point or dtype.is_complex:
        small = dtype in _SMALL_FLOATS
        real = torch.float32 if small else dtype.to_real() if dtype.is_complex else dtype
        info = torch.finfo(dtype.to_real() if dtype.is_complex else dtype)
        low, high = _bounds(low, high, dtype, info.min, info.max, (-9, 9))
        out = torch.empty(sizes, device=device, dtype=dtype if dtype.is_complex else real)
        values = torch.view_as_real(out) if dtype.is_complex else out
        if high - low > torch.finfo(real).max:  # the difference itself would overflow
            values.uniform_(low / 2, high / 2).mul_(2)
        elif low == high:
            values.fill_(low)
        else:
            values.uniform_(low, high)
        if small:
            out = out.to(dtype)
    else:
        raise TypeError(f"The requested dtype '{dtype}' is not supported by torch.testing.make_tensor()")

    if wide:
        out = out[..., 1::2]
    elif memory_format is not None:
        out = out.clone(memory_format=memory_format)
    if exclude_zero:
        tiny = torch.finfo(dtype).tiny if dtype.is_floating_point or dtype.is_complex else 1
        out[out == 0] = complex(tiny, tiny) if dtype.is_complex else tiny
    return out.requires_grad_() if requires_grad else out
