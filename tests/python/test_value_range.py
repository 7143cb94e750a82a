"""Pointwise functions over every half and bfloat16 and over float32 and float64 at the edges of their ranges, against extended precision: what is
finite comes out finite, and to the last places."""

import math

import numpy as np
import pytest
from scipy import special

import rushlight as rl

F = rl.nn.functional
L = np.longdouble
PI = L("3.14159265358979323846264338327950288")


def _sigmoid(x):
    z = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, z) / (1 + z)


def _softplus(x):
    return np.where(x > 0, x, 0) + np.log1p(np.exp(-np.abs(x)))


def _times(x, switch):  # x * switch(x), 0 at -inf
    return np.where(x == -np.inf, 0, x * switch)


def _sinc(x):
    turn = np.abs(x) % 2
    sine = np.where(np.abs(x) == np.floor(np.abs(x)), 0, np.sign(x) * np.sin(PI * turn))
    return np.where(x == 0, 1, np.where(np.isinf(x), 0, sine / (PI * x)))


def _mish(x):
    z = np.exp(np.minimum(x, 60))
    return _times(x, np.where(x > 60, 1, z * (z + 2) / (z * (z + 2) + 2)))


def _double(f):
    return lambda x: L(f(x.astype(np.float64)))


SELU = L("1.0507009873554804934193349852946"), L("1.6732632423543772848170429916717")
GELU = np.sqrt(2 / PI)
# function, its reference, units in the last place that it may be off in float32 and float64 (None: not looked at there; a number x < 1: off by x
# of the value)
FUNCTIONS = {
    "exp": (rl.exp, np.exp, 2, 2),
    "exp2": (rl.exp2, np.exp2, 2, 2),
    "expm1": (rl.expm1, np.expm1, 2, 2),
    "log": (rl.log, np.log, 2, 2),
    "log2": (rl.log2, np.log2, 2, 2),
    "log10": (rl.log10, np.log10, 2, 2),
    "log1p": (rl.log1p, np.log1p, 2, 2),
    "sin": (rl.sin, np.sin, 2, 2),
    "cos": (rl.cos, np.cos, 2, 2),
    "tan": (rl.tan, np.tan, 2, 2),
    "asin": (rl.asin, np.arcsin, 2, 2),
    "acos": (rl.acos, np.arccos, 2, 2),
    "atan": (rl.atan, np.arctan, 2, 2),
    "sinh": (rl.sinh, np.sinh, 4, 4),
    "cosh": (rl.cosh, np.cosh, 4, 4),
    "tanh": (rl.tanh, np.tanh, 2, 2),
    "asinh": (rl.asinh, np.arcsinh, 2, 2),
    "acosh": (rl.acosh, np.arccosh, 2, 2),
    "atanh": (rl.atanh, np.arctanh, 2, 2),
    "erf": (rl.erf, _double(special.erf), 2, 4),
    "erfc": (rl.erfc, _double(special.erfc), 4, 20),
    "erfinv": (rl.erfinv, _double(special.erfinv), 2, 4),
    "sqrt": (rl.sqrt, np.sqrt, 1, 1),
    "rsqrt": (rl.rsqrt, lambda x: 1 / np.sqrt(x), 2, 2),
    "reciprocal": (rl.reciprocal, lambda x: 1 / x, 1, 1),
    "square": (rl.square, lambda x: x * x, 1, 1),
    "frac": (rl.frac, lambda x: np.where(np.isinf(x), np.nan, x - np.trunc(x)), 1, 1),
    "sigmoid": (rl.sigmoid, _sigmoid, 4, 4),
    "sinc": (rl.sinc, _sinc, 4, 1e-10),
    "deg2rad": (rl.deg2rad, lambda x: x * PI / 180, 2, 2),
    "rad2deg": (rl.rad2deg, lambda x: x * 180 / PI, 2, 2),
    "softplus": (F.softplus, _softplus, 4, None),
    "softplus, high threshold": (lambda x: F.softplus(x, threshold=1e9), _softplus, 4, 4),
    "logsigmoid": (F.logsigmoid, lambda x: -_softplus(-x), 4, 4),
    "silu": (F.silu, lambda x: _times(x, _sigmoid(x)), 1e-5, 1e-12),
    "mish": (F.mish, _mish, 1e-5, 1e-12),
    "gelu by tanh": (
        lambda x: F.gelu(x, approximate="tanh"),
        lambda x: _times(x, _sigmoid(2 * GELU * (x + L("0.044715") * x**3))),
        1e-4,
        1e-12,
    ),
    "gelu": (F.gelu, lambda x: _times(x, 0.5 * L(special.erfc(-(x / np.sqrt(L(2))).astype(float)))), None, 1e-12),
    "elu": (F.elu, lambda x: np.where(x > 0, x, np.expm1(x)), 2, 2),
    "selu": (F.selu, lambda x: SELU[0] * np.where(x > 0, x, SELU[1] * np.expm1(x)), 4, 4),
    "celu": (lambda x: F.celu(x, 2.0), lambda x: np.where(x > 0, x, 2 * np.expm1(x / 2)), 4, 4),
    "hardswish": (
        F.hardswish,
        lambda x: np.where(x <= -3, 0, np.where(x >= 3, x, x * (x + 3) / 6)) + np.where(np.isnan(x), x, 0),
        4,
        4,
    ),
    "hardsigmoid": (F.hardsigmoid, lambda x: np.clip(x / 6 + L(0.5), 0, 1), 1e-4, 1e-4),
    "cube": (lambda x: x**3, lambda x: x**3, 2, 2),
    "power -2": (lambda x: x**-2, lambda x: 1 / (x * x), 2, 2),
    "power 2.5": (lambda x: x**2.5, lambda x: np.power(x, L(2.5)), 2, 2),
    "2 to a power": (lambda x: 2**x, np.exp2, 2, 2),
    "round to -2": (
        lambda x: rl.round(x, decimals=-2),
        lambda x: np.where(np.isinf(x), x, np.rint(x / 100) * 100),
        None,
        None,
    ),
    **{
        f"ldexp {n}": ((lambda x, n=n: rl.ldexp(x, rl.tensor(n))), (lambda x, n=n: np.ldexp(x, n)), 1, 1)
        for n in (3, -20, 30, -140, 200)
    },
    "i0": (rl.i0, _double(lambda x: np.where(np.isinf(x), np.inf, special.i0(x))), 2, None),
    "i0e": (rl.special.i0e, _double(special.i0e), 2, 1e-12),
    "i1": (rl.special.i1, _double(lambda x: np.where(np.isinf(x), x, special.i1(x))), 2, None),
    "k0e": (rl.special.scaled_modified_bessel_k0, _double(special.k0e), 2, 1e-12),
    "k1e": (rl.special.scaled_modified_bessel_k1, _double(special.k1e), 2, 1e-12),
    "ndtr": (rl.special.ndtr, _double(special.ndtr), 2, 1e-11),
    "erfcx": (rl.special.erfcx, _double(special.erfcx), 2, 1e-12),
    "entr": (rl.special.entr, _double(special.entr), 4, 4),
    "polygamma 2": (
        lambda x: rl.polygamma(2, x.clamp(min=1e-3)),
        _double(lambda x: special.polygamma(2, np.maximum(x, 1e-3))),
        1e-5,
        None,
    ),
}
FORMAT = {
    "float16": (11, -14, 65504),
    "bfloat16": (8, -126, 2.0**128 - 2.0**120),
    "float32": (24, -126, 2.0**128 - 2.0**104),
}
FORMAT["float64"] = (53, -1022, np.finfo(np.float64).max)


