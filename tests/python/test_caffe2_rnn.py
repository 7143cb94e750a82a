"""Recurrent nets of Caffe2: cells, layers and attention. What is recorded was computed by Caffe2 (torch 1.10.2)."""

import numpy as np
import pytest
from rushlight.caffe2.python import brew, core, gru_cell, model_helper, recurrent, rnn_cell, workspace
from rushlight.caffe2.python.attention import AttentionType

T, N, D, H, E = 3, 2, 3, 4, 5


def filled(shape, k):
    return (np.sin(np.arange(np.prod(shape), dtype="d") * 0.7 + k) * 0.6).reshape(shape).astype("f")


def function(make, *states, sizes=None, **kwargs):
    """A case that calls `make`: how a model gets the output, and the sizes of the first states."""
    given = dict.fromkeys(states, H)
    given.update(sizes or {})
    size = kwargs.pop("dim_out", H)
    result = kwargs.pop("result", 0)
    lengths = kwargs.pop("lengths", "lengths")
    return lambda m: make(m, "seq", lengths, list(states) or None, D, size, scope="r", **kwargs)[result], given


def cells(make, **kwargs):
    return lambda m: make().apply_over_sequence(m, "seq", "lengths", m.states, **kwargs)[0]


def layers():
    cells = [rnn_cell.LSTMCell(D if i == 0 else H, H, 0.0, False, name=f"l{i}") for i in range(3)]
    return rnn_cell.MultiRNNCell(cells, residual_output_layers=[1, 2], name="r")


def attention(kind, **kwargs):
    def make(m):
        states = ["h0", "c0", "ctx0"]
        return rnn_cell.LSTMWithAttention(
            m, "seq", "lengths", *states, 3, "enc", "enc_len", D, H, "dec", kind, outputs_with_grads=(0,), **kwargs
        )[0]

    return make, {"h0": H, "c0": H, "ctx0": 3}


def dropped():
    return rnn_cell.DropoutCell(rnn_cell.LSTMCell(D, H, 0.0, False, name="r"), 0.5, name="d", is_test=1)


LSTM_STATES = ("h0", "c0")
CASES = {
    "relu": function(rnn_cell.BasicRNN, "h0", lengths=None, activation="relu"),
    "lstm": function(rnn_cell.LSTM, *LSTM_STATES, forget_bias=0.5),
    "memory": function(rnn_cell.LSTM, *LSTM_STATES, memory_optimization=True),
    "last": function(rnn_cell.LSTM, *LSTM_STATES, outputs_with_grads=(3,), result=3),
    "params": function(rnn_cell.LSTM),
    "two": function(rnn_cell.LSTM, "h0", "c0", "h1", "c1", dim_out=[H, 5], sizes={"h1": 5, "c1": 5}),
    "mi": function(rnn_cell.MILSTM, *LSTM_STATES),
    "norm": function(rnn_cell.LayerNormLSTM, *LSTM_STATES),
    "minorm": function(rnn_cell.LayerNormMILSTM, *LSTM_STATES),
    "layered": function(rnn_cell.layered_LSTM, *LSTM_STATES, dim_out=[H, H]),
    "gru": function(gru_cell.GRU, "h0"),
    "residual": (cells(layers, outputs_with_grads=[0, 4, 8]), dict.fromkeys(("h0", "c0", "h1", "c1", "h2", "c2"), H)),
    "dropout": (cells(dropped), dict.fromkeys(LSTM_STATES, H)),
    "regular": attention(AttentionType.Regular),
    "recurrent": attention(AttentionType.Recurrent),
    "dot": attention(AttentionType.Dot),
    "cover": attention(AttentionType.SoftCoverage),
    "again": attention(AttentionType.Regular, lstm_memory_optimization=True, attention_memory_optimization=True),
}
# The output's name, the sum of its squares, and sums of absolute gradients: of the sequence, the first hidden state, all parameters.
RECORDED = {
    "relu": ("r/hidden_t_all", 20.585, 17.2457, 13.698, 243.885),
    "lstm": ("r/hidden_state_all", 1.011, 1.1165, 0.8144, 9.668),
    "memory": ("r/hidden_state_all", 0.9268, 0.9874, 0.7296, 9.084),
    "last": ("r/cell_state_last", 1.0989, 1.3837, 0.4741, 16.289),
    "params": ("r/hidden_state_all", 1.1065, 0.9875, None, 14.061),
    "two": ("r/layer_1/hidden_state_all", 1.0096, 0.1265, 0.0204, 10.785),
    "mi": ("r/hidden_t_intermediate_all", 1.0574, 0.4228, 0.4303, 11.831),
    "norm": ("r/hidden_t_all", 1.0128, 0.5481, 0.1177, 11.211),
    "minorm": ("r/hidden_t_intermediate_all", 0.1801, 0.1024, 0.0966, 2.955),
    "layered": ("r_layer_1/hidden_state_all", 0.2376, 0.0353, 0.0369, 3.639),
    "gru": ("r/hidden_t_all", 2.7199, 3.2453, 7.1104, 21.04),
    "residual": ("r/residual_output_sequence", 1.082, 2.0953, 0.8049, 18.97),
    "dropout": ("d/r/hidden_state_all_with_dropout_mask0", 0.9268, 0.9874, 0.7296, 9.084),
    "regular": ("dec/hidden_t_external_all", 0.8994, 1.0196, 0.7686, 8.919),
    "recurrent": ("dec/hidden_t_external_all", 0.8938, 1.0243, 0.7652, 8.871),
    "dot": ("dec/hidden_t_external_all", 1.0607, 0.6422, 0.7182, 10.272),
    "cover": ("dec/hidden_t_external_all", 0.4109, 0.5152, 0.2484, 5.653),
    "again": ("dec/hidden_t_external_all", 0.8994, 1.0196, 0.7686, 8.919),
}


