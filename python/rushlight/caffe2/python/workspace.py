"""caffe2.python.workspace: blobs and nets of the current workspace.

>>> import numpy as np
>>> from rushlight.caffe2.python import core, workspace
>>> workspace.FeedBlob("x", np.array([-1.0, 2.0], dtype=np.float32))
True
>>> workspace.RunOperatorOnce(core.CreateOperator("Relu", ["x"], ["y"]))
True
>>> workspace.FetchBlob("y")
array([0., 2.], dtype=float32)
"""

from __future__ import annotations

import collections
import contextlib
import os
import shutil
import tempfile
import threading
from collections.abc import MutableMapping

import numpy as np

import rushlight
from rushlight import _caffe2
from rushlight.caffe2.proto import caffe2_pb2

Int8Tensor = collections.namedtuple("Int8Tensor", ["data", "scale", "zero_point"])

has_gpu_support = has_cuda_support = has_hip_support = has_fbgemm = False
is_asan = False
GpuDeviceType = caffe2_pb2.CUDA


def NumGpuDevices():
    """0: there is the CPU only, as in a build of Caffe2 for it."""
    return 0


NumCudaDevices = GetCUDAVersion = GetCuDNNVersion = NumGpuDevices


def GetDeviceProperties(device):
    return None


def GetGPUMemoryInfo():
    return None


def GetGpuPeerAccessPattern():
    return np.array([])


_workspaces = {"default": _caffe2.Workspace(".")}
_current = "default"


def _ws():
    return _workspaces[_current]


def StringifyBlobName(name, expected="a string or BlobReference"):
    """The name of a str or BlobReference."""
    from rushlight.caffe2.python import core

    if isinstance(name, (str, core.BlobReference)):
        return str(name)
    if isinstance(name, bytes):
        return name.decode()
    raise AssertionError(f"Expected {expected}")


def StringifyProto(obj):
    """The binary form of a message, or of an object that has one; text is as it is."""
    if isinstance(obj, str):
        return obj
    if hasattr(obj, "Proto"):
        obj = obj.Proto()
    if not hasattr(obj, "SerializeToString"):
        raise ValueError(f"Unexpected argument to StringifyProto of type {type(obj).__name__}")
    return obj.SerializeToString()


def GetNameScope():
    """The current name scope."""
    from rushlight.caffe2.python import scope

    return scope.CurrentNameScope()


def StringifyNetName(name):
    from rushlight.caffe2.python import core

    if isinstance(name, core.Net):
        return name.Name()
    return StringifyBlobName(name, "a string, Net, or NetDef")


def _message(thing, cls, what):
    """A message of a message, of an object that has one (core.Net, core.Plan), or of serialised bytes."""
    proto = getattr(thing, "Proto", None)
    if proto is not None:
        thing = proto()
    if isinstance(thing, (bytes, str)):
        message = cls()
        try:
            message.ParseFromString(thing.encode("latin-1") if isinstance(thing, str) else thing)
        except Exception as e:
            raise RuntimeError(f"[enforce fail at workspace] ParseProtoFromLargeString({what}). {e}") from None
        return message
    if not isinstance(thing, cls):
        raise Exception(f"Not a {what} object: {thing}")
    return thing


# ---- workspaces


def CurrentWorkspace():
    return _current


def Workspaces():
    return list(_workspaces)


def SwitchWorkspace(name, create_if_missing=False):
    """Makes another workspace the current one."""
    global _current
    if name not in _workspaces:
        if not create_if_missing:
            raise RuntimeError(f"[enforce fail at workspace] create_if_missing. There is no workspace {name}")
        _workspaces[name] = _caffe2.Workspace(".")
    _current = name


def ResetWorkspace(root_folder=None):
    """Empties the current workspace; relative files are looked for in root_folder."""
    if root_folder is None:
        _workspaces[_current] = _caffe2.Workspace(".")
    else:
        os.makedirs(root_folder, exist_ok=True)
        _workspaces[_current] = _caffe2.Workspace(str(root_folder))
    return True


def _forget(name):
    """Drops a workspace that is not the current one."""
    if name != _current:
        _workspaces.pop(name, None)


def RootFolder():
    return _ws().root


@contextlib.contextmanager
def WorkspaceGuard(workspace_name):
    """Another workspace inside of the block."""
    before = CurrentWorkspace()
    SwitchWorkspace(workspace_name, True)
    try:
        yield
    finally:
        SwitchWorkspace(before)


