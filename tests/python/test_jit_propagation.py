"""Shapes, dtypes and devices of a graph's tensors from what is said of its inputs, against PyTorch's passes."""

from __future__ import annotations

import pytest

import rushlight as torch

reference = pytest.importorskip("torch")
cpu = torch.device("cpu")


def graph_of(source, sizes, torch=torch, dtypes=None):
    """The graph of a function f written in TorchScript; its inputs have these sizes, and dtypes."""
    graph = torch.jit.CompilationUnit(source + "\n").f.graph
    for i, (value, shape) in enumerate(zip(graph.inputs(), sizes)):
        kind = value.type()
        if shape is not None:
            kind = kind.with_sizes(shape)
        if dtypes:
            kind = kind.with_dtype(getattr(torch, dtypes[i])).with_device(torch.device("cpu"))
        value.setType(kind)
    return graph


def result(graph):
    return next(graph.outputs()).type()


PROGRAMS = [
    ("def f(x, y):\n  return x * y", [[1, 6, 5], [1, 7, 1, 5]]),
    ("def f(x, y):\n  return torch.cat([x, y], dim=1)", [[2, 3], [2, 4]]),
    ("def f(x, y):\n  return torch.mm(x, y).t()", [[2, 3], [3, 4]]),
    ("def f(x):\n  return x.view(x.size(0), -1)", [[2, 3, 4]]),
    ("def f(x, y):\n  return torch.nn.functional.conv2d(x, y, None, [2, 2])", [[1, 3, 8, 8], [5, 3, 3, 3]]),
    ("def f(x):\n  return torch.sum(x, [1], True)", [[2, 3, 4]]),
    ("def f(x):\n  if x.numel() > 3:\n    y = x + 1\n  else:\n    y = x * 2\n  return y", [[2, 3]]),
    ("def f(x):\n  for i in range(3):\n    x = x + i\n  return x", [[2, 3]]),
    ("def f():\n  return torch.arange(1, 10, 4)", []),
]


@pytest.mark.parametrize("source, sizes", PROGRAMS)
def test_shapes_are_those_of_a_run(source, sizes):
    graph = graph_of(source, sizes)
    torch._C._jit_pass_propagate_shapes_on_graph(graph)
    ran = torch.jit.CompilationUnit(source + "\n").f(*(torch.ones(s) for s in sizes))
    assert result(graph).sizes() == list(ran.shape)


@pytest.mark.parametrize("source, sizes", [p for p in PROGRAMS if "conv2d" not in p[0]])
def test_shapes_agree_with_pytorch(source, sizes):
    graph, other = graph_of(source, sizes), graph_of(source, sizes, reference)
    torch._C._jit_pass_propagate_shapes_on_graph(graph)
    reference._C._jit_pass_propagate_shapes_on_graph(other)
    if result(other).sizes() is not None:  # it may know less
        assert result(graph).sizes() == result(other).sizes()


def test_symbols_are_followed():
    a, b, c = (torch._C._new_symbolic_shape_symbol() for _ in range(3))
    graph = graph_of("def f(x, y):\n  return x * y", [[a, 1, c], [1, b, c]])
    torch._C._jit_pass_propagate_shapes_on_graph(graph)
    assert result(graph).symbolic_sizes() == [a, b, c]
    assert result(graph).sizes() is None and result(graph).dim() == 3


def test_a_size_that_may_be_either_is_a_new_symbol():
    graph = graph_of("def f(x, y):\n  return x * y", [[None, None], [None, None, None]])
    torch._C._jit_pass_propagate_shapes_on_graph(graph)
    x, y = (v.type().symbolic_sizes() for v in graph.inputs())
    found = result(graph).symbolic_sizes()
    assert found[0] == y[0]
    assert found[1] not in x + y and found[2] not in x + y


def test_sizes_computed_from_sizes():
    a = torch._C._new_symbolic_shape_symbol()
    graph = graph_of("def f(x, y):\n  return x.view(y.size(0), 8, y.size(-1))", [None, [5, 8, a]])
    torch._C._jit_pass_propagate_shapes_on_graph(graph)
    assert result(graph).symbolic_sizes() == [5, 8, a]
    graph = graph_of("def f(x):\n  return torch.cat([x, x])", [[None, 3]])
    torch._C._jit_pass_propagate_shapes_on_graph(graph)
    doubled, three = result(graph).symbolic_sizes()
    assert doubled < 0 and three == 3 and [doubled, 3] != next(graph.inputs()).type().symbolic_sizes()


