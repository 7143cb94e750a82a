"""A Python module as the compiler takes it: its attributes, constants, methods, hooks and containers."""

from __future__ import annotations

import builtins
import enum
import functools
import sys
import types
import typing
import weakref
from typing import Any

from .. import _C
from ..nn import Module
from ._functions import Schema, ScriptFunction
from ._marks import Attribute
from ._modules import RecursiveScriptModule, _held
from ._resolver import (
    _PLAIN,
    _Bound,
    _class_name,
    _hints_of_function,
    _is_constant,
    _is_open,
    _names,
    _resolve,
    _source,
    _type_of,
    overloads_of,
)
from ._types import NoneType, OptionalType, TupleType


def _methods_of(cls: type) -> dict[str, Any]:
    """The Python methods a module's class adds to Module."""
    found: dict[str, Any] = {}
    for base in cls.__mro__:
        if base is Module:
            break
        for name, value in vars(base).items():
            wanted = getattr(value, "_torchscript_modifier", "") in (
                "export",
                "script_method",
            )  # as __getstate__ may be
            own = not base.__module__.startswith(("rushlight", "torch")) and (name in _SCRIPTED_MAGIC or wanted)
            magic = name.startswith("__") and not own
            if isinstance(value, types.FunctionType) and not magic and name not in found:
                found[name] = value
    return found


_SCRIPTED_MAGIC = ("__len__", "__contains__", "__getitem__")


def _check_initialized(module: Module) -> None:
    if "_modules" not in module.__dict__:
        raise RuntimeError(
            f"'{type(module).__qualname__}' has not been initialized, did you forget to call 'super().__init__()'?"
        )


def create_script_module(
    nn_module: Module, stubs_fn: Any, share_types: bool = True, is_tracing: bool = False
) -> RecursiveScriptModule:
    """What torch.jit.script makes of a module; with ``share_types=False`` its class, and those of what it holds, are of its own.

    ``stubs_fn`` and ``is_tracing`` are PyTorch's; the methods are those that torch.jit.script compiles.
    """
    return RecursiveScriptModule(_script_module(nn_module, {}, apart=not share_types))


def infer_methods_to_compile(nn_module: Module) -> list[str]:
    """The names of the methods that torch.jit.script compiles: forward, and those marked with torch.jit.export."""
    found = _methods_of(type(nn_module)).items()
    names = [n for n, fn in found if n == "forward" or getattr(fn, "_torchscript_modifier", "") == "export"]
    return sorted(names, key="forward".__ne__)


