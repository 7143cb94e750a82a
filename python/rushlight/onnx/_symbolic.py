"""Functions of a program that write operators: what they are given, and how they are found."""

from __future__ import annotations

import contextlib
import importlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import rushlight as rl

from ..autograd import function as autograd_function

_functions: dict[tuple[str, int], Callable] = {}


def register_custom_op_symbolic(symbolic_name: str, symbolic_fn: Callable, opset_version: int) -> None:
    """Says how an operator is exported, from an opset on.

    Args:
        symbolic_name: ``"mine::swish"``; ``"aten::relu"`` replaces what export knows of it.
        symbolic_fn: called with a graph ``g``, whose ``g.op("domain::Type", *inputs, name_i=1)`` makes a node, and the operator's arguments.
        opset_version: the first that it is for.

    >>> import io, rushlight as torch
    >>> torch.onnx.register_custom_op_symbolic("aten::selu", lambda g, x: g.op("mine::Selu", x, scale_f=2.0), 9)
    >>> file = io.BytesIO()
    >>> torch.onnx.export(torch.nn.SELU(), torch.ones(2), file, dynamo=False, custom_opsets={"mine": 3})
    >>> b"Selu" in file.getvalue() and b"mine" in file.getvalue()
    True
    >>> torch.onnx.unregister_custom_op_symbolic("aten::selu", 9)
    """
    if "::" not in symbolic_name or not re.fullmatch(r"[A-Za-z0-9_]*::[A-Za-z0-9_]+", symbolic_name):
        raise ValueError(
            f"Failed to register operator {symbolic_name}. The symbolic name must match the format domain::name, and should start with a letter and "
            "contain only alphanumerical characters"
        )  # fmt: skip
    name = symbolic_name if not symbolic_name.startswith("::") else "aten" + symbolic_name
    _functions[name, int(opset_version)] = symbolic_fn


def unregister_custom_op_symbolic(symbolic_name: str, opset_version: int) -> None:
    """Forgets what register_custom_op_symbolic was told."""
    name = symbolic_name if not symbolic_name.startswith("::") else "aten" + symbolic_name
    _functions.pop((name, int(opset_version)), None)


def functions(opset: int) -> dict[str, Callable]:
    """The functions for an opset: of each operator the newest that isn't newer."""
    found: dict[str, Callable] = {}
    for name, since in sorted(_functions, key=lambda key: key[1]):
        if since <= opset:
            found[name] = _functions[name, since]
    return found


recording: FunctionCalls | None = None  # while a model is traced


class FunctionCalls:
    """While a model is traced: what is written as a function of the program says, each as an operator of its own. Those are calls of functions
    with a gradient of their own that have a ``symbolic``, and ``torch.onnx.ops.symbolic``."""

    def __init__(self) -> None:
        self.functions: dict[str, Callable] = {}
        self.versions: dict[str, int] = {}  # of domains
        self._library: Any = None

    def call(self, cls: Any, args: tuple[Any, ...]) -> Any:
        """What ``cls.apply(*args)`` gives."""
        return self.record(cls.__name__, args, lambda *a: rl._C._apply_function(cls, *a), cls.symbolic)

    def record(self, title: str, args: tuple[Any, ...], compute: Callable, symbolic: Callable) -> Any:
        """What ``compute(*args)`` gives; the trace has one operator for it, which ``symbolic(g, *args)`` writes."""
        if self._library is None:
            self._library = rl.library.Library("onnx_function", "FRAGMENT")
        tensors = [i for i, a in enumerate(args) if isinstance(a, rl.Tensor)]
        name = f"{title}_{id(self)}_{len(self.functions)}"
        single = True

        def run(*given: Any) -> list[Any]:
            nonlocal single
            whole = list(args)
            for i, t in zip(tensors, given, strict=True):
                whole[i] = t
            out = compute(*whole)
            single = not isinstance(out, tuple)
            return [out] if single else list(out)

        def write(g: Any, *values: Any) -> Any:
            whole = list(args)
            for i, v in zip(tensors, values, strict=True):
                whole[i] = v
            return symbolic(g, *whole)

        self._library.define(f"{name}({', '.join(f'Tensor x{i}' for i in tensors)}) -> Tensor[]")
        self._library.impl(name, run, "CompositeImplicitAutograd")
        self.functions[f"onnx_function::{name}"] = write
        out = getattr(rl.ops.onnx_function, name)(*(args[i] for i in tensors))
        return out[0] if single else tuple(out)

    @contextlib.contextmanager
    def seen(self) -> Iterator[None]:
        """Inside, calls come here; those of the model that is traced there."""
        global recording
        outer, autograd_function.call_exported = (recording, autograd_function.call_exported), self.call
        recording = self
        try:
            yield
        finally:
            recording, autograd_function.call_exported = outer

    def forget(self) -> None:
        """Takes the operators away."""
        if self._library is not None:
            self._library._destroy()


