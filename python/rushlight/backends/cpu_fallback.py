"""What operators do on a device whose library has no kernel for them: copy to the CPU, run there, copy back.

`enabled = False` makes that an error (NotImplementedError), as does the environment's RUSHLIGHT_CPU_FALLBACK=0.
"""

from __future__ import annotations

import sys
import types

from .. import _C


def counts() -> dict[str, int]:
    """How often each operator did so since the start, or since `reset()`."""
    return _C._cpu_fallback_counts()


def reset() -> None:
    """Counts start again from nothing."""
    _C._reset_cpu_fallback_counts()


class _Module(types.ModuleType):
    @property
    def enabled(self) -> bool:
        return _C._cpu_fallback_allowed()

    @enabled.setter
    def enabled(self, on: bool) -> None:
        _C._allow_cpu_fallback(on)


sys.modules[__name__].__class__ = _Module
