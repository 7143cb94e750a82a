"""Distributions over one real number, and those made of gamma numbers."""

from __future__ import annotations

import math

import rushlight as rl
from rushlight import Tensor

from ..nn.functional import binary_cross_entropy_with_logits, one_hot
from . import constraints
from .distribution import Chances, Distribution, Tabled
from .exp_family import ExponentialFamily
from .utils import _all_true, _standard_normal, broadcast_all, clamp_probs, lazy_property, logits_to_probs

__all__ = [
    "Beta", "Cauchy", "Chi2", "ContinuousBernoulli", "Dirichlet", "Exponential", "FisherSnedecor", "Gamma", "GeneralizedPareto", "Laplace",
    "Normal", "StudentT", "Uniform", "VonMises",
]  # fmt: skip

_located = {"loc": constraints.real, "scale": constraints.positive}
_log_two_pi = math.log(2 * math.pi)


class _Located(Tabled):
    """One that is moved by loc and stretched by scale."""

    arg_constraints = _located
    support = constraints.real
    has_rsample = True

    def __init__(self, loc, scale, validate_args=None):
        self._set(validate_args, loc=loc, scale=scale)

    mean = property(lambda self: self.loc)
    mode = property(lambda self: self.loc)

    def _standard(self, value: Tensor) -> Tensor:
        return (value - self.loc) / self.scale


class Normal(_Located, ExponentialFamily):
    """The normal distribution of mean `loc` and standard deviation `scale`.

    >>> Normal(0.0, 1.0).cdf(rl.tensor(0.0))
    tensor(0.5000)
    """

    arg_constraints = _located
    _mean_carrier_measure = 0

    def __init__(self, loc, scale, validate_args=None):
        super().__init__(loc, scale, validate_args)

    stddev = property(lambda self: self.scale)
    variance = property(lambda self: self.stddev.pow(2))

    def sample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        with rl.no_grad():
            return rl.normal(self.loc.expand(shape), self.scale.expand(shape))

    def rsample(self, sample_shape=()):
        eps = _standard_normal(self._extended_shape(sample_shape), self.loc.dtype, self.loc.device)
        return self.loc + eps * self.scale

    def log_prob(self, value):
        self._check(value)
        return -((value - self.loc) ** 2) / (2 * self.scale**2) - self.scale.log() - 0.5 * _log_two_pi

    def cdf(self, value):
        self._check(value)
        return 0.5 * (1 + rl.erf((value - self.loc) * self.scale.reciprocal() / math.sqrt(2)))

    def icdf(self, value):
        return self.loc + self.scale * rl.erfinv(2 * value - 1) * math.sqrt(2)

    def entropy(self):
        return 0.5 + 0.5 * _log_two_pi + self.scale.log()

    @property
    def _natural_params(self):
        square = self.scale.pow(2)
        return self.loc / square, -0.5 * square.reciprocal()

    def _log_normalizer(self, x, y):
        return -0.25 * x.pow(2) / y + 0.5 * rl.log(-math.pi / y)


class Laplace(_Located):
    """The density exp(-|x - loc| / scale) / (2 scale).

    >>> Laplace(1.0, 2.0).entropy()
    tensor(2.3863)
    """

    arg_constraints = _located

    def __init__(self, loc, scale, validate_args=None):
        super().__init__(loc, scale, validate_args)

    variance = property(lambda self: 2 * self.scale.pow(2))
    stddev = property(lambda self: 2**0.5 * self.scale)

    def rsample(self, sample_shape=()):
        u = self.loc.new_empty(self._extended_shape(sample_shape)).uniform_(rl.finfo(self.loc.dtype).eps - 1, 1)
        return self.loc - self.scale * u.sign() * rl.log1p(-u.abs())

    def log_prob(self, value):
        self._check(value)
        return -rl.log(2 * self.scale) - (value - self.loc).abs() / self.scale

    def cdf(self, value):
        self._check(value)
        z = self._standard(value)
        return 0.5 - 0.5 * z.sign() * rl.expm1(-z.abs())

    def icdf(self, value):
        off = value - 0.5
        return self.loc - self.scale * off.sign() * rl.log1p(-2 * off.abs())

    def entropy(self):
        return 1 + rl.log(2 * self.scale)


