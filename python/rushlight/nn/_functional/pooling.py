"""Convolution and pooling."""

from __future__ import annotations

from typing import Any

import rushlight as rl
from rushlight import Tensor

from .._broadcasting import BroadcastingList1, BroadcastingList2, BroadcastingList3
from .._tuples import _pair, _triple
from ._operators import operator, ops, records

conv1d = operator("conv1d")
conv2d = operator("conv2d")
conv3d = operator("conv3d")
conv_transpose1d = operator("conv_transpose1d")
conv_transpose2d = operator("conv_transpose2d")
conv_transpose3d = operator("conv_transpose3d")
conv_tbc = operator("conv_tbc")
avg_pool1d = operator("avg_pool1d")
avg_pool2d = operator("avg_pool2d")
avg_pool3d = operator("avg_pool3d")
adaptive_avg_pool1d = operator("adaptive_avg_pool1d")
fractional_max_pool2d_with_indices = records.fractional_max_pool2d_with_indices
fractional_max_pool3d_with_indices = records.fractional_max_pool3d_with_indices
lp_pool1d = records.lp_pool1d
lp_pool2d = records.lp_pool2d
lp_pool3d = records.lp_pool3d
max_unpool1d = records.max_unpool1d
max_unpool2d = records.max_unpool2d
max_unpool3d = records.max_unpool3d


def _script_as(function: Any, argument: str, position: int, when_true: Any, when_false: Any) -> None:
    """What a script that calls the function calls, by the value of a constant argument: the two results differ in type."""
    function._script_dispatch = (argument, position, when_true, when_false)


def max_pool1d_with_indices(
    input: Tensor,
    kernel_size: BroadcastingList1[int],
    stride: BroadcastingList1[int] | None = None,
    padding: BroadcastingList1[int] = 0,
    dilation: BroadcastingList1[int] = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """Max pooling over one dimension, and where each maximum was found."""
    stride = kernel_size if stride is None else stride
    return rl.max_pool1d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)


