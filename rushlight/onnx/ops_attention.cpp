// Attention, its kin, and rotary embeddings.
#include "rushlight/onnx/operators.h"

namespace rushlight::onnx {

const char* const kAttentionText = R"py(
def _heads(x, count: int):
    # [batch, steps, heads * size] -> [batch, heads, steps, size]
    return x.reshape([x.size(0), x.size(1), count, x.size(2) // count]).transpose(1, 2)

def _softmax_in(scores, precision: Any):
    if precision == 0:
        return torch.softmax(scores, -1)
    return torch.softmax(scores.to(scalar_type(precision)), -1).to(scores.dtype)

def Attention_23(Q, K, V, attn_mask: Any = None, past_key: Any = None, past_value: Any = None, nonpad_kv_seqlen: Any = None, is_causal: Any = 0, kv_num_heads: Any = 0, q_num_heads: Any = 0, qk_matmul_output_mode: Any = 0, scale: Any = None, softcap: Any = 0.0, softmax_precision: Any = 0, left_window_size: Any = -1, right_window_size: Any = -1, outputs: Any = 1):
    q = Q
    k = K
    v = V
    packed = rank(Q) == 3
    if packed:
        q = _heads(Q, q_num_heads)
        k = _heads(K, kv_num_heads)
        v = _heads(V, kv_num_heads)
    past = 0
    if past_key is not None:
        past = past_key.size(2)
        k = torch.cat([past_key, k], 2)
        v = torch.cat([past_value, v], 2)
    present_k = k
    present_v = v
    group = q.size(1) // k.size(1)
    if group > 1:
        k = torch.repeat_interleave(k, group, 1)
        v = torch.repeat_interleave(v, group, 1)
    steps = q.size(2)
    total = k.size(2)
    s = 1.0 / math.sqrt(float(q.size(3)))
    if scale is not None:
        s = scale
    root = math.sqrt(s)
    scores = torch.matmul(q * root, k.transpose(2, 3) * root)
    raw = scores
    capped = scores
    if softcap != 0.0:
        capped = softcap * torch.tanh(scores / softcap)
        scores = capped
    # What a query may see: by its place among the keys, and by how many of them are real.
    allowed = torch.ones([1, 1, 1, total], dtype=torch.bool)
    at = torch.arange(steps).reshape([1, 1, steps, 1]) + past
    j = torch.arange(total).reshape([1, 1, 1, total])
    if nonpad_kv_seqlen is not None:
        n = nonpad_kv_seqlen.to(torch.int64).reshape([-1, 1, 1, 1])
        allowed = j < n
        if past_key is None:
            at = torch.arange(steps).reshape([1, 1, steps, 1]) + (n - steps)
    if is_causal == 1:
        allowed = allowed & (j <= at)
    if left_window_size >= 0:
        allowed = allowed & (j >= at - left_window_size)
    if right_window_size >= 0:
        allowed = allowed & (j <= at + right_window_size)
    if attn_mask is not None:
        m = attn_mask
        short = total - m.size(-1)
        if attn_mask.dtype == torch.bool:
            if short > 0:
                m = torch.constant_pad_nd(m, [0, short], 0)
            allowed = allowed & m
        else:
            if short > 0:
                m = torch.constant_pad_nd(m, [0, short], -inf)
            scores = scores + m.to(scores.dtype)
    scores = torch.where(allowed, scores, torch.full_like(scores, -inf))
    biased = scores
    p = _softmax_in(scores, softmax_precision)
    # A query that sees nothing gives zeros.
    p = torch.where(torch.amax(scores, -1, True) == -inf, torch.zeros_like(p), p)
    y = torch.matmul(p, v)
    if packed:
        y = y.transpose(1, 2).reshape([Q.size(0), Q.size(1), v.size(1) * v.size(3)])
    shown = raw
    if qk_matmul_output_mode == 1:
        shown = capped
    elif qk_matmul_output_mode == 2:
        shown = biased
    elif qk_matmul_output_mode == 3:
        shown = p
    return [y, present_k, present_v, shown]

def _flex_scores(q, k, scale: Any, precision: Any):
    group = q.size(1) // k.size(1)
    s = 1.0 / math.sqrt(float(q.size(3)))
    if scale is not None:
        s = scale
    d = torch.float64 if q.dtype == torch.float64 else torch.float32
    if precision != 0:
        d = scalar_type(precision)
    return torch.matmul(q.to(d), torch.repeat_interleave(k, group, 1).to(d).transpose(2, 3)) * s

def _flex_result(p, q, v):
    return torch.matmul(p, torch.repeat_interleave(v, q.size(1) // v.size(1), 1).to(p.dtype)).to(q.dtype)

def _softmax_last(x):
    return torch.softmax(x, -1)

def RotaryEmbedding_23(X, cos_cache, sin_cache, position_ids: Any = None, interleaved: Any = 0, num_heads: Any = 0, rotary_embedding_dim: Any = 0):
    x = X
    packed = rank(X) == 3
    if packed:
        x = X.reshape([X.size(0), X.size(1), num_heads, X.size(2) // num_heads])
    else:
        x = X.transpose(1, 2)
    size = x.size(3)
    if rotary_embedding_dim != 0:
        size = rotary_embedding_dim
    c = cos_cache
    s = sin_cache
    if position_ids is not None:
        c = cos_cache[position_ids]
        s = sin_cache[position_ids]
    c = c.unsqueeze(2)
    s = s.unsqueeze(2)
    turned = x.narrow(3, 0, size)
    rest = x.narrow(3, size, x.size(3) - size)
    if interleaved == 1:
        a = torch.slice(turned, 3, 0, size, 2)
        b = torch.slice(turned, 3, 1, size, 2)
        y = torch.stack([c * a - s * b, s * a + c * b], -1).reshape(turned.shape)
    else:
        a = turned.narrow(3, 0, size // 2)
        b = turned.narrow(3, size // 2, size // 2)
        y = torch.cat([c * a - s * b, s * a + c * b], 3)
    y = torch.cat([y, rest], 3)
    if packed:
        return y.reshape(X.shape)
    return y.transpose(1, 2)

def LinearAttention_27(query, key, value, past_state: Any = None, decay: Any = None, beta: Any = None, chunk_size: Any = 64, kv_num_heads: Any = 1, q_num_heads: Any = 1, scale: Any = 0.0, update_rule: Any = "gated_delta", outputs: Any = 2):
    q = _heads(query, q_num_heads).to(torch.float32)
    k = _heads(key, kv_num_heads).to(torch.float32)
    v = _heads(value, kv_num_heads).to(torch.float32)
    group = q_num_heads // kv_num_heads
    s = 1.0 / math.sqrt(float(q.size(3)))
    if scale != 0.0:
        s = scale
    state = torch.zeros([q.size(0), k.size(1), k.size(3), v.size(3)], dtype=torch.float32)
    if past_state is not None:
        state = past_state.to(torch.float32)
    out: List[Tensor] = []
    for t in range(q.size(2)):
        kt = k[:, :, t].unsqueeze(3)
        vt = v[:, :, t].unsqueeze(2)
        if decay is not None:
            g = _heads(decay, kv_num_heads).to(torch.float32)[:, :, t].unsqueeze(3)
            state = state * torch.exp(g)
        if update_rule == "delta" or update_rule == "gated_delta":
            vt = vt - torch.sum(state * kt, 2, True)
            if beta is not None:
                b = beta.to(torch.float32)[:, t].unsqueeze(2).unsqueeze(3)
                vt = vt * b
        state = state + kt * vt
        seen = torch.repeat_interleave(state, group, 1)
        out.append(torch.sum(q[:, :, t].unsqueeze(3) * seen, 2) * s)
    y = torch.stack(out, 1).reshape([query.size(0), query.size(1), q_num_heads * v.size(3)])
    p = state
    if past_state is not None:
        p = state.to(past_state.dtype)
    else:
        p = state.to(query.dtype)
    return [y.to(query.dtype), p]
)py";

}  // namespace rushlight::onnx
