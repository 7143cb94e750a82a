"""caffe2.python.predictor.predictor_exporter: a net for prediction and its parameters in one database."""

from __future__ import annotations

from rushlight.caffe2.proto import caffe2_pb2, metanet_pb2
from rushlight.caffe2.python import core, scope, workspace
from rushlight.caffe2.python.predictor import predictor_py_utils as utils
from rushlight.caffe2.python.predictor_constants import predictor_constants


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
        for kind, blobs in (("inputs", self.inputs), ("outputs", self.outputs)):
            both = set(self.parameters) & set(blobs)
            assert not both, f"Parameters and {kind} are required to be disjoint. Intersection: {both}"
        assert isinstance(self.predict_net, (caffe2_pb2.NetDef, caffe2_pb2.PlanDef)), (
            f"predict_net should be a Net, a Plan or a message of one, got {type(predict_net).__name__}"
        )
        self.shapes = {str(k): v for k, v in (shapes or {}).items()}
        self.name, self.extra_init_net, self.global_init_net = name, extra_init_net, global_init_net
        self.net_type, self.num_workers, self.trainer_prefix = net_type, num_workers, trainer_prefix

    def _key(self, kind):
        return utils.get_comp_name(getattr(predictor_constants, kind), self.name)

    def inputs_name(self):
        return self._key("INPUTS_BLOB_TYPE")

    def outputs_name(self):
        return self._key("OUTPUTS_BLOB_TYPE")

    def parameters_name(self):
        return self._key("PARAMETERS_BLOB_TYPE")

    def global_init_name(self):
        return self._key("GLOBAL_INIT_NET_TYPE")

    def predict_init_name(self):
        return self._key("PREDICT_INIT_NET_TYPE")

    def predict_net_name(self):
        return self._key("PREDICT_NET_TYPE")

    def _of_trainer(self, kind):
        return f"{self.trainer_prefix}_{self._key(kind)}" if self.trainer_prefix else self._key(kind)

    def train_init_plan_name(self):
        return self._of_trainer("TRAIN_INIT_PLAN_TYPE")

    def train_plan_name(self):
        return self._of_trainer("TRAIN_PLAN_TYPE")


def get_predictor_exporter_helper(submodelNetName):
    """A PredictorExportMeta for its names only: those of the predictor of this name in a MetaNetDef with several."""
    return PredictorExportMeta(core.Net(submodelNetName), [], [], [], name=submodelNetName)


def create_global_init_net(meta):
    """The net that loads the parameters of the database that PREDICTOR_DBREADER reads."""
    reader = predictor_constants.PREDICTOR_DBREADER
    net = core.Net("global-init")
    net.Load([reader], meta.parameters)
    net.Proto().external_input.append(reader)
    net.Proto().external_output.extend(meta.parameters)
    utils.append(net, meta.global_init_net)
    utils.AddModelIdArg(meta, net.Proto())
    return net.Proto()


def get_meta_net_def(predictor_export_meta, ws=None, db_type=None):
    """The MetaNetDef of what is exported; shapes that are not said are those of blobs of the current workspace."""
    meta, message = predictor_export_meta, metanet_pb2.MetaNetDef()
    utils.AddNet(message, meta.predict_init_name(), utils.create_predict_init_net(meta))
    utils.AddNet(message, meta.global_init_name(), create_global_init_net(meta))
    utils.AddNet(message, meta.predict_net_name(), utils.create_predict_net(meta))
    utils.AddBlobs(message, meta.parameters_name(), meta.parameters)
    utils.AddBlobs(message, meta.inputs_name(), meta.inputs)
    utils.AddBlobs(message, meta.outputs_name(), meta.outputs)
    return message


def set_model_info(meta_net_def, project_str, model_class_str, version):
    """Says in a MetaNetDef which model it is."""
    assert isinstance(meta_net_def, metanet_pb2.MetaNetDef), f"expected a MetaNetDef, got {type(meta_net_def).__name__}"
    info = meta_net_def.modelInfo
    info.project, info.modelClass, info.version = project_str, model_class_str, version


def save_to_db(db_type, db_destination, predictor_export_meta, use_ideep=False, *args, **kwargs):
    """Writes the MetaNetDef and the parameters, whose values come from the current workspace, into a database."""
    message = get_meta_net_def(predictor_export_meta, db_type=db_type)
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
    """Opens the database for the nets of the MetaNetDef in it, which is returned.

    device_option: of all operators of these nets; None: that of the surrounding DeviceScope, if there is one.
    """
    reader = predictor_constants.PREDICTOR_DBREADER
    workspace.RunOperatorOnce(
        core.CreateOperator("CreateDB", [], [reader], db=filename, db_type=db_type, absolute_path=True)
    )
    workspace.RunOperatorOnce(core.CreateOperator("Load", [reader], [predictor_constants.META_NET_DEF]))
    message = metanet_pb2.MetaNetDef()
    message.ParseFromString(workspace.FetchBlob(predictor_constants.META_NET_DEF))
    device_option = scope.CurrentDeviceScope() if device_option is None else device_option
    for entry in message.nets if device_option is not None else ():
        for op in entry.value.op:
            op.device_option.CopyFrom(device_option)
    return message


def prepare_prediction_net(filename, db_type, device_option=None, *args, **kwargs):
    """Loads a predictor, runs its initialisation and makes its net, which is returned: workspace.RunNet(net)."""
    meta = load_from_db(filename, db_type, device_option)

    def net_of(kind):
        net = utils.GetNet(meta, kind)
        if net is None:
            raise KeyError(f"{filename}: the MetaNetDef has no net {kind}")
        return net

    workspace.RunNetOnce(net_of(predictor_constants.GLOBAL_INIT_NET_TYPE))
    workspace.RunNetOnce(net_of(predictor_constants.PREDICT_INIT_NET_TYPE))
    net = core.Net(net_of(predictor_constants.PREDICT_NET_TYPE))
    workspace.CreateNet(net)
    return net
