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
