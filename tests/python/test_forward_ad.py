"""autograd.forward_ad against PyTorch, and the further tools of torch.func."""

import weakref

import numpy as np
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
    "conv": lambda t, x: t.nn.functional.conv1d(x[None], t.ones(2, 3, 2).to(x)),
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
        with pytest.raises(RuntimeError, match="forward gradient at the same level"):
            ours.make_dual(dual, x)
        with pytest.raises(RuntimeError, match="forward gradient at the same level"):
            ours.make_dual(x, dual)
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


def test_a_dual_is_no_leaf_that_wants_gradients_and_keeps_its_tangent():
    x, v = rl.ones(2), rl.full((2,), 3.0)
    with ours.dual_level():
        dual = ours.make_dual(x, v)
        assert not dual.requires_grad and ours.unpack_dual(dual).tangent is v
        assert ours.unpack_dual(x).tangent is None  # the dual is another tensor, over the same memory
        primal = ours.unpack_dual(dual).primal
        assert primal.data_ptr() == x.data_ptr() and ours.unpack_dual(primal * 2).tangent is None
        primal.mul_(5)
        assert dual.tolist() == [5, 5] and v.tolist() == [3, 3]
    assert ours.unpack_dual(dual).tangent is None


def test_tangents_go_when_their_tensor_or_the_level_does():
    def tangent():
        memory = np.ones(2, np.float32)
        return rl.from_numpy(memory), weakref.ref(memory)

    x = rl.ones(2)
    with ours.dual_level():
        v, alive = tangent()
        dual = ours.make_dual(x, v)
        del v
        assert alive() is not None
        del dual
        assert alive() is None
        v, alive = tangent()
        kept = ours.make_dual(x, v)
        del v
    assert alive() is None and kept.tolist() == [1, 1]


@pytest.mark.parametrize(
    "change",
    [
        lambda t, d: d.mul_(2),
        lambda t, d: d.add_(d),
        lambda t, d: d.exp_(),
        lambda t, d: d[0].mul_(3),
        lambda t, d: d.t_().mul_(t.arange(6.0).view(3, 2)),
        lambda t, d: d.unsqueeze_(0).sin_(),
        lambda t, d: d.zero_(),
        lambda t, d: d.view(-1)[2:].copy_(t.ones(4)),
        lambda t, d: d.index_add_(0, t.tensor([0]), t.ones(1, 3)).sqrt_(),
        lambda t, d: d.masked_fill_(d > 0.5, 2.0),
        lambda t, d: t.nn.functional.relu(d, inplace=True),
    ],
)
def test_in_place(change):
    def f(t, ad):
        x, v = t.rand(2, 3), t.rand(2, 3)
        with ad.dual_level():
            dual = ad.make_dual(x, v)
            change(t, dual)
            return (*ad.unpack_dual(dual), *ad.unpack_dual(dual.sum()), v)

    both(f)


def test_a_dual_times_itself_in_place():  # PyTorch reads what it has written
    with ours.dual_level():
        dual = ours.make_dual(rl.tensor([2.0, 3.0]), rl.tensor([1.0, 10.0]))
        assert ours.unpack_dual(dual.mul_(dual)).tangent.tolist() == [4, 60]


def test_what_is_written_gets_a_tangent():
    def f(t, ad):
        x, v, plain, parts, out = t.rand(3), t.rand(3), t.rand(3), t.rand(2, 3), t.rand(2, 3).t()
        with ad.dual_level():
            dual = ad.make_dual(x, v)
            plain.add_(dual)
            view = parts.view(-1)  # made before there is anything to carry
            parts[1] = dual
            out.copy_(dual[:, None] * 2)
            tangents = [ad.unpack_dual(y).tangent for y in (plain, parts, view[2:], out, parts[0])]
            return [*tangents, ad.unpack_dual((view**2).sum()).tangent]

    both(f)


def test_views_of_a_dual_and_of_its_tangent():
    with ours.dual_level():
        dual = ours.make_dual(rl.rand(2, 3), rl.rand(2, 3))
        for view in (dual[0], dual.t(), dual.view(-1), dual.unbind(1)[1], dual.expand(4, 2, 3), dual.diagonal()):
            base = ours.unpack_dual(dual).tangent
            tangent = ours.unpack_dual(view).tangent
            assert tangent._base is base and tangent.stride() == view.stride()
        # A tangent that is laid out otherwise becomes one that is laid out as the tensor.
        other = ours.make_dual(rl.rand(3, 2).t(), rl.ones(2, 3))
        assert ours.unpack_dual(other).tangent.stride() == (1, 2)
        whole = ours.make_dual(rl.rand(5)[:4], rl.ones(4))
        assert ours.unpack_dual(whole.as_strided((5,), (1,), 0)).tangent.tolist() == [1, 1, 1, 1, 0]


