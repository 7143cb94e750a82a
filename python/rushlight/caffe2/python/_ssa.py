"""caffe2.python.core: versions of blobs, and copies of nets under other names."""

from __future__ import annotations

from rushlight.caffe2.proto import caffe2_pb2
from rushlight.caffe2.python._references import BlobReference


def get_ssa(net, blob_versions=None):
    """Versions of the inputs and outputs of a net's operators: a list of ([(blob, version)...], [(blob, version)...]), and the last versions."""
    if blob_versions is None:
        blob_versions = {}
    if isinstance(net, list):
        return [get_ssa(n, blob_versions) for n in net], blob_versions
    proto = net if isinstance(net, caffe2_pb2.NetDef) else net.Proto()
    assert isinstance(proto, caffe2_pb2.NetDef)
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
    """Numbers of the operators that lie between inputs and outputs, both in their last versions."""
    given = {(str(i), blob_versions[str(i)]) for i in inputs}
    producers = get_output_producers(ssa)
    queue = [(str(o), blob_versions[str(o)]) for o in outputs]
    used = set()
    while queue:
        at = queue.pop()
        if at in given or at not in producers:
            continue
        op = producers[at]
        if op not in used:
            used.add(op)
            queue.extend(ssa[op][0])
    return sorted(used)


def remap_input(op, blob_name_remapping):
    """Has an operator read other blobs."""
    op.input[:] = [blob_name_remapping.get(b, b) for b in op.input]


def output_to_list(op_output):
    """The outputs of an operator as a list, where there is one or several."""
    assert isinstance(op_output, (list, tuple, BlobReference)), f"expected blobs, got {type(op_output).__name__}"
    return [op_output] if isinstance(op_output, BlobReference) else list(op_output)


# ---- names inside of operators that have nets


def _renamed_net(proto, blob_remap):
    """Other names for the blobs of a net, in place, and for those of the nets of its operators."""
    for op in proto.op:
        op.input[:] = [blob_remap.get(b, b) for b in op.input]
        op.output[:] = [blob_remap.get(b, b) for b in op.output]
        if op.type in DEFAULT_REMAP_FUNCS:
            DEFAULT_REMAP_FUNCS[op.type](op, "", blob_remap)
    proto.external_input[:] = [blob_remap.get(b, b) for b in proto.external_input]
    proto.external_output[:] = [blob_remap.get(b, b) for b in proto.external_output]


def remap_proto(argument, blob_remap):
    """Other names for the blobs of the net that an argument holds."""
    _renamed_net(argument.n, blob_remap)


def recurrent_network_op_remap(op, prefix, blob_remap):
    """Other names for the blobs that the arguments of RecurrentNetwork name."""

    def renamed(name):
        name = name.decode() if isinstance(name, bytes) else name
        return blob_remap.get(name, name).encode()

    for arg in op.arg:
        if arg.strings:
            arg.strings[:] = [renamed(s) for s in arg.strings]
        elif arg.name == "timestep":
            arg.s = renamed(arg.s)
        elif arg.name.endswith("step_net"):
            remap_proto(arg, blob_remap)


def control_op_remap(op, prefix, blob_remap):
    """Other names for the blobs of the nets of If and While."""
    names = ("then_net", "else_net") if op.type in ("If", "AsyncIf") else ("loop_net", "cond_net")
    for arg in op.arg:
        if arg.name in names:
            assert arg.HasField("n"), f"Expected non empty net in {op.type}'s {arg.name} argument"
            remap_proto(arg, blob_remap)
            arg.n.name += "_remapped"


DEFAULT_REMAP_FUNCS = {
    "RecurrentNetwork": recurrent_network_op_remap,
    "RecurrentNetworkGradient": recurrent_network_op_remap,
    "If": control_op_remap,
    "While": control_op_remap,
    "AsyncIf": control_op_remap,
}


def clone_and_bind_net(net, name, prefix, blob_remap=None, inputs=None, keep_schema=True):
    """A copy of a net that reads other inputs, and whose own blobs have a prefix; and the new names.

    Args:
        blob_remap: names of blobs that are settled; the others are added.
        inputs: a record with all the fields of the net's input record.
        keep_schema: whether the copy has the net's records. Otherwise its input record is `inputs`.
    """
    blob_remap = {} if blob_remap is None else blob_remap
    if inputs is not None:
        own = net.input_record()
        assert own is not None, f"the net {net.Name()} has no input record to bind"
        missing = set(own.field_names()) - set(inputs.field_names())
        assert not missing, f"Schemas don't match, extra fields {missing} found in the net {net.Name()}"
        given = dict(zip(inputs.field_names(), inputs.field_blobs()))
        for field, blob in zip(own.field_names(), own.field_blobs()):
            blob_remap[str(blob)] = str(given[field])
    ssa, blob_versions = get_ssa(net.Proto())
    undefined = get_undefined_blobs(ssa)
    for blob in blob_versions:
        if blob not in blob_remap:
            blob_remap[blob] = blob if blob in undefined else prefix + blob
    cloned = net.Clone(name, blob_remap, keep_schema=keep_schema)
    if not keep_schema and inputs:
        cloned.set_input_record(inputs)
    return cloned, blob_remap


def _get_blob_ref(blob_name_or_ref):
    return blob_name_or_ref if isinstance(blob_name_or_ref, BlobReference) else BlobReference(blob_name_or_ref)
