"""Operators whose record has no gradient rule, and those that change a tensor's own shape."""

import pytest
import torch

import rushlight

BOTH = pytest.mark.parametrize("T", [rushlight, torch], ids=["rushlight", "torch"])

WITHOUT_RULE = {
    "unique": lambda T, x: T.unique(x),
    "unique_consecutive": lambda T, x: T.unique_consecutive(x, return_counts=True)[0],
    "bincount": lambda T, x: T.bincount(T.tensor([0, 1, 1]), x.reshape(-1)[:3]),
    "scatter": lambda T, x: x.scatter(0, T.tensor([[0, 1]]), T.ones(1, 2), reduce="multiply"),
    "scatter_": lambda T, x: (x * 1).scatter_(0, T.tensor([[0, 1]]), 2.0, reduce="add"),
}


@BOTH
@pytest.mark.parametrize("name", WITHOUT_RULE)
def test_an_operator_without_a_rule_says_so_in_backward(T, name):
    x = T.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    y = WITHOUT_RULE[name](T, x)
    assert y.requires_grad and not y.is_leaf
    with pytest.raises(RuntimeError, match=rf"derivative for '?(aten::)?_?{name}2?'? is not implemented"):
        y.sum().backward()
    assert not WITHOUT_RULE[name](T, x.detach()).requires_grad


@BOTH
def test_no_gradient_is_asked_for_where_there_is_none(T):
    x = T.rand(4, 3, requires_grad=True)
    for y in (
        *(x > 0.5, x.argmax(), x.isnan(), T.zeros_like(x), T.rand_like(x), x.new_ones(2), x.detach(), T.multinomial(x, 1)),
        *(x.count_nonzero(), T.bernoulli(x.detach()), T.searchsorted(x, x), x.sort().indices, x.unique(return_counts=True)[1]),
    ):  # fmt: skip
        assert not y.requires_grad
    (x * (x > 0.5) + T.zeros_like(x)).sum().backward()
    assert x.grad.tolist() == (x > 0.5).to(T.float32).tolist()


@BOTH
@pytest.mark.parametrize("of", ["both", "mean", "std"])
def test_normal_numbers_have_no_gradient(T, of):
    x = T.ones(3, requires_grad=True)
    y = {"both": lambda: T.normal(x, x), "mean": lambda: T.normal(x, 1.0), "std": lambda: T.normal(0.0, x)}[of]()
    y.sum().backward()
    assert x.grad.tolist() == [0, 0, 0]


OVERWRITTEN = {
    "clamp_": lambda y: y.clamp_(0.6, 1.2),
    "clamp_min_": lambda y: y.clamp_(min=0.6),
    "pow_": lambda y: y.pow_(1),
    "float_power_": lambda y: y.float_power_(2),
    "half_of_it": lambda y: y[0].clip_(0.6, 1.2),
    "comparison": lambda y: y.gt_(0.6),
}


@pytest.mark.parametrize("name", OVERWRITTEN)
def test_gradient_of_what_overwrites_its_argument(name):
    results = []
    for T in rushlight, torch:
        x = T.tensor([[0.3, 0.6], [0.2, 0.9]], dtype=T.float64, requires_grad=True)
        y = x * 1.5
        version = y._version
        OVERWRITTEN[name](y)
        (y * y).sum().backward()
        results.append((y.tolist(), x.grad.tolist(), y._version - version))
    assert results[0] == results[1]


SHAPED = {
    "squeeze_": lambda t: t.unsqueeze(0).clone().squeeze_(),
    "squeeze_dim": lambda t: t[:, None].clone().squeeze_(1),
    "squeeze_nothing": lambda t: t.squeeze_(0),
    "unsqueeze_": lambda t: t.unsqueeze_(1),
    "transpose_": lambda t: t.transpose_(-1, 0),
    "swapaxes_": lambda t: t.swapaxes_(0, 1),
    "t_": lambda t: t.t_(),
    "twice": lambda t: t.t_().unsqueeze_(0).mul_(2).squeeze_(0),
}


@pytest.mark.parametrize("name", SHAPED)
@pytest.mark.parametrize("view", [False, True])
def test_gradient_of_a_tensor_that_changed_its_shape(name, view):
    results = []
    for T in rushlight, torch:
        x = T.arange(6.0).reshape(2, 3).requires_grad_()
        base = x * 2
        y = SHAPED[name](base[:, 1:] if view else base)
        weight = T.arange(float(y.numel())).reshape(y.shape)
        ((y * y * weight).sum() + base.sum()).backward()
        results.append((tuple(y.shape), tuple(base.shape), x.grad.tolist()))
    assert results[0] == results[1]


@BOTH
def test_a_leaf_does_not_change_its_shape_under_the_graph(T):
    x = T.ones(1, 2, requires_grad=True)
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad is being used in an in-place operation"):
        x.squeeze_()
    with T.no_grad():
        x.squeeze_()
    assert x.shape == (2,)
    with pytest.raises(
        RuntimeError, match=r"\[2, 3\]\], which is output 0 of Exp.* is at version 4; expected version 0"
    ):
        T.ones(2, 3, requires_grad=True).exp().t_().t_().unsqueeze_(0).squeeze_(0).sum().backward()


PIECEWISE_LINEAR = {
    "hardtanh": lambda T, x: T.nn.functional.hardtanh(x),
    "relu6": lambda T, x: T.nn.functional.relu6(x),
    "leaky_relu": lambda T, x: T.nn.functional.leaky_relu(x),
    "hardshrink": lambda T, x: T.nn.functional.hardshrink(x),
    "softshrink": lambda T, x: T.nn.functional.softshrink(x),
    "relu": lambda T, x: T.relu(x),
    "threshold": lambda T, x: T.nn.functional.threshold(x, 0.1, 0.0),
}


