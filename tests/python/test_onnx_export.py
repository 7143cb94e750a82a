"""Models that were written as ONNX mean what they meant: read again by our own importer, and run by onnxruntime where it is installed."""

import io
import math

import numpy as np
import pytest

import rushlight as torch
from rushlight import nn
from rushlight.nn import functional as F

try:
    import onnx
    import onnxruntime
except ImportError:
    onnx = None

OPSETS = [11, 13, 17, 18, 22]


def outputs(value):
    if isinstance(value, (tuple, list)):
        return [t for v in value for t in outputs(v)]
    return [value]


def check(model, *args, opset=17, dynamic=False, tolerance=1e-4, others=()):
    """`others`: arguments of other sizes that the written model must take too; `dynamic`: True for the first axis, or which axes."""
    file = io.BytesIO()
    names = [f"in{i}" for i in range(len(args))]
    axes = {n: dict.fromkeys((0,) if dynamic is True else dynamic, "") for n in names} if dynamic else None
    torch.onnx.export(model, args, file, input_names=names, opset_version=opset, dynamic_axes=axes, dynamo=False)
    data = file.getvalue()
    again = torch.onnx.load(data)
    if isinstance(model, nn.Module):
        model.eval()
    session = None
    if onnx is not None:
        onnx.checker.check_model(onnx.load_from_string(data), full_check=True)
        session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    for given in (args, *others):
        with torch.no_grad():
            expected = [t.numpy() for t in outputs(model(*given))]
            for e, got in zip(expected, outputs(again(*given)), strict=True):
                np.testing.assert_allclose(got.numpy(), e, rtol=tolerance, atol=tolerance)
        if session is not None:
            for e, got in zip(expected, session.run(None, {n: a.numpy() for n, a in zip(names, given, strict=True)}), strict=True):  # fmt: skip
                np.testing.assert_allclose(got, e, rtol=tolerance, atol=tolerance)


class Lambda(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *args):
        return self.function(*args)


def image():
    return torch.randn(2, 4, 9, 8)


MODULES = {
    "linear": lambda: (nn.Linear(4, 3), torch.randn(2, 4)),
    "linear_3d": lambda: (nn.Linear(4, 3, bias=False), torch.randn(2, 5, 4)),
    "bilinear_free": lambda: (nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 2)), torch.randn(2, 4)),
    "conv1d": lambda: (nn.Conv1d(4, 6, 3, stride=2, padding=1), torch.randn(2, 4, 9)),
    "conv2d": lambda: (nn.Conv2d(4, 6, 3, padding=1, dilation=2, groups=2), image()),
    "conv2d_same": lambda: (nn.Conv2d(4, 6, 4, padding="same"), image()),
    "conv3d": lambda: (nn.Conv3d(2, 3, 2), torch.randn(1, 2, 4, 4, 4)),
    "conv_transpose2d": lambda: (nn.ConvTranspose2d(4, 3, 3, stride=2, padding=1, output_padding=1), image()),
    "batch_norm": lambda: (nn.BatchNorm2d(4), image()),
    "instance_norm": lambda: (nn.InstanceNorm2d(4, affine=True), image()),
    "group_norm": lambda: (nn.GroupNorm(2, 4), image()),
    "layer_norm": lambda: (nn.LayerNorm([9, 8]), image()),
    "max_pool": lambda: (nn.MaxPool2d(3, 2, 1), image()),
    "avg_pool": lambda: (nn.AvgPool2d(2, count_include_pad=False), image()),
    "adaptive_pool": lambda: (nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), image()),
    "adaptive_max_pool": lambda: (nn.AdaptiveMaxPool2d((3, 4)), image()),
    "embedding": lambda: (nn.Embedding(7, 3), torch.tensor([[1, 2], [6, 0]])),
    "lstm": lambda: (nn.LSTM(4, 5, num_layers=2, bidirectional=True), torch.randn(6, 2, 4)),
    "gru": lambda: (nn.GRU(4, 5, num_layers=2), torch.randn(6, 2, 4)),
    "rnn": lambda: (nn.RNN(4, 5, bidirectional=True), torch.randn(6, 2, 4)),
    "pixel_shuffle": lambda: (nn.PixelShuffle(2), image()),
    "upsample": lambda: (nn.Upsample(scale_factor=2), image()),
    "upsample_bilinear": lambda: (nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False), image()),
    "pads": lambda: (nn.Sequential(nn.ReflectionPad2d(1), nn.ReplicationPad2d((1, 2, 0, 1)), nn.ZeroPad2d(1)), image()),
    "attention": lambda: (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.0), torch.randn(2, 5, 8)),
}  # fmt: skip
ACTIVATIONS = [
    nn.ReLU(), nn.Sigmoid(), nn.Tanh(), nn.ELU(0.7), nn.SELU(), nn.CELU(1.3), nn.LeakyReLU(0.2), nn.GELU(), nn.GELU("tanh"), nn.SiLU(), nn.Mish(), nn.Hardswish(),
    nn.Hardsigmoid(), nn.Hardtanh(-0.5, 0.7), nn.ReLU6(), nn.Softplus(2.0), nn.Softsign(), nn.Softshrink(), nn.Hardshrink(), nn.Tanhshrink(), nn.LogSigmoid(), nn.PReLU(),
    nn.Threshold(0.1, 2.0), nn.Softmax(1), nn.LogSoftmax(2), nn.GLU(1), nn.Dropout(),
]  # fmt: skip
FUNCTIONS = {
    "arithmetic": lambda x, y: (x + 2 * y, x - y, x / (y.abs() + 1), x**2, -x, 3 - x, x // 0.5, x % 0.7),
    "comparisons": lambda x, y: (x > y, x <= 0, x == x, (x > 0) & (y > 0), ~(x < y)),
    "maths": lambda x, y: (x.exp(), (x.abs() + 1).log(), x.abs().sqrt(), (x.abs() + 1).rsqrt(), x.sin(), x.erf(), x.floor(), x.round(), x.sign(), x.clamp(-0.5, 0.5), x.clamp(min=0)),
    "reductions": lambda x, y: (x.sum(), x.sum(1), x.mean((0, 2), keepdim=True), x.amax(1), x.max(2)[0], x.argmax(1), x.std(1), x.var((1, 2), unbiased=False), x.norm(dim=1), x.prod(1), x.logsumexp(1)),
    "shapes": lambda x, y: (x.reshape(2, -1), x.transpose(0, 2), x.permute(2, 0, 1), x.unsqueeze(1), x[:, :1].squeeze(1), x.flatten(1), x.expand(3, 2, 3, 4), x.repeat(1, 2, 1), torch.cat([x, y], 1), torch.stack([x, y], -1)),
    "slices": lambda x, y: (x[:, 1:], x[0], x[..., ::2], x[:, -1], x.chunk(2, 2)[1], x.split([1, 2], 1)[1], x.unbind(1)[2], x.flip(1), torch.roll(x, 1, 2), x[:, [2, 0]]),
    "choices": lambda x, y: (torch.where(x > 0, x, y), x.masked_fill(y > 0, 0.5), torch.maximum(x, y), x.topk(2, 1)[0], x.sort(2)[0], x.cumsum(1)),
    "products": lambda x, y: (torch.matmul(x, y.transpose(1, 2)), torch.einsum("bij,bkj->bik", x, y), torch.baddbmm(torch.zeros(2, 3, 3), x, y.transpose(1, 2))),
    "softplus": lambda x, y: (F.softplus(x, 2.0, 1.0), F.softplus(x * 30)),
    "dtypes": lambda x, y: (x.to(torch.float64) + 1, x.long(), (x > 0).float() * y, x.int() + 1.5),
}  # fmt: skip


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("name", MODULES)
def test_modules(name, opset):
    torch.manual_seed(0)
    model, *args = MODULES[name]()
    check(model, *args, opset=opset)


@pytest.mark.parametrize("module", ACTIVATIONS, ids=lambda m: type(m).__name__)
def test_activations(module):
    for opset in (13, 20):
        check(module, torch.randn(2, 4, 6), opset=opset)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name):
    torch.manual_seed(0)
    check(Lambda(FUNCTIONS[name]), torch.randn(2, 3, 4), torch.randn(2, 3, 4), opset=17)