def test_modes_and_detach():
    def f(t, ad):
        x, v = t.rand(3).requires_grad_(), t.rand(3).requires_grad_()
        with ad.dual_level():
            dual = ad.make_dual(x, v)
            with t.no_grad():
                tripled = ad.unpack_dual(dual * 3)
            assert not tripled.primal.requires_grad and not tripled.tangent.requires_grad
            primal, tangent = ad.unpack_dual(dual)
            (of_primal,) = t.autograd.grad(primal.sum(), x)
            assert t.autograd.grad(tangent.sum(), x, allow_unused=True) == (None,)
            gone = dual.clone().detach_()
            assert ad.unpack_dual(dual.detach() * 2).tangent is None and ad.unpack_dual(gone).tangent is None
            return [*tripled, of_primal, *t.autograd.grad(ad.unpack_dual(dual**3).tangent.sum(), [x, v])]

    both(f)
    with ours.dual_level(), pytest.raises(RuntimeError, match="out= function"):
        rl.add(ours.make_dual(rl.ones(2), rl.ones(2)), 1, out=rl.ones(2))


@pytest.mark.parametrize("name", ["exp", "tanh", "softmax", "layer_norm", "max", "sqrt", "conv", "cumprod", "cube"])
def test_forward_over_backward(name):
    f = {**FUNCTIONS, "exp": lambda t, x: x.exp() * x.exp(), "tanh": lambda t, x: x.tanh() ** 2}
    f |= {"sqrt": lambda t, x: (x + 1).sqrt(), "cube": lambda t, x: x**3}

    def product(t, ad):
        x, v = t.rand(3, 4).double().requires_grad_(), t.rand(3, 4).double()
        with ad.dual_level():
            dual = ad.make_dual(x, v)
            (g,) = t.autograd.grad((f[name](t, dual) ** 2).sum(), dual, create_graph=True)
            return ad.unpack_dual(g)

    both(product)


def test_batches_of_tangents():
    x, a = rl.rand(3), rl.rand(2, 3)

    def f(x):
        return (x**2).cumsum(0).mul_(2).exp()

    def push(x, v):
        with ours.dual_level():
            return ours.unpack_dual(f(ours.make_dual(x, v))).tangent

    by_rows = rl.func.jacrev(f)
    assert rl.allclose(rl.func.vmap(push, (None, 0))(x, rl.eye(3)), by_rows(x).t())
    assert rl.allclose(rl.func.vmap(push)(a, rl.ones(2, 3)), rl.func.vmap(by_rows)(a).sum(-1))


def test_levels_inside():
    def f(t, ad):
        x = t.rand(3)
        with ad.dual_level():
            dual = ad.make_dual(x, t.ones(3))
            grads = t.func.grad(lambda y: y.exp().sum())(dual)
            rows = t.func.vmap(lambda a, b: a * b)(dual.expand(2, 3), t.rand(2, 3))
            return [*ad.unpack_dual(grads), *ad.unpack_dual(rows)]

    both(f)


def test_random_numbers_are_drawn_once():
    def f(t, ad):
        with ad.dual_level():
            dual = ad.make_dual(t.ones(50), t.ones(50))
            dropped = t.nn.functional.dropout(dual)
            noise = ad.make_dual(t.ones(3), t.ones(3)).uniform_()
            return [*ad.unpack_dual(dropped), *ad.unpack_dual(noise), t.rand(2)]

    both(f)


