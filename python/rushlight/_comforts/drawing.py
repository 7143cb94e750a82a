"""draw: the graph of a model as an SVG picture."""

from __future__ import annotations

import html
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .recording import Recording, record


@dataclass
class Node:
    """A box: a module that is shown as one, an operator call, an input, or the output."""

    kind: str  # "input", "output", "module", "operator"
    lines: list[str]
    group: str  # the path of the module around it
    after: set[int] = field(default_factory=set)
    layer: int = 0
    x: float = 0.0
    y: float = 0.0
    width: float = 0.0

    @property
    def height(self) -> float:
        return 10.0 + 15.0 * len(self.lines)


def _shape(recording: Recording, v: int) -> str:
    value = recording.values[v]
    return f"{value.tensor.dtype}".partition(".")[2] + " " + ("x".join(map(str, value.shape)) or "()")


def nodes_of(recording: Recording, depth: int | None) -> list[Node]:
    """The graph: modules without modules inside, or at that depth, are one node; calls elsewhere are nodes of their own."""
    parents = {s.parent for s in recording.scopes}
    level = [sum(1 for _ in recording.ancestors(i)) - 1 for i in range(len(recording.scopes))]
    whole = {
        i
        for i in range(len(recording.scopes))
        if level[i] and (level[i] == depth if depth is not None and i in parents else i not in parents)
    }
    nodes: list[Node] = []
    box: dict[int, int] = {}  # scope -> node
    maker: dict[int, int] = {}  # value -> node

    def add(node: Node) -> int:
        nodes.append(node)
        return len(nodes) - 1

    for v in recording.inputs:
        if not recording.values[v].produced and v not in maker:
            maker[v] = add(Node("input", [recording.values[v].name, _shape(recording, v)], ""))
    for call in recording.calls:
        around = list(recording.ancestors(call.scope))
        shown = next((s for s in reversed(around) if s in whole), None)
        if shown is None:
            path = recording.scopes[call.scope].path if call.scope >= 0 else ""
            results = ", ".join(_shape(recording, v) for v in call.outputs)
            at = add(Node("operator", [call.name.removeprefix("aten::"), results], path))
        else:
            if shown not in box:
                s = recording.scopes[shown]
                kind = type(s.module).__name__ if s.module is not None else "module"
                title = f"{s.path.rpartition('.')[2]}: {kind}" if s.path else kind
                parameters = sum(p.numel() for p in s.module.parameters()) if s.module is not None else 0
                lines = [title, ", ".join(_shape(recording, v) for v in s.outputs)]
                box[shown] = add(
                    Node("module", lines + [f"{parameters:,} parameters"] * bool(parameters), s.path.rpartition(".")[0])
                )
            at = box[shown]
        for v in call.inputs:
            if maker.get(v, at) != at:
                nodes[at].after.add(maker[v])
        for v in call.outputs:
            maker[v] = at
    outputs = {maker[v] for v in recording.outputs if v in maker}
    if outputs:
        shapes = [_shape(recording, v) for v in recording.outputs]
        add(Node("output", ["output", *shapes[:4], *["..."] * (len(shapes) > 4)], "", outputs))
    return _needed(nodes)


def _needed(nodes: list[Node]) -> list[Node]:
    """Without what leads to no output (the transposed weight of a product inside a module is no news either)."""
    keep = {i for i, n in enumerate(nodes) if n.kind in ("output", "input")}
    stack = [i for i in keep if nodes[i].kind == "output"]
    while stack:
        for i in nodes[stack.pop()].after - keep:
            keep.add(i)
            stack.append(i)
    place = {old: new for new, old in enumerate(sorted(keep))}
    kept = [nodes[i] for i in sorted(keep)]
    for n in kept:
        n.after = {place[i] for i in n.after if i in place}
    return kept


def _lay_out(nodes: list[Node]) -> tuple[float, float]:
    """Layers from the top by the longest way from an input; inside of a layer by where a node's neighbours are."""
    layers: list[list[int]] = []
    for i, n in enumerate(nodes):  # calls stand in the order in which they ran
        n.width = 24 + 6.6 * max(len(line) for line in n.lines)
        n.layer = 1 + max((nodes[j].layer for j in n.after if j < i), default=-1)
        while len(layers) <= n.layer:
            layers.append([])
        layers[n.layer].append(i)
    before: list[list[int]] = [[] for _ in nodes]
    for i, n in enumerate(nodes):
        for j in n.after:
            before[j].append(i)
    order = {i: float(p) for layer in layers for p, i in enumerate(layer)}
    for sweep in range(4):
        down = sweep % 2 == 0
        for layer in layers if down else reversed(layers):
            near = {i: [order[j] for j in (nodes[i].after if down else before[i])] for i in layer}
            layer.sort(key=lambda i, near=near: sum(near[i]) / len(near[i]) if near[i] else order[i])
            order.update({i: float(p) for p, i in enumerate(layer)})
    widths = [sum(nodes[i].width for i in layer) + 24 * (len(layer) - 1) for layer in layers]
    total, y = max(widths, default=0) + 40, 20.0
    for layer, width in zip(layers, widths, strict=True):
        x = (total - width) / 2
        for i in layer:
            nodes[i].x, nodes[i].y = x, y
            x += nodes[i].width + 24
        y += max(nodes[i].height for i in layer) + 34
    return total, y - 14


