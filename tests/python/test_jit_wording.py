# ruff: noqa: UP006, UP007, UP035, UP045, F841
"""Errors of scripts have the essential words of PyTorch's, which programs and tests look for; and what a script says goes where Python's own does."""

import collections
import importlib.util
import re
import typing
from typing import Any, Dict, List, NamedTuple, Union

import pytest

import rushlight as torch
from rushlight import Tensor, nn

WORDS = {
    "two types": ("if bool(x.sum() > 0):\n        y = 1\n    else:\n        y = 'a'\n    return y", "set to type int in the true branch and type str"),
    "one branch": ("if bool(x.sum() > 0):\n        y = 1\n    return y", "y is not defined in the false branch"),
    "sum as target": ("x + 1 = x", "unexpected expression"),
    "two targets": ("a, b += x", "can only have one LHS expression"),
    "two stars": ("a, *b, *c = [1, 2, 3]", "Only one starred expression"),
    "a star alone": ("*a, = (1, 2)", "A Starred expression may only appear"),
    "star of a tensor": ("a, *b = torch.neg(x)", "cannot be used as a tuple"),
    "function as tuple": ("a, b = helper", "cannot be used as a tuple"),
    "too few": ("a, b, c = 1, 2", "need 3 values to unpack, found only 2"),
    "too many": ("a, b = 1, 2, 3", "too many values to unpack: need 2 but found 3"),
    "break": ("break", "SyntaxError"),
    "number as list": ("for i in 1.5:\n        pass", "'float' object is not iterable"),
    "number indexed": ("return (8)[1]", "'int' object is not subscriptable"),
    "no such method": ("return x.splork()", "'Tensor' object has no attribute or method 'splork'"),
    "operator as value": ("a = torch.unsqueeze\n    return a + 1", "builtin cannot be used as a value"),
    "attribute of operator": ("return x.unsqueeze.mine", "attribute lookup is not defined on builtin"),
    "argument missing": ("return helper()", "Argument y not provided"),
    "argument of another type": ("return helper('a')", "Expected a value of type 'int' for argument 'y' but instead found type 'str'"),
    "tuple item": ("t = (1, 2)\n    t[0] = 3", "does not support subscripted assignment"),
    "tuple item added to": ("t = (1, 2)\n    t[0] += 3", "does not support augmented assign"),
    "range of nothing": ("for i in range():\n        pass", "range expected at least 1 arguments, got 0"),
    "range of much": ("for i in range(1, 2, 3, 4):\n        pass", "range expected at most 3 arguments, got 4"),
    "list as int": ("a: int = [1]", "Expected an annotation of type List"),
    "list of another type": ("a: List[int] = [1, 'a']", "List type annotation `List\\[int\\]` did not match the types of the given list elements"),
    "keys of another type": ("a: Dict[int, str] = {'a': 'b'}", "Dict type annotation `Dict\\[int, str\\]` did not match the type of an actual key type `str`"),
    "values of another type": ("a: Dict[str, int] = {'a': 'b'}", "actual value type `str`"),
    "keys of two types": ("a: Dict[str, int] = {'a': 1, 2: 2}", "Dicts may only contain homogeneous keys"),
    "dict as union of lists": ("a: Union[List[int], List[str]] = {'a': 1}", "Expected an Union type annotation with an inner Dict type"),
    "empty list of a union": ("a: Union[List[int], List[str]] = []", "multiple possible List type candidates"),
    "bare list": ("a: List = [1]", "Attempted to use List without a contained type"),
    "print's keywords": ("print(1, end='')", "doesn't accept any keyword arguments"),
    "field of another type": ("return Pair('a', 2)", "Expected a value of type 'int' for argument 'a' but instead found type 'str'"),
    "open string": ("print('a)", "expected a valid token"),
    "open bracket": ("a = [1, 2 3]", "expected ] but found '3'"),
    "large number": ("a = 9223372036854775808", "out of range"),
    "item of another type": ("a = dict()\n    a[1] = 2", "Arguments for call are not valid"),
    "dict() of other keys": ("a: Dict[int, str] = dict([('a', 1)])", "Dict type annotation `Dict\\[int, str\\]` did not match the type of an actual key type `str`"),
    "dict() of other values": ("a: Dict[str, str] = dict([('a', 1)])", "an actual value type `int`"),
    "changed in a branch": ("y = 'a'\n    if bool(x.sum() > 0):\n        y = 1\n    return y", "'y' previously had type str but is now being assigned to a value of type int"),
    "choice of two types": ("return 1 if bool(x.sum() > 0) else 'a'", "if-expression's true branch has type int but false branch has type str"),
    "keys of two types, unannotated": ("a = {'a': 1, 2: 2}", "Dicts may only contain homogeneous keys"),
    "__getitem__ of nothing": ("return x.__getitem__()", "expected exactly 1 argument"),
    "no annotation": ("a: nn.Linear = x", "Unknown type annotation: 'nn.Linear'"),
    "Any as tuple": ("a: Any = 1\n    return isinstance(a, tuple)", "is not fully defined/refined"),
}  # fmt: skip


