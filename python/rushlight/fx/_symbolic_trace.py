"""Records what a module or function does by calling it with proxies."""

from __future__ import annotations

import builtins
import contextlib
import copy
import functools
import inspect
import math
import warnings
from collections import OrderedDict
from types import FunctionType
from typing import Any

import rushlight as rl
from rushlight._ops import OpOverload, OpOverloadPacket
from rushlight.nn import Module, Parameter, Sequential

from ..utils import _pytree as pytree
from ._codegen import _PyTreeCodeGen, _PyTreeInfo
from ._pytree import children_of
from .graph import Graph
from .graph_module import GraphModule
from .node import Argument, Node, base_types, map_aggregate
from .proxy import ParameterProxy, Proxy, Scope, ScopeContextManager, TracerBase

__all__ = ["PH", "PHBase", "PHWithMeta", "ProxyableClassMeta", "Tracer", "is_fx_tracing", "symbolic_trace", "wrap"]

_VARARGS, _VARKEYWORDS = inspect.CO_VARARGS, inspect.CO_VARKEYWORDS
_depth = 0  # of traces that run
# Which method finds parameters: the native module has them found at once.
_READ = "__getattr__" if Module.__getattribute__ is object.__getattribute__ else "__getattribute__"
_wrapped_fns_to_patch: dict[tuple[int, str], dict] = {}
_wrapped_methods_to_patch: list[tuple[type, str]] = []
_proxyable_classes: dict[type, None] = {}


def is_fx_tracing() -> bool:
    """Whether a symbolic trace runs."""
    return _depth > 0


is_fx_symbolic_tracing = is_fx_tracing


class ProxyableClassMeta(type):
    """Of classes whose instances, when made from proxies during a trace, become nodes.

    >>> class Pair(metaclass=ProxyableClassMeta):
    ...     def __init__(self, left, right):
    ...         self.left, self.right = left, right
    >>> symbolic_trace(lambda x, y: Pair(x, y).left + 1)(1, 2)
    2
    """

    def __init__(cls, name, bases, attrs):
        _proxyable_classes.setdefault(cls)
        super().__init__(name, bases, attrs)

    def __call__(cls, *args, **kwargs):
        found = _find_proxy(args, kwargs) if is_fx_tracing() else None
        if found is not None:
            return found.tracer.create_proxy("call_function", cls, args, kwargs)
        return super().__call__(*args, **kwargs)


def _patch_function(fn: FunctionType, nargs: int) -> FunctionType:
    """The function with all of its parameters positional, *args and **kwargs too, so that those can be proxies."""
    code = fn.__code__
    code = code.replace(
        co_flags=code.co_flags & ~(_VARARGS | _VARKEYWORDS),
        co_argcount=nargs,
        co_posonlyargcount=0,
        co_kwonlyargcount=0,
    )
    return FunctionType(code, fn.__globals__, fn.__name__, fn.__defaults__, fn.__closure__)


class PHBase:
    """In concrete_args: this part of the argument stays an input."""

    def __repr__(self):
        return "PH"


PH = PHBase()


class PHWithMeta(PHBase):
    """A PH with a mark that the input's node gets as `ph_key`, as all attributes of a PH."""

    def __init__(self, ph_key: str | None = None):
        self.ph_key = ph_key


