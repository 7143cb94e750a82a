// Linear layers: their weights packed, of 8 bits or float16, and products with inputs that are quantised or become so on the way.
#include "rushlight/fn/linear.h"

#include "rushlight/fn/contiguous.h"
#include "rushlight/fn/dequantize.h"
#include "rushlight/fn/leaky_relu.h"
#include "rushlight/fn/matmul.h"
#include "rushlight/fn/quantize_per_tensor.h"
#include "rushlight/fn/relu.h"
#include "rushlight/fn/t.h"
#include "rushlight/fn/tanh.h"
#include "rushlight/fn/to.h"
#include "rushlight/quantized/packed.h"

namespace rushlight::quantized {
namespace {

IValue prepack(const Tensor& weight, const Tensor& bias) {
  RL_CHECK(RuntimeError, weight.dim() == 2,
           "quantized::linear_prepack: The weight tensor for quantized::linear_prepack (fbgemm) should be "
           "2-dimensional, got shape ",
           weight.sizes());
  return packed("quantized.LinearPackedParamsBase", IValue::tuple({weight, bias.defined() ? IValue(bias) : IValue()}));
}
std::tuple<Tensor, Tensor> unpack(const IValue& w) {
  const LinearParts& parts = linear_of(w);
  return {parts.weight, parts.bias};
}

void check_input(const char* who, const Tensor& x, const LinearParts& w) {
  int64_t width = w.centred.sizes()[1];
  RL_CHECK(ShapeError, x.dim() >= 1 && x.sizes().back() == width, who, ": expected an input whose last dimension is ",
           width, ", the layer's in_features, got shape ", x.sizes());
}

template <bool kRelu>
Tensor linear_quantized(const Tensor& x, const IValue& weight, double scale, int64_t zero_point) {
  const LinearParts& w = linear_of(weight);
  const char* who = kRelu ? "quantized::linear_relu" : "quantized::linear";
  Quantizer q = single_quantizer(who, x);
  RL_CHECK(RuntimeError, !w.half, who, ": expected weights of 8 bits, got float16; they belong to linear_dynamic_fp16");
  check_input(who, x, w);
  Tensor in = centred_input(x, w);
  Tensor sums = matmul(in, t(centred_weight(in, w)));
  return requantized(sums, w, sums.dim() - 1, q.scale, scale, zero_point, kRelu);
}
template <bool kRelu>
Tensor linear_dynamic(const Tensor& x, const IValue& weight, bool reduce_range) {
  return dynamic_linear(x, linear_of(weight), reduce_range, kRelu);
}
template <bool kRelu>
Tensor linear_half(const Tensor& x, const IValue& weight) {
  return dynamic_linear(x, linear_of(weight), false, kRelu);
}
// To a number, a function of it, and to integers: linear_tanh, linear_leaky_relu.
Tensor of_numbers(const Tensor& x, const IValue& weight) {
  const LinearParts& w = linear_of(weight);
  Quantizer q = single_quantizer("quantized::linear", x);
  check_input("quantized::linear", x, w);
  Tensor in = centred_input(x, w);
  Tensor sums = matmul(in, t(centred_weight(in, w)));
  return rescaled(sums, w, sums.dim() - 1, q.scale, false);
}
Tensor linear_tanh(const Tensor& x, const IValue& w, double scale, int64_t zero_point) {
  return quantize_per_tensor(tanh(of_numbers(x, w)), scale, zero_point, DType::QUInt8);
}
Tensor linear_leaky_relu(const Tensor& x, const IValue& w, double scale, int64_t zero_point, double slope) {
  return quantize_per_tensor(leaky_relu(of_numbers(x, w), slope), scale, zero_point, DType::QUInt8);
}
template <bool kRelu>
Tensor linear_to_float(const Tensor& x, double scale, int64_t zero_point, const IValue& w) {
  Tensor y = of_numbers(quantize_per_tensor(x, scale, zero_point, DType::QUInt8), w);
  return kRelu ? relu(y) : y;
}

}  // namespace

Tensor dynamic_linear(const Tensor& x, const LinearParts& w, bool reduce_range, bool with_relu) {
  check_input("quantized::linear_dynamic", x, w);
  if (w.half) {
    Tensor y = linear(x, w.centred, w.bias);
    return with_relu ? relu(y) : y;
  }
  Tensor q = quantized_input(x, w, reduce_range), in = centred_input(q, w);
  Tensor sums = matmul(in, t(centred_weight(in, w)));
  return rescaled(sums, w, sums.dim() - 1, single_quantizer("quantized::linear_dynamic", q).scale, with_relu);
}

void define_linear(OpLibrary& m) {
  std::string w = class_of("Linear");
  for (const char* name : {"linear_prepack", "linear_prepack_fp16"})
    define<prepack>(m, str(name, "(Tensor W, Tensor? B=None) -> ", w, " W_prepack"));
  for (const char* name : {"linear_unpack", "linear_unpack_fp16"})
    define<unpack>(m, str(name, "(", w, " W_prepack) -> (Tensor W_origin, Tensor? B_origin)"));
  std::string to_integers = "(Tensor X, " + w + " W_prepack, float Y_scale_i, int Y_zero_point_i";
  define<linear_quantized<false>>(m, "linear" + to_integers + ") -> Tensor Y");
  define<linear_quantized<true>>(m, "linear_relu" + to_integers + ") -> Tensor Y");
  define<linear_tanh>(m, "linear_tanh" + to_integers + ") -> Tensor Y");
  define<linear_leaky_relu>(m, "linear_leaky_relu" + to_integers + ", float negative_slope) -> Tensor Y");
  define<linear_dynamic<false>>(m,
                                "linear_dynamic(Tensor X, " + w + " W_prepack, bool reduce_range=False) -> Tensor Y");
  define<linear_dynamic<true>>(
      m, "linear_relu_dynamic(Tensor X, " + w + " W_prepack, bool reduce_range=False) -> Tensor Y");
  define<linear_half<false>>(m, "linear_dynamic_fp16(Tensor X, " + w + " W_prepack) -> Tensor Y");
  define<linear_half<true>>(m, "linear_relu_dynamic_fp16(Tensor X, " + w + " W_prepack) -> Tensor Y");
  std::string from_floats = "(Tensor X, float X_scale, int X_zero_point, " + w + " W_prepack) -> Tensor Y";
  define<linear_to_float<false>>(m, "linear_with_input_q_dq_qweight_dq_output_fp32" + from_floats);
  define<linear_to_float<true>>(m, "linear_with_input_q_dq_qweight_dq_relu_output_fp32" + from_floats);
}

}  // namespace rushlight::quantized
