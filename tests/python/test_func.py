"""func.grad, vjp, jvp and vmap, alone and in each other, against PyTorch."""

import copy
import importlib
import pickle
import subprocess
import sys

import pytest
import rushlight.nn.functional as F
import torch

import rushlight as rl

# Functions of a vector of three positive numbers, in terms of the module.
OPERATORS = {
    "sin": lambda t, x: t.sin(x),
    "exp": lambda t, x: x.exp(),
    "log": lambda t, x: x.log(),
    "sqrt": lambda t, x: x.sqrt(),
    "tanh": lambda t, x: x.tanh(),
    "sigmoid": lambda t, x: t.sigmoid(x),
    "softplus": lambda t, x: t.nn.functional.softplus(x),
    "gelu": lambda t, x: t.nn.functional.gelu(x),
    "silu": lambda t, x: t.nn.functional.silu(x),
    "relu": lambda t, x: t.nn.functional.relu(x - 0.5) * x,
    "erf": lambda t, x: t.erf(x),
    "pow": lambda t, x: x**2.5,
    "pow tensor": lambda t, x: x ** x.flip(0),
    "div": lambda t, x: x / x.sum(),
    "rsub, reciprocal": lambda t, x: 1 - 1 / x,
    "atan2": lambda t, x: t.atan2(x, x.roll(1)),
    "logaddexp": lambda t, x: t.logaddexp(x, x.flip(0)),
    "where": lambda t, x: t.where(x > 0.5, x * x, x.exp()),
    "clamp": lambda t, x: x.clamp(0.3, 0.8) * x,
    "maximum": lambda t, x: t.maximum(x, x.flip(0)) * x,
    "addcmul": lambda t, x: t.addcmul(x, x, x.exp(), value=0.5),
    "lerp": lambda t, x: t.lerp(x, x.exp(), 0.3),
    "sum": lambda t, x: x.sum() * x,
    "mean": lambda t, x: x.mean() * x,
    "prod": lambda t, x: x.prod() * x,
    "var": lambda t, x: x.var() * x,
    "norm": lambda t, x: x.norm() * x,
    "logsumexp": lambda t, x: x.logsumexp(0) * x,
    "softmax": lambda t, x: x.softmax(0),
    "log_softmax": lambda t, x: t.log_softmax(x, -1),
    "cumsum": lambda t, x: x.cumsum(0) * x,
    "cumprod": lambda t, x: x.cumprod(0),
    "max": lambda t, x: x.max() * x,
    "amax": lambda t, x: x.amax(0) * x,
    "sort": lambda t, x: x.sort().values * x,
    "matmul": lambda t, x: (x[:, None] @ x[None]).exp() @ x,
    "dot, outer": lambda t, x: t.outer(x, x).sum(0) * t.dot(x, x),
    "mv": lambda t, x: t.mv(t.outer(x, x.exp()), x),
    "bmm": lambda t, x: t.bmm(x.view(1, 3, 1), x.view(1, 1, 3)).sum((0, 1)) * x,
    "einsum": lambda t, x: t.einsum("i,j,j->i", x, x, x.exp()),
    "linear": lambda t, x: t.nn.functional.linear(x, t.outer(x, x), x),
    "layer_norm": lambda t, x: t.nn.functional.layer_norm(x, (3,), x, x),
    "conv1d": lambda t, x: t.nn.functional.conv1d(x.view(1, 1, 3), x[:2].view(1, 1, 2)).flatten().sum() * x,
    "avg_pool": lambda t, x: t.nn.functional.avg_pool1d(x.view(1, 1, 3), 2, 1).sum() * x,
    "mse_loss": lambda t, x: t.nn.functional.mse_loss(x, x.exp()) * x,
    "cross_entropy": lambda t, x: t.nn.functional.cross_entropy(x, t.tensor(1)) * x,
    "cat, stack": lambda t, x: t.cat([x[:1], t.stack([x[1], x[2]])]) * x,
    "index": lambda t, x: x[t.tensor([2, 0, 1])] * x,
    "gather": lambda t, x: x.gather(0, t.tensor([2, 0, 1])) * x,
    "index_select": lambda t, x: x.index_select(0, t.tensor([1, 1, 0])) * x,
    "slices": lambda t, x: x[1:].sum() * x[0] * x,
    "views": lambda t, x: x.view(3, 1).t().expand(2, 3).reshape(6)[2:5] * x,
    "flip, roll": lambda t, x: x.flip(0).roll(1) * x,
    "pad": lambda t, x: t.nn.functional.pad(x, (1, 0))[:3] * x,
    "tril": lambda t, x: t.outer(x, x).tril().sum(0),
    "diagonal": lambda t, x: t.outer(x, x).diagonal() * x,
    "in place": lambda t, x: x.clone().mul_(x).add_(1),
    "in place on a view": lambda t, x: _writes(t, x),
    "masked_fill": lambda t, x: x.masked_fill(x > 0.6, 2.0) * x,
    "new tensors": lambda t, x: t.zeros(3).add_(x) + t.ones(3) * x,
}