class Value:
    """A value of the model: an argument of the operator, or what a node made."""

    def __init__(self, source: Any, example: Any = None, constant: bool = False) -> None:
        self._source = source  # the argument's number, or a name
        self._example = example
        self._constant = constant

    def type(self) -> Value:
        """What is known of its type: ``sizes()``, ``dim()``, ``scalarType()``."""
        return self

    def sizes(self) -> list[int] | None:
        """The sizes in the example; None where they aren't known."""
        return list(self._example.shape) if isinstance(self._example, rl.Tensor) else None

    def dim(self) -> int | None:
        """How many dimensions; None where that isn't known."""
        return self._example.dim() if isinstance(self._example, rl.Tensor) else None

    def dtype(self) -> Any:
        """The dtype; None where it isn't known."""
        return self._example.dtype if isinstance(self._example, rl.Tensor) else None

    def scalarType(self) -> str | None:
        """The dtype as older programs name it: "Float", "Long"."""
        names = {"float32": "Float", "float64": "Double", "float16": "Half", "int64": "Long", "int32": "Int", "int16": "Short", "int8": "Char", "uint8": "Byte", "bool": "Bool"}  # fmt: skip
        return names.get(str(self.dtype()).rpartition(".")[2])

    def setType(self, _type: Any) -> Value:
        """Itself: types follow from the nodes."""
        return self

    def setTypeAs(self, other: Value) -> Value:
        """Itself, with the other's example."""
        self._example = other._example
        return self

    def with_sizes(self, _sizes: Any) -> Value:
        """Itself."""
        return self

    def toIValue(self) -> Any:
        """The number, list or text that a constant is."""
        return self._example if self._constant else None

    def debugName(self) -> str:
        """What it is called."""
        return str(self._source)

    def __repr__(self) -> str:
        return f"<value {self._source}>"


class GraphContext:
    """What a symbolic function gets as ``g``."""

    def __init__(self, emit: Callable, opset: int) -> None:
        self._emit = emit
        self.opset = opset

    def op(self, opname: str, *raw_args: Any, outputs: int = 1, **kwargs: Any) -> Any:
        """A node.

        Args:
            opname: ``"Relu"`` or ``"domain::Type"``.
            raw_args: its inputs: values, tensors, numbers; None where one is left out.
            outputs: how many it has; more than one come as a tuple.
            kwargs: its attributes, named by their kind: ``axis_i=1``, ``alpha_f=0.5``, ``mode_s="linear"``, ``value_t=tensor``; lists too.
        """
        inputs = []
        for a in raw_args:
            if isinstance(a, Value):
                inputs.append(a._source)
            elif a is None:
                inputs.append("")
            else:
                inputs.append(a if isinstance(a, rl.Tensor) else rl.tensor(a))
        attributes = {}
        for key, value in kwargs.items():
            name, _, kind = key.rpartition("_")
            convert = {"i": int, "f": float, "s": _text, "t": rl.as_tensor}.get(kind)
            if not name or convert is None:
                raise ValueError(f"g.op: the attribute {key!r} doesn't end in its kind: _i, _f, _s or _t")
            listed = isinstance(value, (list, tuple)) and kind != "t"
            attributes[name] = [convert(v) for v in value] if listed else convert(value)
        names = [Value(n) for n in self._emit(opname, inputs, attributes, outputs)]
        return names[0] if outputs == 1 else tuple(names)


