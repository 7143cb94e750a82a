"""Submodules of scripted and traced modules are classes of their own: graphs call them, archives hold them, PyTorch runs them."""

import gc
import io
import threading
import zipfile

import numpy
import pytest
import torch as reference

import rushlight as torch
from rushlight import nn


class Block(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x, scale):
        y = torch.relu(self.norm(self.conv(x)))
        return x + y * scale, y


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([Block(2), Block(2)])
        self.last = nn.Linear(8, 3)
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x):
        for block in self.blocks:
            x, _ = block(x, self.scale)
        return self.last(self.last(x).repeat(1, 1, 1, 3)[..., :8])


@pytest.fixture(params=["script", "trace"])
def compiled(request):
    torch.manual_seed(0)
    net, x = Net().eval(), torch.randn(1, 2, 4, 8)
    return (torch.jit.script(net) if request.param == "script" else torch.jit.trace(net, x)), net, x


def same(theirs, ours):
    return reference.allclose(theirs, reference.from_numpy(ours.detach().numpy()), atol=1e-5)


def test_graphs_show_calls_and_inlined_graphs_do_not(compiled):
    scripted, _, _ = compiled
    assert str(scripted.graph).count("prim::CallMethod") == 4
    assert "aten::batch_norm" not in str(scripted.graph)
    assert "prim::CallMethod" not in str(scripted.inlined_graph)
    assert str(scripted.inlined_graph).count("aten::batch_norm") == 2
    assert "self.conv" in getattr(scripted.blocks, "0").code
    assert scripted.last.original_name == "Linear"


def test_submodules_are_called_alone_here_and_in_pytorch(compiled):
    scripted, net, x = compiled
    wanted = net(x)
    assert torch.allclose(scripted(x), wanted, atol=1e-6)
    assert torch.allclose(scripted.last(x), net.last(x))
    buffer = io.BytesIO()
    scripted.save(buffer)
    buffer.seek(0)
    ours = torch.jit.load(buffer)
    assert torch.allclose(ours(x), wanted, atol=1e-6)
    block = getattr(ours.blocks, "1")
    for got, want in zip(block(x, net.scale), net.blocks[1](x, net.scale), strict=True):
        assert torch.allclose(got, want, atol=1e-6)
    assert torch.allclose(block.conv(x), net.blocks[1].conv(x))
    buffer.seek(0)
    theirs = reference.jit.load(buffer)
    given = reference.from_numpy(x.numpy())
    assert same(theirs(given), wanted)
    assert same(theirs.last(given), net.last(x))
    assert same(getattr(theirs.blocks, "1").norm(given), net.blocks[1].norm(x))


def test_what_pytorch_writes_is_called_by_submodule():
    net = reference.nn.Sequential(reference.nn.Linear(3, 4), reference.nn.ReLU()).eval()
    x = reference.randn(2, 3)
    for made in (reference.jit.script(net), reference.jit.trace(net, x)):
        buffer = io.BytesIO()
        reference.jit.save(made, buffer)
        buffer.seek(0)
        ours = torch.jit.load(buffer)
        got = getattr(ours, "0")(torch.from_numpy(x.numpy()))
        assert same(net[0](x).detach(), got)


class Shared(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(2, 2)
        self.b = nn.Sequential(self.a, nn.Tanh())

    def forward(self, x):
        self.a(x)
        x.add_(1)
        return self.b(x), self.b[0].weight * 2


def test_a_module_at_two_places_and_writes_between_calls():
    net = Shared()
    traced = torch.jit.trace(net, torch.ones(2))
    for a, b in zip(traced(torch.zeros(2)), net(torch.zeros(2)), strict=True):
        assert torch.allclose(a, b)
    buffer = io.BytesIO()
    traced.save(buffer)
    buffer.seek(0)
    assert same(reference.jit.load(buffer)(reference.zeros(2))[0], net(torch.zeros(2))[0])


class Recursive(nn.Module):
    def forward(self, x):
        return self.forward(x)


def test_recursion_is_an_error():
    with pytest.raises(RuntimeError, match="called recursively"):
        torch.jit.script(Recursive())


def counts(n: int) -> int:
    total = 0
    for i in range(n):
        total = total + i % 7
    return total


def test_other_threads_run_while_a_script_runs():
    scripted = torch.jit.script(counts)
    scripted(1)
    seen = []
    thread = threading.Thread(target=lambda: seen.append(scripted(3_000_000)))
    thread.start()
    steps = 0
    while thread.is_alive():
        steps += 1
    thread.join()
    assert seen == [sum(i % 7 for i in range(3_000_000))]
    assert steps > 100


def live_classes() -> int:
    gc.collect()
    return torch._C._live_classes()


def test_modules_of_equal_structure_share_a_class():
    before = live_classes()
    m = torch.jit.script(nn.Sequential(*[nn.Linear(4, 4) for _ in range(50)], nn.Linear(4, 4, bias=False)))
    assert live_classes() == before + 3
    assert m[0]._c._class_name == m[49]._c._class_name != m[50]._c._class_name
    data = io.BytesIO()
    m.save(data)
    names = [n for n in zipfile.ZipFile(data).namelist() if "/code/" in n and "linear" in n and n.endswith(".py")]
    assert len(names) == 2
    x = torch.rand(2, 4)
    for lib, arg in ((torch, x), (reference, reference.from_numpy(x.numpy()))):
        data.seek(0)
        assert numpy.allclose(lib.jit.load(data)(arg).detach().numpy(), m(x).detach().numpy(), atol=1e-6)
    # So one may stand for another.
    other = nn.Linear(4, 4)
    setattr(m, "0", torch.jit.script(other))
    assert m[0].weight is other.weight
    with pytest.raises(RuntimeError, match="expected an object of the same class"):
        setattr(m, "50", torch.jit.script(other))


class Sized(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.size = size
        self.name = str(size)

    def forward(self, x):
        if self.name == "2":
            return x * self.size
        return x


def test_constants_and_types_tell_classes_apart():
    x = torch.ones(2)
    assert [torch.jit.script(Sized(n))(x)[0].item() for n in (1, 2, 2, 3)] == [1, 2, 2, 1]
    assert torch.jit.script(Sized(2.5)).size == 2.5


@pytest.mark.parametrize("how", ["script", "trace", "load"])
def test_what_nobody_holds_is_freed(how):
    before = live_classes()

    def use():
        m = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.BatchNorm1d(4), nn.ReLU()))
        x = torch.rand(3, 4)
        s = torch.jit.trace(m, x) if how == "trace" else torch.jit.script(m)
        if how == "load":
            data = io.BytesIO()
            s.save(data)
            data.seek(0)
            s = torch.jit.load(data)
        s(x).sum().backward()
        texts = [
            str(g) for g in (s.graph, s.inlined_graph, s.graph_for(x))
        ]  # a graph itself keeps the classes it names
        return s.code, texts, s._method("forward").code

    kept = [use() for _ in range(3)]
    assert live_classes() == before
    assert all(k[0] == k[-1] for k in kept)


def test_a_method_keeps_what_it_belongs_to():
    method = torch.jit.script(nn.Sequential(nn.Linear(2, 2)))._method("forward")
    gc.collect()
    assert "forward" in method.code
