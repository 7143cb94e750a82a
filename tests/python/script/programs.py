# ruff: noqa
# fmt: off
"""Functions of the script language; see test_script_language.py."""
import math
from typing import Any, Dict, Final, List, NamedTuple, Optional, Tuple, Union

import torch
from torch import Tensor

CASES = []
# What no script may be, and what gives PyTorch's result, which is not Python's: a list for a torch.Size, an infinity for an error of math.
REFUSED = ['for_else', 'while_else', 'walrus', 'lambdas', 'tries']
AS_PYTORCH = ['tensor_list', 'math_domain', 'math_log_zero', 'math_exp_overflow', 'format_tensor_shape']


def case(*calls):
    def add(f):
        CASES.append((f, calls))
        return f

    return add


SCALE = 3
NAME = "rush"
PAIR = (1, 2.5)
LIMIT: Final = 4


@case((5,))
def global_numbers(a: int):
    return a * SCALE, NAME, PAIR[1], LIMIT


@case((5,))
def shadows_global(a: int):
    SCALE = 10
    return a * SCALE


@case((5,))
def shadows_builtin(a: int):
    max = a + 1
    len = 2
    return max * len


def make_closure(k: int):
    def inner(a: int):
        return a + k

    return inner


def helper(a: int, b: int = 2, *, c: int = 3) -> int:
    return a * 100 + b * 10 + c


@case((1,))
def calls_helper(a: int):
    return helper(a), helper(a, 5), helper(a, c=7), helper(b=1, a=2), helper(a, b=4, c=9)


def effects(log: List[int], v: int) -> int:
    log.append(v)
    return v


@case()
def order_of_evaluation():
    log: List[int] = []
    r = effects(log, 1) + effects(log, 2) * effects(log, 3)
    t = (effects(log, 4), effects(log, 5))
    l = [effects(log, 6), effects(log, 7)]
    d = {effects(log, 8): effects(log, 9)}
    l[effects(log, 0)] = effects(log, 1)
    return r, log, t, l, d


def truth(log: List[int], v: int, r: bool) -> bool:
    log.append(v)
    return r


@case((True, True), (True, False), (False, True), (False, False))
def short_circuit(a: bool, b: bool):
    log: List[int] = []
    r = truth(log, 1, a) and truth(log, 2, b)
    s = truth(log, 3, a) or truth(log, 4, b)
    t = truth(log, 5, a) and truth(log, 6, b) or truth(log, 7, a)
    return r, s, t, log


@case((True,), (False,))
def ternary_evaluates_one_side(a: bool):
    log: List[int] = []
    r = effects(log, 1) if a else effects(log, 2)
    return r, log


@case((3,), (0,))
def chained_comparison_evaluates_once(a: int):
    log: List[int] = []
    r = effects(log, 1) < effects(log, a) < effects(log, 5)
    return r, log


@case((1,))
def targets_in_order(i: int):
    a = [0, 0, 0]
    i, a[i] = 2, 5
    return a, i


@case((1, 2))
def swap(a: int, b: int):
    a, b = b, a
    return a, b


@case((4,))
def chained_assignment(a: int):
    x = y = a
    x += 1
    return x, y


@case((7, 2))
def augmented(a: int, b: int):
    r = [a, a, a, a, a, a, a, a, a, a]
    r[0] += b
    r[1] -= b
    r[2] *= b
    r[3] //= b
    r[4] %= b
    r[5] <<= b
    r[6] >>= b
    r[7] &= b
    r[8] |= b
    r[9] ^= b
    x = a
    x += b
    x *= b
    x -= 1
    x //= 2
    x %= 5
    f = float(a)
    f /= b
    f **= 2
    return r, x, f


@case(("a",))
def augmented_text(s: str):
    s += "b"
    s *= 2
    return s


@case(([1, 2],))
def augmented_list(l: List[int]):
    k = l
    l += [3]
    l *= 2
    return l, k


