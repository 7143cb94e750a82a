"""caffe2.python.gru_cell: GRU as a recurrent net."""

from __future__ import annotations

from rushlight.caffe2.python import brew, core, recurrent
from rushlight.caffe2.python import scope as scopes
from rushlight.caffe2.python.rnn_cell import _at, _StepModel


def GRU(
    model, input_blob, seq_lengths, initial_states, dim_in, dim_out, scope=None, outputs_with_grads=(0,), return_params=False,
    memory_optimization=False, forget_bias=0.0, forward_only=False, drop_states=False, return_last_layer_only=True, static_rnn_unroll_size=None,
    linear_before_reset=False,
):  # fmt: skip
    """A GRU over a sequence.

    Args:
        input_blob: (time, batch, dim_in).
        seq_lengths: how long each sequence of the batch is, int32; None: all as long as the input.
        initial_states: a blob of the first hidden state, (1, batch, dim_out), or a list of it.
        scope: what names begin with.
        linear_before_reset: the reset gate is applied behind the hidden state's linear map, not before it.
    Returns:
        hidden states at all times, and the last one.
    """
    prefix = scopes.CurrentNameScope() + (scope + "/" if scope else "")
    (hidden0,) = initial_states if isinstance(initial_states, (list, tuple)) else [initial_states]
    with scopes.EmptyNameScope():
        projected = brew.fc(model, input_blob, prefix + "i2h", dim_in=dim_in, dim_out=3 * dim_out, axis=2)
        step = _StepModel(scope or "gru", model)
        net = step.net
        hidden_prev = _at(prefix, "hidden_t_prev")

        def fc(x, name):
            return brew.fc(step, x, prefix + name, dim_in=dim_out, dim_out=dim_out, axis=2)

        parts = net.Split(
            [core.BlobReference("input_t")], [prefix + f"input_t_{k}" for k in ("reset", "update", "output")], axis=2
        )
        reset, update = fc(hidden_prev, "reset_gate_t"), fc(hidden_prev, "update_gate_t")
        net.Sum([reset, parts[0]], reset)
        opened = net.Sigmoid(reset, prefix + "reset_gate_t_sigmoid")
        if linear_before_reset:
            output = net.Mul([opened, fc(hidden_prev, "output_gate_t")], prefix + "output_gate_t_mul")
        else:
            output = fc(net.Mul([opened, hidden_prev], prefix + "modified_hidden_t_prev"), "output_gate_t")
        net.Sum([update, parts[1]], update)
        summed = net.Sum([output, parts[2]], prefix + "output_gate_t_summed")
        gates, _ = net.Concat([reset, update, summed], [prefix + "gates_t", prefix + "_gates_t_concat_dims"], axis=2)
        lengths = [seq_lengths] if seq_lengths is not None else []
        hidden = net.GRUUnit(
            [hidden_prev, gates, *lengths, core.BlobReference("timestep")], prefix + "hidden_state",
            forget_bias=float(forget_bias), drop_states=drop_states, sequence_lengths=seq_lengths is not None,
        )  # fmt: skip
        net.Proto().type = "simple"
    out = recurrent.recurrent_net(
        model.net, net, [("input_t", projected)], [(hidden_prev, hidden0)], {hidden_prev: hidden}, timestep="timestep",
        scope=scope, outputs_with_grads=outputs_with_grads, forward_only=forward_only,
    )  # fmt: skip
    states = out[:2]
    if return_params:
        names = {k: f"{prefix}{k}_gate_t" for k in ("reset", "update", "output")}
        params = {f"{k} gate": {"weights": n + "_w", "biases": n + "_b"} for k, n in names.items()}
        return (*states, {**params, "input": {"weights": prefix + "i2h_w", "biases": prefix + "i2h_b"}})
    return states
