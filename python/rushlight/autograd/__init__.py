"""Gradients: ``backward``, ``grad``, custom functions, modes, and derivatives of functions.

>>> x = torch.tensor([1., 2.], requires_grad=True)
>>> (x * x).sum().backward()
>>> x.grad
tensor([2., 4.])
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from .. import _C
from .._C import (
    Tensor,
    _profiler_enabled,  # noqa: F401
    is_anomaly_check_nan_enabled,
    is_anomaly_enabled,
)
from .._C import _SavedTensor as SavedTensor  # noqa: F401
from . import forward_ad, functional, graph
from .anomaly_mode import detect_anomaly, set_detect_anomaly
from .function import Function, NestedIOFunction
from .grad_mode import (
    enable_grad,
    inference_mode,
    is_multithreading_enabled,
    no_grad,
    set_grad_enabled,
    set_multithreading_enabled,
)
from .gradcheck import GradcheckError, gradcheck, gradgradcheck
from .variable import Variable

__all__ = [
    "Function",
    "GradcheckError",
    "Variable",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "inference_mode",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
    "variable",
]


def _tuple(tensors: Any) -> tuple:
    return (tensors,) if isinstance(tensors, (Tensor, graph.GradientEdge)) else tuple(tensors)


def _weights(grads: Any, count: int) -> tuple:
    if grads is None:
        return (None,) * count
    out = _tuple(grads)
    if len(out) != count:
        raise RuntimeError(f"got {count} tensors and {len(out)} gradients")
    return out


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Any = None,
    inputs: Any = None,
) -> None:
    """Adds the gradients of ``tensors``, weighted by ``grad_tensors``, to ``.grad`` of the leaves.

    Args:
        grad_tensors: one weight per tensor; None stands for 1 where a tensor has a single element.
        retain_graph: keep the saved values for another walk. Default: the value of ``create_graph``.
        create_graph: record the computation of the gradients, for higher derivatives.
        inputs: only these leaves' gradients are computed.
    """
    tensors = _tuple(tensors)
    if inputs is not None:
        inputs = _tuple(inputs)
        if not inputs:
            raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    weights = _weights(grad_tensors if grad_tensors is not None else grad_variables, len(tensors))
    keep = create_graph if retain_graph is None else retain_graph
    with _into_leaves(inputs is None):
        _C._run_backward(tensors, weights, keep, create_graph, inputs, True, True)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of ``outputs``, weighted by ``grad_outputs``, for ``inputs``; ``.grad`` is left alone.

    Args:
        allow_unused: None instead of an error for an input that the outputs do not depend on.
        materialize_grads: zeros instead of None for those.
        is_grads_batched: the first dimension of each weight runs over independent gradients.

    >>> x = torch.tensor(3., requires_grad=True)
    >>> torch.autograd.grad(x ** 3, x)
    (tensor(27.),)
    """
    outputs, inputs = _tuple(outputs), _tuple(inputs)
    if not inputs:
        raise RuntimeError("grad requires non-empty inputs: `inputs` argument to `grad()` cannot be empty.")
    if materialize_grads:
        if allow_unused is False:
            raise ValueError(
                "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False."
            )
        allow_unused = True
    weights = _weights(grad_outputs, len(outputs))
    keep = create_graph if retain_graph is None else retain_graph
    if is_grads_batched:
        for i, (w, o) in enumerate(zip(weights, outputs, strict=True)):
            if isinstance(o, Tensor) and w is not None and w.shape[1:] != o.shape:
                raise RuntimeError(
                    "If `is_grads_batched=True`, we interpret the first dimension of each grad_output as the batch dimension. "
                    f"The sizes of the remaining dimensions are expected to match the shape of corresponding output, but a "
                    f"mismatch was detected: grad_output[{i}] has a shape of {tuple(w.shape)} and output[{i}] has a shape of "
                    f"{tuple(o.shape)}."
                )
        count = len(weights[0])
        rows = [
            grad(outputs, inputs, [w[i] for w in weights], keep or i + 1 < count, create_graph, True, True, False, True)
            for i in range(count)
        ]
        import rushlight

        return tuple(rushlight.stack(column) for column in zip(*rows, strict=True))
    with _into_leaves(False):
        result = _C._run_backward(outputs, weights, keep, create_graph, inputs, bool(allow_unused), False)
    if materialize_grads:
        if any(g is None and isinstance(i, graph.GradientEdge) for g, i in zip(result, inputs, strict=True)):
            raise RuntimeError(
                "materialize_grads cannot be used when the given input is a GradientEdge that the outputs do not depend on: "
                "nothing is known of its tensor"
            )
        result = tuple(
            i.new_zeros(i.shape, requires_grad=True) if g is None else g for g, i in zip(result, inputs, strict=True)
        )
    return result


class _Walk(threading.local):
    all_leaves = True  # whether the walk that runs on this thread, if any, adds to the .grad of all leaves


_walk = _Walk()


@contextlib.contextmanager
def _into_leaves(all_leaves: bool) -> Iterator[None]:
    before, _walk.all_leaves = _walk.all_leaves, all_leaves and _walk.all_leaves
    try:
        yield
    finally:
        _walk.all_leaves = before


def _is_checkpoint_valid() -> bool:
    """Whether a part of the graph may be walked of its own: not while only some inputs' gradients are asked for."""
    return _walk.all_leaves


def variable(*args: Any, **kwargs: Any) -> Any:
    """RuntimeError: tensor() has taken its place."""
    raise RuntimeError("torch.autograd.variable(...) is deprecated, use torch.tensor(...) instead")


def __getattr__(name: str) -> Any:
    import importlib

    if name in ("profiler", "profiler_util"):
        return importlib.import_module(f"{__name__}.{name}")
    if name == "kineto_available":
        return importlib.import_module("..profiler", __name__).kineto_available
    if name == "torch":
        return sys.modules["rushlight"]
    from .._missing import missing_name

    raise AttributeError(name) if name.startswith("__") else missing_name(sys.modules[__name__], name)
