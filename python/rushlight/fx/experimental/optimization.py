"""Changes to modules before inference."""

from __future__ import annotations

import copy
from typing import Any

from rushlight import nn

from .._symbolic_trace import Tracer, symbolic_trace
from ..graph_module import GraphModule
from ..node import Node

__all__ = ["fuse", "matches_module_pattern", "remove_dropout", "replace_node_module"]
_norms = {nn.Conv1d: nn.BatchNorm1d, nn.Conv2d: nn.BatchNorm2d, nn.Conv3d: nn.BatchNorm3d}


def matches_module_pattern(pattern, node: Node, modules: dict[str, Any]) -> bool:
    """Whether a node and the one before it call modules of exactly these two classes."""
    if not node.args or not isinstance(node.args[0], Node):
        return False
    calls = (node.args[0], node)
    return all(
        n.op == "call_module" and type(modules.get(n.target)) is cls for cls, n in zip(pattern, calls, strict=True)
    )


def replace_node_module(node: Node, modules: dict[str, Any], new_module: nn.Module) -> None:
    """Puts another module where a node's is."""
    parent, _, name = node.target.rpartition(".")
    modules[node.target] = new_module
    setattr(modules[parent], name, new_module)


def fuse(model: nn.Module, inplace: bool = False, no_trace: bool = False) -> nn.Module:
    """The module, for evaluation, with batch norms right after convolutions folded into those.

    Args: inplace: whether the module itself may be changed; no_trace: whether it is a GraphModule that need not be traced.
    """
    from ...nn.utils.fusion import fuse_conv_bn_eval

    model = model if inplace else copy.deepcopy(model)
    traced = model if no_trace and isinstance(model, GraphModule) else symbolic_trace(model)
    modules = dict(traced.named_modules())
    graph = copy.deepcopy(traced.graph)
    for node in list(graph.nodes):
        for pattern in _norms.items():
            if not matches_module_pattern(pattern, node, modules) or len(node.args[0].users) > 1:
                continue
            norm = modules[node.target]
            if not norm.track_running_stats:
                continue
            replace_node_module(node.args[0], modules, fuse_conv_bn_eval(modules[node.args[0].target], norm))
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)
            break
    return GraphModule(traced, graph)


def remove_dropout(model: nn.Module) -> nn.Module:
    """The module without its Dropout modules."""
    tracer = Tracer()
    graph = tracer.trace(model)
    for node in list(graph.nodes):
        if node.op == "call_module" and isinstance(model.get_submodule(node.target), nn.Dropout):
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)
    return GraphModule(model, graph)
