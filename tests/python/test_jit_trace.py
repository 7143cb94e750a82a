"""jit.trace: what is recorded, what is warned of, and that the result repeats it; PyTorch is the reference for graphs and archives."""

import io
import re
import warnings

import numpy
import pytest

import rushlight as rl
from rushlight import nn


def kinds(graph) -> list[str]:
    return re.findall(r"= ((?:aten|prim)::\w+)", str(graph))


def branch(x):
    if x.sum() > 0:
        return x.t()
    return -x


def test_keeps_the_branch_taken_and_warns():
    with pytest.warns(
        rl.jit.TracerWarning, match="Converting a tensor to a Python boolean might cause the trace to be incorrect"
    ):
        traced = rl.jit.trace(branch, rl.ones(2, 3))
    assert kinds(traced.graph) == ["aten::t"]
    assert "graph(%x : Float(2, 3, strides=[3, 1], requires_grad=0, device=cpu)):\n" in str(traced.graph)
    assert str(traced.graph).splitlines()[1].endswith(f"# {__file__}:{branch.__code__.co_firstlineno + 2}:0")
    x = -rl.ones(2, 3)
    assert rl.equal(traced(x), x.t())
    scripted = rl.jit.script(branch)
    assert rl.equal(scripted(x), -x)
    assert "prim::If" in kinds(scripted.graph)


def test_transposed_twice_is_the_input():
    traced = rl.jit.trace(lambda x: x.t().t(), rl.ones(2, 3))
    assert kinds(traced.graph) == ["aten::t", "aten::t"]
    assert str(traced.graph_for(rl.ones(2, 3))) == "graph(%x : Tensor):\n  return (%x)\n"


@pytest.mark.parametrize(
    ("use", "text"),
    [
        (lambda x: x * int(x[0]), "Python integer"),
        (lambda x: x * float(x[0]), "Python float"),
        (lambda x: x * x[0].item(), "Python number"),
        (lambda x: x * range(9)[x[0].to(rl.int64)], "Python index"),
        (lambda x: x * len(x), "Using len to get tensor shape"),
        (lambda x: sum(x), "Iterating over a tensor"),
        (lambda x: x * x.tolist()[0], "Python list"),
    ],
)
def test_warns_of_what_it_cannot_follow(use, text):
    with pytest.warns(rl.jit.TracerWarning, match=text):
        traced = rl.jit.trace(use, rl.tensor([2.0, 3.0]))
    assert rl.equal(traced(rl.tensor([2.0, 3.0])), use(rl.tensor([2.0, 3.0])))


def flattened(x):
    n, c = x.shape[0], x.size(-1)
    return x.view(n, -1) + rl.arange(n).view(-1, 1)[0:n], x.reshape(n * x.size(1), c)


def test_sizes_keep_their_origin():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        traced = rl.jit.trace(flattened, rl.ones(1, 2, 3))
    for shape in ((1, 2, 3), (4, 2, 2), (2, 5, 1)):
        x = rl.rand(shape)
        for got, wanted in zip(traced(x), flattened(x), strict=True):
            assert rl.equal(got, wanted)


