"""Activations and dropout."""

from __future__ import annotations

import rushlight as rl
from rushlight import Tensor

from ._operators import operator, ops, records

relu_ = operator("relu_")
elu_ = operator("elu_")
selu_ = operator("selu_")
celu_ = operator("celu_")
leaky_relu_ = operator("leaky_relu_")
hardtanh_ = operator("hardtanh_")
threshold_ = operator("threshold_")
rrelu_ = operator("rrelu_")
gelu = operator("gelu")
logsigmoid = operator("log_sigmoid")
softplus = operator("softplus")
softshrink = operator("softshrink")
hardshrink = operator("hardshrink")
prelu = operator("prelu")
dropout1d = records.dropout1d
dropout2d = records.dropout2d
dropout3d = records.dropout3d
gumbel_softmax = records.gumbel_softmax
log_softmax = records.log_softmax
softmax = records.softmax
softmin = records.softmin


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """``max(input, 0)``.

    >>> import rushlight as torch
    >>> torch.nn.functional.relu(torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    if inplace:
        return rl.relu_(input)
    return rl.relu(input)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """``min(max(input, 0), 6)``."""
    if inplace:
        return ops.relu6_(input)
    return ops.relu6(input)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """``input`` where positive, ``alpha * (exp(input) - 1)`` elsewhere."""
    if inplace:
        return ops.elu_(input, alpha)
    return ops.elu(input, alpha)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """ELU with the scale and alpha of self-normalising networks."""
    if inplace:
        return rl.selu_(input)
    return rl.selu(input)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """``max(0, input) + min(0, alpha * (exp(input / alpha) - 1))``."""
    if inplace:
        return rl.celu_(input, alpha)
    return rl.celu(input, alpha)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """``input`` where positive, ``negative_slope * input`` elsewhere."""
    if inplace:
        return ops.leaky_relu_(input, negative_slope)
    return ops.leaky_relu(input, negative_slope)


def rrelu(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, inplace: bool = False
) -> Tensor:
    """Leaky ReLU whose slope is drawn for each element while training."""
    if inplace:
        return rl.rrelu_(input, lower, upper, training)
    return rl.rrelu(input, lower, upper, training)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """``input`` limited to ``[min_val, max_val]``."""
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    if inplace:
        return ops.hardtanh_(input, min_val, max_val)
    return ops.hardtanh(input, min_val, max_val)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """``input`` where above ``threshold``, ``value`` elsewhere."""
    if inplace:
        return rl.threshold_(input, threshold, value)
    return rl.threshold(input, threshold, value)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """``input * sigmoid(input)``."""
    if inplace:
        return ops.silu_(input)
    return ops.silu(input)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """``input * tanh(softplus(input))``."""
    if inplace:
        return ops.mish_(input)
    return ops.mish(input)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """``input * relu6(input + 3) / 6``."""
    if inplace:
        return ops.hardswish_(input)
    return ops.hardswish(input)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """``relu6(input + 3) / 6``."""
    if inplace:
        return ops.hardsigmoid_(input)
    return ops.hardsigmoid(input)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """``a * sigmoid(b)`` for the two halves of ``input`` along ``dim``."""
    if input.dim() == 0:
        raise RuntimeError("glu does not support scalars because halving size must be even")
    return ops.glu(input, dim)


def sigmoid(input: Tensor) -> Tensor:
    """``1 / (1 + exp(-input))``."""
    return input.sigmoid()


def tanh(input: Tensor) -> Tensor:
    """The hyperbolic tangent."""
    return input.tanh()


def tanhshrink(input: Tensor) -> Tensor:
    """``input - tanh(input)``."""
    return input - input.tanh()


def softsign(input: Tensor) -> Tensor:
    """``input / (1 + |input|)``."""
    return input / (input.abs() + 1)


def _check_p(p: float) -> None:
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zeroes elements with probability ``p`` while training and scales the rest by ``1 / (1 - p)``."""
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    if inplace:
        return rl.dropout_(input, p, training)
    return rl.dropout(input, p, training)


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Dropout that keeps mean and variance under SELU."""
    _check_p(p)
    if inplace:
        return rl.alpha_dropout_(input, p, training)
    return rl.alpha_dropout(input, p, training)


def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Alpha dropout of whole channels."""
    _check_p(p)
    if inplace:
        return rl.feature_alpha_dropout_(input, p, training)
    return rl.feature_alpha_dropout(input, p, training)
