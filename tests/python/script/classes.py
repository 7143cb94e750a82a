# ruff: noqa
# fmt: off
"""Functions over classes, enums, named tuples, contexts and type comments; see test_script_language.py."""
from dataclasses import dataclass
from enum import Enum
from typing import Any, Dict, List, NamedTuple, Optional, Tuple, Union

import torch
from torch import Tensor

CASES = []
REFUSED = ['inherits', 'unknown_attribute', 'late_attribute']
AS_PYTORCH = []


def case(*calls):
    def add(f):
        CASES.append((f, calls))
        return f

    return add


@torch.jit.script
class Pair:
    def __init__(self, a: int, b: Tensor):
        self.a = a
        self.b = b
        self.log: List[str] = []

    def total(self) -> Tensor:
        return self.b + self.a

    def noted(self, text: str, times: int = 2) -> int:
        for _ in range(times):
            self.log.append(text)
        return len(self.log)

    def __add__(self, other: 'Pair') -> 'Pair':
        return Pair(self.a + other.a, self.b + other.b)

    def __mul__(self, n: int) -> 'Pair':
        return Pair(self.a * n, self.b * n)

    def __neg__(self) -> 'Pair':
        return Pair(-self.a, -self.b)

    def __len__(self) -> int:
        return self.a

    def __contains__(self, n: int) -> bool:
        return n < self.a

    def __getitem__(self, i: int) -> int:
        return self.a * 10 + i

    def __setitem__(self, i: int, v: int) -> None:
        self.a = i * v

    def __call__(self, x: int) -> int:
        return x + self.a

    def __eq__(self, other: 'Pair') -> bool:
        return self.a == other.a

    def __lt__(self, other: 'Pair') -> bool:
        return self.a < other.a

    def __str__(self) -> str:
        return "Pair " + str(self.a)

    @property
    def double(self) -> int:
        return self.a * 2

    @double.setter
    def double(self, v: int):
        self.a = v // 2

    @staticmethod
    def one(x: int) -> int:
        return x + 1


@case((3,))
def objects(n: int):
    p = Pair(n, torch.ones(2))
    q = p + Pair(1, torch.zeros(2))
    q.double = 30
    q.a += 1
    return q.total(), q.a, q.double, Pair.one(4), q.one(5), p.a


@case((3,), (0,))
def magic(n: int):
    p = Pair(n, torch.ones(1))
    first = len(p), n - 1 in p, n not in p, p[4], p(5), (-p).a, (p * 3).a, str(p), f"<{p}>"
    p[2] = 7
    p[1] += 1
    return first, p.a, True if p else False, p == Pair(p.a, p.b), p != Pair(n, p.b), p < Pair(n + 100, p.b)


@case((2,))
def object_methods(n: int):
    p = Pair(n, torch.ones(1))
    a = p.noted("x"), p.noted("y", times=1), p.noted(text="z")
    other = p
    other.log.append("shared")
    return a, p.log


@case((5,))
def lists_of_objects(n: int):
    l = [Pair(n, torch.zeros(1)), Pair(1, torch.zeros(1)), Pair(3, torch.zeros(1))]
    l.sort()
    d = {"a": l[0], "b": l[1]}
    d["b"].a = 50
    return [p.a for p in l], [d[k].a for k in sorted(d.keys())], sorted(l)[0].a


@case((None,), (4,))
def optional_objects(n: Optional[int]):
    p: Optional[Pair] = None
    if n is not None:
        p = Pair(n, torch.ones(1))
    if p is None:
        return -1
    return p.a


@torch.jit.script
class Node:
    def __init__(self, value: int):
        self.value = value
        self.children: List[int] = []
        self.parent: Optional[Tensor] = None


@case((3,))
def loops_change_objects(n: int):
    root = Node(0)
    for i in range(n):
        root.children.append(i)
        root.value += i
        if i == 1:
            root.parent = torch.ones(1) * i
    parent = root.parent
    return root.value, root.children, parent if parent is not None else torch.zeros(1)


@torch.jit.script
class Context:
    def __init__(self, log: List[str], name: str):
        self.log = log
        self.name = name

    def __enter__(self) -> str:
        self.log.append("enter " + self.name)
        return self.name

    def __exit__(self, type: Any, value: Any, tb: Any) -> None:
        self.log.append("exit " + self.name)


