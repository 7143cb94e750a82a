"""Functions of torch for quantised numbers that few programs call. Imported when one of them is first named."""

from __future__ import annotations

from typing import Any

import rushlight as rl
from rushlight import Tensor


def _like(values: Tensor, of: Tensor) -> Tensor:
    """The values with the scale, zero point and dtype of a quantised tensor."""
    return rl.quantize_per_tensor(values, of.q_scale(), of.q_zero_point(), of.dtype)


def _pooled(rank: int) -> Any:
    def function(
        input: Tensor, kernel_size: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
    ) -> Tensor:
        pool = getattr(rl, f"max_pool{rank}d")
        return _like(pool(input.dequantize(), kernel_size, stride or kernel_size, padding, dilation, ceil_mode), input)

    function.__name__ = function.__qualname__ = f"quantized_max_pool{rank}d"
    function.__doc__ = f"max_pool{rank}d of a quantised tensor, with its scale and zero point."
    return function


quantized_max_pool1d, quantized_max_pool2d, quantized_max_pool3d = map(_pooled, (1, 2, 3))


def quantized_batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor,
    var: Tensor,
    eps: float,
    output_scale: float,
    output_zero_point: int,
) -> Tensor:
    """batch_norm, by given statistics, of a quantised tensor."""
    made = rl.nn.functional.batch_norm(input.dequantize(), mean, var, weight, bias, False, 0.0, eps)
    return rl.quantize_per_tensor(made, output_scale, output_zero_point, input.dtype)


def empty_quantized(size: Any, qtensor: Tensor, **options: Any) -> Tensor:
    """A quantised tensor of any values with the scale, zero point and dtype of another."""
    return rl._empty_affine_quantized(
        size,
        scale=qtensor.q_scale(),
        zero_point=qtensor.q_zero_point(),
        dtype=options.pop("dtype", qtensor.dtype),
        **options,
    )


# ---- scales from the values ----


def choose_qparams_optimized(
    input: Tensor, numel: int, n_bins: int, ratio: float, bit_width: int
) -> tuple[Tensor, Tensor]:
    """(highest, lowest) between which values are best quantised in bit_width bits.

    From both ends, whichever costs less, the range is narrowed in n_bins steps by at most `ratio` of it; the first narrowing that no
    step on either side improves, and that is better than all before it, is taken. The cost is the distance of what the integers stand for.
    """
    if numel < 0 or numel > input.numel():
        raise RuntimeError(f"choose_qparams_optimized: expected numel from 0 to {input.numel()}, got {numel}")
    if n_bins < 1 or not 1 <= bit_width <= 16:
        raise RuntimeError(f"choose_qparams_optimized: expected bins, and 1 to 16 bits, got {n_bins} and {bit_width}")
    x = input.detach().reshape(-1)[:numel].float()
    top = (1 << bit_width) - 1

    def cost(low: float, high: float) -> float:
        scale = (high - low) / top if high != low else 1.0
        whole = ((x - low) * (1 / scale)).round().clamp(0, top)
        return float((x - (whole * scale + low)).norm())

    best_low, best_high = float(x.min()), float(x.max())
    low, high, step = best_low, best_high, (best_high - best_low) / n_bins
    least = int(n_bins * (1 - ratio)) * step
    now = best = cost(low, high)
    while low + least < high:
        from_left, from_right = cost(low + step, high), cost(low, high - step)
        if now < from_left and now < from_right and now < best:
            best, best_low, best_high = now, low, high
        if from_left < from_right:
            low, now = low + step, from_left
        else:
            high, now = high - step, from_right
    return rl.tensor([best_high]), rl.tensor([best_low])


def fused_moving_avg_obs_fake_quant(
    self: Tensor,
    observer_on: Tensor,
    fake_quant_on: Tensor,
    running_min: Tensor,
    running_max: Tensor,
    scale: Tensor,
    zero_point: Tensor,
    averaging_const: float,
    quant_min: int,
    quant_max: int,
    ch_axis: int,
    per_row_fake_quant: bool = False,
    symmetric_quant: bool = False,
) -> Tensor:
    """self as its quantised numbers are, of a range that moves with what comes by.

    With observer_on, running_min and running_max move towards self's, by averaging_const (or start as them), and scale and zero_point are
    set for that range; with fake_quant_on, self is rounded by them. With per_row_fake_quant there is a range for each place along ch_axis.
    """
    if quant_min > quant_max:
        raise RuntimeError(
            f"fused_moving_avg_obs_fake_quant: expected quant_min <= quant_max, got {quant_min} and {quant_max}"
        )
    if int(observer_on.reshape(-1)[0]):
        _observe(self, running_min, running_max, averaging_const, ch_axis if per_row_fake_quant else None)
        low, high = running_min.clamp(max=0), running_max.clamp(min=0)
        found = (high - low) / (quant_max - quant_min)
        zeros = (quant_min - (low / found).round()).clamp(quant_min, quant_max)
        if symmetric_quant:  # where there are values on both sides of 0
            half = (quant_max - quant_min) // 2
            both = (running_min < 0) & (running_max > 0)
            found = rl.where(both, rl.maximum(running_min / -(half + 1), running_max / half), found)
            zeros = rl.where(both, float(round((quant_min + quant_max) / 2)), zeros)
        found = found.clamp(min=float(rl.finfo(rl.float32).eps))
        for to, values in ((scale, found), (zero_point, zeros)):
            _become(to, values)
    if not int(fake_quant_on.reshape(-1)[0]):
        return self
    if per_row_fake_quant:
        return rl.fake_quantize_per_channel_affine(self, scale, zero_point, ch_axis, quant_min, quant_max)
    return rl.fake_quantize_per_tensor_affine(self, scale, zero_point, quant_min, quant_max)


