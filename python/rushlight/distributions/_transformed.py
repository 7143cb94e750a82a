"""Distributions that are simple ones through transforms."""

from __future__ import annotations

import math

import rushlight as rl
from rushlight import Tensor

from . import constraints
from ._composed import TransformedDistribution
from ._continuous import Cauchy, Exponential, Gamma, Normal, Uniform, _located
from ._discrete import Categorical, _categories, _OverCategories
from .distribution import Chances
from .transforms import (
    AbsTransform,
    AffineTransform,
    ExpTransform,
    PowerTransform,
    SigmoidTransform,
    StickBreakingTransform,
)
from .utils import broadcast_all, clamp_probs, euler_constant

__all__ = [
    "ExpRelaxedCategorical", "Gumbel", "HalfCauchy", "HalfNormal", "InverseGamma", "Kumaraswamy", "LogNormal", "LogisticNormal",
    "LogitRelaxedBernoulli", "Pareto", "RelaxedBernoulli", "RelaxedOneHotCategorical", "Weibull",
]  # fmt: skip


class _Through(TransformedDistribution):
    """One whose parameters are those of arg_constraints: its own tensors, or where it has none of a name, its base's.

    `_made` gives base distribution and transforms for the parameters.
    """

    def _set(self, validate_args, **parameters):
        tensors = broadcast_all(*parameters.values())
        self.__dict__.update(zip(parameters, tensors, strict=True))
        TransformedDistribution.__init__(self, *self._made(validate_args), validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        cls = next(c for c in type(self).__mro__ if "arg_constraints" in vars(c))
        new = self._get_checked_instance(cls, _instance)
        own = [name for name in self.arg_constraints if name in self.__dict__]
        for name in own:
            new.__dict__[name] = self.__dict__[name].expand(batch_shape)
        if not own:
            return super().expand(batch_shape, new)
        TransformedDistribution.__init__(new, *new._made(False), validate_args=False)
        new._validate_args = self._validate_args
        return new

    def __getattr__(self, name):
        if name in type(self).arg_constraints and "base_dist" in self.__dict__:
            return getattr(self.base_dist, name)
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")


class LogNormal(_Through):
    """exp of a normal number of mean `loc` and standard deviation `scale`.

    >>> LogNormal(0.0, rl.tensor(1.0)).mean
    tensor(1.6487)
    """

    arg_constraints = _located
    support = constraints.positive
    has_rsample = True

    def __init__(self, loc, scale, validate_args=None):
        super().__init__(Normal(loc, scale, validate_args=validate_args), ExpTransform(), validate_args=validate_args)

    mean = property(lambda self: (self.loc + self.scale.pow(2) / 2).exp())
    mode = property(lambda self: (self.loc - self.scale.square()).exp())
    variance = property(lambda self: self.scale.pow(2).expm1() * (2 * self.loc + self.scale.pow(2)).exp())

    def entropy(self):
        return self.base_dist.entropy() + self.loc


class LogisticNormal(_Through):
    """A normal vector taken to the simplex by StickBreakingTransform.

    >>> LogisticNormal(rl.zeros(2), rl.ones(2)).event_shape
    torch.Size([3])
    """

    arg_constraints = _located
    support = constraints.simplex
    has_rsample = True

    def __init__(self, loc, scale, validate_args=None):
        base = Normal(loc, scale, validate_args=validate_args)
        base = base if base.batch_shape else base.expand([1])
        super().__init__(base, StickBreakingTransform(), validate_args=validate_args)

    # The base is Independent of the normal distribution.
    loc = property(lambda self: self.base_dist.base_dist.loc)
    scale = property(lambda self: self.base_dist.base_dist.scale)


class _Half(_Through):
    """|x| of a distribution that is symmetric around 0."""

    arg_constraints = {"scale": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True

    mode = property(lambda self: rl.zeros_like(self.scale))

    def log_prob(self, value):
        self._check(value)
        both = self.base_dist.log_prob(value) + math.log(2)
        return rl.where(value >= 0, both, -math.inf)

    def cdf(self, value):
        self._check(value)
        return 2 * self.base_dist.cdf(value) - 1

    def icdf(self, value):
        return self.base_dist.icdf((value + 1) / 2)

    def entropy(self):
        return self.base_dist.entropy() - math.log(2)


class HalfNormal(_Half):
    """|x| of a normal number of mean 0 and standard deviation `scale`.

    >>> HalfNormal(rl.tensor(1.0)).mean
    tensor(0.7979)
    """

    arg_constraints = _Half.arg_constraints

    def __init__(self, scale, validate_args=None):
        super().__init__(Normal(0, scale, validate_args=False), AbsTransform(), validate_args=validate_args)

    mean = property(lambda self: self.scale * math.sqrt(2 / math.pi))
    variance = property(lambda self: self.scale.pow(2) * (1 - 2 / math.pi))


class HalfCauchy(_Half):
    """|x| of a Cauchy number around 0.

    >>> HalfCauchy(rl.tensor(1.0)).cdf(rl.tensor(1.0))
    tensor(0.5000)
    """

    arg_constraints = _Half.arg_constraints

    def __init__(self, scale, validate_args=None):
        super().__init__(Cauchy(0, scale, validate_args=False), AbsTransform(), validate_args=validate_args)

    mean = property(lambda self: rl.full_like(self.scale, math.inf))
    variance = property(lambda self: self.base_dist.variance)


class InverseGamma(_Through):
    """1 / x of a gamma number.

    >>> InverseGamma(rl.tensor(3.0), 4.0).mean
    tensor(2.)
    """

    arg_constraints = Gamma.arg_constraints
    support = constraints.positive
    has_rsample = True

    def __init__(self, concentration, rate, validate_args=None):
        base = Gamma(concentration, rate, validate_args=validate_args)
        super().__init__(base, PowerTransform(-base.rate.new_ones(())), validate_args=validate_args)

    mean = property(lambda self: rl.where(self.concentration > 1, self.rate / (self.concentration - 1), math.inf))
    mode = property(lambda self: self.rate / (self.concentration + 1))

    @property
    def variance(self):
        a = self.concentration
        return rl.where(a > 2, self.rate.square() / ((a - 1).square() * (a - 2)), math.inf)

    def entropy(self):
        a = self.concentration
        return a + self.rate.log() + a.lgamma() - (1 + a) * a.digamma()


class Gumbel(_Through):
    """-log(-log(u)) of a uniform number u, moved by loc and stretched by scale: the largest of many.

    >>> Gumbel(0.0, rl.tensor(1.0)).mean
    tensor(0.5772)
    """

    arg_constraints = _located
    support = constraints.real

    def __init__(self, loc, scale, validate_args=None):
        self._set(validate_args, loc=loc, scale=scale)

    def _made(self, validate_args):
        limits = rl.finfo(self.loc.dtype)
        low, high = rl.full_like(self.loc, limits.tiny), rl.full_like(self.loc, 1 - limits.eps)
        minus_log = [ExpTransform().inv, AffineTransform(0, -rl.ones_like(self.scale))]
        moved = [ExpTransform().inv, AffineTransform(self.loc, -self.scale)]
        return Uniform(low, high, validate_args=validate_args), minus_log + moved

    mean = property(lambda self: self.loc + self.scale * euler_constant)
    mode = property(lambda self: self.loc)
    stddev = property(lambda self: (math.pi / math.sqrt(6)) * self.scale)
    variance = property(lambda self: self.stddev.pow(2))

    def log_prob(self, value):
        self._check(value)
        y = (self.loc - value) / self.scale
        return y - y.exp() - self.scale.log()

    def entropy(self):
        return self.scale.log() + (1 + euler_constant)


class Pareto(_Through):
    """`scale` times exp of an exponential number of rate `alpha`.

    >>> Pareto(1.0, rl.tensor(2.0)).mean
    tensor(2.)
    """

    arg_constraints = {"alpha": constraints.positive, "scale": constraints.positive}

    def __init__(self, scale, alpha, validate_args=None):
        self._set(validate_args, scale=scale, alpha=alpha)

    def _made(self, validate_args):
        base = Exponential(self.alpha, validate_args=validate_args)
        return base, [ExpTransform(), AffineTransform(0, self.scale)]

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self):
        return constraints.greater_than_eq(self.scale)

    mode = property(lambda self: self.scale)

    @property
    def mean(self):
        a = self.alpha.clamp(min=1)
        return a * self.scale / (a - 1)

    @property
    def variance(self):
        a = self.alpha.clamp(min=2)
        return self.scale.pow(2) * a / ((a - 1).pow(2) * (a - 2))

    def entropy(self):
        return (self.scale / self.alpha).log() + (1 + self.alpha.reciprocal())


class Weibull(_Through):
    """`scale` times an exponential number to the power 1 / `concentration`.

    >>> Weibull(2.0, rl.tensor(1.0)).mean
    tensor(2.)
    """

    arg_constraints = {"scale": constraints.positive, "concentration": constraints.positive}
    support = constraints.positive

    def __init__(self, scale, concentration, validate_args=None):
        self._set(validate_args, scale=scale, concentration=concentration)

    def _made(self, validate_args):
        self.concentration_reciprocal = self.concentration.reciprocal()
        base = Exponential(rl.ones_like(self.scale), validate_args=validate_args)
        return base, [PowerTransform(self.concentration_reciprocal), AffineTransform(0, self.scale)]

    def _moment(self, n: int) -> Tensor:
        return (1 + n * self.concentration_reciprocal).lgamma().exp()

    mean = property(lambda self: self.scale * self._moment(1))
    mode = property(
        lambda self: self.scale * ((self.concentration - 1) / self.concentration) ** self.concentration.reciprocal()
    )
    variance = property(lambda self: self.scale.pow(2) * (self._moment(2) - self._moment(1) ** 2))

    def entropy(self):
        r = self.concentration_reciprocal
        return euler_constant * (1 - r) + (self.scale * r).log() + 1


class Kumaraswamy(_Through):
    """(1 - u^(1 / concentration0))^(1 / concentration1) of a uniform number u: near to a beta number.

    >>> Kumaraswamy(rl.tensor(1.0), 1.0).mean
    tensor(0.5000)
    """

    arg_constraints = {"concentration1": constraints.positive, "concentration0": constraints.positive}
    support = constraints.unit_interval
    has_rsample = True

    def __init__(self, concentration1, concentration0, validate_args=None):
        self._set(validate_args, concentration1=concentration1, concentration0=concentration0)

    def _made(self, validate_args):
        a, b = self.concentration1, self.concentration0
        base = Uniform(rl.zeros_like(b), rl.ones_like(b), validate_args=validate_args)
        return base, [PowerTransform(b.reciprocal()), AffineTransform(1.0, -1.0), PowerTransform(a.reciprocal())]

    def _moment(self, n: int) -> Tensor:
        a, b = 1 + n / self.concentration1, self.concentration0
        return b * (a.lgamma() + b.lgamma() - (a + b).lgamma()).exp()

    mean = property(lambda self: self._moment(1))
    variance = property(lambda self: self._moment(2) - self.mean.pow(2))

    @property
    def mode(self):
        a, b = self.concentration1, self.concentration0
        log_mode = b.reciprocal() * (-b).log1p() - (-b * a).log1p()
        return log_mode.masked_fill((b < 1) | (a < 1), math.nan).exp()

    def entropy(self):
        a, b = self.concentration1, self.concentration0
        harmonic = (b + 1).digamma() + euler_constant
        return (1 - b.reciprocal()) + (1 - a.reciprocal()) * harmonic - a.log() - b.log()


class LogitRelaxedBernoulli(Chances):
    """The logit of a RelaxedBernoulli number.

    >>> LogitRelaxedBernoulli(rl.tensor(1.0), rl.tensor([0.5])).rsample().shape
    torch.Size([1])
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.real
    _kept = ("_given", "temperature")

    def __init__(self, temperature, probs=None, logits=None, validate_args=None):
        self.temperature = temperature
        self._set_chances(probs, logits, validate_args)

    def rsample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        p = clamp_probs(self.probs.expand(shape))
        u = clamp_probs(rl.rand(shape, dtype=p.dtype, device=p.device))
        return (u.log() - (-u).log1p() + p.log() - (-p).log1p()) / self.temperature

    def log_prob(self, value):
        self._check(value)
        logits, value = broadcast_all(self.logits, value)
        off = logits - value * self.temperature
        return self.temperature.log() + off - 2 * off.exp().log1p()


class _Relaxed(_Through):
    has_rsample = True
    temperature = property(lambda self: self.base_dist.temperature)
    probs = property(lambda self: self.base_dist.probs)
    logits = property(lambda self: self.base_dist.logits)


class RelaxedBernoulli(_Relaxed):
    """Numbers of (0, 1) that come near to 0 or 1, by `probs` or `logits`, the lower `temperature` is (Maddison et al. 2016).

    >>> RelaxedBernoulli(rl.tensor(1.0), rl.tensor([0.5])).batch_shape
    torch.Size([1])
    """

    arg_constraints = LogitRelaxedBernoulli.arg_constraints
    support = constraints.unit_interval

    def __init__(self, temperature, probs=None, logits=None, validate_args=None):
        base = LogitRelaxedBernoulli(temperature, probs, logits)
        super().__init__(base, SigmoidTransform(), validate_args=validate_args)


class ExpRelaxedCategorical(_OverCategories):
    """The logarithm of a RelaxedOneHotCategorical vector.

    >>> ExpRelaxedCategorical(rl.tensor(1.0), rl.ones(3)).rsample().logsumexp(0).abs() < 1e-5
    tensor(True)
    """

    arg_constraints = _categories
    support = constraints.real_vector  # of which only those whose exp adds up to 1
    has_rsample = True
    _kept = ("temperature",)

    def __init__(self, temperature, probs=None, logits=None, validate_args=None):
        self.temperature = temperature
        self._set_categorical(Categorical(probs, logits), validate_args)

    def rsample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        u = clamp_probs(rl.rand(shape, dtype=self.logits.dtype, device=self.logits.device))
        scores = (self.logits - (-u.log()).log()) / self.temperature
        return scores - scores.logsumexp(-1, keepdim=True)

    def log_prob(self, value):
        self._check(value)
        n = self._categorical._num_events
        logits, value = broadcast_all(self.logits, value)
        norm = rl.full_like(self.temperature, float(n)).lgamma() + (n - 1) * self.temperature.log()
        scores = logits - value * self.temperature
        return (scores - scores.logsumexp(-1, keepdim=True)).sum(-1) + norm


class RelaxedOneHotCategorical(_Relaxed):
    """Vectors of the simplex that come near to one-hot ones, by `probs` or `logits`, the lower `temperature` is.

    >>> RelaxedOneHotCategorical(rl.tensor(1.0), rl.ones(3)).event_shape
    torch.Size([3])
    """

    arg_constraints = _categories
    support = constraints.simplex

    def __init__(self, temperature, probs=None, logits=None, validate_args=None):
        base = ExpRelaxedCategorical(temperature, probs, logits, validate_args=validate_args)
        super().__init__(base, ExpTransform(), validate_args=validate_args)
