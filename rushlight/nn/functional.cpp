#include "rushlight/nn/functional.h"

#include "rushlight/api/lowered.h"
#include "rushlight/functional.h"
#include "rushlight/functions.h"

namespace torch {
inline namespace rl {
namespace nn::functional {

namespace record = rushlight::functional;  // what Python's nn.functional is

namespace {

// "mean" of kMean, "nearest-exact" of kNearestExact.
template <class V>
std::string lower(const V& choice) {
  std::string out;
  for (char c : enumtype::get_enum_name(choice).substr(1)) {
    bool upper = c >= 'A' && c <= 'Z';
    if (upper && !out.empty()) out += '-';
    out += upper ? char(c - 'A' + 'a') : c;
  }
  return out;
}
template <class O>
int64_t reduction(const O& options) {
  return enumtype::reduction_get_enum(options.reduction());
}
template <size_t D>
IntArrayRef all(const ExpandingArray<D>& a) {
  return a;
}
OptionalIntArrayRef maybe(const std::optional<std::vector<int64_t>>& v) {
  return v ? OptionalIntArrayRef(IntArrayRef(*v)) : std::nullopt;
}

}  // namespace

// ---- linear, embedding -----------------------------------------------------------------------------------------------

Tensor linear(const Tensor& input, const Tensor& weight, const Tensor& bias) {
  return rushlight::linear(input, weight, bias);
}
Tensor bilinear(const Tensor& input1, const Tensor& input2, const Tensor& weight, const Tensor& bias) {
  return rushlight::bilinear(input1, input2, weight, bias);
}
Tensor one_hot(const Tensor& tensor, int64_t num_classes) { return rushlight::one_hot(tensor, num_classes); }
Tensor embedding(const Tensor& input, const Tensor& weight, const EmbeddingFuncOptions& o) {
  return record::embedding(input, weight, o.padding_idx(), o.max_norm(), o.norm_type(), o.scale_grad_by_freq(),
                           o.sparse());
}
Tensor embedding_bag(const Tensor& input, const Tensor& weight, const EmbeddingBagFuncOptions& o) {
  return record::embedding_bag(input, weight, o.offsets(), o.max_norm(), o.norm_type(), o.scale_grad_by_freq(),
                               lower(o.mode()), o.sparse(), o.per_sample_weights(), o.include_last_offset(),
                               o.padding_idx());
}

// ---- activations, dropout --------------------------------------------------------------------------------------------

#define RL_INPLACE(name, ...) o.inplace() ? rushlight::name##_(__VA_ARGS__) : rushlight::name(__VA_ARGS__)
Tensor elu(Tensor x, const ELUFuncOptions& o) { return RL_INPLACE(elu, x, o.alpha()); }
Tensor selu(Tensor x, const SELUFuncOptions& o) { return RL_INPLACE(selu, x); }
Tensor celu(Tensor x, const CELUFuncOptions& o) { return RL_INPLACE(celu, x, o.alpha()); }
Tensor relu(Tensor x, const ReLUFuncOptions& o) { return RL_INPLACE(relu, x); }
Tensor relu6(Tensor x, const ReLU6FuncOptions& o) { return RL_INPLACE(relu6, x); }
Tensor leaky_relu(Tensor x, const LeakyReLUFuncOptions& o) { return RL_INPLACE(leaky_relu, x, o.negative_slope()); }
Tensor rrelu(Tensor x, const RReLUFuncOptions& o) { return RL_INPLACE(rrelu, x, o.lower(), o.upper(), o.training()); }
Tensor hardtanh(Tensor x, const HardtanhFuncOptions& o) { return RL_INPLACE(hardtanh, x, o.min_val(), o.max_val()); }
Tensor threshold(Tensor x, const ThresholdFuncOptions& o) { return RL_INPLACE(threshold, x, o.threshold(), o.value()); }
Tensor hardshrink(const Tensor& x, const HardshrinkFuncOptions& o) { return rushlight::hardshrink(x, o.lambda()); }
Tensor softshrink(const Tensor& x, const SoftshrinkFuncOptions& o) { return rushlight::softshrink(x, o.lambda()); }
Tensor softplus(const Tensor& x, const SoftplusFuncOptions& o) {
  return rushlight::softplus(x, o.beta(), o.threshold());
}
Tensor glu(const Tensor& x, const GLUFuncOptions& o) {
  RL_CHECK(RuntimeError, x.dim() != 0, "glu does not support scalars because halving size must be even");
  return rushlight::glu(x, o.dim());
}
Tensor gelu(const Tensor& x, const GELUFuncOptions& o) { return rushlight::gelu(x, o.approximate()); }
Tensor logsigmoid(const Tensor& x) { return rushlight::log_sigmoid(x); }
Tensor silu(const Tensor& x) { return rushlight::silu(x); }
Tensor mish(const Tensor& x) { return rushlight::mish(x); }
Tensor prelu(const Tensor& x, const Tensor& weight) { return rushlight::prelu(x, weight); }
Tensor softsign(const Tensor& x) { return x / (x.abs() + 1); }
Tensor tanhshrink(const Tensor& x) { return x - x.tanh(); }
Tensor softmax(const Tensor& x, const SoftmaxFuncOptions& o) { return rushlight::softmax(x, o.dim(), o.dtype()); }
Tensor softmin(const Tensor& x, const SoftminFuncOptions& o) {
  return rushlight::softmax(rushlight::neg(x), o.dim(), o.dtype());
}
Tensor log_softmax(const Tensor& x, const LogSoftmaxFuncOptions& o) {
  return rushlight::log_softmax(x, o.dim(), o.dtype());
}
Tensor gumbel_softmax(const Tensor& logits, const GumbelSoftmaxFuncOptions& o) {
  return record::gumbel_softmax(logits, o.tau(), o.hard(), 1e-10, o.dim());
}

namespace {
void check_p(double p) {
  RL_CHECK(ValueError, p >= 0. && p <= 1., "dropout probability has to be between 0 and 1, but got ", p);
}
}  // namespace
Tensor dropout(Tensor x, const DropoutFuncOptions& o) {
  check_p(o.p());
  return RL_INPLACE(dropout, x, o.p(), o.training());
}
Tensor dropout2d(Tensor x, const Dropout2dFuncOptions& o) {
  return record::dropout2d(x, o.p(), o.training(), o.inplace());
}
Tensor dropout3d(Tensor x, const Dropout3dFuncOptions& o) {
  return record::dropout3d(x, o.p(), o.training(), o.inplace());
}
Tensor alpha_dropout(Tensor x, const AlphaDropoutFuncOptions& o) {
  check_p(o.p());
  return RL_INPLACE(alpha_dropout, x, o.p(), o.training());
}
Tensor feature_alpha_dropout(Tensor x, const FeatureAlphaDropoutFuncOptions& o) {
  check_p(o.p());
  return RL_INPLACE(feature_alpha_dropout, x, o.p(), o.training());
}
#undef RL_INPLACE
Tensor detail::alpha_dropout(Tensor x, double p, bool training, bool inplace) {
  return functional::alpha_dropout(x, AlphaDropoutFuncOptions().p(p).training(training).inplace(inplace));
}

std::tuple<Tensor, Tensor> multi_head_attention_forward(const Tensor& query, const Tensor& key, const Tensor& value,
                                                        const MultiheadAttentionForwardFuncOptions& o) {
  return adopt<Tensor, Tensor>(record::multi_head_attention_forward(
      query, key, value, o.embed_dim_to_check(), o.num_heads(), o.in_proj_weight(), o.in_proj_bias(), o.bias_k(),
      o.bias_v(), o.add_zero_attn(), o.dropout_p(), o.out_proj_weight(), o.out_proj_bias(), o.training(),
      o.key_padding_mask(), o.need_weights(), o.attn_mask(), o.use_separate_proj_weight(), o.q_proj_weight(),
      o.k_proj_weight(), o.v_proj_weight(), o.static_k(), o.static_v(), o.average_attn_weights()));
}

// ---- convolution, images ---------------------------------------------------------------------------------------------

#define RL_CONV(D)                                                                                                   \
  Tensor conv##D##d(const Tensor& x, const Tensor& weight, const Conv##D##dFuncOptions& o) {                         \
    if (auto* padding = std::get_if<ExpandingArray<D>>(&o.padding()))                                                \
      return rushlight::conv##D##d(x, weight, o.bias(), all(o.stride()), all(*padding), all(o.dilation()),           \
                                   o.groups());                                                                      \
    const char* padding = std::holds_alternative<enumtype::kSame>(o.padding()) ? "same" : "valid";                   \
    return rushlight::conv##D##d(x, weight, o.bias(), all(o.stride()), std::string_view(padding), all(o.dilation()), \
                                 o.groups());                                                                        \
  }                                                                                                                  \
  Tensor conv_transpose##D##d(const Tensor& x, const Tensor& weight, const ConvTranspose##D##dFuncOptions& o) {      \
    return rushlight::conv_transpose##D##d(x, weight, o.bias(), all(o.stride()), all(o.padding()),                   \
                                           all(o.output_padding()), o.groups(), all(o.dilation()));                  \
  }