class Recorder:
    """An evaluator of onnxscript whose operators are nodes of the model; its functions are what they call."""

    def __init__(self, emit: Callable, values: tuple[Any, ...]) -> None:
        self._emit = emit
        self._dtype = next((d for v in values if isinstance(v, Value) and (d := v.dtype()) is not None), None)

    def _source(self, value: Any, dtype: Any) -> Any:
        if isinstance(value, Value):
            return value._source
        if value is None:
            return ""
        # A number beside a tensor is of the tensor's dtype.
        return value if isinstance(value, rl.Tensor) else rl.tensor(value, dtype=dtype)

    def eval_op(self, op: Any, args: Any, kwargs: Any) -> Any:
        """A node for a call such as ``opset18.Add(x, 1)``."""
        signature = op.op_signature
        given, inputs, attributes = list(args), [], {}
        for p in signature.params:
            if not p.is_param():
                value = given.pop(0) if given else kwargs.get(p.name)
                if value is not None:
                    attributes[p.name] = getattr(value, "value", value)
            elif p.variadic:
                inputs += given
                given = []
            else:
                inputs.append(given.pop(0) if given else kwargs.get(p.name))
        while inputs and inputs[-1] is None:
            inputs.pop()
        first = next((d for v in inputs if isinstance(v, Value) and (d := v.dtype()) is not None), self._dtype)
        alike = {p.type_constraint.name for p in signature.params if p.is_param()}
        dtype = first if len(alike) == 1 else None
        count = attributes.get("num_outputs", len(signature.outputs))
        sources = [self._source(v, dtype) for v in inputs]
        names = self._emit(f"{op.domain}::{op.name}", sources, attributes, count)
        values = [Value(n) for n in names]
        return values[0] if len(values) == 1 else values

    def eval_function(self, function: Any, args: Any, kwargs: Any) -> Any:
        """What a function of onnxscript consists of."""
        return function.function(*args, **kwargs)


def translations(table: dict[Any, Any], opset: int) -> dict[str, Callable]:
    """The functions of a ``custom_translation_table`` by the names of their operators."""
    found: dict[str, Callable] = {}
    for op, functions in table.items():
        for fn in functions if isinstance(functions, (list, tuple)) else (functions,):
            found[_operator_name(op)] = _translation(fn)
    return found


def _operator_name(op: Any) -> str:
    name = getattr(op, "_name", None) or getattr(op, "_qualified_op_name", None) or getattr(op, "_qualname", op)
    if not isinstance(name, str) or "::" not in name:
        raise TypeError(
            f"onnx.export: custom_translation_table: expected an operator such as torch.ops.aten.relu.default, got {op!r}"
        )
    return name.partition(".")[0]


def _translation(fn: Callable) -> Callable:
    def write(g: GraphContext, *values: Value) -> Any:
        # Numbers, lists and None come as themselves.
        args = [v._example if v._constant and not isinstance(v._example, rl.Tensor) else v for v in values]
        while args and args[-1] is None:
            args.pop()
        try:
            evaluator: Any = importlib.import_module("onnxscript.evaluator")
        except ModuleNotFoundError:
            return fn(*args)  # one that returns its arguments, or closes over a g of its own
        with evaluator.default_as(Recorder(g._emit, values)):
            return fn(*args)

    return write


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def writer(opset: int, found: dict[str, Callable]) -> Callable:
    """What the exporter calls for operators of ``found``."""

    def write(kind: str, arguments: list[tuple[Any, bool]], emit: Callable) -> list[str]:
        values = [Value(i, example, constant) for i, (example, constant) in enumerate(arguments)]
        result = found[kind](GraphContext(emit, opset), *values)
        if result is None:
            raise NotImplementedError(f"onnx.export: the function for {kind} returned None")
        sources = [v._source for v in (result if isinstance(result, (tuple, list)) else (result,))]
        return emit("", sources, {}, 0)

    return write
