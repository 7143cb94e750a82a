"""autocast and what goes with it."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import rushlight as rl

from .. import _C

__all__ = ["autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]

_DTYPES = (rl.bfloat16, rl.float16)


def is_autocast_available(device_type: str) -> bool:
    """Whether autocast has an effect on that kind of device."""
    return rl.device(device_type).type == "cpu"


class autocast:
    """A region, or a function, whose operators cast floating point arguments as PyTorch's lists for the device say.

    Products and convolutions run in ``dtype`` (bfloat16 on the CPU), losses and some others in float32; what takes several
    tensors of which one is float32 takes all as float32. Weights are cast once in the outermost region.

    >>> import rushlight as torch
    >>> with torch.autocast("cpu"):
    ...     print((torch.ones(2, 2) @ torch.ones(2, 2)).dtype)
    torch.bfloat16
    """

    def __init__(
        self, device_type: str, dtype: Any = None, enabled: bool = True, cache_enabled: bool | None = None
    ) -> None:
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        if dtype is not None and not isinstance(dtype, rl.dtype):
            raise ValueError(f"Expected `dtype` to be a torch.dtype, got: `{type(dtype)}`")
        self.device = device_type
        if device_type == "cuda":
            if enabled:
                warnings.warn("User provided device_type of 'cuda', but CUDA is not available. Disabling", stacklevel=2)
            enabled = False
        elif not is_autocast_available(device_type):
            raise RuntimeError(f"User specified an unsupported autocast device_type '{device_type}'")
        self.fast_dtype = dtype if dtype is not None else rl.get_autocast_dtype("cpu")
        if device_type == "cpu" and self.fast_dtype not in _DTYPES and enabled:
            warnings.warn(
                "In CPU autocast, but the target dtype is not supported. Disabling autocast.\nCPU Autocast only supports "
                f"dtype of {', '.join(map(str, _DTYPES))} currently.",
                stacklevel=2,
            )
            enabled = False
        self._enabled = enabled
        self._cache_enabled = rl.is_autocast_cache_enabled() if cache_enabled is None else cache_enabled
        self._was: list[Any] = []

    def __enter__(self):
        on_cpu = self.device == "cpu"
        self._was.append(
            _C._autocast(self._enabled if on_cpu else None, self.fast_dtype if on_cpu else None, self._cache_enabled, 1)
        )
        return self

    def __exit__(self, *exc: Any) -> bool:
        _C._autocast(*self._was.pop(), -1)
        return False

    def __call__(self, func: Callable) -> Callable:
        @functools.wraps(func)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with self:
                return func(*args, **kwargs)

        return inside


def _cast(value: Any, dtype: Any) -> Any:
    if isinstance(value, rl.Tensor):
        return value.to(dtype) if value.is_floating_point() and value.dtype is not rl.float64 else value
    if isinstance(value, (str, bytes)):
        return value
    if isinstance(value, Mapping):
        return {_cast(k, dtype): _cast(v, dtype) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_cast(v, dtype) for v in value)
    return value


def custom_fwd(fwd: Callable | None = None, *, device_type: str, cast_inputs: Any = None) -> Callable:
    """For the forward of an autograd.Function: with cast_inputs, it runs without autocast on inputs of that dtype."""
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        args[0]._dtype = rl.get_autocast_dtype(device_type)
        enabled = rl.is_autocast_enabled(device_type)
        if cast_inputs is None:
            args[0]._fwd_used_autocast = enabled
            return fwd(*args, **kwargs)
        args[0]._fwd_used_autocast = False
        if not enabled:
            return fwd(*args, **kwargs)
        with autocast(device_type, enabled=False):
            return fwd(*_cast(args, cast_inputs), **_cast(kwargs, cast_inputs))

    return decorated


def custom_bwd(bwd: Callable | None = None, *, device_type: str) -> Callable:
    """For the backward of an autograd.Function: it runs with autocast as its forward did."""
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        with autocast(device_type, dtype=args[0]._dtype, enabled=args[0]._fwd_used_autocast):
            return bwd(*args, **kwargs)

    return decorated


# ---- the functions of rushlight itself ----


def _is_cpu(device_type: Any) -> bool:
    if device_type is not None and not isinstance(device_type, str):
        raise TypeError(f"expected the name of a kind of device, got {type(device_type).__name__}")
    return (rl.device(device_type).type if device_type is not None else "cuda") == "cpu"


def is_autocast_enabled(device_type: str | None = None) -> bool:
    """Whether autocast is on for a kind of device; for CUDA where none is named, as in PyTorch."""
    return _is_cpu(device_type) and _C._autocast()[0]


def is_autocast_cpu_enabled() -> bool:
    """Whether autocast is on for the CPU."""
    return _C._autocast()[0]


def set_autocast_enabled(device_type: Any, enabled: bool | None = None) -> None:
    """Switches autocast for a kind of device."""
    if enabled is not None and _is_cpu(device_type):
        _C._autocast(bool(enabled))


def get_autocast_dtype(device_type: str) -> Any:
    """What autocast casts to on a kind of device."""
    return _C._autocast()[1] if _is_cpu(device_type) else rl.float16


def get_autocast_cpu_dtype() -> Any:
    """What autocast casts to on the CPU."""
    return _C._autocast()[1]


def set_autocast_dtype(device_type: str, dtype: Any) -> None:
    """Says what autocast casts to on a kind of device."""
    if _is_cpu(device_type):
        _C._autocast(None, dtype)


def is_autocast_cache_enabled() -> bool:
    """Whether weights that were cast are kept until the outermost region ends."""
    return _C._autocast()[2]


def set_autocast_cache_enabled(enabled: bool) -> None:
    """Says whether weights that were cast are kept."""
    _C._autocast(None, None, bool(enabled))


def clear_autocast_cache() -> None:
    """Forgets the weights that were cast."""
    _C._autocast_clear_cache()
