// What operators consist of that ONNX has not, as TorchScript: a function named as the operator is, whose parameters are arguments of its
// schema by their names. Arguments that an overload has and the function doesn't have to be None, or what the schema says by itself; parameters that
// an overload hasn't take the function's default. Sizes that a text asks for are computed by the model where an axis is dynamic.
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

def erfc(self: Any):
    return 1 - torch.erf(self)

def _eliminated(A: Any, B: Any):
    n = A.size(-1)
    rows = torch.arange(n)
    M = torch.cat([A, B], -1)
    for k in range(n):
        free = torch.where(rows < k, torch.full_like(rows, -1).to(A.dtype), M.select(-1, k).abs())
        best = free.argmax(-1, True)
        at = torch.where(rows == k, best, torch.where(rows == best, k, rows))
        M = torch.gather(M, -2, at.unsqueeze(-1).expand_as(M))
        row = M.narrow(-2, k, 1)
        row = row / row.narrow(-1, k, 1)
        M = torch.where((rows == k).unsqueeze(-1), row, M - M.narrow(-1, k, 1) * row)
    return M.narrow(-1, n, B.size(-1))

def _solved(A: Any, B: Any, left: Any = True):
    a = A if left else A.transpose(-1, -2)
    b = B if left else B.transpose(-1, -2)
    x = _eliminated(a + 0 * b.narrow(-1, 0, 1), b + 0 * a.narrow(-1, 0, 1))
    return x if left else x.transpose(-1, -2)

def linalg_inv(A: Any):
    return _eliminated(A, torch.eye(A.size(-1), dtype=A.dtype).expand_as(A))

def inverse(self: Any):
    return torch.linalg.inv(self)

def linalg_inv_ex(A: Any, check_errors: Any = False):
    x = _eliminated(A, torch.eye(A.size(-1), dtype=A.dtype).expand_as(A))
    return x, torch.zeros_like(x.select(-1, 0).select(-1, 0), dtype=torch.int32)

def linalg_solve(A: Any, B: Any, left: Any = True):
    line = B.dim() == 1 or (B.dim() == A.dim() - 1 and B.size() == A.size()[:-1])
    if line:
        return _solved(A, B.unsqueeze(-1)).select(-1, 0)
    return _solved(A, B, left)

def _linalg_solve_ex(A: Any, B: Any, left: Any = True, check_errors: Any = False):
    x = torch.linalg.solve(A, B, left=left)
    return x, x, x, x

def linalg_solve_triangular(self: Any, B: Any, upper: Any, left: Any = True, unitriangular: Any = False):
    A = torch.triu(self) if upper else torch.tril(self)
    if unitriangular:
        one = torch.eye(A.size(-1), dtype=A.dtype)
        A = A * (1 - one) + one
    return _solved(A, B, left)

def triangular_solve(self: Any, A: Any, upper: Any = True, transpose: Any = False, unitriangular: Any = False):
    if transpose:
        return torch.linalg.solve_triangular(A.transpose(-1, -2), self, upper=not upper, unitriangular=unitriangular), A
    return torch.linalg.solve_triangular(A, self, upper=upper, unitriangular=unitriangular), A

def cholesky_solve(self: Any, input2: Any, upper: Any = False):
    L = input2.transpose(-1, -2) if upper else input2
    y = torch.linalg.solve_triangular(L, self, upper=False)
    return torch.linalg.solve_triangular(L.transpose(-1, -2), y, upper=True)

def cholesky_inverse(self: Any, upper: Any = False):
    return torch.cholesky_solve(torch.eye(self.size(-1), dtype=self.dtype).expand_as(self), self, upper)

def linalg_cholesky(self: Any, upper: Any = False):
    return torch.linalg.cholesky_ex(self, upper=upper)[0]

def cholesky(self: Any, upper: Any = False):
    return torch.linalg.cholesky_ex(self, upper=upper)[0]

