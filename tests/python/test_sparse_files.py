"""Sparse tensors in files, pickles and copies, both ways between PyTorch and here."""

import io

import pytest
import torch
from sparse_support import coo, csr, doubled, hybrid, plain

import rushlight as rl


def things(t):
    return {
        "coo": coo(t).coalesce(),
        "doubled": doubled(t),
        "hybrid": hybrid(t),
        "csr": csr(t),
        "csc": csr(t).t(),
        "none": t.zeros(2, 3, layout=t.sparse_coo),
        "parameter": t.nn.Parameter(coo(t)),
        "layout": t.sparse_coo,
    }


@pytest.mark.parametrize("weights_only", [True, False])
@pytest.mark.parametrize("legacy", [False, True])
def test_files_both_ways(weights_only, legacy):
    options = {"_use_new_zipfile_serialization": False} if legacy else {}
    theirs = io.BytesIO()
    torch.save(things(torch), theirs, **options)
    theirs.seek(0)
    read = rl.load(theirs, weights_only=weights_only)
    assert read.pop("layout") is rl.sparse_coo
    wanted = things(torch)
    assert wanted.pop("layout") is torch.sparse_coo
    assert list(read) == list(wanted)
    for name, value in wanted.items():
        assert plain(value) == plain(read[name]), name
    if legacy:
        return
    ours = io.BytesIO()
    rl.save(things(rl), ours)
    ours.seek(0)
    back = torch.load(ours, weights_only=weights_only)
    assert back.pop("layout") is torch.sparse_coo
    for name, value in wanted.items():
        assert plain(value) == plain(back[name]), name


class Odd:
    """Makes save fall back to Python's pickle."""

    def __init__(self, held):
        self.held = held


def test_files_with_python_objects():
    file = io.BytesIO()
    rl.save({"odd": Odd(coo(rl)), "x": csr(rl)}, file)
    file.seek(0)
    read = rl.load(file, weights_only=False)
    assert plain(read["odd"].held) == plain(coo(torch))
    assert plain(read["x"]) == plain(csr(torch))


def test_damaged_files_are_refused():
    file = io.BytesIO()
    x = torch.sparse_coo_tensor([[0, 1]], [1.0, 2.0], (3,))
    x._indices()[0, 1] = 2**40
    torch.save(x, file)
    file.seek(0)
    for weights_only in (True, False):
        file.seek(0)
        with pytest.raises(RuntimeError, match="index"):
            rl.load(file, weights_only=weights_only)


# ---- what is refused ---------------------------------------------------------------------------------------------------
