"""caffe2.python.predictor.predictor_exporter: a net for prediction and its parameters in one database."""

from __future__ import annotations

from rushlight.caffe2.proto import caffe2_pb2, metanet_pb2
from rushlight.caffe2.proto.predictor_consts_pb2 import PredictorConsts
from rushlight.caffe2.python import core, workspace

predictor_constants = PredictorConsts()


class PredictorExportMeta:
    """What is exported: a NetDef, the names of its parameters, inputs and outputs, the shapes of inputs.

    Args:
        shapes: a dict of input shapes, filled with zeros by the init net so that the net can be made.
        extra_init_net: a net that runs before; net_type, num_workers: of the predict net.
    """

    def __init__(
        self,
        predict_net,
        parameters,
        inputs,
        outputs,
        shapes=None,
        name="",
        extra_init_net=None,
        global_init_net=None,
        net_type=None,
        num_workers=None,
        trainer_prefix=None,
    ):
        self.predict_net = predict_net.Proto() if hasattr(predict_net, "Proto") else predict_net
        self.parameters, self.inputs, self.outputs = [
            [str(b) for b in blobs] for blobs in (parameters, inputs, outputs)
        ]
        assert len(set(self.inputs)) == len(self.inputs), f"All inputs to the predictor should be unique: {inputs}"
        assert not set(self.parameters) & set(self.inputs), "Same blobs are both parameters and inputs"
        self.shapes = {str(k): v for k, v in (shapes or {}).items()}
        self.name, self.extra_init_net, self.global_init_net = name, extra_init_net, global_init_net
        self.net_type, self.num_workers = net_type, num_workers

    def inputs_name(self):
        return predictor_constants.INPUTS_BLOB_TYPE

    def outputs_name(self):
        return predictor_constants.OUTPUTS_BLOB_TYPE

    def parameters_name(self):
        return predictor_constants.PARAMETERS_BLOB_TYPE

    def global_init_name(self):
        return predictor_constants.GLOBAL_INIT_NET_TYPE

    def predict_init_name(self):
        return predictor_constants.PREDICT_INIT_NET_TYPE

    def predict_net_name(self):
        return predictor_constants.PREDICT_NET_TYPE


def _fill(name, shape):
    return core.CreateOperator("ConstantFill", [], [name], shape=list(shape), value=0.0)


def create_predict_net(meta):
    """The net that predicts, with its inputs and outputs said."""
    net = core.Net(meta.predict_net.name or "predict")
    net.Proto().op.extend(meta.predict_net.op)
    net.Proto().external_input.extend(meta.inputs + meta.parameters)
    net.Proto().external_output.extend(meta.outputs)
    net.Proto().arg.extend(meta.predict_net.arg)
    if meta.net_type is not None:
        net.Proto().type = meta.net_type
    if meta.num_workers is not None:
        net.Proto().num_workers = meta.num_workers
    return net.Proto()


def create_predict_init_net(meta):
    """The net that makes inputs and outputs."""
    net = core.Net("predict-init")
    for name in meta.inputs + meta.outputs:
        net.Proto().op.extend([_fill(name, meta.shapes.get(name, [0]))])
    if meta.extra_init_net:
        net.AppendNet(
            meta.extra_init_net if hasattr(meta.extra_init_net, "AppendNet") else core.Net(meta.extra_init_net)
        )
    return net.Proto()


def create_global_init_net(meta):
    """The net that loads the parameters of the database that PREDICTOR_DBREADER reads."""
    reader = predictor_constants.PREDICTOR_DBREADER
    net = core.Net("global-init")
    net.Load([reader], meta.parameters)
    net.Proto().external_input.append(reader)
    net.Proto().external_output.extend(meta.parameters)
    if meta.global_init_net:
        net.AppendNet(
            meta.global_init_net if hasattr(meta.global_init_net, "AppendNet") else core.Net(meta.global_init_net)
        )
    return net.Proto()


def create_meta_net_def(meta):
    """The MetaNetDef of what is exported."""
    message = metanet_pb2.MetaNetDef()
    for key, blobs in (
        (meta.parameters_name(), meta.parameters),
        (meta.inputs_name(), meta.inputs),
        (meta.outputs_name(), meta.outputs),
    ):
        message.blobs.add(key=key).value.extend(blobs)
    nets = [
        (meta.predict_init_name(), create_predict_init_net(meta)),
        (meta.global_init_name(), create_global_init_net(meta)),
        (meta.predict_net_name(), create_predict_net(meta)),
    ]
    for key, net in nets:
        entry = message.nets.add()
        entry.key = key
        entry.value.CopyFrom(net)
    return message


_get_meta_net_def = create_meta_net_def


def save_to_db(db_type, db_destination, predictor_export_meta, use_ideep=False, *args, **kwargs):
    """Writes the MetaNetDef and the parameters, whose values come from the current workspace, into a database."""
    message = create_meta_net_def(predictor_export_meta)
    workspace.FeedBlob(predictor_constants.META_NET_DEF, message.SerializeToString())
    blobs = [predictor_constants.META_NET_DEF, *predictor_export_meta.parameters]
    op = core.CreateOperator(
        "Save",
        blobs,
        [],
        device_option=core.DeviceOption(caffe2_pb2.CPU),
        absolute_path=True,
        db=db_destination,
        db_type=db_type,
        **kwargs,
    )
    workspace.RunOperatorOnce(op)


def load_from_db(filename, db_type, device_option=None, *args, **kwargs):
    """Opens the database for the nets of the MetaNetDef in it, which is returned."""
    reader = predictor_constants.PREDICTOR_DBREADER
    workspace.RunOperatorOnce(
        core.CreateOperator("CreateDB", [], [reader], db=filename, db_type=db_type, absolute_path=True)
    )
    workspace.RunOperatorOnce(core.CreateOperator("Load", [reader], [predictor_constants.META_NET_DEF]))
    message = metanet_pb2.MetaNetDef()
    message.ParseFromString(workspace.FetchBlob(predictor_constants.META_NET_DEF))
    return message


def _net(meta_net_def, key):
    for entry in meta_net_def.nets:
        if entry.key == key:
            return entry.value
    raise KeyError(f"the MetaNetDef has no net {key}")


def _blobs(meta_net_def, key):
    for entry in meta_net_def.blobs:
        if entry.key == key:
            return list(entry.value)
    return []


def prepare_prediction_net(filename, db_type, device_option=None, *args, **kwargs):
    """Loads a predictor, runs its initialisation and makes its net, which is returned: workspace.RunNet(net)."""
    meta = load_from_db(filename, db_type, device_option)
    for entry in meta.nets:
        if entry.key == predictor_constants.GLOBAL_INIT_NET_TYPE:
            workspace.RunNetOnce(entry.value)
    workspace.RunNetOnce(_net(meta, predictor_constants.PREDICT_INIT_NET_TYPE))
    net = core.Net(_net(meta, predictor_constants.PREDICT_NET_TYPE))
    workspace.CreateNet(net)
    return net


def GetNet(meta_net_def, key):
    return _net(meta_net_def, key)


def GetBlobs(meta_net_def, key):
    return _blobs(meta_net_def, key)
