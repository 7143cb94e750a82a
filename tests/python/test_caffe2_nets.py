"""caffe2.python.core: nets, plans, devices, and gradients of operators that run nets or are Python's."""

from __future__ import annotations

import numpy as np
import pytest
from rushlight.caffe2.proto import caffe2_pb2
from rushlight.caffe2.python import brew, control, core, model_helper, workspace
from rushlight.caffe2.python.control_ops_grad import disambiguate_grad_if_op_output, gen_if_gradient, getNetArgument
from rushlight.caffe2.python.gradient_checker import NetGradientChecker
from rushlight.caffe2.python.net_builder import NetBuilder, ops


@pytest.fixture(autouse=True)
def empty_workspace():
    workspace.ResetWorkspace()


def fetched(*names):
    return [workspace.FetchBlob(n) for n in names]


# ---- nets


def test_blobs_that_are_new_have_names_of_their_own():
    net = core.Net("names")
    assert str(net.NextBlob("b")) == "b" and str(net.NextBlob("b")) == "b_auto_0"
    with core.NameScope("in"):
        assert str(net.NextScopedBlob("b")) == "in/b" and str(net.Sum(["x", "x"])) == f"in/{net.Name()}/Sum"
    assert str(net.Const(3)) == f"{net.Name()}/GivenTensorInt64Fill:0"
    assert net.Proto().op[-1].type == "GivenTensorInt64Fill" and list(net.Proto().external_input) == ["in/x"]
    with pytest.raises(KeyError, match="does not define blob gone"):
        net.GetBlobRef("gone")
    with pytest.raises(AssertionError, match="already contains an input named a"):
        net.AddExternalInput("a", "a")


def test_a_part_of_a_net_is_cloned_with_a_prefix():
    net = core.Net("whole")
    a, b = net.AddExternalInput("a", "b")
    c = net.Sum([a, "p"], "c")
    d = net.Sum([c, b], "d")
    d = net.Sum([d, c], [d])
    part, (out,) = net.ClonePartial("part", {a: "other", b: "b"}, [d])
    assert str(out) == "part/d" and sorted(part.Proto().external_input) == ["b", "other", "p"]
    assert [list(op.input) for op in part.Proto().op] == [["other", "p"], ["part/c", "b"], ["part/d", "part/c"]]
    e, f = net.Concat([a, b], ["e", "f"], axis=0)
    g = net.Sum([f], "g")
    with pytest.raises(AssertionError, match="would generate the given input"):
        net.ClonePartial("wrong", [a, b, g], [net.Sum([e, g], "h")])
    masked = net.Clone("masked", op_id_mask=[0, 1], update_external_list=True)
    assert sorted(masked.Proto().external_input) == ["a", "b", "p"] and list(masked.Proto().external_output) == ["d"]


def test_nets_inside_of_operators_are_renamed_with_them():
    inner, net = core.Net("inner"), core.Net("outer")
    inner.Relu("x", "y")
    net.If(["c", "x"], ["y"], then_net=inner.Proto())
    copy = net.Clone("copy", {"x": "z"}).Proto()
    assert list(copy.op[0].input) == ["c", "z"] and list(getNetArgument(copy.op[0], "then_net").op[0].input) == ["z"]
    assert list(getNetArgument(net.Proto().op[0], "then_net").op[0].input) == ["x"]


def test_operators_are_put_between_others_and_know_where_they_were_added():
    net = core.Net("rerouted")
    net.Conv(["x", "w", "b"], "c")
    net.Relu("c", "r")
    scale = core.CreateOperator("Scale", ["c"], ["s"])
    assert net.reroute_tensor("c", scale, [net.Proto().op[1]]) == 1
    assert [op.type for op in net.Proto().op] == ["Conv", "Scale", "Relu"] and list(net.Proto().op[2].input) == ["s"]
    placed = core.Net("placed")
    placed.Relu("x", "y")
    placed.PopulateProtoWithFileName()
    file, _, function = placed.Proto().op[0].name.rsplit(":", 2)
    assert file == __file__ and function == "test_operators_are_put_between_others_and_know_where_they_were_added"
    placed.set_rand_seed(7)
    placed.add_attribute("kept", 1)
    placed.AddArgument("size", 3)
    assert placed.Proto().op[0].device_option.random_seed == 7 and placed.get_attributes("kept") == [1]
    assert (
        placed.Proto().arg[0].i == 3
        and core.CreateOperator("Relu", "x", "y", random_seed=5).device_option.random_seed == 5
    )