@case(({"a": 1},))
def augmented_dict(d: Dict[str, int]):
    d["a"] += 5
    d["b"] = d.get("b", 0) + 1
    return d


@case((torch.ones(2),))
def augmented_tensor(x):
    y = x.clone()
    y += 1
    y *= 3
    y -= 0.5
    y /= 2
    y[0] += 10
    y **= 2
    y %= 7
    return y, x


@case((5,))
def while_loop(n: int):
    total = 0
    while n > 0:
        total += n
        n -= 1
    return total, n


@case((10,))
def breaks(n: int):
    total = 0
    for i in range(n):
        if i == 2:
            continue
        if i == 5:
            break
        total += i
    return total


@case((5,), (0,))
def while_true(n: int):
    i = 0
    while True:
        i += 1
        if i > n:
            break
    return i


@case((3,))
def nested_breaks(n: int):
    out: List[int] = []
    for i in range(n):
        for j in range(n):
            if j > i:
                break
            if (i + j) % 2 == 0:
                continue
            out.append(i * 10 + j)
        if i == 2:
            continue
        out.append(100)
    return out


@case(([1, 2, 3],), ([5],), ([],))
def return_in_loop(l: List[int]) -> int:
    for x in l:
        if x > 1:
            return x
    return -1


@case(([[1, 2], [3, 4]], 3), ([[1, 2], [3, 4]], 9))
def return_in_nested_loops(l: List[List[int]], v: int) -> Tuple[int, int]:
    for i, row in enumerate(l):
        for j, x in enumerate(row):
            if x == v:
                return i, j
    return -1, -1


@case((3,), (12,), (-1,))
def return_in_while(n: int) -> str:
    while n < 10:
        if n < 0:
            return "negative"
        n += 4
        if n == 7:
            return "seven"
    return "end" + str(n)


@case((5,))
def loop_variable_after(n: int):
    i = -1
    for i in range(n):
        pass
    return i


@case((2,), (0,))
def loop_changes_bound(n: int):
    count = 0
    for i in range(n):
        n += 10
        count += 1
    return n, count


@case(([1, 2, 3],))
def enumerates(l: List[int]):
    out: List[Tuple[int, int]] = []
    for i, x in enumerate(l):
        out.append((i, x))
    for i, x in enumerate(l, 5):
        out.append((i, x))
    for p in enumerate(l):
        out.append(p)
    return out


@case(([1, 2, 3], [4, 5], ["a", "b", "c"]))
def zips(a: List[int], b: List[int], c: List[str]):
    out: List[str] = []
    for x, y, z in zip(a, b, c):
        out.append(str(x) + str(y) + z)
    for i, (x, z) in enumerate(zip(a, c)):
        out.append(str(i) + str(x) + z)
    for x, i in zip(a, range(10)):
        out.append(str(x * i))
    for i, c2 in enumerate("xyz"):
        out.append(c2 * i)
    return out


@case(([1, 2, 3],))
def reverses(l: List[int]):
    out: List[int] = []
    for x in reversed(l):
        out.append(x)
    for i in range(len(l) - 1, -1, -1):
        out.append(l[i])
    return out


@case(([1, 2, 3],))
def list_methods(l: List[int]):
    l.append(5)
    l.extend([7, 6])
    l.insert(0, 9)
    l.insert(-1, 8)
    a = l.pop()
    b = l.pop(0)
    l.remove(2)
    l.reverse()
    i = l.index(5)
    n = l.count(1)
    k = l.copy()
    l.sort()
    k.sort(reverse=True)
    m = l + k
    l.clear()
    return l, k, m, a, b, i, n


@case(([3, 1, 2],))
def deletes(l: List[int]):
    del l[0]
    del l[-1]
    return l


@case(([3, 1, 2, 4],))
def slice_assignment(l: List[int]):
    l[0] = 10
    l[-1] = 20
    return l


