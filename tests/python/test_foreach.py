"""Operators over lists of tensors, against PyTorch's."""

import pytest
import torch as pytorch

import rushlight as torch

UNARY = (
    "abs acos asin atan ceil cos cosh erf erfc exp expm1 floor frac lgamma log log10 log1p log2 neg reciprocal round rsqrt sigmoid "
    "sign sin sinh sqrt tan tanh trunc"
).split()
BINARY = "add sub mul div clamp_max clamp_min maximum minimum pow".split()


def lists(fw, n=3):
    made = []
    for k in range(n):
        fw.manual_seed(k)
        made.append([fw.rand(2) + 0.5, fw.rand(2, 3) + 0.5])
    return made


def same(name, call):
    ours, theirs = (call(getattr(fw, name), fw) for fw in (torch, pytorch))
    for a, b in zip(ours, theirs, strict=True):
        assert (
            a.tolist() == pytest.approx(b.tolist(), rel=1e-5, abs=1e-6)
            if a.dim() < 2
            else pytorch.allclose(pytorch.tensor(a.tolist()), b, rtol=1e-5, atol=1e-6, equal_nan=True)
        )


@pytest.mark.parametrize("own", UNARY)
def test_unary(own):
    def call(f, fw):
        x = [t / 3 for t in lists(fw, 1)[0]]
        done = getattr(fw, f"_foreach_{own}_")(x2 := [t.clone() for t in x])
        return [*f(x), *x2, *(done or ())]

    same(f"_foreach_{own}", call)


@pytest.mark.parametrize("own", BINARY)
def test_binary(own):
    def call(f, fw):
        x, y, _ = lists(fw)
        fresh = [t.clone() for t in x]
        getattr(fw, f"_foreach_{own}_")(fresh, 2.0)
        found = [*f(x, 2), *f(x, [1.5, 2.0]), *f(x, y), *fresh]
        if own in ("add", "sub"):
            found += f(x, y, alpha=3)
        if own in ("add", "mul", "div"):
            found += f(x, fw.tensor(3.0))
        if own == "pow":
            found += f(2.0, x)
        return found

    same(f"_foreach_{own}", call)


@pytest.mark.parametrize("own", ["addcdiv", "addcmul"])
def test_ternary(own):
    def call(f, fw):
        x, y, z = lists(fw)
        getattr(fw, f"_foreach_{own}_")(fresh := [t.clone() for t in x], y, z, 2.0)
        return [*f(x, y, z), *f(x, y, z, value=2), *f(x, y, z, [1.0, 2.0]), *f(x, y, z, fw.tensor([1.0, 2.0])), *fresh]

    same(f"_foreach_{own}", call)


def test_lerp_and_the_rest():
    def lerp(f, fw):
        x, y, z = lists(fw)
        fw._foreach_lerp_(fresh := [t.clone() for t in x], y, weight=0.25)
        return [*f(x, y, 0.5), *f(x, y, z), *f(x, y, [0.1, 0.2]), *fresh]

    same("_foreach_lerp", lerp)
    for name in ("_foreach_norm", "_foreach_max", "_foreach_powsum", "_foreach_clone"):
        same(name, lambda f, fw: f(lists(fw, 1)[0]))
    same("_foreach_norm", lambda f, fw: f(lists(fw, 1)[0], 1))
    same("_foreach_mm", lambda f, fw: f([fw.ones(2, 3)], [fw.ones(3, 2)]))
    x, y, _ = lists(torch)
    torch._foreach_copy_(x, y)
    assert torch.equal(x[1], y[1]) and torch._foreach_zero_(x) is x and not x[1].any()
    w = torch.ones(2, requires_grad=True)
    torch._foreach_mul([w], 3)[0].sum().backward()
    assert w.grad.tolist() == [3.0, 3.0]


@pytest.mark.parametrize("fw", [torch, pytorch])
def test_mistakes(fw):
    a = [fw.ones(2), fw.ones(3)]
    for call in (
        lambda: fw._foreach_add(a, [a[0]]),
        lambda: fw._foreach_add([], 1),
        lambda: fw._foreach_exp([]),
        lambda: fw._foreach_add(a, [1.0]),
        lambda: fw._foreach_add(a, fw.ones(2)),
        lambda: fw._foreach_addcmul(a, a, a, [1.0]),
    ):
        with pytest.raises(RuntimeError):
            call()
    with pytest.raises(TypeError):
        fw._foreach_add(3, 1)
    with pytest.raises(AttributeError):
        getattr(fw, "_foreach_nothing")  # noqa: B009
