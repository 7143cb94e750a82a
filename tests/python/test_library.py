"""torch.library and torch.ops: operators written in Python, and what can be wrong with them."""

import doctest
import gc
import importlib
import pickle
import threading
import warnings

import pytest
from rushlight.library import Library

import rushlight as torch
from rushlight import Tensor


@pytest.fixture
def lib():
    made = Library("mine", "DEF")
    yield made
    made._destroy()


@pytest.mark.parametrize(
    "name", ["library", "_ops", "_library.custom_ops", "_library.registry", "_library.infer_schema"]
)
def test_examples(name):
    module = importlib.import_module(f"rushlight.{name}")
    result = doctest.testmod(module, extraglobs={"torch": torch}, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0 and result.attempted > 0


# ---- torch.ops ------------------------------------------------------------------------------------------------------------


def test_operators_by_namespace_name_and_overload():
    add = torch.ops.aten.add
    assert str(add) == "aten.add" and repr(add) == "<OpOverloadPacket(op='aten.add')>"
    assert str(add.Tensor) == "aten.add.Tensor" and repr(add.Tensor) == "<OpOverload(op='aten.add', overload='Tensor')>"
    assert "Tensor" in add.overloads() and "out" in add.overloads()
    assert add.Tensor.name() == "aten::add.Tensor" and add.Tensor.namespace == "aten"
    schema = add.Tensor._schema
    assert str(schema) == "aten::add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor"
    assert (schema.name, schema.overload_name) == ("aten::add", "Tensor")
    alpha = schema.arguments[2]
    assert (alpha.name, str(alpha.type), alpha.default_value, alpha.kwarg_only) == ("alpha", "number", 1, True)
    assert torch.ops.aten.add_.Tensor._schema.arguments[0].alias_info.is_write
    assert str(torch.ops.aten.relu.default) == "aten.relu.default"
    assert torch.ops.aten.relu is torch.ops.aten.relu
    assert pickle.loads(pickle.dumps(add.Tensor)) is add.Tensor


def test_operators_are_called_with_the_names_of_their_schema():
    x = torch.ones(2)
    assert torch.ops.aten.add(x, x, alpha=2).tolist() == [3, 3]
    assert torch.ops.aten.add.Tensor(self=x, other=x).tolist() == [2, 2]
    assert torch.ops.aten.add(x, 1).tolist() == [2, 2]
    out = torch.empty(2)
    assert torch.ops.aten.add.out(x, x, out=out) is out and out.tolist() == [2, 2]
    assert type(torch.ops.aten.max.dim(x, 0)) is tuple


@pytest.mark.parametrize(
    "call, text",
    [
        (lambda f: f("a"), "Expected a value of type 'Tensor' for argument 'x' but instead found type 'str'"),
        (lambda f: f(torch.ones(1), 1, 2), r"takes 2 positional argument\(s\) but 3 was/were given"),
        (lambda f: f(torch.ones(1), 1, 2, s=3), r"expected at most 3 argument\(s\) but received 4"),
        (lambda f: f(torch.ones(1), kk=2), "Unknown keyword argument 'kk' for operator 'mine::f'"),
        (lambda f: f(), "missing value for argument 'x'"),
        (lambda f: f(torch.ones(1), x=torch.ones(1)), "multiple values for argument 'x'"),
    ],
)
def test_wrong_calls_name_the_schema(lib, call, text):
    lib.define("f(Tensor x, float k=2., *, int[2] s=1) -> Tensor")
    lib.impl("f", lambda x, k=2.0, *, s=1: x * k, "CPU")
    for f in (torch.ops.mine.f, torch.ops.mine.f.default):
        with pytest.raises(RuntimeError, match=text) as e:
            call(f)
        assert "mine::f(Tensor x, float k=2., *, int[2] s=1) -> Tensor" in str(e.value)


def test_wrong_overloads_are_all_explained():
    with pytest.raises(RuntimeError, match="failed to match any schema") as e:
        torch.ops.aten.add(torch.ones(1), "x")
    assert "aten::add.Tensor(" in str(e.value) and "aten::add.out(" in str(e.value)


def test_unknown_names_tell_what_is_near(lib):
    lib.define("scaled(Tensor x) -> Tensor")
    with pytest.raises(AttributeError, match="'_OpNamespace' 'mine' object has no attribute 'scalde'.*mine::scaled"):
        _ = torch.ops.mine.scalde
    with pytest.raises(AttributeError, match="The underlying op of 'mine.scaled' has no overload name 'out'"):
        _ = torch.ops.mine.scaled.out
    with pytest.raises(AttributeError):
        _ = torch.ops.nothing.here
    assert "scaled" in dir(torch.ops.mine)


# ---- Library ----------------------------------------------------------------------------------------------------------------


def test_a_kernel_is_chosen_by_device():
    fragment = Library("mine", "FRAGMENT")
    fragment.define("where(Tensor x) -> Tensor")
    fragment.impl("where", lambda x: x + 1, "CPU")
    fragment.impl("where", lambda x: torch.empty_like(x), "Meta")
    assert torch.ops.mine.where(torch.zeros(1)).item() == 1
    assert torch.ops.mine.where(torch.zeros(3, device="meta")).device.type == "meta"
    fragment._destroy()


def test_a_kernel_for_backend_select_chooses_for_all_of_them():
    fragment = Library("mine", "FRAGMENT")
    fragment.define("made_on(int n, Device? device=None) -> Tensor")
    fragment.impl("made_on", lambda n, device=None: torch.zeros(n), "CPU")
    fragment.impl("made_on", lambda n, device=None: torch.zeros(n, device=device), "Meta")
    fragment.impl("made_on", lambda n, device=None: torch.ops.mine.made_on(n + 1, device), "BackendSelect")
    assert torch.ops.mine.made_on(2).shape == (3,)
    assert torch.ops.mine.made_on(2, torch.device("meta")).is_meta
    fragment._destroy()


def test_kernels_may_come_before_the_definition():
    kernels = Library("mine", "IMPL", "CPU")
    kernels.impl("late", lambda x: x + 1)
    with pytest.raises(AttributeError):
        _ = torch.ops.mine.late
    definition = Library("mine", "DEF")
    definition.define("late(Tensor x) -> Tensor")
    assert torch.ops.mine.late(torch.ones(1)).item() == 2
    kernels._destroy()
    with pytest.raises(NotImplementedError, match="Could not run 'mine::late' with arguments from the 'CPU' backend"):
        torch.ops.mine.late(torch.ones(1))
    definition._destroy()


def test_meta_tensors_without_a_kernel_for_them(lib):
    lib.define("f(Tensor x) -> Tensor")
    lib.impl("f", lambda x: x * 1, "CPU")
    with pytest.raises(NotImplementedError, match="mine::f: attempted to run this operator with Meta tensors"):
        torch.ops.mine.f(torch.ones(1, device="meta"))


def test_what_a_library_defined_goes_with_it():
    first = Library("mine", "DEF")
    first.define("f(Tensor x) -> Tensor")
    first.impl("f", lambda x: x + 1, "CPU")
    packet, overload = torch.ops.mine.f, torch.ops.mine.f.default
    first._destroy()
    with pytest.raises(AttributeError):
        _ = torch.ops.mine.f
    for gone in (packet, overload):
        with pytest.raises(RuntimeError, match="mine::f.*taken away"):
            gone(torch.ones(1))
    again = Library("mine", "DEF")  # the namespace is free again, and so is the name, with another schema
    again.define("f(Tensor x, int n) -> Tensor")
    again.impl("f", lambda x, n: x + n, "CPU")
    assert torch.ops.mine.f(torch.ones(1), 4).item() == 5
    again._destroy()


def test_a_dropped_library_object_takes_its_operators_along():
    made = Library("mine", "DEF")
    made.define("f(Tensor x) -> Tensor")
    assert hasattr(torch.ops.mine, "f")
    del made
    gc.collect()
    assert not hasattr(torch.ops.mine, "f")


def test_a_library_of_an_existing_operator_replaces_its_kernel_until_it_goes():
    x = torch.tensor([-1.0, 2.0])
    over = Library("aten", "IMPL")
    over.impl("relu", lambda x: x * 10, "CPU")
    assert torch.relu(x).tolist() == [-10, 20] == torch.ops.aten.relu(x).tolist()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        over.impl("relu", lambda x: x * 100, "CPU")
    assert "Overriding a previously registered kernel" in str(seen[0].message)
    assert torch.relu(x).tolist() == [-100, 200]
    over._destroy()
    assert torch.relu(x).tolist() == [0, 2]
    x.requires_grad_()
    torch.relu(x).sum().backward()
    assert x.grad.tolist() == [0, 1]


@pytest.mark.parametrize(
    "act, error, text",
    [
        (lambda lib: lib.define("f(Tensor x -> Tensor"), RuntimeError, "expected"),
        (lambda lib: lib.define("f"), RuntimeError, "expected"),
        (lambda lib: lib.define(""), RuntimeError, "expected"),
        (lambda lib: lib.define("f(" + "(" * 100_000 + ") -> Tensor"), RuntimeError, "schema"),
        (lambda lib: lib.define("f(int[] n=[[1], 2]) -> Tensor"), RuntimeError, "schema"),
        (lambda lib: lib.define("f(int[2147483648] n=0) -> Tensor"), RuntimeError, "schema"),
        (lambda lib: Library("", "DEF"), RuntimeError, "has to be a name"),
        (lambda lib: Library("a::b", "FRAGMENT"), RuntimeError, "has to be a name"),
        (lambda lib: lib.define("other::f(Tensor x) -> Tensor"), RuntimeError, "another namespace"),
        (
            lambda lib: lib.define("f(" + ", ".join(f"Tensor x{i}" for i in range(33)) + ") -> Tensor"),
            RuntimeError,
            "most 32",
        ),
        (
            lambda lib: (lib.define("f(Tensor x) -> Tensor"), lib.define("f(Tensor x, int n) -> Tensor")),
            RuntimeError,
            "multiple times",
        ),
        (lambda lib: lib.impl("f", lambda x: x, "CPUU"), RuntimeError, "could not parse dispatch key: CPUU"),
        (lambda lib: lib.impl("f", 3, "CPU"), TypeError, "callable"),
        (lambda lib: lib.impl(3, lambda x: x, "CPU"), RuntimeError, "name or an OpOverload"),
        (lambda lib: Library("mine", "DEF"), RuntimeError, "Only a single TORCH_LIBRARY"),
        (lambda lib: Library("aten", "DEF"), RuntimeError, "Only a single TORCH_LIBRARY"),
        (lambda lib: Library("prim", "DEF"), ValueError, "reserved"),
        (lambda lib: Library("mine", "XX"), ValueError, "Unsupported kind"),
        (lambda lib: Library("mine", "IMPL").define("g(Tensor x) -> Tensor"), RuntimeError, "TORCH_LIBRARY_IMPL"),
        (lambda lib: Library("mine", "IMPL", "CPU").impl("g", lambda x: x, "Meta"), RuntimeError, "inconsistent"),
        (lambda lib: Library("aten", "FRAGMENT").define("relu(Tensor self) -> Tensor"), RuntimeError, "multiple times"),
    ],
)
def test_registrations_that_can_not_be(lib, act, error, text):
    before = torch._C._op_names()
    with pytest.raises(error, match=text):
        act(lib)
    assert torch._C._op_names() - before <= {"mine::f"}  # the one that a case defines first
    lib.define("works(Tensor x) -> Tensor")
    lib.impl("works", lambda x: x + 1, "CPU")
    assert torch.ops.mine.works(torch.ones(1)).item() == 2


@pytest.mark.parametrize(
    "schema, kernel, text",
    [
        ("f(Tensor x) -> Tensor", lambda x: 3, "returned a value of type int as result 0, expected Tensor"),
        ("f(Tensor x) -> (Tensor, Tensor)", lambda x: x.clone(), "returned Tensor, expected 2 values"),
        ("f(Tensor x) -> (Tensor, Tensor)", lambda x: (x, x, x), "returned 3 values, expected 2 values"),
        ("f(Tensor x) -> ()", lambda x: 5, "expected None"),
        ("f(Tensor x) -> int", lambda x: "a", "returned a value of type str as result 0, expected int"),
        ("f(Tensor x) -> Tensor[]", lambda x: [x, 1], "returned a value of type list as result 0, expected Tensor"),
    ],
)
def test_kernels_that_return_something_else(lib, schema, kernel, text):
    lib.define(schema)
    lib.impl("f", kernel, "CPU")
    with pytest.raises(RuntimeError, match=text) as e:
        torch.ops.mine.f(torch.ones(2))
    assert "mine::f" in str(e.value)


def test_what_a_kernel_raises_reaches_the_caller(lib):
    class Own(Exception):
        pass

    def kernel(x):
        raise Own("boo")

    lib.define("f(Tensor x) -> Tensor")
    lib.impl("f", kernel, "CPU")
    with pytest.raises(Own, match="boo"):
        torch.ops.mine.f(torch.ones(1))
    with pytest.raises(RuntimeError, match="calls_f(.|\n)*boo"):
        torch.jit.script(calls_f)(torch.ones(1))


def calls_f(x: Tensor) -> Tensor:
    return torch.ops.mine.f(x)


def test_kernels_get_what_was_given_and_leave_out_defaults(lib):
    seen = []
    lib.define(
        "f(Tensor? x, int[] n, float[]? d=None, str s='a', ScalarType? t=None, Device? v=None, bool[] b=[], *, Scalar k=1) -> int"
    )
    lib.impl("f", lambda *args, **kwargs: seen.append((args, kwargs)) or 1, "CompositeImplicitAutograd")
    assert torch.ops.mine.f(None, [1, 2]) == 1
    assert seen.pop() == ((None, [1, 2]), {})
    torch.ops.mine.f(None, (1,), [0.5], "b", torch.float64, "cpu", [True], k=2.5)
    assert seen.pop() == ((None, [1], [0.5], "b", torch.float64, torch.device("cpu"), [True]), {"k": 2.5})


def test_results_of_every_kind(lib):
    lib.define("f(Tensor x) -> (Tensor[], int, float, bool, str, int[])")
    lib.impl("f", lambda x: ([x, x], 1, 2.0, True, "s", [1]), "CompositeImplicitAutograd")
    x = torch.ones(1)
    out = torch.ops.mine.f(x)
    assert out[1:] == (1, 2.0, True, "s", [1]) and out[0][0] is x
    lib.define("many(Tensor x) -> (" + ", ".join(["Tensor"] * 20) + ")")
    lib.impl("many", lambda x: [x + i for i in range(20)], "CPU")
    assert [t.item() for t in torch.ops.mine.many(torch.zeros(1))] == list(range(20))
    traced = torch.jit.trace(lambda x: torch.ops.mine.many(x)[19] + 1, torch.zeros(1))
    assert traced(torch.ones(1)).item() == 21


def test_many_arguments(lib):
    lib.define("sum(" + ", ".join(f"Tensor x{i}" for i in range(32)) + ") -> Tensor")
    lib.impl("sum", lambda *xs: sum(xs), "CompositeImplicitAutograd")
    assert torch.ops.mine.sum(*[torch.ones(1)] * 32).item() == 32
    traced = torch.jit.trace(lambda x: torch.ops.mine.sum(*[x] * 32), torch.zeros(1))
    assert traced(torch.ones(1)).item() == 32


def test_a_kernel_may_define_and_destroy_while_it_runs(lib):
    inner = Library("mine", "FRAGMENT")

    def kernel(x, k=3.0):
        lib.define("fresh(Tensor x) -> Tensor")
        inner._destroy()
        return x * k

    inner.define("f(Tensor x, float k=3.) -> Tensor")
    inner.impl("f", kernel, "CPU")
    f = torch.ops.mine.f
    assert f(torch.ones(1)).item() == 3
    with pytest.raises(RuntimeError, match="taken away"):
        f(torch.ones(1))


def test_kernels_that_call_themselves_without_end(lib):
    lib.define("f(Tensor x) -> Tensor")
    lib.impl("f", lambda x: torch.ops.mine.f(x), "CPU")
    with pytest.raises((RecursionError, RuntimeError)):
        torch.ops.mine.f(torch.ones(1))
    lib.define("g(Tensor x) -> Tensor")
    lib.impl("g", torch.ops.mine.g.default.op, "Autograd")
    with pytest.raises(RuntimeError, match="mine::g: its kernel calls itself without end"):
        torch.ops.mine.g(torch.ones(1))


def unused_call(x: Tensor) -> Tensor:
    torch.ops.mine.seen(x)
    torch.ops.mine.plain(x)
    return x + 1


def test_passes_keep_calls_that_may_do_what_the_schema_does_not_say(lib):
    seen = []
    for name, analysis in (("seen", "CONSERVATIVE"), ("plain", "")):
        lib.define(f"{name}(Tensor x) -> Tensor", analysis)
        lib.impl(name, lambda x, name=name: seen.append(name) or x + 1, "CompositeImplicitAutograd")
    assert torch.jit.script(unused_call)(torch.ones(1)).item() == 2
    assert seen.count("seen") == 1


def test_threads_register_and_call_at_once():
    failures = []

    def work(i):
        try:
            for n in range(30):
                own = Library("mine", "FRAGMENT")
                own.define(f"f{i}(Tensor x) -> Tensor")
                own.impl(f"f{i}", lambda x, n=n: x + n, "CPU")
                for _ in range(3):
                    assert getattr(torch.ops.mine, f"f{i}")(torch.ones(1)).item() == 1 + n
                own._destroy()
        except Exception as e:
            failures.append(e)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures


# ---- gradients ----------------------------------------------------------------------------------------------------------------


def test_composites_are_differentiated_by_their_parts(lib):
    lib.define("cube(Tensor x) -> Tensor")
    lib.impl("cube", lambda x: x * x * x, "CompositeImplicitAutograd")
    x = torch.tensor([2.0], requires_grad=True)
    (g,) = torch.autograd.grad(torch.ops.mine.cube(x), x, create_graph=True)
    assert g.item() == 12
    assert torch.autograd.grad(g, x)[0].item() == 12


def test_a_kernel_without_a_gradient_warns_in_backward(lib):
    lib.define("opaque(Tensor x) -> Tensor")
    lib.impl("opaque", lambda x: torch.from_numpy(x.detach().numpy() * 2), "CPU")
    x = torch.ones(2, requires_grad=True)
    y = torch.ops.mine.opaque(x)
    assert y.requires_grad and y.grad_fn.name() == "WarnNotImplemented"
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        y.sum().backward()
    assert "mine::opaque: an autograd kernel was not registered" in str(seen[0].message)
    assert x.grad is None
    assert not torch.ops.mine.opaque(x.detach()).requires_grad


def test_a_kernel_of_differentiable_operators_warns_too(lib):
    lib.define("twice(Tensor x) -> Tensor")
    lib.impl("twice", lambda x: x * 2, "CPU")
    x = torch.ones(2, requires_grad=True)
    with pytest.warns(UserWarning, match="mine::twice: an autograd kernel was not registered"):
        torch.ops.mine.twice(x).sum().backward()
    assert x.grad.tolist() == [2, 2]
    lib.impl("twice", torch.library.fallthrough_kernel, "Autograd")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        torch.ops.mine.twice(x).sum().backward()
    assert x.grad.tolist() == [4, 4]


def test_a_kernel_for_autograd_goes_below_it(lib):
    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            with torch._C._AutoDispatchBelowAutograd():
                return torch.ops.mine.twice(x)

        @staticmethod
        def backward(ctx, g):
            return torch.ops.mine.twice(g)

    lib.define("twice(Tensor x) -> Tensor")
    lib.impl("twice", lambda x: x.detach() * 2, "CPU")
    lib.impl("twice", Twice.apply, "Autograd")
    x = torch.ones(2, requires_grad=True)
    y = torch.ops.mine.twice(x)
    assert y.tolist() == [2, 2] and y.grad_fn.name() == "TwiceBackward"
    (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    assert g.tolist() == [2, 2]


def test_register_autograd_also_for_lists_and_second_derivatives():
    torch.library.define("mine_grad::blend", "(Tensor[] xs, Tensor w, float k=1.) -> Tensor[]")
    needs = []
    torch.library.impl("mine_grad::blend", "cpu", lambda xs, w, k=1.0: [x * w * k for x in xs])

    def setup(ctx, inputs, output):
        xs, w, k = inputs
        needs.append(ctx.needs_input_grad)
        ctx.save_for_backward(*xs, w)
        ctx.k = k

    def backward(ctx, grads):
        needs.append(ctx.needs_input_grad)
        *xs, w = ctx.saved_tensors
        return [g * w * ctx.k for g in grads], sum(g * x * ctx.k for g, x in zip(grads, xs)), None

    torch.library.register_autograd("mine_grad::blend", backward, setup_context=setup)
    xs = [torch.tensor([float(i)], requires_grad=True) for i in (1, 2)]
    w = torch.tensor([3.0], requires_grad=True)
    out = torch.ops.mine_grad.blend(xs, w, 2.0)
    assert [t.item() for t in out] == [6, 12] and type(out) is list
    loss = out[0] ** 2 + out[1]
    grads = torch.autograd.grad(loss, [*xs, w], create_graph=True)
    assert needs == [([True, True], True, False)] * 2
    assert [g.item() for g in grads] == [72, 6, 28]
    assert torch.autograd.grad(grads[0], w)[0].item() == 48  # of 8 x w^2
    with torch.no_grad():
        assert not torch.ops.mine_grad.blend(xs, w)[0].requires_grad


def test_modes_and_classes_of_python_see_custom_ops_below_their_gradient():
    from rushlight.overrides import TorchFunctionMode
    from rushlight.utils._python_dispatch import TorchDispatchMode

    seen = []

    class Dispatch(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            seen.append(func)
            return func(*args, **(kwargs or {}))

    class Function(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            seen.append(func)
            return func(*args, **(kwargs or {}))

    x = torch.tensor([3.0], requires_grad=True)
    with Dispatch():
        y = power(x)
    assert seen == [torch.ops.mine_custom.power.default]
    assert torch.autograd.grad(y, x)[0].item() == 6
    seen.clear()
    with Function():
        torch.ops.mine_custom.power(x)
        power(x)
    assert seen == [torch.ops.mine_custom.power, torch.ops.mine_custom.power.default]


def test_modes_see_the_parts_of_composites_and_the_whole_of_kernels_without_gradient(lib):
    from rushlight.utils._python_dispatch import TorchDispatchMode

    seen = []

    class Dispatch(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            seen.append(str(func))
            return func(*args, **(kwargs or {}))

    lib.define("cube(Tensor x) -> Tensor")
    lib.impl("cube", lambda x: x * x * x, "CompositeImplicitAutograd")
    lib.define("half(Tensor x) -> Tensor")
    lib.impl("half", lambda x: x / 2, "CPU")
    x = torch.tensor([3.0], requires_grad=True)
    with Dispatch():
        y, z = torch.ops.mine.cube(x), torch.ops.mine.half(x)
    assert seen == ["aten.mul.Tensor", "aten.mul.Tensor", "mine.half.default"]
    assert torch.autograd.grad(y, x)[0].item() == 27
    assert z.grad_fn.name() == "WarnNotImplemented"


# ---- custom_op -----------------------------------------------------------------------------------------------------------------


@torch.library.custom_op("mine_custom::power", mutates_args=())
def power(x: Tensor, n: int = 2) -> Tensor:
    return torch.from_numpy(x.detach().numpy() ** n)


@power.register_fake
def _(x, n=2):
    return torch.empty_like(x)


def _setup(ctx, inputs, output):
    ctx.save_for_backward(inputs[0])
    ctx.n = inputs[1]


power.register_autograd(lambda ctx, g: (g * ctx.n * power(ctx.saved_tensors[0], ctx.n - 1), None), setup_context=_setup)


def test_a_custom_op_in_every_way():
    x = torch.tensor([2.0, 3.0], requires_grad=True)
    assert power(x.detach()).tolist() == [4, 9] == torch.ops.mine_custom.power(x.detach()).tolist()
    assert repr(power) == "<CustomOpDef(mine_custom::power)>"
    assert str(power._opoverload._schema) == "mine_custom::power(Tensor x, int n=2) -> Tensor"
    y = power(x, 3)
    assert y.grad_fn.name() == "GeneratedBackwardFor_mine_custom_power_defaultBackward"
    (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    assert g.tolist() == [12, 27]
    assert torch.autograd.grad(g.sum(), x)[0].tolist() == [12, 18]
    assert power(torch.empty(5, device="meta")).shape == (5,)
    assert torch.library.opcheck(power, (x.detach().requires_grad_(),)) == dict.fromkeys(
        ("test_schema", "test_autograd_registration", "test_faketensor", "test_aot_dispatch_dynamic"), "SUCCESS"
    )


class Scripted(torch.nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.ops.mine_custom.power(x, 3) + torch.ops.aten.relu(x)


def test_a_custom_op_is_traced_scripted_saved_and_loaded(tmp_path):
    x = torch.tensor([2.0, 3.0], requires_grad=True)
    f = torch.jit.script(Scripted())
    assert "ops.mine_custom.power(x, 3)" in f.code
    assert "mine_custom::power(" in str(f.graph)
    traced = torch.jit.trace(Scripted(), x.detach())
    assert "mine_custom::power(" in str(traced.graph)
    path = tmp_path / "model.pt"
    for g in (f, traced):
        torch.jit.save(g, path)
        loaded = torch.jit.load(path)
        assert loaded(x).tolist() == [10, 30]
        assert torch.autograd.grad(loaded(x).sum(), x)[0].tolist() == [13, 28]


def test_an_archive_whose_operator_is_missing_names_it(lib, tmp_path):
    lib.define("goes(Tensor x) -> Tensor")
    lib.impl("goes", lambda x: x + 1, "CPU")

    path = tmp_path / "model.pt"
    f = torch.jit.script(CallsGoes())
    torch.jit.save(f, path)
    assert torch.jit.load(path)(torch.ones(1)).item() == 2
    lib._destroy()
    with pytest.raises(RuntimeError, match="Unknown builtin op: mine::goes.*library"):
        torch.jit.load(path)
    with pytest.raises(RuntimeError, match="mine::goes.*taken away"):
        f(torch.ones(1))


class CallsGoes(torch.nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.ops.mine.goes(x)


def test_a_script_with_wrong_arguments_shows_the_schema():
    def wrong(x: Tensor) -> Tensor:
        return torch.ops.mine_custom.power(x, 3, 4)

    with pytest.raises(RuntimeError, match=r"mine_custom::power\(Tensor x, int n=2\) -> Tensor"):
        torch.jit.script(wrong)


def test_the_profiler_shows_custom_ops():
    from rushlight.profiler import profile

    with profile() as p:
        power(torch.ones(2))
        power(torch.ones(2, requires_grad=True))
    assert [e.name for e in p.events()].count("mine_custom::power") == 2


def test_mutating_custom_ops_count_their_writes():
    @torch.library.custom_op("mine_custom::fill", mutates_args={"x"})
    def fill(x: Tensor, v: float) -> None:
        x.detach().numpy()[:] = v

    x = torch.zeros(2)
    fill(x, 7.0)
    assert x.tolist() == [7, 7] and x._version == 1
    assert str(fill._opoverload._schema) == "mine_custom::fill(Tensor(a0!) x, float v) -> ()"
    fill(torch.empty(2, device="meta"), 1.0)
    with pytest.raises(RuntimeError, match="non-functional operator"):
        fill.register_autograd(lambda ctx: None)
    w = torch.ones(2, requires_grad=True)
    held = (w * 1).exp()
    loss = held.sum()
    fill(held, 0.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@pytest.mark.parametrize("kernel", [lambda x: x, lambda x: x.view(-1), lambda x: x[:1]])
def test_results_may_not_alias_arguments(kernel):
    def same(x: Tensor) -> Tensor:
        return kernel(x)

    op = torch.library.custom_op("mine_custom::same", same, mutates_args=())
    with pytest.raises(RuntimeError, match="may not alias any inputs"):
        op(torch.ones(2))


def test_results_may_not_alias_each_other():
    def pair(x: Tensor) -> tuple[Tensor, Tensor]:
        y = x.clone()
        return y, y

    op = torch.library.custom_op("mine_custom::pair", pair, mutates_args=())
    with pytest.raises(RuntimeError, match="may not alias any inputs to this custom operator or other returns"):
        op(torch.ones(2))


def test_what_is_missing_of_a_custom_op_is_said():
    def bare(x: Tensor) -> Tensor:
        return x.clone()

    op = torch.library.custom_op("mine_custom::bare", bare, mutates_args=())
    with pytest.raises(RuntimeError, match="no fake impl registered for <CustomOpDef"):
        op(torch.empty(1, device="meta"))
    y = op(torch.ones(1, requires_grad=True))
    with pytest.raises(
        RuntimeError, match="Trying to backward through mine_custom.bare.default but no autograd formula"
    ):
        y.backward()


@pytest.mark.parametrize(
    "backward, text",
    [
        (lambda ctx, g: (g, g, g), "incorrect number of gradients"),
        (lambda ctx, g: (), "incorrect number of gradients"),
        (lambda ctx, g: (torch.ones(7), None), "invalid gradient at index"),
        (lambda ctx, g: (1, None), "expected Variable or None"),
        (lambda ctx, g: 1 / 0, "division by zero"),
    ],
)
def test_backward_functions_that_are_wrong(backward, text):
    def twice(x: Tensor, n: int = 2) -> Tensor:
        return x * n

    op = torch.library.custom_op("mine_custom::wrong_backward", twice, mutates_args=())
    op.register_autograd(backward)
    y = op(torch.ones(2, requires_grad=True)).sum()
    with pytest.raises((RuntimeError, TypeError, ZeroDivisionError), match=text):
        y.backward()


def _no_hint(x):
    return x


def _complex(x: Tensor, z: complex = 1j) -> Tensor:
    return x


def _star(x: Tensor, *a) -> Tensor:
    return x


def _tuple(x: tuple[int, int]) -> Tensor:
    return torch.ones(x)


def _no_return(x: Tensor):
    return x


def _plain(x: Tensor, n: int = 1) -> Tensor:
    return x


@pytest.mark.parametrize(
    "name, fn, mutates, error, text",
    [
        ("plain", _plain, (), ValueError, "namespace::name"),
        ("m::f", _no_hint, (), ValueError, "Parameter x must have a type annotation"),
        ("m::f", _complex, (), ValueError, "Parameter z has unsupported type"),
        ("m::f", _star, (), ValueError, "varargs"),
        ("m::f", _tuple, (), ValueError, "list instead of the tuple"),
        ("m::f", _no_return, (), ValueError, "No return type annotation"),
        ("m::f", _plain, ("y",), ValueError, "were not found"),
        ("m::f", _plain, ("n",), ValueError, "only Tensors"),
        ("m::f", _plain, "all", ValueError, "unknown"),
    ],
)
def test_functions_that_make_no_operator(name, fn, mutates, error, text):
    with pytest.raises(error, match=text):
        torch.library.custom_op(name, fn, mutates_args=mutates)


def test_schemas_from_type_hints():
    def f(
        a: Tensor,
        b: Tensor | None,
        c: list[Tensor],
        d: "int" = 3,
        e: float | None = None,
        *,
        g: list[float] | None = None,
        h: str = "x",
        i: torch.dtype = torch.float32,
        k: torch.device | None = None,
        m: bool = True,
        n: int | float | bool = 1,
    ) -> tuple[Tensor, list[Tensor], int]: ...

    assert torch.library.infer_schema(f, mutates_args={"a", "c"}, op_name="f") == (
        'f(Tensor(a0!) a, Tensor? b, Tensor(a2!)[] c, SymInt d=3, float? e=None, *, float[]? g=None, str h="x", '
        "ScalarType i=float32, Device? k=None, bool m=True, Scalar n=1) -> (Tensor, Tensor[], SymInt)"
    )
    assert torch.library.infer_schema(_plain, mutates_args="unknown") == "(Tensor(a0!) x, SymInt n=1) -> Tensor"


def test_defining_a_custom_op_again_replaces_it():
    for n in (1, 2):

        def add(x: Tensor) -> Tensor:
            return x + n

        op = torch.library.custom_op("mine_custom::again", add, mutates_args=())
        assert op(torch.zeros(1)).item() == n


def test_register_fake_and_kernel_for_operators_by_name(lib):
    lib.define("rows(Tensor x) -> Tensor")
    torch.library.register_kernel("mine::rows", "cpu", lambda x: x.sum(1), lib=lib)

    @torch.library.register_fake("mine::rows", lib=lib)
    def _(x):
        with pytest.raises(RuntimeError, match="sizes that depend on data"):
            torch.library.get_ctx().new_dynamic_size()
        return x.new_empty(x.shape[0])

    assert torch.library.get_ctx() is None
    assert torch.ops.mine.rows(torch.ones(2, 3)).tolist() == [3, 3]
    assert torch.ops.mine.rows(torch.empty(4, 3, device="meta")).shape == (4,)
    with pytest.raises(RuntimeError, match="already has an DispatchKey::Meta"):
        torch.library.register_fake("mine::rows", lambda x: x, lib=lib)
    with pytest.raises(RuntimeError, match="mine::nope does not exist"):
        torch.library.register_autograd("mine::nope", lambda ctx, g: g)
    with pytest.raises(RuntimeError, match="nodev"):
        torch.library.register_kernel("mine::rows", "nodev", lambda x: x)


def test_opcheck_finds_what_is_wrong(lib):
    lib.define("writes(Tensor x) -> Tensor")
    lib.impl("writes", lambda x: x.add_(1).clone(), "CPU")
    lib.define("shares(Tensor x) -> Tensor")
    lib.impl("shares", lambda x: x.view(-1), "CPU")
    lib.define("shape(Tensor x) -> Tensor")
    lib.impl("shape", lambda x: x.sum(0), "CPU")
    lib.impl("shape", lambda x: x.new_empty(5), "Meta")
    x = torch.ones(2)
    for name, test, text in (
        ("writes", "test_schema", "mutable but was mutated"),
        ("shares", "test_schema", "alias output 0"),
        ("shape", "test_faketensor", "shape of result 0 differs"),
    ):
        with pytest.raises(torch.library.OpCheckError, match=text):
            torch.library.opcheck(getattr(torch.ops.mine, name), (x,), test_utils=test)
    found = torch.library.opcheck(torch.ops.mine.shape, (x,), raise_exception=False)
    assert found["test_schema"] == "SUCCESS" and isinstance(found["test_faketensor"], RuntimeError)
    with pytest.raises(torch.library.OpCheckError, match="none for an Autograd key"):
        torch.library.opcheck(torch.ops.mine.shape, (x.requires_grad_(),), test_utils="test_autograd_registration")
    lib.define("fill(Tensor x, Tensor(a!) out) -> ()")
    lib.impl("fill", lambda x, out: [out.detach().copy_(x.detach()), None][1], "CPU")
    found = torch.library.opcheck(torch.ops.mine.fill, (x, torch.zeros(2, requires_grad=True)))
    assert set(found.values()) == {"SUCCESS"}  # it records nothing, so nothing is missing


def test_operators_with_a_rule_for_autocast(lib):
    lib.define("mixed(Tensor x, Tensor[] more, float by=1.0) -> Tensor")
    seen = []

    def kernel(x, more, by=1.0):
        seen.append([x.dtype, *(t.dtype for t in more)])
        return x * by @ more[0]  # autocast is off in here

    lib.impl("mixed", kernel, "CPU")
    lib.define("made_of(Tensor x) -> Tensor")
    lib.impl("made_of", lambda x: x.sin(), "CompositeImplicitAutograd")
    torch.library.register_autocast("mine::mixed", "cpu", torch.bfloat16, lib=lib)
    torch.library.register_autocast(torch.ops.mine.made_of.default, "cpu", torch.bfloat16, lib=lib)
    x, w, wide = torch.ones(2, 2), torch.ones(2, 2), torch.ones(1, dtype=torch.float64)
    assert torch.ops.mine.mixed(x, [w, wide]).dtype == torch.float32
    with torch.autocast("cpu"):
        assert torch.ops.mine.mixed(x, [w, wide], by=2.0).dtype == torch.bfloat16
        assert torch.ops.mine.made_of(x).dtype == torch.bfloat16
    assert seen == [[torch.float32, torch.float32, torch.float64], [torch.bfloat16, torch.bfloat16, torch.float64]]
    with pytest.raises(ValueError, match="does not support autocast"):
        torch.library.register_autocast("mine::mixed", "meta", torch.bfloat16)
    with pytest.raises(RuntimeError, match="mine::nope does not exist"):
        torch.library.register_autocast("mine::nope", "cpu", torch.bfloat16)


def test_rules_for_modes_and_classes(lib):
    from rushlight.utils._python_dispatch import TorchDispatchMode

    lib.define("more(Tensor x) -> Tensor")
    lib.impl("more", lambda x: x + 1, "CPU")

    class Mode(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            return func(*args, **(kwargs or {})) * 2

    seen = []

    class Wrapped(torch.Tensor):
        @classmethod
        def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
            seen.append(("default", cls, str(func)))
            return torch.zeros(1)

    @torch.library.register_torch_dispatch("mine::more", Mode, lib=lib)
    def rule(mode, func, types, args, kwargs):
        assert isinstance(mode, Mode) and kwargs == {}
        return func(*args) + 10

    @torch.library.register_torch_dispatch("mine::more", Wrapped)
    def of_class(cls, func, types, args, kwargs):
        seen.append(("rule", cls, str(func)))
        return torch.zeros(1)

    x = torch.ones(1)
    with Mode():
        by_rule, by_default = torch.ops.mine.more(x), x + 1
    assert (by_rule.item(), by_default.item()) == (12, 4)
    wrapped = x.as_subclass(Wrapped)
    torch.ops.mine.more(wrapped)
    torch.neg(wrapped)
    assert seen == [("rule", Wrapped, "mine.more.default"), ("default", Wrapped, "aten.neg.default")]
    assert torch.ops.mine.more(x).item() == 2
    with pytest.raises(ValueError, match="no __torch_dispatch__"):
        torch.library.register_torch_dispatch("mine::more", int, rule)


def test_define_keeps_tags_and_has_an_old_form():
    torch.library.define("library_tags::f", "(Tensor x) -> Tensor", tags=torch.Tag.pointwise)
    assert torch.ops.library_tags.f.default.tags == [torch.Tag.pointwise]
    lib = torch.library.Library("library_tags", "FRAGMENT")

    @torch.library.define(lib, "g(Tensor x) -> Tensor")
    def g(x):
        return x + 1

    assert torch.ops.library_tags.g(torch.ones(1)).item() == 2
    torch.library.impl_abstract("library_tags::f", func=lambda x: x.new_empty(3))
    assert torch.ops.library_tags.f(torch.ones(1, device="meta")).shape == (3,)
    assert torch._library.utils.lookup_op("library_tags::g") is torch.ops.library_tags.g.default
    assert torch._C._dispatch_has_kernel_for_dispatch_key("library_tags::f", torch._C.DispatchKey.Meta)
    assert not torch._C._dispatch_has_kernel_for_dispatch_key("library_tags::f", "CPU")


def test_operators_around_triton_kernels():
    @torch.library.triton_op("library_triton::double", mutates_args={})
    def double(x: torch.Tensor) -> torch.Tensor:
        out = torch.empty_like(x)
        torch.library.wrap_triton(lambda a, b: b.copy_(a * 2))(x, out)
        return out

    double.register_autograd(lambda ctx, g: g * 2)
    x = torch.ones(2, requires_grad=True)
    torch.ops.library_triton.double(x).sum().backward()
    assert double(x).tolist() == [2, 2] and x.grad.tolist() == [2, 2]