@case(([1, 2],))
def aliasing(l: List[int]):
    k = l
    k.append(3)
    m = l[:]
    m.append(4)
    n = list(l)
    n.append(5)
    return l, k, m, n


@case(({"a": 1, "b": 2},))
def dict_methods(d: Dict[str, int]):
    d["c"] = 3
    a = d.pop("a")
    b = d.pop("zz", 9)
    d.update({"x": 7})
    c = d.setdefault("y", 8)
    e = d.setdefault("b", 100)
    out: List[str] = []
    for k in d:
        out.append(k)
    for k, v in d.items():
        out.append(k + str(v))
    for v in d.values():
        out.append(str(v))
    for k in d.keys():
        out.append(k)
    del d["b"]
    f = d.copy()
    d.clear()
    return d, f, a, b, c, e, out


@case()
def dict_of_lists():
    d: Dict[str, List[int]] = {}
    for w in ["a", "b", "a"]:
        if w not in d:
            d[w] = []
        d[w].append(len(d[w]))
    return d


@case((torch.tensor(2.0),))
def dict_of_tensors(x):
    d = {"a": x, "b": x * 2}
    d["c"] = d["a"] + d["b"]
    total = torch.zeros(1)
    for k, v in d.items():
        total = total + v
    return total, d


@case(("the cat the dog",))
def counts(s: str):
    d: Dict[str, int] = {}
    for w in s.split():
        if w in d:
            d[w] += 1
        else:
            d[w] = 1
    return d


@case((3,), (-1,))
def raises(n: int):
    if n < 0:
        raise ValueError("negative: " + str(n))
    return n


@case((3,), (-1,))
def raises_formatted(n: int):
    if n < 0:
        raise RuntimeError(f"bad {n} and " "more")
    return n


@case((3,), (-1,))
def asserts(n: int):
    assert n > 0, "must be positive"
    assert n < 10
    return n


@case((1,), (0,))
def if_without_else(n: int):
    x = 1
    if n:
        x = 2
    return x


@case((1,), (2,), (3,))
def elifs(n: int):
    if n == 1:
        return "one"
    elif n == 2:
        return "two"
    else:
        return "many"


@case((None,), (3,))
def optional_refinement(x: Optional[int]):
    if x is None:
        x = 10
    return x + 1


@case((None,), (3,))
def optional_early(x: Optional[int]) -> int:
    if x is None:
        return -1
    return x * 2


@case((None,), (3,))
def optional_assert(x: Optional[int]) -> int:
    assert x is not None
    return x


@case((None, None), (1, None), (1, 2))
def optional_and(x: Optional[int], y: Optional[int]) -> int:
    if x is not None and y is not None:
        return x + y
    if x is not None:
        return x
    return 0


@case((None,), ([1],))
def optional_list(x: Optional[List[int]] = None):
    if x is None:
        x = []
    x.append(5)
    return x


@case((3,), ("ab",))
def unions(x: Union[int, str]) -> int:
    if isinstance(x, int):
        return x + 1
    else:
        return len(x)


@case((torch.ones(2),), ([torch.ones(2), torch.ones(1)],))
def tensor_or_list(x: Union[Tensor, List[Tensor]]) -> int:
    if isinstance(x, Tensor):
        return x.numel()
    return len(x)


@case((1,), ("a",), (2.5,))
def any_argument(x: Any) -> str:
    if isinstance(x, int):
        return "int" + str(x + 1)
    if isinstance(x, str):
        return "str" + x
    return "other"


@case((3,), (None,))
def is_none_sides(x: Optional[int]):
    y = 0
    if x is not None:
        y = x
    z = 5 if x is None else x
    return y, z


@case(([1, 2, 3],))
def unpacks(l: List[int]):
    a, b, c = l
    (d, e), f = (a, b), c
    return a + b * 10 + c * 100 + d * 1000 + e * 10000 + f


@case(((1, "a", 2.5),))
def starred(t: Tuple[int, str, float]):
    a, *b = t
    *c, d = t
    return a, b[0], b[1], c[0], d


