// Attention and transformers.
#include <limits>

#include "rushlight/functions.h"
#include "rushlight/nn/init.h"
#include "rushlight/nn/layers.h"
#include "rushlight/nn/printer.h"

namespace torch {
inline namespace rl {
namespace nn {

namespace F = functional;

MultiheadAttentionImpl::MultiheadAttentionImpl(const Options& o) : Layer(o) { reset(); }
void MultiheadAttentionImpl::pretty_print(std::ostream& stream) const { stream << "torch::nn::MultiheadAttention"; }
void MultiheadAttentionImpl::reset() {
  const auto& o = options;
  _qkv_same_embed_dim = o.kdim() == o.embed_dim() && o.vdim() == o.embed_dim();
  RL_CHECK(ValueError, o.num_heads() > 0, "num_heads must be greater than zero, got ", o.num_heads());
  head_dim = o.embed_dim() / o.num_heads();
  RL_CHECK(ValueError, head_dim * o.num_heads() == o.embed_dim(), "embed_dim must be divisible by num_heads");
  auto add = [&](const char* name, bool wanted, std::initializer_list<int64_t> sizes) {
    Tensor t = wanted ? Tensor(empty(IntArrayRef(sizes.begin(), sizes.size()), TensorOptions())) : Tensor();
    return register_parameter(name, t, wanted);
  };
  int64_t e = o.embed_dim();
  q_proj_weight = add("q_proj_weight", !_qkv_same_embed_dim, {e, e});
  k_proj_weight = add("k_proj_weight", !_qkv_same_embed_dim, {e, o.kdim()});
  v_proj_weight = add("v_proj_weight", !_qkv_same_embed_dim, {e, o.vdim()});
  in_proj_weight = add("in_proj_weight", _qkv_same_embed_dim, {3 * e, e});
  in_proj_bias = add("in_proj_bias", o.bias(), {3 * e});
  out_proj = register_module("out_proj", Linear(LinearOptions(e, e).bias(o.bias())));
  bias_k = add("bias_k", o.add_bias_kv(), {1, 1, e});
  bias_v = add("bias_v", o.add_bias_kv(), {1, 1, e});
  _reset_parameters();
}
void MultiheadAttentionImpl::_reset_parameters() {
  if (_qkv_same_embed_dim) {
    init::xavier_uniform_(in_proj_weight);
  } else {
    init::xavier_uniform_(q_proj_weight);
    init::xavier_uniform_(k_proj_weight);
    init::xavier_uniform_(v_proj_weight);
  }
  if (in_proj_bias.defined()) {
    init::zeros_(in_proj_bias);
    init::zeros_(out_proj->bias);
  }
  if (bias_k.defined()) init::xavier_normal_(bias_k);
  if (bias_v.defined()) init::xavier_normal_(bias_v);
}
std::tuple<Tensor, Tensor> MultiheadAttentionImpl::forward(const Tensor& query, const Tensor& key, const Tensor& value,
                                                           const Tensor& key_padding_mask, bool need_weights,
                                                           const Tensor& attn_mask, bool average_attn_weights) {
  return F::multi_head_attention_forward(
      query, key, value,
      F::MultiheadAttentionForwardFuncOptions(options.embed_dim(), options.num_heads(), in_proj_weight, in_proj_bias,
                                              bias_k, bias_v, options.add_zero_attn(), options.dropout(),
                                              out_proj->weight, out_proj->bias)
          .training(is_training())
          .key_padding_mask(key_padding_mask)
          .need_weights(need_weights)
          .attn_mask(attn_mask)
          .use_separate_proj_weight(!_qkv_same_embed_dim)
          .q_proj_weight(q_proj_weight)
          .k_proj_weight(k_proj_weight)
          .v_proj_weight(v_proj_weight)
          .average_attn_weights(average_attn_weights));
}

namespace {

Tensor activate(const activation_t& choice, const Tensor& x) {
  if (auto* function = std::get_if<std::function<Tensor(const Tensor&)>>(&choice)) return (*function)(x);
  return std::holds_alternative<enumtype::kGELU>(choice) ? F::gelu(x) : F::relu(x);
}

// What encoder and decoder layers have in common, registered in Python's order.
template <class L>
MultiheadAttention attention(L& layer, const char* name) {
  const auto& o = layer.options;
  return layer.register_module(
      name, MultiheadAttention(MultiheadAttentionOptions(o.d_model(), o.nhead()).dropout(o.dropout())));
}
template <class L>
void feed_forward(L& layer) {
  const auto& o = layer.options;
  layer.linear1 = layer.register_module("linear1", Linear(o.d_model(), o.dim_feedforward()));
  layer.dropout = layer.register_module("dropout", Dropout(o.dropout()));
  layer.linear2 = layer.register_module("linear2", Linear(o.dim_feedforward(), o.d_model()));
}
template <class L>
LayerNorm norm(L& layer, const char* name) {
  return layer.register_module(name, LayerNorm(LayerNormOptions({layer.options.d_model()})));
}
template <class L>
Dropout dropout(L& layer, const char* name) {
  return layer.register_module(name, Dropout(layer.options.dropout()));
}

// The copies of a layer, and the norm behind them.
template <class Coder, class Layer_>
void reset_coder(Coder& coder, const Layer_& layer) {
  coder.layers = coder.register_module("layers", ModuleList());
  for (int64_t i = 0; i < coder.options.num_layers(); i++) coder.layers->push_back(layer->clone());
  if (coder.options.norm().is_empty()) return;
  coder.norm = coder.options.norm().clone();
  coder.register_module("norm", coder.norm.ptr());
}
template <class LayerImpl, class Coder>
void reset_coder_parameters(Coder& coder) {
  for (const auto& m : *coder.layers) dynamic_cast<LayerImpl&>(*m).reset_parameters();
  if (coder.norm.is_empty()) return;
  coder.norm = coder.options.norm().clone();
  coder.replace_module("norm", coder.norm.ptr());
}

}  // namespace

TransformerEncoderLayerImpl::TransformerEncoderLayerImpl(const Options& o) : Layer(o) { reset(); }
void TransformerEncoderLayerImpl::pretty_print(std::ostream& stream) const { stream << name(); }
void TransformerEncoderLayerImpl::reset() {
  self_attn = attention(*this, "self_attn");
  feed_forward(*this);
  norm1 = norm(*this, "norm1");
  norm2 = norm(*this, "norm2");
  dropout1 = nn::dropout(*this, "dropout1");
  dropout2 = nn::dropout(*this, "dropout2");
}
void TransformerEncoderLayerImpl::reset_parameters() {
  self_attn->_reset_parameters();
  linear1->reset_parameters();
  linear2->reset_parameters();
  norm1->reset_parameters();
  norm2->reset_parameters();
}
Tensor TransformerEncoderLayerImpl::forward(const Tensor& src, const Tensor& src_mask,
                                            const Tensor& src_key_padding_mask) {
  Tensor attended = std::get<0>(self_attn(src, src, src, src_key_padding_mask, false, src_mask));
  Tensor x = norm1(src + dropout1(attended));
  return norm2(x + dropout2(linear2(dropout(activate(options.activation(), linear1(x))))));
}

TransformerDecoderLayerImpl::TransformerDecoderLayerImpl(const Options& o) : Layer(o) { reset(); }
void TransformerDecoderLayerImpl::pretty_print(std::ostream& stream) const { stream << name(); }
void TransformerDecoderLayerImpl::reset() {
  self_attn = attention(*this, "self_attn");
  multihead_attn = attention(*this, "multihead_attn");
  feed_forward(*this);
  norm1 = norm(*this, "norm1");
  norm2 = norm(*this, "norm2");
  norm3 = norm(*this, "norm3");
  dropout1 = nn::dropout(*this, "dropout1");
  dropout2 = nn::dropout(*this, "dropout2");
  dropout3 = nn::dropout(*this, "dropout3");
}
void TransformerDecoderLayerImpl::reset_parameters() {
  self_attn->_reset_parameters();
  multihead_attn->_reset_parameters();
  linear1->reset_parameters();
  linear2->reset_parameters();
  norm1->reset_parameters();
  norm2->reset_parameters();
  norm3->reset_parameters();
}
Tensor TransformerDecoderLayerImpl::forward(Tensor tgt, const Tensor& memory, const Tensor& tgt_mask,
                                            const Tensor& memory_mask, const Tensor& tgt_key_padding_mask,
                                            const Tensor& memory_key_padding_mask) {
  Tensor x = norm1(tgt + dropout1(std::get<0>(self_attn(tgt, tgt, tgt, tgt_key_padding_mask, false, tgt_mask))));
  Tensor seen = std::get<0>(multihead_attn(x, memory, memory, memory_key_padding_mask, false, memory_mask));
  x = norm2(x + dropout2(seen));
  return norm3(x + dropout3(linear2(dropout(activate(options.activation(), linear1(x))))));
}

TransformerEncoderImpl::TransformerEncoderImpl(const Options& o) : Layer(o) { reset(); }
void TransformerEncoderImpl::pretty_print(std::ostream& stream) const { stream << name(); }
void TransformerEncoderImpl::reset() { reset_coder(*this, options.encoder_layer()); }
void TransformerEncoderImpl::reset_parameters() { reset_coder_parameters<TransformerEncoderLayerImpl>(*this); }
Tensor TransformerEncoderImpl::forward(const Tensor& src, const Tensor& src_mask, const Tensor& src_key_padding_mask) {
  Tensor x = src;
  for (size_t i = 0; i < layers->size(); i++)
    x = layers->at<TransformerEncoderLayerImpl>(i).forward(x, src_mask, src_key_padding_mask);
  return norm.is_empty() ? x : norm.forward(x);
}

TransformerDecoderImpl::TransformerDecoderImpl(const Options& o) : Layer(o) { reset(); }
void TransformerDecoderImpl::pretty_print(std::ostream& stream) const { stream << name(); }
void TransformerDecoderImpl::reset() { reset_coder(*this, options.decoder_layer()); }
void TransformerDecoderImpl::reset_parameters() { reset_coder_parameters<TransformerDecoderLayerImpl>(*this); }
Tensor TransformerDecoderImpl::forward(const Tensor& tgt, const Tensor& memory, const Tensor& tgt_mask,
                                       const Tensor& memory_mask, const Tensor& tgt_key_padding_mask,
                                       const Tensor& memory_key_padding_mask) {
  Tensor x = tgt;
  for (size_t i = 0; i < layers->size(); i++)
    x = layers->at<TransformerDecoderLayerImpl>(i).forward(x, memory, tgt_mask, memory_mask, tgt_key_padding_mask,
                                                           memory_key_padding_mask);
  return norm.is_empty() ? x : norm.forward(x);
}

TransformerImpl::TransformerImpl(const Options& o) : Layer(o) { reset(); }
void TransformerImpl::pretty_print(std::ostream& stream) const { stream << name(); }
void TransformerImpl::reset() {
  const auto& o = options;
  auto shape = [&](auto layer) {
    return layer.dim_feedforward(o.dim_feedforward()).dropout(o.dropout()).activation(o.activation());
  };
  LayerNormOptions norm({o.d_model()});
  if (o.custom_encoder().is_empty()) {
    TransformerEncoderOptions e(shape(TransformerEncoderLayerOptions(o.d_model(), o.nhead())), o.num_encoder_layers());
    encoder = AnyModule(TransformerEncoder(e.norm(AnyModule(LayerNorm(norm)))));
  } else {
    encoder = o.custom_encoder().clone();
  }
  register_module("encoder", encoder.ptr());
  if (o.custom_decoder().is_empty()) {
    TransformerDecoderOptions d(shape(TransformerDecoderLayerOptions(o.d_model(), o.nhead())), o.num_decoder_layers());
    decoder = AnyModule(TransformerDecoder(d.norm(AnyModule(LayerNorm(norm)))));
  } else {
    decoder = o.custom_decoder().clone();
  }
  register_module("decoder", decoder.ptr());
  reset_parameters();
}
void TransformerImpl::reset_parameters() {
  for (Tensor& p : parameters())
    if (p.dim() > 1) init::xavier_uniform_(p);
}
Tensor TransformerImpl::forward(const Tensor& src, const Tensor& tgt, const Tensor& src_mask, const Tensor& tgt_mask,
                                const Tensor& memory_mask, const Tensor& src_key_padding_mask,
                                const Tensor& tgt_key_padding_mask, const Tensor& memory_key_padding_mask) {
  RL_CHECK(ShapeError, src.dim() == 3 && tgt.dim() == 3, "src and tgt should have 3 dimensions, but got ", src.dim(),
           " and ", tgt.dim());
  RL_CHECK(ShapeError, src.size(1) == tgt.size(1), "src and tgt should have equal batch size (at dim 1), but got ",
           src.size(1), " and ", tgt.size(1));
  RL_CHECK(ShapeError, src.size(2) == options.d_model() && tgt.size(2) == options.d_model(),
           "src and tgt should have same feature size as d_model (at dim 2), but got ", src.size(2), " and ",
           tgt.size(2), " while d_model is ", options.d_model());
  Tensor memory = encoder.forward(src, src_mask, src_key_padding_mask);
  return decoder.forward(tgt, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask);
}
Tensor TransformerImpl::generate_square_subsequent_mask(int64_t sz) {
  RL_CHECK(ValueError, sz > 0, "Input size must be positive to generate a valid square subsequence mask");
  return rushlight::triu(rushlight::full({sz, sz}, -std::numeric_limits<float>::infinity()), 1);
}

}  // namespace nn
}  // namespace rl
}  // namespace torch
