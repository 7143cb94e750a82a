"""Results that a kernel or a gradient rule leaves unwritten: with RUSHLIGHT_POISON=1 fresh memory is NaN, so they show."""

import os
import subprocess
import sys

import pytest
import torch

import rushlight

PROGRAM = """
import rushlight
assert rushlight.empty(5).isnan().all() and rushlight.empty(70, 1000).isnan().all()
assert (rushlight.empty(3, dtype=rushlight.int32) == -1).all()
rushlight.ones(5)
assert rushlight.empty(5).isnan().all()  # a block used before
print("poisoned")
"""


def test_poison_fills_fresh_and_used_blocks():
    env = {**os.environ, "RUSHLIGHT_POISON": "1"}
    run = subprocess.run([sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True, timeout=60)
    assert run.stdout.strip() == "poisoned", run.stderr


def second(T, function, arrays, needs):
    """The gradients of a weighted sum of first gradients, by the inputs and by the weights of the result."""
    args = [T.tensor(a, dtype=T.float64).requires_grad_(n) for a, n in zip(arrays, needs, strict=True)]
    result = function(T, *args)
    weights = T.linspace(-1, 1, result.numel(), dtype=T.float64).reshape(result.shape).requires_grad_()
    inputs = [a for a, n in zip(args, needs, strict=True) if n]
    first = T.autograd.grad(result, inputs, weights, create_graph=True)
    total = sum((g * g).sum() for g in first)
    again = T.autograd.grad(total, [*inputs, weights], allow_unused=True)
    flat = [(T.zeros_like(x) if g is None else g).detach() for g, x in zip(again, [*inputs, weights], strict=True)]
    return [g.flatten().tolist() for g in flat]


FUNCTIONS = {
    "batch_norm": lambda T, x, w, b: T.nn.functional.batch_norm(
        x, T.tensor([0.5, -1.0], dtype=T.float64), T.tensor([2.0, 3.0], dtype=T.float64), w[0, 0, :2], b[0, 0, :2]
    ),
    "batch_norm_training": lambda T, x, w, b: T.nn.functional.batch_norm(
        x, T.zeros(2, dtype=T.float64), T.ones(2, dtype=T.float64), w[0, 0, :2], b[0, 0, :2], training=True
    ),
    "as_strided_over_gaps": lambda T, x, w, b: T.as_strided(x[:, :, ::2], (2, 3), (2, 1), 1) * w[0] * b[0],
    "layer_norm": lambda T, x, w, b: T.nn.functional.layer_norm(x, (1, 2, 3), w, b),
    "layer_norm_last": lambda T, x, w, b: T.nn.functional.layer_norm(x, (3,), w[0, 0], b[0, 0]),
}


@pytest.mark.parametrize("needs", [(True, True, True), (True, False, False), (False, True, True), (False, False, True)])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_second_derivatives(name, needs):
    arrays = [
        [[[1.0, -2.0, 0.5], [3.0, 0.25, -1.0]]],
        [[[0.5, 2.0, -1.0], [1.5, 1.0, 2.0]]],
        [[[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]],
    ]
    mine, theirs = second(rushlight, FUNCTIONS[name], arrays, needs), second(torch, FUNCTIONS[name], arrays, needs)
    for m, t in zip(mine, theirs, strict=True):
        assert m == pytest.approx(t, rel=1e-7, abs=1e-9)


def test_second_derivative_of_a_view_that_begins_before_its_tensor():
    def found(T):
        x = T.arange(10, dtype=T.float64)[5:].requires_grad_()
        y = T.as_strided(x, (2, 3), (2, 1), 3)
        (first,) = T.autograd.grad((y * y * y).sum(), x, create_graph=True)
        return first.tolist(), T.autograd.grad((first * first).sum(), x)[0].tolist()

    assert found(rushlight) == found(torch)
