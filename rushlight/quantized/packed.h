// Packed weights, products of integers, and how operators are registered here.
#pragma once
#include "rushlight/dispatch/boxing.h"
#include "rushlight/dispatch/library.h"
#include "rushlight/dispatch/quantized.h"
#include "rushlight/graph/native_class.h"
#include "rushlight/kernels/quantize.h"

namespace rushlight {

// Objects of classes, and what may be several things, come as they are.
template <> struct Unboxed<IValue> {
  explicit Unboxed(const IValue& v) : value(v) {}
  const IValue& value;
  const IValue& get() const { return value; }
};
inline void box_into(IValue* rets, const IValue& v) { rets[0] = v; }

namespace quantized {

// ---- weights ----

// What a product needs of quantised weights.
struct Weights {
  // `axis`: the dimension of the outputs. The engine is the one that is chosen now. Throws RuntimeError.
  Weights(Tensor weight, const Tensor& bias, int64_t axis);
  Tensor weight, bias;        // bias may be undefined
  std::vector<float> scales;  // of each output, or one
  Tensor centred;             // integers less their zero points, float32; of a float16 weight its numbers
  double largest = 0;         // |x| times this bounds every partial sum of a product
  QuantizedEngine engine = QuantizedEngine::None;
  bool half = false;  // no quantised weight, but float32 that was rounded to float16
  float scale(int64_t output) const { return scales[scales.size() == 1 ? 0 : size_t(output)]; }
};
struct LinearParts final : RefCounted, Weights {
  LinearParts(Tensor weight, const Tensor& bias) : Weights(std::move(weight), bias, 0) {}
};
struct ConvParts final : RefCounted, Weights {
  using Weights::Weights;
  std::vector<int64_t> stride, padding, dilation, output_padding;
  int64_t groups = 1;
  bool transposed = false;
};
struct EmbeddingParts final : RefCounted { Tensor weight; };
struct CellParts final : RefCounted {
  Ref<LinearParts> input, hidden;
  bool half = false, reduce_range = false;
};

// Throw TypeError for another object.
const LinearParts& linear_of(const IValue& v);
const ConvParts& conv_of(const IValue& v, size_t dims);
const EmbeddingParts& embedding_of(const IValue& v);
const CellParts& cell_of(const IValue& v);
void define_classes();
// An object of torch.classes.<name> with the state that archives hold.
IValue packed(const char* name, IValue state);

// ---- products ----

// An input's integers less its zero point, in the dtype in which products with the weights are exact: at most 8 bits, so float32 where no
// sum can reach 2^24.
Tensor centred_input(const Tensor& x, const Weights& w);
Tensor centred_weight(const Tensor& input, const Weights& w);  // in the input's dtype
// Sums of products, outputs along dimension `channel`, as a layer of that engine gives them: integers of a scale of their own ...
Tensor requantized(const Tensor& sums, const Weights& w, int64_t channel, double x_scale, double scale,
                   int64_t zero_point, bool relu);
// ... or numbers.
Tensor rescaled(const Tensor& sums, const Weights& w, int64_t channel, double x_scale, bool relu);
// An input of float32 as 8 bits, by its least and greatest element.
Tensor quantized_input(const Tensor& x, const Weights& w, bool reduce_range);
// x W^T + b of a float32 x, which is quantised on the way; of float16 weights it isn't.
Tensor dynamic_linear(const Tensor& x, const LinearParts& w, bool reduce_range, bool relu);

// Throws RuntimeError for what is not quantised per tensor.
Quantizer single_quantizer(const char* who, const Tensor& t);

// ---- operators ----

template <auto F>
class Typed final : public BoxedKernel {
  void call(const Op&, IValue* args, IValue* rets) override { box_into(rets, Signature<decltype(F)>::apply(F, args)); }
};
template <auto F>
void define(OpLibrary& m, const std::string& schema) {
  m.impl(m.define(schema), DispatchKey::CompositeImplicitAutograd, make_ref<Typed<F>>());
}
template <class F>
class Held final : public BoxedKernel {
 public:
  explicit Held(F f) : f_(f) {}
  void call(const Op&, IValue* args, IValue* rets) override { box_into(rets, Signature<F>::apply(f_, args)); }

 private:
  F f_;
};
template <class F>
void define(OpLibrary& m, const std::string& schema, F function) {
  m.impl(m.define(schema), DispatchKey::CompositeImplicitAutograd, make_ref<Held<F>>(function));
}
// "Conv2d": the class of packed weights in a schema.
inline std::string class_of(const char* what) {
  return std::string("__torch__.torch.classes.quantized.") + what + "PackedParamsBase";
}

void define_linear(OpLibrary& m);
void define_conv(OpLibrary& m);
void define_pointwise(OpLibrary& m);
void define_embedding(OpLibrary& m);
void define_recurrent(OpLibrary& m, OpLibrary& aten);
void define_prepacked_classes();
void define_prepacked(OpLibrary& m);
// What operators of aten do with quantised tensors.
// Gives all names to `done`.
void define_builtins(std::vector<std::string>& names);

}  // namespace quantized
}  // namespace rushlight
