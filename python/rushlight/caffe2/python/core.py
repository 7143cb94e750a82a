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

import collections
import copy
import functools
from collections import OrderedDict, namedtuple

import numpy as np

from rushlight import _caffe2
from rushlight.caffe2.proto import caffe2_pb2
from rushlight.caffe2.python import scope, utils, workspace

DeviceScope = scope.DeviceScope
NameScope = scope.NameScope
GetDefaultDevice = scope.CurrentDeviceScope

GradientSlice = namedtuple("GradientSlice", ["indices", "values"])


class DataType:
    """Numbers of TensorProto.DataType by name: DataType.FLOAT."""


for _name, _number in caffe2_pb2.TensorProto.DataType.items():
    setattr(DataType, _name, _number)


def _GetRegisteredOperators():
    return set(workspace.RegisteredOperators())


def RefreshRegisteredOperators(trigger_lazy=True):
    _registered.cache_clear()


@functools.cache
def _registered():
    return frozenset(workspace.RegisteredOperators())


def IsOperator(op_type):
    return op_type in _registered()


def IsOperatorWithEngine(op_type, engine):
    return engine in ("", "DEFAULT") and IsOperator(op_type)


def GlobalInit(argv):
    return workspace.GlobalInit(argv)


def DeviceOption(device_type, device_id=0, random_seed=None, node_name=None, numa_node_id=None, extra_info=None):
    option = caffe2_pb2.DeviceOption()
    option.device_type = device_type
    option.device_id = device_id
    if node_name is not None:
        option.node_name = node_name
    if random_seed is not None:
        option.random_seed = random_seed
    if numa_node_id is not None:
        option.numa_node_id = numa_node_id
    if extra_info is not None:
        option.extra_info.extend(extra_info)
    return option


def device_option_equal(a, b, ignore_node_name=True, ignore_random_seed=True):
    if not a or not b:
        return a == b
    return (a.device_type, a.device_id) == (b.device_type, b.device_id)


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
    if arg is not None:
        operator.arg.extend(arg)
    for key, value in kwargs.items():
        if value is not None:
            operator.arg.add().CopyFrom(utils.MakeArgument(key, value))
    return operator


def CreatePythonOperator(*args, **kwargs):
    raise NotImplementedError(
        "Python functions as operators are not supported: write an operator of rushlight, or run the function between nets"
    )


# ---- gradients


def _plain(g):
    if g is None:
        return None
    if isinstance(g, GradientSlice):
        return (str(g.indices), str(g.values))
    return str(g)


def _wrapped(g, net=None):
    if g is None:
        return None
    if isinstance(g, tuple):
        return GradientSlice(BlobReference(g[0], net), BlobReference(g[1], net))
    return BlobReference(g, net)


class GradientRegistry:
    """What the gradients of operators are. The library knows its own; Python functions may be added."""

    gradient_registry_: dict = {}

    @classmethod
    def RegisterGradient(cls, op_type):
        def add(function):
            cls.gradient_registry_[op_type] = function
            return function

        return add

    @classmethod
    def GetGradientForOp(cls, op, g_output):
        """The gradient operators of an OperatorDef, and the gradients of its inputs."""
        if op.type in cls.gradient_registry_:
            return cls.gradient_registry_[op.type](op, g_output)
        try:
            ops, g_input = _caffe2.gradient_of(op, [_plain(g) for g in g_output])
        except RuntimeError as e:
            raise Exception(f"Exception when creating gradient for [{op.type}]:{e}.\nOp: \n{op}") from None
        return list(ops), [_wrapped(g) for g in g_input]

    _GetGradientForOpCC = GetGradientForOp

    @classmethod
    def GetBackwardPass(cls, operators, ys, ys_generate_gradient=False):
        """The gradient operators of a list of operators, and the gradient of each blob."""
        targets = [(str(y), None) for y in ys] if isinstance(ys, list) else [(str(y), _plain(g)) for y, g in ys.items()]
        try:
            ops, grads = _caffe2.backward_pass(list(operators), targets)
        except RuntimeError as e:
            raise Exception(str(e)) from None
        return list(ops), {BlobReference(k): _wrapped(v) for k, v in grads.items()}


def GradientRegistry_Register(op_type):
    return GradientRegistry.RegisterGradient(op_type)


