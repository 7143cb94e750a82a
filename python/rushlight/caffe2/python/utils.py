"""caffe2.python.utils: arguments, arrays and messages."""

from __future__ import annotations

import collections
import functools

import numpy as np

from rushlight.caffe2.proto import caffe2_pb2
from rushlight.caffe2.proto._messages import Message, Parse

_TYPES = {
    "float32": caffe2_pb2.TensorProto.FLOAT,
    "float64": caffe2_pb2.TensorProto.DOUBLE,
    "float16": caffe2_pb2.TensorProto.FLOAT16,
    "int8": caffe2_pb2.TensorProto.INT8,
    "uint8": caffe2_pb2.TensorProto.UINT8,
    "int16": caffe2_pb2.TensorProto.INT16,
    "uint16": caffe2_pb2.TensorProto.UINT16,
    "int32": caffe2_pb2.TensorProto.INT32,
    "int64": caffe2_pb2.TensorProto.INT64,
    "bool": caffe2_pb2.TensorProto.BOOL,
}
OPTIMIZER_ITERATION_NAME = "optimizer_iteration"
ITERATION_MUTEX_NAME = "iteration_mutex"
# Where TensorProto keeps the values of a type.
_FIELDS = {"float32": "float_data", "float64": "double_data", "int64": "int64_data"}


def proto_type(dtype):
    """The number of TensorProto.DataType of a numpy dtype."""
    return _TYPES[np.dtype(dtype).name]


def numpy_type(number):
    for name, n in _TYPES.items():
        if n == number:
            return np.dtype(name)
    if number == caffe2_pb2.TensorProto.BYTE:
        return np.dtype("uint8")
    raise RuntimeError(f"Unsupported data type: {number}")


def CaffeBlobToNumpyArray(blob):
    if blob.num != 0:
        return np.asarray(blob.data, dtype=np.float32).reshape(blob.num, blob.channels, blob.height, blob.width)
    return np.asarray(blob.data, dtype=np.float32).reshape(blob.shape.dim)


def Caffe2TensorToNumpyArray(tensor):
    """The array of a TensorProto.

    >>> Caffe2TensorToNumpyArray(NumpyArrayToCaffe2Tensor(np.arange(3)))
    array([0, 1, 2])
    """
    kind, dims = tensor.data_type, list(tensor.dims)
    if kind == caffe2_pb2.TensorProto.STRING:
        out = np.empty(len(tensor.string_data), dtype=object)
        out[:] = list(tensor.string_data)
        return out.reshape(dims)
    dtype = numpy_type(kind)
    if dtype.name in _FIELDS:
        values = np.asarray(getattr(tensor, _FIELDS[dtype.name]), dtype=dtype)
    elif tensor.byte_data:
        values = np.frombuffer(tensor.byte_data, dtype=dtype)
    elif dtype.name == "float16":
        values = np.asarray(tensor.int32_data, dtype=np.uint16).view(np.float16)
    else:
        values = np.asarray(tensor.int32_data).astype(dtype)
    count = int(np.prod(dims, dtype=object)) if dims else 1
    if count != values.size:
        raise RuntimeError(f"TensorProto {tensor.name!r}: dims {dims} ask for {count} values, there are {values.size}")
    return values.reshape(dims).copy()


def NumpyArrayToCaffe2Tensor(arr, name=None):
    """A TensorProto of an array."""
    arr = np.asarray(arr)
    tensor = caffe2_pb2.TensorProto()
    tensor.dims.extend(arr.shape)
    if name:
        tensor.name = name
    if arr.dtype.kind in "SUO":
        tensor.data_type = caffe2_pb2.TensorProto.STRING
        tensor.string_data.extend(s.encode() if isinstance(s, str) else s for s in arr.ravel().tolist())
        return tensor
    if arr.dtype.name not in _TYPES:
        raise RuntimeError(f"Numpy data type not supported yet: {arr.dtype}")
    tensor.data_type = proto_type(arr.dtype)
    flat = arr.ravel()
    if arr.dtype.name == "float16":
        tensor.int32_data.extend(flat.view(np.uint16).tolist())
    elif arr.dtype.name == "uint8":
        tensor.byte_data = flat.tobytes()
    else:
        getattr(tensor, _FIELDS.get(arr.dtype.name, "int32_data")).extend(flat.tolist())
    return tensor