class Pair(NamedTuple):
    a: int
    b: int


def helper(y: int) -> int:
    return y


def compiled(tmp_path, text, name="f"):
    """A function from a file of its own, as a script wants it."""
    file = tmp_path / "made.py"
    file.write_text(text)
    names = {**globals()}
    import linecache

    linecache.checkcache(str(file))
    try:
        exec(compile(text, str(file), "exec"), names)
    except SyntaxError:  # Python itself refuses: a text for a CompilationUnit
        return torch.jit.CompilationUnit(text)
    return torch.jit.script(names[name])


@pytest.mark.parametrize(("body", "words"), WORDS.values(), ids=WORDS.keys())
def test_words(tmp_path, body, words):
    with pytest.raises(RuntimeError, match=words):
        compiled(tmp_path, f"def f(x):\n    {body}\n")


class Plain:
    def __init__(self, v: int):
        self.v = v


class Counted:
    def __init__(self, v: int):
        self.v = v

    def __iadd__(self, other: int) -> "Counted":
        self.v += other
        return self


def test_operators_of_classes():
    def add(x: int):
        a = Plain(x)
        a += 1
        return a.v

    def delete(x: int):
        a = Plain(x)
        del a[0]
        return x

    with pytest.raises(
        RuntimeError, match="Cannot emit inplace op on .*Plain since it does not define an __iadd__ or __add__"
    ):
        torch.jit.script(add)
    with pytest.raises(RuntimeError, match="Class does not define __delitem__"):
        torch.jit.script(delete)


@torch.jit.script
def counts(x: int):
    a = Counted(x)
    a += 2
    return a.v


def test_a_class_adds_in_place():
    assert counts(3) == 5


class MyError(Exception):
    pass


@torch.jit.script
def raises(x: int):
    if x == 0:
        raise MyError("mine")
    return [1, 2][x]


def test_errors_that_a_script_raises_are_those_of_scripts_and_of_their_kind():
    with pytest.raises(torch.jit.Error, match="test_jit_wording.MyError: mine"):
        raises(0)
    with pytest.raises(torch.jit.Error, match="out of range"):
        raises(5)
    with pytest.raises(IndexError, match="out of range"):
        raises(5)


@torch.jit.script
def displays(x: int | None):
    a: dict[str, int | None] = {"a": None, "b": 1}
    b: list[int | str] = [1, "b", 2]
    c: tuple[list[int], dict[str, list[float]]] = ([], {"a": []})
    a["c"] = x
    b.append("c")
    c[0].append(3)
    c[1]["b"] = [1.5]
    return a, b, c


def test_annotations_say_what_a_display_holds():
    assert displays(3) == ({"a": None, "b": 1, "c": 3}, [1, "b", 2, "c"], ([3], {"a": [], "b": [1.5]}))


@torch.jit.script
def united(a: str | int | str, b: int | None | str, c: str | int | None):
    return a


def test_unions_are_one_however_they_are_written():
    text = str(united.graph)
    assert "%a : Union(int, str)" in text and "%b : Union(int, NoneType, str)" in text
    assert "%c : Union(int, NoneType, str)" in text
    assert "a: Union[int, str]" in united.code
    assert str(torch._C.parse_ir(text)) == text
    with pytest.raises(
        RuntimeError, match=r"Expected a member of Union\[int, str\] but instead found type List\[int\]"
    ):
        united([1], 1, 1)


@torch.jit.script
def commented(n):
    # type: (int)
    return n + 1


def test_a_comment_may_leave_out_the_result():
    assert commented(2) == 3


@torch.jit.script
def total(x: list[int]) -> int:
    return sum(x)


