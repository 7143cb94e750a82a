"""Reductions and normalisations in which the elements that a mask hides take no part.

``mask`` is a boolean tensor that broadcasts to the input, True where an element counts; None: all count. A hidden element counts as the
operation's identity. A ``MaskedTensor`` brings its own.
"""

from __future__ import annotations

import functools
import importlib

import rushlight

from .._missing import getattr_of as _getattr_of

Tensor = rushlight.Tensor

__all__ = [
    "MaskedTensor", "amax", "amin", "argmax", "argmin", "as_masked_tensor", "cumprod", "cumsum", "is_masked_tensor", "log_softmax",
    "logaddexp", "logsumexp", "masked_tensor", "mean", "median", "norm", "normalize", "prod", "softmax", "softmin", "std", "sum", "var",
]  # fmt: skip

_SMALL = {rushlight.uint8, rushlight.bool, rushlight.int8, rushlight.int16, rushlight.int32}


def _dims(dim, ndim: int) -> tuple[int, ...]:
    if dim is None:
        return tuple(range(ndim))
    given = (dim,) if isinstance(dim, int) else tuple(dim)
    ndim = max(ndim, 1)
    dims: list[int] = []
    for d in given:
        if not -ndim <= d < ndim:
            raise IndexError(f"Dimension out of range (expected to be in range of [{-ndim}, {ndim - 1}], but got {d})")
        if d % ndim in dims:
            raise RuntimeError(f"dim={d % ndim} appears multiple times in the list of dims")
        dims.append(d % ndim)
    return tuple(dims)


def _mask(input: Tensor, mask: Tensor) -> Tensor:
    if mask.ndim > input.ndim:
        raise IndexError("expected broadcastable mask (got mask dimensionality higher than of the input)")
    return mask.to(rushlight.bool).broadcast_to(input.shape)


def _filled(input: Tensor, mask: Tensor | None, identity) -> Tensor:
    """The input with the identity where it is hidden."""
    if mask is None:
        return input
    value = rushlight.tensor(identity, dtype=input.dtype, device=input.device)
    return rushlight.where(_mask(input, mask), input, value)


def _blocked(t: Tensor) -> bool:
    return t.layout in (rushlight.sparse_bsr, rushlight.sparse_bsc)


def _takes_masked(function):
    """Has a function of a tensor and a mask take a MaskedTensor, whose mask counts beside the given one."""

    @functools.wraps(function)
    def taken(input, *args, mask=None, **kwargs):
        own = getattr(input, "_masked_mask", None)
        if own is not None:
            input, own = (t if t.layout is rushlight.strided else t.to_dense() for t in (input.get_data(), own))
            mask = own if mask is None else own & _mask(input, mask)
        if mask is None or input.layout is rushlight.strided:
            return function(input, *args, mask=mask, **kwargs)
        # Where a sparse tensor has no value but the mask is true, a 0 counts: as of the dense one.
        result = function(input.to_dense(), *args, mask=mask.to_dense(), **kwargs)
        return result.to_sparse(layout=input.layout, blocksize=input.values().shape[-2:] if _blocked(input) else None)

    return taken


def _least(dtype):
    if dtype is rushlight.bool:
        return False
    return -float("inf") if dtype.is_floating_point or dtype.is_complex else rushlight.iinfo(dtype).min


def _most(dtype):
    if dtype is rushlight.bool:
        return True
    return float("inf") if dtype.is_floating_point or dtype.is_complex else rushlight.iinfo(dtype).max


def _summed(input: Tensor, dtype):
    if dtype is not None:
        return dtype
    return rushlight.int64 if input.dtype in _SMALL else input.dtype


@_takes_masked
def sum(input: Tensor, dim=None, *, keepdim=False, dtype=None, mask=None) -> Tensor:
    """The sum.

    >>> sum(rushlight.tensor([1, 2, 3]), mask=rushlight.tensor([True, False, True]))
    tensor(4)
    """
    return _filled(input, mask, 0).sum(_dims(dim, input.ndim), keepdim=bool(keepdim), dtype=_summed(input, dtype))


