"""The Kullback-Leibler divergence of two distributions, by a registry of pairs of classes."""

from __future__ import annotations

import math
import warnings

import rushlight as rl
from rushlight import Tensor

from ..nn.functional import softplus
from ._composed import Independent, TransformedDistribution
from ._continuous import (
    Beta,
    Cauchy,
    ContinuousBernoulli,
    Dirichlet,
    Exponential,
    Gamma,
    Laplace,
    Normal,
    Uniform,
)
from ._discrete import Bernoulli, Binomial, Categorical, Geometric, OneHotCategorical, Poisson
from ._matrix import (
    LowRankMultivariateNormal,
    MultivariateNormal,
    _batch_lowrank_mahalanobis,
    _batch_mahalanobis,
    _half_log_det,
    _solve_lower,
)
from ._transformed import Gumbel, HalfNormal, Pareto
from .distribution import Distribution
from .exp_family import ExponentialFamily
from .utils import _sum_rightmost, euler_constant

__all__ = ["kl_divergence", "register_kl"]

_KL_REGISTRY: dict = {}
_KL_MEMOIZE: dict = {}


def register_kl(type_p: type, type_q: type):
    """Registers the decorated function of p and q as kl_divergence of those classes and, unless nearer ones are
    registered, their subclasses.
    """
    for name, cls in (("type_p", type_p), ("type_q", type_q)):
        if not isinstance(cls, type):  # a mixin that is no Distribution itself is welcome
            raise TypeError(f"Expected {name} to be a Distribution subclass but got {cls}")

    def register(function):
        _KL_REGISTRY[type_p, type_q] = function
        _KL_MEMOIZE.clear()
        return function

    return register


def _dispatch(p: type, q: type):
    """What is registered nearest. p's class decides, then q's; it is ambiguous if the other order finds another."""
    pairs = [k for k in _KL_REGISTRY if issubclass(p, k[0]) and issubclass(q, k[1])]
    if not pairs:
        return None

    def nearness(first: int):
        order = (p, q) if first == 0 else (q, p)
        return lambda k: [c.__mro__.index(k[first if i == 0 else 1 - first]) for i, c in enumerate(order)]

    left, right = min(pairs, key=nearness(0)), min(pairs, key=nearness(1))
    if _KL_REGISTRY[left] is not _KL_REGISTRY[right]:
        warnings.warn(
            f"Ambiguous kl_divergence({p.__name__}, {q.__name__}). Please register_kl({left[0].__name__}, {right[1].__name__})",
            RuntimeWarning,
            stacklevel=3,
        )
    return _KL_REGISTRY[left]


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """KL(p || q), the mean of log p(x) - log q(x) over x drawn from p: of the batch's shape.

    NotImplementedError for classes for which nothing is registered.
    >>> kl_divergence(Normal(0.0, 1.0), Normal(1.0, 1.0))
    tensor(0.5000)
    """
    key = type(p), type(q)
    if key not in _KL_MEMOIZE:
        _KL_MEMOIZE[key] = _dispatch(*key)
    if _KL_MEMOIZE[key] is None:
        raise NotImplementedError(
            f"No KL(p || q) is implemented for p type {type(p).__name__} and q type {type(q).__name__}"
        )
    return _KL_MEMOIZE[key](p, q)


# ---- of a kind with itself ----


@register_kl(ExponentialFamily, ExponentialFamily)
def _exponential_families(p, q):
    """The Bregman divergence of the log normaliser."""
    if type(p) is not type(q):
        raise NotImplementedError(
            "The cross KL-divergence between different exponential families cannot be computed using Bregman divergences"
        )
    theta, normalizer, gradients = p._normalizer_and_gradients()
    result = q._log_normalizer(*q._natural_params) - normalizer
    for of_p, of_q, g in zip(theta, q._natural_params, gradients, strict=True):
        result = result - _sum_rightmost((of_q - of_p) * g, len(q.event_shape))
    return result


@register_kl(Independent, Independent)
def _independent(p, q):
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError("kl_divergence: expected Independents with as many reinterpreted dimensions")
    return _sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


@register_kl(TransformedDistribution, TransformedDistribution)
def _transformed(p, q):
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError("kl_divergence: expected TransformedDistributions with equal transforms and events")
    return kl_divergence(p.base_dist, q.base_dist)


def _where(condition: Tensor, value: float, otherwise: Tensor) -> Tensor:
    return rl.where(condition, value, otherwise)


@register_kl(Bernoulli, Bernoulli)
def _bernoullis(p, q):
    def side(chance_p, chance_q, sign):
        each = chance_p * (softplus(sign * q.logits) - softplus(sign * p.logits))
        return _where(chance_p == 0, 0.0, _where(chance_q == 0, math.inf, each))

    return side(p.probs, q.probs, -1) + side(1 - p.probs, 1 - q.probs, 1)