def test_formulas_and_parts_stand_for_operators_without_a_rule():
    x = torch.tensor([[-2.0, -1e-6, 0.0], [1e-6, 0.5, 3.0]])
    y = torch.tensor([[1.0, -1.0, float("nan")], [0.0, 2.0, -0.5]])
    formulas = Lambda(lambda x, y: (torch.atan2(x, y), torch.copysign(x, y), torch.heaviside(x, y), torch.logaddexp(x, x + 1), x.sinc(), x.frac(), y.nan_to_num(),
                                    x.log1p(), x.expm1(), torch.fmax(x, y), x <= y, x >= y, torch.xlogy(x.abs(), x.abs() + 1), y.isfinite(), x.signbit()))  # fmt: skip
    check(formulas, x, y, opset=18, dynamic=True, others=[(x.repeat(3, 1), y.repeat(3, 1))])
    parts = Lambda(lambda x, y: (torch.cov(x), torch.kron(x, y[:, :2]), x.rot90(), *torch.std_mean(x, 1)))  # fmt: skip
    check(parts, x, y)


def test_cross_attention_is_no_self_attention():
    attention = nn.MultiheadAttention(4, 2, add_bias_kv=True)
    check(attention, torch.randn(3, 2, 4), torch.randn(5, 2, 4), torch.randn(5, 2, 4))


def test_indices_and_masks():
    x, v = torch.randn(4, 3, 5), torch.randn(2, 5)
    i, j = torch.tensor([0, 2]), torch.tensor([1, -1])

    def read(x, i, j):
        return x[i, j], x[:, i, j], x[i, :, j], x[..., j], x[x[:, 0, 0] > 0], x[:, i][..., None], x[i[:, None], j]

    def put(x, v, i, j):
        a, b, c = x.clone(), x.clone(), x.clone()
        a[i, j] = v
        b[x > 0] = 0.5
        c[:, i] += 1
        return (
            a,
            b,
            c,
            x.index_add(0, i, x[:2]),
            x.index_copy(1, i, x[:, :2]),
            x.index_fill(2, i, 7.0),
            x.index_put((i, j), v, True),
        )

    check(Lambda(read), x, i, j, opset=18)
    check(Lambda(put), x, v, i, j, opset=18)


def test_parts_of_tensors_are_written_to():
    def f(x, y):
        first = x[0]
        z = torch.zeros(3, 4)
        z[1] = x[2]
        z[:, 2:].mul_(2).add_(y[:, 2:])
        z.t()[0].copy_(y[:, 1])
        x = x + 0
        row, turned = x[1], x.t()
        x.diagonal()[:2].mul_(3)
        x[:, 1] = 5
        row.add_(1)
        turned[0] -= y[:, 0]
        table = torch.zeros(2, 3)
        table[0, 1] = 3
        x.view(-1)[2:4].fill_(7)
        return first, z, x, row, turned.relu_(), table * x[:2, :3]

    check(Lambda(f), torch.randn(3, 4), torch.randn(3, 4))
    g = Lambda(lambda x: (lambda y: (y[:, 1].zero_(), y)[1])(x * 2))
    check(g, torch.randn(3, 4), dynamic=True, opset=17, others=[(torch.randn(5, 4),)])


def test_losses_and_what_else_consists_of_other_operators():
    torch.manual_seed(0)
    logits, target = torch.randn(5, 4), torch.tensor([0, 3, -100, 1, 2])

    def losses(x, t):
        return (F.cross_entropy(x, t), F.nll_loss(x.log_softmax(1), t, reduction="sum"), F.binary_cross_entropy(x.sigmoid(), x.relu().clamp(0, 1)),
                F.binary_cross_entropy_with_logits(x, x.relu()), F.smooth_l1_loss(x, x * 2), F.kl_div(x, x.exp()), F.cosine_embedding_loss(x, x + 1, t.sign()))  # fmt: skip

    check(Lambda(losses), logits, target, opset=18, dynamic=True, others=[(torch.randn(3, 4), torch.tensor([1, 2, 0]))])

    def others(x, t):
        return (x.diagonal(1), torch.diag_embed(x, -1), x.unfold(1, 2, 1), x.kthvalue(2, 1)[0], x.median(0)[0], x.nansum(), x.cumprod(1), x.logcumsumexp(1),
                torch.cdist(x, x + 1), torch.bucketize(x, x[0].sort()[0]), torch.isin(t, t[:2]), x.take(t.abs() % 3), x.aminmax()[0], torch.vdot(x[0], x[1]))  # fmt: skip

    check(Lambda(others), logits, target, opset=18)
    check(Lambda(lambda x: (F.adaptive_avg_pool2d(x, (4, 3)), F.avg_pool2d(x, 2, divisor_override=3), F.pad(x, (1, 2, 0, 1), mode="circular"), F.pad(x, (-1, 2)), F.interpolate(x, scale_factor=1.6, mode="nearest-exact"))), image(), opset=17)  # fmt: skip


def test_a_tensor_without_dimensions_counts_as_one_of_a_dimension():
    f = Lambda(lambda x: (x.any(0), x.sum(0, keepdim=True), x.argmax(0), x.softmax(0), x.max(0)[0], x.index_select(0, torch.tensor([0])), x.cumsum(0)))  # fmt: skip
    check(f, torch.tensor(2.5))


