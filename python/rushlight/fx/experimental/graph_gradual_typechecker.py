"""Sizes of a graph's values from what is annotated: what is unknown is consistent with all, what is known must fit."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable
from typing import Any

import rushlight as rl

from ... import _missing
from ..graph_module import GraphModule
from ..node import Node
from ..tensor_type import Dyn, TensorType, is_consistent, is_more_precise

__all__ = [
    "GraphTypeChecker",
    "broadcast_types",
    "calculate_out_dimension",
    "expand_to_tensor_dim",
    "get_greatest_upper_bound",
    "register_inference_rule",
]
__getattr__ = _missing.getattr_of(__name__)

_RULES: dict[Any, Callable] = {}


def register_inference_rule(call_target: Any) -> Callable:
    """The function below gives the type of a node that calls `call_target`; for a class of modules it gets the module too."""

    def register(rule: Callable) -> Callable:
        if call_target in _RULES:
            raise RuntimeError(f"Inference rule already registered for {call_target}!")
        _RULES[call_target] = rule
        return rule

    return register


def expand_to_tensor_dim(t: Any, n: int) -> TensorType:
    """The type as one of `n` dimensions, for one that is not known."""
    if t == Dyn:
        return TensorType((Dyn,) * n)
    if not isinstance(t, TensorType):
        raise TypeError(f"Cannot match the type {t} with a tensor of {n} dimensions")
    if len(t.__args__) != n:
        raise TypeError(
            f"Cannot extend tensor dimension. Tensor {t} has rank {len(t.__args__)}. It should have rank {n}"
        )
    return t


def get_greatest_upper_bound(type1: Any, type2: Any) -> Any:
    """What both types say together. TypeError where they contradict each other."""
    if not is_consistent(type1, type2):
        raise TypeError(f"Inconsistent types {type1}, {type2}")
    if isinstance(type1, TensorType) and isinstance(type2, TensorType):
        return TensorType(tuple(b if a == Dyn else a for a, b in zip(type1.__args__, type2.__args__, strict=True)))
    return type2 if type1 == Dyn else type1


def broadcast_types(t1: Any, t2: Any) -> tuple[Any, Any]:
    """The types after broadcasting: a size of 1, or none, becomes the other's.

    >>> from rushlight.fx.tensor_type import TensorType
    >>> broadcast_types(TensorType((2, 1)), TensorType((3,)))
    (TensorType[(2, 3)], TensorType[(2, 3)])
    """
    if not (isinstance(t1, TensorType) and isinstance(t2, TensorType)):
        if {type(t1), type(t2)} <= {TensorType, type(Dyn), type}:
            return t1, t2
        raise TypeError(f"Cannot broadcast types {t1} and {t2}")
    rank = max(len(t1.__args__), len(t2.__args__))
    first, second = ([1] * (rank - len(t.__args__)) + list(t.__args__) for t in (t1, t2))
    return (
        TensorType(tuple(b if a == 1 else a for a, b in zip(first, second, strict=True))),
        TensorType(tuple(a if b == 1 else b for a, b in zip(first, second, strict=True))),
    )


@register_inference_rule(rl.add)
@register_inference_rule(operator.add)
def _add(n: Node) -> Any:
    types = [a.type if isinstance(a, Node) else type(a) for a in n.args[:2]]
    tensors = [t for t in types if isinstance(t, TensorType)]
    if len(tensors) == 1 and any(t in (int, float) for t in types):
        return tensors[0]
    first, second = broadcast_types(*types)
    if [first, second] != types:
        n.meta["broadcast"] = True
    if not is_consistent(first, second):
        raise TypeError(f"Cannot add arguments {n.args[0]} ({types[0]}) and {n.args[1]} ({types[1]}) in node {n}.")
    return second if is_more_precise(first, second) else first


@register_inference_rule(rl.transpose)
def _transpose(n: Node) -> Any:
    if n.args[0].type == Dyn:
        return Dyn
    sizes = list(n.args[0].type.__args__)
    first, second = n.args[1:3]
    if not all(-len(sizes) <= d < len(sizes) for d in (first, second)):
        raise TypeError(f"Cannot transpose {first} and {second} in type {n.args[0].type} for node {n}")
    sizes[first], sizes[second] = sizes[second], sizes[first]
    return get_greatest_upper_bound(TensorType(sizes), n.type)


@register_inference_rule(rl.reshape)
def _reshape(n: Node) -> Any:
    given, wanted = n.args[0].type, TensorType(tuple(Dyn if s == -1 else s for s in n.args[1]))
    if given == Dyn:
        return wanted
    known = [math.prod(s for s in t.__args__ if s != Dyn) for t in (given, wanted)]
    unknown = [sum(s == Dyn for s in t.__args__) for t in (given, wanted)]
    if unknown == [0, 0]:
        fits = known[0] == known[1]
    elif unknown[0] == 0:
        fits = known[1] and known[0] % known[1] == 0
    elif unknown[1] == 0:
        fits = known[0] and known[1] % known[0] == 0
    else:
        fits = known[0] and known[1] and (known[0] % known[1] == 0 or known[1] % known[0] == 0)
    if not fits:
        raise TypeError(f"Cannot reshape in node {n} from {given} to {wanted}")
    return wanted


@register_inference_rule(rl.flatten)
def _flatten(n: Node) -> Any:
    given = n.args[0].type
    if given == Dyn:
        return Dyn
    places = dict(zip(("start_dim", "end_dim"), n.args[1:], strict=False), **n.kwargs)
    sizes, rank = list(given.__args__), len(given.__args__)
    start, end = places.get("start_dim", 0), places.get("end_dim", -1)
    start, end = (d + rank if d < 0 else d for d in (start, end))
    if not 0 <= start <= end < rank:
        raise TypeError(f"Cannot flatten dimensions {start} to {end} of {given} in node {n}")
    joined = sizes[start : end + 1]
    size = Dyn if Dyn in joined else math.prod(joined)
    return get_greatest_upper_bound(TensorType((*sizes[:start], size, *sizes[end + 1 :])), n.type)


@register_inference_rule(getattr)
def _attribute(n: Node) -> Any:
    if n.args[1] == "shape":
        return Dyn
    raise TypeError(f"Not yet implemented: the type of attribute {n.args[1]} in node {n}")


def _refined(argument: Node, rank: int) -> TensorType:
    argument.type = expand_to_tensor_dim(argument.type, rank)
    return argument.type


def _must_be(size: Any, wanted: int, n: Node, what: str) -> None:
    if not is_consistent(size, wanted):
        raise TypeError(f"Cannot apply {n.target} with {what} {wanted} to type {n.args[0].type} in node {n}")


@register_inference_rule(rl.nn.BatchNorm2d)
def _batch_norm(n: Node, module: rl.nn.Module) -> Any:
    given = _refined(n.args[0], 4)
    own = expand_to_tensor_dim(n.type, 4)
    for t in (given, own):
        _must_be(t.__args__[1], module.num_features, n, "num_features")
    return get_greatest_upper_bound(given, own)


def _pair(value: Any, index: int) -> Any:
    return value[index] if isinstance(value, tuple) else value


def calculate_out_dimension(d_in: Any, module_instance: Any, index: int) -> Any:
    """The size after a window of a convolution or a pooling has been moved over `d_in`."""
    if d_in == Dyn:
        return Dyn
    if not isinstance(d_in, int):
        raise TypeError(f"{d_in} in {module_instance} must be a number or Dyn. Received {type(d_in)}")
    padding, kernel = _pair(module_instance.padding, index), _pair(module_instance.kernel_size, index)
    step, dilation = _pair(module_instance.stride, index), _pair(module_instance.dilation, index)
    if isinstance(padding, str):
        return d_in if padding == "same" else (d_in - dilation * (kernel - 1) - 1) // step + 1
    return (d_in + 2 * padding - dilation * (kernel - 1) - 1) // step + 1


@register_inference_rule(rl.nn.Conv2d)
def _conv2d(n: Node, module: rl.nn.Module) -> Any:
    given = _refined(n.args[0], 4)
    _must_be(given.__args__[1], module.in_channels, n, "in_channels")
    rows, columns = (calculate_out_dimension(given.__args__[d], module, d - 2) for d in (2, 3))
    made = TensorType((given.__args__[0], module.out_channels, rows, columns))
    return get_greatest_upper_bound(made, expand_to_tensor_dim(n.type, 4))


@register_inference_rule(rl.nn.ReLU)
def _relu(n: Node, module: rl.nn.Module) -> Any:
    return get_greatest_upper_bound(n.args[0].type, n.type)


def _last_two(n: Node, sizes: Callable[[TensorType], Iterable]) -> Any:
    given = n.args[0].type
    if given == Dyn:
        return n.type
    if len(given.__args__) not in (3, 4):
        raise TypeError(f"Wrong size {given} for {n.target} in node {n}: expected 3 or 4 dimensions")
    return get_greatest_upper_bound(TensorType((*given.__args__[:-2], *sizes(given))), n.type)


@register_inference_rule(rl.nn.MaxPool2d)
def _max_pool2d(n: Node, module: rl.nn.Module) -> Any:
    return _last_two(n, lambda t: [calculate_out_dimension(t.__args__[d], module, d) for d in (-2, -1)])


@register_inference_rule(rl.nn.AdaptiveAvgPool2d)
def _adaptive_pool(n: Node, module: rl.nn.Module) -> Any:
    wanted = [_pair(module.output_size, d) for d in (0, 1)]
    return _last_two(n, lambda t: [s if w is None else w for w, s in zip(wanted, t.__args__[-2:], strict=True)])


@register_inference_rule(rl.nn.Linear)
def _linear(n: Node, module: rl.nn.Module) -> Any:
    given = n.args[0].type
    if given == Dyn:
        return n.type
    if not given.__args__:
        raise TypeError(f"Cannot apply {n.target} to a tensor without dimensions in node {n}")
    _must_be(given.__args__[-1], module.in_features, n, "in_features")
    return get_greatest_upper_bound(TensorType((*given.__args__[:-1], module.out_features)), n.type)


class GraphTypeChecker:
    """Gives each node of a traced graph its type, from those of placeholders and annotations.

    >>> import rushlight as torch
    >>> from rushlight.fx.tensor_type import TensorType
    >>> def f(x: TensorType((2, 6))): return torch.reshape(x, [3, 4])
    >>> m = torch.fx.symbolic_trace(f)
    >>> GraphTypeChecker({}, m).type_check(), m.graph.output_node().type
    (True, TensorType[(3, 4)])
    """

    def __init__(self, env: dict, traced: GraphModule):
        self.env = env
        self.traced = traced

    def type_check(self) -> bool:
        """TypeError at the first node whose arguments don't fit."""
        for n in self.traced.graph.nodes:
            self.type_check_node(n)
        return True

    def type_check_node(self, n: Node) -> Any:
        """The type of a node, which is noted in it."""
        if n.type is None:
            n.type = Dyn
        if n.op == "get_attr":
            value = operator.attrgetter(n.target)(self.traced)
            n.type = TensorType(tuple(value.shape)) if isinstance(value, rl.Tensor) else Dyn
        elif n.op == "output":
            n.type = rl.fx.node.map_arg(n.args[0], lambda a: a.type)
        elif n.op == "call_module":
            module = self.traced.get_submodule(n.target)
            n.type = self._rule_of(type(module), n)(n, module)
        elif n.op != "placeholder":
            n.type = self._rule_of(n.target, n)(n)
        return n.type

    def _rule_of(self, target: Any, n: Node) -> Callable:
        if target not in _RULES:
            raise RuntimeError(
                f"No inference rule registered for target {target} of node {n}; register_inference_rule adds one"
            )
        return _RULES[target]
