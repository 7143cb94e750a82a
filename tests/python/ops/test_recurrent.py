"""rnn_tanh, rnn_relu, lstm, gru and their cells against PyTorch: values, final states and gradients."""

import pytest
import torch

import rushlight as rl

GATES = {"rnn_tanh": 1, "rnn_relu": 1, "gru": 3, "lstm": 4}


def numbers(*shape):
    return torch.sin(torch.arange(float(torch.Size(shape).numel())) * 0.7).reshape(shape)


def compare(call, inputs):
    """call(module, tensors) with rushlight and PyTorch; all inputs get gradients."""
    results = []
    for module in (rl, torch):
        given = [module.tensor(x.tolist(), requires_grad=True) for x in inputs]
        outs = call(module, given)
        outs = [outs] if isinstance(outs, module.Tensor) else list(outs)
        grads = module.autograd.grad([(o * o).sum() for o in outs], given)
        results.append([x.detach().tolist() for x in [*outs, *grads]])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(torch.tensor(ours), torch.tensor(theirs), rtol=1e-4, atol=1e-5)


def weights(name, layers, directions, width, hidden, bias, projected=0):
    gates, out, each = GATES[name] * hidden, projected or hidden, []
    for layer in range(layers):
        for _ in range(directions):
            each += [numbers(gates, width if layer == 0 else out * directions), numbers(gates, out)]
            each += [numbers(gates), numbers(gates)] if bias else []
            each += [numbers(projected, hidden)] if projected else []
    return each


@pytest.mark.parametrize("name", GATES)
@pytest.mark.parametrize("bias,two_way,batch_first,steps", [(True, False, False, 3), (False, True, True, 30)])
def test_padded(name, bias, two_way, batch_first, steps):
    directions = 2 if two_way else 1
    params = weights(name, 2, directions, 3, 2, bias)
    state = [numbers(2 * directions, 2, 2)] * (2 if name == "lstm" else 1)
    x = numbers(2, steps, 3) if batch_first else numbers(steps, 2, 3)

    def call(module, given):
        x, *rest = given
        hx = rest[: len(state)] if name == "lstm" else rest[0]
        settings = (bias, 2, 0.0, False, two_way, batch_first)
        return getattr(module, name)(x, hx, rest[len(state) :], *settings)

    compare(call, [x, *state, *params])


@pytest.mark.parametrize("name", GATES)
@pytest.mark.parametrize("two_way", [False, True])
def test_packed(name, two_way):
    directions = 2 if two_way else 1
    state = [numbers(directions, 3, 2)] * (2 if name == "lstm" else 1)

    def call(module, given):
        x, *rest = given
        hx = rest[: len(state)] if name == "lstm" else rest[0]
        sizes = module.tensor([3, 2, 2, 1])
        return getattr(module, name)(x, sizes, hx, rest[len(state) :], True, 1, 0.0, False, two_way)

    compare(call, [numbers(8, 3), *state, *weights(name, 1, directions, 3, 2, True)])


@pytest.mark.parametrize("uses", ["outputs", "h", "c"])
@pytest.mark.parametrize("steps", [1, 4])
def test_second_derivatives_of_an_lstm(uses, steps):
    inputs = [numbers(steps, 2, 3), *[numbers(2, 2, 2)] * 2, *weights("lstm", 1, 2, 3, 2, True)]
    found = []
    for module in (rl, torch):
        given = [module.tensor(x.tolist(), dtype=module.float64, requires_grad=True) for x in inputs]
        x, h, c, *params = given
        results = module.lstm(x, (h, c), params, True, 1, 0.0, False, True, False)
        loss = results[["outputs", "h", "c"].index(uses)].pow(2).sum()
        grads = module.autograd.grad(loss, given, create_graph=True)
        second = module.autograd.grad(sum([g.pow(2).sum() for g in grads]), given)
        found.append([g.tolist() for g in (*grads, *second)])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(torch.tensor(ours), torch.tensor(theirs))


def test_a_projection_makes_h_smaller_than_c():
    def call(module, given):
        x, h, c, *params = given
        return module.lstm(x, [h, c], params, True, 2, 0.0, False, False, False)

    compare(call, [numbers(4, 2, 3), numbers(2, 2, 2), numbers(2, 2, 5), *weights("lstm", 2, 1, 3, 5, True, 2)])


@pytest.mark.parametrize("name", GATES)
def test_cells(name):
    def call(module, given):
        x, h, c, *params = given
        cell = getattr(module, name + "_cell")
        return cell(x, [h, c] if name == "lstm" else h * c, *params)

    compare(call, [numbers(2, 3), numbers(2, 4), numbers(2, 4), *weights(name, 1, 1, 3, 4, True)])


@pytest.mark.parametrize(
    "change,text",
    [
        ({"x": rl.zeros(2, 3)}, "input must have 3 dimensions"),
        ({"x": rl.zeros(5, 2, 4)}, "Expected 3, got 4"),
        ({"h": rl.zeros(1, 3, 2)}, r"Expected hidden\[0\] size \(1, 2, 2\), got \[1, 3, 2\]"),
        ({"h": rl.zeros(1, 2, 2, dtype=rl.float64)}, "not the same dtype"),
        ({"params": [rl.zeros(8, 3)]}, "expected 4 weights for each of 1 layers and directions, got 1"),
        ({"x": rl.zeros(0, 2, 3)}, "sequence length to be larger than 0"),
    ],
)
def test_bad_input(change, text):
    good = {
        "x": rl.zeros(5, 2, 3),
        "h": rl.zeros(1, 2, 2),
        "params": [rl.zeros(8, 3), rl.zeros(8, 2), rl.zeros(8), rl.zeros(8)],
    } | change
    with pytest.raises(RuntimeError, match=text):
        rl.lstm(good["x"], [good["h"], rl.zeros(1, 2, 2)], good["params"], True, 1, 0.0, False, False, False)


def test_batch_sizes_must_fit_the_data():
    hx, params = rl.zeros(1, 2, 2), [rl.zeros(2, 3), rl.zeros(2, 2)]
    for sizes, text in (([2, 2], "sum to 4, but there are 3 rows"), ([1, 2], "must be positive and not grow")):
        with pytest.raises(RuntimeError, match=text):
            rl.rnn_tanh(rl.zeros(3, 3), rl.tensor(sizes), hx, params, False, 1, 0.0, False, False)