@BOTH
@pytest.mark.parametrize("name", PIECEWISE_LINEAR)
def test_a_piecewise_linear_function_has_the_second_derivative_0(T, name):
    x = T.tensor([-2.0, -0.3, 0.2, 0.7, 3.0], requires_grad=True)
    y = PIECEWISE_LINEAR[name](T, x)
    (first,) = T.autograd.grad(y.sum(), x, create_graph=True)
    (second,) = T.autograd.grad(first.sum(), x)
    assert second.tolist() == [0.0] * 5


@BOTH
def test_unfold_is_differentiated_twice(T):
    x = T.arange(5.0).requires_grad_()
    (first,) = T.autograd.grad((x.unfold(0, 3, 1) ** 3).sum(), x, create_graph=True)
    (second,) = T.autograd.grad((first * T.arange(5.0)).sum(), x)
    assert first.tolist() == [0.0, 6.0, 36.0, 54.0, 48.0]
    assert second.tolist() == [0.0, 12.0, 72.0, 108.0, 96.0]


@BOTH
def test_as_strided_in_place_has_a_gradient(T):
    x = T.arange(6.0).requires_grad_()
    y = (x * 2).as_strided_((2, 2), (1, 2), 1)
    (y * T.tensor([[1.0, 2.0], [3.0, 4.0]])).sum().backward()
    assert x.grad.tolist() == [0.0, 2.0, 6.0, 4.0, 8.0, 0.0]


@BOTH
def test_moments_of_a_normalisation_take_no_gradient(T):
    x = T.rand(4, 3, requires_grad=True)
    layer = T.native_layer_norm(x, (3,), None, None, 1e-5)
    batch = T.native_batch_norm(x, None, None, None, None, True, 0.1, 1e-5)
    assert [t.requires_grad for t in (*layer, *batch)] == [True, False, False] * 2


# What shows some elements of a tensor adds its gradient to those elements of what came before it.
PARTS = {
    "rows": lambda T, x: sum((k + 1) * r.exp().sum() for k, r in enumerate(x.unbind())),
    "rows, one twice": lambda T, x: (x[1] * x[-1]).sum() + (x[1] * x[0]).sum(),
    "columns": lambda T, x: sum((c * k).sum() for k, c in enumerate(x.unbind(1))),
    "pieces": lambda T, x: sum((p**2).sum() for p in x.split([1, 3])),
    "steps": lambda T, x: (x[::2] * x[1::2]).sum() + x[:, -3::2].prod() + x[3:3].sum(),
    "a diagonal": lambda T, x: (x.diagonal() * x.diagonal(1, 1, 0)[:3].sum()).sum() + x[2].sum(),
    "windows": lambda T, x: x.flatten().unfold(0, 6, 5).exp().sum() + x.flatten()[3:9].exp().sum(),
    "rows and all": lambda T, x: (x * 3).sum() + x[0].sum() + (x * x[2]).sum(),
    "parts of parts": lambda T, x: sum(v * k for k, v in enumerate(e for r in (x * 2).unbind() for e in r.unbind())),
    "strides": lambda T, x: x.as_strided((2, 2), (5, 1), 1).sum() + x.as_strided((2, 2), (1, 1), 0).prod(),
    "complex": lambda T, x: sum(r.abs().sum() for r in T.complex(x, x * 2).unbind()),
    "a view of another dtype": lambda T, x: T.view_as_real(T.complex(x, x * 2))[..., 0].exp().sum() + x[1].sum(),
    "a step of a recurrence": lambda T, x: (
        __import__("functools").reduce(lambda h, r: (h * r).tanh() + r, x.unbind()).sum()
    ),
}


@BOTH
@pytest.mark.parametrize("name", PARTS)
def test_gradients_of_parts_add_up(T, name):
    """Against numbers: each element's gradient is what moving it does."""
    values = torch.arange(20, dtype=torch.float64).reshape(4, 5).mul(0.37).add(0.2).sin().tolist()
    x = T.tensor(values, dtype=T.float64, requires_grad=True)
    y = (PARTS[name](T, x),)
    (g,) = T.autograd.grad(y, x, retain_graph=True)
    h = 1e-6
    for i in range(4):
        for j in range(5):
            ends = []
            for move in (h, -h):
                moved = T.tensor(values, dtype=T.float64)
                moved[i, j] += move
                ends.append(PARTS[name](T, moved).item())
            assert g[i, j].item() == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-5, abs=1e-7)
    (again,) = T.autograd.grad(y, x, create_graph=True)
    assert (again - g).abs().max() < 1e-12
    T.autograd.gradgradcheck(lambda x: PARTS[name](T, x), x)


@BOTH
def test_gradients_that_somebody_holds_stay_as_they_are_while_parts_are_added(T):
    x = T.ones(3, 2, requires_grad=True)
    y = x * 1
    seen = []
    y.register_hook(lambda g: seen.append(g))
    y.retain_grad()
    given = T.full((3, 2), 5.0)
    T.autograd.backward([y, y[0].sum(), y[1].sum()], [given, None, None])
    assert given.tolist() == [[5.0, 5.0]] * 3
    assert y.grad.tolist() == x.grad.tolist() == seen[0].tolist() == [[6.0, 6.0], [6.0, 6.0], [5.0, 5.0]]
    rows = x.unbind()
    rows[0].sum().backward()
    kept = x.grad
    before = kept.clone()
    rows[1].sum().backward()
    assert kept is x.grad and (kept - before).tolist() == [[0.0, 0.0], [1.0, 1.0], [0.0, 0.0]]
