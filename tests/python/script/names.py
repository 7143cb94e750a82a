# ruff: noqa
# fmt: off
"""Names, evaluation and assignment. head.py stands before it; see test_script_language.py."""


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
