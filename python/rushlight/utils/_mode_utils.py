"""What classes and modes with a __torch_dispatch__ use to call the operators below them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from .. import _C
from ._python_dispatch import _disable_current_modes

__all__ = ["all_same_mode", "no_dispatch"]


@contextlib.contextmanager
def no_dispatch() -> Iterator[None]:
    """Inside, neither modes nor classes see what is called."""
    with _disable_current_modes(), _C.DisableTorchFunction(), _C._DisableTorchDispatch():
        yield


def all_same_mode(modes: Any) -> bool:
    """Whether the modes are one and the same.

    >>> all_same_mode([1, 1]), all_same_mode([1, 2])
    (True, False)
    """
    return all(mode == modes[0] for mode in modes)
