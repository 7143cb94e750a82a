"""A query that may attend to nothing gets zeros, and gives no gradient: PyTorch's attention says so, and so do the modules here in all their forms."""

import math

import pytest

import rushlight as rl
from rushlight import nn

F = nn.functional
DTYPES = [rl.float32, rl.float64, rl.float16, rl.bfloat16]
# Row 1 attends to nothing.
MASK = [[True, False, True, True], [False] * 4, [True] * 4]


def _as(mask, kind, dtype):
    boolean = rl.tensor(mask)
    if kind == "bool":
        return boolean
    return rl.zeros(boolean.shape, dtype=dtype).masked_fill(~boolean, -math.inf)


def _qkv(dtype, heads=2, kv_heads=2):
    rl.manual_seed(0)
    shapes = [(1, heads, 3, 8), (1, kv_heads, 4, 8), (1, kv_heads, 4, 8)]
    return [rl.randn(*s).to(dtype).requires_grad_() for s in shapes]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("kind", ["bool", "float"])
@pytest.mark.parametrize("form", ["plain", "dropout", "gqa", "scale", "one mask a head"])
def test_a_row_that_is_masked_whole_is_zero(dtype, kind, form):
    q, k, v = _qkv(dtype, heads=4 if form == "gqa" else 2)
    mask = _as(MASK, kind, dtype)
    if form == "one mask a head":
        mask = rl.stack([mask, mask])[None]
    options = {"dropout": {"dropout_p": 0.3}, "gqa": {"enable_gqa": True}, "scale": {"scale": 0.7}}.get(form, {})
    y = F.scaled_dot_product_attention(q, k, v, mask, **options)
    assert y.dtype == dtype
    assert bool((y[:, :, 1] == 0).all())
    assert not bool(y.isnan().any())
    grads = rl.autograd.grad(y.float().square().sum(), [q, k, v])
    assert not any(bool(g.isnan().any()) for g in grads)
    assert bool((grads[0][:, :, 1] == 0).all())
    if form == "plain":  # the other rows are what they are without row 1
        alone = F.scaled_dot_product_attention(q[:, :, [0, 2]], k, v, mask[[0, 2]])
        assert bool((y[:, :, [0, 2]] == alone).all())


def test_a_causal_mask_over_more_queries_than_keys_and_over_no_keys():
    q, k, v = rl.randn(1, 5, 4), rl.randn(1, 2, 4), rl.randn(1, 2, 4)
    y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    assert bool(rl.isclose(y[0, 0], v[0, 0]).all())
    assert not bool(y.isnan().any())
    assert bool((F.scaled_dot_product_attention(q, k[:, :0], v[:, :0]) == 0).all())


def test_gradients_of_gradients_stay_finite():
    q, k, v = _qkv(rl.float64)
    y = F.scaled_dot_product_attention(q, k, v, rl.tensor(MASK))
    first = rl.autograd.grad(y.square().sum(), [q, k, v], create_graph=True)
    second = rl.autograd.grad(sum(g.square().sum() for g in first), [q, k, v])
    assert not any(bool(g.isnan().any()) for g in second)


@pytest.mark.parametrize("n", [1, 15, 16, 33])
@pytest.mark.parametrize("dim", [0, 1])
def test_safe_softmax_is_softmax_elsewhere(n, dim):
    x = rl.randn(n, 17)
    x = x.transpose(0, 1).contiguous().transpose(0, 1) if n == 15 else x
    plain = rl.softmax(x, dim)
    assert bool((rl._safe_softmax(x, dim) == plain).all())
    row = [slice(None)] * 2
    row[1 - dim] = 0
    x[tuple(row)] = -math.inf
    safe = rl._safe_softmax(x, dim)
    assert bool((safe[tuple(row)] == 0).all())
    assert not bool(safe.isnan().any())
    x[0, 0] = math.nan
    assert bool(rl._safe_softmax(x, dim)[0, 0].isnan())


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("kind", ["bool", "float"])
@pytest.mark.parametrize("which", ["attn_mask", "key_padding_mask"])
def test_multihead_attention(dtype, need_weights, kind, which):
    attention = nn.MultiheadAttention(8, 2, batch_first=True).to(dtype)
    x = rl.randn(2, 3, 8).to(dtype).requires_grad_()
    keys = rl.randn(2, 4, 8).to(dtype).requires_grad_()
    if which == "attn_mask":
        options = {"attn_mask": ~rl.tensor(MASK) if kind == "bool" else _as(MASK, kind, dtype)}
        dead = (slice(None), 1)
    else:
        padding = [[True] * 4, [False, False, True, True]]
        flipped = [[not m for m in row] for row in padding]
        options = {"key_padding_mask": rl.tensor(padding) if kind == "bool" else _as(flipped, kind, dtype)}
        dead = (0,)
    y, weights = attention(x, keys, keys, need_weights=need_weights, **options)
    assert not bool(y.isnan().any())
    assert bool((y[dead] == attention.out_proj.bias).all())  # the projection of zeros
    if need_weights:
        assert bool((weights[dead] == 0).all())
    grads = rl.autograd.grad(y.float().square().sum(), [x, keys, *attention.parameters()])
    assert not any(bool(g.isnan().any()) for g in grads)
    assert bool((grads[0][dead] == 0).all())


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("layer", [nn.TransformerEncoderLayer, nn.TransformerDecoderLayer])
def test_transformer_layers(layer, norm_first, training):
    module = layer(8, 2, 16, batch_first=True, norm_first=norm_first).train(training)
    x = rl.randn(2, 3, 8, requires_grad=True)
    padding = rl.tensor([[True] * 3, [False, False, True]])
    if layer is nn.TransformerEncoderLayer:
        stack = nn.TransformerEncoder(module, 2, enable_nested_tensor=False).train(training)
        results = [module(x, src_key_padding_mask=padding), stack(x, src_key_padding_mask=padding)]
    else:
        stack = nn.TransformerDecoder(module, 2).train(training)
        masks = {"tgt_key_padding_mask": padding, "memory_key_padding_mask": padding}
        results = [module(x, x, **masks), stack(x, x, **masks)]
    for y in results:
        assert not bool(y.isnan().any())
        (g,) = rl.autograd.grad(y.square().sum(), x)
        assert not bool(g.isnan().any())
    with rl.no_grad():
        y = module(x, src_key_padding_mask=padding) if layer is nn.TransformerEncoderLayer else module(x, x, **masks)
        assert not bool(y.isnan().any())
