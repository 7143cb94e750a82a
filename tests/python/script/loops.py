# ruff: noqa
# fmt: off
"""Loops and how they are left. head.py stands before it; see test_script_language.py."""


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


@case((1,), (2,), (7,))
def returns_from_a_loop_over_a_tuple(n: int):
    out = 0
    for i, name in enumerate(("a", "b", "c")):
        if i == n:
            return name
        if i > n:
            out += 1
    for k in (5, 6):
        if k > n:
            return str(out + k)
    return "none"
