"""Where values are valid: the supports of distributions and the ranges of their parameters."""

from __future__ import annotations

import operator

import rushlight as rl

from .utils import _all_true

__all__ = [
    "Constraint", "MixtureSameFamilyConstraint", "boolean", "cat", "corr_cholesky", "dependent", "dependent_property",
    "greater_than", "greater_than_eq", "half_open_interval", "independent", "integer_interval", "interval", "is_dependent",
    "less_than", "lower_cholesky", "lower_triangular", "multinomial", "nonnegative", "nonnegative_integer", "one_hot", "positive",
    "positive_definite", "positive_integer", "positive_semidefinite", "real", "real_vector", "simplex", "square", "stack",
    "symmetric", "unit_interval",
]  # fmt: skip


class Constraint:
    """A region of values.

    is_discrete: whether it is countable. event_dim: how many of the last dimensions make one value.
    """

    is_discrete = False
    event_dim = 0

    def check(self, value):
        """A bool tensor over all dimensions but the last `event_dim`: which values lie in the region."""
        raise NotImplementedError

    def __repr__(self):
        return type(self).__name__.removeprefix("_") + "()"


class _Dependent(Constraint):
    """Stands for a region that depends on other values. What of it is known beforehand can be given."""

    def __init__(self, *, is_discrete=NotImplemented, event_dim=NotImplemented):
        self._is_discrete, self._event_dim = is_discrete, event_dim

    def _known(self, name):
        value = getattr(self, "_" + name)
        if value is NotImplemented:
            raise NotImplementedError(f".{name} cannot be determined statically")
        return value

    is_discrete = property(lambda self: self._known("is_discrete"))
    event_dim = property(lambda self: self._known("event_dim"))

    def __call__(self, *, is_discrete=NotImplemented, event_dim=NotImplemented):
        """The same with more known: `constraints.dependent(is_discrete=True, event_dim=1)`."""
        return _Dependent(
            is_discrete=self._is_discrete if is_discrete is NotImplemented else is_discrete,
            event_dim=self._event_dim if event_dim is NotImplemented else event_dim,
        )

    def check(self, value):
        raise ValueError("Cannot determine validity of dependent constraint")


def is_dependent(constraint) -> bool:
    """Whether the constraint stands for one that depends on other values."""
    return isinstance(constraint, _Dependent)


class _DependentProperty(property, _Dependent):
    """A property of instances that on the class is a dependent constraint.

    >>> class Ray(rl.distributions.Distribution):
    ...     @dependent_property(is_discrete=False, event_dim=0)
    ...     def support(self):
    ...         return greater_than(self.start)
    >>> is_dependent(Ray.support), Ray.support.event_dim
    (True, 0)
    """

    def __init__(self, fn=None, *, is_discrete=NotImplemented, event_dim=NotImplemented):
        property.__init__(self, fn)
        self._is_discrete, self._event_dim = is_discrete, event_dim

    def __call__(self, fn):
        return type(self)(fn, is_discrete=self._is_discrete, event_dim=self._event_dim)


def _all_of_last(result, count: int, expected: int, dims: int):
    """Whether all of the last `count` dimensions hold."""
    if result.dim() < count:
        raise ValueError(f"Expected value.dim() >= {expected} but got {dims}")
    return result.reshape(result.shape[: result.dim() - count] + (-1,)).all(-1)


class _Wrapping(Constraint):
    is_discrete = property(lambda self: self.base_constraint.is_discrete)

    def _wrap(self, base_constraint):
        if not isinstance(base_constraint, Constraint):
            raise AssertionError(f"base_constraint must be a Constraint, got {type(base_constraint).__name__}")
        self.base_constraint = base_constraint


class _IndependentConstraint(_Wrapping):
    """The base constraint for values of more dimensions: all entries of the last ones must hold."""

    def __init__(self, base_constraint, reinterpreted_batch_ndims):
        self._wrap(base_constraint)
        if not isinstance(reinterpreted_batch_ndims, int) or reinterpreted_batch_ndims < 0:
            raise AssertionError(f"reinterpreted_batch_ndims must be an int >= 0, got {reinterpreted_batch_ndims}")
        self.reinterpreted_batch_ndims = reinterpreted_batch_ndims

    event_dim = property(lambda self: self.base_constraint.event_dim + self.reinterpreted_batch_ndims)

    def check(self, value):
        return _all_of_last(
            self.base_constraint.check(value), self.reinterpreted_batch_ndims, self.event_dim, value.dim()
        )

    def __repr__(self):
        return f"IndependentConstraint({self.base_constraint!r}, {self.reinterpreted_batch_ndims})"