def _writes(t, x):
    y = x * 1
    y[1:].mul_(x[:2])
    return y * x


TRANSFORMS = {
    "grad": lambda f, t, x, m: t.func.grad(lambda x: f(t, x).sum())(x),
    "grad of grad": lambda f, t, x, m: t.func.grad(lambda x: t.func.grad(lambda x: f(t, x).sum())(x).sin().sum())(x),
    "vmap": lambda f, t, x, m: t.func.vmap(lambda x: f(t, x))(m),
    "vmap of grad": lambda f, t, x, m: t.func.vmap(t.func.grad(lambda x: f(t, x).sum()))(m),
    "grad of vmap": lambda f, t, x, m: t.func.grad(lambda m: t.func.vmap(lambda x: f(t, x))(m).sin().sum())(m),
    "vjp": lambda f, t, x, m: t.func.vjp(lambda x: f(t, x), x)[1](x.exp())[0],
    "jvp": lambda f, t, x, m: t.func.jvp(lambda x: f(t, x), (x,), (x.exp(),))[1],
    "vmap of jvp": lambda f, t, x, m: t.func.vmap(lambda x: t.func.jvp(lambda x: f(t, x), (x,), (x.exp(),))[1])(m),
    "jvp of grad": lambda f, t, x, m: t.func.jvp(t.func.grad(lambda x: f(t, x).sum()), (x,), (x.exp(),))[1],
    "jacrev": lambda f, t, x, m: t.func.jacrev(lambda x: f(t, x))(x),
    "vmap of vmap": lambda f, t, x, m: t.func.vmap(t.func.vmap(lambda x: f(t, x)))(m[:, None].expand(2, 2, 3)),
}


def values(t):
    x = t.tensor([0.3, 0.7, 0.5], dtype=t.float64)
    return x, t.stack([x, x.flip(0) + 0.2])


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.filterwarnings("ignore")
def test_operators_under_transforms(operator, transform):
    def run(t):
        previous = t.get_default_dtype()
        t.set_default_dtype(t.float64)
        try:
            return TRANSFORMS[transform](OPERATORS[operator], t, *values(t))
        finally:
            t.set_default_dtype(previous)

    try:
        expected = run(torch)
    except Exception as e:
        pytest.skip(f"PyTorch raises {type(e).__name__}")
    torch.testing.assert_close(torch.tensor(run(rl).tolist(), dtype=torch.float64), expected, rtol=1e-9, atol=1e-9)


def test_hessian_and_jacobians_agree():
    x = rl.tensor([0.3, 0.7, 0.5], dtype=rl.float64)

    def f(x):
        return (x.sin() * x.sum()).prod()

    h = rl.func.hessian(f)(x)
    again = rl.func.jacrev(rl.func.jacrev(f))(x)
    assert rl.allclose(h, again) and rl.allclose(h, h.T)
    t = torch.tensor(x.tolist(), dtype=torch.float64)
    expected = torch.func.hessian(lambda x: (x.sin() * x.sum()).prod())(t)
    assert rl.allclose(h, rl.tensor(expected.tolist(), dtype=rl.float64))


