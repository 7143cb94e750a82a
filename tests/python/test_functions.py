"""Functions that are composed of others give what PyTorch's give."""

import pytest
import torch as reference

import rushlight as torch

EXPRESSIONS = """
torch.isfinite(torch.tensor([1.0, float("inf"), float("nan")]))
torch.isfinite(torch.tensor([1, 2]))
torch.isreal(torch.tensor([1j, 1.0]))
torch.isclose(a, a + 1e-9)
torch.isclose(torch.tensor([1.0, float("inf"), float("nan")]), torch.tensor([1.0, float("inf"), float("nan")]))
torch.isclose(torch.tensor([float("nan")]), torch.tensor([float("nan")]), equal_nan=True)
torch.allclose(a, a)
torch.allclose(a, a + 1)
torch.equal(a, a.clone())
torch.equal(a, a[:1])
torch.broadcast_tensors(a, torch.ones(3))
torch.broadcast_shapes((2, 1), (3,), 4 * (1,))
a.sum_to_size(2, 1)
a.sum_to_size(1)
torch.tensor(3, dtype=torch.uint8).sum_to_size(())
torch.arange(3.7, dtype=torch.int32)
torch.linspace(0.5, 9.7, 7, dtype=torch.int64)
torch.logspace(0, 1.2, 4, dtype=torch.int64)
torch.result_type(a, 1)
torch.result_type(torch.tensor([1]), 1.0)
torch.result_type(torch.tensor([1]), torch.tensor([1.0], dtype=torch.float64))
torch.result_type(1, torch.tensor([1], dtype=torch.int8))
torch.select_scatter(a, torch.zeros(3), 0, 1)
torch.slice_scatter(a, torch.zeros(2, 1), 1, 0, 1)
torch.diagonal_scatter(torch.zeros(3, 3), torch.ones(3))
torch.atleast_1d(torch.tensor(1))
torch.atleast_2d(torch.ones(2))
torch.atleast_3d(a)
torch.atleast_2d(torch.ones(2), torch.tensor(3))
torch.split(torch.arange(5), 2)
torch.split(torch.arange(5), [1, 4])
torch.unique(torch.tensor([3, 1, 3, 2]))
torch.unique(torch.tensor([3, 1, 3, 2]), return_inverse=True, return_counts=True)
torch.unique(torch.tensor([[1, 2], [1, 2], [0, 5]]), dim=0, return_inverse=True, return_counts=True)
torch.unique_consecutive(torch.tensor([1, 1, 2, 2, 1]), return_inverse=True, return_counts=True)
torch.meshgrid(torch.arange(2), torch.arange(3), indexing="ij")
torch.meshgrid(torch.arange(2), torch.arange(3), indexing="xy")
torch.meshgrid(torch.arange(3), torch.tensor(1), indexing="xy")
torch.nonzero(a)
torch.nonzero(a, as_tuple=True)
torch.arange(3, out=torch.empty(3))
torch.tensordot(torch.ones(2, 1), a, dims=([1], [0]))
torch.tensordot(a, torch.ones(1, 2), dims=1)
torch.cartesian_prod(torch.arange(2), torch.arange(3))
torch.block_diag(torch.ones(2, 2), torch.tensor([5.0]), 3 * torch.ones(1, 2))
torch.is_nonzero(torch.tensor(1))
a.clone().squeeze_().shape
a.clone().unsqueeze_(0).shape
a.clone().t_()
a.clone().transpose_(0, 1)
a.clone().resize_(3)
torch.empty(0).resize_(2, 2).shape
torch.zeros(1).set_(a)
torch.zeros(3).resize_as_(a).shape
"""


def lines(text):
    return [line for line in text.splitlines() if line]


def plain(value):
    if isinstance(value, (tuple, list)):
        return [plain(v) for v in value]
    if hasattr(value, "tolist"):
        return [str(value.dtype), tuple(value.shape), repr(value.tolist())]
    return str(value) if type(value).__name__ == "dtype" else value


@pytest.mark.parametrize("expression", lines(EXPRESSIONS))
@pytest.mark.filterwarnings("ignore")
def test_function(expression):
    results = [plain(eval(expression, {"torch": m, "a": m.arange(6.0).reshape(2, 3)})) for m in (torch, reference)]
    assert results[0] == results[1]


def test_functional_has_the_functions_themselves():
    import rushlight.functional

    assert rushlight.functional.einsum is rushlight.einsum and "tensordot" in rushlight.functional.__all__