def _become(t: Tensor, values: Tensor) -> None:
    with rl.no_grad():
        t.resize_(values.shape).copy_(values)


def _observe(x: Tensor, running_min: Tensor, running_max: Tensor, part: float, axis: int | None) -> None:
    values = x.detach()
    rest = [d for d in range(values.ndim) if d != (axis or 0) % values.ndim]
    low, high = rl.aminmax(values) if axis is None else (values.amin(rest), values.amax(rest))
    for running, found in ((running_min, low), (running_max, high)):
        found = found.to(running.dtype)
        if running.numel() == 0:
            _become(running, found)
        else:
            moved = running + part * (found - running)
            _become(running, rl.where(running.isinf(), found.reshape(running.shape), moved))


# ---- linear layers with weights in float16, and in int8 with the input quantised at each call ----


def fbgemm_pack_gemm_matrix_fp16(input: Tensor) -> Tensor:
    """A weight (out, in) for fbgemm_linear_fp16_weight: float16, what is larger than that holds cut to it."""
    if input.ndim != 2:
        raise RuntimeError(f"fbgemm_pack_gemm_matrix_fp16: expected a matrix, got shape {tuple(input.shape)}")
    most = float(rl.finfo(rl.float16).max)
    return input.clamp(-most, most).half()


def fbgemm_linear_fp16_weight_fp32_activation(input: Tensor, packed_weight: Tensor, bias: Tensor | None) -> Tensor:
    """linear with a weight of fbgemm_pack_gemm_matrix_fp16, (*, in) -> (*, out), computed in float32."""
    return rl.nn.functional.linear(input.float(), packed_weight.float(), bias)


fbgemm_linear_fp16_weight = fbgemm_linear_fp16_weight_fp32_activation


def _scale_of(x: Tensor, lowest: int, highest: int) -> tuple[float, int]:
    """The scale and the zero point that let integers stand for 0 and all values of x."""
    low, high = min(float(x.min()), 0.0), max(float(x.max()), 0.0)
    scale = (high - low) / (highest - lowest) or 0.1
    at_low, at_high = lowest - low / scale, highest - high / scale
    # The end where the rounding of the two numbers that are subtracted weighs less.
    zero = at_low if abs(lowest) + abs(low / scale) < abs(highest) + abs(high / scale) else at_high
    return scale, min(max(round(zero), lowest), highest)


def fbgemm_linear_quantize_weight(input: Tensor) -> tuple[Tensor, Tensor, float, int]:
    """(integers, sums of each row of them, scale, zero point) of a weight (out, in), for fbgemm_linear_int8_weight."""
    if input.ndim != 2:
        raise RuntimeError(f"fbgemm_linear_quantize_weight: expected a matrix, got shape {tuple(input.shape)}")
    scale, zero = _scale_of(input, -128, 127)
    whole = (input.float() * (1 / scale) + zero).round().clamp(-128, 127).to(rl.int8)
    return whole, (whole.to(rl.int32) - zero).sum(1, dtype=rl.int32), scale, zero


def fbgemm_pack_quantized_matrix(input: Tensor, K: int | None = None, N: int | None = None) -> Tensor:  # noqa: N803
    """The integers of a weight as fbgemm_linear_int8_weight takes them: as they are."""
    return input.contiguous()


def fbgemm_linear_int8_weight_fp32_activation(
    input: Tensor,
    weight: Tensor,
    packed: Tensor,
    col_offsets: Tensor,
    weight_scale: float,
    weight_zero_point: int,
    bias: Tensor | None,
) -> Tensor:
    """linear with a weight of fbgemm_linear_quantize_weight; the input, (*, in), is rounded to 256 steps of its range."""
    scale, zero = _scale_of(input, 0, 255)
    steps = (input.float() * (1 / scale) + zero).round().clamp(0, 255) - zero
    sums = steps.double() @ (packed.double() - weight_zero_point).T  # exact: sums of products of small whole numbers
    made = (sums * (scale * weight_scale)).float()
    return made if bias is None else made + bias


fbgemm_linear_int8_weight = fbgemm_linear_int8_weight_fp32_activation
