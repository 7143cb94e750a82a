"""__torch_function__, rushlight.overrides and modes: the same programs on PyTorch and here, the same handlers called."""

import copy
import pickle

import pytest
import rushlight.nn.functional as F
import torch

import rushlight as rl


def logging_class(t):
    class Logging(t.Tensor):
        log: list = []

        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            name = t.overrides.resolve_name(func)
            cls.log.append(name and name.replace("torch.functional.", "torch."))
            return super().__torch_function__(func, types, args, kwargs or {})

    return Logging


CALLS = {
    "x + 1": lambda t, x, p: x + 1,
    "1 + x": lambda t, x, p: 1 + x,
    "p + x": lambda t, x, p: p + x,
    "1 - x": lambda t, x, p: 1 - x,
    "p - x": lambda t, x, p: p - x,
    "2 * x": lambda t, x, p: 2 * x,
    "x / 2": lambda t, x, p: x / 2,
    "2 / x": lambda t, x, p: 2 / x,
    "x // 2": lambda t, x, p: x // 2,
    "2 // x": lambda t, x, p: 2 // x,
    "x % 2": lambda t, x, p: x % 2,
    "2 % x": lambda t, x, p: 2 % x,
    "x @ p": lambda t, x, p: x @ p,
    "p @ x": lambda t, x, p: p @ x,
    "2 ** x": lambda t, x, p: 2**x,
    "-x": lambda t, x, p: -x,
    "+x": lambda t, x, p: +x,
    "abs": lambda t, x, p: abs(x),
    "p == x": lambda t, x, p: p == x,
    "x < 1": lambda t, x, p: x < 1,
    "1 < x": lambda t, x, p: 1 < x,
    "~": lambda t, x, p: ~(x > 1),
    "&": lambda t, x, p: (x > 1) & (x > 2),
    "True |": lambda t, x, p: True | (x > 1),
    "<<": lambda t, x, p: x.int() << 1,
    "1 <<": lambda t, x, p: 1 << x.int(),
    "+=": lambda t, x, p: x.__iadd__(1),
    "/=": lambda t, x, p: x.__itruediv__(2),
    "x[0]": lambda t, x, p: x[0],
    "p[mask]": lambda t, x, p: p[x > 0],
    "x[0] = 1": lambda t, x, p: x.__setitem__(0, 1.0),
    "p[0] = x": lambda t, x, p: p.__setitem__(0, x[0]),
    "bool": lambda t, x, p: bool(x[0, 0]),
    "int": lambda t, x, p: int(x[0, 0]),
    "float": lambda t, x, p: float(x[0, 0]),
    "item": lambda t, x, p: x[0, 0].item(),
    "shape": lambda t, x, p: x.shape,
    "dtype": lambda t, x, p: x.dtype,
    "T": lambda t, x, p: x.T,
    "grad": lambda t, x, p: x.grad,
    "requires_grad=": lambda t, x, p: setattr(x, "requires_grad", True),
    "data": lambda t, x, p: x.data,
    "data=": lambda t, x, p: setattr(x, "data", p),
    "is_leaf": lambda t, x, p: x.is_leaf,
    "_base": lambda t, x, p: x._base,
    "size": lambda t, x, p: x.size(),
    "numel": lambda t, x, p: x.numel(),
    "tolist": lambda t, x, p: x.tolist(),
    "to": lambda t, x, p: x.to(t.float64),
    "double": lambda t, x, p: x.double(),
    "detach": lambda t, x, p: x.detach(),
    "requires_grad_": lambda t, x, p: x.requires_grad_(False),
    "new_tensor": lambda t, x, p: x.new_tensor([1.0]),
    "torch.add": lambda t, x, p: t.add(p, x),
    "torch.stack": lambda t, x, p: t.stack([p, x]),
    "F.relu": lambda t, x, p: t.nn.functional.relu(x),
    "F.linear": lambda t, x, p: t.nn.functional.linear(x, p),
    "F.softmax": lambda t, x, p: t.nn.functional.softmax(x, 0),
    "F.gelu": lambda t, x, p: t.nn.functional.gelu(x),
    "F.mse_loss": lambda t, x, p: t.nn.functional.mse_loss(x, p),
    "x.max": lambda t, x, p: x.max(0),
    "torch.max": lambda t, x, p: t.max(x, 0),
    "zeros_like": lambda t, x, p: t.zeros_like(x),
    "equal": lambda t, x, p: t.equal(x, p),
    "where": lambda t, x, p: t.where(p > 0, x, p),
    "out=": lambda t, x, p: t.add(p, p, out=x),
    "isfp": lambda t, x, p: t.is_floating_point(x),
    "len": lambda t, x, p: len(x),
    "split": lambda t, x, p: t.split(x, 1),
    "contains": lambda t, x, p: 1 in x,
    "rand_like": lambda t, x, p: t.rand_like(x).shape,
    "as_subclass": lambda t, x, p: x.as_subclass(t.Tensor),
    "tensor": lambda t, x, p: t.tensor(x).sum(),
    "backward": lambda t, x, p: (x * 2).sum().requires_grad_().backward(),
}