def test_what_can_be_gone_through_is_a_list():
    assert [total(v) for v in (range(4), (1, 2), {1: 0, 5: 0}.keys(), {3, 4})] == [6, 3, 6, 7]
    with pytest.raises(RuntimeError, match="List\\[int\\]"):
        total("ab")


@torch.jit.script
def says(x: int):
    print("it is", x, [1.5])


def test_print_goes_where_pythons_does(capsys):
    says(3)
    assert capsys.readouterr().out == "it is 3 [1.5]\n"


class Method(nn.Module):
    def __init__(self):
        super().__init__()
        self.odd = object()

    def forward(self, x: Tensor) -> Tensor:
        """It adds one."""
        return x + 1


def test_methods_are_looked_at_as_functions_are():
    for module in (torch.jit.script(Method()), torch.jit.trace(Method(), torch.ones(2))):
        assert "aten::add" in str(module.forward.graph) and module.forward.schema.startswith("forward(")
        assert module.forward(torch.ones(1)).item() == 2 and "def forward" in module.forward.code
        with pytest.raises(AttributeError, match="has no attribute 'wrong'"):
            module.forward.wrong  # noqa: B018


class Uses(Method):
    def forward(self, x: Tensor) -> Tensor:
        return x + self.odd


def test_an_attribute_that_is_none_of_a_script_says_why():
    with pytest.raises(
        RuntimeError, match="(?s)Module 'Uses' has no attribute 'odd'.*failed to convert Python type: 'object'"
    ):
        torch.jit.script(Uses())


@torch.jit.script
def ordered(x: int):
    d = collections.OrderedDict()
    return x


def test_an_ordered_dict_is_a_dict():
    assert ordered(1) == 1


def test_names_of_tools():
    internal = torch._jit_internal
    assert internal.get_callable_argument_names(lambda a, b=1: a) == ["a", "b"]
    assert (
        internal.get_callable_argument_names(lambda *a: a) == [] == internal.get_callable_argument_names(lambda *, a: a)
    )
    assert internal.is_optional(typing.Optional[int]) and not internal.is_optional(Union[int, str])
    with pytest.warns(UserWarning, match="inner type of a container is lost"):
        assert torch.jit.isinstance([], List[int])
    with pytest.raises(RuntimeError, match="Attempted to use Dict without contained types"):
        torch.jit.isinstance({"a": 1}, Dict)
    torch._C._jit_assert_is_instance([1, 2], torch._C.ListType(torch._C.IntType.get()))
    with pytest.raises(RuntimeError, match="expected a value of type int"):
        torch._C._jit_assert_is_instance("a", torch._C.IntType.get())
    frozen = torch._C._freeze_module(torch.jit.script(Method().eval())._c)
    assert "aten::add" in str(frozen._get_method("forward").graph)
    tied = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])
    tied[1].weight = tied[0].weight
    assert list(torch.jit._unique_state_dict(tied)) == ["0.weight", "0.bias", "1.bias"]
    assert issubclass(RuntimeError, torch.jit.frontend.NotSupportedError) and Any


MISTAKES = {
    "tensor as dim": ("def f(x, dim):\n    return x.sum(dim)", "Inferred the value for argument 'dim' to be of type 'Tensor'"),
    "one branch only": ("def f(n: int):\n    if 1 == 1:\n        c = 1\n    return c", "not defined in the false branch"),
    "mutable default": ("def f(x: Tuple[int, List[int]] = (1, [])):\n    return x", "Mutable default parameters"),
    "keyword only": ("def g(x, *, y):\n    return x\ndef f(x):\n    return g(x, x)", "Argument y not provided"),
    "keywords": ("def f(x):\n    return g(**x)", "keyword-arg expansion is not supported"),
    "getattr of a tuple": ("def f(x: Tuple[str, int]):\n    return getattr(x, 'a', 2)", "but got a normal Tuple"),
    "tuple of a list": ("def f(x: List[int]):\n    return tuple(x)", "cannot statically infer the expected size"),
    "range of a float": ("def f():\n    for i in range(0.5):\n        pass", "found float"),
    "default that is a tensor": ("class P(NamedTuple):\n    x: Tensor = torch.ones(2)\ndef f(p: P):\n    return P(p.x)", "Tensors are not supported as default"),
}  # fmt: skip


