"""Transforms of random variables: a function, its inverse, and the logarithm of its derivative's absolute value."""

from __future__ import annotations

import functools
import math
import operator
from numbers import Number

import rushlight as rl
from rushlight import Size, Tensor

from ..nn.functional import logsigmoid, pad, softplus
from . import constraints
from .utils import _sum_rightmost, broadcast_all, tril_matrix_to_vec, vec_to_tril_matrix

__all__ = [
    "AbsTransform", "AffineTransform", "CatTransform", "ComposeTransform", "CorrCholeskyTransform",
    "CumulativeDistributionTransform", "ExpTransform", "IndependentTransform", "LowerCholeskyTransform",
    "PositiveDefiniteTransform", "PowerTransform", "ReshapeTransform", "SigmoidTransform", "SoftmaxTransform",
    "SoftplusTransform", "StackTransform", "StickBreakingTransform", "TanhTransform", "Transform", "identity_transform",
]  # fmt: skip

_vector = constraints.real_vector
_matrix = constraints.independent(constraints.real, 2)


class Transform:
    """A map between two constraints, called as a function; `inv` is its inverse.

    Subclasses define `_call`, `_inverse`, and, where `bijective` is true, `log_abs_det_jacobian`.

    Args:
        cache_size: with 1 the last pair of x and y is kept, so that `t.inv(t(x)) is x`. Default: 0.
    Attributes: domain, codomain, bijective, sign (1 or -1: whether it rises; of bijective univariate transforms).
    >>> ExpTransform().inv(rl.tensor(1.0))
    tensor(0.)
    """

    bijective = False
    domain: constraints.Constraint
    codomain: constraints.Constraint
    _arguments: tuple[str, ...] | None = None  # attributes that make another of the kind, if the constructor takes any

    def __init__(self, cache_size: int = 0):
        if cache_size not in (0, 1):
            raise ValueError(f"cache_size must be 0 or 1, got {cache_size}")
        self._cache_size = cache_size
        self._inv: Transform | None = None
        self._cached_x_y = None, None

    def __getstate__(self):
        return {**self.__dict__, "_inv": None}

    @property
    def event_dim(self) -> int:
        """The number of dimensions of one value, where both sides have as many."""
        if self.domain.event_dim != self.codomain.event_dim:
            raise ValueError("Please use either .domain.event_dim or .codomain.event_dim")
        return self.domain.event_dim

    @property
    def inv(self) -> Transform:
        """The inverse, whose inverse is this very transform."""
        if self._inv is None:
            self._inv = _InverseTransform(self)
        return self._inv

    @property
    def sign(self):
        """Whether the transform rises (1) or falls (-1)."""
        raise NotImplementedError(f"{type(self).__name__} does not define sign")

    def with_cache(self, cache_size: int = 1):
        """The transform with a cache of that size."""
        if self._cache_size == cache_size:
            return self
        if self._arguments is not None:
            return type(self)(*(getattr(self, a) for a in self._arguments), cache_size=cache_size)
        if type(self).__init__ is Transform.__init__:
            return type(self)(cache_size=cache_size)
        raise NotImplementedError(f"{type(self)}.with_cache is not implemented")

    def __eq__(self, other):
        return self is other

    def __ne__(self, other):
        return not self == other

    def _remembered(self, given, known: int, compute):
        if self._cache_size == 0:
            return compute(given)
        if given is self._cached_x_y[known]:
            return self._cached_x_y[1 - known]
        result = compute(given)
        self._cached_x_y = (result, given) if known else (given, result)
        return result

    def __call__(self, x):
        """y of x."""
        return self._remembered(x, 0, self._call)

    def _inv_call(self, y):
        return self._remembered(y, 1, self._inverse)

    def _call(self, x):
        raise NotImplementedError(f"{type(self).__name__} does not define _call")

    def _inverse(self, y):
        raise NotImplementedError(f"{type(self).__name__} does not define _inverse")

    def log_abs_det_jacobian(self, x, y):
        """log |dy/dx| at x, whose image is y."""
        raise NotImplementedError(f"{type(self).__name__} does not define log_abs_det_jacobian")

    def __repr__(self):
        return type(self).__name__ + "()"

    def forward_shape(self, shape):
        """The shape of y for that of x."""
        return shape

    def inverse_shape(self, shape):
        """The shape of x for that of y."""
        return shape


