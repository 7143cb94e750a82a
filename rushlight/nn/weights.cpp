// Modules with parameters: linear, embedding, convolution, normalisation.
#include <algorithm>
#include <cmath>

#include "rushlight/api/lowered.h"
#include "rushlight/functions.h"
#include "rushlight/nn/init.h"
#include "rushlight/nn/layers.h"
#include "rushlight/nn/printer.h"

namespace torch {
inline namespace rl {
namespace nn {

namespace F = functional;

namespace {
template <class Module_>
void bias_by_fan(Module_& m) {
  if (!m.bias.defined()) return;
  auto fan_in = std::get<0>(init::_calculate_fan_in_and_fan_out(m.weight));
  if (fan_in == 0) return;
  double bound = 1 / std::sqrt(double(fan_in));
  init::uniform_(m.bias, -bound, bound);
}
// Linear's and convolution's first values: uniform(-1/sqrt(fan_in), 1/sqrt(fan_in)), which is what a = sqrt(5) makes.
template <class Module_>
void reset_by_fan(Module_& m) {
  init::kaiming_uniform_(m.weight, std::sqrt(5.0));
  bias_by_fan(m);
}
// Undefined parameters are registered too, so that a name is taken.
Tensor parameter(Module& m, const char* name, bool wanted, std::initializer_list<int64_t> sizes) {
  return wanted ? m.register_parameter(name, empty(IntArrayRef(sizes.begin(), sizes.size()), TensorOptions()))
                : m.register_parameter(name, {}, false);
}
}  // namespace

RL_DEFINE_WITH_PARAMETERS(PReLU, Layer, ("num_parameters", o.num_parameters()))
void PReLUImpl::reset() {
  weight = register_parameter("weight", rushlight::full({options.num_parameters()}, options.init()));
}
Tensor PReLUImpl::forward(const Tensor& x) { return F::prelu(x, weight); }

// ---- linear, embedding -----------------------------------------------------------------------------------------------

RL_DEFINE_WITH_PARAMETERS(Linear, Layer,
                          ("in_features", o.in_features())("out_features", o.out_features())("bias", o.bias()))
void LinearImpl::reset() {
  weight = parameter(*this, "weight", true, {options.out_features(), options.in_features()});
  bias = parameter(*this, "bias", options.bias(), {options.out_features()});
  reset_parameters();
}
void LinearImpl::reset_parameters() { reset_by_fan(*this); }
Tensor LinearImpl::forward(const Tensor& x) { return rushlight::linear(x, weight, bias); }

RL_DEFINE_WITH_PARAMETERS(Bilinear, Layer,
                          ("in1_features", o.in1_features())("in2_features",
                                                             o.in2_features())("out_features",
                                                                               o.out_features())("bias", o.bias()))
void BilinearImpl::reset() {
  weight = parameter(*this, "weight", true, {options.out_features(), options.in1_features(), options.in2_features()});
  bias = parameter(*this, "bias", options.bias(), {options.out_features()});
  reset_parameters();
}
void BilinearImpl::reset_parameters() {
  double bound = 1 / std::sqrt(double(weight.size(1)));
  init::uniform_(weight, -bound, bound);
  if (bias.defined()) init::uniform_(bias, -bound, bound);
}
Tensor BilinearImpl::forward(const Tensor& x1, const Tensor& x2) { return F::bilinear(x1, x2, weight, bias); }

namespace {
template <class O>
void check_table(O& o) {
  if (auto& at = o.padding_idx()) {
    RL_CHECK(ValueError, *at < o.num_embeddings() && *at >= -o.num_embeddings(),
             "Padding_idx must be within num_embeddings");
    if (*at < 0) at = o.num_embeddings() + *at;
  }
  if (o._weight().defined())
    RL_CHECK(ShapeError, (o._weight().sizes() == IntArrayRef({o.num_embeddings(), o.embedding_dim()})),
             "Shape of _weight does not match num_embeddings and embedding_dim: got ", o._weight().sizes());
}
template <class M>
void reset_table(M& m) {
  auto& o = m.options;
  check_table(o);
  if (o._weight().defined()) {
    m.weight = m.register_parameter("weight", o._weight());
    return;
  }
  m.weight = parameter(m, "weight", true, {o.num_embeddings(), o.embedding_dim()});
  m.reset_parameters();
}
template <class M>
void reset_rows(M& m) {
  init::normal_(m.weight);
  if (m.options.padding_idx()) init::zeros_(m.weight.detach().select(0, *m.options.padding_idx()));
}
template <class Holder, class O, class From>
Holder from_table(const Tensor& embeddings, const From& from, O options) {
  RL_CHECK(ShapeError, embeddings.dim() == 2, "Embeddings parameter is expected to be 2-dimensional");
  options._weight(embeddings)
      .padding_idx(from.padding_idx())
      .max_norm(from.max_norm())
      .norm_type(from.norm_type())
      .scale_grad_by_freq(from.scale_grad_by_freq())
      .sparse(from.sparse());
  Holder made(options);
  made->weight.set_requires_grad(!from.freeze());
  return made;
}
template <class O>
std::pair<int64_t, int64_t> rows_and_columns(const Tensor& t) {
  RL_CHECK(ShapeError, t.dim() == 2, "Embeddings parameter is expected to be 2-dimensional");
  return {t.size(0), t.size(1)};
}
}  // namespace

RL_DEFINE_WITH_PARAMETERS(Embedding, Layer,
                          ("num_embeddings", o.num_embeddings())("embedding_dim", o.embedding_dim())
                              .given("padding_idx", o.padding_idx())
                              .given("max_norm", o.max_norm())
                              .other("norm_type", o.norm_type(), 2.)
                              .other("scale_grad_by_freq", o.scale_grad_by_freq(), false)
                              .other("sparse", o.sparse(), false))
void EmbeddingImpl::reset() { reset_table(*this); }
void EmbeddingImpl::reset_parameters() { reset_rows(*this); }
Tensor EmbeddingImpl::forward(const Tensor& x) {
  return F::embedding(x, weight,
                      F::EmbeddingFuncOptions()
                          .padding_idx(options.padding_idx())
                          .max_norm(options.max_norm())
                          .norm_type(options.norm_type())
                          .scale_grad_by_freq(options.scale_grad_by_freq())
                          .sparse(options.sparse()));
}
Embedding Embedding::from_pretrained(const Tensor& embeddings, const EmbeddingFromPretrainedOptions& o) {
  auto [rows, columns] = rows_and_columns<EmbeddingOptions>(embeddings);
  return from_table<Embedding>(embeddings, o, EmbeddingOptions(rows, columns));
}

RL_DEFINE_WITH_PARAMETERS(EmbeddingBag, Layer,
                          ("num_embeddings", o.num_embeddings())("embedding_dim", o.embedding_dim())
                              .given("max_norm", o.max_norm())
                              .other("norm_type", o.norm_type(), 2.)
                              .other("scale_grad_by_freq", o.scale_grad_by_freq(), false)
                              .other("sparse", o.sparse(), false)
                              .other("mode", enumtype::get_enum_name(o.mode()), std::string("kMean"))
                              .other("include_last_offset", o.include_last_offset(), false)
                              .given("padding_idx", o.padding_idx()))
void EmbeddingBagImpl::reset() { reset_table(*this); }
void EmbeddingBagImpl::reset_parameters() { reset_rows(*this); }
Tensor EmbeddingBagImpl::forward(const Tensor& x, const Tensor& offsets, const Tensor& per_sample_weights) {
  return F::embedding_bag(x, weight,
                          F::EmbeddingBagFuncOptions()
                              .offsets(offsets)
                              .max_norm(options.max_norm())
                              .norm_type(options.norm_type())
                              .scale_grad_by_freq(options.scale_grad_by_freq())
                              .mode(options.mode())
                              .sparse(options.sparse())
                              .per_sample_weights(per_sample_weights)
                              .include_last_offset(options.include_last_offset())
                              .padding_idx(options.padding_idx()));
}
EmbeddingBag EmbeddingBag::from_pretrained(const Tensor& embeddings, const EmbeddingBagFromPretrainedOptions& o) {
  auto [rows, columns] = rows_and_columns<EmbeddingBagOptions>(embeddings);
  return from_table<EmbeddingBag>(
      embeddings, o, EmbeddingBagOptions(rows, columns).mode(o.mode()).include_last_offset(o.include_last_offset()));
}

// ---- convolution -----------------------------------------------------------------------------------------------------

namespace {
template <class O>
void check_groups(const O& o) {
  RL_CHECK(ValueError, o.in_channels() > 0 && o.out_channels() > 0 && o.groups() > 0,
           "in_channels, groups and out_channels must be a positive integer. Hint: got in_channels=", o.in_channels(),
           ", groups=", o.groups(), ", out_channels=", o.out_channels());
  RL_CHECK(ValueError, o.in_channels() % o.groups() == 0,
           "in_channels must be divisible by groups. Hint: got "
           "in_channels=",
           o.in_channels(), ", groups=", o.groups());
  RL_CHECK(ValueError, o.out_channels() % o.groups() == 0,
           "out_channels must be divisible by groups. Hint: got "
           "out_channels=",
           o.out_channels(), ", groups=", o.groups());
}
template <size_t D>
std::vector<int64_t> weight_sizes(int64_t first, int64_t second, const ExpandingArray<D>& kernel) {
  std::vector<int64_t> sizes = {first, second};
  sizes.insert(sizes.end(), kernel->begin(), kernel->end());
  return sizes;
}
// Padding by other values than zeros, as nn.functional.pad takes it: the last dimension first.
template <size_t D>
std::vector<int64_t> pad_amounts(const ConvOptions<D>& o) {
  std::vector<int64_t> out(2 * D, 0);
  auto* given = std::get_if<ExpandingArray<D>>(&o.padding());
  bool same = std::holds_alternative<enumtype::kSame>(o.padding());
  for (size_t d = 0; d < D; d++) {
    size_t at = 2 * (D - 1 - d);
    int64_t total = same ? (*o.dilation())[d] * ((*o.kernel_size())[d] - 1) : 0;
    out[at] = given ? (**given)[d] : total / 2;
    out[at + 1] = given ? (**given)[d] : total - total / 2;
  }
  return out;
}
template <class O>
void print_conv_end(Printer& print, const O& o) {
  constexpr size_t D = std::tuple_size_v<std::decay_t<decltype(*o.dilation())>>;
  if (*o.dilation() != *ExpandingArray<D>(1)) print("dilation", o.dilation());
  if constexpr (std::is_same_v<O, ConvTransposeOptions<D>>)
    if (*o.output_padding() != *ExpandingArray<D>(0)) print("output_padding", o.output_padding());
  print.other("groups", o.groups(), int64_t(1)).other("bias", o.bias(), true);
  if (!std::holds_alternative<enumtype::kZeros>(o.padding_mode()))
    print("padding_mode", enumtype::get_enum_name(o.padding_mode()));
}
template <class O>
Printer& print_conv(Printer& print, const O& o) {
  return print(o.in_channels())(o.out_channels())("kernel_size", o.kernel_size())("stride", o.stride());
}
}  // namespace

template <size_t D, class Impl>
void ConvNdImpl<D, Impl>::reset() {
  const auto& o = this->options;
  check_groups(o);
  if (std::holds_alternative<enumtype::kSame>(o.padding()))
    for (int64_t s : *o.stride())
      RL_CHECK(ValueError, s == 1, "padding='same' is not supported for strided convolutions");
  weight = this->register_parameter(
      "weight", empty(weight_sizes(o.out_channels(), o.in_channels() / o.groups(), o.kernel_size()), TensorOptions()));
  bias = parameter(*this, "bias", o.bias(), {o.out_channels()});
  reset_parameters();
}
template <size_t D, class Impl>
void ConvNdImpl<D, Impl>::reset_parameters() {
  reset_by_fan(*this);
}
template <size_t D, class Impl>
void ConvTransposeNdImpl<D, Impl>::reset() {
  const auto& o = this->options;
  check_groups(o);
  weight = this->register_parameter(
      "weight", empty(weight_sizes(o.in_channels(), o.out_channels() / o.groups(), o.kernel_size()), TensorOptions()));
  bias = parameter(*this, "bias", o.bias(), {o.out_channels()});
  reset_parameters();
}
template <size_t D, class Impl>
void ConvTransposeNdImpl<D, Impl>::reset_parameters() {
  reset_by_fan(*this);
}
namespace {
template <size_t D>
ExpandingArray<D> output_padding(const Tensor& x, const OptionalIntArrayRef& wanted, const ConvTransposeOptions<D>& o) {
  if (!wanted) return o.output_padding();
  int64_t leading = x.dim() == int64_t(D) + 2 ? 2 : 1;
  IntArrayRef size = *wanted;
  if (size.size() == D + size_t(leading)) size = IntArrayRef(size.data() + leading, D);
  RL_CHECK(ValueError, size.size() == D, "ConvTranspose", D, "d: for ", x.dim(), "D input, output_size must have ", D,
           " or ", D + size_t(leading), " elements (got ", wanted->size(), ")");
  std::vector<int64_t> out;
  for (size_t d = 0; d < D; d++) {
    int64_t low = (x.size(int64_t(d) + leading) - 1) * (*o.stride())[d] - 2 * (*o.padding())[d] +
                  (*o.dilation())[d] * ((*o.kernel_size())[d] - 1) + 1;
    int64_t high = low + (*o.stride())[d] - 1;
    RL_CHECK(ValueError, size[d] >= low && size[d] <= high, "requested an output size of ", size,
             ", but valid sizes of dimension ", d, " range from ", low, " to ", high, " (for an input of ", x.sizes(),
             ")");
    out.push_back(size[d] - low);
  }
  return out;
}
}  // namespace

#define RL_CONVS(D)                                                                                                    \
  Conv##D##dImpl::Conv##D##dImpl(const Options& o) : ConvNdImpl(o) { reset(); }                                        \
  void Conv##D##dImpl::pretty_print(std::ostream& stream) const {                                                      \
    Printer print(stream, "Conv" #D "d");                                                                              \
    print_conv(print, options);                                                                                        \
    auto* padding = std::get_if<ExpandingArray<D>>(&options.padding());                                                \
    if (!padding) print("padding", std::holds_alternative<enumtype::kSame>(options.padding()) ? "'same'" : "'valid'"); \
    else if (**padding != *ExpandingArray<D>(0)) print("padding", *padding);                                           \
    print_conv_end(print, options);                                                                                    \
  }                                                                                                                    \
  template <>                                                                                                          \
  Tensor ConvNdImpl<D, Conv##D##dImpl>::_conv_forward(const Tensor& x, const Tensor& w) {                              \
    F::Conv##D##dFuncOptions call;                                                                                     \
    call.bias(bias).stride(options.stride()).dilation(options.dilation()).groups(options.groups());                    \
    if (std::holds_alternative<enumtype::kZeros>(options.padding_mode()))                                              \
      return F::conv##D##d(x, w, call.padding(options.padding()));                                                     \
    F::PadFuncOptions pad(pad_amounts(options));                                                                       \
    if (std::holds_alternative<enumtype::kReflect>(options.padding_mode())) pad.mode(kReflect);                        \
    else if (std::holds_alternative<enumtype::kReplicate>(options.padding_mode())) pad.mode(kReplicate);               \
    else pad.mode(kCircular);                                                                                          \
    return F::conv##D##d(F::pad(x, pad), w, call);                                                                     \
  }                                                                                                                    \
  template <>                                                                                                          \
  Tensor ConvTransposeNdImpl<D, ConvTranspose##D##dImpl>::forward(const Tensor& x,                                     \
                                                                  const OptionalIntArrayRef& output_size) {            \
    return F::conv_transpose##D##d(x, weight,                                                                          \
                                   F::ConvTranspose##D##dFuncOptions()                                                 \
                                       .bias(bias)                                                                     \
                                       .stride(options.stride())                                                       \
                                       .padding(options.padding())                                                     \
                                       .output_padding(output_padding(x, output_size, options))                        \
                                       .groups(options.groups())                                                       \
                                       .dilation(options.dilation()));                                                 \
  }                                                                                                                    \
  Tensor Conv##D##dImpl::forward(const Tensor& x) { return _conv_forward(x, weight); }                                 \
  ConvTranspose##D##dImpl::ConvTranspose##D##dImpl(const Options& o) : ConvTransposeNdImpl(o) { reset(); }             \
  void ConvTranspose##D##dImpl::pretty_print(std::ostream& stream) const {                                             \
    Printer print(stream, "ConvTranspose" #D "d");                                                                     \
    print_conv(print, options);                                                                                        \
    if (*options.padding() != *ExpandingArray<D>(0)) print("padding", options.padding());                              \
    print_conv_end(print, options);                                                                                    \
  }                                                                                                                    \
  Tensor ConvTranspose##D##dImpl::forward(const Tensor& x, const OptionalIntArrayRef& output_size) {                   \
    return ConvTransposeNdImpl::forward(x, output_size);                                                               \
  }                                                                                                                    \
  template class ConvNdImpl<D, Conv##D##dImpl>;                                                                        \
  template class ConvTransposeNdImpl<D, ConvTranspose##D##dImpl>;
