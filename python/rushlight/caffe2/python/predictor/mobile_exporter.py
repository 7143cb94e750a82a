"""caffe2.python.predictor.mobile_exporter: a model as two nets, of which the first fills the parameters."""

from __future__ import annotations

import numpy as np

from rushlight.caffe2.proto import caffe2_pb2
from rushlight.caffe2.python import core, utils


def add_tensor(net, name, blob):
    """An operator that fills `name` with an array's values."""
    blob = np.asarray(blob)
    kinds = {
        "float32": "GivenTensorFill",
        "int32": "GivenTensorIntFill",
        "int64": "GivenTensorInt64Fill",
        "bool": "GivenTensorBoolFill",
        "float64": "GivenTensorDoubleFill",
    }
    if blob.dtype == np.uint8:
        values = [blob.tobytes()]
        kind = "GivenTensorByteStringToUInt8Fill"
    elif blob.dtype.kind in "SUO":
        values, kind = (
            [s if isinstance(s, bytes) else str(s).encode() for s in blob.ravel().tolist()],
            "GivenTensorStringFill",
        )
    else:
        values, kind = blob.ravel().tolist(), kinds[blob.dtype.name]
    net.op.extend(
        [
            core.CreateOperator(
                kind,
                [],
                [name],
                arg=[utils.MakeArgument("shape", list(blob.shape)), utils.MakeArgument("values", values)],
            )
        ]
    )


def Export(workspace, net, params):
    """The init net and the predict net of a net and its parameters, whose values come from the workspace.

    Returns two NetDefs, for workspace.Predictor, caffe2::Predictor or files named init_net.pb and predict_net.pb.
    """
    proto = net if isinstance(net, caffe2_pb2.NetDef) else net.Proto()
    predict = caffe2_pb2.NetDef()
    predict.CopyFrom(proto)
    init = caffe2_pb2.NetDef()
    names = [str(p) for p in params]
    for name in names:
        add_tensor(init, name, workspace.FetchBlob(name))
    ssa, versions = core.get_ssa(predict)
    read = {blob for inputs, _ in ssa for blob, _ in inputs}
    # Inputs are there from the start, so that a predictor can be made before they are fed.
    inputs = [blob for blob, version in versions.items() if version == 0 and blob not in names]
    for blob in inputs:
        add_tensor(init, blob, np.zeros((1, 1), np.float32))
    predict.external_input[:] = inputs + [b for b in proto.external_input if b not in inputs]
    # The outputs that the net says, then what no operator reads.
    made = [b for b, version in versions.items() if version and b not in read]
    predict.external_output[:] = dict.fromkeys([*proto.external_output, *made])
    return init, predict
