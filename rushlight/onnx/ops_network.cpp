// Convolutions, pools, normalisations, recurrences, resizing, losses.
#include "rushlight/onnx/operators.h"

namespace rushlight::onnx {

const char* const kNetworkText = R"py(
def _or_ones(x: Any, n: int):
    if x is None:
        return [1] * n
    return x

def _amounts(x, kernel: List[int], strides: List[int], dilations: List[int], pads: Any, auto_pad: Any):
    # What is added before each spatial dimension, then after each.
    n = len(kernel)
    if auto_pad == "NOTSET":
        if pads is None:
            return [0] * (2 * n)
        return pads
    if auto_pad == "VALID":
        return [0] * (2 * n)
    if auto_pad != "SAME_UPPER" and auto_pad != "SAME_LOWER":
        unsupported("this auto_pad")
    before: List[int] = []
    after: List[int] = []
    for i in range(n):
        size = x.size(i + 2)
        steps = (size + strides[i] - 1) // strides[i]
        total = max(0, (steps - 1) * strides[i] + (kernel[i] - 1) * dilations[i] + 1 - size)
        small = total // 2
        if auto_pad == "SAME_LOWER":
            small = total - small
        before.append(small)
        after.append(total - small)
    return before + after

def _padded_by(x, amounts: List[int], value: Any):
    n = len(amounts) // 2
    order: List[int] = []
    for k in range(n):
        order.append(amounts[n - 1 - k])
        order.append(amounts[2 * n - 1 - k])
    if max(order) == 0 and min(order) == 0:
        return x
    return torch.constant_pad_nd(x, order, value)

def _conv(X, W, B: Any, auto_pad: Any, dilations: Any, group: int, kernel_shape: Any, pads: Any, strides: Any):
    n = rank(W) - 2
    s = _or_ones(strides, n)
    d = _or_ones(dilations, n)
    zeros = [0] * n
    both = None
    if auto_pad == "NOTSET":
        both = halved(pads, None)
    if auto_pad == "NOTSET" and pads is None:
        return torch.convolution(X, W, B, s, zeros, d, False, zeros, group)
    if both is not None:
        return torch.convolution(X, W, B, s, both, d, False, zeros, group)
    x = _padded_by(X, _amounts(X, W.shape[2:], s, d, pads, auto_pad), 0)
    return torch.convolution(x, W, B, s, zeros, d, False, zeros, group)

def Conv(X, W, B: Any = None, auto_pad: Any = "NOTSET", dilations: Any = None, group: Any = 1, kernel_shape: Any = None, pads: Any = None, strides: Any = None):
    return _conv(X, W, B, auto_pad, dilations, group, kernel_shape, pads, strides)

def ConvTranspose(X, W, B: Any = None, auto_pad: Any = "NOTSET", dilations: Any = None, group: Any = 1, kernel_shape: Any = None, output_padding: Any = None, output_shape: Any = None, pads: Any = None, strides: Any = None):
    n = rank(W) - 2
    s = _or_ones(strides, n)
    d = _or_ones(dilations, n)
    zeros = [0] * n
    extra = zeros
    if output_padding is not None:
        extra = output_padding
    both = None
    if auto_pad == "NOTSET" and output_shape is None:
        both = halved(pads, None)
    if both is not None:
        return torch.convolution(X, W, B, s, both, d, True, extra, group)
    if auto_pad == "NOTSET" and output_shape is None and pads is None:
        return torch.convolution(X, W, B, s, zeros, d, True, extra, group)
    # All that the kernel reaches, then cut, or grown by zeros.
    y = torch.convolution(X, W, None, s, zeros, d, True, zeros, group)
    for i in range(n):
        full = (X.size(i + 2) - 1) * s[i] + (W.size(i + 2) - 1) * d[i] + 1
        begin = 0
        size = full
        if output_shape is not None or auto_pad == "SAME_UPPER" or auto_pad == "SAME_LOWER":
            size = X.size(i + 2) * s[i]
            if output_shape is not None:
                size = output_shape[len(output_shape) - n + i]
            total = max(0, full + extra[i] - size)
            begin = total // 2 if auto_pad != "SAME_LOWER" else total - total // 2
            if auto_pad == "NOTSET":
                begin = total - total // 2
            if auto_pad == "SAME_UPPER":
                begin = total // 2
        elif pads is not None:
            begin = pads[i]
            size = full + extra[i] - pads[i] - pads[n + i]
        if begin + size > full:
            amounts = [0] * (2 * (n - 1 - i)) + [0, begin + size - full]
            y = torch.constant_pad_nd(y, amounts, 0)
        y = y.narrow(i + 2, begin, size)
    if B is not None:
        y = y + B.reshape([B.numel()] + [1] * n)
    return y

def DeformConv_19(X, W, offset, B: Any = None, mask: Any = None, dilations: Any = None, group: Any = 1, kernel_shape: Any = None, offset_group: Any = 1, pads: Any = None, strides: Any = None):
    s = _or_ones(strides, 2)
    d = _or_ones(dilations, 2)
    p = [0, 0, 0, 0]
    if pads is not None:
        p = pads
    sizes: List[int] = []
    for i in range(2):
        sizes.append((X.size(i + 2) + p[i] + p[i + 2] - d[i] * (W.size(i + 2) - 1) - 1) // s[i] + 1)
    m = torch.zeros([X.size(0), 0], dtype=X.dtype)
    if mask is not None:
        m = mask
    b = torch.zeros([W.size(0)], dtype=X.dtype)
    if B is not None:
        b = B
    y = ops.torchvision.deform_conv2d(X, W, offset, m, b, s[0], s[1], p[0], p[1], d[0], d[1], group, offset_group, mask is not None)
    return y

def _out_size(size: int, k: int, s: int, d: int, before: int, after: int, ceil: Any):
    span = (k - 1) * d + 1
    if ceil == 1:
        n = (size + before + after - span + s - 1) // s + 1
        if (n - 1) * s >= size + before:
            n = n - 1
        return n
    return (size + before + after - span) // s + 1

def _windows(x, kernel: List[int], strides: List[int], dilations: List[int], amounts: List[int], ceil: Any, value: Any):
    # The windows of each place, in as many dimensions behind; what lies outside is `value`.
    n = len(kernel)
    grown: List[int] = []
    for i in range(n):
        count = _out_size(x.size(i + 2), kernel[i], strides[i], dilations[i], amounts[i], amounts[n + i], ceil)
        need = (count - 1) * strides[i] + (kernel[i] - 1) * dilations[i] + 1
        grown.append(max(amounts[n + i], need - x.size(i + 2) - amounts[i]))
    y = _padded_by(x, amounts[:n] + grown, value)
    for i in range(n):
        count = _out_size(x.size(i + 2), kernel[i], strides[i], dilations[i], amounts[i], amounts[n + i], ceil)
        y = y.unfold(i + 2, (kernel[i] - 1) * dilations[i] + 1, strides[i]).narrow(i + 2, 0, count)
        y = torch.slice(y, rank(y) - 1, 0, 9223372036854775807, dilations[i])
    return y

def _last_dims(x, n: int):
    return x.flatten(rank(x) - n)

def _max_pool(x, k: Any, s: Any, p: Any, d: Any, ceil: Any):
    n = len(k)
    if n == 1:
        return torch.max_pool1d(x, k, s, p, d, ceil == 1)
    if n == 2:
        return torch.max_pool2d(x, k, s, p, d, ceil == 1)
    return torch.max_pool3d(x, k, s, p, d, ceil == 1)

def MaxPool(X, auto_pad: Any = "NOTSET", ceil_mode: Any = 0, dilations: Any = None, kernel_shape: Any = None, pads: Any = None, storage_order: Any = 0, strides: Any = None, outputs: Any = 1):
    n = len(kernel_shape)
    s = _or_ones(strides, n)
    d = _or_ones(dilations, n)
    f = floating(X)
    x = X
    if not f:
        x = X.to(torch.float32)
    both = None
    if auto_pad == "NOTSET" and n <= 3:
        both = halved(pads, kernel_shape)
    if outputs == 1:
        if both is not None:
            y = _max_pool(x, kernel_shape, s, both, d, ceil_mode)
            return [y if f else y.to(X.dtype)]
        a = _amounts(X, kernel_shape, s, d, pads, auto_pad)
        return [torch.amax(_last_dims(_windows(x, kernel_shape, s, d, a, ceil_mode, -inf), n), -1).to(X.dtype)]
    a = _amounts(X, kernel_shape, s, d, pads, auto_pad)
    w = _last_dims(_windows(x, kernel_shape, s, d, a, ceil_mode, -inf), n)
    best = torch.argmax(w, -1, True)
    # The place of each element in its tensor, gathered as the elements are.
    place = torch.arange(X.numel()).reshape(X.shape)
    if storage_order == 1:
        plane = _prod(X.shape[2:])
        place = torch.arange(plane).reshape([X.size(n + 1 - i) for i in range(n)])
        place = place.permute([n - 1 - i for i in range(n)]).expand(X.shape)
        place = place + (torch.arange(X.size(0) * X.size(1)) * plane).reshape(X.shape[:2] + [1] * n)
    at = _last_dims(_windows(place, kernel_shape, s, d, a, ceil_mode, 0), n)
    return [torch.gather(w, -1, best).squeeze(-1).to(X.dtype), torch.gather(at, -1, best).squeeze(-1)]

def MaxUnpool_9(X, I, output_shape: Any = None, kernel_shape: Any = None, pads: Any = None, strides: Any = None):
    n = len(kernel_shape)
    s = _or_ones(strides, n)
    p = [0] * (2 * n)
    if pads is not None:
        p = pads
    sizes: List[int] = []
    for i in range(n):
        sizes.append((X.size(i + 2) - 1) * s[i] - p[i] - p[n + i] + kernel_shape[i])
    shape = X.shape[:2] + sizes
    y = torch.zeros([_prod(shape)], dtype=X.dtype).scatter(0, I.reshape(-1), X.reshape(-1)).reshape(shape)
    if output_shape is not None:
        whole = ints(output_shape)
        amounts = [0] * (2 * n)
        for i in range(n):
            amounts[2 * (n - 1 - i) + 1] = whole[i + 2] - y.size(i + 2)
        y = torch.constant_pad_nd(y, amounts, 0)
    return y

def AveragePool(X, auto_pad: Any = "NOTSET", ceil_mode: Any = 0, count_include_pad: Any = 0, dilations: Any = None, kernel_shape: Any = None, pads: Any = None, strides: Any = None):
    n = len(kernel_shape)
    s = _or_ones(strides, n)
    both = None
    if auto_pad == "NOTSET" and dilations is None and n <= 3 and ceil_mode == 0:
        both = halved(pads, kernel_shape)
    if both is not None:
        if n == 1:
            return torch.avg_pool1d(X, kernel_shape, s, both, False, count_include_pad == 1)
        if n == 2:
            return torch.avg_pool2d(X, kernel_shape, s, both, False, count_include_pad == 1)
        return torch.avg_pool3d(X, kernel_shape, s, both, False, count_include_pad == 1)
    d = _or_ones(dilations, n)
    a = _amounts(X, kernel_shape, s, d, pads, auto_pad)
    total = torch.sum(_last_dims(_windows(X, kernel_shape, s, d, a, ceil_mode, 0), n), -1)
    ones = torch.ones([1, 1] + X.shape[2:], dtype=X.dtype)
    if count_include_pad == 1:
        ones = _padded_by(ones, a, 1)
        a = [0] * (2 * n)
        count = torch.sum(_last_dims(_windows(ones, kernel_shape, s, d, a, ceil_mode, 0), n), -1)
        return total / _fitted(count, total)
    return total / torch.sum(_last_dims(_windows(ones, kernel_shape, s, d, a, ceil_mode, 0), n), -1)

def _fitted(x, like):
    # Where a last window begins in what was added, it is left out of one and not of the other.
    y = x
    for i in range(2, rank(like)):
        y = y.narrow(i, 0, like.size(i))
    return y

def LpPool(X, auto_pad: Any = "NOTSET", ceil_mode: Any = 0, dilations: Any = None, kernel_shape: Any = None, p: Any = 2, pads: Any = None, strides: Any = None):
    n = len(kernel_shape)
    s = _or_ones(strides, n)
    d = _or_ones(dilations, n)
    a = _amounts(X, kernel_shape, s, d, pads, auto_pad)
    w = _last_dims(_windows(X, kernel_shape, s, d, a, ceil_mode, 0), n)
    return torch.pow(torch.sum(torch.pow(torch.abs(w), p), -1), 1.0 / p)

def GlobalAveragePool(X):
    n = rank(X)
    if n == 4:
        return torch.adaptive_avg_pool2d(X, [1, 1])
    if n == 5:
        return torch.adaptive_avg_pool3d(X, [1, 1, 1])
    return torch.mean(X, [i for i in range(2, rank(X))], True)

def GlobalMaxPool(X):
    return torch.amax(X, [i for i in range(2, rank(X))], True)

def GlobalLpPool(X, p: Any = 2):
    return torch.pow(torch.sum(torch.pow(torch.abs(X), p), [i for i in range(2, rank(X))], True), 1.0 / p)

def MaxRoiPool(X, rois, pooled_shape: Any, spatial_scale: Any = 1.0):
    y, where = ops.torchvision.roi_pool(X, rois, spatial_scale, pooled_shape[0], pooled_shape[1])
    return y

def RoiAlign_10(X, rois, batch_indices, mode: Any = "avg", output_height: Any = 1, output_width: Any = 1, sampling_ratio: Any = 0, spatial_scale: Any = 1.0):
    return _roi_align(X, rois, batch_indices, mode, output_height, output_width, sampling_ratio, spatial_scale, False)

def RoiAlign_16(X, rois, batch_indices, coordinate_transformation_mode: Any = "half_pixel", mode: Any = "avg", output_height: Any = 1, output_width: Any = 1, sampling_ratio: Any = 0, spatial_scale: Any = 1.0):
    return _roi_align(X, rois, batch_indices, mode, output_height, output_width, sampling_ratio, spatial_scale, coordinate_transformation_mode == "half_pixel")

def _roi_align(X, rois, batch_indices, mode: Any, height: int, width: int, ratio: int, scale: float, aligned: Any):
    boxes = torch.cat([batch_indices.to(X.dtype).unsqueeze(1), rois], 1)
    if mode == "avg":
        return ops.torchvision.roi_align(X, boxes, scale, height, width, ratio, aligned)
    return _roi_max(X, rois, batch_indices, height, width, ratio, scale, aligned)

def _roi_max(X, rois, batch_indices, height: int, width: int, ratio: int, scale: float, aligned: Any):
    # The largest of the four weighted neighbours of each sample, over the samples of a bin.
    out = torch.zeros([rois.size(0), X.size(1), height, width], dtype=X.dtype)
    shift = 0.0
    if aligned:
        shift = 0.5
    for r in range(rois.size(0)):
        box = ops.onnx.floats(rois[r])
        x0 = box[0] * scale - shift
        y0 = box[1] * scale - shift
        w = box[2] * scale - shift - x0
        h = box[3] * scale - shift - y0
        if not aligned:
            w = max(w, 1.0)
            h = max(h, 1.0)
        ny = ratio if ratio > 0 else int(math.ceil(h / height))
        nx = ratio if ratio > 0 else int(math.ceil(w / width))
        ys = y0 + (torch.arange(height).unsqueeze(1) + (torch.arange(ny).unsqueeze(0) + 0.5) / ny).reshape(-1) * (h / height)
        xs = x0 + (torch.arange(width).unsqueeze(1) + (torch.arange(nx).unsqueeze(0) + 0.5) / nx).reshape(-1) * (w / width)
        plane = X[int(batch_indices[r])]
        H = plane.size(1)
        W = plane.size(2)
        insidey = (ys >= -1) & (ys <= H)
        insidex = (xs >= -1) & (xs <= W)
        ys = ys.clamp(0, H - 1)
        xs = xs.clamp(0, W - 1)
        yl = torch.floor(ys).to(torch.int64)
        xl = torch.floor(xs).to(torch.int64)
        yh = (yl + 1).clamp(0, H - 1)
        xh = (xl + 1).clamp(0, W - 1)
        fy = (ys - yl).unsqueeze(1)
        fx = (xs - xl).unsqueeze(0)
        a = plane[:, yl][:, :, xl] * ((1 - fy) * (1 - fx))
        b = plane[:, yl][:, :, xh] * ((1 - fy) * fx)
        c = plane[:, yh][:, :, xl] * (fy * (1 - fx))
        d = plane[:, yh][:, :, xh] * (fy * fx)
        v = torch.maximum(torch.maximum(a, b), torch.maximum(c, d))
        v = v * (insidey.unsqueeze(1) & insidex.unsqueeze(0)).to(v.dtype)
        out[r] = torch.amax(v.reshape([X.size(1), height, ny, width, nx]), [2, 4]).to(X.dtype)
    return out

def BatchNormalization(X, scale, B, mean, var, epsilon: Any = 1e-5, is_test: Any = 0, momentum: Any = 0.9, spatial: Any = 1, outputs: Any = 1, consumed_inputs: Any = None):
    if spatial == 0:
        return [(X - mean) * (scale * torch.rsqrt(var + epsilon)) + B]
    return [torch.batch_norm(X, scale, B, mean, var, False, 0.1, epsilon, False)]

def BatchNormalization_14(X, scale, B, input_mean, input_var, epsilon: Any = 1e-5, momentum: Any = 0.9, training_mode: Any = 0, outputs: Any = 1):
    if training_mode == 0:
        return [torch.batch_norm(X, scale, B, input_mean, input_var, False, 0.1, epsilon, False)]
    axes = [0] + [i for i in range(2, rank(X))]
    shape = [X.size(1)] + [1] * (rank(X) - 2)
    m = torch.mean(X, axes)
    v = torch.var(X, axes, unbiased=False)
    y = (X - m.reshape(shape)) * torch.rsqrt(v.reshape(shape) + epsilon) * scale.reshape(shape) + B.reshape(shape)
    return [y, input_mean * momentum + m * (1 - momentum), input_var * momentum + v * (1 - momentum)]

def InstanceNormalization(input, scale, B, epsilon: Any = 1e-5, consumed_inputs: Any = None):
    return torch.instance_norm(input, scale, B, None, None, True, 0.0, epsilon, False)

def GroupNormalization_18(X, scale, bias, epsilon: Any = 1e-5, num_groups: Any = 1, stash_type: Any = 1):
    each = X.size(1) // num_groups
    return torch.group_norm(X, num_groups, torch.repeat_interleave(scale, each), torch.repeat_interleave(bias, each), epsilon)

def GroupNormalization_21(X, scale, bias, epsilon: Any = 1e-5, num_groups: Any = 1, stash_type: Any = 1):
    return torch.group_norm(X, num_groups, scale, bias, epsilon)

def LayerNormalization_17(X, Scale, B: Any = None, axis: Any = -1, epsilon: Any = 1e-5, stash_type: Any = 1, outputs: Any = 1):
    row = row_of(Scale, B)
    if outputs == 1 and axis == -1 and row is not None:
        return [torch.layer_norm(X, row, Scale, B, epsilon)]
    a = axis if axis >= 0 else axis + rank(X)
    shape = X.shape[a:]
    if outputs == 1 and Scale.numel() == _prod(shape):
        if B is None:
            return [torch.layer_norm(X, shape, Scale.reshape(shape), None, epsilon)]
        if B.numel() == _prod(shape):
            return [torch.layer_norm(X, shape, Scale.reshape(shape), B.reshape(shape), epsilon)]
    axes = [i for i in range(a, rank(X))]
    x = X.to(torch.float32)
    m = torch.mean(x, axes, True)
    v = torch.mean((x - m) * (x - m), axes, True)
    r = torch.rsqrt(v + epsilon)
    y = ((x - m) * r).to(X.dtype) * Scale
    if B is not None:
        y = y + B
    return [y, m, r]

def RMSNormalization_23(X, scale, axis: Any = -1, epsilon: Any = 1e-5, stash_type: Any = 1):
    a = axis if axis >= 0 else axis + rank(X)
    x = X.to(scalar_type(stash_type))
    r = torch.rsqrt(torch.mean(x * x, [i for i in range(a, rank(X))], True) + epsilon)
    return (x * r).to(scale.dtype) * scale

def LRN(X, size: int, alpha: Any = 0.0001, beta: Any = 0.75, bias: Any = 1.0):
    before = (size - 1) // 2
    sq = torch.constant_pad_nd((X * X).transpose(1, -1), [before, size - 1 - before], 0)
    total = torch.sum(sq.unfold(rank(sq) - 1, size, 1), -1).transpose(1, -1)
    return X / torch.pow(bias + alpha / size * total, beta)

def LpNormalization(input, axis: Any = -1, p: Any = 2):
    n = torch.sum(torch.abs(input), [axis], True) if p == 1 else torch.sqrt(torch.sum(input * input, [axis], True))
    return torch.where(n == 0, torch.zeros_like(input), input / n)

def MeanVarianceNormalization_9(X, axes: Any = None):
    a = [0, 2, 3]
    if axes is not None:
        a = axes
    m = torch.mean(X, a, True)
    v = torch.mean(X * X, a, True) - m * m
    return (X - m) / (torch.sqrt(v) + 1e-9)

def Dropout(data, is_test: Any = 0, ratio: Any = 0.5, outputs: Any = 1, consumed_inputs: Any = None):
    return [data, torch.ones_like(data)]

def Dropout_10(data, ratio: Any = 0.5, outputs: Any = 1):
    return [data, torch.ones_like(data, dtype=torch.bool)]

def Dropout_12(data, ratio: Any = None, training_mode: Any = None, seed: Any = None, outputs: Any = 1):
    if training_mode is None:
        return [data, torch.ones_like(data, dtype=torch.bool)]
    p = 0.5
    if ratio is not None:
        p = float(ratio)
    mask = torch.ones_like(data, dtype=torch.bool)
    y = data
    if bool(training_mode):
        if p > 0:
            mask = torch.rand(data.shape) >= p
            y = torch.where(mask, data, torch.zeros_like(data)) / (1 - p)
    return [y, mask]

def _activated(x, name: Any, alpha: Any, beta: Any):
    if name == "sigmoid":
        return torch.sigmoid(x)
    if name == "tanh":
        return torch.tanh(x)
    if name == "relu":
        return torch.relu(x)
    if name == "affine":
        return x * (1.0 if alpha is None else alpha) + (0.0 if beta is None else beta)
    if name == "leakyrelu":
        return torch.leaky_relu(x, 0.01 if alpha is None else alpha)
    if name == "thresholdedrelu":
        return torch.where(x > (1.0 if alpha is None else alpha), x, torch.zeros_like(x))
    if name == "scaledtanh":
        return (1.0 if alpha is None else alpha) * torch.tanh((1.0 if beta is None else beta) * x)
    if name == "hardsigmoid":
        return torch.clamp(x * (0.2 if alpha is None else alpha) + (0.5 if beta is None else beta), 0, 1)
    if name == "elu":
        return torch.elu(x, 1.0 if alpha is None else alpha)
    if name == "softsign":
        return x / (1 + torch.abs(x))
    if name == "softplus":
        return torch.nn.functional.softplus(x)
    unsupported("this activation")

def _clipped(x, clip: Any):
    if clip is None:
        return x
    return torch.clamp(x, -clip, clip)

def _steps(x, lens: Any, reverse: Any):
    # In the order in which a direction goes through each row.
    if not reverse:
        return x
    if lens is None:
        return x.flip([0])
    t = torch.arange(x.size(0)).unsqueeze(1)
    n = lens.to(torch.int64).unsqueeze(0)
    at = torch.where(t < n, n - 1 - t, t).unsqueeze(2).expand(x.shape)
    return torch.gather(x, 0, at)

def _alive(t: int, lens, h, old):
    return torch.where((t < lens).unsqueeze(1), h, old)

def _rnn_way(X, W, R, B: Any, lens: Any, h0: Any, reverse: Any, clip: Any, act: Any, alpha: Any, beta: Any):
    n = R.size(1)
    x = _steps(X, lens, reverse)
    gates = torch.matmul(x, W.t())
    if B is not None:
        gates = gates + (B[:n] + B[n:])
    h = torch.zeros([X.size(1), n], dtype=X.dtype)
    if h0 is not None:
        h = h0
    out: List[Tensor] = []
    for t in range(x.size(0)):
        new = _activated(_clipped(gates[t] + torch.matmul(h, R.t()), clip), act, alpha, beta)
        if lens is not None:
            out.append(_alive(t, lens, new, torch.zeros_like(new)))
            h = _alive(t, lens, new, h)
        else:
            out.append(new)
            h = new
    return _steps(torch.stack(out, 0), lens, reverse), h

def _gru_way(X, W, R, B: Any, lens: Any, h0: Any, reverse: Any, clip: Any, f: Any, g: Any, fa: Any, fb: Any, ga: Any, gb: Any, linear_before_reset: Any):
    n = R.size(1)
    x = _steps(X, lens, reverse)
    gates = torch.matmul(x, W.t())
    rb = torch.zeros([3 * n], dtype=X.dtype)
    if B is not None:
        gates = gates + B[:3 * n]
        rb = B[3 * n:]
    h = torch.zeros([X.size(1), n], dtype=X.dtype)
    if h0 is not None:
        h = h0
    out: List[Tensor] = []
    for t in range(x.size(0)):
        a = gates[t]
        zr = _activated(_clipped(a[:, :2 * n] + torch.matmul(h, R[:2 * n].t()) + rb[:2 * n], clip), f, fa, fb)
        z = zr[:, :n]
        r = zr[:, n:]
        if linear_before_reset == 1:
            c = a[:, 2 * n:] + r * (torch.matmul(h, R[2 * n:].t()) + rb[2 * n:])
        else:
            c = a[:, 2 * n:] + torch.matmul(r * h, R[2 * n:].t()) + rb[2 * n:]
        new = (1 - z) * _activated(_clipped(c, clip), g, ga, gb) + z * h
        if lens is not None:
            out.append(_alive(t, lens, new, torch.zeros_like(new)))
            h = _alive(t, lens, new, h)
        else:
            out.append(new)
            h = new
    return _steps(torch.stack(out, 0), lens, reverse), h

def _lstm_way(X, W, R, B: Any, lens: Any, h0: Any, c0: Any, P: Any, reverse: Any, clip: Any, f: Any, g: Any, k: Any, fa: Any, fb: Any, ga: Any, gb: Any, ka: Any, kb: Any, input_forget: Any):
    n = R.size(1)
    x = _steps(X, lens, reverse)
    gates = torch.matmul(x, W.t())
    if B is not None:
        gates = gates + (B[:4 * n] + B[4 * n:])
    h = torch.zeros([X.size(1), n], dtype=X.dtype)
    c = h
    if h0 is not None:
        h = h0
    if c0 is not None:
        c = c0
    out: List[Tensor] = []
    for t in range(x.size(0)):
        a = gates[t] + torch.matmul(h, R.t())
        i, o, q, u = a[:, :n], a[:, n:2 * n], a[:, 2 * n:3 * n], a[:, 3 * n:]
        if P is not None:
            i = i + P[:n] * c
            q = q + P[2 * n:] * c
        i = _activated(_clipped(i, clip), f, fa, fb)
        if input_forget == 1:
            q = 1 - i
        else:
            q = _activated(_clipped(q, clip), f, fa, fb)
        new_c = q * c + i * _activated(_clipped(u, clip), g, ga, gb)
        if P is not None:
            o = o + P[n:2 * n] * new_c
        new = _activated(_clipped(o, clip), f, fa, fb) * _activated(new_c, k, ka, kb)
        if lens is not None:
            out.append(_alive(t, lens, new, torch.zeros_like(new)))
            h = _alive(t, lens, new, h)
            c = _alive(t, lens, new_c, c)
        else:
            out.append(new)
            h = new
            c = new_c
    return _steps(torch.stack(out, 0), lens, reverse), h, c

def _way(x: Any, i: int):
    if x is None:
        return None
    return x[i]

def _ordered(x: Any, layout: Any):
    if x is None:
        return None
    if layout == 1:
        return x.transpose(0, 1)
    return x

def RNN(X, W, R, B: Any = None, sequence_lens: Any = None, initial_h: Any = None, activation_alpha: Any = None, activation_beta: Any = None, activations: Any = None, clip: Any = None, direction: Any = "forward", hidden_size: Any = None, layout: Any = 0, output_sequence: Any = 0, outputs: Any = 1):
    x = _ordered(X, layout)
    h0 = _ordered(initial_h, layout)
    y0, h = _rnn_way(x, W[0], R[0], _way(B, 0), sequence_lens, _way(h0, 0), direction == "reverse", clip, nth_text(activations, 0, "tanh"), nth(activation_alpha, 0), nth(activation_beta, 0))
    y = y0.unsqueeze(1)
    h = h.unsqueeze(0)
    if direction == "bidirectional":
        y1, h1 = _rnn_way(x, W[1], R[1], _way(B, 1), sequence_lens, _way(h0, 1), True, clip, nth_text(activations, 1, "tanh"), nth(activation_alpha, 1), nth(activation_beta, 1))
        y = torch.cat([y, y1.unsqueeze(1)], 1)
        h = torch.cat([h, h1.unsqueeze(0)], 0)
    if layout == 1:
        return [y.permute([2, 0, 1, 3]), h.transpose(0, 1)]
    return [y, h]

def GRU(X, W, R, B: Any = None, sequence_lens: Any = None, initial_h: Any = None, activation_alpha: Any = None, activation_beta: Any = None, activations: Any = None, clip: Any = None, direction: Any = "forward", hidden_size: Any = None, layout: Any = 0, linear_before_reset: Any = 0, output_sequence: Any = 0, outputs: Any = 1):
    x = _ordered(X, layout)
    h0 = _ordered(initial_h, layout)
    y0, h = _gru_way(x, W[0], R[0], _way(B, 0), sequence_lens, _way(h0, 0), direction == "reverse", clip, nth_text(activations, 0, "sigmoid"), nth_text(activations, 1, "tanh"), nth(activation_alpha, 0), nth(activation_beta, 0), nth(activation_alpha, 1), nth(activation_beta, 1), linear_before_reset)
    y = y0.unsqueeze(1)
    h = h.unsqueeze(0)
    if direction == "bidirectional":
        y1, h1 = _gru_way(x, W[1], R[1], _way(B, 1), sequence_lens, _way(h0, 1), True, clip, nth_text(activations, 2, "sigmoid"), nth_text(activations, 3, "tanh"), nth(activation_alpha, 2), nth(activation_beta, 2), nth(activation_alpha, 3), nth(activation_beta, 3), linear_before_reset)
        y = torch.cat([y, y1.unsqueeze(1)], 1)
        h = torch.cat([h, h1.unsqueeze(0)], 0)
    if layout == 1:
        return [y.permute([2, 0, 1, 3]), h.transpose(0, 1)]
    return [y, h]

def _for_aten(x, n: int):
    # Gates in PyTorch's order: input, forget, cell, output; ONNX has input, output, forget, cell.
    return torch.cat([x[:n], x[2 * n:3 * n], x[3 * n:], x[n:2 * n]], 0)

def LSTM(X, W, R, B: Any = None, sequence_lens: Any = None, initial_h: Any = None, initial_c: Any = None, P: Any = None, activation_alpha: Any = None, activation_beta: Any = None, activations: Any = None, clip: Any = None, direction: Any = "forward", hidden_size: Any = None, input_forget: Any = 0, layout: Any = 0, output_sequence: Any = 0, outputs: Any = 1):
    x = _ordered(X, layout)
    h0 = _ordered(initial_h, layout)
    c0 = _ordered(initial_c, layout)
    if sequence_lens is None and P is None and clip is None and input_forget == 0 and activations is None and direction != "reverse" and B is not None:
        n = R.size(2)
        d = W.size(0)
        weights: List[Tensor] = []
        for k in range(d):
            weights.append(_for_aten(W[k], n))
            weights.append(_for_aten(R[k], n))
            weights.append(_for_aten(B[k][:4 * n], n))
            weights.append(_for_aten(B[k][4 * n:], n))
        zero = torch.zeros([d, x.size(1), n], dtype=x.dtype)
        a = zero
        if h0 is not None:
            a = h0
        b = zero
        if c0 is not None:
            b = c0
        z, ha, ca = torch.lstm(x, [a, b], weights, True, 1, 0.0, False, direction == "bidirectional", False)
        z = z.reshape([x.size(0), x.size(1), d, n]).transpose(1, 2)
        if layout == 1:
            return [z.permute([2, 0, 1, 3]), ha.transpose(0, 1), ca.transpose(0, 1)]
        return [z, ha, ca]
    y0, h, c = _lstm_way(x, W[0], R[0], _way(B, 0), sequence_lens, _way(h0, 0), _way(c0, 0), _way(P, 0), direction == "reverse", clip, nth_text(activations, 0, "sigmoid"), nth_text(activations, 1, "tanh"), nth_text(activations, 2, "tanh"), nth(activation_alpha, 0), nth(activation_beta, 0), nth(activation_alpha, 1), nth(activation_beta, 1), nth(activation_alpha, 2), nth(activation_beta, 2), input_forget)
    y = y0.unsqueeze(1)
    h = h.unsqueeze(0)
    c = c.unsqueeze(0)
    if direction == "bidirectional":
        y1, h1, c1 = _lstm_way(x, W[1], R[1], _way(B, 1), sequence_lens, _way(h0, 1), _way(c0, 1), _way(P, 1), True, clip, nth_text(activations, 3, "sigmoid"), nth_text(activations, 4, "tanh"), nth_text(activations, 5, "tanh"), nth(activation_alpha, 3), nth(activation_beta, 3), nth(activation_alpha, 4), nth(activation_beta, 4), nth(activation_alpha, 5), nth(activation_beta, 5), input_forget)
        y = torch.cat([y, y1.unsqueeze(1)], 1)
        h = torch.cat([h, h1.unsqueeze(0)], 0)
        c = torch.cat([c, c1.unsqueeze(0)], 0)
    if layout == 1:
        return [y.permute([2, 0, 1, 3]), h.transpose(0, 1), c.transpose(0, 1)]
    return [y, h, c]

def _cubic(t, a: float):
    x = torch.abs(t)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return torch.where(x <= 1, near, torch.where(x < 2, far, torch.zeros_like(x)))

def _resize_places(n: int, m: int, scale: float, ct: Any, start: float, end: float):
    # Where each of m results lies among n places.
    x = torch.arange(m).to(torch.float64)
    if ct == "asymmetric":
        return x / scale
    if ct == "align_corners":
        return x * (n - 1) / (scale * n - 1) if scale * n != 1 else x * 0
    if ct == "pytorch_half_pixel":
        return (x + 0.5) / scale - 0.5 if m > 1 else x * 0
    if ct == "tf_half_pixel_for_nn":
        return (x + 0.5) / scale
    if ct == "tf_crop_and_resize":
        return start * (n - 1) + x * ((end - start) * (n - 1) / (m - 1)) if m > 1 else x + 0.5 * (start + end) * (n - 1)
    if ct == "half_pixel_symmetric":
        adjust = m / (scale * n)
        return n / 2.0 * (1 - adjust) + (x + 0.5) / scale - 0.5
    return (x + 0.5) / scale - 0.5

def _resize_axis(x, axis: int, m: int, scale: float, mode: Any, ct: Any, start: float, end: float, nearest: Any, a: float, exclude: Any, antialias: Any, extrapolation: float):
    n = x.size(axis)
    at = _resize_places(n, m, scale, ct, start, end)
    if mode == "nearest":
        if nearest == "floor":
            i = torch.floor(at)
        elif nearest == "ceil":
            i = torch.ceil(at)
        elif nearest == "round_prefer_ceil":
            i = torch.floor(at + 0.5)
        else:
            i = torch.ceil(at - 0.5)
        y = x.index_select(axis, i.to(torch.int64).clamp(0, n - 1))
    else:
        reach = 1.0
        if mode == "cubic":
            reach = 2.0
        shrink = 1.0
        if antialias == 1:
            shrink = min(scale, 1.0)
        k = int(math.ceil(reach / shrink)) * 2
        base = torch.floor(at)
        steps = torch.arange(k).to(torch.float64) - (k // 2 - 1)
        places = base.unsqueeze(1) + steps.unsqueeze(0)
        t = (places - at.unsqueeze(1)) * shrink
        if mode == "cubic":
            w = _cubic(t, a)
        else:
            w = torch.clamp_min(1 - torch.abs(t), 0)
        if exclude == 1:
            w = torch.where((places >= 0) & (places < n), w, torch.zeros_like(w))
        w = w / torch.sum(w, 1, True)
        weights = torch.zeros([m, n], dtype=torch.float64).scatter_add(1, places.to(torch.int64).clamp(0, n - 1), w)
        f = floating(x)
        d = x.dtype if x.dtype == torch.float64 else torch.float32
        y = torch.matmul(x.to(d).movedim(axis, -1), weights.to(d).t()).movedim(-1, axis)
        if not x.is_floating_point():
            y = torch.round(y)
        y = y.to(x.dtype)
    if ct == "tf_crop_and_resize":
        outside = ((at < 0) | (at > n - 1)).reshape([m] + [1] * (rank(x) - 1 - axis))
        y = torch.where(outside, torch.full_like(y, extrapolation), y)
    return y

def _resized(X, roi: List[float], scales: List[float], sizes: Any, axes: Any, mode: Any, ct: Any, nearest: Any, a: float, exclude: Any, antialias: Any, extrapolation: float, policy: Any):
    x = X
    count = rank(X)
    if axes is not None:
        count = len(axes)
    ratios: List[float] = []
    targets: List[int] = []
    for i in range(count):
        axis = i
        if axes is not None:
            axis = axes[i] if axes[i] >= 0 else axes[i] + rank(X)
        n = X.size(axis)
        if sizes is not None:
            targets.append(sizes[i])
            ratios.append(sizes[i] / n)
        else:
            part = 1.0
            if ct == "tf_crop_and_resize":
                part = roi[count + i] - roi[i]
            ratios.append(scales[i])
            targets.append(int(math.floor(n * part * scales[i])))
    if sizes is not None and policy != "stretch":
        best = ratios[0]
        for r in ratios:
            best = min(best, r) if policy == "not_larger" else max(best, r)
        for i in range(count):
            axis = i
            if axes is not None:
                axis = axes[i] if axes[i] >= 0 else axes[i] + rank(X)
            ratios[i] = best
            targets[i] = int(math.floor(X.size(axis) * best + 0.5))
    for i in range(count):
        axis = i
        if axes is not None:
            axis = axes[i] if axes[i] >= 0 else axes[i] + rank(X)
        start = 0.0
        end = 1.0
        if ct == "tf_crop_and_resize":
            start = roi[i]
            end = roi[count + i]
        if ratios[i] != 1.0 or targets[i] != X.size(axis) or start != 0.0 or end != 1.0:
            x = _resize_axis(x, axis, targets[i], ratios[i], mode, ct, start, end, nearest, a, exclude, antialias, extrapolation)
    return x

def _floats(x: Any):
    if x is None:
        none: List[float] = []
        return none
    f = numbers(x)
    if f is not None:
        return f
    return ops.onnx.floats(x)

def Upsample(X, *, height_scale: Any = None, width_scale: Any = None, scales: Any = None, mode: Any = "nearest"):
    if height_scale is not None:
        return _resized(X, _floats(None), [1.0, 1.0, height_scale, width_scale], None, None, "linear" if mode == "bilinear" else mode, "asymmetric", "floor", -0.75, 0, 0, 0.0, "stretch")
    return _resized(X, _floats(None), _floats(scales), None, None, mode, "asymmetric", "floor", -0.75, 0, 0, 0.0, "stretch")

def Upsample_9(X, scales, mode: Any = "nearest"):
    return _resized(X, _floats(None), _floats(scales), None, None, mode, "asymmetric", "floor", -0.75, 0, 0, 0.0, "stretch")

def Resize_10(X, scales, mode: Any = "nearest"):
    return _resized(X, _floats(None), _floats(scales), None, None, mode, "asymmetric", "floor", -0.75, 0, 0, 0.0, "stretch")

def Resize_11(X, roi: Any = None, scales: Any = None, sizes: Any = None, antialias: Any = 0, axes: Any = None, coordinate_transformation_mode: Any = "half_pixel", cubic_coeff_a: Any = -0.75, exclude_outside: Any = 0, extrapolation_value: Any = 0.0, keep_aspect_ratio_policy: Any = "stretch", mode: Any = "nearest", nearest_mode: Any = "round_prefer_floor"):
    z = ints(sizes)
    return _resized(X, _floats(roi), _floats(scales), z, axes, mode, coordinate_transformation_mode, nearest_mode, cubic_coeff_a, exclude_outside, antialias, extrapolation_value, keep_aspect_ratio_policy)

def GridSample_16(X, grid, align_corners: Any = 0, mode: Any = "linear", padding_mode: Any = "zeros"):
    m = 0
    if mode == "nearest":
        m = 1
    elif mode == "bicubic" or mode == "cubic":
        m = 2
    p = 0
    if padding_mode == "border":
        p = 1
    elif padding_mode == "reflection":
        p = 2
    return torch.grid_sampler(X, grid, m, p, align_corners == 1)

def AffineGrid_20(theta, size, align_corners: Any = 0):
    return torch.affine_grid_generator(theta, ints(size), align_corners == 1)

def Col2Im_18(input, image_shape, block_shape, dilations: Any = None, pads: Any = None, strides: Any = None):
    image = ints(image_shape)
    block = ints(block_shape)
    n = len(image)
    d = _or_ones(dilations, n)
    s = _or_ones(strides, n)
    p = [0] * (2 * n)
    if pads is not None:
        p = pads
    batch = input.size(0)
    c = input.size(1) // _prod(block)
    counts: List[int] = []
    whole: List[int] = []
    for i in range(n):
        whole.append(image[i] + p[i] + p[n + i])
        counts.append((whole[i] - (block[i] - 1) * d[i] - 1) // s[i] + 1)
    # The place of each element of each block in the padded image.
    at = torch.zeros([1], dtype=torch.int64)
    for i in range(n):
        row = (torch.arange(block[i]) * d[i]).unsqueeze(1) + (torch.arange(counts[i]) * s[i]).unsqueeze(0)
        at = at.unsqueeze(-1).unsqueeze(-1) * whole[i] + row
    order = [0] + [1 + 2 * i for i in range(n)] + [2 + 2 * i for i in range(n)]
    at = at.permute(order).reshape(-1)
    y = torch.zeros([batch * c, _prod(whole)], dtype=input.dtype)
    y = torch.index_add(y, 1, at, input.reshape([batch * c, -1])).reshape([batch, c] + whole)
    for i in range(n):
        y = y.narrow(i + 2, p[i], image[i])
    return y

def _nll(x, target, weight: Any, ignore_index: Any, reduction: Any):
    t = target.to(torch.int64)
    keep = torch.ones_like(t, dtype=torch.bool)
    if ignore_index is not None:
        keep = t != ignore_index
    at = torch.where(keep, t, torch.zeros_like(t))
    loss = -torch.gather(x, 1, at.unsqueeze(1)).squeeze(1)
    w = keep.to(x.dtype)
    if weight is not None:
        w = w * weight[at]
    loss = loss * w
    if reduction == "none":
        return loss
    if reduction == "sum":
        return torch.sum(loss)
    return torch.sum(loss) / torch.sum(w)

def NegativeLogLikelihoodLoss_12(input, target, weight: Any = None, ignore_index: Any = None, reduction: Any = "mean"):
    return _nll(input, target, weight, ignore_index, reduction)

def SoftmaxCrossEntropyLoss_12(scores, labels, weights: Any = None, ignore_index: Any = None, reduction: Any = "mean", outputs: Any = 1):
    p = torch.log_softmax(scores, 1)
    return [_nll(p, labels, weights, ignore_index, reduction), p]

def CausalConvWithState_27(input, weight, bias: Any = None, past_state: Any = None, activation: Any = "none", outputs: Any = 2):
    k = weight.size(2)
    past = torch.zeros([input.size(0), input.size(1), k - 1], dtype=input.dtype)
    if past_state is not None:
        past = past_state
    x = torch.cat([past, input], 2)
    y = torch.conv1d(x, weight, bias, 1, 0, 1, input.size(1))
    if activation == "silu" or activation == "swish":
        y = torch.nn.functional.silu(y)
    return [y, x.narrow(2, x.size(2) - (k - 1), k - 1)]
)py";

}  // namespace rushlight::onnx
