"""script: compiles Python functions and modules from their source; ScriptModule: what it gives and what load reads."""

from __future__ import annotations

import builtins
import collections
import collections.abc
import copy
import functools
import io
import os
import re
import sys
import textwrap
import types
import typing
import weakref
from typing import Any

from .. import _C
from ..futures import Future
from ..nn import Module
from ..nn.parameter import Parameter
from . import _state
from ._resolver import (
    _PLAIN,
    _Bound,
    _class_name,
    _compile_function,
    _is_constant,
    _is_open,
    _names,
    _resolve,
    _source,
    _type_of,
    overloads_of,
)
from ._types import ClassType


def is_scripting() -> bool:
    """False in Python; True where a compiled function asks."""
    return False


def is_tracing() -> bool:
    """True while a trace is being recorded."""
    return _C._is_tracing()


def annotate(the_type: Any, the_value: Any) -> Any:
    """the_value; to the compiler, of type the_type."""
    return the_value


def export(fn):
    """Marks a method to be compiled although forward does not call it."""
    fn._torchscript_modifier = "export"
    return fn


def ignore(drop: Any = False, **kwargs):
    """Marks a function that is not to be compiled: a script calls the Python function, and cannot be saved. With drop=True it is ``unused``.

    >>> import rushlight as torch
    >>> @torch.jit.ignore
    ... def told(x: torch.Tensor) -> int:
    ...     return len(str(x))
    """
    if callable(drop):
        drop._torchscript_modifier = "ignore"
        return drop
    return lambda fn: unused(fn) if drop or kwargs.get("drop_on_export") else ignore(fn)


def unused(fn):
    """Marks a function that is not to be compiled; a compiled call of it raises."""
    if isinstance(fn, property):
        for part in (fn.fget, fn.fset):
            if part is not None:
                part._torchscript_modifier = "unused"
        return fn
    fn._torchscript_modifier = "unused"
    return fn


_T = typing.TypeVar("_T")


def fork(func, *args: Any, **kwargs: Any) -> Future:
    """The future of func(*args, **kwargs), to be asked for with wait(). In Python the call is made at once; in a script, on another thread.

    >>> import rushlight as torch
    >>> torch.jit.wait(torch.jit.fork(torch.add, torch.ones(2), 1))
    tensor([2., 2.])
    """
    future: Future = Future()
    future.set_result(func(*args, **kwargs))
    return future


def wait(future: Future) -> Any:
    """The result of what was forked."""
    return future.wait()


