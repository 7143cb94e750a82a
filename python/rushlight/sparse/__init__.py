"""Operators on sparse tensors, and what says how they are checked.

A sparse tensor keeps indices and values: coordinates (``torch.sparse_coo``, any number of dimensions, the last ones may be dense) or
compressed rows or columns (``torch.sparse_csr``, ``torch.sparse_csc``, matrices). The operators that know them are those that programs use;
every other raises NotImplementedError, which names it and ``to_dense()``.
"""

from __future__ import annotations

from typing import Any

import rushlight as rl
from rushlight import _C, Tensor

__all__ = [
    "addmm", "as_sparse_gradcheck", "check_sparse_tensor_invariants", "log_softmax", "mm", "sampled_addmm", "softmax", "spdiags", "sum",
]  # fmt: skip

sampled_addmm = rl.sparse_sampled_addmm


def mm(sparse: Tensor, dense: Tensor, reduce: str | None = None) -> Tensor:
    """The product of two matrices, of which one is sparse, or both.

    Args:
        reduce: what is done with the products of one element: "sum" (which is matrix multiplication), "mean", "amax" or "amin".
    The gradient of a sparse matrix has its indices.

    >>> import rushlight as torch
    >>> torch.sparse.mm(torch.eye(2).to_sparse(), torch.tensor([[1.0], [2.0]]))
    tensor([[1.],
            [2.]])
    """
    return rl._sparse_mm(sparse, dense) if reduce is None else rl._sparse_mm(sparse, dense, reduce)


def addmm(mat: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1.0, alpha: float = 1.0) -> Tensor:
    """``beta * mat + alpha * (mat1 @ mat2)`` with a sparse ``mat1``.

    >>> import rushlight as torch
    >>> torch.sparse.addmm(torch.ones(2, 1), torch.eye(2).to_sparse(), torch.ones(2, 1))
    tensor([[2.],
            [2.]])
    """
    return rl.addmm(mat, mat1, mat2, beta=beta, alpha=alpha)


def sum(input: Tensor, dim: Any = None, dtype: Any = None) -> Tensor:
    """The sum of the values, or over dimensions: sparse, but strided where no sparse dimension is left.

    >>> import rushlight as torch
    >>> torch.sparse.sum(torch.eye(2).to_sparse(), 0).to_dense()
    tensor([1., 1.])
    """
    if dim is None:
        return rl._sparse_sum(input) if dtype is None else rl._sparse_sum(input, dtype=dtype)
    dims = (dim,) if isinstance(dim, int) else dim
    return rl._sparse_sum(input, dims) if dtype is None else rl._sparse_sum(input, dims, dtype=dtype)


