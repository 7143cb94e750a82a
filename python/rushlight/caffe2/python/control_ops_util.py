"""caffe2.python.control_ops_util: If and While operators of nets, whose own blobs end with them.

>>> import numpy as np
>>> from rushlight.caffe2.python import core, workspace
>>> from rushlight.caffe2.python.control_ops_util import add_if_op
>>> net, then = core.Net("outer"), core.Net("then")
>>> x, yes = net.Const(np.float32(3)), net.Const(True)
>>> _ = then.Sqr(then.Sqr(x, "square"), x)
>>> add_if_op(net, yes, {str(x), str(yes)}, then)
>>> _ = workspace.RunNetOnce(net)
>>> float(workspace.FetchBlob(x)), workspace.HasBlob("square")
(81.0, False)
"""

from __future__ import annotations

from rushlight.caffe2.python import core


def get_external_blob_names(net, lexical_scope):
    """What a net reads before it makes it, which has to be in the scope, and what of the scope it writes: two sets of names."""
    ssa, _ = core.get_ssa(net.Proto())
    inputs = core.get_undefined_blobs(ssa)
    scope = {str(b) for b in lexical_scope}
    for name in inputs:
        assert name in scope, f"Input blob {name} is undefined"
    return inputs, {o for op in net.Proto().op for o in op.output if o in scope}


def _refs(names):
    return [core.BlobReference(n) for n in names]


def _in_order(net, inputs, outputs):
    """The names in the order that the net's operators have them."""
    named = list(dict.fromkeys(b for op in net.Proto().op for b in [*op.input, *op.output]))
    return [b for b in named if b in inputs], [b for b in named if b in outputs]


class _Scoped:
    """A net of one Do operator, that runs a net in a workspace of its own: the blobs of `inputs` and `outputs` are the outer ones."""

    def __init__(self, outer, name, stack, net, inputs, outputs, **arguments):
        self.inputs, self.outputs = inputs, outputs
        # The workspaces that are kept for the gradient.
        self.workspaces = outer.NextScopedBlob(f"{outer.Name()}/{stack}")
        bound = list(dict.fromkeys([*inputs, *outputs]))
        places = [[*inputs, *outputs].index(b) for b in bound]
        self.net = core.Net(name)
        outs = [*_refs(outputs), self.workspaces]
        self.net.Do(
            [*_refs(inputs), self.workspaces],
            outs,
            net=net.Proto(),
            inner_blobs=bound,
            outer_blobs_idx=places,
            **arguments,
        )
        self.net.AddExternalOutput(*outs)


def _add(net, kind, condition, parts, inputs, outputs, nets):
    for part in parts:
        net.CreateScope([], [part.workspaces])
    stacks = [part.workspaces for part in parts]
    outs = [*_refs(outputs), *stacks]
    getattr(net, kind)([condition, *_refs(i for i in inputs if i != str(condition)), *stacks], outs, **nets)
    net.AddExternalOutput(*outs)


def add_if_op(if_net, cond_blob, lexical_scope, then_net, else_net=None):
    """Adds an If operator.

    Args:
        cond_blob: a blob of one bool. lexical_scope: names of the blobs of if_net that the nets may read and write; all others are theirs.
        then_net, else_net: what runs where it is true, and where it isn't.
    """
    parts, inputs, outputs, nets = [], {}, {}, {}
    for branch, net in (("then", then_net), ("else", else_net)):
        if net is None:
            continue
        reads, writes = _in_order(net, *get_external_blob_names(net, lexical_scope))
        part = _Scoped(if_net, f"do_{branch}_net", f"workspace_if_{branch}", net, reads, writes)
        nets[f"{branch}_net"] = part.net.Proto()
        parts.append(part)
        inputs.update(dict.fromkeys(reads))
        outputs.update(dict.fromkeys(writes))
    _add(if_net, "If", cond_blob, parts, inputs, outputs, nets)


def add_while_op(while_net, cond_blob, lexical_scope, loop_body_net, condition_body_net=None):
    """Adds a While operator.

    Args:
        cond_blob: a blob of one bool. lexical_scope: names of the blobs of while_net that the nets may read and write; all others are theirs.
        loop_body_net: what runs in each round. condition_body_net: what computes cond_blob before each round; else the body does.
    """
    reads, writes = get_external_blob_names(loop_body_net, lexical_scope)
    # There may be no round at all: what the body writes is as it was then.
    reads, writes = _in_order(loop_body_net, reads | writes, writes)
    body = _Scoped(
        while_net, "do_loop_body_net", "workspace_loop_body", loop_body_net, reads, writes, copy_external_blobs=True
    )
    parts, nets = [body], {"loop_net": body.net.Proto()}
    inputs, outputs = dict.fromkeys(reads), dict.fromkeys(writes)
    if condition_body_net is not None:
        made = {o for op in condition_body_net.Proto().op for o in op.output}
        assert str(cond_blob) in made, "Condition net does not write into condition blob"
        reads, writes = get_external_blob_names(condition_body_net, lexical_scope)
        reads, writes = _in_order(condition_body_net, reads, writes | {str(cond_blob)})
        test = _Scoped(while_net, "do_loop_condition_net", "workspace_loop_cond", condition_body_net, reads, writes)
        parts.append(test)
        nets["cond_net"] = test.net.Proto()
        inputs.update(dict.fromkeys(reads))
        outputs.update(dict.fromkeys(writes))
        if str(cond_blob) not in {str(b) for b in lexical_scope}:
            while_net.ConstantFill([], cond_blob, dtype=core.DataType.BOOL, value=False)
    _add(while_net, "While", cond_blob, parts, inputs, outputs, nets)