class MixtureSameFamilyConstraint(_Wrapping):
    """The support of a mixture: values must be possible for each component."""

    def __init__(self, base_constraint):
        self._wrap(base_constraint)

    event_dim = property(lambda self: self.base_constraint.event_dim)

    def check(self, value):
        if value.dim() < self.event_dim:
            raise ValueError(f"Expected value.dim() >= {self.event_dim} but got {value.dim()}")
        each = self.base_constraint.check(value.unsqueeze(-1 - self.event_dim))
        return each.reshape(each.shape[: value.dim() - self.event_dim] + (-1,)).all(-1)

    def __repr__(self):
        return f"MixtureSameFamilyConstraint({self.base_constraint!r})"


class _Boolean(Constraint):
    is_discrete = True

    def check(self, value):
        return (value == 0) | (value == 1)


class _OneHot(Constraint):
    is_discrete, event_dim = True, 1

    def check(self, value):
        return ((value == 0) | (value == 1)).all(-1) & (value.sum(-1) == 1)


class _Real(Constraint):
    def check(self, value):
        return value == value  # all but NaN


class _Bounded(Constraint):
    """Values that stand in some relations to bounds, which are numbers or tensors."""

    def __init__(self, *bounds, **named):
        for (name, _), bound in zip(self._relations, bounds, strict=False):
            named.setdefault(name, bound)
        names = [name for name, _ in self._relations]
        if sorted(named) != sorted(names) or len(bounds) > len(names):
            raise TypeError(f"{type(self).__name__}: expected {', '.join(names)}")
        self.__dict__.update(named)

    def check(self, value):
        held = [relation(value, getattr(self, name)) for name, relation in self._relations]
        if self.is_discrete:
            held.append(value % 1 == 0)
        result = held[0]
        for more in held[1:]:
            result = result & more
        return result

    def __repr__(self):
        bounds = ", ".join(f"{name}={getattr(self, name)}" for name, _ in self._relations)
        return f"{type(self).__name__[1:]}({bounds})"


def _bounded(name: str, lower=None, upper=None, is_discrete: bool = False) -> type:
    relations = [("lower_bound", lower), ("upper_bound", upper)]
    members = {"_relations": [r for r in relations if r[1]], "is_discrete": is_discrete, "__module__": __name__}
    return type(name, (_Bounded,), members)


_IntegerInterval = _bounded("_IntegerInterval", operator.ge, operator.le, True)
_IntegerLessThan = _bounded("_IntegerLessThan", None, operator.le, True)
_IntegerGreaterThan = _bounded("_IntegerGreaterThan", operator.ge, None, True)
_GreaterThan = _bounded("_GreaterThan", operator.gt)
_GreaterThanEq = _bounded("_GreaterThanEq", operator.ge)
_LessThan = _bounded("_LessThan", None, operator.lt)
_Interval = _bounded("_Interval", operator.ge, operator.le)
_HalfOpenInterval = _bounded("_HalfOpenInterval", operator.ge, operator.lt)


class _Simplex(Constraint):
    """Non-negative, and 1 in sum."""

    event_dim = 1

    def check(self, value):
        return (value >= 0).all(-1) & ((value.sum(-1) - 1).abs() < 1e-6)


class _Multinomial(Constraint):
    """Counts of at most upper_bound in all."""

    is_discrete, event_dim = True, 1

    def __init__(self, upper_bound):
        self.upper_bound = upper_bound

    def check(self, value):
        return (value >= 0).all(-1) & (value.sum(-1) <= self.upper_bound)


class _Matrix(Constraint):
    event_dim = 2


class _LowerTriangular(_Matrix):
    def check(self, value):
        return (value.tril() == value).all(-1).all(-1)


class _LowerCholesky(_LowerTriangular):
    """Lower triangular with a positive diagonal."""

    def check(self, value):
        return super().check(value) & (value.diagonal(dim1=-2, dim2=-1) > 0).all(-1)