def linalg_cholesky_ex(self: Any, upper: Any = False, check_errors: Any = False):
    n = self.size(-1)
    rows = torch.arange(n)
    rest = self.transpose(-1, -2) if upper else self
    L = torch.zeros_like(self)
    for k in range(n):
        column = rest.narrow(-1, k, 1)
        column = torch.where((rows < k).unsqueeze(-1), torch.zeros_like(column), column / torch.sqrt(column.narrow(-2, k, 1)))
        L = torch.where(rows == k, column, L)
        rest = rest - torch.matmul(column, column.transpose(-1, -2))
    info = torch.zeros_like(self.select(-1, 0).select(-1, 0), dtype=torch.int32)
    if upper:
        return L.transpose(-1, -2), info
    return L, info

def _linalg_slogdet(A: Any):
    d = torch.det(A)
    return torch.sign(d), torch.log(torch.abs(d)), d, d

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

def _series(x: Any, c: Any):
    y = torch.full_like(x, c[0])
    for k in range(1, len(c)):
        y = y * x + c[k]
    return y

def _by_erfc(z: Any):
    t = 1.0 / (1.0 + 0.5 * z)
    return t, _series(t, [0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368, -1.26551223])

def special_erfcx(self: Any):
    x = torch.abs(self)
    t, power = _by_erfc(x)
    y = t * torch.exp(power)
    return torch.where(self < 0, 2.0 * torch.exp(self * self) - y, y)

def special_ndtr(self: Any):
    return 0.5 * (1.0 + torch.erf(self * 0.7071067811865476))

def special_log_ndtr(self: Any):
    z = torch.abs(self) * 0.7071067811865476
    t, power = _by_erfc(z)
    tail = torch.log(0.5 * t) + power - z * z
    return torch.where(self < 0, tail, torch.log(1.0 - torch.exp(tail)))

def _i_small(x: Any, c: Any):
    t = torch.clamp(x, max=3.75) / 3.75
    return _series(t * t, c)

def _i_large(x: Any, c: Any):
    y = torch.clamp(x, min=3.75)
    return _series(3.75 / y, c) / torch.sqrt(y)

def special_i0e(self: Any):
    x = torch.abs(self)
    small = _i_small(x, [0.0045813, 0.0360768, 0.2659732, 1.2067492, 3.0899424, 3.5156229, 1.0]) * torch.exp(-x)
    large = _i_large(x, [0.00392377, -0.01647633, 0.02635537, -0.02057706, 0.00916281, -0.00157565, 0.00225319, 0.01328592, 0.39894228])
    return torch.where(x < 3.75, small, large)

def special_i1e(self: Any):
    x = torch.abs(self)
    small = _i_small(x, [0.00032411, 0.00301532, 0.02658733, 0.15084934, 0.51498869, 0.87890594, 0.5]) * x * torch.exp(-x)
    large = _i_large(x, [-0.00420059, 0.01787654, -0.02895312, 0.02282967, -0.01031555, 0.00163801, -0.00362018, -0.03988024, 0.39894228])
    return torch.sign(self) * torch.where(x < 3.75, small, large)

def i0(self: Any):
    return torch.exp(torch.abs(self)) * torch.special_i0e(self)

def special_i0(self: Any):
    return torch.i0(self)

def special_i1(self: Any):
    return torch.exp(torch.abs(self)) * torch.special_i1e(self)

def special_modified_bessel_i0(self: Any):
    return torch.i0(self)

def special_modified_bessel_i1(self: Any):
    return torch.special_i1(self)

def special_scaled_modified_bessel_k0(x: Any):
    near = torch.clamp(x, max=2.0)
    t = near * near / 4.0
    small = -torch.log(near / 2.0) * torch.i0(near) + _series(t, [0.0000074, 0.0001075, 0.00262698, 0.0348859, 0.23069756, 0.4227842, -0.57721566])
    far = torch.clamp(x, min=2.0)
    large = _series(2.0 / far, [0.00053208, -0.0025154, 0.00587872, -0.01062446, 0.02189568, -0.07832358, 1.25331414]) / torch.sqrt(far)
    return torch.where(x <= 2.0, small * torch.exp(near), large)

