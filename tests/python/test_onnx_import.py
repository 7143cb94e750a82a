"""ONNX models: small ones written as bytes here, and, where the onnx package is there, its own conformance suite."""

import struct

import numpy as np
import pytest
import torch
from onnx_writer import BOOL, FLOAT, INT64, STRING, field, graph, info, model, node, tensor, varint

import rushlight as rl
from rushlight import onnx as rl_onnx


def one_node(op, inputs, outputs=("y",), opset=17, initialisers=(), domains=(), **attributes):
    named = [i for i in inputs if i and not any(field(8, i) in t for t in initialisers)]
    g = graph(
        [node(op, inputs, outputs, **attributes)], [info(i) for i in named], [info(o) for o in outputs], initialisers
    )
    return rl_onnx.load(model(g, opset, domains=domains))


def same(got, expected):
    np.testing.assert_allclose(got.detach().numpy(), np.asarray(expected), rtol=1e-5, atol=1e-6)


# ---- models


def linear_model():
    w = np.arange(6, dtype=np.float32).reshape(3, 2) / 10
    b = np.array([0.5, -0.5, 0.25], dtype=np.float32)
    g = graph(
        [node("Gemm", ["x", "fc.weight", "fc.bias"], ["h"], transB=1), node("Relu", ["h"], ["y"])],
        [info("x")],
        [info("y")],
        [tensor("fc.weight", w), tensor("fc.bias", b)],
    )
    return model(g), w, b


def test_initialisers_are_parameters_and_the_model_runs():
    data, w, b = linear_model()
    m = rl_onnx.load(data)
    assert [n for n, _ in m.named_parameters()] == ["fc.bias", "fc.weight"]
    x = rl.randn(4, 2)
    same(m(x), np.maximum(x.numpy() @ w.T + b, 0))


