"""caffe2.python.core: which devices blobs are on, and the copies between devices that nets lack."""

from __future__ import annotations

from rushlight.caffe2.proto import caffe2_pb2
from rushlight.caffe2.python._net import Net
from rushlight.caffe2.python._references import DeviceScope, IsGPUDeviceType

_CPU = caffe2_pb2.CPU

# Inputs and outputs that are on the CPU wherever the operator runs, by their places; "all" for each of them.
_CPU_INPUTS = {
    "Adam": (5,),
    "SplitByLengths": (1,),
    "Split": (1,),
    "Reshape": (1,),
    "CopyCPUToGPU": "all",
    "CopyFromCPUInput": "all",
}
_CPU_OUTPUTS = {
    "Concat": (1,),
    "Reshape": (1,),
    "CopyGPUToCPU": "all",
    "EnsureCPUOutput": "all",
}


def InferBlobDevices(net):
    """The device of each blob that the net makes: that of the last operator that makes it."""
    return {b: op.device_option for op in net.Proto().op for b in op.output}


def InferOpBlobDevices(op):
    """Devices of an operator's inputs and of its outputs."""

    def devices(blobs, on_cpu):
        places = range(len(blobs)) if on_cpu == "all" else on_cpu
        return [_copied() if k in places else _copied(op.device_option) for k in range(len(blobs))]

    return devices(op.input, _CPU_INPUTS.get(op.type, ())), devices(op.output, _CPU_OUTPUTS.get(op.type, ()))


def InferOpBlobDevicesAsDict(op):
    inputs, outputs = InferOpBlobDevices(op)
    return dict(zip(op.input, inputs)), dict(zip(op.output, outputs))


def InferOpDeviceAsBlobDevices(op):
    """The same, for an operator whose blobs are all where it is."""
    return [op.device_option] * len(op.input), [op.device_option] * len(op.output)


def _copied(option=None):
    out = caffe2_pb2.DeviceOption()
    if option is not None:
        out.CopyFrom(option)
    return out


def device_equal(src, dst):
    return (src.device_type, src.device_id) == (dst.device_type, dst.device_id)


def copy_func_between_devices(src, dst):
    """A function (net, blob, name) that adds the operator that copies a blob; None where both are one device."""
    from_gpu, to_gpu = IsGPUDeviceType(src.device_type), IsGPUDeviceType(dst.device_type)
    if not (from_gpu or src.device_type == _CPU) or not (to_gpu or dst.device_type == _CPU):
        raise ValueError(f"Non-supported devices: {src} and {dst}")
    if from_gpu == to_gpu and (not from_gpu or src.device_id == dst.device_id):
        return None
    kind, device = ("Copy" if from_gpu else "CopyCPUToGPU", dst) if to_gpu else ("CopyGPUToCPU", src)

    def add(net, *args, **kwargs):
        with DeviceScope(device):
            return getattr(net, kind)(*args, **kwargs)

    return add


def update_placeholder_op_output(op, blob_to_device):
    """Has an operator that stands for a transfer write blobs of the CPU."""
    elsewhere = {o for o in op.output if o in blob_to_device and blob_to_device[o].device_type != _CPU}
    op.output[:] = [o + "_cpu" if o in elsewhere else o for o in op.output]


class RemapEntry:
    """A blob on a device, as a key."""

    def __init__(self, blob, device):
        self.blob, self.device = blob, device

    def __eq__(self, other):
        return self.blob == other.blob and self.device == other.device

    def __hash__(self):
        return hash(self.blob + str(self.device))


def _name_on(blob, device):
    if device.device_type == _CPU:
        return blob + "_cpu"
    return f"{blob}_gpu_{device.device_id}"


def InjectCrossDeviceCopies(net, blob_to_device=None, blob_remap=None, placeHolderOps=None):
    """A net with copies of blobs where an operator wants them on another device, and the devices of all blobs.

    Args:
        blob_to_device: where external inputs are; else they are where the net is.
        blob_remap: copies that are there already: names by RemapEntry.
        placeHolderOps: types of operators that stand for something else, and whose blobs are where they are.
    """
    blob_to_device = {} if blob_to_device is None else blob_to_device
    blob_remap = {} if blob_remap is None else blob_remap
    new_net = net.Clone(net.Name() + "_cross_device", keep_schema=True)
    proto = new_net.Proto()
    del proto.op[:]
    there = [name for i in proto.external_input for entry, name in blob_remap.items() if entry.blob == i]
    proto.external_input.extend(there)
    for op in net.Proto().op:
        placeholder = op.type in (placeHolderOps or ())
        inputs, outputs = InferOpDeviceAsBlobDevices(op) if placeholder else InferOpBlobDevices(op)
        renamed = {}
        for device, blob in zip(inputs, op.input):
            assert net.BlobIsDefined(blob), f"input {blob} should be defined in the net."
            if blob not in blob_to_device:
                if not net.is_external_input(blob):
                    raise AttributeError(f"No device information found for blob {blob}.")
                blob_to_device[blob] = _copied(net.Proto().device_option)
            if device_equal(blob_to_device[blob], device):
                continue
            entry = RemapEntry(blob, device)
            if not (entry in blob_remap and blob_to_device[blob_remap[entry]] == device):
                add = copy_func_between_devices(blob_to_device[blob], device)
                blob_remap[entry] = _name_on(blob, device)
                blob_to_device[blob_remap[entry]] = device
                add(new_net, blob, blob_remap[entry])
            renamed[blob] = blob_remap[entry]
        if placeholder:
            update_placeholder_op_output(op, blob_to_device)
        for device, blob in zip(outputs, op.output):
            if blob in blob_to_device and blob not in op.input and not device_equal(blob_to_device[blob], device):
                raise RuntimeError(
                    f"In-place blob: {blob} is not supported between operators with different device option previous:"
                    f"{blob_to_device[blob]} now: {device}. Failed op:\n {op}"
                )
        new_op = caffe2_pb2.OperatorDef()
        new_op.CopyFrom(op)
        new_op.input[:] = [renamed.get(b, b) for b in op.input]
        new_op.output[:] = [renamed.get(b, b) if b in op.input else b for b in op.output]
        blob_to_device.update(zip(new_op.output, outputs))
        new_net.extend_ops([new_op])
    return new_net, blob_to_device


def InjectDeviceCopiesAmongNets(nets, blob_to_device_init=None):
    """The same for nets that run one after the other: blobs that one leaves are where the next finds them."""
    assert isinstance(nets, list), f"nets {nets} should be a list of nets."
    assert all(isinstance(net, Net) for net in nets), f"nets {nets} should be a list of nets."
    blob_to_device, blob_remap = blob_to_device_init or {}, {}
    made = []
    for net in nets:
        new_net, blob_to_device = InjectCrossDeviceCopies(net, blob_to_device=blob_to_device, blob_remap=blob_remap)
        made.append(new_net)
    return made, blob_to_device


def InjectDeviceCopiesAmongNetsWithoutB2D(nets, blob_to_device_init=None):
    return InjectDeviceCopiesAmongNets(nets, blob_to_device_init)[0]