@case((torch.arange(6).reshape(2, 3),))
def unpack_shape(x):
    b, n = x.shape
    h, w = x.size()
    return b * 10 + n, h * w


@case((torch.arange(6).reshape(2, 3),))
def unpack_tensor(x):
    a, b = x
    c, d = x.unbind(0)
    e, f = x.chunk(2, 0)
    return a + b, c - d, e * f


@case((torch.arange(6).reshape(2, 3),))
def loop_over_tensor(x):
    total = torch.zeros(3)
    n = 0
    for row in x:
        total = total + row
        n += 1
    return total, n


@case((torch.zeros(3, 3),))
def tensor_assignment(x):
    y = x.clone()
    y[0] = 1
    y[1, 2] = 5.5
    y[:, 0] = torch.ones(3)
    y[2, 1:] = 7
    y[y > 5] = -1
    y[..., 1] += 2
    y[torch.tensor([0])] = 9
    y[-1] *= 2
    y[None, 0, 0] = 4
    return y


@case((torch.ones(2, requires_grad=True),))
def no_grad(x):
    with torch.no_grad():
        y = x * 2
    z = x * 3
    return y, z, y.requires_grad, z.requires_grad


@case((torch.ones(2, requires_grad=True),))
def enable_grad(x):
    with torch.no_grad():
        with torch.enable_grad():
            y = x * 2
        z = x * 3
    return y.requires_grad, z.requires_grad


@case((torch.ones(2, requires_grad=True), 1), (torch.ones(2, requires_grad=True), -1))
def no_grad_return(x, n: int):
    with torch.no_grad():
        if n > 0:
            return x * n
        y = x + 1
    return y * x


@case((3,))
def typed_variables(n: int):
    a: float = 1.0
    b: Optional[int] = None
    c: List[float] = []
    d: Dict[int, List[str]] = {}
    e: Tuple[int, float] = (n, 2.0)
    if n > 2:
        b = n
    c.append(a)
    d[n] = ["x"]
    return a, b, c, d, e


@case((3,), (-3,))
def variables_of_branches(n: int):
    if n > 0:
        y = 1
        z = "a"
    else:
        y = 2
        z = "b"
    return y, z


@case((torch.tensor(3.0),), (torch.tensor(-3.0),))
def tensor_condition(x):
    if x > 0:
        y = x
    elif x == 0:
        y = x + 1
    else:
        y = -x
    while y < 10:
        y = y * 2
    return y


@case((3, 2.5), (4, 1.0))
def defaults(n: int, x: float = float("inf"), k: int = 2**10, t: float = 1 / 3, s: str = "a" + "b", b: bool = not True):
    return n, x, k, t, s, b


DEFAULT = 7


@case((), (1,))
def default_global(n: int = DEFAULT, l: Optional[List[int]] = None, t: Tuple[int, int] = (1, 2), lo: int = -(2**63)):
    return n, l, t, lo


class Point(NamedTuple):
    x: int
    y: float


@case((Point(1, 2.5),))
def named_tuple(p: Point):
    q = Point(p.x + 1, p.y * 2)
    r = Point(x=1, y=2.0)
    a, b = q
    return q.x, q.y, a, b, r[0], p


@case(([1.5, 2.5],))
def mean(l: List[float]) -> float:
    return sum(l) / len(l)


@case((10,))
def primes(n: int):
    out: List[int] = []
    for i in range(2, n):
        prime = True
        for j in range(2, i):
            if i % j == 0:
                prime = False
                break
        if prime:
            out.append(i)
    return out


@case((10,))
def fibonacci(n: int):
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a


@case((48, 18))
def gcd(a: int, b: int):
    while b != 0:
        a, b = b, a % b
    return a


@case(("hello world",))
def caesar(s: str):
    out = ""
    for c in s:
        if c.isalpha():
            out += chr((ord(c) - 97 + 3) % 26 + 97)
        else:
            out += c
    return out


