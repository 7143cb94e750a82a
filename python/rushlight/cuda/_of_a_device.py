"""What only a CUDA device could answer: AssertionError where there is none, as on a PyTorch for the CPU, UnsupportedError where there is."""

from __future__ import annotations

from typing import Any, NoReturn

from .._missing import unsupported
from . import _module


def raising(name: str) -> Any:
    """A function, or a class to test with isinstance, of that name."""

    def asked(*_: Any, **__: Any) -> NoReturn:
        _module()
        raise unsupported(f"torch.cuda.{name}")

    asked.__name__ = asked.__qualname__ = name
    asked.__module__ = "rushlight.cuda"
    asked.__doc__ = "Raises AssertionError where there is no CUDA device."
    if name[0].isupper():
        return type(name, (), {"__module__": asked.__module__, "__doc__": asked.__doc__, "__new__": asked})
    return asked


class CudaError(RuntimeError):
    """What a failed call of CUDA's raises."""

    def __init__(self, code: int) -> None:
        super().__init__(f"CUDA error {code}")


class DeferredCudaCallError(Exception):
    """What a call put off until the device is in use raises."""


class cudaStatus:  # noqa: N801
    SUCCESS: int = 0
    ERROR_NOT_READY: int = 34


_RAISING = (
    "ExternalStream", "can_device_access_peer", "check_error", "clock_rate", "cudart", "current_blas_handle",
    "current_solver_handle", "device_memory_used", "get_stream_from_external", "get_sync_debug_mode", "graph_pool_handle",
    "make_graphed_callables", "memory_usage", "power_draw", "set_sync_debug_mode", "temperature", "utilization",
)  # fmt: skip
globals().update({name: raising(name) for name in _RAISING})
names = frozenset(("CudaError", "DeferredCudaCallError", "cudaStatus", *_RAISING))
