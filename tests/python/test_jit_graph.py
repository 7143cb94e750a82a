"""Graphs as Python objects: walking through them, changing them, PyTorch's passes by name."""

import enum
import gc
import typing

import pytest

import rushlight as torch


def scaled(x, n: int):
    y = x * 2
    if n > 0:
        y = y.relu()
    return y + 0


def test_nodes_values_and_types():
    graph = torch.jit.script(scaled).graph
    kinds = [n.kind() for n in graph.nodes()]
    assert "aten::mul" in kinds and "prim::If" in kinds and "aten::relu" not in kinds
    assert [v.debugName() for v in graph.inputs()] == ["x", "n"]
    assert [str(v.type()) for v in graph.inputs()] == ["Tensor", "int"]
    assert isinstance(next(graph.inputs()).type(), torch._C.TensorType)
    mul = graph.findNode("aten::mul")
    assert mul.inputsAt(0) == next(graph.inputs()) and mul.inputsSize() == 2 and mul.outputsSize() == 1
    assert mul.inputsAt(1).toIValue() == 2 and mul.inputsAt(1).node().i("value") == 2
    assert mul.schema().startswith("aten::mul") and "test_jit_graph.py" in mul.sourceRange()
    assert graph.findNode("aten::relu").kind() == "aten::relu"
    assert graph.findNode("aten::relu", recurse=False) is None
    assert len(graph.findAllNodes("prim::Constant")) == kinds.count("prim::Constant")
    branch = graph.findNode("prim::If")
    assert [len(list(b.nodes())) for b in branch.blocks()] == [1, 0]
    user = next(iter(mul.output().uses())).user
    assert user in list(graph.nodes()) + [n for b in branch.blocks() for n in [*b.nodes(), b.returnNode()]]
    with pytest.raises(RuntimeError, match="expected one input"):
        mul.input()


def test_a_graph_outlives_its_module():
    graph = torch.jit.script(torch.nn.Sequential(torch.nn.Linear(2, 2))).inlined_graph
    gc.collect()
    assert "aten::linear" in str(graph) and "Linear" in str(graph.findNode("prim::GetAttr").output().type())


def test_building_and_running_a_graph():
    graph = torch._C.Graph()
    x = graph.addInput("x")
    node = graph.insertNode(graph.create("aten::neg", [x]))
    graph.registerOutput(node.output())
    graph.lint()
    f = torch._C._create_function_from_graph("negated", graph)
    assert f(torch.tensor([1.0, -2.0])).tolist() == [-1.0, 2.0]
    assert str(torch._C.parse_ir(str(graph))) == str(graph)
    other = torch._C.Graph()
    with pytest.raises(RuntimeError, match="another graph"):
        other.create("aten::neg", [x])
    with pytest.raises(RuntimeError, match="has uses"):
        node.destroy()
    with pytest.raises(IndexError, match="out of range"):
        node.replaceInput(4, x)


def test_what_changes_a_graph_is_checked_again():
    """A node keeps no operator that its inputs no longer fit."""
    graph = torch._C.parse_ir("graph(%x : Tensor, %y : Tensor):\n  %z : Tensor = aten::mul(%x, %y)\n  return (%z)")
    graph.findNode("aten::mul").removeInput(1)
    with pytest.raises(RuntimeError, match="nothing runs the operator aten::mul"):
        torch._C._create_function_from_graph("f", graph)(torch.ones(1), torch.ones(1))
    graph = torch._C.parse_ir("graph(%x : Tensor):\n  %z : Tensor = aten::neg(%x)\n  return (%z)")
    next(graph.inputs()).setType(torch._C.StringType.get())
    with pytest.raises(RuntimeError, match="nothing runs the operator aten::neg"):
        torch._C._create_function_from_graph("f", graph)("x")


@pytest.mark.parametrize(
    "text",
    [
        "graph(%c : bool):\n  %z : int = prim::If(%c)\n  return (%z)",
        "graph(%c : bool):\n  %z : int = prim::If(%c)\n    block0():\n      -> ()\n    block1():\n      -> ()\n  return (%z)",
        "graph(%c : bool):\n   = prim::Loop(%c)\n  return (%c)",
        "graph(%c : Tensor):\n  %z : int = prim::TupleIndex(%c)\n  return (%z)",
        "graph(%c : Tensor):\n  %z : int = prim::ListConstruct(%c)\n  return (%z)",
        "graph(%c : Tensor):\n  %z : int = prim::GetAttr(%c)\n  return (%z)",
        "graph():\n   = prim::RaiseException()\n  return ()",
        "graph():\n  %z : Tensor = prim::unchecked_cast()\n  return (%z)",
        "graph():\n  %z : bool = prim::isinstance()\n  return (%z)",
        "graph():\n  %z : Tensor = prim::CallMethod()\n  return (%z)",
        'graph(%m : __torch__.M):\n  %z : Tensor = prim::CallMethod[e="forward"](%m)\n  return (%z)',
        "graph():\n  %z : str = aten::format()\n  return (%z)",
    ],
)
def test_text_that_is_no_program(text):
    with pytest.raises(RuntimeError):
        f = torch._C._create_function_from_graph("f", torch._C.parse_ir(text))
        f(*[True for _ in f.graph.inputs()])
    with pytest.raises(RuntimeError):
        torch._C._create_function_from_graph("f", torch._C.parse_ir(text)).graph_for()