def _script_module(module: Module, memo: dict[int, Any], shared: bool = True, apart: bool = False) -> Any:
    """The script object. ``shared``: others may have its class; it gets no methods of its own. ``apart``: none of the classes is shared."""
    if id(module) in memo:
        return memo[id(module)]
    if isinstance(module, RecursiveScriptModule):
        return module._c
    cls = type(module)
    slots: list[tuple[str, Any, str]] = []
    constants: dict[str, Any] = {}
    functions: dict[str, Any] = {}  # a module's activation, as F.relu: called by name, and compiled where it is
    hints = _hints(cls)
    _check_initialized(module)
    slots.append(("training", module.training, "bool"))
    ignored = {
        name: modifier
        for name, fn in _methods_of(cls).items()
        if (modifier := getattr(fn, "_torchscript_modifier", "")) in ("ignore", "unused")
    }
    for name, value in module._parameters.items():
        slots.append((name, value, "parameter")) if value is not None else constants.__setitem__(name, None)
    for name, value in module._buffers.items():
        slots.append((name, value, "buffer")) if value is not None else constants.__setitem__(name, None)
    for name, child in module._modules.items():
        if child is None:
            constants[name] = None
        else:
            declared = _type_of(hints[name]) if _is_interface(hints.get(name)) else "module"
            slots.append((name, _script_module(child, memo, apart=apart), declared))
    taken = {name for name, _, _ in slots}
    declared = {*getattr(cls, "__constants__", ()), *(name for name, hint in hints.items() if _is_final(hint))}
    for name, value in {**_class_attributes(cls), **vars(module)}.items():
        if name in taken or name.startswith("_parameters") or name in _INTERNAL:
            continue
        if isinstance(value, Attribute):
            slots.append((name, value.value, _type_of(value.type) or ""))
        elif name in declared or (value is None and name not in hints):
            if _is_constant(value):
                constants[name] = value
            elif name in declared and not _left_out(value):
                raise TypeError(_invalid_constant(value, f"{cls.__name__}.{name}"))
        elif value is None or isinstance(value, (str, tuple)):
            kind = _type_of(hints[name]) if name in hints else ""
            if _C._has_type(value, kind) if kind or isinstance(value, tuple) else kind == "" and _is_constant(value):
                slots.append((name, value, kind or ("str" if isinstance(value, str) else "")))
        elif isinstance(value, _PLAIN):
            kind = _type_of(hints[name]) if name in hints else None
            slots.append((name, value, kind if kind and _C._has_type(value, kind) else type(value).__name__))
        elif isinstance(value, _C.Tensor):
            slots.append((name, value, "Tensor"))
        elif isinstance(value, (list, dict)) and (value or name in hints):
            kind = _type_of(hints[name]) if name in hints else ""
            if kind is not None and _C._has_type(value, kind):
                slots.append((name, value, kind))
            else:
                constants["$hint " + name] = _failed(value)
        elif isinstance(value, _C.ScriptObject):
            slots.append((name, value, _type_of(hints[name]) or "" if name in hints else ""))
        elif callable(value) and not isinstance(value, (type, _C.device)) and not _is_object(value):
            functions[name] = ("", value)
        elif (kind := _type_of(hints[name]) if name in hints else _type_of(type(value))) is not None:
            if _C._has_type(value, kind):
                slots.append((name, value, kind))
            else:
                constants["$hint " + name] = _misfit(value, kind)
        else:
            constants["$hint " + name] = _failed(value)
    for name in getattr(cls, "__jit_ignored_attributes__", ()):
        slots = [slot for slot in slots if slot[0] != name]
        constants.pop(name, None)
        constants["$hint " + name] = (
            "(This attribute exists on the Python module, but this attribute was ignored during compilation: "
            "__jit_ignored_attributes__ names it)"
        )
    replaced = {}  # methods that the object has of its own: self.forward = types.MethodType(other, self)
    for name, value in vars(module).items():
        if isinstance(value, types.MethodType) and value.__self__ is module and name in functions:
            del functions[name]
            replaced[name] = functions["$own " + name] = ("", value.__func__)  # tells classes apart
    for name, (role, fn) in _members(cls).items():
        if name not in taken and name not in constants:
            functions.setdefault(name, (role, fn))

    for name, fn in _methods_of(cls).items():
        if name not in functions and (count := len(overloads_of(fn, "method"))):
            constants["$overloads " + name] = count
    hooks = _hooks_of(module)
    for list_name, found in hooks.items():
        if found:
            constants[list_name] = tuple(fn.__name__ for fn in found)
            for fn in found:
                functions["$hook " + fn.__name__] = ("", fn)  # tells classes apart

    def describe() -> tuple[str, list[tuple]]:
        methods: list[tuple] = []
        own = {name: fn for name, (_, fn) in replaced.items()}
        for name, fn in {**_methods_of(cls), **own}.items():
            if name in functions:
                continue
            try:
                source, file, line = _source(fn)
            except OSError:
                if name == "forward":
                    raise
                continue
            signatures = overloads_of(fn, "method")
            for i, signature in enumerate(signatures):
                names = {**_names(fn), **_names(signature), "$defaults": _names(fn)["$defaults"]}
                methods.append((f"{name}__{i}", source, file, line, names, *_source(signature)))
                if i == 0:  # what Python calls
                    methods.append((name, *methods[-1][1:]))
            if not signatures:
                methods.append((name, source, file, line, _names(fn)))
        for fn in {id(fn): fn for found in hooks.values() for fn in found}.values():
            methods.append((fn.__name__, *_source(fn), _names(fn)))
        return _class_name(cls), methods

    if "__setstate__" in _methods_of(cls) and "__getstate__" not in _methods_of(cls):
        raise RuntimeError(
            f"'{cls.__name__}' exports __setstate__ and no __getstate__: an archive holds what __getstate__ gives, for __setstate__ to take"
        )
    for name, modifier in ignored.items():
        own = getattr(module.__dict__.get(name), "__func__", None)  # the object's own stands before the class's
        if own is None:
            functions[name] = ("method", _ignored_method(getattr(cls, name), modifier))
        else:
            functions[name] = ("", _Bound(functools.partial(own, module), own, modifier))

    container = next((kind for classes, kind in _containers() if isinstance(module, classes)), "")
    # Modules of one Python class whose attributes have equal types and whose constants are equal share a script class.
    known = concrete_type_store.type_store.setdefault(cls, {}) if shared and not apart else None
    compiled = _C._make_object(describe, slots, constants, _resolve, known, functions, container)
    memo[id(module)] = compiled
    for name in {fn.__name__ for found in hooks.values() for fn in found}:
        compiled._method(name)
    if any(hooks.values()):
        _check_hooks(compiled, cls, hooks)
    return compiled


