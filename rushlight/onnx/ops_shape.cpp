// What moves elements: shapes, slices, gathers, scatters, pads.
#include "rushlight/onnx/operators.h"

namespace rushlight::onnx {

const char* const kShapeText = R"py(
def Identity(input: Any):
    return input

def Constant(value: Any = None, sparse_value: Any = None, value_float: Any = None, value_floats: Any = None, value_int: Any = None, value_ints: Any = None, value_string: Any = None, value_strings: Any = None):
    if value is not None:
        return value
    if sparse_value is not None:
        return sparse_value
    if value_float is not None:
        return torch.tensor(value_float, dtype=torch.float32)
    if value_floats is not None:
        return torch.tensor(value_floats, dtype=torch.float32)
    if value_int is not None:
        return constant(value_int)
    if value_ints is not None:
        return constant(value_ints)
    if value_string is not None:
        return torch.tensor(0), [value_string]
    return torch.arange(len(value_strings)), value_strings

def ConstantOfShape_9(input, value: Any = None):
    s = ints(input)
    if value is None:
        return torch.zeros(s, dtype=torch.float32)
    v = number(value)
    if isinstance(v, (int, float, bool)):
        return torch.full(s, v, dtype=value.dtype)
    return value.reshape([1] * len(s)).expand(s)

def Shape(data: Any, start: Any = 0, end: Any = None):
    x = data
    if not isinstance(data, Tensor):
        x = data[0]
    s: List[int] = x.shape
    if start != 0 or end is not None:
        n = len(s)
        e = n
        if end is not None:
            e = end if end >= 0 else end + n
        b = start if start >= 0 else start + n
        b = max(0, min(b, n))
        e = max(b, min(e, n))
        s = s[b:e]
    return torch.tensor(s, dtype=torch.int64)

def Size(data: Any):
    if isinstance(data, Tensor):
        return torch.tensor(data.numel())
    return torch.tensor(data[0].numel())

def Reshape(data, shape: Any, allowzero: Any = 0, consumed_inputs: Any = None):
    s = ints(shape)
    if allowzero == 1:
        return data.reshape(s)
    z = has_zero(s)
    if z:
        s = [data.size(i) if d == 0 else d for i, d in enumerate(s)]
    return data.reshape(s)

def Flatten(input, axis: Any = 1):
    return _as_rows(input, axis)

def Squeeze(data, axes: Any = None):
    if axes is None:
        return torch.squeeze(data)
    return torch.squeeze(data, ints(axes))

def Unsqueeze(data, axes: Any):
    a = ints(axes)
    if len(a) == 1:
        return torch.unsqueeze(data, a[0])
    n = rank(data) + len(a)
    places = [i if i >= 0 else i + n for i in a]
    places.sort()
    y = data
    for i in places:
        y = torch.unsqueeze(y, i)
    return y

def Transpose(data, perm: Any = None):
    if perm is None:
        return data.permute([rank(data) - 1 - i for i in range(rank(data))])
    return data.permute(perm)

def Concat(inputs: Any, axis: Any = 1):
    return torch.cat(list(inputs), axis)

def Split(input, split: Any = None, axis: Any = 0, num_outputs: Any = None, outputs: Any = 1):
    n = input.size(axis)
    if split is not None:
        return torch.split_with_sizes(input, ints(split), axis)
    each = (n + outputs - 1) // outputs
    sizes = [max(0, min(each, n - i * each)) for i in range(outputs)]
    return torch.split_with_sizes(input, sizes, axis)

def _sliced(data, axis: int, start: int, end: int, step: int):
    n = data.size(axis)
    if step > 0:
        return torch.slice(data, axis, start, end, step)
    s = start if start >= 0 else start + n
    e = end if end >= 0 else end + n
    s = max(-1, min(s, n - 1))
    e = max(-1, min(e, n - 1))
    count = max(0, (s - e - step - 1) // -step)
    return data.index_select(axis, torch.arange(count) * step + s)

def Slice(data, starts: Any, ends: Any, axes: Any = None):
    y = data
    for i, (s, e) in enumerate(zip(starts, ends)):
        a = i if axes is None else axes[i]
        y = torch.slice(y, a, s, e, 1)
    return y

def Slice_10(data, starts, ends, axes: Any = None, steps: Any = None):
    b = ints(starts)
    e = ints(ends)
    a = ints(axes)
    t = ints(steps)
    y = data
    for i, (start, end) in enumerate(zip(b, e)):
        axis = i
        if a is not None:
            axis = a[i]
        if t is None:
            y = torch.slice(y, axis, start, end, 1)
        else:
            y = _sliced(y, axis, start, end, t[i])
    return y

def _positive(i, n: int):
    return torch.where(i < 0, i + n, i)

def Gather(data, indices, axis: Any = 0):
    one = number(indices)
    if isinstance(one, int):
        return torch.select(data, axis, one)
    i = _positive(indices.to(torch.int64), data.size(axis))
    a = axis if axis >= 0 else axis + rank(data)
    y = torch.index_select(data, a, i.reshape(-1))
    if rank(indices) == 1:
        return y
    return y.reshape(data.shape[:a] + indices.shape + data.shape[a + 1:])

def GatherElements_11(data, indices, axis: Any = 0):
    return torch.gather(data, axis, _positive(indices.to(torch.int64), data.size(axis)))

def _flat_places(shape: List[int], indices):
    k = indices.size(-1)
    at = torch.zeros_like(indices.select(-1, 0)) if k > 0 else torch.zeros(indices.shape[:-1], dtype=torch.int64)
    for i in range(k):
        j = indices.select(-1, i)
        at = at * shape[i] + torch.where(j < 0, j + shape[i], j)
    return at

def GatherND_11(data, indices, batch_dims: Any = 0):
    b: int = batch_dims
    k = indices.size(-1)
    batches = _prod(data.shape[:b])
    inner = data.shape[b:b + k]
    rest = data.shape[b + k:]
    x = data.reshape([batches * _prod(inner)] + rest)
    at = _flat_places(inner, indices.to(torch.int64)).reshape([batches, -1]) if batches > 0 else torch.zeros([0, 0], dtype=torch.int64)
    at = at + torch.arange(batches).unsqueeze(1) * _prod(inner)
    return x.index_select(0, at.reshape(-1)).reshape(indices.shape[:-1] + rest)

def Scatter_9(data, indices, updates, axis: Any = 0):
    return torch.scatter(data, axis, _positive(indices.to(torch.int64), data.size(axis)), updates)

def ScatterElements_11(data, indices, updates, axis: Any = 0, reduction: Any = "none"):
    i = _positive(indices.to(torch.int64), data.size(axis))
    if reduction == "none":
        return torch.scatter(data, axis, i, updates)
    if reduction == "add":
        return torch.scatter_add(data, axis, i, updates)
    if reduction == "mul":
        return torch.scatter_reduce(data, axis, i, updates, "prod")
    if reduction == "max":
        return torch.scatter_reduce(data, axis, i, updates, "amax")
    if reduction == "min":
        return torch.scatter_reduce(data, axis, i, updates, "amin")
    unsupported("this reduction")

def ScatterND_11(data, indices, updates, reduction: Any = "none"):
    k = indices.size(-1)
    inner = data.shape[:k]
    rest = _prod(data.shape[k:])
    x = data.reshape([_prod(inner), rest])
    at = _flat_places(inner, indices.to(torch.int64)).reshape(-1)
    u = updates.reshape([at.size(0), rest])
    if reduction == "none":
        return x.index_put([at], u).reshape(data.shape)
    if reduction == "add":
        return torch.index_add(x, 0, at, u).reshape(data.shape)
    places = at.unsqueeze(1).expand([at.size(0), rest])
    if reduction == "mul":
        return torch.scatter_reduce(x, 0, places, u, "prod").reshape(data.shape)
    if reduction == "max":
        return torch.scatter_reduce(x, 0, places, u, "amax").reshape(data.shape)
    if reduction == "min":
        return torch.scatter_reduce(x, 0, places, u, "amin").reshape(data.shape)
    unsupported("this reduction")

def Expand_8(input, shape):
    s = ints(shape)
    have = input.shape
    n = max(len(s), len(have))
    out: List[int] = []
    for i in range(n):
        a = 1
        b = 1
        if i >= n - len(s):
            a = s[i - n + len(s)]
        if i >= n - len(have):
            b = have[i - n + len(have)]
        out.append(b if a == 1 else a)
    return input.expand(out)

def Tile(input, tiles, axis):
    a = ints(axis)[0]
    return torch.cat([input for i in range(ints(tiles)[0])], a)

def Tile_6(input, repeats):
    return input.repeat(ints(repeats))

def Pad(data, paddings: Any, mode: Any = "constant", value: Any = 0.0):
    return _padded(data, paddings, mode, value, None)

def Pad_2(data, pads: Any, mode: Any = "constant", value: Any = 0.0):
    return _padded(data, pads, mode, value, None)

def Pad_11(data, pads, constant_value: Any = None, axes: Any = None, mode: Any = "constant"):
    v = number(constant_value)
    if v is None:
        return _padded(data, ints(pads), mode, 0, ints(axes))
    return _padded(data, ints(pads), mode, v, ints(axes))

def _padded(data, pads: Any, mode: Any, value: Any, axes: Any):
    dims = rank(data)
    before = [0 for i in range(dims)]
    after = [0 for i in range(dims)]
    n = len(pads) // 2
    for i in range(n):
        a = i
        if axes is not None:
            a = axes[i] if axes[i] >= 0 else axes[i] + dims
        before[a] = pads[i]
        after[a] = pads[n + i]
    if mode == "constant":
        amounts: List[int] = []
        for k in range(dims):
            amounts.append(before[dims - 1 - k])
            amounts.append(after[dims - 1 - k])
        if isinstance(value, Tensor):
            ones = torch.nn.functional.pad(torch.zeros(data.shape, dtype=torch.bool), amounts, "constant", 1.0)
            return torch.where(ones, value.to(data.dtype), torch.constant_pad_nd(data, amounts, 0))
        return torch.constant_pad_nd(data, amounts, value)
    y = data
    for k in range(dims):
        if before[k] != 0 or after[k] != 0:
            size = y.size(k)
            at = torch.arange(-before[k], size + after[k])
            if mode == "edge":
                at = at.clamp(0, size - 1)
            elif mode == "wrap":
                at = torch.remainder(at, size)
            elif mode == "reflect":
                period = max(2 * (size - 1), 1)
                at = torch.remainder(at, period)
                at = torch.minimum(at, period - at).clamp(0, size - 1)
            else:
                unsupported("this mode of padding")
            y = y.index_select(k, at)
    return y

def DepthToSpace(input, blocksize: int, mode: Any = "DCR"):
    n, c, h, w = input.shape
    b = blocksize
    if mode == "DCR":
        return input.reshape([n, b, b, c // (b * b), h, w]).permute([0, 3, 4, 1, 5, 2]).reshape([n, c // (b * b), h * b, w * b])
    return input.reshape([n, c // (b * b), b, b, h, w]).permute([0, 1, 4, 2, 5, 3]).reshape([n, c // (b * b), h * b, w * b])

def SpaceToDepth(input, blocksize: int, mode: Any = "DCR"):
    n, c, h, w = input.shape
    b = blocksize
    x = input.reshape([n, c, h // b, b, w // b, b])
    if mode == "CRD":
        return x.permute([0, 1, 3, 5, 2, 4]).reshape([n, c * b * b, h // b, w // b])
    return x.permute([0, 3, 5, 1, 2, 4]).reshape([n, c * b * b, h // b, w // b])

def ReverseSequence_10(input, sequence_lens, batch_axis: Any = 1, time_axis: Any = 0):
    x = input.transpose(0, 1) if time_axis == 1 else input
    t = x.size(0)
    steps = torch.arange(t).unsqueeze(1)
    lens = sequence_lens.to(torch.int64).unsqueeze(0)
    at = torch.where(steps < lens, lens - 1 - steps, steps)
    at = at.reshape([t, x.size(1)] + [1] * (rank(x) - 2)).expand(x.shape)
    y = torch.gather(x, 0, at)
    if time_axis == 1:
        return y.transpose(0, 1)
    return y

def Compress_9(input, condition, axis: Any = None):
    at = torch.nonzero(condition).reshape(-1)
    if axis is None:
        return input.reshape(-1).index_select(0, at)
    return input.index_select(axis, at)

def CenterCropPad_18(input_data, shape, axes: Any = None):
    s = ints(shape)
    y = input_data
    dims = rank(input_data)
    for i in range(len(s)):
        a = i
        if axes is not None:
            a = axes[i] if axes[i] >= 0 else axes[i] + dims
        n = y.size(a)
        if s[i] < n:
            y = y.narrow(a, (n - s[i]) // 2, s[i])
        elif s[i] > n:
            before = (s[i] - n) // 2
            amounts = [0] * (2 * (dims - 1 - a)) + [before, s[i] - n - before]
            y = torch.constant_pad_nd(y, amounts, 0)
    return y

def TensorScatter_24(past_cache, update, write_indices: Any = None, axis: Any = -2, mode: Any = "linear"):
    a = axis if axis >= 0 else axis + rank(past_cache)
    x = past_cache.movedim(a, 1)
    u = update.movedim(a, 1)
    b = x.size(0)
    t = u.size(1)
    at = torch.arange(t).unsqueeze(0).expand([b, t])
    if write_indices is not None:
        at = at + write_indices.to(torch.int64).unsqueeze(1)
    if mode == "circular":
        at = torch.remainder(at, x.size(1))
    y = torch.scatter(x, 1, at.reshape([b, t] + [1] * (rank(x) - 2)).expand(u.shape), u)
    return y.movedim(1, a)

def NonMaxSuppression_10(boxes, scores, max_output_boxes_per_class: Any = None, iou_threshold: Any = None, score_threshold: Any = None, center_point_box: Any = 0):
    most = 0
    if max_output_boxes_per_class is not None:
        most = int(max_output_boxes_per_class)
    limit = 0.0
    if iou_threshold is not None:
        limit = float(iou_threshold)
    b = boxes.to(torch.float32)
    if center_point_box == 1:
        half = b[:, :, 2:] / 2
        b = torch.cat([b[:, :, :2] - half, b[:, :, :2] + half], 2)
    else:
        b = torch.cat([torch.minimum(b[:, :, :2], b[:, :, 2:]), torch.maximum(b[:, :, :2], b[:, :, 2:])], 2)
    rows = [torch.zeros([0, 3], dtype=torch.int64)]
    for n in range(scores.size(0)):
        for c in range(scores.size(1)):
            s = scores[n, c].to(torch.float32)
            at = torch.arange(s.size(0))
            if score_threshold is not None:
                at = torch.nonzero(s > float(score_threshold)).reshape(-1)
            kept = at[ops.torchvision.nms(b[n][at], s[at], limit)]
            kept = kept[:most]
            head = torch.tensor([[n, c]]).expand([kept.size(0), 2])
            rows.append(torch.cat([head, kept.unsqueeze(1)], 1))
    return torch.cat(rows, 0)
)py";

}  // namespace rushlight::onnx
