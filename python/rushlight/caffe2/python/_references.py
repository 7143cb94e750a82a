"""caffe2.python.core: names, references to blobs, operators."""

from __future__ import annotations

import functools

from rushlight.caffe2.proto import caffe2_pb2
from rushlight.caffe2.python import scope, utils, workspace
from rushlight.caffe2.python.lazy import TriggerLazyImport

DeviceScope = scope.DeviceScope
NameScope = scope.NameScope
GetDefaultDevice = scope.CurrentDeviceScope


class DataType:
    """Numbers of TensorProto.DataType by name: DataType.FLOAT."""


for _name, _number in caffe2_pb2.TensorProto.DataType.items():
    setattr(DataType, _name, _number)


def _GetRegisteredOperators():
    return set(workspace.RegisteredOperators())


def RefreshRegisteredOperators(trigger_lazy=True):
    if trigger_lazy:
        TriggerLazyImport()
    _registered.cache_clear()


@functools.cache
def _registered():
    return frozenset(workspace.RegisteredOperators())


def IsOperator(op_type):
    TriggerLazyImport()
    return op_type in _registered()


def IsOperatorWithEngine(op_type, engine):
    return engine in ("", "DEFAULT") and IsOperator(op_type)


_global_init_args: list = []


def GlobalInit(argv):
    TriggerLazyImport()
    _global_init_args.extend(argv[1:])
    return workspace.GlobalInit(argv)


def GetGlobalInitArgs():
    """What GlobalInit was given so far, without the program's name."""
    return list(_global_init_args)


def IsGPUDeviceType(device_type):
    return device_type in (caffe2_pb2.CUDA, caffe2_pb2.HIP)


# ---- which engines operators should take: there is one each


def _names_engines(preference):
    for engines in preference.values():
        if not all(isinstance(e, str) for e in engines):
            raise TypeError(f"engines are names, got {engines}")


def SetGlobalEnginePref(global_pref):
    """Engines by device type, best first. They change nothing: each operator has one."""
    _names_engines(global_pref)


def SetPerOpEnginePref(per_op_pref):
    """The same for operators, by device type and operator."""
    for by_op in per_op_pref.values():
        _names_engines(by_op)


def SetEnginePref(per_op_pref, global_pref):
    SetPerOpEnginePref(per_op_pref)
    SetGlobalEnginePref(global_pref)


def SetOpEnginePref(op_type, op_pref):
    _names_engines(op_pref)


def DeviceOption(device_type, device_id=0, random_seed=None, node_name=None, numa_node_id=None, extra_info=None):
    option = caffe2_pb2.DeviceOption()
    option.device_type = device_type
    option.device_id = device_id
    if node_name is not None:
        option.node_name = node_name
    if random_seed is not None:
        option.random_seed = random_seed
    if numa_node_id is not None:
        assert device_type == caffe2_pb2.CPU, "numa_node_id is for the CPU"
        option.numa_node_id = numa_node_id
    if extra_info is not None:
        option.extra_info.extend(extra_info)
    return option


def device_option_equal(opt1, opt2, ignore_node_name=True, ignore_random_seed=True):
    """Whether both mean the same device: all of the CPU's do."""
    if opt1 is None or opt2 is None:
        return opt1 is opt2
    if not ignore_node_name and opt1.node_name != opt2.node_name:
        return False
    if not ignore_random_seed and opt1.random_seed != opt2.random_seed:
        return False
    if not opt1.device_type or not opt2.device_type:
        return opt1.device_type == opt2.device_type
    return opt1.device_id == opt2.device_id


def ScopedName(name):
    """The name inside of the current name scopes."""
    if isinstance(name, bytes):
        name = name.decode()
    return scope.CurrentNameScope() + name


def ScopedBlobReference(name, *args, **kwargs):
    return BlobReference(ScopedName(name), *args, **kwargs)


def _RectifyInputOutput(blobs, net=None):
    """One or several blobs as a list of references; str are taken as they are."""
    if isinstance(blobs, (str, bytes)):
        return [ScopedBlobReference(blobs, net=net)]
    if isinstance(blobs, BlobReference):
        return [blobs]
    if isinstance(blobs, (list, tuple)):
        out = []
        for blob in blobs:
            if isinstance(blob, (str, bytes)):
                out.append(ScopedBlobReference(blob, net=net))
            elif isinstance(blob, BlobReference):
                out.append(blob)
            else:
                raise TypeError(f"I/O blob #{len(out)} of unsupported type: {type(blob)} of {blob}")
        return out
    raise TypeError(f"Unknown input/output type: {blobs} of type {type(blobs)}.")