RL_CONVS(1)
RL_CONVS(2)
RL_CONVS(3)
#undef RL_CONVS

// ---- normalisation ---------------------------------------------------------------------------------------------------

template <class Impl, class O>
void NormImplBase<Impl, O>::reset() {
  const auto& o = this->options;
  weight = parameter(*this, "weight", o.affine(), {o.num_features()});
  bias = parameter(*this, "bias", o.affine(), {o.num_features()});
  if (o.track_running_stats()) {
    running_mean = this->register_buffer("running_mean", rushlight::zeros({o.num_features()}));
    running_var = this->register_buffer("running_var", rushlight::ones({o.num_features()}));
    num_batches_tracked = this->register_buffer("num_batches_tracked", rushlight::zeros(IntArrayRef(), DType::Int64));
  } else {
    running_mean = this->register_buffer("running_mean", Tensor());
    running_var = this->register_buffer("running_var", Tensor());
    num_batches_tracked = this->register_buffer("num_batches_tracked", Tensor());
  }
  reset_parameters();
}
template <class Impl, class O>
void NormImplBase<Impl, O>::reset_running_stats() {
  if (!this->options.track_running_stats()) return;
  running_mean.zero_();
  running_var.fill_(1);
  num_batches_tracked.zero_();
}
template <class Impl, class O>
void NormImplBase<Impl, O>::reset_parameters() {
  reset_running_stats();
  if (!this->options.affine()) return;
  init::ones_(weight);
  init::zeros_(bias);
}

