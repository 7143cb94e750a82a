"""Parts of TorchScript that few programs have: blocks that stay Python's, local names of types, classes that are not shared."""

import collections
import contextlib
import warnings

import pytest

import rushlight as torch


def test_blocks_that_stay_pythons():
    class Net(torch.nn.Module):
        def forward(self, n: int):
            kept: int = 2
            found: int = 0
            names: list[str] = []
            with torch.jit._IgnoreContextManager(n="inp:int", found="out:int", names="out:List[str]"):
                squares = {i: i * i for i in range(n)}  # no dict of a script is made so
                found = sum(squares.values())
                names = sorted(str(k) for k in squares)
            return found + kept, names

    net = Net()
    scripted = torch.jit.script(net)
    assert scripted(4) == net(4) == (16, ["0", "1", "2", "3"])

    seen = []

    class Told(torch.nn.Module):
        def forward(self, x):
            with torch.jit._IgnoreContextManager(x="inp:Tensor"):
                note(x)
            return x + 1

    def note(x):
        seen.append(x.sum().item())

    globals()["note"] = note
    assert torch.jit.script(Told())(torch.ones(3)).tolist() == [2, 2, 2] and seen == [3]


def test_local_names_of_types():
    number, several = int, list[int]

    @torch.jit.script
    def total(items: several, more: number) -> number:
        return sum(items) + more

    assert total([1, 2], 3) == 6

    class Pair:
        def __init__(self, a: number):
            self.a = a

        def plus(self, b: number) -> number:
            return self.a + b

    @torch.jit.script
    def use(a: int):
        return Pair(a).plus(2)

    assert use(1) == 3


def test_classes_that_are_not_shared():
    from rushlight.jit import _recursive

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = torch.nn.Linear(2, 2)

        def forward(self, x):
            return self.inner(x)

        @torch.jit.export
        def twice(self, x):
            return self.inner(x) * 2

    assert _recursive.infer_methods_to_compile(Net()) == ["forward", "twice"]
    one, two = torch.jit.script(Net()), torch.jit.script(Net())
    apart = _recursive.create_script_module(Net(), _recursive.infer_methods_to_compile, share_types=False)
    assert one._c._type() == two._c._type() != apart._c._type()
    assert one.inner._c._type() == two.inner._c._type() != apart.inner._c._type()
    assert torch.jit.script(Net())._c._type() == one._c._type()
    x = torch.ones(1, 2)
    assert torch.equal(apart.twice(x), apart(x) * 2)


def test_futures_and_awaits_in_graphs():
    @torch.jit.script
    def first(x: list[torch.jit.Future[int]]) -> torch.jit.Future[int]:
        return x[0]

    text = str(first.graph)
    assert "%x : Future[int][]" in text and "Future[int] = aten::__getitem__" in text
    assert "Future[int] = aten::__getitem__" in str(torch._C.parse_ir(text))

    def slow(x):
        return x + 1

    @torch.jit.script
    def wait(x):
        held = torch.jit._awaitable(slow, x)
        assert isinstance(held, torch.jit._Await)
        return torch.jit._awaitable_wait(held)

    assert wait(torch.ones(1)).item() == 2


def test_a_condition_that_is_turned_is_the_condition():
    @torch.jit.script
    def either(x: int):
        return x == 1 or False, x == 2 and True

    torch._C._jit_pass_peephole(either.graph)
    assert "prim::If" not in str(either.graph)
    assert [either(n) for n in (1, 2, 3)] == [(True, False), (False, True), (False, False)]


def test_constants_of_one_element_have_the_dimensions_of_their_type():
    graph = torch._C.parse_ir("""
graph():
  %a : Long(1, strides=[1], requires_grad=0, device=cpu) = prim::Constant[value={7}]()
  %b : Long(1, 1, strides=[1, 1], requires_grad=0, device=cpu) = prim::Constant[value={-3}]()
  %c : Long(requires_grad=0, device=cpu) = prim::Constant[value={5}]()
  %d : (Tensor, Tensor, Tensor) = prim::TupleConstruct(%a, %b, %c)
  return (%d)
""")
    a, b, c = torch._C._create_function_from_graph("constants", graph)()
    assert a.tolist() == [7] and b.tolist() == [[-3]] and c.item() == 5 and c.dim() == 0


def test_operators_under_their_names_without_none():
    x = torch.zeros(4)
    y = torch.ops.aten.index_put.hacked_twin(x, [torch.tensor([1])], torch.tensor([2.0]))
    assert y.tolist() == [0, 2, 0, 0] and torch.ops.aten.index.Tensor_hacked_twin(y, [torch.tensor([1])]).item() == 2


class Doubles(torch.nn.Module):
    def forward(self, x):
        return x * 2


