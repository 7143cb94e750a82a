"""What a caller lets scripts take: time, memory, depth."""

import time

import pytest

import rushlight as torch
from rushlight import Tensor


def forever(x: Tensor) -> Tensor:
    n = 1
    while n > 0:
        n = n + 0
    return x * n


def forever_over_tensors(x: Tensor) -> Tensor:
    while bool(x.sum() < 1e9):
        x = x * 1
    return x


@pytest.mark.parametrize("function", [forever, forever_over_tensors])
def test_a_time_limit(function):
    compiled = torch.jit.script(function)
    begin = time.monotonic()
    with torch.jit.limits(seconds=0.05), pytest.raises(RuntimeError, match="time limit of 0.05 s"):
        compiled(torch.ones(2))
    assert time.monotonic() - begin < 60  # it ended
    assert torch.jit.script(lambda_of())(torch.ones(2)).sum() == 4  # no limit is left


def lambda_of():
    def doubled(x: Tensor) -> Tensor:
        for _ in range(1):
            x = x * 2
        return x

    return doubled


def test_the_outer_limit_holds_inside():
    with torch.jit.limits(seconds=0.05), torch.jit.limits(seconds=1000, memory=1 << 40):
        with pytest.raises(RuntimeError, match="time limit of 0.05 s"):
            torch.jit.script(forever)(torch.ones(2))


def many(n: int):
    kept = [torch.zeros(1)]
    for _ in range(n):
        kept.append(torch.zeros(1 << 20))
    return kept


def one(n: int):
    return torch.zeros(n)


def doubled_text(n: int):
    text = "a"
    for _ in range(n):
        text = text + text
    return len(text)


def repeated_text(n: int):
    return "a" * n


def repeated_list(n: int):
    return [0] * n


def list_joined_to_itself(n: int):
    kept = [0]
    for _ in range(n):
        kept.extend(kept)
    return len(kept)


def grown_list(n: int):
    kept = [0]
    for i in range(n):
        kept.append(i)
    return kept


@pytest.mark.parametrize(
    "function, n",
    [(many, 1000), (one, 1 << 28), (doubled_text, 31), (repeated_text, 1 << 30), (repeated_list, 1 << 28), (list_joined_to_itself, 31), (grown_list, 1 << 26)],
)  # fmt: skip
def test_a_memory_limit(function, n):
    compiled = torch.jit.script(function)
    with torch.jit.limits(memory=64 << 20):
        with pytest.raises(torch.OutOfMemoryError, match="memory limit of 67108864 bytes"):
            compiled(n)
        compiled(3)


def test_limits_are_checked():
    with pytest.raises(ValueError, match="limits"), torch.jit.limits(seconds=-1):
        pass


def test_a_script_that_calls_itself_ends():
    @torch.jit.interface
    class Step:
        def go(self, n: int) -> int:
            pass

    class Again(torch.nn.Module):
        inner: Step

        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def go(self, n: int) -> int:
            return self.inner.go(n + 1)

        def forward(self, n: int) -> int:
            return self.inner.go(n)

    class End(torch.nn.Module):
        def go(self, n: int) -> int:
            return n

        def forward(self, n: int) -> int:
            return n

    inner = torch.jit.script(Again(torch.jit.script(End())))
    outer = torch.jit.script(Again(inner))
    assert outer(1) == 2
    inner.inner = inner
    with pytest.raises(RuntimeError, match="RecursionError"):
        outer(1)
