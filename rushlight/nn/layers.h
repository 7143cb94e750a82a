// The modules of torch::nn. Each is its options, parameters and buffers by name, and a forward() that calls a function of functional.h;
// first values are drawn in the order in which Python's modules draw them, so that one seed gives both the same weights.
#pragma once
#include "rushlight/nn/containers.h"
#include "rushlight/nn/functional.h"
#include "rushlight/nn/utils.h"

namespace torch {
inline namespace rl {
namespace nn {

// A module with options. Constructors are not inline, so that programs compile none of this.
template <class Impl, class Options_>
class Layer : public Cloneable<Impl> {
 public:
  using Options = Options_;
  explicit Layer(const Options& o) : options(o) {}
  void reset() override {}
  Options options;
};

// The constructors of a layer: from its options, and from what makes those.
#define RL_CONSTRUCT(Name, ...)                                                                                    \
  explicit Name##Impl(const Options& options_ __VA_ARGS__);                                                        \
  template <class A, class... B,                                                                                   \
            require<std::is_constructible_v<Options, A, B...> && !std::is_base_of_v<Module, std::decay_t<A>>> = 0> \
  explicit Name##Impl(const A& a, const B&... b) : Name##Impl(Options(a, b...)) {}                                 \
  void pretty_print(std::ostream& stream) const override
// A module without parameters; `default_` is `= {}` where no option is required.
#define RL_LAYER(Name, Options_, default_, ...)           \
  class Name##Impl : public Layer<Name##Impl, Options_> { \
   public:                                                \
    RL_CONSTRUCT(Name, default_);                         \
    Tensor forward(__VA_ARGS__);                          \
  };                                                      \
  TORCH_MODULE(Name)
#define RL_OPTIONAL = {}
#define RL_REQUIRED

// ---- activations, dropout --------------------------------------------------------------------------------------------

RL_LAYER(ELU, ELUOptions, RL_OPTIONAL, Tensor input);
RL_LAYER(SELU, SELUOptions, RL_OPTIONAL, Tensor input);
RL_LAYER(Hardshrink, HardshrinkOptions, RL_OPTIONAL, const Tensor& input);
class HardtanhImpl : public Layer<HardtanhImpl, HardtanhOptions> {
 public:
  RL_CONSTRUCT(Hardtanh, = {});
  void reset() override;  // throws ValueError unless min_val < max_val
  Tensor forward(Tensor input);
};
TORCH_MODULE(Hardtanh);
RL_LAYER(LeakyReLU, LeakyReLUOptions, RL_OPTIONAL, Tensor input);
RL_LAYER(Softmax, SoftmaxOptions, RL_REQUIRED, const Tensor& input);
RL_LAYER(Softmin, SoftminOptions, RL_REQUIRED, const Tensor& input);
RL_LAYER(LogSoftmax, LogSoftmaxOptions, RL_REQUIRED, const Tensor& input);
RL_LAYER(ReLU, ReLUOptions, RL_OPTIONAL, Tensor input);
RL_LAYER(ReLU6, ReLU6Options, RL_OPTIONAL, Tensor input);
RL_LAYER(RReLU, RReLUOptions, RL_OPTIONAL, Tensor input);
RL_LAYER(CELU, CELUOptions, RL_OPTIONAL, Tensor input);
RL_LAYER(GLU, GLUOptions, RL_OPTIONAL, const Tensor& input);
RL_LAYER(GELU, GELUOptions, RL_OPTIONAL, const Tensor& input);
RL_LAYER(Softplus, SoftplusOptions, RL_OPTIONAL, const Tensor& input);
RL_LAYER(Softshrink, SoftshrinkOptions, RL_OPTIONAL, const Tensor& input);
RL_LAYER(Threshold, ThresholdOptions, RL_REQUIRED, Tensor input);
RL_LAYER(Dropout, DropoutOptions, RL_OPTIONAL, Tensor input);
RL_LAYER(Dropout2d, Dropout2dOptions, RL_OPTIONAL, Tensor input);
RL_LAYER(Dropout3d, Dropout3dOptions, RL_OPTIONAL, Tensor input);
RL_LAYER(AlphaDropout, AlphaDropoutOptions, RL_OPTIONAL, const Tensor& input);
RL_LAYER(FeatureAlphaDropout, FeatureAlphaDropoutOptions, RL_OPTIONAL, const Tensor& input);

// Modules without options.
#define RL_PLAIN(Name)                                      \
  class Name##Impl : public Cloneable<Name##Impl> {         \
   public:                                                  \
    Name##Impl();                                           \
    void reset() override {}                                \
    void pretty_print(std::ostream& stream) const override; \
    Tensor forward(const Tensor& input);                    \
  };                                                        \
  TORCH_MODULE(Name)
RL_PLAIN(LogSigmoid);
RL_PLAIN(Softmax2d);
RL_PLAIN(SiLU);
RL_PLAIN(Mish);
RL_PLAIN(Sigmoid);
RL_PLAIN(Softsign);
RL_PLAIN(Tanh);
RL_PLAIN(Tanhshrink);
#undef RL_PLAIN

class PReLUImpl : public Layer<PReLUImpl, PReLUOptions> {
 public:
  RL_CONSTRUCT(PReLU, = {});
  void reset() override;
  Tensor forward(const Tensor& input);
  Tensor weight;
};
TORCH_MODULE(PReLU);

// ---- linear, embedding -----------------------------------------------------------------------------------------------

// Takes any arguments and returns its input.
class IdentityImpl : public Cloneable<IdentityImpl> {
 public:
  IdentityImpl();
  template <class... Args, require<(sizeof...(Args) > 0)> = 0>
  explicit IdentityImpl(Args&&...) : IdentityImpl() {}
  void reset() override {}
  void pretty_print(std::ostream& stream) const override;
  Tensor forward(const Tensor& input);
};
TORCH_MODULE(Identity);
RL_LAYER(Flatten, FlattenOptions, RL_OPTIONAL, const Tensor& input);
RL_LAYER(Unflatten, UnflattenOptions, RL_REQUIRED, const Tensor& input);

class LinearImpl : public Layer<LinearImpl, LinearOptions> {
 public:
  RL_CONSTRUCT(Linear);
  void reset() override;
  void reset_parameters();
  Tensor forward(const Tensor& input);
  Tensor weight, bias;
};
TORCH_MODULE(Linear);

class BilinearImpl : public Layer<BilinearImpl, BilinearOptions> {
 public:
  RL_CONSTRUCT(Bilinear);
  void reset() override;
  void reset_parameters();
  Tensor forward(const Tensor& input1, const Tensor& input2);
  Tensor weight, bias;
};
TORCH_MODULE(Bilinear);

class EmbeddingImpl : public Layer<EmbeddingImpl, EmbeddingOptions> {
 public:
  RL_CONSTRUCT(Embedding);
  void reset() override;
  void reset_parameters();
  Tensor forward(const Tensor& indices);
  Tensor weight;
};
class Embedding : public ModuleHolder<EmbeddingImpl> {
 public:
  using ModuleHolder<EmbeddingImpl>::ModuleHolder;
  using Impl = EmbeddingImpl;
  static Embedding from_pretrained(const Tensor& embeddings, const EmbeddingFromPretrainedOptions& options = {});
};

class EmbeddingBagImpl : public Layer<EmbeddingBagImpl, EmbeddingBagOptions> {
 public:
  RL_CONSTRUCT(EmbeddingBag);
  void reset() override;
  void reset_parameters();
  Tensor forward(const Tensor& input, const Tensor& offsets = {}, const Tensor& per_sample_weights = {});
  FORWARD_HAS_DEFAULT_ARGS({1, AnyValue(Tensor())}, {2, AnyValue(Tensor())})
  Tensor weight;
};
class EmbeddingBag : public ModuleHolder<EmbeddingBagImpl> {
 public:
  using ModuleHolder<EmbeddingBagImpl>::ModuleHolder;
  using Impl = EmbeddingBagImpl;
  static EmbeddingBag from_pretrained(const Tensor& embeddings, const EmbeddingBagFromPretrainedOptions& options = {});
};

// ---- convolution, images ---------------------------------------------------------------------------------------------

template <size_t D, class Impl>
class ConvNdImpl : public Layer<Impl, ConvOptions<D>> {
 public:
  explicit ConvNdImpl(const ConvOptions<D>& o) : Layer<Impl, ConvOptions<D>>(o) {}
  void reset() override;
  void reset_parameters();
  Tensor forward(const Tensor& input) { return _conv_forward(input, weight); }
  Tensor _conv_forward(const Tensor& input, const Tensor& weight);
  Tensor weight, bias;
};
template <size_t D, class Impl>
class ConvTransposeNdImpl : public Layer<Impl, ConvTransposeOptions<D>> {
 public:
  explicit ConvTransposeNdImpl(const ConvTransposeOptions<D>& o) : Layer<Impl, ConvTransposeOptions<D>>(o) {}
  void reset() override;
  void reset_parameters();
  // `output_size` chooses among the sizes that a stride above 1 allows.
  Tensor forward(const Tensor& input, const OptionalIntArrayRef& output_size = std::nullopt);
  FORWARD_HAS_DEFAULT_ARGS({1, AnyValue(OptionalIntArrayRef())})
  Tensor weight, bias;
};
#define RL_CONV(D)                                                                              \
  class Conv##D##dImpl : public ConvNdImpl<D, Conv##D##dImpl> {                                 \
   public:                                                                                      \
    RL_CONSTRUCT(Conv##D##d);                                                                   \
    Conv##D##dImpl(int64_t in, int64_t out, ExpandingArray<D> kernel_size)                      \
        : Conv##D##dImpl(Options(in, out, kernel_size)) {}                                      \
    Tensor forward(const Tensor& input);                                                        \
  };                                                                                            \
  TORCH_MODULE(Conv##D##d);                                                                     \
  class ConvTranspose##D##dImpl : public ConvTransposeNdImpl<D, ConvTranspose##D##dImpl> {      \
   public:                                                                                      \
    RL_CONSTRUCT(ConvTranspose##D##d);                                                          \
    ConvTranspose##D##dImpl(int64_t in, int64_t out, ExpandingArray<D> kernel_size)             \
        : ConvTranspose##D##dImpl(Options(in, out, kernel_size)) {}                             \
    Tensor forward(const Tensor& input, const OptionalIntArrayRef& output_size = std::nullopt); \
  };                                                                                            \
  TORCH_MODULE(ConvTranspose##D##d)
RL_CONV(1);
RL_CONV(2);
RL_CONV(3);
#undef RL_CONV

RL_LAYER(Fold, FoldOptions, RL_REQUIRED, const Tensor& input);
RL_LAYER(Unfold, UnfoldOptions, RL_REQUIRED, const Tensor& input);
RL_LAYER(PixelShuffle, PixelShuffleOptions, RL_REQUIRED, const Tensor& input);
RL_LAYER(PixelUnshuffle, PixelUnshuffleOptions, RL_REQUIRED, const Tensor& input);
RL_LAYER(Upsample, UpsampleOptions, RL_OPTIONAL, const Tensor& input);

#define RL_LAYERS(Name, Options_, ...)                              \
  RL_LAYER(Name##1d, Name##1d##Options_, RL_REQUIRED, __VA_ARGS__); \
  RL_LAYER(Name##2d, Name##2d##Options_, RL_REQUIRED, __VA_ARGS__); \
  RL_LAYER(Name##3d, Name##3d##Options_, RL_REQUIRED, __VA_ARGS__)
RL_LAYERS(ReflectionPad, Options, const Tensor& input);
RL_LAYERS(ReplicationPad, Options, const Tensor& input);
RL_LAYERS(ZeroPad, Options, const Tensor& input);
RL_LAYERS(ConstantPad, Options, const Tensor& input);

// ---- pooling ---------------------------------------------------------------------------------------------------------

RL_LAYERS(AvgPool, Options, const Tensor& input);
RL_LAYERS(AdaptiveAvgPool, Options, const Tensor& input);
RL_LAYERS(LPPool, Options, const Tensor& input);
// Those that can also say where each maximum was.
#define RL_MAX_POOL(Name)                                                 \
  class Name##Impl : public Layer<Name##Impl, Name##Options> {            \
   public:                                                                \
    RL_CONSTRUCT(Name);                                                   \
    Tensor forward(const Tensor& input);                                  \
    std::tuple<Tensor, Tensor> forward_with_indices(const Tensor& input); \
  };                                                                      \
  TORCH_MODULE(Name)
RL_MAX_POOL(MaxPool1d);
RL_MAX_POOL(MaxPool2d);
RL_MAX_POOL(MaxPool3d);
RL_MAX_POOL(AdaptiveMaxPool1d);
RL_MAX_POOL(AdaptiveMaxPool2d);
RL_MAX_POOL(AdaptiveMaxPool3d);
RL_MAX_POOL(FractionalMaxPool2d);
RL_MAX_POOL(FractionalMaxPool3d);
#undef RL_MAX_POOL
#define RL_UNPOOL(Name)                                                                    \
  class Name##Impl : public Layer<Name##Impl, Name##Options> {                             \
   public:                                                                                 \
    RL_CONSTRUCT(Name);                                                                    \
    Tensor forward(const Tensor& input, const Tensor& indices,                             \
                   const std::optional<std::vector<int64_t>>& output_size = std::nullopt); \
    FORWARD_HAS_DEFAULT_ARGS({2, AnyValue(std::optional<std::vector<int64_t>>())})         \
  };                                                                                       \
  TORCH_MODULE(Name)
RL_UNPOOL(MaxUnpool1d);
RL_UNPOOL(MaxUnpool2d);
RL_UNPOOL(MaxUnpool3d);
#undef RL_UNPOOL

// ---- normalisation ---------------------------------------------------------------------------------------------------

// Batch and instance norm: affine parameters, and statistics as buffers.
template <class Impl, class Options_>
class NormImplBase : public Layer<Impl, Options_> {
 public:
  explicit NormImplBase(const Options_& o) : Layer<Impl, Options_>(o) {}
  void reset() override;
  void reset_running_stats();
  void reset_parameters();
  Tensor weight, bias, running_mean, running_var, num_batches_tracked;
};
#define RL_NORM(Name)                                                 \
  class Name##Impl : public NormImplBase<Name##Impl, Name##Options> { \
   public:                                                            \
    RL_CONSTRUCT(Name);                                               \
    Tensor forward(const Tensor& input);                              \
  };                                                                  \
  TORCH_MODULE(Name)
RL_NORM(BatchNorm1d);
RL_NORM(BatchNorm2d);
RL_NORM(BatchNorm3d);
RL_NORM(InstanceNorm1d);
RL_NORM(InstanceNorm2d);
RL_NORM(InstanceNorm3d);
#undef RL_NORM
class LayerNormImpl : public Layer<LayerNormImpl, LayerNormOptions> {
 public:
  RL_CONSTRUCT(LayerNorm);
  void reset() override;
  void reset_parameters();
  Tensor forward(const Tensor& input);
  Tensor weight, bias;
};
TORCH_MODULE(LayerNorm);
class GroupNormImpl : public Layer<GroupNormImpl, GroupNormOptions> {
 public:
  RL_CONSTRUCT(GroupNorm);
  void reset() override;
  void reset_parameters();
  Tensor forward(const Tensor& input);
  Tensor weight, bias;
};
TORCH_MODULE(GroupNorm);
RL_LAYER(LocalResponseNorm, LocalResponseNormOptions, RL_REQUIRED, const Tensor& input);
RL_LAYER(CrossMapLRN2d, CrossMapLRN2dOptions, RL_REQUIRED, const Tensor& input);

// ---- distances, losses -----------------------------------------------------------------------------------------------

RL_LAYER(CosineSimilarity, CosineSimilarityOptions, RL_OPTIONAL, const Tensor& x1, const Tensor& x2);
RL_LAYER(PairwiseDistance, PairwiseDistanceOptions, RL_OPTIONAL, const Tensor& x1, const Tensor& x2);
#define RL_LOSS(Name) RL_LAYER(Name, Name##Options, RL_OPTIONAL, const Tensor& input, const Tensor& target)
RL_LOSS(L1Loss);
RL_LOSS(KLDivLoss);
RL_LOSS(MSELoss);
RL_LOSS(BCELoss);
RL_LOSS(HingeEmbeddingLoss);
RL_LOSS(MultiMarginLoss);
RL_LOSS(MultiLabelMarginLoss);
RL_LOSS(MultiLabelSoftMarginLoss);
RL_LOSS(SoftMarginLoss);
RL_LOSS(SmoothL1Loss);
RL_LOSS(HuberLoss);
RL_LOSS(PoissonNLLLoss);
#undef RL_LOSS
RL_LAYER(CosineEmbeddingLoss, CosineEmbeddingLossOptions, RL_OPTIONAL, const Tensor& input1, const Tensor& input2,
         const Tensor& target);
RL_LAYER(MarginRankingLoss, MarginRankingLossOptions, RL_OPTIONAL, const Tensor& input1, const Tensor& input2,
         const Tensor& target);
RL_LAYER(TripletMarginLoss, TripletMarginLossOptions, RL_OPTIONAL, const Tensor& anchor, const Tensor& positive,
         const Tensor& negative);
RL_LAYER(TripletMarginWithDistanceLoss, TripletMarginWithDistanceLossOptions, RL_OPTIONAL, const Tensor& anchor,
         const Tensor& positive, const Tensor& negative);
RL_LAYER(CTCLoss, CTCLossOptions, RL_OPTIONAL, const Tensor& log_probs, const Tensor& targets,
         const Tensor& input_lengths, const Tensor& target_lengths);
// Losses whose weights are buffers.
#define RL_WEIGHTED_LOSS(Name, ...)                            \
  class Name##Impl : public Layer<Name##Impl, Name##Options> { \
   public:                                                     \
    RL_CONSTRUCT(Name, = {});                                  \
    void reset() override;                                     \
    Tensor forward(const Tensor& input, const Tensor& target); \
    Tensor __VA_ARGS__;                                        \
  };                                                           \
  TORCH_MODULE(Name)
RL_WEIGHTED_LOSS(NLLLoss, weight);
RL_WEIGHTED_LOSS(CrossEntropyLoss, weight);
RL_WEIGHTED_LOSS(BCEWithLogitsLoss, weight, pos_weight);
#undef RL_WEIGHTED_LOSS

struct ASMoutput {
  ASMoutput(Tensor output_, double loss_) : output(std::move(output_)), loss(loss_) {}
  Tensor output;
  double loss;
};
class AdaptiveLogSoftmaxWithLossImpl : public Layer<AdaptiveLogSoftmaxWithLossImpl, AdaptiveLogSoftmaxWithLossOptions> {
 public:
  RL_CONSTRUCT(AdaptiveLogSoftmaxWithLoss);
  void reset() override;
  void reset_parameters();
  ASMoutput forward(const Tensor& input, const Tensor& target);
  // The log-probabilities of all classes.
  Tensor log_prob(const Tensor& input);
  Tensor predict(const Tensor& input);
  Tensor _get_full_log_prob(const Tensor& input, const Tensor& head_output);
  std::vector<int64_t> cutoffs;
  int64_t shortlist_size = 0, n_clusters = 0, head_size = 0;
  Linear head = nullptr;
  ModuleList tail;
};
TORCH_MODULE(AdaptiveLogSoftmaxWithLoss);

// ---- recurrent -------------------------------------------------------------------------------------------------------

// RNN, LSTM and GRU. Their functions run over the weights in order.
template <class Impl>
class RNNImplBase : public Cloneable<Impl> {
 public:
  explicit RNNImplBase(const detail::RNNOptionsBase& o) : options_base(o) {}
  void reset() override;
  void reset_parameters();
  void pretty_print(std::ostream& stream) const override;
  void flatten_parameters() {}  // the operators take weights wherever they lie
  std::vector<Tensor> all_weights() const;
  detail::RNNOptionsBase options_base;
};
#define RL_RECURRENT(Name, State, default_state)                                                                     \
  class Name##Impl : public RNNImplBase<Name##Impl> {                                                                \
   public:                                                                                                           \
    using Options = Name##Options;                                                                                   \
    explicit Name##Impl(const Options& options_);                                                                    \
    Name##Impl(int64_t input_size, int64_t hidden_size) : Name##Impl(Options(input_size, hidden_size)) {}            \
    std::tuple<Tensor, State> forward(const Tensor& input, default_state hx = {});                                   \
    FORWARD_HAS_DEFAULT_ARGS({1, AnyValue(default_state())})                                                         \
    std::tuple<utils::rnn::PackedSequence, State> forward_with_packed_input(const utils::rnn::PackedSequence& input, \
                                                                            default_state hx = {});                  \
    void pretty_print(std::ostream& stream) const override;                                                          \
    Options options;                                                                                                 \
  };                                                                                                                 \
  TORCH_MODULE(Name)
using LSTMState = std::tuple<Tensor, Tensor>;
RL_RECURRENT(RNN, Tensor, Tensor);
RL_RECURRENT(LSTM, LSTMState, std::optional<LSTMState>);
RL_RECURRENT(GRU, Tensor, Tensor);
#undef RL_RECURRENT

template <class Impl>
class RNNCellImplBase : public Cloneable<Impl> {
 public:
  explicit RNNCellImplBase(const detail::RNNCellOptionsBase& o) : options_base(o) {}
  void reset() override;
  void reset_parameters();
  detail::RNNCellOptionsBase options_base;
  Tensor weight_ih, weight_hh, bias_ih, bias_hh;

