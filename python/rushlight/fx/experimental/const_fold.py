"""Computes once what does not depend on inputs."""

from __future__ import annotations

import operator
from collections.abc import Callable

import rushlight as rl
from rushlight.nn import Module, Parameter, ParameterList

from .._symbolic_trace import symbolic_trace
from ..graph import Graph
from ..graph_module import GraphModule
from ..node import Node

__all__ = ["FoldedGraphModule", "get_unique_attr_name_in_module", "split_const_subgraphs"]


class FoldedGraphModule(GraphModule):
    """A module with attributes that `const_subgraph_module` computes at the first call, or when run_folding is called."""

    def __init__(
        self,
        root,
        graph: Graph,
        const_subgraph: Graph | None = None,
        fx_const_folded_attrs_name=None,
        device_for_folded_attrs="cpu",
    ):
        super().__init__(root, graph)
        self.const_subgraph_module = None if const_subgraph is None else GraphModule(root, const_subgraph)
        self.has_folding_been_run = False
        self.fx_const_folded_attrs_name = fx_const_folded_attrs_name
        self.device_for_folded_attrs = device_for_folded_attrs

    def __call__(self, *args, **kwargs):
        if not self.has_folding_been_run:
            self.run_folding()
        return super().__call__(*args)

    def run_folding(self) -> None:
        """Computes the attributes."""
        if self.const_subgraph_module is None or self.fx_const_folded_attrs_name is None:
            return
        if self.has_folding_been_run:
            raise AssertionError("the constants have been folded already")
        self.has_folding_been_run = True

        def parameter(t: rl.Tensor) -> Parameter:
            floating = t.is_floating_point() or t.is_complex()
            return Parameter(t.detach().to(self.device_for_folded_attrs), requires_grad=floating and t.requires_grad)

        values = self.const_subgraph_module()
        made = ParameterList([parameter(v) for v in values]) if isinstance(values, tuple) else parameter(values)
        setattr(self, self.fx_const_folded_attrs_name, made)


def get_unique_attr_name_in_module(mod_traced: Module, name: str) -> str:
    """An attribute name that is free: name, name_1, name_2, ..."""
    from .._names import Namespace

    names = Namespace()
    made = names.create_name(name)
    while hasattr(mod_traced, made):
        made = names.create_name(name)
    return made


def split_const_subgraphs(
    module: Module, skip_folding_node_fn: Callable[[Node], bool] | None = None, device_for_folded_attrs: str = "cpu"
) -> FoldedGraphModule:
    """A module that computes what depends on its parameters and buffers only once.

    skip_folding_node_fn: true for nodes that are computed each time.
    >>> class Scaled(rl.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.weight = rl.nn.Parameter(rl.ones(2))
    ...     def forward(self, x):
    ...         return x * (self.weight + 1)
    >>> folded = split_const_subgraphs(Scaled())
    >>> [n.op for n in folded.graph.nodes]
    ['placeholder', 'get_attr', 'call_function', 'output']
    """
    traced = module if isinstance(module, GraphModule) else symbolic_trace(module)
    constant: set[Node] = set()
    for node in traced.graph.nodes:
        if node.op in ("placeholder", "output") or (
            node.op != "get_attr" and not constant.issuperset(node.all_input_nodes)
        ):
            continue
        if (skip_folding_node_fn is None or not skip_folding_node_fn(node)) and not _impure(node, traced):
            constant.add(node)
    if all(n.op == "get_attr" for n in constant):
        return FoldedGraphModule(traced, traced.graph)
    folded = [
        n
        for n in traced.graph.nodes
        if n in constant and n.op != "get_attr" and any(u not in constant for u in n.users)
    ]
    before = Graph()
    made: dict[Node, Node] = {}
    for node in traced.graph.nodes:
        if node in constant:
            made[node] = before.node_copy(node, made.__getitem__)
    before.output(made[folded[0]] if len(folded) == 1 else tuple(made[n] for n in folded))
    before.eliminate_dead_code()
    name = get_unique_attr_name_in_module(traced, "_FX_CONST_FOLDED_ATTRS")
    after = Graph()
    kept: dict[Node, Node] = {}

    def value(n: Node) -> Node:
        if n not in kept:
            if n.op == "get_attr":
                kept[n] = after.node_copy(n)
            else:
                whole = after.get_attr(name)
                kept[n] = whole if len(folded) == 1 else after.call_function(operator.getitem, (whole, folded.index(n)))
                kept[n].meta = dict(n.meta)
        return kept[n]

    for node in traced.graph.nodes:
        if node not in constant:
            kept[node] = after.node_copy(node, value)
    after.set_codegen(traced.graph._codegen)
    setattr(traced, name, ParameterList() if len(folded) > 1 else Parameter(rl.empty(0)))
    try:
        return FoldedGraphModule(traced, after, before, name, device_for_folded_attrs)
    finally:
        delattr(traced, name)


def _impure(node: Node, root: Module) -> bool:
    if node.op == "call_module":
        inner = root.get_submodule(node.target)
        if isinstance(inner, GraphModule):
            return any(_impure(n, inner) for n in inner.graph.nodes if n.op in ("call_function", "call_module"))
    return node.is_impure()
