"""Distributions over vectors with covariances, and over matrices."""

from __future__ import annotations

import math
import warnings
from numbers import Number

import rushlight as rl
from rushlight import Size, Tensor

from . import constraints
from ._continuous import Beta, Chi2, _log_two_pi
from .distribution import Distribution, Tabled
from .exp_family import ExponentialFamily
from .utils import _standard_normal, broadcast_all, lazy_property

__all__ = ["LKJCholesky", "LowRankMultivariateNormal", "MultivariateNormal", "Wishart"]


def _batch_mv(bmat: Tensor, bvec: Tensor) -> Tensor:
    """Matrices times vectors, the batches broadcast."""
    return (bmat @ bvec.unsqueeze(-1)).squeeze(-1)


def _solve_lower(lower: Tensor, b: Tensor) -> Tensor:
    return rl.linalg.solve_triangular(lower, b, upper=False)


def _batch_mahalanobis(bL: Tensor, bx: Tensor) -> Tensor:
    """x' (L L')^-1 x: L of shape (..., n, n), x of (..., n), the batches broadcast."""
    if bL.dim() == 2:  # one matrix, many right sides
        columns = _solve_lower(bL, bx.reshape(-1, bx.size(-1)).mT)
        return columns.pow(2).sum(0).reshape(bx.shape[:-1])
    return _solve_lower(bL, bx.unsqueeze(-1)).squeeze(-1).pow(2).sum(-1)


def _half_log_det(tril: Tensor) -> Tensor:
    return tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def _precision_to_scale_tril(P: Tensor) -> Tensor:
    """L of L L' = P^-1: the Cholesky factor of P turned by 180 degrees is upper triangular, and then inverted."""
    upper = rl.linalg.cholesky(P.flip(-2, -1)).flip(-2, -1)
    return _solve_lower(upper.mT, rl.eye(P.shape[-1], dtype=P.dtype, device=P.device))


class _Covaried(Tabled):
    """One given by a covariance matrix, its inverse, or its Cholesky factor; the others follow."""

    _matrices = ("covariance_matrix", "precision_matrix", "scale_tril")

    def _set_matrix(self, error: type, batch, values) -> Size:
        """Makes the one matrix that is given an attribute, and returns the batch's shape with that of `batch`."""
        given = [(n, v) for n, v in zip(self._matrices, values, strict=True) if v is not None]
        if len(given) != 1:
            raise error("Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified.")
        ((name, value),) = given
        if value.dim() < 2:
            raise ValueError(f"{name} must be at least two-dimensional, with optional leading batch dimensions")
        shape = rl.broadcast_shapes(value.shape[:-2], batch)
        setattr(self, name, value.expand(shape + (-1, -1)))
        self._matrix = name, value
        return shape

    def _factor(self) -> None:
        """After validation, for the factors of what is no covariance are errors of another kind."""
        name, value = self.__dict__.pop("_matrix")
        self._unbroadcasted_scale_tril = (
            value if name == "scale_tril"
            else rl.linalg.cholesky(value) if name == "covariance_matrix"
            else _precision_to_scale_tril(value)
        )  # fmt: skip

    def _over_batch(self, matrix: Tensor) -> Tensor:
        return matrix.expand(self._batch_shape + matrix.shape[-2:])

    @lazy_property
    def scale_tril(self) -> Tensor:
        """The Cholesky factor of the covariance."""
        return self._over_batch(self._unbroadcasted_scale_tril)

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        """The covariance."""
        return self._over_batch(self._unbroadcasted_scale_tril @ self._unbroadcasted_scale_tril.mT)

    @lazy_property
    def precision_matrix(self) -> Tensor:
        """The inverse of the covariance."""
        return self._over_batch(rl.cholesky_inverse(self._unbroadcasted_scale_tril))


