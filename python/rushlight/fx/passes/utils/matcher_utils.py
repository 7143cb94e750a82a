"""Finds a pattern, itself a graph, in graphs."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

from rushlight import Tensor
from rushlight._ops import OpOverload

from ...graph import Graph
from ...graph_module import _get_attr
from ...node import Node

__all__ = ["InternalMatch", "SubgraphMatcher"]


@dataclass
class InternalMatch:
    """A place where a pattern fits."""

    anchors: list[Node]  # of the pattern: its results that nothing in it uses
    nodes_map: dict[Node, Any] = field(default_factory=dict)  # for each node of the pattern that of the graph
    placeholder_nodes: list[Any] = field(default_factory=list)  # what stands for the pattern's inputs
    returning_nodes: list[Node] = field(default_factory=list)  # what stands for its results
    name_node_map: dict[str, Node] = field(default_factory=dict)

    def __copy__(self):
        return InternalMatch(
            self.anchors, dict(self.nodes_map), list(self.placeholder_nodes), list(self.returning_nodes)
        )


class SubgraphMatcher:
    """Finds `pattern`. ValueError for an empty one.

    match_output, match_placeholder: whether the graph's outputs and inputs must stand where the pattern's do.
    ignore_literals: whether values that are no nodes may differ.
    """

    def __init__(
        self, pattern: Graph, match_output=False, match_placeholder=False, remove_overlapping_matches=True, ignore_literals=False
    ):  # fmt: skip
        if len(pattern.nodes) == 0:
            raise ValueError("SubgraphMatcher cannot be initialized with an empty pattern")
        for node in pattern.nodes:
            if node.op != "output" and not node.users and not node.is_impure():
                raise AssertionError("SubgraphMatcher cannot be initialized with an pattern with dead code")
        self.pattern = pattern
        self.match_output, self.match_placeholder = match_output, match_placeholder
        self.remove_overlapping_matches, self.ignore_literals = remove_overlapping_matches, ignore_literals
        output = pattern.output_node()
        self.pattern_placeholder_nodes = [n for n in pattern.nodes if n.op == "placeholder"]
        self.pattern_returning_nodes = output.all_input_nodes
        self.pattern_anchors = [output] if match_output else [n for n in output.all_input_nodes if len(n.users) == 1]

    def _nodes_are_equal(self, pn: Node, gn: Node, node_name_match: str = "") -> bool:
        if pn.op == "placeholder" and not self.match_placeholder:
            return True
        if node_name_match and node_name_match in gn.name:
            return True
        if pn.op != gn.op:
            return False
        if pn.op in ("placeholder", "output"):
            return True
        return self._match_attributes(pn, gn) if pn.op == "get_attr" else pn.target == gn.target

    def _match_attributes(self, pn: Node, gn: Node) -> bool:
        """Tensors of one class match, whatever they hold."""
        mine, theirs = (_get_attr(n.graph.owning_module, n.target) for n in (pn, gn))
        if type(mine) is type(theirs) and not isinstance(mine, Tensor):
            raise RuntimeError(f"Unsupported type {mine} when matching attributes")
        return type(mine) is type(theirs)

    def _match_values(self, p: Any, g: Any, match: InternalMatch) -> bool:
        if isinstance(p, Node) and isinstance(g, Node):
            return self._match_nodes(p, g, match)
        if isinstance(p, (list, tuple)) and isinstance(g, (list, tuple)):
            return len(p) == len(g) and all(self._match_values(x, y, match) for x, y in zip(p, g, strict=True))
        if isinstance(p, Node):
            if p.op != "placeholder":
                return False
            if p in match.nodes_map:
                return bool(match.nodes_map[p] == g)
            match.nodes_map[p] = g
            return True
        return self.ignore_literals or (not isinstance(g, Node) and type(p) is type(g) and p == g)

    def _arguments(self, n: Node, other: Node) -> list[Any] | None:
        """The arguments in one order; None where the two calls are not written alike."""
        if len(n.args) == len(other.args) and list(n.kwargs) == list(other.kwargs):
            return [*n.args, *n.kwargs.values()]
        if n.op != "call_function" or not isinstance(n.target, OpOverload):
            return None
        given = []
        for i, a in enumerate(n.target._schema.arguments):
            by_place = not a.kwarg_only and i < len(n.args)
            given.append(n.kwargs[a.name] if a.name in n.kwargs else n.args[i] if by_place else a.default_value)
        return given

    def _match_nodes(self, pn: Node, gn: Node, match: InternalMatch, node_name_match: str = "") -> bool:
        if pn in match.nodes_map:
            return match.nodes_map[pn] is gn
        if any(gn is n for n in match.nodes_map.values()) or not self._nodes_are_equal(pn, gn, node_name_match):
            return False
        match.nodes_map[pn] = gn
        if pn.op == "placeholder":
            return True
        mine, theirs = self._arguments(pn, gn), self._arguments(gn, pn)
        return mine is not None and theirs is not None and self._match_values(mine, theirs, match)

    def _is_contained(self, match: InternalMatch) -> bool:
        """Whether nothing outside uses what only the pattern's inside gives."""
        inside = {id(g): p for p, g in match.nodes_map.items() if p.op != "placeholder"}
        return all(
            p in self.pattern_returning_nodes
            or p.op == "output"
            or all(id(u) in inside for u in match.nodes_map[p].users)
            for p in inside.values()
        )

    def match(self, graph: Graph, node_name_match: str = "") -> list[InternalMatch]:
        """All places where the pattern fits, without overlaps unless those were asked for."""
        from .fuser_utils import validate_partition

        candidates = [
            [g for g in graph.nodes if self._nodes_are_equal(anchor, g, node_name_match)]
            for anchor in self.pattern_anchors
        ]
        matches: list[InternalMatch] = []

        def place(i: int, so_far: InternalMatch) -> None:
            if i == len(candidates):
                so_far.placeholder_nodes = [so_far.nodes_map[p] for p in self.pattern_placeholder_nodes]
                so_far.returning_nodes = [so_far.nodes_map[p] for p in self.pattern_returning_nodes]
                matches.append(so_far)
                return
            for g in candidates[i]:
                trial = copy.copy(so_far)
                if self._match_nodes(self.pattern_anchors[i], g, trial, node_name_match):
                    place(i + 1, trial)

        if candidates and all(candidates):
            place(0, InternalMatch(anchors=self.pattern_anchors))
        valid, taken = [], set()
        for m in matches:
            computed = [g for p, g in m.nodes_map.items() if p.op not in ("placeholder", "output")]
            if not self._is_contained(m) or not validate_partition(computed):
                continue
            if self.remove_overlapping_matches and taken.intersection(computed):
                continue
            taken.update(computed)
            valid.append(m)
        return valid
