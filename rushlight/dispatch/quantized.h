// Quantised tensors below the operators: what they are made of, and the engine whose arithmetic is followed.
#pragma once
#include "rushlight/core/tensor.h"

namespace rushlight {

class BoxedKernel;

// Note [Quantised tensors]: the storage holds integers, and what they stand for is in other tensors, so that kInParts keeps kernels away that
// would take them for numbers: SparseParts of the layout `strided`, with the scales in `indices`, the zero points in `plain`, and in
// `dense_dim` the dimension each of whose indices has its own, or -1. They never change; tensors share them.
struct Quantizer {
  double scale = 1;
  int64_t zero_point = 0, axis = -1;
  // Of one scale for each index of `axis`: one-dimensional, float64, and int64 or, where they are subtracted after the product with the
  // scale, float32.
  Tensor scales, zero_points;
  bool per_channel() const { return axis >= 0; }
};
Quantizer one_scale(double scale, int64_t zero_point);
Quantizer channel_scales(Tensor scales, Tensor zero_points, int64_t axis);

inline bool has_quantizer(const Tensor& t) { return t.defined() && is_quantized(t.dtype()) && t.impl()->parts(); }
// REQUIRES: has_quantizer(t).
Quantizer quantizer_of(const Tensor& t);

// The dtype in which the integers of a quantised one are kept: qint8 -> int8, quint8 -> uint8, qint32 -> int32.
constexpr DType integers_of(DType d) {
  return d == DType::QInt8 ? DType::Int8 : d == DType::QInt32 ? DType::Int32 : is_quantized(d) ? DType::UInt8 : d;
}
// The integers, in the same memory.
Tensor integers_of(const Tensor& quantized);
// `integers` seen as what `q` says they stand for, in the same memory. `dtype` is a quantised one of the same width.
Tensor quantized_over(const Tensor& integers, DType dtype, const Quantizer& q);
// As another tensor says, whose integers these are after they were moved.
Tensor quantized_like(const Tensor& integers, const Tensor& like);

// What runs where an operator of aten has a quantised tensor among its arguments; a library that is loaded at the first such call brings
// them, and takes them away with an empty one. Note [Quantised calls] in dispatch/quantized.cpp.
void set_quantized_kernel(const std::string& op, Ref<BoxedKernel> kernel);
// Runs the operator on the integers: what only moves elements. What comes out stands for the same numbers.
// `in_place`: no element moves, so that channels keep their scales.
void call_on_integers(const class Op& op, class IValue* args, class IValue* rets, bool in_place = false);
void call_quantized(const Op& op, IValue* args, IValue* rets);

// What torch.backends.quantized.engine chooses, numbered as PyTorch does. It decides how weights that are packed from then on are computed
// with, and no more than that: all of them run everywhere.
enum class QuantizedEngine : int { None = 0, Fbgemm = 1, Qnnpack = 2, Onednn = 3, X86 = 4 };
QuantizedEngine quantized_engine();
void set_quantized_engine(QuantizedEngine e);

}  // namespace rushlight
