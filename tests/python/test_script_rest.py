"""What PyTorch's own tests of scripts ask for: ignored methods, indices, state, settings under torch._C, and errors that point at statements."""

import cmath
import io
from typing import Any

import pytest

import rushlight as torch
from rushlight import Tensor, nn


class Keeps(nn.Module):
    __annotations__ = {"seen": torch.Tensor | None}

    def __init__(self):
        super().__init__()
        self.seen = None
        self.table = {1: "a", "b": 2}  # no type of a script

    @torch.jit.ignore
    def keep(self, x):
        # type: (torch.Tensor) -> int
        self.seen = x + 1
        return len(self.table)

    def forward(self, x: torch.Tensor) -> int:
        return self.keep(x)


def test_an_ignored_method_works_on_the_scripted_module_and_not_on_the_one_it_was_made_from():
    plain = Keeps()
    one, other = torch.jit.script(plain), torch.jit.script(Keeps())
    assert one(torch.zeros(1)) == 2 and one.seen.tolist() == [1]
    assert plain.seen is None and other.seen is None
    assert other(torch.ones(1)) == 2 and other.seen.tolist() == [2] and one.seen.tolist() == [1]
    assert one._c._type() == other._c._type()  # one class for both


def test_a_tuple_of_one_type_and_a_tensor_are_indexed_by_what_is_known_only_while_running():
    def f(x: torch.Tensor, i: int):
        places: list[int] = []
        return (3, 4, 5)[i], x[[i, 0]], x[places].shape, x[[0.0, 1.7]], hash((i, "a")) == hash((1, "a"))

    x = torch.arange(4).reshape(2, 2)
    got = torch.jit.script(f)(x, 1)
    assert got[0] == 4 and got[1].tolist() == [[2, 3], [0, 1]] and got[2] == [0, 2]
    assert got[3].tolist() == [[0, 1], [2, 3]] and got[4]


class Tools(nn.Module):
    @staticmethod
    def twice(x: torch.Tensor) -> torch.Tensor:
        return x * 2

    def __len__(self) -> int:
        return 7

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return Tools.twice(x) + len(self)


def test_static_methods_of_a_modules_class_and_its_length():
    scripted = torch.jit.script(Tools())
    assert scripted(torch.ones(1)).item() == 9 and len(scripted) == 7


class Stored(torch.jit.ScriptModule):
    def __init__(self):
        super().__init__()
        self.register_buffer("b", torch.ones(2))
        self.limit = torch.jit.Attribute(0.5, float)
        assert self.limit > 0  # the value, from here on

    @torch.jit.script_method
    def __getstate__(self):
        return (self.b, self.training)

    @torch.jit.script_method
    def __setstate__(self, state: tuple[torch.Tensor, bool]):
        self.b = state[0] + 10
        self.limit = 0.25
        self.training = state[1]

    @torch.jit.script_method
    def forward(self, x):
        return x + self.b * self.limit


def test_a_script_modules_own_state_is_written_and_read():
    module = Stored()
    assert module(torch.zeros(2)).tolist() == [0.5, 0.5]
    loaded = torch.jit.load(io.BytesIO(module.save_to_buffer()))
    assert loaded.b.tolist() == [11, 11] and module.b.tolist() == [1, 1] and loaded.limit == 0.25


def test_script_objects_have_their_members_by_name():
    scripted = torch.jit.script(nn.Sequential(nn.Linear(2, 3)))
    assert getattr(scripted._c, "0").weight.shape == (3, 2) and scripted._c.forward(torch.ones(1, 2)).shape == (1, 3)
    with pytest.raises(AttributeError, match="does not have a field with name 'nothing'"):
        scripted._c.nothing  # noqa: B018


def test_nothing_is_compiled_while_the_compiler_is_switched_off():
    def f(x):
        return x + 1

    torch.jit._state.disable()
    try:
        assert torch.jit.script(f) is f and torch.jit.trace(f, torch.ones(1)) is f
    finally:
        torch.jit._state.enable()
    assert isinstance(torch.jit.script(f), torch.jit.ScriptFunction)


def test_settings_of_pytorchs_compilers_are_kept_and_read_back():
    c = torch._C
    before = c._jit_set_num_profiled_runs(3)
    assert c._jit_get_num_profiled_runs() == 3 and c._jit_set_num_profiled_runs(before) == 3
    with torch._jit_internal._disable_emit_hooks():
        assert c._jit_get_emit_hooks() == (None, None)
    with c._DisableFuncTorch():
        assert (torch.ones(1) + 1).item() == 2


