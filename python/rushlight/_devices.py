"""Devices that libraries add: streams, events, and the module that a device's programs use (`torch.<name of the device>`)."""

from __future__ import annotations

import contextlib
import sys
import types
from typing import Any

from . import _C

device = _C.device


def _device_or_current(d: Any = None):
    """A device with its index; the accelerator's current one where none is named."""
    d = device("cpu") if d is None and _C._accelerator() is None else _C._accelerator() if d is None else device(d)
    return d if d.type in ("cpu", "meta") or d.index is not None else device(d.type, _C._current_device(d))


class Stream:
    """A queue of work on a device, done in order: ``Stream(device=None, priority=0)``.

    ``with stream:`` makes it the one that operators give their work to.
    """

    def __init__(self, device: Any = None, priority: int = 0) -> None:
        self._pair = _C._new_stream(_device_or_current(device), priority)

    @classmethod
    def _of(cls, pair: tuple):
        out = cls.__new__(cls)
        out._pair = pair
        return out

    @property
    def device(self):
        return self._pair[0]

    @property
    def device_index(self) -> int:
        return -1 if self._pair[0].index is None else self._pair[0].index

    @property
    def stream_id(self) -> int:
        return self._pair[1]

    def query(self) -> bool:
        """Whether all its work is done."""
        return _C._stream_query(self._pair)

    def synchronize(self) -> None:
        """Waits until all its work is done."""
        _C._stream_synchronize(self._pair)

    def record_event(self, event: Event | None = None) -> Event:
        """Marks the place that the stream has come to."""
        event = event or Event(self.device)
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        """Work given from now on begins after the event."""
        event.wait(self)

    def wait_stream(self, stream: Stream) -> None:
        """Work given from now on begins after what the other stream has been given."""
        self.wait_event(stream.record_event())

    def __enter__(self) -> Stream:
        self._before = (
            _C._current_stream(self.device),
            None if self.device.type == "cpu" else _C._current_device(self.device),
        )
        _C._set_device(self.device)
        _C._set_stream(self._pair)
        return self

    def __exit__(self, *exception: Any) -> None:
        stream, index = self._before
        _C._set_stream(stream)
        if index is not None:
            _C._set_device(device(self.device.type, index))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and self._pair == other._pair

    def __hash__(self) -> int:
        return hash(self._pair)

    def __repr__(self) -> str:
        return (
            f"torch.Stream device_type={self.device.type}, device_index={self.device_index}, stream_id={self.stream_id}"
        )


class Event:
    """A place in a stream: ``Event(device=None, *, enable_timing=False)``."""

    def __init__(
        self, device: Any = None, *, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False
    ) -> None:
        if interprocess:
            raise NotImplementedError("Event: events that other processes see are not supported")
        self.device = _device_or_current(device)
        self._event = _C._new_event(self.device, enable_timing)

    def record(self, stream: Stream | None = None) -> None:
        _C._event_record(self._event, stream._pair if stream else _C._current_stream(self.device))

    def wait(self, stream: Stream | None = None) -> None:
        """Lets work that the stream (the current one) is given from now on begin after the event."""
        _C._event_wait(self._event, stream._pair if stream else _C._current_stream(self.device))

    def query(self) -> bool:
        """Whether it has happened; true where it was not recorded."""
        return _C._event_query(self._event)

    def synchronize(self) -> None:
        """Waits until it has happened."""
        _C._event_synchronize(self._event)

    def elapsed_time(self, end_event: Event) -> float:
        """Milliseconds from this event to another; both made with enable_timing=True, and done."""
        return _C._event_elapsed(self._event, end_event._event)

    def __repr__(self) -> str:
        index = -1 if self.device.index is None else self.device.index
        return f"torch.Event device_type={self.device.type}, device_index={index}"


