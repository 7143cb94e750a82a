"""Multi-head attention."""

from __future__ import annotations

import math
import warnings
from typing import Any

import rushlight as rl
from rushlight import Tensor

from ._operators import operator
from .activation import dropout, softmax
from .linear import linear
from .vision import pad

scaled_dot_product_attention = operator("scaled_dot_product_attention")


def _check(ok: bool, text: str) -> None:
    if not ok:
        raise AssertionError(text)


def _shape_text(sizes: list[int]) -> str:
    return "(" + ", ".join([str(n) for n in sizes]) + ")"


def _in_projection_packed(q: Tensor, k: Tensor, v: Tensor, w: Tensor, b: Tensor | None) -> tuple:
    """Projects with the three matrices that ``w`` stacks; equal inputs share a multiplication."""
    e = q.size(-1)

    def together(x: Tensor, weight: Tensor, bias: Tensor | None, n: int) -> Tensor:
        parts = linear(x, weight, bias).unflatten(-1, (n, e))
        return parts.unsqueeze(0).transpose(0, -2).squeeze(-2).contiguous()

    if k is v and q is k:
        parts = together(q, w, b, 3)
        return parts[0], parts[1], parts[2]
    if k is v:
        w_q, w_kv = w.split([e, e * 2])
        b_q, b_kv = (None, None) if b is None else b.split([e, e * 2])
        projected = linear(q, w_q, b_q)
        parts = together(k, w_kv, b_kv, 2)
        return projected, parts[0], parts[1]
    weights = w.chunk(3)
    biases = (None, None, None) if b is None else b.chunk(3)
    return tuple(linear(x, weight, bias) for x, weight, bias in zip((q, k, v), weights, biases, strict=True))


def _mha_shape_check(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    key_padding_mask: Tensor | None,
    attn_mask: Tensor | None,
    num_heads: int,
) -> bool:
    dim = query.dim()
    _check(dim in (2, 3), f"query should be unbatched 2D or batched 3D tensor but received {dim}-D query tensor")
    kind = "batched (3-D)" if dim == 3 else "unbatched (2-D)"
    _check(
        key.dim() == dim and value.dim() == dim,
        f"For {kind} `query`, expected `key` and `value` to be {dim}-D"
        f" but found {key.dim()}-D and {value.dim()}-D tensors respectively",
    )
    if key_padding_mask is not None:
        _check(
            key_padding_mask.dim() == dim - 1,
            f"For {kind} `query`, expected `key_padding_mask` to be `None` or {dim - 1}-D"
            f" but found {key_padding_mask.dim()}-D tensor instead",
        )
    if attn_mask is not None:
        _check(
            attn_mask.dim() in (2, 3),
            f"For {kind} `query`, expected `attn_mask` to be `None`, 2-D or 3-D"
            f" but found {attn_mask.dim()}-D tensor instead",
        )
        if dim == 2 and attn_mask.dim() == 3:
            expected = [num_heads, query.shape[0], key.shape[0]]
            _check(
                list(attn_mask.shape) == expected,
                f"Expected `attn_mask` shape to be {_shape_text(expected)} but got {attn_mask.shape}",
            )
    return dim == 3


def _canonical_mask(
    mask: Tensor | None,
    mask_name: str,
    other_type: Any,
    other_name: str,
    target_type: Any,
    check_other: bool = True,
) -> Tensor | None:
    """The mask as numbers to add: a boolean True becomes -inf."""
    if mask is None:
        return None
    is_float = mask.is_floating_point()
    _check(mask.dtype == rl.bool or is_float, f"only bool and floating types of {mask_name} are supported")
    if check_other and other_type is not None and mask.dtype != other_type:
        warnings.warn(
            f"Support for mismatched {mask_name} and {other_name} is deprecated. Use same type for both instead.",
            stacklevel=3,
        )
    if is_float:
        return mask
    return rl.zeros_like(mask, dtype=target_type).masked_fill_(mask, float("-inf"))


