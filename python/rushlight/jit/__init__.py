"""TorchScript: functions and modules compiled from their Python text, and archives that run without Python."""

from ._script import (
    RecursiveScriptModule,
    ScriptFunction,
    ScriptModule,
    annotate,
    export,
    ignore,
    is_scripting,
    is_tracing,
    load,
    save,
    script,
    unused,
)

__all__ = [
    "RecursiveScriptModule", "ScriptFunction", "ScriptModule", "annotate", "export", "ignore", "is_scripting", "is_tracing", "load",
    "save", "script", "unused",
]  # fmt: skip


def __getattr__(name: str):
    if name in ("trace", "trace_module", "TracerWarning", "TopLevelTracedModule"):
        from . import _trace

        return getattr(_trace, name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
