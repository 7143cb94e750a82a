"""The rest of torch.jit: files of the user's own in archives, fork and wait, functions scripted while tracing."""

import io
import threading
import types

import pytest
import torch as reference

import rushlight as torch
from rushlight import nn


class Forked(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(2, 2)
        self.names = torch.jit.Attribute(["a", "b"], list[str])

    def forward(self, x):
        future = torch.jit.fork(self.inner, x)
        return torch.jit.wait(future) + len(self.names)


def test_fork_and_wait():
    net = torch.jit.script(Forked())
    x = torch.ones(2)
    assert torch.equal(net(x), net.inner(x) + 2)
    assert torch.equal(torch.jit.wait(torch.jit.fork(net, x)), net(x))


@torch.jit.script_if_tracing
def signed(x):
    if x.sum() > 0:
        return x
    return -x


def test_script_if_tracing():
    assert signed(-torch.ones(2)).tolist() == [1, 1]
    assert torch.jit.trace(lambda x: signed(x) + 1, torch.ones(2))(torch.ones(2)).tolist() == [2, 2]


def test_errors_of_scripts():
    def negative(x):
        raise ValueError("no")

    with pytest.raises(torch.jit.Error, match="no"):
        torch.jit.script(negative)(torch.ones(1))


@pytest.mark.parametrize("place", ["file", "buffer"])
def test_files_of_the_users_own(tmp_path, place):
    where = str(tmp_path / "net.pt") if place == "file" else io.BytesIO()
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), where, _extra_files={"notes.txt": "a b", "raw": b"\x00\xff"})
    for lib in (torch, reference):
        if place == "buffer":
            where.seek(0)
        files = {"notes.txt": "", "raw": "", "none": ""}
        lib.jit.load(where, _extra_files=files, map_location="cpu")
        assert files["notes.txt"] == b"a b"
        assert files["raw"] == b"\x00\xff"


def doubled(x):
    return x * 2


class Calls(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls = self.calls + 1
        return doubled(self.layer(x)) + doubled(x)


def in_threads(work, count=8):
    start, errors = threading.Barrier(count), []

    def run(i):
        start.wait()
        try:
            work(i)
        except BaseException as error:  # for the test to see
            errors.append(error)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert not any(t.is_alive() for t in threads)
    assert not errors, errors[0]


class Assigns(nn.Module):
    def __init__(self):
        super().__init__()
        self.calls = torch.zeros(())
        self.last = torch.jit.Attribute(None, torch.Tensor | None)
        self.sizes = torch.jit.Attribute([0], list[int])
        self.name = "zero"

    def forward(self, x):
        seen = self.last
        if seen is not None:
            assert len(self.sizes) == len(x.shape)
            assert seen.shape == x.shape
        self.sizes = list(x.shape)
        self.last = torch.relu(x) if int(self.calls) % 2 == 0 else None
        self.name = self.name[:4] + "!"
        self.calls = self.calls + 1
        return self.name


def test_threads_assign_attributes_of_one_module():
    net, x = torch.jit.script(Assigns()), torch.ones(2, 3, 4)
    net(x)

    def work(i):
        for _ in range(200):
            assert net(x) == "zero!"
            assert net.sizes == [2, 3, 4]
            last = net.last
            assert last is None or last.shape == x.shape

    in_threads(work)


def test_many_threads_compile_load_and_trace_at_once():
    x = torch.ones(3, 2)
    data = io.BytesIO()
    torch.jit.script(Calls()).save(data)
    for _ in range(10):
        fresh = torch.jit.load(io.BytesIO(data.getvalue()))
        scripted, plain = torch.jit.script(Calls()), Calls()
        wanted = plain(x)
        scripted.load_state_dict(plain.state_dict())
        loaded = torch.jit.load(io.BytesIO(data.getvalue())).state_dict()

        def work(i, fresh=fresh, scripted=scripted, plain=plain, wanted=wanted, loaded=loaded):
            assert torch.allclose(scripted(x), wanted)
            assert torch.equal(fresh.layer.weight, loaded["layer.weight"])
            assert fresh(x).shape == (3, 2)
            assert torch.equal(torch.jit.script(doubled)(x), x * 2)
            assert torch.jit.trace(plain.layer, x)(x).shape == (3, 2)
            assert torch.jit.load(io.BytesIO(data.getvalue()))(x).requires_grad

        in_threads(work)


class Nested(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2, 2))

    def forward(self, x):
        if bool(x.sum() > 0):
            y = (x * 2 + 1).relu()
        else:
            y = x
        torch.add(x, y, out=y)
        return torch.sum(torch.mm(y, self.weight), 0), x.tanh().sigmoid().exp().log1p().cos().sin().sum()


