// Kernels that make a tensor from a size, or like another: what the factories, the random ones and the like share.
#pragma once
#include "rushlight/dispatch/kernel.h"

namespace rushlight {

// The options that end the schema of a factory.
using DT = std::optional<DType>;
using LT = std::optional<Layout>;
using ALT = std::optional<AnyLayout>;
using DV = std::optional<Device>;
using OB = std::optional<bool>;
using MF = std::optional<MemoryFormat>;

inline TensorSpec spec_of(IntArrayRef size, DType dtype, const DV& device) {
  return {.sizes = Dims(size), .dtype = dtype, .device = device.value_or(Device())};
}
inline TensorSpec in_layout(TensorSpec spec, const ALT& layout) {
  if (layout) spec.layout = layout->value;
  return spec;
}
inline TensorSpec sized_spec(IntArrayRef size, const DT& dtype, const LT&, const DV& device, const OB&) {
  return spec_of(size, dtype.value_or(default_dtype()), device);
}
inline TensorSpec spec_like(const Tensor& self, const DT& dtype, const LT&, const DV& device, const OB&,
                            const MF& format) {
  TensorSpec spec{
      .sizes = self.sizes(), .dtype = dtype.value_or(self.dtype()), .device = device.value_or(self.device())};
  MemoryFormat f = format.value_or(MemoryFormat::Preserve);
  if (f != MemoryFormat::Preserve) spec.strides = strides_for(spec.sizes, f);
  else if (!self.is_contiguous()) spec.strides = preserved_strides(self);
  return spec;
}
inline TensorSpec spec_like(const Tensor& self) { return spec_like(self, {}, {}, {}, {}, {}); }

// structured, where filling looks at few of the boxed arguments or at none: many ways of saying the shape, one of filling it.
template <auto Meta>
Kernel filled(void (*fill)(const Op& op, IValue* args, const Tensor* outs)) {
  using M = Signature<decltype(Meta)>;
  return {.kind = Kernel::Kind::Structured,
          .meta = [](const Op&, IValue* args, TensorSpec* specs) { return spec_into(specs, M::apply(Meta, args)); },
          .cpu = fill,
          .arity = M::arity};
}

// For fills that go from one element to the next in memory: a tensor that out= gave may lie otherwise, and then gets a copy.
template <class F>
void fill_in_order(const Tensor& out, const F& fill) {
  if (out.is_contiguous()) return fill(out);
  Tensor work = empty_tensor(out.sizes(), out.dtype());
  fill(work);
  copy_elements(out, work);
}

}  // namespace rushlight
