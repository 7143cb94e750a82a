"""Sizes, strides and offsets that 64 bits don't hold are refused; no tensor reaches outside of its memory."""

import pytest

import rushlight as torch

BIG = 2**62
MOST = 2**63 - 1

REFUSED = {
    "as_strided, offset": lambda: torch.as_strided(torch.arange(10), (5,), (2,), 8170450533120000000),
    "as_strided, last offset": lambda: torch.as_strided(torch.arange(10), (1,), (1,), MOST),
    "as_strided, stride": lambda: torch.as_strided(torch.arange(10), (3,), (BIG,), 0),
    "as_strided, sizes": lambda: torch.as_strided(torch.arange(10), (BIG, 4), (0, 0), 0),
    "as_strided, sum of strides": lambda: torch.as_strided(torch.arange(10), (2, 2, 2), (BIG, BIG, BIG), 0),
    "as_strided_": lambda: torch.arange(10).as_strided_((5,), (2,), 8170450533120000000),
    "as_strided, bytes": lambda: torch.as_strided(torch.arange(10), (2,), (2**60,), 0),
    "empty_strided, negative": lambda: torch.empty_strided((2, 3), (-1, 2)),
    "empty_strided, stride": lambda: torch.empty_strided((2, 3), (BIG, 2)),
    "empty_strided, sizes": lambda: torch.empty_strided((BIG, BIG), (0, 0)),
    "empty": lambda: torch.empty(BIG, 4),
    "empty, bytes": lambda: torch.empty(2**61),
    "zeros": lambda: torch.zeros(2**32, 2**32),
    "meta": lambda: torch.zeros(2**40, 2**40, device="meta"),
    "view": lambda: torch.zeros(4).view(BIG + 1, 4),
    "view, other way": lambda: torch.zeros(4).view(4, BIG + 1),
    "view with a hole": lambda: torch.zeros(4).view(-1, BIG, 4),
    "reshape": lambda: torch.zeros(4).reshape(BIG + 1, 4),
    "reshape of a strided": lambda: torch.zeros(4, 4).t()[:1].reshape(BIG + 1, 4),
    "unflatten": lambda: torch.zeros(4).unflatten(0, (BIG + 1, 4)),
    "expand": lambda: torch.ones(1, 1).expand(2**33, 2**33),
    "expand, then sum": lambda: torch.ones(1, 1).expand(2**32, 2**32).sum(),
    "broadcast_to": lambda: torch.broadcast_to(torch.ones(1, 1), (2**33, 2**33)),
    "broadcast_tensors": lambda: torch.broadcast_tensors(
        torch.ones(1, 1).expand(2**40, 1), torch.ones(1, 1).expand(1, 2**40)
    ),
    "arithmetic": lambda: torch.ones(1).expand(BIG)[:, None] + torch.ones(4),
    "where": lambda: torch.where(torch.ones(1).expand(BIG)[:, None] > 0, torch.ones(4), 0.0),
    "meshgrid": lambda: torch.meshgrid(torch.ones(1).expand(2**40), torch.ones(1).expand(2**40), indexing="ij"),
    "view as bytes": lambda: torch.ones(1).expand(BIG, 1).view(torch.int8),
    "view_as_real": lambda: torch.view_as_real(torch.ones(1, dtype=torch.complex64).expand(BIG)),
    "narrow": lambda: torch.ones(5).narrow(0, 2, MOST),
    "narrow from the end": lambda: torch.ones(5).narrow(0, -2, MOST),
    "select": lambda: torch.ones(5).select(0, BIG),
    "select from the end": lambda: torch.ones(5).select(0, -(2**63)),
    "index": lambda: torch.ones(5)[2**70],
    "setitem": lambda: torch.ones(5).__setitem__(2**70, 1),
    "repeat": lambda: torch.ones(2).repeat(MOST),
    "repeat, rows": lambda: torch.ones(2).repeat(BIG, 4),
    "tile": lambda: torch.ones(2).tile(MOST),
    "repeat_interleave": lambda: torch.ones(2).repeat_interleave(torch.tensor([MOST, MOST])),
    "cat": lambda: torch.cat([torch.ones(1).expand(BIG)] * 2),
    "stack": lambda: torch.stack([torch.ones(1).expand(BIG)] * 2),
    "resize_": lambda: torch.zeros(4).resize_(BIG, 4),
    "resize_, offset": lambda: torch.zeros(0).as_strided((0,), (1,), MOST).resize_(4),
    "outer": lambda: torch.outer(torch.ones(1).expand(2**40), torch.ones(1).expand(2**40)),
    "kron": lambda: torch.kron(torch.ones(1).expand(BIG), torch.ones(1).expand(4)),
    "expand, unsqueeze": lambda: torch.ones(1).expand(BIG).unsqueeze(0).expand(4, -1),
    "unfold": lambda: torch.ones(5).unfold(0, MOST, 1),
    "frombuffer": lambda: torch.frombuffer(bytearray(8), dtype=torch.float32, count=BIG),
    "eye": lambda: torch.eye(2**32),
    "full": lambda: torch.full((2**32, 2**32), 1.0),
    "rand": lambda: torch.rand(2**32, 2**32),
    "new_zeros": lambda: torch.ones(1).new_zeros(2**32, 2**32),
}


