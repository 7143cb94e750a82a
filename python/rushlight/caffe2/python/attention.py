"""caffe2.python.attention: what a decoder's state reads of an encoder's outputs.

Shapes: E is the encoder's length, N the batch, D the dimension of the encoder's outputs.
"""

from __future__ import annotations

from rushlight.caffe2.python import brew


class AttentionType:
    Regular, Recurrent, Dot, SoftCoverage = range(4)


class _Names:
    """Blobs of a step net are named by hand: its inputs and outputs are known outside by whole names."""

    def __init__(self, scope):
        self.scope = scope

    def __call__(self, name):
        return f"{self.scope}/{name}"


def _mapped(model, blob, name, dim_in, dim_out):
    """A linear map of (1, N, dim_in), as (N, dim_out)."""
    out = brew.fc(model, blob, name, dim_in=dim_in, dim_out=dim_out, axis=2)
    return model.net.Squeeze(out, out, dims=[0])


def _logits(model, summed, dim, at):
    """v' tanh(summed) of (E, N, D), as (N, E, 1)."""
    model.net.Tanh(summed, summed)
    logits = brew.fc(model, summed, at("attention_logits"), dim_in=dim, dim_out=1, axis=2, freeze_bias=True)
    return brew.transpose(model, logits, at("attention_logits_transposed"), axes=[1, 0, 2])


def _read(model, logits, encoder_outputs_transposed, dim, encoder_lengths, at):
    """The weights, (N, E, 1), and what they weigh, (1, N, D)."""
    if encoder_lengths is not None:
        logits = model.net.SequenceMask([logits, encoder_lengths], ["masked_attention_logits"], mode="sequence")
    weights = brew.softmax(model, logits, at("attention_weights_3d"), engine="CUDNN", axis=1)
    context = brew.batch_mat_mul(model, [encoder_outputs_transposed, weights], at("attention_weighted_encoder_context"))
    context, _ = model.net.Reshape(
        context, [context, at("attention_weighted_encoder_context_old_shape")], shape=[1, -1, dim]
    )
    return context, weights


def apply_regular_attention(
    model, encoder_output_dim, encoder_outputs_transposed, weighted_encoder_outputs, decoder_hidden_state_t, decoder_hidden_state_dim, scope,
    encoder_lengths=None,
):  # fmt: skip
    """Attention of a sum (Bahdanau et al., arXiv:1409.0473).

    Args:
        encoder_outputs_transposed: (N, D, E).
        weighted_encoder_outputs: a linear map of the encoder's outputs, (E, N, D).
        decoder_hidden_state_t: (1, N, decoder_hidden_state_dim).
        scope: what names begin with.
        encoder_lengths: how long each encoder sequence is, int32; None: all as long as the longest.
    Returns:
        the context (1, N, D), the weights (N, E, 1), and the blobs that a backward pass can make again.
    """
    at = _Names(scope)
    state = _mapped(
        model, decoder_hidden_state_t, at("weighted_decoder_hidden_state"), decoder_hidden_state_dim, encoder_output_dim
    )
    summed = model.net.Add(
        [weighted_encoder_outputs, state], at("decoder_hidden_encoder_outputs_sum"), broadcast=1, use_grad_hack=1
    )
    logits = _logits(model, summed, encoder_output_dim, at)
    context, weights = _read(model, logits, encoder_outputs_transposed, encoder_output_dim, encoder_lengths, at)
    return context, weights, [summed]


def apply_recurrent_attention(
    model, encoder_output_dim, encoder_outputs_transposed, weighted_encoder_outputs, decoder_hidden_state_t, decoder_hidden_state_dim,
    attention_weighted_encoder_context_t_prev, scope, encoder_lengths=None,
):  # fmt: skip
    """Regular attention whose sum has the last step's context too (arXiv:1601.03317, 4.1)."""
    at, dim = _Names(scope), encoder_output_dim
    before = _mapped(model, attention_weighted_encoder_context_t_prev, at("weighted_prev_attention_context"), dim, dim)
    state = _mapped(model, decoder_hidden_state_t, at("weighted_decoder_hidden_state"), decoder_hidden_state_dim, dim)
    both = model.net.Add([before, state], at("decoder_hidden_encoder_outputs_sum_tmp"))
    summed = model.net.Add([weighted_encoder_outputs, both], at("decoder_hidden_encoder_outputs_sum"), broadcast=1)
    logits = _logits(model, summed, dim, at)
    context, weights = _read(model, logits, encoder_outputs_transposed, dim, encoder_lengths, at)
    return context, weights, [summed]


def apply_dot_attention(
    model, encoder_output_dim, encoder_outputs_transposed, decoder_hidden_state_t, decoder_hidden_state_dim, scope, encoder_lengths=None
):  # fmt: skip
    """Attention by products of the state with the encoder's outputs; a state of another dimension is mapped first."""
    at, state = _Names(scope), decoder_hidden_state_t
    if decoder_hidden_state_dim != encoder_output_dim:
        state = brew.fc(
            model, state, at("weighted_decoder_hidden_state"), dim_in=decoder_hidden_state_dim, dim_out=encoder_output_dim, axis=2
        )  # fmt: skip
    column = model.net.Squeeze(state, at("squeezed_weighted_decoder_hidden_state"), dims=[0])
    model.net.ExpandDims(column, column, dims=[2])
    logits = model.net.BatchMatMul([encoder_outputs_transposed, column], at("attention_logits"), trans_a=1)
    context, weights = _read(model, logits, encoder_outputs_transposed, encoder_output_dim, encoder_lengths, at)
    return context, weights, []


def apply_soft_coverage_attention(
    model, encoder_output_dim, encoder_outputs_transposed, weighted_encoder_outputs, decoder_hidden_state_t, decoder_hidden_state_dim, scope,
    encoder_lengths, coverage_t_prev, coverage_weights,
):  # fmt: skip
    """Regular attention that knows how much each place was read before (arXiv:1601.04811).

    Args:
        coverage_t_prev: the weights of earlier steps, summed, (1, N, E).
        coverage_weights: a linear map of the encoder's outputs, (E, N, D).
    Returns:
        context, weights, blobs to make again, and the new coverage.
    """
    at, dim = _Names(scope), encoder_output_dim
    state = _mapped(model, decoder_hidden_state_t, at("weighted_decoder_hidden_state"), decoder_hidden_state_dim, dim)
    plain = model.net.Add([weighted_encoder_outputs, state], at("decoder_hidden_encoder_outputs_sum_tmp"), broadcast=1)
    before = model.net.Squeeze(coverage_t_prev, at("coverage_t_prev_2d"), dims=[0])
    before = brew.transpose(model, before, at("coverage_t_prev_transposed"))
    scaled = model.net.Mul([coverage_weights, before], at("scaled_coverage_weights"), broadcast=1, axis=0)
    summed = model.net.Add([plain, scaled], at("decoder_hidden_encoder_outputs_sum"))
    logits = _logits(model, summed, dim, at)
    context, weights = _read(model, logits, encoder_outputs_transposed, dim, encoder_lengths, at)
    flat = model.net.Squeeze(weights, at("attention_weights_2d"), dims=[2])
    coverage = model.net.Add([coverage_t_prev, flat], at("coverage_t"), broadcast=1)
    return context, weights, [summed], coverage