def special_scaled_modified_bessel_k1(x: Any):
    near = torch.clamp(x, max=2.0)
    t = near * near / 4.0
    small = torch.log(near / 2.0) * torch.special_i1(near) + _series(t, [-0.00004686, -0.00110404, -0.01919402, -0.18156897, -0.67278579, 0.15443144, 1.0]) / near
    far = torch.clamp(x, min=2.0)
    large = _series(2.0 / far, [-0.00068245, 0.00325614, -0.00780353, 0.01504268, -0.0365562, 0.23498619, 1.25331414]) / torch.sqrt(far)
    return torch.where(x <= 2.0, small * torch.exp(near), large)

def special_modified_bessel_k0(self: Any):
    return torch.special_scaled_modified_bessel_k0(self) * torch.exp(-self)

def special_modified_bessel_k1(self: Any):
    return torch.special_scaled_modified_bessel_k1(self) * torch.exp(-self)

def _wave0(x: Any):
    u = 3.0 / x
    size = _series(u, [0.00014476, -0.00072805, 0.00137237, -0.00009512, -0.0055274, -0.00000077, 0.79788456]) / torch.sqrt(x)
    return size, x + _series(u, [0.00013558, -0.00029333, -0.00054125, 0.00262573, -0.00003954, -0.04166397, -0.78539816])

def _wave1(x: Any):
    u = 3.0 / x
    size = _series(u, [-0.00020033, 0.00113653, -0.00249511, 0.00017105, 0.01659667, 0.00000156, 0.79788456]) / torch.sqrt(x)
    return size, x + _series(u, [-0.00029166, 0.00079824, 0.00074348, -0.00637879, 0.0000565, 0.12499612, -2.35619449])

def _j0_near(x: Any):
    return _series(x * x / 9.0, [0.00021, -0.0039444, 0.0444479, -0.3163866, 1.2656208, -2.2499997, 1.0])

def _j1_near(x: Any):
    return x * _series(x * x / 9.0, [0.00001109, -0.00031761, 0.00443319, -0.03954289, 0.21093573, -0.56249985, 0.5])

def special_bessel_j0(self: Any):
    x = torch.abs(self)
    size, phase = _wave0(torch.clamp(x, min=3.0))
    return torch.where(x <= 3.0, _j0_near(torch.clamp(x, max=3.0)), size * torch.cos(phase))

def special_bessel_j1(self: Any):
    x = torch.abs(self)
    size, phase = _wave1(torch.clamp(x, min=3.0))
    return torch.sign(self) * torch.where(x <= 3.0, _j1_near(torch.clamp(x, max=3.0)), size * torch.cos(phase))

def special_bessel_y0(self: Any):
    near = torch.clamp(self, max=3.0)
    small = 0.6366197723675814 * torch.log(near / 2.0) * _j0_near(near)
    small = small + _series(near * near / 9.0, [-0.00024846, 0.00427916, -0.04261214, 0.25300117, -0.74350384, 0.60559366, 0.36746691])
    size, phase = _wave0(torch.clamp(self, min=3.0))
    return torch.where(self <= 3.0, small, size * torch.sin(phase))

def special_bessel_y1(self: Any):
    near = torch.clamp(self, max=3.0)
    rest = _series(near * near / 9.0, [0.0027873, -0.0400976, 0.3123951, -1.3164827, 2.1682709, 0.2212091, -0.6366198])
    small = 0.6366197723675814 * torch.log(near / 2.0) * _j1_near(near) + rest / near
    size, phase = _wave1(torch.clamp(self, min=3.0))
    return torch.where(self <= 3.0, small, size * torch.sin(phase))

def special_spherical_bessel_j0(x: Any):
    near = _series(x * x, [1.0 / 362880.0, -1.0 / 5040.0, 1.0 / 120.0, -1.0 / 6.0, 1.0])
    return torch.where(torch.abs(x) < 0.5, near, torch.sin(x) / x)