@_takes_masked
def prod(input: Tensor, dim=None, *, keepdim=False, dtype=None, mask=None) -> Tensor:
    """The product.

    >>> prod(rushlight.tensor([2, 5, 3]), mask=rushlight.tensor([True, False, True]))
    tensor(6)
    """
    result, dtype = _filled(input, mask, 1), _summed(input, dtype)
    for d in sorted(_dims(dim, input.ndim), reverse=True):
        result = result.prod(d, keepdim=bool(keepdim), dtype=dtype)
    return result.to(dtype)


@_takes_masked
def cumsum(input: Tensor, dim: int, *, dtype=None, mask=None) -> Tensor:
    """Running sums.

    >>> cumsum(rushlight.tensor([1, 2, 3]), 0, mask=rushlight.tensor([True, False, True]))
    tensor([1, 1, 4])
    """
    return _filled(input, mask, 0).cumsum(_dims(dim, input.ndim)[0], dtype=dtype or input.dtype)


@_takes_masked
def cumprod(input: Tensor, dim: int, *, dtype=None, mask=None) -> Tensor:
    """Running products.

    >>> cumprod(rushlight.tensor([2, 5, 3]), 0, mask=rushlight.tensor([True, False, True]))
    tensor([2, 2, 6])
    """
    return _filled(input, mask, 1).cumprod(_dims(dim, input.ndim)[0], dtype=dtype or input.dtype)


@_takes_masked
def amax(input: Tensor, dim=None, *, keepdim=False, dtype=None, mask=None) -> Tensor:
    """The largest.

    >>> amax(rushlight.tensor([1, 9, 3]), mask=rushlight.tensor([True, False, True]))
    tensor(3)
    """
    result = _filled(input, mask, _least(input.dtype)).amax(_dims(dim, input.ndim), keepdim=bool(keepdim))
    return result.to(dtype or input.dtype)


@_takes_masked
def amin(input: Tensor, dim=None, *, keepdim=False, dtype=None, mask=None) -> Tensor:
    """The smallest.

    >>> amin(rushlight.tensor([2, 1, 3]), mask=rushlight.tensor([True, False, True]))
    tensor(2)
    """
    result = _filled(input, mask, _most(input.dtype)).amin(_dims(dim, input.ndim), keepdim=bool(keepdim))
    return result.to(dtype or input.dtype)


@_takes_masked
def argmax(input: Tensor, dim: int | None = None, *, keepdim=False, dtype=None, mask=None) -> Tensor:
    """Where the largest is.

    >>> argmax(rushlight.tensor([1, 9, 3]), mask=rushlight.tensor([True, False, True]))
    tensor(2)
    """
    return _filled(input, mask, _least(input.dtype)).argmax(dim, keepdim=bool(keepdim)).to(dtype or input.dtype)


@_takes_masked
def argmin(input: Tensor, dim: int | None = None, *, keepdim=False, dtype=None, mask=None) -> Tensor:
    """Where the smallest is.

    >>> argmin(rushlight.tensor([2, 1, 3]), mask=rushlight.tensor([True, False, True]))
    tensor(0)
    """
    return _filled(input, mask, _most(input.dtype)).argmin(dim, keepdim=bool(keepdim)).to(dtype or input.dtype)


def _count(input: Tensor, mask: Tensor, dims, keepdim: bool, dtype) -> Tensor:
    return _mask(input, mask).sum(dims, keepdim=keepdim).to(dtype)


@_takes_masked
def mean(input: Tensor, dim=None, *, keepdim=False, dtype=None, mask=None) -> Tensor:
    """The mean of floating-point or complex numbers; NaN where all are hidden.

    >>> mean(rushlight.tensor([1.0, 9.0, 3.0]), mask=rushlight.tensor([True, False, True]))
    tensor(2.)
    """
    dtype, dims = dtype or input.dtype, _dims(dim, input.ndim)
    if not (dtype.is_floating_point or dtype.is_complex):
        raise ValueError(
            f"input dtype {dtype} is not supported: masked.mean needs floating-point or complex numbers; give dtype="
        )
    if mask is None:
        return input.mean(dims, keepdim=bool(keepdim), dtype=dtype)
    total = sum(input, dims, keepdim=keepdim, dtype=dtype, mask=mask)
    return total / _count(input, mask, dims, bool(keepdim), dtype)