# ---- blobs


def Blobs():
    return _ws().names()


def HasBlob(name):
    return _ws().has(StringifyBlobName(name))


def CreateBlob(name):
    _ws().create(StringifyBlobName(name))
    return True


def ResetBlob(name):
    """Forgets what a blob holds; the blob stays."""
    name = StringifyBlobName(name)
    _ws().remove(name)
    _ws().create(name)


def RemoveBlob(name):
    return _ws().remove(StringifyBlobName(name))


_FED = {
    np.dtype(d) for d in ("float32", "float64", "float16", "int8", "uint8", "int16", "uint16", "int32", "int64", "bool")
}


def _value(array):
    if isinstance(array, (str, bytes)):
        return array
    if isinstance(array, Int8Tensor):
        return ("int8", _tensor(np.asarray(array.data)), float(array.scale), int(array.zero_point))
    if isinstance(array, caffe2_pb2.TensorProto):
        from rushlight.caffe2.python import utils

        array = utils.Caffe2TensorToNumpyArray(array)
    if isinstance(array, rushlight.Tensor):  # shares its memory with the blob
        return array.detach()
    if not isinstance(array, (np.ndarray, np.generic)):
        raise RuntimeError(
            "[enforce fail at workspace] . Unexpected type of argument - only numpy array or string are supported for feeding"
        )
    array = np.asarray(array)
    if array.dtype.kind in "SUO":
        items = []
        for item in array.ravel().tolist():
            if not isinstance(item, (str, bytes)):
                raise RuntimeError("[enforce fail at workspace] . Unsupported python object type passed into ndarray.")
            items.append(item.encode() if isinstance(item, str) else item)
        return ("strings", items, list(array.shape))
    return _tensor(array)


def _tensor(array):
    if array.dtype not in _FED:
        raise RuntimeError(f"[enforce fail at workspace] . This numpy data type is not supported: {array.dtype.num}.")
    return rushlight.from_numpy(np.array(array, order="C", copy=True))


def FeedBlob(name, arr, device_option=None):
    """Copies an array or a string into a blob."""
    _ws().feed(StringifyBlobName(name), _value(arr))
    return True


def FetchBlob(name):
    """A copy of a blob: an array, bytes for a string, a text about what is neither."""
    name = StringifyBlobName(name)
    return _fetched(name, _ws().fetch(name))


def _fetched(name, value):
    if isinstance(value, rushlight.Tensor):
        return value.detach().clone().numpy()  # the blob's own memory stays the workspace's, which writes over it
    if isinstance(value, bytes):
        return value
    if value[0] == "strings":
        out = np.empty(len(value[1]), dtype=object)
        out[:] = value[1]
        return out.reshape(value[2])
    if value[0] == "int8":
        raise RuntimeError(f"[enforce fail at workspace] . Use FetchInt8Blob to fetch Int8 Blob {name}")
    return f"{name}, a C++ native class of type {value[1]}.".encode()


def FetchBlobs(names):
    return [FetchBlob(name) for name in names]


def FetchTorch(name):
    """The tensor of a blob, which shares its memory."""
    name = StringifyBlobName(name)
    value = _ws().fetch(name)
    if not isinstance(value, rushlight.Tensor):
        raise RuntimeError(f"[enforce fail at workspace] . Blob {name} holds no tensor")
    return value


def FetchInt8BlobRealVal(name):
    """The numbers that an Int8 blob stands for, float32."""
    blob = FetchInt8Blob(name)
    return (blob.data.astype(np.int32) - blob.zero_point).astype(np.float32) * np.float32(blob.scale)


def FetchInt8Blob(name):
    """Data, scale and zero point of an Int8 blob."""
    value = _ws().fetch(StringifyBlobName(name))
    if not isinstance(value, tuple) or value[0] != "int8":
        raise RuntimeError(f"[enforce fail at workspace] . Blob {name} is no Int8 blob")
    return Int8Tensor(np.array(value[1].numpy(), copy=True), value[2], value[3])


def GetBlobSizeBytes(name):
    value = FetchBlob(name)
    return value.nbytes if isinstance(value, np.ndarray) else len(value)


def SerializeBlob(name):
    """The blob as BlobProto, in binary form."""
    return _ws().serialize(StringifyBlobName(name))