 protected:
  void check(const Tensor& input, const Tensor& hx, const char* label) const;
};
#define RL_CELL(Name, Result, State)                                                                      \
  class Name##Impl : public RNNCellImplBase<Name##Impl> {                                                 \
   public:                                                                                                \
    using Options = Name##Options;                                                                        \
    explicit Name##Impl(const Options& options_);                                                         \
    Name##Impl(int64_t input_size, int64_t hidden_size) : Name##Impl(Options(input_size, hidden_size)) {} \
    Result forward(const Tensor& input, State hx = {});                                                   \
    FORWARD_HAS_DEFAULT_ARGS({1, AnyValue(State())})                                                      \
    void pretty_print(std::ostream& stream) const override;                                               \
    Options options;                                                                                      \
  };                                                                                                      \
  TORCH_MODULE(Name)
RL_CELL(RNNCell, Tensor, Tensor);
RL_CELL(LSTMCell, LSTMState, std::optional<LSTMState>);
RL_CELL(GRUCell, Tensor, Tensor);
#undef RL_CELL

// ---- transformers ----------------------------------------------------------------------------------------------------

class MultiheadAttentionImpl : public Layer<MultiheadAttentionImpl, MultiheadAttentionOptions> {
 public:
  RL_CONSTRUCT(MultiheadAttention);
  void reset() override;
  void _reset_parameters();
  // (L, N, E), (S, N, E), (S, N, E) -> (L, N, E) and the weights (N, L, S), undefined without need_weights.
  std::tuple<Tensor, Tensor> forward(const Tensor& query, const Tensor& key, const Tensor& value,
                                     const Tensor& key_padding_mask = {}, bool need_weights = true,
                                     const Tensor& attn_mask = {}, bool average_attn_weights = true);
  FORWARD_HAS_DEFAULT_ARGS({3, AnyValue(Tensor())}, {4, AnyValue(true)}, {5, AnyValue(Tensor())}, {6, AnyValue(true)})
  bool _qkv_same_embed_dim = true;
  Tensor in_proj_weight, in_proj_bias, bias_k, bias_v, q_proj_weight, k_proj_weight, v_proj_weight;
  Linear out_proj = nullptr;
  int64_t head_dim = 0;
};
TORCH_MODULE(MultiheadAttention);