@_takes_masked
def median(input: Tensor, dim: int = -1, *, keepdim=False, dtype=None, mask=None) -> Tensor:
    """The median (the lower one of two).

    >>> median(rushlight.tensor([1.0, 9.0, 3.0]), mask=rushlight.tensor([True, False, True]))
    tensor(1.)
    """
    dtype, d = dtype or input.dtype, _dims(dim, input.ndim)[0]
    wide = input if input.dtype.is_floating_point else input.to(rushlight.float64)
    result = rushlight.nanmedian(_filled(wide, mask, float("nan")), d, bool(keepdim)).values
    if not input.dtype.is_floating_point and bool(result.isnan().any()):
        raise ValueError("masked.median expects no fully masked out rows if dtype is not floating point")
    return result.to(dtype)


@_takes_masked
def norm(input: Tensor, ord: float | None = 2.0, dim=None, *, keepdim=False, dtype=None, mask=None) -> Tensor:
    """The vector norm.

    >>> norm(rushlight.tensor([3.0, 9.0, 4.0]), mask=rushlight.tensor([True, False, True]))
    tensor(5.)
    """
    ord = 2.0 if ord is None else ord
    hidden = _filled(input, mask, float("inf") if ord < 0 else 0)
    return rushlight.linalg.vector_norm(hidden, ord, _dims(dim, input.ndim), bool(keepdim), dtype=dtype or input.dtype)


def _variance(input: Tensor, dim, unbiased, correction, keepdim, dtype, mask, take_root: bool) -> Tensor:
    if unbiased is not None and correction is not None:
        raise ValueError("Only one of unbiased and correction may be given")
    if correction is None:
        correction = 1 if unbiased is None else int(unbiased)
    dtype = dtype or input.dtype
    if not (dtype.is_floating_point or dtype.is_complex):
        dtype = rushlight.float32
    dims = _dims(dim, input.ndim)
    x = input.to(dtype)
    if mask is None:
        result = x.var(dims, correction=correction, keepdim=bool(keepdim))
    else:
        apart = x - sum(x, dims, keepdim=True, mask=mask) / _count(x, mask, dims, True, dtype)
        squares = apart * apart.conj()
        squares = squares.real if dtype.is_complex else squares
        total = sum(squares, dims, keepdim=keepdim, mask=mask)
        result = total / (_count(x, mask, dims, bool(keepdim), total.dtype) - correction).clamp(min=0)
    return (result.sqrt() if take_root else result).to(dtype)


@_takes_masked
def var(input: Tensor, dim=None, unbiased=None, *, correction=None, keepdim=False, dtype=None, mask=None) -> Tensor:
    """The variance, of which ``correction`` (1) is taken from the divisor.

    >>> var(rushlight.tensor([1.0, 9.0, 3.0]), mask=rushlight.tensor([True, False, True]))
    tensor(2.)
    """
    return _variance(input, dim, unbiased, correction, keepdim, dtype, mask, False)


@_takes_masked
def std(input: Tensor, dim=None, unbiased=None, *, correction=None, keepdim=False, dtype=None, mask=None) -> Tensor:
    """The standard deviation.

    >>> std(rushlight.tensor([1.0, 9.0, 3.0]), correction=0, mask=rushlight.tensor([True, False, True]))
    tensor(1.)
    """
    return _variance(input, dim, unbiased, correction, keepdim, dtype, mask, True)


@_takes_masked
def logsumexp(input: Tensor, dim=None, *, keepdim=False, dtype=None, mask=None) -> Tensor:
    """The logarithm of the sum of exponentials.

    >>> logsumexp(rushlight.tensor([1.0, 9.0]), mask=rushlight.tensor([True, False]))
    tensor(1.)
    """
    dtype = dtype or input.dtype
    return _filled(input, mask, _least(input.dtype)).logsumexp(_dims(dim, input.ndim), keepdim=bool(keepdim)).to(dtype)