def lgamma(self: Any):
    below = self < 0.5
    z = torch.where(below, -self, self - 1.0)
    t = z + 7.5
    parts = [676.5203681218851, -1259.1392167224028, 771.3234287776531, -176.6150291621406, 12.507343278686905, -0.13857109526572012, 9.984369578019572e-06, 1.5056327351493116e-07]
    total = torch.full_like(z, 0.9999999999998099)
    for k in range(len(parts)):
        total = total + parts[k] / (z + (k + 1.0))
    y = 0.9189385332046727 + (z + 0.5) * torch.log(t) - t + torch.log(total)
    # sin(pi x) of the place between two whole numbers
    turned = torch.abs(torch.sin(3.141592653589793 * (self - torch.round(self))))
    return torch.where(below, 1.1447298858494002 - torch.log(turned) - y, y)

def digamma(self: Any):
    below = self < 0.5
    x = torch.where(below, 1.0 - self, self)
    shifted = torch.zeros_like(x)
    for k in range(6):
        shifted = shifted - 1.0 / (x + float(k))
    y = x + 6.0
    u = 1.0 / (y * y)
    y = torch.log(y) - 0.5 / y - u * (1.0 / 12.0 - u * (1.0 / 120.0 - u / 252.0)) + shifted
    return torch.where(below, y - 3.141592653589793 / torch.tan(3.141592653589793 * (self - torch.round(self))), y)

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

def special_zeta(self: Any, other: Any):
    one = torch.ones_like(self * 1.0 + other * 1.0)
    x, q = self * one, other * one
    rounds = 9 + int(torch.amax(torch.clamp(-q, min=0.0)))
    total = torch.zeros_like(one)
    for k in range(rounds):
        total = total + torch.pow(q + float(k), -x)
    w = q + float(rounds)
    power = torch.pow(w, -x)
    total = total + power * w / (x - 1.0) + 0.5 * power
    term = x * power / w
    total = total + term / 12.0
    term = term * (x + 1.0) * (x + 2.0) / (w * w)
    total = total - term / 720.0
    term = term * (x + 3.0) * (x + 4.0) / (w * w)
    total = total + term / 30240.0
    term = term * (x + 5.0) * (x + 6.0) / (w * w)
    total = total - term / 1209600.0
    total = torch.where(((q < 0) & (x != torch.floor(x))) | (x < 1), torch.full_like(total, float("nan")), total)
    return torch.where(((q <= 0) & (q == torch.floor(q)) & (x >= 1)) | (x == 1), torch.full_like(total, float("inf")), total)

def _polygamma(self: Any, n: Any):
    if n == 0:
        return torch.digamma(self)
    factor = 1.0
    for k in range(n):
        factor = -factor * float(k + 1)
    return torch.special.zeta(n + 1.0, self) * -factor

def special_ndtri(self: Any):
    p = self * 1.0
    q = p - 0.5
    r = 0.180625 - q * q
    middle = q * (((59.10937472 * r + 159.29113202) * r + 50.434271938) * r + 3.3871327179) / (((67.1875636 * r + 78.757757664) * r + 17.895169469) * r + 1.0)
    far = torch.sqrt(-torch.log(torch.clamp(torch.minimum(p, 1.0 - p), min=1e-45)))
    r = far - 1.6
    side = (((0.17023821103 * r + 1.3067284816) * r + 2.75681539) * r + 1.4234372777) / ((0.12021132975 * r + 0.7370016425) * r + 1.0)
    r = far - 5.0
    tail = (((0.017337203997 * r + 0.42868294337) * r + 3.081226386) * r + 6.657905115) / ((0.012258202635 * r + 0.24197894225) * r + 1.0)
    y = torch.where(torch.abs(q) <= 0.425, middle, torch.sign(q) * torch.where(far <= 5.0, side, tail))
    y = torch.where((p == 0) | (p == 1), torch.sign(q) * float("inf"), y)
    return torch.where((p < 0) | (p > 1), torch.full_like(y, float("nan")), y)