class Cauchy(_Located):
    """The quotient of two normal numbers of mean 0: median `loc`, half the width at half the height `scale`.

    >>> Cauchy(0.0, 1.0).cdf(rl.tensor(1.0))
    tensor(0.7500)
    """

    arg_constraints = _located

    def __init__(self, loc, scale, validate_args=None):
        super().__init__(loc, scale, validate_args)

    mean = property(lambda self: rl.full_like(self.loc, math.nan))
    variance = property(lambda self: rl.full_like(self.loc, math.inf))

    def rsample(self, sample_shape=()):
        return self.loc + self.loc.new_empty(self._extended_shape(sample_shape)).cauchy_() * self.scale

    def log_prob(self, value):
        self._check(value)
        return -math.log(math.pi) - self.scale.log() - (self._standard(value) ** 2).log1p()

    def cdf(self, value):
        self._check(value)
        return rl.atan(self._standard(value)) / math.pi + 0.5

    def icdf(self, value):
        return rl.tan(math.pi * (value - 0.5)) * self.scale + self.loc

    def entropy(self):
        return math.log(4 * math.pi) + self.scale.log()


class Uniform(Tabled):
    """All of [low, high) alike.

    >>> Uniform(1.0, 3.0).variance
    tensor(0.3333)
    """

    arg_constraints = {
        "low": constraints.dependent(is_discrete=False, event_dim=0),
        "high": constraints.dependent(is_discrete=False, event_dim=0),
    }
    has_rsample = True

    def __init__(self, low, high, validate_args=None):
        self._set(validate_args, low=low, high=high)
        if self._validate_args and not _all_true(self.low < self.high):
            raise ValueError(f"Uniform is not defined when low >= high: {self.low} and {self.high}")

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self):
        return constraints.interval(self.low, self.high)

    mean = property(lambda self: (self.high + self.low) / 2)
    mode = property(lambda self: math.nan * self.high)
    stddev = property(lambda self: (self.high - self.low) / 12**0.5)
    variance = property(lambda self: (self.high - self.low).pow(2) / 12)

    def rsample(self, sample_shape=()):
        u = rl.rand(self._extended_shape(sample_shape), dtype=self.low.dtype, device=self.low.device)
        return self.low + u * (self.high - self.low)

    def log_prob(self, value):
        self._check(value)
        inside = (self.low <= value) & (value < self.high)
        return inside.type_as(self.low).log() - (self.high - self.low).log()

    def cdf(self, value):
        self._check(value)
        return ((value - self.low) / (self.high - self.low)).clamp(min=0, max=1)

    def icdf(self, value):
        return value * (self.high - self.low) + self.low

    def entropy(self):
        return (self.high - self.low).log()


