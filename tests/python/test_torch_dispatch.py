"""__torch_dispatch__: modes and wrapper classes see operators below autograd, as in PyTorch."""

import pytest
import rushlight.nn.functional as F
import torch
from rushlight.utils._python_dispatch import TorchDispatchMode

import rushlight as rl


def names_mode(t):
    base = torch.utils._python_dispatch.TorchDispatchMode if t is torch else TorchDispatchMode

    class Names(base):
        def __init__(self):
            super().__init__()
            self.log = []

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            self.log.append((str(func), len(args), sorted(kwargs or {})))
            return func(*args, **(kwargs or {}))

    return Names()


PROGRAMS = {
    "add": lambda t, x: x + 1,
    "add alpha": lambda t, x: t.add(x, x, alpha=2),
    "sum": lambda t, x: x.sum(0),
    "relu": lambda t, x: t.nn.functional.relu(x),
    "in place": lambda t, x: x.clone().add_(1),
    "mm": lambda t, x: t.mm(x, x),
    "view": lambda t, x: x.view(4),
    "cat": lambda t, x: t.cat([x, x], 1),
    "gradient": lambda t, x: x.detach().requires_grad_().exp().sum().backward(),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_modes_see_the_operators_that_pytorch_shows(name):
    logs = []
    for t in (torch, rl):
        mode = names_mode(t)
        x = t.ones(2, 2)
        with mode:
            PROGRAMS[name](t, x)
        logs.append(mode.log)
    if name == "gradient":  # the rules differ in detail
        assert [entry[0] for entry in logs[1]][:3] == ["aten.detach.default", "aten.exp.default", "aten.sum.default"]
        return
    assert logs[0] == logs[1]


def wrapper(t):
    class Wrapped(t.Tensor):
        @staticmethod
        def __new__(cls, inner, requires_grad=False):
            return t.Tensor._make_wrapper_subclass(
                cls, inner.shape, dtype=inner.dtype, device=inner.device, requires_grad=requires_grad
            )

        def __init__(self, inner, requires_grad=False):
            self.inner = inner

        def __repr__(self):
            return f"Wrapped({self.inner})"

        @classmethod
        def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
            def unwrap(x):
                if isinstance(x, (list, tuple)):
                    return type(x)(map(unwrap, x))
                return x.inner if isinstance(x, cls) else x

            def wrap(x):
                if isinstance(x, (list, tuple)):
                    return type(x)(map(wrap, x))
                return cls(x) if isinstance(x, t.Tensor) else x

            return wrap(func(*map(unwrap, args), **{k: unwrap(v) for k, v in (kwargs or {}).items()}))

    return Wrapped


WRAPPED = {
    "add": lambda t, x: x + x,
    "number": lambda t, x: 2 * x,
    "matmul": lambda t, x: x @ x.T,
    "linear": lambda t, x: t.nn.functional.linear(x, x),
    "max": lambda t, x: x.max(0).values,
    "split": lambda t, x: x.split(1)[1],
    "index": lambda t, x: x[0],
    "softmax": lambda t, x: x.softmax(0),
    "cat": lambda t, x: t.cat([x, x]),
    "mixed": lambda t, x: t.ones(2, 2) + x,
}


@pytest.mark.parametrize("name", WRAPPED)
def test_wrapper_classes_compute_and_differentiate(name):
    found = []
    for t in (torch, rl):
        cls = wrapper(t)
        inner = t.tensor([[1.0, 2.0], [3.0, 5.0]])
        x = cls(inner, requires_grad=True)
        y = WRAPPED[name](t, x)
        assert type(y) is cls
        y.sum().backward()
        assert type(x.grad) is cls
        values = [round(v, 5) for v in (*y.inner.flatten().tolist(), *x.grad.inner.flatten().tolist())]
        found.append((values, tuple(y.shape), y.requires_grad))
    assert found[0] == found[1]


def test_wrappers_of_wrappers():
    cls = wrapper(rl)
    x = cls(rl.ones(2))

    class Outer(cls):
        pass

    y = Outer(x) + 1
    assert type(y) is Outer and type(y.inner) is cls and y.inner.inner.tolist() == [2, 2]


def test_wrappers_as_parameters():
    cls = wrapper(rl)
    p = rl.nn.Parameter(cls(rl.ones(2, 2)))
    assert type(p) is cls and isinstance(p, rl.nn.Parameter) and p.requires_grad
    F.linear(cls(rl.ones(1, 2)), p).sum().backward()
    assert p.grad.inner.tolist() == [[1, 1], [1, 1]]


def test_memory_that_is_not_there_is_an_error():
    class Empty(rl.Tensor):
        @classmethod
        def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
            return NotImplemented

    x = rl.Tensor._make_wrapper_subclass(Empty, (2, 3))
    with pytest.raises(TypeError, match="__torch_dispatch__ handlers returned NotImplemented"):
        x + 1
    for use in (lambda: x.numpy(), lambda: x.tolist(), lambda: repr(x), lambda: x.data_ptr()):
        with pytest.raises((RuntimeError, TypeError)):
            use()
    with pytest.raises(RuntimeError, match="must define __torch_dispatch__"):
        rl.Tensor._make_wrapper_subclass(type("Plain", (rl.Tensor,), {}), (2,))
    with pytest.raises(RuntimeError, match="negative"):
        rl.Tensor._make_wrapper_subclass(Empty, (-1,))


@pytest.mark.parametrize("rubbish", [1, None, "text", (), object()])
def test_handlers_that_return_rubbish(rubbish):
    class Mode(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            return rubbish

    x = rl.ones(2, 3)
    with Mode():
        with pytest.raises(TypeError, match="must return a Tensor"):
            x + 1
        with pytest.raises(TypeError, match="must return"):
            x.max(0)
    assert (x + 1).sum() == 12


def test_a_wrapper_of_the_wrong_shape_is_what_it_says():
    class Lies(rl.Tensor):
        @classmethod
        def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
            return rl.ones(2)

    x = rl.Tensor._make_wrapper_subclass(Lies, (1000, 1000), requires_grad=True)
    y = x * 2
    assert y.shape == (2,)
    with pytest.raises(RuntimeError):
        y.sum().backward()


def test_modes_that_raise():
    class Mode(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            raise ValueError("no")

    x = rl.ones(2, requires_grad=True)
    with Mode(), pytest.raises(ValueError, match="no"):
        x * 2
    big = rl.ones(200, 200)
    with Mode(), pytest.raises(ValueError, match="no"):
        big + big
    (x * 2).sum().backward()
    assert x.grad.tolist() == [2, 2]


def test_modes_nest_and_a_function_mode_comes_first():
    outer, inner = names_mode(rl), names_mode(rl)
    with outer, inner:
        rl.ones(1) + 1
    assert [n for n, *_ in inner.log] == [n for n, *_ in outer.log] == ["aten.ones.default", "aten.add.Tensor"]
    with pytest.raises(RuntimeError, match="empty mode stack"):
        outer.__exit__(None, None, None)


def test_under_transforms():
    mode = names_mode(rl)
    with mode:
        g = rl.func.grad(lambda x: x.sin().sum())(rl.ones(2))
    assert g.tolist() == rl.ones(2).cos().tolist()
    assert "aten.sin.default" in [n for n, *_ in mode.log]
    mode = names_mode(rl)

    def f(x):
        with mode:
            return x.sin()

    rl.func.vmap(f)(rl.ones(2, 3))
    assert [n for n, *_ in mode.log] == ["aten.sin.default"]


@pytest.mark.parametrize("fw", [rl, torch], ids=["ours", "pytorch"])
def test_super_runs_the_operator_itself(fw):
    called = []

    class Counting(fw.Tensor):
        @staticmethod
        def __new__(cls, value):
            return fw.Tensor._make_subclass(cls, value)

        @classmethod
        def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
            called.append(str(func))
            return super().__torch_dispatch__(func, types, list(args), kwargs)

    x = fw.tensor([1.0, -2.0])
    out = Counting(x) + Counting(x)
    assert type(out) is fw.Tensor and out.tolist() == [2.0, -4.0]
    assert called == ["aten.add.Tensor"]
    assert Counting(x).abs().tolist() == [1.0, 2.0]
    assert Counting(x).detach().tolist() == [1.0, -2.0]
    assert called[1:] == ["aten.abs.default", "aten.detach.default"]
    Counting(x).mul_(2)
    assert x.tolist() == [2.0, -4.0]


def test_super_has_nothing_to_run_on_where_there_is_no_memory():
    class Empty(rl.Tensor):
        @staticmethod
        def __new__(cls, value):
            return rl.Tensor._make_wrapper_subclass(cls, value.shape, dtype=value.dtype)

        @classmethod
        def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
            return super().__torch_dispatch__(func, types, args, kwargs)

    empty = Empty(rl.ones(3))
    for call in (lambda: empty + 1, lambda: empty.detach(), lambda: empty.view(3, 1)):
        with pytest.raises(RuntimeError, match="doesn't have storage"):
            call()


@pytest.mark.parametrize("T", [rl, torch], ids=["rushlight", "torch"])
def test_handlers_call_below_themselves(T):
    no_dispatch = (rl if T is rl else torch).utils._mode_utils.no_dispatch

    class Counted(T.Tensor):
        calls = 0

        @classmethod
        def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
            cls.calls += 1
            with no_dispatch():
                return func(*args, **(kwargs or {}))

    x = T.Tensor._make_subclass(Counted, T.ones(2))
    assert (x + 1).tolist() == [2.0, 2.0] and Counted.calls == 1
    guard = T._C._DisableTorchDispatch()
    assert (x + 1).tolist() == [2.0, 2.0] and Counted.calls == 1
    del guard
    assert (x * 2).tolist() == [2.0, 2.0] and Counted.calls == 2


@pytest.mark.parametrize("lib", [rl, torch], ids=["here", "PyTorch"])
def test_handlers_are_told_of_clamp_with_its_bounds(lib):
    seen = []

    class Mode(lib.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            seen.append((str(func), args[1:]))
            return func(*args, **(kwargs or {}))

    x = lib.tensor([-1.0, 0.5, 2.0])
    with Mode():
        y = x.clamp(0, 1)
    assert seen == [("aten.clamp.default", (0, 1))] and y.tolist() == [0.0, 0.5, 1.0]