def test_passes_by_pytorchs_names():
    graph = torch.jit.script(scaled).graph.copy()
    torch._C._jit_pass_constant_propagation(graph)
    torch._C._jit_pass_dce(graph)
    torch._C._jit_pass_lint(graph)
    assert str(torch._C._jit_pass_canonicalize(graph)).startswith("graph(%x")
    with pytest.raises(RuntimeError, match="there is no pass 'nonsense'"):
        torch._C._jit_pass_nonsense(graph)


def test_types_of_a_trace():
    graph = torch.jit.trace(lambda x: x + 1, torch.ones(2, 3)).graph
    kind = graph.findNode("aten::add").output().type()
    assert kind.sizes() == [2, 3] and kind.dtype() == torch.float32 and kind.scalarType() == "Float" and kind.dim() == 2


def test_the_object_inside_of_a_script_module():
    """Tools reach for it: methods with their graphs, attributes and names."""

    class Doubled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(2))

        @torch.jit.export
        def twice(self, x):
            return x * 2 * self.weight

    net = torch.jit.script(Doubled())
    assert net._c._method_names() == ["twice"] and net._c._has_method("twice") and not net._c._has_method("forward")
    assert net._c._get_method("twice").graph.findNode("aten::mul") is not None
    assert net._c.hasattr("weight") and net._c.getattr("weight").tolist() == [1.0, 1.0]
    other, relu = torch.jit.script(Doubled()), torch.jit.script(torch.nn.ReLU())
    assert net._c._type() == other._c._type() != relu._c._type()
    torch.testing.FileCheck().check_count(str="aten::mul", count=2, exactly=True).run(net._c._get_method("twice").graph)
    assert net.qualified_name.endswith(".Doubled") and net._c.name == "Doubled"
    assert net.twice(torch.ones(2)).tolist() == [2.0, 2.0]
    with pytest.raises(AttributeError, match="forward"):
        net(torch.ones(2))


@pytest.mark.parametrize(
    "facts", ["Float()", "Float(2, 3", "Float(2, strides=[1", "Float(*, requires_grad=0)", "Long(3)"]
)
def test_tensors_of_which_the_text_says_little(facts):
    text = f"graph(%x : {facts}):\n  return (%x)"
    if facts.count("(") == facts.count(")"):
        assert next(torch._C.parse_ir(text).inputs()).type().dim() in (0, 1)
    else:
        with pytest.raises(RuntimeError):
            torch._C.parse_ir(text)


def test_a_compiled_function_has_its_plain_constants_known_and_pooled():
    @torch.jit.script
    def decided(x: torch.Tensor):
        if 1 == 1:
            y = x + 2
        else:
            y = x * 3
        a, b = (y, 1 + 1)
        return a + b

    text = str(decided.graph)
    assert "prim::If" not in text and "aten::eq" not in text and "Tuple" not in text
    assert text.count("value=2]") == 1 and text.count("value=1]") == 1
    assert decided(torch.ones(1)).item() == 5


def test_what_a_counted_loop_carries_unchanged_is_no_output_of_it():
    @torch.jit.script
    def loops(n: int):
        a, b, c = 1, 1, 1
        for i in range(n):
            if 1 == 2:
                a = 10
            if i == 5:
                b, c = 2, 3
        return a, b, c

    graph = loops.graph
    assert graph.findNode("prim::Loop").outputsSize() == 2
    assert loops(3) == (1, 1, 1) and loops(7) == (1, 2, 3)


class Colour(enum.Enum):
    RED = 1
    GREEN = 2


def test_members_of_enums_are_told_by_their_names():
    @torch.jit.script
    def f(c: Colour, many: list[Colour]):
        return c == Colour.RED, c.name, many[0].value

    text = str(f.graph)
    said = f"__torch__.{__name__}.Colour"
    assert f"Enum<{said}> = prim::Constant[value={said}.RED]()" in text and f"%many : Enum<{said}>[]" in text
    assert "str = prim::EnumName(%c)" in text and "int = prim::EnumValue(" in text
    assert f(Colour.GREEN, [Colour.RED]) == (False, "GREEN", 1)


class Shape(typing.NamedTuple):
    name: str | None = None
    sides: int = 3
    at: list[int] = [1, 2]  # noqa: RUF012


class Pair(typing.NamedTuple):
    left: Shape
    right: torch.Tensor


