"""Gradients at 0, at infinity, at equal arguments, at the smallest and largest numbers: PyTorch's in float64 where PyTorch has a finite one, and the
limit where it has NaN and the limit is clear."""

import itertools
import math

import pytest
import torch

import rushlight as rl

inf, nan = math.inf, math.nan
POINTS = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, 3.0, -3.0, 6.0, 20.0, -20.0, 100.0, -100.0, 1e3, -1e3]
POINTS += [1e-8, -1e-8, 1e-160, 5e-324, 1e160, -1e160, 1.7e308, -1.7e308, inf, -inf]
FEW = [0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 100.0, -100.0, 1e-160, 1e160, -1e160, inf, -inf]


def _named(module, name):
    for part in name.split("."):
        module = module.nn.functional if part == "F" else getattr(module, part)
    return module


UNARY = {
    name: (lambda m, x, name=name: _named(m, name)(x))
    for name in (
        "exp exp2 expm1 log log2 log10 log1p sin cos tan asin acos atan sinh cosh tanh asinh atanh erf erfc erfinv lgamma i0 sqrt rsqrt "
        "reciprocal square abs neg sign floor ceil trunc round frac sigmoid logit sinc deg2rad rad2deg relu angle nan_to_num special.i0e "
        "special.i1 special.ndtri special.ndtr special.log_ndtr special.erfcx special.entr F.softplus F.logsigmoid F.silu F.mish F.gelu "
        "F.elu F.selu F.celu F.relu6 F.hardswish F.hardsigmoid F.hardtanh F.tanhshrink F.leaky_relu F.softshrink F.hardshrink"
    ).split()
} | {
    "gelu by tanh": lambda m, x: m.nn.functional.gelu(x, approximate="tanh"),
    "logit eps": lambda m, x: m.logit(x, 1e-3),
    "clamp": lambda m, x: x.clamp(-1, 1),
    "clamp crossed": lambda m, x: x.clamp(2, -2),
    "threshold": lambda m, x: m.threshold(x, 1, 0),
    "softplus beta": lambda m, x: m.nn.functional.softplus(x, beta=3, threshold=10),
    "celu 2": lambda m, x: m.nn.functional.celu(x, 2.0),
    "round decimals": lambda m, x: m.round(x, decimals=1),
    "remainder": lambda m, x: x % 2,
    "fmod": lambda m, x: m.fmod(x, 2),
    "xlogy 2": lambda m, x: m.xlogy(x, 2),
    "2 xlogy": lambda m, x: m.xlogy(2, x),
    "ldexp": lambda m, x: m.ldexp(x, m.tensor(3)),
    "lerp": lambda m, x: m.lerp(x, x.detach() / 2, 0.3),
    **{f"pow {p}": (lambda m, x, p=p: x**p) for p in (0, 1, 2, 3, 4, -1, -2, -3, 0.5, 2.5, 0.3)},
    **{f"{p} pow": (lambda m, x, p=p: p**x) for p in (0, 1, 2, 10, 0.5, 0.3)},
}
BINARY = {
    name: (lambda m, a, b, name=name: getattr(m, name)(a, b))
    for name in (
        "add mul div atan2 hypot pow logaddexp logaddexp2 xlogy maximum minimum fmax fmin copysign fmod remainder float_power ldexp"
    ).split()
} | {
    "xlog1py": lambda m, a, b: m.special.xlog1py(a, b),
    "huber": lambda m, a, b: m.nn.functional.huber_loss(a, b, reduction="none"),
    "smooth_l1": lambda m, a, b: m.nn.functional.smooth_l1_loss(a, b, reduction="none", beta=0.5),
    "mse": lambda m, a, b: m.nn.functional.mse_loss(a, b, reduction="none"),
    "kl": lambda m, a, b: m.nn.functional.kl_div(a, b, reduction="none"),
    "poisson": lambda m, a, b: m.nn.functional.poisson_nll_loss(a, b, reduction="none"),
    "abs of complex": lambda m, a, b: m.complex(a, b).abs(),
}
ROWS = [[0.0, 0.0, 0.0], [0.0, 1.0, 2.0], [1.0, 1.0, 1.0], [1.0, 0.0, 0.0], [2.0, 2.0, -1.0], [-inf, 1.0, 2.0]]
ROWS += [[-0.0, 0.0, -0.0], [3.0, -3.0, 3.0], [1e3, 999.0, -1e3], [-inf, -inf, 0.0]]
REDUCTIONS = {
    **{
        name: (lambda m, x, name=name: getattr(m, name)(x, 0))
        for name in "sum mean prod amax amin std var softmax".split()
    },
    **{
        name: (lambda m, x, name=name: getattr(m, name)(x, 0))
        for name in "cumsum logcumsumexp log_softmax logsumexp".split()
    },
    **{name: (lambda m, x, name=name: getattr(m, name)(x)) for name in "max min median nanmedian nansum".split()},
    "max dim": lambda m, x: x.max(0)[0],
    "cummax": lambda m, x: m.cummax(x, 0)[0],
    "one element": lambda m, x: x[:1].std(unbiased=False),
    "normalize": lambda m, x: m.nn.functional.normalize(x, dim=0),
    "renorm": lambda m, x: m.renorm(x[None], 2, 0, 1.0),
    "cosine": lambda m, x: m.nn.functional.cosine_similarity(x, m.tensor([1.0, 2.0, 3.0], dtype=m.float64), dim=0),
    "cosine with 0": lambda m, x: m.nn.functional.cosine_similarity(x, m.zeros_like(x), dim=0),
    **{f"norm {p}": (lambda m, x, p=p: m.linalg.vector_norm(x, p)) for p in (0, 0.5, 1, 1.5, 2, 2.5, 3, inf, -inf)},
    "matrix norm": lambda m, x: m.linalg.matrix_norm(x[None]),
    **{
        f"cdist {p}": (
            lambda m, x, p=p: m.cdist(m.stack([x, m.ones_like(x)]), m.stack([x.detach(), m.ones_like(x)]), p=p)
        )
        for p in (1, 1.5, 2, 3)
    },
    **{f"pdist {p}": (lambda m, x, p=p: m.pdist(m.stack([x, m.ones_like(x), x.detach()]), p=p)) for p in (1, 2, 3)},
    "pairwise": lambda m, x: m.nn.functional.pairwise_distance(x, m.tensor([0.0, 1.0, 2.0], dtype=m.float64), eps=0.0),
}
# The right value where PyTorch gives another finite one: its gradient underflows, overflows or is that of a branch.
OTHER = {
    "sinc": {1e-8, -1e-8, 1e-160, 1e160, -1e160},
    "special.i0e": {1e160, -1e160},
    "special.i1": {5e-324},
    "F.gelu": {-20.0},
    "gelu by tanh": {-20.0},
    "special.ndtr": {-20.0},
    "logit": {0.0, -0.0},
    "special.erfcx": {1.7e308},
}