class _CorrCholesky(_LowerCholesky):
    """Cholesky factors of correlation matrices: rows have length 1."""

    def check(self, value):
        allowed = rl.finfo(value.dtype).eps * value.size(-1) * 10
        length = (value.detach() ** 2).sum(-1).sqrt()
        return super().check(value) & ((length - 1).abs() <= allowed).all(-1)


class _Square(_Matrix):
    def check(self, value):
        square = value.shape[-2] == value.shape[-1]
        return rl.full(value.shape[:-2], square, dtype=rl.bool, device=value.device)


class _Symmetric(_Square):
    def check(self, value):
        square = super().check(value)
        return rl.isclose(value, value.mT, atol=1e-6).all(-2).all(-1) if _all_true(square) else square


class _PositiveSemidefinite(_Symmetric):
    def check(self, value):
        symmetric = super().check(value)
        return (rl.linalg.eigvalsh(value) >= 0).all(-1) if _all_true(symmetric) else symmetric


class _PositiveDefinite(_Symmetric):
    def check(self, value):
        symmetric = super().check(value)
        return rl.linalg.cholesky_ex(value).info == 0 if _all_true(symmetric) else symmetric


class _Several(Constraint):
    """A constraint for each piece along one dimension."""

    def _set(self, cseq, dim):
        if not all(isinstance(c, Constraint) for c in cseq):
            raise AssertionError("All elements of cseq must be Constraint instances")
        self.cseq, self.dim = list(cseq), dim

    is_discrete = property(lambda self: any(c.is_discrete for c in self.cseq))

    def _check_dim(self, value):
        if not -value.dim() <= self.dim < value.dim():
            raise AssertionError(f"dim {self.dim} out of range for value with {value.dim()} dimensions")


class _Cat(_Several):
    """For values put together as by torch.cat, pieces of `lengths`."""

    def __init__(self, cseq, dim=0, lengths=None):
        self._set(cseq, dim)
        self.lengths = [1] * len(self.cseq) if lengths is None else list(lengths)
        if len(self.lengths) != len(self.cseq):
            raise AssertionError(f"lengths ({len(self.lengths)}) must match cseq ({len(self.cseq)})")

    event_dim = property(lambda self: max(c.event_dim for c in self.cseq))

    def check(self, value):
        self._check_dim(value)
        starts = [sum(self.lengths[:i]) for i in range(len(self.lengths))]
        pieces = (value.narrow(self.dim, s, n) for s, n in zip(starts, self.lengths, strict=True))
        return rl.cat([c.check(v) for c, v in zip(self.cseq, pieces, strict=True)], self.dim)


class _Stack(_Several):
    """For values put together as by torch.stack."""

    def __init__(self, cseq, dim=0):
        self._set(cseq, dim)

    @property
    def event_dim(self):
        most = max(c.event_dim for c in self.cseq)
        return most + 1 if self.dim + most < 0 else most

    def check(self, value):
        self._check_dim(value)
        pieces = value.unbind(self.dim)
        return rl.stack([c.check(v) for c, v in zip(self.cseq, pieces, strict=True)], self.dim)


dependent = _Dependent()
dependent_property = _DependentProperty
independent = _IndependentConstraint
boolean = _Boolean()
one_hot = _OneHot()
nonnegative_integer = _IntegerGreaterThan(0)
positive_integer = _IntegerGreaterThan(1)
integer_interval = _IntegerInterval
real = _Real()
real_vector = independent(real, 1)
positive = _GreaterThan(0.0)
nonnegative = _GreaterThanEq(0.0)
greater_than = _GreaterThan
greater_than_eq = _GreaterThanEq
less_than = _LessThan
multinomial = _Multinomial
unit_interval = _Interval(0.0, 1.0)
interval = _Interval
half_open_interval = _HalfOpenInterval
simplex = _Simplex()
lower_triangular = _LowerTriangular()
lower_cholesky = _LowerCholesky()
corr_cholesky = _CorrCholesky()
square = _Square()
symmetric = _Symmetric()
positive_semidefinite = _PositiveSemidefinite()
positive_definite = _PositiveDefinite()
cat = _Cat
stack = _Stack