RL_CONV(1)
RL_CONV(2)
RL_CONV(3)
#undef RL_CONV

Tensor fold(const Tensor& x, const FoldFuncOptions& o) {
  return record::fold(x, all(o.output_size()), all(o.kernel_size()), all(o.dilation()), all(o.padding()),
                      all(o.stride()));
}
Tensor unfold(const Tensor& x, const UnfoldFuncOptions& o) {
  return record::unfold(x, all(o.kernel_size()), all(o.dilation()), all(o.padding()), all(o.stride()));
}
Tensor pad(const Tensor& x, const PadFuncOptions& o) {
  bool constant = std::holds_alternative<enumtype::kConstant>(o.mode());
  return rushlight::pad(x, o.pad(), lower(o.mode()), constant ? std::optional<double>(o.value()) : std::nullopt);
}
Tensor pixel_shuffle(const Tensor& x, const PixelShuffleFuncOptions& o) {
  return rushlight::pixel_shuffle(x, o.upscale_factor());
}
Tensor pixel_unshuffle(const Tensor& x, const PixelUnshuffleFuncOptions& o) {
  return rushlight::pixel_unshuffle(x, o.downscale_factor());
}
Tensor interpolate(const Tensor& x, const InterpolateFuncOptions& o) {
  std::optional<ArrayRef<double>> scale;
  if (o.scale_factor()) scale = ArrayRef<double>(*o.scale_factor());
  return record::interpolate(x, maybe(o.size()), scale, lower(o.mode()), o.align_corners(), o.recompute_scale_factor(),
                             o.antialias());
}
Tensor affine_grid(const Tensor& theta, IntArrayRef size, bool align_corners) {
  return record::affine_grid(theta, size, align_corners);
}
Tensor grid_sample(const Tensor& x, const Tensor& grid, const GridSampleFuncOptions& o) {
  return record::grid_sample(x, grid, lower(o.mode()), lower(o.padding_mode()), o.align_corners());
}

