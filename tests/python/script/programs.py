# ruff: noqa
# fmt: off
"""Calls, and programs as a whole. head.py stands before it; see test_script_language.py."""
REFUSED = ['for_else', 'while_else', 'walrus', 'lambdas', 'tries']
AS_PYTORCH = ['tensor_list', 'format_tensor_shape']


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
