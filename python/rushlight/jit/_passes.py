"""Passes of PyTorch's that no program needs to run faster here, and tools call by name: they change the graph that they are given."""

from __future__ import annotations

import inspect
from typing import Any

from .. import _C
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


# ---- operators in terms of others ----


def insert_graph(graph: Any, other: Any, inputs: list[Any]) -> list[Any]:
    """Copies another graph's nodes, which have no blocks, to the insert point: `inputs` stand for its inputs. What stands for its outputs."""
    made = dict(zip(other.inputs(), inputs, strict=True))
    for node in other.nodes():
        copy = graph.insertNode(graph.createClone(node, made.__getitem__))
        made.update(zip(node._outputs(), copy._outputs(), strict=True))
    return [made[v] for v in other.outputs()]


def _rewritten(graph: Any, pattern: str, replacement: str) -> None:
    from ._rewrite import rewrite

    rewrite(pattern, replacement, graph)


def decompose_ops(graph: Any) -> None:
    """addmm whose factors are both 1 becomes a product and a sum."""
    for node in graph.findAllNodes("aten::addmm"):
        bias, a, b, *factors = node._inputs()
        if len(factors) != 2 or any(f.toIValue() != 1 for f in factors):
            continue
        graph.setInsertPoint(node)
        product = graph.insertNode(graph.create("aten::mm", [a, b], 1)).output()
        total = graph.insertNode(graph.create("aten::add", [bias, product, graph.insertConstant(1)], 1))
        node.output().replaceAllUsesWith(total.output())
        node.destroy()


def fuse_linear(graph: Any) -> None:
    """Products with a transposed matrix, and what is added to them, become linear layers."""
    for node in graph.findAllNodes("aten::matmul"):
        x, transposed = node._inputs()
        if transposed.node().kind() != "aten::t" or len(transposed._uses()) != 1:
            continue
        users = [u.user for u in node.output().uses()]
        last, bias = node, None
        if len(users) >= 1 and users[0].kind() in ("aten::add", "aten::add_") and len(users[0]._inputs()) == 3:
            added, scale = users[0]._inputs()[1:]
            others_after = all(u == users[0] or users[0].isBefore(u) for u in users)
            fits = users[0]._inputs()[0] == node.output() and scale.toIValue() == 1 and others_after
            if fits and added._type_text() == "Tensor" and (users[0].kind() == "aten::add_" or len(users) == 1):
                last, bias = users[0], added
        graph.setInsertPoint(last)
        bias = graph.insertConstant(None) if bias is None else bias
        made = graph.create("aten::linear", [x, transposed.node()._inputs()[0], bias], 1)
        graph.insertNode(made)
        made._set_location(node)
        last.output().replaceAllUsesWith(made.output())
        if last != node:
            if last.kind() == "aten::add_":
                node.output().replaceAllUsesAfterNodeWith(made, made.output())
            last.destroy()
        for gone in (node, transposed.node()):
            gone.destroy()


def transpose_frozen_linear(graph: Any) -> None:
    """Linear layers of constant weights become products with the transposed weights."""
    for node in graph.findAllNodes("aten::linear"):
        x, weight, bias = node._inputs()
        known = weight.toIValue()
        if not isinstance(known, _C.Tensor) or known.dim() != 2:
            continue
        graph.setInsertPoint(node)
        matrix = graph.insertConstant(known.detach().t().contiguous())
        made = graph.insertNode(graph.create("aten::matmul", [x, matrix], 1)).output()
        if bias._type_text() != "NoneType":
            made = graph.insertNode(graph.create("aten::add", [made, bias, graph.insertConstant(1)], 1)).output()
        node.output().replaceAllUsesWith(made)
        node.destroy()


def erase_number_types(graph: Any) -> None:
    """Constant numbers become tensors without dimensions, and values that are numbers are said to be tensors."""
    import rushlight as rl

    for node in _nodes(graph):
        if node.kind() != "prim::Constant":
            continue
        number = node.output().toIValue()
        if isinstance(number, (bool, int, float, complex)):
            graph.setInsertPoint(node)
            made = graph.insertConstant(rl.tensor(number))
            node.output().replaceAllUsesWith(made)
            node.destroy()
    for node in _nodes(graph):
        for value in node._outputs():
            if value._type_text() in ("int", "float", "bool", "number"):
                value._set_type("Tensor")


def remove_dropout(module: Any) -> None:
    """Takes dropout out of a script object's methods, which is in evaluation."""
    if "training" in module._kinds() and module._get("training"):
        raise RuntimeError("Dropout removal module in training mode is not yet supported")
    for name in module._methods():
        module._method(name).graph._pass("remove_frozen_dropout")


_decompositions: dict[str, Any] = {}


def register_decomposition(op: Any, graph: Any) -> None:
    """Says by which graph run_decompositions replaces an operator."""
    _decompositions[str(op._schema).partition("(")[0]] = graph


def run_decompositions(graph: Any) -> None:
    """Operators become the graphs that were registered for them."""
    for node in _nodes(graph):
        instead = _decompositions.get(node.schema().partition("(")[0])
        if instead is None:
            continue
        graph.setInsertPoint(node)
        for old, new in zip(node._outputs(), insert_graph(graph, instead, node._inputs()), strict=True):
            old.replaceAllUsesWith(new)
        node.destroy()
