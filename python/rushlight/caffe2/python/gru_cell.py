"""caffe2.python.gru_cell: GRU as a recurrent net."""

from __future__ import annotations

import functools

from rushlight.caffe2.python import rnn_cell


class GRUCell(rnn_cell._Gated):
    """A gated recurrent unit: gates reset and update, and the new value.

    Args:
        linear_before_reset: the reset gate is applied behind the hidden state's linear map, not before it (as cuDNN has it).
    """

    gates = 3

    def __init__(self, *args, linear_before_reset=False, **kwargs):
        super().__init__(*args, **kwargs)
        self.linear_before_reset = linear_before_reset

    def get_state_names_override(self):
        return ["hidden_t"]

    def get_recurrent_params(self):
        return {k: self._params_of(f"{k}_gate_t") for k in ("reset", "update", "output")}

    def apply_override(self, model, input_t, seq_lengths, states, timestep):
        net, (before,) = model.net, states
        parts = net.Split([input_t], [f"input_t_{k}" for k in ("reset", "update", "output")], axis=2)

        def of(hidden, gate):
            return self._of_hidden(model, hidden, f"{gate}_gate_t", dim_out=self.hidden_size)

        reset, update = of(before, "reset"), of(before, "update")
        net.Sum([reset, parts[0]], reset)
        opened = net.Sigmoid(reset, "reset_gate_t_sigmoid")
        if self.linear_before_reset:
            output = net.Mul([opened, of(before, "output")], "output_gate_t_mul")
        else:
            output = of(net.Mul([opened, before], "modified_hidden_t_prev"), "output")
        net.Sum([update, parts[1]], update)
        summed = net.Sum([output, parts[2]], "output_gate_t_summed")
        gates, _ = net.Concat([reset, update, summed], ["gates_t", "_gates_t_concat_dims"], axis=2)
        lengths = [] if seq_lengths is None else [seq_lengths]
        hidden = net.GRUUnit(
            [before, gates, *lengths, timestep], "hidden_t", forget_bias=self.forget_bias, drop_states=self.drop_states,
            sequence_lengths=seq_lengths is not None,
        )  # fmt: skip
        net.AddExternalOutputs(hidden)
        return (hidden,)


GRU = functools.partial(rnn_cell._LSTM, GRUCell)