@case((0,), (2,), (5,))
def contexts(n: int) -> List[str]:
    log: List[str] = []
    with Context(log, "a") as name, Context(log, "b"):
        log.append(name)
        if n > 1:
            return log
        log.append("on")
    for i in range(n + 2):
        with Context(log, "c"):
            if i == 1:
                break
            log.append("round")
    return log


class Color(Enum):
    RED = 1
    GREEN = 2


class Word(Enum):
    YES = "yes"
    NO = "no"


@case((1,), (2,))
def enums(n: int):
    color = Color.RED if n == 1 else Color.GREEN
    total = 0
    for c in Color:
        total += c.value
    names = [c.name for c in Color]
    return color.name, color.value, color == Color.RED, color is Color.RED, color != Color.GREEN, total, names, Word.YES.value + Word.NO.name


@case((1,))
def enum_containers(n: int):
    l = [Color.RED, Color.GREEN]
    d = {"r": Color.RED}
    return len(l), l[1].name, d["r"].value, Color.GREEN in l, isinstance(l[0], Color)


@dataclass
class Point:
    x: float
    y: float = 2.0

    def norm(self) -> float:
        return (self.x ** 2 + self.y ** 2) ** 0.5


@dataclass(order=True)
class Ranked:
    rank: int
    name: str = "none"

    def __post_init__(self):
        self.rank = self.rank * 2


@case((3.0,))
def dataclasses(a: float):
    p, q = Point(a), Point(y=2.0, x=a)
    r = [Ranked(3), Ranked(1, "b"), Ranked(1, "a")]
    return p.norm(), p == q, p == Point(a, 9.0), r[0] < r[1], r[1] >= r[2], r[0].rank, r[0].name


class Named(NamedTuple):
    a: int
    b: Tensor
    c: float = 1.5


@case((2,))
def named_tuples(n: int):
    t = Named(b=torch.ones(1), a=n)
    u = Named(n, torch.zeros(1), 4.0)
    a, b, c = u
    return t.a, t.c, u[0], c, t


@case((1, 2.0))
def type_comments(a, b):
    # type: (int, float) -> Tuple[List[int], Dict[str, float], Optional[int]]
    l = []  # type: List[int]
    d = {}  # type: Dict[str, float]
    o = None  # type: Optional[int]
    l.append(a)
    d["b"] = b
    if a > 0:
        o = a
    return l, d, o


@case((1, "x"))
def argument_comments(
    a,  # type: int
    b,  # type: str
):
    # type: (...) -> str
    return b * (a + 1)


@case(([1, 2],), ({"a": 5},), ("s",))
def refined_any(x: Any) -> int:
    if torch.jit.isinstance(x, List[int]):
        return x[0]
    if torch.jit.isinstance(x, Dict[str, int]):
        return x["a"]
    return -1


@case((torch.ones(2),))
def forks(x: Tensor):
    f: torch.jit.Future[Tensor] = torch.jit.fork(torch.add, x, 1)
    return torch.jit.wait(f) + 1


@case((torch.arange(12).view(3, 4), [1, 2, 3, 4], 2))
def slices(x: Tensor, l: List[int], n: int):
    s = slice(1, n + 1)
    t = (1, 2, 3)
    return x[s], x[:, s], l[s], l[slice(None, None, 2)], t[slice(2)], x[slice(n), 0]


@case((torch.arange(12).view(3, 4), [1, 2, 3, 4], torch.tensor([1, 2])))
def slices_by_tensors(x: Tensor, l: List[int], n: Tensor):
    first = n[0]
    return x[:, :first], x[first:], l[first:], x[:: n[1]]


@case((1,), (0,))
def any_result(n: int) -> Any:
    if n > 0:
        return "text"
    return n


FAVOURITE = Color.GREEN


@case()
def global_enum():
    return FAVOURITE.name, FAVOURITE == Color.GREEN


class Base:
    def __init__(self):
        self.x = 1


class Derived(Base):
    def __init__(self):
        self.y = 1


@case()
def inherits():
    return Derived().y


@case((1,))
def unknown_attribute(n: int):
    p = Pair(n, torch.ones(1))
    p.nothing = 3
    return p.a


class Late:
    def __init__(self, n: int):
        if n > 1:
            self.x = n


@case((1,))
def late_attribute(n: int):
    return Late(n).x
