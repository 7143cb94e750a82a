"""What a model computes on the way: a module that gives the values of named nodes.

>>> import rushlight as torch
>>> from rushlight.vision import models
>>> part = create_feature_extractor(models.resnet18(), {"layer1": "low", "layer3.0.relu": "high"})
>>> {k: tuple(v.shape) for k, v in part(torch.rand(1, 3, 64, 64)).items()}
{'low': (1, 64, 16, 16), 'high': (1, 256, 4, 4)}
"""

from __future__ import annotations

import inspect
import math
import re
import warnings
from copy import deepcopy
from typing import Any

from rushlight import fx, nn

from .. import ops

__all__ = ["create_feature_extractor", "get_graph_node_names"]


class _PathTracer(fx.Tracer):
    """Keeps of each node where in the model it is: the path of its module, and what it does there."""

    def __init__(self, *args: Any, leaf_modules: Any = (), **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.leaves, self.paths, self.here = tuple(leaf_modules), {}, ""  # type: ignore[var-annotated]

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, self.leaves) or super().is_leaf_module(m, module_qualified_name)

    def call_module(self, m: nn.Module, forward: Any, args: tuple, kwargs: dict) -> Any:
        before, self.here = self.here, self.path_of_module(m)
        try:
            return super().call_module(m, forward, args, kwargs)
        finally:
            self.here = before

    def create_proxy(self, kind: str, target: Any, args: Any, kwargs: Any, *rest: Any, **more: Any) -> Any:
        proxy = super().create_proxy(kind, target, args, kwargs, *rest, **more)
        name = self.here
        if kind != "call_module":
            what = re.sub(r"_[0-9]+$", "", proxy.node.name)
            name = f"{name}.{what}" if name else what
        taken = set(self.paths.values())
        number, unique = 0, name
        while unique in taken:
            number += 1
            unique = f"{name}_{number}"
        self.paths[proxy.node] = unique
        return proxy


def _traced(model: nn.Module, train: bool, options: dict[str, Any] | None, concrete_args: Any) -> tuple[Any, fx.Graph]:
    options = dict(options or {})
    options.setdefault("autowrap_modules", (math, ops))
    layers = [m for _, m in inspect.getmembers(ops) if inspect.isclass(m) and issubclass(m, nn.Module)]
    options["leaf_modules"] = [*options.get("leaf_modules", ()), *layers]
    tracer = _PathTracer(**options)
    was = [(m, m.training) for m in model.modules()]
    model.train(train)
    try:
        graph = tracer.trace(model, concrete_args=concrete_args)
    finally:
        for module, mode in was:
            module.training = mode
    return tracer, graph


def get_graph_node_names(
    model: nn.Module,
    tracer_kwargs: dict[str, Any] | None = None,
    suppress_diff_warning: bool = False,
    concrete_args: Any = None,
) -> tuple[list[str], list[str]]:
    """The names of all nodes in order, in training and in evaluation."""
    names = [list(_traced(model, train, tracer_kwargs, concrete_args)[0].paths.values()) for train in (True, False)]
    if names[0] != names[1] and not suppress_diff_warning:
        warnings.warn(
            "The nodes of the model in training differ from those in evaluation; name those of both modes.",
            stacklevel=2,
        )
    return names[0], names[1]


def _picked(tracer: Any, graph: fx.Graph, wanted: dict[str, str]) -> fx.Graph:
    """The graph up to the named nodes; a module's name means its last node."""
    found: dict[str, Any] = {}
    for node, path in tracer.paths.items():
        for key in wanted:
            if path == key or path.startswith(key + "."):
                found[key] = node
    missing = [key for key in wanted if key not in found]
    if missing:
        raise ValueError(
            f"node: {missing[0]!r} is not present in model. Hint: use `get_graph_node_names` to make sure it is."
        )
    for node in reversed(graph.nodes):
        if node.op == "output":
            graph.erase_node(node)
            break
    graph.output({name: found[key] for key, name in wanted.items()})
    for node in reversed(graph.nodes):
        if not node.users and node.op not in ("output", "placeholder"):
            graph.erase_node(node)
    return graph


class _TwoGraphs(fx.GraphModule):
    """A graph for training and one for evaluation; train() and eval() choose."""

    def __init__(self, root: nn.Module, train_graph: fx.Graph, eval_graph: fx.Graph):
        super().__init__(root, train_graph if root.training else eval_graph)
        # Both may need modules that the other doesn't.
        for graph in (train_graph, eval_graph):
            made = fx.GraphModule(root, graph)
            for name, child in made.named_children():
                if not hasattr(self, name):
                    self.add_module(name, child)
        self.train_graph, self.eval_graph = train_graph, eval_graph
        self.train(root.training)

    def train(self, mode: bool = True) -> Any:
        if "train_graph" in self.__dict__ and self.training != mode:
            self.graph = self.train_graph if mode else self.eval_graph
        return super().train(mode)


def _names(nodes: Any) -> dict[str, str]:
    return {str(k): str(v) for k, v in nodes.items()} if isinstance(nodes, dict) else {str(n): str(n) for n in nodes}


def create_feature_extractor(
    model: nn.Module,
    return_nodes: Any = None,
    train_return_nodes: Any = None,
    eval_return_nodes: Any = None,
    tracer_kwargs: dict[str, Any] | None = None,
    suppress_diff_warning: bool = False,
    concrete_args: Any = None,
) -> fx.GraphModule:
    """A module that gives a dict of the values at those nodes.

    Args:
        return_nodes: names, or a dict from them to what they are called in the result. A module's name means its last node.
        train_return_nodes, eval_return_nodes: both in place of ``return_nodes``, where the modes differ.
    """
    if return_nodes is None and (train_return_nodes is None or eval_return_nodes is None):
        raise ValueError(
            "Either `return_nodes` or `train_return_nodes` and `eval_return_nodes` together, should be specified"
        )
    if (train_return_nodes is None) != (eval_return_nodes is None):
        raise ValueError(
            "If any of `train_return_nodes` and `eval_return_nodes` are specified, then both should be specified"
        )
    if return_nodes is not None and train_return_nodes is not None:
        raise ValueError(
            "If `train_return_nodes` and `eval_return_nodes` are specified, then `return_nodes` should not be specified"
        )
    if return_nodes is not None:
        train_return_nodes = eval_return_nodes = return_nodes
    training, model = model.training, deepcopy(model)
    graphs = []
    for train, wanted in ((True, train_return_nodes), (False, eval_return_nodes)):
        graphs.append(_picked(*_traced(model, train, tracer_kwargs, concrete_args), _names(wanted)))
    model.train(training)
    return _TwoGraphs(model, *graphs)
