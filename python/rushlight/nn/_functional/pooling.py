"""Convolution and pooling."""

from __future__ import annotations

from typing import Any

import rushlight as rl
from rushlight import Tensor

from .._broadcasting import BroadcastingList1, BroadcastingList2, BroadcastingList3
from .._tuples import _pair, _single, _triple
from ._operators import operator, ops

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


def _fractional_max_pool(
    dims: int,
    op: Any,
    input: Tensor,
    kernel_size: Any,
    output_size: Any,
    output_ratio: Any,
    random_samples: Tensor | None,
) -> tuple[Tensor, Tensor]:
    tuple_of = _pair if dims == 2 else _triple
    if output_size is None and output_ratio is None:
        raise ValueError(f"fractional_max_pool{dims}d requires specifying either an output_size or an output_ratio")
    if output_size is None:
        output_size = [int(n * r) for n, r in zip(input.shape[-dims:], tuple_of(output_ratio), strict=True)]
    if random_samples is None:
        batch = 1 if input.dim() == dims + 1 else input.size(0)
        random_samples = rl.rand(batch, input.size(-dims - 1), dims, dtype=input.dtype, device=input.device)
    return op(input, kernel_size, output_size, random_samples)


def fractional_max_pool2d_with_indices(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Maxima of windows at places drawn at random, and where each maximum was found."""
    return _fractional_max_pool(
        2, ops.fractional_max_pool2d, input, kernel_size, output_size, output_ratio, _random_samples
    )


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


def fractional_max_pool3d_with_indices(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Maxima of windows at places drawn at random, and where each maximum was found."""
    return _fractional_max_pool(
        3, ops.fractional_max_pool3d, input, kernel_size, output_size, output_ratio, _random_samples
    )


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


def _list_with_default(output_size: Any, defaults: list[int]) -> Any:
    """Each None in ``output_size`` keeps the input's size there."""
    if isinstance(output_size, int):
        return output_size
    if len(defaults) <= len(output_size):
        raise ValueError(f"Input dimension should be at least {len(output_size) + 1}")
    return [d if v is None else v for v, d in zip(output_size, defaults[-len(output_size) :], strict=True)]


def adaptive_max_pool1d_with_indices(
    input: Tensor, output_size: Any, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """Max pooling to a given size, and where each maximum was found."""
    return rl.adaptive_max_pool1d(input, output_size)


def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Max pooling to a given size; with ``return_indices`` also where each maximum was found."""
    result = rl.adaptive_max_pool1d(input, output_size)
    return result if return_indices else result[0]


def adaptive_max_pool2d_with_indices(
    input: Tensor, output_size: Any, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """Max pooling to a given size, and where each maximum was found."""
    return ops.adaptive_max_pool2d(input, _pair(_list_with_default(output_size, input.size())))


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Max pooling to a given size; with ``return_indices`` also where each maximum was found."""
    result = adaptive_max_pool2d_with_indices(input, output_size)
    return result if return_indices else result[0]


def adaptive_max_pool3d_with_indices(
    input: Tensor, output_size: Any, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """Max pooling to a given size, and where each maximum was found."""
    return ops.adaptive_max_pool3d(input, _triple(_list_with_default(output_size, input.size())))


def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Max pooling to a given size; with ``return_indices`` also where each maximum was found."""
    result = adaptive_max_pool3d_with_indices(input, output_size)
    return result if return_indices else result[0]


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Mean pooling to a given size; None in it keeps the input's size there."""
    return ops.adaptive_avg_pool2d(input, _pair(_list_with_default(output_size, input.size())))


def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """Mean pooling to a given size; None in it keeps the input's size there."""
    return ops.adaptive_avg_pool3d(input, _triple(_list_with_default(output_size, input.size())))


def _unpool_output_size(input: Tensor, kernel_size: Any, stride: Any, padding: Any, output_size: Any) -> list[int]:
    n = len(kernel_size)
    sizes = input.size()[-n:]
    kernels, strides, pads = list(kernel_size), list(stride), list(padding)
    default = [(sizes[d] - 1) * strides[d] + kernels[d] - 2 * pads[d] for d in range(n)]
    if output_size is None:
        return default
    if len(output_size) == n + 2:
        output_size = output_size[2:]
    if len(output_size) != n:
        raise ValueError(
            "output_size should be a sequence containing "
            f"{n} or {n + 2} elements, but it has a length of '{len(output_size)}'"
        )
    for d in range(n):
        low, high = default[d] - strides[d], default[d] + strides[d]
        if not low < output_size[d] < high:
            raise ValueError(f'invalid output_size "{output_size}" (dim {d} must be between {low} and {high})')
    return list(output_size)


def max_unpool1d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Tensor:
    """Puts each value back where max_pool1d found it; zeros elsewhere."""
    kernel = _single(kernel_size)
    size = _unpool_output_size(
        input, kernel, kernel if stride is None else _single(stride), _single(padding), output_size
    )
    return ops.max_unpool2d(input.unsqueeze(-1), indices.unsqueeze(-1), size + [1]).squeeze(-1)  # noqa: RUF005  (a script knows no [*size, 1])


def max_unpool2d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Tensor:
    """Puts each value back where max_pool2d found it; zeros elsewhere."""
    kernel = _pair(kernel_size)
    size = _unpool_output_size(input, kernel, kernel if stride is None else _pair(stride), _pair(padding), output_size)
    return ops.max_unpool2d(input, indices, size)


def max_unpool3d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Tensor:
    """Puts each value back where max_pool3d found it; zeros elsewhere."""
    kernel = _triple(kernel_size)
    strides, pads = kernel if stride is None else _triple(stride), _triple(padding)
    size = _unpool_output_size(input, kernel, strides, pads, output_size)
    return ops.max_unpool3d(input, indices, size, strides, pads)


def _lp_pool(
    input: Tensor, norm_type: Any, kernel: tuple, stride: Any, ceil_mode: bool, max_pool: Any, avg_pool: Any
) -> Tensor:
    if norm_type == float("inf"):
        return max_pool(input.abs(), kernel, stride, 0, 1, ceil_mode)
    if norm_type == -float("inf"):
        return -max_pool(-input.abs(), kernel, stride, 0, 1, ceil_mode)
    out = avg_pool(input.pow(norm_type), kernel, kernel if stride is None else stride, 0, ceil_mode)
    count = 1
    for k in kernel:
        count *= k
    return (rl.sign(out) * rl.relu(rl.abs(out))).mul(count).pow(1.0 / norm_type)


def lp_pool1d(input: Tensor, norm_type: float, kernel_size: int, stride: Any = None, ceil_mode: bool = False) -> Tensor:
    """``(sum of x**norm_type)**(1 / norm_type)`` over windows."""
    return _lp_pool(input, norm_type, _single(kernel_size), stride, ceil_mode, max_pool1d, avg_pool1d)


def lp_pool2d(input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Tensor:
    """``(sum of x**norm_type)**(1 / norm_type)`` over windows."""
    return _lp_pool(input, norm_type, _pair(kernel_size), stride, ceil_mode, max_pool2d, avg_pool2d)


def lp_pool3d(input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Tensor:
    """``(sum of x**norm_type)**(1 / norm_type)`` over windows."""
    return _lp_pool(input, norm_type, _triple(kernel_size), stride, ceil_mode, max_pool3d, avg_pool3d)
