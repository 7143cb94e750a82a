// Arithmetic, comparisons, reductions, products, random numbers, and helpers that all texts use.
#include "rushlight/onnx/operators.h"

namespace rushlight::onnx {

const char* const kMathText = R"py(
def _ints(x):
    return ops.onnx.ints(x)

def _int(x: Any):
    return int(x)

def _number(i: int):
    return torch.tensor(i)

def _truth(b: bool):
    return torch.tensor(b)

def _append(xs: Any, x: Any):
    xs.append(x)

def _size(x, axis: int):
    return x.size(axis)

def _length(xs: Any):
    return len(xs)

def _at(xs: Any, i: int):
    return xs[i]

def _item(x, i: int, axis: int, reverse: Any):
    if reverse:
        return x.select(axis, x.size(axis) - 1 - i)
    return x.select(axis, i)

def _gathered(xs: List[Tensor], axis: int, reverse: Any):
    y = torch.stack(xs, axis)
    if reverse:
        return y.flip([axis])
    return y

def _stacked(xs: Any, dims: List[int], dtype: int):
    if isinstance(xs, List[Tensor]):
        if len(xs) == 0:
            return torch.zeros([0] + dims, dtype=dtype)
        return torch.stack(xs, 0)
    unsupported("a loop that gathers strings")

def _joined(a: List[str], b: List[str]):
    return a + b

def _shifted(x, texts: List[str]):
    return x + len(texts)

def _wide(x):
    return x.to(torch.int64)

def _prod(xs: List[int]):
    n = 1
    for x in xs:
        n = n * x
    return n

def _aligned(a, b, axis: Any):
    if axis is None:
        return b
    k = axis if axis >= 0 else axis + rank(a)
    return b.reshape(b.shape + [1] * (rank(a) - k - rank(b)))

def Add(A, B, axis: Any = None, broadcast: Any = 0):
    return torch.add(A, _aligned(A, B, axis))

def _plain(A: Any, B: Any):
    # A known number without dimensions is one: of the same element type, it changes neither dtype nor sizes.
    n = number(B)
    if isinstance(n, (int, float)):
        return n
    return B

def Add_7(A, B):
    u = unsigned(A)
    if u:
        return (_wide(A) + _wide(B)).to(A.dtype)
    a = number(A)
    if isinstance(a, (int, float)):
        return torch.add(B, a)
    return torch.add(A, _plain(A, B))

def Sub(A, B, axis: Any = None, broadcast: Any = 0):
    return torch.sub(A, _aligned(A, B, axis))

def Sub_7(A, B):
    u = unsigned(A)
    if u:
        return (_wide(A) - _wide(B)).to(A.dtype)
    a = number(A)
    if isinstance(a, (int, float)):
        return torch.rsub(B, a)
    return torch.sub(A, _plain(A, B))

def Mul(A, B, axis: Any = None, broadcast: Any = 0):
    return torch.mul(A, _aligned(A, B, axis))

def Mul_7(A, B):
    u = unsigned(A)
    if u:
        return (_wide(A) * _wide(B)).to(A.dtype)
    a = number(A)
    if isinstance(a, (int, float)):
        return torch.mul(B, a)
    return torch.mul(A, _plain(A, B))

def _divided(A, B):
    u = unsigned(A)
    if u:
        return torch.div(_wide(A), _wide(B), rounding_mode="trunc").to(A.dtype)
    f = floating(A)
    if f:
        return torch.div(A, _plain(A, B))
    return torch.div(A, B, rounding_mode="trunc")

def Div(A, B, axis: Any = None, broadcast: Any = 0):
    return _divided(A, _aligned(A, B, axis))

def Div_7(A, B):
    return _divided(A, B)

def Pow(X, Y, axis: Any = None, broadcast: Any = 0):
    return _power(X, _aligned(X, Y, axis))

def _power(X, Y):
    a = X
    b = Y
    u = unsigned(X)
    if u:
        a = _wide(X)
    v = unsigned(Y)
    if v:
        b = _wide(Y)
    n = number(b)
    if isinstance(n, (int, float)):
        return torch.pow(a, n).to(X.dtype)
    return torch.pow(a, b).to(X.dtype)

def Pow_7(X, Y):
    return _power(X, Y)

def Mod(A, B, fmod: Any = 0):
    u = unsigned(A)
    if u:
        return torch.remainder(_wide(A), _wide(B)).to(A.dtype)
    if fmod == 1:
        return torch.fmod(A, B)
    return torch.remainder(A, B)

def And(A, B, axis: Any = None, broadcast: Any = 0):
    return torch.logical_and(A, _aligned(A, B, axis))

def Or(A, B, axis: Any = None, broadcast: Any = 0):
    return torch.logical_or(A, _aligned(A, B, axis))

def Xor(A, B, axis: Any = None, broadcast: Any = 0):
    return torch.logical_xor(A, _aligned(A, B, axis))

def Not(X):
    return torch.logical_not(X)

def _comparable(x):
    u = unsigned(x)
    if u:
        return _wide(x)
    return x

def Equal(A: Any, B: Any, axis: Any = None, broadcast: Any = 0):
    if isinstance(A, Tensor):
        return torch.eq(_comparable(A), _aligned(A, _comparable(B), axis))
    texts = A[1] + B[1]
    return torch.eq(_first_places(A[0], texts), _first_places(B[0] + len(A[1]), texts))

def _first_places(codes, texts: List[str]):
    places: Dict[str, int] = {}
    out: List[int] = []
    for t in texts:
        if t not in places:
            places[t] = len(places)
        out.append(places[t])
    return torch.tensor(out, dtype=torch.int64)[codes]

def Less(A, B, axis: Any = None, broadcast: Any = 0):
    return torch.lt(_comparable(A), _aligned(A, _comparable(B), axis))

def Greater(A, B, axis: Any = None, broadcast: Any = 0):
    return torch.gt(_comparable(A), _aligned(A, _comparable(B), axis))

def LessOrEqual_12(A, B):
    return torch.le(_comparable(A), _comparable(B))

def GreaterOrEqual_12(A, B):
    return torch.ge(_comparable(A), _comparable(B))

def BitShift_11(X, Y, direction: str):
    a = _wide(X)
    b = _wide(Y)
    if direction == "LEFT":
        return _shifted_left(a, b).to(X.dtype)
    e = elem(X)
    if e == 13:
        y = torch.bitwise_right_shift(a, b)
        mask = torch.bitwise_not(torch.bitwise_left_shift(torch.full_like(a, -1), 64 - b))
        return torch.where(b > 0, y & mask, a).to(X.dtype)
    bits = X.element_size() * 8
    u = unsigned(X)
    s = torch.bitwise_right_shift(a, b.clamp(0, 63))
    return torch.where((b < 0) | (b >= bits), torch.where(a < 0, -torch.ones_like(a), torch.zeros_like(a)), s).to(X.dtype)

def _shifted_left(a, b):
    return torch.where((b < 0) | (b >= 64), torch.zeros_like(a), torch.bitwise_left_shift(a, b.clamp(0, 63)))

def _bitwise(X):
    u = unsigned(X)
    if u:
        return _wide(X)
    return X

def BitwiseAnd_18(A, B):
    return torch.bitwise_and(_bitwise(A), _bitwise(B)).to(A.dtype)

def BitwiseOr_18(A, B):
    return torch.bitwise_or(_bitwise(A), _bitwise(B)).to(A.dtype)

def BitwiseXor_18(A, B):
    return torch.bitwise_xor(_bitwise(A), _bitwise(B)).to(A.dtype)

def BitwiseNot_18(X):
    return torch.bitwise_not(_bitwise(X)).to(X.dtype)

def Abs(X):
    u = unsigned(X)
    if u:
        return X
    return torch.abs(X)

def Neg(X):
    return torch.neg(X)

def Sign_9(input):
    u = unsigned(input)
    if u:
        return torch.sign(_wide(input)).to(input.dtype)
    return torch.sign(input)

def Reciprocal(X):
    return torch.reciprocal(X)

def Floor(X):
    return torch.floor(X)

def Ceil(X):
    return torch.ceil(X)

def Round_11(X):
    return torch.round(X)

def Sqrt(X):
    return torch.sqrt(X)

def Exp(input):
    return torch.exp(input)

def Log(input):
    return torch.log(input)

def Erf_9(input):
    f = floating(input)
    if f:
        return torch.erf(input)
    return torch.erf(input.to(torch.float32)).to(input.dtype)

def Sin_7(input):
    return torch.sin(input)

def Cos_7(input):
    return torch.cos(input)

def Tan_7(input):
    return torch.tan(input)

def Asin_7(input):
    return torch.asin(input)

def Acos_7(input):
    return torch.acos(input)

def Atan_7(input):
    return torch.atan(input)

def Sinh_9(input):
    return torch.sinh(input)

def Cosh_9(input):
    return torch.cosh(input)

def Tanh(input):
    return torch.tanh(input)

def Asinh_9(input):
    return torch.asinh(input)

def Acosh_9(input):
    return torch.acosh(input)

def Atanh_9(input):
    return torch.atanh(input)

def IsNaN_9(X):
    return torch.isnan(X)

def IsInf_10(X, detect_negative: Any = 1, detect_positive: Any = 1):
    if detect_negative == 1 and detect_positive == 1:
        return torch.isinf(X)
    if detect_positive == 1:
        return torch.isposinf(X)
    if detect_negative == 1:
        return torch.isneginf(X)
    return torch.zeros_like(X, dtype=torch.bool)

def Relu(X):
    return torch.relu(X)

def Sigmoid(X):
    return torch.sigmoid(X)

def Softplus(X):
    return torch.nn.functional.softplus(X)

def Softsign(input):
    return input / (1 + torch.abs(input))

def Elu(X, alpha: Any = 1.0):
    return torch.elu(X, alpha)

def Celu_12(X, alpha: Any = 1.0):
    return torch.celu(X, alpha)

def Selu(X, alpha: Any = 1.6732, gamma: Any = 1.0507):
    return torch.elu(X, alpha, gamma)

def Selu_6(X, alpha: Any = 1.67326319217681884765625, gamma: Any = 1.05070102214813232421875):
    return torch.elu(X, alpha, gamma)

def LeakyRelu(X, alpha: Any = 0.01):
    return torch.leaky_relu(X, alpha)

def PRelu(X, slope):
    s = slope
    if slope.numel() > 1:
        s = slope.reshape([slope.numel()] + [1] * (rank(X) - 2))
    return torch.where(X < 0, X * s, X)

def PRelu_7(X, slope):
    return torch.where(X < 0, X * slope, X)

def ThresholdedRelu_10(X, alpha: Any = 1.0):
    return torch.where(X > alpha, X, torch.zeros_like(X))

def HardSigmoid(X, alpha: Any = 0.2, beta: Any = 0.5):
    return torch.clamp(X * alpha + beta, 0, 1)

def HardSwish_14(X):
    return X * torch.clamp(X * (1.0 / 6.0) + 0.5, 0, 1)

def Mish_18(X):
    return torch.nn.functional.mish(X)

def Gelu_20(X, approximate: str = "none"):
    return torch.nn.functional.gelu(X, approximate=approximate)

def Swish_24(X, alpha: Any = 1.0):
    if alpha == 1.0:
        return torch.nn.functional.silu(X)
    return X * torch.sigmoid(X * alpha)

def SwiGLU_28(A, B, alpha: Any = 1.0):
    if alpha == 1.0:
        return torch.nn.functional.silu(A) * B
    return A * torch.sigmoid(A * alpha) * B

def Shrink_9(input, bias: Any = 0.0, lambd: Any = 0.5):
    y = torch.where(input > lambd, input - bias, torch.zeros_like(input))
    return torch.where(input < -lambd, input + bias, y).to(input.dtype)

def _as_rows(x, axis: Any):
    if axis == 1 and rank(x) >= 2:
        return x.flatten(1)
    a = axis if axis >= 0 else axis + rank(x)
    return x.reshape([_prod(x.shape[:a]), _prod(x.shape[a:])])

def Softmax(input, axis: Any = 1):
    return torch.softmax(_as_rows(input, axis), 1).reshape(input.shape)

def Softmax_13(input, axis: Any = -1):
    return torch.softmax(input, axis)

def LogSoftmax(input, axis: Any = 1):
    return torch.log_softmax(_as_rows(input, axis), 1).reshape(input.shape)

def LogSoftmax_13(input, axis: Any = -1):
    return torch.log_softmax(input, axis)

def Hardmax(input, axis: Any = 1):
    x = _as_rows(input, axis)
    return torch.zeros_like(x).scatter(1, torch.argmax(x, 1, True), 1.0).reshape(input.shape)

def Hardmax_13(input, axis: Any = -1):
    return torch.zeros_like(input).scatter(axis, torch.argmax(input, axis, True), 1.0)

def Clip(input, min: Any = None, max: Any = None):
    low = number(min)
    high = number(max)
    u = unsigned(input)
    x = input
    if u:
        x = _wide(input)
    if isinstance(low, (int, float)) and isinstance(high, (int, float)):
        return torch.clamp(x, low, high).to(input.dtype)
    if low is not None:
        if isinstance(low, Tensor):
            x = torch.maximum(x, low.to(x.dtype))
        else:
            x = torch.clamp_min(x, low)
    if high is not None:
        if isinstance(high, Tensor):
            x = torch.minimum(x, high.to(x.dtype))
        else:
            x = torch.clamp_max(x, high)
    return x.to(input.dtype)

def Max(inputs: Any, consumed_inputs: Any = None):
    y = _comparable(inputs[0])
    for i, x in enumerate(inputs):
        if i > 0:
            y = torch.maximum(y, _comparable(x))
    return y.to(inputs[0].dtype)

def Min(inputs: Any, consumed_inputs: Any = None):
    y = _comparable(inputs[0])
    for i, x in enumerate(inputs):
        if i > 0:
            y = torch.minimum(y, _comparable(x))
    return y.to(inputs[0].dtype)

def Sum(inputs: Any, consumed_inputs: Any = None):
    y = inputs[0]
    for i, x in enumerate(inputs):
        if i > 0:
            y = y + x
    return y

def Mean(inputs: Any, consumed_inputs: Any = None):
    y = inputs[0]
    for i, x in enumerate(inputs):
        if i > 0:
            y = y + x
    return y / len(inputs)

def Where_9(condition, X, Y):
    return torch.where(condition, X, Y)

def _reduced(axes: Any):
    a = ints(axes)
    if a is None:
        none: List[int] = []
        return none
    return a

def _is_noop(axes: Any, noop: Any):
    if noop == 1:
        if axes is None:
            return True
        return len(ints(axes)) == 0
    return False

def ReduceSum(data, axes: Any = None, keepdims: Any = 1, noop_with_empty_axes: Any = 0):
    if _is_noop(axes, noop_with_empty_axes):
        return data
    return torch.sum(data, _reduced(axes), keepdims == 1, dtype=data.dtype)

def ReduceMean(data, axes: Any = None, keepdims: Any = 1, noop_with_empty_axes: Any = 0):
    if _is_noop(axes, noop_with_empty_axes):
        return data
    f = floating(data)
    if f:
        return torch.mean(data, _reduced(axes), keepdims == 1)
    return torch.mean(data.to(torch.float64), _reduced(axes), keepdims == 1).to(data.dtype)

def ReduceL1(data, axes: Any = None, keepdims: Any = 1, noop_with_empty_axes: Any = 0):
    x = torch.abs(data)
    if _is_noop(axes, noop_with_empty_axes):
        return x
    return torch.sum(x, _reduced(axes), keepdims == 1, dtype=data.dtype)

def ReduceL2(data, axes: Any = None, keepdims: Any = 1, noop_with_empty_axes: Any = 0):
    if _is_noop(axes, noop_with_empty_axes):
        return torch.abs(data)
    f = floating(data)
    if f:
        return torch.sqrt(torch.sum(data * data, _reduced(axes), keepdims == 1))
    x = data.to(torch.float64)
    return torch.sqrt(torch.sum(x * x, _reduced(axes), keepdims == 1)).to(data.dtype)

def ReduceSumSquare(data, axes: Any = None, keepdims: Any = 1, noop_with_empty_axes: Any = 0):
    x = data * data
    if _is_noop(axes, noop_with_empty_axes):
        return x
    return torch.sum(x, _reduced(axes), keepdims == 1, dtype=data.dtype)

def ReduceLogSum(data, axes: Any = None, keepdims: Any = 1, noop_with_empty_axes: Any = 0):
    if _is_noop(axes, noop_with_empty_axes):
        return torch.log(data)
    return torch.log(torch.sum(data, _reduced(axes), keepdims == 1, dtype=data.dtype))

def ReduceLogSumExp(data, axes: Any = None, keepdims: Any = 1, noop_with_empty_axes: Any = 0):
    if _is_noop(axes, noop_with_empty_axes):
        return data
    a = _reduced(axes)
    if data.numel() == 0:
        return torch.log(torch.sum(torch.exp(data), a, keepdims == 1))
    if len(a) == 0:
        a = [i for i in range(rank(data))]
    return torch.logsumexp(data, a, keepdims == 1)

def ReduceProd(data, axes: Any = None, keepdims: Any = 1, noop_with_empty_axes: Any = 0):
    if _is_noop(axes, noop_with_empty_axes):
        return data
    a = [i if i >= 0 else i + rank(data) for i in _reduced(axes)]
    if len(a) == 0:
        a = [i for i in range(rank(data))]
    a.sort(reverse=True)
    y = data
    for i in a:
        y = torch.prod(y, i, keepdims == 1, dtype=data.dtype)
    return y

def _extreme(data, axes: Any, keepdims: Any, largest: Any):
    x = _comparable(data)
    e = elem(data)
    if e == 9:
        x = data.to(torch.uint8)
    a = _reduced(axes)
    if data.numel() == 0:
        f = floating(data)
        y = torch.sum(x, a, keepdims == 1, dtype=x.dtype)
        if e == 9:
            return torch.full_like(y, 0 if largest else 1).to(torch.bool)
        if e == 6 or e == 7:
            low = -9223372036854775808 if e == 7 else -2147483648
            return torch.full_like(y, low if largest else -1 - low)
        return torch.full_like(y, -inf if largest else inf).to(data.dtype)
    if largest:
        return torch.amax(x, a, keepdims == 1).to(data.dtype)
    return torch.amin(x, a, keepdims == 1).to(data.dtype)

def ReduceMax(data, axes: Any = None, keepdims: Any = 1, noop_with_empty_axes: Any = 0):
    if _is_noop(axes, noop_with_empty_axes):
        return data
    return _extreme(data, axes, keepdims, True)

def ReduceMin(data, axes: Any = None, keepdims: Any = 1, noop_with_empty_axes: Any = 0):
    if _is_noop(axes, noop_with_empty_axes):
        return data
    return _extreme(data, axes, keepdims, False)

def ArgMax(data, axis: Any = 0, keepdims: Any = 1, select_last_index: Any = 0):
    x = _comparable(data)
    if select_last_index == 1:
        return x.size(axis) - 1 - torch.argmax(x.flip([axis]), axis, keepdims == 1)
    return torch.argmax(x, axis, keepdims == 1)

def ArgMin(data, axis: Any = 0, keepdims: Any = 1, select_last_index: Any = 0):
    x = _comparable(data)
    if select_last_index == 1:
        return x.size(axis) - 1 - torch.argmin(x.flip([axis]), axis, keepdims == 1)
    return torch.argmin(x, axis, keepdims == 1)

def CumSum_11(x, axis, exclusive: Any = 0, reverse: Any = 0):
    a = ints(axis)[0]
    y = x.flip([a]) if reverse == 1 else x
    s = torch.cumsum(y, a, dtype=x.dtype)
    if exclusive == 1:
        s = s - y
    if reverse == 1:
        return s.flip([a])
    return s

def CumProd_26(x, axis, exclusive: Any = 0, reverse: Any = 0):
    a = ints(axis)[0]
    y = x.flip([a]) if reverse == 1 else x
    if exclusive == 1:
        n = y.size(a)
        y = torch.cat([torch.ones_like(y.narrow(a, 0, min(n, 1))), y.narrow(a, 0, max(n - 1, 0))], a)
    s = torch.cumprod(y, a, dtype=x.dtype)
    if reverse == 1:
        return s.flip([a])
    return s

def MatMul(A, B):
    u = unsigned(A)
    if u:
        return torch.matmul(_wide(A), _wide(B)).to(A.dtype)
    return torch.matmul(A, B)

def Gemm(A, B, C: Any = None, alpha: Any = 1.0, beta: Any = 1.0, transA: Any = 0, transB: Any = 0, broadcast: Any = 0):
    a = A.t() if transA == 1 else A
    b = B.t() if transB == 1 else B
    f = floating(A)
    if C is None:
        y = torch.mm(a, b)
        if alpha == 1.0:
            return y
        return (y * alpha).to(A.dtype)
    if alpha == 1.0 and beta == 1.0:
        return torch.addmm(C, a, b)
    if f:
        return torch.addmm(C, a, b, beta=beta, alpha=alpha)
    return (torch.mm(a, b) * alpha + C * beta).to(A.dtype)

def Einsum_12(inputs: Any, equation: str):
    return torch.einsum(equation, list(inputs))

def Det_11(X):
    return torch.det(X)

def Range_11(start, limit, delta):
    f = floating(start)
    n = 0
    if f:
        n = int(torch.ceil((limit.to(torch.float64) - start.to(torch.float64)) / delta.to(torch.float64)))
    else:
        n = -((int(start) - int(limit)) // int(delta))
    return (start + torch.arange(max(n, 0)).to(start.dtype) * delta).to(start.dtype)

def Trilu_14(input, k: Any = None, upper: Any = 1):
    d = 0
    if k is not None:
        d = ints(k)[0]
    x = _comparable(input)
    if upper == 1:
        return torch.triu(x, d).to(input.dtype)
    return torch.tril(x, d).to(input.dtype)

def EyeLike_9(input, dtype: Any = None, k: Any = 0):
    d = input.dtype
    if dtype is not None:
        d = scalar_type(dtype)
    n = input.size(0)
    m = input.size(1)
    return (torch.arange(n).unsqueeze(1) + k == torch.arange(m).unsqueeze(0)).to(d)

def TopK(X, axis: Any = -1, k: Any = 1, outputs: Any = 2):
    return torch.topk(X, k, axis)

def TopK_10(X, K, axis: Any = -1, largest: Any = 1, sorted: Any = 1, outputs: Any = 2):
    x = _comparable(X)
    v, i = torch.sort(x, stable=True, dim=axis, descending=largest == 1)
    k = ints(K)[0]
    return v.narrow(axis, 0, k).to(X.dtype), i.narrow(axis, 0, k)

def NonZero_9(X):
    return torch.nonzero(_comparable(X)).t()

def OneHot_9(indices, depth, values, axis: Any = -1):
    d = ints(depth)[0] if not floating(depth) else int(depth)
    i = indices.to(torch.int64)
    i = torch.where(i < 0, i + d, i)
    a = axis if axis >= 0 else axis + rank(indices) + 1
    steps = torch.arange(d).reshape([d] + [1] * (rank(indices) - a))
    hot = i.unsqueeze(a) == steps
    return torch.where(hot, values[1], values[0])

def Multinomial_7(input, dtype: Any = 6, sample_size: Any = 1, seed: Any = None):
    return torch.multinomial(torch.softmax(input.to(torch.float32), 1), sample_size, True).to(scalar_type(dtype))

def RandomNormal(shape: Any, dtype: Any = 1, mean: Any = 0.0, scale: Any = 1.0, seed: Any = None):
    return torch.randn(shape, dtype=scalar_type(dtype)) * scale + mean

def RandomNormalLike(input, dtype: Any = None, mean: Any = 0.0, scale: Any = 1.0, seed: Any = None):
    d = input.dtype
    if dtype is not None:
        d = scalar_type(dtype)
    return torch.randn(input.shape, dtype=d) * scale + mean

def RandomUniform(shape: Any, dtype: Any = 1, high: Any = 1.0, low: Any = 0.0, seed: Any = None):
    return torch.rand(shape, dtype=scalar_type(dtype)) * (high - low) + low

def RandomUniformLike(input, dtype: Any = None, high: Any = 1.0, low: Any = 0.0, seed: Any = None):
    d = input.dtype
    if dtype is not None:
        d = scalar_type(dtype)
    return torch.rand(input.shape, dtype=d) * (high - low) + low

def Bernoulli_15(input, dtype: Any = None, seed: Any = None):
    y = torch.bernoulli(input)
    if dtype is not None:
        return y.to(scalar_type(dtype))
    return y

def Unique_11(X, axis: Any = None, sorted: Any = 1, outputs: Any = 1):
    x = X if axis is not None else X.reshape(-1)
    a = axis if axis is not None else 0
    values, inverse, counts = torch.unique_dim(x, a, True, True, True)
    n = counts.size(0)
    m = inverse.numel()
    first = torch.full([n], m).scatter_reduce(0, inverse.reshape(-1), torch.arange(m), "amin")
    if sorted == 1:
        return values, first, inverse.reshape(-1), counts
    order = torch.argsort(first)
    place = torch.zeros_like(order).scatter(0, order, torch.arange(n))
    return values.index_select(a, order), first[order], place[inverse.reshape(-1)], counts[order]
)py";

}  // namespace rushlight::onnx