class BlobReference:
    """The name of a blob, and the net that it is of: operators are its methods, with it as the first input."""

    def __init__(self, name, net=None):
        if isinstance(name, bytes):
            name = name.decode()
        self._name = str(name)
        self._from_net = net
        self.meta = {}

    def __hash__(self):
        return hash(self._name)

    def __eq__(self, other):
        if isinstance(other, str):
            return self._name == other
        if isinstance(other, bytes):
            return self._name == other.decode()
        if isinstance(other, BlobReference):
            return self._name == other._name
        return False

    def __ne__(self, other):
        return not self == other

    def __str__(self):
        return self._name

    def __repr__(self):
        return f'BlobReference("{self._name}")'

    def __add__(self, other):
        if not isinstance(other, str):
            raise RuntimeError("Cannot add BlobReference to a non-string.")
        return BlobReference(self._name + other, self._from_net)

    def __radd__(self, other):
        if not isinstance(other, str):
            raise RuntimeError("Cannot add a non-string to BlobReference.")
        return BlobReference(other + self._name, self._from_net)

    def Net(self):
        return self._from_net

    def GetNameScope(self):
        return self._name[: self._name.rfind(scope._NAMESCOPE_SEPARATOR) + 1]

    def GetUnscopedName(self):
        return self._name[self._name.rfind(scope._NAMESCOPE_SEPARATOR) + 1 :]

    def __getattr__(self, op_type):
        if op_type.startswith("__"):
            raise AttributeError(f"Attribute {op_type} not found.")
        net = self.__dict__.get("_from_net")
        if net is None:
            raise AttributeError(
                f'You cannot use a blob reference that does not have a net source to create operators. Create the operator from an explicit net object. ("{op_type}")'
            )
        if not IsOperator(op_type):
            raise AttributeError(f"Method {op_type} is not a registered operator. Did you mean: [{_near(op_type)}]")

        def call(inputs, outputs=None, **kwargs):
            more = _RectifyInputOutput(inputs if inputs is not None else [])
            return getattr(net, op_type)([self, *more], outputs, **kwargs)

        return lambda inputs=None, outputs=None, **kwargs: call(inputs, outputs, **kwargs)

    def __dir__(self):
        return sorted({*_registered(), *object.__dir__(self)})


def _near(op_type):
    import difflib

    return ",".join(difflib.get_close_matches(op_type, _registered(), n=3, cutoff=0.8))


def CreateOperator(
    operator_type,
    inputs,
    outputs,
    name="",
    control_input=None,
    device_option=None,
    arg=None,
    engine=None,
    debug_info=None,
    **kwargs,
):
    """An OperatorDef. Keyword arguments become its arguments; the device scope its device option."""
    operator = caffe2_pb2.OperatorDef()
    operator.type = operator_type
    operator.name = name
    operator.input.extend(str(i) for i in _RectifyInputOutput(inputs))
    operator.output.extend(str(o) for o in _RectifyInputOutput(outputs))
    if control_input:
        operator.control_input.extend(str(i) for i in _RectifyInputOutput(control_input))
    if device_option is not None:
        operator.device_option.CopyFrom(device_option)
    elif scope.CurrentDeviceScope() is not None:
        operator.device_option.CopyFrom(scope.CurrentDeviceScope())
    if engine is not None:
        operator.engine = engine
    if debug_info is not None:
        operator.debug_info = debug_info
    random_seed = kwargs.pop("random_seed", None)
    if random_seed is not None:
        operator.device_option.random_seed = random_seed
    if arg is not None:
        operator.arg.extend(arg)
    for key, value in kwargs.items():
        if value is not None:
            operator.arg.add().CopyFrom(utils.MakeArgument(key, value))
    return operator


def _RegisterPythonImpl(f, grad_f=None, python_func_type=None, pass_workspace=False):
    """The token of a function, or of a tuple (builder, args, kwargs) that makes one for each operator; `python_func_type` is a class over f with
    forward and backward."""
    from rushlight.caffe2.python import _state

    if python_func_type is not None:
        made = python_func_type(f)
        f, grad_f = made.forward, made.backward
    for t in (f, grad_f):
        if isinstance(t, tuple):
            assert len(t) == 3, "Expected builder tuple (func, args, kwargs)"
    assert not grad_f or isinstance(f, tuple) == isinstance(grad_f, tuple), (
        "A tuple has to be passed to both f and grad_f or neither."
    )
    token = _state.register_python_op(f, pass_workspace)
    if grad_f is not None:
        _state.register_python_gradient_op(token, grad_f)
    return token


def CreatePythonOperator(f, inputs, outputs, grad_f=None, pass_workspace=False, python_func_type=None, *args, **kwargs):
    """An operator that calls ``f(inputs, outputs)``; see ``Net.Python``."""
    token = _RegisterPythonImpl(f, grad_f, python_func_type, pass_workspace)
    return CreateOperator("Python", inputs, outputs, *args, token=token, **kwargs)