@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED.keys())
def test_refused(call):
    with pytest.raises((RuntimeError, IndexError, ValueError, MemoryError), match="."):
        call()


def test_large_views_that_are_right():
    x = torch.ones(1)
    assert x.expand(2**40).numel() == 2**40
    assert x.expand(BIG).unflatten(0, (4, 2**60)).shape == (4, 2**60)
    assert x.expand(BIG).nbytes == 2**64
    assert torch.as_strided(torch.arange(10), (1,), (BIG,), 3).tolist() == [3]
    assert torch.as_strided(torch.arange(10), (2, 2), (4, 1), 1).tolist() == [[1, 2], [5, 6]]
    assert torch.as_strided(torch.arange(10), (0,), (BIG,), BIG).numel() == 0
    assert torch.zeros(0, 3).view(2, 0, 5).shape == (2, 0, 5)
    assert torch.empty_strided((2, 3), (3, 1)).stride() == (3, 1)
    assert torch.arange(4).view(2, -1).shape == (2, 2)


@pytest.mark.parametrize("step", [7, 2**40, BIG, MOST])
def test_steps_beyond_the_size(step):
    x = torch.arange(5)
    assert x[2::step].tolist() == [2]
    assert x[2:MOST:step].tolist() == [2]
    assert x[-(2**70) : 2**70 : step].tolist() == [0]
    assert x.unfold(0, 3, step).tolist() == [[0, 1, 2]]
    assert x[2::step].unsqueeze(0).unfold(1, 1, step).tolist() == [[[2]]]
    assert x[2::step].clone().tolist() == [2]
    assert (x[2::step] + 1).tolist() == [3]
    assert x.view(1, 5)[::step].view(torch.int32).shape == (1, 10)


def test_expand_of_the_wrong_size_is_never_read():
    """Products that add a tensor read it at the size of the result."""
    a, b = torch.ones(2, 3), torch.ones(3, 4)
    for n in (0, 2, 3, 5):
        for beta in (0, 1, 2):
            s = torch.ones(n)
            for call in (
                lambda: torch.addmm(s, a, b, beta=beta),  # noqa: B023
                lambda: torch.addmm(s[None], a, b, beta=beta),  # noqa: B023
                lambda: torch.addmm(torch.ones(1, 1, 4), a, b, beta=beta),  # noqa: B023
                lambda: torch.baddbmm(s, a[None], b[None], beta=beta),  # noqa: B023
                lambda: torch.baddbmm(torch.ones(1, 1, 1, 4), a[None], b[None], beta=beta),  # noqa: B023
                lambda: torch.addbmm(s, a[None], b[None], beta=beta),  # noqa: B023
                lambda: torch.addr(s, torch.ones(2), torch.ones(4), beta=beta),  # noqa: B023
                lambda: torch.addmv(torch.ones(n + 1 if n == 2 else n), a, torch.ones(3), beta=beta),  # noqa: B023
                lambda: torch.nn.functional.linear(a, b.t(), s),  # noqa: B023
                lambda: torch.addmm(s, a, b, beta=beta, out=torch.zeros(2, 4)),  # noqa: B023
            ):
                with pytest.raises(RuntimeError, match="size|expand|dimensions"):
                    call()
    assert torch.addmm(torch.arange(4.0), a, b).tolist() == [[3, 4, 5, 6]] * 2
    assert torch.addmm(torch.tensor(1.0), a, b).tolist() == [[4] * 4] * 2
