"""x[...] and x[...] = v as PyTorch has them."""

import numpy as np
import pytest
import torch as reference

import rushlight as torch

pytestmark = pytest.mark.filterwarnings("ignore:Using a non-tuple sequence")


def both(expression, **names):
    """The results of an expression with rushlight's and with PyTorch's `torch` and `x`, or their exceptions."""
    results = []
    for module in (torch, reference):
        x = module.arange(24).reshape(2, 3, 4)
        try:
            results.append(eval(expression, {"torch": module, "np": np, "x": x, **names}))
        except Exception as error:  # noqa: BLE001  every kind is compared
            results.append(error)
    return results


GOOD = """
x[0] | x[-1] | x[1, 2] | x[1, 2, 3] | x[:, 1] | x[..., 1] | x[0, ...] | x[...] | x[:] | x[1:] | x[:, 1:3] | x[:, ::2] | x[:, -2:] | x[:, 5:] | x[3:1]
x[None] | x[:, None] | x[..., None] | x[0, None, 1] | x[True] | x[False] | x[None, True]
x[torch.tensor([0, 1])] | x[[0, 1]] | x[[1]] | x[[[0, 1], [1, 0]]] | x[:, [0, 2]] | x[[0, 1], [1, 2]] | x[[0, 1], :, [1, 2]] | x[:, [0, 2], [1, 3]]
x[torch.tensor(1)] | x[torch.tensor([[0], [1]]), torch.tensor([0, 2])] | x[x > 5] | x[:, torch.tensor([True, False, True])] | x[torch.tensor([True, False])]
x[[True, False]] | x[np.array([0, 1])] | x[np.int64(1)] | x[:, np.array([True, False, True])] | x[0, [0, 1], None] | x[..., [0, 1]] | x[[]]
x[torch.tensor([], dtype=torch.int64)] | x[(0, 1)] | x[0][1][2] | x[torch.tensor([0, 1], dtype=torch.int32)] | x[np.array([[0, 1]])] | x[:, :, x[0, 0] > 1]
x[torch.tensor(True)] | x[slice(None), 1] | x[(slice(0, 1), Ellipsis)] | x[0:torch.tensor(1)] | x[range(2)]
len(x) | list(x) | 3 in x | 99 in x | [r.tolist() for r in x]
""".replace("\n", " | ").split(" | ")


@pytest.mark.parametrize("expression", [e.strip() for e in GOOD if e.strip()])
def test_get(expression):
    ours, theirs = both(expression)
    if isinstance(theirs, Exception):
        assert type(ours) is type(theirs), (ours, theirs)
        return
    assert not isinstance(ours, Exception), repr(ours)
    if isinstance(theirs, reference.Tensor):
        assert tuple(ours.shape) == tuple(theirs.shape)
        assert ours.tolist() == theirs.tolist()
        x = torch.arange(24).reshape(2, 3, 4)
        y = reference.arange(24).reshape(2, 3, 4)
        assert (eval(expression, {"torch": torch, "np": np, "x": x}).data_ptr() - x.data_ptr() in range(192)) == (
            eval(expression, {"torch": reference, "np": np, "x": y}).data_ptr() - y.data_ptr() in range(192)
        )
    elif not isinstance(theirs, list) or not isinstance(theirs[0], reference.Tensor):
        assert ours == theirs


BAD = """
x[2] | x[-3] | x[0, 3] | x[:, 0, 9] | x[0, 0, 0, 0] | x[..., 0, 0, 0, 0] | x["a"] | x[1.5] | x[::-1] | x[:, ::0] | x[[0, 5]] | x[torch.tensor([0.5])]
x[torch.tensor([True, False, True])] | x[[0, 1], [0, 1, 2]] | torch.tensor(1)[0] | len(torch.tensor(1)) | iter(torch.tensor(1)) | x[0, [0, 7]]
int(x) | bool(x) | float(torch.tensor([])) | hash(x) and x.foo
""".replace("\n", " | ").split(" | ")


@pytest.mark.parametrize("expression", [e.strip() for e in BAD if e.strip()])
def test_errors(expression):
    ours, theirs = both(expression)
    assert isinstance(theirs, Exception), theirs
    assert type(ours) is type(theirs), (ours, theirs)