@case(([5, 3, 8, 1],))
def bubble_sort(l: List[int]):
    n = len(l)
    for i in range(n):
        for j in range(0, n - i - 1):
            if l[j] > l[j + 1]:
                l[j], l[j + 1] = l[j + 1], l[j]
    return l


@case(([[1, 2], [3, 4]],))
def transpose(m: List[List[int]]):
    return [[m[j][i] for j in range(2)] for i in range(2)]


@case(([1, 2, 3, 4],))
def comprehension_scope(l: List[int]):
    x = 100
    k = [x * 2 for x in l]
    return x, k


@case(([3, 1, 2],))
def sort_and_search(l: List[int]):
    s = sorted(l)
    lo = 0
    hi = len(s)
    while lo < hi:
        mid = (lo + hi) // 2
        if s[mid] < 2:
            lo = mid + 1
        else:
            hi = mid
    return lo, s, l


@case((5,))
def pass_and_docstring(n: int):
    """Text."""
    if n > 3:
        pass
    else:
        n = 0
    """more"""
    ...
    return n


@case((2,))
def semicolons(n: int):
    a = n; b = a + 1
    if a: b += 1
    return (a +
            b)


@case((2,))
def continued_lines(n: int):
    a = n + \
        1
    b = [
        n,
        a,  # comment
    ]
    # comment
    return (
        a
        + sum(b)
    )


@case(([torch.ones(1), torch.ones(2)],))
def tensor_list(l: List[Tensor]):
    out: List[Tensor] = []
    for i, t in enumerate(l):
        out.append(t * i)
    a, b = out
    return torch.cat(out), a, len(out), [t.shape for t in out]


@case((torch.ones(2), None), (torch.ones(2), torch.ones(2)))
def optional_tensor(x: Tensor, mask: Optional[Tensor] = None):
    if mask is not None:
        x = x * mask + 1
    return x


@case((2,))
def int_and_float_results(n: int):
    a = n / 2
    b = n // 2
    c = n * 1.0
    d = n**2
    return a, b, c, d


@case((True,), (False,))
def nothing_returned(b: bool):
    if b:
        return None
    return None


@case()
def returns_nothing():
    x = 1


@case((1,))
def ignores_result(n: int):
    [n]
    n + 1
    return n