class Tracer(TracerBase):
    """Traces modules and functions. Subclasses say which modules are leaves, or change what is recorded.

    Args:
        autowrap_modules: modules whose functions become nodes when they are called with proxies; default: math.
        autowrap_functions: further such functions. param_shapes_constant: shapes of parameters are values, not nodes.
    """

    def __init__(self, autowrap_modules=(math,), autowrap_functions=(), param_shapes_constant: bool = False):
        super().__init__()
        self._autowrap_function_ids: set[int] = {
            id(v) for m in autowrap_modules for n, v in m.__dict__.items() if not n.startswith("_") and callable(v)
        }
        self._autowrap_function_ids.update(map(id, autowrap_functions))
        self._autowrap_search = list(autowrap_modules)
        self.param_shapes_constant = param_shapes_constant
        self.submodule_paths: dict[Module, str] | None = None
        self.root_module_name = ""
        self.scope = Scope("", None)
        self.module_stack = OrderedDict()
        self.num_calls: dict[str, int] = {}
        self.node_name_to_scope = {}

    def __deepcopy__(self, memo):
        made = Tracer.__new__(type(self))
        for k, v in self.__dict__.items():
            made.__dict__[k] = copy.copy(v) if k == "_autowrap_search" else copy.deepcopy(v, memo)
        return made

    def get_fresh_qualname(self, prefix: str) -> str:
        """An attribute of the root that is free: prefix0, prefix1, ..."""
        i = 0
        while hasattr(self.root, f"{prefix}{i}"):
            i += 1
        return f"{prefix}{i}"

    def create_arg(self, a: Any) -> Argument:
        """As TracerBase.create_arg; parameters, tensors and modules become attributes of the root."""
        if isinstance(a, Parameter):
            name = next((n for n, p in self.root.named_parameters() if a is p), None)
            if name is not None:
                return self.create_node("get_attr", name, (), {})
            return self._constant(a, "_param_constant")
        if isinstance(a, rl.Tensor):
            name = next((n for n, b in self.root.named_buffers() if a is b), None)
            return self._constant(a, "_tensor_constant") if name is None else self.create_node("get_attr", name, (), {})
        if isinstance(a, Module):
            name = next((n for n, m in self.root.named_modules() if a is m), None)
            if name is not None:
                return self.create_node("get_attr", name, (), {})
        if type(a) in _proxyable_classes:
            name = next((n for n, v in self.root.__dict__.items() if v is a), None)
            if name is None:
                name = self.get_fresh_qualname(f"_{type(a).__name__}_constant_")
                setattr(self.root, name, a)
            return self.create_node("get_attr", name, (), {})
        if isinstance(a, tuple) and hasattr(a, "_fields"):
            return self.create_node("call_function", type(a), tuple(self.create_arg(x) for x in a), {})
        if isinstance(a, torch_function_types) and not isinstance(a, base_types):
            return a
        return super().create_arg(a)

    def _constant(self, a, prefix: str) -> Node:
        name = self.tensor_attrs.get(a)
        if name is None:
            name = self.get_fresh_qualname(prefix)
            if isinstance(a, Parameter):
                self.root.register_parameter(name, a)
            else:
                setattr(self.root, name, a)
            self.tensor_attrs[a] = name
        return self.create_node("get_attr", name, (), {})

    def is_leaf_module(self, m: Module, module_qualified_name: str) -> bool:
        """Whether a module's call is a node, not what it does. Default: those of torch.nn but for Sequential are."""
        own = m.__module__.startswith(("rushlight.nn", "torch.nn", "rushlight.ao.nn", "torch.ao.nn"))
        return own and not isinstance(m, Sequential)

    def path_of_module(self, mod: Module) -> str:
        """Where in the root a module is. NameError if it is not."""
        if self.submodule_paths:
            path = self.submodule_paths.get(mod)
            if path is None:
                raise NameError("module is not installed as a submodule")
            return path
        for name, m in self.root.named_modules():
            if m is mod:
                return name
        raise NameError("module is not installed as a submodule")

    def call_module(self, m: Module, forward, args, kwargs) -> Any:
        """Called for each call of a module during a trace: makes a node of it, or traces through `forward`."""
        path = self.path_of_module(m)
        with ScopeContextManager(self.scope, Scope(path, type(m))) as scope:
            count = self.num_calls.get(path, 0)
            self.num_calls[path] = count + 1
            key = f"{scope.module_path}@{count}" if count else scope.module_path
            self.module_stack[key] = (path, scope.module_type)
            try:
                if type(m).__name__ in ("ScriptModule", "RecursiveScriptModule"):
                    return self.create_proxy(
                        "call_method", "forward", (m, *args), kwargs
                    )  # compiled: it can't be traced
                if self.is_leaf_module(m, path):
                    return self.create_proxy("call_module", path, args, kwargs)
                return forward(*args, **kwargs)
            finally:
                self.module_stack.pop(key, None)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        """Called for each attribute read of a module during a trace: parameters become nodes."""
        kinds: list[tuple[type, Any]] = [(Parameter, self.root.named_parameters)]
        if self.proxy_buffer_attributes:
            kinds.append((rl.Tensor, self.root.named_buffers))
        for cls, named in kinds:
            if not isinstance(attr_val, cls):
                continue
            for n, p in named():
                if attr_val is p:
                    if n not in parameter_proxy_cache:
                        shaped = self.param_shapes_constant and isinstance(p, Parameter)
                        factory = (lambda node, n=n, p=p: ParameterProxy(self, node, n, p)) if shaped else None
                        parameter_proxy_cache[n] = self.create_proxy("get_attr", n, (), {}, proxy_factory_fn=factory)
                    return parameter_proxy_cache[n]
        return attr_val

    _module_getattr = getattr

    def create_args_for_root(self, root_fn, is_module: bool, concrete_args=None):
        """The function to call and the proxies to call it with."""
        analysed = inspect.unwrap(root_fn)
        code = analysed.__code__
        total = code.co_argcount + code.co_kwonlyargcount
        orig_args = list(code.co_varnames)
        names = iter(code.co_varnames)
        args: list[Any] = []
        skip = 0
        if is_module:
            if total == 0:
                raise RuntimeError("``self`` argument cannot be part of *args expansion!")
            skip = 1
            next(names)
            args.append(self.root)
        signature = inspect.signature(analysed)
        if isinstance(concrete_args, tuple):
            if (
                code.co_flags & _VARARGS and len(concrete_args) > total - skip
            ):  # values for *args, which stays a placeholder
                concrete_args = concrete_args[: total - skip]
            if len(concrete_args) != total - skip:
                raise RuntimeError(
                    f"Tracing expected {total - skip} arguments but got {len(concrete_args)} concrete arguments"
                )
            concrete_args = dict(zip(orig_args[skip:total], concrete_args, strict=True))

        def placeholder(name: str):
            return self._proxy_placeholder(name, concrete_args, signature, analysed)

        args.extend(placeholder(next(names)) for _ in range(skip, total))
        if code.co_kwonlyargcount or code.co_flags & (_VARARGS | _VARKEYWORDS):
            if code.co_flags & _VARARGS:
                args.append(placeholder("*" + next(names)))
            if code.co_flags & _VARKEYWORDS:
                args.append(placeholder("**" + next(names)))
            root_fn = _patch_function(root_fn, len(args))
        leaves, spec = pytree.tree_flatten(tuple(args))
        if all(child.is_leaf() for child in children_of(spec)):
            return root_fn, args
        codegen = _PyTreeCodeGen(_PyTreeInfo(orig_args[:total], spec, None))
        self.graph.set_codegen(codegen)
        # Its own module is no input.
        if is_module:
            codegen.pytree_info = codegen.pytree_info._replace(
                orig_args=orig_args[1:total], in_spec=pytree.tree_structure(tuple(args[1:]))
            )

        def flattened(*flat):
            result = root_fn(*pytree.tree_unflatten(list(flat), spec))
            out, out_spec = pytree.tree_flatten(result)
            codegen.pytree_info = codegen.pytree_info._replace(out_spec=out_spec)
            return out

        return flattened, leaves

    def _proxy_placeholder(self, name: str, concrete_args, signature, analysed):
        if concrete_args is not None and name in concrete_args:
            count = 0

            def replace(x):
                nonlocal count
                count += 1
                out = self.create_proxy("placeholder", f"{name}_{count}", self._default(name, signature), {})
                if isinstance(x, PHBase):
                    for key, value in x.__dict__.items():
                        if not hasattr(out.node, key):  # what a tracer noted stays
                            setattr(out.node, key, value)
                    return out
                message = f"{name} has been specialized to have value {x} but got another value"
                if isinstance(x, (bool, int, float, str)):
                    rl._assert(out == x, message)
                elif x is None:
                    self.create_proxy("call_function", _assert_is_none, (out, message), {})
                else:
                    warnings.warn(
                        f"Was not able to add assertion to guarantee correct input {name} to specialized function. It is up "
                        "to the user to make sure that your inputs match the inputs you specialized the function with.",
                        stacklevel=2,
                    )
                return x

            return pytree.tree_map(replace, concrete_args[name])
        annotation = _annotations(analysed).get(name)
        default = () if name.startswith("*") else self._default(name, signature)
        return self.create_proxy("placeholder", name, default, {}, type_expr=annotation)

    def _default(self, name: str, signature) -> tuple:
        parameter = signature.parameters.get(name)
        return () if parameter is None or parameter.default is inspect.Parameter.empty else (parameter.default,)

    def trace(self, root, concrete_args: dict[str, Any] | None = None) -> Graph:
        """The graph of what `root`, a module or function, does with its arguments.

        concrete_args: arguments that are values, not inputs; in lists and dicts PH marks inputs.
        """
        global _depth
        is_module = isinstance(root, Module)
        if is_module:
            if not hasattr(type(root), self.traced_func_name):
                raise AssertionError(f"traced_func_name={self.traced_func_name} doesn't exist in {type(root).__name__}")
            fn = getattr(type(root), self.traced_func_name)
            self.root_module_name = root._get_name()
            self.submodule_paths = {mod: name for name, mod in root.named_modules()}
            self.root = root
        else:
            self.root, fn = Module(), root
            while not isinstance(fn, FunctionType) and hasattr(fn, "__wrapped__"):
                fn = fn.__wrapped__  # one of torch's own
        self.graph = Graph(tracer_cls=type(self))
        self.tensor_attrs = _tensor_attributes(self.root)
        if hasattr(fn, "__code__"):
            self.graph._co_fields = {
                "co_name": fn.__code__.co_name, "co_filename": fn.__code__.co_filename, "co_firstlineno": fn.__code__.co_firstlineno,
            }  # fmt: skip
        if not isinstance(fn, FunctionType):
            raise AssertionError(f"Tracer.trace: expected a module or a function, got {type(root).__name__}")
        cache: dict[str, Any] = {}
        orig_call, orig_read = Module.__call__, getattr(Module, _READ)

        def read(mod, attr):
            value = orig_read(mod, attr)
            # As in PyTorch: members only, not plain attributes.
            if isinstance(value, (rl.Tensor, Module)) and attr not in orig_read(mod, "__dict__"):
                return self.getattr(attr, value, cache)
            return value

        @functools.wraps(orig_call)
        def called(mod, *args, **kwargs):
            def forward(*args, **kwargs):
                return orig_call(mod, *args, **kwargs)

            _autowrap_check(
                patcher, getattr(getattr(mod, "forward", mod), "__globals__", {}), self._autowrap_function_ids
            )
            return self.call_module(mod, forward, args, kwargs)

        fn_globals = fn.__globals__
        fn, args = self.create_args_for_root(fn, is_module, concrete_args)
        _depth += 1
        try:
            with _Patcher() as patcher:
                patcher.method(Module, _READ, read)
                patcher.method(Module, "__call__", called)
                _patch_wrapped_functions(patcher)
                _autowrap_check(patcher, fn_globals, self._autowrap_function_ids)
                for module in self._autowrap_search:
                    _autowrap_check(patcher, module.__dict__, self._autowrap_function_ids)
                self.create_node(
                    "output", "output", (self.create_arg(fn(*args)),), {}, type_expr=_annotations(fn).get("return")
                )
        finally:
            _depth -= 1
            self.submodule_paths = None
        return self.graph


