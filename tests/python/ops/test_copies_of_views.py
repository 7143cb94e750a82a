"""Operators that copy views, scatter into them, count in bins and differentiate samples, against PyTorch."""

import pytest
import torch

import rushlight as rl

from .harness import c64, case, f32, f64, i64, op, raises

op("alias_copy", [case(f32(2, 3))])
op("as_strided_copy", [case(f32(6), (2, 2), (3, 1), 1, strided=False)])
op(
    "as_strided_scatter",
    [
        case(f32(8), f32(2, 2), (2, 2), (3, 1), 1, grad=False),
        raises(RuntimeError, f32(8), f32(3), (2,), (1,), match="expected src"),
    ],
)
op("diagonal_copy", [case(f32(3, 4), 1)])
op("expand_copy", [case(f32(3, 1), (3, 4))])
op("narrow_copy", [case(f32(3, 4), 1, 1, 2)])
op("permute_copy", [case(f32(2, 3, 4), (2, 0, 1))])
op("select_copy", [case(f32(3, 4), 1, -1)])
op("slice_copy", [case(f32(5, 2), 0, 1, 4, 2)])
op("split_copy", [case(f32(5, 2), 2)])
op("split_with_sizes_copy", [case(f32(5, 2), [2, 3])])
op("squeeze_copy", [case(f32(1, 2, 1)), case(f32(1, 2, 1), 0), case(f32(1, 2, 1), (0, 2))])
op("t_copy", [case(f32(2, 3))])
op("transpose_copy", [case(f32(2, 3, 4), 0, 2)])
op("unbind_copy", [case(f32(3, 2))])
op("unfold_copy", [case(f32(7), 0, 3, 2)])
op("unsqueeze_copy", [case(f32(2), 1)])
op("view_copy", [case(f32(2, 3), (6,), strided=False), case(f32(2), torch.int32, grad=False, strided=False)])
op("view_as_real_copy", [case(c64(3))])
op("view_as_complex_copy", [case(f32(3, 2), strided=False, grad=False)])


def test_the_gradient_of_as_strided_scatter_is_that_of_what_stays():
    x, src = (
        rl.arange(8.0).requires_grad_(),
        rl.ones(2, 2).requires_grad_(),
    )  # PyTorch gives self that of what is replaced
    y = rl.as_strided_scatter(x, src, (2, 2), (3, 1), 1)
    gx, gsrc = rl.autograd.grad((y * rl.arange(1.0, 9.0)).sum(), [x, src])
    assert gx.tolist() == [1, 0, 0, 4, 0, 0, 7, 8] and gsrc.tolist() == [[2, 3], [5, 6]]


def test_copies_share_no_memory():
    x = rl.arange(6.0)
    y = rl.view_copy(x, (2, 3))
    y += 1
    assert x.tolist() == [0, 1, 2, 3, 4, 5]
    out = rl.empty(3, 2)
    assert rl.permute_copy(y, (1, 0), out=out) is out


op(
    "histogram",
    [
        case(f32(40), 5, grad=False, meta=False),
        case(f32(4, 9), 7, range=(-1.0, 1.0), grad=False),
        case(f64(30), 4, range=(-1.0, 1.0), weight=f64(30), grad=False),
        case(f32(40), 3, range=(-3.0, 3.0), density=True, grad=False),
        raises(RuntimeError, f32(3), 0, match="bins must be > 0"),
        raises(RuntimeError, f32(3), 2, range=(2.0, 1.0), match="min should not exceed max"),
    ],
)


def test_histogram_edges():
    for m in (rl, torch):
        edges = m.tensor([0.0, 1.0, 1.5, 4.0])
        hist, given = m.histogram(m.tensor([0.0, 1.0, 1.2, 4.0, 5.0, -1.0, 1.5]), edges)
        assert hist.tolist() == [1, 2, 2] and given.tolist() == edges.tolist()
        hist, edges = m.histogram(m.full((3,), 2.0), 2)
        assert hist.tolist() == [0, 3] and edges.tolist() == [1.5, 2, 2.5]
        assert m.histogram(m.zeros(0), 2).bin_edges.tolist() == [0, 0.5, 1]
        with pytest.raises(RuntimeError):
            m.histogram(m.tensor([float("nan")]), 2)


def test_histogramdd():
    points = torch.randn(50, 2, generator=torch.Generator().manual_seed(1))
    for bins, options in (
        ([3, 4], {}),
        ([2, 2], {"range": [-1.0, 1.0, -2.0, 2.0], "density": True}),
        ([3, 3], {"weight": points[:, 0].abs()}),
    ):
        results = []
        for m in (rl, torch):
            kwargs = {k: m.tensor(v.numpy()) if isinstance(v, torch.Tensor) else v for k, v in options.items()}
            results.append(m.histogramdd(m.tensor(points.numpy()), bins, **kwargs))
        mine, theirs = results
        torch.testing.assert_close(torch.tensor(mine.hist.numpy()), theirs.hist)
        for a, b in zip(mine.bin_edges, theirs.bin_edges, strict=True):
            torch.testing.assert_close(torch.tensor(a.numpy()), b)
    edges = [rl.tensor([-1.0, 0.0, 1.0])] * 2
    assert rl.histogramdd(rl.tensor(points.numpy()), edges).hist.shape == (2, 2)
    with pytest.raises(RuntimeError, match="expected 2"):
        rl.histogramdd(rl.tensor(points.numpy()), [3])


