"""What scripts take over from Python: modules and functions that stay Python's, attributes, calls of autograd, identity."""

import pytest
from rushlight._functional import tensordot

import rushlight as torch
from rushlight import Tensor


def test_backward_by_torch_autograd_in_scripts_and_archives(tmp_path):
    @torch.jit.script
    def of_one(x):
        torch.autograd.backward(torch.relu(x).sum())

    @torch.jit.script
    def of_several(x):
        grads: list[Tensor | None] = [torch.full((2,), 3.0), None]
        torch.autograd.backward((x * x, x.sum()), grads)

    @torch.jit.script
    def grad(x):
        return torch.autograd.grad([(x * x).sum()], [x])[0]

    for f, wanted in ((of_one, [1.0, 1.0]), (of_several, [7.0, 13.0])):
        f.save(tmp_path / "f.pt")
        for run in (f, torch.jit.load(tmp_path / "f.pt")):
            x = torch.tensor([1.0, 2.0], requires_grad=True)
            run(x)
            assert x.grad.tolist() == wanted
    grad.save(tmp_path / "f.pt")
    assert torch.jit.load(tmp_path / "f.pt")(torch.tensor([1.0, 2.0], requires_grad=True)).tolist() == [2.0, 4.0]


def test_einsum_of_operands_and_their_labels():
    @torch.jit.script
    def product(x, y):
        return torch.einsum(x, [0, 1], y, [1, 27], [27, 0])

    @torch.jit.script
    def without_result(x, y):
        return torch.einsum(x, [0, 1], y, [1, 2])

    x, y = torch.randn(2, 3), torch.randn(3, 4)
    assert torch.allclose(product(x, y), (x @ y).t()) and torch.allclose(without_result(x, y), x @ y)
    assert "aten::einsum" in str(product.graph)
    with pytest.raises(RuntimeError, match="numbers from 0 to 51"):
        torch.jit.CompilationUnit("def f(x, n: int):\n    return torch.einsum(x, [n], x, [n])")


def test_tensordot_takes_its_dimensions_as_a_tensor():
    @torch.jit.script
    def f(a, b, dims):
        return tensordot(a, b, dims=dims)

    a, b = torch.arange(60.0).reshape(3, 4, 5), torch.arange(24.0).reshape(4, 3, 2)
    dims = torch.tensor([[1, 0], [0, 1]])
    assert torch.equal(f(a, b, dims), torch.tensordot(a, b, dims=dims))
    assert torch.equal(f(a, a.permute(1, 2, 0), torch.tensor([2])), torch.tensordot(a, a.permute(1, 2, 0), 2))


def test_id_tells_objects_apart():
    @torch.jit.script
    class Thing:
        def __init__(self, x: int):
            self.x = x

    @torch.jit.script
    def f():
        a, b = Thing(1), Thing(1)
        same = a
        return id(a) == id(same), id(a) == id(b), id(a) == id(None)

    assert f() == (True, False, False)
    with pytest.raises(RuntimeError, match="Expected a value"):
        torch.jit.CompilationUnit("def f():\n    return id(2)")