def _none_or_dtype(input: Tensor | None) -> Any:
    return None if input is None else input.dtype


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """What MultiheadAttention computes, with its weights as arguments.

    Shape: ``query (L, N, E)``, ``key`` and ``value`` ``(S, N, E)``, or without N;
    result ``(L, N, E)`` and, with ``need_weights``, ``(N, L, S)``.
    """
    is_batched = _mha_shape_check(query, key, value, key_padding_mask, attn_mask, num_heads)
    if not is_batched:
        query, key, value = query.unsqueeze(1), key.unsqueeze(1), value.unsqueeze(1)
        if key_padding_mask is not None:
            key_padding_mask = key_padding_mask.unsqueeze(0)
    tgt_len, bsz, embed_dim = query.shape
    src_len = key.shape[0]
    key_padding_mask = _canonical_mask(
        key_padding_mask, "key_padding_mask", _none_or_dtype(attn_mask), "attn_mask", query.dtype
    )
    if is_causal and attn_mask is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint. "
            "You may use the Transformer module method "
            "`generate_square_subsequent_mask` to create this mask."
        )
    if is_causal and key_padding_mask is None and not need_weights:
        attn_mask = None  # the attention kernel knows the causal mask itself
    else:
        attn_mask = _canonical_mask(attn_mask, "attn_mask", None, "", query.dtype, False)
        if key_padding_mask is not None:
            is_causal = False

    _check(
        embed_dim == embed_dim_to_check,
        f"was expecting embedding dimension of {embed_dim_to_check}, but got {embed_dim}",
    )
    head_dim = embed_dim // num_heads
    heads = bsz * num_heads
    _check(head_dim * num_heads == embed_dim, f"embed_dim {embed_dim} not divisible by num_heads {num_heads}")
    if use_separate_proj_weight:
        _check(
            key.shape[:2] == value.shape[:2],
            f"key's sequence and batch dims {key.shape[:2]} do not match value's {value.shape[:2]}",
        )
        projections: list[Tensor] = []
        for name, w in zip("qkv", (q_proj_weight, k_proj_weight, v_proj_weight), strict=True):
            if w is None:
                raise AssertionError(f"use_separate_proj_weight is True but {name}_proj_weight is None")
            projections.append(w)
        biases = (None, None, None) if in_proj_bias is None else in_proj_bias.chunk(3)
        q, k, v = [linear(x, w, b) for x, w, b in zip((query, key, value), projections, biases, strict=True)]
    else:
        _check(key.shape == value.shape, f"key shape {key.shape} does not match value shape {value.shape}")
        if in_proj_weight is None:
            raise AssertionError("use_separate_proj_weight is False but in_proj_weight is None")
        q, k, v = _in_projection_packed(query, key, value, in_proj_weight, in_proj_bias)

    if attn_mask is not None:
        expected = [tgt_len, src_len] if attn_mask.dim() == 2 else [heads, tgt_len, src_len]
        if list(attn_mask.shape) != expected:
            raise RuntimeError(
                f"The shape of the {attn_mask.dim()}D attn_mask is {attn_mask.shape}, "
                f"but should be {_shape_text(expected)}."
            )
        if attn_mask.dim() == 2:
            attn_mask = attn_mask.unsqueeze(0)

    def one_more_source(mask: Tensor | None) -> Tensor | None:
        return None if mask is None else pad(mask, (0, 1))

    if bias_k is not None and bias_v is not None:
        _check(static_k is None, "bias cannot be added to static key.")
        _check(static_v is None, "bias cannot be added to static value.")
        k = rl.cat([k, bias_k.repeat(1, bsz, 1)])
        v = rl.cat([v, bias_v.repeat(1, bsz, 1)])
        attn_mask, key_padding_mask = one_more_source(attn_mask), one_more_source(key_padding_mask)
    else:
        _check(bias_k is None, "bias_k is set but bias_v is None")
        _check(bias_v is None, "bias_v is set but bias_k is None")

    def by_head(x: Tensor) -> Tensor:
        return x.view(x.shape[0], heads, head_dim).transpose(0, 1)

    def given(x: Tensor, name: str) -> Tensor:
        _check(x.size(0) == heads, f"expecting {name}.size(0) of {heads}, but got {x.size(0)}")
        _check(x.size(2) == head_dim, f"expecting {name}.size(2) of {head_dim}, but got {x.size(2)}")
        return x

    q = by_head(q)
    k = by_head(k) if static_k is None else given(static_k, "static_k")
    v = by_head(v) if static_v is None else given(static_v, "static_v")
    if add_zero_attn:
        k = rl.cat([k, rl.zeros((heads, 1, head_dim), dtype=k.dtype, device=k.device)], dim=1)
        v = rl.cat([v, rl.zeros((heads, 1, head_dim), dtype=v.dtype, device=v.device)], dim=1)
        attn_mask, key_padding_mask = one_more_source(attn_mask), one_more_source(key_padding_mask)
    src_len = k.size(1)

    if key_padding_mask is not None:
        for d, n in ((0, bsz), (1, src_len)):
            got = key_padding_mask.shape[d]
            _check(got == n, f"Expected key_padded_mask.shape[{d}] to be {n}, but got {got}")
        key_padding_mask = key_padding_mask.view(bsz, 1, 1, src_len).expand(-1, num_heads, -1, -1)
        key_padding_mask = key_padding_mask.reshape(heads, 1, src_len)
        attn_mask = key_padding_mask if attn_mask is None else attn_mask + key_padding_mask
    if not training:
        dropout_p = 0.0

    if need_weights:
        scaled = q * math.sqrt(1.0 / float(head_dim))
        _check(not (is_causal and attn_mask is None), "FIXME: is_causal not implemented for need_weights")
        if attn_mask is None:
            weights = rl.bmm(scaled, k.transpose(-2, -1))
        else:
            weights = rl.baddbmm(attn_mask, scaled, k.transpose(-2, -1))
        # A mask may leave a query nothing to attend to: its weights are 0.
        weights = softmax(weights, dim=-1) if attn_mask is None else rl._safe_softmax(weights, -1)
        if dropout_p > 0.0:
            weights = dropout(weights, p=dropout_p)
        output = rl.bmm(weights, v).transpose(0, 1).reshape(tgt_len * bsz, embed_dim)
        output = linear(output, out_proj_weight, out_proj_bias)
        output = output.view(tgt_len, bsz, output.size(1))
        weights = weights.view(bsz, num_heads, tgt_len, src_len)
        if average_attn_weights:
            weights = weights.mean(dim=1)
        if not is_batched:
            output, weights = output.squeeze(1), weights.squeeze(0)
        return output, weights

    if attn_mask is not None:
        if attn_mask.size(0) == 1 and attn_mask.dim() == 3:
            attn_mask = attn_mask.unsqueeze(0)
        else:
            attn_mask = attn_mask.view(bsz, num_heads, -1, src_len)
    q = q.view(bsz, num_heads, tgt_len, head_dim)
    k = k.view(bsz, num_heads, src_len, head_dim)
    v = v.view(bsz, num_heads, src_len, head_dim)
    output = scaled_dot_product_attention(q, k, v, attn_mask, dropout_p, is_causal)
    output = output.permute(2, 0, 1, 3).reshape(bsz * tgt_len, embed_dim)
    output = linear(output, out_proj_weight, out_proj_bias)
    output = output.view(tgt_len, bsz, output.size(1))
    return (output if is_batched else output.squeeze(1)), None