@pytest.mark.parametrize("expression", ["x[2]", "x[-3]", "x[0, 3]", "x[0, 0, 0, 0]", "torch.tensor(1)[0]", "x[::-1]"])
def test_error_texts(expression):
    ours, theirs = both(expression)
    assert str(ours).split(". Hint: ")[0] == str(theirs)


SETS = """
x[0] = 7 | x[0, 1] = 7 | x[:, 1] = 5.0 | x[...] = 3 | x[:] = x + 1 | x[0] = x[1] | x[1, :, 2] = torch.tensor([7, 8, 9]) | x[x > 5] = 0
x[[0, 1], [1, 2]] = 50 | x[:, [0, 2]] = torch.tensor(9) | x[torch.tensor([0])] = torch.ones(1, 3, 4, dtype=torch.int64) | x[0] = torch.ones(1, 3, 4, dtype=torch.int64)
x[True] = 4 | x[False] = 4 | x[None] = 1 | x[:, :, 1:3] = 0 | x[0, 0, 0] = True | x[1, 1] = np.int64(3) | x[:, torch.tensor([True, False, True])] = -1
x[0] += 5 | x[0, 1:] *= 2 | x[x < 3] += 100 | x[:, 1, ::2] -= 1
""".replace("\n", " | ").split(" | ")


@pytest.mark.parametrize("statement", [s.strip() for s in SETS if s.strip()])
def test_set(statement):
    results = []
    for module in (torch, reference):
        x = module.arange(24).reshape(2, 3, 4)
        exec(statement, {"torch": module, "np": np, "x": x})
        results.append(x.tolist())
    assert results[0] == results[1]


@pytest.mark.parametrize(
    "statement",
    ["x[2] = 1", "x[0] = torch.ones(5)", "x[0] = 'a'", "x[0] = [1, 2, 3, 4]", "del x[0]", "x[x > 3] = torch.arange(3)"],
)
def test_set_errors(statement):
    kinds = []
    for module in (torch, reference):
        x = module.arange(24).reshape(2, 3, 4)
        with pytest.raises(Exception) as error:  # noqa: PT011
            exec(statement, {"torch": module, "x": x})
        kinds.append(error.type)
    assert kinds[0] is kinds[1]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dim", [0, 1, 2])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)], ids=str)
def test_positions_along_and_across_lanes_of_any_layout(order, dim, threads):
    """Dimensions of 16 and more are gone along whichever dimension the positions are for."""
    numpy = np.random.default_rng(dim)
    sizes = (5, 18, 20)
    moved = tuple(np.argsort(order))

    def laid_out(a):
        return [m.tensor(a).permute(order).contiguous().permute(moved) for m in (torch, reference)]

    x, y = laid_out(numpy.standard_normal(sizes)), laid_out(numpy.standard_normal(sizes))
    fewer = tuple(s if d == dim else s - 1 for d, s in enumerate(sizes))
    at = [i[: fewer[0], : fewer[1], : fewer[2]] for i in laid_out(numpy.integers(0, sizes[dim], sizes))]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for f in (
            lambda k: x[k].gather(dim, at[k]),
            lambda k: x[k].scatter_add(dim, at[k], y[k]),
            lambda k: x[k].scatter_reduce(dim, at[k], y[k], "amax"),
            lambda k: x[k].scatter(dim, at[k] * 0 + 1, 2.5),
            lambda k: x[k][at[k].reshape(-1)[:40] % 5],
            lambda k: x[k][x[k] > 0.5],
            lambda k: (x[k] > 0.5).nonzero(),
            lambda k: x[k].take(at[k]),
            lambda k: x[k].index_put((at[k][..., 0] % 5, at[k][..., 1] % 18), y[k][0, 0]),
        ):
            assert f(0).numpy() == pytest.approx(f(1).numpy(), rel=1e-12)
    finally:
        torch.set_num_threads(before)


def test_indices_at_and_past_the_ends():
    x = torch.arange(6)
    assert x[torch.tensor([-6, 5, 0])].tolist() == x.take(torch.tensor([-6, 5, 0])).tolist() == [0, 5, 0]
    for bad in (6, -7, 2**63 - 1, -(2**63)):
        with pytest.raises(IndexError, match=str(bad)):
            x[torch.tensor([0, bad])]
        with pytest.raises(IndexError, match=str(bad)):
            x.take(torch.tensor([0, bad]))