// ---- pooling ---------------------------------------------------------------------------------------------------------

Tensor avg_pool1d(const Tensor& x, const AvgPool1dFuncOptions& o) {
  return rushlight::avg_pool1d(x, all(o.kernel_size()), all(o.stride()), all(o.padding()), o.ceil_mode(),
                               o.count_include_pad());
}
#define RL_AVG_POOL(D)                                                                                          \
  Tensor avg_pool##D##d(const Tensor& x, const AvgPool##D##dFuncOptions& o) {                                   \
    return rushlight::avg_pool##D##d(x, all(o.kernel_size()), all(o.stride()), all(o.padding()), o.ceil_mode(), \
                                     o.count_include_pad(), o.divisor_override());                              \
  }
RL_AVG_POOL(2)
RL_AVG_POOL(3)
#undef RL_AVG_POOL

namespace {
// Sizes that are left out stay the input's.
IntArrayRef pooled(const Tensor&, const ExpandingArray<1>& size, std::vector<int64_t>&) { return size; }
template <size_t D>
IntArrayRef pooled(const Tensor& x, const ExpandingArrayWithOptionalElem<D>& size, std::vector<int64_t>& out) {
  for (size_t i = 0; i < D; i++) out.push_back((*size)[i] ? *(*size)[i] : x.size(int64_t(i) - int64_t(D)));
  return out;
}
}  // namespace

