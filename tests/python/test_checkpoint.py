"""utils.checkpoint."""

import contextlib
import re

import pytest
from rushlight.utils.checkpoint import CheckpointError, checkpoint, checkpoint_sequential, set_checkpoint_early_stop

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
    assert runs == [True, True, True]


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


def test_gradients_by_grad_and_of_nested_outputs():
    x = torch.tensor([0.5, 2.0], requires_grad=True)
    out = checkpoint(lambda v, *, k: {"a": (v.sin() * k, v.exp())}, x, use_reentrant=False, k=3.0)
    (grad,) = torch.autograd.grad(out["a"][0].sum() + out["a"][1].sum(), x)
    assert torch.equal(grad, x.cos() * 3.0 + x.exp())


def test_inside_each_other_and_twice():
    x = torch.tensor([0.3], requires_grad=True)

    def inner(v):
        return checkpoint(lambda u: u.sin().exp(), v, use_reentrant=False).cos()

    y = checkpoint(inner, x, use_reentrant=False)
    y.backward(retain_graph=True)
    first = x.grad.clone()
    y.backward()
    expected = torch.autograd.grad(x.sin().exp().cos(), x)[0]
    assert torch.allclose(first, expected) and torch.allclose(x.grad, 2 * expected)
    assert x.grad.isfinite().all()


def test_second_derivatives():
    x = torch.tensor([0.3], requires_grad=True)
    (first,) = torch.autograd.grad(checkpoint(lambda v: v**3, x, use_reentrant=False), x, create_graph=True)
    assert torch.allclose(first, 3 * x**2)


def test_a_second_run_that_does_something_else():
    def changing(*steps):
        left = iter(steps)
        return lambda v: next(left)(v)

    x = torch.ones(2, requires_grad=True)
    with pytest.raises(CheckpointError, match="Number of tensors saved during forward: 2"):
        checkpoint(changing(lambda v: v.sin().cos(), lambda v: v * 1), x, use_reentrant=False).sum().backward()
    other = torch.ones(3, requires_grad=True)
    with pytest.raises(CheckpointError, match="different metadata"):
        checkpoint(changing(torch.sin, lambda v: other.sin()), x, use_reentrant=False).sum().backward()


def test_arguments():
    x = torch.ones(2, requires_grad=True)
    with pytest.warns(UserWarning, match="use_reentrant"):
        checkpoint(torch.sin, x).sum().backward()
    with pytest.raises(ValueError, match="Unexpected keyword arguments: k"):
        checkpoint(lambda v, k: v, x, use_reentrant=True, k=1)
    runs = []

    def contexts():
        return recording(runs, "first"), recording(runs, "again")

    checkpoint(torch.sin, x, use_reentrant=False, context_fn=contexts).sum().backward()
    assert runs == ["first", "again"]
    with torch.no_grad():
        assert not checkpoint(torch.sin, x, use_reentrant=False).requires_grad
    with torch.autocast("cpu"):
        y = checkpoint(lambda v: (v.outer(v) @ v).sin(), x, use_reentrant=False)
    y.sum().backward()
    assert y.dtype is torch.bfloat16


@contextlib.contextmanager
def recording(runs, name):
    runs.append(name)
    yield


def test_early_stop():
    calls = []

    def step(v):
        v = v.sin()
        calls.append(1)
        v = v + 1
        calls.append(2)
        return v

    x = torch.ones(2, requires_grad=True)
    checkpoint(step, x, use_reentrant=False).sum().backward()
    assert calls == [1, 2]  # the second run ends at sin, which saves the last tensor
    with set_checkpoint_early_stop(False):
        checkpoint(step, x, use_reentrant=False).sum().backward()
    assert calls == [1, 2] * 3


@pytest.mark.parametrize("early", [True, False])
def test_a_gradient_taken_inside_of_nested_checkpoints(early):
    def slope(x):
        return torch.autograd.grad((x.sin() * x.exp()).sum(), x, create_graph=True)[0].cos()

    x, y = (torch.ones(3, requires_grad=True) for _ in range(2))
    with set_checkpoint_early_stop(early):
        checkpoint(lambda x: checkpoint(slope, x, use_reentrant=False), x, use_reentrant=False).sum().backward()
    slope(y).sum().backward()
    assert x.grad.equal(y.grad)


def test_debugging_lists_the_operators_of_both_runs():
    from rushlight.utils.checkpoint import set_checkpoint_debug_enabled

    def changing():
        runs = []

        def f(x):
            runs.append(1)
            return x.sin().exp() if len(runs) == 1 else x.sin() * torch.tensor([1.0, 2.0])

        return f

    x = torch.ones(1, requires_grad=True)
    with pytest.raises(CheckpointError) as error:
        checkpoint(changing(), x, use_reentrant=False, debug=True).sum().backward()
    first, second = str(error.value).split("The first run:")[1].split("The second run, in backward:")
    assert "different metadata" in str(error.value) and "because you passed `debug=True`" in str(error.value)
    assert re.findall(r"\d: (\S+)\(\[1\]\) at \S*test_checkpoint.py:\d+", first) == [
        "aten.sin.default",
        "aten.exp.default",
    ]
    assert "aten.sin.default" in second and "detach" not in second
    with set_checkpoint_debug_enabled(False), pytest.raises(CheckpointError) as error:
        checkpoint(changing(), x, use_reentrant=False, debug=True).sum().backward()
    assert "The first run" not in str(error.value)
