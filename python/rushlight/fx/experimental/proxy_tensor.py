"""Graphs of the operators that a function runs for given tensors."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import rushlight as rl

from ...utils import _pytree as pytree
from ...utils._python_dispatch import TorchDispatchMode, _get_current_dispatch_mode_stack
from .._pytree import children_of
from .._symbolic_trace import Tracer
from ..graph import Graph
from ..graph_module import GraphModule
from ..node import Node
from ..proxy import Proxy

__all__ = ["ProxyTorchDispatchMode", "PythonKeyTracer", "get_isolated_graphmodule", "get_proxy_mode", "make_fx"]


class PythonKeyTracer(Tracer):
    """A tracer whose root holds the tensors that are no inputs."""

    def __init__(self):
        super().__init__()
        self.root, self.graph, self.tensor_attrs = rl.nn.Module(), Graph(), {}


class ProxyTorchDispatchMode(TorchDispatchMode):
    """Records each operator that runs, with the proxies of its tensors.

    decomposition_table: functions that are run in the place of operators, so that what they call is recorded.
    """

    def __init__(self, tracer: PythonKeyTracer, decomposition_table: dict[Any, Callable] | None = None):
        super().__init__()
        self.tracer, self.table = tracer, decomposition_table or {}
        self._proxies: dict[int, tuple[rl.Tensor, Node]] = {}  # the tensor stays alive, so that its id stays its own

    def track(self, tensor: rl.Tensor, node: Node) -> None:
        """Notes what gave a tensor."""
        self._proxies[id(tensor)] = tensor, node

    def node_of(self, tensor: rl.Tensor) -> Node:
        """What gave a tensor; a constant if nothing that was seen did."""
        if id(tensor) not in self._proxies:
            self.track(tensor, self.tracer.create_arg(tensor.detach() if tensor.requires_grad else tensor))
        return self._proxies[id(tensor)][1]

    def stands_for(self, tensor: rl.Tensor, value: rl.Tensor) -> None:
        """Notes that a tensor has the value of another."""
        if id(value) in self._proxies and id(tensor) not in self._proxies:
            self.track(tensor, self._proxies[id(value)][1])

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        function = self.table.get(func, self.table.get(getattr(func, "overloadpacket", None)))
        if function is not None:
            with self:
                result = function(*args, **kwargs)
            if result is not NotImplemented:
                return result
        if not any(
            isinstance(a, rl.Tensor) and id(a) in self._proxies for a in pytree.tree_leaves((args, kwargs))
        ) and ("prim::" in str(func)):
            return func(*args, **kwargs)
        self._keep_constants(func, args)
        nodes, named = pytree.tree_map(lambda a: self.node_of(a) if isinstance(a, rl.Tensor) else a, (args, kwargs))
        name = func.overloadpacket.__name__ if hasattr(func, "overloadpacket") else func.__name__
        proxy = self.tracer.create_proxy("call_function", func, self._proxied(nodes), self._proxied(named), name=name)
        result = func(*args, **kwargs)
        self._follow(result, proxy)
        return result

    def _keep_constants(self, func: Any, args: tuple) -> None:
        """A constant that is written to is copied in the graph, which would give another result at each run else."""
        schema = getattr(func, "_schema", None)
        written = (
            [
                a
                for a, given in zip(args, schema.arguments, strict=False)
                if isinstance(a, rl.Tensor) and given.alias_info is not None and given.alias_info.is_write
            ]
            if schema is not None and schema.is_mutable
            else []
        )
        for a in written:
            if id(a) not in self._proxies:
                constant = Proxy(self.tracer.create_arg(a.detach().clone()), self.tracer)
                copy = rl.ops.aten.clone.default
                self.track(a, self.tracer.create_proxy("call_function", copy, (constant,), {}, name="clone").node)

    def _proxied(self, a: Any) -> Any:
        return pytree.tree_map(lambda x: Proxy(x, self.tracer) if isinstance(x, Node) else x, a)

    def _follow(self, result: Any, proxy: Proxy) -> None:
        if isinstance(result, rl.Tensor):
            proxy.node.meta.setdefault("val", result.detach())
            self.track(result, proxy.node)
        elif isinstance(result, (list, tuple)):
            for i, item in enumerate(result):
                if isinstance(item, (rl.Tensor, list, tuple)):
                    self._follow(item, proxy[i])


def get_proxy_mode() -> ProxyTorchDispatchMode | None:
    """The mode of the make_fx that runs; None outside of one."""
    return next(
        (m for m in reversed(_get_current_dispatch_mode_stack()) if isinstance(m, ProxyTorchDispatchMode)), None
    )


def make_fx(f: Callable, decomposition_table=None, tracing_mode: str = "real", **_: Any) -> Callable:
    """A function that runs `f` on its arguments once and returns a GraphModule of the operators that ran.

    Args: decomposition_table: {operator: function}, run in its place. tracing_mode: "real" only: values are computed, and
        what the function decides by them stays so in the graph.
    >>> import rushlight as torch
    >>> m = make_fx(lambda x: torch.sin(x) * 2)(torch.ones(3))
    >>> [str(n.target) for n in m.graph.find_nodes(op="call_function")]
    ['aten.sin.default', 'aten.mul.Tensor']
    """
    if tracing_mode not in ("real", "fake"):
        raise NotImplementedError(
            f"make_fx: tracing_mode={tracing_mode!r} is not supported; 'real' traces with the values given"
        )

    @functools.wraps(f)
    def wrapped(*args):
        tracer = PythonKeyTracer()
        mode = ProxyTorchDispatchMode(tracer, decomposition_table)
        leaves, spec = pytree.tree_flatten(args)
        inputs = []
        code = getattr(inspect.unwrap(f), "__code__", None)  # vmap(g)'s arguments have g's names
        names = [f"{n}_1" for n in code.co_varnames[: code.co_argcount]] if code is not None else []
        for i, leaf in enumerate(leaves):
            node = tracer.graph.placeholder(names[i] if len(names) == len(leaves) else f"arg{i}_1")
            if isinstance(leaf, rl.Tensor):
                leaf = leaf.detach().requires_grad_(leaf.requires_grad)
                mode.track(leaf, node)
                node.meta["val"] = leaf.detach()
            inputs.append(leaf)
        with mode:
            result = f(*pytree.tree_unflatten(inputs, spec))
        outputs = pytree.tree_map(lambda t: mode.node_of(t) if isinstance(t, rl.Tensor) else t, result)
        tracer.graph.output(outputs, getattr(f, "__annotations__", {}).get("return"))
        if not all(child.is_leaf() for child in children_of(spec)):
            from ..graph import _PyTreeCodeGen, _PyTreeInfo

            arguments = [f"arg{i}" for i in range(len(args))]
            flat, out_spec = pytree.tree_flatten(outputs)
            tracer.graph.output_node().args = (flat,)
            tracer.graph.set_codegen(_PyTreeCodeGen(_PyTreeInfo(arguments, spec, out_spec)))
        tracer.graph.eliminate_dead_code(lambda n: n.op != "get_attr")
        return GraphModule(tracer.root, tracer.graph, getattr(f, "__name__", "GraphModule"))

    return wrapped


def get_isolated_graphmodule(func: Callable, args, kwargs, tracing_mode: str = "real", decomposition_table=None):
    """make_fx of a call with arguments by name too."""
    leaves, spec = pytree.tree_flatten((tuple(args), dict(kwargs)))

    def flat(*given):
        a, k = pytree.tree_unflatten(list(given), spec)
        return func(*a, **k)

    return make_fx(flat, decomposition_table, tracing_mode)(*leaves)