#define RL_POOL(D)                                                                                                  \
  Tensor max_pool##D##d(const Tensor& x, const MaxPool##D##dFuncOptions& o) {                                       \
    return rushlight::max_pool##D##d(x, all(o.kernel_size()), all(o.stride()), all(o.padding()), all(o.dilation()), \
                                     o.ceil_mode());                                                                \
  }                                                                                                                 \
  std::tuple<Tensor, Tensor> max_pool##D##d_with_indices(const Tensor& x, const MaxPool##D##dFuncOptions& o) {      \
    return adopt<Tensor, Tensor>(rushlight::max_pool##D##d_with_indices(                                            \
        x, all(o.kernel_size()), all(o.stride()), all(o.padding()), all(o.dilation()), o.ceil_mode()));             \
  }                                                                                                                 \
  Tensor adaptive_avg_pool##D##d(const Tensor& x, const AdaptiveAvgPool##D##dFuncOptions& o) {                      \
    std::vector<int64_t> size;                                                                                      \
    return rushlight::adaptive_avg_pool##D##d(x, pooled(x, o.output_size(), size));                                 \
  }                                                                                                                 \
  std::tuple<Tensor, Tensor> adaptive_max_pool##D##d_with_indices(const Tensor& x,                                  \
                                                                  const AdaptiveMaxPool##D##dFuncOptions& o) {      \
    std::vector<int64_t> size;                                                                                      \
    return adopt<Tensor, Tensor>(rushlight::adaptive_max_pool##D##d(x, pooled(x, o.output_size(), size)));          \
  }                                                                                                                 \
  Tensor adaptive_max_pool##D##d(const Tensor& x, const AdaptiveMaxPool##D##dFuncOptions& o) {                      \
    return std::get<0>(adaptive_max_pool##D##d_with_indices(x, o));                                                 \
  }                                                                                                                 \
  Tensor max_unpool##D##d(const Tensor& x, const Tensor& indices, const MaxUnpool##D##dFuncOptions& o) {            \
    return record::max_unpool##D##d(x, indices, all(o.kernel_size()), OptionalIntArrayRef(all(o.stride())),         \
                                    all(o.padding()), maybe(o.output_size()));                                      \
  }                                                                                                                 \
  Tensor lp_pool##D##d(const Tensor& x, const LPPool##D##dFuncOptions& o) {                                         \
    return record::lp_pool##D##d(x, o.norm_type(), all(o.kernel_size()), OptionalIntArrayRef(all(o.stride())),      \
                                 o.ceil_mode());                                                                    \
  }
RL_POOL(1)
RL_POOL(2)
RL_POOL(3)
#undef RL_POOL
#define RL_FRACTIONAL(D)                                                                                              \
  std::tuple<Tensor, Tensor> fractional_max_pool##D##d_with_indices(const Tensor& x,                                  \
                                                                    const FractionalMaxPool##D##dFuncOptions& o) {    \
    OptionalIntArrayRef size;                                                                                         \
    if (o.output_size()) size = all(*o.output_size());                                                                \
    std::optional<ArrayRef<double>> ratio;                                                                            \
    if (o.output_ratio()) ratio = ArrayRef<double>(*o.output_ratio());                                                \
    return adopt<Tensor, Tensor>(record::fractional_max_pool##D##d_with_indices(x, all(o.kernel_size()), size, ratio, \
                                                                                false, o._random_samples()));         \
  }                                                                                                                   \
  Tensor fractional_max_pool##D##d(const Tensor& x, const FractionalMaxPool##D##dFuncOptions& o) {                    \
    return std::get<0>(fractional_max_pool##D##d_with_indices(x, o));                                                 \
  }
RL_FRACTIONAL(2)
RL_FRACTIONAL(3)
#undef RL_FRACTIONAL

// ---- normalisation ---------------------------------------------------------------------------------------------------

