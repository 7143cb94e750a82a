"""caffe2.python.rnn_cell: LSTM as a recurrent net."""

from __future__ import annotations

from rushlight.caffe2.python import brew, core, model_helper, recurrent
from rushlight.caffe2.python import scope as scopes


class _StepModel(model_helper.ModelHelper):
    """The step's operators in a net of their own; its parameters are the model's."""

    def __init__(self, name, model):
        super().__init__(name=name, param_model=model)
        self._arg_scope = model.arg_scope


def _at(prefix, name):
    return core.BlobReference(prefix + name)


def LSTM(
    model, input_blob, seq_lengths, initial_states, dim_in, dim_out, scope=None, outputs_with_grads=(0,), return_params=False,
    memory_optimization=False, forget_bias=0.0, forward_only=False, drop_states=False, return_last_layer_only=True, static_rnn_unroll_size=None,
):  # fmt: skip
    """An LSTM over a sequence.

    Args:
        input_blob: (time, batch, dim_in).
        seq_lengths: how long each sequence of the batch is, int32; None: all as long as the input.
        initial_states: blobs of the first hidden state and the first cell state, (1, batch, dim_out).
        scope: what names begin with.
    Returns:
        hidden states at all times and the last one, cell states at all times and the last one.
    """
    prefix = scopes.CurrentNameScope() + (scope + "/" if scope else "")
    step_name = scope or "lstm"
    hidden0, cell0 = initial_states
    with scopes.EmptyNameScope():
        projected = brew.fc(model, input_blob, prefix + "i2h", dim_in=dim_in, dim_out=4 * dim_out, axis=2)
        step = _StepModel(step_name, model)
        hidden_prev, cell_prev = _at(prefix, "hidden_t_prev"), _at(prefix, "cell_t_prev")
        gates = brew.fc(step, hidden_prev, prefix + "gates_t", dim_in=dim_out, dim_out=4 * dim_out, axis=2)
        step.net.Sum([gates, core.BlobReference("input_t")], gates)
        inputs = [
            hidden_prev,
            cell_prev,
            gates,
            *([seq_lengths] if seq_lengths is not None else []),
            core.BlobReference("timestep"),
        ]
        hidden, cell = step.net.LSTMUnit(
            inputs, [prefix + "hidden_state", prefix + "cell_state"], forget_bias=float(forget_bias), drop_states=drop_states,
            sequence_lengths=seq_lengths is not None,
        )  # fmt: skip
        step.net.Proto().type = "simple"
    out = recurrent.recurrent_net(
        model.net, step.net, [("input_t", projected)], [(hidden_prev, hidden0), (cell_prev, cell0)], {hidden_prev: hidden, cell_prev: cell},
        timestep="timestep", scope=scope, outputs_with_grads=outputs_with_grads, forward_only=forward_only,
    )  # fmt: skip
    states = out[:4]
    if return_params:
        return (
            *states,
            {
                "gates": {"weights": prefix + "gates_t_w", "biases": prefix + "gates_t_b"},
                "input": {"weights": prefix + "i2h_w", "biases": prefix + "i2h_b"},
            },
        )
    return states