namespace {
void check_dims(const char* name, const Tensor& x, std::initializer_list<int64_t> allowed) {
  for (int64_t d : allowed)
    if (x.dim() == d) return;
  std::string text;
  for (int64_t d : allowed) text += str(text.empty() ? "" : " or ", d, "D");
  throw ValueError(str(name, ": expected ", text, " input (got ", x.dim(), "D input)"));
}
template <class M>
Tensor batch_norm(M& m, const Tensor& x) {
  bool training = m.is_training();
  double momentum = m.options.momentum().value_or(0.0);
  if (training && m.options.track_running_stats() && m.num_batches_tracked.defined()) {
    m.num_batches_tracked.add_(1);
    if (!m.options.momentum()) momentum = 1.0 / m.num_batches_tracked.template item<double>();  // a cumulative mean
  }
  bool tracks = m.options.track_running_stats();
  return F::batch_norm(x, training && !tracks ? Tensor() : m.running_mean,
                       training && !tracks ? Tensor() : m.running_var,
                       F::BatchNormFuncOptions()
                           .weight(m.weight)
                           .bias(m.bias)
                           .training(training || !m.running_mean.defined())
                           .momentum(momentum)
                           .eps(m.options.eps()));
}
template <class M>
Tensor instance_norm(M& m, const Tensor& x, int64_t batched) {
  auto run = [&](const Tensor& t) {
    return F::instance_norm(t, F::InstanceNormFuncOptions()
                                   .running_mean(m.running_mean)
                                   .running_var(m.running_var)
                                   .weight(m.weight)
                                   .bias(m.bias)
                                   .use_input_stats(m.is_training() || !m.options.track_running_stats())
                                   .momentum(m.options.momentum())
                                   .eps(m.options.eps()));
  };
  return x.dim() == batched ? run(x) : run(x.unsqueeze(0)).squeeze(0);
}
template <class O>
void print_norm(std::ostream& stream, const char* name, const O& o) {
  Printer print(stream, name);
  print(o.num_features())("eps", o.eps());
  if constexpr (std::is_same_v<O, BatchNormOptions>) {
    if (o.momentum()) print("momentum", *o.momentum());
    else print("momentum", "None");
  } else {
    print("momentum", o.momentum());
  }
  print("affine", o.affine())("track_running_stats", o.track_running_stats());
}
}  // namespace
#define RL_NORM(Name, value)                                                                        \
  Name##Impl::Name##Impl(const Options& o) : NormImplBase(o) { reset(); }                           \
  void Name##Impl::pretty_print(std::ostream& stream) const { print_norm(stream, #Name, options); } \
  Tensor Name##Impl::forward(const Tensor& x) { value; }                                            \
  template class NormImplBase<Name##Impl, Name##Options>;
