"""utils.module_tracker and what FlopCounterMode makes of it: the numbers of modules, backward too, as PyTorch counts."""

import pytest
import rushlight.utils.flop_counter
import rushlight.utils.module_tracker
import torch
import torch.utils.flop_counter
import torch.utils.module_tracker

import rushlight as rl

both = pytest.mark.parametrize("lib", [rl, torch], ids=["here", "PyTorch"])


@both
def test_parents_forward_and_backward(lib):
    seen = []

    class Noted(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            seen.append((tracker.is_bw, sorted(tracker.parents)))
            return x * 2

        @staticmethod
        def backward(ctx, grad):
            seen.append((tracker.is_bw, sorted(tracker.parents)))
            return grad * 2

    class Inner(lib.nn.Module):
        def forward(self, x):
            return {"a": Noted.apply(x["a"])}

    class Model(lib.nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.rest = Inner(), lib.nn.ModuleList([lib.nn.ModuleDict({"second": Inner()})])

        def forward(self, x):
            return self.rest[0]["second"](self.first(x))["a"]

    x = lib.ones(2, requires_grad=True)
    with lib.utils.module_tracker.ModuleTracker() as tracker:
        for _ in range(2):
            Model()({"a": x * 1}).sum().backward()
            assert tracker.parents == {"Global"} and not tracker.is_bw
    one = [["Global", "Model", "Model.first"], ["Global", "Model", "Model.rest.0.second"]]
    forward, backward = [(False, p) for p in one], [(True, p) for p in one[::-1]]
    assert seen == (forward + backward) * 2


@both
def test_flops_of_backward_belong_to_modules(lib):
    class Part(lib.nn.Module):
        def forward(self, x):
            return lib.mm(x, x)

    class Model(lib.nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = Part(), Part()

        def forward(self, x):
            return self.b(self.a(x))

    with lib.utils.flop_counter.FlopCounterMode(display=False) as mode:
        Model()(lib.randn(10, 10, requires_grad=True).clone()).sum().backward()
    counts = {where: sum(of.values()) for where, of in mode.get_flop_counts().items()}
    assert counts == {"Global": 12000, "Model": 12000, "Model.a": 6000, "Model.b": 6000}


@both
def test_transposed_convolutions_compute_only_gradients_that_are_wanted(lib):
    x, model = lib.rand(1, 4, 30, 2), lib.nn.ConvTranspose2d(4, 8, (2, 2), stride=2)
    with lib.utils.flop_counter.FlopCounterMode(display=False) as mode:
        model(x).sum().backward()
    assert mode.get_total_flops() == 2 * 15360
    with lib.utils.flop_counter.FlopCounterMode(display=False) as mode:
        model(x.requires_grad_()).sum().backward()
    assert mode.get_total_flops() == 3 * 15360
    assert mode.get_flop_counts()["ConvTranspose2d"][lib.ops.aten.convolution] >= 15360


@both
def test_formulas_of_ones_own(lib):
    def count(*args, out_val, **kwargs):
        return out_val.numel()

    count._get_raw = True
    for formula, expected in ((lambda *args, out_shape: 5, 5), (count, 20)):
        with lib.utils.flop_counter.FlopCounterMode(display=False, custom_mapping={lib.ops.aten.add: formula}) as mode:
            lib.ones(4, 5) + lib.ones(4, 5)
        assert mode.get_total_flops() == expected
    with pytest.warns(UserWarning, match="not needed"):
        lib.utils.flop_counter.FlopCounterMode(lib.nn.Linear(2, 2))