def get_ssa(net, blob_versions=None):
    """Versions of the inputs and outputs of a net's operators: a list of ([(blob, version)...], [(blob, version)...]), and the last versions."""
    proto = net.Proto() if isinstance(net, Net) else net
    assert isinstance(proto, caffe2_pb2.NetDef)
    if blob_versions is None:
        blob_versions = {}
    if isinstance(net, list):
        return [get_ssa(n, blob_versions) for n in net], blob_versions
    for i in proto.external_input:
        if i not in blob_versions:
            blob_versions[str(i)] = 0
    ssa = []
    for op in proto.op:
        if not proto.external_input:
            for i in op.input:
                blob_versions.setdefault(i, 0)
        inputs = [(str(i), blob_versions.get(str(i), 0)) for i in op.input]
        for o in op.output:
            blob_versions[str(o)] = blob_versions.get(str(o), 0) + 1
        outputs = [(str(o), blob_versions[str(o)]) for o in op.output]
        ssa.append((inputs, outputs))
    return ssa, blob_versions


def get_undefined_blobs(ssa):
    """Blobs that operators read and none wrote before."""
    undefined = set()
    for inputs, _ in ssa:
        undefined |= {name for name, version in inputs if version == 0}
    return undefined


def get_output_producers(ssa):
    return {o: i for i, (_, outputs) in enumerate(ssa) for o in outputs}


def get_op_ids_in_path(ssa, blob_versions, inputs, outputs):
    """Numbers of the operators that lie between inputs and outputs."""
    inputs = set(map(str, inputs))
    producers = get_output_producers(ssa)
    queue = [(str(o), blob_versions[str(o)]) for o in outputs]
    used = set()
    while queue:
        at = queue.pop()
        if at[0] in inputs or at not in producers:
            continue
        op = producers[at]
        if op not in used:
            used.add(op)
            queue.extend(ssa[op][0])
    return sorted(used)


def recurrent_network_op_remap(op, prefix, blob_remap):
    for arg in op.arg:
        if arg.name.endswith("step_net"):
            for inner in arg.n.op:
                inner.input[:] = [blob_remap.get(b, b) for b in inner.input]
                inner.output[:] = [blob_remap.get(b, b) for b in inner.output]
        elif arg.strings:
            arg.strings[:] = [
                blob_remap.get(s.decode(), s.decode()).encode() if isinstance(s, bytes) else blob_remap.get(s, s)
                for s in arg.strings
            ]


def remap_proto(argument, blob_remap):
    for op in argument.n.op:
        op.input[:] = [blob_remap.get(b, b) for b in op.input]
        op.output[:] = [blob_remap.get(b, b) for b in op.output]


def clone_and_bind_net(net, name, prefix, blob_remap=None, inputs=None, keep_schema=True):
    """A copy of a net whose blobs have a prefix, but for those in blob_remap and `inputs`."""
    blob_remap = blob_remap or {}
    if inputs is not None:
        blob_remap.update(zip([str(b) for b in net.external_inputs], [str(b) for b in inputs]))
    proto = net.Proto()
    ssa, blob_versions = get_ssa(proto)
    undefined = get_undefined_blobs(ssa)
    for blob in blob_versions:
        if blob in blob_remap:
            continue
        if blob in undefined:
            blob_remap[blob] = blob
        else:
            blob_remap[blob] = prefix + blob
    return net.Clone(name, blob_remap, keep_schema=keep_schema), blob_remap


def _get_blob_ref(blob_name_or_ref):
    return blob_name_or_ref if isinstance(blob_name_or_ref, BlobReference) else BlobReference(blob_name_or_ref)


# ---- nets