@case(([1, 2, 3],))
def nested_functions_on_lists(l: List[int]):
    return max(min(l), sum(l) // len(l), abs(-5))


@case((5, "x"))
def prints(n: int, s: str):
    print(n, s, [n], 1.5, None, True)
    return n


@case(([1, 2, 3, 4, 5, 6],))
def while_pop(l: List[int]):
    total = 0
    while l:
        total += l.pop()
        if total > 10:
            break
    return total, l


@case((3,), (8,))
def for_else(n: int):
    r = 0
    for i in range(5):
        if i == n:
            r = 1
            break
    else:
        r = 2
    return r


@case((3,))
def while_else(n: int):
    r = 0
    while n > 0:
        n -= 1
    else:
        r = 2
    return r


@case((7,))
def walrus(n: int):
    if (m := n * 2) > 3:
        return m
    return 0


@case((7,))
def lambdas(n: int):
    f = lambda x: x + 1
    return f(n)


@case((7,))
def inner_function(n: int):
    def g(x: int) -> int:
        return x + 1

    return g(n)


@case((7,), (0,))
def tries(n: int):
    try:
        return 10 // n
    except:
        return -1


@case((-1,))
def negative_shift(n: int):
    return 1 >> n


@case((0,), (3,))
def division_by_zero(n: int):
    return 7 // n


@case((3,))
def modulo_by_zero(n: int):
    return 7 % n


@case((0.0,))
def float_division_by_zero(n: float):
    return 7 / n


@case(([1, 2], 5), ([1, 2], -3), ([1, 2], 1))
def index_out_of_range(l: List[int], i: int):
    return l[i]


@case(({"a": 1}, "b"), ({"a": 1}, "a"))
def missing_key(d: Dict[str, int], k: str):
    return d[k]


@case(([], ), ([1],))
def pop_empty(l: List[int]):
    return l.pop()


@case(("abc", "z"), ("abc", "b"))
def index_missing_text(s: str, t: str):
    return s.index(t)


@case(([1, 2], 3), ([1, 2], 2))
def index_missing(l: List[int], v: int):
    return l.index(v)


@case(("x",), ("3.5",), ("3",))
def int_of_text(s: str):
    return int(s)


@case((torch.ones(2, 3), 5), (torch.ones(2, 3), 1))
def tensor_index_out_of_range(x, i: int):
    return x[i]


@case((float("nan"), 1.0), (1.0, float("nan")))
def nan_min_max(a: float, b: float):
    return min(a, b), max(a, b), a == a, a != a, a < b


@case((-1.0,), (4.0,))
def math_domain(a: float):
    return math.sqrt(a)


@case((0.0,))
def math_log_zero(a: float):
    return math.log(a)


@case((1000.0,))
def math_exp_overflow(a: float):
    return math.exp(a)


@case((2.5,), (-2.5,))
def floors(a: float):
    return math.floor(a), math.ceil(a), round(a)


@torch.jit.script
def decorated(a: int) -> int:
    return a + 1


@case((2,))
def calls_decorated(n: int):
    return decorated(n) + decorated(decorated(n))


@case((2,), (40,))
def reassigns_type_in_branch(n: int):
    x = 0.5
    if n > 10:
        x = x * n
    return x


@case((3,))
def loop_carried_float(n: int):
    x = 0.0
    for i in range(n):
        x = x + i
    return x


@case((3,))
def large_constants(n: int):
    return n + 0x7FFFFFFFFFFFFF, n * 1e-300, -0x80


@case((torch.ones(3, 4),))
def format_tensor_shape(x):
    return f"{x.shape} {x.dim()} {list(x.shape)}", "{}".format(x.size(0)), str(x.dtype == torch.float32)


@case((torch.ones(2, 2),))
def global_dtype(x):
    return x.to(torch.float64).dtype == torch.float64, torch.zeros(1, dtype=torch.int32)


@case((torch.ones(2, 2),))
def device_argument(x):
    return torch.zeros(2, device=x.device), torch.ones(1, device="cpu"), torch.device("cpu")


@case((["b", "a"],))
def lists_of_text(l: List[str]):
    l.sort()
    l.append("c")
    out = ""
    for s in l:
        out = out + s
    return ",".join(l), out, "a" in l, l.index("b")


@case((3,))
def list_of_lists(n: int):
    grid = [[0] * n for _ in range(n)]
    grid[0][1] = 5
    grid[1] = [7]
    return grid


@case((3,))
def repeated_inner_list(n: int):
    row = [0]
    grid = [row] * n
    grid[0][0] = 5
    return grid


@case((torch.tensor([1.0, 2.0, 3.0]),))
def out_of_place(x):
    y = x
    y = y + 1
    z = x
    z += 1
    return x, y, z


@case((torch.tensor([3.0, 1.0]),))
def kwargs_and_defaults(x):
    return torch.sum(x, dim=0, keepdim=True), x.sum(0), torch.sort(x, dim=0, descending=True)[1], torch.max(x, 0)[0]


@case((3,))
def range_kinds(n: int):
    a = 0
    for i in range(n):
        a += i
    for i in range(1, n):
        a += i * 10
    for i in range(n, -n, -2):
        a += i * 100
    for i in range(0):
        a += 1000000
    return a


@case(([1, 2, 3], 2))
def early_continue(l: List[int], k: int):
    out: List[int] = []
    for x in l:
        if x == k:
            continue
        out.append(x)
    return out


@case((4,))
def modify_while_iterating(n: int):
    l = [1, 2]
    for x in l:
        if len(l) < n:
            l.append(x * 10)
    return l
