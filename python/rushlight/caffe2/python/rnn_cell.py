"""caffe2.python.rnn_cell: cells, which compute one step of a recurrence, and the recurrent nets that run them along a sequence."""

from __future__ import annotations

import functools
import inspect

import numpy as np

from rushlight.caffe2.python import brew, core, recurrent, utils, workspace
from rushlight.caffe2.python import scope as scopes
from rushlight.caffe2.python.attention import (
    AttentionType,
    apply_dot_attention,
    apply_recurrent_attention,
    apply_regular_attention,
    apply_soft_coverage_attention,
)
from rushlight.caffe2.python.model_helper import Initializer, ModelHelper, ParameterSharing


def _reference(blob):
    """Names of the current scope as references, so that later scopes leave them as they are."""
    if blob is None or isinstance(blob, core.BlobReference):
        return blob
    if isinstance(blob, str):
        return core.ScopedBlobReference(blob)
    raise Exception(f"Unknown blob reference type: {type(blob).__name__}; a name or a BlobReference is one")


class RNNCell:
    """One step of a recurrence. A cell of one's own says the names of its states and what a step computes:

    >>> from rushlight.caffe2.python import model_helper, rnn_cell
    >>> class Sum(rnn_cell.RNNCell):
    ...     def get_state_names_override(self):
    ...         return ["total"]
    ...     def get_output_dim(self):
    ...         return 2
    ...     def apply_override(self, model, input_t, seq_lengths, states, timestep):
    ...         return (model.net.Add([states[0], input_t], "total"),)
    >>> model = model_helper.ModelHelper(name="sums")
    >>> _, every_and_last = Sum(name="s", forward_only=True).apply_over_sequence(model, "x", initial_states=["zero"])
    >>> [str(b) for b in every_and_last]
    ['s/total_all', 's/total_last']

    Args:
        name: what names of its blobs begin with.
        forward_only: no gradient.
        initializer: an object whose ``create_states(model)`` makes the first states where none are given.
    """

    def __init__(self, name=None, forward_only=False, initializer=None):
        self.name = name
        self.forward_only = forward_only
        self.initializer = initializer
        self.recompute_blobs = []

    def scope(self, name):
        return name if self.name is None else f"{self.name}/{name}"

    def apply_over_sequence(self, model, inputs, seq_lengths=None, initial_states=None, outputs_with_grads=None):
        """Runs the cell along a sequence.

        Args:
            inputs: (time, batch, dimension).
            seq_lengths: how long each sequence of the batch is, int32; None: all as long as the input.
            initial_states: a blob for each state; None: the initializer's.
            outputs_with_grads: places in the second result that a loss depends on.
        Returns:
            the output at all times, and for each state its values at all times and the last one.
        """
        if initial_states is None:
            with scopes.NameScope(self.name):
                if self.initializer is None:
                    raise Exception("Either initial states or initializer have to be set")
                initial_states = self.initializer.create_states(model)
        sequence = self.prepare_input(model, inputs)
        step = ModelHelper(name=self.name, param_model=model)
        input_t, timestep = step.net.AddScopedExternalInputs("input_t", "timestep")
        names = self.get_state_names()
        utils.raiseIfNotEqual(
            len(initial_states),
            len(names),
            "Number of initial state values provided doesn't match the number of states",
        )
        before = step.net.AddScopedExternalInputs(*[f"{n}_prev" for n in names])
        states = self._apply(step, input_t, seq_lengths, before, timestep)
        for state in states:
            if str(state) not in step.net.Proto().external_output:
                step.net.AddExternalOutput(state)
        if outputs_with_grads is None:
            outputs_with_grads = [2 * self.get_output_state_index()]
        every = recurrent.recurrent_net(
            model.net, step.net, [(input_t, sequence)], list(zip(before, initial_states)), dict(zip(before, states)), timestep=timestep,
            scope=self.name, outputs_with_grads=outputs_with_grads, recompute_blobs_on_backward=self.recompute_blobs, forward_only=self.forward_only,
        )  # fmt: skip
        return self._prepare_output_sequence(model, every), every

    def apply(self, model, input_t, seq_lengths, states, timestep):
        """One step alone: the output and the next states."""
        states = self._apply(model, self.prepare_input(model, input_t), seq_lengths, states, timestep)
        return self._prepare_output(model, states), states

    def _apply(self, model, input_t, seq_lengths, states, timestep, extra_inputs=None):
        input_t, seq_lengths, timestep = (_reference(b) for b in (input_t, seq_lengths, timestep))
        args = [input_t, seq_lengths, [_reference(s) for s in states], timestep]
        if "extra_inputs" in inspect.signature(self.apply_override).parameters:
            args.append(extra_inputs and [(_reference(b), size) for b, size in extra_inputs])
        with scopes.NameScope(self.name):
            return self.apply_override(model, *args)

    def apply_override(self, model, input_t, seq_lengths, states, timestep, extra_inputs=None):
        """A step: its next states.

        Args:
            input_t: what prepare_input gives, at this time: (1, batch, dimension).
            states: the states before.
            timestep: which step it is, int32: sequences with no more than as many elements have ended.
            extra_inputs: pairs (blob, dimension) of inputs that prepare_input does not see, as an attention's context.
        """
        raise NotImplementedError("Abstract method")

    def prepare_input(self, model, input_blob):
        """What a step needs of the input alone, computed for all times at once."""
        return input_blob

    def get_output_state_index(self):
        """Which state is the output."""
        return 0

    def get_state_names(self):
        return [self.scope(n) for n in self.get_state_names_override()]

    def get_state_names_override(self):
        raise NotImplementedError("Abstract method")

    def get_output_dim(self):
        raise NotImplementedError("Abstract method")

    def _prepare_output(self, model, states):
        return states[self.get_output_state_index()]

    def _prepare_output_sequence(self, model, state_outputs):
        return state_outputs[2 * self.get_output_state_index()]


