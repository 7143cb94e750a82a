"""TorchScript: functions and modules compiled from their Python text, and archives that run without Python."""

import sys

from . import mobile
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
    script_method,
    unused,
    wait,
)

__all__ = [
    "Attribute", "Error", "Future", "fork", "script_if_tracing", "wait", "RecursiveScriptModule", "ScriptFunction", "ScriptModule", "annotate", "export", "ignore", "is_scripting", "is_tracing", "load",
    "save", "script", "script_method", "unused",
]  # fmt: skip


_NAMES = (
    "Final", "isinstance", "_overload", "_overload_method", "_script_if_tracing", "_unwrap_optional", "_drop",
    "_unique_state_dict", "fuser",
)  # fmt: skip

_RARE = (
    "optimized_execution",
    "_IgnoreContextManager",
    "strict_fusion",
    "set_fusion_strategy",
    "enable_onednn_fusion",
    "onednn_fusion_enabled",
    "export_opnames",
    "limits",
)


def __getattr__(name: str):
    if name in (
        "trace",
        "trace_module",
        "TracerWarning",
        "TracingCheckError",
        "TopLevelTracedModule",
        "_get_trace_graph",
    ):
        from . import _trace

        return getattr(_trace, name)
    if name in ("_Await", "_awaitable", "_awaitable_wait", "_awaitable_nowait"):
        from . import _async

        return getattr(_async, name)
    if name in ("annotations", "frontend"):
        import importlib

        return importlib.import_module(f".{name}", __name__)
    if name == "_hide_source_ranges":
        from ._graph import _hide_source_ranges

        return _hide_source_ranges
    if name == "_register_decomposition":
        from ._passes import register_decomposition

        return register_decomposition
    if name == "interface":
        from ._classes import interface

        return interface
    if name in ("freeze", "optimize_for_inference", "run_frozen_optimizations"):
        from . import _freeze

        return getattr(_freeze, name)
    if name in ("_fork", "_wait"):
        return {"_fork": fork, "_wait": wait}[name]
    if name == "ScriptMethod":
        from ._script import ScriptMethod

        return ScriptMethod
    if name == "CompilationUnit":
        from ._unit import CompilationUnit

        return CompilationUnit
    if name in _RARE or name in _NAMES:
        from . import _names

        return getattr(_names, name)
    from .._missing import getattr_of

    return getattr_of(__name__)(name)
