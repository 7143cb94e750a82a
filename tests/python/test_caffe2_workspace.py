"""Caffe2's workspace as programs use it besides nets: tensors, Int8 blobs, immediate mode; and what exported predictors are made of."""

import os

import numpy as np
import pytest
from rushlight.caffe2.proto import caffe2_pb2, metanet_pb2
from rushlight.caffe2.python import brew, core, model_helper, workspace
from rushlight.caffe2.python.predictor import mobile_exporter, predictor_exporter, predictor_py_utils
from rushlight.caffe2.python.predictor_constants import predictor_constants

import rushlight as rl


@pytest.fixture(autouse=True)
def fresh():
    workspace.ResetWorkspace()
    yield
    workspace.StopImmediate()


def test_tensors_share_the_memory_of_blobs():
    workspace.FeedBlob("x", np.arange(3, dtype="f"))
    workspace.FetchTorch("x")[1] = 7
    assert workspace.FetchBlob("x").tolist() == [0, 7, 2]
    t = rl.zeros(2)
    workspace.FeedBlob("t", t)
    t[0] = 5
    assert workspace.FetchBlob("t").tolist() == [5, 0]
    workspace.FeedBlob("s", "text")
    with pytest.raises(RuntimeError, match="Blob s holds no tensor"):
        workspace.FetchTorch("s")
    workspace.ResetBlob("x")
    assert workspace.HasBlob("x")
    with pytest.raises(RuntimeError, match="holds no tensor"):
        workspace.FetchTorch("x")


def test_int8_blobs_stand_for_numbers():
    workspace.FeedBlob("q", workspace.Int8Tensor(np.array([0, 128, 255], np.uint8), 0.5, 128))
    assert workspace.FetchInt8BlobRealVal("q").tolist() == [-64, 0, 63.5]


def test_an_operator_runs_several_times():
    workspace.FeedBlob("n", np.array([1], np.int64))
    workspace.RunOperatorMultiple(core.CreateOperator("Iter", ["n"], ["n"]), 3)
    assert workspace.FetchBlob("n").tolist() == [4]


def test_messages_and_nets_have_names_and_binary_forms():
    net = core.Net("named")
    assert workspace.StringifyProto(net) == net.Proto().SerializeToString()
    assert workspace.StringifyProto("text") == "text"
    assert workspace.GetNetName(net) == workspace.GetNetName(net.Proto()) == net.Name()
    with pytest.raises(ValueError, match="Unexpected argument"):
        workspace.StringifyProto(5)
    assert workspace.NumGpuDevices() == workspace.NumCudaDevices() == 0
    with core.NameScope("a"):
        assert workspace.GetNameScope() == "a/"


def test_inputs_of_a_net_are_filled_at_random():
    net = core.Net("n")
    net.Add(["a", "b"], "c", broadcast=1)
    net.Gather(["c", "ids"], "d")
    workspace.FillRandomNetworkInputs(net, [[(4, 3), (3,)], [(4, 3), (2,)]], [["float", "float"], ["float", "int64_t"]])
    assert workspace.FetchBlob("a").shape == (4, 3) and workspace.FetchBlob("ids").dtype == np.int64
    assert not workspace.HasBlob("c")
    with pytest.raises(RuntimeError, match=r"the net's operators have \[2, 2\] inputs"):
        workspace.FillRandomNetworkInputs(net, [[(4, 3)], []], [["float"], []])


def test_immediate_mode_runs_what_is_added(capsys):
    workspace.StartImmediate()
    assert "StopImmediate" in capsys.readouterr().out and workspace.IsImmediate()
    folder = workspace._immediate_root_folder
    net = core.Net("n")
    net.ConstantFill([], "x", shape=[2], value=1.0)
    assert workspace.ImmediateBlobs() == ["x"] and not workspace.HasBlob("x")
    workspace.FeedImmediate("x", 2 * workspace.FetchImmediate("x"))
    net.Sqr("x", "y")
    assert workspace.FetchImmediate("y").tolist() == [4, 4]
    workspace.StopImmediate()
    assert not workspace.IsImmediate() and not os.path.exists(folder)
    with pytest.raises(RuntimeError, match="immediate mode is off"):
        workspace.FetchImmediate("x")


def test_a_plan_runs_in_the_background():
    net, broken = core.Net("n"), core.Net("broken")
    net.ConstantFill([], "x", shape=[2], value=3.0)
    broken.Reshape("x", ["y", "old"], shape=[5])

    def plan_of(net):
        plan = core.Plan("plan")
        plan.AddStep(core.ExecutionStep("step", net))
        return plan

    running = workspace.RunPlanInBackground(plan_of(net))
    running.wait()
    assert running.is_done() and running.is_succeeded() and workspace.FetchBlob("x").tolist() == [3, 3]
    running = workspace.RunPlanInBackground(plan_of(broken))
    with pytest.raises(RuntimeError, match="Reshape"):
        running.wait()
    assert running.is_done() and not running.is_succeeded()


def classifier():
    model = model_helper.ModelHelper(name="classifier")
    y = brew.fc(model, "x", "y", dim_in=3, dim_out=2)
    model.net.Softmax(y, "p")
    workspace.RunNetOnce(model.param_init_net)
    workspace.FeedBlob("x", np.ones((1, 3), "f"))
    workspace.RunNetOnce(model.net)
    return model


