"""Linear algebra over LAPACK. Vectors have no sign of their own: products of factors are compared, not factors."""

import pytest
import torch

import rushlight as rl

from .harness import c64, case, f32, i64, op, raises


def assert_same(mine, theirs, tolerance):
    theirs = theirs.detach()
    torch.testing.assert_close(
        torch.tensor(mine.detach().numpy()) if isinstance(mine, rl.Tensor) else mine.detach(),
        theirs,
        rtol=tolerance,
        atol=tolerance,
    )


op(
    "linalg.svdvals",
    [
        case(f32(4, 3)),
        case(f32(2, 3, 5)),
        case(c64(3, 4), grad=1),
        case(f32(0, 3), grad=False),
        case(f32(2, 0, 3, 3), grad=False),
        raises(RuntimeError, f32(3), match="at least 2 dimensions"),
        raises(RuntimeError, i64(3, 3), match="Expected a floating point or complex"),
    ],
)
op(
    "linalg.matrix_norm",
    [
        *(case(f32(2, 3, 4), p) for p in ("fro", "nuc", 1, -1, 2, -2, float("inf"), -float("inf"))),
        case(f32(3, 2, 4), "nuc", dim=(0, 2), keepdim=True),
        case(f32(3, 2, 4), float("inf"), dim=(2, 0), keepdim=True),
        case(f32(3, 2, 4), 1, dim=(1, 0)),
        case(f32(2, 2), "fro", dtype=torch.float64),
        raises(RuntimeError, f32(2, 2), 3, match="Order 3 not supported"),
        raises(RuntimeError, f32(2, 2), 2, dim=(0, 0), match="dims must be different"),
        raises(RuntimeError, f32(2), "nuc", match="at least 2 dimensions"),
    ],
)
op(
    "linalg.norm",
    [
        case(f32(2, 3, 4)),
        case(f32(3, 4), 2),
        case(f32(4), 3),
        case(f32(3, 4), "nuc"),
        case(f32(3, 4, 2), 1, dim=(0, 2)),
        case(f32(3, 4), 2, dim=1, keepdim=True),
        case(f32(0, 4), 2, grad=False),
        raises(RuntimeError, f32(2, 2, 2), 2, match="must be 1D or 2D"),
    ],
)
op("norm", [case(f32(3, 4), "nuc"), case(f32(2, 3, 4), "nuc", dim=(0, 2)), case(f32(3, 4), "fro")])


def both(*shape, dtype="float64"):
    """The same leaf in both modules."""
    given = torch.randn(*shape, dtype=getattr(torch, dtype), generator=torch.Generator().manual_seed(5))
    return [module.tensor(given.numpy()).requires_grad_() for module in (rl, torch)]


@pytest.mark.parametrize("shape", [(4, 3), (3, 4), (2, 3, 3)])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("full", [False, True])
def test_svd(shape, dtype, full):
    products = []
    for module, a in zip((rl, torch), both(*shape, dtype=dtype), strict=True):
        u, s, vh = module.linalg.svd(a, full_matrices=full)
        k = s.shape[-1]
        u, vh = u[..., :k], vh[..., :k, :]
        again = u * s.unsqueeze(-2) @ vh
        assert_same(again, torch.tensor(a.detach().numpy()), 1e-10)
        other = u * s.cos().unsqueeze(-2) @ vh
        (g,) = module.autograd.grad((other.real if a.is_complex() else other).exp().sum(), [a])
        products.append((other, g, u @ u.mH, vh.mH @ vh))
    for mine, theirs in zip(*products, strict=True):
        assert_same(mine, theirs, 1e-8)


def test_svd_of_old():
    a = rl.randn(4, 3)
    u, s, v = torch_like = rl.svd(a)
    assert torch_like.V is v and u.shape == (4, 3)
    assert_same(u @ rl.diag(s) @ v.T, torch.tensor(a.numpy()), 1e-5)
    assert a.svd(some=False).U.shape == (4, 4)
    assert float(rl.svd(a, compute_uv=False).U.abs().sum()) == 0


def test_svd_of_no_numbers():
    with pytest.raises(RuntimeError, match="non-finite"):
        rl.linalg.svdvals(rl.full((3, 3), float("nan")))
