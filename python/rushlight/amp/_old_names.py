"""torch.cpu.amp and torch.cuda.amp: the old names of what torch.amp has, which warn."""

from __future__ import annotations

import warnings
from typing import Any

from . import autocast as _autocast
from . import custom_bwd as _custom_bwd
from . import custom_fwd as _custom_fwd
from .grad_scaler import GradScaler as _GradScaler


def old_names(module: str, device: str) -> dict[str, Any]:
    """Those names for one kind of device."""

    def deprecated(name: str) -> None:
        warnings.warn(
            f"`torch.{device}.amp.{name}(args...)` is deprecated. Please use `torch.amp.{name}('{device}', args...)` instead.",
            FutureWarning,
            stacklevel=3,
        )

    class autocast(_autocast):  # noqa: N801
        def __init__(self, enabled: bool = True, dtype: Any = None, cache_enabled: bool = True) -> None:
            deprecated("autocast")
            super().__init__(device, dtype=dtype, enabled=enabled, cache_enabled=cache_enabled)

    class GradScaler(_GradScaler):
        def __init__(
            self,
            init_scale: float = 2.0**16,
            growth_factor: float = 2.0,
            backoff_factor: float = 0.5,
            growth_interval: int = 2000,
            enabled: bool = True,
        ) -> None:
            deprecated("GradScaler")
            super().__init__(device, init_scale, growth_factor, backoff_factor, growth_interval, enabled)

    def custom_fwd(fwd: Any = None, *, cast_inputs: Any = None) -> Any:
        deprecated("custom_fwd")
        return _custom_fwd(fwd, device_type=device, cast_inputs=cast_inputs)

    def custom_bwd(bwd: Any) -> Any:
        deprecated("custom_bwd")
        return _custom_bwd(bwd, device_type=device)

    names: dict[str, Any] = {"autocast": autocast, "GradScaler": GradScaler}
    if device == "cuda":
        names |= {"custom_fwd": custom_fwd, "custom_bwd": custom_bwd}
    for name, value in names.items():
        value.__module__, value.__qualname__ = module, name
        value.__doc__ = f"torch.amp.{name} for the device {device}, by its old name."
    return names