def logaddexp(input: Tensor, other: Tensor, *, dtype=None, input_mask=None, other_mask=None) -> Tensor:
    """``log(exp(input) + exp(other))``.

    >>> logaddexp(rushlight.tensor([1.0]), rushlight.tensor([9.0]), other_mask=rushlight.tensor([False]))
    tensor([1.])
    """
    result = rushlight.logaddexp(
        _filled(input, input_mask, _least(input.dtype)), _filled(other, other_mask, _least(other.dtype))
    )
    return result.to(dtype or input.dtype)


@_takes_masked
def softmax(input: Tensor, dim: int, *, dtype=None, mask=None) -> Tensor:
    """Softmax; NaN where all are hidden.

    >>> softmax(rushlight.tensor([1.0, 9.0, 1.0]), 0, mask=rushlight.tensor([True, False, True]))
    tensor([0.5000, 0.0000, 0.5000])
    """
    return _filled(input, mask, _least(input.dtype)).softmax(_dims(dim, input.ndim)[0], dtype=dtype or input.dtype)


@_takes_masked
def log_softmax(input: Tensor, dim: int, *, dtype=None, mask=None) -> Tensor:
    """The logarithm of softmax.

    >>> log_softmax(rushlight.tensor([1.0, 9.0]), 0, mask=rushlight.tensor([True, False]))
    tensor([0., -inf])
    """
    return _filled(input, mask, _least(input.dtype)).log_softmax(_dims(dim, input.ndim)[0], dtype=dtype or input.dtype)


@_takes_masked
def softmin(input: Tensor, dim: int, *, dtype=None, mask=None) -> Tensor:
    """Softmax of the negative.

    >>> softmin(rushlight.tensor([1.0, 0.0, 1.0]), 0, mask=rushlight.tensor([True, False, True]))
    tensor([0.5000, 0.0000, 0.5000])
    """
    return (-_filled(input, mask, _most(input.dtype))).softmax(_dims(dim, input.ndim)[0], dtype=dtype or input.dtype)


@_takes_masked
def normalize(input: Tensor, ord: float, dim: int, *, eps: float = 1e-12, dtype=None, mask=None) -> Tensor:
    """Divided by the norm, or by eps where that is greater.

    >>> normalize(rushlight.tensor([3.0, 9.0, 4.0]), 2.0, 0, mask=rushlight.tensor([True, False, True]))
    tensor([0.6000, 0.0000, 0.8000])
    """
    size = norm(input, ord, dim, keepdim=True, dtype=dtype, mask=mask)
    return _filled(input, mask, 0) / rushlight.maximum(size, rushlight.full_like(size, eps))


_IDENTITIES = {
    "sum": 0,
    "cumsum": 0,
    "prod": 1,
    "cumprod": 1,
    "norm": 0,
    "linalg_vector_norm": 0,
    "all": True,
    "any": False,
}


def _combine_input_and_mask(op, input: Tensor, mask, *args) -> Tensor:
    """The input with the identity of the reduction `op` where the mask hides it."""
    name = op if isinstance(op, str) else op.__name__
    if name in ("amax", "argmax", "logsumexp", "amin", "argmin"):
        identity = (_most if name.endswith("min") else _least)(input.dtype)
    else:
        identity = _IDENTITIES[name]
    return _filled(input, mask, identity)


_MADE_IN = dict.fromkeys(("MaskedTensor", "is_masked_tensor"), "core") | dict.fromkeys(
    ("as_masked_tensor", "masked_tensor"), "creation"
)


def __getattr__(name: str):
    if name in _MADE_IN:
        found = getattr(importlib.import_module(f"{__spec__.name}.maskedtensor.{_MADE_IN[name]}"), name)
        globals()[name] = found
        return found
    return _missing_or_module(name)


_missing_or_module = _getattr_of(__name__)
