"""Passes of PyTorch's that no program needs to run faster here, and tools call by name: they change the graph that they are given."""

from __future__ import annotations

import inspect
from typing import Any

from ._graph import _nodes_below


def _activations() -> set[str]:
    """The functions of nn that may write in place, dropout apart."""
    from ..nn import functional

    def may(name: str) -> bool:
        function = getattr(functional, name)
        try:
            known = inspect.signature(function).parameters
        except (TypeError, ValueError):  # no function, or one that tells nothing of its parameters
            return False
        return "inplace" in known and "p" not in known

    return {f"aten::{name}" for name in dir(functional) if may(name)}


def _nodes(graph: Any) -> list[Any]:
    return list(_nodes_below(graph.block(), True))


def functional_to_inplace_activation(graph: Any) -> None:
    """Activations of a tensor that an operator made and nobody else uses write to it."""
    memory, activations = graph._memory(), _activations()
    for node in _nodes(graph):
        if node.kind() not in activations:
            continue
        value = node._inputs()[0]
        maker = value.node()
        fresh = maker.owningBlock() == node.owningBlock() and maker.kind().startswith("aten::")
        if not fresh or "(a" in maker.schema() or len(value._uses()) != 1 or memory[value][1]:
            continue
        written = graph.create(node.kind() + "_", node._inputs(), 1)
        written.insertBefore(node)
        if written.schema() == "(no schema)":
            written.destroy()
            continue
        node._outputs()[0].replaceAllUsesWith(written._outputs()[0])
        node.destroy()


# ---- what conditions say of numbers ----


class _Said:
    """What a bool says of values where it is True, and where it is False: the numbers that they are. None: it never is."""

    def __init__(self, true: dict[Any, int] | None = None, false: dict[Any, int] | None = None) -> None:
        self.sides = ({} if true is None else true, {} if false is None else false)
        self.never = [False, False]

    def side(self, value: bool) -> dict[Any, int] | None:
        return None if self.never[not value] else self.sides[not value]


class _Refined:
    """Goes through a graph with what comparisons and assertions have said so far. `subject` gives what a value is about: a list for its
    length, or a number itself; `found` is told of each node's input that is known."""

    def __init__(self, graph: Any, subject: Any, found: Any) -> None:
        self.subject, self.found = subject, found
        self.said: dict[Any, _Said] = {}
        self.block(graph.block(), {})

    def of(self, value: Any) -> _Said:
        if value in self.said:
            return self.said[value]
        known = value.toIValue()
        said = _Said()
        if isinstance(known, bool):
            said.never = [not known, known]
        return said

    def block(self, block: Any, facts: dict[Any, int]) -> bool:
        """False if the block raises whenever it runs; `facts` has what holds at its end."""
        for node in block._nodes():
            kind = node.kind()
            if kind == "prim::RaiseException":
                return False
            if kind in ("aten::eq", "aten::ne") and len(node._inputs()) == 2:
                self.compared(node, kind == "aten::eq")
            elif kind == "aten::__not__":
                said = self.of(node._inputs()[0])
                self.said[node._outputs()[0]] = turned = _Said(said.sides[1], said.sides[0])
                turned.never = said.never[::-1]
            elif kind == "prim::If":
                if not self.branches(node, facts):
                    return False
                continue
            for inner in node._blocks():
                self.block(inner, dict(facts))
            self.found(node, facts)
        self.found(block.returnNode(), facts)
        return True

    def compared(self, node: Any, equal: bool) -> None:
        for a, b in (node._inputs(), node._inputs()[::-1]):
            number, subject = b.toIValue(), self.subject(a)
            if subject is not None and type(number) is int:
                said = {subject: number}
                self.said[node._outputs()[0]] = _Said(said, {}) if equal else _Said({}, said)
        a, b = node._inputs()
        if b.toIValue() is None:
            a, b = b, a
        if isinstance(b.toIValue(), bool):  # x == False
            said, same = self.of(a), b.toIValue() == equal
            self.said[node._outputs()[0]] = turned = _Said(*(said.sides if same else said.sides[::-1]))
            turned.never = said.never if same else said.never[::-1]

    def branches(self, node: Any, facts: dict[Any, int]) -> bool:
        condition = self.of(node._inputs()[0])
        ends: list[Any] = []  # what holds at the end of each branch; None where it isn't reached
        for block, taken in zip(node._blocks(), (True, False), strict=True):
            said = condition.side(taken)
            inside = {**facts, **(said or {})}
            reached = self.block(block, inside)
            ends.append(inside if reached and said is not None else None)
        reached_ends = [end for end in ends if end is not None]
        if not reached_ends:
            return False
        facts.clear()
        facts.update(_common(reached_ends))
        for i, value in enumerate(node._outputs()):
            if value._type_text() != "bool":
                continue
            outs = [self.of(b._outputs()[i]) for b in node._blocks()]
            made = self.said[value] = _Said()
            for at, wanted in enumerate((True, False)):
                sides = [{**end, **(out.side(wanted) or {})} for end, out in zip(ends, outs, strict=True)
                         if end is not None and out.side(wanted) is not None]  # fmt: skip
                made.never[at] = not sides
                made.sides[at].update(_common(sides))
        return True


