"""Factorisations that PyTorch writes in Python: lu, and approximations of low rank."""

from __future__ import annotations

from . import _C
from . import randn as _randn
from ._C import Tensor

_ops = _C._ops


def lu(A: Tensor, pivot: bool = True, get_infos: bool = False, out=None):
    """The LU factors of A in one matrix, the rows exchanged and, with get_infos, where U has its first zero; linalg.lu_factor.

    >>> lu(rushlight.tensor([[2.0]]))[0]
    tensor([[2.]])
    """
    result = _ops._lu_with_info(A, pivot=pivot, check_errors=not get_infos)
    if out is not None:
        for to, t in zip(out, result, strict=False):
            to.resize_as_(t).copy_(t)
        return out
    return result if get_infos else tuple(result)[:2]


def _basis(A: Tensor, q: int, niter: int) -> Tensor:
    """Orthonormal columns that nearly span those of A (Halko, Martinsson and Tropp, 2009)."""
    Q = (A @ _randn(A.shape[-1], q, dtype=A.dtype, device=A.device)).qr().Q
    for _ in range(niter):
        Q = (A.mH @ Q).qr().Q
        Q = (A @ Q).qr().Q
    return Q


def svd_lowrank(A: Tensor, q: int | None = 6, niter: int | None = 2, M: Tensor | None = None):
    """U, S and V of a singular value decomposition of A (less M) that keeps q values, found with random numbers.

    >>> svd_lowrank(rushlight.ones(4, 3), q=2)[1].shape
    Size([2])
    """
    q, niter = 6 if q is None else q, 2 if niter is None else niter
    m, n = A.shape[-2:]
    if M is not None:
        A = A - M.broadcast_to(A.shape)
    if not 0 <= q <= min(m, n):
        raise ValueError(f"q(={q}) must be non-negative integer and not greater than min(m, n)={min(m, n)}")
    if niter < 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")
    wide = m < n
    B = A.mH if wide else A
    Q = _basis(B, q, niter)
    U, S, Vh = _C._linalg.linalg_svd(Q.mH @ B, full_matrices=False)
    U, V = Q @ U, Vh.mH
    return (V, S, U) if wide else (U, S, V)


def pca_lowrank(A: Tensor, q: int | None = None, center: bool = True, niter: int = 2):
    """svd_lowrank of A, less the mean of its columns where ``center`` says so: the principal components are the columns of V.

    >>> pca_lowrank(rushlight.ones(4, 3), q=2)[2].shape
    Size([3, 2])
    """
    m, n = A.shape[-2:]
    q = min(6, m, n) if q is None else q
    if not 0 <= q <= min(m, n):
        raise ValueError(f"q(={q}) must be non-negative integer and not greater than min(m, n)={min(m, n)}")
    if niter < 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")
    return svd_lowrank(A - A.mean(dim=-2, keepdim=True) if center else A, q, niter)
