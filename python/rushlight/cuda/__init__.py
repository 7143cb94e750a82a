"""CUDA as programs ask for it: what any device's module has, once a library that adds CUDA is loaded. Without one it says so."""

from __future__ import annotations

from typing import Any

from .. import _C, _legacy
from .. import _no_device as _device_module
from .._devices import Event as _Event
from .._devices import Stream as _Stream
from .._missing import missing_name as _missing_name
from .._missing import unsupported as _unsupported

globals().update(_device_module.functions("cuda"))

# Kept for programs that read them.
has_half = True
has_magma = False
default_generators: tuple = ()
_initialized = False
OutOfMemoryError = _C.OutOfMemoryError

max_memory_cached, memory_cached = max_memory_reserved, memory_reserved
reset_max_memory_allocated = reset_max_memory_cached = reset_peak_memory_stats


class Stream(_Stream):
    """A queue of work of a CUDA device."""

    def __init__(self, device: Any = None, priority: int = 0, **_: Any) -> None:
        _module()
        super().__init__("cuda" if device is None else device, priority)


class Event(_Event):
    """A point in a stream of a CUDA device."""

    def __init__(
        self, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False, **_: Any
    ) -> None:
        _module()
        super().__init__("cuda", enable_timing=enable_timing)


class CUDAGraph:
    """Recorded work of a CUDA device: making one raises UnsupportedError."""

    def __init__(self, *_: Any, **__: Any) -> None:
        raise _unsupported("CUDA graphs", "run the steps one by one")


class graph:  # noqa: N801
    """Recording into a CUDAGraph: raises UnsupportedError."""

    def __init__(self, *_: Any, **__: Any) -> None:
        raise _unsupported("CUDA graphs", "run the steps one by one")


class device_of(device):  # noqa: N801
    """A context in which the tensor's CUDA device is the current one; tensors elsewhere change nothing."""

    def __init__(self, obj: Any) -> None:
        super().__init__(obj.get_device() if obj.is_cuda else -1)


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether the current device computes in bfloat16."""
    return is_available()


def is_tf32_supported() -> bool:
    """Whether the current device has TF32."""
    return False


def init() -> None:
    """Starts the device; raises AssertionError where there is none."""
    _module()


def is_current_stream_capturing() -> bool:
    """Whether work is being recorded into a CUDA graph; it never is."""
    return False


def get_arch_list() -> list[str]:
    """The GPU architectures this build has code for: none."""
    return []


def get_gencode_flags() -> str:
    """The compiler flags for them."""
    return ""


def get_device_capability(device: Any = None) -> tuple[int, int]:
    """The device's compute capability."""
    properties = _module().get_device_properties(device)
    return properties.major, properties.minor


def mem_get_info(device: Any = None) -> tuple[int, int]:
    """The free bytes and all bytes of the device."""
    properties = _module().get_device_properties(device)
    return properties.total_memory - memory_reserved(device), properties.total_memory


def ipc_collect() -> None:
    """Frees memory that other processes no longer use; raises AssertionError where there is no device."""
    _module()


def _lazy_call(callable: Any, **_: Any) -> None:
    """Calls it once a device is in use."""
    if is_available():
        callable()


def __getattr__(name: str) -> Any:
    import importlib

    if name in ("amp", "graphs", "memory", "nvtx", "random", "streams"):
        return importlib.import_module(f"{__name__}.{name}")
    # torch.cuda.FloatTensor, FloatStorage: names that programs test with isinstance
    if name in _legacy.__all__ or (name.endswith("Storage") and name[:-7] + "Tensor" in _legacy.__all__):
        made = type(name, (), {"__module__": __name__, "__new__": _no_tensor, "__doc__": f"A {name} on a CUDA device."})
        globals()[name] = made
        return made
    for module in ("_of_a_device", "memory"):
        found = importlib.import_module(f"{__name__}.{module}")
        if name in (found.names if module == "_of_a_device" else found.__all__):
            globals()[name] = value = getattr(found, name)
            return value
    import sys

    raise _missing_name(sys.modules[__name__], name)


def _no_tensor(cls: type, *_: Any) -> Any:
    raise TypeError(
        f"type torch.cuda.{cls.__name__} not available. Torch not compiled with CUDA enabled; use torch.{cls.__name__}"
    )
