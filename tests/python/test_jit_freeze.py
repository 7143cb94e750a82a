"""Frozen modules: their state is constant, and results stay."""

import io

import pytest
import torch as reference

import rushlight as torch
from rushlight import Tensor, nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3, bias=False)
        self.norm = nn.BatchNorm2d(3)
        self.drop = nn.Dropout()
        self.scale = 2.0
        self.head = nn.Linear(3, 2)
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        if self.scale > 1:
            x = x * self.scale
        return self.head(self.drop(self.norm(self.conv(x)).relu()).mean((2, 3)))

    @torch.jit.export
    def doubled(self, x: Tensor) -> Tensor:
        return x * self.scale

    @torch.jit.export
    def count(self, x: Tensor) -> Tensor:
        self.calls = self.calls + 1
        return x * self.calls


def net():
    torch.manual_seed(0)
    module = Net()
    with torch.no_grad():
        module.norm.running_mean.uniform_(-1, 1)
        module.norm.running_var.uniform_(0.5, 2)
        module.norm.weight.uniform_(0.5, 2)
        module.norm.bias.uniform_(-1, 1)
    return module.eval()


@pytest.mark.parametrize("optimize", [True, False])
@pytest.mark.parametrize("traced", [True, False])
def test_a_frozen_module_gives_the_same(optimize, traced):
    module, x = net(), torch.randn(2, 2, 5, 5)
    compiled = torch.jit.trace(module, x) if traced else torch.jit.script(module)
    frozen = torch.jit.freeze(compiled, optimize_numerics=optimize)
    torch.testing.assert_close(frozen(x), module(x), rtol=1e-4, atol=1e-5)
    text = str(frozen.graph)
    assert "GetAttr" not in text and "CallMethod" not in text
    assert ("aten::batch_norm" in text) is not optimize and ("aten::dropout" in text) is not optimize
    assert not list(frozen.parameters()) and not frozen.training
    assert not hasattr(frozen, "conv") and not hasattr(frozen, "doubled")
    out = io.BytesIO()
    torch.jit.save(frozen, out)
    for load, given in ((torch.jit.load, x), (reference.jit.load, reference.tensor(x.numpy()))):
        out.seek(0)
        got = load(out)(given)
        torch.testing.assert_close(torch.tensor(got.detach().numpy()), module(x).detach(), rtol=1e-4, atol=1e-5)


def test_what_is_preserved_or_assigned_stays():
    x = torch.ones(1)
    frozen = torch.jit.freeze(torch.jit.script(net()), preserved_attrs=["doubled", "count", "scale"])
    assert frozen.doubled(x).item() == 2 and frozen.scale == 2
    frozen.scale = 5.0
    assert frozen.doubled(x).item() == 5
    assert [frozen.count(x).item() for _ in range(2)] == [1, 2]
    with pytest.raises(AttributeError, match="nothing"):
        torch.jit.freeze(torch.jit.script(net()), preserved_attrs=["nothing"])


def test_state_that_is_written_to_stays():
    class Sums(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("total", torch.zeros(2))

        def forward(self, x: Tensor) -> Tensor:
            self.total.add_(x)
            return self.total * 1

    frozen = torch.jit.freeze(torch.jit.script(Sums().eval()))
    assert [frozen(torch.ones(2)).tolist() for _ in range(2)] == [[1, 1], [2, 2]]


def test_what_freeze_refuses():
    with pytest.raises(RuntimeError, match="expects a ScriptModule"):
        torch.jit.freeze(net())
    with pytest.raises(RuntimeError, match="eval mode"):
        torch.jit.freeze(torch.jit.script(net().train()))


def test_optimize_for_inference():
    module, x = net(), torch.randn(1, 2, 4, 4)
    fast = torch.jit.optimize_for_inference(torch.jit.script(module))
    torch.testing.assert_close(fast(x), module(x), rtol=1e-4, atol=1e-5)
    assert torch.jit.optimize_for_inference(fast) is fast
    torch.jit.run_frozen_optimizations(fast)
    with pytest.raises(RuntimeError, match="expects a ScriptModule"):
        torch.jit.optimize_for_inference(module)


class Products(torch.nn.Module):
    """Products with known matrices: two dimensions and three, with a row added to each side, with something else added, and none."""

    def __init__(self):
        super().__init__()
        self.w, self.b = torch.nn.Parameter(torch.randn(40, 30)), torch.nn.Parameter(torch.randn(30))
        self.v, self.c = torch.nn.Parameter(torch.randn(64, 40)), torch.nn.Parameter(torch.randn(64))

    def forward(self, x: torch.Tensor):
        y = x @ self.w
        flat = x.reshape(-1, 40)
        return (
            y + self.b, self.b + torch.matmul(x, self.w), y + y.mean(), torch.matmul(x[0, 0], self.w) + self.b,
            torch.addmm(self.c, flat, self.v.t()), torch.addmm(self.c, flat, self.v.t(), alpha=2), torch.mm(flat, self.v.t()) + self.c[:1],
        )  # fmt: skip


def test_products_with_what_is_known_become_linear_layers():
    torch.manual_seed(0)
    module = Products().eval()
    frozen = torch.jit.freeze(torch.jit.script(module))
    text = str(frozen.graph)
    assert text.count("aten::linear") >= 4 and "aten::matmul" not in text and text.count("aten::addmm") == 1
    with torch.no_grad():
        for x in (torch.randn(2, 3, 40), torch.randn(1, 1, 40)):
            for got, wanted in zip(frozen(x), module(x), strict=True):
                torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4)
    unfolded = torch.jit.freeze(torch.jit.script(module), optimize_numerics=False)
    assert "aten::linear" not in str(unfolded.graph)


def test_gelu_written_out_is_gelu():
    def first(x):
        return 0.5 * x * (1 + torch.erf(x / 1.4142135623730951))

    def second(x):
        return x * (torch.erf(x * 0.7071067811865476) + 1.0) * 0.5

    def third(x):
        return x * ((torch.erf(x / 1.4142135623730951) + 1.0) * 0.5)

    def other(x):
        return x * (torch.erf(x / 1.5) + 1.0) * 0.5

    def shared(x):
        e = torch.erf(x / 1.4142135623730951)
        return x * (e + 1.0) * 0.5 + e

    class M(torch.nn.Module):
        def __init__(self, f):
            super().__init__()
            self.f = f

        def forward(self, x):
            return self.f(x)

    x = torch.linspace(-5, 5, 101)
    for f, folded in ((first, True), (second, True), (third, True), (other, False), (shared, False)):
        frozen = torch.jit.freeze(torch.jit.trace(M(f).eval(), x))
        assert ("aten::gelu" in str(frozen.graph)) == folded, f.__name__
        torch.testing.assert_close(frozen(x), f(x), rtol=1e-5, atol=1e-6)