def _edges(dtype):
    if dtype in ("float16", "bfloat16"):
        return rl.arange(-32768, 32768, dtype=rl.int32).to(rl.int16).view(getattr(rl, dtype))
    rng = np.random.default_rng(0)
    some = [
        0,
        1,
        2,
        0.5,
        3,
        6,
        20,
        80,
        88.7,
        88.73,
        89,
        89.4,
        89.42,
        90,
        104,
        128,
        149,
        1e3,
        1e6,
        1e10,
        1e19,
        2e19,
        1e20,
        1e30,
        3e38,
        3.4e38,
    ]
    some += [
        1.2e-38,
        1e-40,
        1e-45,
        1e-30,
        1e-20,
        1e-8,
        1e-5,
        1e-3,
        0.1,
        math.inf,
        *(k * math.pi / 2 for k in range(1, 40)),
        1e8 * math.pi,
    ]
    bits = rng.integers(0, 2**32, 2000, dtype=np.uint32)
    x = np.concatenate(
        [np.float32(some), bits.view(np.float32), rng.uniform(-12, 12, 1500), rng.uniform(79, 110, 300)]
    ).astype(np.float32)
    x = np.concatenate([x, -x, np.nextafter(x, np.float32(np.inf))])
    if dtype == "float64":
        more = [
            709.78,
            709.79,
            710,
            710.47,
            745.1,
            746,
            1e154,
            1.4e154,
            1e160,
            1e300,
            1.79e308,
            2.3e-308,
            1e-310,
            5e-324,
            1e-160,
            1e-17,
        ]
        x = np.concatenate([x, more, -np.array(more), rng.integers(0, 2**64, 1500, dtype=np.uint64).view(np.float64)])
    return rl.from_numpy(x)