def test_isinstance_looks_into_containers_of_tensors():
    assert torch.jit.isinstance([torch.ones(2, 2)], list[torch.Tensor])
    assert not torch.jit.isinstance(torch.ones(2, 2), list[torch.Tensor])
    with pytest.raises(RuntimeError, match="must be a type or a tuple of types"):
        torch.jit.isinstance([1], {list[int]})
    assert torch._jit_internal.get_callable_argument_names(lambda x, *, y: x) == ["x"]


def test_what_is_awaited_can_be_looked_at():
    waiting = torch.jit._awaitable(lambda a, b: a + b, torch.ones(1), 2)
    assert waiting.args()[1] == 2 and not waiting.is_nowait() and waiting.fn()(1, 2) == 3
    assert torch.jit._awaitable_wait(waiting).item() == 3 and waiting.shape == (1,)
    ready = torch.jit._awaitable_nowait(5)
    assert ready.is_nowait() and torch.jit._awaitable_wait(ready) == 5 and isinstance(ready, torch._awaits.Await)


class Wrong(nn.Module):
    def forward(self, x: torch.Tensor):
        self.missing = x
        return x


class Odd:
    def __init__(self):
        pass

    def __bool__(self):
        return (1, 2)


def test_errors_underline_the_statement_and_say_what_was_expected():
    with pytest.raises(RuntimeError, match=r"self.missing = x\n\s+~{16} <--- HERE"):
        torch.jit.script(Wrong())

    def cut(x: list[int]):
        del x[1:3]

    with pytest.raises(RuntimeError, match="only support deletion at a single index"):
        torch.jit.script(cut)

    def asks() -> int:
        return 1 if Odd() else 2

    with pytest.raises(RuntimeError, match="expected a bool expression for condition"):
        torch.jit.script(asks)

    def mixes(x: list[int]):
        x.append("a")

    with pytest.raises(RuntimeError, match="Could not match type str to t in argument 'el'"):
        torch.jit.script(mixes)

    def formats(x: str):
        return "%d" % x  # noqa: UP031

    with pytest.raises(RuntimeError, match="%d requires a number for formatting, but got String"):
        torch.jit.script(formats)("a")


def test_a_graph_that_is_made_by_hand_has_all_methods_of_graphs():
    graph = torch._C.Graph()
    x = graph.addInput("x")
    node = graph.appendNode(graph.create("aten::relu", [x]))
    graph.registerOutput(node.output())
    assert [n.kind() for n in graph.nodes()] == ["aten::relu"] and "aten::relu(%x)" in str(graph)


def test_functions_stay_calls_in_graphs():
    @torch.jit.script
    def helper(x):
        return torch.relu(x) + 1

    def caller(x):
        return helper(x) * helper(-x)

    s = torch.jit.script(caller)
    calls = s.graph.findAllNodes("prim::CallFunction")
    assert len(calls) == 2 and 'prim::Constant[name="helper"]()' in str(s.graph)
    assert s.inlined_graph.findNode("prim::CallFunction") is None and "relu" in str(s.inlined_graph)
    assert "torch.relu(" in s.code
    x = torch.tensor([1.0, -2.0])
    assert torch.equal(s(x), caller(x))


def test_complex_mathematics():
    def f(a: complex):
        return cmath.sqrt(a), cmath.phase(a), cmath.exp(a), cmath.rect(2.0, 0.5), cmath.isnan(a), cmath.pi + cmath.infj

    assert all(cmath.isclose(x, y) for x, y in zip(torch.jit.script(f)(1 + 2j)[:5], f(1 + 2j)[:5], strict=True))
    assert torch.jit.script(f)(1j)[5] == f(1j)[5]
    unit = torch.jit.CompilationUnit("def g(a: complex):\n    return cmath.log(a), cmath.isinf(a)\n")
    assert unit.g(1j) == (cmath.log(1j), False)