Tensor batch_norm(const Tensor& x, const Tensor& mean, const Tensor& var, const BatchNormFuncOptions& o) {
  return record::batch_norm(x, mean, var, o.weight(), o.bias(), o.training(), o.momentum(), o.eps());
}
Tensor instance_norm(const Tensor& x, const InstanceNormFuncOptions& o) {
  return record::instance_norm(x, o.running_mean(), o.running_var(), o.weight(), o.bias(), o.use_input_stats(),
                               o.momentum(), o.eps());
}
Tensor layer_norm(const Tensor& x, const LayerNormFuncOptions& o) {
  return rushlight::layer_norm(x, o.normalized_shape(), o.weight(), o.bias(), o.eps());
}
Tensor local_response_norm(const Tensor& x, const LocalResponseNormFuncOptions& o) {
  return record::local_response_norm(x, o.size(), o.alpha(), o.beta(), o.k());
}
Tensor group_norm(const Tensor& x, const GroupNormFuncOptions& o) {
  return record::group_norm(x, o.num_groups(), o.weight(), o.bias(), o.eps());
}
Tensor normalize(const Tensor& x, const NormalizeFuncOptions& o) {
  return record::normalize(x, o.p(), {o.dim()}, o.eps(), lowered(o.out()));
}

// ---- distances, losses -----------------------------------------------------------------------------------------------

