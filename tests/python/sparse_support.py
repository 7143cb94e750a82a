"""Sparse tensors for tests, and the comparison of what a function does on PyTorch and here."""

import pytest
import torch

import rushlight as rl


def plain(value):
    """What a result is, without the framework's own types."""
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if not isinstance(value, (torch.Tensor, rl.Tensor)):
        return str(value) if type(value).__name__ in ("dtype", "layout", "Size") else value
    kind = [str(value.layout), list(value.shape), str(value.dtype), value.requires_grad]
    value = value.detach()
    if value.layout in (torch.sparse_coo, rl.sparse_coo):
        value_of = value.coalesce()
        return [*kind, value_of.indices().tolist(), value_of.values().tolist()]
    if value.layout in (torch.sparse_csr, rl.sparse_csr):
        return [*kind, value.crow_indices().tolist(), value.col_indices().tolist(), value.values().tolist()]
    if value.layout in (torch.sparse_csc, rl.sparse_csc):
        return [*kind, value.ccol_indices().tolist(), value.row_indices().tolist(), value.values().tolist()]
    return [*kind, value.tolist()]


def close(a, b) -> bool:
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(close, a, b))
    if isinstance(a, (float, complex)):
        return a == pytest.approx(b, rel=1e-5, abs=1e-6, nan_ok=True)
    return a == b


def same(function) -> None:
    theirs, ours = plain(function(torch)), plain(function(rl))
    assert close(theirs, ours), f"{ours} where PyTorch has {theirs}"


def coo(t, **options):
    return t.sparse_coo_tensor([[0, 1, 1], [2, 0, 2]], [3.0, 4.0, 5.0], (2, 3), **options)


def doubled(t):
    """Not coalesced: an element twice, out of order."""
    return t.sparse_coo_tensor([[1, 0, 1], [2, 2, 2]], [3.0, 4.0, 5.0], (2, 3))


def hybrid(t):
    return t.sparse_coo_tensor([[2, 0, 2]], [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], (3, 2))


def csr(t):
    return t.sparse_csr_tensor([0, 1, 3], [2, 0, 2], [3.0, 4.0, 5.0], (2, 3))


def matrix(t, rows=3, columns=2):
    return t.arange(rows * columns, dtype=t.float32).reshape(rows, columns) - 2.5
