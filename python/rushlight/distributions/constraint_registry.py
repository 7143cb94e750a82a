"""From unconstrained numbers to those of a constraint: by a bijection (biject_to), or by what optimises well (transform_to)."""

from __future__ import annotations

from numbers import Number

from . import constraints as c
from . import transforms as t

__all__ = ["ConstraintRegistry", "biject_to", "transform_to"]


class ConstraintRegistry:
    """Which transform leads to each class of constraints.

    >>> biject_to(c.interval(0.0, 1.0))
    SigmoidTransform()
    """

    def __init__(self):
        self._registry = {}

    def register(self, constraint, factory=None):
        """Registers `factory`, which makes a transform of a constraint, for the class of a constraint; also as a decorator."""
        if factory is None:
            return lambda factory: self.register(constraint, factory)
        if isinstance(constraint, c.Constraint):
            constraint = type(constraint)
        if not isinstance(constraint, type) or not issubclass(constraint, c.Constraint):
            raise TypeError(f"Expected constraint to be either a Constraint subclass or instance, but got {constraint}")
        self._registry[constraint] = factory
        return factory

    def __call__(self, constraint):
        """The transform whose codomain is the constraint."""
        factory = self._registry.get(type(constraint))
        if factory is None:
            raise NotImplementedError(f"Cannot transform {type(constraint).__name__} constraints")
        return factory(constraint)


biject_to = ConstraintRegistry()
transform_to = ConstraintRegistry()


def _ray(bound: str, scale: int):
    return lambda k: t.ComposeTransform([t.ExpTransform(), t.AffineTransform(getattr(k, bound), scale)])


def _interval(k):
    low, high = k.lower_bound, k.upper_bound
    if isinstance(low, Number) and isinstance(high, Number) and (low, high) == (0, 1):
        return t.SigmoidTransform()
    return t.ComposeTransform([t.SigmoidTransform(), t.AffineTransform(low, high - low)])


for _registry in (biject_to, transform_to):
    for _constraints, _factory in (
        ((c.real,), lambda k: t.identity_transform),
        ((c.independent,), lambda k, to=_registry: t.IndependentTransform(
            to(k.base_constraint), k.reinterpreted_batch_ndims)),
        ((c.greater_than, c.greater_than_eq), _ray("lower_bound", 1)),
        ((c.less_than,), _ray("upper_bound", -1)),
        ((c.interval, c.half_open_interval), _interval),
        ((c.corr_cholesky,), lambda k: t.CorrCholeskyTransform()),
        ((c.cat,), lambda k, to=_registry: t.CatTransform([to(x) for x in k.cseq], k.dim, k.lengths)),
        ((c.stack,), lambda k, to=_registry: t.StackTransform([to(x) for x in k.cseq], k.dim)),
    ):  # fmt: skip
        for _constraint in _constraints:
            _registry.register(_constraint, _factory)
biject_to.register(c.simplex, lambda k: t.StickBreakingTransform())
transform_to.register(c.simplex, lambda k: t.SoftmaxTransform())
transform_to.register(c.lower_cholesky, lambda k: t.LowerCholeskyTransform())
for _constraint in (c.positive_definite, c.positive_semidefinite):
    transform_to.register(_constraint, lambda k: t.PositiveDefiniteTransform())
