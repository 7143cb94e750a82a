"""TorchScript: functions and modules compiled from their Python text, and archives that run without Python."""

from ._script import (
    Attribute,
    Error,
    Future,
    RecursiveScriptModule,
    ScriptFunction,
    ScriptModule,
    annotate,
    export,
    fork,
    ignore,
    is_scripting,
    is_tracing,
    load,
    save,
    script,
    script_if_tracing,
    unused,
    wait,
)

__all__ = [
    "Attribute", "Error", "Future", "fork", "script_if_tracing", "wait", "RecursiveScriptModule", "ScriptFunction", "ScriptModule", "annotate", "export", "ignore", "is_scripting", "is_tracing", "load",
    "save", "script", "unused",
]  # fmt: skip


def __getattr__(name: str):
    if name in ("trace", "trace_module", "TracerWarning", "TopLevelTracedModule"):
        from . import _trace

        return getattr(_trace, name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
