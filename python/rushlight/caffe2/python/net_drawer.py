"""caffe2.python.net_drawer: a net as a graph in graphviz's language."""

from __future__ import annotations

import shutil
import subprocess

from rushlight.caffe2.proto import caffe2_pb2


class Dot:
    """A drawing: to_string() is graphviz's text; create_svg() and create_png() run `dot`, which has to be installed."""

    def __init__(self, name, rankdir="LR"):
        self.name, self.rankdir, self.nodes, self.edges = name, rankdir, [], []

    def node(self, key, label, shape):
        self.nodes.append(f'"{_quoted(key)}" [label="{_quoted(label)}", shape={shape}];')

    def edge(self, a, b):
        self.edges.append(f'"{_quoted(a)}" -> "{_quoted(b)}";')

    def to_string(self):
        return "\n".join(
            [f'digraph "{_quoted(self.name)}" {{', f"rankdir={self.rankdir};", *self.nodes, *self.edges, "}", ""]
        )

    __str__ = to_string

    def create(self, kind):
        dot = shutil.which("dot")
        if dot is None:
            raise RuntimeError(
                "net_drawer: drawing wants graphviz's program dot; install the package graphviz, or take to_string()"
            )
        return subprocess.run(
            [dot, f"-T{kind}"], input=self.to_string().encode(), capture_output=True, check=True
        ).stdout

    def create_svg(self):
        return self.create("svg")

    def create_png(self):
        return self.create("png")

    def write(self, path, format="raw"):
        with open(path, "wb") as f:
            f.write(self.to_string().encode() if format in ("raw", "dot") else self.create(format))


def _quoted(text):
    return str(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _ops_of(operators_or_net):
    if hasattr(operators_or_net, "Proto"):
        operators_or_net = operators_or_net.Proto()
    if isinstance(operators_or_net, caffe2_pb2.NetDef):
        return list(operators_or_net.op), operators_or_net.name
    return list(operators_or_net), "unnamed"


def GetPydotGraph(operators_or_net, name=None, rankdir="LR", op_node_producer=None, **kwargs):
    """Operators as boxes, versions of blobs as octagons."""
    ops, net_name = _ops_of(operators_or_net)
    graph = Dot(name or net_name, rankdir)
    version: dict = {}
    made = set()

    def blob(b):
        key = f"{b}_{version.get(b, 0)}"
        if key not in made:
            made.add(key)
            graph.node(key, b, "octagon")
        return key

    for k, op in enumerate(ops):
        key = f"op{k}"
        graph.node(key, f"{op.name}/{op.type} (op#{k})" if op.name else f"{op.type} (op#{k})", "box")
        for i in op.input:
            graph.edge(blob(i), key)
        for o in op.output:
            version[o] = version.get(o, 0) + 1
            graph.edge(key, blob(o))
    return graph


def GetPydotGraphMinimal(
    operators_or_net, name=None, rankdir="LR", minimal_dependency=False, op_node_producer=None, **kwargs
):
    """Operators only, joined by what one reads of the other."""
    ops, net_name = _ops_of(operators_or_net)
    graph = Dot(name or net_name, rankdir)
    writer: dict = {}
    for k, op in enumerate(ops):
        graph.node(f"op{k}", op.type, "box")
        for a in sorted({writer[i] for i in op.input if i in writer}):
            graph.edge(f"op{a}", f"op{k}")
        for o in op.output:
            writer[o] = k
    return graph


def GetGraphInJson(operators_or_net, output_filepath):
    import json

    ops, _ = _ops_of(operators_or_net)
    with open(output_filepath, "w") as f:
        json.dump([{"type": op.type, "inputs": list(op.input), "outputs": list(op.output)} for op in ops], f)


def GetPlanGraph(plan_def, name=None, rankdir="TB"):
    graph = Dot(name or plan_def.name, rankdir)
    for step in plan_def.execution_step:
        graph.node(step.name, step.name, "box")
        for net in step.network:
            graph.node(net, net, "ellipse")
            graph.edge(step.name, net)
    return graph
