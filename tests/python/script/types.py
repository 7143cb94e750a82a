# ruff: noqa
# fmt: off
"""Branches, and what they tell about types. head.py stands before it; see test_script_language.py."""


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


@case((3,), (1,))
def one_of_several_from_branches(n: int) -> Union[int, str]:
    if n > 2:
        return "big"
    return n


@case((torch.ones(2, 3),), (torch.zeros(1, 1),))
def lists_of_a_tensor(x):
    y: List[List[float]] = x.tolist()
    n: List[int] = x.sum(1).long().tolist()
    b: bool = (x.sum() > 1).tolist()
    return y, n, b