def trained(make, states):
    """The model, its output and gradients, after a run."""
    workspace.ResetWorkspace()
    model = model_helper.ModelHelper(name="m")
    model.states = list(states)
    out = make(model)
    loss = model.net.SumElements(model.net.Sqr(out, "squares"), "loss")
    grads = model.AddGradientOperators([loss])
    workspace.FeedBlob("seq", filled((T, N, D), 1)), workspace.FeedBlob("lengths", np.array([3, 2], "i"))
    workspace.FeedBlob("enc", filled((E, N, 3), 9)), workspace.FeedBlob("enc_len", np.array([5, 3], "i"))
    for k, (name, size) in enumerate(states.items()):
        workspace.FeedBlob(name, filled((1, N, size), k + 3))
    workspace.RunNetOnce(model.param_init_net)
    for k, p in enumerate(sorted(set(map(str, model.params)))):
        workspace.FeedBlob(p, filled(workspace.FetchBlob(p).shape, k))
    workspace.CreateNet(model.net)
    workspace.RunNet(model.net)
    return model, out, grads


@pytest.mark.parametrize("name", CASES)
def test_recurrent_nets_give_what_caffe2_gave(name):
    model, out, grads = trained(*CASES[name])
    called, loss, of_sequence, of_state, of_params = RECORDED[name]

    def size(blob):
        grad = workspace.FetchBlob(str(grads[blob]))
        assert grad.shape == workspace.FetchBlob(blob).shape, blob
        return float(np.abs(grad).sum())

    assert str(out) == called
    assert float(workspace.FetchBlob("loss")) == pytest.approx(loss, abs=2e-3)
    assert size("seq") == pytest.approx(of_sequence, abs=2e-4)
    if of_state is not None:
        assert size("h0") == pytest.approx(of_state, abs=2e-4)
    assert sum(size(p) for p in set(map(str, model.params)) if p in grads) == pytest.approx(of_params, abs=2e-3)


@pytest.mark.parametrize("drop", [False, True])
def test_a_plain_recurrent_net_keeps_or_drops_what_has_ended(drop):
    make, states = function(rnn_cell.BasicRNN, "h0", activation="tanh", drop_states=drop)
    model, out, grads = trained(make, states)
    last, now = workspace.FetchBlob(out)[1:, 1]
    assert np.array_equal(now, np.zeros(H) if drop else last)
    for name in ("seq", "h0", "r/gates_t_w"):
        grad, value = workspace.FetchBlob(str(grads[name])), workspace.FetchBlob(name)
        losses = []
        for step in (1e-2, -1e-2):
            moved = value.copy()
            moved.ravel()[1] += step
            workspace.FeedBlob(name, moved)
            workspace.RunNet(model.net)
            losses.append(float(workspace.FetchBlob("loss")))
        workspace.FeedBlob(name, value)
        assert np.isclose((losses[0] - losses[1]) / 2e-2, grad.ravel()[1], rtol=2e-2, atol=2e-3), name