class _InverseTransform(Transform):
    def __init__(self, transform: Transform):
        super().__init__(transform._cache_size)
        self._inv = transform

    def __getstate__(self):
        return dict(self.__dict__)

    domain = constraints.dependent_property(lambda self: self._inv.codomain, is_discrete=False)
    codomain = constraints.dependent_property(lambda self: self._inv.domain, is_discrete=False)
    bijective = property(lambda self: self._inv.bijective)
    sign = property(lambda self: self._inv.sign)
    inv = property(lambda self: self._inv)

    def with_cache(self, cache_size: int = 1):
        return self.inv.with_cache(cache_size).inv

    def __eq__(self, other):
        return isinstance(other, _InverseTransform) and self._inv == other._inv

    def __repr__(self):
        return f"_InverseTransform({self._inv!r})"

    def __call__(self, x):
        return self._inv._inv_call(x)

    def log_abs_det_jacobian(self, x, y):
        return -self._inv.log_abs_det_jacobian(y, x)

    def forward_shape(self, shape):
        return self._inv.inverse_shape(shape)

    def inverse_shape(self, shape):
        return self._inv.forward_shape(shape)


class ComposeTransform(Transform):
    """One transform after the other; the parts do the caching.

    >>> ComposeTransform([ExpTransform(), AffineTransform(1.0, 2.0)])(rl.tensor(0.0))
    tensor(3.)
    """

    def __init__(self, parts: list[Transform], cache_size: int = 0):
        super().__init__(cache_size)
        self.parts = [part.with_cache(cache_size) for part in parts] if cache_size else parts

    _arguments = ("parts",)

    def __eq__(self, other):
        return isinstance(other, ComposeTransform) and self.parts == other.parts

    def _side(self, parts: list[Transform], near: str, far: str):
        """The constraint at one end, with the dimensions that parts further on see as one value."""
        if not parts:
            return constraints.real
        dims = getattr(parts[-1], far).event_dim
        for part in reversed(parts):
            dims = max(
                dims + getattr(part, near).event_dim - getattr(part, far).event_dim, getattr(part, near).event_dim
            )
        side = getattr(parts[0], near)
        return constraints.independent(side, dims - side.event_dim) if dims > side.event_dim else side

    @constraints.dependent_property(is_discrete=False)
    def domain(self):
        return self._side(self.parts, "domain", "codomain")

    @constraints.dependent_property(is_discrete=False)
    def codomain(self):
        return self._side(self.parts[::-1], "codomain", "domain")

    @property
    def bijective(self):
        return all(p.bijective for p in self.parts)

    @property
    def sign(self):
        return functools.reduce(operator.mul, (p.sign for p in self.parts), 1)

    @property
    def inv(self):
        if self._inv is None:
            self._inv = ComposeTransform([p.inv for p in reversed(self.parts)])
            self._inv._inv = self
        return self._inv

    def __call__(self, x):
        for part in self.parts:
            x = part(x)
        return x

    def log_abs_det_jacobian(self, x, y):
        if not self.parts:
            return rl.zeros_like(x)
        total, dims = 0, self.domain.event_dim
        for i, part in enumerate(self.parts):
            after = y if i + 1 == len(self.parts) else part(x)
            total = _sum_rightmost(part.log_abs_det_jacobian(x, after), dims - part.domain.event_dim) + total
            dims += part.codomain.event_dim - part.domain.event_dim
            x = after
        return total

    def forward_shape(self, shape):
        for part in self.parts:
            shape = part.forward_shape(shape)
        return shape

    def inverse_shape(self, shape):
        for part in reversed(self.parts):
            shape = part.inverse_shape(shape)
        return shape

    def __repr__(self):
        return "ComposeTransform(\n    " + ",\n    ".join(map(repr, self.parts)) + "\n)"


identity_transform = ComposeTransform([])


