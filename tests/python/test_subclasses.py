"""Subclasses of Tensor: what operators over them give is of their class."""

import copy
import gc

import pytest
import rushlight.nn.functional as F

import rushlight as rl


class Mine(rl.Tensor):
    pass


class Closer(Mine):
    pass


def mine(cls=Mine):
    return rl.arange(6.0).reshape(2, 3).as_subclass(cls)


plain = rl.ones(2, 3)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x[0],
        lambda x: x[0, 1],
        lambda x: x[:, None],
        lambda x: x[...],
        lambda x: x[None],
        lambda x: x[x > 2],
        lambda x: plain[x > 2],
        lambda x: plain[0, (x[0] * 0).long()],
        lambda x: x > 2,
        lambda x: plain == x,
        lambda x: 2 < x,
        lambda x: ~(x > 2),
        lambda x: (x > 1) & (x < 4),
        lambda x: x**2,
        lambda x: 2**x,
        lambda x: x.__ipow__(2),
        lambda x: x.pow_(2),
        lambda x: rl.cat([x, x]),
        lambda x: rl.cat(tensors=(plain, x), dim=1),
        lambda x: rl.stack([plain, x]),
        lambda x: rl.einsum("ij,kj->ik", plain, x),
        lambda x: F.relu(x),
        lambda x: F.linear(plain, x),
        lambda x: F.interpolate(x[None], scale_factor=2.0),
        lambda x: F.conv1d(x[None], rl.ones(1, 2, 1)),
        lambda x: F.cross_entropy(x, rl.tensor([0, 1])),
        lambda x: rl.add(plain, other=x),
        lambda x: plain @ x.T,
        lambda x: x.T,
        lambda x: x.mT,
        lambda x: x.data,
        lambda x: x.double(),
        lambda x: x.to(rl.float64),
        lambda x: x.new_tensor([1.0]),
        lambda x: next(iter(x)),
        lambda x: x.max(0).values,
        lambda x: rl.sort(x)[1],
        lambda x: x.split(1)[1],
        lambda x: rl.broadcast_tensors(x, plain)[1],
        lambda x: rl.complex(x, x).real,
    ],
)
def test_results_keep_the_class(f):
    assert type(f(mine())) is Mine


def test_values_and_gradients_are_those_of_the_tensor():
    x = mine().requires_grad_()
    y = (x[0] ** 2).sum() + x.max(1).values.sum()
    assert type(y) is Mine
    y.backward()
    assert x.grad.tolist() == [[0, 2, 5], [0, 0, 1]]


def test_the_most_derived_class_wins():
    for f in [rl.add, rl.mul, lambda a, b: rl.cat([a, b]), lambda a, b: a == b, lambda a, b: a + b]:
        assert type(f(mine(), mine(Closer))) is Closer
        assert type(f(mine(Closer), mine())) is Closer


def test_named_results_keep_their_type():
    found = mine().max(0)
    assert type(found) is type(plain.max(0))
    assert [type(t) for t in found] == [Mine, Mine]


def test_parameters_and_plain_tensors_give_plain_ones():
    p = rl.nn.Parameter(rl.ones(2, 3))
    for t in [p[0], p > 0, rl.cat([p, p]), p.T, p.data, p.double(), plain[0], rl.stack([plain]), p + plain]:
        assert type(t) is rl.Tensor
    assert type(p + mine()) is Mine


def test_slots_of_a_subclass_stay_with_the_tensor():
    class Wraps(rl.Tensor):
        __slots__ = ["inner"]

        @staticmethod
        def __new__(cls, inner):
            made = rl.Tensor._make_wrapper_subclass(cls, inner.shape, dtype=inner.dtype)
            made.inner = inner
            return made

        @classmethod
        def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
            def inner(v):
                return v.inner if isinstance(v, cls) else v

            out = func(*map(inner, args), **{k: inner(v) for k, v in (kwargs or {}).items()})
            return cls(out) if isinstance(out, rl.Tensor) else out

    x = Wraps(rl.tensor([1.0, 2.0])).requires_grad_()
    y = x.exp().sum()  # the node keeps the first result, whose object is gone
    holder = [y]
    holder.append(holder)
    gc.collect()
    (g,) = rl.autograd.grad(y, x, create_graph=True)
    assert rl.allclose(g.inner, rl.tensor([1.0, 2.0]).exp())
    freed = []

    class Noticed:
        def __del__(self):
            freed.append(1)

    Wraps(rl.ones(1)).inner = Noticed()
    assert freed == [1]


