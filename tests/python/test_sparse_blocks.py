"""Compressed layouts with blocks, batches and dense dimensions: made, converted, computed with, printed, saved, as PyTorch does."""

import io
import pickle

import pytest
import torch as reference

import rushlight as torch

LAYOUTS = ["sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc"]
DENSE = [[0, 1, 0, 0, 2, 3], [0, 0, 0, 0, 0, 4], [5, 0, 0, 6, 0, 0], [0, 7, 0, 0, 0, 0]]


def dense(module, *shape):
    """A tensor of mostly zeros, with as many of them in each batch."""
    one = module.tensor(DENSE, dtype=module.float32)
    return one.expand(*shape, 4, 6) * module.arange(1, 1 + one.expand(*shape, 4, 6).numel()).reshape(*shape, 4, 6)


def converted(module, layout, *shape):
    return dense(module, *shape).to_sparse(
        layout=getattr(module, layout), **({"blocksize": (2, 3)} if "bs" in layout else {})
    )


def parts(t):
    rows = str(t.layout).endswith("r")
    names = ("crow_indices", "col_indices") if rows else ("ccol_indices", "row_indices")
    return [getattr(t, name)() for name in (*names, "values")]


def same(ours, theirs):
    assert str(ours.layout) == str(theirs.layout) and ours.shape == theirs.shape
    for a, b in zip(parts(ours), parts(theirs), strict=True):
        assert a.tolist() == b.tolist()


@pytest.mark.parametrize("shape", [(), (2,), (2, 3)])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_conversion_and_back(layout, shape):
    ours, theirs = converted(torch, layout, *shape), converted(reference, layout, *shape)
    same(ours, theirs)
    assert torch.equal(ours.to_dense(), dense(torch, *shape))
    assert (ours._nnz(), ours.sparse_dim(), ours.dense_dim()) == (
        theirs._nnz(),
        theirs.sparse_dim(),
        theirs.dense_dim(),
    )
    assert repr(ours) == repr(theirs)
    same(ours * 2, theirs * 2)
    same(ours.neg(), theirs.neg())
    same(ours.clone().double(), theirs.clone().double())
    same(ours.transpose(-2, -1), theirs.transpose(-2, -1))
    made = torch.sparse_compressed_tensor(*parts(ours), layout=ours.layout)
    assert torch.equal(made.to_dense(), ours.to_dense())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_dense_dimensions(layout):
    def make(module):
        x = dense(module).unsqueeze(-1) * module.tensor([1.0, 0.0, 3.0])
        blocks = {"blocksize": (2, 2)} if "bs" in layout else {}
        return x, x.to_sparse(layout=getattr(module, layout), dense_dim=1, **blocks)

    (x, ours), (_, theirs) = make(torch), make(reference)
    same(ours, theirs)
    assert torch.equal(ours.to_dense(), x) and ours.dense_dim() == 1


@pytest.mark.parametrize("layout", LAYOUTS)
def test_between_layouts(layout):
    for other in LAYOUTS:
        x = converted(torch, layout)
        y = x.to_sparse(layout=getattr(torch, other), **({"blocksize": (2, 2)} if "bs" in other else {}))
        assert y.layout is getattr(torch, other) and torch.equal(y.to_dense(), x.to_dense())
    assert torch.equal(converted(torch, layout, 2).to_sparse().to_dense(), dense(torch, 2))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_products_sums_and_gradients(layout):
    x = converted(torch, layout).double()
    w = torch.arange(12.0, dtype=torch.float64).reshape(6, 2)
    assert torch.allclose(x @ w, x.to_dense() @ w)
    assert torch.equal((x + x).to_dense(), 2 * x.to_dense()) and (x + x).layout is x.layout
    assert x.sum() == x.to_dense().sum()
    values = parts(x)[2].clone().requires_grad_()
    make = torch.sparse_compressed_tensor(*parts(x)[:2], values, x.shape, layout=x.layout)
    (make @ w).sum().backward()
    d = x.to_dense().requires_grad_()
    (d @ w).sum().backward()
    expected = d.grad.sparse_mask(x).values() if "bs" not in layout else None
    if expected is not None:
        assert torch.allclose(values.grad, expected)
    assert values.grad.shape == values.shape
    flat = torch.autograd.grad((d.to_sparse(layout=x.layout, **blocks(layout)).to_dense() * 3).sum(), d)[0]
    assert torch.equal(flat, 3.0 * (blocked(x) != 0))