class _Await(typing.Generic[_T]):
    """What _awaitable gives: a call that is made when its result is first asked for."""

    def __init__(self, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> None:
        self._fn, self._args, self._kwargs = fn, args, kwargs or {}

    def wait(self) -> Any:
        """The result."""
        return self._result

    def fn(self) -> Any:
        """The function that is called."""
        return self._fn

    def args(self) -> tuple[Any, ...]:
        """What it is called with."""
        return self._args

    def is_nowait(self) -> bool:
        """Whether the result was there from the start."""
        return False

    @functools.cached_property
    def _result(self) -> Any:
        return self._fn(*self._args, **self._kwargs)

    def __getattr__(self, name: str) -> Any:
        if name == "_result" or (name.startswith("__") and name.endswith("__")):
            raise AttributeError(name)
        return getattr(self.wait(), name)


class _Ready(_Await):
    """A result that is there already."""

    def __init__(self, value: Any) -> None:
        super().__init__(None, (value,))
        self._result = value

    def is_nowait(self) -> bool:
        return True


def _awaitable(func, *args: Any, **kwargs: Any) -> _Await:
    """func(*args, **kwargs), called when it is waited for or an attribute of the result is asked for."""
    return _Await(func, args, kwargs)


def _awaitable_wait(aw: _Await) -> Any:
    """The result of what _awaitable gave."""
    return aw.wait()


def _awaitable_nowait(o: Any) -> _Await:
    """Something that is there already, as what _awaitable gives."""
    return _Ready(o)


def script_if_tracing(fn):
    """Makes a trace that calls the function record what a script of it does; other calls are Python's."""

    @functools.wraps(fn)
    def called(*args: Any, **kwargs: Any) -> Any:
        return (script(fn) if is_tracing() else fn)(*args, **kwargs)

    called.__script_if_tracing_wrapper = True  # type: ignore[attr-defined]
    return called


Attribute = collections.namedtuple("Attribute", ["value", "type"])

Error = RuntimeError  # what a script raises


class Schema(str):
    """The text of a function's schema, and what it says of its name, arguments and results."""

    @property
    def name(self) -> str:
        return self.partition("(")[0].partition(".")[0]

    @functools.cached_property
    def _parsed(self) -> Any:
        from .._ops import parse_schema

        classes: list[str] = []  # whose types are the script's own

        def anything(found: re.Match) -> str:
            classes.append(found[0])
            return "Any"

        parsed = parse_schema(re.sub(r"__torch__[\w.]+", anything, self))
        for part in [*parsed.arguments, *parsed.returns]:
            if part.schema_type == "Any" and classes:
                part.type = part.real_type = part.schema_type = classes.pop(0)
        return parsed

    @property
    def arguments(self) -> list[Any]:
        return self._parsed.arguments

    @property
    def returns(self) -> list[Any]:
        return self._parsed.returns


class ScriptFunction:
    """A compiled function. Call it as the Python one."""

    def __init__(self, compiled, original=None) -> None:
        self._c = compiled
        self.__name__ = self.name = compiled.name
        self.__doc__ = getattr(original, "__doc__", None)
        self.__wrapped__ = original

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._c(*args, **kwargs)

    @property
    def graph(self) -> Any:
        """The function's own graph: who changes it changes the function, until its first call."""
        return self._c.graph

    def graph_for(self, *args: Any, **kwargs: Any) -> Any:
        """The graph that a call with these arguments runs: after all passes."""
        return self._c._optimized_graph

    @property
    def code(self) -> str:
        return self._c.code

    @property
    def code_with_constants(self) -> tuple[str, Any]:
        """The text, and what it calls CONSTANTS."""
        code, constants = self._c._code_parts()
        return code, Constants(constants)

    @property
    def inlined_graph(self) -> Any:
        return self._c.inlined_graph

    @property
    def schema(self) -> str:
        return Schema(self._c.schema)

    @property
    def qualified_name(self) -> str:
        return f"__torch__.{self.name}"

    def save(self, f, _extra_files: dict[str, Any] | None = None) -> None:
        """Writes an archive of a module whose forward is the function."""
        ScriptModule._wrap(self._c._module()).save(f, _extra_files)

    def save_to_buffer(self, _extra_files: dict[str, Any] | None = None) -> bytes:
        return ScriptModule._wrap(self._c._module()).save_to_buffer(_extra_files)


class Constants:
    """The tensors that a text names: ``.c0``, ``.c1``, ..."""

    def __init__(self, constants: list[Any]) -> None:
        self.const_mapping = {f"c{i}": value for i, value in enumerate(constants)}

    def __getattr__(self, name: str) -> Any:
        if name == "const_mapping" or name not in self.const_mapping:
            raise AttributeError(name)
        return self.const_mapping[name]


class _Tensors(collections.abc.MutableMapping):
    """A ScriptModule's _parameters or _buffers: the tensors are the compiled object's own, and nothing else holds them."""

    def __init__(self, compiled, kind: str) -> None:
        self._c = compiled
        self._names = {name: None for name, k in compiled._kinds().items() if k == kind}

    def __getitem__(self, name: str) -> Any:
        if name not in self._names:
            raise KeyError(name)
        return self._c._get(name)

    def __setitem__(self, name: str, value: Any) -> None:
        if name not in self._names:
            raise RuntimeError(f"Can't add a new parameter after ScriptModule construction. Tried to add '{name}'")
        self._c._set(name, value)

    def __delitem__(self, name: str) -> None:
        raise RuntimeError("cannot delete methods or parameters of a script module")

    def __iter__(self):
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def copy(self) -> dict[str, Any]:
        return dict(self)


class _Children(dict):
    """A ScriptModule's _modules: for each module in the compiled object one that Python holds."""

    def __init__(self, compiled, children: dict[str, Any]) -> None:
        super().__init__(children)
        self._c = compiled

    def __setitem__(self, name: str, value: Any) -> None:
        if not isinstance(value, ScriptModule):
            raise RuntimeError(
                "Cannot re-assign modules in a ScriptModule with non-scripted module, "
                f"tried to replace existing module '{name}': {value}"
            )
        self._c._set(name, value)
        super().__setitem__(name, value)

    def __delitem__(self, name: str) -> None:
        raise RuntimeError("cannot delete methods or parameters of a script module")

    def pop(self, name: str, *default: Any) -> Any:
        return self.__delitem__(name) if name in self else super().pop(name, *default)


def script_method(fn):
    """Marks a method of a ScriptModule's subclass, to be compiled once ``__init__`` has run."""
    fn._torchscript_modifier = "script_method"
    return fn


class ScriptMeta(type):
    """Compiles an object of a ScriptModule's subclass once its __init__ has run."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if issubclass(cls, RecursiveScriptModule):
            return super().__call__(*args, **kwargs)
        module = super().__call__(*args, **kwargs)
        if not isinstance(module, RecursiveScriptModule):
            _compile_subclass(module)
        return module


class ScriptModule(Module, metaclass=ScriptMeta):
    """A module whose methods are compiled. A subclass says which by ``script_method``, or by ``define`` in its ``__init__``.

    >>> import rushlight as torch
    >>> class Twice(torch.jit.ScriptModule):
    ...     @torch.jit.script_method
    ...     def forward(self, x):
    ...         return x + x
    >>> Twice()(torch.ones(2))
    tensor([2., 2.])
    """

    def define(self, src: str) -> None:
        """Adds methods from a text of TorchScript."""
        frame = sys._getframe(1)
        names = {**frame.f_globals, **frame.f_locals}
        source = (textwrap.dedent(src), "<string>", 1, names)
        if isinstance(self, RecursiveScriptModule):
            _C._define_methods(self._c, *source, _resolve)
        else:
            self.__dict__.setdefault("_definitions", []).append(source)

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Attribute):  # a value with its type
            cls = type(self)
            cls.__annotations__ = {**vars(cls).get("__annotations__", {}), name: value.type}
            value = value.value
        super().__setattr__(name, value)

    @staticmethod
    def _wrap(compiled) -> RecursiveScriptModule:
        return RecursiveScriptModule(compiled)


def _compile_subclass(module: ScriptModule) -> None:
    """Makes an object of a subclass, which __init__ has filled, one of a compiled class."""
    cls = type(module)
    definitions = module.__dict__.pop("_definitions", [])
    for name, value in vars(cls).items():
        if (
            isinstance(value, types.FunctionType)
            and name in ("forward",)
            and not hasattr(value, "_torchscript_modifier")
        ):
            value._torchscript_modifier = "script_method"  # type: ignore[attr-defined]
    compiled = _script_module(module, {})
    for source in definitions:
        _C._define_methods(compiled, *source, _resolve)
    for name, method in _methods_of(cls).items():  # the others are compiled where these call them
        if getattr(method, "_torchscript_modifier", "") in ("script_method", "export"):
            compiled._method(name)
    kept = {k: v for k, v in module.__dict__.items() if k not in _INTERNAL and k not in compiled._kinds()}
    fresh = type(
        cls.__name__, (RecursiveScriptModule, cls), {"__module__": cls.__module__, "__qualname__": cls.__qualname__}
    )
    for name, value in vars(cls).items():
        if getattr(value, "_torchscript_modifier", "") == "script_method":
            setattr(fresh, name, _Method(name, value.__doc__))
    module.__dict__.clear()
    object.__setattr__(module, "__class__", fresh)
    RecursiveScriptModule.__init__(module, compiled)
    module.__dict__.update(kept)


class ScriptMethod(functools.partial):
    """A method of a compiled module: called, or looked at as a ScriptFunction is."""

    @property
    def name(self) -> str:
        return self.args[0]

    __name__ = name

    @property
    def _function(self) -> ScriptFunction:
        return ScriptFunction(self.owner._c._method(self.name))

    def __getattr__(self, name: str) -> Any:
        if name in ("graph", "code", "schema", "inlined_graph", "code_with_constants", "graph_for", "qualified_name"):
            return getattr(self._function, name)
        raise AttributeError(f"'ScriptMethod' object has no attribute '{name}'")

    @property
    def __self__(self) -> Any:
        return self.owner


class _Method:
    """Gives an object of a compiled class one of its methods."""

    def __init__(self, name: str, doc: str | None = None) -> None:
        self.name, self.__doc__ = name, doc

    def __get__(self, module: Any, cls: Any = None) -> Any:
        return self if module is None else _method_of(module, self.name, self.__doc__)


def _method_of(module: Any, name: str, doc: str | None = None) -> ScriptMethod:
    method = ScriptMethod(module._c._call, name)
    method.__dict__.update(owner=module, __doc__=doc)
    return method


class RecursiveScriptModule(ScriptModule):
    """What script, trace and load give: parameters, buffers and submodules are those of the compiled object."""

    def __init__(self, compiled=None, _known: dict[Any, Any] | None = None) -> None:
        Module.__init__(self)
        if compiled is None:
            raise TypeError("RecursiveScriptModule: made by torch.jit.script, not by its class")
        known = {} if _known is None else _known  # what appears twice is one module, or one parameter, here too
        own = self.__dict__
        own["_c"] = compiled
        kinds = own["_kinds"] = compiled._kinds()
        if "training" in kinds:
            del own["training"]
        known[compiled._identity] = self
        _held[compiled._identity] = self
        children = {}
        for name, kind in kinds.items():
            if kind == "parameter":
                value = compiled._get(name)
                if value is not None and not isinstance(value, Parameter):
                    if ("tensor", id(value)) not in known:
                        known["tensor", id(value)] = _as_parameter(value), value  # kept, so that no other gets its id
                    compiled._set(name, known["tensor", id(value)][0])
            elif kind == "module":
                child = compiled._get(name)
                children[name] = known.get(child._identity) or RecursiveScriptModule(child, known)
        own["_parameters"] = _Tensors(compiled, "parameter")
        own["_buffers"] = _Tensors(compiled, "buffer")
        own["_modules"] = _Children(compiled, children)
        before, after = compiled._hooks()
        for name in before:
            own["_forward_pre_hooks"][name] = lambda module, args, name=name: module._c._call(name, args)
        for name in after:
            own["_forward_hooks"][name] = lambda module, args, out, name=name: module._c._call(name, args, out)

    forward = _Method("forward")  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        if name == "_c":
            raise AttributeError(name)
        kind = self._kinds.get(name)
        if kind == "module":
            return self._modules[name]
        if kind is not None:
            return self._c._get(name)
        if name in self.__dict__.get("_properties", ()):  # Python's, over what the compiled object holds
            return self._properties[name].fget(self)
        if name == "training":
            return True
        if name in self._c._methods():
            return _method_of(self, name)
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __setattr__(self, name: str, value: Any) -> None:
        kind = self.__dict__.get("_kinds", {}).get(name)
        if kind == "module":
            self._modules[name] = value
        elif kind == "constant":
            raise RuntimeError(f"Can't set constant '{name}' which has value:{self._c._get(name)}")
        elif kind is not None:
            self._c._set(name, value)
        elif name in self.__dict__.get("_properties", ()):
            self._properties[name].__set__(self, value)
        elif isinstance(value, Parameter) and "_kinds" in self.__dict__:
            self._parameters[name] = value
        elif isinstance(value, Module) and "_kinds" in self.__dict__:
            self._modules[name] = value
        else:
            object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        if name in self._kinds:
            raise RuntimeError("cannot delete methods or parameters of a script module")
        object.__delattr__(self, name)

    def _again(self, compiled) -> ScriptModule:
        """Around another object of the same class. What hangs on this one in Python is shared."""
        fresh = type(self)(compiled)
        for new, old in zip(fresh.modules(), self.modules(), strict=True):
            for name, value in old.__dict__.items():
                if name not in ("_c", "_kinds", "_parameters", "_buffers", "_modules"):
                    new.__dict__[name] = value
        return fresh

    def __copy__(self) -> ScriptModule:
        return self._again(copy.copy(self._c))

    def __deepcopy__(self, memo: dict[int, Any]) -> ScriptModule:
        fresh = memo[id(self)] = self._again(copy.deepcopy(self._c, memo))
        for module in fresh.modules():
            for name, value in module.__dict__.items():
                if name not in ("_c", "_kinds", "_parameters", "_buffers", "_modules"):
                    module.__dict__[name] = copy.deepcopy(value, memo)
        return fresh

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self._c.__reduce_ex__(protocol)

    def _numbered(self) -> list[Any]:
        names = list(self._modules)
        if names != [str(i) for i in range(len(names))] or any(
            k in ("parameter", "buffer") for k in self._kinds.values()
        ):
            raise NotImplementedError(f"'{self.original_name}' object is not iterable: it is no list of modules")
        return list(self._modules.values())

    def __len__(self) -> int:
        return self._c._call("__len__") if self._has("__len__") else len(self._numbered())

    def __iter__(self):
        return iter(self._numbered())

    def __getitem__(self, index: Any) -> Any:
        if self._has("__getitem__"):
            return self._c._call("__getitem__", index)
        return self._modules[index] if isinstance(index, str) else self._numbered()[index]

    def __contains__(self, name: Any) -> bool:
        return self._c._call("__contains__", name) if self._has("__contains__") else name in self._modules

    def _has(self, method: str) -> bool:
        return method in self._c._methods()

    def __bool__(self) -> bool:
        return True

    def _method(self, name: str):
        method = self._c._method(name)
        if method is None:
            raise AttributeError(f"the script module has no method '{name}'")
        return method

    @property
    def graph(self) -> Any:
        return self._method("forward").graph

    @property
    def inlined_graph(self) -> Any:
        """The graph with the calls of submodules' methods replaced by what they do."""
        return self._method("forward").inlined_graph

    def graph_for(self, *args: Any, **kwargs: Any) -> Any:
        """The graph that a call with these arguments runs: after all passes."""
        return self._method("forward")._optimized_graph

    @property
    def code(self) -> str:
        return self._method("forward").code

    @property
    def code_with_constants(self) -> tuple[str, Any]:
        """The text of forward, and what it calls CONSTANTS."""
        code, constants = self._method("forward")._code_parts()
        return code, Constants(constants)

    @property
    def original_name(self) -> str:
        return self._c._class_name.rpartition(".")[2]

    def save_to_buffer(self, _extra_files: dict[str, Any] | None = None) -> bytes:
        """The archive's bytes."""
        out = io.BytesIO()
        self._c._save(out, dict(_extra_files or {}))
        return out.getvalue()

    @property
    def qualified_name(self) -> str:
        return self._c._class_name

    def get_debug_state(self) -> Any:
        return None

    def save(self, f, _extra_files: dict[str, Any] | None = None) -> None:
        """Writes an archive that PyTorch's torch.jit.load and C++ programs read."""
        self._c._save(os.fspath(f) if isinstance(f, (str, os.PathLike)) else f, dict(_extra_files or {}))

    def _save_for_lite_interpreter(self, f, _extra_files: dict[str, Any] | None = None, **_: Any) -> None:
        """Writes an archive with bytecode that PyTorch's lite interpreter reads; torch.jit.load reads it too."""
        self._c._save(os.fspath(f) if isinstance(f, (str, os.PathLike)) else f, dict(_extra_files or {}), True)

    def _save_to_buffer_for_lite_interpreter(self, _extra_files: dict[str, Any] | None = None, **_: Any) -> bytes:
        """The bytes of such an archive."""
        out = io.BytesIO()
        self._c._save(out, dict(_extra_files or {}), True)
        return out.getvalue()

    def _get_name(self) -> str:
        return "RecursiveScriptModule"

    def extra_repr(self) -> str:
        return f"original_name={self.original_name}"


def _as_parameter(tensor):
    return Parameter(tensor.detach(), tensor.requires_grad)


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
            own = not base.__module__.startswith("rushlight") and (name in _SCRIPTED_MAGIC or wanted)
            magic = name.startswith("__") and not own
            if isinstance(value, types.FunctionType) and not magic and name not in found:
                found[name] = value
    return found


_SCRIPTED_MAGIC = ("__len__", "__contains__", "__getitem__")


def _script_module(module: Module, memo: dict[int, Any]) -> Any:
    if id(module) in memo:
        return memo[id(module)]
    if isinstance(module, RecursiveScriptModule):
        return module._c
    cls = type(module)
    slots: list[tuple[str, Any, str]] = []
    constants: dict[str, Any] = {}
    functions: dict[str, Any] = {}  # a module's activation, as F.relu: called by name, and compiled where it is
    hints = _hints(cls)
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
            slots.append((name, _script_module(child, memo), declared))
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
        elif value is None or isinstance(value, (str, tuple)):
            kind = _type_of(hints[name]) if name in hints else ""
            if kind and _C._has_type(value, kind) or kind == "" and _is_constant(value):
                slots.append((name, value, kind or ("str" if isinstance(value, str) else "")))
        elif isinstance(value, _PLAIN):
            slots.append((name, value, type(value).__name__))
        elif isinstance(value, _C.Tensor):
            slots.append((name, value, "Tensor"))
        elif isinstance(value, (list, dict)) and (value or name in hints):
            kind = _type_of(hints[name]) if name in hints else ""
            if kind is not None and _C._has_type(value, kind):
                slots.append((name, value, kind))
            else:
                constants["$hint " + name] = _failed(value)
        elif callable(value) and not isinstance(value, type) and not _is_object(value):
            functions[name] = ("", value)
        elif (kind := _type_of(hints[name]) if name in hints else _type_of(type(value))) is not None:
            if _C._has_type(value, kind):
                slots.append((name, value, kind))
        else:
            constants["$hint " + name] = _failed(value)
    for name in getattr(cls, "__jit_ignored_attributes__", ()):
        slots = [slot for slot in slots if slot[0] != name]
        constants.pop(name, None)
        constants["$hint " + name] = (
            "(This attribute exists on the Python module, but this attribute was ignored during compilation: "
            "__jit_ignored_attributes__ names it)"
        )
    for name, (role, fn) in _members(cls).items():
        if name not in taken and name not in constants:
            functions.setdefault(name, (role, fn))

    for name, fn in _methods_of(cls).items():
        if name not in functions and (count := len(overloads_of(fn))):
            constants["$overloads " + name] = count
    hooks = _hooks_of(module)
    for list_name, found in hooks.items():
        if found:
            constants[list_name] = tuple(fn.__name__ for fn in found)
            for fn in found:
                functions["$hook " + fn.__name__] = ("", fn)  # tells classes apart

    def describe() -> tuple[str, list[tuple]]:
        methods: list[tuple] = []
        for name, fn in _methods_of(cls).items():
            if name in functions:
                continue
            try:
                source, file, line = _source(fn)
            except OSError:
                continue
            signatures = overloads_of(fn)
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

    for name, modifier in ignored.items():
        own = getattr(module.__dict__.get(name), "__func__", None)  # the object's own stands before the class's
        if own is None:
            functions[name] = ("method", _ignored_method(getattr(cls, name), modifier))
        else:
            functions[name] = ("", _Bound(functools.partial(own, module), own, modifier))

    container = next((kind for classes, kind in _containers() if isinstance(module, classes)), "")
    # Modules of one Python class whose attributes have equal types and whose constants are equal share a script class.
    compiled = _C._make_object(describe, slots, constants, _resolve, _classes.setdefault(cls, {}), functions, container)
    memo[id(module)] = compiled
    for name in {fn.__name__ for found in hooks.values() for fn in found}:
        compiled._method(name)
    return compiled


def _ignored_method(fn: Any, modifier: str) -> _Bound:
    """A method that stays Python's: its `self` is the scripted module, whose attributes it may change."""

    def call(compiled: Any, *args: Any) -> Any:
        return fn(_held.get(compiled._identity) or RecursiveScriptModule(compiled), *args)

    return _Bound(call, fn, modifier, takes_object=True)


# The modules that Python has around script objects, by these.
_held: weakref.WeakValueDictionary[Any, Any] = weakref.WeakValueDictionary()


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


@functools.cache
def _members(cls: type) -> dict[str, tuple[str, Any]]:
    """What of a class is lowered where it is used: methods that leave types open, properties and static methods."""
    found = {
        name: ("method", fn)
        for name, fn in _methods_of(cls).items()
        if name != "forward" and _is_open(fn) and getattr(fn, "_torchscript_modifier", "") not in ("ignore", "unused")
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


_classes: weakref.WeakKeyDictionary[type, dict[str, Any]] = weakref.WeakKeyDictionary()

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

        kind = _type_of(obj)
        if kind is None:
            kind = _classes.type_of(obj, wanted=True)
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
    from . import _classes

    if _classes.is_candidate(type(obj)) and _classes.type_of(type(obj), wanted=True) is not None:
        return RecursiveScriptClass(_C._as_script_object(obj))
    raise RuntimeError(f"jit.script: expected a function or a module, got {type(obj).__name__}")


def _prepared(obj: Any, known: dict[int, Any]) -> Any:
    """What an object gives to be scripted in its place, by ``__prepare_scriptable__``; a module's submodules too."""
    if id(obj) in known:
        return known[id(obj)]
    found = known[id(obj)] = obj.__prepare_scriptable__() if hasattr(obj, "__prepare_scriptable__") else obj
    if isinstance(found, Module) and not isinstance(found, ScriptModule):
        for name, child in found._modules.items():
            if child is not None and (other := _prepared(child, known)) is not child:
                found._modules[name] = other
    return found


def _carry_over(module: Module, scripted: Any, seen: set[int]) -> None:
    """What stays Python's of a module is there on the scripted one too: methods that are ignored."""
    if id(scripted) in seen or not isinstance(scripted, RecursiveScriptModule):
        return
    seen.add(id(scripted))
    for name, fn in _methods_of(type(module)).items():
        if getattr(fn, "_torchscript_modifier", "") == "ignore":
            own = getattr(module.__dict__.get(name), "__func__", fn)  # the object's own stands before the class's
            scripted.__dict__.setdefault(name, types.MethodType(own, scripted))
    ignored = [fn for fn in _methods_of(type(module)).values() if getattr(fn, "_torchscript_modifier", "") == "ignore"]
    if ignored:  # which may read what scripts have no type for
        for name, value in module.__dict__.items():
            if name not in _INTERNAL and name not in scripted._kinds and not hasattr(scripted, name):
                scripted.__dict__[name] = value
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

    Errors: OSError for a path that can't be read, RuntimeError for a damaged file.
    """
    extra = dict.fromkeys(_extra_files or (), "")
    module = RecursiveScriptModule(
        _C._load_script(os.fspath(f) if isinstance(f, (str, os.PathLike)) else f.read(), extra)
    )
    if _extra_files is not None:
        _extra_files.update(extra)
    if map_location is not None and _C.device(map_location).type != "cpu":
        module.to(map_location)
    return module


def save(m: ScriptModule, f, _extra_files=None) -> None:
    """Writes a compiled module as an archive."""
    m.save(f, _extra_files)


def _member_of_object(compiled: Any, name: str) -> Any:
    """An attribute or method of a script object, by its name."""
    if not name.startswith("__"):
        if name in compiled._kinds():
            return compiled._get(name)
        if name in compiled._methods():
            method = ScriptMethod(compiled._call, name)
            method.__dict__.update(owner=types.SimpleNamespace(_c=compiled))
            return method
    raise AttributeError(f"'{compiled._class_name}' object has no attribute '{name}'")


class RecursiveScriptClass:
    """An object of a class of scripts, as torch.jit.script gives it: scripts that get it change the very object.

    >>> import rushlight as torch
    >>> @torch.jit.script
    ... class Counter:
    ...     def __init__(self, n: int):
    ...         self.n = n
    ...     def add(self, k: int) -> None:
    ...         self.n += k
    >>> counter = torch.jit.script(Counter(1))
    >>> counter.add(2)
    >>> counter.n
    3
    """

    def __init__(self, compiled: Any) -> None:
        object.__setattr__(self, "_c", compiled)

    def __getattr__(self, name: str) -> Any:
        return _member_of_object(self._c, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self._c._kinds():
            raise AttributeError(f"'{self._c._class_name}' object has no attribute '{name}'")
        self._c._set(name, value)


def _magic(name: str) -> Any:
    def called(self: RecursiveScriptClass, *args: Any) -> Any:
        if name not in self._c._methods():
            raise TypeError(f"'{self._c._class_name}' object has no method {name}")
        return self._c._call(name, *args)

    return called


for _name in (
    "add radd iadd sub mul truediv floordiv mod pow and or xor lshift rshift matmul neg abs lt le gt ge len contains getitem setitem "
    "delitem int float str bool call"
).split():
    if _name not in ("str", "bool"):
        setattr(RecursiveScriptClass, f"__{_name}__", _magic(f"__{_name}__"))


def _name_methods_of_objects() -> None:
    """PyTorch's names on what a ScriptModule holds, its ``_c``."""
    cls = _C.ScriptObject
    cls._get_method, cls._method_names = cls._method, cls._methods
    cls._has_method = lambda self, name: name in self._methods()
    cls._type = lambda self: ClassType(self._class_name)  # equal for objects that share a class
    cls.getattr, cls.setattr = cls._get, cls._set
    cls.hasattr = lambda self, name: name in self._kinds()
    cls.qualified_name = property(lambda self: self._class_name)
    cls.__getattr__ = _member_of_object
    cls.name = property(lambda self: self._class_name.rpartition(".")[2])


_name_methods_of_objects()
