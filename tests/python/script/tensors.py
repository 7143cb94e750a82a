# ruff: noqa
# fmt: off
"""Unpacking and tensors. head.py stands before it; see test_script_language.py."""


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


@case((torch.ones(2),))
def gradient_wanted(x):
    y = (x * 2).detach().requires_grad_()
    return y.requires_grad, x.clone().requires_grad_(False).requires_grad
