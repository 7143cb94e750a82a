# ruff: noqa
# fmt: off
"""What raises while it runs. head.py stands before it; see test_script_language.py."""
AS_PYTORCH = ['math_domain', 'math_log_zero', 'math_exp_overflow', 'float_division_by_zero']


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