def test_trees_aux_and_argnums():
    def f(a, b):
        return (a["x"] * b).sum(), {"aux": a["x"] + 1}

    a, b = {"x": rl.tensor([1.0, 2.0])}, rl.tensor([3.0, 4.0])
    (ga, gb), aux = rl.func.grad(f, argnums=(0, 1), has_aux=True)(a, b)
    assert ga["x"].tolist() == [3, 4] and gb.tolist() == [1, 2] and aux["aux"].tolist() == [2, 3]
    g, value = rl.func.grad_and_value(lambda x: (x**2).sum())(b)
    assert g.tolist() == [6, 8] and value.item() == 25
    out = rl.func.vmap(lambda p, q: {"s": p["x"] + q}, in_dims=({"x": 0}, None), out_dims=1)(
        {"x": rl.ones(2, 3)}, rl.zeros(3)
    )
    assert out["s"].shape == (3, 2)


def test_gradients_flow_through_transforms_to_parameters():
    w = rl.tensor([1.0, 2.0], requires_grad=True)
    g = rl.func.grad(lambda x: (w * x**3).sum())(rl.ones(2))
    g.sum().backward()
    assert w.grad.tolist() == [3, 3]
    w.grad = None
    rl.func.vmap(lambda x: (w * x).sum())(rl.ones(3, 2)).sum().backward()
    assert w.grad.tolist() == [3, 3]


def test_no_grad_inside_and_outside():
    def f(x):
        with rl.no_grad():
            c = x**2
        return (x**2 - c).sum()

    assert rl.func.grad(f)(rl.ones(2)).tolist() == [2, 2]
    with rl.no_grad():
        assert rl.func.grad(lambda x: (x**2).sum())(rl.ones(2)).tolist() == [2, 2]
    assert rl.is_grad_enabled()


def test_per_example_gradients_of_a_module():
    model = rl.nn.Sequential(rl.nn.Linear(3, 4), rl.nn.Tanh(), rl.nn.Linear(4, 1))
    parameters = {k: v.detach() for k, v in model.named_parameters()}
    x, y = rl.randn(5, 3), rl.randn(5, 1)

    def loss(p, x, y):
        return F.mse_loss(rl.func.functional_call(model, p, (x,)), y)

    each = rl.func.vmap(rl.func.grad(loss), in_dims=(None, 0, 0))(parameters, x, y)
    for i in range(5):
        model.zero_grad()
        F.mse_loss(model(x[i]), y[i]).backward()
        for name, p in model.named_parameters():
            assert rl.allclose(each[name][i], p.grad, atol=1e-6)


def test_randomness():
    x = rl.zeros(4, 3)
    with pytest.raises(RuntimeError, match="randomness"):
        rl.func.vmap(lambda x: x + rl.rand(3))(x)
    same = rl.func.vmap(lambda x: x + rl.rand(3), randomness="same")(x)
    assert (same == same[0]).all()
    different = rl.func.vmap(lambda x: x + rl.rand(3), randomness="different")(x)
    assert not (different == different[0]).all()
    dropped = rl.func.vmap(lambda x: F.dropout(x, 0.5), randomness="same")(rl.ones(4, 30))
    assert (dropped == dropped[0]).all()