def test_slices_of_the_same_index_become_one():
    net = core.Net("slices")
    workspace.FeedBlob("i", np.array([2, 0, 2]))
    workspace.FeedBlob("v", np.float32([[1, 2], [3, 4], [5, 6]]))
    slices = core.GradientSlice(core.BlobReference("i"), core.BlobReference("v"))
    total, mean = net.DeduplicateGradientSlices(slices), net.DeduplicateGradientSlices(slices, "mean")
    workspace.RunNetOnce(net)
    indices, sums, means = fetched(total.indices, total.values, mean.values)
    assert sums[indices.tolist().index(2)].tolist() == [6, 8] and means[indices.tolist().index(2)].tolist() == [3, 4]
    with pytest.raises(ValueError, match="max is not supported"):
        net.DeduplicateGradientSlices(slices, "max")


def test_copies_are_added_where_devices_differ():
    gpu, net = core.DeviceOption(workspace.GpuDeviceType, 1), core.Net("devices")
    with core.DeviceScope(gpu):
        net.Relu("x", "a")
    net.Relu("x", "b")
    with core.DeviceScope(gpu):
        net.Sum(["x", "b"], "c")
    made, where = core.InjectCrossDeviceCopies(net)
    assert [(op.type, *op.input, *op.output) for op in made.Proto().op] == [
        ("CopyCPUToGPU", "x", "x_gpu_1"), ("Relu", "x_gpu_1", "a"), ("Relu", "x", "b"), ("CopyCPUToGPU", "b", "b_gpu_1"),
        ("Sum", "x_gpu_1", "b_gpu_1", "c"),
    ]  # fmt: skip
    assert where["c"].device_id == 1 and where["b"].device_type == caffe2_pb2.CPU
    net.Relu("b", "c")
    with pytest.raises(RuntimeError, match="In-place blob: c is not supported"):
        core.InjectCrossDeviceCopies(net)
    assert core.InferBlobDevices(net)["a"].device_id == 1 and core.IsGPUDeviceType(caffe2_pb2.HIP)


def test_plans_of_messages_and_steps_that_are_in_use():
    net = core.Net("add")
    net.Add(["x", "one"], "x")
    step = core.execution_step("three", net, num_iter=3)
    plan = core.Plan(core.execution_step("outer", [step]))
    with pytest.raises(AssertionError, match="already been added"):
        step.SetIter(4)
    again = core.Plan.create_from_proto(plan.Proto())
    assert again.Nets()[0].Name().startswith("add") and again.Steps()[0].Name() == "outer"
    for name in ("x", "one"):
        workspace.FeedBlob(name, np.ones(1, np.float32))
    workspace.RunPlan(again)
    assert workspace.FetchBlob("x") == 4
    with pytest.raises(ValueError, match="string or ExecutionStep"):
        core.Plan(3)


def test_conditions_of_nets_are_merged_and_combined():
    def test(name, op, limit):
        net = core.Net(name)
        net.AddExternalOutput(getattr(net, op)(["x", net.Const(np.float32(limit))], name))
        return net

    above, below = test("above", "GT", 1), test("below", "LT", 5)
    for x, both in ((3, True), (7, False)):
        workspace.FeedBlob("x", np.float32(x))
        merged = control.MergeConditionNets("both", [above, below], "And")
        workspace.RunNetOnce(merged)
        assert workspace.FetchBlob(control.GetConditionBlobFromNet(merged)) == both
        either = control.CombineConditions("either", [above, below], "Or")
        workspace.RunNetOnce(either)
        assert workspace.FetchBlob(control.GetConditionBlobFromNet(either))
    with pytest.raises(ValueError, match="must be a list"):
        control.CombineConditions("no", above, "Or")


# ---- gradients


def test_a_while_is_gone_back_through():
    # The body's own values in each round are those of that round; what is read in all of them has the sum of their gradients.
    with NetBuilder(_use_control_ops=True) as builder:
        for name, value in (("i", 0), ("one", 1), ("three", 3), ("x", 0.7), ("w", 1.3)):
            ops.Copy(ops.Const(value), name)
        with ops.WhileNet():
            with ops.Condition():
                ops.Add(["i", "one"], "i")
                ops.LE(["i", "three"])
            ops.Mul([ops.Scale("x", scale=0.9), "w"], "u")
            ops.Tanh("u", "x")
    net = builder.get()[0]
    grads = net.AddGradientOperators(["x"])
    made = [op for op in net.Proto().op if op.type == "While"]
    assert getNetArgument(made[1], "cond_net").op[0].type == "HasScope" and made[1].is_gradient_op
    assert getNetArgument(made[1], "loop_net").op[0].type == "Do"
    workspace.CreateNet(net)
    for _ in range(2):
        workspace.RunNet(net)
    x, gx, gw = fetched("x", grads["x"], grads["w"])
    np.testing.assert_allclose(x, 0.64681566, rtol=1e-6)
    np.testing.assert_allclose(gx, 0.28791985, rtol=1e-6)  # as Caffe2
    np.testing.assert_allclose(gw, 0.73372780, rtol=1e-6)  # Caffe2 has that of the first round alone