def test_a_model_trains():
    m = rl_onnx.load(linear_model()[0])
    x, target = rl.randn(16, 2), rl.rand(16, 3)
    optimizer = rl.optim.SGD(m.parameters(), lr=0.1)
    losses = []
    for _ in range(20):
        loss = ((m(x) - target) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_a_model_is_saved_as_an_archive_that_pytorch_reads(tmp_path):
    m = rl_onnx.load(linear_model()[0])
    path = str(tmp_path / "m.pt")
    rl.jit.save(m, path)
    x = rl.randn(4, 2)
    same(rl.jit.load(path)(x), m(x).detach().numpy())
    same(rl.tensor(torch.jit.load(path)(torch.tensor(x.numpy())).detach().numpy()), m(x).detach().numpy())


def test_calls_without_gradients_see_what_is_written():
    data, w, b = linear_model()
    x = rl.randn(4, 2)

    def expected(weight, bias):
        return np.maximum(x.numpy() @ weight.T + bias, 0)

    with rl.no_grad():
        m = rl_onnx.load(data).eval()
        same(m(x), expected(w, b))
        assert m.__dict__["_frozen"].program is not None
        weight = m.fc.weight
        seen = weight.numpy().copy()
        same(m(x), expected(seen, b))
        for write in (
            lambda: weight.mul_(2),
            lambda: weight.data.add_(1),
            lambda: weight.numpy().__imul__(3),
            lambda: weight.untyped_storage().__setitem__(3, 64),
            lambda: weight[0].zero_(),
            lambda: rl.nn.init.constant_(weight, 0.25),
            lambda: m.load_state_dict({"fc.weight": rl.tensor(w), "fc.bias": rl.zeros(3)}),
            lambda: setattr(m.fc, "weight", rl.nn.Parameter(rl.tensor(-w))),
        ):
            write()
            same(m(x), expected(m.fc.weight.numpy().copy(), m.fc.bias.numpy().copy()))
            same(m(x), expected(m.fc.weight.numpy().copy(), m.fc.bias.numpy().copy()))
    optimizer = rl.optim.SGD(m.parameters(), lr=0.1)
    for _ in range(3):
        m(x).sum().backward()
        optimizer.step()
        with rl.no_grad():
            for _ in range(6):
                same(m(x), expected(m.fc.weight.numpy().copy(), m.fc.bias.numpy().copy()))


def test_a_model_that_runs_frozen_is_traced_copied_and_compiled_as_others_are():
    import copy

    m = rl_onnx.load(linear_model()[0]).eval()
    x = rl.randn(4, 2)
    with rl.no_grad():
        y = m(x)
        traced = rl.jit.trace(rl.nn.Sequential(m), x)
        assert len(list(traced.parameters())) == 2
        same(traced(x), y.numpy())
        other = copy.deepcopy(m)
        other.fc.weight.zero_()
        same(m(x), y.numpy())
        same(other(x), np.maximum(np.broadcast_to(m.fc.bias.numpy(), (4, 3)), 0))
        again = rl_onnx.load(rl_onnx.export(m, (x,), dynamo=True).SerializeToString())
        assert len(list(again.parameters())) == 2
    assert m(x).requires_grad


def test_layers_written_out_are_layers_in_the_frozen_copy():
    rng = np.random.default_rng(0)
    w = rng.standard_normal((64, 32)).astype(np.float32)
    constants = {"root": 2.0**0.5, "one": 1.0, "half": 0.5}
    g = graph(
        [
            node("LayerNormalization", ["x", "scale", "shift"], ["n"]),
            node("Transpose", ["w"], ["wt"], perm=[1, 0]),
            node("MatMul", ["n", "wt"], ["m"]),
            node("Add", ["m", "b"], ["h"]),
            node("Div", ["h", "root"], ["d"]),
            node("Erf", ["d"], ["e"]),
            node("Add", ["e", "one"], ["a"]),
            node("Mul", ["h", "half"], ["p"]),
            node("Mul", ["p", "a"], ["y"]),
        ],
        [info("x")],
        [info("y")],
        [
            *(tensor(k, np.array(v, np.float32)) for k, v in constants.items()),
            *(tensor(n, rng.standard_normal(32).astype(np.float32)) for n in ("scale", "shift")),
            tensor("w", w),
            tensor("b", rng.standard_normal(64).astype(np.float32)),
        ],
    )
    m = rl_onnx.load(model(g)).eval()
    text = str(rl.jit.freeze(m).graph)
    assert "aten::linear" in text and "aten::gelu" in text
    assert not any(name in text for name in ("aten::matmul", "aten::erf", "aten::permute", "prim::If"))
    x = rl.randn(2, 5, 32)
    expected = m(x).detach()
    with rl.no_grad():
        same(m(x), expected.numpy())


@pytest.mark.parametrize("opset", [7, 9, 10, 11, 13, 17, 18, 22, 28])
def test_each_version_means_its_own(opset):
    x = rl.randn(2, 3, 4)
    axis = {"axis": 1}
    expected = torch.softmax(torch.tensor(x.numpy()).reshape(2, 12), 1).reshape(2, 3, 4)
    if opset >= 13:
        expected = torch.softmax(torch.tensor(x.numpy()), 1)
    same(one_node("Softmax", ["x"], opset=opset, **axis)(x), expected)
    if opset < 13:
        same(one_node("Unsqueeze", ["x"], opset=opset, axes=[0])(x), x.numpy()[None])
    else:
        m = one_node("Unsqueeze", ["x", "a"], opset=opset, initialisers=[tensor("a", np.array([0]))])
        same(m(x), x.numpy()[None])


def test_control_flow_functions_and_sequences():
    # Loop: s = s + i for i in range(n); the partial sums are gathered.
    body = graph(
        [node("Cast", ["i"], ["f"], to=FLOAT), node("Add", ["s", "f"], ["t"]), node("Identity", ["t"], ["scan"])],
        [info("i", INT64), info("c", BOOL), info("s")],
        [info("c", BOOL), info("t"), info("scan")],
    )
    g = graph(
        [node("Loop", ["n", "", "start"], ["last", "all"], body=(body,))],
        [info("n", INT64), info("start")],
        [info("last"), info("all")],
    )
    m = rl_onnx.load(model(g))
    last, sums = m(rl.tensor(4), rl.tensor(1.0))
    assert last.item() == 7.0
    same(sums, [1, 2, 4, 7])
    assert m(rl.tensor(0), rl.tensor(1.0))[1].shape[0] == 0

    then = graph([node("Neg", ["x"], ["a"])], [], [info("a")])
    other = graph([node("Identity", ["x"], ["b"])], [], [info("b")])
    g = graph(
        [node("If", ["c"], ["y"], then_branch=(then,), else_branch=(other,))], [info("c", BOOL), info("x")], [info("y")]
    )
    m = rl_onnx.load(model(g))
    assert m(rl.tensor(True), rl.tensor(2.0)).item() == -2
    assert m(rl.tensor(False), rl.tensor(2.0)).item() == 2

    function = (
        field(1, "Twice") + field(4, "a") + field(5, "b") + field(7, node("Add", ["a", "a"], ["b"]))
        + field(9, field(2, 17)) + field(10, "mine")
    )  # fmt: skip
    g = graph([node("Twice", ["x"], ["y"], "mine")], [info("x")], [info("y")])
    assert rl_onnx.load(model(g, functions=[function]))(rl.tensor(3.0)).item() == 6


def test_strings_are_places_in_a_list():
    g = graph(
        [node("StringConcat", ["a", "b"], ["c"]), node("Transpose", ["c"], ["y"], perm=[1, 0])],
        [info("a", STRING), info("b", STRING)],
        [info("y", STRING)],
    )
    m = rl_onnx.load(model(g, 20))
    codes, texts = m((rl.tensor([[0, 1]]), ["x", "é"]), (rl.tensor([[0]]), ["!"]))
    assert [texts[i] for i in codes.reshape(-1).tolist()] == ["x!", "é!"]
    assert codes.shape == (2, 1)


def test_a_node_gives_gradients_of_what_came_before_it():
    # y = a * b + a; the gradients at other values than the graph's own, and of b by itself.
    training = "ai.onnx.preview.training"
    data = model(
        graph(
            [
                node("Mul", ["a", "b"], ["c"]),
                node("Add", ["c", "a"], ["y"]),
                node("Gradient", ["a", "b"], ["da", "db"], domain=training, xs=["a", "b"], y="y"),
                node("Neg", ["a"], ["n"]),
                node("Gradient", ["n", "b"], ["dn"], domain=training, xs=["a"], zs=["b"], y="c"),
            ],
            [info("a"), info("b")],
            [info("y"), info("da"), info("db"), info("dn")],
        ),
        domains=[(training, 1)],
    )
    a, b = rl.tensor([2.0, 3.0]), rl.tensor([5.0, 7.0])
    for mode in (rl.no_grad, rl.enable_grad):
        with mode():
            y, da, db, dn = rl_onnx.load(data)(a, b)
            assert y.tolist() == [12, 24] and da.tolist() == [6, 8] and db.tolist() == [2, 3] and dn.tolist() == [5, 7]
            assert rl.is_grad_enabled() == (mode is rl.enable_grad)
    wrong = model(graph([node("Gradient", ["a"], ["d"], domain=training, xs=["a", "b"], y="a")], [info("a")], [info("d")]), domains=[(training, 1)])  # fmt: skip
    with pytest.raises(RuntimeError, match="an input for each name"):
        rl_onnx.load(wrong)


def test_pictures_are_decoded():
    picture = np.arange(24, dtype=np.uint8).reshape(3, 2, 4)  # (C, H, W)
    file = rl.tensor(list(b"P6\n4 2\n255\n" + picture.transpose(1, 2, 0).tobytes()), dtype=rl.uint8)

    def decoded(**how):
        return rl_onnx.load(
            model(graph([node("ImageDecoder", ["f"], ["y"], **how)], [info("f", 2)], [info("y", 2)]), opset=20)
        )(file)

    same(decoded(), picture.transpose(1, 2, 0))
    same(decoded(pixel_format="BGR"), picture.transpose(1, 2, 0)[..., ::-1])
    gray = (picture.transpose(1, 2, 0) @ np.array([19595, 38470, 7471]) + 32768) >> 16
    same(decoded(pixel_format="Grayscale"), gray[..., None])
    with pytest.raises(RuntimeError, match="expected a pixel_format"):
        decoded(pixel_format="CMYK")


def test_external_data_lies_in_the_models_folder(tmp_path):
    w = np.array([1.5, 2.5], dtype=np.float32)

    def with_location(location, offset="0", length="8"):
        pairs = [("location", location), ("offset", offset), ("length", length)]
        t = field(1, 2) + field(2, FLOAT) + field(8, "w") + field(14, 1)
        t += b"".join(field(13, field(1, k) + field(2, v)) for k, v in pairs)
        return model(graph([node("Mul", ["x", "w"], ["y"])], [info("x")], [info("y")], [t]))

    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "w.bin").write_bytes(w.tobytes())
    (tmp_path / "secret.bin").write_bytes(w.tobytes())
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    path = folder / "m.onnx"
    path.write_bytes(with_location("w.bin"))
    same(rl_onnx.load(path)(rl.ones(2)), w)
    for location in ("../secret.bin", "../../m/../secret.bin", str(tmp_path / "secret.bin"), "link.bin", "."):
        path.write_bytes(with_location(location))
        with pytest.raises((RuntimeError, OSError)):
            rl_onnx.load(path)
    for offset, length in (("4", "8"), ("100", "8"), ("-1", "8"), ("0", "18446744073709551615"), ("x", "8")):
        path.write_bytes(with_location("w.bin", offset, length))
        with pytest.raises(RuntimeError, match="tensor 'w'"):
            rl_onnx.load(path)
    with pytest.raises(RuntimeError, match="by its path"):
        rl_onnx.load(with_location("w.bin"))


