// Multi-head attention of nn.functional.
#include "rushlight/dispatch/scripted.h"

namespace rushlight {

OP(functional_attention_mask,
   {.schema = "functional::_attention_mask(Tensor mask, str name, ScalarType dtype) -> Tensor",
    .doc = "The mask as numbers to add: a boolean True becomes -inf.",
    .kernel = RL_SCRIPT(R"py(
if mask.is_floating_point():
    return mask
if mask.dtype != torch.bool:
    raise AssertionError(f"only bool and floating types of {name} are supported")
return torch.zeros_like(mask, dtype=dtype).masked_fill_(mask, -inf)
)py"),
    .shares = {"mask"}})

OP(functional_check_attention, {.schema = "functional::_check_attention(Tensor query, Tensor key, Tensor value, "
                                          "Tensor? key_padding_mask, Tensor? attn_mask, "
                                          "int num_heads) -> ()",
                                .doc = "Raises unless the numbers of dimensions belong together.",
                                .kernel = RL_SCRIPT(R"py(
dim = query.dim()
assert dim == 2 or dim == 3, f"query should be unbatched 2D or batched 3D tensor but received {dim}-D query tensor"
kind = "batched (3-D)" if dim == 3 else "unbatched (2-D)"
assert key.dim() == dim and value.dim() == dim, (
    f"For {kind} `query`, expected `key` and `value` to be {dim}-D"
    f" but found {key.dim()}-D and {value.dim()}-D tensors respectively")
if key_padding_mask is not None:
    assert key_padding_mask.dim() == dim - 1, (
        f"For {kind} `query`, expected `key_padding_mask` to be `None` or {dim - 1}-D"
        f" but found {key_padding_mask.dim()}-D tensor instead")
if attn_mask is not None:
    assert attn_mask.dim() == 2 or attn_mask.dim() == 3, (
        f"For {kind} `query`, expected `attn_mask` to be `None`, 2-D or 3-D but found {attn_mask.dim()}-D tensor instead")
    if dim == 2 and attn_mask.dim() == 3:
        expected = [num_heads, query.size(0), key.size(0)]
        assert attn_mask.size() == expected, (
            f"Expected `attn_mask` shape to be ({expected[0]}, {expected[1]}, {expected[2]}) but got torch.Size({attn_mask.size()})")
)py")})

OP(functional_project_packed,
   {.schema = "functional::_project_packed(Tensor query, Tensor key, Tensor value, Tensor weight, Tensor? bias) -> "
              "(Tensor, Tensor, Tensor)",
    .doc = "Projects with the three matrices that `weight` stacks; equal inputs share a multiplication.",
    .kernel = RL_SCRIPT(R"py(
e = query.size(-1)
if key is value:
    if query is key:
        parts = torch.linear(query, weight, bias).unflatten(-1, [3, e]).unsqueeze(0).transpose(0, -2).squeeze(-2).contiguous()
        return parts[0], parts[1], parts[2]
    first, rest = weight[:e], weight[e:]
    first_bias: Optional[Tensor] = None
    rest_bias: Optional[Tensor] = None
    if bias is not None:
        first_bias, rest_bias = bias[:e], bias[e:]
    both = torch.linear(key, rest, rest_bias).unflatten(-1, [2, e]).unsqueeze(0).transpose(0, -2).squeeze(-2).contiguous()
    return torch.linear(query, first, first_bias), both[0], both[1]
weights = weight.chunk(3)
if bias is None:
    return torch.linear(query, weights[0]), torch.linear(key, weights[1]), torch.linear(value, weights[2])
biases = bias.chunk(3)
return (torch.linear(query, weights[0], biases[0]), torch.linear(key, weights[1], biases[1]),
        torch.linear(value, weights[2], biases[2]))
)py")})

OP(functional_multi_head_attention_forward,
   {.schema =
        "functional::multi_head_attention_forward(Tensor query, Tensor key, Tensor value, int embed_dim_to_check, "
        "int num_heads, "
        "Tensor? in_proj_weight, Tensor? in_proj_bias, Tensor? bias_k, Tensor? bias_v, bool add_zero_attn, float "
        "dropout_p, "
        "Tensor out_proj_weight, Tensor? out_proj_bias, bool training=True, Tensor? key_padding_mask=None, "
        "bool need_weights=True, Tensor? attn_mask=None, bool use_separate_proj_weight=False, Tensor? "
        "q_proj_weight=None, "
        "Tensor? k_proj_weight=None, Tensor? v_proj_weight=None, Tensor? static_k=None, Tensor? static_v=None, "
        "bool average_attn_weights=True, bool is_causal=False) -> (Tensor, Tensor?)",
    .doc = "What MultiheadAttention computes, with its weights as arguments: of `query` (L, N, E), `key` and "
           "`value` (S, N, E), or without N, "
           "(L, N, E) and, with `need_weights`, (N, L, S).",
    .kernel = RL_SCRIPT(R"py(
functional._check_attention(query, key, value, key_padding_mask, attn_mask, num_heads)
is_batched = query.dim() == 3
alike, keys_alike = query is key, key is value
if not is_batched:
    query = query.unsqueeze(1)
    key = query if alike else key.unsqueeze(1)
    value = key if keys_alike else value.unsqueeze(1)
    if key_padding_mask is not None:
        key_padding_mask = key_padding_mask.unsqueeze(0)
tgt_len, bsz, embed_dim = query.size(0), query.size(1), query.size(2)
src_len = key.size(0)
padding: Optional[Tensor] = None
if key_padding_mask is not None:
    if attn_mask is not None:
        if key_padding_mask.dtype != attn_mask.dtype:
            warn("Support for mismatched key_padding_mask and attn_mask is deprecated. Use same type for both instead.")
    padding = functional._attention_mask(key_padding_mask, "key_padding_mask", query.dtype)
if is_causal and attn_mask is None:
    raise RuntimeError("Need attn_mask if specifying the is_causal hint. You may use the Transformer module method "
                       "`generate_square_subsequent_mask` to create this mask.")
mask: Optional[Tensor] = None
causal = is_causal
if not (is_causal and key_padding_mask is None and not need_weights):  # else the attention kernel knows the causal mask itself
    if attn_mask is not None:
        mask = functional._attention_mask(attn_mask, "attn_mask", query.dtype)
    if padding is not None:
        causal = False

assert embed_dim == embed_dim_to_check, f"was expecting embedding dimension of {embed_dim_to_check}, but got {embed_dim}. Hint: make the layer with embed_dim={embed_dim} (d_model in a transformer), or bring the features last"
head_dim = embed_dim // num_heads
heads = bsz * num_heads
if key.size(1) != bsz:
    raise RuntimeError(
        f"shape '[{src_len}, {heads}, {head_dim}]' is invalid for input of size {key.numel()}. Hint: attention: the batch of "
        f"query is {bsz} and that of key {key.size(1)}; it is dimension 1, with batch_first=True dimension 0")
assert head_dim * num_heads == embed_dim, f"embed_dim {embed_dim} not divisible by num_heads {num_heads}"
if use_separate_proj_weight:
    assert key.size()[:2] == value.size()[:2], (
        f"key's sequence and batch dims torch.Size({key.size()[:2]}) do not match value's torch.Size({value.size()[:2]})")
    if q_proj_weight is None:
        raise AssertionError("use_separate_proj_weight is True but q_proj_weight is None")
    if k_proj_weight is None:
        raise AssertionError("use_separate_proj_weight is True but k_proj_weight is None")
    if v_proj_weight is None:
        raise AssertionError("use_separate_proj_weight is True but v_proj_weight is None")
    if in_proj_bias is None:
        q, k, v = torch.linear(query, q_proj_weight), torch.linear(key, k_proj_weight), torch.linear(value, v_proj_weight)
    else:
        biases = in_proj_bias.chunk(3)
        q = torch.linear(query, q_proj_weight, biases[0])
        k = torch.linear(key, k_proj_weight, biases[1])
        v = torch.linear(value, v_proj_weight, biases[2])
else:
    assert key.size() == value.size(), (
        f"key shape torch.Size({key.size()}) does not match value shape torch.Size({value.size()})")
    if in_proj_weight is None:
        raise AssertionError("use_separate_proj_weight is False but in_proj_weight is None")
    q, k, v = functional._project_packed(query, key, value, in_proj_weight, in_proj_bias)

if mask is not None:
    expected = [tgt_len, src_len] if mask.dim() == 2 else [heads, tgt_len, src_len]
    if mask.size() != expected:
        shape = f"({tgt_len}, {src_len})" if mask.dim() == 2 else f"({heads}, {tgt_len}, {src_len})"
        raise RuntimeError(
            f"The shape of the {mask.dim()}D attn_mask is torch.Size({mask.size()}), but should be {shape}. Hint: it is "
            f"(queries, keys), or one for each of batch * heads; query has the shape {query.size()}")
    if mask.dim() == 2:
        mask = mask.unsqueeze(0)

more = 0
if bias_k is not None and bias_v is not None:
    assert static_k is None, "bias cannot be added to static key."
    assert static_v is None, "bias cannot be added to static value."
    k = torch.cat([k, bias_k.repeat([1, bsz, 1])])
    v = torch.cat([v, bias_v.repeat([1, bsz, 1])])
    more = 1
else:
    assert bias_k is None, "bias_k is set but bias_v is None"
    assert bias_v is None, "bias_v is set but bias_k is None"

q = q.view([q.size(0), heads, head_dim]).transpose(0, 1)
if static_k is None:
    k = k.view([k.size(0), heads, head_dim]).transpose(0, 1)
else:
    assert static_k.size(0) == heads, f"expecting static_k.size(0) of {heads}, but got {static_k.size(0)}"
    assert static_k.size(2) == head_dim, f"expecting static_k.size(2) of {head_dim}, but got {static_k.size(2)}"
    k = static_k
if static_v is None:
    v = v.view([v.size(0), heads, head_dim]).transpose(0, 1)
else:
    assert static_v.size(0) == heads, f"expecting static_v.size(0) of {heads}, but got {static_v.size(0)}"
    assert static_v.size(2) == head_dim, f"expecting static_v.size(2) of {head_dim}, but got {static_v.size(2)}"
    v = static_v
if add_zero_attn:
    k = torch.cat([k, torch.zeros([heads, 1, head_dim], dtype=k.dtype, device=k.device)], dim=1)
    v = torch.cat([v, torch.zeros([heads, 1, head_dim], dtype=v.dtype, device=v.device)], dim=1)
    more += 1
if more > 0:
    if mask is not None:
        mask = torch.pad(mask, [0, more])
    if padding is not None:
        padding = torch.pad(padding, [0, more])
src_len = k.size(1)

if padding is not None:
    assert padding.size(0) == bsz, f"Expected key_padded_mask.shape[0] to be {bsz}, but got {padding.size(0)}"
    assert padding.size(1) == src_len, f"Expected key_padded_mask.shape[1] to be {src_len}, but got {padding.size(1)}"
    padding = padding.view([bsz, 1, 1, src_len]).expand([-1, num_heads, -1, -1]).reshape([heads, 1, src_len])
    mask = padding if mask is None else mask + padding
p = dropout_p if training else 0.0

if need_weights:
    scaled = q * (1.0 / float(head_dim)) ** 0.5
    assert not (causal and mask is None), "FIXME: is_causal not implemented for need_weights"
    if mask is None:
        weights = torch.softmax(torch.bmm(scaled, k.transpose(-2, -1)), -1)
    else:
        # A mask may leave a query nothing to attend to: its weights are 0.
        weights = torch._safe_softmax(torch.baddbmm(mask, scaled, k.transpose(-2, -1)), -1)
    if p > 0.0:
        weights = torch.dropout(weights, p, True)
    output = torch.bmm(weights, v).transpose(0, 1).reshape([tgt_len * bsz, embed_dim])
    output = torch.linear(output, out_proj_weight, out_proj_bias)
    output = output.view([tgt_len, bsz, output.size(1)])
    weights = weights.view([bsz, num_heads, tgt_len, src_len])
    if average_attn_weights:
        weights = weights.mean(dim=1)
    if not is_batched:
        output, weights = output.squeeze(1), weights.squeeze(0)
    return output, weights

if mask is not None:
    if mask.size(0) == 1 and mask.dim() == 3:
        mask = mask.unsqueeze(0)
    else:
        mask = mask.view([bsz, num_heads, -1, src_len])
q = q.view([bsz, num_heads, tgt_len, head_dim])
k = k.view([bsz, num_heads, src_len, head_dim])
v = v.view([bsz, num_heads, src_len, head_dim])
output = torch.scaled_dot_product_attention(q, k, v, mask, p, causal)
output = output.permute([2, 0, 1, 3]).reshape([bsz * tgt_len, embed_dim])
output = torch.linear(output, out_proj_weight, out_proj_bias)
output = output.view([tgt_len, bsz, output.size(1)])
if not is_batched:
    output = output.squeeze(1)
return output, None
)py")})

}  // namespace rushlight