def _gradients(module, fn, inputs):
    tensors = [module.tensor(v, dtype=module.float64, requires_grad=True) for v in inputs]
    y = fn(module, *tensors)
    if not y.requires_grad:
        return [[0.0] * len(v) for v in inputs]
    grads = module.autograd.grad(y, tensors, module.ones_like(y), allow_unused=True)
    return [[0.0] * len(v) if g is None else g.tolist() for v, g in zip(inputs, grads, strict=True)]


def _close(got, want, slack):
    return got == want or abs(got - want) <= 1e-7 * max(abs(want), 1e-150) + slack


def _compare(fn, inputs, excused=(), slack=0.0):
    theirs, ours = _gradients(torch, fn, inputs), _gradients(rl, fn, inputs)
    for want, got in zip(theirs, ours, strict=True):
        wrong = [
            (point, w, g)
            for *point, w, g in zip(*inputs, want, got, strict=True)
            if math.isfinite(w) and not _close(g, w, slack) and not any(p in excused for p in point)
        ]
        assert not wrong, f"(at, PyTorch's, ours): {wrong[:5]}"


@pytest.mark.parametrize("name", UNARY)
def test_a_gradient_of_one_argument(name):
    _compare(UNARY[name], [POINTS], OTHER.get(name, ()))


@pytest.mark.parametrize("name", BINARY)
def test_a_gradient_of_two_arguments(name):
    pairs = list(itertools.product(FEW, FEW))
    # Squares of these leave the range in PyTorch's formulas.
    excused = (1e-160, 1e160, -1e160) if name in ("atan2", "abs of complex", "ldexp", "remainder") else ()
    _compare(BINARY[name], [[a for a, _ in pairs], [b for _, b in pairs]], excused)


