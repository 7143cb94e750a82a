"""summary, draw, progress and check_finite."""

import io
import math
import xml.etree.ElementTree as ElementTree

import pytest
import torch as pytorch
from torch.utils.flop_counter import FlopCounterMode

import rushlight as torch
from rushlight import nn


class Block(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x):
        return torch.relu(self.norm(self.conv(x))) + x


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2)
        self.block = Block(8)
        self.head = nn.Linear(8, 10)

    def forward(self, x, *, scale=None):
        x = self.block(self.block(self.stem(x)))
        return {"scores": self.head(x.mean((2, 3))), "features": x if scale is None else x * scale}


# ---- summary ---------------------------------------------------------------------------------------------------------


def test_summary_tells_shapes_parameters_and_cost_of_each_module():
    net = Net()
    drawn = torch.get_rng_state()
    s = torch.summary(net, torch.zeros(2, 3, 16, 16))
    rows = {(r.path, i): r for i, r in enumerate(s.rows)}
    assert [(r.path, r.type, r.depth) for r in s.rows[:4]] == [
        ("", "Net", 0), ("stem", "Conv2d", 1), ("block", "Block", 1), ("block.conv", "Conv2d", 2),
    ]  # fmt: skip
    stem, first, again = rows["stem", 1], rows["block", 2], rows["block", 5]
    assert (stem.input_shapes, stem.output_shapes) == ([(2, 3, 16, 16)], [(2, 8, 7, 7)])
    assert stem.multiply_adds == 2 * 8 * 7 * 7 * 27 and stem.bytes == 4 * 2 * 8 * 7 * 7
    assert (first.parameters, first.own_parameters, again.parameters) == (600, 0, 0)  # called twice, counted once
    assert first.multiply_adds == again.multiply_adds == 2 * 8 * 49 * 72
    assert s.parameters == sum(p.numel() for p in net.parameters()) == 914
    assert s.multiply_adds == stem.multiply_adds + 2 * first.multiply_adds + 2 * 80
    assert s.input_bytes == 4 * 2 * 3 * 256
    assert s.total_bytes == s.input_bytes + s.parameter_bytes + s.result_bytes
    assert "914" in str(s) and "block" in str(s) and "2x8x7x7" in str(s)
    # Nothing of the model or of the random generator has moved.
    assert net.training and all(m.training for m in net.modules())
    assert net.block.norm.num_batches_tracked.item() == 0
    assert torch.equal(torch.get_rng_state(), drawn)


def test_frozen_parameters_keyword_arguments_and_errors():
    net = Net()
    net.stem.requires_grad_(False)
    s = torch.summary(net, (1, 3, 16, 16), scale=torch.tensor(2.0))
    assert s.parameters - s.trainable_parameters == 224
    assert "(224 of them frozen)" in str(s)
    with pytest.raises(RuntimeError, match="to have 3 channels, but got 4"):
        torch.summary(net, (1, 4, 16, 16))
    assert net.training
    assert torch.ones(2).add(1).tolist() == [2.0, 2.0]  # nothing watches any more


@pytest.mark.parametrize(
    ("make", "shapes"),
    [
        (lambda t: t.nn.Linear(5, 3), [(2, 4, 5)]),
        (lambda t: t.nn.Conv1d(4, 6, 3, groups=2), [(2, 4, 9)]),
        (lambda t: t.nn.Conv3d(2, 3, 2, stride=2), [(1, 2, 4, 5, 6)]),
        (lambda t: t.nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2), [(2, 4, 5, 5)]),
        (lambda t: t.nn.GRU(6, 7), [(5, 3, 6)]),
        (lambda t: t.nn.MultiheadAttention(8, 2), [(5, 2, 8)] * 3),
        (lambda t: lambda a, b: t.einsum("bij,bjk->ik", a, b), [(2, 3, 4), (2, 4, 5)]),
        (lambda t: lambda a, b: a @ b, [(2, 3, 4), (4, 5)]),
        (lambda t: lambda a, b, c: t.addmm(a, b, c) + t.nn.functional.linear(b, c.T), [(3, 5), (3, 4), (4, 5)]),
    ],
)
def test_multiply_adds_are_half_of_what_pytorch_counts_as_operations(make, shapes):
    with FlopCounterMode(display=False) as counter, pytorch.no_grad():
        make(pytorch)(*(pytorch.rand(s) for s in shapes))
    assert torch.summary(make(torch), *shapes).multiply_adds == counter.get_total_flops() / 2 > 0


