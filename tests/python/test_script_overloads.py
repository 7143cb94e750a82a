"""Functions and methods with several signatures; `with` on objects of a program's own class."""

import io
from typing import Any

import pytest

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
