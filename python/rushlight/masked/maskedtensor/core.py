"""MaskedTensor: a tensor with a mask of its shape, True where an element counts.

Calls of functions and methods take its data apart on the graph of gradients, run on plain tensors, and put the result together again
(`__torch_function__`); what autograd itself calls, and ``torch.ops``, goes the same way on the bare data (`__torch_dispatch__`). The rules by
the operators' names are in ``_rules.py``.
"""

from __future__ import annotations

import warnings
from typing import Any

import rushlight as rl
from rushlight import _C

__all__ = ["MaskedTensor", "is_masked_tensor"]

_LAYOUTS = (rl.strided, rl.sparse_coo, rl.sparse_csr)


def is_masked_tensor(obj: Any, /) -> bool:
    """Whether it is a MaskedTensor.

    >>> import rushlight as torch
    >>> is_masked_tensor(torch.masked.masked_tensor(torch.ones(2), torch.tensor([True, False])))
    True
    """
    return isinstance(obj, MaskedTensor)


def _parts(t: Any) -> tuple:
    """The indices of a sparse tensor, to compare them."""
    if t.layout is rl.sparse_csr:
        return t.crow_indices(), t.col_indices()
    return (t._indices(),)


def _tensors_match(a: Any, b: Any, exact: bool = True, rtol: float = 1e-05, atol: float = 1e-08) -> bool:
    if a.layout is not b.layout:
        raise ValueError(f"_tensors_match: both tensors must have the same layout, got {a.layout} and {b.layout}")
    if a.dtype is not b.dtype:
        b = b.type(a.dtype)
    if a.layout is not rl.strided:
        if any(x.shape != y.shape or not rl.equal(x, y) for x, y in zip(_parts(a), _parts(b), strict=True)):
            return False
        a, b = a.values(), b.values()
    if exact:
        return a.dim() == b.dim() and rl.equal(a, b)
    return a.dim() == b.dim() and bool(rl.allclose(a, b, rtol=rtol, atol=atol))


def _masks_match(a: Any, b: Any) -> bool:
    """Whether both masks are the same; True if one has none."""
    return not (is_masked_tensor(a) and is_masked_tensor(b)) or _tensors_match(a.get_mask(), b.get_mask())


def _check(data: Any, mask: Any) -> None:
    for name, t in (("data", data), ("mask", mask)):
        if not isinstance(t, rl.Tensor) or is_masked_tensor(t):
            raise TypeError(f"{name} must be a Tensor")
    if data.layout is not mask.layout:
        raise TypeError(f"data and mask must have the same layout, got {data.layout} and {mask.layout}")
    if data.layout not in _LAYOUTS:
        raise TypeError(f"data layout of {data.layout} is not supported; strided, sparse_coo and sparse_csr are")
    if mask.dtype is not rl.bool:
        raise TypeError(f"mask must have dtype bool, got {mask.dtype}")
    if data.dim() != mask.dim():
        raise ValueError(f"data.dim() must equal mask.dim(), got {data.dim()} and {mask.dim()}")
    if data.shape != mask.shape:
        raise ValueError(f"data.size() must equal mask.size(), got {tuple(data.shape)} and {tuple(mask.shape)}")
    if data.layout is rl.strided:
        return
    same = all(
        x.shape == y.shape and bool((x == y).all()) for x, y in zip(_parts(data), _parts(mask), strict=True)
    )  # fmt: skip
    if not same and data.layout is rl.sparse_coo:
        raise ValueError("data and mask are both sparse COO tensors but do not have the same indices.")
    if not same:
        raise ValueError("data and mask are both sparse CSR tensors but do not share either crow or col indices.")


def _fitted(gradient: Any, mask: Any) -> Any:
    """A gradient in the layout of the mask it gets."""
    if gradient.layout is mask.layout:
        return gradient
    return gradient.to_dense() if mask.layout is rl.strided else gradient.to_dense().sparse_mask(mask)


class _Data(rl.autograd.Function):
    """The data of a MaskedTensor; its gradient has the mask."""

    @staticmethod
    def forward(ctx: Any, masked: Any) -> Any:
        ctx.mask = masked._masked_mask
        return masked._masked_data.detach()

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        if is_masked_tensor(gradient):
            return gradient
        return MaskedTensor(_fitted(gradient, ctx.mask), ctx.mask)


class _Result(rl.autograd.Function):
    """A MaskedTensor of data that an operator made."""

    @staticmethod
    def forward(ctx: Any, data: Any, mask: Any) -> Any:
        ctx.layout = data.layout
        return MaskedTensor(data.detach(), mask)

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        bare = gradient._masked_data if is_masked_tensor(gradient) else gradient
        if is_masked_tensor(gradient) and bare.layout is rl.strided:
            bare = bare.masked_fill(~gradient._masked_mask, 0)
        return bare, None