op(
    "gradient",
    [
        case(f32(5)),
        case(f32(4, 5), edge_order=2),
        case(f32(4, 5), spacing=0.5, dim=1),
        case(f32(4, 5), spacing=[0.5, 2.0]),
        case(f32(4, 5), dim=[1, 0]),
        case(f32(4, 5), spacing=(f32(4, low=0), f32(5, low=0)), edge_order=2, tolerance=1e-3),
        case(f32(2)),
        case(i64(5), grad=False),
        raises(RuntimeError, f32(4, 5), spacing=[0.1], dim=[1, 0], match="list of length"),
        raises(RuntimeError, f32(1), match="at least edge_order"),
        raises(RuntimeError, f32(5), edge_order=3, match="edge_order=1 and edge_order=2"),
    ],
)
op(
    "native_group_norm",
    [case(f32(2, 4, 3), f32(4), f32(4), 2, 4, 3, 2, 1e-5), case(f32(2, 6, 2, 2), None, None, 2, 6, 4, 3, 1e-5)],
)


def test_memory_of_a_shape():
    for m in (rl, torch):
        assert m.empty_permuted((2, 3, 4), (2, 0, 1)).stride() == (3, 1, 6)
        assert m.ones(1, dtype=m.float64).new_empty_strided((2, 3), (1, 2)).stride() == (1, 2)
        assert m.ones(1, dtype=m.float64).new_empty_strided((2, 3), (1, 2)).dtype == m.float64
        with pytest.raises(RuntimeError):
            m.empty_permuted((2, 3), (0, 0))


def test_lu_and_low_rank():
    a = rl.randn(5, 6)
    factors, pivots = rl.lu(a)
    p, l, u = rl.lu_unpack(factors, pivots)
    assert rl.allclose(p @ l @ u, a, atol=1e-4)
    assert len(a.lu(get_infos=True)) == 3
    a = rl.randn(5, 4) @ rl.randn(4, 6)
    for q, (u, s, v) in ((4, rl.svd_lowrank(a, q=4)), (5, rl.svd_lowrank(a.mT, q=5))):
        assert s.shape == (q,) and rl.allclose(u * s @ v.mH, a if q == 4 else a.mT, atol=1e-3)
    u, s, v = rl.pca_lowrank(a, q=5)
    assert rl.allclose(u * s @ v.mH, a - a.mean(0), atol=1e-3)
    with pytest.raises(ValueError):
        rl.svd_lowrank(a, q=9)
    assert rl.chain_matmul(a, a.mT, a).shape == (5, 6)


REDUCTIONS = ["sum", "prod", "amax", "amin", "mean", "norm", "var", "std", "logsumexp"]
ALONG = ["cumsum", "cumprod", "softmax", "log_softmax", "softmin", "median", "argmax", "argmin"]


@pytest.mark.parametrize("name", [*REDUCTIONS, *ALONG])
def test_masked(name):
    given = torch.randn(3, 4, generator=torch.Generator().manual_seed(5)).double()
    hidden = torch.tensor([[True, False, True, True], [True, True, True, True], [False, True, False, True]])
    for dim in [None, 0, (0, 1)] if name in REDUCTIONS else [0, 1]:
        for mask in (None, hidden, hidden[0]):
            results = []
            for m in (rl, torch):
                x = m.tensor(given.numpy()).requires_grad_(not name.startswith("arg"))
                shown = None if mask is None else m.tensor(mask.numpy())
                y = getattr(m.masked, name)(x, dim=dim, mask=shown)
                results.append([y])
                if y.requires_grad:
                    results[-1] += m.autograd.grad(m.where(y.isfinite(), y, 0.0).sum(), [x])
            for mine, theirs in zip(*results, strict=True):
                torch.testing.assert_close(torch.tensor(mine.detach().numpy()), theirs.detach(), equal_nan=True)


def test_masked_of_two():
    for m in (rl, torch):
        x, mask = m.tensor([3.0, 9.0, 4.0]), m.tensor([True, False, True])
        assert m.masked.normalize(x, 2.0, 0, mask=mask).tolist() == pytest.approx([0.6, 0, 0.8])
        assert m.masked.logaddexp(x, x, other_mask=mask)[1] == 9
        assert m.masked.sum(m.tensor([1, 2, 3], dtype=m.int8), mask=mask).dtype == m.int64
        with pytest.raises(IndexError):
            m.masked.sum(x, mask=mask.reshape(1, 3))


def test_linear_cross_entropy():
    x, w, y = torch.randn(5, 3), torch.randn(4, 3), torch.tensor([0, 1, 3, 2, 1])
    for options in ({}, {"reduction": "none"}, {"ignore_index": 1, "label_smoothing": 0.1}):
        mine = rl.nn.functional.linear_cross_entropy(*(rl.tensor(t.numpy()) for t in (x, w, y)), **options)
        theirs = torch.nn.functional.linear_cross_entropy(x, w, y, **options)
        torch.testing.assert_close(torch.tensor(mine.numpy()), theirs)


def test_hash():
    for given in (torch.randn(3, 4), torch.arange(6).reshape(2, 3) - 3, torch.tensor([True, False])):
        mine = rl.tensor(given.numpy())
        assert rl.hash_tensor(mine).tolist() == torch.hash_tensor(given).tolist()
        for dim in (0, -1):
            assert (
                rl.hash_tensor(mine, dim, keepdim=True).tolist() == torch.hash_tensor(given, dim, keepdim=True).tolist()
            )
    assert rl.hash_tensor(rl.ones(2, device="meta")).dtype == rl.uint64
    with pytest.raises(RuntimeError, match="mode"):
        rl.hash_tensor(rl.ones(2), mode=1)
