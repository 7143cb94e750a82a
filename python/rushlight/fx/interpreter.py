"""Runs graphs node by node: to see or change each step (Interpreter), or to make another graph of them (Transformer)."""

from __future__ import annotations

import inspect
from typing import Any

from ..nn import Module
from ._symbolic_trace import Tracer
from .graph import Graph
from .graph_module import GraphModule, _get_attr
from .node import Argument, Node, Target, map_aggregate, map_arg
from .proxy import Proxy

__all__ = ["Interpreter", "Transformer"]


class Interpreter:
    """Runs a graph's nodes in order. Subclasses override `run_node`, or the method of an op.

    Args:
        module: the module with the graph's parameters and modules. garbage_collect_values: values are dropped after their last use.
        graph: another graph than module.graph.
    >>> import rushlight as torch
    >>> class Swap(Interpreter):
    ...     def call_function(self, target, args, kwargs):
    ...         return super().call_function(torch.cos if target is torch.sin else target, args, kwargs)
    >>> Swap(torch.fx.symbolic_trace(lambda x: torch.sin(x))).run(torch.tensor(0.0))
    tensor(1.)
    """

    def __init__(self, module: Module, garbage_collect_values: bool = True, graph: Graph | None = None):
        self.module = module
        self.submodules = dict(module.named_modules())
        self.graph: Graph = module.graph if graph is None else graph
        self.env: dict[Node, Any] = {}
        self.name = "Interpreter"
        self.garbage_collect_values = garbage_collect_values
        self.extra_traceback = True
        self.user_to_last_uses: dict[Node, list[Node]] = {}
        if garbage_collect_values:
            from ._codegen import _last_uses

            self.user_to_last_uses = _last_uses(self.graph.nodes)

    def run(self, *args, initial_env: dict[Node, Any] | None = None, enable_io_processing: bool = True) -> Any:
        """What the graph gives for these arguments. `initial_env` gives values that are then not computed."""
        self.env = {} if initial_env is None else dict(initial_env)
        if enable_io_processing:
            args = self.graph.process_inputs(*args)
        self.args_iter = iter(args)
        for node in self.graph.nodes:
            if node in self.env:
                continue
            try:
                self.env[node] = self.run_node(node)
            except Exception as e:
                if self.extra_traceback:
                    note = f"While executing {node.format_node()}"
                    if node.stack_trace:
                        note += f"\nOriginal traceback:\n{node.stack_trace}"
                    text = f"{e.args[0]}\n\n{note}" if e.args else note
                    e.args = (text, *e.args[1:])
                    if isinstance(e, KeyError):
                        raise RuntimeError(*e.args) from e
                raise
            for used in self.user_to_last_uses.get(node, ()):
                self.env.pop(used, None)
            if node.op == "output":
                result = self.env[node]
                return self.graph.process_outputs(result) if enable_io_processing else result
        return None

    def boxed_run(self, args_list: list[Any]) -> Any:
        """As run, with the arguments in a list, which is emptied so that they can be freed."""
        args = list(args_list)
        args_list.clear()
        return self.run(*args)

    def run_node(self, n: Node) -> Any:
        """The value of one node, by the method of its op."""
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        return getattr(self, n.op)(n.target, args, kwargs)

    def placeholder(self, target: Target, args: tuple[Argument, ...], kwargs: dict[str, Any]) -> Any:
        """The next argument."""
        if target.startswith("*"):
            return list(self.args_iter)
        try:
            return next(self.args_iter)
        except StopIteration:
            if args:
                return args[0]
            raise RuntimeError(
                f"Expected positional argument for parameter {target}, but one was not passed in!"
            ) from None

    def get_attr(self, target: Target, args, kwargs) -> Any:
        """An attribute of the module."""
        return self.fetch_attr(target)

    def call_function(self, target: Target, args, kwargs) -> Any:
        """What a function gives."""
        return target(*args, **kwargs)

    def call_method(self, target: Target, args, kwargs) -> Any:
        """What a method of the first argument gives."""
        return getattr(args[0], target)(*args[1:], **kwargs)

    def call_module(self, target: Target, args, kwargs) -> Any:
        """What a module gives."""
        return self.fetch_attr(target)(*args, **kwargs)

    def output(self, target: Target, args, kwargs) -> Any:
        """The graph's result."""
        return args[0]

    def fetch_attr(self, target: str) -> Any:
        """What stands at a path of the module."""
        try:
            return _get_attr(self.module, target)
        except AttributeError as e:
            raise RuntimeError(f"Node referenced nonexistent target {target}") from e

    def fetch_args_kwargs_from_env(self, n: Node) -> tuple[tuple, dict]:
        """The arguments of a node, values in the place of nodes."""
        return self.map_nodes_to_values(n.args, n), self.map_nodes_to_values(n.kwargs, n)

    def map_nodes_to_values(self, args: Argument, n: Node) -> Argument:
        """Values in the place of nodes."""

        def value(arg: Node) -> Any:
            if arg not in self.env:
                raise RuntimeError(
                    f"Node {n} referenced nonexistent value {arg}! Run Graph.lint() to diagnose such issues"
                )
            return self.env[arg]

        return map_arg(args, value)


