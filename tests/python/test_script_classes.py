"""Script classes at their borders: Python's objects in and out, archives both ways, modules that hold them, functions that stay Python's."""

import io
import subprocess
import sys
from enum import Enum
from typing import Any, NamedTuple

import pytest
import torch as reference

import rushlight as torch
from rushlight import Tensor, nn


@torch.jit.script
class Counter:
    def __init__(self, n: int, name: str):
        self.n = n
        self.name = name
        self.seen: list[Tensor] = []

    def add(self, x: Tensor) -> int:
        self.seen.append(x)
        self.n += 1
        return self.n


class Color(Enum):
    RED = 1
    GREEN = 2


class Row(NamedTuple):
    key: int
    value: Tensor


def saved(module) -> io.BytesIO:
    out = io.BytesIO()
    torch.jit.save(module, out)
    out.seek(0)
    return out


def both(module):
    """The module as an archive, read here and by PyTorch."""
    return torch.jit.load(saved(module)), reference.jit.load(saved(module))


def test_objects_go_in_and_come_out():
    def f(c: Counter, x: Tensor) -> tuple[Counter, list[Counter]]:
        c.add(x)
        return c, [c, Counter(7, "new")]

    given = Counter(1, "a")
    out, many = torch.jit.script(f)(given, torch.ones(1))
    assert type(out) is Counter and (out.n, out.name, len(out.seen)) == (2, "a", 1)
    assert [c.n for c in many] == [2, 7] and given.n == 1  # what goes in is copied
    with pytest.raises(RuntimeError, match="Expected a value of type"):
        torch.jit.script(f)(Color.RED, torch.ones(1))


class Holds(nn.Module):
    def __init__(self):
        super().__init__()
        self.counter = Counter(5, "held")
        self.color = Color.GREEN
        self.colors = [Color.RED, Color.GREEN]

    def forward(self, x: Tensor, c: bool) -> tuple[int, bool, int, str]:
        n = self.counter.add(x)
        other = Color.GREEN if c else Color.RED
        return n, other == self.color, other.value + len(self.colors), self.color.name


def test_modules_hold_objects_and_enums():
    module = torch.jit.script(Holds())
    for loaded, x in zip((module, *both(module)), (torch.ones(1), torch.ones(1), reference.ones(1)), strict=True):
        assert loaded(x, True) == (6, True, 4, "GREEN")
        assert loaded(x, False) == (7, False, 3, "GREEN")


def test_pytorchs_archives_of_classes_and_enums(tmp_path):
    text = f"""
import torch
from enum import Enum
from typing import Any, Dict, NamedTuple  # noqa: UP035
class Color(Enum):
    RED = "r"
    GREEN = "g"
@torch.jit.script
class Tally:
    def __init__(self, n: int):
        self.n = n
    def __add__(self, o: "Tally") -> "Tally":
        return Tally(self.n + o.n)
class M(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.color = Color.GREEN
    def forward(self, n: int):
        c = Tally(n) + Tally(2)
        return c.n, self.color.value, self.color == Color.RED, [k.name for k in Color]
torch.jit.script(M()).save({str(tmp_path / "m.pt")!r})
"""
    program = tmp_path / "program.py"
    program.write_text(text)
    subprocess.run([sys.executable, "-W", "ignore", str(program)], check=True)
    loaded = torch.jit.load(tmp_path / "m.pt")
    assert loaded(3) == (5, "g", False, ["RED", "GREEN"])
    again = saved(loaded)
    assert reference.jit.load(again)(3) == (5, "g", False, ["RED", "GREEN"])


def test_enums_of_archives_are_the_programs_own():
    def f(c: Color, many: list[Color]) -> tuple[Color, bool, int]:
        return Color.GREEN, c == Color.RED, len(many)

    scripted = torch.jit.script(f)
    file = io.BytesIO()
    scripted.save(file)
    again = torch.jit.load(io.BytesIO(file.getvalue()))
    assert again(Color.RED, [Color.RED]) == (Color.GREEN, True, 1)

    class Colour(Enum):
        RED = 1

    with pytest.raises(RuntimeError, match="Expected a value of type"):
        again(Colour.RED, [])


def test_a_scripted_class_is_compiled_whole():
    class Broken:
        def __init__(self):
            self.n = 1

        def wrong(self) -> int:
            return self.n + "a"

    with pytest.raises(RuntimeError, match="Arguments for call are not valid"):
        torch.jit.script(Broken)