torch_function_types = (OpOverload, OpOverloadPacket)


def _annotations(fn) -> dict[str, Any]:
    """The types of a function's parameters; without those that are strings and name nothing."""
    found = getattr(fn, "__annotations__", {})
    if any(isinstance(t, str) for t in found.values()):
        try:
            found = inspect.get_annotations(fn, eval_str=True)
        except Exception:
            found = {n: t for n, t in found.items() if not isinstance(t, str)}
    return found


def _tensor_attributes(root: Module) -> dict:
    """Tensors that are plain attributes of modules, by where they are."""
    found: dict[Any, str] = {}
    for path, module in root.named_modules():
        for name, value in module.__dict__.items():
            if isinstance(value, rl.Tensor):
                found[value] = f"{path}.{name}" if path else name
    return found


def _assert_is_none(value: Any, msg: str) -> None:
    assert value is None, msg


def _find_proxy(*objects) -> Proxy | None:
    found = None

    def look(x):
        nonlocal found
        if isinstance(x, Proxy):
            found = x

    map_aggregate(objects, look)
    return found


def _create_wrapped_func(orig):
    @functools.wraps(orig)
    def wrapped(*args, **kwargs):
        proxy = _find_proxy(args, kwargs)
        if proxy is None:
            return orig(*args, **kwargs)
        made = proxy.tracer.create_proxy("call_function", orig, args, kwargs)
        made.node.meta["is_wrapped"] = True
        return made

    wrapped.__dict__["__fx_already_patched"] = True
    return wrapped


