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