class Exponential(Tabled, ExponentialFamily):
    """The wait for what comes `rate` times in a unit of time.

    >>> Exponential(2.0).mean
    tensor(0.5000)
    """

    arg_constraints = {"rate": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True
    _mean_carrier_measure = 0

    def __init__(self, rate, validate_args=None):
        self._set(validate_args, rate=rate)

    mean = property(lambda self: self.rate.reciprocal())
    mode = property(lambda self: rl.zeros_like(self.rate))
    stddev = mean
    variance = property(lambda self: self.rate.pow(-2))

    def rsample(self, sample_shape=()):
        return self.rate.new_empty(self._extended_shape(sample_shape)).exponential_() / self.rate

    def log_prob(self, value):
        self._check(value)
        return self.rate.log() - self.rate * value

    def cdf(self, value):
        self._check(value)
        return 1 - rl.exp(-self.rate * value)

    def icdf(self, value):
        return -rl.log1p(-value) / self.rate

    def entropy(self):
        return 1.0 - self.rate.log()

    @property
    def _natural_params(self):
        return (-self.rate,)

    def _log_normalizer(self, x):
        return -rl.log(-x)


class Gamma(Tabled, ExponentialFamily):
    """The density of rate^concentration x^(concentration - 1) exp(-rate x) / Gamma(concentration).

    >>> Gamma(rl.tensor(3.0), 2.0).mean
    tensor(1.5000)
    """

    arg_constraints = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True
    _mean_carrier_measure = 0

    def __init__(self, concentration, rate, validate_args=None):
        self._set(validate_args, concentration=concentration, rate=rate)

    mean = property(lambda self: self.concentration / self.rate)
    mode = property(lambda self: ((self.concentration - 1) / self.rate).clamp(min=0))
    variance = property(lambda self: self.concentration / self.rate.pow(2))

    def rsample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        value = rl._standard_gamma(self.concentration.expand(shape)) / self.rate.expand(shape)
        value.detach().clamp_(min=rl.finfo(value.dtype).tiny)  # the gradient does not see this
        return value

    def log_prob(self, value):
        value = rl.as_tensor(value, dtype=self.rate.dtype, device=self.rate.device)
        self._check(value)
        a = self.concentration
        return rl.xlogy(a, self.rate) + rl.xlogy(a - 1, value) - self.rate * value - a.lgamma()

    def cdf(self, value):
        self._check(value)
        return rl.special.gammainc(self.concentration, self.rate * value)

    def entropy(self):
        a = self.concentration
        return a - self.rate.log() + a.lgamma() + (1.0 - a) * a.digamma()

    @property
    def _natural_params(self):
        return self.concentration - 1, -self.rate

    def _log_normalizer(self, x, y):
        return (x + 1).lgamma() + (x + 1) * (-y.reciprocal()).log()


class Chi2(Gamma):
    """The sum of the squares of `df` standard normal numbers.

    >>> Chi2(rl.tensor(4.0)).mean
    tensor(4.)
    """

    arg_constraints = {"df": constraints.positive}

    def __init__(self, df, validate_args=None):
        super().__init__(0.5 * df, 0.5, validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        new = self._get_checked_instance(Chi2, _instance)
        new.concentration, new.rate = self.concentration.expand(batch_shape), self.rate.expand(batch_shape)
        return super().expand(batch_shape, new)

    df = property(lambda self: self.concentration * 2)


class StudentT(Tabled):
    """A standard normal number over the root of a mean of `df` squares of such; moved by loc and stretched by scale.

    >>> StudentT(rl.tensor(4.0)).variance
    tensor(2.)
    """

    arg_constraints = {"df": constraints.positive, **_located}
    support = constraints.real
    has_rsample = True
    _parts = ("_chi2",)

    def __init__(self, df, loc=0.0, scale=1.0, validate_args=None):
        self._set(validate_args, df=df, loc=loc, scale=scale)
        self._chi2 = Chi2(self.df)

    mean = property(lambda self: self.loc.masked_fill(self.df <= 1, math.nan))
    mode = property(lambda self: self.loc)

    @property
    def variance(self):
        df = self.df
        finite = self.scale.pow(2) * df / (df - 2).masked_fill(df <= 2, 1)
        return finite.masked_fill(df <= 2, math.inf).masked_fill(df <= 1, math.nan)

    def rsample(self, sample_shape=()):
        x = _standard_normal(self._extended_shape(sample_shape), self.df.dtype, self.df.device)
        return self.loc + self.scale * (x * rl.rsqrt(self._chi2.rsample(sample_shape) / self.df))

    def log_prob(self, value):
        self._check(value)
        df, y = self.df, (value - self.loc) / self.scale
        norm = self.scale.log() + 0.5 * df.log() + 0.5 * math.log(math.pi)
        norm = norm + (0.5 * df).lgamma() - (0.5 * (df + 1.0)).lgamma()
        return -0.5 * (df + 1.0) * rl.log1p(y**2.0 / df) - norm

    def entropy(self):
        half, more = 0.5 * self.df, 0.5 * (self.df + 1)
        log_beta = half.lgamma() + math.lgamma(0.5) - more.lgamma()
        return self.scale.log() + more * (more.digamma() - half.digamma()) + 0.5 * self.df.log() + log_beta


class FisherSnedecor(Tabled):
    """The quotient of two means of `df1` and `df2` squares of standard normal numbers.

    >>> FisherSnedecor(rl.tensor(1.0), 4.0).mean
    tensor(2.)
    """

    arg_constraints = {"df1": constraints.positive, "df2": constraints.positive}
    support = constraints.positive
    has_rsample = True
    _parts = ("_gamma1", "_gamma2")

    def __init__(self, df1, df2, validate_args=None):
        df1, df2 = broadcast_all(df1, df2)
        self._gamma1, self._gamma2 = Gamma(df1 * 0.5, df1), Gamma(df2 * 0.5, df2)
        self._set(validate_args, df1=df1, df2=df2)

    mean = property(lambda self: self.df2.masked_fill(self.df2 <= 2, math.nan) / (self.df2 - 2))
    mode = property(
        lambda self: ((self.df1 - 2) / self.df1 * self.df2 / (self.df2 + 2)).masked_fill(self.df1 <= 2, math.nan)
    )

    @property
    def variance(self):
        df1, df2 = self.df1, self.df2.masked_fill(self.df2 <= 4, math.nan)
        return 2 * df2.pow(2) * (df1 + df2 - 2) / (df1 * (df2 - 2).pow(2) * (df2 - 4))

    def rsample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        above, below = (g.rsample(sample_shape).view(shape) for g in (self._gamma1, self._gamma2))
        tiny = rl.finfo(below.dtype).tiny
        return (above / below.clamp_(min=tiny)).clamp_(min=tiny)

    def log_prob(self, value):
        self._check(value)
        a, b, ratio = self.df1 * 0.5, self.df2 * 0.5, self.df1 / self.df2
        norm = (a + b).lgamma() - a.lgamma() - b.lgamma()
        return norm + a * ratio.log() + (a - 1) * value.log() - (a + b) * (ratio * value).log1p()


class Dirichlet(Tabled, ExponentialFamily):
    """Vectors of positive numbers that add up to 1: gamma numbers of these concentrations over their sum.

    >>> Dirichlet(rl.tensor([1.0, 3.0])).mean
    tensor([0.2500, 0.7500])
    """

    arg_constraints = {"concentration": constraints.independent(constraints.positive, 1)}
    support = constraints.simplex
    has_rsample = True

    def __init__(self, concentration, validate_args=None):
        if concentration.dim() < 1:
            raise ValueError("`concentration` parameter must be at least one-dimensional.")
        self._set(validate_args, event_dims=1, concentration=concentration)

    mean = property(lambda self: self.concentration / self.concentration.sum(-1, True))

    @property
    def mode(self):
        more = (self.concentration - 1).clamp(min=0.0)
        inside = more / more.sum(-1, True)
        corner = one_hot(inside.argmax(-1), more.shape[-1]).to(inside)
        return rl.where((self.concentration < 1).all(-1, keepdim=True), corner, inside)

    @property
    def variance(self):
        total = self.concentration.sum(-1, True)
        return self.concentration * (total - self.concentration) / (total.pow(2) * (total + 1))

    def rsample(self, sample_shape=()):
        return rl._sample_dirichlet(self.concentration.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value):
        self._check(value)
        a = self.concentration
        return rl.xlogy(a - 1.0, value).sum(-1) + a.sum(-1).lgamma() - a.lgamma().sum(-1)

    def entropy(self):
        a, total = self.concentration, self.concentration.sum(-1)
        norm = a.lgamma().sum(-1) - total.lgamma()
        return norm - (a.size(-1) - total) * total.digamma() - ((a - 1.0) * a.digamma()).sum(-1)

    @property
    def _natural_params(self):
        return (self.concentration,)

    def _log_normalizer(self, x):
        return x.lgamma().sum(-1) - x.sum(-1).lgamma()


class Beta(Tabled, ExponentialFamily):
    """The density of x^(concentration1 - 1) (1 - x)^(concentration0 - 1) over the beta function.

    >>> Beta(1.0, rl.tensor(3.0)).mean
    tensor(0.2500)
    """

    arg_constraints = {"concentration1": constraints.positive, "concentration0": constraints.positive}
    support = constraints.unit_interval
    has_rsample = True
    _parts = ("_dirichlet",)

    def __init__(self, concentration1, concentration0, validate_args=None):
        self._dirichlet = Dirichlet(
            rl.stack(broadcast_all(concentration1, concentration0), -1), validate_args=validate_args
        )
        Distribution.__init__(self, self._dirichlet.batch_shape, validate_args=validate_args)

    concentration1 = property(lambda self: self._dirichlet.concentration[..., 0])
    concentration0 = property(lambda self: self._dirichlet.concentration[..., 1])
    mean = property(lambda self: self.concentration1 / (self.concentration1 + self.concentration0))
    mode = property(lambda self: self._dirichlet.mode[..., 0])

    @property
    def variance(self):
        total = self.concentration1 + self.concentration0
        return self.concentration1 * self.concentration0 / (total.pow(2) * (total + 1))

    def rsample(self, sample_shape=()):
        return self._dirichlet.rsample(sample_shape).select(-1, 0)

    def log_prob(self, value):
        self._check(value)
        return self._dirichlet.log_prob(rl.stack([value, 1.0 - value], -1))

    def entropy(self):
        return self._dirichlet.entropy()

    @property
    def _natural_params(self):
        return self.concentration1, self.concentration0

    def _log_normalizer(self, x, y):
        return x.lgamma() + y.lgamma() - (x + y).lgamma()


class ContinuousBernoulli(Chances, ExponentialFamily):
    """The density of probs^x (1 - probs)^(1 - x) on [0, 1] (Loaiza-Ganem, Cunningham 2019).

    `lims`: around one half its formulas cancel, so that between these chances Taylor series are taken.
    >>> ContinuousBernoulli(rl.tensor(0.5)).mean
    tensor(0.5000)
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval
    has_rsample = True
    _mean_carrier_measure = 0
    _kept = ("_given", "_lims")

    def __init__(self, probs=None, logits=None, lims=(0.499, 0.501), validate_args=None):
        self._lims = lims
        if probs is not None and logits is None:
            (probs,) = broadcast_all(probs)
            if validate_args is not None and not _all_true(constraints.unit_interval.check(probs)):
                raise ValueError("The parameter probs has invalid values")
            probs = clamp_probs(probs)
        self._set_chances(probs, logits, validate_args)

    @lazy_property
    def probs(self):
        return clamp_probs(logits_to_probs(self.logits, is_binary=True))

    def _outside_unstable_region(self):
        return (self.probs <= self._lims[0]) | (self.probs > self._lims[1])

    def _cut_probs(self):
        """Chances that the formulas can be given: others than these have their Taylor series."""
        return rl.where(self._outside_unstable_region(), self.probs, self._lims[0])

    def _off_half(self, exact: Tensor, near: Tensor) -> Tensor:
        return rl.where(self._outside_unstable_region(), exact, near)

    def _cont_bern_log_norm(self):
        p, x = self._cut_probs(), (self.probs - 0.5).pow(2)
        # Each side of one half has its own logarithm, and is given what is harmless there on the other.
        below = rl.log1p(-2.0 * rl.where(p <= 0.5, p, 0.0))
        above = rl.log(2.0 * rl.where(p >= 0.5, p, 1.0) - 1.0)
        exact = (rl.log1p(-p) - p.log()).abs().log() - rl.where(p <= 0.5, below, above)
        return self._off_half(exact, math.log(2.0) + (4.0 / 3.0 + 104.0 / 45.0 * x) * x)

    @property
    def mean(self):
        p, x = self._cut_probs(), self.probs - 0.5
        exact = p / (2.0 * p - 1.0) + 1.0 / (rl.log1p(-p) - p.log())
        return self._off_half(exact, 0.5 + (1.0 / 3.0 + 16.0 / 45.0 * x.pow(2)) * x)

    @property
    def variance(self):
        p, x = self._cut_probs(), (self.probs - 0.5).pow(2)
        exact = p * (p - 1.0) / (1.0 - 2.0 * p).pow(2) + 1.0 / (rl.log1p(-p) - p.log()).pow(2)
        return self._off_half(exact, 1.0 / 12.0 - (1.0 / 15.0 - 128.0 / 945.0 * x) * x)

    def sample(self, sample_shape=()):
        with rl.no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        return self.icdf(rl.rand(shape, dtype=self.probs.dtype, device=self.probs.device))

    def log_prob(self, value):
        self._check(value)
        logits, value = broadcast_all(self.logits, value)
        return -binary_cross_entropy_with_logits(logits, value, reduction="none") + self._cont_bern_log_norm()

    def cdf(self, value):
        self._check(value)
        p = self._cut_probs()
        exact = (p.pow(value) * (1.0 - p).pow(1.0 - value) + p - 1.0) / (2.0 * p - 1.0)
        return rl.where(value <= 0.0, 0.0, rl.where(value >= 1.0, 1.0, self._off_half(exact, value)))

    def icdf(self, value):
        p = self._cut_probs()
        other = rl.log1p(-p)
        exact = (rl.log1p(-p + value * (2.0 * p - 1.0)) - other) / (p.log() - other)
        return self._off_half(exact, value)

    def entropy(self):
        other = rl.log1p(-self.probs)
        return self.mean * (other - self.probs.log()) - self._cont_bern_log_norm() - other

    @property
    def _natural_params(self):
        return (self.logits,)

    def _log_normalizer(self, x):
        outside = (x <= self._lims[0] - 0.5) | (x > self._lims[1] - 0.5)
        cut = rl.where(outside, x, self._lims[0] - 0.5)
        exact = cut.expm1().abs().log() - cut.abs().log()
        return rl.where(outside, exact, 0.5 * x + x.pow(2) / 24.0 - x.pow(4) / 2880.0)


class GeneralizedPareto(Tabled):
    """What exceeds a high threshold `loc`: of `scale`, with a tail that `concentration` makes heavy, or ends if negative.

    >>> GeneralizedPareto(0.0, 2.0, rl.tensor(0.0)).mean
    tensor(2.)
    """

    arg_constraints = {**_located, "concentration": constraints.real}
    has_rsample = True

    def __init__(self, loc, scale, concentration, validate_args=None):
        self._set(validate_args, loc=loc, scale=scale, concentration=concentration)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self):
        end = self.loc - self.scale / self.concentration
        return constraints.interval(self.loc, rl.where(self.concentration < 0, end, math.inf))

    mode = property(lambda self: self.loc)

    def _moment(self, below: float, moment) -> Tensor:
        """`moment` of the concentration where that is less than `below`, NaN elsewhere."""
        exists = self.concentration < below
        return rl.where(exists, moment(rl.where(exists, self.concentration, 0.5 * below)), math.nan)

    @property
    def mean(self):
        return self._moment(1, lambda c: self.loc + self.scale / (1 - c))

    @property
    def variance(self):
        return self._moment(0.5, lambda c: self.scale**2 / ((1 - c) ** 2 * (1 - 2 * c)))

    def _exponential(self):
        """Where it is an exponential distribution, and concentrations that may be divided by."""
        zero = rl.isclose(self.concentration, rl.zeros_like(self.concentration))
        return zero, self.concentration.masked_fill(zero, 1)

    def rsample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        return self.icdf(rl.rand(shape, dtype=self.loc.dtype, device=self.loc.device))

    def log_prob(self, value):
        self._check(value)
        z = (value - self.loc) / self.scale
        zero, c = self._exponential()
        power = 1 / c + 1
        tail = rl.where(power == 0, power, power * (c * z).log1p())
        return -self.scale.log() - rl.where(zero, z, tail)

    def log_survival_function(self, value):
        """The logarithm of the chance of more than `value`."""
        self._check(value)
        z = (value - self.loc) / self.scale
        zero, c = self._exponential()
        return rl.where(zero, -z, -(c * z).log1p() / c)

    def log_cdf(self, value):
        """The logarithm of cdf."""
        return rl.log1p(-self.log_survival_function(value).exp())

    def cdf(self, value):
        return self.log_cdf(value).exp()

    def icdf(self, value):
        zero, c = self._exponential()
        log_left = rl.log1p(-value)
        return rl.where(zero, self.loc - self.scale * log_left, self.loc + self.scale / c * rl.expm1(-c * log_left))

    def entropy(self):
        return self.scale.log() + self.concentration + 1


def _log_bessel(x: Tensor, order: int) -> Tensor:
    """The logarithm of the modified Bessel function of the first kind."""
    return (rl.special.i1e(x) if order else rl.special.i0e(x)).log() + x


class VonMises(Tabled):
    """Angles around `loc`, the nearer the larger `concentration` is.

    >>> VonMises(0.0, rl.tensor(1.0)).mean
    tensor(0.)
    """

    arg_constraints = {"loc": constraints.real, "concentration": constraints.positive}
    support = constraints.real
    has_rsample = False

    def __init__(self, loc, concentration, validate_args=None):
        self._set(validate_args, loc=loc, concentration=concentration)

    mean = property(lambda self: self.loc)
    mode = property(lambda self: self.loc)

    @lazy_property
    def variance(self):
        return 1 - (_log_bessel(self.concentration, 1) - _log_bessel(self.concentration, 0)).exp()

    def log_prob(self, value):
        self._check(value)
        return self.concentration * rl.cos(value - self.loc) - _log_two_pi - _log_bessel(self.concentration, 0)

    def sample(self, sample_shape=()):
        """By rejection from a wrapped Cauchy distribution (Best, Fisher 1979), in double."""
        with rl.no_grad():
            kappa, loc = self.concentration.double(), self.loc.double()
            tau = 1 + (1 + 4 * kappa**2).sqrt()
            rho = (tau - (2 * tau).sqrt()) / (2 * kappa)
            r = rl.where(kappa < 1e-5, 1 / kappa + kappa, (1 + rho**2) / (2 * rho))
            x = loc.new_zeros(self._extended_shape(sample_shape))
            done = rl.zeros(x.shape, dtype=rl.bool)
            while not done.all():
                u1, u2, u3 = rl.rand((3, *x.shape), dtype=rl.float64).unbind()
                z = rl.cos(math.pi * u1)
                f = (1 + r * z) / (r + z)
                c = kappa * (r - f)
                accepted = (c * (2 - c) - u2 > 0) | ((c / u2).log() + 1 - c >= 0) | c.isnan()  # which would never be
                x = rl.where(accepted, (u3 - 0.5).sign() * f.acos(), x)
                done = done | accepted
            return ((x + math.pi + loc) % (2 * math.pi) - math.pi).to(self.loc.dtype)
