"""Caffe2's nets as modules."""

from __future__ import annotations

from typing import Any

from rushlight import _C
from rushlight.caffe2.proto import caffe2_pb2, metanet_pb2
from rushlight.jit._imported import ImportedModule


def _net(thing: Any) -> Any:
    if hasattr(thing, "Proto"):
        return thing.Proto()
    if isinstance(thing, (bytes, bytearray)):
        return caffe2_pb2.NetDef.FromString(bytes(thing))
    return thing


def to_module(init_net: Any, predict_net: Any) -> ImportedModule:
    """A script module of a net and the net that fills its parameters: it runs, trains, is saved as an archive and exported as others are.

    Args:
        init_net, predict_net: NetDefs, nets of ``core`` or their binary form. What `init_net` fills and `predict_net` reads become parameters
            (of floating point) and buffers, under their names with ``_`` for what an attribute can't have; the other external inputs are
            the arguments of ``forward``, in their order. Where `init_net` fills them all, as exporters for phones do, what the first operator
            works on is the argument. The result is the external outputs; where the net names none, what no operator reads.

    Errors: RuntimeError that names an operator which works on a workspace, as ``If`` or ``Load``, or that rushlight has not.

    >>> from rushlight.caffe2.python import core
    >>> init, net = core.Net("init"), core.Net("net")
    >>> _ = init.ConstantFill([], "w", shape=[2, 3], value=1.0), init.ConstantFill([], "b", shape=[2])
    >>> _ = net.FC(["x", "w", "b"], "y")
    >>> net.Proto().external_output.append("y")
    >>> module = to_module(init, net)
    >>> module(torch.ones(1, 3)).detach()
    tensor([[3., 3.]])
    """
    both = metanet_pb2.MetaNetDef()
    for key, net in (("PREDICT_INIT_NET_TYPE", init_net), ("PREDICT_NET_TYPE", predict_net)):
        entry = both.nets.add()
        entry.key = key
        entry.value.CopyFrom(_net(net))
    name = _net(predict_net).name.encode(errors="replace").decode() or "a net"
    return ImportedModule(_C._import_model("caffe2", both.SerializeToString(), name, ""))


def inputs_of(net: Any) -> list[str]:
    """What operators of a net read and none made before: in the order of its external inputs, then of the operators."""
    made: set[str] = set()
    read: dict[str, None] = {}
    for op in net.op:
        read.update((i, None) for i in op.input if i not in made)
        made.update(op.output)
    return list(dict.fromkeys([i for i in net.external_input if i in read] + list(read)))


def from_module(module: Any, args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """(init net, predict net), two NetDefs, of a module whose operators Caffe2 has: it is traced and written as a model of ONNX on the way.

    Args:
        module, args: as ``rushlight.onnx.export`` takes them: `args` are examples of what ``forward`` takes.
        kwargs: more of its arguments, as `input_names` and `output_names`, which name blobs.
    Errors: NotImplementedError for an operator that ONNX has not, RuntimeError naming a node that Caffe2 has no operator for.

    >>> init, net = from_module(torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU()), (torch.ones(1, 2),))
    >>> [op.type for op in net.op]
    ['FC', 'Relu']
    """
    import io

    import rushlight
    from rushlight.caffe2.python.onnx import backend

    f = io.BytesIO()
    rushlight.onnx.export(module, args, f, opset_version=11, dynamo=False, **kwargs)
    return backend.Caffe2Backend.onnx_graph_to_caffe2_net(f.getvalue())
