"""Patterns in graphs: what looks like one graph becomes another, as PyTorch's subgraph rewriter does it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from .. import _C


class _Match:
    """What stands for a pattern's values and nodes, the pattern's last node at `anchor`; `found` says whether it all fits."""

    def __init__(self, pattern: Any, anchor: Any) -> None:
        self.pattern, self.values, self.nodes = pattern, {}, {}
        self._block = anchor.owningBlock()
        wanted = list(pattern.nodes())
        self.found = self._node(wanted[-1], anchor) and len(self.nodes) == len(wanted) and self._is_closed()

    def _node(self, wanted: Any, given: Any) -> bool:
        if wanted in self.nodes:
            return self.nodes[wanted] == given
        if wanted.kind() == "match::module":  # a submodule of a class of that name
            name = wanted._attribute("name")
            if given.kind() != "prim::GetAttr" or re.search(r"(\w+)$", str(given.output().type()))[1] != name:  # type: ignore[index]
                return False
        elif wanted.kind() != given.kind() or given.inputsSize() != wanted.inputsSize():
            return False
        if wanted.outputsSize() != given.outputsSize() or list(given.blocks()):
            return False
        if wanted.kind() == "prim::Constant":
            a, b = wanted.output().toIValue(), given.output().toIValue()
            if type(a) is not type(b) or isinstance(a, _C.Tensor) or a != b:
                return False
        elif (
            given.owningBlock() != self._block
            or wanted.kind() != "match::module"
            and any(
                not given.hasAttribute(name) or given._attribute(name) != wanted._attribute(name)
                for name in wanted.attributeNames()
            )
        ):
            return False
        self.nodes[wanted] = given
        self.values.update(zip(wanted.outputs(), given.outputs(), strict=True))
        return all(self._value(w, g) for w, g in zip(wanted.inputs(), given.inputs(), strict=True))

    def _value(self, wanted: Any, given: Any) -> bool:
        if wanted in self.values:
            return self.values[wanted] == given
        if wanted.node() == self.pattern.param_node():
            self.values[wanted] = given
            return True
        places = list(wanted.node().outputs())
        others = list(given.node().outputs())
        at = places.index(wanted)
        return at < len(others) and others[at] == given and self._node(wanted.node(), given.node())

    def _is_closed(self) -> bool:
        """Whether nobody outside uses what is computed on the way."""
        inside, handed_out = set(self.nodes.values()), {self.values[v] for v in self.pattern.outputs()}
        return all(
            use.user in inside
            for node in inside
            if node.kind() != "prim::Constant"
            for value in node.outputs()
            if value not in handed_out
            for use in value.uses()
        )

    def replace(self, graph: Any, replacement: Any) -> None:
        """Puts the replacement where the last of the nodes stands, and takes the nodes away."""
        anchor = self.nodes[list(self.pattern.nodes())[-1]]
        made = dict(zip(replacement.inputs(), (self.values[v] for v in self.pattern.inputs()), strict=True))
        graph.setInsertPoint(anchor)
        for node in replacement.nodes():
            if node.kind() == "prim::Constant":
                made[node.output()] = graph.insertConstant(node.output().toIValue())
                continue
            copy = graph.create(node.kind(), [made[v] for v in node.inputs()], node.outputsSize())
            for name in node.attributeNames():
                copy._set_attribute(name, node._attribute(name))
            graph.insertNode(copy)
            for old, new in zip(node.outputs(), copy.outputs(), strict=True):
                new.setType(old.type())
                made[old] = new
        for old, new in zip(self.pattern.outputs(), replacement.outputs(), strict=True):
            self.values[old].replaceAllUsesWith(made[new])
        for node in reversed(list(self.pattern.nodes())):
            given = self.nodes[node]
            if not given.hasUses():
                given.destroy()


def _blocks(block: Any) -> Iterator[Any]:
    yield block
    for node in block._nodes():
        for inner in node._blocks():
            yield from _blocks(inner)


def rewrite(pattern: str, replacement: str, graph: Any, *_options: Any, **_named: Any) -> None:
    """torch._C._jit_pass_custom_pattern_based_rewrite_graph: what looks like `pattern`, a graph's text, becomes `replacement`."""
    wanted, instead = _C._parse_ir(pattern), _C._parse_ir(replacement)
    if not list(wanted.nodes()):
        raise RuntimeError("a pattern needs a node")
    for block in list(_blocks(graph.block())):
        gone: set[Any] = set()
        for node in list(block._nodes()):
            if node in gone:
                continue
            match = _Match(wanted, node)
            if match.found:
                gone.update(match.nodes.values())
                match.replace(graph, instead)


def rewrite_module(pattern: str, replacement: str, module: Any, *_options: Any, **_named: Any) -> None:
    """The same in all methods of a compiled module, which have not been called yet."""
    for name in module._methods():
        rewrite(pattern, replacement, module._method(name).graph)
