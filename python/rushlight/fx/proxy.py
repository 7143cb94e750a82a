"""Proxies: what stands for values while a graph is recorded. What is done with one becomes a node."""

from __future__ import annotations

import copy
import dataclasses
import dis
import enum
import inspect
import operator
import sys
import traceback
from collections import OrderedDict
from pathlib import Path
from typing import Any

import rushlight as rl
from rushlight._ops import OpOverload, OpOverloadPacket

from ._codegen import magic_methods, reflectable_magic_methods
from .node import Argument, Node, Target, base_types, map_aggregate

__all__ = [
    "Attribute", "GraphAppendingTracer", "ParameterProxy", "Proxy", "Scope", "ScopeContextManager", "TraceError", "TracerBase", "assert_fn",
]  # fmt: skip

_own_files = tuple(
    str(Path(__file__).parent / name) for name in ("proxy.py", "_symbolic_trace.py", "interpreter.py", "graph.py")
)


class TraceError(ValueError):
    """What the program does with a proxy needs its value, which is not known."""


class Scope:
    """The module that is being traced: its path and class."""

    def __init__(self, module_path: str, module_type: Any):
        self.module_path, self.module_type = module_path, module_type


class ScopeContextManager:
    """Enters a module's scope, and comes back to the one before."""

    def __init__(self, scope: Scope, current_scope: Scope):
        self._before = copy.copy(scope)
        scope.module_path, scope.module_type = current_scope.module_path, current_scope.module_type
        self._scope = scope

    def __enter__(self):
        return self._scope

    def __exit__(self, *_):
        self._scope.module_path, self._scope.module_type = self._before.module_path, self._before.module_type


class TracerBase:
    """Makes nodes of what is done with proxies."""

    graph: Any
    record_stack_traces = False
    check_mutable_operations = False  # whether calls that write to their arguments raise
    trace_asserts = False  # whether `assert proxy` becomes a node
    proxy_buffer_attributes = False
    traced_func_name = "forward"
    scope: Scope
    module_stack: OrderedDict[str, tuple[str, Any]]
    node_name_to_scope: dict[str, tuple[str, type]]

    def create_node(self, kind: str, target: Target, args, kwargs, name=None, type_expr=None) -> Node:
        """Puts a node into the graph; subclasses may say no, or note things in it."""
        if kind == "call_function" and self.check_mutable_operations:
            from .operator_schemas import check_for_mutable_operation

            check_for_mutable_operation(target, args, kwargs)
        node = self.graph.create_node(kind, target, args, kwargs, name, type_expr)
        if hasattr(self, "scope"):
            self.node_name_to_scope[node.name] = (self.scope.module_path, self.scope.module_type)
        if self.module_stack_of():
            node.meta["nn_module_stack"] = copy.copy(self.module_stack)
        if self.record_stack_traces:
            frames = [f for f in traceback.extract_stack() if f.filename not in _own_files]
            node.stack_trace = "".join(traceback.StackSummary.from_list(frames).format()).strip()
        return node

    def module_stack_of(self):
        """The modules that are being traced, outermost first."""
        return getattr(self, "module_stack", None)

    def proxy(self, node: Node) -> Proxy:
        """What stands for a node."""
        return Proxy(node, self)

    def create_proxy(self, kind, target, args, kwargs, name=None, type_expr=None, proxy_factory_fn=None):
        """A node of arguments that may hold proxies and tensors, and what stands for it."""
        args_, kwargs_ = self.create_arg(args), self.create_arg(kwargs)
        node = self.create_node(kind, target, args_, kwargs_, name, type_expr)
        return proxy_factory_fn(node) if proxy_factory_fn else self.proxy(node)

    def create_arg(self, a: Any) -> Argument:
        """What a node holds for an argument of a traced call. NotImplementedError for values that a graph can't hold."""
        if isinstance(a, Proxy):
            return a.node
        if hasattr(a, "__fx_create_arg__"):
            return a.__fx_create_arg__(self)
        if isinstance(a, tuple):
            items = [self.create_arg(x) for x in a]
            return type(a)(*items) if hasattr(a, "_fields") else type(a)(items)
        if isinstance(a, list):
            return [self.create_arg(x) for x in a]
        if isinstance(a, dict):
            return {self._key(k): self.create_arg(v) for k, v in a.items()}
        if isinstance(a, slice):
            return slice(self.create_arg(a.start), self.create_arg(a.stop), self.create_arg(a.step))
        if isinstance(a, range):
            return range(self.create_arg(a.start), self.create_arg(a.stop), self.create_arg(a.step))
        if isinstance(a, (OpOverload, OpOverloadPacket)):
            return a
        if dataclasses.is_dataclass(a) and not isinstance(a, type):
            fields = {f.name: self.create_arg(getattr(a, f.name)) for f in dataclasses.fields(a)}
            return self.create_node("call_function", type(a), (), fields)
        if isinstance(a, (*base_types, enum.Enum)) or a is None or a is ...:
            return a
        raise NotImplementedError(f"argument of type: {type(a)}")

    def _key(self, key: Any) -> Any:
        made = self.create_arg(key)

        def refuse(x):
            if isinstance(x, Node):
                raise RuntimeError(f"Keys for dictionaries used as an argument cannot contain a Node. Got key: {key}")
            return x

        return map_aggregate(made, refuse)

    def to_bool(self, obj: Proxy) -> bool:
        """Called where control flow depends on a proxy: subclasses may answer."""
        raise TraceError("symbolically traced variables cannot be used as inputs to control flow")

    def iter(self, obj: Proxy):
        """Called where a proxy is iterated over: subclasses may answer."""
        raise TraceError(
            "Proxy object cannot be iterated. This can be attempted when the Proxy is used in a loop or as a *args or "
            "**kwargs function argument. See the torch.fx docs on pytorch.org for a more detailed explanation of what "
            "types of control flow can be traced, and check out the Proxy docstring for help troubleshooting Proxy "
            "iteration errors"
        )

    def keys(self, obj: Proxy) -> Any:
        """Called for `**proxy`: subclasses may answer."""
        return Attribute(obj, "keys")()


