"""Modules and operators that were written as ONNX mean what they meant."""

import io

import numpy as np
import pytest
from onnx_checks import OPSETS, Lambda, check, image, onnx, onnxruntime

import rushlight as torch
from rushlight import nn
from rushlight import special as S
from rushlight.nn import functional as F

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
    "bessel": lambda x, y: tuple(f(x.abs() * 3 + 0.1) for f in (S.bessel_j0, S.bessel_j1, S.bessel_y0, S.bessel_y1, S.i0, S.i0e, S.i1, S.i1e, S.spherical_bessel_j0, S.modified_bessel_k0, S.modified_bessel_k1, S.scaled_modified_bessel_k0, S.scaled_modified_bessel_k1)),
    "gamma": lambda x, y: (torch.lgamma(3 * x + 0.26), torch.digamma(3 * x + 0.26), S.ndtr(x), S.log_ndtr(4 * x), S.erfcx(x), S.erfc(x), S.psi(x.abs() + 1), S.gammaln(x.abs() + 1), x.clone().digamma_()),
    "zeta": lambda x, y: (S.zeta(y.abs() + 1.5, x.abs() + 0.1), S.zeta(torch.tensor([1.0, 0.5, 3.0, 2.0]), torch.tensor([2.0, 2.0, -1.0, -1.5])), torch.polygamma(1, x), torch.polygamma(3, x.abs() + 0.2), torch.polygamma(0, x.abs() + 0.2), S.ndtri(torch.tensor([0.0, 1e-12, 1e-4, 0.03, 0.5, 0.7, 0.999, 1.0, 1.5]) + 0 * x[0, 0, 0])),
    "most frequent": lambda x, y: (*x.round().mode(1), *x.round().mode(-1, keepdim=True)),
    "reduced places": lambda x, y: (x.scatter(1, torch.tensor([[[0, 0, 2, 1]]] * 2), 2.0, reduce="multiply"), x.scatter(2, torch.tensor([[[0]] * 3] * 2), y, reduce="add"), x.cumprod(1, dtype=torch.float64)),
    "factors": lambda x, y: (*torch.linalg.qr(x), *torch.linalg.qr(x, mode="complete"), *torch.linalg.qr(x.mT), torch.linalg.qr(x, mode="r")[1], *torch.linalg.lu_factor(x), *torch.linalg.lu(x.mT), *torch.linalg.lu_factor_ex(x * (x > 0))[:2], *torch.geqrf(x), *torch.geqrf(x.mT), torch.linalg.householder_product(*torch.geqrf(x.mT)), torch.ormqr(*torch.geqrf(x.mT), x, left=False), torch.ormqr(*torch.geqrf(x.mT), y.mT, transpose=True)),
    "parts of floats": lambda x, y: (*torch.frexp(x), *torch.frexp(torch.where(x > 0.5, float("inf"), torch.tensor([0.0, 0.5, 1.0, -8.0]))), *torch.frexp(x * 1e20)),
    "matrices": lambda x, y: (torch.linalg.matrix_exp(x @ y.mT), *(torch.linalg.lu_solve(*torch.linalg.lu_factor(x @ y.mT + torch.eye(3)), x, adjoint=a) for a in (False, True)), torch.linalg.lu_solve(*torch.linalg.lu_factor(x @ y.mT + torch.eye(3)), x.mT, left=False)),
    "counted": lambda x, y: (x.histc(4, -1, 1), x.histc(5), *torch.unique_consecutive(x.round(), return_inverse=True, return_counts=True)),
    "places": lambda x, y: (torch.nonzero_static(x > 0, size=20), x.put(torch.tensor([0, -1]), torch.tensor([1.0, 2.0])), x.put(torch.tensor([0, 0]), torch.tensor([1.0, 2.0]), accumulate=True)),
    "nans": lambda x, y: (torch.where(x > 0.5, float("nan"), x).nanmedian(), *torch.where(x > 0, float("nan"), x).nanmedian(1)),
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


@pytest.mark.parametrize("opset", OPSETS)
def test_whole_numbers_are_bounded(opset):
    low, high = torch.tensor([-2, -2, -2, 0, 0]), torch.tensor([0, 1, 1, 1, 5])
    f = Lambda(lambda x: (x.clamp(-2, 1), x.clamp(min=0), x.clamp_max(1), x.clamp(low, high)))
    check(f, torch.arange(-2, 3), opset=opset)
    # Min and Max of opset 11 know floating point alone, and those of no opset know truth values.
    g = Lambda(lambda x: (torch.min(x, high), torch.maximum(x, low), torch.fmin(x, high), torch.maximum(x > 0, x < 1)))
    check(g, torch.arange(-2, 3), opset=opset)


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