def _check_hooks(compiled: Any, cls: type, hooks: dict[str, list[Any]]) -> None:
    """Raises RuntimeError for a hook that does not take what forward does and gives, or gives what does not fit there."""
    forward = compiled._method("forward")
    if forward is None:
        return
    forward = Schema(forward.schema)
    taken, given = [a.type for a in forward.arguments[1:]], forward.returns[0].type
    for list_name, found in hooks.items():
        pre = list_name == "$pre_hooks"
        kind, count = ("Pre-hook", 2) if pre else ("Hook", 3)
        for fn in found:
            what = f"{kind} '{fn.__name__}' on module '{cls.__name__}'"
            schema = Schema(compiled._method(fn.__name__).schema)
            wanted = f"it should be: (self, input: {TupleType(taken)}{'' if pre else f', output: {given}'})"
            if len(schema.arguments) != count:
                raise RuntimeError(
                    f"{what} was expected to only have exactly {count} inputs but it had {len(schema.arguments)} inputs; {wanted}"
                )
            items = schema.arguments[1].type
            if not isinstance(items, TupleType):
                raise RuntimeError(
                    f"{what} expected the input argument to be typed as a Tuple but found type: '{items}' instead.\n{wanted}"
                )
            if len(items.elements()) != len(taken):
                raise RuntimeError(
                    f"{what} has the wrong number of contained types for the input argument's Tuple. Received type: '{items}'. {wanted}"
                )
            if any(not a.isSubtypeOf(b) for a, b in zip(taken, items.elements(), strict=True)):
                raise RuntimeError(
                    f"{what} has the wrong inner types for the input tuple argument. Received type: '{items}'. {wanted}"
                )
            result = schema.returns[0].type
            if pre:
                if len(taken) == 1 and isinstance(taken[0], TupleType) and _fits(result, taken[0]):
                    raise RuntimeError(
                        f"{what} returned the wrong type of: '{result}'. When forward has a single tuple input argument, the return needs "
                        f"to be 'None' or a nested tuple containing forward's input tuple argument as in: '{TupleType(taken)}'"
                    )
                fits = [TupleType(taken), *(taken if len(taken) == 1 else [])]
                if not isinstance(result, NoneType) and not any(_fits(result, t) for t in fits):
                    if "return" not in _hints_of_function(fn):
                        raise RuntimeError(
                            f"{what} is missing a return annotation. Return annotations are required, please add one. It gives "
                            f"'{result}', and should give {' or '.join(map(str, fits))}, or None"
                        )
                    raise RuntimeError(
                        f"{what} returned the wrong type of: '{result}'. It should give {' or '.join(map(str, fits))}, or None"
                    )
            elif not given.isSubtypeOf(schema.arguments[2].type):
                raise RuntimeError(
                    f"{what} has the wrong type for the output argument. Received type: '{schema.arguments[2].type}'. "
                    f"Expected type: '{given}'. {wanted}"
                )
            else:
                given = result if not isinstance(result, NoneType) else given  # what the next one gets