class LSTMInitializer:
    """First states as parameters, zeros at first."""

    def __init__(self, hidden_size):
        self.hidden_size = hidden_size

    def create_states(self, model):
        return [
            model.create_param(name, [self.hidden_size], Initializer("ConstantFill", value=0.0))
            for name in ("initial_hidden_state", "initial_cell_state")
        ]


class _Gated(RNNCell):
    """Cells that map their input and the last hidden state to gates.

    Args:
        input_size, hidden_size: dimensions of the input and of the hidden state.
        forget_bias: added to the forget gate.
        memory_optimization: gates are computed again in the backward pass, not kept.
        drop_states: states of sequences that have ended are 0, not their last ones.
    """

    gates = 1  # for each unit

    def __init__(self, input_size, hidden_size, forget_bias, memory_optimization, drop_states=False, initializer=None, **kwargs):  # fmt: skip
        super().__init__(initializer=initializer, **kwargs)
        self.input_size, self.hidden_size = input_size, hidden_size
        self.forget_bias = float(forget_bias)
        self.memory_optimization, self.drop_states = memory_optimization, drop_states
        self.gates_size = self.gates * hidden_size

    def prepare_input(self, model, input_blob):
        return brew.fc(model, input_blob, self.scope("i2h"), dim_in=self.input_size, dim_out=self.gates_size, axis=2)

    def get_output_dim(self):
        return self.hidden_size

    def _params_of(self, name):
        return {"weights": f"{self.scope(name)}_w", "biases": f"{self.scope(name)}_b"}

    def get_input_params(self):
        return self._params_of("i2h")

    def _of_hidden(self, model, hidden, name, dim_out=None, dim_in=None):
        return brew.fc(
            model, hidden, name, dim_in=dim_in or self.hidden_size, dim_out=dim_out or self.gates_size, axis=2
        )


