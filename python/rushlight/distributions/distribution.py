"""The base of all distributions: shapes, validation, and what follows from the table of a class's parameters."""

from __future__ import annotations

import warnings
from numbers import Number
from typing import Any

import rushlight as rl
from rushlight import Size, Tensor

from . import constraints
from .utils import _all_true, _plain, broadcast_all, lazy_property, logits_to_probs, probs_to_logits

__all__ = ["Distribution"]


def _promised(what: str):
    """A property that subclasses define."""

    def missing(self):
        raise NotImplementedError(f"{type(self).__name__} does not implement {what}")

    return property(missing)


def _remedy(name: str, constraint: Any) -> str:
    """What brings a parameter into its constraint, as a hint."""
    if name in ("probs", "logits") and isinstance(constraint, constraints._Simplex):
        return "\nHint: give logits=, or apply softmax first"
    lower, upper = (getattr(constraint, f"{side}_bound", None) for side in ("lower", "upper"))
    if lower == 0 and upper == 1 and name == "probs":
        return "\nHint: give logits=, or apply sigmoid first"
    if lower == 0 and upper is None:
        return f"\nHint: {name} is positive; a network's output becomes so by softplus or exp"
    return ""


class Distribution:
    """A probability distribution, or a batch of them.

    Args:
        batch_shape: the shape of the batch; event_shape: that of one sample.
        validate_args: whether parameters and values are checked against arg_constraints and support. Default: as
            set_default_validate_args says, which is yes unless Python runs with -O.
    Shape: samples are ``sample_shape + batch_shape + event_shape``.
    >>> d = rl.distributions.Normal(rl.zeros(3), 1.0)
    >>> d.batch_shape, d.sample((2,)).shape, d.log_prob(rl.zeros(3)).shape
    (torch.Size([3]), torch.Size([2, 3]), torch.Size([3]))
    """

    has_rsample = False
    has_enumerate_support = False
    _validate_args = __debug__

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Whether distributions made from now on validate unless they are told otherwise."""
        if value not in (True, False):
            raise ValueError(f"set_default_validate_args expects True or False, got {value!r}")
        Distribution._validate_args = value

    def __init__(self, batch_shape=Size(), event_shape=Size(), validate_args: bool | None = None):  # noqa: B008
        self._batch_shape, self._event_shape = batch_shape, event_shape
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            self._validate_parameters()
        super().__init__()

    def _validate_parameters(self) -> None:
        try:
            table = self.arg_constraints
        except NotImplementedError:
            table = {}
            warnings.warn(
                f"{type(self)} does not define `arg_constraints`. Please set `arg_constraints = {{}}` or initialize the "
                "distribution with `validate_args=False` to turn off validation.",
                stacklevel=4,
            )
        for name, constraint in table.items():
            if constraints.is_dependent(constraint):
                continue
            if name not in self.__dict__ and isinstance(getattr(type(self), name, None), lazy_property):
                continue  # follows from another parameter
            value = getattr(self, name)
            if not _all_true(constraint.check(value)):
                raise ValueError(
                    f"Expected parameter {name} ({type(value).__name__} of shape {tuple(value.shape)}) of distribution "
                    f"{self!r} to satisfy the constraint {constraint!r}, but found invalid values:\n{_plain(value)}{_remedy(name, constraint)}"
                )

    def expand(self, batch_shape, _instance=None):
        """The distribution with its batch expanded, sharing memory, as Tensor.expand does."""
        raise NotImplementedError(f"{type(self).__name__} does not implement expand")

    @property
    def batch_shape(self) -> Size:
        """The shape of the batch of distributions."""
        return self._batch_shape

    @property
    def event_shape(self) -> Size:
        """The shape of one sample of one distribution."""
        return self._event_shape

    arg_constraints = _promised("arg_constraints")
    support = _promised("support")
    mean = _promised("mean")
    variance = _promised("variance")
    mode = _promised("mode")

    @property
    def stddev(self) -> Tensor:
        """The standard deviation."""
        return self.variance.sqrt()

    def sample(self, sample_shape=Size()) -> Tensor:  # noqa: B008
        """Draws samples, without gradients."""
        with rl.no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape=Size()) -> Tensor:  # noqa: B008
        """Draws samples through which gradients flow to the parameters; where has_rsample is true."""
        raise NotImplementedError(f"{type(self).__name__} does not implement rsample")

    def sample_n(self, n: int) -> Tensor:
        """`sample((n,))`, which is to be used instead."""
        warnings.warn(
            "`sample_n(n)` will be deprecated. Use `sample((n,))` instead.", category=FutureWarning, stacklevel=2
        )
        return self.sample(Size((n,)))

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density or probability of values."""
        raise NotImplementedError(f"{type(self).__name__} does not implement log_prob")

    def cdf(self, value: Tensor) -> Tensor:
        """The chance of at most `value`."""
        raise NotImplementedError(f"{type(self).__name__} does not implement cdf")

    def icdf(self, value: Tensor) -> Tensor:
        """The values whose cdf is `value`."""
        raise NotImplementedError(f"{type(self).__name__} does not implement icdf")

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All possible values along a new first dimension, the batch's dimensions expanded or of size 1."""
        raise NotImplementedError(f"{type(self).__name__} does not implement enumerate_support")

    def entropy(self) -> Tensor:
        """The entropy of each distribution of the batch."""
        raise NotImplementedError(f"{type(self).__name__} does not implement entropy")

    def perplexity(self) -> Tensor:
        """exp of the entropy."""
        return self.entropy().exp()

    def _extended_shape(self, sample_shape=Size()) -> Size:  # noqa: B008
        return Size(Size(sample_shape) + self._batch_shape + self._event_shape)

    def _validate_sample(self, value: Tensor) -> None:
        if not isinstance(value, Tensor):
            raise ValueError("The value argument to log_prob must be a Tensor")
        shape, event = value.size(), self._event_shape
        if shape[len(shape) - len(event) :] != event:
            raise ValueError(f"The right-most size of value must match event_shape: {shape} vs {event}.")
        expected = self._batch_shape + event
        if any(i != j and 1 not in (i, j) for i, j in zip(reversed(shape), reversed(expected), strict=False)):
            raise ValueError(f"Value is not broadcastable with batch_shape+event_shape: {shape} vs {expected}.")
        try:
            support = self.support
        except NotImplementedError:
            warnings.warn(
                f"{type(self)} does not define `support` to enable sample validation. Please initialize the distribution "
                "with `validate_args=False` to turn off validation.",
                stacklevel=3,
            )
            return
        if not _all_true(support.check(value)):
            raise ValueError(
                f"Expected value argument ({type(value).__name__} of shape {tuple(shape)}) to be within the support "
                f"({support!r}) of the distribution {self!r}, but found invalid values:\n{_plain(value)}"
            )

    def _check(self, value: Tensor) -> None:
        if self._validate_args:
            self._validate_sample(value)

    def _get_checked_instance(self, cls, _instance=None):
        """What expand fills: `_instance`, or a new object, which only a class with the constructor of `cls` has filled by it."""
        if _instance is None and type(self).__init__ != cls.__init__:
            raise NotImplementedError(
                f"Subclass {type(self).__name__} of {cls.__name__} that defines a custom __init__ method must also define a "
                "custom .expand() method."
            )
        return self.__new__(type(self)) if _instance is None else _instance

    def __repr__(self) -> str:
        given = {n: _plain(self.__dict__[n]) for n in self.arg_constraints if n in self.__dict__}
        shown = (f"{n}: {v if v.numel() == 1 else v.size()}" for n, v in given.items())
        return f"{type(self).__name__}({', '.join(shown)})"