Tensor cosine_similarity(const Tensor& x1, const Tensor& x2, const CosineSimilarityFuncOptions& o) {
  return rushlight::cosine_similarity(x1, x2, o.dim(), o.eps());
}
Tensor pairwise_distance(const Tensor& x1, const Tensor& x2, const PairwiseDistanceFuncOptions& o) {
  return rushlight::pairwise_distance(x1, x2, o.p(), o.eps(), o.keepdim());
}
Tensor pdist(const Tensor& x, double p) { return rushlight::pdist(x, p); }
// Their records broadcast, and warn about it.
#define RL_NAMED_REDUCTION std::nullopt, std::nullopt, lower(o.reduction())
Tensor l1_loss(const Tensor& x, const Tensor& y, const L1LossFuncOptions& o) {
  return record::l1_loss(x, y, RL_NAMED_REDUCTION);
}
Tensor kl_div(const Tensor& x, const Tensor& y, const KLDivFuncOptions& o) {
  bool batch = std::holds_alternative<enumtype::kBatchMean>(o.reduction());
  return record::kl_div(x, y, std::nullopt, std::nullopt, batch ? "batchmean" : lower(o.reduction()), o.log_target());
}
Tensor mse_loss(const Tensor& x, const Tensor& y, const MSELossFuncOptions& o) {
  if (x.sizes() == y.sizes()) return rushlight::mse_loss(x, y, reduction(o));
  return record::mse_loss(x, y, RL_NAMED_REDUCTION);
}
Tensor binary_cross_entropy(const Tensor& x, const Tensor& y, const BinaryCrossEntropyFuncOptions& o) {
  return record::binary_cross_entropy(x, y, o.weight(), RL_NAMED_REDUCTION);
}
Tensor binary_cross_entropy_with_logits(const Tensor& x, const Tensor& y,
                                        const BinaryCrossEntropyWithLogitsFuncOptions& o) {
  return record::binary_cross_entropy_with_logits(x, y, o.weight(), RL_NAMED_REDUCTION, o.pos_weight());
}
Tensor hinge_embedding_loss(const Tensor& x, const Tensor& y, const HingeEmbeddingLossFuncOptions& o) {
  return rushlight::hinge_embedding_loss(x, y, o.margin(), reduction(o));
}
Tensor multi_margin_loss(const Tensor& x, const Tensor& y, const MultiMarginLossFuncOptions& o) {
  return record::multi_margin_loss(x, y, o.p(), o.margin(), o.weight(), RL_NAMED_REDUCTION);
}
Tensor cosine_embedding_loss(const Tensor& x1, const Tensor& x2, const Tensor& y,
                             const CosineEmbeddingLossFuncOptions& o) {
  return rushlight::cosine_embedding_loss(x1, x2, y, o.margin(), reduction(o));
}
Tensor smooth_l1_loss(const Tensor& x, const Tensor& y, const SmoothL1LossFuncOptions& o) {
  return record::smooth_l1_loss(x, y, RL_NAMED_REDUCTION, o.beta().value_or(1.0));
}
Tensor smooth_l1_loss(const Tensor& x, const Tensor& y, const SmoothL1LossFuncOptions& o, double beta) {
  RL_CHECK(RuntimeError, !o.beta(), "expected beta not to be provided in 'options', but got ", *o.beta());
  return functional::smooth_l1_loss(x, y, SmoothL1LossFuncOptions(o).beta(beta));
}
Tensor huber_loss(const Tensor& x, const Tensor& y, const HuberLossFuncOptions& o) {
  return record::huber_loss(x, y, lower(o.reduction()), o.delta());
}
Tensor multilabel_margin_loss(const Tensor& x, const Tensor& y, const MultilabelMarginLossFuncOptions& o) {
  return rushlight::multilabel_margin_loss(x, y, reduction(o));
}
Tensor soft_margin_loss(const Tensor& x, const Tensor& y, const SoftMarginLossFuncOptions& o) {
  return rushlight::soft_margin_loss(x, y, reduction(o));
}
Tensor multilabel_soft_margin_loss(const Tensor& x, const Tensor& y, const MultilabelSoftMarginLossFuncOptions& o) {
  return record::multilabel_soft_margin_loss(x, y, o.weight(), RL_NAMED_REDUCTION);
}
#undef RL_NAMED_REDUCTION
Tensor triplet_margin_loss(const Tensor& a, const Tensor& p, const Tensor& n, const TripletMarginLossFuncOptions& o) {
  return rushlight::triplet_margin_loss(a, p, n, o.margin(), o.p(), o.eps(), o.swap(), reduction(o));
}
Tensor triplet_margin_with_distance_loss(const Tensor& a, const Tensor& p, const Tensor& n,
                                         const TripletMarginWithDistanceLossFuncOptions& o) {
  RL_CHECK(RuntimeError, a.dim() == p.dim() && a.dim() == n.dim(),
           "The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: "
           "anchor ",
           a.dim(), "D, positive ", p.dim(), "D, and negative ", n.dim(), "D inputs");
  auto distance = [&](const Tensor& x, const Tensor& y) {
    return o.distance_function() ? (*o.distance_function())(x, y) : functional::pairwise_distance(x, y);
  };
  Tensor swapped = o.swap() ? distance(p, n) : Tensor();
  return record::_triplet_of_distances(distance(a, p), distance(a, n), swapped, o.margin(), lower(o.reduction()));
}
Tensor ctc_loss(const Tensor& log_probs, const Tensor& targets, const Tensor& input_lengths,
                const Tensor& target_lengths, const CTCLossFuncOptions& o) {
  return rushlight::ctc_loss(log_probs, targets, input_lengths, target_lengths, o.blank(), reduction(o),
                             o.zero_infinity());
}
Tensor poisson_nll_loss(const Tensor& x, const Tensor& y, const PoissonNLLLossFuncOptions& o) {
  return rushlight::poisson_nll_loss(x, y, o.log_input(), o.full(), o.eps(), reduction(o));
}
Tensor margin_ranking_loss(const Tensor& x1, const Tensor& x2, const Tensor& y, const MarginRankingLossFuncOptions& o) {
  RL_CHECK(RuntimeError, x1.dim() == x2.dim() && x1.dim() == y.dim(),
           "margin_ranking_loss : All input tensors should have same dimension but got sizes: input1: ", x1.sizes(),
           ", input2: ", x2.sizes(), ", target: ", y.sizes());
  return rushlight::margin_ranking_loss(x1, x2, y, o.margin(), reduction(o));
}
Tensor nll_loss(const Tensor& x, const Tensor& y, const NLLLossFuncOptions& o) {
  return rushlight::nll_loss_nd(x, y, o.weight(), reduction(o), o.ignore_index());
}
Tensor cross_entropy(const Tensor& x, const Tensor& y, const CrossEntropyFuncOptions& o) {
  return rushlight::cross_entropy_loss(x, y, o.weight(), reduction(o), o.ignore_index(), o.label_smoothing());
}

}  // namespace nn::functional
}  // namespace rl
}  // namespace torch
