"""caffe2.python.recurrent: a step net that runs along time, with its gradient."""

from __future__ import annotations

from rushlight.caffe2.python import core, utils, workspace


def recurrent_net(
    net, cell_net, inputs, initial_cell_inputs, links, timestep=None, scope=None, outputs_with_grads=(0,), recompute_blobs_on_backward=None, forward_only=False
):  # fmt: skip
    """Adds a RecurrentNetwork operator.

    Args:
        net, cell_net: the net that gets the operator, and what one step computes. External inputs of the step that are neither inputs nor
            states are blobs of `net`; its external outputs may have gradients.
        inputs: one pair (name in the step net, sequence of the outer net: time, batch, ...).
        initial_cell_inputs: pairs (name of a state in the step net, its first value).
        links: for each state in the step net the blob that is its next value.
        timestep: the step net's blob that says which step it is.
        scope: what the names of helper blobs begin with.
        outputs_with_grads: which of the outputs a loss depends on: 0 all of the first state, 1 its last, 2 and 3 of the second.
        recompute_blobs_on_backward: blobs of the step that the backward pass computes again, rather than find them kept.
        forward_only: no gradient.
    Returns:
        for each state its values at all times and the last one.
    """
    assert len(inputs) == 1, "Only one input blob is supported so far"
    scope = net.NextName("recurrent") if scope is None else scope
    timestep = "timestep" if timestep is None else str(timestep)
    step = cell_net.Proto()
    step.type = "simple"
    states = [str(s) for s, _ in initial_cell_inputs]
    nexts = {str(k): v for k, v in links.items()}
    # A state at all times is one blob, a row longer than the sequence.
    rows = {s: f"{scope}/{s}_states" for s in states}

    given = {str(b) for pair in (*inputs, *initial_cell_inputs) for b in pair[:1]} | {
        str(b) for _, b in initial_cell_inputs
    }
    outside = [core.BlobReference(b) for b in step.external_input if b not in given and b != timestep]
    order = [outer for _, outer in (*inputs, *initial_cell_inputs)] + outside

    link = [(b, rows[s], at) for s in states for b, at in ((s, 0), (nexts[s], 1))]
    link += [(inner, outer, 0) for inner, outer in inputs]
    outputs = [nexts[s] + suffix for s in states for suffix in ("_all", "_last")]
    args = {
        **_columns(("alias_src", "alias_dst", "alias_offset"), zip([rows[s] for s in states for _ in "al"], outputs, [1, -1] * len(states), strict=True)),
        **_columns(("link_internal", "link_external", "link_offset"), link),
        "recurrent_states": list(rows.values()),
        "initial_recurrent_state_ids": [order.index(first) for _, first in initial_cell_inputs],
        "enable_rnn_executor": 1, "step_net": step, "timestep": timestep,
    }  # fmt: skip
    if not forward_only:
        recomputed = sorted({str(b) for b in recompute_blobs_on_backward or ()})
        backward, grads = _backward_step(cell_net, [f"{nexts[s]}_grad" for s in states], recomputed)
        link = []
        for s in states:
            # Where no operator of the step makes a state's gradient, it is the gradient of something else, passed on.
            own = f"{s}_grad"
            link += [
                (f"{nexts[s]}_grad", f"{rows[s]}_grad", 1),
                (own if _is_made(backward, own) else grads[s], f"{rows[s]}_grad", 0),
            ]
        link += [(grads[str(inner)], f"{outer}_grad", 0) for inner, outer in inputs]
        params = [b for b in outside if str(b) in grads]
        args.update(
            _columns(("backward_link_internal", "backward_link_external", "backward_link_offset"), link),
            param=[order.index(p) for p in params], param_grads=[str(grads[str(p)]) for p in params],
            outputs_with_grads=list(outputs_with_grads), recompute_blobs_on_backward=recomputed,
        )  # fmt: skip
        if backward.op:
            args["backward_step_net"] = backward
    return net.RecurrentNetwork(order, [*outputs, f"{scope}/step_workspaces"], **args)[:-1]


def _columns(names, triples):
    columns = list(zip(*triples)) or [()] * 3
    return {name: [c if isinstance(c, int) else str(c) for c in column] for name, column in zip(names, columns)}


def _is_made(proto, blob):
    return any(blob in op.output for op in proto.op)


def _backward_step(cell_net, received, recomputed):
    """The net of a step's gradient operators, and the gradient of each blob of the step. `received`: gradients that come from the step after."""
    step = cell_net.Proto()
    ops, grads = core.GradientRegistry.GetBackwardPass(list(step.op), {o: o + "_grad" for o in step.external_output})
    grads = {str(k): v for k, v in grads.items()}
    again = [op for op in step.op if set(op.output) & set(recomputed)]
    assert all(set(op.output) <= set(recomputed) for op in again), (
        f"recompute_blobs_on_backward: an operator makes others than {recomputed}"
    )
    net = core.Net("RecurrentBackwardStep")
    backward = net.Proto()
    backward.type = "simple"
    backward.op.extend([*again, *ops])
    undefined = core.get_undefined_blobs(core.get_ssa(backward)[0])
    kept = dict.fromkeys(b for op in step.op for b in op.output if b in undefined and b not in step.external_output)
    backward.external_input.extend(kept)
    backward.external_input.extend([*received, *step.external_input, *step.external_output])
    # What comes from the outside and from later operators of the step adds up.
    made = list(backward.op)
    del backward.op[:]
    for op in made:
        backward.op.extend([op])
        for place, blob in enumerate(op.output):
            if blob in received and blob not in op.input:
                backward.op[-1].output[place] = f"{blob}_accum"
                net.Sum([core.BlobReference(blob), core.BlobReference(f"{blob}_accum")], [core.BlobReference(blob)])
    return backward, grads


def set_rnn_executor_config(rnn_op, num_threads=None, max_cuda_streams=None):
    """How many threads and streams Caffe2's executor of steps may use: kept in nets, and without effect here."""
    assert rnn_op.type in {"RecurrentNetwork", "RecurrentNetworkGradient"}
    for name, value in (("num_threads", num_threads), ("max_cuda_streams", max_cuda_streams)):
        if value is not None:
            rnn_op.arg.extend([utils.MakeArgument(f"rnn_executor.{name}", value)])


def retrieve_step_blobs(net, prefix="rnn"):
    """Copies the blobs of each step of a net that has run into the workspace; returns their names."""
    names = []
    recurrent = [op for op in net.Proto().op if op.type == "RecurrentNetwork"]
    for count, op in enumerate(recurrent, 1):
        fetched = f"{prefix}_{count}"
        workspace.RunOperatorOnce(
            core.CreateOperator("RecurrentNetworkBlobFetcher", [op.output[-1]], [fetched], prefix=prefix)
        )
        names += workspace.FetchBlob(fetched).tolist()
    return names