class Transformer(Interpreter):
    """Runs a graph with proxies, so that what the methods do is a new graph: `transform()` gives its GraphModule.

    >>> import rushlight as torch
    >>> class Swap(Transformer):
    ...     def call_function(self, target, args, kwargs):
    ...         return super().call_function(torch.cos if target is torch.sin else target, args, kwargs)
    >>> Swap(torch.fx.symbolic_trace(lambda x: torch.sin(x))).transform().graph.find_nodes(op="call_function")
    [cos]
    """

    def __init__(self, module: GraphModule):
        super().__init__(module)
        self.new_graph = Graph()
        self.new_graph.set_codegen(module.graph._codegen)

        class TransformerTracer(Tracer):
            def __init__(self, graph: Graph):
                super().__init__()
                self.graph = graph
                self.tensor_attrs = {}
                self.root = module

            def is_leaf_module(self, m, qualname) -> bool:
                return True

        self.tracer = TransformerTracer(self.new_graph)

    def placeholder(self, target: Target, args, kwargs) -> Proxy:
        """An input of the new graph."""
        default = args[0] if args else inspect.Signature.empty
        return Proxy(self.new_graph.placeholder(target, default_value=default), self.tracer)

    def get_attr(self, target: Target, args, kwargs) -> Proxy:
        """An attribute, read in the new graph."""
        return self.tracer.create_proxy("get_attr", target, args, kwargs)

    def call_module(self, target: Target, args, kwargs) -> Any:
        """A module's call in the new graph."""
        module = self.fetch_attr(target)
        self.tracer.submodule_paths = None
        return self.tracer.call_module(module, module.forward, args, kwargs)

    def call_function(self, target: Target, args, kwargs) -> Any:
        """A function's call in the new graph."""
        return self.tracer.create_proxy("call_function", target, args, kwargs)

    def run_node(self, n: Node) -> Any:
        """What a node becomes; the new nodes keep its meta and name."""
        result = super().run_node(n)
        if isinstance(result, Proxy) and n.op not in ("placeholder", "output"):
            for key in ("stack_trace", "nn_module_stack", "source_fn_stack", "is_wrapped"):
                if key in n.meta:
                    result.node.meta.setdefault(key, n.meta[key])
                    if key != "nn_module_stack" or n.meta[key]:
                        result.node.meta[key] = n.meta[key]
        return result

    def transform(self) -> GraphModule:
        """The module of the new graph."""
        result = super().run(enable_io_processing=False)
        if result is not None:
            nodes = map_aggregate(result, lambda a: a.node if isinstance(a, Proxy) else a)
            output = next((n for n in self.graph.nodes if n.op == "output"), None)
            made = self.new_graph.output(nodes)
            if output is not None:
                made.meta, made.type = dict(output.meta), output.type
        from ._lazy_graph_module import _make_graph_module

        return _make_graph_module(self.module, self.new_graph)