def DeserializeBlob(name, serialized):
    _ws().deserialize(StringifyBlobName(name), serialized)


class _BlobDict(MutableMapping):
    """workspace.blobs: the blobs of the current workspace by name."""

    def __getitem__(self, key):
        return FetchBlob(key)

    def __setitem__(self, key, value):
        FeedBlob(key, value)

    def __delitem__(self, key):
        RemoveBlob(key)

    def __len__(self):
        return len(Blobs())

    def __iter__(self):
        return iter(Blobs())

    def __contains__(self, key):
        return HasBlob(key)


blobs = _BlobDict()


# ---- databases, as programs reach them: workspace.C.create_db("minidb", path, workspace.C.Mode.write)


class _Mode:
    read, write, new = 0, 1, 2


class _Transaction:
    def __init__(self, db):
        self._db = db

    def put(self, key, value):
        self._db.put(key.encode() if isinstance(key, str) else key, value.encode() if isinstance(value, str) else value)

    def commit(self):
        self._db.commit()


class _Db:
    def __init__(self, kind, path, mode):
        self._kind, self._path = kind, path
        self._writer = _caffe2.create_db(kind, path) if mode != _Mode.read else None

    def new_transaction(self):
        return _Transaction(self._writer)

    def new_cursor(self):
        return _caffe2.open_db(self._kind, self._path)

    def close(self):
        self._writer = None


class _LaterParts(type):
    @property
    def Workspace(cls):
        from rushlight.caffe2.python import _state  # which needs this module

        return _state.Workspace


class C(metaclass=_LaterParts):
    """What programs take of caffe2_pybind11_state."""

    Mode = _Mode
    use_mkldnn = has_fbgemm = False
    create_db = _Db

    @staticmethod
    def registered_dbs():
        return ["minidb", "leveldb", "lmdb"]

    @staticmethod
    def registered_operators():
        return _caffe2.operator_names()


# ---- nets


def CreateNet(net, overwrite=False, input_blobs=None):
    """Makes a net of the current workspace; its inputs have to be there."""
    for name in input_blobs or []:
        CreateBlob(name)
    _ws().create_net(_message(net, caffe2_pb2.NetDef, "Net"), overwrite)
    return True


def RunNet(name, num_iter=1, allow_fail=False):
    """Runs a net that CreateNet made."""
    try:
        net = StringifyNetName(name)
        watching = _observers.get(net)
        if not watching:
            _ws().run_net(net, num_iter)
        for _ in range(num_iter if watching else 0):
            seconds = _ws().run_net_timed(net)
            for observer in watching:
                observer._add(seconds)
    except Exception:
        if allow_fail:
            return False
        raise
    return True


def RunNetOnce(net):
    _ws().run_net_once(_message(net, caffe2_pb2.NetDef, "Net"))
    return True


def RunOperatorOnce(operator):
    _ws().run_operator_once(_message(operator, caffe2_pb2.OperatorDef, "Operator"))
    return True


def RunOperatorsOnce(operators):
    for operator in operators:
        RunOperatorOnce(operator)
    return True


def RunOperatorMultiple(operator, num_runs):
    """Runs an operator so many times."""
    for _ in range(num_runs):
        RunOperatorOnce(operator)
    return True


def _plan_of(plan_or_step):
    from rushlight.caffe2.python import core

    if isinstance(plan_or_step, core.ExecutionStep):
        plan = core.Plan("plan_" + plan_or_step.Name())
        plan.AddStep(plan_or_step)
        plan_or_step = plan
    return _message(plan_or_step, caffe2_pb2.PlanDef, "Plan")


def RunPlan(plan_or_step):
    """Runs a plan, or an execution step of nets that are there."""
    _ws().run_plan(_plan_of(plan_or_step))
    return True


class BackgroundPlan:
    """A plan that runs in a thread of its own, on the workspace that was current when it began."""

    def __init__(self, plan):
        self._error = None
        self._thread = threading.Thread(target=self._run, args=(_ws(), plan), daemon=True)
        self._thread.start()

    def _run(self, ws, plan):
        try:
            ws.run_plan(plan)
        except Exception as e:  # told by wait()
            self._error = e

    def is_done(self):
        return not self._thread.is_alive()

    def is_succeeded(self):
        """Whether it has ended without an error."""
        return self.is_done() and self._error is None

    def wait(self):
        """Returns when it has ended, or raises its error."""
        self._thread.join()
        if self._error is not None:
            raise self._error


