"""Nets, plans and blobs of a MetaNetDef, and the nets that a predictor consists of."""

from __future__ import annotations

from rushlight.caffe2.python import core, scope, workspace


def _value(entries, key):
    return next((entry.value for entry in entries if entry.key == key), None)


def get_comp_name(string, name):
    """A key of one of several predictors: "PREDICT_NET_TYPE_<name>"."""
    return f"{string}_{name}" if name else string


def to_first_match_dict(kv_list):
    """Keys and values, of several with one key the first."""
    return {item.key: item.value for item in reversed(list(kv_list))}


def GetNet(meta_net_def, key):
    """The net under a key; None if there is none."""
    return _value(meta_net_def.nets, key)


def GetPlan(meta_net_def, key):
    return _value(meta_net_def.plans, key)


GetNetOriginal, GetPlanOriginal = GetNet, GetPlan


def GetBlobs(meta_net_def, key):
    """The names of blobs under a key; none if there is no such key."""
    return _value(meta_net_def.blobs, key) or []


def GetBlobsByTypePrefix(meta_net_def, blob_type_prefix):
    """The names under all keys that begin so, each once."""
    return list(
        dict.fromkeys(b for entry in meta_net_def.blobs if entry.key.startswith(blob_type_prefix) for b in entry.value)
    )


def GetBlobsOrder(meta_net_def):
    return meta_net_def.blobsOrder


def GetApplicationSpecificInfo(meta_net_def, key):
    return _value(meta_net_def.applicationSpecificInfo, key)


def GetApplicationSpecificInfoDict(meta_net_def):
    return to_first_match_dict(meta_net_def.applicationSpecificInfo)


def AddBlobs(meta_net_def, blob_name, blob_def):
    blobs = _value(meta_net_def.blobs, blob_name)
    if blobs is None:
        blobs = meta_net_def.blobs.add(key=blob_name).value
    blobs.extend(blob_def)


def ReplaceBlobs(meta_net_def, blob_name, blob_def):
    blobs = _value(meta_net_def.blobs, blob_name)
    assert blobs is not None, f"The blob_name:{blob_name} does not exist"
    blobs[:] = list(blob_def)


def _add(entries, key, message):
    entry = entries.add()
    entry.key = key
    entry.value.CopyFrom(message)


def AddPlan(meta_net_def, plan_name, plan_def):
    _add(meta_net_def.plans, plan_name, plan_def)


def AddNet(meta_net_def, net_name, net_def):
    _add(meta_net_def.nets, net_name, net_def)


def SetBlobsOrder(meta_net_def, blobs_order):
    meta_net_def.blobsOrder.extend(blobs_order)


def SetPreLoadBlobs(meta_net_def, pre_load_blobs):
    meta_net_def.preLoadBlobs.extend(pre_load_blobs)


def GetArgumentByName(net_def, arg_name):
    return next((arg for arg in net_def.arg if arg.name == arg_name), None)


def AddModelIdArg(meta_net_def, net_def):
    """Gives a net the argument model_id of the predict net, where that has one."""
    model_id = GetArgumentByName(meta_net_def.predict_net, "model_id")
    if model_id is None:
        return
    there = GetArgumentByName(net_def, "model_id")
    if there is None:
        there = net_def.arg.add()
        there.name = "model_id"
    there.i = model_id.i


def create_predict_net(predictor_export_meta):
    """The net that predicts, with its inputs and outputs said."""
    meta, proto = predictor_export_meta, core.Net(predictor_export_meta.predict_net.name or "predict").Proto()
    proto.op.extend(meta.predict_net.op)
    proto.external_input.extend(meta.inputs + meta.parameters)
    proto.external_output.extend(meta.outputs)
    proto.arg.extend(meta.predict_net.arg)
    if meta.net_type is not None:
        proto.type = meta.net_type
    if meta.num_workers is not None:
        proto.num_workers = meta.num_workers
    return proto


def create_predict_init_net(predictor_export_meta):
    """The net that makes inputs and outputs, of the shapes that are said or that the workspace's blobs have."""
    meta, net = predictor_export_meta, core.Net("predict-init")
    blobs = meta.inputs + meta.outputs
    for name in blobs:
        shape = meta.shapes.get(name)
        if shape is None:
            if not workspace.HasBlob(name):
                raise Exception(f"{name} not in workspace but needed for shape: {workspace.Blobs()}")
            shape = workspace.FetchBlob(name).shape
        with scope.EmptyDeviceScope():  # the whole net's device says where
            net.ConstantFill([], core.BlobReference(name), shape=list(shape), value=0.0)
    net.Proto().external_input.extend(blobs)
    append(net, meta.extra_init_net)
    AddModelIdArg(meta, net.Proto())
    return net.Proto()


def append(net, more):
    """Adds a net, given as one or as a NetDef, or none."""
    if more:
        net.AppendNet(more if hasattr(more, "AppendNet") else core.Net(more))
