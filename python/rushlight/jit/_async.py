"""Calls that end later: fork and wait, and those that are made when their result is asked for."""

from __future__ import annotations

import functools
import typing
from typing import Any

from .. import _C
from ..futures import Future

_T = typing.TypeVar("_T")


def fork(func, *args: Any, **kwargs: Any) -> Future:
    """The future of func(*args, **kwargs), to be asked for with wait(). In Python the call is made at once; in a script, on another thread.

    >>> import rushlight as torch
    >>> torch.jit.wait(torch.jit.fork(torch.add, torch.ones(2), 1))
    tensor([2., 2.])
    """
    future: Future = Future()
    if _C._is_tracing():
        result, future._traced = _C._traced_fork(functools.partial(func, *args, **kwargs))  # type: ignore[attr-defined]
    else:
        result = func(*args, **kwargs)
    future.set_result(result)
    return future


def wait(future: Future) -> Any:
    """The result of what was forked."""
    if future is None:
        raise RuntimeError("torch.jit.wait: Future can't be None")
    return future.wait()


class _Await(typing.Generic[_T]):
    """What _awaitable gives: a call that is made when its result is first asked for."""

    def __init__(self, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> None:
        self._fn, self._args, self._kwargs = fn, args, kwargs or {}

    def wait(self) -> Any:
        """The result."""
        return self._result

    def fn(self) -> Any:
        """The function that is called."""
        return self._fn

    def args(self) -> tuple[Any, ...]:
        """What it is called with."""
        return self._args

    def is_nowait(self) -> bool:
        """Whether the result was there from the start."""
        return False

    @functools.cached_property
    def _result(self) -> Any:
        return self._fn(*self._args, **self._kwargs)

    def __getattr__(self, name: str) -> Any:
        if name == "_result" or (name.startswith("__") and name.endswith("__")):
            raise AttributeError(name)
        return getattr(self.wait(), name)


class _Ready(_Await):
    """A result that is there already."""

    def __init__(self, value: Any) -> None:
        super().__init__(None, (value,))
        self._result = value

    def is_nowait(self) -> bool:
        return True


def _awaitable(func, *args: Any, **kwargs: Any) -> _Await:
    """func(*args, **kwargs), called when it is waited for or an attribute of the result is asked for."""
    return _Await(func, args, kwargs)


def _awaitable_wait(aw: _Await) -> Any:
    """The result of what _awaitable gave."""
    return aw.wait()


def _awaitable_nowait(o: Any) -> _Await:
    """Something that is there already, as what _awaitable gives."""
    return _Ready(o)
