"""Programs written as ONNX: scripts, loops, branches and lists, symbolic functions, parameters in files, names."""

import io

import numpy as np
import pytest
from onnx_checks import Lambda, check, onnx, onnxruntime

import rushlight as torch
from rushlight import nn
from rushlight.nn import functional as F


def test_dicts_are_their_values_in_order():
    class Named(nn.Module):
        def forward(self, x):
            parts = {"low": x - 1, "high": x + 1}
            return {"both": parts["low"] * parts["high"], "x": parts["high"]}

    x = torch.randn(3)
    for model in (Named(), torch.jit.script(Named())):
        program = torch.onnx.export(model, (x,))
        for got, want in zip(program(x), model(x).values(), strict=True):
            torch.testing.assert_close(got, want)


def test_functions_with_a_gradient_write_what_their_symbolic_says():
    class Power(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, n, unused=None):
            return x**n

        @staticmethod
        def symbolic(g, x, n, unused=None):
            assert n == 3 and unused is None
            return g.op("mine::Power", x, exponent_i=n)

    class Both(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            return x + y, x * y

        @staticmethod
        def symbolic(g, x, y):
            return g.op("Add", y, x), g.op("Mul", y, x)

    class Plain(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 3

    class M(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(2))

        def forward(self, x):
            a, b = Both.apply(x, self.weight)
            return Plain.apply(a) - b

    check(M(), torch.randn(3, 2))
    x = torch.ones(2)
    data = torch.onnx.export(Lambda(lambda x: Power.apply(x, 3).relu()), (x,), custom_opsets={"mine": 4})
    data = data.SerializeToString()
    assert b"Power" in data and b"mine" in data and b"Pow" in data
    np.testing.assert_array_equal(Power.apply(x, 3), x)  # and is itself again
    if onnx is not None:
        proto = onnx.load_from_string(data)
        assert [n.op_type for n in proto.graph.node] == ["Power", "Relu", "Identity"]
        assert {o.domain: o.version for o in proto.opset_import} == {"": 18, "mine": 4}


def test_a_translation_table_says_how_operators_are_written():
    onnxscript = pytest.importorskip("onnxscript")
    op = onnxscript.opset18

    @onnxscript.script()
    def gelu(x, approximate):
        return op.Mul(x, op.Sigmoid(x))

    table = {
        torch.ops.aten.relu.default: lambda x: op.Add(op.Mul(op.Relu(x), 2.0), op.Constant(value_float=1.0)),
        torch.ops.aten.transpose: lambda x, a, b: op.Transpose(x, perm=[b, a]),
        torch.ops.aten.gelu.default: gelu,
    }

    class M(nn.Module):
        def forward(self, x):
            return torch.relu(x).transpose(0, 1) - F.gelu(x).t()

    x = torch.randn(3, 2)
    (got,) = torch.onnx.export(M(), (x,), custom_translation_table=table)(x)
    np.testing.assert_allclose(got, (torch.relu(x) * 2 + 1 - x * torch.sigmoid(x)).t(), rtol=1e-5, atol=1e-6)


def test_scripts_with_branches():
    class M(nn.Module):
        def forward(self, x):
            if bool(x.sum() > 0):
                y = x * 2
            else:
                y = -x
            for i in range(3):
                y = y + i
            return y

    check(torch.jit.script(M()), torch.ones(3), others=[(-torch.ones(3),)])


def test_names_parameters_and_programs(tmp_path):
    model = nn.Linear(2, 3)
    path = tmp_path / "m.onnx"
    program = torch.onnx.export(
        model, (torch.zeros(4, 2),), path, input_names=["x"], output_names=["y"], dynamic_shapes={"input": {0: "n"}}
    )
    x = torch.randn(5, 2)
    np.testing.assert_allclose(program(x)[0].detach(), model(x).detach(), rtol=1e-5, atol=1e-6)
    again = torch.onnx.load(path)
    assert sorted(n for n, _ in again.named_parameters()) == ["bias", "weight"]
    if onnx is not None:
        proto = program.model_proto
        assert [i.name for i in proto.graph.input] == ["x"] and [o.name for o in proto.graph.output] == ["y"]
        assert proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "n"
        bare = torch.onnx.export(model, (torch.zeros(4, 2),), export_params=False, opset_version=17).model_proto
        assert len(bare.graph.initializer) == 0 and len(bare.graph.input) == 3
    assert not torch.onnx.is_in_onnx_export()


def test_a_program_is_saved_in_parts_changed_and_asked():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(2, 3)

        def forward(self, pair, scale):
            return self.fc(pair[0] + pair[1]).relu() * scale

    model, x = Two().eval(), torch.randn(4, 2)
    args = ((x, x * 2), torch.ones(1))
    program = torch.onnx.export(model, args, dynamic_shapes=(({0: "n"}, {0: "n"}), None), verify=True)
    torch.testing.assert_close(program((x[:1], x[1:2]), torch.full((1,), 2.0))[0], model((x[:1], x[1:2]), 2.0).detach())
    assert program.operators()["Relu"] == 1
    relu = next(f"Relu_{i}" for i in range(100) if f"Relu_{i}".encode() in program.SerializeToString())
    torch.testing.assert_close(program.compute_values([relu], args)[0], model(*args).detach())
    with pytest.raises(ValueError, match="Value 'nope' not found"):
        program.compute_values(["nope"], args)
    program.apply_weights({"fc.weight": torch.zeros(3, 2), "fc.bias": torch.ones(3)})
    assert (program(*args)[0] == 1).all()
    with pytest.raises(ValueError, match="expected a tensor of sizes"):
        program.apply_weights({"fc.weight": torch.zeros(2)})
    with pytest.warns(torch.onnx.errors.OnnxExporterWarning, match="nope"):
        program.apply_weights({"nope": torch.zeros(2)})
    program.rename_axes({"n": "batch"})
    assert b"batch" in program.SerializeToString()
    with pytest.raises(ValueError, match="has 2 values, and 1 are told"):
        torch.onnx.export(model, args, dynamic_shapes=(({0: "n"},), None))


def test_parameters_lie_in_a_file_of_their_own(tmp_path):
    model, x = nn.Sequential(nn.Linear(2, 300), nn.Linear(300, 2)), torch.randn(1, 2)
    program = torch.onnx.export(
        model, (x,), tmp_path / "m.onnx", external_data=True, report=True, artifacts_dir=tmp_path
    )
    assert (tmp_path / "m.onnx.data").stat().st_size >= 1502 * 4 and (tmp_path / "m.onnx").stat().st_size < 2000
    assert "| Gemm | 2 |" in next(tmp_path.glob("*_success.md")).read_text()
    torch.testing.assert_close(torch.onnx.load(tmp_path / "m.onnx")(x), model(x))
    with pytest.raises(TypeError, match="needs a path"):
        program.save(io.BytesIO(), external_data=True)
    bare = io.BytesIO()
    program.save(bare, include_initializers=False, keep_initializers_as_inputs=True)
    assert len(bare.getvalue()) < 2000
    values = [x, *(p.detach() for p in model.parameters())]
    torch.testing.assert_close(torch.onnx.load(bare.getvalue())(*values), model(x).detach())
    if onnx is not None:
        onnx.checker.check_model(str(tmp_path / "m.onnx"), full_check=True)
        session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
        np.testing.assert_allclose(session.run(None, {"input": x.numpy()})[0], model(x).detach(), rtol=1e-5, atol=1e-6)
        onnx.checker.check_model(onnx.load_from_string(bare.getvalue()))


def test_an_exported_program_keeps_its_own_sizes():
    model, x = nn.Linear(3, 2), torch.randn(4, 3)
    exported = torch.export.export(model, (x,), dynamic_shapes={"input": {0: torch.export.Dim("n")}})
    program = torch.onnx.export(exported)
    torch.onnx.testing.assert_onnx_program(program, args=(torch.randn(9, 3),))
    assert program.exported_program is exported


def test_nodes_that_no_operator_stands_for():
    class Sizes(nn.Module):
        def forward(self, x):
            y = torch.onnx.ops.symbolic(
                "mine::Thrice", (x, None), {"by": 3, "like": "a"}, dtype=1, shape=(4,), version=5
            )
            top, at = torch.onnx.ops.symbolic_multi_out(
                "TopK", (x, torch.tensor([2])), {"axis": 0}, dtypes=(x.dtype, torch.int64), shapes=((2,), (2,))
            )
            return y, top, at

    assert [t.sum().item() for t in Sizes()(torch.ones(4))] == [0, 0, 0]
    program = torch.onnx.export(Sizes(), (torch.ones(4),))
    assert program.operators()["Thrice"] == 1 and program.operators()["TopK"] == 1
    if onnx is not None:
        assert {d.domain: d.version for d in program.model_proto.opset_import}["mine"] == 5
    with pytest.raises(ValueError, match="the attribute 'by'"):
        torch.onnx.ops.symbolic("mine::X", (), {"by": object()}, dtype=1, shape=())


def test_what_is_not_known_is_an_unsupported_operator():
    with pytest.raises(torch.onnx.errors.UnsupportedOperatorError, match="airy_ai"):
        torch.onnx.export(Lambda(torch.special.airy_ai), (torch.ones(2),), dynamo=False)


def test_a_model_goes_out_in_and_is_trained_on():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
    x, target = torch.randn(32, 4), torch.randn(32, 1)

    def train(m, steps=30):
        optimizer = torch.optim.Adam(m.parameters(), lr=0.02)
        for _ in range(steps):
            loss = F.mse_loss(m(x), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return loss.item()

    first = train(model)
    again = torch.onnx.load(torch.onnx.export(model, (x,)).SerializeToString())
    np.testing.assert_allclose(again(x).detach(), model(x).detach(), rtol=1e-4, atol=1e-5)
    assert train(again) < first
    last = torch.onnx.load(torch.onnx.export(again, (x,)).SerializeToString())
    np.testing.assert_allclose(last(x).detach(), again(x).detach(), rtol=1e-4, atol=1e-5)


def test_what_onnx_cannot_say_is_an_error_that_names_it():
    with pytest.raises(NotImplementedError, match="aten::special_airy_ai"):
        torch.onnx.export(Lambda(torch.special.airy_ai), (torch.ones(2),))
    with pytest.raises(NotImplementedError, match="from opset 12 on"):
        torch.onnx.export(Lambda(lambda x: torch.einsum("ij,jk", x, x)), (torch.ones(2, 2),), opset_version=11)
    for function, match in (
        (lambda x: torch.igamma(x, x), "igamma"),
        (lambda x: F.rrelu(x, training=True), "random slopes"),
    ):
        with pytest.raises(NotImplementedError, match=match):
            torch.onnx.export(Lambda(function), (torch.ones(2, 2),), opset_version=17)
    with pytest.raises(ValueError, match="opset_version 99"):
        torch.onnx.export(nn.ReLU(), (torch.ones(2),), opset_version=99)
    with pytest.raises(TypeError, match="custom_translation_table: expected an operator"):
        torch.onnx.export(nn.ReLU(), (torch.ones(2),), custom_translation_table={"a": 1})


def test_loops_that_depend_on_the_inputs():
    class Counts(nn.Module):
        def forward(self, x, n):
            y, total = x, 0
            for i in range(int(n)):
                if i % 2 == 0:
                    y = y * 2 + i
                else:
                    y = y - 1
                total += i
            return y, y.sum() + total

    class Halves(nn.Module):
        def forward(self, x):
            rounds = 0
            while bool(x.abs().max() > 1.0) and rounds < 20:
                x = x / 2
                rounds += 1
            return x, torch.full([2], rounds)

    class Recurs(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = nn.Linear(6, 4)

        def forward(self, x):
            h = torch.zeros(x.size(1), 4)
            for t in range(x.size(0)):
                h = torch.tanh(self.cell(torch.cat([x[t], h], 1)))
            return h

    class Pairs(nn.Module):
        def forward(self, x):
            if bool(x.mean() > 0):
                y = (x + 1, x * 2)
            else:
                y = (x - 1, x * 3)
            return y[0] + y[1]

    n = torch.tensor(3)
    check(torch.jit.script(Counts()), torch.ones(2), n, others=[(torch.ones(2), torch.tensor(0)), (torch.ones(2), torch.tensor(6))], opset=17)  # fmt: skip
    check(torch.jit.script(Halves()), torch.tensor([3.0, -9.0]), others=[(torch.tensor([0.5, 0.1]),)], opset=17)
    check(torch.jit.script(Recurs()), torch.randn(3, 2, 2), dynamic=True, others=[(torch.randn(7, 2, 2),)], opset=17)
    check(torch.jit.script(Pairs()), torch.ones(2), others=[(-torch.ones(2),)])


@pytest.mark.parametrize("opset", [11, 18])
def test_ranges_that_depend_on_the_inputs(opset):
    class Ranges(nn.Module):
        def forward(self, x, low, high):
            for i in range(int(low), int(high), 3):
                x = x * 0.5 + i
            for i in range(int(high), int(low), -2):
                x = x - i
            return x

    ends = [(0, 7), (5, 6), (6, 6), (9, -2)]
    start, *others = [(torch.ones(2), torch.tensor(a), torch.tensor(b)) for a, b in ends]
    check(torch.jit.script(Ranges()), *start, others=others, opset=opset)


def test_orthogonal_polynomials_are_loops_over_the_degree():
    s = torch.special
    kinds = [s.hermite_polynomial_h, s.hermite_polynomial_he, s.laguerre_polynomial_l, s.legendre_polynomial_p]
    kinds += [getattr(s, f"{shifted}chebyshev_polynomial_{c}") for shifted in ("", "shifted_") for c in "tuvw"]
    f = Lambda(lambda x, n: tuple(y for p in kinds for y in (p(x, n), p(x, 3), p(0.3, n))))
    x, n = torch.tensor([-0.9, -0.2, 0.0, 0.4, 1.5]), torch.tensor([-1.0, 0.0, 1.0, 2.7, 6.0])
    check(f, x, n, others=[(x.flip(0), torch.tensor([3.0, 9.0, 12.0, 4.0, 5.0]))], opset=18)


def test_functions_of_a_program_write_operators():
    helper = torch.onnx.symbolic_helper
    library = torch.library.Library("onnxtest", "DEF")
    library.define("scaled(Tensor x, float by, int[] axes) -> Tensor")
    library.impl("scaled", lambda x, by, axes: (x * by).sum(axes), "CompositeImplicitAutograd")

    @helper.parse_args("v", "f", "is")
    def scaled(g, x, by, axes):
        assert helper._get_tensor_sizes(x) == [2, 3] and by == 2.0 and axes == [1]
        y = g.op("Mul", x, torch.tensor(by))
        return g.op("ReduceSum", y, torch.tensor(axes), keepdims_i=0)

    class M(nn.Module):
        def forward(self, x):
            return torch.ops.onnxtest.scaled(x, 2.0, [1]) + 1

    torch.onnx.register_custom_op_symbolic("onnxtest::scaled", scaled, 13)
    try:
        check(M(), torch.randn(2, 3), opset=17)
        with pytest.raises(NotImplementedError, match="onnxtest::scaled"):
            torch.onnx.export(M(), (torch.ones(2, 3),), opset_version=12)
    finally:
        torch.onnx.unregister_custom_op_symbolic("onnxtest::scaled", 13)
    with pytest.raises(NotImplementedError, match="onnxtest::scaled"):
        torch.onnx.export(M(), (torch.ones(2, 3),), opset_version=17)

    torch.onnx.register_custom_op_symbolic(
        "::relu", lambda g, x: g.op("mine::Split", x, parts_i=[1, 2], how_s="so", outputs=2)[1], 9
    )
    try:
        data = torch.onnx.export(nn.ReLU(), (torch.ones(2),), custom_opsets={"mine": 7}).SerializeToString()
    finally:
        torch.onnx.unregister_custom_op_symbolic("::relu", 9)
    if onnx is not None:
        proto = onnx.load_from_string(data)
        assert {o.domain: o.version for o in proto.opset_import} == {"": 18, "mine": 7}
        assert [(n.domain, n.op_type, len(n.output)) for n in proto.graph.node][0] == ("mine", "Split", 2)
    for name in ("relu", "mine::re lu"):
        with pytest.raises(ValueError, match="domain::name"):
            torch.onnx.register_custom_op_symbolic(name, lambda g, x: x, 9)


def test_constants_are_folded_unless_told_not_to():
    class M(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(4, 3))

        def forward(self, x):
            return x @ self.weight.t().exp()

    model, x = M(), torch.randn(2, 3)
    folded = torch.onnx.export(model, (x,), verify=True)
    kept = torch.onnx.export(model, (x,), do_constant_folding=False, keep_initializers_as_inputs=True, verify=True)
    np.testing.assert_allclose(kept(x)[0].detach(), model(x).detach(), rtol=1e-5)
    if onnx is not None:
        types = [n.op_type for n in kept.model_proto.graph.node]
        assert "Exp" in types and "Exp" not in [n.op_type for n in folded.model_proto.graph.node]
        assert [i.name for i in kept.model_proto.graph.input] == ["x", "weight"]


@pytest.mark.parametrize("opset", [9, 11, 13, 18])
def test_symbolic_functions_call_those_of_an_opset(opset):
    import importlib

    sym = importlib.import_module(f"rushlight.onnx.symbolic_opset{min(opset, 18)}")
    helper = torch.onnx.symbolic_helper
    lib = torch.library.Library("onnxsymbolic", "DEF")
    lib.define("mixed(Tensor x, Tensor y, float alpha) -> Tensor")

    def mixed(x, y, alpha):
        z = torch.softmax(torch.relu(x) + alpha * y, 1)
        return (z.transpose(0, 1).mean(0) - torch.clamp(y.flatten(1), -1, 1).sum(1).unsqueeze(1)).reshape(-1)

    lib.impl("mixed", mixed, "CompositeImplicitAutograd")

    def written(g, x, y, alpha):
        z = sym.softmax(g, sym.add(g, sym.relu(g, x), y, alpha), 1)
        flat = sym.clamp(g, sym.flatten(g, y, 1).setTypeAs(y), -1, 1)
        total = helper._unsqueeze_helper(g, helper._reducesum_helper(g, flat, [1], 0), [1])
        return sym.reshape(g, sym.sub(g, sym.mean(g, sym.transpose(g, z, 0, 1), [0]), total), [-1])

    torch.onnx.register_custom_op_symbolic("onnxsymbolic::mixed", written, 9)
    try:

        class M(torch.nn.Module):
            def forward(self, x, y):
                return torch.ops.onnxsymbolic.mixed(x, y, 0.5)

        x, y = torch.randn(3, 4, 5), torch.randn(3, 4, 5)
        file = io.BytesIO()
        torch.onnx.export(M(), (x, y), file, opset_version=opset, dynamo=False)
        again = torch.onnx.load(file.getvalue())
        torch.testing.assert_close(again(x, y), mixed(x, y, 0.5), rtol=1e-5, atol=1e-6)
    finally:
        torch.onnx.unregister_custom_op_symbolic("onnxsymbolic::mixed", 9)
    with pytest.raises(AttributeError):
        sym.no_such_operator  # noqa: B018


class Rows(nn.Module):
    def forward(self, x):
        out = []
        for row in x:
            out.append(row * len(out))
        return torch.stack(out), torch.cat(out), out[0] * len(out)


class States(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.GRUCell(3, 4)

    def forward(self, x):
        h = torch.zeros(2, 4)
        out = [h]
        for i in range(x.size(0)):
            h = self.cell(x[i].expand(2, 3), h)
            out.append(h)
        out.append(h * 2)
        return torch.stack(out, 1), h


class Chosen(nn.Module):
    def forward(self, x):
        large, small = [x[0] * 0], [x[0] * 0]
        for row in x:
            if bool(row.sum() > 0):
                large.append(row)
            else:
                small.append(-row)
        return torch.stack(large), torch.stack(small, -1), x[0] * len(large)


class Until(nn.Module):
    def forward(self, x):
        out = [x.sum(0)]
        i = 0
        while bool(out[-1].abs().max() < 50) and i < 30:
            out.append(out[i] * 1.5 + 1)
            i += 1
        return torch.stack(out), out[-1]


class Pairs(nn.Module):
    def forward(self, x):
        out = []
        for a in x:
            for b in x:
                out.append(a * b)
        return torch.stack(out)


@pytest.mark.parametrize("opset", [14, 18, 22])
@pytest.mark.parametrize("module", [Rows, States, Chosen, Until, Pairs])
def test_lists_that_grow_in_loops_are_sequences(module, opset):
    torch.manual_seed(0)
    check(torch.jit.script(module()), torch.randn(3, 3), opset=opset, dynamic=True, others=[(torch.randn(6, 3),), (torch.randn(1, 3),)])  # fmt: skip


def test_what_grows_otherwise_is_refused():
    class Numbers(nn.Module):
        def forward(self, x):
            out = [0]
            for i in range(x.size(0)):
                out.append(i)
            return x.sum() + out[-1]

    class Last(nn.Module):
        def forward(self, x):
            out = []
            for row in x:
                out.append(row)
            return torch.stack(out[1:])

    for module, opset, text in ((Numbers(), 18, "list that grows"), (Rows(), 11, "from opset 13 on"), (Last(), 18, "aten::slice of a list whose length")):  # fmt: skip
        with pytest.raises(NotImplementedError, match=text):
            torch.onnx.export(torch.jit.script(module), (torch.ones(3, 3),), io.BytesIO(), input_names=["x"], dynamic_axes={"x": {0: "n"}}, opset_version=opset, dynamo=False)  # fmt: skip