def functions(t):
    class Double(t.autograd.Function):
        @staticmethod
        def forward(ctx, x, how):
            ctx.how = how
            ctx.mark_dirty(x)
            return x.mul_(2)

        @staticmethod
        def backward(ctx, g):
            return 2 * g, None

        @staticmethod
        def jvp(ctx, tangent, _):
            return tangent.mul_(2) if ctx.how == "in place" else tangent * 2

    class First(t.autograd.Function):
        @staticmethod
        def forward(x, how):
            return x[:2]

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.how = inputs[1]

        @staticmethod
        def jvp(ctx, tangent, _):
            return {"view": lambda: tangent[:2], "copy": lambda: tangent[:2].clone(), "other": lambda: t.zeros(3)[:2]}[
                ctx.how
            ]()

    class Cube(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            out = x**3
            ctx.save_for_backward(out, x)
            ctx.save_for_forward(x)
            return out

        @staticmethod
        def backward(ctx, g):
            out, x = ctx.saved_tensors
            return 3 * out / x * g

        @staticmethod
        def jvp(ctx, tangent):
            (x,) = ctx.saved_tensors
            return 3 * x**2 * tangent

    return Double, First, Cube


def test_functions_of_ones_own():
    def f(t, ad):
        double, first, cube = functions(t)
        with ad.dual_level():
            dual = ad.make_dual(t.rand(3), t.rand(3))
            doubled = double.apply(dual, "in place")
            assert doubled is dual
            part = first.apply(dual, "view")
            assert ad.unpack_dual(part).tangent._is_view()
            x = t.rand(3).requires_grad_()
            dual = ad.make_dual(x, t.rand(3))
            y = cube.apply(dual)
            (g,) = t.autograd.grad(y.sum(), dual, create_graph=True)
            return [*ad.unpack_dual(doubled), *ad.unpack_dual(part), *ad.unpack_dual(y), *ad.unpack_dual(g)]

    both(f)


@pytest.mark.parametrize(
    ("which", "how", "text"),
    [
        (0, "new", "not modifying the forward mode gradients inplace"),
        (1, "copy", "jvp is not returning a view"),
        (1, "other", "view of the given"),
    ],
)
@pytest.mark.parametrize(("t", "ad"), [(torch, theirs), (rl, ours)])
def test_a_jvp_of_another_kind_than_its_function(t, ad, which, how, text):
    with ad.dual_level(), pytest.raises(RuntimeError, match=text):
        functions(t)[which].apply(ad.make_dual(t.rand(3), t.rand(3)), how)


def test_a_result_has_a_tangent_of_its_own():
    def f(t, ad):
        x, v, copied = t.rand(3), t.rand(3), t.zeros(3)
        with ad.dual_level():
            dual = ad.make_dual(x, v)
            copied.copy_(dual)
            cloned = dual.clone()
            cloned.mul_(2)
            assert ad.unpack_dual(copied).tangent is not v
            return [ad.unpack_dual(y).tangent for y in (dual, copied, cloned)]

    both(f)


def test_batches_of_tangents_are_written_to_parts():
    x, directions = rl.rand(4), rl.rand(2, 2)

    def push(v):
        base = rl.zeros(2, 3)
        with ours.dual_level():
            base[:, 1].copy_(ours.make_dual(x[:2], v))
            return ours.unpack_dual(base).tangent

    assert rl.func.vmap(push)(directions)[:, :, 1].tolist() == directions.tolist()


def test_operators_and_functions_without_tangents():
    class Plain(rl.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

    class Idle(Plain):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            return x.mul_(2)

        @staticmethod
        def jvp(ctx, tangent):
            return tangent

    with ours.dual_level():
        dual = ours.make_dual(rl.rand(3), rl.rand(3))
        with pytest.raises(NotImplementedError, match="Trying to use forward AD with igamma that does not support it"):
            rl.igamma(dual, rl.rand(3))
        with pytest.raises(RuntimeError, match="must implement the jvp function"):
            Plain.apply(dual)
        with pytest.raises(RuntimeError, match="jvp function must modify the corresponding gradient inplace"):
            Idle.apply(dual)


@pytest.mark.parametrize("lib", [rl, torch], ids=["here", "PyTorch"])
def test_jvp_where_forward_mode_or_the_grad_mode_is_off(lib):
    off, jvp, grad = lib.autograd.forward_ad._set_fwd_grad_enabled, lib.func.jvp, lib.func.grad
    x, one = lib.tensor(3.0), lib.tensor(1.0)

    def constant_part(x):
        with off(False):
            shift = x**2
        return x**2 - shift

    def unrecorded(x):
        with lib.no_grad():
            return x**2

    assert jvp(constant_part, (x,), (one,))[1].item() == 6
    assert jvp(lambda x: jvp(constant_part, (x,), (one,))[1], (x,), (one,))[1].item() == 2
    with off(False):
        assert jvp(lambda x: x**2, (x,), (one,))[1].item() == 6
    assert jvp(unrecorded, (x,), (one,))[1].item() == 6  # which is reverse mode's switch
    assert grad(lambda x: jvp(lambda x: x**2, (x,), (one,))[1])(x).item() == 2
    with lib.no_grad():
        assert jvp(lambda x: jvp(lambda x: x**3, (x,), (one,))[1], (x,), (one,))[1].item() == 18

    class Square(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            assert not lib.autograd.forward_ad._is_fwd_grad_enabled()
            return x * x

    Square.apply(x)