class Tabled(Distribution):
    """One whose tensors are those that arg_constraints names, each of the batch's shape and its constraint's event dimensions.

    Further attributes that expand hands on: `_kept` as they are; `_parts`, distributions whose batches begin as this one's, expanded.
    """

    _kept: tuple[str, ...] = ()
    _parts: tuple[str, ...] = ()

    def _set(self, validate_args, event_dims: int = 0, **parameters) -> None:
        """Broadcasts numbers and tensors, makes them attributes and their shape the batch's."""
        tensors = broadcast_all(*parameters.values())
        self.__dict__.update(zip(parameters, tensors, strict=True))
        shape = tensors[0].size()
        cut = len(shape) - event_dims
        Distribution.__init__(self, shape[:cut], shape[cut:], validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        cls = next(c for c in type(self).__mro__ if "arg_constraints" in vars(c))
        new = self._get_checked_instance(cls, _instance)
        batch_shape = Size(batch_shape)
        dims = {name: constraint.event_dim for name, constraint in self.arg_constraints.items()}
        for name, value in self.__dict__.items():
            if name in self._parts:
                new.__dict__[name] = value.expand(batch_shape + (value.batch_shape[len(self._batch_shape) :]))
            elif name in self._kept:
                new.__dict__[name] = value
            elif name in dims:
                new.__dict__[name] = value.expand(batch_shape + value.shape[value.dim() - dims[name] :])
        Distribution.__init__(new, batch_shape, self._event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new


class Chances(Tabled):
    """One given by `probs` or `logits`; the other follows when it is asked for."""

    _binary = True

    def _set_chances(self, probs, logits, validate_args, **others) -> None:
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        name, value = ("probs", probs) if logits is None else ("logits", logits)
        if "total_count" in others:
            count, value = broadcast_all(others.pop("total_count"), value)
            others["total_count"] = count.type_as(value)
        self._given = name
        self._set(validate_args, **{name: value}, **others)

    @lazy_property
    def logits(self) -> Tensor:
        """The log odds, or normalised log probabilities."""
        return probs_to_logits(self.probs, is_binary=self._binary)

    @lazy_property
    def probs(self) -> Tensor:
        """The probabilities."""
        return logits_to_probs(self.logits, is_binary=self._binary)

    @property
    def _param(self) -> Tensor:
        return getattr(self, self._given)

    _kept = ("_given",)

    @property
    def param_shape(self) -> Size:
        """The shape of the given parameter."""
        return self._param.size()

    def _new(self, *args, **kwargs):
        return self._param.new(*args, **kwargs)

    def _counted(self, count: int, expand: bool, dtype=None) -> Tensor:
        """0 ... count - 1 along a new first dimension."""
        values = rl.arange(count, dtype=dtype or self._param.dtype, device=self._param.device)
        values = values.view((-1,) + (1,) * len(self._batch_shape))
        return values.expand((-1,) + self._batch_shape) if expand else values


def is_number(*values) -> bool:
    """Whether all are numbers, not tensors."""
    return all(isinstance(v, Number) for v in values)