class Net:
    """A net that is being built: ``net.FC([x, w, b], "y", axis=1)`` adds an operator and gives a reference to its output.

    Args:
        name_or_proto: a name, made unique in this process, or a NetDef.
    """

    _net_names_used: set = set()
    operator_registry_: dict = {}

    @staticmethod
    def current_prefix():
        from rushlight.caffe2.python.net_builder import NetBuilder

        builder = NetBuilder.current(required=False)
        return builder.name if builder else ""

    @staticmethod
    def _get_next_net_name(basename):
        name = basename = "/".join(part for part in (Net.current_prefix(), basename) if part)
        next_idx = 1
        while name in Net._net_names_used:
            name = f"{basename}_{next_idx}"
            next_idx += 1
        Net._net_names_used.add(name)
        return name

    def __init__(self, name_or_proto, inplace=False):
        self._InvalidateLookupTables()
        self._next_name_index = 0
        self._op_outputs = set()
        self._external_input_map = set()
        self._attr_dict = collections.defaultdict(list)
        self._recreate_lookup_tables = False
        self._input_record = self._output_record = None
        if isinstance(name_or_proto, caffe2_pb2.NetDef):
            if inplace:
                self._net = name_or_proto
            else:
                self._net = caffe2_pb2.NetDef()
                self._net.CopyFrom(name_or_proto)
            existing = {o for op in self._net.op for o in op.output}
            for outs in existing:
                self._op_outputs.add(outs)
            self._external_input_map.update(self._net.external_input)
            prefix = self._net.name + "_blob_"
            used = [int(o[len(prefix) :]) for o in existing if o.startswith(prefix) and o[len(prefix) :].isdigit()]
            self._next_name_index = max(used, default=-1) + 1
            name = self._net.name
        else:
            self._net = caffe2_pb2.NetDef()
            name = name_or_proto
        self._net.name = Net._get_next_net_name(name)

    def _InvalidateLookupTables(self):
        self._recreate_lookup_tables = True

    def Name(self):
        return self._net.name

    def __str__(self):
        return self.Name()

    def Const(self, array, blob_out=None, dtype=None):
        """A blob with an array's values, as an operator that fills it."""
        array = np.asarray(array, dtype)
        fill = {
            "f": "GivenTensorFill",
            "i": "GivenTensorInt64Fill" if array.dtype.itemsize == 8 else "GivenTensorIntFill",
            "b": "GivenTensorBoolFill",
        }
        kind = fill.get(array.dtype.kind, "GivenTensorStringFill")
        return getattr(self, kind)(
            [], blob_out or self.NextName(), shape=list(array.shape), values=array.ravel().tolist()
        )

    def BlobIsDefined(self, blob):
        blob = str(blob)
        return blob in self._outputs() or blob in set(self._net.external_input)

    def _outputs(self):
        return {o for op in self._net.op for o in op.output}

    def UsesBlob(self, blob):
        blob = str(blob)
        return self.BlobIsDefined(blob) or any(blob in op.input for op in self._net.op)

    def UsedBlobNames(self):
        used = set()
        for op in self._net.op:
            used.update(op.input, op.output)
        return used

    def GetBlobRef(self, blob_name):
        return BlobReference(blob_name, net=self)

    def AddExternalInput(self, *inputs):
        assert inputs
        refs = []
        for i in inputs:
            name = str(i)
            assert name not in self._net.external_input, f"Net already contains an input named {name}"
        for i in inputs:
            self._net.external_input.append(str(i))
            self._external_input_map.add(str(i))
            refs.append(BlobReference(str(i), net=self))
        return refs[0] if len(refs) == 1 else refs

    def AddScopedExternalInputs(self, *inputs):
        return self.AddExternalInput(*[ScopedBlobReference(str(b)) for b in inputs])

    def AddExternalOutput(self, *outputs):
        for o in outputs:
            assert isinstance(o, BlobReference), "External output must be a BlobReference."
            assert self.BlobIsDefined(o), f"Blob {o} is not defined in net {self.Name()}"
            if str(o) not in self._net.external_output:
                self._net.external_output.append(str(o))

    def AddScopedExternalOutputs(self, *outputs):
        return self.AddExternalOutput(*[ScopedBlobReference(str(o)) for o in outputs])

    @property
    def external_inputs(self):
        return [_get_blob_ref(x) for x in self._net.external_input]

    @property
    def external_outputs(self):
        return [_get_blob_ref(x) for x in self._net.external_output]

    def input_record(self):
        return self._input_record

    def output_record(self):
        return self._output_record

    def set_input_record(self, record):
        self._input_record = record
        return record

    def set_output_record(self, record):
        self._output_record = record

    def AddExternalInputs(self, *inputs):
        return self.AddExternalInput(*inputs)

    def AddExternalOutputs(self, *outputs):
        self.AddExternalOutput(*outputs)

    def Proto(self):
        return self._net

    def PopulateProtoWithFileName(self):
        pass

    def insert_op_at_idx(self, op, op_idx):
        self._net.op.insert(op_idx, op)

    def NextScopedBlob(self, prefix="unnamed"):
        base = ScopedName(prefix)
        return BlobReference(self._unused(base), net=self)

    def NextBlob(self, prefix="unnamed"):
        return BlobReference(self._unused(prefix), net=self)

    def _unused(self, base):
        taken = self._outputs() | set(self._net.external_input)
        name, k = base, 0
        while name in taken:
            name = f"{base}_{k}"
            k += 1
        return name

    def NextName(self, prefix=None, output_id=None):
        """A name for an output that has none: "net/Op", "net/Op:1"."""
        if prefix:
            base = self._net.name + "/" + prefix
            if output_id is not None:
                base += f":{output_id}"
            taken = self._outputs() | set(self._net.external_input)
            name, k = base, 2
            while name in taken:
                name = f"{base}_{k}"
                k += 1
            return name
        name = f"{self._net.name}_blob_{self._next_name_index}"
        self._next_name_index += 1
        return name

    def _ExtendOps(self, new_ops):
        self._net.op.extend(new_ops)

    def _CheckLookupTables(self):
        pass

    def AddGradientOperators(self, ys, skip=0):
        """Adds the operators that compute gradients of ys: a list of blobs (whose own gradients are ones) or a dict of blobs and their
        gradients. Returns the gradient of each blob."""
        if isinstance(ys, dict):
            targets = [(str(y), _plain(g)) for y, g in ys.items()]
        else:
            targets = [(str(y), None) for y in (ys if isinstance(ys, (list, tuple)) else [ys])]
        try:
            grads = _caffe2.add_gradients(self._net, targets, skip)
        except RuntimeError as e:
            raise Exception(str(e)) from None
        return {BlobReference(k, self): _wrapped(v, self) for k, v in grads.items()}

    def AddExternalInputsOfOps(self):
        made = set(self._net.external_input)
        for op in self._net.op:
            for i in op.input:
                if i not in made:
                    self._net.external_input.append(i)
                    made.add(i)
            made.update(op.output)

    def _CreateAndAddToSelf(self, op_type, inputs, outputs=None, **kwargs):
        inputs = _RectifyInputOutput(inputs if inputs is not None else [])
        made = self._outputs() | set(self._net.external_input)
        for i in inputs:
            if str(i) not in made:
                self._net.external_input.append(str(i))
                made.add(str(i))
        if outputs is None:
            outputs = self.NextName(prefix=op_type)
            outputs = [BlobReference(outputs, net=self)]
        elif isinstance(outputs, int) and not isinstance(outputs, bool):
            outputs = [BlobReference(self.NextName(prefix=op_type, output_id=k), net=self) for k in range(outputs)]
        outputs = _RectifyInputOutput(outputs, net=self)
        op = CreateOperator(op_type, inputs, outputs, **kwargs)
        self._net.op.extend([op])
        references = [BlobReference(str(o), net=self) for o in op.output]
        if len(references) == 1:
            return references[0]
        return tuple(references) if references else None

    def __getattr__(self, op_type):
        if op_type.startswith("__"):
            raise AttributeError(f"Attribute {op_type} not found.")
        if not IsOperator(op_type) and op_type not in self.operator_registry_:
            raise AttributeError(f"Method {op_type} is not a registered operator. Did you mean: [{_near(op_type)}]")
        if op_type in self.operator_registry_:
            return functools.partial(self.operator_registry_[op_type], self)

        def call(*args, **kwargs):
            inputs = args[0] if args else kwargs.pop("inputs", [])
            outputs = args[1] if len(args) > 1 else kwargs.pop("outputs", None)
            return self._CreateAndAddToSelf(op_type, inputs, outputs, **kwargs)

        return call

    def __dir__(self):
        return sorted({*_registered(), *object.__dir__(self)})

    def __copy__(self):
        return self.Clone(self.Name())

    def Clone(
        self, name, blob_remap=None, op_id_mask=None, remap_funcs=None, keep_schema=True, update_external_list=False
    ):
        """A copy under another name; blobs in blob_remap are called otherwise."""
        remap = {str(k): str(v) for k, v in (blob_remap or {}).items()}
        proto = caffe2_pb2.NetDef()
        proto.CopyFrom(self._net)
        proto.name = name
        ids = range(len(proto.op)) if op_id_mask is None else op_id_mask
        ops = []
        for k in ids:
            op = caffe2_pb2.OperatorDef()
            op.CopyFrom(self._net.op[k])
            op.input[:] = [remap.get(b, b) for b in op.input]
            op.output[:] = [remap.get(b, b) for b in op.output]
            if remap and remap_funcs and op.type in remap_funcs:
                remap_funcs[op.type](op, name + "/", remap)
            ops.append(op)
        del proto.op[:]
        proto.op.extend(ops)
        proto.external_input[:] = [remap.get(b, b) for b in self._net.external_input]
        proto.external_output[:] = [remap.get(b, b) for b in self._net.external_output]
        return Net(proto)

    def ClonePartial(self, name, inputs, outputs, remap_funcs=None):
        """The part of the net that computes `outputs` from `inputs`. inputs: a list of blobs, or a dict that renames them."""
        inputs = {str(k): str(v) for k, v in (inputs.items() if isinstance(inputs, dict) else zip(inputs, inputs))}
        ssa, versions = get_ssa(self._net)
        used = get_op_ids_in_path(ssa, versions, list(inputs), [str(o) for o in outputs])
        net = self.Clone(name, blob_remap=inputs, op_id_mask=used, remap_funcs=remap_funcs)
        net._net.external_input[:] = list(inputs.values())
        net._net.external_output[:] = [inputs.get(str(o), str(o)) for o in outputs]
        return net

    def AppendNet(self, net, device_option=None):
        """Adds another net's operators at the end."""
        ops = net.Proto().op
        if device_option is not None:
            ops = [copy.deepcopy(op) for op in ops]
            for op in ops:
                op.device_option.CopyFrom(device_option)
        made = self._outputs() | set(self._net.external_input)
        self._net.external_input.extend(i for i in net.Proto().external_input if i not in made)
        self._net.external_output.extend(o for o in net.Proto().external_output if o not in self._net.external_output)
        self._net.op.extend(ops)
        return self

    def LogInfo(self, *msg_or_blobs):
        for item in msg_or_blobs:
            if isinstance(item, BlobReference):
                self.Print(item, [])

    def RunAllOnGPU(self, gpu_id=0, use_cudnn=False):
        self._net.device_option.CopyFrom(DeviceOption(caffe2_pb2.CUDA, gpu_id))

    RunAllOnMKL = RunAllOnGPU

    def Python(self, *args, **kwargs):
        raise NotImplementedError("Python functions as operators are not supported: run the function between nets")

    def is_external_input(self, blob):
        return str(blob) in self._net.external_input

    def extend_ops(self, new_ops):
        self._ExtendOps(new_ops)


