"""Functions of torch for quantised numbers that few programs call, against PyTorch's."""

import numpy as np
import pytest
import torch

import rushlight as rl


def ours(t):
    return rl.from_numpy(t.numpy())


def close(a, b, tolerance=1e-5):
    return np.allclose(a.numpy(), b.numpy(), rtol=0, atol=tolerance)


def quantised(seed=0, shape=(1, 2, 4, 4)):
    values = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    made = torch.quantize_per_tensor(values, 0.05, 128, torch.quint8)
    return made, rl.quantize_per_tensor(ours(made.dequantize()), 0.05, 128, rl.quint8)


def test_pooling_normalising_and_making():
    x, y = quantised()
    for rank, take in ((1, lambda t: t[0]), (2, lambda t: t)):
        for options in ({}, {"stride": [1], "padding": 1}):
            a = getattr(torch, f"quantized_max_pool{rank}d")(take(x), [2] * rank, **{k: [1] * rank for k in options})
            b = getattr(rl, f"quantized_max_pool{rank}d")(take(y), [2] * rank, **options)
            assert close(a.int_repr(), b.int_repr()) and b.q_scale() == 0.05
    statistics = [torch.ones(2), torch.zeros(2), torch.tensor([0.1, -0.2]), torch.tensor([2.0, 1.0])]
    a = torch.quantized_batch_norm(x, *statistics, 1e-5, 0.1, 100)
    b = rl.quantized_batch_norm(y, *map(ours, statistics), 1e-5, 0.1, 100)
    assert np.abs(a.int_repr().numpy().astype(int) - b.int_repr().numpy()).max() <= 1 and b.q_zero_point() == 100
    assert rl.empty_quantized([3], y).q_scale() == 0.05


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_a_range_that_quantises_well(bits):
    x = torch.randn(50, generator=torch.Generator().manual_seed(bits)) * 3 + 1
    x[0] *= 8
    found, expected = (
        f(v, 50, 200, 0.16, bits)
        for f, v in ((rl.choose_qparams_optimized, ours(x)), (torch.choose_qparams_optimized, x))
    )
    assert close(found[0], expected[0], 1e-3) and close(found[1], expected[1], 1e-3)
    for wrong in ((51, 200, 0.16, 8), (50, 0, 0.16, 8), (50, 200, 0.16, 40)):
        with pytest.raises(RuntimeError, match="choose_qparams_optimized: expected"):
            rl.choose_qparams_optimized(ours(x), *wrong)


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("by_row", [False, True])
@pytest.mark.parametrize("lowest, highest", [(0, 255), (-128, 127)])
def test_ranges_that_move_with_what_comes_by(symmetric, by_row, lowest, highest):
    runs = []
    for fw, make in ((torch, lambda t: t), (rl, ours)):
        state = [torch.empty(0)] * 3 if by_row else [torch.tensor([v]) for v in (np.inf, -np.inf, 1.0)]
        state = [make(t).clone() for t in [*state, torch.empty(0 if by_row else 1, dtype=torch.int32)]]
        low, high, scale, zero = state
        results = []
        for k in range(3):
            x = make(torch.arange(6.0).reshape(2, 3) * (k + 1) / 3 - 2)
            on = make(torch.tensor([1])), make(torch.tensor([int(k != 1)]))
            axis = 0 if by_row else -1
            results.append(
                fw.fused_moving_avg_obs_fake_quant(
                    x, *on, low, high, scale, zero, 0.1, lowest, highest, axis, by_row, symmetric
                )
            )
        runs.append([*results, *state])
    assert all(map(close, *runs))


def test_linear_layers_with_weights_in_float16_and_int8():
    random = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(3, 4, generator=random), torch.randn(3, generator=random)
    weight[0, 0] = 1e6
    half = rl.fbgemm_pack_gemm_matrix_fp16(ours(weight))
    weight[0, 0] = 1.0
    whole, sums, scale, zero = rl.fbgemm_linear_quantize_weight(ours(weight))
    theirs = torch.fbgemm_linear_quantize_weight(weight)
    packed = torch.fbgemm_pack_quantized_matrix(theirs[0])
    assert close(whole, theirs[0]) and close(sums, theirs[1]) and zero == theirs[3] and abs(scale - theirs[2]) < 1e-8
    dequantized = (theirs[0].float() - zero) * scale
    for k in range(10):
        x = torch.randn(2, 4, generator=random) * (k + 0.1)
        assert close(
            rl.fbgemm_linear_fp16_weight(ours(x), half, ours(bias))[:, 1:],
            torch.nn.functional.linear(x, weight.half().float(), bias)[:, 1:],
            1e-3,
        )
        a = torch.fbgemm_linear_int8_weight(x, *theirs[:1], packed, *theirs[1:], bias)
        b = rl.fbgemm_linear_int8_weight(
            ours(x), whole, rl.fbgemm_pack_quantized_matrix(whole), sums, scale, zero, ours(bias)
        )
        if torch.cpu._is_vnni_supported():  # without it PyTorch adds products of bytes in 16 bits, and cuts them off
            assert close(a, b, 1e-4)
        assert close(b, x @ dequantized.T + bias, 0.05 * (k + 1))
    for f in (rl.fbgemm_pack_gemm_matrix_fp16, rl.fbgemm_linear_quantize_weight):
        with pytest.raises(RuntimeError, match="expected a matrix"):
            f(rl.ones(3))
    assert half.dtype == rl.float16 and half[0, 0] == 65504