class BasicRNNCell(_Gated):
    """activation(W x + b + U h + c); `activation` is "tanh" or "relu"."""

    def __init__(self, *args, activation=None, **kwargs):
        super().__init__(*args, **kwargs)
        if activation not in ("relu", "tanh"):
            raise RuntimeError(f"BasicRNNCell with unknown activation function ({activation})")
        self.activation = activation

    def get_state_names_override(self):
        return ["hidden_t"]

    def apply_override(self, model, input_t, seq_lengths, states, timestep, extra_inputs=None):
        net, (before,) = model.net, states
        gates = self._of_hidden(model, before, "gates_t")
        net.Sum([gates, input_t], gates)
        activation = getattr(net, self.activation.capitalize())
        if seq_lengths is None:
            return (activation(gates, "hidden_t"),)
        time = net.CopyFromCPUInput(timestep, "timestep_gpu")

        def those(compare, name, value, out):
            is_so = net.Cast(getattr(net, compare)([seq_lengths, time], f"{name}_b", broadcast=1), name, to="float")
            return net.Mul([value, net.StopGradient(is_so, is_so)], out, broadcast=1, axis=1)

        going = those("GT", "valid", activation(gates, "hidden_t_new"), "hidden_valid")
        if self.drop_states:
            return (going,)
        return (net.Add([going, those("LE", "invalid", before, "hidden_invalid")], "hidden_t"),)


class LSTMCell(_Gated):
    """A long short-term memory: gates input, forget, output, and the cell's new value."""

    gates = 4
    normalized = multiplied = False
    results = ("hidden_state", "cell_state")

    def __init__(self, input_size, hidden_size, forget_bias, memory_optimization, drop_states=False, initializer=None, **kwargs):  # fmt: skip
        initializer = initializer or LSTMInitializer(hidden_size)
        super().__init__(input_size, hidden_size, forget_bias, memory_optimization, drop_states, initializer, **kwargs)

    def get_state_names_override(self):
        return ["hidden_t", "cell_t"]

    def get_recurrent_params(self):
        return self._params_of("gates_t")

    def apply_override(self, model, input_t, seq_lengths, states, timestep, extra_inputs=None):
        hidden, cell = states
        source, dim = hidden, self.hidden_size
        if extra_inputs is not None:
            source = brew.concat(model, [hidden, *(b for b, _ in extra_inputs)], "gates_concatenated_input_t", axis=2)
            dim += sum(size for _, size in extra_inputs)
        gates = self._gates(model, source, dim, input_t)
        if self.memory_optimization:
            self.recompute_blobs = [gates]
        if self.normalized:
            gates, _, _ = brew.layer_norm(model, gates, "gates_t_norm", dim_in=self.gates_size, axis=-1)
        lengths = [] if seq_lengths is None else [seq_lengths]
        hidden, cell = model.net.LSTMUnit(
            [hidden, cell, gates, *lengths, timestep], list(self.results), forget_bias=self.forget_bias, drop_states=self.drop_states,
            sequence_lengths=seq_lengths is not None,
        )  # fmt: skip
        model.net.AddExternalOutputs(hidden, cell)
        return hidden, cell

    def _gates(self, model, source, dim, input_t):
        if not self.multiplied:
            gates = self._of_hidden(model, source, "gates_t", dim_in=dim)
            return brew.sum(model, [gates, input_t], gates)
        of_hidden = self._of_hidden(model, source, "prev_t", dim_in=dim)
        alpha, beta_h, beta_i, b = (
            model.create_param(name, [self.gates_size], Initializer("ConstantFill", value=value))
            for name, value in (("alpha", 1.0), ("beta1", 1.0), ("beta2", 1.0), ("b", 0.0))
        )
        scaled = model.net.ElementwiseLinear([input_t, alpha, beta_h], "alpha_by_input_t_plus_beta_h", axis=2)
        product = model.net.Mul([scaled, of_hidden], "alpha_by_input_t_plus_beta_h_by_prev_t")
        rest = model.net.ElementwiseLinear([input_t, beta_i, b], "beta_i_by_input_t_plus_b", axis=2)
        return brew.sum(model, [product, rest], "gates_t")


class LayerNormLSTMCell(LSTMCell):
    """An LSTM whose gates are normalised (arXiv:1607.06450)."""

    normalized = True
    results = ("hidden_t", "cell_t")


