"""Replaces parts of a graph that match a pattern."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..nn import Module
from ._symbolic_trace import symbolic_trace
from .graph import Graph
from .graph_module import GraphModule, _assign_attr, _get_attr, _has_attr
from .node import Node

__all__ = ["Match", "ReplacedPatterns", "replace_pattern", "replace_pattern_with_filters"]


class Match(NamedTuple):
    """Where a pattern was found: the node of its last step, and the node for each of the pattern's."""

    anchor: Node
    nodes_map: dict[Node, Node]


@dataclass
class ReplacedPatterns:
    """A match, and the nodes that took its place."""

    anchor: Node
    nodes_map: dict[Node, Node]
    replacements: list[Node]


def _graph_of(what: Any) -> Graph:
    if isinstance(what, Graph):
        return what
    return what.graph if isinstance(what, GraphModule) else symbolic_trace(what).graph


def replace_pattern(gm: GraphModule, pattern, replacement) -> list[Match]:
    """Replaces all parts of gm's graph, without overlaps, that do what `pattern` does by what `replacement` does.

    Args: functions or modules, traced here, with as many inputs; values inside of a match must not be used outside.
    Returns: the matches.
    >>> import rushlight as torch
    >>> m = symbolic_trace(lambda x, y: torch.relu(x + y))
    >>> _ = replace_pattern(m, lambda a, b: torch.relu(a + b), lambda a, b: torch.relu(a) + torch.relu(b))
    >>> m(torch.tensor(1.0), torch.tensor(-2.0))
    tensor(1.)
    """
    found = replace_pattern_with_filters(gm, pattern, replacement)
    return [Match(anchor=m.anchor, nodes_map=m.nodes_map) for m in found]


def replace_pattern_with_filters(
    gm: GraphModule, pattern, replacement=None, match_filters=None, ignore_literals=False, replacement_callback=None,
    node_name_match: str = "",
) -> list[ReplacedPatterns]:  # fmt: skip
    """As replace_pattern, for matches of which all `match_filters(match, graph, pattern_graph)` are true.

    replacement_callback(match, graph, pattern_graph) gives a graph for each match, in the place of `replacement`.
    ignore_literals: numbers and such in the pattern stand for any.
    """
    from .passes.utils.matcher_utils import SubgraphMatcher

    if replacement is None and replacement_callback is None:
        raise AssertionError("Must provide either a replacement GraphModule or a replacement callback")
    graph, sought = gm.graph, _graph_of(pattern)
    matches = SubgraphMatcher(sought, ignore_literals=ignore_literals).match(graph, node_name_match)
    matches = [m for m in matches if all(f(m, graph, sought) for f in match_filters or ())]
    common = None if replacement is None else _graph_of(replacement)
    replaced: dict[Node, Node] = {}  # results of earlier matches, which later ones may use
    done = []
    for match in matches:
        made = replacement_callback(match, graph, sought) if replacement_callback is not None else common
        match.placeholder_nodes = [replaced.get(n, n) if isinstance(n, Node) else n for n in match.placeholder_nodes]
        match.nodes_map = {
            pn: replaced.get(n, n) if pn.op == "placeholder" and isinstance(n, Node) else n
            for pn, n in match.nodes_map.items()
        }
        done.append(_put_in(gm, match, made, sought, replaced))
    gm.recompile()
    if isinstance(replacement, Module):
        _take_attributes(gm, replacement)
    return done


def _put_in(gm: GraphModule, match, made: Graph, sought: Graph, replaced: dict) -> ReplacedPatterns:
    graph = gm.graph
    inputs = [n for n in made.nodes if n.op == "placeholder"]
    if len(inputs) != len(match.placeholder_nodes):
        raise AssertionError(
            f"replace_pattern: the pattern has {len(match.placeholder_nodes)} inputs, its replacement {len(inputs)}"
        )
    copied = dict(zip(inputs, match.placeholder_nodes, strict=True))
    # Before the first user, where all inputs are known; without users, after the last result.
    users = {u for n in match.returning_nodes for u in n.users}
    at = min(users) if users else max(match.returning_nodes).next
    with graph.inserting_before(at):
        results = graph.graph_copy(made, copied)
    results = (results,) if isinstance(results, Node) else tuple(results)
    if len(results) != len(match.returning_nodes):
        raise AssertionError(
            f"replace_pattern: the pattern has {len(match.returning_nodes)} results, its replacement {len(results)}"
        )
    for old, new in zip(match.returning_nodes, results, strict=True):
        old.replace_all_uses_with(new)
        replaced[old] = new
    for node in reversed(sought.nodes):
        if node.op not in ("placeholder", "output"):
            graph.erase_node(match.nodes_map[node])
    new_nodes = [n for n in copied.values() if not any(n is p for p in match.placeholder_nodes)]
    return ReplacedPatterns(match.anchors[0], match.nodes_map, new_nodes)


def _take_attributes(gm: GraphModule, replacement: Module) -> None:
    """Copies of the replacement's modules and tensors that the graph names now."""
    gm.delete_all_unused_submodules()
    for node in gm.graph.nodes:
        if node.op not in ("call_module", "get_attr") or _has_attr(gm, node.target):
            continue
        if not _has_attr(replacement, node.target):
            raise RuntimeError(
                f"Attempted to create a {node.op} node during subgraph rewriting with target {node.target}, but the referenced "
                "attribute does not exist in the replacement GraphModule"
            )
        _assign_attr(copy.deepcopy(_get_attr(replacement, node.target)), gm, node.target)
    gm.graph.lint()