# ---- bad input


def relu_graph(**changes):
    parts = {"nodes": [node("Relu", ["x"], ["y"])], "inputs": [info("x")], "outputs": [info("y")]}
    parts.update(changes)
    return model(graph(**parts))


@pytest.mark.parametrize(
    "data, match",
    [
        (b"", "no ONNX model"),
        (b"\x00\x01\x02", "damaged at byte"),
        (relu_graph(nodes=[node("Nothing", ["x"], ["y"], name="n1")]), r"node 'n1' \(Nothing, domain ai.onnx, version 17\): the operator is not known"),
        (relu_graph(nodes=[node("Relu", ["x"], ["y"], "elsewhere")]), "elsewhere"),
        (relu_graph(nodes=[node("Gelu", ["x"], ["y"])]), "not of that version"),
        (model(graph([node("Relu", ["x"], ["y"])], [info("x")], [info("y")]), 99), "version 99"),
        (relu_graph(nodes=[node("Relu", ["z"], ["y"])]), "its input 'z' is neither"),
        (relu_graph(nodes=[node("Add", ["x", "b"], ["a"]), node("Relu", ["a"], ["b"]), node("Relu", ["b"], ["y"])]), "a cycle"),
        (relu_graph(nodes=[node("Relu", ["x"], ["y"]), node("Relu", ["x"], ["y"])]), "'y' is given twice"),
        (relu_graph(inputs=[info("x"), info("x")]), "'x' is given twice"),
        (relu_graph(initialisers=[tensor("w", np.ones(2, np.float32))] * 2), "'w' is given twice"),
        (relu_graph(initialisers=[tensor("w", np.ones(2, np.float32), dims=[-2])]), "negative dimension"),
        (relu_graph(initialisers=[tensor("w", np.ones(2, np.float32), dims=[1 << 62])]), "too large"),
        (relu_graph(initialisers=[tensor("w", np.ones(2, np.float32), dims=[1 << 40])]), "needs"),
        (relu_graph(initialisers=[tensor("w", np.ones(2, np.float32), elem=77)]), "element type 77"),
        (relu_graph(initialisers=[tensor("w", np.ones(2, np.float32), dims=[1] * 70)]), "70 dimensions"),
        (relu_graph(outputs=[info("q")]), "the output 'q' is made by no node"),
        (relu_graph(outputs=[]), "no outputs"),
        (relu_graph(nodes=[field(1, "x") + field(2, "y") + field(4, b"\xff\xfe")]), "no UTF-8"),
        (relu_graph(nodes=[field(1, "x") + field(2, b"\xc3\x28") + field(4, "Relu")]), "no UTF-8"),
        (relu_graph(nodes=[node("Relu", ["x"], ["y"], wrong=3)]), "wrong"),
        (relu_graph(nodes=[node("Relu", ["x", "x"], ["y"])]), "at most 1"),
        (relu_graph(nodes=[node("Relu", [], ["y"])]), "not provided"),
        (relu_graph(nodes=[node("Relu", ["x"], ["y", "z"])]), "2 outputs"),
        (relu_graph(nodes=[node("Cast", ["x"], ["y"], to=1000)]), "1000"),
        (relu_graph(nodes=[node("If", ["x"], ["y"])]), "then_branch"),
        (relu_graph(nodes=[node("Conv", ["x", "x"], ["y"], auto_pad="SIDEWAYS")]), None),
    ],
)  # fmt: skip
def test_bad_models_are_one_clear_error(data, match):
    if match is None:  # what only running shows
        with pytest.raises((RuntimeError, ValueError)):
            rl_onnx.load(data)(rl.ones(1, 1, 3, 3))
        return
    with pytest.raises(RuntimeError, match=match):
        rl_onnx.load(data)


