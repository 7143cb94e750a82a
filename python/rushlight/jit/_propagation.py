"""What is known of the tensors of a graph, found from what is said of its inputs: shapes, dtypes and devices.

No operator has a second shape rule for this: each node is run by itself on the meta device. Where sizes are symbols it is run for several
numbers in their place, ones among them, and a size of the result is a number, or a symbol that is there already, if it is that in all of the
runs; else it is a new symbol. Runs that raise are of sizes which the program would not take, and count no longer.

>>> import rushlight as torch
>>> @torch.jit.script
... def f(x, y):
...     return torch.cat([x, y]) * 2
>>> for value, sizes in zip(f.graph.inputs(), ([2, 3], [5, 3])):
...     _ = value.setType(value.type().with_sizes(sizes))
>>> torch._C._jit_pass_propagate_shapes_on_graph(f.graph)
>>> next(f.graph.outputs()).type().sizes()
[7, 3]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from .. import _C
from ._graph import _nodes_below
from ._types import ClassType, TensorType, new_symbol

_RUNS = 12
_UNKNOWN: Any = object()
Run = tuple  # of a number in each of the runs


class _Tensor(NamedTuple):
    """What is known of a tensor: sizes is a list of a tuple for each dimension, of what it is in each run; None is unknown."""

    sizes: Any = None
    dtype: Any = None
    device: Any = None
    grad: Any = None


class _Each(NamedTuple):
    """A value that is no tensor: what it is in each run."""

    runs: Sequence[Any]


def _numbers_for(symbol: int) -> Run:
    """What stands for a symbol in the runs: two where all are equal, one where each differs, and ones among sevens."""
    n = -symbol
    bits = [7 if n >> i & 1 else 1 for i in range(4)]
    return (6, 10, 11 + n, *bits, *[8 - b for b in bits], 29 + 3 * n)


def _nodes(graph: Any) -> list[Any]:
    return list(_nodes_below(graph.block(), True))


def _writes(node: Any) -> list[int]:
    """The inputs that the node's operator writes to."""
    schema = node.schema()
    if "!" not in schema:
        return []
    depth, at, found = 0, 0, []
    for c in schema[schema.index("(") :].partition(" -> ")[0]:
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(c, 0)
        at += c == "," and depth == 1
        if c == "!" and at not in found:
            found.append(at)
    return found


def _reshapes(node: Any) -> bool:
    return node._reshapes() or "out!" in node.schema() or "!) out" in node.schema()