def test_code_is_written_as_expressions():
    net = torch.jit.script(Nested())
    assert net.code.splitlines()[1:] == [
        "    x: Tensor) -> Tuple[Tensor, Tensor]:",
        "  if bool(torch.gt(torch.sum(x), 0)):",
        "    y = torch.relu(torch.add(torch.mul(x, 2), 1))",
        "    y_1 = y",
        "  else:",
        "    y_1 = x",
        "  _0 = torch.add(x, y_1, out=y_1)",
        "  _1 = torch.sum(torch.mm(y_1, self.weight), [0])",
        "  _2 = torch.exp(torch.sigmoid(torch.tanh(x)))",
        "  _3 = torch.sum(torch.sin(torch.cos(torch.log1p(_2))))",
        "  return (_1, _3)",
    ]
    x = torch.rand(2, 2)
    for lib in (torch, reference):
        again = lib.jit.load(io.BytesIO(net.save_to_buffer()))
        given = x if lib is torch else reference.tensor(x.tolist())
        for a, b in zip(again(given), Nested()(x), strict=True):
            assert a.tolist() == pytest.approx(b.tolist())


def test_what_an_expression_does_stays_in_order():
    @torch.jit.script
    def f(xs: list[int], d: dict[str, int]):
        a = [xs.pop(), xs.pop()]
        return a, xs.pop() - xs.pop() * d.pop("k"), xs.pop() > 0 and len(xs) > 1

    m = f._as_module()
    again = torch.jit.load(io.BytesIO(m.save_to_buffer()))
    for g in (f, again):
        assert g([1, 2, 3, 4, 5, 6, 7], {"k": 10}) == ([7, 6], 5 - 40, True)


def test_legacy_constructors_in_scripts():
    @torch.jit.script
    def f(n: int):
        return torch.LongTensor([3]), torch.BoolTensor([[1], [0]]), torch.FloatTensor(n, 2), torch.DoubleTensor()

    made = f(3)
    assert [t.dtype for t in made] == [torch.int64, torch.bool, torch.float32, torch.float64]
    assert made[0].tolist() == [3] and made[1].tolist() == [[True], [False]]
    assert made[2].shape == (3, 2) and made[3].shape == (0,)
    with pytest.raises(RuntimeError, match="not all integers"):
        torch.jit.CompilationUnit("def f():\n  return torch.LongTensor(1, [2])")
    with pytest.raises(RuntimeError, match="data"):
        torch.jit.CompilationUnit("def f():\n  return torch.LongTensor(data=1)")


def test_devices_may_be_texts():
    @torch.jit.script
    def where(x, d: torch.device):
        return x.to(d)

    assert where(torch.ones(1), "meta").device == torch.device("meta")
    with pytest.raises(RuntimeError, match="[Ee]xpected one of cpu, cuda"):
        where(torch.ones(1), "gpu")


def test_sizes_of_layers_as_types():
    from rushlight.nn.common_types import _size_2_t

    def area(size: _size_2_t) -> int:
        return size[0] * size[1]

    f = torch.jit.script(area)
    assert (f(4), f((2, 3)), f([5, 6])) == (16, 6, 30)


def test_functions_of_c_in_scripts():
    from rushlight._C import _get_tracing_state, _infer_size

    @torch.jit.script
    def f(x, y):
        if _get_tracing_state():
            return [0]
        return _infer_size(x.size(), y.size())

    assert f(torch.ones(2, 1), torch.ones(3)) == [2, 3]
    with pytest.raises(RuntimeError, match="broadcast"):
        f(torch.ones(2), torch.ones(3))


def test_an_empty_dict_of_modules_holds_nothing():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.parts = nn.ModuleDict({})

        def forward(self, x):
            return "a" in self.parts, "a" not in self.parts

    assert torch.jit.script(Net())(torch.ones(1)) == (False, True)


def test_functionals_are_scripted_themselves():
    f = torch.jit.script(torch.nn.functional.triplet_margin_loss)
    a, b, c = torch.rand(3, 4, 5)
    assert torch.equal(f(a, b, c, margin=2.0), torch.nn.functional.triplet_margin_loss(a, b, c, margin=2.0))
    assert str(f.schema).startswith(
        "triplet_margin_loss(Tensor anchor, Tensor positive, Tensor negative, Scalar margin=1."
    )
    assert torch.jit.script(torch.relu)(-torch.ones(1)).tolist() == [0]


def test_schemas_have_types_as_objects():
    @torch.jit.script
    def f(a: list[int], b: tuple[torch.Tensor, float], c: dict[str, torch.Tensor] | None = None):
        return a

    types = [a.type for a in f.schema.arguments]
    assert list(map(str, types)) == ["List[int]", "Tuple[Tensor, float]", "Optional[Dict[str, Tensor]]"]
    assert [t.kind() for t in types] == ["ListType", "TupleType", "OptionalType"]
    assert isinstance(types[1].elements()[0], torch._C.TensorType) and f.schema.returns[0].type == types[0]
    schema = torch.ops.aten.conv2d.default._schema
    assert (
        str(schema.arguments[2].type) == "Optional[Tensor]"
        and schema.arguments[3].type.getElementType().kind() == "IntType"
    )
    assert torch._C.TupleType([]).annotation_str == "Tuple[()]"