def _create_wrapped_method(cls, name):
    orig = getattr(cls, name)

    @functools.wraps(orig)
    def wrapped(*args, **kwargs):
        proxy = _find_proxy(args, kwargs)
        return orig(*args, **kwargs) if proxy is None else proxy.tracer.create_proxy("call_method", name, args, kwargs)

    return wrapped


class _Patcher:
    """Exchanges globals and methods, and puts them back at the end."""

    def __init__(self):
        self._undo: list[Any] = []
        self._visited: set[int] = set()

    def globals(self, frame: dict, name: str, new) -> None:
        orig, had = frame.get(name), name in frame
        frame[name] = new
        self._undo.append(lambda: frame.__setitem__(name, orig) if had else frame.__delitem__(name))

    def method(self, cls: type, name: str, new) -> None:
        had = name in cls.__dict__
        orig = cls.__dict__.get(name)
        setattr(cls, name, new)
        self._undo.append(lambda: setattr(cls, name, orig) if had else delattr(cls, name))

    def visit_once(self, thing: Any) -> bool:
        if id(thing) in self._visited:
            return False
        self._visited.add(id(thing))
        return True

    def __enter__(self):
        _patchers.append(self)
        return self

    def __exit__(self, *_):
        _patchers.remove(self)
        while self._undo:
            self._undo.pop()()
        self._visited.clear()
        for cls in _with_subclasses(Module) if hasattr(Module, "_refresh") else ():
            cls._refresh()