class IndependentTransform(Transform):
    """A transform that sees `reinterpreted_batch_ndims` more of the last dimensions as one value."""

    def __init__(self, base_transform: Transform, reinterpreted_batch_ndims: int, cache_size: int = 0):
        super().__init__(cache_size)
        self.base_transform = base_transform.with_cache(cache_size)
        self.reinterpreted_batch_ndims = reinterpreted_batch_ndims

    _arguments = ("base_transform", "reinterpreted_batch_ndims")

    @constraints.dependent_property(is_discrete=False)
    def domain(self):
        return constraints.independent(self.base_transform.domain, self.reinterpreted_batch_ndims)

    @constraints.dependent_property(is_discrete=False)
    def codomain(self):
        return constraints.independent(self.base_transform.codomain, self.reinterpreted_batch_ndims)

    bijective = property(lambda self: self.base_transform.bijective)
    sign = property(lambda self: self.base_transform.sign)

    def _call(self, x):
        if x.dim() < self.domain.event_dim:
            raise ValueError("Too few dimensions on input")
        return self.base_transform(x)

    def _inverse(self, y):
        if y.dim() < self.codomain.event_dim:
            raise ValueError("Too few dimensions on input")
        return self.base_transform.inv(y)

    def log_abs_det_jacobian(self, x, y):
        return _sum_rightmost(self.base_transform.log_abs_det_jacobian(x, y), self.reinterpreted_batch_ndims)

    def __repr__(self):
        return f"IndependentTransform({self.base_transform!r}, {self.reinterpreted_batch_ndims})"

    def forward_shape(self, shape):
        return self.base_transform.forward_shape(shape)

    def inverse_shape(self, shape):
        return self.base_transform.inverse_shape(shape)


class ReshapeTransform(Transform):
    """Reshapes the last dimensions from `in_shape` to `out_shape`."""

    bijective = True

    def __init__(self, in_shape, out_shape, cache_size: int = 0):
        self.in_shape, self.out_shape = Size(in_shape), Size(out_shape)
        if self.in_shape.numel() != self.out_shape.numel():
            raise ValueError("in_shape, out_shape have different numbers of elements")
        super().__init__(cache_size)

    _arguments = ("in_shape", "out_shape")

    @constraints.dependent_property
    def domain(self):
        return constraints.independent(constraints.real, len(self.in_shape))

    @constraints.dependent_property
    def codomain(self):
        return constraints.independent(constraints.real, len(self.out_shape))

    def _call(self, x):
        return x.reshape(x.shape[: x.dim() - len(self.in_shape)] + self.out_shape)

    def _inverse(self, y):
        return y.reshape(y.shape[: y.dim() - len(self.out_shape)] + self.in_shape)

    def log_abs_det_jacobian(self, x, y):
        return x.new_zeros(x.shape[: x.dim() - len(self.in_shape)])

    @staticmethod
    def _replaced(shape, old, new):
        cut = len(shape) - len(old)
        if cut < 0:
            raise ValueError("Too few dimensions on input")
        if shape[cut:] != old:
            raise ValueError(f"Shape mismatch: expected {shape[cut:]} but got {old}")
        return shape[:cut] + new

    def forward_shape(self, shape):
        return self._replaced(shape, self.in_shape, self.out_shape)

    def inverse_shape(self, shape):
        return self._replaced(shape, self.out_shape, self.in_shape)


class _Plain(Transform):
    """One without parameters: all of a class are equal."""

    def __eq__(self, other):
        return isinstance(other, type(self))


class ExpTransform(_Plain):
    """y = exp(x)."""

    domain, codomain, bijective, sign = constraints.real, constraints.positive, True, 1

    def _call(self, x):
        return x.exp()

    def _inverse(self, y):
        return y.log()

    def log_abs_det_jacobian(self, x, y):
        return x


class _Broadcasting(Transform):
    """One with parameters, whose shapes widen the value's."""

    def _widened(self, shape):
        return rl.broadcast_shapes(shape, *(getattr(getattr(self, a), "shape", ()) for a in self._arguments))

    forward_shape = inverse_shape = _widened


class PowerTransform(_Broadcasting):
    """y = x ** exponent, of positive numbers."""

    domain, codomain, bijective = constraints.positive, constraints.positive, True
    _arguments = ("exponent",)

    def __init__(self, exponent, cache_size: int = 0):
        super().__init__(cache_size)
        (self.exponent,) = broadcast_all(exponent)

    @property
    def sign(self):
        return self.exponent.sign()

    def __eq__(self, other):
        return isinstance(other, PowerTransform) and bool((self.exponent == other.exponent).all())

    def _call(self, x):
        return x.pow(self.exponent)

    def _inverse(self, y):
        return y.pow(1 / self.exponent)

    def log_abs_det_jacobian(self, x, y):
        return (self.exponent * y / x).abs().log()


