// Modules without parameters.
#include "rushlight/nn/layers.h"

#include "rushlight/functions.h"
#include "rushlight/nn/printer.h"

namespace torch {
inline namespace rl {
namespace nn {

namespace F = functional;

// ---- activations, dropout --------------------------------------------------------------------------------------------

#define RL_CALL(Name, function, print) \
  RL_DEFINE(Name, print)               \
  Tensor Name##Impl::forward(Tensor x) { return F::function(std::move(x), options); }
#define RL_CALL_CONST(Name, function, print) \
  RL_DEFINE(Name, print)                     \
  Tensor Name##Impl::forward(const Tensor& x) { return F::function(x, options); }
#define RL_INPLACE .other("inplace", o.inplace(), false)
RL_CALL(ELU, elu, ("alpha", o.alpha())RL_INPLACE)
RL_CALL(SELU, selu, RL_INPLACE)
RL_CALL(CELU, celu, ("alpha", o.alpha())RL_INPLACE)
RL_CALL(ReLU, relu, RL_INPLACE)
RL_CALL(ReLU6, relu6, RL_INPLACE)
RL_CALL(LeakyReLU, leaky_relu, ("negative_slope", o.negative_slope())RL_INPLACE)
HardtanhImpl::HardtanhImpl(const Options& o) : Layer(o) { reset(); }
void HardtanhImpl::reset() {
  RL_CHECK(ValueError, options.min_val() < options.max_val(),
           "max_val must be greater than min_val. Hint: got min_val=", options.min_val(),
           ", max_val=", options.max_val());
}
void HardtanhImpl::pretty_print(std::ostream& stream) const {
  const Options& o = options;
  Printer(stream, "Hardtanh")("min_val", o.min_val())("max_val", o.max_val())RL_INPLACE;
}
Tensor HardtanhImpl::forward(Tensor x) { return F::hardtanh(std::move(x), options); }
RL_CALL(Threshold, threshold, ("threshold", o.threshold())("value", o.value())RL_INPLACE)
RL_CALL_CONST(Hardshrink, hardshrink, (o.lambda()))
RL_CALL_CONST(Softshrink, softshrink, (o.lambda()))
RL_CALL_CONST(GLU, glu, ("dim", o.dim()))
RL_CALL_CONST(GELU, gelu, )
RL_CALL_CONST(Softplus, softplus, ("beta", o.beta())("threshold", o.threshold()))
RL_DEFINE(RReLU, ("lower", o.lower())("upper", o.upper())RL_INPLACE)
#undef RL_INPLACE
Tensor RReLUImpl::forward(Tensor x) {
  return F::rrelu(x, F::RReLUFuncOptions()
                         .lower(options.lower())
                         .upper(options.upper())
                         .training(is_training())
                         .inplace(options.inplace()));
}
#define RL_ALONG(Name, function)    \
  RL_DEFINE(Name, ("dim", o.dim())) \
  Tensor Name##Impl::forward(const Tensor& x) { return F::function(x, options.dim()); }
RL_ALONG(Softmax, softmax)
RL_ALONG(Softmin, softmin)
RL_ALONG(LogSoftmax, log_softmax)
#undef RL_ALONG

#define RL_DROPOUT(Name, function, Input)                                                                            \
  Name##Impl::Name##Impl(const Options& o) : Layer(o) {                                                              \
    RL_CHECK(ValueError, o.p() >= 0. && o.p() <= 1., "dropout probability has to be between 0 and 1, but got ",      \
             o.p());                                                                                                 \
  }                                                                                                                  \
  void Name##Impl::pretty_print(std::ostream& stream) const {                                                        \
    Printer(stream, #Name)("p", options.p())("inplace", options.inplace());                                          \
  }                                                                                                                  \
  Tensor Name##Impl::forward(Input x) {                                                                              \
    return F::function(x, F::Name##FuncOptions().p(options.p()).training(is_training()).inplace(options.inplace())); \
  }
RL_DROPOUT(Dropout, dropout, Tensor)
RL_DROPOUT(Dropout2d, dropout2d, Tensor)
RL_DROPOUT(Dropout3d, dropout3d, Tensor)
RL_DROPOUT(AlphaDropout, alpha_dropout, const Tensor&)
RL_DROPOUT(FeatureAlphaDropout, feature_alpha_dropout, const Tensor&)
#undef RL_DROPOUT

#define RL_PLAIN(Name, value)                                                           \
  Name##Impl::Name##Impl() = default;                                                   \
  void Name##Impl::pretty_print(std::ostream& stream) const { Printer(stream, #Name); } \
  Tensor Name##Impl::forward(const Tensor& x) { return value; }
RL_PLAIN(LogSigmoid, F::logsigmoid(x))
RL_PLAIN(SiLU, F::silu(x))
RL_PLAIN(Mish, F::mish(x))
RL_PLAIN(Sigmoid, rushlight::sigmoid(x))
RL_PLAIN(Softsign, F::softsign(x))
RL_PLAIN(Tanh, rushlight::tanh(x))
RL_PLAIN(Tanhshrink, F::tanhshrink(x))
RL_PLAIN(Identity, x)
Softmax2dImpl::Softmax2dImpl() = default;
void Softmax2dImpl::pretty_print(std::ostream& stream) const { Printer(stream, "Softmax2d"); }
Tensor Softmax2dImpl::forward(const Tensor& x) {
  RL_CHECK(ValueError, x.dim() == 4 || x.dim() == 3, "Softmax2d: expected input to be 3D or 4D, got ", x.dim(),
           "D instead");
  return F::softmax(x, -3);
}

RL_DEFINE(Flatten, ("start_dim", o.start_dim())("end_dim", o.end_dim()))
Tensor FlattenImpl::forward(const Tensor& x) { return rushlight::flatten(x, options.start_dim(), options.end_dim()); }
UnflattenImpl::UnflattenImpl(const Options& o) : Layer(o) {}
void UnflattenImpl::pretty_print(std::ostream& stream) const {
  const auto& named = options.namedshape();
  if (named.empty()) {
    stream << "torch::nn::Unflatten(dim=" << options.dim() << ", unflattened_size={";
    for (size_t i = 0; i < options.sizes().size(); i++) stream << (i ? ", " : "") << options.sizes()[i];
  } else {
    stream << "torch::nn::Unflatten(dim=\"" << options.dimname() << "\", unflattened_size={";
    for (size_t i = 0; i < named.size(); i++)
      stream << (i ? ", " : "") << "{\"" << named[i].first << "\", " << named[i].second << "}";
  }
  stream << "})";
}
Tensor UnflattenImpl::forward(const Tensor& x) {
  RL_CHECK(NotImplementedError, options.namedshape().empty(), "Unflatten: dimensions have no names here, got '",
           options.dimname(), "'; give the dimension's number and its sizes");
  return rushlight::unflatten(x, options.dim(), options.sizes());
}

// ---- images, padding, pooling ----------------------------------------------------------------------------------------

RL_CALL_CONST(Fold, fold,
              ("output_size", o.output_size())("kernel_size", o.kernel_size())("dilation", o.dilation())(
                  "padding", o.padding())("stride", o.stride()))
RL_CALL_CONST(Unfold, unfold,
              ("kernel_size", o.kernel_size())("dilation", o.dilation())("padding", o.padding())("stride", o.stride()))
RL_CALL_CONST(PixelShuffle, pixel_shuffle, ("upscale_factor", o.upscale_factor()))
RL_CALL_CONST(PixelUnshuffle, pixel_unshuffle, ("downscale_factor", o.downscale_factor()))

UpsampleImpl::UpsampleImpl(const Options& o) : Layer(o) {}
void UpsampleImpl::pretty_print(std::ostream& stream) const {
  Printer print(stream, "Upsample");
  if (options.scale_factor()) print("scale_factor", ArrayRef<double>(*options.scale_factor()));
  else if (options.size()) print("size", IntArrayRef(*options.size()));
  print("mode", enumtype::get_enum_name(options.mode()));
}
Tensor UpsampleImpl::forward(const Tensor& x) {
  F::InterpolateFuncOptions::mode_t mode =
      std::visit([](auto m) -> F::InterpolateFuncOptions::mode_t { return m; }, options.mode());
  return F::interpolate(x, F::InterpolateFuncOptions()
                               .size(options.size())
                               .scale_factor(options.scale_factor())
                               .mode(mode)
                               .align_corners(options.align_corners()));
}

namespace {
template <size_t D>
F::PadFuncOptions amounts(const ExpandingArray<D>& padding) {
  return F::PadFuncOptions(IntArrayRef(padding).vec());
}
}  // namespace
#define RL_PAD(Name, how, more)                 \
  RL_DEFINE(Name, ("padding", o.padding())more) \
  Tensor Name##Impl::forward(const Tensor& x) { return F::pad(x, amounts(options.padding()) how); }
#define RL_PADS(D)                                  \
  RL_PAD(ReflectionPad##D##d, .mode(kReflect), )    \
  RL_PAD(ReplicationPad##D##d, .mode(kReplicate), ) \
  RL_PAD(ZeroPad##D##d, , )                         \
  RL_PAD(ConstantPad##D##d, .value(options.value()), ("value", o.value()))
RL_PADS(1)
RL_PADS(2)
RL_PADS(3)
#undef RL_PADS
#undef RL_PAD

#define RL_WITH_INDICES(Name, function, print)                                   \
  RL_CALL_CONST(Name, function, print)                                           \
  std::tuple<Tensor, Tensor> Name##Impl::forward_with_indices(const Tensor& x) { \
    return F::function##_with_indices(x, options);                               \
  }
#define RL_POOLS(D)                                                                                                   \
  RL_CALL_CONST(AvgPool##D##d, avg_pool##D##d,                                                                        \
                ("kernel_size", o.kernel_size())("stride", o.stride())("padding", o.padding()))                       \
  RL_CALL_CONST(AdaptiveAvgPool##D##d, adaptive_avg_pool##D##d, ("output_size", o.output_size()))                     \
  RL_CALL_CONST(                                                                                                      \
      LPPool##D##d, lp_pool##D##d,                                                                                    \
      ("norm_type", o.norm_type())("kernel_size", o.kernel_size())("stride", o.stride())("ceil_mode", o.ceil_mode())) \
  RL_WITH_INDICES(MaxPool##D##d, max_pool##D##d,                                                                      \
                  ("kernel_size", o.kernel_size())("stride", o.stride())("padding", o.padding())(                     \
                      "dilation", o.dilation())("ceil_mode", o.ceil_mode()))                                          \
  RL_WITH_INDICES(AdaptiveMaxPool##D##d, adaptive_max_pool##D##d, ("output_size", o.output_size()))                   \
  RL_DEFINE(MaxUnpool##D##d, ("kernel_size", o.kernel_size())("stride", o.stride())("padding", o.padding()))          \
  Tensor MaxUnpool##D##dImpl::forward(const Tensor& x, const Tensor& indices,                                         \
                                      const std::optional<std::vector<int64_t>>& output_size) {                       \
    return F::max_unpool##D##d(x, indices,                                                                            \
                               F::MaxUnpool##D##dFuncOptions(options.kernel_size())                                   \
                                   .stride(options.stride())                                                          \
                                   .padding(options.padding())                                                        \
                                   .output_size(output_size));                                                        \
  }
RL_POOLS(1)
RL_POOLS(2)
RL_POOLS(3)
#undef RL_POOLS
RL_WITH_INDICES(FractionalMaxPool2d, fractional_max_pool2d, )
RL_WITH_INDICES(FractionalMaxPool3d, fractional_max_pool3d, )

// ---- normalisation over neighbours -----------------------------------------------------------------------------------

RL_CALL_CONST(LocalResponseNorm, local_response_norm, (o.size())("alpha", o.alpha())("beta", o.beta())("k", o.k()))
RL_DEFINE(CrossMapLRN2d, (o.size())("alpha", o.alpha())("beta", o.beta())("k", o.k()))
Tensor CrossMapLRN2dImpl::forward(const Tensor& x) {
  return F::local_response_norm(
      x, LocalResponseNormOptions(options.size()).alpha(options.alpha()).beta(options.beta()).k(double(options.k())));
}

// ---- distances, losses -----------------------------------------------------------------------------------------------

#define RL_CALL_2(Name, function, print) \
  RL_DEFINE(Name, print)                 \
  Tensor Name##Impl::forward(const Tensor& x, const Tensor& y) { return F::function(x, y, options); }
#define RL_CALL_3(Name, function, print)                                          \
  RL_DEFINE(Name, print)                                                          \
  Tensor Name##Impl::forward(const Tensor& x, const Tensor& y, const Tensor& z) { \
    return F::function(x, y, z, options);                                         \
  }
RL_CALL_2(CosineSimilarity, cosine_similarity, ("dim", o.dim())("eps", o.eps()))
RL_CALL_2(PairwiseDistance, pairwise_distance, ("p", o.p())("eps", o.eps())("keepdim", o.keepdim()))
RL_CALL_2(L1Loss, l1_loss, )
RL_CALL_2(KLDivLoss, kl_div, )
RL_CALL_2(MSELoss, mse_loss, )
RL_CALL_2(BCELoss, binary_cross_entropy, )
RL_CALL_2(HingeEmbeddingLoss, hinge_embedding_loss, ("margin", o.margin()))
RL_CALL_2(MultiMarginLoss, multi_margin_loss,
          ("p", o.p())("margin", o.margin())("weight", o.weight())("reduction", enumtype::get_enum_name(o.reduction())))
RL_CALL_2(MultiLabelMarginLoss, multilabel_margin_loss, )
RL_CALL_2(MultiLabelSoftMarginLoss, multilabel_soft_margin_loss, )
RL_CALL_2(SoftMarginLoss, soft_margin_loss, )
RL_CALL_2(PoissonNLLLoss, poisson_nll_loss, )
RL_CALL_3(CosineEmbeddingLoss, cosine_embedding_loss, ("margin", o.margin()))
RL_CALL_3(MarginRankingLoss, margin_ranking_loss, )
RL_CALL_3(TripletMarginLoss, triplet_margin_loss, ("margin", o.margin())("p", o.p())("eps", o.eps())("swap", o.swap()))
RL_CALL_3(TripletMarginWithDistanceLoss, triplet_margin_with_distance_loss, ("margin", o.margin())("swap", o.swap()))
RL_DEFINE(CTCLoss, )
Tensor CTCLossImpl::forward(const Tensor& log_probs, const Tensor& targets, const Tensor& input_lengths,
                            const Tensor& target_lengths) {
  return F::ctc_loss(log_probs, targets, input_lengths, target_lengths, options);
}
// These two print without parentheses, as in PyTorch.
#define RL_BARE(Name, function)                                                                \
  Name##Impl::Name##Impl(const Options& o) : Layer(o) {}                                       \
  void Name##Impl::pretty_print(std::ostream& stream) const { stream << "torch::nn::" #Name; } \
  Tensor Name##Impl::forward(const Tensor& x, const Tensor& y) { return F::function(x, y, options); }
RL_BARE(SmoothL1Loss, smooth_l1_loss)
RL_BARE(HuberLoss, huber_loss)
#undef RL_BARE

// Options hold the weights as they were given, the module its own, which to() and load() change.
RL_DEFINE_WITH_PARAMETERS(NLLLoss, Layer, )
void NLLLossImpl::reset() { weight = this->register_buffer("weight", options.weight()); }
Tensor NLLLossImpl::forward(const Tensor& x, const Tensor& y) {
  return F::nll_loss(x, y, NLLLossOptions(options).weight(weight));
}
RL_DEFINE_WITH_PARAMETERS(CrossEntropyLoss, Layer, )
void CrossEntropyLossImpl::reset() { weight = this->register_buffer("weight", options.weight()); }
Tensor CrossEntropyLossImpl::forward(const Tensor& x, const Tensor& y) {
  return F::cross_entropy(x, y, CrossEntropyLossOptions(options).weight(weight));
}
RL_DEFINE_WITH_PARAMETERS(BCEWithLogitsLoss, Layer, )
void BCEWithLogitsLossImpl::reset() {
  weight = this->register_buffer("weight", options.weight());
  pos_weight = this->register_buffer("pos_weight", options.pos_weight());
}
Tensor BCEWithLogitsLossImpl::forward(const Tensor& x, const Tensor& y) {
  return F::binary_cross_entropy_with_logits(x, y,
                                             BCEWithLogitsLossOptions(options).weight(weight).pos_weight(pos_weight));
}

}  // namespace nn
}  // namespace rl
}  // namespace torch
