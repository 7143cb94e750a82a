"""Lists, dicts and objects that Python and scripts share, and dataclasses and class methods in scripts."""

import dataclasses

import pytest

import rushlight as torch


def test_a_script_changes_the_list_that_it_got():
    @torch.jit.script
    def grow(items: list[int], by: int) -> int:
        items.append(by)
        items[0] = -1
        return len(items)

    shared = torch.jit.script([1, 2])
    assert isinstance(shared, torch._C.ScriptList)
    assert grow(shared, 5) == 3
    assert shared == [-1, 2, 5] and list(shared[1:]) == [2, 5] and repr(shared) == "[-1, 2, 5]"
    shared.extend([7, 8])
    shared.remove(2)
    del shared[0]
    shared[1:] = [0, 9]
    assert shared == [5, 0, 9] and shared.pop() == 9 and 5 in shared and shared.count(0) == 1
    with pytest.raises(TypeError, match="int"):
        shared.append("a")
    with pytest.raises(TypeError):
        shared.extend([1, "a"])
    with pytest.raises(IndexError) as out_of_range:
        shared[10]
    assert out_of_range.type is IndexError
    assert shared == [5, 0]


def test_a_script_changes_the_dict_that_it_got():
    @torch.jit.script
    def put(table: dict[str, torch.Tensor], key: str) -> None:
        table[key] = torch.ones(2)

    shared = torch.jit.script({"a": torch.zeros(1)})
    put(shared, "b")
    assert list(shared) == ["a", "b"] and shared["b"].tolist() == [1, 1] and len(shared) == 2
    assert {k: v.numel() for k, v in shared.items()} == {"a": 1, "b": 2}
    del shared["a"]
    assert "a" not in shared
    with pytest.raises(KeyError):
        shared["a"]
    with pytest.raises(KeyError):
        del shared["a"]
    with pytest.raises(TypeError):
        shared[1] = torch.ones(1)


def test_the_type_of_an_empty_list_is_a_hint():
    shared = torch.jit.script([], type_hint=list[str])
    shared.append("x")
    assert shared == ["x"]


class Counter:
    def __init__(self, n: int):
        self.n = n

    def add(self, k: int) -> int:
        self.n += k
        return self.n

    def __len__(self) -> int:
        return self.n


def test_an_object_of_a_class_is_shared_once_it_is_scripted():
    @torch.jit.script
    def twice(c: Counter) -> None:
        c.add(1)
        c.add(1)

    counter = torch.jit.script(Counter(3))
    twice(counter)
    assert counter.n == 5 and counter.add(2) == 7 and len(counter) == 7
    counter.n = 1
    twice(counter)
    assert counter.n == 3
    with pytest.raises(AttributeError):
        counter.m = 1


class Made:
    def __init__(self, n: int):
        self.n = n

    @classmethod
    def double(cls, n: int) -> "Made":
        return cls(2 * n)


def test_class_methods_are_called_on_the_class_and_on_an_object():
    def f(n: int) -> int:
        return Made(n).double(3).n + Made.double(n).n

    assert torch.jit.script(f)(2) == f(2) == 10


@dataclasses.dataclass(order=True)
class Point:
    x: float
    y: float
    label: str | None = None
    weight: torch.Tensor | None = None
    scale: dataclasses.InitVar[float] = 1.0

    def __post_init__(self, scale: float):
        self.x = self.x * scale


def test_dataclasses_pass_what_is_for_init_alone_and_compare_optional_fields():
    def f(x: float) -> list[bool]:
        a, b = Point(x, 1.0, None, None, 2.0), Point(2 * x, 1.0)
        c = Point(2 * x, 1.0, "c")
        d, e = Point(x, 2.0, None, torch.zeros(1)), Point(x, 2.0, None, torch.ones(1))
        return [a == b, a == c, c == c, d < e, d >= e]

    assert torch.jit.script(f)(3.0) == f(3.0) == [True, False, True, True, False]


def test_a_default_that_python_would_share_between_calls_is_refused():
    def f(x: int, items: list[int] = [1, 2]) -> int:  # noqa: B006
        return x + len(items)

    with pytest.raises(RuntimeError, match="Mutable default parameters are not supported .* list on parameter items"):
        torch.jit.script(f)
