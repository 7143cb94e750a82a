"""Distributions, transforms and constraints against PyTorch: the same draws from one seed, densities, moments, gradients."""

import importlib
import inspect
import itertools
import pickle
import warnings

import numpy as np
import pytest
import rushlight.distributions as D
import torch

import rushlight as rl

# The samples of these go through exp, log, pow or division after they are drawn, which may round the last bit otherwise.
ROUNDED = {
    "ContinuousBernoulli", "GeneralizedPareto", "Gumbel", "Kumaraswamy", "LKJCholesky", "LogNormal", "LogisticNormal",
    "LowRankMultivariateNormal", "MultivariateNormal", "Pareto", "RelaxedBernoulli", "RelaxedOneHotCategorical",
    "TransformedDistribution", "VonMises", "Weibull", "Wishart",
}  # fmt: skip
# PyTorch's gradients of gamma samples are approximations, good to three digits.
REJECTED = {"Gamma", "Chi2", "StudentT", "FisherSnedecor", "Dirichlet", "Beta", "InverseGamma", "Wishart"}
needs_lapack = pytest.mark.skipif(not hasattr(rl.linalg, "cholesky"), reason="linalg.cholesky is missing")


class Numbers:
    """The same parameters for both modules."""

    def __init__(self, t, dtype):
        self.t, self.dtype, self.random = t, getattr(t, dtype), np.random.RandomState(0)

    def tensor(self, array):
        return self.t.tensor(array).to(self.dtype)

    def real(self, *shape):
        return self.tensor(self.random.uniform(-2, 2, shape))

    def positive(self, *shape):
        return self.tensor(self.random.uniform(0.3, 2.5, shape))

    def chance(self, *shape):
        return self.tensor(self.random.uniform(0.05, 0.95, shape))

    def simplex(self, *shape):
        return self.tensor(self.random.dirichlet(np.ones(shape[-1]), shape[:-1]))

    def covariance(self, *shape):
        m = self.random.randn(*shape, shape[-1])
        return self.tensor(m @ np.swapaxes(m, -1, -2) + np.eye(shape[-1]))

    def lower(self, *shape):
        below = np.tril(self.random.randn(*shape, shape[-1]), -1)
        return self.tensor(below + np.eye(shape[-1]) * self.random.uniform(0.5, 2, (*shape, 1)))