class DeviceModule(types.ModuleType):
    """What programs ask of a device's module, for any device with an interface: ``torch.<name>`` unless one was registered."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"rushlight.{kind}", f"The device {kind}.")
        self._kind = kind
        self.Event, self.Stream = Event, Stream

    def _at(self, d: Any = None):
        if d is None:
            return device(self._kind, self.current_device())
        d = device(self._kind, d) if isinstance(d, int) else device(d)
        if d.type != self._kind:
            raise ValueError(f"Expected a {self._kind} device, but got: {d}")
        return _device_or_current(d)

    def is_available(self) -> bool:
        return self.device_count() > 0

    is_initialized = is_available

    def init(self) -> None:
        """Nothing waits to be done."""

    def device_count(self) -> int:
        return _C._device_count(device(self._kind))

    def current_device(self) -> int:
        return _C._current_device(device(self._kind))

    def set_device(self, d: Any) -> None:
        _C._set_device(self._at(d))

    @contextlib.contextmanager
    def device(self, d: Any):
        """A context in which another device is the current one."""
        before = self.current_device()
        if d is not None and d != -1:
            self.set_device(d)
        try:
            yield
        finally:
            self.set_device(before)

    def get_device_properties(self, d: Any = None) -> types.SimpleNamespace:
        return types.SimpleNamespace(**_C._device_properties(self._at(d)))

    def get_device_name(self, d: Any = None) -> str:
        return self.get_device_properties(d).name

    def get_amp_supported_dtype(self) -> list:
        import rushlight

        return [rushlight.bfloat16, rushlight.float16]

    def synchronize(self, d: Any = None) -> None:
        _C._device_synchronize(self._at(d))

    def current_stream(self, d: Any = None) -> Stream:
        return Stream._of(_C._current_stream(self._at(d)))

    def default_stream(self, d: Any = None) -> Stream:
        return Stream._of((self._at(d), 0))

    def set_stream(self, stream: Stream) -> None:
        _C._set_stream(stream._pair)

    def stream(self, stream: Stream | None):
        """A context in which work goes to `stream`."""
        return contextlib.nullcontext() if stream is None else stream

    def memory_stats(self, d: Any = None) -> dict[str, int]:
        return _C._memory_stats(self._at(d))

    def memory_allocated(self, d: Any = None) -> int:
        return self.memory_stats(d)["allocated_bytes.all.current"]

    def max_memory_allocated(self, d: Any = None) -> int:
        return self.memory_stats(d)["allocated_bytes.all.peak"]

    def memory_reserved(self, d: Any = None) -> int:
        return self.memory_stats(d)["reserved_bytes.all.current"]

    def max_memory_reserved(self, d: Any = None) -> int:
        return self.memory_stats(d)["reserved_bytes.all.peak"]

    def reset_peak_memory_stats(self, d: Any = None) -> None:
        _C._reset_peak_memory_stats(self._at(d))

    def reset_accumulated_memory_stats(self, d: Any = None) -> None:
        _C._reset_accumulated_memory_stats(self._at(d))

    def empty_cache(self) -> None:
        for i in range(self.device_count()):
            _C._empty_cache(device(self._kind, i))

    def _generator(self, d: Any = None):
        return _C._default_generator(self._at(d))

    def manual_seed(self, seed: int) -> None:
        self._generator().manual_seed(seed)

    def manual_seed_all(self, seed: int) -> None:
        for i in range(self.device_count()):
            self._generator(i).manual_seed(seed)

    def seed(self) -> None:
        self._generator().seed()

    def initial_seed(self) -> int:
        return self._generator().initial_seed()

    def get_rng_state(self, d: Any = None):
        return self._generator(d).get_state()

    def set_rng_state(self, state: Any, d: Any = None) -> None:
        self._generator(d).set_state(state)


_registered: dict[str, Any] = {}


def module_of(kind: str) -> Any:
    """The module of a device that a library adds; None where none was registered and no library is loaded."""
    if kind not in _registered and _C._device_count(device(kind)):
        _registered[kind] = DeviceModule(kind)
    return _registered.get(kind)


def _register_device_module(device_type: str, module: Any) -> None:
    """Makes `module` what `torch.<device_type>` is. RuntimeError where there is one already."""
    import rushlight

    kind = device(device_type).type
    if hasattr(rushlight, kind):
        raise RuntimeError(
            f"The runtime module of '{kind}' has already been registered with '{getattr(rushlight, kind)}'"
        )
    _registered[kind] = module
    setattr(rushlight, kind, module)
    sys.modules[f"rushlight.{kind}"] = module


def get_device_module(d: Any = None) -> Any:
    """The module of a device (`torch.cpu`, `torch.cuda`, that of a library); without a device, that of the accelerator."""
    import rushlight

    kind = _device_or_current(None).type if d is None else device(d).type
    module = getattr(rushlight, kind, None)
    if module is None:
        raise RuntimeError(f"Device '{kind}' does not have a corresponding module registered as 'torch.{kind}'.")
    return module
