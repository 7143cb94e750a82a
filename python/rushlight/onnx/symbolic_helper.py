"""What exporters of a library's own operators are marked with."""

from __future__ import annotations

from collections.abc import Callable

from .. import _missing

__all__ = ["parse_args", "quantized_args"]


def parse_args(*arg_descriptors: str) -> Callable:
    """A decorator that says what an exporter's arguments are; nothing calls exporters yet."""

    def decorate(fn: Callable) -> Callable:
        fn._arg_descriptors = arg_descriptors  # type: ignore[attr-defined]
        return fn

    return decorate


def quantized_args(*arg_q_descriptors: bool, **_: object) -> Callable:
    """A decorator that says which of an exporter's arguments may be quantised; nothing calls exporters yet."""
    return lambda fn: fn


__getattr__ = _missing.getattr_of(__name__)