class GraphAppendingTracer(TracerBase):
    """Puts nodes into a given graph: what proxies without a tracer of their own have."""

    def __init__(self, graph):
        super().__init__()
        self.graph = graph
        self.scope = Scope("", None)
        self.module_stack = OrderedDict()
        self.node_name_to_scope = {}


def assert_fn(x: Any) -> None:
    """What `assert proxy` becomes where a tracer records asserts."""
    assert x


def _instructions(frame):
    """The instructions of a frame's code, and the place of the one that runs."""
    found = list(dis.get_instructions(frame.f_code))
    at = next(i for i, inst in enumerate(found) if inst.offset == frame.f_lasti)
    return found, at


class Proxy:
    """Stands for the value of a node. Operators, methods, attributes and torch functions of proxies become nodes.

    >>> import rushlight as torch
    >>> x = Proxy(torch.fx.Graph().placeholder("x"))
    >>> torch.relu(x) + 1
    Proxy(add)
    """

    def __init__(self, node: Node, tracer: TracerBase | None = None):
        self.tracer = GraphAppendingTracer(node.graph) if tracer is None else tracer
        self.node = node

    def __repr__(self) -> str:
        return f"Proxy({self.node.name})"

    def __getattr__(self, k: str) -> Attribute:
        if k in ("node", "tracer"):  # of an object that is being made
            raise AttributeError(k)
        return Attribute(self, k)

    def __getstate__(self):
        return self.__dict__

    def __setstate__(self, state):
        self.__dict__.update(state)

    def __deepcopy__(self, memo):
        made = object.__new__(type(self))
        memo[id(self)] = made
        made.__dict__.update({k: copy.deepcopy(v, memo) for k, v in self.__dict__.items()})
        return made

    def __call__(self, *args, **kwargs):
        return self.tracer.create_proxy("call_method", "__call__", (self, *args), kwargs)

    def __iter__(self):
        frame = sys._getframe(1)
        found, at = _instructions(frame)
        if found[at].opname == "UNPACK_SEQUENCE":  # a, b = proxy
            return (self[i] for i in range(found[at].argval))
        return self.tracer.iter(self)

    def __abs__(self):
        return self.tracer.create_proxy("call_function", operator.abs, (self,), {})

    def __bool__(self) -> bool:
        if self.tracer.trace_asserts:
            found, at = _instructions(sys._getframe(1))
            if "IF_TRUE" in found[at].opname and found[at + 1].opname == "LOAD_ASSERTION_ERROR":
                self.tracer.create_proxy("call_function", assert_fn, (self,), {})
                return True
        return self.tracer.to_bool(self)

    def keys(self):
        return self.tracer.keys(self)

    def __len__(self):
        raise RuntimeError(
            "'len' is not supported in symbolic tracing by default. If you want this call to be recorded, please call "
            "torch.fx.wrap('len') at module scope"
        )

    @classmethod
    def __torch_function__(cls, orig_method, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        tracers: dict[Any, None] = {}
        map_aggregate((args, kwargs), lambda a: tracers.setdefault(a.tracer) if isinstance(a, Proxy) else None)
        if len(tracers) > 1:
            raise RuntimeError(
                f"Found multiple different tracers {list(tracers)} while trying to trace operations {orig_method}"
            )
        tracer = next(iter(tracers))
        name = getattr(orig_method, "__name__", "")
        if name == "__get__" or name == "__set__":  # an attribute of Tensor
            return tracer.create_proxy("call_function", getattr, (args[0], orig_method.__self__.__name__), {})
        if isinstance(orig_method, OpOverload) or not _is_method(orig_method, name):
            return tracer.create_proxy(
                "call_function", orig_method, args, kwargs, name=tracer.graph._target_to_str(name)
            )
        return tracer.create_proxy("call_method", name, args, kwargs)


def _is_method(function, name: str) -> bool:
    return type(function).__name__ == "operator_method" or inspect.getattr_static(rl.Tensor, name, None) is function


class Attribute(Proxy):
    """An attribute of a proxy; a node only if it is used otherwise than called."""

    def __init__(self, root: Proxy, attr: str):
        self.root, self.attr, self.tracer = root, attr, root.tracer
        self._node: Node | None = None

    @property
    def node(self) -> Node:
        if self._node is None:
            self._node = self.tracer.create_proxy("call_function", getattr, (self.root, self.attr), {}).node
        return self._node

    def __call__(self, *args, **kwargs):
        return self.tracer.create_proxy("call_method", self.attr, (self.root, *args), kwargs)


class ParameterProxy(Proxy):
    """Stands for a parameter, whose shape is known."""

    def __init__(self, tracer: TracerBase, node: Node, name: str, param):
        super().__init__(node, tracer)
        if not isinstance(param, rl.nn.Parameter):
            raise AssertionError(f"ParameterProxy: expected a Parameter, got {type(param).__name__}")
        self.param, self.name = param, name

    def __repr__(self) -> str:
        return f"ParameterProxy({self.name})"

    shape = property(lambda self: self.param.shape)
    ndim = property(lambda self: self.param.ndim)

    def size(self, *args):
        return self.param.size(*args)

    def dim(self):
        return self.param.dim()

    def numel(self):
        return self.param.numel()

    def nelement(self):
        return self.param.nelement()


def _add_operators() -> None:
    def forward(name):
        target = getattr(operator, name)

        def call(*args, **kwargs):
            return args[0].tracer.create_proxy("call_function", target, args, kwargs)

        return call

    def reflected(name):
        target = getattr(operator, name)

        def call(self, left):
            return self.tracer.create_proxy("call_function", target, (left, self), {})

        return call

    for name in magic_methods:
        setattr(Proxy, f"__{name.strip('_')}__", forward(name))
    for name in reflectable_magic_methods:
        setattr(Proxy, f"__r{name.strip('_')}__", reflected(name))


_add_operators()
