"""The rest of torch.jit: files of the user's own in archives, fork and wait, functions scripted while tracing."""

import io
import threading

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


def doubled(x):
    return x * 2


class Calls(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls = self.calls + 1
        return doubled(self.layer(x)) + doubled(x)


def in_threads(work, count=8):
    start, errors = threading.Barrier(count), []

    def run(i):
        start.wait()
        try:
            work(i)
        except BaseException as error:  # for the test to see
            errors.append(error)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert not any(t.is_alive() for t in threads)
    assert not errors, errors[0]


class Assigns(nn.Module):
    def __init__(self):
        super().__init__()
        self.calls = torch.zeros(())
        self.last = torch.jit.Attribute(None, torch.Tensor | None)
        self.sizes = torch.jit.Attribute([0], list[int])
        self.name = "zero"

    def forward(self, x):
        seen = self.last
        if seen is not None:
            assert len(self.sizes) == len(x.shape)
            assert seen.shape == x.shape
        self.sizes = list(x.shape)
        self.last = torch.relu(x) if int(self.calls) % 2 == 0 else None
        self.name = self.name[:4] + "!"
        self.calls = self.calls + 1
        return self.name


def test_threads_assign_attributes_of_one_module():
    net, x = torch.jit.script(Assigns()), torch.ones(2, 3, 4)
    net(x)

    def work(i):
        for _ in range(200):
            assert net(x) == "zero!"
            assert net.sizes == [2, 3, 4]
            last = net.last
            assert last is None or last.shape == x.shape

    in_threads(work)


def test_many_threads_compile_load_and_trace_at_once():
    x = torch.ones(3, 2)
    data = io.BytesIO()
    torch.jit.script(Calls()).save(data)
    for _ in range(10):
        fresh = torch.jit.load(io.BytesIO(data.getvalue()))
        scripted, plain = torch.jit.script(Calls()), Calls()
        wanted = plain(x)
        scripted.load_state_dict(plain.state_dict())
        loaded = torch.jit.load(io.BytesIO(data.getvalue())).state_dict()

        def work(i, fresh=fresh, scripted=scripted, plain=plain, wanted=wanted, loaded=loaded):
            assert torch.allclose(scripted(x), wanted)
            assert torch.equal(fresh.layer.weight, loaded["layer.weight"])
            assert fresh(x).shape == (3, 2)
            assert torch.equal(torch.jit.script(doubled)(x), x * 2)
            assert torch.jit.trace(plain.layer, x)(x).shape == (3, 2)
            assert torch.jit.load(io.BytesIO(data.getvalue()))(x).requires_grad

        in_threads(work)
