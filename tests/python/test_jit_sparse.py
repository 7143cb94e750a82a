"""Sparse tensors in script archives, both ways between rushlight and PyTorch."""

import io

import pytest
import torch

import rushlight as rl


def module(lib, layout):
    class Net(lib.nn.Module):
        def __init__(self):
            super().__init__()
            eye = lib.tensor([[0.0, 2.0, 0.0], [1.0, 0.0, 3.0]])
            self.a = eye.to_sparse() if layout == "coo" else eye.to_sparse_csr()
            self.register_buffer("b", lib.ones(2, 3))

        def forward(self, x):
            return x + self.a.to_dense() + self.b

    return Net().eval()


def crossed(writer, reader, scripted):
    file = io.BytesIO()
    writer.jit.save(scripted, file)
    file.seek(0)
    return reader.jit.load(file)


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("layout", ["coo", "csr"])
@pytest.mark.parametrize("writer, reader", [(rl, rl), (rl, torch), (torch, rl)], ids=["here", "there", "back"])
def test_sparse_tensors_cross(writer, reader, layout, frozen):
    scripted = writer.jit.script(module(writer, layout))
    if frozen:
        if layout == "csr" and writer is torch:
            pytest.skip("PyTorch can't freeze it")
        scripted = writer.jit.freeze(scripted)
    loaded = crossed(writer, reader, scripted)
    assert loaded(reader.zeros(2, 3)).tolist() == [[1, 3, 1], [2, 1, 4]]
    if not frozen:
        assert str(loaded.a.layout) == f"torch.sparse_{layout}"


def test_other_layouts_are_refused_by_name():
    net = module(rl, "coo")
    net.a = rl.eye(4).to_sparse_bsr((2, 2))
    with pytest.raises(
        NotImplementedError, match="torch.sparse_bsr can't be part of this archive, sparse_coo and sparse_csr can"
    ):
        rl.jit.save(rl.jit.script(net), io.BytesIO())
