"""Contexts that decorate functions too."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

__all__ = ["context_decorator"]


def context_decorator(ctx: Any, func: Callable) -> Callable:
    """The function, each call of which runs inside a context: `ctx`, or what it gives when called. A generator is inside while it runs."""
    if not callable(ctx) and not hasattr(ctx, "__enter__"):
        raise TypeError(f"expected a context or a function that makes one, got {type(ctx).__name__}")
    make = ctx if callable(ctx) and not hasattr(ctx, "__enter__") else lambda: ctx
    if inspect.isclass(func):
        raise RuntimeError(
            f"Cannot decorate classes; it is ambiguous whether only the constructor or all methods should have it: {func}"
        )
    if inspect.isgeneratorfunction(func):

        @functools.wraps(func)
        def steps(*args: Any, **kwargs: Any) -> Any:
            inner = func(*args, **kwargs)
            sent, failed = None, None
            while True:
                with make():
                    try:
                        value = inner.throw(failed) if failed is not None else inner.send(sent)
                    except StopIteration as end:
                        return end.value
                failed = None
                try:
                    sent = yield value
                except GeneratorExit:
                    with make():
                        inner.close()
                    raise
                except BaseException as error:
                    failed, sent = error, None

        return steps

    @functools.wraps(func)
    def inside(*args: Any, **kwargs: Any) -> Any:
        with make():
            return func(*args, **kwargs)

    return inside


class _DecoratorContextManager:
    """Base of contexts that decorate functions: each call enters a clone()."""

    def __call__(self, orig_func: Callable) -> Callable:
        return context_decorator(self.clone, orig_func)

    def __enter__(self) -> Any:
        raise NotImplementedError

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> Any:
        raise NotImplementedError

    def clone(self) -> Any:
        """Another one like this."""
        return type(self)()


class _NoParamDecoratorContextManager(_DecoratorContextManager):
    """The same for contexts without parameters, whose class decorates too."""

    def __new__(cls, orig_func: Callable | None = None) -> Any:
        return super().__new__(cls) if orig_func is None else cls()(orig_func)
