"""Whether torch.jit.script and its like compile: the environment's PYTORCH_JIT=0 says no, and they give back what they get."""

from __future__ import annotations

import os


class EnabledProxy:
    """The switch."""

    def __init__(self) -> None:
        self.enabled = os.environ.get("PYTORCH_JIT", "1") not in ("0", "")


_enabled = EnabledProxy()


def disable() -> None:
    """From here on script, trace and their like give back what they get."""
    _enabled.enabled = False


def enable() -> None:
    """They compile again."""
    _enabled.enabled = True


def _clear_class_state() -> None:
    """Classes of Python are compiled again where a script next names them."""
    from . import _classes

    _classes._made.clear()