@register_kl(Binomial, Binomial)
def _binomials(p, q):
    if (p.total_count < q.total_count).any():
        raise NotImplementedError("KL between Binomials where q.total_count > p.total_count is not implemented")
    each = p.probs * (p.logits - q.logits) + (-p.probs).log1p() - (-q.probs).log1p()
    return _where(p.total_count > q.total_count, math.inf, p.total_count * each)


@register_kl(Categorical, Categorical)
def _categoricals(p, q):
    each = _where(q.probs == 0, math.inf, p.probs * (p.logits - q.logits))
    return _where(p.probs == 0, 0.0, each).sum(-1)


@register_kl(OneHotCategorical, OneHotCategorical)
def _one_hots(p, q):
    return _categoricals(p._categorical, q._categorical)


@register_kl(Geometric, Geometric)
def _geometrics(p, q):
    return -p.entropy() - (-q.probs).log1p() / p.probs - q.logits


@register_kl(Poisson, Poisson)
def _poissons(p, q):
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


@register_kl(Beta, Beta)
def _betas(p, q):
    return _dirichlets(p._dirichlet, q._dirichlet)


@register_kl(Dirichlet, Dirichlet)
def _dirichlets(p, q):
    a, b = p.concentration, q.concentration
    total = a.sum(-1)
    norms = total.lgamma() - b.sum(-1).lgamma() - (a.lgamma() - b.lgamma()).sum(-1)
    return norms + ((a - b) * (a.digamma() - total.digamma().unsqueeze(-1))).sum(-1)


@register_kl(ContinuousBernoulli, ContinuousBernoulli)
def _continuous_bernoullis(p, q):
    norms = p._cont_bern_log_norm() + (-p.probs).log1p() - q._cont_bern_log_norm() - (-q.probs).log1p()
    return p.mean * (p.logits - q.logits) + norms


@register_kl(Exponential, Exponential)
def _exponentials(p, q):
    ratio = q.rate / p.rate
    return ratio - ratio.log() - 1


@register_kl(Gamma, Gamma)
def _gammas(p, q):
    a, b = p.concentration, q.concentration
    norms = b * (p.rate / q.rate).log() + b.lgamma() - a.lgamma()
    return norms + (a - b) * a.digamma() + (q.rate - p.rate) * (a / p.rate)


@register_kl(Gumbel, Gumbel)
def _gumbels(p, q):
    ratio, off = p.scale / q.scale, (p.loc - q.loc) / q.scale
    tail = (-off + (1 + ratio).lgamma()).exp()
    return -ratio.log() + off + ratio * euler_constant + tail - (1 + euler_constant)


@register_kl(Cauchy, Cauchy)
def _cauchys(p, q):
    return ((p.scale + q.scale).pow(2) + (p.loc - q.loc).pow(2)).log() - (4 * p.scale * q.scale).log()


@register_kl(Laplace, Laplace)
def _laplaces(p, q):
    ratio, off = p.scale / q.scale, (p.loc - q.loc).abs()
    return -ratio.log() + off / q.scale + ratio * (-off / p.scale).exp() - 1


@register_kl(Normal, Normal)
def _normals(p, q):
    ratio = (p.scale / q.scale).pow(2)
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale).pow(2) - 1 - ratio.log())


@register_kl(HalfNormal, HalfNormal)
def _half_normals(p, q):
    return _normals(p.base_dist, q.base_dist)


@register_kl(Pareto, Pareto)
def _paretos(p, q):
    ratio = q.alpha / p.alpha
    result = q.alpha * (p.scale / q.scale).log() - ratio.log() + ratio - 1
    return _where(p.scale < q.scale, math.inf, result)


@register_kl(Uniform, Uniform)
def _uniforms(p, q):
    result = ((q.high - q.low) / (p.high - p.low)).log()
    return _where((q.low > p.low) | (q.high < p.high), math.inf, result)


def _same_event(p, q) -> int:
    if p.event_shape != q.event_shape:
        raise ValueError(
            f"KL-divergence between two (Low Rank) Multivariate Normals with different event shapes cannot be computed: "
            f"{tuple(p.event_shape)} and {tuple(q.event_shape)}"
        )
    return p.event_shape[0]


def _square_sum(m: Tensor) -> Tensor:
    return m.pow(2).sum((-2, -1))


def _roots(d) -> list[Tensor]:
    """Matrices whose products with their transposes add up to the covariance."""
    if isinstance(d, MultivariateNormal):
        return [d._unbroadcasted_scale_tril]
    return [d._unbroadcasted_cov_factor, d._unbroadcasted_cov_diag.sqrt().diag_embed()]