def test_conditions_inside_of_a_loop_are_gone_back_through():
    with NetBuilder(_use_control_ops=True) as builder:
        for name, value in (("i", 0), ("one", 1), ("two", 2), ("x", 2.0), ("y", 3.0), ("z", 2.0)):
            ops.Copy(ops.Const(value), name)
        with ops.WhileNet():
            with ops.Condition():
                ops.Add(["i", "one"], "i")
                ops.LE(["i", "two"])
            ops.Pow("x", "x", exponent=2.0)
            with ops.IfNet(ops.LT(["i", "two"])):
                ops.Pow("y", "y", exponent=2.0)
            with ops.Else():
                ops.Pow("z", "z", exponent=3.0)
        ops.Sum(["x", "y", "z"], "s")
    net = builder.get()[0]
    net.AddGradientOperators(["s"])
    workspace.RunNetOnce(net)
    assert [float(v) for v in fetched("x", "y", "z", "x_grad", "y_grad", "z_grad")] == [16, 9, 8, 32, 6, 12]


def test_the_branch_of_an_if_that_was_not_taken_has_zeros():
    for holds in (True, False):
        workspace.ResetWorkspace()
        with NetBuilder(_use_control_ops=True) as builder:
            ops.Const(holds, blob_out="holds")
            for name in ("a", "b", "y"):
                ops.Const(np.float32([2, 3]), blob_out=name)
            with ops.IfNet("holds"):
                ops.Sqr("a", "y")
            with ops.Else():
                ops.Scale("b", "y", scale=5.0)
            ops.SumElements("y", "loss")
        net = builder.get()[0]
        grads = net.AddGradientOperators(["loss"])
        workspace.RunNetOnce(net)
        a, b = fetched(grads["a"], grads["b"])
        assert (a.tolist(), b.tolist()) == (([4, 6], [0, 0]) if holds else ([0, 0], [5, 5]))
    op = next(op for op in net.Proto().op if op.type == "If" and op.is_gradient_op)
    place = list(op.output).index(str(grads["a"]))
    disambiguate_grad_if_op_output(op, place, "renamed")
    assert op.output[place] == "renamed" and any("renamed" in o.output for o in getNetArgument(op, "then_net").op)
    forward = next(op for op in net.Proto().op if op.type == "If")
    made, inputs = gen_if_gradient(forward, ["y_grad" if o == "y" else None for o in forward.output])
    assert made[-1].type == "If" and str(inputs[list(forward.input).index("a")]) == "a_grad"


def test_python_may_register_gradients_of_types():
    @core.GradientRegistry.RegisterGradient("TestDoubler")
    def doubler(op, g_output):
        return core.CreateOperator("TestDoublerGradient", g_output, [op.input[0] + "_grad"]), [op.input[0] + "_grad"]

    operators = [core.CreateOperator("TestDoubler", "x", "y"), core.CreateOperator("TestDoubler", "x", "z")]
    made, grads = core.GradientRegistry.GetBackwardPass(operators, {"y": "y_grad", "z": "z_grad"})
    assert [op.type for op in made] == ["TestDoublerGradient", "TestDoublerGradient", "Sum"]
    assert list(made[2].input) == ["x_grad", "_x_grad_autosplit_0"] and grads["x"] == "x_grad"
    ir = core.IR(operators)
    assert ir.ssa[1].in_versions == {"x": 0} and ir.input_usages["x"][0] == [0, 1] and ir.frontier["z"] == 0
    overwritten = [core.CreateOperator("TestDoubler", "x", "x"), core.CreateOperator("TestDoubler", "y", "x"), core.CreateOperator("TestDoubler", "x", "y")]  # fmt: skip
    with pytest.raises(RuntimeError, match="expected to correspond to version"):
        core.GradientRegistry.GetBackwardPass(overwritten, {"y": "y_grad"})
    with pytest.raises(Exception, match=r"Exception when creating gradient for \[NoSuchType\]"):
        core.GradientRegistry.GetBackwardPass([core.CreateOperator("NoSuchType", "x", "y")], ["y"])
    with pytest.raises(ValueError, match="is orphan"):
        core.GradientRegistry.GetBackwardPass([core.CreateOperator("StopGradient", "x", "y")], ["y"])
    far = core.CreateOperator("TestDoubler", "x", "z", device_option=core.DeviceOption(workspace.GpuDeviceType, 1))

    @core.GradientRegistry.RegisterGradient("TestDoubler")
    def placed(op, g_output):
        made, grads = doubler(op, g_output)
        made.device_option.CopyFrom(op.device_option)
        return made, grads

    with pytest.raises(RuntimeError, match="not all grad ops have the same device option"):
        core.GradientRegistry.GetBackwardPass([operators[0], far], {"y": "y_grad", "z": "z_grad"})


