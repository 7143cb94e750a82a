"""Models that were written as ONNX mean what they meant: read again by our own importer, and run by onnxruntime where it is installed."""

import io

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
    """`others`: arguments of other sizes that the written model must take too."""
    file = io.BytesIO()
    names = [f"in{i}" for i in range(len(args))]
    axes = {n: {0: "batch"} for n in names} if dynamic else None
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


def test_dynamic_axes_take_other_sizes():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(4, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3))
    check(model, image(), dynamic=True, others=[(torch.randn(5, 4, 9, 8),), (torch.randn(1, 4, 9, 8),)])
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.0)
    check(layer, torch.randn(2, 5, 8), dynamic=True, others=[(torch.randn(4, 5, 8),)])
    f = Lambda(lambda x: x.view(x.size(0), -1, 2).sum(-1) + torch.arange(x.shape[0]).unsqueeze(1))
    check(f, torch.randn(3, 4), dynamic=True, others=[(torch.randn(7, 4),)])


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
    with pytest.raises(NotImplementedError, match="from opset 14 on"):
        torch.onnx.export(Lambda(torch.tril), (torch.ones(2, 2),), opset_version=13)
    for function, match in (
        (lambda x: torch.scatter(x, 0, torch.tensor([[0, 1]]), x, reduce="add"), "reduce"),
        (lambda x: F.rrelu(x, training=True), "random slopes"),
        (lambda x: x.norm(p=0), "aren't 0"),
    ):
        with pytest.raises(NotImplementedError, match=match):
            torch.onnx.export(Lambda(function), (torch.ones(2, 2),), opset_version=17)
    with pytest.raises(ValueError, match="opset_version 99"):
        torch.onnx.export(nn.ReLU(), (torch.ones(2),), opset_version=99)

    def part(x):
        y = x + 0
        y[:, 0].add_(1)
        return y

    with pytest.raises(NotImplementedError, match="a part of a tensor"):
        torch.onnx.export(Lambda(part), (torch.ones(2, 2),))
    with pytest.raises(NotImplementedError, match="custom_translation_table"):
        torch.onnx.export(nn.ReLU(), (torch.ones(2),), custom_translation_table={"a": 1})