class _Given(_Result):
    """A MaskedTensor of data of the program's, whose gradient is a MaskedTensor."""

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        return gradient, None


def _text(data: Any, mask: Any) -> str:
    """Rows of elements, "--" where they don't count."""
    if data.dim() > 1:
        rows = [_text(d, m).replace("\n", "\n  ") for d, m in zip(data, mask, strict=True)]
        return "[\n  " + ",\n  ".join(rows) + "\n]"
    shown = [f"{v:8.4f}" if isinstance(v, float) else str(v) for v in data.tolist()]
    counts = mask.tolist()
    width = max((len(s) if c else 8 for s, c in zip(shown, counts, strict=True)), default=0)
    return "[" + ", ".join(s if c else "--".rjust(width) for s, c in zip(shown, counts, strict=True)) + "]"


class MaskedTensor(rl.Tensor):
    """Data with a mask of the same shape and layout; ``masked_tensor`` and ``as_masked_tensor`` make them.

    >>> import rushlight as torch
    >>> x = torch.masked.masked_tensor(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([True, False, True]))
    >>> x
    MaskedTensor(
      [  1.0000,       --,   3.0000]
    )
    >>> x.sum(), x.amax().get_data()
    (MaskedTensor(  4.0000, True), tensor(3.))
    """

    @staticmethod
    def __new__(cls, data: Any, mask: Any, requires_grad: bool = False) -> Any:
        _check(data, mask)
        if data.requires_grad:
            warnings.warn(
                "It is not recommended to create a MaskedTensor with a tensor that requires_grad. To avoid this, you can use "
                "data.detach().clone()",
                stacklevel=2,
            )
        strides = {"strides": data.stride()} if data.layout is rl.strided else {}
        return rl.Tensor._make_wrapper_subclass(
            cls, data.size(), dtype=data.dtype, device=data.device, requires_grad=requires_grad, **strides
        )

    def __init__(self, data: Any, mask: Any, requires_grad: bool = False) -> None:
        self._set_data_mask(data.detach(), mask.detach())

    def _set_data_mask(self, data: Any, mask: Any) -> None:
        self._masked_data, self._masked_mask = data, mask

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        from . import _rules

        kwargs = kwargs or {}
        rule = _rules.of(_rules.name_of(func))
        if rule is not None:
            return rule(_ON_GRAPH, func, args, kwargs)
        with _C.DisableTorchFunctionSubclass():
            return func(*args, **kwargs)

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        from . import _rules

        name = func._schema.name.partition("::")[2]
        rule = _rules.of(name) or _rules.BELOW.get(name)
        if rule is not None:
            return rule(_BARE, func, args, kwargs or {})
        warnings.warn(
            f"{func} is not implemented in __torch_dispatch__ for MaskedTensor. Hint: get_data() and get_mask() give plain tensors",
            stacklevel=2,
        )
        return NotImplemented

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        data, mask = self._masked_data, self._masked_mask
        if data.layout is not rl.strided:
            data, mask = data.to_dense(), mask.to_dense()
        if data.dim() == 0:
            value = data.item()
            shown = "--" if not mask.item() else f"{value:8.4f}" if isinstance(value, float) else str(value)
            return f"MaskedTensor({shown}, {mask.item()})"
        return "MaskedTensor(\n  " + _text(data, mask).replace("\n", "\n  ") + "\n)"

    __str__ = __repr__

    def get_data(self) -> Any:
        """The data, hidden elements too; on the graph of gradients."""
        return _Data.apply(self)

    def get_mask(self) -> Any:
        """The mask."""
        return self._masked_mask

    def to_tensor(self, value: Any) -> Any:
        """The data with `value` where elements don't count."""
        return self.get_data().masked_fill(~self.get_mask(), value)

    @property
    def layout(self) -> Any:
        return self._masked_data.layout

    @property
    def is_sparse(self) -> bool:
        return self._masked_data.is_sparse

    def is_sparse_coo(self) -> bool:
        return self.layout is rl.sparse_coo

    def is_sparse_csr(self) -> bool:  # type: ignore[override]
        return self.layout is rl.sparse_csr


class _Level:
    """How rules take MaskedTensors apart and put them together."""

    def __init__(self, data: Any, make: Any):
        self.data, self.make = data, make


_ON_GRAPH = _Level(_Data.apply, _Result.apply)
_BARE = _Level(lambda t: t._masked_data, MaskedTensor)
