"""Caffe2's nets on the one graph: what they are lowered to, modules of them, archives, ONNX both ways."""

import io
import json
import os
import re

import numpy as np
import pytest
from conftest import ROOT
from rushlight.caffe2.proto import caffe2_pb2
from rushlight.caffe2.python import brew, core, model_helper, optimizer, workspace
from rushlight.caffe2.python.onnx import backend, frontend, helper
from rushlight.caffe2.python.predictor import mobile_exporter

import rushlight as torch
from rushlight.caffe2 import from_module, to_module

FIXTURES = ROOT.parent / "shared" / "fixtures" / "caffe2"


@pytest.fixture(autouse=True)
def fresh_workspace():
    before = os.getcwd()
    workspace.ResetWorkspace()
    yield
    os.chdir(before)
    workspace.SwitchWorkspace("default")
    workspace.ResetWorkspace()


def graph_of(net):
    return workspace._ws().net_graphs(net.Name())


def test_pointwise_operators_are_one_loop_and_leave_all_blobs():
    net = core.Net("pointwise")
    x, wanted = "x", np.linspace(-2, 2, 12, dtype=np.float32).reshape(3, 4)
    c = np.full((3, 4), 0.25, np.float32)
    workspace.FeedBlob("x", wanted)
    workspace.FeedBlob("c", c)
    expected = {}
    for k in range(10):
        x = net.Tanh(net.Add([net.Scale(x, f"scaled{k}", scale=0.5), "c"], f"sum{k}"), f"out{k}")
        expected[f"scaled{k}"] = wanted * np.float32(0.5)
        expected[f"sum{k}"] = expected[f"scaled{k}"] + c
        wanted = expected[f"out{k}"] = np.tanh(expected[f"sum{k}"])
    workspace.CreateNet(net)
    workspace.RunNet(net, 3)
    text = "".join(graph_of(net))
    assert 2 <= text.count("prim::FusionGroup") <= 3
    for name, value in expected.items():
        np.testing.assert_allclose(workspace.FetchBlob(name), value, rtol=1e-5, atol=1e-6)
    kept = workspace.FetchBlob("sum4").copy()
    workspace.FeedBlob("x", np.zeros((3, 4), np.float32))
    workspace.RunNet(net)
    assert not np.array_equal(workspace.FetchBlob("sum4"), kept)


def test_only_what_no_one_else_holds_is_written_over():
    net = core.Net("kept")
    hidden = net.Add([net.Relu("x", "r"), "c"], "h")
    net.Mul([hidden, "c"], "y")
    net.Reshape(["h"], ["flat", "old_shape"], shape=[-1])
    for name in "xc":
        workspace.FeedBlob(name, np.ones((2, 3), np.float32))
    workspace.CreateNet(net)
    workspace.RunNet(net, 2)
    held = workspace._ws().fetch("y")
    shared = workspace._ws().fetch("flat")
    workspace.FeedBlob("x", np.full((2, 3), 5, np.float32))
    workspace.RunNet(net)
    assert (held.numpy() == 2).all() and (shared.numpy() == 2).all()
    assert all((workspace.FetchBlob(name) == 6).all() for name in ("h", "y", "flat"))
    address = workspace._ws().fetch("r").data_ptr()
    workspace.RunNet(net, 3)
    assert workspace._ws().fetch("r").data_ptr() == address