def test_unrolled_steps_share_their_parameters():
    make, states = function(rnn_cell.LSTM, *LSTM_STATES)
    _, out, grads = trained(make, states)
    want = workspace.FetchBlob(out), workspace.FetchBlob(str(grads["r/gates_t_w"]))

    def unrolled(m):
        return rnn_cell.LSTM(m, "seq", "lengths", list(LSTM_STATES), D, H, scope="r", static_rnn_unroll_size=T)[0]

    model, out, grads = trained(unrolled, states)
    assert "RecurrentNetwork" not in [op.type for op in model.net.Proto().op]
    np.testing.assert_allclose(workspace.FetchBlob(out), want[0], atol=1e-6)
    np.testing.assert_allclose(workspace.FetchBlob(str(grads["r/gates_t_w"])), want[1], atol=1e-6)


def test_parameters_can_be_fed_by_gate_and_blobs_of_steps_fetched():
    workspace.ResetWorkspace()
    model = model_helper.ModelHelper(name="m")
    *_, params = rnn_cell.LSTM(model, "seq", "lengths", ["h0", "c0"], D, H, scope="r", return_params=True)
    workspace.FeedBlob("seq", filled((T, N, D), 1)), workspace.FeedBlob("lengths", np.array([3, 2], "i"))
    for state in ("h0", "c0"):
        workspace.FeedBlob(state, np.zeros((1, N, H), "f"))
    workspace.RunNetOnce(model.param_init_net)
    names = rnn_cell.GetLSTMParamNames()
    values = {
        source: {
            **{n: filled((H, D if source == "input" else H), k) for k, n in enumerate(names["weights"])},
            **{n: filled((H,), k) for k, n in enumerate(names["biases"])},
        }
        for source in ("input", "recurrent")
    }
    rnn_cell.InitFromLSTMParams(params, values)
    np.testing.assert_array_equal(workspace.FetchBlob("r/i2h_w")[H : 2 * H], values["input"]["forget_gate_w"])
    np.testing.assert_array_equal(workspace.FetchBlob("r/gates_t_b")[3 * H :], values["recurrent"]["cell_b"])
    workspace.RunNetOnce(model.net)
    fetched = recurrent.retrieve_step_blobs(model.net)
    assert {b"rnn_r/gates_t0", b"rnn_r/cell_state1", b"rnn_input_t2"} <= set(fetched)
    np.testing.assert_array_equal(
        workspace.FetchBlob("rnn_r/hidden_state1")[0], workspace.FetchBlob("r/hidden_state_all")[1]
    )


def test_a_cell_of_ones_own():
    class Faded(rnn_cell.RNNCell):
        def get_state_names_override(self):
            return ["level"]

        def get_output_dim(self):
            return D

        def apply_override(self, model, input_t, seq_lengths, states, timestep):
            kept = brew.fc(model, states[0], "kept", dim_in=D, dim_out=D, axis=2)
            return (model.net.Add([kept, input_t], "level"),)

    def make(m):
        return Faded(name="f").apply_over_sequence(m, "seq", initial_states=["h0"])[0]

    _, out, grads = trained(make, {"h0": D})
    assert str(out) == "f/level_all"
    w, b = workspace.FetchBlob("f/kept_w"), workspace.FetchBlob("f/kept_b")
    level = workspace.FetchBlob("h0")[0]
    for t in range(T):
        level = level @ w.T + b + workspace.FetchBlob("seq")[t]
        np.testing.assert_allclose(workspace.FetchBlob(out)[t], level, rtol=1e-5, atol=1e-6)
    assert "f/kept_w" in grads


def test_recurrent_mistakes_are_told():
    model = model_helper.ModelHelper(name="m")
    with pytest.raises(RuntimeError, match="unknown activation function"):
        rnn_cell.BasicRNNCell(D, H, 0.0, False, name="r", activation="sine")
    with pytest.raises(Exception, match="Number of initial state values"):
        rnn_cell.LSTM(model, "seq", "lengths", ["h0"], D, H, scope="r")
    with pytest.raises(Exception, match="initializer have to be set"):
        rnn_cell.BasicRNN(model, "seq", "lengths", None, D, H, scope="r", activation="tanh")
    with pytest.raises(AssertionError, match="is_test"):
        rnn_cell.DropoutCell(rnn_cell.LSTMCell(D, H, 0.0, False, name="r"), 0.5, name="d")
    with pytest.raises(NotImplementedError):
        rnn_cell.RNNCell(name="r").get_state_names()
    workspace.FeedBlob("steps", np.zeros(1, "f"))
    with pytest.raises(RuntimeError, match="workspaces of a RecurrentNetwork"):
        workspace.RunOperatorOnce(core.CreateOperator("RecurrentNetworkBlobFetcher", ["steps"], ["y"], prefix="p"))
