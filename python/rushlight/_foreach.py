"""torch._foreach_*: one operator over lists of tensors, which optimizers, averages of weights and clippers of gradients use.

Each is the operator of its name, called for one tensor after the other: what PyTorch saves by joining calls costs little here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rushlight
from rushlight import Tensor


def _tensors(name: str, given: Any) -> list[Tensor]:
    if not isinstance(given, (list, tuple)) or not all(isinstance(t, Tensor) for t in given):
        raise TypeError(f"{name}() expected a list or tuple of Tensors, got {type(given).__name__}")
    if not given:
        raise RuntimeError("Tensor list must have at least one tensor.")
    return list(given)


def _each(name: str, given: Any, n: int) -> list:
    """One argument for each tensor: of a list, or the same."""
    if isinstance(given, Tensor) and given.dim():
        given = given.tolist()
    if not isinstance(given, (list, tuple)):
        return [given] * n
    if len(given) != n:
        if given and isinstance(given[0], Tensor):
            raise RuntimeError(f"{name}: Tensor lists must have the same number of tensors, got {n} and {len(given)}")
        raise RuntimeError(
            f"{name}: Tensor list must have same number of elements as scalar list, got {n} and {len(given)}."
        )
    return list(given)


def _called(tensor: Tensor, own: str, *given: Any, **options: Any) -> Any:
    if own.rstrip("_") in ("maximum", "minimum") and not isinstance(given[0], Tensor):
        given = (rushlight.tensor(given[0], dtype=tensor.dtype, device=tensor.device),)  # they take no numbers
    in_place = getattr(tensor, own, None)  # some have no such form
    return in_place(*given, **options) if in_place else tensor.copy_(getattr(tensor, own[:-1])(*given, **options))


def named(name: str) -> Callable | None:
    """The function of that name, ``_foreach_add`` or ``_foreach_add_``; None if tensors have no such method."""
    if name in globals():
        return globals()[name]
    own = name.removeprefix("_foreach_")
    if not callable(getattr(Tensor, own.removesuffix("_"), None)):
        return None
    takes_value = own.startswith("addc")

    def foreach(self, *given: Any, scalars: Any = None, weights: Any = None, **options: Any):
        if own == "pow" and not isinstance(self, (list, tuple)):
            return tuple(rushlight.pow(self, t) for t in _tensors(name, *given))
        tensors = _tensors(name, self)
        for more in (scalars, weights, options.pop("value", None), options.pop("weight", None)):
            given += () if more is None else (more,)
        for other in given[:1]:
            if isinstance(other, Tensor) and other.dim():
                raise RuntimeError(
                    f"scalar tensor expected to be 0 dim but it has {other.dim()} dimensions and {other.numel()} elements."
                )
        columns = [_each(name, column, len(tensors)) for column in given]
        last = columns.pop() if takes_value and len(columns) == 3 else None
        results = []
        for i, t in enumerate(tensors):
            if last is not None:
                options["value"] = last[i]
            results.append(_called(t, own, *(column[i] for column in columns), **options))
        return self if own.endswith("_") else tuple(results)

    foreach.__name__ = foreach.__qualname__ = name
    foreach.__doc__ = (
        f"torch.Tensor.{own} of each tensor of a list; other arguments are lists of that length, or for all."
    )
    return foreach


def _foreach_norm(self, ord=2, dtype=None):
    """The norm of each tensor, over all of its elements."""
    return tuple(rushlight.linalg.vector_norm(t, ord, dtype=dtype) for t in _tensors("_foreach_norm", self))


def _foreach_powsum(self, ord=2, dtype=None):
    """The sum of the powers of each tensor's magnitudes: what _foreach_norm takes the root of."""
    tensors = _tensors("_foreach_powsum", self)
    return tuple((t if dtype is None else t.to(dtype)).abs().pow(ord).sum() for t in tensors)


def _foreach_max(self):
    """The largest element of each tensor."""
    return tuple(t.max() for t in _tensors("_foreach_max", self))


def _foreach_mm(self, mat2):
    """The matrix product of each pair."""
    tensors = _tensors("_foreach_mm", self)
    pairs = zip(tensors, _each("_foreach_mm", _tensors("_foreach_mm", mat2), len(tensors)), strict=True)
    return tuple(a.mm(b) for a, b in pairs)


def _foreach_clone(self, *, memory_format=rushlight.preserve_format):
    """A copy of each tensor."""
    return tuple(t.clone(memory_format=memory_format) for t in _tensors("_foreach_clone", self))


def _foreach_zero_(self):
    """Sets all elements of each tensor to 0."""
    for t in _tensors("_foreach_zero_", self):
        t.zero_()
    return self


def _foreach_copy_(self, src, non_blocking=False):
    """Each tensor takes over the values of its pair."""
    tensors = _tensors("_foreach_copy_", self)
    for t, s in zip(tensors, _each("_foreach_copy_", _tensors("_foreach_copy_", src), len(tensors)), strict=True):
        t.copy_(s, non_blocking)
    return self