def test_layers_that_pytorch_does_not_count_cost_their_products():
    attention = nn.functional.scaled_dot_product_attention
    assert torch.summary(lambda q: attention(q, q, q), (2, 3, 5, 4)).multiply_adds == 2 * (2 * 3 * 5 * 5 * 4)
    # Two directions, two layers: a step of each is input x 4h + h x 4h.
    expected = 5 * 3 * 2 * ((6 + 7) * 28 + (14 + 7) * 28)
    assert torch.summary(nn.LSTM(6, 7, 2, bidirectional=True), (5, 3, 6)).multiply_adds == expected


# ---- draw ------------------------------------------------------------------------------------------------------------


def test_a_drawing_has_a_box_for_each_step_and_arrows_between_them(tmp_path):
    picture = torch.draw(Net(), (2, 3, 16, 16), scale=torch.tensor(2.0))
    titles = [n.lines[0] for n in picture.nodes]
    assert titles == [
        "input 1", "input 2", "stem: Conv2d", "conv: Conv2d", "norm: BatchNorm2d", "relu", "add", "conv: Conv2d",
        "norm: BatchNorm2d", "relu", "add", "mean", "head: Linear", "mul", "output",
    ]  # fmt: skip
    assert picture.nodes[6].after == {2, 5} and picture.nodes[6].group == "block"
    assert picture.nodes[-1].after == {12, 13}
    picture.save(tmp_path / "net.svg")
    root = ElementTree.parse(tmp_path / "net.svg").getroot()
    space = "{http://www.w3.org/2000/svg}"
    texts = [t.text for t in root.iter(f"{space}text")]
    assert root.tag == f"{space}svg" and "float32 2x8x7x7" in texts and "224 parameters" in texts
    arrows = [p for p in root.iter(f"{space}path") if p.get("marker-end")]
    assert len(arrows) == sum(len(n.after) for n in picture.nodes) == 17
    # No two boxes lie on each other, and each is inside of the picture.
    boxes = [(n.x, n.y, n.x + n.width, n.y + n.height) for n in picture.nodes]
    for i, a in enumerate(boxes):
        assert a[0] >= 0 and a[2] <= float(root.get("width")) and a[3] <= float(root.get("height"))
        assert not any(a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3] for b in boxes[:i])


def test_depth_and_what_leads_to_no_output():
    picture = torch.draw(Net(), (2, 3, 16, 16), depth=1)
    assert [n.lines[0] for n in picture.nodes if n.kind == "module"] == ["stem: Conv2d", "block: Block"] + [
        "block: Block", "head: Linear",
    ]  # fmt: skip
    picture = torch.draw(lambda x: (x.exp(), x + 1)[1], (2,))
    assert [n.lines[0] for n in picture.nodes] == ["input", "add", "output"]


# ---- progress --------------------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_over_a_loader_and_a_generator():
    out = Terminal()
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.arange(10)), batch_size=4)
    seen = []
    for (batch,) in (bar := torch.progress(loader, "epoch 1", file=out)):
        seen.append(len(batch))
        bar.show(loss=torch.tensor(0.5), note="fine")
    text = out.getvalue()
    assert seen == [4, 4, 2] and len(bar) == 3 and bar.done == 3
    last = text.rsplit("\r", 1)[1]
    assert last.startswith("epoch 1  [########################] 3/3") and last.endswith("loss 0.5  note fine\n")
    assert text.startswith("\repoch 1  [........................] 0/3")
    out = io.StringIO()  # no terminal: one line
    assert list(torch.progress((i for i in range(3)), file=out)) == [0, 1, 2]
    assert out.getvalue().startswith("[########################] 3/3") and out.getvalue().count("\n") == 1
    with pytest.raises(TypeError, match="no length"):
        len(torch.progress(iter([]), file=out))


