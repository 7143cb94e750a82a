"""Finds patterns whose nodes have names."""

from __future__ import annotations

from ...graph import Graph
from ...graph_module import GraphModule
from ...node import Node
from .matcher_utils import InternalMatch, SubgraphMatcher

__all__ = ["SubgraphMatcherWithNameNodeMap"]


class SubgraphMatcherWithNameNodeMap(SubgraphMatcher):
    """As SubgraphMatcher, for a pattern that returns its result (or results) and, last, a dict of named values of its inside: matches
    have in name_node_map the node for each name.
    """

    def __init__(
        self, pattern_gm: GraphModule, match_output=False, match_placeholder=False, remove_overlapping_matches=True, ignore_literals=False
    ):  # fmt: skip
        output = pattern_gm.graph.output_node()
        *results, names = output.args[0]
        if not isinstance(names, dict):
            raise AssertionError("the pattern must return a dict of named values last")
        graph, copied = Graph(owning_module=pattern_gm), {}
        for n in pattern_gm.graph.nodes:
            if n is not output:
                copied[n] = graph.node_copy(n, copied.__getitem__)
        result = results[0] if len(results) == 1 else tuple(results)
        graph.output([copied[n] for n in result] if isinstance(result, (list, tuple)) else copied[result])
        self.name_node_map: dict[str, Node] = {k: copied[n] for k, n in names.items()}
        super().__init__(graph, match_output, match_placeholder, remove_overlapping_matches, ignore_literals)

    def match(self, graph: Graph, node_name_match: str = "") -> list[InternalMatch]:
        """All places where the pattern fits."""
        found = super().match(graph, node_name_match)
        for m in found:
            m.name_node_map = {k: m.nodes_map[n] for k, n in self.name_node_map.items()}
        return found
