"""autograd.forward_ad against PyTorch, and the further tools of torch.func."""

import pytest
import rushlight.autograd.forward_ad as ours
import torch
import torch.autograd.forward_ad as theirs

import rushlight as rl

FUNCTIONS = {
    "sin": lambda t, x: x.sin(),
    "product": lambda t, x: x @ x.t(),
    "sum": lambda t, x: x.sum(),
    "constant": lambda t, x: t.ones(3),
    "itself": lambda t, x: x,
    "view": lambda t, x: x.view(-1)[1:],
    "linear": lambda t, x: x * 2 + 1,
    "detached": lambda t, x: x.detach(),
    "step": lambda t, x: (x > 0.5).float() * x,
    "softmax": lambda t, x: t.softmax(x, 0),
    "cat": lambda t, x: t.cat([x, x.exp()]),
    "layer_norm": lambda t, x: t.nn.functional.layer_norm(x, (4,)),
    "conv": lambda t, x: t.nn.functional.conv1d(x[None], t.ones(2, 3, 2)),
    "max": lambda t, x: x.max(0)[0],
    "logcumsumexp": lambda t, x: x.logcumsumexp(0),
    "norm": lambda t, x: x.norm(3),
    "cumprod": lambda t, x: x.cumprod(1),
    "in place": lambda t, x: x.mul_(3).add_(1),
    "integers": lambda t, x: (x * 10).long(),
}


