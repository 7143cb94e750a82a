"""The tensor object: construction, properties, identity, copying."""

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest
import torch as reference

import rushlight as torch


def test_first_words():
    t = torch.tensor([[1.0, -1.0], [1.0, -1.0]])
    assert repr(t) == "tensor([[ 1., -1.],\n        [ 1., -1.]])"
    assert t.dtype is torch.float32 and t.shape == (2, 2) and t.device == torch.device("cpu")
    assert torch.add(torch.tensor([1.0, 2.0]), 3).tolist() == [4.0, 5.0]


def test_legacy_constructor_makes_sizes_and_tensor_copies_data():
    assert torch.Tensor(2, 3).shape == (2, 3)
    assert torch.Tensor([2, 3]).tolist() == [2.0, 3.0]
    assert torch.tensor([2, 3]).dtype is torch.int64
    assert torch.LongTensor([1, 2]).dtype is torch.int64
    assert torch.Tensor().shape == (0,)


@pytest.mark.parametrize(
    "data",
    [
        1,
        1.5,
        True,
        1 + 2j,
        [],
        [[]],
        [1, 2.5],
        [True, 2],
        [[1, 2], [3, 4]],
        (1, (2,))[:1],
        [1j, 2.0],
        [np.float32(1)],
        [np.int8(3)],
    ],
)
def test_tensor_infers_dtype_and_shape(data):
    ours, theirs = torch.tensor(data), reference.tensor(data)
    assert str(ours.dtype) == str(theirs.dtype)
    assert tuple(ours.shape) == tuple(theirs.shape)
    assert ours.tolist() == theirs.tolist()


def test_view_shares_storage():
    a = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert a.view(4).storage().data_ptr() == a.storage().data_ptr()
    assert a.view(4)._base is a


def test_identity_and_attributes_survive():
    a = torch.zeros(2)
    v = a.view(2)
    a.mark = "kept"
    number = id(a)
    del a
    gc.collect()
    assert v._base.mark == "kept" and id(v._base) == number
    assert v._base is v._base
    w = weakref.ref(v._base)
    assert w() is v._base
    del v
    gc.collect()
    assert w() is None


def test_subclass_is_kept():
    class Marked(torch.Tensor):
        pass

    base = torch.zeros(3).as_subclass(Marked)
    view = base.view(3)
    del base
    assert type(view._base) is Marked or view._base is not None


def test_deepcopy_and_pickle():
    a = torch.arange(6.0).view(2, 3)
    b = copy.deepcopy(a.t())
    assert b.tolist() == a.t().tolist() and b.stride() == a.t().stride()
    c = pickle.loads(pickle.dumps(a))
    assert c.tolist() == a.tolist()
    for value in (torch.float32, torch.Size([1, 2]), torch.device("cpu"), torch.channels_last):
        assert pickle.loads(pickle.dumps(value)) == value


def test_arguments_in_every_form():
    x = torch.arange(6)
    assert x.view(2, 3).shape == x.view((2, 3)).shape == x.view([2, 3]).shape == x.view(torch.Size([2, 3])).shape
    assert torch.zeros(2, 3).shape == torch.zeros((2, 3)).shape == torch.zeros(size=(2, 3)).shape
    assert torch.add(input=x, other=x, alpha=2).tolist() == [0, 3, 6, 9, 12, 15]
    assert torch.where(x > 2, 1.0, x).dtype is torch.float32
    assert torch.mul(2, x).tolist() == (2 * x).tolist()
    out = torch.empty(6, dtype=torch.int64)
    assert torch.add(x, x, out=out) is out


def test_size():
    s = torch.Size([2, 3])
    assert repr(s) == "torch.Size([2, 3])" and s.numel() == 6 and isinstance(s[:1], torch.Size)
    assert isinstance(s + (1,), torch.Size) and s == (2, 3)


def test_operators_are_copied_and_pickled_by_name():
    for f in (torch.relu, torch._C._ops.add, torch.add):
        assert copy.deepcopy(f) is f and pickle.loads(pickle.dumps(f)) is f
    assert pickle.loads(pickle.dumps(torch.Tensor.add))(torch.ones(1), 1).item() == 2


def test_threads():
    from threading import Thread

    x = torch.arange(40000.0).reshape(200, 200)  # large enough that operators run without the interpreter's lock
    total, failures = x.sum().item(), []

    def work():
        for i in range(50):
            y = x + i
            y.mark = i
            if y.view(-1)._base is not y or (y - i).sum().item() != total or y.t()._base.mark != i:
                failures.append(i)

    threads = [Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures


def test_a_number_over_a_tensor_rounds_as_pytorch_does():
    values = [0.1 * k for k in range(1, 300)]
    assert (3.7 / torch.tensor(values)).tolist() == (3.7 / reference.tensor(values)).tolist()
    assert (1 / torch.tensor([1, 2, 3])).dtype == torch.float32
    x = torch.tensor([2.0], requires_grad=True)
    (3 / x).backward()
    assert x.grad.item() == -0.75


def test_fill_diagonal():

    for shape, wrap in (((3, 3), False), ((7, 3), False), ((7, 3), True), ((3, 7), True), ((2, 2, 2), False)):
        made = [m.zeros(shape).fill_diagonal_(5, wrap=wrap).tolist() for m in (torch, reference)]
        assert made[0] == made[1]
    x = torch.ones(2, 2, requires_grad=True)
    (x * 2).fill_diagonal_(0).sum().backward()
    assert x.grad.tolist() == [[0, 2], [2, 0]]
    with pytest.raises(RuntimeError, match="larger than 1"):
        torch.ones(2).fill_diagonal_(1)
    with pytest.raises(RuntimeError, match="equal length"):
        torch.ones(2, 3, 2).fill_diagonal_(1)


def test_numbers_before_tensors_as_pytorch_took_them_of_old():
    import warnings

    x, y, a, b = torch.ones(2, 2), torch.full((2, 2), 3.0), torch.rand(2, 2), torch.rand(2, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert torch.equal(x.clone().add_(0.5, y), x + 0.5 * y) and torch.equal(torch.sub(x, 2, y), x - 2 * y)
        assert torch.allclose(x.clone().addcmul_(0.5, a, b), x + 0.5 * a * b)
        assert torch.allclose(x.clone().addcdiv_(-0.1, a, y), x - 0.1 * a / y)
        assert torch.allclose(torch.addmm(2, x, 3, a, b), 2 * x + 3 * (a @ b))
        assert torch.allclose(x.addmm(2, a, b), 2 * x + a @ b)
        out = torch.empty(2, 2)
        assert torch.add(x, 0.5, y, out=out) is out and torch.equal(out, x + 0.5 * y)
    for wrong in (
        lambda: x.mul_(0.5, y),
        lambda: x.addcmul_(1, 2, a, b),
        lambda: torch.add(x, y, y),
    ):
        with pytest.raises(TypeError):
            wrong()