def test_a_loop_that_is_left_early_ends_its_line():
    out = Terminal()
    for i in torch.progress(range(100), file=out):
        if i == 25:
            break
    assert out.getvalue().endswith("\n") and "25/100" in out.getvalue()


# ---- check_finite ----------------------------------------------------------------------------------------------------


class Log(nn.Module):
    def forward(self, x):
        return x.log()


class Root(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(3))

    def forward(self, x):
        return (x * self.scale).sqrt()


def net(*layers):
    return nn.Sequential(nn.Identity(), nn.Sequential(*layers))


def test_forward_the_error_names_operator_module_and_ranges():
    model = net(nn.ReLU(), Log())
    with torch.check_finite(model):
        model(torch.ones(2))
        with pytest.raises(RuntimeError, match=r"log in 1\.1 \(Log\).*holds 1 infinite") as caught:
            model(torch.tensor([-1.0, 2.0]))
        assert "from 0.0 to 2.0" in str(caught.value)
        with pytest.raises(RuntimeError, match=r"sub in the model|sub: the result, .*holds 1 nan"):
            torch.tensor([math.inf]) - math.inf - torch.tensor([math.inf])
    assert torch.zeros(1).log().item() == -math.inf
    with torch.check_finite(infinities=False):
        assert torch.zeros(1).log().item() == -math.inf
        with pytest.raises(RuntimeError, match=r"sqrt: the result, .*holds 1 nan"):
            torch.tensor([-1.0]).sqrt()


def test_backward_the_error_names_the_module_that_recorded_it():
    model = net(Root())
    with torch.check_finite(model), pytest.warns(UserWarning, match="SqrtBackward0"):
        loss = model(torch.ones(2, 3)).sum()
        with pytest.raises(
            RuntimeError, match=r"(?s)'SqrtBackward0' returned infinite values.*Called in 1\.0 \(Root\)"
        ) as caught:
            loss.backward()
    assert "return (x * self.scale).sqrt()" in str(caught.value)
    assert not torch.is_anomaly_enabled()


def test_what_was_given_may_be_given_back():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    mask = nn.Transformer.generate_square_subsequent_mask(4)  # of -inf
    with torch.check_finite(layer):
        layer(torch.rand(2, 4, 8), src_mask=mask).sum().backward()
        x = torch.tensor([0.0, 1.0], requires_grad=True)
        x.norm().backward()
        (
            torch.empty(1000),
            torch.full((2,), math.nan),
            torch.zeros(2).masked_fill(torch.tensor([True, False]), -math.inf),
        )
        assert torch.full((2,), math.nan).nan_to_num(0.0).tolist() == [0.0, 0.0]
        with pytest.raises(
            RuntimeError, match="argument 'self'.*1 nan, already, which no call under check_finite made"
        ):
            torch.tensor([math.nan, 1.0]) * 2
    half = torch.tensor([60000.0], dtype=torch.float16)
    with torch.check_finite(), pytest.raises(RuntimeError, match="mul.*infinite"):
        half * 2
    with torch.check_finite(), pytest.raises(RuntimeError, match="log.*infinite"):
        torch.zeros(1, dtype=torch.complex64).log()


def test_it_nests_and_takes_modules_only():
    with torch.check_finite():
        with torch.check_finite(infinities=False), pytest.raises(RuntimeError):
            torch.zeros(1).log()
        with pytest.raises(RuntimeError):
            torch.zeros(1).log()
    assert not torch.is_anomaly_enabled()
    with pytest.raises(TypeError, match="expected modules, got Tensor"):
        torch.check_finite(torch.ones(1))
