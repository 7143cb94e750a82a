"""script: compiles Python functions and modules from their source; load and save: archives of what is compiled."""

from __future__ import annotations

import os
import sys
import types
from typing import Any

from .. import _C
from .._ops import FunctionSchema
from ..futures import Future
from ..nn import Module
from . import _state
from ._async import fork, wait
from ._functions import Constants, ScriptFunction
from ._marks import (
    Attribute,
    Error,
    annotate,
    export,
    ignore,
    is_scripting,
    is_tracing,
    script_if_tracing,
    script_method,
    unused,
)
from ._modules import RecursiveScriptModule, ScriptMeta, ScriptMethod, ScriptModule, _method_of
from ._objects import RecursiveScriptClass
from ._recursive import _INTERNAL, _check_initialized, _methods_of, _script_module
from ._resolver import _compile_function, _resolve, _type_of

__all__ = [
    "Attribute",
    "Constants",
    "Error",
    "Future",
    "RecursiveScriptClass",
    "RecursiveScriptModule",
    "ScriptFunction",
    "ScriptMeta",
    "ScriptMethod",
    "ScriptModule",
    "annotate",
    "export",
    "fork",
    "ignore",
    "is_scripting",
    "is_tracing",
    "load",
    "save",
    "script",
    "script_if_tracing",
    "script_method",
    "unused",
    "wait",
]


def script(obj: Any, optimize=None, _frames_up: int = 0, _rcb=None, example_inputs=None, type_hint: Any = None) -> Any:
    """Compiles a function, or a module and everything it calls. A class is given back as it is: functions that are compiled can't
    make objects of it.

    Errors: RuntimeError with the source line and a caret under what TorchScript does not know.
    """
    if not _state._enabled.enabled or isinstance(obj, (ScriptModule, ScriptFunction)):
        return obj
    obj = _prepared(obj, {})
    if isinstance(obj, Module):
        compiled = _script_module(obj, {})
        compiled._method("forward")  # a module may have none, and be called by its exported methods
        for name in compiled._methods():
            if getattr(getattr(type(obj), name, None), "_torchscript_modifier", "") == "export":
                compiled._method(name)
        _C._make_ready(compiled)
        scripted = RecursiveScriptModule(compiled)
        _carry_over(obj, scripted, set())
        return scripted
    if isinstance(obj, _C._OverridableType):
        obj = obj.__wrapped__
    if getattr(obj, "__script_if_tracing_wrapper", False):
        obj = obj.__wrapped__
    if getattr(obj, "_torchscript_modifier", "") in ("ignore", "unused"):
        return obj
    if isinstance(obj, (dict, list)):
        from ._containers import ScriptDict, ScriptList

        return (ScriptDict if isinstance(obj, dict) else ScriptList)._of(obj, type_hint)
    if isinstance(obj, types.MethodType):
        raise RuntimeError(
            f"{obj} is a bound method and can't be scripted by itself; script the module, with torch.jit.export on the method"
        )
    if isinstance(obj, type):
        if issubclass(obj, Module):
            raise RuntimeError(
                f"Type '{obj}' cannot be compiled since it inherits from nn.Module, consider passing an instance instead"
            )
        from . import _classes

        around = sys._getframe(_frames_up + 1).f_locals
        kind = _classes.type_of(obj, wanted=True, around=around) if _classes.is_candidate(obj) else _type_of(obj)
        if kind is None:
            raise RuntimeError(f"jit.script: the class {obj.__name__} can't be one of a script")
        if not isinstance(kind, (str, tuple)):
            _C._compile_methods(kind)
        return obj
    if isinstance(obj, types.FunctionType):
        function = _compile_function(obj)
        if isinstance(function, _C.ScriptFunction):
            _C._make_ready(function)
        return ScriptFunction(function, obj)
    if isinstance(obj, type):
        return obj
    if isinstance(obj, type(_C._ops.neg)) and (operator := _as_function(obj)) is not None:
        return operator
    from . import _classes

    if _classes.is_candidate(type(obj)) and _classes.type_of(type(obj), wanted=True) is not None:
        return RecursiveScriptClass(_C._as_script_object(obj), type(obj))
    raise RuntimeError(f"jit.script: expected a function or a module, got {type(obj).__name__}")


