"""einsum and tensordot, with their gradients, against PyTorch's."""

import pytest
import torch as reference

import rushlight as torch

CASES = [
    ("ij,jk", (2, 3), (3, 4)),
    ("ij,jk->ki", (2, 3), (3, 4)),
    ("bij,bjk->bik", (5, 2, 3), (5, 3, 4)),
    ("ii", (3, 3)),
    ("ii->i", (3, 3)),
    ("ij->ji", (2, 3)),
    ("i,j->ij", (2,), (3,)),
    ("...ij,...jk->...ik", (2, 1, 2, 3), (4, 3, 2)),
    ("bhqd,bhkd->bhqk", (2, 2, 3, 4), (2, 2, 5, 4)),
    ("ij->", (2, 3)),
    ("i,i,i->i", (3,), (3,), (3,)),
    ("ij,jk,kl->il", (2, 3), (3, 4), (4, 2)),
    ("...->...", (2, 3)),
    ("ij,ij->", (2, 3), (2, 3)),
    ("ij,kj->ik", (2, 1), (3, 4)),
    ("i...->...", (2, 3, 4)),
    (" i j , j k -> i k ", (2, 3), (3, 2)),
    ("iij->ij", (2, 2, 3)),
]


@pytest.mark.parametrize("equation", CASES, ids=lambda c: c[0])
def test_einsum(equation):
    equation, *shapes = equation
    reference.manual_seed(0)
    theirs = [reference.randn(s, dtype=reference.float64, requires_grad=True) for s in shapes]
    ours = [torch.tensor(x.tolist(), dtype=torch.float64, requires_grad=True) for x in theirs]
    want, got = reference.einsum(equation, *theirs), torch.einsum(equation, *ours)
    assert tuple(got.shape) == tuple(want.shape)
    reference.testing.assert_close(reference.tensor(got.tolist(), dtype=reference.float64), want.detach())
    weight = reference.randn(want.shape, dtype=reference.float64)
    (want * weight).sum().backward()
    (got * torch.tensor(weight.tolist(), dtype=torch.float64)).sum().backward()
    for x, y in zip(theirs, ours, strict=True):
        reference.testing.assert_close(reference.tensor(y.grad.tolist(), dtype=reference.float64), x.grad)


def test_operands_with_lists_of_labels():
    a, b = torch.ones(2, 3), torch.ones(3, 4)
    assert torch.einsum(a, [0, 1], b, [1, 2], [2, 0]).shape == (4, 2)
    assert torch.einsum("ij,jk", [a, b]).tolist() == torch.mm(a, b).tolist()


@pytest.mark.parametrize("dims", [1, 2, 0, ([0], [1]), ([1, 2], [0, 1])])
def test_tensordot(dims):
    shapes = (
        ((3, 4, 5), (4, 3, 5))
        if dims == ([0], [1])
        else ((3, 4, 5), (4, 5, 2))
        if dims not in (1,)
        else ((3, 4, 5), (5, 2))
    )
    theirs = [reference.arange(float(reference.Size(s).numel())).reshape(s) for s in shapes]
    ours = [torch.tensor(x.tolist()) for x in theirs]
    assert torch.tensordot(*ours, dims=dims).tolist() == reference.tensordot(*theirs, dims=dims).tolist()
    given = torch.tensor([dims] if isinstance(dims, int) else dims)
    assert torch.tensordot(*ours, dims=given).tolist() == torch.tensordot(*ours, dims=dims).tolist()


def test_tensordot_over_more_dimensions_than_there_are():
    with pytest.raises(RuntimeError, match="tensordot expects dims < ndim_a or ndim_b, but got dims=3"):
        torch.tensordot(torch.ones(2, 2), torch.ones(2, 2), dims=3)


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("ij,jk", [(2, 3)]),
        ("ij", [(2,)]),
        ("ij->k", [(2, 2)]),
        ("ij->ii", [(2, 2)]),
        ("ij,jk", [(2, 3), (2, 3)]),
        ("i$", [(2, 2)]),
        ("i.j", [(2, 2)]),
    ],
)
def test_mistakes(equation, shapes):
    with pytest.raises(RuntimeError, match=r"einsum\(\)"):
        torch.einsum(equation, *(torch.ones(s) for s in shapes))
