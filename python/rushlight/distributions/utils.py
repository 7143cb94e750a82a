"""Helpers that distributions share: broadcasting of parameters, probabilities and logits, lazily computed attributes."""

from __future__ import annotations

import functools
from numbers import Number
from typing import Any

import rushlight as rl
from rushlight import _C, Tensor

from ..overrides import is_tensor_like

__all__ = [
    "broadcast_all", "clamp_probs", "euler_constant", "lazy_property", "logits_to_probs", "probs_to_logits", "tril_matrix_to_vec",
    "vec_to_tril_matrix",
]  # fmt: skip

euler_constant = 0.57721566490153286060


def broadcast_all(*values: Tensor | Number) -> tuple[Tensor, ...]:
    """The values as tensors of one shape. Numbers take dtype and device of the first tensor, or the default dtype.

    ValueError for what is neither a tensor nor a number.
    >>> [x.shape for x in broadcast_all(1.0, rl.zeros(2))]
    [torch.Size([2]), torch.Size([2])]
    """
    if not all(is_tensor_like(v) or isinstance(v, Number) for v in values):
        raise ValueError(
            "Input arguments must all be instances of Number, torch.Tensor or objects implementing __torch_function__; got "
            + ", ".join(type(v).__name__ for v in values)
        )
    first = next((v for v in values if isinstance(v, Tensor)), None)
    like: dict[str, Any] = (
        {"dtype": rl.get_default_dtype()} if first is None else {"dtype": first.dtype, "device": first.device}
    )
    return rl.broadcast_tensors(*(v if is_tensor_like(v) else rl.tensor(v, **like) for v in values))


def _standard_normal(shape, dtype, device) -> Tensor:
    return rl.empty(shape, dtype=dtype, device=device).normal_()


def _plain(t: Tensor) -> Tensor:
    """A tensor without the levels of transforms of functions: of a batch that vmap runs, all examples. To look at values only."""
    while (wrapped := _C._wrapped(t)) is not None:
        t = wrapped[0]
    return t


def _all_true(flags: Tensor) -> bool:
    return bool(_plain(flags).all())


def _sum_rightmost(value: Tensor, dim: int) -> Tensor:
    """The sum over the last `dim` dimensions."""
    return value.reshape(value.shape[:-dim] + (-1,)).sum(-1) if dim else value


def logits_to_probs(logits: Tensor, is_binary: bool = False) -> Tensor:
    """Probabilities of log odds (`is_binary`), or along the last dimension of unnormalised log probabilities."""
    return rl.sigmoid(logits) if is_binary else rl.softmax(logits, -1)


def clamp_probs(probs: Tensor) -> Tensor:
    """Probabilities kept off 0 and 1 by the dtype's epsilon."""
    eps = rl.finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def probs_to_logits(probs: Tensor, is_binary: bool = False) -> Tensor:
    """Log odds of probabilities (`is_binary`), or their logarithms; finite at 0 and 1 too."""
    inside = clamp_probs(probs)
    return inside.log() - (-inside).log1p() if is_binary else inside.log()


class lazy_property:
    """A property that is computed when it is first read, with gradients, and then an attribute of the instance."""

    def __init__(self, wrapped):
        self.wrapped = wrapped
        functools.update_wrapper(self, wrapped)

    def __get__(self, instance, owner=None):
        if instance is None:
            return _LazyOnClass(self.wrapped)
        with rl.enable_grad():
            value = self.wrapped(instance)
        setattr(instance, self.wrapped.__name__, value)
        return value


class _LazyOnClass(lazy_property, property):
    """What a class shows of a lazy property: a property to those who document it."""

    def __init__(self, wrapped):
        property.__init__(self, wrapped)


def _below(n: int, diag: int, device) -> Tensor:
    at = rl.arange(n, device=device)
    return at < at.view(-1, 1) + (diag + 1)


def tril_matrix_to_vec(mat: Tensor, diag: int = 0) -> Tensor:
    """The lower triangles (down from diagonal `diag`) of (..., D, D) matrices in row order: (..., N).

    >>> tril_matrix_to_vec(rl.tensor([[1, 2], [3, 4]]))
    tensor([1, 3, 4])
    """
    n = mat.shape[-1]
    if not -n <= diag < n:
        raise ValueError(f"diag ({diag}) provided is outside [{-n}, {n - 1}].")
    return mat[..., _below(n, diag, mat.device)]


def vec_to_tril_matrix(vec: Tensor, diag: int = 0) -> Tensor:
    """Matrices whose lower triangles are the vectors, in row order: what undoes tril_matrix_to_vec.

    >>> vec_to_tril_matrix(rl.tensor([1., 3., 4.]))
    tensor([[1., 0.],
            [3., 4.]])
    """
    # A triangle of side m = n + diag has m (m + 1) / 2 elements, less the two corners that lie beyond the matrix for diag > 0.
    count = vec.shape[-1]
    smallest = diag + 1 if diag > 0 else -diag
    n = next((n for n in range(smallest, count + smallest + 1) if _triangle(n, diag) >= count), 0)
    if _triangle(n, diag) != count:
        raise ValueError(
            f"The size of last dimension is {count} which cannot be expressed as the lower triangular part of a square D x D matrix."
        )
    mat = vec.new_zeros(vec.shape[:-1] + (n, n))
    mat[..., _below(n, diag, vec.device)] = vec
    return mat


def _triangle(n: int, diag: int) -> int:
    side = n + diag
    return max(side, 0) * (side + 1) // 2 - (diag * (diag + 1) if diag > 0 else 0)
