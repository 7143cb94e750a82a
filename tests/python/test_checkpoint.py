"""utils.checkpoint."""

from rushlight.utils.checkpoint import checkpoint, checkpoint_sequential

import rushlight as torch


def test_same_gradients_and_two_runs():
    w = torch.tensor([2.0, 3.0], requires_grad=True)
    x = torch.tensor([1.0, -1.0], requires_grad=True)
    runs = []

    def block(v, scale, shift=0.0):
        runs.append(torch.is_grad_enabled())
        return (v * w).tanh() * scale + torch.rand(2) * w + shift

    def gradients(call):
        w.grad = x.grad = None
        torch.manual_seed(3)
        call(x, 2.0, shift=1.0).sum().backward()
        return x.grad.tolist(), w.grad.tolist()

    assert gradients(block) == gradients(lambda *a, **k: checkpoint(block, *a, use_reentrant=False, **k))
    assert runs == [True, False, True]


def test_parameters_alone_need_gradients():
    w = torch.tensor([2.0], requires_grad=True)
    checkpoint(lambda v: v * w, torch.tensor([5.0]), use_reentrant=False).backward()
    assert w.grad.tolist() == [5.0]


def test_sequential():
    x = torch.tensor([0.5], requires_grad=True)
    calls = []

    def step(v):
        calls.append(1)
        return v * v

    checkpoint_sequential([step] * 4, 2, x, use_reentrant=False).backward()
    assert x.grad.tolist() == [16 * 0.5**15]
    assert len(calls) == 6