def test_named_tuples_are_printed_with_their_fields():
    def pairs(shape: Shape, x):
        pair = Pair(shape, x)
        return pair, [pair], shape.sides

    graph = torch.jit.script(pairs).graph
    shape = "NamedTuple(name : str? = None, sides : int = 3, at : int[] = [1, 2])"
    assert next(graph.inputs()).node() is not None and f"%shape : {shape}," in str(graph)
    assert f"%pair : NamedTuple(left : {shape}, right : Tensor) = prim::TupleConstruct" in str(graph)
    text = "graph(%p : NamedTuple(x : int?, y : NamedTuple(z : Tensor[]))[]):\n  return (%p)\n"
    assert str(torch._C.parse_ir(text)) == text
    assert "%p : NamedTuple(x : int, y : int)?" in str(
        torch._C.parse_ir("graph(%p : NamedTuple(x : int, y : int = 2)?):\n  return (%p)\n")
    )
    with pytest.raises(RuntimeError, match="a field of a NamedTuple"):
        torch._C.parse_ir("graph(%p : NamedTuple(x)):\n  return (%p)\n")


def test_texts_in_graphs_are_one_line():
    @torch.jit.script
    def f() -> str:
        return 'a\tb\n"c"\\d\r'

    graph = f.graph
    assert str(graph).count("\n") == 3 and r'value="a\tb\n\"c\"\\d\r"' in str(graph)
    assert torch._C._create_function_from_graph("f", torch._C.parse_ir(str(graph)))() == 'a\tb\n"c"\\d\r'


def test_common_constants_are_found_too():
    graph, _ = torch.jit._get_trace_graph(lambda x, y: (x + y) * (x + y), (torch.ones(2), torch.ones(2)))
    torch._C._jit_pass_cse(graph)
    assert [n.kind() for n in graph.nodes()] == ["prim::Constant", "aten::add", "aten::mul"]


def test_nodes_that_draw():
    @torch.jit.script
    def f(x):
        return torch.rand_like(x) + x.relu()

    assert [n.kind() for n in f.graph.nodes() if n.isNondeterministic()] == ["aten::rand_like"]


def test_types_and_lists_in_the_text():
    @torch.jit.script
    def f(x: typing.Any):
        return isinstance(x, (int, list[str]))

    text = str(f.graph)
    assert "prim::isinstance[types=[int]]" in text and "prim::isinstance[types=[str[]]]" in text
    assert torch._C._create_function_from_graph("f", torch._C.parse_ir(text))(["a"])
    empty = torch._C.parse_ir(
        "graph():\n  %0 : float[] = prim::Constant[value=annotate(List[float], [])]()\n  return (%0)\n"
    )
    assert torch._C._create_function_from_graph("f", empty)() == []
    future = torch._C.parse_ir("graph(%x : Dict(int, Future(int))):\n  return (%x)\n")
    assert str(future).startswith("graph(%x : Dict(int, Future(int))):")


def test_a_value_of_a_block_ends_with_it():
    text = """
graph(%x : Tensor, %c : bool):
  %y : Tensor = prim::If(%c)
    block0():
      %inside : Tensor = aten::neg(%x)
      -> (%inside)
    block1():
      -> (%x)
  return (%{})
"""
    for name in ("inside", "nothing"):
        with pytest.raises(RuntimeError, match="a value that is made before, and not inside of a block that has ended"):
            torch._C.parse_ir(text.format(name))
    again = torch._C.parse_ir(
        text.replace("-> (%x)", "%inside : Tensor = aten::exp(%x)\n      -> (%inside)").format("y")
    )
    f = torch._C._create_function_from_graph("f", again)
    assert f(torch.ones(1), True).item() == -1 and f(torch.zeros(1), False).item() == 1


def test_constants_that_no_kernel_takes_are_not_folded_by_one():
    graph = torch._C.parse_ir("""
graph(%x : Tensor):
  %t : Tensor = prim::Constant()
  %u : Tensor = aten::neg(%t)
  %v : Tensor = aten::mul(%x, %u)
  return (%v)
""")
    undefined = torch._C._create_function_from_graph("undefined", graph)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="neg: expected a tensor for argument 'self', got None"):
            undefined(torch.ones(1))

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.a = torch.tensor([[0.0, 2.0], [0.0, 0.0]]).to_sparse()

        def forward(self, x):
            return x + (-self.a * 3).to_dense()

    frozen = torch.jit.freeze(torch.jit.script(Net().eval()))
    assert frozen(torch.ones(2, 2)).tolist() == [[1, -5], [1, 1]]


def test_whole_numbers_of_graphs_have_64_bits():
    text = "graph():\n  %0 : int = prim::Constant[value={}]()\n  return (%0)\n"
    for n in (2**63 - 1, -(2**63), 2**53 + 1):
        assert torch._C._create_function_from_graph("n", torch._C.parse_ir(text.replace("{}", str(n))))() == n
    for n in ("9223372036854775808", "1" + "0" * 34):
        with pytest.raises(RuntimeError, match="a whole number of 64 bits"):
            torch._C.parse_ir(text.replace("{}", n))