def RunPlanInBackground(plan_or_step):
    """RunPlan in a thread of its own; returns a BackgroundPlan."""
    return BackgroundPlan(_plan_of(plan_or_step))


def Nets():
    return _ws().net_names()


def DeleteNet(name):
    _ws().delete_net(StringifyNetName(name))


def BenchmarkNet(name, warmup_runs, main_runs, run_individual):
    """Milliseconds that a run takes; with `run_individual` then those of each operator, in a net that runs them one by one."""
    import time

    for _ in range(warmup_runs):
        RunNet(name)
    start = time.perf_counter()
    for _ in range(main_runs):
        RunNet(name)
    out = [(time.perf_counter() - start) * 1000 / max(main_runs, 1)]
    if run_individual:
        runs = [_ws().run_net_timed(StringifyNetName(name)) for _ in range(max(main_runs, 1))]
        out += [sum(column) * 1000 / len(runs) for column in zip(*runs)]
    return out


def BenchmarkNetOnce(name):
    """Milliseconds that one run takes."""
    return BenchmarkNet(name, 0, 1, False)[0]


class TimeObserver:
    """Times of a net's runs: what ``net.AddObserver("TimeObserver")`` gives. The net's operators run one by one while it is there."""

    def __init__(self, net):
        self.net, self._runs = net, []

    def _add(self, seconds):
        self._runs.append(seconds)

    def average_time(self):
        """Milliseconds a run."""
        return sum(map(sum, self._runs)) * 1000 / max(len(self._runs), 1)

    def average_time_children(self):
        """Milliseconds an operator."""
        count = sum(map(len, self._runs))
        return sum(map(sum, self._runs)) * 1000 / max(count, 1)

    def average_times(self):
        """Milliseconds of each operator, in the net's order."""
        return [sum(column) * 1000 / len(self._runs) for column in zip(*self._runs)]

    def debug_info(self):
        lines = [f"{ms:.4f} ms {op.type}" for op, ms in zip(_ws().net_def(self.net).op, self.average_times())]
        return "\n".join(lines)


_observers: dict[str, list[TimeObserver]] = {}


def _observe(net, kind):
    if kind not in ("TimeObserver", "ProfileObserver", "RunCountObserver"):
        raise RuntimeError(f"there is no observer '{kind}'; TimeObserver is one")
    observer = TimeObserver(net)
    _observers.setdefault(net, []).append(observer)
    return observer


def FillRandomNetworkInputs(net, input_dims, input_types):
    """Feeds what a net reads and nothing makes with random numbers.

    Args:
        input_dims: a list of shapes for each operator's inputs, in the net's order, as Caffe2's benchmarks have them.
        input_types: a list of names of types for each operator's inputs: "float", "int", "int64_t", ...
    """
    ops = _message(net, caffe2_pb2.NetDef, "Net").op
    wanted = [len(op.input) for op in ops]
    if wanted != [len(d) for d in input_dims] or wanted != [len(t) for t in input_types]:
        raise RuntimeError(
            f"[enforce fail at workspace] . the net's operators have {wanted} inputs, and as many shapes and types are needed"
        )
    names = {"float": "float32", "double": "float64", "int": "int32"}
    made, random = set(), np.random.default_rng()
    for op, dims, types in zip(ops, input_dims, input_types):
        for name, shape, kind in zip(op.input, dims, types):
            if name in made:
                continue
            made.add(name)
            dtype = np.dtype(names.get(kind, kind.removesuffix("_t")))
            value = (
                random.random(shape)
                if dtype.kind == "f"
                else random.integers(0, 2 if dtype.kind == "b" else 100, shape)
            )
            FeedBlob(name, np.asarray(value, dtype))
        made.update(op.output)


def GetNumNUMANodes():
    return 1


def GetBlobNUMANode(name):
    """-1: no node is said, as where Caffe2 has no NUMA."""
    return -1


def GlobalInit(args):
    return True


def IsNUMAEnabled():
    return False


def RegisteredOperators():
    return _caffe2.operator_names()