class TransformerEncoderLayerImpl : public Layer<TransformerEncoderLayerImpl, TransformerEncoderLayerOptions> {
 public:
  RL_CONSTRUCT(TransformerEncoderLayer);
  void reset() override;
  void reset_parameters();
  Tensor forward(const Tensor& src, const Tensor& src_mask = {}, const Tensor& src_key_padding_mask = {});
  FORWARD_HAS_DEFAULT_ARGS({1, AnyValue(Tensor())}, {2, AnyValue(Tensor())})
  MultiheadAttention self_attn = nullptr;
  Linear linear1 = nullptr, linear2 = nullptr;
  Dropout dropout = nullptr, dropout1 = nullptr, dropout2 = nullptr;
  LayerNorm norm1 = nullptr, norm2 = nullptr;
};
TORCH_MODULE(TransformerEncoderLayer);

class TransformerDecoderLayerImpl : public Layer<TransformerDecoderLayerImpl, TransformerDecoderLayerOptions> {
 public:
  RL_CONSTRUCT(TransformerDecoderLayer);
  void reset() override;
  void reset_parameters();
  Tensor forward(Tensor tgt, const Tensor& memory, const Tensor& tgt_mask = {}, const Tensor& memory_mask = {},
                 const Tensor& tgt_key_padding_mask = {}, const Tensor& memory_key_padding_mask = {});
  FORWARD_HAS_DEFAULT_ARGS({2, AnyValue(Tensor())}, {3, AnyValue(Tensor())}, {4, AnyValue(Tensor())},
                           {5, AnyValue(Tensor())})
  MultiheadAttention self_attn = nullptr, multihead_attn = nullptr;
  Linear linear1 = nullptr, linear2 = nullptr;
  Dropout dropout = nullptr, dropout1 = nullptr, dropout2 = nullptr, dropout3 = nullptr;
  LayerNorm norm1 = nullptr, norm2 = nullptr, norm3 = nullptr;
};
TORCH_MODULE(TransformerDecoderLayer);

