// scaled_dot_product_attention, composed: its gradients and those of gradients follow.
#include "rushlight/dispatch/kernel.h"
#include "rushlight/fn/_safe_softmax.h"
#include "rushlight/fn/dropout.h"
#include "rushlight/fn/logical_not.h"
#include "rushlight/fn/masked_fill.h"
#include "rushlight/fn/matmul.h"
#include "rushlight/fn/ones.h"
#include "rushlight/fn/repeat_interleave.h"
#include "rushlight/fn/softmax.h"
#include "rushlight/fn/to.h"
#include "rushlight/fn/transpose.h"
#include "rushlight/fn/tril.h"
#include "rushlight/ops/operators.h"

namespace rushlight {
namespace {

Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask, double dropout_p, bool causal,
                 std::optional<double> scale, bool enable_gqa) {
  RL_CHECK(RuntimeError, q.dim() >= 2 && k.dim() >= 2 && v.dim() >= 2,
           "scaled_dot_product_attention: Expected query, key, and value to all be  at least 2 dimensional, but got "
           "Query dim: ",
           q.dim(), ", Key dim: ", k.dim(), ", Value dim: ", v.dim(), " instead.");
  RL_CHECK(RuntimeError, q.dtype() == k.dtype() && q.dtype() == v.dtype(),
           "Expected query, key, and value to have the same dtype, but got query.dtype: ", q.dtype(),
           " key.dtype: ", k.dtype(), " and value.dtype: ", v.dtype(), " instead.");
  RL_CHECK(RuntimeError, !(causal && mask.defined()),
           "_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True");
  RL_CHECK(RuntimeError, !mask.defined() || mask.dtype() == DType::Bool || is_floating(mask.dtype()),
           "Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: ",
           mask.dtype(), " and  query.dtype: ", q.dtype(),
           " instead. Hint: mask.bool() keeps what is True, mask.to(query.dtype) is added");
  if (is_half(q.dtype())) {  // rounded once, at the end
    auto wide = [](const Tensor& t) { return t.defined() && is_half(t.dtype()) ? to(t, DType::Float32) : t; };
    return to(attention(wide(q), wide(k), wide(v), wide(mask), dropout_p, causal, scale, enable_gqa), q.dtype());
  }
  Tensor keys = k, values = v;
  if (enable_gqa && q.dim() > 2) {
    RL_CHECK(RuntimeError, k.dim() > 2 && v.dim() > 2,
             "scaled_dot_product_attention: expected key and value with heads as query has them, got ", k.sizes(),
             " and ", v.sizes());
    int64_t heads = q.sizes()[size_t(q.dim() - 3)];
    auto spread = [&](const Tensor& t) {
      int64_t n = t.sizes()[size_t(t.dim() - 3)];
      RL_CHECK(RuntimeError, n > 0 && heads % n == 0,
               "Number of heads in key and value must divide the number of heads in query");
      return n == heads ? t : repeat_interleave(t, heads / n, t.dim() - 3);
    };
    keys = spread(k);
    values = spread(v);
  }
  // Both factors carry the root of the scale: half types overflow less.
  double factor = std::sqrt(scale.value_or(1 / std::sqrt(double(q.sizes().back()))));
  Tensor scores = matmul(q * factor, transpose(keys, -2, -1) * factor);
  constexpr double kNever = -std::numeric_limits<double>::infinity();
  if (causal) {
    Tensor seen = tril(ones(Dims{q.sizes()[size_t(q.dim() - 2)], k.sizes()[size_t(k.dim() - 2)]}, DType::Bool,
                            std::nullopt, q.device()));
    scores = masked_fill(scores, logical_not(seen), kNever);
  } else if (mask.defined()) {
    scores = mask.dtype() == DType::Bool ? masked_fill(scores, logical_not(mask), kNever) : scores + mask;
  }
  // A mask may leave a query nothing to attend to: its weights are 0.
  Tensor weights = mask.defined() ? _safe_softmax(scores, -1) : softmax(scores, -1);
  if (dropout_p > 0) weights = dropout(weights, dropout_p, true);
  return matmul(weights, values);
}

}  // namespace

OP(scaled_dot_product_attention,
   {.schema = "scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_mask=None, float "
              "dropout_p=0.0, bool is_causal=False, *, float? scale=None, bool enable_gqa=False) -> Tensor",
    .doc = "softmax(query @ key^T * scale + mask) @ value."
           " >>> torch.nn.functional.scaled_dot_product_attention(torch.eye(2), torch.eye(2), torch.tensor([[1., 0.], "
           "[0., 1.]]))\ntensor([[0.6698, 0.3302],\n        [0.3302, 0.6698]])",
    .kernel = composite<attention>(),
    .forms = kFunction,
    .module = "nn",
    .node = "ScaledDotProductFlashAttentionForCpuBackward0",
    .autocast = Autocast::Lower,
    .draws = "dropout_p"});
}  // namespace rushlight