def test_slots_of_a_subclass_are_copied_too():
    class Wrapper(rl.Tensor):
        __slots__ = ["inner", "unset"]

        @staticmethod
        def __new__(cls, inner):
            made = rl.Tensor._make_subclass(cls, inner.to("meta"))
            made.inner = inner
            return made

    given = Wrapper(rl.ones(2))
    made = copy.deepcopy(given)
    assert type(made) is Wrapper and made.inner is not given.inner and made.inner.tolist() == [1, 1]
    assert not hasattr(made, "unset")


class Elsewhere(rl.Tensor):
    """Keeps its values in another tensor."""

    @staticmethod
    def __new__(cls, inner, requires_grad=False):
        return rl.Tensor._make_wrapper_subclass(cls, inner.shape, dtype=inner.dtype, requires_grad=requires_grad)

    def __init__(self, inner, requires_grad=False):
        self.inner = inner

    def __repr__(self):
        return super().__repr__(tensor_contents=f"inner={self.inner.tolist()}")

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        bare = [a.inner if isinstance(a, cls) else a for a in args]
        out = func(*bare, **(kwargs or {}))
        return cls(out) if isinstance(out, rl.Tensor) else out


def test_text_of_a_class_that_keeps_its_values_elsewhere():
    x = Elsewhere(rl.ones(2, dtype=rl.int32))
    assert repr(x) == "Elsewhere(inner=[1, 1], dtype=torch.int32)"
    assert repr(rl.nn.Parameter(Elsewhere(rl.ones(1)))) == "Parameter(Elsewhere(inner=[1.0], requires_grad=True))"
    assert repr(rl.ones(2)) == "tensor([1., 1.])"


def test_a_copy_of_a_parameter_that_keeps_its_values_elsewhere_is_one():
    copied = copy.deepcopy(rl.nn.Parameter(Elsewhere(rl.ones(2))))
    assert isinstance(copied, rl.nn.Parameter) and copied.requires_grad and copied.inner.tolist() == [1, 1]


def test_parametrization_of_values_elsewhere():
    class Doubled(rl.nn.Module):
        def forward(self, x):
            return x * 2

    layer = rl.nn.Linear(2, 2)
    layer.weight = rl.nn.Parameter(Elsewhere(rl.ones(2, 2)))
    rl.nn.utils.parametrize.register_parametrization(layer, "weight", Doubled())
    assert layer.weight.inner.tolist() == [[2, 2], [2, 2]]
    rl.nn.utils.parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
    assert layer.weight.inner.tolist() == [[2, 2], [2, 2]]


@pytest.mark.parametrize("of", [rl.to_dlpack, lambda t: memoryview(t.numpy())])
def test_asarray_copies_capsules_and_buffers(of):
    x = rl.arange(3.0)
    y = rl.asarray(of(x), copy=True)
    x.zero_()
    assert y.tolist() == [0, 1, 2]


def test_operators_that_read_values_refuse_tensors_that_keep_them_elsewhere():
    class Elsewhere(rl.Tensor):
        @staticmethod
        def __new__(cls):
            return rl.Tensor._make_wrapper_subclass(cls, (2,), dtype=rl.int64)

        @classmethod
        def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
            raise ValueError(f"asked of {func}")

    for call in (rl.tensor_split, rl._reshape_from_tensor):
        with pytest.raises(RuntimeError, match="doesn't have storage"):
            call(rl.ones(6), Elsewhere())