def _reflected(A: Any):
    # LAPACK's geqrf: what is left of A, the vectors as columns, their factors, and the product of the reflections.
    least = min(A.size(-2), A.size(-1))
    rows = torch.arange(A.size(-2)).unsqueeze(-1)
    columns = torch.arange(least)
    R = A
    V = torch.zeros_like(A.narrow(-1, 0, least))
    tau = torch.zeros_like(V.narrow(-2, 0, 1))
    Q = torch.eye(A.size(-2), dtype=A.dtype) + torch.zeros_like(A.narrow(-1, 0, 1))
    for k in range(least):
        column = R.narrow(-1, k, 1)
        pivot = column.narrow(-2, k, 1)
        below = torch.where(rows > k, column, torch.zeros_like(column))
        rest = torch.sqrt((below * below).sum([-2], True))
        length = torch.sqrt(pivot * pivot + rest * rest)
        done = rest == 0
        beta = torch.where(done, torch.ones_like(pivot), torch.where(pivot >= 0, -length, length))
        v = below / torch.where(done, beta, pivot - beta) + (rows == k).to(A.dtype)
        factor = torch.where(done, torch.zeros_like(pivot), (beta - pivot) / beta)
        R = R - torch.matmul(factor * v, torch.matmul(v.transpose(-1, -2), R))
        Q = Q - torch.matmul(torch.matmul(Q, factor * v), v.transpose(-1, -2))
        V = torch.where(columns == k, v, V)
        tau = torch.where(columns == k, factor, tau)
    return torch.triu(R), V, tau.squeeze(-2), Q

def linalg_qr(A: Any, mode: Any = "reduced"):
    R, _, _, Q = _reflected(A)
    least = min(A.size(-2), A.size(-1))
    if mode == "complete":
        return Q, R
    if mode == "r":
        return torch.zeros([0], dtype=A.dtype), R.narrow(-2, 0, least)
    return Q.narrow(-1, 0, least), R.narrow(-2, 0, least)

def geqrf(self: Any):
    R, V, tau, _ = _reflected(self)
    n, least = self.size(-1), V.size(-1)
    V = torch.tril(V, -1)
    if n > least:
        V = torch.cat([V, torch.zeros_like(R.narrow(-1, 0, n - least))], -1)
    return R + V, tau

def _product_of_reflections(V: Any, tau: Any):
    m, count = V.size(-2), tau.size(-1)
    rows = torch.arange(m).unsqueeze(-1)
    Q = torch.eye(m, dtype=V.dtype) + torch.zeros_like(V.narrow(-1, 0, 1))
    for k in range(count):
        column = V.narrow(-1, k, 1)
        v = torch.where(rows > k, column, torch.zeros_like(column)) + (rows == k).to(V.dtype)
        Q = Q - torch.matmul(torch.matmul(Q, v) * tau.narrow(-1, k, 1).unsqueeze(-1), v.transpose(-1, -2))
    return Q

def linalg_householder_product(input: Any, tau: Any):
    return _product_of_reflections(input, tau).narrow(-1, 0, input.size(-1))

def ormqr(self: Any, input2: Any, input3: Any, left: Any = True, transpose: Any = False):
    Q = _product_of_reflections(self, input2)
    if transpose:
        Q = Q.transpose(-1, -2)
    return torch.matmul(Q, input3) if left else torch.matmul(input3, Q)

def frexp(self: Any):
    finite = torch.logical_and(torch.isfinite(self), self != 0)
    x = torch.where(finite, self, torch.ones_like(self))
    power = torch.floor(torch.log2(torch.abs(x)))
    y = x * torch.pow(2.0, -power)
    power = power + (torch.abs(y) >= 2).to(self.dtype) - (torch.abs(y) < 1).to(self.dtype)
    mantissa = x * torch.pow(2.0, -power) * 0.5
    return torch.where(finite, mantissa, self), torch.where(finite, power + 1, torch.zeros_like(power)).to(torch.int32)