def _to_long(t):
    return t.to(rl.float64).numpy().astype(L)


@pytest.mark.parametrize("dtype", FORMAT)
def test_values_over_the_range(dtype):
    digits, smallest, largest = FORMAT[dtype]
    x = _edges(dtype)
    at = _to_long(x)
    half_up = np.ldexp(L(0.5), int(math.log2(largest)) - digits + 1)
    wrong = []
    for name, (function, reference, *limits) in FUNCTIONS.items():
        # A half's result is rounded once from float; a little is left for values that lie between two of them, and for what float cancels.
        limit = (
            limits[dtype == "float64"]
            if digits > 20
            else 16
            if name.startswith("gelu") and dtype == "float16"
            else 1.01
        )
        if limit is None or (dtype == "bfloat16" and name == "gelu"):
            continue
        with np.errstate(all="ignore"):
            want, got = reference(at), _to_long(function(x))
            at_limit = np.abs(np.abs(want) - largest) < 8 * half_up
            want = np.where(np.isfinite(want) & (np.abs(want) >= largest + half_up), np.copysign(np.inf, want), want)
            place = np.ldexp(
                L(1), np.maximum(np.frexp(np.where(np.isfinite(want), want, 1))[1] - 1, smallest) - digits + 1
            )
            # Among subnormal numbers neither x times one of them nor the references are exact.
            loose = limit * np.abs(want) + np.ldexp(L(1), smallest)
            allowed = loose if limit < 1 else limit * place
            same = (got == want) | (np.isnan(got) & np.isnan(want))
            bad = ~(same | (np.abs(got - want) <= allowed) | at_limit)
        wrong += [
            f"{name}({float(at[i])!r}) = {float(got[i])!r}, not {float(want[i])!r}" for i in np.flatnonzero(bad)[:3]
        ]
    assert not wrong, "\n".join(wrong)


PAIRS = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.3,
    2.5,
    -7.0,
    1e-45,
    1e-38,
    3e38,
    -3e38,
    1e20,
    1e-20,
    88.0,
    math.inf,
    -math.inf,
    math.nan,
]


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("hypot", np.hypot),
        ("atan2", np.arctan2),
        ("logaddexp", np.logaddexp),
        ("logaddexp2", np.logaddexp2),
        ("fmod", np.fmod),
        (
            "remainder",
            lambda a, b: np.where(np.isinf(b) & np.isfinite(a) & (a != 0) & ((a < 0) != (b < 0)), b, np.mod(a, b)),
        ),
        ("maximum", np.maximum),
        ("fmax", np.fmax),
        ("copysign", np.copysign),
        ("pow", np.power),
        ("true_divide", np.true_divide),
    ],
)
def test_values_of_two_arguments(name, reference):
    a, b = (np.array(v, np.float32).ravel() for v in np.meshgrid(PAIRS, PAIRS))
    got = getattr(rl, name)(rl.from_numpy(a), rl.from_numpy(b)).numpy()
    with np.errstate(all="ignore"):
        want = reference(a.astype(np.float64), b.astype(np.float64)).astype(np.float32)
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-7 if "logaddexp" in name else 1e-45)


