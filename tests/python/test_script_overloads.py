"""Functions and methods with several signatures; `with` on objects of a program's own class."""

import io
from typing import Any

import pytest
import torch as reference

import rushlight as torch


@torch.jit._overload
def described(x: int, times: int = 2) -> str: ...


@torch.jit._overload
def described(x: float, times: int = 2) -> str: ...  # noqa: F811


def described(x, times=2):  # noqa: F811
    return str(x) * times


def both(a: int, b: float) -> str:
    return described(a) + described(b, times=1)


def wrong(x: list[str]) -> str:
    return described(x)


def test_function():
    assert torch.jit.script(both)(3, 0.5) == "330.5"
    with pytest.raises(RuntimeError, match=r"following variants are available:[\s\S]*int[\s\S]*float"):
        torch.jit.script(wrong)


class Net(torch.nn.Module):
    @torch.jit._overload_method
    def part(self, x: torch.Tensor) -> torch.Tensor: ...

    @torch.jit._overload_method
    def part(self, x: list[torch.Tensor]) -> torch.Tensor: ...  # noqa: F811

    def part(self, x):  # noqa: F811
        if isinstance(x, torch.Tensor):
            return x
        return x[0] + x[1]

    def forward(self, x):
        return self.part(x) + self.part([x, x])


def test_method():
    assert torch.jit.script(Net())(torch.ones(1)).item() == 3.0


class Noted:
    def __init__(self, log: list[str]):
        self.log = log

    def __enter__(self) -> str:
        self.log.append("in")
        return "name"

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        self.log.append("out")


class Untyped:
    def __enter__(self):
        return self

    def __exit__(self, kind: str, value: str, trace: str):
        pass


class Log(torch.nn.Module):
    log: list[str]

    def __init__(self):
        super().__init__()
        self.log = ["start"]

    def forward(self, x: torch.Tensor, fails: bool) -> int:
        with Noted(self.log) as name:
            self.log.append(name)
            with Noted(self.log):
                self.log.append(str(x.dim()))
                if fails:
                    raise ValueError("no")
        return len(self.log)


def ignoring():
    with Untyped():
        pass


def test_exit_runs_where_the_body_raises():
    net = torch.jit.script(Log())
    assert net(torch.ones(1), False) == 7 and net.log == ["start", "in", "name", "in", "1", "out", "out"]
    with pytest.raises(RuntimeError, match="no"):
        net(torch.ones(1), True)
    assert net.log[7:] == ["in", "name", "in", "1", "out", "out"]


def test_with_statements_are_kept_in_archives():
    net = torch.jit.script(Log())
    assert net.code.count("  with ") == 2 and " as " in net.code
    file = io.BytesIO(net.save_to_buffer())
    loaded = torch.jit.load(file)
    assert loaded(torch.ones(1), False) == 7 and loaded.log == ["start", "in", "name", "in", "1", "out", "out"]


def test_exit_takes_anything():
    with pytest.raises(RuntimeError, match="must have Any type"):
        torch.jit.script(ignoring)


class Store:
    def __init__(self):
        self.kept: dict[str, int] = {"a": 1, "b": 2}

    def __delitem__(self, key: str) -> None:
        self.kept.pop(key)


def deleting() -> int:
    store = Store()
    del store["a"]
    return len(store.kept)


def test_delitem():
    assert torch.jit.script(deleting)() == 1


class Recurrent:
    """A model over sequences of different lengths, of either library."""

    @staticmethod
    def of(torch):
        nn, rnn = torch.nn, torch.nn.utils.rnn

        class Model(nn.Module):
            def __init__(self):
                super().__init__()
                self.lstm = nn.LSTM(4, 5, 2, batch_first=True, bidirectional=True)
                self.gru, self.rnn = nn.GRU(4, 2, batch_first=True), nn.RNN(4, 2)

            def forward(self, x, lengths, h: tuple[torch.Tensor, torch.Tensor] | None = None):
                packed = rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
                y, state = self.lstm(packed, h)
                g, last = self.gru(packed)
                r, _ = self.rnn(packed)
                padded, counts = rnn.pad_packed_sequence(y, batch_first=True, padding_value=2.0, total_length=6)
                whole, _ = self.lstm(x)
                return padded, counts, state[0], state[1], g.data, last, r.data, r.batch_sizes, whole

        torch.manual_seed(0)
        return Model()


def test_packed_sequences_in_scripts_and_archives():
    torch.manual_seed(1)
    x, lengths = torch.randn(3, 5, 4), torch.tensor([3, 5, 1])
    theirs = (reference.from_numpy(x.numpy()), reference.tensor([3, 5, 1]))
    wanted = Recurrent.of(reference)(*theirs)
    for compile in (lambda m: m, torch.jit.script, lambda m: torch.jit.trace(m, (x, lengths))):
        for ours, other in zip(compile(Recurrent.of(torch))(x, lengths), wanted):
            reference.testing.assert_close(
                reference.from_numpy(ours.detach().numpy()), other.detach(), rtol=1e-4, atol=1e-5
            )
    for lib, other, args in ((torch, reference, theirs), (reference, torch, (x, lengths))):
        file = io.BytesIO()
        lib.jit.save(lib.jit.script(Recurrent.of(lib)), file)
        file.seek(0)
        for got, value in zip(other.jit.load(file)(*args), wanted):
            reference.testing.assert_close(
                reference.from_numpy(got.detach().numpy()), value.detach(), rtol=1e-4, atol=1e-5
            )


@pytest.mark.parametrize(
    "lengths, said",
    [
        ([5, 3, 3, 1], "equal to batch_size"),
        ([3, 5, 1], "sorted in decreasing order"),
        ([5, 3, 0], "greater than 0"),
        ([9, 3, 1], "at most 5"),
    ],
)
def test_lengths_that_do_not_fit(lengths, said):
    with pytest.raises(RuntimeError, match=said):
        torch.nn.utils.rnn.pack_padded_sequence(torch.ones(3, 5, 4), lengths, batch_first=True)


def test_batch_sizes_that_do_not_fit():
    data = torch.ones(3, 2)
    for sizes, said in (
        ([2, 2], "add up to 3"),
        ([1, 2], "add up to 3"),
        ([], "list of integers"),
        ([1.0], "list of integers"),
    ):
        with pytest.raises(RuntimeError, match=said):
            torch._pad_packed_sequence(data, torch.tensor(sizes), False, 0.0, -1)
    with pytest.raises(RuntimeError, match="total_length=1"):
        torch._pad_packed_sequence(data, torch.tensor([2, 1]), False, 0.0, 1)
