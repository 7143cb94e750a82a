"""Takes out calls that were made before with the same arguments."""

from __future__ import annotations

from rushlight import ops

from ....graph import Graph
from ....graph_module import GraphModule
from ....node import Node, map_arg
from ...infra.pass_base import PassBase, PassResult

__all__ = ["CSEPass", "get_CSE_banned_ops"]
_drawing = (
    "dropout bernoulli multinomial native_dropout normal poisson binomial rrelu rand_like rand randint randn randperm"
)
_writing = "add_ sub_ mul_ div_ pow_ lerp_ relu_ sigmoid_ tanh_"


def get_CSE_banned_ops() -> set:
    """Operators that give something else at each call, or write to their arguments."""
    found = (getattr(ops.aten, name, None) for name in f"{_drawing} {_writing} _standard_gamma".split())
    return {op for op in found if op is not None}


class CSEPass(PassBase):
    """Common subexpression elimination; calls of `banned_ops` are kept."""

    def __init__(self, banned_ops: set | None = None):
        self.banned_ops = banned_ops or set()

    def call(self, graph_module: GraphModule) -> PassResult:
        """A module without them, or the same if there are none."""
        graph, made, seen = Graph(), {}, {}
        for n in graph_module.graph.nodes:
            keep = n.op in ("placeholder", "output", "get_attr") or (
                getattr(n.target, "overloadpacket", n.target) in self.banned_ops
            )
            args, kwargs = map_arg(n.args, made.__getitem__), map_arg(n.kwargs, made.__getitem__)
            key = None if keep else (n.op, n.target, _frozen(args), _frozen(kwargs))
            if key is not None and key in seen:
                made[n] = seen[key]
                continue
            made[n] = graph.node_copy(n, made.__getitem__)
            if key is not None:
                seen[key] = made[n]
        changed = len(graph.nodes) != len(graph_module.graph.nodes)
        return PassResult(GraphModule(graph_module, graph) if changed else graph_module, changed)


def _frozen(a):
    """An argument as something with a hash, 1 and True and 1.0 apart."""
    if isinstance(a, (list, tuple)):
        return (type(a).__name__, *map(_frozen, a))
    if isinstance(a, dict):
        return ("dict", *((k, _frozen(v)) for k, v in sorted(a.items(), key=str)))
    if isinstance(a, slice):
        return ("slice", _frozen(a.start), _frozen(a.stop), _frozen(a.step))
    if isinstance(a, Node):
        return a
    return (type(a), repr(a) if isinstance(a, float) else a)