def test_a_module_that_an_interface_does_not_fit_is_named():
    @torch.jit.interface
    class Scales(torch.nn.Module):
        def forward(self, x: torch.Tensor, by: float) -> torch.Tensor:
            pass

    class By(torch.nn.Module):
        def forward(self, x: torch.Tensor, by: float) -> torch.Tensor:
            return x * by

    class Net(torch.nn.Module):
        part: Scales

        def __init__(self):
            super().__init__()
            self.part = By()

        def forward(self, x):
            return self.part.forward(x, 3.0)

    net = torch.jit.script(Net())
    net.part = torch.jit.script(By())
    with pytest.raises(RuntimeError, match="Doubles is not compatible with interface .*Scales: its method 'forward'"):
        net.part = torch.jit.script(Doubles())
    for value in (torch.jit.script([1, 2]), torch.jit.script({"a": 1}), 3, None):
        with pytest.raises(RuntimeError, match="Could not cast attribute 'part'"):
            net._c.setattr("part", value)
    assert net(torch.ones(1)).item() == 3


def test_a_union_of_lists_that_fits_no_elements():
    def mixed(x: int):
        either: list[int] | list[str] = [1.5, 2.5]
        return either

    with pytest.raises(RuntimeError, match="none of those types match the types of the given list elements"):
        torch.jit.script(mixed)


def test_ranges_of_scripts_that_the_profiler_shows(tmp_path):
    @torch.jit.script
    def ranged(x: torch.Tensor, stop: bool):
        with torch.autograd.profiler.record_function("outer range"):
            with torch.profiler.record_function("inner range", "args"):
                y = x + x
            if stop:
                return y
            y = y * 2
        return y

    def names(f, *args):
        with torch.autograd.profiler.profile() as profile:
            f(*args)
        profile.key_averages()
        (outer,) = [e for e in profile.function_events if e.name == "outer range"]
        return outer, [c.name for c in outer.cpu_children]

    ranged.save(str(tmp_path / "ranged.pt"))
    for f in (ranged, torch.jit.load(str(tmp_path / "ranged.pt"))):
        outer, inside = names(f, torch.ones(2), False)
        assert inside == ["inner range", "aten::mul"]
        assert [c.name for c in outer.cpu_children[0].cpu_children] == ["aten::add"]
        assert names(f, torch.ones(2), True)[1] == ["inner range"]
        assert f(torch.ones(2), False).tolist() == [4, 4]


def test_a_range_ends_with_an_error():
    @torch.jit.script
    def fails(x, bad: bool):
        with torch.autograd.profiler.record_function("risky"):
            if bad:
                raise ValueError("no")
        return x + 1

    with torch.autograd.profiler.profile() as profile:
        for bad in (True, True, False):
            with contextlib.suppress(Exception):
                fails(torch.ones(1), bad)
    profile.key_averages()
    found = [(e.name, e.cpu_parent) for e in profile.function_events if e.name in ("risky", "aten::add")]
    assert found == [("risky", None)] * 3 + [("aten::add", None)]


Fields = collections.namedtuple("Fields", ["first", "second"])


def test_named_tuples_without_types_go_in_and_come_out():
    @torch.jit.script
    def same(x):
        # type: (Fields) -> Fields
        return x

    out = same(Fields(torch.ones(1), second=torch.zeros(2)))
    assert type(out).__name__ == "Fields" and out.first.item() == 1 and out.second.tolist() == [0, 0]


def _listed(x):
    return 2 * x


def test_what_is_compiled_is_listed():
    torch.jit.script(_listed)
    unit = torch.jit._state._python_cu
    assert "_listed" in [f.name for f in unit.get_functions()]
    found = [k for k in unit._functions if k.endswith("test_jit_rest._listed")]
    assert unit.find_function(found[0])(torch.ones(1)).item() == 2


def test_a_script_module_becomes_another():
    class Scale(torch.nn.Module):
        def __init__(self, by: float):
            super().__init__()
            self.by = by

        @torch.jit.ignore
        def told(self):
            return "told"

        def forward(self, x):
            return x * self.by

    one, other = torch.jit.script(Scale(2.0)), torch.jit.script(torch.nn.Linear(2, 2))
    one._reconstruct(other._c)
    assert one(torch.ones(2)).tolist() == other(torch.ones(2)).tolist()
    assert one.told() == "told" and one.weight is other.weight


def _warns():
    warnings.warn("said")


def test_warnings_of_scripts_have_their_own_lines():
    @torch.jit.script
    def told(n: int):
        _warns()
        for _ in range(n):
            warnings.warn("said")

    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("default")
        told(3)
        told(2)
    first = _warns.__code__.co_firstlineno + 1
    lines = [w.lineno for w in seen]
    assert {w.filename for w in seen} == {__file__} and len(lines) == 4  # once a run
    assert lines[0] == lines[2] == first and lines[1] == lines[3] > first
