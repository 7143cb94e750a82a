"""What graphs, nodes and values offer besides what _C has of them: PyTorch's methods, for tools that walk through graphs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from .. import _C


class Use(NamedTuple):
    """Who uses a value, and as which input."""

    user: Any
    offset: int

    def isAfter(self, other: Any) -> bool:  # noqa: N802
        """Whether this use comes after another."""
        return self.offset > other.offset if self.user == other.user else _is_before(other.user, self.user)


def _nodes_below(block: Any, recurse: bool) -> Iterator[Any]:
    for node in block._nodes():
        yield node
        if recurse:
            for inner in node._blocks():
                yield from _nodes_below(inner, recurse)


def _find_all(self: Any, kind: str, recurse: bool = True) -> list[Any]:
    """The nodes of a kind, those of inner blocks among them if recurse."""
    return [n for n in _nodes_below(_block_of(self), recurse) if n.kind() == kind]


def _find(self: Any, kind: str, recurse: bool = True) -> Any:
    """The first node of a kind; None if there is none."""
    return next((n for n in _nodes_below(_block_of(self), recurse) if n.kind() == kind), None)


def _block_of(self: Any) -> Any:
    return self.block() if isinstance(self, _C.Graph) else self


def _constant_attribute(node: Any, name: str) -> Any:
    return node._attribute(name)


_KINDS = {"int": "i", "float": "f", "str": "s", "Tensor": "t", "bool": "i", "List[int]": "is", "List[float]": "fs",
          "List[str]": "ss", "List[Tensor]": "ts"}  # fmt: skip


def _kind_of(node: Any, name: str) -> str:
    """PyTorch's letters: i, f, s, t, is, fs, ss, ts, and ival for anything else."""
    return _KINDS.get(node._attribute_kind(name), "ival")


def _setter(node: Any, name: str, value: Any) -> Any:
    node._set_attribute(name, value)
    return node


def _only(items: list[Any], what: str) -> Any:
    if len(items) != 1:
        raise RuntimeError(f"expected one {what}, and there are {len(items)}")
    return items[0]


def _named_input(node: Any, name: str) -> Any:
    """The input that the operator's schema calls so."""
    for overload in _C._op_overloads(node.kind()):
        names = [a.name for a in overload.arguments] if hasattr(overload, "arguments") else []
        if name in names and len(names) == len(node._inputs()):
            return node._inputs()[names.index(name)]
    raise RuntimeError(f"{node.kind()} has no input named '{name}'")


def _source_range(node: Any) -> str:
    file, line, column, around = node._location()
    return around or (f"{file}:{line}:{column}" if file else "")


def _scope(node: Any) -> str:
    return node._attribute("scope") if "scope" in node.attributeNames() else ""


def _node_text(node: Any) -> str:
    """The node's own lines of the graph's text."""
    outs = ", ".join(f"%{v.debugName()} : {v._type_text()}" for v in node._outputs())
    ins = ", ".join(f"%{v.debugName()}" for v in node._inputs())
    file, line, column, _ = node._location()
    attributes = ", ".join(f"{name}={_shown(node._attribute(name))}" for name in node.attributeNames())
    place = f" # {file}:{line}:{column}" if file else ""
    return f"{outs} = {node.kind()}{f'[{attributes}]' if attributes else ''}({ins}){place}\n"


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return '"' + value + '"'
    return "<Tensor>" if isinstance(value, _C.Tensor) else str(value)


def _value_text(value: Any) -> str:
    return f"{value.debugName()} defined in ({_node_text(value.node()).rstrip()})"


def _set_type(value: Any, kind: Any) -> Any:
    from ._types import TensorType, Type

    value._set_type(kind.annotation_str if isinstance(kind, Type) else str(kind))
    value._set_facts(kind._known if isinstance(kind, TensorType) else None)
    return value


def _uses(value: Any) -> list[Use]:
    return [Use(*u) for u in value._uses()]