struct TransformerEncoderOptions {
  TransformerEncoderOptions(TransformerEncoderLayer encoder_layer, int64_t num_layers)
      : encoder_layer_(std::move(encoder_layer)), num_layers_(num_layers) {}
  TransformerEncoderOptions(const TransformerEncoderLayerOptions& options, int64_t num_layers)
      : encoder_layer_(TransformerEncoderLayer(options)), num_layers_(num_layers) {}
  TORCH_ARG(TransformerEncoderLayer, encoder_layer) = nullptr;
  TORCH_ARG(int64_t, num_layers);
  TORCH_ARG(AnyModule, norm);
};
struct TransformerDecoderOptions {
  TransformerDecoderOptions(TransformerDecoderLayer decoder_layer, int64_t num_layers)
      : decoder_layer_(std::move(decoder_layer)), num_layers_(num_layers) {}
  TransformerDecoderOptions(const TransformerDecoderLayerOptions& options, int64_t num_layers)
      : decoder_layer_(TransformerDecoderLayer(options)), num_layers_(num_layers) {}
  TORCH_ARG(TransformerDecoderLayer, decoder_layer) = nullptr;
  TORCH_ARG(int64_t, num_layers);
  TORCH_ARG(AnyModule, norm);
};
struct TransformerOptions {
  TransformerOptions() = default;
  TransformerOptions(int64_t d_model, int64_t nhead) : d_model_(d_model), nhead_(nhead) {}
  TransformerOptions(int64_t d_model, int64_t nhead, int64_t num_encoder_layers, int64_t num_decoder_layers)
      : d_model_(d_model),
        nhead_(nhead),
        num_encoder_layers_(num_encoder_layers),
        num_decoder_layers_(num_decoder_layers) {}
  TORCH_ARG(int64_t, d_model) = 512;
  TORCH_ARG(int64_t, nhead) = 8;
  TORCH_ARG(int64_t, num_encoder_layers) = 6;
  TORCH_ARG(int64_t, num_decoder_layers) = 6;
  TORCH_ARG(int64_t, dim_feedforward) = 2048;
  TORCH_ARG(double, dropout) = 0.1;
  TORCH_ARG(activation_t, activation) = kReLU;
  TORCH_ARG(AnyModule, custom_encoder);
  TORCH_ARG(AnyModule, custom_decoder);
};