def softmax(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """Softmax along ``dim`` over the elements that are there: those that are not count as minus infinity.

    >>> import rushlight as torch
    >>> torch.sparse.softmax(torch.tensor([[1.0, 1.0], [0.0, 3.0]]).to_sparse(), 1).to_dense()
    tensor([[0.5000, 0.5000],
            [0.0000, 1.0000]])
    """
    return rl._sparse_softmax(input, dim, dtype=dtype)


def log_softmax(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """The logarithm of ``softmax``.

    >>> import rushlight as torch
    >>> torch.sparse.log_softmax(torch.eye(2).to_sparse(), 1).values()
    tensor([0., 0.])
    """
    return rl._sparse_log_softmax(input, dim, dtype=dtype)


def spdiags(diagonals: Tensor, offsets: Tensor, shape: Any, layout: Any = None) -> Tensor:
    """A sparse matrix of the rows of ``diagonals``: element ``j`` of row ``i`` stands in column ``j`` of the diagonal ``offsets[i]``.

    >>> import rushlight as torch
    >>> torch.sparse.spdiags(torch.tensor([[1, 2, 3]]), torch.tensor([1]), (3, 3)).to_dense()
    tensor([[0, 2, 0],
            [0, 0, 3],
            [0, 0, 0]])
    """
    offsets = offsets.reshape(-1) if offsets.dim() == 0 else offsets
    diagonals = diagonals.unsqueeze(0) if diagonals.dim() == 1 else diagonals
    if len(shape) != 2:
        raise RuntimeError(f"spdiags: Output shape must be 2d, got {tuple(shape)}")
    if offsets.dim() != 1:
        raise RuntimeError(f"spdiags: Offsets must be scalar or vector, got shape {tuple(offsets.shape)}")
    if diagonals.dim() != 2:
        raise RuntimeError(f"spdiags: Diagonals must be vector or matrix, got shape {tuple(diagonals.shape)}")
    if diagonals.size(0) != offsets.size(0):
        raise RuntimeError(
            f"spdiags: Number of diagonals ({diagonals.size(0)}) does not match the number of offsets ({offsets.size(0)})"
        )
    if offsets.dtype is not rl.int64:
        raise RuntimeError(f"spdiags: Offset Tensor must have dtype Long but got {offsets.dtype}")
    if offsets.unique().numel() != offsets.numel():
        raise RuntimeError("spdiags: Offset tensor contains duplicate values")
    if layout not in (None, rl.sparse_coo, rl.sparse_csr, rl.sparse_csc):
        raise RuntimeError(f"spdiags: Only output layouts (Sparse, SparseCsr, SparseCsc) are supported, got {layout}")
    columns = rl.arange(diagonals.size(1)).expand(diagonals.shape)
    rows = columns - offsets.unsqueeze(1)
    there = (rows >= 0) & (rows < shape[0]) & (columns < shape[1])
    out = rl.sparse_coo_tensor(rl.stack([rows[there], columns[there]]), diagonals[there], tuple(shape))
    return out if layout in (None, rl.sparse_coo) else out.coalesce().to_sparse(layout=layout)


class check_sparse_tensor_invariants:
    """In PyTorch, whether making a sparse tensor checks its indices. Here that is always done; this remembers what was asked for.

    >>> import rushlight as torch
    >>> with torch.sparse.check_sparse_tensor_invariants():
    ...     torch.sparse.check_sparse_tensor_invariants.is_enabled()
    True
    """

    _enabled = False

    def __init__(self, enable: bool = True) -> None:
        self.state = enable
        self._before: bool | None = None

    @staticmethod
    def is_enabled() -> bool:
        """What was asked for last."""
        return check_sparse_tensor_invariants._enabled

    @staticmethod
    def enable() -> None:
        """Asks for checks, which are made anyway."""
        check_sparse_tensor_invariants._enabled = True

    @staticmethod
    def disable() -> None:
        """Says that no checks are needed; they are made all the same."""
        check_sparse_tensor_invariants._enabled = False

    def __enter__(self) -> None:
        if self._before is not None:
            raise RuntimeError(
                "This context manager instance is already activated. Use a different one for a nested one."
            )
        self._before = self.is_enabled()
        check_sparse_tensor_invariants._enabled = self.state

    def __exit__(self, *error: Any) -> None:
        check_sparse_tensor_invariants._enabled = bool(self._before)
        self._before = None

    def __call__(self, function: Any) -> Any:
        import functools

        @functools.wraps(function)
        def checked(*args: Any, **kwargs: Any) -> Any:
            with type(self)(self.state):
                return function(*args, **kwargs)

        return checked


def as_sparse_gradcheck(gradcheck: Any) -> Any:
    """A gradcheck for functions whose results may be sparse: their elements are compared.

    >>> import rushlight as torch
    >>> check = torch.sparse.as_sparse_gradcheck(torch.autograd.gradcheck)
    >>> check(torch.Tensor.to_sparse, torch.rand(2, dtype=torch.float64, requires_grad=True))
    True
    """
    import functools

    from ..utils._pytree import tree_map

    @functools.wraps(gradcheck)
    def checked(func: Any, inputs: Any, **options: Any) -> bool:
        def dense(*args: Any) -> Any:
            sparse = lambda t: isinstance(t, Tensor) and t.layout is not rl.strided  # noqa: E731
            return tree_map(lambda t: t.to_dense() if sparse(t) else t, func(*args))

        return gradcheck(dense, inputs, **options)

    return checked


class _TypedMeta(type):
    def __call__(cls, *args: Any) -> Tensor:
        if len(args) == 1 and not isinstance(args[0], Tensor) or args and all(isinstance(a, int) for a in args):
            return rl.sparse_coo_tensor(
                args[0] if len(args) == 1 and not isinstance(args[0], int) else args, dtype=cls.dtype
            )
        if not args:
            return rl.sparse_coo_tensor((0,), dtype=cls.dtype)
        return rl.sparse_coo_tensor(*args, dtype=cls.dtype)

    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, Tensor) and value.dtype is cls.dtype and value.is_sparse

    def __repr__(cls) -> str:
        return f"<class 'torch.sparse.{cls.__name__}'>"


def __getattr__(name: str) -> Any:
    """The types of old: torch.sparse.FloatTensor and its kin."""
    dtype = getattr(getattr(rl, name, None), "dtype", None) if name.endswith("Tensor") else None
    if not isinstance(dtype, _C.dtype):
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    made = _TypedMeta(name, (), {"dtype": dtype, "__module__": __name__, "__doc__": f"Sparse tensors of {dtype}."})
    globals()[name] = made
    return made