def test_dynamic_axes_take_other_sizes():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(4, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3))
    check(model, image(), dynamic=True, others=[(torch.randn(5, 4, 9, 8),), (torch.randn(1, 4, 9, 8),)])
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.0)
    check(layer, torch.randn(2, 5, 8), dynamic=True, others=[(torch.randn(4, 5, 8),)])
    f = Lambda(lambda x: x.view(x.size(0), -1, 2).sum(-1) + torch.arange(x.shape[0]).unsqueeze(1))
    check(f, torch.randn(3, 4), dynamic=True, others=[(torch.randn(7, 4),)])


def test_sizes_in_tensors():
    from rushlight.onnx.operators import reshape_from_tensor_shape, shape_as_tensor

    x = torch.arange(12.0).view(3, 4)
    assert shape_as_tensor(x).tolist() == [3, 4] and shape_as_tensor(torch.tensor(1.0)).tolist() == []
    assert reshape_from_tensor_shape(x, torch.tensor([4, 9, -1])[::2]).shape == (4, 3)
    meta = torch.empty(1, dtype=torch.int64, device="meta")
    for wrong in (torch.tensor([12.0]), torch.tensor([[12]]), torch.tensor([12]).to_sparse(), meta):
        with pytest.raises(RuntimeError, match="_reshape_from_tensor"):
            reshape_from_tensor_shape(x, wrong)
    with pytest.raises(RuntimeError, match="invalid for input of size"):
        reshape_from_tensor_shape(x, torch.tensor([5, 2]))
    f = Lambda(lambda x: reshape_from_tensor_shape(x + 1, shape_as_tensor(x.t())))
    check(f, x, dynamic=True, others=[(torch.randn(7, 4),)])


WINDOW = torch.hann_window(8)
FOURIER = {
    "half": lambda x: torch.view_as_real(torch.fft.rfft(x)),
    "cut and scaled": lambda x: torch.fft.rfft(x, n=6, norm="ortho").abs(),
    "there and back": lambda x: torch.fft.ifft(torch.fft.fft(x, dim=0) * (1 + 2j), dim=1).imag,
    "several axes": lambda x: torch.fft.irfftn(torch.fft.rfftn(x, norm="forward"), s=x.shape, norm="forward"),
    "last length from the bins": lambda x: torch.fft.irfft(torch.fft.rfft(x)),
    "hermitian": lambda x: torch.fft.hfft(torch.fft.ihfft(x), n=7),
    "shifted": lambda x: torch.fft.fftshift(x, [0, 1]) - torch.fft.ifftshift(x),
    "angles": lambda x: torch.angle(torch.fft.rfft(x) + (0.3 + 0.2j)),
}  # fmt: skip


@pytest.mark.parametrize("opset", [13, 17, 20])
@pytest.mark.parametrize("name", FOURIER)
def test_fourier_transforms(name, opset):
    x = torch.randn(3, 10)
    check(Lambda(FOURIER[name]), x, opset=opset)
    check(Lambda(FOURIER[name]), x, opset=opset, dynamic=(0, 1), others=[(torch.randn(2, 14),), (torch.randn(4, 9 + 3),)])  # fmt: skip


@pytest.mark.parametrize("opset", [13, 17])
def test_transforms_of_frames(opset):
    def spectrum(x):
        return torch.stft(x, 8, 4, window=WINDOW, return_complex=True).abs().square().log1p()

    def plain(x):
        return torch.stft(x, 8, 3, 6, WINDOW[:6], center=False, onesided=False, return_complex=False)

    def halved(x):
        return torch.istft(torch.stft(x, 8, 2, window=WINDOW, return_complex=True) * 0.5, 8, 2, window=WINDOW)

    for f in (spectrum, plain, halved):
        check(Lambda(f), torch.randn(2, 40), opset=opset, dynamic=(0, 1), others=[(torch.randn(3, 64),)])


def test_complex_tensors_are_two_parts():
    def turned(x, angle):  # positions of a transformer, as complex numbers
        z = torch.view_as_complex(x.reshape(2, 5, 4, 2)) * torch.polar(torch.ones_like(angle), angle)
        return torch.view_as_real(z).flatten(2)

    def mixed(x):
        z = torch.complex(x, x.sin())
        y = ((z / torch.complex(x.abs() + 3, x) + x + 1).exp().conj() * 2j).transpose(0, 1)
        return y[1:].real, torch.cat([y, z @ z], 1).imag.sum(0), torch.stack([z.abs(), z.angle()]), (1 / (z + 4)).real

    check(Lambda(turned), torch.randn(2, 5, 8), torch.randn(5, 4))
    check(Lambda(mixed), torch.randn(4, 4))
    # Inputs and outputs are real tensors with the parts along a last dimension.
    z = torch.complex(torch.randn(3, 2), torch.randn(3, 2))
    program = torch.onnx.export(Lambda(lambda z: (z * z, z.abs())), (z,), input_names=["z"])
    for given in (z, torch.zeros_like(z)):
        square, size = program(torch.view_as_real(given))
        np.testing.assert_allclose(torch.view_as_complex(square), given * given, rtol=1e-5)
        np.testing.assert_allclose(size, given.abs(), rtol=1e-5)
    with pytest.raises(NotImplementedError, match=r"linalg_eigvals.* complex numbers"):
        torch.onnx.export(Lambda(lambda x: torch.linalg.eigvals(x).real), (torch.eye(3),))


SIZED = {
    "kron": lambda x: torch.kron(x, torch.ones(2, 2)),
    "cov": torch.cov,
    "corrcoef": torch.corrcoef,
    "column_stack": lambda x: torch.column_stack([x[:, 0], x]),
    "trapezoid": lambda x: torch.trapezoid(x, dim=0),
    "channel_shuffle": lambda x: F.channel_shuffle(x.unsqueeze(0), 2),
    "triangle": lambda x: torch.diagonal(x, 1).sum() + torch.diagonal(x, -1).sum() + x.trace(),
    "glu": lambda x: F.glu(x, 0),
    "roll": lambda x: torch.roll(x, [1, -5], [0, 1]),
    "eye": lambda x: (
        torch.eye(x.size(0), x.size(1)) + x @ torch.eye(x.size(1)) + torch.linalg.matrix_power(x.t() @ x, 0).sum(0)
    ),
    "hsplit": lambda x: torch.hsplit(x, 2)[1],
    "pooled": lambda x: F.adaptive_avg_pool1d(x, 3),
    "attention": lambda x: F.scaled_dot_product_attention(x[None], x[None] + 1, x[None].cos()),
}


@pytest.mark.parametrize("opset", [14, 18])
@pytest.mark.parametrize("name", SIZED)
def test_what_follows_from_sizes_is_computed_by_the_model(name, opset):
    check(Lambda(SIZED[name]), torch.randn(4, 6), opset=opset, dynamic=(0, 1), others=[(torch.randn(6, 8),), (torch.randn(2, 4),), (torch.randn(8, 6),)])  # fmt: skip