class TransformerEncoderImpl : public Layer<TransformerEncoderImpl, TransformerEncoderOptions> {
 public:
  explicit TransformerEncoderImpl(const Options& options_);
  TransformerEncoderImpl(TransformerEncoderLayer layer, int64_t num_layers)
      : TransformerEncoderImpl(Options(std::move(layer), num_layers)) {}
  void pretty_print(std::ostream& stream) const override;
  void reset() override;
  void reset_parameters();
  Tensor forward(const Tensor& src, const Tensor& src_mask = {}, const Tensor& src_key_padding_mask = {});
  FORWARD_HAS_DEFAULT_ARGS({1, AnyValue(Tensor())}, {2, AnyValue(Tensor())})
  ModuleList layers = nullptr;
  AnyModule norm;
};
TORCH_MODULE(TransformerEncoder);

class TransformerDecoderImpl : public Layer<TransformerDecoderImpl, TransformerDecoderOptions> {
 public:
  explicit TransformerDecoderImpl(const Options& options_);
  TransformerDecoderImpl(TransformerDecoderLayer layer, int64_t num_layers)
      : TransformerDecoderImpl(Options(std::move(layer), num_layers)) {}
  void pretty_print(std::ostream& stream) const override;
  void reset() override;
  void reset_parameters();
  Tensor forward(const Tensor& tgt, const Tensor& memory, const Tensor& tgt_mask = {}, const Tensor& memory_mask = {},
                 const Tensor& tgt_key_padding_mask = {}, const Tensor& memory_key_padding_mask = {});
  FORWARD_HAS_DEFAULT_ARGS({2, AnyValue(Tensor())}, {3, AnyValue(Tensor())}, {4, AnyValue(Tensor())},
                           {5, AnyValue(Tensor())})
  ModuleList layers = nullptr;
  AnyModule norm;
};
TORCH_MODULE(TransformerDecoder);

