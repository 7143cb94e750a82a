"""The same seed gives PyTorch's numbers, bit for bit, and leaves the generator in PyTorch's state."""

import numpy as np
import pytest
import torch

import rushlight

weights = np.random.RandomState(0).rand(7, 50).astype(np.float32)

draws = {
    "rand": lambda t, n: t.rand(n),
    "rand_float64": lambda t, n: t.rand(n, dtype=t.float64),
    "rand_float16": lambda t, n: t.rand(n, dtype=t.float16).float(),
    "rand_bfloat16": lambda t, n: t.rand(n, dtype=t.bfloat16).float(),
    "uniform_": lambda t, n: t.empty(n).uniform_(-2, 3),
    "randn": lambda t, n: t.randn(n),
    "randn_float64": lambda t, n: t.randn(n, dtype=t.float64),
    "randn_float16": lambda t, n: t.randn(n, dtype=t.float16).float(),
    "randn_complex64": lambda t, n: t.view_as_real(t.randn(n, dtype=t.complex64)),
    "normal_": lambda t, n: t.empty(n).normal_(1, 2),
    "normal_strided": lambda t, n: t.zeros(n, 2)[:, 1].normal_(),
    "randint": lambda t, n: t.randint(5, 10, (n,)),
    "randint_wide": lambda t, n: t.randint(0, 2**40, (n,)),
    "random_": lambda t, n: t.empty(n).random_(),
    "randperm": lambda t, n: t.randperm(n),
    "bernoulli_": lambda t, n: t.empty(n).bernoulli_(0.3),
    "exponential_": lambda t, n: t.empty(n).exponential_(),
    "geometric_": lambda t, n: t.empty(n).geometric_(0.3),
    "cauchy_": lambda t, n: t.empty(n).cauchy_(),
    "log_normal_": lambda t, n: t.empty(n).log_normal_(),
    "dropout": lambda t, n: t.nn.functional.dropout(t.ones(n)),
    "dropout_float16": lambda t, n: t.nn.functional.dropout(t.ones(n, dtype=t.float16)).float(),
    "bernoulli": lambda t, n: t.bernoulli(t.tensor(weights)),
    "multinomial_one": lambda t, n: t.multinomial(t.tensor(weights), 1),
    "multinomial": lambda t, n: t.multinomial(t.tensor(weights), 20),
    "multinomial_replacement": lambda t, n: t.multinomial(t.tensor(weights), 20, True),
}


def drawn(t, draw, n):
    t.manual_seed(n)
    return np.asarray(draw(t, n).numpy()), t.get_rng_state().numpy()


@pytest.mark.parametrize("n", [1, 15, 16, 17, 624, 1023, 10007])
@pytest.mark.parametrize("name", draws)
def test_same_seed_same_bits(name, n):
    expected, expected_state = drawn(torch, draws[name], n)
    got, state = drawn(rushlight, draws[name], n)
    np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(state, expected_state)


def test_rrelu_draws_for_negatives_only():
    def run(t):
        t.manual_seed(0)
        return t.nn.functional.rrelu(t.tensor(weights) - 0.5, training=True).numpy()

    np.testing.assert_allclose(run(rushlight), run(torch), rtol=1e-6)


@pytest.mark.parametrize(
    ("bad", "message"),
    [([0.0, 0.0], "sum of probabilities <= 0"), ([-1.0, 2.0], "element < 0"), ([float("nan"), 1.0], "nan")],
)
def test_multinomial_of_bad_weights(bad, message):
    with pytest.raises(RuntimeError, match=message):
        rushlight.multinomial(rushlight.tensor(bad), 1)


@pytest.mark.parametrize("left, next", [(0, 1), (625, 0), (624, 600), (2, 624), (1, 625), (-5, 0), (624, 2**33)])
def test_a_state_that_points_outside_itself(left, next):
    rushlight.manual_seed(1)
    before = rushlight.get_rng_state()
    record = before.numpy().copy()
    record[8:12].view(np.int32)[0] = left
    record[16:24].view(np.uint64)[0] = next
    with pytest.raises(RuntimeError, match="Invalid mt19937 state"):
        rushlight.set_rng_state(rushlight.from_numpy(record))
    assert rushlight.equal(rushlight.get_rng_state(), before)