def _log_det(d) -> Tensor:
    return 2 * _half_log_det(d._unbroadcasted_scale_tril) if isinstance(d, MultivariateNormal) else d._log_det()


def _to_dense(p, q):
    """0.5 (log det Q - log det P + tr(Q^-1 P) + the squared distance of the means by Q - n), Q by its Cholesky factor."""
    n, tril = _same_event(p, q), q._unbroadcasted_scale_tril
    trace = sum(_square_sum(_solve_lower(tril, root)) for root in _roots(p))
    far = _batch_mahalanobis(tril, q.loc - p.loc)
    return 0.5 * (_log_det(q) - _log_det(p) + trace + far - n)


def _to_low_rank(p, q):
    """The same, where Q^-1 is D^-1 - A' A (Woodbury)."""
    n, d = _same_event(p, q), q._unbroadcasted_cov_diag
    a = _solve_lower(q._capacitance_tril, q._unbroadcasted_cov_factor.mT / d.unsqueeze(-2))
    trace = sum(_square_sum(root * d.rsqrt().unsqueeze(-1)) - _square_sum(a @ root) for root in _roots(p))
    far = _batch_lowrank_mahalanobis(q._unbroadcasted_cov_factor, d, q.loc - p.loc, q._capacitance_tril)
    return 0.5 * (_log_det(q) - _log_det(p) + trace + far - n)


for _p in (MultivariateNormal, LowRankMultivariateNormal):
    register_kl(_p, MultivariateNormal)(_to_dense)
    register_kl(_p, LowRankMultivariateNormal)(_to_low_rank)


# ---- of one kind with another ----


def _infinite(p, q):
    """p reaches where q cannot."""
    return rl.full_like(p.mean, math.inf)


_bounded = (Beta, ContinuousBernoulli, Pareto, Uniform)
for _p, _qs in (
    (Beta, (Pareto,)),
    (ContinuousBernoulli, (Pareto,)),
    (Exponential, _bounded),
    (Gamma, _bounded),
    *((_p, (*_bounded, Exponential, Gamma)) for _p in (Gumbel, Laplace, Normal)),
    (Pareto, (Beta, ContinuousBernoulli, Uniform)),
    (Poisson, (Bernoulli, Binomial)),
):
    for _q in _qs:
        register_kl(_p, _q)(_infinite)


def _minus_log_normal(q, mean, square):
    """The mean of -log q(x) of a normal q, by the means of x and its square."""
    variance = q.scale.pow(2)
    return 0.5 * (2 * math.pi * variance).log() + (0.5 * square - q.loc * mean + 0.5 * q.loc.pow(2)) / variance


def _minus_log_gamma(q, mean, mean_log):
    """The mean of -log q(x) of a gamma q, by the means of x and its logarithm."""
    a = q.concentration
    return a.lgamma() - a * q.rate.log() + (1 - a) * mean_log + q.rate * mean


def _squared_mean(p):
    return p.variance + p.mean.pow(2)


@register_kl(Bernoulli, Poisson)
def _bernoulli_poisson(p, q):
    return -p.entropy() - (p.probs * q.rate.log() - q.rate)


@register_kl(Beta, Normal)
@register_kl(ContinuousBernoulli, Normal)
@register_kl(Exponential, Normal)
@register_kl(Gamma, Normal)
@register_kl(Gumbel, Normal)
@register_kl(Laplace, Normal)
@register_kl(Uniform, Normal)
def _any_normal(p, q):
    return -p.entropy() + _minus_log_normal(q, p.mean, _squared_mean(p))


@register_kl(Pareto, Normal)
def _pareto_normal(p, q):
    a = p.alpha
    mean, square = a * p.scale / (a - 1), a * p.scale.pow(2) / (a - 2)
    return _where(a <= 2, math.inf, -p.entropy() + _minus_log_normal(q, mean, square))


@register_kl(Beta, Exponential)
@register_kl(ContinuousBernoulli, Exponential)
@register_kl(Gamma, Exponential)
def _any_exponential(p, q):
    return -p.entropy() - q.rate.log() + q.rate * p.mean


@register_kl(Pareto, Exponential)
def _pareto_exponential(p, q):
    mean = p.alpha * p.scale / (p.alpha - 1)
    return _where(p.alpha <= 1, math.inf, -p.entropy() - q.rate.log() + q.rate * mean)


@register_kl(Uniform, Exponential)
def _uniform_exponential(p, q):
    return _where(p.low < 0, math.inf, _any_exponential(p, q))


@register_kl(Beta, Gamma)
def _beta_gamma(p, q):
    mean_log = p.concentration1.digamma() - (p.concentration1 + p.concentration0).digamma()
    return -p.entropy() + _minus_log_gamma(q, p.mean, mean_log)


