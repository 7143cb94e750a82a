"""C++ programs with Caffe2's names: the examples, built and run."""

import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT, run
from rushlight.caffe2.python import core, workspace
from rushlight.caffe2.python.predictor import predictor_exporter

EXAMPLES = ROOT / "examples" / "caffe2"


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("programs")
    flags = run(sys.executable, "-m", "rushlight", "--cflags", "--libs").split()
    for name in ("predict", "first_net"):
        run("g++", "-std=c++20", "-O0", EXAMPLES / f"{name}.cpp", "-o", folder / name, *flags, "-lrushlight_caffe2")
    return folder


def nets():
    rng = np.random.default_rng(0)
    init, net = core.Net("init"), core.Net("net")
    init.GivenTensorFill([], "w", shape=[7, 12], values=rng.standard_normal(84).astype("f"))
    init.GivenTensorFill([], "b", shape=[7], values=rng.standard_normal(7).astype("f"))
    net.Softmax(net.FC(["data", "w", "b"], "h"), "prob")
    net.Proto().external_output.append("prob")
    workspace.ResetWorkspace()
    workspace.RunNetOnce(init)
    workspace.FeedBlob("data", np.ones((1, 3, 2, 2), "f"))
    workspace.RunNetOnce(net)
    prob = workspace.FetchBlob("prob")[0]
    return init, net, [f"{k} {prob[k]:.6f}" for k in np.argsort(-prob)[:5]]


def test_a_program_reads_two_nets_and_predicts(programs, tmp_path):
    init, net, want = nets()
    (tmp_path / "init_net.pb").write_bytes(init.Proto().SerializeToString())
    (tmp_path / "predict_net.pb").write_bytes(net.Proto().SerializeToString())
    (tmp_path / "predict_net.pbtxt").write_text(str(net.Proto()))
    for name in ("predict_net.pb", "predict_net.pbtxt"):
        out = run(programs / "predict", tmp_path / "init_net.pb", tmp_path / name, "1", "3", "2", "2")
        assert out.splitlines() == want
    (tmp_path / "cut.pb").write_bytes(net.Proto().SerializeToString()[:-3])
    for wrong, text in (
        ([tmp_path / "init_net.pb", tmp_path / "cut.pb"], "ReadProtoFromFile"),
        ([tmp_path / "init_net.pb", "/nowhere/x.pb"], "/nowhere/x.pb"),
        ([tmp_path / "init_net.pb", tmp_path / "predict_net.pb", "1", "5"], "Dimension mismatch"),
    ):
        bad = subprocess.run([programs / "predict", *wrong], capture_output=True, text=True, check=False)
        assert bad.returncode == 1 and text in bad.stderr


def test_a_program_reads_an_exported_database(programs, tmp_path):
    init, net, _ = nets()
    workspace.FeedBlob("data", np.ones((1, 3, 12, 12), "f"))
    meta = predictor_exporter.PredictorExportMeta(
        predict_net=net, parameters=["w", "b"], inputs=["data"], outputs=["prob"]
    )
    path = str(tmp_path / "model.minidb")
    predictor_exporter.save_to_db("minidb", path, meta)
    bad = subprocess.run([programs / "predict", path], capture_output=True, text=True, check=False)
    assert bad.returncode == 1 and "Dimension mismatch" in bad.stderr  # 3 x 12 x 12 where w has 12 columns
    empty = subprocess.run(
        [programs / "predict", str(tmp_path / "no.minidb")], capture_output=True, text=True, check=False
    )
    assert empty.returncode == 1 and "no.minidb" in empty.stderr


def test_a_program_builds_and_trains_a_net(programs):
    assert run(programs / "first_net") == "w 3.000 b 1.000 loss 0.000000\n"