def blocks(layout):
    return {"blocksize": (2, 3)} if "bs" in layout else {}


def blocked(x):
    """1 where x has a value that is not 0."""
    return (x.to_dense() != 0).double()


@pytest.mark.parametrize("shape", [(), (2,)])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_files(layout, shape):
    ours, theirs = converted(torch, layout, *shape), converted(reference, layout, *shape)
    for write, read, value in ((torch, reference, ours), (reference, torch, theirs), (torch, torch, ours)):
        file = io.BytesIO()
        write.save({"x": value}, file)
        file.seek(0)
        same(read.load(file)["x"], theirs)
    same(pickle.loads(pickle.dumps(ours)), theirs)


def test_names_of_their_own():
    for module in (torch, reference):
        bsr = module.sparse_bsr_tensor(
            crow_indices=module.tensor([0, 1, 2]), col_indices=module.tensor([0, 1]), values=module.ones(2, 2, 3)
        )
        assert tuple(bsr.shape) == (4, 6) and module.eye(4).to_sparse_bsr((2, 2))._nnz() == 2
        bsc = module.sparse_bsc_tensor(module.tensor([0, 1, 1]), module.tensor([0]), module.ones(1, 2, 2), (2, 4))
        assert bsc.to_dense().tolist() == [[1, 1, 0, 0]] * 2 and module.eye(4).to_sparse_bsc((1, 2))._nnz() == 4


WRONG = {
    "a size that is not whole blocks": lambda t: t.eye(4).to_sparse_bsr((3, 2)),
    "no blocksize": lambda t: t.eye(4).to_sparse(layout=t.sparse_bsr),
    "blocksize for rows": lambda t: t.eye(4).to_sparse(layout=t.sparse_csr, blocksize=(2, 2)),
    "batches of unlike counts": lambda t: t.stack([t.eye(2), t.ones(2, 2)]).to_sparse_csr(),
    "blocks that do not fit": lambda t: t.sparse_bsr_tensor(
        t.tensor([0, 1]), t.tensor([0]), t.ones(1, 2, 3), (2, 4), check_invariants=True
    ),
    "a column of blocks that is not there": lambda t: t.sparse_bsr_tensor(
        t.tensor([0, 1]), t.tensor([2]), t.ones(1, 2, 2), (2, 4), check_invariants=True
    ),
    "batches of other counts": lambda t: t.sparse_csr_tensor(
        t.tensor([[0, 1], [0, 1]]), t.tensor([[0]]), t.ones(1, 1), (1, 1, 1), check_invariants=True
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_can_not_be(name):
    for module in (torch, reference):
        with pytest.raises(RuntimeError) as raised:
            WRONG[name](module)
        assert "INTERNAL" not in str(raised.value)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_indices_changed_behind_our_back_end_nothing(layout):
    x = converted(torch, layout, 2)
    parts(x)[0][1, 1] = 10**12
    for run in (x.to_dense, x.to_sparse, lambda: x + x):
        with pytest.raises((RuntimeError, IndexError)):
            run()


def test_what_can_not_be_says_why():
    with pytest.raises(RuntimeError, match=r"at least two dimensions besides the dense ones, got 1"):
        torch.ones(3).to_sparse_csr()
    with pytest.raises(RuntimeError, match=r"batch and block dimensionalities"):
        torch.sparse_bsr_tensor(torch.tensor([0, 1]), torch.tensor([0]), torch.ones(1), (2, 2))


def test_small_indices_stay_small():
    def dtypes(module):
        x = module.tensor(DENSE, dtype=module.float32).to_sparse_csr()
        x = module.sparse_csr_tensor(x.crow_indices().int(), x.col_indices().int(), x.values(), x.shape)
        found = [
            x.to_sparse_csc().ccol_indices(),
            x.to_sparse_bsr((2, 2)).col_indices(),
            (x * 2).crow_indices(),
            (x + x).col_indices(),
        ]
        return [str(t.dtype) for t in [*found, x.to_sparse_coo().indices()]]

    assert dtypes(torch) == dtypes(reference) == ["torch.int32"] * 4 + ["torch.int64"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_as_sparse_gradcheck(layout):
    x = dense(torch).double().to_sparse(layout=getattr(torch, layout), blocksize=(2, 2) if "bs" in layout else None)
    check = torch.sparse.as_sparse_gradcheck(torch.autograd.gradcheck)
    assert check(lambda t: t.to_dense(), (x.requires_grad_(),), masked=True)