def _as_function(operator: Any) -> Any:
    """A compiled function that calls an operator, with the parameters of its first overload; None where it has none."""
    name = _resolve(operator)
    described = _C._op_schema(name if "::" in name else f"aten::{name}")
    if described is None:
        return None
    parameters, given = [], []
    for argument in FunctionSchema(described).arguments:
        if argument.kwarg_only and "*" not in parameters:
            parameters.append("*")
        default = f" = {argument.default_value!r}" if argument.has_default_value() else ""
        parameters.append(f"{argument.name}: {argument.type}{default}")
        given.append(f"{argument.name}={argument.name}" if argument.kwarg_only else argument.name)
    short = name.rpartition("::")[2]
    text = f"def {short}({', '.join(parameters)}):\n    return operator({', '.join(given)})\n"
    return ScriptFunction(_C._compile(text, f"<{short}>", 1, {"operator": operator}, _resolve), operator)


def _prepared(obj: Any, known: dict[int, Any]) -> Any:
    """What an object gives to be scripted in its place, by ``__prepare_scriptable__``; a module's submodules too."""
    if id(obj) in known:
        return known[id(obj)]
    found = known[id(obj)] = obj.__prepare_scriptable__() if hasattr(obj, "__prepare_scriptable__") else obj
    if isinstance(found, Module) and not isinstance(found, ScriptModule):
        _check_initialized(found)
        for name, child in found._modules.items():
            if child is not None and (other := _prepared(child, known)) is not child:
                found._modules[name] = other
    return found


def _carry_over(module: Module, scripted: Any, seen: set[int]) -> None:
    """What stays Python's of a module is there on the scripted one too: methods that are ignored, and those that Module calls."""
    if id(scripted) in seen or not isinstance(scripted, RecursiveScriptModule):
        return
    seen.add(id(scripted))
    for name, fn in _methods_of(type(module)).items():
        if getattr(fn, "_torchscript_modifier", "") == "ignore":
            own = getattr(module.__dict__.get(name), "__func__", fn)  # the object's own stands before the class's
            scripted.__dict__.setdefault(name, types.MethodType(own, scripted))
        elif getattr(fn, "_torchscript_modifier", "") == "export" and hasattr(Module, name) and name != "forward":
            scripted.__dict__[name] = _method_of(
                scripted, name
            )  # before Module's own, which state_dict() and others call
    ignored = [fn for fn in _methods_of(type(module)).values() if getattr(fn, "_torchscript_modifier", "") == "ignore"]
    if ignored:  # which may read what scripts have no type for
        for name, value in module.__dict__.items():
            if name not in _INTERNAL and name not in scripted._kinds and not hasattr(scripted, name):
                scripted.__dict__[name] = value
    for name in getattr(type(module), "__jit_ignored_attributes__", ()):
        if not isinstance(getattr(type(module), name, None), property) and hasattr(module, name):
            scripted.__dict__.setdefault(name, getattr(module, name))
    properties = {
        name: value
        for base in reversed(type(module).__mro__[: type(module).__mro__.index(Module)])
        for name, value in vars(base).items()
        if isinstance(value, property) and name not in getattr(module, "__jit_unused_properties__", ())
    }
    if properties:
        scripted.__dict__["_properties"] = properties
    for name, child in module._modules.items():
        if child is not None and name in scripted._modules:
            _carry_over(child, scripted._modules[name], seen)


def load(f, map_location=None, _extra_files=None, _restore_shapes: bool = False) -> ScriptModule:
    """Reads an archive that save or torch.jit.save wrote. Nothing in it is executed by reading.

    Args:
        map_location: the device where its tensors go. Default: where each was when it was written.
    Errors: OSError for a path that can't be read, RuntimeError for a damaged file, NotImplementedError for one with tensors on a
    device that is not there; then map_location="cpu" loads it.
    """
    if map_location is not None and not isinstance(map_location, (str, _C.device)):
        raise ValueError(
            f"map_location should be either None, string or torch.device, but got type: {type(map_location)}"
        )
    from ..serialization import _usable

    place = None if map_location is None else _usable(map_location, named=True)
    extra = dict.fromkeys(_extra_files or (), "")
    module = RecursiveScriptModule(
        _C._load_script(os.fspath(f) if isinstance(f, (str, os.PathLike)) else f.read(), extra, place)
    )
    if _extra_files is not None:
        _extra_files.update(extra)
    return module


def save(m: ScriptModule, f, _extra_files=None) -> None:
    """Writes a compiled module as an archive."""
    m.save(f, _extra_files)