def _fits(result: Any, wanted: Any) -> bool:
    """Whether a hook's result may stand for the wanted one; of an Optional, where it is not None."""
    return (result.getElementType() if isinstance(result, OptionalType) else result).isSubtypeOf(wanted)


def _ignored_method(fn: Any, modifier: str) -> _Bound:
    """A method that stays Python's: its `self` is the scripted module, whose attributes it may change."""

    def call(compiled: Any, *args: Any) -> Any:
        return fn(_held.get(compiled._identity) or RecursiveScriptModule(compiled), *args)

    return _Bound(call, fn, modifier, takes_object=True)


def _left_out(value: Any) -> bool:
    """Whether PyTorch takes a value for a constant and a script here has no type for it: layouts and their like."""
    return isinstance(value, (complex, enum.Enum)) or type(value).__module__.startswith(("rushlight", "torch"))


def _invalid_constant(value: Any, name: str) -> str:
    while isinstance(value, (tuple, list)) and (bad := [item for item in value if not _is_constant(item)]):
        value = bad[0]  # the one that is none
    kind = type(value)
    owner = "" if kind.__module__ in ("builtins", "__main__") else kind.__module__ + "."
    return (
        f"'{owner}{kind.__qualname__}' object in attribute '{name}' is not a valid constant.\nValid constants are: numbers, "
        "booleans, strings, None, dtypes, devices, and tuples or lists of them"
    )


def _failed(value: Any) -> str:
    """Why a script has an attribute not, for the error of a use."""
    reason = f"'{type(value).__qualname__}' is no type of TorchScript"
    if isinstance(value, list) and any(isinstance(item, Module) for item in value):
        reason = "Could not infer type of list element: Cannot infer concrete type of torch.nn.Module: use nn.ModuleList for modules"
    elif isinstance(value, (list, dict)):
        reason = "its items are of several types, or of none that TorchScript knows"
    return (
        f"(This attribute exists on the Python module, but we failed to convert Python type: '{type(value).__qualname__}' to a "
        f"TorchScript type. {reason}. Its type was inferred; try adding a type annotation for the attribute.)"
    )


def _misfit(value: Any, kind: Any) -> str:
    """Why a value is not of the script type that its class has."""
    if not isinstance(kind, (str, tuple)):
        for name, wanted in _C._slots_of(kind):
            if not hasattr(value, name):
                return f"(This attribute exists on the Python module, but its object is missing attribute {name} of its class)"
            if not _C._has_type(getattr(value, name), wanted[1]):
                return (
                    f"(This attribute exists on the Python module, but: Could not cast attribute '{name}' to type {wanted[0]}; it holds a "
                    f"{type(getattr(value, name)).__name__}. Annotate what __init__ gives to it.)"
                )
    return f"(This attribute exists on the Python module, but its value, a {type(value).__qualname__}, is not of the type that it is annotated with)"


@functools.cache
def _members(cls: type) -> dict[str, tuple[str, Any]]:
    """What of a class is lowered where it is used: methods that leave types open, properties and static methods."""
    found = {
        name: ("method", fn)
        for name, fn in _methods_of(cls).items()
        if name != "forward"
        and _is_open(fn)
        and getattr(fn, "_torchscript_modifier", "") not in ("ignore", "unused", "export")
    }
    for base in cls.__mro__[: cls.__mro__.index(Module)]:
        for name, value in vars(base).items():
            if isinstance(value, property) and value.fget is not None:
                if value.fset is not None:
                    found.setdefault("$set " + name, ("method", value.fset))
                found.setdefault(name, ("property", value.fget))
            elif isinstance(value, staticmethod):
                found.setdefault(name, ("static", value.__func__))
    return found


