"""caffe2.python.core: nets, plans, blob references, scopes and gradients.

>>> from rushlight.caffe2.python import core, workspace
>>> net = core.Net("tiny")
>>> x = net.ConstantFill([], "x", shape=[2], value=3.0)
>>> y = net.Sqr(x, "y")
>>> loss = net.SumElements(y, "loss")
>>> grads = net.AddGradientOperators([loss])
>>> workspace.RunNetOnce(net)
True
>>> workspace.FetchBlob(grads["x"])
array([6., 6.], dtype=float32)
"""

from __future__ import annotations

from rushlight.caffe2.proto import caffe2_pb2
from rushlight.caffe2.python import scope, utils, workspace
from rushlight.caffe2.python._devices import (
    InferBlobDevices,
    InferOpBlobDevices,
    InferOpBlobDevicesAsDict,
    InferOpDeviceAsBlobDevices,
    InjectCrossDeviceCopies,
    InjectDeviceCopiesAmongNets,
    InjectDeviceCopiesAmongNetsWithoutB2D,
    RemapEntry,
    copy_func_between_devices,
    device_equal,
    update_placeholder_op_output,
)
from rushlight.caffe2.python._gradients import (
    IR,
    GetIndexFromGradientList,
    GradGenMeta,
    GradientRegistry,
    GradientRegistry_Register,
    GradientSlice,
    OpSSA,
    SparseGradGenMeta,
)
from rushlight.caffe2.python._net import (
    Net,
)
from rushlight.caffe2.python._plan import (
    ExecutionStep,
    Plan,
    _nets_in_order,
    execution_step,
    get_net_name,
    scoped_execution_step,
    to_execution_step,
)
from rushlight.caffe2.python._references import (
    BlobReference,
    CreateOperator,
    CreatePythonOperator,
    DataType,
    DeviceOption,
    DeviceScope,
    GetDefaultDevice,
    GetGlobalInitArgs,
    GlobalInit,
    IsGPUDeviceType,
    IsOperator,
    IsOperatorWithEngine,
    NameScope,
    RefreshRegisteredOperators,
    ScopedBlobReference,
    ScopedName,
    SetEnginePref,
    SetGlobalEnginePref,
    SetOpEnginePref,
    SetPerOpEnginePref,
    _GetRegisteredOperators,
    _RectifyInputOutput,
    device_option_equal,
)
from rushlight.caffe2.python._ssa import (
    DEFAULT_REMAP_FUNCS,
    clone_and_bind_net,
    control_op_remap,
    get_op_ids_in_path,
    get_output_producers,
    get_ssa,
    get_undefined_blobs,
    output_to_list,
    recurrent_network_op_remap,
    remap_input,
    remap_proto,
)
from rushlight.caffe2.python.lazy import TriggerLazyImport
from rushlight.caffe2.python.workspace import C


def add_nets_in_order(step, net_list):
    """Adds the names of a step's nets to a list, in the order that they are first run in."""
    net_list.extend(n for n in _nets_in_order(step, {}) if n not in net_list)


__all__ = [
    "DEFAULT_REMAP_FUNCS",
    "IR",
    "BlobReference",
    "C",
    "CreateOperator",
    "CreatePythonOperator",
    "DataType",
    "DeviceOption",
    "DeviceScope",
    "ExecutionStep",
    "GetDefaultDevice",
    "GetGlobalInitArgs",
    "GetIndexFromGradientList",
    "GlobalInit",
    "GradGenMeta",
    "GradientRegistry",
    "GradientRegistry_Register",
    "GradientSlice",
    "InferBlobDevices",
    "InferOpBlobDevices",
    "InferOpBlobDevicesAsDict",
    "InferOpDeviceAsBlobDevices",
    "InjectCrossDeviceCopies",
    "InjectDeviceCopiesAmongNets",
    "InjectDeviceCopiesAmongNetsWithoutB2D",
    "IsGPUDeviceType",
    "IsOperator",
    "IsOperatorWithEngine",
    "NameScope",
    "Net",
    "OpSSA",
    "Plan",
    "RefreshRegisteredOperators",
    "RemapEntry",
    "ScopedBlobReference",
    "ScopedName",
    "SetEnginePref",
    "SetGlobalEnginePref",
    "SetOpEnginePref",
    "SetPerOpEnginePref",
    "SparseGradGenMeta",
    "TriggerLazyImport",
    "_GetRegisteredOperators",
    "_RectifyInputOutput",
    "add_nets_in_order",
    "caffe2_pb2",
    "clone_and_bind_net",
    "control_op_remap",
    "copy_func_between_devices",
    "device_equal",
    "device_option_equal",
    "execution_step",
    "get_net_name",
    "get_op_ids_in_path",
    "get_output_producers",
    "get_ssa",
    "get_undefined_blobs",
    "output_to_list",
    "recurrent_network_op_remap",
    "remap_input",
    "remap_proto",
    "scope",
    "scoped_execution_step",
    "to_execution_step",
    "update_placeholder_op_output",
    "utils",
    "workspace",
]