_COLORS = ("#dbe9f6", "#fde2c8", "#d9efd5", "#eadcf2", "#f8d7da", "#fdf3c3", "#d5eeee", "#e6e2d8")


class Drawing:
    """An SVG picture: ``text``, or ``save(path)``. Notebooks show it."""

    def __init__(self, recording: Recording, depth: int | None) -> None:
        self.nodes = nodes_of(recording, depth)
        width, height = _lay_out(self.nodes)
        groups: dict[str, str] = {}
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
            f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="monospace" font-size="11">',
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
            '<path d="M0 0 8 4 0 8z" fill="#777"/></marker></defs>',
            f'<rect width="{width:.0f}" height="{height:.0f}" fill="white"/>',
        ]
        for n in self.nodes:
            for j in sorted(n.after):
                a = self.nodes[j]
                x1, y1, x2, y2 = a.x + a.width / 2, a.y + a.height, n.x + n.width / 2, n.y
                if n.layer - a.layer > 1:  # past the boxes of the layers between
                    bend = max(a.x + a.width, n.x + n.width) + 12
                    way = f"M{x1:.0f} {y1:.0f}C{x1:.0f} {y1 + 30:.0f} {bend:.0f} {y1 + 10:.0f} {bend:.0f} {(y1 + y2) / 2:.0f}"
                    way += f"S{x2:.0f} {y2 - 30:.0f} {x2:.0f} {y2:.0f}"
                else:
                    middle = (y1 + y2) / 2
                    way = f"M{x1:.0f} {y1:.0f}C{x1:.0f} {middle:.0f} {x2:.0f} {middle:.0f} {x2:.0f} {y2:.0f}"
                parts.append(f'<path d="{way}" fill="none" stroke="#777" marker-end="url(#tip)"/>')
        for n in self.nodes:
            fill = "#f2f2f2"
            if n.kind in ("module", "operator"):
                fill = groups.setdefault(n.group, _COLORS[len(groups) % len(_COLORS)])
            round_corners = 12 if n.kind in ("input", "output") else 4 if n.kind == "module" else 0
            parts.append(
                f'<g><title>{html.escape(n.group)}</title><rect x="{n.x:.0f}" y="{n.y:.0f}" width="{n.width:.0f}" '
                f'height="{n.height:.0f}" rx="{round_corners}" fill="{fill}" stroke="#555"/>'
            )
            for row, line in enumerate(n.lines):
                bold = ' font-weight="bold"' if row == 0 else ""
                parts.append(
                    f'<text x="{n.x + n.width / 2:.0f}" y="{n.y + 17 + 15 * row:.0f}" text-anchor="middle"{bold}>'
                    f"{html.escape(line)}</text>"
                )
            parts.append("</g>")
        self.text = "\n".join([*parts, "</svg>\n"])

    def save(self, path: str | os.PathLike) -> None:
        with open(path, "w", encoding="utf-8") as f:
            f.write(self.text)

    def _repr_svg_(self) -> str:
        return self.text


def draw(model: Callable, *inputs: Any, depth: int | None = None, **kwargs: Any) -> Drawing:
    """Calls the model once, in evaluation mode and without gradients, and draws what happened as an SVG picture.

    A box is a module that has no modules inside, or a call that a module around them makes by itself; its colour tells which. An arrow is
    a tensor. What leads to no output is left out.

    Args:
        model: a module, or any function of tensors.
        inputs, kwargs: what it is called with. A tuple of whole numbers stands for a float tensor of that shape.
        depth: modules this deep are one box, whatever is inside. Default: only those with no modules inside.

    >>> import rushlight as torch
    >>> net = torch.nn.Sequential(torch.nn.Linear(8, 4), torch.nn.ReLU())
    >>> picture = torch.draw(net, (1, 8))
    >>> [node.lines[0] for node in picture.nodes]
    ['input', '0: Linear', '1: ReLU', 'output']
    >>> picture.text.startswith("<svg")
    True
    """
    return Drawing(record(model, inputs, kwargs), depth)