def test_generators_in_scripts(tmp_path):
    def f(n: int):
        g = torch.Generator()
        g.manual_seed(n)
        other = torch.Generator()
        a = torch.rand(2, generator=g), torch.rand(2, generator=g), torch.rand(2, generator=other)
        return a, g.initial_seed()

    def given(g: torch.Generator):
        return torch.rand(2, generator=g)

    s = torch.jit.script(f)
    s.save(tmp_path / "f.pt")
    wanted, seed = f(5)
    for run in (s, torch.jit.load(tmp_path / "f.pt")):
        (a, b, c), found = run(5)
        assert torch.equal(a, wanted[0]) and torch.equal(b, wanted[1]) and torch.equal(c, wanted[2]) and found == seed
    draw = torch.jit.script(given)(torch.Generator().manual_seed(5))
    assert torch.equal(draw, wanted[0])


def test_units_say_what_is_wrong_when_they_are_made():
    with pytest.raises(RuntimeError, match="Argument y not provided"):
        torch.jit.CompilationUnit("def f(x, y):\n    return x\n\ndef g(x):\n    return f(x)\n")


def test_a_tuple_stands_in_parentheses_in_a_schema():
    def f(x: torch.LongTensor) -> tuple[Tensor, Tensor]:
        return x, x

    assert str(torch.jit.script(f).schema) == "f(Tensor x) -> ((Tensor, Tensor))"


def test_setstate_takes_what_getstate_gives():
    class Kept(torch.jit.ScriptModule):
        def __init__(self):
            super().__init__()
            self.buffer = torch.ones(2)

        @torch.jit.script_method
        def __getstate__(self):
            return self.buffer, 7, self.training

        @torch.jit.script_method
        def __setstate__(self, state):
            self.buffer = state[0] + state[1]
            self.training = state[2]

        @torch.jit.script_method
        def forward(self):
            return self.buffer

    buffer = io.BytesIO()
    torch.jit.save(Kept(), buffer)
    buffer.seek(0)
    assert torch.jit.load(buffer)().tolist() == [8, 8]


def test_divmod_by_zero():
    def f(a: float, b: float):
        return divmod(a, b)

    s = torch.jit.script(f)
    assert s(7.5, 2.0) == divmod(7.5, 2.0)
    with pytest.raises(RuntimeError, match=r"ZeroDivisionError: float divmod\(\)"):
        s(1.0, 0.0)


def branch(n: int):
    if n > 2:
        return n


def annotated(n: int) -> int | None:
    if n > 2:
        return n


def texts(n: int):
    if n > 5:
        return "a"
    elif n > 3:
        n += 1
    else:
        return "b"


def from_loop(n: int):
    while n > 0:
        n -= 1
        if n == 2:
            return "two"


def none_after_loop(n: int):
    for i in range(n):
        if i > 2:
            return i
    return None


def inner_function(n: int):
    def f(x: int):
        if x > 3:
            return x

    return f(n), branch(n)


@pytest.mark.parametrize("f", [branch, annotated, texts, from_loop, none_after_loop, inner_function])
def test_a_function_that_returns_in_some_branches_gives_none_in_others(f):
    s = torch.jit.script(f)
    assert [s(n) for n in range(7)] == [f(n) for n in range(7)]


def test_patterns_in_graphs_are_rewritten():
    def f(x, y, b: bool):
        z = torch.relu(x + y)
        if b:
            z = torch.relu(z + x)
        w = x + y
        return torch.relu(w) * w, z

    s = torch.jit.script(f)
    pattern = """graph(%a, %b):
        %one : int = prim::Constant[value=1]()
        %c = aten::add(%a, %b, %one)
        %r = aten::relu(%c)
        return (%r)"""
    torch._C._jit_pass_custom_pattern_based_rewrite_graph(
        pattern, "graph(%a, %b):\n %r : Tensor = my::add_relu(%b, %a)\n return (%r)", s.graph
    )
    assert len(s.graph.findAllNodes("my::add_relu")) == 2  # not where the sum is used besides
    assert len(s.graph.findAllNodes("aten::relu")) == 1

    net = torch.jit.script(nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)))
    torch._C._jit_pass_custom_pattern_based_rewrite_graph(
        """graph(%self, %x):
        %conv = match::module[name="Conv2d"](%self)
        %y = prim::CallMethod[name="forward"](%conv, %x)
        %bn = match::module[name="BatchNorm2d"](%self)
        %z = prim::CallMethod[name="forward"](%bn, %y)
        return (%z)""",
        "graph(%self, %x):\n %z = my::conv_bn(%self, %x)\n return (%z)",
        net.graph,
    )
    assert net.graph.findNode("my::conv_bn") is not None and net.graph.findNode("prim::CallMethod") is None


