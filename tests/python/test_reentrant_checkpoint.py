"""checkpoint(use_reentrant=True): a graph of its own, walked inside of backward."""

import pytest
from rushlight.utils.checkpoint import CheckpointError, checkpoint

import rushlight as rl


def test_gradients_are_those_without_it():
    layer, x = rl.nn.Linear(3, 3), rl.ones(2, 3, requires_grad=True)
    layer(x).sin().sum().backward()
    wanted = x.grad, layer.weight.grad
    x.grad = layer.weight.grad = None
    checkpoint(lambda v: layer(v).sin(), x, use_reentrant=True).sum().backward()
    assert rl.equal(x.grad, wanted[0]) and rl.equal(layer.weight.grad, wanted[1])


def test_the_second_run_draws_the_same_numbers():
    x, drawn = rl.ones(100, requires_grad=True), []

    def dropped(v):
        drawn.append(rl.nn.functional.dropout(v, 0.5))
        return drawn[-1]

    checkpoint(dropped, x, use_reentrant=True).sum().backward()
    assert len(drawn) == 2 and rl.equal(*drawn)


def test_what_it_cannot_do_is_an_error():
    x = rl.ones(2, requires_grad=True)
    y = checkpoint(rl.sin, x, use_reentrant=True)
    with pytest.raises(RuntimeError, match="incompatible with .grad()"):
        rl.autograd.grad(y.sum(), x)
    checkpoint(rl.sin, x, use_reentrant=True).sum().backward()  # the error is forgotten
    with pytest.raises(RuntimeError, match="none of output has requires_grad=True"):
        checkpoint(lambda v: v.detach(), x, use_reentrant=True).sum().backward()
    with pytest.warns(UserWarning, match="None of the inputs have requires_grad"):
        assert not checkpoint(rl.sin, x.detach(), use_reentrant=True).requires_grad


def test_a_second_run_that_keeps_more_is_an_error():
    runs = []

    def other(v):
        runs.append(v)
        return v.sin() if len(runs) == 1 else v.sin().exp().sin()

    y = checkpoint(other, rl.ones(2, requires_grad=True), use_reentrant=False, early_stop=False)
    with pytest.raises(CheckpointError, match="trying to save more tensors during recomputation"):
        y.sum().backward()
