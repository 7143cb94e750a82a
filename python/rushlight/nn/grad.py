"""The gradients of convolutions, each by itself: `conv2d_input`, `conv2d_weight` and their kin."""

from __future__ import annotations

from typing import Any

import rushlight as rl
from rushlight import Tensor

from . import functional as F

__all__ = ["conv1d_input", "conv1d_weight", "conv2d_input", "conv2d_weight", "conv3d_input", "conv3d_weight"]


def _gradient(conv: Any, x: Tensor, weight: Tensor, by: Tensor, grad_output: Tensor, *options: Any) -> Tensor:
    create_graph = rl.is_grad_enabled()
    with rl.enable_grad():
        out = conv(x, weight, None, *options)
    return rl.autograd.grad(out, by, grad_output, create_graph=create_graph)[0]


def _of_input(conv: Any, name: str) -> Any:
    def function(
        input_size: Any, weight: Tensor, grad_output: Tensor, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
        groups: int = 1,
    ) -> Tensor:  # fmt: skip
        x = grad_output.new_zeros(tuple(input_size)).requires_grad_()
        return _gradient(conv, x, weight, x, grad_output, stride, padding, dilation, groups)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"The gradient of {name.partition('_')[0]} by its input, whose sizes are given."
    return function


def _of_weight(conv: Any, name: str) -> Any:
    def function(
        input: Tensor, weight_size: Any, grad_output: Tensor, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
        groups: int = 1,
    ) -> Tensor:  # fmt: skip
        weight = grad_output.new_zeros(tuple(weight_size)).requires_grad_()
        return _gradient(conv, input, weight, weight, grad_output, stride, padding, dilation, groups)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"The gradient of {name.partition('_')[0]} by its weight, whose sizes are given."
    return function


conv1d_input, conv1d_weight = _of_input(F.conv1d, "conv1d_input"), _of_weight(F.conv1d, "conv1d_weight")
conv2d_input, conv2d_weight = _of_input(F.conv2d, "conv2d_input"), _of_weight(F.conv2d, "conv2d_weight")
conv3d_input, conv3d_weight = _of_input(F.conv3d, "conv3d_input"), _of_weight(F.conv3d, "conv3d_weight")
