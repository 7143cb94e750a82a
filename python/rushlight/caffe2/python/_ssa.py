"""caffe2.python.core: versions of blobs, and copies of nets under other names."""

from __future__ import annotations

from rushlight.caffe2.proto import caffe2_pb2
from rushlight.caffe2.python._references import BlobReference


def get_ssa(net, blob_versions=None):
    """Versions of the inputs and outputs of a net's operators: a list of ([(blob, version)...], [(blob, version)...]), and the last versions."""
    proto = net.Proto() if hasattr(net, "Proto") else net
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