def linalg_lu_factor_ex(A: Any, pivot: Any = True, check_errors: Any = False):
    m, n = A.size(-2), A.size(-1)
    rows, columns, least = torch.arange(m).unsqueeze(-1), torch.arange(n), min(m, n)
    LU = A
    pivots = torch.zeros_like(A.narrow(-2, 0, 1).narrow(-1, 0, least), dtype=torch.int64)
    for k in range(least):
        here = LU.narrow(-2, k, 1)
        place = torch.zeros_like(here.narrow(-1, 0, 1), dtype=torch.int64) + k
        if pivot:
            size = torch.where(rows >= k, torch.abs(LU.narrow(-1, k, 1)), torch.full_like(LU.narrow(-1, k, 1), -1.0))
            place = torch.argmax(size, -2, True)
        chosen = torch.where(rows == place, LU, torch.zeros_like(LU)).sum([-2], True)
        LU = torch.where(rows == k, chosen, torch.where(rows == place, here, LU))
        top = chosen.narrow(-1, k, 1)
        factor = LU.narrow(-1, k, 1) / torch.where(top == 0, torch.ones_like(top), top)
        factor = torch.where(rows > k, factor, torch.zeros_like(factor))
        LU = torch.where((rows > k) & (columns == k), factor, LU - torch.where(columns > k, factor * chosen, torch.zeros_like(LU)))
        pivots = torch.where(torch.arange(least) == k, place + 1, pivots)
    return LU, pivots.squeeze(-2).to(torch.int32), torch.zeros_like(A.select(-1, 0).select(-1, 0), dtype=torch.int32)

def _lu_rows(pivots: Any, m: Any):
    at = torch.arange(m)
    rows = at + torch.zeros_like(pivots.narrow(-1, 0, 1), dtype=torch.int64)
    for k in range(pivots.size(-1)):
        place = pivots.narrow(-1, k, 1).long() - 1
        chosen = torch.where(at == place, rows, torch.zeros_like(rows)).sum([-1], True)
        rows = torch.where(at == k, chosen, torch.where(at == place, rows.narrow(-1, k, 1), rows))
    return rows

def linalg_lu_solve(LU: Any, pivots: Any, B: Any, left: Any = True, adjoint: Any = False):
    b = B if left else B.transpose(-1, -2)
    transposed = adjoint if left else not adjoint
    b = b + 0 * LU.narrow(-1, 0, 1)
    n = LU.size(-1)
    order = torch._lu_rows(pivots, n)
    moves = (order.unsqueeze(-1) == torch.arange(n)).to(LU.dtype)
    if transposed:
        y = torch.linalg.solve_triangular(LU.transpose(-1, -2), b, upper=False)
        y = torch.linalg.solve_triangular(LU.transpose(-1, -2), y, upper=True, unitriangular=True)
        x = torch.matmul(moves.transpose(-1, -2), y)
    else:
        y = torch.linalg.solve_triangular(LU, torch.matmul(moves, b), upper=False, unitriangular=True)
        x = torch.linalg.solve_triangular(LU, y, upper=True)
    return x if left else x.transpose(-1, -2)

def linalg_matrix_exp(self: Any):
    norm = torch.amax(torch.abs(self).sum([-1]))
    halvings = int(torch.ceil(torch.log2(torch.clamp(norm, min=0.25)))) + 2
    x = self * torch.pow(0.5, float(halvings) * torch.ones_like(norm))
    one = torch.eye(self.size(-1), dtype=self.dtype)
    y = one + x / 12.0
    for k in range(11):
        y = one + torch.matmul(x, y) / float(11 - k)
    for _ in range(halvings):
        y = torch.matmul(y, y)
    return y