def _inside(p: Tensor) -> Tensor:
    """Probabilities kept off 0 and 1."""
    limits = rl.finfo(p.dtype)
    return p.clamp(min=limits.tiny, max=1.0 - limits.eps)


def _clipped_sigmoid(x):
    """1 / (1 + exp(-x)), kept off 0 and 1; programs take it from here."""
    return _inside(rl.sigmoid(x))


class SigmoidTransform(_Plain):
    """y = 1 / (1 + exp(-x)), kept off 0 and 1."""

    domain, codomain, bijective, sign = constraints.real, constraints.unit_interval, True, 1

    def _call(self, x):
        return _clipped_sigmoid(x)

    def _inverse(self, y):
        y = _inside(y)
        return y.log() - (-y).log1p()

    def log_abs_det_jacobian(self, x, y):
        return -softplus(-x) - softplus(x)


class SoftplusTransform(_Plain):
    """y = log(1 + exp(x))."""

    domain, codomain, bijective, sign = constraints.real, constraints.positive, True, 1

    def _call(self, x):
        return softplus(x)

    def _inverse(self, y):
        return (-y).expm1().neg().log() + y

    def log_abs_det_jacobian(self, x, y):
        return -softplus(-x)


class TanhTransform(_Plain):
    """y = tanh(x). A cache keeps the inverse finite at 1 and -1."""

    domain, codomain, bijective, sign = constraints.real, constraints.interval(-1.0, 1.0), True, 1

    def _call(self, x):
        return x.tanh()

    def _inverse(self, y):
        return y.atanh()

    def log_abs_det_jacobian(self, x, y):
        return 2.0 * (math.log(2.0) - x - softplus(-2.0 * x))  # log(1 - tanh^2) without cancellation


class AbsTransform(_Plain):
    """y = |x|, which has no inverse: `inv` gives the positive x."""

    domain, codomain = constraints.real, constraints.positive

    def _call(self, x):
        return x.abs()

    def _inverse(self, y):
        return y


class AffineTransform(_Broadcasting):
    """y = loc + scale * x; `event_dim` of the last dimensions are one value.

    >>> AffineTransform(1.0, -2.0)(rl.tensor([0.0, 1.0]))
    tensor([ 1., -1.])
    """

    bijective = True
    _arguments = ("loc", "scale", "event_dim")

    def __init__(self, loc, scale, event_dim: int = 0, cache_size: int = 0):
        super().__init__(cache_size)
        self.loc, self.scale, self._event_dim = loc, scale, event_dim

    event_dim = property(lambda self: self._event_dim)

    @constraints.dependent_property(is_discrete=False)
    def domain(self):
        return constraints.independent(constraints.real, self.event_dim) if self.event_dim else constraints.real

    codomain = domain

    def __eq__(self, other):
        def same(a, b):
            equal = a == b
            return bool(equal.all()) if isinstance(equal, Tensor) else equal

        return isinstance(other, AffineTransform) and same(self.loc, other.loc) and same(self.scale, other.scale)

    @property
    def sign(self):
        scale = self.scale
        return (scale > 0) - (scale < 0) if isinstance(scale, Number) else scale.sign()

    def _call(self, x):
        return self.loc + self.scale * x

    def _inverse(self, y):
        return (y - self.loc) / self.scale

    def log_abs_det_jacobian(self, x, y):
        scale = self.scale
        each = rl.full_like(x, math.log(abs(scale))) if isinstance(scale, Number) else scale.abs().log()
        if not self.event_dim:
            return each.expand(x.shape)
        each = each.view(each.shape[: -self.event_dim] + (-1,)).sum(-1)
        return each.expand(x.shape[: -self.event_dim])


def _at_least(shape, dims: int):
    if len(shape) < dims:
        raise ValueError("Too few dimensions on input")