@register_kl(Exponential, Gamma)
def _exponential_gamma(p, q):
    return -p.entropy() + _minus_log_gamma(q, p.mean, -p.rate.log() - euler_constant)


@register_kl(Pareto, Gamma)
def _pareto_gamma(p, q):
    mean = p.alpha * p.scale / (p.alpha - 1)
    result = -p.entropy() + _minus_log_gamma(q, mean, p.scale.log() + p.alpha.reciprocal())
    return _where(p.alpha <= 1, math.inf, result)


def _mean_log_uniform(low, high):
    """The mean of log x over low ... high."""
    return (rl.xlogy(high, high) - rl.xlogy(low, low)) / (high - low) - 1


@register_kl(Uniform, Gamma)
def _uniform_gamma(p, q):
    result = -p.entropy() + _minus_log_gamma(q, p.mean, _mean_log_uniform(p.low, p.high))
    return _where(p.low < 0, math.inf, result)


@register_kl(Uniform, Pareto)
def _uniform_pareto(p, q):
    norm = q.alpha.log() + q.alpha * q.scale.log()
    result = -p.entropy() - norm + (q.alpha + 1) * _mean_log_uniform(p.low, p.high)
    return _where(p.low < q.scale, math.inf, result)


@register_kl(Uniform, Beta)
def _uniform_beta(p, q):
    a, b = q.concentration1, q.concentration0
    logs = (a - 1) * _mean_log_uniform(p.low, p.high) + (b - 1) * _mean_log_uniform(1 - p.high, 1 - p.low)
    result = -p.entropy() + a.lgamma() + b.lgamma() - (a + b).lgamma() - logs
    return _where((p.high > 1) | (p.low < 0), math.inf, result)


def _minus_log_continuous_bernoulli(q, mean):
    return -mean * q.logits - (-q.probs).log1p() - q._cont_bern_log_norm()


@register_kl(Beta, ContinuousBernoulli)
def _beta_continuous_bernoulli(p, q):
    return -p.entropy() + _minus_log_continuous_bernoulli(q, p.mean)


@register_kl(Uniform, ContinuousBernoulli)
def _uniform_continuous_bernoulli(p, q):
    result = -p.entropy() + _minus_log_continuous_bernoulli(q, p.mean)
    return _where((p.high >= 1) | (p.low <= 0), math.inf, result)  # PyTorch's bounds, themselves excluded


@register_kl(Beta, Uniform)
def _beta_uniform(p, q):
    return _where((q.low > 0) | (q.high < 1), math.inf, -p.entropy() + (q.high - q.low).log())


@register_kl(ContinuousBernoulli, Uniform)
def _continuous_bernoulli_uniform(p, q):
    return _where((q.low >= 0) | (q.high <= 1), math.inf, -p.entropy() + (q.high - q.low).log())  # as above


def _minus_log_gumbel(q, mean, mean_exp):
    """The mean of -log q(x) of a Gumbel q, by the means of z = (x - loc) / scale and of exp(-z)."""
    return q.scale.log() + mean + mean_exp


@register_kl(Exponential, Gumbel)
def _exponential_gumbel(p, q):
    product, off = p.rate * q.scale, q.loc / q.scale
    mean_exp = off.exp() * product / (product + 1)
    return -p.entropy() + _minus_log_gumbel(q, product.reciprocal() - off, mean_exp)


@register_kl(Gamma, Gumbel)
def _gamma_gumbel(p, q):
    product, off = p.rate * q.scale, q.loc / q.scale
    mean_exp = off.exp() * (1 + product.reciprocal()).pow(-p.concentration)
    return -p.entropy() + _minus_log_gumbel(q, p.concentration / product - off, mean_exp)


@register_kl(Normal, Gumbel)
def _normal_gumbel(p, q):
    mean = (p.loc - q.loc) / q.scale
    return -p.entropy() + _minus_log_gumbel(q, mean, (-mean + 0.5 * (p.scale / q.scale).pow(2)).exp())


@register_kl(Uniform, Gumbel)
def _uniform_gumbel(p, q):
    low, high = (p.low - q.loc) / q.scale, (p.high - q.loc) / q.scale
    return -p.entropy() + _minus_log_gumbel(q, 0.5 * (low + high), ((-low).exp() - (-high).exp()) / (high - low))


@register_kl(Normal, Laplace)
def _normal_laplace(p, q):
    off = p.loc - q.loc
    z = off / p.scale
    mean_abs = math.sqrt(2 / math.pi) * p.scale * (-0.5 * z.pow(2)).exp() + off * rl.erf(math.sqrt(0.5) * z)
    return -p.entropy() + (2 * q.scale).log() + mean_abs / q.scale