CASES = {
    "Normal": lambda n: [(n.real(3), n.positive(3)), (0.0, 1.0), (n.real(4, 1), n.positive(3))],
    "Laplace": lambda n: [(n.real(3), n.positive(3))],
    "Cauchy": lambda n: [(n.real(3), n.positive(3))],
    "Uniform": lambda n: [(n.real(3) - 3, n.positive(3))],
    "Exponential": lambda n: [(n.positive(3),), (2.0,)],
    "Gamma": lambda n: [(n.positive(5), n.positive(5)), (2.0, 3.0)],
    "Chi2": lambda n: [(n.positive(5) * 3,)],
    "StudentT": lambda n: [(n.positive(5) * 2, n.real(5), n.positive(5)), (3.0,)],
    "FisherSnedecor": lambda n: [(n.positive(5) * 3, n.positive(5) * 4)],
    "Dirichlet": lambda n: [(n.positive(2, 4),), (n.positive(20) * 0.1,)],
    "Beta": lambda n: [(n.positive(5), n.positive(5)), (0.5, 2.0)],
    "ContinuousBernoulli": lambda n: [(n.chance(5),), (n.tensor([0.5, 0.4995, 0.3]),), (None, n.real(4))],
    "GeneralizedPareto": lambda n: [(0.0, 2.0, 0.5), (0.0, 2.0, 0.0), (1.0, 2.0, -0.4)],
    "VonMises": lambda n: [(n.real(5), n.positive(5) * 3)],
    "LogNormal": lambda n: [(n.real(4), n.positive(4) * 0.5)],
    "LogisticNormal": lambda n: [(n.real(2, 3), n.positive(2, 3))],
    "HalfNormal": lambda n: [(n.positive(3),)],
    "HalfCauchy": lambda n: [(n.positive(3),)],
    "InverseGamma": lambda n: [(n.positive(4) * 2, n.positive(4))],
    "Gumbel": lambda n: [(n.real(4), n.positive(4)), (0.0, 2.0)],
    "Pareto": lambda n: [(n.positive(4), n.positive(4) * 2)],
    "Weibull": lambda n: [(n.positive(4), n.positive(4))],
    "Kumaraswamy": lambda n: [(n.positive(4), n.positive(4))],
    "RelaxedBernoulli": lambda n: [(n.tensor(0.7), n.chance(4)), (n.tensor(0.7), None, n.real(4))],
    "RelaxedOneHotCategorical": lambda n: [(n.tensor(0.7), n.simplex(2, 4)), (n.tensor(0.7), None, n.real(2, 4))],
    "Bernoulli": lambda n: [(n.chance(5),), (None, n.real(5)), (0.3,)],
    "Geometric": lambda n: [(n.chance(5),), (None, n.real(5))],
    "Binomial": lambda n: [(7, n.chance(5)), (n.tensor([1.0, 5, 10, 40]), n.chance(4)), (9, None, n.real(4))],
    "NegativeBinomial": lambda n: [(n.positive(4) * 3, n.chance(4)), (4.0, None, n.real(4))],
    "Poisson": lambda n: [(n.positive(4) * 4,)],
    "Categorical": lambda n: [(n.simplex(3, 5),), (None, n.real(5))],
    "OneHotCategorical": lambda n: [(n.simplex(3, 5),)],
    "OneHotCategoricalStraightThrough": lambda n: [(None, n.real(3, 5))],
    "Multinomial": lambda n: [(6, n.simplex(3, 4)), (6, None, n.real(4))],
    "MultivariateNormal": lambda n: [
        (n.real(3), n.covariance(3)), (n.real(2, 3), None, n.covariance(3)), (n.real(3), None, None, n.lower(2, 3))
    ],
    "LowRankMultivariateNormal": lambda n: [(n.real(2, 4), n.real(4, 2), n.positive(4))],
    "LKJCholesky": lambda n: [(3, n.positive(2))],
    "Wishart": lambda n: [(n.positive(2) + 4, n.covariance(3)), (5.0, None, None, n.lower(3))],
    "Independent": lambda n: [(n.t.distributions.Normal(n.real(2, 3), n.positive(2, 3)), 1)],
    "MixtureSameFamily": lambda n: [
        (n.t.distributions.Categorical(n.simplex(4)), n.t.distributions.Normal(n.real(4), n.positive(4))),
        (
            n.t.distributions.Categorical(n.simplex(2, 4)),
            n.t.distributions.Independent(n.t.distributions.Normal(n.real(2, 4, 3), n.positive(2, 4, 3)), 1),
        ),
    ],
    "TransformedDistribution": lambda n: [
        (
            n.t.distributions.Normal(n.real(3), n.positive(3)),
            [n.t.distributions.AffineTransform(1.0, 2.0), n.t.distributions.SigmoidTransform()],
        )
    ],
}  # fmt: skip
LAPACK = {"MultivariateNormal", "LowRankMultivariateNormal", "Wishart"}
NAMES = [pytest.param(name, marks=needs_lapack) if name in LAPACK else name for name in CASES]


def cases(name, dtype):
    """Pairs of PyTorch's and our arguments."""
    return zip(CASES[name](Numbers(torch, dtype)), CASES[name](Numbers(rl, dtype)), strict=True)


