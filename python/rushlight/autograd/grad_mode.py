"""Context managers and decorators that switch the recording of gradients on and off."""

from __future__ import annotations

import functools
import inspect
import warnings
from typing import Any

from .._C import enable_grad, inference_mode, no_grad, set_grad_enabled

__all__ = ["enable_grad", "inference_mode", "no_grad", "set_grad_enabled", "set_multithreading_enabled"]


def _generator(mode: Any, function: Any) -> Any:
    """The mode holds while the generator runs, not while its caller does."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        inner = function(*args, **kwargs)
        send, value = inner.send, None
        while True:
            try:
                with mode.clone():
                    item = send(value)
            except StopIteration as stop:
                return stop.value
            try:
                value = yield item
                send = inner.send
            except GeneratorExit:
                with mode.clone():
                    inner.close()
                raise
            except BaseException as error:
                value, send = error, inner.throw

    return wrapper


def _decorated(mode: Any, function: Any) -> Any:
    if inspect.isclass(function):
        warnings.warn(
            "Decorating classes is deprecated and will be disabled in future versions. You should only decorate functions or "
            f"methods; {type(mode).__name__} of a class holds while objects of {function.__name__} are made, not in their methods.",
            FutureWarning,
            stacklevel=3,
        )
        made = function

        def function(*args: Any, **kwargs: Any) -> Any:
            return made(*args, **kwargs)

    if inspect.isgeneratorfunction(function):
        return _generator(mode, function)

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with mode.clone():
            return function(*args, **kwargs)

    return wrapper


_multithreading = True


def is_multithreading_enabled() -> bool:
    """What set_multithreading_enabled was told last; the engine walks a graph on the calling thread anyway."""
    return _multithreading


class set_multithreading_enabled:  # noqa: N801
    """Remembers what it is told, at once or for a context: the engine walks a graph on the calling thread."""

    def __init__(self, mode: bool) -> None:
        global _multithreading
        self.mode, self.before = mode, _multithreading
        _multithreading = mode

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: Any) -> None:
        global _multithreading
        _multithreading = self.before

    def __call__(self, function: Any) -> Any:
        self.__exit__()  # it holds in calls of the function alone

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with set_multithreading_enabled(self.mode):
                return function(*args, **kwargs)

        return wrapper
