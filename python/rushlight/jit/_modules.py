"""ScriptModule: a module whose methods are compiled, what script gives and load reads."""

from __future__ import annotations

import collections.abc
import copy
import functools
import io
import os
import sys
import textwrap
import types
import weakref
from typing import Any

from .. import _C
from ..nn import Module
from ..nn.parameter import Parameter
from ._functions import Constants, ScriptFunction
from ._marks import Attribute
from ._resolver import _resolve


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


def _compile_subclass(module: ScriptModule) -> None:
    """Makes an object of a subclass, which __init__ has filled, one of a compiled class."""
    from ._recursive import _INTERNAL, _methods_of, _script_module

    cls = type(module)
    definitions = module.__dict__.pop("_definitions", [])
    for name, value in vars(cls).items():
        if (
            isinstance(value, types.FunctionType)
            and name in ("forward",)
            and not hasattr(value, "_torchscript_modifier")
        ):
            value._torchscript_modifier = "script_method"  # type: ignore[attr-defined]
    compiled = _script_module(module, {}, shared=not definitions)
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
        for i, name in enumerate(before):  # one may come twice
            own["_forward_pre_hooks"][name, i] = lambda module, args, name=name: module._c._call(name, args)
        for i, name in enumerate(after):
            own["_forward_hooks"][name, i] = lambda module, args, out, name=name: module._c._call(name, args, out)

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

    def _reconstruct(self, compiled) -> None:
        """Becomes the module around another compiled object. What hangs on this one in Python stays."""
        RecursiveScriptModule.__init__(self, compiled)

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
        if isinstance(f, (str, os.PathLike)):
            f = os.fspath(f)
            if not os.path.isdir(os.path.dirname(f) or "."):
                raise RuntimeError(f"Parent directory {os.path.dirname(f)} does not exist.")
        self._c._save(f, dict(_extra_files or {}))

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


# The modules that Python has around script objects, by these.
_held: weakref.WeakValueDictionary[Any, Any] = weakref.WeakValueDictionary()
