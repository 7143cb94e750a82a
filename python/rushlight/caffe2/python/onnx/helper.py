"""caffe2.python.onnx.helper: nets run, saved and loaded."""

from __future__ import annotations

from typing import Any

from rushlight.caffe2.proto import caffe2_pb2
from rushlight.caffe2.python.onnx.workspace import Workspace


def _feed(ws: Workspace, names: Any, inputs: Any) -> None:
    if isinstance(inputs, dict):
        for name, value in inputs.items():
            ws.FeedBlob(name, value)
        return
    names = list(names)
    if len(names) < len(inputs):
        raise RuntimeError(f"there are {len(names)} inputs without a value, and {len(inputs)} are given")
    for name, value in zip(names, inputs):
        ws.FeedBlob(name, value)


def c2_native_run_op(op_def: Any, inputs: Any) -> tuple[Workspace, list[Any]]:
    """Runs an operator in a workspace of its own; gives that and the outputs. `inputs`: a list, or a dict by name."""
    ws = Workspace()
    _feed(ws, op_def.input, inputs)
    ws.RunOperatorOnce(op_def)
    return ws, [ws.FetchBlob(name) for name in op_def.output]


def c2_native_run_net(
    init_net: Any, predict_net: Any, inputs: Any, debug_arg: Any = None
) -> tuple[Workspace, list[Any]]:
    """Runs a net, after the one that fills its parameters (or None), in a workspace of its own; gives that and the external outputs."""
    ws = Workspace()
    if init_net:
        ws.RunNetOnce(init_net)
    _feed(ws, (n for n in predict_net.external_input if not ws.HasBlob(n)), inputs)
    for name in predict_net.external_input:
        if not ws.HasBlob(name):
            ws.CreateBlob(name)
    ws.RunNetOnce(predict_net)
    return ws, [ws.FetchBlob(name) for name in predict_net.external_output]


def load_caffe2_net(file: str) -> Any:
    net = caffe2_pb2.NetDef()
    with open(file, "rb") as f:
        net.ParseFromString(f.read())
    return net


def save_caffe2_net(net: Any, file: str, output_txt: bool = False) -> None:
    with open(file, "wb") as f:
        f.write(net.SerializeToString())
    if output_txt:
        with open(file + "txt", "w") as text:
            text.write(str(net))