def _common(many: list[dict[Any, int]]) -> dict[Any, int]:
    """What all of them say."""
    return {k: v for k, v in many[0].items() if all(k in m and m[k] == v for m in many[1:])} if many else {}


def _use_constant(graph: Any, node: Any, value: Any, number: int) -> None:
    graph.setInsertPoint(node)
    made = graph.insertConstant(number)
    for i, given in enumerate(node._inputs()):
        if given == value:
            node.replaceInput(i, made)


def peephole_list_idioms(graph: Any, refine_list_len: bool = False) -> None:
    """Lengths, items and slices of lists that are written down in the graph are known; so are lengths that a branch or an assertion has
    asked for, if refine_list_len, of lists that nothing writes to."""
    graph._pass("peephole")
    if not refine_list_len:
        return
    memory = graph._memory()

    def subject(value: Any) -> Any:
        node = value.node()
        if node.kind() != "aten::len" or not node._inputs()[0]._type_text().startswith("List["):
            return None
        return None if memory[node._inputs()[0]][1] else node._inputs()[0]

    def found(node: Any, facts: dict[Any, int]) -> None:
        if node.kind() == "aten::len" and node._inputs()[0] in facts and subject(node._outputs()[0]) is not None:
            graph.setInsertPoint(node)
            known.append((node, graph.insertConstant(facts[node._inputs()[0]])))

    known: list[Any] = []
    _Refined(graph, subject, found)
    for node, constant in known:
        node._outputs()[0].replaceAllUsesWith(constant)
        node.destroy()


def refine_integer_values(graph: Any) -> None:
    """Integers that a branch or an assertion has compared with a constant are that constant."""

    def found(node: Any, facts: dict[Any, int]) -> None:
        for value in node._inputs():
            if value in facts:
                _use_constant(graph, node, value, facts[value])

    refined = _Refined(graph, lambda v: v if v._type_text() == "int" and v.toIValue() is None else None, found)
    for node in _nodes(graph):
        if node.kind() == "prim::If":
            _same_on_both_sides(node, refined.of(node._inputs()[0]))


def _same_on_both_sides(node: Any, said: _Said) -> None:
    """1 where x is 1, and else x, is x."""
    for i, value in enumerate(node._outputs()):
        outs = [b._outputs()[i] for b in node._blocks()]
        for side, (a, b) in ((True, outs), (False, outs[::-1])):
            number = (said.side(side) or {}).get(b)
            if number is not None and type(a.toIValue()) is int and a.toIValue() == number:
                value.replaceAllUsesWith(b)