# Numbers in the list of another type: enough of them in all, and none where they are read from.
@pytest.mark.parametrize("elem", [1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23])
def test_numbers_in_the_list_of_another_type_are_refused(elem):
    lists = {
        "float": field(4, struct.pack("<4f", 1, 2, 3, 4)),
        "int64": field(7, b"\1\2\3\4"),
        "uint64": field(11, b"\1\2\3\4"),
    }
    own = {1: "float", 14: "float", 7: "int64", 12: "uint64", 13: "uint64"}.get(elem)
    for name, numbers in lists.items():
        for count in (2, 4, 8):
            if name != own:
                weights = field(1, count) + field(2, elem) + field(8, "w") + numbers
                with pytest.raises(RuntimeError, match="'w' of shape .* needs"):
                    rl_onnx.load(relu_graph(initialisers=[weights]))


def test_functions_that_call_themselves_and_deep_graphs_end():
    def function(name, calls):
        body = node(calls, ["a"], ["b"], "mine")
        return field(1, name) + field(4, "a") + field(5, "b") + field(7, body) + field(10, "mine")

    g = graph([node("F", ["x"], ["y"], "mine")], [info("x")], [info("y")])
    with pytest.raises(RuntimeError, match="calls itself"):
        rl_onnx.load(model(g, functions=[function("F", "G"), function("G", "F")]))
    chain = [function(f"F{i}", f"F{i + 1}") for i in range(200)]
    chain[0] = function("F", "F1")
    with pytest.raises(RuntimeError, match="functions inside of each other"):
        rl_onnx.load(model(g, functions=chain))
    inner = graph([node("Relu", ["x"], ["r0"])], [], [info("r0")])
    for i in range(1, 50):
        nodes = [node("If", ["c"], [f"r{i}"], then_branch=(inner,), else_branch=(graph([], [], [info("x")]),))]
        inner = graph(nodes, [], [info(f"r{i}")])
    with pytest.raises(RuntimeError, match="deep|inside of each other"):
        rl_onnx.load(model(graph([node("If", ["c"], ["y"], then_branch=(inner,), else_branch=(inner,))], [info("c", BOOL), info("x")], [info("y")])))  # fmt: skip
    with pytest.raises(RuntimeError, match="deep"):
        rl_onnx.load(nested(100_000))