def test_errors():
    x = rl.ones(2, 3)
    for f, kind, match in [
        (lambda: rl.func.grad(lambda x: x)(x), RuntimeError, "scalar"),
        (lambda: rl.func.grad(lambda x: 1.0)(x), RuntimeError, "return a Tensor"),
        (lambda: rl.func.grad(lambda x: x.sum(), argnums=3)(x), RuntimeError, "argnum=3"),
        (lambda: rl.func.vmap(lambda x: x.item())(rl.ones(2)), RuntimeError, r"vmap.*\.item\(\)"),
        (lambda: rl.func.vmap(lambda x: x if x.sum() > 0 else -x)(x), RuntimeError, "control flow"),
        (lambda: rl.func.vmap(lambda x: x.nonzero())(rl.tensor([[1, 0], [1, 1]])), RuntimeError, "shapes"),
        (lambda: rl.func.vmap(lambda x, y: x + y)(x, rl.ones(3)), ValueError, "same size"),
        (lambda: rl.func.vmap(lambda x: 1)(x), ValueError, "only return Tensors"),
        (lambda: rl.func.vmap(lambda x: x, in_dims=2)(x), ValueError, "dimensionality"),
        (lambda: rl.func.vmap(lambda x: x, in_dims=(None,))(x), ValueError, "at least one"),
        (lambda: rl.func.vmap(lambda x: x)(), ValueError, "no inputs"),
        (lambda: rl.func.vjp(lambda x: x, x)[1](rl.ones(3)), RuntimeError, "shape"),
        (lambda: rl.func.jvp(lambda x: x, (x,), (rl.ones(3),)), RuntimeError, "shape"),
    ]:
        with pytest.raises(kind, match=match):
            f()
    captured = rl.zeros(3)
    with pytest.raises(RuntimeError, match="mutate a captured"):
        rl.func.grad(lambda x: captured.add_(x).sum())(rl.ones(3))
    with pytest.raises(RuntimeError, match="vmap"):
        rl.func.vmap(lambda x: captured.add_(x))(x)
    assert captured.tolist() == [0, 0, 0]
    assert (rl.ones(2) + 1).tolist() == [2, 2]  # nothing is left behind


def test_tensors_that_leak():
    kept = []

    def f(x):
        kept.append(x)
        return x.sin().sum()

    rl.func.grad(f)(rl.ones(3))
    assert (kept[0] + 1).tolist() == [2, 2, 2] and kept[0].tolist() == [1, 1, 1]
    rl.func.vmap(f)(rl.ones(2, 3))
    for use in (lambda t: t + 1, lambda t: t.sum(), lambda t: t.tolist(), lambda t: t.numpy(), lambda t: t.data_ptr()):
        with pytest.raises(RuntimeError, match="transform"):
            use(kept[1])
    assert kept[1].shape == (3,)
    with pytest.raises(RuntimeError, match="transform"):
        rl.func.vmap(lambda y: y + kept[1])(rl.ones(2, 3))


def test_a_batch_of_no_examples():
    x = rl.ones(0, 3)
    assert rl.func.vmap(lambda x: x.sum() * x)(x).shape == (0, 3)
    assert rl.func.vmap(lambda x: x.view(3, 1).cumsum(0))(x).shape == (0, 3, 1)
    assert rl.func.vmap(rl.func.grad(lambda x: (x.sin() @ x).exp()))(x).shape == (0, 3)
    assert rl.func.vmap(lambda x: x.clone().add_(1))(x).shape == (0, 3)


def test_what_reads_memory_of_a_batch_is_an_error():
    x = rl.arange(6.0).reshape(2, 3)
    for read in (
        rl.from_dlpack,
        rl.utils.dlpack.to_dlpack if hasattr(rl.utils, "dlpack") else rl.to_dlpack,
        lambda x: x.untyped_storage(),
        pickle.dumps,
        copy.deepcopy,
        lambda x: rl.tensor([x[0], x[1]]),
        lambda x: setattr(x, "data", rl.ones(3)),
    ):
        with pytest.raises(RuntimeError, match="transform|vmap"):
            rl.func.vmap(lambda x, read=read: (read(x), x)[1])(x)


def test_tensors_of_a_level_print_what_is_behind_them(capsys):
    rl.func.vmap(rl.func.grad(lambda x: (print(x), x.sum())[1]))(rl.ones(2, 3))
    text = capsys.readouterr().out
    assert (
        text.startswith("GradTrackingTensor(lvl=2, value=\n    BatchedTensor(lvl=1, bdim=0, value=")
        and "[1., 1., 1.]" in text
    )


