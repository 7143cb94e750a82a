"""Switches that programs set. Most say what is so anyway: kernels give the same bits on every run, products have full precision."""

from __future__ import annotations

import builtins
import functools
import warnings
from typing import Any

from . import _C
from ._C import get_num_interop_threads, set_num_interop_threads

__all__ = [
    "are_deterministic_algorithms_enabled", "compiled_with_cxx11_abi", "get_deterministic_debug_mode", "get_float32_matmul_precision",
    "get_num_interop_threads", "is_deterministic_algorithms_warn_only_enabled", "is_warn_always_enabled",
    "set_deterministic_debug_mode", "set_float32_matmul_precision", "set_flush_denormal", "set_num_interop_threads", "set_warn_always",
    "use_deterministic_algorithms",
]  # fmt: skip

_deterministic = _warn_only = _warn_always = False
_fill = True
_matmul_precision = "highest"


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Every kernel gives the same bits on every run and for every number of threads, so there is nothing to switch."""
    global _deterministic, _warn_only
    for name, value in (("mode' (position 1)", mode), ("warn_only'", warn_only)):
        if not isinstance(value, builtins.bool):
            raise TypeError(
                f"_set_deterministic_algorithms(): argument '{name} must be bool, not {type(value).__name__}"
            )
    _deterministic, _warn_only = mode, warn_only
    fill_fresh_memory()


def fill_fresh_memory(on: bool | None = None) -> None:
    """Whether empty() and its like are filled while deterministic algorithms are asked for: torch.utils.deterministic."""
    global _fill
    _fill = _fill if on is None else on
    _C._set_fill_fresh_memory(_fill and _deterministic)


def are_deterministic_algorithms_enabled() -> bool:
    """Whether use_deterministic_algorithms(True) was called."""
    return _deterministic


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Whether use_deterministic_algorithms(True, warn_only=True) was called."""
    return _warn_only


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """use_deterministic_algorithms by number or name: 0 "default", 1 "warn", 2 "error"."""
    modes = {"default": 0, "warn": 1, "error": 2}
    if not isinstance(debug_mode, (int, str)):
        raise TypeError(f"debug_mode must be str or int, but got {type(debug_mode)}")
    if isinstance(debug_mode, str):
        if debug_mode not in modes:
            raise RuntimeError(
                f"invalid value of debug_mode, expected one of `default`, `warn`, `error`, but got {debug_mode}"
            )
        debug_mode = modes[debug_mode]
    if debug_mode not in (0, 1, 2):
        raise RuntimeError(f"invalid value of debug_mode, expected 0, 1, or 2, but got {debug_mode}")
    use_deterministic_algorithms(debug_mode > 0, warn_only=debug_mode == 1)


def get_deterministic_debug_mode() -> int:
    """0, 1 or 2: see set_deterministic_debug_mode."""
    return 0 if not _deterministic else 1 if _warn_only else 2


def set_float32_matmul_precision(precision: str) -> None:
    """All settings compute float32 products in full precision here."""
    global _matmul_precision
    if precision not in ("highest", "high", "medium"):
        raise ValueError(f"Invalid argument: precision must be one of highest, high or medium, got {precision}")
    _matmul_precision = precision


def get_float32_matmul_precision() -> str:
    """What set_float32_matmul_precision set: "highest", "high" or "medium"."""
    return _matmul_precision


def set_warn_always(b: bool) -> None:
    """Whether warnings that are given once are given each time."""
    global _warn_always
    _warn_always = builtins.bool(b)
    _C._set_warn_always(_warn_always)


_said: set[str] = set()


def warn_once(text: str) -> None:
    """A UserWarning with the text: the first time, or each time after set_warn_always(True)."""
    if text not in _said or _warn_always:
        _said.add(text)
        warnings.warn(text, UserWarning, stacklevel=3)


def is_warn_always_enabled() -> bool:
    """What set_warn_always set."""
    return _warn_always


def set_flush_denormal(mode: bool) -> bool:
    """False: the smallest numbers are computed with, not flushed to zero, and this can't be changed."""
    return False


def compiled_with_cxx11_abi() -> bool:
    """Whether the C++ library uses the C++11 strings: it does."""
    return True


def _assert_async(condition: Any, message: str = "") -> None:
    """Raises RuntimeError unless the condition, a tensor, is true."""
    if not condition:
        raise RuntimeError(message or "Expected Tensor with single nonzero value, but got zero")


def in_context(context: Any, function: Any) -> Any:
    """The function, which runs inside the context."""

    @functools.wraps(function)
    def inside(*args: Any, **kwargs: Any) -> Any:
        with context:
            return function(*args, **kwargs)

    return inside
