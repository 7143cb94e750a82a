"""Caffe2's nets as modules."""

from __future__ import annotations

import rushlight
from rushlight import _caffe2
from rushlight.caffe2.proto import caffe2_pb2


def _net(thing):
    if hasattr(thing, "Proto"):
        return thing.Proto()
    if isinstance(thing, (bytes, bytearray)):
        return caffe2_pb2.NetDef.FromString(bytes(thing))
    return thing


def to_module(init_net, predict_net):
    """An ``nn.Module`` of a net and the net that fills its parameters: it runs, trains and traces as others do.

    Args:
        init_net, predict_net: NetDefs, nets of ``core`` or their binary form. What `init_net` fills and `predict_net` reads become parameters
            (of floating point) and buffers; the other external inputs are the arguments of ``forward``, in their order.

    >>> from rushlight.caffe2.python import core
    >>> init, net = core.Net("init"), core.Net("net")
    >>> _ = init.ConstantFill([], "w", shape=[2, 3], value=1.0), init.ConstantFill([], "b", shape=[2])
    >>> _ = net.FC(["x", "w", "b"], "y")
    >>> net.Proto().external_output.append("y")
    >>> module = to_module(init, net)
    >>> module(torch.ones(1, 3)).detach()
    tensor([[3., 3.]])
    """
    return _CaffeModule(_net(init_net), _net(predict_net))


class _CaffeModule(rushlight.nn.Module):
    """What to_module gives; ``net`` is the NetDef."""

    def __init__(self, init, net):
        super().__init__()
        workspace = _caffe2.Workspace(".")
        workspace.run_net_once(init)
        self.net = caffe2_pb2.NetDef()
        self.net.CopyFrom(net)
        made = set()
        read = []
        for op in net.op:
            read += [i for i in op.input if i not in made and i not in read]
            made.update(op.output)
        order = [i for i in net.external_input if i in read] + [i for i in read if i not in net.external_input]
        self._names, self.inputs = {}, []
        for name in order:
            if not workspace.has(name) or not isinstance(workspace.fetch(name), rushlight.Tensor):
                self.inputs.append(name)
                continue
            value = workspace.fetch(name).clone()
            attribute = name.replace(".", "_").replace("/", "_")
            while attribute in self._names or hasattr(self, attribute):
                attribute += "_"
            self._names[attribute] = name
            if value.is_floating_point():
                self.register_parameter(attribute, rushlight.nn.Parameter(value))
            else:
                self.register_buffer(attribute, value)
        if not self.net.external_output:
            used = {i for op in net.op for i in op.input}
            self.net.external_output.extend(
                o for o in dict.fromkeys(o for op in net.op for o in op.output) if o not in used
            )

    def forward(self, *inputs):
        if len(inputs) != len(self.inputs):
            raise RuntimeError(
                f"{self.net.name or 'the net'}: expected {len(self.inputs)} inputs ({', '.join(self.inputs)}), got {len(inputs)}"
            )
        blobs = {name: getattr(self, attribute) for attribute, name in self._names.items()}
        blobs.update(zip(self.inputs, inputs))
        out = _caffe2.forward(self.net, blobs)
        return out[0] if len(out) == 1 else tuple(out)