def MakeArgument(key, value):
    """An Argument of a Python value."""
    argument = caffe2_pb2.Argument()
    argument.name = key
    iterable = isinstance(value, collections.abc.Iterable) and not isinstance(value, (str, bytes, Message))
    if isinstance(value, np.ndarray):
        value = value.flatten().tolist()
    elif isinstance(value, np.generic):
        value = value.item()
        iterable = False
    if type(value) is float:
        argument.f = value
    elif type(value) in (int, bool):
        argument.i = value
    elif isinstance(value, bytes):
        argument.s = value
    elif isinstance(value, str):
        argument.s = value.encode()
    elif isinstance(value, caffe2_pb2.NetDef):
        argument.n.CopyFrom(value)
    elif isinstance(value, Message):
        argument.s = value.SerializeToString()
    elif iterable:
        value = [v.item() if isinstance(v, np.generic) else v for v in value]
        if all(type(v) is float for v in value):
            argument.floats.extend(value)
        elif all(type(v) in (int, bool) for v in value):
            argument.ints.extend(value)
        elif all(isinstance(v, (str, bytes)) or hasattr(v, "GetUnscopedName") for v in value):
            argument.strings.extend(v if isinstance(v, bytes) else str(v).encode() for v in value)
        elif all(isinstance(v, caffe2_pb2.NetDef) for v in value):
            argument.nets.extend(value)
        elif all(isinstance(v, Message) for v in value):
            argument.strings.extend(v.SerializeToString() for v in value)
        else:
            raise ValueError(
                f"Unknown iterable argument type: key={key} value={value}, value type={type(value)}[{type(value[0])}]"
            )
    elif hasattr(value, "GetUnscopedName"):
        argument.s = str(value).encode()
    else:
        raise ValueError(f"Unknown argument type: key={key} value={value}, value type={type(value)}")
    return argument


def TryReadProtoWithClass(cls, s):
    """A message of its text or binary form."""
    message = cls()
    try:
        Parse(s, message)
        return message
    except Exception:
        message.Clear()
        message.ParseFromString(s)
        return message


def GetContentFromProto(obj, function_map):
    for cls, function in function_map.items():
        if type(obj) is cls:
            return function(obj)
    return None


def GetContentFromProtoString(s, function_map):
    for cls, function in function_map.items():
        try:
            return function(TryReadProtoWithClass(cls, s))
        except Exception:  # another class
            continue
    raise Exception("Cannot find a fit protobuffer class.")


def ConvertProtoToBinary(proto_class, filename, out_filename):
    with open(filename) as f:
        proto = TryReadProtoWithClass(proto_class, f.read())
    with open(out_filename, "wb") as f:
        f.write(proto.SerializeToString())


def GetGPUMemoryUsageStats():
    return {"total_by_gpu": [], "max_by_gpu": [], "total": 0, "max_total": 0}


def ResetBlobs(blobs):
    from rushlight.caffe2.python import core, workspace

    workspace.RunOperatorOnce(core.CreateOperator("Free", list(blobs), list(blobs)))


class DebugMode:
    @classmethod
    def run(cls, func):
        return func()


def raiseIfNotEqual(a, b, msg):
    if a != b:
        raise Exception(f"{msg}. {a} != {b}")


def debug(f):
    @functools.wraps(f)
    def wrapper(*args, **kwargs):
        return f(*args, **kwargs)

    return wrapper


def BuildUniqueMutexIter(init_net, net, iter=None, iter_mutex=None, iter_val=0):
    """An iteration counter with a mutex, added to net and to init_net."""
    from rushlight.caffe2.python import core

    iter = iter or core.BlobReference(OPTIMIZER_ITERATION_NAME)
    mutex = iter_mutex or core.BlobReference(ITERATION_MUTEX_NAME)
    with core.DeviceScope(core.DeviceOption(caffe2_pb2.CPU, extra_info=["device_type_override:cpu"])):
        if not init_net.BlobIsDefined(iter):
            init_net.ConstantFill([], iter, shape=[1], value=iter_val, dtype=core.DataType.INT64)
            init_net.CreateMutex([], [mutex])
        if not net.BlobIsDefined(iter):
            net.AddExternalInput(iter)
        if not net.BlobIsDefined(mutex):
            net.AddExternalInput(mutex)
        if not any(op.type == "AtomicIter" and iter in op.output for op in net.Proto().op):
            net.AtomicIter([mutex, iter], [iter])
    return iter


def EnumClassKeyVals(cls):
    return {k: v for k, v in vars(cls).items() if not k.startswith("_") and isinstance(v, (int, str))}


def ArgsToDict(args):
    """Arguments as a dict of Python values."""
    out = {}
    for arg in args:
        for field in ("f", "i", "s", "n", "t"):
            if arg.HasField(field):
                out[arg.name] = getattr(arg, field)
                break
        else:
            for field in ("floats", "ints", "strings", "nets", "tensors"):
                if len(getattr(arg, field)):
                    out[arg.name] = list(getattr(arg, field))
                    break
            else:
                out[arg.name] = []
    return out


def NHWC2NCHW(tensor):
    assert tensor.ndim >= 1
    return tensor.transpose((0, tensor.ndim - 1, *range(1, tensor.ndim - 1)))


def NCHW2NHWC(tensor):
    assert tensor.ndim >= 2
    return tensor.transpose((0, *range(2, tensor.ndim), 1))
