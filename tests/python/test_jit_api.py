"""The rest of torch.jit: files of the user's own in archives, fork and wait, functions scripted while tracing."""

import io

import pytest
import torch as reference

import rushlight as torch
from rushlight import nn


class Forked(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(2, 2)
        self.names = torch.jit.Attribute(["a", "b"], list[str])

    def forward(self, x):
        future = torch.jit.fork(self.inner, x)
        return torch.jit.wait(future) + len(self.names)


def test_fork_and_wait():
    net = torch.jit.script(Forked())
    x = torch.ones(2)
    assert torch.equal(net(x), net.inner(x) + 2)
    assert torch.equal(torch.jit.wait(torch.jit.fork(net, x)), net(x))


@torch.jit.script_if_tracing
def signed(x):
    if x.sum() > 0:
        return x
    return -x


def test_script_if_tracing():
    assert signed(-torch.ones(2)).tolist() == [1, 1]
    assert torch.jit.trace(lambda x: signed(x) + 1, torch.ones(2))(torch.ones(2)).tolist() == [2, 2]


def test_errors_of_scripts():
    def negative(x):
        raise ValueError("no")

    with pytest.raises(torch.jit.Error, match="no"):
        torch.jit.script(negative)(torch.ones(1))


@pytest.mark.parametrize("place", ["file", "buffer"])
def test_files_of_the_users_own(tmp_path, place):
    where = str(tmp_path / "net.pt") if place == "file" else io.BytesIO()
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), where, _extra_files={"notes.txt": "a b", "raw": b"\x00\xff"})
    for lib in (torch, reference):
        if place == "buffer":
            where.seek(0)
        files = {"notes.txt": "", "raw": "", "none": ""}
        lib.jit.load(where, _extra_files=files, map_location="cpu")
        assert files["notes.txt"] == b"a b"
        assert files["raw"] == b"\x00\xff"