def test_functions_that_are_given_here():
    f16, inf = rl.float16, math.inf
    for dtype in (rl.float16, rl.bfloat16, rl.float32, rl.float64):
        big = rl.finfo(dtype).max
        assert rl.nan_to_num(rl.tensor([math.nan, inf, -inf, 1.5], dtype=dtype)).tolist() == [0, big, -big, 1.5]
        assert rl.lerp(rl.tensor(-big, dtype=dtype), rl.tensor(big, dtype=dtype), 0.5).item() == 0
        assert (
            F.soft_margin_loss(rl.tensor([-1e4], dtype=dtype), rl.ones(1, dtype=dtype)).item()
            == rl.tensor(1e4, dtype=dtype).item()
        )
        assert rl.round(rl.tensor(big, dtype=dtype), decimals=20).item() == big
        assert rl.round(rl.tensor(2.0, dtype=dtype), decimals=-300).item() == 0
    assert rl.ldexp(rl.tensor([2.0**-10], dtype=f16), rl.tensor([20])).item() == 1024
    assert rl.ldexp(rl.tensor([1e-45]), rl.tensor([270])).item() == 2.0**121
    half = F.smooth_l1_loss(rl.tensor([1.0], dtype=f16), rl.zeros(1, dtype=f16), beta=1e-4)
    assert half.item() == 1.0
    assert rl.polygamma(2, rl.tensor(-1e15 - 0.5, dtype=rl.float64)).isfinite().item()
    assert rl.polygamma(1, rl.tensor([-3.0, -inf])).tolist() == [inf, inf]


@pytest.mark.parametrize("size", [1e20, 3e37, 1e-22, 1e-38])
def test_norms_means_and_products_inside_the_range(size):
    x = rl.full((2, 4), size)
    for norms in (
        rl.norm(x, dim=1),
        rl.linalg.vector_norm(x, dim=1),
        rl.linalg.vector_norm(x.t(), dim=0),
        rl.linalg.norm(x[:, None], dim=(1, 2)),
    ):
        assert norms.tolist() == pytest.approx([2 * size] * 2, rel=1e-6)
    assert rl.linalg.vector_norm(x, 3).item() == pytest.approx(2 * size, rel=1e-6)
    assert rl.linalg.vector_norm(rl.complex(x, x)[0]).item() == pytest.approx(math.sqrt(8) * size, rel=1e-6)
    assert rl.linalg.vector_norm(x.double() * (1e200 if size > 1 else 1e-200)).item() == pytest.approx(
        math.sqrt(8) * size * (1e200 if size > 1 else 1e-200), rel=1e-6
    )
    if size > 1:
        assert F.cosine_similarity(x, x).tolist() == pytest.approx([1, 1], rel=1e-6)
        assert F.normalize(x)[0, 0].item() == pytest.approx(0.5, rel=1e-6)
    big = rl.full((3, 5), 3e38)
    assert big.mean().item() == pytest.approx(3e38, rel=1e-6)
    assert big.mean(1).tolist() == pytest.approx([3e38] * 3, rel=1e-6)
    assert big.mul(-1).mean(0).tolist() == pytest.approx([-3e38] * 5, rel=1e-6)
    assert rl.tensor([1e30, 1e30, 1e-30, 1e-30]).prod().item() == pytest.approx(1, rel=1e-6)
    assert rl.tensor([1e300, 1.7e308], dtype=rl.float64).mean().item() == pytest.approx(8.5e307, rel=1e-7)
    assert math.isinf(rl.linalg.vector_norm(rl.tensor([math.inf, 1.0])).item())
    assert math.isnan(rl.linalg.vector_norm(rl.tensor([math.nan, 1.0])).item())
    assert rl.linalg.vector_norm(rl.zeros(2, 3), dim=1).tolist() == [0, 0]


