"""What a module's call and attributes keep between calls holds only while its dictionary stays as it was."""

from collections import OrderedDict

import pytest

import rushlight as torch
from rushlight import nn


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(2.0))

    def forward(self, x):
        return x * self.weight


def called(m, times=3):
    """The results of some calls, all of them the same."""
    results = {float(m(torch.tensor(1.0)).detach()) for _ in range(times)}
    assert len(results) == 1
    return results.pop()


def test_hooks_come_and_go_between_calls():
    m, seen = Twice(), []
    assert called(m) == 2
    handle = m.register_forward_hook(lambda module, args, out: seen.append(1) or out + 1)
    assert called(m) == 3 and len(seen) == 3
    handle.remove()
    assert called(m) == 2 and len(seen) == 3
    m._forward_hooks = OrderedDict({0: lambda module, args, out: out + 10})
    assert called(m) == 12
    m._forward_hooks = OrderedDict()
    assert called(m) == 2
    handle = nn.modules.module.register_module_forward_pre_hook(lambda module, args: (args[0] + 1,))
    assert called(m) == 4
    handle.remove()
    assert called(m) == 2


def test_forward_and_compiled_call_of_the_object():
    m = Twice()
    assert called(m) == 2
    m.forward = lambda x: x + 5
    assert called(m) == 6
    del m.forward
    assert called(m) == 2
    m._compiled_call_impl = lambda x: x + 7
    assert called(m) == 8
    m._compiled_call_impl = None
    assert called(m) == 2
    Twice.forward, kept = lambda self, x: x + 9, Twice.forward
    assert called(m) == 10
    Twice.forward = kept
    assert called(m) == 2


def test_dictionaries_exchanged():
    m, other = Twice(), Twice()
    other.weight.data.fill_(4.0)
    assert called(m) == 2 and called(other) == 4
    m.__dict__ = dict(other.__dict__)
    assert called(m) == 4
    m._parameters = {"weight": nn.Parameter(torch.tensor(6.0))}
    assert called(m) == 6
    del m._parameters["weight"]
    with pytest.raises(AttributeError, match="'Twice' object has no attribute 'weight'"):
        m(torch.tensor(1.0))
    m._buffers["weight"] = torch.tensor(8.0)
    assert called(m) == 8
    del m.__dict__["_forward_pre_hooks"]
    with pytest.raises(AttributeError, match="_forward_pre_hooks"):
        m(torch.tensor(1.0))
    m.__dict__.clear()
    with pytest.raises(AttributeError):
        m(torch.tensor(1.0))


def test_a_forward_that_changes_its_module():
    class Counting(Twice):
        def __init__(self):
            super().__init__()
            self.calls = 0

        def forward(self, x):
            self.calls += 1
            if self.calls == 2:
                self.register_forward_hook(lambda module, args, out: out + 1)
            return super().forward(x)

    m = Counting()
    assert [float(m(torch.tensor(1.0)).detach()) for _ in range(4)] == [
        2,
        2,
        3,
        3,
    ]  # a hook of the call under way waits
