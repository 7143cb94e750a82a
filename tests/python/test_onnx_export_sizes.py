"""Models written as ONNX take other sizes along dynamic axes: what follows from sizes is computed by the model."""

import io
import math

import pytest
from onnx_checks import Lambda, check, image

import rushlight as torch
from rushlight import nn
from rushlight.nn import functional as F


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


def test_largest_of_windows_of_a_dynamic_axis():
    check(Lambda(lambda x: F.adaptive_max_pool2d(x, (3, 4))), image(), dynamic=(0, 2, 3), others=[(torch.randn(3, 4, 7, 10),)])  # fmt: skip


def test_windows_that_are_not_all_as_large():
    check(Lambda(lambda x: F.adaptive_max_pool2d(x, (3, 5))), image())
    check(Lambda(lambda x: F.adaptive_avg_pool2d(x, (3, 5))), image())


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