def test_nothing_is_said_of_what_depends_on_values():
    graph = graph_of("def f(x):\n  return x.nonzero()", [[2, 3]])
    torch._C._jit_pass_propagate_shapes_on_graph(graph)
    assert result(graph).symbolic_sizes() is None
    graph = graph_of("def f(x):\n  l = [2, 3]\n  l[0] = int(x[0, 0])\n  return x.view(l)", [[2, 3]])
    torch._C._jit_pass_propagate_shapes_on_graph(graph)
    assert result(graph).symbolic_sizes() is None


@pytest.mark.parametrize(
    "source, dtypes",
    [
        ("def f(x, y):\n  return x + y", ["int32", "int64"]),
        ("def f(x, y):\n  return x / y", ["int32", "int64"]),
        ("def f(x, y):\n  return x.to(y.dtype)", ["int32", "float64"]),
        ("def f(x, y):\n  return (x > y).sum()", ["float32", "float32"]),
        ("def f(x, y):\n  return torch.relu(x) + y", ["float16", "float32"]),
    ],
)
def test_dtypes(source, dtypes):
    graph = graph_of(source, [[2, 2], [2, 2]], dtypes=dtypes)
    torch._C._jit_pass_propagate_dtype(graph)
    ran = torch.jit.CompilationUnit(source + "\n").f(*(torch.ones(2, 2, dtype=getattr(torch, d)) for d in dtypes))
    assert result(graph).dtype() is ran.dtype


def test_a_number_of_no_dimensions_takes_no_part_in_the_dtype():
    graph = graph_of("def f(x, y):\n  return x + y", [[2], []], dtypes=["float32", "float64"])
    torch._C._jit_pass_propagate_dtype(graph)
    assert result(graph).dtype() is torch.float32


@pytest.mark.parametrize(
    "source, devices, expected",
    [
        ("def f(x):\n  return x + x", ["cuda"], "cuda"),
        ("def f(x):\n  return x.cuda() * 2", ["cpu"], "cuda"),
        ("def f(x, y):\n  return x * y", ["cpu", "cuda"], None),
        ("def f(x, y):\n  return x.type_as(y)", [None, "cuda"], "cuda"),
        ("def f(x, d: Device):\n  return x.to(device=d)", ["cpu"], None),
        ("def f(x, z: int):\n  for _ in range(z):\n    x = x.cuda()\n  return x", ["cpu"], None),
        ("def f(x, z: int):\n  for _ in range(z):\n    x = x.cuda()\n  return x", ["cuda"], "cuda"),
    ],
)
def test_devices(source, devices, expected):
    for module in (torch, reference):
        graph = module.jit.CompilationUnit(source + "\n").f.graph
        for value, device in zip(graph.inputs(), devices):
            if device:
                value.setType(value.type().with_device(module.device(device)))
        module._C._jit_pass_propagate_device(graph)
        found = result(graph).device()
        assert (found and found.type) == expected, module.__name__


def test_all_that_follows_from_examples():
    for module in (torch, reference):
        graph = graph_of("def f(x, y):\n  return torch.index_select(x, 1, y)", [], module)
        examples = module.zeros(2, 2), module.zeros(4, dtype=module.long)
        module._C._jit_pass_complete_shape_analysis(graph, examples, False)
        assert "Float(2, 4, strides=[4, 1], requires_grad=0, device=cpu) = aten::index_select" in str(graph), (
            module.__name__
        )


def test_what_is_known_in_part_is_printed_and_read():
    for text in ("Float(2, *, device=cpu)", "Tensor(2, 3)", "LongTensor(device=cpu)", "Double(requires_grad=1, device=cpu)",
                 "Tensor(requires_grad=0)", "Float(2, 3, strides=[3, 1], requires_grad=0, device=cpu)"):  # fmt: skip
        graph = torch._C.parse_ir(f"graph(%x : {text}):\n  return (%x)\n")
        assert text in str(graph)
    kind = next(torch._C.parse_ir("graph(%x : Float(2, *, device=cpu)):\n  return (%x)\n").inputs()).type()
    assert (kind.varyingSizes(), kind.dtype(), kind.device(), kind.strides()) == ([2, None], torch.float32, cpu, None)


def test_a_node_is_cloned():
    graph = torch.jit.CompilationUnit("def f(x):\n  return x + 1\n").f.graph
    other = torch._C.Graph()
    mapped = {}

    def of(value):
        if value not in mapped:
            mapped[value] = (
                other.addInput() if value.node().kind() != "prim::Constant" else other.insertConstant(value.toIValue())
            )
        return mapped[value]

    made = other.createClone(graph.findNode("aten::add"), of)
    other.appendNode(made)
    other.registerOutput(made.output())
    assert torch._C._create_function_from_graph("g", other)(torch.ones(2)).tolist() == [2.0, 2.0]