def test_classes_are_forgotten():
    class Net(nn.Module):
        def forward(self, x):
            return x

    made = []

    def name():
        made.append(torch.jit.script(Net()))
        return made[-1]._c.qualified_name

    first = name()
    assert name() == first
    torch._C._jit_clear_class_registry()
    torch.jit._recursive.concrete_type_store = torch.jit._recursive.ConcreteTypeStore()
    torch.jit._state._clear_class_state()
    assert made[0]._c.qualified_name == first and "mangle" not in name()  # of a class made anew: its name is free again


HOOKS = {
    "only have exactly 2 inputs but it had 3": (
        True,
        lambda: hook_of("self, input: Tuple[Tensor], more: int", "Tensor"),
    ),
    "typed as a Tuple but found type: 'int'": (True, lambda: hook_of("self, input: int", "Tensor")),
    "wrong number of contained types": (True, lambda: hook_of("self, input: Tuple[Tensor, Tensor]", "Tensor")),
    "wrong inner types.*Tuple.int": (True, lambda: hook_of("self, input: Tuple[int]", "Tensor")),
    "returned the wrong type of: 'int'": (True, lambda: hook_of("self, input: Tuple[Tensor]", "int")),
    "exactly 3 inputs but it had 2": (False, lambda: hook_of("self, input: Tuple[Tensor]", "Tensor")),
    "missing a return annotation": (True, lambda: hook_of("self, input: Tuple[Tensor]", "")),
    "wrong type for the output argument": (False, lambda: hook_of("self, input: Tuple[Tensor], output: int", "int")),
}


def hook_of(parameters: str, result: str):
    import linecache

    body = "raise RuntimeError('never called')" if result else "return 1"
    text = f"def hook({parameters}){f' -> {result}' if result else ''}:\n    {body}\n"
    file = f"<hook {parameters} {result}>"
    linecache.cache[file] = (len(text), None, text.splitlines(True), file)
    names = {"Tuple": tuple, "Tensor": torch.Tensor}
    exec(compile(text, file, "exec"), names)
    return names["hook"]


@pytest.mark.parametrize("message", HOOKS)
def test_hooks_that_do_not_fit(message):
    class Net(nn.Module):
        def forward(self, x):
            return x

    net = Net()
    before, hook = HOOKS[message]
    (net.register_forward_pre_hook if before else net.register_forward_hook)(hook())
    with pytest.raises(RuntimeError, match=message):
        torch.jit.script(net)


def test_checks_of_the_next_line():
    from rushlight.testing import FileCheck as check

    check().check("a").check_next("b").run("a\nb")
    for text in ("ab", "a\n\nb"):
        with pytest.raises(RuntimeError, match="FileCheck"):
            check().check("a").check_next("b").run(text)


class Low(nn.Module):
    def forward(self, x):
        return self.high(x) * 2


class High(Low):
    def __init__(self):
        super().__init__()
        self.forward = types.MethodType(Low.forward, self)

    def high(self, x):
        return x + 1

    def forward(self, x):
        raise NotImplementedError


def test_a_forward_that_the_object_has_of_its_own():
    assert torch.jit.script(High())(torch.ones(1)).tolist() == High()(torch.ones(1)).tolist() == [4]


class Exports(nn.Module):
    def __init__(self):
        super().__init__()
        self.n = 3
        self.scale = nn.Parameter(torch.full((1,), 2.0))

    def forward(self, x):
        return x * self.scale

    def twice(self, x: int) -> int:
        return 2 * x

    @torch.jit.export
    def count(self, x: int) -> int:
        return self.n + self.twice(x) + int(self.scale)


def test_a_trace_keeps_exported_methods():
    traced = torch.jit.trace(nn.Sequential(Exports()), torch.ones(1))
    again = torch.jit.load(io.BytesIO(traced.save_to_buffer()))
    for m in (traced, again):
        assert m(torch.ones(1)).tolist() == [2] and getattr(m, "0").count(4) == 13


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((1,), r"Type 'Tuple\[int\]' cannot be traced.*, no 'int'"),
        ((torch.ones(1), None), r"Type 'Tuple\[Tensor, NoneType\]' cannot be traced"),
        (([],), "must have elements"),
        (({},), "must have entries"),
        (([torch.ones(1), (torch.ones(1),)],), "one consistent type, got Tensor and tuple"),
    ],
)
def test_inputs_that_a_trace_can_not_follow(given, message):
    with pytest.raises(RuntimeError, match=message):
        torch.jit.trace(lambda *x: torch.ones(1), given)


def test_self_is_not_assigned_to():
    class Net(nn.Module):
        def forward(self, x):
            for _ in range(2):
                self = x
            return self

    with pytest.raises(RuntimeError, match="Cannot re-assign 'self'"):
        torch.jit.script(Net())
