"""Version counters: what shares one, and what starts its own."""

import pytest

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
