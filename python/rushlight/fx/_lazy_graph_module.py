"""Kept for its name: graph modules here are compiled at once."""

from __future__ import annotations

from .graph_module import GraphModule


def _make_graph_module(*args, graph_module_cls=None, **kwargs) -> GraphModule:
    """A GraphModule, or one of a given class."""
    return (graph_module_cls or GraphModule)(*args, **kwargs)
