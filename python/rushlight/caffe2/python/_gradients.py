"""caffe2.python.core: gradients of operators and of lists of them. The library makes them; Python functions may know more."""

from __future__ import annotations

from collections import defaultdict, namedtuple

from rushlight import _caffe2
from rushlight.caffe2.python._references import BlobReference

GradientSlice = namedtuple("GradientSlice", ["indices", "values"])

# What Caffe2's own backward pass is made of; kept for programs that name them.
OpSSA = namedtuple("OpSSA", ["op", "in_versions", "out_versions"])
GradGenMeta = namedtuple("GradGenMeta", ["grad_op", "idx", "gradient", "device_option"])
SparseGradGenMeta = namedtuple(
    "SparseGradGenMeta", ["grad_op_indices", "idx_indices", "grad_op_values", "idx_values", "gradient", "device_option"]
)


def GetIndexFromGradientList(g_list, name):
    """The place of a gradient, or of the slice that has it as indices or values; None if there is none."""
    for k, g in enumerate(g_list):
        if g == name or (isinstance(g, GradientSlice) and name in (g.indices, g.values)):
            return k
    return None


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


def _targets(ys):
    """What the library takes for the blobs whose gradients are given, or ones."""
    if isinstance(ys, dict):
        return [(str(y), _plain(g)) for y, g in ys.items()]
    if not isinstance(ys, list):
        raise TypeError("ys should either be a list or a dict.")
    return [(str(y), None) for y in ys]


def _asked(make, *args):
    """The library's answer; an operator without gradient is an Exception, as of Caffe2."""
    try:
        return make(*args)
    except RuntimeError as e:
        if str(e).startswith("Exception when creating gradient"):
            raise Exception(str(e)) from None
        raise


def _registered_gradient(op, g_output):
    """What the library asks for an operator that it has no gradient for: the operators and gradients of the inputs, or None."""
    make = GradientRegistry.gradient_registry_.get(op.type)
    if make is None:
        return None
    ops, g_input = make(op, [GradientSlice(*g) if isinstance(g, tuple) else g for g in g_output])
    ops = [] if ops is None else ops if isinstance(ops, list) else [ops]
    return ops, [_plain(g) for g in g_input]


class GradientRegistry:
    """What the gradients of operators are. The library knows its own; Python functions may be added for others."""

    gradient_registry_: dict = {}

    @classmethod
    def RegisterGradient(cls, op_type):
        """Adds a function of an operator and the gradients of its outputs: it gives the gradient operators, and the gradients of the inputs."""

        def add(function):
            cls.gradient_registry_[op_type] = function
            return function

        return add

    @classmethod
    def GetGradientForOp(cls, op, g_output):
        """The gradient operators of an OperatorDef, and the gradients of its inputs."""
        try:
            ops, g_input = _caffe2.gradient_of(op, [_plain(g) for g in g_output])
        except RuntimeError as e:
            if op.type in cls.gradient_registry_:
                raise
            raise Exception(f"Exception when creating gradient for [{op.type}]:{e}.\nOp: \n{op}") from None
        return list(ops), [GradientSlice(*g) if isinstance(g, tuple) else g for g in g_input]

    _GetGradientForOpCC = GetGradientForOp

    @classmethod
    def GetBackwardPass(cls, operators, ys, ys_generate_gradient=False):
        """The gradient operators of a list of operators, and the gradient of each blob."""
        return IR(operators).GetBackwardPass(ys)


def GradientRegistry_Register(op_type):
    return GradientRegistry.RegisterGradient(op_type)


class IR:
    """A list of operators with the versions of their blobs, from which the way back is made.

    `ssa` has an OpSSA for each; `frontier` the last version of each blob; `input_usages` the places of the operators that read each version.
    """

    AUTOGEN_GRAD_SUFFIX = "_autogen_grad"
    IS_AUTO_GEN_SUM_OPS_TAG = "is_auto_gen_sum_ops"
    ONLY_KEEP_IS_AUTO_GEN_SUM_OPS_TAG = "only_keep_is_auto_gen_sum_ops_tag"

    def __init__(self, operators):
        self._operators = list(operators)

    def __getattr__(self, name):
        if name not in ("ssa", "frontier", "input_usages", "in_version_history", "out_version_history"):
            raise AttributeError(f"'IR' object has no attribute '{name}'")
        self.ssa, self.frontier = [], defaultdict(int)
        self.input_usages = defaultdict(lambda: defaultdict(list))
        self.in_version_history, self.out_version_history = defaultdict(list), defaultdict(list)
        for op in self._operators:
            self._play(op)
        return self.__dict__[name]

    def Play(self, op):
        """Adds an operator at the end."""
        _ = self.ssa
        self._operators.append(op)
        self._play(op)

    def _play(self, op):
        read, written = {}, {}
        for s in op.input:
            read[s] = self.frontier[s]
            self.input_usages[s][read[s]].append(len(self.ssa))
            self.in_version_history[s].append((op, read[s]))
        for s in op.output:
            if s in self.frontier:
                self.frontier[s] += 1
            written[s] = self.frontier[s]
            self.out_version_history[s].append((op, written[s]))
        self.ssa.append(OpSSA(op, read, written))

    def GetBackwardPass(self, ys):
        """The gradient operators for blobs ys (a list, whose gradients are ones, or a dict of gradients), and the gradient of each blob."""
        ops, grads = _asked(_caffe2.backward_pass, self._operators, _targets(ys))
        return list(ops), {BlobReference(k): _wrapped(v) for k, v in grads.items()}