def test_a_schema_has_parts():
    def f(x, sizes: torch.jit.annotations.BroadcastingList2[float], n: int | None = None) -> tuple[Tensor, int]:
        return x * sizes[0] + sizes[1], 1 if n is None else n

    s = torch.jit.script(f)
    schema = s.schema
    assert str(schema) == "f(Tensor x, float[2] sizes, int? n=None) -> ((Tensor, int))" and schema.name == "f"
    assert [a.name for a in schema.arguments] == ["x", "sizes", "n"] and schema.arguments[2].default_value is None
    assert schema.arguments[1].N == 2 and len(schema.returns) == 1
    assert s(torch.ones(1), 3.0)[0].tolist() == [6]
    method = torch.jit.script(nn.ReLU()).forward.schema
    assert str(method.arguments[0].type).endswith("ReLU") and str(method.arguments[1].type) == "Tensor"


def test_operators_of_a_module_have_their_overloads():
    assert torch.jit.export_opnames(torch.jit.script(nn.ReLU())) == ["aten::relu"]

    class Sum(nn.Module):
        def forward(self, x):
            return x + 2 * x

    assert torch.jit.export_opnames(torch.jit.script(Sum())) == ["aten::add.Tensor", "aten::mul.Scalar"]


def test_an_ignored_function_may_give_none():
    seen = []

    @torch.jit.ignore
    def note(n: int):
        seen.append(n)

    def f(n: int):
        note(n)
        return n + 1

    assert torch.jit.script(f)(3) == 4 and seen == [3]


def test_scripts_show_tensors_as_pytorch_does(capfd):
    def f(x: Tensor, y: list[Tensor]):
        print(x, 1, y)
        return f"{x.sum()} and {y}"

    x = torch.tensor([0.5, 1.5])
    text = torch.jit.script(f)(x, [torch.ones(1, 2)])
    assert capfd.readouterr().out == " 0.5000\n 1.5000\n[ CPUFloatType{2} ] 1 [ 1  1\n[ CPUFloatType{1,2} ]]\n"
    assert text == "2\n[ CPUFloatType{} ] and [ 1  1\n[ CPUFloatType{1,2} ]]"


def test_loops_over_a_counter_are_written_out():
    def f(n: int, x: float):
        total = 0
        y = x
        for i in range(n):
            if i % 3 == 0:
                total += i * 2
            y = y * 0.5 + x
        for j in range(5):
            total -= j * n
        return total, y

    graph = torch.jit.script(f).graph.copy()
    torch._C._jit_pass_loop_unrolling(graph)
    assert len(graph.findAllNodes("prim::Loop")) == 2  # eight turns at a time, and the rest
    unrolled = torch._C._create_function_from_graph("f", graph)
    for n in (-3, 0, 1, 7, 8, 9, 100):
        assert unrolled(n, 1.5) == f(n, 1.5)


def test_methods_whose_tensor_stands_behind_other_arguments():
    def f(x: Tensor, y: Tensor):
        return x.where(x > 0, y), x.where(condition=x > 0, other=y), x.polygamma(1)

    x, y = torch.tensor([1.0, -1.5]), torch.zeros(2)
    for got, wanted in zip(torch.jit.script(f)(x, y), f(x, y), strict=True):
        assert torch.equal(got, wanted)


def test_isinstance_says_of_a_union_what_its_types_leave():
    def narrowed(x: list[str] | int) -> int:
        if isinstance(x, (int, float, str)):
            x = x + 1
        if isinstance(x, (str, float)):  # none of its types: not compiled
            x = x.nothing
        return 1 if torch.jit.isinstance(x, list[str]) else 2

    f = torch.jit.script(narrowed)
    assert f(["a"]) == 1 and f(3) == 2
    assert "isinstance" not in str(torch.jit.script(always).graph)

    def kept(x: list[int] | None) -> int:
        n = 0
        if isinstance(x, (int, (float,), list, str)):
            n += 1
        if isinstance(x, list):
            n += 1
        return n

    assert torch.jit.script(kept)([3]) == 2 and torch.jit.script(kept)(None) == 0


