"""torch.fx: traces, graphs and the code written of them are PyTorch's; passes; errors."""

import copy
import importlib
import math
import operator
import pickle
import subprocess
import sys
import typing
from collections import namedtuple

import pytest
import rushlight.fx as fx
import torch

import rushlight as rl

Pair = namedtuple("Pair", ["left", "right"])


class Programs:
    """The same modules and functions over either torch."""

    def __init__(self, t):
        self.t = t
        F = t.nn.functional  # noqa: N806

        class Layers(t.nn.Module):
            def __init__(self):
                super().__init__()
                self.lin = t.nn.Linear(3, 4)
                self.p = t.nn.Parameter(t.ones(4))
                self.register_buffer("b", t.ones(4))
                self.constant = t.full((4,), 2.0)
                self.seq = t.nn.Sequential(t.nn.ReLU(), t.nn.Sequential(t.nn.Tanh()))

            def forward(self, x, y: int = 3, *, k=None):
                z = self.lin(x) + self.p * self.b - self.constant
                z = F.relu(z, inplace=True).view(-1, 4)[..., 1:]
                z += 2
                a, b = z.chunk(2, dim=1)
                return {"a": self.seq(a), "b": -b.sum(dim=0), "c": (t.float32, float("inf"), slice(1, 2), z.shape[0])}

        class Spread(t.nn.Module):
            def forward(self, x, *args, **kwargs):
                return x.t().T + args[0] * kwargs["k"]

        class Methods(t.nn.Module):
            def forward(self, x):
                x = x.clamp(min=0.0, max=1.0).transpose(0, 1).contiguous()
                return t.cat([x, 1 - x, x**2, 2 / x, x @ x.t()[:3, :3], x // 2, abs(x)], dim=0), x.size(0), x.dtype

        class Nested(t.nn.Module):
            def __init__(self):
                super().__init__()
                self.inner = Layers()
                self.layers = t.nn.ModuleList([t.nn.Linear(2, 2), t.nn.Linear(2, 2)])

            def forward(self, x):
                for layer in self.layers:
                    x = layer(x)
                return self.inner.lin(t.cat([x, x[:, :1]], 1)), self.inner.p

        def names(add, x, x_1, input):
            return add + x + x_1 + input, math.sqrt(2) * x

        def functions(x, y):
            x = t.add(x, y, alpha=2)
            x = t.matmul(x, t.ones(2, 2))
            x = t.where(x > 0, x, t.zeros_like(x)).to(t.float64)
            return x.sum(dim=0, keepdim=True), t.max(x, 0)[1], Pair(x, y)

        self.programs = {
            "layers": (Layers(), {}),
            "layers, k fixed": (Layers(), {"k": None}),
            "spread": (Spread(), {}),
            "methods": (Methods(), {}),
            "nested": (Nested(), {}),
            "names": (names, {}),
            "functions": (functions, {}),
            "named arguments": (lambda *, a, b=2: a * b, {}),
            "flag": (lambda x, flag: x + 1 if flag else x, {"flag": True}),
            "tree": (lambda x: {"s": x["a"] + x["b"][0]}, {"x": {"a": t.fx.PH, "b": [t.fx.PH]}}),
        }

    def traced(self, name):
        root, concrete = self.programs[name]
        graph = self.t.fx.Tracer().trace(root, concrete)
        return self.t.fx.GraphModule(root if isinstance(root, self.t.nn.Module) else self.t.nn.Module(), graph)


NAMES = list(Programs(rl).programs)


@pytest.mark.parametrize("name", NAMES)
def test_code_and_graph_are_pytorchs(name):
    if name == "functions":  # which keeps a constant of the root
        ours = rl.fx.symbolic_trace(Programs(rl).programs[name][0])
        theirs = torch.fx.symbolic_trace(Programs(torch).programs[name][0])
    else:
        theirs, ours = Programs(torch).traced(name), Programs(rl).traced(name)
    assert ours.code == theirs.code or name == "tree"
    assert str(ours.graph) == str(theirs.graph)
    ours.graph.lint()


def test_traced_programs_compute_the_same():
    x = rl.tensor([[1.0, -2.0, 0.5], [0.3, 0.7, 2.0]])
    programs = Programs(rl)
    for name, args, kwargs in (
        ("layers", (x,), {}),
        ("spread", (x, x), {"k": 2.0}),
        ("methods", (x[:, :2].t(),), {}),
        ("nested", (x[:, :2],), {}),
        ("names", (x, x, x, x), {}),
        ("tree", ({"a": x, "b": [x]},), {}),
        ("named arguments", (), {"a": x}),
    ):
        root = programs.programs[name][0]
        if name == "methods":
            args = (rl.rand(3, 3),)
        expected, got = root(*args, **kwargs), programs.traced(name)(*args, **kwargs)
        for a, b in zip(rl.utils._pytree.tree_leaves(expected), rl.utils._pytree.tree_leaves(got), strict=True):
            assert rl.equal(a, b) if isinstance(a, rl.Tensor) else a == b


def test_operators_of_topics_keep_their_path():
    m = fx.symbolic_trace(lambda x: rl.special.erf(rl.nn.functional.softmax(x, dim=0)) + rl.linalg.vector_norm(x))
    assert "torch.special.erf(" in m.code and "torch.linalg.vector_norm(" in m.code
    assert rl.allclose(m(rl.ones(2)), rl.special.erf(rl.ones(2) / 2) + 2**0.5)


def test_specialised_arguments_are_checked():
    m = Programs(rl).traced("flag")
    assert m(1, True) == 2
    with pytest.raises(AssertionError, match="flag has been specialized to have value True"):
        m(1, False)
    with pytest.raises(AssertionError, match="k has been specialized to have value None"):
        Programs(rl).traced("layers, k fixed")(rl.ones(1, 3), 3, 4)


class Small(rl.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = rl.nn.Linear(2, 2)
        self.norm = rl.nn.BatchNorm1d(2)

    def forward(self, x):
        y = rl.relu(self.norm(self.linear(x)))
        return y + x, y.sum()


def test_changing_a_graph():
    m = fx.symbolic_trace(Small())
    graph, x = m.graph, rl.rand(3, 2)
    m.eval()
    relu = graph.find_nodes(op="call_function", target=rl.relu)[0]
    with graph.inserting_after(relu):
        neg = graph.call_function(rl.neg, (relu,))
    relu.replace_all_uses_with(neg, delete_user_cb=lambda u: u is not neg)
    m.recompile()
    assert rl.equal(m(x)[1], Small.forward(m, x)[1].neg())
    assert "neg = torch.neg(relu)" in m.code
    with pytest.raises(RuntimeError, match="still had 1 users"):
        graph.erase_node(relu)
    neg.replace_all_uses_with(relu)
    graph.erase_node(neg)
    m.recompile()
    assert rl.equal(m(x)[1], Small.forward(m, x)[1]) and neg not in list(graph.nodes)
    assert [n.name for n in reversed(graph.nodes)][0] == "output" and len(graph.nodes) == len(list(graph.nodes))
    assert relu < graph.output_node() and relu.prev < relu and relu.next > relu
    output = graph.output_node()
    relu.append(output)
    with pytest.raises(RuntimeError, match="was used before it has been defined"):
        graph.lint()
    with pytest.raises(NotImplementedError, match="new_args"):
        output.args[0].__class__ and fx.immutable_list([1]).append(2)


def test_nodes_know_their_users():
    graph = fx.Graph()
    a, b = graph.placeholder("a"), graph.placeholder("b")
    c = graph.call_function(operator.add, (a, [b, {"k": a}, slice(b, None)]), {"x": b})
    assert c.all_input_nodes == [a, b] and list(a.users) == [c]
    c.args = (b,)
    c.kwargs = {}
    assert not a.users and c.all_input_nodes == [b]
    c.insert_arg(0, a)
    c.update_arg(1, a)
    c.update_kwarg("y", b)
    assert c.args == (a, a) and c.kwargs == {"y": b}
    c.replace_input_with(a, b)
    assert c.all_input_nodes == [b] and fx.map_arg(c.args, lambda n: n.name) == ("b", "b")
    assert (
        c.format_node()
        == "%add : [num_users=0] = call_function[target=operator.add](args = (%b, %b), kwargs = {y: %b})"
    )
    graph.erase_node(c)
    with pytest.warns(UserWarning, match="already erased"):
        graph.erase_node(c)
    other = fx.Graph()
    with pytest.raises(AssertionError, match="different Graph"):
        a.prepend(other.placeholder("x"))
    with pytest.raises(ValueError, match="a Callable is expected"):
        graph.create_node("call_function", "add")


def test_dead_code():
    def f(x):
        rl.neg(x)
        rl._check(True)
        return x + 1

    class Draws(rl.nn.Module):
        def forward(self, x):
            rl.sin(x)
            return x

    graph = fx.Tracer().trace(f)
    assert graph.eliminate_dead_code() and not graph.eliminate_dead_code()
    assert [n.op for n in graph.nodes] == ["placeholder", "call_function", "output"]
    traced = fx.symbolic_trace(Draws())
    assert not traced.graph.eliminate_dead_code(is_impure_node=lambda n: True)


def test_modules_are_copied_pickled_and_written(tmp_path, monkeypatch):
    m = fx.symbolic_trace(Small()).eval()
    x = rl.rand(3, 2)
    for made in (copy.deepcopy(m), pickle.loads(pickle.dumps(m)), copy.copy(m)):
        assert rl.equal(made.eval()(x)[0], m(x)[0]) and type(made).__name__ == type(m).__name__
        made.graph.lint()
        assert str(made.graph) == str(m.graph)
    copied = copy.deepcopy(m)
    copied.linear.weight.data.zero_()
    assert m.linear.weight.abs().sum() > 0
    m.to_folder(tmp_path / "written", "Written")
    monkeypatch.syspath_prepend(str(tmp_path))
    written = importlib.import_module("written").Written().eval()
    assert rl.equal(written(x)[0], m(x)[0])
    m.meta[fx.graph_module._USER_PRESERVED_ATTRIBUTES_KEY] = {"kept": 3}
    assert copy.deepcopy(m).kept == 3


def test_modules_of_a_graph_module():
    m = fx.symbolic_trace(Small())
    assert m.add_submodule("deep.er.linear", rl.nn.Linear(1, 1)) and not m.add_submodule("training.x", rl.nn.ReLU())
    assert m.delete_submodule("norm") and not m.delete_submodule("norm")
    m.delete_all_unused_submodules()
    assert [n for n, _ in m.named_modules()] == ["", "linear"]
    with pytest.raises(RuntimeError, match="nonexistent attribute norm"):
        m.graph.lint()
    with pytest.raises(RuntimeError, match="target linear .* not provided"):
        fx.GraphModule({}, fx.symbolic_trace(Small()).graph)
    with pytest.raises(RuntimeError, match="passed for root"):
        fx.GraphModule(3, fx.Graph())
    with pytest.warns(UserWarning, match="get_attr Node with no underlying reference"):
        m.graph.get_attr("missing")
    given = fx.GraphModule({"linear": rl.nn.Linear(2, 2), "norm": rl.nn.Identity()}, fx.symbolic_trace(Small()).graph)
    assert given(rl.ones(1, 2))[0].shape == (1, 2)


def test_errors_in_generated_code_show_its_lines(capsys):
    m = fx.symbolic_trace(lambda x: (x + 1) * x.nonsense)
    with pytest.raises(AttributeError, match="nonsense"):
        m(rl.ones(1))
    shown = capsys.readouterr().err
    assert "Call using an FX-traced Module, line 6 of the traced Module's generated forward function" in shown
    assert "getattr_1 = x.nonsense" in shown


def test_interpreter_and_transformer():
    m = fx.symbolic_trace(Small()).eval()
    x, seen = rl.rand(3, 2), []

    class Watching(fx.Interpreter):
        def run_node(self, n):
            seen.append(n.name)
            return super().run_node(n)

        def call_function(self, target, args, kwargs):
            return super().call_function(rl.neg if target is rl.relu else target, args, kwargs)

    expected = m.norm(m.linear(x)).neg()
    assert rl.equal(Watching(m).run(x)[1], expected.sum()) and seen == [n.name for n in m.graph.nodes]
    first = next(iter(m.graph.nodes))
    assert rl.equal(fx.Interpreter(m).run(initial_env={first: x})[0], m(x)[0])
    with pytest.raises(RuntimeError, match="Expected positional argument for parameter x"):
        fx.Interpreter(m).run()
    with pytest.raises(RuntimeError, match="While executing %linear"):
        fx.Interpreter(m).run(rl.ones(2, 3))

    class Swapped(fx.Transformer):
        def call_function(self, target, args, kwargs):
            return super().call_function(rl.neg if target is rl.relu else target, args, kwargs)

    made = Swapped(m).transform()
    assert rl.equal(made.eval()(x)[1], expected.sum()) and "torch.neg(" in made.code and "torch.relu(" in m.code


@fx.wrap
def leaf(x, n):
    return x * n if n > 1 else x


def by_name(x):
    return len(x)


fx.wrap("len")
fx.wrap("by_name")


def test_wrapped_functions():
    m = fx.symbolic_trace(lambda x, n: leaf(x, n) + by_name(x) + len(x))
    assert [n.target for n in m.graph.find_nodes(op="call_function") if n.target is not operator.add] == [
        leaf,
        by_name,
        len,
    ]
    assert m(rl.ones(3), 2).tolist() == [8, 8, 8]
    assert leaf(1, 1) == 1 and not hasattr(sys.modules[__name__].__dict__.get("len", None), "__wrapped__")
    again = fx.symbolic_trace(m)
    assert again(rl.ones(3), 2).tolist() == [8, 8, 8]
    with pytest.raises(NotImplementedError, match="top level"):
        fx.wrap("print")
    with pytest.raises(RuntimeError, match="callable or string"):
        fx.wrap(3)


def truncated(x):
    return int(x)


def test_tracers_of_ones_own():
    class Through(fx.Tracer):
        def is_leaf_module(self, m, path):
            return isinstance(m, rl.nn.Linear)

    class Model(rl.nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = rl.nn.Linear(2, 2), rl.nn.ReLU()

        def forward(self, x):
            return self.b(self.a(x))

    tracer = Through()
    graph = tracer.trace(Model())
    assert [n.op for n in graph.nodes] == ["placeholder", "call_module", "call_function", "output"]
    assert tracer.node_name_to_scope["a"] == ("a", rl.nn.Linear)
    assert list(graph.find_nodes(op="call_module")[0].meta["nn_module_stack"]) == ["a"]
    tracer = fx.Tracer(autowrap_functions=(truncated,))
    assert tracer.trace(lambda x: truncated(x)).find_nodes(op="call_function")[0].target is truncated
    tracer.record_stack_traces = True
    node = tracer.trace(lambda x: x + 1).find_nodes(op="call_function")[0]
    assert "test_fx.py" in node.stack_trace

    class Answers(fx.Tracer):
        def to_bool(self, obj):
            return False

        def iter(self, obj):
            return iter([obj, obj])

    assert len(Answers().trace(lambda x: x + 1 if x.any() else [y for y in x]).nodes) == 3  # noqa: C416
    shaped = fx.Tracer(param_shapes_constant=True)
    assert "getattr" not in str(shaped.trace(Shaped()))
    tracer = fx.Tracer()
    tracer.traced_func_name = "other"
    with pytest.raises(AssertionError, match="other doesn't exist"):
        tracer.trace(Model())


class Shaped(rl.nn.Module):
    def __init__(self):
        super().__init__()
        self.w = rl.nn.Parameter(rl.ones(2, 3))

    def forward(self, x):
        return x.view(self.w.shape[0], self.w.size(1)) if self.w.dim() == 2 else x


class Boxed(metaclass=fx.ProxyableClassMeta):
    def __init__(self, value):
        self.value = value


def test_objects_made_of_proxies():
    m = fx.symbolic_trace(lambda x: Boxed(x).value + Boxed(1).value)
    assert m(rl.ones(1)).item() == 2 and m.graph.find_nodes(op="call_function", target=Boxed)


@pytest.mark.parametrize(
    ("f", "error", "match"),
    [
        (lambda x: x if x > 0 else -x, fx.proxy.TraceError, "control flow"),
        (lambda x: [y for y in x], fx.proxy.TraceError, "cannot be iterated"),  # noqa: C416
        (lambda x: rl.add(*x), fx.proxy.TraceError, "cannot be iterated"),
        (lambda x: {x: 1}, RuntimeError, "cannot contain a Node"),
        (lambda x: x + object(), NotImplementedError, "argument of type"),
    ],
)
def test_what_cannot_be_traced(f, error, match):
    with pytest.raises(error, match=match):
        fx.symbolic_trace(f)
    assert not fx._symbolic_trace.is_fx_tracing()
    # Modules work as before.
    assert "__call__" not in vars(rl.nn.Module) and "__getattribute__" not in vars(rl.nn.Module)


def test_len_must_be_wrapped():
    namespace = {"size": lambda x: len(x)}
    exec("def f(x): return x.__len__()", namespace)
    with pytest.raises(RuntimeError, match=r"torch.fx.wrap\('len'\)"):
        fx.symbolic_trace(namespace["f"])


def test_calls_that_write_can_be_refused():
    class Strict(fx.Tracer):
        check_mutable_operations = True

    with pytest.raises(RuntimeError, match="mutable operation aten::"):
        Strict().trace(lambda x: rl.sigmoid(x, out=rl.empty(1)))
    assert Strict().trace(lambda x: rl.sigmoid(x))


def test_replacing_patterns():
    def f(x, y):
        a = rl.relu(x + y)
        return rl.relu(a + y) * x

    m = fx.symbolic_trace(f)
    found = fx.replace_pattern(m, lambda a, b: rl.relu(a + b), lambda a, b: rl.sigmoid(a - b))
    x, y = rl.rand(3), rl.rand(3)
    assert rl.equal(m(x, y), rl.sigmoid(rl.sigmoid(x - y) - y) * x) and len(found) == 2
    assert fx.replace_pattern(m, lambda a: rl.relu(a), lambda a: a) == []

    class Tanh(rl.nn.Module):
        def __init__(self):
            super().__init__()
            self.act = rl.nn.Tanh()

        def forward(self, x):
            return self.act(x)

    fx.replace_pattern(m, lambda a: rl.sigmoid(a), Tanh())
    assert rl.equal(m(x, y), rl.tanh(rl.tanh(x - y) - y) * x) and isinstance(m.act, rl.nn.Tanh)
    # Not where something outside uses a value of the inside.
    used = fx.symbolic_trace(lambda x, y: (rl.relu(x + y), x + y))
    used = fx.symbolic_trace(lambda x, y: (lambda s: rl.relu(s) + s)(x + y))
    assert fx.replace_pattern(used, lambda a, b: rl.relu(a + b), lambda a, b: a) == []
    filtered = fx.subgraph_rewriter.replace_pattern_with_filters(
        fx.symbolic_trace(lambda x: rl.relu(x)),
        lambda a: rl.relu(a),
        lambda a: a,
        [lambda match, graph, pattern: False],
    )
    assert filtered == []


def test_shapes_are_noted():
    from rushlight.fx.passes.shape_prop import ShapeProp

    m = fx.symbolic_trace(Small())
    ShapeProp(m).propagate(rl.ones(3, 2))
    meta = m.graph.find_nodes(op="call_module")[0].meta["tensor_meta"]
    assert (meta.shape, meta.dtype, meta.memory_format) == ((3, 2), rl.float32, rl.contiguous_format)
    assert [type(t).__name__ for t in m.graph.output_node().meta["tensor_meta"]] == ["TensorMetadata"] * 2
    with pytest.raises(RuntimeError, match="ShapeProp error for: node=%linear"):
        ShapeProp(m).propagate(rl.ones(3, 4))


def test_splitting_a_module():
    from rushlight.fx.passes.split_module import split_module

    class Model(rl.nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = rl.nn.Linear(2, 2), rl.nn.Linear(2, 2)
            self.p = rl.nn.Parameter(rl.ones(2))

        def forward(self, x, y):
            u = self.a(x) + self.p
            v = self.b(u + y)
            return u * v, self.p

    m = fx.symbolic_trace(Model())
    x, y, names = rl.rand(3, 2), rl.rand(3, 2), {}
    split = split_module(m, m, lambda n: 0 if n.name in ("a", "add") else 1, qualname_map=names)
    assert [n for n, _ in split.named_children()] == ["submod_0", "submod_1"]
    assert all(rl.equal(i, j) for i, j in zip(split(x, y), m(x, y), strict=True)) and names["submod_1.b"] == "b"
    with pytest.raises(RuntimeError, match="cycle exists"):
        split_module(m, m, lambda n: 0 if n.name in ("a", "b") else 1)


def test_other_passes():
    from rushlight.fx.experimental.const_fold import split_const_subgraphs
    from rushlight.fx.passes.dialect.common.cse_pass import CSEPass, get_CSE_banned_ops
    from rushlight.fx.passes.infra.pass_manager import (
        PassManager,
        pass_result_wrapper,
        this_before_that_pass_constraint,
    )

    m = fx.symbolic_trace(lambda x: (x + 1) * (x + 1) + (x + 1.0))
    cse = CSEPass(banned_ops=get_CSE_banned_ops())(m)
    assert cse.modified and len(cse.graph_module.graph.nodes) == len(m.graph.nodes) - 1
    assert not CSEPass()(cse.graph_module).modified
    ran = []

    def first(gm):
        ran.append("first")

    def second(gm):
        ran.append("second")
        return gm

    first, second = pass_result_wrapper(first), pass_result_wrapper(second)
    manager = PassManager([second, first], [this_before_that_pass_constraint(first, second)])
    with pytest.raises(RuntimeError, match="schedule constraint violated"):
        manager.validate_constraints()
    assert manager(m).modified and ran == ["first", "second"]
    manager.add_constraint(this_before_that_pass_constraint(second, first))
    with pytest.raises(RuntimeError, match="Circular dependency"):
        manager(m)

    class Scaled(rl.nn.Module):
        def __init__(self):
            super().__init__()
            self.w, self.v = rl.nn.Parameter(rl.ones(2)), rl.nn.Parameter(rl.ones(2))

        def forward(self, x):
            return x * (self.w + 1) + self.v.exp()

    folded = split_const_subgraphs(Scaled())
    assert rl.allclose(folded(rl.ones(2)), Scaled()(rl.ones(2))) and len(folded._FX_CONST_FOLDED_ATTRS) == 2


def test_operators_of_a_run():
    from rushlight.fx.experimental.proxy_tensor import ProxyTorchDispatchMode, get_proxy_mode, make_fx

    def f(x, y):
        x = x.detach().requires_grad_()
        return rl.autograd.grad((x.sin() * y).sum(), x)[0], y.chunk(2)

    x, y = rl.rand(4), rl.rand(4)
    m = make_fx(f)(x, y)
    assert "torch.ops.aten.cos.default" in m.code
    assert rl.allclose(m(y, x)[0], f(y, x)[0]) and rl.equal(m(x, y)[1][1], y[2:])
    seen = []
    make_fx(lambda x: seen.append(get_proxy_mode()) or x + 1)(x)
    assert isinstance(seen[0], ProxyTorchDispatchMode) and get_proxy_mode() is None
    decomposed = make_fx(lambda x: rl.tanh(x), {rl.ops.aten.tanh.default: lambda x: x.sinh() / x.cosh()})(x)
    assert [str(n.target) for n in decomposed.graph.find_nodes(op="call_function")] == [
        "aten.sinh.default", "aten.cosh.default", "aten.div.Tensor",
    ]  # fmt: skip
    assert make_fx(lambda d: d["a"] + 1)({"a": x})({"a": y}).equal(y + 1)


def test_signatures():
    from rushlight.fx.operator_schemas import get_signature_for_torch_op, normalize_function, normalize_module

    assert [list(s.parameters) for s in get_signature_for_torch_op(rl.relu)][0] == ["input"]
    assert get_signature_for_torch_op(leaf) is None
    got = normalize_function(rl.add, (1, 2), {}, (rl.Tensor, rl.Tensor), {}, True)
    assert got.kwargs == {"input": 1, "other": 2, "alpha": 1}
    assert normalize_module(Small(), "linear", (1,), normalize_to_only_use_kwargs=True).kwargs == {"input": 1}
    node = fx.symbolic_trace(lambda x: rl.nn.functional.relu(x)).graph.find_nodes(op="call_function")[0]
    assert node.normalized_arguments(None, normalize_to_only_use_kwargs=True).kwargs["inplace"] is False


def test_generated_code_can_be_changed():
    m = fx.symbolic_trace(lambda x: x + 1)
    with m.graph.on_generate_code(lambda before: lambda body: ["x = x * 2\n", *body]):
        m.recompile()
        assert m(3) == 7
    m.recompile()
    assert m(3) == 4

    class Listed(fx.CodeGen):
        def gen_fn_def(self, free_vars, maybe_return_annotation):
            return f"def forward(self, args):\n    {', '.join(free_vars)}, = args"

        def process_inputs(self, args):
            return args

    m.graph.set_codegen(Listed())
    m.recompile()
    assert m([3]) == 4 and fx.Interpreter(m).run([3]) == 4


def test_scripts_of_traced_modules():
    m = fx.symbolic_trace(Small()).eval()
    x = rl.rand(3, 2)
    assert rl.equal(rl.jit.script(m)(x)[0], m(x)[0])


def test_a_trace_of_a_module_in_parts_of_the_package():
    for name in torch.fx.__all__ if hasattr(torch.fx, "__all__") else ():
        assert hasattr(fx, name)
    assert not [n for n in dir(torch.fx) if not n.startswith("_") and n[0].isupper() and not hasattr(fx, n)]


def test_sizes_are_numbers():
    from rushlight.fx.experimental import symbolic_shapes as s

    n = rl.ones(3).shape[0]
    assert s.guard_or_false(n == 3) and s.statically_known_false(n == 2) and s.guard_int(n) == 3
    assert s.free_symbols(n) == set() and not s.is_symbolic(n) and s.is_concrete_int(n) and s.sym_eq([n], [3])


def test_a_constant_that_is_written_to_is_the_same_at_each_run():
    def f(x):
        y = rl.tensor(3)
        y.add_(1)
        return x + y

    from rushlight.fx.experimental.proxy_tensor import make_fx

    traced = make_fx(f)(rl.ones(2))
    assert [traced(rl.ones(2)).tolist() for _ in range(2)] == [[5.0, 5.0]] * 2


class _Two(typing.NamedTuple):
    x: typing.Any
    y: typing.Any


def test_named_tuples_and_spread_arguments_are_traced():
    hole = rl.fx.PH
    traced = rl.fx.symbolic_trace(lambda p: p.x - p.y, concrete_args=(_Two(hole, hole),))
    assert traced(_Two(rl.tensor(3), rl.tensor(1))) == 2

    class Sum(rl.nn.Module):
        def forward(self, *args, **kwargs):
            return args[0] + args[1]

    assert rl.fx.symbolic_trace(Sum(), concrete_args=(hole, hole))(rl.tensor(3), rl.tensor(1)) == 4


def test_gradual_types_follow_sizes_through_a_graph():
    from rushlight.fx.experimental.graph_gradual_typechecker import GraphTypeChecker, broadcast_types
    from rushlight.fx.experimental.rewriter import RewritingTracer
    from rushlight.fx.tensor_type import Dyn, TensorType, is_consistent, is_more_precise

    class Net(rl.nn.Module):
        def __init__(self, channels):
            super().__init__()
            self.conv = rl.nn.Conv2d(channels, 4, 3, stride=2)
            self.pool = rl.nn.MaxPool2d(2)
            self.fc = rl.nn.Linear(12, 5)

        def forward(self, x: TensorType((Dyn, 3, 13, 9))):
            y: TensorType((7, 4, Dyn, Dyn)) = self.conv(x)
            return self.fc(rl.flatten(self.pool(y), 1)) + 1.0

    def checked(net):
        tracer = RewritingTracer()
        graph = tracer.trace(net)
        checker = GraphTypeChecker({}, rl.fx.GraphModule(tracer.root, graph))
        assert checker.type_check()
        return [n.type for n in graph.nodes]

    sizes = [(Dyn, 3, 13, 9), (7, 4, 6, 4), (7, 4, 3, 2)]
    with pytest.raises(TypeError, match="in_features 12.*node fc"):
        checked(Net(3))
    good = Net(3)
    good.fc = rl.nn.Linear(24, 5)
    assert checked(good) == [TensorType(s) for s in [*sizes, (7, 24), (7, 5), (7, 5), (7, 5)]]
    with pytest.raises(TypeError, match="in_channels 2"):
        checked(Net(2))
    assert broadcast_types(TensorType((4, 1)), TensorType(()))[1] == TensorType((4, 1))
    assert is_consistent(TensorType((1, Dyn)), TensorType((1, 2))) and not is_consistent(TensorType((1,)), int)
    assert is_more_precise(TensorType((1, 2)), TensorType((1, Dyn))) and not is_more_precise(Dyn, int)
    traced = rl.fx.symbolic_trace(lambda x: rl.sin(x))
    with pytest.raises(RuntimeError, match="register_inference_rule"):
        GraphTypeChecker({}, traced).type_check()


def test_rewriting_leaves_the_package_s_own_modules_as_they_are():
    from rushlight.fx.experimental.rewriter import RewritingTracer

    net = rl.nn.Sequential(rl.nn.Linear(2, 2), rl.nn.ReLU())
    tracer = RewritingTracer()
    tracer.trace(net)
    assert type(tracer.root.get_submodule("1")) is rl.nn.ReLU


def test_types_in_code_under_torchs_name(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import torch, torch.fx\n"
        "class M(torch.nn.Module):\n"
        "    def forward(self, x: torch.Tensor) -> torch.Tensor:\n"
        "        return x + 1\n"
        "traced = torch.fx.symbolic_trace(M())\n"
        "print(traced.code.split(':\\n')[0].strip(), traced(torch.ones(1)).item())\n"
    )
    run = [sys.executable, "-m", "rushlight", str(program)]
    said = subprocess.run(run, capture_output=True, text=True, timeout=300).stdout
    assert said.strip() == "def forward(self, x : torch.Tensor) -> torch.Tensor 2.0"