def shown(value):
    if isinstance(value, (rl.Tensor, torch.Tensor)):
        return type(value).__name__, value.double().round(decimals=4).tolist()
    if isinstance(value, (tuple, list)) and not isinstance(value, (rl.Size, torch.Size)):
        return [shown(v) for v in value]
    return str(value)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.filterwarnings("ignore")
def test_handlers_get_the_function_and_results_the_class(name):
    found = []
    for t in (torch, rl):
        cls = logging_class(t)
        x = t.arange(4.0).reshape(2, 2).add(0.5).as_subclass(cls)
        p = t.ones(2, 2)
        result = CALLS[name](t, x, p)
        log = list(cls.log)
        with t._C.DisableTorchFunctionSubclass():
            found.append((shown(result), log))
    assert found[0][0] == found[1][0]
    assert found[0][1] == found[1][1]


class NotImplementedEverywhere(rl.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return NotImplemented


def test_not_implemented_everywhere_is_one_clear_error():
    x = rl.ones(2).as_subclass(NotImplementedEverywhere)
    for name, f in {
        "torch.add": lambda: rl.add(x, 1),
        "torch.Tensor.add": lambda: x.add(1),
        "torch.Tensor.add_": lambda: x.add_(1),
        "torch.Tensor.shape.__get__": lambda: x.shape,
        "torch.Tensor.__getitem__": lambda: x[0],
        "torch.nn.functional.relu": lambda: F.relu(x),
        "torch.cat": lambda: rl.cat([x, x]),
        "torch.Tensor.__bool__": lambda: bool(x),
    }.items():
        with pytest.raises(TypeError, match=f"'{name}'.*returned NotImplemented") as e:
            f()
        assert "NotImplementedEverywhere" in str(e.value)
    with pytest.raises(TypeError, match=r"unsupported operand type\(s\) for \+"):
        x + 1
    assert (x == 1) is False
    assert x.as_subclass(rl.Tensor).tolist() == [1, 1]


def test_unrelated_subclasses():
    class A(rl.Tensor):
        pass

    class B(rl.Tensor):
        pass

    a, b = rl.ones(2).as_subclass(A), rl.ones(2).as_subclass(B)
    with pytest.raises(TypeError, match="unsupported operand"):
        a + b
    with pytest.raises(TypeError, match="Multiple dispatch failed for 'torch.cat'"):
        rl.cat([a, b])


def test_precedence_is_the_most_derived_then_left_to_right():
    order = []

    def make(name, *bases):
        def handler(cls, func, types, args=(), kwargs=None):
            order.append(cls.__name__)
            return NotImplemented

        return type(name, bases, {"__torch_function__": classmethod(handler)})

    base = make("Base", rl.Tensor)
    derived, other = make("Derived", base), make("Other", object)
    x, y, z = rl.ones(1).as_subclass(base), rl.ones(1).as_subclass(derived), other()
    with pytest.raises(TypeError):
        rl.stack([x, z, y, x])
    assert order == ["Derived", "Base", "Other"]


def test_classes_that_are_no_tensors():
    handled = {}

    class Scalar:
        def __init__(self, n, value):
            self.n, self.value = n, value

        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            if func not in handled:
                return NotImplemented
            return handled[func](*args, **(kwargs or {}))

    handled[rl.mean] = lambda input: float(input.value) / input.n
    handled[F.relu] = lambda input, inplace=False: "relu"
    assert rl.mean(Scalar(4, 2)) == 0.5
    assert F.relu(Scalar(1, 1)) == "relu"
    with pytest.raises(TypeError, match="'torch.add'"):
        rl.add(rl.ones(1), Scalar(1, 1))
    with pytest.raises(TypeError, match="unsupported operand"):
        rl.ones(1) + Scalar(1, 1)


def test_modes_see_calls_and_nest():
    class Names(rl.overrides.TorchFunctionMode):
        def __init__(self, log):
            self.log = log

        def __torch_function__(self, func, types, args=(), kwargs=None):
            self.log.append(rl.overrides.resolve_name(func))
            return func(*args, **(kwargs or {}))

    outer, inner = [], []
    with Names(outer), Names(inner):
        x = rl.ones(2) + 1
        F.relu(x)
        _ = x.shape
        assert x[0].item() == 2
    names = ["torch.ones", "torch.Tensor.add", "torch.nn.functional.relu", "torch.Tensor.shape.__get__"]
    assert inner[:4] == names and inner[4:] == ["torch.Tensor.__getitem__", "torch.Tensor.item"]
    # relu's own calls are not for the mode that answered it, but for those around it, as its call is.
    assert outer[:2] == names[:2] and "torch.nn.functional.relu" in outer
    before = len(inner)
    rl.ones(1)
    assert len(inner) == before


def test_modes_that_raise_leave_nothing_behind():
    class Raises(rl.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            raise ValueError("not today")

    class Nothing(rl.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            return NotImplemented

    x = rl.ones(2)
    with Raises():
        for f in (lambda: x + 1, lambda: F.relu(x), lambda: x.shape, lambda: x.sum(), lambda: x[0]):
            with pytest.raises(ValueError, match="not today"):
                f()
    with Nothing(), pytest.raises(TypeError, match="mode object .*Nothing"):
        rl.ones(2)
    assert (x + 1).tolist() == [2, 2]
    with pytest.raises(RuntimeError, match="empty mode stack"):
        Nothing().__exit__(None, None, None)


def test_switching_off():
    class Sub(rl.Tensor):
        pass

    x = rl.ones(2).as_subclass(Sub)
    with rl._C.DisableTorchFunctionSubclass():
        assert type(x + 1) is rl.Tensor
    with rl._C.DisableTorchFunction():
        assert type(rl.add(x, 1)) is rl.Tensor
    assert type(x + 1) is Sub

    class Off(rl.Tensor):
        __torch_function__ = rl._C._disabled_torch_function_impl

    assert type(rl.ones(2).as_subclass(Off) + 1) is rl.Tensor


def test_lists_of_functions():
    functions = rl.overrides.get_overridable_functions()
    assert rl.add in functions[rl] and F.relu in functions[F] and rl.Tensor.add in functions[rl.Tensor]
    dummies = rl.overrides.get_testing_overrides()
    assert dummies[rl.add](1, 2) == -1
    assert dummies[F.relu](1, inplace=True) == -1
    with pytest.raises(TypeError):
        dummies[F.relu]()
    assert rl.overrides.resolve_name(rl.add) == "torch.add"
    assert rl.overrides.resolve_name(rl.Tensor.add) == "torch.Tensor.add"
    assert rl.overrides.is_tensor_method_or_property(rl.Tensor.add)
    assert rl.overrides.is_tensor_method_or_property(rl.Tensor.shape.__get__)
    assert not rl.overrides.is_tensor_method_or_property(rl.add)
    assert rl.is_tensor in rl.overrides.get_ignored_functions()
    assert rl.overrides.is_tensor_like(rl.ones(1)) and not rl.overrides.is_tensor_like(1)


@pytest.mark.parametrize("name", sorted({n for n in dir(F) if callable(getattr(F, n)) and not n.startswith("_")}))
def test_every_function_of_networks_can_be_overridden(name):
    function = getattr(F, name)
    if function in rl.overrides.get_ignored_functions() or isinstance(function, type):
        pytest.skip("takes no tensor")

    class Answers:
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return func

    assert function(Answers()) is function


def test_own_functions():
    def double(x, *, factor=2):
        if rl.overrides.has_torch_function_unary(x):
            return rl.overrides.handle_torch_function(double, (x,), x, factor=factor)
        return x * factor

    @rl.overrides.wrap_torch_function(lambda x: (x,))
    def half(x):
        return x / 2

    class Answers:
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return func.__name__, types, len(args), kwargs

    a = Answers()
    assert double(a, factor=3) == ("double", (Answers,), 1, {"factor": 3})
    assert half(a)[0] == "half"
    assert half(rl.ones(1)).item() == 0.5
    assert rl.overrides.has_torch_function((1, a)) and rl.overrides.has_torch_function_variadic(1, a)
    assert not rl.overrides.has_torch_function((1, rl.ones(1), rl.nn.Parameter(rl.ones(1))))


class Kept(rl.Tensor):
    pass


def test_pickles_and_copies_keep_the_class():
    x = rl.arange(3.0).as_subclass(Kept)
    x.note = "n"
    for y in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x), copy.copy(x)):
        assert type(y) is Kept and y.tolist() == [0, 1, 2] and y.note == "n"


def test_functions_stay_what_they_were():
    import inspect

    assert list(inspect.signature(F.relu).parameters) == ["input", "inplace"]
    assert F.relu.__name__ == "relu" and F.relu.__doc__
    assert pickle.loads(pickle.dumps(F.relu)) is F.relu and copy.deepcopy(F.relu) is F.relu
    assert rl.jit.script(F.relu)(rl.tensor([-1.0, 1.0])).tolist() == [0, 1]


@pytest.mark.parametrize("fw", [rl, torch], ids=["ours", "pytorch"])
def test_a_redispatched_function_passes_the_handlers_by_once(fw):
    calls = []

    class Logged(fw.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args, kwargs=None):
            calls.append(func.__name__)
            return fw.overrides.redispatch_function(func, types, args, kwargs)

    def scaled(a, b):
        if fw.overrides.has_torch_function((a, b)):
            return fw.overrides.handle_torch_function(scaled, (a, b), a, b)
        return a * b + 1

    x = Logged([3.0])
    result = scaled(x, x)
    assert type(result) is fw.Tensor and result.item() == 10
    assert calls == ["scaled", "mul"]
    calls.clear()
    assert "3." in repr(x) and "__repr__" in calls

    class Mode(fw.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args, kwargs=None):
            calls.append(func.__name__)
            with self:
                return fw.overrides.redispatch_function(func, types, args, kwargs)

    calls.clear()
    one = fw.ones(1)
    with Mode():
        scaled(one, one)
    assert calls == ["scaled", "mul", "add"]
