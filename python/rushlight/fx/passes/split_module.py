"""Splits a graph module into modules of its parts."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from ..graph import Graph
from ..graph_module import GraphModule, _get_attr
from ..node import Node, map_arg

__all__ = ["split_module"]


class _Part:
    """Nodes of one part: its graph, and what goes in and out."""

    def __init__(self, name: str):
        self.name, self.graph = name, Graph()
        self.nodes: list[Node] = []
        self.inputs: dict[Node, Node] = {}
        self.outputs: dict[Node, None] = {}
        self.uses: dict[str, None] = {}
        self.copied: dict[Node, Node] = {}


def split_module(
    m: GraphModule, root_m: Any, split_callback: Callable[[Node], int], qualname_map: dict[str, str] | None = None,
    keep_original_order: bool = False, keep_original_node_name: bool = False, *, partition_affix: str | None = None,
    **_: Any,
) -> GraphModule:  # fmt: skip
    """A module that calls `submod_0`, `submod_1`, ...: one for each number that split_callback gives for nodes.

    Args: m: the module; root_m: what it was traced from (not needed). qualname_map: filled with, for each path in a part, that in m.
        keep_original_order: parts run in the order in which they first come, else as their inputs allow.
    RuntimeError where parts depend on each other in a circle.
    >>> import rushlight as torch
    >>> m = torch.fx.symbolic_trace(torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU()))
    >>> split = split_module(m, None, lambda n: 0 if n.target == "0" else 1)
    >>> [name for name, _ in split.named_children()], split(torch.zeros(1, 2)).shape
    (['submod_0', 'submod_1'], torch.Size([1, 3]))
    """
    affix = f"_{partition_affix}" if partition_affix else ""
    parts: dict[Any, _Part] = {}
    of: dict[Node, _Part] = {}
    for node in m.graph.nodes:
        if node.op in ("placeholder", "get_attr", "output"):
            continue
        key = split_callback(node)
        part = parts.setdefault(key, _Part(f"submod{affix}_{key}"))
        part.nodes.append(node)
        of[node] = part
    for node in m.graph.nodes:
        _note_uses(node, of)
    base = Graph()
    values: dict[Node, Node] = {}
    for node in m.graph.nodes:
        if node.op == "placeholder":
            values[node] = base.node_copy(node)
    children: dict[str, Any] = {}
    for part in _ordered(parts, keep_original_order):
        children[part.name] = _fill(part, m, qualname_map)
        given = [values[n] if n in values else values.setdefault(n, base.node_copy(n)) for n in part.inputs]
        call = base.create_node("call_module", part.name, tuple(given))
        outputs = list(part.outputs)
        if len(outputs) == 1:
            values[outputs[0]] = call
        for i, n in enumerate(outputs if len(outputs) > 1 else ()):
            name = n.name if keep_original_node_name else None
            values[n] = base.create_node("call_function", operator.getitem, (call, i), name=name)
    for node in m.graph.nodes:
        if node.op == "output":
            result = map_arg(node.args[0], lambda n: values[n] if n in values else base.node_copy(n))
            base.output(result).meta = dict(node.meta)
        elif node.op == "get_attr" and node in values:
            children[node.target] = _get_attr(m, node.target)
    for node in base.nodes:
        if node.op == "get_attr":
            children[node.target] = _get_attr(m, node.target)
    base.set_codegen(m.graph._codegen)
    made = GraphModule(children, base)
    made.training = m.training
    return made


def _note_uses(node: Node, of: dict[Node, _Part]) -> None:
    """What crosses from one part to another, or comes from outside."""
    to = of.get(node)
    for used in node.all_input_nodes if to is not None or node.op == "output" else ():
        source = of.get(used)
        if source is to and to is not None:
            continue
        if source is not None:
            source.outputs.setdefault(used)
            if to is not None:
                to.uses.setdefault(source.name)
        # Attributes are read where they are used.
        if to is not None and used.op != "get_attr":
            to.inputs.setdefault(used, used)


def _ordered(parts: dict[Any, _Part], keep: bool) -> list[_Part]:
    waiting, done, order = list(parts.values()), set(), []
    while waiting:
        ready = next((p for p in waiting if all(u in done for u in p.uses)), None)
        if keep and ready is not waiting[0]:
            ready = None
        if ready is None:
            raise RuntimeError(f"cycle exists between partitions! ({', '.join(p.name for p in waiting)})")
        waiting.remove(ready)
        done.add(ready.name)
        order.append(ready)
    return order


def _fill(part: _Part, m: GraphModule, qualname_map: dict[str, str] | None) -> GraphModule:
    for n in part.inputs:
        made = part.graph.placeholder(n.name, type_expr=n.type)
        made.meta = dict(n.meta)
        part.copied[n] = made
    named: dict[str, Any] = {}

    def value(n: Node) -> Node:
        if n not in part.copied:  # an attribute of the module
            part.copied[n] = rename(part.graph.node_copy(n), n.target)
        return part.copied[n]

    def rename(node: Node, target: str) -> Node:
        node.target = target.replace(".", "_")
        named[node.target] = _get_attr(m, target)
        if qualname_map is not None:
            qualname_map[f"{part.name}.{node.target}"] = target
        return node

    for n in part.nodes:
        made = part.graph.node_copy(n, value)
        part.copied[n] = rename(made, n.target) if n.op == "call_module" else made
    outputs = [part.copied[n] for n in part.outputs]
    part.graph.output(outputs[0] if len(outputs) == 1 else tuple(outputs))
    child = GraphModule(named, part.graph)
    child.training = m.training
    return child