# ---- plans


class ExecutionStep:
    """Nets, or further steps, that are run in order and several times."""

    _step_names_used: set = set()

    @staticmethod
    def _get_next_step_name(basename):
        name, k = basename, 1
        while name in ExecutionStep._step_names_used:
            name = f"{basename}_{k}"
            k += 1
        ExecutionStep._step_names_used.add(name)
        return name

    def __init__(self, name, nets=None, num_iter=None):
        self._step = caffe2_pb2.ExecutionStep()
        self._step.name = name or ExecutionStep._get_next_step_name("step")
        self._net_dict = OrderedDict()
        self._is_used = False
        self._substeps = []
        if nets is not None:
            nets = [nets] if isinstance(nets, Net) else nets
            for net in nets:
                if _add_net_to_dict(self._net_dict, net):
                    self._step.network.append(get_net_name(net))
        if num_iter is not None:
            self._step.num_iter = num_iter

    def Name(self):
        return self._step.name

    get_net = property(lambda self: self._net_dict.get)

    def __str__(self):
        return self._step.name

    def Proto(self):
        return self._step

    def HasNets(self):
        return len(self._step.network) > 0

    def HasSubsteps(self):
        return bool(self._substeps)

    def Nets(self):
        return list(self._net_dict.values())

    def Substeps(self):
        return self._substeps

    def SetIter(self, num_iter):
        self._step.num_iter = num_iter

    def SetCreateWorkspace(self, create_workspace):
        self._step.create_workspace = create_workspace

    def SetNumConcurrentInstances(self, n):
        self._step.num_concurrent_instances = n

    def SetOnlyOnce(self, only_once):
        self._step.only_once = only_once

    def SetShouldStopBlob(self, blob):
        assert isinstance(blob, BlobReference), f"expects BlobReference here, got {type(blob)}"
        self._step.should_stop_blob = str(blob)

    def RunEveryMillis(self, interval):
        self._step.run_every_ms = interval

    def SetReportNet(self, report_net, report_interval):
        _add_net_to_dict(self._net_dict, report_net)
        self._step.report_net = get_net_name(report_net)
        self._step.report_interval = report_interval

    def AddSubstep(self, substep):
        assert not self.HasNets(), "Cannot have both network and substeps."
        if isinstance(substep, ExecutionStep):
            if not substep.HasNets() and not substep.HasSubsteps():
                return self
            for net in substep.Nets():
                _add_net_to_dict(self._net_dict, net)
            self._substeps.append(substep)
            proto = substep.Proto()
        else:
            proto = substep
        self._step.substep.add().CopyFrom(proto)
        return self

    def SetConcurrentSubsteps(self, concurrent_substeps):
        self._step.concurrent_substeps = concurrent_substeps

    def AddNet(self, net):
        assert not self.HasSubsteps(), "Cannot have both network and substeps."
        assert isinstance(net, Net)
        _add_net_to_dict(self._net_dict, net)
        self._step.network.append(get_net_name(net))
        return self

    def get_all_attributes(self, name):
        return [a for net in self._net_dict.values() for a in net._attr_dict.get(name, [])]