def _create(self: Any, kind: str, *args: Any) -> Any:
    """create(kind, inputs=[], outputs=1); the second may be the number of outputs alone."""
    if any(v is None for a in args if isinstance(a, (list, tuple)) for v in a):
        raise ValueError("create: an input is None")
    if len(args) == 1 and isinstance(args[0], int):
        return self._create(kind, [], args[0])
    return self._create(kind, *args)


def _clone(self: Any, node: Any, of: Any) -> Any:
    """A node as another, of this graph or not, that stands nowhere yet: of() gives its inputs for the other's."""
    made = self._create(node.kind(), [of(v) for v in node._inputs()], len(node._outputs()))
    if node._blocks():
        raise RuntimeError(f"createClone: {node.kind()} has blocks, which are not copied; copy the graph")
    for name in node.attributeNames():
        made._set_attribute(name, node._attribute(name))
    for new, old in zip(made._outputs(), node._outputs(), strict=True):
        new._set_type(old._type_text())
        new._set_facts(getattr(old.type(), "_known", None))
    return made


@contextlib.contextmanager
def _insert_point_guard(graph: Any, place: Any) -> Iterator[None]:
    """Nodes are put before a node, or at the end of a block, for a while."""
    before = graph.insertPoint()
    graph.setInsertPoint(place)
    try:
        yield
    finally:
        graph.setInsertPoint(before)


def _insert_graph(graph: Any, other: Any, inputs: list[Any]) -> list[Any]:
    from ._passes import insert_graph

    return insert_graph(graph, other, inputs)


class _AliasDb:
    """Which values of a graph may share memory, and which something writes to."""

    def __init__(self, graph: Any) -> None:
        self._memory = graph._memory()

    def may_contain_alias(self, a: Any, b: Any) -> bool:
        """Whether two values, or any of two lists of values, may be in one memory, or hold what is."""
        sets = [{self._memory[v][0] for v in (x if isinstance(x, (list, tuple)) else [x])} for x in (a, b)]
        return bool(sets[0] & sets[1])

    may_alias = may_contain_alias

    def has_writers(self, value: Any) -> bool:
        """Whether something writes to what the value may share memory with."""
        return self._memory[value][1]


def _replace_after(value: Any, node: Any, other: Any) -> None:
    """Those who use the value after the node use another."""
    for user, offset in value._uses():
        if node.isBefore(user):
            user.replaceInput(offset, other)


def _is_before(a: Any, b: Any) -> bool:
    """Whether a stands before b, each looked for from the outside in."""
    order = {n: i for i, n in enumerate(_nodes_below(a.owningGraph().block(), True))}
    return order.get(a, -1) < order.get(b, len(order))


def _iterator(read: Any) -> Any:
    return lambda self: iter(read(self))


def _iterators(cls: Any, *names: str) -> None:
    for name in names:
        setattr(cls, name, _iterator(getattr(cls, "_" + name)))


_hides = 0


@contextlib.contextmanager
def _hide_source_ranges() -> Iterator[None]:
    """Graphs are printed without the places in the source that their nodes come from."""
    global _hides
    _hides += 1
    try:
        yield
    finally:
        _hides -= 1


