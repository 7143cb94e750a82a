"""A model's graph as TensorBoard's GraphDef, from a recording of its calls."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ..._comforts.recording import record
from . import _protobuf as pb


def graph_def(model: Any, inputs: tuple, verbose: bool = False) -> bytes:
    """Nodes are named by the modules they were called in, which TensorBoard folds: Net/conv1/_conv."""
    made = record(model, inputs, {})
    root = type(model).__name__
    taken: Counter[str] = Counter()

    def unique(name: str) -> str:
        taken[name] += 1
        return name if taken[name] == 1 else f"{name}_{taken[name] - 1}"

    names: dict[int, str] = {}  # of values, with :1 for a second result
    rows: list[tuple[str, str, list[str], list[tuple[int, ...]], str]] = []
    for v in dict.fromkeys(made.inputs):
        names[v] = unique("input/" + made.values[v].name.replace(" ", "_"))
        rows.append((names[v], "IO Node", [], [made.values[v].shape], ""))
    for call in made.calls:
        for v in call.inputs:
            if v not in names:  # a parameter, a buffer, a constant
                value = made.values[v]
                path = value.name.replace(".", "/") or "constant"
                names[v] = unique(f"{root}/{path}")
                rows.append((names[v], "prim::GetAttr" if value.name else "prim::Constant", [], [value.shape], ""))
        path = made.scopes[call.scope].path.replace(".", "/") if call.scope >= 0 else ""
        name = unique("/".join(p for p in (root, path, call.name.rpartition("::")[2]) if p))
        for k, v in enumerate(call.outputs):
            names[v] = f"{name}:{k}" if k else name
        arguments = ", ".join(f"{k}={v}" for k, v in call.arguments.items())
        rows.append(
            (name, call.name, [names[v] for v in call.inputs], [made.values[v].shape for v in call.outputs], arguments)
        )
    for i, v in enumerate(made.outputs):
        name = "output/output" + (f"_{i + 1}" if len(made.outputs) > 1 else "")
        rows.append((name, "IO Node", [names[v]] if v in names else [], [made.values[v].shape], ""))
    if verbose:
        for name, kind, inputs_, _, arguments in rows:
            print(f"{name} = {kind}({', '.join([*inputs_, *([arguments] if arguments else [])])})")
    # versions 4 with producer 1: what TensorFlow's first graphs of this form say
    return b"".join(pb.node(*row) for row in rows) + pb.message(4, pb.integer(1, 22))