def test_an_error_inside_leaves_no_level():
    def fails(x):
        raise ValueError("inside")

    for transform in (rl.func.grad, rl.func.vmap, rl.func.jacrev, rl.func.jacfwd):
        with pytest.raises(ValueError, match="inside"):
            transform(fails)(rl.ones(2, 3))
    assert (rl.ones(2) + 1).tolist() == [2, 2]


def straight_through(t, rule=None):
    class StraightThrough(t.autograd.Function):
        generate_vmap_rule = rule is None

        @staticmethod
        def forward(x, scale):
            return (x * scale).round()

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(inputs[0], inputs[1])

        @staticmethod
        def backward(ctx, g):
            x, scale = ctx.saved_tensors
            return g * scale * x.sin(), (g * x).sum()

    if rule is not None:

        def vmap(info, in_dims, x, scale):
            assert info.batch_size == 2 and in_dims == (0, None)
            return StraightThrough.apply(x, scale), 0

        StraightThrough.vmap = staticmethod(vmap)
    return StraightThrough


@pytest.mark.parametrize("rule", [None, "own"])
def test_custom_functions_under_transforms(rule):
    found = []
    for t in (torch, rl):
        f = straight_through(t, rule)
        x = t.tensor([[0.3, 1.7], [2.5, 0.2]])
        scale = t.tensor(2.0)
        out = [
            t.func.vmap(lambda x: f.apply(x, scale))(x),
            t.func.grad(lambda x: f.apply(x, scale).sum())(x),
            t.func.grad(lambda s: f.apply(x, s).sum())(scale),
            t.func.vmap(t.func.grad(lambda x: f.apply(x, scale).sum()))(x),
            t.func.grad(lambda x: t.func.vmap(lambda x: f.apply(x, scale))(x).sum())(x),
            t.func.grad(lambda x: t.func.grad(lambda x: f.apply(x, scale).sum())(x).sum())(x),
            t.func.jacrev(lambda x: f.apply(x, scale))(x[0]) if rule is None else scale,
        ]
        found.append([o.double().round(decimals=4).tolist() for o in out])
    assert found[0] == found[1]


