#include "rushlight/quantized/packed.h"

#include <cmath>

#include "rushlight/fn/abs.h"
#include "rushlight/fn/contiguous.h"
#include "rushlight/fn/dequantize.h"
#include "rushlight/fn/detach.h"
#include "rushlight/fn/flatten.h"
#include "rushlight/fn/int_repr.h"
#include "rushlight/fn/item.h"
#include "rushlight/fn/max.h"
#include "rushlight/fn/min.h"
#include "rushlight/fn/q_per_channel_scales.h"
#include "rushlight/fn/q_per_channel_zero_points.h"
#include "rushlight/fn/quantize_per_tensor.h"
#include "rushlight/fn/reshape.h"
#include "rushlight/fn/sum.h"
#include "rushlight/fn/to.h"
#include "rushlight/graph/executor/lists.h"
#include "rushlight/kernels/copying.h"
#include "rushlight/kernels/parallel.h"
#include "rushlight/ops/operators.h"

namespace rushlight::quantized {

// ---- weights ----

Weights::Weights(Tensor w, const Tensor& b, int64_t axis) : weight(std::move(w)), engine(quantized_engine()) {
  if (b.defined()) bias = contiguous(to(detach(b), DType::Float32));
  int64_t outputs = weight.dim() > axis ? weight.sizes()[size_t(axis)] : 0;
  RL_CHECK(RuntimeError, weight.dim() >= 2 && (!bias.defined() || bias.dim() == 1),
           "expected weights of two or more dimensions and a bias of "
           "one, got shapes ",
           weight.sizes(), " and ", bias.defined() ? bias.sizes() : Dims());
  if (is_floating(weight.dtype())) {
    half = true;
    centred = to(to(detach(weight), DType::Float16), DType::Float32);
    scales = {1};
    return;
  }
  RL_CHECK(RuntimeError, has_quantizer(weight) && weight.dtype() == DType::QInt8,
           "expected weights of dtype torch.qint8, got ", weight.dtype());
  Quantizer q = quantizer_of(weight);
  RL_CHECK(RuntimeError, !q.per_channel() || q.axis == axis,
           "expected weights with a scale for each output, dimension ", axis, ", got them for dimension ", q.axis);
  Tensor integers = to(int_repr(weight), DType::Float32);
  if (q.per_channel()) {
    Tensor each = q_per_channel_scales(weight);
    for (int64_t i = 0; i < outputs; i++) scales.push_back(float(each.data<double>()[i]));
    Dims seen(weight.sizes().size(), 1);
    seen[size_t(axis)] = outputs;
    centred = integers - reshape(to(q_per_channel_zero_points(weight), DType::Float32), seen);
  } else {
    scales = {float(q.scale)};
    centred = integers - Scalar(double(q.zero_point));
  }
  centred = contiguous(centred);
  if (!centred.numel()) return;
  Tensor sizes = to(abs(centred), DType::Float64);
  // A transposed convolution adds over more than one output's weights: all of them bound it.
  largest = item(axis == 0 ? max(sum(flatten(sizes, 1), IntArrayRef({1}))) : sum(sizes)).to_double();
}

Tensor centred_input(const Tensor& x, const Weights& w) {
  Quantizer q = single_quantizer("quantized", x);
  DType exact = w.largest * 255 < (1 << 24) ? DType::Float32 : DType::Float64;
  return to(int_repr(x), exact) - Scalar(double(q.zero_point));
}
Tensor centred_weight(const Tensor& input, const Weights& w) { return to(w.centred, input.dtype()); }

Quantizer single_quantizer(const char* who, const Tensor& t) {
  bool any = has_quantizer(t);
  RL_CHECK(RuntimeError, any && t.impl()->parts()->dense_dim < 0, who,
           ": expected a tensor that is quantised per tensor, got one ",
           any ? "with a scale for each channel" : "that is not quantised",
           "; make one with torch.quantize_per_tensor");
  return quantizer_of(t);
}

// ---- products ----

namespace {

// f(sum, output) of each element: `sums` of float32 or float64, outputs along `channel`.
template <class To, class F>
void each_sum(const Tensor& sums, int64_t channel, To* out, F&& f) {
  int64_t n = sums.sizes()[size_t(channel)], inner = 1;
  for (int64_t d = channel + 1; d < sums.dim(); d++) inner *= sums.sizes()[size_t(d)];
  if (!sums.numel()) return;
  parallel_for(0, sums.numel() / inner, std::max<int64_t>(1, 32768 / inner), [&](int64_t begin, int64_t end) {
    auto run = [&](const auto* from) {
      for (int64_t row = begin; row < end; row++) {
        auto g = f(row % n);
        for (int64_t i = row * inner; i < (row + 1) * inner; i++) out[i] = g(float(from[i]));
      }
    };
    if (sums.dtype() == DType::Float32) run(sums.data<float>());
    else run(sums.data<double>());
  });
}

}  // namespace

Tensor requantized(const Tensor& given, const Weights& w, int64_t channel, double x_scale, double scale,
                   int64_t zero_point, bool relu) {
  Tensor sums = contiguous(given), out = empty_tensor(sums.sizes(), DType::UInt8);
  RL_CHECK(RuntimeError, scale > 0 && std::isfinite(scale) && zero_point >= 0 && zero_point <= 255,
           "quantized: expected an output scale above 0 and a zero point from 0 to 255, got ", scale, " and ",
           zero_point);
  const float* bias = w.bias.defined() ? w.bias.data<float>() : nullptr;
  auto y_scale = float(scale);
  float low = float((relu ? 0 : -zero_point)), high = float(255 - zero_point);
  auto zero = int32_t(zero_point);
  auto finish = [low, high, zero](float v) {
    v = std::nearbyint(v);
    v = v < low ? low : v;
    v = v > high ? high : v;
    return uint8_t(int32_t(v) + zero);
  };
  // Where the bias is rounded is what the engines differ in.
  each_sum(sums, channel, out.data<uint8_t>(), [&](int64_t i) {
    float both = float(x_scale) * w.scale(i), b = bias ? bias[i] : 0.f, by = both / y_scale, add = 0;
    switch (w.engine) {
      case QuantizedEngine::Qnnpack: add = std::nearbyint(b / both) * by; break;
      case QuantizedEngine::Onednn: add = b / y_scale; break;
      default: add = b / both;
    }
    bool first = w.engine != QuantizedEngine::Qnnpack && w.engine != QuantizedEngine::Onednn;
    return [=](float v) { return finish(first ? (v + add) * by : v * by + add); };
  });
  return quantized_over(out, DType::QUInt8, one_scale(scale, zero_point));
}

Tensor rescaled(const Tensor& given, const Weights& w, int64_t channel, double x_scale, bool relu) {
  Tensor sums = contiguous(given), out = empty_tensor(sums.sizes(), DType::Float32);
  const float* bias = w.bias.defined() ? w.bias.data<float>() : nullptr;
  each_sum(sums, channel, out.data<float>(), [&](int64_t i) {
    float by = float(x_scale) * w.scale(i), add = bias ? bias[i] : 0.f;
    return [=](float v) {
      float y = v * by + add;
      return relu && y < 0 ? 0.f : y;
    };
  });
  return out;
}

Tensor quantized_input(const Tensor& x, const Weights& w, bool reduce_range) {
  RL_CHECK(RuntimeError, x.dtype() == DType::Float32, "quantized: expected an input of dtype float32, got ", x.dtype());
  if (!x.numel()) return quantize_per_tensor(x, 1, 0, DType::QUInt8);
  bool seven_bits = reduce_range && w.engine != QuantizedEngine::Qnnpack;  // which has instructions that don't saturate
  QuantizedAs as =
      choose_quantization(float(item(min(x)).to_double()), float(item(max(x)).to_double()), 0, 255, seven_bits);
  return quantize_per_tensor(x, as.scale, as.zero_point, DType::QUInt8);
}

// ---- classes ----

namespace {

using graph::find_native_class;
using graph::list_get;
using graph::list_size;

const std::string kPrefix = "__torch__.torch.classes.";

const IValue& part(const IValue& state, size_t i, const char* of) {
  RL_CHECK(RuntimeError, state.is_tuple() && i < state.to_tuple().items.size(), "a packed ", of, " with too few parts");
  return state.to_tuple().items[i];
}
IValue listed(const IValue& v, size_t i, const char* of) {
  RL_CHECK(RuntimeError, v.is_any_list() && i < list_size(v), "a packed ", of, " with too short a list");
  return list_get(v, i);
}
Tensor tensor_of(const IValue& v, const char* of, bool optional = false) {
  RL_CHECK(RuntimeError, v.is_tensor() || (optional && v.is_none()), "a packed ", of,
           " without a tensor where one is expected");
  return v.is_tensor() ? v.tensor() : Tensor();
}

// (weight, bias)
Ref<RefCounted> prepare_linear(const IValue& state) {
  return make_ref<LinearParts>(tensor_of(part(state, 0, "linear layer"), "linear layer"),
                               tensor_of(part(state, 1, "linear layer"), "linear layer", true));
}

// ("2", [settings, weight], [bias]) or (3, settings, [None, weight, bias]); before 1.6 (weight, bias, stride, padding, dilation, groups).
// Settings: dimensions, then for each of them stride, padding, dilation and output padding; groups, transposed.
Ref<RefCounted> prepare_conv(const IValue& state) {
  const char* what = "convolution";
  std::vector<int64_t> settings;
  Tensor weight, bias;
  const IValue& first = part(state, 0, what);
  auto ints_of = [&](const IValue& list) {
    std::vector<int64_t> out;
    RL_CHECK(RuntimeError, list.is_any_list() && list_size(list) <= 3,
             "a packed convolution with a setting that is no list of 1 to 3 numbers");
    for (size_t i = 0; i < list_size(list); i++) {
      IValue v = list_get(list, i);
      out.push_back(v.is_tensor() ? item(v.tensor()).to_int() : v.to_int());
    }
    return out;
  };
  if (first.is_tensor()) {
    weight = first.tensor();
    bias = tensor_of(part(state, 1, what), what, true);
    std::vector<int64_t> stride = ints_of(part(state, 2, what)), padding = ints_of(part(state, 3, what)),
                         dilation = ints_of(part(state, 4, what));
    settings.push_back(int64_t(stride.size()));
    for (const auto* list : {&stride, &padding, &dilation}) settings.insert(settings.end(), list->begin(), list->end());
    settings.insert(settings.end(), stride.size(), 0);
    const IValue& groups = part(state, 5, what);
    settings.push_back(groups.is_tensor() ? item(groups.tensor()).to_int() : groups.to_int());
    settings.push_back(0);
  } else if (first.is_string()) {
    const IValue& tensors = part(state, 1, what);
    Tensor numbers = contiguous(to(tensor_of(listed(tensors, 0, what), what), DType::Int64));
    settings.assign(numbers.data<int64_t>(), numbers.data<int64_t>() + numbers.numel());
    weight = tensor_of(listed(tensors, 1, what), what);
    const IValue& biases = part(state, 2, what);
    if (biases.is_any_list() && list_size(biases)) bias = tensor_of(list_get(biases, 0), what, true);
  } else {
    const IValue& numbers = part(state, 1, what);
    for (size_t i = 0; numbers.is_any_list() && i < list_size(numbers); i++)
      settings.push_back(list_get(numbers, i).to_int());
    const IValue& tensors = part(state, 2, what);
    weight = tensor_of(listed(tensors, 1, what), what);
    bias = tensor_of(listed(tensors, 2, what), what, true);
  }
  size_t dims = settings.empty() ? 0 : size_t(settings[0]);
  RL_CHECK(RuntimeError,
           dims >= 1 && dims <= 3 && settings.size() >= 1 + 4 * dims + 2 && weight.dim() == int64_t(dims) + 2,
           "a packed convolution whose settings don't fit its weight of shape ", weight.sizes());
  bool transposed = settings[2 + 4 * dims] & 1;
  auto out = make_ref<ConvParts>(weight, bias, transposed ? 1 : 0);
  auto at = settings.begin() + 1;
  for (auto* list : {&out->stride, &out->padding, &out->dilation, &out->output_padding}) {
    list->assign(at, at + ptrdiff_t(dims));
    at += ptrdiff_t(dims);
  }
  out->groups = *at;
  out->transposed = transposed;
  return out;
}

// (1, [weight], [], [bits])
Ref<RefCounted> prepare_embedding(const IValue& state) {
  auto out = make_ref<EmbeddingParts>();
  out->weight = tensor_of(listed(part(state, 1, "embedding"), 0, "embedding"), "embedding");
  RL_CHECK(RuntimeError, out->weight.dim() == 2 && has_quantizer(out->weight),
           "a packed embedding whose weight is no quantised matrix");
  return out;
}

// (kind, [biases], [], [reduce_range], [packed weights of the input, and of the state])
Ref<RefCounted> prepare_cell(const IValue& state) {
  const char* what = "recurrent cell";
  auto out = make_ref<CellParts>();
  const IValue& kind = part(state, 0, what);
  RL_CHECK(RuntimeError, kind.is_string(), "a packed recurrent cell without its kind");
  out->half = kind.to_string() == "quantized_fp16";
  RL_CHECK(NotImplementedError, out->half || kind.to_string() == "quantized_dynamic", "recurrent cells of the kind '",
           kind.to_string(), "' can't be run; quantize_dynamic makes others");
  const IValue& linears = part(state, 4, what);
  for (auto [at, i] : {std::pair(&out->input, 0), {&out->hidden, 1}})
    *at = Ref<LinearParts>(const_cast<LinearParts*>(&linear_of(listed(linears, size_t(i), what))));
  const IValue& numbers = part(state, 3, what);
  out->reduce_range = numbers.is_any_list() && list_size(numbers) && list_get(numbers, 0).to_int();
  return out;
}

template <class T>
const T& parts_of(const IValue& v, const std::string& name) {
  return static_cast<const T&>(graph::native_parts(v, kPrefix + name));
}

}  // namespace

void define_classes() {
  graph::define_native_class("quantized.LinearPackedParamsBase", prepare_linear,
                             {{"unpack", "quantized::linear_unpack"}});
  for (const char* dims : {"2d", "3d"}) {
    std::map<std::string, std::string> methods;
    for (const char* name : {"unpack", "stride", "padding", "output_padding", "dilation", "groups", "transpose"})
      methods[name] = str("quantized::conv", dims, "_", name);
    graph::define_native_class(str("quantized.Conv", dims, "PackedParamsBase"), prepare_conv, std::move(methods));
  }
  graph::define_native_class("quantized.EmbeddingPackedParamsBase", prepare_embedding,
                             {{"unpack", "quantized::embedding_bag_unpack"}});
  graph::define_native_class("rnn.CellParamsBase", prepare_cell);
}
IValue packed(const char* name, IValue state) {
  return graph::make_native(find_native_class(kPrefix + name), std::move(state));
}

const LinearParts& linear_of(const IValue& v) { return parts_of<LinearParts>(v, "quantized.LinearPackedParamsBase"); }
const ConvParts& conv_of(const IValue& v, size_t dims) {
  return parts_of<ConvParts>(v, str("quantized.Conv", dims, "dPackedParamsBase"));
}
const EmbeddingParts& embedding_of(const IValue& v) {
  return parts_of<EmbeddingParts>(v, "quantized.EmbeddingPackedParamsBase");
}
const CellParts& cell_of(const IValue& v) { return parts_of<CellParts>(v, "rnn.CellParamsBase"); }

}  // namespace rushlight::quantized