def test_named_tuples_come_out_named():
    def f(x: Tensor) -> Row:
        return Row(3, x)

    out = torch.jit.script(f)(torch.ones(1))
    assert out._fields == ("key", "value") and out.key == 3 and type(out).__name__ == "Row"


@torch.jit.interface
class Scales(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        pass


class Twice(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * 2


class Thrice(nn.Module):
    def __init__(self):
        super().__init__()
        self.by = nn.Parameter(torch.tensor(3.0))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.by


class Through(nn.Module):
    scale: Scales

    def __init__(self):
        super().__init__()
        self.scale = Twice()

    def forward(self, x: Tensor) -> Tensor:
        return self.scale.forward(x)


def test_what_has_an_interface_can_be_replaced():
    module = torch.jit.script(Through())
    x = torch.ones(1)
    assert module(x).item() == 2
    module.scale = torch.jit.script(Thrice())
    assert module(x).item() == 3
    mine, theirs = both(module)
    assert mine(x).item() == 3 and theirs(reference.ones(1)).item() == 3
    with pytest.raises(RuntimeError, match="Could not cast attribute 'scale'"):
        module.scale = torch.jit.script(Holds())


@torch.jit.ignore
def outside(x: Tensor, n: int) -> list[int]:
    return [int(v) for v in x.tolist()] + [n]


class Partly(nn.Module):
    def __init__(self):
        super().__init__()
        self.k = 3
        self.weight = nn.Parameter(torch.ones(2))

    @torch.jit.ignore
    def plain(self, x) -> int:
        return eval("self.k + len(x)", {"self": self, "x": x})

    @torch.jit.unused
    def never(self, x: Tensor) -> Tensor:
        return eval("x")

    def forward(self, x: Tensor, bad: bool = False) -> tuple[int, list[int], Tensor]:
        if bad:
            x = self.never(x)
        return self.plain(x), outside(x, 4), x * self.weight


def test_ignored_functions_are_called_as_they_are():
    module = torch.jit.script(Partly())
    n, items, y = module(torch.tensor([5.0, 6.0]))
    assert (n, items) == (5, [5, 6, 4])
    y.sum().backward()
    assert module.weight.grad.tolist() == [5.0, 6.0]
    with pytest.raises(RuntimeError, match="annotated to be ignored and cannot be run"):
        module(torch.ones(2), True)
    with pytest.raises(RuntimeError, match="Could not export Python function call 'plain'"):
        saved(module)


def test_an_ignored_function_of_the_wrong_result_says_so():
    @torch.jit.ignore
    def text(x: Tensor) -> int:
        return "no number"  # type: ignore[return-value]

    def f(x: Tensor):
        return text(x)

    with pytest.raises(RuntimeError, match="'text'.*int"):
        torch.jit.script(f)(torch.ones(1))


class Mine(torch.jit.ScriptModule):
    __constants__ = ["n"]

    def __init__(self, n: int):
        super().__init__()
        self.n = n
        self.weight = nn.Parameter(torch.ones(2))
        self.inner = nn.Linear(2, 2)
        self.define("def doubled(self, x):\n    return x * 2 + self.n")

    @torch.jit.script_method
    def forward(self, x: Tensor) -> Tensor:
        return self.doubled(x) * self.weight + self.inner(x) * 0

    def python(self) -> str:
        return f"n is {self.n}"


def test_subclasses_of_script_module():
    module = Mine(3)
    assert isinstance(module, Mine) and isinstance(module, torch.jit.ScriptModule)
    assert module(torch.ones(2)).tolist() == [5, 5] and module.doubled(torch.ones(1)).item() == 5
    assert module.python() == "n is 3" and len(list(module.parameters())) == 3
    assert both(module)[1](reference.ones(2)).tolist() == [5, 5]
    assert "doubled" in module.code


def test_texts_make_functions():
    base = 10
    unit = torch.jit.CompilationUnit(
        """
        def f(x, n):
            # type: (Tensor, int) -> Tensor
            return x + n + base

        def g(x):
            return f(x, 1) * 2
        """
    )
    assert unit.g(torch.ones(1)).item() == 2 * (12 + base - 10)
    with pytest.raises(AttributeError):
        unit.h  # noqa: B018
    with pytest.raises(RuntimeError, match="undefined value unknown"):
        torch.jit.CompilationUnit("def f(x):\n    return unknown(x)")


def test_functions_are_saved_as_modules():
    @torch.jit.script
    def f(x: Tensor, n: int = 3, names: dict[str, int] | None = None) -> Tensor:
        return x * n

    out = io.BytesIO()
    torch.jit.save(f, out)
    for load, x in ((torch.jit.load, torch.ones(1)), (reference.jit.load, reference.ones(1))):
        out.seek(0)
        assert load(out)(x).item() == 3
    code, constants = f.code_with_constants
    assert code == f.code and constants.const_mapping == {}
    assert "Tensor x, int n" in f.schema


def test_errors_of_classes_name_the_place():
    class Broken:
        def __init__(self, n: int):
            self.n = unknown_name  # noqa: F821

    with pytest.raises(RuntimeError, match=r"undefined value unknown_name[\s\S]*<--- HERE"):
        torch.jit.script(Broken)

    class Child(Counter):  # type: ignore[misc]
        pass

    with pytest.raises(RuntimeError, match="inherit"):
        torch.jit.script(Child)

    class Mixed(Enum):
        A = 1
        B = "b"

    with pytest.raises(RuntimeError, match="Could not unify type list: members must have values of one type"):
        torch.jit.script(Mixed)
    with pytest.raises(RuntimeError, match="consider passing an instance"):
        torch.jit.script(Twice)

    def with_nothing(x: Tensor, c: Any):
        with c:
            return x

    with pytest.raises(RuntimeError, match="__enter__"):
        torch.jit.script(with_nothing)


def doubled(self, args: tuple[Tensor]) -> tuple[Tensor]:
    return (args[0] * 2,)


def counted(self, args: tuple[Tensor], out: Tensor) -> Tensor:
    return out + args[0].numel()


def test_hooks_are_part_of_a_script():
    class Inner(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + 1

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = Inner()
            self.plain = Inner()

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x) * 10 + self.plain(x)

    module = Outer()
    module.inner.register_forward_pre_hook(doubled)
    module.inner.register_forward_hook(counted)
    module.register_forward_hook(counted)
    x = torch.ones(2)
    wanted = module(x).tolist()
    scripted = torch.jit.script(module)
    assert scripted(x).tolist() == wanted == [54, 54]
    mine, theirs = both(scripted)
    assert mine(x).tolist() == wanted and theirs(reference.ones(2)).tolist() == wanted

    class Clash(Inner):
        def doubled(self) -> int:
            return 1

    clash = Clash()
    clash.register_forward_pre_hook(doubled)
    with pytest.raises(RuntimeError, match="Can't define hook: doubled"):
        torch.jit.script(clash)


def test_ignored_methods_are_there_on_the_scripted_module():
    module = torch.jit.script(Partly())
    assert module.plain(torch.ones(4)) == 7


class Gated(torch.jit.ScriptModule):
    def is_open(self):
        return torch.equal(torch.ones(1), torch.ones(1))

    def not_compiled(self):
        return open(__file__)

    @torch.jit.script_method
    def forward(self, x):
        if self.is_open():
            return x + 1
        return x


def test_a_script_method_calls_plain_methods_of_its_class():
    module = Gated()
    assert module(torch.zeros(1)).item() == 1
    assert module.not_compiled().close() is None


class Kind(Enum):
    ONE = 1
    TWO = 2


class Kinds(nn.Module):
    def __init__(self):
        super().__init__()
        self.kind = Kind.TWO

    def forward(self, x, kind: Kind):
        return x * kind.value, self.kind


def test_members_of_enums_go_to_and_from_archives():
    loaded = torch.jit.load(io.BytesIO(torch.jit.script(Kinds()).save_to_buffer()))
    y, kind = loaded(torch.ones(1), Kind.TWO)
    assert y.tolist() == [2]
    assert kind is Kind.TWO

    class Kind2(Enum):
        TWO = 2

    with pytest.raises(RuntimeError, match="Expected a value of type"):
        loaded(torch.ones(1), Kind2.TWO)


def test_what_an_object_gives_is_scripted_in_its_place():
    class Plain(nn.Module):
        def forward(self, x):
            return x + 1

    class Odd(nn.Module):
        def forward(self, x, *more):
            return x + len(more)

        def __prepare_scriptable__(self):
            return Plain()

    class Holder(nn.Module):
        def __init__(self):
            super().__init__()
            self.odd = Odd()

        def forward(self, x):
            return self.odd(x)

    assert torch.jit.script(Holder())(torch.ones(1)).item() == 2
    assert torch.jit.script(Odd())(torch.ones(1)).item() == 2
