"""nn.attention.flex_attention, compared with scaled_dot_product_attention and by hand."""

import math

import pytest
from rushlight.nn.attention import flex_attention as flex
from rushlight.nn.functional import scaled_dot_product_attention

import rushlight as torch


def inputs(heads=4, kv_heads=4):
    torch.manual_seed(0)
    return (
        torch.randn(2, heads, 6, 8, requires_grad=True),
        torch.randn(2, kv_heads, 7, 8),
        torch.randn(2, kv_heads, 7, 5),
    )


def causal(b, h, q, k):
    return q >= k


def test_plain_and_masked():
    q, k, v = inputs()
    assert torch.allclose(flex.flex_attention(q, k, v), scaled_dot_product_attention(q, k, v), atol=1e-6)
    mask = flex.create_block_mask(causal, None, None, 6, 7, device="cpu", BLOCK_SIZE=2)
    expected = scaled_dot_product_attention(q, k, v, is_causal=True)
    got = flex.flex_attention(q, k, v, block_mask=mask)
    assert torch.allclose(got, expected, atol=1e-6)
    (grad,) = torch.autograd.grad(got.sum(), q)
    assert torch.allclose(grad, torch.autograd.grad(expected.sum(), q)[0], atol=1e-5)
    assert mask.to_dense().tolist() == [[[[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0]]]] and mask.shape == (1, 1, 6, 7)
    assert mask.kv_num_blocks.tolist() == [[[1, 2, 3]]] and mask.sparsity() == pytest.approx(50)


def test_changed_scores():
    q, k, v = inputs()
    slopes = torch.tensor([0.5, 0.25, 0.125, 0.1])

    def alibi(score, b, h, q_idx, kv_idx):
        return score + slopes[h] * (kv_idx - q_idx)

    bias = slopes.view(4, 1, 1) * (torch.arange(7) - torch.arange(6)[:, None])
    got, lse = flex.flex_attention(q, k, v, score_mod=alibi, return_lse=True, scale=0.5)
    assert torch.allclose(got, scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=0.5), atol=1e-6)
    assert torch.allclose(lse, (q @ k.transpose(-1, -2) * 0.5 + bias).logsumexp(-1), atol=1e-5)


def test_shared_heads_masks_and_queries_without_keys():
    q, k, v = inputs(4, 2)
    with pytest.raises(ValueError, match="enable_gqa"):
        flex.flex_attention(q, k, v)
    assert torch.allclose(
        flex.flex_attention(q, k, v, enable_gqa=True), scaled_dot_product_attention(q, k, v, enable_gqa=True), atol=1e-6
    )
    near = flex.and_masks(causal, lambda b, h, q, k: q - k < 2)
    assert flex.create_mask(near, 1, 1, 3, 3).int().tolist() == [[[[1, 0, 0], [1, 1, 0], [0, 1, 1]]]]
    nothing = flex.create_block_mask(lambda b, h, q, k: q < 0, 2, 2, 6, 7)
    out = flex.flex_attention(q, k, v, block_mask=nothing, enable_gqa=True)
    assert torch.equal(out, torch.zeros_like(out)) and not math.isnan(out.sum().item())
