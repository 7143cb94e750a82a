"""Whether nodes can become one, and making one of them."""

from __future__ import annotations

import operator

from ...graph import Graph
from ...graph_module import GraphModule
from ...node import Node

__all__ = ["fuse_by_partitions", "topo_sort", "validate_partition"]


def topo_sort(nodes: list[Node]) -> list[Node]:
    """The nodes in their graph's order."""
    return sorted(nodes)


def validate_partition(partition: list[Node]) -> bool:
    """Whether the nodes can run as one: no path between two of them leads over others."""
    inside = set(partition)
    last = max(inside, default=None)
    reached: set[Node] = set()
    stack = [u for n in inside for u in n.users if u not in inside]
    while stack:
        n = stack.pop()
        if n in inside:
            return False
        if n in reached or n > last:
            continue
        reached.add(n)
        stack.extend(n.users)
    return True


def fuse_by_partitions(gm: GraphModule, partitions: list[list[Node]], prefix: str = "fused_") -> GraphModule:
    """Moves each list of nodes into a module of its own, which is called instead."""
    for i, nodes in enumerate(partitions):
        nodes = topo_sort(list(nodes))
        if not validate_partition(nodes):
            raise AssertionError("fuse_by_partitions: a partition depends on itself by nodes outside of it")
        inside, graph = set(nodes), Graph()
        inputs: dict[Node, Node] = {}
        copied: dict[Node, Node] = {}

        def of(n: Node, graph=graph, inputs=inputs, copied=copied) -> Node:
            if n in copied:
                return copied[n]
            if n not in inputs:
                inputs[n] = graph.placeholder(n.name)
            return inputs[n]

        for n in nodes:  # inputs first
            for used in n.all_input_nodes:
                if used not in inside:
                    of(used)
        for n in nodes:
            copied[n] = graph.node_copy(n, of)
        outputs = [n for n in nodes if any(u not in inside for u in n.users)]
        graph.output(copied[outputs[0]] if len(outputs) == 1 else tuple(copied[n] for n in outputs))
        name = f"{prefix}{i}"
        gm.add_submodule(name, GraphModule(gm, graph, class_name=name))
        with gm.graph.inserting_before(max(nodes).next):
            call = gm.graph.call_module(name, args=tuple(inputs))
            results = [call]
            if len(outputs) > 1:
                results = [gm.graph.call_function(operator.getitem, (call, k)) for k in range(len(outputs))]
        for old, new in zip(outputs, results, strict=True):
            old.replace_all_uses_with(new, delete_user_cb=lambda u, inside=inside: u not in inside)
        for n in reversed(nodes):
            gm.graph.erase_node(n)
        _sort(gm.graph)
    gm.recompile()
    return gm


def _sort(graph: Graph) -> None:
    """Moves nodes behind those that they use."""
    done: set[Node] = set()
    for node in list(graph.nodes):
        stack = [node]
        while stack:
            n = stack[-1]
            missing = [u for u in n.all_input_nodes if u not in done]
            if n in done or not missing:
                stack.pop()
                if n not in done:
                    done.add(n)
                    graph._root.prepend(n)
            else:
                stack.extend(missing)