def test_custom_functions_that_can_not_be_transformed():
    class Old(rl.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    class NoRule(rl.autograd.Function):
        @staticmethod
        def forward(x):
            return x * 2

        @staticmethod
        def setup_context(ctx, inputs, output):
            pass

        @staticmethod
        def backward(ctx, g):
            return g * 2

    with pytest.raises(RuntimeError, match="setup_context"):
        rl.func.grad(lambda x: Old.apply(x).sum())(rl.ones(2))
    with pytest.raises(RuntimeError, match="does not have vmap support"):
        rl.func.vmap(NoRule.apply)(rl.ones(2))
    assert rl.func.grad(lambda x: NoRule.apply(x).sum())(rl.ones(2)).tolist() == [2, 2]


def test_what_is_wrong_with_the_arguments_is_said():
    x = rl.ones(2)
    for transform in (rl.func.jacrev, rl.func.jacfwd):
        with pytest.raises(RuntimeError, match=r"argnums must be int or Tuple\[int, ...\], got: <class 'float'>"):
            transform(rl.sin, argnums=0.0)(x)
    with pytest.raises(ValueError, match="jacrev: `chunk_size` should be greater than 0."):
        rl.func.jacrev(rl.sin, chunk_size=0)
    frozen, free = rl.nn.Linear(1, 1).requires_grad_(False), rl.nn.Linear(1, 1)
    with pytest.raises(
        RuntimeError, match="Expected weight from each model to have the same .requires_grad. Hint: .*False"
    ):
        rl.func.stack_module_state([frozen, free])


def test_what_the_transforms_refuse():
    x = rl.ones(2)
    with pytest.raises(RuntimeError, match="at least one Tensor"):
        rl.func.jvp(rl.sin, (), ())
    with pytest.raises(RuntimeError, match="only contain Tensors"):
        rl.func.jvp(rl.sin, (1.0,), (x,))
    with pytest.raises(RuntimeError, match=r"jvp\(f, primals, tangents\): output of function f should be a tuple"):
        rl.func.jvp(lambda t: [t, t], (x,), (x,), has_aux=True)
    with pytest.raises(RuntimeError, match=r"jvp.*non-empty output"):
        rl.func.jvp(lambda t: None, (x,), (x,))
    with pytest.raises(RuntimeError, match=r"vjp.*non-empty output"):
        rl.func.vjp(lambda t: (), x)
    with pytest.raises(RuntimeError, match="strict"):
        rl.func.jvp(lambda t: (t, x), (x,), (x,), strict=True)
    z = x.to(rl.complex64)
    for transform in (rl.func.jacrev, rl.func.jacfwd):
        with pytest.raises(RuntimeError, match=f"{transform.__name__}: Expected all inputs"):
            transform(rl.conj)(z)
        with pytest.raises(RuntimeError, match=f"{transform.__name__}: Expected all outputs"):
            transform(lambda t: t * z)(x)


@pytest.mark.parametrize(
    "result, said",
    [(lambda x: x, "two returns"), (lambda x: (x, x, 0, 0), "two returns"), (lambda x: (x, (None,)), "incompatible")],
)
def test_a_vmap_rule_returns_an_output_and_its_dimensions(result, said):
    class Same(rl.autograd.Function):
        @staticmethod
        def forward(x):
            return x.clone()

        @staticmethod
        def setup_context(ctx, inputs, output):
            pass

        @staticmethod
        def vmap(info, in_dims, x):
            return result(x)

    with pytest.raises(RuntimeError, match=said):
        rl.func.vmap(Same.apply)(rl.ones(2, 3))
    Same.generate_vmap_rule = True
    with pytest.raises(RuntimeError, match="both generate_vmap_rule=True and"):
        rl.func.vmap(Same.apply)(rl.ones(2, 3))


def test_a_tied_parameter_is_one():
    from rushlight._functorch._stateless import make_functional

    model = rl.nn.Sequential(rl.nn.Linear(2, 2), rl.nn.Linear(2, 2))
    model[1].weight = model[0].weight
    f, parameters = make_functional(model)
    assert len(parameters) == 3
    x = rl.ones(2)
    assert rl.equal(f(parameters, x), model(x))
    assert rl.equal(
        f([p * 2 for p in parameters], x), 2 * (2 * (model[0](x)) @ model[0].weight.t()) + 2 * model[1].bias
    )


class Counting(rl.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = self.same = rl.nn.Parameter(rl.ones(1))
        self.register_buffer("count", rl.zeros(1))
        self.scale = rl.ones(1)

    def forward(self, x):
        self.count = self.count + 1
        return x * self.weight * self.scale + self.same


def test_what_a_call_puts_in_place_of_a_buffer_is_in_the_dictionary():
    module, given = Counting(), {"count": rl.tensor([4.0]), "scale": rl.tensor([3.0]), "extra": rl.ones(1)}
    assert rl.func.functional_call(module, given, rl.ones(1)).item() == 4
    assert given["count"].item() == 5 and module.count.item() == 0
    assert module.scale.item() == 1 and not hasattr(module, "extra")


def test_tied_names_of_a_functional_call():
    module, two = Counting(), rl.tensor([2.0])
    call = rl.func.functional_call
    assert call(module, {"weight": two}, rl.ones(1)).item() == 4
    assert call(module, {"weight": two}, rl.ones(1), tie_weights=False).item() == 3
    assert call(module, {"weight": two, "count": two}, rl.ones(1), strict=True).item() == 4
    with pytest.raises(ValueError, match="multiple values for keys .'same', 'weight'"):
        call(module, {"weight": two, "same": rl.ones(1)}, rl.ones(1))
    with pytest.raises(RuntimeError, match=r"Unexpected key\(s\): 'other'.\s+Missing key\(s\): 'same', 'weight'"):
        call(module, {"count": two, "other": two}, rl.ones(1), strict=True)
    with pytest.raises(TypeError, match="3 is not an instance of torch.Tensor"):
        call(module, {"weight": 3}, rl.ones(1))
    with pytest.raises(AttributeError, match="Counting has no attribute `inner`"):
        call(module, {"inner.weight": two}, rl.ones(1))


@pytest.mark.parametrize("jacobian", [rl.func.jacrev, rl.func.jacfwd])
def test_a_function_writes_to_what_it_is_not_differentiated_by(jacobian):
    def fill(x, y, z):
        x[:2] = y
        return rl.vstack([(x**2).sum(), (z**3).sum()])

    by_y, by_z = jacobian(fill, argnums=(1, 2))(rl.ones(3), rl.full((2,), 2.0), rl.full((2,), 3.0))
    assert by_y.tolist() == [[[4, 4]], [[0, 0]]] and by_z.tolist() == [[[0, 0]], [[27, 27]]]


def test_what_jvp_pushes_through_may_be_written_to():
    def copy(x, y):
        x.copy_(y)
        return x

    x, y, to_y = rl.zeros(2, 3), rl.ones(2, 3), rl.full((2, 3), 5.0)
    out, tangent = rl.func.vmap(lambda x, y, t: rl.func.jvp(copy, (x, y), (rl.zeros(3), t)))(x, y, to_y)
    assert out.tolist() == x.tolist() == y.tolist() and tangent.tolist() == to_y.tolist()


def test_auxiliary_results_are_tensors():
    with pytest.raises(RuntimeError, match="Expected tensors, got unsupported type"):
        rl.func.grad(lambda x: (x.sum(), [x, "text"]), has_aux=True)(rl.ones(2))


def test_import_functorch_says_nothing():
    program = "import rushlight; rushlight.as_torch(); import functorch; functorch.FunctionalModule"
    done = subprocess.run([sys.executable, "-W", "all", "-c", program], capture_output=True, text=True, check=True)
    assert "ImportWarning" not in done.stderr


def test_a_vmap_rule_is_told_of_tensors_in_lists():
    def run(t):
        seen = []

        class Both(t.autograd.Function):
            @staticmethod
            def forward(x, pair):
                return x + pair[0] * pair[1]

            @staticmethod
            def setup_context(ctx, inputs, output):
                pass

            @staticmethod
            def vmap(info, in_dims, x, pair):
                seen.append(in_dims)
                return x + pair[0] * pair[1], 0

        x = t.arange(3.0)
        out = t.func.vmap(lambda a, b: Both.apply(a, [b, b]))(x, x + 1)
        return seen, out.tolist()

    assert run(rl) == run(torch) == ([(0, [0, 0])], [1.0, 5.0, 11.0])


def test_vjp_s_function_takes_its_flags_by_place_and_names_stay_through_transforms():
    pull = rl.func.vjp(lambda x: x.sin().sum(), rl.zeros(2))[1]
    assert pull(rl.tensor(2.0), True, True)[0].tolist() == [2, 2]

    for t in (rl, torch):

        def scaled(weight) -> t.Tensor:
            return weight * 2

        make_fx = importlib.import_module(f"{t.__name__}.fx.experimental.proxy_tensor").make_fx
        code = make_fx(t.func.functionalize(scaled))(t.ones(2)).code
        assert code.strip().startswith("def forward(self, weight_1) -> torch.Tensor:"), code


@pytest.mark.parametrize(
    "change",
    [
        lambda y: y.squeeze_(0),
        lambda y: y.squeeze_(),
        lambda y: y.unsqueeze_(-1),
        lambda y: y.transpose_(0, 2),
        lambda y: y.swapaxes_(1, 2),
        lambda y: y.squeeze_(0).t_(),
    ],
)
def test_a_batch_takes_another_shape_in_place(change):
    def f(lib):
        def one(x):
            y = x * 2
            z = change(y)
            y += 1
            return y * z, y.sum(0)

        return one

    x = torch.randn(4, 1, 2, 3)
    there, here = torch.func.vmap(f(torch))(x), rl.func.vmap(f(rl))(rl.tensor(x.numpy()))
    for a, b in zip(here, there, strict=True):
        assert a.shape == b.shape
        assert rl.allclose(a, rl.tensor(b.numpy()))
    pairs = torch.randn(2, 4, 1, 2, 3)
    nested = [
        lib.func.vmap(lib.func.vmap(f(lib)), in_dims=1)(p)
        for lib, p in ((torch, pairs), (rl, rl.tensor(pairs.numpy())))
    ]
    assert rl.allclose(nested[1][1], rl.tensor(nested[0][1].numpy()))
    g = [
        lib.func.vmap(lib.func.grad(lambda x, lib=lib: f(lib)(x)[0].sum()))(p)
        for lib, p in ((torch, x), (rl, rl.tensor(x.numpy())))
    ]
    assert rl.allclose(g[1], rl.tensor(g[0].numpy()))
    g = [
        lib.func.grad(lambda x, lib=lib: lib.func.vmap(f(lib))(x)[0].sum())(p)
        for lib, p in ((torch, x), (rl, rl.tensor(x.numpy())))
    ]
    assert rl.allclose(g[1], rl.tensor(g[0].numpy()))


@pytest.mark.parametrize("lib", [rl, torch], ids=["here", "PyTorch"])
def test_a_vmap_rule_is_told_where_the_batch_is(lib):
    told = []

    class Scaled(lib.autograd.Function):
        @staticmethod
        def forward(x, pair, by):
            return x * by

        @staticmethod
        def setup_context(ctx, inputs, output):
            pass

        @staticmethod
        def vmap(info, in_dims, x, pair, by):
            told.append((in_dims, tuple(x.shape)))
            return Scaled.apply(x, pair, by), in_dims[0]

    x, y = lib.arange(6.0).view(2, 3), lib.ones(3)
    found = lib.func.vmap(lambda x, y: Scaled.apply(x, (y, 1), 2.0), in_dims=(1, 0))(x, y)
    assert told[0][0][0] == 1 and told[0][0][2] is None and told[0][1] == (2, 3)
    assert found.tolist() == (x.T * 2).tolist()
    text = []
    lib.func.vmap(lambda x: text.append(repr(x)) or x, in_dims=1)(x)
    assert "bdim=1" in text[0] and "[[0., 1., 2.]," in text[0]


@pytest.mark.parametrize("lib", [rl, torch], ids=["here", "PyTorch"])
def test_a_backward_that_is_differentiable_once_says_so_outside_of_vjp(lib):
    class Cube(lib.autograd.Function):
        @staticmethod
        def forward(x):
            return x**3

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(inputs[0])

        @staticmethod
        @lib.autograd.function.once_differentiable
        def backward(ctx, grad):
            return grad * 3 * ctx.saved_tensors[0] ** 2

    x, weight = lib.tensor(2.0, requires_grad=True), lib.tensor(1.0, requires_grad=True)
    (found,) = lib.func.vjp(Cube.apply, x)[1](weight)
    assert found.item() == 12
    with pytest.raises(RuntimeError, match="marked with @once_differentiable"):
        found.backward()


@pytest.mark.parametrize("lib", [rl, torch], ids=["here", "PyTorch"])
def test_private_names_that_tell_of_transforms(lib):
    kept, dlevel = [], lib._C._functorch.dlevel
    lib.func.grad(lambda x: kept.append((x.sin(), dlevel(x))) or x)(lib.tensor(1.0))
    assert kept[0][1] == 1 and dlevel(kept[0][0]) == -1 and dlevel(lib.ones(1)) == 0
    key = lib._C.DispatchKey.FuncTorchBatched
    with lib._C._ExcludeDispatchKeyGuard(lib._C.DispatchKeySet(key)):
        assert lib.func.vmap(lambda x: x.sum(0))(lib.ones(2, 3)).tolist() == [3.0, 3.0]
        assert lib._C._dispatch_tls_local_exclude_set().has(key)
    assert not lib._C._dispatch_tls_local_exclude_set().has(key)