def _hooks_of(module: Module) -> dict[str, list[Any]]:
    """The hooks that a script of a module runs: functions, each of a name of its own."""
    found = {"$pre_hooks": list(module._forward_pre_hooks.values()), "$hooks": list(module._forward_hooks.values())}
    for hook in (*found["$pre_hooks"], *found["$hooks"]):
        if not isinstance(hook, types.FunctionType):
            raise RuntimeError(
                f"Could not compile the forward hook {hook!r} of {type(module).__name__}: only functions can be compiled; remove it "
                "before scripting (remove_weight_norm() and its like do)"
            )
    named: dict[str, Any] = {}
    for fn in (*found["$pre_hooks"], *found["$hooks"]):
        taken = named.setdefault(fn.__name__, fn)
        if taken is not fn or hasattr(type(module), fn.__name__):
            if taken is not fn:
                raise RuntimeError(
                    f"{'Pre-hook' if fn in found['$pre_hooks'] else 'Hook'} '{fn.__name__}' on {type(module).__name__} has at least two "
                    "different python definitions. Please use unique names for all hooks."
                )
            raise RuntimeError(
                f"Can't define hook: {fn.__name__} on class: {type(module).__name__} because a method or hook with that name already exists."
            )
    return found


def _is_interface(hint: Any) -> bool:
    return isinstance(hint, type) and getattr(hint, "__torch_script_interface__", None) is not None


def _is_object(value: Any) -> bool:
    """Whether a value that can be called is an object of a program's own class, and no function."""
    from . import _classes

    return (
        not isinstance(value, (ScriptFunction, _Bound))
        and _classes.is_candidate(type(value))
        and not hasattr(value, "__wrapped__")
    )


def _containers():
    nn = sys.modules["rushlight"].nn
    yield (nn.Sequential, nn.ModuleList), "modules"
    yield nn.ModuleDict, "named modules"
    yield nn.ParameterList, "parameters"
    yield nn.ParameterDict, "named parameters"


def _hints(cls: type) -> dict[str, Any]:
    """Annotations of attributes, of a class and its bases; those that name nothing that is known are left out."""
    found: dict[str, Any] = {}
    for base in cls.__mro__:
        if base is Module:
            break
        scope = vars(sys.modules.get(base.__module__, builtins))
        for name, hint in vars(base).get("__annotations__", {}).items():
            if name in found:
                continue
            if isinstance(hint, str):
                try:
                    hint = eval(
                        hint, dict(vars(typing)) | dict(scope)
                    )  # the program's own text, as typing.get_type_hints does it
                except Exception:
                    continue
            found[name] = hint
    return found


def _is_final(hint: Any) -> bool:
    return hint is typing.Final or typing.get_origin(hint) is typing.Final


class ConcreteTypeStore:
    """The script classes of each Python class; a new one in `concrete_type_store` forgets them."""

    def __init__(self) -> None:
        self.type_store: weakref.WeakKeyDictionary[type, dict[str, Any]] = weakref.WeakKeyDictionary()


concrete_type_store = ConcreteTypeStore()

_INTERNAL = frozenset(
    "_parameters _buffers _modules _non_persistent_buffers_set _backward_hooks _backward_pre_hooks _is_full_backward_hook _forward_hooks "
    "_forward_pre_hooks _state_dict_hooks _state_dict_pre_hooks _load_state_dict_pre_hooks _load_state_dict_post_hooks "
    "_forward_hooks_with_kwargs _forward_hooks_always_called _forward_pre_hooks_with_kwargs training".split()
)


def _class_attributes(cls: type) -> dict[str, Any]:
    found: dict[str, Any] = {}
    seen: set[str] = set()  # what a subclass replaces, by a property for one
    for base in cls.__mro__:
        if base is Module:
            break
        for name, value in vars(base).items():
            if not name.startswith("__") and isinstance(value, (*_PLAIN, tuple)) and name not in seen:
                found[name] = value
        seen.update(vars(base))
    return found


def wrap_cpp_module(cpp_module: Any) -> RecursiveScriptModule:
    """The ScriptModule around what another holds as its ``_c``, as torch._C's functions give it."""
    return _held.get(cpp_module._identity) or RecursiveScriptModule(cpp_module)