def InferShapesAndTypes(nets, blob_dimensions=None, nets_proto=False, blob_types=None):
    """Shapes and dtypes of all blobs of nets, found by running them on zeros of the sizes that are given, or on what the blobs hold.

    Returns two dicts by name: shapes, and numbers of TensorProto.DataType.
    """
    from rushlight.caffe2.python import utils

    before = _ws()
    scratch = _caffe2.Workspace(".")
    for name in before.names():
        value = before.fetch(name)
        if not (isinstance(value, tuple) and value[0] == "object"):
            scratch.feed(name, value)
    for name, dims in (blob_dimensions or {}).items():
        kind = (blob_types or {}).get(name, caffe2_pb2.TensorProto.FLOAT)
        scratch.feed(str(name), _tensor(np.zeros(list(dims), dtype=utils.numpy_type(kind))))
    for net in nets:
        scratch.run_net_once(_message(net, caffe2_pb2.NetDef, "Net"))
    shapes, types = {}, {}
    for name in scratch.names():
        value = scratch.fetch(name)
        if isinstance(value, rushlight.Tensor):
            shapes[name] = list(value.shape)
            types[name] = utils.proto_type(value.numpy().dtype)
    return shapes, types


def GetNetName(net):
    """The name of a net, a NetDef, or a name."""
    return net.name if isinstance(net, caffe2_pb2.NetDef) else StringifyNetName(net)


# ---- operators that run as they are added to a net

_IMMEDIATE = "_CAFFE2_IMMEDIATE"
_immediate_root_folder = ""  # where its files go; empty while it is off


def StartImmediate(i_know=False):
    """From now on an operator runs when it is added to a net, in a workspace of its own: for debugging. `i_know`: no advice is printed."""
    global _immediate_root_folder
    StopImmediate()
    if not i_know:
        print(
            "Immediate mode runs an operator when it is added to a net, and again with the net: "
            "FetchImmediate and FeedImmediate reach its blobs, StopImmediate ends it."
        )
    _immediate_root_folder = tempfile.mkdtemp()
    _workspaces[_IMMEDIATE] = _caffe2.Workspace(_immediate_root_folder)


def StopImmediate():
    """Ends immediate mode, with its blobs and files."""
    global _immediate_root_folder
    if IsImmediate():
        _forget(_IMMEDIATE)
        shutil.rmtree(_immediate_root_folder, ignore_errors=True)
        _immediate_root_folder = ""


def IsImmediate():
    return bool(_immediate_root_folder)


def _of_immediate(function):
    def call(*args, **kwargs):
        if not IsImmediate():
            raise RuntimeError("[enforce fail at workspace] . immediate mode is off: StartImmediate() begins it")
        with WorkspaceGuard(_IMMEDIATE):
            return function(*args, **kwargs)

    return call


ImmediateBlobs = _of_immediate(Blobs)
FetchImmediate = _of_immediate(FetchBlob)
FeedImmediate = _of_immediate(FeedBlob)
RunOperatorImmediate = _of_immediate(RunOperatorOnce)


class Predictor:
    """A net and its parameters: ``Predictor(init_net, predict_net).run([input, ...])`` gives the outputs.

    Nets are NetDefs or their binary form. Inputs are external inputs of the net, by order or by name.
    """

    def __init__(self, init_net, predict_net):
        init = _message(init_net, caffe2_pb2.NetDef, "Net")
        net = _message(predict_net, caffe2_pb2.NetDef, "Net")
        self._ws = _caffe2.Workspace(".")
        self._ws.run_net_once(init)
        self._inputs = list(net.external_input)
        for name in self._inputs:
            self._ws.create(name)
        if not net.name:
            net = _copied(net, "predict")
        self._ws.create_net(net, False)
        self._net, self._outputs = net.name, list(net.external_output)

    def run(self, inputs):
        if isinstance(inputs, dict):
            for name in inputs:
                if name not in self._inputs:
                    raise RuntimeError(f"[enforce fail at predictor] . Input can't be found: {name}")
            items = inputs.items()
        else:
            if len(inputs) > len(self._inputs):
                raise RuntimeError(
                    f"[enforce fail at predictor] . there are {len(self._inputs)} inputs, got {len(inputs)}"
                )
            items = zip(self._inputs, inputs)
        for name, value in items:
            self._ws.feed(name, _value(value))
        self._ws.run_net(self._net, 1)
        return [_fetched(name, self._ws.fetch(name)) for name in self._outputs]


def _copied(net, name):
    copy = caffe2_pb2.NetDef()
    copy.CopyFrom(net)
    copy.name = name
    return copy
