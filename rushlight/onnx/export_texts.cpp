// What operators consist of that ONNX has not, as TorchScript: a function named as the operator is, whose parameters are arguments of its
// schema by their names. Arguments that an overload has and the function doesn't have to be None, or what the schema says by itself; parameters that
// an overload hasn't take the function's default. Sizes that a text asks for are computed by the model where an axis is dynamic.
#include "rushlight/onnx/export_texts.h"

#include <map>
#include <mutex>

#include "rushlight/onnx/exporter.h"
#include "rushlight/script/parser.h"

namespace rushlight::onnx {
namespace {

const char* const kTexts = R"py(
def addmv(self: Any, mat: Any, vec: Any, beta: Any = 1, alpha: Any = 1):
    return self * beta + torch.matmul(mat, vec) * alpha

def vdot(self: Any, other: Any):
    return torch.matmul(self, other)

def aminmax(self: Any, dim: Any = None, keepdim: Any = False):
    if dim is None:
        return torch.amin(self, [], keepdim), torch.amax(self, [], keepdim)
    return torch.amin(self, [dim], keepdim), torch.amax(self, [dim], keepdim)

def median(self: Any, dim: Any = None, keepdim: Any = False):
    if dim is None:
        return torch.kthvalue(self.reshape(-1), (self.numel() + 1) // 2)[0]
    return torch.kthvalue(self, (self.size(dim) + 1) // 2, dim, keepdim)

def kthvalue(self: Any, k: Any, dim: Any = -1, keepdim: Any = False):
    values, indices = torch.topk(self, k, dim, False, True)
    if keepdim:
        return values.narrow(dim, k - 1, 1), indices.narrow(dim, k - 1, 1)
    return values.select(dim, k - 1), indices.select(dim, k - 1)

def nansum(self: Any, dim: Any = None, keepdim: Any = False):
    if dim is None:
        return torch.sum(torch.where(torch.isnan(self), torch.zeros_like(self), self))
    return torch.sum(torch.where(torch.isnan(self), torch.zeros_like(self), self), dim, keepdim)

def count_nonzero(self: Any, dim: Any = None):
    if dim is None:
        return (self != 0).long().sum()
    return (self != 0).long().sum(dim)

def _reduced(x: Any, reduction: Any):
    if reduction == 0:
        return x
    if reduction == 1:
        return torch.mean(x)
    return torch.sum(x)

def binary_cross_entropy(self: Any, target: Any, weight: Any = None, reduction: Any = 1):
    x = -(target * torch.clamp(torch.log(self), min=-100.0) + (1 - target) * torch.clamp(torch.log(1 - self), min=-100.0))
    if weight is None:
        return _reduced(x, reduction)
    return _reduced(x * weight, reduction)

def nll_loss_forward(self: Any, target: Any, weight: Any = None, reduction: Any = 1, ignore_index: Any = -100):
    counts = target != ignore_index
    place = torch.where(counts, target, torch.zeros_like(target))
    if self.dim() == 1:
        picked = self.gather(0, place.reshape(1)).squeeze(0)
    else:
        picked = self.gather(1, place.unsqueeze(1)).squeeze(1)
    if weight is None:
        each = counts.to(self.dtype)
    else:
        each = torch.where(counts, weight.index_select(0, place.reshape(-1)).reshape_as(place), torch.zeros_like(picked))
    loss = -picked * each
    total = each.sum()
    if reduction == 0:
        return torch.where(counts, loss, torch.zeros_like(loss)), torch.zeros_like(total)
    if reduction == 1:
        return loss.sum() / total, total
    return loss.sum(), total

def _native_layer_norm(input: Any, normalized_shape: Any, weight: Any, bias: Any, eps: Any):
    axes = [-1 - i for i in range(len(normalized_shape))]
    mean = input.mean(axes, True)
    off = input - mean
    inverse = torch.rsqrt((off * off).mean(axes, True) + eps)
    return torch.layer_norm(input, normalized_shape, weight, bias, eps), mean, inverse

def _safe_softmax(self: Any, dim: Any):
    hidden = (self == -float("inf")).all(dim, True)
    return torch.where(hidden, torch.zeros_like(self), torch.softmax(torch.where(hidden, torch.zeros_like(self), self), dim))

def _softmax_backward_data(grad_output: Any, output: Any, dim: Any, input_dtype: Any):
    return output * (grad_output - (output * grad_output).sum(dim, True))

def bucketize(self: Any, boundaries: Any, out_int32: Any = False, right: Any = False):
    return torch.searchsorted(boundaries, self, out_int32=out_int32, right=right)

def searchsorted(sorted_sequence: Any, self: Any, out_int32: Any = False, right: Any = False, side: Any = None):
    if sorted_sequence.dim() == 1:
        edges = sorted_sequence
    else:
        edges = sorted_sequence.unsqueeze(-2)
    x = self.unsqueeze(-1)
    if right or side == "right":
        below = edges <= x
    else:
        below = edges < x
    if out_int32:
        return below.int().sum(-1).int()
    return below.long().sum(-1)

def isin(elements: Any, test_elements: Any, assume_unique: Any = False, invert: Any = False):
    found = (elements.unsqueeze(-1) == test_elements.reshape(-1)).any(-1)
    if invert:
        return ~found
    return found

def take(self: Any, index: Any):
    n = self.numel()
    return self.reshape(-1).index_select(0, torch.where(index < 0, index + n, index).reshape(-1)).reshape(index.size())

def masked_select(self: Any, mask: Any):
    x, m = torch.broadcast_tensors(self, mask)
    return x.reshape(-1).index_select(0, torch.nonzero(m.reshape(-1)).squeeze(1))

def masked_scatter(self: Any, mask: Any, source: Any):
    m = mask.expand_as(self).reshape(-1)
    place = torch.clamp(m.long().cumsum(0) - 1, min=0)
    return torch.where(m, source.reshape(-1).index_select(0, place), self.reshape(-1)).reshape(self.size())

def _along(index: Any, dim: Any, like: Any):
    sizes = [1] * like.dim()
    sizes[dim] = -1
    return index.reshape(sizes).expand_as(like)

def index_add(self: Any, dim: Any, index: Any, source: Any, alpha: Any = 1):
    s = source * alpha
    return self.scatter_add(dim, _along(index, dim, s), s)

def index_copy(self: Any, dim: Any, index: Any, source: Any):
    return self.scatter(dim, _along(index, dim, source), source)

def index_fill(self: Any, dim: Any, index: Any, value: Any):
    rows = self.index_select(dim, index.reshape(-1))
    return self.scatter(dim, _along(index, dim, rows), torch.zeros_like(rows) + value)

def fill(self: Any, value: Any):
    return torch.zeros_like(self) + value

def zero(self: Any):
    return torch.zeros_like(self)

def diagonal(self: Any, offset: Any = 0, dim1: Any = 0, dim2: Any = 1):
    x = torch.movedim(self, [dim1, dim2], [-2, -1])
    if offset >= 0:
        n = min(x.size(-2), x.size(-1) - offset)
    else:
        n = min(x.size(-2) + offset, x.size(-1))
    at = torch.arange(n)
    rows = x.narrow(-2, max(-offset, 0), n)
    return torch.gather(rows, -1, (at + max(offset, 0)).unsqueeze(-1).expand(rows.size()[:-1] + [1])).squeeze(-1)

def diag_embed(self: Any, offset: Any = 0, dim1: Any = -2, dim2: Any = -1):
    n = self.size(-1) + abs(offset)
    at = torch.arange(n)
    hit = (at.unsqueeze(0) - at.unsqueeze(1)) == offset
    if offset >= 0:
        wide = torch.constant_pad_nd(self, [offset, 0])
    else:
        wide = torch.constant_pad_nd(self, [0, -offset])
    square = torch.where(hit, wide.unsqueeze(-2), torch.zeros_like(wide).unsqueeze(-2))
    return torch.movedim(square, [-2, -1], [dim1, dim2])

def unfold(self: Any, dimension: Any, size: Any, step: Any):
    d = dimension
    if self.dim() == 0:
        return self.reshape(1)
    if d < 0:
        d = d + self.dim()
    starts = torch.arange(0, self.size(d) - size + 1, step)
    at = starts.unsqueeze(1) + torch.arange(size)
    rows = self.index_select(d, at.reshape(-1)).unflatten(d, [-1, size])
    return torch.movedim(rows, d + 1, -1)

def pdist(self: Any, p: Any = 2.0):
    n = self.size(0)
    at = torch.arange(n)
    pairs = torch.nonzero(at.unsqueeze(1) < at.unsqueeze(0))
    return torch.norm(self.index_select(0, pairs.select(1, 0)) - self.index_select(0, pairs.select(1, 1)), p, 1)

def _cdist_forward(x1: Any, x2: Any, p: Any, compute_mode: Any):
    return torch.norm(x1.unsqueeze(-2) - x2.unsqueeze(-3), p, -1)

def cdist(x1: Any, x2: Any, p: Any = 2.0, compute_mode: Any = None):
    return torch.norm(x1.unsqueeze(-2) - x2.unsqueeze(-3), p, -1)

def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None):
    rows = torch.matmul(input1.unsqueeze(-2).unsqueeze(-2), weight).squeeze(-2)
    y = (rows * input2.unsqueeze(-2)).sum(-1)
    if bias is None:
        return y
    return y + bias

def bitwise_left_shift(self: Any, other: Any):
    return self * torch.pow(2, other)

def bitwise_right_shift(self: Any, other: Any):
    return torch.floor_divide(self, torch.pow(2, other))

def __lshift__(self: Any, other: Any):
    return self * torch.pow(2, other)

def __rshift__(self: Any, other: Any):
    return torch.floor_divide(self, torch.pow(2, other))

def _windows(x: Any, dim: Any, size: Any, step: Any, apart: Any):
    starts = torch.arange(0, x.size(dim) - apart * (size - 1), step)
    at = (torch.arange(size) * apart).unsqueeze(1) + starts
    return x.index_select(dim, at.reshape(-1)).unflatten(dim, [size, -1])

def im2col(self: Any, kernel_size: Any, dilation: Any, padding: Any, stride: Any):
    x = torch.constant_pad_nd(self, [padding[1], padding[1], padding[0], padding[0]])
    x = _windows(x, self.dim() - 2, kernel_size[0], stride[0], dilation[0])
    x = _windows(x, self.dim(), kernel_size[1], stride[1], dilation[1])
    return x.transpose(-3, -2).flatten(-2, -1).flatten(-4, -2)

def col2im(self: Any, output_size: Any, kernel_size: Any, dilation: Any, padding: Any, stride: Any):
    places = kernel_size[0] * kernel_size[1]
    channels = self.size(-2) // places
    high, wide = output_size[0] + 2 * padding[0], output_size[1] + 2 * padding[1]
    rows = (high - dilation[0] * (kernel_size[0] - 1) - 1) // stride[0] + 1
    x = self
    if self.dim() == 2:
        x = self.unsqueeze(0)
    x = x.unflatten(-1, [rows, -1]).unflatten(1, [channels, places]).flatten(0, 1)
    by = torch.eye(places).reshape([places, 1, kernel_size[0], kernel_size[1]])
    y = torch.conv_transpose2d(x, by, None, stride, [0, 0], [0, 0], 1, dilation)
    y = torch.constant_pad_nd(y, [0, wide - y.size(-1), 0, high - y.size(-2)])
    y = y.narrow(-2, padding[0], output_size[0]).narrow(-1, padding[1], output_size[1])
    y = y.squeeze(1).unflatten(0, [-1, channels])
    if self.dim() == 2:
        return y.squeeze(0)
    return y

def _fit(self: Any, n: Any, dim: Any):
    x = self
    if not self.is_floating_point():
        x = self.to(torch.float32)
    if n is None:
        return x
    y = torch.movedim(torch.slice(x, dim, 0, n), dim, -1)
    return torch.movedim(torch.constant_pad_nd(y, [0, n - y.size(-1)]), -1, dim)

def _scaling(norm: Any):
    if norm is None or norm == "backward":
        return 0
    if norm == "ortho":
        return 1
    return 2

def _complex_fft_rfft(self: Any, n: Any = None, dim: Any = -1, norm: Any = None):
    return torch._fft_r2c(_fit(self, n, dim), [dim], _scaling(norm), True)

def _complex_fft_fft(self: Any, n: Any = None, dim: Any = -1, norm: Any = None):
    if not self.is_complex():
        return torch._fft_r2c(_fit(self, n, dim), [dim], _scaling(norm), False)
    x = self
    if n is not None:
        x = torch.complex(_fit(torch.real(self), n, dim), _fit(torch.imag(self), n, dim))
    return torch._fft_c2c(x, [dim], _scaling(norm), True)

def affine_grid_generator(theta: Any, size: Any, align_corners: Any):
    lines: List[Tensor] = []
    for k in range(len(size) - 2):
        n = size[len(size) - 1 - k]
        at = torch.arange(n).to(theta.dtype)
        if align_corners:
            lines.append(at * 2 / max(n - 1, 1) - 1)
        else:
            lines.append((at * 2 + 1) / n - 1)
    if len(size) == 4:
        y, x = torch.meshgrid([lines[1], lines[0]], indexing="ij")
        places = torch.stack([x, y, torch.ones_like(x)], -1)
    else:
        z, y, x = torch.meshgrid([lines[2], lines[1], lines[0]], indexing="ij")
        places = torch.stack([x, y, z, torch.ones_like(x)], -1)
    grid = torch.matmul(places.flatten(0, -2).unsqueeze(0), theta.transpose(1, 2))
    return grid.reshape([size[0]] + size[2:] + [len(size) - 2])

def bincount(self: Any, weights: Any = None, minlength: Any = 0):
    if weights is None:
        by = torch.ones_like(self)
    else:
        by = weights
    n = int(torch.clamp(self.max() + 1, min=minlength))
    return torch.zeros([n], dtype=by.dtype).scatter_add(0, self, by)

def pixel_unshuffle(self: Any, downscale_factor: Any):
    x = self.unflatten(-1, [-1, downscale_factor]).unflatten(-3, [-1, downscale_factor])
    return torch.movedim(x, [-3, -1], [-4, -3]).flatten(-5, -3)

def cumprod(self: Any, dim: Any, dtype: Any = None):
    x = torch.movedim(self if dtype is None else self.to(dtype), dim, -1)
    at = torch.arange(x.size(-1))
    kept = torch.where(at.unsqueeze(0) <= at.unsqueeze(1), x.unsqueeze(-2), torch.ones_like(x).unsqueeze(-2))
    return torch.movedim(torch.prod(kept, -1), -1, dim)

def logcumsumexp(self: Any, dim: Any):
    x = torch.movedim(self, dim, -1)
    at = torch.arange(x.size(-1))
    low = torch.where(at.unsqueeze(0) <= at.unsqueeze(1), x.unsqueeze(-2), torch.zeros_like(x).unsqueeze(-2) - float("inf"))
    return torch.movedim(torch.logsumexp(low, [-1]), -1, dim)

def _cumulative(x: Any, dim: Any, none: Any, sign: Any):
    x = torch.movedim(x, dim, -1)
    at = torch.arange(x.size(-1))
    before = at.unsqueeze(0) <= at.unsqueeze(1)
    seen = torch.where(before, x.unsqueeze(-2), torch.zeros_like(x).unsqueeze(-2) + none)
    if sign > 0:
        values = torch.amax(seen, [-1])
    else:
        values = torch.amin(seen, [-1])
    # Of places with one value, the last.
    hit = torch.where(torch.logical_and(before, seen == values.unsqueeze(-1)), at, torch.zeros_like(at))
    return torch.movedim(values, -1, dim), torch.movedim(torch.amax(hit, [-1]), -1, dim)

def cummax(self: Any, dim: Any):
    return _cumulative(self, dim, -float("inf"), 1)

def cummin(self: Any, dim: Any):
    return _cumulative(self, dim, float("inf"), -1)

def _embedding_bag(weight: Any, indices: Any, offsets: Any, mode: Any = 0, scale_grad_by_freq: Any = False, sparse: Any = False, per_sample_weights: Any = None, include_last_offset: Any = False, padding_idx: Any = -1):
    starts = offsets
    if include_last_offset:
        starts = offsets[:-1]
    rows = weight.index_select(0, indices)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.unsqueeze(1)
    bag = (starts.unsqueeze(1) <= torch.arange(indices.size(0)).unsqueeze(0)).long().sum(0) - 1
    here = bag.unsqueeze(0) == torch.arange(starts.size(0)).unsqueeze(1)
    if padding_idx >= 0:
        here = torch.logical_and(here, (indices != padding_idx).unsqueeze(0))
    if mode == 2:
        low = torch.where(here.unsqueeze(-1), rows.unsqueeze(0), torch.zeros_like(rows).unsqueeze(0) - float("inf")).amax([1])
        out = torch.where(here.any(1, True), low, torch.zeros_like(low))
    else:
        out = torch.matmul(here.to(rows.dtype), rows)
        if mode == 1:
            out = out / torch.clamp(here.to(rows.dtype).sum(1, True), min=1.0)
    return out, bag, bag, bag

def _complex_abs(self: Any):
    return torch.hypot(torch.real(self), torch.imag(self))

def _complex_angle(self: Any):
    return torch.atan2(torch.imag(self), torch.real(self))

def _complex_polar(abs: Any, angle: Any):
    return torch.complex(abs * torch.cos(angle), abs * torch.sin(angle))

def _complex_exp(self: Any):
    return torch.polar(torch.exp(torch.real(self)), torch.imag(self))

def _complex_log(self: Any):
    return torch.complex(torch.log(torch.abs(self)), torch.angle(self))

def _complex_square(self: Any):
    return self * self

def _complex_div(self: Any, other: Any, rounding_mode: Any = None):
    turned = torch.conj(other)
    return (self * turned) / torch.real(other * turned)

def _complex_reciprocal(self: Any):
    turned = torch.conj(self)
    return turned / torch.real(self * turned)

def _complex_sgn(self: Any):
    size = torch.abs(self)
    return self / torch.where(size == 0, torch.ones_like(size), size)

def _complex_istft(self: Any, n_fft: Any, hop_length: Any = None, win_length: Any = None, window: Any = None, center: Any = True, normalized: Any = False, onesided: Any = None, length: Any = None, return_complex: Any = False):
    hop, win = n_fft // 4, n_fft
    if hop_length is not None:
        hop = hop_length
    if win_length is not None:
        win = win_length
    x = self
    if self.dim() == 2:
        x = self.unsqueeze(0)
    left = (n_fft - win) // 2
    if window is None:
        by = torch.constant_pad_nd(torch.ones([win]), [left, n_fft - win - left])
    else:
        by = torch.constant_pad_nd(window, [left, n_fft - win - left])
    frames = x.transpose(1, 2)
    how = 2
    if normalized:
        how = 1
    if return_complex:
        each = torch._fft_c2c(frames, [2], how, False)
    else:
        each = torch._fft_c2r(frames.narrow(2, 0, n_fft // 2 + 1), [2], how, n_fft)
    # Frames added where they overlap, and the squares of their windows likewise.
    place = torch.eye(n_fft).unsqueeze(1)
    whole = torch.conv_transpose1d((each * by).transpose(1, 2), place, None, [hop])
    squares = (by * by).unsqueeze(1).expand([n_fft, frames.size(1)]).unsqueeze(0)
    weight = torch.conv_transpose1d(squares, place, None, [hop])
    start, end = 0, n_fft + hop * (frames.size(1) - 1)
    if center:
        start = n_fft // 2
        end = end - n_fft // 2
    if length is not None:
        end = start + length
    y = torch.slice(whole, 2, start, end) / torch.slice(weight, 2, start, end)
    if length is not None:
        y = torch.constant_pad_nd(y, [0, length - y.size(2)])
    if self.dim() == 2:
        return y.reshape([-1])
    return y.squeeze(1)

def _gate(x: Any, like: Any, k: Any):
    n = like.size(-1)
    return x.narrow(-1, k * n, n)

def gru_cell(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None):
    x, h = torch.linear(input, w_ih, b_ih), torch.linear(hx, w_hh, b_hh)
    reset = torch.sigmoid(_gate(x, hx, 0) + _gate(h, hx, 0))
    update = torch.sigmoid(_gate(x, hx, 1) + _gate(h, hx, 1))
    new = torch.tanh(_gate(x, hx, 2) + reset * _gate(h, hx, 2))
    return new + update * (hx - new)

def lstm_cell(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None):
    gates = torch.linear(input, w_ih, b_ih) + torch.linear(hx[0], w_hh, b_hh)
    c = torch.sigmoid(_gate(gates, hx[0], 1)) * hx[1] + torch.sigmoid(_gate(gates, hx[0], 0)) * torch.tanh(_gate(gates, hx[0], 2))
    return torch.sigmoid(_gate(gates, hx[0], 3)) * torch.tanh(c), c

def rnn_tanh_cell(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None):
    return torch.tanh(torch.linear(input, w_ih, b_ih) + torch.linear(hx, w_hh, b_hh))

def rnn_relu_cell(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None):
    return torch.relu(torch.linear(input, w_ih, b_ih) + torch.linear(hx, w_hh, b_hh))

def histc(self: Any, bins: Any = 100, min: Any = 0, max: Any = 0):
    x = self.reshape(-1)
    if min == max:
        low, high = torch.amin(x, [0]), torch.amax(x, [0])
        alike = low == high
        low, high = torch.where(alike, low - 1.0, low), torch.where(alike, high + 1.0, high)
    else:
        low, high = torch.full_like(x.sum(), float(min)), torch.full_like(x.sum(), float(max))
    place = torch.clamp(torch.floor((x - low) / (high - low) * float(bins)), max=bins - 1.0)
    place = torch.where((x >= low) & (x <= high), place, torch.full_like(place, -1.0))
    return (place.unsqueeze(1) == torch.arange(bins).to(self.dtype)).to(self.dtype).sum(0)

def nonzero_static(self: Any, size: Any, fill_value: Any = -1):
    return torch.cat([torch.nonzero(self), torch.full([size, self.dim()], fill_value)]).narrow(0, 0, size)

def put(self: Any, index: Any, source: Any, accumulate: Any = False):
    flat, place = self.reshape(-1), index.reshape(-1)
    place = torch.where(place < 0, place + self.numel(), place)
    if accumulate:
        return flat.scatter_add(0, place, source.reshape(-1)).reshape_as(self)
    return flat.scatter(0, place, source.reshape(-1)).reshape_as(self)

def unique_consecutive(self: Any, return_inverse: Any = False, return_counts: Any = False):
    flat = self.reshape(-1)
    begins = torch.cat([torch.ones([1], dtype=torch.bool), flat.narrow(0, 1, flat.numel() - 1) != flat.narrow(0, 0, flat.numel() - 1)])
    first = torch.nonzero(begins).squeeze(1)
    after = torch.cat([torch.slice(first, 0, 1, None), torch.full([1], flat.numel())])
    return flat.index_select(0, first), (torch.cumsum(begins.long(), 0) - 1).reshape_as(self), after - first

def nanmedian(self: Any, dim: Any = None, keepdim: Any = False):
    if dim is None:
        return torch.nanmedian(self.reshape(-1), 0)[0]
    missing = torch.isnan(self)
    count = torch.sum((~missing).long(), dim, True)
    values, indices = torch.sort(torch.where(missing, torch.full_like(self, float("inf")), self), dim)
    place = torch.clamp((count - 1) // 2, min=0)
    value = torch.where(count == 0, torch.full_like(count.to(self.dtype), float("nan")), values.gather(dim, place))
    if keepdim:
        return value, indices.gather(dim, place)
    return value.squeeze(dim), indices.gather(dim, place).squeeze(dim)

def frexp(self: Any):
    finite = torch.logical_and(torch.isfinite(self), self != 0)
    x = torch.where(finite, self, torch.ones_like(self))
    power = torch.floor(torch.log2(torch.abs(x)))
    y = x * torch.pow(2.0, -power)
    power = power + (torch.abs(y) >= 2).to(self.dtype) - (torch.abs(y) < 1).to(self.dtype)
    mantissa = x * torch.pow(2.0, -power) * 0.5
    return torch.where(finite, mantissa, self), torch.where(finite, power + 1, torch.zeros_like(power)).to(torch.int32)

def mode(self: Any, dim: Any = -1, keepdim: Any = False):
    x = torch.movedim(self, dim, -1)
    counts = (x.unsqueeze(-1) == x.unsqueeze(-2)).long().sum(-1)
    often = counts == torch.amax(counts, [-1], True)
    value = torch.amin(torch.where(often, x, torch.full_like(x, float("inf"))), [-1], True)
    place = torch.where(x == value, torch.arange(x.size(-1)), torch.full_like(counts, -1)).amax([-1], True)
    if keepdim:
        return torch.movedim(value, -1, dim), torch.movedim(place, -1, dim)
    return value.squeeze(-1), place.squeeze(-1)
)py";

}  // namespace

script::StmtPtr export_text(const std::string& name) {
  static std::mutex lock;
  static auto& parsed = *new std::map<std::string, script::StmtPtr>;
  std::lock_guard guard(lock);
  if (auto found = parsed.find(name); found != parsed.end()) return found->second;
  script::StmtPtr def;
  for (std::string_view all : {kTexts, kLinalgTexts, kSpecialTexts}) {
    size_t at = all.find("\ndef " + name + "(");
    if (at == all.npos) continue;
    size_t end = all.find("\ndef ", at + 1);
    std::string text(all.substr(at + 1, end == all.npos ? end : end - at));
    def = script::parse_module(std::make_shared<script::Source>(script::Source{text, "<" + name + " for ONNX>"})).at(0);
    break;
  }
  return parsed[name] = def;
}

}  // namespace rushlight::onnx