SPLIT = {
    "chunks": lambda x: torch.stack([t.sum(1) for t in x.chunk(3, 1)]),
    "even parts": lambda x: torch.stack([t.sum(1) for t in x.tensor_split(3, 1)]),
    "parts at places": lambda x: [t + 0 for t in x.tensor_split([1, -1], 1)],
    "parts of sizes": lambda x: [t * 2 for t in x.split([1, x.size(1) - 1], 1)],
    "strides": lambda x: x.contiguous().as_strided((x.size(0), 3, 2), (x.size(1), 2, 1)),
    "norm of channels": lambda x: F.instance_norm(x.unsqueeze(0), weight=x[:, 0].exp(), bias=x[:, 1]),
    "tiles": lambda x: torch.tile(x, (2, x.size(1) // 2)),
    "scattered": lambda x: x.scatter(1, torch.zeros(2, 1, dtype=torch.int64), x * 2),
}


@pytest.mark.parametrize("opset", [12, 17, 18])
@pytest.mark.parametrize("name", SPLIT)
def test_parts_of_a_dynamic_axis(name, opset):
    check(Lambda(SPLIT[name]), torch.randn(4, 6), opset=opset, dynamic=(0, 1), others=[(torch.randn(6, 8),), (torch.randn(2, 7),)])  # fmt: skip


# Of a picture whose height and width are alike in the example, and aren't later.
SQUARE = {
    "columns": lambda x: F.unfold(x, 3, padding=1, stride=2),
    "columns back": lambda x: F.fold(F.unfold(x, 3, padding=1), x.shape[-2:], 3, padding=1),
    "blocks": lambda x: F.pixel_unshuffle(x, 2),
    "grid": lambda x: torch.stack(torch.meshgrid(torch.arange(x.size(2)), torch.arange(x.size(3)), indexing="xy")),
    "one axis pooled": lambda x: F.adaptive_avg_pool2d(x, (1, None)) + F.adaptive_max_pool2d(x, (None, 1)),
    "area": lambda x: F.interpolate(x, size=(3, 5), mode="area"),
    "turned": lambda x: F.affine_grid(x[:, 0, :2, :3], x.shape, align_corners=False),
    "norm of all": lambda x: F.layer_norm(x, x.shape[1:]) + F.rms_norm(x, x.shape[2:]),
    "repeated": lambda x: x.repeat_interleave(2, 2).repeat_interleave(torch.tensor([2]), 3),
    "transform of a length": lambda x: torch.fft.fft(torch.fft.rfft(x, n=16), n=5, dim=2).abs(),
    "distances": lambda x: torch.cdist(x[0], x[0]),
    "form": lambda x: F.bilinear(x.mean(1), x.mean(1), torch.ones(2, x.size(3), x.size(3))),
    "least of sizes": lambda x: x[..., : min(x.shape[2:])],
}  # fmt: skip


@pytest.mark.parametrize("opset", [13, 18])
@pytest.mark.parametrize("name", SQUARE)
def test_sizes_that_are_alike_by_chance(name, opset):
    torch.manual_seed(0)
    check(Lambda(SQUARE[name]), torch.randn(2, 3, 8, 8), opset=opset, dynamic=(0, 2, 3), others=[(torch.randn(1, 3, 10, 12),)])  # fmt: skip


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_packed_sequences(kind):
    class Packed(nn.Module):
        def __init__(self):
            super().__init__()
            self.run = kind(3, 4, 2, bidirectional=True, batch_first=True)

        def forward(self, x, lengths):
            packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            out, state = self.run(packed)
            return nn.utils.rnn.pad_packed_sequence(out, batch_first=True)[0], state

    torch.manual_seed(0)
    check(Packed(), torch.randn(3, 5, 3), torch.tensor([2, 5, 4]), dynamic=True, others=[(torch.randn(2, 5, 3), torch.tensor([3, 5]))])  # fmt: skip


def test_whole_numbers_are_shifted_counted_and_stand_for_others():
    def f(i):
        return i << 2, i >> 1, torch.bincount(i.flatten(), minlength=4), torch.repeat_interleave(i.flatten())

    check(Lambda(f), torch.tensor([[1, 0, 5], [3, 2, 7]]), dynamic=True, others=[(torch.tensor([[9, 1, 1]]),)])
    quantized = Lambda(lambda x: torch.quantize_per_tensor(x, 0.1, 10, torch.quint8).dequantize())
    check(quantized, torch.randn(2, 3), dynamic=True, others=[(torch.randn(4, 3),)])
    by, zeros = torch.tensor([0.1, 0.2, 0.3]), torch.zeros(3, dtype=torch.int32)

    def g(x):
        some = [
            torch.fake_quantize_per_tensor_affine(x, 0.1, z, low, high)
            for z, low, high in ((0, -128, 127), (7, 0, 255), (3, 0, 15))
        ]
        return (*some, torch.fake_quantize_per_channel_affine(x, by, zeros, 1, -128, 127))

    check(Lambda(g), torch.randn(2, 3), dynamic=True, others=[(torch.randn(4, 3),)])


def test_dicts_are_their_values_in_order():
    class Named(nn.Module):
        def forward(self, x):
            parts = {"low": x - 1, "high": x + 1}
            return {"both": parts["low"] * parts["high"], "x": parts["high"]}

    x = torch.randn(3)
    for model in (Named(), torch.jit.script(Named())):
        program = torch.onnx.export(model, (x,))
        for got, want in zip(program(x), model(x).values(), strict=True):
            torch.testing.assert_close(got, want)


def test_largest_of_windows_of_a_dynamic_axis():
    check(Lambda(lambda x: F.adaptive_max_pool2d(x, (3, 4))), image(), dynamic=(0, 2, 3), others=[(torch.randn(3, 4, 7, 10),)])  # fmt: skip


def test_windows_that_are_not_all_as_large():
    check(Lambda(lambda x: F.adaptive_max_pool2d(x, (3, 5))), image())
    check(Lambda(lambda x: F.adaptive_avg_pool2d(x, (3, 5))), image())


def test_scattered_values_are_reduced():
    index = torch.tensor([[0, 2, 0, 1], [1, 1, 0, 2]])
    x, source = torch.randn(3, 4), torch.randn(4, 5)
    for by in ("sum", "prod", "mean", "amax", "amin"):
        for included in (True, False):
            check(Lambda(lambda x, s, by=by, included=included: x.scatter_reduce(0, index, s, by, include_self=included)), x, source, opset=18)  # fmt: skip


def test_what_newer_opsets_have_nodes_for_is_written_for_older_ones_too():
    class M(nn.Module):
        def forward(self, x):
            y = F.scaled_dot_product_attention(x, x[..., :3, :] + 1, x[..., :3, :], is_causal=True)
            return y, torch.tril(x, -1) + torch.triu(x, 1), F.celu(x, 0.7), torch.tril(x > 0)

    check(M(), torch.randn(2, 5, 4), opset=11, dynamic=(0, 1), others=[(torch.randn(1, 8, 4),)])
    check(M(), torch.randn(2, 5, 4), opset=18, dynamic=(0, 1), others=[(torch.randn(1, 8, 4),)])


def test_largest_so_far_and_places():
    x = torch.tensor([[1.0, 3.0, 3.0, 2.0], [0.0, -1.0, 5.0, 5.0]])
    check(Lambda(lambda x: (*torch.cummax(x, 1), *torch.cummin(x, 0))), x, opset=13)
    check(Lambda(lambda x: torch.where(x > 2)), x, opset=13)
    check(Lambda(lambda x: (x > 2).nonzero(as_tuple=True)), x, opset=13)


def test_functions_with_a_gradient_write_what_their_symbolic_says():
    class Power(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, n, unused=None):
            return x**n

        @staticmethod
        def symbolic(g, x, n, unused=None):
            assert n == 3 and unused is None
            return g.op("mine::Power", x, exponent_i=n)

    class Both(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            return x + y, x * y

        @staticmethod
        def symbolic(g, x, y):
            return g.op("Add", y, x), g.op("Mul", y, x)

    class Plain(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 3

    class M(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(2))

        def forward(self, x):
            a, b = Both.apply(x, self.weight)
            return Plain.apply(a) - b

    check(M(), torch.randn(3, 2))
    x = torch.ones(2)
    data = torch.onnx.export(Lambda(lambda x: Power.apply(x, 3).relu()), (x,), custom_opsets={"mine": 4})
    data = data.SerializeToString()
    assert b"Power" in data and b"mine" in data and b"Pow" in data
    np.testing.assert_array_equal(Power.apply(x, 3), x)  # and is itself again
    if onnx is not None:
        proto = onnx.load_from_string(data)
        assert [n.op_type for n in proto.graph.node] == ["Power", "Relu", "Identity"]
        assert {o.domain: o.version for o in proto.opset_import} == {"": 18, "mine": 4}


def test_a_translation_table_says_how_operators_are_written():
    onnxscript = pytest.importorskip("onnxscript")
    op = onnxscript.opset18

    @onnxscript.script()
    def gelu(x, approximate):
        return op.Mul(x, op.Sigmoid(x))

    table = {
        torch.ops.aten.relu.default: lambda x: op.Add(op.Mul(op.Relu(x), 2.0), op.Constant(value_float=1.0)),
        torch.ops.aten.transpose: lambda x, a, b: op.Transpose(x, perm=[b, a]),
        torch.ops.aten.gelu.default: gelu,
    }

    class M(nn.Module):
        def forward(self, x):
            return torch.relu(x).transpose(0, 1) - F.gelu(x).t()

    x = torch.randn(3, 2)
    (got,) = torch.onnx.export(M(), (x,), custom_translation_table=table)(x)
    np.testing.assert_allclose(got, (torch.relu(x) * 2 + 1 - x * torch.sigmoid(x)).t(), rtol=1e-5, atol=1e-6)


def test_scripts_with_branches():
    class M(nn.Module):
        def forward(self, x):
            if bool(x.sum() > 0):
                y = x * 2
            else:
                y = -x
            for i in range(3):
                y = y + i
            return y

    check(torch.jit.script(M()), torch.ones(3), others=[(-torch.ones(3),)])


def test_names_parameters_and_programs(tmp_path):
    model = nn.Linear(2, 3)
    path = tmp_path / "m.onnx"
    program = torch.onnx.export(
        model, (torch.zeros(4, 2),), path, input_names=["x"], output_names=["y"], dynamic_shapes={"input": {0: "n"}}
    )
    x = torch.randn(5, 2)
    np.testing.assert_allclose(program(x)[0].detach(), model(x).detach(), rtol=1e-5, atol=1e-6)
    again = torch.onnx.load(path)
    assert sorted(n for n, _ in again.named_parameters()) == ["bias", "weight"]
    if onnx is not None:
        proto = program.model_proto
        assert [i.name for i in proto.graph.input] == ["x"] and [o.name for o in proto.graph.output] == ["y"]
        assert proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "n"
        bare = torch.onnx.export(model, (torch.zeros(4, 2),), export_params=False, opset_version=17).model_proto
        assert len(bare.graph.initializer) == 0 and len(bare.graph.input) == 3
    assert not torch.onnx.is_in_onnx_export()


def test_a_program_is_saved_in_parts_changed_and_asked():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(2, 3)

        def forward(self, pair, scale):
            return self.fc(pair[0] + pair[1]).relu() * scale

    model, x = Two().eval(), torch.randn(4, 2)
    args = ((x, x * 2), torch.ones(1))
    program = torch.onnx.export(model, args, dynamic_shapes=(({0: "n"}, {0: "n"}), None), verify=True)
    torch.testing.assert_close(program((x[:1], x[1:2]), torch.full((1,), 2.0))[0], model((x[:1], x[1:2]), 2.0).detach())
    assert program.operators()["Relu"] == 1
    relu = next(f"Relu_{i}" for i in range(100) if f"Relu_{i}".encode() in program.SerializeToString())
    torch.testing.assert_close(program.compute_values([relu], args)[0], model(*args).detach())
    with pytest.raises(ValueError, match="Value 'nope' not found"):
        program.compute_values(["nope"], args)
    program.apply_weights({"fc.weight": torch.zeros(3, 2), "fc.bias": torch.ones(3)})
    assert (program(*args)[0] == 1).all()
    with pytest.raises(ValueError, match="expected a tensor of sizes"):
        program.apply_weights({"fc.weight": torch.zeros(2)})
    with pytest.warns(torch.onnx.errors.OnnxExporterWarning, match="nope"):
        program.apply_weights({"nope": torch.zeros(2)})
    program.rename_axes({"n": "batch"})
    assert b"batch" in program.SerializeToString()
    with pytest.raises(ValueError, match="has 2 values, and 1 are told"):
        torch.onnx.export(model, args, dynamic_shapes=(({0: "n"},), None))


def test_parameters_lie_in_a_file_of_their_own(tmp_path):
    model, x = nn.Sequential(nn.Linear(2, 300), nn.Linear(300, 2)), torch.randn(1, 2)
    program = torch.onnx.export(
        model, (x,), tmp_path / "m.onnx", external_data=True, report=True, artifacts_dir=tmp_path
    )
    assert (tmp_path / "m.onnx.data").stat().st_size >= 1502 * 4 and (tmp_path / "m.onnx").stat().st_size < 2000
    assert "| Gemm | 2 |" in next(tmp_path.glob("*_success.md")).read_text()
    torch.testing.assert_close(torch.onnx.load(tmp_path / "m.onnx")(x), model(x))
    with pytest.raises(TypeError, match="needs a path"):
        program.save(io.BytesIO(), external_data=True)
    bare = io.BytesIO()
    program.save(bare, include_initializers=False, keep_initializers_as_inputs=True)
    assert len(bare.getvalue()) < 2000
    values = [x, *(p.detach() for p in model.parameters())]
    torch.testing.assert_close(torch.onnx.load(bare.getvalue())(*values), model(x).detach())
    if onnx is not None:
        onnx.checker.check_model(str(tmp_path / "m.onnx"), full_check=True)
        session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
        np.testing.assert_allclose(session.run(None, {"input": x.numpy()})[0], model(x).detach(), rtol=1e-5, atol=1e-6)
        onnx.checker.check_model(onnx.load_from_string(bare.getvalue()))


def test_an_exported_program_keeps_its_own_sizes():
    model, x = nn.Linear(3, 2), torch.randn(4, 3)
    exported = torch.export.export(model, (x,), dynamic_shapes={"input": {0: torch.export.Dim("n")}})
    program = torch.onnx.export(exported)
    torch.onnx.testing.assert_onnx_program(program, args=(torch.randn(9, 3),))
    assert program.exported_program is exported


def test_nodes_that_no_operator_stands_for():
    class Sizes(nn.Module):
        def forward(self, x):
            y = torch.onnx.ops.symbolic(
                "mine::Thrice", (x, None), {"by": 3, "like": "a"}, dtype=1, shape=(4,), version=5
            )
            top, at = torch.onnx.ops.symbolic_multi_out(
                "TopK", (x, torch.tensor([2])), {"axis": 0}, dtypes=(x.dtype, torch.int64), shapes=((2,), (2,))
            )
            return y, top, at

    assert [t.sum().item() for t in Sizes()(torch.ones(4))] == [0, 0, 0]
    program = torch.onnx.export(Sizes(), (torch.ones(4),))
    assert program.operators()["Thrice"] == 1 and program.operators()["TopK"] == 1
    if onnx is not None:
        assert {d.domain: d.version for d in program.model_proto.opset_import}["mine"] == 5
    with pytest.raises(ValueError, match="the attribute 'by'"):
        torch.onnx.ops.symbolic("mine::X", (), {"by": object()}, dtype=1, shape=())


def test_what_is_not_known_is_an_unsupported_operator():
    with pytest.raises(torch.onnx.errors.UnsupportedOperatorError, match="lgamma"):
        torch.onnx.export(Lambda(torch.lgamma), (torch.ones(2),), dynamo=False)


def test_a_model_goes_out_in_and_is_trained_on():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
    x, target = torch.randn(32, 4), torch.randn(32, 1)

    def train(m, steps=30):
        optimizer = torch.optim.Adam(m.parameters(), lr=0.02)
        for _ in range(steps):
            loss = F.mse_loss(m(x), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return loss.item()

    first = train(model)
    again = torch.onnx.load(torch.onnx.export(model, (x,)).SerializeToString())
    np.testing.assert_allclose(again(x).detach(), model(x).detach(), rtol=1e-4, atol=1e-5)
    assert train(again) < first
    last = torch.onnx.load(torch.onnx.export(again, (x,)).SerializeToString())
    np.testing.assert_allclose(last(x).detach(), again(x).detach(), rtol=1e-4, atol=1e-5)


def test_what_onnx_cannot_say_is_an_error_that_names_it():
    with pytest.raises(NotImplementedError, match="aten::lgamma"):
        torch.onnx.export(Lambda(torch.lgamma), (torch.ones(2),))
    with pytest.raises(NotImplementedError, match="from opset 12 on"):
        torch.onnx.export(Lambda(lambda x: torch.einsum("ij,jk", x, x)), (torch.ones(2, 2),), opset_version=11)
    for function, match in (
        (lambda x: torch.scatter(x, 0, torch.tensor([[0, 1]]), x, reduce="add"), "reduce"),
        (lambda x: F.rrelu(x, training=True), "random slopes"),
    ):
        with pytest.raises(NotImplementedError, match=match):
            torch.onnx.export(Lambda(function), (torch.ones(2, 2),), opset_version=17)
    with pytest.raises(ValueError, match="opset_version 99"):
        torch.onnx.export(nn.ReLU(), (torch.ones(2),), opset_version=99)
    with pytest.raises(TypeError, match="custom_translation_table: expected an operator"):
        torch.onnx.export(nn.ReLU(), (torch.ones(2),), custom_translation_table={"a": 1})


def test_loops_that_depend_on_the_inputs():
    class Counts(nn.Module):
        def forward(self, x, n):
            y, total = x, 0
            for i in range(int(n)):
                if i % 2 == 0:
                    y = y * 2 + i
                else:
                    y = y - 1
                total += i
            return y, y.sum() + total

    class Halves(nn.Module):
        def forward(self, x):
            rounds = 0
            while bool(x.abs().max() > 1.0) and rounds < 20:
                x = x / 2
                rounds += 1
            return x, torch.full([2], rounds)

    class Recurs(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = nn.Linear(6, 4)

        def forward(self, x):
            h = torch.zeros(x.size(1), 4)
            for t in range(x.size(0)):
                h = torch.tanh(self.cell(torch.cat([x[t], h], 1)))
            return h

    class Pairs(nn.Module):
        def forward(self, x):
            if bool(x.mean() > 0):
                y = (x + 1, x * 2)
            else:
                y = (x - 1, x * 3)
            return y[0] + y[1]

    n = torch.tensor(3)
    check(torch.jit.script(Counts()), torch.ones(2), n, others=[(torch.ones(2), torch.tensor(0)), (torch.ones(2), torch.tensor(6))], opset=17)  # fmt: skip
    check(torch.jit.script(Halves()), torch.tensor([3.0, -9.0]), others=[(torch.tensor([0.5, 0.1]),)], opset=17)
    check(torch.jit.script(Recurs()), torch.randn(3, 2, 2), dynamic=True, others=[(torch.randn(7, 2, 2),)], opset=17)
    check(torch.jit.script(Pairs()), torch.ones(2), others=[(-torch.ones(2),)])


def test_functions_of_a_program_write_operators():
    helper = torch.onnx.symbolic_helper
    library = torch.library.Library("onnxtest", "DEF")
    library.define("scaled(Tensor x, float by, int[] axes) -> Tensor")
    library.impl("scaled", lambda x, by, axes: (x * by).sum(axes), "CompositeImplicitAutograd")

    @helper.parse_args("v", "f", "is")
    def scaled(g, x, by, axes):
        assert helper._get_tensor_sizes(x) == [2, 3] and by == 2.0 and axes == [1]
        y = g.op("Mul", x, torch.tensor(by))
        return g.op("ReduceSum", y, torch.tensor(axes), keepdims_i=0)

    class M(nn.Module):
        def forward(self, x):
            return torch.ops.onnxtest.scaled(x, 2.0, [1]) + 1

    torch.onnx.register_custom_op_symbolic("onnxtest::scaled", scaled, 13)
    try:
        check(M(), torch.randn(2, 3), opset=17)
        with pytest.raises(NotImplementedError, match="onnxtest::scaled"):
            torch.onnx.export(M(), (torch.ones(2, 3),), opset_version=12)
    finally:
        torch.onnx.unregister_custom_op_symbolic("onnxtest::scaled", 13)
    with pytest.raises(NotImplementedError, match="onnxtest::scaled"):
        torch.onnx.export(M(), (torch.ones(2, 3),), opset_version=17)

    torch.onnx.register_custom_op_symbolic(
        "::relu", lambda g, x: g.op("mine::Split", x, parts_i=[1, 2], how_s="so", outputs=2)[1], 9
    )
    try:
        data = torch.onnx.export(nn.ReLU(), (torch.ones(2),), custom_opsets={"mine": 7}).SerializeToString()
    finally:
        torch.onnx.unregister_custom_op_symbolic("::relu", 9)
    if onnx is not None:
        proto = onnx.load_from_string(data)
        assert {o.domain: o.version for o in proto.opset_import} == {"": 18, "mine": 7}
        assert [(n.domain, n.op_type, len(n.output)) for n in proto.graph.node][0] == ("mine", "Split", 2)
    for name in ("relu", "mine::re lu"):
        with pytest.raises(ValueError, match="domain::name"):
            torch.onnx.register_custom_op_symbolic(name, lambda g, x: x, 9)


def test_constants_are_folded_unless_told_not_to():
    class M(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(4, 3))

        def forward(self, x):
            return x @ self.weight.t().exp()

    model, x = M(), torch.randn(2, 3)
    folded = torch.onnx.export(model, (x,), verify=True)
    kept = torch.onnx.export(model, (x,), do_constant_folding=False, keep_initializers_as_inputs=True, verify=True)
    np.testing.assert_allclose(kept(x)[0].detach(), model(x).detach(), rtol=1e-5)
    if onnx is not None:
        types = [n.op_type for n in kept.model_proto.graph.node]
        assert "Exp" in types and "Exp" not in [n.op_type for n in folded.model_proto.graph.node]
        assert [i.name for i in kept.model_proto.graph.input] == ["x", "weight"]


@pytest.mark.parametrize("opset", [9, 11, 13, 18])
def test_symbolic_functions_call_those_of_an_opset(opset):
    import importlib

    sym = importlib.import_module(f"rushlight.onnx.symbolic_opset{min(opset, 18)}")
    helper = torch.onnx.symbolic_helper
    lib = torch.library.Library("onnxsymbolic", "DEF")
    lib.define("mixed(Tensor x, Tensor y, float alpha) -> Tensor")

    def mixed(x, y, alpha):
        z = torch.softmax(torch.relu(x) + alpha * y, 1)
        return (z.transpose(0, 1).mean(0) - torch.clamp(y.flatten(1), -1, 1).sum(1).unsqueeze(1)).reshape(-1)

    lib.impl("mixed", mixed, "CompositeImplicitAutograd")

    def written(g, x, y, alpha):
        z = sym.softmax(g, sym.add(g, sym.relu(g, x), y, alpha), 1)
        flat = sym.clamp(g, sym.flatten(g, y, 1).setTypeAs(y), -1, 1)
        total = helper._unsqueeze_helper(g, helper._reducesum_helper(g, flat, [1], 0), [1])
        return sym.reshape(g, sym.sub(g, sym.mean(g, sym.transpose(g, z, 0, 1), [0]), total), [-1])

    torch.onnx.register_custom_op_symbolic("onnxsymbolic::mixed", written, 9)
    try:

        class M(torch.nn.Module):
            def forward(self, x, y):
                return torch.ops.onnxsymbolic.mixed(x, y, 0.5)

        x, y = torch.randn(3, 4, 5), torch.randn(3, 4, 5)
        file = io.BytesIO()
        torch.onnx.export(M(), (x, y), file, opset_version=opset, dynamo=False)
        again = torch.onnx.load(file.getvalue())
        torch.testing.assert_close(again(x, y), mixed(x, y, 0.5), rtol=1e-5, atol=1e-6)
    finally:
        torch.onnx.unregister_custom_op_symbolic("onnxsymbolic::mixed", 9)
    with pytest.raises(AttributeError):
        sym.no_such_operator  # noqa: B018


# What is drawn: the mean and the deviation that many draws have, and the least and the greatest.
DRAWS = {
    "rand_like": (torch.rand_like, 0.5, 0.289, 0, 1),
    "randn": (lambda x: torch.randn(x.size(0), 50), 0, 1, None, None),
    "rand_double": (lambda x: torch.rand(x.shape, dtype=torch.float64), 0.5, 0.289, 0, 1),
    "randint": (lambda x: torch.randint(-2, 4, x.shape), 0.5, 1.708, -2, 3),
    "randint_like": (lambda x: torch.randint_like(x, 3), 1, 0.816, 0, 2),
    "normal": (lambda x: torch.normal(x * 0 + 3, torch.full_like(x, 2)), 3, 2, None, None),
    "normal_": (lambda x: torch.empty_like(x).normal_(2, 0.5), 2, 0.5, None, None),
    "uniform_": (lambda x: x.clone().uniform_(1, 5), 3, 1.155, 1, 5),
    "exponential_": (lambda x: torch.empty_like(x).exponential_(2), 0.5, 0.5, 0, None),
    "bernoulli": (lambda x: torch.bernoulli(x * 0 + 0.25), 0.25, 0.433, 0, 1),
    "bernoulli_": (lambda x: torch.empty_like(x).bernoulli_(0.75), 0.75, 0.433, 0, 1),
    "dropout": (lambda x: F.dropout(x * 0 + 1, 0.2, True), 1, 0.5, 0, 1.25),
    "dropout2d": (lambda x: F.dropout2d(x.view(-1, 50, 1, 1) * 0 + 1, 0.2, True), 1, 0.5, 0, 1.25),
    "multinomial": (lambda x: torch.multinomial(torch.tensor([0.5, 0.25, 0.25]).expand(x.size(0), 3), 1), 0.75, 0.829, 0, 2),
    "multinomial_again": (lambda x: torch.multinomial((x[:, :4] * 0 + 1), 30, True), 1.5, 1.118, 0, 3),
    "randperm": (lambda x: torch.randperm(x.size(0)), 199.5, 115.5, 0, 399),
}  # fmt: skip


@pytest.mark.parametrize("opset", [11, 18])
@pytest.mark.parametrize("name", DRAWS)
def test_what_is_drawn_is_drawn_anew_by_the_model(name, opset):
    function, mean, deviation, least, greatest = DRAWS[name]
    file = io.BytesIO()
    model = Lambda(lambda x: (function(x), x + 1))
    torch.onnx.export(model, (torch.ones(8, 50),), file, input_names=["x"], dynamic_axes={"x": {0: "n"}}, opset_version=opset, dynamo=False)  # fmt: skip
    runs = [torch.onnx.load(file.getvalue())]
    if onnx is not None:
        onnx.checker.check_model(onnx.load_from_string(file.getvalue()), full_check=True)
        session = onnxruntime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])
        runs.append(lambda x: [torch.from_numpy(t) for t in session.run(None, {"x": x.numpy()})])
    like = function(torch.ones(400, 50))
    for run in runs:
        first, again = (run(torch.ones(400, 50))[0] for _ in range(2))
        assert first.shape == like.shape and first.dtype == like.dtype and not torch.equal(first, again)
        if name != "randperm":
            near = 5 * deviation / first.numel() ** 0.5 + 1e-3
            assert abs(first.double().mean().item() - mean) < near
        assert abs(first.double().std().item() - deviation) < 0.06 * deviation + 0.01
        assert (least is None or first.min() >= least) and (greatest is None or first.max() <= greatest)


@pytest.mark.parametrize("rounded", [math.ceil, math.floor, math.trunc])
def test_sizes_that_python_rounds_are_computed_by_the_model(rounded):
    x = torch.tensor([2.5])
    assert rounded(x) == rounded(2.5) and type(rounded(x)) is int
    check(
        Lambda(lambda x: x[: rounded(x.shape[0] * 0.7)]), torch.randn(4, 3), dynamic=True, others=[(torch.randn(9, 3),)]
    )
    check(
        Lambda(lambda x: x.new_ones(rounded(x.shape[0] / 2), 2)),
        torch.randn(4, 3),
        dynamic=True,
        others=[(torch.randn(7, 3),)],
    )


def test_rows_of_a_dynamic_axis_are_not_counted_once():
    class Rows(nn.Module):
        def forward(self, x):
            total = torch.zeros(3)
            for row in x:
                total = total * 0.5 + row
            return total, len(x)

    file = io.BytesIO()
    torch.onnx.export(torch.jit.script(Rows()), (torch.ones(2, 3),), file, input_names=["x"], dynamic_axes={"x": {0: "n"}}, dynamo=False)  # fmt: skip
    total, count = torch.onnx.load(file.getvalue())(torch.ones(4, 3))
    assert count == 4 and torch.equal(total, torch.full((3,), 1.875))


class Rows(nn.Module):
    def forward(self, x):
        out = []
        for row in x:
            out.append(row * len(out))
        return torch.stack(out), torch.cat(out), out[0] * len(out)


class States(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.GRUCell(3, 4)

    def forward(self, x):
        h = torch.zeros(2, 4)
        out = [h]
        for i in range(x.size(0)):
            h = self.cell(x[i].expand(2, 3), h)
            out.append(h)
        out.append(h * 2)
        return torch.stack(out, 1), h


class Chosen(nn.Module):
    def forward(self, x):
        large, small = [x[0] * 0], [x[0] * 0]
        for row in x:
            if bool(row.sum() > 0):
                large.append(row)
            else:
                small.append(-row)
        return torch.stack(large), torch.stack(small, -1), x[0] * len(large)


class Until(nn.Module):
    def forward(self, x):
        out = [x.sum(0)]
        i = 0
        while bool(out[-1].abs().max() < 50) and i < 30:
            out.append(out[i] * 1.5 + 1)
            i += 1
        return torch.stack(out), out[-1]


class Pairs(nn.Module):
    def forward(self, x):
        out = []
        for a in x:
            for b in x:
                out.append(a * b)
        return torch.stack(out)


@pytest.mark.parametrize("opset", [14, 18, 22])
@pytest.mark.parametrize("module", [Rows, States, Chosen, Until, Pairs])
def test_lists_that_grow_in_loops_are_sequences(module, opset):
    torch.manual_seed(0)
    check(torch.jit.script(module()), torch.randn(3, 3), opset=opset, dynamic=True, others=[(torch.randn(6, 3),), (torch.randn(1, 3),)])  # fmt: skip


def test_what_grows_otherwise_is_refused():
    class Numbers(nn.Module):
        def forward(self, x):
            out = [0]
            for i in range(x.size(0)):
                out.append(i)
            return x.sum() + out[-1]

    class Last(nn.Module):
        def forward(self, x):
            out = []
            for row in x:
                out.append(row)
            return torch.stack(out[1:])

    for module, opset, text in ((Numbers(), 18, "list that grows"), (Rows(), 11, "from opset 13 on"), (Last(), 18, "aten::slice of a list whose length")):  # fmt: skip
        with pytest.raises(NotImplementedError, match=text):
            torch.onnx.export(torch.jit.script(module), (torch.ones(3, 3),), io.BytesIO(), input_names=["x"], dynamic_axes={"x": {0: "n"}}, opset_version=opset, dynamo=False)  # fmt: skip


def positive(*shape):
    a = torch.randn(*shape)
    return a @ a.transpose(-1, -2) + torch.eye(shape[-1])


LINEAR_ALGEBRA = {
    "inv": (torch.linalg.inv, (torch.randn, 3, 3)),
    "inverse": (torch.inverse, (torch.randn, 4, 4)),
    "solve": (torch.linalg.solve, (torch.randn, 3, 3), (torch.randn, 3, 2)),
    "solve_vectors": (torch.linalg.solve, (torch.randn, 3, 3), (torch.randn, 3)),
    "solve_right": (lambda a, b: torch.linalg.solve(a, b, left=False), (torch.randn, 3, 3), (torch.randn, 2, 3)),
    "cholesky": (torch.linalg.cholesky, (positive, 4, 4)),
    "cholesky_upper": (lambda a: torch.linalg.cholesky(a, upper=True), (positive, 3, 3)),
    "cholesky_solve": (lambda b, a: torch.cholesky_solve(b, torch.linalg.cholesky(a)), (torch.randn, 3, 2), (positive, 3, 3)),
    "cholesky_inverse": (lambda a: torch.cholesky_inverse(torch.linalg.cholesky(a)), (positive, 3, 3)),
    "solve_triangular": (lambda a, b: torch.linalg.solve_triangular(a, b, upper=True), (positive, 3, 3), (torch.randn, 3, 2)),
    "solve_unitriangular": (lambda a, b: torch.linalg.solve_triangular(a, b, upper=False, unitriangular=True), (positive, 3, 3), (torch.randn, 3, 2)),
    "triangular_solve": (lambda a, b: torch.triangular_solve(b, a, transpose=True)[0], (positive, 3, 3), (torch.randn, 3, 2)),
}  # fmt: skip


@pytest.mark.parametrize("opset", [11, 18])
@pytest.mark.parametrize("name", LINEAR_ALGEBRA)
def test_systems_of_equations_are_eliminated_in_the_model(name, opset):
    torch.manual_seed(0)
    function, *inputs = LINEAR_ALGEBRA[name]
    three, five = ([make(n, *shape) for make, *shape in inputs] for n in (3, 5))
    check(Lambda(function), *three, opset=opset, dynamic=True, tolerance=1e-3, others=[five])


def test_a_matrix_of_any_size_is_inverted():
    torch.manual_seed(0)
    check(Lambda(torch.linalg.inv), positive(3, 3), dynamic=(0, 1), tolerance=1e-3, others=[(positive(7, 7),), (positive(1, 1),)])  # fmt: skip