def nested(levels):
    """Graphs in attributes in nodes in graphs ..., `levels` of them."""
    size, parts = 0, []
    for _ in range(levels // 3):
        for number in (6, 5, 1):
            head = varint(number << 3 | 2) + varint(size)
            size += len(head)
            parts.append(head)
    body = b"".join(reversed(parts))
    return field(1, 8) + varint(7 << 3 | 2) + varint(len(body)) + body


def test_cut_and_flipped_files_raise_or_load():
    data = linear_model()[0]
    for n in range(len(data)):
        try:
            rl_onnx.load(data[:n])
        except (RuntimeError, ValueError):
            pass
    rng = np.random.default_rng(0)
    for _ in range(600):
        flipped = bytearray(data)
        for at in rng.integers(0, len(data), 3):
            flipped[at] ^= 1 << int(rng.integers(0, 8))
        try:
            rl_onnx.load(bytes(flipped))(rl.ones(4, 2))
        except (RuntimeError, ValueError, NotImplementedError, IndexError, TypeError):
            pass


def test_what_is_known_of_dimensions_leaves_no_loops():
    w = np.random.default_rng(0).standard_normal((4, 3, 3, 3)).astype(np.float32)
    v = np.random.default_rng(1).standard_normal((4, 6)).astype(np.float32)
    nodes = [
        node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
        node("Mul", ["half", "c"], ["h"]),
        node("GlobalAveragePool", ["h"], ["p"]),
        node("Flatten", ["p"], ["f"]),
        node("MatMul", ["f", "v"], ["m"]),
        node("LayerNormalization", ["m", "scale", "shift"], ["y"]),
    ]
    inputs = [
        field(1, "x")
        + field(2, field(1, field(1, FLOAT) + field(2, b"".join(field(1, field(1, d)) for d in (2, 3, 5, 5)))))
    ]
    scale, shift = np.linspace(1, 2, 6, dtype=np.float32), np.linspace(-1, 1, 6, dtype=np.float32)
    values = [
        tensor("w", w),
        tensor("v", v),
        tensor("half", np.float32(0.5), dims=()),
        tensor("scale", scale),
        tensor("shift", shift),
    ]
    m = rl_onnx.load(model(graph(nodes, inputs, [info("y")], values)))
    text = str(rl.jit.freeze(m.eval()).graph)
    assert "prim::Loop" not in text and "prim::If" not in text and "aten::linear" not in text  # a small weight
    x = torch.randn(2, 3, 5, 5)
    h = torch.nn.functional.conv2d(x, torch.tensor(w), padding=1) * 0.5
    expected = torch.nn.functional.layer_norm(
        h.mean([2, 3]) @ torch.tensor(v), [6], torch.tensor(scale), torch.tensor(shift)
    )
    same(m(rl.tensor(x.numpy())), expected)


def test_sparse_initialisers():
    values = tensor("w", np.array([5.0, 7.0], dtype=np.float32))
    sparse = field(1, values) + field(2, tensor("", np.array([1, 3]))) + field(3, 2) + field(3, 2)
    g = graph([node("Add", ["x", "w"], ["y"])], [info("x")], [info("y")]) + field(15, sparse)
    same(rl_onnx.load(model(g))(rl.zeros(2, 2)), [[0, 5], [0, 7]])
    sparse = field(1, values) + field(2, tensor("", np.array([1, 30]))) + field(3, 2) + field(3, 2)
    with pytest.raises(RuntimeError, match="index 30"):
        rl_onnx.load(model(graph([node("Add", ["x", "w"], ["y"])], [info("x")], [info("y")]) + field(15, sparse)))


def test_trees():
    names = field(1, "nodes_modes") + b"".join(field(9, m) for m in ("BRANCH_LEQ", "LEAF", "LEAF")) + field(20, 8)

    def floats(name, values):
        return field(1, name) + b"".join(field(7, v) for v in values) + field(20, 6)

    lists = {
        "nodes_treeids": [0, 0, 0], "nodes_nodeids": [0, 1, 2], "nodes_featureids": [1, 0, 0], "nodes_truenodeids": [1, 0, 0],
        "nodes_falsenodeids": [2, 0, 0], "target_treeids": [0, 0], "target_nodeids": [1, 2], "target_ids": [0, 0],
    }  # fmt: skip

    def trees(**changes):
        n = node("TreeEnsembleRegressor", ["x"], ["y"], "ai.onnx.ml", **{**lists, **changes}, n_targets=1)
        n += (
            field(5, names)
            + field(5, floats("nodes_values", [0.5, 0.0, 0.0]))
            + field(5, floats("target_weights", [10.0, 20.0]))
        )
        return rl_onnx.load(model(graph([n], [info("x")], [info("y")]), domains=[("ai.onnx.ml", 3)]))

    same(trees()(rl.tensor([[9.0, 0.4], [9.0, 0.6]])), [[10], [20]])
    with pytest.raises(RuntimeError, match="doesn't exist"):
        trees(nodes_truenodeids=[7, 0, 0])
    with pytest.raises(RuntimeError, match="circle"):
        trees(nodes_truenodeids=[0, 0, 0])(rl.tensor([[9.0, 0.4]]))
    with pytest.raises(RuntimeError, match="feature 5 of 2"):
        trees(nodes_featureids=[5, 0, 0])(rl.tensor([[9.0, 0.4]]))


# ---- onnx's own conformance suite

# Random numbers of numpy's generator; kinds of pictures that no reader is there for; and results that numpy rounds in another way, by one place of
# float16, 2e-7 of a Fourier transform's zero, or bfloat16's count of steps.
NOT_PASSED = (
    r"bernoulli|training_dropout|image_decoder|attention_4d_causal_fp16|dft_inverse|loop16_seq_none|range_bfloat16"
)


def test_conformance_of_nodes():
    pytest.importorskip("onnx")
    pytest.importorskip("ml_dtypes")
    import re
    import warnings

    import onnx.backend.base
    import onnx.backend.test

    from rushlight.onnx import backend

    class Backend(onnx.backend.base.Backend):
        prepare = staticmethod(backend.prepare)
        supports_device = staticmethod(backend.supports_device)

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        failed, count = [], 0
        for kind in ("Node", "PyTorchConverted", "PyTorchOperator"):
            cases = onnx.backend.test.BackendTest(Backend, __name__).test_cases[f"OnnxBackend{kind}ModelTest"]
            for name in dir(cases):
                if not name.endswith("_cpu") or re.search(NOT_PASSED, name):
                    continue
                count += 1
                try:
                    getattr(cases(name), name)()
                except Exception as e:
                    failed.append(f"{name}: {str(e)[:200]}")
    assert not failed, "\n".join(failed)
    assert count > 1000


# Models inside of packages: the sizes of inputs that a model leaves open, by their names, for two calls.
PACKAGES = {
    "silero_vad": {"input": ((1, 576), (2, 576)), "state": ((2, 1, 128), (2, 2, 128)), "h": ((1, 1, 128),) * 2, "c": ((1, 1, 128),) * 2},
    "basic_pitch": {},
    "magika": {"bytes": ((1, 2048), (3, 2048))},
    "rapidocr_onnxruntime": {"x": ((1, 3, 64, 192), (1, 3, 96, 160))},
}  # fmt: skip


@pytest.mark.parametrize("package", PACKAGES)
def test_models_inside_of_packages_give_what_onnxruntime_gives(package):
    onnxruntime = pytest.importorskip("onnxruntime")
    import importlib.util
    from pathlib import Path

    found = importlib.util.find_spec(package)
    if found is None:
        pytest.skip(f"the package {package} is not installed")
    rng = np.random.default_rng(0)
    for path in sorted(Path(found.submodule_search_locations[0]).rglob("*.onnx")):
        if "sequence" in path.name or "openvino" in path.name:
            continue  # of sizes that those programs choose
        model, session = rl_onnx.load(path), onnxruntime.InferenceSession(str(path))
        for call in (0, 1):
            given = {}
            for i in session.get_inputs():
                open_sizes = PACKAGES[package].get(i.name, ())
                if "cls" in path.name or "rec" in path.name:  # lines of text, 48 high
                    open_sizes = ((1, 3, 48, 192), (2, 3, 48, 192))
                shape = open_sizes[call] if open_sizes else [d if isinstance(d, int) else 1 + call for d in i.shape]
                if i.name == "sr":
                    given[i.name] = np.array(16000)
                elif "int" in i.type:
                    given[i.name] = rng.integers(0, 256, shape).astype("i8" if "64" in i.type else "i4")
                else:
                    given[i.name] = rng.standard_normal(shape).astype("f")
            with rl.no_grad():
                got = model(*[rl.from_numpy(v) for v in given.values()])
            for a, b in zip(session.run(None, given), got if isinstance(got, tuple) else (got,), strict=True):
                np.testing.assert_allclose(b.numpy(), a, rtol=1e-4, atol=1e-5 * (1 + np.abs(a).max()), err_msg=path.name)  # fmt: skip