class MILSTMCell(LSTMCell):
    """An LSTM of multiplicative integration (arXiv:1606.06630): gates are a * Wx * Uh + b1 * Uh + b2 * Wx + b."""

    multiplied = True
    results = ("hidden_t_intermediate", "cell_t")


class LayerNormMILSTMCell(MILSTMCell):
    normalized = True


class DropoutCell(RNNCell):
    """A cell whose output, but not its state, goes through dropout. `is_test` has to be said."""

    def __init__(self, internal_cell, dropout_ratio=None, use_cudnn=False, **kwargs):
        assert "is_test" in kwargs, "Argument 'is_test' is required"
        self.is_test = kwargs.pop("is_test")
        super().__init__(**kwargs)
        self.internal_cell, self.dropout_ratio, self.use_cudnn = internal_cell, dropout_ratio, use_cudnn
        for name in ("prepare_input", "get_output_state_index", "get_state_names", "get_output_dim"):
            setattr(self, name, getattr(internal_cell, name))
        self.mask = 0

    def _apply(self, *args, **kwargs):
        return self.internal_cell._apply(*args, **kwargs)

    def _prepare_output(self, model, states):
        return self._dropped(model, self.internal_cell._prepare_output(model, states))

    def _prepare_output_sequence(self, model, state_outputs):
        return self._dropped(model, self.internal_cell._prepare_output_sequence(model, state_outputs))

    def _dropped(self, model, output):
        if not self.dropout_ratio or self.forward_only:
            return output
        name = f"{output}_with_dropout_mask{self.mask}"
        self.mask += 1
        with scopes.NameScope(self.name or ""):
            return brew.dropout(
                model, output, name, ratio=float(self.dropout_ratio), is_test=self.is_test, use_cudnn=self.use_cudnn
            )


class MultiRNNCellInitializer:
    """The first states of all cells."""

    def __init__(self, cells):
        self.cells = cells

    def create_states(self, model):
        states = []
        for i, cell in enumerate(self.cells):
            if cell.initializer is None:
                raise Exception("Either initial states or initializer have to be set")
            with scopes.NameScope(f"layer_{i}"), scopes.NameScope(cell.name):
                states += cell.initializer.create_states(model)
        return states


class MultiRNNCell(RNNCell):
    """Layers of cells, of which each reads the output of the one before.

    Args:
        cells: from the input's side to the output's.
        residual_output_layers: numbers of layers whose input is added to their output; not 0, whose input is prepared.
    """

    def __init__(self, cells, residual_output_layers=None, **kwargs):
        super().__init__(**kwargs)
        self.cells = cells
        self.residual_output_layers = residual_output_layers or []
        # The output is the last layer's, and, as it is residual, that of the one before it, and so on.
        first = len(cells) - 1
        while first > 0 and first in self.residual_output_layers:
            first -= 1
        self.output_connected_layers = list(range(first, len(cells)))
        before = [sum(len(c.get_state_names()) for c in cells[:i]) for i in range(len(cells))]
        self.output_indices = [before[i] + cells[i].get_output_state_index() for i in self.output_connected_layers]
        self.state_names = [
            f"{self.name}/layer_{i}/{n}" for i, cell in enumerate(cells) for n in cell.get_state_names()
        ]
        self.initializer = MultiRNNCellInitializer(cells)

    def _of_layers(self, values, each=1):
        """Values of all states, cut into those of the layers."""
        at = 0
        for cell in self.cells:
            count = each * len(cell.get_state_names())
            yield values[at : at + count]
            at += count

    def prepare_input(self, model, input_blob):
        input_blob = _reference(input_blob)
        with scopes.NameScope(self.name or ""):
            return self.cells[0].prepare_input(model, input_blob)

    def _apply(self, model, input_t, seq_lengths, states, timestep, extra_inputs=None):
        input_t, seq_lengths, timestep = (_reference(b) for b in (input_t, seq_lengths, timestep))
        states = [_reference(s) for s in states]
        assert len(states) == len(self.state_names), (
            f"{len(states)} states given, the layers have {len(self.state_names)}"
        )
        out, layer_input = [], input_t
        for i, (cell, before) in enumerate(zip(self.cells, self._of_layers(states), strict=True)):
            with scopes.NameScope(self.name), scopes.NameScope(f"layer_{i}"):
                prepared = cell.prepare_input(model, layer_input) if i else layer_input
                after = cell._apply(
                    model, prepared, seq_lengths, before, timestep, extra_inputs=None if i else extra_inputs
                )
                out += after
                if cell is self.cells[-1]:
                    break
                output = cell._prepare_output(model, after)
                if i and i in self.residual_output_layers:
                    output = brew.sum(model, [output, layer_input], self.scope(f"residual_output_{i}"))
                layer_input = output
        return out

    def get_state_names(self):
        return self.state_names

    def get_output_state_index(self):
        return sum(len(cell.get_state_names()) for cell in self.cells[:-1]) + self.cells[-1].get_output_state_index()

    def get_output_dim(self):
        return self.cells[-1].get_output_dim()

    def _joined(self, model, outputs, name):
        outputs = [o for i, o in enumerate(outputs) if i in self.output_connected_layers]
        return brew.sum(model, outputs, self.scope(name)) if len(outputs) > 1 else outputs[0]

    def _prepare_output(self, model, states):
        outputs = [
            c._prepare_output(model, s) if i in self.output_connected_layers else None
            for i, (c, s) in enumerate(zip(self.cells, self._of_layers(states), strict=True))
        ]
        return self._joined(model, outputs, "residual_output")

    def _prepare_output_sequence(self, model, state_outputs):
        outputs = [
            c._prepare_output_sequence(model, s) if i in self.output_connected_layers else None
            for i, (c, s) in enumerate(zip(self.cells, self._of_layers(state_outputs, each=2), strict=True))
        ]
        return self._joined(model, outputs, "residual_output_sequence")


