"""Version counters: what shares one, and what starts its own."""

import pytest
import torch

import rushlight as rl


def test_views_of_data_count_with_it_alone():
    x = rl.ones(3, 4)
    d = x.data
    row, column = d[0], d.t()[1]
    row.add_(1)
    d[1] = 5
    assert (x._version, d._version, row._version, column._version) == (0, 2, 2, 2)
    column.mul_(2)
    with rl.no_grad():
        d.view(12)[3:5].zero_()
    d.detach().add_(1)
    assert (x._version, x[0]._version, d._version, row._version) == (0, 0, 5, 5)
    x.data[0] = 7
    assert (x._version, d._version) == (0, 5)
    assert x[0].tolist() == [7, 7, 7, 7]


def test_data_of_data_starts_again():
    x = rl.ones(2)
    d = x.data
    d.add_(1)
    again = d.data
    assert again._version == 0
    again.add_(1)
    assert (x._version, d._version, again._version) == (0, 1, 1)


@pytest.mark.parametrize("lib", [rl, torch])
def test_resizing_counts_where_sizes_change(lib):
    x = lib.zeros(2, 3)
    y = (x.clone().requires_grad_() * x).sum()
    x.resize_(2, 3).resize_as_(lib.ones(2, 3))
    y.backward()  # x was saved, and is as it was
    assert x._version == 0
    assert x.resize_(3, 2)._version == 1
    assert x.resize_as_(lib.ones(7))._version == 2
    assert x.resize_(0).resize_(0)._version == 3
    t = lib.zeros(1, 2, 3, 3).resize_((1, 2, 3, 3), memory_format=lib.channels_last)
    assert (t._version, t.stride(1)) == (0, 1)


def test_detach_and_views_count_with_the_tensor():
    x = rl.ones(3, 4)
    x.detach().add_(1)
    x[0].add_(1)
    x.detach()[1].add_(1)
    assert x._version == 3


def test_backward_sees_writes_to_views_but_not_to_data():
    w = rl.tensor([[1.0, 2.0]], requires_grad=True)
    y = w * w
    w.data[0] = 3
    y.sum().backward()
    assert w.grad.tolist() == [[6, 6]]
    y = w * w
    with rl.no_grad():
        w[0].add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
    d = (w * 2).data
    v = d.view(2)
    u = v.requires_grad_() * 1
    out = u * u
    with rl.no_grad():
        u.data[0] = 9
    out.sum().backward()
    assert v.grad is not None


def test_pieces_that_are_no_views_have_versions_of_their_own():
    results = []
    for fw in (rl, torch):
        for cut in (
            lambda t: t.unsafe_split(2),
            lambda t: t.unsafe_split_with_sizes([2, 2]),
            lambda t: t.unsafe_chunk(2),
        ):
            x = fw.arange(4.0).requires_grad_()
            whole = x * 1
            a, b = cut(whole)
            a.mul_(b)  # keeps b, which no write to a concerns
            (a.sum() + b.sum()).backward()
            results.append((a._is_view(), a._base, a._version, b._version, whole._version, x.grad.tolist()))
    assert results[:3] == results[3:] and results[0][5] == [2, 3, 1, 2]


def test_a_tensor_of_other_memory_has_changed():
    for fw in (rl, torch):
        x, w = fw.ones(2), fw.ones(2, requires_grad=True)
        x.zero_()
        y = x * w
        x.set_(fw.full((2,), 5.0))
        assert x._version == 2
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            y.sum().backward()


@pytest.mark.parametrize("lib", [rl, torch])
def test_mark_dirty_counts_as_a_write(lib):
    class Marks(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, g):
            return g

    x = lib.ones(2, requires_grad=True).clone()
    plain = lib.ones(2)
    Marks.apply(x)
    Marks.apply(plain)
    assert (x._version, plain._version) == (1, 1)
