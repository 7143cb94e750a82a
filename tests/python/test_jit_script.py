"""Scripted functions and modules: control flow is kept, archives pass between rushlight and PyTorch, errors show the place."""

import io

import pytest
import torch as reference

import rushlight as torch
from rushlight import nn


def loop(x, n: int):
    for i in range(n):
        if i % 2 == 0:
            x = x + 1.0
        else:
            x = x * 0.5
    return x


def exits(x: torch.Tensor, k: int | None = None) -> int:
    if k is not None:
        return k
    seen: list[int] = []
    while len(seen) < 10:
        seen.append(len(seen))
        if len(seen) == 4:
            break
    for i in seen:
        if i == 3:
            return i * 100
    return -1


def uses_lambda(x):
    return (lambda y: y)(x)


def wrong_types(x):
    return x.no_such_method()


def test_scripting_keeps_control_flow():
    scripted = torch.jit.script(loop)
    assert "prim::Loop" in str(scripted.graph) and "prim::If" in str(scripted.graph)
    for n in range(5):
        assert torch.equal(scripted(torch.ones(2), n), loop(torch.ones(2), n))


def test_returns_and_breaks_inside_of_loops():
    scripted = torch.jit.script(exits)
    assert scripted(torch.ones(1)) == exits(torch.ones(1)) == 300
    assert scripted(torch.ones(1), 7) == 7


class Loop(nn.Module):
    def forward(self, x, n: int):
        return loop(x, n), exits(x)


def test_control_flow_runs_in_pytorch():
    buffer = io.BytesIO()
    torch.jit.script(Loop()).save(buffer)
    buffer.seek(0)
    theirs = reference.jit.load(buffer)
    for n in range(4):
        values, number = theirs(reference.ones(2), n)
        assert values.tolist() == loop(torch.ones(2), n).tolist() and number == 300


@pytest.mark.parametrize("function", [uses_lambda, wrong_types])
def test_errors_show_line_and_caret(function):
    with pytest.raises(RuntimeError) as error:
        torch.jit.script(function)
    assert "<--- HERE" in str(error.value) and "test_jit_script.py" in str(error.value)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2))
        self.dropout = nn.Dropout(0.5)
        self.out = nn.Linear(4 * 4 * 4, 3)

    def forward(self, x):
        x = self.layers(x)
        if x.sum() > 1e9:
            x = -x
        return self.out(self.dropout(x.flatten(1)))


def make(scripted: bool):
    torch.manual_seed(0)
    net = Net().eval()
    x = torch.randn(2, 1, 8, 8)
    return (torch.jit.script(net) if scripted else torch.jit.trace(net, x)), net, x


@pytest.mark.parametrize("scripted", [True, False])
def test_archives_run_in_pytorch_and_here(scripted):
    compiled, net, x = make(scripted)
    with torch.no_grad():
        expected = net(x)
        assert torch.allclose(compiled(x), expected)
        buffer = io.BytesIO()
        compiled.save(buffer)
        buffer.seek(0)
        theirs = reference.jit.load(buffer)
        assert reference.allclose(
            theirs(reference.from_numpy(x.numpy())), reference.from_numpy(expected.numpy()), atol=1e-5
        )
        buffer.seek(0)
        assert torch.allclose(torch.jit.load(buffer)(x), expected)


@pytest.mark.parametrize("how", ["script", "trace"])
def test_pytorchs_archives_run_here(how):
    reference.manual_seed(0)
    net = reference.nn.Sequential(
        reference.nn.Conv2d(1, 4, 3),
        reference.nn.BatchNorm2d(4),
        reference.nn.ReLU(),
        reference.nn.Flatten(),
        reference.nn.Linear(144, 3),
    ).eval()
    x = reference.randn(2, 1, 8, 8)
    compiled = reference.jit.script(net) if how == "script" else reference.jit.trace(net, x)
    buffer = io.BytesIO()
    reference.jit.save(compiled, buffer)
    buffer.seek(0)
    ours = torch.jit.load(buffer)
    got = ours(torch.from_numpy(x.numpy())).detach().numpy()
    assert reference.allclose(reference.from_numpy(got), compiled(x), atol=1e-5)


def test_damaged_archives_are_errors():
    compiled, _, _ = make(True)
    buffer = io.BytesIO()
    compiled.save(buffer)
    whole = buffer.getvalue()
    for size in (0, 10, len(whole) // 2, len(whole) - 1):
        with pytest.raises(RuntimeError):
            torch.jit.load(io.BytesIO(whole[:size]))


def test_scripts_call_functions_that_were_imported_from_modules_of_operators():
    for name, place in (("linalg", "solve_triangular"), ("linalg", "norm"), ("special", "expit"), ("fft", "rfft")):
        function = getattr(getattr(torch, name), place)
        if place == "solve_triangular":

            def call(x):
                return function(x, x, upper=True)
        else:

            def call(x):
                return function(x)

        assert torch.equal(torch.jit.script(call)(torch.eye(2)), call(torch.eye(2)))


def test_gradients_inside_of_a_script():
    def f(x: torch.Tensor):
        y = x.clone().requires_grad_()
        before = y.grad
        (y * y).sum().backward()
        after = y.grad
        (slope,) = torch.autograd.grad([(y * 3).sum()], [y])
        return before, after, slope

    before, after, slope = torch.jit.script(f)(torch.ones(2))
    assert before is None
    assert after.tolist() == [2.0, 2.0]
    assert slope.tolist() == [3.0, 3.0]