class AttentionCell(RNNCell):
    """A decoder that reads an encoder's outputs by attention: its output is its state beside the context.

    Args:
        encoder_outputs: (encoder's length, batch, encoder_output_dim).
        encoder_lengths: how long each encoder sequence is, int32, or None.
        decoder_cell, decoder_state_dim: the cell that gets the context as a further input, and its hidden size.
        attention_type: one of AttentionType.
        weighted_encoder_outputs: what is compared with the state; None: a linear map of the outputs.
        attention_memory_optimization: the comparison is computed again in the backward pass, not kept.
    """

    def __init__(
        self, encoder_output_dim, encoder_outputs, encoder_lengths, decoder_cell, decoder_state_dim, attention_type, weighted_encoder_outputs,
        attention_memory_optimization, **kwargs,
    ):  # fmt: skip
        super().__init__(**kwargs)
        assert attention_type in range(4), f"attention_type: expected one of AttentionType, got {attention_type}"
        self.encoder_output_dim, self.encoder_outputs = encoder_output_dim, encoder_outputs
        self.encoder_lengths, self.weighted_encoder_outputs = encoder_lengths, weighted_encoder_outputs
        self.decoder_cell, self.decoder_state_dim = decoder_cell, decoder_state_dim
        self.attention_type, self.attention_memory_optimization = attention_type, attention_memory_optimization
        self.encoder_outputs_transposed = None

    @property
    def _covers(self):
        return self.attention_type == AttentionType.SoftCoverage

    def _apply(self, model, input_t, seq_lengths, states, timestep, extra_inputs=None):
        assert extra_inputs is None
        count = len(self.decoder_cell.get_state_names())
        context, *coverage = states[count:]
        after = list(
            self.decoder_cell._apply(
                model, input_t, seq_lengths, states[:count], timestep, extra_inputs=[(context, self.encoder_output_dim)]
            )
        )
        self.hidden_t_intermediate = self.decoder_cell._prepare_output(model, after)
        given = {
            "model": model, "encoder_output_dim": self.encoder_output_dim, "encoder_outputs_transposed": self.encoder_outputs_transposed,
            "decoder_hidden_state_t": self.hidden_t_intermediate, "decoder_hidden_state_dim": self.decoder_state_dim, "scope": self.name,
            "encoder_lengths": self.encoder_lengths,
        }  # fmt: skip
        if self.attention_type == AttentionType.Dot:
            read = apply_dot_attention(**given)
        else:
            given["weighted_encoder_outputs"] = self.weighted_encoder_outputs
            if self.attention_type == AttentionType.Regular:
                read = apply_regular_attention(**given)
            elif self.attention_type == AttentionType.Recurrent:
                read = apply_recurrent_attention(**given, attention_weighted_encoder_context_t_prev=context)
            else:
                read = apply_soft_coverage_attention(
                    **given, coverage_t_prev=coverage[0], coverage_weights=self.coverage_weights
                )
        context, self.attention_weights_3d, again, *coverage = read
        if self.attention_memory_optimization:
            self.recompute_blobs += again
        after += [context, *coverage]
        output = self.get_output_state_index()
        after[output] = model.net.Copy(after[output], self.scope("hidden_t_external"))
        model.net.AddExternalOutputs(*after)
        return after

    def get_attention_weights(self):
        """(batch, encoder's length, 1)."""
        return self.attention_weights_3d

    def prepare_input(self, model, input_blob):
        if self.encoder_outputs_transposed is None:
            self.encoder_outputs_transposed = brew.transpose(
                model, self.encoder_outputs, self.scope("encoder_outputs_transposed"), axes=[1, 2, 0]
            )
        if self.weighted_encoder_outputs is None and self.attention_type != AttentionType.Dot:
            self.weighted_encoder_outputs = self._map_of_encoder(model, "weighted_encoder_outputs")
        return self.decoder_cell.prepare_input(model, input_blob)

    def _map_of_encoder(self, model, name):
        dim = self.encoder_output_dim
        return brew.fc(model, self.encoder_outputs, self.scope(name), dim_in=dim, dim_out=dim, axis=2)

    def build_initial_coverage(self, model):
        """The first coverage, a zero for each place of the encoder."""
        assert self._covers, "coverage is AttentionType.SoftCoverage's"
        self.coverage_weights = self._map_of_encoder(model, "coverage_weights")
        length = model.net.Slice(model.net.Shape(self.encoder_outputs), starts=[0], ends=[1])
        return model.net.ConstantFill(length, self.scope("initial_coverage"), value=0.0, input_as_shape=1)

    def get_state_names(self):
        names = list(self.decoder_cell.get_state_names())
        names[self.get_output_state_index()] = self.scope("hidden_t_external")
        names.append(self.scope("attention_weighted_encoder_context_t"))
        return [*names, self.scope("coverage_t")] if self._covers else names

    def get_output_dim(self):
        return self.decoder_state_dim + self.encoder_output_dim

    def get_output_state_index(self):
        return self.decoder_cell.get_output_state_index()

    def _beside(self, model, output, context):
        with scopes.NameScope(self.name or ""):
            return brew.concat(model, [output, context], "states_and_context_combination", axis=2)

    def _prepare_output(self, model, states):
        return self._beside(model, self.hidden_t_intermediate, states[len(self.decoder_cell.get_state_names())])

    def _prepare_output_sequence(self, model, state_outputs):
        count = 2 * len(self.decoder_cell.get_state_names())
        output = self.decoder_cell._prepare_output_sequence(model, state_outputs[:count])
        return self._beside(model, output, state_outputs[count])


