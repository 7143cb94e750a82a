"""Mistakes raise what they raise in PyTorch."""

import re

import pytest
import torch as reference

import rushlight as torch

# Kind and text are compared.
SAME_TEXT = """
torch.add(x, "s", alpha=2, beta=3)
torch.add(x, "s")
torch.add(x, 10**30)
torch.tensor(1 << 70)
torch.full((2,), 2**70)
torch.tensor([None])
torch.tanh("s")
torch.tanh(1)
torch.tanh()
torch.tanh(x, x)
torch.tanh(x, foo=1)
torch.tanh(x, input=x)
x.reshape("a")
torch.zeros("a")
torch.full((2,), 1, foo=2)
torch.transpose(x, "a", 1)
torch.permute(x, ("a",))
x.unsqueeze(None)
torch.unsqueeze(x)
torch.zeros(2, dtype="float32")
torch.zeros(2, device=1.5)
torch.tensor([[1, 2], [3]])
torch.tensor("a")
torch.tensor(["a"])
torch.from_numpy([1])
torch.tensor([1], dtype=torch.int64).requires_grad_()
x.view(5)
x.item()
x + torch.ones(4)
torch.ones(2, 3) + torch.ones(3, 2)
x.squeeze(7)
x.size(7)
x.transpose(0, 9)
bool(x)
bool(torch.tensor([]))
torch.tensor(300, dtype=torch.uint8)
torch.Size([1.5])
torch.ones(5, 0)[:, torch.tensor([0])]
torch.ones(0, 5)[torch.tensor([1]), torch.tensor([0])]
torch.nn.RNNCell(1, 2)(torch.ones(3, 1), torch.ones(3, 1))
torch.nn.LSTMCell(1, 2)(torch.ones(3, 1), (torch.ones(3, 1), torch.ones(3, 1)))
torch.nn.functional.unfold(torch.ones(1, 2, 5, 2), (2, 4), stride=3)
torch.nn.functional.bilinear(torch.ones(2, 3, dtype=torch.float64), torch.ones(2, 3), torch.ones(2, 3, 3))
torch.ones(1, dtype=torch.complex64, requires_grad=True).sum().backward()
"""

# Only the kind is.
SAME_KIND = """
x + "a"
x + None
"a" + x
x[object()]
torch.tensor(object())
torch.tensor([object()])
x.to("nowhere")
x.no_such_attribute
torch.no_such_function
x.shape = (1,)
x.dtype = torch.int8
torch.Tensor("a")
torch.Tensor(2, "a")
torch.set_default_dtype(torch.int32)
torch.set_default_dtype("float32")
torch.manual_seed("a")
torch.set_num_threads(0)
torch.arange(0, 5, 0)
torch.arange(5, 0)
torch.as_tensor("a")
torch.finfo(torch.int8)
torch.device("nonsense")
torch.zeros(2, names=1)
x.requires_grad_(3)
torch.ones(2, requires_grad=True).numpy()
torch.zeros(2).expand(3, 3)
torch.zeros(10**18, 10**18)
"""


def raised(module, statement):
    names = {"torch": module, "x": module.arange(6.0).reshape(2, 3)}
    try:
        exec(statement, names)
    except Exception as error:  # noqa: BLE001  every kind is compared
        return error
    return None


def lines(text):
    return [line for line in text.splitlines() if line]


@pytest.mark.parametrize("statement", lines(SAME_TEXT))
def test_same_text(statement):
    ours, theirs = raised(torch, statement), raised(reference, statement)
    assert type(ours) is type(theirs), (ours, theirs)
    said = re.sub(r"\.? Hint: .*", "", str(ours).splitlines()[0])  # what is said besides
    assert said == re.sub(r"\.? Hint: .*", "", str(theirs).splitlines()[0])


@pytest.mark.parametrize("statement", lines(SAME_KIND))
def test_same_kind(statement):
    ours, theirs = raised(torch, statement), raised(reference, statement)
    assert isinstance(ours, type(theirs)), (ours, theirs)


def test_invalid_combination_lists_the_overloads():
    with pytest.raises(TypeError) as error:
        torch.max(torch.ones(2), "a", "b", "c")
    text = str(error.value)
    assert text.startswith(
        "max() received an invalid combination of arguments - got (Tensor, str, str, str), but expected one of:"
    )
    assert " * (Tensor input, int dim, bool keepdim = False" in text


def test_internal_error_is_a_runtime_error():
    assert issubclass(torch.InternalError, RuntimeError)