def _with_subclasses(cls: type) -> set[type]:
    found, waiting = set(), [cls]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting.extend(one.__subclasses__())
    return found


_patchers: list[_Patcher] = []


@contextlib.contextmanager
def _new_patcher():
    with _Patcher() as patcher:
        yield patcher


def _patch_wrapped_functions(patcher: _Patcher) -> None:
    for (_, name), frame in list(_wrapped_fns_to_patch.items()):
        orig = frame[name] if name in frame else getattr(builtins, name, None)
        if orig is not None and not getattr(orig, "__dict__", {}).get("__fx_already_patched"):
            patcher.globals(frame, name, _create_wrapped_func(orig))
    for cls, name in _wrapped_methods_to_patch:
        patcher.method(cls, name, _create_wrapped_method(cls, name))


def _autowrap_check(patcher: _Patcher, frame: dict, ids: set[int]) -> None:
    """Wraps those of the functions that a module's globals name."""
    if patcher.visit_once(frame):
        for name, value in list(frame.items()):
            if not name.startswith("_") and callable(value) and id(value) in ids:
                patcher.globals(frame, name, _create_wrapped_func(value))


def wrap(fn_or_name):
    """Has calls of a global function with proxies become nodes. Called at the top level of its module, or as a decorator there.

    Args: the function, or its name (`wrap("len")`).
    """
    if not callable(fn_or_name) and not isinstance(fn_or_name, str):
        raise RuntimeError("Unsupported type for global function! Must be either a callable or string name")
    frame = inspect.currentframe().f_back
    if frame.f_code.co_name != "<module>":
        raise NotImplementedError("wrap must be called at the top level of a module")
    name = fn_or_name if isinstance(fn_or_name, str) else fn_or_name.__name__
    _wrapped_fns_to_patch[id(frame.f_globals), name] = frame.f_globals
    return fn_or_name


def symbolic_trace(root, concrete_args: dict[str, Any] | None = None) -> GraphModule:
    """A GraphModule that does what `root`, a module or function, does; see Tracer.trace.

    TraceError where control flow depends on values.
    >>> print(symbolic_trace(lambda x: x.relu() + 1).graph)
    graph():
        %x : [num_users=1] = placeholder[target=x]
        %relu : [num_users=1] = call_method[target=relu](args = (%x,), kwargs = {})
        %add : [num_users=1] = call_function[target=operator.add](args = (%relu, 1), kwargs = {})
        return add
    """
    tracer = Tracer()
    graph = tracer.trace(root, concrete_args)
    name = type(root).__name__ if isinstance(root, Module) else root.__name__
    return GraphModule(tracer.root, graph, name)