RL_NORM(BatchNorm1d, check_dims("BatchNorm1d", x, {2, 3}); return batch_norm(*this, x))
RL_NORM(BatchNorm2d, check_dims("BatchNorm2d", x, {4}); return batch_norm(*this, x))
RL_NORM(BatchNorm3d, check_dims("BatchNorm3d", x, {5}); return batch_norm(*this, x))
RL_NORM(InstanceNorm1d, check_dims("InstanceNorm1d", x, {2, 3}); return instance_norm(*this, x, 3))
RL_NORM(InstanceNorm2d, check_dims("InstanceNorm2d", x, {3, 4}); return instance_norm(*this, x, 4))
RL_NORM(InstanceNorm3d, check_dims("InstanceNorm3d", x, {4, 5}); return instance_norm(*this, x, 5))
#undef RL_NORM

RL_DEFINE_WITH_PARAMETERS(LayerNorm, Layer,
                          (IntArrayRef(o.normalized_shape()))("eps", o.eps())("elementwise_affine",
                                                                              o.elementwise_affine()))
void LayerNormImpl::reset() {
  bool affine = options.elementwise_affine();
  weight = register_parameter("weight", affine ? empty(options.normalized_shape(), TensorOptions()) : Tensor(), affine);
  bias = register_parameter("bias", affine ? empty(options.normalized_shape(), TensorOptions()) : Tensor(), affine);
  reset_parameters();
}
void LayerNormImpl::reset_parameters() {
  if (!options.elementwise_affine()) return;
  init::ones_(weight);
  init::zeros_(bias);
}
Tensor LayerNormImpl::forward(const Tensor& x) {
  return rushlight::layer_norm(x, options.normalized_shape(), weight, bias, options.eps());
}

