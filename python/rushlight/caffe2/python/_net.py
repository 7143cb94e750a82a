"""caffe2.python.core: nets that are being built."""

from __future__ import annotations

import collections
import copy
import functools

import numpy as np

from rushlight import _caffe2
from rushlight.caffe2.proto import caffe2_pb2
from rushlight.caffe2.python import workspace
from rushlight.caffe2.python._gradients import _plain, _wrapped
from rushlight.caffe2.python._references import (
    BlobReference,
    CreateOperator,
    DeviceOption,
    IsOperator,
    ScopedBlobReference,
    ScopedName,
    _near,
    _RectifyInputOutput,
    _registered,
    _RegisterPythonImpl,
)
from rushlight.caffe2.python._ssa import _get_blob_ref, get_op_ids_in_path, get_ssa


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
        refs = self.AddExternalInput(*[ScopedBlobReference(str(b)) for b in inputs])
        return refs if isinstance(refs, list) else [refs]

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
        if workspace.IsImmediate():
            workspace.RunOperatorImmediate(op)
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
        """A copy under another name; blobs in blob_remap are called otherwise. op_id_mask: the operators to copy; None: all."""
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
        if update_external_list:  # what these operators read and none of them makes, and what they make for outside
            made, read = set(), []
            for op in ops:
                read += [b for b in op.input if b not in made and b not in read]
                made.update(op.output)
            proto.external_input[:] = read
            proto.external_output[:] = [b for b in proto.external_output if b in made]
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
            workspace too. grad_f: the same with the inputs, outputs and gradients of the outputs (of those in `grad_output_indices`) as its
            inputs, and gradients of the inputs (of those in `grad_input_indices`) as its outputs.
        """
        token = _RegisterPythonImpl(f, grad_f, python_func_type, pass_workspace)

        def add(inputs=(), outputs=(), **kwargs):
            return self._CreateAndAddToSelf(
                "Python", inputs, outputs, token=token, grad_output_indices=grad_output_indices,
                grad_input_indices=grad_input_indices, **kwargs,
            )  # fmt: skip

        return add

    def is_external_input(self, blob):
        return str(blob) in self._net.external_input

    def AddObserver(self, observer_type):
        """Times the net's runs from now on: "TimeObserver". See workspace.TimeObserver."""
        return workspace._observe(self.Name(), observer_type)

    def RemoveObserver(self, observer):
        workspace._observers[self.Name()].remove(observer)

    def NumObservers(self):
        return len(workspace._observers.get(self.Name(), ()))

    def extend_ops(self, new_ops):
        self._ExtendOps(new_ops)