class LSTMWithAttentionCell(AttentionCell):
    """An LSTM as the decoder."""

    decoder = LSTMCell

    def __init__(
        self, encoder_output_dim, encoder_outputs, encoder_lengths, decoder_input_dim, decoder_state_dim, name, attention_type,
        weighted_encoder_outputs, forget_bias, lstm_memory_optimization, attention_memory_optimization, forward_only=False,
    ):  # fmt: skip
        decoder = self.decoder(
            decoder_input_dim, decoder_state_dim, forget_bias=forget_bias, memory_optimization=lstm_memory_optimization, name=f"{name}/decoder"
        )  # fmt: skip
        super().__init__(
            encoder_output_dim, encoder_outputs, encoder_lengths, decoder, decoder_state_dim, attention_type, weighted_encoder_outputs,
            attention_memory_optimization, name=name, forward_only=forward_only,
        )  # fmt: skip


class MILSTMWithAttentionCell(LSTMWithAttentionCell):
    decoder = MILSTMCell

    def __init__(self, encoder_output_dim, encoder_outputs, *args, encoder_lengths=None, **kwargs):
        super().__init__(encoder_output_dim, encoder_outputs, encoder_lengths, *args, **kwargs)


class UnrolledCell(RNNCell):
    """A cell's steps as operators one after another, `T` times, rather than a RecurrentNetwork."""

    def __init__(self, cell, T):
        self.cell, self.T = cell, T

    def apply_over_sequence(self, model, inputs, seq_lengths, initial_states, outputs_with_grads=None):
        inputs = self.cell.prepare_input(model, inputs)
        parts = model.net.Split(inputs, [f"{inputs}_timestep_{t}" for t in range(self.T)], axis=0)
        parts = [parts] if self.T == 1 else parts
        seq_lengths, states, steps = _reference(seq_lengths), [_reference(s) for s in initial_states], []
        for t, part in enumerate(parts):
            name = f"timestep_{t}"
            with ParameterSharing({name: ""}), scopes.NameScope(name):
                timestep = model.param_init_net.ConstantFill(
                    [], "timestep", value=t, shape=[1], dtype=core.DataType.INT32
                )
                states = self.cell._apply(model, part, seq_lengths, states, timestep)
            steps.append(states)
        outputs = []
        for state in zip(*steps):
            name = str(state[0])[len("timestep_0/") :]
            every, _ = model.net.Concat(list(state), [f"{name}_concat", f"{name}_concat_info"], axis=0)
            outputs += [every, state[-1]]
        for i, output in enumerate(outputs):
            if i not in (outputs_with_grads or ()):
                model.net.ZeroGradient(output, [])
        return self.cell._prepare_output_sequence(model, outputs), tuple(outputs)

    def __getattr__(self, name):
        if name == "cell":
            raise AttributeError(name)
        return getattr(self.cell, name)