def test_results_of_operators_are_written_over_too():
    net = core.Net("lent")
    net.FC(["x", "w", "b"], "y")
    net.Relu("y", "z")
    net.Softmax("z", "p")
    net.TopK("p", ["top", "at"], k=2)
    net.Sum(["x", "top_of_all"], "same")  # what it writes is never what it reads
    workspace.FeedBlob("top_of_all", np.ones((3, 4), np.float32))
    workspace.FeedBlob("w", np.eye(4, dtype=np.float32))
    workspace.FeedBlob("b", np.zeros(4, np.float32))
    workspace.FeedBlob("x", np.zeros((3, 4), np.float32))
    workspace.CreateNet(net)
    names = ["y", "z", "p", "top", "at", "same"]

    def run(seed):
        x = np.random.default_rng(seed).standard_normal((3, 4)).astype("f")
        workspace.FeedBlob("x", x)
        workspace.RunNet(net)
        p = np.exp(np.maximum(x, 0)) / np.exp(np.maximum(x, 0)).sum(1, keepdims=True)
        order = np.argsort(-p, axis=1, kind="stable")[:, :2]
        for name, value in zip(names, [x, np.maximum(x, 0), p, np.take_along_axis(p, order, 1), order, x + 1]):
            assert np.allclose(workspace.FetchBlob(name), value, atol=1e-6), name

    for seed in range(3):
        run(seed)
    whole = ["y", "z", "same"]  # one operator with memory of its own each
    places = [workspace.FetchTorch(n).data_ptr() for n in whole]
    run(3)
    assert [workspace.FetchTorch(n).data_ptr() for n in whole] == places
    kept = [workspace.FetchTorch(n) for n in names]
    values = [t.clone() for t in kept]
    run(4)
    assert all(torch.equal(t, v) for t, v in zip(kept, values))
    assert not set(places) & {workspace.FetchTorch(n).data_ptr() for n in whole}


def test_views_of_memory_that_stays_are_not_made_again():
    net = core.Net("views")
    net.Relu("x", "r")
    net.Reshape("r", ["flat", "old_shape"], shape=[3, 2])
    net.Transpose("flat", "turned", axes=[1, 0])
    net.ExpandDims("turned", "row", dims=[0])
    net.Reshape("x", ["of_x", "old_x"], shape=[6])
    net.Sum(["row", "c"], "y")
    workspace.FeedBlob("c", np.zeros((1, 2, 3), "f"))
    workspace.FeedBlob("x", np.zeros((2, 3), "f"))
    workspace.CreateNet(net)

    def run(x):
        workspace.FeedBlob("x", x)
        workspace.RunNet(net)
        flat = np.maximum(x, 0).reshape(3, 2)
        wanted = {"flat": flat, "turned": flat.T, "row": flat.T[None], "y": flat.T[None], "of_x": x.ravel()}
        for name, value in wanted.items():
            assert np.array_equal(workspace.FetchBlob(name), value), name

    def pictures(n):
        return [np.random.default_rng(k).standard_normal((2, 3)).astype("f") for k in range(n)]

    for x in pictures(4):
        run(x)
    names = ["r", "flat", "turned", "row", "y"]
    places = [workspace.FetchTorch(n).data_ptr() for n in names]
    run(pictures(1)[0])
    assert [workspace.FetchTorch(n).data_ptr() for n in names] == places
    # What is held keeps its values, and what lies over the same memory goes with it.
    held = {n: workspace.FetchTorch(n) for n in ("flat", "row", "of_x")}
    before = {n: t.clone() for n, t in held.items()}
    for x in pictures(3):
        run(x)
    assert all(torch.equal(t, before[n]) for n, t in held.items())
    held["flat"] = workspace.FetchTorch("flat")
    del held["flat"]
    run(pictures(2)[1])
    # Other sizes, other memory, and another net that writes.
    workspace.FetchTorch("row").squeeze_(0)
    workspace.FetchTorch("flat").resize_(1)
    run(pictures(1)[0])
    workspace.RunOperatorOnce(core.CreateOperator("ConstantFill", [], ["flat"], shape=[3, 2], value=7.0))
    run(pictures(1)[0])
    workspace._ws().feed("r", workspace.FetchTorch("c").view(2, 3))
    run(pictures(2)[1])
    assert not workspace.FetchBlob("c").any()
    workspace.RemoveBlob("turned")
    for x in pictures(2):
        run(x)


