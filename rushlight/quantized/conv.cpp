// Convolutions and transposed ones. Those of one dimension have the weights and settings of two, of which the first is 1.
#include "rushlight/fn/convolution.h"
#include "rushlight/fn/dequantize.h"
#include "rushlight/fn/quantize_per_tensor.h"
#include "rushlight/fn/relu.h"
#include "rushlight/fn/squeeze.h"
#include "rushlight/fn/unsqueeze.h"
#include "rushlight/graph/executor/lists.h"
#include "rushlight/ops/operators.h"
#include "rushlight/quantized/packed.h"

namespace rushlight::quantized {
namespace {

using Ints = std::vector<int64_t>;

Tensor settings_tensor(const Ints& v) {
  Tensor out = empty_tensor({int64_t(v.size())}, DType::Int16);
  for (size_t i = 0; i < v.size(); i++) {
    RL_CHECK(RuntimeError, v[i] >= 0 && v[i] < 32768,
             "quantized::conv_prepack: expected settings from 0 to 32767, got ", v[i]);
    out.data<int16_t>()[i] = int16_t(v[i]);
  }
  return out;
}

template <int kDims>
IValue pack(const Tensor& given, const Tensor& bias, IntArrayRef stride, IntArrayRef padding,
            IntArrayRef output_padding, IntArrayRef dilation, int64_t groups, bool transposed) {
  constexpr size_t stored = kDims == 1 ? 2 : kDims;
  RL_CHECK(RuntimeError, given.dim() == kDims + 2, "quantized::conv", kDims, "d_prepack: expected a weight of ",
           kDims + 2, " dimensions, got shape ", given.sizes());
  RL_CHECK(RuntimeError, groups > 0, "quantized::conv", kDims, "d_prepack: expected groups above 0, got ", groups);
  Ints settings = {int64_t(stored)};
  for (auto [list, before] : {std::pair(stride, 1), {padding, 0}, {dilation, 1}, {output_padding, 0}}) {
    RL_CHECK(RuntimeError, list.size() == kDims, "quantized::conv", kDims, "d_prepack: expected ", kDims,
             " numbers for each setting, got ", list);
    if (kDims == 1) settings.push_back(before);
    settings.insert(settings.end(), list.begin(), list.end());
  }
  settings.push_back(groups);
  settings.push_back(transposed);
  RL_CHECK(RuntimeError, has_quantizer(given), "quantized::conv", kDims,
           "d_prepack: expected a weight of dtype torch.qint8, got ", given.dtype());
  // Behind the dimension of the outputs, so that their scales stay theirs.
  Tensor weight = kDims == 1 ? quantized_like(unsqueeze(integers_of(given), 2), given) : given;
  IValue biases = graph::make_list(Type::optional(Type::tensor()), {bias.defined() ? IValue(bias) : IValue()});
  return packed(stored == 2 ? "quantized.Conv2dPackedParamsBase" : "quantized.Conv3dPackedParamsBase",
                IValue::tuple({"2", IValue(Tensors{settings_tensor(settings), weight}), biases}));
}
template <int kDims>
IValue prepack(const Tensor& weight, const Tensor& bias, IntArrayRef stride, IntArrayRef padding, IntArrayRef dilation,
               int64_t groups) {
  return pack<kDims>(weight, bias, stride, padding, Ints(kDims, 0), dilation, groups, false);
}
template <int kDims>
IValue prepack_transposed(const Tensor& weight, const Tensor& bias, IntArrayRef stride, IntArrayRef padding,
                          IntArrayRef output_padding, IntArrayRef dilation, int64_t groups) {
  return pack<kDims>(weight, bias, stride, padding, output_padding, dilation, groups, true);
}
template <int kDims>
std::tuple<Tensor, Tensor> unpack(const IValue& v) {
  const ConvParts& w = conv_of(v, kDims == 1 ? 2 : kDims);
  return {kDims == 1 ? quantized_like(squeeze(integers_of(w.weight), 2), w.weight) : w.weight, w.bias};
}
template <int kDims, auto kMember>
Ints setting(const IValue& v) {
  return conv_of(v, kDims).*kMember;
}
template <int kDims>
int64_t groups_of(const IValue& v) {
  return conv_of(v, kDims).groups;
}
template <int kDims>
int64_t transposed_of(const IValue& v) {
  return conv_of(v, kDims).transposed;
}

Tensor sums_of(const Tensor& x, const ConvParts& w) {
  const char* who = "quantized::conv";
  RL_CHECK(ShapeError, x.dim() == w.weight.dim(), who, ": expected an input of ", w.weight.dim(),
           " dimensions, got shape ", x.sizes());
  Tensor in = centred_input(x, w);
  return convolution(in, centred_weight(in, w), Tensor(), w.stride, w.padding, w.dilation, w.transposed,
                     w.output_padding, w.groups);
}
template <int kDims>
Tensor shown(const Tensor& y) {
  return kDims == 1 ? squeeze(y, 2) : y;
}
template <int kDims, bool kRelu>
Tensor conv(const Tensor& given, const IValue& packed, double scale, int64_t zero_point) {
  const ConvParts& w = conv_of(packed, kDims == 1 ? 2 : kDims);
  Quantizer q = single_quantizer("quantized::conv", given);
  Tensor x = kDims == 1 ? unsqueeze(given, 2) : given;
  return shown<kDims>(requantized(sums_of(x, w), w, 1, q.scale, scale, zero_point, kRelu));
}
template <int kDims, bool kRelu>
Tensor conv_with_settings(const Tensor& x, const IValue& packed, IntArrayRef, IntArrayRef, IntArrayRef, int64_t,
                          double scale, int64_t zero_point) {
  return conv<kDims, kRelu>(x, packed, scale, zero_point);
}
template <bool kRelu>
Tensor conv_add(const Tensor& x, const Tensor& other, const IValue& packed, double scale, int64_t zero_point) {
  const ConvParts& w = conv_of(packed, 2);
  Quantizer q = single_quantizer("quantized::conv2d_add", x);
  Tensor y = rescaled(sums_of(x, w), w, 1, q.scale, false) + dequantize(other);
  return quantize_per_tensor(kRelu ? relu(y) : y, scale, zero_point, DType::QUInt8);
}
template <int kDims>
Tensor conv_dynamic(const Tensor& given, const IValue& packed, bool reduce_range) {
  const ConvParts& w = conv_of(packed, kDims == 1 ? 2 : kDims);
  Tensor x = quantized_input(kDims == 1 ? unsqueeze(given, 2) : given, w, reduce_range);
  return shown<kDims>(rescaled(sums_of(x, w), w, 1, single_quantizer("quantized::conv", x).scale, false));
}

template <int kDims>
void define_dims(OpLibrary& m) {
  std::string w = class_of(kDims == 3 ? "Conv3d" : "Conv2d"), d = str(kDims, "d");
  auto makes = [&](const char* name, const char* more) {
    return str(name, d, "_prepack(Tensor weight, Tensor? bias, int[] stride, int[] padding, ", more,
               "int[] dilation, int groups) -> ", w);
  };
  define<prepack<kDims>>(m, makes("conv", ""));
  define<prepack_transposed<kDims>>(m, makes("conv_transpose", "int[] output_padding, "));
  std::string runs = "(Tensor qx, " + w + " packed_weight, float output_scale, int output_zero_point) -> Tensor";
  std::string name = kDims == 1 ? "" : ".new";
  define<conv<kDims, false>>(m, "conv" + d + name + runs);
  define<conv<kDims, true>>(m, "conv" + d + "_relu" + name + runs);
  define<conv<kDims, false>>(m, "conv_transpose" + d + runs);
  for (const char* kind : {"conv", "conv_transpose"}) {
    std::string takes = "(" + w + " packed_weights) -> ", prefix = kind + d + "_";
    define<unpack<kDims>>(m, prefix + "unpack" + takes + "(Tensor unpacked_weights, Tensor? B_origin)");
    define<conv_dynamic<kDims>>(
        m, prefix + "dynamic(Tensor qx, " + w + " packed_weight, bool reduce_range=False) -> Tensor");
    if constexpr (kDims > 1) {
      define<setting<kDims, &ConvParts::stride>>(m, prefix + "stride" + takes + "int[]");
      define<setting<kDims, &ConvParts::padding>>(m, prefix + "padding" + takes + "int[]");
      define<setting<kDims, &ConvParts::output_padding>>(m, prefix + "output_padding" + takes + "int[]");
      define<setting<kDims, &ConvParts::dilation>>(m, prefix + "dilation" + takes + "int[]");
      define<groups_of<kDims>>(m, prefix + "groups" + takes + "int");
      define<transposed_of<kDims>>(m, prefix + "transpose" + takes + "int");
    }
  }
  if constexpr (kDims > 1) {
    // Of before 1.6: the settings come again.
    std::string old = "(Tensor qx, " + w +
                      " weight, int[] stride, int[] padding, int[] dilation, int groups, float output_scale, int "
                      "output_zero_point) -> Tensor";
    define<conv_with_settings<kDims, false>>(m, "conv" + d + old);
    define<conv_with_settings<kDims, true>>(m, "conv" + d + "_relu" + old);
  }
}

}  // namespace

void define_conv(OpLibrary& m) {
  define_dims<1>(m);
  define_dims<2>(m);
  define_dims<3>(m);
  std::string w = class_of("Conv2d");
  define<prepack<2>>(
      m, "conv_prepack(Tensor weight, Tensor? bias, int[] stride, int[] padding, int[] dilation, int groups) -> " + w);
  define<unpack<2>>(m, "conv_unpack(" + w + " packed_weights) -> (Tensor unpacked_weights, Tensor? B_origin)");
  std::string adds =
      "(Tensor qx, Tensor qaccum, " + w + " packed_weight, float output_scale, int output_zero_point) -> Tensor";
  define<conv_add<false>>(m, "conv2d_add" + adds);
  define<conv_add<true>>(m, "conv2d_add_relu" + adds);
}

}  // namespace rushlight::quantized