def get_net_name(netlike):
    return netlike.Name() if isinstance(netlike, Net) else netlike.name


def _add_net_to_dict(net_dict, net):
    name = get_net_name(net)
    if name in net_dict:
        return False
    net_dict[name] = net
    return True


class Plan:
    """Nets and the steps that run them: workspace.RunPlan(plan)."""

    def __init__(self, name_or_step):
        self._plan = caffe2_pb2.PlanDef()
        self._net_dict = OrderedDict()
        self._steps = []
        if isinstance(name_or_step, ExecutionStep):
            self._plan.name = name_or_step.Name()
            self.AddStep(name_or_step)
        else:
            self._plan.name = str(name_or_step)

    def __str__(self):
        return self._plan.name

    def Proto(self):
        return self._plan

    def AddNets(self, nets):
        for net in nets:
            if _add_net_to_dict(self._net_dict, net):
                self._plan.network.add().CopyFrom(net.Proto() if isinstance(net, Net) else net)

    def Nets(self):
        return list(self._net_dict.values())

    def AddStep(self, step):
        assert isinstance(step, ExecutionStep)
        self._steps.append(step)
        if not step.HasNets() and not step.HasSubsteps():
            return
        self.AddNets(step.Nets())
        self._plan.execution_step.add().CopyFrom(step.Proto())

    def Steps(self):
        return self._steps