class CorrCholeskyTransform(Transform):
    """Vectors of D (D - 1) / 2 numbers to Cholesky factors of correlation matrices of D rows.

    The vector fills the part below the diagonal; tanh of each is how much of what its row has left of length 1 it takes.
    """

    domain, codomain, bijective = _vector, constraints.corr_cholesky, True

    def _call(self, x):
        x = x.tanh()
        eps = rl.finfo(x.dtype).eps
        part = vec_to_tril_matrix(x.clamp(min=-1 + eps, max=1 - eps), diag=-1)
        left = (1 - part**2).sqrt().cumprod(-1)
        part = part + rl.eye(part.shape[-1], dtype=part.dtype, device=part.device)
        return part * pad(left[..., :-1], [1, 0], value=1)

    def _inverse(self, y):
        left = pad((1 - (y * y).cumsum(-1))[..., :-1], [1, 0], value=1)
        t = tril_matrix_to_vec(y, diag=-1) / tril_matrix_to_vec(left, diag=-1).sqrt()
        return (t.log1p() - t.neg().log1p()) / 2

    def log_abs_det_jacobian(self, x, y, intermediates=None):
        # From x to the part of y below the diagonal. Columns are one to the left of what they leave, hence diagonal -2.
        left = tril_matrix_to_vec(1 - (y * y).cumsum(-1), diag=-2)
        return 0.5 * left.log().sum(-1) - 2 * (x + softplus(-2 * x) - math.log(2.0)).sum(-1)

    def forward_shape(self, shape):
        _at_least(shape, 1)
        n = shape[-1]
        d = (1 + math.isqrt(1 + 8 * n)) // 2
        if d * (d - 1) // 2 != n:
            raise ValueError("Input is not a flattened lower-diagonal number")
        return shape[:-1] + (d, d)

    def inverse_shape(self, shape):
        _at_least(shape, 2)
        if shape[-2] != shape[-1]:
            raise ValueError("Input is not square")
        return shape[:-2] + (shape[-1] * (shape[-1] - 1) // 2,)


class SoftmaxTransform(_Plain):
    """Vectors to the simplex by softmax, which is not bijective: `inv` is the logarithm."""

    domain, codomain = _vector, constraints.simplex

    def _call(self, x):
        p = (x - x.max(-1, True)[0]).exp()
        return p / p.sum(-1, True)

    def _inverse(self, y):
        return y.log()

    def forward_shape(self, shape):
        _at_least(shape, 1)
        return shape

    inverse_shape = forward_shape


class StickBreakingTransform(_Plain):
    """Vectors to the simplex of one more dimension: each number says how much it breaks off what is left of a stick."""

    domain, codomain, bijective = _vector, constraints.simplex, True

    @staticmethod
    def _offset(like: Tensor):
        """log of how many pieces are still to come, so that zeros give equal pieces."""
        n = like.shape[-1]
        return (n + 1 - like.new_ones(n).cumsum(-1)).log()

    def _call(self, x):
        z = _inside(rl.sigmoid(x - self._offset(x)))
        return pad(z, [0, 1], value=1) * pad((1 - z).cumprod(-1), [1, 0], value=1)

    def _inverse(self, y):
        pieces = y[..., :-1]
        left = (1 - pieces.cumsum(-1)).clamp(min=rl.finfo(y.dtype).tiny)  # rounding may take it below 0
        return pieces.log() - left.log() + self._offset(pieces)

    def log_abs_det_jacobian(self, x, y):
        x = x - self._offset(x)
        return (-x + logsigmoid(x) + y[..., :-1].log()).sum(-1)

    def forward_shape(self, shape):
        _at_least(shape, 1)
        return shape[:-1] + (shape[-1] + 1,)

    def inverse_shape(self, shape):
        _at_least(shape, 1)
        return shape[:-1] + (shape[-1] - 1,)


class LowerCholeskyTransform(_Plain):
    """Matrices to lower triangular ones with a positive diagonal: exp of the diagonal."""

    domain, codomain = _matrix, constraints.lower_cholesky

    def _call(self, x):
        return x.tril(-1) + x.diagonal(dim1=-2, dim2=-1).exp().diag_embed()

    def _inverse(self, y):
        return y.tril(-1) + y.diagonal(dim1=-2, dim2=-1).log().diag_embed()


class PositiveDefiniteTransform(_Plain):
    """Matrices to positive definite ones, by their Cholesky factors."""

    domain, codomain = _matrix, constraints.positive_definite

    def _call(self, x):
        x = LowerCholeskyTransform()(x)
        return x @ x.mT

    def _inverse(self, y):
        return LowerCholeskyTransform().inv(rl.linalg.cholesky(y))


class _Several(Transform):
    """A transform for each piece along a dimension."""

    def _set(self, tseq, dim, cache_size):
        if not all(isinstance(t, Transform) for t in tseq):
            raise AssertionError("All elements of tseq must be Transform instances")
        Transform.__init__(self, cache_size)
        self.transforms = [t.with_cache(cache_size) for t in tseq] if cache_size else list(tseq)
        self.dim = dim

    bijective = property(lambda self: all(t.bijective for t in self.transforms))

    def _each(self, f, *tensors):
        size = self._size
        for t in tensors:
            if not -t.dim() <= self.dim < t.dim():
                raise AssertionError(f"dim {self.dim} out of range for tensor with {t.dim()} dimensions")
            if t.size(self.dim) != size:
                raise AssertionError(f"size({self.dim}) = {t.size(self.dim)} must equal {size}")
        pieces = zip(*map(self._pieces, tensors), strict=True)
        return [f(t, *piece) for t, piece in zip(self.transforms, pieces, strict=True)]

    def _call(self, x):
        return self._join(self._each(lambda t, x: t(x), x), dim=self.dim)

    def _inverse(self, y):
        return self._join(self._each(lambda t, y: t.inv(y), y), dim=self.dim)


class CatTransform(_Several):
    """Each transform for its part, of one of `lengths`, of dimension `dim`, as torch.cat puts parts together.

    >>> CatTransform([ExpTransform(), identity_transform], lengths=[1, 2])(rl.zeros(3))
    tensor([1., 0., 0.])
    """

    _arguments = ("transforms", "dim", "lengths")
    _join = staticmethod(rl.cat)

    def __init__(self, tseq, dim: int = 0, lengths=None, cache_size: int = 0):
        self._set(tseq, dim, cache_size)
        self.lengths = [1] * len(self.transforms) if lengths is None else list(lengths)
        if len(self.lengths) != len(self.transforms):
            raise AssertionError(f"lengths ({len(self.lengths)}) must match transforms ({len(self.transforms)})")

    event_dim = property(lambda self: max(t.event_dim for t in self.transforms))
    length = property(lambda self: sum(self.lengths))
    _size = length

    def _pieces(self, t):
        return t.split(self.lengths, self.dim)

    def log_abs_det_jacobian(self, x, y):
        each = self._each(
            lambda t, x, y: _sum_rightmost(t.log_abs_det_jacobian(x, y), self.event_dim - t.event_dim), x, y
        )
        dim = (self.dim - x.dim() if self.dim >= 0 else self.dim) + self.event_dim
        return rl.cat(each, dim=dim) if dim < 0 else sum(each)

    @constraints.dependent_property
    def domain(self):
        return constraints.cat([t.domain for t in self.transforms], self.dim, self.lengths)

    @constraints.dependent_property
    def codomain(self):
        return constraints.cat([t.codomain for t in self.transforms], self.dim, self.lengths)


class StackTransform(_Several):
    """Each transform for its slice of dimension `dim`, as torch.stack puts slices together."""

    _arguments = ("transforms", "dim")
    _join = staticmethod(rl.stack)

    def __init__(self, tseq, dim: int = 0, cache_size: int = 0):
        self._set(tseq, dim, cache_size)

    _size = property(lambda self: len(self.transforms))

    def _pieces(self, t):
        return t.unbind(self.dim)

    def log_abs_det_jacobian(self, x, y):
        return rl.stack(self._each(lambda t, x, y: t.log_abs_det_jacobian(x, y), x, y), dim=self.dim)

    @constraints.dependent_property
    def domain(self):
        return constraints.stack([t.domain for t in self.transforms], self.dim)

    @constraints.dependent_property
    def codomain(self):
        return constraints.stack([t.codomain for t in self.transforms], self.dim)


class CumulativeDistributionTransform(Transform):
    """y = distribution.cdf(x)."""

    bijective, codomain, sign = True, constraints.unit_interval, 1
    _arguments = ("distribution",)

    def __init__(self, distribution, cache_size: int = 0):
        super().__init__(cache_size)
        self.distribution = distribution

    domain = property(lambda self: self.distribution.support)

    def _call(self, x):
        return self.distribution.cdf(x)

    def _inverse(self, y):
        return self.distribution.icdf(y)

    def log_abs_det_jacobian(self, x, y):
        return self.distribution.log_prob(x)
