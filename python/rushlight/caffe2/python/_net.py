"""caffe2.python.core: nets that are being built."""

from __future__ import annotations

import collections
import copy
import functools
import sys

import numpy as np

from rushlight import _caffe2
from rushlight.caffe2.proto import caffe2_pb2
from rushlight.caffe2.python import utils, workspace
from rushlight.caffe2.python._gradients import GradientSlice, _asked, _targets, _wrapped
from rushlight.caffe2.python._references import (
    BlobReference,
    CreateOperator,
    DataType,
    DeviceOption,
    IsOperator,
    NameScope,
    ScopedBlobReference,
    ScopedName,
    _near,
    _RectifyInputOutput,
    _registered,
    _RegisterPythonImpl,
)
from rushlight.caffe2.python._ssa import (
    DEFAULT_REMAP_FUNCS,
    _get_blob_ref,
    get_op_ids_in_path,
    get_ssa,
    get_undefined_blobs,
    remap_input,
)

_FILLS = {
    "int32": "GivenTensorIntFill",
    "int64": "GivenTensorInt64Fill",
    "bool": "GivenTensorBoolFill",
}


class Net:
    """A net that is being built: ``net.FC([x, w, b], "y", axis=1)`` adds an operator and gives a reference to its output.

    Args:
        name_or_proto: a name, made unique in this process, or a NetDef.
        inplace: whether a NetDef is taken as it is; else it is copied.
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
        self._attr_dict = collections.defaultdict(list)
        self._input_record = self._output_record = None
        self._registered_blob_names = set()  # that NextBlob has given
        self._next_blob_name_ids = {}
        self._origins = {}  # where in the program operators were added
        self._next_name_index = 0
        if isinstance(name_or_proto, caffe2_pb2.NetDef):
            self._net = name_or_proto
            if not inplace:
                self._net = caffe2_pb2.NetDef()
                self._net.CopyFrom(name_or_proto)
            prefix = self._net.name + "_blob_"
            names = {b for op in self._net.op for b in [*op.input, *op.output] if b.startswith(prefix)}
            used = [int(n[len(prefix) :]) for n in names if n[len(prefix) :].isdigit()]
            self._next_name_index = max(used, default=-1) + 1
            name = self._net.name
        else:
            self._net = caffe2_pb2.NetDef()
            name = name_or_proto
        self._RecreateLookupTables()
        self._net.name = Net._get_next_net_name(name)

    # ---- what is defined: outputs and external inputs as sets, made again once the message was given out

    def _InvalidateLookupTables(self):
        self._recreate_lookup_tables = True

    def _RecreateLookupTables(self):
        self._op_outputs = {o for op in self._net.op for o in op.output}
        self._external_input_map = set(self._net.external_input)
        self._recreate_lookup_tables = False

    def _CheckLookupTables(self):
        """Whether the sets have all that the message has."""
        assert {o for op in self._net.op for o in op.output} <= self._op_outputs
        assert set(self._net.external_input) <= self._external_input_map

    def BlobIsDefined(self, blob):
        """Whether an operator makes the blob, or it is an external input."""
        if self._recreate_lookup_tables:
            self._RecreateLookupTables()
        blob = str(blob)
        return blob in self._op_outputs or blob in self._external_input_map

    def is_external_input(self, blob):
        if self._recreate_lookup_tables:
            self._RecreateLookupTables()
        return str(blob) in self._external_input_map

    def UsesBlob(self, blob):
        """Whether an operator reads the blob, or it is an external input."""
        blob = str(blob)
        return self.is_external_input(blob) or any(blob in op.input for op in self._net.op)

    def UsedBlobNames(self):
        used = {*self._net.external_input, *self._net.external_output}
        for op in self._net.op:
            used.update(op.input, op.output)
        return used

    def GetBlobRef(self, blob_name):
        """A reference to a blob that the net defines."""
        if not self.BlobIsDefined(blob_name):
            raise KeyError(f"Net does not define blob {blob_name}")
        return BlobReference(str(blob_name), net=self)

    # ---- names

    def Name(self):
        return self._net.name

    def __str__(self):
        return self.Name()

    def Proto(self):
        self._InvalidateLookupTables()
        return self._net

    def NextScopedBlob(self, prefix="unnamed"):
        """A new blob inside of the name scope: its name is the prefix, or the prefix and "_auto_0", "_auto_1" ..."""
        return self.NextBlob(ScopedName(prefix))

    def NextBlob(self, prefix="unnamed"):
        base = str(prefix)
        name, k = base, 0
        while name in self._registered_blob_names or self.BlobIsDefined(name):
            name = f"{base}_auto_{k}"
            k += 1
        self._registered_blob_names.add(name)
        return BlobReference(name)

    def NextName(self, prefix=None, output_id=None):
        """A name for an output that has none: "net/Op", "net/Op:1"."""
        if not prefix:
            name = f"{self._net.name}_blob_{self._next_name_index}"
            self._next_name_index += 1
            return name
        base = f"{self._net.name}/{prefix}"
        suffix = "" if output_id is None else f":{output_id}"
        name = key = base + suffix
        k = self._next_blob_name_ids.get(key, 2)
        while self.BlobIsDefined(ScopedName(name)):
            name = f"{base}_{k}{suffix}"
            k += 1
            self._next_blob_name_ids[key] = k
        return name

    def PopulateProtoWithFileName(self):
        """Names each operator after the place in the program that added it: "file:line:function"."""
        for k, place in self._origins.items():
            if k < len(self._net.op):
                self._net.op[k].name = ":".join(map(str, place))

    # ---- inputs and outputs

    def AddExternalInput(self, *inputs):
        assert inputs, "AddExternalInput: expected blobs, got none"
        names = [str(i) for i in inputs]
        for k, name in enumerate(names):
            assert not self.is_external_input(name) and name not in names[:k], (
                f"Net already contains an input named {name}"
            )
        self._net.external_input.extend(names)
        self._external_input_map.update(names)
        refs = [_get_blob_ref(i) if isinstance(i, BlobReference) else BlobReference(n) for i, n in zip(inputs, names)]
        return refs[0] if len(refs) == 1 else refs

    def AddExternalInputs(self, *inputs):
        return self.AddExternalInput(*inputs)

    def AddScopedExternalInputs(self, *inputs):
        refs = self.AddExternalInput(*[ScopedBlobReference(str(b)) for b in inputs])
        return refs if isinstance(refs, list) else [refs]

    def AddExternalOutput(self, *outputs):
        for o in outputs:
            assert isinstance(o, BlobReference), f"External output must be a BlobReference, got {type(o).__name__}"
            assert self.BlobIsDefined(o), f"{o} is not defined"
        self._net.external_output.extend([str(o) for o in outputs])

    def AddExternalOutputs(self, *outputs):
        self.AddExternalOutput(*outputs)

    def AddScopedExternalOutputs(self, *outputs):
        return self.AddExternalOutput(*[ScopedBlobReference(str(o)) for o in outputs])

    @property
    def external_inputs(self):
        return [_get_blob_ref(x) for x in self._net.external_input]

    @property
    def external_outputs(self):
        return [_get_blob_ref(x) for x in self._net.external_output]

    def AddExternalInputsOfOps(self):
        """Names as external inputs what operators read before any of them makes it."""
        made = set(self._net.external_input)
        for op in self._net.op:
            for i in op.input:
                if i not in made:
                    self._net.external_input.append(i)
                    made.add(i)
            made.update(op.output)
        self._InvalidateLookupTables()

    # ---- records of inputs and outputs (schema)

    def input_record(self):
        return self._input_record

    def output_record(self):
        return self._output_record

    def _check_record(self, record, before, what):
        same = before is None or (record.has_blobs() and set(record.field_blobs()) == set(before.field_blobs()))
        assert same, f"{what} schema cannot be reset"

    def set_input_record(self, input_record):
        """The record whose blobs the net reads; without blobs, new ones are made. They become external inputs."""
        from rushlight.caffe2.python import schema

        self._check_record(input_record, self._input_record, "Input")
        if not input_record.has_blobs():
            with NameScope(self.Name()):
                input_record = schema.NewRecord(self, input_record)
        self._input_record = input_record
        for blob in input_record.field_blobs():
            if not self.is_external_input(blob):
                self.AddExternalInput(blob)
        return input_record

    def set_output_record(self, record):
        """The record whose blobs the net makes. They become external outputs."""
        self._check_record(record, self._output_record, "Output")
        self._add_outputs_of(record)
        self._output_record = record

    def _add_outputs_of(self, record):
        for blob in record.field_blobs():
            assert self.BlobIsDefined(blob), f"{blob} is not defined in net {self.Name()}"
        for blob in record.field_blobs():
            if str(blob) not in self._net.external_output:
                self.AddExternalOutput(blob)

    def AppendOutputRecordField(self, field_name, record):
        """Adds a field to the output record."""
        from rushlight.caffe2.python import schema

        assert self._output_record is not None, "Tried to append to missing output record"
        self._add_outputs_of(record)
        self._output_record = self._output_record + schema.Struct((field_name, record))

    def recover_input_record_by_prefix(self, prefix):
        """Takes the external inputs whose names begin so as the input record: what follows are names of fields."""
        record = _record_of(self._net.external_input, prefix)
        if record:
            self.set_input_record(record)

    def recover_output_record_by_prefix(self, prefix):
        record = _record_of(self._net.external_output, prefix)
        if record:
            self.set_output_record(record)

    # ---- what programs keep with a net

    def add_attribute(self, name, obj):
        """Keeps an object under a name, with others of that name."""
        self._attr_dict[name].append(obj)

    def get_attributes(self, name):
        return self._attr_dict.get(name, [])

    def AddArgument(self, arg_name, arg_value):
        self._net.arg.extend([utils.MakeArgument(arg_name, arg_value)])

    def set_rand_seed(self, seed=100, sequence_seed=True, seed_on_op_def=False):
        """A random seed for each operator: the seed and its place, with seed_on_op_def one made of what it says, else the same for all."""
        assert not (sequence_seed and seed_on_op_def), "sequence_seed and seed_on_op_def cannot be both set to True."
        for k, op in enumerate(self._net.op):
            own = seed
            if sequence_seed:
                own = seed + k
            elif seed_on_op_def:
                own = hash(str(op) + str(seed)) % np.iinfo(np.uint32).max
            op.device_option.random_seed = own

    # ---- operators

    def Const(self, array, blob_out=None, dtype=None):
        """A blob with an array's values, as an operator that fills it."""
        out = blob_out or 1
        if isinstance(array, bool):
            return self.ConstantFill([], out, dtype=DataType.BOOL, value=array)
        array = np.array(array, dtype=dtype)
        fill = "GivenTensorStringFill" if array.dtype.kind in "SU" else _FILLS.get(array.dtype.name, "GivenTensorFill")
        return getattr(self, fill)([], out, shape=array.shape, values=array.flatten().tolist())

    def LogInfo(self, *msg_or_blobs):
        """Operators that print blobs and texts."""
        for item in msg_or_blobs:
            if not isinstance(item, BlobReference):
                item = self.GivenTensorStringFill([], self.NextName("log"), shape=[], values=[item])
            self.Print(item, [])

    def insert_op_at_idx(self, op, op_idx):
        assert op_idx >= 0
        self._net.op.insert(op_idx, op)
        self._InvalidateLookupTables()

    def reroute_tensor(self, tensor, new_producer, can_modify=None):
        """Puts an operator behind the one that makes a blob; those of `can_modify` read its first output instead of the blob.

        Returns how many do. The blob is written once.
        """
        wanted = {str(i) for i in new_producer.input}
        assert tensor in self.external_inputs or str(tensor) in wanted, (
            f"new producer {new_producer.type} is not taking in {tensor}"
        )
        places = [k for k, op in enumerate(self._net.op) if wanted & set(op.output)]
        self.insert_op_at_idx(new_producer, max(places, default=-1) + 1)
        renamed = {str(tensor): new_producer.output[0]}
        self._net.external_output[:] = [renamed.get(o, o) for o in self._net.external_output]
        rerouted = [op for op in self._net.op if op in can_modify] if can_modify else []
        for op in rerouted:
            remap_input(op, renamed)
        return len(rerouted)

    def _ExtendOps(self, new_ops):
        self._net.op.extend(new_ops)
        for op in new_ops:
            self._op_outputs.update(op.output)

    def extend_ops(self, new_ops):
        self._ExtendOps(new_ops)

    def AddGradientOperators(self, ys, skip=0):
        """Adds the operators that compute gradients of ys: a list of blobs (whose own gradients are ones) or a dict of blobs and their
        gradients. Returns the gradient of each blob."""
        ys = ys if isinstance(ys, (dict, list)) else list(ys) if isinstance(ys, tuple) else [ys]
        grads = _asked(_caffe2.add_gradients, self._net, _targets(ys), skip)
        self._InvalidateLookupTables()
        return {BlobReference(k, self): _wrapped(v, self) for k, v in grads.items()}

    def DeduplicateGradientSlices(self, g, aggregator="sum"):
        """The slice whose indices are different ones; values of the same index are added, or their mean is taken ("mean")."""
        assert isinstance(g, GradientSlice), f"expected a GradientSlice, got {type(g).__name__}"
        ways = {"sum": "UnsortedSegmentSum", "mean": "UnsortedSegmentMean"}
        if aggregator.lower() not in ways:
            raise ValueError(f"{aggregator} is not supported")
        unique, remapping = self.Unique([g.indices], 2, engine="SparseHash")
        values = getattr(self, ways[aggregator.lower()])([g.values, remapping], 1)
        return GradientSlice(indices=unique, values=values)

    def _CreateAndAddToSelf(self, op_type, inputs, outputs=None, **kwargs):
        inputs = _RectifyInputOutput(inputs if inputs is not None else [])
        for i in inputs:
            if not self.BlobIsDefined(i):
                assert i.Net() is not self, f"{op_type}: the input {i} is of this net, which doesn't make it"
                self.AddExternalInput(i)
        if outputs is None:
            outputs = self.NextName(prefix=op_type)
        elif isinstance(outputs, int) and not isinstance(outputs, bool):
            outputs = [self.NextName(prefix=op_type, output_id=k) for k in range(outputs)]
        outputs = _RectifyInputOutput(outputs, net=self)
        op = CreateOperator(op_type, inputs, outputs, **kwargs)
        self._ExtendOps([op])
        self._origins[len(self._net.op) - 1] = _caller()
        if workspace.IsImmediate():
            workspace.RunOperatorImmediate(op)
        references = [BlobReference(str(o), net=self) for o in op.output]
        if len(references) == 1:
            return references[0]
        return tuple(references) if references else None

    def __getattr__(self, op_type):
        if op_type.startswith("__"):
            raise AttributeError(f"Attribute {op_type} not found.")
        if op_type in self.operator_registry_:
            return functools.partial(self.operator_registry_[op_type], self)
        if not IsOperator(op_type):
            raise AttributeError(f"Method {op_type} is not a registered operator. Did you mean: [{_near(op_type)}]")

        def call(inputs=None, outputs=None, **kwargs):
            return self._CreateAndAddToSelf(op_type, inputs, outputs, **kwargs)

        return call

    def __dir__(self):
        return sorted({*_registered(), *object.__dir__(self)})

    def Python(
        self,
        f,
        grad_f=None,
        python_func_type=None,
        pass_workspace=False,
        grad_output_indices=None,
        grad_input_indices=None,
    ):
        """An operator that is a Python function: what is returned takes its inputs and outputs.

        f: called with the inputs and the outputs, which have ``data``, ``shape``, ``feed`` and ``reshape``; with `pass_workspace` with the
            workspace too. A tuple (builder, args, kwargs) makes the function, one for each operator of a net that is made.
        grad_f: the same with the inputs, outputs and gradients of the outputs (of those in `grad_output_indices`) as its
            inputs, and gradients of the inputs (of those in `grad_input_indices`) as its outputs.
        """
        token = _RegisterPythonImpl(f, grad_f, python_func_type, pass_workspace)

        def add(inputs=(), outputs=(), **kwargs):
            return self._CreateAndAddToSelf(
                "Python", inputs, outputs, token=token, grad_output_indices=grad_output_indices,
                grad_input_indices=grad_input_indices, **kwargs,
            )  # fmt: skip

        return add

    # ---- copies

    def __copy__(self):
        return self.Clone(self.Name())

    def Clone(
        self, name, blob_remap=None, op_id_mask=None, remap_funcs=None, keep_schema=True, update_external_list=False
    ):
        """A copy under another name.

        Args:
            blob_remap: other names of blobs. op_id_mask: places of the operators that are copied.
            remap_funcs: by type, functions (operator, prefix, blob_remap) that rename what is inside of operators, besides those that are known.
            keep_schema: whether the copy has the records.
            update_external_list: whether external inputs and outputs are what its operators read and leave.
        """
        remap = {str(k): str(v) for k, v in (blob_remap or {}).items()}
        inside = {**DEFAULT_REMAP_FUNCS, **(remap_funcs or {})}
        proto = caffe2_pb2.NetDef()
        proto.CopyFrom(self._net)
        proto.name = name
        if op_id_mask is not None:
            kept = [self._net.op[k] for k in op_id_mask]
            del proto.op[:]
            proto.op.extend(kept)
        for op in proto.op:
            if remap:
                op.input[:] = [remap.get(b, b) for b in op.input]
                op.output[:] = [remap.get(b, b) for b in op.output]
            if op.type in inside:
                inside[op.type](op, name + "/" if name else "", remap)
        proto.external_input[:] = [remap.get(b, b) for b in proto.external_input]
        proto.external_output[:] = [remap.get(b, b) for b in proto.external_output]
        if update_external_list:
            _set_external(proto)
        net = Net(proto, inplace=True)
        if keep_schema:
            net._input_record = _renamed(self._input_record, remap, net)
            net._output_record = _renamed(self._output_record, remap, net)
        net._attr_dict.update(self._attr_dict)
        return net

    def ClonePartial(self, name, inputs, outputs, remap_funcs=None):
        """The part of the net that computes `outputs` from `inputs`, whose own blobs get the name as a prefix; and the outputs in it.

        inputs: a list of blobs, or a dict (or pairs) that gives them other names.
        """
        pairs = isinstance(inputs, list) and all(isinstance(i, tuple) and len(i) == 2 for i in inputs)
        given = {
            str(k): str(v)
            for k, v in (dict(inputs) if pairs or isinstance(inputs, dict) else dict(zip(inputs, inputs))).items()
        }
        for output in outputs:
            assert self.BlobIsDefined(output), f"{output} is not defined"
        ssa, versions = get_ssa(self._net, dict.fromkeys(given, 0))
        used = get_op_ids_in_path(ssa, versions, given, outputs)
        assert not set(used) & set(get_op_ids_in_path(ssa, versions, [], given)), (
            "Cannot partially clone net: some of the ops required would generate the given input."
        )
        undefined = get_undefined_blobs([ssa[k] for k in used]) - set(given)
        prefix = f"{name}/" if name else ""
        remap = {b: given.get(b, b if b in undefined else prefix + b) for b in versions}
        net = self.Clone(name, remap, used, remap_funcs)
        net._net.external_input[:] = [*given.values(), *sorted(undefined)]
        net._net.external_output[:] = [remap[str(o)] for o in outputs]
        net._InvalidateLookupTables()
        return net, [net.GetBlobRef(o) for o in net._net.external_output]

    def AppendNet(self, net, device_option=None):
        """Adds another net's operators at the end."""
        assert isinstance(net, Net), f"expected a Net, got {type(net).__name__}"
        proto = net._net
        self._net.external_input.extend([i for i in proto.external_input if not self.BlobIsDefined(i)])
        self._net.external_output.extend([o for o in proto.external_output if o not in self._net.external_output])
        ops = proto.op
        if device_option is not None:
            ops = [copy.deepcopy(op) for op in ops]
            inner = [o for op in ops if op.type == "RecurrentNetwork" for n in _step_nets(op) for o in n.op]
            for op in [*ops, *inner]:
                op.device_option.CopyFrom(device_option)
        self._ExtendOps(ops)
        self._InvalidateLookupTables()
        return self

    # ---- devices

    def RunAllOnGPU(self, gpu_id=0, use_cudnn=False):
        """Marks the net, and the nets of its recurrent operators, for a GPU."""
        nets = [self._net]
        for net in nets:
            net.device_option.CopyFrom(DeviceOption(workspace.GpuDeviceType, gpu_id))
            for op in net.op:
                if use_cudnn:
                    op.engine = "CUDNN"
                if op.type == "RecurrentNetwork":
                    nets.extend(_step_nets(op, exactly=True))

    def RunAllOnMKL(self):
        self._net.device_option.CopyFrom(DeviceOption(caffe2_pb2.MKLDNN))

    def RunAllOnIDEEP(self):
        self._net.device_option.CopyFrom(DeviceOption(caffe2_pb2.IDEEP))

    # ---- observers

    def AddObserver(self, observer_type):
        """Times the net's runs from now on: "TimeObserver". See workspace.TimeObserver."""
        return workspace._observe(self.Name(), observer_type)

    def RemoveObserver(self, observer):
        workspace._observers[self.Name()].remove(observer)

    def NumObservers(self):
        return len(workspace._observers.get(self.Name(), ()))


def _step_nets(op, exactly=False):
    return [a.n for a in op.arg if (a.name == "step_net" if exactly else a.name.endswith("step_net"))]


def _caller():
    """File, line and function of the code that adds an operator."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("rushlight.caffe2."):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name


def _renamed(record, remap, net):
    """The record with the names that the blobs have in a copy."""
    from rushlight.caffe2.python import schema

    if record is None:
        return None
    return schema.from_blob_list(record, [BlobReference(remap.get(str(b), str(b)), net) for b in record.field_blobs()])


def _record_of(names, prefix):
    from rushlight.caffe2.python import schema

    columns = [n[len(prefix) :] for n in names if n.startswith(prefix)]
    if not columns:
        return None
    return schema.from_column_list(columns, col_blobs=[BlobReference(prefix + c) for c in columns])


def _set_external(proto):
    """External inputs and outputs: what operators read and none made before, and what they make and none reads behind."""
    made, read = {}, set()
    inputs = []
    for op in proto.op:
        for i in op.input:
            (inputs.append if i not in made else read.add)(i)
        made.update(dict.fromkeys(op.output))
    proto.external_input[:] = list(dict.fromkeys(inputs))
    proto.external_output[:] = [o for o in made if o not in read]
