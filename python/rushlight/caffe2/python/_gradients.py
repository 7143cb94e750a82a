"""caffe2.python.core: gradients of operators and of lists of them."""

from __future__ import annotations

from collections import namedtuple

from rushlight import _caffe2
from rushlight.caffe2.python._references import BlobReference

GradientSlice = namedtuple("GradientSlice", ["indices", "values"])


def _plain(g):
    if g is None:
        return None
    if isinstance(g, GradientSlice):
        return (str(g.indices), str(g.values))
    return str(g)


def _wrapped(g, net=None):
    if g is None:
        return None
    if isinstance(g, tuple):
        return GradientSlice(BlobReference(g[0], net), BlobReference(g[1], net))
    return BlobReference(g, net)


class GradientRegistry:
    """What the gradients of operators are. The library knows its own; Python functions may be added."""

    gradient_registry_: dict = {}

    @classmethod
    def RegisterGradient(cls, op_type):
        def add(function):
            cls.gradient_registry_[op_type] = function
            return function

        return add

    @classmethod
    def GetGradientForOp(cls, op, g_output):
        """The gradient operators of an OperatorDef, and the gradients of its inputs."""
        if op.type in cls.gradient_registry_:
            return cls.gradient_registry_[op.type](op, g_output)
        try:
            ops, g_input = _caffe2.gradient_of(op, [_plain(g) for g in g_output])
        except RuntimeError as e:
            raise Exception(f"Exception when creating gradient for [{op.type}]:{e}.\nOp: \n{op}") from None
        return list(ops), [_wrapped(g) for g in g_input]

    _GetGradientForOpCC = GetGradientForOp

    @classmethod
    def GetBackwardPass(cls, operators, ys, ys_generate_gradient=False):
        """The gradient operators of a list of operators, and the gradient of each blob."""
        targets = [(str(y), None) for y in ys] if isinstance(ys, list) else [(str(y), _plain(g)) for y, g in ys.items()]
        try:
            ops, grads = _caffe2.backward_pass(list(operators), targets)
        except RuntimeError as e:
            raise Exception(str(e)) from None
        return list(ops), {BlobReference(k): _wrapped(v) for k, v in grads.items()}


def GradientRegistry_Register(op_type):
    return GradientRegistry.RegisterGradient(op_type)