def from_text(tmp_path, text):
    path = tmp_path / "mistake.py"
    path.write_text("from typing import *\nfrom rushlight import Tensor\nimport rushlight as torch\n" + text)
    spec = importlib.util.spec_from_file_location("mistake", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return torch.jit.script(module.f)


@pytest.mark.parametrize("what", MISTAKES)
def test_what_pytorch_refuses_is_refused(tmp_path, what):
    text, message = MISTAKES[what]
    with pytest.raises(RuntimeError, match=re.escape(message)):
        from_text(tmp_path, text)


def test_python_s_errors_of_numbers_and_formats(tmp_path):
    power = from_text(tmp_path, "def f(a: int, b: int):\n    return a ** b")
    assert power(2, -1) == 0.5
    with pytest.raises(RuntimeError, match="raised to a negative power"):
        power(0, -2)
    character = from_text(tmp_path, "def f(s: str):\n    return '%c' % s")
    assert character("\u00e9") == "\u00e9"
    with pytest.raises(RuntimeError, match="%c requires an int or char"):
        character("two")


def test_constants_that_are_none_are_refused():
    class Holds(torch.nn.Module):
        __constants__ = ("kept",)

        def __init__(self, kept):
            super().__init__()
            self.kept = kept

        def forward(self, x):
            return x

    assert torch.jit.script(Holds((1, "a", torch.float32)))(torch.ones(1)).tolist() == [1]
    with pytest.raises(TypeError, match=r"'dict' object in attribute 'Holds.kept' is not a valid constant"):
        torch.jit.script(Holds((3, [{}])))


def test_an_overloads_declaration_has_no_body():
    with pytest.raises(RuntimeError, match="Only `pass` statement or `...` can be the body"):

        @torch.jit._overload
        def twice(x: int) -> int:
            return 2 * x


class Parted(nn.Module):
    def part(self, n: int) -> int:
        return n

    def forward(self, x: Tensor):
        return self.part(x.shape)


def test_a_call_that_does_not_fit_shows_what_is_called_and_how_to_say_that_nothing_is_none():
    with pytest.raises(RuntimeError, match=r"part\(.*Parted self, int n\) -> int: Expected a value of type 'int' for"):
        torch.jit.script(Parted())

    def g(n: Union[int, None]):
        return n + 1

    with pytest.raises(
        RuntimeError, match=r"Hint: a value of type 'Optional\[int\]' may be None.*assert n is not None"
    ):
        torch.jit.script(g)


def test_a_display_of_two_types_holds_their_union():
    def total(x: int):
        for i in [1, "a", 2]:
            if isinstance(i, int):
                x += i
        return x, {"a": 1, "b": "c"}

    with pytest.warns(UserWarning, match=r"heterogeneous types.* Union\[int, str\]"):
        scripted = torch.jit.script(total)
    assert scripted(3) == total(3) == (6, {"a": 1, "b": "c"})


def test_getitem_by_its_name():
    @torch.jit.script
    def items(x, d: Dict[str, int], numbers: List[int], t: typing.Tuple[int, str]):
        return x.__getitem__(0), d.__getitem__("a"), numbers.__getitem__(1), t.__getitem__(1)

    assert items(torch.ones(2), {"a": 1}, [2, 3], (4, "b")) == (torch.tensor(1.0), 1, 3, "b")


Untyped = collections.namedtuple("Untyped", ["first", "second"])


def test_a_named_tuple_given_is_one_given_back():
    @torch.jit.script
    def same(x):
        # type: (Untyped) -> Untyped
        return x

    @torch.jit.script
    def listed(x: List[Pair]):
        return x

    assert same(Untyped(torch.ones(1), torch.zeros(2))).second.shape == (2,)
    assert [p.b for p in listed([Pair(1, 2), Pair(3, 4)])] == [2, 4]


@torch.jit.interface
class Doubles(nn.Module):
    def double(self, x: Tensor) -> Tensor:
        pass


@torch.jit.script
class NoModule:
    def double(self, x: Tensor) -> Tensor:
        return 2 * x


def test_what_keeps_an_argument_from_an_interface():
    @torch.jit.script
    def take(x: Doubles, y: Tensor):
        return x.double(y)

    class Other(nn.Module):
        def forward(self, x):
            return x

    with pytest.raises(RuntimeError, match="only a ScriptModule class can be subtype of module interface"):
        take(NoModule(), torch.ones(1))
    with pytest.raises(RuntimeError, match="is not compatible with interface .*Doubles: it has no method 'double'"):
        take(torch.jit.script(Other()), torch.ones(1))