def test_nets_for_phones_have_inputs_and_outputs():
    model = classifier()
    want = workspace.FetchBlob("p")
    init, predict = mobile_exporter.Export(workspace, model.net, model.params)
    assert list(predict.external_input) == ["x", "y_w", "y_b"] and list(predict.external_output) == ["p"]
    workspace.ResetWorkspace()
    workspace.RunNetOnce(init)
    assert workspace.HasBlob("x")
    (got,) = workspace.Predictor(init.SerializeToString(), predict.SerializeToString()).run([np.ones((1, 3), "f")])
    np.testing.assert_array_equal(got, want)


def test_several_predictors_have_names_of_their_own(tmp_path):
    model = classifier()
    meta = predictor_exporter.PredictorExportMeta(model.net, ["y_w", "y_b"], ["x"], ["p"], name="small")
    assert meta.predict_net_name() == "PREDICT_NET_TYPE_small"
    assert predictor_exporter.get_predictor_exporter_helper("small").inputs_name() == meta.inputs_name()
    message = predictor_exporter.get_meta_net_def(meta)
    predictor_exporter.set_model_info(message, "project", "class", "1")
    assert message.modelInfo.modelClass == "class"
    assert predictor_py_utils.GetNet(message, meta.predict_net_name()).op[0].type == "FC"
    assert (
        predictor_py_utils.GetNet(message, "none") is None and list(predictor_py_utils.GetBlobs(message, "none")) == []
    )
    predictor_py_utils.AddBlobs(message, meta.inputs_name(), ["more"])
    assert list(predictor_py_utils.GetBlobs(message, meta.inputs_name())) == ["x", "more"]
    predictor_py_utils.ReplaceBlobs(message, meta.inputs_name(), ["z"])
    assert predictor_py_utils.GetBlobsByTypePrefix(message, "INPUTS") == ["z"]
    with pytest.raises(AssertionError, match="does not exist"):
        predictor_py_utils.ReplaceBlobs(message, "none", [])
    # A file with this predictor alone has none without a name.
    path = str(tmp_path / "model.minidb")
    predictor_exporter.save_to_db("minidb", path, meta)
    workspace.ResetWorkspace()
    with pytest.raises(KeyError, match="has no net GLOBAL_INIT_NET_TYPE"):
        predictor_exporter.prepare_prediction_net(path, "minidb")


def test_a_predictor_is_loaded_for_a_device(tmp_path):
    model, path = classifier(), str(tmp_path / "model.minidb")
    predictor_exporter.save_to_db(
        "minidb", path, predictor_exporter.PredictorExportMeta(model.net, ["y_w", "y_b"], ["x"], ["p"])
    )
    workspace.ResetWorkspace()
    with core.DeviceScope(core.DeviceOption(caffe2_pb2.CPU, 1)):
        meta = predictor_exporter.load_from_db(path, "minidb")
    ops = [op for entry in meta.nets for op in entry.value.op]
    assert {op.device_option.device_id for op in ops} == {1} and isinstance(meta, metanet_pb2.MetaNetDef)
    assert predictor_constants.PREDICT_NET_TYPE in [entry.key for entry in meta.nets]


def test_mistakes_of_export_are_told():
    net = core.Net("n")
    with pytest.raises(AssertionError, match="Parameters and inputs are required to be disjoint"):
        predictor_exporter.PredictorExportMeta(net, ["w"], ["w"], ["y"])
    with pytest.raises(AssertionError, match="Parameters and outputs are required to be disjoint"):
        predictor_exporter.PredictorExportMeta(net, ["w"], ["x"], ["w"])
    with pytest.raises(AssertionError, match="a message of one, got str"):
        predictor_exporter.PredictorExportMeta("net", ["w"], ["x"], ["y"])
    meta = predictor_exporter.PredictorExportMeta(net, ["w"], ["nowhere"], ["y"])
    with pytest.raises(Exception, match="nowhere not in workspace but needed for shape"):
        predictor_exporter.get_meta_net_def(meta)


@pytest.mark.parametrize("lengths", [[2**62, 2**62, 2**62], [-1, 4, 0]])
def test_lengths_of_a_dataset_that_are_none(lengths):
    workspace.FeedBlob("lengths", np.array(lengths, np.int64)), workspace.FeedBlob("values", np.zeros(3, "f"))
    check = core.CreateOperator("CheckDatasetConsistency", ["lengths", "values"], [], fields=["a:lengths", "a:values"])
    with pytest.raises(RuntimeError, match="are below 0 or add up to too much"):
        workspace.RunOperatorOnce(check)


def test_the_current_workspace_is_an_object_too():
    workspace.FeedBlob("x", np.arange(3, dtype=np.float32))
    current = workspace.C.Workspace.current
    assert isinstance(current, workspace.C.Workspace)
    current.run(core.CreateOperator("Scale", ["x"], ["y"], scale=2.0))
    assert workspace.FetchBlob("y").tolist() == [0, 2, 4]
    inside = workspace.C.Workspace(current)
    inside.create_blob("own")
    assert inside.fetch_blob("x").tolist() == [0, 1, 2] and not workspace.HasBlob("own")
    workspace.SwitchWorkspace("another", True)
    assert not workspace.C.Workspace.current.has_blob("x") and current.has_blob("x")
    workspace.SwitchWorkspace("default")