def both(f):
    results = []
    for t, ad in ((torch, theirs), (rl, ours)):
        t.manual_seed(0)
        results.append([None if r is None else r.detach().numpy() for r in f(t, ad)])
    for a, b in zip(*results, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            assert a.dtype == b.dtype and a == pytest.approx(b, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_tangents(name):
    def f(t, ad):
        x, v = t.rand(3, 4), t.rand(3, 4)
        with ad.dual_level():
            return ad.unpack_dual(FUNCTIONS[name](t, ad.make_dual(x, v)))

    both(f)


def test_the_other_ways_to_the_same_product():
    def f(t, ad):
        x, v = t.rand(3, 4), t.rand(3, 4)
        g = lambda x: x.logcumsumexp(0)  # noqa: E731
        return t.func.jvp(g, (x,), (v,))[1], t.func.linearize(g, x)[1](v)

    both(f)
    x, v = rl.rand(3), rl.rand(3)  # of which PyTorch's autograd.functional makes NaN
    expected = rl.func.jvp(lambda x: x.logcumsumexp(0), (x,), (v,))[1]
    assert rl.allclose(rl.autograd.functional.jvp(lambda x: x.logcumsumexp(0), x, v)[1], expected)


def test_several_duals_and_gradients_of_tangents():
    def f(t, ad):
        x, v, y = t.rand(3).requires_grad_(), t.rand(3), t.rand(3)
        with ad.dual_level():
            primal, tangent = ad.unpack_dual((ad.make_dual(x, v) ** 3 * ad.make_dual(y, t.ones(3))).sum())
            return (primal, tangent, *t.autograd.grad(tangent, x))

    both(f)


def test_modules_with_dual_parameters():
    def f(t, ad):
        model, x = t.nn.Linear(3, 2), t.rand(4, 3)
        tangents = {n: t.rand_like(p) for n, p in model.named_parameters()}
        with ad.dual_level():
            for n, p in list(model.named_parameters()):
                delattr(model, n)
                setattr(model, n, ad.make_dual(p, tangents[n]))
            return ad.unpack_dual(model(x))

    both(f)


def test_outside_of_a_level():
    x = rl.ones(2)
    assert ours.unpack_dual(x).tangent is None
    with pytest.raises(RuntimeError, match="dual_level"):
        ours.make_dual(x, x)
    with ours.dual_level():
        dual = ours.make_dual(x, x)
        with pytest.raises(RuntimeError, match="Nested forward mode AD"):
            ours.enter_dual_level()
        with pytest.raises(RuntimeError, match="different size or dtype"):
            ours.make_dual(x, rl.ones(3))
        with pytest.raises(ValueError, match="Expected primal to be floating point"):
            ours.make_dual(rl.ones(2, dtype=rl.int64), x)
        with pytest.raises(TypeError, match="tangent to be a Tensor"):
            ours.make_dual(x, 1.0)
        with pytest.raises(RuntimeError, match="dual of this level"):
            ours.make_dual(dual, x)
    assert ours.unpack_dual(dual).tangent is None
    with pytest.raises(RuntimeError, match="exit a forward AD level"):
        ours.exit_dual_level()


@pytest.mark.parametrize("transform", ["jacrev", "jacfwd", "hessian"])
def test_jacobians_of_single_numbers(transform):
    both(lambda t, ad: [getattr(t.func, transform)(lambda x: x**3)(t.tensor(2.0))])
    both(lambda t, ad: [getattr(t.func, transform)(lambda x: x.prod())(t.rand(3))])


def test_linearize():
    def f(t, ad):
        value, push = t.func.linearize(lambda x, d: {"y": (x * d["z"]).sin()}, t.rand(3), {"z": t.rand(3)})
        one = push(t.ones(3), {"z": t.rand(3)})
        columns = t.func.vmap(t.func.linearize(lambda x: x**3, t.arange(3.0))[1])(t.eye(3))
        return value["y"], one["y"], columns

    both(f)
    _, push = rl.func.linearize(rl.sin, rl.ones(2))
    with pytest.raises(RuntimeError, match="same argspec"):
        push(rl.ones(2), rl.ones(2))
    with pytest.raises(RuntimeError, match="shape"):
        push(rl.ones(3))
    with pytest.raises(RuntimeError, match="to be Tensors"):
        rl.func.linearize(rl.sin, 1.0)


@pytest.mark.parametrize(
    ("pattern", "shape", "sizes"),
    [
        ("b c (h w) -> b (c h) w", (2, 3, 8), {"h": 2}),
        ("... a b -> ... (b a)", (2, 3, 4), {}),
        ("b ... -> ... b", (2, 3, 4), {}),
        ("(a b) c -> a (b c)", (6, 2), {"a": 3}),
        ("a b -> (a b)", (2, 3), {}),
        ("a -> a 1", (3,), {}),
    ],
)
def test_rearrange(pattern, shape, sizes):
    both(lambda t, ad: [t.func.rearrange(t.arange(torch.tensor(shape).prod().item()).reshape(shape), pattern, **sizes)])


def test_rearrange_of_lists_and_mistakes():
    both(lambda t, ad: [t.func.rearrange([t.ones(2), t.zeros(2)], "a b -> b a")])
    assert rl.func.rearrange(rl.ones(2, 1, 3), "a 1 b -> b a").shape == (3, 2)
    x = rl.ones(2, 2)
    for pattern, text in (
        ("a b -> b", "same names"),
        ("a a -> a", "twice"),
        ("a (b -> a b", r"without '\)'"),
        ("a b c -> a b c", "dimensions"),
        ("a b", "one '->'"),
        ("(c d) b -> c d b", "does not fit"),
    ):
        with pytest.raises(ValueError, match=text):
            rl.func.rearrange(x, pattern)


def test_tools_for_modules_and_levels():
    model = rl.nn.Sequential(rl.nn.Conv2d(1, 2, 1), rl.nn.BatchNorm2d(2))
    assert rl.func.replace_all_batch_norm_modules_(model) is model
    assert model[1].running_mean is None and not model[1].track_running_stats
    assert rl.func.vmap(model, randomness="error")(rl.rand(3, 2, 1, 4, 4)).shape == (3, 2, 2, 4, 4)
    seen = []

    def f(x):
        seen.append(rl.func.debug_unwrap(x))
        return rl.func.grad(lambda y: (seen.append(rl.func.debug_unwrap(y, recurse=False)), y.sum())[1])(x)

    rl.func.vmap(f)(rl.ones(2, 3))
    assert seen[0].shape == (2, 3) and seen[1].shape == (3,)
    assert rl.func.debug_unwrap(seen[0]) is seen[0]


def test_a_dual_tensor_prints_its_tangent():
    def texts(fw, ad):
        with ad.dual_level():
            x = ad.make_dual(fw.tensor([1.0, 2.0]), fw.tensor([3.0, 4.0]))
            return repr(x), str(x * 2), repr(fw.ones(2))

    assert texts(rl, ours) == texts(torch, theirs)


def test_tensors_of_inference_mode_are_duals_too():
    with rl.inference_mode(), ours.dual_level():
        dual = ours.make_dual(rl.ones(2), rl.full((2,), 3.0))
        assert ours.unpack_dual(dual).tangent.tolist() == [3, 3]


def test_tangents_can_be_switched_off():
    fw = rl.autograd.forward_ad
    with fw.dual_level():
        with fw._set_fwd_grad_enabled(False):
            assert not rl._C._is_fwd_grad_enabled()
            assert fw.unpack_dual(fw.make_dual(rl.ones(2), rl.ones(2))).tangent is None
        assert fw.unpack_dual(fw.make_dual(rl.ones(2), rl.ones(2))).tangent is not None


def test_writing_to_a_dual_writes_to_its_primal():
    x = rl.ones(2)
    with ours.dual_level():
        dual = ours.make_dual(x, rl.full((2,), 3.0))
        dual.mul_(2)
        assert x.tolist() == [2, 2] and ours.unpack_dual(dual).tangent.tolist() == [6, 6]


def test_a_function_whose_jvp_gives_a_tangent_to_what_has_none():
    class Both(rl.autograd.Function):
        @staticmethod
        def forward(ctx, x, whole):
            out = x.clone()
            ctx.mark_non_differentiable(out)
            return x.clone(), out

        @staticmethod
        def jvp(ctx, tangent, of_whole):
            assert of_whole is None
            return tangent, tangent

    with ours.dual_level(), pytest.raises(RuntimeError, match="You should return None at that position instead"):
        Both.apply(ours.make_dual(rl.ones(2), rl.ones(2)), rl.ones(2, dtype=rl.int64))