def _max_pool1d(
    input: Tensor,
    kernel_size: BroadcastingList1[int],
    stride: BroadcastingList1[int] | None = None,
    padding: BroadcastingList1[int] = 0,
    dilation: BroadcastingList1[int] = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor:
    stride = kernel_size if stride is None else stride
    return rl.max_pool1d(input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Max pooling over one dimension; with ``return_indices`` also where each maximum was found."""
    stride = kernel_size if stride is None else stride
    if return_indices:
        return rl.max_pool1d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
    return rl.max_pool1d(input, kernel_size, stride, padding, dilation, ceil_mode)


_script_as(max_pool1d, "return_indices", 6, max_pool1d_with_indices, _max_pool1d)


def max_pool2d_with_indices(
    input: Tensor,
    kernel_size: BroadcastingList2[int],
    stride: BroadcastingList2[int] | None = None,
    padding: BroadcastingList2[int] = 0,
    dilation: BroadcastingList2[int] = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """Max pooling over two dimensions, and where each maximum was found."""
    stride = kernel_size if stride is None else stride
    return ops.max_pool2d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)


def _max_pool2d(
    input: Tensor,
    kernel_size: BroadcastingList2[int],
    stride: BroadcastingList2[int] | None = None,
    padding: BroadcastingList2[int] = 0,
    dilation: BroadcastingList2[int] = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor:
    stride = kernel_size if stride is None else stride
    return rl.max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Max pooling over two dimensions; with ``return_indices`` also where each maximum was found."""
    stride = kernel_size if stride is None else stride
    if return_indices:
        return ops.max_pool2d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
    return rl.max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode)


_script_as(max_pool2d, "return_indices", 6, max_pool2d_with_indices, _max_pool2d)


def max_pool3d_with_indices(
    input: Tensor,
    kernel_size: BroadcastingList3[int],
    stride: BroadcastingList3[int] | None = None,
    padding: BroadcastingList3[int] = 0,
    dilation: BroadcastingList3[int] = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """Max pooling over three dimensions, and where each maximum was found."""
    stride = kernel_size if stride is None else stride
    return ops.max_pool3d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)


def _max_pool3d(
    input: Tensor,
    kernel_size: BroadcastingList3[int],
    stride: BroadcastingList3[int] | None = None,
    padding: BroadcastingList3[int] = 0,
    dilation: BroadcastingList3[int] = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor:
    stride = kernel_size if stride is None else stride
    return rl.max_pool3d(input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool3d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Max pooling over three dimensions; with ``return_indices`` also where each maximum was found."""
    stride = kernel_size if stride is None else stride
    if return_indices:
        return ops.max_pool3d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
    return rl.max_pool3d(input, kernel_size, stride, padding, dilation, ceil_mode)


_script_as(max_pool3d, "return_indices", 6, max_pool3d_with_indices, _max_pool3d)


def fractional_max_pool2d(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """Maxima of windows at places drawn at random; with ``return_indices`` also where each maximum was found."""
    found = fractional_max_pool2d_with_indices(
        input, kernel_size, output_size, output_ratio, return_indices, _random_samples
    )
    return found if return_indices else found[0]


def _fractional_max_pool2d_found(
    input: Tensor,
    kernel_size: BroadcastingList2[int],
    output_size: BroadcastingList2[int] | None = None,
    output_ratio: BroadcastingList2[float] | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    return fractional_max_pool2d_with_indices(
        input, kernel_size, output_size, output_ratio, return_indices, _random_samples
    )


def _fractional_max_pool2d(
    input: Tensor,
    kernel_size: BroadcastingList2[int],
    output_size: BroadcastingList2[int] | None = None,
    output_ratio: BroadcastingList2[float] | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Tensor:
    return fractional_max_pool2d_with_indices(
        input, kernel_size, output_size, output_ratio, return_indices, _random_samples
    )[0]


_script_as(fractional_max_pool2d, "return_indices", 4, _fractional_max_pool2d_found, _fractional_max_pool2d)


def fractional_max_pool3d(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """Maxima of windows at places drawn at random; with ``return_indices`` also where each maximum was found."""
    found = fractional_max_pool3d_with_indices(
        input, kernel_size, output_size, output_ratio, return_indices, _random_samples
    )
    return found if return_indices else found[0]


def _fractional_max_pool3d_found(
    input: Tensor,
    kernel_size: BroadcastingList3[int],
    output_size: BroadcastingList3[int] | None = None,
    output_ratio: BroadcastingList3[float] | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    return fractional_max_pool3d_with_indices(
        input, kernel_size, output_size, output_ratio, return_indices, _random_samples
    )


def _fractional_max_pool3d(
    input: Tensor,
    kernel_size: BroadcastingList3[int],
    output_size: BroadcastingList3[int] | None = None,
    output_ratio: BroadcastingList3[float] | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Tensor:
    return fractional_max_pool3d_with_indices(
        input, kernel_size, output_size, output_ratio, return_indices, _random_samples
    )[0]


_script_as(fractional_max_pool3d, "return_indices", 4, _fractional_max_pool3d_found, _fractional_max_pool3d)


def _list_with_default(output_size: Any, defaults: list[int]) -> Any:
    """Each None in ``output_size`` keeps the input's size there."""
    if isinstance(output_size, int):
        return output_size
    if len(defaults) <= len(output_size):
        raise ValueError(f"Input dimension should be at least {len(output_size) + 1}")
    return [d if v is None else v for v, d in zip(output_size, defaults[-len(output_size) :], strict=True)]


def adaptive_max_pool1d_with_indices(
    input: Tensor, output_size: BroadcastingList1[int], return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """Max pooling to a given size, and where each maximum was found."""
    return rl.adaptive_max_pool1d(input, output_size)


def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Max pooling to a given size; with ``return_indices`` also where each maximum was found."""
    result = rl.adaptive_max_pool1d(input, output_size)
    return result if return_indices else result[0]


def _adaptive_max_pool1d(input: Tensor, output_size: BroadcastingList1[int], return_indices: bool = False) -> Tensor:
    return adaptive_max_pool1d_with_indices(input, output_size)[0]


_script_as(adaptive_max_pool1d, "return_indices", 2, adaptive_max_pool1d_with_indices, _adaptive_max_pool1d)


def adaptive_max_pool2d_with_indices(
    input: Tensor, output_size: BroadcastingList2[int], return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """Max pooling to a given size, and where each maximum was found."""
    return ops.adaptive_max_pool2d(input, _list_with_default(output_size, list(input.size())))


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Max pooling to a given size; with ``return_indices`` also where each maximum was found."""
    result = adaptive_max_pool2d_with_indices(input, output_size)
    return result if return_indices else result[0]


def _adaptive_max_pool2d(input: Tensor, output_size: BroadcastingList2[int], return_indices: bool = False) -> Tensor:
    return adaptive_max_pool2d_with_indices(input, output_size)[0]


_script_as(adaptive_max_pool2d, "return_indices", 2, adaptive_max_pool2d_with_indices, _adaptive_max_pool2d)


def adaptive_max_pool3d_with_indices(
    input: Tensor, output_size: BroadcastingList3[int], return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """Max pooling to a given size, and where each maximum was found."""
    return ops.adaptive_max_pool3d(input, _list_with_default(output_size, list(input.size())))


def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Max pooling to a given size; with ``return_indices`` also where each maximum was found."""
    result = adaptive_max_pool3d_with_indices(input, output_size)
    return result if return_indices else result[0]


def _adaptive_max_pool3d(input: Tensor, output_size: BroadcastingList3[int], return_indices: bool = False) -> Tensor:
    return adaptive_max_pool3d_with_indices(input, output_size)[0]


_script_as(adaptive_max_pool3d, "return_indices", 2, adaptive_max_pool3d_with_indices, _adaptive_max_pool3d)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Mean pooling to a given size; None in it keeps the input's size there."""
    return ops.adaptive_avg_pool2d(input, _pair(_list_with_default(output_size, input.size())))


def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """Mean pooling to a given size; None in it keeps the input's size there."""
    return ops.adaptive_avg_pool3d(input, _triple(_list_with_default(output_size, input.size())))
