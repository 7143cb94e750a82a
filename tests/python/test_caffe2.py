"""Caffe2's nets: workspaces, operators, gradients, models, databases; and ../shared's fixtures where they are."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT
from rushlight.caffe2.proto import caffe2_pb2
from rushlight.caffe2.python import (
    brew,
    cnn,
    control,
    core,
    gradient_checker,
    model_helper,
    net_drawer,
    optimizer,
    rnn_cell,
    utils,
    workspace,
)
from rushlight.caffe2.python.net_builder import NetBuilder, ops
from rushlight.caffe2.python.predictor import mobile_exporter, predictor_exporter

FIXTURES = ROOT.parent / "shared" / "fixtures" / "caffe2"


@pytest.fixture(autouse=True)
def fresh_workspace():
    workspace.ResetWorkspace()
    yield
    workspace.SwitchWorkspace("default")
    workspace.ResetWorkspace()


def run(op, inputs, outputs, **args):
    names = [f"i{k}" for k in range(len(inputs))]
    for name, value in zip(names, inputs):
        workspace.FeedBlob(name, np.asarray(value))
    workspace.RunOperatorOnce(core.CreateOperator(op, names, outputs, **args))
    return [workspace.FetchBlob(o) for o in outputs]


# ---- Python functions as operators


def test_python_functions_are_operators_with_gradients():
    def twice(inputs, outputs):
        outputs[0].reshape(inputs[0].shape)
        outputs[0].data[...] = 2 * inputs[0].data

    def twice_backward(inputs, outputs):
        x, y, grad = inputs
        assert np.array_equal(y.data, 2 * x.data)
        outputs[0].feed(2 * grad.data)

    net = core.Net("functions")
    net.Python(twice, twice_backward)(["x"], ["y"])
    net.SumElements("y", "loss")
    net.AddGradientOperators(["loss"])
    workspace.FeedBlob("x", np.array([3.0, 4.0], np.float32))
    workspace.CreateNet(net)
    workspace.RunNet(net, 3)
    assert workspace.FetchBlob("y").tolist() == [6, 8] and workspace.FetchBlob("x_grad").tolist() == [2, 2]


def test_python_functions_see_the_workspace_strings_and_their_own_mistakes():
    def shown(inputs, outputs, workspace):
        outputs[0].feed(2 * workspace.blobs["x"].fetch())
        outputs[1].feed(np.array([len(inputs[0].fetch())]))

    net = core.Net("functions")
    net.Python(shown, pass_workspace=True)(["name"], ["y", "length"])
    workspace.FeedBlob("x", np.array([3.0]))
    workspace.FeedBlob("name", "four")
    workspace.RunNetOnce(net)
    assert workspace.FetchBlob("y").tolist() == [6] and workspace.FetchBlob("length").tolist() == [4]

    def wrong(inputs, outputs):
        raise KeyError("of its own")

    with pytest.raises(KeyError, match="of its own"):
        workspace.RunOperatorOnce(core.CreatePythonOperator(wrong, [], []))
    with pytest.raises(RuntimeError, match="no Python function 'gone:9'"):
        workspace.RunOperatorOnce(core.CreateOperator("Python", [], ["y"], token="gone:9"))
    unset = core.CreatePythonOperator(lambda inputs, outputs: outputs[0].data, [], ["fresh"])
    with pytest.raises(ValueError, match="no size yet"):
        workspace.RunOperatorOnce(unset)


def test_steps_run_by_conditions_and_in_loops():
    def net(name, op, inputs, **args):
        made = core.Net(name)
        getattr(made, op)(inputs, "x" if op == "Add" else "y", **args)
        return made

    def ran(step):
        plan = core.Plan(step.Name() + "_plan")
        plan.AddStep(step)
        workspace.RunPlan(plan)

    workspace.FeedBlob("x", np.zeros(1, np.float32))
    workspace.FeedBlob("one", np.ones(1, np.float32))
    workspace.FeedBlob("limit", np.full(1, 5, np.float32))
    workspace.FeedBlob("yes", np.array(True))
    workspace.FeedBlob("no", np.array(False))
    more, y1, y2 = net("more", "Add", ["x", "one"]), net("y1", "ConstantFill", [], shape=[1], value=1.0), net("y2", "ConstantFill", [], shape=[1], value=2.0)  # fmt: skip
    below = core.Net("below")
    below.AddExternalOutput(below.LT(["x", "limit"], "below_limit"))
    x = lambda: workspace.FetchBlob("x").item()  # noqa: E731
    y = lambda: workspace.FetchBlob("y").item()  # noqa: E731
    ran(control.While("while", below, more))
    assert x() == 5
    ran(control.DoWhile("dowhile", below, more))
    assert x() == 6
    ran(control.For("for", more, 3))
    assert x() == 9
    ran(control.Until("until", "yes", more))  # a blob is looked at behind the net
    assert x() == 10
    ran(control.DoUntil("dountil", "yes", more))
    assert x() == 11
    for condition, want in (("yes", 1), ("no", 2), (below, 2)):
        ran(control.If(f"if_{want}_{condition}"[:12], condition, y1, y2))
        assert y() == want
    ran(control.IfNot("ifnot", "yes", y1))
    assert y() == 2
    ran(control.Switch("switch", ("no", y2), ("yes", y1)))
    assert y() == 1
    ran(control.Do("do", more, control.SwitchNot("not", ("yes", y1), ("no", y2))))
    assert y() == 2 and x() == 12
    ran(control.If("negated", control.NotNet(below)[0], y1))
    assert y() == 1
    workspace.RunNetOnce(control.BoolNet(("a", True), ("b", False)))
    assert workspace.FetchBlob("a") and not workspace.FetchBlob("b")
    with pytest.raises(AssertionError, match="at least one external output"):
        control.While("endless", more, more)


def test_blobs_of_a_block_end_with_it():
    for x, want in ((1.5, 2.0), (0.5, 1.0), (-1.0, 0.0)):
        with NetBuilder() as builder:
            for name, value in (("zero", 0.0), ("one", 1.0), ("two", 2.0), ("x", x), ("y", 7.0)):
                ops.Const(value, blob_out=name)
            with ops.IfNet(ops.GT(["x", "zero"])):
                ops.Copy("x", "inner")
                with ops.IfNet(ops.LE(["inner", "one"])):
                    ops.Copy("one", "y")
                with ops.Else():
                    ops.Copy("two", "deeper")
                    ops.Copy("deeper", "y")
            with ops.Else():
                ops.Copy("zero", "y")
        ws = workspace.C.Workspace()
        plan = core.Plan("plan")
        plan.AddStep(core.to_execution_step(builder))
        ws.run(plan)
        assert ws.blobs["y"].fetch() == want and ws.blobs["x"].fetch() == np.float32(x)
        assert "inner" not in ws.blobs and "deeper" not in ws.blobs


def test_gradients_are_checked_by_differences():
    checker = gradient_checker.GradientChecker(0.01, 0.01)
    x, w = np.array([[0.5, -1.0, 2.0]], np.float32), np.ones((3, 2), np.float32)
    op = core.CreateOperator("MatMul", ["x", "w"], ["y"])
    for k in range(2):
        ok, grad, estimated = checker.CheckSimple(op, [x, w], k, [0])
        assert ok and grad.shape == estimated.shape == (x, w)[k].shape
    wrong = [core.CreateOperator("Scale", ["y_grad"], ["x_grad"], scale=0.5)]
    assert not checker.CheckSimple(core.CreateOperator("Copy", ["x"], ["y"]), [x], 0, [0], grad_ops=wrong)[0]
    rows = np.array([2, 0], np.int32)
    assert checker.CheckSimple(core.CreateOperator("Gather", ["d", "i"], ["g"]), [w, rows], 0, [0])[0]
    assert "x" not in workspace.Blobs()


def test_a_workspace_object_runs_nets_plans_and_operators():
    ws = workspace.C.Workspace()
    net = core.Net("made")
    net.ConstantFill([], "y", shape=[2], value=3.0)
    ws.run(net)
    assert ws.blobs["y"].fetch().tolist() == [3, 3] and "nope" not in ws.blobs and not workspace.HasBlob("y")
    ws.create_blob("x").feed(np.ones(2, np.float32))
    ws.run(core.CreateOperator("Add", ["x", "y"], ["z"]))
    plan = core.Plan("doubled")
    again = core.Net("again")
    again.Add(["z", "z"], "z")
    plan.AddStep(core.execution_step("step", again, num_iter=2))
    ws.run(plan)
    assert ws.fetch_blob("z").tolist() == [16, 16]
    with pytest.raises(KeyError):
        ws.blobs["nope"]


# ---- blobs and workspaces


def test_blobs_of_each_dtype_come_back_as_they_were_fed():
    for dtype in ("float32", "float64", "float16", "int8", "uint8", "int16", "uint16", "int32", "int64", "bool"):
        x = np.arange(6).reshape(2, 3).T.astype(dtype)
        assert workspace.FeedBlob("x", x)
        got = workspace.FetchBlob("x")
        assert got.dtype == x.dtype and np.array_equal(got, x)
        got[:] = 0
        assert np.array_equal(workspace.FetchBlob("x"), x)
    workspace.FeedBlob("s", "text")
    workspace.FeedBlob("t", np.array([["a", "bc"]], dtype=object))
    assert workspace.FetchBlob("s") == b"text" and workspace.FetchBlob("t").tolist() == [[b"a", b"bc"]]
    workspace.CreateBlob("made")
    assert workspace.FetchBlob("made") == b"made, a C++ native class of type nullptr (uninitialized)."
    assert "made" in workspace.blobs and not workspace.HasBlob("nope")


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: workspace.FetchBlob("nope"), RuntimeError, "Can't find blob: nope"),
        (lambda: workspace.FetchBlob(3), AssertionError, "Expected a string or BlobReference"),
        (lambda: workspace.FeedBlob("x", [1, 2]), RuntimeError, "only numpy array or string are supported for feeding"),
        (lambda: workspace.FeedBlob("x", np.zeros(2, "uint64")), RuntimeError, "This numpy data type is not supported: 8"),
        (lambda: workspace.FeedBlob("x", np.array([1, "a"], dtype=object)), RuntimeError, "Unsupported python object type"),
        (lambda: workspace.SwitchWorkspace("other"), RuntimeError, "create_if_missing"),
        (lambda: workspace.RunNet("never"), RuntimeError, "Can't find net never"),
        (lambda: workspace.RunNetOnce(["a"]), Exception, "Not a Net object"),
        (lambda: workspace.RunNetOnce(b"\xff\xff"), RuntimeError, "ParseProtoFromLargeString"),
        (lambda: core.Net("n").NoSuchOp([], "x"), AttributeError, "Method NoSuchOp is not a registered operator. Did you mean: \\[\\]"),
        (lambda: workspace.RunOperatorOnce(core.CreateOperator("NoSuchOp", [], ["y"])), RuntimeError, "Cannot create operator of type 'NoSuchOp' on the device 'CPU'"),
        (lambda: run("Relu", [], ["y"]), RuntimeError, "did not pass schema checking"),
        (lambda: run("Relu", [np.zeros(2, "int32")], ["y"]), RuntimeError, "Unsupported type of tensor: int.*Error from operator"),
        (lambda: run("Dropout", [np.zeros(2, "f")], ["y", "m"]), RuntimeError, "did not pass schema checking"),
        (lambda: run("FC", [np.zeros((2, 3), "f"), np.zeros((4, 5), "f"), np.zeros(4, "f")], ["y"]), RuntimeError,
         r"Dimension mismatch: X: \[2, 3\], W: \[4, 5\], b: \[4\], axis: 1, M: 2, N: 4, K: 3"),
        (lambda: run("Add", [np.zeros((2, 3), "f"), np.zeros(5, "f")], ["y"]), RuntimeError, r"A_dim == B_dim \|\| A_dim == 1 \|\| B_dim == 1. A_dim: 3,B_dim: 5"),
        (lambda: run("Gather", [np.zeros((2, 3), "f"), np.array([7])], ["y"]), RuntimeError, "INDICES element is out of DATA bounds, id=7 axis_dim=2"),
        (lambda: run("LabelCrossEntropy", [np.zeros((1, 3), "f"), np.array([3], "i")], ["y"]), RuntimeError,
         r"Label seems to be outside of supported range. Supported labels are in range \[0,3\)"),
        (lambda: run("Slice", [np.zeros((3, 3), "f")], ["y"], starts=[1, 1], ends=[2, 2]), RuntimeError, "Currently only possible to slice in 1 dimension"),
        (lambda: run("MaxPool", [np.zeros((1, 1, 4, 4), "f")], ["y"], kernel=2, dilation=2), RuntimeError, "Pooling op does not support dilation right now"),
        (lambda: run("MaxPool", [np.zeros((1, 1, 4, 4), "f")], ["y"], kernel=2.5), RuntimeError, "Argument kernel does not have the right field: expected field i"),
    ],
)  # fmt: skip
def test_mistakes_raise_as_caffe2_does(call, error, text):
    with pytest.raises(error, match="(?s)" + text):
        call()


def test_workspaces_are_separate():
    workspace.FeedBlob("x", np.zeros(1, "f"))
    workspace.SwitchWorkspace("other", True)
    assert workspace.CurrentWorkspace() == "other" and not workspace.HasBlob("x")
    workspace.ResetWorkspace()
    workspace.SwitchWorkspace("default")
    assert workspace.HasBlob("x")


def test_nets_see_what_is_fed_between_runs_and_overwrite_their_blobs():
    net = core.Net("steps")
    net.Add(["x", "one"], "x")
    net.Relu("x", "y")
    workspace.FeedBlob("x", np.array([-3.0], "f"))
    workspace.FeedBlob("one", np.array([1.0], "f"))
    assert workspace.CreateNet(net)
    with pytest.raises(RuntimeError, match="refuse to overwrite an existing net of the same name"):
        workspace.CreateNet(net)
    workspace.RunNet(net, 5)
    assert workspace.FetchBlob("x") == 2 and workspace.FetchBlob("y") == 2
    workspace.FeedBlob("x", np.array([10.0, 20.0], "f"))
    workspace.RunNet(net.Name())
    assert workspace.FetchBlob("y").tolist() == [11, 21]


def test_nets_are_checked_when_they_are_made():
    net = core.Net("needs")
    net.Relu("nox", "y")
    with pytest.raises(RuntimeError, match="op Relu: Encountered a non-existing input blob: nox"):
        workspace.CreateNet(net)
    proto = caffe2_pb2.NetDef(name="bad", type="nonsense")
    with pytest.raises(RuntimeError, match="Could not create net: bad of type nonsense"):
        workspace.CreateNet(proto)
    proto = caffe2_pb2.NetDef(name="out", external_output=["never"])
    with pytest.raises(
        RuntimeError, match="declared as output but never produced by the net out, the first one is never"
    ):
        workspace.CreateNet(proto)


# ---- core


def test_names_are_made_as_caffe2_makes_them():
    a, b = core.Net("dup_of_test"), core.Net("dup_of_test")
    assert b.Name() == a.Name() + "_1"
    with core.NameScope("outer"), core.NameScope("inner"):
        y = a.Relu("x", "y")
    assert y == "outer/inner/y" and str(a.Proto().op[0].input[0]) == "outer/inner/x"
    assert str(a.Relu(y)) == f"{a.Name()}/Relu"
    assert [str(o) for o in a.Split(y, 2)] == [f"{a.Name()}/Split:0", f"{a.Name()}/Split:1"]
    assert y + "_z" == "outer/inner/y_z" and "a_" + y == "a_outer/inner/y"


def test_python_values_become_arguments():
    args = {
        a.name: a
        for a in core.CreateOperator(
            "X",
            [],
            [],
            i=3,
            f=2.0,
            b=True,
            s="t",
            li=[1, 2],
            lf=[1.0],
            ls=["a"],
            none=None,
            empty=[],
            a=np.ones(2, "f"),
        ).arg
    }
    assert args["i"].i == 3 and args["f"].f == 2.0 and args["b"].i == 1 and args["s"].s == b"t" and "none" not in args
    assert (
        args["li"].ints == [1, 2]
        and args["lf"].floats == [1.0]
        and args["ls"].strings == [b"a"]
        and args["a"].floats == [1.0, 1.0]
    )
    assert not args["empty"].ints and not args["empty"].HasField("i")
    with pytest.raises(ValueError, match="Unknown iterable argument type: key=k"):
        utils.MakeArgument("k", [1, 2.0])


def test_gradients_of_a_blob_that_is_read_twice_are_summed():
    net = core.Net("twice")
    net.Mul(["x", "x"], "y")
    net.Add(["y", "x"], "z")
    loss = net.SumElements("z", "loss")
    grads = net.AddGradientOperators([loss])
    workspace.FeedBlob("x", np.array([1.0, -2.0], "f"))
    workspace.RunNetOnce(net)
    assert workspace.FetchBlob(grads["x"]).tolist() == [3, -3]
    with pytest.raises(
        Exception,
        match=r"Exception when creating gradient for \[ArgMax\].*One should not call gradient for operator ArgMax",
    ):
        net = core.Net("never")
        net.AddGradientOperators([net.ArgMax("x", "y")])


def test_a_sparse_gradient_is_indices_and_values():
    net = core.Net("sparse")
    net.Gather(["table", "at"], "rows")
    loss = net.SumElements("rows", "loss")
    grad = net.AddGradientOperators([loss])["table"]
    assert isinstance(grad, core.GradientSlice) and str(grad.indices) == "at" and str(grad.values) == "rows_grad"


def test_plans_run_steps():
    net = core.Net("step")
    net.Add(["n", "one"], "n")
    workspace.FeedBlob("n", np.zeros(1, "f"))
    workspace.FeedBlob("one", np.ones(1, "f"))
    plan = core.Plan("plan")
    plan.AddStep(core.execution_step("outer", [core.execution_step("inner", net, num_iter=3)], num_iter=2))
    workspace.RunPlan(plan)
    assert workspace.FetchBlob("n") == 6


# ---- models


@pytest.mark.parametrize(
    "build", ["build_sgd", "build_adam", "build_adagrad", "build_rms_prop", "build_ftrl", "build_adadelta", "momentum"]
)
def test_a_model_learns_with_each_optimizer(build):
    rng = np.random.RandomState(0)
    x = rng.randn(64, 4).astype("f")
    label = (x @ rng.randn(4, 3)).argmax(1).astype("int32")
    model = model_helper.ModelHelper(name="learns", arg_scope={"order": "NCHW"})
    hidden = brew.relu(model, brew.fc(model, "data", "fc1", 4, 16), "fc1r")
    softmax = brew.softmax(model, brew.fc(model, hidden, "fc2", 16, 3), "softmax")
    loss = model.net.AveragedLoss(model.net.LabelCrossEntropy([softmax, "label"], "xent"), "loss")
    model.AddGradientOperators([loss])
    rates = {"build_adadelta": 1.0, "build_rms_prop": 0.01, "build_adam": 0.02}
    if build == "momentum":
        optimizer.build_sgd(model, base_learning_rate=0.1, momentum=0.9)
    elif build == "build_ftrl":
        optimizer.build_ftrl(model, alpha=0.1)
    else:
        getattr(optimizer, build)(model, base_learning_rate=rates.get(build, 0.3))
    workspace.FeedBlob("data", x)
    workspace.FeedBlob("label", label)
    workspace.RunNetOnce(model.param_init_net)
    workspace.CreateNet(model.net)
    workspace.RunNet(model.net)
    first = float(workspace.FetchBlob("loss"))
    workspace.RunNet(model.net, 40)
    assert float(workspace.FetchBlob("loss")) < 0.7 * first


def lenet(is_test=False):
    model = cnn.CNNModelHelper(name="lenet")
    x = model.MaxPool(model.Conv("data", "conv1", 1, 4, 5), "pool1", kernel=2, stride=2)
    x = model.Relu(model.FC(x, "fc", 4 * 12 * 12, 10), "relu")
    return model, model.Softmax(x, "softmax")


def test_a_model_is_exported_and_predicts_as_before(tmp_path):
    model, softmax = lenet()
    workspace.RunNetOnce(model.param_init_net)
    x = np.random.RandomState(0).rand(2, 1, 28, 28).astype("f")
    workspace.FeedBlob("data", x)
    workspace.RunNetOnce(model.net)
    want = workspace.FetchBlob(softmax)
    model.net.AddExternalOutput(softmax)
    init, predict = mobile_exporter.Export(workspace, model.net, model.params)
    got = (
        workspace.Predictor(init.SerializeToString(), predict.SerializeToString()).run([x])
        if "data" not in {o for op in init.op for o in op.output}
        else None
    )
    for kind in ("minidb", "leveldb", "lmdb"):
        path = str(tmp_path / kind)
        meta = predictor_exporter.PredictorExportMeta(
            model.net, model.params, ["data"], ["softmax"], shapes={"data": (2, 1, 28, 28)}
        )
        try:
            predictor_exporter.save_to_db(kind, path, meta)
        except NotImplementedError:
            continue  # this system has no library for it
        workspace.SwitchWorkspace("loaded " + kind, True)
        net = predictor_exporter.prepare_prediction_net(path, kind)
        workspace.FeedBlob("data", x)
        workspace.RunNet(net)
        assert np.allclose(workspace.FetchBlob("softmax"), want)
        workspace.ResetWorkspace()
        workspace.SwitchWorkspace("default")
    assert got is None or np.allclose(got[0], want)


def test_observers_time_nets_and_operators():
    net = core.Net("watched")
    net.Relu(net.MatMul(["x", "x"], "y"), "z")
    workspace.FeedBlob("x", np.ones((200, 200), "f"))
    workspace.CreateNet(net)
    observer = net.AddObserver("TimeObserver")
    assert net.NumObservers() == 1 and observer.average_time() == 0
    workspace.RunNet(net, 3)
    times = observer.average_times()
    assert len(times) == 2 and all(t > 0 for t in times) and np.isclose(sum(times), observer.average_time())
    assert (
        np.isclose(observer.average_time_children() * 2, observer.average_time()) and "MatMul" in observer.debug_info()
    )
    net.RemoveObserver(observer)
    workspace.RunNet(net)
    assert net.NumObservers() == 0 and observer.average_times() == times
    assert len(workspace.BenchmarkNet(net.Name(), 1, 2, True)) == 3
    with pytest.raises(RuntimeError, match="no observer 'Nonsense'"):
        net.AddObserver("Nonsense")


def test_drawings_name_operators_and_blobs():
    model, _ = lenet()
    text = net_drawer.GetPydotGraph(model.net).to_string()
    assert "digraph" in text and "Conv" in text and '"conv1_w_0"' in text


def test_blobs_are_saved_and_loaded(tmp_path):
    path = str(tmp_path / "blobs")
    values = {
        "a": np.arange(6, dtype="f").reshape(2, 3),
        "s": np.array([b"x", b"\xff"], dtype=object),
        "i": np.array(3, "int64"),
    }
    for name, value in values.items():
        workspace.FeedBlob(name, value)
    workspace.RunOperatorOnce(
        core.CreateOperator("Save", list(values), [], db=path, db_type="minidb", absolute_path=1, chunk_size=2)
    )
    workspace.ResetWorkspace()
    workspace.RunOperatorOnce(
        core.CreateOperator("Load", [], [], db=path, db_type="minidb", absolute_path=1, load_all=1)
    )
    for name, value in values.items():
        assert np.array_equal(workspace.FetchBlob(name), value) and workspace.FetchBlob(name).shape == value.shape
    data = bytearray(open(path, "rb").read())
    for cut in range(0, len(data), 7):
        open(path, "wb").write(data[:cut])
        try:
            workspace.RunOperatorOnce(
                core.CreateOperator("Load", [], list(values), db=path, db_type="minidb", absolute_path=1)
            )
            raise AssertionError("a database that is cut short was loaded")
        except RuntimeError:
            pass


def test_a_net_is_a_module_that_trains():
    import rushlight as torch
    from rushlight.caffe2 import to_module

    init, net = core.Net("init"), core.Net("net")
    init.ConstantFill([], "w", shape=[2, 3], value=0.5), init.ConstantFill([], "b", shape=[2])
    net.Relu(net.FC(["x", "w", "b"], "h"), "y")
    net.Proto().external_output.append("y")
    module = to_module(init.Proto().SerializeToString(), net)
    x = torch.ones(4, 3)
    module(x).sum().backward()
    assert module.w.grad.tolist() == [[4, 4, 4]] * 2 and module.b.grad.tolist() == [4, 4]
    with pytest.raises(RuntimeError, match="missing value for argument 'x'"):
        module()


@pytest.mark.parametrize(("holds", "loss", "gradient"), [(True, 6.5, [2, -3]), (False, -1.5, [1.5, 1.5])])
def test_gradients_go_through_the_branch_that_is_taken(holds, loss, gradient):
    from rushlight.caffe2.python.net_builder import NetBuilder, ops

    with NetBuilder(name="branches", _use_control_ops=True) as builder:
        ops.Const(holds, blob_out="holds")
        ops.Const(np.array([2, -3], "f"), blob_out="x")
        ops.Const(np.zeros(2, "f"), blob_out="y")
        with ops.IfNet("holds"):
            ops.Mul(["x", "x"], "y")
        with ops.Else():
            ops.Scale("x", "y", scale=3.0)
        ops.AveragedLoss("y", "loss")
    plan = core.Plan("plan")
    plan.AddStep(core.to_execution_step(builder))
    assert workspace.RunPlan(plan)
    assert workspace.FetchBlob("loss") == loss
    (net,) = builder.get()
    gradients = net.AddGradientOperators(["loss"])
    assert workspace.RunNetOnce(net)
    np.testing.assert_allclose(workspace.FetchBlob(str(gradients["x"])), gradient)


def test_an_lstm_learns_and_its_gradient_is_a_difference():
    rng = np.random.RandomState(0)
    model = model_helper.ModelHelper(name="recurrent")
    out = rnn_cell.LSTM(model, "seq", "lengths", ["h0", "c0"], 3, 5, scope="lstm")
    loss = model.net.SumElements(model.net.Sqr(out[0], "squares"), "loss")
    grads = model.AddGradientOperators([loss])
    workspace.FeedBlob("seq", rng.randn(4, 2, 3).astype("f"))
    workspace.FeedBlob("lengths", np.array([4, 2], "i"))
    for name in ("h0", "c0"):
        workspace.FeedBlob(name, rng.randn(1, 2, 5).astype("f"))
    workspace.RunNetOnce(model.param_init_net)
    workspace.CreateNet(model.net)
    workspace.RunNet(model.net)
    for name in ("seq", "h0", "c0", "lstm/gates_t_w", "lstm/gates_t_b", "lstm/i2h_w"):
        grad, value, at = workspace.FetchBlob(grads[name]), workspace.FetchBlob(name), 1
        losses = []
        for step in (1e-2, -1e-2):
            moved = value.copy()
            moved.ravel()[at] += step
            workspace.FeedBlob(name, moved)
            workspace.RunNet(model.net)
            losses.append(float(workspace.FetchBlob("loss")))
        workspace.FeedBlob(name, value)
        workspace.RunNet(model.net)
        assert np.isclose((losses[0] - losses[1]) / 2e-2, grad.ravel()[at], rtol=2e-2, atol=2e-3), name


def test_caffe2_is_there_under_python_m_rushlight(tmp_path):
    (tmp_path / "program.py").write_text(
        "from caffe2.python import core, workspace\nfrom caffe2.proto import caffe2_pb2\nprint(core.Net('n').Name(), caffe2_pb2.NetDef().name == '')\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "rushlight", "program.py"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "n True\n"


def test_aten_runs_any_operator_by_its_name():
    a, b = np.arange(6, dtype="f").reshape(2, 3), np.ones((2, 3), "f")
    assert run("ATen", [a, b], ["y"], operator="add", alpha=2.0)[0].tolist() == (a + 2).tolist()
    assert run("ATen", [a, b], ["y"], operator="cat", dim=1)[0].shape == (2, 6)
    values, places = run("ATen", [a], ["v", "i"], operator="topk", k=2, dim=1, largest=1)
    assert values.tolist() == [[2, 1], [5, 4]] and places.dtype == np.int64
    assert [x.tolist() for x in run("ATen", [a], ["p", "q", "r"], operator="unbind", dim=1)] == [[0, 3], [1, 4], [2, 5]]
    assert run("ATen", [a], ["y"], operator="sum", overload_name="dim_IntList", dim=[0])[0].tolist() == [3, 5, 7]
    for args, text in (({}, "should name"), ({"operator": "nothing_such"}, "no operator nothing_such"), ({"operator": "relu", "other": 1}, "takes other inputs")):  # fmt: skip
        with pytest.raises(RuntimeError, match=text):
            run("ATen", [a], ["y"], **args)


def test_roi_align_averages_its_samples():
    x = np.arange(16, dtype="f").reshape(1, 1, 4, 4)
    rois = np.array([[0, 0, 0, 4, 4]], "f")
    (y,) = run("RoIAlign", [x, rois], ["y"], pooled_h=2, pooled_w=2, sampling_ratio=2)
    # Bins of 2 x 2 with samples at 0.5 and 1.5, 2.5 and 3.5 (the last at the border: 3).
    rows = np.array([[0.5, 1.5], [2.5, 3.0]]).mean(1)
    assert np.allclose(y[0, 0], rows[:, None] * 4 + rows[None, :])
    net = core.Net("roi")
    loss = net.SumElements(net.RoIAlign(["i0", "i1"], "r", pooled_h=2, pooled_w=2, sampling_ratio=2), "loss")
    grads = net.AddGradientOperators([loss])
    workspace.RunNetOnce(net)
    assert np.isclose(workspace.FetchBlob(grads["i0"]).sum(), 4)


# ---- what Caffe2 itself computed


def cases(*groups):
    if not FIXTURES.exists():
        return []
    return [p for g in groups for p in sorted((FIXTURES / g).iterdir()) if p.is_dir()]


def read_net(path):
    return caffe2_pb2.NetDef.FromString(path.read_bytes())


def start(case):
    os.chdir(case)
    workspace.ResetWorkspace()
    if (case / "inputs.npz").exists():
        for name, value in np.load(case / "inputs.npz", allow_pickle=True).items():
            workspace.FeedBlob(name, value)
    if (case / "init_net.pb").exists():
        workspace.RunNetOnce(read_net(case / "init_net.pb"))


def compare(case, file, meta):
    tolerance = meta.get("tolerance", {"rtol": 1e-4, "atol": 1e-5})
    for name, want in np.load(case / file, allow_pickle=True).items():
        if name in meta.get("random_blobs", {}):
            assert workspace.FetchBlob(name).dtype == want.dtype
            continue
        if "#" in name:
            blob, part = name.split("#")
            got = getattr(workspace.FetchInt8Blob(blob), part)
            assert np.allclose(got, want, atol=1 if part == "data" else 1e-6), name
            continue
        got = workspace.FetchBlob(name)
        assert got.shape == want.shape, name
        if want.dtype.kind == "S":
            assert got.ravel().tolist() == want.ravel().tolist(), name
        else:
            assert got.dtype == want.dtype and np.allclose(got, want, equal_nan=True, **tolerance), name


@pytest.fixture
def here():
    before = os.getcwd()
    yield
    os.chdir(before)


@pytest.mark.parametrize(
    "case", cases("ops", "int8", "control", "nets", "rnn", "plan", "model", "onnx"), ids=lambda p: p.name
)
def test_nets_compute_what_caffe2_did(case, here):
    meta = json.loads((case / "meta.json").read_text())
    start(case)
    if (case / "plan.pb").exists():
        workspace.RunPlan(caffe2_pb2.PlanDef.FromString((case / "plan.pb").read_bytes()))
    else:
        workspace.RunNetOnce(read_net(case / "predict_net.pb"))
    compare(case, "outputs.npz", meta)
    if (case / "gradient_net.pb").exists() and not meta.get("random_blobs"):
        start(case)
        workspace.RunNetOnce(read_net(case / "gradient_net.pb"))
        compare(case, "gradients.npz", meta)


@pytest.mark.parametrize("case", cases("ops", "nets"), ids=lambda p: p.name)
def test_gradient_operators_are_those_that_caffe2_made(case):
    if not (case / "gradient_net.pb").exists():
        return
    meta = json.loads((case / "meta.json").read_text())
    net = core.Net(read_net(case / "predict_net.pb"))
    given = meta.get("incoming_gradients") or []
    net.AddGradientOperators({g.removesuffix("_grad_in"): g for g in given} if given else ["loss"])
    assert list(net.Proto().op) == list(read_net(case / "gradient_net.pb").op)


BUILDS = {
    "adam": lambda m: optimizer.build_adam(m, 0.01),
    "adagrad": lambda m: optimizer.build_adagrad(m, 0.05),
    "momentum": lambda m: optimizer.build_sgd(m, 0.1, momentum=0.9, nesterov=False),
    "ftrl": lambda m: optimizer.build_ftrl(m, alpha=0.1, beta=1.0, lambda1=0.0, lambda2=0.0, engine=""),
}


@pytest.mark.skipif(not FIXTURES.exists(), reason="needs ../shared")
@pytest.mark.parametrize("name", BUILDS)
def test_models_are_built_of_the_operators_that_caffe2_built_them_of(name):
    optimizer.reset_optimizer_instance_count()
    want = read_net(FIXTURES / "train" / f"train_mlp_{name}" / "train_net.pb")
    model = model_helper.ModelHelper(name="mlp", arg_scope={"order": "NCHW"})
    hidden = brew.relu(model, brew.fc(model, "data", "fc1", 64, 16), "relu1")
    softmax = brew.softmax(model, brew.fc(model, hidden, "fc2", 16, 10), "softmax")
    loss = model.AveragedLoss(model.LabelCrossEntropy([softmax, "label"], "xent"), "loss")
    brew.accuracy(model, [softmax, "label"], "accuracy")
    model.AddGradientOperators([loss])
    BUILDS[name](model)
    assert list(model.net.Proto().op) == list(want.op)


@pytest.mark.parametrize("case", cases("train"), ids=lambda p: p.name)
def test_training_follows_caffe2(case, here):
    meta = json.loads((case / "meta.json").read_text())
    batches = dict(np.load(case / "inputs.npz"))  # one for each step
    workspace.RunNetOnce(read_net(case / "init_net.pb"))
    net = read_net(case / "train_net.pb")
    for name, values in batches.items():
        workspace.FeedBlob(name, values[0])
    workspace.CreateNet(net)
    want = np.load(case / "outputs.npz")
    tolerance = meta.get("tolerance", {"rtol": 1e-3, "atol": 1e-4})
    for step, loss in enumerate(want["loss_per_step"]):
        for name, values in batches.items():
            workspace.FeedBlob(name, values[step])
        workspace.RunNet(net.name)
        assert np.allclose(workspace.FetchBlob("loss"), loss, rtol=1e-3, atol=1e-4), step
        for name in want.files:
            if (step == 0 and name.startswith("step1_")) or (
                step + 1 == len(want["loss_per_step"]) and name.startswith("final/")
            ):
                blob = name.split("/", 1)[1] + ("_grad" if name.startswith("step1_grad/") else "")
                assert np.allclose(workspace.FetchBlob(blob), want[name], **tolerance), (step, name)