def padded_as_tensorflow_does(x):
    size = x.size(-1)
    if isinstance(size, rl.Tensor):  # while a trace is made
        more = rl.clamp(((size / 2).ceil() - 1) * 2 + 3 - size, min=0)
    else:
        more = max((-(-size // 2) - 1) * 2 + 3 - size, 0)
    return rl.nn.functional.pad(x, (more // 2, more - more // 2))


def test_what_is_computed_from_sizes_in_floating_point_is_a_size_again():
    traced = rl.jit.trace(padded_as_tensorflow_does, rl.ones(1, 5))
    for size in (5, 6, 9):
        assert rl.equal(traced(rl.ones(1, size)), padded_as_tensorflow_does(rl.ones(1, size)))
    with pytest.raises(TypeError, match="must be tuple of ints, but found element of type Tensor at pos 0"):
        rl.nn.functional.pad(rl.ones(1, 5), (rl.tensor(1.0), 1))  # but not outside of a trace


def test_in_place_operators_and_views():
    def f(x, y):
        x.add_(y)
        x[0] = 7.0
        x[1, :2].mul_(y[1, :2])
        return x.view(-1), y * 2

    traced = rl.jit.trace(f, (rl.ones(2, 3), rl.ones(2, 3)))
    x, y = rl.rand(2, 3), rl.rand(2, 3)
    a, b = x.clone(), x.clone()
    for got, wanted in zip(traced(a, y), f(b, y), strict=True):
        assert rl.equal(got, wanted)
    assert rl.equal(a, b)


def test_the_examples_stay_as_they_were():
    x = rl.ones(2)
    rl.jit.trace(lambda x: x.add_(1), x)
    assert x.tolist() == [1, 1]


def test_structures_go_in_and_come_out():
    def f(pair, named):
        (a, b), c = pair, named["c"]
        return (a + c, (b, a * b))

    traced = rl.jit.trace(f, ((rl.ones(2), rl.ones(2)), {"c": rl.ones(2)}))
    a, b, c = rl.rand(2), rl.rand(2), rl.rand(2)
    got, wanted = traced((a, b), {"c": c}), f((a, b), {"c": c})
    assert rl.equal(got[0], wanted[0])
    assert rl.equal(got[1][1], wanted[1][1])


def test_random_numbers_are_drawn_at_every_call():
    traced = rl.jit.trace(lambda x: x + rl.rand(3), rl.zeros(3), check_trace=False)
    assert not rl.equal(traced(rl.zeros(3)), traced(rl.zeros(3)))
    rl.manual_seed(0)
    first = traced(rl.zeros(3))
    rl.manual_seed(0)
    assert rl.equal(first, rl.rand(3))


def test_gradients_flow():
    traced = rl.jit.trace(lambda x: (x * x).sum(), rl.ones(3))
    x = rl.tensor([1.0, 2.0, 3.0], requires_grad=True)
    traced(x).backward()
    assert x.grad.tolist() == [2, 4, 6]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (
            lambda x: 3,
            "Only tensors, lists, tuples of tensors, or dictionary of tensors can be output from traced functions",
        ),
        (lambda x: {"a": x}, "Encountering a dict at the output of the tracer"),
    ],
)
def test_refuses_what_no_trace_returns(function, message):
    with pytest.raises(RuntimeError, match=message):
        rl.jit.trace(function, rl.ones(2))


def test_lists_come_out_with_a_warning():
    with pytest.warns(rl.jit.TracerWarning, match="Encountering a list at the output of the tracer"):
        traced = rl.jit.trace(lambda x: [x, x + 1], rl.ones(2))
    assert [t.tolist() for t in traced(rl.zeros(2))] == [[0, 0], [1, 1]]


def test_sizes_come_out_as_tensors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        traced = rl.jit.trace(lambda x: (x * 2, x.shape[0], x.size(), x.numel()), rl.ones(2, 3))
    out = traced(rl.ones(4, 5))
    assert out[1].item() == 4
    assert [n.item() for n in out[2]] == [4, 5]
    assert out[3].item() == 20


class Pair(nn.Module):
    def forward(self, a, b, c=None):
        return a + 2 * b, a


class Repeats(nn.Module):
    """Passes one tensor twice to a submodule, and different ones that have one name."""

    def __init__(self):
        super().__init__()
        self.pair, self.bilinear = Pair(), nn.Bilinear(3, 3, 3)
        self.attention = nn.MultiheadAttention(3, 1)

    def forward(self, x):
        y = self.bilinear(x, x)
        a, b = self.pair(x, x)
        c, _ = self.pair(a, b)
        return self.attention(y, y, y)[0] + c + self.pair(y, c)[0]


@pytest.mark.parametrize(
    ("make", "inputs"),
    [
        (Repeats, 1),
        (lambda: nn.TransformerEncoderLayer(3, 1, 4, dropout=0.0), 1),
        (lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(3, 1, 4, dropout=0.0), 2), 1),
        (lambda: nn.TransformerDecoderLayer(3, 1, 4, dropout=0.0), 2),
        (lambda: nn.Transformer(3, 1, 1, 1, 4, dropout=0.0), 2),
    ],
)
def test_arguments_of_submodules_have_names_of_their_own(make, inputs):
    torch = pytest.importorskip("torch")
    m = make().eval()
    x = tuple(rl.rand(4, 2, 3) for _ in range(inputs))
    traced = rl.jit.trace(m, x)
    data = io.BytesIO()
    rl.jit.save(traced, data)
    wanted = m(*x)
    for lib, args in ((rl, x), (torch, [torch.from_numpy(t.numpy()) for t in x])):
        data.seek(0)
        got = lib.jit.load(data)(*args)
        assert numpy.allclose(got.detach().numpy(), wanted.detach().numpy(), atol=1e-5)


def test_lists_and_dicts_come_out_where_asked_for():
    traced = rl.jit.trace(lambda x: {"a": [x, x + 1]}, rl.ones(2), strict=False)
    assert traced(rl.zeros(2))["a"][1].tolist() == [1, 1]


def test_an_error_inside_leaves_no_trace_behind():
    def fails(x):
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        rl.jit.trace(fails, rl.ones(2))
    assert not rl.jit.is_tracing()
    assert rl.jit.trace(lambda x: x + 1, rl.ones(2))(rl.zeros(2)).tolist() == [1, 1]


def test_a_stranger_that_needs_gradients_is_refused():
    w = rl.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="Cannot insert a Tensor that requires grad as a constant"):
        rl.jit.trace(lambda x: x * w, rl.ones(2))


def test_warns_where_the_trace_does_something_else():
    seen = []

    def f(x):
        seen.append(x)
        return x * len(seen)

    with (
        pytest.warns(rl.jit.TracerWarning, match="does not match the corresponding output of the Python function"),
        pytest.raises(rl.jit.TracingCheckError, match="Graphs differed across invocations"),
    ):
        rl.jit.trace(f, rl.ones(2))


def test_an_error_at_run_time_names_the_line():
    traced = rl.jit.trace(lambda x, y: x + y, (rl.ones(2), rl.ones(2)))
    with pytest.raises(
        RuntimeError,
        match=r"The following operation failed in the TorchScript interpreter(.|\n)*test_jit_trace.py\(\d+\)",
    ):
        traced(rl.ones(2), rl.ones(3))


class Affine(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.weight = nn.Parameter(rl.randn(o, i))
        self.bias = nn.Parameter(rl.randn(o))

    def forward(self, x):
        return (x.unsqueeze(1) * self.weight).sum(-1) + self.bias


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = Affine(8, 3)
        self.rest = nn.Sequential(Affine(3, 3), nn.ReLU())
        self.register_buffer("calls", rl.zeros((), dtype=rl.int64))

    def forward(self, x):
        self.calls.add_(1)
        z = self.first(x.view(x.size(0), -1))
        z += 1
        return self.rest(z)


def test_a_module_shares_its_state():
    net = Net()
    traced = rl.jit.trace(net, rl.ones(1, 2, 4))
    assert net.calls.item() == 1  # the check left no trace
    x = rl.rand(5, 2, 4)
    assert rl.equal(traced(x), net(x))
    assert net.calls.item() == 3
    assert sorted(traced.state_dict()) == sorted(net.state_dict())
    traced(x).sum().backward()
    assert net.first.weight.grad is not None
    assert dict(traced.named_parameters())["rest.0.bias"] is net.rest[0].bias
    assert repr(traced).startswith("Net(\n  original_name=Net")


class Normalized(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.BatchNorm2d(1), nn.ReLU(), nn.MaxPool2d(2))
        self.drop = nn.Dropout(0.5)
        self.last = nn.Linear(16, 3)

    def forward(self, x):
        return self.last(self.drop(self.features(x).flatten(1)))


def test_a_network_in_training_and_in_evaluation(tmp_path):
    torch = pytest.importorskip("torch")
    net = Normalized()
    example, x = rl.rand(4, 1, 8, 8), rl.rand(7, 1, 8, 8)
    training = rl.jit.trace(net, example)
    assert net.features[0].num_batches_tracked.item() == 1
    mean = net.features[0].running_mean.clone()
    rl.manual_seed(1)
    got = training(x)
    assert not rl.equal(mean, net.features[0].running_mean)
    rl.manual_seed(1)
    assert rl.equal(got, net(x))
    traced = rl.jit.trace(net.eval(), example)
    wanted = net(x).detach()
    assert rl.equal(traced(x), wanted)
    path = str(tmp_path / "net.pt")
    traced.save(path)
    theirs = torch.jit.load(path)(torch.from_numpy(x.numpy())).detach()
    numpy.testing.assert_allclose(theirs.numpy(), wanted.numpy(), rtol=1e-5, atol=1e-5)


def test_an_archive_of_a_trace_runs_in_both(tmp_path):
    torch = pytest.importorskip("torch")
    net = Net()
    traced = rl.jit.trace(net, rl.ones(1, 2, 4))
    path = str(tmp_path / "net.pt")
    traced.save(path)
    x = rl.rand(5, 2, 4)
    wanted = net(x).detach().numpy()
    numpy.testing.assert_allclose(rl.jit.load(path)(x).detach().numpy(), wanted)
    theirs = torch.jit.load(path)(torch.from_numpy(x.numpy()))
    numpy.testing.assert_allclose(theirs.detach().numpy(), wanted, rtol=1e-5, atol=1e-6)


def test_graphs_name_the_operators_that_pytorch_records():
    torch = pytest.importorskip("torch")

    def f(lib, x, y):
        a = lib.cat([x.view(-1), y])
        values, order = a.sort()
        return lib.zeros_like(x), values[1:3], order, x.to(lib.float64), a.reshape(-1, 1), y.sum() * x, x.t()

    ours = rl.jit.trace(lambda x, y: f(rl, x, y), (rl.ones(2, 3), rl.ones(2)))
    theirs = torch.jit.trace(lambda x, y: f(torch, x, y), (torch.ones(2, 3), torch.ones(2)))
    recorded = [k for k in kinds(ours.graph) if k != "prim::Constant"]
    assert recorded == [k for k in kinds(theirs.graph) if k != "prim::Constant"]


def test_a_write_under_no_grad_keeps_what_was_before():
    def f(x):
        y = x.clone()
        with rl.no_grad():
            y.clamp_(min=0.5)
        return (y * y).sum()

    x = rl.tensor([0.25, 2.0], requires_grad=True)
    loss = rl.nn.GaussianNLLLoss()
    mean, target = rl.zeros(2), rl.ones(2)
    for function, args in ((rl.jit.script(f), (x,)), (rl.jit.trace(loss, (mean, target, x)), (mean, target, x))):
        eager = loss if len(args) == 3 else f
        (wanted,) = rl.autograd.grad(eager(*args), [x])
        (got,) = rl.autograd.grad(function(*args), [x])
        assert rl.allclose(got, wanted)


@rl.jit.script
def signed(x: rl.Tensor, by: int, more: rl.Tensor | None = None) -> tuple[rl.Tensor, rl.Tensor | None]:
    if bool(x.sum() > 0):
        return x * by, more
    return -x, None


class Rectified(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(rl.ones(2))

    def forward(self, xs: list[rl.Tensor]):
        total = rl.zeros(2)
        for x in xs:
            if bool(x.sum() > 0):
                total = total + x * self.weight
        return {"total": total}


class Mixed(nn.Module):
    def __init__(self):
        super().__init__()
        self.part = rl.jit.script(Rectified())

    def forward(self, x, y):
        a, b = signed(x, 3, y)
        total = self.part([x, y])["total"]
        return a + total if b is None else a + b + total


def test_a_trace_keeps_the_branches_of_scripts_that_it_calls():
    def f(x):
        return signed(x, 3)[0] + 1

    traced = rl.jit.trace(f, rl.ones(2))
    assert "prim::CallFunction" in str(traced.graph) and "prim::If" in str(traced.inlined_graph)
    for x in (rl.ones(2), -rl.ones(2)):
        assert rl.equal(traced(x), f(x))

    model = Mixed()
    traced = rl.jit.trace(model, (rl.ones(2), rl.ones(2)))
    assert str(traced.graph).count("prim::CallMethod") == 1
    file = io.BytesIO()
    rl.jit.save(traced, file)
    file.seek(0)
    for run in (traced, rl.jit.load(file)):
        x, y = rl.tensor([1.0, 2.0]), rl.tensor([-3.0, 1.0])
        out = run(x, y)
        assert rl.equal(out, model(x, y))
        model.part.weight.grad = None
        out.sum().backward()
    model(x, y).sum().backward()
    assert rl.equal(model.part.weight.grad, x)


def test_a_script_module_that_is_no_part_of_the_trace_is_refused():
    other = rl.jit.script(Rectified())
    with pytest.raises(RuntimeError, match="must be registered as submodules"):
        rl.jit.trace(lambda x: other([x])["total"], rl.ones(2))


def test_detach_in_place_is_recorded():
    def f(x, w):
        y = x @ w
        y.detach_()
        return y

    traced = rl.jit.trace(f, (rl.ones(2, 3), rl.ones(3, 2)))
    assert "aten::detach(" in str(traced.graph)
    assert not traced(rl.ones(2, 3), rl.ones(3, 2, requires_grad=True)).requires_grad


def test_a_result_s_keys_that_are_tensors_are_those_of_the_run():
    traced = rl.jit.trace(lambda a, b: {a: b}, (rl.zeros(2), rl.ones(2)), strict=False, check_trace=False)
    a, b = rl.full((2,), 5.0), rl.full((2,), 6.0)
    [(key, value)] = traced(a, b).items()
    assert key.tolist() == [5.0, 5.0] and value.tolist() == [6.0, 6.0]


def test_a_trace_that_draws_says_so():
    layer = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
    with pytest.warns(rl.jit.TracerWarning, match="nondeterministic nodes(.|\n)*dropout"):
        rl.jit.trace(layer, rl.ones(1, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rl.jit.trace(layer.eval(), rl.ones(1, 2))
        rl.jit.trace(layer.train(), rl.ones(1, 2), check_trace=False)


def test_a_dict_of_tuples_of_tensors_alone_comes_out():
    assert rl.jit.trace(lambda x: {"a": (x, x + 1)}, rl.ones(1), strict=False)(rl.ones(1))["a"][1].item() == 2
    with pytest.raises(RuntimeError, match="cannot be understood by the tracer, only outputs matching"):
        rl.jit.trace(lambda x: {"a": (x, 1)}, rl.ones(1), strict=False)