def _any_of(value: Any) -> Any:
    """Nothing is known but the type: what differs in the runs."""
    text = value._type_text()
    if text == "Tensor":
        return _Tensor()
    if text == "bool":
        return _Each((True, False) * (_RUNS // 2))
    numbers = _numbers_for(new_symbol())
    return _Each(numbers) if text == "int" else _Each([n + 0.5 for n in numbers]) if text == "float" else _UNKNOWN


class _Analysis:
    def __init__(self, graph: Any) -> None:
        self.known: dict[Any, Any] = {}
        self.alive = [True] * _RUNS
        self.written = {n._inputs()[i] for n in _nodes(graph) for i in _writes(n) if i < len(n._inputs())}
        self.reshaped = {v for n in _nodes(graph) if _reshapes(n) for v in (*n._inputs(), *n._outputs())}
        self.spread(graph)
        for value in graph.inputs():
            self.known[value] = self.given(value)
        self.block(graph.block())

    def spread(self, graph: Any) -> None:
        """What may be the same tensor as one that is reshaped is reshaped."""
        grows = bool(self.reshaped)
        while grows:
            grows = False
            for node in _nodes(graph):
                if "(a" not in node.schema() and not node._blocks():
                    continue
                around = {*node._inputs(), *node._outputs()}
                for inner in node._blocks():
                    around |= {*inner._inputs(), *inner._outputs()}
                around = {v for v in around if v._type_text() == "Tensor"}
                if around & self.reshaped and not around <= self.reshaped:
                    self.reshaped |= around
                    grows = True

    def given(self, value: Any) -> Any:
        kind = value.type()
        if isinstance(kind, TensorType):
            dtype, sizes, _, device, grad = kind._known or (None,) * 5
            dims = None if sizes is None else [(s,) * _RUNS if s >= 0 else _numbers_for(s) for s in sizes]
            return _Tensor(dims, dtype, device, grad)
        return _any_of(value)

    # ---- what nodes do ----

    def block(self, block: Any) -> None:
        for node in block._nodes():
            self.node(node)

    def node(self, node: Any) -> None:
        kind = node.kind()
        if kind == "prim::If":
            self.branches(node)
        elif kind == "prim::Loop":
            self.loop(node)
        else:
            results = self.results(node)
            for value, result in zip(node._outputs(), results, strict=True):
                if value in self.reshaped and isinstance(result, _Tensor):
                    result = _Tensor(None, result.dtype, result.device, result.grad)
                self.known[value] = result

    def branches(self, node: Any) -> None:
        for block in node._blocks():
            self.block(block)
        yes, no = (b._outputs() for b in node._blocks())
        for value, a, b in zip(node._outputs(), yes, no, strict=True):
            self.known[value] = self.joined(self.known.get(a, _UNKNOWN), self.known.get(b, _UNKNOWN))

    def loop(self, node: Any) -> None:
        body = node._blocks()[0]
        turn, *inside = body._inputs()
        self.known[turn] = _Each(_numbers_for(new_symbol()))
        now = [self.known.get(v, _UNKNOWN) for v in node._inputs()[2:]]
        for _ in range(4):
            self.known.update(zip(inside, now, strict=True))
            self.block(body)
            after = [self.known.get(v, _UNKNOWN) for v in body._outputs()[1:]]
            joined = [self.joined(a, b) for a, b in zip(now, after, strict=True)]
            if joined == now:
                break
            now = joined
        else:
            now = [_Tensor() if isinstance(v, _Tensor) else _UNKNOWN for v in now]
            self.known.update(zip(inside, now, strict=True))
            self.block(body)
        self.known.update(zip(node._outputs(), now, strict=True))

    def joined(self, a: Any, b: Any) -> Any:
        """What holds for both."""
        if isinstance(a, _Tensor) and isinstance(b, _Tensor):
            sizes = None
            if a.sizes is not None and b.sizes is not None and len(a.sizes) == len(b.sizes):
                sizes = [m if m == n else _numbers_for(new_symbol()) for m, n in zip(a.sizes, b.sizes, strict=True)]
            return _Tensor(sizes, *(m if m == n else None for m, n in zip(a[1:], b[1:], strict=True)))
        return a if a is b or (isinstance(a, _Each) and isinstance(b, _Each) and _same(a.runs, b.runs)) else _UNKNOWN

    def results(self, node: Any) -> list[Any]:
        kind, outputs = node.kind(), node._outputs()
        nothing = [_any_of(v) for v in outputs]
        if kind == "prim::Constant":
            return [self.constant(outputs[0].toIValue())]
        inputs = [self.known.get(v, _UNKNOWN) for v in node._inputs()]
        if any(v in self.written and v._type_text().startswith("List[") for v in (*node._inputs(), *outputs)):
            return nothing  # a list that may be another by now
        if kind == "prim::ListConstruct" and outputs[0]._type_text() in ("List[int]", "List[Tensor]"):
            return [_Each([[self.at(v, run) for v in inputs] for run in range(_RUNS)])]
        if len(outputs) == 1 and _writes(node) == [0] and isinstance(inputs[0], _Tensor):
            return [inputs[0]]  # a function in place gives what it was given
        dims = self.viewed(kind, inputs)
        if dims is not None:
            return [_Tensor(dims, *inputs[0][1:])]
        return self.tried(node, inputs) or nothing

    def viewed(self, kind: str, inputs: list[Any]) -> Any:
        """The sizes that a tensor is viewed at of which nothing is known."""
        if (
            kind not in ("aten::view", "aten::reshape")
            or not isinstance(inputs[0], _Tensor)
            or inputs[0].sizes is not None
        ):
            return None
        if not isinstance(inputs[1], _Each):
            return None
        lists = [[_UNKNOWN if s is None else s for s in sizes] for sizes in inputs[1].runs]
        return [tuple(dim) if -1 not in dim else _numbers_for(new_symbol()) for dim in zip(*lists, strict=True)]

    def constant(self, value: Any) -> Any:
        if isinstance(value, _C.Tensor):
            return _Tensor([(s,) * _RUNS for s in value.shape], value.dtype, value.device, value.requires_grad)
        return _Each([value] * _RUNS)

    def at(self, known: Any, run: int) -> Any:
        return known.runs[run] if isinstance(known, _Each) else known

    def argument(self, known: Any, run: int, dtype: Any, rank: int | None) -> Any:
        """What a node is given in a run: a tensor on the meta device, or the value. Raises LookupError for what isn't known."""
        import rushlight as rl

        if known is _UNKNOWN:
            raise LookupError
        if isinstance(known, _Each):
            return self.argument(known.runs[run], run, dtype, rank)
        if isinstance(known, list):
            return [self.argument(k, run, dtype, rank) for k in known]
        if isinstance(known, _C.Tensor):
            return known.to("meta")
        if not isinstance(known, _Tensor):
            return known
        if known.sizes is None and rank is None:
            raise LookupError
        sizes = [3] * (rank or 0) if known.sizes is None else [d[run] for d in known.sizes]
        return rl.empty(sizes, dtype=known.dtype or dtype, device="meta")

    def tried(self, node: Any, inputs: list[Any]) -> list[Any] | None:
        """What running the node gives; None if it can't be run."""
        if node._blocks() or node.kind() in (
            "prim::GetAttr",
            "prim::SetAttr",
            "prim::CallMethod",
            "prim::CallFunction",
        ):
            return None
        if any(isinstance(v.type(), ClassType) for v in (*node._inputs(), *node._outputs())):
            return None
        import rushlight as rl

        run = _function_of(node)
        if run is None:
            return None
        # Where a dtype isn't known the tensor's sizes are still worth having: floats, floats and indices, integers.
        for dtypes in ((rl.float32, rl.float32), (rl.float32, rl.int64), (rl.int64, rl.int64)):
            runs = self.runs(run, inputs, dtypes, None)
            if runs is not None:
                return self.read(node, inputs, runs)
        ranks = [self.runs(run, inputs, (rl.float32, rl.float32), rank) for rank in (2, 1, 0)]
        for runs in ranks:
            if runs is not None:
                found = self.read(node, inputs, runs)
                same = all(r is None or [_dtypes(o[0]) for o in r] == [_dtypes(o[0]) for o in runs] for r in ranks)
                return [
                    _Tensor(None, v.dtype if same else None, *v[2:]) if isinstance(v, _Tensor) else _UNKNOWN
                    for v in found
                ]
        return None

    def runs(self, run: Callable[..., Any], inputs: list[Any], dtypes: tuple[Any, Any], rank: int | None) -> Any:
        """[results of run 0, ...] of each output, None where a run raised; None if all have. `dtypes`: of the first input where it isn't
        known, and of others."""
        import rushlight as rl

        alive, out = list(self.alive), []
        varies = rank is None and any(self.varies(k) for k in inputs)
        for i in range(_RUNS):
            if i and not varies:
                out.append(out[0])
                continue
            try:
                if not self.alive[i]:
                    raise RuntimeError
                with rl.no_grad():
                    out.append(run(*(self.argument(k, i, dtypes[at > 0], rank) for at, k in enumerate(inputs))))
            except LookupError:
                return None
            except Exception:  # of sizes that the operator doesn't take, or of one that reads its arguments
                alive[i] = False
                out.append(None)
            if not varies and out[0] is None:
                return None
        if not any(alive):
            return None
        self.alive = alive
        return [
            list(results) for results in zip(*(o or (None,) * len(next(filter(None, out))) for o in out), strict=True)
        ]

    def varies(self, known: Any) -> bool:
        if isinstance(known, _Each):
            return not _same(known.runs, [known.runs[0]] * _RUNS) or self.varies(known.runs[0])
        if isinstance(known, list):
            return any(self.varies(k) for k in known)
        return isinstance(known, _Tensor) and known.sizes is not None and any(len(set(d)) > 1 for d in known.sizes)

    def read(self, node: Any, inputs: list[Any], outputs: list[Any]) -> list[Any]:
        tensors = [t for k in inputs for t in _tensors_in(k)]
        dtypes_known = all(t.dtype is not None for t in tensors)
        devices = {t.device for t in tensors}
        device = devices.pop() if len(devices) == 1 else None
        # A result may want a gradient if one of the tensors that could may; of several it isn't said.
        able = [t for t in tensors if t.dtype is None or t.dtype.is_floating_point]
        grad = able[0].grad if len(able) == 1 else None
        found = []
        for value, runs in zip(node._outputs(), outputs, strict=True):
            ran = [r for r in runs if r is not None]
            if ran and all(isinstance(r, _C.Tensor) for r in ran):
                sizes = None
                if len({len(r.shape) for r in ran}) == 1:
                    rank = len(ran[0].shape)
                    sizes = [tuple(-1 if r is None else r.shape[i] for r in runs) for i in range(rank)]
                found.append(_Tensor(sizes, ran[0].dtype if dtypes_known else None, device, grad))
            elif any(isinstance(r, bool) for r in ran) and not _same(ran, [ran[0]] * len(ran)):
                found.append(_any_of(value))  # what depends on sizes is decided when it runs
            elif any(
                isinstance(r, _C.Tensor) or (isinstance(r, (list, tuple)) and r and isinstance(r[0], _C.Tensor))
                for r in ran
            ):
                found.append(_Each([self.described(r, dtypes_known, device, grad) for r in runs]))
            else:
                found.append(_Each(runs))
            if isinstance(found[-1], _Each) and value._type_text() == "Tensor":
                found[-1] = _Tensor()
        return found

    def described(self, result: Any, dtypes_known: bool, device: Any, grad: Any) -> Any:
        if isinstance(result, (list, tuple)):
            return [self.described(r, dtypes_known, device, grad) for r in result]
        if not isinstance(result, _C.Tensor):
            return result
        return _Tensor([(s,) * _RUNS for s in result.shape], result.dtype if dtypes_known else None, device, grad)

    # ---- what has been found ----

    def names(self, graph: Any) -> Callable[[_Tensor], Any]:
        """A function that gives a tensor's sizes as numbers and symbols; those of the graph's inputs keep theirs."""
        alive = [i for i, a in enumerate(self.alive) if a]
        symbols: dict[Any, int] = {}

        def in_runs(dim: Run) -> Run:
            return tuple(dim[i] for i in alive)

        def name(dim: Run) -> int:
            seen = in_runs(dim)
            if len(set(seen)) == 1 and (len(alive) > 1 or len(set(dim)) == 1):
                return seen[0]
            return symbols[seen] if seen in symbols else symbols.setdefault(seen, new_symbol())

        for value in graph.inputs():
            kind = value.type()
            for size in (isinstance(kind, TensorType) and kind.symbolic_sizes()) or ():
                if size < 0:
                    symbols.setdefault(in_runs(_numbers_for(size)), size)
        return lambda tensor: None if tensor.sizes is None else [name(d) for d in tensor.sizes]


def _same(a: Sequence[Any], b: Sequence[Any]) -> bool:
    try:
        return all(
            x is y or (type(x) is type(y) and not isinstance(x, _C.Tensor) and x == y)
            for x, y in zip(a, b, strict=True)
        )
    except (ValueError, RuntimeError):
        return False


def _tensors_in(known: Any) -> list[_Tensor]:
    if isinstance(known, _Each):
        return _tensors_in(known.runs[0])
    if isinstance(known, list):
        return [t for k in known for t in _tensors_in(k)]
    return [known] if isinstance(known, _Tensor) else []


def _dtypes(result: Any) -> Any:
    return result.dtype if isinstance(result, _C.Tensor) else type(result)


def _function_of(node: Any) -> Callable[..., tuple[Any, ...]] | None:
    """The node alone as a function; None for one that can't stand alone."""
    graph = _C.Graph()
    inputs = []
    for value in node._inputs():
        inputs.append(graph.addInput())
        inputs[-1]._set_type(value._type_text())
    try:
        made = graph.createClone(node, dict(zip(node._inputs(), inputs, strict=True)).__getitem__)
        graph.appendNode(made)
        outputs = made._outputs()
        if not outputs:
            return None
        if len(outputs) > 1:
            pack = graph.appendNode(graph.create("prim::TupleConstruct", outputs, 1)).output()
            pack._set_type("(" + ", ".join(v._type_text() for v in outputs) + ")")
        graph.registerOutput(outputs[0] if len(outputs) == 1 else pack)
        function = _C._function_from_graph("node", graph)
    except (RuntimeError, TypeError, ValueError):
        return None
    return (lambda *a: (function(*a),)) if len(outputs) == 1 else (lambda *a: tuple(function(*a)))


def _write(graph: Any, facts: Callable[[Any, _Tensor], tuple[Any, ...]], found: dict[Any, Any]) -> None:
    for value, known in found.items():
        if isinstance(known, _Tensor) and value._type_text() == "Tensor":
            facts_now = facts(value.type(), known)
            value._set_facts(None if all(f is None for f in facts_now) else facts_now)


def _old(kind: TensorType) -> tuple[Any, ...]:
    return tuple(kind._known or (None,) * 5)


def propagate_shapes_on_graph(graph: Any) -> None:
    """Sizes of all tensors, from those of the inputs."""
    analysis = _Analysis(graph)
    named = analysis.names(graph)

    def facts(kind: TensorType, known: _Tensor) -> tuple[Any, ...]:
        dtype, sizes, strides, device, grad = _old(kind)
        new = named(known)
        return dtype, new, strides if new == sizes else None, device, grad

    inputs = set(graph.inputs())
    _write(graph, facts, {v: k for v, k in analysis.known.items() if v not in inputs})


def propagate_dtype(graph: Any) -> bool:
    """Dtypes of all tensors, from sizes and dtypes of the inputs."""
    _write(graph, lambda kind, known: (known.dtype, *_old(kind)[1:]), _Analysis(graph).known)
    return True


def complete_shape_analysis(graph: Any, inputs: Sequence[Any], with_grad: bool = False) -> None:
    """All that follows from examples of the inputs."""
    _examples(graph, inputs, with_grad)
    analysis = _Analysis(graph)
    named = analysis.names(graph)
    given = set(graph.inputs())

    def facts(kind: TensorType, known: _Tensor) -> tuple[Any, ...]:
        import rushlight as rl

        sizes = named(known)
        known_sizes = sizes is not None and all(s >= 0 for s in sizes)
        strides = list(rl.empty(sizes, device="meta").stride()) if known_sizes else None
        return known.dtype, sizes, strides, known.device, known.grad

    _write(graph, facts, {v: k for v, k in analysis.known.items() if v not in given or v in analysis.reshaped})
    for value in analysis.reshaped & set(analysis.known):
        value._set_facts(None)


def _examples(graph: Any, inputs: Sequence[Any], with_grad: bool) -> None:
    values = list(graph.inputs())
    for value, example in zip(values[len(values) - len(inputs) :], inputs, strict=True):
        if isinstance(example, _C.Tensor):
            kind = TensorType.create_from_tensor(example)
            value.setType(kind if with_grad or not example.requires_grad else kind._with(4, None))


def _propagate_shapes(graph: Any, inputs: Sequence[Any], with_grad: bool = False) -> Any:
    """A copy of the graph with dtypes, devices and numbers of dimensions that follow from examples of the inputs."""
    copy = graph.copy()
    complete_shape_analysis(copy, inputs, with_grad)
    for value in _all_values(copy):
        kind = value.type()
        if isinstance(kind, TensorType) and kind._known is not None:
            dtype, sizes, _, device, grad = kind._known
            value._set_facts((dtype, None if sizes is None else [-1] * len(sizes), None, device, grad))
    return copy


def _all_values(graph: Any) -> list[Any]:
    found = list(graph.inputs())
    for node in _nodes(graph):
        found += node._outputs()
        for block in node._blocks():
            found += block._inputs()
    return found


def erase_non_input_shape_information(graph: Any) -> None:
    """Forgets what is known of tensors, but for the inputs."""
    given = set(graph.inputs())
    for value in _all_values(graph):
        if value not in given:
            value._set_facts(None)


# ---- devices ----

_LIKE_SELF = {"aten::view_as", "aten::expand_as", "aten::reshape_as"}
_NAMED = {"aten::cpu": "cpu", "aten::cuda": "cuda", "aten::to_mkldnn": "mkldnn"}


class _Devices(_Analysis):
    """Devices by rule, for a program may name those that this machine lacks."""

    def results(self, node: Any) -> list[Any]:
        import rushlight as rl

        found = super().results(node)
        kind = node.kind()
        if not node._inputs() or kind == "prim::Constant":
            return found
        inputs = [self.known.get(v, _UNKNOWN) for v in node._inputs()]
        first = inputs[0].device if isinstance(inputs[0], _Tensor) else None
        if kind in _NAMED:
            device = rl.device(_NAMED[kind])
        elif kind in _LIKE_SELF:
            device = first
        elif kind == "aten::type_as":
            device = inputs[1].device if isinstance(inputs[1], _Tensor) else None
        else:
            given = self.named(node, inputs)
            device = self.common(inputs) if given is None else None if given is _UNKNOWN else given
        return [v._replace(device=device) if isinstance(v, _Tensor) else v for v in found]

    def named(self, node: Any, inputs: list[Any]) -> Any:
        """The device that an argument says; _UNKNOWN if one does and isn't known, None if none does."""
        for value, known in zip(node._inputs(), inputs, strict=True):
            if value._type_text() not in ("Device", "Optional[Device]"):
                continue
            device = self.at(known, 0) if isinstance(known, _Each) else _UNKNOWN
            if device is not None:
                return device
        return None

    def common(self, inputs: list[Any]) -> Any:
        """The device of all tensors, of which those without dimensions may be on the CPU."""
        tensors = [t for k in inputs for t in _tensors_in(k)]
        if any(t.device is None for t in tensors):
            return None
        numbers = [t for t in tensors if t.sizes == [] and t.device.type == "cpu"]
        devices = {t.device for t in tensors if t not in numbers} or {t.device for t in tensors}
        return devices.pop() if len(devices) == 1 else None


def propagate_device(graph: Any) -> bool:
    """Devices of all tensors, from those of the inputs."""
    _write(graph, lambda kind, known: (*_old(kind)[:3], known.device, _old(kind)[4]), _Devices(graph).known)
    return True