RL_DEFINE_WITH_PARAMETERS(GroupNorm, Layer, (o.num_groups())(o.num_channels())("eps", o.eps())("affine", o.affine()))
void GroupNormImpl::reset() {
  RL_CHECK(ValueError, options.num_groups() > 0 && options.num_channels() % options.num_groups() == 0,
           "num_channels must be divisible by num_groups. Hint: got num_channels=", options.num_channels(),
           ", num_groups=", options.num_groups());
  weight = parameter(*this, "weight", options.affine(), {options.num_channels()});
  bias = parameter(*this, "bias", options.affine(), {options.num_channels()});
  reset_parameters();
}
void GroupNormImpl::reset_parameters() {
  if (!options.affine()) return;
  init::ones_(weight);
  init::zeros_(bias);
}
Tensor GroupNormImpl::forward(const Tensor& x) {
  return F::group_norm(x, F::GroupNormFuncOptions(options.num_groups()).weight(weight).bias(bias).eps(options.eps()));
}

// ---- adaptive softmax ------------------------------------------------------------------------------------------------

AdaptiveLogSoftmaxWithLossImpl::AdaptiveLogSoftmaxWithLossImpl(const Options& o) : Layer(o) { reset(); }
void AdaptiveLogSoftmaxWithLossImpl::pretty_print(std::ostream& stream) const {
  stream << "torch::nn::AdaptiveLogSoftmaxWithLoss";
}
void AdaptiveLogSoftmaxWithLossImpl::reset() {
  cutoffs = options.cutoffs();
  bool rising = !cutoffs.empty() && cutoffs.front() > 0 && cutoffs.back() <= options.n_classes() - 1;
  for (size_t i = 1; rising && i < cutoffs.size(); i++) rising = cutoffs[i - 1] < cutoffs[i];
  RL_CHECK(
      ValueError, rising,
      "cutoffs should be a sequence of unique, positive integers sorted in an increasing order, where each value is "
      "between 1 and n_classes-1");
  RL_CHECK(ValueError, options.div_value() != 0, "div_value should not be equal to 0");
  cutoffs.push_back(options.n_classes());
  shortlist_size = cutoffs[0];
  n_clusters = int64_t(cutoffs.size()) - 1;
  head_size = shortlist_size + n_clusters;
  head = register_module("head", Linear(LinearOptions(options.in_features(), head_size).bias(options.head_bias())));
  tail = register_module("tail", ModuleList());
  for (int64_t i = 0; i < n_clusters; i++) {
    int64_t width = int64_t(double(options.in_features()) / std::pow(options.div_value(), double(i + 1)));
    int64_t size = cutoffs[size_t(i) + 1] - cutoffs[size_t(i)];
    tail->push_back(Sequential(Linear(LinearOptions(options.in_features(), width).bias(false)),
                               Linear(LinearOptions(width, size).bias(false))));
  }
}
void AdaptiveLogSoftmaxWithLossImpl::reset_parameters() {
  head->reset_parameters();
  for (const auto& projection : *tail)
    for (const auto& linear : projection->children()) linear->as<Linear>()->reset_parameters();
}
ASMoutput AdaptiveLogSoftmaxWithLossImpl::forward(const Tensor& input, const Tensor& target) {
  if (target.dim() == 0 && input.dim() == 1) {  // one example, without a batch
    ASMoutput batch = forward(input.unsqueeze(0), target.unsqueeze(0));
    return ASMoutput(batch.output.squeeze(0), batch.loss);
  }
  RL_CHECK(ShapeError, input.size(0) == target.size(0),
           "Input and target should have the same size in the batch dimension.");
  if (target.numel()) {
    int64_t low = target.min().item<int64_t>(), high = target.max().item<int64_t>();
    RL_CHECK(ValueError, low >= 0 && high < options.n_classes(), "Target values should be in [0, ",
             options.n_classes() - 1, "], but values in range [", low, ", ", high, "] were found. ");
  }
  Tensor log_head = F::log_softmax(head(input), 1);
  Tensor place = target.clone();  // in the head: of the class, or of its cluster
  Tensor output = input.new_zeros({target.size(0)});
  for (int64_t i = 0; i < n_clusters; i++) {
    int64_t low = cutoffs[size_t(i)], high = cutoffs[size_t(i) + 1];
    Tensor rows = ((target >= low) & (target < high)).nonzero().squeeze(1);
    if (rows.numel() == 0) continue;
    place.index_fill_(0, rows, shortlist_size + i);
    Tensor log_cluster = F::log_softmax(tail[size_t(i)]->as<Sequential>()->forward(input.index_select(0, rows)), 1);
    Tensor inside = log_cluster.gather(1, (target.index_select(0, rows) - low).unsqueeze(1)).squeeze(1);
    output = output.index_copy(0, rows, inside);
  }
  output = output + log_head.gather(1, place.unsqueeze(1)).squeeze(1);
  return ASMoutput(output, (-output).mean().item<double>());
}
Tensor AdaptiveLogSoftmaxWithLossImpl::_get_full_log_prob(const Tensor& input, const Tensor& head_output) {
  Tensor log_head = F::log_softmax(head_output, 1);
  std::vector<Tensor> parts = {log_head.slice(1, 0, shortlist_size)};
  for (int64_t i = 0; i < n_clusters; i++)
    parts.push_back(F::log_softmax(tail[size_t(i)]->as<Sequential>()->forward(input), 1) +
                    log_head.select(1, shortlist_size + i).unsqueeze(1));
  return rushlight::cat(lowered(TensorList(parts)), 1);
}
Tensor AdaptiveLogSoftmaxWithLossImpl::log_prob(const Tensor& input) { return _get_full_log_prob(input, head(input)); }
Tensor AdaptiveLogSoftmaxWithLossImpl::predict(const Tensor& input) {
  Tensor scores = head(input), output = scores.argmax(1);
  Tensor rows = (output >= shortlist_size).nonzero().squeeze(1);
  if (rows.numel() == 0) return output;
  Tensor found = _get_full_log_prob(input.index_select(0, rows), scores.index_select(0, rows)).argmax(1);
  return output.index_copy(0, rows, found);
}

}  // namespace nn
}  // namespace rl
}  // namespace torch