@pytest.mark.parametrize("dtype", [rl.complex64, rl.complex128], ids=str)
def test_complex_numbers_at_the_edges(dtype):
    def of(*values):
        return rl.tensor(values, dtype=dtype)

    zero = of(*[0j] * 9)
    assert (zero**0).tolist() == [1] * 9
    assert (zero ** of(0j)).tolist() == [1] * 9
    for n in (1, 2, 3, 5, 0.5, 1 + 2j):
        assert (zero**n).tolist() == [0] * 9
    assert [(of(1 + 1j) ** n).item() for n in (1, 2, 3, 4, 8, -2)] == [1 + 1j, 2j, -2 + 2j, -4, 16, -0.5j]
    big = rl.finfo(dtype).max
    assert rl.sgn(of(complex(big, big))).item() == pytest.approx(complex(0.5**0.5, 0.5**0.5), rel=1e-6)
    tiny = rl.finfo(dtype).smallest_normal
    assert rl.sgn(of(complex(0, -tiny / 4))).item() == pytest.approx(-1j, rel=1e-6)
    assert rl.log1p(of(complex(big, big))).item() == pytest.approx(
        complex(math.log(big) + math.log(2) / 2, math.pi / 4), rel=1e-6
    )
    for name in "exp log sqrt sin cos tan sinh cosh tanh asin acos atan asinh acosh atanh".split():
        values = np.array(
            [
                complex(a, b)
                for a in (0.0, -0.0, 1.5, math.inf, -math.inf, math.nan)
                for b in (0.0, -0.0, 2.0, math.inf, math.nan)
            ]
        )
        spelled = {
            "asin": "arcsin",
            "acos": "arccos",
            "atan": "arctan",
            "asinh": "arcsinh",
            "acosh": "arccosh",
            "atanh": "arctanh",
        }
        with np.errstate(all="ignore"):
            want = getattr(np, spelled.get(name, name))(values.astype(np.complex128))
        got = getattr(rl, name)(rl.from_numpy(values).to(dtype)).to(rl.complex128).numpy()
        np.testing.assert_allclose(np.abs(got.real), np.abs(want.real), rtol=1e-5, atol=1e-7, err_msg=name)
        np.testing.assert_allclose(np.abs(got.imag), np.abs(want.imag), rtol=1e-5, atol=1e-7, err_msg=name)


@pytest.mark.parametrize("p", [1.5, 2.0, 3.0])
def test_distances_inside_the_range(p):
    x = rl.tensor([[3e25, 0.0], [0.0, 4e25], [0.0, 0.0]])
    side = (3**p + 4**p) ** (1 / p) * 1e25
    assert rl.pdist(x, p).tolist() == pytest.approx([side, 3e25, 4e25], rel=1e-5)
    assert rl.cdist(x, x[2:], p).flatten().tolist() == pytest.approx([3e25, 4e25, 0], rel=1e-5)
    many = x[:1].expand(30, 2)  # by products
    assert rl.cdist(many, x[1:2], p).flatten().tolist() == pytest.approx([side] * 30, rel=1e-5)


@pytest.mark.parametrize(
    ("x", "value"),  # to 17 digits, computed with 40
    [
        (-12.5, -0.27627456138116025),
        (-8.5, -0.33029023763020886),
        (-8.0, -0.052705050356386203),
        (-7.5, 0.32177571638064788),
        (-5.0, 0.35076100902411432),
        (-1.0, 0.53556088329235212),
        (0.5, 0.23169360648083349),
        (1.5, 0.07174949700810541),
        (5.0, 0.00010834442813607442),
        (20.0, 1.6916728686705403e-27),
    ],
)
def test_airy_ai(x, value):
    assert rl.special.airy_ai(rl.tensor(x, dtype=rl.float64)).item() == pytest.approx(value, rel=1e-13)