def mode(self: Any, dim: Any = -1, keepdim: Any = False):
    x = torch.movedim(self, dim, -1)
    counts = (x.unsqueeze(-1) == x.unsqueeze(-2)).long().sum(-1)
    often = counts == torch.amax(counts, [-1], True)
    value = torch.amin(torch.where(often, x, torch.full_like(x, float("inf"))), [-1], True)
    place = torch.where(x == value, torch.arange(x.size(-1)), torch.full_like(counts, -1)).amax([-1], True)
    if keepdim:
        return torch.movedim(value, -1, dim), torch.movedim(place, -1, dim)
    return value.squeeze(-1), place.squeeze(-1)

def _orthogonal(x: Any, n: Any, slope: Any, offset: Any, kind: Any):
    degree = torch.trunc(n * torch.ones_like(x * 1.0 + n * 1.0))
    x = x * torch.ones_like(degree)
    before = torch.ones_like(degree)
    here = x * slope + offset
    y = torch.where(degree < 0, torch.zeros_like(here), torch.where(degree < 1, before, here))
    for k in range(2, int(torch.amax(degree)) + 1):
        if kind == "chebyshev":
            after = 2.0 * x * here - before
        elif kind == "h":
            after = 2.0 * (x * here - float(k - 1) * before)
        elif kind == "he":
            after = x * here - float(k - 1) * before
        elif kind == "laguerre":
            after = ((float(2 * k - 1) - x) * here - float(k - 1) * before) / float(k)
        else:
            after = (float(2 * k - 1) * x * here - float(k - 1) * before) / float(k)
        y = torch.where(degree >= float(k), after, y)
        before = here
        here = after
    return y

def special_chebyshev_polynomial_t(x: Any, n: Any):
    return _orthogonal(x, n, 1.0, 0.0, "chebyshev")

def special_shifted_chebyshev_polynomial_t(x: Any, n: Any):
    return _orthogonal(x * 2.0 - 1.0, n, 1.0, 0.0, "chebyshev")

def special_chebyshev_polynomial_u(x: Any, n: Any):
    return _orthogonal(x, n, 2.0, 0.0, "chebyshev")

def special_shifted_chebyshev_polynomial_u(x: Any, n: Any):
    return _orthogonal(x * 2.0 - 1.0, n, 2.0, 0.0, "chebyshev")

def special_chebyshev_polynomial_v(x: Any, n: Any):
    return _orthogonal(x, n, 2.0, -1.0, "chebyshev")

def special_shifted_chebyshev_polynomial_v(x: Any, n: Any):
    return _orthogonal(x * 2.0 - 1.0, n, 2.0, -1.0, "chebyshev")

def special_chebyshev_polynomial_w(x: Any, n: Any):
    return _orthogonal(x, n, 2.0, 1.0, "chebyshev")

def special_shifted_chebyshev_polynomial_w(x: Any, n: Any):
    return _orthogonal(x * 2.0 - 1.0, n, 2.0, 1.0, "chebyshev")

def special_hermite_polynomial_h(x: Any, n: Any):
    return _orthogonal(x, n, 2.0, 0.0, "h")

def special_hermite_polynomial_he(x: Any, n: Any):
    return _orthogonal(x, n, 1.0, 0.0, "he")

def special_laguerre_polynomial_l(x: Any, n: Any):
    return _orthogonal(x, n, -1.0, 1.0, "laguerre")

def special_legendre_polynomial_p(x: Any, n: Any):
    return _orthogonal(x, n, 1.0, 0.0, "legendre")
)py";

}  // namespace

script::StmtPtr export_text(const std::string& name) {
  static std::mutex lock;
  static auto& parsed = *new std::map<std::string, script::StmtPtr>;
  std::lock_guard guard(lock);
  if (auto found = parsed.find(name); found != parsed.end()) return found->second;
  std::string_view all = kTexts;
  size_t at = all.find("\ndef " + name + "(");
  script::StmtPtr def;
  if (at != all.npos) {
    size_t end = all.find("\ndef ", at + 1);
    std::string text(all.substr(at + 1, end == all.npos ? end : end - at));
    def = script::parse_module(std::make_shared<script::Source>(script::Source{text, "<" + name + " for ONNX>"})).at(0);
  }
  return parsed[name] = def;
}

}  // namespace rushlight::onnx
