"""What programs import from symbolic_opset9 and its like: functions that write an operator of ATen's as nodes, for symbolic functions of their own.

One set serves all opsets: what a node looks like follows the opset that is exported.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import _missing
from . import symbolic_helper as helper
from ._symbolic import Value

_UNARY = (
    "abs", "acos", "asin", "atan", "ceil", "cos", "cosh", "erf", "exp", "floor", "log", "neg", "reciprocal", "relu", "round", "sigmoid", "sign",
    "sin", "sinh", "sqrt", "tan", "tanh",
)  # fmt: skip
_BINARY = {
    "mul": "Mul", "matmul": "MatMul", "mm": "MatMul", "bmm": "MatMul", "pow": "Pow", "eq": "Equal", "gt": "Greater", "lt": "Less", "maximum": "Max",
    "minimum": "Min", "logical_and": "And", "logical_or": "Or", "logical_xor": "Xor",
}  # fmt: skip


def _unary(node: str) -> Callable:
    return lambda g, self, *_rest: _like(g.op(node, self), self)


def _binary(node: str) -> Callable:
    return lambda g, self, other: _like(g.op(node, self, _number(other, self)), self)


def _like(made: Value, source: Any) -> Value:
    return made.setTypeAs(source) if isinstance(source, Value) else made


# A number as a tensor of the dtype of what it meets.
def _number(x: Any, like: Any) -> Any:
    value = helper._constant(x, "t", "other") if isinstance(x, Value) and x._constant else x
    if isinstance(value, bool | int | float) and isinstance(like, Value) and like.dtype() is not None:
        import rushlight as rl

        return rl.tensor(value, dtype=like.dtype())
    return x


def _scaled(g: Any, other: Any, alpha: Any, like: Any) -> Any:
    factor = 1 if helper._is_none(alpha) else helper._constant(alpha, "f", "alpha")
    other = _number(other, like)
    return other if factor == 1 else g.op("Mul", other, _number(factor, like))


def add(g: Any, self: Any, other: Any, alpha: Any = None) -> Value:
    return _like(g.op("Add", self, _scaled(g, other, alpha, self)), self)


def sub(g: Any, self: Any, other: Any, alpha: Any = None) -> Value:
    return _like(g.op("Sub", self, _scaled(g, other, alpha, self)), self)


def div(g: Any, self: Any, other: Any, *mode: Any) -> Value:
    quotient = _like(g.op("Div", self, _number(other, self)), self)
    how = helper._constant(mode[0], "s", "rounding_mode") if mode and not helper._is_none(mode[0]) else None
    if how is None:
        return quotient
    if how == "floor":
        return _like(g.op("Floor", quotient), self)
    return _like(g.op("Mul", g.op("Sign", quotient), g.op("Floor", g.op("Abs", quotient))), self)


def where(g: Any, condition: Any, self: Any, other: Any) -> Value:
    return _like(g.op("Where", condition, self, other), self)


def clamp(g: Any, self: Any, min: Any = None, max: Any = None) -> Value:
    for bound, node in ((min, "Max"), (max, "Min")):
        if not helper._is_none(bound):
            self = _like(g.op(node, self, _number(bound, self)), self)
    return self


def leaky_relu(g: Any, input: Any, negative_slope: Any, inplace: Any = False) -> Value:
    return _like(g.op("LeakyRelu", input, alpha_f=helper._constant(negative_slope, "f", "negative_slope")), input)


def elu(g: Any, input: Any, alpha: Any = 1.0, scale: Any = 1, input_scale: Any = 1) -> Value:
    if any(helper._constant(v, "f", "scale") != 1 for v in (scale, input_scale)):
        helper._unimplemented("elu", "a scale other than 1")
    return _like(g.op("Elu", input, alpha_f=helper._constant(alpha, "f", "alpha")), input)


def softmax(g: Any, input: Any, dim: Any, dtype: Any = None) -> Value:
    return _normalised(g, "Softmax", input, dim, dtype)


def log_softmax(g: Any, input: Any, dim: Any, dtype: Any = None) -> Value:
    return _normalised(g, "LogSoftmax", input, dim, dtype)


def _normalised(g: Any, node: str, input: Any, dim: Any, dtype: Any) -> Value:
    axis = helper._constant(dim, "i", "dim")
    if not helper._is_none(dtype):
        helper._unimplemented(node, "a dtype of the result")
    rank = _rank(input)
    axis += rank if axis < 0 else 0
    if g.opset >= 13 or axis == rank - 1:  # before 13 it is over all dimensions from axis on
        return _like(g.op(node, input, axis_i=axis), input)
    turned = transpose(g, input, axis, rank - 1)
    return _like(transpose(g, _like(g.op(node, turned, axis_i=rank - 1), input), axis, rank - 1), input)


def _rank(x: Any) -> int:
    rank = x.dim() if isinstance(x, Value) else None
    if rank is None:
        raise NotImplementedError(
            "onnx.export: the number of dimensions of a node's result isn't known to symbolic functions; use setTypeAs"
        )
    return rank


def _turned(g: Any, x: Any, perm: list[int]) -> Value:
    made = g.op("Transpose", x, perm_i=perm)
    made._example = x._example.permute(perm)
    return made


def transpose(g: Any, self: Any, dim0: Any, dim1: Any) -> Value:
    perm = list(range(_rank(self)))
    a, b = (helper._constant(d, "i", "dim") for d in (dim0, dim1))
    perm[a], perm[b] = perm[b], perm[a]
    return _turned(g, self, perm)


def t(g: Any, self: Any) -> Value:
    return _turned(g, self, [1, 0]) if _rank(self) == 2 else self


def permute(g: Any, self: Any, dims: Any) -> Value:
    rank = _rank(self)
    return _turned(g, self, [d % rank for d in helper._constant(dims, "is", "dims")])


def reshape(g: Any, self: Any, shape: Any) -> Value:
    return helper._reshape_helper(g, self, shape)


view = reshape


def flatten(g: Any, input: Any, start_dim: Any = 0, end_dim: Any = -1) -> Value:
    rank = _rank(input)
    first, last = (helper._constant(d, "i", "dim") % max(rank, 1) for d in (start_dim, end_dim))
    if last != rank - 1:
        return helper._reshape_helper(g, input, [0] * first + [-1] + input.sizes()[last + 1 :])
    return helper._reshape_helper(g, input, [0] * first + [-1])


def unsqueeze(g: Any, self: Any, dim: Any) -> Value:
    axis = helper._constant(dim, "i", "dim")
    return helper._unsqueeze_helper(g, self, [axis if axis >= 0 else axis + _rank(self) + 1])


def squeeze(g: Any, self: Any, dim: Any = None) -> Value:
    return helper._squeeze_helper(g, self, [] if helper._is_none(dim) else [helper._constant(dim, "i", "dim")])


def cat(g: Any, tensor_list: Any, dim: Any) -> Value:
    return g.op("Concat", *helper._unpack_list(tensor_list), axis_i=helper._constant(dim, "i", "dim"))


def gather(g: Any, self: Any, dim: Any, index: Any, sparse_grad: Any = False) -> Value:
    return _like(g.op("GatherElements", self, index, axis_i=helper._constant(dim, "i", "dim")), index)


def sum(g: Any, self: Any, dim: Any = None, keepdim: Any = None, dtype: Any = None) -> Value:
    return helper._reduce(g, "ReduceSum", self, dim, keepdim, 13)


def mean(g: Any, self: Any, dim: Any = None, keepdim: Any = None, dtype: Any = None) -> Value:
    return helper._reduce(g, "ReduceMean", self, dim, keepdim, 18)


def size(g: Any, self: Any, dim: Any = None) -> Value:
    shape = g.op("Shape", self)
    return shape if helper._is_none(dim) else g.op("Gather", shape, helper._constant(dim, "i", "dim"), axis_i=0)


def dropout(g: Any, input: Any, p: Any, train: Any) -> Value:
    if helper._constant(train, "b", "train"):
        helper._unimplemented("dropout", "in training")
    return input


_FUNCTIONS: dict[str, Callable] = {
    **{name: _unary(name.capitalize()) for name in _UNARY},
    "logical_not": _unary("Not"),
    "isnan": _unary("IsNaN"),
    **{name: _binary(node) for name, node in _BINARY.items()},
    **{
        f.__name__: f
        for f in (
            add, sub, div, where, clamp, leaky_relu, elu, softmax, log_softmax, transpose, t, permute, reshape, flatten, unsqueeze, squeeze, cat,
            gather, sum, mean, size, dropout,
        )
    },
    "view": reshape,
}  # fmt: skip


def getattr_of(module: str) -> Callable[[str], Any]:
    """A module's ``__getattr__``: these functions, and an error that names what isn't there."""
    missing = _missing.getattr_of(module)
    return lambda name: _FUNCTIONS[name] if name in _FUNCTIONS else missing(name)