def _LSTM(
    cell_class, model, input_blob, seq_lengths, initial_states, dim_in, dim_out, scope=None, outputs_with_grads=(0,), return_params=False,
    memory_optimization=False, forget_bias=0.0, forward_only=False, drop_states=False, return_last_layer_only=True, static_rnn_unroll_size=None,
    **cell_kwargs,
):  # fmt: skip
    """A recurrent net over a sequence.

    Args:
        cell_class: what computes a step.
        input_blob: (time, batch, dim_in).
        seq_lengths: how long each sequence of the batch is, int32; None: all as long as the input.
        initial_states: a blob for each state of each layer, (1, batch, dim_out); None: parameters.
        dim_out: the hidden size, or a list of them: one for each layer.
        scope: what names begin with.
        outputs_with_grads: which outputs of the last layer a loss depends on: 0 hidden states at all times, 1 the last, 2 and 3 the cells'.
        return_params: the names of the parameters come last in the result.
        static_rnn_unroll_size: the steps stand one after another in the net, so many.
    Returns:
        for each state of the last layer (of all with return_last_layer_only=False) its values at all times and the last one.
    """
    sizes = list(dim_out) if isinstance(dim_out, (list, tuple)) else [dim_out]
    cells = [
        cell_class(
            input_size=before, hidden_size=size, forget_bias=forget_bias, memory_optimization=memory_optimization,
            name=scope if len(sizes) == 1 else None, forward_only=forward_only, drop_states=drop_states, **cell_kwargs,
        )
        for before, size in zip([dim_in, *sizes], sizes)
    ]  # fmt: skip
    cell = cells[0] if len(cells) == 1 else MultiRNNCell(cells, name=scope, forward_only=forward_only)
    if static_rnn_unroll_size is not None:
        cell = UnrolledCell(cell, static_rnn_unroll_size)
    before_last = 2 * sum(len(c.get_state_names()) for c in cells[:-1])
    _, result = cell.apply_over_sequence(
        model, input_blob, seq_lengths, initial_states, outputs_with_grads=[before_last + i for i in outputs_with_grads]
    )
    if return_last_layer_only:
        result = result[before_last:]
    if return_params:
        return (*result, {"input": cell.get_input_params(), "recurrent": cell.get_recurrent_params()})
    return tuple(result)


