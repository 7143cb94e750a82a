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
from rushlight.caffe2.python._gradients import (
    GradientRegistry,
    GradientRegistry_Register,
    GradientSlice,
)
from rushlight.caffe2.python._net import (
    Net,
)
from rushlight.caffe2.python._plan import (
    ExecutionStep,
    InjectCrossDeviceCopies,
    Plan,
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
    GlobalInit,
    IsOperator,
    IsOperatorWithEngine,
    NameScope,
    RefreshRegisteredOperators,
    ScopedBlobReference,
    ScopedName,
    _GetRegisteredOperators,
    _RectifyInputOutput,
    device_option_equal,
)
from rushlight.caffe2.python._ssa import (
    clone_and_bind_net,
    get_op_ids_in_path,
    get_output_producers,
    get_ssa,
    get_undefined_blobs,
    recurrent_network_op_remap,
    remap_proto,
)

__all__ = [
    "caffe2_pb2",
    "BlobReference",
    "CreateOperator",
    "CreatePythonOperator",
    "DataType",
    "DeviceOption",
    "DeviceScope",
    "ExecutionStep",
    "GetDefaultDevice",
    "GlobalInit",
    "GradientRegistry",
    "GradientRegistry_Register",
    "GradientSlice",
    "InjectCrossDeviceCopies",
    "IsOperator",
    "IsOperatorWithEngine",
    "NameScope",
    "Net",
    "Plan",
    "RefreshRegisteredOperators",
    "ScopedBlobReference",
    "ScopedName",
    "_GetRegisteredOperators",
    "_RectifyInputOutput",
    "clone_and_bind_net",
    "device_option_equal",
    "execution_step",
    "get_net_name",
    "get_op_ids_in_path",
    "get_output_producers",
    "get_ssa",
    "get_undefined_blobs",
    "recurrent_network_op_remap",
    "remap_proto",
    "scope",
    "scoped_execution_step",
    "to_execution_step",
    "utils",
    "workspace",
]