class MultivariateNormal(_Covaried):
    """Normal vectors of mean `loc`, with one of covariance_matrix, precision_matrix and scale_tril.

    >>> MultivariateNormal(rl.zeros(2), scale_tril=rl.eye(2)).log_prob(rl.zeros(2))
    tensor(-1.8379)
    """

    arg_constraints = {
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    support = constraints.real_vector
    has_rsample = True
    _kept = ("_unbroadcasted_scale_tril",)

    def __init__(self, loc, covariance_matrix=None, precision_matrix=None, scale_tril=None, validate_args=None):
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        shape = self._set_matrix(ValueError, loc.shape[:-1], (covariance_matrix, precision_matrix, scale_tril))
        self.loc = loc.expand(shape + (-1,))
        Distribution.__init__(self, shape, self.loc.shape[-1:], validate_args=validate_args)
        self._factor()

    mean = property(lambda self: self.loc)
    mode = property(lambda self: self.loc)

    @property
    def variance(self):
        return self._unbroadcasted_scale_tril.pow(2).sum(-1).expand(self._batch_shape + self._event_shape)

    def rsample(self, sample_shape=()):
        eps = _standard_normal(self._extended_shape(sample_shape), self.loc.dtype, self.loc.device)
        return self.loc + _batch_mv(self._unbroadcasted_scale_tril, eps)

    def log_prob(self, value):
        self._check(value)
        far = _batch_mahalanobis(self._unbroadcasted_scale_tril, value - self.loc)
        return -0.5 * (self._event_shape[0] * _log_two_pi + far) - _half_log_det(self._unbroadcasted_scale_tril)

    def entropy(self):
        each = 0.5 * self._event_shape[0] * (1.0 + _log_two_pi) + _half_log_det(self._unbroadcasted_scale_tril)
        return each.expand(self._batch_shape)


def _plus_identity(K: Tensor) -> Tensor:
    return K + rl.eye(K.shape[-1], dtype=K.dtype, device=K.device)


def _batch_capacitance_tril(W: Tensor, D: Tensor) -> Tensor:
    """The Cholesky factor of I + W' D^-1 W, by which W W' + D is inverted (Woodbury)."""
    return rl.linalg.cholesky(_plus_identity((W.mT / D.unsqueeze(-2)) @ W))


def _batch_lowrank_logdet(W: Tensor, D: Tensor, capacitance_tril: Tensor) -> Tensor:
    """log det(W W' + D)."""
    return 2 * _half_log_det(capacitance_tril) + D.log().sum(-1)


def _batch_lowrank_mahalanobis(W: Tensor, D: Tensor, x: Tensor, capacitance_tril: Tensor) -> Tensor:
    """x' (W W' + D)^-1 x."""
    low = _batch_mv(W.mT / D.unsqueeze(-2), x)
    return (x.pow(2) / D).sum(-1) - _batch_mahalanobis(capacitance_tril, low)


class LowRankMultivariateNormal(Tabled):
    """Normal vectors of mean `loc` and covariance cov_factor cov_factor' + diag(cov_diag).

    Shape: loc and cov_diag ``(..., n)``, cov_factor ``(..., n, m)``.
    >>> LowRankMultivariateNormal(rl.zeros(2), rl.tensor([[1.0], [0.0]]), rl.ones(2)).variance
    tensor([2., 1.])
    """

    arg_constraints = {
        "loc": constraints.real_vector,
        "cov_factor": constraints.independent(constraints.real, 2),
        "cov_diag": constraints.independent(constraints.positive, 1),
    }
    support = constraints.real_vector
    has_rsample = True
    _kept = ("_unbroadcasted_cov_factor", "_unbroadcasted_cov_diag", "_capacitance_tril")

    def __init__(self, loc, cov_factor, cov_diag, validate_args=None):
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        event = loc.shape[-1:]
        if cov_factor.dim() < 2:
            raise ValueError("cov_factor must be at least two-dimensional, with optional leading batch dimensions")
        if cov_factor.shape[-2:-1] != event:
            raise ValueError(f"cov_factor must be a batch of matrices with shape {event[0]} x m")
        if cov_diag.shape[-1:] != event:
            raise ValueError(f"cov_diag must be a batch of vectors with shape {event}")
        try:
            batch = rl.broadcast_shapes(loc.shape[:-1], cov_factor.shape[:-2], cov_diag.shape[:-1])
        except RuntimeError as e:
            raise ValueError(
                f"Incompatible batch shapes: loc {loc.shape}, cov_factor {cov_factor.shape}, cov_diag {cov_diag.shape}"
            ) from e
        self.loc, self.cov_diag = loc.expand(batch + event), cov_diag.expand(batch + event)
        self.cov_factor = cov_factor.expand(batch + cov_factor.shape[-2:])
        self._unbroadcasted_cov_factor, self._unbroadcasted_cov_diag = cov_factor, cov_diag
        self._capacitance_tril = _batch_capacitance_tril(cov_factor, cov_diag)
        Distribution.__init__(self, batch, event, validate_args=validate_args)

    mean = property(lambda self: self.loc)
    mode = property(lambda self: self.loc)

    def _over_batch(self, t: Tensor, dims: int) -> Tensor:
        return t.expand(self._batch_shape + self._event_shape * dims)

    @lazy_property
    def variance(self):
        return self._over_batch(self._unbroadcasted_cov_factor.pow(2).sum(-1) + self._unbroadcasted_cov_diag, 1)

    @lazy_property
    def scale_tril(self):
        """The Cholesky factor of the covariance, formed where it is near to the identity."""
        root = self._unbroadcasted_cov_diag.sqrt().unsqueeze(-1)
        w = self._unbroadcasted_cov_factor / root
        return self._over_batch(root * rl.linalg.cholesky(_plus_identity(w @ w.mT)), 2)

    @lazy_property
    def covariance_matrix(self):
        """The covariance."""
        w = self._unbroadcasted_cov_factor
        return self._over_batch(w @ w.mT + self._unbroadcasted_cov_diag.diag_embed(), 2)

    @lazy_property
    def precision_matrix(self):
        """The inverse of the covariance."""
        d = self._unbroadcasted_cov_diag
        a = _solve_lower(self._capacitance_tril, self._unbroadcasted_cov_factor.mT / d.unsqueeze(-2))
        return self._over_batch(d.reciprocal().diag_embed() - a.mT @ a, 2)

    def rsample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        like = self.loc.dtype, self.loc.device
        low = _standard_normal(shape[:-1] + self.cov_factor.shape[-1:], *like)
        each = _standard_normal(shape, *like)
        shared = self.loc + _batch_mv(self._unbroadcasted_cov_factor, low)
        return shared + self._unbroadcasted_cov_diag.sqrt() * each

    def _log_det(self) -> Tensor:
        return _batch_lowrank_logdet(
            self._unbroadcasted_cov_factor, self._unbroadcasted_cov_diag, self._capacitance_tril
        )

    def log_prob(self, value):
        self._check(value)
        far = _batch_lowrank_mahalanobis(
            self._unbroadcasted_cov_factor, self._unbroadcasted_cov_diag, value - self.loc, self._capacitance_tril
        )
        return -0.5 * (self._event_shape[0] * _log_two_pi + self._log_det() + far)

    def entropy(self):
        return (0.5 * (self._event_shape[0] * (1.0 + _log_two_pi) + self._log_det())).expand(self._batch_shape)


class LKJCholesky(Tabled):
    """Cholesky factors of correlation matrices of `dim` rows, of density det^(concentration - 1) (Lewandowski et al. 2009).

    >>> LKJCholesky(3, 0.5).event_shape
    torch.Size([3, 3])
    """

    arg_constraints = {"concentration": constraints.positive}
    support = constraints.corr_cholesky
    _kept = ("dim",)
    _parts = ("_beta",)

    def __init__(self, dim, concentration=1.0, validate_args=None):
        if dim < 2:
            raise ValueError(f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}.")
        self.dim = dim
        (self.concentration,) = (c,) = broadcast_all(concentration)
        # How much of its length a row has left of the diagonal.
        before = rl.arange(-1, dim - 1, dtype=c.dtype, device=c.device).clamp(min=0)
        self._beta = Beta(before + 0.5, (c + 0.5 * (dim - 2)).unsqueeze(-1) - 0.5 * before)
        Distribution.__init__(self, c.size(), Size((dim, dim)), validate_args=validate_args)

    def sample(self, sample_shape=()):
        with rl.no_grad():
            y = self._beta.sample(sample_shape).unsqueeze(-1)
            direction = rl.randn(self._extended_shape(sample_shape), dtype=y.dtype, device=y.device).tril(-1)
            direction = direction / direction.norm(dim=-1, keepdim=True)
            direction[..., 0, :].fill_(0.0)
            w = y.sqrt() * direction
            left = (1 - (w**2).sum(-1)).clamp(min=rl.finfo(w.dtype).tiny).sqrt()
            return w + left.diag_embed()

    def log_prob(self, value):
        self._check(value)
        c, less = self.concentration, self.dim - 1
        diagonal = value.diagonal(dim1=-1, dim2=-2)[..., 1:]
        powers = 2 * (c - 1).unsqueeze(-1) + self.dim - rl.arange(2, self.dim + 1, device=c.device)
        alpha = c + 0.5 * less
        norm = 0.5 * less * math.log(math.pi) + (alpha - 0.5).mvlgamma(less) - alpha.lgamma() * less
        return (powers * diagonal.log()).sum(-1) - norm


class Wishart(_Covaried, ExponentialFamily):
    """Sums of `df` products x x' of normal vectors with one of covariance_matrix, precision_matrix and scale_tril.

    >>> Wishart(rl.tensor(3.0), rl.eye(2)).mean
    tensor([[3., 0.],
            [0., 3.]])
    """

    arg_constraints = property(
        lambda self: {
            "covariance_matrix": constraints.positive_definite,
            "precision_matrix": constraints.positive_definite,
            "scale_tril": constraints.lower_cholesky,
            "df": constraints.greater_than(self.event_shape[-1] - 1),
        }
    )
    support = constraints.positive_definite
    has_rsample = True
    _mean_carrier_measure = 0

    def __init__(self, df, covariance_matrix=None, precision_matrix=None, scale_tril=None, validate_args=None):
        batch = Size() if isinstance(df, Number) else df.shape
        shape = self._set_matrix(AssertionError, batch, (covariance_matrix, precision_matrix, scale_tril))
        matrix = self._matrix[1]
        n = matrix.shape[-1]
        df = rl.tensor(df, dtype=matrix.dtype, device=matrix.device) if isinstance(df, Number) else df
        self.df = df.expand(shape)
        if (self.df <= n - 1).any():
            raise ValueError(f"Value of df={df} expected to be greater than ndim - 1 = {n - 1}.")
        if (self.df < n).any():
            warnings.warn(
                "Low df values detected. Singular samples are highly likely to occur for ndim - 1 < df < ndim.",
                stacklevel=2,
            )
        Distribution.__init__(self, shape, matrix.shape[-2:], validate_args=validate_args)
        self._factor()
        self._set_chi2()

    def _set_chi2(self) -> None:
        below = rl.arange(self._event_shape[-1], dtype=self.df.dtype, device=self.df.device)
        self._dist_chi2 = Chi2(self.df.unsqueeze(-1) - below)

    _kept = ("_unbroadcasted_scale_tril",)

    def expand(self, batch_shape, _instance=None):
        new = super().expand(batch_shape, _instance)
        new._set_chi2()
        return new

    def _wide(self, t: Tensor) -> Tensor:
        return t.view(self._batch_shape + (1, 1))

    mean = property(lambda self: self._wide(self.df) * self.covariance_matrix)

    @property
    def mode(self):
        factor = self.df - self._event_shape[-1] - 1
        return self._wide(factor.masked_fill(factor <= 0, math.nan)) * self.covariance_matrix

    @property
    def variance(self):
        v = self.covariance_matrix
        diagonal = v.diagonal(dim1=-2, dim2=-1)
        return self._wide(self.df) * (v.pow(2) + diagonal.unsqueeze(-1) * diagonal.unsqueeze(-2))

    def _bartlett_sampling(self, sample_shape):
        """L A A' L' of a triangular A: roots of chi-squared numbers on its diagonal, normal ones below (Bartlett 1933)."""
        p = self._event_shape[-1]
        roots = self._dist_chi2.rsample(sample_shape).sqrt()
        noise = roots.clamp(min=rl.finfo(roots.dtype).eps).diag_embed(dim1=-2, dim2=-1)
        i, j = rl.tril_indices(p, p, offset=-1)
        shape = Size(sample_shape) + self._batch_shape + (p * (p - 1) // 2,)
        noise[..., i, j] = rl.randn(shape, dtype=noise.dtype, device=noise.device)
        root = self._unbroadcasted_scale_tril @ noise
        return root @ root.mT

    def rsample(self, sample_shape=(), max_try_correction=None):
        """Draws samples; singular ones are drawn anew, at most max_try_correction times (10).

        The first ones are drawn anew where they are not singular: PyTorch does so, and one seed gives its numbers.
        """
        tries = 10 if max_try_correction is None else max_try_correction
        batch = tuple(range(-len(self._batch_shape), 0))
        valid = self.support.check

        def some(flags):  # of each sample: whether some of the batch is so
            return flags.amax(batch) if batch else flags

        sample = self._bartlett_sampling(Size(sample_shape))
        again = some(valid(sample))
        for i in range(1 + tries):
            count = int(again.sum())
            if count == 0:
                break
            if i > 0:
                warnings.warn("Singular sample detected.", stacklevel=2)
            redrawn = self._bartlett_sampling(Size((count,)) if again.dim() else Size(()))
            sample = rl.index_put(sample, (again,), redrawn) if again.dim() else redrawn
            again = some(~valid(sample))
        return sample

    def _log_volume(self) -> Tensor:
        return self._event_shape[-1] * math.log(2) / 2 + _half_log_det(self._unbroadcasted_scale_tril)

    def log_prob(self, value):
        self._check(value)
        nu, p = self.df, self._event_shape[-1]
        trace = rl.cholesky_solve(value, self._unbroadcasted_scale_tril).diagonal(dim1=-2, dim2=-1).sum(-1)
        norm = -nu * self._log_volume() - (nu / 2).mvlgamma(p)
        return norm + (nu - p - 1) / 2 * rl.linalg.slogdet(value).logabsdet - trace / 2

    def entropy(self):
        nu, p = self.df, self._event_shape[-1]
        digammas = (nu.unsqueeze(-1) / 2 - rl.arange(p, dtype=nu.dtype, device=nu.device) / 2).digamma().sum(-1)
        norm = (p + 1) * self._log_volume() + (nu / 2).mvlgamma(p)
        return norm - (nu - p - 1) / 2 * digammas + nu * p / 2

    @property
    def _natural_params(self):
        return -self.precision_matrix / 2, (self.df - self._event_shape[-1] - 1) / 2

    def _log_normalizer(self, x, y):
        p = self._event_shape[-1]
        half = y + (p + 1) / 2
        return half * (-rl.linalg.slogdet(-2 * x).logabsdet + math.log(2) * p) + half.mvlgamma(p)