def attempt(f, t):
    """What f gives from one seed, or the class of what it raises."""
    t.manual_seed(3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return f(t)
        except Exception as e:
            return type(e)


def same(f, tolerance=0.0):
    expected, got = attempt(f, torch), attempt(f, rl)
    if isinstance(expected, type) or isinstance(got, type):
        assert expected is got
        return
    a, b = expected.detach().numpy(), got.detach().numpy()
    assert (a.shape, a.dtype) == (b.shape, b.dtype)
    if tolerance:
        tolerance = max(tolerance, 2e-6) if a.dtype == "float32" else tolerance
        np.testing.assert_allclose(b, a, rtol=tolerance, atol=tolerance)
    else:
        np.testing.assert_array_equal(b, a)


def made(name, theirs, ours):
    return lambda t, *override: getattr(t.distributions, name)(*(override or (theirs if t is torch else ours)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_one_seed_gives_pytorchs_draws(name, dtype):
    tolerance = (2e-6 if dtype == "float32" else 1e-14) * (100 if name in LAPACK else 1) if name in ROUNDED else 0
    for theirs, ours in cases(name, dtype):
        make = made(name, theirs, ours)
        same(lambda t: make(t).sample((5, 2)), tolerance)  # noqa: B023
        same(lambda t: make(t).sample(), tolerance)  # noqa: B023
        same(lambda t: make(t).expand((4, *make(t).batch_shape)).sample((3,)), tolerance)  # noqa: B023


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_densities_and_moments(name, dtype):
    tolerance = 2e-5 if dtype == "float32" else 1e-6
    if (name, dtype) == ("GeneralizedPareto", "float64"):
        pytest.skip("its parameters are float32")
    for theirs, ours in cases(name, dtype):
        make = made(name, theirs, ours)
        a, b = make(torch), make(rl)
        torch.manual_seed(1)
        values = a.sample((6,))
        copies = rl.tensor(values.numpy())
        chances = torch.rand(6, *a.batch_shape, *a.event_shape, dtype=getattr(torch, dtype))
        for f, limit in (
            (lambda t, d, v, u: d.log_prob(v), 1),
            (lambda t, d, v, u: d.cdf(v), 1),
            (lambda t, d, v, u: d.icdf(u), 10),
            (lambda t, d, v, u: d.entropy(), 1),
            (lambda t, d, v, u: d.perplexity(), 1),
            (lambda t, d, v, u: d.mean, 1),
            (lambda t, d, v, u: d.mode, 1),
            (lambda t, d, v, u: d.variance, 1),
            (lambda t, d, v, u: d.stddev, 1),
            (lambda t, d, v, u: d.enumerate_support(), 0),
            (lambda t, d, v, u: d.enumerate_support(expand=False), 0),
        ):
            same(
                lambda t: f(t, make(t), *((values, chances) if t is torch else (copies, rl.tensor(chances.numpy())))),  # noqa: B023
                tolerance * limit,
            )
        for parameter in a.arg_constraints:
            same(lambda t: getattr(make(t), parameter), tolerance)  # noqa: B023
        assert (repr(make(torch)), str(a.support)) == (repr(make(rl)), str(b.support))
        assert (a.has_rsample, a.has_enumerate_support) == (b.has_rsample, b.has_enumerate_support)
        assert (tuple(a.batch_shape), tuple(a.event_shape)) == (tuple(b.batch_shape), tuple(b.event_shape))
        wide = b.expand((7, *b.batch_shape))
        assert tuple(wide.log_prob(copies[0]).shape) == (7, *b.batch_shape)
        assert type(wide) is type(b) and type(pickle.loads(pickle.dumps(b))) is type(b)


def gradients(t, make, arguments, values, what):
    leaves = [a.detach().clone().requires_grad_() for a in arguments if isinstance(a, t.Tensor)]
    rest = iter(leaves)
    d = make(t, *(next(rest) if isinstance(a, t.Tensor) else a for a in arguments))
    result = {"rsample": lambda: d.rsample((4,)), "log_prob": lambda: d.log_prob(values), "entropy": d.entropy}[what]()
    weights = t.arange(result.numel()).reshape(result.shape)
    found = t.autograd.grad((result * weights).sum(), leaves, allow_unused=True)
    return t.cat([g.reshape(-1) for g in found if g is not None])


@pytest.mark.parametrize("name", NAMES)
def test_gradients(name):
    for theirs, ours in cases(name, "float64"):
        if not any(isinstance(a, torch.Tensor) for a in theirs):
            continue
        make = made(name, theirs, ours)
        torch.manual_seed(1)
        values = make(torch).sample((6,))
        for what in ("rsample", "log_prob", "entropy"):
            if (name, what) == ("Wishart", "rsample"):  # PyTorch's raises: it has written to what it saved
                assert gradients(rl, make, ours, None, what).isfinite().all()
                continue
            tolerance = 3e-3 if what == "rsample" and name in REJECTED else 1e-5 if name == "VonMises" else 1e-7
            same(
                lambda t: gradients(
                    t, make, theirs if t is torch else ours, values if t is torch else rl.tensor(values.numpy()), what  # noqa: B023
                ),
                tolerance,
            )  # fmt: skip


PAIRED = [
    "Normal", "Laplace", "Cauchy", "Uniform", "Exponential", "Gamma", "Chi2", "Dirichlet", "Beta", "ContinuousBernoulli", "LogNormal",
    "HalfNormal", "Gumbel", "Pareto", "Bernoulli", "Geometric", "Binomial", "Poisson", "Categorical", "OneHotCategorical",
    "Independent", "InverseGamma", "Weibull", "MultivariateNormal", "LowRankMultivariateNormal",
]  # fmt: skip


def second(t, d, n):
    """Another distribution of the kind, that reaches as far."""
    if isinstance(d, t.distributions.Uniform):
        return t.distributions.Uniform(d.low - 1, d.high + 1)
    names = [p for p in inspect.signature(type(d).__init__).parameters if p in d.arg_constraints and p in d.__dict__]
    grows = {"loc", "scale", "rate", "concentration", "concentration1", "alpha"}
    return type(d)(**{p: getattr(d, p) * 0.7 if p in grows else getattr(d, p) for p in names}) if names else d


@pytest.mark.parametrize("name", [pytest.param(n, marks=needs_lapack) if n in LAPACK else n for n in PAIRED])
def test_divergences(name):
    for other in PAIRED:
        if other in LAPACK and not hasattr(rl.linalg, "cholesky"):
            continue

        def divergence(t):
            def first(which):
                d = getattr(t.distributions, which)(*CASES[which](Numbers(t, "float64"))[0])
                return d if d.event_shape or not d.batch_shape else d.expand((2, *d.batch_shape))

            p, q = first(name), first(other)  # noqa: B023
            if name == other:  # noqa: B023
                q = second(t, p, name)
            elif not p.event_shape and not q.event_shape:  # of one batch
                p, q = (type(d)(*(a[..., :3] for a in arguments(t, d))) for d in (p, q))
            return t.distributions.kl_divergence(p, q)

        def arguments(t, d):
            given = [p for p in inspect.signature(type(d).__init__).parameters if p in d.arg_constraints]
            return [getattr(d, p) for p in given if p != "logits"]

        same(divergence, 1e-7)


@pytest.mark.parametrize(("low", "high"), [(0.1, 0.8), (0.0, 1.0), (-1.0, 0.5), (3.0, 4.0)])
@pytest.mark.parametrize(
    "q", ["Beta(2.0, 3.0)", "ContinuousBernoulli(0.3)", "Exponential(2.0)", "Gamma(2.0, 3.0)", "Pareto(0.5, 2.0)", "Gumbel(0.5, 2.0)"]
)  # fmt: skip
def test_divergences_of_a_uniform_distribution(low, high, q):
    def f(t):
        u = t.distributions.Uniform(t.tensor([low]), t.tensor([high]))
        name, _, arguments = q.rstrip(")").partition("(")
        other = getattr(t.distributions, name)(*(t.tensor([float(a)]) for a in arguments.split(", ")))
        return t.distributions.kl_divergence(u, other)

    same(f, 1e-5)


def test_registered_divergences():
    class Mine(D.Normal):
        pass

    class Other(D.Normal):
        pass

    p, q = Mine(0.0, 1.0), Other(1.0, 1.0)
    assert D.kl_divergence(p, q).item() == 0.5
    D.register_kl(Mine, D.Normal)(lambda p, q: "mine")
    assert D.kl_divergence(p, q) == "mine"
    D.register_kl(D.Normal, Other)(lambda p, q: "other")
    with pytest.warns(RuntimeWarning, match="Ambiguous"):
        D.kl_divergence(p, q)
    with pytest.raises(NotImplementedError, match="No KL"):
        D.kl_divergence(D.Bernoulli(0.5), D.Cauchy(0.0, 1.0))
    with pytest.raises(TypeError, match="type_p"):
        D.register_kl(3, D.Normal)


def transforms(t):
    d, random = t.distributions, np.random.RandomState(0)

    def x(*shape):
        return t.tensor(random.uniform(-1.5, 1.5, shape))

    return [
        (d.ExpTransform(), x(3, 4)),
        (d.PowerTransform(t.tensor(2.0)), x(3).abs() + 0.1),
        (d.SigmoidTransform(), x(3)),
        (d.SoftplusTransform(), x(3)),
        (d.TanhTransform(), x(3)),
        (d.AbsTransform(), x(3)),
        (d.AffineTransform(1.0, -2.0), x(3)),
        (d.AffineTransform(x(3), x(3).abs(), 1), x(2, 3)),
        (d.CorrCholeskyTransform(), x(2, 6)),
        (d.SoftmaxTransform(), x(2, 4)),
        (d.StickBreakingTransform(), x(2, 4)),
        (d.LowerCholeskyTransform(), x(2, 3, 3)),
        (d.CatTransform([d.ExpTransform(), d.AffineTransform(1, 2)], 1, [2, 1]), x(2, 3)),
        (d.StackTransform([d.ExpTransform(), d.AffineTransform(1, 2)], 1), x(2, 2)),
        (d.CumulativeDistributionTransform(d.Normal(0, 1)), x(4)),
        (d.ReshapeTransform((2, 3), (6,)), x(4, 2, 3)),
        (d.IndependentTransform(d.ExpTransform(), 1), x(2, 3)),
        (d.ComposeTransform([d.AffineTransform(1.0, 2.0), d.ExpTransform(), d.AffineTransform(0.0, 3.0).inv]), x(3)),
        (d.ComposeTransform([d.StickBreakingTransform(), d.AffineTransform(1.0, 2.0)]), x(2, 3)),
        (d.identity_transform, x(3)),
    ]


def described(f):
    try:
        return str(f())
    except Exception as e:
        return type(e).__name__


@pytest.mark.parametrize("i", range(len(transforms(rl))))
def test_transforms(i):
    def of(t, f):
        return f(*transforms(t)[i])

    for f in (
        lambda t, x: t(x),
        lambda t, x: t.inv(t(x)),
        lambda t, x: t.log_abs_det_jacobian(x, t(x)),
        lambda t, x: t.inv.log_abs_det_jacobian(t(x), x),
    ):
        same(lambda t: of(t, f), 1e-8)  # noqa: B023
    a, b = transforms(torch)[i][0], transforms(rl)[i][0]
    for what in ("domain", "codomain", "bijective", "sign", "event_dim"):
        assert described(lambda: getattr(a, what)) == described(lambda: getattr(b, what))  # noqa: B023
    for shape in itertools.product([2, 3, 6], repeat=2):
        for what in ("forward_shape", "inverse_shape"):
            expected = described(lambda: tuple(getattr(a, what)(torch.Size(shape))))  # noqa: B023
            assert expected == described(lambda: tuple(getattr(b, what)(rl.Size(shape))))  # noqa: B023
    assert repr(a) == repr(b)
    assert b.inv.inv is b and b == b
    kept = b.with_cache()
    x = transforms(rl)[i][1]
    if kept._cache_size and not hasattr(kept, "parts"):
        assert kept.inv(kept(x)) is x


@needs_lapack
def test_positive_definite_transform():
    t = D.PositiveDefiniteTransform()
    x = D.LowerCholeskyTransform()(rl.randn(3, 3)).tril()
    assert rl.allclose(t.inv(t(x)), x, atol=1e-4)
    assert D.constraints.positive_definite.check(t(x))


def constraints(t):
    c = t.distributions.constraints
    named = (
        "boolean one_hot nonnegative_integer positive_integer real real_vector positive nonnegative unit_interval simplex "
        "lower_triangular lower_cholesky corr_cholesky square symmetric"
    )
    lapack = "positive_semidefinite positive_definite" if hasattr(rl.linalg, "cholesky") else ""
    return [
        *(getattr(c, name) for name in f"{named} {lapack}".split()),
        c.integer_interval(-1, 3), c.less_than(1.0), c.greater_than_eq(1.0), c.half_open_interval(0, 1), c.multinomial(4),
        c.cat([c.positive, c.real], -1, [2, 1]), c.stack([c.positive, c.real, c.real], -1), c.independent(c.positive, 1),
    ]  # fmt: skip


VALUES = [
    [0, 1, 1.5], [0, 0, 1], [-1, 3, 4], [0.2, 0.3, 0.5], [[1, 0, 0], [1, 1, 0], [0.5, 0.5, 2]], [[2, 1, 0], [1, 2, 0], [0, 0, 1]],
    [[1, 0, 0], [0.6, 0.8, 0], [0, 0, 1]], [[1, 2, 3], [0, 1, 2], [0, 0, -1]], [float("nan"), 1, 2],
]  # fmt: skip


def test_constraints_and_their_transforms():
    for theirs, ours in zip(constraints(torch), constraints(rl), strict=True):
        assert repr(theirs) == repr(ours)
        assert (theirs.event_dim, theirs.is_discrete) == (ours.event_dim, ours.is_discrete)
        for value in VALUES:
            same(lambda t: (theirs if t is torch else ours).check(t.tensor(np.array(value, "float64"))))  # noqa: B023
        for registry in ("biject_to", "transform_to"):
            expected = described(lambda: getattr(torch.distributions, registry)(theirs))  # noqa: B023
            assert expected == described(lambda: getattr(D, registry)(ours))  # noqa: B023


@pytest.mark.parametrize(
    ("wrong", "error", "match"),
    [
        (lambda: D.Normal(0.0, -1.0), ValueError, "Expected parameter scale .* constraint GreaterThan"),
        (lambda: D.Normal(rl.tensor([0.0, float("nan")]), 1.0), ValueError, "parameter loc"),
        (lambda: D.Normal("0", 1.0), ValueError, "instances of Number"),
        (lambda: D.Bernoulli(), ValueError, "Either `probs` or `logits`"),
        (lambda: D.Bernoulli(0.5, 0.5), ValueError, "Either `probs` or `logits`"),
        (lambda: D.Bernoulli(0.5).log_prob(rl.tensor(0.5)), ValueError, "within the support"),
        (lambda: D.Normal(0.0, 1.0).log_prob(1.0), ValueError, "must be a Tensor"),
        (lambda: D.Normal(rl.zeros(3), 1.0).log_prob(rl.zeros(2)), ValueError, "not broadcastable"),
        (lambda: D.Dirichlet(rl.ones(3)).log_prob(rl.ones(2) / 2), ValueError, "must match event_shape"),
        (lambda: D.Categorical(rl.tensor(1.0)), ValueError, "at least one-dimensional"),
        (lambda: D.Uniform(1.0, 1.0), ValueError, "low >= high"),
        (lambda: D.Geometric(0.0), ValueError, "to be positive"),
        (lambda: D.Multinomial(rl.tensor([1, 2]), rl.ones(2)), NotImplementedError, "inhomogeneous"),
        (lambda: D.Poisson(1.0).rsample(), NotImplementedError, "Poisson does not implement rsample"),
        (lambda: D.Independent(D.Normal(0.0, 1.0), 1), ValueError, "reinterpreted_batch_ndims"),
        (lambda: D.LKJCholesky(1), ValueError, "dim=1"),
        (lambda: D.TransformedDistribution(D.Normal(0.0, 1.0), [1]), ValueError, "list of Transforms"),
        (lambda: D.TransformedDistribution(D.Normal(0.0, 1.0), D.StickBreakingTransform()), ValueError, "size at least 1"),
        (lambda: D.ExpTransform(cache_size=2), ValueError, "cache_size must be 0 or 1"),
        (lambda: D.constraints.dependent.check(1), ValueError, "dependent"),
        (lambda: D.MultivariateNormal(rl.zeros(2)), ValueError, "Exactly one"),
        (lambda: D.Distribution.set_default_validate_args(3), ValueError, "True or False"),
        (lambda: rl.poisson(rl.tensor([-1.0])), RuntimeError, "expected rate to be non-negative"),
        (lambda: rl.binomial(rl.ones(2), rl.ones(2, dtype=rl.float64)), RuntimeError, "expected Float"),
        (lambda: rl._standard_gamma(rl.ones(2, dtype=rl.int64)), NotImplementedError, "gamma_cpu"),
    ],
)  # fmt: skip
def test_mistakes(wrong, error, match):
    with pytest.raises(error, match=match):
        wrong()


def test_validation_can_be_switched():
    assert D.Normal(0.0, -1.0, validate_args=False).scale == -1
    D.Distribution.set_default_validate_args(False)
    try:
        assert D.Normal(0.0, -1.0).scale == -1
        with pytest.raises(ValueError, match="scale"):
            D.Normal(0.0, -1.0, validate_args=True)
    finally:
        D.Distribution.set_default_validate_args(True)


def test_users_distributions():
    class Shifted(D.Normal):
        def __init__(self, by):
            super().__init__(by, 1.0)

    with pytest.raises(NotImplementedError, match="custom .expand"):
        Shifted(rl.zeros(2)).expand((3, 2))

    class Own(D.Distribution):
        arg_constraints = {}
        support = D.constraints.positive

        def log_prob(self, value):
            self._validate_sample(value)
            return -value

    with pytest.raises(ValueError, match="within the support"):
        Own().log_prob(rl.tensor(-1.0))
    with pytest.warns(UserWarning, match="arg_constraints"):
        D.Distribution()
    with pytest.raises(NotImplementedError, match="mean"):
        Own().mean  # noqa: B018


def test_modules_of_pytorchs_names():
    for name in sorted(torch.distributions.__all__):
        theirs = getattr(torch.distributions, name)
        assert hasattr(D, name)
        if isinstance(theirs, type):
            module = importlib.import_module(theirs.__module__.replace("torch", "rushlight", 1))
            assert getattr(module, name) is getattr(D, name)
    assert D.Normal.__module__ == "rushlight.distributions.normal"


def gamma_numbers(t, n, alpha):
    return t._standard_gamma(t.full((n,), alpha))


@pytest.mark.parametrize("alpha", [1e-3, 0.5, 1.0, 3.3, 1e4, 1e7])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_draws_by_rejection(alpha, dtype):
    def filled(t, value, *shape):
        return t.full(shape, value, dtype=getattr(t, dtype))

    same(lambda t: t._standard_gamma(filled(t, alpha, 300)))
    same(lambda t: t._sample_dirichlet(filled(t, alpha, 20, 21)))
    same(lambda t: t.poisson(filled(t, alpha, 300)))
    for chance in (0.0, 0.01, 0.3, 0.5, 0.7, 0.99, 1.0):
        same(lambda t: t.binomial(filled(t, float(int(alpha)), 200), filled(t, chance, 200)))  # noqa: B023
    same(lambda t: t._standard_gamma(filled(t, alpha, 2, 1).expand(2, 7).t()))
    same(lambda t: t.binomial(filled(t, 20.0, 3, 1), filled(t, 0.3, 1, 4)) if t is rl else t.binomial(
        filled(t, 20.0, 3, 4), filled(t, 0.3, 3, 4)))  # fmt: skip


def test_extreme_parameters_end():
    inf, nan = float("inf"), float("nan")
    assert rl.binomial(rl.tensor([0.0, -1, inf, 3]), rl.tensor([0.5, 0.5, 0.5, nan])).shape == (4,)
    assert rl.binomial(rl.tensor([1e30]), rl.tensor([1e-29])).shape == (1,)
    assert rl.poisson(rl.tensor([0.0, 1e30, inf])).shape == (3,)
    assert rl._standard_gamma(rl.tensor([0.0, -1, nan, inf])).shape == (4,)
    assert D.VonMises(0.0, nan, validate_args=False).sample().isnan()


@pytest.mark.parametrize("alpha", [0.01, 0.3, 1.0, 4.0, 60.0, 3000.0, 9.9e3, 1.1e4])
def test_gamma_samples_move_with_their_shape(alpha):
    """Against the derivative of a sample with its quantile held, by differences of the distribution function."""
    for z in (-2, 0, 2):
        x = alpha * np.exp(z) if alpha < 5 else alpha + z * np.sqrt(alpha)
        x, h = rl.tensor(x, dtype=rl.float64), 1e-3 * min(alpha, np.sqrt(alpha))
        a = rl.tensor(alpha, dtype=rl.float64)
        below, above = (rl.special.gammainc(a + s, x) for s in (-h, h))
        by_x = (rl.special.gammainc(a, x * (1 + 1e-6)) - rl.special.gammainc(a, x * (1 - 1e-6))) / (2e-6 * x)
        expected = -(above - below) / (2 * h) / by_x
        assert rl._standard_gamma_grad(a, x).item() == pytest.approx(expected.item(), rel=1e-3)


def test_beta_samples_move_with_their_shape():
    """For Beta(a, 1), whose quantiles are u^(1 / a)."""
    a = rl.tensor([0.2, 1.0, 5.0, 300.0, 1e6], dtype=rl.float64)
    for x in (0.01, 0.3, 0.9, 0.999):
        x = rl.full_like(a, x)
        assert rl.allclose(rl._dirichlet_grad(x, a, a + 1) * (1 - x), -x * x.log() / a, rtol=1e-8)


def test_distributions_within_transforms_of_functions():
    def f(t):
        d, x = t.distributions, t.arange(1.0, 4.0)
        return t.cat([
            t.func.vmap(lambda v: d.Normal(v, 1.0).log_prob(v + 1))(x),
            t.func.vmap(lambda v: d.kl_divergence(d.Gamma(v, 1.0), d.Gamma(1.0, v)))(x),
            t.func.vmap(t.func.grad(lambda v: d.Beta(v, t.tensor(2.0)).entropy()))(x),
            t.func.hessian(lambda v: d.Gamma(v, t.tensor(1.0)).log_prob(t.tensor(1.0)))(x[1])[None],
        ])  # fmt: skip

    same(f, 1e-5)
    with pytest.raises(ValueError, match="scale"):
        rl.func.vmap(lambda v: D.Normal(0.0, v).mean)(rl.tensor([1.0, -1.0]))


@pytest.mark.parametrize("shape", [(2, 2), (3, 3), (2, 4, 4)])
@pytest.mark.parametrize("lib", [rl, torch], ids=["here", "PyTorch"])
def test_lower_triangles_as_vectors_and_back(lib, shape):
    """Also those of no element: their matrix is as large as the diagonal says."""
    utils = lib.distributions.utils
    matrix = lib.ones(shape).cumsum(-1)
    for diag in range(-shape[-1], shape[-1]):
        lower = matrix.tril(diag)
        assert utils.vec_to_tril_matrix(utils.tril_matrix_to_vec(lower, diag), diag).tolist() == lower.tolist()