LSTM = functools.partial(_LSTM, LSTMCell)
BasicRNN = functools.partial(_LSTM, BasicRNNCell)
MILSTM = functools.partial(_LSTM, MILSTMCell)
LayerNormLSTM = functools.partial(_LSTM, LayerNormLSTMCell)
LayerNormMILSTM = functools.partial(_LSTM, LayerNormMILSTMCell)


def _layered_LSTM(
    model, input_blob, seq_lengths, initial_states, dim_in, dim_out, scope, outputs_with_grads=(0,), return_params=False, create_lstm=None, **kwargs
):  # fmt: skip
    """Layers of which each is a recurrent net of its own; each begins with the last states of the one before."""
    sizes = dim_out if isinstance(dim_out, list) else [dim_out]
    assert sizes, "dim_out list can't be empty"
    assert len(sizes) == 1 or not return_params, "return_params not supported for layering"
    for i, size in enumerate(sizes):
        out = create_lstm(
            model, input_blob, seq_lengths, initial_states, dim_in, size, scope if i == 0 else f"{scope}_layer_{i}",
            outputs_with_grads=outputs_with_grads, return_params=return_params, **kwargs,
        )  # fmt: skip
        input_blob, dim_in, initial_states = out[0], size, (out[1], out[3])
    return out


layered_LSTM = functools.partial(_layered_LSTM, create_lstm=LSTM)


def LSTMWithAttention(
    model, decoder_inputs, decoder_input_lengths, initial_decoder_hidden_state, initial_decoder_cell_state,
    initial_attention_weighted_encoder_context, encoder_output_dim, encoder_outputs, encoder_lengths, decoder_input_dim, decoder_state_dim, scope,
    attention_type=AttentionType.Regular, outputs_with_grads=(0, 4), weighted_encoder_outputs=None, lstm_memory_optimization=False,
    attention_memory_optimization=False, forget_bias=0.0, forward_only=False,
):  # fmt: skip
    """An LSTM over a sequence, which reads an encoder's outputs (arXiv:1409.0473, with the context after the state as in arXiv:1508.04025).

    Arguments are AttentionCell's, and the first values of its states.
    Returns:
        hidden states at all times and the last one, cell states, contexts; with AttentionType.SoftCoverage coverages too.
    """
    cell = LSTMWithAttentionCell(
        encoder_output_dim, encoder_outputs, encoder_lengths, decoder_input_dim, decoder_state_dim, scope, attention_type, weighted_encoder_outputs,
        forget_bias, lstm_memory_optimization, attention_memory_optimization, forward_only,
    )  # fmt: skip
    states = [
        initial_decoder_hidden_state,
        initial_decoder_cell_state,
        initial_attention_weighted_encoder_context,
    ]
    if attention_type == AttentionType.SoftCoverage:
        states.append(cell.build_initial_coverage(model))
    return cell.apply_over_sequence(model, decoder_inputs, decoder_input_lengths, states, outputs_with_grads)[1]


def GetLSTMParamNames():
    """The names of an LSTM's parameters by gate, in the order in which they stand in its matrices."""
    gates = ("input_gate", "forget_gate", "output_gate", "cell")
    return {"weights": [f"{g}_w" for g in gates], "biases": [f"{g}_b" for g in gates]}


def InitFromLSTMParams(lstm_pblobs, param_values):
    """Feeds an LSTM's parameters.

    Args:
        lstm_pblobs: what LSTM gives with return_params=True.
        param_values: by "input" and "recurrent" arrays by the names of GetLSTMParamNames.
    """
    for source, values in param_values.items():
        for kind, names in GetLSTMParamNames().items():
            blob = lstm_pblobs[source][kind]
            joined = np.concatenate([np.asarray(values[n], np.float32).ravel() for n in names])
            workspace.FeedBlob(blob, joined.reshape(workspace.FetchBlob(blob).shape))