class TransformerImpl : public Layer<TransformerImpl, TransformerOptions> {
 public:
  RL_CONSTRUCT(Transformer, = {});
  void reset() override;
  void reset_parameters();
  Tensor forward(const Tensor& src, const Tensor& tgt, const Tensor& src_mask = {}, const Tensor& tgt_mask = {},
                 const Tensor& memory_mask = {}, const Tensor& src_key_padding_mask = {},
                 const Tensor& tgt_key_padding_mask = {}, const Tensor& memory_key_padding_mask = {});
  FORWARD_HAS_DEFAULT_ARGS({2, AnyValue(Tensor())}, {3, AnyValue(Tensor())}, {4, AnyValue(Tensor())},
                           {5, AnyValue(Tensor())}, {6, AnyValue(Tensor())}, {7, AnyValue(Tensor())})
  // (sz, sz), -inf above the diagonal and 0 elsewhere.
  static Tensor generate_square_subsequent_mask(int64_t sz);
  AnyModule encoder, decoder;
};
TORCH_MODULE(Transformer);

#undef RL_CONSTRUCT
#undef RL_LAYER
#undef RL_LAYERS
#undef RL_OPTIONAL
#undef RL_REQUIRED

}  // namespace nn
}  // namespace rl
}  // namespace torch
