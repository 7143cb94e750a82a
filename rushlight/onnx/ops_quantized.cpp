// Casts, quantised operators.
#include "rushlight/onnx/operators.h"

namespace rushlight::onnx {

const char* const kQuantizedText = R"py(
def _is_integer_elem(e: Any):
    return e in (2, 3, 4, 5, 6, 7, 12, 13, 21, 22, 25, 26)

def _limits(e: Any):
    if e == 2:
        return 0, 255
    if e == 3:
        return -128, 127
    if e == 4:
        return 0, 65535
    if e == 5:
        return -32768, 32767
    if e == 21:
        return 0, 15
    if e == 22:
        return -8, 7
    if e == 25:
        return 0, 3
    if e == 26:
        return -2, 1
    return -2147483648, 2147483647

def _numbers_of(x: Any):
    out: List[float] = []
    for s in _texts(x):
        out.append(float(s))
    return torch.tensor(out, dtype=torch.float64).reshape(x[0].shape)

def _cast(x: Any, e: Any, saturate: Any, round_mode: Any):
    if e == 8:
        if isinstance(x, Tensor):
            return _strings(ops.onnx.texts(x), x.shape)
        return x
    if not isinstance(x, Tensor):
        if _is_integer_elem(e):
            return torch.tensor([int(s) for s in _texts(x)], dtype=torch.int64).reshape(x[0].shape).to(scalar_type(e))
        return _numbers_of(x).to(scalar_type(e))
    from_elem = elem(x)
    if from_elem == e and from_elem != 0:
        return x
    if e in (17, 18, 19, 20, 23, 24):
        return ops.onnx.to_small_float(x, e, saturate == 1, round_mode)
    if e in (21, 22, 25, 26):
        return ops.onnx.to_small_int(x, e)
    if from_elem == 24:
        return ops.onnx.from_e8m0(x).to(scalar_type(e))
    return x.to(scalar_type(e))

def Cast(input: Any, to: Any, saturate: Any = 1, round_mode: Any = "up"):
    return _cast(input, elem_named(to), saturate, round_mode)

def CastLike_15(input: Any, target_type: Any, saturate: Any = 1, round_mode: Any = "up"):
    if isinstance(target_type, Tensor):
        e = elem(target_type)
        if e == 0:
            if isinstance(input, Tensor):
                return input.to(target_type.dtype)
        return _cast(input, e, saturate, round_mode)
    return _cast(input, 8, saturate, round_mode)

def BitCast_26(input, to: Any):
    return input.view(dtype=scalar_type(to))

def _spread(p, x, axis: int, block: int):
    # A scale or zero point as it meets x: one number, one for each place of an axis, or one for each block of it.
    if p.numel() == 1:
        return p.reshape([])
    a = axis if axis >= 0 else axis + rank(x)
    if block > 0:
        return torch.repeat_interleave(p, block, a).narrow(a, 0, x.size(a))
    return p.reshape([p.numel()] + [1] * (rank(x) - 1 - a))

def _as_float(x):
    e = elem(x)
    if e == 24:
        return ops.onnx.from_e8m0(x)
    return x.to(torch.float32)

def _quantized(x, scale, zero: Any, e: Any, axis: int, block: int, saturate: Any):
    y = _as_float(x) / _spread(_as_float(scale), x, axis, block)
    if e in (17, 18, 19, 20, 23):
        return ops.onnx.to_small_float(y, e, saturate == 1, "up")
    y = torch.round(y)
    if zero is not None:
        y = y + _spread(zero.to(torch.float32), x, axis, block)
    low, high = _limits(e)
    return torch.clamp(y, low, high).to(scalar_type(e))

def QuantizeLinear_10(x, y_scale, y_zero_point: Any = None, axis: Any = 1, block_size: Any = 0, output_dtype: Any = 0, precision: Any = 0, saturate: Any = 1):
    e = elem(y_zero_point)
    if output_dtype != 0:
        return _quantized(x, y_scale, y_zero_point, output_dtype, axis, block_size, saturate)
    if y_zero_point is None:
        return _quantized(x, y_scale, y_zero_point, 2, axis, block_size, saturate)
    if e == 0:
        if y_zero_point.dtype == torch.int8:
            return _quantized(x, y_scale, y_zero_point, 3, axis, block_size, saturate)
        return _quantized(x, y_scale, y_zero_point, 2, axis, block_size, saturate)
    return _quantized(x, y_scale, y_zero_point, e, axis, block_size, saturate)

def DequantizeLinear_10(x, x_scale, x_zero_point: Any = None, axis: Any = 1, block_size: Any = 0, output_dtype: Any = 0):
    d = x_scale.dtype
    if output_dtype != 0:
        d = scalar_type(output_dtype)
    s = _spread(_as_float(x_scale), x, axis, block_size)
    if x_zero_point is None:
        return (x.to(torch.float32) * s).to(d)
    z = _spread(x_zero_point.to(torch.float32), x, axis, block_size)
    return ((x.to(torch.float32) - z) * s).to(d)

def DynamicQuantizeLinear_11(x, outputs: Any = 3):
    low = torch.clamp_max(torch.amin(x), 0.0)
    high = torch.clamp_min(torch.amax(x), 0.0)
    scale = (high - low) / 255.0
    zero = torch.round(torch.clamp(-low / scale, 0, 255))
    y = torch.clamp(torch.round(x / scale) + zero, 0, 255)
    return y.to(torch.uint8), scale, zero.to(torch.uint8)

def _point(x, zero: Any, rows: Any):
    # An integer tensor less its zero point, which may be one for each row (of A) or column (of B).
    y = x.to(torch.int32)
    if zero is None:
        return y
    z = zero.to(torch.int32)
    if z.numel() == 1:
        return y - z.reshape([])
    if rows and rank(z) == 1:
        return y - z.unsqueeze(-1)
    return y - z

def MatMulInteger_10(A, B, a_zero_point: Any = None, b_zero_point: Any = None):
    return torch.matmul(_point(A, a_zero_point, True), _point(B, b_zero_point, False))

def QLinearMatMul_10(a, a_scale, a_zero_point, b, b_scale, b_zero_point, y_scale, y_zero_point):
    acc = torch.matmul(_point(a, a_zero_point, True), _point(b, b_zero_point, False)).to(torch.float32)
    sa = a_scale.to(torch.float32)
    sb = b_scale.to(torch.float32)
    if rank(sa) == 1 and sa.numel() > 1:
        sa = sa.unsqueeze(-1)
    y = acc * (sa * sb / y_scale.to(torch.float32))
    return _requantized(y, y_zero_point)

def _requantized(y, zero):
    r = torch.round(y) + zero.to(torch.float32)
    if zero.dtype == torch.int8:
        return torch.clamp(r, -128, 127).to(torch.int8)
    return torch.clamp(r, 0, 255).to(torch.uint8)

def ConvInteger_10(x, w, x_zero_point: Any = None, w_zero_point: Any = None, auto_pad: Any = "NOTSET", dilations: Any = None, group: Any = 1, kernel_shape: Any = None, pads: Any = None, strides: Any = None):
    # Sums of products of bytes are exact in double precision.
    wz = w.to(torch.float64)
    if w_zero_point is not None:
        z = w_zero_point.to(torch.float64)
        wz = wz - z.reshape([z.numel()] + [1] * (rank(w) - 1))
    return torch.round(_conv(_point(x, x_zero_point, False).to(torch.float64), wz, None, auto_pad, dilations, group, kernel_shape, pads, strides)).to(torch.int32)

def QLinearConv_10(x, x_scale, x_zero_point, w, w_scale, w_zero_point, y_scale, y_zero_point, B: Any = None, auto_pad: Any = "NOTSET", dilations: Any = None, group: Any = 1, kernel_shape: Any = None, pads: Any = None, strides: Any = None):
    z = w_zero_point.to(torch.float64)
    wz = w.to(torch.float64) - z.reshape([z.numel()] + [1] * (rank(w) - 1))
    acc = _conv(x.to(torch.float64) - x_zero_point.to(torch.float64), wz, None, auto_pad, dilations, group, kernel_shape, pads, strides)
    if B is not None:
        acc = acc + B.to(torch.float64).reshape([B.numel()] + [1] * (rank(x) - 2))
    s = (x_scale * w_scale / y_scale).to(torch.float32)
    if s.numel() > 1:
        s = s.reshape([s.numel()] + [1] * (rank(x) - 2))
    return _requantized(torch.round(acc).to(torch.float32) * s, y_zero_point)
)py";

}  // namespace rushlight::onnx
