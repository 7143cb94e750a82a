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
        blob = workspace.FetchBlob(name)
        add_tensor(init, name, blob)
    for name in proto.external_input:
        if name not in names and not workspace.HasBlob(name):
            continue
        if name not in names:
            # Inputs have a shape from the start, so that a predictor can be made before they are fed.
            blob = np.asarray(workspace.FetchBlob(name))
            if blob.dtype.kind in "fiu":
                init.op.extend(
                    [
                        core.CreateOperator(
                            "ConstantFill", [], [name], arg=[utils.MakeArgument("shape", list(blob.shape) or [1])]
                        )
                    ]
                )
    init.external_output.extend(proto.external_input)
    return init, predict