@pytest.mark.parametrize("row", ROWS, ids=str)
@pytest.mark.parametrize("name", REDUCTIONS)
def test_a_gradient_of_a_reduction(name, row):
    _compare(REDUCTIONS[name], [row], slack=1e-14)


def _at(fn, *inputs):
    return [g[0] for g in _gradients(rl, fn, [[v] for v in inputs])]


# PyTorch has NaN for most of these.
@pytest.mark.parametrize(
    ("name", "at", "right"),
    [
        ("atan2", (0.0, 0.0), (0.0, 0.0)),
        ("atan2", (1.0, inf), (0.0, 0.0)),
        ("atan2", (0.0, 1e-300), (1e300, 0.0)),
        ("hypot", (0.0, 0.0), (0.0, 0.0)),
        ("hypot", (-inf, 1.0), (-1.0, 0.0)),
        ("hypot", (3e-300, 4e-300), (0.6, 0.8)),
        ("logaddexp", (inf, 1.0), (1.0, 0.0)),
        ("logaddexp", (inf, inf), (0.5, 0.5)),
        ("logaddexp", (-inf, -inf), (0.5, 0.5)),
        ("logaddexp", (1e160, 1e160), (0.5, 0.5)),
        ("logaddexp2", (1.0, inf), (0.0, 1.0)),
        ("logaddexp2", (-inf, -inf), (0.5, 0.5)),
        ("xlogy", (0.0, 0.0), (0.0, 0.0)),
        ("xlog1py", (0.0, -1.0), (0.0, 0.0)),
        ("copysign", (inf, -1.0), (-1.0, 0.0)),
        ("ldexp", (0.0, 1e5), (inf, 0.0)),
    ],
)
def test_the_limit_of_two_arguments(name, at, right):
    assert _at(BINARY[name], *at) == pytest.approx(right, rel=1e-12)