def to_execution_step(step_or_nets, default_name=None):
    if isinstance(step_or_nets, ExecutionStep):
        return step_or_nets
    if isinstance(step_or_nets, Net):
        step_or_nets = [step_or_nets]
    steps = []
    if all(isinstance(s, Net) for s in step_or_nets):
        return ExecutionStep(default_name, step_or_nets)
    for s in step_or_nets:
        steps.append(to_execution_step(s))
    return execution_step(default_name, steps)


def execution_step(
    default_name, steps_or_nets, num_iter=None, report_net=None, report_interval=None, concurrent_substeps=None,
    should_stop_blob=None, only_once=None, num_concurrent_instances=None, create_workspace=False, run_every_ms=None,
):  # fmt: skip
    """A step of nets or of steps."""
    assert should_stop_blob is None or num_iter is None, "Cannot set both should_stop_blob and num_iter."
    if should_stop_blob is None and num_iter is None:
        num_iter = 1
    step = ExecutionStep(default_name)
    if should_stop_blob is not None:
        step.SetShouldStopBlob(should_stop_blob)
    if num_iter is not None:
        step.SetIter(num_iter)
    step.SetOnlyOnce(bool(only_once))
    if concurrent_substeps is not None:
        step.SetConcurrentSubsteps(concurrent_substeps)
    if report_net is not None:
        assert report_interval is not None
        step.SetReportNet(report_net, report_interval)
    if num_concurrent_instances is not None:
        step.SetNumConcurrentInstances(num_concurrent_instances)
    if create_workspace:
        step.SetCreateWorkspace(True)
    if run_every_ms:
        step.RunEveryMillis(run_every_ms)
    if isinstance(steps_or_nets, ExecutionStep):
        step.AddSubstep(steps_or_nets)
    elif isinstance(steps_or_nets, Net):
        step.AddNet(steps_or_nets)
    elif isinstance(steps_or_nets, (list, tuple)):
        if all(isinstance(x, Net) for x in steps_or_nets):
            for net in steps_or_nets:
                step.AddNet(net)
        else:
            for x in steps_or_nets:
                step.AddSubstep(to_execution_step(x, default_name))
    elif steps_or_nets:
        raise ValueError(f"Step must be a step, a net, or a list of steps or nets, got {steps_or_nets}")
    return step


def scoped_execution_step(name, *args, **kwargs):
    default_name = ScopedName(name) if name else name
    return execution_step(default_name, *args, **kwargs)


def InjectCrossDeviceCopies(net, blob_to_device=None, blob_remap=None, placeHolderOps=None):
    return net, blob_to_device or {}
