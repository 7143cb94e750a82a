"""caffe2.python.recurrent: a step net that runs along time, with its gradient."""

from __future__ import annotations

from rushlight.caffe2.python import core, utils
from rushlight.caffe2.python import scope as scopes


def recurrent_net(
    net, cell_net, inputs, initial_cell_inputs, links, timestep=None, scope=None, outputs_with_grads=(0,), recompute_blobs_on_backward=None, forward_only=False
):  # fmt: skip
    """Adds a RecurrentNetwork operator.

    Args:
        net, cell_net: the net that gets the operator, and what one step computes.
        inputs: pairs (name in the step net, sequence of the outer net).
        initial_cell_inputs: pairs (name of a state in the step net, its first value).
        links: for each state in the step net the blob that is its next value.
        outputs_with_grads: which of the outputs a loss depends on: 0 all of the first state, 1 its last, 2 and 3 of the second.
    Returns:
        the outputs: for each state its values at all times and the last one; and the workspaces of the steps.
    """
    name = scopes.CurrentNameScope() + (scope or "")
    prefix = (name + "/") if name else ""
    timestep = str(timestep) if timestep is not None else "timestep"
    step = cell_net.Proto()
    states = [str(s) for s, _ in initial_cell_inputs]
    nexts = {str(k): str(v) for k, v in links.items()}
    known = {str(i) for i, _ in inputs} | set(states) | {timestep}
    made = set()
    outside = []
    for op in step.op:
        outside += [i for i in op.input if i not in made and i not in known and i not in outside]
        made.update(op.output)
    order = [str(s) for _, s in inputs] + [str(v) for _, v in initial_cell_inputs] + outside

    link_internal, link_external, link_offset, aliases, recurrent = [], [], [], [], []
    outputs = []
    for state, _ in initial_cell_inputs:
        states_blob = f"{prefix}{state}_states"
        recurrent.append(states_blob)
        link_internal += [str(state), nexts[str(state)]]
        link_external += [states_blob, states_blob]
        link_offset += [0, 1]
        every, last = nexts[str(state)] + "_all", nexts[str(state)] + "_last"
        aliases += [(states_blob, every, 1), (states_blob, last, -1)]
        outputs += [every, last]
    for inner, outer in inputs:
        link_internal.append(str(inner))
        link_external.append(str(outer))
        link_offset.append(0)

    args = {
        "alias_src": [a for a, _, _ in aliases], "alias_dst": [b for _, b, _ in aliases], "alias_offset": [c for _, _, c in aliases],
        "recurrent_states": recurrent, "initial_recurrent_state_ids": [order.index(str(v)) for _, v in initial_cell_inputs],
        "link_internal": link_internal, "link_external": link_external, "link_offset": link_offset, "step_net": step, "timestep": timestep,
    }  # fmt: skip
    if not forward_only:
        starts = {nexts[s]: nexts[s] + "_grad" for s in states}
        ops, grads = core.GradientRegistry.GetBackwardPass(list(step.op), starts)
        backward = core.Net("RecurrentBackwardStep")
        backward.Proto().op.extend(ops)
        backward.Proto().type = "simple"
        internal, external, offset = [], [], []
        for state, states_blob in zip(states, recurrent):
            internal += [nexts[state] + "_grad", str(grads[state])]
            external += [states_blob + "_grad"] * 2
            offset += [1, 0]
        for inner, outer in inputs:
            if inner in grads:
                internal.append(str(grads[inner]))
                external.append(str(outer) + "_grad")
                offset.append(0)
        params = [p for p in outside if p in grads]
        args.update(
            param=[order.index(p) for p in params], backward_link_internal=internal, backward_link_external=external, backward_link_offset=offset,
            outputs_with_grads=list(outputs_with_grads), param_grads=[str(grads[p]) for p in params], backward_step_net=backward.Proto(),
        )  # fmt: skip
    operator = core.CreateOperator("RecurrentNetwork", [], [], arg=[utils.MakeArgument(k, v) for k, v in args.items()])
    operator.input.extend(order)
    operator.output.extend([*outputs, f"{prefix}step_workspaces"])
    for blob in order:
        if not net.BlobIsDefined(blob):
            net.AddExternalInput(core.BlobReference(blob))
    net.Proto().op.extend([operator])
    return tuple(core.BlobReference(o, net) for o in operator.output)
