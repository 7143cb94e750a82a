"""What the module of a kind of device says where no library adds that device: torch.cuda, torch.mps, torch.xpu, torch.mtia."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from . import _C


def functions(kind: str) -> dict[str, Callable]:
    """Questions are answered, what would need a device raises."""

    def is_available() -> bool:
        """Whether there is such a device."""
        return device_count() > 0

    def device_count() -> int:
        """The number of such devices."""
        return _C._device_count(kind)

    def is_initialized() -> bool:
        """Whether such a device was used."""
        return is_available()

    def module() -> Any:
        from ._devices import DeviceModule

        if not is_available():
            raise AssertionError(
                f"Torch not compiled with {kind.upper()} enabled: this build of rushlight computes on the CPU; no library "
                f"that adds {kind} devices is loaded"
            )
        return DeviceModule(kind)

    def manual_seed(seed: int) -> None:
        """Seeds the current device's generator; where there is no device there is nothing to do."""
        if is_available():
            module().manual_seed(seed)

    def manual_seed_all(seed: int) -> None:
        """Seeds the generators of all devices; where there is none there is nothing to do."""
        if is_available():
            module().manual_seed_all(seed)

    def empty_cache() -> None:
        """Gives back what is kept for reuse."""
        if is_available():
            module().empty_cache()

    def memory_allocated(device: Any = None) -> int:
        """The bytes in use; 0 where there is no device."""
        return module().memory_allocated(device) if is_available() else 0

    def max_memory_allocated(device: Any = None) -> int:
        """The most bytes in use so far; 0 where there is no device."""
        return module().max_memory_allocated(device) if is_available() else 0

    def memory_reserved(device: Any = None) -> int:
        """The bytes taken from the system; 0 where there is no device."""
        return module().memory_reserved(device) if is_available() else 0

    def max_memory_reserved(device: Any = None) -> int:
        """The most bytes taken from the system so far; 0 where there is no device."""
        return module().max_memory_reserved(device) if is_available() else 0

    def memory_stats(device: Any = None) -> dict[str, int]:
        """Counters of memory; empty where there is no device."""
        return module().memory_stats(device) if is_available() else {}

    def reset_peak_memory_stats(device: Any = None) -> None:
        """The peaks start again from what is in use."""
        if is_available():
            module().reset_peak_memory_stats(device)

    def reset_accumulated_memory_stats(device: Any = None) -> None:
        """The counts start again from nothing."""
        if is_available():
            module().reset_accumulated_memory_stats(device)

    def get_rng_state_all() -> list:
        """The states of all devices' generators."""
        return [module().get_rng_state(i) for i in range(device_count())]

    def set_rng_state_all(new_states: Any) -> None:
        """Sets the states of all devices' generators."""
        for i, state in enumerate(new_states):
            module().set_rng_state(state, i)

    def synchronize(device: Any = None) -> None:
        """Waits until the device has done its work."""
        module().synchronize(device)

    def current_device() -> int:
        """The index of the current device."""
        return module().current_device()

    def seed() -> None:
        """Seeds the current device's generator from the system's entropy; where there is no device there is nothing to do."""
        if is_available():
            module().seed()

    def seed_all() -> None:
        """Seeds all devices' generators from the system's entropy; where there is none there is nothing to do."""
        if is_available():
            module().seed_all()

    def initial_seed() -> int:
        """The seed of the current device's generator."""
        return module().initial_seed()

    def get_rng_state(device: Any = kind) -> Any:
        """The state of a device's generator."""
        return module().get_rng_state(device)

    def set_rng_state(new_state: Any, device: Any = kind) -> None:
        """Sets the state of a device's generator; where there is none there is nothing to do."""
        if is_available():
            module().set_rng_state(new_state, device)

    def set_device(device: Any) -> None:
        """Makes another device the current one."""
        module().set_device(device)

    def get_device_name(device: Any = None) -> str:
        """What the device calls itself."""
        return module().get_device_name(device)

    def get_device_properties(device: Any = None) -> Any:
        """The device's facts."""
        return module().get_device_properties(device)

    def current_stream(device: Any = None) -> Any:
        """The stream that work goes to."""
        return module().current_stream(device)

    def default_stream(device: Any = None) -> Any:
        """The stream that work goes to unless another is set."""
        return module().default_stream(device)

    def set_stream(stream: Any) -> None:
        """Has work go to another stream; None changes nothing."""
        if stream is not None:
            module().set_stream(stream)

    class StreamContext:
        """A context in which work goes to another stream; None changes nothing."""

        def __init__(self, stream: Any) -> None:
            self.stream = stream
            self._inside = contextlib.nullcontext() if stream is None else module().stream(stream)

        def __enter__(self) -> Any:
            return self._inside.__enter__()

        def __exit__(self, *exception: Any) -> Any:
            return self._inside.__exit__(*exception)

    def stream(stream: Any) -> StreamContext:
        """StreamContext(stream)."""
        return StreamContext(stream)

    class device:  # noqa: N801
        """A context in which another device is the current one; None and -1 change nothing."""

        def __init__(self, device: Any) -> None:
            index = device if device is None or isinstance(device, int) else _C.device(device).index
            self.idx = -1 if index is None else index

        def __enter__(self) -> None:
            if self.idx >= 0:
                self.prev_idx = current_device()
                set_device(self.idx)

        def __exit__(self, *exception: Any) -> None:
            if self.idx >= 0:
                set_device(self.prev_idx)

    own = {name: f for name, f in locals().items() if callable(f) and name not in ("module",)}
    return {"_module": module, **own}