@pytest.mark.parametrize("seed", range(12))
def test_what_stays_from_run_to_run_is_what_running_anew_gives(seed):
    rng = np.random.default_rng(seed)
    net, shapes = core.Net(f"random{seed}"), {"x": (2, 6), "c": (2, 6)}

    def of(*wanted):
        return str(rng.choice([n for n, s in shapes.items() if s in wanted or not wanted]))

    def reshape(name, to):
        src = of()
        net.Reshape(src, [name, name + "_old"], shape=list(to))
        return to

    def transpose(name):
        src = of((2, 6), (6, 2), (3, 4), (4, 3))
        net.Transpose(src, name, axes=[1, 0])
        return shapes[src][::-1]

    def expand(name):
        src = of((2, 6), (6, 2))
        net.ExpandDims(src, name, dims=[0])
        return (1, *shapes[src])

    def pointwise(name):
        src = of()
        getattr(net, rng.choice(["Relu", "Tanh", "Copy", "Sigmoid", "Negative"]))(src, name)
        return shapes[src]

    def both(name):
        src = of()
        getattr(net, rng.choice(["Sum", "Mul", "Sub"]))([src, of(shapes[src])], name)
        return shapes[src]

    def softmax(name):
        src = of((2, 6), (6, 2), (3, 4), (4, 3))
        net.Softmax(src, name)
        return shapes[src]

    def flatten(name):
        src = of()
        net.FlattenToVec(src, name)
        return (12,)

    def again(name):  # over a blob that is there
        src = of((2, 6))
        net.Relu(src, "x" if rng.integers(4) == 0 else src)
        return None

    makers = [lambda n: reshape(n, [(3, 4), (4, 3), (12,), (6, 2)][rng.integers(4)]), transpose, expand, pointwise]
    makers += [both, softmax, flatten, again]
    for k in range(14):
        shape = makers[int(rng.integers(len(makers)))](f"v{k}")
        if shape is not None:
            shapes[f"v{k}"] = shape
    names = list(shapes)
    other = core.Net(f"other{seed}")
    other.Scale(names[-1], names[-1], scale=0.5)
    other.Copy(names[len(names) // 2], names[-1] + "_copy")

    def feed():
        return {n: rng.standard_normal((2, 6)).astype("f") for n in ("x", "c")}

    blobs = feed()
    for n, v in blobs.items():
        workspace.FeedBlob(n, v)
    workspace.CreateNet(net)
    workspace.RunNet(net)
    held = []
    for _ in range(14):
        event = int(rng.integers(8))
        if event < 3:
            for n, v in feed().items():
                workspace.FeedBlob(n, v)
        elif event == 3 and held:
            held.pop(int(rng.integers(len(held))))
        elif event == 4 and workspace.HasBlob(names[-1]):
            workspace.RunNetOnce(other)
        elif event == 5:
            workspace.RemoveBlob(names[-1])
        inputs = {n: workspace.FetchBlob(n) for n in ("x", "c")}
        workspace.RunNet(net)
        got = {n: workspace.FetchBlob(n) for n in names}
        for t, value in held:
            assert np.array_equal(t.numpy(), value)
        name = str(rng.choice(names))
        if workspace.HasBlob(name) and event % 2:
            t = workspace.FetchTorch(name)
            held.append((t, t.numpy().copy()))
        with workspace.WorkspaceGuard("anew"):
            workspace.ResetWorkspace()
            for n, v in inputs.items():
                workspace.FeedBlob(n, v)
            workspace.RunNetOnce(net)
            for n in names:
                assert np.allclose(got[n], workspace.FetchBlob(n), atol=1e-6), (n, str(net.Proto()))


def test_two_names_of_one_blob_have_what_came_last():
    net = core.Net("twice")
    net.Add(["x", "x"], "y")
    net.Mul(["y", "y"], "y")
    net.Tanh("y", "z")
    workspace.FeedBlob("x", np.full((2, 2), 0.25, np.float32))
    workspace.CreateNet(net)
    workspace.RunNet(net, 4)
    np.testing.assert_allclose(workspace.FetchBlob("y"), np.full((2, 2), 0.25))
    np.testing.assert_allclose(workspace.FetchBlob("z"), np.tanh(np.full((2, 2), 0.25)), rtol=1e-6)


def small_cnn():
    """(init net, predict net) of a small network for pictures of 3 x 12 x 12, with its parameters' values."""
    rng = np.random.default_rng(0)
    init, net = core.Net("cnn_init"), core.Net("cnn")
    for name, shape in {
        "w1": (4, 3, 3, 3),
        "b1": (4,),
        "s": (4,),
        "sb": (4,),
        "m": (4,),
        "w2": (5, 64),
        "b2": (5,),
    }.items():
        init.GivenTensorFill([], name, shape=list(shape), values=(rng.standard_normal(shape) / 4).astype("f").ravel())
    init.GivenTensorFill([], "v", shape=[4], values=rng.uniform(0.5, 2, 4).astype("f"))
    net.Conv(["data", "w1", "b1"], "conv", kernel=3, stride=2, pad=1)
    net.SpatialBN(["conv", "s", "sb", "m", "v"], "bn", is_test=1)
    net.Relu("bn", "bn")
    net.MaxPool("bn", "pool", kernel=3, stride=2, legacy_pad=3)
    net.AveragePool("pool", "mean", kernel=2, stride=1, pad=1)
    net.FC(["mean", "w2", "b2"], "fc")
    net.Softmax("fc", "prob")
    net.Proto().external_output.append("prob")
    return init, net


def test_a_net_runs_as_one_graph_of_aten_operators():
    net = core.Net("mlp")
    net.Relu(net.FC(["x", "w", "b"], "h"), "h")
    net.Add(["h", "c"], "y", broadcast=1)
    for name, shape in {"x": (2, 3), "w": (4, 3), "b": (4,), "c": (4,)}.items():
        workspace.FeedBlob(name, np.random.default_rng(1).standard_normal(shape).astype("f"))
    workspace.CreateNet(net)
    results = []
    for _ in range(3):
        workspace.RunNet(net)
        results.append(workspace.FetchBlob("y"))
    assert np.array_equal(results[0], results[1]) and np.array_equal(results[1], results[2])
    (graph,) = graph_of(net)
    assert re.findall(r"aten::\w+", graph) == ["aten::linear", "aten::relu", "aten::add"]
    assert "_caffe2::" not in graph


def test_a_net_sees_other_sizes_and_dtypes_and_answers_mistakes_as_before():
    net = core.Net("two")
    net.Add(["x", "y"], "z")
    workspace.FeedBlob("y", np.ones(3, "f"))
    workspace.FeedBlob("x", np.ones((2, 3), "f"))
    workspace.CreateNet(net)
    for shape in ((2, 3), (2, 3), (4, 3), (4, 3), (2, 3)):
        workspace.FeedBlob("x", np.full(shape, 2, "f"))
        workspace.RunNet(net)
        assert np.array_equal(workspace.FetchBlob("z"), np.full(shape, 3, "f"))
    workspace.FeedBlob("x", np.ones((2, 3), "i"))
    with pytest.raises(RuntimeError, match="different types"):
        workspace.RunNet(net)
    workspace.FeedBlob("x", np.ones((2, 5), "f"))
    with pytest.raises(RuntimeError, match="A_dim == B_dim"):
        workspace.RunNet(net)


def test_labels_are_looked_at_in_each_run():
    net = core.Net("loss")
    net.LabelCrossEntropy([net.Softmax("x", "p"), "label"], "l")
    workspace.FeedBlob("x", np.zeros((2, 3), "f"))
    workspace.FeedBlob("label", np.array([0, 2], "i"))
    workspace.CreateNet(net)
    workspace.RunNet(net)
    workspace.RunNet(net)
    workspace.FeedBlob("label", np.array([0, 3], "i"))
    with pytest.raises(RuntimeError, match=r"supported range. Supported labels are in range \[0,3\)"):
        workspace.RunNet(net)


def test_operators_without_an_aten_one_are_nodes_of_their_own():
    net = core.Net("segments")
    net.Relu(net.SortedSegmentSum(["x", "ids"], "s"), "y")
    workspace.FeedBlob("x", np.array([1, 2, -5], "f"))
    workspace.FeedBlob("ids", np.array([0, 0, 1], "i"))
    workspace.CreateNet(net)
    workspace.RunNet(net)
    workspace.RunNet(net)
    assert workspace.FetchBlob("y").tolist() == [3, 0]
    (graph,) = graph_of(net)
    assert "_caffe2::SortedSegmentSum" in graph and "aten::relu" in graph


def test_blobs_that_are_removed_or_shared_are_found_again():
    net = core.Net("n")
    net.Relu("x", "y")
    workspace.FeedBlob("x", np.array([-1, 2], "f"))
    workspace.CreateNet(net)
    for _ in range(2):
        workspace.RunNet(net)
    workspace.RemoveBlob("y")
    workspace.FeedBlob("x", np.array([3, -2], "f"))
    workspace.RunNet(net)
    assert workspace.FetchBlob("y").tolist() == [3, 0]
    workspace.RemoveBlob("x")
    with pytest.raises(RuntimeError, match="Can't find blob: x"):
        workspace.RunNet(net)


def test_a_training_net_is_lowered_and_learns():
    model = model_helper.ModelHelper(name="line")
    y = brew.fc(model, brew.relu(model, brew.fc(model, "x", "h", 2, 8), "h"), "y", 8, 1)
    loss = model.net.AveragedLoss(model.net.SquaredL2Distance([y, "t"], "d"), "loss")
    model.AddGradientOperators([loss])
    optimizer.build_sgd(model, base_learning_rate=0.05, momentum=0.9)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((32, 2)).astype("f")
    workspace.FeedBlob("x", x)
    workspace.FeedBlob("t", (x[:, :1] * 2 - x[:, 1:]).astype("f"))
    workspace.RunNetOnce(model.param_init_net)
    workspace.CreateNet(model.net)
    workspace.RunNet(model.net, 200)
    assert workspace.FetchBlob("loss") < 1e-2
    text = "".join(workspace._ws().net_graphs(model.net.Name()))
    assert "aten::threshold_backward" in text and "aten::mm" in text
    assert set(re.findall(r"_caffe2::(\w+)", text)) <= {"LearningRate", "Iter", "AtomicIter"}


# ---- modules


def test_a_module_computes_what_the_net_does_at_any_size_and_trains():
    init, net = small_cnn()
    module = to_module(init, net)
    workspace.RunNetOnce(init)
    for batch, side in ((1, 12), (3, 12)):
        x = np.random.default_rng(2).standard_normal((batch, 3, side, side)).astype("f")
        workspace.FeedBlob("data", x)
        workspace.RunNetOnce(net)
        got = module(torch.from_numpy(x))
        assert np.allclose(got.detach().numpy(), workspace.FetchBlob("prob"), atol=1e-5)
    assert {n for n, _ in module.named_parameters()} == {"w1", "b1", "s", "sb", "w2", "b2"}
    assert {n for n, _ in module.named_buffers()} == {"m", "v"}
    opt = torch.optim.SGD([module.w2, module.b2], lr=0.5)
    target = torch.tensor([1, 0, 4])
    losses = []
    for _ in range(20):
        opt.zero_grad()
        loss = torch.nn.functional.nll_loss(module(torch.from_numpy(x)).log(), target)
        loss.backward()
        opt.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2 and module.w1.grad.abs().sum() > 0


def test_a_module_is_saved_as_an_archive_and_called_by_a_script():
    init, net = small_cnn()
    module = to_module(init, net)
    x = torch.randn(2, 3, 12, 12)
    f = io.BytesIO()
    torch.jit.save(module, f)
    f.seek(0)
    assert torch.equal(torch.jit.load(f)(x), module(x))

    class Twice(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = module

        def forward(self, x):
            return self.net(x) + self.net(x)

    assert torch.allclose(torch.jit.script(Twice())(x), 2 * module(x))


def test_an_archive_holds_operators_that_only_caffe2_has():
    net = core.Net("lonely")
    net.Relu(net.SortedSegmentSum(["x", "ids"], "s"), "y")
    module = to_module(b"", net)
    f = io.BytesIO()
    torch.jit.save(module, f)
    f.seek(0)
    again = torch.jit.load(f)
    assert again(torch.tensor([[1.0], [2.0], [-5.0]]), torch.tensor([0, 0, 1], dtype=torch.int32)).tolist() == [
        [3],
        [0],
    ]


def test_an_archive_is_read_by_pytorch(tmp_path):
    pytorch = pytest.importorskip("torch")
    init, net = small_cnn()
    module = to_module(init, net)
    torch.jit.save(module, str(tmp_path / "m.pt"))
    x = np.random.default_rng(3).standard_normal((2, 3, 12, 12)).astype("f")
    got = pytorch.jit.load(str(tmp_path / "m.pt"))(pytorch.from_numpy(x))
    assert np.allclose(got.detach().numpy(), module(torch.from_numpy(x)).detach().numpy(), atol=1e-5)


def test_an_input_that_an_exporter_filled_is_still_an_argument():
    init, net = small_cnn()
    init.ConstantFill([], "data", shape=[1])
    net.Proto().external_input[:] = ["data", *[n for n in net.Proto().external_input if n != "data"]]
    module = to_module(init, net)
    assert "data" not in dict(module.named_parameters()) and module(torch.ones(2, 3, 12, 12)).shape == (2, 5)


def test_damaged_nets_are_errors_and_nothing_else():
    init, net = small_cnn()
    whole = net.Proto().SerializeToString()
    rng = np.random.default_rng(0)
    made = 0
    for k in range(200):
        damaged = bytearray(whole if k % 2 else whole[: int(rng.integers(1, len(whole)))])
        for _ in range(k % 4):
            damaged[int(rng.integers(len(damaged)))] ^= 1 << int(rng.integers(8))
        try:
            to_module(init.Proto().SerializeToString(), bytes(damaged))(torch.ones(1, 3, 12, 12))
            made += 1
        except (RuntimeError, TypeError):
            pass
        except Exception as e:
            assert type(e).__name__ == "DecodeError", repr(e)
    assert made < 200


def test_what_cannot_be_a_module_is_named():
    net = core.Net("counting")
    net.CreateCounter([], "c")
    with pytest.raises(RuntimeError, match="the operator CreateCounter works on a workspace"):
        to_module(b"", net)
    bad = caffe2_pb2.NetDef(name="bad")
    bad.op.add(type="NoSuchOp", input=["x"], output=["y"])
    with pytest.raises(RuntimeError, match="Cannot create operator of type 'NoSuchOp'"):
        to_module(b"", bad)
    empty = caffe2_pb2.NetDef(name="empty")
    with pytest.raises(RuntimeError, match="the net empty has no outputs"):
        to_module(b"", empty)
    asks = caffe2_pb2.NetDef(name="asks")
    asks.op.add(type="Relu", input=["x"], output=["y"])
    asks.external_output.append("z")
    with pytest.raises(RuntimeError, match="does not make its output z"):
        to_module(b"", asks)
    asks.external_output[0] = "y"
    with pytest.raises(RuntimeError, match="missing value for argument 'x'"):
        to_module(b"", asks)()


# ---- ONNX both ways


class Net(torch.nn.Module):
    """The shape of a super-resolution network: convolutions, then channels become pixels."""

    def __init__(self, factor=2):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(1, 8, 5, padding=2)
        self.conv2 = torch.nn.Conv2d(8, factor * factor, 3, padding=1)
        self.shuffle = torch.nn.PixelShuffle(factor)

    def forward(self, x):
        return self.shuffle(self.conv2(torch.relu(self.conv1(x))))


def test_the_super_resolution_walk(tmp_path):
    # A PyTorch model, ONNX, Caffe2's backend, init_net.pb and predict_net.pb, and a run of those.
    torch.manual_seed(0)
    model = Net().eval()
    x = torch.randn(1, 1, 6, 6)
    torch.onnx.export(model, (x,), str(tmp_path / "super.onnx"), input_names=["1"], opset_version=11, dynamo=False)
    prepared = backend.prepare((tmp_path / "super.onnx").read_bytes())
    got = prepared.run({"1": x.numpy()})[0]
    want = model(x).detach().numpy()
    np.testing.assert_almost_equal(got, want, decimal=4)
    np.testing.assert_almost_equal(prepared.run([x.numpy()])[0], want, decimal=4)

    init, predict = mobile_exporter.Export(
        prepared.workspace, prepared.predict_net, prepared.predict_net.external_input
    )
    (tmp_path / "init_net.pb").write_bytes(init.SerializeToString())
    (tmp_path / "predict_net.pb").write_bytes(predict.SerializeToString())
    workspace.RunNetOnce(helper.load_caffe2_net(str(tmp_path / "init_net.pb")))
    workspace.FeedBlob("1", x.numpy())
    net = helper.load_caffe2_net(str(tmp_path / "predict_net.pb"))
    workspace.RunNetOnce(net)
    np.testing.assert_almost_equal(workspace.FetchBlob(net.external_output[0]), want, decimal=4)


@pytest.mark.skipif(not FIXTURES.exists(), reason="needs ../shared")
@pytest.mark.parametrize("name", ["cnn", "convtranspose", "mlp"])
def test_the_backend_makes_the_nets_that_caffe2_made(name):
    case = FIXTURES / "onnx" / name
    model = (case / "model.onnx").read_bytes()
    init, predict = backend.Caffe2Backend.onnx_graph_to_caffe2_net(model)
    want = caffe2_pb2.NetDef.FromString((case / "predict_net.pb").read_bytes())
    assert [o.type for o in predict.op] == [o.type for o in want.op]
    inputs = dict(np.load(case / "inputs.npz"))
    got = backend.run_model(model, inputs)
    for k, value in enumerate(np.load(case / "outputs.npz")[n] for n in predict.external_output):
        assert np.allclose(got[k], value, rtol=1e-4, atol=1e-5)


def test_a_net_goes_to_onnx_and_back():
    init, net = small_cnn()
    model = frontend.caffe2_net_to_onnx_model(net.Proto(), init.Proto(), {"data": (1, (1, 3, 12, 12))})
    x = np.random.default_rng(4).standard_normal((1, 3, 12, 12)).astype("f")
    module = to_module(init, net)
    want = module(torch.from_numpy(x)).detach().numpy()
    again = torch.onnx.load(model.SerializeToString())
    assert np.allclose(again(torch.from_numpy(x)).detach().numpy(), want, atol=1e-5)
    with pytest.raises(RuntimeError, match="no type and shape of the input 'data'"):
        frontend.caffe2_net_to_onnx_model(net.Proto(), init.Proto(), {})


def test_modules_become_nets():
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3, stride=2, padding=1),
        torch.nn.BatchNorm2d(4),
        torch.nn.LeakyReLU(0.1),
        torch.nn.MaxPool2d(2),
        torch.nn.AvgPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(16, 3),
        torch.nn.Softmax(1),
    ).eval()
    x = torch.randn(2, 3, 16, 16)
    init, net = from_module(model, (x,), input_names=["data"], output_names=["prob"])
    _, (got,) = helper.c2_native_run_net(init, net, {"data": x.numpy()})
    assert np.allclose(got, model(x).detach().numpy(), atol=1e-5)
    again = to_module(init, net)
    assert torch.allclose(again(x), model(x), atol=1e-5)


def test_the_backend_runs_nodes_and_names_what_it_cannot():
    def node(kind, inputs, outputs, **ints):
        n = backend.OnnxNode(op_type=kind, input=inputs, output=outputs, name="n7")
        for name, value in ints.items():
            a = n.attribute.add(name=name, type=7)
            a.ints.extend(value)
        return n

    x = np.arange(6, dtype="f").reshape(2, 3)
    assert backend.run_node(node("Transpose", ["x"], ["y"], perm=[1, 0]), [x])[0].tolist() == x.T.tolist()
    assert backend.run_node(node("Slice", ["x"], ["y"], starts=[1], ends=[-1], axes=[1]), [x]).y.tolist() == [[1], [4]]
    with pytest.raises(RuntimeError, match=r"node 'n7' \(StringNormalizer, version 9\): Caffe2 has no operator"):
        backend.run_node(node("StringNormalizer", ["x"], ["y"]), [x])
    with pytest.raises(RuntimeError, match="device CUDA is not supported"):
        backend.prepare(b"", device="CUDA")
    assert backend.supports_device("CPU") and not backend.supports_device("CUDA:0")


# ---- Caffe2's own results


def cases(*groups):
    return [p for g in groups for p in sorted((FIXTURES / g).iterdir()) if p.is_dir()] if FIXTURES.exists() else []


@pytest.mark.parametrize("case", cases("ops", "nets", "model", "onnx"), ids=lambda p: p.name)
def test_graphs_and_modules_compute_what_caffe2_did(case):
    meta = json.loads((case / "meta.json").read_text())
    if meta.get("random_blobs"):
        return
    tolerance = meta.get("tolerance", {"rtol": 1e-4, "atol": 1e-5})
    inputs = dict(np.load(case / "inputs.npz", allow_pickle=True)) if (case / "inputs.npz").exists() else {}

    def read(name):
        return (
            caffe2_pb2.NetDef.FromString((case / name).read_bytes()) if (case / name).exists() else caffe2_pb2.NetDef()
        )

    def start():
        for name, value in inputs.items():
            workspace.FeedBlob(name, value)
        workspace.RunNetOnce(read("init_net.pb"))

    def wanted(name):
        return {
            k: v for k, v in np.load(case / name, allow_pickle=True).items() if "#" not in k and v.dtype.kind != "S"
        }

    os.chdir(case)
    stateful = False
    for name, results in (("predict_net.pb", "outputs.npz"), ("gradient_net.pb", "gradients.npz")):
        if not (case / results).exists():
            continue
        workspace.ResetWorkspace()
        net = read(name)
        net.name = net.name or "net"
        start()
        workspace.CreateNet(net)
        workspace.RunNet(net.name)
        stateful = stateful or any("Counter" in op.type or "Atomic" in op.type or "Index" in op.type for op in net.op)
        start()
        workspace.RunNet(net.name)  # by its graph
        for blob, want in ({} if stateful else wanted(results)).items():
            got = workspace.FetchBlob(blob)
            assert got.dtype == want.dtype and got.shape == want.shape, blob
            assert np.allclose(got, want, equal_nan=True, **tolerance), blob
    net, init = read("predict_net.pb"), read("init_net.pb")
    if case.parent.name == "nets":  # whose blobs are counters and the like
        return
    try:
        module = to_module(init, net)
    except RuntimeError as e:
        assert "works on a workspace" in str(e)
        return
    from rushlight.caffe2 import _bridge

    filled = {o for op in init.op for o in op.output}
    names = [n for n in _bridge.inputs_of(net) if n not in filled]
    want = wanted("outputs.npz")
    if any(inputs[n].dtype.kind in "SO" for n in names) or len(want) < len(net.external_output or [1]):
        return
    read_by = {i for op in net.op for i in op.input}
    outputs = list(net.external_output) or list(
        dict.fromkeys(o for op in net.op for o in op.output if o not in read_by)
    )
    got = module(*[torch.from_numpy(np.array(inputs[n])) for n in names])
    for name, value in zip(outputs, got if isinstance(got, tuple) else (got,)):
        if name in want:
            assert np.allclose(value.detach().numpy(), want[name], equal_nan=True, **tolerance), name