@pytest.mark.parametrize("name", ["F.silu", "F.mish", "F.gelu", "gelu by tanh", "F.hardswish"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_what_is_x_times_a_switch_has_value_and_slope_at_infinity(name, dtype):
    x = rl.tensor([-inf, -1e4, 1e4, inf, nan], dtype=getattr(rl, dtype), requires_grad=True)
    y = UNARY[name](rl, x)
    (once,) = rl.autograd.grad(y.sum(), x, retain_graph=True)
    (kept,) = rl.autograd.grad(y.sum(), x, create_graph=True)
    assert y.tolist()[:4] == [0, 0, float(x[2]), inf]
    assert once.tolist()[:4] == [0, 0, 1, 1]
    assert kept.tolist()[:4] == [0, 0, 1, 1]
    assert math.isnan(y.tolist()[4])


@pytest.mark.parametrize(
    "name",
    [
        "F.elu",
        "F.selu",
        "F.celu",
        "celu 2",
        "F.softplus",
        "F.mish",
        "F.gelu",
        "gelu by tanh",
        "sinc",
        "pow 0",
        "logit eps",
    ],
)
def test_a_second_gradient_is_finite(name):
    points = [0.0, 1.0, -1.0, 1e3, -1e3, 1e160, 1e-160, 1e-300]
    x = rl.tensor(points, dtype=rl.float64, requires_grad=True)
    (g,) = rl.autograd.grad(UNARY[name](rl, x).sum(), x, create_graph=True)
    (h,) = rl.autograd.grad(g.sum(), x) if g.requires_grad else (rl.zeros(1),)
    assert bool(h.isfinite().all()), h


@pytest.mark.parametrize("p", [2, 2.5, 3, inf])
def test_a_norm_at_zero_has_no_slope(p):
    x = rl.zeros(2, 3, dtype=rl.float64, requires_grad=True)
    weight = rl.ones((), dtype=rl.float64, requires_grad=True)
    (g,) = rl.autograd.grad(rl.linalg.vector_norm(x, p), x, weight, create_graph=True)
    h, of_weight = rl.autograd.grad(g.sum(), [x, weight])
    assert bool((g == 0).all())
    assert of_weight.item() == 0
    assert p == 2 or bool((h == 0).all())  # PyTorch has NaN for the Euclidean one


def test_the_gradient_of_a_norm_points_along_the_smallest_and_largest_numbers():
    for size in (1e-320, 1e-200, 1.0, 1e200, 5e307):
        for p in (2, 3):
            x = rl.tensor([size, 0.0, size], dtype=rl.float64, requires_grad=True)
            (g,) = rl.autograd.grad(rl.linalg.vector_norm(x, p), x)
            want = 2.0 ** (1 / p - 1)
            assert g.tolist() == pytest.approx([want, 0, want], rel=1e-3 if size < 1e-300 else 1e-12)


def test_a_python_number_in_a_gradient_keeps_its_digits():
    """It would be rounded to the default dtype where two numbers meet."""
    x = rl.tensor(3.0, dtype=rl.float64, requires_grad=True)
    for y, want in (
        (x**0.3, 0.3 * 3**-0.7),
        (0.3**x, math.log(0.3) * 0.3**3),
        (2**x, math.log(2) * 8),
        (rl.lerp(x, x.detach(), 0.3), 0.7),
    ):
        (g,) = rl.autograd.grad(y, x)
        assert g.item() == pytest.approx(want, rel=1e-14)


@pytest.mark.parametrize("offset", [0, 3, 5, 6])
def test_as_strided_before_and_behind_a_view_has_a_second_gradient(offset):
    results = []
    for module in (torch, rl):
        base = module.arange(1.0, 11.0, dtype=module.float64)
        x = base[5:9].requires_grad_()
        y = module.as_strided(x, (2, 2), (1, 2), offset)
        (g,) = module.autograd.grad((y**3).sum(), x, create_graph=True)
        (h,) = module.autograd.grad((g**2).sum(), x)
        results.append(g.tolist() + h.tolist())
    assert results[0] == pytest.approx(results[1])


@pytest.mark.parametrize("base", [-2.0, [-2.0, 3.0], [-2, 3]])
def test_negative_numbers_to_complex_powers(base):
    results = []
    for module in (torch, rl):
        exponent = module.tensor([0.5 + 1j, 2 - 0.3j], dtype=module.complex128, requires_grad=True)
        power = (module.tensor(base) if isinstance(base, list) else base) ** exponent
        (g,) = module.autograd.grad(power.abs().sum(), exponent)
        results.append(g.tolist())
    assert results[0] == pytest.approx(results[1], rel=1e-6)


def test_nan_has_no_sign_and_is_past_no_bound():
    nan = rl.full((17,), float("nan"), requires_grad=True)
    assert rl.sign(nan).eq(0).all() and rl.sgn(nan).eq(0).all()
    nan.abs().sum().backward()
    assert nan.grad.eq(0).all()
    for name in ("clamp_min", "clamp_max"):
        bound = rl.zeros(17, requires_grad=True)
        out = getattr(rl, name)(nan, bound)
        assert out.isnan().all()
        for g in rl.autograd.grad(out.sum(), [nan, bound]):
            assert g.eq(0).all(), name


@pytest.mark.parametrize("include_self", [True, False])
def test_products_of_two_zeros_are_differentiated_twice(include_self):
    src = rl.tensor([0.0, 3.0, 0.0, 0.0, 2.0], dtype=rl.float64, requires_grad=True)
    self = rl.tensor([2.0, 5.0], dtype=rl.float64, requires_grad=True)
    index = rl.tensor([0, 0, 0, 1, 1])  # two zeros in the first product, one in the second
    for name in ("scatter_reduce", "index_reduce"):
        call = getattr(rl, name)
        assert rl.autograd.gradgradcheck(
            lambda a, b: call(a, 0, index, b, "prod", include_self=include_self), (self, src)
        )  # noqa: B023


def test_the_sparse_gradient_of_a_number_that_is_gathered():
    x = rl.tensor(2.0, requires_grad=True)
    rl.gather(x, 0, rl.tensor([0, 0]), sparse_grad=True).sum().backward()
    assert x.grad == 2