def test_gradients_of_nets_are_compared_and_checked():
    values = {"a": np.float32([1, 2]), "b": np.float32([3, 4])}
    one, two = core.Net("one"), core.Net("two")
    x = one.Mul([one.Add(["a", "b"]), "a"], "x")
    y = two.Add([two.Sqr("a"), two.Mul(["a", "b"])], "y")
    NetGradientChecker.CompareNets([one, two], [[x], [y]], [0], ["a", "b"], input_values=values, threshold=1e-6)
    mean, largest = NetGradientChecker.Check(one, [x], values, "a", step_size=0.01)
    assert mean <= largest < 0.01
    wrong = core.Net("wrong")
    z = wrong.Mul(["a", "b"], "z")
    with pytest.raises(AssertionError, match="Different forward pass results"):
        NetGradientChecker.CompareNets([one, wrong], [[x], [z]], [0], ["a", "b"], input_values=values)


def trained_model(is_test=1):
    model = model_helper.ModelHelper(name="classifier", arg_scope={"order": "NCHW"})
    reader = model.param_init_net.CreateDB([], "reader", db="none", db_type="lmdb")
    model.net.ImageInput([reader], ["data", "label"], batch_size=2, crop=4)
    conv = brew.conv(model, "data", "conv", dim_in=3, dim_out=4, kernel=3)
    dropped = brew.dropout(model, brew.relu(model, conv, conv), "dropped", is_test=is_test)
    scores = brew.fc(model, dropped, "scores", dim_in=16, dim_out=5)
    softmax = brew.softmax(model, scores, "softmax")
    model.net.Accuracy([softmax, "label"], "accuracy")
    loss = model.net.AveragedLoss(model.net.LabelCrossEntropy([softmax, "label"], "xent"), "loss")
    model.AddGradientOperators([loss])
    return model


def test_the_part_of_a_training_net_that_predicts():
    model = trained_model()
    predict, params = model_helper.ExtractPredictorNet(
        model.net.Proto(), ["data"], ["softmax"], renames={"data": "image", "conv_w": "kernel"}
    )
    assert [op.type for op in predict.Proto().op] == ["Conv", "Relu", "Dropout", "FC", "Softmax"]
    assert predict.Proto().name.startswith("classifier_predict")
    assert params == ["kernel", "conv_b", "scores_w", "scores_b"]
    assert list(predict.Proto().external_input) == ["image", *params]
    assert list(predict.Proto().external_output) == ["softmax"]
    assert list(model.net.Proto().op[1].input)[0] == "data"  # the given net stays as it was
    workspace.RunNetOnce(
        caffe2_pb2.NetDef(op=[op for op in model.param_init_net.Proto().op if op.type != "CreateDB"], name="fill")
    )
    workspace.FeedBlob("kernel", workspace.FetchBlob("conv_w"))
    workspace.FeedBlob("image", np.ones((2, 3, 4, 4), np.float32))
    workspace.RunNetOnce(predict)
    assert np.allclose(workspace.FetchBlob("softmax").sum(1), 1)


def test_what_cannot_be_extracted_is_said():
    model = trained_model()
    extract = model_helper.ExtractPredictorNet
    with pytest.raises(ValueError, match=r"no ops with input=\['nothing'\]"):
        extract(model.net, ["nothing"], ["softmax"])
    with pytest.raises(ValueError, match=r"no ops with output=\['nothing'\]"):
        extract(model.net, ["data"], ["nothing"])
    with pytest.raises(ValueError, match="is_test=0"):
        extract(trained_model(is_test=0).net, ["data"], ["softmax"])
    without, _ = extract(model.net, ["data"], ["softmax"], disabled_inputs=["scores_w"])
    assert [op.type for op in without.Proto().op] == ["Conv", "Relu", "Dropout"]  # the others need what is not there