def _install() -> None:
    graph, block, node, value = _C.Graph, _C.Block, _C.Node, _C.Value
    graph._create = graph.create
    graph.create = _create
    graph.createClone = _clone
    graph.inputs = lambda g: iter(g.block()._inputs())
    graph.outputs = lambda g: iter(g.block()._outputs())
    graph.nodes = lambda g: iter(g.block()._nodes())
    graph.addInput = lambda g, name="": g._add_input(name)
    graph.registerOutput = lambda g, v: g.block().registerOutput(v)
    graph.param_node = lambda g: g.block().paramNode()
    graph.return_node = lambda g: g.block().returnNode()
    graph.appendNode = lambda g, n: (g.block()._append(n), n)[1]
    graph.prependNode = lambda g, n: (n.insertBefore(next(iter([*g.nodes(), g.return_node()]))), n)[1]
    graph.str = lambda g, print_source_ranges=True: g._text(print_source_ranges)
    graph.__str__ = graph.__repr__ = lambda g: g._text(not _hides)
    graph.insert_point_guard, graph.insertGraph = _insert_point_guard, _insert_graph
    graph.alias_db = lambda g, *_: _AliasDb(g)
    _iterators(block, "nodes", "inputs", "outputs")
    for cls in (graph, block):
        cls.findNode, cls.findAllNodes = _find, _find_all
    block.addNode = lambda b, kind, inputs: (lambda n: (b._append(n), n)[1])(
        b.paramNode().owningGraph().create(kind, list(inputs))
    )

    _iterators(node, "inputs", "outputs", "blocks")
    node.inputsSize, node.outputsSize = lambda n: len(n._inputs()), lambda n: len(n._outputs())
    node.inputsAt, node.outputsAt = lambda n, i: n._inputs()[i], lambda n, i: n._outputs()[i]
    node.input = lambda n: _only(n._inputs(), "input")
    node.output = lambda n: _only(n._outputs(), "output")
    node.hasMultipleOutputs = lambda n: len(n._outputs()) > 1
    node.hasUses = lambda n: any(v._uses() for v in n._outputs())
    node.hasAttribute = lambda n, name: name in n.attributeNames()
    node.hasAttributes = lambda n: bool(n.attributeNames())
    node.mustBeNone = lambda n: n.kind() == "prim::Constant" and not n.attributeNames()
    node.namedInput, node.kindOf, node.isBefore = _named_input, _kind_of, _is_before
    node.isAfter = lambda a, b: _is_before(b, a)
    node.sourceRange, node.scopeName = _source_range, _scope
    node.findNode = lambda n, kind, recurse=True: next(iter(n.findAllNodes(kind, recurse)), None)
    node.findAllNodes = lambda n, kind, recurse=True: [f for b in n._blocks() for f in _find_all(b, kind, recurse)]
    node.replaceInputWith = lambda n, old, new: [n.replaceInput(i, new) for i, v in enumerate(n._inputs()) if v == old]
    node.matches = lambda n, schema: n.schema() == schema
    node.__str__ = node.__repr__ = _node_text
    node.__getitem__ = lambda n, name: getattr(n, n.kindOf(name))(name)
    for letter in ("i", "f", "s", "t", "is", "fs", "ss", "ts", "z", "ival"):
        setattr(node, letter, _constant_attribute)
        setattr(node, letter + "_", _setter)
    node.is_ = _setter

    value.uses, value.setType = _uses, _set_type
    value.replaceAllUsesAfterNodeWith = _replace_after
    value.requires_grad = lambda v: bool(getattr(v.type(), "requiresGrad", bool)())
    value.requiresGrad = lambda v: getattr(v.type(), "requiresGrad", lambda: None)()
    value.isCompleteTensor = lambda v: None not in (getattr(v.type(), "_known", None) or (None,))
    value.__str__ = value.__repr__ = _value_text


_install()
ready = True


def _propagation_passes() -> tuple[str, ...]:
    return ("propagate_shapes_on_graph", "propagate_dtype", "propagate_device", "complete_shape_analysis")


def run_pass(name: str) -> Any:
    """torch._C._jit_pass_<name>: changes the graph that it is called with."""
    if name.startswith("custom_pattern_based_rewrite"):
        from . import _rewrite

        return _rewrite.rewrite if name.endswith("_graph") else _rewrite.rewrite_module
    if name == "lint":
        return lambda graph: graph.lint()
    if name in _propagation_passes():
        from . import _propagation

        return getattr(_propagation, name)
    from . import _passes

    if not name.startswith("_") and callable(made := getattr(_passes, name, None)):
        return made
    if name == "canonicalize":
        return lambda graph, keep_unique_names=True: graph.copy()
    return lambda graph, *_options, **_named: graph._pass(name)