def always(x: list[int] | int) -> int:
    if isinstance(x, (int, list)):
        return 1
    return x.nothing


def test_a_conditional_expression_is_of_the_type_that_is_wanted():
    def f(n: int) -> Any:
        label: Any = "out" if n > 0 else {}
        return label if n > 1 else 2

    assert torch.jit.script(f)(2) == "out" and torch.jit.script(f)(0) == 2

    def some(n: int) -> int | None:
        return None if n > 0 else n

    assert torch.jit.script(some)(1) is None and torch.jit.script(some)(-1) == -1


def test_what_follows_a_false_assertion_is_not_compiled_and_a_number_is_no_truth():
    def f():
        assert not torch.jit.is_scripting(), "only eager"
        print("hello") + 2

    with pytest.raises(RuntimeError, match="only eager"):
        torch.jit.script(f)()

    def same() -> tuple[bool, bool]:
        one, two, other = 1, 2, 2.0
        return one is True, two is not other

    assert torch.jit.script(same)() == (False, True)


class Defined(torch.jit.ScriptModule):
    def __init__(self, by: int):
        super().__init__()
        self.define(f"def forward(self, x: Tensor):\n    return x * {by}")


def test_each_object_may_define_methods_of_its_own():
    one, two = Defined(2), Defined(3)
    assert one(torch.ones(1)).item() == 2 and two(torch.ones(1)).item() == 3


def test_errors_that_are_raised_are_of_known_classes():
    class OwnError(ValueError):
        pass

    def own(x: int):
        if x > 1:
            raise OwnError("too", "large")
        raise OwnError("mine")

    f = torch.jit.script(own)
    with pytest.raises(RuntimeError, match=r"test_script_rest\.OwnError: mine"):
        f(1)
    with pytest.raises(RuntimeError, match="too, large"):
        f(2)

    def unknown():
        raise ArbitraryError("hi")  # noqa: F821

    with pytest.raises(RuntimeError, match="undefined value ArbitraryError"):
        torch.jit.script(unknown)

    def number():
        raise 3 + 4

    with pytest.raises(RuntimeError, match="must derive from BaseException"):
        torch.jit.script(number)

    def value():
        a = Exception()
        return a

    with pytest.raises(RuntimeError, match="'Exception' cannot be used as a value"):
        torch.jit.script(value)

    def spread():
        d = {"a": 1}
        return {**d}

    with pytest.raises(RuntimeError, match="Dict expansion"):
        torch.jit.script(spread)


def test_classes_say_why_they_lack_an_attribute_and_objects_have_properties():
    class Known:
        shared = 3

        def __init__(self, a: int):
            self.a = a

        @property
        def twice(self) -> int:
            return self.a * 2

    def f():
        return Known(1).shared

    with pytest.raises(RuntimeError, match="'shared' is defined as a class attribute"):
        torch.jit.script(f)
    assert torch.jit.script(Known(4)).twice == 8

    @torch.jit.script
    class Holder:
        def __init__(self, val):
            self.val = val

    class Holding(nn.Module):
        def __init__(self):
            super().__init__()
            self.held = Holder("1")

        def forward(self):
            return self.held.val

    with pytest.raises(RuntimeError, match="Could not cast attribute 'val' to type Tensor"):
        torch.jit.script(Holding())


def test_comments_of_a_class_may_name_what_stands_where_it_is_defined():
    @torch.jit.script
    class First:
        def __init__(self):
            self.n = 1

    @torch.jit.script
    class Second:
        def __init__(self):
            self.n = 2

        def sum(self, other):
            # type: (First) -> int
            return self.n + other.n

    def f() -> int:
        return Second().sum(First())

    assert torch.jit.script(f)() == 3


def test_an_attribute_is_of_the_type_that_its_class_says():
    class Either(nn.Module):
        x: int | str

        def __init__(self):
            super().__init__()
            self.x = 3

        def forward(self, y: int | str):
            self.x = y
            return self.x

    module = torch.jit.script(Either())
    assert module.x == 3 and module("a") == "a" and module.x == "a"


def test_ignore_warns_of_what_it_no_longer_takes():
    with pytest.warns(FutureWarning, match="TorchScript will now drop the function"):
        torch.jit.ignore(drop_on_export=True)
    with pytest.raises(RuntimeError, match="must be a bool or a function"):
        torch.jit.ignore(3)
